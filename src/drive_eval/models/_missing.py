"""What is common to every answer about missing outcomes: reading, bounds and their intervals.

The first time point (or the arm) is known of everybody, the second is not. Whatever the missing
ones are, the truth is one of the ways to fill them in, so the extremes over all fillings are
sharp bounds, and each is what a complete table would have given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import optimize, special

from drive_eval.errors import DataError, DesignError, UndefinedResultError, did_you_mean
from drive_eval.models import _arguments, _regression
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.models._regression import Array, Flags

ARMS = ("programme", "comparison")
ALIKE = "Among people alike in what the model uses, those without an exit are like those with one"
LABELS = ("outcome", "group", "unit", "reporter", "threshold", "subgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exits:
    """Who showed a behaviour before, and who after, where that is known.

    Attributes
    ----------
    before : array of bool
    known : array of bool
        Whether the second time point was recorded.
    after : array of bool
        False where it was not.
    """

    before: Flags
    known: Flags
    after: Flags

    @property
    def missing(self) -> int:
        """How many have no second time point."""
        return int((~self.known).sum())


def read_exits(table: pd.DataFrame, before: str, after: str) -> Exits:
    """Read a complete first and an incomplete second time point."""
    if isinstance(table, pd.DataFrame) and len(table) == 0:
        raise UndefinedResultError("the table has no rows, so there is nobody to follow.")
    first = _regression.flags(table, before, "before")
    known, second = read_incomplete(table, after, "after")
    return Exits(before=first, known=known, after=second)


def read_incomplete(table: pd.DataFrame, name: str, role: str) -> tuple[Flags, Flags]:
    """Return whether a true-or-false column is known in each row, and its value if so."""
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"a table (pandas DataFrame) is needed, not a {type(table).__name__}.")
    _arguments.column_name(name, role, table.columns)
    if name not in table.columns:
        hint = did_you_mean(str(name), [str(c) for c in table.columns])
        raise DataError(f'no column "{name}" ({role}).{hint}')
    known = np.asarray(table[name].notna(), dtype=bool)
    if known.ndim > 1:
        raise DataError(f'several columns are called "{name}" ({role}); rename all but one.')
    if not known.any():
        raise UndefinedResultError(
            f'column "{name}" ({role}) is empty in all {len(known)} rows, so nothing was observed. '
            "Bounds of what nobody measured are 0 and 1."
        )
    found = np.zeros(len(known), dtype=bool)
    told = table.loc[known, [name]]
    if told[name].dtype == object and told[name].map(_is_flag).all():
        told = told.astype(bool)  # true, false and None make a column of objects
    found[known] = _regression.flags(told, name, role)
    return known, found


def _is_flag(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_)) or (_arguments.is_number(value) and value in (0, 1))


def pairs(before: Flags, after: Flags) -> dict[str, int]:
    """Count the four kinds of pairs."""
    return {
        "both": int((before & after).sum()),
        "before_only": int((before & ~after).sum()),
        "after_only": int((~before & after).sum()),
        "neither": int((~before & ~after).sum()),
    }


def two_arms(table: pd.DataFrame, treated: str) -> Flags:
    """Return True for the programme; a single arm is refused."""
    t = _regression.arms(table, treated, "treated")
    if t.all() or not t.any():
        raise DesignError(
            f'everybody in column "{treated}" is of one arm; leave treated out to measure the '
            "change within people."
        )
    return t


def each_arm(t: Flags | None, n: int) -> list[Flags]:
    """Return who is filled in by which model: everybody, or each arm by its own."""
    return [np.ones(n, dtype=bool)] if t is None else [t, ~t]


def predictors(
    table: pd.DataFrame,
    before: Flags,
    covariates: str | Sequence[str] | None,
    taken: tuple[str | None, ...],
) -> tuple[Array, list[str]]:
    """Return intercept, the first time point and covariates, by row."""
    columns, names = [np.ones(len(before))], ["Intercept"]
    if 0 < before.mean() < 1:
        columns.append(before.astype(float))
        names.append(str(taken[0]))
    if _arguments.named(covariates) and covariates is not None:
        for name, role in zip(taken, ("before", "after", "treated"), strict=True):
            if name is not None:
                _regression.refuse_among(table, covariates, name, role)
        design = _regression.design_matrix(table, covariates)
        columns += list(design.matrix.T)
        names += design.names
    return np.column_stack(columns), names


def count_missing(exits: Exits, outcome: str, group: str) -> Check:
    """Say how many have no second time point."""
    n = len(exits.known)
    return Check(
        name="missing_exits",
        passed=None if exits.missing else True,
        statistic=exits.missing,
        outcome=outcome,
        group=group,
        text=f"{exits.missing:,} of {n:,} ({100 * exits.missing / n:.0f} %) have no exit.",
    )


def between_quantile(width: float, errors: tuple[float, float], conf_level: float) -> float:
    """Return the quantile of Imbens and Manski (2004) for an interval around two bounds.

    It covers one true value between the bounds as often as said, and lies between the one-sided
    quantile (bounds far apart) and the two-sided one (bounds that meet).
    """
    two_sided = float(special.ndtri(0.5 + conf_level / 2))
    largest = max(errors)
    if largest == 0:
        return two_sided
    shift = width / largest

    def short(c: float) -> float:
        return float(special.ndtr(c + shift) - special.ndtr(-c)) - conf_level

    # At the one-sided quantile it covers too little by Φ(−c − shift), which may be no number.
    low = float(special.ndtri(conf_level))
    if short(low) >= 0 or conf_level <= 0.5:
        return low if conf_level > 0.5 else two_sided
    return float(optimize.brentq(short, low, two_sided + 1e-9, xtol=1e-12))


def level_of(quantile: float) -> float:
    """Return the two-sided level that has this quantile."""
    return float(special.erf(quantile / math.sqrt(2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lee:
    """Lee's bounds of a difference of two risks, and what they rest on."""

    low: float
    high: float
    low_error: float
    high_error: float
    trimmed: float
    more_in_treated: bool
    clipped: bool


