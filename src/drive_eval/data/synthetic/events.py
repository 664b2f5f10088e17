"""Police and MARAC events and custody as tables: of a study's people, or of many small draws.

The process behind them is that of `drive_eval.data.synthetic.process`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri

from drive_eval.data.synthetic.process import (
    ELSEWHERE,
    FAR,
    SMALLEST,
    People,
    Record,
    draw_candidates,
    draw_people,
    frailties,
    live,
    waits,
)
from drive_eval.data.synthetic.world import World, load_world
from drive_eval.errors import DesignError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = ["Draw", "draw_events", "event_columns", "events_of_cases", "spell_ends"]


class Draw(NamedTuple):
    """Tables that the measures of offending read; dates are whole numbers of days."""

    units: pd.DataFrame
    events: pd.DataFrame
    custody: pd.DataFrame


def draw_events(
    preset: str | World = "drive_pilot",
    *,
    rng: np.random.Generator,
    people: int = 500,
    programme_effect: float = 1.0,
    usual_care_effect: float = 1.0,
    follow_up: int = 365,
) -> Draw:
    """What would the police have recorded of such a cohort, were it drawn again and again?

    Made for studies of bias and coverage: a few milliseconds a draw.

    Parameters
    ----------
    preset : str or World
        The world; its ``[events]``.
    rng : numpy Generator
        Where the randomness comes from.
    people : int
        Half of them in each arm; each is enrolled once.
    programme_effect, usual_care_effect : float
        The rate ratio of the arm is raised to this power: 1 as the world says, 0 for no effect.
        With both 0 nothing changes at the index date, and whoever counts the index incident
        finds a fall all the same.
    follow_up : int
        Days from the index date to the end of the data.

    Returns
    -------
    Draw
        ``units`` (as the measures of offending take them: ``unit_id``, ``perpetrator_id``,
        ``group``, ``index_date``, ``data_start_date``, ``data_end_date``, ``death_date``,
        ``moved_date``), ``events`` and ``custody``, with whole numbers for dates and people.

    Raises
    ------
    DesignError
        If fewer than two people or one day are asked for.

    Notes
    -----
    **Assumptions.** Those of the codebook. The population values are those of `offending_truth`
    with ``arm_column="arm"``, which ``truth.json`` holds.

    Examples
    --------
    >>> drawn = draw_events(rng=np.random.default_rng(1), people=4)
    >>> drawn.units["group"].tolist()
    ['programme', 'programme', 'comparison', 'comparison']
    """
    if people < 2 or follow_up < 1:
        raise DesignError(
            "draw_events needs at least two people and one day after the index date, but people "
            f"is {people} and follow_up is {follow_up}."
        )
    world = load_world(preset).with_effects(
        programme=programme_effect, usual_care=usual_care_effect
    )
    who, index, died, moved = draw_people(world, rng, people, follow_up=follow_up)
    treated = np.arange(people) < (people + 1) // 2
    ratio = np.where(treated, world.events["programme"], world.events["usual_care"])
    candidates = draw_candidates(world, rng, who, cap=max(1.0, float(ratio.max())))
    record = live(world, who, candidates, ratio)
    number = np.arange(people)
    units = pd.DataFrame(
        {
            "unit_id": number,
            "perpetrator_id": number,
            "group": np.where(treated, "programme", "comparison").astype(object),
            "index_date": index,
            "data_start_date": index - who.history,
            "data_end_date": index + follow_up,
            "death_date": pd.Series(index + died, dtype="Int64").mask(died > follow_up),
            "moved_date": pd.Series(index + moved, dtype="Int64").mask(moved > follow_up),
        }
    )
    columns = event_columns(world, record)
    victim = record.victim
    events = pd.DataFrame(
        {
            "event_id": np.arange(len(record.who)),
            "perpetrator_id": record.who,
            "date": index[record.who] + record.day,
            **columns,
            "victim_survivor_id": pd.Series(100 * record.who + victim, dtype="Int64")
            .mask(victim == 0)
            .astype("string")
            .astype(object),
        }
    )
    at = index[record.jailed]
    ends, lasting = spell_ends(record, who.until, died)
    custody = pd.DataFrame(
        {
            "perpetrator_id": record.jailed,
            "start_date": at + record.lo,
            "end_date": pd.Series(at + ends, dtype="Int64").mask(lasting),
        }
    )
    return Draw(units, events, custody)


def events_of_cases(
    world: World,
    rng: np.random.Generator,
    *,
    cases: pd.DataFrame,
    person: Ints,
    trait: Floats,
    victims: Ints,
    treated: Bools,
    last_rated: NDArray[np.datetime64],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Give people who were drawn with their cases and ratings a record of the police.

    Parameters
    ----------
    world, rng
        The assumptions, and where the randomness comes from.
    cases : DataFrame
        Every enrolment, one row each.
    person : array of int, one a case
        Number of its perpetrator, from 0.
    trait : array, one a person
        Lasting part of severity, with which the frailty goes along.
    victims, treated : arrays, one a person
        Victim-survivors of the first case; whether the programme was received.
    last_rated : array of dates, one a case
        Day of the last rating; not-a-time for none.

    Returns
    -------
    events, custody, endings : DataFrame
        Two tables of the data dictionary; and ``death_date`` and ``moved_date``, one row a case.
    """
    rules, people = world.events, len(trait)
    start, end = (
        np.datetime64(day, "D") for day in (rules["data_start_date"], world.data_end_date)
    )
    dates = {
        name: cases[f"{name}_date"].to_numpy().astype("datetime64[D]")
        for name in ("referral", "index", "exit")
    }
    reason = cases["exit_reason"].to_numpy()
    order = np.lexsort((dates["index"], person))
    first = order[np.searchsorted(person[order], np.arange(people), side="left")]
    last = order[np.searchsorted(person[order], np.arange(people), side="right") - 1]
    index = dates["index"][first]

    def since(day: NDArray[np.datetime64]) -> Ints:
        days: Ints = (day - index).astype(np.int64)
        return days

    # Alive when the last case closed, and when somebody last rated a case of his.
    seen = dates["exit"][last].copy()
    known = ~np.isnat(last_rated)
    np.maximum.at(seen, person[known], last_rated[known])
    jailed_at = np.full(people, FAR)
    jailed = reason == "custody"
    np.minimum.at(
        jailed_at, person[jailed], (dates["exit"][jailed] - index[person[jailed]]).astype(int)
    )
    moved = np.where(reason[last] == "moved", since(dates["exit"][last]), FAR)
    later = since(seen) + waits(rng.random(people), rules["endings"]["death_rate"])
    at_exit = (reason[last] == "unknown") & (seen == dates["exit"][last])
    at_exit &= rng.random(people) < rules["endings"]["died_of_unknown"]
    died = np.where(at_exit, since(seen), later)
    died[died > since(np.full(people, end))] = FAR
    moved[moved > np.minimum(since(np.full(people, end)), died)] = FAR
    who = People(
        frailty=frailties(rules, _alike(rng, trait, rules["trait_correlation"])),
        history=since(np.full(people, start)) * -1,
        referral=since(dates["referral"][first]),
        victims=victims,
        until=np.minimum(np.minimum(died, moved), since(np.full(people, end))),
        jailed_at=jailed_at,
    )
    ratio = np.where(treated, rules["programme"], rules["usual_care"])
    candidates = draw_candidates(world, rng, who, cap=max(1.0, float(ratio.max())))
    record = live(world, who, candidates, ratio)

    day = index[record.who] + record.day
    in_order = np.lexsort((record.who, day))
    events = pd.DataFrame(
        {
            "event_id": [f"E{number + 1:06d}" for number in range(len(day))],
            "perpetrator_id": [f"P{row + 1:05d}" for row in record.who[in_order]],
            "date": day[in_order].astype("datetime64[ns]"),
            "victim_survivor_id": [
                _victim_name(row, number)
                for row, number in zip(record.who[in_order], record.victim[in_order], strict=True)
            ],
            **{name: cells[in_order] for name, cells in event_columns(world, record).items()},
        }
    )
    ends, lasting = spell_ends(record, who.until, died)
    begun = index[record.jailed]
    custody = pd.DataFrame(
        {
            "perpetrator_id": [f"P{row + 1:05d}" for row in record.jailed],
            "start_date": (begun + record.lo).astype("datetime64[ns]"),
            "end_date": pd.Series((begun + ends).astype("datetime64[ns]")).mask(lasting),
        }
    )
    endings = {
        name: pd.Series((index + days)[person].astype("datetime64[ns]")).mask(days[person] == FAR)
        for name, days in (("death_date", died), ("moved_date", moved))
    }
    return events, custody, pd.DataFrame(endings)


