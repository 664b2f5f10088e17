"""Rates by month around the index date as they may be released.

Those before it follow from the months' rounded events. Those after it are read off the released
mean numbers of events, so that they are no further numbers about the same people.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from scipy import optimize, special

from drive_eval.evaluation.controlled import quarter
from drive_eval.evaluation.released_curves import FEWEST_PEOPLE, beside, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.evaluation.released_curves import Stairs
    from drive_eval.results import CountTable, Curve, ResultSet

__all__ = ["rates_by_month"]

#: Days of a year, and of a month as they are counted from the index date.
YEAR = 365.25
MONTH = YEAR / 12


def rates_by_month(
    result: ResultSet,
    tables: Iterable[CountTable],
    people: Mapping[str, tuple[int, int]],
    rules: Policy,
    counts: Mapping[str, Stairs] | None = None,
) -> list[Curve]:
    """Which months' rates follow from the released counts?

    Parameters
    ----------
    result : ResultSet
        Exact.
    tables : iterable of CountTable
        Released; among them that of the months' events.
    people : mapping of group to (int, int)
        How many the arm has, exact and as released; arms without a released number, and
        those of few people, have no rates.
    rules : Policy
    counts : mapping of group to Stairs, optional
        Released mean numbers of events of the arms that have them.

    Returns
    -------
    list of Curve
    """
    table = next((t for t in tables if t.name.startswith("monthly:")), None)
    found = []
    for curve in result.curves:
        if table is None or curve.measure != "monthly_rate" or curve.group not in people:
            continue
        if people[curve.group][1] < FEWEST_PEOPLE:
            continue
        steps = (counts or {}).get(curve.group)
        found.append(_released(curve, table, people[curve.group], rules, steps))
    return found


def _released(
    curve: Curve,
    table: CountTable,
    people: tuple[int, int],
    rules: Policy,
    steps: Stairs | None,
) -> Curve:
    base, tail = unit_of(rules), (1 - curve.conf_level) / 2
    size = max((_worth(*row, tail) for row in _points(curve)), default=1.0)
    rows: list[tuple[float | None, float | None, float | None, int | None, int | None]] = []
    for time, rate, highest, units, events in zip(
        curve.times, curve.estimate, curve.conf_high, curve.at_risk, curve.events, strict=True
    ):
        if time > 0:
            rows.append((*_after(steps, time, tail), None, None))
            continue
        count = table[curve.group, f"{time:g}"]
        if count is None or rate is None or units is None or events is None:
            rows.append((None, None, None, None, None))
            continue
        if not rate and not highest:
            rows.append((None, None, None, None, None))
            continue
        # A month without events tells of its time by its upper limit alone: it may be short.
        none_seen = float(special.gammaincinv(1.0, 1 - tail))
        lived = 1200 * events / rate if rate else 1200 * none_seen / (highest or 1.0)
        months = beside(lived, people[0], people[1], rules)
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
    if max(curve.times) > 0 and steps is not None:
        method += ", after the index date from mean numbers of events"
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


def _after(
    steps: Stairs | None, month: float, tail: float
) -> tuple[float | None, float | None, float | None]:
    """Read the rate of a month after the index date off the mean numbers of events.

    Its limits are those of as many events as its days hold of the steps that it lies in: of a
    step that it covers for a third, a third. So it is no surer of a month than the events of one
    month can make it, whether the month is part of a long step or has several short ones.
    """
    first, last = MONTH * (month - 1), MONTH * month
    if steps is None or last > steps.end + MONTH / 2:
        return None, None, None
    last = min(last, steps.end)  # the last month of a year ends a few hours after it
    ends = [steps.at(first), steps.at(last)]
    if ends[0] is None or ends[1] is None:
        return None, None, None
    rate = 100 * YEAR * (ends[1][0] - ends[0][0]) / (last - first)
    begins = (0.0, *steps.times[:-1])
    events = sum(
        n * max(min(b, last) - max(a, first), 0.0) / (b - a)
        for a, b, n in zip(begins, steps.times, steps.events, strict=True)
    )
    if steps.size is None or not events:
        return rate, None, None
    worth = events / steps.size
    low = float(special.gammaincinv(worth, tail)) / worth
    high = float(special.gammaincinv(worth + 1, 1 - tail)) / worth
    return rate, rate * low, rate * high


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
