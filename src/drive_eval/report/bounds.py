"""A percentage of those measured twice never stands without its range over those who were not.

Those without a second measure may all have gone on, or none of them. The rival explanations of an
outcome give the fall for both cases; here they are looked up and put beside the percentage.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from drive_eval.errors import ResultError
from drive_eval.report.numbers import EXACT_POLICIES
from drive_eval.report.sentences import (
    fall_within_arm,
    group_phrase,
    percent_words,
    verdict_between,
    verdict_within,
)
from drive_eval.results import NOT_SHOWN, Check, Estimate, Evaluation, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Ends",
    "behaviour_names",
    "bounded_estimates",
    "ends_between",
    "ends_text",
    "ends_within",
    "guarded",
    "never_rated_sentence",
    "undone",
]

_WITHHELD = (
    "The relative change is not shown, because some people were not rated a second time and its "
    "range over what became of them may not be shown. A percentage of those rated twice never "
    "stands alone."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Ends:
    """A fall in percent, if all of those rated only at the start went on, and if none did."""

    worst: float
    best: float


def behaviour_names(evaluation: Evaluation) -> list[str]:
    """Return the results that count users of a type of abuse before and after."""
    kinds = {kind for o in evaluation.plan["outcomes"] for kind in o.get("abuse_types") or ()}
    return [
        name
        for name in evaluation.results
        if name.partition(":")[0] in kinds and name.count(":") >= 2
    ]


def _rivals(evaluation: Evaluation, name: str) -> ResultSet:
    return evaluation.results.get(f"rivals:{name}", ResultSet())


def _bound(evaluation: Evaluation, name: str, group: str, measure: str, term: str) -> float | None:
    for e in _rivals(evaluation, name).estimates:
        same = e.measure == measure and e.group == group and not e.subgroup
        if same and e.term.partition(" (")[0] == term:
            return e.estimate
    return None


def ends_within(evaluation: Evaluation, name: str, group: str) -> Ends | None:
    """Return the worst and best case of the fall in one arm; None where they are not there."""
    worst, best = (
        _bound(evaluation, name, group, "percent_reduction", f"{term} case")
        for term in ("worst", "best")
    )
    return None if worst is None or best is None else Ends(worst, best)


def ends_between(evaluation: Evaluation, name: str) -> Ends | None:
    """Return how much further the programme arm fell, one arm at worst and the other at best.

    Notes
    -----
    The quotient of the two arms' released ratios, so that it says nothing that they do not.
    """
    worst = _quotient(evaluation, name, "worst case", "best case")
    best = _quotient(evaluation, name, "best case", "worst case")
    return None if worst is None or best is None else Ends(worst, best)


def undone(evaluation: Evaluation, name: str) -> str:
    """Say what those rated only at the start could undo; empty where nothing, or nothing is known.

    A fall that is sure among those rated twice need not be one of everybody rated at the start.
    """
    result = evaluation.results[name]
    inside, between = ends_within(evaluation, name, "programme"), ends_between(evaluation, name)
    what = ""
    if verdict_within(result, "programme") == "fell" and inside is not None and inside.worst <= 0:
        what = "fall"
    elif verdict_between(result) == "fell" and between is not None and between.worst <= 0:
        what = "difference"
    return f"Those not rated again could undo the {what}." if what else ""


def _quotient(evaluation: Evaluation, name: str, programme: str, comparison: str) -> float | None:
    one = _bound(evaluation, name, "programme", "risk_ratio", programme)
    two = _bound(evaluation, name, "comparison", "risk_ratio", comparison)
    if one is None or two is None or (one == 0 and two == 0):
        return None
    return -math.inf if two == 0 else 100 * (1 - one / two)


def _may_be_missing(evaluation: Evaluation, name: str, group: str) -> bool:
    """Return whether some of an arm were measured before and not after, or may have been."""
    for table in evaluation.results[name].tables:
        if table.name == f"pairs:{group}":
            counts = {cell.key: cell.count for cell in table.cells}
            # A rounded or hidden 0 says nothing of who is missing.
            exact = evaluation.policy in EXACT_POLICIES
            return not (exact and counts.get(("missing", "only before")) == 0)
    return True


def guarded(evaluation: Evaluation) -> Evaluation:
    """Let no percentage of those measured twice pass without its range over the others.

    Parameters
    ----------
    evaluation : Evaluation
        Released.

    Returns
    -------
    Evaluation
        Where a policy keeps the range back, the percentage is kept back with it.

    Raises
    ------
    ResultError
        If nothing is kept back and the range was never worked out.
    """
    results = dict(evaluation.results)
    for name in behaviour_names(evaluation):
        found = evaluation.results[name]
        bare = []
        for arm in ARMS.codes:
            fall = fall_within_arm(found, arm)
            shown = fall is not None and fall.estimate is not None
            if (
                shown
                and _may_be_missing(evaluation, name, arm)
                and ends_within(evaluation, name, arm) is None
            ):
                bare.append(arm)
        if not bare:
            continue
        if evaluation.policy in EXACT_POLICIES:
            raise ResultError(
                f'{name}: people of the arm "{bare[0]}" were measured before and not after, and '
                f'the results have no worst and best case for them ("rivals:{name}", '
                "missing_exit_bounds). A percentage of those measured twice is not printed without "
                "them. Run the evaluation again."
            )
        results[name] = _without_percentages(found, bare)
    return dataclasses.replace(evaluation, results=results)


def _without_percentages(found: ResultSet, bare: list[str]) -> ResultSet:
    kept = tuple(
        dataclasses.replace(
            e, estimate=None, std_error=None, conf_low=None, conf_high=None, method=NOT_SHOWN
        )
        if e.measure == "percent_reduction" and e.group in (*bare, "") and _of_measured(e)
        else e
        for e in found.estimates
    )
    said = tuple(Check(name="suppressed", group=arm, text=_WITHHELD) for arm in bare)
    return dataclasses.replace(found, estimates=kept, checks=(*found.checks, *said))


def _of_measured(e: Estimate) -> bool:
    return e.term in ("users", "ratio")


def ends_text(ends: Ends | None) -> str:
    """Return both ends of a range of falls in words; empty where there is no range.

    Examples
    --------
    >>> ends_text(Ends(67.3, 85.1)), ends_text(Ends(-12, 40)), ends_text(Ends(50, 50))
    ('67% to 85% fewer', 'from 12% more to 40% fewer', '')
    """
    if ends is None or ends.worst == ends.best:
        return ""
    worst, best = ends.worst, ends.best
    if worst < 0 <= best:
        return f"from {percent_words(-worst)} more to {percent_words(best)} fewer"
    side = "fewer" if worst >= 0 else "more"
    low, high = sorted((abs(worst), abs(best)))
    return f"{percent_words(low)} to {percent_words(high)} {side}"


def never_rated_sentence(evaluation: Evaluation, labels: Mapping[str, str]) -> str:
    """Say whom no bound covers: those never rated; empty where nobody is, or it may not be said.

    The bounds are over those rated at the start alone.
    """
    flow = {
        cell.key: cell.count
        for table in evaluation.tables
        if table.name == "flow"
        for cell in table.cells
    }
    said = []
    for arm in ARMS.codes:
        never, every = flow.get((arm, "no intake measure")), flow.get((arm, "in the cohort"))
        if never and every:
            said.append(f"{never:,} of {every:,} people in the {group_phrase(arm, labels)}")
    if not said:
        return ""
    return (
        f"This leaves out {' and '.join(said)} who were never rated; nothing can be said about "
        "them."
    )


def bounded_estimates(evaluation: Evaluation, name: str, e: Estimate) -> list[tuple[str, float]]:
    """Return what must stand beneath a percentage of those measured twice: words and value."""
    if e.measure != "percent_reduction" or e.subgroup or e.estimate is None:
        return []
    if e.group:
        ends = ends_within(evaluation, name, e.group) if e.term == "users" else None
    else:
        ends = ends_between(evaluation, name) if e.term == "ratio" else None
    if ends is None or ends.worst == ends.best:
        return []
    return (
        [
            ("if all of those rated only at the start still used it", ends.worst),
            ("if none of those rated only at the start still used it", ends.best),
        ]
        if e.group
        else [
            (
                "those rated only at the start, at the programme's worst and the other's best",
                ends.worst,
            ),
            (
                "those rated only at the start, at the programme's best and the other's worst",
                ends.best,
            ),
        ]
    )
