"""Times to an event and recorded re-offending: who was followed, and what came of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from drive_eval.data.people import people_behind
from drive_eval.errors import DesignError
from drive_eval.evaluation.contrasts import between_arms_claim, merge, missing_share
from drive_eval.evaluation.months import count_months, monthly_curves, monthly_tables
from drive_eval.evaluation.rates import count_periods, harm_of, rates_result, try_rates
from drive_eval.evaluation.sizes import people_needed
from drive_eval.evaluation.times import (
    Question,
    first_event_result,
    how_much_is_one,
    incidence_result,
    repeats_result,
)
from drive_eval.measures import offending
from drive_eval.measures.case_table import time_to_event_rows
from drive_eval.results import Check, CountTable, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.evaluation.designs import Design
    from drive_eval.measures.offending import Measured
    from drive_eval.plan import Plan, ReoffendingOutcome, TimeToEventOutcome

__all__ = [
    "AT_LIBERTY",
    "COUNTED",
    "ENDED_BY",
    "EVENT_NUMBERS",
    "REMAINING",
    "chosen_events",
    "evaluate_reoffending",
    "evaluate_time_to_event",
    "followed_pieces",
    "horizon_faults",
    "try_reoffending",
]

#: Why nobody is followed any further; `time_to_event` knows the first, the fifth and the last.
ENDED_BY = ("event", "custody", "death", "moved", "end", "not followed")
#: How many events a person had, as counted in the table ``repeats:<name>``.
EVENT_NUMBERS = ("0", "1", "2", "3 to 5", "6 or more")

_CENSORED = (
    "Event-free shares and hazards take the end of following to have nothing to do with when the "
    "event would have come."
)
_GAP = (
    "Custody as a gap: days in custody are cut out of the time at risk, so these figures speak of "
    "people while they are at liberty, and hold if who is locked up has nothing to do with the "
    "risk afterwards."
)
_COMPETING = (
    "Custody as a competing event: the first custody ends the following as an event of its own, "
    "so the cumulative incidence is the share of everybody, and being locked up is not counted as "
    "being free of re-offending. On one day an event comes before custody, custody before death, "
    "and death before moving away. Who is in custody on the index date is followed from release "
    "on, and taken to have been like the others until then."
)
_CUSTODY_ENDS = (
    "Custody ends the following in the event-free shares, the restricted means and the hazard "
    "ratios: they speak of people who are not locked up, and the cumulative incidence of all."
)
_IGNORED = (
    "Custody is ignored: days inside count as days at risk, so an arm in which more are locked up "
    "looks better than it is."
)
#: Added where the arms' contrast is causal: what of the outcome is not.
REMAINING = (
    "Hazard ratios are associational all the same: they compare those who are still free of the "
    "event, and who that is comes after allocation."
)
AT_LIBERTY = (
    "Only the cumulative incidence is: all other figures compare those who are at liberty, or "
    "still free of the event, and who that is comes after allocation."
)
#: What is counted as missing of an outcome over time.
COUNTED = (
    "Counted as missing, once each: who is never followed, who is followed only from a day after "
    "the index date, and who is lost before the end of following for another reason than the "
    "event, custody, death or the end of the data, or for none that is recorded:"
)
_OF_THE_CLAIM = "Without a known outcome, for the claim; the gate looks at it."
_RATIO = (
    "A hazard ratio averages over the follow-up and is no ratio of shares; the event-free shares "
    "and the restricted means beside it need no such average."
)


# Times from two columns of cases


def evaluate_time_to_event(
    plan: Plan,
    outcome: TimeToEventOutcome,
    units: pd.DataFrame,
    excluded: Mapping[str, int],
    designs: Mapping[str, Design] | None = None,
) -> ResultSet:
    """How long did people stay free of the event, and how much longer in the programme?

    Parameters
    ----------
    plan : Plan
    outcome : TimeToEventOutcome
        The block of the plan.
    units : DataFrame
        From `cohort_units`.
    excluded : mapping of arm to int
        Cases that the plan leaves out; they count as missing.
    designs : mapping of name to Matched or Weighted, optional
        From `make_designs`, where the plan has matched or weighted comparisons.

    Returns
    -------
    ResultSet
        Event-free shares, restricted means and hazard ratios, with curves; the table
        ``followed:<name>``.
    """
    rows = time_to_event_rows(
        units, stop=outcome.stop, event=outcome.event, horizon=outcome.horizon
    )
    pieces = followed_pieces(rows)
    early = _lost_early(rows, outcome)
    asked, claim = _question(plan, outcome, units, pieces, early, excluded, designs)
    ended = rows.set_index("unit_id")["ended_by"]
    words = tuple(word for word in ENDED_BY if word in ("event", "end", "not followed"))
    first = first_event_result(asked, pieces)
    parts = [
        ResultSet(
            checks=(
                *claim,
                *people_needed(plan, first.estimates),
                *_early(rows, outcome, plan.design.unit),
                *how_much_is_one(pieces, units),
            ),
            tables=(_followed_table(asked, ended, words),),
            assumptions=(_RATIO,),
        ),
        first,
    ]
    return merge(parts, outcome=outcome.name)


def followed_pieces(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the units with a time, as survival models read them.

    Parameters
    ----------
    rows : DataFrame
        From `time_to_event_rows`.

    Returns
    -------
    DataFrame
        ``unit_id, perpetrator_id, group, start, stop, event``, one row each.
    """
    known = rows[rows["event"].notna()]
    columns = ["unit_id", "perpetrator_id", "group", "start", "stop", "event"]
    return known[columns].astype({"event": bool}).reset_index(drop=True)


