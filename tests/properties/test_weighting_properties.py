"""What holds of strata, weights and balance, whatever the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drive_eval.errors import DesignError
from drive_eval.models import matching

approx = pytest.approx
quick = settings(deadline=None, max_examples=25)
NAMES = {"treated": "arm", "covariates": ["age", "arrests", "site"]}
MAKERS = {
    "subclass": lambda table: matching.subclass(table, **NAMES, subclasses=3),
    "subclass ate": lambda table: matching.subclass(table, **NAMES, subclasses=4, estimand="ate"),
    "cem": lambda table: matching.cem(table, **NAMES, cutpoints={"age": [30, 40], "arrests": [2]}),
    "att": lambda table: matching.propensity_weights(table, **NAMES),
    "ate": lambda table: matching.propensity_weights(table, **NAMES, estimand="ate", truncate=0.9),
    "ato": lambda table: matching.propensity_weights(table, **NAMES, estimand="ato"),
    "trim": lambda table: matching.propensity_weights(table, **NAMES, trim=(0.2, 0.8)),
    "entropy": lambda table: matching.entropy_balance(table, **NAMES),
    "entropy ate": lambda table: matching.entropy_balance(table, **NAMES, estimand="ate"),
}


@st.composite
def tables(draw):
    """Return 60 to 160 made-up cases, more or less alike in the two arms."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n = draw(st.integers(60, 160))
    pull = draw(st.floats(0, 1))
    table = pd.DataFrame(
        {
            "age": rng.normal(35, 8, n),
            "arrests": rng.poisson(2, n),
            "site": rng.choice(["north", "south"], n),
        },
        index=[f"case {i}" for i in range(n)],
    )
    chance = 1 / (1 + np.exp(pull * ((table["age"] - 35) / 8 - 0.5 * (table["arrests"] - 2))))
    table["arm"] = rng.random(n) < chance
    assume(10 < table["arm"].sum() < n - 10)
    return table


def made(name, table):
    try:
        return MAKERS[name](table)
    except DesignError:
        assume(False)


def arms(design):
    t = design.table["arm"].to_numpy()
    return t, design.table["weight"].to_numpy()


@pytest.mark.parametrize("name", MAKERS)
@quick
@given(table=tables())
def test_weights_are_not_negative_and_the_effective_sizes_lie_between_one_and_all(name, table):
    design = made(name, table)
    t, w = arms(design)
    assert (w >= 0).all()
    assert np.isfinite(w).all()
    for group, arm in (("programme", t), ("comparison", ~t)):
        found = design.balance.one(measure="ess", group=group, subgroup="after")
        assert 1 - 1e-9 <= found.estimate <= (w[arm] > 0).sum() + 1e-9
        assert found.n == (w[arm] > 0).sum()
        before = design.balance.one(measure="ess", group=group, subgroup="before").estimate
        assert before == approx(
            table["arm"].sum() if group == "programme" else (~table["arm"]).sum()
        )
    numbers = [e.estimate for e in design.balance.estimates if e.estimate is not None]
    assert np.isfinite(numbers).all()
    assert all(0 <= e.estimate <= 1 + 1e-9 for e in design.balance.estimates if "ecdf" in e.measure)


@pytest.mark.parametrize("name", MAKERS)
@quick
@given(table=tables())
def test_sums_of_weights(name, table):
    design = made(name, table)
    t, w = arms(design)
    n1, n0 = table["arm"].sum(), (~table["arm"]).sum()
    if name in ("subclass", "subclass ate", "cem"):  # the number of cases of the own arm
        assert (w[t].sum(), w[~t].sum()) == approx((t.sum(), (~t).sum()))
    if name in ("subclass", "cem", "att", "entropy"):
        assert w[t] == approx(np.ones(t.sum()))
    if name == "entropy":
        assert w[~t].sum() == approx(n1)
    if name == "entropy ate":
        assert (w[t].sum(), w[~t].sum()) == approx((n1 + n0, n1 + n0))
    if name == "ato":
        assert w[t].sum() == approx(w[~t].sum())


@pytest.mark.parametrize("name", MAKERS)
@quick
@given(table=tables(), seed=st.integers(0, 1000))
def test_the_order_of_rows_is_irrelevant(name, table, seed):
    design = made(name, table)
    other = made(name, table.sample(frac=1, random_state=seed))
    ordered = other.table.loc[design.table.index]
    # Truncation limits and cuts of subclasses are interpolated from sorted values: the same.
    assert ordered["weight"].to_numpy() == approx(design.table["weight"].to_numpy(), abs=1e-7)
    if "matched_set" in design.table:
        assert (ordered["matched_set"] == design.table["matched_set"]).all()
    assert other.estimand == design.estimand
    assert other.flow == design.flow
    for one, two in zip(design.balance.estimates, other.balance.estimates, strict=True):
        assert (one.measure, one.term, one.subgroup) == (two.measure, two.term, two.subgroup)
        if one.estimate is not None:
            assert two.estimate == approx(one.estimate, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "cem"])
