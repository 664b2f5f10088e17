"""Two risks and everything that is said of them: from four counts, or standardised.

A `Number` is a point with its spread and limits before it is told what it is about. Ratios
have their standard error on the log scale. What does not exist is None, and the caller says
why: `UNDEFINED` has the sentences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize, special

from drive_eval.models._intervals import koopman_ratio, newcombe_difference, wilson
from drive_eval.results import Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.models._clusters import Effect
    from drive_eval.models._regression import Array

UNDEFINED = {
    "risk_ratio": (
        "nobody in the comparison group had the outcome, so the ratio has no point; its interval "
        "is open above."
    ),
    "odds_ratio": (
        "nobody in the comparison group had the outcome, or everybody in the programme had it, so "
        "the ratio has no point; its interval is open above."
    ),
}
NOTHING_DIFFERS = "everybody has the same outcome, so ratios of what is not there are not defined."


_NOTHING = 1e-10  # a standard error this small is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A point, its spread and its limits."""

    estimate: float | None
    std_error: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    method: str = ""

    def named(self, measure: str, labels: Mapping[str, Any]) -> Estimate:
        """Say what the number is about."""
        return Estimate(
            measure=measure,
            estimate=self.estimate,
            std_error=self.std_error,
            conf_low=self.low,
            conf_high=self.high,
            p_value=self.p_value,
            method=self.method,
            **labels,
        )


def wald(
    point: float,
    std_error: float,
    law: Effect,
    conf_level: float,
    *,
    log: bool = False,
    method: str = "",
) -> Number:
    """Return point ± quantile · error; with `log` the point is a log, and is turned back.

    An error of nothing is no certainty: it leaves the point alone, and the caller says why.
    """
    if std_error < _NOTHING:
        return Number(estimate=math.exp(point) if log else point, method=method)
    quantile = law.critical(conf_level)
    low = high = None
    if quantile is not None:
        low, high = point - quantile * std_error, point + quantile * std_error
    if log:
        low, high = (None if v is None else math.exp(v) for v in (low, high))
    return Number(
        estimate=math.exp(point) if log else point,
        std_error=std_error,
        low=low,
        high=high,
        p_value=law.p_value(point / std_error),
        method=method,
    )


# From four counts


def from_counts(
    x1: float, n1: float, x0: float, n0: float, *, effect: Effect, critical: float
) -> dict[str, Number]:
    """Return every measure from four counts, which are divided by the design effect."""
    p1, p0 = x1 / n1, x0 / n0
    note = "" if effect.simple else f" on counts divided by the design effect {effect.size:.3g}"
    x1, n1, x0, n0 = (count / effect.size for count in (x1, n1, x0, n0))
    counts = {"x1": x1, "n1": n1, "x0": x0, "n0": n0, "critical": critical}
    pooled = (x1 + x0) / (n1 + n0)
    null = pooled * (1 - pooled) * (1 / n1 + 1 / n0)
    p_value = effect.p_value((p1 - p0) / math.sqrt(null)) if null > 0 else 1.0

    def risk(p: float, x: float, n: float) -> Number:
        low, high = wilson(x=x, n=n, critical=critical)
        error = math.sqrt(p * (1 - p) / n)
        return Number(
            estimate=p, std_error=error or None, low=low, high=high, method=f"Wilson{note}"
        )

    def ratio(top: float, bottom: float, error: float | None, limits: Any, name: str) -> Number:
        # 0/0 says nothing; x/0 has no point but a limit below; 0/x is 0 with a limit above.
        nothing = top == 0 and bottom == 0
        return Number(
            estimate=top / bottom if bottom else None,
            std_error=error,
            low=None if nothing else limits[0],
            high=None if nothing else limits[1],
            p_value=p_value,
            method=f"{name}{note}; score test",
        )

    log_error = logit_error = None
    if x1 > 0 and x0 > 0:
        log_error = math.sqrt(1 / x1 - 1 / n1 + 1 / x0 - 1 / n0)
        if x1 < n1 and x0 < n0:
            logit_error = math.sqrt(1 / x1 + 1 / (n1 - x1) + 1 / x0 + 1 / (n0 - x0))
    low, high = newcombe_difference(**counts)
    return {
        "risk_treated": risk(p1, x1, n1),
        "risk_comparison": risk(p0, x0, n0),
        "risk_difference": Number(
            estimate=p1 - p0,
            std_error=math.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0) or None,
            low=low,
            high=high,
            p_value=p_value,
            method=f"Newcombe{note}; score test",
        ),
        "risk_ratio": ratio(p1, p0, log_error, koopman_ratio(**counts), "Koopman score"),
        "odds_ratio": ratio(
            p1 * (1 - p0), p0 * (1 - p1), logit_error, score_odds_ratio(**counts), "Score"
        ),
    }


