"""Limits, curves, values at fixed times and their differences, as results.

A limit that does not exist is None and has a Check that says why. While nobody of an arm had
an event there is no spread to make an interval of; if people count once each, the exact limit
for an event that none of so many had (Clopper–Pearson) takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from drive_eval.models._risks import Number, wald
from drive_eval.results import Check, Curve, Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drive_eval.models._clusters import Effect
    from drive_eval.models._curve_rows import Followed
    from drive_eval.models._curve_tests import Comparison
    from drive_eval.models._curves import Functional, Steps

Array: TypeAlias = NDArray[np.float64]
Limits: TypeAlias = Literal["log-log", "log", "plain"]

NOTHING = 1e-7  # a standard error this small, beside 1 or the estimate, is the root of rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One group's curve; arrays have one value before the first event time and one at each.

    Attributes
    ----------
    steps : Steps
    estimate, variance, low, high : array
        Limits are not-a-number where none exist.
    functional : Functional
    final : bool
        Whether the last value holds for ever, because nobody was left.
    curve : Curve
    """

    steps: Steps
    estimate: Array
    variance: Array
    low: Array
    high: Array
    functional: Functional
    final: bool
    curve: Curve


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How the values of a curve are called, and what every Estimate of them carries.

    Attributes
    ----------
    measure, term, title, nobody : str
        `nobody` completes "nobody in … " for a curve without events.
    kind : {'log-log', 'log', 'plain'}
    top : float
        The largest value there can be.
    method : str
    labels : mapping
        Fields of Estimate.
    contrast : str
        What is set against what; made of the groups' names if empty.
    """

    measure: str
    title: str
    kind: Limits
    method: str
    labels: Mapping[str, Any]
    contrast: str
    term: str = ""
    nobody: str = "had the event"
    top: float = 1.0


def labels(
    outcome: str, unit: str, reporter: str, threshold: str, subgroup: str, *, conf_level: float
) -> dict[str, Any]:
    """Return what every Estimate of one call carries."""
    return {
        "outcome": outcome,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "subgroup": subgroup,
        "conf_level": conf_level,
    }


# Limits


def limits(
    estimate: Array, variance: Array, critical: float | None, kind: Limits, top: float = 1.0
) -> tuple[Array, Array]:
    """Return limits that stay between 0 and `top`; not-a-number where none exist.

    ``"log-log"`` is symmetric for log(−log p), ``"log"`` for log p, ``"plain"`` for p.
    """
    p, error = np.asarray(estimate, dtype=float), np.sqrt(np.asarray(variance, dtype=float))
    there = (p > 0) & (p < top) & (error > NOTHING * np.maximum(p, 1.0))
    if critical is None:
        there &= False
    reach = (critical or 0.0) * np.where(there, error, 0.0)
    some = np.where(there, p, 0.5)
    if kind == "log-log":
        tilt = np.exp(reach / (some * -np.log(some)))
        low, high = some**tilt, some ** (1 / tilt)
    elif kind == "log":
        low, high = some * np.exp(-reach / some), np.minimum(some * np.exp(reach / some), top)
    else:
        low, high = np.maximum(some - reach, 0.0), np.minimum(some + reach, top)
    return np.where(there, low, np.nan), np.where(there, high, np.nan)


def _varies(variance: float, estimate: float) -> bool:
    return variance > (NOTHING * max(abs(estimate), 1.0)) ** 2


def rarest(followers: Array | float, conf_level: float) -> Array:
    """Return how common an event may be that none of so many people had (Clopper–Pearson)."""
    n = np.asarray(followers, dtype=float)
    found = -np.expm1(np.log((1 - conf_level) / 2) / np.maximum(n, 1.0))
    return np.where(n >= 1, found, np.nan)


# Curves


def draw(
    followed: Followed,
    g: int,
    steps: Steps,
    estimate: Array,
    variance: Array,
    functional: Functional,
    said: Said,
    times: Sequence[float],
    *,
    own: Array,
    other: Array | None = None,
    final: bool = False,
    repeated: bool = False,
) -> Line:
    """Return one group's curve at its event times, at the times asked for and to its end.

    Parameters
    ----------
    own : array
        Events by cell that the curve is about.
    other : array, optional
        Numbers of events by cell after which the event cannot happen any more; given where
        an exact limit may stand in while there was no event.
    final : bool
        Whether the last value holds for ever, because nobody was left.
    repeated : bool
        Whether people are followed on after an event.
    """
    critical = followed.effects[g].critical(said.labels["conf_level"])
    low, high = limits(estimate, variance, critical, said.kind, said.top)
    wanted = [t for t in times if steps.begin < t <= steps.end]
    grid = np.unique(np.concatenate([[steps.begin, steps.end], steps.times, wanted]))
    where = np.searchsorted(steps.times, grid, side="right")
    before = np.searchsorted(steps.times, grid, side="left")
    at_event = where > before
    happened, at_risk = np.zeros(len(grid)), np.zeros(len(grid))
    happened[at_event] = own[where[at_event] - 1]
    at_risk[at_event] = steps.at_risk[where[at_event] - 1]
    for j in np.flatnonzero(~at_event):
        at_risk[j] = steps.followed(float(grid[j]))
    first = slice(None) if steps.start is None else steps.start == steps.begin
    at_risk[0] = steps.weights[first].sum()

    points, lower, upper = estimate[where], low[where], high[where]
    start = estimate[0]
    if other is not None and followed.independent and steps.start is None:
        known = np.concatenate([[0.0], np.cumsum(other)])[before]
        away = rarest(at_risk + known, said.labels["conf_level"])
        none_yet = points == start
        lower = np.where(none_yet, np.minimum(start, np.abs(start - away)), lower)
        upper = np.where(none_yet, np.maximum(start, np.abs(start - away)), upper)
    lower[0] = upper[0] = start  # known, not estimated
    shown = Curve(
        name=said.measure,
        title=said.title,
        measure=said.measure,
        times=tuple(grid.tolist()),
        estimate=tuple(points.tolist()),
        conf_low=_plain(lower),
        conf_high=_plain(upper),
        at_risk=_counts(at_risk, followed),
        events=_counts(happened, followed),
        censored=_counts(_lost(steps, grid, repeated=repeated), followed),
        time_unit=followed.unit,
        outcome=said.labels["outcome"],
        group=followed.levels[g],
        term=said.term,
        unit=said.labels["unit"],
        conf_level=said.labels["conf_level"],
        method=said.method,
    )
    return Line(
        steps=steps,
        estimate=estimate,
        variance=variance,
        low=low,
        high=high,
        functional=functional,
        final=final,
        curve=shown,
    )


def _plain(values: Array) -> tuple[float | None, ...]:
    found = values.astype(object)
    found[np.isnan(values)] = None
    return tuple(found.tolist())


def _counts(values: Array, followed: Followed) -> tuple[float, ...]:
    if followed.weights is None:
        return tuple(np.rint(values).astype(np.int64).tolist())
    return tuple(values.tolist())


def _lost(steps: Steps, grid: Array, *, repeated: bool) -> Array:
    """Return the weight that left between the grid time before and just before each grid time.

    So at risk is what was at risk at the time before, less its events (unless they may be
    `repeated`, and do not end the following) and less these; and more, where people come in
    late. A row that stops where another starts is followed on, as far as numbers can tell.
    """
    size = len(grid) + 1  # who is there to the end is lost to nothing
    gone = np.ones(len(steps.stop), dtype=bool) if repeated else steps.cause == 0
    times, change = steps.stop[gone], steps.weights[gone]
    if steps.start is not None:
        later = steps.start > steps.begin
        times = np.concatenate([times, steps.start[later]])
        change = np.concatenate([change, -steps.weights[later]])
        times, which = np.unique(times, return_inverse=True)
        change = np.maximum(np.bincount(which, weights=change, minlength=len(times)), 0.0)
    where = np.searchsorted(grid, times, side="right")
    return np.asarray(np.bincount(where, weights=change, minlength=size)[:-1], dtype=float)


# Values at fixed times


def values(
    followed: Followed,
    lines: Sequence[Line],
    times: Sequence[float],
    said: Said,
    events: Array,
) -> tuple[dict[tuple[int, float], Number], list[Estimate], list[Check]]:
    """Return each group's value at each time: as numbers, as Estimates, and what is missing."""
    numbers, estimates, checks = {}, [], []
    for g, line in enumerate(lines):
        labels = {**said.labels, "group": followed.levels[g], "n": followed.people(g)}
        for time in times:
            found, why = _value(followed, g, line, followed.near(time), said)
            numbers[g, time] = found
            estimates.append(
                found.named(
                    said.measure,
                    {
                        **labels,
                        "term": said.term,
                        "time": time,
                        "time_unit": followed.unit,
                        "n_events": followed.events(g, events, followed.near(time)),
                    },
                )
            )
            if why:
                checks.append(
                    Check(
                        name="no_estimate" if found.estimate is None else "no_interval",
                        outcome=said.labels["outcome"],
                        group=followed.levels[g],
                        text=why,
                    )
                )
    return numbers, estimates, checks


