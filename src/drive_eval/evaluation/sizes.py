"""How many people would be needed to tell a difference over time that is worth having."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.evaluation.controlled import two_digits
from drive_eval.models import sensitivity
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drive_eval.plan import Plan
    from drive_eval.results import Estimate

__all__ = ["people_needed"]


def people_needed(plan: Plan, estimates: Iterable[Estimate]) -> tuple[Check, ...]:
    """How many people per group would tell the smallest worthwhile difference at the horizon?

    Parameters
    ----------
    plan : Plan
    estimates : iterable of Estimate
        Of one outcome over time, exact or released; only the comparison group's share free of
        the event is looked at, so that what is said follows from it.

    Returns
    -------
    tuple of Check
        ``people_needed``: `statistic` is how many in each of two groups of one size, to two
        digits, `threshold` the difference in people of 100. None where the share is not shown,
        or no larger than the difference, and none where people are clustered. It is for
        planning, and takes everybody to be followed to the horizon.
    """
    if plan.design.unit != "person" or plan.design.kind == "before_after":
        return ()
    main = plan.balancing[0].name if plan.balancing else ""
    shares = [
        e
        for e in estimates
        if (e.measure, e.group) == ("event_free", "comparison") and e.estimate is not None
    ]
    # The main design's own share, or else that of everybody, as the report shows them.
    shares.sort(key=lambda e: (e.term == main, e.time or 0.0))
    worth = plan.sensitivity.smallest_worthwhile
    if not shares or not worth < 100 * (1 - (shares[-1].estimate or 0.0)) < 100:
        return ()
    share = 1 - (shares[-1].estimate or 0.0)
    found = sensitivity.detectable_effect(
        n=100,
        n_comparison=100,
        prevalence=share,
        worthwhile=worth / share,
        power=plan.sensitivity.power,
        conf_level=plan.design.conf_level,
    )
    needed = two_digits(found.one(measure="n_needed").estimate)
    if needed is None:
        return ()
    text = (
        f"To tell a difference of {worth:g} in every 100 with {100 * plan.sensitivity.power:g} % "
        f"power, about {needed:,.0f} people in each group would be needed."
    )
    return (Check(name="people_needed", statistic=needed, threshold=worth, text=text),)
