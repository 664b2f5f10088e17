"""Do the intervals of rates and rate ratios hold the truth as often as they say?

Each study draws counts from a known rate, with people who differ (frailty), and counts how
often the interval holds the truth. Every limit allows three Monte Carlo standard errors.
Short form by default; DRIVE_EVAL_FULL_RECOVERY=1 draws the number that the figures of the
report rest on. What the naive method does on the same draws stands beside it.
"""

from __future__ import annotations

import math
import os

import numpy as np
import pandas as pd
import pytest

from drive_eval.models import counts

FULL = os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1"
DRAWS = 1000 if FULL else 60

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::drive_eval.errors.DesignWarning"),
]


def holds(estimate, truth):
    """Whether the interval holds the truth; one that says nothing holds everything."""
    low = -math.inf if estimate.conf_low is None else estimate.conf_low
    high = math.inf if estimate.conf_high is None else estimate.conf_high
    return low <= truth <= high


def check(held, limits):
    """Compare the share of intervals that hold the truth with what is expected of them."""
    for name, hits in held.items():
        share, n = float(np.mean(hits)), len(hits)
        low, high = limits.get(name, limits.get("", (0.94, 0.97)))
        error = math.sqrt(0.95 * 0.05 / n)
        print(f"  {name}: {share:.4f} ± {math.sqrt(share * (1 - share) / n):.4f}")  # noqa: T201
        assert low - 3 * error <= share <= high + 3 * error, f"{name}: {share:.4f} of {n}"


def arms(rng, n, *, spread, programme, comparison):
    """One row per person in two arms; rates differ between people by a gamma distribution."""
    arm = np.repeat([True, False], n)
    t = rng.uniform(0.3, 1.0, 2 * n)
    own = rng.gamma(1 / spread, spread, 2 * n)
    y = rng.poisson(own * t * np.where(arm, programme, comparison))
    return pd.DataFrame({"y": y, "t": t, "arm": arm})


def periods(rng, n, *, spread, before, after, own_ratio=0.0):
    """Two rows per person; `own_ratio` is by how much people's own ratios differ."""
    own = rng.gamma(1 / spread, spread, n)
    ratio = rng.gamma(1 / own_ratio, own_ratio, n) if own_ratio else np.ones(n)
    t = np.concatenate([np.ones(n), rng.uniform(0.3, 1.0, n)])
    mean = np.concatenate([own * before, own * ratio * after]) * t
    late = np.repeat([False, True], n)
    return pd.DataFrame(
        {"who": np.tile(np.arange(n), 2), "late": late, "t": t, "y": rng.poisson(mean)}
    )


CALL = {"count": "y", "person_years": "t"}


@pytest.mark.parametrize("n", [40, 200])
def test_rate_when_people_differ(n):
    rng, held = np.random.default_rng(n), {}
    for _ in range(DRAWS):
        table = arms(rng, n, spread=1.5, programme=1.2, comparison=1.2)
        for kind in ("exact", "robust", "overdispersed"):
            found = counts.rate(table[table["arm"]], interval=kind, **CALL).estimates[0]
            held.setdefault(kind, []).append(holds(found, 120))
    check(held, {"exact": (0.0, 0.88), "": (0.93, 0.975)})


@pytest.mark.parametrize("mean", [0.7, 3.0, 12.0])
def test_rate_of_independent_events(mean):
    rng, held = np.random.default_rng(7), {"exact": []}
    for x in rng.poisson(mean, 10 * DRAWS):
        found = counts.rate_counts(events=int(x), person_years=4.0).estimates[0]
        held["exact"].append(holds(found, 25 * mean))
    check(held, {"exact": (0.95, 1.0)})


@pytest.mark.parametrize("n", [25, 100])
def test_two_arms_when_people_differ(n):
    rng, held = np.random.default_rng(n), {}
    ways = {
        "negative binomial": {},
        "negative binomial, robust": {"cov": "robust"},
        "Poisson, robust": {"method": "poisson"},
        "Poisson, quasi": {"method": "poisson", "cov": "quasi"},
        "Poisson, believed": {"method": "poisson", "cov": "model"},
    }
    for _ in range(DRAWS):
        table = arms(rng, n, spread=1.5, programme=1.2, comparison=2.0)
        for name, call in ways.items():
            found = counts.rate_ratio(table, contrast="arm", **call, **CALL)
            held.setdefault(name, []).append(holds(found.one(measure="rate_ratio"), 0.6))
            if "believed" not in name:
                gap = found.one(measure="rate_difference")
                held.setdefault(f"{name}, difference", []).append(holds(gap, -80))
    check(held, {"Poisson, believed": (0.0, 0.88), "": (0.93, 0.97)})


@pytest.mark.parametrize("own_ratio", [0.0, 0.6], ids=["one_ratio", "own_ratios"])
def test_before_and_after_in_the_same_people(own_ratio):
    rng, held = np.random.default_rng(5), {}
    for _ in range(DRAWS):
        table = periods(rng, 60, spread=1.5, before=2.0, after=1.2, own_ratio=own_ratio)
        for method in ("exact", "poisson", "negative_binomial"):
            found = counts.rate_ratio(table, contrast="late", person="who", method=method, **CALL)
            held.setdefault(method, []).append(holds(found.one(measure="rate_ratio"), 0.6))
    if own_ratio:  # what dispersion_within warns of
        check(held, {"exact": (0.0, 0.91), "": (0.915, 0.97)})
    else:
        check(held, {"exact": (0.95, 0.99), "": (0.93, 0.97)})


