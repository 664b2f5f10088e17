"""From files to cells: CSV, Excel and Parquet as they arrive, each refusal one sentence.

The libraries' own complaints may quote what stands in a row, so none of them is passed on.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

import pandas as pd

from drive_eval.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ENDINGS", "Files", "source_name"]

ENDINGS = (".csv", ".xlsx", ".parquet")

_OLE = b"\xd0\xcf\x11\xe0"
_MAGIC = (_OLE, b"PK\x03\x04", b"PAR1", b"\x1f\x8b", b"%PDF")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_SEP_LINE = re.compile(rb'(?:\xef\xbb\xbf)?"?sep=', re.IGNORECASE)
_SEPARATORS = {b";": "semicolons", b"\t": "tabs", b"|": "upright strokes"}
_TITLE_ROWS = 3  # a title and an empty line may stand above the column names
_WORKBOOK_ERRORS = (
    zipfile.BadZipFile, zlib.error, ParseError, EOFError, OSError,
    KeyError, IndexError, ValueError, TypeError, AttributeError, RuntimeError, ArithmeticError,
)  # fmt: skip
_BROKEN_WORKBOOK = "{name} is not a whole Excel workbook. Open it in Excel and save it as .xlsx."


def source_name(path: Path, sheet: str) -> str:
    return f"{path.name}, sheet {sheet}" if sheet else path.name


class Files:
    """The files of one folder: every one is hashed, and every workbook opened once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._workbooks: dict[Path, Any] = {}
        self.hashes: dict[str, str] = {}

    def content(self, path: Path) -> bytes:
        if path.is_dir():
            raise DataError(
                f"{path.name} is a folder, not a file. Put the file itself in its place, or rename "
                "the folder."
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            reason = error.strerror or "the system gave no reason"
            raise DataError(f"{path.name} cannot be opened: {reason}.") from None
        inside = path.is_relative_to(self._root)
        name = path.relative_to(self._root).as_posix() if inside else path.name
        self.hashes[name] = hashlib.sha256(content).hexdigest()
        if not content or content.isspace():
            raise DataError(f"{path.name} is empty. Export the table again.")
        return content

    def has_sheet(self, path: Path, table: str) -> bool:
        return path.suffix.lower() == ".xlsx" and table in map(str.casefold, self._sheets(path))

    def sheet(self, path: Path, table: str) -> str:
        """Return the sheet of a workbook that holds a table: of its name, or the only one."""
        if path.suffix.lower() != ".xlsx":
            return ""
        sheets = self._sheets(path)
        of_name = [sheet for sheet in sheets if sheet.casefold() == table]
        if of_name or len(sheets) == 1:
            return (of_name or sheets)[0]
        raise DataError(
            f"{path.name} has {len(sheets)} sheets and none is called {table}. Name the sheet "
            "after the table."
        )

    def read_table(self, path: Path, sheet: str) -> pd.DataFrame:
        """Return the cells of a table as the file holds them, under the names of its first row."""
        ending = path.suffix.lower()
        if ending == ".xlsx":
            return _read_sheet(self._workbook(path)[sheet], source_name(path, sheet))
        if ending == ".parquet":
            return _read_parquet(self.content(path), path.name)
        return _read_csv(self.content(path), path.name)

    def _sheets(self, path: Path) -> list[str]:
        return [sheet.title for sheet in self._workbook(path).worksheets]

    def _workbook(self, path: Path) -> Any:
        if path not in self._workbooks:
            self._workbooks[path] = _open_workbook(self.content(path), path.name)
        return self._workbooks[path]


def _read_csv(content: bytes, name: str) -> pd.DataFrame:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f'{name} is saved as UTF-16. In Excel, save it as "CSV UTF-8".')
    if content.startswith(_MAGIC) or _CONTROL.search(content, 0, 1_000_000):
        raise DataError(
            f"{name} is not a text file, whatever its ending says. Export the table as CSV, or "
            "give an Excel or Parquet file its own ending."
        )
    if _SEP_LINE.match(content):
        raise DataError(
            f'{name}: the first line begins with "sep=", which only Excel understands. Remove that '
            "line, and save the table as comma-separated CSV."
        )
    first_line = content.split(b"\n", 1)[0]
    other = next((mark for mark in _SEPARATORS if mark in first_line), None)
    if other and b"," not in first_line:
        raise DataError(
            f"{name}: the cells are separated by {_SEPARATORS[other]}, not by commas. Save it as "
            "comma-separated CSV."
        )
    try:
        content.decode("utf-8")
        encoding = "utf-8-sig"
    except UnicodeDecodeError:
        encoding = "cp1252"
    try:
        cells = pd.read_csv(
            io.BytesIO(content),
            encoding=encoding,
            header=None,
            dtype=str,
            na_filter=False,
            skip_blank_lines=False,
            low_memory=False,
        )
    except UnicodeDecodeError:
        raise DataError(
            f'{name} is neither UTF-8 nor Windows-1252 text. In Excel, save it as "CSV UTF-8".'
        ) from None
    except pd.errors.ParserError as error:
        raise DataError(f"{name} {_csv_fault(str(error))}") from None
    header = cells.iloc[0].fillna("").tolist()
    return cells.iloc[1:].set_axis(header, axis=1).reset_index(drop=True)


def _csv_fault(message: str) -> str:
    """Return the parser's complaint in words; its own may quote what stands in the row."""
    ragged = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if ragged:
        expected, line, seen = ragged.groups()
        if int(line) <= _TITLE_ROWS:
            return (
                f"has {seen} cells in row {line}, but {expected} in row 1. If row 1 is a title, "
                "remove it, so that the column names stand first; otherwise put text that holds "
                "commas in quotation marks."
            )
        return (
            f"has {seen} cells in row {line}, but {expected} columns. Put text that holds commas "
            "in quotation marks."
        )
    return "cannot be read as CSV: a quotation mark is opened and never closed."


def _read_parquet(content: bytes, name: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Whole numbers with gaps would otherwise pass through floats and lose digits.
    whole = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
    try:
        table = pq.read_table(pa.BufferReader(content))
        cells: pd.DataFrame = table.to_pandas(ignore_metadata=True, types_mapper=whole.get)
    except (pa.ArrowException, OSError, ValueError):
        raise DataError(
            f"{name} is not a whole Parquet file; it may have been cut short while copying. "
            "Export or copy it again."
        ) from None
    return cells


def _open_workbook(content: bytes, name: str) -> Any:
    import openpyxl

    if content.startswith(_OLE):
        raise DataError(
            f"{name} is protected by a password or in the format of old Excel. Save it as .xlsx "
            "without a password."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and validation, which are not read
            return openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except _WORKBOOK_ERRORS:
        raise DataError(_BROKEN_WORKBOOK.format(name=name)) from None


def _read_sheet(sheet: Any, name: str) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sheet.reset_dimensions()  # some programs write a wrong one
            rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    except _WORKBOOK_ERRORS:
        raise DataError(_BROKEN_WORKBOOK.format(name=name)) from None
    width = max(map(len, rows), default=0)
    if not width:
        raise DataError(f"{name} is empty. Export the table again.")
    padded = [row + [None] * (width - len(row)) for row in rows]
    return pd.DataFrame(padded[1:], columns=pd.Index(padded[0], dtype=object), dtype=object)
