"""How many victim-survivors stand behind the figures, whom an IDVA supported and who has children.

They are not the people whom every other table counts, so they are counted by themselves: each
once in an arm, however many cases they are linked to. How many children there are is not counted.
`children_n` says it of each victim-survivor, and two of one case may speak of the same child.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from drive_eval import disclosure
from drive_eval.results import CountTable
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from drive_eval.data.study import Study
    from drive_eval.disclosure import Policy
    from drive_eval.results import CellStatus

    Key = tuple[str, ...]

__all__ = ["LINKED", "is_victims", "release_victims", "victims_reasons", "victims_tables"]

#: The line of every victim-survivor of an arm.
LINKED = "linked to a case"
NOT_RECORDED = "not recorded"
#: Of each table: its column of victim_survivors, its title, and the words of yes and no.
DIVISIONS = {
    "victims:idva": (
        "idva_supported",
        "Victim-survivors linked to the cases, and whom an IDVA supported",
        ("supported by an IDVA", "not supported by an IDVA"),
    ),
    "victims:children": (
        "children_n",
        "Victim-survivors linked to the cases, and who has children in their care",
        ("with children in their care", "without children in their care"),
    ),
}


def is_victims(table: CountTable) -> bool:
    """Say whether a table counts victim-survivors."""
    return table.name in DIVISIONS


def victims_tables(study: Study, units: pd.DataFrame) -> tuple[CountTable, ...]:
    """Count each arm's victim-survivors: whom an IDVA supported, and who has children.

    Parameters
    ----------
    study : Study
    units : DataFrame
        From `cohort_units`; only victim-survivors of these cases are counted.

    Returns
    -------
    tuple of CountTable
        ``victims:idva`` and ``victims:children``, dimensions ``group`` and ``line``. Atoms are
        disjoint: one who was supported in any case of the arm is supported, and one with
        children in any is with children. Of whom support is not recorded goes with those not
        supported. Exact; none without the table victim_survivors, and none of a column that is
        not there.
    """
    links = study.tables.get("victim_survivors")
    if links is None or links.empty:
        return ()
    arms = units[["case_id", "group"]].drop_duplicates()
    here = links.merge(arms, on="case_id", how="inner")
    found = [arm for arm in ARMS.codes if (here["group"] == arm).any()]
    if not found:
        return ()
    perpetrators = units.assign(own=_people(units)).groupby("group")["own"].nunique()
    made = []
    for name, (column, title, words) in DIVISIONS.items():
        if column not in here:
            continue
        said = here[column] if column == "idva_supported" else here[column] > 0
        # Yes in any case is yes; else no in any is no.
        rank = said.astype("boolean").astype("Int64").fillna(-1).astype(int)
        each = rank.groupby([here["group"].astype(str), here["victim_survivor_id"]]).max()
        lines = dict(zip((*words, NOT_RECORDED), (1, 0, -1), strict=True))
        recorded = bool((each >= 0).all())
        if recorded or name == "victims:idva":
            del lines[NOT_RECORDED]  # that a column is filled in says nothing of anybody
        if not recorded and name == "victims:idva":
            # Whom an IDVA rated, she supports. With a third line that would bound the other two.
            each = each.clip(lower=0)
            lines = {words[0]: 1, f"{words[1]}, or {NOT_RECORDED}": 0}
        counts: dict[Key, int] = {}
        totals: dict[Key, list[Key]] = {}
        people: dict[Key, int] = {}
        for arm in found:
            values = each[each.index.get_level_values(0) == arm]
            counts |= {(arm, line): int((values == value).sum()) for line, value in lines.items()}
            totals[arm, LINKED] = [(arm, line) for line in lines]
            # Forty victim-survivors of three perpetrators are three families.
            if perpetrators[arm] < len(values):
                people[arm, LINKED] = int(perpetrators[arm])
        made.append(
            CountTable.from_counts(
                name=name,
                title=title,
                unit="victim-survivor",
                dimensions=("group", "line"),
                counts=counts,
                totals=totals,
                people=people,
                note="Each victim-survivor is counted once in an arm.",
            )
        )
    return tuple(made)


def _people(units: pd.DataFrame) -> pd.Series[Any]:
    return units["perpetrator_id"] if "perpetrator_id" in units else units["unit_id"]


def release_victims(
    tables: Sequence[CountTable], flow: CountTable, rules: Policy
) -> tuple[CountTable, ...]:
    """What of these counts may be read by others?

    Parameters
    ----------
    tables : sequence of CountTable
        From `victims_tables`.
    flow : CountTable
        Exact, from `flow_table`: how many are in the cohort.
    rules : Policy

    Returns
    -------
    tuple of CountTable
        The same tables; nobody is hidden like few, and an arm of which nothing may be shown has
        no cells.

    Notes
    -----
    **Assumptions.** A reader knows how many victim-survivors and how many perpetrators an arm
    has, exactly, and that whom an IDVA rated has a victim-survivor whom she supports. The two
    divisions of as many people then say nothing of each other. How many more victim-survivors
    than perpetrators are on record bounds those who are not supported from above, and would
    itself be a count of few; so an arm is left out where they are fewer or a few more. Where they
    are as many, it is not said whom an IDVA supported.
    """
    if not rules.hides_anything and rules.round_to <= 1:
        return tuple(disclosure.control(table, rules) for table in tables)
    strict = dataclasses.replace(rules, suppress_zero=True)
    done = []
    for table in tables:
        more = {
            cell.key[0]: (cell.count or 0) - _cohort(flow, cell.key[0])
            for cell in table.cells
            if cell.key[1] == LINKED
        }
        whole = [arm for arm in more if more[arm] > rules.suppress_up_to]
        alone = [arm for arm in more if more[arm] == 0]
        supported = table.name == "victims:idva"
        kept = _kept(table, whole if supported else whole + alone, alone if supported else [])
        known = [cell.key for cell in kept.cells if cell.key[1] == LINKED]
        if kept.cells:
            kept = _with_linked(disclosure.control(kept, strict, known=known), kept, strict)
        if not supported:  # one number of all is enough: two roundings of it only puzzle
            kept = dataclasses.replace(
                kept, cells=tuple(cell for cell in kept.cells if cell.key[1] != LINKED)
            )
        done.append(dataclasses.replace(kept, policy=rules.name))
    return tuple(done)


def _cohort(flow: CountTable, arm: str) -> int:
    """Return how many units of an arm are in the cohort."""
    return sum(cell.count or 0 for cell in flow.cells if cell.key[0] == arm and not cell.parts)


def _with_linked(done: CountTable, exact: CountTable, rules: Policy) -> CountTable:
    """Show how many are linked wherever they are not few: the gate took it to be known anyway."""
    cells = []
    for shown, cell in zip(done.cells, exact.cells, strict=True):
        fewest = min(n for n in (cell.count, cell.people) if n is not None)
        if shown.key[1] != LINKED or shown.count is not None or fewest <= rules.suppress_up_to:
            cells.append(shown)
            continue
        number = disclosure.safe_number(cell.count or 0, rules)
        status: CellStatus = "rounded" if rules.round_to > 1 else "exact"
        cells.append(dataclasses.replace(shown, count=number, status=status))
    return dataclasses.replace(done, cells=tuple(cells))


def _kept(table: CountTable, whole: Sequence[str], alone: Sequence[str]) -> CountTable:
    """Return the table with some arms whole, and of others how many are linked alone."""
    atoms = [cell for cell in table.cells if not cell.parts and cell.key[0] in whole]
    place = {cell.key: i for i, cell in enumerate(atoms)}
    linked = [cell for cell in table.cells if cell.parts]
    one = [dataclasses.replace(cell, parts=()) for cell in linked if cell.key[0] in alone]
    totals = [
        dataclasses.replace(cell, parts=tuple(place[table.cells[p].key] for p in cell.parts))
        for cell in linked
        if cell.key[0] in whole
    ]
    return dataclasses.replace(table, cells=(*atoms, *one, *totals))


def victims_reasons(before: CountTable, after: CountTable) -> list[dict[str, str]]:
    """Say for the restricted record what is not shown of victim-survivors, and why."""
    there = {cell.key[0] for cell in after.cells}
    left_out = [
        {"table": before.name, "key": arm, "reason": "nearly as many as perpetrators"}
        for arm in dict.fromkeys(cell.key[0] for cell in before.cells)
        if arm not in there
    ]
    return left_out + [
        {
            "table": before.name,
            "key": " / ".join(cell.key),
            "reason": "small count, nobody, or would give one back",
        }
        for cell in after.cells
        if cell.shown and cell.count is None
    ]
