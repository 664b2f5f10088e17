"""Missing yes/no outcomes drawn from a logistic model, and the results of the copies pooled.

Draws are proper: each copy has coefficients of its own, from the normal approximation to what
the data say of them, so that not knowing the model is part of the uncertainty. A shift on the
scale of log odds says how much worse those who are missing are than people like them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from drive_eval.errors import DesignError
from drive_eval.models import _regression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from drive_eval.models._regression import Array, Flags

_LEAST_SHARE = 1e-4  # of the variance between copies, as R's mice has it: df stay finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """An estimate pooled over copies by Rubin's rules.

    Attributes
    ----------
    estimate, variance : float
    within, between : float
        Mean variance of the copies, and variance of their estimates.
    df : float
        Of Barnard and Rubin (1999).
    increase : float
        Relative increase of the variance because values are missing.
    missing_information : float
        Fraction of the information that the missing values would have held.
    share : float
        Share of the variance that is due to missing values.
    """

    estimate: float
    variance: float
    within: float
    between: float
    df: float
    increase: float
    missing_information: float
    share: float


def pool(estimates: ArrayLike, variances: ArrayLike, *, df: float) -> Pooled:
    """Pool by Rubin (1987); `df` are those that complete data would have."""
    q = np.asarray(estimates, dtype=float)
    m = len(q)
    within = float(np.mean(np.asarray(variances, dtype=float)))
    between = float(np.var(q, ddof=1))
    extra = (1 + 1 / m) * between
    total = within + extra
    share = extra / total if total > 0 else 0.0
    floor = max(share, _LEAST_SHARE)
    old = (m - 1) / floor**2
    if math.isfinite(df):
        seen = (df + 1) / (df + 3) * df * (1 - floor)
        freedom = old * seen / (old + seen)
    else:
        freedom = old
    increase = extra / within if within > 0 else math.inf
    return Pooled(
        estimate=float(q.mean()),
        variance=total,
        within=within,
        between=between,
        df=freedom,
        increase=increase,
        missing_information=(increase + 2 / (freedom + 3)) / (increase + 1)
        if math.isfinite(increase)
        else 1.0,
        share=share,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A logistic model of the outcome among those who were measured, ready to be drawn from.

    Attributes
    ----------
    coefficients : array
    root : array
        A root of their covariance: rows of normal numbers times its transpose have it.
    steadied : bool
        True if no maximum existed and a few pseudo-rows were added.
    """

    coefficients: Array
    root: Array
    steadied: bool


def fit(matrix: Array, outcome: Array, names: Sequence[str]) -> Model:
    """Fit the model; where covariates foretell the outcome, add the rows of White et al. (2010).

    `matrix` holds the intercept first.
    """
    _regression.refuse_collinear(matrix, names)
    try:
        found = _regression.logistic(matrix, outcome, names)
        steadied = False
    except DesignError:  # it has no maximum: what repeats itself was refused above
        more, wanted, weight = _pseudo_rows(matrix)
        found = _regression.logistic(
            np.vstack([matrix, more]),
            np.concatenate([outcome, wanted]),
            names,
            weights=np.concatenate([np.ones(len(outcome)), weight]),
        )
        steadied = True
    values, vectors = np.linalg.eigh(found.bread)
    return Model(
        coefficients=found.coefficients,
        root=vectors * np.sqrt(np.maximum(values, 0.0)),
        steadied=steadied,
    )


def _pseudo_rows(matrix: Array) -> tuple[Array, Array, Array]:
    """Return rows one spread either side of the means, half with the outcome, worth k + 1 rows."""
    mean = matrix.mean(axis=0)
    spread = matrix.std(axis=0, ddof=min(1, len(matrix) - 1))
    columns = range(1, matrix.shape[1]) if matrix.shape[1] > 1 else range(1)
    rows, wanted = [], []
    for column in columns:
        for sign in (-1.0, 1.0):
            row = mean.copy()
            row[column] += sign * spread[column]
            rows += [row, row]
            wanted += [0.0, 1.0]
    weight = np.full(len(rows), matrix.shape[1] / len(rows))
    return np.array(rows), np.array(wanted), weight


def draw(
    model: Model, matrix: Array, *, copies: int, delta: float, rng: np.random.Generator
) -> Flags:
    """Draw the outcome of rows that lack it: copies × rows."""
    noise = rng.standard_normal((copies, len(model.coefficients)))
    coefficients = model.coefficients + noise @ model.root.T
    chance = special.expit(coefficients @ matrix.T + delta)
    return np.asarray(rng.random(chance.shape) < chance)
