"""What a hidden cause would have to be like: what comes out, what is refused, in which words."""

from __future__ import annotations

import dataclasses
import doctest
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drive_eval.errors import DataError, DesignError, ResultError, UndefinedResultError
from drive_eval.models._design import Matched
from drive_eval.models.comparison import difference_in_differences, risk_contrast
from drive_eval.models.prepost import paired_counts, population_average
from drive_eval.models.sensitivity import e_value, negative_outcome, rosenbaum_bounds
from drive_eval.results import CountTable, Estimate, ResultSet

approx = pytest.approx
PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "hidden-confounding.md"


def between(measure, point, low=None, high=None, **more):
    labels = {"claim": "associational", "conf_low": low, "conf_high": high, **more}
    return Estimate(measure=measure, estimate=point, **labels)


def people(x1, n1, x0, n0):
    rows = [("programme", i < x1) for i in range(n1)] + [("comparison", i < x0) for i in range(n0)]
    return pd.DataFrame(rows, columns=["arm", "abuse"])


def contrast(x1, n1, x0, n0):
    return risk_contrast(people(x1, n1, x0, n0), outcome="abuse", treated="arm")


def both(found):
    return tuple(e.estimate for e in found.estimates)


# E-values


def test_an_e_value_keeps_what_its_estimate_was_about():
    ratio = contrast(20, 80, 40, 80).one(measure="risk_ratio")
    point, limit = e_value(dataclasses.replace(ratio, term="main")).estimates
    assert (point.measure, limit.measure) == ("e_value", "e_value_limit")
    for found in (point, limit):
        assert (found.outcome, found.term, found.n) == ("abuse", "main", 80)
        assert found.method == "E-value of the risk ratio (VanderWeele and Ding)"
        assert (found.contrast, found.claim) == ("programme v comparison", "associational")
        assert found.std_error is found.conf_low is found.p_value is None
    assert point.estimate == approx(2 + math.sqrt(2))
    assert 1 < limit.estimate < point.estimate


def test_the_sentence_says_both_numbers():
    found = e_value(between("risk_ratio", 3.9, 1.8, 8.7))
    assert found.check("e_value").text == (
        "A hidden cause would have to be linked to both programme membership and the outcome by "
        "risk ratios of at least 7.26 each, above and beyond the covariates used, to explain the "
        "estimate away; 3.00 each would move the interval to include no effect."
    )
    assert found.check("e_value").passed is None


def test_no_e_value_is_called_safe():
    meaning = e_value(between("risk_ratio", 50, 40, 60)).check("e_value_meaning")
    assert meaning.passed is None
    assert "by itself it bounds nothing" in meaning.text


def test_an_interval_with_no_effect_needs_no_hidden_cause():
    found = e_value(between("risk_ratio", 0.62, 0.38, 1.02))
    assert found.one(measure="e_value_limit").estimate == 1
    assert found.check("e_value").text.endswith(
        "the interval includes no effect even without a hidden cause."
    )


def test_no_difference_has_nothing_to_explain_away():
    found = e_value(between("risk_ratio", 1, 0.8, 1.25))
    assert both(found) == (1, 1)
    assert found.check("e_value").text.startswith("The estimate shows no difference")


def test_without_an_interval_there_is_no_limit_and_the_check_says_so():
    found = e_value(between("risk_ratio", 0.5))
    assert both(found) == (approx(2 + math.sqrt(2)), None)
    assert found.check("e_value").text.endswith(
        "without an interval there is no E-value of its limit."
    )


def test_nobody_in_the_programme_gives_no_point_but_a_limit():
    found = e_value(contrast(0, 60, 20, 60).one(measure="risk_ratio"))
    point, limit = both(found)
    assert point is None
    assert limit > 1
    text = found.check("e_value").text
    assert "few events, not of safety" in text
    assert (
        f"A cause linked to both programme membership and the outcome by risk ratios of at "
        f"least {limit:.2f} each would move the interval" in text
    )


def test_nobody_in_the_comparison_gives_no_point_but_a_limit():
    ratio = contrast(20, 60, 0, 60).one(measure="risk_ratio")
    assert ratio.estimate is None
    assert ratio.conf_high == math.inf
    found = e_value(ratio)
    assert both(found)[0] is None
    assert both(found)[1] > 1
    assert found.check("e_value").text.startswith("The estimate has no point, so it has no E-value")


def test_an_infinite_hazard_ratio_is_no_crash():
    found = e_value(between("hazard_ratio", 3, 2, math.inf), common=True)
    assert both(found)[1] > 1