def _value(followed: Followed, g: int, line: Line, time: float, said: Said) -> tuple[Number, str]:
    steps, who, when = line.steps, followed.who(g), followed.when(time)
    if time <= steps.begin and steps.begin > 0:
        text = f"Nobody in {who} is followed at {when}: the first row begins at "
        return Number(estimate=None), f"{text}{followed.when(steps.begin)}."
    if time > steps.end and not line.final:
        text = f"Nobody in {who} is followed to {when}: the last row stops at "
        return Number(estimate=None), f"{text}{followed.when(steps.end)}."
    cell = steps.cell(time)
    point, variance = float(line.estimate[cell]), float(line.variance[cell])
    shown = line.curve.times
    place = int(np.searchsorted(shown, min(time, steps.end), side="right")) - 1
    low, high = line.curve.conf_low[place], line.curve.conf_high[place]
    number = Number(
        estimate=point,
        std_error=float(np.sqrt(variance)) if _varies(variance, point) else None,
        low=low,
        high=high,
        method=said.method,
    )
    if low is not None:
        return number, ""
    if point == line.estimate[0]:
        text = f"Nobody in {who} {said.nobody} by {when}, so there is no spread to make an "
        return number, f"{text}interval of."
    if point in (0.0, said.top):
        text = f"By {when} everybody who was still followed in {who} {said.nobody}, so there is no "
        return number, f"{text}spread to make an interval of."
    return number, f"The value of {who} at {when} has no interval: its clusters show no spread."


