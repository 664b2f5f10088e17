"""Nearest-neighbour matching: who is matched to whom, what is said of it, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from drive_eval.errors import DataError, DesignError, DesignWarning
from drive_eval.models import _nearest
from drive_eval.models._regression import logistic
from drive_eval.models._score import propensity
from drive_eval.models.matching import nearest

approx = pytest.approx

# One covariate, so that the nearest score is the nearest age and the score rises with age.
PROGRAMME = [30, 40, 43, 50]
COMPARISON = [20, 24, 29, 33, 38, 42, 44]


def ages(programme=PROGRAMME, comparison=COMPARISON, **columns):
    table = pd.DataFrame(
        {
            "arm": ["programme"] * len(programme) + ["comparison"] * len(comparison),
            "age": [*programme, *comparison],
        },
        index=[f"p{age}" for age in programme] + [f"c{age}" for age in comparison],
    )
    return table.assign(**columns)


def people(size=400, seed=3):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.normal(35, 9, size),
            "prior": rng.poisson(1.5, size),
            "site": rng.choice(["north", "south", "west"], size),
        }
    )
    line = -1.5 + 0.05 * (table["age"] - 35) + 0.3 * (table["prior"] - 1.5)
    return table.assign(treated=rng.random(size) < 1 / (1 + np.exp(-line)))


def by_age(table=None, *, check=None, **options):
    table = ages() if table is None else table
    options = {"caliper_sd": None, **options}
    found = nearest(table, treated="arm", covariates=["age"], **options)
    if check is not None:
        names = ("ratio", "replace", "exact", "unit")
        check(found, table, **{name: options[name] for name in names if name in options})
    return found


def pairs(found):
    return [
        f"{a} {b}" for a, b in zip(found.pairs["treated"], found.pairs["comparison"], strict=True)
    ]


# Who chooses whom


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("largest", ["p48 c42", "p40 c60", "p41 c30"]),
        ("smallest", ["p48 c60", "p40 c42", "p41 c30"]),
        ("closest", ["p48 c60", "p40 c30", "p41 c42"]),
        ("data", ["p48 c42", "p40 c30", "p41 c60"]),
    ],
)
def test_the_order_decides_who_gets_whom(order, expected, check_matched):
    table = ages([48, 40, 41], [30, 42, 60, 62, 1, 2, 3, 4, 5])
    assert pairs(by_age(table, order=order, check=check_matched)) == expected


def test_a_random_order_is_that_of_its_seed(check_matched):
    orders = [
        pairs(by_age(order="random", rng=np.random.default_rng(seed), check=check_matched))
        for seed in (1, 1, 2, 3, 4, 5)
    ]
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) > 1


def test_with_replacement_everybody_has_the_nearest(check_matched):
    found = by_age(replace=True, check=check_matched)
    assert pairs(found) == ["p30 c29", "p40 c42", "p43 c44", "p50 c44"]
    assert found.variance == "HC3"
    assert found.table["matched_set"].isna().all()
    comparison = found.table.query("arm == 'comparison'")["weight"]
    assert comparison.to_dict() == approx({"c29": 0.75, "c42": 0.75, "c44": 1.5})


def test_second_matches_come_after_all_first_ones(check_matched):
    found = by_age(ratio=2, order="smallest", check=check_matched)
    assert pairs(found) == [
        "p30 c29", "p30 c33", "p40 c42", "p40 c24", "p43 c44", "p43 c20", "p50 c38",
    ]  # fmt: skip
    weights = found.table["weight"]
    assert weights["c38"] == 2 * weights["c42"]
    assert weights[weights.index.str.startswith("c")].sum() == approx(7)
    assert found.variance == "sets"


def test_pairs_agree_on_the_exact_columns(check_matched):
    site = ["a", "a", "b", "b", *"aabbaab"]
    found = by_age(ages(site=site), exact="site", check=check_matched)
    assert pairs(found) == ["p30 c24", "p40 c42", "p43 c33", "p50 c44"]
    sex = [1, 2, 1, 2, *[1, 2, 1, 2, 1, 2, 1]]
    both = by_age(ages(site=site, sex=sex), exact=["site", "sex"], check=check_matched)
    assert pairs(both) == ["p30 c38", "p40 c42", "p43 c44", "p50 c33"]


def test_a_comparison_person_with_several_rows_is_used_once(check_matched):
    who = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "J"]
    found = by_age(ages(who=who), unit="who", order="closest", check=check_matched)
    assert pairs(found) == ["p30 c29", "p40 c38", "p43 c44", "p50 c33"]  # c42 is J, like c44


def test_nobody_is_matched_to_another_row_of_the_same_person(check_matched):
    who = ["A", "B", "C", "D", "E", "F", "A", "H", "B", "C", "D"]
    found = by_age(ages(who=who), unit="who", check=check_matched)
    assert pairs(found) == ["p30 c24", "p40 c33", "p43 c44", "p50 c42"]
    found = by_age(ages(who=who), unit="who", replace=True, check=check_matched)
    assert pairs(found) == ["p30 c33", "p40 c42", "p43 c44", "p50 c42"]


def test_with_replacement_a_set_holds_a_person_once(check_matched):
    who = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "J"]
    found = by_age(ages(who=who), unit="who", ratio=2, replace=True, check=check_matched)
    assert [p for p in pairs(found) if p.startswith("p43")] == ["p43 c44", "p43 c38"]


def test_of_two_at_the_same_distance_the_higher_score_is_taken():
    table = ages([30, 41, 47], [28, 32, 40, 45, 20])
    assert pairs(by_age(table, order="smallest"))[0] == "p30 c32"


def test_equal_scores_are_taken_from_the_place_of_the_case():
    table = ages([30, 45], [33, 33, 27, 27, 46, 20]).reset_index(drop=True)
    assert by_age(table, order="smallest").pairs["comparison"].tolist() == [2, 6]
    table = ages([30, 45], [34, 34, 27, 27, 46, 20]).reset_index(drop=True)
    assert by_age(table, order="smallest").pairs["comparison"].tolist() == [5, 6]


def test_who_chooses_first_by_default():
    table = people()
    shared = {"treated": "treated", "covariates": ["age", "prior"], "caliper_sd": 0.5}
    for distance, order, words in (
        ("score", "largest", "cases with the highest score chose first"),
        ("mahalanobis", "data", "cases chose in the order of the table"),
    ):
        found = nearest(table, **shared, distance=distance)
        assert found.pairs.equals(nearest(table, **shared, distance=distance, order=order).pairs)
        assert words in found.describe()


def test_the_nearest_by_mahalanobis_distance(check_matched):
    table = people()
    found = nearest(
        table, treated="treated", covariates=["age", "prior"], distance="mahalanobis",
        caliper_sd=0.5, order="data",
    )  # fmt: skip
    line = np.log(found.score / (1 - found.score))
    check_matched(found, table, line=line, width=0.5 * line.std())
    x = table[["age", "prior"]].to_numpy(dtype=float)
    arm = table["treated"].to_numpy()
    within = sum(
        (rows - rows.mean(axis=0)).T @ (rows - rows.mean(axis=0)) for rows in (x[arm], x[~arm])
    )
    inverse = np.linalg.inv(within / (len(x) - 2))
    gap = x[found.pairs["treated"]] - x[found.pairs["comparison"]]
    expected = np.sqrt(np.einsum("ij,jk,ik->i", gap, inverse, gap))
    assert found.pairs["distance"].to_numpy() == approx(expected)


def test_a_stretch_of_equal_scores_costs_no_more_than_another():
    # Looking at each taken neighbour in turn would take hours here.
    treated = np.arange(200_000) % 4 == 0
    found = _nearest.match(
        np.zeros(len(treated)), treated, ratio=3, replace=False, caliper=0.2, order="largest"
    )
    assert len(set(found.comparison.tolist())) == 150_000


# What is handed over


def test_the_matched_table_is_part_of_the_table_that_was_given(check_matched):
    table = ages(note=range(11))
    before = table.copy()
    found = by_age(table, caliper_sd=0.6, check=check_matched)
    pd.testing.assert_frame_equal(table, before)
    assert list(found.table.columns) == ["arm", "age", "note", "weight", "matched_set"]
    assert found.pairs["distance"].is_monotonic_increasing is False
    sets = found.table["matched_set"]
    for number, pair in enumerate(pairs(found), start=1):
        assert set(sets.index[sets == number]) == set(pair.split())
    assert (found.table["weight"] == 1).all()
    assert found.covariates == ("age",)


def test_dropped_cases_change_the_estimand(check_matched):
    kept, dropped = by_age(check=check_matched), by_age(caliper_sd=0.3, check=check_matched)
    assert (kept.estimand, dropped.estimand) == ("att", "atm")
    assert kept.balance.check("unmatched").passed
    check = dropped.balance.check("unmatched")
    assert (check.passed, check.statistic) == (False, 1)
    assert check.text.endswith("Of these, 1 had no comparison case within the caliper.")
    assert dropped.flow["programme", "unmatched"] == 1
    assert dropped.flow["comparison", "all"] == 7


def test_each_reason_for_having_no_match_is_counted(check_matched):
    programme, comparison = [20, 30, 31, 32, 44, 60, 33], [21, 31, 32, 45, 18, 19, 22, 46]
    site = ["a"] * 6 + ["b"] + ["a"] * 8
    table = ages(programme, comparison, site=site)
    found = by_age(table, caliper_sd=0.2, exact="site", check=check_matched)
    text = found.balance.check("unmatched").text
    assert text.startswith("3 of 7 programme cases have no match and were left out")
    assert text.endswith(
        "Of these, 1 had no comparison case that agrees on site; 1 had no comparison case within "
        "the caliper; for 1 all comparison cases within the caliper were already matched to others."
    )


def test_what_a_reader_must_know_is_checked():
    found = nearest(people(), treated="treated", covariates=["age", "prior", "site"])
    names = [check.name for check in found.balance.checks]
    assert names == ["unmatched", "overlap", "parameters", "ties", "worst_smd"]
    parameters = found.balance.check("parameters")
    assert parameters.statistic == approx(people()["treated"].sum() / 5)
    assert found.balance.check("worst_smd").threshold == 0.1
    strict = nearest(
        people(), treated="treated", covariates=["age", "prior", "site"], max_smd=0.001
    )
    assert strict.balance.check("worst_smd").passed is False
    assert found.balance.provenance.call == "matching.nearest"


def test_the_description_can_be_pasted_into_a_methods_section():
    found = nearest(
        people(), treated="treated", covariates=["age", "prior", "site"], ratio=2, exact="site"
    )
    said = found.describe()
    width = 0.2 * np.log(found.score / (1 - found.score)).std()
    sizes = found.pairs.groupby("treated").size().value_counts().sort_index()
    for sentence in (
        "Each programme case was matched to up to 2 comparison cases by nearest neighbour on the "
        "logit of the propensity score, without replacement; cases with the highest score chose "
        "first, and nobody chose again before all had chosen.",
        "Sets by their number of comparison cases: "
        + ", ".join(f"{count} with {size}" for size, count in sizes.items())
        + ".",
        "The propensity score, the probability of being in the programme, was estimated by "
        'logistic regression on age, prior, site (site against "',
        f"Matches lie within a caliper of 0.2 standard deviations of the logit of the propensity "
        f"score over all cases, a width of {width:.4g}.",
        "Matched cases agree on site.",
        "programme cases have a propensity score of at least the programme's median; ",
        found.balance.check("worst_smd").text,
    ):
        assert said.count(sentence) == 1
    assert repr(found) == (
        f"<Matched by matching.nearest, {found.estimand}: {found.flow['programme', 'matched']} of "
        f"{found.flow['programme', 'all']} programme and {found.flow['comparison', 'matched']} of "
        f"{found.flow['comparison', 'all']} comparison cases>"
    )


def test_equal_weights_are_not_said_to_be_worth_anything_else():
    assert "worth" not in by_age().describe()
    said = by_age(replace=True).describe()
    assert "4 of 4 programme cases were matched.\n" in said
    assert "3 of 7 comparison cases were matched, worth 2.7 equally weighted ones." in said
    alone = by_age(ages([30], COMPARISON), caliper_sd=0.5).describe()
    assert "1 of 1 programme cases was matched.\n" in alone
    assert "1 programme case has a propensity score of at least the programme's median; " in alone


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "matched to one comparison case by nearest neighbour on the logit"),
        ({}, "No caliper was set: a match may be far away."),
        ({}, "was estimated by logistic regression on age."),
        ({}, "cases with the highest score chose first."),
        ({"order": "smallest"}, "cases with the lowest score chose first."),
        ({"order": "closest"}, "the closest pairs were made first."),
        ({"order": "data"}, "cases chose in the order of the table."),
        (
            {"order": "random", "rng": np.random.default_rng(1)},
            "cases chose in an order drawn at random (another seed gives other pairs).",
        ),
        ({"replace": True}, "on the logit of the propensity score, with replacement."),
        ({"caliper_scale": "probability"}, "neighbour on the propensity score, without"),
        ({"caliper_sd": 0.5, "caliper_scale": "probability"}, "deviations of the propensity score"),
        ({"distance": "mahalanobis"}, "on the Mahalanobis distance of the covariates, without"),
        ({"unit": "who"}, "No comparison who was used more than once, and no case was matched"),
        ({"unit": "who", "replace": True}, "No comparison who was used more than once in a set"),
    ],
)
def test_every_choice_is_described(options, sentence):
    assert sentence in by_age(ages(who=range(11)), **options).describe()


def test_poor_overlap_is_said_once():
    for programme in ([30, 40, 43, 50], [30, 40, 50, 60, 61, 62]):
        found = by_age(ages(programme, COMPARISON))
        assert found.describe().count("outside the range of the comparison cases") == 1


def test_fewer_comparison_than_programme_cases_are_warned_of(check_matched):
    table = ages([30, 31, 32, 33], [31, 32, 29])
    with pytest.warns(
        DesignWarning,
        match=r"there are 3 comparison cases for 4 programme cases, so at least 1 of these have no "
        r"match without replacement and the effect is that on the others \(atm\)\. Use "
        "replace=True or weights",
    ):
        found = by_age(table, check=check_matched)
    assert found.estimand == "atm"
    assert found.balance.check("unmatched").text.endswith(
        "Of these, for 1 all comparison cases were already matched to others."
    )
    with pytest.warns(DesignWarning, match="there are 2 comparison persons for 4 programme cases"):
        by_age(table.assign(who=[1, 2, 3, 4, 5, 5, 6]), unit="who")
    by_age(table, replace=True)  # no warning


# The score


def test_the_score_is_that_of_statsmodels():
    table = people()
    ours = propensity(table, treated="treated", covariates=["age", "prior"])
    x = sm.add_constant(table[["age", "prior"]].astype(float))
    theirs = sm.Logit(table["treated"].astype(float), x).fit(disp=0, tol=1e-12)
    assert ours.coefficients == approx(theirs.params.to_numpy(), abs=1e-9)
    assert ours.probability == approx(theirs.predict(x).to_numpy(), abs=1e-9)


def test_what_weights_need_of_the_score_is_what_a_regression_has():
    table = people()
    score = propensity(table, treated="treated", covariates="age + prior + C(site)")
    matrix = np.column_stack([np.ones(len(table)), score.design.matrix])
    fit = logistic(matrix, score.treated.astype(float), ("Intercept", *score.design.names))
    assert score.influence == approx(fit.influence, abs=1e-14)
    assert score.influence.sum(axis=0) == approx(0, abs=1e-10)
    step = 1e-6 * np.eye(matrix.shape[1])
    for column, move in enumerate(step):
        up, down = (1 / (1 + np.exp(-matrix @ (score.coefficients + s * move))) for s in (1, -1))
        assert score.slopes[:, column] == approx((up - down) / 2e-6, abs=1e-6)


def test_ill_conditioned_covariates_are_fitted_all_the_same():
    table = people()
    year = 2000 + 1e-4 * (table["age"] - 35)  # hardly varies beside its size
    plain = propensity(table, treated="treated", covariates=["age"]).probability
    found = propensity(table.assign(year=year), treated="treated", covariates=["year"])
    assert found.probability == approx(plain, abs=1e-6)


# What is refused


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"order": "larges"}, 'no order "larges". Nearest: "largest".'),
        ({"caliper_scale": "logits"}, 'no caliper_scale "logits". Nearest: "logit".'),
        ({"distance": "euclid"}, 'no distance "euclid". Valid: "score", "mahalanobis".'),
        ({"ratio": 0}, "ratio must be a whole number of at least 1."),
        ({"ratio": 1.5}, "ratio must be a whole number of at least 1."),
        ({"ratio": True}, "ratio must be a whole number of at least 1."),
        ({"caliper_sd": 0}, "caliper_sd must be a number of standard deviations above 0, or None"),
        ({"caliper_sd": -1.0}, "caliper_sd must be a number of standard deviations above 0"),
        ({"caliper_sd": float("nan")}, "caliper_sd must be a number of standard deviations"),
        ({"caliper_sd": "0.2"}, "caliper_sd must be a number of standard deviations above 0"),
        ({"order": "random"}, 'order="random" needs rng, a NumPy generator with a seed'),
        ({"order": "random", "rng": 7}, 'order="random" needs rng, a NumPy generator'),
        ({"rng": np.random.default_rng(1)}, 'rng has no use with order="largest"; leave it out.'),
        ({"max_smd": 0}, "max_smd must be a number above 0."),
        ({"max_smd": True}, "max_smd must be a number above 0."),
        ({"caliper_sd": True}, "caliper_sd must be a number of standard deviations above 0"),
        ({"replace": "yes"}, "replace must be True or False."),
        ({"exact": None}, "exact must be the name of a column or a list of names, not a NoneType."),
        ({"exact": 3}, "exact must be the name of a column or a list of names, not a int."),
        ({"order": ["largest"]}, 'no order "[\'largest\']". Nearest: "largest".'),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(options, sentence):
    with pytest.raises(DesignError) as caught:
        by_age(**options)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "options", "sentence"),
    [
        ({}, {"exact": "sites"}, 'no column "sites" (exact).'),
        ({"site": "a"}, {"exact": ["sit"]}, 'no column "sit" (exact). Nearest: "site".'),
        ({}, {"unit": "who"}, 'no column "who" (unit).'),
        ({"site": [None, *"aaaaaaaaaa"]}, {"exact": "site"}, "1 of 11 rows have no value"),
        ({"who": [np.nan] * 2 + [1] * 9}, {"unit": "who"}, "2 of 11 rows have no value"),
        ({"weight": 1}, {}, 'already has a column "weight", which'),
        ({"matched_set": 1}, {}, 'already has a column "matched_set"'),
        ({"age": [np.nan, *range(10)]}, {}, 'no value in column "age" (covariate)'),
        ({"age": [np.inf, *range(10)]}, {}, "a covariate is not finite in some rows"),
        ({"arm": "progamme"}, {}, 'column "arm" (treated) must hold true and false'),
        ({}, {"unit": ["arm"]}, "unit must be the name of one column, in quotes, not a list."),
        ({"arm": range(11)}, {}, 'column "arm" (treated) must hold true and false'),
        ({"arm": [None, *[True] * 5, *[False] * 5]}, {}, 'no value in column "arm" (treated)'),
    ],
)
def test_a_table_that_cannot_be_matched_is_refused(columns, options, sentence):
    with pytest.raises(DataError) as caught:
        by_age(ages(**columns), **options)
    assert sentence in str(caught.value)


def test_an_unknown_column_is_answered_with_the_nearest():
    with pytest.raises(DataError, match=r'no column "arn" \(treated\). Nearest: "arm".'):
        nearest(ages(), treated="arn", covariates=["age"])
    with pytest.raises(DataError, match=r'no column "agee" \(covariate\). Nearest: "age".'):
        nearest(ages(), treated="arm", covariates=["agee"])
    with pytest.raises(DataError, match="a table .pandas DataFrame. is needed, not a dict"):
        nearest({"arm": [True]}, treated="arm", covariates=["age"])


@pytest.mark.parametrize("treated", [None, ["arm"], ages()["arm"]])
def test_the_arms_are_named_by_their_column(treated):
    with pytest.raises(DataError) as caught:
        nearest(ages(), treated=treated, covariates=["age"])
    assert str(caught.value) == (
        f"treated must be the name of one column, in quotes, not a {type(treated).__name__}."
    )


@pytest.mark.parametrize("covariates", [["age", "arm"], "age + C(arm)", "arm"])
def test_the_arms_are_no_covariate(covariates):
    with pytest.raises(DesignError) as caught:
        nearest(ages(), treated="arm", covariates=covariates)
    assert str(caught.value) == (
        'column "arm" (treated) stands among the covariates too: it cannot be explained by itself. '
        "Leave it out of them."
    )


def test_numbers_of_numpy_are_numbers_and_ones_and_zeros_are_arms():
    plain = by_age(ratio=2, caliper_sd=0.5)
    table = ages()
    table["arm"] = (table["arm"] == "programme").astype(int)
    found = by_age(table, ratio=np.int64(2), caliper_sd=np.float32(0.5), replace=np.bool_(False))
    assert pairs(found) == pairs(plain)


def test_a_level_that_separates_is_named_as_balance_names_it():
    table = people()
    table.loc[table.index[table["treated"]][:5], "site"] = "mars"
    with pytest.raises(DesignError, match=r"\(separation\) by: site: mars\. They have nobody"):
        nearest(table, treated="treated", covariates=["age", "site"])


def test_rows_that_cannot_be_told_apart_are_refused():
    table = ages().set_axis(["x", "x", *range(9)])
    with pytest.raises(
        DataError,
        match=r"1 of 11 rows repeat the index label of another, so pairs could not be named\. Use "
        r"table\.reset_index\(drop=True\)\.",
    ):
        by_age(table)


def test_an_empty_group_is_refused():
    with pytest.raises(DesignError, match=r'nobody is in the comparison group \(column "arm"\)'):
        by_age(ages(arm=True))


def test_without_covariates_there_is_no_score():
    with pytest.raises(DesignError, match="no covariate is named; give at least one"):
        nearest(ages(), treated="arm", covariates=[])


def test_covariates_that_foretell_membership_are_named():
    table = people().assign(allocated=lambda t: t["treated"].astype(int) + 0.1 * (t["age"] > 35))
    with pytest.raises(DesignError) as caught:
        nearest(table, treated="treated", covariates=["age", "allocated", "prior"])
    text = str(caught.value)
    assert text.startswith(
        "membership of the programme is foretold without error for some people (separation) by: "
        "allocated. "
    )
    assert "Restrict both groups to people who could have been in either" in text
    assert "outcome" not in text


def test_a_score_that_is_the_same_for_everybody_is_refused():
    table = ages([20, 40], [20, 40, 20, 40]).reset_index(drop=True)
    with pytest.raises(DesignError, match="the propensity score is the same for everybody"):
        by_age(table, caliper_sd=0.2)


def test_a_match_that_finds_nobody_is_refused():
    site = ["a"] * 4 + ["b"] * 7
    with pytest.raises(DesignError) as caught:
        by_age(ages(site=site), exact="site")
    assert str(caught.value) == (
        "none of the 4 programme cases found a match. Of these, 4 had no comparison case that "
        "agrees on site. Widen the caliper or drop it, agree on fewer columns, or find a "
        "comparison group that is more alike."
    )
    with pytest.raises(DesignError, match="Of these, 4 had no comparison case within the caliper"):
        by_age(caliper_sd=1e-6)
    table = ages([30, 40], [29, 41], who=["A", "B", "A", "B"]).assign(age=[30, 41, 29, 40])
    with pytest.raises(DesignError, match='matched to others or are rows of the same "who"'):
        by_age(table.assign(site=["x", "y", "x", "y"]), unit="who", exact="site")


def test_who_could_have_been_taken_instead_is_counted():
    table = pd.DataFrame(
        {
            "programme": [True] * 4 + [False] * 7,
            "age": [24, 31, 38, 26, 24, 24, 31, 31, 38, 45, 51],
        }
    )
    found = nearest(table, treated="programme", covariates=["age"], caliper_sd=None)
    ties = found.balance.check("ties")
    taken = found.pairs["comparison"].tolist()
    open_ = [a for a, b in ((4, 5), (5, 4), (6, 7), (7, 6)) if a in taken and b not in taken]
    assert ties.statistic == len(open_) > 0
    assert ties.passed is False
    assert ties.text.startswith("4 of 7 comparison cases share their score with another.")
    alone = table.assign(age=[24, 31, 38, 26, 22, 23, 30, 33, 40, 45, 51])
    none = nearest(alone, treated="programme", covariates=["age"], caliper_sd=None)
    assert none.balance.check("ties").passed
    assert none.balance.check("ties").text == "No two comparison cases have the same score."