def test_a_percent_reduction_goes_back_to_its_ratio():
    ratio = contrast(20, 80, 40, 80).one(measure="risk_ratio")
    found = e_value(ratio.percent_reduction())
    assert both(found) == approx(both(e_value(ratio)))
    assert found.estimates[0].method.startswith("E-value of the risk ratio")
    assert found.estimates[0].term == ""
    itt = dataclasses.replace(ratio, measure="rate_ratio", term="itt").percent_reduction()
    assert e_value(itt).estimates[0].term == "itt"
    hazard = dataclasses.replace(ratio, measure="hazard_ratio").percent_reduction()
    assert both(e_value(hazard, common=True)) == approx(
        both(e_value(dataclasses.replace(ratio, measure="hazard_ratio"), common=True))
    )


def test_a_percent_reduction_of_what_is_asked():
    with pytest.raises(DesignError, match='does not say of what .*its term is "user".* "users"'):
        e_value(between("percent_reduction", 50, term="user"))


@pytest.mark.parametrize("measure", ["hazard_ratio", "odds_ratio"])
def test_hazard_and_odds_ratios_ask_whether_the_outcome_is_common(measure):
    with pytest.raises(DesignError, match="say common=True if .* more than about 15 %"):
        e_value(between(measure, 0.5, 0.3, 0.8))
    common = e_value(between(measure, 0.5, 0.3, 0.8), common=True)
    rare = e_value(between(measure, 0.5, 0.3, 0.8), common=False)
    assert both(common) < both(rare)
    assert both(rare) == both(e_value(between("risk_ratio", 0.5, 0.3, 0.8)))
    assert "counts as common, as was said, so the" in common.check("common_outcome").text
    assert "is read as a risk ratio as it stands" in rare.check("common_outcome").text


def test_counts_answer_whether_the_outcome_is_common():
    odds = contrast(20, 80, 40, 80).one(measure="odds_ratio")
    found = e_value(odds)
    assert both(found) == both(e_value(odds, common=True))
    check = found.check("common_outcome")
    assert (check.passed, check.statistic, check.threshold) == (None, 0.5, 0.15)
    assert "common, since it happened to 50.0 % of the group where it was more" in check.text
    rare = e_value(contrast(2, 80, 8, 80).one(measure="odds_ratio"))
    assert "counts as rare, since it happened to 10.0 %" in rare.check("common_outcome").text
    one_group = e_value(between("hazard_ratio", 0.5, n=100, n_events=30))
    assert "since it happened to 30.0 %, so" in one_group.check("common_outcome").text


def test_what_was_said_against_the_counts_fails_the_check():
    odds = contrast(20, 80, 40, 80).one(measure="odds_ratio")
    check = e_value(odds, common=False).check("common_outcome")
    assert check.passed is False
    assert "as rare, as was said, although it happened to 50.0 %" in check.text


def test_a_standardised_difference_has_an_e_value_at_any_level():
    wide = between("standardised_mean_difference", -0.5, std_error=0.1, conf_level=0.99)
    limit = e_value(wide).one(measure="e_value_limit").estimate
    reach = 1.78 * 2.575829303548901 / 1.959963984540054
    ratio = math.exp(0.91 * 0.5 - reach * 0.1)
    assert limit == approx(ratio + math.sqrt(ratio * (ratio - 1)))
    bounded = between("standardised_mean_difference", None, -0.5, -0.1)
    assert both(e_value(bounded)) == (None, None)


@pytest.mark.parametrize(
    ("measure", "reason"),
    [
        ("risk_difference", "does not exist for a risk_difference.* give the risk_ratio"),
        ("mean_difference", 'divide .* standard deviation .* "standardised_mean_difference"'),
        ("ratio_of_ratios", "compares two changes"),
        ("ratio_of_odds_ratios", "compares two changes"),
        ("difference_in_differences", "compares two changes"),
        ("risk_rtio", 'measure "risk_rtio". Nearest: "risk_ratio"'),
    ],
)
def test_other_measures_are_refused_with_what_to_give(measure, reason):
    with pytest.raises(DesignError, match=reason):
        e_value(between(measure, 0.5))


def test_the_reduction_of_a_ratio_of_ratios_is_refused():
    with pytest.raises(DesignError, match="E-value does not exist for a ratio_of_ratios"):
        e_value(between("ratio_of_ratios", 0.5).percent_reduction())


