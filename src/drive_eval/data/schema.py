"""What every table and column must hold, written once.

`TABLES` and `RULES` are the only place where a column, its type, its unit, its code list or
a rule across tables is stated. `validate` holds an extract to them and reports every fault
at once; `data_dictionary` prints them. A fault names the file, the column, the rule, how
many rows and which, and what to do; it never shows what stands in a row.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from drive_eval.data._cells import EARLIEST, LATEST, Kind, encode, limits, read_column, sentence
from drive_eval.data._rules import breaks
from drive_eval.errors import DataError, did_you_mean
from drive_eval.vocabulary import (
    ABUSE_TYPES,
    ARMS,
    EVENT_SOURCES,
    EXIT_REASONS,
    OUTCOME_STAGES,
    PERCEIVED_CHANGES,
    REPORTERS,
    SEVERITY,
    TIME_POINTS,
    CodeList,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["RULES", "TABLES", "Column", "Rule", "Table", "data_dictionary", "validate"]

Rows = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it holds, in words and for the machine.

    Attributes
    ----------
    name, kind, meaning : str
        ``kind`` is id, date, category, integer, number, boolean or text.
    required : bool
        The column must be in the file.
    filled : bool
        No cell may be blank.
    unit : str
        What a number counts.
    codes : CodeList or None
        The codes that a category may hold; None for any word.
    low, high : float or None
        The range of a number, both ends included.
    """

    name: str
    kind: Kind
    meaning: str
    required: bool = False
    filled: bool = False
    unit: str = ""
    codes: CodeList | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One table: what a row is, its columns, and the key by which its rows are put in order."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    required: bool = False
    may_be_empty: bool = False

    def column(self, name: str) -> Column | None:
        """Return the column of this name, or None."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule that spans columns or tables.

    Attributes
    ----------
    kind : str
        ``unique``: no two rows agree on all columns. ``refers``: the columns together stand
        in the table ``to``. ``order``: the second column, a date, is not before the first.
        ``sequence``: the dates of rows that agree on all columns follow their time points.
        ``never``: no row fits all of ``when``. ``at_most``: the sum of the columns does not
        exceed ``high``.
    table : str
        Where the faulty row stands.
    columns : tuple of str
        The columns of the rule; rows where one is blank are left alone.
    also : tuple of str
        For ``unique`` and ``sequence``: columns that count if they are there, and in which
        a blank is a value like any other.
    to : str
        The other table of ``refers``.
    when : tuple of (column, code)
        For ``never``; an empty code means any value, and a column that the table does not
        have is that of its case.
    high : float
        For ``at_most``.
    holds, fault, fix : str
        What must be true, what is wrong where it is not, and what to do.
    """

    kind: Literal["unique", "refers", "order", "sequence", "never", "at_most"]
    table: str
    columns: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    to: str = ""
    when: tuple[tuple[str, str], ...] = ()
    high: float = 0
    holds: str
    fault: str
    fix: str


# fmt: off
_CASE = Column("case_id", "id", "The enrolment, as named in cases.", True, True)
_PERSON = Column("perpetrator_id", "id", "The person, as named in cases.", True, True)
_JUDGEMENT = (
    _CASE,
    Column("time_point", "category", "When.", True, True, codes=TIME_POINTS),
    Column("reporter", "category", "Whose judgement; never pooled.", True, True, codes=REPORTERS),
)
_ABOUT = (
    Column("victim_survivor_id", "id", "Whom it is about; blank when about the whole case."),
    Column("date", "date", "When the judgement was made."),
)
_DASH: dict[str, Any] = {"unit": "items", "low": 0, "high": 24}

_CASES = Table("cases", "one enrolment of one perpetrator", ("case_id",), (
    Column("case_id", "id", "The enrolment.", True, True),
    Column("perpetrator_id", "id", "The person; the same in every enrolment.", True, True),
    Column("arm", "category", "The service that was received.", True, True, codes=ARMS),
    Column("index_date", "date", "The common time zero of both arms, such as the day of "
           'allocation. May be absent if the plan says `index_date = "not_public"`.', True, True),
    Column("allocated_arm", "category", "The service that was allocated.", codes=ARMS),
    Column("site", "text", "Where the case was held; a code, not an address."),
    Column("referral_date", "date", "When the case was referred."),
    Column("start_date", "date", "When the work began; blank if it never did."),
    Column("exit_date", "date", "When the case closed; blank while it is open."),
    Column("exit_reason", "category", "Why the case closed.", codes=EXIT_REASONS),
    Column("data_end_date", "date", "The last day on which an event of this person would be in "
           "the extract."),
    Column("death_date", "date", "When this person died; the same in every enrolment."),
    Column("moved_date", "date", "When this person moved out of the area of the extract, for "
           "good; the same in every enrolment."),
    Column("age", "integer", "Age at index_date.", unit="completed years", low=10, high=110),
    Column("sex", "text", "As recorded at baseline."),
    Column("ethnicity", "text", "As recorded at baseline."),
    Column("prior_incidents_12m", "integer", "Recorded incidents in the 12 months before "
           "index_date.", unit="incidents", low=0),
    Column("dash_score", "integer", "Yes answers on the DASH checklist at baseline.", **_DASH),
), required=True)

