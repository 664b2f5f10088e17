"""Subclasses, coarsened exact matching, propensity weights and entropy balance."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from drive_eval.errors import DataError, DesignError
from drive_eval.models import _strata, _weights, matching
from drive_eval.models._regression import design_matrix
from drive_eval.models._score import propensity

approx = pytest.approx


def people(n=300, seed=1):
    """Made-up people of whom the younger with more arrests join the programme."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.normal(35, 9, n).round(),
            "arrests": rng.poisson(1.5, n),
            "married": rng.random(n) < 0.4,
            "site": rng.choice(["south", "north", "west"], n, p=[0.5, 0.3, 0.2]),
        }
    )
    chance = 1 / (1 + np.exp(0.8 + 0.04 * (table["age"] - 35) - 0.4 * table["arrests"]))
    table["arm"] = np.where(rng.random(n) < chance, "programme", "comparison")
    return table.set_index(np.arange(n) + 1000)


TABLE = people()
NAMES = {"treated": "arm", "covariates": ["age", "arrests", "married", "site"]}
MAKERS = {
    "subclass": matching.subclass,
    "cem": matching.cem,
    "propensity_weights": matching.propensity_weights,
    "entropy_balance": matching.entropy_balance,
}


def programme(design):
    return (design.table["arm"] == "programme").to_numpy()


def arm_sums(design):
    weight, t = design.table["weight"].to_numpy(), programme(design)
    return weight[t].sum(), weight[~t].sum()


# Subclasses


def test_subclasses_keep_everyone_and_hold_quintiles_of_the_programme(check_matched):
    made = matching.subclass(TABLE, **NAMES)
    check_matched(made, TABLE)
    assert made.table.index.equals(TABLE.index)
    counts = made.balance.table("subclasses")
    sizes = [counts[str(s), "programme"] for s in range(1, 6)]
    assert max(sizes) - min(sizes) <= 5  # equal scores stay together
    assert made.variance == "HC3"
    assert made.pairs is None
    assert made.score is not None
    assert made.score.name == "propensity_score"
    low, high = (made.score[made.table["matched_set"] == s].mean() for s in (1, 5))
    assert low < high
    names = [check.name for check in made.balance.checks]
    assert names == ["unmatched", "overlap", "parameters", "smallest_subclass", "worst_smd"]


@pytest.mark.parametrize("estimand", ["att", "ate", "atc"])
def test_subclass_weights_reproduce_stratified_means(estimand):
    made = matching.subclass(TABLE, **NAMES, estimand=estimand, subclasses=4)
    table, t = made.table, programme(made)
    population = {"att": t, "atc": ~t, "ate": np.ones(len(t), dtype=bool)}[estimand]
    share = table[population]["matched_set"].value_counts(normalize=True)
    for arm in (t, ~t):
        within = table[arm].groupby("matched_set")["age"].mean()
        direct = np.average(table["age"][arm], weights=table["weight"][arm])
        assert direct == approx((within * share).sum())
    assert arm_sums(made) == approx((t.sum(), (~t).sum()))


def test_the_smallest_subclass_is_named():
    check = matching.subclass(TABLE, **NAMES).balance.check("smallest_subclass")
    assert check.passed is None
    assert check.text.startswith("The fewest comparison cases are in subclass 5: ")
    assert check.statistic == float(check.text.rsplit(" ", 1)[1][:-1])


def test_equal_scores_make_fewer_subclasses_and_it_is_said():
    table = pd.DataFrame(
        {"arm": ["programme"] * 30 + ["comparison"] * 40, "x": [0, 0, 1] * 10 + [0, 1] * 20}
    )
    made = matching.subclass(table, treated="arm", covariates=["x"], subclasses=5)
    assert made.table["matched_set"].nunique() == 2
    assert "5 subclasses were asked for; many scores are equal, so there are 2." in made.describe()


def fill(scores, treated, cuts):
    return _strata.cut(np.array(scores, float), np.array(treated, bool), np.array(cuts, float))


