"""Confidence limits for proportions, their differences and ratios, from counts alone.

Plain numbers in, plain limits out. Every function takes single counts or arrays of counts,
whole or fractional (a clustered sample enters as counts divided by its design effect), and
returns ``(low, high)``: floats for single counts, arrays for arrays. `critical` replaces the
normal quantile, so that a t quantile serves a small number of clusters.

Score limits are found by halving an interval that must hold the root, with the restricted
estimate in the form that adds positive terms only: the closed quartic loses half its digits
when cells are empty, and empty cells are the rule here.

In a paired table ``before_only`` counts pairs that showed the behaviour before and not
after; differences are after minus before, ratios after over before. Independent samples
carry the suffix 1 for the group in question and 0 for its reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import special, stats

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Array: TypeAlias = NDArray[np.float64]

#: Two floats for single counts, two arrays for arrays of counts.
Limits: TypeAlias = tuple[Any, Any]

_HALVINGS = 56  # of an interval no longer than 2: past the last binary digit of a double


def quantile(*, conf_level: float = 0.95, critical: float | None = None) -> float:
    """Return the two-sided normal quantile of a confidence level, unless one is given."""
    if critical is not None:
        return float(critical)
    return float(special.ndtri(0.5 + conf_level / 2))


# One proportion


def wilson(
    *, x: ArrayLike, n: ArrayLike, conf_level: float = 0.95, critical: float | None = None
) -> Limits:
    """Wilson 1927: invert the score test of one proportion."""
    z = quantile(conf_level=conf_level, critical=critical)
    return _limits(*_wilson(_floats(x), _floats(n), z))


def clopper_pearson(*, x: ArrayLike, n: ArrayLike, conf_level: float = 0.95) -> Limits:
    """Invert the exact binomial test; never covers less than it says."""
    x, n, tail = _floats(x), _floats(n), (1 - conf_level) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(x > 0, special.betaincinv(np.maximum(x, 1e-300), n - x + 1, tail), 0.0)
        high = np.where(x < n, special.betainccinv(x + 1, np.maximum(n - x, 1e-300), tail), 1.0)
    return _limits(low, high)


def jeffreys(*, x: ArrayLike, n: ArrayLike, conf_level: float = 0.95) -> Limits:
    """Equal tails of the Beta(1/2, 1/2) posterior, closed at 0 and 1 (Brown et al. 2001)."""
    x, n, tail = _floats(x), _floats(n), (1 - conf_level) / 2
    low = np.where(x > 0, special.betaincinv(x + 0.5, n - x + 0.5, tail), 0.0)
    high = np.where(x < n, special.betainccinv(x + 0.5, n - x + 0.5, tail), 1.0)
    return _limits(low, high)


def mid_p(*, x: ArrayLike, n: ArrayLike, conf_level: float = 0.95) -> Limits:
    """Invert the exact binomial test that counts half of the observed table."""
    x, n, tail = _floats(x), _floats(n), (1 - conf_level) / 2

    def at_least(p: Array) -> Array:  # P(X > x) + P(X = x) / 2
        some = np.where(x > 0, special.betainc(np.maximum(x, 1e-300), n - x + 1, p), 1.0)
        more = np.where(x < n, special.betainc(x + 1, np.maximum(n - x, 1e-300), p), 0.0)
        return np.asarray((some + more) / 2, dtype=float)

    zero, one = np.zeros(np.broadcast_shapes(x.shape, n.shape)), np.ones(())
    low = _halve(lambda p: at_least(p) < tail, zero, zero + one)
    high = _halve(lambda p: at_least(p) < 1 - tail, zero, zero + one)
    return _limits(np.where(x > 0, low, 0.0), np.where(x < n, high, 1.0))


def agresti_coull(
    *, x: ArrayLike, n: ArrayLike, conf_level: float = 0.95, critical: float | None = None
) -> Limits:
    """Wald limits after adding z²/2 to both outcomes, cut at 0 and 1."""
    z = quantile(conf_level=conf_level, critical=critical)
    n_tilde = _floats(n) + z**2
    centre = (_floats(x) + z**2 / 2) / n_tilde
    reach = z * np.sqrt(centre * (1 - centre) / n_tilde)
    return _limits(np.maximum(centre - reach, 0.0), np.minimum(centre + reach, 1.0))


def goodman_wilson(
    *, counts: ArrayLike, conf_level: float = 0.95, critical: float | None = None
) -> Limits:
    """Goodman 1965: simultaneous limits of all proportions of one multinomial sample.

    The last axis of `counts` holds the categories. `critical`, when given, must already
    carry the correction for their number (the 1 − α/2k quantile).
    """
    counts = _floats(counts)
    if critical is None:
        critical = float(stats.norm.ppf(1 - (1 - conf_level) / (2 * counts.shape[-1])))
    return _limits(*_wilson(counts, counts.sum(axis=-1, keepdims=True), critical))


# Paired proportions


def tango_difference(
    *,
    both: ArrayLike,
    before_only: ArrayLike,
    after_only: ArrayLike,
    neither: ArrayLike,
    conf_level: float = 0.95,
    critical: float | None = None,
) -> Limits:
    """Tango 1998: invert the score test of a paired difference, after minus before."""
    z = quantile(conf_level=conf_level, critical=critical)
    a, c, b, d = np.broadcast_arrays(*map(_floats, (both, before_only, after_only, neither)))
    # The lower limit is the upper one with the time points exchanged; both in one go.
    minus_low, high = _tango_upper(a + b + c + d, np.stack((c, b)), np.stack((b, c)), z)
    return _limits(-minus_low, high)


def tango_statistic(
    *,
    both: ArrayLike,
    before_only: ArrayLike,
    after_only: ArrayLike,
    neither: ArrayLike,
    difference: ArrayLike,
) -> Any:
    """Return Tango's z of the hypothesis that the paired difference is `difference`."""
    a, c, b, d = map(_floats, (both, before_only, after_only, neither))
    n, delta = a + b + c + d, _floats(difference)
    return _scalar(_divide(b - c - n * delta, np.sqrt(_tango_variance(n, b, c, delta))))


