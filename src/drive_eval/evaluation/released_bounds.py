"""Bounds that hold for every exact count that may stand behind the released ones.

A count that was rounded or is hidden may have been any of several. A bound worked out from one of
them would be too narrow for others, so each end is looked for among all of them, and is then
rounded outwards. Nothing but released numbers goes in, so nothing but them can come out.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drive_eval.disclosure.limits import between
from drive_eval.models import _intervals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.disclosure import Policy
    from drive_eval.results import CountTable

    Key = tuple[str, ...]

__all__ = [
    "Ends",
    "Reach",
    "Side",
    "differences",
    "falls",
    "least_optimism",
    "least_optimism_between",
    "least_tipping",
    "lee_ends",
    "outward",
    "reach_of",
    "side_of",
]

Numbers = NDArray[np.float64]
Range = tuple[int, int]
_PAIRS = ("both", "before_only", "after_only", "neither")
#: Up to how many tables of two arms are tried one by one; of more, the corners are.
_MOST = 60_000
_SAME = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The smallest and the largest value of a number, and of the limits of its interval.

    Attributes
    ----------
    least, most : float
        Of the number.
    low, high : float
        The smallest lower and the largest upper limit.
    high_of_least, low_of_most : float
        The other limit of the smallest and of the largest number.
    """

    least: float
    most: float
    low: float
    high: float
    high_of_least: float
    low_of_most: float

    def joined(self, other: Ends) -> Ends:
        """Return the ends of both."""
        return Ends(
            least=min(self.least, other.least),
            most=max(self.most, other.most),
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            high_of_least=self.high_of_least if self.least <= other.least else other.high_of_least,
            low_of_most=self.low_of_most if self.most >= other.most else other.low_of_most,
        )


def _ends(point: Numbers, low: Any, high: Any) -> Ends:
    lows, highs = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    least, most = float(point.min()), float(point.max())
    return Ends(
        least=least,
        most=most,
        low=float(lows.min()),
        high=float(highs.max()),
        high_of_least=float(highs[point <= least + _SAME].max()),
        low_of_most=float(lows[point >= most - _SAME].min()),
    )


def outward(value: float, *, up: bool, digits: int) -> float:
    """Round a number down, or up; a hair's breadth is no reason to.

    Examples
    --------
    >>> outward(0.1234, up=True, digits=3), outward(55.0000000001, up=True, digits=0)
    (0.124, 55.0)
    """
    scaled = value * 10**digits
    whole = math.ceil(scaled - 1e-7) if up else math.floor(scaled + 1e-7)
    return float(whole) / 10.0**digits + 0.0