@pytest.mark.parametrize("ratio", [1.0, 0.1])
def test_sparse_exact_ratios(ratio):
    rng, held, none = np.random.default_rng(6), {}, 0
    for _ in range(5 * DRAWS):
        x1, x0 = (int(x) for x in rng.poisson([3.0 * ratio, 3.0]))
        found = counts.rate_ratio_counts(
            events=x1, person_years=2.0, events_reference=x0, person_years_reference=2.0
        )
        none += x1 == 0 or x0 == 0
        held.setdefault("ratio", []).append(holds(found.one(measure="rate_ratio"), ratio))
        gap = found.one(measure="rate_difference")
        held.setdefault("difference", []).append(holds(gap, 150 * (ratio - 1)))
    assert none > 0
    check(held, {"": (0.95, 1.0)})


def test_sparse_before_and_after_exact():
    rng, held = np.random.default_rng(9), {}
    for _ in range(DRAWS):
        table = periods(rng, 20, spread=2.0, before=0.3, after=0.1)
        found = counts.rate_ratio(table, contrast="late", person="who", method="exact", **CALL)
        held.setdefault("exact", []).append(holds(found.one(measure="rate_ratio"), 1 / 3))
    check(held, {"exact": (0.95, 1.0)})


def test_often_no_event_in_the_programme():
    rng, held, none = np.random.default_rng(10), {}, 0
    for _ in range(DRAWS):
        table = arms(rng, 40, spread=1.0, programme=0.04, comparison=1.5)
        none += table["y"][table["arm"]].sum() == 0
        for method in ("poisson", "negative_binomial"):
            found = counts.rate_ratio(table, contrast="arm", method=method, cov="robust", **CALL)
            held.setdefault(method, []).append(holds(found.one(measure="rate_ratio"), 0.04 / 1.5))
    assert none > DRAWS / 10
    check(held, {"": (0.91, 1.0)})


@pytest.mark.parametrize("own_ratio", [0.0, 0.5], ids=["one_ratio", "own_ratios"])
def test_ratio_of_rate_ratios(own_ratio):
    rng, held = np.random.default_rng(12), {}
    for _ in range(DRAWS):
        first = periods(rng, 60, spread=1.2, before=2.5, after=1.2, own_ratio=own_ratio)
        other = periods(rng, 60, spread=1.2, before=2.0, after=1.6, own_ratio=own_ratio)
        table = pd.concat([first.assign(arm=True), other.assign(arm=False, who=other["who"] + 60)])
        found = counts.difference_in_differences(
            table, treated="arm", period="late", person="who", **CALL
        )
        held.setdefault("ratio of ratios", []).append(
            holds(found.one(measure="ratio_of_ratios"), 0.6)
        )
        gap = found.one(measure="difference_in_differences")
        held.setdefault("difference", []).append(holds(gap, -130 + 40))
    check(held, {"": (0.925, 0.97)})


def test_arms_of_whole_areas():
    rng, held = np.random.default_rng(13), {}
    for _ in range(DRAWS):
        area = np.repeat(np.arange(24), 15)
        t = rng.uniform(0.3, 1.0, 360)
        arm = area % 2 == 0
        own = rng.gamma(1, 1, 360) * rng.gamma(8, 1 / 8, 24)[area]
        y = rng.poisson(own * t * np.where(arm, 1.2, 2.0))
        table = pd.DataFrame({"y": y, "t": t, "arm": arm, "area": area})
        for name, call in {"clusters": {"cluster": "area"}, "ignored": {}}.items():
            found = counts.rate_ratio(table, contrast="arm", **call, **CALL)
            held.setdefault(name, []).append(holds(found.one(measure="rate_ratio"), 0.6))
    check(held, {"clusters": (0.93, 0.97), "ignored": (0.0, 0.9)})


def test_totals_of_harm():
    rng, held = np.random.default_rng(14), {}
    for _ in range(DRAWS):
        table = periods(rng, 150, spread=1.0, before=2.0, after=1.2)
        harm = np.array([rng.exponential(10.0, y).sum() for y in table["y"]])
        found = counts.rate_ratio(
            table.assign(y=harm), contrast="late", person="who", method="poisson", **CALL
        )
        held.setdefault("ratio", []).append(holds(found.one(measure="rate_ratio"), 0.6))
        rate = found.one(measure="rate", group="before")
        held.setdefault("rate", []).append(holds(rate, 2000))
    check(held, {"": (0.925, 0.975)})


def test_negative_binomial_recovers_its_parameters():
    rng, found = np.random.default_rng(15), []
    for _ in range(DRAWS // 10 + 5):
        table = arms(rng, 2000, spread=1.5, programme=1.2, comparison=2.0)
        fit = counts.rate_ratio(table, contrast="arm", **CALL).native
        found.append([fit.coefficients[1], fit.alpha])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / math.sqrt(len(found))
    assert mean == pytest.approx([math.log(0.6), 1.5], abs=4 * float(error.max()))
