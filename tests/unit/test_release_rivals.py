"""Rival explanations, rates, reporters and the ledger: what of them may be read by others."""

from __future__ import annotations

import dataclasses
import functools
import json

import pandas as pd
import pytest

from drive_eval import disclosure
from drive_eval.data.schema import validate
from drive_eval.data.study import Study
from drive_eval.evaluation import run
from drive_eval.evaluation.controlled import coarse_p
from drive_eval.evaluation.release import release_evaluation
from drive_eval.evaluation.released_ledger import release_ledger
from drive_eval.evaluation.released_rates import enough_incidents
from drive_eval.evaluation.released_rival_arms import sites_words, to_hundredth
from drive_eval.evaluation.rival_question import Asked
from drive_eval.evaluation.row_order import coarse_row_orders, row_orders
from drive_eval.plan import Plan
from drive_eval.results import Check, CountTable, Estimate, ResultSet

NAME = "physical:idva:intake-exit"
RIVALS = f"rivals:{NAME}"
KINDS = [("high", "high"), ("high", "none"), ("none", "high"), ("none", "none")]
LOST = [("high", None), ("none", None)]
PROGRAMME, COMPARISON = (40, 160, 16, 90, 30, 20), (60, 60, 21, 70, 25, 30)


def study_of(arms, sites=("north",), reporters=("idva",)) -> Study:
    """Make a study with so many pairs, and so many lost (users before, others), in each arm."""
    cases, ratings = [], []
    for arm, counts in arms.items():
        for kind, count in zip([*KINDS, *LOST], counts, strict=True):
            for i in range(count):
                case = f"C{len(cases):05d}"
                cases.append((case, f"P{case}", arm, "2024-01-01", sites[i % len(sites)]))
                for reporter in reporters if arm == "programme" else reporters[:1]:
                    for when, level in zip(("intake", "exit"), kind, strict=True):
                        if level is not None:
                            ratings.append((case, when, reporter, "physical", level))
    columns = ["case_id", "perpetrator_id", "arm", "index_date", "site"]
    tables = {
        "cases": pd.DataFrame(cases, columns=columns),
        "assessments": pd.DataFrame(
            ratings, columns=["case_id", "time_point", "reporter", "abuse_type", "severity"]
        ),
    }
    return Study(tables=validate(tables), source="made by hand")


def plan_of(*reporters, unit="person", **sensitivity) -> Plan:
    return Plan.model_validate(
        {
            "evaluation": {"title": "A site"},
            "data": {"folder": "data"},
            "design": {"kind": "comparison_group", "unit": unit},
            "outcomes": [
                {"kind": "behaviour", "reporter": r, "abuse_types": ["physical"]}
                for r in reporters or ("idva",)
            ],
            "sensitivity": {"imputations": 0, "leave_one_out": "", **sensitivity},
        }
    )


@functools.cache
def released(programme=PROGRAMME, comparison=COMPARISON, policy="opensafely", **more):
    exact = evaluated(programme, comparison, **more)
    return exact, release_evaluation(exact, policy)


@functools.cache
def evaluated(programme=PROGRAMME, comparison=COMPARISON, *, sites=("north",), **more):
    study = study_of({"programme": programme, "comparison": comparison}, sites)
    # Lists of a plan cannot be told apart by a cache.
    return run(
        plan_of(**{k: list(v) if isinstance(v, tuple) else v for k, v in more.items()}), study
    )


def test_bounds_hold_for_all_counts_that_round_to_those_shown():
    exact, done = released()
    table = done.results[NAME].table("pairs:programme")
    shown = (table["users", "before"], table["users", "after"], table["lost", "used before"])
    assert None not in shown
    rivals, truth = done.results[RIVALS], exact.results[RIVALS]
    about = {"measure": "percent_reduction", "group": "programme"}
    worst = rivals.one(**about, term="worst case (users)")
    best = rivals.one(**about, term="best case (users)")
    # 40, 160, 16 and 90 pairs, 30 and 20 lost: the fall lies between 53.9 and 75.7 %.
    assert truth.one(**about, term="worst case (users)").estimate == pytest.approx(53.913, abs=1e-3)
    assert (worst.estimate, best.estimate) == (51.0, 79.0)
    assert worst.conf_low <= truth.one(**about, term=worst.term).conf_low
    assert best.conf_high >= truth.one(**about, term=best.term).conf_high
    for e in (worst, best):
        assert e.conf_low < e.estimate < e.conf_high
        assert (e.n, e.n_events) == (None, None)
        assert "widest that the counts shown allow" in e.method
    text = next(c.text for c in rivals.checks if c.name == "rival:missing" and c.group)
    assert text == (
        "Counts are rounded. Whatever became of those without a second measure, the fall is at "
        "least 51 % and at most 79 %."
    )
    assert not [c for c in rivals.checks if c.name == "bounds_wider"]


