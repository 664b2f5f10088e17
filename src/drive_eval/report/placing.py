"""Where a table stands: on the page and on paper, or in the workbook alone; and its number."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import TYPE_CHECKING, Any

from drive_eval.report.tables import HIDDEN, MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.report.tables import Table

__all__ = ["LONGEST_TABLE", "all_hidden", "hidden_words", "placed", "where_words"]

#: A longer table is for those who check: on paper stands where in the workbook it is.
LONGEST_TABLE = 14
#: Sections whose tables are wanted on paper, however long: who the groups were at the start.
_ON_PAPER = ("start", "comparison")
_NOTHING = {HIDDEN, MISSING, ""}
_NUMBER = re.compile(r"[−<]?\d[\d,.]*%?(?: .*)?")


def placed(sections: Sequence[dict[str, Any]], source: str = "") -> list[dict[str, Any]]:
    """Number the tables as the sheets of the workbook, and put the long ones into the annex.

    Parameters
    ----------
    sections : sequence of dict
        As laid out for the page.
    source : str, optional
        What charts say of where the data come from; the page says it once, at its start.

    Returns
    -------
    list of dict
        Without empty tables.
    """
    count = itertools.count(1)
    made = []
    for section in sections:
        # The order is that of the workbook: what stands before the charts comes first.
        first, rest = (
            [
                dataclasses.replace(
                    table,
                    number=next(count),
                    annex=table.annex
                    or (len(table.rows) > LONGEST_TABLE and section["id"] not in _ON_PAPER),
                )
                for table in section[key]
                if table.rows
            ]
            for key in ("first", "tables")
        )
        drawn = [
            dataclasses.replace(chart, caption=chart.caption.removesuffix(source).rstrip())
            for chart in section["charts"]
        ]
        made.append(section | {"first": first, "tables": rest, "charts": drawn})
    return made


def where_words(table: Table) -> str:
    """Say where the lines of a table are that are not on paper.

    Examples
    --------
    >>> from drive_eval.report.tables import Table
    >>> where_words(Table(caption="All", header=("A",), rows=(("x",), ("y",)), number=3))
    '2 lines: tables.xlsx, sheet Table_3'
    """
    lines = "1 line" if len(table.rows) == 1 else f"{len(table.rows)} lines"
    return f"{lines}: tables.xlsx, sheet Table_{table.number}"


def all_hidden(table: Table) -> bool:
    """Return whether a table has nothing but numbers that may not be shown.

    Examples
    --------
    >>> from drive_eval.report.tables import Table
    >>> rows = (("Physical", "2023", "[c]", "[x]"), ("Sexual", "2024", "[c]", "[c]"))
    >>> heads = ("Type", "Year", "People", "Change")
    >>> all_hidden(Table(caption="T", header=heads, rows=rows))
    False
    >>> rows = tuple((kind, *rest) for kind, _year, *rest in rows)
    >>> all_hidden(Table(caption="T", header=("Type", "People", "Change"), rows=rows))
    True
    """
    columns = list(zip(*table.rows, strict=True))[1:]
    if not any(HIDDEN in column for column in columns):
        return False
    return all(
        set(column) <= _NOTHING
        if HIDDEN in column
        else not any(_NUMBER.fullmatch(text) for text in column)
        for column in columns
    )


def hidden_words(table: Table) -> str:
    """Say in one sentence that a table has no number to show."""
    return (
        f"{table.caption}: none of the numbers is shown, so that nobody can be recognised (few "
        "people, or it would give a small number away). "
        f"{where_words(table)}."
    )
