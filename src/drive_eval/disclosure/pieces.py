"""What a file says: its words, and what stands where nobody looks.

Words stand in text, in attributes such as those read aloud, in comments, in properties of a
document, in the marks of a picture and in files packed into files. Everything is unpacked down to
pieces of text, each with the place where it stands; what cannot be read is a fault.
"""

from __future__ import annotations

import base64
import binascii
import csv
import html.parser
import io
import json
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal
from xml.etree import ElementTree as ET

__all__ = ["Piece", "contents"]

Kind = Literal["text", "attribute", "comment", "metadata", "drawing", "count", "unreadable"]

#: Parts of a PNG that only say how its dots are to be read.
_PICTURE = {
    b"IHDR",
    b"PLTE",
    b"IDAT",
    b"IEND",
    b"tRNS",
    b"sRGB",
    b"gAMA",
    b"cHRM",
    b"pHYs",
    b"sBIT",
}
_TEXTUAL = {".txt", ".md", ".log", ".toml", ".css", ".tex", ".yml", ".yaml", ".py", ""}
#: Attributes that hold places on a page, not words.
_DRAWN = {
    "d",
    "points",
    "transform",
    "viewbox",
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "width",
    "height",
}
#: Properties that name a person, a company, a program or a machine.
_PERSONAL = {"creator", "lastmodifiedby", "company", "manager", "created", "modified", "template"}
#: Headings of columns that hold counts.
_COUNTS = re.compile(
    r"\b(counts?|n|people|persons?|users|events|perpetrators|cases|measured|referred|at_risk|censored"
    r"|n_events|users_before|users_after|measured_at_both)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that a file says.

    Attributes
    ----------
    where : str
        The file, and the place in it.
    text : str
    kind : {'text', 'attribute', 'comment', 'metadata', 'drawing', 'count', 'unreadable'}
        ``count`` for a number under a heading such as "People"; ``drawing`` for places on a
        page, which are no words; ``metadata`` for what says who or what made the file, and when.
    """

    where: str
    text: str
    kind: Kind = "text"


def contents(name: str, data: bytes) -> list[Piece]:
    """What does this file say, in whatever corner?

    Parameters
    ----------
    name : str
        With its ending, which says how it is read.
    data : bytes

    Returns
    -------
    list of Piece
        A file that cannot be read is one piece of kind ``unreadable``.

    Examples
    --------
    >>> found = contents("words.svg", b"<svg><title>Users</title><!-- n = 4 --></svg>")
    >>> sorted((piece.where, piece.text, piece.kind) for piece in found)
    [('words.svg: comment', 'n = 4', 'comment'), ('words.svg: title', 'Users', 'text')]
    """
    ending = PurePosixPath(name).suffix.lower()
    try:
        if ending == ".png":
            return _png(name, data)
        if ending in (".jpg", ".jpeg"):
            return _jpeg(name, data)
        if ending in (".docx", ".xlsx", ".ods", ".odt", ".pptx", ".zip"):
            return _packed(name, data)
        text = data.decode("utf-8-sig")
        if ending in (".html", ".htm"):
            return _page(name, text)
        if ending in (".svg", ".xml", ".rels"):
            return _marked_up(name, text)
        if ending == ".json":
            return _json(name, json.loads(text))
        if ending == ".csv":
            return _table(name, list(csv.reader(io.StringIO(text))))
    except (ValueError, ET.ParseError, zipfile.BadZipFile, struct.error, zlib.error):
        # ValueError also stands for undecodable text and for JSON that is none.
        return [Piece(name, "", "unreadable")]
    if ending in _TEXTUAL:
        return [
            Piece(f"{name}: line {i}", line) for i, line in enumerate(text.splitlines(), 1) if line
        ]
    return [Piece(name, "", "unreadable")]


def _png(name: str, data: bytes) -> list[Piece]:
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError(name)
    found: list[Piece] = []
    place = 8
    kind = b""
    while place + 8 <= len(data) and kind != b"IEND":
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind = data[place + 4 : place + 8]
        body = data[place + 8 : place + 8 + length]
        place += 12 + length
        if kind not in _PICTURE:
            label = kind.decode("latin-1")
            found.append(Piece(f"{name}: {label} of the picture", _chunk(kind, body), "metadata"))
    if place < len(data):
        left = data[place:].decode("utf-8", "replace")
        found.append(Piece(f"{name}: after the end of the picture", left, "metadata"))
    return found


def _chunk(kind: bytes, body: bytes) -> str:
    if kind in (b"zTXt", b"iTXt"):
        for start in range(len(body)):
            if body[start : start + 1] == b"\x78":  # where a compressed stream may begin
                try:
                    unpacked = zlib.decompress(body[start:]).decode("utf-8", "replace")
                    return f"{body[:start]!r} {unpacked}"
                except zlib.error:
                    continue
    return body.decode("utf-8", "replace").replace("\0", " ")


def _jpeg(name: str, data: bytes) -> list[Piece]:
    found = []
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : place + 2 + length]
        # A profile of colours says nothing of anybody; other words are four letters or more.
        words = b" ".join(re.findall(rb"[ -~]{4,}", body.removeprefix(b"Exif")))
        beside = marker == 0xFE or marker in range(0xE1, 0xF0)
        if beside and words and not body.startswith(b"ICC_PROFILE"):
            text = words.decode("ascii")
            found.append(Piece(f"{name}: words beside the picture", text, "metadata"))
        place += 2 + length
    return found


def _packed(name: str, data: bytes) -> list[Piece]:
    found: list[Piece] = []
    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        if pack.comment:
            text = pack.comment.decode("utf-8", "replace")
            found.append(Piece(f"{name}: comment of the pack", text, "comment"))
        for part in pack.infolist():
            if part.is_dir():
                continue
            where = f"{name} › {part.filename}"
            if part.comment:
                text = part.comment.decode("utf-8", "replace")
                found.append(Piece(f"{where}: comment of the pack", text, "comment"))
            found += contents(where, pack.read(part))
        if name.lower().endswith(".xlsx"):
            found += _sheets(name, pack)
    return found


def _sheets(name: str, pack: zipfile.ZipFile) -> list[Piece]:
    """Return the numbers of a workbook under their headings, and formulas with what they gave."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    shared: list[str] = []
    if "xl/sharedStrings.xml" in pack.namelist():
        root = ET.fromstring(pack.read("xl/sharedStrings.xml"))  # noqa: S314
        shared = ["".join(item.itertext()) for item in root.iter(f"{space}si")]
    found = []
    for part in sorted(n for n in pack.namelist() if n.startswith("xl/worksheets/sheet")):
        root = ET.fromstring(pack.read(part))  # noqa: S314
        heading: dict[str, str] = {}
        for row in root.iter(f"{space}row"):
            cells = {}
            for cell in row.iter(f"{space}c"):
                column = re.sub(r"\d", "", cell.get("r", ""))
                value = cell.findtext(f"{space}v", "")
                if cell.get("t") == "s" and value:
                    value = shared[int(value)]
                elif cell.get("t") == "inlineStr":
                    value = "".join(cell.itertext())
                cells[column] = value
                if cell.find(f"{space}f") is not None:
                    where = f"{name} › {part}: formula in {cell.get('r')}"
                    found.append(Piece(where, "".join(cell.itertext()), "metadata"))
            if len(cells) > 1 and not any(_whole(value) for value in cells.values()):
                heading = cells
            for column, value in cells.items():
                if _whole(value) and _COUNTS.search(heading.get(column, "")):
                    where = f"{name} › {part}: column {column}, “{heading[column]}”"
                    found.append(Piece(where, value, "count"))
    return found


def _whole(value: str) -> bool:
    return bool(re.fullmatch(r"\d{1,3}(,?\d{3})*(\.0)?", value.strip()))


class _Reader(html.parser.HTMLParser):
    """Collects what a page says, shown or not."""

    def __init__(self, name: str) -> None:
        super().__init__(convert_charrefs=True)
        self.name, self.path = name, ""
        self.found: list[Piece] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.path = tag
        for key, value in attrs:
            if value:
                self.found += _attribute(self.name, tag, key, value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.found.append(Piece(f"{self.name}: {self.path}", " ".join(data.split())))

    def handle_comment(self, data: str) -> None:
        self.found.append(Piece(f"{self.name}: comment", data.strip(), "comment"))

    def handle_pi(self, data: str) -> None:
        self.found.append(Piece(f"{self.name}: instruction", data.strip(), "comment"))


def _page(name: str, text: str) -> list[Piece]:
    reader = _Reader(name)
    reader.feed(text)
    reader.close()
    return reader.found


def _marked_up(name: str, text: str) -> list[Piece]:
    parser: ET.XMLPullParser[Any] = ET.XMLPullParser(["start", "end", "comment", "pi"])
    parser.feed(text.encode("utf-8"))
    parser.close()
    found: list[Piece] = []
    events: Any = parser.read_events()
    for event, element in events:
        if event in ("comment", "pi"):
            found.append(Piece(f"{name}: comment", (element.text or "").strip(), "comment"))
            continue
        tag = _plain(element.tag)
        if event == "start":
            for key, value in element.attrib.items():
                found += _attribute(name, tag, _plain(key), value)
            continue
        inside = "metadata" in tag or "docProps/core" in name or "docProps/app" in name
        said = (element.text or "").strip()
        if said:
            personal = inside and tag.lower() in _PERSONAL
            found.append(Piece(f"{name}: {tag}", said, "metadata" if personal else "text"))
        for child in element:
            if (child.tail or "").strip():
                found.append(Piece(f"{name}: {tag}", child.tail.strip()))
        if tag == "metadata" and name.endswith(".svg"):
            words = " ".join(part.strip() for part in element.itertext() if part.strip())
            found.append(Piece(f"{name}: metadata", words, "metadata"))
    return found


def _plain(name: Any) -> str:
    return str(name).rpartition("}")[2]


def _attribute(name: str, tag: str, key: str, value: str) -> list[Piece]:
    where = f"{name}: {key} of {tag}"
    packed = re.match(r"data:([\w/+.-]+)(;base64)?,", value)
    if packed and packed[2]:
        ending = {"image/png": ".png", "image/svg+xml": ".svg", "image/jpeg": ".jpg"}
        try:
            data = base64.b64decode(value[packed.end() :], validate=True)
        except binascii.Error:
            return [Piece(where, "", "unreadable")]
        return contents(f"{where}{ending.get(packed[1], '.unknown')}", data)
    if key.lower() in _DRAWN:
        return [Piece(where, value, "drawing")]
    return [Piece(where, " ".join(value.split()), "attribute")]


def _json(where: str, value: Any) -> list[Piece]:
    if isinstance(value, dict):
        return [p for key, item in value.items() for p in _json(f"{where}: {key}", item)]
    if isinstance(value, list):
        return [p for item in value for p in _json(where, item)]
    return [] if value is None or isinstance(value, bool) else [Piece(where, str(value))]


def _table(name: str, rows: list[list[str]]) -> list[Piece]:
    heading = rows[0] if rows else []
    found = [Piece(f"{name}: heading", cell) for cell in heading if cell]
    for number, row in enumerate(rows[1:], start=2):
        for i, cell in enumerate(row):
            title = heading[i] if i < len(heading) else ""
            where = f"{name}: line {number}, column {title or i + 1}"
            kind: Kind = (
                "count" if _whole(cell) and _COUNTS.search(title.replace("_", " ")) else "text"
            )
            if cell:
                found.append(Piece(where, cell, kind))
    return found
