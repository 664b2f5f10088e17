"""Cox regression on rows (start, stop], at a cost that is linear in rows after one sort.

Everything a Cox model needs is a sum over the rows at risk at an event time. Each row knows
the first and the last event time of its stratum that it sees; rows that share them are added
up first, and sums over risk sets are running sums over event times. The second derivative
needs no matrix per event time either: a row at risk while the cumulative hazard grows by H
adds H · x x′, so that it is one weighted cross product of the covariates, less the squares
of the risk sets' means.

Why not lifelines or statsmodels: with start times or ties their clustered standard errors are
not those of the sandwich (up to a fifth off), and their cost grows with the square of the
rows. Answers here are those of R's ``survival::coxph`` and ``cox.zph``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse, special

from drive_eval.errors import DesignError, UndefinedResultError
from drive_eval.models._newton import FARTHEST, climb, no_maximum, refuse_unidentified
from drive_eval.models._regression import cluster_sums
from drive_eval.models._sums import blocks, cross, inner, times, total

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
S = TypeVar("S", np.int64, np.float64)
Ties: TypeAlias = Literal["efron", "breslow"]
Transform: TypeAlias = Literal["km", "rank", "identity", "log"]

TIES: tuple[Ties, ...] = ("efron", "breslow")
TRANSFORMS: tuple[Transform, ...] = ("km", "rank", "identity", "log")
_NO_SPREAD = 1e-9  # below this share of its size, what is left of a matrix is rounding
_LOST = 1e12  # a difference of sums so much larger than itself is rounding
SAME_TIME = 1e-12  # times that differ by less than this share of the longest are one time


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows that are at risk at an event, in the order of the last event time they see.

    A *cell* is one event time in one stratum; cells are numbered from 1 by stratum, then time.

    Attributes
    ----------
    x : array
        Covariates less their stratum's mean, divided by `scale`.
    means, scale : array
        One row per stratum; one value per covariate.
    weights : array
    first, last : array of int
        The row is at risk in the cells first < k ≤ last; rows are sorted by `last`.
    heads : array of int
        By cell: the first row whose last cell it is.
    late : array of int
        Rows that came under observation after the first event of their stratum.
    position, given : array of int, int
        Where each row stood in the table, and how many rows the table had.
    observed : array
        Σ weight · x over events.
    events, cell : array of int
        Rows with an event, and the index (from 0) of their cell.
    dead, weight : array
        By cell: how many events, and their mean weight.
    gone : array
        By event: the share of its cell's events that have left already (Efron's k/d).
    times, event_free, mid_rank : array
        By cell: its time; the Kaplan–Meier estimate of everybody just before; the average
        rank of the time among all stop times.
    bounds, row_bounds : array of int
        Where the cells, and the rows, of each stratum begin; the end of all stands last.
    """

    x: Array
    means: Array
    scale: Array
    weights: Array
    first: Codes
    last: Codes
    heads: Codes
    late: Codes
    position: Codes
    given: int
    observed: Array
    events: Codes
    cell: Codes
    dead: Codes
    weight: Array
    gone: Array
    times: Array
    event_free: Array
    mid_rank: Array
    bounds: Codes
    row_bounds: Codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The partial likelihood at one value of the coefficients, and its sums by cell.

    S is the sum over those at risk, D over those of them with an event; with f the share of
    events that have left already and c = S0 − f · D0, sums over the tied events of 1/c, f/c,
    1/c², f/c², f²/c² are all that first and second derivatives need.
    """

    beta: Array
    loglik: float
    score: Array
    risk: Array  # by row: weight · exp(linear predictor), the largest of a stratum being 1
    shift: Array  # by stratum: what was taken off the linear predictor
    s1: Array
    d1: Array
    c: Array
    cf: Array
    cc: Array
    ccf: Array
    ccff: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fitted Cox model.

    Attributes
    ----------
    names : tuple of str
    coefficients : array
        Log hazard ratios.
    covariance : array
        Of the coefficients: the sandwich when clusters were given, else `model_covariance`.
    model_covariance : array
        The inverse of the information.
    loglik, loglik_null : float
        Log partial likelihood at the coefficients, and where all are 0.
    score_test : float
        Chi-squared of all coefficients together, by the score where all are 0.
    ties : {'efron', 'breslow'}
    steps : int
        How many Newton steps it took.
    """

    names: tuple[str, ...]
    coefficients: Array
    covariance: Array
    model_covariance: Array
    loglik: float
    loglik_null: float
    score_test: float
    ties: Ties
    steps: int
    rows: Rows = field(repr=False)
    point: Point = field(repr=False)

    @property
    def std_errors(self) -> Array:
        """Standard errors of the coefficients."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def likelihood_ratio_test(self) -> float:
        """Chi-squared of all coefficients together, by the likelihood."""
        return 2 * (self.loglik - self.loglik_null)

    @property
    def wald_test(self) -> float:
        """Chi-squared of all coefficients together, by their covariance."""
        return float(self.coefficients @ linalg.solve(self.covariance, self.coefficients))

    def influence(self) -> Array:
        """Return each row's contribution to the coefficients (dfbeta), in the order given.

        A row that is at risk at no event contributes nothing.
        """
        found = np.zeros((self.rows.given, len(self.names)))
        found[self.rows.position] = _influence(self.rows, self.point, self.model_covariance)
        return found

    def martingale(self) -> Array:
        """Return each row's events less those expected, in the order given."""
        rows, point = self.rows, self.point
        left = -point.risk / rows.weights * _hazard_seen(rows, point)
        left[rows.events] += 1.0
        found = np.zeros(rows.given)
        found[rows.position] = left
        return found

    def schoenfeld(self) -> tuple[Array, Array]:
        """Return each event's time, and its covariates less the mean of those at risk."""
        rows, point = self.rows, self.point
        mean = _means(point) / rows.dead[:, None]
        return rows.times[rows.cell], (rows.x[rows.events] - mean[rows.cell]) * rows.scale

    def baseline(self, stratum: int = 0) -> tuple[Array, Array]:
        """Return event times, and the cumulative hazard of a row whose covariates are all 0."""
        times, hazard, _ = self._hazard(np.zeros(len(self.names)), stratum)
        return times, hazard

    def survival(
        self, times: Sequence[float], covariates: Sequence[float], stratum: int = 0
    ) -> tuple[Array, Array]:
        """Return the chance to be free of events at `times` of a row with `covariates`, and its SE.

        The standard error takes the model to be right and rows to be independent, of weight 1.
        """
        known, hazard, variance = self._hazard(np.asarray(covariates, dtype=float), stratum)
        at = np.searchsorted(known, times, side="right")
        free = np.exp(-np.concatenate([[0.0], hazard]))[at]
        return free, free * np.sqrt(np.concatenate([[0.0], variance]))[at]

    def _hazard(self, covariates: Array, stratum: int) -> tuple[Array, Array, Array]:
        rows, point = self.rows, self.point
        inside = slice(rows.bounds[stratum], rows.bounds[stratum + 1])
        z = (covariates - rows.means[stratum]) / rows.scale
        risk = np.exp(float(z @ point.beta) - point.shift[stratum])
        weight = rows.weight[inside]
        hazard = np.cumsum(weight * point.c[inside])
        drift = hazard[:, None] * z - np.cumsum(_pull(rows, point)[inside], axis=0)
        drift *= rows.scale
        variance = np.cumsum(weight**2 * point.cc[inside])
        variance += np.einsum("ij,jk,ik->i", drift, self.model_covariance, drift)
        return rows.times[inside], risk * hazard, risk**2 * variance

    def proportionality(
        self, terms: Mapping[str, Sequence[int]], transform: Transform = "km"
    ) -> dict[str, tuple[float, int, float] | None]:
        """Test whether hazard ratios change with time (score test; ``cox.zph`` of survival 3).

        Parameters
        ----------
        terms : mapping of str to positions
            The columns of each term.
        transform : {'km', 'rank', 'identity', 'log'}
            The function of time g with which each coefficient might change.

        Returns
        -------
        dict
            By term, and under ``"global"`` for all together: chi-squared, degrees of freedom
            and p of adding g(t) · x to the model; None where all events that tell anything
            happened at one time.
        """
        rows, point = self.rows, self.point
        g = _of_time(rows, transform)
        own = rows.weights[rows.events] * g[rows.cell]
        score = total(own, rows.x[rows.events]) - total(rows.weight * g, _means(point))
        plain, tilted = information(rows, point), information(rows, point, g)
        twice = information(rows, point, g**2)
        left = twice - tilted @ linalg.solve(plain, tilted, assume_a="pos")
        found: dict[str, tuple[float, int, float] | None] = {}
        for name, columns in {**terms, "global": range(len(score))}.items():
            picked = np.ix_(list(columns), list(columns))
            size = np.sqrt(np.diag(twice)[list(columns)])
            like = left[picked] / np.maximum(np.outer(size, size), np.finfo(float).tiny)
            if np.linalg.eigvalsh(like)[0] < _NO_SPREAD:
                found[name] = None
                continue
            u = score[list(columns)]
            chi = float(u @ linalg.solve(left[picked], u, assume_a="pos"))
            found[name] = (chi, len(u), float(special.chdtrc(len(u), chi)))
        return found


