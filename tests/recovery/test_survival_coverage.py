"""Do the intervals of curves and their differences hold the truth as often as they say?

People differ by a gamma frailty, so that the marginal curves are known in closed form, and are
censored at random. Where rows of one person share the frailty, variances that take rows to be
independent are shown failing beside those that do not. Short form by default;
DRIVE_EVAL_FULL_RECOVERY=1 draws the thousand that the figures in the report rest on.
"""

from __future__ import annotations

import itertools
import math
import os

import numpy as np
import pandas as pd
import pytest
from scipy import integrate

from drive_eval.models.matching import propensity_weights
from drive_eval.models.survival import (
    cumulative_incidence,
    kaplan_meier,
    mean_cumulative_count,
    restricted_mean,
)

FULL = os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1"
DRAWS = 1000 if FULL else 100
pytestmark = pytest.mark.slow

SHAPE, RATES, SHARES = 1.0, {True: 0.010, False: 0.018}, {1: 0.7, 2: 0.3}
HORIZON = 60.0


def free(t, rate):
    """S(t) when the hazard is rate · Z, Z gamma with mean 1 and variance 1/SHAPE."""
    return (1 + rate * t / SHAPE) ** -SHAPE


def lasting(rate):
    return integrate.quad(free, 0, HORIZON, args=(rate,))[0]


TRUTH = {
    "event_free_difference": free(HORIZON, RATES[True]) - free(HORIZON, RATES[False]),
    "restricted_mean_difference": lasting(RATES[True]) - lasting(RATES[False]),
    "cumulative_incidence_difference": SHARES[1]
    * (free(HORIZON, RATES[False]) - free(HORIZON, RATES[True])),
    "mean_cumulative_count_difference": HORIZON * (RATES[True] - RATES[False]),
}


class Tally:
    """How often intervals hold the truth."""

    def __init__(self):
        self.held: dict[str, list[bool]] = {}

    def add(self, name, estimate, truth):
        assert estimate.conf_low is not None
        hit = estimate.conf_low <= truth <= estimate.conf_high
        self.held.setdefault(name, []).append(hit)

    def share(self, name):
        hits = self.held[name]
        share, error = float(np.mean(hits)), math.sqrt(0.95 * 0.05 / len(hits))
        print(f"  {name}: {share:.3f} ± {error:.3f} of {len(hits)}")  # noqa: T201
        return share, error

    def check(self, name, *, low=0.935, high=0.965):
        share, error = self.share(name)
        assert low - 3 * error <= share <= high + 3 * error, f"{name}: {share:.3f}"


def enrolments(rng, persons, each):
    """Rows of persons, each several times in one arm, with one frailty a person."""
    who = np.repeat(np.arange(2 * persons), each)
    arm = who < persons
    frailty = rng.gamma(SHAPE, 1 / SHAPE, 2 * persons)[who]
    rate = np.where(arm, RATES[True], RATES[False]) * frailty
    time, end = rng.exponential(1 / rate), rng.uniform(40, 140, len(who))
    table = pd.DataFrame({"who": who, "arm": arm, "stop": np.minimum(time, end)})
    table["event"] = time <= end
    table["cause"] = table["event"] * (1 + (rng.random(len(who)) > SHARES[1]))
    return table


def contrasts(table, **options):
    columns = {"stop": "stop", "group": "arm", **options}
    curves = kaplan_meier(table, event="event", times=HORIZON, **columns)
    means = restricted_mean(table, event="event", horizon=HORIZON, **columns)
    causes = cumulative_incidence(table, cause="cause", times=HORIZON, **columns)
    return {
        "event_free_difference": curves.one(measure="event_free_difference"),
        "restricted_mean_difference": means.one(measure="restricted_mean_difference"),
        "cumulative_incidence_difference": causes.one(
            measure="cumulative_incidence_difference", term="1"
        ),
    }


def test_independent_people_120_per_arm():
    rng, tally = np.random.default_rng(51), Tally()
    for _ in range(DRAWS):
        table = enrolments(rng, 120, 1)
        for name, estimate in contrasts(table).items():
            tally.add(name, estimate, TRUTH[name])
    for name in list(tally.held):
        tally.check(name)


def test_several_enrolments_of_one_person_are_one_cluster():
    rng, tally, naive = np.random.default_rng(52), Tally(), Tally()
    for _ in range(DRAWS):
        table = enrolments(rng, 80, 4)
        for name, estimate in contrasts(table, cluster="who").items():
            tally.add(name, estimate, TRUTH[name])
        for name, estimate in contrasts(table).items():
            naive.add(f"{name}, rows as independent", estimate, TRUTH[name])
    for name in list(tally.held):
        tally.check(name)
    for name in list(naive.held):
        share, _ = naive.share(name)
        assert share < 0.92, f"{name}: {share:.3f} should fail"


