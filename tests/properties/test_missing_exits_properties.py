"""What must hold of missing exits and rival explanations, whatever the counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive_eval.errors import DesignError, UndefinedResultError
from drive_eval.models.sensitivity import (
    imputed_change,
    lee_bounds,
    misreporting,
    missing_exit_bounds,
    tipping_point,
    weighted_change,
)

approx = pytest.approx
FEW = settings(deadline=None, max_examples=25)
COLUMNS = {"before": "before", "after": "after"}
cells = st.tuples(*[st.integers(0, 12)] * 6)


def people(counts):
    kinds = [(b, a) for b in (True, False) for a in (True, False, None)]
    rows = [kind for kind, count in zip(kinds, counts, strict=True) for _ in range(count)]
    return pd.DataFrame(rows, columns=["before", "after"], dtype=object).assign(
        before=lambda t: t["before"].astype(bool)
    )


def seen(counts):
    return sum(counts) - counts[2] - counts[5] > 0


@FEW
@given(cells.filter(seen))
def test_what_was_observed_lies_within_the_bounds_and_the_bounds_within_their_interval(counts):
    for how in ("union", "imbens_manski"):
        found = missing_exit_bounds(people(counts), **COLUMNS, interval=how)
        share = {e.term: e for e in found.estimates if e.measure == "prevalence_after"}
        best, worst, whole = share["best case"], share["worst case"], share["range"]
        assert best.estimate <= share["as observed"].estimate + 1e-12
        assert share["as observed"].estimate <= worst.estimate + 1e-12
        assert whole.conf_low <= best.estimate + 1e-9
        assert worst.estimate <= whole.conf_high + 1e-9
        assert worst.estimate - best.estimate == approx((counts[2] + counts[5]) / sum(counts))


@FEW
@given(cells.filter(lambda c: seen(c) and c[2] + c[5] > 0))
def test_the_point_tips_where_the_worst_case_does(counts):
    table = people(counts)
    worst = missing_exit_bounds(table, **COLUMNS).one(measure="risk_difference", term="worst case")
    point = tipping_point(table, **COLUMNS).one(measure="tipping_point", term="point").estimate
    assert (point is None) == (worst.estimate < 0)


@FEW
@given(st.tuples(*[st.integers(0, 15)] * 6).filter(lambda c: c[0] + c[1] and c[3] + c[4]))
def test_what_was_observed_lies_within_lees_bounds_and_within_the_widest(counts):
    rows = []
    for arm, (yes, no, lost) in (("programme", counts[:3]), ("comparison", counts[3:])):
        rows += [(arm, value) for value in [1.0] * yes + [0.0] * no + [None] * lost]
    table = pd.DataFrame(rows, columns=["arm", "y"])
    found = lee_bounds(table, outcome="y", treated="arm")
    # Lee's bounds speak of other people than best and worst case, and need not lie within them.
    for order in (
        ("best case", "as observed", "worst case"),
        ("Lee lower", "as observed", "Lee upper"),
    ):
        points = [found.one(term=term).estimate for term in order]
        assert points == approx(sorted(points))


@FEW
@given(cells.filter(seen), st.integers(0, 3))
def test_models_give_a_result_or_a_sentence(counts, seed):
    table = people(counts)
    rng = np.random.default_rng(seed)
    made = imputed_change(table, **COLUMNS, m=3, rng=rng)
    assert 0 <= made.one(measure="prevalence_after").estimate <= 1
    assert made.to_json_dict()
    try:
        found = weighted_change(table, **COLUMNS)
    except DesignError as error:
        assert "cannot be modelled, and so not weighted for" in str(error)  # noqa: PT017
        return
    assert 0 <= found.one(measure="prevalence_after").estimate <= 1


@FEW
@given(
    st.tuples(*[st.integers(0, 30)] * 4).filter(lambda c: sum(c) > 0),
    st.sampled_from([0.5, 0.8, 1.0]),
    st.sampled_from([0.8, 0.97, 1.0]),
)
def test_worse_records_after_never_make_the_fall_larger(counts, sensitivity, specificity):
    both, before_only, after_only, neither = counts
    table = pd.DataFrame(
        {
            "before": [1] * (both + before_only) + [0] * (after_only + neither),
            "after": [1] * both + [0] * before_only + [1] * after_only + [0] * neither,
        }
    )
    how = {"specificity_after": specificity}
    try:
        plain = misreporting(table, **COLUMNS, **how)
    except UndefinedResultError:
        assert both + before_only == 0
        return
    worse = misreporting(table, **COLUMNS, **how, sensitivity_after=sensitivity)
    falls = [r.one(measure="percent_reduction").estimate for r in (plain, worse)]
    assert falls[1] <= falls[0] + 1e-9
    points = [r.one(measure="over_optimism", term="point").estimate for r in (plain, worse)]
    assert points[0] == points[1]
