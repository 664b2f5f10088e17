"""What `check` finds, and `run` refuses with the same sentence, before anything is computed."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

import drive_eval as de
from drive_eval.errors import DesignError, DesignWarning
from drive_eval.evaluation import check, check_designs, run
from drive_eval.evaluation.release import release_evaluation
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


KNOWN = ["prior_incidents_12m", "dash_score", "age"]
REPEAT = {"kind": "binary", "name": "repeat_12m", "column": "repeat_12m"}


@pytest.fixture(scope="module")
def pool():
    return de.synthetic_study("confounded", seed=1)


def balanced(*blocks, outcomes=(REPEAT,)) -> Plan:
    body = plan_with(*outcomes).to_dict()
    body["design"]["kind"] = "matched"
    body["balancing"] = [{"name": "main", "covariates": KNOWN, **block} for block in blocks]
    return Plan.model_validate(body)


def test_designs_are_looked_at_without_any_outcome(pool):
    cases = pool.table("cases")
    blind = with_table(pool, "cases", cases.drop(columns=["repeat_12m", "traffic_offence_12m"]))
    plan = balanced({}, {"name": "even", "method": "entropy_balance"})
    found = check_designs(plan, blind)
    assert list(found) == ["main", "even"]
    assert found["main"].describe() == check_designs(plan, pool)["main"].describe()
    assert {"perpetrator_id", "weight", "matched_set"} <= set(found["main"].table)
    assert check_designs(plan_with(REPEAT), blind) == {}


def test_a_blank_covariate_of_a_design_names_its_rows(pool):
    cases = pool.table("cases")
    cases.loc[[0, 3], "age"] = pd.NA
    sentence = (
        f'[[balancing]] "main": "age" of cases is blank in 2 of {len(cases)} rows (rows 2, 5). '
        "Fill it by a stated rule, leave those cases out, or take it out of the block. Rows are "
        "counted once the file is sorted by case_id, without cases left out."
    )
    blank = with_table(pool, "cases", cases)
    assert refused(balanced({}), blank) == sentence
    with pytest.raises(DesignError) as refusal:
        check_designs(balanced({}), blank)
    assert str(refusal.value) == sentence


def test_a_covariate_that_is_dated_late_or_not_at_all_names_its_rows(pool):
    cases = pool.table("cases")
    cases["dash_date"] = cases["index_date"]
    cases.loc[2, "dash_date"] += pd.Timedelta(days=1)
    cases.loc[4, "dash_date"] = pd.NaT
    plan = balanced({"measured_on": {"dash_score": "dash_date"}})
    late, blank = refused(plan, with_table(pool, "cases", cases)).splitlines()
    assert f"after the index date in 1 of {len(cases)} rows (row 4). What came after" in late
    assert f"has no date (dash_date) in 1 of {len(cases)} rows (row 6). Nothing shows" in blank


def with_sites(pool, rare):
    """Return the pool with a site of few cases in each arm."""
    cases = pool.table("cases")
    site = cases.groupby("arm").cumcount().map(lambda i: "isle" if i < rare else "land")
    return with_table(pool, "cases", cases.assign(site=site))


def test_a_rare_category_of_the_outcome_model_is_noted_by_name(pool):
    plan = balanced({"method": "subclass", "covariates": ["site", "dash_score"]})
    sentence = (
        r'\[\[balancing\]\] "main": its effects will not be released under the policy opensafely: '
        r'too few people .* are in a category of "site" .* Merge rare categories'
    )
    with pytest.warns(DesignWarning, match=sentence):
        check(plan, with_sites(pool, 9))
    check(plan, with_sites(pool, 100))  # a warning would be an error


def test_rare_values_of_a_number_keep_no_effect_of_classes_inside(pool):
    cases = pool.table("cases")
    few = cases["prior_incidents_12m"].clip(upper=6)
    assert few.value_counts().min() < 70
    study = with_table(pool, "cases", cases.assign(prior_incidents_12m=few))
    plan = balanced({"method": "subclass", "covariates": ["prior_incidents_12m", "dash_score"]})
    check(plan, study)
    released = release_evaluation(run(plan, study), "opensafely").results["repeat_12m"]
    assert released.one(measure="risk_difference", term="main").estimate is not None


def test_the_release_names_a_rare_category_too(pool):
    plan = balanced({"method": "subclass", "covariates": ["site", "dash_score"]})
    released = release_evaluation(run(plan, with_sites(pool, 9)), "opensafely")
    found = released.results["repeat_12m"]
    assert found.one(measure="risk_difference", term="main").estimate is None
    assert 'a category of "site"' in found.check("suppressed").text


def test_a_rare_category_of_the_comparison_is_noted_by_name(pool):
    body = plan_with(REPEAT, covariates=["site"])
    with pytest.warns(DesignWarning, match=r'\[comparison\]: .* category of "site"'):
        check(body, with_sites(pool, 9))
