"""Matched and weighted comparisons as they may be released.

Their effects follow from the covariates of every case, not from counts that are shown, so they
are not worked out again: they are given to two digits, above floors, and never where the cases
that a design dropped could be told by a subtraction.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.controlled import (
    HIDDEN,
    control_table,
    empty,
    two_digits,
    without_numbers,
)
from drive_eval.evaluation.designs import (
    CONTRAST,
    CRUDE,
    adjusted_for,
    hidden_cause,
    with_term,
)
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.plan import BalancingBlock, BinaryOutcome, Plan
    from drive_eval.results import CountTable, Estimate

__all__ = ["released_balance", "released_contrasts"]

#: What the design's checks say once their numbers are left out.
_WORDS = {
    ("unmatched", False): (
        "Some programme cases were dropped, so the effect is about those that were kept."
    ),
    ("unmatched", True): "Every programme case was kept.",
    ("overlap", False): (
        "Some programme cases have a propensity score outside the range of the comparison cases: "
        "nobody like them was left without the programme."
    ),
    ("overlap", True): (
        "The propensity scores of the programme cases lie within the range of the comparison cases."
    ),
    ("parameters", False): (
        "There are few cases for each parameter of the propensity score, so it may fit chance."
    ),
    ("parameters", True): "There are enough cases for each parameter of the propensity score.",
}


def released_balance(
    plan: Plan, block: BalancingBlock, result: ResultSet, rules: Policy
) -> ResultSet:
    """What of a design's description and balance may be read by others?

    Parameters
    ----------
    plan : Plan
    block : BalancingBlock
    result : ResultSet
        From `balance_result`.
    rules : Policy

    Returns
    -------
    ResultSet
        Means and spreads to two digits and standardised differences to two decimals; nothing of
        a covariate that has few cases in one of its categories.
    """
    tables = tuple(control_table(table, rules) for table in result.tables)
    flow = tables[0]
    small = {
        c.text
        for c in result.checks
        if c.name == "covariate_cells" and (c.statistic or 0) <= rules.suppress_up_to
    }
    estimates = tuple(_rounded(e, flow, small, rules) for e in result.estimates)
    checks = [c for c in result.checks if c.name in ("design", "estimand")]
    checks[-1:-1] = [Check(name="design", text=line) for line in _counts_said(flow)]
    for check in result.checks:
        if check.name == "worst_smd":
            checks.append(_worst(check, estimates))
        elif (check.name, check.passed) in _WORDS:
            text = _WORDS[check.name, bool(check.passed)]
            checks.append(dataclasses.replace(check, statistic=None, threshold=None, text=text))
    return ResultSet(estimates=estimates, checks=tuple(checks), tables=tables)


def _rounded(e: Estimate, flow: CountTable, small: set[str], rules: Policy) -> Estimate:
    if e.measure == "ess":
        shown = flow[e.group, "all" if e.subgroup == "before" else _kept(flow)]
        if shown is None or e.estimate is None:
            return without_numbers(e)
        # Under one-to-one matching it is the count itself, so it is rounded as a count is.
        base = max(rules.round_to, 1)
        worth = min(float(shown), base * round(e.estimate / base))
        return dataclasses.replace(e, estimate=worth, n=None, n_reference=None)
    if any(e.term == name or e.term.startswith(f"{name}: ") for name in small):
        return without_numbers(e)
    value = two_digits(e.estimate)
    if e.measure == "smd" and e.estimate is not None:
        value = round(e.estimate, 2)
    return dataclasses.replace(e, estimate=value, std_error=None, n=None, n_reference=None)


def _kept(flow: CountTable) -> str:
    return next(c.key[1] for c in flow.cells if c.key[1] in ("matched", "weighted"))


def _counts_said(flow: CountTable) -> list[str]:
    lines = []
    for group in ("programme", "comparison"):
        kept, every = flow[group, _kept(flow)], flow[group, "all"]
        if kept is not None and every is not None:
            lines.append(f"{kept:,} of {every:,} {group} cases were {_kept(flow)}.")
    return lines


def _worst(check: Check, estimates: tuple[Estimate, ...]) -> Check:
    """Say how much imbalance remains among the covariates that may be shown."""
    after = [
        e
        for e in estimates
        if e.measure == "smd" and e.subgroup == "after" and e.term != "propensity score"
    ]
    known = [e for e in after if e.estimate is not None]
    if not known:
        return dataclasses.replace(check, statistic=None, text=HIDDEN)
    worst = max(known, key=lambda e: abs(e.estimate or 0.0))
    text = (
        f"The largest standardised mean difference that remains is {worst.estimate:.2f} "
        f"({worst.term}); up to {check.threshold:g} counts as balanced."
    )
    if len(known) < len(after):
        text += " Covariates with few cases in a category are not shown."
    return dataclasses.replace(check, statistic=abs(worst.estimate or 0.0), text=text)


def released_contrasts(
    plan: Plan,
    outcome: BinaryOutcome | None,
    result: ResultSet,
    crude: ResultSet | None,
    labels: Mapping[str, Any],
    rules: Policy,
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
        parts.append(_design(plan, block, result, labels, rules))
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
) -> ResultSet:
    level = plan.design.conf_level
    cells = {c.name: c for c in result.checks if c.group == block.name}
    found = [
        e
        for e in result.estimates
        if e.term in (block.name, f"{block.name} (users)") and e.measure in CONTRAST
    ]
    if not cells or all(e.estimate is None for e in found):
        text = f"{block.title}: this contrast could not be made with these data."
        rows = tuple(_blank(m, block.name, labels, level) for m in CONTRAST)
        return ResultSet(estimates=rows, checks=(Check(name="refused", passed=False, text=text),))
    smallest = cells["design_cells"].statistic or 0
    dropped = cells["dropped_cells"].statistic
    rows_left = (cells["design_rows"].statistic or 0) - 2 * (
        1 + len(adjusted_for(plan, block.name))
    )
    # Rounded counts beside it leave the dropped cases uncertain; exact counts do not.
    told = rules.round_to <= 1 and dropped is not None and dropped <= rules.suppress_up_to
    if (
        smallest <= rules.suppress_up_to
        or smallest < rules.min_events
        or rows_left < rules.min_residual_df
        or told
    ):
        text = (
            f"{block.title}: not released, because too few cases had the outcome or were without "
            "it, in the design or among those it dropped."
        )
        rows = tuple(_blank(m, block.name, labels, level) for m in CONTRAST)
        return ResultSet(estimates=rows, checks=(Check(name="below_floor", text=text),))
    return ResultSet(
        estimates=tuple(
            dataclasses.replace(
                e,
                estimate=two_digits(e.estimate),
                conf_low=two_digits(e.conf_low),
                conf_high=two_digits(e.conf_high),
                p_value=two_digits(e.p_value),
                std_error=None,
                n=None,
                n_events=None,
                n_reference=None,
                n_events_reference=None,
            )
            for e in found
        )
    )
