"""What must hold of every regression of hazards, whatever the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drive_eval.errors import DesignError, UndefinedResultError
from drive_eval.models import _cox
from drive_eval.models.survival import cox, fine_gray, recurrent

approx = pytest.approx
few = settings(deadline=None, max_examples=30)
seeds = st.integers(0, 10_000)
ties = st.sampled_from(["efron", "breslow"])
COLUMNS = {"start": "start", "stop": "stop", "event": "event", "covariates": ["a", "b"]}


@st.composite
def histories(draw, people=(8, 30)):
    """Rows of a few people who come and go, with ties, weights and strata."""
    rng = np.random.default_rng(draw(seeds))
    rows = []
    for person in range(draw(st.integers(*people))):
        t = int(rng.integers(0, 4))
        for _ in range(rng.integers(1, 4)):
            stop = t + int(rng.integers(1, 12))
            rows.append((person, t, stop, bool(rng.random() < 0.6), int(rng.integers(0, 2))))
            t = stop + int(rng.choice([0, 3]))
    table = pd.DataFrame(rows, columns=["person", "start", "stop", "event", "a"])
    table["b"] = np.round(rng.normal(size=len(table)), 2)
    table["w"] = np.round(rng.uniform(0.2, 3, len(table)), 2)
    table["s"] = table["person"] % 3
    return table


def fitted(table, **more):
    """Fit, or discard an example in which no maximum exists."""
    try:
        return cox(table, min_clusters=2, **{**COLUMNS, **more}).native
    except (DesignError, UndefinedResultError):
        assume(False)


def same(one, other, scale=None, tolerance=1e-6):
    scale = np.ones(len(one.coefficients)) if scale is None else scale
    assert one.coefficients == approx(other.coefficients * scale, rel=tolerance, abs=tolerance)
    assert one.std_errors == approx(other.std_errors * np.abs(scale), rel=tolerance)


def chi(fit, transform):
    """Chi-squared of proportionality of each covariate and of both; -1 where there is none."""
    found = fit.proportionality({"a": [0], "b": [1]}, transform)
    return [-1 if test is None else test[0] for test in found.values()]


def log_likelihood(table, beta, rule, strata=None, weights=None):
    """The partial likelihood by its definition, one event time after the other."""
    w = np.ones(len(table)) if weights is None else table[weights].to_numpy()
    eta = table[["a", "b"]].to_numpy(dtype=float) @ beta
    start, stop, event = (table[c].to_numpy() for c in ("start", "stop", "event"))
    stratum = np.zeros(len(table)) if strata is None else table[strata].to_numpy()
    total = 0.0
    for s in np.unique(stratum):
        for t in np.unique(stop[event & (stratum == s)]):
            here = (start < t) & (t <= stop) & (stratum == s)
            dead = here & event & (stop == t)
            risk = w * np.exp(eta)
            for k in range(dead.sum()):
                gone = k / dead.sum() * risk[dead].sum() if rule == "efron" else 0.0
                total -= w[dead].mean() * np.log(risk[here].sum() - gone)
            total += (w * eta)[dead].sum()
    return total


@few
@given(histories(), ties, st.booleans(), st.booleans(), st.tuples(*[st.floats(-1, 1)] * 2))
def test_the_likelihood_is_its_definition(table, rule, stratified, weighted, beta):
    assume(table["event"].any())
    rows = _cox.arrange(
        table["stop"].to_numpy(float),
        table["event"].to_numpy(),
        table[["a", "b"]].to_numpy(float),
        start=table["start"].to_numpy(float),
        strata=table["s"].to_numpy() if stratified else None,
        weights=table["w"].to_numpy() if weighted else None,
        ties=rule,
    )
    found = _cox.evaluate(rows, np.array(beta) * rows.scale).loglik
    expected = log_likelihood(
        table, np.array(beta), rule, "s" if stratified else None, "w" if weighted else None
    )
    assert found == approx(expected, rel=1e-9, abs=1e-9)


@few
@given(histories(), ties)
def test_no_other_coefficients_are_more_likely(table, rule):
    fit = fitted(table, ties=rule)
    best = log_likelihood(table, fit.coefficients, rule)
    assert best == approx(fit.loglik, rel=1e-9)
    rng = np.random.default_rng(1)
    for step in rng.normal(size=(12, 2)) * fit.std_errors * 0.3:
        assert log_likelihood(table, fit.coefficients + step, rule) <= best + 1e-9


@few
@given(histories(), ties, seeds)
def test_names_of_people_and_the_order_of_rows_do_not_matter(table, rule, seed):
    rng = np.random.default_rng(seed)
    names = rng.permutation(1000)
    other = table.assign(person=names[table["person"]]).sample(frac=1, random_state=seed)
    options = {"ties": rule, "cluster": "person", "strata": "s", "weights": "w"}
    same(fitted(other, **options), fitted(table, **options))


@few
@given(histories(), ties, seeds, st.booleans())
def test_a_row_split_at_any_time_changes_nothing(table, rule, seed, weighted):
    rng = np.random.default_rng(seed)
    cut = np.round(rng.uniform(table["start"], table["stop"]) * 2) / 2
    inside = (cut > table["start"]) & (cut < table["stop"])
    early = table[inside].assign(stop=cut[inside], event=False)
    late = table.assign(start=np.where(inside, cut, table["start"]))
    options = {"ties": rule, "cluster": "person", "weights": "w" if weighted else None}
    whole, split = fitted(table, **options), fitted(pd.concat([early, late]), **options)
    same(split, whole)
    assert split.loglik == approx(whole.loglik, rel=1e-9)
    for how in ("km", "identity", "log"):
        assert chi(split, how) == approx(chi(whole, how), rel=1e-5, abs=1e-7)


@few
@given(histories(), st.sampled_from(["ag", "pwp_tt", "pwp_gt"]), seeds)
def test_repeats_do_not_change_with_cuts_between_events(table, model, seed):
    rng = np.random.default_rng(seed)
    cut = np.round(rng.uniform(table["start"], table["stop"]) * 2) / 2
    inside = (cut > table["start"]) & (cut < table["stop"])
    early = table[inside].assign(stop=cut[inside], event=False)
    late = table.assign(start=np.where(inside, cut, table["start"]))
    try:
        whole, split = (
            recurrent(rows, person="person", model=model, min_clusters=2, **COLUMNS)
            for rows in (table, pd.concat([late, early]))
        )
    except (DesignError, UndefinedResultError):
        assume(False)
    same(split.native, whole.native)
    for a, b in zip(split.estimates, whole.estimates, strict=True):
        assert (a.n, a.n_events) == (b.n, b.n_events)
        assert a.conf_high == approx(b.conf_high, rel=1e-5)


@few
@given(histories(), ties)
def test_twice_the_weight_leaves_the_coefficients(table, rule):
    one = fitted(table, ties=rule, weights="w")
    two = fitted(table.assign(w=2 * table["w"]), ties=rule, weights="w")
    same(two, one)
    assert two.model_covariance == approx(one.model_covariance / 2, rel=1e-6)


@few
@given(histories())
def test_a_weight_of_two_is_the_row_twice(table):
    double = table.assign(w=np.where(table["person"] % 2 == 0, 2, 1))
    copies = table.loc[table.index.repeat(double["w"])]
    options = {"ties": "breslow", "cluster": "person"}
    same(fitted(copies, **options), fitted(double, weights="w", **options))


@few
@given(histories(), ties, st.floats(-50, 50), st.floats(0.01, 50), st.booleans())
def test_units_of_a_covariate_move_its_coefficient_alone(table, rule, shift, factor, down):
    factor = -factor if down else factor
    other = table.assign(b=shift + factor * table["b"])
    options = {"ties": rule, "cluster": "person"}
    same(fitted(other, **options), fitted(table, **options), np.array([1, 1 / factor]), 1e-5)


@few
@given(histories(), ties)
def test_only_the_order_of_times_matters(table, rule):
    later = table.assign(start=np.expm1(table["start"] / 9), stop=np.expm1(table["stop"] / 9))
    options = {"ties": rule, "cluster": "person", "strata": "s"}
    a, b = fitted(later, **options), fitted(table, **options)
    same(a, b)
    for how in ("km", "rank"):
        assert chi(a, how) == approx(chi(b, how), rel=1e-5, abs=1e-7)


@few
@given(histories(), seeds)
def test_without_ties_efron_and_breslow_agree(table, seed):
    rng = np.random.default_rng(seed)
    table = table.assign(stop=table["stop"] + rng.uniform(0, 0.5, len(table)))
    assume(table["stop"].is_unique)
    options = {"cluster": "person"}
    same(fitted(table, ties="efron", **options), fitted(table, ties="breslow", **options))


@few
@given(histories(), ties)
def test_a_start_before_everything_is_no_start(table, rule):
    table = table.assign(start=-1)
    options = {"ties": rule, "weights": "w"}
    same(fitted(table, **options), fitted(table, start=None, **options))


@few
@given(histories(), ties)
def test_one_stratum_is_none_and_strata_add_up(table, rule):
    same(fitted(table.assign(one=1), ties=rule, strata="one"), fitted(table, ties=rule))
    fit = fitted(table, ties=rule, strata="s")
    assert fit.loglik == approx(log_likelihood(table, fit.coefficients, rule, "s"), rel=1e-9)


@few
@given(histories(), ties)
def test_martingales_and_influences_add_up_to_nothing(table, rule):
    fit = fitted(table, ties=rule, strata="s", weights="w")
    left = (fit.martingale() * table["w"]).groupby(table["s"]).sum()
    assert left.to_numpy() == approx(np.zeros(len(left)), abs=1e-8)
    assert fit.influence().sum(axis=0) == approx(np.zeros(2), abs=1e-7)


@few
@given(histories(people=(12, 20)), ties)
def test_the_influence_of_a_person_is_near_what_leaving_them_out_changes(table, rule):
    fit = fitted(table, ties=rule)
    people = fit.influence()[table["person"] == 0].sum(axis=0)
    rest = fitted(table[table["person"] != 0], ties=rule)
    change = fit.coefficients - rest.coefficients
    assert np.abs(people - change).max() < 0.75 * np.abs(change).max() + 0.1 * fit.std_errors.max()


@few
@given(histories(), st.floats(0.1, 30))
def test_units_of_time_do_not_matter_to_fine_and_gray(table, factor):
    rng = np.random.default_rng(len(table))
    table = table.assign(cause=np.where(table["event"], rng.integers(1, 3, len(table)), 0))
    assume((table["cause"] == 1).any())  # it is refused without, with its own message
    options = {"stop": "stop", "cause": "cause", "cause_of_interest": 1, "covariates": ["a", "b"]}
    try:
        one, other = (
            fine_gray(t, **options).native
            for t in (table, table.assign(stop=table["stop"] * factor))
        )
        mixed = fine_gray(table.sample(frac=1, random_state=1), **options).native
    except (DesignError, UndefinedResultError):
        assume(False)
    same(one, other)
    same(one, mixed)


@few
@given(histories(), ties)
def test_the_interval_holds_the_estimate_and_the_reduction_is_below_a_hundred(table, rule):
    table = table.assign(arm=table["person"] % 2 == 0)
    try:
        result = cox(table, ties=rule, cluster="person", treated="arm", min_clusters=2, **COLUMNS)
    except (DesignError, UndefinedResultError):
        assume(False)
    for found in result.estimates:
        assert found.conf_low <= found.estimate <= found.conf_high
        assert 0 <= found.p_value <= 1
    assert result.one(measure="percent_reduction").conf_high <= 100
