"""Curves on tables small enough for paper, what cannot be known, and every refusal."""

from __future__ import annotations

import json
import math
import time
import warnings

import numpy as np
import pandas as pd
import pytest

from drive_eval.errors import DataError, DesignError, DesignWarning, UndefinedResultError
from drive_eval.models import _curves, survival
from drive_eval.models.comparison import risk_contrast
from drive_eval.models.matching import nearest, propensity_weights
from drive_eval.models.survival import (
    cumulative_incidence,
    kaplan_meier,
    log_rank,
    mean_cumulative_count,
    restricted_mean,
)

approx = pytest.approx

# Ten people on paper: day, arrest.  Programme 5 9 12+ 20 20+, comparison 3 3 8+ 8 15.
TEN = pd.DataFrame(
    {
        "arm": ["programme"] * 5 + ["comparison"] * 5,
        "day": [5, 9, 12, 20, 20, 3, 3, 8, 8, 15],
        "arrest": [True, True, False, True, False, True, True, False, True, True],
        "first": ["arrest", "prison", None, "arrest", None, "prison", "arrest", None, "arrest",
                  "arrest"],
        "who": list("abcdefghij"),
    }
)  # fmt: skip
KM = {"stop": "day", "event": "arrest", "group": "arm"}


def same(result):
    """Everything can be written down: nothing is not-a-number."""
    json.dumps(result.to_json_dict(), allow_nan=False)
    result.to_frame()
    result.summary()
    return result


def none_has_it(table=TEN):
    return table.assign(arrest=False)


# On paper


def test_kaplan_meier_of_ten_people():
    found = same(kaplan_meier(TEN, **KM, times=(8, 12)))
    programme = found.curve("event_free", group="programme")
    assert programme.times == (0, 5, 8, 9, 12, 20)  # 8 and 12 were asked for
    assert programme.estimate == approx((1, 4 / 5, 4 / 5, 3 / 5, 3 / 5, 3 / 5 / 2))
    assert programme.at_risk == (5, 5, 4, 4, 3, 2)
    assert programme.events == (0, 1, 0, 1, 0, 1)
    assert programme.censored == (0, 0, 0, 0, 0, 1)  # since the time before: on day 12 or after
    assert (programme.conf_low[0], programme.conf_high[0]) == (1, 1)
    assert programme.time_unit == "days"
    comparison = found.curve("event_free", group="comparison")
    # The arrest on day 8 comes before the end of following on day 8.
    assert comparison.estimate == approx((1, 3 / 5, 2 / 5, 2 / 5, 0))
    assert comparison.times == (0, 3, 8, 12, 15)
    assert comparison.at_risk == (5, 5, 3, 1, 1)
    assert comparison.conf_low[-1] is None
    one = found.one(measure="event_free", group="programme", time=12)
    assert one.estimate == approx(3 / 5)
    assert one.std_error == approx(3 / 5 * math.sqrt(1 / 5 / 4 + 1 / 4 / 3))
    assert (one.n, one.n_events, one.time_unit) == (5, 2, "days")
    difference = found.one(measure="event_free_difference", time=8)
    assert difference.estimate == approx(4 / 5 - 2 / 5)
    assert difference.contrast == "programme v comparison"
    assert difference.claim == "associational"
    assert (difference.n, difference.n_events) == (5, 1)
    assert (difference.n_reference, difference.n_events_reference) == (5, 3)
    medians = [e.estimate for e in found.estimates if e.measure == "median_event_free_time"]
    assert medians == [20, 8]


def test_restricted_mean_of_ten_people():
    found = same(restricted_mean(TEN, **KM, horizon=15))
    mean = found.one(measure="restricted_mean", group="programme")
    assert mean.estimate == approx(5 + 4 * 0.8 + 6 * 0.6)
    after5, after9 = 4 * 0.8 + 6 * 0.6, 6 * 0.6
    assert mean.std_error == approx(math.sqrt(after5**2 / 5 / 4 + after9**2 / 4 / 3))
    assert mean.time == 15
    lost = found.one(measure="time_lost", group="programme")
    assert lost.estimate == approx(15 - mean.estimate)
    assert lost.conf_low == approx(15 - mean.conf_high)
    other = found.one(measure="restricted_mean", group="comparison")
    assert other.estimate == approx(3 + 5 * 0.6 + 7 * 0.4)
    difference = found.one(measure="restricted_mean_difference")
    assert difference.estimate == approx(mean.estimate - other.estimate)
    assert difference.std_error == approx(math.hypot(mean.std_error, other.std_error))
    ratio = found.one(measure="time_lost_ratio")
    assert ratio.estimate == approx(lost.estimate / (15 - other.estimate))


