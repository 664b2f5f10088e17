"""What was typed into a release by hand, searched for anything that could be about one person.

A file that drive_eval wrote can be written again and compared. One that somebody edited or added
cannot, so whatever it holds beyond the drawn file is read with suspicion: every number as small
as those that the policy hides, every day, every mark of a person in whatever spelling, and
whatever a reader of the page does not see. What stands in the drawn file in the same words is let
through. Sentences say where something stands, and never what.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drive_eval.disclosure.office import remarks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from drive_eval.disclosure import Policy
    from drive_eval.disclosure.piece import Kind, Piece

__all__ = ["Allowed", "Marks", "days_in", "folded", "typed_faults"]

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = (
    r"(?P<{m}>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?![^\W\d_])\.?"
)
_ORDINALS = [
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth"),
    *("seventeenth", "eighteenth", "nineteenth", "twentieth", "thirtieth"),
]
_GAP = r"[\s.,/_-]*"
_YEAR = r"(?:(?P<{y}>\d{{4}})(?!\d)|'?(?P<{y}s>\d\d)(?![\d%]))?"
#: Days as they are written in Britain, in America and by programs.
_DAYS = (
    re.compile(
        rf"(?<!\d)(?P<d>\d\d?)(?:st|nd|rd|th)?{_GAP}(?:day )?(?:of )?{_MONTH.format(m='m')}"
        rf"(?:{_GAP}{_YEAR.format(y='y')})",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b{_MONTH.format(m='m')}{_GAP}(?:the )?(?P<d>\d\d?)(?:st|nd|rd|th)?(?![\d%])"
        rf"(?:[\s,./_-]+{_YEAR.format(y='y')})?",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?<!\d)(?P<y>(?:19|20)\d\d)\s?[-./_]\s?(?P<m>\d\d?)\s?[-./_]\s?(?P<d>\d\d?)(?!\d)"
    ),
    re.compile(
        r"(?<![\d.])(?P<d>\d\d?)\s?[-./_]\s?(?P<m>\d\d?)\s?[-./_]\s?"
        r"(?:(?P<y>(?:19|20)\d\d)|(?P<ys>\d\d))(?![\d%])(?!\.\d)"
    ),
    re.compile(r"(?<![\w.])(?P<y>(?:19|20)\d\d)(?P<m>[01]\d)(?P<d>[0-3]\d)(?:T\d+)?(?![\w.])"),
    re.compile(
        rf"\b(?P<d>(?:(?:twenty|thirty)[\s-])?(?:{'|'.join(_ORDINALS)})) (?:day )?of "
        rf"{_MONTH.format(m='m')}(?:{_GAP}{_YEAR.format(y='y')})",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,?\s(?:the\s)?"
        r"(?P<d>\d\d?)(?:st|nd|rd|th)?(?![\d%])",
        re.IGNORECASE,
    ),
)

#: A number with what belongs to it, a word, or a sign that stands for a word.
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*(?!\w)|\w+|[%/=:]")
_WORDS = {
    **{"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9},
    **{"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15},
    **{"sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19},
}
#: Words that are numbers only beside people: "one could say", "both groups".
_WEAK = {"one": 1, "single": 1, "sole": 1, "couple": 2, "both": 2}
_PEOPLE = re.compile(
    r"(people|persons?|perpetrators?|offenders?|victims?|survivors?|m[ae]n|wom[ae]n|males?|females?"
    r"|clients?|users?|participants?|cases?|child|children|fathers?|mothers?|parents?|boys?|girls?"
    r"|sons?|daughters?|adults?|famil(?:y|ies)|dyads?|enrolments?|events?|partners?|individuals?"
    r"|respondents?|suspects?|defendants?|referrals?|deaths?|dead|arrests?|convictions?|prisoners?"
    r"|patients?|couples?|households?|residents?|husbands?|wives|wife|lives|murders?|homicides?"
    r"|suicides?|incidents?|offences|assaults?|them|whom|others|n)",
    re.IGNORECASE,
)
#: What follows a number that counts no people.
_THINGS = re.compile(
    r"(years?|months?|weeks?|days?|hours?|minutes?|%|per|percent|percentage|points?|pages?|tables?"
    r"|charts?|figures?|chapters?|sections?|parts?|questions?|steps?|stages?|phases?|groups?|arms?"
    r"|types?|kinds?|forms?|sites?|areas?|forces?|ways?|reasons?|columns?|rows?|sentences?"
    r"|paragraphs?|reports?|versions?|studies|sources?|measures?|outcomes?|times?|sessions?|visits?)",
    re.IGNORECASE,
)
#: What stands before the number of a page or a part.
_NAMED = re.compile(
    r"(tables?|figures?|charts?|chapters?|sections?|parts?|pages?|phases?|stages?|steps?|questions?"
    r"|versions?|annex|appendix|articles?|volumes?|editions?|levels?|tiers?|grades?|notes?|boxe?s?)",
    re.IGNORECASE,
)
_DID = {"was", "had", "has", "died", "did", "moved", "started", "stopped", "left", "said", "killed"}
_NOT_ONE = {"no", "every", "any", "some", "each", "this", "that", "which", "the", "another", "what"}
#: Attributes whose words are shown or read aloud.
_AS_WORDS = re.compile(
    r": (alt|title|descr|aria-label|aria-description|summary|placeholder|content|label|value"
    r"|tooltip|prompt|promptTitle|error|errorTitle|caption|data-[\w-]+|string) of "
    r"|: val of (tblCaption|tblDescription|text|alias|tag|default)$"
)
#: Parts that an office program writes and that are searched like the rest.
_PARTS = re.compile(
    r"\[Content_Types\]\.xml|(.*/)?_rels/[^/]*\.rels|docProps/(core|app)\.xml"
    r"|word/(document|styles|stylesWithEffects|settings|webSettings|fontTable|numbering|footnotes"
    r"|endnotes|header\d*|footer\d*|theme/theme\d*)\.xml"
    r"|xl/(workbook|styles|sharedStrings|calcChain|metadata|theme/theme\d*|worksheets/sheet\d+"
    r"|tables/table\d+)\.xml"
    r"|ppt/(presentation|presProps|viewProps|tableStyles|theme/theme\d*|slides/slide\d+"
    r"|slideLayouts/slideLayout\d+|slideMasters/slideMaster\d+|notesMasters/notesMaster\d+"
    r"|notesSlides/notesSlide\d+)\.xml"
    r"|content\.xml|styles\.xml|meta\.xml|settings\.xml|mimetype|manifest\.rdf"
    r"|META-INF/manifest\.xml|Configurations2/.*"
)
_PICTURE = re.compile(r"\.(png|jpe?g)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What a file may say though somebody edited or added it.

    Attributes
    ----------
    drawn : sequence of Piece
        What the same file says as it was drawn; nothing for a file that was added.
    report : sequence of Piece
        What the report says, which any file may quote.
    plan : sequence of str
        The evaluator's own words.
    days : collection of tuple
        Year, month and day of what the plan names and of what belongs to nobody's life.
    pictures : collection of str
        Digests of pictures that were drawn, or that somebody looked at and put on record.
    rules : Policy, optional
        None if nothing is hidden.
    hidden : collection of int
        Exact counts that the release hides or rounds.
    """

    drawn: Sequence[Piece] = ()
    report: Sequence[Piece] = ()
    plan: Sequence[str] = ()
    days: Collection[tuple[int, int, int]] = ()
    pictures: Collection[str] = ()
    rules: Policy | None = None
    hidden: Collection[int] = field(default_factory=frozenset)


