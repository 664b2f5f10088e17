"""Rival explanations of recorded events, from released rates."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.designs import CRUDE
from drive_eval.evaluation.rates import CHANGE_OF_ARMS
from drive_eval.evaluation.released_rates import enough_incidents
from drive_eval.evaluation.released_rival_arms import floor_of, to_hundredth
from drive_eval.evaluation.rival_contrasts import fall_words
from drive_eval.evaluation.rival_counts import recording, rivals_of_counts
from drive_eval.evaluation.rival_question import interval_words
from drive_eval.results import ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from drive_eval.disclosure import Policy
    from drive_eval.evaluation.rival_question import Asked
    from drive_eval.plan import Plan
    from drive_eval.results import Estimate

__all__ = ["released_counts", "step_words"]

_RTM = "regression_to_the_mean"
#: Steps of how far one person moves a ratio, in percent.
_STEPS = (1, 5)


def released_counts(
    asked: Asked,
    plan: Plan,
    exact: ResultSet,
    main: ResultSet,
    released: ResultSet,
    rules: Policy,
) -> ResultSet:
    """Ask again what else could explain a change in recorded events.

    Parameters
    ----------
    asked : Asked
    plan : Plan
    exact, main, released : ResultSet
        As in `drive_eval.evaluation.released_rivals.release_rivals`.
    rules : Policy

    Returns
    -------
    ResultSet
        As `drive_eval.evaluation.rival_counts.rivals_of_counts`.
    """
    parts = [recording(asked, released), _comparison_fall(asked, released)]
    known = enough_incidents(main, str(asked.labels["outcome"]), rules)
    for arm in ARMS.codes:
        if known.get((arm, "before")) and known.get((arm, "after")):
            parts.append(_spread(asked, exact, arm, rules))
    parts.append(_one_person(asked, exact, known))
    parts.append(rivals_of_counts(asked, pd.DataFrame(), None, released))
    return merge(parts, outcome=str(asked.labels["outcome"]))


def _comparison_fall(asked: Asked, released: ResultSet) -> ResultSet:
    """Set the comparison arm's released fall beside the programme's."""

    def reduction(group: str, terms: tuple[str, ...]) -> Estimate | None:
        for e in released.estimates:
            same = e.measure == "percent_reduction" and e.group == group and e.term in terms
            if same and e.estimate is not None and (group or e.contrast == CHANGE_OF_ARMS):
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


def _spread(asked: Asked, exact: ResultSet, arm: str, rules: Policy) -> ResultSet:
    """Return how far those with most before would have fallen, coarsely, if they are enough."""
    rows = [e for e in exact.estimates if e.group == arm and e.subgroup.endswith(" or more before")]
    people = [e.n for e in rows]
    if not rows or any(n is None or n < 2 * floor_of(rules) for n in people):
        return ResultSet()
    coarse = tuple(to_hundredth(e) for e in rows)
    falls = {e.measure: e for e in coarse}
    if "observed_fall" not in falls or "expected_fall" not in falls:
        return ResultSet()
    least = rows[0].subgroup.partition(" ")[0]
    text = (
        f"Of people with {least} or more events before, the rate of events fell by "
        f"{interval_words(falls['observed_fall'])}; from how far people differ before, "
        f"{interval_words(falls['expected_fall'])} was to be expected by itself."
    )
    sentence = asked.said(_RTM, text, group=arm, statistic=falls["expected_fall"].estimate)
    return ResultSet(estimates=coarse, checks=(sentence,))


def _one_person(asked: Asked, exact: ResultSet, known: dict[tuple[str, str], bool]) -> ResultSet:
    checks = []
    for c in exact.checks:
        arms = [c.group] if c.group else [arm for arm, _ in known]
        shown = all(known.get((arm, when)) for arm in arms for when in ("before", "after"))
        if c.name == "rival:one_person" and c.statistic is not None and shown:
            text = f"No one person moves the ratio of rates by {step_words(c.statistic)}."
            if c.statistic > _STEPS[-1] / 100:
                text = f"One person alone moves the ratio of rates by {step_words(c.statistic)}."
            checks.append(asked.said("one_person", text, group=c.group))
    return ResultSet(checks=tuple(checks))


def step_words(shift: float) -> str:
    """Say how far one person moves a ratio, in steps.

    Examples
    --------
    >>> [step_words(shift) for shift in (0.004, 0.03, 0.2)]
    ['1 % or more', '5 % or more', 'more than 5 %']
    """
    for step in _STEPS:
        if abs(shift) < step / 100:
            return f"{step} % or more"
    return f"more than {_STEPS[-1]} %"