def test_log_rank_of_ten_people():
    found = same(log_rank(TEN, **KM))
    # Expected in the programme: 2·5/10 on day 3, 1·5/8, 1·4/7, 1·4/5... on 5, 8, 9, 15, 20.
    expected = 2 * 5 / 10 + 5 / 8 + 4 / 7 + 4 / 5 + 2 / 3 + 1
    assert found.one(measure="expected_events", group="programme").estimate == approx(expected)
    assert found.one(measure="observed_events", group="programme").estimate == 3
    variance = 2 * (8 / 9) / 4 + 5 / 8 * 3 / 8 + 4 / 7 * 3 / 7 + 4 / 5 / 5 + 2 / 3 / 3
    test = found.check("log_rank")
    assert test.statistic == approx((3 - expected) ** 2 / variance)
    assert test.df == 1
    assert test.passed is None


def test_cumulative_incidence_of_ten_people():
    found = same(cumulative_incidence(TEN, stop="day", cause="first", group="arm", times=10))
    arrest = found.one(measure="cumulative_incidence", group="programme", term="arrest")
    prison = found.one(measure="cumulative_incidence", group="programme", term="prison")
    assert arrest.estimate == approx(1 / 5)
    assert prison.estimate == approx(4 / 5 / 4)
    assert (arrest.n_events, prison.n_events) == (1, 1)
    assert found.one(group="", term="arrest").measure == "cumulative_incidence_difference"
    assert found.check("gray: arrest").df == 1
    at = found.curve("cumulative_incidence", group="programme", term="prison")
    assert at.title == "Has had: prison"
    # On day 5 nobody has been to prison: 4 are followed to then or later, 1 was arrested.
    early = at.times.index(5)
    assert at.estimate[early] == 0
    assert at.conf_high[early] == approx(1 - 0.025 ** (1 / 5))


def test_mean_cumulative_count_on_paper():
    table = pd.DataFrame(
        [("a", 0, 2, 1), ("a", 2, 6, 2), ("a", 6, 10, 0), ("b", 0, 4, 0), ("c", 0, 4, 1)],
        columns=["who", "start", "stop", "events"],
    )
    found = same(
        mean_cumulative_count(
            table, person="who", start="start", stop="stop", event="events", times=(3, 8)
        )
    )
    curve = found.curve("mean_cumulative_count")
    assert curve.estimate == approx((0, 1 / 3, 1 / 3, 2 / 3, 8 / 3, 8 / 3, 8 / 3))
    assert curve.at_risk == (3, 3, 3, 3, 1, 1, 1)
    assert curve.censored == (0, 0, 0, 0, 2, 0, 0)
    one = found.one(measure="mean_cumulative_count", time=3)
    assert one.std_error == approx(math.sqrt((2 / 3) ** 2 + 2 / 9) / 3)
    assert (one.n, one.n_events) == (3, 1)
    assert found.one(time=8).n_events == 4


def test_labels_are_carried():
    labels = {"outcome_name": "re-arrest", "unit": "person", "reporter": "police"}
    labels |= {"threshold": "recorded", "subgroup": "north"}
    found = kaplan_meier(TEN, **KM, times=8, contrast="us v them", **labels)
    one = found.one(measure="event_free_difference")
    assert (one.outcome, one.unit, one.reporter) == ("re-arrest", "person", "police")
    assert (one.threshold, one.subgroup, one.contrast) == ("recorded", "north", "us v them")
    assert found.curves[0].outcome == "re-arrest"
    assert found.provenance.call == "survival.kaplan_meier"


# Groups


def test_true_is_set_against_false_and_words_need_a_reference():
    table = TEN.assign(treated=TEN["arm"] == "programme", site=["north", "south"] * 5)
    found = kaplan_meier(table, stop="day", event="arrest", group="treated", times=8)
    assert found.one(measure="event_free_difference").contrast == "True v False"
    found = kaplan_meier(table, stop="day", event="arrest", group="site", times=8)
    assert 'reference="north"' in found.check("no_reference").text
    assert all(e.measure != "event_free_difference" for e in found.estimates)
    found = kaplan_meier(
        table, stop="day", event="arrest", group="site", times=8, reference="south"
    )
    assert found.one(measure="event_free_difference").contrast == "north v south"
    table["site"] = pd.Categorical(table["site"], categories=["south", "north", "west"])
    found = kaplan_meier(table, stop="day", event="arrest", group="site", times=8)
    assert found.one(measure="event_free_difference").contrast == "north v south"


def test_three_groups_are_each_set_against_the_reference():
    table = TEN.assign(site=["a", "b", "c", "a", "b"] * 2)
    found = kaplan_meier(table, stop="day", event="arrest", group="site", times=8, reference="b")
    contrasts = [e.contrast for e in found.estimates if e.measure == "event_free_difference"]
    assert contrasts == ["a v b", "c v b"]
    assert log_rank(table, stop="day", event="arrest", group="site").check("log_rank").df == 2


# What cannot be known