_VICTIM_SURVIVORS = Table(
    "victim_survivors", "one person linked to a case", ("case_id", "victim_survivor_id"), (
    Column("victim_survivor_id", "id", "The person; the same in every case.", True, True),
    _CASE,
    Column("relationship", "text", "To the perpetrator, as recorded."),
    Column("idva_supported", "boolean", "An IDVA supported this person."),
    Column("children_n", "integer", "Children in their care.", unit="children", low=0, high=30),
))

_ASSESSMENTS = Table(
    "assessments", "one rating of one type of abuse",
    ("case_id", "victim_survivor_id", "time_point", "reporter", "abuse_type"), (
    *_JUDGEMENT,
    Column("abuse_type", "category", "What is rated.", True, True, codes=ABUSE_TYPES),
    Column("severity", "category", "The rating, none < standard < moderate < high. Blank means "
           "not recorded, which is not none.", True, codes=SEVERITY),
    *_ABOUT,
))

_RISK_REVIEWS = Table(
    "risk_reviews", "one judgement of risk",
    ("case_id", "victim_survivor_id", "time_point", "reporter"), (
    *_JUDGEMENT,
    Column("dash_score", "integer", "Yes answers on the DASH checklist.", **_DASH),
    Column("dash_dont_know", "integer", 'Answers "don\'t know" on the DASH checklist.', **_DASH),
    Column("perceived_change", "category", "How the reporter judges risk to have changed since "
           "intake.", codes=PERCEIVED_CHANGES),
    *_ABOUT,
))

_EVENTS = Table("events", "one recorded incident or crime", ("event_id",), (
    Column("event_id", "id", "The incident or crime.", True, True),
    _PERSON,
    Column("date", "date", "When it happened; in custody it is kept and flagged.", True, True),
    Column("source", "category", "Who recorded it.", True, True, codes=EVENT_SOURCES),
    Column("victim_survivor_id", "id", "Whom it was against; need not be linked to a case."),
    Column("offence_class", "text", "Class of offence, as coded by the source."),
    Column("abuse_type", "category", "The type of abuse.", codes=ABUSE_TYPES),
    Column("domestic_abuse_flag", "boolean", "Flagged as domestic abuse."),
    Column("outcome_stage", "category", "How far it has come.", codes=OUTCOME_STAGES),
    Column("harm_days", "number", "Weight on an index of harm, from the user's own list.",
           unit="days of sentence", low=0),
))

_CUSTODY = Table("custody", "one spell in custody", ("perpetrator_id", "start_date"), (
    _PERSON,
    Column("start_date", "date", "First day in custody.", True, True),
    Column("end_date", "date", "Last day in custody; blank while it lasts."),
), may_be_empty=True)
# fmt: on

TABLES: dict[str, Table] = {
    table.name: table
    for table in (_CASES, _VICTIM_SURVIVORS, _ASSESSMENTS, _RISK_REVIEWS, _EVENTS, _CUSTODY)
}

_DECLARED = "Declared in the plan."
_DECLARABLE: dict[str, Kind] = {
    "boolean": "boolean",
    "integer": "integer",
    "number": "number",
    "category": "category",
    "date": "date",
}
_CORRECT = "orrect them or list their case_id in [cohort] exclude; they are not dropped silently."
_WHOSE = ("victim_survivor_id",)


def _unique(
    table: str, *columns: str, also: tuple[str, ...] = (), fault: str = "", fix: str
) -> Rule:
    return Rule(
        kind="unique",
        table=table,
        columns=columns,
        also=also,
        holds=f"No two rows have the same {', '.join(columns + also)}.",
        fault=fault or f"{columns[0]} stands more than once",
        fix=fix,
    )


