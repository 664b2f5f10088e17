"""One rate, two rates and the change of rates in two arms: points, limits, why there are none.

Zero events are no special case that is patched with a half: a rate of 0 has an exact upper
limit, a ratio of 0 has one too, a ratio to 0 has a lower limit only, and 0 to 0 is nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from drive_eval.models import _count_exact, _count_fit
from drive_eval.models._clusters import Effect
from drive_eval.models._count_rows import PER
from drive_eval.models._intervals import mover_ratio
from drive_eval.models._risks import Number, wald

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from drive_eval.models._count_fit import CountFit

    Array: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]

_REFITTED = 20_000  # rows up to which the most influential people are left out in earnest
_CANDIDATES = 3
NO_EVENTS = "there is no event in either group, so a ratio of rates is not defined."
FROM_NOTHING = (
    "there is no event in the reference group, so the ratio has no point; its interval is open "
    "above."
)
ALL_ALIKE = (
    "the rate of everybody changed by the same amount, so nothing shows how much a difference of "
    "rates would vary and it has no interval."
)
_NOTHING = 1e-12  # of a variance made of terms that cancel
ONE_SOURCE = (
    "all events are those of one person (or cluster), or there is only one, so nothing shows how "
    "much they differ and there is no interval."
)


# One rate


def effect(y: Array, time: Array, groups: Codes | None, *, whole: bool) -> Effect:
    """Return by how much a rate varies more than a Poisson one, and how many clusters say so.

    G/(G − 1)·Σ(Y_g − r·T_g)²/Y, at least 1 for whole counts: events of one person may come by
    chance more evenly than chance, but are not to be worth more than independent ones. Of
    harm totals it is the worth of one event, in the unit of the total.
    """
    codes = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    count, total = int(codes.max()) + 1, float(y.sum())
    if total == 0:
        return Effect(df=None if whole else 0.0, clusters=count)
    exposed = np.bincount(codes, weights=time)
    if count == 1:
        return Effect(size=total, df=0.0, clusters=1, worth=1.0, bound=True)
    apart = np.bincount(codes, weights=y) - total / float(time.sum()) * exposed
    size = count / (count - 1) * float((apart**2).sum()) / total
    worth = float(exposed.sum() ** 2 / (exposed**2).sum())
    least = 1.0 if whole else float((y**2).sum() / total) * 1e-9
    return Effect(
        size=max(size, least), df=max(worth - 1, 1.0), clusters=count, worth=worth, raised=size < 1
    )


def pearson_effect(y: Array, time: Array) -> Effect:
    """Return Pearson's dispersion of rows about one rate, at least 1."""
    total, n = float(y.sum()), len(y)
    if total == 0:
        return Effect()
    if n == 1:
        return Effect(size=total, df=0.0, clusters=1, worth=1.0, bound=True)
    mean = total / float(time.sum()) * time
    size = float(((y - mean) ** 2 / mean).sum()) / (n - 1)
    return Effect(size=max(size, 1.0), df=float(n - 1), clusters=n, worth=float(n), raised=size < 1)


def rate(events: float, time: float, of: Effect, conf_level: float, method: str) -> Number:
    """Return one rate per 100 person-years with exact limits of events over the design effect."""
    level = _count_exact.level_of(of, conf_level)
    point = PER * events / time
    if level is None:
        return Number(estimate=point, method=method)
    low, high = _count_exact.rate_limits(events / of.size, time / of.size, level)
    error = PER * math.sqrt(events * of.size) / time if events else None
    return Number(estimate=point, std_error=error, low=PER * low, high=PER * high, method=method)


def difference_of_limits(pair: tuple[Number, Number], method: str) -> Number:
    """Return the difference of two rates from their limits (MOVER), taken as independent."""
    one, other = pair
    gap = _value(one.estimate) - _value(other.estimate)
    if one.low is None or other.low is None:
        return Number(estimate=gap, method=method)
    r1, r0 = _value(one.estimate), _value(other.estimate)
    return Number(
        estimate=gap,
        low=gap - math.hypot(r1 - one.low, _value(other.high) - r0),
        high=gap + math.hypot(_value(one.high) - r1, r0 - other.low),
        method=method,
    )


def _value(number: float | None) -> float:
    return 0.0 if number is None else number


# Two rates from their totals


def ratio_from_totals(
    events: tuple[float, float],
    time: tuple[float, float],
    effects: tuple[Effect, Effect],
    conf_level: float,
    method: str,
) -> Number:
    """Return an exact conditional ratio; events are divided by the design effect, if any."""
    if sum(events) == 0:
        return Number(estimate=None, method=method)
    point = events[0] / time[0] / (events[1] / time[1]) if events[1] else None
    of = max(effects, key=lambda e: e.size)
    level = _count_exact.level_of(of, conf_level)
    if level is None:
        return Number(estimate=point, method=method)
    shrunk = (events[0] / of.size, events[1] / of.size)
    low, high = _count_exact.ratio_limits(shrunk, time, level)
    error = math.sqrt(of.size * (1 / events[0] + 1 / events[1])) if min(events) else None
    p = _count_exact.ratio_test(shrunk, time)
    return Number(estimate=point, std_error=error, low=low, high=high, p_value=p, method=method)


def ratio_within(
    y1: Array, t1: Array, y0: Array, t0: Array, conf_level: float, method: str
) -> tuple[Number, Flags]:
    """Return the exact ratio within persons, and who said something of it."""
    told = (y1 + y0 > 0) & (t1 > 0) & (t0 > 0)
    if not told.any():
        return Number(estimate=None, method=method), told
    first, total = y1[told], (y1 + y0)[told]
    point, low, high, p = _count_exact.within_persons(first, total, t1[told] / t0[told], conf_level)
    error = None
    if point:
        chance = point * t1[told] / (point * t1[told] + t0[told])
        error = 1 / math.sqrt(float((total * chance * (1 - chance)).sum()))
    found = Number(estimate=point, std_error=error, low=low, high=high, p_value=p, method=method)
    return found, told


