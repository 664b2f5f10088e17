"""One thing that a file says, and where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Kind", "Piece", "is_count", "local", "whole"]

Kind = Literal[
    "text",
    "attribute",
    "comment",
    "metadata",
    "drawing",
    "count",
    "unreadable",
    "hidden",
    "picture",
    "part",
    "beside",
]
#: Headings of columns that hold counts.
_COUNTS = re.compile(
    r"\b(counts?|n|people|persons?|users|events|perpetrators|cases|measured|referred|at_risk|censored"
    r"|n_events|users_before|users_after|measured_at_both)\b",
    re.IGNORECASE,
)
#: Headings of columns that name people and hold an effect.
_EFFECTS = re.compile(r"\b(limit|for each|ratio)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that a file says.

    Attributes
    ----------
    where : str
        The file, and the place in it.
    text : str
    kind : str
        ``text`` or ``attribute``; ``count`` for a number under a heading such as "People";
        ``comment`` and ``hidden`` for what is not seen on the page; ``metadata`` for what says who
        or what made the file, and when; ``drawing`` for places on a page, which are no words;
        ``picture`` for dots, which cannot be read, with their digest as text; ``part`` for the
        name of a file packed into this one; ``beside`` for words that a program keeps beside a
        document; ``unreadable``.
    heading : str
        Of a cell: the heading of its column and the first cell of its row.
    """

    where: str
    text: str
    kind: Kind = "text"
    heading: str = ""


def whole(value: str) -> bool:
    """Tell whether a cell holds a whole number and nothing else."""
    return bool(re.fullmatch(r"\d{1,3}(,?\d{3})*(\.0)?", value.strip()))


def is_count(value: str, heading: str) -> bool:
    """Tell whether a cell under this heading is a number of people or of what happened."""
    return whole(value) and bool(_COUNTS.search(heading)) and not _EFFECTS.search(heading)


def local(name: Any) -> str:
    """Return the name of an element or attribute without its namespace."""
    return str(name).rpartition("}")[2]