# One arm, before and after


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Between which numbers the counts behind a released pair table lie.

    Attributes
    ----------
    pairs : mapping of str to range
        The four kinds of pair.
    before, after, measured : range
        Users before and after, and all, of those with both measures.
    users_lost, others_lost, lost : range
        Those without a second measure who had used it before, who had not, and both.
    by_cells : bool
        Whether the four kinds of pair are shown.
    """

    pairs: Mapping[str, Range]
    before: Range
    after: Range
    measured: Range
    users_lost: Range
    others_lost: Range
    lost: Range
    by_cells: bool

    @property
    def exact(self) -> bool:
        """Whether every count is known."""
        ranges = (self.users_lost, self.others_lost, *self.pairs.values())
        return all(low == high for low, high in ranges)


def reach_of(table: CountTable, rules: Policy, *, by_cells: bool) -> Reach | None:
    """Return the counts that may stand behind a released table; None where nothing bounds them.

    Parameters
    ----------
    table : CountTable
        Released, of `drive_eval.evaluation.behaviours.pair_table`.
    rules : Policy
    by_cells : bool
        Whether the four kinds of pair are shown.

    Returns
    -------
    Reach or None
    """
    sets: list[Sequence[Key]] = [[("pairs", name)] for name in _PAIRS]
    sets += [[("users", "before")], [("users", "after")], [("all", "measured at both")]]
    sets += [[("lost", "used before")], [("lost", "not used before")], [("missing", "only before")]]
    ranges: list[Range] = []
    for low, high in between(table, sets, rules):
        if high is None:
            return None
        ranges.append((low, high))
    before, after, measured, users, others, lost = ranges[len(_PAIRS) :]
    return Reach(
        pairs=dict(zip(_PAIRS, ranges, strict=False)),
        before=before,
        after=after,
        measured=measured,
        users_lost=users,
        others_lost=others,
        lost=lost,
        by_cells=by_cells,
    )


@dataclass(frozen=True, slots=True)
class _Tables:
    """Paired tables, one a column of numbers, with who was lost beside them."""

    both: Numbers
    stopped: Numbers
    started: Numbers
    neither: Numbers
    users: Numbers
    others: Numbers

    def filled(self, *, value: bool) -> dict[str, Any]:
        """Return the tables in which all who were lost showed the behaviour after, or none."""
        zero = np.zeros(())
        showing, free = (self.users, self.others) if value else (zero, zero)
        not_showing, never = (zero, zero) if value else (self.users, self.others)
        return {
            "both": self.both + showing,
            "before_only": self.stopped + not_showing,
            "after_only": self.started + free,
            "neither": self.neither + never,
        }


def _tables(reach: Reach, *, lost: bool = True) -> _Tables:
    """Return the tables among which are those with the largest and the smallest results.

    A fall and its limits move one way with every count but that of those who showed the
    behaviour at both times, and of those who had used it among the lost: of these every count
    is tried. Where only margins are shown, the fewest and the most pairs that fit to them are.
    """
    pairs = []
    if reach.by_cells:
        both, *others = (reach.pairs[name] for name in _PAIRS)
        for a in range(both[0], both[1] + 1):
            pairs += [(a, *corner) for corner in itertools.product(*map(set, others))]
    else:
        for y, x in itertools.product(set(reach.before), set(reach.after)):
            # With fewer than x + y people some must have shown it at both times.
            turn = min(max(x + y, reach.measured[0]), reach.measured[1])
            for n in {*reach.measured, turn}:
                least, most = max(0, x + y - n), min(x, y)
                rest = n - x - y
                pairs += [(a, y - a, x - a, max(rest + a, 0)) for a in {min(least, most), most}]
    gone = [(0, 0)]
    if lost:
        gone = []
        for u in range(reach.users_lost[0], reach.users_lost[1] + 1):
            low = max(reach.others_lost[0], reach.lost[0] - u)
            high = min(reach.others_lost[1], reach.lost[1] - u)
            gone += [(u, v) for v in {low, high} if low <= high]
    rows = np.array([(*p, *g) for p in dict.fromkeys(pairs) for g in gone], dtype=float)
    return _Tables(*rows.T)


def falls(reach: Reach, *, conf_level: float) -> dict[tuple[str, str], Ends] | None:
    """Return the ends of the change over whatever became of the lost and whatever the counts are.

    Parameters
    ----------
    reach : Reach
    conf_level : float

    Returns
    -------
    mapping of (case, measure) to Ends, or None
        ``"worst case"`` and ``"best case"`` of ``prevalence_after``, ``risk_difference`` and
        ``risk_ratio``. None where there may have been no user before.
    """
    tables = _tables(reach)
    found = {}
    for case, value in (("worst case", True), ("best case", False)):
        cells = tables.filled(value=value)
        after, before = cells["both"] + cells["after_only"], cells["both"] + cells["before_only"]
        n = before + cells["after_only"] + cells["neither"]
        if not before.min():
            return None
        z = _intervals.quantile(conf_level=conf_level)
        limits = {
            "prevalence_after": (after / n, _intervals.wilson(x=after, n=n, critical=z)),
            "risk_difference": (
                (after - before) / n,
                _intervals.tango_difference(**cells, critical=z),
            ),
            "risk_ratio": (after / before, _intervals.nam_tang_ratio(**cells, critical=z)),
        }
        for measure, (point, (low, high)) in limits.items():
            found[case, measure] = _ends(point, low, high)
    return found


def least_tipping(reach: Reach, *, conf_level: float) -> dict[str, float | None]:
    """Return the smallest share of the lost that might undo a fall, or make it unclear.

    Parameters
    ----------
    reach : Reach
        With somebody lost in every case.
    conf_level : float

    Returns
    -------
    dict
        ``"point"`` and ``"interval"`` in percent, rounded down; None where no share would.

    Notes
    -----
    As `drive_eval.models.sensitivity.tipping_point`: of those who show the behaviour, users before
    come first. At no difference Tango's limit is McNemar's score test.
    """
    tables = _tables(reach)
    lost = tables.users + tables.others
    k = np.arange(lost.max() + 1)[:, None]
    still = np.minimum(k, tables.users)
    started = tables.started + k - still
    stopped = tables.stopped + tables.users - still
    z = _intervals.quantile(conf_level=conf_level)
    within = k <= lost
    undone = {
        "point": started >= stopped,
        "interval": stopped - started <= z * np.sqrt(started + stopped) + 1e-9,
    }
    found: dict[str, float | None] = {}
    for term, holds in undone.items():
        shares = np.where(holds & within & (lost > 0), k / np.maximum(lost, 1), math.inf)
        least = float(shares.min())
        found[term] = None if math.isinf(least) else outward(100 * least, up=False, digits=0)
    return found


def least_optimism(reach: Reach, *, conf_level: float) -> dict[str, float]:
    """Return the smallest over-optimism of records that might undo a fall, or make it unclear.

    Parameters
    ----------
    reach : Reach
    conf_level : float

    Returns
    -------
    dict
        ``"point"`` and ``"interval"`` in percent, rounded down; 0 where there may be no fall.
    """
    tables = _tables(reach, lost=False)
    cells = tables.filled(value=False)
    after, before = cells["both"] + cells["after_only"], cells["both"] + cells["before_only"]
    _, high = _intervals.nam_tang_ratio(**cells, conf_level=conf_level)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(before > 0, after / np.maximum(before, 1), math.inf)
    return {
        "point": _optimism(float(ratio.max())),
        "interval": _optimism(float(np.max(high))),
    }


def _optimism(ratio: float) -> float:
    return outward(100 * (1 - ratio), up=False, digits=0) if ratio < 1 else 0.0


# Two arms, after


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Between which numbers those with and without an outcome, and not measured, of an arm lie."""

    yes: Range
    no: Range
    lost: Range

    @property
    def exact(self) -> bool:
        """Whether every count is known."""
        return all(low == high for low, high in (self.yes, self.no, self.lost))