def test_nobody_had_the_event():
    found = same(kaplan_meier(none_has_it(), **KM, times=8))
    one = found.one(measure="event_free", group="programme")
    assert one.estimate == 1
    assert one.std_error is None
    assert one.conf_low == approx(0.025 ** (1 / 4))  # four were followed to day 8
    assert one.conf_high == 1
    difference = found.one(measure="event_free_difference")
    away = 1 - 0.025 ** (1 / 4), 1 - 0.025 ** (1 / 3)
    assert (difference.conf_low, difference.conf_high) == approx((-away[0], away[1]))
    assert difference.p_value is None
    assert {c.name for c in found.checks} == {"median_not_reached"}
    assert "has not fallen to one half by day 20" in found.checks[0].text
    found = same(restricted_mean(none_has_it(), **KM, horizon=15))
    assert found.one(measure="restricted_mean", group="programme").estimate == 15
    low = found.one(measure="restricted_mean", group="programme").conf_low
    assert low == approx(15 * 0.025 ** (1 / 2))
    assert found.one(measure="restricted_mean_difference").estimate == 0
    ratio = found.one(measure="time_lost_ratio")
    assert ratio.estimate is None
    assert "does not exist, because the second is 0" in found.checks[-1].text
    with pytest.raises(UndefinedResultError, match="nobody had the event, so there is nothing"):
        log_rank(none_has_it(), **KM)
    with pytest.raises(UndefinedResultError, match='no row of column "first" .* ended with an ev'):
        cumulative_incidence(TEN.assign(first=None), stop="day", cause="first")


def test_with_weights_or_clusters_no_event_means_no_interval():
    table = none_has_it().assign(w=1.5)
    found = same(kaplan_meier(table, **KM, times=8, weights="w"))
    one = found.one(measure="event_free", group="programme")
    assert (one.estimate, one.conf_low) == (1, None)
    texts = [c.text for c in found.checks if c.name == "no_interval"]
    assert 'Nobody in "programme" had the event by day 8, so there is no spread' in texts[0]
    assert "has no interval, because the two show too little spread" in texts[-1]
    found = same(restricted_mean(table, **KM, horizon=15, weights="w"))
    assert found.one(measure="restricted_mean_difference").conf_low is None
    assert "nobody had the event before the horizon" in found.checks[0].text


def test_one_arm_without_events_keeps_an_interval():
    table = TEN.assign(arrest=TEN["arrest"] & (TEN["arm"] == "comparison"))
    found = same(kaplan_meier(table, **KM, times=8))
    difference = found.one(measure="event_free_difference")
    other = found.one(measure="event_free", group="comparison")
    assert difference.estimate == approx(0.6)
    assert difference.conf_high == approx(0.6 + (0.4 - other.conf_low))
    assert difference.conf_low < 0.6 - (other.conf_high - 0.4)
    assert difference.method.endswith("squared and added")


def test_everybody_had_the_event_at_once():
    table = pd.DataFrame({"day": [5] * 6, "arrest": True, "arm": ["programme", "comparison"] * 3})
    found = same(kaplan_meier(table, **KM, times=(4, 5, 9)))
    assert found.one(measure="event_free", group="programme", time=4).estimate == 1
    at = found.one(measure="event_free", group="programme", time=5)
    assert (at.estimate, at.conf_low) == (0, None)
    assert found.one(measure="event_free", group="programme", time=9).estimate == 0
    texts = [c.text for c in found.checks if c.name == "no_interval"]
    assert 'By day 5 everybody who was still followed in "programme" had the event' in texts[0]
    found = same(restricted_mean(table, **KM, horizon=30))
    assert found.one(measure="restricted_mean", group="programme").estimate == 5
    assert "nothing varies in it" in found.checks[0].text
    assert found.one(measure="restricted_mean_difference").estimate == 0
    with pytest.raises(UndefinedResultError, match="no event happened while people of two groups"):
        log_rank(table.assign(day=[5, 9] * 3), **{**KM, "strata": "day"})
    same(log_rank(table.assign(day=[5, 9] * 3), **KM))


def test_one_person():
    table = pd.DataFrame({"day": [5], "arrest": [True], "first": ["arrest"], "start": [0.0]})
    found = same(kaplan_meier(table, stop="day", event="arrest", times=3))
    assert found.one(measure="event_free").conf_low == approx(0.025)
    assert found.one(measure="median_event_free_time").estimate == 5
    same(restricted_mean(table, stop="day", event="arrest", horizon=5))
    found = same(cumulative_incidence(table, stop="day", cause="first", times=5))
    assert found.one(measure="cumulative_incidence").estimate == 1
    table["who"] = "a"
    found = same(
        mean_cumulative_count(
            table, person="who", start="start", stop="day", event="arrest", times=5
        )
    )
    assert found.one(measure="mean_cumulative_count").estimate == 1


def test_nobody_is_followed_that_long():
    found = same(kaplan_meier(TEN, **KM, times=30))
    one = found.one(measure="event_free", group="programme")
    assert one.estimate is None
    text = 'Nobody in "programme" is followed to day 30: the last row stops at day 20.'
    assert text in [c.text for c in found.checks]
    assert found.one(measure="event_free", group="comparison").estimate == 0  # it ended at 0
    assert found.one(measure="event_free_difference").estimate is None
    assert "does not exist, because one of the two does not" in " ".join(
        c.text for c in found.checks
    )
    with pytest.raises(
        DesignError, match=r'horizon, day 25, lies beyond .* "programme"\. The .* 20'
    ):
        restricted_mean(TEN, **KM, horizon=25)
    table = TEN.assign(arrest=TEN["arrest"] & (TEN["day"] != 15))
    with pytest.raises(DesignError, match=r'"programme" and "comparison"\. The largest .* is 15\.'):
        restricted_mean(table, **KM, horizon=25)