# From a model


def log_ratio(
    fit: CountFit, gradient: Array, covariance: Array, of: Effect, conf_level: float, method: str
) -> Number:
    """Return exp of a contrast of coefficients with its limits."""
    error = math.sqrt(max(float(gradient @ covariance @ gradient), 0.0))
    point = float(gradient @ fit.coefficients)
    return wald(point, error, of, conf_level, log=True, method=method)


def standardised_difference(
    fit: CountFit,
    x: Array,
    time: Array,
    at: int,
    covariance: Array,
    of: Effect,
    conf_level: float,
    method: str,
) -> Number:
    """Return the rate if all were in the group minus the rate if none were, per 100 years.

    Averaged over person-years: with covariates this is g-computation.
    """
    rates, slopes = [], []
    base = np.exp(x @ fit.coefficients - x[:, at] * fit.coefficients[at]) * time
    for value in (1.0, 0.0):
        mean = base * math.exp(value * fit.coefficients[at]) / time.sum()
        moved = x.copy()
        moved[:, at] = value
        rates.append(float(mean.sum()))
        slopes.append(mean @ moved)
    gradient = slopes[0] - slopes[1]
    variance = float(gradient @ covariance @ gradient)
    if variance <= _NOTHING * float(np.abs(gradient) @ np.abs(covariance) @ np.abs(gradient)):
        variance = 0.0  # what rounding leaves where everybody changed alike
    error = PER * math.sqrt(variance)
    return wald(PER * (rates[0] - rates[1]), error, of, conf_level, method=method)


# Leaving people out


def plain_without(y1: Array, t1: Array, y0: Array, t0: Array) -> tuple[float, float]:
    """Return the lowest and highest ratio of plain rates when any one person is left out."""
    with np.errstate(divide="ignore", invalid="ignore"):
        top = (y1.sum() - y1) / (t1.sum() - t1)
        ratio = top / ((y0.sum() - y0) / (t0.sum() - t0))
    ratio = ratio[~np.isnan(ratio)]
    if not len(ratio):
        return 0.0, math.inf
    return float(ratio.min()), float(ratio.max())


def within_without(y1: Array, t1: Array, y0: Array, t0: Array, point: float) -> tuple[float, float]:
    """Return the lowest and highest ratio within persons when any one is left out."""
    total = y1 + y0
    chance = point * t1 / (point * t1 + t0)
    spread = total * chance * (1 - chance)
    # One Newton step from the whole towards the score without each person.
    step = -(y1 - total * chance) / np.maximum(spread.sum() - spread, 1e-300)
    if total.max() == total.sum():  # one person has all events
        return 0.0, math.inf
    ends = [
        _count_exact.conditional_point(y1[kept], total[kept], (t1 / t0)[kept])
        for kept in (np.arange(len(step)) != who for who in _extreme(step))
    ]
    return min(ends), max(ends)


def model_without(
    fit: CountFit,
    x: Array,
    y: Array,
    persons: Codes,
    gradient: Array,
    refit: Callable[[Flags], CountFit],
) -> tuple[float, float]:
    """Return the lowest and highest modelled ratio when any one person is left out.

    By one Newton step for everybody, with each one's leverage; then by a model without them
    for the few who matter most, unless there are so many rows that a step is as good.
    """
    rest = np.eye(x.shape[1]) - _count_fit.information_by_cluster(fit, x, persons) @ fit.bread
    own = _count_fit.scores(fit, x, persons, reduced=False)
    alone = np.abs(np.linalg.det(rest)) < 1e-9
    rest[alone] = np.eye(x.shape[1])
    step = -np.linalg.solve(rest, own[:, :, None])[:, :, 0] @ (fit.bread @ gradient)
    if alone.any():  # without them a coefficient does not exist
        return 0.0, math.inf
    point = float(gradient @ fit.coefficients)
    if len(y) > _REFITTED:
        return math.exp(point + float(step.min())), math.exp(point + float(step.max()))
    ends = [
        math.exp(float(gradient @ refit(persons != who).coefficients)) for who in _extreme(step)
    ]
    return min(ends), max(ends)


def _extreme(step: Array) -> list[int]:
    order = np.argsort(step)
    ends = [*order[:_CANDIDATES], *order[-_CANDIDATES:]]
    return [int(who) for who in dict.fromkeys(ends)]


# Two arms, before and after


def ratio_of_ratios_by_parts(programme: Number, comparison: Number, method: str) -> Number:
    """Return the ratio of two arms' ratios from their limits (MOVER)."""
    if programme.estimate is None or comparison.estimate is None:
        return Number(estimate=None, method=method)
    if programme.estimate == 0 and comparison.estimate == 0:
        return Number(estimate=None, method=method)
    point = programme.estimate / comparison.estimate if comparison.estimate else None
    limits = (programme.low, programme.high, comparison.low, comparison.high)
    if any(limit is None or math.isinf(limit) for limit in limits):
        return Number(estimate=point, method=method)
    low, high = mover_ratio(
        estimate_1=programme.estimate,
        low_1=_value(programme.low),
        high_1=_value(programme.high),
        estimate_0=comparison.estimate,
        low_0=_value(comparison.low),
        high_0=_value(comparison.high),
    )
    return Number(estimate=point, low=low, high=high, method=method)


def without_limits(number: Number) -> Number:
    """Return the point alone."""
    return replace(number, std_error=None, low=None, high=None, p_value=None)
