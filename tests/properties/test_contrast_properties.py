"""What must hold of every contrast of matched and weighted cases, and of every few areas."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive_eval.errors import DesignError
from drive_eval.models import matching
from drive_eval.models._permutation import arrangements, scale, shift
from drive_eval.models.comparison import doubly_robust, mean_contrast, risk_contrast

approx = pytest.approx
few = settings(deadline=None, max_examples=25)
seeds = st.integers(0, 10_000)
MAKERS = {
    "nearest": matching.nearest,
    "replacement": lambda table, **k: matching.nearest(table, **k, replace=True),
    "subclass": lambda table, **k: matching.subclass(table, **k, subclasses=3),
    "att": matching.propensity_weights,
    "ato": lambda table, **k: matching.propensity_weights(table, **k, estimand="ato"),
    "entropy": matching.entropy_balance,
}
names = st.sampled_from(sorted(MAKERS))


def people(seed, n=90):
    rng = np.random.default_rng(seed)
    age = rng.normal(0, 1, n)
    arm = rng.random(n) < 1 / (1 + np.exp(0.5 - 0.4 * age))
    arm[:8] = np.arange(8) % 2 == 0
    abuse = rng.random(n) < 1 / (1 + np.exp(0.3 - 0.3 * age + 0.5 * arm))
    days = rng.poisson(4, n).astype(float)
    return pd.DataFrame({"age": age, "arm": arm, "abuse": abuse, "days": days})


def made(name, seed):
    return MAKERS[name](people(seed), treated="arm", covariates=["age"])


def with_outcome(design, **columns):
    return dataclasses.replace(design, table=design.table.assign(**columns))


@few
@given(names, seeds)
def test_numbers_lie_in_their_intervals_and_their_bounds(name, seed):
    for covariates in (None, ["age"]):
        try:
            found = risk_contrast(made(name, seed), outcome="abuse", covariates=covariates)
        except DesignError as refusal:
            assert "separation" in str(refusal)  # noqa: PT017
            continue
        for measure in ("risk_treated", "risk_comparison"):
            number = found.one(measure=measure)
            assert 0 <= number.conf_low <= number.estimate <= number.conf_high <= 1
        difference = found.one(measure="risk_difference")
        assert -1 <= difference.conf_low <= difference.estimate <= difference.conf_high <= 1
        fall = found.one(measure="percent_reduction")
        assert fall.estimate is None or fall.estimate <= 100


@few
@given(names, seeds, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(name, seed, random):
    table = people(seed)
    mixed = table.sample(frac=1, random_state=random.randint(0, 10**6))
    one, two = (
        risk_contrast(MAKERS[name](t, treated="arm", covariates=["age"]), outcome="abuse")
        for t in (table, mixed)
    )
    for a, b in zip(one.estimates, two.estimates, strict=True):
        assert a.estimate == approx(b.estimate, rel=1e-7, abs=1e-10)
        assert a.conf_low == approx(b.conf_low, rel=1e-6, abs=1e-8)


@few
@given(names, seeds)
def test_the_other_outcome_turns_the_difference_round(name, seed):
    design = made(name, seed)
    turned = with_outcome(design, abuse=~design.table["abuse"])
    one, two = (
        risk_contrast(d, outcome="abuse").one(measure="risk_difference") for d in (design, turned)
    )
    assert one.estimate == approx(-two.estimate, abs=1e-12)
    if one.std_error is not None and two.std_error is not None:
        assert one.std_error == approx(two.std_error, rel=1e-9)
        assert one.conf_low == approx(-two.conf_high, abs=1e-9)


@few
@given(names, seeds, st.floats(0.1, 50), st.floats(-30, 30))
def test_a_mean_is_measured_in_its_own_unit(name, seed, unit, start):
    design = made(name, seed)
    moved = with_outcome(design, days=start + unit * design.table["days"])
    for covariates in (None, ["age"]):
        one, two = (
            mean_contrast(d, outcome="days", covariates=covariates).one(measure="mean_difference")
            for d in (design, moved)
        )
        assert two.estimate == approx(unit * one.estimate, rel=1e-7, abs=1e-8)
        assert two.std_error == approx(unit * one.std_error, rel=1e-7)


@few
@given(names, seeds, st.floats(0.2, 5))
def test_the_scale_of_known_weights_does_not_matter(name, seed, size):
    design = made(name, seed)
    larger = with_outcome(design, weight=size * design.table["weight"])
    one, two = (risk_contrast(d, outcome="abuse", cov="HC3").estimates for d in (design, larger))
    for a, b in zip(one, two, strict=True):
        assert a.estimate == approx(b.estimate)
        assert a.std_error == approx(b.std_error)


@few
@given(seeds)
def test_even_weights_are_no_weights(seed):
    table = people(seed)
    design = made("entropy", seed)
    even = dataclasses.replace(
        design, table=design.table.assign(weight=1.0), target=np.ones(len(table)), estimand="ate"
    )
    for covariates in (None, ["age"]):
        shared = {"outcome": "days", "covariates": covariates, "cov": "HC1"}
        one = mean_contrast(even, **shared).one(measure="mean_difference")
        two = mean_contrast(table, treated="arm", **shared).one(measure="mean_difference")
        assert one.estimate == approx(two.estimate)
        if covariates is None:  # beside covariates a table counts that others might be drawn
            assert one.std_error == approx(two.std_error)


@few
@given(seeds)
def test_entropy_balance_needs_no_linear_model_of_what_it_balanced(seed):
    design = made("entropy", seed)
    plain, adjusted, doubly = (
        mean_contrast(design, outcome="days").one(measure="mean_difference"),
        mean_contrast(design, outcome="days", covariates=["age"]).one(measure="mean_difference"),
        doubly_robust(design, outcome="days", binary=False).one(measure="mean_difference"),
    )
    # Zhao and Percival (2017): balanced covariates leave the regression nothing to move.
    assert adjusted.estimate == approx(plain.estimate, rel=1e-6, abs=1e-8)
    assert doubly.estimate == approx(plain.estimate, rel=1e-6, abs=1e-8)
    assert adjusted.std_error == approx(plain.std_error, rel=1e-5)


@st.composite
def clusters(draw):
    inside, outside = draw(st.integers(2, 4)), draw(st.integers(3, 5))
    count = inside + outside
    sizes = np.array(draw(st.lists(st.integers(5, 60), min_size=count, max_size=count)), float)
    events = np.array([draw(st.integers(0, int(size))) for size in sizes], float)
    return sizes, events, np.arange(count) < inside


@few
@given(clusters())
def test_limits_and_p_values_of_few_areas_tell_the_same(drawn):
    sizes, events, had = drawn
    labels, _ = arrangements(had, None)
    found = shift(sizes, events, had, labels, 0.9)
    assert 1 / len(labels) <= found.p_value <= 1
    if found.low is not None:
        assert found.low <= found.estimate <= found.high
        if found.p_value <= 0.1 - 1e-9:
            assert not found.low + 1e-9 < 0 < found.high - 1e-9
        elif found.p_value > 0.1 + 1e-9:
            assert found.low - 1e-9 <= 0 <= found.high + 1e-9
    if events[had].sum() == 0 or events[~had].sum() == 0:
        return
    ratio = scale(sizes, events, had, labels, 0.9)
    if ratio.low is not None:
        assert 0 <= ratio.low <= ratio.estimate <= ratio.high
        if ratio.p_value <= 0.1 - 1e-9:
            assert not ratio.low * (1 + 1e-9) < 1 < ratio.high * (1 - 1e-9)


@few
@given(clusters())
def test_swapping_the_arms_of_few_areas_turns_everything_round(drawn):
    sizes, events, had = drawn
    one = shift(sizes, events, had, arrangements(had, None)[0], 0.9)
    two = shift(sizes, events, ~had, arrangements(~had, None)[0], 0.9)
    assert one.estimate == approx(-two.estimate, abs=1e-12)
    assert one.p_value == approx(two.p_value)
    if one.low is None:
        assert two.low is None
    else:
        assert [one.low, one.high] == approx([-two.high, -two.low], abs=1e-9)
    if events[had].sum() == 0 or events[~had].sum() == 0:
        return
    up = scale(sizes, events, had, arrangements(had, None)[0], 0.9)
    down = scale(sizes, events, ~had, arrangements(~had, None)[0], 0.9)
    assert up.estimate == approx(1 / down.estimate)
    assert up.p_value == approx(down.p_value)
    if up.low is None:
        assert down.low is None
    else:
        assert up.low == approx(1 / down.high if down.high < math.inf else 0.0, rel=1e-6)