def test_an_early_empty_risk_set_is_named():
    table = pd.DataFrame(
        {"start": [0, 4, 5, 5, 6], "stop": [3, 9, 8, 12, 12], "arrest": [1, 1, 0, 1, 0]}
    )
    found = same(kaplan_meier(table, stop="stop", start="start", event="arrest", times=(2, 9)))
    assert found.one(measure="event_free", time=9).estimate == 0
    check = found.check("curve_reached_zero")
    assert check.passed is False
    assert "At day 3 all 1 rows that were followed in the table had an event" in check.text
    assert "although 4 rows are followed later" in check.text
    gap = found.check("nobody_at_risk")
    assert "Nobody in the table is followed between day 3 and day 4:" in gap.text
    found = mean_cumulative_count(
        table.assign(who=range(5)), person="who", start="start", stop="stop", event="arrest"
    )
    assert {c.name for c in found.checks} == {"nobody_at_risk"}  # a count goes on


def test_a_group_that_begins_late():
    table = pd.DataFrame(
        {"start": [3, 4, 5, 0, 0], "stop": [9, 9, 8, 12, 12], "arrest": [1, 0, 1, 1, 0],
         "arm": ["programme"] * 3 + ["comparison"] * 2}
    )  # fmt: skip
    columns = {"stop": "stop", "start": "start", "event": "arrest", "group": "arm"}
    found = same(kaplan_meier(table, **columns, times=(2, 6)))
    assert found.one(measure="event_free", group="programme", time=2).estimate is None
    text = 'Nobody in "programme" is followed at day 2: the first row begins at day 3.'
    assert text in [c.text for c in found.checks]
    assert found.curve("event_free", group="programme").times[0] == 3
    with pytest.raises(DesignError, match="begin to be followed at day 0 and day 3"):
        restricted_mean(table, **columns, horizon=8)
    late = table.assign(start=table["start"].clip(lower=3))
    assert restricted_mean(late.assign(start=3), **columns, horizon=8).one(
        measure="restricted_mean", group="comparison"
    ).estimate == approx(5)
    with pytest.raises(
        DesignError, match="day 2, does not lie after day 3, where following begins"
    ):
        restricted_mean(late.assign(start=3), **columns, horizon=2)


def test_the_second_gap_is_counted():
    table = pd.DataFrame({"start": [0, 4, 9], "stop": [3, 6, 12], "arrest": [0, 0, 1]})
    found = kaplan_meier(table, stop="stop", start="start", event="arrest")
    assert "between day 3 and day 4 and in 1 later spans" in found.check("nobody_at_risk").text


# Weights, clusters and designs


def cohort(n=400, seed=4):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    arm = rng.random(n) < 1 / (1 + np.exp(0.8 - 0.7 * x))
    time, end = rng.exponential(30 * np.exp(0.3 * arm - 0.4 * x)), rng.uniform(20, 60, n)
    table = pd.DataFrame({"x": x, "arm": arm, "stop": np.minimum(time, end), "event": time <= end})
    table["first"] = np.where(rng.random(n) < 0.5, "arrest", "prison")
    table["first"] = table["first"].where(table["event"])
    table["early"] = table["event"] & (table["stop"] <= 15)
    table["area"] = rng.integers(0, 150, n)
    return table


@pytest.mark.parametrize("estimand", ["att", "ate", "ato"])
def test_estimated_weights_are_in_the_standard_errors(estimand):
    # Nobody leaves before day 15, so the curve there is one minus a weighted risk.
    table = cohort()
    made = propensity_weights(table, treated="arm", covariates=["x"], estimand=estimand)
    risk = risk_contrast(made, outcome="early")
    found = kaplan_meier(made, stop="stop", event="event", times=15)
    for measure, group in (("risk_treated", "programme"), ("risk_comparison", "comparison")):
        one, other = risk.one(measure=measure), found.one(measure="event_free", group=group)
        assert other.estimate == approx(1 - one.estimate)
        assert other.std_error == approx(one.std_error, rel=1e-9)
    difference = found.one(measure="event_free_difference")
    assert difference.std_error == approx(risk.one(measure="risk_difference").std_error, rel=1e-9)
    known = kaplan_meier(
        made.table, stop="stop", event="event", times=15, group="arm", weights="weight"
    ).one(measure="event_free_difference")
    asked = kaplan_meier(made, stop="stop", event="event", times=15, cov="sandwich")
    assert asked.one(measure="event_free_difference").std_error == approx(known.std_error)
    assert known.estimate == approx(difference.estimate)
    assert known.std_error > difference.std_error
    assert found.check("estimand").text.startswith(f"{estimand}: ")
    same(log_rank(made, stop="stop", event="event"))
    same(restricted_mean(made, stop="stop", event="event", horizon=15))
    same(cumulative_incidence(made, stop="stop", cause="first", times=15, cluster="area"))


