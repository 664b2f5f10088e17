"""Whole cases: people, dates, reports and what is missing of them, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtr

from drive_eval.data.schema import validate
from drive_eval.data.synthetic.behaviour import (
    Behaviour,
    Earlier,
    Stream,
    draw_behaviour,
    rereferred,
)
from drive_eval.data.synthetic.events import events_of_cases
from drive_eval.data.synthetic.world import TIMES, TOO_LARGE, World, load_world
from drive_eval.errors import DesignError, PlanError, did_you_mean
from drive_eval.vocabulary import ABUSE_TYPES, PERCEIVED_CHANGES, SEVERITY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Codes = NDArray[np.object_]

__all__ = ["draw_severity", "generate"]

_REPORTERS = ("idva", "case_manager", "latent")
_MANAGER_TIMES = ("intake", "midpoint", "exit")
_MOST_ROWS = 4
_STEP_DAYS = 400  # between the enrolments of one person when several are asked for


def draw_severity(
    preset: str | World = "drive_pilot",
    *,
    rng: np.random.Generator,
    n: int = 1040,
    arm: str = "programme",
    reporter: str = "idva",
    before: str = "intake",
    after: str = "exit",
    programme_effect: float = 1.0,
    usual_care_effect: float = 1.0,
    rows_per_person: int = 1,
    within_person_correlation: float = 0.6,
) -> pd.DataFrame:
    """How severe would one reporter call the abuse, before and after, were all measured twice?

    Made for studies of coverage: no dates, no missing values, a few milliseconds a draw.

    Parameters
    ----------
    preset : str or World
        The world.
    rng : numpy Generator
        Where the randomness comes from.
    n : int
        Rows.
    arm : {'programme', 'comparison'}
        Which effect is applied.
    reporter : {'idva', 'case_manager', 'latent'}
        Who rates; ``latent`` is the behaviour itself.
    before, after : str
        Time points.
    programme_effect, usual_care_effect : float
        Multipliers of the calibrated effects; 0 for none.
    rows_per_person : int
        Consecutive rows that belong to one person.
    within_person_correlation : float, 0 to 1
        Correlation, on the latent scale, of any two rows of one person; read only when
        ``rows_per_person`` is above 1.

    Returns
    -------
    DataFrame
        ``perpetrator_id`` (int) and, for each abuse type, its worst severity over the
        victim-survivors of the row, ``<type>_before`` and ``<type>_after`` (0 none to 3 high).

    Raises
    ------
    DesignError
        If a name or a number makes no sense.

    Notes
    -----
    **Assumptions.** Each row by itself is a first enrolment, so the population values are
    those of unit ``person`` in ``truth.json`` whatever the correlation.

    Examples
    --------
    >>> rows = draw_severity(rng=np.random.default_rng(1), n=8, rows_per_person=4)
    >>> rows["perpetrator_id"].tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """
    world = load_world(preset).with_effects(
        programme=programme_effect, usual_care=usual_care_effect
    )
    _check_size(n, rows_per_person, within_person_correlation)
    _check_report(arm, reporter, before, after)
    stream = Stream(rng, rows_per_person, within_person_correlation)
    drawn = draw_behaviour(world, stream, n, (before, after), reporters=(reporter,))
    columns: dict[str, NDArray[np.generic]] = {"perpetrator_id": np.arange(n) // rows_per_person}
    for suffix, time in (("before", before), ("after", after)):
        severity = drawn.severity(time, arm, reporter, "case")
        columns |= {f"{name}_{suffix}": severity[:, k] for k, name in enumerate(ABUSE_TYPES.codes)}
    return pd.DataFrame(columns)


def generate(
    preset: str | World = "drive_pilot",
    seed: int = 1,
    *,
    n: int | None = None,
    programme_effect: float = 1.0,
    usual_care_effect: float = 1.0,
    complete_exits: bool = False,
    rows_per_person: int = 1,
    within_person_correlation: float = 0.6,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, pd.DataFrame]:
    """How would the tables of such an evaluation look, for people who never lived?

    Parameters
    ----------
    preset : str or World
        The world.
    seed : int
        The same seed gives the same tables on every machine.
    n : int, optional
        Perpetrators allocated; as the preset says if None.
    programme_effect, usual_care_effect : float
        Multipliers of the calibrated effects, and powers of the rate ratios of incidents; 0
        for none.
    complete_exits : bool
        Whether every assessed case is measured at exit.
    rows_per_person : int
        1 for the preset's own re-referrals; 2 to 4 for exactly so many enrolments a person,
        alike within the person.
    within_person_correlation : float, 0 to 1
        How alike, on the latent scale; read only when ``rows_per_person`` is above 1.
    progress : callable, optional
        Called with the steps done and the steps to do.

    Returns
    -------
    dict of DataFrame
        ``cases``, ``victim_survivors``, ``assessments``, ``risk_reviews``, ``events`` and
        ``custody``, as `drive_eval.data.schema.validate` returns them.

    Raises
    ------
    DesignError
        If a number makes no sense.
    PlanError
        If the preset is not drawn here.

    Examples
    --------
    >>> tables = generate("site", seed=1)
    >>> tables["cases"]["perpetrator_id"].nunique()
    100
    """
    world = load_world(preset).with_effects(
        programme=programme_effect, usual_care=usual_care_effect
    )
    if world.name == "national":
        raise PlanError(TOO_LARGE)
    people = int(world.cohort["people"]) if n is None else n
    _check_size(people, rows_per_person, within_person_correlation)
    if rows_per_person > _MOST_ROWS:
        raise DesignError(
            f"rows_per_person is {rows_per_person}, but only {_MOST_ROWS} enrolments of one person "
            "fit between the first referral and the end of the data. Use draw_severity for more."
        )
    # One stream a subject: a change to the dates leaves the behaviour as it was.
    streams = [np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(5)]
    behaviour_rng, people_rng, cases_rng, missing_rng, events_rng = streams
    steps = 5

    def done(step: int) -> None:
        if progress is not None:
            progress(step, steps)

    who = _draw_people(world, people_rng, people)
    rows = np.repeat(np.arange(people), rows_per_person)
    stream = Stream(behaviour_rng, rows_per_person, within_person_correlation)
    drawn = draw_behaviour(world, stream, len(rows), TIMES)
    step_of_row = np.arange(len(rows)) % rows_per_person
    first_day = np.datetime64(world.cohort["first_referral"])
    if rows_per_person == 1:
        window = (world.cohort["last_first_referral"] - world.cohort["first_referral"]).days + 1
    else:
        window = 60
    referral = first_day + _whole(cases_rng, len(rows), 0, window) + _STEP_DAYS * step_of_row
    batches = [_enrol(world, cases_rng, drawn, who, rows, 1 + step_of_row, referral)]
    done(1)
    while rows_per_person == 1 and len(batches) < world.cohort["most_enrolments"]:
        batch = batches[-1]
        again = rereferred(world, behaviour_rng, _by_arm(batch.treated, _totals(batch, "exit")))
        earlier = Earlier(
            trait=batch.drawn.trait[again],
            same_victim=behaviour_rng.random(len(again)) < world.people["same_victim_share"],
            dyad=batch.drawn.dyad[batch.drawn.first[again]],
        )
        if len(again) == 0:
            break
        drawn = draw_behaviour(world, Stream(behaviour_rng), len(again), TIMES, earlier=earlier)
        referral = batch.exit_date[again] + _whole(cases_rng, len(again), 45, 271)
        number = batch.number[again] + 1
        batches.append(
            _enrol(world, cases_rng, drawn, who, batch.rows[again], number, referral, earlier)
        )
    done(2)
    links = _victim_survivors(world, people_rng, batches)
    assessed = _assessed(world, missing_rng, who)
    reports = [
        _reports(world, missing_rng, batch, ids, assessed, complete_exits=complete_exits)
        for batch, ids in zip(batches, links.ids, strict=True)
    ]
    done(3)
    cases = pd.concat([batch.cases for batch in batches], ignore_index=True)
    assessments = pd.concat([report[0] for report in reports])
    rated = assessments.groupby("case_id")["date"].max().reindex(cases["case_id"])
    first_rows = np.arange(people) * rows_per_person
    events, custody, endings = events_of_cases(
        world,
        events_rng,
        cases=cases,
        person=np.concatenate([batch.rows for batch in batches]),
        trait=batches[0].drawn.trait[first_rows].sum(axis=1),
        victims=np.bincount(batches[0].drawn.owner, minlength=len(rows))[first_rows],
        treated=who.treated,
        last_rated=rated.to_numpy().astype("datetime64[D]"),
    )
    done(4)
    tables = {
        "cases": pd.concat([cases, endings], axis=1),
        "victim_survivors": links.table,
        "assessments": assessments,
        "risk_reviews": pd.concat([report[1] for report in reports]),
        "events": events,
        "custody": custody,
    }
    # Where nobody was assessed there is no such table, as in a real extract; that nobody was in
    # custody is known, and said by a table without rows.
    trusted = validate(
        {name: table for name, table in tables.items() if len(table) or name == "custody"}
    )
    done(5)
    return trusted


@dataclass(frozen=True, slots=True)
class _People:
    """What stays with a perpetrator through all enrolments, one row each."""

    allocated: Bools
    treated: Bools
    site: Codes
    sex: Codes
    ethnicity: Codes
    age: Floats  # normal scale, before behaviour is taken into account


@dataclass(frozen=True, slots=True)
class _Batch:
    """One round of enrolments."""

    drawn: Behaviour
    earlier: Earlier | None
    rows: Ints  # position of the perpetrator
    number: Ints  # 1 for the first enrolment of a person
    treated: Bools
    dash: dict[str, Ints]
    intake_date: NDArray[np.datetime64]
    exit_date: NDArray[np.datetime64]
    index_date: NDArray[np.datetime64]
    follow_up_date: NDArray[np.datetime64]
    cases: pd.DataFrame


@dataclass(frozen=True, slots=True)
class _Links:
    table: pd.DataFrame
    ids: list[Codes]  # by batch, one a dyad


def _check_size(n: int, rows_per_person: int, correlation: float) -> None:
    if n < 1 or rows_per_person < 1:
        raise DesignError(
            f"a synthetic study needs at least one person and one row a person, "
            f"but n is {n} and rows_per_person is {rows_per_person}."
        )
    if not 0 <= correlation <= 1:
        raise DesignError(
            f"within_person_correlation must lie between 0 and 1, but is {correlation}."
        )


def _check_report(arm: str, reporter: str, before: str, after: str) -> None:
    for name, known in ((reporter, _REPORTERS), (before, TIMES[:-1]), (after, TIMES[1:])):
        if name not in known:
            raise DesignError(f'no synthetic report of "{name}".{did_you_mean(name, known)}')
    if reporter == "case_manager" and (arm == "comparison" or after not in _MANAGER_TIMES):
        raise DesignError(
            "a case manager reports neither in the comparison arm nor after exit. "
            'Use reporter="idva".'
        )


def _whole(rng: np.random.Generator, size: int, low: int, high: int) -> Ints:
    """Whole numbers from low up to, but not including, high."""
    return rng.integers(low, high, size)


def _choice(rng: np.random.Generator, size: int, shares: Mapping[str, float]) -> Codes:
    edges = np.cumsum(list(shares.values()))[:-1]
    codes: Codes = np.array(list(shares), dtype=object)
    return codes[np.searchsorted(edges, rng.random(size), side="right")]


def _by_arm(treated: Bools, values: dict[str, Floats]) -> Floats:
    return np.where(treated, values["programme"], values["comparison"])


def _totals(batch: _Batch, time_point: str) -> dict[str, Floats]:
    return {arm: batch.drawn.total(time_point, arm) for arm in ("programme", "comparison")}


def _draw_people(world: World, rng: np.random.Generator, people: int) -> _People:
    cohort = world.cohort
    order = rng.random(people)
    allocated = np.zeros(people, dtype=np.bool_)
    allocated[np.argsort(order, kind="stable")[: round(cohort["programme_share"] * people)]] = True
    leaves = np.where(
        allocated, cohort["crossover"]["programme"], cohort["crossover"]["comparison"]
    )
    crossed = rng.random(people) < leaves
    sexes = {"male": cohort["male_share"], "female": 1 - cohort["male_share"]}
    return _People(
        allocated=allocated,
        treated=allocated ^ crossed,
        site=_choice(rng, people, cohort["sites"]),
        sex=_choice(rng, people, sexes),
        ethnicity=_choice(rng, people, world.cases["ethnicity"]),
        age=Stream(rng).normal(people, 1)[:, 0],
    )


def _enrol(
    world: World,
    rng: np.random.Generator,
    drawn: Behaviour,
    who: _People,
    rows: Ints,
    number: Ints,
    referral: NDArray[np.datetime64],
    earlier: Earlier | None = None,
) -> _Batch:
    """Give one round of enrolments its dates, reasons and baseline columns."""
    size = len(rows)
    rule = world.cases
    treated = who.treated[rows]
    arms = ("programme", "comparison")
    total = {
        time: _by_arm(treated, {arm: drawn.total(time, arm) for arm in arms})
        for time in ("intake", "exit")
    }
    noise = Stream(rng).normal(size, 4)
    dash = {}
    for column, time in enumerate(("intake", "exit")):
        score = rule["dash_level"] + rule["dash_slope"] * total[time]
        score = np.rint(score + rule["dash_noise"] * noise[:, column])
        dash[time] = np.clip(score, 0, 24).astype(np.int64)
    incidents = rule["incidents_slope"] * total["intake"] + rule["incidents_noise"] * noise[:, 2]

    engagement = rule["engagement"]["slope"] * total["exit"]
    engagement = engagement + rule["engagement"]["noise"] * noise[:, 3]
    reason = np.full(size, "planned", dtype=object)
    reason[engagement < rule["engagement"]["disengaged_below"]] = "disengaged"
    reason[engagement < rule["engagement"]["declined_below"]] = "declined"
    by_chance = {**rule["exit_reason"], "": 1 - sum(rule["exit_reason"].values())}
    other = _choice(rng, size, by_chance)
    reason = np.where(other != "", other, reason)

    index = referral + _whole(rng, size, 7, 22)
    start = index + _whole(rng, size, 7, 36)
    length = np.where(reason == "planned", _whole(rng, size, 270, 361), _whole(rng, size, 90, 331))
    length = np.where(reason == "declined", _whole(rng, size, 42, 121), length)
    exit_date = index + length

    lasting = drawn.trait.sum(axis=1)
    lasting = (lasting - lasting.mean()) / lasting.std() if size > 1 else np.zeros(size)
    slope = rule["age_slope"]
    normal = slope * lasting + np.sqrt(1 - slope**2) * who.age[rows]
    age = np.interp(ndtr(normal), rule["ages"]["shares"], rule["ages"]["years"])
    cases = pd.DataFrame(
        {
            "case_id": [f"C{row + 1:05d}-{k}" for row, k in zip(rows, number, strict=True)],
            "perpetrator_id": [f"P{row + 1:05d}" for row in rows],
            "allocated_arm": np.where(who.allocated[rows], *arms).astype(object),
            "arm": np.where(treated, *arms).astype(object),
            "site": who.site[rows],
            "referral_date": referral.astype("datetime64[ns]"),
            "index_date": index.astype("datetime64[ns]"),
            "start_date": pd.Series(start.astype("datetime64[ns]")).mask(reason == "declined"),
            "exit_date": exit_date.astype("datetime64[ns]"),
            "exit_reason": reason,
            "data_end_date": np.datetime64(world.data_end_date, "ns"),
            "age": np.floor(age).astype(np.int64),
            "sex": who.sex[rows],
            "ethnicity": who.ethnicity[rows],
            "prior_incidents_12m": np.searchsorted(rule["incidents_cuts"], incidents),
            "dash_score": dash["intake"],
        }
    )
    return _Batch(
        drawn=drawn,
        earlier=earlier,
        rows=rows,
        number=number,
        treated=treated,
        dash=dash,
        index_date=index,
        intake_date=index + _whole(rng, size, 0, 21),
        exit_date=exit_date,
        follow_up_date=exit_date + _whole(rng, size, 350, 381),
        cases=cases,
    )


def _victim_survivors(world: World, rng: np.random.Generator, batches: list[_Batch]) -> _Links:
    """Name the victim-survivors; the first of a re-referral may be the first of the one before."""
    people = 1 + max(int(batch.rows.max()) for batch in batches)
    named = np.zeros(people, dtype=np.int64)  # victim-survivors of a person so far
    first_of = np.zeros(people, dtype=np.int64)
    frames, ids = [], []
    for batch in batches:
        drawn = batch.drawn
        person = batch.rows[drawn.owner]
        new = np.ones(len(person), dtype=np.int64)
        if batch.earlier is not None:
            new[drawn.first] = ~batch.earlier.same_victim
        # Running count of new names within each person, in the order of the rows.
        running = np.cumsum(new)
        begins = np.flatnonzero(np.r_[True, person[1:] != person[:-1]])
        before = np.repeat(running[begins] - new[begins], np.diff(np.r_[begins, len(person)]))
        label = named[person] + running - before
        label = np.where(new == 1, label, first_of[person])
        np.maximum.at(named, person, label)
        first_of[batch.rows] = label[drawn.first]
        names = np.array(
            [f"V{row + 1:05d}-{k}" for row, k in zip(person, label, strict=True)], dtype=object
        )
        ids.append(names)
        frames.append(
            pd.DataFrame(
                {
                    "victim_survivor_id": names,
                    "case_id": batch.cases["case_id"].to_numpy()[drawn.owner],
                    "relationship": np.where(
                        drawn.position == 0,
                        _choice(rng, len(names), world.cases["relationship"]),
                        _choice(rng, len(names), world.cases["later_relationship"]),
                    ),
                    "idva_supported": drawn.supported,
                    "children_n": np.searchsorted(
                        np.cumsum(world.cases["children"])[:-1], rng.random(len(names))
                    ),
                }
            )
        )
    return _Links(table=pd.concat(frames), ids=ids)


def _assessed(world: World, rng: np.random.Generator, who: _People) -> Bools:
    """Choose whose IDVA shared data: a fixed share of each arm, by chance."""
    order = rng.random(len(who.treated))
    chosen = np.zeros(len(order), dtype=np.bool_)
    for arm, here in (("programme", who.treated), ("comparison", ~who.treated)):
        members = np.flatnonzero(here)
        wanted = round(world.cohort["assessed"][arm] * len(members))
        chosen[members[np.argsort(order[members], kind="stable")[:wanted]]] = True
    return chosen


def _reports(
    world: World,
    rng: np.random.Generator,
    batch: _Batch,
    ids: Codes,
    assessed: Bools,
    *,
    complete_exits: bool,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write down what the reporters say of the assessed cases, where it is not missing."""
    drawn = batch.drawn
    case_ids = batch.cases["case_id"].to_numpy()
    seen = assessed[batch.rows]
    dates = {
        "intake": batch.intake_date,
        "midpoint": batch.index_date + (batch.exit_date - batch.index_date) // 2,
        "exit": batch.exit_date,
        "follow_up_12m": batch.follow_up_date,
    }
    last_day = np.datetime64(world.data_end_date)
    supported = np.flatnonzero(drawn.supported)
    frames, reviews = [], []
    for time in TIMES:
        total = _by_arm(batch.treated, _totals(batch, time))
        for reporter in ("idva", "case_manager"):
            rule = (
                world.missing[time if reporter == "idva" else "case_manager"]
                if time != "intake"
                else None
            )
            absent = rng.random(len(seen))  # drawn for all, so that choices do not shift the stream
            blank = rng.random((len(ids), 4)) < world.missing["not_recorded"]
            there = seen & (dates[time] <= last_day)
            if rule is not None and not (complete_exits and time == "exit"):
                there &= absent > ndtr(rule["level"] + rule["slope"] * total)
            if reporter == "idva":
                rows = supported[there[drawn.owner[supported]]]
                owner, names = drawn.owner[rows], ids[rows]
                severity = _severity(batch, time, reporter, "dyad")[np.isin(supported, rows)]
            elif time in _MANAGER_TIMES:
                owner = rows = np.flatnonzero(there & batch.treated)
                names = np.full(len(rows), None, dtype=object)
                severity = _severity(batch, time, reporter, "case")[rows]
            else:
                continue
            codes = np.array(SEVERITY.codes, dtype=object)[severity]
            if not complete_exits:
                codes[blank[rows]] = None
            frames.append(
                pd.DataFrame(
                    {
                        "case_id": np.repeat(case_ids[owner], 4),
                        "victim_survivor_id": np.repeat(names, 4),
                        "time_point": time,
                        "reporter": reporter,
                        "abuse_type": np.tile(np.array(ABUSE_TYPES.codes, dtype=object), len(rows)),
                        "severity": codes.ravel(),
                        "date": np.repeat(dates[time][owner].astype("datetime64[ns]"), 4),
                    }
                )
            )
            if reporter == "idva" and time in batch.dash:
                reviews.append(_reviews(world, rng, batch, np.flatnonzero(there), time))
    return pd.concat(frames), pd.concat(reviews)


