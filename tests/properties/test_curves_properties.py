"""What holds for any curve."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive_eval.errors import DesignError, DesignWarning, UndefinedResultError
from drive_eval.models.survival import (
    cumulative_incidence,
    kaplan_meier,
    log_rank,
    mean_cumulative_count,
    restricted_mean,
)

approx = pytest.approx
modest = settings(deadline=None, max_examples=40)

person = st.tuples(
    st.integers(1, 12),  # day
    st.integers(0, 2),  # cause
    st.booleans(),  # arm
    st.sampled_from([0.5, 1.0, 2.5]),  # weight
    st.integers(0, 4),  # area
)


@st.composite
def cohorts(draw, least=2):
    rows = draw(st.lists(person, min_size=least, max_size=30))
    table = pd.DataFrame(rows, columns=["day", "cause", "arm", "w", "area"])
    table["event"] = table["cause"] > 0
    table["who"] = np.arange(len(table))
    table["start"] = 0
    return table


@st.composite
def two_arms(draw):
    table = draw(cohorts(4))
    table["arm"] = np.arange(len(table)) % 2 == 0
    return table


@st.composite
def histories(draw):
    """Start/stop rows of some people, with gaps, events and days without end."""
    rows = []
    for who in range(draw(st.integers(2, 8))):
        now = draw(st.integers(0, 3))
        for _ in range(draw(st.integers(1, 4))):
            stop = now + draw(st.integers(1, 5))
            rows.append((who, now, stop, draw(st.integers(0, 2)), who % 2 == 0))
            now = stop + draw(st.sampled_from([0, 0, 2]))
    return pd.DataFrame(rows, columns=["who", "start", "stop", "events", "arm"])


KM = {"stop": "day", "event": "event"}
DAYS = tuple(range(1, 13))


def values(result, measure, field="estimate", **which):
    return [
        getattr(e, field)
        for e in result.estimates
        if e.measure == measure and all(getattr(e, k) == v for k, v in which.items())
    ]


def same(one, other, measures, fields=("estimate", "std_error", "conf_low", "conf_high")):
    for measure in measures:
        for field in fields:
            a, b = values(one, measure, field), values(other, measure, field)
            assert [v is None for v in a] == [v is None for v in b], (measure, field)
            assert [v for v in a if v is not None] == approx(
                [v for v in b if v is not None], rel=1e-8, abs=1e-8
            ), (measure, field)


@modest
@given(cohorts())
def test_the_curve_falls_from_one_and_stays_above_nothing(table):
    found = kaplan_meier(table, **KM, group="arm", weights="w")
    for curve in found.curves:
        assert curve.estimate[0] == 1
        assert all(
            0 <= b <= a <= 1 for a, b in zip(curve.estimate, curve.estimate[1:], strict=False)
        )
        for low, point, high in zip(curve.conf_low, curve.estimate, curve.conf_high, strict=True):
            assert low is None or 0 <= low <= point + 1e-12
            assert high is None or point - 1e-12 <= high <= 1


@modest
@given(cohorts())
def test_numbers_at_risk_follow_from_events_and_losses(table):
    for curve in kaplan_meier(table, **KM, group="arm", times=(3, 7)).curves:
        left = np.array(curve.at_risk) - np.array(curve.events)
        assert list(left[:-1] - np.array(curve.censored[1:])) == list(curve.at_risk[1:])
        assert min(left) >= 0


@modest
@given(cohorts())
def test_without_censoring_the_curve_is_the_share_that_is_left(table):
    table["event"] = True
    found = kaplan_meier(table, **KM, times=DAYS)
    for day in DAYS:
        one = found.one(measure="event_free", time=day)
        share = float((table["day"] > day).mean())
        assert one.estimate == approx(share)
        if 0 < share < 1:
            assert one.std_error == approx(math.sqrt(share * (1 - share) / len(table)))


@modest
@given(two_arms(), st.integers(1, 11))
def test_splitting_rows_changes_nothing(table, cut):
    long = table[table["day"] > cut]
    first = long.assign(day=cut, cause=0, event=False)
    split = pd.concat([table[table["day"] <= cut], first, long.assign(start=cut)])
    options = {"group": "arm", "start": "start", "person": "who"}
    same(
        kaplan_meier(table, **KM, group="arm", start="start", times=DAYS),
        kaplan_meier(split, **KM, **options, times=DAYS),
        ["event_free", "event_free_difference", "median_event_free_time"],
        ("estimate", "std_error", "conf_low", "conf_high", "n", "n_events"),
    )
    weights = {**options, "weights": "w"}
    same(
        kaplan_meier(table, **KM, **weights, times=DAYS),
        kaplan_meier(split, **KM, **weights, times=DAYS),
        ["event_free", "event_free_difference"],
    )
    same(
        cumulative_incidence(table, stop="day", cause="cause", **options, times=DAYS)
        if table["event"].any()
        else kaplan_meier(table, **KM, **options),
        cumulative_incidence(split, stop="day", cause="cause", **options, times=DAYS)
        if table["event"].any()
        else kaplan_meier(split, **KM, **options),
        ["cumulative_incidence", "cumulative_incidence_difference"],
    )
    whole = kaplan_meier(table, **KM, group="arm", times=(cut,)).curves
    for a, b in zip(whole, kaplan_meier(split, **KM, **options, times=(cut,)).curves, strict=True):
        assert (a.at_risk, a.events, a.censored) == (b.at_risk, b.events, b.censored)
    if table["event"].any():
        assert log_rank_of(table, group="arm") == approx(log_rank_of(split, **options))


def log_rank_of(table, **options):
    try:
        return log_rank(table, **KM, **options).check("log_rank").statistic
    except UndefinedResultError:
        return -1.0


@modest
@given(cohorts())
def test_incidences_and_event_free_add_up_to_one(table):
    if not table["event"].any():
        return
    found = cumulative_incidence(table, stop="day", cause="cause", group="arm", weights="w")
    for group in {c.group for c in found.curves}:
        curves = [c for c in found.curves if c.group == group]
        assert len({c.times for c in curves}) == 1
        total = np.sum([c.estimate for c in curves], axis=0)
        assert total == approx(np.ones(len(total)))
        assert all(v >= -1e-15 for c in curves for v in c.estimate)


@modest
@given(cohorts())
def test_one_cause_alone_is_the_rest_of_kaplan_meier(table):
    if not table["event"].any():
        return
    table["cause"] = table["event"].astype(int)
    found = cumulative_incidence(table, stop="day", cause="cause", times=DAYS, conf_type="plain")
    other = kaplan_meier(table, **KM, times=DAYS, conf_type="plain")
    for day in DAYS:
        a = found.one(measure="cumulative_incidence", time=day)
        b = other.one(measure="event_free", time=day)
        assert (a.estimate is None) == (b.estimate is None)
        if a.estimate is None:
            continue
        assert a.estimate == approx(1 - b.estimate)
        assert (a.std_error or 0) == approx(b.std_error or 0, abs=1e-7)
        if a.conf_low is not None and b.conf_low is not None:
            assert a.conf_low == approx(1 - b.conf_high, abs=1e-9)


@modest
@given(two_arms(), st.floats(0.5, 12))
def test_the_restricted_mean_is_the_area_under_the_curve(table, horizon):
    curves = kaplan_meier(table, **KM, group="arm").curves
    try:
        found = restricted_mean(table, **KM, group="arm", horizon=horizon)
    except DesignError:
        reached = min(c.times[-1] if c.estimate[-1] > 0 else math.inf for c in curves)
        assert horizon > reached
        return
    for curve in curves:
        edges = np.array([*[t for t in curve.times if t < horizon], horizon])
        area = np.sum(np.diff(edges) * np.array(curve.estimate[: len(edges) - 1]))
        one = found.one(measure="restricted_mean", group=curve.group)
        assert one.estimate == approx(area)
        assert 0 <= one.estimate <= horizon
        lost = found.one(measure="time_lost", group=curve.group)
        assert one.estimate + lost.estimate == approx(horizon)


@modest
@given(two_arms())
def test_weights_of_two_move_no_estimate_and_no_robust_error(table):
    table["one"], table["two"] = 1.0, 2.0
    for measure, call in (
        ("event_free", lambda w: kaplan_meier(table, **KM, group="arm", times=(3, 6), weights=w)),
        (
            "restricted_mean",
            lambda w: restricted_mean(table, **KM, group="arm", horizon=1, weights=w),
        ),
    ):
        same(call("one"), call("two"), [measure, f"{measure}_difference"])


@modest
@given(two_arms())
def test_plain_weights_of_one_give_greenwood(table):
    table["one"] = 1.0
    plain = kaplan_meier(table, **KM, group="arm", times=DAYS)
    robust = kaplan_meier(table, **KM, group="arm", times=DAYS, weights="one")
    fields = ("estimate", "std_error")
    same(plain, robust, ["event_free", "event_free_difference"], fields)


@modest
@given(two_arms())
def test_a_row_twice_is_a_weight_of_two_in_a_cluster(table):
    double = pd.concat([table, table])
    table["two"] = 2.0
    options = {"group": "arm", "times": (3, 6, 9), "min_clusters": 1}
    same(
        kaplan_meier(double, **KM, **options, cluster="who"),
        kaplan_meier(table, **KM, **options, weights="two", cluster="who"),
        ["event_free", "event_free_difference"],
        ("estimate", "std_error"),
    )


@modest
@given(two_arms())
def test_a_cluster_a_row_is_the_robust_variance(table):
    options = {"group": "arm", "weights": "w", "min_clusters": 1}
    same(
        kaplan_meier(table, **KM, **options, times=(2, 5, 9)),
        kaplan_meier(table, **KM, **options, times=(2, 5, 9), cluster="who"),
        ["event_free", "event_free_difference", "median_event_free_time"],
    )
    if table["event"].any():
        tests = [log_rank_of(table, **options, cluster=c) for c in (None, "who")]
        assert tests[0] == approx(tests[1])


@modest
@given(two_arms(), st.sampled_from([0.25, 7.0, 365.25]))
def test_another_unit_of_time_scales_times_and_nothing_else(table, factor):
    scaled = table.assign(day=table["day"] * factor)
    times = tuple(day * factor for day in (2, 5, 9))
    one = kaplan_meier(table, **KM, group="arm", times=(2, 5, 9))
    other = kaplan_meier(scaled, **KM, group="arm", times=times)
    same(one, other, ["event_free", "event_free_difference"])
    medians = values(one, "median_event_free_time"), values(other, "median_event_free_time")
    for a, b in zip(*medians, strict=True):
        assert (a is None) == (b is None)
        assert a is None or b == approx(a * factor)
    short, long = (
        restricted_mean(t, **KM, group="arm", horizon=h) for t, h in ((table, 1), (scaled, factor))
    )
    one, other = (r.one(measure="restricted_mean_difference") for r in (short, long))
    assert other.estimate == approx(one.estimate * factor)
    if one.std_error is not None:
        assert other.std_error == approx(one.std_error * factor)
        assert other.p_value == approx(one.p_value)


@modest
@given(cohorts())
def test_a_count_of_first_events_without_ties_is_nelson_and_aalen(table):
    table["day"] = table["day"] + np.arange(len(table)) / 100
    found = mean_cumulative_count(
        table, person="who", start="start", stop="day", event="event", weights="w"
    )
    curve = found.curve("mean_cumulative_count")
    order = table.sort_values("day")
    at_risk = order["w"].to_numpy()[::-1].cumsum()[::-1]
    steps = np.cumsum((order["w"] * order["event"]).to_numpy() / at_risk)
    expected = dict(zip(order["day"], steps, strict=True))
    for time, value in zip(curve.times[1:], curve.estimate[1:], strict=True):
        assert value == approx(expected[time])


@modest
@given(histories())
def test_the_variance_of_counts_is_that_of_lawless_and_nadeau(table):
    found = mean_cumulative_count(
        table, person="who", start="start", stop="stop", event="events", times=(6,)
    )
    one = found.one(measure="mean_cumulative_count")
    if one.estimate is None:
        return
    times = [t for t in sorted(table["stop"].unique()) if t <= 6]
    inside = {t: (table["start"] < t) & (table["stop"] >= t) for t in times}
    events = {t: table["events"].where(table["stop"] == t, 0) for t in times}
    rate = {t: events[t].sum() / max(inside[t].sum(), 1) for t in times}
    part = sum(inside[t] / max(inside[t].sum(), 1) * (events[t] - rate[t]) for t in times)
    squares = (part.groupby(table["who"]).sum() ** 2).sum()
    assert one.estimate == approx(sum(rate.values()))
    assert (one.std_error or 0) == approx(math.sqrt(squares), abs=1e-7)


@modest
@given(histories())
def test_swapping_the_reference_turns_the_differences_round(table):
    columns = {"person": "who", "start": "start", "stop": "stop", "event": "events"}
    columns |= {"group": "arm", "times": (6,)}
    one = mean_cumulative_count(table, **columns, reference=False)
    other = mean_cumulative_count(table, **columns, reference=True)
    a, b = (r.one(measure="mean_cumulative_count_difference") for r in (one, other))
    assert (a.estimate is None) == (b.estimate is None)
    if a.estimate is not None:
        assert a.estimate == approx(-b.estimate)
        if a.conf_low is not None:
            assert a.conf_low == approx(-b.conf_high)
    a, b = (r.one(measure="mean_cumulative_count_ratio") for r in (one, other))
    if a.std_error is not None:
        assert a.estimate == approx(1 / b.estimate)
        assert a.conf_low == approx(1 / b.conf_high)
    a, b = (r.check("equal_mean_counts") for r in (one, other))
    assert (a.statistic or 0) == approx(b.statistic or 0)


@modest
@given(cohorts(1), st.sampled_from([None, "w"]), st.sampled_from([None, "area"]))
def test_any_table_has_an_answer_or_a_reason(table, weights, cluster):
    """No crash, nothing that is not a number, and a Check for every value that is missing."""
    options = {"group": "arm", "weights": weights, "cluster": cluster}
    calls = [
        lambda: kaplan_meier(table, **KM, **options, times=(4, 20)),
        lambda: restricted_mean(table, **KM, **options, horizon=4),
        lambda: log_rank(table, **KM, **options),
        lambda: cumulative_incidence(table, stop="day", cause="cause", **options, times=(4, 20)),
        lambda: mean_cumulative_count(
            table, person="who", start="start", stop="day", event="event", **options, times=(4, 20)
        ),
    ]
    for call in calls:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DesignWarning)
            try:
                found = call()
            except (DesignError, UndefinedResultError):
                continue
        json.dumps(found.to_json_dict(), allow_nan=False)
        reasons = {c.name for c in found.checks}
        for e in found.estimates:
            if e.measure in ("observed_events", "expected_events"):
                continue
            if e.estimate is None:
                assert reasons & {"no_estimate", "median_not_reached"}
            elif e.conf_low is None or e.conf_high is None:
                assert "no_interval" in reasons


@modest
@given(two_arms(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(table, random):
    order = list(range(len(table)))
    random.shuffle(order)
    mixed = table.iloc[order]
    options = {"group": "arm", "weights": "w", "cluster": "who", "times": (3, 8), "min_clusters": 1}
    same(
        kaplan_meier(table, **KM, **options),
        kaplan_meier(mixed, **KM, **options),
        ["event_free", "event_free_difference", "median_event_free_time"],
    )