def nam_tang_ratio(
    *,
    both: ArrayLike,
    before_only: ArrayLike,
    after_only: ArrayLike,
    neither: ArrayLike,
    conf_level: float = 0.95,
    critical: float | None = None,
) -> Limits:
    """Nam and Blackwelder 2002, Tang et al. 2003: invert the score test of a paired ratio.

    With nobody before, the upper limit is infinite.
    """
    z = quantile(conf_level=conf_level, critical=critical)
    a, c, b, d = np.broadcast_arrays(*map(_floats, (both, before_only, after_only, neither)))
    # The upper limit is one over the lower one with the time points exchanged.
    low, inverse = _nam_tang_lower(a, np.stack((c, b)), np.stack((b, c)), d, z)
    return _limits(low, _divide(np.ones(()), inverse))


def nam_tang_statistic(
    *,
    both: ArrayLike,
    before_only: ArrayLike,
    after_only: ArrayLike,
    neither: ArrayLike,
    ratio: ArrayLike,
) -> Any:
    """Return the score z of the hypothesis that the paired ratio is `ratio`."""
    a, c, b, d = map(_floats, (both, before_only, after_only, neither))
    phi = _floats(ratio)
    variance = _nam_tang_variance(a, c, b, d, phi, np.ones(()))
    return _scalar(_divide(a + b - phi * (a + c), np.sqrt(variance)))


def newcombe_paired_difference(
    *,
    both: ArrayLike,
    before_only: ArrayLike,
    after_only: ArrayLike,
    neither: ArrayLike,
    conf_level: float = 0.95,
    critical: float | None = None,
) -> Limits:
    """Newcombe 1998, method 10: square-and-add of Wilson limits with a corrected phi."""
    z = quantile(conf_level=conf_level, critical=critical)
    a, c, b, d = map(_floats, (both, before_only, after_only, neither))
    n = a + b + c + d
    p1, p0 = (a + b) / n, (a + c) / n
    low1, high1 = _wilson(a + b, n, z)
    low0, high0 = _wilson(a + c, n, z)
    cross = a * d - b * c
    phi = _phi(np.where(cross > 0, np.maximum(cross - n / 2, 0.0), cross), a, b, c, d)
    low = p1 - p0 - _square_and_add(p1 - low1, high0 - p0, phi)
    high = p1 - p0 + _square_and_add(high1 - p1, p0 - low0, phi)
    return _limits(low, high)


