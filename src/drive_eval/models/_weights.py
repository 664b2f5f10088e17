"""Weights that make two arms alike, and how they hang on the parameters they were made from.

Weights are estimated, so whoever uses them needs the influence of every row on their
parameters and the slope of every weight by these. Trimming limits and caps are taken as given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import linalg, optimize, special

from drive_eval.errors import DesignError
from drive_eval.models import _balance
from drive_eval.models._design import Weighted
from drive_eval.models._score import propensity
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.models._regression import Array, Design, Flags
    from drive_eval.models._score import Score
    from drive_eval.vocabulary import Estimand

_CLOSE = 1e-10  # standard deviations by which a balanced mean may miss its target
_TILT_OF_CONCERN = 30.0  # one row's weight is e³⁰ times another's


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights of all rows; the attributes are those of `Weighted`."""

    weight: Array
    target: Array
    influence: Array
    slopes: Array
    target_slopes: Array | None = None


# From a propensity score

#: How cases were weighted, for a methods section.
SENTENCES = {
    "att": (
        "Programme cases count 1 and comparison cases the odds of their score, e/(1 − e), so that "
        "the comparison group stands for the programme group."
    ),
    "atc": (
        "Comparison cases count 1 and programme cases (1 − e)/e, with e their score, so that the "
        "programme group stands for the comparison group."
    ),
    "ate": (
        "Cases count the inverse of the probability of the arm they were in, 1/e or 1/(1 − e), so "
        "that each arm stands for all cases."
    ),
    "ato": (
        "Programme cases count 1 − e and comparison cases e, with e their score (overlap "
        "weights), so that those who might well have been in either arm count most."
    ),
}


def refuse_limits(trim: tuple[float, float] | None, truncate: float | None) -> None:
    """Refuse limits of scores and weights that make no sense."""
    if trim is not None and not (
        isinstance(trim, (tuple, list)) and len(trim) == 2 and 0 <= trim[0] < trim[1] <= 1
    ):
        raise DesignError(
            "trim must be two probabilities, the lower first, e.g. (0.1, 0.9): cases with a "
            "score outside them are left out."
        )
    if truncate is not None and not 0.5 < truncate < 1:
        raise DesignError(
            "truncate must lie between 0.5 and 1, e.g. 0.99: the quantile of the weights at "
            "which the largest are capped."
        )


def score_weights(score: Score, estimand: str, *, stabilised: bool = False) -> Weights:
    """Return target/e for the programme and target/(1 − e) for the comparison.

    The target is e under att, 1 − e under atc, 1 under ate and e(1 − e) under ato. Stabilised
    weights are those of ate times the share of the own arm, which is taken as given.
    """
    t, e, one = score.treated, score.probability, np.ones_like(score.probability)
    rest = special.expit(-score.logit)  # 1 − e, exact also where e is 1 to the last digit
    odds, against = e / rest, rest / e
    # The weight, its derivative by the logit of the score, and the target.
    weight, slope, target = {
        "att": (np.where(t, 1.0, odds), np.where(t, 0.0, odds), t * one),
        "atc": (np.where(t, against, 1.0), np.where(t, -against, 0.0), ~t * one),
        "ate": (1 / np.where(t, e, rest), np.where(t, -against, odds), one),
        "ato": (np.where(t, rest, e), np.where(t, -1.0, 1.0) * e * rest, e * rest),
    }[estimand]
    if stabilised:
        share = np.where(t, t.mean(), 1 - t.mean())
        weight, slope = weight * share, slope * share
    matrix = np.column_stack([one, score.design.matrix])
    return Weights(
        weight=weight,
        target=target,
        influence=score.influence,
        slopes=slope[:, None] * matrix,
        target_slopes=((rest - e) * e * rest)[:, None] * matrix if estimand == "ato" else None,
    )


def cap(made: Weights, level: float) -> tuple[Weights, float, float, int]:
    """Bring weights beyond the quantiles 1 − level and level of all weights to these.

    Returns the weights, the two limits, and how many were changed.
    """
    low, high = np.quantile(made.weight, [1 - level, level])
    beyond = (made.weight < low) | (made.weight > high)
    capped = replace(
        made,
        weight=np.clip(made.weight, low, high),
        slopes=np.where(beyond[:, None], 0.0, made.slopes),
    )
    return capped, float(low), float(high), int(beyond.sum())


