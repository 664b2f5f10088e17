"""Who is followed, from when to when, and in whose custody: the tables of people, in day numbers.

Tables of people fit into memory at any size that exists, so they are fetched whole and worked on
as arrays; only the events stay in their engine. Days are counted from each unit's index date.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from drive_eval.errors import DataError, DesignError, did_you_mean
from drive_eval.measures.offending._engine import (
    bring,
    collect,
    day_number,
    ids_of,
    open_table,
)
from drive_eval.measures.offending._intervals import FAR, Pieces, Spells, cut, merged
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from drive_eval.measures.offending._intervals import Days

__all__ = [
    "AFTER",
    "Attribution",
    "Cohort",
    "IndexIncident",
    "Observed",
    "Window",
    "follow_up_check",
    "length_checks",
    "observe",
    "read_custody",
    "read_units",
    "recording_changes",
    "recording_checks",
    "windows_of",
]

Attribution = Literal["first", "last", "each"]
IndexIncident = Literal["left_out", "counted"]

_RULES = {
    "first": "the first of them",
    "last": "the last of them to begin",
    "each": "every one of them, so that it counts more than once",
}
#: Share of work begun on the index date: arms further apart than this have different clocks.
_CLOCKS_APART = 0.5
_ENDS = ("death_date", "moved_date")
_DATES = ("index_date", "data_end_date", "start_date", *_ENDS, "data_start_date")
_NOT_NAMED = "(none named)"
_EPOCH = np.datetime64("1970-01-01", "D")


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """The units in order of `unit_id`, and when each is in the extract.

    Attributes
    ----------
    table : DataFrame
        ``unit_id, perpetrator_id, group`` and, if given, ``victim_survivor_id`` and
        ``index_event_id``.
    keys : tuple of str
        Columns that link an event to a unit.
    whole : bool
        The ids of perpetrators are whole numbers.
    index : array of int
        Day number of the index date.
    first, last : array of int
        The unit is in the extract on the days (first, last], counted from its index date.
    ended_by : array of str
        Why nobody is followed after ``last``: ``death``, ``moved`` or ``end``.
    checks : tuple of Check
    """

    table: pd.DataFrame
    keys: tuple[str, ...]
    whole: bool
    index: Days
    first: Days
    last: Days
    ended_by: npt.NDArray[np.str_]
    checks: tuple[Check, ...]

    def __len__(self) -> int:
        return len(self.table)

    def names(self, rows: npt.NDArray[Any] | slice = slice(None)) -> pd.DataFrame:
        """Return who the rows are about, as every result begins."""
        shown = [c for c in self.table if c != "index_event_id"]
        return self.table[shown].iloc[rows].reset_index(drop=True)


def read_units(units: Any, *, group: str | None) -> Cohort:
    """Fetch and check the units; refuse what cannot be followed."""
    needed = ["unit_id", "perpetrator_id", "index_date", "data_end_date"]
    needed += [] if group is None else [group]
    frame = open_table(units, "units", needed)
    schema = frame.collect_schema()
    whole = schema["perpetrator_id"].is_integer()
    optional = [c for c in ("victim_survivor_id", "index_event_id") if c in schema.names()]
    select: dict[str, nw.Expr] = {
        "unit_id": ids_of(frame, "unit_id", "units", whole=True),
        "perpetrator_id": ids_of(frame, "perpetrator_id", "units", whole=True),
        "group": nw.lit("all") if group is None else nw.col(group).cast(nw.String),
        **{column: ids_of(frame, column, "units", whole=False) for column in optional},
    }
    dated = [c for c in _DATES if c in schema.names()]
    dates = {f"day of {c}": day_number(frame, c, "units") for c in dated}
    blanks = {f"no {c}": nw.col(c).is_null() for c in dated}
    fetched = collect(frame.select(**select, **dates, **blanks))
    table = fetched[list(select)]
    faults = [
        f"{blank} of {len(table)} rows of units have no {column}. Fill it in, or leave the rows "
        "out; they are not dropped silently."
        for column in select
        if column != "index_event_id" and (blank := int(table[column].isna().sum()))
    ]
    if twice := int(table["unit_id"].duplicated().sum()):
        faults.append(
            f"{twice} rows of units repeat the unit_id of another. One row is one unit: remove the "
            "copies, or give each unit its own unit_id."
        )
    if faults:
        raise DataError(faults)
    fetched = fetched.sort_values("unit_id", ignore_index=True)
    table = fetched[list(select)].copy()
    if "index_event_id" in table:
        table["index_event_id"] = table["index_event_id"].fillna(_NOT_NAMED).astype(object)
    nothing = pd.Series(np.nan, index=table.index)
    days = {
        c: fetched[f"day of {c}"].astype(float).mask(fetched[f"no {c}"].astype(bool))
        if c in dated
        else nothing
        for c in _DATES
    }
    _refuse_impossible_dates(days)
    index = days["index_date"].to_numpy().astype(np.int64)
    until = pd.DataFrame({c: days[c] - index for c in (*_ENDS, "data_end_date")}).fillna(FAR)
    started = (days["data_start_date"] - index - 1).fillna(-FAR)
    last = until.min(axis=1)
    ended_by = np.where(
        until["death_date"] == last, "death", np.where(until["moved_date"] == last, "moved", "end")
    )
    keys = ("perpetrator_id", *(c for c in optional if c == "victim_survivor_id"))
    return Cohort(
        table=table,
        keys=keys,
        whole=whole,
        index=index,
        first=started.to_numpy().astype(np.int64),
        last=last.to_numpy().astype(np.int64),
        ended_by=ended_by,
        checks=_clocks(table["group"], days["start_date"] - index, "start_date" in schema.names()),
    )


def _refuse_impossible_dates(days: Mapping[str, pd.Series[float]]) -> None:
    count = len(days["index_date"])
    faults = []
    for column in ("index_date", "data_end_date"):
        if blank := int(days[column].isna().sum()):
            faults.append(
                f"{blank} of {count} rows of units have no {column}, without which nobody can be "
                "followed. Fill it in, or leave the rows out."
            )
    for column in ("data_end_date", *_ENDS):
        if early := int((days[column] < days["index_date"]).sum()):
            faults.append(
                f"{early} of {count} rows of units have {column} before index_date. Correct one "
                "of the two dates, or leave the rows out."
            )
    if late := int((days["data_start_date"] > days["index_date"]).sum()):
        faults.append(
            f"{late} of {count} rows of units have data_start_date after index_date, so their "
            "follow-up is not wholly in the extract. Correct one of the two dates, or leave the "
            "rows out."
        )
    if faults:
        raise DataError(faults)


def _clocks(groups: pd.Series[Any], waits: pd.Series[float], recorded: bool) -> tuple[Check, ...]:
    """Compare how the arms' index dates lie to the start of the work: immortal time."""
    if not recorded:
        return ()
    said, at_once = [], []
    for name, wait in waits.groupby(groups, sort=True):
        known = wait.dropna()
        if known.empty:
            said.append(f"{name}: nobody has a start_date")
            continue
        at_once.append(float((known == 0).mean()))
        said.append(
            f"{name}: median {known.median():g} days, {100 * at_once[-1]:.0f}% on the index date"
        )
    apart = max(at_once) - min(at_once) if len(at_once) > 1 else None
    same = None if apart is None else apart <= _CLOCKS_APART
    verdict = {
        None: "The clocks of the arms cannot be compared.",
        True: "",
        False: (
            "The arms have different clocks: in one the index date is the day on which the work "
            "began, in the other it is earlier, and the time before a start is time in which "
            "nobody of that arm can have dropped out (immortal time). Take the same index date in "
            "both, such as the referral."
        ),
    }[same]
    text = f"From the index date to the start of the work: {'; '.join(said)}. {verdict}".strip()
    return (Check(name="clocks", passed=same, statistic=apart, threshold=_CLOCKS_APART, text=text),)


