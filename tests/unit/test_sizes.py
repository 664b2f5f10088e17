"""How many people would tell a difference over time: from what is shown, and from nothing else."""

from __future__ import annotations

import dataclasses

import pytest
from scipy import stats

from drive_eval.evaluation.sizes import people_needed
from drive_eval.plan import Plan
from drive_eval.results import Estimate

ARREST = {
    "kind": "time_to_event",
    "name": "arrest",
    "stop": "weeks",
    "event": "arrested",
    "horizon": 52,
}
FREE = Estimate(measure="event_free", group="comparison", time=52.0, estimate=0.6)


def plan_of(kind="comparison_group", unit="person", **sections) -> Plan:
    return Plan.model_validate(
        {
            "evaluation": {"title": "How many"},
            "data": {
                "folder": "data",
                "columns": {"cases": {"weeks": "number", "arrested": "boolean"}},
            },
            "design": {"kind": kind, "unit": unit},
            "outcomes": [ARREST],
            **sections,
        }
    )


def test_so_many_have_the_power_that_the_plan_asks_for():
    plan = plan_of(sensitivity={"smallest_worthwhile": 8, "power": 0.9})
    (check,) = people_needed(plan, [FREE])
    n, p, q = check.statistic, 0.4, 0.32
    assert check.threshold == 8
    # By the normal approximation, as R's power.prop.test: two digits are within a twentieth.
    middle = (p + q) / 2
    spread = ((p * (1 - p) + q * (1 - q)) / n) ** 0.5
    reach = stats.norm.ppf(0.975) * (2 * middle * (1 - middle) / n) ** 0.5
    assert stats.norm.cdf((p - q - reach) / spread) == pytest.approx(0.9, abs=0.02)
    assert n == float(f"{n:.2g}")
    assert f"about {n:,.0f} people in each group" in check.text
    assert "8 in every 100 with 90 % power" in check.text


def test_it_rests_on_the_comparison_groups_last_share_of_the_main_design():
    early = dataclasses.replace(FREE, time=13.0, estimate=0.9)
    other = dataclasses.replace(FREE, group="programme", estimate=0.8)
    alone = people_needed(plan_of(), [FREE])
    assert people_needed(plan_of(), [early, other, FREE, early]) == alone
    pairs = {"name": "pairs", "method": "nearest", "covariates": ["age"]}
    plan = plan_of("matched", balancing=[pairs])
    crude = dataclasses.replace(FREE, term="crude")
    made = dataclasses.replace(FREE, term="pairs", estimate=0.7)
    assert people_needed(plan, [made, crude]) != people_needed(plan, [crude]) == alone
    hidden = dataclasses.replace(made, estimate=None)
    assert people_needed(plan, [hidden, crude]) == alone


@pytest.mark.parametrize(
    ("plan", "rows"),
    [
        ({}, []),
        ({}, [dataclasses.replace(FREE, estimate=None)]),
        ({}, [dataclasses.replace(FREE, estimate=0.96)]),
        ({}, [dataclasses.replace(FREE, estimate=0.0)]),
        ({"unit": "enrolment"}, [FREE]),
        ({"kind": "before_after"}, [FREE]),
    ],
    ids=["nobody", "hidden", "fewer have it than would be worth", "all", "clustered", "alone"],
)
def test_where_it_cannot_be_said_nothing_is(plan, rows):
    assert people_needed(plan_of(**plan), rows) == ()