def _order(table: str, earlier: str, later: str, fault: str = "") -> Rule:
    return Rule(
        kind="order",
        table=table,
        columns=(earlier, later),
        holds=f"{later} is not before {earlier}.",
        fault=fault or f"{later} is before {earlier}",
        fix="C" + _CORRECT if table == "cases" else "Correct one of the two dates.",
    )


def _known(table: str, column: str) -> Rule:
    return Rule(
        kind="refers",
        table=table,
        columns=(column,),
        to="cases",
        holds=f"Every {column} stands in cases.",
        fault=f"{column} is in no row of {{to}}",
        fix="Add the case, or remove these rows; look for zeros lost in front of an id.",
    )


def _of_judgements(table: str) -> tuple[Rule, ...]:
    """Return the rules that assessments and risk reviews share."""
    return (
        _known(table, "case_id"),
        Rule(
            kind="refers",
            table=table,
            columns=("case_id", "victim_survivor_id"),
            to="victim_survivors",
            holds="A victim_survivor_id is linked to the case in victim_survivors.",
            fault="victim_survivor_id is not linked to its case_id in {to}",
            fix="Add the link there, or correct the id.",
        ),
        Rule(
            kind="sequence",
            table=table,
            columns=("case_id", "reporter"),
            also=_WHOSE,
            holds="The dates of one case, reporter and victim-survivor follow the time points.",
            fault="date is before that of an earlier time_point of the same case and reporter",
            fix="Correct the date or the time_point.",
        ),
        Rule(
            kind="never",
            table=table,
            when=(("reporter", "case_manager"), ("arm", "comparison")),
            holds="No case manager reports on a comparison case: usual care has none.",
            fault="a case manager reports on a case of the comparison arm, which has no "
            "case manager",
            fix="Correct the reporter, or the arm of the case.",
        ),
    )


RULES: tuple[Rule, ...] = (
    _unique("cases", "case_id", fix="One row is one enrolment: remove the copies, or give each "
            "enrolment its own case_id."),
    _unique("cases", "perpetrator_id", "index_date",
            fault="a person is enrolled more than once on the same index_date",
            fix="Enrolments of one person begin on different days: c" + _CORRECT),
    _order("cases", "referral_date", "start_date"),
    _order("cases", "index_date", "exit_date",
           "exit_date is before index_date (exit before intake)"),
    _order("cases", "start_date", "exit_date"),
    _order("cases", "index_date", "data_end_date"),
    _order("cases", "index_date", "death_date"),
    _order("cases", "index_date", "moved_date"),
    Rule(kind="never", table="cases", when=(("exit_reason", "still_open"), ("exit_date", "")),
         holds="A case that is still open has no exit_date.",
         fault="exit_reason is still_open although there is an exit_date",
         fix="Leave exit_date blank, or correct exit_reason."),
    _unique("victim_survivors", "victim_survivor_id", "case_id",
            fault="a victim_survivor_id is linked to the same case_id more than once",
            fix="Remove the copies."),
    _known("victim_survivors", "case_id"),
    _unique("assessments", "case_id", "time_point", "reporter", "abuse_type", also=_WHOSE,
            fault="a reporter rates the same abuse_type of a case more than once at one time_point",
            fix="Keep one rating, or name the victim_survivor_id that each is about."),
    *_of_judgements("assessments"),
    _unique("risk_reviews", "case_id", "time_point", "reporter", also=_WHOSE,
            fault="a reporter judges the same case more than once at one time_point",
            fix="Keep one judgement, or name the victim_survivor_id that each is about."),
    *_of_judgements("risk_reviews"),
    Rule(kind="at_most", table="risk_reviews", columns=("dash_score", "dash_dont_know"), high=24,
         holds="dash_score and dash_dont_know together are at most 24.",
         fault="dash_score and dash_dont_know together exceed 24",
         fix="The checklist has 24 items: correct one of the two."),
    _unique("events", "event_id", fix="Remove the copies, or give each event its own event_id."),
    _known("events", "perpetrator_id"),
    _unique("custody", "perpetrator_id", "start_date",
            fault="a person has more than one spell with the same start_date",
            fix="Keep one of them."),
    _known("custody", "perpetrator_id"),
    _order("custody", "start_date", "end_date"),
)  # fmt: skip


