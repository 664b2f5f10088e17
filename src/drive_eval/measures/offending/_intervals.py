"""Arithmetic on half-open spells of days, (lo, hi]: joining them and cutting them out.

A spell (lo, hi] holds the days lo + 1 … hi and is hi − lo days long. All work is on sorted
arrays at once, so that a million spells take no longer to write than ten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Days = npt.NDArray[np.int64]

__all__ = ["FAR", "Pieces", "Spells", "cut", "merged"]

#: A day beyond every calendar, for spells that do not end.
FAR = 1_000_000
_STEP = 10 * FAR


class Spells(NamedTuple):
    """Spells (lo, hi] and whom each belongs to, in order; those of one owner do not touch."""

    of: Days
    lo: Days
    hi: Days
    #: How many of the spells given began before an earlier one of the same owner had ended.
    overlapping: int = 0


class Pieces(NamedTuple):
    """What intervals fall into when spells are cut out: pieces outside and inside the spells."""

    of: Days
    lo: Days
    hi: Days
    inside: npt.NDArray[np.bool_]

    def where(self, keep: npt.NDArray[Any]) -> Pieces:
        """Return some of the pieces."""
        return Pieces(self.of[keep], self.lo[keep], self.hi[keep], self.inside[keep])


def merged(of: Days, lo: Days, hi: Days) -> Spells:
    """Join the spells of each owner that overlap or touch."""
    if not len(of):
        return Spells(of, lo, hi)
    order = np.lexsort((hi, lo, of))
    of, lo, hi = of[order], lo[order], hi[order]
    # The latest end so far of the same owner: owners are set so far apart that none of an
    # earlier one can reach the next.
    reach = np.maximum.accumulate(hi + of * _STEP) - of * _STEP
    same = of[1:] == of[:-1]
    first = np.append(True, ~same | (lo[1:] > reach[:-1]))
    last = np.append(first[1:], True)
    overlapping = int((same & (lo[1:] < reach[:-1])).sum())
    return Spells(of[first], lo[first], reach[last], overlapping)


def cut(lo: Days, hi: Days, spells: Spells) -> Pieces:
    """Cut intervals numbered 0, 1, … along the spells that name those numbers.

    Returns the pieces outside and inside, in order; together they are the intervals.
    """
    of = spells.of
    within = merged_if_any(of, np.maximum(spells.lo, lo[of]), np.minimum(spells.hi, hi[of]))
    number = np.arange(len(lo), dtype=np.int64)
    # The pieces outside start where the interval or a spell in it begins or ends; of one
    # interval there are as many starts as stops, and in order they belong together.
    owner = np.concatenate([number, within.of])
    starts, stops = np.concatenate([lo, within.hi]), np.concatenate([hi, within.lo])
    by_start, by_stop = np.lexsort((starts, owner)), np.lexsort((stops, owner))
    owner, starts, stops = owner[by_start], starts[by_start], stops[by_stop]
    some = starts < stops
    of = np.concatenate([owner[some], within.of])
    begin = np.concatenate([starts[some], within.lo])
    end = np.concatenate([stops[some], within.hi])
    inside = np.repeat([False, True], [int(some.sum()), len(within.of)])
    order = np.lexsort((begin, of))
    return Pieces(of[order], begin[order], end[order], inside[order])


def merged_if_any(of: Days, lo: Days, hi: Days) -> Spells:
    """Join spells, without those that hold no day."""
    some = lo < hi
    return merged(of[some], lo[some], hi[some])
