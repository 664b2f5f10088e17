"""Poisson and negative binomial regression of counts on time at risk, and their variances.

The negative binomial is NB2: variance μ + αμ², with α found by maximum likelihood. It is
written in α and not in θ = 1/α, so that α = 0, where it is the Poisson, is a place like any
other: data that vary less than Poisson counts end there and are told so, instead of running
off to an infinite θ. Coefficients and α are found in turn; their information is orthogonal, so
a few rounds do. ``statsmodels`` fixes α in its GLM, and its discrete model starts where it may
not settle and inverts another information matrix than R's ``glm.nb``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import linalg, optimize, special

from drive_eval.errors import DesignError
from drive_eval.models import _sums
from drive_eval.models._clusters import Effect
from drive_eval.models._regression import cluster_sums, readable, refuse_collinear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]

_SETTLED = 1e-9  # of the linear predictor; the step itself is still taken
_ROUNDS, _STEPS, _HALVINGS = 100, 60, 30
_SMALL = 0.02  # below it, series: the closed forms lose their figures
_LARGEST_ALPHA = 1e4  # rates that differ by a coefficient of variation of 100
_SERIES = np.array([(-1) ** k * (k + 1) / (k + 2) for k in range(9)])
_SLOPES = np.array([(-1) ** (k + 1) * (k + 1) * (k + 2) / (k + 3) for k in range(9)])


@dataclass(frozen=True, slots=True, kw_only=True)
class CountFit:
    """A fitted count model and what its variances are made of.

    Attributes
    ----------
    names, coefficients
        The columns of the design, and their log rate ratios.
    fitted, pull, weight : array
        By row: the mean μ; (y − μ)/(1 + αμ), which times the regressors is the score; and
        μ/(1 + αμ), its expected slope.
    bread : array
        Inverse of the expected information given α, as R's ``glm.nb`` uses.
    alpha : float
        0 for the Poisson.
    alpha_error : float or None
        Standard error of α from the observed information; None at the boundary.
    loglik, loglik_poisson : float or None
        None for totals that are not whole numbers.
    """

    names: tuple[str, ...]
    coefficients: Array
    fitted: Array
    pull: Array
    weight: Array
    bread: Array
    alpha: float = 0.0
    alpha_error: float | None = None
    loglik: float | None = None
    loglik_poisson: float | None = None


# Fits


def poisson(x: Array, y: Array, time: Array, names: Sequence[str]) -> CountFit:
    """Fit log-linear rates by Poisson (quasi-)likelihood.

    Parameters
    ----------
    x : array
        Regressors; the first column is 1.
    y : array
        Counts, or totals that are not below 0.
    time : array
        Time at risk of each row, above 0.

    Raises
    ------
    DesignError
        If columns repeat each other, or some people have no event at all and the columns
        tell who, so that no maximum exists.
    """
    refuse_collinear(x, names)
    refuse_no_event(x, y, names)
    scale = np.abs(x).max(axis=0)
    beta = np.zeros(x.shape[1])
    beta[0] = math.log(y.sum() / time.sum())
    beta = _climb(x / scale, y, np.log(time), beta * scale, 0.0)
    found = _at(x, y, time, names, beta / scale, 0.0)
    whole = bool((y == np.floor(y)).all())
    loglik = _loglik(y, found.fitted, 0.0) if whole else None
    return replace(found, loglik=loglik, loglik_poisson=loglik)


def negative_binomial(
    x: Array, y: Array, time: Array, names: Sequence[str], *, start: CountFit | None = None
) -> CountFit:
    """Fit log-linear rates by negative binomial (NB2) maximum likelihood; y must be whole.

    `start` is a fit to begin at; the Poisson fit when it is not given.
    """
    base = poisson(x, y, time, names) if start is None else start
    scale, offset = np.abs(x).max(axis=0), np.log(time)
    above = _above(y)
    beta, alpha, fitted = base.coefficients, base.alpha, base.fitted
    for _ in range(_ROUNDS):
        last, alpha = alpha, _best_alpha(y, fitted, above, alpha)
        moved = _climb(x / scale, y, offset, beta * scale, alpha) / scale
        change = float(np.abs(_sums.times(x, moved - beta)).max())
        beta = moved
        fitted = np.exp(_sums.times(x, beta) + offset)
        if change < _SETTLED and abs(alpha - last) <= _SETTLED * alpha:
            break
    else:
        raise DesignError(
            "the negative binomial model did not settle; use fewer or rescaled covariates, or "
            'method="poisson" with its robust variance.'
        )
    found = _at(x, y, time, names, beta, alpha)
    slope = -_slopes(y, fitted, above, alpha)[1] if alpha > 0 else 0.0
    return replace(
        found,
        alpha=alpha,
        alpha_error=1 / math.sqrt(slope) if slope > 0 else None,
        loglik=_loglik(y, fitted, alpha),
        loglik_poisson=base.loglik_poisson,
    )


def _at(
    x: Array, y: Array, time: Array, names: Sequence[str], beta: Array, alpha: float
) -> CountFit:
    fitted = np.exp(_sums.times(x, beta) + np.log(time))
    weight = fitted / (1 + alpha * fitted)
    size = np.abs(x).max(axis=0)
    information = _sums.cross(x, weight, x) / np.outer(size, size)
    return CountFit(
        names=tuple(names),
        coefficients=beta,
        fitted=fitted,
        pull=(y - fitted) / (1 + alpha * fitted),
        weight=weight,
        bread=np.linalg.inv(information) / np.outer(size, size),
    )


def _climb(x: Array, y: Array, offset: Array, beta: Array, alpha: float) -> Array:
    """Return the coefficients at the top for this α, by Newton's method with halved steps.

    The observed information is positive whatever the coefficients, so that there is one top;
    scoring by the expected one creeps towards it when samples are small.
    """
    eta = _sums.times(x, beta) + offset
    height = _height(y, eta, alpha)
    for _ in range(_STEPS):
        mean = np.exp(eta)
        shrunk = 1 / (1 + alpha * mean)
        information = _sums.cross(x, mean * shrunk**2 * (1 + alpha * y), x)
        step = linalg.solve(information, _sums.total((y - mean) * shrunk, x), assume_a="pos")
        change = _sums.times(x, step)
        widest = float(np.abs(change).max())
        if widest < _SETTLED:
            return np.asarray(beta + step)
        for _ in range(_HALVINGS):
            reached = _height(y, eta + change, alpha)
            if reached >= height - 1e-11 * abs(height):
                break
            step, change = step / 2, change / 2
        beta, eta, height = beta + step, eta + change, reached
    raise DesignError(
        f"the count model did not settle in {_STEPS} steps; use fewer or rescaled covariates."
    )


def _height(y: Array, eta: Array, alpha: float) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.exp(eta)
        if alpha == 0:
            found = _sums.inner(y, eta) - float(mean.sum())
        else:
            found = _sums.inner(y, eta) - _sums.inner(y + 1 / alpha, np.log1p(alpha * mean))
    return found if math.isfinite(found) else -math.inf


def _above(y: Array) -> Array:
    """Return how many rows count more than 0, more than 1, … up to the largest."""
    rows = np.bincount(y.astype(np.int64))
    return np.asarray(rows[::-1].cumsum()[::-1][1:], dtype=float)


def _loglik(y: Array, mean: Array, alpha: float) -> float:
    above = _above(y)
    j = np.arange(len(above))
    constant = float(above @ np.log1p(j))  # Σ log y!
    product = float(above @ np.log1p(alpha * j))
    return _height(y, np.log(mean), alpha) + product - constant


def _slopes(y: Array, mean: Array, above: Array, alpha: float) -> tuple[float, float]:
    """Return the first and second derivative of the log likelihood in α."""
    j = np.arange(len(above)) / (1 + alpha * np.arange(len(above)))
    x = alpha * mean
    keep = 1 / (1 + x)
    small = x < _SMALL
    a, b = np.empty_like(x), np.empty_like(x)
    a[small] = np.polynomial.polynomial.polyval(x[small], _SERIES)
    b[small] = np.polynomial.polynomial.polyval(x[small], _SLOPES)
    large, kept = x[~small], keep[~small]
    log = np.log1p(large)
    a[~small] = (log / large - kept) / large
    b[~small] = ((2 * kept - 2 * log / large) / large + kept**2) / large
    square = mean**2
    first = float(above @ j) + _sums.inner(square, a) - _sums.inner(mean * y, keep)
    second = -float(above @ j**2) + _sums.inner(square * mean, b)
    return first, second + _sums.inner(square * y, keep**2)


def _best_alpha(y: Array, mean: Array, above: Array, alpha: float) -> float:
    """Return the α that is likeliest with these means; 0 if the likelihood falls from there."""
    if (_sums.inner(y - mean, y - mean) - float(y.sum())) <= 0:  # twice the slope at 0
        return 0.0
    low, high = 0.0, math.inf
    if alpha <= 0:
        alpha = (_sums.inner(y - mean, y - mean) - float(y.sum())) / _sums.inner(mean, mean)
    for _ in range(_STEPS):
        first, second = _slopes(y, mean, above, alpha)
        low, high = (alpha, high) if first > 0 else (low, alpha)
        # Newton's step for log α, which cannot leave the positive numbers.
        curve = alpha * second + first
        step = -first / curve if curve < 0 else math.copysign(1.0, first)
        trial = alpha * math.exp(max(-2.0, min(2.0, step)))
        if abs(trial - alpha) <= 1e-11 * alpha:
            return trial
        if not low < trial < high:
            trial = math.sqrt(low * high) if low > 0 and math.isfinite(high) else (low + high) / 2
        if trial > _LARGEST_ALPHA:
            raise DesignError(
                "nearly all rows count nothing and a few count very many, so that no negative "
                'binomial model fits. Use method="poisson" with its robust variance.'
            )
        alpha = trial
    return alpha


def refuse_no_event(x: Array, y: Array, names: Sequence[str]) -> None:
    """Refuse columns that tell people without any event apart: their rate has no maximum.

    That is so if some direction is 0 wherever there are events, never above 0 elsewhere, and
    somewhere below.
    """
    size = np.abs(x).max(axis=0)
    some = x[y > 0] / size
    values, vectors = np.linalg.eigh(some.T @ some)
    spare = vectors[:, values < 1e-10 * max(values[-1], 1e-300)]
    if not spare.shape[1]:
        return
    rest = (x[y == 0] / size) @ spare
    # Few distinct rows remain: most columns are 0 or 1.
    rest = np.unique(np.round(rest, 12), axis=0)
    found = optimize.linprog(rest.sum(axis=0), A_ub=rest, b_ub=np.zeros(len(rest)), bounds=(-1, 1))
    if found.status != 0 or float(found.fun or 0.0) > -1e-7:
        return
    direction = np.abs(spare @ found.x)
    guilty = [
        name
        for name, part in zip(names, direction, strict=True)
        if part > 1e-8 * direction.max() and name != "Intercept"
    ]
    shown = readable(guilty, names, len(y))
    raise DesignError(
        f"rows that {', '.join(shown[:8])}{' …' if len(shown) > 8 else ''} tell apart hold no "
        "event at all, so their rate would be 0 and its logarithm does not exist. Merge small "
        "levels, use fewer covariates, or leave those rows out knowingly."
    )


# Variances


def scores(fit: CountFit, x: Array, groups: Codes | None, *, reduced: bool) -> Array:
    """Return each cluster's (or row's) sum of scores.

    With `reduced`, as Mancl and DeRouen correct them: residuals of a cluster are divided by
    one minus its leverage, here in the form Σx′(I − H)⁻¹r = (I − A·B)⁻¹Σx′r with A the
    cluster's information and B the bread.
    """
    own = fit.pull[:, None] * x
    sums = own if groups is None else cluster_sums(own, groups)
    if not reduced:
        return sums
    rest = np.eye(x.shape[1]) - information_by_cluster(fit, x, groups) @ fit.bread
    if (np.abs(np.linalg.det(rest)) < 1e-9).any():
        raise DesignError(
            "one person (or cluster) alone decides a coefficient, so its variance cannot be known. "
            "Merge small levels, or use fewer covariates."
        )
    return np.asarray(np.linalg.solve(rest, sums[:, :, None])[:, :, 0])


def information_by_cluster(fit: CountFit, x: Array, groups: Codes | None) -> Array:
    """Return X′WX of every cluster, or row."""
    k = x.shape[1]
    count = len(x) if groups is None else int(groups.max()) + 1
    found = np.empty((count, k, k))
    for i in range(k):
        for j in range(i, k):
            part = fit.weight * x[:, i] * x[:, j]
            if groups is not None:
                part = np.bincount(groups, weights=part, minlength=count).astype(float)
            found[:, i, j] = found[:, j, i] = part
    return found


def sandwich(fit: CountFit, x: Array, groups: Codes | None, *, reduced: bool) -> Array:
    """Return the robust covariance of the coefficients: B·Σss′·B.

    Multiplied by G/(G − 1), as ``vcovCL`` of R ``sandwich`` does, unless `reduced`.
    """
    s = scores(fit, x, groups, reduced=reduced)
    # One cluster alone has no variance: there will be no degrees of freedom to use it with.
    factor = 1.0 if reduced else len(s) / max(len(s) - 1, 1)
    return np.asarray(fit.bread @ (s.T @ s) @ fit.bread) * factor


def pearson(fit: CountFit, y: Array) -> float:
    """Return Pearson's dispersion: 1 for Poisson counts."""
    spare = len(y) - len(fit.coefficients)
    return float(((y - fit.fitted) ** 2 / fit.fitted).sum() / spare)