def fit(
    stop: Array,
    event: Flags,
    matrix: Array,
    names: Sequence[str],
    *,
    start: Array | None = None,
    strata: Codes | None = None,
    weights: Array | None = None,
    clusters: Sequence[Codes] = (),
    ties: Ties = "efron",
) -> Fit:
    """Fit a Cox model by Newton's method with step halving.

    Parameters
    ----------
    stop, start : array
        A row is at risk at times start < t ≤ stop; without `start`, from the beginning.
    event : array of bool
        Whether the row ended with the event.
    matrix, names
        Covariates without intercept, and what the columns are called.
    strata : array of int, optional
        Codes 0, 1, 2, …; each stratum has its own baseline hazard.
    weights : array, optional
        Above 0; they multiply each row's part of the likelihood.
    clusters : sequence of arrays of int
        None for the model's variance; one for the sandwich, whose squares are summed over
        clusters without a factor for their number; two for the two-way sandwich.
    ties : {'efron', 'breslow'}

    Raises
    ------
    UndefinedResultError
        If there is no event.
    DesignError
        If covariates repeat each other, do not differ between rows at risk together, or
        foretell who has the event without error.
    """
    if not event.any():
        raise UndefinedResultError(
            "no row has the event, so there is no hazard to compare. Follow for longer, or take a "
            "commoner event."
        )
    rows = arrange(stop, event, matrix, start=start, strata=strata, weights=weights, ties=ties)
    null = evaluate(rows, np.zeros(len(names)))
    info = information(rows, null)
    refuse_unidentified(info, inner(rows.dead, rows.weight), names)
    score_test = float(null.score @ linalg.solve(info, null.score, assume_a="pos"))
    top = climb(null, info, lambda b: evaluate(rows, b), lambda at: information(rows, at))
    if not top.settled:
        _refuse_one_sided(rows, names)
        raise DesignError(no_maximum(top, names))
    inverse = linalg.inv(top.information) / np.outer(rows.scale, rows.scale)
    robust = _sandwich(rows, top.point, inverse, clusters) if clusters else inverse
    return Fit(
        names=tuple(names),
        coefficients=(top.point.beta + top.step) / rows.scale,
        covariance=robust,
        model_covariance=inverse,
        loglik=top.point.loglik,
        loglik_null=null.loglik,
        score_test=score_test,
        ties=ties,
        steps=top.steps,
        rows=rows,
        point=top.point,
    )


