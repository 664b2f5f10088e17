"""Balance: what is shown, by what it is divided, and every sentence of refusal."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from drive_eval.errors import DataError, DesignError
from drive_eval.models import _balance, matching
from drive_eval.results import Check

approx = pytest.approx

# Twelve cases, small enough to check on paper.
TABLE = pd.DataFrame(
    {
        "arm": ["programme"] * 4 + ["comparison"] * 8,
        "age": [30, 32, 34, 36, 20, 24, 28, 32, 34, 36, 40, 50],
        "married": [True, True, False, True] + [False] * 6 + [True] * 2,
        "site": ["north", "north", "south", "east"] + ["south"] * 5 + ["north"] * 3,
        "region": [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3],
        "w": [1, 1, 1, 1, 0, 0, 0, 2, 1, 1, 0, 0],
    }
)
NAMES = {"treated": "arm", "covariates": ["age", "married", "site"]}


def value(found, measure, term, subgroup="before", group=""):
    return found.one(measure=measure, term=term, subgroup=subgroup, group=group).estimate


# What is shown


def test_by_hand_before():
    found = matching.balance(TABLE, **NAMES)
    assert value(found, "mean", "age", group="programme") == 33
    assert value(found, "mean", "age", group="comparison") == 33
    assert value(found, "std_dev", "age", group="programme") == approx(math.sqrt(20 / 3))
    assert value(found, "smd", "age") == 0
    comparison = np.var([20, 24, 28, 32, 34, 36, 40, 50], ddof=1)
    assert value(found, "variance_ratio", "age") == approx(20 / 3 / comparison)
    # Distances of the two distributions at 20, 24, 28, 30, 32, 34, 36, 40, 50
    apart = [1 / 8, 2 / 8, 3 / 8, 1 / 8, 0, 1 / 8, 1 / 4, 1 / 8, 0]
    assert value(found, "ecdf_max", "age") == approx(max(apart))
    assert value(found, "ecdf_mean", "age") == approx(sum(apart) / 9)
    assert found.one(measure="ess", group="comparison").estimate == approx(8)


def test_by_hand_after():
    found = matching.balance(TABLE, **NAMES, weights="w")
    assert value(found, "mean", "age", "after", "comparison") == 33.5
    spread = math.sqrt((2 * 1.5**2 + 0.5**2 + 2.5**2) / 4 / (1 - 6 / 16))
    assert value(found, "std_dev", "age", "after", "comparison") == approx(spread)
    assert value(found, "smd", "age", "after") == approx(-0.5 / math.sqrt(20 / 3))
    ess = found.one(measure="ess", group="comparison", subgroup="after")
    assert ess.estimate == approx(16 / 6)
    assert ess.n == 3


def test_zeros_and_ones_are_shares_without_a_variance_ratio():
    found = matching.balance(TABLE, **NAMES)
    assert value(found, "mean", "married", group="programme") == 0.75
    assert value(found, "std_dev", "married", group="programme") == approx(math.sqrt(0.1875))
    assert value(found, "smd", "married") == approx(0.5 / math.sqrt(0.1875))
    assert value(found, "variance_ratio", "married") is None
    assert value(found, "ecdf_max", "married") == 0.5
    assert [check.name for check in found.checks] == ["worst_smd"]


def test_every_level_is_shown_also_the_reference():
    found = matching.balance(TABLE, **NAMES)
    terms = list(dict.fromkeys(e.term for e in found.estimates if e.term))
    assert terms == ["age", "married", "site: east", "site: north", "site: south"]


def test_a_categorical_keeps_its_order_and_shows_only_levels_that_occur():
    order = pd.CategoricalDtype(["south", "west", "north", "east"])
    found = matching.balance(
        TABLE.assign(site=TABLE["site"].astype(order)), treated="arm", covariates=["site"]
    )
    terms = list(dict.fromkeys(e.term for e in found.estimates if e.term))
    assert terms == ["site: south", "site: north", "site: east"]


def test_a_formula_is_shown_on_the_columns_it_names():
    found = matching.balance(TABLE, treated="arm", covariates="log(age) + C(region) + married")
    terms = list(dict.fromkeys(e.term for e in found.estimates if e.term))
    assert terms == ["age", "region: 1", "region: 2", "region: 3", "married"]


def test_estimates_stand_by_covariate_before_and_after():
    found = matching.balance(TABLE, **NAMES, weights="w")
    first = [(e.term, e.subgroup, e.measure, e.group) for e in found.estimates[:16]]
    measures = [
        ("mean", "programme"),
        ("std_dev", "programme"),
        ("mean", "comparison"),
        ("std_dev", "comparison"),
        ("smd", ""),
        ("variance_ratio", ""),
        ("ecdf_mean", ""),
        ("ecdf_max", ""),
    ]
    assert first == [("age", when, *m) for when in ("before", "after") for m in measures]
    assert {e.claim for e in found.estimates} == {"descriptive"}
    assert {e.p_value for e in found.estimates} == {None}


def test_without_weights_there_is_no_after():
    assert {e.subgroup for e in matching.balance(TABLE, **NAMES).estimates} == {"before"}


@pytest.mark.parametrize(
    ("estimand", "unit"),
    [("att", 0.1875), ("atm", 0.1875), ("atc", 0.1875), ("ate", 0.1875), ("ato", 0.1875)],
)
def test_by_whose_spread_differences_are_divided(estimand, unit):
    found = matching.balance(TABLE, **NAMES, estimand=estimand)
    assert value(found, "smd", "married") == approx(0.5 / math.sqrt(unit))
    one, other = 20 / 3, np.var([20, 24, 28, 32, 34, 36, 40, 50], ddof=1)
    wanted = {"att": one, "atm": one, "atc": other}.get(estimand, (one + other) / 2)
    shifted = TABLE.assign(age=TABLE["age"] + (TABLE["arm"] == "programme"))
    found = matching.balance(shifted, treated="arm", covariates=["age"], estimand=estimand)
    assert value(found, "smd", "age") == approx(1 / math.sqrt(wanted))


def test_the_unit_never_is_the_spread_after():
    found = matching.balance(TABLE, **NAMES, weights="w", estimand="atc")
    unit = np.std([20, 24, 28, 32, 34, 36, 40, 50], ddof=1)
    assert value(found, "smd", "age", "after") == approx(-0.5 / unit)


def test_where_the_unit_does_not_vary_the_spread_of_all_rows_is_used_and_said():
    table = TABLE.assign(
        male=[1, 1, 1, 1] + [0, 1] * 4, visits=[2, 2, 2, 2, 1, 2, 3, 4, 5, 6, 7, 8]
    )
    found = matching.balance(table, treated="arm", covariates=["male", "visits"])
    assert value(found, "smd", "male") == approx(0.5 / math.sqrt(8 / 12 * 4 / 12))
    assert value(found, "smd", "visits") == approx(-2.5 / table["visits"].std())
    assert found.check("spread").text == (
        "The group whose spread is the unit does not vary; the spread of all rows is used for "
        "male, visits."
    )
    found = matching.balance(
        table, treated="arm", covariates=["visits"], weights=[1] * 4 + [0, 1] + [0] * 6
    )
    assert value(found, "variance_ratio", "visits", "after") is None
    assert found.check("variance_ratio").text == (
        "A group does not vary, so there is no ratio of variances for visits."
    )
    assert value(found, "std_dev", "visits", "after", "comparison") is None  # one row is no spread


def test_a_score_comes_first_and_is_not_held_to_the_limit():
    score = np.linspace(0.9, 0.1, 12)
    found = matching.balance(TABLE, treated="arm", covariates=["age"], score=score)
    assert found.estimates[0].term == "propensity score"
    assert abs(value(found, "smd", "propensity score")) > 1
    assert found.check("worst_smd").passed
    overlap = found.check("overlap")
    assert overlap.passed is False
    assert overlap.statistic == 1.0
    assert overlap.text == (
        "4 of 4 programme cases have a propensity score outside the range of the comparison "
        "cases, and 8 of 8 comparison cases outside that of the programme cases. That is 100% of "
        "those whom the estimand speaks of: there is nobody to compare them with, and overlap "
        "weights or a narrower population would be better."
    )


def test_the_worst_difference_is_named_and_held_to_the_limit():
    found = matching.balance(TABLE, **NAMES)
    check = found.check("worst_smd")
    assert check.passed is False
    assert check.threshold == 0.1
    assert check.statistic == approx(0.5 / math.sqrt(0.1875))
    assert check.text.startswith(
        "4 of 5 covariate columns differ by more than 0.1 standard deviations before adjustment: "
        "married (1.155), "
    )
    found = matching.balance(TABLE, treated="arm", covariates=["age"], weights="w", max_smd=0.25)
    assert found.check("worst_smd").passed
    assert found.check("worst_smd").text == (
        "No covariate differs by more than 0.25 standard deviations after adjustment; the largest "
        "is age (0.194)."
    )


def test_a_series_of_weights_is_taken_by_its_labels():
    straight = matching.balance(TABLE, **NAMES, weights=TABLE["w"])
    turned = matching.balance(TABLE, **NAMES, weights=TABLE["w"].iloc[::-1])
    assert turned.estimates == straight.estimates


def test_many_rows_with_values_of_all_sizes():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"x": rng.normal(size=100_000), "b": rng.random(100_000) < 0.2})
    table["t"] = rng.random(100_000) < 0.1
    found = matching.balance(table, treated="t", covariates=["x", "b"], weights=rng.random(100_000))
    t, x = table["t"], table["x"]
    assert value(found, "smd", "x") == approx((x[t].mean() - x[~t].mean()) / x[t].std())


# The shared checks and the flow


def test_flow_has_atoms_and_totals():
    treated = np.array([True, True, False, False, False])
    kept = np.array([True, False, True, True, False])
    flow = _balance.flow(treated, kept, stages=("matched", "unmatched"), title="Who was matched")
    assert flow.name == "matching"
    assert flow.dimensions == ("group", "stage")
    counted = {cell.key: cell.count for cell in flow.cells}
    assert counted == {
        ("programme", "matched"): 1,
        ("programme", "unmatched"): 1,
        ("comparison", "matched"): 2,
        ("comparison", "unmatched"): 1,
        ("programme", "all"): 2,
        ("comparison", "all"): 3,
    }
    assert [cell.key for cell in flow.cells if cell.parts] == [
        ("programme", "all"),
        ("comparison", "all"),
    ]


def test_who_was_left_out_is_said_but_few_are_not_described():
    treated = np.repeat([True, False], [40, 40])
    shown = [_balance.Column("age", np.arange(80.0) % 40, binary=False)]
    kept = np.ones(80, dtype=bool)
    check = _balance.check_unmatched(treated, kept, estimand="att", shown=shown)
    assert check == Check(
        name="unmatched",
        passed=True,
        statistic=0.0,
        text="Each of the 40 programme cases was kept.",
    )
    kept[30:40] = False
    check = _balance.check_unmatched(treated, kept, estimand="atm", shown=shown)
    assert check.passed is False
    assert check.statistic == 10
    assert check.text == (
        "10 of 40 programme cases have no match and were left out; the effect is the average over "
        "those programme cases for which a match was found (ATM), not over all of them. Those "
        "left out differ most in age (1.73 standard deviations higher)."
    )
    kept[30] = True
    few = _balance.check_unmatched(treated, kept, estimand="atm", shown=shown)
    assert few.text.endswith("not over all of them.")
    other = _balance.check_unmatched(treated, kept, estimand="atc", shown=shown)
    assert other.passed
    assert other.text == "Each of the 40 comparison cases was kept."
    everyone = _balance.check_unmatched(
        treated, kept, estimand="ate", why="have a score outside 0.1 to 0.9"
    )
    assert everyone.text == (
        "9 of 80 cases have a score outside 0.1 to 0.9 and were left out; the effect is the "
        "average over those cases that were kept, not over all of them."
    )


@pytest.mark.parametrize(
    ("estimand", "share"), [("att", 0.25), ("atm", 0.25), ("atc", 0.5), ("ate", 0.375)]
)
def test_overlap_counts_those_whom_the_estimand_speaks_of(estimand, share):
    treated = np.repeat([True, False], [4, 4])
    score = np.array([0.3, 0.4, 0.5, 0.9, 0.1, 0.2, 0.45, 0.6])
    check = _balance.check_overlap(treated, score, estimand=estimand)
    assert check.statistic == share
    assert check.threshold == 0.1
    assert check.passed is False
    same = _balance.check_overlap(treated, np.tile(score[:4], 2), estimand=estimand)
    assert same.passed
    assert "nobody to compare" not in same.text


def test_cases_per_parameter():
    treated = np.repeat([True, False], [45, 200])
    check = _balance.check_parameters(treated, 5)
    assert (check.passed, check.statistic, check.threshold) == (False, 9.0, 10.0)
    assert check.text == "45 cases in the smaller arm for 5 parameters of the propensity score."
    assert _balance.check_parameters(treated, 4).passed


# Refusals


@pytest.mark.parametrize(
    ("change", "fault", "message"),
    [
        ({"treated": "Arm"}, DataError, 'no column "Arm" (treated). Nearest: "arm".'),
        ({"treated": "site"}, DataError, 'column "site" (treated) must hold true and false'),
        ({"covariates": ["Age"]}, DataError, 'no column "Age" (covariate). Nearest: "age".'),
        ({"covariates": ["one"]}, DesignError, 'covariate "one" never varies; leave it out.'),
        ({"covariates": ["word"]}, DesignError, 'covariate "word" never varies; leave it out.'),
        ({"covariates": ["gap"]}, DataError, '1 of 12 rows have no value in column "gap"'),
        ({"covariates": ["far"]}, DataError, '2 rows of "far" (covariate) are not finite.'),
        ({"estimand": "attt"}, DesignError, 'no estimand "attt" here. Nearest: "att".'),
        ({"max_smd": 0}, DesignError, "max_smd must be a number above 0."),
        ({"max_smd": math.nan}, DesignError, "max_smd must be a number above 0."),
        ({"weights": "v"}, DataError, 'no column "v" (weights).'),
        ({"weights": "site"}, DataError, "weights must be numbers."),
        ({"weights": [1.0] * 11}, DataError, "weights: 11 values for 12 rows of the table; one"),
        ({"weights": 2.0}, DataError, "weights: 1 values for 12 rows of the table; one value"),
        ({"weights": [-1.0] * 3 + [1.0] * 9}, DataError, "weights: 3 of 12 rows have a weight bel"),
        ({"weights": [math.inf] + [1.0] * 11}, DataError, "weights: 1 of 12 rows are not finite."),
        ({"weights": [0] * 4 + [1] * 8}, DataError, "weights: every weight of the programme group"),
        ({"weights": [1] * 4 + [0] * 8}, DataError, "weights: every weight of the comparison gro"),
        ({"score": [0.5] * 12}, DesignError, "the score never varies; leave it out."),
        ({"score": [0.5]}, DataError, "score: 1 values for 12 rows of the table; one value a row"),
    ],
)
def test_refusals(change, fault, message):
    table = TABLE.assign(
        one=1.0,
        word="same",
        gap=[math.nan] + [1.0, 2.0] * 5 + [3.0],
        far=[math.inf, -math.inf] + [1.0, 2.0] * 5,
    )
    with pytest.raises(fault) as error:
        matching.balance(table, **{"treated": "arm", "covariates": ["age"], **change})
    assert message in str(error.value)


def test_an_empty_arm_is_refused():
    with pytest.raises(DesignError) as error:
        matching.balance(TABLE.head(4), **NAMES)
    assert str(error.value) == 'nobody is in the comparison group (column "arm").'


def test_a_series_that_misses_rows_is_refused():
    with pytest.raises(DataError) as error:
        matching.balance(TABLE, **NAMES, weights=TABLE["w"].head(9))
    assert str(error.value) == "weights: 3 of 12 rows of the table have no value."
    doubled = pd.concat([TABLE["w"], TABLE["w"]])
    with pytest.raises(DataError) as error:
        matching.balance(TABLE, **NAMES, weights=doubled)
    assert str(error.value) == "weights: the index labels of the rows are not unique."