def side_of(
    table: CountTable, rules: Policy, yes: Sequence[Key], no: Sequence[Key], lost: Sequence[Key]
) -> Side | None:
    """Return the counts that may stand behind one arm; None where nothing bounds them."""
    ranges = between(table, [yes, no, lost], rules)
    known = [(low, high) for low, high in ranges if high is not None]
    if len(known) < len(ranges):
        return None
    return Side(yes=known[0], no=known[1], lost=known[2])


def differences(
    one: Side, other: Side, *, conf_level: float
) -> dict[str, Ends] | None:  # fmt: skip
    """Return the ends of programme minus comparison, whatever the unmeasured did.

    Parameters
    ----------
    one, other : Side
        The programme and the comparison.
    conf_level : float

    Returns
    -------
    mapping of case to Ends, or None
        ``"worst case"`` (for the programme) and ``"best case"``. None where an arm may be empty.
    """
    if not one.yes[0] + one.no[0] or not other.yes[0] + other.no[0]:
        return None
    cases = {
        "worst case": (_plus(one.yes, one.lost), one.no, other.yes, _plus(other.no, other.lost)),
        "best case": (one.yes, _plus(one.no, one.lost), _plus(other.yes, other.lost), other.no),
    }
    found = {}
    for case, ranges in cases.items():
        x1, w1, x0, w0 = _grid(ranges)
        low, high = _intervals.newcombe_difference(
            x1=x1, n1=x1 + w1, x0=x0, n0=x0 + w0, conf_level=conf_level
        )
        gap = x1 / (x1 + w1) - x0 / (x0 + w0)
        found[case] = _ends(gap, low, high)
    return found


def _plus(one: Range, other: Range) -> Range:
    return one[0] + other[0], one[1] + other[1]


def _grid(ranges: Sequence[Range]) -> list[Numbers]:
    """Return all counts of these ranges; their corners where they are very many."""
    many = math.prod(high - low + 1 for low, high in ranges) > _MOST
    values = [np.array([low, high]) if many else np.arange(low, high + 1) for low, high in ranges]
    return [grid.astype(float).ravel() for grid in np.meshgrid(*values)]


def lee_ends(one: Side, other: Side) -> tuple[float, float]:
    """Return the smallest lower and the largest upper bound of Lee's.

    Parameters
    ----------
    one, other : Side
        The programme and the comparison.

    Returns
    -------
    (float, float)

    Notes
    -----
    Lee trims the arm that was measured more. Trimming the other would narrow the bounds, so they
    are the smaller and the larger of both ways whichever it is. Before it is cut at 0 and 1, each
    way moves in one direction with every count, so that its ends stand at corners.
    """
    corners = np.array(
        list(itertools.product(one.yes, one.no, one.lost, other.yes, other.no, other.lost)),
        dtype=float,
    )
    s1, f1, l1, s0, f0, l0 = corners.T
    p1, p0 = s1 / (s1 + f1), s0 / (s0 + f0)
    n1, n0 = s1 + f1 + l1, s0 + f0 + l0
    q1, q0 = (s1 + f1) / n1, (s0 + f0) / n0
    bottom1, top1 = 1 - f1 / n1 / q0, s1 / n1 / q0
    bottom0, top0 = 1 - f0 / n0 / q1, s0 / n0 / q1
    lower = min(
        max((bottom1 - p0).min(), (-p0).min()),
        max((p1 - top0).min(), (p1 - 1).min()),
    )
    upper = max(
        min((top1 - p0).max(), (1 - p0).max()),
        min((p1 - bottom0).max(), p1.max()),
    )
    return float(lower), float(upper)


def least_optimism_between(one: Side, other: Side, *, conf_level: float) -> dict[str, float]:
    """Return the smallest over-optimism of the programme's records that might undo a difference.

    Parameters
    ----------
    one, other : Side
        The programme and the comparison; who was not measured does not count.
    conf_level : float

    Returns
    -------
    dict
        As `least_optimism`.
    """
    x1, w1, x0, w0 = (
        np.array(column, dtype=float)
        for column in zip(*itertools.product(one.yes, one.no, other.yes, other.no), strict=True)
    )
    n1, n0 = np.maximum(x1 + w1, 1), np.maximum(x0 + w0, 1)
    if not x0.min():
        return {"point": 0.0, "interval": 0.0}
    _, high = _intervals.koopman_ratio(x1=x1, n1=n1, x0=x0, n0=n0, conf_level=conf_level)
    return {
        "point": _optimism(float((x1 / n1 / (x0 / n0)).max())),
        "interval": _optimism(float(np.max(high))),
    }
