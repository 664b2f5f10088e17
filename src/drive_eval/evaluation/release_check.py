"""DOOR: may this folder leave the building? Every file of it is opened and searched.

Three questions, each of which would do if the others could not be asked. Is each file what was
written? Does each follow from ``results.json``, and that from the exact results? And does
anything stand anywhere that no release may hold?
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drive_eval import disclosure
from drive_eval.disclosure.pieces import Piece, contents
from drive_eval.errors import DriveEvalError, ResultError
from drive_eval.evaluation.by_hand import Allowed, Marks, days_in, typed_faults
from drive_eval.evaluation.manifest import (
    MANIFEST,
    digest,
    files_of,
    read_manifest,
    what_it_is,
)
from drive_eval.evaluation.releases import against_earlier
from drive_eval.measures.offending import recording_changes
from drive_eval.results import Evaluation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from drive_eval.disclosure import Policy
    from drive_eval.results import CountTable

__all__ = ["ReleaseCheck", "check_release", "identifiers_of"]

#: A number of people as a sentence gives it.
_COUNTED = re.compile(
    r"(?:\bn\s*=\s*(?P<n>\d[\d,]*))"
    r"|(?:\b(?P<part>\d[\d,]*) of (?:the )?(?P<whole>\d[\d,]*)\b"
    r"(?! (?:outcomes|counts|tables|figures|days)))"
    r"|(?:\b(?P<people>\d[\d,]*) (?:people|persons|perpetrators|victim-survivors|users|cases"
    r"|enrolments|dyads|families|events)\b)",
    re.IGNORECASE,
)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DATE = re.compile(
    r"\b(\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{4}"
    rf"|\d{{1,2}} (?:{'|'.join(_MONTHS)}) \d{{4}})\b"
)
_LONG = re.compile(r"(?<![\w.])\d*\.\d{5,}")
#: What the report says of its own rules.
_RULE = re.compile(r"rounded to (the nearest )?\d+ cases|\d+ \w+( of an arm)? or (fewer|more)")
#: Numbers of nobody who was counted: the people whom a new study would need, kinds of abuse.
_OF_NOBODY = re.compile(
    r"a new study would need [\d,]+( and [\d,]+)? (people|pairs)|Page \d+ of \d+"
    r"|\d+ of (the )?\d+ (types|lines)\b"
)
#: Fewer letters than this are found anywhere by chance.
_SHORTEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseCheck:
    """What was found in a folder that is to be released.

    Attributes
    ----------
    faults : tuple of str
        One sentence each; none repeats what it found. Empty if the folder may leave.
    exceptions : tuple of str
        Files that were added or edited by hand, with the reason and who decided.
    looked_at : tuple of str
        What was looked at, and what could not be.
    """

    faults: tuple[str, ...]
    exceptions: tuple[str, ...]
    looked_at: tuple[str, ...]


def check_release(
    folder: str | Path,
    *,
    restricted: str | Path | None = None,
    identifiers: Iterable[str] = (),
    ledger: str | Path | None = None,
    redraw: bool = True,
) -> ReleaseCheck:
    """Does anything in this folder tell on somebody, or differ from what was written?

    Parameters
    ----------
    folder : str or Path
        The release: what `write_report` calls ``release/``.
    restricted : str or Path, optional
        The folder of exact results; ``restricted/`` beside the release if it is there. With it
        the release is worked out again and its figures are looked for.
    identifiers : iterable of str
        Marks of persons that may stand nowhere, such as case numbers; see `identifiers_of`.
    ledger : str or Path, optional
        Earlier releases; see `drive_eval.evaluation.releases`.
    redraw : bool
        Whether to write every file again from ``results.json`` and compare, word for word. A
        file that was edited or added by hand is held against one written again in any case.

    Returns
    -------
    ReleaseCheck

    Raises
    ------
    ResultError
        If the folder is no release, or the exact results cannot be read.

    Examples
    --------
    >>> from drive_eval.evaluation.release_check import check_release
    >>> check_release("outputs/release").faults  # doctest: +SKIP
    ()
    """
    place = Path(folder)
    manifest = read_manifest(place)
    faults, exceptions = _as_listed(place, manifest)
    accepted = {entry["file"] for entry in manifest["exceptions"]}
    looked = [f"{len(files_of(place))} files against {MANIFEST}"]
    released = _released(place, faults)
    exact = _exact(place, restricted)
    if released is not None:
        rules = disclosure.policy(
            released.policy, public_source=released.plan["data"].get("public_source", "")
        )
        if released.policy == "internal":
            faults.append(
                "The policy is internal, which hides nothing: this folder may not be passed on. "
                "Run the plan again under another policy."
            )
        faults += _by_the_rules(released, rules)
        if exact is None:  # else the gate asks more than this, below
            faults += _followed(released, rules)
        faults += [] if ledger is None else against_earlier(released, Path(ledger))
        looked.append(f"every number of results.json against the policy {rules.name}")
        if ledger is not None:
            looked.append("earlier releases")
    if exact is not None and released is not None:
        from drive_eval.evaluation.release import release_evaluation

        if release_evaluation(exact, released.policy).to_json() != released.to_json():
            faults.append(
                "results.json is not what the exact results give under its policy. Run the plan "
                "again."
            )
        looked.append("results.json against the exact results, taken through the gate again")
    pieces = {
        name: contents(name, (place / name).read_bytes()) for name in [*files_of(place), MANIFEST]
    }
    marks = _marks(identifiers, exact)
    faults += _searched(pieces, released, exact, marks)
    looked.append(f"{sum(map(len, pieces.values())):,} pieces of text, attributes and properties")
    edited = sorted(name for name in accepted if name in pieces)
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder)
        if released is not None and (redraw or edited):
            _write_again(released, again)
        if released is not None and redraw:
            faults += _redrawn(place, again, pieces, accepted)
            looked.append("every file against one written again from results.json")
        if edited:
            faults += _typed(place, again, pieces, edited, released, exact, marks)
            looked.append(f"{len(edited)} files edited or added by hand, for what was typed")
    seen = [name for name in edited if any(p.kind == "picture" for p in pieces[name])]
    seen = [name for name in seen if not what_it_is(name) or "picture" in what_it_is(name)]
    if seen:
        looked.append(f"not the dots of {len(seen)} pictures added by hand: somebody must look")
    return ReleaseCheck(
        faults=tuple(dict.fromkeys(faults)),
        exceptions=tuple(exceptions),
        looked_at=tuple(looked),
    )


def identifiers_of(folder: str | Path) -> set[str]:
    """Return the marks of persons in the tables of a study: every column that ends in ``_id``.

    Parameters
    ----------
    folder : str or Path
        With CSV or Parquet files. Marks of fewer than four letters are left out: they would be
        found anywhere.
    """
    import pandas as pd

    found: set[str] = set()
    files = sorted(p for p in Path(folder).rglob("*") if p.suffix in (".csv", ".parquet"))
    if not files:
        raise ResultError(f"{folder} holds no CSV or Parquet table whose case numbers to look for.")
    for file in files:
        table = pd.read_csv(file, dtype=str) if file.suffix == ".csv" else pd.read_parquet(file)
        for column in table.columns:
            if str(column).endswith("_id"):
                found |= set(table[column].dropna().astype(str))
    return {mark for mark in found if len(mark) >= _SHORTEST}


# --- Is each file what was written? ------------------------------------------------------


def _as_listed(place: Path, manifest: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    listed = {entry["file"]: entry["sha256"] for entry in manifest["files"]}
    accepted = {entry["file"]: entry for entry in manifest["exceptions"]}
    faults, exceptions = [], []
    there = files_of(place)
    faults += [
        f"{name} is listed in {MANIFEST} but is not there." for name in listed if name not in there
    ]
    for name in there:
        found = digest(place / name)
        if found == listed.get(name) and what_it_is(name):
            continue
        if name in accepted and accepted[name]["sha256"] == found:
            entry = accepted[name]
            how = "was edited by hand" if name in listed else "was added by hand"
            exceptions.append(f"{name} {how}. {entry['approved_by']}: {entry['reason']}")
        elif what_it_is(name) and name in listed:
            faults.append(
                f"{name} is not as it was written. Run the plan again, or put on record who "
                "edited it and why (--accept)."
            )
        else:
            faults.append(
                f"{name} was not written by drive_eval. Take it out, or put on record who added it "
                "and why (--accept)."
            )
    faults += [
        f"{path.relative_to(place).as_posix()} is a link to somewhere else. Take it out."
        for path in sorted(place.rglob("*"))
        if path.is_symlink()
    ]
    return faults, exceptions


def _released(place: Path, faults: list[str]) -> Evaluation | None:
    file = place / "results.json"
    if not file.is_file():
        faults.append("results.json is not there, so nothing can be held against it.")
        return None
    try:
        released = Evaluation.from_json(file.read_text(encoding="utf-8"))
        if not released.policy:
            faults.append("results.json holds exact results, which are never released.")
            return None
        disclosure.policy(released.policy, public_source=released.plan["data"]["public_source"])
    except (DriveEvalError, ValueError, KeyError, TypeError):
        faults.append("results.json cannot be read as what drive_eval wrote. Run the plan again.")
        return None
    return released


def _exact(place: Path, restricted: str | Path | None) -> Evaluation | None:
    folder = place.resolve().parent / "restricted" if restricted is None else Path(restricted)
    file = folder / "results.json"
    if not file.is_file():
        if restricted is not None:
            raise ResultError(f"{folder} holds no results.json. Give the folder restricted/.")
        return None
    return Evaluation.from_json(file.read_text(encoding="utf-8"))


# --- Does results.json keep to the policy? -----------------------------------------------


def _by_the_rules(released: Evaluation, rules: Policy) -> Iterator[str]:
    """Say where a number stands that the policy would hide."""
    if not rules.hides_anything and rules.round_to <= 1:
        return
    groups = [("", released.tables), *((n, r.tables) for n, r in released.results.items())]
    for name, tables in groups:
        for table in tables:
            of = f" of {name}" if name else ""
            wrong = sum(
                not _allowed(cell.count, rules)
                for cell in table.cells
                # That a design dropped nobody follows from how it is made.
                if cell.shown and not (cell.count == 0 and table.name.startswith("matching:"))
            )
            wrong += sum(cell.count is not None for cell in table.cells if not cell.shown)
            if wrong:
                yield (
                    f"results.json: {wrong} lines of the table {table.name}{of} hold numbers that "
                    f"the policy {rules.name} does not show."
                )
    for name, result in released.results.items():
        fields = ("n", "n_events", "n_reference", "n_events_reference")
        wrong = sum(
            (getattr(e, field) or 0) in range(1, rules.suppress_up_to + 1)
            for e in result.estimates
            for field in fields
        )
        wrong += sum(
            bool(value) and 0 < value <= rules.suppress_up_to
            for curve in result.curves
            for value in (*curve.at_risk, *curve.events, *curve.censored)
            if value is not None
        )
        if wrong:
            yield (
                f"results.json: {wrong} effects or steps of {name} rest on numbers of people that "
                f"the policy {rules.name} does not show."
            )


def _followed(released: Evaluation, rules: Policy) -> Iterator[str]:
    """Say where a hidden count comes back from the numbers of its own table."""
    groups = [("", released.tables), *((n, r.tables) for n, r in released.results.items())]
    for name, tables in groups:
        for table in tables:
            if rules.hides_anything and _comes_back(table, rules):
                of = f" of {name}" if name else ""
                yield (
                    f"results.json: a hidden count of the table {table.name}{of} follows from the "
                    "numbers beside it."
                )


def _allowed(count: int | None, rules: Policy) -> bool:
    if count is None:
        return True
    small = rules.hides_anything and rules.smallest_hidden <= count <= rules.suppress_up_to
    return not small and (rules.round_to <= 1 or count % rules.round_to == 0)


def _comes_back(table: CountTable, rules: Policy) -> bool:
    """Tell whether a small hidden line has but one value left, by linear programming."""
    if table.policy != rules.name:
        return False
    try:
        bounds = disclosure.audit(table, rules)
    except DriveEvalError:  # no exact table at all looks like this
        return True
    shown = {cell.key for cell in table.cells if cell.shown}
    return any(
        key in shown and low == high and rules.smallest_hidden <= low <= rules.suppress_up_to
        for key, low, high in bounds
    )


# --- Does anything stand anywhere that no release may hold? ------------------------------


def _marks(identifiers: Iterable[str], exact: Evaluation | None) -> Marks:
    excluded = () if exact is None else exact.plan["cohort"].get("exclude", ())
    marks = {*identifiers, *map(str, excluded)}
    return Marks({mark for mark in marks if len(mark) >= _SHORTEST})


def _hiding(released: Evaluation | None) -> Policy | None:
    """Return the rules of a release, or None if they hide nothing."""
    if released is None:
        return None
    rules = disclosure.policy(
        released.policy, public_source=released.plan["data"].get("public_source", "")
    )
    return rules if rules.hides_anything or rules.round_to > 1 else None


def _searched(
    pieces: Mapping[str, list[Piece]],
    released: Evaluation | None,
    exact: Evaluation | None,
    marks: Marks,
) -> Iterator[str]:
    plan = " ".join(p.text for p in _strings(released.plan)) if released is not None else ""
    authors = "" if released is None else ", ".join(released.plan["evaluation"]["authors"])
    own = {authors, "Normal.dotm", *re.split(r"[,;]\s*", authors)}
    rules = _hiding(released)
    secret = _figures(exact, released)
    counts = _hidden_counts(exact, released) if rules is not None else set()
    for found in pieces.values():
        for piece in found:
            if piece.kind == "unreadable":
                yield f"{piece.where} cannot be read, so nobody can say what it holds. Take it out."
            elif piece.kind == "comment":
                yield f"{piece.where}: comments are not seen and not released. Take it out."
            elif piece.kind == "metadata" and piece.text not in own:
                yield f"{piece.where} says who or what made the file, or more. Take it out."
            if piece.kind in ("drawing", "picture"):
                continue
            if marks.stand_in(piece.text):
                yield f"{piece.where} holds the mark of a person of the study."
            dates = [d for d in _DATE.findall(piece.text) if d not in plan]
            if dates and not _known_day(piece):
                yield f"{piece.where} holds a date that the plan does not name."
            if secret and secret.intersection(_LONG.findall(piece.text)):
                yield f"{piece.where} holds a figure that only the exact results hold."
            if rules is not None and _counts_wrong(piece, plan, rules, counts):
                yield f"{piece.where} holds a number of people that the policy does not show."


def _known_day(piece: Piece) -> bool:
    """Tell whether a day belongs to a code list, a report or a form, and to nobody's life."""
    changes = recording_changes()
    public = {*changes["from_date"], *changes["to_date"]}
    if public.issuperset(_DATE.findall(piece.text)):
        return True  # days on which the police changed how they record
    said = f"{piece.where} {piece.heading} {piece.text}"
    return bool(
        re.search(r"versions?\b|code list|20\d\d edition|accessed|published", said, re.IGNORECASE)
    )