@quick
@given(table=tables(), scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_the_unit_of_a_covariate_changes_nothing(name, table, scale, shift):
    design = made(name, table)
    other = made(name, table.assign(age=table["age"] * scale + shift))
    assert other.table["weight"].to_numpy() == approx(
        design.table["weight"].to_numpy(), rel=1e-5, abs=1e-7
    )
    for measure in ("smd", "variance_ratio", "ecdf_mean", "ecdf_max"):
        one, two = (
            d.balance.one(measure=measure, term="age", subgroup="after").estimate
            for d in (design, other)
        )
        assert two == approx(one, rel=1e-4, abs=1e-6)


@quick
@given(
    table=tables(), estimand=st.sampled_from(["att", "atc", "ate"]), moments=st.sampled_from([1, 2])
)
def test_entropy_balance_hits_the_means(table, estimand, moments):
    try:
        design = matching.entropy_balance(table, **NAMES, estimand=estimand, moments=moments)
    except DesignError:
        assume(False)
    t, w = arms(design)
    goal = {"att": t, "atc": ~t}.get(estimand, np.ones_like(t))
    for values in (
        table["age"],
        table["arrests"],
        table["site"] == "north",
        *([(table["age"] - 35) ** 2] if moments == 2 else []),
    ):
        x = values.to_numpy(dtype=float)
        for arm in (t, ~t):
            assert np.average(x, weights=w * arm) == approx(
                x[goal].mean(), abs=1e-8 * x.std() + 1e-9
            )


@quick
@given(table=tables())
def test_overlap_weights_balance_the_columns_of_the_score_exactly(table):
    design = made("ato", table)
    for term in ("age", "arrests", "site: north", "site: south"):
        smd = design.balance.one(measure="smd", term=term, subgroup="after").estimate
        assert abs(smd) < 1e-8


@quick
@given(
    table=tables(), subclasses=st.integers(2, 6), estimand=st.sampled_from(["att", "atc", "ate"])
)
def test_subclass_weights_reproduce_stratified_means(table, subclasses, estimand):
    try:
        design = matching.subclass(table, **NAMES, subclasses=subclasses, estimand=estimand)
    except DesignError:
        assume(False)
    t, w = arms(design)
    sets = design.table["matched_set"].to_numpy()
    population = {"att": t, "atc": ~t}.get(estimand, np.ones_like(t))
    x = design.table["age"].to_numpy()
    for arm in (t, ~t):
        stratified = sum(
            x[arm & (sets == s)].mean() * (sets[population] == s).mean() for s in np.unique(sets)
        )
        assert np.average(x, weights=w * arm) == approx(stratified)


@quick
@given(
    table=tables(),
    cuts=st.lists(st.integers(15, 60), min_size=1, max_size=5, unique=True).map(sorted),
)
def test_cem_never_matches_across_strata(table, cuts, check_matched):
    try:
        design = matching.cem(table, **NAMES, cutpoints={"age": cuts, "arrests": "exact"})
    except DesignError:
        assume(False)
    check_matched(design, table)
    kept = design.table.assign(bin=np.searchsorted(cuts, design.table["age"], side="right"))
    within = kept.groupby("matched_set")[["bin", "arrests", "site"]].nunique()
    assert (within == 1).all(axis=None)
    across = kept.groupby(["bin", "arrests", "site"])["matched_set"].nunique()
    assert (across == 1).all()
    assert kept.groupby("matched_set")["arm"].nunique().eq(2).all()


@quick
@given(table=tables())
def test_weights_of_one_change_nothing(table):
    found = matching.balance(table, **NAMES, weights=np.full(len(table), 3.5))
    values = {
        when: [e.estimate for e in found.estimates if e.subgroup == when]
        for when in ("before", "after")
    }
    for one, two in zip(values["before"], values["after"], strict=True):
        assert one == two or two == approx(one, abs=1e-9)


@quick
@given(table=tables())
def test_swapping_the_arms_turns_differences_and_ratios_round(table):
    found, turned = (
        matching.balance(t, **NAMES, estimand="ate")
        for t in (table, table.assign(arm=~table["arm"]))
    )
    for term in ("age", "arrests", "site: north"):
        one, two = (f.one(measure="smd", term=term).estimate for f in (found, turned))
        assert two == approx(-one, abs=1e-9)
        one, two = (f.one(measure="ecdf_mean", term=term).estimate for f in (found, turned))
        assert two == approx(one, abs=1e-9)
    one, two = (f.one(measure="variance_ratio", term="age").estimate for f in (found, turned))
    assert two == approx(1 / one)


@quick
@given(table=tables(), name=st.sampled_from(["att", "ato", "entropy", "entropy ate"]))
def test_contributions_to_the_parameters_add_up_to_nothing(table, name):
    design = made(name, table)
    assert np.abs(design.influence.sum(axis=0)).max() < 1e-6
    assert design.influence.shape == design.slopes.shape
    assert len(design.target) == len(table)
