"""What the police and MARACs recorded: incidents, referrals, custody, and when following ends.

Each person has a rate of incidents of his own (a gamma frailty), higher in the weeks that led to
the referral and multiplied by the arm's ratio from the index date on. Crimes may be charged and
lead to custody, at once or after a wait; in custody hardly anything is recorded. So custody
follows offending and hides it, and the ratio of rates given the person, which is a parameter
here, is not what a hazard ratio or a curve tends to: see `drive_eval.data.synthetic.limits`.

Days are whole numbers from the index date, day 0. A spell (lo, hi] takes away the days
lo + 1 … hi. Only uniform streams are drawn, which NumPy keeps the same on every version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammaincinv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from drive_eval.data.synthetic.world import World

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = [
    "ELSEWHERE",
    "FAR",
    "NON_CRIME",
    "NOT_AFTER_EXIT",
    "SMALLEST",
    "Candidates",
    "People",
    "Record",
    "draw_candidates",
    "draw_people",
    "frailties",
    "live",
    "waits",
]

#: A day that never comes.
FAR = 1_000_000
#: The class of incidents that are no crimes.
NON_CRIME = "non_crime"
#: No synthetic case closes later than so many days after the index date.
NOT_AFTER_EXIT = 360
#: Numbers of victims: 0 nobody named, 1 to 3 linked to the case, from here on linked to none.
ELSEWHERE = 11
#: How far before the index date an index incident and a referral can lie.
_REFERRAL = (7, 22)
SMALLEST = 2.0**-54
_STEP = 10 * FAR  # between the days of one person and the next
_YEAR = 365.25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class People:
    """Who can offend, from when to when; one value a person.

    Attributes
    ----------
    frailty : array of float
        Own rate over the average one.
    history : array of int
        Days of the extract before the index date.
    referral : array of int
        Day of the referral, below 0.
    victims : array of int
        Victim-survivors linked to the case, 1 to 3.
    until : array of int
        Last day on which anything would be recorded: end of the data, death or moving away.
    jailed_at : array of int
        Day on which the case closed because of custody for an older matter; `FAR` if not.
    """

    frailty: Floats
    history: Ints
    referral: Ints
    victims: Ints
    until: Ints
    jailed_at: Ints

    def __len__(self) -> int:
        return len(self.frailty)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Incidents that may come to pass, with everything that they would bring along.

    In order of person and day. Drawn before the arm is known, so that the same person can be
    followed under both arms.
    """

    who: Ints
    day: Ints
    incident: Bools  # the one that led to the referral
    thin: Floats  # below ratio / cap: it happens
    inside: Floats  # below the rate in custody: it happens there, too
    kind: Ints
    stage: Ints  # 0 recorded, 1 charged, 2 convicted, -1 none
    victim: Ints
    flag: Ints  # 1 true, 0 false, -1 blank
    marac: Ints  # days to a MARAC referral, 0 for none
    wait: Ints  # days to custody
    length: Ints  # days of custody, 0 for none
    jail: Ints  # by person: length of the custody in which the case closed
    cap: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """What is in the extract: events in order of person and day, and spells of custody."""

    who: Ints
    day: Ints
    marac: Bools  # source is marac, and not police
    incident: Bools  # the one that led to the referral
    inside: Bools  # in custody
    kind: Ints
    stage: Ints
    victim: Ints
    flag: Ints
    jailed: Ints  # person of each spell
    lo: Ints
    hi: Ints


