"""Who is averaged over when outcomes are missing, and what an arm that is worth little can say."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from drive_eval.errors import DataError, DesignError, DesignWarning
from drive_eval.models import matching
from drive_eval.models.comparison import doubly_robust, mean_contrast, risk_contrast

approx = pytest.approx


def people(n):
    rng = np.random.default_rng(1)
    return pd.DataFrame({"arm": rng.random(n) < 0.4, "incidents": rng.poisson(2, n) + 0.0})


# Who stays in the population


def with_blanks(n, seed, share=0.5):
    """Return people whose outcome follows the arm and one covariate, some unmeasured by chance."""
    rng = np.random.default_rng(seed)
    age = rng.normal(size=n)
    arm = rng.random(n) < 1 / (1 + np.exp(-age))
    score = age + arm * age + rng.normal(size=n) * 0.3
    score[~arm & (rng.random(n) < share)] = np.nan
    return pd.DataFrame({"age": age, "arm": arm, "score": score})


BLANK = {"outcome": "score", "missing": "drop"}
OF_TABLE = {**BLANK, "treated": "arm", "covariates": ["age"]}
OF_DESIGN = {"treated": "arm", "covariates": ["age"]}


@pytest.mark.parametrize(
    "compare",
    [
        lambda table: mean_contrast(table, **OF_TABLE),
        lambda table: doubly_robust(table, **OF_TABLE),
        lambda table: mean_contrast(
            matching.propensity_weights(table, **OF_DESIGN, estimand="ate"),
            **BLANK,
            covariates=["age"],
        ),
        lambda table: doubly_robust(
            matching.propensity_weights(table, **OF_DESIGN, estimand="ate"), **BLANK
        ),
        lambda table: mean_contrast(
            matching.subclass(table, **OF_DESIGN, estimand="ate"), **BLANK, covariates=["age"]
        ),
    ],
    ids=["standardised", "doubly", "weights", "doubly of weights", "classes"],
)
def test_those_without_an_outcome_stay_in_the_population(compare):
    # The effect is age, so that its average over everybody is 0; an arm that lost half of its
    # outcomes must not draw that population to the other one (it did, by 0.12).
    table = with_blanks(20_000, 3)
    found = compare(table)
    difference = found.one(measure="mean_difference")
    assert abs(difference.estimate - table["age"].mean()) < 0.03
    text = found.check("missing_outcome").text
    assert "stay in the population that is averaged over" in text
    assert "alike in the covariates" in text
    assert difference.n_reference == table.loc[~table["arm"], "score"].notna().sum()


def test_weights_of_those_with_an_outcome_are_made_to_sum_to_the_population():
    # The outcome model is wrong, the score right, and a quarter of one arm unmeasured by chance.
    table = with_blanks(20_000, 4, share=0.25)
    table["score"] = np.exp(table["age"]) + 0 * table["score"]
    found = doubly_robust(table, **OF_TABLE).one(measure="mean_difference")
    assert abs(found.estimate) < 3 * found.std_error < 0.2


def test_the_part_of_lost_rows_in_the_population_is_in_the_variance():
    rng = np.random.default_rng(5)
    estimates, errors = [], []
    for _ in range(300):
        table = with_blanks(300, rng)
        found = mean_contrast(table, **OF_TABLE).one(measure="mean_difference")
        estimates.append(found.estimate)
        errors.append(found.std_error)
    assert 0.88 < np.mean(errors) / np.std(estimates) < 1.12


def test_without_covariates_those_without_an_outcome_are_left_out():
    table = with_blanks(400, 6)
    found = mean_contrast(table, outcome="score", treated="arm", missing="drop")
    known = mean_contrast(table[table["score"].notna()], outcome="score", treated="arm")
    assert [e.estimate for e in found.estimates] == [e.estimate for e in known.estimates]
    assert [e.std_error for e in found.estimates] == [e.std_error for e in known.estimates]
    text = found.check("missing_outcome").text
    assert "the others of their arm stand for them" in text
    assert "within each arm it is chance who has no outcome" in text


def test_those_without_outcome_and_covariates_are_left_out_and_counted():
    table = with_blanks(400, 7)
    blank = table.index[table["score"].isna()][:5]
    without = table.drop(blank)
    table.loc[blank, "age"] = np.nan
    found, other = (mean_contrast(t, **OF_TABLE) for t in (table, without))
    assert found.one(measure="mean_difference").estimate == approx(
        other.one(measure="mean_difference").estimate
    )
    assert "5 of them have not all covariates either" in found.check("missing_outcome").text
    table.loc[table.index[table["score"].notna()][0], "age"] = np.nan
    with pytest.raises(DataError, match='1 of .* rows have no value in column "age"'):
        mean_contrast(table, **OF_TABLE)


# An arm that is worth one


def areas(count, inside, size=25, seed=8):
    rng = np.random.default_rng(seed)
    area = np.repeat(np.arange(count), size)
    drift = rng.normal(0, 0.5, count)[area]
    age = rng.normal(size=len(area))
    return pd.DataFrame(
        {
            "area": area,
            "arm": area < inside,
            "age": age,
            "abuse": rng.random(len(area)) < 1 / (1 + np.exp(-drift)),
            "score": drift + rng.normal(size=len(area)),
        }
    )


@pytest.mark.parametrize("inside", [1, 2, 4])
def test_an_arm_of_a_few_whole_areas_is_rearranged(inside):
    table = areas(14, inside)
    for found in (
        risk_contrast(table, outcome="abuse", treated="arm", cluster="area"),
        mean_contrast(table, outcome="score", treated="arm", cluster="area"),
        risk_contrast(
            matching.propensity_weights(table, treated="arm", covariates=["age"]),
            outcome="abuse",
            cluster="area",
        ),
    ):
        number = found.estimates[2]
        assert f"all {math.comb(14, inside):,} arrangements" in number.method
        assert (number.conf_low is None) == (inside == 1)
        assert f"({inside} to the programme)" in found.check("clusters").text
    for call in (risk_contrast, doubly_robust):
        with pytest.raises(DesignError, match=rf"only 14 clusters .* \({inside} to the programme"):
            call(table, outcome="abuse", treated="arm", cluster="area", covariates=["age"])


@pytest.mark.filterwarnings("ignore::drive_eval.errors.DesignWarning")
def test_a_programme_in_one_mixed_area_has_no_interval():
    table = areas(14, 1)
    table.loc[table.index[:10], "arm"] = False  # the area holds both arms now
    for adjusted in ({}, {"covariates": ["age"]}):
        found = mean_contrast(table, outcome="score", treated="arm", cluster="area", **adjusted)
        difference = found.one(measure="mean_difference")
        assert (difference.std_error, difference.conf_low, difference.p_value) == (None,) * 3
        assert found.check("no_interval").passed is False
        assert found.one(measure="mean_comparison").conf_low is not None


@pytest.mark.parametrize("cov", [None, "HC0", "HC1", "HC2", "HC3"])
def test_one_programme_case_has_no_interval(cov):
    table = people(40).assign(arm=np.arange(40) == 0)
    found = mean_contrast(table, outcome="incidents", treated="arm", cov=cov)
    difference = found.one(measure="mean_difference")
    assert difference.estimate is not None
    assert (difference.std_error, difference.conf_low, difference.p_value) == (None,) * 3
    assert "fewer than two cases or clusters" in found.check("no_interval").text
    comparison = found.one(measure="mean_comparison")
    assert comparison.conf_low < comparison.estimate < comparison.conf_high


@pytest.mark.parametrize("cov", [None, "sets", "HC1"])
def test_one_comparison_case_for_everybody_has_no_interval(cov):
    age = np.r_[np.linspace(1.9, 2.1, 12), 2.0, np.linspace(-2, 0, 30), 2.9]
    arm = np.arange(len(age)) < 12
    table = pd.DataFrame({"age": age, "arm": arm, "abuse": np.arange(len(age)) % 3 == 0})
    design = matching.nearest(
        table, treated="arm", covariates=["age"], replace=True, caliper_sd=None
    )
    assert len(set(design.pairs["comparison"])) == 1
    for call, kind in ((risk_contrast, "risk"), (mean_contrast, "mean")):
        found = call(design, outcome="abuse", cov=cov)
        difference = found.one(measure=f"{kind}_difference")
        assert difference.estimate is not None
        assert (difference.std_error, difference.conf_low, difference.p_value) == (None,) * 3
        assert found.check("no_interval").passed is False


def test_leverage_of_one_is_not_mended_by_another_variance():
    table = people(60).assign(only=(np.arange(60) == 3) * 1.0)
    with pytest.raises(DesignError, match="would take what these rows decide as certain"):
        mean_contrast(
            table,
            outcome="incidents",
            treated="arm",
            covariates=["only"],
            interactions=False,
        )


def test_a_small_arm_has_few_degrees_of_freedom():
    rng = np.random.default_rng(9)
    table = pd.DataFrame({"arm": np.arange(103) < 3, "score": rng.normal(size=103)})
    table["age"] = rng.normal(size=103)
    difference = mean_contrast(table, outcome="score", treated="arm").one(measure="mean_difference")
    by_scipy = stats.ttest_ind(
        table.loc[table["arm"], "score"], table.loc[~table["arm"], "score"], equal_var=False
    )
    assert difference.p_value == approx(by_scipy.pvalue)
    interval = by_scipy.confidence_interval()
    assert (difference.conf_low, difference.conf_high) == approx((interval.low, interval.high))
    comparison = table.loc[~table["arm"], "score"]
    own = mean_contrast(table, outcome="score", treated="arm").one(measure="mean_comparison")
    assert (own.conf_low, own.conf_high) == approx(
        stats.t.interval(0.95, 99, comparison.mean(), comparison.sem())
    )


def test_clusters_that_trimming_empties_do_not_count():
    rng = np.random.default_rng(10)
    age = np.sort(rng.normal(size=200))
    table = pd.DataFrame({"age": age, "area": np.arange(200) // 10})
    table["arm"] = rng.random(200) < 1 / (1 + np.exp(-1.5 * age))
    table["score"] = age + rng.normal(size=200)
    shared = {"treated": "arm", "covariates": ["age"]}
    trimmed = matching.propensity_weights(table, **shared, trim=(0.35, 0.65))
    alone = matching.propensity_weights(table[trimmed.table["weight"] > 0], **shared)
    with pytest.warns(DesignWarning, match="7 clusters are fewer"):
        found, other = (
            mean_contrast(d, outcome="score", cluster="area").one(measure="mean_difference")
            for d in (trimmed, alone)
        )
    assert (found.std_error, found.conf_low) == approx((other.std_error, other.conf_low))


# Limits of what risks can be


def test_a_difference_of_risks_stays_between_minus_one_and_one():
    beyond = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(16, 50))
        age, prior = rng.normal(size=n), rng.normal(size=n)
        arm = rng.random(n) < 1 / (1 + np.exp(0.5 - 1.5 * age))
        abuse = rng.random(n) < np.where(arm, 0.85, 0.15)
        table = pd.DataFrame({"age": age, "prior": prior, "arm": arm, "abuse": abuse})
        try:
            found = doubly_robust(
                table, outcome="abuse", treated="arm", covariates=["age", "prior"]
            )
        except DesignError:
            continue
        number = found.one(measure="risk_difference")
        for value in (number.estimate, number.conf_low, number.conf_high):
            assert value is None or -1 <= value <= 1
        beyond += number.conf_high == 1 or number.conf_low == -1
    assert beyond > 0


def test_a_ratio_of_certain_outcomes_has_no_standard_error():
    table = pd.DataFrame({"arm": np.arange(40) < 20, "abuse": True})
    ratio = risk_contrast(table, outcome="abuse", treated="arm").one(measure="risk_ratio")
    assert (ratio.estimate, ratio.std_error) == (1.0, None)
    assert ratio.conf_low < 1 < ratio.conf_high
