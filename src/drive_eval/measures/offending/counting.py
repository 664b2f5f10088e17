"""How many events, in how many days free to commit them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from drive_eval.errors import DataError, DesignError
from drive_eval.measures.offending._cohort import (
    Attribution,
    Cohort,
    IndexIncident,
    Observed,
    length_checks,
    observe,
    read_custody,
    read_units,
    recording_checks,
    windows_of,
)
from drive_eval.measures.offending._engine import collect, open_table
from drive_eval.measures.offending._events import read_events, tally
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.measures.offending._cohort import Window

__all__ = ["Measured", "event_counts", "harm_counts", "monthly_rates", "person_time"]

_YEAR = 365.25
_MONTH = _YEAR / 12
YEAR_BEFORE_AND_AFTER: dict[str, tuple[int, int]] = {"before": (-365, 0), "after": (0, 365)}


class Measured(NamedTuple):
    """Analysis rows, and what was found on the way to them.

    Attributes
    ----------
    rows : DataFrame
        A pandas table, sorted by its key, whatever engine the events were in.
    checks : tuple of Check
        What was looked at, left out or cut; none holds a value from a person's row.
    """

    rows: pd.DataFrame
    checks: tuple[Check, ...]

    def check(self, name: str) -> Check:
        """Return the first check of this name.

        Raises
        ------
        DesignError
            If there is none; the message lists the names.
        """
        for check in self.checks:
            if check.name == name:
                return check
        known = ", ".join(dict.fromkeys(check.name for check in self.checks))
        raise DesignError(f'no check is called "{name}". There are: {known}.')


def person_time(
    units: Any,
    custody: Any | None = None,
    *,
    windows: Mapping[str, tuple[int, int]] = YEAR_BEFORE_AND_AFTER,
    washout: int = 0,
    index_incident: IndexIncident = "left_out",
    attribution: Attribution | None = None,
    group: str | None = "group",
    force: str | None = None,
) -> Measured:
    """For how many days was each unit in the extract, and free to offend?

    Parameters
    ----------
    units : table
        One row per unit (pandas, Polars, DuckDB or Spark): ``unit_id, perpetrator_id,
        index_date, data_end_date`` and, where known, ``start_date``, ``data_start_date`` (first
        day of the extract), ``death_date``, ``moved_date``, ``index_event_id``. A column
        ``victim_survivor_id`` makes the units dyads: only events against that person count.
        Dates may be dates, or whole numbers of days.
    custody : table, optional
        One row per spell: ``perpetrator_id, start_date, end_date``; a blank end is a spell that
        lasts to the end of the data.
    windows : mapping of str to (int, int)
        Days from the index date, day 0. Before it ``(a, b)`` is ``[a, b)`` (``(-365, 0)``: days
        −365 to −1), after it ``(a, b]`` (``(0, 365)``: days 1 to 365). No window holds day 0.
    washout : int
        Days before the index date that every window before leaves out.
    index_incident : {'left_out', 'counted'}
        ``counted`` adds day 0 to windows before that end there. It is there to demonstrate what
        goes wrong and for nothing else.
    attribution : {'first', 'last', 'each'}, optional
        Whose a day and its events are if several units of one person have it in the same window.
        Needed only if that happens.
    group : str, optional
        Column of units that says which arm; None for a single group.
    force : str, optional
        A police force, to look for gaps in its recording as well.

    Returns
    -------
    Measured
        One row per unit and window, sorted so: ``unit_id, perpetrator_id, group`` (and
        ``victim_survivor_id``), ``window``, ``days_observed`` (in the extract, alive, not moved
        away), ``days_free`` (of these, outside custody), ``person_years`` (``days_free`` /
        365.25) and ``complete`` (the whole window is in the extract).

        Checks: ``clocks``, ``custody`` or ``custody_overlapping`` and ``custody_open``,
        ``attribution``, ``follow_up``, ``history``, ``recording_change``.

    Raises
    ------
    DataError
        If a column, an id or a date is missing, a unit stands twice, or dates are in an
        impossible order (a spell that ends before it starts, an end before the index date).
    DesignError
        If a window holds the index date or nothing, or several units of a person share days and
        no rule of attribution is given.

    Notes
    -----
    **Assumptions.** Custody runs from the day after ``start_date`` to ``end_date``: on the day of
    an arrest a person was free to do what he was arrested for. The spell thus removes
    ``end_date − start_date`` days. Spells that overlap or touch count once. Days of death and of
    moving away, and the last day of the extract, are still observed.

    Examples
    --------
    >>> units = pd.DataFrame({"unit_id": ["u1"], "perpetrator_id": ["p1"], "group": ["programme"],
    ...     "index_date": pd.to_datetime(["2022-01-01"]),
    ...     "data_end_date": pd.to_datetime(["2022-12-31"])})
    >>> custody = pd.DataFrame({"perpetrator_id": ["p1"],
    ...     "start_date": pd.to_datetime(["2022-01-31"]),
    ...     "end_date": pd.to_datetime(["2022-03-02"])})
    >>> found = person_time(units, custody, windows={"after": (0, 365)})
    >>> found.rows[["window", "days_observed", "days_free", "complete"]].values.tolist()
    [['after', 364, 334, False]]
    >>> found.check("follow_up").text
    '1 of 1 units are followed for fewer than 365 days (1 by the end of the data); their
    windows end there (complete is False).'
    """
    cohort = read_units(units, group=group)
    bounds = windows_of(windows, washout=washout, index_incident=index_incident)
    spells, custody_checks = read_custody(custody, cohort)
    observed = observe(cohort, bounds, spells, attribution=attribution)
    checks = (
        *cohort.checks,
        *custody_checks,
        *observed.checks,
        *length_checks(cohort, bounds, observed),
        *recording_checks(cohort, observed, force=force),
    )
    return Measured(_time_rows(cohort, bounds, observed), checks)


def event_counts(
    units: Any,
    events: Any,
    custody: Any | None = None,
    *,
    windows: Mapping[str, tuple[int, int]] = YEAR_BEFORE_AND_AFTER,
    washout: int = 0,
    index_incident: IndexIncident = "left_out",
    attribution: Attribution | None = None,
    group: str | None = "group",
    force: str | None = None,
) -> Measured:
    """How many events has each unit before and after its index date, in how much time?

    The incident that led to the referral is left out: it is there because the person was
    referred, so that counting it makes a fall with no programme at all.

    Parameters
    ----------
    units, custody, windows, washout, index_incident, attribution, group, force
        As in `person_time`. A column ``index_event_id`` of units names the index incident if it
        was not on the index date.
    events : table
        One row per incident or crime, in any engine: ``perpetrator_id, date`` (and
        ``event_id``, ``victim_survivor_id`` where units name them). Choose by source, stage or
        type of abuse with `select_events`.

    Returns
    -------
    Measured
        The rows of `person_time` with ``events`` (all in the window), ``events_free`` (of these,
        outside custody: the numerator that goes with ``person_years``) and ``events_in_custody``.

        Checks: those of `person_time` and ``events``, ``index_incident`` (``before_index`` if no
        window lies before), ``after_end``, ``events_in_custody``, and ``no_victim`` for dyads.

    Raises
    ------
    DataError, DesignError
        As in `person_time`; also if an event has no date.

    Notes
    -----
    **Assumptions.** An event is counted on the day on which it happened. Events in custody are
    kept, since abuse goes on from prison, but nobody in custody has time at risk.

    Examples
    --------
    >>> units = pd.DataFrame({"unit_id": ["u1"], "perpetrator_id": ["p1"], "group": ["programme"],
    ...     "index_date": pd.to_datetime(["2022-01-01"]),
    ...     "data_end_date": pd.to_datetime(["2023-12-31"])})
    >>> events = pd.DataFrame({"perpetrator_id": "p1",
    ...     "date": pd.to_datetime(["2021-06-01", "2022-01-01", "2022-02-01"])})
    >>> found = event_counts(units, events)
    >>> found.rows[["window", "events", "days_free"]].values.tolist()
    [['before', 1, 365], ['after', 1, 365]]
    >>> found.check("index_incident").statistic
    1
    """
    cohort = read_units(units, group=group)
    bounds = windows_of(windows, washout=washout, index_incident=index_incident)
    read = read_events(events, cohort)
    spells, custody_checks = read_custody(custody, cohort)
    observed = observe(cohort, bounds, spells, attribution=attribution)
    looked = _looked_at(bounds, washout=washout, index_incident=index_incident)
    found, elsewhere = tally(read, cohort, observed, **looked)
    piece, number = (found[c].to_numpy(np.int64) for c in ("label", "n"))
    counts = np.zeros((2, *observed.lo.shape), dtype=np.int64)
    inside = observed.pieces.inside[piece].astype(np.int64)
    np.add.at(counts, (inside, observed.row[piece], observed.window[piece]), number)
    rows = _time_rows(
        cohort,
        bounds,
        observed,
        events=counts.sum(axis=0).ravel(),
        events_free=counts[0].ravel(),
        events_in_custody=counts[1].ravel(),
    )
    checks = (
        *cohort.checks,
        *custody_checks,
        *observed.checks,
        *elsewhere.checks(washout=looked["before"], counted=looked["counted"]),
        _in_custody_check(int(counts[1].sum()), int(counts.sum())),
        *length_checks(cohort, bounds, observed),
        *recording_checks(cohort, observed, force=force),
    )
    return Measured(rows, checks)


def harm_counts(
    units: Any,
    events: Any,
    weights: Any,
    custody: Any | None = None,
    *,
    weight: str = "harm_days",
    unmatched: Literal["refused", "missing"] = "refused",
    windows: Mapping[str, tuple[int, int]] = YEAR_BEFORE_AND_AFTER,
    washout: int = 0,
    index_incident: IndexIncident = "left_out",
    attribution: Attribution | None = None,
    group: str | None = "group",
    force: str | None = None,
) -> Measured:
    """How much harm did each unit's events do, by the user's own list of weights?

    Parameters
    ----------
    units, events, custody, windows, washout, index_incident, attribution, group, force
        As in `event_counts`; events need ``offence_class``.
    weights : table
        One row per class of offence: ``offence_class`` and the column named by ``weight``. No
        list is built in, since the licences of the known ones are not clear.
    weight : str
        Column of weights, 0 or more, such as days of a starting-point sentence.
    unmatched : {'refused', 'missing'}
        What to do about events whose class has no weight. They never count as harmless:
        ``missing`` leaves the harm of their units empty and names the classes.

    Returns
    -------
    Measured
        The rows of `person_time` with ``events``, ``events_unmatched`` and ``harm`` (in the unit
        of the weights; missing where an event has no weight).

        Checks: those of `event_counts` and ``harm_unmatched``.

    Raises
    ------
    DataError
        If weights are missing, negative or given twice, or a class has none (with
        ``unmatched="refused"``); otherwise as in `event_counts`.

    Notes
    -----
    **Assumptions.** Harm adds up, and a sentence measures it. Such lists give stalking and
    controlling behaviour little weight, so harm should never be the only outcome.

    Examples
    --------
    >>> units = pd.DataFrame({"unit_id": ["u1"], "perpetrator_id": ["p1"], "group": ["programme"],
    ...     "index_date": pd.to_datetime(["2022-01-01"]),
    ...     "data_end_date": pd.to_datetime(["2023-12-31"])})
    >>> events = pd.DataFrame({"perpetrator_id": "p1", "offence_class": ["A", "A", "B"],
    ...     "date": pd.to_datetime(["2021-06-01", "2022-02-01", "2022-03-01"])})
    >>> weights = pd.DataFrame({"offence_class": ["A", "B"], "harm_days": [365.0, 10.0]})
    >>> harm_counts(units, events, weights).rows[["window", "harm"]].values.tolist()
    [['before', 365.0], ['after', 375.0]]
    """
    if unmatched not in ("refused", "missing"):
        raise DesignError(f'unmatched is "refused" or "missing", not "{unmatched}".')
    cohort = read_units(units, group=group)
    bounds = windows_of(windows, washout=washout, index_incident=index_incident)
    read = read_events(events, cohort, also=("offence_class",))
    known = _read_weights(weights, weight)
    spells, custody_checks = read_custody(custody, cohort)
    observed = observe(cohort, bounds, spells, attribution=attribution)
    looked = _looked_at(bounds, washout=washout, index_incident=index_incident)
    found, elsewhere = tally(read, cohort, observed, by=("offence_class",), **looked)
    found = found.sort_values(["label", "offence_class"], ignore_index=True)
    value = found["offence_class"].map(known)
    lost = found[value.isna()]
    named = lost["offence_class"].fillna("(no class)").astype(str)
    by_class = lost["n"].groupby(named).sum().sort_index()
    listed = ", ".join(f"{name} ({count} events)" for name, count in by_class.items())
    if len(lost) and unmatched == "refused":
        raise DataError(
            f"{len(by_class)} offence classes of events have no weight: {listed}. Add them to the "
            'weights, or set unmatched = "missing" to leave the harm of those units empty.'
        )
    piece, count = (found[c].to_numpy(np.int64) for c in ("label", "n"))
    at = observed.row[piece] * len(bounds) + observed.window[piece]
    inside = observed.pieces.inside[piece]

    def total(amounts: Any) -> Any:
        return np.bincount(at, weights=amounts, minlength=observed.lo.size)

    lacking = total(count * value.isna().to_numpy())
    harm = pd.Series(total(count * value.fillna(0).to_numpy()), dtype="Float64")
    rows = _time_rows(
        cohort,
        bounds,
        observed,
        events=total(count).astype(np.int64),
        events_unmatched=lacking.astype(np.int64),
        harm=harm.mask(lacking > 0),
    )
    said = f"Without a weight: {listed}; the harm of their units is missing, not nothing."
    checks = (
        *cohort.checks,
        *custody_checks,
        *observed.checks,
        *elsewhere.checks(washout=looked["before"], counted=looked["counted"]),
        _in_custody_check(int(count[inside].sum()), int(count.sum())),
        Check(
            name="harm_unmatched",
            passed=lost.empty,
            statistic=int(lost["n"].sum()),
            text="Every class of offence has a weight." if lost.empty else said,
        ),
        *length_checks(cohort, bounds, observed),
        *recording_checks(cohort, observed, force=force),
    )
    return Measured(rows, checks)


def monthly_rates(
    units: Any,
    events: Any,
    custody: Any | None = None,
    *,
    first_month: int = -12,
    last_month: int = 24,
    washout: int = 0,
    index_incident: IndexIncident = "left_out",
    attribution: Attribution | None = None,
    group: str | None = "group",
    force: str | None = None,
    by_unit: bool = False,
) -> Measured:
    """How often do events happen, month by month around the index date, in each arm?

    Parameters
    ----------
    units, events, custody, washout, index_incident, attribution, group, force
        As in `event_counts`.
    first_month, last_month : int
        Months from the index date; negative ones before it. There is no month 0.
    by_unit : bool
        Rows of units instead of groups, whose sums over units are the rows of groups.

    Returns
    -------
    Measured
        One row per group and month, sorted so: ``group, month, first_day, last_day`` (both
        included), ``units`` (with at least a day in it), ``events_free`` (outside custody),
        ``events_in_custody``, ``person_years`` (outside custody) and ``rate`` (``events_free``
        per person-year; missing where there is no person-time). By unit: ``unit_id,
        perpetrator_id, group`` (and ``victim_survivor_id``) and the same from ``month`` on,
        ``units`` 1 or 0.

        Checks: those of `event_counts`.

    Raises
    ------
    DataError, DesignError
        As in `event_counts`.

    Notes
    -----
    **Assumptions.** A month is 365.25 / 12 days, cut to whole days: month m after the index date
    holds the days ``floor(30.4375 (m − 1)) + 1`` to ``floor(30.4375 m)``, and month −m the same
    days before it. Where a washout takes a whole month, the month stays without a rate. The
    months just before the index date are high in everybody, since that is why people are
    referred: set the arms beside each other and not the months.

    Examples
    --------
    >>> units = pd.DataFrame({"unit_id": ["u1"], "perpetrator_id": ["p1"], "group": ["programme"],
    ...     "index_date": pd.to_datetime(["2022-01-01"]),
    ...     "data_end_date": pd.to_datetime(["2023-12-31"])})
    >>> events = pd.DataFrame({"perpetrator_id": "p1",
    ...     "date": pd.to_datetime(["2021-12-15", "2022-02-10"])})
    >>> rates = monthly_rates(units, events, first_month=-1, last_month=2).rows
    >>> rates[["month", "first_day", "last_day", "events_free"]].values.tolist()
    [[-1, -30, -1, 1], [1, 1, 30, 0], [2, 31, 60, 1]]
    """
    if not (isinstance(first_month, int) and isinstance(last_month, int)):
        raise DesignError("first_month and last_month are whole numbers of months.")
    if first_month > last_month or 0 in (first_month, last_month):
        raise DesignError(
            "first_month is not after last_month, and neither is 0: months count from the index "
            "date, 1 the first after it and -1 the last before it."
        )
    cohort = read_units(units, group=group)
    edges = {m: int(np.floor(_MONTH * abs(m))) for m in range(first_month - 1, last_month + 2)}
    sides = {}
    if first_month < 0:
        sides["before"] = (-edges[first_month], -edges[min(last_month + 1, 0)])
    if last_month > 0:
        sides["after"] = (edges[max(first_month - 1, 0)], edges[last_month])
    bounds = windows_of(sides, washout=washout, index_incident=index_incident)
    read = read_events(events, cohort)
    spells, custody_checks = read_custody(custody, cohort)
    observed = observe(cohort, bounds, spells, attribution=attribution)
    of_row, arms = pd.factorize(cohort.table["group"], sort=True)
    who = pd.DataFrame({"group": arms})
    if by_unit:
        of_row, who = np.arange(len(cohort)), cohort.names()
    pieces = observed.pieces
    label = of_row[observed.row] * 2 + pieces.inside
    looked = _looked_at(bounds, washout=washout, index_incident=index_incident)
    found, elsewhere = tally(read, cohort, observed, by=("day",), label=label, **looked)
    day, count = (found[c].to_numpy(np.int64) for c in ("day", "n"))
    which, inside = np.divmod(found["label"].to_numpy(np.int64), 2)
    size, parts = len(who), []
    for month in [m for m in range(first_month, last_month + 1) if m]:
        lo, hi = (edges[month - 1], edges[month]) if month > 0 else _month_before(edges, month)
        if month == -1 and index_incident == "counted":
            hi = 0
        here = np.flatnonzero((pieces.lo < hi) & (pieces.hi > lo))
        of, at = observed.row[here], of_row[observed.row[here]]
        length = np.minimum(pieces.hi[here], hi) - np.maximum(pieces.lo[here], lo)
        # Pieces are in the order of units: each unit counts where its first one is.
        some = at[np.append(True, of[1:] != of[:-1])[: len(of)]]
        free_days = np.bincount(at, weights=length * ~pieces.inside[here], minlength=size)
        now = (day > lo) & (day <= hi)
        events_in = np.bincount(
            which[now] * 2 + inside[now], weights=count[now], minlength=2 * size
        ).astype(np.int64)
        parts.append(
            who.assign(
                month=month,
                first_day=lo + 1,
                last_day=hi,
                units=np.bincount(some, minlength=size),
                events_free=events_in[::2],
                events_in_custody=events_in[1::2],
                person_years=free_days / _YEAR,
            )
        )
    rows = pd.concat(parts, ignore_index=True)
    years = rows["person_years"].where(rows["person_years"] > 0)
    rows["rate"] = (rows["events_free"] / years).astype("Float64")
    rows = rows.sort_values(["unit_id" if by_unit else "group", "month"], ignore_index=True)
    checks = (
        *cohort.checks,
        *custody_checks,
        *observed.checks,
        *elsewhere.checks(washout=looked["before"], counted=looked["counted"]),
        _in_custody_check(int(count[inside == 1].sum()), int(count.sum())),
        *length_checks(cohort, bounds, observed),
        *recording_checks(cohort, observed, force=force),
    )
    return Measured(rows, checks)


def _month_before(edges: Mapping[int, int], month: int) -> tuple[int, int]:
    return -edges[month] - 1, -edges[month + 1] - 1


def _time_rows(
    cohort: Cohort, bounds: Sequence[Window], observed: Observed, **counted: Any
) -> pd.DataFrame:
    count = len(bounds)
    rows = cohort.names(np.repeat(np.arange(len(cohort)), count))
    free = observed.days(inside=False).ravel()
    length = np.array([w.hi - w.lo for w in bounds])[None, :]
    return rows.assign(
        window=np.tile([w.name for w in bounds], len(cohort)).astype(object),
        **counted,
        days_observed=observed.days().ravel(),
        days_free=free,
        person_years=free / _YEAR,
        complete=(observed.hi - observed.lo == length).ravel(),
    )


def _looked_at(bounds: Sequence[Window], *, washout: int, index_incident: str) -> dict[str, Any]:
    """Say which events beside the windows are named: those left out, or all that came before."""
    return {
        "before": washout if any(w.lo < -1 for w in bounds) else None,
        "counted": index_incident == "counted",
    }


def _in_custody_check(inside: int, count: int) -> Check:
    return Check(
        name="events_in_custody",
        passed=inside == 0,
        statistic=inside,
        text=f"{inside} of {count} events in the windows are dated inside a custody spell. They "
        "are kept and counted apart: abuse goes on from prison, and some dates are wrong.",
    )


def _read_weights(weights: Any, weight: str) -> pd.Series[float]:
    frame = open_table(weights, "weights", ("offence_class", weight))
    table = collect(
        frame.select(offence_class=nw.col("offence_class").cast(nw.String), weight=nw.col(weight))
    )
    values = pd.to_numeric(table["weight"], errors="coerce")
    faults = []
    if blank := int((values.isna() | table["offence_class"].isna()).sum()):
        faults.append(
            f"{blank} of {len(table)} rows of weights have no offence_class, or no number in "
            f'"{weight}". Fill it in, or leave the rows out.'
        )
    if below := int((values < 0).sum()):
        faults.append(f'{below} of {len(table)} rows of weights have a "{weight}" below 0.')
    if twice := int(table["offence_class"].duplicated().sum()):
        faults.append(
            f"{twice} rows of weights repeat the offence_class of another. Keep one of them."
        )
    if faults:
        raise DataError(faults)
    return pd.Series(values.to_numpy(float), index=table["offence_class"])
