"""Both arms' averages over one population, what each row contributes to them, and their spread.

The averages are weighted means or, with covariates, g-computation: a (weighted) regression
foretells everybody's outcome in either arm, and both are averaged over the population of the
estimand. Everything is a sum of contributions of rows, so that one covariance serves matched
sets, clusters, both at once, independent rows, and weights that were estimated.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from drive_eval.errors import DesignError
from drive_eval.models._regression import cluster_sums, design_matrix, linear, logistic
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.models._regression import Array, Codes, Design, Fit, Flags
    from drive_eval.models._sample import Sample

_ROUNDING = 1e-12  # beside the larger variance, an eigenvalue this small is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Averages:
    """The averages of the programme and of the comparison, in this order.

    Attributes
    ----------
    points : array of 2
    spread : array, 2 × 2
        Their covariance.
    parameters : int
    design : Design or None
        The covariates, if there are any.
    checks : tuple of Check
    """

    points: Array
    spread: Array
    parameters: int
    design: Design | None = None
    checks: tuple[Check, ...] = ()


# Averages and their covariance


def averages(
    sample: Sample,
    covariates: str | Sequence[str] | None,
    *,
    binary: bool,
    interactions: bool = True,
    sampled: bool | None = None,
) -> Averages:
    """Return both arms' averages over the population of the estimand, and their covariance.

    Parameters
    ----------
    sample : Sample
    covariates : str or sequence of str, or None
    binary : bool
        Whether outcomes are foretold by logistic regression; by least squares otherwise.
    interactions : bool
        Whether each arm has its own slopes.
    sampled : bool, optional
        Whether the variance counts that another sample would hold other people. By default
        for tables and estimated weights, not for matched cases.
    """
    if sampled is None:
        sampled = sample.kind == "table" or sample.stage is not None
    if covariates is None or len(covariates) == 0:
        points, own, stage = _weighted_means(sample)
        parameters, design = 2, None
    else:
        design = design_matrix(sample.table, covariates)
        points, own, stage, parameters = _standardised(
            sample, design, binary=binary, interactions=interactions, sampled=sampled
        )
    small = sample.kind == "table" or (sample.kind == "matched" and not binary)
    spread, checks = covariance(
        sample, all_rows(sample, own, stage), parameters=parameters, small=small
    )
    return Averages(
        points=points, spread=spread, parameters=parameters, design=design, checks=checks
    )


def _weighted_means(sample: Sample) -> tuple[Array, Array, Array | None]:
    """Return Σwy/Σw of each arm, contributions to it, and its derivative by the weights' model."""
    points, parts, stages = [], [], []
    for arm in (sample.t, ~sample.t):
        share = sample.weight * arm / sample.weight[arm].sum()
        point = float(share @ sample.y)
        own = share * (sample.y - point)
        points.append(point)
        parts.append(own)
        if sample.stage is not None:
            pull = arm * (sample.y - point) / sample.weight[arm].sum()
            stages.append(sample.stage.slopes[sample.stage.rows].T @ pull)
    leverage = sample.weight / np.where(
        sample.t, sample.weight[sample.t].sum(), sample.weight[~sample.t].sum()
    )
    own = np.column_stack(parts) * _stretch(sample, leverage)[:, None]
    return np.array(points), own, np.column_stack(stages) if stages else None


def _stretch(sample: Sample, leverage: Array) -> Array:
    """Return by what contributions are multiplied: HC2 and HC3 make up for leverage."""
    power = {"HC2": 0.5, "HC3": 1.0}.get(sample.cov)
    if power is None:
        return np.ones_like(leverage)
    rest = 1 - leverage
    alone = int((rest < 1e-9).sum())
    if alone:
        raise DesignError(
            f"{alone} rows alone decide a coefficient (leverage 1), so {sample.cov} does not "
            'exist; use cov="HC1", or merge small groups.'
        )
    return np.asarray(rest**-power)


def _standardised(
    sample: Sample, design: Design, *, binary: bool, interactions: bool, sampled: bool
) -> tuple[Array, Array, Array | None, int]:
    """Return what `_weighted_means` does, standardised, and the number of parameters."""
    fit, matrix = outcome_model(sample, design, binary=binary, interactions=interactions)
    influence = fit.influence * _stretch(sample, fit.leverage)[:, None]
    total = sample.target.sum()
    points, parts, stages = [], [], []
    for arm in (1.0, 0.0):
        there = regressors(design, np.full(len(sample.y), arm), interactions=interactions)
        foretold = there @ fit.coefficients
        slope = np.ones_like(foretold)
        if binary:
            foretold = special.expit(foretold)
            slope = foretold * (1 - foretold)
        point = float(sample.target @ foretold / total)
        gradient = (sample.target * slope) @ there / total
        own = influence @ gradient
        if sampled:
            own = own + sample.target * (foretold - point) / total
        points.append(point)
        parts.append(own)
        if sample.stage is not None:
            rows = sample.stage.rows
            pull = fit.residuals * (matrix @ (fit.bread @ gradient))
            stage = sample.stage.slopes[rows].T @ pull
            if sample.stage.target_slopes is not None:
                stage = stage + sample.stage.target_slopes[rows].T @ ((foretold - point) / total)
            stages.append(stage)
    return (
        np.array(points),
        np.column_stack(parts),
        np.column_stack(stages) if stages else None,
        len(fit.names),
    )