def test_what_would_undo_a_fall_is_the_least_that_the_counts_allow():
    exact, done = released()
    for measure, least in (("tipping_point", "point"), ("over_optimism", "point")):
        about = {"measure": measure, "term": least, "group": "programme"}
        truth = exact.results[RIVALS].one(**about).estimate
        shown = done.results[RIVALS].one(**about).estimate
        if truth is not None:
            assert shown == int(shown)
            assert shown <= truth
    texts = {
        c.name: c.text for c in done.results[RIVALS].checks if c.group == "programme" or not c.group
    }
    assert "only if at least" in texts["rival:misreporting"]
    assert texts["rival:differential_misreporting"].startswith("The difference at the end only")
    assert "compares the change" in texts["at_the_end_only"]


def test_a_worst_case_over_a_hidden_number_is_marked():
    _, done = released((40, 160, 16, 90, 2, 1))
    marks = {c.group: c.text for c in done.results[RIVALS].checks if c.name == "bounds_wider"}
    assert set(marks) == {"programme", ""}
    assert marks["programme"] == (
        "How many were not rated a second time is not shown, so this is the worst that any "
        "number hidden could make it."
    )


def test_the_size_of_a_new_study_has_two_digits_or_is_not_shown():
    _, done = released()
    sizes = [e for e in done.results[RIVALS].estimates if e.measure == "n_needed"]
    for e in sizes:
        for size in (e.n, e.n_reference):
            assert size == float(f"{size:.2g}")
        assert e.estimate == e.n
    said = [c.text for c in done.results[RIVALS].checks if c.name == "rival:power" and c.group]
    assert all(any(f"{e.n:,} pairs" in text for e in sizes) for text in said if "new" in text)
    assert any("new study" in text for text in said)
    # Nobody knows who stopped and who started, of whom nearly as many may have as have not.
    _, hidden = released((60, 95, 2, 90, 30, 20))
    assert hidden.results[NAME].table("pairs:programme")["pairs", "both"] is None
    gone = hidden.results[RIVALS].one(measure="n_needed", group="programme")
    assert (gone.estimate, gone.n) == (None, None)
    assert hidden.results[RIVALS].check("size_hidden").group == "programme"
    text = next(
        c.text
        for c in hidden.results[RIVALS].checks
        if c.name == "rival:power" and c.group == "programme"
    )
    assert "new study" not in text


def test_a_release_of_rivals_has_every_row_and_sentence():
    exact, done = released()
    rows = [(e.measure, e.term, e.group) for e in exact.results[RIVALS].estimates]
    assert [(e.measure, e.term, e.group) for e in done.results[RIVALS].estimates] == rows
    said = [(c.name, c.group) for c in exact.results[RIVALS].checks if c.name.startswith("rival:")]
    shown = [(c.name, c.group) for c in done.results[RIVALS].checks if c.name.startswith("rival:")]
    assert shown == said
    assert all(e.estimate is not None or e.term for e in done.results[RIVALS].estimates)
    for e in done.results[RIVALS].estimates:
        assert e.std_error is None
        assert e.p_value is None


@pytest.mark.parametrize(("policy", "lost"), [("opensafely", (2, 1)), ("ons_acro", (30, 20))])
def test_bounds_are_there_though_few_are_missing_and_hold_for_all_that_look_alike(policy, lost):
    exact, done = released((40, 160, 16, 90, *lost), policy=policy)
    about = {"measure": "percent_reduction", "group": "programme"}
    ends = {}
    for name in ("worst case", "best case"):
        e = done.results[RIVALS].one(**about, term=f"{name} (users)")
        truth = exact.results[RIVALS].one(**about, term=f"{name} (users)").estimate
        ends[name] = (e.estimate, truth)
        assert e.n is None
        assert "widest that the counts shown allow" in e.method
    assert ends["worst case"][0] <= ends["worst case"][1]
    assert ends["best case"][0] >= ends["best case"][1]
    said = next(
        c
        for c in done.results[RIVALS].checks
        if c.name == "rival:missing" and c.group == "programme"
    )
    assert said.text.startswith("How many have no second measure is not shown.")
    kinds = {e.measure for e in done.results[RIVALS].estimates if e.group == "programme"}
    assert "tipping_point" not in kinds  # its being there would say that somebody is missing