def test_an_empty_subclass_takes_the_nearest_case_from_the_fuller_side():
    # comparison: two in class 0, none in class 1, three in class 2
    scores = [0.05, 0.08, 0.25, 0.3, 0.28, 0.05, 0.15, 0.25]
    codes, moved = fill(scores, [0] * 5 + [1] * 3, [0, 0.1, 0.2, 0.4])
    assert moved == 1
    assert codes.tolist() == [0, 0, 1, 2, 2, 0, 1, 2]
    # the other way round: three in class 0
    scores = [0.05, 0.08, 0.01, 0.3, 0.28, 0.05, 0.15, 0.25]
    codes, moved = fill(scores, [0] * 5 + [1] * 3, [0, 0.1, 0.2, 0.4])
    assert codes.tolist() == [0, 1, 0, 2, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("scores", "filled"),
    [
        ([0.21, 0.22, 0.23], [0, 1, 2]),  # all in the last class; the first two are filled
        ([0.01, 0.02, 0.03], [0, 1, 2]),  # all in the first; one moves twice
    ],
)
def test_the_ends_are_filled_from_within(scores, filled):
    codes, moved = fill([*scores, 0.05, 0.15, 0.25], [1] * 3 + [0] * 3, [0, 0.1, 0.2, 0.3])
    assert codes.tolist() == [*filled, 0, 1, 2]
    assert moved == 2


def test_an_arm_with_too_few_cases_for_the_subclasses_is_refused():
    table = pd.DataFrame({"arm": ["programme"] * 3 + ["comparison"] * 60, "x": range(63)})
    table["x"] = (table["x"] * 17 % 63).astype(float)
    with pytest.raises(DesignError) as error:
        matching.subclass(table, treated="arm", covariates=["x"], subclasses=4)
    assert str(error.value) == (
        "3 programme cases cannot stand in each of 4 subclasses; use fewer subclasses."
    )


@pytest.mark.parametrize("subclasses", [1, 0, 2.5, True])
def test_fewer_than_two_subclasses_are_refused(subclasses):
    with pytest.raises(DesignError) as error:
        matching.subclass(TABLE, **NAMES, subclasses=subclasses)
    assert str(error.value) == "subclasses must be a whole number of at least 2."


# Coarsened exact matching


def test_cem_by_hand(check_matched):
    table = pd.DataFrame(
        {
            "arm": ["programme"] * 3 + ["comparison"] * 5,
            "site": ["north", "north", "south"] + ["north"] * 4 + ["east"],
            "age": [21, 45, 30, 22, 23, 24, 47, 31],
        }
    )
    made = matching.cem(
        table, treated="arm", covariates=["site", "age"], cutpoints={"age": [25, 40]}
    )
    check_matched(made, table)
    assert made.table.index.tolist() == [0, 1, 3, 4, 5, 6]
    assert made.table["matched_set"].tolist() == [1, 2, 1, 1, 1, 2]
    assert made.table["weight"].to_numpy() == approx(np.array([1, 1, 2 / 3, 2 / 3, 2 / 3, 2]))
    assert made.estimand == "atm"
    assert made.variance == "sets"
    assert made.score is None
    assert (made.flow["programme", "unmatched"], made.flow["comparison", "unmatched"]) == (1, 1)
    said = made.describe()
    assert "coarsened covariates: site as it is; age at 25, 40." in said
    assert "Of 4 strata 2 hold cases of both arms and were kept" in said
    assert "2 of 3 programme cases were matched" in said
    assert "The effect is the average over those programme cases for which a match was" in said
    assert "1 of 3 programme cases have no match and were left out" in said
    overlap = made.balance.check("overlap")
    assert overlap.passed is False
    assert overlap.statistic == approx(1 / 3)
    assert overlap.text == (
        "2 of 4 strata hold cases of both arms; 33.3% of those whom the estimand speaks of are in "
        "the others."
    )


def test_a_value_at_a_cutpoint_belongs_to_the_upper_bin():
    table = pd.DataFrame({"arm": ["programme", "comparison"] * 2, "x": [10.0, 10.5, 9.9, 2]})
    made = matching.cem(table, treated="arm", covariates=["x"], cutpoints={"x": [10]})
    assert made.table["matched_set"].tolist() == [2, 2, 1, 1]


