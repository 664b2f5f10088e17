"""Does each design find the truth of the confounded site, and do its intervals hold it?

Every draw is a site of 2,300 people (preset ``confounded``). A matched design is held against
the effect on the very programme cases that it matched (their true risks are known), a weighted
one against the population value of its estimand in the preset's truth. Bias is counted in
standard errors (the spread of estimates over draws); the issue's target is 0.2. The full form
(DRIVE_EVAL_FULL_RECOVERY=1) draws 2,000 sites; each limit allows three Monte Carlo errors.

Classes of the score and coarsened bins leave confounding inside them. Alone they miss the
target, as Cochran (1968) foretells of five classes, and a test says so; with the covariates in
the model of the outcome they reach it.
"""

from __future__ import annotations

import functools
import math
import os
import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest

from drive_eval.data.synthetic import draw_confounded, synthetic_study, true_value
from drive_eval.data.synthetic.confounded import COVARIATES
from drive_eval.errors import DesignWarning
from drive_eval.models import comparison, matching

DRAWS = 2_000 if os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1" else 60
MEASURES = ("risk_difference", "risk_ratio")
OUTCOME, PERSON = "repeat_12m", "perpetrator_id"
BINS = {"prior_incidents_12m": [0.5, 1.5, 3.5], "dash_score": [7.5, 10.5, 13.5, 16.5]}
COARSE = [*BINS, "substance_use", "employed"]

pytestmark = pytest.mark.slow


def _nearest(rows, **options):
    return matching.nearest(rows, treated="treated", covariates=COVARIATES, unit=PERSON, **options)


def _subclass(rows, **options):
    return matching.subclass(rows, treated="treated", covariates=COVARIATES, **options)


def _cem(rows):
    return matching.cem(rows, treated="treated", covariates=COARSE, cutpoints=BINS)


def _weights(rows, estimand):
    return matching.propensity_weights(
        rows, treated="treated", covariates=COVARIATES, estimand=estimand
    )


def _entropy(rows):
    return matching.entropy_balance(rows, treated="treated", covariates=COVARIATES)


class Way(NamedTuple):
    """How a site is evaluated: the design, and what is done with the outcome."""

    design: Any = None
    adjusted: bool = False
    doubly_robust: str = ""  # an estimand, in place of a design
    later_dates: bool = True

    def made(self, rows):
        return rows if self.design is None else self.design(rows)

    def found(self, made):
        """Return the contrast of a design, of two models, or of the arms as they are."""
        cluster = PERSON if self.later_dates else None
        covariates = list(COVARIATES)
        if self.doubly_robust:
            return comparison.doubly_robust(
                made,
                outcome=OUTCOME,
                treated="treated",
                covariates=covariates,
                estimand=self.doubly_robust,
                cluster=cluster,
            )
        return comparison.risk_contrast(
            made,
            outcome=OUTCOME,
            treated="treated" if self.design is None else None,
            covariates=covariates if self.adjusted else None,
            cluster=cluster,
        )

    def truth(self, made):
        """Return the true contrast of the people for whom it speaks."""
        if isinstance(made, matching.Matched):
            table = made.table[made.table["treated"]]
            share = table["weight"] / table["weight"].sum()
            one = float(share @ table["risk_programme"])
            other = float(share @ table["risk_comparison"])
            return {"risk_difference": one - other, "risk_ratio": one / other}
        estimand = self.doubly_robust or ("att" if self.design is None else made.estimand)
        return population(estimand, "enrolment" if self.later_dates else "person")


WAYS = {
    "nearest 1:1, caliper": Way(_nearest),
    "nearest 1:1, caliper, adjusted": Way(_nearest, adjusted=True),
    "nearest 1:2, caliper": Way(functools.partial(_nearest, ratio=2)),
    "nearest 1:2, caliper, adjusted": Way(functools.partial(_nearest, ratio=2), adjusted=True),
    "nearest with replacement": Way(functools.partial(_nearest, replace=True)),
    "nearest with replacement, adjusted": Way(
        functools.partial(_nearest, replace=True), adjusted=True
    ),
    "5 subclasses": Way(_subclass),
    "5 subclasses, adjusted": Way(_subclass, adjusted=True),
    "coarsened exact": Way(_cem),
    "coarsened exact, adjusted": Way(_cem, adjusted=True),
    "ATT weights": Way(functools.partial(_weights, estimand="att")),
    "ATE weights": Way(functools.partial(_weights, estimand="ate")),
    "ATO weights": Way(functools.partial(_weights, estimand="ato"), later_dates=False),
    "entropy balance": Way(_entropy),
    "entropy balance, adjusted": Way(_entropy, adjusted=True),
    "doubly robust, ATT": Way(doubly_robust="att"),
    "doubly robust, ATE": Way(doubly_robust="ate"),
    "doubly robust, ATO": Way(doubly_robust="ato", later_dates=False),
}
CRUDE = Way(later_dates=False)
#: What leaves confounding inside its classes, and is not meant to be used alone.
TOO_COARSE = ("5 subclasses", "coarsened exact")
#: The short form looks at one of each kind.
SHORT = (
    "nearest 1:1, caliper",
    "nearest with replacement",
    "5 subclasses, adjusted",
    "ATT weights",
    "ATE weights",
    "entropy balance",
    "doubly robust, ATT",
)


