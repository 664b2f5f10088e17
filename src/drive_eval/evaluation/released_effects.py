"""Effects of matched and weighted comparisons, worked out again from rounded counts.

Whoever knows what is released of a design knows the rounded number of cases and of those with
the outcome in each arm, and a design effect to the next quarter. Everything else follows.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any

from scipy import special

from drive_eval.evaluation.controlled import quarter
from drive_eval.models import prepost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.evaluation.released_arms import Arm
    from drive_eval.results import Estimate

__all__ = ["effects"]

_ARMS = {"risk_treated": "programme", "risk_comparison": "comparison"}
_SCOPE = re.compile(r"over [^,]+")


def effects(found: Mapping[str, Estimate], arms: Mapping[str, Arm]) -> tuple[Estimate, ...]:
    """What follows of a design's effects from its released arms?

    Parameters
    ----------
    found : mapping of measure to Estimate
        Exact; only standard errors are read from it, and rounded up to a quarter of the
        variance that as many independent people would give.
    arms : mapping of group to Arm
        Neither with nobody nor with everybody having the outcome.

    Returns
    -------
    tuple of Estimate
        In the order of `found`.
    """
    one, two = arms["programme"], arms["comparison"]
    base = max(one.base, two.base)
    risks = (one.risk, two.risk)
    exact = tuple(float(found[m].estimate or 0.0) for m in _ARMS)
    ahead = _spreads(exact, (max(one.exact_n, 2), max(two.exact_n, 2)))
    after = _spreads(risks, (one.n, two.n))
    points = {
        "risk_difference": risks[0] - risks[1],
        "risk_ratio": risks[0] / risks[1],
        "odds_ratio": risks[0] * (1 - risks[1]) / (risks[1] * (1 - risks[0])),
    }
    released: dict[str, Estimate] = {}
    for measure, e in found.items():
        behind = "risk_ratio" if measure == "percent_reduction" else measure
        size = _design_effect(found[behind], ahead[behind])
        df = min(one.n, two.n) - 1
        bare = dataclasses.replace(
            e,
            std_error=None,
            p_value=None,
            method=_method(e.method, size, base),
            **_counts(e, arms),
        )
        if measure in _ARMS:
            arm = arms[_ARMS[measure]]
            released[measure] = _risk(bare, arm, size, df)
        else:
            error = None if size is None else math.sqrt(size * after[behind])
            released[measure] = _contrast(bare, points[behind], error, df)
    return tuple(released.values())


def _counts(e: Estimate, arms: Mapping[str, Arm]) -> dict[str, Any]:
    here = arms[e.group or "programme"]
    there = arms["comparison"]
    found: dict[str, Any] = {"n": here.n, "n_events": here.events if here.counted else None}
    other = e.measure not in _ARMS
    found["n_reference"] = there.n if other else None
    found["n_events_reference"] = there.events if other and there.counted else None
    return found


def _spreads(risks: tuple[float, ...], sizes: tuple[int, int]) -> dict[str, float]:
    """Return the variance of each measure, ratios on the log scale, of independent people."""
    (one, two), (n, m) = risks, sizes
    v, w = one * (1 - one) / (n - 1), two * (1 - two) / (m - 1)
    odds = (one * (1 - one), two * (1 - two))
    return {
        "risk_treated": v,
        "risk_comparison": w,
        "risk_difference": v + w,
        "risk_ratio": _over(v, one**2) + _over(w, two**2),
        "odds_ratio": _over(v, odds[0] ** 2) + _over(w, odds[1] ** 2),
    }


def _over(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else math.inf


def _design_effect(e: Estimate, spread: float) -> float | None:
    """Return how much wider an interval is than that of independent people, to the next quarter."""
    if e.std_error is None or not 0 < spread < math.inf:
        return None
    return quarter(e.std_error**2 / spread)


def _risk(e: Estimate, arm: Arm, size: float | None, df: int) -> Estimate:
    share = prepost.proportion(
        events=arm.events,
        n=arm.n,
        conf_level=e.conf_level,
        design_effect=size or 1.0,
        df=df,
    ).one(measure="proportion")
    known = size is not None
    return dataclasses.replace(
        e,
        estimate=share.estimate,
        conf_low=share.conf_low if known else None,
        conf_high=share.conf_high if known else None,
    )


def _contrast(e: Estimate, point: float, error: float | None, df: int) -> Estimate:
    ratio = e.measure != "risk_difference"
    centre = math.log(point) if ratio else point
    low = high = p = None
    if error is not None:
        reach = float(special.stdtrit(df, 0.5 + e.conf_level / 2)) * error
        low, high = centre - reach, centre + reach
        low, high = (math.exp(low), math.exp(high)) if ratio else (max(low, -1.0), min(high, 1.0))
        p = float(2 * special.stdtr(df, -abs(centre) / error))
    if e.measure == "percent_reduction":
        # Positive means less, so the limits change places.
        point = 100 * (1 - point)
        if low is not None and high is not None:
            low, high = 100 * (1 - high), 100 * (1 - low)
    return dataclasses.replace(e, estimate=point, conf_low=low, conf_high=high, p_value=p)


def _method(method: str, size: float | None, base: int) -> str:
    counts = f"counts rounded to {base}" if base > 1 else "counts"
    parts = [method.partition(",")[0], f"worked out again from {counts}"]
    if size is not None and size > 1:
        parts.append(f"design effect {size:g}")
    scope = _SCOPE.search(method)
    return ", ".join([*parts, *([scope.group()] if scope else [])])