def read_custody(custody: Any | None, cohort: Cohort) -> tuple[Spells, tuple[Check, ...]]:
    """Fetch the spells of these people by row of the cohort, joined where they overlap.

    A spell from one date to another takes away the days after the first, up to the second: on
    the day of an arrest a person was free to do what he was arrested for.
    """
    none = np.array([], dtype=np.int64)
    if custody is None:
        text = "No custody table was given: time in custody counts as time at risk."
        return Spells(none, none, none), (Check(name="custody", text=text),)
    columns = ("perpetrator_id", "start_date", "end_date")
    frame = open_table(custody, "custody", columns)
    whole = cohort.whole and frame.collect_schema()["perpetrator_id"].is_integer()
    people = cohort.table["perpetrator_id"].astype(np.int64 if whole else str)
    frame = frame.select(*columns).with_columns(
        perpetrator_id=ids_of(frame, "perpetrator_id", "custody", whole=whole)
    )
    frame = frame.join(
        bring(pd.DataFrame({"perpetrator_id": people.unique()}), frame),
        on="perpetrator_id",
        how="semi",
    )
    spells = collect(
        frame.select(
            "perpetrator_id",
            lo=day_number(frame, "start_date", "custody"),
            hi=day_number(frame, "end_date", "custody"),
            undated=nw.col("start_date").is_null(),
            lasting=nw.col("end_date").is_null(),
        )
    )
    if blank := int(spells["undated"].sum()):
        raise DataError(
            f"{blank} rows of custody have no start_date. Fill it in, or leave the spells out."
        )
    spells["hi"] = spells["hi"].mask(spells["lasting"].astype(bool), FAR)
    if wrong := int((spells["hi"] < spells["lo"]).sum()):
        raise DataError(
            f"{wrong} of {len(spells)} custody spells of these people end before they start. "
            "Correct one of the two dates, or leave the spells out."
        )
    names = pd.Index(people.unique())
    of, lo, hi = names.get_indexer(spells["perpetrator_id"]), spells["lo"], spells["hi"]
    joined = merged(of.astype(np.int64), lo.to_numpy(np.int64), hi.to_numpy(np.int64))
    checks = _custody_checks(spells, joined.overlapping)
    rows = pd.DataFrame({"of": names.get_indexer(people), "row": np.arange(len(cohort))})
    shared = pd.DataFrame({"of": joined.of, "lo": joined.lo, "hi": joined.hi}).merge(rows, on="of")
    shared = shared.sort_values(["row", "lo"])
    row = shared["row"].to_numpy(np.int64)
    day_zero = cohort.index[row]
    lo, hi = (shared[c].to_numpy(np.int64) - day_zero for c in ("lo", "hi"))
    return Spells(row, lo, hi, joined.overlapping), checks