class Tally(NamedTuple):
    """What was found of one measure over all draws."""

    bias: float  # in standard errors
    covered: float
    spread: float  # mean standard error over spread of estimates
    draws: int

    @property
    def error(self) -> float:
        return math.sqrt(0.95 * 0.05 / self.draws)


@functools.cache
def population(estimand, unit):
    truth = synthetic_study("confounded", seed=1).truth
    return {
        measure: true_value(truth, outcome=OUTCOME, measure=measure, estimand=estimand, unit=unit)
        for measure in MEASURES
    }


def study(way, draws, seed=20261122):
    """Evaluate as many sites, and tally estimates and intervals against the truth."""
    missed = {measure: [] for measure in MEASURES}
    held = {measure: [] for measure in MEASURES}
    errors = []
    for draw in range(draws):
        rows = draw_confounded(np.random.default_rng([seed, draw]), later_dates=way.later_dates)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DesignWarning)
            made = way.made(rows)
            found = way.found(made)
        truth = way.truth(made)
        for measure in MEASURES:
            one = found.one(measure=measure)
            scale = math.log if measure == "risk_ratio" else float
            missed[measure].append(scale(one.estimate) - scale(truth[measure]))
            held[measure].append(one.conf_low <= truth[measure] <= one.conf_high)
        errors.append(found.one(measure="risk_difference").std_error or math.nan)
    return {
        measure: Tally(
            bias=float(np.mean(missed[measure]) / np.std(missed[measure], ddof=1)),
            covered=float(np.mean(held[measure])),
            spread=float(np.mean(errors) / np.std(missed["risk_difference"], ddof=1)),
            draws=draws,
        )
        for measure in MEASURES
    }


@pytest.mark.parametrize("name", [*WAYS] if DRAWS >= 1_000 else SHORT)
def test_a_design_finds_the_effect_it_speaks_of(name, record_property):
    found = study(WAYS[name], DRAWS)
    for measure, tally in found.items():
        record_property(measure, f"bias {tally.bias:+.3f} SE, coverage {tally.covered:.4f}")
        assert tally.covered >= 0.93 - 3 * tally.error, (measure, tally)
        assert tally.covered <= 0.97 + 3 * tally.error, (measure, tally)
        if name not in TOO_COARSE:
            assert abs(tally.bias) < 0.2 + 3 / math.sqrt(DRAWS), (measure, tally)
    assert found["risk_difference"].spread == pytest.approx(1, abs=0.1 + 3 / math.sqrt(2 * DRAWS))


@pytest.mark.parametrize("name", TOO_COARSE)
def test_classes_alone_leave_confounding_that_covariates_remove(name):
    draws = max(DRAWS, 100)
    alone = study(WAYS[name], draws)["risk_difference"].bias
    adjusted = study(WAYS[f"{name}, adjusted"], draws)["risk_difference"].bias
    # The same sites, so what is common to both estimates cancels.
    assert alone - adjusted > 0.2
    assert abs(adjusted) < 0.2 + 3 / math.sqrt(draws)


def test_the_crude_comparison_is_wrong_by_many_standard_errors():
    found = study(CRUDE, DRAWS)
    for tally in found.values():
        assert tally.bias > 4
        assert tally.covered < 0.05


def test_a_score_that_misses_a_cause_is_seen_to_be_wrong():
    """The recovery would fail if matching were on age alone: it can fail."""
    blind = Way(lambda rows: matching.nearest(rows, treated="treated", covariates=["age"]))
    assert study(blind, 20)["risk_difference"].bias > 2