# Rows and cells


def arrange(
    stop: Array,
    event: Flags,
    matrix: Array,
    *,
    start: Array | None = None,
    strata: Codes | None = None,
    weights: Array | None = None,
    ties: Ties = "efron",
) -> Rows:
    """Sort rows by the last event time that they see, and number the event times."""
    stop, start = same_times(stop, start)
    order = np.argsort(stop)
    stop, event = stop[order], event[order]
    distinct = _each_once(stop[event])
    seen = np.searchsorted(distinct, stop, side="right")
    before = None
    if start is not None:
        before = np.searchsorted(distinct, start[order], side="right")
    event_free, mid_rank = _everybody(stop, event, distinct, before)

    if strata is None:
        which = np.arange(len(distinct))
        last, first = seen, np.zeros_like(seen) if before is None else before
        bounds = np.array([0, len(distinct)])
    else:
        width = len(distinct) + 1
        key = strata[order] * width + seen
        again = np.argsort(key)
        order, event, key, seen = order[again], event[again], key[again], seen[again]
        cells = _each_once(key[event])
        which = cells % width - 1
        last = np.searchsorted(cells, key, side="right")
        entry = key - seen + (0 if before is None else before[again])
        first = np.searchsorted(cells, entry, side="right")
        bounds = np.searchsorted(cells, np.arange(int(strata.max()) + 2) * width)
        bounds = _each_once(bounds)  # a stratum without an event says nothing
    kept = np.flatnonzero(last > first)
    position, event = order[kept], event[kept]
    last, first = last[kept], first[kept]

    heads = np.append(0, np.flatnonzero(np.diff(last)) + 1)  # every cell ends its events' rows
    row_bounds = np.append(heads[bounds[:-1]], len(last))
    x = np.take(np.asarray(matrix, dtype=float), position, axis=0)
    w = np.ones(len(x)) if weights is None else weights[position]
    means = np.add.reduceat(x, row_bounds[:-1], axis=0) / np.diff(row_bounds)[:, None]
    x -= means if len(means) == 1 else np.repeat(means, np.diff(row_bounds), axis=0)
    scale = np.sqrt(np.einsum("ij,ij->j", x, x) / len(x))
    scale[scale == 0] = 1.0
    x /= scale

    events = np.flatnonzero(event)
    cell = last[events] - 1
    dead = np.bincount(cell, minlength=len(which))
    behind = np.arange(len(events)) - np.repeat(np.cumsum(dead) - dead, dead)
    return Rows(
        x=x,
        means=means,
        scale=scale,
        weights=w,
        first=first,
        last=last,
        heads=heads,
        late=np.flatnonzero(first > np.repeat(bounds[:-1], np.diff(row_bounds))),
        position=position,
        given=len(stop),
        observed=total(w[events], np.take(x, events, axis=0)),
        events=events,
        cell=cell,
        dead=dead,
        weight=np.bincount(cell, weights=w[events]) / dead,
        gone=behind / dead[cell] if ties == "efron" else np.zeros(len(events)),
        times=distinct[which],
        event_free=event_free[which],
        mid_rank=mid_rank[which],
        bounds=bounds,
        row_bounds=row_bounds,
    )


