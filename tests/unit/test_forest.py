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
    assert "Risk not judged to have fallen" in chart.alt_text
    assert chart.headline == "Lower in the programme group on all 3 outcomes"


def test_one_outcome_has_no_forest():
    assert forest_chart(evaluation_of(BLOCKS[:1], "internal"), LABELS) is None


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ([(-9, -1), (-5, 4)], "Lower in the programme group on 1 of 2 outcomes; the others do not"),
        ([(-9, -1), (1, 4)], "Of 2 outcomes, 1 lower in the programme group and 1 higher"),
        ([(2, 3), (-5, 4)], "Higher in the programme group on 1 of 2 outcomes"),
        ([(-2, 3), (None, None)], "None of 2 outcomes tells the two groups apart"),
    ],
)
def test_the_headline_counts_whole_intervals_only(ends, said):
    rows = [{"conf_low": low, "conf_high": high, "negative": False} for low, high in ends]
    assert _headline(rows, LABELS).startswith(said)
    # What the programme cannot change is drawn and not counted.
    rows.append({"conf_low": -9, "conf_high": -1, "negative": True})
    assert _headline(rows, LABELS).startswith(said)
