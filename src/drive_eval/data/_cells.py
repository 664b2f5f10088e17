"""Cells: whatever a file held becomes text, and text becomes one typed value or a reason.

CSV, Excel and Parquet disagree about types, so every column is first brought to the text
that a CSV file would hold. One reading of that text then gives the same table from all
three, and a table that is read twice stays as it is. Only the distinct texts of a column
are read, so a long table costs little more than a short one.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from drive_eval.vocabulary import SEVERITY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from drive_eval.data.schema import Column

__all__ = [
    "EARLIEST", "LATEST", "Kind", "as_text", "encode", "limits", "read_column", "sentence",
]  # fmt: skip

Kind = Literal["id", "date", "category", "integer", "number", "boolean", "text"]

#: Dates outside these are placeholders (1900-01-01, 9999-12-31), not days.
EARLIEST = "1950-01-01"
LATEST = "2100-12-31"

#: Spellings that stand for "nobody wrote it down"; blank is the only one that is accepted.
_NOT_RECORDED = frozenset({
    "unknown", "not known", "notknown", "not_known", "not recorded", "not_recorded", "not asked",
    "not_asked", "not applicable", "not_applicable", "not stated", "n/a", "n/k", "na", "nk", "nan",
    "nil", "null", "<na>", "nat", "none", "missing", "declined", "refused", "don't know",
    "dont know", "tbc", "-", "--", "?", ".",
})  # fmt: skip
_EXCEL_ERRORS = frozenset({"#n/a", "#ref!", "#value!", "#name?", "#div/0!", "#null!", "#num!"})
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

_ISO_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?")
_ISO_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:.*")
_DAY_FIRST = re.compile(r"[0-9]{1,2}([/.-])[0-9]{1,2}\1(?:[0-9]{4}|[0-9]{2})(?:[ T].*)?")
_INTEGER = re.compile(r"([+-]?[0-9]+)(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SCIENTIFIC = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+[0-9]{2,3}")

_NULLABLE: dict[str, Any] = {"integer": "Int64", "number": "Float64", "boolean": "boolean"}
_ROWS_SHOWN = 10
_EXACT = 2**53  # the largest whole number that a float, and so Excel, holds without loss

#: What is wrong with a cell, and what to do about it. ``{limits}`` and ``{codes}`` are
#: filled from the declaration; nothing from a row ever enters a sentence.
REASONS: dict[str, tuple[str, str]] = {
    "blank": ("is blank", "Every row needs a value here."),
    "not_recorded": (
        "holds a word for not recorded (such as unknown or N/A)",
        'Leave the cell blank: blank means not recorded, which is not the same as "none" or "no".',
    ),
    "excel_error": (
        "holds an Excel error (such as #N/A or #REF!)",
        "Repair the formula or leave the cell blank.",
    ),
    "day_first": (
        "looks like dd/mm/yyyy",
        "Write YYYY-MM-DD, or in Excel format the column as a date; "
        "which part is the day is never guessed.",
    ),
    "day_number": (
        "holds a number where a date belongs",
        "In Excel, format the column as a date and save again; otherwise write YYYY-MM-DD.",
    ),
    "time_of_day": (
        "holds a time of day or a time zone",
        "Write the date alone, as YYYY-MM-DD.",
    ),
    "no_such_day": ("names a day that is not in the calendar", "Correct it, as YYYY-MM-DD."),
    "not_a_date": ("is not a date", "Write YYYY-MM-DD."),
    "outside": (
        "lies outside the range {limits}",
        "Correct it, or leave the cell blank if the value is a stand-in for not recorded.",
    ),
    "spelling": (
        "differs from a code only in capitals, spaces or hyphens",
        "Write {codes}.",
    ),
    "code": ("is not in the code list", "Write {codes}, or leave the cell blank."),
    "not_whole": ("is not a whole number", "Write digits only, without commas or units."),
    "not_a_number": (
        "is not a number",
        "Write digits and a decimal point, without commas or units.",
    ),
    "not_boolean": ("is neither true nor false", "Write true or false (yes, no, 1, 0 also do)."),
    "scientific": (
        "holds an id in scientific notation, so that digits are lost",
        "Export it again with the column as text.",
    ),
}

#: What to do instead where no cell may be blank.
FILLED: dict[str, str] = {
    "not_recorded": "Every row needs a value here, so it must be found out.",
    "excel_error": "Repair the formula; every row needs a value here.",
    "outside": "Correct it; every row needs a value here.",
    "code": "Write {codes}; every row needs one of them.",
}


def encode(cells: pd.Series[Any]) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
    """Return the position of each cell's text among the distinct texts, −1 for blank."""
    dtype = cells.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "M":
        codes, distinct = pd.factorize(cells.to_numpy())
        texts = _day_texts(np.asarray(distinct))
    elif isinstance(dtype, pd.CategoricalDtype):
        codes = cells.cat.codes.to_numpy().astype(np.intp)
        texts = _object_array([_text(value) for value in cells.cat.categories.tolist()])
    elif pd.api.types.infer_dtype(cells, skipna=True) == "string":
        codes, distinct = pd.factorize(cells.to_numpy(dtype=object))
        texts = _object_array([text.strip() or None for text in distinct])
    else:
        # An object column may hold 1, 1.0 and True, which count as equal: text comes first.
        codes, texts = pd.factorize(_object_array([_text(value) for value in cells.tolist()]))
        return codes, _object_array(list(texts))
    # Two distinct cells can have one text (" a" and "a"), and a blank one has none.
    merged, texts = pd.factorize(texts)
    return np.append(merged, -1)[codes], _object_array(list(texts))


