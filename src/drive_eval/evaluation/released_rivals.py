"""Rival explanations as they may be released: asked again of released counts, or coarse.

What follows from counts is worked out again, by the very functions that worked it out, from the
counts that are released; with it goes its sentence. What a model made of every person's
covariates is given to the hundredth. Two results whose difference is a site's or a kind of
people's own are given to the hundredth, and only where each of them has enough people. Whatever
is not put together here has no number in the release.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.controlled import without_numbers
from drive_eval.evaluation.released_rival_arms import released_arms_of
from drive_eval.evaluation.released_rival_contrasts import (
    released_between,
    released_binary,
)
from drive_eval.evaluation.released_rival_counts import released_counts
from drive_eval.evaluation.rival_contrasts import rivals_of_designs
from drive_eval.evaluation.rival_question import Asked
from drive_eval.evaluation.row_order import coarse_row_orders
from drive_eval.plan import BehaviourOutcome, BinaryOutcome, outcome_names
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    from drive_eval.disclosure import Policy
    from drive_eval.plan import Plan
    from drive_eval.results import Estimate

__all__ = ["release_rivals"]

_PREFIX = "rival:"
#: What is there only where somebody is missing, which may not be known.
_OF_MISSING = ("tipping_point", "share_observed")
_MODELLED = ("imputed", "weighted")
_NOT_SHOWN = "Not shown: too few people, or it would give a hidden count back."


def release_rivals(
    plan: Plan,
    name: str,
    exact: ResultSet,
    main: ResultSet,
    released: ResultSet,
    rules: Policy,
) -> ResultSet:
    """What of an outcome's rival explanations may be read by others?

    Parameters
    ----------
    plan : Plan
    name : str
        Of the outcome.
    exact : ResultSet
        Its rival explanations.
    main : ResultSet
        What the evaluation found of the outcome, exact.
    released : ResultSet
        The same as it is released.
    rules : Policy
        One that hides or rounds.

    Returns
    -------
    ResultSet
        Estimates of `exact` in their order, with numbers where they may be shown; rows that
        would say by being there how few are missing, or name a small site, are left out. Each
        Check ``rival:<what>`` says its sentence from released numbers, or that it is not shown.
    """
    outcome = next(o for o in plan.outcomes if name in outcome_names(o))
    behaviour = isinstance(outcome, BehaviourOutcome)
    labels: dict[str, Any] = {
        "outcome": name.split(":")[0] if behaviour else name,
        "unit": plan.design.unit,
        "reporter": getattr(outcome, "reporter", ""),
    }
    if isinstance(outcome, BehaviourOutcome):
        labels["threshold"] = outcome.threshold
    # Released counts know of no clusters: they are asked of as people, and lose their intervals.
    design = plan.design.model_copy(update={"unit": "person"})
    asked = Asked(plan=plan.model_copy(update={"design": design}), name=name, labels=labels)
    parts: list[ResultSet] = []
    if isinstance(outcome, BehaviourOutcome):
        arms = released_arms_of(asked, outcome, plan, exact, main, released, rules)
        parts += [arm.found for arm in arms.values()]
        if plan.balancing and len(arms) == 2:
            parts.append(rivals_of_designs(asked, released, plan.balancing[0].name))
        elif plan.design.kind != "before_after" and len(arms) == 2:
            parts.append(released_between(asked, plan, arms, exact, released, rules))
    elif isinstance(outcome, BinaryOutcome):
        if plan.balancing:
            parts.append(rivals_of_designs(asked, released, plan.balancing[0].name))
            parts.append(ResultSet(checks=coarse_row_orders(exact.checks)))
        else:
            parts.append(released_binary(asked, plan, exact, main, released, rules))
    else:
        parts.append(released_counts(asked, plan, exact, main, released, rules))
    return _onto(exact, merge(parts, outcome=str(labels["outcome"])))


def _onto(exact: ResultSet, found: ResultSet) -> ResultSet:
    """Return what was found in the order of the exact results; all else loses its numbers."""
    made = {_key(e): e for e in found.estimates}
    estimates = []
    for e in exact.estimates:
        new = made.pop(_key(e), None)
        if new is not None:
            estimates.append(_plain(new))
        elif not _tells(e):
            estimates.append(without_numbers(e))
    estimates += [_plain(e) for e in made.values()]
    said = defaultdict(list)
    for c in found.checks:
        if c.name.startswith(_PREFIX):
            said[c.name, c.group].append(c)
    checks: list[Check] = []
    for c in exact.checks:
        if not c.name.startswith(_PREFIX):
            continue
        here = said.get((c.name, c.group), [])
        checks.append(
            here.pop(0)
            if here
            else Check(name=c.name, outcome=c.outcome, group=c.group, text=_NOT_SHOWN)
        )
    checks += [c for rest in said.values() for c in rest]
    checks += [c for c in found.checks if not c.name.startswith(_PREFIX)]
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=tuple(a for a in exact.assumptions if not any(c.isdigit() for c in a)),
    )


def _key(e: Estimate) -> tuple[str, ...]:
    return (e.measure, e.term, e.contrast, e.group, e.subgroup)


def _tells(e: Estimate) -> bool:
    """Tell whether a row says by being there that somebody is missing, or names few people."""
    return (
        e.measure in _OF_MISSING
        or e.term.startswith(_MODELLED)
        or bool(e.subgroup)
        or (" v " in e.term)
    )


def _plain(e: Estimate) -> Estimate:
    """Drop what nobody reads, and a reader could solve for a count."""
    return dataclasses.replace(e, std_error=None, p_value=None)