def test_matched_sets_are_clusters():
    matched = nearest(cohort(), treated="arm", covariates=["x"])
    table = matched.table
    found = same(kaplan_meier(matched, stop="stop", event="event", times=15))
    named = kaplan_meier(
        table.assign(arm=table["arm"].map({True: "programme", False: "comparison"})),
        stop="stop", event="event", times=15, group="arm", weights="weight",
        cluster="matched_set",
    )  # fmt: skip
    one, other = (r.one(measure="event_free_difference") for r in (found, named))
    assert one.std_error == approx(other.std_error)
    assert found.check("clusters").passed is True
    assert found.one(measure="event_free", group="programme").n == int(table["arm"].sum())
    plain = kaplan_meier(table, stop="stop", event="event", times=15, group="arm")
    assert plain.one(measure="event_free_difference").std_error != approx(
        found.one(measure="event_free_difference").std_error, rel=1e-3
    )
    both = same(kaplan_meier(matched, stop="stop", event="event", times=15, cluster="area"))
    assert "matched sets and area" in both.check("clusters").text
    gray = cumulative_incidence(matched, stop="stop", cause="first").check("gray: arrest")
    assert gray.statistic is None
    assert "so it is left out here" in gray.text


def test_a_case_that_serves_several_sets_counts_once():
    matched = nearest(cohort(), treated="arm", covariates=["x"], replace=True)
    found = same(kaplan_meier(matched, stop="stop", event="event", times=15))
    one = found.one(measure="event_free", group="comparison")
    used = int((~matched.table["arm"]).sum())
    assert one.n == used
    inside = ~matched.table["arm"] & matched.table["early"]
    assert one.n_events == int(inside.sum())


def test_few_clusters_take_t_and_say_so():
    table = cohort().assign(area=lambda t: np.arange(len(t)) % 12)
    with pytest.warns(DesignWarning, match=r"12 clusters .*\(area\) in the group with fewest"):
        found = kaplan_meier(
            table, stop="stop", event="event", times=15, group="arm", cluster="area"
        )
    check = found.check("clusters")
    assert check.passed is False
    assert 10 < check.df <= 11
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        test = log_rank(table, stop="stop", event="event", group="arm", cluster="area")
    strict = log_rank(
        table, stop="stop", event="event", group="arm", cluster="area", min_clusters=5
    ).check("log_rank")
    assert test.check("log_rank").p_value > strict.p_value


def test_areas_that_were_allocated_whole_have_the_freedom_of_the_smaller_arm():
    table = cohort().assign(area=lambda t: np.arange(len(t)) % 10 + 10 * t["arm"])
    with pytest.warns(DesignWarning, match="t quantiles with"):
        found = restricted_mean(
            table, stop="stop", event="event", group="arm", horizon=15, cluster="area"
        )
    one = found.one(measure="restricted_mean_difference")
    quantile = (one.conf_high - one.estimate) / one.std_error
    assert 2.26 < quantile < 2.32  # t with about 9 degrees of freedom


def test_a_group_that_is_one_cluster_has_no_interval():
    table = cohort().assign(area=lambda t: np.where(t["arm"], 99, np.arange(len(t)) % 60))
    with pytest.warns(DesignWarning, match="it has no interval"):
        found = same(
            kaplan_meier(table, stop="stop", event="event", times=15, group="arm", cluster="area")
        )
    one = found.one(measure="event_free", group="True")
    assert (one.conf_low, one.conf_high) == (None, None)
    assert found.one(measure="event_free_difference").conf_low is None
    with pytest.warns(DesignWarning):
        found = same(
            restricted_mean(table, stop="stop", event="event", group="arm", horizon=15,
                            cluster="area")
        )  # fmt: skip
    assert "it is one cluster" in " ".join(c.text for c in found.checks)


# Refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"day": [0] + [5] * 9}, 'rows stop at time 0 in "day", so they were never followed'),
        ({"day": [-1] + [5] * 9}, '1 of 10 rows stop before time 0 in "day"'),
        ({"day": [None] + [5] * 9}, '1 of 10 rows have no value in column "day"'),
        ({"day": ["x"] * 10}, 'column "day" .* must hold numbers'),
        ({"arrest": [None] + [True] * 9}, '1 of 10 rows have no value in column "arrest"'),
        ({"arrest": [3] * 10}, 'column "arrest" .* must hold true and false'),
        ({"arm": [None] + ["a"] * 9}, '1 of 10 rows have no value in column "arm"'),
    ],
)
def test_incomplete_tables_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        kaplan_meier(TEN.assign(**change), **KM)


def test_a_misspelt_column_is_named():
    with pytest.raises(DataError, match=r'no column "days" \(stop\)\. Nearest: "day"'):
        kaplan_meier(TEN, stop="days", event="arrest")
    with pytest.raises(DataError, match=r'no column "caus" \(cause\)'):
        cumulative_incidence(TEN, stop="day", cause="caus")
    with pytest.raises(DataError, match="a Matched or a Weighted is needed, not a dict"):
        kaplan_meier({"day": [1]}, stop="day", event="arrest")
    with pytest.raises(DataError, match="the table has no rows"):
        kaplan_meier(TEN.iloc[:0], **KM)
    with pytest.raises(DataError, match="the table has no rows"):
        cumulative_incidence(TEN.iloc[:0], stop="day", cause="first")


