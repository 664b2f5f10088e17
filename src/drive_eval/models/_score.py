"""The propensity score: how likely each person was to be in the programme, given covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drive_eval.errors import DesignError
from drive_eval.models._regression import arms, design_matrix, logistic

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
    influence : array, rows × parameters
        What each row contributed to the coefficients.
    slopes : array, rows × parameters
        Derivative of each probability by the coefficients.
    """

    treated: Flags
    probability: Array
    logit: Array
    design: Design
    coefficients: Array
    influence: Array
    slopes: Array


def propensity(table: pd.DataFrame, *, treated: str, covariates: str | Sequence[str]) -> Score:
    """Fit the propensity score by logistic regression; separation is refused and named."""
    t = arms(table, treated, "treated")
    for empty, group in ((not t.any(), "programme"), (t.all(), "comparison")):
        if empty:
            raise DesignError(f'nobody is in the {group} group (column "{treated}").')
    design = design_matrix(table, covariates)
    matrix = np.column_stack([np.ones(len(t)), design.matrix])
    fit = logistic(matrix, t.astype(float), ("Intercept", *design.names))
    return Score(
        treated=t,
        probability=fit.fitted,
        logit=matrix @ fit.coefficients,
        design=design,
        coefficients=fit.coefficients,
        influence=fit.influence,
        slopes=(fit.fitted * (1 - fit.fitted))[:, None] * matrix,
    )