def spell_ends(record: Record, until: Ints, died: Ints) -> tuple[Ints, Bools]:
    """Return the last day of each spell, and whether it is not known: it lasts, or he moved."""
    dead = died[record.jailed]
    ends = np.minimum(record.hi, dead)
    lasting = (ends > until[record.jailed]) & (ends != dead)
    return ends, lasting


def event_columns(world: World, record: Record) -> dict[str, NDArray[np.object_]]:
    """Return what is written of each event, but for ids and dates."""
    classes = world.events["classes"]
    # The last entry is that of a referral, which has neither class nor type.
    codes = np.array([code for code, _, _ in classes] + [None], dtype=object)
    types = np.array([kind or None for _, kind, _ in classes] + [None], dtype=object)
    abuse = types[record.kind]
    abuse[record.flag == 0] = None
    return {
        "source": np.array(["police", "marac"], dtype=object)[record.marac.astype(np.int64)],
        "offence_class": codes[record.kind],
        "abuse_type": abuse,
        "domestic_abuse_flag": np.array([False, True, None], dtype=object)[record.flag],
        "outcome_stage": np.array(["recorded", "charged", "convicted", None], dtype=object)[
            record.stage
        ],
    }


def _alike(rng: np.random.Generator, trait: Floats, correlation: float) -> Floats:
    """Draw uniforms that go along with a trait, in ranks; together they fill (0, 1) evenly."""
    people = len(trait)
    spread = trait.std()
    standard = (trait - trait.mean()) / spread if spread > 0 else np.zeros(people)
    noise = ndtri(np.maximum(rng.random(people), SMALLEST))
    mixed = correlation * standard + np.sqrt(1 - correlation**2) * noise
    rank = np.empty(people, dtype=np.int64)
    rank[np.argsort(mixed, kind="stable")] = np.arange(people)
    uniform: Floats = (rank + rng.random(people)) / people
    return uniform


def _victim_name(row: int, number: int) -> str | None:
    """Name a victim-survivor as `victim_survivors` does; others begin with U."""
    if number == 0:
        return None
    if number < ELSEWHERE:
        return f"V{row + 1:05d}-{number}"
    return f"U{row + 1:05d}-{number - ELSEWHERE + 1}"
