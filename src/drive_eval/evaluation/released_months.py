"""Rates by month around the index date as they may be released."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from scipy import optimize, special

from drive_eval.evaluation.controlled import quarter
from drive_eval.evaluation.released_curves import beside, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.results import CountTable, Curve, ResultSet

__all__ = ["rates_by_month"]


def rates_by_month(
    result: ResultSet,
    tables: Iterable[CountTable],
    people: Mapping[str, tuple[int, int]],
    rules: Policy,
) -> list[Curve]:
    """Which months' rates follow from the released counts?

    Parameters
    ----------
    result : ResultSet
        Exact.
    tables : iterable of CountTable
        Released; among them that of the months' events.
    people : mapping of group to (int, int)
        How many the arm has, exact and as released; arms without a released number have no rates.
    rules : Policy

    Returns
    -------
    list of Curve
    """
    table = next((t for t in tables if t.name.startswith("monthly:")), None)
    found = []
    for curve in result.curves:
        if table is None or curve.measure != "monthly_rate" or curve.group not in people:
            continue
        found.append(_released(curve, table, people[curve.group], rules))
    return found


def _released(curve: Curve, table: CountTable, people: tuple[int, int], rules: Policy) -> Curve:
    base, tail = unit_of(rules), (1 - curve.conf_level) / 2
    size = max((_worth(*row, tail) for row in _points(curve)), default=1.0)
    rows: list[tuple[float | None, float | None, float | None, int | None, int | None]] = []
    for time, rate, units, events in zip(
        curve.times, curve.estimate, curve.at_risk, curve.events, strict=True
    ):
        count = table[curve.group, f"{time:g}"]
        if count is None or rate is None or units is None or events is None:
            rows.append((None, None, None, None, None))
            continue
        months = beside(1200 * events / rate if rate else units, people[0], people[1], rules)
        followed = beside(units, people[0], people[1], rules)
        if months <= 0 or followed <= 0:
            rows.append((None, None, None, None, None))
            continue
        scale = 1200 / months
        worth = count / size
        low = float(special.gammaincinv(worth, tail)) if count else 0.0
        high = float(special.gammaincinv(worth + 1, 1 - tail))
        rows.append((scale * count, scale * size * low, scale * size * high, followed, count))
    method = f"exact Poisson, worked out again from numbers rounded to {base}"
    if size > 1:
        method += f", design effect {size:g}"
    return dataclasses.replace(
        curve,
        estimate=tuple(row[0] for row in rows),
        conf_low=tuple(row[1] for row in rows),
        conf_high=tuple(row[2] for row in rows),
        at_risk=tuple(row[3] for row in rows),
        events=tuple(row[4] for row in rows),
        censored=(None,) * len(rows),
        policy=rules.name,
        method=method,
    )


def _points(curve: Curve) -> list[tuple[float, float, float]]:
    """Return events and limits of the months that have events."""
    return [
        (events, low, high)
        for events, low, high in zip(curve.events, curve.conf_low, curve.conf_high, strict=True)
        if events and low and high
    ]


def _worth(events: float, low: float, high: float, tail: float) -> float:
    """Return from the limits' ratio how many events are worth one independent one, in quarters."""

    def apart(count: float) -> float:
        ends = special.gammaincinv(count + 1, 1 - tail) / special.gammaincinv(count, tail)
        return float(math.log(ends) - math.log(high / low))

    if apart(events) >= -1e-9:
        return 1.0
    least = max(0.05 * events, 0.05)
    if apart(least) <= 0:
        return quarter(events / least)
    count = float(optimize.brentq(apart, least, events))
    return quarter(events / count)