def _lost_early(rows: pd.DataFrame, outcome: TimeToEventOutcome) -> pd.Series[str]:
    """Return who is lost before the horizon without the event; for what reason is not recorded."""
    return rows.loc[(rows["ended_by"] == "end") & (rows["stop"] < outcome.horizon), "unit_id"]


def _early(rows: pd.DataFrame, outcome: TimeToEventOutcome, unit: str) -> tuple[Check, ...]:
    """Say who is not followed at all, and who is lost before the horizon."""
    known = rows[rows["event"].notna()]
    none = len(rows) - len(known)
    short = len(_lost_early(rows, outcome))
    until = f"{outcome.time_unit[:-1]} {outcome.horizon:g}"
    text = f"Every {unit} is followed to the event or to {until}."
    if short:
        text = (
            f"{short} of {len(known)} {unit}s are lost to following before {until} without the "
            "event; they count up to there."
        )
    lost = f"{none} of {len(rows)} {unit}s have no time or no event recorded and are in no figure."
    return (
        Check(name="not_followed", passed=none == 0, statistic=none, text=lost),
        Check(name="follow_up", passed=short == 0, statistic=short, text=text),
    )


# Events and custody


def try_reoffending(
    plan: Plan,
    outcome: ReoffendingOutcome,
    units: pd.DataFrame,
    events: pd.DataFrame,
    custody: pd.DataFrame | None,
) -> pd.DataFrame:
    """Return the rows of first events, or say why events and months cannot be counted.

    Parameters
    ----------
    plan : Plan
    outcome : ReoffendingOutcome
    units : DataFrame
        From `cohort_units`.
    events, custody : DataFrame
        The study's tables.

    Returns
    -------
    DataFrame
        One row per stretch of time at risk.

    Raises
    ------
    DesignError
        If none of the events is chosen.
    DataError, DesignError
        As `drive_eval.measures.offending.first_event`, `monthly_rates` and, with ``days_before``,
        `event_counts` and `harm_counts`.
    """
    chosen, (selected,) = chosen_events(outcome, events)
    if not selected.statistic:
        raise DesignError(
            f'the outcome "{outcome.name}" has nothing to count: {selected.text} Look at its '
            "source, stage, abuse_types and domestic_abuse."
        )
    count_months(outcome, units, chosen, custody)
    try_rates(plan, outcome, units, chosen, custody)
    return _first(outcome, units, chosen, custody).rows