def covariances(
    followed: Followed, lines: Sequence[Line], time: float, numbers: Sequence[Number]
) -> Array:
    """Return the covariance of the groups' values at a time; 0 for a value that is unknown."""
    cells = [line.steps.cell(time) for line in lines]
    variances = [float(line.variance[cell]) for line, cell in zip(lines, cells, strict=True)]
    if followed.spread is None or followed.independent:
        return np.diag(variances)
    found = followed.covariance(
        [line.steps for line in lines], [line.functional for line in lines], cells
    )
    there = np.array([number.estimate is not None for number in numbers])
    return np.asarray(found * np.outer(there, there))


def differences(
    followed: Followed,
    lines: Sequence[Line],
    times: Sequence[float],
    numbers: Mapping[tuple[int, float], Number],
    said: Said,
    events: Array,
) -> tuple[list[Estimate], list[Check]]:
    """Return each group's value less that of the reference, at each time."""
    return _contrasts(followed, lines, times, numbers, said, events, difference, "difference")


def ratios(
    followed: Followed,
    lines: Sequence[Line],
    times: Sequence[float],
    numbers: Mapping[tuple[int, float], Number],
    said: Said,
    events: Array,
) -> tuple[list[Estimate], list[Check]]:
    """Return each group's value divided by that of the reference, at each time."""
    return _contrasts(followed, lines, times, numbers, said, events, ratio, "ratio")


def _contrasts(
    followed: Followed,
    lines: Sequence[Line],
    times: Sequence[float],
    numbers: Mapping[tuple[int, float], Number],
    said: Said,
    events: Array,
    contrast: Callable[..., Number],
    word: str,
) -> tuple[list[Estimate], list[Check]]:
    estimates, checks = [], []
    for time in times:
        own = [numbers[g, time] for g in range(len(lines))]
        spread = covariances(followed, lines, followed.near(time), own)
        for g, r in followed.contrasts():
            found = contrast(
                (own[g], own[r]),
                spread[np.ix_([g, r], [g, r])],
                followed.effect(g, r),
                said.labels["conf_level"],
                f"{said.method}; {word}",
            )
            carried = contrast_labels(followed, g, r, said, events, time)
            estimates.append(found.named(f"{said.measure}_{word}", carried))
            between = f"{followed.who(g)} and {followed.who(r)} at {followed.when(time)}"
            checks += why_open(found, f"{word} of {between}", (own[g], own[r]), said)
    return estimates, checks


