"""Known truth in, known truth out: how often the intervals of change within people hold it."""

import os
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from drive_eval.errors import DesignWarning
from drive_eval.models import _intervals, prepost

FULL = os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1"
NAMES = ("both", "before_only", "after_only", "neither")
# Probabilities of both, before only, after only, neither.
TRUTHS = {
    "fall of 82%": (0.10, 0.52, 0.02, 0.36),
    "fall of 88% of something rare": (0.01, 0.10, 0.003, 0.887),
    "fall of 11%": (0.60, 0.15, 0.07, 0.18),
    "no change": (0.30, 0.10, 0.10, 0.50),
    "rise": (0.20, 0.05, 0.15, 0.60),
}


def coverage(low, high, truth):
    held = (np.asarray(low) <= truth) & (truth <= np.asarray(high))
    return held.mean(), np.sqrt(0.95 * 0.05 / held.size)


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 500])
@pytest.mark.parametrize("name", TRUTHS)
def test_score_intervals_hold_the_truth_nineteen_times_in_twenty(name, n):
    p = np.array(TRUTHS[name])
    draws = np.random.default_rng(20261121).multinomial(n, p, size=40_000 if FULL else 4_000)
    counts = dict(zip(NAMES, draws.T, strict=True))
    before, after = p[0] + p[1], p[0] + p[2]
    for method, truth in (
        (_intervals.tango_difference, after - before),
        (_intervals.nam_tang_ratio, after / before),
    ):
        held, error = coverage(*method(**counts), truth)
        # Counts are whole numbers, so that no method can hold 95% exactly; few users, less so.
        allowed = 0.025 if n * before < 20 else 0.012
        assert abs(held - 0.95) < allowed + 3 * error, (method.__name__, held)


@pytest.mark.slow
def test_the_two_thousand_draws_of_a_simulation_take_seconds():
    rng = np.random.default_rng(7)
    draws = rng.multinomial(500, TRUTHS["fall of 82%"], size=(2_000, 4))
    counts = dict(zip(NAMES, np.moveaxis(draws, -1, 0), strict=True))
    start = time.perf_counter()
    for method in (_intervals.tango_difference, _intervals.nam_tang_ratio):
        low, _ = method(**counts)
        assert low.shape == (2_000, 4)
    assert time.perf_counter() - start < 10  # under a second on an idle machine


def families(rng, people, rows, p, correlation):
    """Rows of a person that copy the person's own pair as often as makes this correlation."""
    own = rng.choice(4, size=people, p=p)
    fresh = rng.choice(4, size=(people, rows), p=p)
    copied = rng.random((people, rows)) < np.sqrt(correlation)
    kind = np.where(copied, own[:, None], fresh).ravel()
    return pd.DataFrame(
        {
            "person": np.repeat(np.arange(people), rows),
            "intake": np.isin(kind, (0, 1)),
            "exit": np.isin(kind, (0, 2)),
        }
    )


@pytest.mark.slow
def test_dyads_of_the_same_person_need_their_cluster():
    rng = np.random.default_rng(11)
    p = (0.15, 0.40, 0.05, 0.40)
    truth = {"risk_difference": -0.35, "risk_ratio": 0.2 / 0.55, "cessation": 0.40 / 0.55}
    limits = {(kind, m): [] for kind in ("alone", "clustered") for m in truth}
    for _ in range(2_000 if FULL else 300):
        table = families(rng, 60, 4, p, 0.6)
        found = {
            "alone": prepost.paired_change(table, before="intake", after="exit"),
            "clustered": prepost.paired_change(
                table, before="intake", after="exit", cluster="person"
            ),
        }
        for kind, measure in limits:
            e = found[kind].one(measure=measure)
            limits[kind, measure].append((e.conf_low, e.conf_high))
    for (kind, measure), found_limits in limits.items():
        held, error = coverage(*np.transpose(found_limits), truth[measure])
        if kind == "alone":
            assert held < 0.90, (measure, held)
        else:
            assert held > 0.93 - 3 * error, (measure, held)


