"""By which one estimate an outcome is read: the same in tests, tables and charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.plan.outcomes import (
    BehaviourOutcome,
    ReoffendingOutcome,
    TimeToEventOutcome,
    outcome_names,
)

if TYPE_CHECKING:
    from drive_eval.plan.outcomes import Outcome
    from drive_eval.plan.sections import Plan
    from drive_eval.results import Estimate, ResultSet

__all__ = ["PRIMARY_RULE", "primary_estimate"]

#: The rule of `primary_estimate` as a reader is told it.
PRIMARY_RULE = (
    "Each outcome is read by one effect, chosen by its kind and before any result: for abuse, how "
    "the share in the one group changed, less how it changed in the other (under a matched or "
    "weighted design, the difference of the shares afterwards); for time until an event, the "
    "difference of the shares still free of it at the end of following; for any other outcome, "
    "the difference of the shares. With one group only: the change within it."
)


def primary_estimate(plan: Plan, name: str, result: ResultSet) -> Estimate | None:
    """By which estimate is an outcome read, whether or not it was declared primary?

    Parameters
    ----------
    plan : Plan
    name : str
        Under which the outcome's results are filed.
    result : ResultSet
        Exact or released: the choice is made by what an estimate is called, and never by its
        value, so that one that cannot be computed or shown does not give way to another.

    Returns
    -------
    Estimate or None
        None for what is no outcome of the plan, or has no such estimate.
    """
    outcome = next((o for o in plan.outcomes if name in outcome_names(o)), None)
    for measure, term, group in () if outcome is None else _wanted(plan, outcome):
        found = [
            e
            for e in result.estimates
            if (e.measure, e.term, e.group) == (measure, term, group) and not e.subgroup
        ]
        if found:
            return max(found, key=lambda e: e.time or 0.0)
    return None


def _wanted(plan: Plan, outcome: Outcome) -> list[tuple[str, str, str]]:
    """Return measure, term and group of what is looked for, the first that there is."""
    if plan.design.kind == "before_after":
        if isinstance(outcome, BehaviourOutcome):
            return [("risk_difference", "", "programme")]
        return [("rate_ratio", "rate", "programme")]
    main = plan.balancing[0].name if plan.balancing else ""
    if isinstance(outcome, TimeToEventOutcome | ReoffendingOutcome):
        return [("event_free_difference", main, "")]
    if isinstance(outcome, BehaviourOutcome) and not main:
        return [("difference_in_differences", "", ""), ("risk_difference", "", "")]
    return [("risk_difference", main, ""), ("risk_difference", "itt", "")]