def test_what_a_small_count_carries_is_not_shown():
    exact, done = released((3, 60, 2, 30, 20, 20))
    rivals = done.results[RIVALS]
    assert done.results[NAME].table("pairs:programme")["users", "after"] is None
    for e in rivals.estimates:
        if e.group == "programme" or not e.group:
            assert e.estimate is None, e
            assert (e.conf_low, e.conf_high, e.n, e.n_events) == (None,) * 4
    texts = {c.text for c in rivals.checks if c.group == "programme"}
    assert texts == {"Not shown: too few people, or it would give a hidden count back."}
    wrong = {c.text for c in exact.results[RIVALS].checks if c.group == "programme"}
    assert not wrong & texts


def test_clustered_units_keep_points_and_lose_intervals():
    _, done = released(unit="enrolment")
    e = done.results[RIVALS].one(
        measure="percent_reduction", group="programme", term="worst case (users)"
    )
    assert e.estimate is not None
    assert (e.conf_low, e.conf_high) == (None, None)
    verdicts = [c for c in done.results[RIVALS].checks if c.name == "rival:verdict" and c.group]
    assert len(verdicts) == 2


def test_imputed_and_weighted_results_without_covariates_follow_from_released_counts():
    _, done = released(imputations=2)
    rows = [e for e in done.results[RIVALS].estimates if e.term.startswith(("imputed", "weighted"))]
    assert rows
    assert all(e.estimate is not None and "two digits" not in e.method for e in rows)


def test_with_covariates_they_are_given_to_two_digits():
    sites = ("north", "south")
    exact, done = released(imputations=2, missing_covariates=("site",), sites=sites)
    rows = [e for e in done.results[RIVALS].estimates if e.term.startswith(("imputed", "weighted"))]
    assert rows
    for e in rows:
        assert e.estimate == round(e.estimate, 2)
        assert e.method.endswith("to two digits")
        assert e.n is None
    text = next(c.text for c in done.results[RIVALS].checks if c.name == "rival:imputed")
    assert "those who were, the fall is" in text
    # A category with few people on one side keeps them back.
    few = evaluated(imputations=2, missing_covariates=("site",), sites=("north",) * 9 + ("south",))
    hidden = release_evaluation(few, "opensafely").results[RIVALS]
    assert not [e for e in hidden.estimates if e.term.startswith(("imputed", "weighted"))]
    assert [c for c in few.results[NAME].checks if c.name == "missing_cells"]
    assert not [
        c
        for c in release_evaluation(few, "internal").results[NAME].checks
        if c.name == "missing_cells"
    ]
    assert exact.results[RIVALS] != done.results[RIVALS]


def test_sites_and_kinds_are_shown_if_each_has_enough_people():
    more = {"leave_one_out": "site", "subgroups": ("site",), "sites": ("north", "south")}
    arms = ((60, 100, 40, 90, 30, 20), (60, 60, 40, 70, 25, 30))
    _, done = released(*arms, **more)
    rivals = done.results[RIVALS]
    rows = [e for e in rivals.estimates if e.subgroup]
    assert {e.subgroup for e in rows} == {
        "without north", "without south", "site: north", "site: south"
    }  # fmt: skip
    for e in rows:
        assert e.n is None
        if e.measure == "percent_reduction":
            assert e.estimate == round(e.estimate)
    said = [c.text for c in rivals.checks if c.name == "rival:one_site" and c.group]
    assert all(text.startswith("Leaving out one site at a time, the fall") for text in said)
    kinds = rivals.check("rival:subgroup").text
    assert kinds.startswith("At the end, programme minus comparison by site, of 100: north")


def test_one_small_site_takes_every_result_without_a_site_with_it():
    more = {"leave_one_out": "site", "subgroups": ("site",)}
    sites = ("north",) * 8 + ("south",) * 7 + ("isle",)
    exact, done = released(sites=sites, **more)
    assert any("isle" in e.subgroup for e in exact.results[RIVALS].estimates)
    assert not [e for e in done.results[RIVALS].estimates if e.subgroup or " v site" in e.term]
    text = json.dumps([c.text for c in done.results[RIVALS].checks])
    assert not any(site in text for site in sites)
    assert "By site: not shown" in text


