"""Exact limits of a rate and of a ratio of two rates, from totals or within persons.

Given how many events there were in all, the number that fell into one of two periods is
binomial whatever the rate was; only its ratio is left (Przyborowski and Wilenski 1940). When
each person is compared with themselves and their periods have different lengths, that number
is a sum of binomials with different chances, whose distribution is worked out in full.

Counts may be fractional: a clustered sample enters as counts divided by its design effect.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import optimize, special, stats

from drive_eval.models._intervals import clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from drive_eval.models._clusters import Effect

    Array: TypeAlias = NDArray[np.float64]

_NEGLIGIBLE = 1e-140  # beside the likeliest total; limits lie within a few spreads of it
_TIE = 1 + 1e-7  # as R does: totals as likely as the observed one count as extreme


def level_of(law: Effect, conf_level: float) -> float | None:
    """Return the level at which an exact interval is as wide as a t quantile would make it."""
    critical = law.critical(conf_level)
    return None if critical is None else float(2 * special.ndtr(critical) - 1)


def rate_limits(events: float, time: float, conf_level: float) -> tuple[float, float]:
    """Garwood 1936: invert the exact Poisson test of one rate."""
    tail = (1 - conf_level) / 2
    low = float(special.gammaincinv(events, tail)) if events > 0 else 0.0
    return low / time, float(special.gammainccinv(events + 1, tail)) / time


def ratio_limits(
    events: tuple[float, float], time: tuple[float, float], conf_level: float
) -> tuple[float, float]:
    """Return the exact conditional limits of a ratio of rates; infinite without reference."""
    low, high = clopper_pearson(x=events[0], n=sum(events), conf_level=conf_level)
    scale = time[1] / time[0]
    return low / (1 - low) * scale, math.inf if high >= 1 else high / (1 - high) * scale


def ratio_test(events: tuple[float, float], time: tuple[float, float]) -> float:
    """Return the exact two-sided P of equal rates.

    Of whole counts by adding up all splits that are no likelier than the observed one, as R's
    ``poisson.test``; of fractional ones twice the smaller tail.
    """
    first, total, share = events[0], sum(events), time[0] / sum(time)
    if first == int(first) and total == int(total):
        return float(stats.binomtest(int(first), int(total), share).pvalue)
    up = special.betainc(first, total - first + 1, share) if first > 0 else 1.0
    down = 1 - special.betainc(first + 1, total - first, share) if first < total else 1.0
    return float(min(1.0, 2 * min(up, down)))


# Within persons, with periods of any length


def within_persons(
    first: Array, total: Array, odds: Array, conf_level: float
) -> tuple[float | None, float, float, float]:
    """Return the conditional ratio, its exact limits and its exact P.

    Parameters
    ----------
    first, total : array
        By person: events in the period in question, and in both.
    odds : array
        Time in the period in question over time in the reference period, finite and above 0.

    Returns
    -------
    tuple
        The ratio is None, and the upper limit infinite, if no event fell into the reference.
    """
    n, of = _by_odds(total, odds)
    x, most = int(first.sum()), int(total.sum())
    if x == 0:
        point: float | None = 0.0
    elif x == most:
        point = None
    else:
        point = _likeliest(n, of, x)
    # Worked out near the data, then tilted: P(k; φ) is proportional to P(k; φ₀)·(φ/φ₀)^k.
    centre = math.log(point) if point else _edge(n, of, most, at_zero=x == 0)
    begin, law = _sum_of_binomials(n, special.expit(centre + of))
    k = np.arange(begin, begin + len(law))
    logs = np.log(law)

    def at(log: float) -> Array:
        tilted = logs + (k - x) * (log - centre)
        found = np.exp(tilted - tilted.max())
        return np.asarray(found / found.sum())

    tail = (1 - conf_level) / 2
    low, high = 0.0, math.inf
    if x > 0:
        low = math.exp(_root(lambda log: float(at(log)[k >= x].sum()) - tail, centre))
    if x < most:
        high = math.exp(_root(lambda log: tail - float(at(log)[k <= x].sum()), centre))
    # Equal rates may lie too far from the data to be tilted to: worked out afresh.
    begin, law = _sum_of_binomials(n, special.expit(of))
    own = law[x - begin] if 0 <= x - begin < len(law) else 0.0
    p = float(law[law <= own * _TIE].sum()) if own > 0 else 0.0
    return point, low, high, min(p, 1.0)


def conditional_point(first: Array, total: Array, odds: Array) -> float:
    """Return the conditional ratio alone; infinite if no event fell into the reference."""
    n, of = _by_odds(total, odds)
    x = int(first.sum())
    if x == 0:
        return 0.0
    return math.inf if x == int(total.sum()) else _likeliest(n, of, x)


def _likeliest(n: Array, of: Array, x: int) -> float:
    return math.exp(_root(lambda log: float((n * special.expit(log + of)).sum()) - x))


def _by_odds(total: Array, odds: Array) -> tuple[Array, Array]:
    """Return how many events were split at each odds of time, and the logs of those odds."""
    of, codes = np.unique(np.log(odds), return_inverse=True)
    return np.bincount(codes, weights=total).astype(float), of


def _edge(n: Array, of: Array, most: int, *, at_zero: bool) -> float:
    """Return a log ratio near the limit when all events fell into one period."""
    aim = min(3.0, most / 2)
    wanted = aim if at_zero else most - aim
    return _root(lambda log: float((n * special.expit(log + of)).sum()) - wanted)


def _root(rising: Callable[[float], float], start: float = 0.0) -> float:
    """Return where a rising function crosses 0, searched outwards."""
    reach = 1.0
    while rising(start - reach) > 0:
        reach *= 2
    low, reach = start - reach, 1.0
    while rising(start + reach) < 0:
        reach *= 2
    return float(optimize.brentq(rising, low, start + reach, xtol=1e-13, rtol=1e-14))


def _sum_of_binomials(n: Array, chance: Array) -> tuple[int, Array]:
    """Return the distribution of a sum of binomials: its first total, and probabilities.

    All terms are positive, so that folding keeps relative precision far into the tails; what
    is negligible is cut off on the way, which keeps the parts short.
    """
    parts = [_binomial(int(size), float(p)) for size, p in zip(n, chance, strict=True) if size]
    while len(parts) > 1:
        folded = [_fold(*pair) for pair in zip(parts[::2], parts[1::2], strict=False)]
        parts = folded + parts[len(folded) * 2 :]
    begin, law = parts[0]
    return begin, law / law.sum()


def _binomial(size: int, p: float) -> tuple[int, Array]:
    if size == 1:
        return 0, np.array([1 - p, p])
    return _trim(0, np.asarray(stats.binom.pmf(np.arange(size + 1), size, p)))


def _fold(one: tuple[int, Array], other: tuple[int, Array]) -> tuple[int, Array]:
    return _trim(one[0] + other[0], np.convolve(one[1], other[1]))


def _trim(begin: int, law: Array) -> tuple[int, Array]:
    kept = np.flatnonzero(law > _NEGLIGIBLE * law.max())
    return begin + int(kept[0]), law[kept[0] : kept[-1] + 1]
