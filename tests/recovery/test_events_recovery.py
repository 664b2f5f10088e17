"""Do intervals of re-offending hold the limits that are stated for them, in the pilot's world?

People differ (gamma frailty), custody follows offending and hides it, some die or move away. The
full form (DRIVE_EVAL_FULL_RECOVERY=1) draws 2,000 cohorts of 500 people, the short form fewer;
both hold coverage to 93 % less three Monte Carlo errors. Beside them stands what fails: Andersen
and Gill's variance without clusters, the ratio given the person taken for a hazard ratio, and the
index incident counted where nothing works.
"""

from __future__ import annotations

import math
import os
import warnings

import numpy as np
import pytest

from drive_eval.data.synthetic import draw_events, synthetic_study, true_value
from drive_eval.errors import DesignWarning
from drive_eval.measures import offending
from drive_eval.models import survival

FULL = os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1"
DRAWS = 2000 if FULL else 60
PEOPLE = 500
YEAR = 365
BETWEEN = "programme v comparison"
Z = 1.959963984540054


@pytest.fixture(scope="module")
def truth():
    return synthetic_study("drive_pilot", seed=1).truth


def limit(truth, measure, **labels) -> float:
    return true_value(truth, outcome="police", measure=measure, **labels)


def police(drawn):
    return drawn.events[drawn.events["source"] == "police"]


def held(estimate, value: float) -> bool:
    return estimate.conf_low <= value <= estimate.conf_high


def ratio_of_rates(rows, numerator: str, *, within: str | None = None) -> tuple[float, float]:
    """Log ratio of two rates, and its standard error over people (two samples, or pairs)."""
    parts = []
    for _, part in rows.groupby(numerator, sort=False):
        part = part.sort_values("unit_id")
        events, years = part["events_free"].to_numpy(), part["person_years"].to_numpy()
        rate = events.sum() / years.sum()
        parts.append((rate, (events - rate * years) / events.sum()))
    (one, mine), (other, theirs) = parts
    spread = ((mine - theirs) ** 2).sum() if within else (mine**2).sum() + (theirs**2).sum()
    return math.log(one / other), math.sqrt(spread)


def one_draw(rng, truth, wider: list[float]) -> dict[str, bool]:
    drawn = draw_events(rng=rng, people=PEOPLE)
    events = police(drawn)
    given = (drawn.units, events, drawn.custody)
    first = offending.first_event(*given, horizon=YEAR).rows
    again = offending.repeat_rows(*given, horizon=YEAR).rows
    competing = offending.first_event(*given, horizon=YEAR, custody_as="competing").rows
    counts = offending.event_counts(*given, washout=28).rows
    found = {}

    hazard = survival.cox(
        first, start="start", stop="stop", event="event", treated="group", cluster="unit_id"
    ).one(measure="hazard_ratio")
    found["hazard_ratio"] = held(hazard, limit(truth, "hazard_ratio", contrast=BETWEEN))
    found["hazard ratio taken for the ratio given the person"] = held(hazard, 0.6)

    mean = survival.restricted_mean(
        first, start="start", stop="stop", event="event", group="group", horizon=YEAR
    ).one(measure="restricted_mean_difference")
    found["restricted_mean_difference"] = held(
        mean, limit(truth, "restricted_mean_difference", contrast=BETWEEN)
    )
    free = survival.kaplan_meier(
        first, start="start", stop="stop", event="event", group="group", times=(YEAR,)
    ).one(measure="event_free_difference")
    found["event_free_difference"] = held(
        free, limit(truth, "event_free_difference", contrast=BETWEEN)
    )
    reached = survival.cumulative_incidence(
        competing, start="start", stop="stop", cause="cause", group="group", times=(YEAR,)
    ).one(measure="cumulative_incidence_difference", term="reoffence")
    found["cumulative_incidence_difference, custody competing"] = held(
        reached,
        limit(truth, "cumulative_incidence_difference", contrast=BETWEEN, custody="competing"),
    )

    rows = {"person": "unit_id", "start": "start", "stop": "stop", "event": "event"}
    number = survival.mean_cumulative_count(again, **rows, group="group", times=(YEAR,))
    for arm in ("programme", "comparison"):
        found[f"mean_cumulative_count, {arm}"] = held(
            number.one(measure="mean_cumulative_count", group=arm),
            limit(truth, "mean_cumulative_count", group=arm),
        )
    found["mean_cumulative_count_difference"] = held(
        number.one(measure="mean_cumulative_count_difference"),
        limit(truth, "mean_cumulative_count_difference", contrast=BETWEEN),
    )
    every = survival.recurrent(again, **rows, treated="group")
    value = limit(truth, "hazard_ratio_every_event", contrast=BETWEEN)
    found["hazard_ratio_every_event"] = held(every.one(measure="hazard_ratio"), value)
    naive = math.sqrt(every.native.model_covariance[0, 0])
    off = abs(every.native.coefficients[0] - math.log(value))
    found["hazard_ratio_every_event, events taken as independent"] = off <= Z * naive
    wider.append(every.check("robust_v_model").statistic)

    after = counts[counts["window"] == "after"].sort_values("group", ascending=False)
    log_ratio, error = ratio_of_rates(after, "group")
    value = limit(truth, "rate_ratio", contrast=BETWEEN)
    found["rate_ratio"] = abs(log_ratio - math.log(value)) <= Z * error
    mine = counts[counts["group"] == "programme"].sort_values("window")
    log_ratio, error = ratio_of_rates(mine, "window", within="person")
    value = limit(truth, "rate_ratio")
    found["rate_ratio, after v before"] = abs(log_ratio - math.log(value)) <= Z * error
    return found


