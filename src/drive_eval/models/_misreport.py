"""What two recorded shares say of the true ones, given how well each was recorded.

Of those who show a behaviour a share `sensitivity` is recorded as doing so, and of the others a
share 1 − `specificity`. A true share is then (recorded + specificity − 1)/(sensitivity +
specificity − 1) (Rogan and Gladen 1978): linear, so limits of the recorded share become limits
of the true one, and the correlation of two shares stays what it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

from drive_eval.errors import DesignError
from drive_eval.models import _arguments, _intervals
from drive_eval.models._risks import Number

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """How well one share was recorded."""

    sensitivity: float = 1.0
    specificity: float = 1.0

    @property
    def slope(self) -> float:
        """What one more true case in a hundred adds to the recorded share."""
        return self.sensitivity + self.specificity - 1

    def true(self, recorded: float) -> float:
        """Return the true share, which lies outside 0 to 1 if the recording cannot be so."""
        return (recorded + self.specificity - 1) / self.slope


def recording(sensitivity: float, specificity: float, where: str) -> Recording:
    """Return how well a share was recorded; recording that says nothing is refused."""
    for value, name in ((sensitivity, "sensitivity"), (specificity, "specificity")):
        _arguments.number(value, f"{name} {where}")
        if not 0 <= value <= 1:
            raise DesignError(
                f"{name} {where} must be a share between 0 and 1, e.g. 0.8, but is {value:g}."
            )
    if sensitivity + specificity <= 1:
        raise DesignError(
            f"sensitivity and specificity {where} add up to {sensitivity + specificity:g}. At 1 or "
            "less, those who show the behaviour are recorded no oftener than those who do not, and "
            "the records say nothing."
        )
    return Recording(sensitivity=float(sensitivity), specificity=float(specificity))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two recorded shares: the second after or of the programme, the first its reference.

    Attributes
    ----------
    x1, n1, x0, n0 : int
    pairs : mapping, or None
        The four counts, if both are of the same people.
    """

    x1: int
    n1: int
    x0: int
    n0: int
    pairs: dict[str, int] | None = None

    @property
    def correlation(self) -> float:
        """Correlation of the two recorded outcomes; 0 for different people."""
        if self.pairs is None:
            return 0.0
        a, c = self.pairs["both"], self.pairs["before_only"]
        b, d = self.pairs["after_only"], self.pairs["neither"]
        spread = math.sqrt(a + b) * math.sqrt(c + d) * math.sqrt(a + c) * math.sqrt(b + d)
        return (a * d - b * c) / spread if spread else 0.0


Corrected = dict[str, Number]


def corrected(
    pair: Pair, one: Recording, reference: Recording, *, critical: float
) -> tuple[Corrected, list[str]]:
    """Return both true shares, their difference and ratio; and which share cannot be so.

    A share that the assumed recording makes impossible is set to the nearest that is possible.
    """
    shares, impossible = [], []
    for x, n, how, name in (
        (pair.x1, pair.n1, one, "second"),
        (pair.x0, pair.n0, reference, "first"),
    ):
        point = how.true(x / n)
        if not -1e-12 <= point <= 1 + 1e-12:
            impossible.append(name)
        low, high = (how.true(limit) for limit in _intervals.wilson(x=x, n=n, critical=critical))
        shares.append(
            Number(
                estimate=_unit(point),
                low=_unit(low),
                high=_unit(high),
                std_error=math.sqrt(x / n * (1 - x / n) / n) / how.slope or None,
                method="Wilson limits, corrected (Rogan–Gladen)",
            )
        )
    after, before = shares
    found = {"after": after, "before": before}
    found["difference"] = _difference(pair, one, reference, after, before, critical)
    found["ratio"] = _ratio(pair, one, reference, after, before, critical)
    return found, impossible


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _difference(
    pair: Pair, one: Recording, reference: Recording, after: Number, before: Number, critical: float
) -> Number:
    exact = one == reference and one.slope == 1
    p1, p0 = float(after.estimate or 0.0), float(before.estimate or 0.0)
    if exact:
        low, high = (
            _intervals.newcombe_difference(
                x1=pair.x1, n1=pair.n1, x0=pair.x0, n0=pair.n0, critical=critical
            )
            if pair.pairs is None
            else _intervals.tango_difference(**pair.pairs, critical=critical)
        )
        method = "Newcombe" if pair.pairs is None else "Tango score"
    else:
        phi = pair.correlation
        down = (p1 - float(after.low or 0.0), float(before.high or 0.0) - p0)
        up = (float(after.high or 0.0) - p1, p0 - float(before.low or 0.0))
        low = max(p1 - p0 - _add(*down, phi), -1.0)
        high = min(p1 - p0 + _add(*up, phi), 1.0)
        method = "square-and-add of corrected Wilson limits"
    return Number(
        estimate=p1 - p0, std_error=None, low=low, high=high, method=f"{method}, Rogan–Gladen"
    )


