"""Headlines: twelve words at most, and nothing claimed of what is hidden."""

from __future__ import annotations

import dataclasses

import pytest

from drive_eval.data.synthetic import synthetic_study
from drive_eval.evaluation import run
from drive_eval.evaluation.release import release_evaluation
from drive_eval.plan import Plan
from drive_eval.report import charts, headlines
from drive_eval.results import NOT_SHOWN, Estimate, ResultSet

LABELS = {"programme": "Programme", "comparison": "Comparison"}
KINDS = {
    "fell": (50.0, 20.0, 70.0),
    "rose": (-50.0, -90.0, -20.0),
    "open": (5.0, -20.0, 30.0),
    "hidden": (None, None, None),
}
BODY = {
    "evaluation": {"title": "A small site"},
    "data": {"folder": "data"},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [{"kind": "behaviour", "reporter": "idva"}],
    "equality": {"by": []},
}


@pytest.fixture(scope="module")
def exact():
    return run(Plan.model_validate(BODY), synthetic_study("site", seed=1))


def fall(kind, group):
    point, low, high = KINDS[kind]
    return Estimate(
        measure="percent_reduction",
        term="users" if group else "ratio",
        group=group,
        estimate=point,
        conf_low=low,
        conf_high=high,
        method=NOT_SHOWN if kind == "hidden" else "",
    )


def message(exact, inside, between):
    results = {
        f"{kind}:idva:intake-exit": ResultSet(
            estimates=(fall(one, "programme"), fall(one, "comparison"), fall(gap, ""))
        )
        for kind, one, gap in zip(("a", "b", "c", "d"), inside, between, strict=False)
    }
    changed = dataclasses.replace(exact, results=results)
    return headlines.reductions_headline(changed, list(results))


@pytest.mark.parametrize(
    ("inside", "between", "said"),
    [
        (
            ["fell"] * 4,
            ["fell"] * 4,
            "All types of abuse fell, by more than in the comparison group",
        ),
        (
            ["fell", "hidden", "fell", "fell"],
            ["open", "hidden", "open", "fell"],
            "All 3 types shown fell; 1 did better than the comparison group",
        ),
        (
            ["fell", "hidden", "open", "fell"],
            ["open", "hidden", "open", "fell"],
            "2 of 3 types shown fell; 1 better than the comparison group",
        ),
        (
            ["fell", "fell"],
            ["fell", "rose"],
            "Both types fell; against the comparison 1 better, 1 worse",
        ),
        (
            ["open", "open"],
            ["rose", "open"],
            "No clear change; 1 did worse than the comparison group",
        ),
        (
            ["fell", "rose"],
            ["open", "open"],
            "1 type fell, 1 rose; no clear difference between the groups",
        ),
        (["hidden"] * 2, ["hidden"] * 2, "No change in the programme group can be shown"),
        (["fell"], ["fell"], "This abuse fell, by more than in the comparison group"),
    ],
)
def test_reductions_count_only_what_is_shown(exact, inside, between, said):
    assert message(exact, inside, between) == said


@pytest.mark.parametrize("inside", KINDS)
@pytest.mark.parametrize("other", KINDS)
@pytest.mark.parametrize("between", KINDS)
@pytest.mark.parametrize("last", KINDS)
def test_reductions_have_twelve_words_at_most(exact, inside, other, between, last):
    said = message(exact, [inside, other, inside, other], [between, last, last, between])
    assert len(said.split()) <= headlines.MOST_WORDS, said


def test_fewer_at_every_level_needs_every_type_to_fall(exact):
    names = [name for name in exact.results if ":idva:" in name and "rivals" not in name]
    chart = charts.severity_chart(exact, names, LABELS)
    rows = chart.data.to_dict("records")
    mine = [row for row in rows if row["group"] == "programme"]
    for row in mine:
        row |= {f"before_{level}": 9 for level in headlines.LEVELS}
        row |= {f"after_{level}": 3 for level in headlines.LEVELS}
        row |= {"worsened": 1, "changes_shown": 50}
    said = headlines.severity_headline(exact, names, mine)
    assert said == "Programme group: fewer at every level of severity; few got worse"
    mine[0]["worsened"] = 20
    said = headlines.severity_headline(exact, names, mine)
    assert said == "Programme group: fewer afterwards at every level of severity"
    mine[0]["after_high"] = None
    said = headlines.severity_headline(exact, names, mine)
    assert said == "Programme group: fewer afterwards at every level of severity shown"
    mine[0]["after_standard"] = 9
    assert "every level" not in headlines.severity_headline(exact, names, mine)


def test_the_difference_is_written_beneath_the_groups(exact):
    names = [name for name in exact.results if ":idva:" in name and "rivals" not in name]
    released = release_evaluation(exact, "opensafely")
    for evaluation in (exact, released):
        chart = charts.reductions_chart(evaluation, names, LABELS)
        written = [t.get_text() for t in chart.figure.axes[0].texts]
        lines = [text for text in written if text.startswith("Difference: ")]
        assert len(lines) == len(names)
        for name, line in zip(names, lines, strict=True):
            e = evaluation.results[name].one(measure="difference_in_differences")
            if e.conf_low is None:
                assert line == "Difference: not shown [c]"
            elif e.conf_high < 0:
                assert f"fell by {-100 * e.estimate:.0f} more of 100 (" in line
            else:
                assert "not clear" in line
            shown = chart.data.loc[chart.data["abuse_type"] == name.split(":")[0]]
            if e.estimate is not None:
                assert shown["difference_per_100"].tolist() == pytest.approx([100 * e.estimate] * 2)
            else:
                assert shown["difference_per_100"].isna().all()
    assert "Difference: not shown [c]" in lines
