"""Tables of times and repeats as they may be released.

How following ended and how many events there were are two tables of the same people, and set
against each other they tell on each other. So each arm's two tables go through the gate as one.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from drive_eval import disclosure
from drive_eval.evaluation.controlled import is_small_group, people_of
from drive_eval.evaluation.released_behaviours import WITHHELD
from drive_eval.evaluation.released_curves import FEWEST_PEOPLE, fewest_events, unit_of
from drive_eval.evaluation.released_rates import enough_incidents, released_incidents
from drive_eval.results import CountTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.results import CellStatus, ResultSet

    Key = tuple[str, ...]

__all__ = ["released_tables", "withheld", "without_numbers_of_events"]

_REPEATS = ("1", "2", "3 to 5", "6 or more")
#: Ways out; beside exact counts neighbours are hidden together, so rare ones stand together.
_WAYS = ("custody", "moved", "death", "not followed", "end")


def released_tables(result: ResultSet, name: str, rules: Policy) -> tuple[CountTable, ...]:
    """What of these tables may be read by others?

    Parameters
    ----------
    result : ResultSet
        Exact.
    name : str
        Of the outcome.
    rules : Policy

    Returns
    -------
    tuple of CountTable
        In the same order. Of months, those in which enough different people had an event and no
        person can have had more than half of the events; numbers of people are withheld. Nothing by
        month of an arm of few people, nor after the index date: together with first events and
        mean numbers of events, months would tell who has several. Of the windows
        before and after likewise, with rounded numbers of people.
    """
    exact = {table.name.removesuffix(f":{name}"): table for table in result.tables}
    followed, repeats = exact["followed"], exact.get("repeats")
    done: dict[str, CountTable | None] = {}
    agree = repeats is not None and _agree(followed, repeats)
    done["followed"], done["repeats"] = _together(followed, repeats if agree else None, rules)
    if "monthly" in exact:
        sizes = {g: (done["followed"] or followed)[g, "all"] for g in _groups(followed)}
        behind = people_of(followed)
        large = {
            g
            for g, n in sizes.items()
            if n is not None and min(n, behind.get((g, "all"), n)) >= FEWEST_PEOPLE
        }
        done["monthly"] = _months(exact["monthly"], exact["monthly_people"], large, rules)
        done["monthly_people"] = withheld(exact["monthly_people"])
    if "incidents" in exact:
        done["incidents"] = released_incidents(
            exact["incidents"], enough_incidents(result, name, rules), rules
        )
    return tuple(done.get(kind) or withheld(table) for kind, table in exact.items())


def without_numbers_of_events(
    tables: tuple[CountTable, ...], name: str, arms: set[str]
) -> tuple[CountTable, ...]:
    """What is left of the released tables where mean numbers of events are released as well?

    Who had one event, two or more would stand beside the mean, and the two would tell how many
    had several early.

    Parameters
    ----------
    tables : tuple of CountTable
        From `released_tables`.
    name : str
        Of the outcome.
    arms : set of str
        Those with released mean numbers of events.

    Returns
    -------
    tuple of CountTable
    """
    done = []
    for table in tables:
        if table.name == f"repeats:{name}":
            cells = tuple(
                dataclasses.replace(c, count=None, status="secondary")
                if c.key[0] in arms and c.key[1] in _REPEATS and c.count is not None
                else c
                for c in table.cells
            )
            done.append(dataclasses.replace(table, cells=cells))
        else:
            done.append(table)
    return tuple(done)


def withheld(table: CountTable) -> CountTable:
    """Return a table of which nothing is released."""
    cells = tuple(
        dataclasses.replace(c, count=None, status="suppressed" if c.shown else "withheld")
        for c in table.cells
    )
    return dataclasses.replace(table, cells=cells, policy=WITHHELD)


def _agree(followed: CountTable, repeats: CountTable) -> bool:
    """Tell whether the people with events in one table are those with an event in the other."""
    return all(
        repeats[group, "all"] == (followed[group, "all"] or 0) - _not_followed(followed, group)
        and sum(repeats[group, word] or 0 for word in _REPEATS) == followed[group, "event"]
        for group in _groups(followed)
    )


def _groups(table: CountTable) -> list[str]:
    return list(dict.fromkeys(cell.key[0] for cell in table.cells))


def _not_followed(table: CountTable, group: str) -> int:
    return table[group, "not followed"] or 0


def _together(
    followed: CountTable, repeats: CountTable | None, rules: Policy
) -> tuple[CountTable, CountTable | None]:
    """Control both tables as one of the same people, arm by arm.

    Beside exact counts those without events are not counted: they are what the others leave.
    """
    first: dict[Key, int | None] = {}
    second: dict[Key, int | None] = {}
    for group in _groups(followed):
        ways = [word for word in _WAYS if (group, word) in {c.key for c in followed.cells}]
        counts: dict[Key, int] = {(word,): followed[group, word] or 0 for word in ways}
        several: list[Key] = [("event",)]
        if repeats is None:
            counts["event",] = followed[group, "event"] or 0
        else:
            several = [(f"{word} events",) for word in _REPEATS]
            counts |= {(f"{word} events",): repeats[group, word] or 0 for word in _REPEATS}
        none: list[Key] = [(word,) for word in ways if word != "not followed"]
        totals: dict[Key, list[Key]] = {}
        if repeats is not None:
            totals["event",] = several
            if rules.round_to > 1:
                totals["0 events",] = none
            totals["followed",] = [*none, *several]
        totals["all",] = list(counts)
        small = is_small_group(followed.cell((group, "all")))
        behind: dict[Key, int] = {
            (word,): n
            for (arm, word), n in people_of(followed).items()
            if arm == group and word != "all"
        }
        several_of = {} if repeats is None else people_of(repeats)
        behind |= {(f"{word} events",): n for (arm, word), n in several_of.items() if arm == group}
        both = CountTable.from_counts(
            name=followed.name,
            title=followed.title,
            unit=followed.unit,
            dimensions=("ended_by",),
            counts=counts,
            totals=totals,
            people=behind,
        )
        controlled = disclosure.control(
            both,
            rules,
            known=[("all",)],
            priority=_priority(both),
            empty=[key for key in (*counts, *totals) if small and _is_outcome(key[0])],
        )
        shown = {cell.key[0]: cell.count for cell in controlled.cells}
        first |= {(group, word): shown[word] for word in (*ways, "event", "all")}
        second |= {(group, word): shown.get(f"{word} events") for word in ("0", *_REPEATS)}
        second[group, "all"] = shown.get("followed")
    done = _filled(followed, first, rules)
    return done, None if repeats is None else _filled(repeats, second, rules)


def _is_outcome(word: str) -> bool:
    """Tell whether a line says what became of somebody, and not only how long it is known."""
    return word in ("event", "custody", "death") or word.endswith(" events")


def _priority(table: CountTable) -> dict[Key, int]:
    """Say what is given up first: ways out, then numbers of events; curves need the totals."""
    last = {"0 events": 4, "followed": 5, "event": 6, "all": 7}
    if ("custody",) in {cell.key for cell in table.cells}:
        last["end"] = 2  # else it is all that can hide who is not followed
    return {
        cell.key: last.get(cell.key[0], 3 if cell.key[0].endswith(" events") else 1)
        for cell in table.cells
    }


def _filled(table: CountTable, counts: Mapping[Key, int | None], rules: Policy) -> CountTable:
    cells = []
    shown: CellStatus = "rounded" if rules.round_to > 1 else "exact"
    for cell in table.cells:
        count = counts[cell.key]
        status: CellStatus = "suppressed" if count is None else shown
        cells.append(dataclasses.replace(cell, count=count, status=status))
    return dataclasses.replace(table, cells=tuple(cells), policy=rules.name)


def _months(events: CountTable, people: CountTable, large: set[str], rules: Policy) -> CountTable:
    """Return the months' events, rounded also beside exact counts: they add up to others.

    Of p people with e events nobody has more than e − p + 1, which is at most half of them if e
    is not above 2 (p − 1).
    """
    base, least = unit_of(rules), fewest_events(rules)
    cells = []
    for cell, different in zip(events.cells, people.cells, strict=True):
        e, p = cell.count or 0, different.count or 0
        count = None
        after = not cell.key[1].startswith("-")
        if after or cell.key[0] not in large:
            pass  # with few people even a month of nobody is about somebody
        elif p >= least and e <= 2 * (p - 1):
            count = base * ((2 * e + base) // (2 * base))
        elif not e and not rules.suppress_zero:
            count = 0
        status: CellStatus = "suppressed" if count is None else "rounded"
        cells.append(dataclasses.replace(cell, count=count, status=status))
    return dataclasses.replace(events, cells=tuple(cells), policy=rules.name)
