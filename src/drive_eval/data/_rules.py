"""Which rows break a rule: one function for each kind of rule in the schema.

A column that is not there, or a cell that could not be read, is a fault of its own, so the
rows that lack it are left alone here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from drive_eval.vocabulary import TIME_POINTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drive_eval.data.schema import Rule

    Rows = np.ndarray[Any, np.dtype[np.bool_]]
    Tables = Mapping[str, pd.DataFrame]

__all__ = ["breaks"]


def breaks(rule: Rule, tables: Tables) -> Rows:
    """Return which rows of the rule's table break it."""
    return _CHECKS[rule.kind](rule, tables)


def _breaks_unique(rule: Rule, tables: Tables) -> Rows:
    frame, needed = tables[rule.table], list(rule.columns)
    if not set(needed) <= set(frame.columns):
        return _nowhere(frame)
    columns = needed + [name for name in rule.also if name in frame.columns]
    repeated = frame.duplicated(columns, keep=False) & frame[needed].notna().all(axis=1)
    return repeated.to_numpy(bool)


def _breaks_refers(rule: Rule, tables: Tables) -> Rows:
    frame, other = tables[rule.table], tables.get(rule.to)
    columns = list(rule.columns)
    if other is None or not set(columns) <= set(frame.columns) & set(other.columns):
        return _nowhere(frame)
    known = other[columns].drop_duplicates()
    found = frame[columns].merge(known, on=columns, how="left", indicator=True)["_merge"] == "both"
    return frame[columns].notna().all(axis=1).to_numpy(bool) & ~found.to_numpy(bool)


def _breaks_order(rule: Rule, tables: Tables) -> Rows:
    frame = tables[rule.table]
    earlier, later = rule.columns
    if not {earlier, later} <= set(frame.columns):
        return _nowhere(frame)
    return (frame[later] < frame[earlier]).to_numpy(bool)


def _breaks_sequence(rule: Rule, tables: Tables) -> Rows:
    frame = tables[rule.table]
    needed = [*rule.columns, "time_point", "date"]
    if not set(needed) <= set(frame.columns):
        return _nowhere(frame)
    keys = [*rule.columns, *(name for name in rule.also if name in frame.columns)]
    dated = frame[needed].notna().all(axis=1)
    sub = frame[dated]
    long = pd.DataFrame(
        {
            "who": sub.groupby(keys, dropna=False, sort=False).ngroup(),
            "rank": sub["time_point"].map({code: at for at, code in enumerate(TIME_POINTS.codes)}),
            "day": sub["date"].to_numpy().astype("datetime64[D]").astype(np.int64),
        }
    )
    latest = long.groupby(["who", "rank"])["day"].max()
    before = latest.groupby(level="who").cummax().groupby(level="who").shift()
    limit = long.join(before.rename("limit"), on=["who", "rank"])["limit"]
    broken = pd.Series(False, index=frame.index)
    broken[sub.index] = (long["day"] < limit).to_numpy()
    return broken.to_numpy(bool)


def _breaks_never(rule: Rule, tables: Tables) -> Rows:
    frame = tables[rule.table]
    broken = np.ones(len(frame), bool)
    for name, code in rule.when:
        cells = _column_or_of_case(frame, name, tables)
        if cells is None:
            return _nowhere(frame)
        broken &= (cells == code if code else cells.notna()).to_numpy(bool)
    return broken


def _column_or_of_case(frame: pd.DataFrame, name: str, tables: Tables) -> pd.Series[Any] | None:
    if name in frame.columns:
        return frame[name]
    cases = tables.get("cases")
    if cases is None or "case_id" not in frame or not {"case_id", name} <= set(cases.columns):
        return None
    of_case = cases.dropna(subset=["case_id"]).drop_duplicates("case_id").set_index("case_id")
    return frame["case_id"].map(of_case[name])


def _breaks_at_most(rule: Rule, tables: Tables) -> Rows:
    frame = tables[rule.table]
    if not set(rule.columns) <= set(frame.columns):
        return _nowhere(frame)
    total = frame[list(rule.columns)].sum(axis=1, min_count=1)
    return (total > rule.high).fillna(value=False).to_numpy(bool)


def _nowhere(frame: pd.DataFrame) -> Rows:
    return np.zeros(len(frame), bool)


_CHECKS: dict[str, Callable[[Rule, Tables], Rows]] = {
    "unique": _breaks_unique,
    "refers": _breaks_refers,
    "order": _breaks_order,
    "sequence": _breaks_sequence,
    "never": _breaks_never,
    "at_most": _breaks_at_most,
}