def validate(
    tables: Mapping[str, pd.DataFrame],
    *,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    index_date: str = "recorded",
    exclude: Iterable[str] = (),
    sources: Mapping[str, str] | None = None,
) -> dict[str, pd.DataFrame]:
    """Do these tables hold what the data dictionary says they must?

    Parameters
    ----------
    tables : mapping of table name to DataFrame
        Cells as text, as Excel or Parquet hold them, or already typed; they are not changed.
    columns : mapping of table name to mapping of column name to type, optional
        Further columns that the evaluation declares; the type is ``boolean``, ``integer``,
        ``number``, ``category`` or ``date``.
    index_date : {'recorded', 'not_public'}
        With ``not_public`` the column may be absent or blank.
    exclude : iterable of str
        Values of case_id to leave out with everything that hangs on them, before any rule.
    sources : mapping of table name to str, optional
        What messages call each table, such as its file name.

    Returns
    -------
    dict of str to DataFrame
        The same tables: columns in the order of the data dictionary, then the declared ones;
        rows in the order of their key, whatever it was in the file. Ids, codes and text are
        plain strings or None; severity is an ordered categorical; dates are
        ``datetime64[ns]`` at midnight; other columns are ``Int64``, ``Float64``, ``boolean``.

    Raises
    ------
    DataError
        With one sentence for every fault of every table.

    Notes
    -----
    Spaces around a cell and rows without any value are ignored. A row number is the one that
    a spreadsheet shows: the header is row 1.

    Examples
    --------
    >>> cases = pd.DataFrame({"case_id": ["01"], "perpetrator_id": ["7"],
    ...                       "arm": ["programme"], "index_date": ["2024-03-05"]})
    >>> validate({"cases": cases})["cases"].loc[0, "index_date"]
    Timestamp('2024-03-05 00:00:00')
    >>> validate({"cases": cases.assign(index_date="05/03/2024")})
    Traceback (most recent call last):
    drive_eval.errors.DataError: table cases: index_date looks like dd/mm/yyyy in 1 of 1 rows
    (row 2). Write YYYY-MM-DD, or in Excel format the column as a date; which part is the day is
    never guessed.
    """
    faults: list[str] = []
    dictionary = _declared(columns or {}, index_date, faults)
    names = {name: (sources or {}).get(name, f"table {name}") for name in dictionary}
    faults += [
        f'there is no table "{name}" in the data dictionary.{did_you_mean(name, dictionary)}'
        for name in tables
        if name not in dictionary
    ]
    faults += [
        f"there is no table {name} (one row is {table.row}); no study can do without it."
        for name, table in dictionary.items()
        if table.required and name not in tables
    ]
    raw = {name: _named(tables[name]) for name in dictionary if name in tables}
    left_out = {str(case_id).strip() for case_id in exclude}
    kept = _kept_rows(raw, left_out, names, faults)
    clean = {
        name: _read_table(dictionary[name], raw[name], kept[name], names[name], faults)
        for name in raw
    }
    for rule in RULES:
        if rule.table in clean:
            faults += _apply(rule, clean, names)
    if faults:
        raise DataError(faults)
    return {name: _in_key_order(frame, dictionary[name]) for name, frame in clean.items()}


def data_dictionary() -> str:
    """Return the data dictionary as Markdown: every table, column, rule and code list.

    Returns
    -------
    str
        What stands in ``docs/reference/data.md``.

    Examples
    --------
    >>> print(data_dictionary().splitlines()[0])
    # Data dictionary
    """
    lines = [
        "# Data dictionary",
        "",
        "<!-- Printed by drive_eval.data.schema.data_dictionary(); do not edit by hand. -->",
        "",
        "An evaluation brings up to six tables, as CSV files (UTF-8 or Windows-1252), Excel",
        "workbooks (one table a file, or one a sheet) or Parquet files, named after the tables.",
        "Only `cases` is needed by every study.",
        "",
        "- **Blank means not recorded.** It is never read as none, no or zero, and words such as",
        "  unknown or N/A are refused where a code, id, date or number belongs.",
        f"- **Dates** are written YYYY-MM-DD, from {EARLIEST} to {LATEST}, without a time of day.",
        "- **Ids** are text: zeros in front count. Use pseudonyms, never names.",
        "- **True or false** may be written true/false, yes/no or 1/0.",
        "- **Further columns** are refused unless the plan declares them in `[data.columns]`.",
        "- **Excluded cases** (`[cohort] exclude`) leave with everything that hangs on them",
        "  before any rule is applied, and are counted in the flow.",
        "",
    ]
    for table in TABLES.values():
        lines += _table_text(table)
    lines += ["## Code lists", ""]
    lists = {c.codes.name: c.codes for t in TABLES.values() for c in t.columns if c.codes}
    for codes in lists.values():
        lines += [f"### {codes.name}", "", f"Version {codes.version}.", "", "| Code | Meaning |"]
        lines += ["|---|---|"]
        lines += [f"| `{c}` | {w} |" for c, w in zip(codes.codes, codes.labels, strict=True)]
        lines += [""]
    return "\n".join(lines)