def law(fit: CountFit, x: Array, groups: Codes | None, gradient: Array, arm: Flags) -> Effect:
    """Return the t distribution of a robust contrast: Satterthwaite's degrees of freedom.

    A cluster makes up ``v = Σ w(x′B·gradient)²`` of the variance under the working model, and
    clusters are worth (Σv)²/Σv² equal ones. Where each lies in one arm, the arms' degrees of
    freedom are joined as Welch joins them; else they are what clusters are worth − 1.
    """
    v = fit.weight * _sums.times(x, fit.bread @ gradient) ** 2
    codes = np.arange(len(v)) if groups is None else groups
    count = int(codes.max()) + 1
    inside = np.bincount(codes, weights=v * arm, minlength=count)
    outside = np.bincount(codes, weights=v * ~arm, minlength=count)
    seen = np.bincount(codes, weights=arm, minlength=count)
    nested = bool(((seen == 0) | (seen == np.bincount(codes, minlength=count))).all())
    if not nested or not inside.sum() or not outside.sum():
        both = inside + outside
        worth = float(both.sum() ** 2 / (both**2).sum())
        df = worth - 1
    else:
        shares = [part.sum() for part in (inside, outside)]
        worths = [float(part.sum() ** 2 / (part**2).sum()) for part in (inside, outside)]
        worth = sum(worths)
        if min(worths) <= 1 + 1e-9:
            df = 0.0
        else:
            spread = sum(s**2 / (w - 1) for s, w in zip(shares, worths, strict=True))
            df = float(sum(shares) ** 2 / spread)
    if worth <= 1 + 1e-9 or df <= 0:
        return Effect(df=0.0, clusters=count, worth=worth)
    return Effect(df=max(df, 1.0), clusters=count, worth=worth)


def overdispersion(y: Array, fitted: Array, leverage: Array) -> tuple[float, float]:
    """Return the score test of Poisson against negative binomial counts, and its one-sided P.

    Dean and Lawless (1989), adjusted for the fitted coefficients:
    ``Σ[(y − μ)² − y + hμ]/√(2Σμ²)``.
    """
    top = float(((y - fitted) ** 2 - y + leverage * fitted).sum())
    z = top / math.sqrt(2 * float((fitted**2).sum()))
    return z, float(special.ndtr(-z))
