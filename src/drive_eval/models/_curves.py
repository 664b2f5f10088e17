"""Curves over time from rows (start, stop], at a cost that is linear in rows after one sort.

Kaplan–Meier, Aalen–Johansen, the mean cumulative count and the restricted mean are functions
of the same sums: who was at risk just before each event time, and who had which event then.

What a row contributes to any of them is a jump at its event less a drift while it is at risk
(`Functional`). So the contributions of a cluster are its jumps, less the drift times the weight
it has at risk; they change in kind only when one of its rows begins or stops, and the sum of
their squares at every time of a curve is made of running sums over those changes. Matched sets,
several enrolments of one person, weights and intervals with gaps all are that one sum.

Why not lifelines: its Aalen–Johansen breaks ties by random jitter, the variance of its
restricted mean is that of the cut-off lifetime, and its curves know no clusters. Answers
here are those of R's ``survival::survfit`` and ``cmprsk``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from drive_eval.models._cox import same_times

if TYPE_CHECKING:
    from collections.abc import Iterator

Array: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The risk sets of one group at its event times; *cells* are event times, from 1.

    Attributes
    ----------
    times : array
        By cell: the event time.
    at_risk, dead : array, array of causes × cells
        Weighted: at risk just before, and events.
    rows_at_risk, rows_dead : array of int, array of causes × cells
        The same as numbers of rows.
    everybody : array of bool
        By cell: all who were at risk had an event.
    first, last : array of int
        By row: at risk in the cells first < k ≤ last.
    cause : array of int
        By row: 0 without event, else 1, 2, …
    weights, count : array
        By row; `count` is how many events it ended with.
    stop, start : array, array or None
        By row.
    """

    times: Array
    at_risk: Array
    dead: Array
    rows_at_risk: Codes
    rows_dead: Codes
    everybody: Flags
    first: Codes
    last: Codes
    cause: Codes
    weights: Array = field(repr=False)
    count: Array = field(repr=False)
    stop: Array = field(repr=False)
    start: Array | None = field(default=None, repr=False)

    @property
    def begin(self) -> float:
        """When following began."""
        return 0.0 if self.start is None else float(self.start.min())

    @property
    def end(self) -> float:
        """When the last row stopped being followed."""
        return float(self.stop.max())

    def cell(self, time: float) -> int:
        """Return the last cell at or before a time, 0 before the first."""
        return int(np.searchsorted(self.times, time, side="right"))

    def followed(self, time: float) -> float:
        """Return the weight at risk just before a time: rows with start < time ≤ stop."""
        inside = self.stop >= time
        if self.start is not None:
            inside &= self.start < time
        return float(self.weights[inside].sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Functional:
    """A quantity of a curve: what each row adds to it, per unit of its weight, cell by cell.

    A row with an event of cause c in cell l that was at risk from cell f adds at cell k ≥ l
    Σ_p scale[p, k] · (jump[p, c, l] − drift[p, l] + drift[p, f]).
    """

    jump: Array
    drift: Array
    scale: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """Kaplan–Meier; all arrays have one value before the first cell and one a cell."""

    estimate: Array
    greenwood: Array
    functional: Functional


# Risk sets


def arrange(
    stop: Array,
    cause: Codes,
    *,
    start: Array | None = None,
    weights: Array | None = None,
    count: Array | None = None,
    causes: int = 1,
) -> Steps:
    """Find the event times, and who was at risk and had an event at each.

    Parameters
    ----------
    stop, start : array
        A row is at risk at times start < t ≤ stop; without `start` from time 0.
    cause : array of int
        0 for a row that ended without event, else 1, 2, … `causes`.
    weights : array, optional
        Above 0.
    count : array, optional
        How many events a row ended with; 1 if not given.
    """
    stop, start = same_times(stop, start)
    ended = cause > 0
    times = np.unique(stop[ended])
    size = len(times)
    weights = np.ones(len(stop)) if weights is None else weights
    count = ended.astype(float) if count is None else count
    last = np.searchsorted(times, stop, side="right")
    first = np.zeros_like(last)
    if start is not None:
        first = np.searchsorted(times, start, side="right")
    dead = np.zeros((causes, size))
    rows_dead = np.zeros((causes, size), dtype=np.int64)
    for one in range(causes):
        picked = np.flatnonzero(cause == one + 1)
        cell = last[picked] - 1
        dead[one] = np.bincount(cell, weights=weights[picked] * count[picked], minlength=size)
        rows_dead[one] = np.bincount(cell, minlength=size)
    rows_at_risk = _from_here(np.bincount(last, minlength=size + 1))
    at_risk = _from_here(np.bincount(last, weights=weights, minlength=size + 1))
    if start is not None:
        rows_at_risk = rows_at_risk - _from_here(np.bincount(first, minlength=size + 1))
        at_risk = at_risk - _from_here(np.bincount(first, weights=weights, minlength=size + 1))
    return Steps(
        times=times,
        at_risk=at_risk,
        dead=dead,
        rows_at_risk=rows_at_risk.astype(np.int64),
        rows_dead=rows_dead,
        everybody=rows_dead.sum(axis=0) == rows_at_risk,
        first=first,
        last=last,
        cause=cause,
        weights=weights,
        count=count,
        stop=stop,
        start=start,
    )


def _from_here(by_cell: Array | Codes) -> Array:
    """Return sums from each cell on, for cells 1, 2, …"""
    return np.asarray(by_cell[::-1].cumsum()[::-1][1:], dtype=float)


def _upto(values: Array) -> Array:
    """Return sums up to each cell, 0 before the first."""
    return np.concatenate([[0.0], np.cumsum(values)])


# Curves


def event_free(steps: Steps) -> Free:
    """Return the Kaplan–Meier estimate of staying free of any event.

    Greenwood's variance is the sum of squares of the rows' contributions where each row is a
    person followed from time 0.
    """
    jump, hazard = _leaving(steps)
    estimate = np.concatenate([[1.0], np.cumprod(np.where(steps.everybody, 0.0, 1 - hazard))])
    return Free(
        estimate=estimate,
        greenwood=estimate**2 * _upto(hazard * jump),
        functional=Functional(
            jump=np.broadcast_to(jump, (1, *steps.dead.shape)),
            drift=_upto(hazard * jump)[None],
            scale=-estimate[None],
        ),
    )


def _leaving(steps: Steps) -> tuple[Array, Array]:
    """Return 1/(Y − d), 0 where nobody was left, and the hazard d/Y."""
    dead = steps.dead.sum(axis=0)
    left = np.where(steps.everybody, 1.0, steps.at_risk - dead)
    return np.where(steps.everybody, 0.0, 1 / left), dead / steps.at_risk


def incidence(steps: Steps, cause: int) -> tuple[Array, Functional]:
    """Return the Aalen–Johansen estimate of having had a cause (from 0), and its functional."""
    free = event_free(steps).estimate
    jump, hazard = _leaving(steps)
    direct = free[:-1] / steps.at_risk
    own = steps.dead[cause] / steps.at_risk
    estimate = _upto(free[:-1] * own)
    indirect = jump * estimate[1:]
    jumps = np.empty((2, *steps.dead.shape))
    jumps[0], jumps[1] = indirect, jump
    jumps[0, cause] += direct
    drifts = np.stack([_upto(direct * own + hazard * indirect), _upto(hazard * jump)])
    scale = np.stack([np.ones_like(estimate), -estimate])
    return estimate, Functional(jump=jumps, drift=drifts, scale=scale)


def aalen_variance(steps: Steps, cause: int) -> Array:
    """Return Aalen's variance of a cumulative incidence, as ``cmprsk::cuminc`` gives it.

    An event of the cause at l adds (1 + (F_l − F)/S_l)², any other ((F_l − F)/S_l)², times
    S²_{l−} d (Y − d)/(Y − 1)/Y².
    """
    free = event_free(steps).estimate
    reached, _ = incidence(steps, cause)
    inverse = np.where(free[1:] > 0, 1 / np.where(free[1:] > 0, free[1:], 1.0), 0.0)
    alike = inverse * reached[1:]
    own, at_risk = steps.dead[cause], steps.at_risk
    other = steps.dead.sum(axis=0) - own
    spare = np.maximum(at_risk - 1, 1.0)

    def spread(dead: Array) -> Array:
        tied = np.where(dead > 1, 1 - (dead - 1) / spare, 1.0)
        return np.asarray((free[:-1] / at_risk) ** 2 * tied * dead)

    mine, theirs = spread(own), np.where(free[1:] > 0, spread(other), 0.0)
    square = _upto((1 + alike) ** 2 * mine + alike**2 * theirs)
    cross = _upto(inverse * ((1 + alike) * mine + alike * theirs))
    rest = _upto(inverse**2 * (mine + theirs))
    return np.maximum(square - 2 * reached * cross + reached**2 * rest, 0.0)


def mean_count(steps: Steps) -> tuple[Array, Functional]:
    """Return the mean number of events so far (Nelson–Aalen), and its functional."""
    hazard = steps.dead[0] / steps.at_risk
    estimate = _upto(hazard)
    functional = Functional(
        jump=(1 / steps.at_risk)[None, None],
        drift=_upto(hazard / steps.at_risk)[None],
        scale=np.ones((1, len(estimate))),
    )
    return estimate, functional


def restricted_mean(steps: Steps, horizon: float) -> tuple[float, float, Functional]:
    """Return the area under Kaplan–Meier up to a horizon, its variance and its functional.

    The functional holds at the last cell, whatever the horizon.
    """
    free = event_free(steps)
    cells = steps.cell(horizon)
    edges = np.concatenate([[steps.begin], steps.times[:cells], [horizon]])
    area = free.estimate[: cells + 1] * np.diff(edges)
    beyond = np.zeros(len(steps.times))  # the area that is still to come after each cell
    beyond[:cells] = area[::-1].cumsum()[::-1][1:]
    jump, hazard = _leaving(steps)
    functional = Functional(
        jump=np.broadcast_to(beyond * jump, (1, *steps.dead.shape)),
        drift=_upto(beyond * hazard * jump)[None],
        scale=np.full((1, len(steps.times) + 1), -1.0),
    )
    return float(area.sum()), float((beyond**2 * hazard * jump).sum()), functional


# What each row contributes


def influence(steps: Steps, functional: Functional, cell: int) -> Array:
    """Return the derivative of a quantity at a cell by the weight of each row."""
    upto, since = np.minimum(steps.last, cell), np.minimum(steps.first, cell)
    ended = np.flatnonzero((steps.cause > 0) & (steps.last <= cell))
    where = (steps.cause[ended] - 1, steps.last[ended] - 1)
    found = np.zeros(len(steps.stop))
    for jump, drift, scale in zip(
        functional.jump, functional.drift, functional.scale[:, cell], strict=True
    ):
        found -= scale * (drift[upto] - drift[since])
        found[ended] += scale * steps.count[ended] * jump[where]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Weights that were estimated: what every row added to their parameters, and the slopes.

    Attributes
    ----------
    influence : array
        Rows × parameters, for all rows that the weights were estimated from.
    slopes : array
        Derivative of the weight of each row that is used, by the parameters.
    """

    influence: Array
    slopes: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How contributions of rows become variances: summed over clusters, then squared.

    Attributes
    ----------
    clusters : tuple of arrays of int
        None, one or two clusterings of the rows.
    stage : Stage or None
    everyone : tuple of arrays of int
        The clusters of all rows of the stage, one array a clustering.
    """

    clusters: tuple[Codes, ...]
    stage: Stage | None = None
    everyone: tuple[Codes, ...] = ()

    def covariance(self, derivatives: Array, weights: Array) -> Array:
        """Return the covariance of quantities from derivatives, rows × quantities."""
        found = [
            sign * self._squares(derivatives, weights, codes, everyone)
            for sign, codes, everyone in self._signed()
        ]
        total = np.sum(found, axis=0)
        if len(found) > 1 and np.linalg.eigvalsh(total)[0] <= 0:
            return max(found[:2], key=np.trace)
        return np.asarray(total)

    def _squares(self, derivatives: Array, weights: Array, codes: Codes, everyone: Codes) -> Array:
        size = int(max(codes.max(), everyone.max(initial=0))) + 1
        parts = weights[:, None] * derivatives
        sums = _cluster_sums(parts, codes, size)
        if self.stage is not None:
            own = _cluster_sums(self.stage.influence, everyone, size)
            sums += own @ (self.stage.slopes.T @ derivatives)
        return np.asarray(sums.T @ sums)

    def along(self, steps: Steps, functional: Functional, rows: Codes) -> Array:
        """Return the variance of a quantity before the first cell and at every cell.

        `rows` says which rows of the table those of `steps` are.
        """
        moves = _moves(steps, functional)
        found = []
        for sign, codes, everyone in self._signed():
            own = codes[rows]
            alone = len(codes) == int(codes.max()) + 1 and self.stage is None
            line = _running(moves, None if alone else own)
            if self.stage is not None:
                size = int(max(codes.max(), everyone.max(initial=0))) + 1
                sums = _cluster_sums(self.stage.influence, everyone, size)
                slope = _linear(moves, self.stage.slopes[rows] / steps.weights[:, None])
                cross = _linear(moves, sums[own])
                line += 2 * np.einsum("kj,kj->k", slope, cross)
                line += np.einsum("ki,ij,kj->k", slope, sums.T @ sums, slope)
            found.append(sign * line)
        total = np.sum(found, axis=0)
        if len(found) > 1:
            total = np.where(total > 0, total, np.maximum(found[0], found[1]))
        return np.asarray(np.maximum(total, 0.0))

    def _signed(self) -> Iterator[tuple[float, Codes, Codes]]:
        everyone = self.everyone or tuple(np.empty(0, dtype=np.int64) for _ in self.clusters)
        for codes, whole in zip(self.clusters, everyone, strict=True):
            yield 1.0, codes, whole
        if len(self.clusters) == 2:
            width = max(int(c.max(initial=0)) + 1 for c in (self.clusters[1], everyone[1]))
            both = [a * width + b for a, b in (self.clusters, everyone)]
            _, codes = np.unique(np.concatenate(both), return_inverse=True)
            yield -1.0, codes[: len(both[0])], codes[len(both[0]) :]


def _cluster_sums(parts: Array, codes: Codes, size: int) -> Array:
    return np.column_stack([np.bincount(codes, weights=p, minlength=size) for p in parts.T])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moves:
    """The states of rows, which change when they begin and stop, and what a state adds.

    A row's state is what it holds for good, one value a process, and its weight at risk; at a
    cell it adds the product of its state with `view`.
    """

    cells: int
    first: Codes
    last: Codes
    begun: Array  # states × rows, from the cell `first` on
    ended: Array  # the same, from the cell `last` on
    view: Array  # states × (cells + 1)


def _moves(steps: Steps, functional: Functional) -> _Moves:
    w, first, last = steps.weights, steps.first, steps.last
    ended = np.flatnonzero(steps.cause)
    where = (steps.cause[ended] - 1, last[ended] - 1)
    begun, stopped, view = [], [], []
    for jump, drift, scale in zip(functional.jump, functional.drift, functional.scale, strict=True):
        begun.append(w * drift[first])
        holds = drift[first] - drift[last]
        holds[ended] += steps.count[ended] * jump[where]
        stopped.append(w * holds)
        view.append(scale)
    drifting = -np.einsum("pk,pk->k", functional.scale, functional.drift)
    return _Moves(
        cells=len(steps.times),
        first=first,
        last=last,
        begun=np.stack([*begun, w]),
        ended=np.stack([*stopped, np.zeros_like(w)]),
        view=np.stack([*view, drifting]),
    )


def _running(moves: _Moves, codes: Codes | None) -> Array:
    """Return at every cell the sum over clusters of the squared sums of their rows.

    Without `codes` each row is its own cluster.
    """
    size = moves.cells + 1
    if codes is None:
        cells = [moves.first, moves.last]
        before = [np.zeros_like(moves.begun), moves.begun]
        after = [moves.begun, moves.ended]
    else:
        cell, earlier, later = _by_cluster(moves, codes)
        cells, before, after = [cell], [earlier], [later]
    found = np.zeros(size)
    for a in range(len(moves.view)):
        for b in range(a + 1):
            change = np.zeros(size)
            for cell, x, y in zip(cells, before, after, strict=True):
                change += np.bincount(cell, weights=y[a] * y[b] - x[a] * x[b], minlength=size)
            times = 1.0 if a == b else 2.0
            found += times * moves.view[a] * moves.view[b] * np.cumsum(change)
    return found


def _by_cluster(moves: _Moves, codes: Codes) -> tuple[Codes, Array, Array]:
    """Return the cells at which clusters change, and their states before and after."""
    seen = np.flatnonzero(moves.last > moves.first)  # others never see an event
    cell = np.concatenate([moves.first[seen], moves.last[seen]])
    who = np.concatenate([codes[seen], codes[seen]])
    change = np.concatenate([moves.begun[:, seen], (moves.ended - moves.begun)[:, seen]], axis=1)
    order = np.argsort(who * (moves.cells + 1) + cell, kind="stable")
    who, change = who[order], change[:, order]
    after = np.cumsum(change, axis=1)
    before = after - change
    fresh = np.append(True, who[1:] != who[:-1])[: len(who)]
    base = before[:, fresh][:, np.cumsum(fresh) - 1]
    return cell[order], before - base, after - base


def _linear(moves: _Moves, values: Array) -> Array:
    """Return at every cell the sum over rows of what they add times their `values`."""
    size = moves.cells + 1
    found = np.zeros((size, values.shape[1]))
    for begun, ended, view in zip(moves.begun, moves.ended, moves.view, strict=True):
        for j, value in enumerate(values.T):
            change = np.bincount(moves.first, weights=begun * value, minlength=size)
            change += np.bincount(moves.last, weights=(ended - begun) * value, minlength=size)
            found[:, j] += view * np.cumsum(change)
    return found
