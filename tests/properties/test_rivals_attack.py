"""An intruder against rival explanations: what he reads hangs on released counts alone.

Bounds, tipping points, Lee's trimming, over-optimism and detectable effects can all be solved for
the counts behind them. So every exact number and sentence that the gate is given is poisoned
here, and the release must stay as it was. What models made, and results without a site, follow
from no count: there the poison may come through in two digits, and in no number of people.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive_eval.data.schema import validate
from drive_eval.data.study import Study
from drive_eval.disclosure import POLICIES
from drive_eval.evaluation import released_ledger, released_rival_arms, released_rivals, run
from drive_eval.evaluation.release import release_evaluation
from drive_eval.evaluation.released_ledger import release_ledger
from drive_eval.evaluation.released_rates import Incidents, released_incidents
from drive_eval.evaluation.released_rival_arms import floor_of, sites_pass
from drive_eval.evaluation.released_rival_counts import step_words
from drive_eval.evaluation.released_rivals import release_rivals
from drive_eval.models import counts
from drive_eval.plan import Plan
from drive_eval.results import CountTable, Estimate, ResultSet

NAME = "physical:idva:intake-exit"
RIVALS = f"rivals:{NAME}"
KINDS = [("high", "high"), ("high", "none"), ("none", "high"), ("none", "none")]
LOST = [("high", None), ("none", None)]
POISON = 4711
RULES = POLICIES["opensafely"]


def world(lost, *, sites=("north", "south"), **sensitivity):
    """Evaluate and release two arms, one of which lost so many."""
    arms = {"programme": (60, 100, 40, 90, *lost), "comparison": (60, 60, 40, 70, 25, 30)}
    cases, ratings = [], []
    for arm, numbers in arms.items():
        for kind, count in zip([*KINDS, *LOST], numbers, strict=True):
            for i in range(count):
                case = f"C{len(cases):05d}"
                cases.append((case, f"P{case}", arm, "2024-01-01", sites[i % len(sites)]))
                ratings += [
                    (case, when, "idva", "physical", level)
                    for when, level in zip(("intake", "exit"), kind, strict=True)
                    if level is not None
                ]
    columns = ["case_id", "perpetrator_id", "arm", "index_date", "site"]
    tables = {
        "cases": pd.DataFrame(cases, columns=columns),
        "assessments": pd.DataFrame(
            ratings, columns=["case_id", "time_point", "reporter", "abuse_type", "severity"]
        ),
    }
    plan = Plan.model_validate(
        {
            "evaluation": {"title": "A site"},
            "data": {"folder": "data"},
            "design": {"kind": "comparison_group", "unit": "person"},
            "outcomes": [{"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]}],
            "sensitivity": {"imputations": 0, "leave_one_out": "", **sensitivity},
        }
    )
    exact = run(plan, Study(tables=validate(tables), source="made by hand"))
    return plan, exact, release_evaluation(exact, "opensafely")


def poisoned(result: ResultSet, *, numbers: bool = True) -> ResultSet:
    """Return a result in which nothing is true but its labels and tables."""
    counted = dict.fromkeys(("n", "n_events", "n_reference", "n_events_reference"), POISON)
    wrong = {"estimate": 0.123456, "conf_low": None, "conf_high": None, "p_value": 0.0123456}
    if not numbers:
        wrong = {}
    return dataclasses.replace(
        result,
        estimates=tuple(
            dataclasses.replace(e, **wrong, **counted) if e.estimate is not None or numbers else e
            for e in result.estimates
        ),
        checks=tuple(
            dataclasses.replace(c, text=f"{POISON}", statistic=float(POISON), p_value=0.0123456)
            if c.name != "missing_cells"
            else c
            for c in result.checks
        ),
    )


@pytest.fixture(scope="module", params=[(30, 20), (2, 1)], ids=["many", "few"])
def seen(request):
    return world(request.param)


def again(plan, exact, done) -> ResultSet:
    return release_rivals(
        plan,
        NAME,
        poisoned(exact.results[RIVALS]),
        poisoned(exact.results[NAME]),
        done.results[NAME],
        RULES,
    )


def test_what_follows_from_counts_follows_from_released_ones_alone(seen):
    plan, exact, done = seen
    assert again(plan, exact, done) == done.results[RIVALS]
    shown = [e for e in done.results[RIVALS].estimates if e.estimate is not None]
    assert len(shown) > 20


def test_a_leak_of_an_exact_row_is_seen(seen, monkeypatch):
    plan, exact, done = seen
    honest = released_rivals._onto

    def leaky(exact, found):
        first = [e for e in exact.estimates if e.measure == "over_optimism"]
        kept = tuple(first[0] if e.measure == "over_optimism" else e for e in found.estimates)
        return honest(exact, dataclasses.replace(found, estimates=kept))

    monkeypatch.setattr(released_rivals, "_onto", leaky)
    assert again(plan, exact, done) != done.results[RIVALS]


def test_models_and_sites_come_through_in_two_digits_and_without_people():
    plan, exact, done = world(
        (30, 20),
        imputations=2,
        missing_covariates=["site"],
        leave_one_out="site",
        subgroups=["site"],
    )
    free = [
        e
        for e in done.results[RIVALS].estimates
        if e.subgroup or " v site" in e.term or e.term.startswith(("imputed", "weighted"))
    ]
    assert len(free) > 20
    for e in free:
        assert (e.n, e.n_events, e.n_reference, e.n_events_reference) == (None,) * 4
        for value in (e.estimate, e.conf_low, e.conf_high):
            assert value is None or value == round(value, 2)
    found = release_rivals(
        plan,
        NAME,
        poisoned(exact.results[RIVALS]),
        exact.results[NAME],
        done.results[NAME],
        RULES,
    )
    text = json.dumps([dataclasses.asdict(x) for x in (*found.estimates, *found.checks)])
    assert str(POISON) not in text
    assert "0.123" not in text
    # Counts that are no site's own let none of the results without a site through.
    assert not [e for e in found.estimates if e.subgroup.startswith("without") and not e.group]


# One site


def arm_of(sites) -> tuple[ResultSet, ResultSet]:
    """Return the results without each site, and of all, of (before, after, measured) a site."""

    def row(cells, **about) -> Estimate:
        before, after, n = (sum(c) for c in zip(*cells, strict=True)) if cells else (0, 0, 0)
        told = {"n": n, "n_events": after, "n_reference": n, "n_events_reference": before}
        return Estimate(estimate=0.5, group="programme", **told, **about)

    rest = tuple(
        row(sites[:i] + sites[i + 1 :], measure="percent_reduction", subgroup=f"without {i}")
        for i in range(len(sites))
    )
    return ResultSet(estimates=rest), ResultSet(estimates=(row(sites, measure="risk_ratio"),))


SITES = st.lists(
    st.tuples(st.integers(0, 25), st.integers(0, 25), st.integers(0, 12)).map(
        lambda c: (c[0], c[1], max(c[:2]) + c[2])
    ),
    min_size=2,
    max_size=4,
)


def small(sites, rules) -> bool:
    """Tell whether the difference of two results gives fewer than the floor back."""
    floor = max(rules.min_events, rules.suppress_up_to + 1)
    return any(min(before, n - before, after, n - after) < floor for before, after, n in sites)


@pytest.mark.parametrize("rules", [RULES, POLICIES["ons_acro"]], ids=lambda rules: rules.name)
@settings(deadline=None, max_examples=150)
@given(SITES)
def test_no_difference_of_two_results_is_a_small_site(rules, sites):
    if sites_pass(*arm_of(sites), "programme", rules):
        assert not small(sites, rules)


def test_large_sites_pass_and_the_attack_finds_sites_without_their_floor(monkeypatch):
    large = [(20, 12, 40), (30, 15, 60)]
    assert sites_pass(*arm_of(large), "programme", RULES)
    tiny = [(20, 12, 40), (3, 1, 9)]
    assert not sites_pass(*arm_of(tiny), "programme", RULES)
    monkeypatch.setattr(released_rival_arms, "floor_of", lambda rules: 0)
    assert sites_pass(*arm_of(tiny), "programme", RULES)
    assert small(tiny, RULES)
    assert floor_of(POLICIES["ons_acro"]) == 10


# One person


@given(st.floats(0, 5))
def test_one_person_is_told_in_three_steps(shift):
    assert step_words(shift) in ("1 % or more", "5 % or more", "more than 5 %")


# The ledger


def test_no_exact_p_value_stands_in_the_ledger(seen, monkeypatch):
    _, exact, done = seen
    others = {name: result for name, result in done.results.items() if name != "ledger"}
    ledger = exact.results["ledger"]
    wrong = dataclasses.replace(
        ledger,
        checks=tuple(
            dataclasses.replace(c, p_value=0.0123, statistic=0.0456) if c.name == "test" else c
            for c in ledger.checks
        ),
    )
    assert release_ledger(wrong, others) == done.results["ledger"]
    honest = released_ledger._known
    monkeypatch.setattr(
        released_ledger, "_known", lambda released: honest({**released, NAME: exact.results[NAME]})
    )
    assert release_ledger(ledger, others) != done.results["ledger"]


# Rates


def rates_of(events: int) -> tuple:
    """Return what is released of the rate of an arm with so many events of fifty people."""
    table = CountTable.from_counts(
        name="incidents:police",
        title="",
        unit="person",
        dimensions=("group", "period", "what"),
        counts={
            ("programme", "before", "events"): events,
            ("programme", "before", "people with an event"): 50,
            ("programme", "before", "people"): 203,
        },
    )
    exact = counts.rate_counts(
        events=events, person_years=197.3, design_effect=1.37, group="programme"
    ).one(measure="rate")
    row = dataclasses.replace(exact, term="before", n=203)
    result = ResultSet(estimates=(row,), tables=(table,))
    known = {("programme", "before"): True}
    shown = released_incidents(table, known, RULES)
    found = Incidents(None, result, "police", shown, RULES).released(row)
    return (found.estimate, found.conf_low, found.conf_high, found.n, found.n_events, found.method)


def test_no_rate_tells_how_many_events_there_were():
    looks = defaultdict(list)
    for events in range(58, 98):
        looks[rates_of(events)].append(events)
    whole = [group for group in looks.values() if group[0] > 58 and group[-1] < 97]
    assert len(whole) > 3
    assert all(len(group) >= RULES.protection for group in whole), looks
