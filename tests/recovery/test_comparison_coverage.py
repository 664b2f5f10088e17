"""Do the intervals of comparisons hold the truth as often as they say?

Each study draws tables from a known population, fits them through the public door and counts
how often the interval holds the population's value. Every limit allows three Monte Carlo
standard errors beside what is known of the method. Short form by default;
DRIVE_EVAL_FULL_RECOVERY=1 draws the number that the figures in the report rest on.
"""

from __future__ import annotations

import functools
import math
import os
import warnings

import numpy as np
import pandas as pd
import pytest

from drive_eval.errors import DesignWarning, UndefinedResultError
from drive_eval.models.comparison import difference_in_differences, instrumental, risk_contrast

FULL = os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1"
DRAWS = 3000 if FULL else 120

pytestmark = pytest.mark.slow


def check(held, truth, *, low=0.94, high=0.97):
    """Compare the share of intervals that hold the truth with what is expected of them."""
    for measure, hits in held.items():
        share, n = float(np.mean(hits)), len(hits)
        error = math.sqrt(0.95 * 0.05 / n)
        print(f"  {measure} (truth {truth[measure]:.4g}): {share:.4f} ± {error:.4f}")  # noqa: T201
        assert low - 3 * error <= share <= high + 3 * error, f"{measure}: {share:.4f} of {n}"


def holds(estimate, value):
    return estimate.conf_low <= value <= estimate.conf_high


def tally(found, truth, held, **which):
    for measure, value in truth.items():
        held.setdefault(measure, []).append(holds(found.one(measure=measure, **which), value))


@functools.cache
def plain(x1, n1, x0, n0):
    arm = np.repeat([True, False], [n1, n0])
    abuse = np.concatenate([np.arange(n1) < x1, np.arange(n0) < x0])
    table = pd.DataFrame({"arm": arm, "abuse": abuse})
    return risk_contrast(table, outcome="abuse", treated="arm")


@pytest.mark.parametrize(("p1", "p0"), [(0.4, 0.6), (0.02, 0.05)], ids=["common", "rare"])
def test_plain_risks_150_per_arm(p1, p0):
    rng, held = np.random.default_rng(11), {}
    odds = p1 * (1 - p0) / (p0 * (1 - p1))
    truth = {"risk_difference": p1 - p0, "risk_ratio": p1 / p0, "odds_ratio": odds}
    for _ in range(DRAWS):
        x1, x0 = rng.binomial(150, p1), rng.binomial(150, p0)
        found = plain(int(x1), 150, int(x0), 150)
        if x1 + x0 == 0:  # no ratio is claimed, so none is wrong
            continue
        tally(found, truth, held)
    check(held, truth)


def _population(n, rng, level, effect):
    """Older people with more priors are likelier in the programme, and likelier to abuse."""
    age, prior = rng.normal(0, 1, n), rng.poisson(1.0, n)
    score = 0.5 * age + 0.5 * (prior - 1)
    treated = rng.random(n) < 1 / (1 + np.exp(-score))
    risk = [1 / (1 + np.exp(-(level + 0.6 * age + 0.4 * prior + effect * a))) for a in (1, 0)]
    abuse = rng.random(n) < np.where(treated, *risk)
    table = pd.DataFrame({"age": age, "prior": prior, "arm": treated, "abuse": abuse})
    return table, (float(risk[0].mean()), float(risk[1].mean()))


