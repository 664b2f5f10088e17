"""An intruder against the matched: he runs the program on every arm there could be.

What is released of an arm is its counts of the outcome, how many were matched, and its risk in
the matched. He groups all exact arms by what they look like once released. In every group the
numbers of cases that the design dropped, with the outcome and without, must be able to take
several values, unless it is announced that nobody was dropped.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive_eval.disclosure import POLICIES, Policy
from drive_eval.evaluation import released_arms
from drive_eval.evaluation.controlled import control_table
from drive_eval.evaluation.released_arms import (
    Arm,
    kept_of,
    lessened,
    linked,
    released_arm,
    sized,
)
from drive_eval.evaluation.released_balance import rounded_up
from drive_eval.evaluation.released_effects import effects
from drive_eval.results import CountTable, Estimate

OPENSAFELY, ONS = POLICIES["opensafely"], POLICIES["ons_acro"]
#: The rules of ons_acro on a scale on which every arm can be listed.
SMALL_EXACT = Policy(name="small exact", suppress_up_to=3, suppress_zero=True, min_events=4)


@functools.cache
def shown_counts(yes: int, no: int, rules: Policy) -> tuple[int | None, int | None]:
    """Return what the table of the outcome shows of one arm."""
    if rules.round_to <= 1:
        # At worst both are shown: nobody lacks the outcome in a plan's other table.
        least = rules.suppress_up_to
        return (yes, no) if min(yes, no) > least else (None, None)
    table = CountTable.from_counts(
        name="arms",
        title="",
        unit="people",
        dimensions=("outcome",),
        counts={("yes",): yes, ("no",): no, ("not recorded",): 0},
        totals={("all",): [("yes",), ("no",), ("not recorded",)]},
    )
    done = control_table(table, rules)
    return done["yes",], done["no",]


def look(arm: tuple[int, int, int, int], rules: Policy):
    """Return everything that is released of (kept yes, kept no, dropped yes, dropped no)."""
    yes, no, lost_yes, lost_no = arm
    every = (yes + lost_yes, no + lost_no)
    shown = shown_counts(*every, rules)
    found = released_arm(
        risk=yes / (yes + no) if yes + no else 0.0,
        kept=(yes, no),
        every=every,
        shown=shown,
        rules=rules,
    )
    numbers = None if found is None else (found.events, found.n, found.base)
    return shown, kept_of(yes + no, lost_yes + lost_no, rules), numbers


def attack(rules: Policy, kept: range, dropped: range) -> int:
    """Release every arm, and look into each group; return how many groups show an effect."""
    groups = defaultdict(list)
    for arm in itertools.product(kept, kept, dropped, dropped):
        groups[look(arm, rules)].append(arm)
    low, high = kept[0] if kept[0] else -1, kept[-1]
    edges = np.array([[high, high, dropped[-1], dropped[-1]], [low, low, -1, -1]])
    known = 0
    for (shown, (_, out, _), numbers), arms in groups.items():
        group = np.array(arms)
        rim = (group[:, None, :] == edges).any()
        if rim or (rules.round_to <= 1 and None in shown):
            continue  # other arms look the same, or the intruder knows less than here
        known += numbers is not None
        for secret in ([2], [3], [2, 3]):
            counts = np.unique(group[:, secret].sum(axis=1))
            small = (counts >= rules.smallest_hidden) & (counts <= rules.suppress_up_to)
            told = out == 0  # nobody was dropped: the estimand says so
            assert told or len(counts) >= rules.protection or not small.any(), (
                shown,
                numbers,
                arms[:4],
            )
    return known


@pytest.mark.parametrize(
    ("rules", "kept", "dropped"),
    [
        pytest.param(OPENSAFELY, range(27), range(11), id="opensafely, all small arms"),
        pytest.param(SMALL_EXACT, range(14), range(11), id="exact, all small arms"),
    ],
)
def test_no_arm_tells_how_few_of_it_were_dropped(rules, kept, dropped):
    assert attack(rules, kept, dropped) > 100


@pytest.mark.parametrize(
    ("rules", "name", "naive"),
    [
        pytest.param(OPENSAFELY, "few", lambda count, rules: False, id="only rounded"),
        pytest.param(ONS, "lessened", lambda kept, every, rules: kept, id="as it is"),
    ],
)
def test_the_attack_finds_an_arm_without_its_protection(monkeypatch, rules, name, naive):
    monkeypatch.setattr(released_arms, name, naive)
    with pytest.raises(AssertionError):
        attack(rules, range(8, 26), range(14))


@given(
    whole=st.tuples(st.integers(60, 300), st.integers(60, 300)),
    lost=st.tuples(st.integers(10, 25), st.integers(10, 25)),
    one_more=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_two_designs_that_differ_by_one_case_do_not_tell_its_outcome(whole, lost, one_more):
    """Beside exact counts: whatever the second design says, either outcome fits it."""
    looks = set()
    for extra in ((1, 0), (0, 1)):
        for shift in range(10):
            # Nobody knows where in its ten the first design lies.
            first = (lost[0] + shift, lost[1] - min(shift, 9) + one_more)
            second = (first[0] + extra[0], first[1] + extra[1])
            looks.add(
                (
                    extra,
                    *(
                        lessened((whole[0] - c, whole[1] - d), whole, ONS)
                        for c, d in (first, second)
                    ),
                )
            )
    seen = {}
    for extra, *numbers in looks:
        seen.setdefault(tuple(numbers), set()).add(extra)
    assert any(len(outcomes) == 2 for outcomes in seen.values())


def test_no_arm_of_real_size_beside_exact_counts_tells_how_few_of_it_were_dropped():
    assert attack(ONS, range(8, 26), range(14)) > 100


@pytest.mark.parametrize("rules", [OPENSAFELY, ONS], ids=lambda rules: rules.name)
@given(
    whole=st.tuples(st.integers(20, 300), st.integers(20, 300)),
    lost=st.tuples(st.integers(0, 7), st.integers(0, 7)),
    other=st.tuples(st.integers(0, 7), st.integers(0, 7)),
)
@settings(deadline=None, max_examples=150)
def test_two_arms_that_lost_a_few_are_released_alike(rules, whole, lost, other):
    looks = []
    for pair in (lost, other):
        if not 0 < sum(pair) <= rules.suppress_up_to:
            pair = (1, 1)
        looks.append(look((whole[0] - pair[0], whole[1] - pair[1], *pair), rules))
    assert looks[0] == looks[1]


@pytest.mark.parametrize("rules", [OPENSAFELY, ONS], ids=lambda rules: rules.name)
@given(
    whole=st.integers(30, 300),
    lost=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    share=st.floats(0.2, 0.8),
    ratio=st.sampled_from([1, 2]),
)
@settings(deadline=None, max_examples=150)
def test_the_matched_of_the_other_arm_do_not_tell_either(rules, whole, lost, share, ratio):
    """As many comparison cases are matched as programme cases: that number must not show."""
    seen = set()
    for gone in lost:
        size = ratio * (whole - gone)
        assert linked(size, whole, ratio, rules)
        arm = Arm(events=round(share * size), n=size, counted=True, base=1, exact_n=size)
        found = sized(arm, share, ratio * whole, rules)
        seen.add((found.events, found.n))
    assert len(seen) == 1


def contrast(measure, estimate, std_error, group=""):
    return Estimate(measure=measure, estimate=estimate, std_error=std_error, group=group,
                    conf_level=0.95, method="matched risks, t with 59 df, over x")  # fmt: skip


@given(
    one=st.tuples(st.integers(8, 52), st.integers(60, 64)),
    two=st.tuples(st.integers(8, 52), st.integers(60, 64)),
    width=st.floats(0.5, 3.0),
)
@settings(deadline=None, max_examples=150)
def test_effects_say_no_more_than_rounded_counts_and_a_coarse_design_effect(one, two, width):
    """Arms that are released alike, with design effects in the same quarter, look the same."""

    def released(first, second, deff):
        arms, exact = {}, {}
        for group, (events, n) in (("programme", first), ("comparison", second)):
            risk = events / n
            exact[group] = risk, risk * (1 - risk) / (n - 1)
            arms[group] = Arm(events=30, n=60, counted=True, base=5, exact_n=n)
        (p, v), (q, w) = exact["programme"], exact["comparison"]
        ratio = v / p**2 + w / q**2
        odds = v / (p * (1 - p)) ** 2 + w / (q * (1 - q)) ** 2
        found = {
            "risk_treated": contrast("risk_treated", p, math.sqrt(deff * v), "programme"),
            "risk_comparison": contrast("risk_comparison", q, math.sqrt(deff * w), "comparison"),
            "risk_difference": contrast("risk_difference", p - q, math.sqrt(deff * (v + w))),
            "risk_ratio": contrast("risk_ratio", p / q, math.sqrt(deff * ratio)),
            "percent_reduction": contrast("percent_reduction", 0.0, 1.0),
            "odds_ratio": contrast("odds_ratio", 1.0, math.sqrt(deff * odds)),
        }
        return effects(found, arms)

    quarter = math.ceil(4 * max(width, 1.0) - 1e-9) / 4
    assert released(one, two, width) == released((30, 60), (30, 60), quarter)
    for e in released(one, two, width):
        assert e.std_error is None
        assert "59" not in e.method


@given(value=st.floats(-3, 3), step=st.sampled_from([0.01, 0.02, 0.05, 0.1]))
def test_a_difference_is_never_made_smaller(value, step):
    found = rounded_up(value, step)
    assert abs(found) >= abs(value) - 1.01e-6 * step
    assert abs(found) <= abs(value) + step
    assert math.isclose(found / step, round(found / step), abs_tol=1e-6)


@pytest.mark.parametrize("size", [20, 30, 50])
def test_shares_and_differences_do_not_tell_who_was_dropped(size):
    """A characteristic of 20 to 50 matched pairs under opensafely: what fits the balance table?

    The pool is large, so that its share is known; pairs drop from none to seven. The intruder
    knows the rounded shares of both arms before and after and both differences.
    """
    rules = OPENSAFELY
    step = next((s for s in (0.01, 0.02, 0.05, 0.1) if s >= 5 / size), 0.1)
    worlds = defaultdict(list)
    pool = 0.4
    for n in range(size - 2, size + 3):
        for k in range(max(8, n // 3), n // 2 + 1):
            for lost, with_it in itertools.product(range(8), range(8)):
                m, j = n - lost, k - with_it
                if with_it > lost or lost - with_it > n - k or min(j, m - j) <= 7:
                    continue
                for j0 in range(max(8, j - 2), min(m - 8, j + 2) + 1):
                    p, q, q0 = k / n, j / m, j0 / m
                    spread = math.sqrt(p * (1 - p))
                    every, share = kept_of(n, 0, rules)[0], 5 * math.floor(k / 5 + 0.5)
                    # Where few were dropped the share after is given as that before.
                    after0 = 5 * math.floor(q0 * every / 5 + 0.5)
                    seen = (
                        every, lost == 0, share, after0, rounded_up((p - pool) / spread, step),
                        rounded_up((q - q0) / spread, step),
                    )  # fmt: skip
                    worlds[seen].append((lost, with_it, lost - with_it))
    assert len(worlds) > 20
    # The rims of this small world are incomplete; inside it, several numbers fit.
    inside = [np.array(w) for (_, nobody, *_), w in worlds.items() if not nobody and len(w) > 20]
    assert inside
    for world in inside:
        for secret in range(3):
            assert len(np.unique(world[:, secret])) >= rules.protection


def test_the_scaled_rules_are_those_of_the_policy():
    assert SMALL_EXACT.suppress_zero == ONS.suppress_zero
    assert SMALL_EXACT.round_to == ONS.round_to
    for rules in (SMALL_EXACT, ONS, OPENSAFELY):
        assert rules.min_events == rules.suppress_up_to + 1
