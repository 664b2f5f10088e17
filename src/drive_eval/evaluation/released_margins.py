"""Falls of parts of an arm, worked out again from rounded margins.

Of people whose own table is not released (an arm without one site, those rated by two reporters)
an exact fall with its limits would tell how many started: the limits hang on the kinds of pair. So
only how many there are and how many used it before and after is taken, each rounded, and the
pairing is the one that makes the interval widest.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import pandas as pd
from scipy import stats

from drive_eval.evaluation.controlled import without_numbers
from drive_eval.evaluation.released_arms import rounded
from drive_eval.evaluation.released_curves import unit_of
from drive_eval.models import comparison, prepost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.results import Estimate

__all__ = ["difference_of_falls", "difference_of_margins", "fall_of_margins", "rows_of_margins"]

_METHOD = "from numbers rounded to {unit}, pairing taken at its widest"


def fall_of_margins(e: Estimate, rules: Policy, *, clustered: bool) -> Estimate:
    """Return a change within an arm as it follows from its rounded margins.

    Parameters
    ----------
    e : Estimate
        ``risk_difference``, ``risk_ratio`` or ``percent_reduction`` with people and users after
        (``n``, ``n_events``) and before (``n_reference``, ``n_events_reference``).
    rules : Policy
    clustered : bool
        Whether people are clustered, so that there is no interval.

    Returns
    -------
    Estimate
        To the hundredth, without counts and P value.
    """
    pairs = _widest(e, rules)
    if pairs is None:
        return without_numbers(e)
    found = prepost.paired_counts(
        both=pairs["both"],
        before_only=pairs["before_only"],
        after_only=pairs["after_only"],
        neither=pairs["neither"],
        conf_level=e.conf_level,
    )
    again = found.one(measure=e.measure, term=e.term)
    scale = 0 if e.measure == "percent_reduction" else 2
    low, high = (None, None) if clustered else (again.conf_low, again.conf_high)
    return dataclasses.replace(
        without_numbers(e),
        estimate=_round(again.estimate, scale),
        conf_low=_round(low, scale),
        conf_high=_round(high, scale),
        method=_METHOD.format(unit=unit_of(rules)),
    )


def difference_of_falls(
    e: Estimate, arms: Mapping[str, Estimate], rules: Policy, *, clustered: bool
) -> Estimate:
    """Return a difference in differences as it follows from both arms' rounded margins.

    Parameters
    ----------
    e : Estimate
        The exact one.
    arms : mapping of group to Estimate
        A change within each arm, with its margins.
    rules : Policy
    clustered : bool

    Returns
    -------
    Estimate
        To the hundredth, with Wald's interval.
    """
    changes = []
    for group in ("programme", "comparison"):
        pairs = _widest(arms[group], rules) if group in arms else None
        if pairs is None:
            return without_numbers(e)
        n = sum(pairs.values())
        started, stopped = pairs["after_only"] / n, pairs["before_only"] / n
        change = started - stopped
        changes.append((change, (started + stopped - change**2) / n))
    value = changes[0][0] - changes[1][0]
    reach = stats.norm.ppf(0.5 + e.conf_level / 2) * math.sqrt(changes[0][1] + changes[1][1])
    return dataclasses.replace(
        without_numbers(e),
        estimate=_round(value, 2),
        conf_low=None if clustered else _round(value - reach, 2),
        conf_high=None if clustered else _round(value + reach, 2),
        method=_METHOD.format(unit=unit_of(rules)) + ", Wald",
    )


def difference_of_margins(e: Estimate, rules: Policy, *, clustered: bool) -> Estimate:
    """Return a difference of two arms' shares as it follows from their rounded counts.

    Parameters
    ----------
    e : Estimate
        ``risk_difference`` with people and those with the outcome of both arms.
    rules : Policy
    clustered : bool

    Returns
    -------
    Estimate
        To the hundredth.
    """
    rows = rows_of_margins(e, rules)
    if rows is None:
        return without_numbers(e)
    found = comparison.risk_contrast(
        rows, outcome="outcome", treated="group", conf_level=e.conf_level
    ).one(measure="risk_difference")
    return dataclasses.replace(
        without_numbers(e),
        estimate=_round(found.estimate, 2),
        conf_low=None if clustered else _round(found.conf_low, 2),
        conf_high=None if clustered else _round(found.conf_high, 2),
        method=f"from numbers rounded to {unit_of(rules)}",
    )


def rows_of_margins(e: Estimate, rules: Policy) -> pd.DataFrame | None:
    """Return rounded people of both arms, one row each; None where an arm has nobody.

    Parameters
    ----------
    e : Estimate
        As for `difference_of_margins`.
    rules : Policy

    Returns
    -------
    DataFrame or None
        ``group`` and ``outcome``.
    """
    counts = _margins(e, rules)
    if counts is None:
        return None
    n, x, m, y = counts
    return pd.DataFrame(
        {
            "group": ["programme"] * n + ["comparison"] * m,
            "outcome": [True] * x + [False] * (n - x) + [True] * y + [False] * (m - y),
        }
    )


def _margins(e: Estimate, rules: Policy) -> tuple[int, int, int, int] | None:
    """Return people and those with the outcome, after and before, rounded; None without people."""
    exact = (e.n, e.n_events, e.n_reference, e.n_events_reference)
    if None in exact or e.estimate is None:
        return None
    unit = unit_of(rules)
    n, x, m, y = (rounded(count or 0, unit) for count in exact)
    return (n, min(x, n), m, min(y, m)) if n and m else None


def _widest(e: Estimate, rules: Policy) -> dict[str, int] | None:
    """Return the pairs with these margins of whom as few as possible used it both times."""
    counts = _margins(e, rules)
    if counts is None:
        return None
    n, after, _, before = counts
    before = min(before, n)
    both = max(0, before + after - n)
    return {
        "both": both,
        "before_only": before - both,
        "after_only": after - both,
        "neither": n - before - after + both,
    }


def _round(value: float | None, digits: int) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return round(value, digits) + 0.0
