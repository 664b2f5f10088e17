"""Contrasts of matched and weighted cases, two models, and a few areas: what comes out, what is
refused, and in which words."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest

from drive_eval.errors import DataError, DesignError, DesignWarning
from drive_eval.models import matching
from drive_eval.models._design import Matched
from drive_eval.models._permutation import arrangements, scale, shift
from drive_eval.models.comparison import doubly_robust, mean_contrast, risk_contrast

approx = pytest.approx


def people(n=240, seed=1):
    rng = np.random.default_rng(seed)
    age, prior = rng.normal(0, 1, n), rng.poisson(1, n).astype(float)
    arm = rng.random(n) < 1 / (1 + np.exp(1 - 0.6 * age - 0.2 * prior))
    abuse = rng.random(n) < 1 / (1 + np.exp(-0.4 * age - 0.3 * prior + 0.3 + 0.7 * arm))
    table = pd.DataFrame({"age": age, "prior": prior, "arm": arm, "abuse": abuse})
    return table.assign(
        incidents=rng.poisson(np.exp(0.3 * age + 0.8)) + 0.0,
        area=rng.integers(0, 50, n),
    )


NAMES = {"treated": "arm", "covariates": ["age", "prior"]}
MAKERS = {
    "nearest": lambda table: matching.nearest(table, **NAMES),
    "replacement": lambda table: matching.nearest(table, **NAMES, replace=True),
    "subclass": lambda table: matching.subclass(table, **NAMES),
    "subclass_ate": lambda table: matching.subclass(table, **NAMES, estimand="ate"),
    "subclass_atc": lambda table: matching.subclass(table, **NAMES, estimand="atc"),
    "cem": lambda table: matching.cem(table, **NAMES, cutpoints={"age": [0.0], "prior": [0.5]}),
    "att": lambda table: matching.propensity_weights(table, **NAMES),
    "atc": lambda table: matching.propensity_weights(table, **NAMES, estimand="atc"),
    "ate": lambda table: matching.propensity_weights(table, **NAMES, estimand="ate"),
    "ato": lambda table: matching.propensity_weights(table, **NAMES, estimand="ato"),
    "entropy": lambda table: matching.entropy_balance(table, **NAMES),
}
WEIGHTED = ("att", "atc", "ate", "ato", "entropy")


@pytest.fixture(params=MAKERS)
def design(request):
    return MAKERS[request.param](people())


def by_hand(rows, estimand="att", variance="sets"):
    """Return a Matched of (arm, outcome, weight, set)."""
    plain = matching.nearest(people(), **NAMES)
    table = pd.DataFrame(rows, columns=["arm", "abuse", "weight", "matched_set"])
    return dataclasses.replace(
        plain, table=table, estimand=estimand, variance=variance, pairs=None, covariates=()
    )


# Designs


def test_every_measure_comes_of_every_design(design):
    found = risk_contrast(design, outcome="abuse")
    assert [e.measure for e in found.estimates] == [
        "risk_treated",
        "risk_comparison",
        "risk_difference",
        "risk_ratio",
        "percent_reduction",
        "odds_ratio",
    ]
    used = design.table[design.table["weight"] > 0]
    for arm, rows in used.groupby("arm"):
        measure = "risk_treated" if arm else "risk_comparison"
        number = found.one(measure=measure)
        assert number.estimate == approx(np.average(rows["abuse"], weights=rows["weight"]))
        assert (number.n, number.n_events) == (len(rows), rows["abuse"].sum())
        assert number.conf_low < number.estimate < number.conf_high
    difference = found.one(measure="risk_difference")
    assert difference.claim == "associational"
    assert f"({design.estimand.upper()})" in difference.method
    assert found.check("estimand").text.startswith(f"{design.estimand}: the effect is the average")
    assert any("no hidden confounding" in text for text in found.assumptions)


def test_a_mean_of_true_and_false_is_a_risk(design):
    risks = risk_contrast(design, outcome="abuse")
    means = mean_contrast(design, outcome="abuse")
    assert [e.measure for e in means.estimates] == [
        "mean_treated",
        "mean_comparison",
        "mean_difference",
    ]
    for mean, risk in zip(means.estimates, risks.estimates, strict=False):
        assert mean.estimate == approx(risk.estimate)
        assert mean.std_error == approx(risk.std_error, rel=0.02)
        assert mean.n_events is None


def test_four_pairs_by_hand():
    rows = [(True, 1, 1, 1), (False, 1, 1, 1), (True, 0, 1, 2), (False, 1, 1, 2)]
    rows += [(True, 0, 1, 3), (False, 1, 1, 3), (True, 1, 1, 4), (False, 0, 1, 4)]
    found = risk_contrast(by_hand(rows), outcome="abuse").one(measure="risk_difference")
    # Differences within pairs 0, −1, −1, 1: mean −1/4, variance (n − 1) 11/12, over 4.
    assert found.estimate == approx(-0.25)
    assert found.std_error == approx(math.sqrt(11 / 12 / 4))
    assert "sandwich on matched sets, t with 3 df" in found.method
    mean = mean_contrast(by_hand(rows), outcome="abuse").one(measure="mean_difference")
    assert mean.std_error == approx(math.sqrt(11 / 12 / 4 * 7 / 6))


def test_a_design_brings_its_arms():
    design = MAKERS["nearest"](people())
    named = risk_contrast(design, outcome="abuse", treated="arm")
    assert named.estimates == risk_contrast(design, outcome="abuse").estimates
    with pytest.raises(DesignError, match='compares by column "arm", not by "group"; leave'):
        risk_contrast(design, outcome="abuse", treated="group")
    with pytest.raises(DesignError, match="a table does not say who .*: name the column, treated="):
        risk_contrast(people(), outcome="abuse")
    with pytest.raises(DataError, match="a Matched or a Weighted is needed, not a list"):
        risk_contrast([1, 2], outcome="abuse")


def test_covariates_change_the_numbers_and_are_said(design):
    found = risk_contrast(design, outcome="abuse", covariates=["age", "prior"])
    assert "g-computation" in found.one(measure="risk_ratio").method
    assert found.check("events_per_parameter").statistic > 0
    assert any("model of the outcome" in text for text in found.assumptions)
    plain = risk_contrast(design, outcome="abuse", covariates=[])
    assert plain.estimates == risk_contrast(design, outcome="abuse").estimates


def test_the_population_of_g_computation_is_that_of_the_estimand():
    for name, keep in (("subclass", True), ("subclass_atc", False), ("subclass_ate", None)):
        design = MAKERS[name](people())
        found = risk_contrast(design, outcome="abuse", covariates=["age"])
        table = design.table
        inside = np.ones(len(table), bool) if keep is None else table["arm"].to_numpy() == keep
        weight = np.ones(len(table)) if keep is None else table["weight"].to_numpy()
        risk = _fitted(table, arm=False)
        expected = np.average(risk[inside], weights=weight[inside])
        assert found.one(measure="risk_comparison").estimate == approx(expected, rel=1e-6)


def _fitted(table, *, arm):
    """Fit the weighted logistic regression of one arm on age, by statsmodels."""
    import statsmodels.api as sm

    rows = table[table["arm"] == arm]
    model = sm.GLM(
        rows["abuse"].astype(float),
        sm.add_constant(rows["age"]),
        family=sm.families.Binomial(),
        freq_weights=rows["weight"],
    )
    return model.fit().predict(sm.add_constant(table["age"])).to_numpy()


def test_a_trimmed_row_needs_no_outcome():
    design = matching.propensity_weights(people(), **NAMES, estimand="ate", trim=(0.2, 0.5))
    blank = design.table["abuse"].where(design.table["weight"] > 0)
    table = design.table.assign(abuse=blank.astype("boolean"))
    again = risk_contrast(dataclasses.replace(design, table=table), outcome="abuse")
    assert again.estimates == risk_contrast(design, outcome="abuse").estimates


def test_clusters_of_one_row_change_nothing_but_the_factor():
    for name in ("att", "replacement"):
        design = MAKERS[name](people().assign(own=np.arange(240)))
        plain = risk_contrast(design, outcome="abuse", **({"cov": "HC0"} if name != "att" else {}))
        found = risk_contrast(design, outcome="abuse", cluster="own")
        used = len(design.table)
        a, b = (r.one(measure="risk_difference").std_error for r in (plain, found))
        assert b == approx(a * math.sqrt(used / (used - 1)))


def test_persons_and_sets_are_two_clusterings():
    table = people(400)
    table["person"] = np.arange(400) // 2
    design = MAKERS["nearest"](table)
    both = risk_contrast(design, outcome="abuse", cluster="person")
    difference = both.one(measure="risk_difference")
    assert "two-way sandwich on matched sets and clusters" in difference.method
    assert any("neither a matched set nor a cluster" in text for text in both.assumptions)
    # V(sets) + V(persons) − V(both), each with its own G/(G − 1)
    t, y = design.table["arm"].to_numpy(), design.table["abuse"].to_numpy(dtype=float)
    parts = np.where(t, (y - y[t].mean()) / t.sum(), -(y - y[~t].mean()) / (~t).sum())
    total = 0.0
    pairs = list(zip(design.table["matched_set"], design.table["person"], strict=True))
    for sign, keys in (
        (1, design.table["matched_set"]),
        (1, design.table["person"]),
        (-1, pd.factorize(pd.Series(pairs))[0]),
    ):
        sums = pd.Series(parts).groupby(np.asarray(keys)).sum()
        total += sign * len(sums) / (len(sums) - 1) * float((sums**2).sum())
    assert difference.std_error == approx(math.sqrt(total))


def test_a_two_way_variance_below_zero_gives_way_to_the_larger():
    # In sets and in clusters of one block the contributions cancel; singly they do not.
    block = [(arm, y, 1, None) for arm in (True, False) for y in (1, 0, 0, 1)]
    rows = block * 4 + [(True, 1, 1, None), (False, 0, 1, None), (True, 0, 1, None)]
    rows.append((False, 1, 1, None))
    sets = [2 * i + k for i in range(4) for k in (1, 1, 2, 2) * 2] + [9, 9, 10, 10]
    areas = [2 * i + k for i in range(4) for k in (1, 2, 1, 2) * 2] + [9, 9, 10, 10]
    design = by_hand(rows)
    design = dataclasses.replace(design, table=design.table.assign(matched_set=sets, area=areas))
    with pytest.warns(DesignWarning, match="10 clusters are fewer than the 40"):
        found = risk_contrast(design, outcome="abuse", cluster="area", cov="sets")
    check = found.check("two_way_variance")
    assert check.passed is False
    assert "the larger of the two one-way variances" in check.text
    assert found.one(measure="risk_treated").std_error > 0


def test_one_set_is_refused():
    rows = [(True, 1, 1, 1), (False, 0, 1, 1), (True, 0, 1, 1), (False, 1, 1, 1)]
    with pytest.raises(DesignError, match="all rows belong to one cluster or matched set"):
        risk_contrast(by_hand(rows), outcome="abuse", cov="sets")


def test_few_strata_take_rows_to_be_independent():
    design = MAKERS["cem"](people())
    found = risk_contrast(design, outcome="abuse", covariates=["age"])
    assert "HC3" in found.one(measure="risk_difference").method
    check = found.check("few_strata")
    assert check.statistic < check.threshold == 40
    assert "beside covariates, so rows are taken to be independent" in check.text
    sets = risk_contrast(design, outcome="abuse", covariates=["age"], cov="sets")
    assert "matched sets" in sets.one(measure="risk_difference").method
    assert sets.one(measure="risk_difference").estimate == approx(
        found.one(measure="risk_difference").estimate
    )
    plain = risk_contrast(design, outcome="abuse")
    assert "matched sets" in plain.one(measure="risk_difference").method
    assert plain.check("matched_sets").passed is False
    two = matching.cem(people().assign(old=people()["age"] > 0), treated="arm", covariates=["old"])
    assert risk_contrast(two, outcome="abuse").check("few_strata").threshold == 3


def test_a_variance_that_is_not_on_offer_is_refused():
    table = people()
    nearest, att = MAKERS["nearest"](table), MAKERS["att"](table)
    with pytest.raises(DesignError, match='cov="stacked" is not on offer for a matched comparison'):
        risk_contrast(nearest, outcome="abuse", cov="stacked")
    with pytest.raises(DesignError, match='cov="sets" is not on offer for a weighted comparison'):
        risk_contrast(att, outcome="abuse", cov="sets")
    with pytest.raises(DesignError, match='cov="HC4" is not on offer for a table; there are HC0'):
        risk_contrast(table, outcome="abuse", treated="arm", cov="HC4")
    with pytest.raises(DesignError, match='cov="HC3" takes rows to be independent, and cluster='):
        risk_contrast(nearest, outcome="abuse", cov="HC3", cluster="area")
    lost = dataclasses.replace(MAKERS["replacement"](table), pairs=None)
    with pytest.raises(DesignError, match='has no matched sets, so cov="sets" does not exist'):
        risk_contrast(lost, outcome="abuse", cov="sets")


def test_a_table_may_have_a_sandwich_too():
    table = people()
    found = risk_contrast(table, outcome="abuse", treated="arm", cov="HC0")
    risk = found.one(measure="risk_treated")
    p, n = table.loc[table["arm"], "abuse"].mean(), table["arm"].sum()
    assert risk.std_error == approx(math.sqrt(p * (1 - p) / n))
    assert "HC0 sandwich" in risk.method


@pytest.mark.parametrize("name", ["nearest", "replacement", "cem", "att", "ate", "entropy"])
@pytest.mark.parametrize("arm", [True, False])
def test_nobody_with_the_outcome_in_an_arm(name, arm):
    design = MAKERS[name](people())
    table = design.table.assign(abuse=design.table["abuse"] & (design.table["arm"] != arm))
    found = risk_contrast(dataclasses.replace(design, table=table), outcome="abuse")
    empty = found.one(measure="risk_treated" if arm else "risk_comparison")
    assert (empty.estimate, empty.conf_low, empty.std_error) == (0, 0, None)
    assert 0 < empty.conf_high < 0.3
    assert "effective counts" in empty.method
    ratio = found.one(measure="risk_ratio")
    if arm:
        assert (ratio.estimate, ratio.conf_low) == (0, 0)
        assert ratio.conf_high < 1
    else:
        assert (ratio.estimate, ratio.conf_high) == (None, math.inf)
        assert "nobody in the comparison group" in found.check("risk_ratio_undefined").text


def test_nobody_at_all_with_the_outcome():
    design = MAKERS["nearest"](people())
    nobody = dataclasses.replace(design, table=design.table.assign(abuse=False))
    found = risk_contrast(nobody, outcome="abuse")
    assert found.one(measure="odds_ratio").estimate is None
    assert "everybody has the same outcome" in found.check("odds_ratio_undefined").text
    mean = mean_contrast(nobody, outcome="abuse")
    assert mean.one(measure="mean_difference").conf_low is None
    assert "nothing differs within the arms" in mean.check("no_variance").text


def test_one_case_of_an_arm_gives_no_interval():
    rows = [(True, i % 2, 1, 1) for i in range(6)] + [(False, i % 2, 1e-6, 1) for i in range(5)]
    rows.append((False, 1, 6, 1))
    found = risk_contrast(by_hand(rows, variance="HC3"), outcome="abuse", cov="HC0")
    difference = found.one(measure="risk_difference")
    assert difference.std_error > 0
    assert "no_interval" in {check.name for check in found.checks} or difference.conf_low < -0.9


# Blank outcomes


def test_a_blank_outcome_is_refused_unless_it_is_to_be_dropped():
    table = people()
    table["abuse"] = table["abuse"].astype("boolean")
    table.loc[table.index[:20], "abuse"] = pd.NA
    for name in ("nearest", "replacement", "att"):
        design = MAKERS[name](table)
        with pytest.raises(DataError, match=r'rows have no value in column "abuse" \(outcome\)'):
            risk_contrast(design, outcome="abuse")
        found = risk_contrast(design, outcome="abuse", missing="drop")
        known = design.table[design.table["abuse"].notna()]
        assert found.one(measure="risk_treated").n == known["arm"].sum()
        check = found.check("missing_outcome")
        used = design.table
        lost = [int(used.loc[used["arm"] == arm, "abuse"].isna().sum()) for arm in (True, False)]
        assert check.statistic == sum(lost)
        assert f"unknown for {lost[0]} of " in check.text
        assert "left out" in check.text
    plain = risk_contrast(table, outcome="abuse", treated="arm", missing="drop")
    assert plain.one(measure="risk_treated").n + plain.one(measure="risk_comparison").n == 220
    with pytest.raises(DesignError, match='missing="ignore" is not known'):
        risk_contrast(table, outcome="abuse", treated="arm", missing="ignore")


def test_nothing_missing_is_said_too():
    found = risk_contrast(MAKERS["att"](people()), outcome="abuse", missing="drop")
    assert found.check("missing_outcome").passed
    plain = risk_contrast(MAKERS["att"](people()), outcome="abuse")
    assert found.estimates == plain.estimates


def test_an_arm_without_any_outcome_is_refused():
    design = MAKERS["att"](people())
    blank = design.table["abuse"].astype("boolean").where(~design.table["arm"])
    spoiled = dataclasses.replace(design, table=design.table.assign(abuse=blank))
    with pytest.raises(DesignError, match="nobody is in the programme group and has an outcome"):
        risk_contrast(spoiled, outcome="abuse", missing="drop")


def test_weights_that_were_estimated_from_everybody_stay_so():
    table = people()
    table["abuse"] = table["abuse"].astype("boolean")
    design = MAKERS["ate"](table)
    lost = design.table["abuse"].mask(np.arange(240) < 30)
    spoiled = dataclasses.replace(design, table=design.table.assign(abuse=lost))
    found = risk_contrast(spoiled, outcome="abuse", missing="drop").one(measure="risk_treated")
    known = design.table[lost.notna() & design.table["arm"]]
    assert found.estimate == approx(
        np.average(known["abuse"].astype(float), weights=known["weight"])
    )


# Means


def test_a_plain_mean_has_the_variance_of_two_samples():
    table = people()
    found = mean_contrast(table, outcome="incidents", treated="arm")
    arms = [table.loc[table["arm"] == arm, "incidents"] for arm in (True, False)]
    difference = found.one(measure="mean_difference")
    assert difference.estimate == approx(arms[0].mean() - arms[1].mean())
    assert difference.std_error == approx(math.sqrt(sum(a.var() / len(a) for a in arms)))
    assert "HC2 sandwich, t with 238 df" in difference.method
    assert (difference.n, difference.n_reference) == tuple(map(len, arms))
    assert any("the same mean" in text for text in found.assumptions)
    clustered = mean_contrast(table, outcome="incidents", treated="arm", cluster="area")
    assert "cluster sandwich, t with 49 df" in clustered.one(measure="mean_difference").method


def test_a_mean_with_covariates_is_the_interacted_regression():
    table = people()
    found = mean_contrast(table, outcome="incidents", treated="arm", covariates=["age"])
    by_arm = [
        np.polynomial.polynomial.polyfit(rows["age"], rows["incidents"], 1)
        for _, rows in (g for g in table.groupby("arm"))
    ]
    expected = np.polynomial.polynomial.polyval(table["age"].mean(), by_arm[1] - by_arm[0])
    assert found.one(measure="mean_difference").estimate == approx(expected)
    assert found.check("estimand").text == "ate: means are averaged over everybody in the table."
    assert "g-computation (least squares)" in found.one(measure="mean_difference").method


def test_words_are_no_numbers():
    with pytest.raises(DataError, match=r'column "abuse" \(outcome\) must hold numbers'):
        mean_contrast(people().assign(abuse="much"), outcome="abuse", treated="arm")


# Two models


def test_two_models_are_said_and_one_must_be_right():
    table = people()
    found = doubly_robust(table, outcome="abuse", treated="arm", covariates=["age", "prior"])
    assert "is right if one of the two is right" in found.check("doubly_robust").text
    assert found.check("overlap").statistic is not None
    assert found.check("parameters").passed
    assert found.check("estimand").text.startswith("ate: the effect is the average over programme")
    assert any("at least one is right" in text for text in found.assumptions)
    difference = found.one(measure="risk_difference")
    assert difference.method.startswith("augmented weighting, stacked sandwich")
    taken = doubly_robust(
        table, outcome="abuse", treated="arm", covariates=["age", "prior"], cov="influence"
    )
    assert taken.one(measure="risk_difference").estimate == difference.estimate
    assert "influence function" in taken.one(measure="risk_difference").method


@pytest.mark.parametrize("estimand", ["ate", "att", "atc", "ato"])
def test_a_table_and_the_weights_made_from_it_agree(estimand):
    table = people()
    shared = {"outcome": "abuse", "covariates": ["age", "prior"]}
    one = doubly_robust(table, treated="arm", estimand=estimand, **shared)
    two = doubly_robust(MAKERS[estimand](table), **shared)
    for a, b in zip(one.estimates, two.estimates, strict=True):
        assert a.estimate == approx(b.estimate)
        assert a.std_error == approx(b.std_error)
    assert doubly_robust(MAKERS[estimand](table), outcome="abuse").estimates == two.estimates


def test_numbers_have_linear_models():
    table = people()
    found = doubly_robust(table, outcome="incidents", treated="arm", covariates=["age"])
    assert [e.measure for e in found.estimates][-1] == "mean_difference"
    as_mean = doubly_robust(table, outcome="abuse", treated="arm", covariates=["age"], binary=False)
    assert as_mean.estimates[0].measure == "mean_treated"


def test_matched_cases_are_corrected_by_their_own_regression():
    design = MAKERS["nearest"](people())
    found = doubly_robust(design, outcome="abuse").one(measure="risk_difference")
    plain = risk_contrast(design, outcome="abuse", covariates=["age", "prior"])
    assert found.estimate == approx(plain.one(measure="risk_difference").estimate)
    assert found.std_error != approx(plain.one(measure="risk_difference").std_error, rel=1e-4)
    assert found.method.startswith("augmented matching, sandwich on matched sets")


def test_stabilised_weights_are_normalised():
    table = people()
    design = matching.propensity_weights(table, **NAMES, estimand="ate", stabilised=True)
    found = doubly_robust(design, outcome="abuse")
    assert "made to sum to it in each arm" in found.check("weights_normalised").text
    plain = doubly_robust(MAKERS["ate"](table), outcome="abuse")
    assert found.one(measure="risk_difference").estimate == approx(
        plain.one(measure="risk_difference").estimate, abs=0.003
    )


def test_a_risk_carried_beyond_its_bounds_does_not_exist():
    design = MAKERS["ate"](people())
    table = design.table
    heavy = table.index[table["arm"] & table["abuse"]][0]
    weight = table["weight"].mask(table.index == heavy, 400.0)
    found = doubly_robust(
        dataclasses.replace(design, table=table.assign(weight=weight, rare=table.index == heavy)),
        outcome="rare",
        covariates=["age"],
        binary=False,
    )
    assert found.one(measure="mean_treated").estimate is not None
    y = table["abuse"] & (table["age"] < 1)
    pushed = dataclasses.replace(
        design, table=table.assign(abuse=y, weight=table["weight"].where(~(y & table["arm"]), 9.0))
    )
    pushed = dataclasses.replace(pushed, target=design.target / 3)
    found = doubly_robust(pushed, outcome="abuse", covariates=["age"])
    check = [c for c in found.checks if c.name == "risk_outside"]
    if check:
        assert found.one(measure="risk_ratio").estimate is None
        assert found.one(measure="risk_difference").estimate is not None


def test_what_two_models_cannot_do_is_refused():
    table = people()
    shared = {"outcome": "abuse", "treated": "arm"}
    with pytest.raises(DesignError, match="doubly robust contrast of a table needs covariates"):
        doubly_robust(table, **shared)
    with pytest.raises(DesignError, match='estimand="atm" is not on offer; there are att, ate'):
        doubly_robust(table, **shared, covariates=["age"], estimand="atm")
    with pytest.raises(DesignError, match='design was made for estimand "att", not "ate"'):
        doubly_robust(MAKERS["att"](table), outcome="abuse", estimand="ate")
    with pytest.raises(DesignError, match='cov="HC3" is not on offer for a doubly robust'):
        doubly_robust(table, **shared, covariates=["age"], cov="HC3")
    with pytest.raises(DesignError, match="a table does not say who was in the programme"):
        doubly_robust(table, outcome="abuse", covariates=["age"])
    few = table.assign(area=np.where(table["arm"], 0, 4) + np.arange(240) % 4)
    with pytest.raises(DesignError, match="only 8 clusters were allocated, .* two models"):
        doubly_robust(few, **shared, covariates=["age"], cluster="area")
    table["told"] = table["abuse"].where(table["arm"], table["prior"] > 1)
    with pytest.raises(DesignError, match="in the comparison group, .*separation"):
        doubly_robust(table, outcome="told", treated="arm", covariates=["age", "prior"])


def test_two_models_cluster():
    found = doubly_robust(
        people(), outcome="abuse", treated="arm", covariates=["age"], cluster="area"
    )
    assert "stacked sandwich, clustered" in found.one(measure="risk_difference").method
    assert found.check("clusters").passed


# A few areas


EVENTS, SIZES = np.array([12.0, 15, 14, 22, 25, 21, 27]), np.full(7, 40.0)
HAD = np.array([True, True, True, False, False, False, False])


def few_areas(events=EVENTS, sizes=SIZES, had=HAD):
    area = np.repeat(np.arange(len(sizes)), sizes.astype(int))
    place = np.arange(len(area)) - np.concatenate([[0], np.cumsum(sizes)[:-1]])[area]
    return pd.DataFrame({"area": area, "arm": had[area], "abuse": place < events[area]})


def rearranged(table, **more):
    return risk_contrast(table, outcome="abuse", treated="arm", cluster="area", **more)


def test_seven_areas_by_hand():
    found = rearranged(few_areas())
    difference = found.one(measure="risk_difference")
    assert difference.estimate == approx(41 / 120 - 95 / 160)
    # The three areas with the programme are the three lowest: one of 35 arrangements, and
    # none of the others (nor their mirror images, 3 against 4) is as far from nothing.
    assert difference.p_value == approx(1 / 35)
    assert "all 35 arrangements of the 7 clusters" in difference.method
    assert difference.std_error is None
    assert found.one(measure="risk_ratio").p_value == approx(1 / 35)
    assert found.one(measure="risk_ratio").estimate == approx(41 / 120 / (95 / 160))
    assert found.one(measure="percent_reduction").conf_high is not None
    assert "exchangeable" in found.check("permutation").text
    assert "might as well have been the ones" in found.assumptions[-1]
    assert "as by a lottery" in found.check("permutation").text
    assert found.check("clusters").passed is False
    assert "7 clusters were allocated, each as a whole (3 to" in found.check("clusters").text
    odds = found.one(measure="odds_ratio")
    assert odds.estimate == approx(41 / 79 / (95 / 65))
    assert odds.conf_low is None
    assert "has no interval" in found.check("odds_ratio_no_interval").text
    assert found.one(measure="risk_treated").conf_low is None
    assert "without an interval" in found.check("arms_no_interval").text


def brute(events, sizes, had, effect, *, ratio):
    """Return the P value of an effect by working every arrangement through."""
    moved = np.where(had, events / effect if ratio else events - effect * sizes, events)
    far = []
    for chosen in itertools.combinations(range(len(had)), int(had.sum())):
        inside = np.isin(np.arange(len(had)), chosen)
        one, other = (moved[i].sum() / sizes[i].sum() for i in (inside, ~inside))
        with np.errstate(divide="ignore"):
            far.append(abs(np.log(one / other)) if ratio else abs(one - other))
    one, other = (moved[i].sum() / sizes[i].sum() for i in (had, ~had))
    seen = abs(np.log(one / other)) if ratio else abs(one - other)
    return float(np.mean(np.array(far) >= seen - 1e-9))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("inside", "outside"), [(3, 4), (4, 4), (2, 7)])
def test_limits_are_where_the_test_turns(seed, inside, outside):
    rng = np.random.default_rng(seed)
    count = inside + outside
    sizes = rng.integers(20, 60, count).astype(float)
    events = np.maximum(rng.binomial(sizes.astype(int), rng.beta(6, 6, count)), 1.0)
    had = np.arange(count) < inside
    labels, exact = arrangements(had, None)
    assert exact
    assert len(labels) == math.comb(count, inside)
    for ratio, function in ((False, shift), (True, scale)):
        found = function(sizes, events, had, labels, 0.9)
        assert found.p_value == approx(
            brute(events, sizes, had, 1.0 if ratio else 0.0, ratio=ratio)
        )
        assert found.low < found.estimate < found.high
        step = 1e-6
        for limit, outward in ((found.low, -1), (found.high, 1)):
            if not 0 < abs(limit) < math.inf:
                continue
            at = [
                limit * (1 + sign * outward * step) if ratio else limit + sign * outward * step
                for sign in (-1, 1)
            ]
            inner, outer = (brute(events, sizes, had, value, ratio=ratio) for value in at)
            assert inner > 0.1
            assert outer <= 0.1


def test_three_against_three_have_no_95_percent_interval():
    table = few_areas(EVENTS[:6], SIZES[:6], HAD[:6])
    found = rearranged(table)
    difference = found.one(measure="risk_difference")
    assert difference.p_value == approx(0.1)  # the smallest there is
    assert (difference.conf_low, difference.conf_high) == (None, None)
    check = found.check("no_interval")
    assert check.passed is False
    assert "no 95% interval for the difference and the ratio: 6 clusters give too few" in check.text
    narrower = rearranged(table, conf_level=0.8).one(measure="risk_difference")
    assert narrower.conf_low < narrower.estimate < narrower.conf_high


def test_few_areas_without_events():
    events = EVENTS * ~HAD
    nobody = rearranged(few_areas(events))
    assert nobody.one(measure="risk_ratio").estimate == 0
    assert "nobody in the programme" in nobody.check("risk_ratio_undefined").text
    assert nobody.one(measure="risk_difference").conf_high < 0
    other = rearranged(few_areas(EVENTS * HAD))
    assert other.one(measure="risk_ratio").estimate is None
    assert "no point and no interval" in other.check("risk_ratio_undefined").text
    assert other.one(measure="odds_ratio").estimate is None
    assert "no point" in other.check("odds_ratio_undefined").text
    everybody = rearranged(few_areas(np.where(HAD, SIZES, EVENTS)))
    assert everybody.one(measure="odds_ratio").estimate is None
    assert "everybody in the programme" in everybody.check("odds_ratio_undefined").text


def test_a_design_of_a_few_areas_keeps_its_weights():
    rng = np.random.default_rng(2)
    table = few_areas().assign(age=rng.normal(size=280))
    for design in (
        matching.nearest(table, treated="arm", covariates=["age"]),
        matching.propensity_weights(table, treated="arm", covariates=["age"]),
    ):
        found = risk_contrast(design, outcome="abuse", cluster="area")
        difference = found.one(measure="risk_difference")
        plain = risk_contrast(design, outcome="abuse").one(measure="risk_difference")
        assert difference.estimate == approx(plain.estimate)
        assert "35 arrangements" in difference.method
        assert found.assumptions[-1].endswith("weights of cases are taken as they are.")
        assert difference.conf_low < difference.estimate < difference.conf_high


def test_means_of_a_few_areas():
    table = few_areas().assign(days=lambda t: 3.0 * t["abuse"])
    found = mean_contrast(table, outcome="days", treated="arm", cluster="area")
    risk = rearranged(few_areas()).one(measure="risk_difference")
    mean = found.one(measure="mean_difference")
    assert [mean.estimate, mean.conf_low, mean.conf_high] == approx(
        [3 * risk.estimate, 3 * risk.conf_low, 3 * risk.conf_high]
    )
    assert mean.p_value == approx(1 / 35)


def test_more_than_twenty_thousand_arrangements_are_sampled():
    rng = np.random.default_rng(5)
    table = few_areas(rng.integers(5, 15, 20).astype(float), np.full(20, 20.0), np.arange(20) < 10)
    with pytest.raises(DesignError, match=r"arranged in 184,756 ways.*give rng="):
        rearranged(table, few_areas=30)
    first, again = (rearranged(table, few_areas=30, rng=np.random.default_rng(1)) for _ in range(2))
    assert first.estimates == again.estimates
    assert "a random sample of 10,000 arrangements" in first.one(measure="risk_ratio").method


def test_what_a_few_areas_cannot_carry_is_refused():
    table = few_areas().assign(age=np.arange(280) % 7)
    with pytest.raises(DesignError, match="only 7 clusters .* too few for a model with covariates"):
        rearranged(table, covariates=["age"])
    with pytest.raises(DesignError, match='few="bootstrap" is not known'):
        rearranged(table, few="bootstrap")
    with pytest.raises(DesignError, match="the wild bootstrap draws at random: give rng="):
        rearranged(table, few="wild_bootstrap")


def test_the_wild_bootstrap_can_be_had():
    first, again = (
        rearranged(few_areas(), few="wild_bootstrap", rng=np.random.default_rng(3))
        for _ in range(2)
    )
    assert first.estimates == again.estimates
    difference, ratio = first.one(measure="risk_difference"), first.one(measure="risk_ratio")
    assert "wild cluster bootstrap (9,999 draws of Webb weights, null imposed)" in difference.method
    assert difference.conf_low < difference.estimate < difference.conf_high < 0
    assert ratio.conf_low < ratio.estimate < ratio.conf_high < 1
    assert difference.p_value < 0.05
    assert "errors of each to be as likely up as down" in first.check("wild_bootstrap").text
    two = few_areas(had=np.array([True, True, *[False] * 5]))
    found = rearranged(two, few="wild_bootstrap", rng=np.random.default_rng(3))
    assert "fewer than three clusters in an arm" in found.check("wild_bootstrap").text
    alike = few_areas(np.where(HAD, 10.0, 20.0))
    none = rearranged(alike, few="wild_bootstrap", rng=np.random.default_rng(3))
    assert none.one(measure="risk_difference").conf_low is None
    assert none.check("no_interval").passed is False


def test_ten_whole_areas_keep_the_sandwich():
    table = few_areas(np.arange(10.0) + 5, np.full(10, 30.0), np.arange(10) % 2 == 0)
    with pytest.warns(DesignWarning, match="10 clusters are fewer"):
        found = rearranged(table)
    assert "cluster sandwich, t with 8 df" in found.one(measure="risk_difference").method
    assert isinstance(MAKERS["nearest"](people()), Matched)