def why_open(found: Number, what: str, points: tuple[Number, Number], said: Said) -> list[Check]:
    """Say why a contrast has no value or no interval, if so."""
    if found.low is not None:
        return []
    if found.estimate is not None:
        name, text = "no_interval", "has no interval, because the two show too little spread"
    elif points[0].estimate is not None and points[1].estimate == 0:
        name, text = "no_estimate", "does not exist, because the second is 0"
    else:
        name, text = "no_estimate", "does not exist, because one of the two does not"
    text = f"The {what} {text}."
    return [Check(name=name, outcome=said.labels["outcome"], text=text)]


def difference(
    points: tuple[Number, Number], covariance: Array, effect: Effect, conf_level: float, method: str
) -> Number:
    """Return one estimate less another, with the covariance of the two.

    Where one of them has limits but no spread of its own (nobody had the event), the distances
    from the points to their limits are squared and added (Newcombe's way).
    """
    a, b = points
    if a.estimate is None or b.estimate is None:
        return Number(estimate=None, method=method)
    point = a.estimate - b.estimate
    if a.std_error is not None and b.std_error is not None:
        variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
        if not _varies(variance, max(a.estimate, b.estimate)):
            return Number(estimate=point, method=method)
        return wald(point, float(np.sqrt(max(variance, 0.0))), effect, conf_level, method=method)
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Number(estimate=point, method=method)
    return Number(
        estimate=point,
        low=point - float(np.hypot(a.estimate - a.low, b.high - b.estimate)),
        high=point + float(np.hypot(a.high - a.estimate, b.estimate - b.low)),
        method=f"{method}, distances to the groups' own limits squared and added",
    )


def ratio(
    points: tuple[Number, Number], covariance: Array, effect: Effect, conf_level: float, method: str
) -> Number:
    """Return one estimate divided by another; the standard error is that of its logarithm."""
    a, b = points
    if a.estimate is None or not b.estimate:
        return Number(estimate=None, method=method)
    if not a.estimate or a.std_error is None or b.std_error is None:
        return Number(estimate=a.estimate / b.estimate, method=method)
    slope = np.array([1 / a.estimate, -1 / b.estimate])
    error = float(np.sqrt(max(slope @ covariance @ slope, 0.0)))
    if not _varies(error**2, 1.0):
        return Number(estimate=a.estimate / b.estimate, method=method)
    point = float(np.log(a.estimate / b.estimate))
    return wald(point, error, effect, conf_level, log=True, method=method)


def contrast_labels(
    followed: Followed, g: int, r: int, said: Said, events: Array, time: float
) -> dict[str, Any]:
    """Return what every contrast of two groups at a time carries."""
    near = followed.near(time)
    return {
        **said.labels,
        "group": "",
        "term": said.term,
        "contrast": said.contrast or f"{followed.levels[g]} v {followed.levels[r]}",
        "claim": "associational",
        "time": time,
        "time_unit": followed.unit,
        "n": followed.people(g),
        "n_events": followed.events(g, events, near),
        "n_reference": followed.people(r),
        "n_events_reference": followed.events(r, events, near),
    }


def test_check(name: str, text: str, found: Comparison, effect: Effect, outcome: str) -> Check:
    """Return a test of one curve for all groups; with few clusters P is that of F."""
    p = found.p_value
    if found.statistic is not None and effect.df is not None:
        p = None
        if effect.df >= 1:
            p = float(special.fdtrc(found.df, effect.df, found.statistic / found.df))
        else:
            text += " No P value: a group is one cluster."
    return Check(
        name=name,
        statistic=found.statistic,
        df=float(found.df),
        p_value=p,
        outcome=outcome,
        text=text,
    )


def no_reference(followed: Followed, outcome: str) -> list[Check]:
    """Say that groups are described and not compared, where nobody said with which."""
    if len(followed.levels) == 1 or followed.reference is not None:
        return []
    return [
        Check(
            name="no_reference",
            outcome=outcome,
            text=f"{len(followed.levels)} groups are described and not subtracted: say which "
            f'is the reference, such as reference="{followed.levels[0]}".',
        )
    ]
