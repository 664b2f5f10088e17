"""Observed, expected and remaining fall: the numbers, and their words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.models import _resample
from drive_eval.results import Check, Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.models._resample import Array, Method, Resampled

FALLS = ("observed_fall", "expected_fall", "fall_beyond", "share_explained")
HOW = {"bca": "BCa bootstrap", "percentile": "percentile bootstrap"}
MOST_UNDEFINED = 0.01


def falls(before: Array, without: Array, after: Array, *, percent: bool) -> Array:
    """Return the four falls; not a number where one has nothing to fall from."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if percent:
            observed, expected = 100 * (1 - after / before), 100 * (1 - without / before)
            beyond = 100 * (1 - after / without)
        else:
            observed, expected, beyond = before - after, before - without, without - after
        share = np.where(observed > 0, 100 * expected / observed, np.nan)
    return np.column_stack([observed, expected, beyond, share])


def told(
    found: Resampled,
    names: tuple[str, ...],
    labels: Mapping[str, Any],
    n: int,
    method: Method,
    conf_level: float,
) -> tuple[list[Estimate], list[Check]]:
    """Return one estimate a number, and a Check for each that has no interval."""
    limits = _resample.limits(
        found, method=method, conf_level=conf_level, most_undefined=MOST_UNDEFINED
    )
    how = f"{HOW[method]}, {len(found.values)} draws of {found.clusters} clusters"
    estimates, checks = [], []
    for name, point, limit in zip(names, found.point.tolist(), limits, strict=True):
        estimates.append(
            Estimate(
                measure=name,
                estimate=point if np.isfinite(point) else None,
                std_error=limit.std_error,
                conf_low=limit.low,
                conf_high=limit.high,
                conf_level=conf_level,
                n=n,
                method=how,
                **labels,
            )
        )
        checks += no_interval(name, limit.reason, labels["outcome"])
    return estimates, checks


def no_interval(name: str, reason: str, outcome: str) -> list[Check]:
    """Say why a number has no interval, if it has none."""
    if not reason:
        return []
    text = f"{name}: no bootstrap interval, because {reason}."
    if name == "share_explained":
        text += " A share of a fall needs a fall that is there in every resample."
    return [Check(name="interval", passed=False, outcome=outcome, text=text)]


def sentence(found: list[Estimate], source: str, sign: str, outcome: str) -> Check:
    """Set the expected fall beside the observed one, in words."""
    observed, expected, beyond = found[:3]
    text = f"observed fall {_shown(observed, sign)}; expected without the programme, from "
    text += f"{source}, {_shown(expected, sign)}; beyond that {_shown(beyond, sign)}"
    if beyond.conf_low is None or beyond.conf_high is None:
        text += "."
    elif beyond.conf_low > 0:
        text += ": more than was to be expected."
    elif beyond.conf_high < 0:
        text += ": less than was to be expected."
    else:
        text += ": no clear fall beyond what was to be expected."
    return Check(
        name="regression_to_the_mean", statistic=beyond.estimate, outcome=outcome, text=text
    )


def _shown(e: Estimate, sign: str) -> str:
    if e.estimate is None:
        return "not defined"
    if e.conf_low is None or e.conf_high is None:
        return f"{e.estimate:.3g}{sign}"
    return f"{e.estimate:.3g}{sign} ({e.conf_low:.3g} to {e.conf_high:.3g})"