def test_nothing_at_all_is_refused():
    with pytest.raises(UndefinedResultError, match="neither a point nor an interval"):
        e_value(between("risk_ratio", None))


def test_a_ratio_below_nothing_is_refused():
    with pytest.raises(DataError, match="a risk_ratio cannot lie below 0"):
        e_value(between("risk_ratio", -0.5))
    with pytest.raises(DataError, match="a risk_ratio cannot lie below 0"):
        e_value(between("percent_reduction", 120, term="users"))


def test_anything_but_an_estimate_is_refused():
    with pytest.raises(DataError, match=r"from an Estimate, not from a ResultSet; take one"):
        e_value(contrast(20, 80, 40, 80))


# Only between groups


def test_a_change_within_people_is_refused():
    change = paired_counts(both=9, before_only=30, after_only=4, neither=20)
    with pytest.raises(DesignError, match="sets time points against each other .after, before."):
        e_value(change.one(measure="risk_ratio"))
    of_an_arm = paired_counts(both=9, before_only=30, after_only=4, neither=20, group="programme")
    with pytest.raises(DesignError, match="describes the programme group alone.* regression to"):
        e_value(of_an_arm.one(measure="percent_reduction"))
    exit_v_intake = dataclasses.replace(
        change.one(measure="risk_ratio"), contrast="exit v intake", claim="associational"
    )
    with pytest.raises(DesignError, match="against each other .exit, intake."):
        e_value(exit_v_intake)


def test_a_time_term_of_a_model_is_refused():
    long = pd.DataFrame(
        {
            "person": list("abcdefghijkl") * 2,
            "after": [False] * 12 + [True] * 12,
            "used": [1] * 9 + [0] * 3 + [1, 0, 0] * 4,
        }
    )
    model = population_average(long, outcome="used", covariates=["after"], groups="person")
    with pytest.raises(DesignError, match=r"against each other \(after\)"):
        e_value(model.one(term="after"))


@pytest.mark.parametrize(
    "term",
    ["after[T.True]", "C(time_point)[T.exit]", "treated:after", "time_point[T.follow_up_6m]"],
)
def test_time_terms_are_known_however_a_formula_writes_them(term):
    with pytest.raises(DesignError, match="sets time points against each other"):
        e_value(between("odds_ratio", 0.5, term=term), common=True)


@pytest.mark.parametrize("term", ["matched after trimming", "treated", "main", "site[T.exit road]"])
def test_a_design_may_have_any_name(term):
    assert e_value(between("risk_ratio", 0.5, term=term)).estimates[0].term == term


def test_the_arms_of_a_difference_in_differences_are_refused():
    rows = [
        (f"{arm}{i}", arm, when, i < cut)
        for arm, cuts in (("programme", (30, 8)), ("comparison", (30, 20)))
        for i in range(40)
        for when, cut in zip(("intake", "exit"), cuts, strict=True)
    ]
    found = difference_in_differences(
        pd.DataFrame(rows, columns=["id", "arm", "time", "abuse"]),
        outcome="abuse",
        treated="arm",
        period="time",
        person="id",
        before="intake",
        after="exit",
    )
    with pytest.raises(DesignError, match="describes the comparison group alone"):
        e_value(found.one(measure="risk_ratio", group="comparison"))


def test_a_descriptive_estimate_is_refused():
    with pytest.raises(DesignError, match='labelled descriptive .* give claim="associational"'):
        e_value(Estimate(measure="risk_ratio", estimate=0.5))


def test_shares_after_are_a_contrast_of_groups():
    after = between("risk_ratio", 0.5, contrast="programme v comparison, after")
    assert both(e_value(after))[0] > 1


# Matched pairs


def matched(outcomes, **more):
    """Return a design of pairs from outcomes (programme, comparison), rows shuffled."""
    rows = [
        (number, arm == 0, outcome)
        for number, pair in enumerate(outcomes)
        for arm, outcome in enumerate(pair)
    ]
    table = pd.DataFrame(rows, columns=["matched_set", "treated", "harm"]).assign(weight=1.0)
    table = table.sample(frac=1, random_state=np.random.default_rng(3))
    design = {
        "table": table,
        "treated": "treated",
        "covariates": "age",
        "estimand": "att",
        "balance": ResultSet(),
        "flow": CountTable(name="matching", title="", unit="", dimensions=("group",), cells=()),
        "pairs": pd.DataFrame({"treated": [], "comparison": [], "distance": []}),
    }
    return Matched(**design | more)