def test_starts_and_weights_are_checked():
    table = TEN.assign(start=[-1] + [0] * 9, w=[-1] + [1] * 9, none=0)
    with pytest.raises(DataError, match='1 of 10 rows start before time 0 in "start"'):
        kaplan_meier(table, **KM, start="start")
    with pytest.raises(DataError, match='10 of 10 rows stop in "day" before they start in "day"'):
        kaplan_meier(table, **KM, start="day")
    with pytest.raises(DataError, match='1 of 10 rows have a weight below 0 in "w"'):
        kaplan_meier(table, **KM, weights="w")
    with pytest.raises(DataError, match='all weights in column "none" are 0'):
        kaplan_meier(table, **KM, weights="none")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"times": -1}, "times must be finite numbers above 0"),
        ({"times": (5, math.inf)}, "times must be finite numbers above 0"),
        ({"times": (5, 5)}, "times holds a time twice"),
        ({"conf_level": 95}, "conf_level must lie between 0 and 1"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        kaplan_meier(TEN, **KM, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conf_type": "loglog"}, 'conf_type="loglog" is not on offer.* Nearest: "log-log"'),
        ({"cov": "stack"}, 'cov="stack" is not on offer.* Nearest: "stacked"'),
        ({"cov": "stacked"}, 'cov="stacked" is for a Weighted'),
        ({"time_unit": "day"}, 'time_unit="day" is not on offer'),
        ({"reference": "control"}, 'reference="control" is no group of column "arm"'),
        ({"group": None, "reference": "comparison"}, "no group= is given"),
    ],
)
def test_options_that_do_not_exist_are_refused(options, message):
    with pytest.raises(DesignError, match=message):
        kaplan_meier(TEN, **{**KM, **options})


def test_a_median_of_a_curve_without_spread_has_no_interval():
    table = pd.DataFrame(
        {"day": [1, 1, 1, 1, 1, 2, 3], "arrest": [False] * 5 + [True] * 2,
         "arm": [False] * 4 + [True] * 3, "area": [0, 0, 0, 0, 0, 1, 1]}
    )  # fmt: skip
    with pytest.warns(DesignWarning):
        found = same(kaplan_meier(table, **KM, cluster="area", times=2))
    median = found.one(measure="median_event_free_time", group="True")
    assert (median.estimate, median.conf_low, median.conf_high) == (2.5, None, None)
    texts = " ".join(c.text for c in found.checks if c.name == "no_interval")
    assert 'The value of "True" at day 2 has no interval: its clusters show no spread.' in texts
    assert 'The median of "True" has no interval, as its curve has none.' in texts
    with pytest.warns(DesignWarning):
        test = log_rank(table.assign(day=1, area=table["arm"]), **KM, cluster="area").check(
            "log_rank"
        )
    assert test.p_value is None
    assert "No P value: a group is one cluster." in test.text


def test_one_cluster_is_refused():
    with pytest.raises(DesignError, match="all 10 rows belong to one cluster"):
        kaplan_meier(TEN.assign(area=1), **KM, cluster="area")


def test_persons_are_checked():
    twice = TEN.assign(who=list("aabcdefghi"))
    with pytest.raises(DataError, match="1 persons have several rows that all begin at time 0"):
        kaplan_meier(twice, **KM, person="who")
    on = pd.DataFrame({"who": ["a", "a"], "start": [0, 5], "stop": [5, 9], "arrest": [1, 0]})
    columns = {"stop": "stop", "start": "start", "event": "arrest", "person": "who"}
    for function, more in ((kaplan_meier, {}), (restricted_mean, {"horizon": 5})):
        with pytest.raises(DataError, match=f"followed on after their event; {function.__name__} "):
            function(on, **columns, **more)
    with pytest.raises(DataError, match="cumulative_incidence is about the first event"):
        cumulative_incidence(on, stop="stop", start="start", cause="arrest", person="who")
    with pytest.raises(DataError, match="log_rank is about the first event"):
        log_rank(on.assign(arm=[True, False]), **columns, group="arm")
    with pytest.raises(DataError, match="start before the person's row before them has stopped"):
        mean_cumulative_count(on.assign(start=[0, 4]), **columns)
    with pytest.raises(DataError, match="1 persons have rows in more than one group"):
        mean_cumulative_count(on.assign(arm=[True, False]), **columns, group="arm")
    with pytest.raises(DataError, match="1 persons have rows in more than one cluster"):
        mean_cumulative_count(on.assign(area=[1, 2]), **columns, cluster="area")


def test_events_that_are_no_number_are_refused():
    table = pd.DataFrame({"who": [1, 2], "start": [0, 0], "stop": [5, 5], "arrest": [0.5, 1]})
    with pytest.raises(DataError, match='1 of 2 rows of column "arrest" .* neither true or false'):
        mean_cumulative_count(table, person="who", start="start", stop="stop", event="arrest")