def _add(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(one**2 - 2 * phi * one * other + other**2, 0.0))


def _ratio(
    pair: Pair, one: Recording, reference: Recording, after: Number, before: Number, critical: float
) -> Number:
    p1, p0 = float(after.estimate or 0.0), float(before.estimate or 0.0)
    if p0 == 0:
        return Number(estimate=None, method="Rogan–Gladen")
    if one.specificity == reference.specificity == 1:
        # Sensitivities alone multiply the recorded ratio, and its score limits with it.
        limits = (
            _intervals.koopman_ratio(
                x1=pair.x1, n1=pair.n1, x0=pair.x0, n0=pair.n0, critical=critical
            )
            if pair.pairs is None
            else _intervals.nam_tang_ratio(**pair.pairs, critical=critical)
        )
        factor = reference.sensitivity / one.sensitivity
        low, high = (limit * factor for limit in limits)
        if abs(p1 / p0 - pair.x1 / pair.n1 / (pair.x0 / pair.n0) * factor) > 1e-12:
            low, high = min(low, p1 / p0), max(high, p1 / p0)  # a share was brought back to 1
        name = "Koopman score" if pair.pairs is None else "Tang/Nam score"
        return Number(
            estimate=p1 / p0, low=low, high=high, method=f"{name} times the sensitivities' ratio"
        )
    low, high = _intervals.mover_ratio(
        estimate_1=p1,
        low_1=float(after.low or 0.0),
        high_1=float(after.high or 0.0),
        estimate_0=p0,
        low_0=float(before.low or 0.0),
        high_0=float(before.high or 0.0),
        correlation=pair.correlation,
    )
    return Number(
        estimate=p1 / p0,
        low=min(float(low), p1 / p0),
        high=max(float(high), p1 / p0),
        method="MOVER of corrected Wilson limits, Rogan–Gladen",
    )


# From which sensitivity on a fall is none


def needed_sensitivity(
    pair: Pair, one: Recording, reference: Recording, *, critical: float | None
) -> float | None:
    """Return the sensitivity of the second share at which the fall is gone, or no longer clear.

    Without `critical` at which the point shows no fall; with it, at which the upper limit of
    the ratio does not. 1 or more if that is so with perfect recording; None if it never is.
    """
    floor = 1 - one.specificity

    def excess(sensitivity: float) -> float:
        trial = replace(one, sensitivity=sensitivity)
        if critical is None:
            return trial.true(pair.x1 / pair.n1) - reference.true(pair.x0 / pair.n0)
        found, _ = corrected(pair, trial, reference, critical=critical)
        number = found["difference"] if found["ratio"].high is None else found["ratio"]
        limit = number.high if number.high is not None else math.inf
        return min(limit, 1e6) - (0.0 if number is found["difference"] else 1.0)

    return _crossing(excess, floor + 1e-9)


def _crossing(excess: Callable[[float], float], low: float) -> float | None:
    """Return where a falling function crosses 0 below 1; 1 if it has not yet, None if never."""
    if excess(1.0) >= 0:
        return 1.0
    if excess(low) < 0:
        return None
    grid = np.linspace(low, 1.0, 17)
    values = [excess(float(s)) for s in grid]
    last = max(i for i, v in enumerate(values) if v >= 0)
    return float(optimize.brentq(excess, grid[last], grid[last + 1], xtol=1e-10))