YES_NO = [(0, 1)] * 12 + [(1, 0)] * 3 + [(1, 1)] * 5 + [(0, 0)] * 10
NUMBERS = [(3, 9), (0, 4), (7, 7), (2, 1), (5, 11), (1, 8), (4, 6), (0, 3), (2, 7), (6, 5)]


def test_a_design_of_pairs_and_its_counts_say_the_same():
    counted = rosenbaum_bounds(favour=12, against=3)
    found = rosenbaum_bounds(matched(YES_NO), outcome="harm")
    assert both(found) == both(counted)
    first = found.estimates[0]
    assert (first.outcome, first.n, first.n_events, first.n_events_reference) == ("harm", 30, 12, 3)
    assert counted.estimates[0].n == 15
    assert first.method == "McNemar, exact binomial"
    assert first.claim == "associational"
    assert [e.term for e in found.estimates if e.measure == "p_upper"] == [
        "1",
        "1.25",
        "1.5",
        "2",
        "3",
    ]


def test_more_of_the_outcome_is_the_other_direction():
    found = rosenbaum_bounds(matched(YES_NO), outcome="harm", alternative="greater", gammas=[1])
    assert both(found) == both(rosenbaum_bounds(favour=3, against=12, gammas=[1]))


def test_a_design_and_a_table_of_pairs_say_the_same():
    table = pd.DataFrame(NUMBERS, columns=["programme", "match"])
    from_table = rosenbaum_bounds(table, programme="programme", comparison="match")
    found = rosenbaum_bounds(matched(NUMBERS), outcome="harm", outcome_name="days")
    assert both(found) == both(from_table)
    first = found.estimates[0]
    assert (first.outcome, first.n, first.n_events, first.n_events_reference) == ("days", 10, 7, 2)
    assert first.method == "signed rank, normal approximation, ties averaged"
    named = rosenbaum_bounds(matched(NUMBERS), outcome="harm", exact=True).estimates[0].method
    assert named == "signed rank, exact, ties averaged"


@pytest.mark.parametrize(
    ("zeros", "text"),
    [
        ("keep", "1 pairs without a difference were ranked with the others and then counted on"),
        ("drop", "1 pairs without a difference were left out before ranking; ties share"),
    ],
)
def test_the_rule_for_zeros_is_stated(zeros, text):
    found = rosenbaum_bounds(matched(NUMBERS), outcome="harm", zeros=zeros)
    assert found.check("zero_differences").text.startswith(text)


def test_the_sentence_says_how_large_a_bias_would_have_to_be():
    text = rosenbaum_bounds(favour=110, against=12).check("rosenbaum").text
    assert "differ by a factor of 5.47 in their odds of being in the programme" in text
    assert "could be 0.05; it is 2.73e-21 if nothing hidden is at work" in text
    assert text.endswith("not whether there is one.")


def test_a_finding_that_is_none_has_no_gamma_and_a_reason():
    for found in (
        rosenbaum_bounds(favour=5, against=4),
        rosenbaum_bounds(favour=0, against=4),
        rosenbaum_bounds(matched(NUMBERS), outcome="harm", alternative="greater"),
    ):
        assert found.one(measure="gamma_at_alpha").estimate is None
        assert "there is no finding to put in doubt" in found.check("rosenbaum").text


def test_subclasses_are_refused():
    with pytest.raises(DesignError, match="are for pairs, and this design has subclasses"):
        rosenbaum_bounds(matched(YES_NO, pairs=None), outcome="harm")


def test_replacement_is_refused():
    design = matched(YES_NO)
    table = design.table.assign(matched_set=pd.NA)
    with pytest.raises(DesignError, match="matched with replacement"):
        rosenbaum_bounds(dataclasses.replace(design, table=table, variance="HC3"), outcome="harm")


def test_more_than_one_match_is_refused():
    design = matched([*YES_NO, (1, 1, 0), (0, 1, 1)])
    with pytest.raises(DesignError, match="2 of 32 matched sets are not one programme and one"):
        rosenbaum_bounds(design, outcome="harm")


def test_half_a_pair_is_refused():
    design = matched(YES_NO)
    halved = dataclasses.replace(design, table=design.table.iloc[1:])
    with pytest.raises(DesignError, match="1 of 30 matched sets are not .* pairs whole"):
        rosenbaum_bounds(halved, outcome="harm")