def evaluate_reoffending(
    plan: Plan,
    outcome: ReoffendingOutcome,
    units: pd.DataFrame,
    events: pd.DataFrame,
    custody: pd.DataFrame | None,
    excluded: Mapping[str, int],
    designs: Mapping[str, Design] | None = None,
) -> ResultSet:
    """How soon and how often did people re-offend, and how much less in the programme?

    Parameters
    ----------
    plan : Plan
    outcome : ReoffendingOutcome
        The block of the plan.
    units : DataFrame
        From `cohort_units`.
    events : DataFrame
        The study's events.
    custody : DataFrame or None
        The study's spells in custody; without them cumulative incidence is left out.
    excluded, designs
        As in `evaluate_time_to_event`.

    Returns
    -------
    ResultSet
        What `evaluate_time_to_event` returns, of the first event; cumulative incidence with
        custody as an event of its own; mean cumulative counts and the hazard ratio of every
        event; the tables ``followed:<name>``, ``repeats:<name>``, ``monthly:<name>`` and
        ``monthly_people:<name>``, and the Curve ``monthly_rate`` of each arm. With
        ``days_before``, what `drive_eval.evaluation.rates.rates_result` returns.

    Notes
    -----
    Whose first event it is, where several fall on one day: the event comes before custody, custody
    before death, death before moving away, and all of them before the end of the data or of the
    horizon, because the last day is followed as well. So who is taken into custody on the day on
    which he moves away has custody first. Custody that began on the index date or before is not
    an event: who is in it is followed from release on.
    """
    chosen = chosen_events(outcome, events)
    first = _first(outcome, units, chosen.events, custody)
    again = offending.repeat_rows(
        units, chosen.events, custody, custody_as=outcome.custody_as, **_told(outcome)
    )
    months = count_months(outcome, units, chosen.events, custody)
    own = count_months(outcome, units, chosen.events, custody, by_unit=True).rows
    competing = first
    if custody is not None and outcome.custody_as != "competing":
        competing = offending.first_event(
            units, chosen.events, custody, custody_as="competing", **_told(outcome)
        )
    moved = first.rows[(first.rows["ended_by"] == "moved") & (first.rows["stop"] < outcome.horizon)]
    asked, claim = _question(
        plan, outcome, units, competing.rows, moved["unit_id"], excluded, designs, custody
    )
    ended = _ended_by(units, first.rows, custody)
    free = first_event_result(asked, first.rows)
    parts = [
        ResultSet(
            checks=(
                *claim,
                *people_needed(plan, free.estimates),
                *chosen.checks,
                *_said(first, again, months),
                *how_much_is_one(again.rows, units),
            ),
            tables=(
                _followed_table(asked, ended, ENDED_BY),
                _repeats_table(asked, again.rows),
                *monthly_tables(outcome.name, months, own, units),
            ),
            curves=monthly_curves(outcome, plan.design, months, own),
            assumptions=_custody_words(outcome, custody),
        ),
        free,
    ]
    if custody is not None:
        parts.append(incidence_result(asked, competing.rows, tuple(offending.CAUSES)))
    parts.append(repeats_result(asked, again.rows))
    if outcome.days_before:
        counted = count_periods(outcome, units, chosen.events, custody)
        harm = harm_of(plan, outcome, units, chosen.events, custody)
        of_ratio = asked.claim_of("rate_ratio")
        parts.append(rates_result(plan, outcome, units, counted, harm, of_ratio))
    return merge(parts, outcome=outcome.name)


def _told(outcome: ReoffendingOutcome) -> dict[str, Any]:
    return {
        "horizon": outcome.horizon,
        "attribution": outcome.attribution,
        "force": outcome.force or None,
    }


def chosen_events(outcome: ReoffendingOutcome, events: pd.DataFrame) -> offending.Selected:
    """Return the events that the plan counts, and a Check of what was left out."""
    return offending.select_events(
        events,
        source=outcome.source or None,
        at_least=None if outcome.stage == "recorded" else outcome.stage,
        abuse_type=outcome.abuse_types or None,
        domestic_abuse=outcome.domestic_abuse,
    )


