"""What matching and weighting hand over: a comparison and everything that is known of it.

`matching` makes these, the models of outcomes take them. Neither holds an outcome: whoever
has one of these has finished designing the comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from drive_eval.vocabulary import ESTIMANDS

if TYPE_CHECKING:
    import pandas as pd

    from drive_eval.results import CountTable, ResultSet
    from drive_eval.vocabulary import Estimand

__all__ = ["Matched", "Weighted"]

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Programme cases and the comparison cases that were matched to them.

    Attributes
    ----------
    table : DataFrame
        The matched rows, with their own index and columns, and ``weight`` (1 for every
        programme case under att and atm; comparison weights sum to the number of comparison
        rows used) and ``matched_set`` (int; missing where a comparison case may serve several
        programme cases).
    treated : str
        The column that says who had the programme.
    covariates : str or tuple of str
        What was matched on, as it was given.
    estimand : {'att', 'atm', 'ate', 'atc'}
        Whose average effect the comparison became: ``atm`` when programme cases were dropped.
    balance : ResultSet
        ``smd``, ``variance_ratio``, ``ecdf_mean``, ``ecdf_max`` by covariate (``term``) and
        ``ess`` by ``group``, with ``subgroup`` ``"before"`` or ``"after"``; its checks say
        what a reader must know of overlap, balance and dropped cases.
    flow : CountTable
        ``matching``, dimensions ``group`` and ``stage``: atoms matched and unmatched, total all.
    score : Series or None
        Propensity score (a probability) of every row that was given, with its index.
    pairs : DataFrame or None
        Where sets were made one programme case at a time: one row per comparison case used,
        with the index labels ``treated`` and ``comparison`` and their ``distance``.
    variance : {'sets', 'HC3'}
        How standard errors are made: clustered on matched sets, or HC3 where a comparison
        case may serve several programme cases.
    sentences : tuple of str
        What was done, in sentences for a methods section that hold no count of cases.
    counted : tuple of str
        What was found on the way, in sentences that do.
    """

    table: pd.DataFrame
    treated: str
    covariates: str | tuple[str, ...]
    estimand: Estimand
    balance: ResultSet
    flow: CountTable
    score: pd.Series[float] | None = None
    pairs: pd.DataFrame | None = None
    variance: Literal["sets", "HC3"] = "sets"
    sentences: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say what was done, how many were kept and whose effect it is, for a methods section."""
        return _describe(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """Programme and comparison cases with the weights that make them alike.

    Attributes
    ----------
    table : DataFrame
        All rows that were given, with their own index and columns, and ``weight`` (0 for
        rows that were trimmed).
    treated, covariates, estimand, balance, flow, score, sentences, counted
        As in `Matched`; ``estimand`` may also be ``"ato"``. The flow's stages are weighted
        and trimmed.
    target : array, one value per row
        How much each row counts in the population that the estimand speaks of: under att
        1 for the programme, under ate 1 for everybody, under ato e(1 − e).
    influence : array, rows × parameters
        What each row contributed to the parameters from which the weights were made; the sum
        over rows is zero.
    slopes : array, rows × parameters
        Derivative of each row's weight by these parameters.
    target_slopes : array, rows × parameters, or None
        Derivative of each row's `target`; None where it does not depend on them.
    """

    table: pd.DataFrame
    treated: str
    covariates: str | tuple[str, ...]
    estimand: Estimand
    balance: ResultSet
    flow: CountTable
    target: Array = field(repr=False)
    influence: Array = field(repr=False)
    slopes: Array = field(repr=False)
    target_slopes: Array | None = field(default=None, repr=False)
    score: pd.Series[float] | None = None
    sentences: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say what was done, how many were kept and whose effect it is, for a methods section."""
        return _describe(self)


def _describe(design: Matched | Weighted) -> str:
    counts = {cell.key: cell.count for cell in design.flow.cells}
    lines = [*design.sentences, *design.counted]
    for group in ("programme", "comparison"):
        kept, every = (counts[group, stage] for stage in (_kept(design), "all"))
        ess = design.balance.one(measure="ess", group=group, subgroup="after").estimate
        lines.append(
            f"{kept:,} of {every:,} {group} cases were {_kept(design)}, worth "
            f"{ess:,.1f} equally weighted ones."
        )
    lines.append(f"The effect is {ESTIMANDS[design.estimand]}.")
    worst = max(
        (
            e
            for e in design.balance.estimates
            if e.measure == "smd" and e.subgroup == "after" and e.term != "propensity score"
        ),
        key=lambda e: abs(e.estimate or 0.0),
    )
    lines.append(
        f"The largest standardised mean difference that remains is {worst.estimate:.3f} "
        f"({worst.term})."
    )
    lines += [check.text for check in design.balance.checks if check.passed is False]
    return "\n".join(lines)


def _kept(design: Matched | Weighted) -> str:
    return "matched" if isinstance(design, Matched) else "weighted"