def lee(*, yes1: int, no1: int, n1: int, yes0: int, no0: int, n0: int) -> Lee | None:
    """Return Lee's (2009) bounds for a yes/no outcome; None if an arm was not measured at all.

    With q the share measured and s, f the shares measured with and without the outcome, and
    more measured in arm 1, trimming the surplus from the top or the bottom of arm 1 leaves
    max(0, 1 − f1/q0) and min(1, s1/q0). Both are smooth in five shares of two independent
    multinomial samples, so their variances are those of the delta method.
    """
    if yes1 + no1 == 0 or yes0 + no0 == 0:
        return None
    surplus = (yes1 + no1) * n0 - (yes0 + no0) * n1  # whole numbers, so that equal is equal
    swap = surplus < 0
    if swap:
        yes1, no1, n1, yes0, no0, n0 = yes0, no0, n0, yes1, no1, n1
    q1, q0 = (yes1 + no1) / n1, (yes0 + no0) / n0
    s1, f1, s0 = yes1 / n1, no1 / n1, yes0 / n0
    trim = 1 - q0 / q1 if surplus else 0.0
    base = s0 / q0
    base_variance = base * (1 - base) / (q0 * n0)
    # A bound that trimming pushes past 0 or 1 stays there, and has the base's error alone.
    bottom, top = 1 - f1 / q0, s1 / q0
    found = []
    for value, share, sign in ((bottom, f1, -1), (top, s1, 1)):
        inside = 0 < value < 1
        cut = min(max(value, 0.0), 1.0)
        gap = cut - base
        if inside:
            # Arm 0 sends S(Y + gap)/q0, or S((1 − Y) − gap)/q0, whose spread is the same thing
            # as that of the base around a moving q0.
            moved = gap if sign > 0 else -gap
            yes, no = (s0, q0 - s0) if sign > 0 else (q0 - s0, s0)
            mean = yes * (1 + moved) + no * moved
            square = yes * (1 + moved) ** 2 + no * moved**2
            variance = (square - mean**2) / (q0**2 * n0) + share * (1 - share) / (q0**2 * n1)
        else:
            variance = base_variance
        found.append((gap, math.sqrt(max(variance, 0.0)), inside))
    (low, low_error, low_in), (high, high_error, high_in) = found
    if swap:
        low, high, low_error, high_error = -high, -low, high_error, low_error
    return Lee(
        low=low,
        high=high,
        low_error=low_error,
        high_error=high_error,
        trimmed=trim,
        more_in_treated=not swap,
        clipped=not (low_in and high_in),
    )
