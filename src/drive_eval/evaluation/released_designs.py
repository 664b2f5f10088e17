"""Effects of matched and weighted comparisons as they may be released."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.controlled import HIDDEN, empty, too_rare
from drive_eval.evaluation.designs import CONTRAST, CRUDE, adjusted_for, hidden_cause, with_term
from drive_eval.evaluation.released_arms import Arm, few, linked, released_arm, sized
from drive_eval.evaluation.released_effects import effects
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.plan import BalancingBlock, BinaryOutcome, Plan
    from drive_eval.results import Estimate

__all__ = ["Counts", "released_contrasts"]

_RISKS = {"risk_treated": "programme", "risk_comparison": "comparison"}
_MEASURES = {group: measure for measure, group in _RISKS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many of all cases had the outcome, and how many had not.

    Attributes
    ----------
    shown : mapping of (group, "yes" or "no") to int or None
        As released; None where it is hidden.
    exact : mapping of (group, "yes" or "no") to int or None
    """

    shown: Mapping[tuple[str, str], int | None]
    exact: Mapping[tuple[str, str], int | None]


def released_contrasts(
    plan: Plan,
    outcome: BinaryOutcome | None,
    result: ResultSet,
    crude: ResultSet | None,
    labels: Mapping[str, Any],
    rules: Policy,
    *,
    counts: Counts,
) -> ResultSet:
    """What of the contrasts of an outcome, crude and by design, may be read by others?

    Parameters
    ----------
    plan : Plan
    outcome : BinaryOutcome or None
        None for a behaviour or a judgement.
    result : ResultSet
        Exact.
    crude : ResultSet or None
        The crude contrast worked out again from released counts; None where they are hidden.
    labels : mapping
        Of the outcome.
    rules : Policy
    counts : Counts
        Of all cases with the outcome known.

    Returns
    -------
    ResultSet
    """
    level = plan.design.conf_level
    parts = []
    if crude is None:
        check = Check(name="suppressed_contrast", text=HIDDEN)
        rows = tuple(_blank(m, CRUDE, labels, level) for m in CONTRAST)
        parts.append(ResultSet(estimates=rows, checks=(check,)))
    else:
        shown = tuple(e for e in crude.estimates if e.measure in CONTRAST)
        bare = dataclasses.replace(crude, estimates=shown, checks=(), assumptions=())
        parts.append(with_term(bare, CRUDE))
    for block in plan.balancing:
        parts.append(_design(plan, block, result, labels, rules, counts))
    found = merge(parts, outcome=str(labels["outcome"]))
    main = plan.balancing[0].name
    hidden = hidden_cause(outcome, found, main)
    kept = tuple(c for c in result.checks if c.name in ("estimand", "claim"))
    kept = tuple(
        dataclasses.replace(c, statistic=None, threshold=None) if c.name == "claim" else c
        for c in kept
    )
    return dataclasses.replace(
        merge([found, hidden], outcome=str(labels["outcome"])),
        checks=(*kept, *found.checks, *hidden.checks),
        assumptions=result.assumptions,
    )


def _blank(measure: str, term: str, labels: Mapping[str, Any], level: float) -> Estimate:
    name = f"{term} (users)" if measure == "percent_reduction" else term
    return dataclasses.replace(empty(measure, labels, level, name), claim="associational")


def _design(
    plan: Plan,
    block: BalancingBlock,
    result: ResultSet,
    labels: Mapping[str, Any],
    rules: Policy,
    counts: Counts,
) -> ResultSet:
    found = {
        e.measure: e
        for e in result.estimates
        if e.term in (block.name, f"{block.name} (users)") and e.measure in CONTRAST
    }
    if not found or any(found[m].estimate is None for m in _RISKS):
        return _not_given(plan, block, labels, "refused", "could not be made with these data.")
    arms = _arms(block, found, counts, rules)
    rare = [
        c.text
        for c in result.checks
        if c.name == "design_cells"
        and c.group == block.name
        and c.statistic is not None
        and c.statistic <= rules.suppress_up_to
    ]
    parameters = 2 * (1 + len(adjusted_for(plan, block.name)))
    if (
        arms is None
        or rare
        or sum(arm.n for arm in arms.values()) - parameters < rules.min_residual_df
    ):
        text = (
            "not released, because too few cases had the outcome or were without it, in the "
            "design or in one of few categories."
        )
        if arms is not None and any(rare):
            text = f"not released, because {too_rare(rare[0])}"
        return _not_given(plan, block, labels, "suppressed", text)
    return ResultSet(estimates=effects(found, arms))


def _not_given(
    plan: Plan, block: BalancingBlock, labels: Mapping[str, Any], name: str, text: str
) -> ResultSet:
    """Return every row of a design empty, with the reason; that of the main design goes first."""
    rows = tuple(_blank(m, block.name, labels, plan.design.conf_level) for m in CONTRAST)
    group = "" if block == plan.balancing[0] else block.name
    passed = False if name == "refused" else None
    check = Check(name=name, group=group, passed=passed, text=f"{block.title}: {text}")
    return ResultSet(estimates=rows, checks=(check,))


def _arms(
    block: BalancingBlock, found: Mapping[str, Estimate], counts: Counts, rules: Policy
) -> dict[str, Arm] | None:
    """Return both arms of a design as they may be known; None where one may not be."""
    arms: dict[str, Arm] = {}
    lost = {}
    for measure, group in _RISKS.items():
        e = found[measure]
        yes, n = e.n_events or 0, e.n or 0
        every = (counts.exact[group, "yes"] or 0, counts.exact[group, "no"] or 0)
        arm = released_arm(
            risk=e.estimate or 0.0,
            kept=(yes, n - yes),
            every=every,
            shown=(counts.shown[group, "yes"], counts.shown[group, "no"]),
            rules=rules,
        )
        if arm is None:
            return None
        arms[group], lost[group] = arm, sum(every) - n
    if block.method == "nearest":
        for group, other in (("programme", "comparison"), ("comparison", "programme")):
            ratio = block.ratio if group == "comparison" else 1
            whole = arms[other].exact_n + lost[other]
            tied = lost[other] and few(lost[other], rules) and not few(lost[group], rules)
            if tied and linked(arms[group].exact_n, whole, ratio, rules):
                risk = found[_MEASURES[group]].estimate or 0.0
                again = sized(arms[group], risk, ratio * arms[other].n, rules)
                if again is None:
                    return None
                arms[group] = again
    return arms