def draw_people(
    world: World, rng: np.random.Generator, people: int, *, follow_up: int
) -> tuple[People, Ints, Ints, Ints]:
    """Draw people by themselves: frailty, dates and endings, without severity or ratings.

    Returns the people, the number of days from 1970-01-01 to each index date, and the days of
    death and of moving away (`FAR` for neither).
    """
    rules, cohort = world.events, world.cohort
    first = np.datetime64(cohort["first_referral"], "D").astype(np.int64)
    window = (cohort["last_first_referral"] - cohort["first_referral"]).days + 1
    start = np.datetime64(rules["data_start_date"], "D").astype(np.int64)
    frailty = frailties(rules, rng.random(people))
    wait = rng.integers(*_REFERRAL, people)
    index = first + rng.integers(0, window, people) + wait
    reason = rng.random(people)
    shares = world.cases["exit_reason"]
    closed = rng.integers(90, 331, people)
    edges = np.cumsum([shares["custody"], shares["moved"], shares["unknown"]])
    jailed_at = np.where(reason < edges[0], closed, FAR)
    moved = np.where((reason >= edges[0]) & (reason < edges[1]), closed, FAR)
    unknown = (reason >= edges[1]) & (reason < edges[2])
    endings = rules["endings"]
    later = waits(rng.random(people), endings["death_rate"]) + NOT_AFTER_EXIT
    died = np.where(unknown & (rng.random(people) < endings["died_of_unknown"]), closed, later)
    victims = 1 + np.searchsorted(
        np.cumsum(world.people["victims"])[:-1], rng.random(people), side="right"
    )
    who = People(
        frailty=frailty,
        history=index - start,
        referral=-wait,
        victims=victims,
        until=np.minimum(np.minimum(died, moved), follow_up),
        jailed_at=jailed_at,
    )
    return who, index, died, moved


def frailties(rules: Mapping[str, Any], uniform: Floats) -> Floats:
    """Turn uniforms into gamma variables of mean 1 and the world's variance."""
    variance = float(rules["frailty_variance"])
    standard = gammaincinv(1 / variance, np.maximum(uniform, SMALLEST))
    return np.asarray(standard * variance, dtype=np.float64)


def draw_candidates(
    world: World, rng: np.random.Generator, people: People, *, cap: float = 1.0
) -> Candidates:
    """Draw every incident that may come to pass, up to `cap` times the rate after day 0."""
    rules = world.events
    daily = people.frailty * rules["rate"] / _YEAR
    elevated = np.minimum(int(rules["elevated_days"]), people.history)
    spans = (  # first day, days, rate
        (-people.history, people.history - elevated, daily),
        (-elevated, elevated + 1, daily * rules["elevated_factor"]),
        (np.ones_like(elevated), np.maximum(people.until, 0), daily * cap),
    )
    earlier = rng.integers(0, int(rules["incident_days"]) + 1, len(people))
    parts_who, parts_day = [np.arange(len(people))], [people.referral - earlier]
    for begin, days, rate in spans:
        count = _counts(rng.random(len(people)), rate * days)
        owner = np.repeat(np.arange(len(people)), count)
        parts_who.append(owner)
        parts_day.append(begin[owner] + (rng.random(len(owner)) * days[owner]).astype(np.int64))
    who, day = np.concatenate(parts_who), np.concatenate(parts_day)
    led = np.arange(len(who)) < len(people)  # to the referral
    order = np.lexsort((~led, day, who))
    who, day, index = who[order], day[order], led[order]
    size = len(who)

    classes = rules["classes"]
    crime = np.array([code != NON_CRIME for code, _, _ in classes])
    share = np.array([float(part) for _, _, part in classes])
    uniform = rng.random(size)
    kind = _picked(share, uniform)
    kind[index] = _picked(share * crime, uniform[index])

    stages = rules["stages"]
    charged = np.where(index, stages["index_charged"], stages["charged"])
    convicted = np.where(index, stages["index_convicted"], stages["convicted"])
    stage = (rng.random(size) < charged).astype(np.int64)
    stage += stage * (rng.random(size) < convicted)
    stage[~crime[kind]] = -1

    flag = np.array([1, 0, -1])[_picked(np.array(rules["flag"]), rng.random(size))]
    flag[index] = 1
    serial = rng.random(len(people)) < rules["victims"]["serial_share"]
    victim = _victims(rules["victims"], rng, who, serial, people.victims, index)
    victim[flag == 0] = 0
    low, high = rules["marac_days"]
    marac = rng.integers(low, high + 1, size)
    marac[(rng.random(size) >= rules["marac_share"]) | (flag == 0) | index] = 0

    custody = rules["custody"]
    sent = rng.random(size)
    remand = (stage == 1) & (sent < custody["remand_share"])
    sentence = (stage == 2) & (sent < custody["sentence_share"])
    low, high = custody["remand_days"]
    remanded = rng.integers(low, high + 1, size)
    sentenced = _sentences(custody, rng, size)
    low, high = custody["sentence_wait"]
    wait = np.where(sentence, rng.integers(low, high + 1, size), 0)
    length = np.where(remand, remanded, np.where(sentence, sentenced, 0))
    return Candidates(
        who=who,
        day=day,
        incident=index,
        thin=np.where(day > 0, rng.random(size), 0.0),
        inside=rng.random(size),
        kind=kind,
        stage=stage,
        victim=victim,
        flag=flag,
        marac=marac,
        wait=wait,
        length=length,
        jail=_sentences(custody, rng, len(people)),
        cap=cap,
    )