def as_text(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Return the cells as a CSV file would hold them; blank is None."""
    codes, texts = encode(cells)
    return pd.Series(_take(texts, codes), index=cells.index, name=cells.name, dtype=object)


def read_column(
    column: Column, codes: NDArray[np.intp], texts: NDArray[np.object_]
) -> tuple[Any, list[tuple[str, str, NDArray[np.intp]]]]:
    """Read the cells of a column from their encoded text.

    Returns
    -------
    array
        The typed cells; missing where blank or wrong.
    list of (what is wrong, what to do, positions of the cells)
        One entry for every reason that occurs.
    """
    allowed = column.codes.codes if column.codes else ()
    read = _reader(column.kind, allowed, column.low, column.high)
    values, reasons = [], []
    for text in texts:
        value, reason = read(text)
        values.append(value)
        reasons.append(reason)
    of_cells = _object_array([*reasons, "blank" if column.filled else ""])[codes]
    faults = []
    for reason in dict.fromkeys([*reasons, "blank"]):
        faulty = np.flatnonzero(of_cells == reason)
        if reason and len(faulty):
            what, fix = REASONS[reason]
            if column.filled:
                fix = FILLED.get(reason, fix)
            what = f"{column.name} {what.format(limits=limits(column))}"
            faults.append((what, fix.format(codes=_one_of(allowed)), faulty))
    ordered = allowed if column.codes is SEVERITY else ()
    return _typed(values, codes, column.kind, ordered), faults


def limits(column: Column) -> str:
    """Return the range of a column in words."""
    if column.kind == "date":
        return f"{EARLIEST} to {LATEST}"
    low, high = column.low, column.high
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    return f"{low:g} or more" if low is not None else "of exact numbers"


def sentence(source: str, what: str, rows: NDArray[np.intp], total: int, fix: str) -> str:
    """Return a fault with its row numbers, as a spreadsheet counts them: the header is row 1."""
    numbers = ", ".join(str(int(row) + 2) for row in rows[:_ROWS_SHOWN])
    more = ", …" if len(rows) > _ROWS_SHOWN else ""
    word = "row" if len(rows) == 1 else "rows"
    return f"{source}: {what} in {len(rows)} of {total} rows ({word} {numbers}{more}). {fix}"


def _one_of(codes: Sequence[str]) -> str:
    return f"{', '.join(codes[:-1])} or {codes[-1]}" if codes else ""


def _typed(values: list[Any], codes: NDArray[np.intp], kind: Kind, ordered: Sequence[str]) -> Any:
    if kind == "date":
        days = np.array([*values, None], dtype="datetime64[D]").astype("datetime64[ns]")
        return days[codes]  # code −1 takes the last, which is missing
    cells = _take(_object_array(values), codes)
    if kind in _NULLABLE:
        return pd.Series(cells, dtype=_NULLABLE[kind]).array
    if ordered:
        return pd.Categorical(cells, categories=list(ordered), ordered=True)
    return cells


def _reader(
    kind: Kind, codes: Sequence[str], low: float | None, high: float | None
) -> Callable[[str], tuple[Any, str]]:
    known = set(codes)
    if kind == "date":
        return _date
    if kind == "id":
        return _id
    if kind == "boolean":
        return _boolean
    if kind == "category" and known:
        return lambda text: _code(text, known)
    if kind in ("category", "text"):
        return lambda text: (None, "excel_error") if _is_error(text) else (text, "")
    smallest = -_EXACT if low is None else low
    largest = _EXACT if high is None else high
    whole = kind == "integer"
    return lambda text: _number(text, smallest, largest, whole=whole)


def _date(text: str) -> tuple[dt.date | None, str]:
    found = _ISO_DATE.fullmatch(text)
    if found:
        try:
            day = dt.date.fromisoformat(found.group(1))
        except ValueError:
            return None, "no_such_day"
        return (day, "") if EARLIEST <= found.group(1) <= LATEST else (None, "outside")
    if _ISO_TIME.fullmatch(text):
        return None, "time_of_day"
    if _DAY_FIRST.fullmatch(text):
        return None, "day_first"
    if _NUMBER.fullmatch(text):
        return None, "day_number"
    return None, _word(text) or "not_a_date"


def _id(text: str) -> tuple[str | None, str]:
    if _SCIENTIFIC.fullmatch(text):
        return None, "scientific"
    reason = _word(text)
    return (None, reason) if reason else (text, "")


def _boolean(text: str) -> tuple[bool | None, str]:
    value = _BOOLEANS.get(text.casefold())
    return (value, "") if value is not None else (None, _word(text) or "not_boolean")


def _code(text: str, known: set[str]) -> tuple[str | None, str]:
    if text in known:
        return text, ""
    if re.sub(r"[\s-]+", "_", text.casefold()) in known:
        return None, "spelling"
    return None, _word(text) or "code"


def _number(text: str, low: float, high: float, *, whole: bool) -> tuple[float | None, str]:
    found = (_INTEGER if whole else _NUMBER).fullmatch(text)
    if not found:
        return None, _word(text) or ("not_whole" if whole else "not_a_number")
    value = int(found.group(1)) if whole and len(text) < 20 else float(text)
    return (value, "") if low <= value <= high else (None, "outside")


def _word(text: str) -> str:
    if text.casefold() in _NOT_RECORDED:
        return "not_recorded"
    return "excel_error" if _is_error(text) else ""


def _is_error(text: str) -> bool:
    return text.startswith("#") and text.casefold() in _EXCEL_ERRORS


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        number = float(value)
        if np.isnan(number):
            return None
        whole = number.is_integer() and abs(number) <= _EXACT
        return str(int(number)) if whole else repr(number)
    if isinstance(value, dt.datetime):
        midnight = value.tzinfo is None and value.time() == dt.time()
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value).strip() or None


def _day_texts(moments: NDArray[Any]) -> NDArray[np.object_]:
    days = moments.astype("datetime64[D]")
    at_midnight = days == moments
    texts = np.where(
        at_midnight, np.datetime_as_string(days), np.datetime_as_string(moments, unit="ms")
    )
    return _object_array(texts.tolist())


def _take(values: NDArray[np.object_], codes: NDArray[np.intp]) -> NDArray[np.object_]:
    return _object_array([*values, None])[codes]  # code −1 takes the last


def _object_array(values: Sequence[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
