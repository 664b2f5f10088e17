"""What must hold of E-values and of Rosenbaum's bounds, whatever the numbers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from drive_eval.models.sensitivity import e_value, negative_outcome, rosenbaum_bounds
from drive_eval.results import Estimate

approx = pytest.approx
few = settings(deadline=None, max_examples=60)
ratios = st.floats(0.01, 100)
spreads = st.floats(0, 2)
measures = st.sampled_from(["risk_ratio", "rate_ratio", "hazard_ratio", "odds_ratio"])
pairs = st.tuples(st.integers(0, 60), st.integers(0, 60)).filter(any)
values = st.lists(st.integers(-6, 9), min_size=1, max_size=16).filter(any)
gammas = st.floats(1, 20)


def values_of(measure, point, spread=0.0, *, common):
    low, high = point * np.exp(-spread), point * np.exp(spread)
    ratio = Estimate(
        measure=measure, estimate=point, conf_low=low, conf_high=high, claim="associational"
    )
    return tuple(e.estimate for e in e_value(ratio, common=common).estimates)


def bounds(favour, against, **more):
    return rosenbaum_bounds(favour=favour, against=against, **more)


def of_differences(differences, **more):
    table = pd.DataFrame({"programme": 0, "match": np.array(differences) * 3})
    return rosenbaum_bounds(table, programme="programme", comparison="match", **more)


def p_values(found, side="upper"):
    return [e.estimate for e in found.estimates if e.measure == f"p_{side}"]


@few
@given(measures, ratios, spreads, st.booleans())
def test_a_limit_lies_between_one_and_the_point(measure, point, spread, common):
    at_point, at_limit = values_of(measure, point, spread, common=common)
    assert 1 <= at_limit <= at_point * (1 + 1e-12)


@few
@given(measures, ratios, spreads, st.booleans())
def test_more_and_less_are_alike(measure, point, spread, common):
    forward = values_of(measure, point, spread, common=common)
    backward = values_of(measure, 1 / point, spread, common=common)
    assert forward == approx(backward, rel=1e-9)


@few
@given(measures, st.floats(1, 50), st.floats(1, 2), st.booleans())
def test_a_larger_ratio_has_a_larger_e_value(measure, point, factor, common):
    nearer, further = (values_of(measure, r, common=common)[0] for r in (point, point * factor))
    assert nearer <= further * (1 + 1e-12)


@few
@given(st.sampled_from(["hazard_ratio", "odds_ratio"]), ratios)
def test_a_common_outcome_needs_less_to_be_explained_away(measure, point):
    common, rare = (values_of(measure, point, common=c)[0] for c in (True, False))
    assert common <= rare * (1 + 1e-12)


@few
@given(ratios)
def test_an_e_value_is_where_the_bounding_factor_reaches_the_ratio(point):
    (links, _) = values_of("risk_ratio", point, common=None)
    assert links**2 / (2 * links - 1) == approx(max(point, 1 / point), rel=1e-9)


@few
@given(pairs, st.lists(gammas, min_size=2, max_size=5, unique=True))
def test_bounds_of_counts_widen_with_gamma(counts, grid):
    found = bounds(*counts, gammas=grid)
    upper, lower = p_values(found), p_values(found, "lower")
    assert all(a <= b + 1e-12 for a, b in pairwise(upper))
    assert all(a >= b - 1e-12 for a, b in pairwise(lower))
    assert all(0 <= a <= b + 1e-12 <= 1 + 2e-12 for a, b in zip(lower, upper, strict=True))


@few
@given(values, st.booleans(), st.sampled_from(["keep", "drop"]))
def test_bounds_of_differences_widen_with_gamma(differences, exact, zeros):
    grid = [1, 1.2, 2, 5, 20]
    found = of_differences(differences, exact=exact, zeros=zeros, gammas=grid)
    upper, lower = p_values(found), p_values(found, "lower")
    assert all(0 <= a <= b + 1e-12 <= 1 + 2e-12 for a, b in zip(lower, upper, strict=True))
    assert all(a <= b + 1e-12 for a, b in pairwise(upper))


@few
@given(pairs)
def test_without_bias_it_is_the_ordinary_exact_test(counts):
    favour, against = counts
    found = bounds(favour, against, gammas=[1])
    ordinary = stats.binomtest(favour, favour + against, 0.5, alternative="greater").pvalue
    assert p_values(found) == p_values(found, "lower") == [approx(ordinary, rel=1e-9)]


@few
@given(values)
def test_without_bias_it_is_the_ordinary_signed_rank_test(differences):
    d = np.array(differences, dtype=float)
    assume((d != 0).sum() > 1)
    found = of_differences(differences, gammas=[1], zeros="drop")
    z = stats.wilcoxon(
        d[d != 0], alternative="greater", method="asymptotic", correction=False
    ).pvalue
    assert p_values(found)[0] == approx(z, rel=1e-6, abs=1e-12)


@few
@given(values, st.booleans(), st.sampled_from(["keep", "drop"]))
def test_at_gamma_at_alpha_the_p_value_is_alpha(differences, exact, zeros):
    found = of_differences(differences, exact=exact, zeros=zeros, gammas=[1], alpha=0.1)
    crossing = found.one(measure="gamma_at_alpha").estimate
    assert (crossing is None) == (p_values(found)[0] >= 0.1)
    if crossing is not None:
        again = of_differences(differences, exact=exact, zeros=zeros, gammas=[crossing])
        assert p_values(again)[0] == approx(0.1, rel=1e-6)


@few
@given(pairs)
def test_at_gamma_at_alpha_the_p_value_of_counts_is_alpha(counts):
    crossing = bounds(*counts).one(measure="gamma_at_alpha").estimate
    assume(crossing is not None)
    assert p_values(bounds(*counts, gammas=[crossing]))[0] == approx(0.05, rel=1e-9)


@few
@given(values, st.randoms(use_true_random=False), st.floats(0.1, 50))
def test_order_and_unit_of_measurement_do_not_matter(differences, shuffler, factor):
    mixed = list(differences)
    shuffler.shuffle(mixed)
    plain = p_values(of_differences(differences))
    assert p_values(of_differences(mixed)) == approx(plain, rel=1e-12)
    scaled = [round(factor, 1) * d for d in differences]
    assert p_values(of_differences(scaled)) == approx(plain, rel=1e-9)


@few
@given(st.floats(-0.9, 0.9), st.floats(0, 0.9), st.floats(0.001, 1))
def test_a_negative_outcome_passes_only_where_the_interval_says_so(point, reach, margin):
    low, high = point - reach, point + reach
    found = Estimate(
        measure="risk_difference",
        estimate=point,
        conf_low=low,
        conf_high=high,
        claim="associational",
    )
    passed = negative_outcome(found, margin=margin).passed
    assert (passed is False) == (low > 0 or high < 0)
    assert passed is not True or max(-low, high) <= margin
