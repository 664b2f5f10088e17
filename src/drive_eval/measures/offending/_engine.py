"""The doors to pandas, Polars, DuckDB and Spark: what is read, and how it comes back.

Everything above this file sees whole numbers of days and plain pandas tables. What differs
between the engines (types of ids, dates, where a small table must live to be joined) is dealt
with here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw
import pandas as pd
import pyarrow as pa

from drive_eval.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "Frame",
    "bring",
    "collect",
    "day_number",
    "ids_of",
    "open_table",
]

Frame = nw.LazyFrame[Any]

_SPARK = (nw.Implementation.PYSPARK, nw.Implementation.PYSPARK_CONNECT)
_ENGINES = (nw.Implementation.PANDAS, nw.Implementation.POLARS, nw.Implementation.DUCKDB, *_SPARK)


def open_table(table: Any, name: str, columns: Iterable[str]) -> Frame:
    """Read a table of any engine, without moving it, and see that its columns are there."""
    try:
        opened: Any = nw.from_native(table)
    except TypeError as error:
        raise DataError(
            f"{name} is no table that can be read. Give a pandas or Polars table, a DuckDB "
            "relation or a Spark table."
        ) from error
    if isinstance(opened, nw.DataFrame) and opened.implementation.is_pyarrow():
        opened = nw.from_native(opened.to_pandas())
    if opened.implementation not in _ENGINES:
        raise DataError(
            f"{name} is a table of an engine that is not supported here. Give a pandas or Polars "
            "table, a DuckDB relation or a Spark table."
        )
    known = opened.collect_schema().names()
    missing = [column for column in columns if column not in known]
    if missing:
        raise DataError(
            f'no column "{column}" in {name}.{did_you_mean(column, known)}' for column in missing
        )
    lazy: Frame = opened.lazy()
    return lazy


def day_number(frame: Frame, column: str, name: str) -> nw.Expr:
    """Count the days from 1970-01-01 to the civil day of a column; a missing date becomes 0.

    Engines disagree on how a date turns into a number (time zones, units, types), but not on
    its year, month and day; the rest is arithmetic on whole numbers.
    """
    kind = frame.collect_schema()[column]
    if kind.is_integer():
        return nw.col(column).fill_null(0).cast(nw.Int64)
    if not isinstance(kind, nw.Date | nw.Datetime):
        if _holds(frame, nw.col(column).is_null()):
            return nw.lit(0, nw.Int64)  # nobody has died, say, and the column has no type
        number = nw.col(column).fill_null(0)
        if kind.is_float() and _holds(frame, number % 1 == 0):
            return number.cast(nw.Int64)
        raise DataError(
            f'the column "{column}" of {name} holds neither dates nor whole numbers of days. Turn '
            "it into dates when the table is read."
        )
    at = nw.col(column).dt
    year, month, day = (
        part.fill_null(filler).cast(nw.Int64)
        for part, filler in ((at.year(), 1970), (at.month(), 1), (at.day(), 1))
    )
    # The year begins in March, so that the leap day is its last.
    late = month <= 2
    year = nw.when(late).then(year - 1).otherwise(year)
    month = nw.when(late).then(month + 9).otherwise(month - 3)
    century = year // 400
    of_century = year - century * 400
    of_year = (153 * month + 2) // 5 + day - 1
    leap = of_century // 4 - of_century // 100
    return century * 146_097 + of_century * 365 + leap + of_year - 719_468


def _holds(frame: Frame, condition: nw.Expr) -> bool:
    failing = collect(frame.select(n=(~condition).cast(nw.Int64).sum()))["n"].fillna(0)
    return int(failing.iloc[0]) == 0


def ids_of(frame: Frame, column: str, name: str, *, whole: bool) -> nw.Expr:
    """Give ids one type: whole numbers if both tables have them, or else text."""
    kind = frame.collect_schema()[column]
    if kind.is_float() and _holds(frame, nw.col(column).is_null()):
        return nw.lit(None, nw.String)
    if kind.is_float():
        raise DataError(
            f'the column "{column}" of {name} holds decimal numbers, as ids become when one is '
            "blank. Read it as text."
        )
    if kind.is_integer():
        return nw.col(column).cast(nw.Int64 if whole else nw.String)
    return nw.col(column) if isinstance(kind, nw.String) else nw.col(column).cast(nw.String)


def bring(table: pd.DataFrame, like: Frame) -> Frame:
    """Put a small table where a large one is, so that the two can be joined there."""
    if like.implementation.is_pandas():
        return nw.from_native(table).lazy()
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    if like.implementation.is_polars():
        return nw.from_arrow(arrow, backend="polars").lazy()
    native = like.to_native()
    if like.implementation.is_duckdb():
        brought = _beside_relation(arrow, native)
    else:
        brought = native.sparkSession.createDataFrame(arrow)
    there: Frame = nw.from_native(brought)
    return there


def _beside_relation(arrow: pa.Table, relation: Any) -> Any:
    """Make a relation of the same connection: DuckDB joins no others, and hides the connection.

    DuckDB finds the table by the name of the variable.
    """
    from duckdb import InvalidInputException

    try:
        beside = relation.query("drive_eval_relation", "SELECT * FROM arrow")
        # Before 2.0 the first argument stays behind as a view in the user's database.
        relation.query("drive_eval_relation", "DROP VIEW IF EXISTS drive_eval_relation")
    except InvalidInputException as error:
        raise DataError(
            "a DuckDB relation comes from a database that is open for reading only, which DuckDB "
            "before 2.0 cannot join to a table. Connect to no file, ATTACH the database "
            "(READ_ONLY), and take the relation from there; or use DuckDB 2.0."
        ) from error
    return beside


def collect(frame: Frame, sort: Sequence[str] = ()) -> pd.DataFrame:
    """Fetch a result as a pandas table of plain types; engines give rows in any order, so sort."""
    found = frame.collect().to_pandas()
    found = pd.DataFrame({str(name): _plain(column) for name, column in found.items()})
    return found.sort_values(list(sort), ignore_index=True) if sort else found


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Turn the types of all engines into those of NumPy, and what is missing in texts into None."""
    missing = column.isna()
    if pd.api.types.is_bool_dtype(column) and not missing.any():
        return column.astype(bool)
    if pd.api.types.is_integer_dtype(column) and not missing.any():
        return column.astype("int64")
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.astype("float64")
    if pd.api.types.is_datetime64_any_dtype(column):
        times: pd.Series[Any] = column.dt.tz_localize(None).astype("datetime64[ns]")
        return times
    texts: pd.Series[Any] = column.astype(object).mask(missing, None)
    return texts
