"""A few areas, each allocated as a whole: rearrange them, or draw their residuals anew.

A sandwich from fewer than ten clusters is far too narrow. What can be said rests on the
clusters' own totals: had the programme done nothing, any of them might have had it, and the
observed contrast is one of a known number of arrangements.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from drive_eval.errors import DesignError, did_you_mean
from drive_eval.models._risks import Number
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Callable

    from drive_eval.models._regression import Array, Flags

Few: TypeAlias = Literal["permutation", "wild_bootstrap"]

MOST = 20_000  # arrangements that are all worked through
DRAWS = 9_999  # of a random sample of them, or of the bootstrap
_TIE = 1e-9  # contrasts that differ by less than this part of their size are equal
# Webb's six points: mean 0, variance 1, and enough of them for a few clusters.
_WEBB = np.array([-math.sqrt(1.5), -1.0, -math.sqrt(0.5), math.sqrt(0.5), 1.0, math.sqrt(1.5)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrasts:
    """The averages of both arms, their contrasts, and how these were made.

    Attributes
    ----------
    points : (float, float)
        Programme, comparison.
    difference : Number
    ratio : Number or None
    method : str
    checks : tuple of Check
    """

    points: tuple[float, float]
    difference: Number
    ratio: Number | None
    method: str
    checks: tuple[Check, ...]


def contrasts(
    *,
    weights: Array,
    sums: Array,
    treated: Flags,
    ratio: bool,
    conf_level: float,
    few: Few,
    rng: np.random.Generator | None,
) -> Contrasts:
    """Compare whole clusters by what each adds up to.

    Parameters
    ----------
    weights, sums : array, one value a cluster
        Sum of the weights, and of weight times outcome.
    treated : array of bool
        Clusters that had the programme.
    ratio : bool
        Whether the ratio of the averages is wanted too.
    conf_level : float
    few : {'permutation', 'wild_bootstrap'}
    rng : numpy Generator
        Needed for the bootstrap, and for more than 20,000 arrangements.
    """
    if few not in get_args(Few):
        raise DesignError(f'few="{few}" is not known.{did_you_mean(str(few), get_args(Few))}')
    p1 = float(sums[treated].sum() / weights[treated].sum())
    p0 = float(sums[~treated].sum() / weights[~treated].sum())
    count, inside = len(weights), int(treated.sum())
    defined = p1 > 0 and p0 > 0
    checks = [
        Check(
            name="clusters",
            passed=False,
            statistic=count,
            text=f"{count} clusters were allocated, each as a whole ({inside} to the programme): "
            "too few for a sandwich, which would give intervals that are far too narrow.",
        )
    ]
    if few == "permutation":
        labels, exact = arrangements(treated, rng)
        method = f"{'all' if exact else 'a random sample of'} {len(labels):,} arrangements of the "
        method += f"{count} clusters"
        difference = shift(weights, sums, treated, labels, conf_level)
        scaled = scale(weights, sums, treated, labels, conf_level) if ratio and defined else None
        checks.append(_permutation_check(len(labels), difference, conf_level))
    else:
        if rng is None:
            raise DesignError(
                "the wild bootstrap draws at random: give rng=np.random.default_rng(seed), and "
                "keep the seed with the analysis."
            )
        draws = _WEBB[rng.integers(0, len(_WEBB), size=(DRAWS, count))]
        method = f"wild cluster bootstrap ({DRAWS:,} draws of Webb weights, null imposed)"
        difference = _bootstrapped(weights, sums, treated, draws, conf_level, scaled=False)
        scaled = None
        if ratio and defined:
            scaled = _bootstrapped(weights, sums, treated, draws, conf_level, scaled=True)
        checks.append(_bootstrap_check(count, inside))
    unlimited = [
        name
        for name, number in (("difference", difference), ("ratio", scaled))
        if number is not None and number.low is None
    ]
    if unlimited:
        checks.append(_no_limits(unlimited, count, conf_level, difference))
    if ratio:
        checks.append(
            Check(
                name="odds_ratio_no_interval",
                text="the odds ratio of a few clusters has no interval: no shift or scaling of "
                "the clusters' rates corresponds to it.",
            )
        )
        if scaled is None:
            scaled = Number(estimate=p1 / p0 if p0 > 0 else None)
            text = (
                "nobody in the comparison group had the outcome, so the ratio has no point and no "
                "interval."
                if p0 == 0
                else "nobody in the programme had the outcome; scaling by clusters gives no "
                "interval for the ratio."
            )
            checks.append(Check(name="risk_ratio_undefined", text=text))
            if p0 == 0:
                checks.append(Check(name="odds_ratio_undefined", text=text))
        elif p1 == 1:
            text = "everybody in the programme had the outcome, so the odds ratio has no point."
            checks.append(Check(name="odds_ratio_undefined", text=text))
    checks.append(
        Check(
            name="arms_no_interval",
            text="each arm's own average stands without an interval: it rests on a few clusters "
            "only, and rearranging them says nothing of it.",
        )
    )
    return Contrasts(
        points=(p1, p0),
        difference=difference,
        ratio=scaled,
        method=method,
        checks=tuple(checks),
    )


def _permutation_check(count: int, difference: Number, conf_level: float) -> Check:
    return Check(
        name="permutation",
        p_value=difference.p_value,
        statistic=count,
        text=f"{count:,} arrangements of which clusters had the programme were compared with the "
        "one that was. This takes the clusters to be exchangeable: that any of them might as well "
        "have been allocated, as by a lottery. Where the areas were chosen, or wanted to take "
        "part, the P value says only how unusual the observed contrast is among arrangements.",
    )


def _bootstrap_check(count: int, inside: int) -> Check:
    return Check(
        name="wild_bootstrap",
        statistic=count,
        text="residuals of whole clusters were given random signs and sizes, as if there were no "
        "effect. This takes the clusters to be independent and the errors of each to be as likely "
        "up as down, and is rough with so few"
        + (
            "; with fewer than three clusters in an arm it is not to be relied on."
            if min(inside, count - inside) < 3
            else "."
        ),
    )


def _no_limits(names: list[str], count: int, conf_level: float, difference: Number) -> Check:
    smallest = "" if difference.p_value is None else f" (P here {difference.p_value:.3g})"
    return Check(
        name="no_interval",
        passed=False,
        text=f"no {100 * conf_level:g}% interval for the {' and the '.join(names)}: {count} "
        "clusters give too few arrangements, or differ too much, for any effect to be ruled "
        f"out at this level{smallest}.",
    )


# Permutation


def arrangements(treated: Flags, rng: np.random.Generator | None) -> tuple[Flags, bool]:
    """Return which clusters have the programme in each arrangement; the observed one is first.

    All of them, or a random sample where they are more than `MOST`.
    """
    count, inside = len(treated), int(treated.sum())
    if math.comb(count, inside) <= MOST:
        chosen = np.array(list(itertools.combinations(range(count), inside)))
        labels = np.zeros((len(chosen), count), dtype=bool)
        labels[np.arange(len(chosen))[:, None], chosen] = True
        seen = (labels == treated).all(axis=1)
        return np.vstack([labels[seen], labels[~seen]]), True
    if rng is None:
        raise DesignError(
            f"{count} clusters can be arranged in {math.comb(count, inside):,} ways, and a random "
            f"sample of {DRAWS:,} is drawn: give rng=np.random.default_rng(seed), and keep the "
            "seed with the analysis."
        )
    order = np.argsort(rng.random((DRAWS, count)), axis=1)
    return np.vstack([treated, order < inside]), False


def shift(weights: Array, sums: Array, treated: Flags, labels: Flags, conf_level: float) -> Number:
    """Test a difference that is the same in every cluster, by all arrangements.

    With the outcome of the programme's clusters moved back by δ, arrangement L has the contrast
    a − δb, and the observed one has Δ − δ. As |b| ≤ 1, L is at least as far from nothing on one
    interval around Δ: where (Δ − δ)² ≤ (a − bδ)².
    """
    share = _shares(weights, labels)
    a = share @ sums
    b = share @ (weights * treated)
    point = float(a[0])
    size = max(1e-300, float(np.abs(a).max()))
    p_value = float((np.abs(a) >= abs(point) - _TIE * size).mean())
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.column_stack([(point - a) / (1 - b), (point + a) / (1 + b)])
    always = np.abs(b) > 1 - 1e-12
    lows = np.where(always, -np.inf, np.nan_to_num(roots).min(axis=1))
    highs = np.where(always, np.inf, np.nan_to_num(roots).max(axis=1))
    low, high = _inner(lows, highs, point, conf_level)
    if not math.isfinite(high - low):
        return Number(estimate=point, p_value=p_value)
    return Number(estimate=point, low=low, high=high, p_value=p_value)


def scale(weights: Array, sums: Array, treated: Flags, labels: Flags, conf_level: float) -> Number:
    """Test a ratio that is the same in every cluster, by all arrangements.

    With the outcome of the programme's clusters divided by θ, the observed log ratio moves by
    exactly −log θ and that of any arrangement by less, so that again each arrangement is at
    least as far from nothing on one interval around the point.
    """
    w1 = labels @ weights
    w0 = weights.sum() - w1
    x1, x0 = labels @ (sums * treated), labels @ (sums * ~treated)
    rest1, rest0 = (sums * treated).sum() - x1, (sums * ~treated).sum() - x0
    p1, p0 = x1[0] / w1[0], rest0[0] / w0[0]
    point = float(p1 / p0)
    observed = abs(math.log(point))
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.abs(np.log((x1 + x0) / w1) - np.log((rest1 + rest0) / w0))
    p_value = float((far >= observed - _TIE * max(1.0, observed)).mean())
    # In u = 1/θ: (u·x1 + x0)·w0·p0 = (u·rest1 + rest0)·w1·p1·u, and its mirror image.
    one = _root(-rest1 * w1 * p1, x1 * w0 * p0 - rest0 * w1 * p1, x0 * w0 * p0)
    other = _root(x1 * w0 * p1, x0 * w0 * p1 - rest1 * w1 * p0, -rest0 * w1 * p0)
    roots = np.column_stack([one, other])
    mirror = (labels == treated).all(axis=1) | (labels == ~treated).all(axis=1)
    always = mirror | ((x1 == 0) & (x0 == 0)) | ((rest1 == 0) & (rest0 == 0))
    centre = 1 / point
    lows = np.where(always, 0.0, np.minimum(roots.min(axis=1), centre))
    highs = np.where(always, np.inf, np.maximum(roots.max(axis=1), centre))
    low, high = _inner(lows, highs, centre, conf_level)
    if low <= 0 and high == math.inf:
        return Number(estimate=point, p_value=p_value)
    return Number(
        estimate=point,
        low=1 / high,  # 0 or infinity where the interval is open on one side
        high=1 / low if low > 0 else math.inf,
        p_value=p_value,
    )


def _shares(weights: Array, labels: Flags) -> Array:
    """Return by what sums are multiplied to give each arrangement's contrast."""
    inside = labels @ weights
    return np.where(labels, 1 / inside[:, None], -1 / (weights.sum() - inside)[:, None])