def test_the_same_ratings_counted_twice_have_no_rivals_twice():
    plan = plan_of("idva")
    body = plan.to_dict()
    body["outcomes"].append({**body["outcomes"][0], "threshold": "high"})
    exact = run(
        Plan.model_validate(body), study_of({"programme": PROGRAMME, "comparison": COMPARISON})
    )
    done = release_evaluation(exact, "opensafely")
    second = next(n for n in done.results if n.startswith(RIVALS) and n != RIVALS)
    assert all(e.estimate is None for e in done.results[second].estimates)


def test_a_yes_no_outcome_is_asked_again_of_released_counts():
    rows = [("programme", True)] * 52 + [("programme", False)] * 123 + [("programme", None)] * 23
    rows += [("comparison", True)] * 86 + [("comparison", False)] * 96 + [("comparison", None)] * 21
    cases = pd.DataFrame(rows, columns=["arm", "again"])
    cases = cases.assign(
        case_id=[f"C{i:03d}" for i in cases.index],
        perpetrator_id=[f"P{i:03d}" for i in cases.index],
        index_date="2024-01-01",
        site=["north", "south"] * (len(cases) // 2) + ["south"] * (len(cases) % 2),
    )
    tables = validate({"cases": cases}, columns={"cases": {"again": "boolean"}})
    body = plan_of(leave_one_out="site", subgroups=["site"]).to_dict()
    body["outcomes"] = [{"kind": "binary", "name": "again", "column": "again"}]
    exact = run(Plan.model_validate(body), Study(tables=tables, source="made by hand"))
    found = release_evaluation(exact, "opensafely").results["rivals:again"]
    worst = found.one(measure="risk_difference", term="worst case")
    # At most 52 + 27 of 52 + 27 + 123, less at least 83 of 83 + 97 + 22, as far as rounding tells.
    truth = exact.results["rivals:again"].one(measure="risk_difference", term="worst case")
    assert truth.estimate <= worst.estimate <= truth.estimate + 0.06
    assert worst.conf_high >= truth.conf_high
    assert (worst.n_events, worst.n) == (None, None)
    assert {e.subgroup for e in found.estimates if e.subgroup} == {
        "site: north", "site: south", "without north", "without south"
    }  # fmt: skip
    shown = {c.name for c in found.checks if c.name.startswith("rival:")}
    assert shown == {c.name for c in exact.results["rivals:again"].checks if "rival:" in c.name}
    assert not [c for c in found.checks if c.text.startswith("Not shown")]


def test_how_far_the_order_of_rows_moves_a_result_is_told_in_steps():
    def said(width):
        return [c.text for c in coarse_row_orders((Check(name="row_order", statistic=width),))]

    assert said(0.9) == []  # nobody learns whether anybody is tied
    assert "moves by 1 or more in a hundred" in said(1.8)[0]
    assert "moves by 5 or more in a hundred" in said(17.3)[0]
    assert coarse_row_orders((Check(name="ties", statistic=3.0),)) == ()


def test_a_matched_result_says_between_what_the_order_of_rows_moves_it():
    units = pd.DataFrame(
        {
            "perpetrator_id": [f"P{i:03d}" for i in range(120)],
            "group": ["programme"] * 40 + ["comparison"] * 80,
            "age": [20 + i % 4 for i in range(40)] + [20 + i % 5 for i in range(80)],
            "again": pd.array([i % 3 == 0 for i in range(120)], dtype="boolean"),
        }
    )
    body = plan_of().to_dict()
    body["design"] = {"kind": "matched", "unit": "person"}
    body["balancing"] = [{"name": "pairs", "method": "nearest", "covariates": ["age"]}]
    body["outcomes"] = [{"kind": "binary", "name": "again", "column": "again"}]
    asked = Asked(plan=Plan.model_validate(body), name="again", labels={"outcome": "again"})
    (found,) = row_orders(asked, units, "again")
    assert found.statistic > 0
    assert found.text.startswith("The difference lies between ")
    assert row_orders(asked, units, "again") == (found,)  # orders are drawn from the plan's seed
    distinct = units.assign(age=range(120))
    assert row_orders(asked, distinct, "again") == ()


# The ledger


def test_the_ledger_has_the_p_values_of_what_is_released_and_no_others():
    exact, done = released((40, 160, 3, 90, 30, 20))
    before, after = exact.results["ledger"], done.results["ledger"]
    assert after.check("tests") == before.check("tests")
    tests = [c for c in after.checks if c.name == "test"]
    assert [c.text for c in tests] == [c.text for c in before.checks if c.name == "test"]
    shown = {
        float(f"{e.p_value:.2g}") for e in done.results[NAME].estimates if e.p_value is not None
    }
    assert {c.p_value for c in tests if c.p_value is not None} <= shown
    hidden = [c for c in tests if c.p_value is None]
    assert after.check("tests_hidden").statistic == len(hidden) > 0
    assert all(c.statistic is None for c in hidden)


def test_adjusted_p_values_count_hidden_tests_as_large():
    exact = ResultSet(
        checks=tuple(
            Check(name="test", outcome="a", p_value=0.001, statistic=0.001, text=f"{what}: Holm")
            for what in ("risk difference", "bowker")
        )
    )
    row = Estimate(measure="risk_difference", estimate=0.1, p_value=0.0123)
    found = release_ledger(exact, {"a": ResultSet(estimates=(row,))})
    one, other = (c for c in found.checks if c.name == "test")
    assert (one.p_value, one.statistic) == (0.012, 0.024)
    assert (other.p_value, other.statistic) == (None, None)


def test_a_p_value_is_never_given_small_enough_to_be_solved():
    assert coarse_p(1e-30) == 0.001
    assert coarse_p(0.0456) == 0.046
    assert coarse_p(None) is None


# Reporters


def test_agreement_follows_from_released_tables_and_falls_need_enough_disagreement():
    study = study_of(
        {"programme": PROGRAMME, "comparison": COMPARISON}, reporters=("idva", "case_manager")
    )
    exact = run(plan_of("idva", "case_manager"), study)
    done = release_evaluation(exact, "opensafely")
    name = "reporters:physical:intake-exit"
    found = done.results[name]
    table = found.table("discordance:intake")
    assert table.policy == "opensafely"
    agreement = found.one(measure="agreement", subgroup="intake")
    assert agreement.n == table["all"]
    falls = [e for e in found.estimates if e.group]
    assert falls
    assert all(e.estimate is None for e in falls)  # nobody is named by one of the two alone
    assert found.check("suppressed").group == "programme"


# Rates


def incidents(events, people, n):
    table = CountTable.from_counts(
        name="incidents:police",
        title="",
        unit="person",
        dimensions=("group", "period", "what"),
        counts={
            ("programme", "before", "events"): events,
            ("programme", "before", "people with an event"): people,
            ("programme", "before", "people"): n,
        },
    )
    return ResultSet(tables=(table,))


@pytest.mark.parametrize(
    ("events", "people", "n", "enough"),
    [
        pytest.param(40, 30, 100, True, id="enough"),
        pytest.param(5, 5, 100, False, id="few with an event"),
        pytest.param(40, 98, 100, False, id="few without"),
        pytest.param(90, 30, 100, False, id="one may have most"),
    ],
)
def test_rates_need_people_with_and_without_and_nobody_with_most(events, people, n, enough):
    rules = disclosure.POLICIES["opensafely"]
    known = enough_incidents(incidents(events, people, n), "police", rules)
    assert known == {("programme", "before"): enough}


# Words and digits


@pytest.mark.parametrize(
    ("measure", "value", "shown"),
    [
        ("percent_reduction", 82.914, 83),
        ("percent_reduction", -15.94, -20),
        ("risk_difference", -0.2637, -0.26),
        ("risk_ratio", 1.3984, 1.4),
        ("share_explained", 98.01, 98),
    ],
)
def test_two_digits(measure, value, shown):
    e = Estimate(measure=measure, estimate=value, n=7, n_events=3, method="model, of 454")
    made = to_hundredth(e)
    assert made.estimate == pytest.approx(shown)
    assert (made.n, made.n_events) == (None, None)
    assert made.method == "model, to two digits"


def test_a_site_that_turns_the_result_is_told():
    whole = Estimate(measure="percent_reduction", estimate=40, conf_low=10, conf_high=60)
    rows = [dataclasses.replace(whole, estimate=p, conf_low=low) for p, low in ((45, 20), (30, -5))]
    assert sites_words(rows, [whole], "the fall", " %") == (
        "Leaving out one site at a time, the fall runs from 30 to 45 %.",
        False,
    )
    none = dataclasses.replace(whole, estimate=None, conf_low=None, conf_high=None)
    assert sites_words([none], [whole], "the fall", " %")[1] is None
    assert sites_words(rows[:1], [whole], "the fall", " %")[0].endswith("stays at 45 %.")
