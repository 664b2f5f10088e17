"""The events, which stay where they are: joined to people's days and counted there.

Narwhals writes one query for every engine. Only results come back, by piece of a unit's time
and never by event, so that millions of events pass through whatever engine holds them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import pandas as pd

from drive_eval.errors import DataError
from drive_eval.measures.offending._engine import bring, collect, day_number, ids_of, open_table
from drive_eval.measures.offending._intervals import FAR
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from drive_eval.measures.offending._cohort import Cohort, Observed
    from drive_eval.measures.offending._engine import Frame
    from drive_eval.measures.offending._intervals import Days

__all__ = ["Elsewhere", "Events", "read_events", "tally"]

#: Labels of the days of a unit that are in no window, for what is said about their events.
_BEFORE, _ON_INDEX, _AFTER_END = -1, -2, -3
_TEXTS = ("victim_survivor_id", "offence_class")
#: Rows of a pandas table that are joined at a time.
_ROWS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Events of any engine with day numbers and ids of one type."""

    frame: Frame
    keys: tuple[str, ...]
    also: tuple[str, ...]
    whole: bool
    count: int


def read_events(events: Any, cohort: Cohort, *, also: Sequence[str] = ()) -> Events:
    """See that the columns are there and every event has a date; move nothing."""
    named = ["event_id"] if "index_event_id" in cohort.table else []
    columns = list(dict.fromkeys((*cohort.keys, "date", *named, *also)))
    frame = open_table(events, "events", columns)
    whole = cohort.whole and frame.collect_schema()["perpetrator_id"].is_integer()
    blank = collect(frame.select(n=nw.len(), undated=nw.col("date").is_null().cast(nw.Int64).sum()))
    count, undated = (int(blank[c].fillna(0).iloc[0]) for c in ("n", "undated"))
    if undated:
        raise DataError(
            f"{undated} of {count} rows of events have no date. Fill it in, or leave the rows out; "
            "they are not dropped silently."
        )
    ids = {key: ids_of(frame, key, "events", whole=whole) for key in cohort.keys[:1]}
    texts = [c for c in (*cohort.keys[1:], *named, *_TEXTS) if c in columns]
    ids |= {column: ids_of(frame, column, "events", whole=False) for column in texts}
    if named:
        ids["event_id"] = ids["event_id"].fill_null("")
    rest = [c for c in columns if c not in ids and c != "date"]
    frame = frame.select(*rest, **ids, day=day_number(frame, "date", "events"))
    return Events(frame=frame, keys=cohort.keys, also=tuple(also), whole=whole, count=count)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """How many events of these units lie in no window, and where.

    An event counts once for every unit that it belongs to.
    """

    counted: int
    before: int
    on_index: int
    after_end: int
    named: int
    linked: int
    all_events: int
    unnamed: int | None

    def checks(self, *, washout: int | None = None, counted: bool = False) -> tuple[Check, ...]:
        """Say what is counted and what is not; `washout` is None if nothing before is counted."""
        text = f"{self.counted} events lie in the time observed, of {self.all_events} in the table."
        if not self.linked:
            text = (
                f"None of the {self.all_events} events belongs to these units. Look at the ids: "
                "zeros lost in front, or another system's numbers."
            )
        passed = None if self.linked else False
        found = [Check(name="events", passed=passed, statistic=self.counted, text=text)]
        left_out = self.before + self.on_index + self.named
        if washout is None:
            text = (
                "Events up to the index date are no outcome and are not counted: "
                f"{self.before} before it, {self.on_index} on it, and {self.named} that units name "
                "as their index incident."
            )
            found.append(Check(name="before_index", statistic=left_out, text=text))
        elif counted:
            text = (
                f"{self.on_index} events on the index date are counted as before it: what led to "
                "the referral makes a fall with no programme at all."
            )
            found.append(
                Check(name="index_incident", passed=False, statistic=self.on_index, text=text)
            )
        else:
            text = (
                f"Left out of the windows before: {self.on_index} events on the index date, "
                f"{self.before} in the {washout} days before it, and {self.named} that units name "
                "as their index incident."
            )
            found.append(Check(name="index_incident", passed=True, statistic=left_out, text=text))
        text = (
            f"{self.after_end} events are dated after the unit had died, moved away or left the "
            "extract, and are not counted."
        )
        late = self.after_end
        found.append(Check(name="after_end", passed=late == 0, statistic=late, text=text))
        if self.unnamed is not None:
            text = (
                f"{self.unnamed} events of these perpetrators do not name whom they are against, "
                "and count for no dyad."
            )
            passed = self.unnamed == 0
            found.append(Check(name="no_victim", passed=passed, statistic=self.unnamed, text=text))
        return tuple(found)


