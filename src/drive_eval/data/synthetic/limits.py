"""What estimates of re-offending would tend to if the cohort were endless.

A hazard ratio, a curve and a rate ratio tend to different values even where one ratio given the
person rules everything, because those with high rates re-offend first and go to prison more. So
every estimand has its own limit, with custody and loss to follow-up as in the tables. All of them
are functions of how many people are at risk, and how many things happen, on each day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.data.synthetic.process import (
    FAR,
    NON_CRIME,
    People,
    Record,
    draw_candidates,
    draw_people,
    live,
)
from drive_eval.data.synthetic.truth import with_error
from drive_eval.data.synthetic.world import World, load_world
from drive_eval.errors import DesignError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = ["offending_truth"]

_CHUNK = 50_000
_LEAST = 2_000
_SEED = 20164
_YEAR = 365.25
_HORIZON = 365
_WASHOUT = 28
#: Days of follow-up at which curves are read, by the name of the horizon.
_HORIZONS = {"6 months": 182, "12 months": _HORIZON}
_ARMS = ("programme", "comparison")
_CONTRAST = "programme v comparison"
#: Outcomes with incidents before the index date; a repeat in the sense of MARAC has none that
#: mean the same, since it needs a referral.
_BOTH_SIDES = ("police", "police_domestic_abuse", "police_charged")
_REPEATS = ("marac_repeat_any_abuse", "marac_repeat_criminal_conduct")
# Rows of a tally, one column a day: at risk and events, by rule of custody; then the counts.
_GAP, _COMPETING, _EVERY, _COUNTS = (0, 1, 2), (3, 4, 5, 6), (7, 8), 9
_ROWS = 10
# Columns of the counts.
_BEFORE, _TRAP, _AFTER = (0, 1), (2, 3), (4, 5)
_POINTS, _SHARES = np.polynomial.legendre.leggauss(5)


def offending_truth(
    preset: str | World = "drive_pilot",
    *,
    people: int = 10_000_000,
    seed: int = _SEED,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Where would each estimate of re-offending tend, were there enough people?

    Parameters
    ----------
    preset : str or World
        The world.
    people : int
        People drawn, in chunks of 50,000; each is followed under both arms, and with no effect.
    seed : int
        Seed of the draw.
    progress : callable, optional
        Called with the chunks done and the chunks to do.

    Returns
    -------
    dict
        ``values``: one record per estimand with ``value`` and ``mc_error``; ``conditional``: the
        parameters of the process, which no estimate tends to; ``defaults`` of the labels; and
        how the values were made. Rates are per 100 person-years, restricted means in days.

    Raises
    ------
    DesignError
        If fewer than 2,000 people are asked for.

    Notes
    -----
    Unit ``person``: the first enrolment, from the day after the index date. ``custody`` says how
    custody is treated: ``gap`` takes it out of the time at risk (custody at the index date delays
    entry), ``competing`` ends following at the first spell that begins after the index date. Loss
    to follow-up is as in the tables: death, moving away. ``hazard_ratio`` is the limit of
    Cox's estimator with Efron's ties for the first event, ``hazard_ratio_every_event`` that of
    Andersen and Gill; both are for this follow-up and this censoring only. Before the index
    date, days −365 to −29 count (``index_incident="left_out"``: a washout of 28 days); with
    ``"counted"`` days −365 to 0 do, so that what led to the referral makes a fall.

    Examples
    --------
    >>> truth = offending_truth(people=2_000)
    >>> from drive_eval.data.synthetic.truth import true_value
    >>> 0.5 < true_value(truth, outcome="police", measure="hazard_ratio",
    ...                  contrast="programme v comparison") < 0.9
    True
    """
    if people < _LEAST:
        raise DesignError(
            f"the truth of re-offending needs at least {_LEAST:,} people, but people is {people}."
        )
    world = load_world(preset)
    chunks = max(20, -(-people // _CHUNK))
    size = people // chunks
    rng = np.random.default_rng(seed)
    tallies: dict[tuple[str, str], list[Floats]] = {}
    ratios = {
        "programme": float(world.events["programme"]),
        "comparison": float(world.events["usual_care"]),
        "no_effect": 1.0,
    }
    for chunk in range(chunks):
        who, _, died, _ = draw_people(world, rng, size, follow_up=_HORIZON)
        candidates = draw_candidates(world, rng, who, cap=max(ratios.values()))
        for arm, ratio in ratios.items():
            record = live(world, who, candidates, np.full(size, ratio))
            chosen = _outcomes(world, record)
            if arm == "no_effect":
                chosen = {name: chosen[name] for name in _BOTH_SIDES}
            for outcome, keep in chosen.items():
                tally = _tally(who, record, keep, died)
                tallies.setdefault((arm, outcome), []).append(tally)
        if progress is not None:
            progress(chunk + 1, chunks)
    return {
        "world": world.name,
        "made_by": "drive_eval.data.synthetic.offending_truth",
        "people": size * chunks,
        "seed": seed,
        "note": "Population limits under the custody and the loss to follow-up of the tables.",
        "defaults": {
            "group": "programme",
            "unit": "person",
            "custody": "gap",
            "horizon": "12 months",
            "index_incident": "left_out",
            "arm_column": "arm",
        },
        "values": _values(world, {key: np.stack(rows) for key, rows in tallies.items()}),
        "conditional": {
            "scale": "incidents per person-year given the person",
            **{name: world.events[name] for name in ("rate", "frailty_variance", "in_custody")},
            "rate_ratio_programme": world.events["programme"],
            "rate_ratio_usual_care": world.events["usual_care"],
            "rate_ratio_programme_v_comparison": round(
                ratios["programme"] / ratios["comparison"], 5
            ),
            "elevated_factor": world.events["elevated_factor"],
            "elevated_days": world.events["elevated_days"],
        },
    }


def _outcomes(world: World, record: Record) -> dict[str, Bools]:
    """Return which events are which outcome."""
    police = ~record.marac
    repeat = _repeats(record)
    crime = np.array([code != NON_CRIME for code, _, _ in world.events["classes"]] + [False])
    return {
        "police": police,
        "police_domestic_abuse": police & (record.flag == 1),
        "police_charged": police & (record.stage >= 1),
        "marac_repeat_any_abuse": repeat,
        "marac_repeat_criminal_conduct": repeat & crime[record.kind],
    }


def _repeats(record: Record) -> Bools:
    """Find events of the same two people within 365 days of their last referral to a MARAC."""
    pair = (record.who * 100 + record.victim) * 10 * FAR
    at = pair + record.day
    named = record.victim > 0
    referrals = np.sort(at[record.marac & named])
    last = np.searchsorted(referrals, at, side="left") - 1
    days = at - referrals[last]
    found: Bools = (last >= 0) & named & (record.flag != 0) & (days >= 1) & (days <= 365)
    return found


def _tally(who: People, record: Record, keep: Bools, died: Ints) -> Floats:
    """Count, by day after the index date, who is at risk and what happens."""
    size = len(who)
    tally = np.zeros((_ROWS, _HORIZON + 1))
    free = keep & ~record.inside
    after = np.flatnonzero(free & (record.day > 0))
    owner, day = record.who[after], record.day[after]
    until = np.minimum(who.until, _HORIZON)
    first = np.full(size, FAR)
    np.minimum.at(first, owner, day)
    jailed, lo, hi = record.jailed, record.lo, record.hi
    taken = np.full(size, FAR)
    starts = lo >= 1
    np.minimum.at(taken, jailed[starts], lo[starts])
    dead = np.where(_free_on(died, jailed, lo, hi), died, FAR)

    end = np.minimum(first, until)
    tally[_GAP[0]] = _at_risk(end, jailed, lo, hi)
    tally[_GAP[1]] = _on(first[first <= until])
    tally[_GAP[2]] = _on(dead[(dead <= until) & (first > dead)])

    # On one day a re-offence comes before custody, and custody before death.
    end = np.minimum(end, taken)
    tally[_COMPETING[0]] = _at_risk(end, jailed[~starts], lo[~starts], hi[~starts])
    tally[_COMPETING[1]] = _on(first[(first <= until) & (first <= taken)])
    tally[_COMPETING[2]] = _on(taken[(taken <= until) & (taken < first)])
    tally[_COMPETING[3]] = _on(dead[(dead <= until) & (dead < np.minimum(first, taken))])

    tally[_EVERY[0]] = _at_risk(until, jailed, lo, hi)
    # Events of one day are one event; they are in order.
    new = np.ones(len(day), dtype=np.bool_)
    new[1:] = (owner[1:] != owner[:-1]) | (day[1:] != day[:-1])
    tally[_EVERY[1]] = _on(day[new])

    counts = tally[_COUNTS]
    windows = ((-366, -_WASHOUT - 1), (-366, 0), (0, _HORIZON))
    for (events, days), (begin, last) in zip((_BEFORE, _TRAP, _AFTER), windows, strict=True):
        ends = np.minimum(last, who.until)
        inside = np.minimum(hi, ends[jailed]) - np.maximum(lo, begin)
        counts[events] = (free & (record.day > begin) & (record.day <= last)).sum()
        counts[days] = (ends - begin).sum() - np.maximum(inside, 0).sum()
    return tally


def _on(days: Ints) -> Ints:
    return np.bincount(days, minlength=_HORIZON + 1)[: _HORIZON + 1]


def _at_risk(end: Ints, jailed: Ints, lo: Ints, hi: Ints) -> Ints:
    """Count who is followed on each day and not in a spell; spells of a person do not touch."""
    low, high = np.maximum(lo, 0), np.minimum(hi, end[jailed])
    some = low < high
    steps = np.zeros(_HORIZON + 2, dtype=np.int64)
    steps[1] = len(end)
    steps -= np.bincount(end + 1, minlength=_HORIZON + 2)
    steps -= np.bincount(low[some] + 1, minlength=_HORIZON + 2)
    steps += np.bincount(high[some] + 1, minlength=_HORIZON + 2)
    at_risk: Ints = np.cumsum(steps)[: _HORIZON + 1]
    return at_risk


def _free_on(days: Ints, jailed: Ints, lo: Ints, hi: Ints) -> Bools:
    """Whether each person is outside custody on his own day."""
    caught = (lo < days[jailed]) & (days[jailed] <= hi)
    free = np.ones(len(days), dtype=np.bool_)
    free[jailed[caught]] = False
    return free


def _values(world: World, tallies: dict[tuple[str, str], Floats]) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    crossed = world.cohort["crossover"]
    for outcome in (*_BOTH_SIDES, *_REPEATS):
        arms = {arm: tallies[arm, outcome] for arm in _ARMS}
        other = dict(zip(_ARMS, reversed(_ARMS), strict=True))
        mixed = {
            arm: (1 - crossed[arm]) * arms[arm] + crossed[arm] * arms[other[arm]] for arm in _ARMS
        }
        by_column = (
            {"arm": arms, "allocated_arm": mixed} if any(crossed.values()) else {"arm": arms}
        )
        for column, groups in by_column.items():
            labels = {"outcome": outcome, "arm_column": column}
            if column == "arm" and outcome in _BOTH_SIDES:
                groups = {**groups, "no_effect": tallies["no_effect", outcome]}
            for group, table in groups.items():
                found = with_error(_within(outcome), table)
                records += _records(found, labels, group)
            found = with_error(_between(world, outcome), *(groups[arm] for arm in _ARMS))
            records += _records(found, labels, "")
    return records


def _within(outcome: str) -> Callable[[Floats], dict[str, float]]:
    """Return every measure of one group; a name is a measure and its labels."""

    def measures(tally: Floats) -> dict[str, float]:
        risk, events, deaths = tally[list(_GAP)]
        _, reached, _ = _incidence(risk, events, deaths)
        everything = _incidence(*tally[list(_COMPETING)])
        mean = np.cumsum(_ratio(tally[_EVERY[1]], tally[_EVERY[0]]))
        still = _survival(risk, events)
        found = {"restricted_mean|gap|12 months": float(still[:_HORIZON].sum())}
        for horizon, day in _HORIZONS.items():
            found[f"event_free|gap|{horizon}"] = still[day]
            found[f"cumulative_incidence|gap|{horizon}"] = reached[day]
            found[f"cumulative_incidence|competing|{horizon}"] = everything[1][day]
            found[f"cumulative_incidence_of_custody|competing|{horizon}"] = everything[2][day]
            found[f"mean_cumulative_count|gap|{horizon}"] = mean[day]
        if outcome in _BOTH_SIDES:
            before, trap, after = (_rate(tally, at) for at in (_BEFORE, _TRAP, _AFTER))
            found["rate_before|gap|12 months"] = before
            found["rate_before|gap|12 months|counted"] = trap
            found["rate_after|gap|12 months"] = after
            found["rate_ratio|gap|12 months"] = after / before
            found["rate_ratio|gap|12 months|counted"] = after / trap
        return found

    return measures


def _between(world: World, outcome: str) -> Callable[[Floats, Floats], dict[str, float]]:
    share = float(world.cohort["programme_share"])

    def measures(one: Floats, other: Floats) -> dict[str, float]:
        mine, theirs = _within(outcome)(one), _within(outcome)(other)
        found = {
            f"{measure}_difference|{rest}": mine[name] - theirs[name]
            for name in mine
            for measure, rest in [name.split("|", 1)]
            if not measure.startswith("rate")
        }
        name = "restricted_mean|gap|12 months"
        found["restricted_mean_ratio|gap|12 months"] = mine[name] / theirs[name]
        pair = share * one, (1 - share) * other
        for rule, (risk, events) in (("gap", _GAP[:2]), ("competing", _COMPETING[:2])):
            ratio = _hazard_ratio(*((part[risk], part[events]) for part in pair))
            found[f"hazard_ratio|{rule}|12 months"] = ratio
        every = _hazard_ratio(*((part[_EVERY[0]], part[_EVERY[1]]) for part in pair))
        found["hazard_ratio_every_event|gap|12 months"] = every
        if outcome in _BOTH_SIDES:
            name = "rate_after|gap|12 months"
            found["rate_ratio|gap|12 months"] = mine[name] / theirs[name]
            for rest in ("gap|12 months", "gap|12 months|counted"):
                change = mine[f"rate_ratio|{rest}"] / theirs[f"rate_ratio|{rest}"]
                found[f"ratio_of_rate_ratios|{rest}"] = change
        return found

    return measures


def _ratio(events: Floats, at_risk: Floats) -> Floats:
    return np.divide(events, at_risk, out=np.zeros_like(events), where=at_risk > 0)


def _survival(at_risk: Floats, events: Floats) -> Floats:
    return np.asarray(np.cumprod(1 - _ratio(events, at_risk)), dtype=np.float64)


def _incidence(at_risk: Floats, *causes: Floats) -> tuple[Floats, ...]:
    """Return the share free of all causes, and the Aalen–Johansen share reached by each."""
    free = _survival(at_risk, np.sum(causes, axis=0))
    before = np.concatenate([[1.0], free[:-1]])
    return (free, *(np.cumsum(before * _ratio(events, at_risk)) for events in causes))


def _rate(tally: Floats, at: tuple[int, int]) -> float:
    """Return events per 100 person-years."""
    events, days = tally[_COUNTS][list(at)]
    return float(100 * _YEAR * events / days)


def _hazard_ratio(one: tuple[Floats, Floats], other: tuple[Floats, Floats]) -> float:
    """Maximise Efron's partial likelihood of one yes/no covariate, by day.

    Of d events of a day, Efron takes k/d out of the people at risk before the k-th: among
    endlessly many, an integral over the share that has left.
    """
    (risk_1, events_1), (risk_0, events_0) = one, other
    left = (_POINTS + 1) / 2
    mine = risk_1[:, None] - left * events_1[:, None]
    theirs = risk_0[:, None] - left * events_0[:, None]
    dead = (events_1 + events_0)[:, None] * _SHARES / 2
    beta = 0.0
    for _ in range(50):
        share = _ratio(np.exp(beta) * mine, np.exp(beta) * mine + theirs)
        step = (events_1.sum() - (dead * share).sum()) / (dead * share * (1 - share)).sum()
        beta += step
        if abs(step) < 1e-12:
            break
    return float(np.exp(beta))


def _records(
    values: dict[str, tuple[float, float]], labels: dict[str, str], group: str
) -> Iterable[dict[str, Any]]:
    for name, (value, error) in values.items():
        measure, custody, horizon, *rest = name.split("|")
        days = measure.startswith(("restricted_mean", "rate_before", "rate_after"))
        digits = 3 if days and not measure.endswith("ratio") else 5
        before_after = measure == "rate_ratio" and group
        yield {
            "outcome": labels["outcome"],
            "measure": measure,
            "contrast": "after v before" if before_after else "" if group else _CONTRAST,
            "group": group,
            "unit": "person",
            "custody": custody,
            "horizon": horizon,
            "index_incident": rest[0] if rest else "left_out",
            "arm_column": labels["arm_column"],
            "value": round(value, digits),
            "mc_error": round(error, digits),
        }