def live(world: World, people: People, candidates: Candidates, ratio: Floats) -> Record:
    """Follow everybody under an arm's rate ratio: what happens, who goes to prison, what is hid.

    Parameters
    ----------
    world, people, candidates
        As drawn; the same candidates may be followed under several ratios.
    ratio : array of float, one a person
        Rate after the index date over rate before, given the person; at most the cap.
    """
    c = candidates
    happens = (c.thin * c.cap < ratio[c.who]) & (c.day <= people.until[c.who])
    jailed, lo, hi = _spells(people, c, happens)
    inside = _within(c.who, c.day, jailed, lo, hi)
    # The incident that led to the referral stays: without it nobody would be here.
    happens &= ~inside | (c.inside < world.events["in_custody"]) | c.incident
    at = np.flatnonzero(happens)
    # A referral to a MARAC follows some incidents, and the referral to the programme is one.
    led = at[(c.marac[at] > 0) & (c.day[at] + c.marac[at] <= people.until[c.who[at]])]
    everybody = np.arange(len(people))
    who = np.concatenate([c.who[at], c.who[led], everybody])
    day = np.concatenate([c.day[at], c.day[led] + c.marac[led], people.referral])
    marac = np.arange(len(who)) >= len(at)
    order = np.lexsort((marac, day, who))

    def column(of_police: Ints, of_marac: Ints | int, of_referral: int) -> Ints:
        further = np.full(len(led), of_marac), np.full(len(people), of_referral)
        joined: Ints = np.concatenate([of_police[at], *further])[order]
        return joined

    who, day = who[order], day[order]
    return Record(
        who=who,
        day=day,
        marac=marac[order],
        incident=column(c.incident.astype(np.int64), 0, 0) == 1,
        inside=_within(who, day, jailed, lo, hi),
        kind=column(c.kind, -1, -1),
        stage=column(c.stage, -1, -1),
        victim=column(c.victim, c.victim[led], 1),
        flag=column(c.flag, 1, 1),
        jailed=jailed,
        lo=lo,
        hi=hi,
    )


def _counts(uniform: Floats, mean: Floats) -> Ints:
    """Turn uniforms into Poisson counts, by going up the distribution until it passes them."""
    count = np.zeros(len(uniform), dtype=np.int64)
    left = np.arange(len(uniform))
    term = np.exp(-mean)
    passed = term.copy()
    number = 0
    while len(left):
        more = uniform[left] > passed
        left, term, passed = left[more], term[more], passed[more]
        number += 1
        count[left] = number
        term = term * mean[left] / number
        passed = passed + term
        # Where rounding keeps the distribution below a uniform next to 1, nothing is left to add.
        some = (term > 0) & (passed < 1)
        left, term, passed = left[some], term[some], passed[some]
    return count


def waits(uniform: Floats, rate: float) -> Ints:
    """Turn uniforms into days until a death at so many a year."""
    days = -np.log1p(-uniform) / rate * _YEAR if rate > 0 else np.full(len(uniform), FAR)
    whole: Ints = np.minimum(np.ceil(days), FAR).astype(np.int64)
    return np.maximum(whole, 1)


