"""The events, which stay where they are: joined to people's days and counted there.

Narwhals writes one query for every engine. Only results come back, by piece of a unit's time
and never by event, so that millions of events pass through whatever engine holds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw

from drive_eval.errors import DataError
from drive_eval.measures.offending._engine import bring, collect, day_number, ids_of, open_table
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from drive_eval.measures.offending._cohort import Cohort
    from drive_eval.measures.offending._engine import Frame
    from drive_eval.measures.offending._intervals import Days

__all__ = ["Events", "Survey", "in_pieces", "read_events", "survey"]


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Events of any engine with day numbers and ids of one type."""

    frame: Frame
    keys: tuple[str, ...]
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
    texts = [c for c in (*cohort.keys[1:], *named, "victim_survivor_id") if c in columns]
    ids |= {column: ids_of(frame, column, "events", whole=False) for column in texts}
    if named:
        ids["event_id"] = ids["event_id"].fill_null("")
    rest = [c for c in columns if c not in ids and c != "date"]
    frame = frame.select(*rest, **ids, day=day_number(frame, "date", "events"))
    return Events(frame=frame, keys=cohort.keys, whole=whole, count=count)


def in_pieces(
    events: Events, cohort: Cohort, *, row: Days, lo: Days, hi: Days, **labels: npt.NDArray[Any]
) -> Frame:
    """Join the events to pieces (lo, hi] of units' time; one row per event and piece it is in.

    The rows have ``row``, ``day`` (from the index date) and the labels of the piece. The
    incident that a unit names as its index incident is left out for that unit.
    """
    columns = [c for c in cohort.table if c in (*cohort.keys, "index_event_id")]
    table = cohort.table[columns].iloc[row].reset_index(drop=True)
    if cohort.whole and not events.whole:
        table["perpetrator_id"] = table["perpetrator_id"].astype(str)
    index = cohort.index[row]
    table = table.assign(row=row, lo=lo + index, hi=hi + index, index_day=index, **labels)
    earliest, latest = (table["lo"].min(), table["hi"].max()) if len(table) else (0, 0)
    near = events.frame.filter(nw.col("day") > int(earliest), nw.col("day") <= int(latest))
    joined = near.join(bring(table, events.frame), on=list(events.keys), how="inner").filter(
        nw.col("day") > nw.col("lo"), nw.col("day") <= nw.col("hi")
    )
    if "index_event_id" in table:
        joined = joined.filter(nw.col("event_id") != nw.col("index_event_id"))
    return joined.with_columns(day=nw.col("day") - nw.col("index_day"))


@dataclass(frozen=True, slots=True)
class Survey:
    """How many events there are of these units, and where they lie.

    An event counts once for every unit that it belongs to.
    """

    matched: int
    before: int
    on_index: int
    washout: int
    named: int
    after_end: int

    def matched_check(self, events: Events) -> Check:
        """Say how many events belong to the units; none at all is no finding but a fault."""
        text = f"{self.matched} of {events.count} events are linked to these units."
        if not self.matched:
            text += " Look at the ids: zeros lost in front, or another system's numbers."
        return Check(
            name="events", passed=None if self.matched else False, statistic=self.matched, text=text
        )

    def before_check(self) -> Check:
        """Say that events before the index date are no outcome."""
        return Check(
            name="before_index",
            statistic=self.before + self.on_index,
            text=f"{self.before} events before and {self.on_index} on the index date are no "
            "outcome and are not counted.",
        )

    def after_end_check(self) -> Check:
        """Name the events after a unit has left the extract."""
        return Check(
            name="after_end",
            passed=self.after_end == 0,
            statistic=self.after_end,
            text=f"{self.after_end} events are dated after the unit had died, moved away or left "
            "the extract, and are not counted.",
        )

    def index_check(self, *, washout: int, counted: bool) -> Check:
        """Say what became of the index incident."""
        if counted:
            return Check(
                name="index_incident",
                passed=False,
                statistic=self.on_index,
                text=f"{self.on_index} events on the index date are counted as before it: what "
                "led to the referral makes a fall with no programme at all.",
            )
        return Check(
            name="index_incident",
            passed=True,
            statistic=self.on_index + self.washout + self.named,
            text=f"Left out of the windows before: {self.on_index} events on the index date, "
            f"{self.washout} in the {washout} days before it, and {self.named} others that units "
            "name as their index incident.",
        )


def survey(events: Events, cohort: Cohort, *, washout: int = 0) -> Survey:
    """Count, in one pass, the events of these units by where they lie."""
    columns = [c for c in cohort.table if c in (*cohort.keys, "index_event_id")]
    table = cohort.table[columns].copy()
    if cohort.whole and not events.whole:
        table["perpetrator_id"] = table["perpetrator_id"].astype(str)
    table = table.assign(index_day=cohort.index, last_day=cohort.index + cohort.last)
    joined = events.frame.join(bring(table, events.frame), on=list(events.keys), how="inner")
    day, zero = nw.col("day"), nw.col("index_day")
    conditions = {
        "before": day < zero,
        "on_index": day == zero,
        "washout": (day < zero) & (day >= zero - washout),
        "after_end": day > nw.col("last_day"),
    }
    if "index_event_id" in table:
        named = nw.col("event_id") == nw.col("index_event_id")
        conditions["named"] = named & ((day < zero - washout) | (day > zero))
    sums = {name: found.cast(nw.Int64).sum() for name, found in conditions.items()}
    found = collect(joined.select(matched=nw.len(), **sums))
    counts = {str(name): int(found[name].fillna(0).iloc[0]) for name in found}
    return Survey(**{"named": 0, **counts})