def spread_out(made: Weights, kept: Flags) -> Weights:
    """Return the weights of the kept rows as those of all rows: 0 for the others."""

    def full(values: Array) -> Array:
        out = np.zeros((len(kept), *values.shape[1:]))
        out[kept] = values
        return out

    return Weights(
        weight=full(made.weight),
        target=full(made.target),
        influence=full(made.influence),
        slopes=full(made.slopes),
        target_slopes=None if made.target_slopes is None else full(made.target_slopes),
    )


def refitted(
    table: pd.DataFrame,
    kept: Flags,
    first: Score,
    *,
    treated: str,
    covariates: str | Sequence[str],
) -> Score:
    """Fit the score again among the cases that trimming leaves."""
    for arm, group in ((first.treated, "programme"), (~first.treated, "comparison")):
        if not (arm & kept).any():
            raise DesignError(f"trimming leaves nobody in the {group} group; widen its limits.")
    if kept.all():
        return first
    try:
        return propensity(table[kept], treated=treated, covariates=covariates)
    except DesignError as error:
        raise DesignError(f"among the cases that trimming leaves, {error}") from error


# Entropy balance


def check_worth(weights: Array, treated: Flags) -> Check:
    """Say what the arm that lost most by weighting is worth, and how heavy its heaviest case is."""
    worth = []
    for group, arm in (("programme", treated), ("comparison", ~treated)):
        share = weights[arm] / weights[arm].sum()
        size = int(arm.sum())
        worth.append((1 / float(share @ share) / size, size, float(share.max()), group))
    ratio, size, heaviest, group = min(worth)
    text = (
        f"The {size:,} {group} cases are worth {ratio * size:,.1f} equally weighted ones; the "
        f"heaviest carries {100 * heaviest:.1f}% of their weight."
    )
    return Check(name="overlap", statistic=ratio, text=text)


def entropy_weights(design: Design, treated: Flags, estimand: str, moments: int) -> Weights:
    """Return the most even weights with which each arm has the target's means.

    Parameters
    ----------
    design : Design
        The covariates as numbers.
    treated : array of bool
    estimand : {'att', 'atc', 'ate'}
        The target: programme cases, comparison cases, or all. An arm that is the target
        keeps weights of 1.
    moments : int
        Up to which power the columns are balanced; a column of two values has the first only.
    """
    columns, names = _powers(design, moments)
    target = {"att": treated, "atc": ~treated, "ate": np.ones_like(treated)}[estimand]
    goal = columns[target].mean(axis=0)
    z = columns - goal
    weight = target.astype(float)
    influence, slopes = [], []
    for arm, group in ((treated, "programme"), (~treated, "comparison")):
        if estimand == ("att" if group == "programme" else "atc"):
            continue
        weight[arm] = target.sum() * _tilt(z[arm], names, group)
        # Σ target·z = Σ_arm w·z, with w the exponential of z·θ and a one among the columns of z,
        # fixes both the level of the weights and the means; the goal drops out.
        basis = np.column_stack([np.ones(len(z)), z])
        own = np.where(arm, weight, 0.0)
        bread = np.asarray(linalg.pinvh(basis.T @ (own[:, None] * basis)))
        influence.append((target - own)[:, None] * basis @ bread)
        slopes.append(own[:, None] * basis)
    return Weights(
        weight=weight,
        target=target.astype(float),
        influence=np.column_stack(influence),
        slopes=np.column_stack(slopes),
    )


def _powers(design: Design, moments: int) -> tuple[Array, tuple[str, ...]]:
    """Return the columns in standard deviations, with their powers, and the names of all."""
    x = design.matrix
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    many = np.array([moments > 1 and len(np.unique(column)) > 2 for column in x.T])
    blocks, names = [scaled], list(design.names)
    for power in range(2, moments + 1):
        raised = scaled[:, many] ** power
        blocks.append((raised - raised.mean(axis=0)) / raised.std(axis=0))
        names += [
            f"{name} (power {power})" for name, m in zip(design.names, many, strict=True) if m
        ]
    return np.column_stack(blocks), tuple(names)


def _tilt(z: Array, names: Sequence[str], group: str) -> Array:
    """Return shares that sum to one and bring the means of z to 0."""
    above = (z.min(axis=0) > -_CLOSE) & (z.max(axis=0) > _CLOSE)
    below = (z.max(axis=0) < _CLOSE) & (z.min(axis=0) < -_CLOSE)
    outside = [name for name, out in zip(names, above | below, strict=True) if out]
    if outside:
        raise _beyond(group, outside)
    share, settled = _newton(z)
    if not settled:
        raise _beyond(group, _guilty(z, names))
    return share


