"""Who the arms were at the start, as the evaluator has it and as others may read it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from drive_eval.data.synthetic import synthetic_study
from drive_eval.evaluation import run
from drive_eval.evaluation.baseline import BASELINE, MEASURED, WHOLE_ARM
from drive_eval.evaluation.release import hidden_reasons, release_evaluation
from drive_eval.measures.case_table import cohort_units
from drive_eval.plan import Plan
from drive_eval.report import baseline, front, tables

BODY = {
    "evaluation": {"title": "Site"},
    "data": {"folder": "data"},
    "design": {"kind": "randomised", "unit": "person"},
    "outcomes": [{"kind": "behaviour", "reporter": "case_manager"}],
}
LABELS = {"programme": "Programme", "comparison": "Comparison"}
NAME = "physical:case_manager:intake-exit"


@pytest.fixture(scope="module")
def study():
    return synthetic_study("site", seed=1)


@pytest.fixture(scope="module")
def exact(study):
    return run(Plan.model_validate(BODY), study)


@pytest.fixture(scope="module")
def open_report(exact):
    return release_evaluation(exact, "internal")


@pytest.fixture(scope="module")
def released(exact):
    return release_evaluation(exact, "opensafely")


@pytest.fixture(scope="module")
def units(study):
    return cohort_units(study.tables["cases"], unit="person", group="allocated_arm")


def found(evaluation, measure, term, group="", whom=WHOLE_ARM):
    return evaluation.results[BASELINE].one(measure=measure, term=term, group=group, subgroup=whom)


def test_means_and_standardised_differences_are_those_of_the_cases(exact, units):
    ages = {arm: rows["age"].astype(float) for arm, rows in units.groupby("group")}
    one, other = ages["programme"], ages["comparison"]
    assert found(exact, "mean", "age", "programme").estimate == pytest.approx(one.mean())
    assert found(exact, "std_dev", "age", "comparison").estimate == pytest.approx(other.std())
    apart = (one.mean() - other.mean()) / np.sqrt((one.var() + other.var()) / 2)
    assert found(exact, "smd", "age").estimate == pytest.approx(apart)


def test_shares_count_each_group_of_both_arms(exact, units):
    counts = pd.crosstab(units["group"], units["sex"])
    for arm in LABELS:
        e = found(exact, "share", "sex: female", arm)
        assert (e.n_events, e.n) == (counts.loc[arm, "female"], counts.loc[arm].sum())
    # The programme's are counted by the equality tables, those of usual care here.
    names = {table.name for table in exact.results[BASELINE].tables}
    assert "baseline:sex:comparison" in names
    assert "baseline:sex:programme" not in names


def test_nothing_is_hidden_inside_the_organisation(exact, open_report):
    assert open_report.results[BASELINE].estimates == exact.results[BASELINE].estimates


def test_no_name_of_a_small_group_leaves(released):
    text = released.to_json()
    assert "female" not in text
    assert released.results[BASELINE].check("rounding").text.endswith("0.1.")


def test_every_hidden_table_has_its_reason(exact, released):
    reasons = {line["table"] for line in hidden_reasons(exact, released)}
    assert "baseline:sex:comparison" in reasons


def test_numbers_of_nearly_everybody_are_those_of_everybody(study, units):
    rated = study.tables["assessments"]
    rated = rated[(rated["reporter"] == "case_manager") & (rated["abuse_type"] == "physical")]
    rated = rated[rated["time_point"].isin(["intake", "exit"])]
    both = rated.dropna(subset=["severity"]).groupby("case_id")["time_point"].nunique() == 2
    lost = units[(units["group"] == "programme") & ~units["case_id"].isin(both[both].index)]
    assert 0 < len(lost) <= 7
    cases = study.tables["cases"]
    old = cases["age"].mask(cases["case_id"].isin(lost["case_id"]), 90)
    made = dataclasses.replace(study, tables={**study.tables, "cases": cases.assign(age=old)})
    evaluation = run(Plan.model_validate(BODY), made)
    done = release_evaluation(evaluation, "opensafely")
    before, after = (
        [found(e, "mean", "age", "programme", whom).estimate for whom in (WHOLE_ARM, MEASURED)]
        for e in (evaluation, done)
    )
    assert before[0] > before[1] + 5
    assert after[1] == after[0]


def test_a_number_with_few_people_off_its_commonest_value_is_not_shown(study):
    cases = study.tables["cases"]
    rare = pd.Series(0, index=cases.index, dtype="Int64")
    rare.iloc[::10] = range(1, 1 + len(rare.iloc[::10]))
    made = dataclasses.replace(
        study, tables={**study.tables, "cases": cases.assign(prior_incidents_12m=rare)}
    )
    evaluation = run(Plan.model_validate(BODY), made)
    assert found(evaluation, "mean", "prior_incidents_12m", "programme").estimate is not None
    for policy in ("opensafely", "ons_acro"):
        done = release_evaluation(evaluation, policy)
        for measure, arm in (("mean", "programme"), ("std_dev", "comparison"), ("smd", "")):
            assert found(done, measure, "prior_incidents_12m", arm).estimate is None


def test_months_between_the_ratings_are_whole(exact, released):
    assert found(exact, "months_between", "", "programme", MEASURED).estimate % 1
    shown = found(released, "months_between", "", "programme", MEASURED).estimate
    assert shown is None or shown % 1 == 0


def test_ratings_that_no_figure_has_are_counted_for_the_evaluator_alone(exact, released):
    count = exact.results[BASELINE].check("stray_ratings").statistic
    assert count == int(count)
    checks = [c for c in released.results[BASELINE].checks if c.name == "stray_ratings"]
    assert all(c.statistic is None and not any(d.isdigit() for d in c.text) for c in checks)


def test_the_report_tells_of_the_start_of_what_was_received_and_of_the_lost(open_report):
    table = baseline.baseline_table(open_report, LABELS)
    assert "Age" in [row[0] for row in table.rows]
    assert table.header[1:4] == (
        "Programme, everybody",
        "Comparison, everybody",
        "Difference, everybody",
    )
    assert "P values" in table.note
    received = open_report.table("received")
    said = baseline.received_sentence(open_report, LABELS)
    share = tables.percent_text(received["programme", "programme"], received["programme", "all"])
    assert f"{share} received the programme" in said
    lost = baseline.lost_table(open_report, [NAME], LABELS)
    pairs = open_report.results[NAME].table("pairs:programme")
    assert lost.rows[0][3].startswith(f"{pairs['lost', 'used before']} of ")


def test_the_front_box_says_that_groups_are_as_allocated(open_report):
    facts = dict(front.facts(open_report))
    assert facts["People started"] == "Not stated"
    assert facts["Groups"].startswith("As allocated by chance")
    assert front.as_allocated(open_report) == ", by group as allocated"


def test_where_an_outcome_counts_what_was_received_the_arm_does_not(study):
    cases = study.tables["cases"]
    hit = pd.Series(np.arange(len(cases)) % 3 == 0, index=cases.index, dtype="boolean")
    made = dataclasses.replace(study, tables={**study.tables, "cases": cases.assign(again=hit)})
    plan = {**BODY, "outcomes": [{"kind": "binary", "name": "again", "column": "again"}]}
    evaluation = run(Plan.model_validate(plan), made)
    assert evaluation.table("received")["programme", "comparison"] > 0
    done = release_evaluation(evaluation, "opensafely")
    assert {cell.count for cell in done.table("received").cells} == {None}
    assert baseline.received_sentence(done, LABELS).count("is not shown") == 2
