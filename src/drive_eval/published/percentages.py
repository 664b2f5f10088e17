"""Can this percentage come from that many people? Whole counts leave traces in percentages."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from drive_eval.errors import DataError

__all__ = ["ConsistentCounts", "consistent_counts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistentCounts:
    """Which counts round to a printed percentage.

    Attributes
    ----------
    percent : float
    decimals : int
        As printed.
    n : int
        The denominator that was stated.
    counts : tuple of int
        Every k for which k of n rounds to the percentage; empty if none does.
    nearest_n : tuple of int
        If none does: the nearest denominator that could, two if both sides are as near.
    """

    percent: float
    decimals: int
    n: int
    counts: tuple[int, ...]
    nearest_n: tuple[int, ...] = ()

    @property
    def possible(self) -> bool:
        """Whether any count of people gives the percentage."""
        return bool(self.counts)

    @property
    def text(self) -> str:
        """Say it in a sentence."""
        printed = f"{self.percent:.{self.decimals}f} %"
        if self.possible:
            first, last = self.counts[0], self.counts[-1]
            which = f"{first}" if first == last else f"{first} to {last}"
            return f"{printed} of {self.n} is {which}."
        k = math.floor(self.percent * self.n / 100)
        below, above = (
            f"{count} is {100 * count / self.n:.{self.decimals}f} %" for count in (k, k + 1)
        )
        could = " and ".join(str(n) for n in self.nearest_n)
        which = "denominators that do are" if self.nearest_n[1:] else "denominator that does is"
        return (
            f"no count of {self.n} gives {printed} ({below}, {above}); the nearest {which} {could}."
        )


def consistent_counts(percent: float, decimals: int, n: int) -> ConsistentCounts:
    """Which counts of n round to the printed percentage, and if none does, which n could?

    Parameters
    ----------
    percent : float, between 0 and 100
        As printed.
    decimals : int, at most 6
        Places behind the point that were printed; 0 for 82 %, 1 for 29.3 %.
    n : int, from 1 to 100 million
        The denominator that the source states.

    Returns
    -------
    ConsistentCounts
        ``counts`` (empty if the denominator is impossible), ``nearest_n``, ``text``.

    Raises
    ------
    DataError
        If the percentage is no number from 0 to 100 or has more places than `decimals`, or
        `decimals` or `n` is not a whole number that makes sense.

    Notes
    -----
    **Assumptions.** The percentage is a whole count over n, rounded once to the nearest. A half
    may have been rounded up or down; both are allowed, so that a denominator is called
    impossible only if it is so under either rule. Weighted and modelled percentages are no
    whole counts, and this says nothing of them.

    k is consistent if ``|100·k/n − percent| ≤ ½·10^−decimals``, in exact arithmetic. From
    10^(decimals + 2) people on every percentage is possible.

    Examples
    --------
    >>> consistent_counts(82, 0, 50).counts
    (41,)
    >>> found = consistent_counts(29.3, 1, 40)
    >>> found.possible, found.nearest_n
    (False, (41,))
    >>> print(found.text)
    no count of 40 gives 29.3 % (11 is 27.5 %, 12 is 30.0 %); the nearest denominator that does
    is 41.
    """
    _whole("decimals", decimals, 0, 6)
    _whole("n", n, 1, 100_000_000)
    exact = _exact(percent)
    half = Fraction(1, 2 * 10**decimals)
    if (exact / (2 * half)).denominator != 1:
        raise DataError(
            f"the percentage {percent} has more than {decimals} places behind the point; "
            "give decimals as printed."
        )
    counts = _counts(exact, half, int(n))
    nearest: tuple[int, ...] = ()
    distance = 0
    while not counts and not nearest:
        distance += 1
        near = (n - distance, n + distance)
        nearest = tuple(int(m) for m in near if m > 0 and _counts(exact, half, m))
    return ConsistentCounts(
        percent=float(percent),
        decimals=int(decimals),
        n=int(n),
        counts=counts,
        nearest_n=nearest,
    )


def _whole(name: str, value: Any, least: int, most: int) -> None:
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least:
        raise DataError(f"{name} must be a whole number of at least {least}.")
    if value > most:
        raise DataError(f"{name} must be at most {most:,}.")


def _exact(percent: Any) -> Fraction:
    """Return the decimal number that was typed, not its binary neighbour."""
    real = isinstance(percent, numbers.Real) and not isinstance(percent, bool)
    if not real or not 0 <= percent <= 100:
        raise DataError("percent must be a number from 0 to 100.")
    return Fraction(str(percent))


def _counts(percent: Fraction, half: Fraction, n: int) -> tuple[int, ...]:
    least = max(0, math.ceil((percent - half) * n / 100))
    most = min(n, math.floor((percent + half) * n / 100))
    return tuple(range(least, most + 1))
