"""How likely a study of some size is to see an effect, and how large it must be to see one.

Two-sided tests; what would be seen on the wrong side is not counted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special, stats

from drive_eval.models import _intervals

if TYPE_CHECKING:
    from collections.abc import Callable

#: Pairs up to which every table is added up instead of the normal approximation.
ENUMERATED = 400


def paired_power(n: float, changed: float, fall: float, alpha: float) -> float:
    """Return the power of McNemar's test by the normal approximation (Miettinen 1968).

    `changed` is the share of pairs that change at all, `fall` the net share that stops.
    """
    spread = math.sqrt(max(changed - fall**2, 0.0))
    z = float(special.ndtri(1 - alpha / 2))
    reach = math.sqrt(n) * fall - z * math.sqrt(changed)
    if spread == 0:
        return 1.0 if reach > 0 else 0.0
    return float(special.ndtr(reach / spread))


def paired_power_exact(n: int, changed: float, fall: float, alpha: float) -> float:
    """Return the power of McNemar's mid-P test by adding up all tables in which more stop."""
    total = np.arange(1, n + 1)
    weight = stats.binom.pmf(total, n, changed)
    stop = (changed + fall) / 2 / changed if changed else 0.5
    power = 0.0
    for m, w in zip(total, weight, strict=True):
        if w < 1e-15:
            continue
        few = np.arange((m + 1) // 2)  # of the smaller side, fewer than half
        clear = _intervals.mcnemar_mid_p(before_only=m - few, after_only=few) <= alpha
        power += w * float(stats.binom.pmf(few[clear], m, 1 - stop).sum())
    return power


def two_arm_power(n1: float, n0: float, risk: float, fall: float, alpha: float) -> float:
    """Return the power of the test of two proportions, as R's ``power.prop.test`` has it.

    `risk` is that of the comparison, `fall` what the programme takes off it. Unequal arms as in
    Fleiss, Tytun and Ury (1980), without a correction for continuity.
    """
    p1, p0 = risk - fall, risk
    pooled = (n1 * p1 + n0 * p0) / (n1 + n0)
    null = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
    real = math.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0)
    reach = fall - float(special.ndtri(1 - alpha / 2)) * null
    if real == 0:
        return 1.0 if reach > 0 else 0.0
    return float(special.ndtr(reach / real))


def smallest(power: Callable[[float], float], most: float, wanted: float) -> float | None:
    """Return the smallest fall that is seen with the wanted power; None if none is."""
    if power(most) < wanted:
        return None
    grid = np.linspace(0.0, most, 201)[1:]
    first = next(i for i, fall in enumerate(grid) if power(float(fall)) >= wanted)
    low = float(grid[first - 1]) if first else 0.0
    return float(
        optimize.brentq(lambda fall: power(fall) - wanted, low, float(grid[first]), xtol=1e-12)
    )


def size(power: Callable[[float], float], wanted: float) -> int | None:
    """Return the smallest size that has the wanted power; None beyond a hundred million."""
    high = 2.0
    while power(high) < wanted:
        high *= 2
        if high > 1e8:
            return None
    low = 1.0 if high == 2.0 else high / 2
    while high - low > 0.25:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= wanted else (middle, high)
    whole = max(math.floor(low), 1)
    while power(whole) < wanted:
        whole += 1
    return whole