def test_a_design_has_no_intervals():
    matched = nearest(cohort(), treated="arm", covariates=["x"])
    with pytest.raises(DataError, match="not a Matched. Of a matched or weighted comparison, join"):
        mean_cumulative_count(matched, person="x", start="x", stop="stop", event="event")
    with pytest.raises(DesignError, match='compares by column "arm", not by "area"'):
        kaplan_meier(matched, stop="stop", event="event", group="area")
    with pytest.raises(DesignError, match='brings its own weights, so weights="x" cannot'):
        kaplan_meier(matched, stop="stop", event="event", weights="x")
    with pytest.raises(DesignError, match="a design compares the programme with the comparison"):
        kaplan_meier(matched, stop="stop", event="event", reference="programme")


def test_horizons_are_checked():
    for horizon in (0, -3, math.nan, math.inf):
        with pytest.raises(DataError, match="horizon must be a finite number above 0"):
            restricted_mean(TEN, **KM, horizon=horizon)
    with pytest.raises(DesignError, match='which group of column "site" is the reference'):
        restricted_mean(
            TEN.assign(site=["a", "b"] * 5), stop="day", event="arrest", group="site", horizon=8
        )


def test_tests_need_groups():
    with pytest.raises(DesignError, match="a test of curves needs two groups or more"):
        log_rank(TEN, stop="day", event="arrest")
    with pytest.raises(DesignError, match="must be 0 or more, but is -1"):
        log_rank(TEN, **KM, rho=-1)


def test_causes():
    numbers = TEN.assign(first=[1, 2, 0, 1, 0, 2, 1, 0, 1, 1])
    found = cumulative_incidence(numbers, stop="day", cause="first")
    assert [c.term for c in found.curves] == ["1", "2", ""]
    floats = numbers.assign(first=numbers["first"].where(numbers["first"] > 0))
    again = cumulative_incidence(floats, stop="day", cause="first")
    assert [c.term for c in again.curves] == ["1", "2", ""]
    assert again.curves[0].estimate == found.curves[0].estimate
    words = TEN.assign(first=TEN["first"].fillna("censored"))
    words["first"] = pd.Categorical(words["first"], categories=["prison", "censored", "arrest"])
    found = cumulative_incidence(words, stop="day", cause="first")
    assert [c.term for c in found.curves] == ["prison", "arrest", ""]
    with pytest.raises(DataError, match="must hold words or whole numbers"):
        cumulative_incidence(numbers.assign(first=0.5), stop="day", cause="first")


def test_aalen_holds_for_plain_people_only():
    table = TEN.assign(start=0.0, w=2.0)
    columns = {"stop": "day", "cause": "first", "variance": "aalen"}
    for options in ({"start": "start"}, {"weights": "w"}):
        with pytest.raises(DesignError, match='variance="aalen" holds for independent people'):
            cumulative_incidence(table, **columns, **options)
    with pytest.raises(DesignError, match='variance="gray" is not on offer'):
        cumulative_incidence(table, stop="day", cause="first", variance="gray")


def test_gray_has_nothing_to_test():
    table = pd.DataFrame({"day": [1, 5], "first": ["a", "b"], "arm": ["programme", "comparison"]})
    found = same(cumulative_incidence(table, stop="day", cause="first", group="arm"))
    check = found.check("gray: b")
    assert check.statistic is None
    assert "Nothing to test" in check.text


def test_equal_counts_have_nothing_to_test():
    table = pd.DataFrame({"who": [1, 2], "start": 0.0, "stop": [5, 9], "arrest": 0, "t": [0, 1]})
    found = same(
        mean_cumulative_count(
            table, person="who", start="start", stop="stop", event="arrest", group="t", times=4
        )
    )
    check = found.check("equal_mean_counts")
    assert check.statistic is None
    assert "Nothing to test" in check.text
    assert found.one(measure="mean_cumulative_count_ratio").estimate is None


def test_times_that_differ_by_rounding_are_one():
    table = pd.DataFrame({"week": [0.1 + 0.2, 0.3, 0.7], "arrest": [True, True, False]})
    found = kaplan_meier(table, stop="week", event="arrest", times=0.3, time_unit="weeks")
    assert found.one(measure="event_free", time=0.3).estimate == approx(1 / 3)
    assert found.curve("event_free").events == (0, 2, 0)


# Speed


def test_a_million_rows_take_seconds():
    rng = np.random.default_rng(8)
    n = 1_000_000
    table = pd.DataFrame(
        {
            "day": np.minimum(np.ceil(rng.exponential(700, n)), 1000),
            "arm": np.arange(n) % 2 == 0,
            "set": np.arange(n) // 2,
        }
    )
    table["arrest"] = table["day"] < 1000
    table["cause"] = table["arrest"] * rng.integers(1, 3, n)
    columns = {"stop": "day", "group": "arm"}
    for function, options in (
        (kaplan_meier, {"event": "arrest", "times": (180, 365)}),
        (kaplan_meier, {"event": "arrest", "times": (180, 365), "cluster": "set"}),
        (restricted_mean, {"event": "arrest", "horizon": 365, "cluster": "set"}),
        (cumulative_incidence, {"cause": "cause", "times": 365}),
        (log_rank, {"event": "arrest"}),
    ):
        begin = time.perf_counter()
        function(table, **columns, **options)
        assert time.perf_counter() - begin < 20, function.__name__  # about 1 on an idle machine