def _strings(value: Any) -> Iterator[Piece]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
    elif value is not None:
        text = str(value)
        yield Piece("plan", text)
        day = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", text)
        if day:
            yield Piece("plan", f"{int(day[3])} {_MONTHS[int(day[2]) - 1]} {day[1]}")


def _figures(exact: Evaluation | None, released: Evaluation | None) -> set[str]:
    """Return exact figures, as they are printed, that no released one looks like."""
    if exact is None:
        return set()
    # A released share may stand in percent, where the exact results hold another in percent.
    known = set() if released is None else _long_figures(released, (1, 100))
    return _long_figures(exact, (1,)) - known


def _long_figures(evaluation: Evaluation, scales: Sequence[int]) -> set[str]:
    found = set()
    for result in evaluation.results.values():
        for e in result.estimates:
            own = (e.estimate, e.std_error, e.conf_low, e.conf_high, e.p_value)
            for value in (scale * x for x in own if x is not None for scale in scales):
                for text in (repr(value), f"{value:.10g}", f"{value:.6g}"):
                    if len(text.strip("0.")) > 5:
                        found |= set(_LONG.findall(text))
    return found


def _hidden_counts(exact: Evaluation | None, released: Evaluation | None) -> set[int]:
    """Return exact counts that the release hides or rounds and does not show elsewhere."""
    if exact is None or released is None:
        return set()

    def counts(evaluation: Evaluation) -> set[int]:
        tables = [*evaluation.tables, *(t for r in evaluation.results.values() for t in r.tables)]
        return {c.count for t in tables for c in t.cells if c.shown and c.count is not None}

    fields = ("n", "n_events", "n_reference", "n_events_reference")
    shown = {getattr(e, f) for r in released.results.values() for e in r.estimates for f in fields}
    shown |= {
        int(value)
        for result in released.results.values()
        for curve in result.curves
        for value in (*curve.at_risk, *curve.events, *curve.censored)
        if value is not None
    }
    return counts(exact) - counts(released) - shown - {0}


