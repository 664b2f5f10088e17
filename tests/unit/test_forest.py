"""All effects at a glance: which differences stand there, in which order, and what is said."""

from __future__ import annotations

import pytest

from drive_eval.data.synthetic import synthetic_study
from drive_eval.evaluation import run
from drive_eval.evaluation.release import release_evaluation
from drive_eval.plan import Plan
from drive_eval.report.forest import _headline, forest_chart

LABELS = {"programme": "Programme", "comparison": "Comparison"}
BLOCKS = [
    {"kind": "perceived_change"},
    {"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical", "sexual"]},
]


def evaluation_of(outcomes, policy):
    plan = {
        "evaluation": {"title": "Forest"},
        "data": {"folder": "data"},
        "design": {"kind": "comparison_group", "unit": "person"},
        "outcomes": outcomes,
        "equality": {"by": []},
    }
    exact = run(Plan.model_validate(plan), synthetic_study("drive_pilot", seed=1))
    return release_evaluation(exact, policy)


@pytest.fixture(scope="module", params=["internal", "opensafely"])
def evaluation(request):
    return evaluation_of(BLOCKS, request.param)


def test_rows_are_the_differences_of_the_results_primary_first(evaluation):
    chart = forest_chart(evaluation, LABELS)
    data = chart.data.set_index("outcome")
    first, second = "physical:idva:intake-exit", "sexual:idva:intake-exit"
    assert list(data.index) == [first, second, "perceived_change:idva:exit"]
    assert data["primary"].tolist() == [True, True, False]
    e = evaluation.results[first].one(measure="difference_in_differences")
    shown = data.loc[first, ["difference", "conf_low", "conf_high"]].tolist()
    assert shown == pytest.approx([100 * v for v in (e.estimate, e.conf_low, e.conf_high)])
    # What is good when there is more of it is told by its opposite, bounds changed over.
    e = evaluation.results["perceived_change:idva:exit"].one(measure="risk_difference")
    shown = data.loc["perceived_change:idva:exit", ["difference", "conf_low", "conf_high"]].tolist()
    assert shown == pytest.approx([-100 * v for v in (e.estimate, e.conf_high, e.conf_low)])
    assert "Risk judged unchanged or higher" in chart.alt_text
    assert chart.headline == "Programme group is lower or fell further on all 3 outcomes"


def test_one_outcome_has_no_forest():
    assert forest_chart(evaluation_of(BLOCKS[:1], "internal"), LABELS) is None


CLEAR, OPEN, HIDDEN = (-9, -1), (-5, 4), (None, None)


def row_of(ends, measure="difference_in_differences", *, negative=False, title="Physical abuse"):
    low, high = ends
    return {
        "conf_low": low, "conf_high": high, "negative": negative, "measure": measure,
        "title": title,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ([CLEAR, OPEN], "Programme group fell further on 1 of 2 outcomes"),
        ([CLEAR, CLEAR], "Programme group fell further on both outcomes"),
        ([CLEAR, (1, 4)], "Programme group lower on 1, higher on 1 of 2 outcomes"),
        ([(2, 3), OPEN], "Programme group fell less or rose on 1 of 2 outcomes"),
        ([OPEN, OPEN], "No clear difference between the groups on any of 2 outcomes"),
        # What is hidden is no outcome without a difference.
        ([CLEAR, OPEN, HIDDEN], "Programme group fell further on 1 of 2 outcomes shown"),
        ([OPEN, HIDDEN], "No clear difference between the groups on 1 outcome shown"),
        ([CLEAR, HIDDEN], "Physical abuse: lower in the programme group"),
        ([HIDDEN, HIDDEN], "No difference between the groups can be shown"),
    ],
)
def test_the_headline_counts_whole_intervals_of_what_is_shown(ends, said):
    rows = [row_of(one) for one in ends]
    assert _headline(rows, LABELS) == said
    # What the programme cannot change is drawn and not counted.
    assert _headline([*rows, row_of(CLEAR, negative=True)], LABELS) == said


def test_a_level_is_lower_and_a_change_falls_further():
    levels = [row_of(CLEAR, "risk_difference")] * 2
    assert _headline(levels, LABELS) == "Programme group is lower on both outcomes"
    mixed = [*levels, row_of(CLEAR)]
    assert _headline(mixed, LABELS) == "Programme group is lower or fell further on all 3 outcomes"
