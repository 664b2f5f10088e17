"""Groups of cases that are alike: subclasses of the score, strata of coarsened covariates.

A stratum is a number from 0; −1 says that a case is in none.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from drive_eval.errors import DesignError, did_you_mean
from drive_eval.models import _balance
from drive_eval.models._design import Matched
from drive_eval.results import CountTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.models._regression import Array, Codes, Flags
    from drive_eval.results import Check
    from drive_eval.vocabulary import Estimand

Cutpoints: TypeAlias = "Mapping[str, Sequence[float] | Literal['exact']]"

NOBODY = -1


# Subclasses of the score


def quantile_cuts(score: Array, population: Flags, subclasses: int) -> Array:
    """Return the limits of as many equal parts of the population's scores (R's type 7)."""
    return np.quantile(score[population], np.linspace(0, 1, subclasses + 1))


def cut(score: Array, treated: Flags, cuts: Array) -> tuple[Codes, int]:
    """Put every case into a subclass and fill those that lack an arm.

    Returns the subclasses, numbered from the lowest score without gaps, and the number of
    cases that were moved to a neighbour.
    """
    raw = np.clip(np.searchsorted(cuts, score, side="right") - 1, 0, len(cuts) - 2)
    used, codes = np.unique(raw, return_inverse=True)  # equal cuts leave a subclass nobody
    count, before = len(used), codes.copy()
    for arm, group in ((treated, "programme"), (~treated, "comparison")):
        if arm.sum() < count:
            raise DesignError(
                f"{int(arm.sum())} {group} cases cannot stand in each of {count} subclasses; "
                "use fewer subclasses."
            )
        _fill(codes, score, np.flatnonzero(arm), count)
    return codes.astype(np.int64), int((codes != before).sum())


def _fill(codes: Codes, score: Array, rows: Codes, count: int) -> None:
    """Give every subclass one of these rows, taken from where they are many and near.

    As in MatchIt: the neighbour that hands over a case lies on the side on which there are
    more to spare, each counted by its nearness, and hands over its nearest score.
    """
    sizes = np.bincount(codes[rows], minlength=count)
    while not sizes.all():
        empty = int(np.argmin(sizes > 0))
        distance = np.arange(count) - empty
        spare = np.where(distance != 0, np.maximum(sizes - 1, 0), 0)
        pull = float(np.sum(spare / np.where(distance == 0, 1, distance)))
        below = empty == count - 1 or (empty > 0 and pull <= 0)
        side = np.arange(empty)[::-1] if below else np.arange(empty + 1, count)
        giver = int(side[np.argmax(sizes[side] > 0)])
        members = rows[codes[rows] == giver]
        nearest = members[np.argmax(score[members] if below else -score[members])]
        codes[nearest] = empty
        sizes[empty] += 1
        sizes[giver] -= 1


# Strata of coarsened covariates


def coarsened(
    ready: pd.DataFrame, cutpoints: Cutpoints | None, *, exact: Sequence[str] = ()
) -> tuple[Codes, tuple[str, ...]]:
    """Return the stratum of every row, and how each column was coarsened, in words."""
    wanted = {} if cutpoints is None else dict(cutpoints)
    for name in wanted:
        if name not in ready.columns:
            known = [str(c) for c in ready.columns]
            raise DesignError(
                f'cutpoints name "{name}", which is no covariate.{did_you_mean(str(name), known)}'
            )
    strata = np.zeros(len(ready), dtype=np.int64)
    said = []
    for name in ready.columns:
        values = ready[name]
        given = wanted.get(name, "exact" if name in exact else None)
        if isinstance(given, str) and given != "exact":
            raise DesignError(
                f'cutpoints of "{name}" must be numbers in rising order, or the word "exact".'
            )
        if isinstance(values.dtype, pd.CategoricalDtype):
            if given is not None and not isinstance(given, str):
                raise DesignError(
                    f'"{name}" is not a column of numbers, so it has no cutpoints; its '
                    "categories are matched as they are."
                )
            codes, text = values.cat.codes.to_numpy(dtype=np.int64), f"{name} as it is"
        elif isinstance(given, str) or (given is None and values.isin((0, 1)).all()):
            codes, text = pd.factorize(values, sort=True)[0].astype(np.int64), f"{name} as it is"
        else:
            limits = _sturges(values) if given is None else _rising(str(name), given)
            codes = np.searchsorted(limits, values.to_numpy(dtype=float), side="right")
            text = (
                f"{name} in {len(limits) + 1} bins of equal width"
                if given is None
                else f"{name} at {', '.join(f'{limit:g}' for limit in limits)}"
            )
        said.append(text)
        together = strata * (int(codes.max()) + 1) + codes
        strata = pd.factorize(together, sort=True)[0].astype(np.int64)
    return strata, tuple(said)


def _sturges(values: pd.Series[Any]) -> Array:
    """Return the inner limits of ⌈log₂ n + 1⌉ bins of equal width."""
    bins = math.ceil(math.log2(len(values)) + 1)
    return np.linspace(float(values.min()), float(values.max()), bins + 1)[1:-1]


def _rising(name: str, given: Sequence[float]) -> Array:
    fault = DesignError(f'cutpoints of "{name}" must be numbers in rising order, without repeats.')
    try:
        limits = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise fault from None
    if limits.ndim != 1 or not len(limits) or not (np.diff(limits) > 0).all():
        raise fault
    if not np.isfinite(limits).all():
        raise fault
    return limits


def with_both_arms(strata: Codes, treated: Flags) -> Codes:
    """Keep the strata that hold cases of both arms, renumbered; everyone else is in none."""
    size = int(strata.max()) + 1
    both = np.bincount(strata[treated], minlength=size) > 0
    both &= np.bincount(strata[~treated], minlength=size) > 0
    if not both.any():
        raise DesignError(
            "no stratum holds cases of both arms. Give fewer covariates, or fewer cutpoints."
        )
    number = np.where(both, np.cumsum(both) - 1, NOBODY)
    return number[strata]


# Weights


def stratum_weights(strata: Codes, treated: Flags, estimand: str) -> Array:
    """Return the weights that give every stratum its share of the population.

    Under att each comparison case counts n₁ₛ/n₀ₛ, under atc each programme case n₀ₛ/n₁ₛ, under
    ate everybody nₛ over the cases of the own arm; then each arm's weights are made to sum to
    its number of cases.
    """
    inside = strata != NOBODY
    size = int(strata.max()) + 1
    programme, comparison = (
        np.bincount(strata[inside & arm], minlength=size) for arm in (treated, ~treated)
    )
    target = {"att": programme, "atc": comparison, "ate": programme + comparison}[estimand]
    weights = np.zeros(len(strata))
    for arm, own in ((treated, programme), (~treated, comparison)):
        rows = inside & arm
        raw = (target / own)[strata[rows]]
        weights[rows] = raw * (rows.sum() / raw.sum())
    return weights


# What is handed over


def matched(
    table: pd.DataFrame,
    t: Flags,
    *,
    treated: str,
    covariates: str | Sequence[str],
    strata: Codes,
    estimand: Estimand,
    became: Estimand,
    max_smd: float,
    checks: Sequence[Check],
    sentences: Sequence[str],
    call: str,
    score: Array | None = None,
    tables: tuple[CountTable, ...] = (),
    variance: Literal["sets", "HC3"] = "sets",
) -> Matched:
    """Weigh the strata, measure the balance, and hand over what was made."""
    shown = _balance.columns(table, covariates)
    kept = strata != NOBODY
    weights = stratum_weights(strata, t, estimand)
    found = _balance.balance_of(
        shown,
        t,
        estimand=became,
        weights=weights,
        score=score,
        max_smd=max_smd,
        checks=[_balance.check_unmatched(t, kept, estimand=became, shown=shown), *checks],
        call=call,
    )
    return Matched(
        table=table[kept].assign(weight=weights[kept], matched_set=strata[kept] + 1),
        treated=treated,
        covariates=covariates if isinstance(covariates, str) else tuple(covariates),
        estimand=became,
        balance=dataclasses.replace(found, tables=tables),
        flow=_balance.flow(t, kept, stages=("matched", "unmatched"), title="Who was matched"),
        score=None
        if score is None
        else pd.Series(score, index=table.index, name="propensity_score"),
        variance=variance,
        sentences=tuple(sentences),
    )


def count_table(strata: Codes, treated: Flags) -> CountTable:
    """Count the cases of every subclass by arm."""
    size = int(strata.max()) + 1
    counts: dict[tuple[str, ...], int] = {}
    for group, arm in (("programme", treated), ("comparison", ~treated)):
        for number, count in enumerate(np.bincount(strata[arm], minlength=size), start=1):
            counts[str(number), group] = int(count)
    return CountTable.from_counts(
        name="subclasses",
        title="Cases by subclass of the propensity score, lowest scores first",
        unit="cases",
        dimensions=("subclass", "group"),
        counts=counts,
    )