def _table_text(table: Table) -> list[str]:
    needed = "Needed by every study." if table.required else "Optional."
    empty = " It may hold no row: then there was none." if table.may_be_empty else ""
    lines = [
        f"## {table.name}",
        "",
        f"One row is {table.row}. {needed}{empty}",
        "",
        "| Column | Type | Required | Allowed | Unit | Meaning |",
        "|---|---|---|---|---|---|",
    ]
    for column in table.columns:
        need = "yes" if column.filled else "column yes, cells may be blank"
        lines.append(
            f"| `{column.name}` | {column.kind} | {need if column.required else 'no'} "
            f"| {_allowed(column)} | {column.unit} | {column.meaning} |"
        )
    rules = [f"- {rule.holds}" for rule in RULES if rule.table == table.name]
    return [*lines, "", "Rules:", "", *rules, ""]


def _allowed(column: Column) -> str:
    if column.codes:
        return f"code list {column.codes.name}"
    if column.kind in ("integer", "number"):
        return limits(column)
    return {"date": "YYYY-MM-DD", "boolean": "true, false"}.get(column.kind, "any")


def _declared(
    extra: Mapping[str, Mapping[str, str]], index_date: str, faults: list[str]
) -> dict[str, Table]:
    """Return the dictionary of this evaluation: its own columns added, index_date relaxed."""
    found = dict(TABLES)
    known = ("recorded", "not_public")
    if index_date not in known:
        faults.append(f'index_date = "{index_date}" is not known.{did_you_mean(index_date, known)}')
    if index_date == "not_public":
        columns = tuple(
            dataclasses.replace(column, required=False, filled=False)
            if column.name == "index_date"
            else column
            for column in found["cases"].columns
        )
        found["cases"] = dataclasses.replace(found["cases"], columns=columns)
    for name, declared in extra.items():
        if name not in found:
            faults.append(
                f'the plan\'s [data.columns] names no table "{name}".{did_you_mean(name, TABLES)} '
                "Write [data.columns.TABLE] with the name of a table."
            )
            continue
        for column, kind in declared.items():
            if kind not in _DECLARABLE:
                faults.append(
                    f'the plan\'s [data.columns] {name}: "{kind}" is no type of column.'
                    f"{did_you_mean(kind, _DECLARABLE)}"
                )
            elif found[name].column(column) is not None:
                faults.append(
                    f"the plan's [data.columns] {name}: {column} is in the data dictionary "
                    "already; leave it out of the plan."
                )
            else:
                new = Column(column, _DECLARABLE[kind], _DECLARED, required=True)
                found[name] = dataclasses.replace(found[name], columns=(*found[name].columns, new))
    return found


def _named(raw: pd.DataFrame) -> pd.DataFrame:
    names = ["" if pd.isna(name) else str(name).strip() for name in raw.columns]
    return raw.set_axis(names, axis=1)


def _kept_rows(
    tables: Mapping[str, pd.DataFrame],
    exclude: set[str],
    names: Mapping[str, str],
    faults: list[str],
) -> dict[str, Rows]:
    """Return which rows of each table remain once the excluded cases have left."""
    kept: dict[str, Rows] = {name: np.ones(len(table), bool) for name, table in tables.items()}
    case_ids = _texts_of(tables.get("cases"), "case_id")
    if not exclude or case_ids is None:
        return kept
    absent = len(exclude - set(case_ids))
    if absent:
        faults.append(
            f"{names['cases']}: {absent} of {len(exclude)} case_ids that [cohort] exclude lists "
            "stand in no row. Correct the list; look for zeros lost in front of an id."
        )
    for name, table in tables.items():
        ids = _texts_of(table, "case_id")
        if ids is not None:
            kept[name] = ~np.isin(ids, list(exclude))
    people = _texts_of(tables["cases"], "perpetrator_id")
    if people is None:
        return kept
    gone = set(people[~kept["cases"]]) - set(people[kept["cases"]]) - {""}
    for name in ("events", "custody"):
        ids = _texts_of(tables.get(name), "perpetrator_id")
        if ids is not None:
            kept[name] = ~np.isin(ids, list(gone))
    return kept