def unequal(rng, sizes, p, correlation):
    """Rows as in `families`, of people with as many rows as `sizes` says."""
    person = np.repeat(np.arange(len(sizes)), sizes)
    own = rng.choice(4, size=len(sizes), p=p)[person]
    fresh = rng.choice(4, size=len(person), p=p)
    kind = np.where(rng.random(len(person)) < np.sqrt(correlation), own, fresh)
    return pd.DataFrame(
        {
            "person": person,
            "intake": np.isin(kind, (0, 1)).astype(int),
            "exit": np.isin(kind, (0, 2)).astype(int),
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "least"),
    [
        # With clusters - 1 degrees of freedom: 0.59, 0.58, 0.64, 0.59.
        ([60] + [1] * 40, {"risk_difference": 0.95, "risk_ratio": 0.95, "cessation": 0.95}),
        # With clusters - 1: 0.89, 0.76, 0.74, 0.89. Better, not good: the documentation says so.
        ([20] * 5 + [1] * 45, {"risk_difference": 0.89, "risk_ratio": 0.79, "cessation": 0.81}),
    ],
    ids=["one of 60", "five of 20"],
)
def test_very_unequal_clusters(sizes, least):
    rng = np.random.default_rng(19)
    p = (0.15, 0.40, 0.05, 0.40)
    truth = {"risk_difference": -0.35, "risk_ratio": 0.2 / 0.55, "cessation": 0.40 / 0.55}
    limits = {measure: [] for measure in (*truth, "improved_minus_worsened")}
    for _ in range(3_000 if FULL else 200):
        table = unequal(rng, sizes, p, 0.6)
        columns = {"before": "intake", "after": "exit", "cluster": "person"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DesignWarning)
            found = prepost.paired_change(table, **columns)
            moved = prepost.severity_shift(table, levels=[0, 1], **columns)
        for measure in truth:
            e = found.one(measure=measure)
            limits[measure].append((e.conf_low, e.conf_high))
        e = moved.one(measure="improved_minus_worsened")
        limits["improved_minus_worsened"].append((e.conf_low, e.conf_high))
    truth["improved_minus_worsened"] = 0.35
    least = {**least, "improved_minus_worsened": least["risk_difference"]}
    for measure, found_limits in limits.items():
        held, _ = coverage(*np.transpose(found_limits), truth[measure])
        error = np.sqrt(least[measure] * (1 - least[measure]) / len(found_limits))
        assert held > least[measure] - 3 * error, (measure, held)


@pytest.mark.slow
def test_clustered_shift_tests_reject_a_true_null_one_time_in_twenty():
    rng = np.random.default_rng(13)
    levels = np.array(["none", "standard", "moderate", "high"])
    found = {"bhapkar": [], "sign_test": []}
    for _ in range(2_000 if FULL else 300):
        # Symmetric moves around a person's own level: the two distributions are the same.
        own = rng.integers(0, 4, size=(60, 1))
        start, end = (
            np.where(rng.random((60, 3)) < 0.7, own, rng.integers(0, 4, size=(60, 3)))
            for _ in range(2)
        )
        table = pd.DataFrame(
            {
                "person": np.repeat(np.arange(60), 3),
                "intake": levels[start.ravel()],
                "exit": levels[end.ravel()],
            }
        )
        result = prepost.severity_shift(
            table, before="intake", after="exit", levels=list(levels), cluster="person"
        )
        for name, p_values in found.items():
            p_values.append(result.check(name).p_value)
    for name, p_values in found.items():
        rejected = np.mean(np.array(p_values) < 0.05)
        error = np.sqrt(0.05 * 0.95 / len(p_values))
        assert rejected < 0.065 + 3 * error, (name, rejected)


@pytest.mark.slow
def test_bias_reduced_errors_hold_where_plain_robust_ones_fall_short():
    rng = np.random.default_rng(17)
    limits = {"robust": [], "bias_reduced": []}
    for _ in range(1_500 if FULL else 200):
        people = 14
        treated = np.arange(people) < 5
        shared = rng.normal(size=people)
        score = (0.8 * treated + shared)[:, None] + rng.normal(size=(people, 4))
        table = pd.DataFrame(
            {
                "person": np.repeat(np.arange(people), 4),
                "treated": np.repeat(treated, 4),
                "score": score.ravel(),
            }
        )
        for cov, found in limits.items():
            e = prepost.population_average(
                table,
                outcome="score",
                covariates=["treated"],
                groups="person",
                family="gaussian",
                link="identity",
                cov=cov,
            ).one(term="treated")
            z = stats.norm.ppf(0.975)
            plain = (e.estimate - z * e.std_error, e.estimate + z * e.std_error)
            found.append(plain if cov == "robust" else (e.conf_low, e.conf_high))
    plain, error = coverage(*np.transpose(limits["robust"]), 0.8)
    reduced, _ = coverage(*np.transpose(limits["bias_reduced"]), 0.8)
    assert plain < 0.92
    assert reduced > 0.93 - 3 * error