def _root(a: Array, b: Array, c: Array) -> Array:
    """Return the positive root of au² + bu + c, whose a and c have opposite signs; 0 or ∞ too."""
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))
        # The sum that does not cancel.
        found = np.where(
            b * np.sign(a) > 0,
            -2 * c / (b + np.where(b > 0, middle, -middle)),
            (-b + np.sign(a) * middle) / (2 * a),
        )
        straight = np.where(b != 0, -c / b, np.inf)
    found = np.where(a == 0, straight, found)
    return np.where(np.isfinite(found) & (found >= 0), found, np.inf)


def _inner(lows: Array, highs: Array, point: float, conf_level: float) -> tuple[float, float]:
    """Return where as many arrangements as the level allows have been left behind.

    A value is kept while more than a share α of the intervals hold it.
    """
    spare = math.floor((1 - conf_level) * len(lows) + 1e-9)
    low = float(np.sort(lows)[spare])
    high = float(np.sort(highs)[::-1][spare])
    return min(low, point), max(high, point)


# Wild cluster bootstrap


def _bootstrapped(
    weights: Array,
    sums: Array,
    treated: Flags,
    draws: Array,
    conf_level: float,
    *,
    scaled: bool,
) -> Number:
    """Test effects by residuals of whole clusters under the null, studentised; invert the test."""
    w1, w0 = weights[treated].sum(), weights[~treated].sum()
    p1, p0 = float(sums[treated].sum() / w1), float(sums[~treated].sum() / w0)
    count = len(weights)
    correction = count / (count - 1)

    def spread(totals: Array) -> Array:
        """Return the error of the difference of the arms' averages, from cluster totals."""
        mean1 = totals[..., treated].sum(axis=-1, keepdims=True) / w1
        mean0 = totals[..., ~treated].sum(axis=-1, keepdims=True) / w0
        left1 = (totals[..., treated] - weights[treated] * mean1) / w1
        left0 = (totals[..., ~treated] - weights[~treated] * mean0) / w0
        found = (left1**2).sum(axis=-1) + (left0**2).sum(axis=-1)
        return np.asarray(np.sqrt(correction * found))

    def p_value(effect: float) -> float:
        null = np.where(treated, sums * math.exp(-effect), sums)
        if not scaled:
            null = sums - effect * treated * weights
        error = float(spread(null))
        apart = float(null[treated].sum() / w1 - null[~treated].sum() / w0)
        residuals = null - weights * null.sum() / weights.sum()
        totals = draws * residuals
        drawn = totals[:, treated].sum(axis=1) / w1 - totals[:, ~treated].sum(axis=1) / w0
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(drawn / spread(totals))
        at_least = np.nan_to_num(t, nan=0.0, posinf=np.inf) >= abs(apart) / error * (1 - _TIE)
        return float((1 + at_least.sum()) / (1 + len(t)))

    point = math.log(p1 / p0) if scaled else p1 - p0
    back = math.exp if scaled else float
    error = float(spread(np.where(treated, sums * (p0 / p1), sums) if scaled else sums))
    if error <= 1e-12 * max(abs(p1), abs(p0), 1e-300):
        return Number(estimate=back(point))
    step = error / (p0 if scaled else 1.0)
    limits = [_edge(p_value, point, sign * step, 1 - conf_level) for sign in (-1, 1)]
    low, high = limits
    if low is None or high is None:
        low = high = None
    return Number(
        estimate=back(point),
        low=None if low is None else back(low),
        high=None if high is None else back(high),
        p_value=p_value(0.0),
    )


def _edge(
    p_value: Callable[[float], float], point: float, step: float, alpha: float
) -> float | None:
    """Walk from the point until the test rejects, then halve; None if it never does."""
    inside, outside = point, point + 2 * step
    for _ in range(8):
        if p_value(outside) <= alpha:
            break
        inside, outside = outside, point + 2 * (outside - point)
    else:
        return None
    for _ in range(30):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if p_value(middle) > alpha else (inside, middle)
    return inside
