"""What `check` finds, and `run` refuses with the same sentence, before anything is computed."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from drive_eval.errors import DesignError, DesignWarning
from drive_eval.evaluation import check, run
from drive_eval.plan import Plan

BEHAVIOUR = {"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]}
CHANGE = {"kind": "perceived_change"}
BINARY = {"kind": "binary", "name": "again", "column": "again"}


def plan_with(*outcomes, kind="comparison_group", unit="person", covariates=()) -> Plan:
    return Plan.model_validate(
        {
            "evaluation": {"title": "Twelve cases"},
            "data": {"folder": "extract"},
            "design": {"kind": kind, "unit": unit},
            "comparison": {"covariates": list(covariates)},
            "outcomes": list(outcomes or [BEHAVIOUR]),
        }
    )


def with_table(study, name, table):
    return dataclasses.replace(study, tables={**study.tables, name: table})


def with_cases(study, **columns):
    return with_table(study, "cases", study.table("cases").assign(**columns))


def refused(plan, study) -> str:
    with pytest.raises(DesignError) as by_check:
        check(plan, study)
    with pytest.raises(DesignError) as by_run:
        run(plan, study)
    assert str(by_check.value) == str(by_run.value)
    return str(by_check.value)


def test_it_counts_who_is_in_the_figures(tiny_study):
    found = check(plan_with(BEHAVIOUR, CHANGE), tiny_study)
    assert found == {"physical:idva:intake-exit": 9, "perceived_change:idva:exit": 5}


def test_a_covariate_that_is_no_column(tiny_study):
    assert refused(plan_with(covariates=["agee"]), tiny_study) == (
        'the covariate "agee" is no column of cases. Nearest: "age". Mend [comparison] covariates, '
        "or add the column."
    )


def test_a_covariate_that_is_blank_in_some_rows(tiny_study):
    # age is blank in one of the twelve cases
    assert "is blank in 1 of 12 rows of cases" in refused(plan_with(covariates=["age"]), tiny_study)


def test_a_covariate_that_is_blank(tiny_study):
    study = with_cases(tiny_study, age=pd.array([None] * 12, dtype="Int64"))
    assert refused(plan_with(covariates=["age"]), study) == (
        'the covariate "age" is blank in every row of cases. Fill it, leave those '
        "cases out, or take it out of [comparison] covariates."
    )


def test_a_yes_no_column_that_is_blank(tiny_study):
    study = with_cases(tiny_study, again=pd.array([None] * 12, dtype="boolean"))
    assert refused(plan_with(BEHAVIOUR, BINARY), study) == (
        'the outcome "again" has nothing to count: the column "again" of cases is blank in every '
        "row. Fill it, or take the outcome out of the plan."
    )


def test_before_after_with_comparison_cases(tiny_study):
    assert refused(plan_with(kind="before_after"), tiny_study) == (
        "the plan says before_after, which has nobody to compare with, but 4 of 12 cases are in "
        'the comparison arm. Use kind = "comparison_group", or leave these cases out with [cohort] '
        "exclude."
    )


@pytest.mark.parametrize(
    ("kind", "column"), [("randomised", "allocated_arm"), ("comparison_group", "arm")]
)
def test_one_arm_where_two_are_needed(tiny_study, kind, column):
    study = with_cases(tiny_study, **{column: "programme"})
    assert refused(plan_with(kind=kind), study) == (
        f"the plan says {kind}, which needs two arms, but {column} is programme in all 12 cases. "
        'Add the cases of the other arm, or use kind = "before_after".'
    )


def test_no_severity_at_all(tiny_study):
    rows = tiny_study.table("assessments")
    rows["severity"] = rows["severity"].where([False] * len(rows))
    study = with_table(tiny_study, "assessments", rows)
    assert refused(plan_with(), study).startswith(
        "there is nothing to show: no person has what any outcome of the plan needs"
    )
    assert check(plan_with(BEHAVIOUR, CHANGE), study)["physical:idva:intake-exit"] == 0
    assert run(plan_with(BEHAVIOUR, CHANGE), study).results


def test_risk_reviews_without_the_judgement(tiny_study):
    rows = tiny_study.table("risk_reviews").drop(columns="perceived_change")
    assert refused(plan_with(CHANGE), with_table(tiny_study, "risk_reviews", rows)) == (
        "risk_reviews has no column perceived_change, which an outcome of that kind needs. Add the "
        "column, or take the outcome out of the plan."
    )


def test_a_reporter_who_judged_nothing(tiny_study):
    plan = plan_with({**CHANGE, "reporter": "case_manager"})
    assert refused(plan, tiny_study) == (
        'no judgement of perceived change by "case_manager" at exit in risk_reviews. Judgements '
        "there: idva at exit. Choose one of these in the plan, or take the outcome out."
    )


def test_perceived_change_by_dyad(tiny_study):
    assert refused(plan_with(BEHAVIOUR, CHANGE, unit="dyad"), tiny_study) == (
        "perceived change is judged by case, so it cannot be counted by dyad. Use unit = "
        '"person" or "enrolment".'
    )


def test_all_faults_at_once(tiny_study):
    plan = plan_with({**CHANGE, "reporter": "police"}, kind="before_after", covariates=["agee"])
    assert len(refused(plan, tiny_study).splitlines()) == 3


def test_the_same_ratings_from_two_severities_are_noted(tiny_study):
    plan = plan_with(BEHAVIOUR, {**BEHAVIOUR, "threshold": "high"})
    sentence = (
        r'"physical:idva:intake-exit:high" counts the same ratings as "physical:idva:intake-exit" '
        "from another severity. Under a policy that hides counts only the first is released"
    )
    with pytest.warns(DesignWarning, match=sentence):
        check(plan, tiny_study)