def score_odds_ratio(
    *, x1: float, n1: float, x0: float, n0: float, critical: float
) -> tuple[float, float]:
    """Invert the score test of the odds ratio of two independent proportions.

    Without a continuity correction; what Koopman's interval is to the risk ratio.
    """
    inverse = _score_odds_ratio_low(x0, n0, x1, n1, critical)
    return _score_odds_ratio_low(x1, n1, x0, n0, critical), 1 / inverse if inverse else math.inf


def _score_odds_ratio_low(x1: float, n1: float, x0: float, n0: float, critical: float) -> float:
    if x1 == 0 or x0 == n0:
        return 0.0

    def excess(log_odds: float) -> float:
        theta, events = math.exp(log_odds), x1 + x0
        a, b = n0 * (theta - 1), n1 * theta + n0 - events * (theta - 1)
        root = math.sqrt(max(b**2 + 4 * a * events, 0.0))
        p0 = 2 * events / (b + root) if b > 0 else (root - b) / (2 * a)
        p1 = p0 * theta / (1 + p0 * (theta - 1))
        variance = 1 / (1 / (n1 * p1 * (1 - p1)) + 1 / (n0 * p0 * (1 - p0)))
        return x1 - n1 * p1 - critical * math.sqrt(variance)

    low = high = 0.0  # walk to where the sign changes; the limit is seldom far from 1
    while excess(low) < 0:
        low -= 1.0
    while excess(high) > 0:
        high += 1.0
    return math.exp(optimize.brentq(excess, low, high, xtol=1e-13)) if high > low else 1.0


# From two risks and their covariance


def from_risks(
    risks: Array, spread: Array, *, law: Effect, conf_level: float, method: str
) -> dict[str, Number]:
    """Return every measure from two risks strictly between 0 and 1 and their covariance."""
    p1, p0 = map(float, risks)
    logit1, logit0 = math.log(p1 / (1 - p1)), math.log(p0 / (1 - p0))
    v1, v0 = p1 * (1 - p1), p0 * (1 - p0)

    def error(g1: float, g0: float) -> float:
        g = np.array([g1, g0])
        return math.sqrt(max(float(g @ spread @ g), 0.0))

    def risk(logit: float, v: float, spare: float) -> Number:
        found = wald(logit, spare / v, law, conf_level)
        return Number(
            estimate=float(special.expit(logit)),
            std_error=spare,
            low=None if found.low is None else float(special.expit(found.low)),
            high=None if found.high is None else float(special.expit(found.high)),
            method=f"{method}, logit scale",
        )

    found = wald(p1 - p0, error(1, -1), law, conf_level)
    difference = Number(
        estimate=found.estimate,
        std_error=found.std_error,
        low=None if found.low is None else max(found.low, -1.0),
        high=None if found.high is None else min(found.high, 1.0),
        p_value=found.p_value,
        method=method,
    )
    ratios = {
        "risk_ratio": (math.log(p1 / p0), error(1 / p1, -1 / p0)),
        "odds_ratio": (logit1 - logit0, error(1 / v1, -1 / v0)),
    }
    return {
        "risk_treated": risk(logit1, v1, error(1, 0)),
        "risk_comparison": risk(logit0, v0, error(0, 1)),
        "risk_difference": difference,
    } | {
        name: wald(point, spare, law, conf_level, log=True, method=f"{method}, log scale")
        for name, (point, spare) in ratios.items()
    }


def varies(spread: Array) -> bool:
    """Tell whether both risks, and their contrast, have a variance at all."""
    contrast = spread[0, 0] - 2 * spread[0, 1] + spread[1, 1]
    return bool(min(spread[0, 0], spread[1, 1], contrast) > 1e-14)