def _first(
    outcome: ReoffendingOutcome,
    units: pd.DataFrame,
    events: pd.DataFrame,
    custody: pd.DataFrame | None,
) -> Measured:
    return offending.first_event(
        units, events, custody, custody_as=outcome.custody_as, **_told(outcome)
    )


def _said(first: Measured, again: Measured, months: Measured) -> list[Check]:
    """Put the checks of three measures together, each once."""
    found = {(c.name, c.group): c for c in first.checks}
    wider = {"index_incident", "history", "recording_change"}
    found |= {(c.name, c.group): c for c in months.checks if c.name in wider}
    return [*found.values(), again.check("same_day")]


def _custody_words(outcome: ReoffendingOutcome, custody: pd.DataFrame | None) -> tuple[str, ...]:
    if custody is None:
        return (_CENSORED, _RATIO)
    own = {"gap": _GAP, "competing": _CUSTODY_ENDS, "ignored": _IGNORED}[outcome.custody_as]
    return (_CENSORED, own, _COMPETING, _RATIO)


# What both kinds share


def _question(
    plan: Plan,
    outcome: TimeToEventOutcome | ReoffendingOutcome,
    units: pd.DataFrame,
    pieces: pd.DataFrame,
    lost: pd.Series[str],
    excluded: Mapping[str, int],
    designs: Mapping[str, Design] | None,
    custody: pd.DataFrame | None = None,
) -> tuple[Question, list[Check]]:
    """Return what is asked, how strong a sentence may be, and, for the gate, what that rests on."""
    counted = _unknown(units, pieces, lost)
    shares, checks, words = {}, [], []
    for arm in _arms(units):
        here = counted[(units["group"] == arm).to_numpy()]
        unknown = int(here.any(axis=1).sum())
        shares[arm] = missing_share(len(here) - unknown, len(here), excluded, arm)
        each = [f"{number} {kind}" for kind, number in here.sum().items()]
        words.append(f"{arm} {', '.join(each)} ({unknown} of {len(here)} in all)")
        checks.append(
            Check(name="without_outcome", group=arm, statistic=float(unknown), text=_OF_THE_CLAIM)
        )
    claim, check = between_arms_claim(plan, shares)
    if plan.design.kind == "randomised":
        check = dataclasses.replace(check, text=f"{check.text} {COUNTED} {'; '.join(words)}.")
    at_liberty = custody is not None and getattr(outcome, "custody_as", "") in ("gap", "competing")
    if claim == "causal":
        text = f"{check.text} {AT_LIBERTY if at_liberty else REMAINING}"
        check = dataclasses.replace(check, text=text)
    asked = Question(
        plan=plan,
        units=units,
        designs=designs or {},
        name=outcome.name,
        reporter=getattr(outcome, "reporter", ""),
        times=tuple(sorted({*map(float, outcome.times), float(outcome.horizon)})),
        time_unit=getattr(outcome, "time_unit", "days"),
        claim=claim,
        at_liberty=at_liberty,
    )
    return asked, [check, *checks]


def _unknown(units: pd.DataFrame, pieces: pd.DataFrame, lost: pd.Series[str]) -> pd.DataFrame:
    """Tell of every unit whether its outcome is not known, and why, in the order of `units`.

    A first event may have happened before somebody was followed, and after somebody was lost.
    Nobody is lost whom the event, custody or death ended, or the end of the data: who is followed
    to it is like the others, because it has nothing to do with the person.
    """
    ids = units["unit_id"]
    begins = ids.map(pieces.groupby("unit_id")["start"].min())
    return pd.DataFrame(
        {
            "never followed": begins.isna().to_numpy(),
            "followed only from a later day": (begins > 0).to_numpy(),
            "lost before the end": ids.isin(lost).to_numpy(),
        }
    )