def _each_once(ordered: NDArray[S]) -> NDArray[S]:
    """Return the values of a rising array, each once."""
    fresh: Flags = np.append(True, ordered[1:] > ordered[:-1])
    return ordered[fresh]


def same_times(stop: Array, start: Array | None) -> tuple[Array, Array | None]:
    """Make times one that differ by no more than the rounding of a subtraction."""
    times = stop if start is None else np.concatenate([start, stop])
    if (times == np.rint(times)).all():
        return stop, start
    known = _each_once(np.sort(times))
    apart = np.diff(known) > SAME_TIME * np.abs(known[[0, -1]]).max()
    if apart.all():
        return stop, start
    leader = known[np.append(True, apart)]
    leader = leader[np.cumsum(np.append(False, apart))]
    found = [None if t is None else leader[np.searchsorted(known, t)] for t in (stop, start)]
    return np.asarray(found[0]), found[1]


def _everybody(
    stop: Array, event: Flags, distinct: Array, before: Codes | None
) -> tuple[Array, Array]:
    """Return Kaplan–Meier just before each event time, and each time's rank, of all rows."""
    below, upto = (np.searchsorted(stop, distinct, side=side) for side in ("left", "right"))
    present = len(stop) - below
    if before is not None:
        size = len(distinct)
        present = present - np.bincount(before, minlength=size + 1)[:0:-1].cumsum()[::-1]
    dead = np.diff(np.append(0, np.cumsum(event)[upto - 1]))
    free = np.cumprod(1 - dead / present)
    return np.concatenate([[1.0], free[:-1]]), (below + upto + 1) / 2


# The likelihood and its derivatives


