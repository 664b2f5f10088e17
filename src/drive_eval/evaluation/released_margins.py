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

from drive_eval.evaluation.controlled import without_numbers
from drive_eval.evaluation.released_arms import rounded
from drive_eval.evaluation.released_curves import unit_of
from drive_eval.models import comparison, prepost
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.results import Estimate, ResultSet

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
    found = _change(e, rules)
    if found is None:
        return without_numbers(e)
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
        To the hundredth.

    Notes
    -----
    Limits are those of the two changes, squared and added: they stay apart where everybody of an
    arm changed and nobody of the other did.

    References
    ----------
    Zou GY, Donner A (2008). Construction of confidence limits about effect measures: a general
    approach. Statistics in Medicine 27, 1693–1702.
    """
    found = [_change(arms[group], rules) if group in arms else None for group in ARMS.codes]
    changes = [one.one(measure="risk_difference") for one in found if one is not None]
    values = [(c.estimate or 0.0, c.conf_low, c.conf_high) for c in changes]
    if len(values) < len(ARMS.codes):
        return without_numbers(e)
    (one, *first), (two, *second) = values
    low = high = None
    if not clustered and None not in (*first, *second):
        low = one - two - math.hypot(one - (first[0] or 0.0), (second[1] or 0.0) - two)
        high = one - two + math.hypot((first[1] or 0.0) - one, two - (second[0] or 0.0))
    return dataclasses.replace(
        without_numbers(e),
        estimate=_round(one - two, 2),
        conf_low=_round(low, 2),
        conf_high=_round(high, 2),
        method=_METHOD.format(unit=unit_of(rules)) + ", limits squared and added",
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


def _change(e: Estimate, rules: Policy) -> ResultSet | None:
    """Return the change of people with these margins, as few as possible using it both times."""
    counts = _margins(e, rules)
    if counts is None:
        return None
    n, after, _, before = counts
    before = min(before, n)
    both = max(0, before + after - n)
    return prepost.paired_counts(
        both=both,
        before_only=before - both,
        after_only=after - both,
        neither=n - before - after + both,
        conf_level=e.conf_level,
    )


def _round(value: float | None, digits: int) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return round(value, digits) + 0.0
