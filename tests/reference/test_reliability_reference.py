"""Alpha, intraclass correlations and kappas against R (r/reliability.R) and worked numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from drive_eval.measures.reliability import (
    internal_consistency,
    intraclass_correlation,
    kappa,
)

approx = pytest.approx
R = json.loads((Path(__file__).parent / "reliability.json").read_text(encoding="utf-8"))
SCORES = pd.DataFrame(R["scores"])
TERMS = ["ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)"]
WEIGHTS = ["unweighted", "linear", "quadratic"]


def rated(counts):
    """One row a case from a table of counts, first rater in rows."""
    rows = [
        (i, j) for i, row in enumerate(counts) for j, count in enumerate(row) for _ in range(count)
    ]
    return pd.DataFrame(rows, columns=["first", "second"])


@pytest.mark.parametrize(("name", "level"), [("whole", 0.95), ("whole_80", 0.8)])
def test_alpha_is_that_of_r(name, level):
    found = internal_consistency(SCORES, items=list("abcd"), conf_level=level)
    alpha = found.one(measure="alpha")
    expected = R["alpha"][name]
    assert alpha.estimate == approx(expected["alpha"], abs=1e-12)
    assert [alpha.conf_low, alpha.conf_high] == approx(expected["limits"], abs=1e-12)


def test_alpha_of_incomplete_rows_uses_the_rows_that_are_left():
    holes = SCORES.astype(float)
    holes.loc[[2, 8], "a"] = np.nan
    holes.loc[8, "c"] = holes.loc[19, "d"] = np.nan
    found = internal_consistency(holes, items=list("abcd"))
    alpha, expected = found.one(measure="alpha"), R["alpha"]["complete"]
    assert alpha.n == expected["n"] == 37
    assert alpha.estimate == approx(expected["alpha"], abs=1e-12)
    assert [alpha.conf_low, alpha.conf_high] == approx(expected["limits"], abs=1e-12)
    assert found.check("missing_ratings").text == "3 of 40 rows lack a rating and were left out."


@pytest.mark.parametrize(
    ("name", "raters", "level"),
    [("all", "abcd", 0.95), ("all_90", "abcd", 0.9), ("pair", "ab", 0.95)],
)
def test_the_six_correlations_are_those_of_r(name, raters, level):
    found = intraclass_correlation(SCORES, raters=list(raters), conf_level=level)
    assert [e.term for e in found.estimates] == TERMS
    expected = R["icc"][name]
    for field, key in (("estimate", "icc"), ("conf_low", "low"), ("conf_high", "high")):
        ours = [getattr(e, field) for e in found.estimates]
        assert ours == approx(expected[key], abs=1e-9), field


@pytest.mark.parametrize("name", ["grid", "three", "yesno"])
@pytest.mark.parametrize("term", WEIGHTS)
def test_kappa_is_that_of_r_and_its_error_that_of_the_formula(name, term):
    expected = R["kappa"][name]
    size = len(expected["counts"])
    if size == 2 and term != "unweighted":
        term = "unweighted"  # with two levels all three are one
    found = kappa(
        rated(expected["counts"]), first="first", second="second", levels=list(range(size))
    ).one(measure="kappa", term=term)
    assert found.estimate == approx(expected[term], abs=1e-12)
    assert [found.estimate, found.std_error] == approx(expected["fce"][term], abs=1e-12)
    half = 1.959963984540054 * found.std_error
    assert found.conf_low == approx(found.estimate - half, abs=1e-12)
    assert found.conf_high == approx(min(found.estimate + half, 1), abs=1e-12)


@pytest.mark.parametrize(
    ("term", "wt"), [("unweighted", None), ("linear", "linear"), ("quadratic", "fc")]
)
def test_kappa_is_that_of_statsmodels(term, wt):
    counts = R["kappa"]["grid"]["counts"]
    theirs = cohens_kappa(np.array(counts), wt=wt)
    ours = kappa(rated(counts), first="first", second="second", levels=[0, 1, 2, 3]).one(
        measure="kappa", term=term
    )
    assert [ours.estimate, ours.std_error] == approx([theirs.kappa, theirs.std_kappa], abs=1e-12)


def test_the_published_table_of_the_notes():
    found = kappa(
        rated([[75, 1, 4], [5, 4, 1], [0, 0, 10]]), first="first", second="second", levels=[0, 1, 2]
    )
    points = [found.one(measure="kappa", term=term) for term in WEIGHTS]
    assert [p.estimate for p in points] == approx([0.676471, 0.722222, 0.755319], abs=1e-6)
    assert points[0].std_error == approx(0.087703, abs=1e-6)


def test_the_indices_of_byrt_worked_by_hand():
    # a = 45 both, d = 40 neither, only the first 6, only the second 9, of 100.
    found = kappa(rated([[40, 9], [6, 45]]), first="first", second="second", levels=[0, 1])
    assert found.one(measure="agreement").estimate == approx(0.85)
    assert found.one(measure="pabak").estimate == approx(0.70)
    assert found.one(measure="prevalence_index").estimate == approx(0.05)
    assert found.one(measure="bias_index").estimate == approx(-0.03)
    # Byrt's identity: kappa from pabak and the two indices.
    pabak, p, b = 0.70, 0.05, -0.03
    assert found.one(measure="kappa").estimate == approx(
        (pabak - p**2 + b**2) / (1 - p**2 + b**2), abs=1e-12
    )
