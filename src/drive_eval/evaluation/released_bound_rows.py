"""Rows and sentences of bounds that hold whatever the exact counts behind the released ones are."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from drive_eval.evaluation.controlled import without_numbers
from drive_eval.evaluation.released_bounds import (
    differences,
    falls,
    least_optimism,
    least_optimism_between,
    least_tipping,
    lee_ends,
    outward,
)
from drive_eval.evaluation.rival_question import number
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.evaluation.released_bounds import Ends, Reach, Side
    from drive_eval.evaluation.rival_question import Asked
    from drive_eval.results import Estimate

__all__ = [
    "bounded_difference",
    "bounded_fall",
    "bounded_optimism",
    "bounded_optimism_between",
    "bounded_tipping",
]

WIDEST = "; the widest that the counts shown allow"
AT_LEAST = "; the least that the counts shown allow"
_WIDER = (
    "How many were not rated a second time is not shown, so this is the worst that any number "
    "hidden could make it."
)
_WIDER_BETWEEN = (
    "How many were not rated is not shown of every group, so this is the worst that any number "
    "hidden could make it."
)
_COUNTS = ("n", "n_events", "n_reference", "n_events_reference")
_PERCENT = "percent_reduction"
_CASES = ("worst case", "best case")


def _with(e: Estimate, ends: Ends, *, most: bool | None) -> Estimate:
    """Return a row at one end, or with the interval around both; rounded outwards."""
    low, high = ends.low, ends.high
    if most is not None:
        # The limit that counts is the one farther out; the other is that of the same counts.
        low, high = (ends.low_of_most, high) if most else (low, ends.high_of_least)
    point = ends.most if most else ends.least
    digits, up = 3, bool(most)
    if e.measure == _PERCENT:
        # A larger ratio is a smaller fall.
        digits, up = 0, not most
        point, low, high = 100 * (1 - point), 100 * (1 - high), 100 * (1 - low)
    value = None if most is None else outward(point, up=up, digits=digits)
    none: dict[str, Any] = dict.fromkeys(_COUNTS)
    return dataclasses.replace(
        e,
        estimate=value,
        conf_low=outward(low, up=False, digits=digits),
        conf_high=outward(high, up=True, digits=digits),
        method=e.method + WIDEST,
        **none,
    )


# One arm


def bounded_fall(
    asked: Asked, found: ResultSet, reach: Reach, group: str, *, hidden: bool
) -> ResultSet | None:
    """Put bounds that hold for all counts in the place of those of one table.

    Parameters
    ----------
    asked : Asked
    found : ResultSet
        From `drive_eval.evaluation.rival_behaviours.missing`, of released counts.
    reach : Reach
    group : str
    hidden : bool
        Whether how many were lost is hidden.

    Returns
    -------
    ResultSet or None
        None where there may have been no user before. The Check ``bounds_wider`` says where the
        bounds are wider because a number is hidden.
    """
    ends = falls(reach, conf_level=asked.level)
    if ends is None:
        return None
    rows = []
    for e in found.estimates:
        name = e.term.partition(" (")[0]
        measure = "risk_ratio" if e.measure == _PERCENT else e.measure
        if name in _CASES:
            rows.append(_with(e, ends[name, measure], most=name == "worst case"))
        elif name == "range":
            both = ends["worst case", measure].joined(ends["best case", measure])
            rows.append(_with(e, both, most=None))
        elif name == "as observed" or not hidden:
            rows.append(e)
        else:
            rows.append(without_numbers(e))
    fall = {e.term.partition(" (")[0]: e.estimate for e in rows if e.measure == _PERCENT}
    worst, best = fall["worst case"] or 0.0, fall["best case"] or 0.0
    why = (
        "How many have no second measure is not shown. Whatever became of them, "
        if hidden
        else "Counts are rounded. Whatever became of those without a second measure, "
    )
    sentence = asked.said("missing", why + _said(worst, best), group=group, statistic=worst)
    # Other checks count who was lost in the one table that was tried.
    checks: list[Check] = [sentence]
    if hidden:
        outcome = str(asked.labels["outcome"])
        checks.append(Check(name="bounds_wider", outcome=outcome, group=group, text=_WIDER))
    checks += [c for c in found.checks if c.name == "missing: not measured before"]
    return dataclasses.replace(found, estimates=tuple(rows), checks=tuple(checks))


def _said(worst: float, best: float) -> str:
    if worst >= 0:
        return f"the fall is at least {number(worst)} % and at most {number(best)} %."
    if best >= 0:
        return (
            f"there is at worst a rise of {number(-worst)} % and at best a fall of "
            f"{number(best)} %."
        )
    return f"the rise is at most {number(-worst)} % and at least {number(-best)} %."


def bounded_tipping(asked: Asked, found: ResultSet, reach: Reach, group: str) -> ResultSet:
    """Give the smallest share of the lost that might undo a fall, whatever the counts are.

    Parameters
    ----------
    asked, reach, group
        As in `bounded_fall`.
    found : ResultSet
        From `drive_eval.evaluation.rival_behaviours.tipping`, of released counts.

    Returns
    -------
    ResultSet
    """
    least = least_tipping(reach, conf_level=asked.level)
    none: dict[str, Any] = dict.fromkeys(_COUNTS)
    rows, share = [], None
    for e in found.estimates:
        if e.measure == "share_observed":
            share = e.estimate
            rows.append(dataclasses.replace(e, n_events=None))
        else:
            new: dict[str, Any] = {"estimate": least[e.term], "method": e.method + AT_LEAST}
            rows.append(dataclasses.replace(e, **new, **none))
    names = {"rival:tipping": "point", "tipping: tipping_interval": "interval"}
    checks = []
    for c in found.checks:
        if c.name not in names:
            continue
        value = least[names[c.name]]
        text = _tips(names[c.name], value, share, 100 * asked.level)
        passed = True if value is None else None
        checks.append(dataclasses.replace(c, passed=passed, statistic=value, text=text))
    return dataclasses.replace(found, estimates=tuple(rows), checks=tuple(checks))


def _tips(term: str, percent: float | None, share: float | None, level: float) -> str:
    point = term == "point"
    if percent is None:
        return (
            f"The fall would {'remain' if point else 'be clear'} even if everybody without a "
            "second measure showed the behaviour."
        )
    if percent == 0:
        nothing = "a fall to undo" if point else f"a clear fall (at {level:g} %)"
        return f"Counts are rounded, and with some that look the same there is not {nothing}."
    what = "vanish" if point else f"no longer be clear (at {level:g} %)"
    text = (
        f"The fall would {what} only if at least {number(percent)} % of those without a second "
        "measure showed the behaviour"
    )
    return f"{text}; among those with one it was {number(share)} %."


def bounded_optimism(asked: Asked, found: ResultSet, reach: Reach) -> ResultSet:
    """Give the smallest over-optimism of records that might undo a fall, whatever the counts are.

    Parameters
    ----------
    asked, reach
        As in `bounded_fall`.
    found : ResultSet
        From `drive_eval.evaluation.rival_behaviours.misreported`, of released counts.

    Returns
    -------
    ResultSet
    """
    still = "those who still showed the behaviour were recorded as having stopped"
    least = least_optimism(reach, conf_level=asked.level)
    return _optimistic(asked, found, least, "The fall", still)


def _optimistic(
    asked: Asked, found: ResultSet, least: Mapping[str, float], fall: str, still: str
) -> ResultSet:
    none: dict[str, Any] = dict.fromkeys(_COUNTS)

    def smaller(value: float | None, term: str) -> float | None:
        return None if value is None else min(least[term], value)

    rows = tuple(
        dataclasses.replace(
            e, estimate=smaller(e.estimate, e.term), method=e.method + AT_LEAST, **none
        )
        if e.measure == "over_optimism"
        else e
        for e in found.estimates
    )
    checks = []
    for c in found.checks:
        about = c.name.removeprefix("rival:").rpartition(": ")[2]
        term = "interval" if about.endswith("interval") else "point"
        if c.statistic is None or not (
            about.startswith("over_optimism") or about.endswith("misreporting")
        ):
            checks.append(c)
            continue
        percent = smaller(c.statistic, term) or 0.0
        at = f" (at {100 * asked.level:g} %)"
        what = "vanish" if term == "point" else f"no longer be clear{at}"
        text = f"{fall} would {what} only if at least {number(percent)} % of {still}."
        if not percent:
            clear = "there" if term == "point" else f"clear{at}"
            text = f"{fall} may not be {clear} even if every record is right."
        passed = None if percent else False
        checks.append(dataclasses.replace(c, text=text, statistic=percent, passed=passed))
    return dataclasses.replace(found, estimates=rows, checks=tuple(checks))


# Two arms


def bounded_optimism_between(
    asked: Asked, found: ResultSet, one: Side, other: Side, *, at_the_end: bool
) -> ResultSet:
    """As `bounded_optimism`, of the difference between the arms.

    Parameters
    ----------
    asked : Asked
    found : ResultSet
        From `drive_eval.evaluation.rival_contrasts.differential`, of released counts.
    one, other : Side
        The programme and the comparison.
    at_the_end : bool
        Whether the outcome has a before, which is left aside here.

    Returns
    -------
    ResultSet
    """
    least = least_optimism_between(one, other, conf_level=asked.level)
    fall = "The difference at the end only" if at_the_end else "The difference"
    still = "programme cases who showed the behaviour were recorded as not doing so"
    return _optimistic(asked, found, least, fall, still)


def bounded_difference(
    asked: Asked, found: ResultSet, one: Side, other: Side, *, hidden: bool, at_the_end: bool
) -> ResultSet | None:
    """Put bounds of the difference that hold for all counts in the place of those of one table.

    Parameters
    ----------
    asked, one, other, at_the_end
        As in `bounded_optimism_between`.
    found : ResultSet
        From `drive_eval.evaluation.rival_contrasts.lee`, of released counts.
    hidden : bool
        Whether how many were not measured is hidden in an arm.

    Returns
    -------
    ResultSet or None
        None where an arm may be empty.
    """
    ends = differences(one, other, conf_level=asked.level)
    if ends is None:
        return None
    lower, upper = lee_ends(one, other)
    lee = {
        "Lee lower": outward(lower, up=False, digits=3),
        "Lee upper": outward(upper, up=True, digits=3),
    }
    none: dict[str, Any] = dict.fromkeys((*_COUNTS, "conf_low", "conf_high", "std_error"))
    rows = []
    for e in found.estimates:
        if e.term in _CASES:
            rows.append(_with(e, ends[e.term], most=e.term == "worst case"))
        elif e.term == "range":
            rows.append(_with(e, ends["worst case"].joined(ends["best case"]), most=None))
        elif e.term in lee:
            row = dataclasses.replace(e, **none)
            rows.append(dataclasses.replace(row, estimate=lee[e.term], method=e.method + WIDEST))
        elif e.term == "Lee range":
            rows.append(without_numbers(e))
        else:
            rows.append(e)
    best, worst, low, high = (
        number(outward(100 * value, up=up, digits=0))
        for value, up in (
            (ends["best case"].least, False),
            (ends["worst case"].most, True),
            (lower, False),
            (upper, True),
        )
    )
    seen = next((e.estimate for e in found.estimates if e.term == "as observed"), None)
    why = (
        "How many were not measured is not shown of every group."
        if hidden
        else "Counts are rounded."
    )
    text = (
        f"{why} Programme minus comparison{' at the end only' if at_the_end else ''} is "
        f"{number(None if seen is None else 100 * seen)} in a hundred among those measured; "
        f"whatever the others were like it is no less than {best} and no more than {worst}, and "
        f"no less than {low} and no more than {high} if the programme changes who is measured in "
        "one direction only."
    )
    statistic = next(e.estimate for e in rows if e.term == "worst case")
    checks = [asked.said("missing", text, statistic=statistic)]
    if hidden:
        outcome = str(asked.labels["outcome"])
        checks.append(Check(name="bounds_wider", outcome=outcome, text=_WIDER_BETWEEN))
    return dataclasses.replace(found, estimates=tuple(rows), checks=tuple(checks))