def test_what_the_bounds_need_is_asked():
    table = pd.DataFrame(NUMBERS, columns=["a", "b"])
    with pytest.raises(DesignError, match="needs outcome=, a column of its table"):
        rosenbaum_bounds(matched(YES_NO))
    with pytest.raises(DesignError, match="needs programme= and comparison="):
        rosenbaum_bounds(table, programme="a")
    with pytest.raises(DesignError, match="needs programme= and comparison="):
        rosenbaum_bounds([1, 2], programme="a", comparison="b")
    for given in ({}, {"favour": 3}, {"data": table, "favour": 3, "against": 1}):
        with pytest.raises(DesignError, match="give one thing: a Matched design"):
            rosenbaum_bounds(**given)
    with pytest.raises(DataError, match='no column "harms" .outcome.. Nearest: "harm"'):
        rosenbaum_bounds(matched(YES_NO), outcome="harms")
    with pytest.raises(DataError, match='no column "c" .comparison'):
        rosenbaum_bounds(table, programme="a", comparison="c")
    with pytest.raises(DataError, match="1 of 10 rows have no value"):
        rosenbaum_bounds(table.replace({"a": {3: np.nan}}), programme="a", comparison="b")


def test_pairs_without_an_outcome_are_left_out_whole_and_counted():
    lacking = [(np.nan, 1), (0, np.nan), (np.nan, np.nan)]
    whole = rosenbaum_bounds(matched(NUMBERS), outcome="harm")
    found = rosenbaum_bounds(matched([*lacking, *NUMBERS]), outcome="harm", missing="drop")
    assert both(found) == both(whole)
    assert found.estimates[0].n == 10
    text = "3 of 13 pairs lack an outcome and were left out as a whole."
    assert found.check("missing_outcome").text == text
    table = pd.DataFrame([*lacking, *NUMBERS], columns=["a", "b"])
    columns = {"programme": "a", "comparison": "b"}
    again = rosenbaum_bounds(table, **columns, missing="drop")
    assert both(again) == both(whole)
    assert again.check("missing_outcome").statistic == 3
    with pytest.raises(DataError, match="2 of 13 rows have no value in column .a."):
        rosenbaum_bounds(table, **columns)
    with pytest.raises(DataError, match='no column "c"'):
        rosenbaum_bounds(table, programme="a", comparison="c", missing="drop")
    with pytest.raises(DataError, match='no column "harms"'):
        rosenbaum_bounds(matched(NUMBERS), outcome="harms", missing="drop")
    with pytest.raises(DataError, match="the table has no rows"):
        rosenbaum_bounds(table.head(3), **columns, missing="drop")
    with pytest.raises(DesignError, match='"dropped" is no rule for missing outcomes. Nearest'):
        rosenbaum_bounds(table, **columns, missing="dropped")


@pytest.mark.parametrize("bad", [{"favour": -1, "against": 2}, {"favour": 2, "against": 1.5}])
def test_counts_are_whole_and_not_below_nothing(bad):
    with pytest.raises(DataError, match="must be a whole number of pairs, 0 or more"):
        rosenbaum_bounds(**bad)


def test_settings_that_make_no_sense_are_refused():
    counts = {"favour": 9, "against": 2}
    for gammas in ([], [0.5], [1, math.inf], [math.nan]):
        with pytest.raises(DesignError, match="gammas must be numbers of 1 or more"):
            rosenbaum_bounds(**counts, gammas=gammas)
    for alpha in (0, 0.5):
        with pytest.raises(DesignError, match="must lie between 0 and 0.5, but is"):
            rosenbaum_bounds(**counts, alpha=alpha)
    with pytest.raises(DesignError, match='"lesser" is no alternative. Nearest: "less"'):
        rosenbaum_bounds(**counts, alternative="lesser")
    with pytest.raises(DesignError, match='"kept" is no rule for zeros. Nearest: "keep"'):
        rosenbaum_bounds(**counts, zeros="kept")


def test_pairs_that_do_not_differ_are_no_finding():
    with pytest.raises(UndefinedResultError, match="none of 15 pairs differs in the outcome"):
        rosenbaum_bounds(matched([(1, 1)] * 5 + [(0, 0)] * 10), outcome="harm")
    with pytest.raises(UndefinedResultError, match="none of 0 pairs differs"):
        rosenbaum_bounds(favour=0, against=0)


# Outcomes that cannot have changed


def difference(point, low, high, **more):
    return between("risk_difference", point, low, high, outcome="house moves", **more)