def _custody_checks(spells: pd.DataFrame, overlapping: int) -> tuple[Check, ...]:
    endless = spells[spells["hi"] == FAR]
    latest = spells.groupby("perpetrator_id")["lo"].max()
    followed = int((endless["perpetrator_id"].map(latest) > endless["lo"]).sum())
    never_closed = (
        f" {followed} of them stand before a later spell of the same person, so they were probably "
        "never closed: look at their end_date."
    )
    return (
        Check(
            name="custody_overlapping",
            passed=overlapping == 0,
            statistic=overlapping,
            text=f"{overlapping} of {len(spells)} custody spells of these people begin before an "
            "earlier one has ended; spells that overlap or touch count as one.",
        ),
        Check(
            name="custody_open",
            passed=False if followed else None,
            statistic=len(endless),
            text=f"{len(endless)} of {len(spells)} custody spells have no end and run to the end "
            f"of the data.{never_closed if followed else ''}",
        ),
    )


class Window(NamedTuple):
    """A window of days (lo, hi] from the index date, as arithmetic needs it."""

    name: str
    lo: int
    hi: int


#: From the first day after the index date on.
AFTER = "after"


def windows_of(
    windows: Mapping[str, tuple[int, int]], *, washout: int, index_incident: str
) -> list[Window]:
    """Turn ``[a, b)`` before and ``(a, b]`` after the index date into spells of days."""
    if index_incident not in ("left_out", "counted"):
        choices = ("left_out", "counted")
        raise DesignError(
            f'index_incident is "left_out" or "counted", not "{index_incident}".'
            f"{did_you_mean(index_incident, choices)}"
        )
    if not isinstance(washout, int) or washout < 0:
        raise DesignError("washout is a whole number of days, 0 or more.")
    if index_incident == "counted" and washout:
        raise DesignError(
            "index_incident is counted, and yet a washout leaves out the days before it. Leave "
            "both out; counting is only there to show what goes wrong."
        )
    if not windows:
        raise DesignError("windows is empty. Give at least one, such as {'after': (0, 365)}.")
    found = []
    for name, (begin, end) in windows.items():
        if not begin < end:
            raise DesignError(f'the window "{name}" ends on day {end}, not after day {begin}.')
        if begin < 0 < end:
            raise DesignError(
                f'the window "{name}" holds the index date, day 0. Give one window before it and '
                "one after."
            )
        if begin >= 0:
            found.append(Window(name, begin, end))
            continue
        keep = end if index_incident == "left_out" else end + (end == 0)
        keep = min(keep, -washout) if washout else keep
        if keep <= begin:
            raise DesignError(
                f'the washout of {washout} days leaves nothing of the window "{name}", which '
                f"begins on day {begin}. Begin it earlier."
            )
        found.append(Window(name, begin - 1, keep - 1))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """Which days of which unit and window are in the figures.

    Attributes
    ----------
    lo, hi : array of int, rows × windows
        The window as far as the unit is in the extract; empty where ``hi <= lo``.
    row, window : array of int
        Of each piece.
    pieces : Pieces
        The days that belong to the unit by the rule of attribution, outside and inside custody;
        ``of`` numbers the stretches (before custody is cut out) that they came from.
    stretch_hi : array of int
        Where the stretch of each piece ends.
    checks : tuple of Check
    """

    lo: Days
    hi: Days
    row: Days
    window: Days
    pieces: Pieces
    stretch_hi: Days
    checks: tuple[Check, ...]

    def days(self, *, inside: bool | None = None) -> Days:
        """Count the days by row and window: all of them, or those inside or outside custody."""
        keep = slice(None) if inside is None else self.pieces.inside == inside
        length = (self.pieces.hi - self.pieces.lo)[keep]
        at = (self.row * self.lo.shape[1] + self.window)[keep]
        return (
            np.bincount(at, weights=length, minlength=self.lo.size)
            .astype(np.int64)
            .reshape(self.lo.shape)
        )