def _picked(shares: Floats, uniform: Floats) -> Ints:
    edges = np.cumsum(shares / shares.sum())[:-1]
    picked: Ints = np.searchsorted(edges, uniform, side="right")
    return picked


def _victims(
    rules: Mapping[str, float],
    rng: np.random.Generator,
    who: Ints,
    serial: Bools,
    linked: Ints,
    index: Bools,
) -> Ints:
    """Draw whom each incident is against; the index incident is against the first."""
    size = len(who)
    other = rng.random(size) >= rules["first"]
    which = 2 + (rng.random(size) * (linked[who] - 1)).astype(np.int64)
    victim = np.where(other & (linked[who] > 1), which, 1)
    elsewhere = serial[who] & (rng.random(size) < rules["elsewhere"])
    victim = np.where(elsewhere, ELSEWHERE + (rng.random(size) < 0.5), victim)
    victim[rng.random(size) < rules["unnamed"]] = 0
    victim[index] = 1
    return victim


def _sentences(custody: Mapping[str, Any], rng: np.random.Generator, size: int) -> Ints:
    bounds = np.array(custody["sentence_days"])
    band = _picked(np.array(custody["sentence_shares"]), rng.random(size))
    low, high = bounds[band, 0], bounds[band, 1]
    length: Ints = low + (rng.random(size) * (high - low + 1)).astype(np.int64)
    return length


def _spells(people: People, c: Candidates, happens: Bools) -> tuple[Ints, Ints, Ints]:
    """Find who is in custody when: an incident inside leads to no further spell.

    Spells of one person are joined where they overlap or touch. The candidates that carry a
    spell are few a person, so the order in time is gone through one after the other.
    """
    carry = np.flatnonzero(happens & (c.length > 0))
    closers = np.flatnonzero(people.jailed_at <= people.until)
    who = np.concatenate([c.who[carry], closers])
    day = np.concatenate([c.day[carry], people.jailed_at[closers]])
    lo = day + np.concatenate([c.wait[carry], np.zeros(len(closers), np.int64)])
    hi = lo + np.concatenate([c.length[carry], c.jail[closers]])
    always = np.arange(len(who)) >= len(carry)
    order = np.lexsort((always, day, who))
    who, day, lo, hi = (part[order] for part in (who, day, lo, hi))
    always = always[order]
    number = np.arange(len(who)) - np.searchsorted(who, who, side="left")
    counts = np.ones(len(who), dtype=np.bool_)
    for place in range(1, int(number.max(initial=0)) + 1):
        now = np.flatnonzero(number == place)
        for back in range(1, place + 1):
            earlier = now - back
            within = (lo[earlier] < day[now]) & (day[now] <= hi[earlier])
            counts[now] &= ~(within & counts[earlier]) | always[now]
    # Nothing is known of a spell that would begin after following has ended.
    counts &= lo <= people.until[who]
    return _joined(who[counts], lo[counts], hi[counts])


def _joined(who: Ints, lo: Ints, hi: Ints) -> tuple[Ints, Ints, Ints]:
    """Join the spells of each person that overlap or touch."""
    order = np.lexsort((hi, lo, who))
    who, lo, hi = who[order], lo[order], hi[order]
    reach = np.maximum.accumulate(hi + who * _STEP) - who * _STEP
    first = np.ones(len(who), dtype=np.bool_)
    first[1:] = (who[1:] != who[:-1]) | (lo[1:] > reach[:-1])
    last = np.roll(first, -1)
    return who[first], lo[first], reach[last]


def _within(who: Ints, day: Ints, jailed: Ints, lo: Ints, hi: Ints) -> Bools:
    """Whether each day lies inside a spell; spells are in order and do not touch."""
    if not len(jailed):
        return np.zeros(len(who), dtype=np.bool_)
    last = np.searchsorted(jailed * _STEP + lo, who * _STEP + day, side="left") - 1
    found: Bools = (last >= 0) & (jailed[last] == who) & (day <= hi[last])
    return found
