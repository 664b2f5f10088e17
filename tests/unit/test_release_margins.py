"""Falls of parts of an arm follow from rounded margins: who started does not show in them."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drive_eval.disclosure import POLICIES
from drive_eval.evaluation.released_curves import unit_of
from drive_eval.evaluation.released_margins import (
    difference_of_falls,
    difference_of_margins,
    fall_of_margins,
)
from drive_eval.models import prepost
from drive_eval.results import Estimate

HIDING = [POLICIES["opensafely"], POLICIES["ons_acro"]]
MEASURES = [("risk_difference", ""), ("risk_ratio", ""), ("percent_reduction", "users")]
PAIRS = st.lists(st.integers(8, 120), min_size=4, max_size=4)


def changes(both, stopped, started, neither):
    found = prepost.paired_counts(
        both=both, before_only=stopped, after_only=started, neither=neither, group="programme"
    )
    return [found.one(measure=m, term=t) for m, t in MEASURES]


@pytest.mark.parametrize("rules", HIDING, ids=lambda rules: rules.name)
@given(counts=PAIRS, swap=st.integers(-8, 8))
@settings(deadline=None, max_examples=40)
def test_the_same_margins_give_the_same_fall_whoever_started(rules, counts, swap):
    both, stopped, started, neither = counts
    assume(min(started + swap, both - swap, stopped + swap, neither - swap) >= 0)
    one = changes(both, stopped, started, neither)
    other = changes(both - swap, stopped + swap, started + swap, neither - swap)
    for a, b in zip(one, other, strict=True):
        shown = fall_of_margins(a, rules, clustered=False)
        assert shown == fall_of_margins(b, rules, clustered=False)
        assert shown.n is None
        assert shown.n_events is None
        assert shown.p_value is None
        assert shown.std_error is None
        unit = unit_of(rules)
        again = [unit * ((2 * k + unit) // (2 * unit)) for k in (a.n, a.n_events)]
        rounded = dataclasses.replace(a, n=again[0], n_events=min(again))
        assert fall_of_margins(rounded, rules, clustered=False).estimate == shown.estimate


@given(counts=PAIRS)
@settings(deadline=None, max_examples=40)
def test_the_interval_is_at_least_as_wide_as_of_the_rounded_pairs(counts):
    rules = POLICIES["opensafely"]
    counts = [5 * (k // 5) for k in counts]
    for exact in changes(*counts):
        shown = fall_of_margins(exact, rules, clustered=False)
        slack = 1.0 if exact.measure == "percent_reduction" else 0.01
        assert shown.estimate == pytest.approx(exact.estimate, abs=slack)
        assert shown.conf_low <= exact.conf_low + slack
        assert shown.conf_high >= exact.conf_high - slack


def test_clusters_have_no_interval_and_nobody_has_no_row():
    exact = changes(20, 40, 10, 30)[0]
    rules = POLICIES["opensafely"]
    shown = fall_of_margins(exact, rules, clustered=True)
    assert shown.estimate == -0.3
    assert shown.conf_low is None
    assert shown.conf_high is None
    nobody = dataclasses.replace(exact, n=2, n_events=0, n_reference=2, n_events_reference=1)
    assert fall_of_margins(nobody, rules, clustered=False).estimate is None
    bare = dataclasses.replace(exact, n=None)
    assert fall_of_margins(bare, rules, clustered=False).estimate is None


def test_the_difference_of_two_falls_by_hand():
    programme, comparison = changes(10, 50, 0, 40)[0], changes(30, 20, 10, 40)[0]
    exact = Estimate(measure="difference_in_differences", estimate=-0.4)
    arms = {"programme": programme, "comparison": comparison}
    shown = difference_of_falls(exact, arms, POLICIES["opensafely"], clustered=False)
    assert shown.estimate == -0.4
    # Widest pairings by hand: nobody used it both times; limits of each change squared and added.
    one = prepost.paired_counts(both=0, before_only=60, after_only=10, neither=30)
    two = prepost.paired_counts(both=0, before_only=50, after_only=40, neither=10)
    one, two = (found.one(measure="risk_difference") for found in (one, two))
    low = ((one.estimate - one.conf_low) ** 2 + (two.conf_high - two.estimate) ** 2) ** 0.5
    high = ((one.conf_high - one.estimate) ** 2 + (two.estimate - two.conf_low) ** 2) ** 0.5
    assert shown.conf_low == pytest.approx(-0.4 - low, abs=0.0051)
    assert shown.conf_high == pytest.approx(-0.4 + high, abs=0.0051)
    without = difference_of_falls(exact, {"programme": programme}, HIDING[0], clustered=False)
    assert without.estimate is None


def test_the_difference_of_two_shares_follows_from_rounded_counts():
    exact = Estimate(
        measure="risk_difference",
        estimate=-0.2,
        n=101,
        n_events=21,
        n_reference=99,
        n_events_reference=41,
    )
    shown = difference_of_margins(exact, POLICIES["opensafely"], clustered=False)
    assert shown.estimate == -0.2
    assert shown.conf_low < -0.2 < shown.conf_high < 0
    near = dataclasses.replace(exact, n=102, n_events=19, n_events_reference=42)
    assert difference_of_margins(near, POLICIES["opensafely"], clustered=False) == shown


def test_everybody_of_one_arm_and_nobody_of_the_other_leave_an_interval():
    arms = {"programme": changes(0, 40, 0, 0)[0], "comparison": changes(0, 0, 0, 40)[0]}
    exact = Estimate(measure="difference_in_differences", estimate=-1.0)
    shown = difference_of_falls(exact, arms, POLICIES["opensafely"], clustered=False)
    assert shown.estimate == -1.0
    assert shown.conf_low < -1.0 < shown.conf_high
    clustered = difference_of_falls(exact, arms, POLICIES["opensafely"], clustered=True)
    assert clustered.estimate == -1.0
    assert clustered.conf_low is None
    assert clustered.conf_high is None
