"""Behaviours as they may be released: every effect worked out again from released counts."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.evaluation.behaviours import (
    AFTER,
    CHANGE,
    CHANGES,
    UNADJUSTED,
    denominator_results,
    largest_design_effect,
    without_lone_arm,
)
from drive_eval.evaluation.contrasts import merge, null_result
from drive_eval.evaluation.controlled import (
    HIDDEN,
    control_table,
    empty,
    expand,
    model_based,
    quarter,
    released_claim,
    without_numbers,
)
from drive_eval.evaluation.released_designs import Counts, released_contrasts
from drive_eval.models import comparison, prepost
from drive_eval.results import Check, CountTable, Estimate, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.disclosure import Policy
    from drive_eval.plan import BehaviourOutcome, Plan

__all__ = ["WITHHELD", "behaviour", "pair_counts", "second_threshold"]

PAIRS = ("both", "before_only", "after_only", "neither")
SHIFT = ("probability_improved", "probability_worsened", "improved_minus_worsened")
#: The rows of one arm.
WITHIN = (
    "prevalence_before",
    "prevalence_after",
    "risk_difference",
    "risk_ratio",
    "percent_reduction",
    "cessation",
    "onset",
)
NOBODY_TWICE = "Nobody in this group has both measures."
#: What stands for the policy of a table of which nothing is released.
WITHHELD = "withheld"
WINDOWS = (
    "The two groups are not set against each other: the time between their two measures differs by "
    "more than the plan's tolerance."
)
CANNOT = "The two groups cannot be set against each other with these data."


def behaviour(
    plan: Plan,
    outcome: BehaviourOutcome,
    name: str,
    result: ResultSet,
    rules: Policy,
    *,
    grouped: bool = False,
) -> ResultSet:
    """Control the tables of both arms and work every effect out again from them."""
    labels: dict[str, Any] = {
        "outcome": name.split(":")[0],
        "unit": plan.design.unit,
        "reporter": outcome.reporter,
        "threshold": outcome.threshold,
    }
    level = plan.design.conf_level
    parts, usable, tables = [], {}, {}
    for table in result.tables:
        group = table.name.removeprefix("pairs:")
        here = {**labels, "group": group}
        controlled = tables[group] = control_table(table, rules, grouped=grouped)
        parts.append(ResultSet(tables=(controlled,)))
        counts, how = pair_counts(controlled)
        total = sum(counts.values()) if counts is not None else 0
        if counts is None or not total:
            parts.append(_hidden_arm(controlled, result, here, level))
        else:
            usable[group] = counts
            design = _design(result, group, total, shift=False)
            found = prepost.paired_counts(**{**counts, **design, **here}, conf_level=level)
            found = dataclasses.replace(found, tables=())
            parts.append(_from_margins(found) if how == "margins" else found)
        parts.append(_severity(controlled, result, here, level))
        parts.append(
            denominator_results(
                controlled,
                labels=here,
                conf_level=level,
                widening=_coarse(result, group, total),
                counts=counts,
            )
        )
    if len(tables) == 2 and plan.balancing:
        crude = None
        if len(usable) == 2 and plan.design.unit == "person":
            crude = _risk_after(plan, usable, labels, AFTER, clustered=False)
        exact = {table.name.removeprefix("pairs:"): table for table in result.tables}
        after = Counts(shown=_used_after(tables), exact=_used_after(exact))
        parts.append(released_contrasts(plan, None, result, crude, labels, rules, counts=after))
    elif len(tables) == 2 and plan.design.kind != "before_after":
        parts.append(_contrasts(plan, result, tables, usable, labels, rules))
    # Checks of the exact results stay behind: their texts and statistics may hold a count. That
    # nobody of an arm was ever rated follows from the design and may be said.
    kept = tuple(c for c in result.checks if c.name == "not_rated")
    found = merge(parts, outcome=labels["outcome"])
    if len(tables) == 2 and plan.design.kind != "before_after":
        found = without_lone_arm(found)
    return dataclasses.replace(found, checks=(*found.checks, *kept))


def _used_after(tables: Mapping[str, CountTable]) -> dict[tuple[str, str], int | None]:
    """Return who used it after and who did not, of those with both measures."""
    found: dict[tuple[str, str], int | None] = {}
    for group, table in tables.items():
        users, measured = table["users", "after"], table["all", "measured at both"]
        hidden = users is None or measured is None
        found[group, "yes"] = users
        found[group, "no"] = None if hidden else max((measured or 0) - (users or 0), 0)
    return found


def second_threshold(
    plan: Plan, outcome: BehaviourOutcome, name: str, result: ResultSet
) -> ResultSet:
    """Withhold the same ratings counted from another severity: a subtraction would undo both."""
    labels = {
        "outcome": name.split(":")[0],
        "unit": plan.design.unit,
        "reporter": outcome.reporter,
        "threshold": outcome.threshold,
    }
    estimates, tables = [], []
    for table in result.tables:
        group = table.name.removeprefix("pairs:")
        here = {**labels, "group": group}
        estimates += [empty(measure, here, plan.design.conf_level) for measure in WITHIN]
        cells = tuple(
            dataclasses.replace(c, count=None, status="suppressed" if c.shown else "withheld")
            for c in table.cells
        )
        tables.append(dataclasses.replace(table, cells=cells, policy=WITHHELD))
    if len(tables) == 2 and plan.design.kind != "before_after":
        estimates += _no_contrast(labels, plan.design.conf_level)
    text = (
        "Not released: the same ratings are counted from another severity above, and the "
        "difference of the two would be a count of its own."
    )
    check = Check(name="second_threshold", outcome=str(labels["outcome"]), text=text)
    return ResultSet(estimates=tuple(estimates), checks=(check,), tables=tuple(tables))


def pair_counts(table: CountTable) -> tuple[dict[str, int] | None, str]:
    """Return four cells to compute with: as released, or the least favourable to the margins."""
    cells = {name: table["pairs", name] for name in PAIRS}
    shown = {name: count for name, count in cells.items() if count is not None}
    if len(shown) == len(PAIRS):
        return shown, "cells"
    total, before, after = (
        table["all", "measured at both"],
        table["users", "before"],
        table["users", "after"],
    )
    if total is None or before is None or after is None:
        return None, "hidden"
    before, after = min(before, total), min(after, total)
    both = max(0, before + after - total)
    return {
        "both": both,
        "before_only": before - both,
        "after_only": after - both,
        "neither": total - before - after + both,
    }, "margins"


def _from_margins(result: ResultSet) -> ResultSet:
    """Keep what follows from margins, and say that the pairing was taken at its widest."""
    note = "; from the margins, pairing taken at its widest because its counts are not shown"
    kept = tuple(
        dataclasses.replace(e, method=e.method.partition(";")[0] + note, p_value=None)
        for e in result.estimates
        if e.measure not in ("cessation", "onset")
    )
    gone = tuple(
        without_numbers(e) for e in result.estimates if e.measure in ("cessation", "onset")
    )
    check = Check(
        name="pairing_hidden",
        text="Who stopped and who started is not shown; intervals take the pairing that makes "
        "them widest.",
    )
    return dataclasses.replace(
        result, estimates=kept + gone, checks=(*result.checks, check), tables=()
    )


def _hidden_arm(
    table: CountTable, result: ResultSet, labels: Mapping[str, Any], level: float
) -> ResultSet:
    """Return the rows of an arm whose users before or after are hidden; shares that pass stay."""
    total = table["all", "measured at both"]
    estimates = []
    for measure, when in (("prevalence_before", "before"), ("prevalence_after", "after")):
        users = table["users", when]
        if users is None or not total:
            estimates.append(empty(measure, labels, level))
            continue
        share = prepost.proportion(
            events=min(users, total),
            n=total,
            measure=measure,
            conf_level=level,
            **_coarse(result, str(labels["group"]), total),
            **labels,
        )
        estimates += share.estimates
    estimates += [empty(measure, labels, level) for measure in WITHIN[2:]]
    if total == 0:
        # Zero is shown: nobody was measured twice, which is another reason than too few.
        rows = tuple(dataclasses.replace(e, method="") for e in estimates)
        check = Check(name="undefined", group=str(labels["group"]), text=NOBODY_TWICE)
        return ResultSet(estimates=rows, checks=(check,))
    check = Check(name="suppressed", group=str(labels["group"]), text=HIDDEN)
    return ResultSet(estimates=tuple(estimates), checks=(check,))


def _no_contrast(labels: Mapping[str, Any], level: float) -> list[Estimate]:
    """Return the rows of the contrasts, none of them shown."""
    return [
        dataclasses.replace(empty(m, labels, level, term), claim="associational")
        for m, term in [*CHANGE, *AFTER]
    ]


def _severity(
    table: CountTable, result: ResultSet, labels: Mapping[str, Any], level: float
) -> ResultSet:
    lines = {name: table["change", name] for name in ("improved", "same", "worsened")}
    shown = {name: count for name, count in lines.items() if count is not None}
    if len(shown) < len(lines) or not sum(shown.values()):
        check = Check(name="suppressed_change", group=str(labels["group"]), text=HIDDEN)
        return ResultSet(
            estimates=tuple(empty(name, labels, level) for name in SHIFT), checks=(check,)
        )
    design = _design(result, str(labels["group"]), sum(shown.values()), shift=True)
    found = prepost.shift_counts(**{**shown, **design, **labels}, conf_level=level)
    return dataclasses.replace(found, tables=())


def _design(result: ResultSet, group: str, total: int, *, shift: bool) -> dict[str, Any]:
    """Return the design effects of one arm: those of the severity shift, or of the pairs."""
    sizes, _freedom = prepost.design_effects(result, group=group)
    wanted = {m: quarter(size) for m, size in sizes.items() if (m in SHIFT) == shift}
    if not wanted:
        return {}
    # Clusters of one domain, such as those who stopped, would tell how many are in it.
    df = _coarse(result, group, total)["df"]
    return {"design_effect": wanted, "df": dict.fromkeys(wanted, df)}


def _coarse(result: ResultSet, group: str, total: int) -> dict[str, Any]:
    """Return an arm's design effect rounded up to a quarter, and clusters for a released total.

    Exact ones depend on rows, and could be solved for a count that is not shown: clusters are
    given as twentieths of the released total, rounded down.
    """
    exact = largest_design_effect(result, group)
    clusters = None
    if exact["df"] is not None:
        people = result.one(measure="prevalence_before", group=group, subgroup="").n or 1
        share = math.floor(20 * min(1.0, (exact["df"] + 1) / people) + 1e-9) / 20
        clusters = max(math.floor(share * total) - 1, 1)
    return {"design_effect": quarter(exact["design_effect"] or 1.0), "df": clusters}


def _contrasts(
    plan: Plan,
    result: ResultSet,
    tables: Mapping[str, CountTable],
    usable: Mapping[str, dict[str, int]],
    labels: Mapping[str, Any],
    rules: Policy,
) -> ResultSet:
    level = plan.design.conf_level
    refused = [c for c in result.checks if c.name == "refused" and c.text.startswith(CHANGES)]
    if len(usable) < 2 or refused:
        # The exact refusal may hold a count, so its reason is told in words of our own.
        windows = any("tolerance" in c.text for c in refused)
        text = WINDOWS if windows else CANNOT if refused else HIDDEN
        check = Check(name="suppressed_contrast", passed=False if refused else None, text=text)
        return ResultSet(estimates=tuple(_no_contrast(labels, level)), checks=(check,))
    claim, check = released_claim(plan, tables, rules, "referred", "measured at both")
    widening = [_coarse(result, group, sum(usable[group].values())) for group in ARMS.codes]
    clusters = [wide["df"] + 1 for wide in widening if wide["df"] is not None]
    change = null_result(
        lambda: comparison.difference_in_differences(
            _long(usable),
            outcome="used",
            treated="group",
            period="period",
            before="before",
            after="after",
            person="unit_id",
            conf_level=level,
            reporter="reporter",
            # The difference stands even where nobody of an arm used it before.
            scale="risk_difference",
            design_effect=(widening[0]["design_effect"], widening[1]["design_effect"]),
            df=max(sum(clusters) - 4, 1) if clusters else None,
            outcome_name=str(labels["outcome"]),
            unit=str(labels["unit"]),
            threshold=str(labels["threshold"]),
        ),
        CHANGE,
        labels,
        level,
    )
    change = dataclasses.replace(
        change,
        estimates=tuple(
            dataclasses.replace(e, reporter=str(labels["reporter"])) for e in change.estimates
        ),
        checks=tuple(c for c in change.checks if c.name not in ("one_reporter", "clusters")),
    )
    if plan.comparison.covariates:
        users = {g: c["both"] + c["after_only"] for g, c in usable.items()}
        totals = {g: sum(c.values()) for g, c in usable.items()}
        second = model_based(plan, result, users, totals, labels, AFTER, rules)
    else:
        second = _risk_after(plan, usable, labels, AFTER, clustered=bool(clusters))
    both = merge([change, second], outcome=str(labels["outcome"]))
    kept = tuple(
        dataclasses.replace(e, claim=claim) if e.estimate is not None else e
        for e in both.estimates
        if not e.group and e.measure not in ("risk_treated", "risk_comparison")
    )
    checks = (check, *both.checks, *[c for c in result.checks if c.name == "windows"])
    checks = tuple(
        dataclasses.replace(c, statistic=None) if c.name == "windows" else c for c in checks
    )
    assumptions = both.assumptions
    if plan.comparison.covariates:
        assumptions = (*assumptions, UNADJUSTED)
    return dataclasses.replace(
        both, estimates=kept, checks=checks, tables=(), assumptions=assumptions
    )


def _risk_after(
    plan: Plan,
    usable: Mapping[str, dict[str, int]],
    labels: Mapping[str, Any],
    measures: Sequence[tuple[str, str]],
    *,
    clustered: bool,
) -> ResultSet:
    level = plan.design.conf_level
    if clustered:
        check = Check(
            name="not_recomputed",
            text="The share after between the groups is not released: people are clustered, so it "
            "does not follow from the counts shown.",
        )
        return ResultSet(
            estimates=tuple(empty(m, labels, level, t) for m, t in measures), checks=(check,)
        )
    rows = pd.concat(
        [
            expand(
                {True: c["both"] + c["after_only"], False: c["before_only"] + c["neither"]}, group
            )
            for group, c in usable.items()
        ],
        ignore_index=True,
    )
    plain = {key: value for key, value in labels.items() if key != "outcome"}
    return null_result(
        lambda: comparison.risk_contrast(
            rows,
            outcome="outcome",
            treated="group",
            conf_level=level,
            outcome_name=str(labels["outcome"]),
            contrast="programme v comparison, after",
            **plain,
        ),
        measures,
        labels,
        level,
    )


def _long(usable: Mapping[str, dict[str, int]]) -> pd.DataFrame:
    """Write released counts as one row per person and period, as the contrast takes them."""
    used = {
        "both": (True, True),
        "before_only": (True, False),
        "after_only": (False, True),
        "neither": (False, False),
    }
    rows = [
        (f"{group}{cell}{i}", group, before, after)
        for group, counts in usable.items()
        for cell, (before, after) in used.items()
        for i in range(counts[cell])
    ]
    wide = pd.DataFrame(rows, columns=["unit_id", "group", "before", "after"])
    long = wide.melt(id_vars=["unit_id", "group"], var_name="period", value_name="used")
    return long.assign(reporter="released")
