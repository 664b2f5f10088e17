"""Paired proportions, severity grids and GEE against R: tables of others, and our own."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from drive_eval.errors import DesignWarning
from drive_eval.models import _intervals, _severity, prepost

approx = pytest.approx
HERE = Path(__file__).parent
ORACLE = json.loads((HERE / "prepost_oracle.json").read_text(encoding="utf-8"))
CLOSED = {"abs": 1e-9, "rel": 1e-9}
DIGITS = {"abs": 6e-7}  # numbers printed to six decimals


def fresh():
    """Answers of r/prepost.R by case and quantity."""
    table = pd.read_csv(HERE / "prepost_fresh.csv")
    return {case: dict(zip(g.quantity, g.value, strict=True)) for case, g in table.groupby("case")}


FRESH = fresh()


def grid_counts(grid, threshold):
    grid = np.array(grid)
    on = np.arange(len(grid)) >= threshold
    return {
        "both": int(grid[np.ix_(on, on)].sum()),
        "before_only": int(grid[np.ix_(on, ~on)].sum()),
        "after_only": int(grid[np.ix_(~on, on)].sum()),
        "neither": int(grid[np.ix_(~on, ~on)].sum()),
    }


PAIRED = [
    *(pytest.param(case["counts"], case, id=name) for name, case in ORACLE["paired"].items()),
    *(
        pytest.param(grid_counts(case["grid"], int(level[2:])), answer, id=f"{name}-{level}")
        for name, case in ORACLE["severity"].items()
        for level, answer in case["per_threshold"].items()
    ),
]


@pytest.mark.parametrize(("counts", "answer"), PAIRED)
def test_one_proportion_against_r(counts, answer):
    n = sum(counts.values())
    for margin, events in (("before", "before_only"), ("after", "after_only")):
        x = counts["both"] + counts[events]
        for method in ("wilson", "clopper_pearson", "jeffreys", "agresti_coull"):
            found = getattr(_intervals, method)(x=x, n=n)
            if method == "agresti_coull":  # R's formula runs past 0 and 1
                assert found == approx(np.clip(answer[margin][method], 0, 1), **CLOSED)
            elif method == "jeffreys" and x in (0, n):  # closed at the edge, as Brown et al. advise
                assert found[x == n] == {0: found[0], n: found[1]}[x]
            else:
                assert found == approx(answer[margin][method], **CLOSED)


@pytest.mark.parametrize(("counts", "answer"), PAIRED)
def test_paired_methods_against_r(counts, answer):
    changed = {name: counts[name] for name in ("before_only", "after_only")}
    test = answer["mcnemar"]
    assert _intervals.mcnemar_exact(**changed) == approx(test["exact"], **CLOSED)
    assert _intervals.mcnemar_mid_p(**changed) == approx(test["midp"], **CLOSED)
    if test["p_chi2"] is not None:
        statistic, p = _intervals.mcnemar_asymptotic(**changed)
        assert (statistic**2, p) == approx((test["chi2"], test["p_chi2"]), **CLOSED)
    pairs = {
        "tango_difference": answer["diff"]["tango"],
        "newcombe_paired_difference": answer["diff"]["newcombe10_phi_cc"],
        "bonett_price_difference": answer["diff"]["bonett_price"],
        "nam_tang_ratio": answer["ratio"]["tang"],
        "bonett_price_ratio": answer["ratio"]["bonett_price"],
        "mover_wilson_ratio": answer["ratio"]["mover_wilson"],
    }
    for method, expected in pairs.items():
        assert getattr(_intervals, method)(**counts) == approx(expected, **CLOSED), method


@pytest.mark.parametrize(("counts", "answer"), PAIRED)
def test_paired_counts_against_r(counts, answer):
    found = prepost.paired_counts(**counts)
    difference, ratio = found.one(measure="risk_difference"), found.one(measure="risk_ratio")
    assert difference.estimate == approx(answer["diff"]["est"], abs=1e-12)
    assert (difference.conf_low, difference.conf_high) == approx(answer["diff"]["tango"], **CLOSED)
    assert ratio.estimate == approx(answer["ratio"]["est"], rel=1e-12)
    assert (ratio.conf_low, ratio.conf_high) == approx(answer["ratio"]["tang"], **CLOSED)
    assert ratio.p_value == difference.p_value == approx(answer["mcnemar"]["midp"], **CLOSED)
    before = found.one(measure="prevalence_before")
    assert (before.conf_low, before.conf_high) == approx(answer["before"]["wilson"], **CLOSED)


# Worked numbers of the literature: both, before only, after only, neither.
PUBLISHED = {
    "airway": (
        (1, 7, 1, 12),
        {
            "tango_difference": (-0.517232, -0.026003),
            "newcombe_paired_difference": (-0.506920, -0.025559),
            "bonett_price_difference": (-0.508359, -0.013380),
            "nam_tang_ratio": (0.065279, 0.906881),
            "bonett_price_ratio": (0.067734, 0.922727),
            "mover_wilson_ratio": (0.068649, 0.869455),
        },
    ),
    "response": (
        (59, 16, 6, 80),
        {
            "tango_difference": (-0.124023, -0.005433),
            "newcombe_paired_difference": (-0.118621, -0.004625),
            "bonett_price_difference": (-0.119499, -0.003201),
            "nam_tang_ratio": (0.747579, 0.987615),
            "bonett_price_ratio": (0.757903, 0.991039),
            "mover_wilson_ratio": (0.759195, 0.986563),
        },
    ),
    "example": (
        (20, 6, 15, 5),
        {
            "tango_difference": (0.000419, 0.377185),
            "newcombe_paired_difference": (0.002602, 0.369943),
            "bonett_price_difference": (-0.001006, 0.376006),
            "nam_tang_ratio": (1.000639, 1.859820),
            "bonett_price_ratio": (0.995753, 1.819859),
            "mover_wilson_ratio": (1.007274, 1.839574),
        },
    ),
    "nobody after": (
        (0, 8, 0, 12),
        {
            "tango_difference": (-0.613418, -0.174425),
            "newcombe_paired_difference": (-0.613418, -0.157529),
            "nam_tang_ratio": (0.0, 0.480182),
            "bonett_price_ratio": (0.0, 0.480182),
            "mover_wilson_ratio": (0.0, 0.451828),
        },
    ),
    "no change": (
        (8, 0, 0, 12),
        {
            "tango_difference": (-0.161125, 0.161125),
            "newcombe_paired_difference": (-0.095366, 0.095366),
            "bonett_price_difference": (-0.125991, 0.125991),
            "nam_tang_ratio": (0.675592, 1.480182),
            "bonett_price_ratio": (0.789411, 1.266768),
        },
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_worked_numbers_of_the_literature(name):
    cells, expected = PUBLISHED[name]
    counts = dict(zip(("both", "before_only", "after_only", "neither"), cells, strict=True))
    for method, limits in expected.items():
        assert getattr(_intervals, method)(**counts) == approx(limits, **DIGITS), method


def test_the_headline_of_twenty_one_people():
    found = prepost.paired_counts(both=1, before_only=7, after_only=1, neither=12)
    ratio, fall = found.one(measure="risk_ratio"), found.one(measure="percent_reduction")
    assert (ratio.estimate, ratio.conf_low, ratio.conf_high) == approx(
        (0.25, 0.065279, 0.906881), **DIGITS
    )
    difference = found.one(measure="risk_difference")
    assert (difference.estimate, difference.conf_low, difference.conf_high) == approx(
        (-0.285714, -0.517232, -0.026003), **DIGITS
    )
    assert (fall.estimate, fall.conf_low, fall.conf_high) == approx((75.0, 9.3, 93.5), abs=0.05)
    assert fall.p_value == approx(0.039063, abs=6e-7)


def test_one_and_two_samples_of_the_literature():
    assert _intervals.wilson(x=13, n=16) == approx((0.569911, 0.934084), **DIGITS)
    assert _intervals.wilson(x=250, n=533) == approx((0.427050, 0.511480), **DIGITS)
    assert _intervals.wilson(x=0, n=20) == approx((0, 0.161125), **DIGITS)
    assert _intervals.clopper_pearson(x=13, n=16) == approx((0.543544, 0.959526), abs=1.1e-6)
    assert _intervals.clopper_pearson(x=0, n=20) == approx((0, 0.168433), **DIGITS)
    assert _intervals.jeffreys(x=13, n=16) == approx((0.579215, 0.944187), **DIGITS)
    assert _intervals.mid_p(x=13, n=16) == approx((0.569937, 0.949978), **DIGITS)
    newcombe = {"x1": 56, "n1": 70, "x0": 48, "n0": 80}
    assert _intervals.newcombe_difference(**newcombe) == approx((0.052431, 0.333873), **DIGITS)
    perondi = {"x1": 7, "n1": 34, "x0": 1, "n0": 34}
    difference, ratio = (
        _intervals.miettinen_nurminen_difference,
        _intervals.miettinen_nurminen_ratio,
    )
    assert difference(**newcombe) == approx((0.052830, 0.338173), **DIGITS)
    assert ratio(**newcombe) == approx((1.079047, 1.672145), **DIGITS)
    assert difference(**perondi) == approx((0.027042, 0.345291), **DIGITS)
    assert _intervals.newcombe_difference(**perondi) == approx((0.018921, 0.340369), **DIGITS)
    assert ratio(**perondi) == approx((1.208568, 43.032972), rel=1e-6)
    low, high = _intervals.goodman_wilson(counts=[60, 25, 15])
    assert low == approx((0.480393, 0.161831, 0.083701), **DIGITS)
    assert high == approx((0.708766, 0.365272, 0.254242), **DIGITS)
    assert _intervals.mcnemar_mid_p(before_only=60, after_only=15) == approx(9.8e-8, rel=0.01)


@pytest.mark.parametrize("case", ORACLE["exact_coverage_n30"])
def test_exact_coverage_over_every_table_of_thirty_pairs(case):
    a, c, b = (grid.ravel() for grid in np.indices((31, 31, 31)))
    possible = a + b + c <= 30
    counts = {"both": a[possible], "before_only": c[possible], "after_only": b[possible]}
    counts["neither"] = 30 - sum(counts.values())
    p = np.array(case["p"])
    p = dict(zip(("both", "before_only", "after_only", "neither"), p / p.sum(), strict=True))
    weight = stats.multinomial.pmf(np.stack(list(counts.values()), axis=1), 30, list(p.values()))
    after, before = p["both"] + p["after_only"], p["both"] + p["before_only"]
    for method, name, truth in (
        (_intervals.tango_difference, "tango", after - before),
        (_intervals.newcombe_paired_difference, "newc10", after - before),
        (_intervals.bonett_price_difference, "bp_diff", after - before),
        (_intervals.nam_tang_ratio, "tang", after / before),
        (_intervals.bonett_price_ratio, "bp_ratio", after / before),
    ):
        low, high = method(**counts)
        held = (low <= truth) & (truth <= high)
        # R left out tables whose probability is next to nothing, 7e-8 of them together.
        assert weight[held].sum() == approx(case["coverage"][name], abs=1e-7), name


# Severity grids


@pytest.mark.parametrize("name", ORACLE["severity"])
def test_severity_shift_against_r(name):
    case = ORACLE["severity"][name]
    grid = np.array(case["grid"])
    before, after = np.indices(grid.shape)
    table = pd.DataFrame(
        {"pre": before.ravel().repeat(grid.ravel()), "post": after.ravel().repeat(grid.ravel())}
    )
    found = prepost.severity_shift(table, before="pre", after="post", levels=range(len(grid)))
    for test in ("bhapkar", "stuart_maxwell", "bowker"):
        check, answer = found.check(test), case[test]
        assert check.statistic == approx(answer["chi2"], rel=1e-9)
        assert check.df == answer["df"]
        assert check.p_value == approx(answer["p"], rel=1e-9)
    exact = stats.binomtest(case["improved"], case["improved"] + case["worsened"]).pvalue
    assert exact == approx(case["sign_test"]["exact"])
    point = stats.binom.pmf(case["improved"], case["improved"] + case["worsened"], 0.5)
    assert found.check("sign_test").p_value == approx(exact - point, rel=1e-9)
    assert found.table("transitions")["all", "improved"] == case["improved"]
    assert found.table("transitions")["all", "worsened"] == case["worsened"]
    assert found.table("transitions")["all", "same"] == case["same"]


def test_grids_with_empty_cells_and_empty_pairs_of_cells():
    fischer = np.array(
        [[1, 0, 1, 0, 0], [0, 2, 8, 4, 4], [1, 1, 31, 14, 11], [1, 0, 15, 9, 12], [0, 0, 2, 1, 3]],
        dtype=float,
    )
    bhapkar, stuart = _severity.bhapkar(fischer), _severity.stuart_maxwell(fischer)
    assert (bhapkar.statistic, bhapkar.df) == approx((36.656791, 4), abs=1e-6)
    assert bhapkar.p_value == approx(2.12e-7, rel=0.003)
    assert (stuart.statistic, stuart.p_value) == approx((28.133718, 1.17e-5), abs=1e-6)
    bowker = _severity.bowker(fischer)
    assert bowker.statistic == approx(30.017389, abs=1e-6)
    # R counts all ten pairs of cells (p 0.000851); two of them are empty and tell nothing.
    assert bowker.df == 8
    assert stats.chi2.sf(bowker.statistic, 10) == approx(0.000851, abs=6e-7)
    peterson = np.array([[596, 18, 6, 5], [0, 2, 0, 0], [0, 0, 42, 0], [11, 0, 0, 0]], dtype=float)
    assert _severity.bhapkar(peterson).statistic == approx(27.304015, abs=1e-6)
    assert _severity.stuart_maxwell(peterson).statistic == approx(26.25, abs=1e-6)
    assert _severity.stuart_maxwell(peterson).df == 3


# Our own cases, from r/prepost.R

OWN = [name for name in FRESH if "tango_low" in FRESH[name] and "both" in FRESH[name]]


@pytest.mark.parametrize("name", OWN)
def test_score_limits_against_numerical_likelihood(name):
    answer = FRESH[name]
    counts = {k: int(answer[k]) for k in ("both", "before_only", "after_only", "neither")}
    found = prepost.paired_counts(**counts)
    difference, ratio = found.one(measure="risk_difference"), found.one(measure="risk_ratio")
    limits = (difference.conf_low, difference.conf_high)
    assert limits == approx((answer["tango_low"], answer["tango_high"]), abs=1e-6)
    limits = (ratio.conf_low, ratio.conf_high)
    assert limits == approx((answer["tang_low"], answer["tang_high"]), abs=1e-6)
    assert ratio.p_value == approx(answer["mid_p"], rel=1e-9)
    changed = {k: counts[k] for k in ("before_only", "after_only")}
    p = answer["asymptotic_p"]
    assert _intervals.mcnemar_asymptotic(**changed)[1] == approx(p, rel=1e-9)
    before = found.one(measure="prevalence_before")
    limits = (before.conf_low, before.conf_high)
    assert limits == approx((answer["wilson_before_low"], answer["wilson_before_high"]), abs=1e-12)
    exact = _intervals.clopper_pearson(x=before.n_events, n=before.n)
    assert exact == approx((answer["exact_before_low"], answer["exact_before_high"]), abs=1e-12)


@pytest.mark.parametrize("name", ["arms_small", "arms_large"])
def test_miettinen_nurminen_against_numerical_likelihood(name):
    answer = FRESH[name]
    arms = {k: answer[k] for k in ("x1", "n1", "x0", "n0")}
    for kind in ("difference", "ratio"):
        limits = getattr(_intervals, f"miettinen_nurminen_{kind}")(**arms)
        expected = (answer[f"mn_{kind}_low"], answer[f"mn_{kind}_high"])
        assert limits == approx(expected, abs=1e-6)


def test_a_fresh_severity_grid_against_r():
    answer, table = FRESH["grid"], pd.read_csv(HERE / "prepost_grid.csv")
    found = prepost.severity_shift(table, before="before", after="after", levels=range(4))
    assert found.check("stuart_maxwell").statistic == approx(answer["stuart_maxwell"], rel=1e-9)
    assert found.check("stuart_maxwell").p_value == approx(answer["stuart_maxwell_p"], rel=1e-9)
    assert found.check("bhapkar").statistic == approx(answer["bhapkar"], rel=1e-9)
    assert found.check("sign_test").p_value == approx(answer["sign_mid_p"], rel=1e-9)
    for direction in ("improved", "worsened"):
        share = found.one(measure=f"probability_{direction}")
        assert share.n_events == answer[direction]
        expected = (answer[f"{direction}_low"], answer[f"{direction}_high"])
        assert (share.conf_low, share.conf_high) == approx(expected, abs=1e-12)


def clusters():
    long = pd.read_csv(HERE / "prepost_clusters.csv")
    wide = long.pivot_table(index=["person", "dyad"], columns="after", values="used")
    return long, wide.rename(columns={0: "before", 1: "after"}).reset_index()


def test_clustered_dyads_against_the_sandwich_of_r():
    answer, (_, wide) = FRESH["clusters"], clusters()
    with pytest.warns(DesignWarning, match="45 clusters of unequal size, worth 36.4 equal ones"):
        found = prepost.paired_change(wide, before="before", after="after", cluster="person")
    sizes, df = prepost.design_effects(found)
    for measure in ("risk_difference", "risk_ratio", "prevalence_before", "cessation"):
        assert sizes[measure] == approx(answer[f"deff_{measure}"], rel=1e-9)
    assert df["risk_ratio"] == approx(answer["df"], rel=1e-12)
    assert df["cessation"] == approx(answer["df_cessation"], rel=1e-12)
    for measure, kind in (("risk_difference", "tango"), ("risk_ratio", "tang")):
        estimate = found.one(measure=measure)
        expected = (answer[f"{kind}_low"], answer[f"{kind}_high"])
        assert (estimate.conf_low, estimate.conf_high) == approx(expected, abs=1e-6)
    p = found.one(measure="risk_difference").p_value
    assert p == approx(answer["p_risk_difference"], rel=1e-9)
    stop = found.one(measure="cessation")
    expected = (answer["cessation_low"], answer["cessation_high"])
    assert (stop.conf_low, stop.conf_high) == approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "family", "link", "measure"),
    [
        ("logit", "binomial", "logit", "odds_ratio"),
        ("log", "poisson", "log", "risk_ratio"),
        ("identity", "binomial", "identity", "risk_difference"),
    ],
)
@pytest.mark.parametrize("cov", ["robust", "bias_reduced"])
def test_population_average_of_our_own_data_against_r(name, family, link, measure, cov):
    answer, (long, _) = FRESH[f"gee_{name}"], clusters()
    found = prepost.population_average(
        long,
        outcome="used",
        covariates=["after"],
        groups="person",
        family=family,
        link=link,
        cov=cov,
    ).one(measure=measure)
    point = np.log(found.estimate) if link != "identity" else found.estimate
    assert point == approx(answer["after"], abs=1e-8)
    assert found.std_error == approx(answer[f"after_{cov}"], abs=1e-7)
    # 45 clusters and two coefficients: t with 43 degrees of freedom.
    reach = stats.t.ppf(0.975, 43) * found.std_error
    high = np.log(found.conf_high) if link != "identity" else found.conf_high
    assert high == approx(point + reach)


def test_exchangeable_with_unequal_clusters_reproduces_geepack():
    answer, (long, _) = FRESH["gee_exchangeable"], clusters()
    long["treated"] = long["arm"] == "programme"
    found = prepost.population_average(
        long,
        outcome="used",
        covariates="after * treated",
        groups="person",
        cov="robust",
        correlation="exchangeable",
    )
    for term in ("after", "treated", "after:treated"):
        estimate = found.one(term=term)
        assert np.log(estimate.estimate) == approx(answer[term], abs=1e-6)
        assert estimate.std_error == approx(answer[f"{term}_robust"], abs=1e-6)


# GEE answers of geepack on data of others

SYN = pd.read_csv(HERE / "prepost_syn_abuse.csv")


def syn_long(kind, complete=True):
    rows = SYN if kind is None else SYN[SYN.type == kind]
    after = rows.dropna(subset="post")
    rows = after if complete else rows
    return pd.concat(
        [
            rows.assign(y=(rows.pre > 0).astype(int), post=0),
            after.assign(y=(after.post > 0).astype(int), post=1),
        ],
        ignore_index=True,
    )


def respiratory_pairs():
    table = pd.read_csv(HERE / "prepost_respiratory.csv")
    last = table[table.visit == 4]
    long = pd.concat([last.assign(y=last.baseline, post=0), last.assign(y=last.outcome, post=1)])
    return long.assign(active=(long.treat == "A").astype(int)).reset_index(drop=True)


def respiratory_visits():
    table = pd.read_csv(HERE / "prepost_respiratory.csv")
    return table.assign(
        y=table.outcome,
        active=(table.treat == "A").astype(int),
        male=table.sex == "M",
        second=table.center == 2,
    )


KINDS = {
    "logit": ("binomial", "logit"),
    "log": ("binomial", "log"),
    "identity": ("binomial", "identity"),
    "poisson_log": ("poisson", "log"),
    "gaussian": ("gaussian", "identity"),
}


def gee_case(name):
    """Data and arguments of a case of the oracle, and the R names of its terms."""
    parts = name.split("/")
    study, family = parts[0], KINDS.get(parts[-2] if study_has_link(parts) else parts[-1])
    kind = {"family": family[0], "link": family[1]} if family else {}
    if study == "respiratory_prepost":
        data, covariates, groups = respiratory_pairs(), "post", "pid"
        kind["correlation"] = parts[2]
    elif study == "respiratory_did":
        data, covariates, groups = respiratory_pairs(), "post * active", "pid"
        kind["correlation"] = "exchangeable"
    elif study == "respiratory_4visits":
        data, groups = respiratory_visits(), "pid"
        covariates = "active + baseline + age + male + second + visit"
        kind["correlation"] = parts[1]
    elif study == "syn_stacked":
        data, covariates, groups = syn_long(None), "type * post", "id"
        types = ["physical", "sexual", "emotional", "economic", "coercive_control"]
        data["type"] = pd.Categorical(data["type"], types)
        kind["correlation"] = "independence" if parts[1] == "independence" else "exchangeable"
    else:
        data = syn_long(parts[1], complete=study != "syn_all_obs")
        covariates = "post * arm" if study == "syn_did" else "post"
        groups = "site" if study == "syn_site" else "id"
        kind["correlation"] = "independence" if study == "syn_site" else "exchangeable"
    return data, covariates, groups, kind


def study_has_link(parts):
    return parts[-1] in ("exchangeable", "independence") and len(parts) == 3


@pytest.mark.parametrize("name", ORACLE["gee"])
def test_population_average_against_geepack(name):
    answer = ORACLE["gee"][name]
    data, covariates, groups, kind = gee_case(name)
    found = prepost.population_average(
        data, outcome="y", covariates=covariates, groups=groups, cov="robust", **kind
    )
    native = found.native
    assert native.params.shape == (len(answer["coef"]),)
    expected = [(c["est"], c["se"]) for c in answer["coef"].values()]
    errors = np.sqrt(np.diag(native.cov_params()))
    for (estimate, error), ours, our_error in zip(expected, native.params, errors, strict=True):
        assert ours == approx(estimate, abs=1e-6)
        assert our_error == approx(error, abs=1e-6)
    # and what is reported is what was fitted
    for estimate, ours, our_error in zip(
        found.estimates, native.params[1:], errors[1:], strict=True
    ):
        back = ours if kind.get("link") == "identity" else np.exp(ours)
        assert estimate.estimate == approx(back, rel=1e-12)
        assert estimate.std_error == approx(our_error, rel=1e-12)


def test_text_ids_make_as_many_clusters_as_people():
    # With character ids, one well-known program made a single cluster of all 111 people.
    data = respiratory_pairs()
    assert not pd.api.types.is_numeric_dtype(data["pid"])
    data["number"] = pd.factorize(data["pid"])[0]
    found = {
        groups: prepost.population_average(
            data, outcome="y", covariates="post", groups=groups, cov="robust"
        )
        for groups in ("pid", "number")
    }
    assert found["pid"].check("clusters").statistic == 111
    text, number = (f.one(term="post").std_error for f in found.values())
    assert text == number == approx(0.20957843497604783, abs=1e-6)


def test_every_interval_on_offer_is_the_one_that_r_gives():
    from drive_eval.models.prepost import compare_intervals

    found = compare_intervals(both=1, before_only=7, after_only=1, neither=12)
    # methods by Fagerland, Lydersen and Laake's contingencytables; airway data of Bentur 2009
    expected = {
        ("risk_difference", "Tango score"): (-0.517232, -0.026003),
        ("risk_difference", "Newcombe square-and-add"): (-0.506920, -0.025559),
        ("risk_difference", "Bonett–Price"): (-0.508359, -0.013380),
        ("risk_ratio", "Tang/Nam score"): (0.065279, 0.906881),
        ("risk_ratio", "Bonett–Price"): (0.067734, 0.922727),
        ("risk_ratio", "MOVER–Wilson"): (0.068649, 0.869455),
        ("prevalence_after", "Wilson"): (0.026519, 0.301026),
        ("prevalence_before", "Clopper–Pearson"): (0.181072, 0.615662),
    }
    for (measure, method), (low, _high) in expected.items():
        e = found.one(measure=measure, method=method)
        assert round(e.conf_low, 6) == low
        if measure.startswith("risk"):
            assert round(e.conf_high, 6) == expected[measure, method][1]
    p = {check.name: check.p_value for check in found.checks}
    assert abs(p["mcnemar_mid_p"] - 0.0390625) < 1e-9
    assert abs(p["mcnemar_exact"] - 0.0703125) < 1e-9
    assert abs(p["mcnemar_asymptotic"] - 0.033895) < 1e-6


def test_comparing_intervals_survives_every_corner():
    import pytest

    from drive_eval.errors import UndefinedResultError
    from drive_eval.models.prepost import compare_intervals

    nobody = compare_intervals(both=0, before_only=0, after_only=3, neither=9)
    assert not [e for e in nobody.estimates if e.measure == "risk_ratio"]
    assert "nobody showed this behaviour" in nobody.check("risk_ratio_undefined").text
    for cells in ((0, 8, 0, 12), (8, 0, 0, 12), (0, 1, 0, 0), (5, 0, 0, 0)):
        names = ("both", "before_only", "after_only", "neither")
        found = compare_intervals(**dict(zip(names, cells, strict=True)))
        assert len(found.estimates) == 16
    with pytest.raises(UndefinedResultError, match="all four counts are 0"):
        compare_intervals(both=0, before_only=0, after_only=0, neither=0)
