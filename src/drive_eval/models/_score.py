"""The propensity score: how likely each person was to be in the programme, given covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg, special

from drive_eval.errors import DesignError
from drive_eval.models._regression import (
    arms,
    design_matrix,
    logistic_coefficients,
    refuse_among,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from drive_eval.models._regression import Array, Design, Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A fitted propensity score.

    Attributes
    ----------
    treated : array of bool
    probability, logit : array
        One value a row.
    design : Design
        The covariates as numbers, without intercept.
    coefficients : array
        Intercept first.
    """

    treated: Flags
    probability: Array
    logit: Array
    design: Design
    coefficients: Array

    # Matching needs neither of these, and on a million rows they are the largest arrays.

    @property
    def slopes(self) -> Array:
        """Derivative of each probability by the coefficients: rows × parameters."""
        spread = self.probability * (1 - self.probability)
        return spread[:, None] * _with_intercept(self.design.matrix)

    @property
    def influence(self) -> Array:
        """What each row contributed to the coefficients: rows × parameters."""
        matrix = _with_intercept(self.design.matrix)
        scale = np.abs(matrix).max(axis=0)
        spread = np.sqrt(self.probability * (1 - self.probability))
        r = np.linalg.qr(matrix / scale * spread[:, None], mode="r")
        half = linalg.solve_triangular(r, np.eye(len(r))) / scale[:, None]
        residuals = self.treated - self.probability
        return np.asarray(residuals[:, None] * (matrix @ (half @ half.T)))


def propensity(table: pd.DataFrame, *, treated: str, covariates: str | Sequence[str]) -> Score:
    """Fit the propensity score by logistic regression; separation is refused and named."""
    t = both_arms(table, treated, covariates=covariates)
    design = design_matrix(table, covariates)
    matrix = _with_intercept(design.matrix)
    coefficients = logistic_coefficients(
        matrix, t.astype(float), ("Intercept", *design.names), about="programme"
    )
    # Added up row by row, not by a matrix product, whose last bit depends on where a row stands:
    # people who are alike have the same score.
    logit = (matrix * coefficients).sum(axis=1)
    return Score(
        treated=t,
        probability=special.expit(logit),
        logit=logit,
        design=design,
        coefficients=coefficients,
    )


def both_arms(table: pd.DataFrame, treated: str, *, covariates: str | Sequence[str]) -> Flags:
    """Return True for the programme; an arm in which nobody is is refused.

    So are covariates among which it stands.
    """
    t = arms(table, treated, "treated")
    refuse_among(table, covariates, treated, "treated")
    for empty, group in ((not t.any(), "programme"), (t.all(), "comparison")):
        if empty:
            raise DesignError(f'nobody is in the {group} group (column "{treated}").')
    return t


def _with_intercept(matrix: Array) -> Array:
    return np.column_stack([np.ones(len(matrix)), matrix])