def tally(
    events: Events,
    cohort: Cohort,
    observed: Observed,
    *,
    by: Sequence[str] = (),
    label: Days | None = None,
    before: int | None = None,
    counted: bool = False,
    keep: npt.NDArray[np.bool_] | None = None,
    first: bool = False,
) -> tuple[pd.DataFrame, Elsewhere]:
    """Count the events of these units by label and, if asked, by day or another column.

    Parameters
    ----------
    by : sequence of str
        Columns that are counted apart: ``day`` (from the index date) or columns of events.
    label : array of int, optional
        Of each piece in `observed`; its place there if absent.
    before : int, optional
        How many days before the index date are looked at for events that are left out; all if
        absent.
    counted : bool
        The incident that a unit names as its index incident counts.
    keep : array of bool, optional
        Which pieces are used.
    first : bool
        Only the first day of each label is wanted; ``n`` counts all of its days.

    Returns
    -------
    DataFrame
        ``label``, what it is counted by, and ``n``.
    Elsewhere
        What lies in no window.
    """
    pieces = observed.pieces
    piece = np.arange(len(pieces.of)) if keep is None else np.flatnonzero(keep)
    everyone = np.arange(len(cohort))
    reach = -FAR if before is None else -before - 1
    row = np.concatenate([observed.row[piece], np.tile(everyone, 3)])
    zeros = np.zeros_like(everyone)
    lo = np.concatenate([pieces.lo[piece], zeros + reach, zeros - 1, cohort.last])
    hi = np.concatenate([pieces.hi[piece], zeros - 1, zeros, zeros + FAR])
    labels = np.concatenate(
        [
            piece if label is None else label[piece],
            np.repeat([_BEFORE, _ON_INDEX, _AFTER_END], len(cohort)),
        ]
    )
    some = lo < hi
    row, zero = row[some], cohort.index[row[some]]
    linked = _linked(events, cohort)
    table = linked.iloc[row].reset_index(drop=True)
    table = table.assign(label=labels[some], lo=lo[some] + zero, hi=hi[some] + zero)
    if "day" in by:
        table = table.assign(zero=zero)
    apart = ["label", *(c for c in by if not (first and c == "day"))]
    sums = {"n": nw.len(), **({"day": nw.col("day").min()} if first else {})}
    counts = []
    for part in _parts(events.frame):
        joined = _in_spells(replace(events, frame=part), table, counted=counted)
        if "day" in by:
            joined = joined.with_columns(day=nw.col("day") - nw.col("zero"))
        counts.append(collect(joined.group_by(apart).agg(**sums)))
    found = counts[0]
    if len(counts) > 1:
        totals = {"n": "sum", **({"day": "min"} if first else {})}
        every = pd.concat(counts, ignore_index=True)
        found = every.groupby(apart, dropna=False, as_index=False).agg(totals)
    inside = found["label"] >= 0
    other = found["n"].groupby(found["label"]).sum()
    return found[inside].reset_index(drop=True), Elsewhere(
        counted=int(found.loc[inside, "n"].sum()),
        before=int(other.get(_BEFORE, 0)),
        on_index=int(other.get(_ON_INDEX, 0)),
        after_end=int(other.get(_AFTER_END, 0)),
        named=_named(events, linked),
        linked=len(found) or _linked_at_all(events, linked),
        all_events=events.count,
        unnamed=_unnamed(events, linked),
    )


def _parts(frame: Frame) -> list[Frame]:
    """Cut a pandas table into parts, whose joins take little memory; other engines see to it."""
    if not frame.implementation.is_pandas():
        return [frame]
    whole = frame.collect()
    begins = range(0, max(len(whole), 1), _ROWS)
    return [whole[begin : begin + _ROWS].lazy() for begin in begins]


def _linked(events: Events, cohort: Cohort) -> pd.DataFrame:
    """Return what links units to events, with ids of the type that the events have."""
    columns = [c for c in cohort.table if c in (*cohort.keys, "index_event_id")]
    table = cohort.table[columns]
    if cohort.whole and not events.whole:
        table = table.astype({"perpetrator_id": str})
    return table


def _in_spells(events: Events, table: pd.DataFrame, *, counted: bool) -> Frame:
    """Join the events to spells (lo, hi] of the people that they are linked to."""
    earliest, latest = (table["lo"].min(), table["hi"].max()) if len(table) else (0, 0)
    near = events.frame.filter(nw.col("day") > int(earliest), nw.col("day") <= int(latest))
    joined = near.join(bring(table, events.frame), on=list(events.keys), how="inner")
    # Texts are dropped before rows are: where rows are copied, they are what is heavy.
    named = [] if counted or "index_event_id" not in table else ["event_id", "index_event_id"]
    shown = ["label", "day", *events.also, *(["zero"] if "zero" in table else [])]
    joined = joined.select(*shown, "lo", "hi", *named).filter(
        nw.col("day") > nw.col("lo"), nw.col("day") <= nw.col("hi")
    )
    if named:
        joined = joined.filter(nw.col("event_id") != nw.col("index_event_id"))
    return joined.select(*shown)


def _named(events: Events, linked: pd.DataFrame) -> int:
    """Count the incidents that a unit names as its index incident."""
    if "index_event_id" not in linked:
        return 0
    keys = [*events.keys, "event_id"]
    table = linked.rename(columns={"index_event_id": "event_id"})
    found = events.frame.join(bring(table, events.frame), on=keys, how="inner")
    return int(collect(found.select(n=nw.len()))["n"].iloc[0])


def _linked_at_all(events: Events, linked: pd.DataFrame, *, keys: int | None = None) -> int:
    on = list(events.keys[:keys])
    table = bring(linked[on].drop_duplicates(), events.frame)
    found = events.frame.join(table, on=on, how="inner")
    return int(collect(found.select(n=nw.len()))["n"].iloc[0])


def _unnamed(events: Events, linked: pd.DataFrame) -> int | None:
    """Count the events of these perpetrators that no dyad can have, for want of a name."""
    if "victim_survivor_id" not in linked:
        return None
    nobody = events.frame.filter(nw.col("victim_survivor_id").is_null())
    return _linked_at_all(replace(events, frame=nobody), linked, keys=1)