def bonett_price_difference(
    *,
    both: ArrayLike,
    before_only: ArrayLike,
    after_only: ArrayLike,
    neither: ArrayLike,
    conf_level: float = 0.95,
    critical: float | None = None,
) -> Limits:
    """Bonett and Price 2012: Wald limits with one pair added to each discordant cell."""
    z = quantile(conf_level=conf_level, critical=critical)
    a, c, b, d = map(_floats, (both, before_only, after_only, neither))
    n = a + b + c + d + 2
    p12, p21 = (b + 1) / n, (c + 1) / n
    reach = z * np.sqrt((p12 + p21 - (p12 - p21) ** 2) / n)
    return _limits(np.maximum(p12 - p21 - reach, -1.0), np.minimum(p12 - p21 + reach, 1.0))


def bonett_price_ratio(
    *,
    both: ArrayLike,
    before_only: ArrayLike,
    after_only: ArrayLike,
    neither: ArrayLike,
    conf_level: float = 0.95,
    critical: float | None = None,
) -> Limits:
    """Bonett and Price 2006: Wilson limits of both margins, narrowed for the pairing."""
    z = quantile(conf_level=conf_level, critical=critical)
    a, c, b, _ = map(_floats, (both, before_only, after_only, neither))
    m, x, y = a + b + c, a + b, a + c
    joint = np.sqrt((b + c + 2) / ((x + 1) * (y + 1)))
    apart = np.sqrt((1 - (x + 1) / (m + 2)) / (x + 1)) + np.sqrt((1 - (y + 1) / (m + 2)) / (y + 1))
    low1, high1 = _wilson(x, m, z * joint / apart)
    low0, high0 = _wilson(y, m, z * joint / apart)
    return _limits(_divide(low1, high0), _divide(high1, low0))


def mover_wilson_ratio(
    *,
    both: ArrayLike,
    before_only: ArrayLike,
    after_only: ArrayLike,
    neither: ArrayLike,
    conf_level: float = 0.95,
    critical: float | None = None,
) -> Limits:
    """Tang, Li and Tang 2012: recover the variances of a paired ratio from Wilson limits."""
    z = quantile(conf_level=conf_level, critical=critical)
    a, c, b, d = map(_floats, (both, before_only, after_only, neither))
    n = a + b + c + d
    low1, high1 = _wilson(a + b, n, z)
    low0, high0 = _wilson(a + c, n, z)
    phi = _phi(a * d - b * c, a, b, c, d)
    return _limits(*_mover_ratio((a + b) / n, low1, high1, (a + c) / n, low0, high0, phi))


# Tests of no change in a paired table


def mcnemar_mid_p(*, before_only: ArrayLike, after_only: ArrayLike) -> Any:
    """Return McNemar's two-sided mid-P value; 1 when no pair changed."""
    b, c = _floats(before_only), _floats(after_only)
    fewer, n = np.minimum(b, c), b + c
    point = stats.binom.pmf(fewer, n, 0.5)
    p = np.where(b == c, 1 - point / 2, 2 * stats.binom.cdf(fewer, n, 0.5) - point)
    return _scalar(np.where(n == 0, 1.0, p))


def mcnemar_exact(*, before_only: ArrayLike, after_only: ArrayLike) -> Any:
    """Return the two-sided exact conditional P value; 1 when no pair changed."""
    b, c = _floats(before_only), _floats(after_only)
    p = 2 * stats.binom.cdf(np.minimum(b, c), b + c, 0.5)
    return _scalar(np.minimum(p, 1.0))


def mcnemar_asymptotic(
    *,
    before_only: ArrayLike,
    after_only: ArrayLike,
    design_effect: float = 1.0,
    df: float | None = None,
) -> tuple[Any, Any]:
    """Return the score statistic (after − before) and its two-sided P value.

    `design_effect` divides its square; `df` refers it to t instead of the normal.
    """
    b, c = _floats(after_only), _floats(before_only)
    z = _divide(b - c, np.sqrt((b + c) * design_effect))
    z = np.where(b + c == 0, 0.0, z)
    law = stats.norm if df is None else stats.t(df)
    return _scalar(z), _scalar(np.minimum(2 * law.sf(np.abs(z)), 1.0))


