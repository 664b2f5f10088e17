"""Exits that are missing because of what they would have shown, in the pilot's world.

Whether an exit is missing follows a logistic rule in the behaviour at exit with slope DELTA, so
that among people alike before, the odds of it are exp(DELTA) times as high in those without an
exit: the true delta is known exactly. The full form (DRIVE_EVAL_FULL_RECOVERY=1) draws 1,500
studies of 520 people, the short form is a look at the same thing.
"""

from __future__ import annotations

import math
import os

import numpy as np
import pandas as pd
import pytest
from scipy import special

from drive_eval.data.synthetic import draw_severity, synthetic_study, true_value
from drive_eval.models.sensitivity import imputed_change, missing_exit_bounds, weighted_change

DRAWS = 1500 if os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1" else 50
PEOPLE, DELTA, KIND = 520, 1.5, "jealous_controlling"
COLUMNS = {"before": "before", "after": "after"}


@pytest.fixture(scope="module")
def truth():
    study = synthetic_study("drive_pilot", seed=1)
    return true_value(study.truth, outcome=KIND, measure="percent_reduction")


def drawn(rng):
    rows = draw_severity(rng=rng, n=PEOPLE)
    return pd.DataFrame(
        {
            "before": rows[f"{KIND}_before"] >= 1,
            "after": pd.array(rows[f"{KIND}_after"] >= 1, dtype="boolean"),
            "full": rows[f"{KIND}_after"] >= 1,
            "harassment": rows["harassment_stalking_before"],
            "physical": rows["physical_before"],
        }
    )


def lose(table, chance, rng):
    found = table.copy()
    found.loc[rng.random(len(table)) < chance, "after"] = pd.NA
    return found


def holds(result, value, **wanted):
    e = result.one(measure="percent_reduction", **wanted)
    return e.conf_low <= value <= e.conf_high


def least(share=0.95):
    return share - 0.02 - 3 * math.sqrt(share * (1 - share) / DRAWS)


def told(record_property, hits):
    found = {name: count / DRAWS for name, count in hits.items()}
    for name, share in found.items():
        record_property(name, f"{share:.4f} ({DRAWS} draws)")
    return found


@pytest.mark.slow
def test_informative_missing_exits(truth, record_property):
    rng = np.random.default_rng(20261122)
    hits = dict.fromkeys(("complete case", "at random", "true delta", "union", "imbens"), 0)
    for _ in range(DRAWS):
        table = drawn(rng)
        table = lose(table, special.expit(-1.1 + DELTA * table["full"]), rng)
        bounds = missing_exit_bounds(table, **COLUMNS)
        hits["complete case"] += holds(bounds, truth, term="as observed (users)")
        hits["union"] += holds(bounds, truth, term="range (users)")
        close = missing_exit_bounds(table, **COLUMNS, interval="imbens_manski")
        hits["imbens"] += holds(close, truth, term="range (users)")
        for name, delta in (("at random", 0.0), ("true delta", DELTA)):
            made = imputed_change(table, **COLUMNS, m=20, delta=delta, rng=rng)
            hits[name] += holds(made, truth)
    found = told(record_property, hits)
    assert found["complete case"] < 0.6
    assert found["at random"] < 0.6  # the wrong delta fails as the complete pairs do
    assert found["true delta"] >= least()
    assert found["union"] >= least()
    assert found["imbens"] >= least()


@pytest.mark.slow
@pytest.mark.parametrize("missing", [True, False])
def test_the_bounds_are_attained_when_only_those_who_abuse_or_who_do_not_are_missing(
    truth, missing, record_property
):
    rng = np.random.default_rng(7)
    hits = {"union": 0, "imbens": 0}
    term = "worst case (users)" if missing else "best case (users)"
    for _ in range(DRAWS):
        table = drawn(rng)
        full = missing_exit_bounds(table, **COLUMNS)
        table = lose(table, 0.6 * (table["full"] == missing), rng)
        found = missing_exit_bounds(table, **COLUMNS)
        wanted = full.one(measure="percent_reduction", term="as observed (users)")
        got = found.one(measure="percent_reduction", term=term)
        # The bound is what the complete table gives, point and interval.
        assert (got.estimate, got.conf_low, got.conf_high) == (
            wanted.estimate,
            wanted.conf_low,
            wanted.conf_high,
        )
        hits["union"] += holds(found, truth, term="range (users)")
        close = missing_exit_bounds(table, **COLUMNS, interval="imbens_manski")
        hits["imbens"] += holds(close, truth, term="range (users)")
    found = told(record_property, hits)
    assert min(found.values()) >= least()


@pytest.mark.slow
def test_exits_missing_at_random_given_other_abuse(truth, record_property):
    rng = np.random.default_rng(99)
    hits = dict.fromkeys(("complete case", "imputed", "weighted"), 0)
    covariates = ["harassment", "physical"]
    for _ in range(DRAWS):
        table = drawn(rng)
        eta = -2.6 + 0.9 * table["harassment"] + 0.5 * table["physical"] + 1.0 * table["before"]
        table = lose(table, special.expit(eta), rng)
        bounds = missing_exit_bounds(table, **COLUMNS)
        hits["complete case"] += holds(bounds, truth, term="as observed (users)")
        made = imputed_change(table, **COLUMNS, covariates=covariates, m=20, rng=rng)
        hits["imputed"] += holds(made, truth)
        hits["weighted"] += holds(weighted_change(table, **COLUMNS, covariates=covariates), truth)
    found = told(record_property, hits)
    assert found["imputed"] >= least()
    assert found["weighted"] >= least()


@pytest.mark.slow
def test_weights_recover_a_share_that_complete_cases_miss(record_property):
    rng = np.random.default_rng(5)
    hits = dict.fromkeys(("complete case", "imputed", "weighted"), 0)
    z = np.random.default_rng(1).standard_normal(400_000)
    before = special.expit(0.4 + z)
    after = before * special.expit(-0.4 + 1.5 * z) + (1 - before) * special.expit(-2.4 + 1.5 * z)
    truth = 100 * (1 - after.mean() / before.mean())
    for _ in range(DRAWS):
        z = rng.standard_normal(400)
        first = rng.random(400) < special.expit(0.4 + z)
        second = rng.random(400) < special.expit(-2.4 + 2.0 * first + 1.5 * z)
        table = pd.DataFrame({"before": first, "z": z, "after": pd.array(second, "boolean")})
        table = lose(table, special.expit(-0.8 + 1.2 * z), rng)
        bounds = missing_exit_bounds(table, **COLUMNS)
        hits["complete case"] += holds(bounds, truth, term="as observed (users)")
        made = imputed_change(table, **COLUMNS, covariates="z", m=20, rng=rng)
        hits["imputed"] += holds(made, truth)
        hits["weighted"] += holds(weighted_change(table, **COLUMNS, covariates="z"), truth)
    found = told(record_property, hits)
    assert found["imputed"] >= least()
    assert found["weighted"] >= least()
    assert found["complete case"] < 0.85
