"""Agreement and consistency: what comes out, what does not exist, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive_eval.data.synthetic import synthetic_study
from drive_eval.errors import DataError, DesignError, UndefinedResultError
from drive_eval.measures.behaviours import severity_before_after
from drive_eval.measures.reliability import (
    internal_consistency,
    intraclass_correlation,
    kappa,
    reporter_agreement,
)
from drive_eval.models import prepost
from drive_eval.vocabulary import ABUSE_TYPES, SEVERITY

approx = pytest.approx


def pairs(counts, names=("idva", "case_manager")):
    rows = [
        (i, j) for i, row in enumerate(counts) for j, count in enumerate(row) for _ in range(count)
    ]
    return pd.DataFrame(rows, columns=list(names))


def agreement(counts, **options):
    levels = list(range(len(counts)))
    return kappa(pairs(counts), first="idva", second="case_manager", levels=levels, **options)


# Kappa

cells = st.integers(0, 30)
grids = st.lists(st.lists(cells, min_size=3, max_size=3), min_size=3, max_size=3).filter(
    lambda grid: np.sum(grid) > 1
)


@settings(deadline=None, max_examples=40)
@given(grid=grids)
def test_changing_the_raters_round_changes_no_kappa(grid):
    forward, backward = agreement(grid), agreement(np.transpose(grid).tolist())
    for one, two in zip(forward.estimates, backward.estimates, strict=True):
        assert one.measure == two.measure
        assert two.estimate == (None if one.estimate is None else approx(one.estimate, abs=1e-9))
        assert two.std_error == (None if one.std_error is None else approx(one.std_error, abs=1e-6))


@settings(deadline=None, max_examples=40)
@given(grid=grids)
def test_kappa_is_one_only_with_full_agreement_and_lies_in_its_limits(grid):
    alike = np.trace(grid) == np.sum(grid)
    for estimate in agreement(grid).estimates:
        if estimate.measure == "kappa" and estimate.estimate is not None:
            assert (estimate.estimate > 1 - 1e-9) == alike
            assert -1 <= estimate.estimate <= 1


def test_full_agreement_has_no_error_and_says_so():
    found = agreement([[20, 0], [0, 20]])
    point = found.one(measure="kappa")
    assert (point.estimate, point.std_error, point.conf_low) == (1, None, None)
    assert found.check("no_interval").text == (
        "kappa, unweighted, used or not: no interval can be computed, because the raters agree in "
        "every row."
    )
    pabak = found.one(measure="pabak")
    assert pabak.estimate == pabak.conf_high == 1
    assert pabak.conf_low == approx(2 * 40 / (40 + 1.959964**2) - 1, abs=1e-6)


def test_one_level_throughout_has_no_kappa_but_has_agreement():
    found = agreement([[0, 0], [0, 12]])
    assert found.one(measure="kappa").estimate is None
    assert "chance alone gives full agreement" in found.check("kappa_undefined").text
    assert found.one(measure="agreement").estimate == 1
    assert found.one(measure="prevalence_index").estimate == 1


def test_a_rare_level_lowers_kappa_and_not_pabak():
    common, rare = agreement([[45, 5], [5, 45]]), agreement([[85, 5], [5, 5]])
    assert common.one(measure="agreement").estimate == rare.one(measure="agreement").estimate
    assert common.one(measure="pabak").estimate == rare.one(measure="pabak").estimate
    assert rare.one(measure="kappa").estimate < common.one(measure="kappa").estimate - 0.3
    assert rare.one(measure="prevalence_index").estimate == approx(-0.8)


def test_near_misses_count_less_the_heavier_distance_weighs():
    near = agreement([[20, 6, 0], [6, 20, 6], [0, 6, 20]])
    points = [
        near.one(measure="kappa", term=t).estimate for t in ("unweighted", "linear", "quadratic")
    ]
    assert points == sorted(points)
    with pytest.raises(Exception, match="no estimate has measure='pabak'"):
        near.one(measure="pabak")


def test_missing_ratings_are_left_out_and_counted():
    table = pairs([[8, 2], [1, 9]]).astype(object)
    table.loc[0, "idva"] = None
    table.loc[[1, 2], "case_manager"] = np.nan
    found = kappa(table, first="idva", second="case_manager", levels=[0, 1], outcome="physical")
    assert found.one(measure="kappa").n == 17
    assert found.check("missing_ratings").text == "3 of 20 rows lack a rating and were left out."
    assert found.table("ratings")["all", "all"] == 17
    assert found.table("ratings")["0", "all"] == 7
    assert found.one(measure="kappa").outcome == "physical"


def test_categories_and_words_are_levels_too():
    table = pairs([[5, 1], [0, 4]]).replace({0: "no", 1: "yes"}).astype("category")
    found = kappa(table, first="idva", second="case_manager", levels=["no", "yes"])
    assert found.one(measure="kappa").estimate == approx(
        agreement([[5, 1], [0, 4]]).one(measure="kappa").estimate
    )


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"first": "ivda"}, DataError, 'no column "ivda" \\(rating\\).*"idva"'),
        ({"levels": [0]}, DesignError, "levels must name two or more categories, each once"),
        ({"levels": [0, 0]}, DesignError, "levels must name two or more categories, each once"),
        (
            {"levels": [0, 2]},
            DataError,
            '10 of 20 rows of "idva" hold what is none of the 2 levels',
        ),
        ({"conf_level": 95}, DataError, "conf_level must lie between 0 and 1"),
        ({"conf_level": "most"}, DataError, "conf_level must lie between 0 and 1"),
    ],
)
def test_kappas_that_cannot_be_meant_are_refused(change, kind, message):
    options = {"first": "idva", "second": "case_manager", "levels": [0, 1], **change}
    with pytest.raises(kind, match=message):
        kappa(pairs([[8, 2], [1, 9]]), **options)


def test_no_row_with_both_ratings_is_refused():
    table = pd.DataFrame({"idva": [1, None], "case_manager": [None, 0]}, dtype=object)
    with pytest.raises(UndefinedResultError, match='no row has both a rating in "idva"'):
        kappa(table, first="idva", second="case_manager", levels=[0, 1])
    with pytest.raises(DataError, match="a table \\(pandas DataFrame\\) is needed, not a list"):
        kappa([1], first="idva", second="case_manager", levels=[0, 1])


# Alpha and intraclass correlations


def scores(rows=30, raters=3, noise=1.0, seed=1):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 1)) + noise * rng.normal(size=(rows, raters))
    return pd.DataFrame(values, columns=list("abcdef")[:raters])


@settings(deadline=None, max_examples=25)
@given(
    rows=st.integers(3, 30),
    raters=st.integers(2, 5),
    noise=st.floats(0.05, 30),
    seed=st.integers(0, 10**6),
    bias=st.floats(-5, 5),
)
def test_correlations_lie_in_their_limits_and_agreement_is_never_above_consistency(
    rows, raters, noise, seed, bias
):
    table = scores(rows, raters, noise, seed)
    table["a"] += bias
    found = intraclass_correlation(table, raters=list(table))
    points = {e.term: e for e in found.estimates}
    disagree = points["ICC(A,1)"].estimate < 0
    for term, estimate in points.items():  # Estimate itself refuses a point outside its limits
        if estimate.conf_low is None:
            assert "A" in term.removeprefix("ICC")
            assert disagree
        else:
            assert estimate.conf_low < estimate.conf_high <= 1
    if points["ICC(C,1)"].estimate > 0:
        difference = points["ICC(C,1)"].estimate - points["ICC(A,1)"].estimate
        judged = found.check("raters_differ").statistic - 1
        assert difference * judged >= -1e-12
    alpha = internal_consistency(table, items=list(table)).one(measure="alpha")
    mean = points["ICC(C,k)"]
    assert (alpha.estimate, alpha.conf_low, alpha.conf_high) == approx(
        (mean.estimate, mean.conf_low, mean.conf_high), rel=1e-9, abs=1e-9
    )


def test_agreement_past_its_pole_is_no_number():
    found = intraclass_correlation(scores(3, 2, 1.0, 1), raters=["a", "b"])
    assert found.one(term="ICC(A,1)").estimate < -1
    assert found.one(term="ICC(A,k)").estimate is None  # pingouin says 8.5
    assert found.check("icc_undefined").text == (
        "ICC(A,k) does not exist: raters disagree more than the mean of 2 can show."
    )
    found = intraclass_correlation(scores(3, 3, 5.0, 2), raters=["a", "b", "c"])
    assert found.one(term="ICC(A,1)").estimate == approx(-0.19787, abs=1e-5)
    assert found.one(term="ICC(A,1)").conf_low is None
    texts = [check.text for check in found.checks if check.name == "no_interval"]
    assert texts[0].startswith("ICC(A,1): no interval can be computed, because raters disagree")


def test_raters_a_constant_apart_are_consistent_and_do_not_agree():
    table = pd.DataFrame({"a": [1.0, 2, 3, 4, 5], "b": [3.0, 4, 5, 6, 7]})
    found = intraclass_correlation(table, raters=["a", "b"])
    assert found.one(term="ICC(C,1)").estimate == 1
    assert found.one(term="ICC(A,1)").estimate == approx(2.5 * 2 / (2.5 * 2 + 2 * 10 / 5))
    assert all(e.conf_low is None for e in found.estimates)
    assert "raters differ by the same amount in every case" in found.check("no_interval").text
    same = intraclass_correlation(table.assign(b=table["a"]), raters=["a", "b"])
    assert [e.estimate for e in same.estimates] == [1] * 6


def test_items_that_are_copies_have_alpha_one_and_no_interval():
    table = pd.DataFrame({"a": [1, 2, 3, 4, 5], "b": [1, 2, 3, 4, 5]})
    found = internal_consistency(table, items=["a", "b"], outcome="dash")
    assert found.one(measure="alpha").estimate == approx(1)
    assert found.one(measure="alpha").conf_low is None
    assert found.check("no_interval").text == (
        "alpha: no interval can be computed, because the items are copies of each other."
    )


def test_a_better_reading_of_alpha_than_pairwise():
    table = scores(raters=4)
    table.loc[0, "a"] = np.nan
    found = internal_consistency(table, items=list("abcd")).one(measure="alpha")
    whole = internal_consistency(table.iloc[1:], items=list("abcd")).one(measure="alpha")
    assert found == whole


@pytest.mark.parametrize("measure", [internal_consistency, intraclass_correlation])
def test_scores_that_cannot_be_read_are_refused(measure):
    name = "items" if measure is internal_consistency else "raters"
    table = scores()
    for given_names in (["a"], "a"):
        with pytest.raises(DesignError, match=f"{name} must name two or more columns"):
            measure(table, **{name: given_names})
    with pytest.raises(DataError, match=f'no column "g" \\({name}\\)'):
        measure(table, **{name: ["a", "g"]})
    with pytest.raises(DataError, match=f'column "a" \\({name}\\) must hold numbers'):
        measure(table.assign(a="x"), **{name: ["a", "b"]})
    with pytest.raises(UndefinedResultError, match="1 of 30 rows have every one of the 2"):
        measure(table.assign(a=table["a"].where(table.index == 3)), **{name: ["a", "b"]})
    with pytest.raises(UndefinedResultError, match=r"is the same in all 30 rows|are the same"):
        measure(table.assign(a=2.0, b=2.0), **{name: ["a", "b"]})
    with pytest.raises(DataError, match="conf_level must lie between 0 and 1"):
        measure(table, conf_level=0, **{name: ["a", "b"]})


def test_cases_with_one_mean_score_are_refused():
    table = pd.DataFrame({"a": [1.0, 2, 3], "b": [3.0, 2, 1]})
    with pytest.raises(UndefinedResultError, match="all 3 cases have the same mean score"):
        intraclass_correlation(table, raters=["a", "b"])


# Reporters


@pytest.fixture(scope="module")
def assessments():
    study = synthetic_study("drive_pilot", seed=1)
    return study.tables["assessments"]


@pytest.mark.parametrize("abuse_type", ABUSE_TYPES.codes)
def test_both_reporters_of_the_same_cases_are_counted(assessments, abuse_type):
    found = reporter_agreement(assessments, abuse_type=abuse_type, time_point="exit")
    table = found.table("discordance")
    # Each reporter's rating of a case by another road.
    one, two = (
        severity_before_after(
            assessments, abuse_type=abuse_type, reporter=who, before="intake"
        ).set_index("case_id")["after"]
        for who in ("idva", "case_manager")
    )
    rows = assessments[
        (assessments["abuse_type"] == abuse_type)
        & (assessments["time_point"] == "exit")
        & assessments["severity"].notna()
    ]
    rank = rows.assign(rank=rows["severity"].astype(str).map(SEVERITY.codes.index))
    worst = rank.pivot_table(
        index="case_id", columns="reporter", values="rank", aggfunc="max", observed=True
    )
    both = worst[["idva", "case_manager"]].dropna()
    assert table["all"] == len(both)
    assert table["both"] == ((both["idva"] > 0) & (both["case_manager"] > 0)).sum()
    assert table["idva_only"] == ((both["idva"] > 0) & (both["case_manager"] == 0)).sum()
    assert table["idva"] == (both["idva"] > 0).sum()
    known = both.index.intersection(one.dropna().index).intersection(two.dropna().index)
    same = one[known].astype(str).map(SEVERITY.codes.index)
    assert (same == both.loc[known, "idva"]).all()
    # Their ratio, by the model that the docstring names.
    ratio = prepost.paired_counts(
        both=table["both"],
        before_only=table["case_manager_only"],
        after_only=table["idva_only"],
        neither=table["neither"],
        contrast="idva v case_manager",
    ).one(measure="risk_ratio")
    assert ratio.estimate == approx((both["idva"] > 0).sum() / (both["case_manager"] > 0).sum())
    # The case manager of this world under-reports more than the IDVA.
    assert found.one(measure="bias_index").estimate > 0
    for estimate in found.estimates:
        assert (estimate.outcome, estimate.subgroup) == (abuse_type, "exit")
        assert estimate.contrast == "idva v case_manager"
    graded = [e for e in found.estimates if e.measure == "kappa" and not e.threshold]
    assert [e.term for e in graded] == ["unweighted", "linear", "quadratic"]
    assert all(0 < e.estimate < e.conf_high < 0.95 for e in graded)


def test_the_threshold_says_from_where_abuse_counts(assessments):
    found = {
        level: reporter_agreement(
            assessments, abuse_type="physical", time_point="intake", threshold=level
        )
        for level in ("standard", "high")
    }
    low, high = (found[level].table("discordance") for level in ("standard", "high"))
    assert low["all"] == high["all"]
    assert low["both"] > high["both"]
    assert found["high"].one(measure="pabak").threshold == "high"
    grid = found["high"].table("ratings")
    assert grid["high", "high"] == high["both"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reporters": ("idva",)}, "reporters must name two of them"),
        ({"reporters": ("idva", "idva")}, "reporters must name two of them"),
        ({"reporters": ("idva", "case_manger")}, '"case_manger" is no reporter.*"case_manager"'),
        ({"abuse_type": "physicl"}, '"physicl" is no code of abuse_types.*"physical"'),
        ({"time_point": "end"}, '"end" is no code of time_points'),
        ({"threshold": "none"}, '"none" is no severity from which abuse counts'),
        ({"reporters": ("idva", "police")}, 'no assessment of physical by "police" at exit'),
    ],
)
def test_agreement_that_cannot_be_meant_is_refused(assessments, change, message):
    options = {"abuse_type": "physical", "time_point": "exit", **change}
    with pytest.raises(DesignError, match=message):
        reporter_agreement(assessments, **options)


def test_reporters_who_never_rated_the_same_case_are_refused():
    rows = [("c1", "idva", "high"), ("c2", "case_manager", "none")]
    table = pd.DataFrame(rows, columns=["case_id", "reporter", "severity"]).assign(
        time_point="exit", abuse_type="physical"
    )
    said = "0 cases were rated by both; 1 by idva only, 1 by case_manager only, so nothing"
    with pytest.raises(UndefinedResultError, match=said):
        reporter_agreement(table, abuse_type="physical", time_point="exit")
    with pytest.raises(DataError, match='no column "severity" \\(assessments\\)'):
        reporter_agreement(table.drop(columns="severity"), abuse_type="physical", time_point="exit")


def test_a_column_does_not_agree_with_itself():
    table = pd.DataFrame({"a": [1, 2, 3, 4.0], "b": [1, 2, 4, 3.0]})
    with pytest.raises(DesignError, match="items names a column twice"):
        internal_consistency(table, items=["a", "b", "a"])
    with pytest.raises(DesignError, match="raters names a column twice"):
        intraclass_correlation(table, raters=["a", "a"])
    with pytest.raises(DesignError, match='first and second are both "a"'):
        kappa(table, first="a", second="a", levels=[1, 2, 3, 4])


def test_infinite_scores_are_refused_and_not_left_out():
    table = pd.DataFrame({"a": [1, 2, 3, np.inf], "b": [1, 2, 4, 3.0]})
    with pytest.raises(DataError, match="1 of 4 rows hold infinite items"):
        internal_consistency(table, items=["a", "b"])


def test_two_cases_of_two_raters_are_too_few():
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 3.0]})
    with pytest.raises(UndefinedResultError, match="2 complete rows of 2 raters are too few"):
        intraclass_correlation(table, raters=["a", "b"])
