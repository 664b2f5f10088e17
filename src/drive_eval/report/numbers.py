"""How a released number is written: no digit that was not released, and one sign for less."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drive_eval.results import Evaluation

__all__ = ["DIGITS_NOTE", "digits_of", "number", "per_100"]

#: Policies that neither hide nor round a count, so that values are released as they are.
EXACT_POLICIES = frozenset({"", "internal", "public_data"})

#: What stands beneath a table of values that were rounded.
DIGITS_NOTE = "Values to two digits."


def digits_of(evaluation: Evaluation) -> int | None:
    """Return how many significant digits values may show; None where they are exact."""
    return None if evaluation.policy in EXACT_POLICIES else 2


def number(value: float, decimals: int, digits: int | None = None) -> str:
    """Return a number as a reader should see it.

    Parameters
    ----------
    value : float
    decimals : int
        Most places behind the point.
    digits : int, optional
        Significant digits that are known; places beyond them are left out.

    Returns
    -------
    str

    Examples
    --------
    >>> number(11.0, 1, 2), number(3.94, 1, 2), number(-12.0, 1, 2), number(1.1, 2, 2)
    ('11', '3.9', '−12', '1.1')
    >>> number(9.96, 1, 2), number(0.0, 1, 2), number(-0.001, 2), number(5619.4, 0)
    ('10', '0', '0.00', '5,619')
    >>> number(math.inf, 2)
    'no limit'
    """
    if math.isinf(value):
        return "no limit"
    if digits is not None:
        known = float(f"{value:.{digits}g}")
        places = digits - 1 - math.floor(math.log10(abs(known))) if known else 0
        decimals = min(decimals, max(places, 0))
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if not float(text.replace(",", "")) else text.replace("-", "−")


def per_100(value: float, digits: int | None) -> str:
    """Return people of every 100: whole where counts are rounded, but what is under 1 never as 0.

    Examples
    --------
    >>> per_100(-8.8, 2), per_100(-16.2, 2), per_100(-0.34, 2), per_100(-8.84, None)
    ('−9', '−16', '−0.3', '−8.8')
    """
    return number(value, 0 if digits is not None and abs(value) >= 1 else 1, digits)