def test_an_interval_within_the_margin_passes():
    check = negative_outcome(difference(0.01, -0.02, 0.04, p_value=0.5), margin=0.05)
    assert check.passed is True
    assert (check.statistic, check.threshold, check.p_value) == (0.01, 0.05, 0.5)
    assert check.outcome == "house moves"
    assert check.text.startswith(
        'Programme and comparison in "house moves", which the programme cannot change: risk '
        "difference 0.01 (95 % interval -0.02 to 0.04). The interval includes no difference and "
        "lies within -0.05 to 0.05"
    )
    assert "could not show" in check.text


def test_an_interval_that_excludes_no_effect_fails():
    check = negative_outcome(difference(0.03, 0.01, 0.05), margin=0.2)
    assert check.passed is False
    assert "something other than the programme sets the groups apart" in check.text


def test_a_wide_interval_cannot_tell():
    check = negative_outcome(difference(0.01, -0.2, 0.22), margin=0.05)
    assert check.passed is None
    assert "it is too wide to tell" in check.text


def test_without_an_interval_it_cannot_tell():
    check = negative_outcome(between("risk_ratio", None), margin=1.2)
    assert check.passed is None
    assert check.text == (
        "Programme and comparison in an outcome that the programme cannot change. There is no "
        "interval, so this cannot tell."
    )


def test_a_ratio_is_held_to_a_factor():
    assert negative_outcome(between("risk_ratio", 1, 0.81, 1.2), margin=1.25).passed is True
    check = negative_outcome(between("risk_ratio", 1, 0.79, 1.2), margin=1.25)
    assert check.passed is None
    assert "beyond 0.8 to 1.25" in check.text


def test_the_main_effect_can_be_the_margin():
    main = difference(-0.12, -0.2, -0.04)
    check = negative_outcome(difference(0.01, -0.06, 0.08), main=main)
    assert (check.passed, check.threshold) == (True, 0.12)
    ratio = between("risk_ratio", 0.5, 0.3, 0.8)
    check = negative_outcome(between("risk_ratio", 1, 0.7, 1.4), main=ratio)
    assert (check.passed, check.threshold) == (True, 2)


def test_a_result_is_read_by_its_measure():
    found = contrast(20, 80, 22, 80)
    assert negative_outcome(found, margin=0.3).statistic == approx(-0.025)
    assert negative_outcome(found, margin=3, measure="risk_ratio").statistic == approx(20 / 22)
    with pytest.raises(ResultError, match="no estimate has measure='rate_ratio'"):
        negative_outcome(found, margin=3, measure="rate_ratio")


def test_a_negative_outcome_within_one_group_is_refused():
    change = paired_counts(both=9, before_only=30, after_only=4, neither=20)
    with pytest.raises(DesignError, match="a negative outcome is about a hidden difference"):
        negative_outcome(change, margin=0.1)


def test_other_measures_have_no_no_effect():
    with pytest.raises(DesignError, match='not read from measure "risk_differences". Nearest'):
        negative_outcome(between("risk_differences", 0.1), margin=0.1)


def test_one_margin_is_needed_and_must_be_one():
    flat = difference(0.01, -0.02, 0.04)
    for given in ({}, {"margin": 0.1, "main": flat}):
        with pytest.raises(DesignError, match="give either margin=.* or main="):
            negative_outcome(flat, **given)
    for margin in (0, -0.1, math.inf, math.nan):
        with pytest.raises(DesignError, match="a risk_difference must be above 0, but is"):
            negative_outcome(flat, margin=margin)
    with pytest.raises(DesignError, match="a risk_ratio must be a factor above 1, but is 0.8"):
        negative_outcome(between("risk_ratio", 1, 0.9, 1.1), margin=0.8)
    with pytest.raises(DesignError, match="main estimate is a risk_ratio .* on the same scale"):
        negative_outcome(flat, main=between("risk_ratio", 0.5))
    for main in (difference(None, None, None), difference(0, -0.1, 0.1)):
        with pytest.raises(DesignError, match="has no size to measure against"):
            negative_outcome(flat, main=main)
    for point in (None, 0, 1):
        with pytest.raises(DesignError, match="has no size to measure against"):
            negative_outcome(between("risk_ratio", 1), main=between("risk_ratio", point))


# The page for readers


def test_what_the_page_shows_is_what_happens():
    blocks = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, None, 0)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(example, out=said.append)
    assert len(blocks) == 3
    assert not said, "".join(said)


def test_the_pages_two_weaker_links_do_what_it_says():
    def moves(one, other):
        return one * other / (one + other - 1)

    assert moves(2.5, 6) == approx(1 / 0.5)
    assert 1 / 0.72 < moves(2.5, 3) < 1 / 0.5