#: What is not the limit of the estimate, or not its variance: below 90 % in the long run.
WRONG = (
    "hazard_ratio_every_event, events taken as independent",
    "hazard ratio taken for the ratio given the person",
)


@pytest.mark.slow
def test_intervals_hold_the_stated_limits(truth, record_property):
    rng = np.random.default_rng(20261122)
    hits: dict[str, int] = {}
    wider: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        for _ in range(DRAWS):
            for name, hit in one_draw(rng, truth, wider).items():
                hits[name] = hits.get(name, 0) + hit
    for name, count in hits.items():
        share = count / DRAWS
        error = math.sqrt(max(share * (1 - share), 0.05 * 0.95) / DRAWS)
        record_property(name, f"{share:.3f} (MC error {error:.3f}, {DRAWS} draws)")
        if name in WRONG:
            continue
        assert share >= 0.93 - 3 * math.sqrt(0.93 * 0.07 / DRAWS), (name, share)
    # A few draws show that the variance without clusters is too small, many what that costs.
    assert 1.15 < np.mean(wider) < 1.4
    if FULL:
        naive, clustered = (hits[name] / DRAWS for name in (WRONG[0], "hazard_ratio_every_event"))
        assert naive < 0.90
        assert naive < clustered - 0.04


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_any_effect_only_the_counted_index_incident_makes_a_fall(seed):
    drawn = draw_events(
        rng=np.random.default_rng(seed), people=10_000, programme_effect=0, usual_care_effect=0
    )
    given = (drawn.units, police(drawn), drawn.custody)
    ratio = {}
    for name, options in (
        ("counted", {"index_incident": "counted"}),
        ("no washout", {}),
        ("left out", {"washout": 28}),
    ):
        rows = offending.event_counts(*given, **options).rows
        total = rows.groupby("window")[["events_free", "person_years"]].sum()
        rate = total["events_free"] / total["person_years"]
        ratio[name] = rate["after"] / rate["before"]
    # The index incident lies before the index date: leaving that day out alone saves nothing.
    assert ratio["counted"] == pytest.approx(0.44, abs=0.03)
    assert ratio["no washout"] == pytest.approx(0.45, abs=0.03)
    assert ratio["left out"] == pytest.approx(1.0, abs=0.06)


@pytest.mark.slow
def test_without_any_effect_the_arms_hardly_differ_by_any_measure(truth):
    drawn = draw_events(
        rng=np.random.default_rng(4), people=20_000, programme_effect=0, usual_care_effect=0
    )
    given = (drawn.units, police(drawn), drawn.custody)
    first = offending.first_event(*given, horizon=YEAR).rows
    hazard = survival.cox(
        first, start="start", stop="stop", event="event", treated="group", cluster="unit_id"
    ).one(measure="hazard_ratio")
    assert hazard.estimate == pytest.approx(1, abs=4 * hazard.std_error)
    free = survival.kaplan_meier(
        first, start="start", stop="stop", event="event", group="group", times=(YEAR,)
    )
    for arm in ("programme", "comparison"):
        found = free.one(measure="event_free", group=arm)
        value = limit(truth, "event_free", group="no_effect")
        assert found.estimate == pytest.approx(value, abs=4 * found.std_error)