def _newton(z: Array) -> tuple[Array, bool]:
    """Minimise the dual of entropy balance, log Σ exp(z·λ).

    It is convex, and its gradient is the mean of z under the shares. It has a minimum only if
    0 lies inside the hull of the rows: where λ runs away that is looked at.
    """
    dual = np.zeros(z.shape[1])
    height = float(special.logsumexp(z @ dual))
    for _ in range(200):
        share = special.softmax(z @ dual)
        gradient = share @ z
        if np.abs(gradient).max() < _CLOSE / 100:
            break
        curvature = z.T @ (share[:, None] * z) - np.outer(gradient, gradient)
        step = -np.asarray(linalg.pinvh(curvature)) @ gradient
        size, fall = 1.0, float(gradient @ step)
        rounding = 1e-13 * (1 + abs(height))
        lower = float(special.logsumexp(z @ (dual + step)))
        while lower > height + 1e-4 * size * fall + rounding and size > 1e-8:
            size /= 2
            lower = float(special.logsumexp(z @ (dual + size * step)))
        if size <= 1e-8:
            break
        dual, height = dual + size * step, lower
        if height < 0:  # then every z·λ is below 0: all rows lie on one side
            break
    tilt = z @ dual
    share = special.softmax(tilt)
    settled = bool(np.abs(share @ z).max() < _CLOSE)
    if settled and np.ptp(tilt) > _TILT_OF_CONCERN:
        settled = not _outside_hull(z)
    return share, settled


def _guilty(z: Array, names: Sequence[str]) -> list[str]:
    """Return a smallest set of columns whose target no weights can reach together."""
    if not _outside_hull(z):
        return []
    kept = list(range(z.shape[1]))
    for spare in range(z.shape[1]):
        rest = [i for i in kept if i != spare]
        if rest and _outside_hull(z[:, rest]):
            kept = rest
    return [names[i] for i in kept]


def _outside_hull(z: Array) -> bool:
    """Say whether 0 lies outside the hull of the rows, or on its edge.

    It does if some direction never points the one way and somewhere the other; directions are
    bounded, so that one which does so does it by more than rounding.
    """
    found = optimize.linprog(z.sum(axis=0), A_ub=z, b_ub=np.zeros(len(z)), bounds=(-1, 1))
    return found.x is not None and float((z @ found.x).min()) < -1e-5


def _beyond(group: str, guilty: Sequence[str]) -> DesignError:
    if not guilty:
        return DesignError(
            f"entropy balance of the {group} cases did not settle; use fewer covariates or moments."
        )
    return DesignError(
        f"no weights can give the {group} cases the means that are wanted of: "
        f"{', '.join(guilty[:8])}{' …' if len(guilty) > 8 else ''}. These means lie beyond what "
        f"the {group} cases cover, or at its edge; use fewer covariates or moments, merge small "
        "levels, or match within a caliper."
    )


# What is handed over


def weighted(
    table: pd.DataFrame,
    t: Flags,
    made: Weights,
    *,
    treated: str,
    covariates: str | Sequence[str],
    estimand: Estimand,
    kept: Flags,
    max_smd: float,
    checks: Sequence[Check],
    sentences: Sequence[str],
    call: str,
    score: Array | None = None,
    why: str = "",
) -> Weighted:
    """Measure the balance under the weights, and hand over what was made."""
    shown = _balance.columns(table, covariates)
    unmatched = _balance.check_unmatched(t, kept, estimand=estimand, shown=shown, why=why)
    return Weighted(
        table=table.assign(weight=made.weight),
        treated=treated,
        covariates=covariates if isinstance(covariates, str) else tuple(covariates),
        estimand=estimand,
        balance=_balance.balance_of(
            shown,
            t,
            estimand=estimand,
            weights=made.weight,
            score=score,
            max_smd=max_smd,
            checks=[unmatched, *checks],
            call=call,
        ),
        flow=_balance.flow(t, kept, stages=("weighted", "trimmed"), title="Who was weighted"),
        target=made.target,
        influence=made.influence,
        slopes=made.slopes,
        target_slopes=made.target_slopes,
        score=None
        if score is None
        else pd.Series(score, index=table.index, name="propensity_score"),
        sentences=tuple(sentences),
    )
