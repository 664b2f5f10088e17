"""Curves over time as they may be released: few steps, each of many people, from rounded numbers.

A step of an exact curve is a person and a date. A released curve has steps at the times of a
fixed grid, and only where enough different people had the event since the step before. What is
released of a step is a rounded number of events and a rounded number at risk; its height, its
limits and everything read off it are worked out from these two alone.

The number at risk of a step is the one that makes the exact curve fall as far as it did. So gaps,
late beginnings and ends of following are in it, and without them it is the number of people at
the step's beginning. A cumulative incidence is treated as the share that has not had that one
cause: who had another stays at risk of nothing and in the denominator, so the curve of one cause
holds no count of another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from drive_eval.evaluation.released_arms import coarse
from drive_eval.models._curve_results import limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.disclosure import Policy
    from drive_eval.results import Curve

Array: TypeAlias = NDArray[np.float64]

__all__ = [
    "Exact",
    "Stairs",
    "beside",
    "error_of",
    "fewest_events",
    "grid_of",
    "plain_variance",
    "read",
    "stairs",
    "unit_of",
]

#: Fewest events of different people behind a step, whatever the policy says.
_FEWEST = 8
#: Rounding to less would let a few steps be solved for the counts behind them.
_LEAST_UNIT = 5
#: A number at risk comes from divisions.
_TINY = 1e-6
#: Between the ends of fewer steps nothing is read off, and of a single one no area.
_STEPS_FOR_LINES = 3


def unit_of(rules: Policy) -> int:
    """Return to what numbers of steps are rounded, also beside tables of exact counts."""
    base = coarse(rules)
    return base * math.ceil(_LEAST_UNIT / base)


def fewest_events(rules: Policy) -> int:
    """Return how many events a step must have, such that no rounded one is in the hidden range.

    Beside exact totals the steps are rounded against the total, which costs half a unit more.
    """
    base = unit_of(rules)
    floor = max(_FEWEST, rules.suppress_up_to + 1, rules.min_events)
    return base * math.ceil(floor / base) + (base // 2 if rules.round_to <= 1 else 0)


def grid_of(time_unit: str, times: Sequence[float]) -> list[float]:
    """Return the times at which a step may stand: ends of weeks, or of the outcome's own unit.

    The times of the plan are among them; the last is the horizon.

    Examples
    --------
    >>> grid_of("days", [10, 30])
    [7.0, 10.0, 14.0, 21.0, 28.0, 30.0]
    """
    width = 7.0 if time_unit == "days" else 1.0
    horizon = float(times[-1])
    regular = {width * k for k in range(1, math.ceil(horizon / width))}
    return sorted(regular | {float(t) for t in times})


def beside(value: float, exact: float, shown: int, rules: Policy) -> int:
    """Return a number that stands beside a released one: the difference of the two is rounded.

    Were it rounded itself, one just below the released one would be known exactly, because it
    cannot be more. A difference of few people is nobody, so that few are not told from none.

    Examples
    --------
    >>> from drive_eval.disclosure import POLICIES
    >>> [beside(value, 97, 97, POLICIES["ons_acro"]) for value in (97, 88, 87, 72)]
    [97, 97, 87, 67]
    """
    base, apart = unit_of(rules), float(abs(exact - value))
    if apart <= rules.suppress_up_to + _TINY:
        return shown
    least = base * (rules.suppress_up_to // base + 1)
    apart = max(base * math.floor(apart / base + 0.5), least)
    return int(shown - apart if value <= exact else shown + apart)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """An exact curve as cumulative events and values at its times.

    Attributes
    ----------
    times, events, values : array
        ``events`` cumulative; ``values`` shares free of the event, or mean numbers of events.
    at_risk : array
        Just before each time.
    product : bool
        Whether `values` fall from 1, as shares do; else they rise from 0.
    """

    times: Array
    events: Array
    values: Array
    at_risk: Array
    product: bool

    def events_by(self, time: float) -> float:
        """Return how many events happened up to a time."""
        return self._at(self.events, time)

    def value(self, time: float) -> float:
        """Return the curve at a time."""
        return self._at(self.values, time)

    def followed(self, time: float) -> float:
        """Return how many were followed until just before a time, or a little longer."""
        place = int(np.searchsorted(self.times, time, side="left"))
        return float(self.at_risk[place]) if place < len(self.times) else 0.0

    def _at(self, values: Array, time: float) -> float:
        place = int(np.searchsorted(self.times, time, side="right")) - 1
        return float(values[max(place, 0)])


def read(curve: Curve) -> Exact | None:
    """Return a curve as numbers; None for a weighted one, which counts nobody."""
    columns = [curve.times, curve.estimate, curve.at_risk, curve.events]
    if any(None in column for column in columns):
        return None
    times, values, at_risk, events = (np.array(column, dtype=float) for column in columns)
    if (events != np.rint(events)).any():
        return None
    if curve.measure == "cumulative_incidence":
        values = 1 - values
    return Exact(
        times=times,
        events=np.cumsum(events),
        values=values,
        at_risk=at_risk,
        product=curve.measure != "mean_cumulative_count",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stairs:
    """A released curve: everything about it follows from these rounded numbers.

    Attributes
    ----------
    times : tuple of float
        Where its steps end.
    events, exposed : tuple of float
        Of each step: how many had the event, and of how many; whole numbers.
    product : bool
        Whether it falls from 1 (a share), or rises from 0 (a number of events).
    base : int
        To what the numbers are rounded.
    size : float or None
        Design effect, in quarters; None where it is not known.
    """

    times: tuple[float, ...]
    events: tuple[float, ...]
    exposed: tuple[float, ...]
    product: bool
    base: int
    size: float | None = 1.0

    @property
    def end(self) -> float:
        """The last time of which anything is known."""
        return self.times[-1]

    @property
    def heights(self) -> Array:
        """The curve at 0 and at the end of each step."""
        hazard: Array = np.array(self.events, dtype=float) / np.array(self.exposed, dtype=float)
        if self.product:
            return np.append(1.0, np.cumprod(1 - hazard))
        return np.append(0.0, np.cumsum(hazard))

    @property
    def variances(self) -> Array:
        """Greenwood's variance, or Poisson's for numbers of events, times the design effect."""
        parts = np.append(0.0, np.cumsum(self._parts())) * (self.size or 1.0)
        return np.asarray(parts * self.heights**2 if self.product else parts)

    def _parts(self) -> Array:
        d, y = np.array(self.events, dtype=float), np.array(self.exposed, dtype=float)
        return np.asarray(d / (y * (y - d)) if self.product else d / y**2)

    @property
    def largest_error(self) -> float:
        """How far the steps may be from the exact curve, as far as these numbers can tell.

        One step's height, because a step stands for all events within it, and one unit of
        rounding. It rests on nothing else, so it says nothing that the numbers do not say.
        """
        heights = self.heights
        weight = heights[:-1] if self.product else np.ones(len(self.times))
        slack = self.base * float((weight / np.array(self.exposed)).max())
        return float(np.abs(np.diff(heights)).max()) + slack

    def at(self, time: float) -> tuple[float, float] | None:
        """Return value and variance at a time, on straight lines between the ends of steps.

        None after the last, and between so few ends that a line would say little.
        """
        if not 0 <= time <= self.end + 1e-9:
            return None
        if len(self.times) < _STEPS_FOR_LINES and time and self.happened(time) is None:
            return None
        nodes = np.append(0.0, self.times)
        return (
            float(np.interp(time, nodes, self.heights)),
            float(np.interp(time, nodes, self.variances)),
        )

    def followed(self, time: float) -> int:
        """Return about how many were still followed at a time: no further number stands behind.

        Those at risk in a step are those who come into it, so they stand at its beginning.
        """
        left = self.exposed[-1] - (self.events[-1] if self.product else 0)
        nodes = np.append(0.0, self.times)
        found = float(np.interp(time, nodes, [*self.exposed, left]))
        return self.base * math.floor(found / self.base + 0.5)

    def happened(self, time: float) -> int | None:
        """Return how many had the event by the end of a step; None inside one."""
        near = np.flatnonzero(np.isclose(self.times, time))
        return int(sum(self.events[: near[0] + 1])) if near.size else None

    def area(self, horizon: float) -> tuple[float, float] | None:
        """Return the area under the curve up to the horizon, and its variance."""
        last = self.at(horizon)
        if last is None or len(self.times) < _STEPS_FOR_LINES - 1:
            return None
        nodes = np.append(0.0, self.times)
        inside = nodes < horizon - 1e-9
        nodes = np.append(nodes[inside], horizon)
        heights = np.append(self.heights[inside], last[0])
        pieces = np.diff(nodes) * (heights[1:] + heights[:-1]) / 2
        rest = pieces.sum() - np.append(0.0, np.cumsum(pieces))[:-1]
        # A step's events lie about its middle, so they move the area from there on.
        ahead = rest - pieces / 2
        parts = self._parts()[: len(ahead)]
        return float(pieces.sum()), float((ahead**2 * parts).sum() * (self.size or 1.0))

    def interval(
        self, value: float, variance: float, critical: float
    ) -> tuple[float | None, float | None]:
        """Return limits: symmetric for log(−log) of a share, for the log of a number of events."""
        if self.size is None:
            return None, None
        found = limits(
            np.array([value]),
            np.array([variance]),
            critical,
            "log-log" if self.product else "log",
            1.0 if self.product else math.inf,
        )
        low, high = (float(side[0]) for side in found)
        return (None, None) if math.isnan(low) else (low, high)


def stairs(
    exact: Exact,
    candidates: Sequence[float],
    *,
    wanted: Sequence[float] = (),
    need: float,
    n: tuple[int, int],
    total: tuple[float, int],
    rules: Policy,
    gone: tuple[int, int] | None = None,
    reach: float | None = None,
) -> Stairs | None:
    """Which steps of a curve may be shown, and with which numbers?

    Parameters
    ----------
    exact : Exact
    candidates : sequence of float
        Where a step may end, in rising order; the last is the horizon.
    wanted : sequence of float
        Those of them at which a step should end, because values are read off there.
    need : float
        Fewest events of a step.
    n : (int, int)
        People of the arm: exact, and as released in a table.
    total : (float, int)
        Another number of events, exact and as released, beside which this curve's stand.
    rules : Policy
    gone : (int, int), optional
        How many leave before the horizon without the event, exact and as released, if that is.
    reach : float, optional
        Up to which time the curve may be shown, if not to the last with enough people.

    Returns
    -------
    Stairs or None
        None where not even one step has enough events, or too few were without it.
    """
    base, least = unit_of(rules), fewest_events(rules)
    ends = [
        float(t)
        for t in candidates
        if (reach is None or t <= reach) and exact.followed(float(t)) >= least + base
    ]
    cuts = _cuts(exact, ends, wanted, need)
    if not cuts:
        return None
    # Numbers of events stand beside the released total, and so do those still to come.
    every = float(exact.events[-1])
    whole = beside(every, total[0], total[1], rules)
    done = [0, *(beside(exact.events_by(time), every, whole, rules) for time in cuts)]
    events, exposed = [], []
    for j, (_count, behind) in enumerate(_numbers(exact, cuts)):
        d = done[j + 1] - done[j]
        # Who had the event before is gone as released; who is gone for other reasons is rounded.
        past = (exact.events_by(cuts[j - 1]), done[j]) if exact.product and j else (0.0, 0)
        y = n[1] - past[1] - _lost(n[0] - past[0] - behind, gone, rules)
        if y < least or (exact.product and y - d < least):
            break  # decided from released numbers alone
        events.append(d)
        exposed.append(y)
    if not events:
        return None
    return Stairs(
        times=tuple(cuts[: len(events)]),
        events=tuple(events),
        exposed=tuple(exposed),
        product=exact.product,
        base=base,
    )


def _cuts(exact: Exact, ends: Sequence[float], wanted: Sequence[float], need: float) -> list[float]:
    """Return where steps end: at wanted times where that leaves each step enough, and between.

    What is left over before a wanted time, or at the end, goes to the step before it.
    """
    cuts: list[float] = []
    kept = 0  # of them, up to the last wanted time
    before = since = 0.0
    for time in ends:
        done = exact.events_by(time)
        if done - before >= need:
            cuts.append(time)
            before = done
        if time in wanted and len(cuts) > kept and done - since >= need:
            cuts[-1] = time
            before = since = done
            kept = len(cuts)
    if cuts:
        cuts[-1] = ends[-1]
    return cuts


def _lost(count: float, gone: tuple[int, int] | None, rules: Policy) -> int:
    """Return how many are missing in a step, so that few, or all but a few, are not told.

    `gone` leave early in all, exactly and as released: beside it, the rest leaves later. No class
    of numbers that are told apart is narrow, because a narrow one would be as good as exact.
    """
    few, base = rules.suppress_up_to + _TINY, float(unit_of(rules))
    start, inside = few, 0.0 if gone is None else gone[0] - 2 * few
    if abs(count) <= few and (gone is None or count < 0 or inside >= 2 * base):
        return 0
    if gone is not None and count >= 0:
        if inside < 2 * base and count <= gone[0] + few:
            return 0 if count <= gone[0] / 2 else gone[1]
        if abs(gone[0] - count) <= few:
            return gone[1]
        if count > gone[0]:
            start = gone[0] + few
        else:
            base = inside / math.floor(inside / base)
    middle = start + base * (math.floor((abs(count) - start) / base) + 0.5)
    unit = max(rules.round_to, 1)
    middle = unit * math.floor(middle / unit + 0.5)
    return int(middle if count > 0 else -middle)


def _numbers(exact: Exact, cuts: Sequence[float]) -> list[tuple[float, float]]:
    """Return each step's events, and of how many they make the curve move as far as it did."""
    counts = [0.0, *(exact.events_by(time) for time in cuts)]
    heights = [1.0 if exact.product else 0.0, *(exact.value(time) for time in cuts)]
    found = []
    for j in range(len(cuts)):
        count = counts[j + 1] - counts[j]
        move = heights[j + 1] - heights[j]
        found.append((count, count / (-move / heights[j] if exact.product else move)))
    return found


