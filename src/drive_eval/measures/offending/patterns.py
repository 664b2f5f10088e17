"""Which events count, and what they make of a person: chosen, repeated, serial."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from drive_eval.errors import DataError, DesignError, did_you_mean
from drive_eval.measures.offending._cohort import (
    IndexIncident,
    length_checks,
    observe,
    read_units,
    windows_of,
)
from drive_eval.measures.offending._engine import collect, day_number, open_table
from drive_eval.measures.offending._events import read_events, tally
from drive_eval.measures.offending._intervals import Spells
from drive_eval.measures.offending.counting import Measured
from drive_eval.results import Check
from drive_eval.vocabulary import ABUSE_TYPES, EVENT_SOURCES, OUTCOME_STAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.vocabulary import CodeList

__all__ = ["Selected", "marac_repeats", "select_events", "serial_and_repeat"]

_DEFINITIONS = {
    "criminal_conduct": "a crime (the older definition)",
    "any_abuse": "any abuse, crime or not (the newer definition)",
}
_SHOWN = (
    "event_id",
    "perpetrator_id",
    "victim_survivor_id",
    "date",
    "source",
    "offence_class",
    "abuse_type",
    "domestic_abuse_flag",
    "outcome_stage",
)


class Selected(NamedTuple):
    """Some of the events, in the engine that they came from, and what was chosen.

    Attributes
    ----------
    events : table
        Of the same kind as the table that was given; nothing has been fetched.
    checks : tuple of Check
    """

    events: Any
    checks: tuple[Check, ...]


def select_events(
    events: Any,
    *,
    source: str | Sequence[str] | None = None,
    at_least: str | None = None,
    abuse_type: str | Sequence[str] | None = None,
    domestic_abuse: bool = False,
) -> Selected:
    """Which events count as the outcome: whose record, how far it came, what kind?

    Parameters
    ----------
    events : table
        One row per event, in any engine.
    source, abuse_type : str or sequence of str, optional
        Codes of the code lists; events with any of them are kept.
    at_least : {'recorded', 'charged', 'convicted'}, optional
        Keep events that came at least so far. An event without a stage has been recorded and no
        more is known, so it is kept for ``recorded`` only.
    domestic_abuse : bool
        Keep events that are flagged as domestic abuse only.

    Returns
    -------
    Selected
        ``events`` of the same kind as given, and the Check ``selected``: how many of how many
        are kept, and how many are not because what was asked about is blank.

    Raises
    ------
    DataError
        If a column that is asked about is missing.
    DesignError
        If a code is not in its list.

    Examples
    --------
    >>> import pandas as pd
    >>> events = pd.DataFrame({"perpetrator_id": ["p1", "p1", "p2"],
    ...     "source": ["police", "marac", "police"], "outcome_stage": ["charged", None, None]})
    >>> charged = select_events(events, source="police", at_least="charged")
    >>> len(charged.events)
    1
    >>> charged.checks[0].text
    '1 of 3 events are kept (source police, at least charged); of the others, 2 have no
    outcome_stage.'
    """
    wanted: dict[str, list[str]] = {}
    said = []
    if source is not None:
        wanted["source"] = _codes(source, EVENT_SOURCES, "source")
        said.append(f"source {' or '.join(wanted['source'])}")
    if abuse_type is not None:
        wanted["abuse_type"] = _codes(abuse_type, ABUSE_TYPES, "abuse_type")
        said.append(f"abuse type {' or '.join(wanted['abuse_type'])}")
    if at_least is not None:
        (stage,) = _codes(at_least, OUTCOME_STAGES, "at_least")
        if rank := OUTCOME_STAGES.rank(stage):
            wanted["outcome_stage"] = list(OUTCOME_STAGES.codes[rank:])
        said.append(f"at least {stage}")
    if domestic_abuse:
        said.append("flagged as domestic abuse")
    asked = [*wanted, *(["domestic_abuse_flag"] if domestic_abuse else [])]
    frame = open_table(events, "events", asked)
    conditions = [nw.col(column).is_in(codes) for column, codes in wanted.items()]
    if domestic_abuse:
        conditions.append(nw.col("domestic_abuse_flag").is_in([True]))
    kept = frame.filter(*conditions) if conditions else frame
    blank = {c: nw.col(c).is_null().cast(nw.Int64).sum() for c in asked}
    all_of = collect(frame.select(n=nw.len(), **blank)).fillna(0)
    count = int(collect(kept.select(n=nw.len()))["n"].iloc[0])
    blanks = [f"{int(all_of[c].iloc[0])} have no {c}" for c in asked if all_of[c].iloc[0]]
    text = f"{count} of {int(all_of['n'].iloc[0])} events are kept ({', '.join(said) or 'all'})"
    text += f"; of the others, {', '.join(blanks)}." if blanks else "."
    native = kept.to_native() if isinstance(nw.from_native(events), nw.LazyFrame) else None
    return Selected(
        kept.collect().to_native() if native is None else native,
        (Check(name="selected", statistic=count, text=text),),
    )


def marac_repeats(
    events: Any,
    *,
    definition: Literal["any_abuse", "criminal_conduct"],
    within: int = 365,
    same_victim: bool = True,
    non_crime: Sequence[str] = (),
) -> Measured:
    """Which events are repeats in the sense of MARAC: abuse soon after a referral?

    A repeat is an event between the same two people within so many days of their last referral
    to a MARAC.

    Parameters
    ----------
    events : table
        One row per event, in any engine: ``event_id, perpetrator_id, date, source`` and
        ``victim_survivor_id`` (for ``same_victim``) and ``offence_class`` (for
        ``criminal_conduct``). Rows with source ``marac`` are the referrals.
    definition : {'any_abuse', 'criminal_conduct'}
        What must have happened: any abuse (the newer definition; a further referral is evidence
        of it) or a crime (the older one).
    within : int
        Days after the last referral, 1 … ``within``; twelve months are 365.
    same_victim : bool
        Only events against the victim-survivor of the referral. Events and referrals that name
        none cannot be judged and are counted in a Check.
    non_crime : sequence of str
        Codes of ``offence_class`` that are no crimes, such as a non-crime incident. An event
        without a class is no crime.

    Returns
    -------
    Measured
        One row per repeat, sorted by ``event_id``: the columns of the event and
        ``days_since_referral``. The rows are events, so they may be handed to `event_counts`,
        `first_event` or `repeat_rows`.

        Checks: ``marac_definition``, ``marac_referrals``, ``no_victim``.

    Raises
    ------
    DataError
        If a column or a date is missing, or an event_id stands twice.
    DesignError
        If the definition is unknown or there is no referral.

    Notes
    -----
    **Assumptions.** The date of the row is the date of the referral, not of the meeting. Events
    that are flagged as *not* domestic abuse never count. An event on the day of a referral
    belongs to that referral.

    Examples
    --------
    >>> import pandas as pd
    >>> events = pd.DataFrame({"event_id": ["a", "b", "c"], "perpetrator_id": "p1",
    ...     "victim_survivor_id": "v1", "date": [0, 100, 500],
    ...     "source": ["marac", "police", "police"]})
    >>> found = marac_repeats(events, definition="any_abuse")
    >>> found.rows[["event_id", "days_since_referral"]].values.tolist()
    [['b', 100]]
    """
    if definition not in _DEFINITIONS:
        raise DesignError(
            f'"{definition}" is no definition of a MARAC repeat.'
            f"{did_you_mean(definition, _DEFINITIONS)}"
        )
    if not isinstance(within, int) or within < 1:
        raise DesignError("within is a whole number of days above 0.")
    crime = definition == "criminal_conduct"
    keys = ["perpetrator_id", *(["victim_survivor_id"] if same_victim else [])]
    needed = ["event_id", *keys, "date", "source", *(["offence_class"] if crime else [])]
    frame = open_table(events, "events", needed)
    known = frame.collect_schema().names()
    counts = collect(
        frame.select(
            n=nw.len(),
            ids=nw.col("event_id").n_unique(),
            undated=nw.col("date").is_null().cast(nw.Int64).sum(),
            unnamed=nw.any_horizontal(*(nw.col(k).is_null() for k in keys), ignore_nulls=False)
            .cast(nw.Int64)
            .sum(),
        )
    ).fillna(0)
    count, ids, undated, unnamed = (
        int(counts[c].iloc[0]) for c in ("n", "ids", "undated", "unnamed")
    )
    if undated:
        raise DataError(
            f"{undated} of {count} rows of events have no date. Fill it in, or leave the rows out; "
            "they are not dropped silently."
        )
    if ids < count:
        raise DataError(
            f"{count - ids} rows of events repeat the event_id of another. Remove the copies, or "
            "give each event its own event_id."
        )
    texts = {c: nw.col(c).cast(nw.String) for c in ("offence_class",) if crime}
    dated = frame.with_columns(day=day_number(frame, "date", "events"), **texts)
    for key in keys:
        dated = dated.filter(~nw.col(key).is_null())
    referred = nw.col("source").is_in(["marac"])
    referrals = dated.filter(referred).select(*keys, referral=nw.col("day"))
    judged = dated.select(
        "event_id", *keys, "day", *texts, *_if_there(known, "domestic_abuse_flag")
    )
    if "domestic_abuse_flag" in known:
        judged = judged.filter(~nw.col("domestic_abuse_flag").is_in([False]))
    if crime:
        judged = judged.filter(~nw.col("offence_class").is_null())
        if non_crime:
            judged = judged.filter(~nw.col("offence_class").is_in(list(non_crime)))
    number = int(collect(referrals.select(n=nw.len()))["n"].iloc[0])
    if not number:
        raise DesignError(
            'no event has source "marac" and names whom it is about, so that nothing can be a '
            "repeat. Look at the source, or use same_victim=False."
        )
    pairs = judged.join(referrals, on=keys, how="inner").with_columns(
        since=nw.col("day") - nw.col("referral")
    )
    near = pairs.filter(nw.col("since") >= 1, nw.col("since") <= within)
    last = near.group_by("event_id").agg(days_since_referral=nw.col("since").min())
    shown = [c for c in _SHOWN if c in known]
    rows = collect(frame.select(*shown).join(last, on="event_id", how="inner"), sort=("event_id",))
    if not frame.collect_schema()["date"].is_integer():
        rows["date"] = pd.to_datetime(rows["date"]).astype("datetime64[ns]")
    rows["days_since_referral"] = rows["days_since_referral"].astype(np.int64)
    days = f"1 to {within} days after the last referral"
    whom = "of the same two people" if same_victim else "of the same perpetrator"
    checks = (
        Check(
            name="marac_definition",
            statistic=len(rows),
            threshold=within,
            text=f"{len(rows)} of {count} events are repeats: {_DEFINITIONS[definition]}, {days} "
            f"{whom}.",
        ),
        Check(name="marac_referrals", statistic=number, text=f"There are {number} referrals."),
        Check(
            name="no_victim",
            passed=unnamed == 0,
            statistic=unnamed,
            text=f"{unnamed} of {count} events do not name whom they are about and cannot be "
            "judged.",
        ),
    )
    return Measured(rows, checks)


def serial_and_repeat(
    units: Any,
    events: Any,
    *,
    window: tuple[int, int] = (-1095, 0),
    minimum_victims: int = 2,
    count_non_crime: bool = True,
    non_crime: Sequence[str] = (),
    washout: int = 0,
    index_incident: IndexIncident = "left_out",
    group: str | None = "group",
) -> Measured:
    """Who has harmed different victims (serial), and who the same one again (repeat)?

    Parameters
    ----------
    units, washout, index_incident, group
        As in `event_counts`; by person or enrolment. Here ``index_incident="counted"`` is a
        choice and no trap, if the question is who is serial on the day of the referral.
    events : table
        ``perpetrator_id, victim_survivor_id, date`` and, where non-crime incidents are left
        out, ``offence_class``.
    window : (int, int)
        Days from the index date, as in `person_time`; three years before it by default.
    minimum_victims : int
        Different victims that make a perpetrator serial, 2 or more.
    count_non_crime : bool
        Whether incidents that are no crimes count.
    non_crime : sequence of str
        Codes of ``offence_class`` that are no crimes. An event without a class is no crime.

    Returns
    -------
    Measured
        One row per unit: ``unit_id, perpetrator_id, group, events``, ``victims`` (different
        ones), ``serial`` (bool), ``repeat`` (bool: events on two days or more against one
        victim) and ``complete`` (the whole window is in the extract).

        Checks: ``clocks``, ``events``, ``index_incident``, ``after_end``, ``serial_definition``,
        ``no_victim``, ``history`` and ``follow_up``.

    Raises
    ------
    DataError
        As in `event_counts`.
    DesignError
        If units are dyads, or fewer than two victims would make somebody serial.

    Notes
    -----
    **Assumptions.** One victim-survivor has one id in all events. Events that name nobody count
    in ``events`` alone, so ``serial`` and ``repeat`` are at least so common. Several crimes of
    one day against one victim are one incident.

    Examples
    --------
    >>> import pandas as pd
    >>> units = pd.DataFrame({"unit_id": ["u1"], "perpetrator_id": ["p1"], "group": ["programme"],
    ...     "index_date": [1000], "data_end_date": [2000]})
    >>> events = pd.DataFrame({"perpetrator_id": "p1", "victim_survivor_id": ["v1", "v1", "v2"],
    ...     "date": [100, 200, 300]})
    >>> found = serial_and_repeat(units, events, window=(-1000, 0)).rows
    >>> found[["events", "victims", "serial", "repeat"]].values.tolist()
    [[3, 2, True, True]]
    """
    if not isinstance(minimum_victims, int) or minimum_victims < 2:
        raise DesignError(
            "minimum_victims is 2 or more: whoever has harmed one person is not serial."
        )
    cohort = read_units(units, group=group)
    if "victim_survivor_id" in cohort.table:
        raise DesignError(
            "units are dyads, and a dyad has one victim-survivor only. Give units by person or "
            "enrolment."
        )
    bounds = windows_of({"window": window}, washout=washout, index_incident=index_incident)
    also = ["victim_survivor_id", *([] if count_non_crime else ["offence_class"])]
    read = read_events(events, cohort, also=also)
    none = np.array([], dtype=np.int64)
    observed = observe(cohort, bounds, Spells(none, none, none), attribution="each")
    if not count_non_crime:
        crimes = read.frame.filter(~nw.col("offence_class").is_null())
        if non_crime:
            crimes = crimes.filter(~nw.col("offence_class").is_in(list(non_crime)))
        read = replace(read, frame=crimes)
    before = washout if bounds[0].lo < -1 else None
    found, elsewhere = tally(
        read,
        cohort,
        observed,
        by=("victim_survivor_id", "day"),
        before=before,
        counted=index_incident == "counted",
    )
    row, number = observed.row[found["label"]], found["n"].to_numpy(np.int64)
    named = found["victim_survivor_id"].notna().to_numpy()
    # A row of `found` is a day on which there were events against one victim.
    days = found[named].groupby(["label", "victim_survivor_id"])["n"].size()
    whose = observed.row[days.index.get_level_values("label")]
    size = len(cohort)
    victims = np.bincount(whose, minlength=size).astype(np.int64)
    length = bounds[0].hi - bounds[0].lo
    rows = cohort.names().assign(
        events=np.bincount(row, weights=number, minlength=size).astype(np.int64),
        victims=victims,
        serial=victims >= minimum_victims,
        repeat=np.bincount(whose[days.to_numpy() > 1], minlength=size) > 0,
        complete=(observed.hi - observed.lo == length)[:, 0],
    )
    unnamed, total = int(number[~named].sum()), int(number.sum())
    what = "crimes and other incidents" if count_non_crime else "crimes only"
    checks = (
        *cohort.checks,
        *elsewhere.checks(washout=before, counted=index_incident == "counted"),
        Check(
            name="serial_definition",
            statistic=int(rows["serial"].sum()),
            threshold=minimum_victims,
            text=f"Serial: {minimum_victims} or more victims in the days {bounds[0].lo + 1} to "
            f"{bounds[0].hi} from the index date ({what}). Repeat: events on two days or more "
            "against one of them.",
        ),
        Check(
            name="no_victim",
            passed=unnamed == 0,
            statistic=unnamed,
            text=f"{unnamed} of {total} events in the window name no victim and cannot be judged.",
        ),
        *length_checks(cohort, bounds, observed),
    )
    return Measured(rows, checks)


def _codes(given: str | Sequence[str], known: CodeList, argument: str) -> list[str]:
    codes = [given] if isinstance(given, str) else list(given)
    for code in codes:
        if code not in known.codes:
            raise DesignError(f'{argument} knows no "{code}".{did_you_mean(code, known.codes)}')
    if not codes:
        raise DesignError(f"{argument} is an empty list, so that nothing would be kept.")
    return codes


def _if_there(known: Sequence[str], column: str) -> list[str]:
    return [column] if column in known else []
