"""Averages of those who were measured, weighted to stand for everybody, row by row.

The weights come from a model of who was measured, so each row also moves the average by moving
that model; its whole contribution is what a sandwich needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drive_eval.errors import DesignError
from drive_eval.models import _regression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.models._regression import Array, Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Average:
    """A weighted share and the contribution of every row to it.

    Attributes
    ----------
    share : float
    influence : array
        One value a row, of the measured and of the missing.
    weight : array
        Stabilised: the share measured over the chance of it; 0 for the missing.
    least : float
        The smallest chance of being measured.
    capped : int
        How many weights were brought to the cap.
    """

    share: float
    influence: Array
    weight: Array
    least: float
    capped: int


def average(
    known: Flags,
    y: Flags,
    matrix: Array,
    names: Sequence[str],
    *,
    truncate: float | None = None,
    of: str = "",
) -> Average:
    """Return the share with the outcome, had everybody been measured.

    `matrix` holds the intercept first. `truncate` caps weights at that quantile of them.
    """
    n = len(known)
    if known.all():
        share = float(y.mean())
        return Average(
            share=share, influence=(y - share) / n, weight=np.ones(n), least=1.0, capped=0
        )
    try:
        found = _regression.logistic(matrix, known.astype(float), names)
    except DesignError as error:
        raise DesignError(
            f"who was measured{of} cannot be modelled, and so not weighted for: {error}"
        ) from error
    chance = found.fitted
    weight = np.where(known, known.mean() / chance, 0.0)
    # d(1/π)/dη = −(1 − π)/π for a logistic π
    slope = -weight * (1 - chance)
    capped = np.zeros(n, dtype=bool)
    if truncate is not None:
        cap = float(np.quantile(weight[known], truncate))
        capped = weight > cap
        weight, slope = np.minimum(weight, cap), np.where(capped, 0.0, slope)
    total = weight.sum()
    share = float(weight @ y / total)
    own = weight * (y - share) / total
    moved = matrix.T @ (slope * (y - share)) / total
    return Average(
        share=share,
        influence=own + found.influence @ moved,
        weight=weight,
        least=float(chance[known].min()),
        capped=int(capped.sum()),
    )