def test_matched_sets_that_share_their_frailty():
    # One of each arm in a set: rows taken as independent give intervals that are too wide.
    rng, tally, naive = np.random.default_rng(53), Tally(), Tally()
    for _ in range(DRAWS):
        table = enrolments(rng, 150, 1)
        frailty = rng.gamma(SHAPE, 1 / SHAPE, 150)
        rate = np.where(table["arm"], RATES[True], RATES[False]) * np.tile(frailty, 2)
        time, end = rng.exponential(1 / rate), rng.uniform(40, 140, 300)
        table = table.assign(stop=np.minimum(time, end), event=time <= end, set=table["who"] % 150)
        table["cause"] = table["event"] * (1 + (rng.random(300) > SHARES[1]))
        for name, estimate in contrasts(table, cluster="set").items():
            tally.add(name, estimate, TRUTH[name])
        for name, estimate in contrasts(table).items():
            naive.add(f"{name}, rows as independent", estimate, TRUTH[name])
    for name in list(tally.held):
        tally.check(name)
        assert tally.share(name)[0] <= naive.share(f"{name}, rows as independent")[0]


def histories(rng, persons):
    """Events of people of different frailty, with spells in custody cut out."""
    rows = []
    frailty = rng.gamma(SHAPE, 1 / SHAPE, 2 * persons)
    for who in range(2 * persons):
        arm = who < persons
        end = rng.uniform(40, 140)
        away = rng.uniform(5, 60) if rng.random() < 0.4 else end  # custody, whatever they did
        back = away + rng.uniform(5, 25)
        for start, stop in ((0.0, min(away, end)), (back, end)):
            if stop <= start:
                continue
            count = rng.poisson(RATES[arm] * frailty[who] * (stop - start))
            cuts = np.sort(rng.uniform(start, stop, count))
            edges = np.concatenate([[start], cuts, [stop]])
            rows += [
                (who, a, b, i < count, arm) for i, (a, b) in enumerate(itertools.pairwise(edges))
            ]
    return pd.DataFrame(rows, columns=["who", "start", "stop", "event", "arm"])


def test_mean_cumulative_counts_100_per_arm():
    rng, tally, naive = np.random.default_rng(54), Tally(), Tally()
    name = "mean_cumulative_count_difference"
    null = []
    for _ in range(DRAWS):
        table = histories(rng, 100)
        table["row"] = np.arange(len(table))
        columns = {"start": "start", "stop": "stop", "event": "event", "times": HORIZON}
        found = mean_cumulative_count(table, person="who", group="arm", **columns)
        tally.add(name, found.one(measure=name), TRUTH[name])
        ratio = found.one(measure="mean_cumulative_count_ratio")
        tally.add("mean_cumulative_count_ratio", ratio, RATES[True] / RATES[False])
        one = found.one(measure="mean_cumulative_count", group="True")
        tally.add("mean_cumulative_count", one, HORIZON * RATES[True])
        poisson = mean_cumulative_count(table, person="row", group="arm", **columns)
        naive.add(f"{name}, events as independent", poisson.one(measure=name), TRUTH[name])
        shuffled = table.assign(arm=rng.permutation(200)[table["who"]] < 100)
        test = mean_cumulative_count(shuffled, person="who", group="arm", **columns)
        null.append(test.check("equal_mean_counts").p_value < 0.05)
    for measure in list(tally.held):
        # A ratio and a mean of skewed counts of 100 people cover a little less than they say.
        tally.check(measure, low=0.925)
    share, _ = naive.share(f"{name}, events as independent")
    assert share < 0.91
    size, error = float(np.mean(null)), math.sqrt(0.05 * 0.95 / len(null))
    print(f"  size of the test under no difference: {size:.3f} ± {error:.3f}")  # noqa: T201
    assert 0.04 - 3 * error <= size <= 0.06 + 3 * error


def test_weighted_arms_whose_weights_were_estimated():
    rng, tally, known = np.random.default_rng(55), Tally(), Tally()
    slope, effect = 0.7, -0.5

    def average(arm):
        def at(x):
            rate = 0.02 * math.exp(slope * x + effect * arm)
            density = math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
            return density * (1 - math.exp(-rate * HORIZON)) / rate

        return integrate.quad(at, -8, 8)[0]

    truth = average(1) - average(0)
    name = "restricted_mean_difference"
    for _ in range(DRAWS):
        x = rng.normal(size=300)
        arm = rng.random(300) < 1 / (1 + np.exp(-0.8 * x))
        rate = 0.02 * np.exp(slope * x + effect * arm)
        time, end = rng.exponential(1 / rate), rng.uniform(60, 140, 300)
        table = pd.DataFrame({"x": x, "arm": arm, "stop": np.minimum(time, end)})
        table["event"] = time <= end
        made = propensity_weights(table, treated="arm", covariates=["x"], estimand="ate")
        columns = {"stop": "stop", "event": "event", "horizon": HORIZON}
        tally.add("weights as estimated", restricted_mean(made, **columns).one(measure=name), truth)
        found = restricted_mean(made, **columns, cov="sandwich").one(measure=name)
        known.add("weights as known", found, truth)
        plain = restricted_mean(table, **columns, group="arm").one(measure=name)
        known.add("no weights", plain, truth)
    tally.check("weights as estimated", low=0.925)
    assert known.share("weights as known")[0] > tally.share("weights as estimated")[0]
    assert known.share("no weights")[0] < 0.6