def test_sturges_rule_makes_bins_of_equal_width():
    values = pd.Series(np.arange(100.0))
    ready = pd.DataFrame({"x": values})
    strata, how = _strata.coarsened(ready, None)
    assert how == ("x in 8 bins of equal width",)  # ceil(log2 100 + 1)
    assert (
        np.bincount(strata).tolist() == [13, 12, 12, 13, 12, 12, 12, 13]
        or (strata == np.minimum(values // (99 / 8), 7)).all()
    )


def test_exact_leaves_a_column_as_it_is_and_so_do_zeros_and_ones():
    ready = pd.DataFrame({"x": [1.5, 2.5, 1.5, 9.0], "b": [0, 1, 0, 1]})
    strata, how = _strata.coarsened(ready, {"x": "exact"})
    assert strata.tolist() == [0, 1, 0, 2]
    assert how == ("x as it is", "b as it is")


def test_a_formula_names_the_columns_and_c_leaves_them_as_they_are():
    table = TABLE.assign(region=np.arange(len(TABLE)) % 30)
    made = matching.cem(table, treated="arm", covariates="married + C(region)")
    assert "married as it is; region as it is." in made.sentences[0]
    assert made.table.groupby("matched_set")["region"].nunique().max() == 1


@pytest.mark.parametrize("estimand", ["ate", "atc"])
def test_cem_for_others_says_when_cases_were_left_out(estimand):
    made = matching.cem(TABLE, **NAMES, estimand=estimand)
    assert made.estimand == estimand
    check = made.balance.check("unmatched")
    assert check.passed is False
    assert "that were kept, not over all of them" in check.text
    t = programme(made)
    assert arm_sums(made) == approx((t.sum(), (~t).sum()))


def test_cem_that_keeps_every_programme_case_stays_att():
    made = matching.cem(TABLE, treated="arm", covariates=["married", "site"])
    assert made.estimand == "att"
    assert made.balance.check("unmatched").text.startswith("Each of the ")


@pytest.mark.parametrize(
    ("cutpoints", "message"),
    [
        ({"Age": [30]}, 'cutpoints name "Age", which is no covariate. Nearest: "age".'),
        ({"age": [40, 30]}, 'cutpoints of "age" must be numbers in rising order, without repeats.'),
        ({"age": [30, 30]}, 'cutpoints of "age" must be numbers in rising order, without repeats.'),
        ({"age": []}, 'cutpoints of "age" must be numbers in rising order, without repeats.'),
        ({"age": ["a"]}, 'cutpoints of "age" must be numbers in rising order, without repeats.'),
        ({"age": 5}, 'cutpoints of "age" must be numbers in rising order, without repeats.'),
        ({"age": [math.nan]}, 'cutpoints of "age" must be numbers in rising order, without repeat'),
        ({"age": "sturges"}, 'cutpoints of "age" must be numbers in rising order, or the word "ex'),
        ({"site": [1]}, '"site" is not a column of numbers, so it has no cutpoints; its categorie'),
    ],
)
def test_cutpoints_that_make_no_sense_are_refused(cutpoints, message):
    with pytest.raises(DesignError) as error:
        matching.cem(TABLE, **NAMES, cutpoints=cutpoints)
    assert message in str(error.value)


def test_no_stratum_with_both_arms_is_refused():
    table = TABLE.assign(number=np.arange(len(TABLE)) + 0.5)
    with pytest.raises(DesignError) as error:
        matching.cem(table, treated="arm", covariates=["number"], cutpoints={"number": "exact"})
    assert str(error.value) == (
        "no stratum holds cases of both arms. Give fewer covariates, or fewer cutpoints."
    )


# Propensity weights


@pytest.mark.parametrize("estimand", ["att", "ate", "atc", "ato"])
def test_weights_are_target_over_the_probability_of_the_own_arm(estimand):
    made = matching.propensity_weights(TABLE, **NAMES, estimand=estimand)
    e, t = made.score.to_numpy(), programme(made)
    own = np.where(t, e, 1 - e)
    wanted = {"att": e, "atc": 1 - e, "ate": np.ones_like(e), "ato": e * (1 - e)}[estimand]
    assert made.table["weight"].to_numpy() == approx(wanted / own)
    target = {"att": t, "atc": ~t}.get(estimand, wanted)
    assert made.target == approx(np.asarray(target, dtype=float))
    assert made.estimand == estimand
    assert (made.target_slopes is None) == (estimand != "ato")
    assert made.flow["programme", "trimmed"] == 0
    names = [check.name for check in made.balance.checks]
    assert names == ["unmatched", "overlap", "parameters", "worst_smd"]


@pytest.mark.parametrize("estimand", ["att", "ate", "atc", "ato"])
def test_slopes_are_derivatives(estimand):
    score = propensity(TABLE, **NAMES)
    made = _weights.score_weights(score, estimand)
    matrix = np.column_stack([np.ones(len(TABLE)), score.design.matrix])
    step = 1e-6

    def weights(coefficients):
        e = 1 / (1 + np.exp(-matrix @ coefficients))
        own = np.where(score.treated, e, 1 - e)
        target = {"att": e, "atc": 1 - e, "ate": 1, "ato": e * (1 - e)}[estimand]
        return target / own, e * (1 - e)

    for j in range(matrix.shape[1]):
        shift = np.zeros(matrix.shape[1])
        shift[j] = step
        up, down = (weights(score.coefficients + s * shift) for s in (1, -1))
        numeric = (up[0] - down[0]) / (2 * step)
        assert made.slopes[:, j] == approx(numeric, abs=1e-5, rel=1e-5)
        if estimand == "ato":
            numeric = (up[1] - down[1]) / (2 * step)
            assert made.target_slopes[:, j] == approx(numeric, abs=1e-5, rel=1e-5)


def test_influence_sums_to_zero_and_foretells_the_loss_of_a_row():
    """What a row contributed is, to first order, what leaving it out takes away."""
    made = _weights.score_weights(propensity(TABLE, **NAMES), "att")
    assert made.influence.sum(axis=0) == approx(np.zeros(made.influence.shape[1]), abs=1e-8)
    full = propensity(TABLE, **NAMES).coefficients
    row = int(np.argmax(np.abs(made.influence[:, 1])))
    without = propensity(TABLE.drop(TABLE.index[row]), **NAMES).coefficients
    assert full - without == approx(made.influence[row], rel=0.15, abs=2e-3)


def test_stabilised_weights_are_about_one_and_change_no_mean():
    plain = matching.propensity_weights(TABLE, **NAMES, estimand="ate")
    made = matching.propensity_weights(TABLE, **NAMES, estimand="ate", stabilised=True)
    assert made.table["weight"].mean() == approx(1, abs=0.02)
    assert "Weights were multiplied by the share of the own arm." in made.sentences
    before, after = (
        design.balance.one(measure="smd", term="age", subgroup="after").estimate
        for design in (plain, made)
    )
    assert after == approx(before)


def test_trimming_leaves_out_fits_again_and_says_whose_effect_it_became():
    made = matching.propensity_weights(TABLE, **NAMES, estimand="ate", trim=(0.25, 0.6))
    kept = made.score.between(0.25, 0.6).to_numpy()
    assert 0 < (~kept).sum() < len(TABLE)
    again = propensity(TABLE[kept], **NAMES)
    weight = made.table["weight"].to_numpy()
    own = np.where(again.treated, again.probability, 1 - again.probability)
    assert weight[kept] == approx(1 / own)
    for values in (weight, made.target, made.influence, made.slopes):
        assert not values[~kept].any()
    t = programme(made)
    assert made.flow["programme", "trimmed"] == (t & ~kept).sum()
    assert made.flow["comparison", "weighted"] == (~t & kept).sum()
    assert made.estimand == "ate"
    check = made.balance.check("unmatched")
    assert check.passed is False
    assert (
        "cases have a score outside 0.25 to 0.6 and were left out; the effect is the" in check.text
    )
    said = made.describe()
    assert "Cases with a score below 0.25 or above 0.6 were left out (" in said
    assert "the score was estimated again among those who stay; the effect is the average" in said


def test_trimming_that_leaves_everyone_changes_nothing():
    plain = matching.propensity_weights(TABLE, **NAMES)
    made = matching.propensity_weights(TABLE, **NAMES, trim=(0, 1))
    assert made.table.equals(plain.table)
    assert made.balance.check("unmatched").passed


def test_truncation_caps_both_ends_and_has_no_slope_there():
    plain = matching.propensity_weights(TABLE, **NAMES, estimand="ate")
    made = matching.propensity_weights(TABLE, **NAMES, estimand="ate", truncate=0.95)
    raw, weight = (d.table["weight"].to_numpy() for d in (plain, made))
    low, high = np.quantile(raw, [0.05, 0.95])
    assert weight == approx(np.clip(raw, low, high))
    capped = (raw < low) | (raw > high)
    assert not made.slopes[capped].any()
    assert made.slopes[~capped] == approx(plain.slopes[~capped])
    assert f"{capped.sum()} weights beyond the quantiles 0.05 and 0.95 were brought to" in (
        made.describe()
    )


@pytest.mark.parametrize(
    "trim", [(-0.1, 0.9), (0.1, 1.2), (0.9, 0.1), (0.5, 0.5), (0.1,), 0.1, (math.nan, 0.9)]
)
def test_trimming_limits_that_make_no_sense_are_refused(trim):
    with pytest.raises(DesignError) as error:
        matching.propensity_weights(TABLE, **NAMES, trim=trim)
    assert str(error.value) == (
        "trim must be two probabilities, the lower first, e.g. (0.1, 0.9): cases with a score "
        "outside them are left out."
    )


@pytest.mark.parametrize("truncate", [0.5, 1, 99, math.nan])
def test_truncation_limits_that_make_no_sense_are_refused(truncate):
    with pytest.raises(DesignError) as error:
        matching.propensity_weights(TABLE, **NAMES, truncate=truncate)
    assert str(error.value) == (
        "truncate must lie between 0.5 and 1, e.g. 0.99: the quantile of the weights at which the "
        "largest are capped."
    )


@pytest.mark.parametrize(("trim", "group"), [((0, 0.001), "programme"), ((0.999, 1), "programme")])
def test_trimming_that_empties_an_arm_is_refused(trim, group):
    with pytest.raises(DesignError) as error:
        matching.propensity_weights(TABLE, **NAMES, trim=trim)
    assert str(error.value) == f"trimming leaves nobody in the {group} group; widen its limits."


def test_what_trimming_leaves_may_not_carry_a_score():
    # In the middle of the score only one site is left.
    table = pd.DataFrame(
        {
            "arm": ["programme"] * 40 + ["comparison"] * 40,
            "rare": [1] * 30 + [0] * 10 + [1] * 5 + [0] * 35,
        }
    )
    with pytest.raises(DesignError) as error:
        matching.propensity_weights(table, treated="arm", covariates=["rare"], trim=(0, 0.5))
    assert str(error.value).startswith(
        "among the cases that trimming leaves, 1 of 2 columns of the model follow from the others "
        "or never vary: "
    )


def far_off(n=4000):
    """Incomes with a long tail: some scores are 1 to the last digit, and nothing separates."""
    rng = np.random.default_rng(1)
    income = rng.standard_t(2, n)
    arm = rng.random(n) < 1 / (1 + np.exp(2 - income))
    return pd.DataFrame({"arm": arm, "income": income, "age": rng.normal(size=n)})


@pytest.mark.parametrize("estimand", ["att", "ate", "atc", "ato"])
def test_a_few_far_off_values_are_not_separation(estimand):
    table = far_off()
    made = matching.propensity_weights(
        table, treated="arm", covariates=["income", "age"], estimand=estimand
    )
    assert made.score.max() == 1.0
    assert np.isfinite(made.table["weight"]).all()
    assert np.isfinite(made.slopes).all()
    if estimand == "ato":
        smd = made.balance.one(measure="smd", term="income", subgroup="after").estimate
        assert abs(smd) < 1e-6


def test_entropy_balance_settles_on_long_tails():
    made = matching.entropy_balance(far_off(), treated="arm", covariates=["income", "age"])
    assert abs(made.balance.one(measure="smd", term="income", subgroup="after").estimate) < 1e-9


def test_only_ate_is_stabilised():
    with pytest.raises(DesignError) as error:
        matching.propensity_weights(TABLE, **NAMES, stabilised=True)
    assert str(error.value) == 'only weights of estimand "ate" are stabilised.'


# Entropy balance


@pytest.mark.parametrize("estimand", ["att", "atc", "ate"])
def test_entropy_balance_hits_the_means(estimand):
    made = matching.entropy_balance(TABLE, **NAMES, estimand=estimand)
    for term in ("age", "arrests", "married", "site: north", "site: south", "site: west"):
        smd = made.balance.one(measure="smd", term=term, subgroup="after").estimate
        assert abs(smd) < 1e-10
    t = programme(made)
    goal = {"att": t, "atc": ~t}.get(estimand, np.ones_like(t))
    mean = made.balance.one(measure="mean", term="age", subgroup="after", group="programme")
    assert mean.estimate == approx(TABLE["age"][goal].mean(), abs=1e-9)
    assert arm_sums(made) == approx((goal.sum(), goal.sum()))
    weight = made.table["weight"].to_numpy()
    if estimand != "ate":
        assert (weight[goal] == 1).all()
    assert made.influence.sum(axis=0) == approx(np.zeros(made.influence.shape[1]), abs=1e-8)
    names = [check.name for check in made.balance.checks]
    assert names == ["unmatched", "overlap", "parameters", "worst_smd"]


def test_two_moments_balance_variances_too():
    one, two = (matching.entropy_balance(TABLE, **NAMES, moments=m) for m in (1, 2))
    for term in ("age", "arrests"):
        ratios = [
            design.balance.one(measure="std_dev", term=term, subgroup="after", group=g).estimate
            for design in (one, two)
            for g in ("programme", "comparison")
        ]
        assert abs(ratios[1] / ratios[0] - 1) > 0.01
        assert ratios[3] == approx(ratios[2], rel=0.01)  # up to Σw² in the denominators
    assert "means and variances agree" in two.sentences[0]
    assert two.influence.shape[1] == one.influence.shape[1] + 2  # married and sites have none
    third = matching.entropy_balance(TABLE, treated="arm", covariates=["age"], moments=3)
    assert "first 3 moments agree" in third.sentences[0]


def test_a_column_of_two_values_has_one_moment():
    table = TABLE.assign(half=np.where(np.arange(len(TABLE)) % 2, 1.0, 2.0))
    one, two = (
        matching.entropy_balance(table, treated="arm", covariates=["half"], moments=m)
        for m in (1, 2)
    )
    assert two.table.equals(one.table)


def test_entropy_balance_is_the_most_even():
    """Any other weights with the same means have less entropy."""
    made = matching.entropy_balance(TABLE, treated="arm", covariates=["age", "arrests"])
    t = programme(made)
    w = made.table["weight"].to_numpy()[~t]
    x = np.column_stack([np.ones((~t).sum()), TABLE.loc[~t, ["age", "arrests"]]])
    free = np.eye(len(w)) - x @ np.linalg.pinv(x)  # directions that move neither sum nor means
    rng = np.random.default_rng(3)
    entropy = -(w * np.log(w)).sum()
    for _ in range(20):
        direction = free @ rng.normal(size=len(w))
        other = w + direction * 0.5 * w.min() / np.abs(direction).max()
        assert x.T @ other == approx(x.T @ w)
        assert -(other * np.log(other)).sum() < entropy


def test_what_the_weighted_arm_is_worth_is_said():
    check = matching.entropy_balance(TABLE, **NAMES).balance.check("overlap")
    assert check.passed is None
    assert 0 < check.statistic < 1
    assert check.text.startswith("The ")
    assert " comparison cases are worth " in check.text


def infeasible(table, covariates, **more):
    with pytest.raises(DesignError) as error:
        matching.entropy_balance(table, treated="arm", covariates=covariates, **more)
    return str(error.value)


def test_a_mean_beyond_what_the_comparison_covers_is_refused_and_named():
    table = TABLE.assign(age=TABLE["age"].where(TABLE["arm"] == "comparison", 200.0))
    message = infeasible(table.assign(age=table["age"] + np.arange(300) % 2), ["arrests", "age"])
    assert message == (
        "no weights can give the comparison cases the means that are wanted of: age. These means "
        "lie beyond what the comparison cases cover, or at its edge; use fewer covariates or "
        "moments, merge small levels, or match within a caliper."
    )


def test_a_mean_at_the_edge_is_refused():
    """All programme cases are married: weights would have to drop whoever is not."""
    table = TABLE.assign(married=TABLE["married"] | (TABLE["arm"] == "programme"))
    assert "are wanted of: married. These" in infeasible(table, ["age", "married"])


def test_means_that_cannot_be_reached_together_are_named_together():
    # Each mean lies within the range of the comparison cases, but x + y does not.
    rng = np.random.default_rng(5)
    x, y = rng.random(60), rng.random(60)
    inside = x + y < 0.8
    table = pd.DataFrame({"arm": "comparison", "x": x[inside], "y": y[inside]})
    table["z"] = rng.random(len(table))
    more = pd.DataFrame({"arm": "programme", "x": [0.5, 0.52, 0.55], "y": [0.5, 0.51, 0.49]})
    table = pd.concat([table, more.assign(z=[0.4, 0.5, 0.6])], ignore_index=True)
    assert "are wanted of: x, y. These" in infeasible(table, ["z", "x", "y"])


def test_an_edge_that_no_column_shows_is_found():
    # The mean of the programme is a corner that only two comparison cases span: on the edge.
    table = pd.DataFrame(
        {
            "arm": ["programme"] * 2 + ["comparison"] * 5,
            "x": [0.25, 0.75, 0.0, 1.0, 0.0, 0.2, 0.1],
            "y": [0.75, 0.25, 1.0, 0.0, 0.0, 0.1, 0.3],
        }
    )
    assert "are wanted of: x, y. These" in infeasible(table, ["x", "y"])


def test_columns_that_repeat_each_other_in_one_arm_only_are_no_obstacle():
    table = TABLE.assign(twin=TABLE["age"])
    t = table["arm"] == "programme"
    table.loc[t, "twin"] += np.where(np.arange(t.sum()) % 2, 1.0, -1.0)[: t.sum()]
    table.loc[t, "twin"] -= (table["twin"] - table["age"])[t].mean()
    made = matching.entropy_balance(table, treated="arm", covariates=["age", "twin"])
    assert abs(made.balance.one(measure="smd", term="twin", subgroup="after").estimate) < 1e-9


def test_far_apart_units_change_nothing():
    far = TABLE.assign(age=TABLE["age"] * 1e6 + 1e9, arrests=TABLE["arrests"] / 1e5)
    plain, made = (
        matching.entropy_balance(t, treated="arm", covariates=["age", "arrests"])
        for t in (TABLE, far)
    )
    assert made.table["weight"].to_numpy() == approx(plain.table["weight"].to_numpy(), rel=1e-7)


def test_a_dual_that_does_not_settle_is_said_as_that():
    fault = _weights._beyond("comparison", [])
    assert str(fault) == (
        "entropy balance of the comparison cases did not settle; use fewer covariates or moments."
    )


@pytest.mark.parametrize("moments", [0, 1.5, True])
def test_moments_that_make_no_sense_are_refused(moments):
    assert infeasible(TABLE, ["age"], moments=moments) == (
        "moments must be a whole number of at least 1."
    )


# What all have in common


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    ("change", "fault", "message"),
    [
        ({"estimand": "ATT"}, DesignError, 'no estimand "ATT" here. Nearest: "att".'),
        ({"estimand": "atm"}, DesignError, 'no estimand "atm" here. Nearest: "at'),
        ({"treated": "arms"}, DataError, 'no column "arms" (treated). Nearest: "arm".'),
        ({"treated": "age"}, DataError, 'column "age" (treated) must hold true and false, or the'),
        ({"covariates": ["ages"]}, DataError, 'no column "ages" (covariate). Nearest: "age".'),
        ({"covariates": []}, DesignError, "no covariate is named"),
        ({"covariates": ["gap"]}, DataError, '1 of 300 rows have no value in column "gap" (covar'),
        ({"covariates": ["age", "one"]}, DesignError, "one"),
        ({"covariates": ["day"]}, DataError, 'covariate "day" holds dates; turn it into days fir'),
        ({"max_smd": -1}, DesignError, "max_smd must be a number above 0."),
    ],
)
def test_refusals(maker, change, fault, message):
    table = TABLE.assign(gap=[math.nan, *range(299)], one=1.0, day=pd.Timestamp("2024-01-01"))
    with pytest.raises(fault) as error:
        MAKERS[maker](table, **{"treated": "arm", "covariates": ["age"], **change})
    assert message in str(error.value)
    if change.get("covariates") == ["age", "one"]:
        assert "never var" in str(error.value)


@pytest.mark.parametrize("maker", MAKERS)
def test_an_empty_arm_and_no_table_are_refused(maker):
    with pytest.raises(DesignError) as error:
        MAKERS[maker](TABLE[TABLE["arm"] == "programme"], **NAMES)
    assert str(error.value) == 'nobody is in the comparison group (column "arm").'
    with pytest.raises(DataError) as error:
        MAKERS[maker]([1, 2], **NAMES)
    assert str(error.value) == "a table (pandas DataFrame) is needed, not a list."


@pytest.mark.parametrize("maker", MAKERS)
def test_a_column_that_the_design_would_write_is_refused(maker):
    with pytest.raises(DataError) as error:
        MAKERS[maker](TABLE.assign(weight=1.0), **NAMES)
    assert str(error.value) == (
        'the table already has a column "weight", which the design would write. Rename it first.'
    )
    if maker in ("subclass", "cem"):
        with pytest.raises(DataError) as error:
            MAKERS[maker](TABLE.assign(matched_set=1), **NAMES)
        assert 'already has a column "matched_set"' in str(error.value)


@pytest.mark.parametrize("maker", ["subclass", "propensity_weights"])
def test_separation_is_named(maker):
    table = TABLE.assign(offered=TABLE["arm"] == "programme")
    with pytest.raises(DesignError) as error:
        MAKERS[maker](table, treated="arm", covariates=["age", "offered"])
    assert "(separation) by: offered" in str(error.value)


@pytest.mark.parametrize("maker", MAKERS)
def test_the_table_that_was_given_is_left_as_it_was(maker):
    before = TABLE.copy(deep=True)
    made = MAKERS[maker](TABLE, **NAMES)
    pd.testing.assert_frame_equal(before, TABLE)
    pd.testing.assert_frame_equal(made.table[list(TABLE.columns)], TABLE.loc[made.table.index])
    assert made.covariates == tuple(NAMES["covariates"])
    text = MAKERS[maker](TABLE, treated="arm", covariates="age + arrests").covariates
    assert text == "age + arrests"


@pytest.mark.parametrize("maker", MAKERS)
def test_describe_reads_like_a_methods_section(maker):
    said = MAKERS[maker](TABLE, **NAMES).describe()
    first = {
        "subclass": "The propensity score, the probability of being in the programme, was estima",
        "cem": "Cases were matched exactly on coarsened covariates: age in 10 bins of equal widt",
        "propensity_weights": "The propensity score, the probability of being in the programme,",
        "entropy_balance": "Cases were weighted by entropy balance on age, arrests, married, sit",
    }[maker]
    assert said.startswith(first)
    assert "The effect is the average over" in said
    assert "The largest standardised mean difference that remains is" in said
    if "score" in first:
        assert '(site against "south")' in said
    assert "nan" not in said


def test_the_design_matrix_is_what_entropy_balance_balances():
    """A formula's own columns are balanced, though balance is shown on those of the table."""
    made = matching.entropy_balance(TABLE, treated="arm", covariates="log(age) + arrests")
    t, w = programme(made), made.table["weight"].to_numpy()
    x = design_matrix(TABLE, "log(age) + arrests").matrix
    assert w[~t] @ x[~t] / w[~t].sum() == approx(x[t].mean(axis=0), abs=1e-9)
