"""Rates and rate ratios against R (see README-counts.md)."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.stats.rates import confint_poisson_2indep

from drive_eval.errors import DesignWarning
from drive_eval.models import counts, prepost

approx = pytest.approx
HERE = Path(__file__).parent
R = json.loads((HERE / "counts_fresh.json").read_text())
ORACLE = json.loads((HERE / "counts.json").read_text())["cases"]
PEOPLE = pd.read_csv(HERE / "counts_people.csv").assign(
    after=lambda t: t["after"] == 1, programme=lambda t: t["programme"] == 1
)
VISITS = pd.read_csv(HERE / "counts_epil.csv")


def five_rows(visits):
    """Eight weeks before, and four visits of two weeks after."""
    before = visits.drop_duplicates("subject")[["subject", "prog", "base"]]
    before = before.rename(columns={"base": "y"}).assign(period="before", weeks=8.0)
    after = visits[["subject", "prog", "y"]].assign(period="after", weeks=2.0)
    return pd.concat([before, after], ignore_index=True)


def bladder():
    each = pd.read_csv(HERE / "survival_bladder2.csv").groupby("id")
    people = each[["rx", "number", "size"]].first()
    people["event"], people["stop"] = each["event"].sum(), each["stop"].max()
    return people.reset_index().assign(arm=lambda t: t["rx"] == 2)


EPIL = five_rows(VISITS)
PERIODS = EPIL.groupby(["subject", "prog", "period"], as_index=False)[["y", "weeks"]].sum()
WITHOUT_49 = PERIODS[PERIODS["subject"] != 49]
BLADDER = bladder()
EPIL_CALL = {"count": "y", "person_years": "weeks", "contrast": "period", "person": "subject"}
BLADDER_CALL = {
    "count": "event",
    "person_years": "stop",
    "contrast": "arm",
    "covariates": ["number", "size"],
}


def agrees(estimate, expected, *, abs_est=1e-6, rel_se=1e-6, factor=1.0):
    assert math.log(estimate.estimate) == approx(expected["est"], abs=abs_est)
    assert estimate.std_error * factor == approx(expected["se"], rel=rel_se)


# The numbers of oracle/08_counts.json


@pytest.mark.parametrize("method", ["poisson", "negative_binomial"])
def test_epilepsy_before_and_after(method):
    case = "poisson" if method == "poisson" else "nb"
    expected = ORACLE[f"count/epil_prepost/{case}"]["result"]
    ratio = counts.rate_ratio(EPIL, method=method, **EPIL_CALL).one(measure="rate_ratio")
    if method == "poisson":
        agrees(ratio, expected["cluster_HC0_cadj"]["post"])
    bare = expected["cluster_HC0_nocadj" if method == "poisson" else "cluster"]["post"]
    agrees(ratio, bare, factor=math.sqrt(58 / 59))


@pytest.mark.parametrize(
    ("cov", "name", "factor"),
    [("model", "model", 1.0), ("quasi", "quasi", 1.0), ("robust", "HC0", math.sqrt(294 / 295))],
)
def test_epilepsy_with_rows_taken_as_independent(cov, name, factor):
    expected = ORACLE["count/epil_prepost/poisson"]["result"][name]["post"]
    call = {key: value for key, value in EPIL_CALL.items() if key != "person"}
    found = counts.rate_ratio(EPIL, method="poisson", cov=cov, **call)
    agrees(found.one(measure="rate_ratio"), expected, factor=factor)


def test_epilepsy_negative_binomial():
    expected = ORACLE["count/epil_prepost/nb"]["result"]
    call = {key: value for key, value in EPIL_CALL.items() if key != "person"}
    found = counts.rate_ratio(EPIL, **call)
    agrees(found.one(measure="rate_ratio"), expected["coef"]["post"])
    assert found.native.alpha == approx(expected["alpha"], rel=1e-5)
    assert found.native.alpha_error == approx(
        expected["se_theta"] / expected["theta"] ** 2, rel=1e-4
    )
    assert found.native.loglik == approx(expected["loglik"], abs=1e-7)
    likelier = 2 * (found.native.loglik - found.native.loglik_poisson)
    assert likelier == approx(expected["lr_vs_poisson"], rel=1e-8)


@pytest.mark.parametrize(("rows", "case"), [(PERIODS, "did"), (WITHOUT_49, "did_no49")])
def test_epilepsy_in_two_arms(rows, case):
    found = counts.difference_in_differences(
        rows, count="y", person_years="weeks", treated="prog", period="period", person="subject"
    )
    poisson = ORACLE[f"count/epil_{case}/poisson"]["result"]
    ratio = found.one(measure="ratio_of_ratios")
    agrees(ratio, poisson["cluster_HC0_cadj"]["post:prog"])
    people = rows["subject"].nunique()
    bare = math.sqrt((people - 1) / people)
    for kind in ("independence", "exchangeable"):
        gee = ORACLE[f"count/epil_{case}/gee/{kind}"]["result"]["coef"]
        agrees(ratio, gee["post:prog"], factor=bare)
        comparison = found.one(measure="rate_ratio", group="comparison")
        assert math.log(comparison.estimate) == approx(gee["post"]["est"], abs=1e-6)
    # Equal weeks: the negative binomial has the same coefficients and, clustered, errors.
    agrees(ratio, ORACLE[f"count/epil_{case}/nb"]["result"]["cluster"]["post:prog"], factor=bare)


@pytest.mark.parametrize(
    ("method", "cov", "name"),
    [
        ("poisson", "model", "model"),
        ("poisson", "quasi", "quasi"),
        ("poisson", None, "cluster_HC0_cadj"),
        ("negative_binomial", "model", "coef"),
        ("negative_binomial", None, "cluster"),
    ],
)
def test_epilepsy_with_covariates(method, cov, name):
    case = "poisson" if method == "poisson" else "nb"
    expected = ORACLE[f"count/epil_lbase/{case}"]["result"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)  # those with many seizures weigh most
        found = counts.rate_ratio(
            VISITS.assign(weeks=2.0),
            count="y",
            person_years="weeks",
            contrast="prog",
            covariates="log(base/4) + age + V4",
            person=None if cov else "subject",
            method=method,
            cov=cov,
        )
    factor = math.sqrt(58 / 59) if name == "cluster" else 1.0
    agrees(found.one(measure="rate_ratio"), expected[name]["prog"], factor=factor)
    for term, at in (("log(base/4)", 2), ("age", 3), ("V4", 4)):
        first = "model" if method == "poisson" else "coef"
        assert found.native.coefficients[at] == approx(expected[first][term]["est"], abs=1e-6)
    if method == "negative_binomial":
        assert 1 / found.native.alpha == approx(expected["theta"], rel=1e-6)
        assert found.native.loglik == approx(expected["loglik"], abs=1e-7)
    else:
        assert found.native.loglik == approx(expected["loglik"], abs=1e-8)
        y, mean = VISITS["y"], found.native.fitted
        assert ((y - mean) ** 2 / mean).sum() / 231 == approx(expected["pearson_phi"], rel=1e-8)


@pytest.mark.parametrize("kind", ["independence", "exchangeable"])
def test_epilepsy_population_average(kind):
    expected = ORACLE[f"count/epil_lbase/gee/{kind}"]["result"]["coef"]
    found = prepost.population_average(
        VISITS,
        outcome="y",
        covariates="prog + log(base/4) + age + V4",
        groups="subject",
        family="poisson",
        link="log",
        cov="robust",
        correlation=kind,
    )
    for term in ("prog", "log(base / 4)", "age", "V4"):
        estimate = found.one(term=term)
        wanted = expected[term.replace(" ", "")]
        assert math.log(estimate.estimate) == approx(wanted["est"], abs=1e-3)
        assert estimate.std_error == approx(wanted["se"], rel=2e-3)


def test_epilepsy_exact():
    expected = ORACLE["paired_counts/epil"]["result"]
    ratio = counts.rate_ratio(EPIL, method="exact", **EPIL_CALL).one(measure="rate_ratio")
    assert ratio.estimate == approx(expected["rr"], abs=1e-10)
    assert [ratio.conf_low, ratio.conf_high] == approx(expected["ci_exact"], abs=1e-10)
    assert ratio.p_value == approx(expected["p_exact"], abs=1e-10)
    wald = [ratio.estimate * math.exp(s * 1.959963984540054 * ratio.std_error) for s in (-1, 1)]
    assert wald == approx(expected["wald_log"], abs=1e-10)
    assert (ratio.n_events, ratio.n_events_reference) == (expected["post"], expected["pre"])


# methods.md 5.5


def test_bladder_counts():
    found = counts.rate_ratio(BLADDER, **BLADDER_CALL)
    agrees(found.one(measure="rate_ratio"), R["bladder_nb"]["model"]["rx"], abs_est=1e-7)
    assert math.log(found.one(measure="rate_ratio").estimate) == approx(-0.603902, abs=5e-7)
    assert found.one(measure="rate_ratio").std_error == approx(0.305686, abs=5e-7)
    fit = found.native
    # R's rx is 1 and 2: its intercept is ours less one effect.
    expected = [-2.639059 - 0.603902, -0.603902, 0.241185, -0.016027]
    assert list(fit.coefficients) == approx(expected, abs=1.1e-6)
    assert np.sqrt(np.diag(fit.bread))[1:] == approx([0.305686, 0.081556, 0.103848], abs=5e-7)
    assert 1 / fit.alpha == approx(1.003352, abs=5e-7)
    assert fit.alpha == approx(0.996659, abs=5e-7)
    assert fit.loglik == approx(-134.613941, abs=5e-7)
    assert fit.alpha_error / fit.alpha**2 == approx(R["bladder_nb"]["se_theta"], rel=1e-3)
    assert found.check("alpha").statistic == fit.alpha


def test_bladder_poisson():
    expected = R["bladder_poisson"]
    model = counts.rate_ratio(BLADDER, method="poisson", cov="model", **BLADDER_CALL)
    agrees(model.one(measure="rate_ratio"), expected["model"]["rx"])
    assert model.one(measure="rate_ratio").std_error == approx(0.199242, abs=5e-7)
    robust = counts.rate_ratio(BLADDER, method="poisson", **BLADDER_CALL)
    agrees(robust.one(measure="rate_ratio"), expected["HC0"]["rx"], factor=math.sqrt(84 / 85))
    check = model.check("dispersion")
    assert check.statistic == approx(2.423832, abs=5e-7)
    assert check.passed is False
    assert check.p_value == approx(R["score_test"]["p"], rel=1e-8)


def test_bladder_crude():
    call = {"count": "event", "person_years": "stop", "contrast": "arm"}
    exact = counts.rate_ratio(BLADDER, method="exact", **call).one(measure="rate_ratio")
    assert exact.estimate == approx(0.656210, abs=5e-7)
    assert (exact.conf_low, exact.conf_high) == approx((0.434306, 0.979006), abs=5e-7)
    assert exact.p_value == approx(0.036557, abs=5e-7)
    wald = counts.rate_ratio(BLADDER, method="poisson", cov="model", **call)
    ratio = wald.one(measure="rate_ratio")
    assert (ratio.conf_low, ratio.conf_high) == approx((0.445845, 0.965833), abs=5e-7)


def test_paired_counts_of_ten_people():
    long = pd.DataFrame(
        {
            "who": [*range(10)] * 2,
            "when": ["before"] * 10 + ["after"] * 10,
            "y": [3, 1, 4, 0, 2, 5, 1, 2, 0, 3, 1, 0, 2, 0, 1, 1, 0, 2, 1, 0],
            "years": 0.5,
        }
    )
    found = counts.rate_ratio(
        long, count="y", person_years="years", contrast="when", person="who", method="exact"
    )
    ratio = found.one(measure="rate_ratio")
    assert ratio.estimate == approx(0.380952, abs=5e-7)
    assert (ratio.conf_low, ratio.conf_high) == approx((0.145922, 0.895320), abs=5e-7)
    assert ratio.p_value == approx(0.024120, abs=5e-7)
    assert [ratio.conf_low, ratio.conf_high] == approx(R["paired"]["ci"], abs=1e-10)
    assert ratio.p_value == approx(R["paired"]["p"], abs=1e-12)


# Fresh answers


@pytest.mark.parametrize("case", R["rates"], ids=str)
def test_one_rate(case):
    found = counts.rate_counts(events=case["x"], person_years=case["t"]).estimates[0]
    assert found.estimate / 100 == approx(case["est"], abs=1e-12)
    assert [found.conf_low / 100, found.conf_high / 100] == approx(case["ci"], rel=1e-9, abs=1e-12)


def test_one_rate_of_methods():
    found = counts.rate_counts(events=10, person_years=100).estimates[0]
    assert (found.conf_low / 100, found.conf_high / 100) == approx((0.047954, 0.183904), abs=5e-7)


@pytest.mark.parametrize("case", R["ratios"], ids=str)
def test_two_rates(case):
    found = counts.rate_ratio_counts(
        events=case["x"][0],
        person_years=case["t"][0],
        events_reference=case["x"][1],
        person_years_reference=case["t"][1],
    ).one(measure="rate_ratio")
    ends = [math.inf if end == "Inf" else end for end in case["ci"]]
    assert (found.estimate is None) == (case["est"] == "Inf")
    if found.estimate is not None:
        assert found.estimate == approx(case["est"], rel=1e-12)
    assert [found.conf_low, found.conf_high] == approx(ends, rel=1e-9)
    assert found.p_value == approx(case["p"], rel=1e-9)


@pytest.mark.parametrize(
    ("method", "case", "cluster"),
    [
        ("poisson", "people_poisson", None),
        ("negative_binomial", "people_nb", None),
    ],
)
def test_people_before_and_after(method, case, cluster):
    found = counts.rate_ratio(
        PEOPLE,
        count="y",
        person_years="years",
        contrast="after",
        covariates=["age", "site"],
        person="id",
        cluster=cluster,
        method=method,
    )
    agrees(found.one(measure="rate_ratio"), R[case]["cluster"]["after"])
    names = {name: at for at, name in enumerate(found.native.names)}
    for theirs, ours in (("age", "age"), ("sitenorth", "site[T.north]")):
        expected = R[case]["model"][theirs]
        assert found.native.coefficients[names[ours]] == approx(expected["est"], abs=1e-6)
    if method == "poisson":
        after, before = (R["standardised"][when] for when in ("after", "before"))
        gap = found.one(measure="rate_difference").estimate
        assert gap == approx(100 * (after - before), rel=1e-8)


def test_arms_negative_binomial():
    found = counts.rate_ratio(
        PEOPLE[PEOPLE["after"]],
        count="y",
        person_years="years",
        contrast="programme",
        covariates="age + C(site, Treatment('south'))",
    )
    agrees(found.one(measure="rate_ratio"), R["arms_nb"]["model"]["programme"])
    assert 1 / found.native.alpha == approx(R["arms_nb"]["theta"], rel=1e-6)


def test_difference_in_differences_of_people():
    found = counts.difference_in_differences(
        PEOPLE,
        count="y",
        person_years="years",
        treated="programme",
        period="after",
        person="id",
    )
    agrees(found.one(measure="ratio_of_ratios"), R["did"]["cluster"]["after:programme"])
    gap = found.one(measure="difference_in_differences").estimate
    cells = PEOPLE.groupby(["programme", "after"])[["y", "years"]].sum()
    rate = 100 * cells["y"] / cells["years"]
    assert gap == approx(
        rate[True, True] - rate[True, False] - rate[False, True] + rate[False, False]
    )


def test_harm_totals():
    found = counts.rate_ratio(
        PEOPLE,
        count="harm",
        person_years="years",
        contrast="after",
        person="id",
        method="poisson",
    )
    agrees(found.one(measure="rate_ratio"), R["harm"])
    assert found.one(measure="rate_ratio").n_events is None


def test_few_people_have_bias_reduced_errors():
    with pytest.warns(DesignWarning, match='12 clusters .*in "id"'):
        found = counts.rate_ratio(
            PEOPLE[PEOPLE["id"] <= 12],
            count="y",
            person_years="years",
            contrast="after",
            person="id",
            method="poisson",
        )
    agrees(found.one(measure="rate_ratio"), R["reduced"])
    assert "Mancl" in found.one(measure="rate_ratio").method


def test_exact_within_persons_whose_periods_differ():
    found = counts.rate_ratio(
        PEOPLE[PEOPLE["id"] <= 25],
        count="y",
        person_years="years",
        contrast="after",
        person="id",
        method="exact",
    ).one(measure="rate_ratio")
    expected = R["within"]
    assert found.estimate == approx(expected["est"], rel=1e-9)
    assert found.conf_low == approx(expected["low"], rel=1e-9)
    assert found.conf_high == approx(expected["high"], rel=1e-9)
    assert found.p_value == approx(expected["p"], rel=1e-9)


# Why not statsmodels


def test_statsmodels_score_interval_breaks_without_events():
    low, high = confint_poisson_2indep(0, 500, 60, 500, method="score", compare="ratio")
    assert low == approx(high)  # a single point, which is not the estimate of 0
    ours = counts.rate_ratio_counts(
        events=0, person_years=500, events_reference=60, person_years_reference=500
    ).one(measure="rate_ratio")
    assert (ours.estimate, ours.conf_low) == (0, 0)
    assert ours.conf_high == approx(0.063413, abs=5e-6)


def test_statsmodels_discrete_model_has_other_errors_and_the_same_coefficients():
    x = np.column_stack([np.ones(85), BLADDER["arm"], BLADDER["number"], BLADDER["size"]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sm.NegativeBinomial(
            BLADDER["event"], x.astype(float), offset=np.log(BLADDER["stop"])
        ).fit(disp=0, maxiter=500)
    ours = counts.rate_ratio(BLADDER, **BLADDER_CALL).native
    assert list(ours.coefficients) == approx(list(theirs.params)[:4], abs=1e-4)
    assert theirs.bse.iloc[1] == approx(0.322978, abs=1e-4)  # the joint Hessian
