"""Warnings of bias as they may be released: what may be wrong, and of how many in words at most.

A check of an exact result holds counts and dates of persons. Whoever reads what was released
must be warned all the same, so each warning is said anew without them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from drive_eval.evaluation.released_curves import FEWEST_PEOPLE
from drive_eval.measures import offending

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drive_eval.disclosure import Policy
    from drive_eval.results import Check, CountTable, ResultSet

__all__ = ["FOR_THE_GATE", "part_of", "warnings_of"]

#: Checks that only the gate looks at; none of them ever leaves it.
FOR_THE_GATE = (
    "covariate_cells",
    "design_cells",
    "largest_cluster",
    "missing_cells",
    "most_events",
    "without_outcome",
)
#: Checks whose text holds no count.
_PLAIN = ("estimand", "custody_as", "custody", "recording_force", "conditions_on_earlier_events")
#: The share of people up to which they are few, and that up to which they are some.
_FEW, _SOME = 0.1, 0.5
_CHANGE = (
    "{part} of the time compared lies on both sides of a change in how crime was recorded "
    "({date}: {label}). Part of a change in recorded incidents may be this; compare arms over the "
    "same dates."
)
_GAP = (
    "{part} of the time compared lies in a gap of police recording ({date}: {label}). Part of a "
    "change in recorded incidents may be this; compare arms over the same dates."
)
_CLOCKS = (
    "The arms have different clocks: in one the index date is more often the day on which the "
    "work began, in the other it is earlier, and the time before a start is time in which nobody "
    "of that arm can have dropped out (immortal time). Take the same index date in both, such as "
    "the referral."
)
_CLOCKS_UNKNOWN = (
    "Whether both groups have the same clock is not said of groups this small: look at whether "
    "their index dates are the same event, such as the referral."
)
_INDEX = {
    True: "Left out of the months before: events on the index date, those in the days before it "
    "that the plan leaves out, and those that are named as the index incident.",
    False: "Events on the index date are counted as before it: what led to the referral makes a "
    "fall with no programme at all.",
}
#: Warnings that rest on a number of people.
_OF_PEOPLE = {
    "follow_up": "{part} of the people compared are followed for less than the whole time; what "
    "happened to them later is not known.",
    "history": "For {part} of the people compared the extract begins later than the months before "
    "the index date that are looked at; what was recorded earlier is not known.",
}
#: Warnings that rest on a number of records, which may all be one person's.
_OF_RECORDS = {
    "after_end": "Some events are dated after the person had died, moved away or left the "
    "extract, and are not counted: look at these dates.",
    "custody_open": "Some custody spells have no end although later ones follow, so they were "
    "probably never closed: look at their end dates.",
    "events_in_custody": "Some events are dated inside a custody spell: look at these dates.",
}


def warnings_of(result: ResultSet, tables: Iterable[CountTable], rules: Policy) -> list[Check]:
    """Which checks of an exact result may be read, and as what?

    Parameters
    ----------
    result : ResultSet
        Exact.
    tables : iterable of CountTable
        Released; among them how following ended.
    rules : Policy
        Where nobody is told from a few, a warning that a few people make is not given.

    Returns
    -------
    list of Check
        Without statistics; `passed` is that of the exact check, or False for a warning.
    """
    ended = next(t for t in tables if t.name.startswith("followed:"))
    arms = dict.fromkeys(cell.key[0] for cell in ended.cells)
    exact = result.table(ended.name)
    everyone = sum(exact[arm, "all"] or 0 for arm in arms)
    large = len(arms) > 1 and all((ended[arm, "all"] or 0) >= FEWEST_PEOPLE for arm in arms)
    found = []
    for check in result.checks:
        text = ""
        if check.name in _PLAIN and not any(c.isdigit() for c in check.text):
            found.append(check)
        elif check.name == "index_incident" and check.passed is not None:
            text = _INDEX[check.passed]
        elif check.name == "clocks" and check.passed is not None:
            if not large:
                found.append(_bare(check, _CLOCKS_UNKNOWN, passed=None))
            elif not check.passed:
                text = _CLOCKS
        elif check.name == "recording_change" and _told(check, rules):
            text = _change(check, part_of(check.statistic, everyone, rules))
        elif check.name in _OF_PEOPLE and _told(check, rules):
            part = part_of(check.statistic, everyone, rules)
            words = _OF_PEOPLE[check.name].format(part=part.lower())
            text = words[:1].upper() + words[1:]
        elif check.name in _OF_RECORDS and check.passed is False and not rules.suppress_zero:
            text = _OF_RECORDS[check.name]
        if text:
            found.append(_bare(check, text, passed=check.name == "index_incident" and check.passed))
    return found


def part_of(count: float | None, everyone: int, rules: Policy) -> str:
    """Say what part of all people so many are, in steps that are wide and hold no extreme.

    A policy that does not round shows counts beside it, so there no step is named.

    Examples
    --------
    >>> from drive_eval.disclosure import POLICIES
    >>> [part_of(n, 200, POLICIES["opensafely"]) for n in (1, 20, 21, 101, 200)]
    ['A small part', 'A small part', 'Some', 'Most', 'Most']
    >>> part_of(21, 200, POLICIES["ons_acro"])
    'Part'
    """
    if count is None or not everyone or rules.round_to <= 1:
        return "Part"
    if count <= max(_FEW * everyone, rules.suppress_up_to):
        return "A small part"
    return "Some" if count <= _SOME * everyone else "Most"


def _told(check: Check, rules: Policy) -> bool:
    """Tell whether a warning is given; where zero is hidden, it may not be told from a few."""
    if rules.suppress_zero:
        return (check.statistic or 0) > rules.suppress_up_to
    return check.passed is False


def _change(check: Check, part: str) -> str:
    changes = offending.recording_changes()
    known = changes[changes["code"] == check.group]
    if known.empty:
        return ""
    row = known.iloc[0]
    words = _GAP if row["to_date"] else _CHANGE
    return words.format(part=part, date=row["from_date"], label=row["label"])


def _bare(check: Check, text: str, *, passed: bool | None) -> Check:
    return dataclasses.replace(
        check, text=text, passed=passed, statistic=None, threshold=None, df=None, p_value=None
    )