def _severity(batch: _Batch, time: str, reporter: str, unit: str) -> NDArray[np.int8]:
    """Severity under the arm that each case received."""
    drawn = batch.drawn
    treated = batch.treated
    if unit == "dyad":
        treated = treated[drawn.owner[drawn.supported]]
    return np.where(
        treated[:, None],
        drawn.severity(time, "programme", reporter, unit),
        drawn.severity(time, "comparison", reporter, unit),
    )


def _reviews(
    world: World, rng: np.random.Generator, batch: _Batch, rows: Ints, time: str
) -> pd.DataFrame:
    size = len(batch.rows)
    noise = world.perceived_change["noise"] * Stream(rng).normal(size, 1)[:, 0]
    unsure = np.searchsorted(np.cumsum(world.cases["dash_dont_know"])[:-1], rng.random(size))
    change = _by_arm(batch.treated, _totals(batch, time)) - _by_arm(
        batch.treated, _totals(batch, "intake")
    )
    grade = np.searchsorted(world.perceived_change["cuts"], change + noise)
    judged = np.array(PERCEIVED_CHANGES.codes, dtype=object)[grade]
    date = batch.intake_date if time == "intake" else batch.exit_date
    return pd.DataFrame(
        {
            "case_id": batch.cases["case_id"].to_numpy()[rows],
            "time_point": time,
            "reporter": "idva",
            "dash_score": batch.dash[time][rows],
            "dash_dont_know": np.minimum(unsure, 24 - batch.dash[time])[rows],
            "perceived_change": judged[rows] if time == "exit" else None,
            "date": date[rows].astype("datetime64[ns]"),
        }
    )