def _counts_wrong(piece: Piece, plan: str, rules: Policy, hidden: set[int]) -> bool:
    if piece.kind == "count":
        number = int(float(piece.text.replace(",", "")))
        if re.search(r"\b1,?000?\b", f"{piece.where} {piece.heading.partition(' | ')[0]}"):
            return False  # the heading says of 100: a rate
        if number == 0 and re.search(r"column (events|censored)$", piece.where):
            return False  # where a curve begins, nothing has happened yet
        return not _allowed(number, rules) or number in hidden
    text = _OF_NOBODY.sub(" ", piece.text)
    for match in _COUNTED.finditer(text):
        around = text[max(0, match.start() - 40) : match.end() + 60]
        rate = match["people"] and re.search(r"\b(every|per|a|of|in) 1,?000?\b", around)
        rule = any(r.start() <= match.start() < r.end() for r in _RULE.finditer(text))
        if rate or rule or match[0] in plan:
            continue  # the latter are the evaluator's own words
        for group in ("n", "part", "whole", "people"):
            number = int(match[group].replace(",", "")) if match[group] else 0
            if number in (100, 1000) or number == 0:
                continue
            if match["whole"] and match["whole"].replace(",", "") in ("100", "1000"):
                continue  # a share
            if not _allowed(number, rules) or number in hidden:
                return True
    return False


