"""Rival explanations of what happened to recorded events: fuller records, a crisis, one person."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.designs import CRUDE
from drive_eval.evaluation.rates import CHANGE_OF_ARMS, PERIODS
from drive_eval.evaluation.rival_behaviours import verdict
from drive_eval.evaluation.rival_contrasts import arms_power, fall_words
from drive_eval.evaluation.rival_question import and_so_on, interval_words
from drive_eval.models import counts, sensitivity
from drive_eval.results import Estimate, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from drive_eval.evaluation.rival_question import Asked

__all__ = ["recording", "rivals_of_counts", "spread_of_counts"]

#: At most this share of an arm is its "highest" by the count before.
_HIGHEST = 0.25
_RTM = "regression_to_the_mean"


def rivals_of_counts(
    asked: Asked, units: pd.DataFrame, rows: pd.DataFrame | None, found: ResultSet
) -> ResultSet:
    """What else could explain a change in recorded events?

    Parameters
    ----------
    asked : Asked
    units : DataFrame
        From `cohort_units`.
    rows : DataFrame or None
        From `count_periods`; None where the plan has no time before.
    found : ResultSet
        What the evaluation found of this outcome.

    Returns
    -------
    ResultSet
        `detection` at each ratio of the plan, of the programme's change (``group`` programme) and
        of the arms after (no group); the fall of the comparison arm as what was to be expected
        (``observed_fall``, ``expected_fall``, ``fall_beyond``); `expected_fall_of_counts` of those
        of an arm with most before (``subgroup`` ``2 or more before``); `leave_one_out`; and the
        sentences ``rival:<what>``.
    """
    parts = []
    if rows is not None:
        parts += [
            recording(asked, found),
            _comparison_fall(asked, found),
            *(spread_of_counts(asked, rows, arm) for arm in _arms(rows)),
            _one_person(asked, found),
            _one_site(asked, units, rows),
        ]
    parts.append(_by_horizon(asked, units, found))
    return merge(parts, outcome=str(asked.labels["outcome"]))


def _arms(rows: pd.DataFrame) -> list[str]:
    return [arm for arm in ARMS.codes if (rows["group"] == arm).any()]


# More contact, more recording


def recording(asked: Asked, found: ResultSet) -> ResultSet:
    """How much of a rise, or of a missing fall, could be more recording and not more abuse?

    Parameters
    ----------
    asked : Asked
    found : ResultSet
        With the ``rate_ratio`` of the programme's change and of the arms after.

    Returns
    -------
    ResultSet
        As `detection`; terms ``detection 1.5``, ``point`` and ``interval``. One Check
        ``rival:recording`` each.
    """
    parts = []
    for group, terms in (("programme", ("rate",)), ("", ("after", f"{CRUDE} (after)"))):
        ratios = [
            e
            for e in found.estimates
            if e.measure == "rate_ratio" and e.group == group and e.term in terms
        ]
        if not ratios or ratios[0].estimate is None:
            continue
        source = dataclasses.replace(ratios[0], term="")
        made, refused = asked.asked(
            "recording",
            functools.partial(
                sensitivity.detection, source, ratios=asked.plan.sensitivity.detection_ratio
            ),
            group=group,
        )
        if made is None:
            parts.append(refused)
            continue
        sentence = asked.said(
            "recording",
            recording_words(made, between=not group),
            group=group,
            statistic=made.check("detection").statistic,
        )
        parts.append(
            asked.kept(
                "recording",
                made,
                group=group,
                sentence=sentence,
                drop=("detection", "detection_interval"),
            )
        )
    return merge(parts, outcome=str(asked.labels["outcome"]))


def recording_words(made: ResultSet, *, between: bool) -> str:
    """Say what became of a ratio at each detection ratio.

    Parameters
    ----------
    made : ResultSet
        From `detection`.
    between : bool
        Whether arms are compared, and not the time before and after.

    Returns
    -------
    str
        One sentence.
    """
    falls = [
        f"{interval_words(e)} at {e.term.removeprefix('detection ').removesuffix(' (rate)')} times"
        for e in made.estimates
        if e.measure == "percent_reduction"
    ]
    needed = next(e for e in made.estimates if e.measure == "detection_ratio" and e.term == "point")
    side = "in the programme than in the comparison arm" if between else "after than before"
    text = (
        f"If events were likelier to be recorded {side}, the fall would then be {and_so_on(falls)}"
    )
    if needed.estimate is not None:
        text += f", and the records would mean no change at {needed.estimate:.2g} times"
    return f"{text}."


# What would have come by itself


def _comparison_fall(asked: Asked, found: ResultSet) -> ResultSet:
    """Set the comparison arm's fall beside the programme's, as what was to be expected."""

    def reduction(group: str, terms: tuple[str, ...]) -> Estimate | None:
        for e in found.estimates:
            same = e.measure == "percent_reduction" and e.group == group and e.term in terms
            if same and (group or e.contrast == CHANGE_OF_ARMS):
                return e
        return None

    observed = reduction("programme", ("rate",))
    expected = reduction("comparison", ("rate",))
    beyond = reduction("", ("rate", f"{CRUDE} (rate)"))
    if observed is None or expected is None or beyond is None:
        return ResultSet()
    about: dict[str, Any] = {"term": "percent", "p_value": None}
    falls = {
        "observed_fall": dataclasses.replace(observed, measure="observed_fall", **about),
        "expected_fall": dataclasses.replace(
            expected, measure="expected_fall", group="programme", **about
        ),
        "fall_beyond": dataclasses.replace(beyond, measure="fall_beyond", **about),
    }
    sentence = asked.said(_RTM, fall_words(falls, "the rate of events"), statistic=beyond.estimate)
    return ResultSet(estimates=tuple(falls.values()), checks=(sentence,))


def spread_of_counts(asked: Asked, rows: pd.DataFrame, arm: str) -> ResultSet:
    """How far would the counts of those with most before have fallen by themselves?

    Parameters
    ----------
    asked : Asked
    rows : DataFrame
        From `count_periods`.
    arm : str

    Returns
    -------
    ResultSet
        As `expected_fall_of_counts`, of at most the highest quarter of the arm; the Check
        ``rival:regression_to_the_mean`` with the arm as its group.

    Notes
    -----
    Everybody in a cohort was referred, so it does not show whom it was picked from: what can be
    told is how far those fall who stand out in it.
    """
    here = rows[rows["group"] == arm].set_index("unit_id")
    then, later = (here[here["window"] == when] for when in PERIODS)
    table = pd.DataFrame(
        {
            "before": then["events_free"],
            "years_before": then["person_years"],
            "after": later["events_free"],
            "years_after": later["person_years"],
        }
    )
    table = table[(table["years_before"] > 0) & (table["years_after"] > 0)]
    least = _least(table["before"].to_numpy())
    if least is None:
        text = "Too few people have more events before than others for a highest quarter."
        return ResultSet(checks=(asked.said(_RTM, text, group=arm),))
    what = f"{_RTM}|{arm}"
    found, refused = asked.asked(
        _RTM,
        lambda: sensitivity.expected_fall_of_counts(
            table,
            before="before",
            person_years_before="years_before",
            after="after",
            person_years_after="years_after",
            at_least=least,
            rng=asked.rng(what),
            conf_level=asked.level,
            outcome=str(asked.labels["outcome"]),
            unit=str(asked.labels["unit"]),
        ),
        group=arm,
    )
    if found is None:
        return refused
    found = asked.alone(found)
    named = tuple(dataclasses.replace(e, group=arm) for e in found.estimates)
    falls = {e.measure: e for e in named}
    text = (
        f"Of people with {least} or more events before, the rate of events fell by "
        f"{interval_words(falls['observed_fall'])}; from how far people differ before, "
        f"{interval_words(falls['expected_fall'])} was to be expected by itself."
    )
    sentence = asked.said(_RTM, text, group=arm, statistic=falls["expected_fall"].estimate)
    found = dataclasses.replace(found, estimates=named)
    return asked.kept(_RTM, found, group=arm, sentence=sentence, drop=(_RTM,))


def _least(before: np.ndarray[Any, Any]) -> int | None:
    """Return the count from which on at most a quarter, and somebody, is."""
    if not len(before):
        return None
    for least in range(1, int(before.max()) + 1):
        share = float((before >= least).mean())
        if 0 < share <= _HIGHEST:
            return least
    return None


# One person, one site


def _one_person(asked: Asked, found: ResultSet) -> ResultSet:
    checks = []
    for check in found.checks:
        word, _, rest = check.name.partition(": leave_one_out, ")
        if word != "rates" or rest not in ("change", "arms"):
            continue
        text = f"{check.text[:1].upper()}{check.text[1:]}"
        checks.append(
            asked.said(
                "one_person",
                text,
                group=check.group,
                passed=check.passed,
                statistic=check.statistic,
                threshold=check.threshold,
            )
        )
    return ResultSet(checks=tuple(checks))


def _one_site(asked: Asked, units: pd.DataFrame, rows: pd.DataFrame) -> ResultSet:
    by = asked.left_out_by(units)
    if not by:
        return ResultSet()
    table = rows.assign(**{by: rows["unit_id"].map(units.set_index("unit_id")[by])})
    told: dict[str, Any] = {
        "count": "events_free",
        "person_years": "person_years",
        "person": "unit_id",
        "cluster": asked.cluster,
        "conf_level": asked.level,
        "outcome_name": str(asked.labels["outcome"]),
        "unit": str(asked.labels["unit"]),
    }
    group = ""
    if asked.plan.design.kind == "before_after":
        group = _arms(rows)[0]
        analysis: Any = functools.partial(
            counts.rate_ratio, contrast="window", method="poisson", **told
        )
        measure = "rate_ratio"
    else:
        analysis = functools.partial(
            counts.difference_in_differences, treated="group", period="window", **told
        )
        measure = "ratio_of_ratios"
    found, refused = asked.asked(
        "one_site",
        lambda: sensitivity.leave_one_out(table, by=by, analysis=analysis, measure=measure),
        group=group,
    )
    if found is None:
        return refused
    said = found.check("leave_one_out")
    sentence = asked.said(
        "one_site", said.text, group=group, passed=said.passed, statistic=said.statistic
    )
    rest = tuple(dataclasses.replace(e, term="rate", group=group) for e in found.estimates[1:])
    found = dataclasses.replace(found, estimates=rest)
    return asked.kept("one_site", found, group=group, sentence=sentence, drop=("leave_one_out",))


# By the horizon


def _by_horizon(asked: Asked, units: pd.DataFrame, found: ResultSet) -> ResultSet:
    """Hold the difference in people with an event by the horizon to the smallest worthwhile."""
    main = next(iter(asked.plan.balancing), None)
    wanted = main.name if main is not None else ""
    gaps = [
        e
        for e in found.estimates
        if e.measure == "event_free_difference" and e.term == wanted and e.estimate is not None
    ]
    if not gaps:
        return ResultSet()
    free = max(gaps, key=lambda e: e.time or 0.0)
    gap = dataclasses.replace(
        free,
        measure="risk_difference",
        estimate=-float(free.estimate or 0.0),
        conf_low=None if free.conf_high is None else -free.conf_high,
        conf_high=None if free.conf_low is None else -free.conf_low,
    )
    parts = [ResultSet(checks=(verdict(asked, gap),))]
    if main is None:
        parts.append(_power(asked, found, free.time))
    return merge(parts, outcome=str(asked.labels["outcome"]))


def _power(asked: Asked, found: ResultSet, time: float | None) -> ResultSet:
    """Give the power of a comparison of shares, as if everybody had been followed."""
    shares = {
        e.group: e
        for e in found.estimates
        if e.measure == "event_free" and e.time == time and e.term == ""
    }
    people = []
    for arm in ARMS.codes:
        e = shares.get(arm)
        if e is None or e.estimate is None or not e.n:
            return ResultSet()
        events = round((1 - e.estimate) * e.n)
        people.append(pd.DataFrame({"group": arm, "event": np.arange(e.n) < events}))
    return arms_power(asked, pd.concat(people, ignore_index=True), "event")
