"""What must hold of every comparison, whatever the counts."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive_eval.models.comparison import difference_in_differences, instrumental, risk_contrast

approx = pytest.approx
few = settings(deadline=None, max_examples=40)
any_cell, some = st.integers(0, 40), st.integers(1, 40)
any_arm = st.tuples(any_cell, any_cell, any_cell, any_cell)
changing = st.tuples(some, some, some, any_cell)
mixed_arm = st.tuples(some, some, some, some)


@st.composite
def two_by_two(draw, low=0):
    n1, n0 = draw(st.integers(2, 60)), draw(st.integers(2, 60))
    x1 = draw(st.integers(min(low, n1 - low), n1 - low))
    x0 = draw(st.integers(min(low, n0 - low), n0 - low))
    return x1, n1, x0, n0


def people(x1, n1, x0, n0):
    arm = np.repeat([True, False], [n1, n0])
    abuse = np.concatenate([np.arange(n1) < x1, np.arange(n0) < x0])
    age = np.arange(n1 + n0) * 7 % 11
    return pd.DataFrame({"arm": arm, "abuse": abuse, "age": age})


def contrast(table, **more):
    return risk_contrast(table, outcome="abuse", treated="arm", **more)


def long_table(programme, comparison):
    kinds = np.array([(True, True), (True, False), (False, True), (False, False)])
    pairs = np.concatenate([np.repeat(kinds, cells, axis=0) for cells in (programme, comparison)])
    arm = np.repeat([True, False], [sum(programme), sum(comparison)])
    n = len(arm)
    return pd.DataFrame(
        {
            "id": np.repeat(np.arange(n), 2),
            "arm": np.repeat(arm, 2),
            "late": np.tile([False, True], n),
            "abuse": pairs.reshape(-1),
        }
    )


def did(table, **more):
    return difference_in_differences(
        table, outcome="abuse", treated="arm", period="late", person="id", **more
    )


def same(a, b):
    return a is b is None or a == b or a == approx(b, rel=1e-7, abs=1e-9)


@few
@given(two_by_two())
def test_swapping_the_arms_inverts_ratios_and_negates_differences(counts):
    table = people(*counts)
    forward, backward = contrast(table), contrast(table.assign(arm=~table["arm"]))
    for measure in ("risk_ratio", "odds_ratio"):
        a, b = forward.one(measure=measure), backward.one(measure=measure)
        if a.conf_low is None:
            assert b.conf_low is None
            continue
        assert same(a.conf_low, 1 / b.conf_high if b.conf_high else math.inf)
        assert same(a.conf_high, 1 / b.conf_low if b.conf_low else math.inf)
        if a.estimate and b.estimate:
            assert same(a.estimate, 1 / b.estimate)
    a, b = forward.one(measure="risk_difference"), backward.one(measure="risk_difference")
    assert same(a.estimate, -b.estimate)
    assert same(a.conf_low, -b.conf_high)


@few
@given(two_by_two())
def test_a_reduction_is_never_above_a_hundred_and_risks_stay_between_0_and_1(counts):
    found = contrast(people(*counts))
    fall = found.one(measure="percent_reduction")
    for value in (fall.estimate, fall.conf_low, fall.conf_high):
        assert value is None or value <= 100
    for measure in ("risk_treated", "risk_comparison"):
        risk = found.one(measure=measure)
        assert 0 <= risk.conf_low <= risk.estimate <= risk.conf_high <= 1


@few
@given(two_by_two(low=1), st.integers(0, 1000))
def test_row_order_and_index_do_not_matter(counts, seed):
    table = people(*counts)
    mixed = table.sample(frac=1, random_state=seed)
    for one, two in zip(contrast(table).estimates, contrast(mixed).estimates, strict=True):
        assert one == two


@few
@given(st.integers(12, 40), st.integers(12, 40), st.integers(0, 1000))
def test_an_adjusted_interval_holds_its_estimate_and_swaps_with_the_arms(n1, n0, seed):
    rng = np.random.default_rng(seed)
    table = people(n1 // 2, n1, n0 // 3, n0).assign(age=rng.normal(size=n1 + n0))
    forward = contrast(table, covariates=["age"], interactions=False)
    backward = contrast(
        table.assign(arm=~table["arm"]), covariates=["age"], interactions=False
    ).one(measure="risk_ratio")
    ratio = forward.one(measure="risk_ratio")
    assert ratio.conf_low <= ratio.estimate <= ratio.conf_high
    assert same(ratio.estimate, 1 / backward.estimate)
    assert same(ratio.conf_low, 1 / backward.conf_high)


@few
@given(changing, changing)
def test_swapping_the_arms_inverts_the_ratio_of_ratios(programme, comparison):
    table = long_table(programme, comparison)
    forward = did(table).estimates[0]
    backward = did(table.assign(arm=~table["arm"])).estimates[0]
    assert same(forward.estimate, 1 / backward.estimate)
    assert same(forward.conf_low, 1 / backward.conf_high)
    assert forward.std_error == approx(backward.std_error)


@few
@given(st.tuples(some, any_cell, any_cell, st.integers(3, 40)))
def test_arms_that_changed_alike_show_no_difference(arm):
    found = did(long_table(arm, arm), scale="risk_difference")
    difference = found.one(measure="difference_in_differences")
    assert difference.estimate == approx(0, abs=1e-12)
    assert difference.conf_low <= 0 <= difference.conf_high
    ratio = found.one(measure="ratio_of_ratios")
    assert ratio.estimate == approx(1)
    assert ratio.conf_low <= 1 <= ratio.conf_high


@few
@given(any_arm, any_arm)
def test_every_number_has_a_place_or_a_reason(programme, comparison):
    programme, comparison = (*programme[:3], programme[3] + 3), (*comparison[:3], comparison[3] + 3)
    found = did(long_table(programme, comparison), scale="risk_difference")
    said = {check.name for check in found.checks}
    for measure in ("ratio_of_ratios", "difference_in_differences"):
        number = found.one(measure=measure)
        if number.estimate is None or number.conf_low is None:
            assert f"{measure}_undefined" in said
        if number.estimate is not None and number.conf_low is not None:
            assert number.conf_low <= number.estimate <= number.conf_high
    fall = found.one(measure="percent_reduction", group="")
    assert fall.estimate is None or fall.estimate <= 100


@few
@given(changing, changing)
def test_swapping_the_periods_inverts_the_ratio_of_ratios(programme, comparison):
    table = long_table(programme, comparison)
    forward, backward = did(table), did(table.assign(late=~table["late"]))
    a, b = (r.one(measure="ratio_of_ratios") for r in (forward, backward))
    assert same(a.estimate, 1 / b.estimate)
    assert same(a.conf_low, 1 / b.conf_high)


@few
@given(mixed_arm, mixed_arm, st.floats(1, 4))
def test_a_design_effect_never_narrows(programme, comparison, size):
    table = long_table(programme, comparison)
    plain = did(table, min_clusters=0).estimates[0]
    wide = did(table, min_clusters=0, design_effect=(size, size)).estimates[0]
    assert wide.estimate == plain.estimate
    assert wide.conf_high >= plain.conf_high * (1 - 1e-12)
    assert wide.std_error == approx(plain.std_error * math.sqrt(size))


@few
@given(st.lists(st.tuples(st.integers(2, 20), st.integers(0, 20)), min_size=4, max_size=4))
def test_the_instrument_is_the_offer_over_the_delivery(drawn):
    kinds = [(True, True), (True, False), (False, True), (False, False)]
    rows = [(*kind, i < x) for kind, (n, x) in zip(kinds, drawn, strict=True) for i in range(n)]
    table = pd.DataFrame(rows, columns=["assigned", "delivered", "abuse"])
    taken = table.groupby("assigned")["delivered"].mean()
    if abs(taken[True] - taken[False]) < 1e-6:
        return
    names = {"outcome": "abuse", "assigned": "assigned", "delivered": "delivered"}
    found = instrumental(table, **names)
    itt = found.one(term="itt", measure="risk_difference")
    stage, ratio = found.one(term="first_stage"), found.one(term="iv")
    assert ratio.estimate == approx(itt.estimate / stage.estimate, rel=1e-9, abs=1e-12)
    flipped = instrumental(table.assign(abuse=~table["abuse"]), **names).one(term="iv")
    assert flipped.estimate == approx(-ratio.estimate, abs=1e-9)
    if ratio.std_error is None:  # one outcome for all
        assert flipped.std_error is None
    else:
        assert flipped.std_error == approx(ratio.std_error, rel=1e-7, abs=1e-9)
    weak = found.one(term="iv_anderson_rubin")
    if weak.conf_low is not None:
        assert weak.conf_low <= ratio.estimate + 1e-9
        assert ratio.estimate <= weak.conf_high + 1e-9
