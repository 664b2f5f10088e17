"""What the parts of an office document say: whole paragraphs, cells under headings, the unseen.

Word cuts a sentence into runs wherever somebody edited it, so a number and its noun, or the two
halves of a case number, may stand apart in the file and together on the page. Runs are joined
before anything is searched. What stands in the file and not on the page (deleted and hidden text,
tracked changes, remarks, hidden sheets) is told apart from what a reader sees.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from drive_eval.disclosure.piece import Kind, Piece, is_count, local, whole

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

__all__ = ["IN_PARAGRAPHS", "document_words", "remarks", "sheet_words"]

#: Elements whose text is read as part of a paragraph.
IN_PARAGRAPHS = frozenset({"t", "delText", "p", "h", "span", "a"})
_ODF = "{urn:oasis"
#: What a program keeps while changes are tracked: the change, its author and its time.
_TRACKED = re.compile(
    r"ins|del|moveFrom|moveTo|cell(Ins|Del|Merge)|\w+PrChange|\w+PrExChange|tblGridChange"
    r"|numberingChange|tracked-changes"
)
_REMARKS = re.compile(
    r"(comments\w*|threadedComment\w*|persons?|people|commentAuthors|authors)\.xml$"
    r"|(^|/)(comments|threadedComments|persons)/"
)
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
#: Numbers of built-in formats that show a number as a day or a time.
_DAYS = {*range(14, 23), *range(45, 48)}


def remarks(part: str) -> bool:
    """Tell whether a part holds comments or the people who wrote them."""
    return bool(_REMARKS.search(part))


def document_words(name: str, root: ET.Element) -> list[Piece]:
    """Return the paragraphs of a part of a document, a text or a set of slides.

    Parameters
    ----------
    name : str
        Of the part, for the place.
    root : Element
        Of the part.
    """
    found: list[Piece] = []
    cells: set[int] = set()
    for number, table in enumerate(_named(root, "tbl", "table"), start=1):
        if id(table) not in cells:  # a table within a cell is read with that cell
            cells.update(id(inner) for inner in table.iter())
            found += _table_words(f"{name}: table {number}", table)
    for number, paragraph in enumerate(_named(root, "p", "h"), start=1):
        if id(paragraph) not in cells:
            found += _said(f"{name}: paragraph {number}", [paragraph])
    for element in root.iter():
        tag = local(element.tag)
        if _TRACKED.fullmatch(tag):
            words = [*element.attrib.values(), *element.itertext()]
            found.append(Piece(f"{name}: a tracked change", " ".join(words), "hidden"))
        elif tag == "annotation" and str(element.tag).startswith(_ODF):
            found.append(Piece(f"{name}: comment", " ".join(element.itertext()), "comment"))
        elif element.get(f"{str(element.tag).rpartition('}')[0]}}}visibility") in (
            "collapse",
            "filter",
        ):
            found.append(Piece(f"{name}: hidden rows", " ".join(element.itertext()), "hidden"))
    if local(root.tag) == "notes" or root.get("show") == "0":
        words = [text.strip() for text in root.itertext() if text.strip()]
        found.append(Piece(f"{name}: notes or a hidden slide", " ".join(words), "hidden"))
    return found


def _named(root: ET.Element, *names: str) -> Iterator[ET.Element]:
    return (element for element in root.iter() if local(element.tag) in names)


def _table_words(place: str, table: ET.Element) -> list[Piece]:
    found: list[Piece] = []
    heading: dict[int, str] = {}
    for number, row in enumerate(_named(table, "tr", "table-row"), start=1):
        cells: dict[int, tuple[str, list[Piece]]] = {}
        column = 1
        for cell in _named(row, "tc", "table-cell"):
            where = f"{place}, row {number}, column {column}"
            pieces = _said(where, list(_named(cell, "p", "h")))
            seen = " ".join(p.text for p in pieces if p.kind == "text")
            cells[column] = (seen, pieces)
            spans = next((e for e in cell.iter() if local(e.tag) == "gridSpan"), None)
            wide = {} if spans is None else {local(k): v for k, v in spans.attrib.items()}
            column += int(wide.get("val", "1"))
        texts = {column: text for column, (text, _) in cells.items()}
        if len(texts) > 1 and not any(whole(text) for text in texts.values()):
            heading = texts
        label = texts.get(1, "")
        for column, (text, pieces) in cells.items():
            title = heading.get(column, "")
            kind: Kind = "count" if is_count(text, title) else "text"
            found += [
                Piece(p.where, p.text, kind, f"{title} | {label if column > 1 else ''}")
                if p.kind == "text"
                else p
                for p in pieces
            ]
    return found


def _said(where: str, paragraphs: list[ET.Element]) -> list[Piece]:
    """Return what a reader sees of some paragraphs, and apart from it what he does not."""
    parts: list[tuple[str, bool]] = []
    for paragraph in paragraphs:
        parts += [*_runs(paragraph, hidden=False), (" ", False)]
    found = []
    for unseen in (False, True):
        text = " ".join("".join(text for text, hidden in parts if hidden == unseen).split())
        if text:
            found.append(Piece(where, text, "hidden" if unseen else "text"))
    return found


def _runs(element: ET.Element, *, hidden: bool) -> Iterator[tuple[str, bool]]:
    odf = str(element.tag).startswith(_ODF)
    if odf and element.text:
        yield element.text, hidden
    for child in element:
        tag = local(child.tag)
        if tag in ("t", "delText") and child.text:
            yield child.text, hidden or tag == "delText"
        elif tag in ("tab", "br", "cr", "s", "line-break", "ptab"):
            yield " ", hidden
        elif tag == "noBreakHyphen":
            yield "-", hidden
        elif tag not in ("p", "h", "tbl", "table", "annotation"):  # these are read by themselves
            unseen = hidden or tag in ("del", "moveFrom") or (tag == "r" and _unseen(child))
            yield from _runs(child, hidden=unseen)
        if odf and child.tail:
            yield child.tail, hidden


def _unseen(run: ET.Element) -> bool:
    """Tell whether a run is hidden, white, or too small to be read."""
    for style in run:
        if local(style.tag) != "rPr":
            continue
        for mark in style:
            value = next((v for k, v in mark.attrib.items() if local(k) == "val"), "")
            tag = local(mark.tag)
            if tag in ("vanish", "webHidden", "specVanish") and value not in ("0", "false"):
                return True
            if tag == "color" and value.upper() == "FFFFFF":
                return True
            if tag == "sz" and value.isdigit() and int(value) <= 4:  # half points
                return True
    return False


def sheet_words(name: str, pack: zipfile.ZipFile) -> list[Piece]:
    """Return the cells of a workbook under their headings, and what is not seen of it."""
    names = pack.namelist()
    shared: list[str] = []
    if "xl/sharedStrings.xml" in names:
        root = ET.fromstring(pack.read("xl/sharedStrings.xml"))  # noqa: S314
        for item in root.iter(f"{_SHEET}si"):
            shared.append("".join(text.text or "" for text in item.iter(f"{_SHEET}t")))
    days = _day_styles(pack)
    used: set[int] = set()
    found: list[Piece] = []
    for part in sorted(n for n in names if re.match(r"xl/worksheets/[^/]+\.xml$", n)):
        root = ET.fromstring(pack.read(part))  # noqa: S314
        found += _cells(f"{name} › {part}", root, shared, days, used)
    left = [text for i, text in enumerate(shared) if i not in used]
    where = f"{name} › xl/sharedStrings.xml: words of no cell"
    found += [Piece(where, text, "hidden") for text in left]
    if "xl/workbook.xml" in names:
        root = ET.fromstring(pack.read("xl/workbook.xml"))  # noqa: S314
        where = f"{name} › xl/workbook.xml"
        for sheet in root.iter(f"{_SHEET}sheet"):
            if sheet.get("state", "visible") != "visible":
                found.append(Piece(f"{where}: a hidden sheet", sheet.get("name", ""), "hidden"))
        for defined in root.iter(f"{_SHEET}definedName"):
            if not defined.get("name", "").startswith("_xlnm."):
                text = f"{defined.get('name')} {defined.text or ''}"
                found.append(Piece(f"{where}: a defined name", text, "hidden"))
    return found


def _cells(
    place: str, root: ET.Element, shared: list[str], days: set[int], used: set[int]
) -> list[Piece]:
    found: list[Piece] = []
    narrow = [
        (int(column.get("min", "0")), int(column.get("max", "0")))
        for column in root.iter(f"{_SHEET}col")
        if _on(column.get("hidden")) or float(column.get("width", "9")) < 0.5
    ]
    heading: dict[str, str] = {}
    for row in root.iter(f"{_SHEET}row"):
        cells: dict[str, str] = {}
        low = _on(row.get("hidden")) or float(row.get("ht", "9")) < 1
        for cell in row.iter(f"{_SHEET}c"):
            column = re.sub(r"\d", "", cell.get("r", ""))
            value = cell.findtext(f"{_SHEET}v", "")
            if cell.get("t") == "s" and value:
                used.add(int(value))
                value = shared[int(value)]
            elif cell.get("t") == "inlineStr":
                value = "".join(cell.itertext())
            elif value and int(cell.get("s", "0")) in days:
                value = _day(value)
            cells[column] = value
            if cell.find(f"{_SHEET}f") is not None:
                where = f"{place}: formula in {cell.get('r')}"
                found.append(Piece(where, "".join(cell.itertext()), "metadata"))
            at = _number_of(column)
            if value and (low or any(first <= at <= last for first, last in narrow)):
                where = f"{place}: a hidden row or column at {cell.get('r')}"
                found.append(Piece(where, value, "hidden"))
        if len(cells) > 1 and not any(whole(value) for value in cells.values()):
            heading = cells
        label = next(iter(cells.values()), "")
        for i, (column, value) in enumerate(cells.items()):
            title = heading.get(column, "")
            kind: Kind = "count" if is_count(value, title) else "text"
            # Over a count stands a heading; elsewhere it might be a cell like any other.
            where = f"{place}: column {column}"
            where += f", “{title}”" if kind == "count" else f", row {row.get('r')}"
            if value:
                found.append(Piece(where, value, kind, f"{title} | {label if i else ''}"))
    return found


def _on(value: str | None) -> bool:
    return value in ("1", "true")


def _number_of(column: str) -> int:
    number = 0
    for letter in column:
        number = number * 26 + ord(letter.upper()) - 64
    return number


def _day_styles(pack: zipfile.ZipFile) -> set[int]:
    """Return the styles of cells whose number is shown as a day."""
    if "xl/styles.xml" not in pack.namelist():
        return set()
    root = ET.fromstring(pack.read("xl/styles.xml"))  # noqa: S314
    formats = {
        int(one.get("numFmtId", "0"))
        for one in root.iter(f"{_SHEET}numFmt")
        if re.search("[dy]", re.sub(r'"[^"]*"|\[[^]]*\]|\\.', "", one.get("formatCode", "")))
    }
    styles = root.find(f"{_SHEET}cellXfs")
    return {
        i
        for i, style in enumerate([] if styles is None else styles)
        if int(style.get("numFmtId", "0")) in formats | _DAYS
    }


def _day(value: str) -> str:
    try:
        return (dt.date(1899, 12, 30) + dt.timedelta(days=int(float(value)))).isoformat()
    except (ValueError, OverflowError):
        return value
