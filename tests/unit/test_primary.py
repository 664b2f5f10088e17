"""By which one estimate an outcome is read."""

from __future__ import annotations

import pytest

from drive_eval.evaluation.ledger import count_tests
from drive_eval.plan import Plan, primary_estimate
from drive_eval.report.forest import difference_of
from drive_eval.report.tables import main_effects_table
from drive_eval.results import Estimate, Evaluation, ResultSet

PHYSICAL = "physical:idva:intake-exit"
OUTCOMES = [
    {"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]},
    {"kind": "perceived_change"},
    {"kind": "binary", "name": "hit", "column": "hit"},
    {
        "kind": "time_to_event",
        "name": "arrest",
        "stop": "weeks",
        "event": "arrested",
        "horizon": 52,
        "times": [13],
    },
    {"kind": "reoffending", "name": "police"},
]
PAIRS = {"name": "pairs", "method": "nearest", "covariates": ["age"]}
COLUMNS = {"hit": "boolean", "weeks": "number", "arrested": "boolean"}


def plan_of(kind="comparison_group", **sections) -> Plan:
    body = {
        "evaluation": {"title": "One effect each"},
        "data": {"folder": "data", "columns": {"cases": COLUMNS}},
        "design": {"kind": kind, "unit": "person"},
        "outcomes": OUTCOMES,
        "comparison": {"covariates": ["age"]} if kind == "comparison_group" else {},
    }
    return Plan.model_validate({**body, **sections})


def row(measure, term="", group="", **more) -> Estimate:
    between = "" if group else "programme v comparison"
    more = {"estimate": 0.1, "contrast": between, **more}
    return Estimate(measure=measure, term=term, group=group, **more)


EVERY = ResultSet(
    estimates=(
        row("risk_difference", group="programme"),
        row("risk_difference", "pairs", subgroup="HC1 standard error"),
        row("ratio_of_ratios"),
        row("risk_difference", "itt"),
        row("risk_difference", "pairs"),
        row("risk_difference"),
        row("difference_in_differences", estimate=None),
        row("event_free_difference", time=52),
        row("event_free_difference", time=13),
        row("event_free_difference", "pairs", time=52),
        row("hazard_ratio", "adjusted"),
        row("rate_ratio", "rate", "programme"),
    )
)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (PHYSICAL, ("difference_in_differences", "", "", None)),
        ("perceived_change:idva:exit", ("risk_difference", "", "", None)),
        ("hit", ("risk_difference", "", "", None)),
        ("arrest", ("event_free_difference", "", "", 52)),
        ("police", ("event_free_difference", "", "", 52)),
    ],
)
def test_of_two_groups_by_kind(name, wanted):
    e = primary_estimate(plan_of(), name, EVERY)
    assert (e.measure, e.term, e.group, e.time) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (PHYSICAL, ("risk_difference", "pairs", "", None)),
        ("hit", ("risk_difference", "pairs", "", None)),
        ("arrest", ("event_free_difference", "pairs", "", 52)),
    ],
)
def test_of_a_design_the_main_one(name, wanted):
    plan = plan_of("matched", comparison={}, balancing=[PAIRS])
    e = primary_estimate(plan, name, EVERY)
    assert (e.measure, e.term, e.group, e.time) == wanted
    assert not e.subgroup


def test_of_one_group_the_change_within_it():
    plan = plan_of("before_after")
    e = primary_estimate(plan, PHYSICAL, EVERY)
    assert (e.measure, e.group) == ("risk_difference", "programme")
    assert primary_estimate(plan, "police", EVERY).measure == "rate_ratio"


def test_what_is_no_outcome_has_none():
    assert primary_estimate(plan_of(), "balance:pairs", EVERY) is None
    assert primary_estimate(plan_of(), "hit", ResultSet()) is None


def test_the_ledger_tests_the_effect_that_is_read_and_no_other():
    # The adjusted hazard ratio and an earlier time are tests as well, and not the primary one.
    found = ResultSet(
        estimates=(
            row("event_free_difference", time=13, p_value=0.2),
            row("event_free_difference", time=52, p_value=0.048),
            row("hazard_ratio", p_value=0.05),
            row("hazard_ratio", "adjusted", p_value=0.047),
        )
    )
    tests = [c for c in count_tests(plan_of(), {"arrest": found}).checks if c.name == "test"]
    assert [c.p_value for c in tests if c.passed] == [0.048]
    assert len(tests) == 4
    # Without a P value nothing takes its place.
    none = ResultSet(estimates=(row("event_free_difference", time=52), found.estimates[3]))
    tests = [c for c in count_tests(plan_of(), {"arrest": none}).checks if c.name == "test"]
    assert [c.passed for c in tests] == [None]


def test_the_table_of_main_effects_and_the_forest_read_by_the_same():
    plan = plan_of()
    ends = {"conf_low": 0.05, "conf_high": 0.15}
    results = {
        PHYSICAL: ResultSet(
            estimates=(
                row("percent_reduction", "ratio", estimate=20.0, conf_low=10.0, conf_high=30.0),
                row("difference_in_differences", **ends),
            )
        ),
        "arrest": ResultSet(
            estimates=(
                row("event_free_difference", time=13, time_unit="days", **ends),
                row("event_free_difference", time=52, time_unit="days", **ends),
            )
        ),
    }
    found = Evaluation(plan=plan.to_dict(), plan_hash=plan.sha256(), results=results)
    labels = {"programme": "Programme", "comparison": "Comparison"}
    rows = main_effects_table(found, labels).rows
    assert [line[1] for line in rows] == [
        "Difference of the two changes, per 100",
        "Difference of those still free of it, per 100, after 52 days",
    ]
    for name, result in results.items():
        assert difference_of(result, "")[0] is primary_estimate(plan, name, result)