def plain_variance(exact: Exact, found: Stairs, horizon: float) -> tuple[float, float] | None:
    """Return the variances that as many independent people would give: at the end, of the area.

    From the exact numbers of the released steps; only a design effect in quarters is made of it.
    """
    numbers = _numbers(exact, found.times)
    same = Stairs(
        times=found.times,
        events=tuple(count for count, _ in numbers),
        exposed=tuple(behind for _, behind in numbers),
        product=exact.product,
        base=1,
    )
    last, area = same.at(min(horizon, found.end)), same.area(min(horizon, found.end))
    return None if last is None or area is None else (last[1], area[1])


def error_of(exact: Exact, found: Stairs) -> float:
    """Return the largest distance of the released steps, as they are drawn, from the exact curve.

    Both are taken at each exact time and just before it.
    """
    nodes, heights = np.append(0.0, found.times), found.heights
    inside = exact.times <= found.end
    times, values = exact.times[inside], exact.values[inside]
    start = heights[0]
    far = [0.0]
    for side, there in (("right", values), ("left", np.append(start, values)[:-1])):
        place = np.maximum(np.searchsorted(nodes, times, side=side) - 1, 0)  # type: ignore[call-overload]
        far.append(float(np.abs(heights[place] - there).max()))
    return max(far)
