"""Every table of the report in one accessible workbook: a sheet a table, numbers as numbers.

Made with gptables after the Analysis Function's guidance on spreadsheets: cover, contents and
notes, one marked table a sheet, no merged, blank or frozen cells, the ends of an interval in
columns of their own, shorthand where there is no number. It holds no digit that the page does
not show, since it is made from the same rows of text.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.report import tables
from drive_eval.report.files import timeless

with warnings.catch_warnings():
    # gptables leaves a file of its own open for a moment when it is imported.
    warnings.simplefilter("ignore", ResourceWarning)
    import gptables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.report.tables import Table
    from drive_eval.results import Evaluation

__all__ = ["SHORTHAND", "tables_workbook"]

#: Shorthand of the Analysis Function, as far as these tables can need it.
SHORTHAND = {
    "[c]": "Confidential: not shown, because too few people are behind it or because it would "
    "give such a number back.",
    "[low]": "Low: above zero, and would be zero at the number of digits shown.",
    "[u]": "Low reliability: not used here; every effect has its interval, which says how "
    "reliable it is.",
    "[x]": "Not available: cannot be worked out; the checks say why.",
    "[z]": "Not applicable: nothing belongs here, or an interval has no end on this side.",
}
NOT_APPLICABLE, LOW = "[z]", "[low]"
_SYMBOL = r"\[(?:c|low|u|x|z)\]"
_NUMBER = r"[−<]?\d[\d,]*(?:\.\d+)?(?:e[−+]?\d+)?"
_VALUE = rf"(?:{_NUMBER}|{_SYMBOL}|no limit|−?no limit|under 1|over 99)"
#: Signs beside a number, which nobody hears read aloud, in words.
_SIGNS = {"%": "percent", "*": "yes"}
#: Cells that hold several numbers, and the columns that they become.
_SPLITS = (
    (rf"({_VALUE}) to ({_VALUE})", ("{0}, lower limit", "{0}, upper limit")),
    (
        rf"({_VALUE}) \(({_VALUE}) to ({_VALUE})\)",
        ("{0}", "{0}, lower limit", "{0}, upper limit"),
    ),
    (rf"({_VALUE})(?: before, | → )({_VALUE})(?: after)?", ("{0}, before", "{0}, after")),
    (
        rf"({_VALUE})(?:, df ({_VALUE}))?(?:, p ({_VALUE}))?",
        ("{0}", "{0}, degrees of freedom", "{0}, p"),
    ),
    (
        rf"({_VALUE})(%?)(\*?)(?: \((?:n = )?({_VALUE})\))?",
        ("{0}", "{0}, unit", "{0}, beyond the limit", "{0}, in brackets"),
    ),
)


def tables_workbook(evaluation: Evaluation, sections: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the tables of the report as an xlsx file.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    sections : sequence of dict
        As laid out for the page; every table in them gets a sheet.

    Returns
    -------
    bytes
        The same for the same results. No formula, no link to elsewhere, no name of a machine.
    """
    shown = [
        (section["heading"], table)
        for section in sections
        for table in (*section["first"], *section["tables"])
        if table.rows
    ]
    source = evaluation.plan["data"]["source"]
    captions = [table.caption for _, table in shown]
    sheets = {
        f"Table_{number}": _sheet(
            number, heading, table, source, alone=captions.count(table.caption) == 1
        )
        for number, (heading, table) in enumerate(shown, start=1)
    }
    about = evaluation.plan["evaluation"]
    written = io.BytesIO()
    with warnings.catch_warnings():
        # No cell refers to a note: the notes are about all tables.
        warnings.filterwarnings("ignore", message="The following notes are not referenced")
        book: Any = gptables.produce_workbook(
            written,
            sheets,
            cover=_cover(evaluation),
            notes_table=_notes(evaluation),
            notesheet_options={"title": "Notes, and shorthand used in the tables"},
            auto_width=False,
            workbook_options={
                "in_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
    for name, sheet in sheets.items():
        _set_widths(book.get_worksheet_by_name(name), sheet.table)
    for name in ("Contents", "Notes"):
        book.get_worksheet_by_name(name).set_column(0, 0, 16)
        book.get_worksheet_by_name(name).set_column(1, 1, 100)
    book.set_properties(
        {
            "title": about["title"],
            "subject": about["question"],
            "author": ", ".join(about["authors"]),
            "category": "Evaluation report",
        }
    )
    book.close()
    return timeless(written.getvalue())


def _cover(evaluation: Evaluation) -> Any:
    plan = evaluation.plan
    about, support = plan["evaluation"], plan["report"]["support"]
    statement = [check.text for check in evaluation.checks if check.name == "disclosure"]
    intro = [
        f"Tables of the evaluation of {about['programme']}.",
        "Each sheet holds one table of the report, in the report's order. The sheet Contents lists "
        "them; the sheet Notes explains the shorthand.",
        "The figures describe groups and must not be used for decisions about any person.",
        *([support] if support else []),
    ]
    facts = [f"{name}: {value}" for name, value in tables.front_box(evaluation)]
    return gptables.Cover(
        title=_plain(about["title"]),
        intro=[_plain(line) for line in intro],
        about=[_plain(line) for line in (*facts, *statement)],
        cover_label="Cover",
        width=95,
    )


def _notes(evaluation: Evaluation) -> pd.DataFrame:
    level = f"{100 * evaluation.plan['design']['conf_level']:g}%"
    lines = [f"{sign} {words}" for sign, words in SHORTHAND.items()]
    lines += [
        f"A {level} interval covers chance alone. Missing people, rosy reports and groups that "
        "were different to begin with are not in it.",
        "Of 100 or per 100: people out of every 100 of those counted.",
        "Negative changes and positive falls mean less abuse.",
    ]
    return pd.DataFrame(
        {"Reference": [str(n) for n in range(len(lines))], "Note text": [_plain(x) for x in lines]}
    )


def _sheet(number: int, heading: str, table: Table, source: str, *, alone: bool) -> Any:
    caption = table.caption if alone else f"{table.caption}. {heading}"
    frame = _frame(table)
    used = [sign for sign in SHORTHAND if frame.isin([sign]).to_numpy().any()]
    legend = [f"Shorthand: {', '.join(used)}; see the sheet Notes."] if used else []
    legend += [_plain(f"Note: {table.note}")] if table.note else []
    return gptables.GPTable(
        table=frame,
        table_name=f"table_{number}",
        title=_plain(f"Table {number}: {caption}"),
        subtitles=[_plain(heading)],
        instructions="This worksheet contains one table.",
        legend=legend,
        source=_plain(f"Source: {source}") if source else None,
        index_columns={2: 0},
    )


def _frame(table: Table) -> pd.DataFrame:
    """Return a table with one number a cell, in columns that each have a name of their own."""
    columns: dict[str, list[Any]] = {}
    for place, head in enumerate(table.header):
        texts = [row[place] for row in table.rows]
        before = table.header[place - 1] if place else ""
        for name, cells in _split(head, texts, before):
            unique, count = name, 2
            while unique in columns:
                unique, count = f"{name} ({count})", count + 1
            columns[unique] = cells
    return pd.DataFrame(columns, dtype=object)


def _split(head: str, texts: list[str], before: str) -> list[tuple[str, list[Any]]]:
    """Return one column as it stands, or the two or three that its numbers need.

    Examples
    --------
    >>> for column in _split("95% interval", ["−3.5 to 2", "[c]"], "Change"):
    ...     print(column)
    ('Change: 95% interval, lower limit', [-3.5, '[c]'])
    ('Change: 95% interval, upper limit', [2, '[c]'])
    >>> _split("p", ["<0.001", ""], "Estimate"), _split("Version", ["2.10", "1.2.3"], "Item")
    ([('p', ['[low]', '[z]'])], [('Version', ['2.10', '1.2.3'])])
    >>> for column in _split("SMD", ["0.12*", "−0.03"], ""):
    ...     print(column)
    ('SMD', [0.12, -0.03])
    ('SMD, beyond the limit', ['yes', '[z]'])
    >>> _split("Programme group", ["67 → 22", "22 → [c]"], "Type of abuse")
    [('Programme group, before', [67, 22]), ('Programme group, after', [22, '[c]'])]
    >>> _split("Comparison group", ["[c] → [c]"], "Programme group")
    [('Comparison group, before', ['[c]']), ('Comparison group, after', ['[c]'])]
    """
    if "interval" in head and all(text in ("", *SHORTHAND) for text in texts):
        hidden = [_value(text) for text in texts]
        return [(f"{before}: {head}, {end} limit", hidden) for end in ("lower", "upper")]
    for pattern, names in _SPLITS:
        found = [re.fullmatch(pattern, text) for text in texts]
        # A number alone is not split; where none of a column is more, it is the column's.
        if not any(match and not _is_value(match[0]) for match in found):
            continue
        # Shorthand alone stands for everything that the cell would hold.
        rows = [
            match.groups(default="") if match and text not in SHORTHAND else (text,) * len(names)
            for match, text in zip(found, texts, strict=True)
        ]
        if all(_is_value(part) or part in _SIGNS for row in rows for part in row):
            # An interval belongs to the number on its left, whose name it then carries.
            owner = f"{before}: {head}" if "interval" in head else head
            return [
                (name.format(owner), [_value(row[i]) for row in rows])
                for i, name in enumerate(names)
                # What is hidden in every cell that has it keeps its column.
                if any(
                    row[i] and text not in SHORTHAND for row, text in zip(rows, texts, strict=True)
                )
            ]
    if all(_is_value(text) for text in texts):
        return [(head, [_value(text) for text in texts])]
    return [(head, [_plain(text) or NOT_APPLICABLE for text in texts])]


def _is_value(text: str) -> bool:
    return not text or re.fullmatch(_VALUE, text) is not None


def _value(text: str) -> Any:
    """Return the number that a text shows, with no digit more; or its shorthand."""
    if not text or "no limit" in text:
        return NOT_APPLICABLE
    if text.startswith(("<", "under")):
        return LOW
    if not re.fullmatch(_NUMBER, text):
        return _SIGNS.get(text, text)
    plain = text.replace(",", "").replace("−", "-")
    return float(plain) if re.search("[.e]", plain) else int(plain)


def _plain(text: str) -> str:
    """Return a text that gptables takes for nothing but text.

    Examples
    --------
    >>> _plain("see [here](site) for $$note$$ A"), _plain("?!")
    ('see [here] (site) for $ $note$ $ A', 'sign ?!')
    """
    text = text.replace("](", "] (").replace("$$", "$ $")
    if text.strip() and not re.search(r"[A-Za-z0-9]", text):
        return f"sign {text}"
    return text.strip()


def _set_widths(sheet: Any, frame: pd.DataFrame) -> None:
    for place, name in enumerate(frame.columns):
        texts = [str(text) for text in frame[name]]
        head = max((len(word) for word in str(name).split()), default=1)
        width = max(head, 9, *[min(len(text), 46) for text in texts]) + 2
        sheet.set_column(place, place, min(1.15 * width, 90))