# Two independent proportions


def newcombe_difference(
    *,
    x1: ArrayLike,
    n1: ArrayLike,
    x0: ArrayLike,
    n0: ArrayLike,
    conf_level: float = 0.95,
    critical: float | None = None,
) -> Limits:
    """Newcombe 1998, method 10 for independent samples: square-and-add of Wilson limits."""
    z = quantile(conf_level=conf_level, critical=critical)
    x1, n1, x0, n0 = map(_floats, (x1, n1, x0, n0))
    p1, p0 = x1 / n1, x0 / n0
    low1, high1 = _wilson(x1, n1, z)
    low0, high0 = _wilson(x0, n0, z)
    low = p1 - p0 - np.hypot(p1 - low1, high0 - p0)
    return _limits(low, p1 - p0 + np.hypot(high1 - p1, p0 - low0))


def miettinen_nurminen_difference(
    *,
    x1: ArrayLike,
    n1: ArrayLike,
    x0: ArrayLike,
    n0: ArrayLike,
    conf_level: float = 0.95,
    critical: float | None = None,
) -> Limits:
    """Miettinen and Nurminen 1985: invert the score test of a difference, with N/(N − 1)."""
    z = quantile(conf_level=conf_level, critical=critical)
    x1, n1, x0, n0 = np.broadcast_arrays(*map(_floats, (x1, n1, x0, n0)))
    low = -_mn_difference_upper(x0, n0, x1, n1, z)
    return _limits(low, _mn_difference_upper(x1, n1, x0, n0, z))


def miettinen_nurminen_ratio(
    *,
    x1: ArrayLike,
    n1: ArrayLike,
    x0: ArrayLike,
    n0: ArrayLike,
    conf_level: float = 0.95,
    critical: float | None = None,
) -> Limits:
    """Miettinen and Nurminen 1985: invert the score test of a ratio, with N/(N − 1)."""
    z = quantile(conf_level=conf_level, critical=critical)
    n = _floats(n1) + _floats(n0)
    return _score_ratio(x1, n1, x0, n0, z * np.sqrt(n / (n - 1)))


def koopman_ratio(
    *,
    x1: ArrayLike,
    n1: ArrayLike,
    x0: ArrayLike,
    n0: ArrayLike,
    conf_level: float = 0.95,
    critical: float | None = None,
) -> Limits:
    """Koopman 1984: invert the score test of a ratio of two independent proportions.

    With no event in the reference group, the upper limit is infinite.
    """
    z = quantile(conf_level=conf_level, critical=critical)
    return _score_ratio(x1, n1, x0, n0, z)


def mover_ratio(
    *,
    estimate_1: ArrayLike,
    low_1: ArrayLike,
    high_1: ArrayLike,
    estimate_0: ArrayLike,
    low_0: ArrayLike,
    high_0: ArrayLike,
    correlation: ArrayLike = 0.0,
) -> Limits:
    """Donner and Zou 2012: limits of a ratio of two positive quantities.

    Both come with their own limits; `estimate_1` may be 0. With `low_0` 0 the upper limit is
    infinite. `correlation` is that of the two estimates.
    """
    one = _floats(estimate_1), _floats(low_1), _floats(high_1)
    reference = _floats(estimate_0), _floats(low_0), _floats(high_0)
    return _limits(*_mover_ratio(*one, *reference, _floats(correlation)))


# What the functions above share


def _floats(value: ArrayLike) -> Array:
    return np.asarray(value, dtype=float)