def test_contributions_of_plain_rows_make_greenwood():
    table = cohort()
    steps = _curves.arrange(table["stop"].to_numpy(), table["event"].to_numpy().astype(int))
    free = _curves.event_free(steps)
    rows = np.arange(len(table))
    along = _curves.Spread(clusters=(rows,)).along(steps, free.functional, rows)
    assert along == approx(free.greenwood, rel=1e-9, abs=1e-18)


def test_persons_of_one_row_are_plain_people():
    found = kaplan_meier(TEN, **KM, times=8, person="who")
    assert found.to_frame().equals(kaplan_meier(TEN, **KM, times=8).to_frame())


def test_gray_sees_split_rows_as_one_person():
    whole = cumulative_incidence(TEN, stop="day", cause="first", group="arm")
    late = TEN[TEN["day"] > 6]
    split = pd.concat(
        [
            TEN[TEN["day"] <= 6].assign(start=0),
            late.assign(start=0, day=6, first=None),
            late.assign(start=6),
        ]
    )
    found = cumulative_incidence(
        split, stop="day", start="start", cause="first", group="arm", person="who"
    )
    for cause in ("arrest", "prison"):
        one, other = (r.check(f"gray: {cause}") for r in (whole, found))
        assert one.statistic == approx(other.statistic)


def test_two_clusterings_add_up_and_never_fall_below_one_alone_at_nothing():
    rng = np.random.default_rng(2)
    parts, ones = rng.normal(size=(40, 2)), np.ones(40)
    a, b = np.arange(40) // 4, np.arange(40) % 5

    def of(*codes):
        return _curves.Spread(clusters=codes).covariance(parts, ones)

    expected = of(a) + of(b) - of(np.arange(40))  # a and b share single rows only
    assert of(a, b) == approx(expected if np.linalg.eigvalsh(expected)[0] > 0 else of(b))
    # Rows that cancel within either clustering leave a negative sum: one of the two stands.
    parts = np.array([[1.0], [-1.0], [-1.0], [1.0]])
    ones = np.ones(4)
    clusters = (np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    assert _curves.Spread(clusters=clusters).covariance(parts, ones) == approx(np.zeros((1, 1)))


def test_arms_that_move_together_show_no_difference_to_make_an_interval_of():
    # Each pair is two people with one history: the curves are one.
    half = cohort(80).assign(pair=range(80))
    table = pd.concat([half.assign(arm=True), half.assign(arm=False)])
    columns = {"stop": "stop", "event": "event", "group": "arm", "cluster": "pair"}
    found = same(kaplan_meier(table, **columns, times=15))
    difference = found.one(measure="event_free_difference")
    assert (difference.estimate, difference.conf_low) == (0, None)
    assert "the two show too little spread" in found.check("no_interval").text
    assert found.one(measure="event_free", group="True").std_error > 0
    found = same(restricted_mean(table, **columns, horizon=15))
    assert found.one(measure="restricted_mean_ratio").estimate == 1
    assert found.one(measure="restricted_mean_ratio").conf_low is None


def test_a_summary_tells_the_times_apart():
    table = pd.DataFrame({"week": [5, 9, 52, 52], "event": [True, True, False, False]})
    result = survival.kaplan_meier(table, stop="week", event="event", times=[8, 20])
    text = result.summary()
    assert "event event_free at 8 days: 0.75 (95% CI" in text
    assert "event event_free at 20 days: 0.5 (95% CI" in text


def test_a_table_of_another_library_is_told_how_to_become_one_of_pandas():
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({"week": [1, 2], "event": [True, False]})
    said = r"is needed, not a DataFrame of polars \(table.to_pandas\(\) makes one\)\."
    with pytest.raises(DataError, match=said):
        survival.kaplan_meier(table, stop="week", event="event", times=1)
    with pytest.raises(DataError, match=said):
        survival.cox(table, stop="week", event="event", covariates=["week"])


@pytest.mark.parametrize(
    ("given", "change"),
    [
        (["1", "2"], 'pd.to_numeric(table["week"])'),
        (pd.to_timedelta([1, 2], unit="D"), 'table["week"].dt.days'),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), '(table["week"] - table["…"]).dt.days'),
    ],
)
def test_times_that_are_no_numbers_are_told_how_to_become_some(given, change):
    table = pd.DataFrame({"week": given, "event": [True, False]})
    with pytest.raises(DataError) as refusal:
        survival.kaplan_meier(table, stop="week", event="event", times=1)
    assert 'column "week" (stop) must hold numbers' in str(refusal.value)
    assert change in str(refusal.value)