def evaluate(rows: Rows, beta: Array) -> Point:
    """Return the log partial likelihood, its score and the sums that both are made of.

    Where hazards differ beyond what numbers can hold, the likelihood is said to be 0, so that
    the step there is halved.
    """
    eta = times(rows.x, beta)
    shift = np.maximum.reduceat(eta, rows.row_bounds[:-1])
    eta -= shift if len(shift) == 1 else np.repeat(shift, np.diff(rows.row_bounds))
    beyond = bool(eta.min() < -FARTHEST)
    np.maximum(eta, -FARTHEST, out=eta)
    risk = np.exp(eta)
    risk *= rows.weights
    mine = risk[rows.events]
    starts = np.cumsum(rows.dead) - rows.dead
    s0, s1, entered = _at_risk(rows, risk)
    d0 = np.add.reduceat(mine, starts)
    d1 = _grouped(rows.x, mine, starts, rows.events)
    s0 = np.maximum(s0, d0)  # true of exact sums; those of late rows are differences
    beyond |= bool((entered > _LOST * s0).any())

    f = rows.gone
    c = 1 / (s0[rows.cell] - f * d0[rows.cell])
    parts = [np.add.reduceat(part, starts) for part in (c, f * c, c**2, f * c**2, f**2 * c**2)]
    loglik = inner(rows.weights[rows.events], eta[rows.events])
    loglik += inner(rows.weight[rows.cell], np.log(c))
    point = Point(
        beta=beta,
        loglik=-np.inf if beyond else loglik,
        score=np.zeros_like(beta),
        risk=risk,
        shift=shift,
        s1=s1,
        d1=d1,
        c=parts[0],
        cf=parts[1],
        cc=parts[2],
        ccf=parts[3],
        ccff=parts[4],
    )
    point.score[:] = rows.observed - total(rows.weight, _means(point))
    return point


def _at_risk(rows: Rows, risk: Array) -> tuple[Array, Array, Array]:
    """Return Σ risk and Σ risk · x over the rows at risk in each cell, and what was taken off.

    That is Σ risk over rows that enter later; they are in the running sums until then.
    """
    s0 = _onwards(np.asarray(np.add.reduceat(risk, rows.heads)), rows.bounds)
    s1 = _grouped(rows.x, risk, rows.heads)
    entered = np.zeros_like(s0)
    if len(rows.late):
        late = rows.late
        into = rows.first[late] - 1
        taken = np.asarray(np.bincount(into, weights=risk[late], minlength=len(s0)), dtype=float)
        entered = _onwards(taken, rows.bounds)
        spread = sparse.csr_array((risk[late], (into, late)), shape=s1.shape[:1] + risk.shape)
        s1 -= np.asarray(spread @ rows.x)
    return s0 - entered, _onwards(s1, rows.bounds), entered


def _grouped(x: Array, by: Array, heads: Codes, picked: Codes | None = None) -> Array:
    """Return Σ by · x over each run of rows that begins at `heads`, in one pass over them."""
    picked = np.arange(len(x)) if picked is None else picked
    pointers = np.append(heads, len(by))
    return np.asarray(sparse.csr_array((by, picked, pointers), shape=(len(heads), len(x))) @ x)


def _onwards(values: Array, bounds: Codes) -> Array:
    """Return sums from each cell to the end of its stratum.

    Each stratum is summed by itself: a difference of sums over all strata would lose the
    figures of one in which everybody's risk is low.
    """
    sizes = np.diff(bounds)
    found = values[::-1].cumsum(axis=0)[::-1] if len(sizes) == 1 else values.copy()
    if 1 < len(sizes) <= sizes.max():
        for begin, end in itertools.pairwise(bounds):
            found[begin:end] = values[begin:end][::-1].cumsum(axis=0)[::-1]
    elif len(sizes) > 1:
        for back in range(2, int(sizes.max()) + 1):
            here = bounds[1:][sizes >= back] - back
            found[here] += found[here + 1]
    return found


def _means(point: Point) -> Array:
    """Return by cell the sum over its events of the mean covariates of those at risk."""
    return np.asarray(point.c[:, None] * point.s1 - point.cf[:, None] * point.d1)


def _pull(rows: Rows, point: Point) -> Array:
    """Return by cell the mean covariates of those at risk times the growth of the hazard."""
    growth = rows.weight[:, None]
    return np.asarray(growth * (point.cc[:, None] * point.s1 - point.ccf[:, None] * point.d1))


def _hazard_seen(rows: Rows, point: Point, g: Array | None = None) -> Array:
    """Return by row the growth of the hazard (times g) while the row was at risk.

    Under Efron's rule a row with an event is at risk for part of its own time only.
    """
    tilt = rows.weight if g is None else rows.weight * g
    grown = np.concatenate([[0.0], np.cumsum(tilt * point.c)])
    seen = grown[rows.last] - grown[rows.first]
    seen[rows.events] -= (tilt * point.cf)[rows.cell]
    return np.asarray(seen)