# --- Does each file follow from results.json? --------------------------------------------


def _write_again(released: Evaluation, folder: Path) -> None:
    """Write the files of a release once more, to hold those in it against."""
    from drive_eval.report.document import write_bundle

    write_bundle(released, folder)


def _redrawn(
    place: Path, again: Path, pieces: Mapping[str, list[Piece]], accepted: set[str]
) -> Iterator[str]:
    """Say what a file holds beyond the one written again; where, never what."""
    for name in files_of(again):
        if not (place / name).is_file() or name in accepted:
            continue
        fresh = (again / name).read_bytes()
        if fresh == (place / name).read_bytes():
            continue
        known = Counter((p.where, p.text) for p in contents(name, fresh))
        # Of a picture only what is beside its dots can be named.
        here = (p for p in pieces[name] if p.kind != "picture")
        more = Counter((p.where, p.text) for p in here) - known
        if more:
            where = next(iter(more))[0]
            yield f"{where} holds something that does not follow from results.json."
        else:
            yield f"{name} is not what results.json gives: it is drawn or packed otherwise."


def _typed(
    place: Path,
    again: Path,
    pieces: Mapping[str, list[Piece]],
    edited: Sequence[str],
    released: Evaluation | None,
    exact: Evaluation | None,
    marks: Marks,
) -> Iterator[str]:
    """Search what was typed into files by hand, and into the reasons given for it."""
    rules = _hiding(released)
    plan = [] if released is None else [p.text for p in _strings(released.plan)]
    changes = recording_changes()
    public = [*changes["from_date"], *changes["to_date"]]
    fresh = {name: contents(name, (again / name).read_bytes()) for name in files_of(again)}
    # A picture that was drawn, or that is a file of its own which somebody put on record.
    pictures = {p.text for found in fresh.values() for p in found if p.kind == "picture"}
    pictures |= {p.text for n in edited for p in pieces[n] if p.where == f"{n}: dots"}
    common = Allowed(
        report=fresh.get("report.html", ()),
        plan=plan,
        days={day for text in (*plan, *public) for one in days_in(str(text)) for day in one},
        pictures=pictures,
        rules=rules,
        hidden=_hidden_counts(exact, released) if rules is not None else frozenset(),
    )
    for name in edited:
        drawn = fresh.get(name, ())
        yield from typed_faults(name, pieces[name], replace(common, drawn=drawn), marks)
    reasons = [
        p for p in pieces[MANIFEST] if re.search(r"exceptions: (reason|approved_by)$", p.where)
    ]
    yield from typed_faults(MANIFEST, reasons, common, marks)
