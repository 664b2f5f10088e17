"""What must hold for any paired table, any severity grid and any clustering."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drive_eval.errors import DesignWarning
from drive_eval.models import _intervals, prepost

approx = pytest.approx
LIMITS = settings(deadline=None, max_examples=150)
FEW = settings(deadline=None, max_examples=60)

cell = st.one_of(st.integers(0, 6), st.integers(0, 3000))
tables = st.fixed_dictionaries(
    {"both": cell, "before_only": cell, "after_only": cell, "neither": cell}
).filter(lambda counts: sum(counts.values()) > 0)
levels = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])


def swapped(counts):
    return {
        **counts,
        "before_only": counts["after_only"],
        "after_only": counts["before_only"],
    }


@LIMITS
@given(counts=tables, conf_level=levels)
def test_swapping_the_time_points_inverts_the_ratio_and_turns_the_difference_round(
    counts, conf_level
):
    assume(counts["both"] + counts["before_only"] > 0)
    assume(counts["both"] + counts["after_only"] > 0)
    forward = prepost.paired_counts(**counts, conf_level=conf_level)
    backward = prepost.paired_counts(**swapped(counts), conf_level=conf_level)
    one, other = (r.one(measure="risk_ratio") for r in (forward, backward))
    assert one.estimate == approx(1 / other.estimate)
    assert one.conf_low == approx(1 / other.conf_high)
    assert one.conf_high == approx(1 / other.conf_low)
    assert one.std_error == approx(other.std_error)
    assert one.p_value == approx(other.p_value)
    one, other = (r.one(measure="risk_difference") for r in (forward, backward))
    assert (one.conf_low, one.conf_high) == approx((-other.conf_high, -other.conf_low), abs=1e-12)
    cessation = forward.one(measure="prevalence_before")
    assert cessation.conf_low == backward.one(measure="prevalence_after").conf_low


@LIMITS
@given(
    counts=tables,
    conf_level=levels,
    design_effect=st.sampled_from([1.0, 0.3, 2.7, 40.0]),
    df=st.sampled_from([None, 1, 9, 200]),
)
def test_every_interval_holds_its_estimate(counts, conf_level, design_effect, df):
    # The estimates themselves refuse to exist otherwise; here also inside possible values.
    found = prepost.paired_counts(
        **counts, conf_level=conf_level, design_effect=design_effect, df=df
    )
    for e in found.estimates:
        if e.estimate is None:
            assert any(check.name.endswith("_undefined") for check in found.checks)
            continue
        assert e.conf_low <= e.estimate + 1e-12
        assert e.conf_high >= e.estimate - 1e-12
        low, high = {
            "risk_difference": (-1, 1),
            "risk_ratio": (0, np.inf),
            "percent_reduction": (-np.inf, 100),
        }.get(e.measure, (0, 1))
        assert low <= e.conf_low <= e.conf_high <= high
        assert e.p_value is None or 0 <= e.p_value <= 1


@LIMITS
@given(counts=tables)
def test_a_percentage_reduction_is_the_ratio_turned_round_and_never_above_a_hundred(counts):
    found = prepost.paired_counts(**counts)
    fall, ratio = found.one(measure="percent_reduction"), found.one(measure="risk_ratio")
    assume(ratio.estimate is not None)
    assert fall.estimate <= 100
    assert fall.conf_high <= 100
    assert fall.estimate == approx(100 * (1 - ratio.estimate), abs=1e-9)
    assert (fall.conf_low, fall.conf_high) == approx(
        (100 * (1 - ratio.conf_high), 100 * (1 - ratio.conf_low)), abs=1e-9
    )


@LIMITS
@given(
    counts=tables,
    conf_level=levels,
    design_effect=st.sampled_from([0.6, 1.9, 5.0]),
    df=st.sampled_from([None, 4, 60]),
)
def test_the_clustered_test_and_the_score_intervals_never_disagree(
    counts, conf_level, design_effect, df
):
    assume(counts["both"] + counts["before_only"] > 0)
    found = prepost.paired_counts(
        **counts, conf_level=conf_level, design_effect=design_effect, df=df
    )
    for measure, nothing in (("risk_difference", 0), ("risk_ratio", 1)):
        e = found.one(measure=measure)
        assume(abs(e.p_value - (1 - conf_level)) > 1e-9)
        outside = not e.conf_low <= nothing <= e.conf_high
        assert outside == (e.p_value < 1 - conf_level)


@LIMITS
@given(counts=tables, conf_level=levels)
def test_the_score_intervals_of_independent_pairs_agree_with_the_asymptotic_test(
    counts, conf_level
):
    changed = {name: counts[name] for name in ("before_only", "after_only")}
    _, p = _intervals.mcnemar_asymptotic(**changed)
    assume(abs(p - (1 - conf_level)) > 1e-9)
    low, high = _intervals.tango_difference(**counts, conf_level=conf_level)
    assert (not low <= 0 <= high) == (p < 1 - conf_level)
    low, high = _intervals.nam_tang_ratio(**counts, conf_level=conf_level)
    assert (not low <= 1 <= high) == (p < 1 - conf_level)


@LIMITS
@given(counts=tables)
def test_a_higher_level_never_gives_a_narrower_interval(counts):
    narrow, wide = (prepost.paired_counts(**counts, conf_level=level) for level in (0.8, 0.95))
    for one, other in zip(narrow.estimates, wide.estimates, strict=True):
        if one.estimate is not None:
            assert other.conf_low <= one.conf_low + 1e-12
            assert other.conf_high >= one.conf_high - 1e-12


@LIMITS
@given(counts=tables, times=st.integers(2, 50))
def test_more_of_the_same_pairs_narrow_the_difference_and_keep_the_estimate(counts, times):
    low, high = _intervals.tango_difference(**counts)
    more = {name: count * times for name, count in counts.items()}
    closer_low, closer_high = _intervals.tango_difference(**more)
    assert low - 1e-12 <= closer_low <= closer_high <= high + 1e-12


# Clusters

pair_rows = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.integers(0, 5)), min_size=4, max_size=60
)


def frame(pairs):
    return pd.DataFrame(pairs, columns=["intake", "exit", "person"])


def clustered(table, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        return prepost.paired_change(table, before="intake", after="exit", cluster="person", **more)


def near(left, right):
    return left is right if right is None else left == approx(right, rel=1e-7, abs=1e-9)


def same(one, other):
    for left, right in zip(one.estimates, other.estimates, strict=True):
        for name in ("estimate", "conf_low", "conf_high", "std_error", "p_value"):
            assert near(getattr(left, name), getattr(right, name))


@FEW
@given(pairs=pair_rows, seed=st.integers(0, 1000))
def test_row_order_and_the_names_of_people_do_not_matter(pairs, seed):
    table = frame(pairs)
    assume(len(set(table["person"])) > 1)
    shuffled = table.sample(frac=1, random_state=seed)
    renamed = shuffled.assign(person=shuffled["person"].map(lambda p: f"case {9 - p}"))
    same(clustered(renamed), clustered(table))


@FEW
@given(pairs=pair_rows)
def test_each_row_twice_as_its_own_cluster_is_worth_the_rows_once(pairs):
    once = frame(pairs).assign(person=range(len(pairs)))
    twice = pd.concat([once, once], ignore_index=True)
    sizes, _ = prepost.design_effects(clustered(twice))
    n = len(once)
    exactly = 2 * (n / (n - 1)) / (2 * n / (2 * n - 1))
    for measure in ("prevalence_before", "prevalence_after", "risk_difference", "risk_ratio"):
        assert sizes[measure] == approx(2) or sizes[measure] == approx(exactly)


@FEW
@given(pairs=pair_rows)
def test_released_counts_give_the_clustered_numbers_back(pairs):
    table = frame(pairs)
    assume(len(set(table["person"])) > 1)
    found = clustered(table)
    sizes, df = prepost.design_effects(found)
    pairs_table = found.table("pairs")
    counts = {n: pairs_table[n] for n in ("both", "before_only", "after_only", "neither")}
    assert prepost.paired_counts(**counts, design_effect=sizes, df=df).estimates == found.estimates


# Severity

grids = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80)


def shift(moves, names, **more):
    table = pd.DataFrame(
        [(names[i], names[j]) for i, j in moves], columns=["intake", "exit"], dtype=object
    )
    return prepost.severity_shift(table, before="intake", after="exit", levels=names, **more)


@FEW
@given(moves=grids)
def test_the_names_of_levels_do_not_matter(moves):
    words, numbers = shift(moves, ["z", "b", "y", "a"]), shift(moves, [0, 1, 2, 3])
    assert words.estimates == numbers.estimates
    for name in ("bhapkar", "stuart_maxwell", "bowker", "sign_test"):
        assert words.check(name).statistic == numbers.check(name).statistic
        assert words.check(name).p_value == numbers.check(name).p_value


@FEW
@given(moves=grids, order=st.permutations(range(4)))
def test_tests_of_the_margins_do_not_ask_for_an_order(moves, order):
    one = shift(moves, [0, 1, 2, 3])
    other = shift([(order[i], order[j]) for i, j in moves], [0, 1, 2, 3])
    for name in ("bhapkar", "stuart_maxwell", "bowker"):
        assert one.check(name).df == other.check(name).df
        assert near(one.check(name).statistic, other.check(name).statistic)


@FEW
@given(moves=grids)
def test_reversed_severity_exchanges_better_and_worse(moves):
    one, other = shift(moves, [0, 1, 2, 3]), shift([(3 - i, 3 - j) for i, j in moves], [0, 1, 2, 3])
    better, worse = (
        one.one(measure="probability_improved"),
        other.one(measure="probability_worsened"),
    )
    assert (better.estimate, better.conf_low) == (worse.estimate, worse.conf_low)
    up, down = (r.one(measure="improved_minus_worsened") for r in (one, other))
    assert (up.conf_low, up.conf_high) == approx((-down.conf_high, -down.conf_low), abs=1e-12)


@FEW
@given(moves=grids)
def test_two_levels_are_a_paired_table(moves):
    moves = [(i // 2, j // 2) for i, j in moves]
    found = shift(moves, ["none", "any"])
    table = pd.DataFrame(moves, columns=["intake", "exit"])
    paired = prepost.paired_change(table, before="intake", after="exit")
    down, fall = found.one(measure="improved_minus_worsened"), paired.one(measure="risk_difference")
    assert down.estimate == approx(-fall.estimate)
    assert (down.conf_low, down.conf_high) == approx((-fall.conf_high, -fall.conf_low), abs=1e-12)
    assert down.p_value == approx(fall.p_value)
    paired_table = paired.table("pairs")
    changed = {name: paired_table[name] for name in ("before_only", "after_only")}
    z, _ = _intervals.mcnemar_asymptotic(**changed)
    if any(changed.values()):
        assert found.check("stuart_maxwell").statistic == approx(z**2, abs=1e-12)


@FEW
@given(moves=grids)
def test_transitions_add_up_to_everybody(moves):
    table = shift(moves, ["none", "standard", "moderate", "high"]).table("transitions")
    assert table["all", "all"] == len(moves)
    directions = [table["all", name] for name in ("improved", "same", "worsened")]
    assert sum(directions) == len(moves)