def horizon_faults(
    outcome: TimeToEventOutcome | ReoffendingOutcome, pieces: pd.DataFrame
) -> list[str]:
    """Say which arm nobody is followed in up to the horizon of the plan.

    Parameters
    ----------
    outcome : TimeToEventOutcome or ReoffendingOutcome
    pieces : DataFrame
        One row per stretch of time at risk.

    Returns
    -------
    list of str
        One sentence an arm; none where everybody had the event before the end.
    """
    unit = getattr(outcome, "time_unit", "days")
    faults = []
    for arm, rows in pieces.groupby("group", sort=True):
        longest = rows["stop"].max()
        if longest < outcome.horizon and not rows.loc[rows["stop"] == longest, "event"].all():
            faults.append(
                f'the outcome "{outcome.name}" is to be followed for {outcome.horizon:g} {unit}, '
                f"but nobody of the {arm} group is followed for more than {longest:g}. Shorten its "
                "horizon in the plan, or take a later extract."
            )
    return faults


# Tables


def _followed_table(asked: Question, ended: pd.Series[str], words: tuple[str, ...]) -> CountTable:
    """Count why nobody is followed any further, by arm."""
    why = asked.units["unit_id"].map(ended).fillna("not followed")
    counts: dict[tuple[str, ...], int] = {}
    totals: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for arm in _arms(asked.units):
        here = why[asked.units["group"] == arm]
        counts |= {(arm, word): int((here == word).sum()) for word in words}
        totals[arm, "all"] = [(arm, word) for word in words]
    atoms = list(zip(asked.units["group"], why, strict=True))
    return CountTable.from_counts(
        name=f"followed:{asked.name}",
        title="How following ended",
        unit=asked.plan.design.unit,
        dimensions=("group", "ended_by"),
        counts=counts,
        totals=totals,
        people=people_behind(asked.units, atoms, totals),
        note='"end": without the event to the horizon, or to the end of the data.',
    )


def _ended_by(
    units: pd.DataFrame, pieces: pd.DataFrame, custody: pd.DataFrame | None
) -> pd.Series[str]:
    """Return why each unit is followed no further; who ends in a gap is in custody, or another's.

    A gap that nothing follows is custody to the end, or days that belong to another unit of the
    person by the rule of attribution. These are fewer than those whom custody comes first for,
    many of whom are released and followed again.
    """
    last = pieces.drop_duplicates("unit_id", keep="last").set_index("unit_id")
    ended = last["ended_by"].replace({"reoffence": "event", "gap": "end"})
    if custody is None or not (last["ended_by"] == "gap").any():
        return ended
    begin = units.set_index("unit_id")["index_date"].reindex(last.index)
    until = begin + pd.to_timedelta(last["stop"], unit="D")
    spells = pd.MultiIndex.from_frame(custody[["perpetrator_id", "start_date"]])
    locked_up = pd.MultiIndex.from_arrays([last["perpetrator_id"], until]).isin(spells)
    return ended.mask((last["ended_by"] == "gap").to_numpy() & locked_up, "custody")


def _repeats_table(asked: Question, rows: pd.DataFrame) -> CountTable:
    """Count people by how many events they had, by arm."""
    each = rows.groupby(["unit_id", "group"])["event"].sum().reset_index()
    word = pd.cut(each["event"], [-1, 0, 1, 2, 5, np.inf], labels=list(EVENT_NUMBERS))
    counts: dict[tuple[str, ...], int] = {}
    totals: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for arm in _arms(asked.units):
        here = word[each["group"] == arm]
        counts |= {(arm, name): int((here == name).sum()) for name in EVENT_NUMBERS}
        totals[arm, "all"] = [(arm, name) for name in EVENT_NUMBERS]
    units = asked.units.set_index("unit_id").loc[each["unit_id"]]
    atoms = list(zip(each["group"], word, strict=True))
    return CountTable.from_counts(
        name=f"repeats:{asked.name}",
        title="How many events there were",
        unit=asked.plan.design.unit,
        dimensions=("group", "events"),
        counts=counts,
        totals=totals,
        people=people_behind(units, atoms, totals),
        note="Events after the index date, up to the horizon, while at risk; those of one day are "
        "one. Who is not followed at all is left out.",
    )


def _arms(units: pd.DataFrame) -> list[str]:
    return [arm for arm in ARMS.codes if (units["group"] == arm).any()]
