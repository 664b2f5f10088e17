"""From plan and study to an evaluation: twelve cases that one can check on paper."""

from __future__ import annotations

import dataclasses
import warnings

import pandas as pd
import pytest

from drive_eval.data.study import Study
from drive_eval.errors import DesignError, DesignWarning
from drive_eval.evaluation import run
from drive_eval.plan import Plan

PHYSICAL = "physical:idva:intake-exit"


def plan_with(**changes) -> Plan:
    body = {
        "evaluation": {"title": "Twelve cases"},
        "data": {"folder": "extract"},
        "design": {"kind": "comparison_group", "unit": "person"},
        "outcomes": [{"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]}],
    }
    for section, values in changes.items():
        if isinstance(values, dict):
            body[section] = {**body.get(section, {}), **values}
        else:
            body[section] = values
    return Plan.model_validate(body)


def with_cases(study: Study, **columns) -> Study:
    cases = study.table("cases").assign(**columns)
    return dataclasses.replace(study, tables={**study.tables, "cases": cases})


def test_users_fall_from_four_to_two_and_stay_at_three(tiny_study):
    result = run(plan_with(), tiny_study).results[PHYSICAL]
    fall = result.one(measure="percent_reduction", group="programme")
    assert (fall.n_events_reference, fall.n_events, fall.n, fall.estimate) == (4, 2, 5, 50.0)
    same = result.one(measure="percent_reduction", group="comparison")
    assert (same.n_events_reference, same.n_events, same.n, same.estimate) == (3, 3, 4, 0.0)
    ratio = result.one(measure="ratio_of_ratios")
    assert ratio.estimate == pytest.approx(0.5)
    assert ratio.group == ""


def test_three_denominators_as_on_paper(tiny_study):
    result = run(plan_with(), tiny_study).results[PHYSICAL]
    net = {
        e.subgroup: (e.n, e.estimate)
        for e in result.estimates
        if e.measure == "net_change" and e.group == "programme"
    }
    # Seven people in the programme arm (P01's second enrolment is left out), six of them
    # measured at intake, five at both; two fewer users.
    assert net == {
        "referred": (7, pytest.approx(-2 / 7)),
        "measured at intake": (6, pytest.approx(-2 / 6)),
        "measured at both": (5, pytest.approx(-2 / 5)),
    }
    started = {
        e.subgroup: e.n_events
        for e in result.estimates
        if e.measure == "started" and e.group == "comparison"
    }
    assert set(started.values()) == {1}


def test_the_flow_says_who_left_and_why(tiny_study):
    flow = run(plan_with(), tiny_study).table("flow")
    assert flow["programme", "in the cohort"] == 7
    assert flow["programme", "no intake measure"] == 1
    assert flow["programme", "no exit measure: disengaged"] == 1
    assert flow["programme", "measured at both"] == 5


def test_a_within_arm_change_is_never_more_than_descriptive(tiny_study):
    result = run(plan_with(), tiny_study).results[PHYSICAL]
    assert {e.claim for e in result.estimates if e.group} == {"descriptive"}
    assert {e.claim for e in result.estimates if not e.group} == {"associational"}


class TestClaims:
    def randomised(self, study, **design):
        plan = plan_with(design={"kind": "randomised", "unit": "person", **design})
        return run(plan, with_cases(study, allocated_arm=study.tables["cases"]["arm"]))

    def test_missing_outcomes_take_the_causal_claim_away(self, tiny_study):
        result = self.randomised(tiny_study, max_missing_share=0.1).results[PHYSICAL]
        assert result.one(measure="ratio_of_ratios").claim == "associational"
        check = result.check("claim")
        assert check.passed is False
        assert "more than the planned 10% of an arm (programme 29%, comparison 0%)" in check.text

    def test_few_missing_outcomes_leave_it(self, tiny_study):
        cases = tiny_study.table("cases")
        kept = cases[~cases["case_id"].isin(["004", "007"])].reset_index(drop=True)
        study = dataclasses.replace(tiny_study, tables={**tiny_study.tables, "cases": kept})
        result = self.randomised(study, max_missing_share=0.2).results[PHYSICAL]
        assert result.one(measure="ratio_of_ratios").claim == "causal"
        assert {e.claim for e in result.estimates if e.group} == {"descriptive"}

    def test_randomised_without_allocation_is_refused(self, tiny_study):
        plan = plan_with(design={"kind": "randomised", "unit": "person"})
        with pytest.raises(DesignError, match="12 of 12 cases have no allocated_arm"):
            run(plan, tiny_study)


class TestRefusals:
    def test_windows_that_differ_leave_null_rows_with_the_reason(self, tiny_study):
        plan = plan_with(comparison={"tolerance_days": 0})
        result = run(plan, tiny_study).results[PHYSICAL]
        assert result.one(measure="ratio_of_ratios").estimate is None
        refusal = next(c for c in result.checks if c.name == "refused")
        assert refusal.passed is False
        assert "day" in refusal.text

    def test_nobody_with_both_measures_leaves_null_rows(self, tiny_study):
        rows = tiny_study.table("assessments")
        kept = rows[~((rows["time_point"] == "exit") & rows["case_id"].str.startswith("00"))]
        study = dataclasses.replace(tiny_study, tables={**tiny_study.tables, "assessments": kept})
        result = run(plan_with(), study).results[PHYSICAL]
        fall = result.one(measure="percent_reduction", group="programme")
        assert fall.estimate is None
        assert "nobody in the arm has both measures" in result.check("undefined").text

    def test_a_reporter_of_one_arm_gives_no_contrast(self, tiny_study):
        plan = plan_with(
            outcomes=[
                {"kind": "behaviour", "reporter": "case_manager", "abuse_types": ["physical"]}
            ]
        )
        result = run(plan, tiny_study).results["physical:case_manager:intake-exit"]
        assert {e.group for e in result.estimates} == {"programme"}
        assert "The comparison arm has no case manager" in result.check("not_rated").text

    def test_an_outcome_without_its_table_is_refused(self, tiny_study):
        tables = {k: v for k, v in tiny_study.tables.items() if k != "assessments"}
        with pytest.raises(DesignError, match="needs the table assessments"):
            run(plan_with(), dataclasses.replace(tiny_study, tables=tables))

    def test_perceived_change_is_not_counted_by_dyad(self, tiny_study):
        plan = plan_with(
            design={"kind": "comparison_group", "unit": "dyad"},
            outcomes=[{"kind": "perceived_change"}],
        )
        with pytest.raises(DesignError, match="cannot be counted by dyad"):
            run(plan, tiny_study)


def test_several_enrolments_widen_the_interval_and_are_said(tiny_study):
    plan = plan_with(design={"kind": "comparison_group", "unit": "dyad"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        result = run(plan, tiny_study).results[PHYSICAL]
    assert any(c.name == "design_effect" for c in result.checks)
    assert result.one(measure="percent_reduction", group="programme").unit == "dyad"


def test_perceived_change_as_on_paper(tiny_study):
    plan = plan_with(outcomes=[{"kind": "perceived_change"}])
    result = run(plan, tiny_study).results["perceived_change:idva:exit"]
    share = result.one(measure="share_reduced", group="programme")
    assert (share.n_events, share.n) == (2, 3)
    assert result.table("perceived_change:programme")["not judged",] == 4


def test_a_binary_outcome_as_allocated_and_as_delivered(tiny_study):
    cases = tiny_study.table("cases")
    allocated = cases["arm"].where(cases["case_id"] != "012", "programme")
    study = with_cases(
        tiny_study,
        allocated_arm=allocated,
        hit=pd.array([c in {"009", "010", "012"} for c in cases["case_id"]], dtype="boolean"),
    )
    plan = plan_with(
        design={"kind": "randomised", "unit": "person"},
        outcomes=[{"kind": "binary", "name": "hit", "column": "hit"}],
    )
    result = run(plan, study).results["hit"]
    risk = result.one(measure="risk_treated")
    assert (risk.n_events, risk.n) == (1, 8)
    assert result.one(measure="risk_difference", term="itt", subgroup="").claim == "causal"
    assert result.one(measure="risk_difference", term="as_treated", subgroup="").claim != "causal"
    assert result.one(measure="risk_difference", term="iv", subgroup="").claim != "causal"


def test_progress_names_every_outcome(tiny_study):
    seen = []
    run(
        plan_with(), tiny_study, progress=lambda done, total, name: seen.append((done, total, name))
    )
    assert seen == [(1, 2, PHYSICAL), (2, 2, f"rivals of {PHYSICAL}")]