# --- Marks of persons --------------------------------------------------------------------


class Marks:
    """Marks of persons, to be found in whatever spelling.

    Parameters
    ----------
    marks : collection of str

    Notes
    -----
    A mark of letters and digits is looked for anywhere, without regard to case and to whatever
    stands between them. One of digits alone would be found in any year or sum, and one of letters
    alone in any word, so these must stand by themselves.
    """

    def __init__(self, marks: Collection[str]) -> None:
        keys = {folded(mark) for mark in marks}
        self.alone = {key for key in keys if len(key) >= 4 or not key.isdigit()} - {""}
        self.anywhere = {
            key
            for key in keys
            if len(key) >= 4 and re.search(r"\d", key) and re.search(r"[^\W\d_]", key)
        }
        self.lengths = sorted({len(key) for key in self.anywhere})

    def stand_in(self, text: str) -> bool:
        """Tell whether a run of letters, digits and dashes is one of the marks."""
        plain = plain_text(text).casefold()
        return bool(self.alone) and any(
            folded(run) in self.alone for run in re.findall(r"[\w-]+", plain)
        )

    def hide_in(self, text: str) -> bool:
        """Tell whether a mark stands anywhere, however it is spaced."""
        if self.stand_in(text):
            return True
        joined = folded(text)
        return any(
            joined[at : at + length] in self.anywhere
            for length in self.lengths
            for at in range(len(joined) - length + 1)
        )


