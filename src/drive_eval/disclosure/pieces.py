"""What a file says: its words, and what stands where nobody looks.

Words stand in text, in attributes such as those read aloud, in comments, in properties of a
document, in the marks of a picture and in files packed into files. Everything is unpacked down to
pieces of text, each with the place where it stands; what cannot be read is a fault.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import html.parser
import io
import json
import re
import struct
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from drive_eval.disclosure.office import IN_PARAGRAPHS, document_words, remarks, sheet_words
from drive_eval.disclosure.piece import Kind, Piece, is_count, local, whole

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Piece", "contents"]

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
_PERSONAL = {
    "creator",
    "initial-creator",
    "printed-by",
    "lastmodifiedby",
    "company",
    "manager",
    "created",
    "modified",
    "template",
}
#: Elements of a page that stand within a line of words.
_INLINE = {
    *("a", "abbr", "b", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd"),
    *("label", "mark", "q", "s", "small", "span", "strong", "sub", "sup", "time", "tspan", "u"),
    *("var", "wbr"),
}
#: Elements of a page that have no end.
_VOID = {
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"),
    *("track", "wbr"),
}
#: Styles under which nothing is seen.
_UNSEEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(hidden|collapse)|opacity\s*:\s*0?\.?0*\s*(;|$|\})"
    r"|font-size\s*:\s*0|color\s*:\s*transparent|clip-path\s*:|text-indent\s*:\s*-",
    re.IGNORECASE,
)
#: Numbers of a document that say where something stands on the page.
_PLACES: dict[str, Kind] = dict.fromkeys(
    ("posOffset", "pctWidth", "pctHeight", "pctPosHOffset", "TotalTime"), "drawing"
)
#: A file that is packed into an attribute or a style.
_PACKED = re.compile(r"data:([\w/+.-]*)(?:;[\w=.+-]+)*?;base64,([^\"')\s]*)")
_PICTURES = (".png", ".jpg", ".jpeg")


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
        if ending in _PICTURES:
            dots = Piece(f"{name}: dots", hashlib.sha256(data).hexdigest(), "picture")
            return [dots, *(_png if ending == ".png" else _jpeg)(name, data)]
        if ending in (".docx", ".xlsx", ".ods", ".odt", ".pptx", ".zip"):
            return _packed(name, data)
        text = data.decode("utf-8-sig")
        if ending in (".html", ".htm"):
            return _page(name, text)
        if ending in (".svg", ".xml", ".rels", ".rdf"):
            return _marked_up(name, text)
        if ending == ".json":
            return _json(name, json.loads(text))
        if ending == ".csv":
            return _table(name, list(csv.reader(io.StringIO(text))))
    except (
        *(ValueError, ET.ParseError, zipfile.BadZipFile, struct.error, zlib.error),
        *(RuntimeError, EOFError, IndexError, KeyError),
    ):
        # ValueError also stands for undecodable text and for JSON that is none, RuntimeError for
        # a locked pack, IndexError and KeyError for a workbook or pack that does not fit itself.
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
    if data[:2] != b"\xff\xd8":
        raise ValueError(name)
    found = []
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : place + 2 + length]
        # A profile of colours says nothing of anybody; Exif says who, when and where in numbers.
        words = _words_in(body.removeprefix(b"Exif"))
        beside = marker == 0xFE or marker in range(0xE1, 0xF0)
        where = f"{name}: words beside the picture"
        if beside and words and not body.startswith(b"ICC_PROFILE"):
            found.append(Piece(where, words, "metadata"))
        elif beside and body[:4] == b"Exif":
            found.append(Piece(where, hashlib.sha256(body).hexdigest(), "beside"))
        place += 2 + length
    end = data.find(b"\xff\xd9", place)
    if end >= 0 and (left := _words_in(data[end + 2 :])):
        found.append(Piece(f"{name}: after the end of the picture", left, "metadata"))
    return found


def _words_in(body: bytes) -> str:
    return b" ".join(re.findall(rb"[ -~]{4,}", body)).decode("ascii")


def _packed(name: str, data: bytes) -> list[Piece]:
    found: list[Piece] = []
    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        parts = pack.infolist()
        if pack.comment:
            text = pack.comment.decode("utf-8", "replace")
            found.append(Piece(f"{name}: comment of the pack", text, "comment"))
        if parts and min(part.header_offset for part in parts) > 0:
            found.append(Piece(f"{name}: before the pack begins", "more bytes", "metadata"))
        for part in parts:
            if part.is_dir():
                continue
            where = f"{name} › {part.filename}"
            beside = [part.comment.decode("utf-8", "replace"), _words_in(part.extra)]
            found += [
                Piece(f"{where}: comment of the pack", text, "comment") for text in beside if text
            ]
            found.append(Piece(f"{name}: name of a part", part.filename, "part"))
            body = pack.read(part)
            if body:
                found += _part(name, where, part.filename, body)
        if name.lower().endswith(".xlsx"):
            found += sheet_words(name, pack)
    return found


def _part(name: str, where: str, part: str, body: bytes) -> list[Piece]:
    """Return what one part of a pack says; words of a document by paragraph, and not by run."""
    ending = PurePosixPath(name).suffix.lower()
    if ending == ".zip" or not part.endswith(".xml"):
        return contents(where, body)
    try:
        text = body.decode("utf-8-sig")
        root = ET.fromstring(text)  # noqa: S314
        if remarks(part):
            said = " ".join([*root.itertext()])
            return [Piece(f"{where}: comment", said, "comment")] if len(root) else []
        if ending == ".xlsx" and part.startswith("xl/"):
            return _marked_up(where, text, {"v", "f", "t"})
        found = _marked_up(where, text, IN_PARAGRAPHS) + document_words(where, root)
    except (ValueError, ET.ParseError):
        return [Piece(where, "", "unreadable")]
    if part.startswith("customXml/") or part == "docProps/custom.xml":
        words = [p.text for p in [*found, *_marked_up(where, text)] if not _plumbing(p)]
        if words:
            found.append(Piece(where, " ".join(dict.fromkeys(words)), "beside"))
    return found


def _plumbing(piece: Piece) -> bool:
    """Tell whether an attribute only names a style, a scheme or an identity of a part."""
    return bool(
        re.search(r": (SelectedStyle|StyleName|Version|itemID|uri|pid|fmtid) of ", piece.where)
    )


class _Reader(html.parser.HTMLParser):
    """Collects what a page says, shown or not, block by block."""

    def __init__(self, name: str) -> None:
        super().__init__(convert_charrefs=True)
        self.name = name
        self.open: list[tuple[str, bool]] = []
        self.words: list[tuple[str, bool]] = []
        self.row: list[str] = []
        self.heading: list[str] = []
        self.found: list[Piece] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        unseen = _hides(tag, given)
        if tag not in _INLINE:
            self._say()
        if tag == "br":
            self.words.append((" ", False))
        elif tag == "table":
            self.heading = []
        elif tag == "tr":
            self.row = []
        elif tag in ("td", "th"):
            self.row.append("")
        for key, value in attrs:
            if value:
                self.found += _attribute(self.name, tag, key, value)
                if key.startswith("data-") or (unseen and key == "value"):
                    self.found.append(Piece(f"{self.name}: {key} of {tag}", value, "hidden"))
        if tag not in _VOID:
            self.open.append((tag, unseen))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in _INLINE:
            self._say()
        if tag == "tr" and len(self.row) > 1 and not any(whole(cell) for cell in self.row):
            self.heading = self.row
        if any(name == tag for name, _ in self.open):
            while self.open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.words.append((data, any(unseen for _, unseen in self.open)))

    def handle_comment(self, data: str) -> None:
        self.found.append(Piece(f"{self.name}: comment", data.strip(), "comment"))

    def handle_pi(self, data: str) -> None:
        self.found.append(Piece(f"{self.name}: instruction", data.strip(), "comment"))

    def close(self) -> None:
        super().close()
        self._say()

    def _say(self) -> None:
        """Join the runs of a block that ends here."""
        block = next((tag for tag, _ in reversed(self.open) if tag not in _INLINE), "")
        for hidden in (False, True):
            said = "".join(text for text, unseen in self.words if unseen == hidden)
            if not (said := " ".join(said.split())):
                continue
            where = f"{self.name}: {block}"
            if hidden:
                self.found.append(Piece(where, said, "hidden"))
                continue
            if block == "style" and (_UNSEEN.search(said) or "content" in said):
                self.found.append(Piece(f"{where} that hides or adds words", said, "hidden"))
            self.found += _pictures_in(where, said)
            self.found.append(self._cell(where, said))
        self.words = []

    def _cell(self, where: str, said: str) -> Piece:
        """Return a block with what stands over it and left of it, if it is a cell."""
        if not self.row or not any(tag in ("td", "th") for tag, _ in self.open):
            return Piece(where, said)
        self.row[-1] = f"{self.row[-1]} {said}".strip()
        column = len(self.row) - 1
        title = self.heading[column] if column < len(self.heading) else ""
        kind: Kind = "count" if is_count(said, title) else "text"
        return Piece(where, said, kind, f"{title} | {self.row[0] if column else ''}")


def _hides(tag: str, given: Mapping[str, str]) -> bool:
    """Tell whether an element of a page or a drawing is there and not seen."""
    return (
        "hidden" in given
        or tag in ("template", "noscript", "defs", "symbol", "mask")
        or given.get("type") == "hidden"
        or bool(_UNSEEN.search(given.get("style", "")))
        or (given.get("fill") == "none" and tag in ("text", "tspan"))
        or given.get("display") == "none"
        or given.get("visibility") in ("hidden", "collapse")
        or any(
            given.get(key, "").strip() in ("0", "0.0", "0%", "0px")
            for key in ("opacity", "fill-opacity", "font-size")
        )
    )


def _page(name: str, text: str) -> list[Piece]:
    reader = _Reader(name)
    reader.feed(text)
    reader.close()
    return reader.found


def _marked_up(name: str, text: str, apart: Collection[str] = ()) -> list[Piece]:
    """Return what XML says; the text of elements ``apart`` is read by others."""
    parser: ET.XMLPullParser[Any] = ET.XMLPullParser(["start", "end", "comment", "pi"])
    parser.feed(text.encode("utf-8"))
    parser.close()
    drawn = name.endswith(".svg")
    inside = re.search(r"docProps/(core|app)|meta\.xml", name)
    found: list[Piece] = []
    unseen = 0
    events: Any = parser.read_events()
    for event, element in events:
        if event in ("comment", "pi"):
            found.append(Piece(f"{name}: comment", (element.text or "").strip(), "comment"))
            continue
        tag = local(element.tag)
        hides = drawn and _hides(tag, element.attrib)
        if event == "start":
            unseen += hides
            for key, value in element.attrib.items():
                found += _attribute(name, tag, local(key), value)
            continue
        kind: Kind = "hidden" if unseen else "text"
        unseen -= hides
        if drawn and tag == "text":  # its words may stand in several spans
            if said := " ".join("".join(element.itertext()).split()):
                found.append(Piece(f"{name}: {tag}", said, kind))
            continue
        if drawn and tag == "metadata":
            words = " ".join(part.strip() for part in element.itertext() if part.strip())
            found.append(Piece(f"{name}: metadata", words, "metadata"))
        if tag in apart or (drawn and tag == "tspan"):
            continue
        said = (element.text or "").strip()
        if said:
            personal = (inside or "metadata" in tag) and tag.lower() in _PERSONAL
            kind = "metadata" if personal else _PLACES.get(tag, kind)
            found.append(Piece(f"{name}: {tag}", said, kind))
        for child in element:
            if (child.tail or "").strip():
                found.append(Piece(f"{name}: {tag}", child.tail.strip()))
    return found


def _attribute(name: str, tag: str, key: str, value: str) -> list[Piece]:
    where = f"{name}: {key} of {tag}"
    found = _pictures_in(where, value)
    if found and re.match(r"\s*data:", value):
        return found
    if key.lower() in _DRAWN:
        return [Piece(where, value, "drawing")]
    return [*found, Piece(where, " ".join(value.split()), "attribute")]


def _pictures_in(where: str, value: str) -> list[Piece]:
    """Return what the files say that are packed into an attribute or a style."""
    found: list[Piece] = []
    ending = {"image/png": ".png", "image/svg+xml": ".svg", "image/jpeg": ".jpg"}
    for packed in _PACKED.finditer(value):
        try:
            data = base64.b64decode(packed[2], validate=True)
        except binascii.Error:
            return [Piece(where, "", "unreadable")]
        found += contents(f"{where}{ending.get(packed[1], '.unknown')}", data)
    return found


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
            kind: Kind = "count" if is_count(cell, title.replace("_", " ")) else "text"
            if cell:
                found.append(Piece(where, cell, kind, f"{title} | {row[0] if i else ''}"))
    return found
