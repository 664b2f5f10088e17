"""Released bounds hold for the exact counts, whatever these are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drive_eval.disclosure import POLICIES
from drive_eval.disclosure.limits import between
from drive_eval.evaluation import released_bounds
from drive_eval.evaluation.behaviours import pair_table
from drive_eval.evaluation.controlled import control_table
from drive_eval.evaluation.released_behaviours import pair_counts
from drive_eval.evaluation.released_bounds import (
    Reach,
    Side,
    differences,
    falls,
    least_optimism,
    least_optimism_between,
    least_tipping,
    lee_ends,
    outward,
    reach_of,
)
from drive_eval.models import sensitivity
from drive_eval.vocabulary import SEVERITY

LEVEL = 0.95
RULES = [POLICIES["opensafely"], POLICIES["ons_acro"]]
PAIRS = ("both", "before_only", "after_only", "neither")
FREE, USED = SEVERITY.codes[0], SEVERITY.codes[-1]
KINDS = [(USED, USED), (USED, FREE), (FREE, USED), (FREE, FREE), (USED, None), (FREE, None)]
KINDS += [(None, USED), (None, None)]

#: Small and large counts of the four pairs, of who was lost, and of who was not seen before.
COUNT = st.one_of(st.integers(0, 12), st.integers(0, 90))
ARMS = st.tuples(*[COUNT] * 6, *[st.integers(0, 15)] * 2)


def arm_of(counts) -> pd.DataFrame:
    rows = [kind for kind, n in zip(KINDS, counts, strict=True) for _ in range(n)]
    arm = pd.DataFrame(rows, columns=["before", "after"], dtype=object)
    made = {}
    for when in ("before", "after"):
        known = arm[when].notna()
        made[f"used_{when}"] = (arm[when] == USED).astype("boolean").where(known)
        made[when] = pd.Categorical(arm[when], categories=SEVERITY.codes, ordered=True)
    return pd.DataFrame(made)


def released(counts, rules):
    arm = arm_of(counts)
    table = pair_table(arm, group="programme", threshold=USED, unit="person")
    return arm, control_table(table, rules)


def around(one: float, ends) -> bool:
    return ends[0] - 1e-9 <= one <= ends[1] + 1e-9


@st.composite
def reaches(draw):
    """Draw exact counts, and ranges around them such as rounding and hiding leave."""
    a, c, b, d, u, v = (draw(COUNT) for _ in range(6))

    def some(count: int, width: int) -> tuple[int, int]:
        low = draw(st.integers(0, width))
        return max(0, count - low), count + draw(st.integers(0, width))

    wide = draw(st.sampled_from([2, 8]))
    reach = Reach(
        pairs=dict(zip(PAIRS, (some(count, 4) for count in (a, c, b, d)), strict=True)),
        before=some(a + c, 4),
        after=some(a + b, 4),
        measured=some(a + b + c + d, 4),
        users_lost=some(u, wide),
        others_lost=some(v, wide),
        lost=some(u + v, wide),
        by_cells=draw(st.booleans()),
    )
    return (a, c, b, d, u, v), reach


def hold(counts, reach) -> None:
    """Check that what is released of counts within a reach holds what is true of them."""
    people = arm_of((*counts, 0, 0))
    people = people.assign(used_before=people["used_before"].astype(bool))
    columns = {"before": "used_before", "after": "used_after"}
    pairs = people.dropna().assign(used_after=lambda t: t["used_after"].astype(bool))
    ends = falls(reach, conf_level=LEVEL)
    if ends is not None and len(pairs):
        exact = sensitivity.missing_exit_bounds(people, **columns)
        for (case, measure), end in ends.items():
            e = exact.one(measure=measure, term=case)
            assert around(e.estimate, (end.least, end.most)), (case, measure)
            assert around(e.conf_low, (end.low, end.high)), (case, measure)
            assert around(e.conf_high, (end.low, end.high)), (case, measure)
            assert end.low <= end.low_of_most <= end.most + 1e-9
            assert end.least - 1e-9 <= end.high_of_least <= end.high
    if pairs["used_before"].any() and reach.measured[0]:
        exact = sensitivity.misreporting(pairs, **columns)
        for term, least in least_optimism(reach, conf_level=LEVEL).items():
            e = exact.one(measure="over_optimism", term=term).estimate
            assert least <= (100 if e is None else e) + 1e-6
    if reach.lost[0] and len(pairs) and people["used_after"].isna().any():
        exact = sensitivity.tipping_point(people, **columns)
        for term, least in least_tipping(reach, conf_level=LEVEL).items():
            e = exact.one(measure="tipping_point", term=term).estimate
            assert e is None or (least is not None and least <= e + 1e-9)


@settings(deadline=None, max_examples=150)
@given(reaches())
def test_bounds_of_a_fall_hold_for_every_count_within_reach(drawn):
    counts, reach = drawn
    assume(reach.pairs["both"][0] + reach.measured[0] + sum(counts[:4]) > 0)
    assume(max(r[0] for r in reach.pairs.values()) > 0 and reach.measured[0] > 0)
    hold(counts, reach)


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.name)
@settings(deadline=None, max_examples=12)
@given(ARMS)
def test_released_bounds_of_a_fall_hold_the_exact_ones(rules, counts):
    _, table = released(counts, rules)
    found, how = pair_counts(table)
    assume(found is not None and sum(found.values()))
    reach = reach_of(table, rules, by_cells=how == "cells")
    assume(reach is not None)
    hold(counts[:6], reach)


@settings(deadline=None, max_examples=250)
@given(st.tuples(*[COUNT] * 6), st.lists(st.integers(0, 8), min_size=12, max_size=12))
def test_bounds_between_arms_hold_for_every_count_within_reach(counts, slack):
    ranges = [
        (max(0, count - less), count + more)
        for count, less, more in zip(counts, slack[::2], slack[1::2], strict=True)
    ]
    one, other = (Side(yes=r[0], no=r[1], lost=r[2]) for r in (ranges[:3], ranges[3:]))
    ends = differences(one, other, conf_level=LEVEL)
    assume(ends is not None)
    flags = [True, False, None]
    rows = pd.DataFrame(
        [
            (group, flag)
            for group, three in (("programme", counts[:3]), ("comparison", counts[3:]))
            for flag, count in zip(flags, three, strict=True)
            for _ in range(count)
        ],
        columns=["group", "used"],
    ).astype({"used": "boolean"})
    exact = sensitivity.lee_bounds(rows, outcome="used", treated="group")
    for case, end in ends.items():
        e = exact.one(term=case)
        assert around(e.estimate, (end.least, end.most)), case
        assert around(e.conf_low, (end.low, end.high)), case
        assert around(e.conf_high, (end.low, end.high)), case
    lower, upper = lee_ends(one, other)
    assert exact.one(term="Lee lower").estimate >= lower - 1e-9
    assert exact.one(term="Lee upper").estimate <= upper + 1e-9
    known = rows.dropna().astype({"used": bool})
    if known.loc[known["group"] == "comparison", "used"].any():
        records = sensitivity.differential_misreporting(known, outcome="used", treated="group")
        for term, least in least_optimism_between(one, other, conf_level=LEVEL).items():
            e = records.one(measure="over_optimism", term=term).estimate
            assert least <= (100 if e is None else e) + 1e-6


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.name)
@settings(deadline=None, max_examples=12)
@given(ARMS)
def test_exact_counts_lie_between_the_numbers_that_are_given(rules, counts):
    arm = arm_of(counts)
    exact = pair_table(arm, group="programme", threshold=USED, unit="person")
    shown = control_table(exact, rules)
    keys = [cell.key for cell in exact.cells]
    for key, (low, high) in zip(keys, between(shown, [[k] for k in keys], rules), strict=True):
        assert low <= exact[key]
        assert high is None or exact[key] <= high


def test_counts_that_are_known_give_the_exact_bounds():
    counts = dict(zip(PAIRS, (40, 60, 20, 50), strict=True))
    reach = Reach(
        pairs={name: (count, count) for name, count in counts.items()},
        before=(100, 100),
        after=(60, 60),
        measured=(170, 170),
        users_lost=(20, 20),
        others_lost=(30, 30),
        lost=(50, 50),
        by_cells=True,
    )
    assert reach.exact
    ends = falls(reach, conf_level=LEVEL)["worst case", "risk_ratio"]
    assert ends.least == ends.most == pytest.approx(110 / 120)


def test_the_property_would_see_a_bound_of_one_table_alone():
    """Bounds of the released counts themselves, as they were once, do not hold the exact ones."""
    rules = POLICIES["opensafely"]
    counts = (38, 62, 18, 52, 22, 28, 0, 0)
    _, table = released(counts, rules)
    reach = reach_of(table, rules, by_cells=True)
    alone = dataclasses.replace(
        reach,
        pairs={name: (count, count) for name, count in pair_counts(table)[0].items()},
        users_lost=(20, 20),
        others_lost=(30, 30),
        lost=(50, 50),
    )
    exact = (38 + 18 + 50) / (38 + 62 + 22)
    narrow = falls(alone, conf_level=LEVEL)["worst case", "risk_ratio"]
    assert not around(exact, (narrow.least, narrow.most))
    wide = falls(reach, conf_level=LEVEL)["worst case", "risk_ratio"]
    assert around(exact, (wide.least, wide.most))


@given(st.floats(-200, 200), st.integers(0, 3))
def test_rounding_outwards_never_narrows(value, digits):
    slack = 2e-7
    assert outward(value, up=True, digits=digits) >= value - slack
    assert outward(value, up=False, digits=digits) <= value + slack


def test_very_many_tables_are_tried_at_their_corners(monkeypatch):
    side = Side(yes=(10, 14), no=(20, 24), lost=(5, 9))
    every = differences(side, side, conf_level=LEVEL)
    monkeypatch.setattr(released_bounds, "_MOST", 1)
    corners = differences(side, side, conf_level=LEVEL)
    for case in every:
        assert np.allclose(dataclasses.astuple(every[case]), dataclasses.astuple(corners[case]))
