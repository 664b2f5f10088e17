"""When the first and every further event happened, in rows that survival models read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from drive_eval.errors import DesignError, did_you_mean
from drive_eval.measures.offending._cohort import (
    AFTER,
    Attribution,
    Cohort,
    Observed,
    Window,
    follow_up_check,
    observe,
    read_custody,
    read_units,
    recording_checks,
)
from drive_eval.measures.offending._events import read_events, tally
from drive_eval.measures.offending._intervals import FAR
from drive_eval.measures.offending.counting import Measured
from drive_eval.results import Check

if TYPE_CHECKING:
    import numpy.typing as npt

    from drive_eval.measures.offending._events import Events
    from drive_eval.measures.offending._intervals import Days, Spells

__all__ = ["CAUSES", "ENDINGS", "CustodyAs", "first_event", "repeat_rows"]

CustodyAs = Literal["gap", "competing", "ignored"]

#: What may happen first: events of their own kind, each of which prevents or hides the others.
CAUSES: dict[str, str] = {
    "reoffence": "a further event",
    "custody": "taken into custody (custody as a competing event)",
    "death": "died",
}
#: Why a row ends: a cause, or else the unit is censored.
ENDINGS: dict[str, str] = {
    **CAUSES,
    "moved": "moved away",
    "end": "end of the data, or of the horizon",
    "gap": "out of the risk set for a while: in custody, or the days belong to another unit",
}
_CUSTODY_AS = {
    "gap": "Time in custody is cut out of the rows: nobody is at risk of a recorded event there.",
    "competing": "The first custody after the index date ends the rows, as an event of its own.",
    "ignored": "Custody is ignored: time inside counts as time at risk.",
}


def first_event(
    units: Any,
    events: Any,
    custody: Any | None = None,
    *,
    horizon: int,
    custody_as: CustodyAs = "gap",
    attribution: Attribution | None = None,
    group: str | None = "group",
    force: str | None = None,
) -> Measured:
    """How soon is the first event after the index date, and what comes before it?

    Parameters
    ----------
    units, events, custody, attribution, group, force
        As in `event_counts`. Choose by source, stage or type of abuse with `select_events`.
    horizon : int
        Days after the index date at which following ends.
    custody_as : {'gap', 'competing', 'ignored'}
        ``gap`` cuts time in custody out, so that a unit may have several rows; ``competing``
        ends the row at the first custody; ``ignored`` counts it as time at risk.

    Returns
    -------
    Measured
        One row per stretch of time at risk, sorted by unit and time: ``unit_id, perpetrator_id,
        group`` (and ``victim_survivor_id``), ``start`` and ``stop`` (days since the index date;
        the days start + 1 … stop are at risk), ``event`` (1 if it ends in an event),
        ``cause`` (a key of `CAUSES`, empty where the unit is censored, as models of competing
        risks read it) and ``ended_by`` (a key of `ENDINGS`). Without gaps there is one row per
        unit.

        Checks: ``clocks``, the custody checks, ``attribution``, ``events``, ``before_index``,
        ``after_end``, ``events_in_custody``, ``no_rows``, ``follow_up``, ``recording_change``;
        with a custody table also ``custody_as`` and ``in_custody_at_index``.

    Raises
    ------
    DataError, DesignError
        As in `event_counts`; also if the horizon is not a whole number of days above 0.

    Notes
    -----
    **Assumptions.** Events count from the day after the index date: those before or on it are
    no outcome. On one day a re-offence comes before custody, custody before death, death before
    moving away. Units that are in custody on the index date enter the rows on release. Days that
    belong to another unit by the rule of attribution are cut out like custody. As a gap, custody
    must not tell of the risk after it (independent censoring); as a competing event it lowers
    the probability of a re-offence and needs `cumulative_incidence`, not one minus an event-free
    curve.

    References
    ----------
    Andersen PK, Gill RD (1982). Cox's regression model for counting processes: a large sample
    study. Annals of Statistics 10, 1100–1120.

    Examples
    --------
    >>> import pandas as pd
    >>> units = pd.DataFrame({"unit_id": ["u1"], "perpetrator_id": ["p1"], "group": ["programme"],
    ...     "index_date": [0], "data_end_date": [365]})
    >>> events = pd.DataFrame({"perpetrator_id": ["p1", "p1"], "date": [0, 180]})
    >>> custody = pd.DataFrame({"perpetrator_id": ["p1"], "start_date": [30], "end_date": [60]})
    >>> rows = first_event(units, events, custody, horizon=365).rows
    >>> rows[["start", "stop", "event", "ended_by"]].values.tolist()
    [[0, 30, 0, 'gap'], [60, 180, 1, 'reoffence']]
    >>> rows = first_event(units, events, custody, horizon=365, custody_as="competing").rows
    >>> rows[["start", "stop", "event", "ended_by"]].values.tolist()
    [[0, 30, 0, 'custody']]
    """
    risk = _at_risk(units, events, custody, horizon, custody_as, attribution, group, force)
    firsts = np.full(len(risk.cohort), FAR, dtype=np.int64)
    row, day, _, checks = risk.tally(first=True)
    np.minimum.at(firsts, row, day)
    first = firsts[risk.row]
    keep = risk.lo < first
    stop = np.minimum(risk.hi, first)[keep]
    event = stop == first[keep]
    rows = risk.cohort.names(risk.row[keep]).assign(
        start=risk.lo[keep],
        stop=stop,
        event=event.astype(np.int64),
        **_reasons(event, risk.ended_by[keep]),
    )
    return Measured(rows, checks)


def repeat_rows(
    units: Any,
    events: Any,
    custody: Any | None = None,
    *,
    horizon: int | None = None,
    custody_as: CustodyAs = "gap",
    attribution: Attribution | None = None,
    group: str | None = "group",
    force: str | None = None,
) -> Measured:
    """When does every event after the index date happen, and when is nobody at risk of one?

    Parameters
    ----------
    units, events, custody, custody_as, attribution, group, force
        As in `first_event`.
    horizon : int, optional
        Days after the index date at which following ends; to the end of the data if absent.

    Returns
    -------
    Measured
        Start/stop rows, sorted by unit and time: the columns of `first_event` with
        ``event_number`` (which event of the unit this row is at risk of, 1 for the first) and
        ``events_on_day`` (how many were recorded on the day of ``stop``). With custody as a gap
        the lengths of a unit's rows add up to its ``days_free``.

        Checks: those of `first_event` and ``same_day``.

    Raises
    ------
    DataError, DesignError
        As in `first_event`.

    Notes
    -----
    **Assumptions.** As in `first_event`. Events of one day are one event, because one incident
    is often recorded as several crimes; ``events_on_day`` keeps their number.

    References
    ----------
    Prentice RL, Williams BJ, Peterson AV (1981). On the regression analysis of multivariate
    failure time data. Biometrika 68, 373–379.

    Examples
    --------
    >>> import pandas as pd
    >>> units = pd.DataFrame({"unit_id": ["u1"], "perpetrator_id": ["p1"], "group": ["programme"],
    ...     "index_date": [0], "data_end_date": [200]})
    >>> events = pd.DataFrame({"perpetrator_id": ["p1", "p1"], "date": [20, 180]})
    >>> custody = pd.DataFrame({"perpetrator_id": ["p1"], "start_date": [30], "end_date": [60]})
    >>> rows = repeat_rows(units, events, custody).rows
    >>> rows[["start", "stop", "event", "event_number", "ended_by"]].values.tolist()
    [[0, 20, 1, 1, 'reoffence'], [20, 30, 0, 2, 'gap'], [60, 180, 1, 2, 'reoffence'],
     [180, 200, 0, 3, 'end']]
    """
    risk = _at_risk(units, events, custody, horizon, custody_as, attribution, group, force)
    row, day, number, checks = risk.tally()
    # Each event lies in the last piece of its unit that begins before it.
    begins = risk.row * 10 * FAR + risk.lo
    piece = np.searchsorted(begins, row * 10 * FAR + day, "left") - 1
    every = np.arange(len(risk.row), dtype=np.int64)
    last_event = np.zeros(len(every), dtype=np.int64)
    np.maximum.at(last_event, piece, day)
    open_end = last_event < risk.hi
    piece = np.concatenate([piece, every[open_end]])
    stop = np.concatenate([day, risk.hi[open_end]])
    number = np.concatenate([number, np.zeros(int(open_end.sum()), dtype=np.int64)])
    order = np.lexsort((stop, piece))
    piece, stop, number = piece[order], stop[order], number[order]
    row, event = risk.row[piece], (number > 0).astype(np.int64)
    start = np.where(_first_of_run(piece), risk.lo[piece], np.append(0, stop[:-1])[: len(piece)])
    before = np.cumsum(event) - event
    rows = risk.cohort.names(row).assign(
        start=start,
        stop=stop,
        event=event,
        event_number=before - _at_first_of_run(before, row) + 1,
        events_on_day=number,
        **_reasons(event == 1, risk.ended_by[piece]),
    )
    several = int((number > 1).sum())
    same_day = Check(
        name="same_day",
        statistic=several,
        text=f"{several} rows end on a day with several events, which count as one "
        "(events_on_day has their number).",
    )
    return Measured(rows, (*checks, same_day))


class _Risk(NamedTuple):
    """Pieces (lo, hi] in which units are at risk, in order, and why each ends without an event."""

    cohort: Cohort
    events: Events
    observed: Observed
    row: Days
    lo: Days
    hi: Days
    ended_by: npt.NDArray[np.object_]
    cut_out: bool
    checks: tuple[Check, ...]

    def tally(self, *, first: bool = False) -> tuple[Days, Days, Days, tuple[Check, ...]]:
        """Count the events at risk by unit and day, or find the first of each piece."""
        pieces, observed = self.observed.pieces, self.observed
        keep = np.ones(len(pieces.of), dtype=bool)
        if self.cut_out:
            # With custody as a competing event, nothing counts after it.
            ends = np.zeros(len(self.cohort), dtype=np.int64)
            np.maximum.at(ends, self.row, self.hi)
            keep = pieces.inside | (pieces.lo < ends[observed.row])
        found, elsewhere = tally(
            self.events, self.cohort, observed, by=("day",), keep=keep, first=first
        )
        piece, day, number = (found[c].to_numpy(np.int64) for c in ("label", "day", "n"))
        row, inside = observed.row[piece], pieces.inside[piece]
        use = ~inside if self.cut_out else np.ones(len(row), dtype=bool)
        kept = "They count like any other."
        if self.cut_out:
            kept = "Nobody is at risk there, so they are in no row; event_counts keeps them."
        check = Check(
            name="events_in_custody",
            passed=not inside.any(),
            statistic=int(number[inside].sum()),
            text=f"{int(number[inside].sum())} events are dated inside a custody spell. {kept}",
        )
        checks = (
            *self.checks,
            *elsewhere.checks(),
            check,
        )
        return row[use], day[use], number[use], checks


def _at_risk(
    units: Any,
    events: Any,
    custody: Any | None,
    horizon: int | None,
    custody_as: str,
    attribution: str | None,
    group: str | None,
    force: str | None,
) -> _Risk:
    if custody_as not in _CUSTODY_AS:
        raise DesignError(
            f'custody_as is "gap", "competing" or "ignored", not "{custody_as}".'
            f"{did_you_mean(custody_as, _CUSTODY_AS)}"
        )
    if horizon is not None and (not isinstance(horizon, int) or horizon < 1):
        raise DesignError("the horizon is a whole number of days above 0.")
    cohort = read_units(units, group=group)
    read = read_events(events, cohort)
    spells, custody_checks = read_custody(custody, cohort)
    until = horizon or max(1, int(cohort.last.max(initial=1)))
    window = Window(AFTER, 0, until)
    observed = observe(cohort, [window], spells, attribution=attribution)
    row, lo, hi, ended_by = _pieces_at_risk(cohort, observed, spells, custody_as)
    absent = len(cohort) - len(np.unique(row))
    checks = [
        *cohort.checks,
        *custody_checks,
        *observed.checks,
        *(() if custody is None else _custody_checks(cohort, observed, custody_as)),
        Check(
            name="no_rows",
            passed=absent == 0,
            statistic=absent,
            text=f"{absent} of {len(cohort)} units have no day at risk and so no row.",
        ),
        *recording_checks(cohort, observed, force=force),
    ]
    if horizon is not None:
        checks.append(follow_up_check(cohort, horizon, what="their last row ends there, censored"))
    return _Risk(
        cohort, read, observed, row, lo, hi, ended_by, custody_as != "ignored", tuple(checks)
    )


def _custody_checks(cohort: Cohort, observed: Observed, custody_as: str) -> tuple[Check, ...]:
    """Say what custody counts as, and who was in it on the index date."""
    inside = int((observed.pieces.inside & (observed.pieces.lo == 0)).sum())
    entry = "" if custody_as == "ignored" else "; they enter the rows on release"
    return (
        Check(name="custody_as", text=_CUSTODY_AS[custody_as]),
        Check(
            name="in_custody_at_index",
            statistic=inside,
            text=f"{inside} of {len(cohort)} units are in custody on the index date{entry}.",
        ),
    )


def _pieces_at_risk(
    cohort: Cohort, observed: Observed, spells: Spells, custody_as: str
) -> tuple[Days, Days, Days, npt.NDArray[np.object_]]:
    pieces, row = observed.pieces, observed.row
    if custody_as == "ignored":
        first = _first_of_run(pieces.of)
        row, lo, hi = row[first], pieces.lo[first], observed.stretch_hi[first]
    else:
        free = ~pieces.inside
        row, lo, hi = row[free], pieces.lo[free], pieces.hi[free]
    until = observed.hi[row, 0]
    ended = np.where(until == cohort.last[row], cohort.ended_by[row], "end")
    ended_by = np.where(hi == until, ended, "gap").astype(object)
    if custody_as != "competing":
        return row, lo, hi, ended_by
    some = spells.hi > spells.lo
    jailed = np.isin(row * 10 * FAR + hi, spells.of[some] * 10 * FAR + spells.lo[some])
    ended_by[jailed] = "custody"
    # Nothing follows the first custody.
    seen: Days = np.cumsum(jailed) - jailed
    keep = seen == _at_first_of_run(seen, row)
    return row[keep], lo[keep], hi[keep], ended_by[keep]


def _reasons(
    event: npt.NDArray[np.bool_], ended_by: npt.NDArray[np.object_]
) -> dict[str, npt.NDArray[np.object_]]:
    why = np.where(event, "reoffence", ended_by).astype(object)
    return {"cause": np.where(np.isin(why, list(CAUSES)), why, "").astype(object), "ended_by": why}


def _first_of_run(values: Days) -> npt.NDArray[np.bool_]:
    return np.append(True, values[1:] != values[:-1])[: len(values)]


def _at_first_of_run(values: Days, runs: Days) -> Days:
    """Return, for every place, the value where its run of equal numbers begins."""
    first = _first_of_run(runs)
    found: Days = values[first][np.cumsum(first) - 1]
    return found