def _texts_of(table: pd.DataFrame | None, column: str) -> np.ndarray[Any, Any] | None:
    if table is None or list(table.columns).count(column) != 1:
        return None
    codes, texts = encode(table[column])
    return np.array([*texts, ""], dtype=str)[codes]


def _read_table(
    table: Table, raw: pd.DataFrame, kept: Rows, source: str, faults: list[str]
) -> pd.DataFrame:
    """Return the typed columns that can be read; the index counts the rows of the file from 0."""
    present = _columns_of(table, raw, source, faults)
    encoded = {column.name: encode(raw.iloc[:, at]) for column, at in present}
    holds = np.zeros(len(raw), bool)
    for codes, _ in encoded.values():
        holds |= codes >= 0
    if present and not holds.any() and not table.may_be_empty:
        spare = ", or leave the file out if the table was not collected"
        faults.append(
            f"{source}: there is a header and no row beneath it. Export the table again"
            f"{'; no study can do without it' if table.required else spare}."
        )
    elif table.required and present and not (holds & kept).any():
        faults.append(f"{source}: [cohort] exclude leaves out every case.")
    rows = np.flatnonzero(holds & kept)
    frame = pd.DataFrame(index=pd.Index(rows))
    for column, _ in present:
        codes, texts = encoded[column.name]
        values, wrong = read_column(column, codes[rows], texts)
        frame[column.name] = values
        for what, fix, faulty in wrong:
            faults.append(sentence(source, what, rows[faulty], len(rows), fix))
    return frame


def _columns_of(
    table: Table, raw: pd.DataFrame, source: str, faults: list[str]
) -> list[tuple[Column, int]]:
    """Return the columns of the dictionary that the file has, and where they stand in it."""
    known = [column.name for column in table.columns]
    found = list(raw.columns)
    if not set(found) & set(known):
        # Perhaps there is no header and the first row is a person: its cells are not shown.
        needed = ", ".join(column.name for column in table.columns if column.required)
        faults.append(
            f"{source}: the first row names no column of the table {table.name}. It must hold "
            f"the column names, at least {needed}."
        )
        return []
    places: dict[str, int] = {}
    for at, name in enumerate(found):
        if name in places:
            faults.append(f'{source}: column "{name}" stands twice. Remove or rename one of them.')
        elif name in known:
            places[name] = at
        elif name:
            near = did_you_mean(name.casefold().replace(" ", "_"), set(known) - set(found))
            hint = near if near.startswith(" Nearest") else ""
            faults.append(
                f'{source}: column "{name}" is not in the data dictionary.{hint} Rename it, '
                "remove it, or declare it in the plan under [data.columns]."
            )
        elif (encode(raw.iloc[:, at])[0] >= 0).any():
            faults.append(
                f"{source}: column {at + 1} has values but no name in the first row. Name it, or "
                "remove the column."
            )
    for column in table.columns:
        if column.required and column.name not in places:
            near = did_you_mean(column.name, set(found) - set(known) - {""}, label="Nearest there")
            hint = near if near.startswith(" Nearest") else ""
            wanted, fix = (
                f"the table {table.name} needs",
                "Columns are listed in docs/reference/data.md.",
            )
            if column.meaning == _DECLARED:
                wanted = f"the plan declares under [data.columns.{table.name}]"
                fix = "Add it to the file, or take it out of the plan."
            faults.append(f'{source}: no column "{column.name}", which {wanted}.{hint} {fix}')
    return [(column, places[column.name]) for column in table.columns if column.name in places]


def _apply(
    rule: Rule,
    tables: Mapping[str, pd.DataFrame],
    names: Mapping[str, str],
) -> list[str]:
    frame = tables[rule.table]
    faulty = frame.index.to_numpy()[breaks(rule, tables)]
    if not len(faulty):
        return []
    what = rule.fault.format(to=names.get(rule.to, rule.to))
    return [sentence(names[rule.table], what, faulty, len(frame), rule.fix)]


def _in_key_order(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Return the rows by their key, so that the order of a file can change no result."""
    ranks = {
        column.name: {code: at for at, code in enumerate(column.codes.codes)}
        for column in table.columns
        if column.codes
    }
    return frame.sort_values(
        [name for name in table.key if name in frame.columns],
        kind="stable",
        ignore_index=True,
        key=lambda cells: cells.map(ranks[cells.name]) if cells.name in ranks else cells,
    )