def _scalar(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else value


def _limits(low: Any, high: Any) -> Limits:
    return _scalar(low), _scalar(high)


def _divide(top: Any, bottom: Any) -> Array:
    """Divide, with x/0 infinite and 0/0 zero: no evidence against what is asked."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.divide(top, bottom)
    return np.where((top == 0) & (bottom == 0), 0.0, ratio)


def _halve(below: Callable[[Array], Any], low: Array, high: Array) -> Array:
    """Return the point between `low` and `high` up to which `below` holds."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        under = below(middle)
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return (low + high) / 2


def _root(b: Array, a: Array, c: Array) -> Array:
    """Return the root of a·q² + b·q + c that is not negative, for a ≥ 0 and c ≤ 0."""
    spread, falling = np.sqrt(b**2 - 4 * a * c), b > 0
    top = np.where(falling, -2 * c, spread - b)  # whichever form adds and does not subtract
    bottom = np.where(falling, b + spread, 2 * a)
    return np.asarray(top / np.where(bottom == 0, 1.0, bottom))  # 0 when there is no equation


def _wilson(x: Array, n: Array, z: Any) -> tuple[Array, Array]:
    centre = x + z**2 / 2
    reach = z * np.sqrt(_divide(x * (n - x), n) + z**2 / 4)
    # At 0 of n and n of n the limit is exact, whatever rounding says; 0 of 0 says nothing.
    low = np.where(x == 0, 0.0, (centre - reach) / (n + z**2))
    high = np.where(x == n, 1.0, (centre + reach) / (n + z**2))
    return low, high


def _phi(cross: Array, a: Array, b: Array, c: Array, d: Array) -> Array:
    """Return the correlation of the two margins; 0 when one of them does not vary."""
    spread = np.sqrt(a + b) * np.sqrt(c + d) * np.sqrt(a + c) * np.sqrt(b + d)
    return np.where(spread > 0, _divide(cross, spread), 0.0)


def _square_and_add(one: Array, other: Array, phi: Array) -> Array:
    return np.sqrt(np.maximum(one**2 - 2 * phi * one * other + other**2, 0.0))


def _tango_variance(n: Array, b: Array, c: Array, delta: Array) -> Array:
    """Variance of b − c when the difference is `delta`, by the smaller discordant cell."""
    size = np.abs(delta)
    up, down = np.where(delta >= 0, b, c), np.where(delta >= 0, c, b)
    linear = 2 * n * size - up * (1 + size) - down * (1 - size)
    cell = _root(linear, 2 * n, -down * size * (1 - size))
    return np.asarray(n * (2 * cell + size * (1 - size)), dtype=float)


def _tango_upper(n: Array, b: Array, c: Array, z: float) -> Array:
    def below(delta: Array) -> Any:
        return b - c - n * delta + z * np.sqrt(_tango_variance(n, b, c, delta)) > 0

    return _halve(below, (b - c) / n, np.ones(b.shape))


def _nam_tang_variance(a: Array, c: Array, b: Array, d: Array, t: Array, s: Array) -> Array:
    """Variance of x·s − y·t when the ratio is t/s, by the smaller discordant cell.

    Written in t and s so that a ratio of 0 or of infinity is nothing special.
    """
    n, some = a + b + c + d, a + b + c
    large, small = np.maximum(t, s), np.minimum(t, s)
    down = np.where(t >= s, c, b)
    cell = _root(
        (a + down) * large**2 - (some + down) * small**2,
        n * small * (s + t),
        -down * small * (large - small) * some / n,
    )
    return np.asarray(n * small * (s + t) * cell + some * small * (large - small), dtype=float)


def _nam_tang_lower(a: Array, c: Array, b: Array, d: Array, z: float) -> Array:
    x, y = a + b, a + c

    def below(t: Array) -> Any:
        s = 1 - t
        return x * s - y * t - z * np.sqrt(_nam_tang_variance(a, c, b, d, t, s)) > 0

    # t/(1 − t) is the ratio: between 0 and the estimate.
    t = _halve(below, np.zeros(x.shape), np.where(x > 0, _divide(x, x + y), 0.0))
    return t / (1 - t)


def _mover_ratio(
    p1: Array, low1: Array, high1: Array, p0: Array, low0: Array, high0: Array, phi: Array
) -> tuple[Array, Array]:
    # The lower limit in the form that survives high0 = 2·p0.
    top, bottom = low1 * (2 * p1 - low1), high0 * (2 * p0 - high0)
    mixed = p1 * p0 - phi * (p1 - low1) * (high0 - p0)
    low = _divide(top, mixed + np.sqrt(np.maximum(mixed**2 - top * bottom, 0.0)))
    top, bottom = high1 * (2 * p1 - high1), low0 * (2 * p0 - low0)
    mixed = p1 * p0 - phi * (high1 - p1) * (p0 - low0)
    with np.errstate(invalid="ignore"):
        high = _divide(mixed + np.sqrt(np.maximum(mixed**2 - top * bottom, 0.0)), bottom)
    return low, np.where(bottom > 0, high, np.inf)


def _restricted_difference(x1: Array, n1: Array, x0: Array, n0: Array, delta: Array) -> Array:
    """Return the reference proportion that is most likely when p1 − p0 is `delta`."""
    total = n1 + n0
    l3 = total
    l2 = (n1 + 2 * n0) * delta - total - x1 - x0
    l1 = (n0 * delta - total - 2 * x0) * delta + x1 + x0
    l0 = x0 * delta * (1 - delta)
    q = l2**3 / (3 * l3) ** 3 - l1 * l2 / (6 * l3**2) + l0 / (2 * l3)
    p = np.copysign(np.sqrt(np.maximum(l2**2 / (3 * l3) ** 2 - l1 / (3 * l3), 0.0)), q)
    angle = (np.pi + np.arccos(np.clip(_divide(q, p**3), -1.0, 1.0))) / 3
    low, high = np.maximum(0.0, -delta), np.minimum(1.0, 1 - delta)
    guess = np.clip(2 * p * np.cos(angle) - l2 / (3 * l3), low, high)
    for _ in range(2):  # the arc cosine loses digits near 1; Newton's method gives them back
        slope = (3 * l3 * guess + 2 * l2) * guess + l1
        value = ((l3 * guess + l2) * guess + l1) * guess + l0
        step = np.where(np.abs(slope) > 1e-6 * total, _divide(value, slope), 0.0)
        guess = np.clip(guess - step, low, high)
    return guess


def _mn_difference_upper(x1: Array, n1: Array, x0: Array, n0: Array, z: float) -> Array:
    p1, p0, total = x1 / n1, x0 / n0, n1 + n0

    def below(delta: Array) -> Any:
        base = _restricted_difference(x1, n1, x0, n0, delta)
        raised = np.clip(base + delta, 0.0, 1.0)
        variance = raised * (1 - raised) / n1 + base * (1 - base) / n0
        return p1 - p0 - delta + z * np.sqrt(np.maximum(variance, 0) * total / (total - 1)) > 0

    return _halve(below, p1 - p0, np.ones(total.shape))


def _score_ratio(x1: ArrayLike, n1: ArrayLike, x0: ArrayLike, n0: ArrayLike, z: Any) -> Limits:
    x1, n1, x0, n0 = np.broadcast_arrays(*map(_floats, (x1, n1, x0, n0)))
    low = _score_ratio_lower(x1, n1, x0, n0, z)
    inverse = _score_ratio_lower(x0, n0, x1, n1, z)
    return _limits(low, _divide(np.ones(()), inverse))


def _score_ratio_lower(x1: Array, n1: Array, x0: Array, n0: Array, z: Any) -> Array:
    def below(t: Array) -> Any:
        # The ratio is t/s; p1 = t·u and p0 = s·u with u the likeliest under that ratio.
        s = 1 - t
        linear = n1 * t + x1 * s + n0 * s + x0 * t
        spread = np.sqrt(np.maximum(linear**2 - 4 * (n1 + n0) * s * t * (x1 + x0), 0.0))
        u = 2 * (x1 + x0) / (linear + spread)
        p1, p0 = np.minimum(t * u, 1.0), np.minimum(s * u, 1.0)
        variance = s**2 * p1 * (1 - p1) / n1 + t**2 * p0 * (1 - p0) / n0
        return s * x1 / n1 - t * x0 / n0 - z * np.sqrt(variance) > 0

    top, bottom = x1 / n1, x0 / n0
    t = _halve(below, np.zeros(x1.shape), np.where(x1 > 0, _divide(top, top + bottom), 0.0))
    return t / (1 - t)
