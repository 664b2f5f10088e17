"""What a reader must know of the people and the time before the first number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.report.sentences import group_phrase
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from drive_eval.results import Evaluation

__all__ = ["as_allocated", "facts"]


def as_allocated(evaluation: Evaluation) -> str:
    """Return whose the groups are, as a caption says it: nothing unless chance made them.

    Examples
    --------
    >>> from drive_eval.results import Evaluation
    >>> as_allocated(Evaluation(plan={"design": {"kind": "randomised"}}, plan_hash="", results={}))
    ', by group as allocated'
    """
    if evaluation.plan["design"]["kind"] != "randomised":
        return ""
    return ", by group as allocated"


def facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return what a reader should know of the people and the time before the first number.

    Parameters
    ----------
    evaluation : Evaluation
        Released.

    Returns
    -------
    list of (name, value)
        When people started, as the plan states it; the time between the measures; and whether
        the groups are those that chance made.
    """
    rows = [("People started", str(evaluation.plan["evaluation"].get("period") or "Not stated"))]
    months = _months(evaluation)
    if months:
        rows.append(("From first to second rating", months))
    if as_allocated(evaluation):
        rows.append(("Groups", "As allocated by chance, whatever people then received"))
    return rows


def _months(evaluation: Evaluation) -> str:
    result = evaluation.results.get("baseline")
    estimates = () if result is None else result.estimates
    found = {
        e.group: f"{e.estimate:.0f}"
        for e in estimates
        if e.measure == "months_between" and e.estimate is not None
    }
    if not found:
        return ""
    if len(set(found.values())) == 1:
        where = " in both groups" if len(found) > 1 else ""
        return f"{_in_months(next(iter(found.values())))}{where}, for the person in the middle"
    labels = {arm: evaluation.plan["report"][f"{arm}_label"] for arm in ARMS.codes}
    said = [f"{_in_months(n)} in the {group_phrase(arm, labels)}" for arm, n in found.items()]
    return f"{', '.join(said)}, for the person in the middle"


def _in_months(count: str) -> str:
    return f"about {count} month{'' if count == '1' else 's'}"