def observe(
    cohort: Cohort, windows: Sequence[Window], spells: Spells, *, attribution: str | None
) -> Observed:
    """Lay the windows over what is in the extract, share days out, and cut custody out."""
    lo = np.maximum(np.array([w.lo for w in windows])[None, :], cohort.first[:, None])
    hi = np.minimum(np.array([w.hi for w in windows])[None, :], cohort.last[:, None])
    hi = np.maximum(hi, lo)
    taken, check = _taken_by_others(cohort, lo, hi, windows, attribution)
    owned = cut(lo.ravel(), hi.ravel(), taken)
    owned = owned.where(~owned.inside)
    row, window = np.divmod(owned.of, len(windows))
    pieces = cut(owned.lo, owned.hi, _of_each(spells, row))
    return Observed(
        lo=lo,
        hi=hi,
        row=row[pieces.of],
        window=window[pieces.of],
        pieces=pieces,
        stretch_hi=owned.hi[pieces.of],
        checks=(check,),
    )


def _of_each(spells: Spells, rows: Days) -> Spells:
    """Return, for stretches numbered 0, 1, …, the spells of the rows that they belong to."""
    left = np.searchsorted(spells.of, rows, "left")
    count = np.searchsorted(spells.of, rows, "right") - left
    begin = np.cumsum(count) - count
    which = np.repeat(left - begin, count) + np.arange(int(count.sum()))
    number = np.repeat(np.arange(len(rows), dtype=np.int64), count)
    return Spells(number, spells.lo[which], spells.hi[which])


def _taken_by_others(
    cohort: Cohort, lo: Days, hi: Days, windows: Sequence[Window], rule: str | None
) -> tuple[Spells, Check]:
    """Find the days of a window that belong to another unit of the same person, and say so."""
    if rule is not None and rule not in _RULES:
        raise DesignError(
            f'attribution is "first", "last" or "each", not "{rule}".{did_you_mean(rule, _RULES)}'
        )
    several = cohort.table.duplicated(list(cohort.keys), keep=False).to_numpy()
    rows = cohort.table.loc[several, list(cohort.keys)].assign(row=np.flatnonzero(several))
    pairs = rows.merge(rows, on=list(cohort.keys), suffixes=("", "_other"))
    mine, other = (pairs[c].to_numpy(np.int64) for c in ("row", "row_other"))
    mine, other = mine[mine != other], other[mine != other]
    apart = (cohort.index[other] - cohort.index[mine])[:, None]
    begin, end = lo[other] + apart, hi[other] + apart
    both = np.maximum(begin, lo[mine]) < np.minimum(end, hi[mine])
    shared = len(np.unique(mine[both.any(axis=1)]))
    if shared and rule is None:
        names = ", ".join(
            w.name for w, any_of in zip(windows, both.any(axis=0), strict=True) if any_of
        )
        raise DesignError(
            f"{shared} units share days with another unit of the same person ({names}). Say which "
            'of them an event on such a day belongs to: attribution = "first", "last" or "each".'
        )
    # Rows are in the order of unit_id, which decides between units that begin on one day.
    later = (apart[:, 0] > 0) | ((apart[:, 0] == 0) & (other > mine))
    gone = (
        both
        & {"first": ~later, "last": later, "each": np.zeros_like(later), None: later}[rule][:, None]
    )
    pair, window = np.nonzero(gone)
    spells = merged(mine[pair] * len(windows) + window, begin[gone], end[gone])
    text = "No two units of one person share a day of a window."
    if shared:
        text = (
            f"{shared} units share days with another unit of the same person; an event on such a "
            f"day, and the day itself, belong to {_RULES[str(rule)]}."
        )
    return spells, Check(name="attribution", statistic=shared, text=text)