def information(rows: Rows, point: Point, g: Array | None = None) -> Array:
    """Return minus the second derivative, of each cell times g if that is given."""
    tilt = rows.weight if g is None else rows.weight * g
    found = cross(rows.x, point.risk * _hazard_seen(rows, point, g), rows.x)
    mixed = cross(point.s1, tilt * point.ccf, point.d1)
    found -= cross(point.s1, tilt * point.cc, point.s1) - mixed - mixed.T
    found -= cross(point.d1, tilt * point.ccff, point.d1)
    return np.asarray((found + found.T) / 2)


# Residuals and variances


def _influence(rows: Rows, point: Point, inverse: Array) -> Array:
    """Return each row's weighted score residual times the inverse information."""
    pulled = np.zeros((len(rows.times) + 1, len(point.beta)))
    np.cumsum(_pull(rows, point), axis=0, out=pulled[1:])
    seen = _hazard_seen(rows, point)
    mean = _means(point) / rows.dead[:, None]
    back = point.ccf[:, None] * point.s1 - point.ccff[:, None] * point.d1
    back *= rows.weight[:, None]
    starting = len(rows.late) > 0 or len(rows.bounds) > 2
    found = np.empty(rows.x.shape, order="F")  # clusters are summed column by column
    for here in blocks(len(found)):
        part = pulled[rows.last[here]]
        if starting:
            part -= pulled[rows.first[here]]
        part -= rows.x[here] * seen[here, None]
        part *= point.risk[here, None]
        ends = slice(*np.searchsorted(rows.events, [here.start, here.stop]))
        at, cell = rows.events[ends], rows.cell[ends]
        part[at - here.start] += rows.weights[at, None] * (rows.x[at] - mean[cell])
        part[at - here.start] -= point.risk[at, None] * back[cell]
        found[here] = part @ (inverse * rows.scale[:, None])
    return found


def _sandwich(rows: Rows, point: Point, inverse: Array, clusters: Sequence[Codes]) -> Array:
    """Return Σ over clusters of the squared influence; of two clusterings V₁ + V₂ − V₁₂."""
    parts = _influence(rows, point, inverse)
    own = [codes[rows.position] for codes in clusters]
    each = [_squares(parts, codes) for codes in own]
    if len(each) == 1:
        return each[0]
    both = own[0] * (int(own[1].max()) + 1) + own[1]
    found = each[0] + each[1] - _squares(parts, np.unique(both, return_inverse=True)[1])
    # A difference need not be a covariance; the sum of both is one, and never too small.
    return found if np.linalg.eigvalsh(found)[0] > 0 else each[0] + each[1]


def _squares(parts: Array, codes: Codes) -> Array:
    sums = cluster_sums(parts, codes)
    return cross(sums, np.ones(len(sums)), sums)


def _of_time(rows: Rows, transform: Transform) -> Array:
    """Return g(t) by cell, less its mean over events."""
    if transform == "km":
        g = 1 - rows.event_free
    elif transform == "rank":
        g = rows.mid_rank
    elif transform == "identity":
        g = rows.times
    else:
        if rows.times.min() <= 0:
            raise UndefinedResultError(
                "an event stands at time 0, whose logarithm does not exist; use another "
                'transform, such as "km".'
            )
        g = np.log(rows.times)
    return np.asarray(g - inner(rows.dead, g) / rows.dead.sum())


def _refuse_one_sided(rows: Rows, names: Sequence[str]) -> None:
    """Refuse a covariate of which, in every stratum, all events have the highest value."""
    ends = rows.row_bounds[:-1]
    starts = np.searchsorted(rows.events, ends)
    own = rows.x[rows.events]
    low, high = np.minimum.reduceat(rows.x, ends), np.maximum.reduceat(rows.x, ends)
    top = (np.minimum.reduceat(own, starts) == high).all(axis=0)
    bottom = (np.maximum.reduceat(own, starts) == low).all(axis=0)
    if (top | bottom).any():
        said = ", ".join(name for name, s in zip(names, top | bottom, strict=True) if s)
        raise DesignError(
            f"every event happened at the highest value of {said}, or every event at the lowest, "
            "so the hazard ratio is infinite or 0 (monotone likelihood). Merge levels, leave the "
            "covariate out, or compare event-free curves, which need no hazard ratio."
        )
