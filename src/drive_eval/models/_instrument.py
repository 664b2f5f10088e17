"""One assignment, one delivery, one outcome: four slopes and a set that needs no strength."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from drive_eval.errors import UndefinedResultError
from drive_eval.models._clusters import Effect
from drive_eval.models._intervals import wilson
from drive_eval.models._regression import covariance, linear
from drive_eval.models._risks import Number, wald

if TYPE_CHECKING:
    from drive_eval.models._regression import Array, Codes, Covariance, Fit, Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """What assignment and delivery go with.

    Attributes
    ----------
    numbers : dict of str to Number
        ``itt``, ``as_treated``, ``first_stage``, ``iv``, ``iv_anderson_rubin``.
    strength : float
        F of the first stage; infinite when everybody got what was assigned.
    """

    numbers: dict[str, Number]
    strength: float


def slopes(
    y: Array,
    assigned: Flags,
    delivered: Flags,
    *,
    cov: Covariance,
    groups: Codes | None,
    law: Effect,
    conf_level: float,
) -> Slopes:
    """Fit the four regressions and invert the Anderson–Rubin test."""
    names, ones = ("Intercept", "slope"), np.ones(len(y))
    offer, taken = np.column_stack([ones, assigned]), np.column_stack([ones, delivered])
    stage = linear(offer, delivered.astype(float), names)
    if abs(stage.coefficients[1]) < 1e-12:
        raise UndefinedResultError(
            "delivery was as common among those assigned to the programme as among the others, so "
            "the assignment says nothing about what the programme did."
        )
    fits = {
        "itt": linear(offer, y, names),
        "as_treated": linear(taken, y, names),
        "first_stage": stage,
        "iv": linear(taken, y, names, via=offer),
    }
    how = cov if groups is None else "CR1"
    found = {}
    for term, fit in fits.items():
        error = math.sqrt(float(fit.covariance(cov, groups=groups)[1, 1]))
        method = f"{'two-stage ' if term == 'iv' else ''}least squares, {how}, t with {law.df:g} df"
        found[term] = wald(float(fit.coefficients[1]), error, law, conf_level, method=method)
    low = high = None
    if found["itt"].std_error is not None:
        low, high = _anderson_rubin(fits["itt"], stage, cov, groups, law.critical(conf_level))
    found["iv_anderson_rubin"] = Number(
        estimate=found["iv"].estimate,
        low=low,
        high=high,
        method=f"Anderson–Rubin, {how}, t with {law.df:g} df",
    )
    spread = found["first_stage"].std_error
    strength = math.inf if spread is None else (float(stage.coefficients[1]) / spread) ** 2
    return Slopes(numbers=found, strength=strength)


def _anderson_rubin(
    itt: Fit, stage: Fit, cov: Covariance, groups: Codes | None, critical: float | None
) -> tuple[float | None, float | None]:
    """Return the limits; None when the set is not one bounded interval.

    All effects β for which the slope of y − β·delivered on the assignment may be 0: a
    quadratic inequality in β, bounded when the first stage differs from 0.
    """
    if critical is None:
        return None, None
    delta, pi = float(itt.coefficients[1]), float(stage.coefficients[1])
    if cov == "classical" and groups is None:
        residuals = np.column_stack([itt.residuals, stage.residuals])
        v = residuals.T @ residuals / (len(residuals) - 2) * itt.bread[1, 1]
    else:
        both = np.column_stack([itt.influence[:, 1], stage.influence[:, 1]])
        v = covariance(both, kind=cov, groups=groups, leverage=itt.leverage, parameters=2)
    a = pi**2 - critical**2 * v[1, 1]
    b = -2 * (delta * pi - critical**2 * v[0, 1])
    c = delta**2 - critical**2 * v[0, 0]
    if a <= 0:
        return None, None
    root = math.sqrt(max(b**2 - 4 * a * c, 0.0))  # the point lies in the set, so roots exist
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def level(y: Array, *, binary: bool, conf_level: float) -> Number:
    """Return the risk (Wilson) or the mean (t) of one arm."""
    n, mean = len(y), float(y.mean())
    if binary:
        low, high = wilson(x=y.sum(), n=n, conf_level=conf_level)
        return Number(estimate=mean, low=low, high=high, method="Wilson")
    if n < 2:
        return Number(estimate=mean, method="mean of one")
    error = float(y.std(ddof=1)) / math.sqrt(n)
    found = wald(mean, error, Effect(df=n - 1), conf_level, method=f"mean, t with {n - 1} df")
    return replace(found, p_value=None)