def follow_up_check(cohort: Cohort, days: int, *, what: str) -> Check:
    """Say how many units are followed for fewer days than were asked for, and why."""
    short = cohort.last < days
    why = pd.Series(cohort.ended_by[short]).value_counts()
    parts = [f"{why[code]} {words}" for code, words in _WHY.items() if code in why]
    text = f"All {len(cohort)} units are followed for {days} days."
    if short.any():
        text = (
            f"{int(short.sum())} of {len(cohort)} units are followed for fewer than {days} days "
            f"({', '.join(parts)}); {what}."
        )
    data_end = int((short & (cohort.ended_by == "end")).sum())
    return Check(name="follow_up", passed=data_end == 0, statistic=int(short.sum()), text=text)


def length_checks(
    cohort: Cohort, bounds: Sequence[Window], observed: Observed
) -> tuple[Check, ...]:
    """Say how many units' windows are not wholly in the extract, after or before."""
    checks = []
    if (latest := max(w.hi for w in bounds)) > 0:
        what = "their windows end there (complete is False)"
        checks.append(follow_up_check(cohort, latest, what=what))
    if (earliest := min(w.lo for w in bounds)) < -1:
        late = int((cohort.first > earliest).sum())
        text = f"The extract reaches back {-earliest - 1} days for all {len(cohort)} units."
        if late:
            text = (
                f"For {late} of {len(cohort)} units the extract begins later than {-earliest - 1} "
                "days before the index date; their windows begin there (complete is False)."
            )
        checks.append(Check(name="history", passed=late == 0, statistic=late, text=text))
    return tuple(checks)


_WHY = {"end": "by the end of the data", "death": "by death", "moved": "by moving away"}


@functools.cache
def _changes() -> pd.DataFrame:
    source = resources.files("drive_eval").joinpath("codelists", "recording_changes.csv")
    rows = list(csv.DictReader(source.read_text(encoding="utf-8").splitlines()))
    return pd.DataFrame(rows)[["code", "label", "from_date", "to_date", "force", "source"]]


def recording_changes() -> pd.DataFrame:
    """When did the recording of crime itself change, so that a series breaks?

    Returns
    -------
    DataFrame
        One row per change in England and Wales: ``code``, ``label``, ``from_date`` and
        ``to_date`` (ISO dates; the latter only for a gap), ``force`` (where it is one force's)
        and ``source``.

    Examples
    --------
    >>> changes = recording_changes()
    >>> changes.loc[changes["code"] == "principal_crime", "from_date"].item()
    '2023-06-01'
    """
    return _changes().copy()


def recording_checks(cohort: Cohort, observed: Observed, *, force: str | None) -> tuple[Check, ...]:
    """Say how many units' days lie on both sides of a change in recording, or in a gap."""
    changes = _changes()
    forces = [name for name in changes["force"].unique() if name]
    if force is not None and not isinstance(force, str):
        raise DesignError("force is the name of one police force.")
    shown = changes[(changes["force"] == "") | (changes["force"] == (force or ""))]
    some = observed.hi > observed.lo
    begin = cohort.index + np.where(some, observed.lo, FAR).min(axis=1)
    end = cohort.index + np.where(some, observed.hi, -FAR).max(axis=1)
    checks = []
    for change in shown.itertuples(index=False):
        day = _day_of(str(change.from_date))
        # The days begin + 1 … end: some before the change, and the change or later.
        until = _day_of(str(change.to_date)) if change.to_date else None
        across = (begin + 1 < day) & (end >= day)
        if until is not None:
            across = (begin + 1 <= until) & (end >= day)
        if not (count := int(across.sum())):
            continue
        gap = "have days in a gap of police recording"
        split = "have days before and after a change in police recording"
        verb = split if until is None else gap
        checks.append(
            Check(
                name="recording_change",
                passed=False,
                statistic=count,
                group=str(change.code),
                text=f"{count} of {len(cohort)} units {verb} "
                f"({change.from_date}: {change.label}). Part of a change in recorded incidents may "
                "be this; compare arms over the same dates.",
            )
        )
    if force is not None and force not in forces:
        checks.append(
            Check(
                name="recording_force",
                text=f"No gap in recording is listed for the force named; listed are "
                f"{', '.join(forces)}.",
            )
        )
    return tuple(checks)


def _day_of(text: str) -> int:
    return int((np.datetime64(text, "D") - _EPOCH).astype(np.int64))
