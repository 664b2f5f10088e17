"""Design matrices, fits and sandwich variances: what they accept, refuse and say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from drive_eval.errors import DataError, DesignError
from drive_eval.models import _regression as kernel

approx = pytest.approx


@pytest.fixture
def table():
    rng = np.random.default_rng(5)
    n = 120
    return pd.DataFrame(
        {
            "age": rng.normal(36, 9, n).round(),
            "home area": rng.choice(["north", "south", "west"], n, p=[0.2, 0.5, 0.3]),
            "employed": rng.random(n) < 0.4,
            "prior": rng.integers(0, 4, n),
            "y": rng.random(n) < 0.4,
            "street": np.arange(n) % 15,
        }
    )


def _matrix(table, covariates=("age", "home area", "employed")):
    design = kernel.design_matrix(table, list(covariates))
    x = np.column_stack([np.ones(len(table)), design.matrix])
    return x, ("Intercept", *design.names)


# Reference levels


def test_words_are_compared_with_their_commonest_level_and_it_is_said(table):
    design = kernel.design_matrix(table, ["age", "home area"])
    assert design.names == ("age", "home area[T.west]", "home area[T.north]")
    assert design.references == {"home area": "south"}
    assert design.describe() == 'home area against "south".'


def test_a_categorical_keeps_its_first_category_as_reference(table):
    levels = pd.CategoricalDtype(["west", "north", "south", "nowhere"])
    table["home area"] = table["home area"].astype(levels)
    design = kernel.design_matrix(table, "home area")
    assert design.references == {"home area": "west"}
    assert design.names == ("home area[T.north]", "home area[T.south]")


def test_equally_common_levels_are_broken_by_name_not_by_row_order():
    rows = pd.DataFrame({"site": ["b", "a", "b", "a"]})
    assert kernel.design_matrix(rows, ["site"]).references == {"site": "a"}
    assert kernel.design_matrix(rows.iloc[::-1], ["site"]).references == {"site": "a"}


def test_a_formula_may_name_its_reference(table):
    design = kernel.design_matrix(table, "C(`home area`, Treatment('north')) + C(prior)")
    assert set(design.references.values()) == {"north", "0"}


def test_true_and_false_become_one_and_zero(table):
    design = kernel.design_matrix(table, ["employed"])
    assert design.names == ("employed",)
    assert design.matrix[:, 0].tolist() == table["employed"].astype(float).tolist()
    assert design.describe() == "no categorical covariate."


def test_names_and_formula_make_the_same_matrix(table):
    named = kernel.design_matrix(table, ["age", "home area"])
    written = kernel.design_matrix(table, "age + `home area`")
    assert np.array_equal(named.matrix, written.matrix)
    assert named.names == written.names


def test_a_formula_may_transform_and_cross(table):
    design = kernel.design_matrix(table, "log(age + 100) * employed + poly(prior, 2)")
    assert "log(age + 100):employed" in design.names
    assert design.matrix.shape == (120, 5)


def test_the_settings_of_a_function_are_no_columns(table):
    plain = table.rename(columns={"home area": "area"})
    for formula, columns in (
        ("poly(age, degree=2)", 2),
        ("bs(age, df=3, include_intercept=False)", 3),
        ('C(area, Treatment(reference="north"))', 2),
        ("I(prior == 2) + age", 2),
    ):
        assert kernel.design_matrix(plain, formula).matrix.shape == (len(plain), columns)
    with pytest.raises(DataError, match=r'no column "degree" \(covariate\)'):
        kernel.design_matrix(plain, "poly(age, degree)")


# What is refused


@pytest.mark.parametrize("covariates", [None, True, 3, {"age"}])
def test_covariates_that_are_no_names_are_refused(table, covariates):
    kind = type(covariates).__name__
    with pytest.raises(DesignError) as caught:
        kernel.design_matrix(table, covariates)
    assert str(caught.value) == (
        f"covariates must be the name of a column or a list of names, not a {kind}."
    )


def test_covariates_are_named_once_and_by_name(table):
    with pytest.raises(DesignError, match='covariate "age" is named twice; name it once.'):
        kernel.design_matrix(table, ["age", "prior", "age"])
    with pytest.raises(DataError, match="a covariate must be the name of one column, in quotes, n"):
        kernel.design_matrix(table, ["age", ["prior"]])
    for name, kind in ((table["age"], "Series"), (["age"], "list"), (None, "NoneType")):
        with pytest.raises(DataError) as caught:
            kernel.column(table, name, "unit")
        assert str(caught.value) == (
            f"unit must be the name of one column, in quotes, not a {kind}."
        )
    numbered = table.rename(columns={"age": 7})
    assert kernel.column(numbered, 7, "unit").equals(table["age"].rename(7))


def test_levels_are_named_as_in_a_table_but_those_of_a_person_are_not(table):
    names = ["age", "site[T.north]", "C(year)[T.3]", "C(x, Treatment('a'))[T.b]", "a[T.b]:c[T.d]"]
    assert kernel.readable(names, names, 100) == [
        "age", "site: north", "year: 3", "x: b", "a: b × c: d",
    ]  # fmt: skip
    crossed = [f"age:id[T.P{i}]" for i in range(20)]
    assert kernel.readable(crossed[:2], crossed, 30) == ["age × id"]
    people = table.head(20).assign(id=[f"P{i}" for i in range(20)])
    design = kernel.design_matrix(people, ["id"])
    x = np.column_stack([np.ones(20), design.matrix])
    with pytest.raises(DesignError, match=r"\(separation\) by: id\. .*interactions=False"):
        kernel.logistic(x, people["y"].to_numpy(float), ("Intercept", *design.names))


def test_of_columns_that_repeat_each_other_the_intercept_is_not_named(table):
    with pytest.raises(DesignError, match=r"never vary: flat\. Leave them out"):
        kernel.design_matrix(table.assign(flat=2.0), ["age", "flat"])


@pytest.mark.parametrize(
    ("covariates", "sentence"),
    [
        ("agee + prior", r'no column "agee" \(covariate\)\. Nearest: "age"\.'),
        (["age", "priors"], r'no column "priors" \(covariate\)\. Nearest: "prior"\.'),
        ("log(prior)", "a covariate is not finite in some rows, e.g. the logarithm of 0"),
    ],
)
def test_columns_that_do_not_serve_are_refused(table, covariates, sentence):
    with pytest.raises(DataError, match=sentence):
        kernel.design_matrix(table, covariates)


@pytest.mark.parametrize(
    ("covariates", "sentence"),
    [
        ("y ~ age", 'right-hand side of a formula only, without "~"'),
        ("age +", "not a formula that can be worked out"),
        ("(age + prior", "not a formula that can be worked out"),
        ("open('file')", "a formula of covariates may call C, I, log"),
        ("age.mean()", "a formula of covariates may call C, I, log"),
        ("age[0]", "a formula of covariates may call C, I, log"),
    ],
)
def test_a_formula_that_is_more_or_less_than_one_is_refused(table, covariates, sentence):
    with pytest.raises(DesignError, match=sentence):
        kernel.design_matrix(table, covariates)


def test_missing_values_are_counted_and_never_dropped(table):
    table.loc[[3, 9], "age"] = np.nan
    with pytest.raises(DataError, match=r'2 of 120 rows have no value in column "age"'):
        kernel.design_matrix(table, ["age"])


def test_dates_and_mixed_columns_are_no_covariates(table):
    table["start"] = pd.Timestamp("2024-01-01")
    with pytest.raises(DataError, match='covariate "start" holds dates; turn it into days first'):
        kernel.design_matrix(table, ["start"])
    table["mixed"] = [1, "one"] * 60
    with pytest.raises(DataError, match='"mixed" must hold numbers, true and false, or words'):
        kernel.design_matrix(table, ["mixed"])


def test_columns_that_say_the_same_twice_are_named(table):
    table["months"] = 12 * table["age"]
    with pytest.raises(DesignError, match=r"1 of 3 columns of the model follow .*(age|months)"):
        kernel.design_matrix(table, ["age", "months"])
    with pytest.raises(DesignError, match="never vary: all_the_same"):
        kernel.design_matrix(table.assign(all_the_same=1), ["age", "all_the_same"])


def test_a_column_must_exist_once_and_hold_rows(table):
    with pytest.raises(DataError, match=r"a table \(pandas DataFrame\) is needed, not a list"):
        kernel.column([1, 2], "y", "outcome")
    twice = pd.concat([table[["y"]], table[["y"]]], axis=1)
    with pytest.raises(DataError, match='several columns are called "y"'):
        kernel.column(twice, "y", "outcome")
    with pytest.raises(DataError, match="the table has no rows"):
        kernel.column(table.iloc[:0], "y", "outcome")


@pytest.mark.parametrize(
    "values",
    [
        [True, False],
        pd.array([True, False], dtype="boolean"),
        np.array([True, False], dtype=object),
        ["programme", "comparison"],
        pd.Categorical(["programme", "comparison"]),
        [1, 0],
        [1.0, 0.0],
        pd.array([1, 0], dtype="Int64"),
    ],
)
def test_arms_are_true_and_false_or_their_two_names(values):
    rows = pd.DataFrame({"arm": values})
    assert kernel.arms(rows, "arm", "treated").tolist() == [True, False]


@pytest.mark.parametrize(
    ("values", "example"),
    [([1, 2], "1"), (["treated", "control"], '"…"'), (["programme", "other"], '"…"')],
)
def test_arms_called_anything_else_are_refused(values, example):
    with pytest.raises(DataError) as caught:
        kernel.arms(pd.DataFrame({"who": values}), "who", "treated")
    assert str(caught.value) == (
        'column "who" (treated) must hold true and false (or 1 and 0), or the words "programme" '
        'and "comparison", and nothing else. Make it so first, e.g. '
        f'table["who"] = table["who"] == {example}.'
    )


def test_outcomes_are_true_and_false_or_one_and_zero():
    rows = pd.DataFrame({"ok": [1, 0], "many": [0, 2], "word": ["a", "b"], "inf": [1.0, np.inf]})
    assert kernel.flags(rows, "ok", "outcome").tolist() == [True, False]
    with pytest.raises(DataError, match=r'"many" \(outcome\) must hold true and false'):
        kernel.flags(rows, "many", "outcome")
    assert kernel.numbers(rows, "many", "outcome")[1] is False
    assert kernel.numbers(rows, "ok", "outcome")[1] is True
    with pytest.raises(DataError, match=r'"word" \(outcome\) must hold numbers'):
        kernel.numbers(rows, "word", "outcome")
    with pytest.raises(DataError, match='1 rows of "inf" are not finite'):
        kernel.numbers(rows, "inf", "outcome")


# Fits


def test_logistic_agrees_with_statsmodels(table):
    x, names = _matrix(table)
    fit = kernel.logistic(x, table["y"].to_numpy(float), names)
    expected = sm.Logit(table["y"].to_numpy(float), x).fit(disp=0, tol=1e-12)
    assert fit.coefficients == approx(expected.params, rel=1e-7)
    assert fit.bread == approx(expected.cov_params(), rel=1e-6)


def test_logistic_does_not_mind_large_units(table):
    x, names = _matrix(table)
    small = kernel.logistic(x, table["y"].to_numpy(float), names)
    large = kernel.logistic(x * [1, 1e6, 1, 1, 1], table["y"].to_numpy(float), names)
    assert large.coefficients[1] * 1e6 == approx(small.coefficients[1], rel=1e-8)


@pytest.mark.parametrize("kind", ["classical", "HC0", "HC1", "HC2", "HC3"])
def test_linear_sandwiches_agree_with_statsmodels(table, kind):
    x, names = _matrix(table)
    fit = kernel.linear(x, table["prior"].to_numpy(float), names)
    called = "nonrobust" if kind == "classical" else kind
    expected = sm.OLS(table["prior"].to_numpy(float), x).fit(cov_type=called)
    assert fit.coefficients == approx(expected.params)
    assert fit.covariance(kind) == approx(expected.cov_params(), rel=1e-9)


def test_cluster_sandwich_agrees_with_statsmodels(table):
    x, names = _matrix(table)
    groups = kernel.clusters(table, "street")
    fit = kernel.linear(x, table["prior"].to_numpy(float), names)
    expected = sm.OLS(table["prior"].to_numpy(float), x).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    assert fit.covariance("HC1", groups=groups) == approx(expected.cov_params(), rel=1e-9)


def test_separation_is_detected_and_the_column_named(table):
    x, names = _matrix(table)
    y = np.where(table["employed"], table["y"], False).astype(float)
    with pytest.raises(DesignError, match=r"\(separation\) by: employed\. No logistic model fits"):
        kernel.logistic(x, y, names)


def test_complete_separation_is_detected(table):
    x, names = _matrix(table, ["age", "employed"])
    y = (table["age"] > 36).to_numpy(float)
    with pytest.raises(DesignError, match=r"\(separation\) by: age\."):
        kernel.logistic(x, y, names)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_outcome_that_is_the_same_for_everybody_has_no_logistic_model(value):
    message = "the outcome is the same for everybody, so no logistic model fits. Compare without"
    with pytest.raises(DesignError, match=message):
        kernel.logistic(np.ones((120, 1)), np.full(120, value), ("Intercept",))


def test_a_rare_outcome_without_separation_is_fitted():
    x = np.column_stack([np.ones(4000), np.arange(4000) % 2])
    y = np.zeros(4000)
    y[[10, 11, 13]] = 1
    fit = kernel.logistic(x, y, ("Intercept", "odd"))
    assert fit.coefficients[1] == approx(np.log((2 / 1998) / (1 / 1999)), rel=1e-9)


def test_two_stage_instruments_may_not_repeat_each_other(table):
    x, names = _matrix(table, ["age"])
    with pytest.raises(DesignError, match="instrument 1"):
        kernel.linear(x, table["prior"].to_numpy(float), names, via=np.ones((120, 2)))


# Variances


def test_one_cluster_gives_no_variance():
    with pytest.raises(DesignError, match="all rows belong to one cluster"):
        kernel.covariance(np.ones((4, 1)), groups=np.zeros(4, dtype=np.int64))


def test_more_parameters_than_rows_are_refused():
    with pytest.raises(DesignError, match="3 rows cannot carry a model with 3 parameters"):
        kernel.covariance(np.ones((3, 1)), parameters=3)


def test_somebody_alone_in_a_group_has_no_hc3():
    x = np.column_stack([np.ones(5), [1.0, 0, 0, 0, 0]])
    fit = kernel.linear(x, np.arange(5.0), ("Intercept", "alone"))
    with pytest.raises(DesignError, match=r"1 rows alone decide a coefficient .* HC3"):
        fit.covariance("HC3")
    assert fit.covariance("HC1").shape == (2, 2)
    with pytest.raises(DesignError, match="HC2 needs the leverage of every row"):
        kernel.covariance(np.ones((4, 1)), kind="HC2")