def plain_text(text: str) -> str:
    """Return text with one kind of digits, dashes and spaces, and nothing that has no width."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text)
    kinds = {"Pd": "-", "Cf": "", "Zs": " "}
    return "".join(
        "-" if c in "\u2212\u2043" else kinds.get(unicodedata.category(c), c) for c in text
    )


def folded(text: str) -> str:
    """Return the letters and digits of a text, without case."""
    return re.sub(r"[\W_]+", "", plain_text(text).casefold())


# --- Days --------------------------------------------------------------------------------


def days_in(text: str) -> Iterator[set[tuple[int, int, int]]]:
    """Yield what each day in a text may mean: year (0 if it is not named), month and day.

    Examples
    --------
    >>> list(days_in("on 14th March"))
    [{(0, 3, 14)}]
    """
    text = plain_text(text)
    for pattern in _DAYS:
        for match in pattern.finditer(text):
            got = match.groupdict()
            word = got["d"].casefold()
            day = _ordinal(word) if word[0].isalpha() else int(word)
            month = (got.get("m") or "0").casefold()
            short = got.get("ys")
            year = int(got.get("y") or (f"20{short}" if short else 0))
            if month[0].isalpha() and _only_a_verb(match[0], month, year):
                continue
            number = 1 + _MONTHS.index(month[:3]) if month[0].isalpha() else int(month)
            readings = {(year, number, day)}
            if month.isdigit() and number:
                readings.add((year, day, number))
            real = {reading for reading in readings if _real(*reading)}
            if real:
                yield real


def _only_a_verb(said: str, month: str, year: int) -> bool:
    """Tell whether "may" and "march" are verbs: "of 14 may", without a capital or a year."""
    return month in ("may", "mar", "march") and month in said and not year


def _ordinal(word: str) -> int:
    tens, _, ones = re.sub(r"\s", "-", word).rpartition("-")
    place = _ORDINALS.index(ones) + 1
    return {"twenty": 20, "thirty": 30}.get(tens, 0) + (30 if place == 20 + 1 else place)


def _real(year: int, month: int, day: int) -> bool:
    if not month:  # a day of the week with its number
        return 1 <= day <= 31
    try:
        dt.date(year or 2024, month, day)
    except ValueError:
        return False
    return True


def _strange_day(text: str, known: Collection[tuple[int, int, int]]) -> bool:
    for readings in days_in(text):
        plain = any(
            (year, month, day) in known
            or (not year and any((month or m) == m and day == d for _, m, d in known))
            for year, month, day in readings
        )
        if not plain:
            return True
    return False


# --- Numbers -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Number:
    """A number in a text, with the words around it."""

    value: float
    key: tuple[str, ...]
    tokens: list[str]
    at: int

    @property
    def in_words(self) -> bool:
        """Whether enough words stand around it to know it again."""
        return len(self.key) >= 6

    def token(self, step: int) -> str:
        place = self.at + step
        return self.tokens[place] if 0 <= place < len(self.tokens) else ""


def _numbers(text: str, heading: str = "") -> Iterator[_Number]:
    text = plain_text(text)
    for pattern in _DAYS:  # days are looked for by themselves
        text = pattern.sub(lambda day: " " if any(days_in(day[0])) else day[0], text)
    text = re.sub(r"\b24/7\b|\b999\b|(?<!\d)((?:19|20)\d\d)/\d{1,4}\b", " ", text)
    text = re.sub(r"\b(\d+)(?!st\b|nd\b|rd\b|th\b)([^\W\d_]{3,})", r"\1 \2", text)
    tokens = _TOKEN.findall(text)
    for at, token in enumerate(tokens):
        word = token.casefold()
        value: float | None = None
        if word in _WORDS or word in _WEAK:
            value = _WORDS.get(word) or _WEAK[word]
        elif re.fullmatch(r"\d+(?:[.,]\d+)*", token):
            value = _value(token)
        if value is not None:
            near = [t.casefold() for t in tokens[max(0, at - 2) : at + 3]]
            key = (plain_text(heading).casefold(), str(min(at, 2)), *near)
            yield _Number(value, key, tokens, at)


def _value(token: str) -> float:
    whole = re.fullmatch(r"(\d{1,3})(,\d{3})+(\.\d+)?", token)
    text = token.replace(",", "") if whole else token.replace(",", ".")
    try:
        return float(text)
    except ValueError:  # such as 1.2.3, the number of a section
        return -1.0


def _counts_people(number: _Number) -> bool:
    """Tell whether the words around a number make it one of people or of what happened to them."""
    before, after, second = number.token(-1), number.token(1), number.token(2)
    if after in ("/", "of", "out"):
        whole = next((t for t in number.tokens[number.at + 2 :] if t[0].isdigit()), "")
        if whole.replace(",", "") in ("100", "1000"):
            return False  # a rate
        near = " ".join(number.tokens[number.at + 2 : number.at + 6])
        return after == "/" or bool(re.search(r"\d", near)) or _near_people(near)
    if _PEOPLE.fullmatch(after) or (_PEOPLE.fullmatch(second) and not _THINGS.fullmatch(after)):
        return True
    if before == "/" or (before == "of" and number.token(-2)[:1].isdigit()):
        return int(number.value) not in (100, 1000)
    if before in (":", "=") or before in ("was", "were", "is", "are"):
        near = " ".join(number.tokens[max(0, number.at - 8) : number.at])
        return _near_people(near) and not _THINGS.fullmatch(after)
    return before.casefold() == "n"


def _near_people(words: str) -> bool:
    return any(_PEOPLE.fullmatch(word) for word in words.split())


def _wrong(number: _Number, rules: Policy, hidden: Collection[int]) -> str:
    """Say what is wrong with a number, if anything: one of people, or one that could be."""
    value = int(number.value)
    if value != number.value or value < 0:
        return ""
    word = number.tokens[number.at].casefold()
    small = rules.hides_anything and rules.smallest_hidden <= value <= rules.suppress_up_to
    if word in _WEAK:
        return "people" if small and _weak(number) else ""
    people = _counts_people(number)
    rounded = rules.round_to > 1 and value % rules.round_to != 0
    if people and value and (small or rounded or value in hidden):
        return "people"
    if not small or _THINGS.fullmatch(number.token(1)) or _NAMED.fullmatch(number.token(-1)):
        return ""
    thing = _THINGS.fullmatch(number.token(2)) and number.token(1) != "of"
    return "" if thing else "small"


def _weak(number: _Number) -> bool:
    before, after = number.token(-1).casefold(), number.token(1).casefold()
    near = [number.token(step) for step in ((2, 3, 4) if after == "of" else (1, 2))]
    if any(_PEOPLE.fullmatch(word) for word in near) and before not in ("no", "any"):
        return True
    if number.tokens[number.at].casefold() != "one":
        return False
    return before in ("only", "just", "exactly") or (after in _DID and before not in _NOT_ONE)


def _share(number: _Number, heading: str) -> bool:
    """Tell whether a number is a percentage with decimals, or an exact share of 1."""
    token = number.tokens[number.at]
    decimals = len(re.sub(r"^\d+[.,]?", "", token))
    if not decimals or number.value < 0 or number.value == int(number.value):
        return False
    after = f"{number.token(1)} {number.token(2)}".casefold()
    percent = after.startswith(("%", "percent", "per cent", "pct"))
    percent = percent or bool(re.search(r"%|per ?cent|share", heading, re.IGNORECASE))
    return percent or (number.value < 1 and decimals >= 3)


# --- A whole file ------------------------------------------------------------------------


def typed_faults(
    name: str, found: Sequence[Piece], allowed: Allowed, marks: Marks
) -> Iterator[str]:
    """Say where a file that was edited or added by hand holds what no release may.

    Parameters
    ----------
    name : str
        Of the file.
    found : sequence of Piece
        What it says.
    allowed : Allowed
        What it may say.
    marks : Marks
        Of persons.

    Yields
    ------
    str
        A sentence with the place, and never with what stands there.
    """
    if marks.hide_in(name):
        yield "The name of a file that was added by hand holds the mark of a person of the study."
    left = Counter((p.kind, p.text, p.heading) for p in allowed.drawn)
    drawn_words = Counter(p.text for p in allowed.drawn if p.kind == "text")
    more = []
    for piece in found:
        key = (piece.kind, piece.text, piece.heading)
        if left[key] > 0:
            left[key] -= 1
        elif not _page_of_heading(piece, drawn_words):
            more.append(piece)
    yield from _unseen(name, more, allowed)
    worded = [p for p in more if _is_worded(p)]
    days = set(allowed.days)
    days |= {
        day for p in (*allowed.drawn, *allowed.report) for one in days_in(p.text) for day in one
    }
    for piece in more:
        if piece.kind in ("picture", "drawing", "unreadable"):
            continue
        inside = marks.hide_in if _is_worded(piece) or piece.kind == "part" else marks.stand_in
        if inside(piece.text):
            yield f"{piece.where} holds the mark of a person of the study."
        if _is_worded(piece) and _strange_day(piece.text, days):
            yield f"{piece.where} holds a date that the plan does not name."
    for where, text in _over_lines(worded):
        if marks.hide_in(text):
            yield f"{where} holds the mark of a person of the study."
        if _strange_day(text, days):
            yield f"{where} holds a date that the plan does not name."
    if allowed.rules is not None:
        yield from _numbers_wrong(worded, left, allowed, allowed.rules)


def _page_of_heading(piece: Piece, drawn: Mapping[str, int]) -> bool:
    """Tell whether a line is one of the contents, to which Word has put the page.

    A heading stands twice in the drawn file, over its section and among the contents.
    """
    line = re.fullmatch(r"(.+?) \d{1,3}", piece.text)
    return bool(line and piece.kind == "text" and not piece.heading and drawn.get(line[1], 0) > 1)


def _is_worded(piece: Piece) -> bool:
    if piece.kind == "attribute":
        return bool(_AS_WORDS.search(piece.where))
    machine = re.search(r"docProps/app\.xml|\.rels:|\[Content_Types\]|/settings\.xml", piece.where)
    revision = re.search(r": (revision|editing-cycles|editing-duration|language)$", piece.where)
    return piece.kind in ("text", "count", "hidden", "comment", "metadata", "beside") and not (
        machine or revision
    )


def _unseen(name: str, more: Sequence[Piece], allowed: Allowed) -> Iterator[str]:
    """Say where something stands that is not seen on the page, or cannot be read."""
    for piece in more:
        if piece.kind == "hidden":
            yield (
                f"{piece.where} is in the file and not seen on the page. Accept or refuse tracked "
                "changes and take out what is hidden."
            )
        elif piece.kind == "beside" or (piece.kind == "part" and not _usual(piece)):
            part = f" › {piece.text}" if piece.kind == "part" else ""
            place = piece.where.removesuffix(": name of a part") + part
            yield f"{place} holds something that a program keeps beside the words. Take it out."
        elif piece.kind == "picture":
            # A picture that is a file of its own was put on record by its name.
            if piece.text not in allowed.pictures and piece.where != f"{name}: dots":
                yield _picture(piece.where)
        elif (
            piece.kind == "drawing"
            and re.search(r": (d|points) of ", piece.where)
            and not name.endswith(".svg")
        ):
            yield f"{piece.where}: lines that were not drawn cannot be read. Take them out."


def _usual(piece: Piece) -> bool:
    """Tell whether an office program writes a part of this name, and it is searched elsewhere."""
    pack, part = piece.where.removesuffix(": name of a part"), piece.text
    known = _PARTS.fullmatch(part) or _PICTURE.search(part) or remarks(part)
    own = part.startswith("customXml/") or part == "docProps/custom.xml"
    return pack.endswith(".zip") or bool(known) or own  # what these say is judged by itself


def _picture(where: str) -> str:
    return (
        f"{where.removesuffix(': dots')} is a picture that was not drawn, and its dots cannot be "
        "read. Take it out; or look at it, put the same picture into the folder as a file of its "
        "own and put that on record (--accept)."
    )


def _over_lines(worded: Sequence[Piece]) -> Iterator[tuple[str, str]]:
    """Yield neighbouring lines of a text together: a sentence may go on in the next line."""
    for first, second in itertools.pairwise(worded):
        if re.search(r": line \d+$", first.where) and re.search(r": line \d+$", second.where):
            yield first.where, f"{first.text[-60:]} {second.text[:60]}"


def _numbers_wrong(
    worded: Sequence[Piece],
    left: Mapping[tuple[Kind, str, str], int],
    allowed: Allowed,
    rules: Policy,
) -> Iterator[str]:
    said = [p for p in (*allowed.drawn, *allowed.report) if _is_worded(p)]
    ours = [n for p in said for n in _numbers(p.text, p.heading)]
    ours += [n for text in allowed.plan for n in _numbers(text)]
    # A number between the same words is the report's. One with few words about it, such as a
    # cell, is so only where a cell like it was taken away.
    quoted = {number.key for number in ours if number.in_words}
    shares = {number.token(0) for number in ours}
    freed = Counter(
        number.key
        for (_, text, heading), times in left.items()
        for number in _numbers(text, heading)
        for _ in range(times)
    )
    for piece in worded:
        if piece.kind not in ("text", "count", "attribute"):
            continue  # what is not seen is a fault whatever it says
        for number in _numbers(piece.text, piece.heading):
            if number.in_words and number.key in quoted:
                continue
            if freed[number.key] > 0:
                freed[number.key] -= 1
                continue
            if _share(number, piece.heading) and number.token(0) not in shares:
                yield f"{piece.where} holds an exact percentage or share that the report does not."
            wrong = _wrong(number, rules, allowed.hidden)
            if wrong == "people" or (wrong and piece.kind == "count"):
                yield f"{piece.where} holds a number of people that the policy does not show."
            elif wrong:
                yield (
                    f"{piece.where} holds a number as small as those that the policy hides, and "
                    "the report does not hold it there. Put it as the report does, or leave it out."
                )