@pytest.mark.parametrize(
    ("level", "effect", "bounds"),
    [(-0.3, -0.7, (0.935, 0.965)), (-2.6, -0.5, (0.925, 0.97))],
    ids=["common", "rare"],
)
def test_standardised_risks_150_per_arm(level, effect, bounds):
    rng, held = np.random.default_rng(12), {}
    _, (p1, p0) = _population(2_000_000, rng, level, effect)
    truth = {"risk_difference": p1 - p0, "risk_ratio": p1 / p0}
    for _ in range(DRAWS // 2):
        table, _ = _population(300, rng, level, effect)
        found = risk_contrast(
            table, outcome="abuse", treated="arm", covariates=["age", "prior"], interactions=False
        )
        tally(found, truth, held)
    check(held, truth, low=bounds[0], high=bounds[1])


def test_standardised_risks_with_own_slopes_150_per_arm():
    rng, held = np.random.default_rng(13), {}
    _, (p1, p0) = _population(2_000_000, rng, -0.3, -0.7)
    truth = {"risk_difference": p1 - p0, "risk_ratio": p1 / p0}
    for _ in range(DRAWS // 2):
        table, _ = _population(300, rng, -0.3, -0.7)
        found = risk_contrast(table, outcome="abuse", treated="arm", covariates=["age", "prior"])
        tally(found, truth, held)
    check(held, truth, low=0.935, high=0.965)


@pytest.mark.parametrize("areas", [12, 40])
@pytest.mark.parametrize("whole", [True, False], ids=["allocated", "mixed"])
def test_clustered_risks(areas, whole):
    rng, held = np.random.default_rng(14), {}
    # The beta-binomial keeps the mean risk exact: intracluster correlation 0.05.
    risks = {True: 0.35, False: 0.5}
    truth = {
        "risk_difference": risks[True] - risks[False],
        "risk_ratio": risks[True] / risks[False],
    }
    each = 300 // areas
    area = np.repeat(np.arange(areas), each)
    arm = (area if whole else np.arange(len(area))) % 2 == 0
    for _ in range(DRAWS // 2):
        p = np.empty(len(area))
        level = rng.beta(0.5 * 19, 0.5 * 19, areas)[area]  # moves both arms of an area together
        for flag, risk in risks.items():
            p[arm == flag] = (level * 2 * risk)[arm == flag]
        abuse = rng.random(len(area)) < np.minimum(p, 1)
        table = pd.DataFrame({"area": area, "arm": arm, "abuse": abuse})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DesignWarning)
            found = risk_contrast(table, outcome="abuse", treated="arm", cluster="area")
        tally(found, truth, held)
    check(held, truth, low=0.93, high=0.965)


@functools.cache
def change(programme, comparison):
    kinds = np.array([(True, True), (True, False), (False, True), (False, False)])
    pairs = np.concatenate([np.repeat(kinds, cells, axis=0) for cells in (programme, comparison)])
    n = len(pairs)
    table = pd.DataFrame(
        {
            "id": np.repeat(np.arange(n), 2),
            "arm": np.repeat(np.arange(n) < sum(programme), 2),
            "late": np.tile([False, True], n),
            "abuse": pairs.reshape(-1),
        }
    )
    return difference_in_differences(
        table,
        outcome="abuse",
        treated="arm",
        period="late",
        person="id",
        scale="risk_difference",
    )


@pytest.mark.parametrize(
    ("n", "programme", "comparison", "bounds"),
    [
        (150, (0.25, 0.45, 0.05, 0.25), (0.4, 0.25, 0.1, 0.25), (0.94, 0.96)),
        (150, (0.03, 0.15, 0.01, 0.81), (0.06, 0.1, 0.03, 0.81), (0.94, 0.985)),
        (20, (0.25, 0.45, 0.05, 0.25), (0.4, 0.25, 0.1, 0.25), (0.94, 0.985)),
        (30, (0.03, 0.5, 0.01, 0.46), (0.3, 0.2, 0.1, 0.4), (0.94, 0.995)),
    ],
    ids=["common", "rare", "small", "nearly_none_after"],
)
def test_difference_in_differences(n, programme, comparison, bounds):
    rng, held = np.random.default_rng(15), {}

    def margins(cells):
        return cells[0] + cells[2], cells[0] + cells[1]

    (a1, b1), (a0, b0) = margins(programme), margins(comparison)
    truth = {
        "ratio_of_ratios": a1 / b1 / (a0 / b0),
        "difference_in_differences": a1 - b1 - (a0 - b0),
    }
    left_out = 0
    for _ in range(DRAWS):
        drawn = [tuple(map(int, rng.multinomial(n, p))) for p in (programme, comparison)]
        found = change(*drawn)
        ratio = found.one(measure="ratio_of_ratios")
        if ratio.conf_low is None:  # no ratio is claimed
            left_out += 1
            continue
        tally(found, truth, held)
    assert left_out <= 0.01 * DRAWS
    check(held, truth, low=bounds[0], high=bounds[1])


@pytest.mark.parametrize(
    ("n0", "low"),
    [(5, 0.95), (12, 0.945), (25, 0.935)],  # with the normal quantile: 0.88, 0.93, 0.94
)
def test_a_small_comparison_arm_beside_a_large_programme(n0, low):
    rng, held = np.random.default_rng(17), {}
    programme, comparison = (0.25, 0.45, 0.05, 0.25), (0.4, 0.25, 0.1, 0.25)
    truth = {"difference_in_differences": -0.25}
    for _ in range(DRAWS):
        drawn = [
            tuple(map(int, rng.multinomial(n, p))) for n, p in ((200, programme), (n0, comparison))
        ]
        tally(change(*drawn), truth, held)
    check(held, truth, low=low, high=1.0)


@pytest.mark.parametrize(
    ("took", "bounds"),
    [((0.8, 0.1), (0.94, 0.96)), ((0.35, 0.2), (0.94, 1.0))],
    ids=["strong", "weak"],
)
def test_instrumental_variable_150_per_arm(took, bounds):
    rng, held = np.random.default_rng(16), {}
    # Three kinds of people: always, never, and those who follow the offer (risk falls by 0.2).
    always, follow = took[1], took[0] - took[1]
    truth = {"iv": -0.2, "iv_anderson_rubin": -0.2, "itt": -0.2 * follow}
    for _ in range(DRAWS // 2):
        offered = np.arange(300) % 2 == 0
        kind = rng.choice(3, 300, p=[always, 1 - always - follow, follow])
        started = (kind == 0) | ((kind == 2) & offered)
        risk = np.choose(kind, [0.3, 0.6, 0.5]) - 0.2 * ((kind == 2) & started)
        table = pd.DataFrame(
            {"offered": offered, "started": started, "abuse": rng.random(300) < risk}
        )
        try:
            found = instrumental(table, outcome="abuse", assigned="offered", delivered="started")
        except UndefinedResultError:  # the offer moved nobody: nothing is claimed
            continue
        for term, value in truth.items():
            estimate = found.one(term=term, measure="risk_difference")
            inside = estimate.conf_low is None or holds(estimate, value)
            held.setdefault(term, []).append(inside)
    check(held, truth, low=bounds[0], high=bounds[1])