def regressors(design: Design, arm: Array, *, interactions: bool) -> Array:
    """Return intercept, arm, covariates and, with interactions, their products."""
    parts = [np.ones(len(arm)), arm, design.matrix]
    return np.column_stack([*parts, arm[:, None] * design.matrix] if interactions else parts)


def outcome_model(
    sample: Sample, design: Design, *, binary: bool, interactions: bool
) -> tuple[Fit, Array]:
    """Fit the outcome on arm and covariates with the sample's weights."""
    names = ["Intercept", "treated", *design.names]
    names += [f"treated:{name}" for name in design.names] if interactions else []
    matrix = regressors(design, sample.t.astype(float), interactions=interactions)
    model = logistic if binary else linear
    weights = None if sample.kind == "table" else sample.weight
    if weights is None or (weights > 0).all():
        return model(matrix, sample.y, names, weights=weights), matrix
    inside = weights > 0  # a row of the population that has no weight has no part in the fit
    fit = model(matrix[inside], sample.y[inside], names, weights=weights[inside])
    made = dataclasses.replace(
        fit,
        fitted=_spread_out(fit.fitted, inside),
        residuals=_spread_out(fit.residuals, inside),
        leverage=_spread_out(fit.leverage, inside),
        influence=_spread_out(fit.influence, inside),
    )
    return made, matrix


def _spread_out(part: Array, inside: Flags) -> Array:
    found = np.zeros((len(inside), *part.shape[1:]))
    found[inside] = part
    return found


def all_rows(sample: Sample, own: Array, stage: Array | None) -> Array:
    """Return contributions of all rows that contribute, also through the weights' model."""
    if sample.stage is None or stage is None:
        return own
    found = sample.stage.influence @ stage
    found[sample.stage.rows] += own
    return np.asarray(found)


def covariance(
    sample: Sample, contributions: Array, *, parameters: int, small: bool
) -> tuple[Array, tuple[Check, ...]]:
    """Sum squares of contributions over rows, clusters, or two clusterings at once.

    Clusters are multiplied by G/(G − 1) and, if `small`, by (n − 1)/(n − k).
    """
    n = len(sample.y)
    if not sample.groups:
        factor = n / _spare(n, parameters) if sample.cov == "HC1" else 1.0
        return np.asarray(contributions.T @ contributions * factor), ()
    factor = (n - 1) / _spare(n, parameters) if small else 1.0
    first = one_way(contributions, sample.groups[0]) * factor
    if len(sample.groups) == 1:
        return first, ()
    second = one_way(contributions, sample.groups[1]) * factor
    pairs = sample.groups[0] * (int(sample.groups[1].max()) + 1) + sample.groups[1]
    both = np.unique(pairs, return_inverse=True)[1]
    found = first + second - one_way(contributions, both) * factor
    ends = np.linalg.eigvalsh(found)
    if ends[0] > -_ROUNDING * max(ends[1], 0.0) and found[0, 0] > 0 and found[1, 1] > 0:
        return found, ()
    wide = max((first, second), key=of_difference)
    text = (
        "clustered on sets and on the second cluster at once, the variance came out below zero, "
        "as can happen with few of either; the larger of the two one-way variances is used."
    )
    return wide, (Check(name="two_way_variance", passed=False, text=text),)


def one_way(contributions: Array, groups: Codes) -> Array:
    """Sum squares over clusters, times G/(G − 1)."""
    count = int(groups.max()) + 1
    if count < 2:
        raise DesignError(
            "all rows belong to one cluster or matched set, so no variance can be worked out."
        )
    sums = cluster_sums(contributions, groups)
    return np.asarray(sums.T @ sums * (count / (count - 1)))


def of_difference(spread: Array) -> float:
    """Return the variance of the first less the second."""
    return float(spread[0, 0] - 2 * spread[0, 1] + spread[1, 1])


def _spare(n: int, parameters: int) -> int:
    if n <= parameters:
        raise DesignError(f"{n} rows cannot carry a model with {parameters} parameters.")
    return n - parameters
