"""From exact results to results that may be read: controlled counts go back through the models.

An interval built on a hidden count gives the count back. So every count-based effect is worked
out again from the released counts, and a hidden count takes its effect with it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval import disclosure
from drive_eval.evaluation.behaviours import (
    AFTER,
    CHANGE,
    CHANGES,
    UNADJUSTED,
    between_arms_claim,
    denominator_results,
    largest_design_effect,
    merge,
    null_result,
    without_lone_arm,
)
from drive_eval.evaluation.binary import binary_estimates
from drive_eval.models import comparison, prepost
from drive_eval.plan import BehaviourOutcome, BinaryOutcome, Plan, outcome_names
from drive_eval.results import NOT_SHOWN, Check, CountTable, Estimate, Evaluation, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.disclosure import Policy
    from drive_eval.vocabulary import Claim

__all__ = ["hidden_reasons", "release_evaluation"]

PAIRS = ("both", "before_only", "after_only", "neither")
SHIFT = ("probability_improved", "probability_worsened", "improved_minus_worsened")
#: What is given up first when hiding small counts alone would not protect them. The four
#: kinds of pair cost least: without them an effect still follows from its margins.
PRIORITY = {"pairs": 1, "missing": 2, "before": 3, "after": 4, "change": 5, "users": 6, "all": 7}
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
#: The lines that count who has no outcome.
MISSING_LINES = ("only before", "only after", "never", "not judged")
#: What stands for the policy of a table of which nothing is released.
WITHHELD = "withheld"
EXCLUDED = Check(
    name="claim",
    passed=False,
    text="The contrast of the arms is associational: allocation was by chance, but cases were left "
    "out by the plan.",
)
CLUSTERED = (
    "Not released: people are clustered, so the result does not follow from the counts shown."
)
ADJUSTED = (
    "Not released: the contrast is adjusted for covariates, so it does not follow from the counts "
    "shown."
)
WINDOWS = (
    "The two groups are not set against each other: the time between their two measures differs by "
    "more than the plan's tolerance."
)
CANNOT = "The two groups cannot be set against each other with these data."
HIDDEN = "Too few people to publish without risking someone being recognised."


def release_evaluation(evaluation: Evaluation, policy: str) -> Evaluation:
    """What of this evaluation may be read by others?

    Parameters
    ----------
    evaluation : Evaluation
        Exact.
    policy : str
        Name of the disclosure policy.

    Returns
    -------
    Evaluation
        With ``policy`` set, controlled tables, and effects that follow from them alone.

    Raises
    ------
    DisclosureError
        If the policy does not exist, or may not be used with these data.

    Notes
    -----
    **Assumptions.** Tables of different outcomes are controlled one by one: nobody knows how
    they go together. The same ratings counted from another severity would be linked by a
    subtraction, so only the first such block of a plan is released. Where people are clustered,
    the design effect passes rounded up to a quarter and the clusters as twentieths of the
    released total. Under a policy that hides and rounds nothing, the exact results pass unchanged.
    """
    plan = Plan.model_validate(dict(evaluation.plan))
    rules = disclosure.policy(policy, public_source=plan.data.public_source)
    exact = not rules.suppress_up_to and not rules.suppress_zero and rules.round_to <= 1
    tables = tuple(_control(table, rules) for table in evaluation.tables)
    results = {}
    ratings: set[tuple[str, ...]] = set()
    for outcome in plan.outcomes:
        for name in outcome_names(outcome):
            result = evaluation.results[name]
            same = tuple(name.split(":")[:3])
            if not exact and isinstance(outcome, BehaviourOutcome) and same in ratings:
                results[name] = _second_threshold(plan, outcome, name, result)
                continue
            ratings.add(same)
            if exact:
                controlled = tuple(_control(table, rules) for table in result.tables)
                results[name] = dataclasses.replace(result, tables=controlled)
            elif isinstance(outcome, BehaviourOutcome):
                results[name] = _behaviour(plan, outcome, name, result, rules)
            elif isinstance(outcome, BinaryOutcome):
                results[name] = _binary(plan, outcome, result, rules)
            else:
                results[name] = _perceived_change(plan, outcome.reporter, result, rules)
    everything = [*tables, *(t for r in results.values() for t in r.tables)]
    hidden = sum(c.shown and c.count is None for t in everything for c in t.cells)
    shown = sum(c.shown for t in everything for c in t.cells)
    text = rules.text
    if hidden:
        text += f" {hidden} of {shown} counts are not shown. [c] stands for a hidden count."
    if not exact:
        text += (
            " Every effect and interval was worked out again from the counts shown, so none of "
            "them gives a hidden count back; intervals do not include the error of rounding."
        )
        if plan.comparison.covariates:
            text += " Contrasts adjusted for covariates are as fitted, to two digits."
    # The plan may name cases that are left out; who they are is nobody else's business.
    cohort = {**evaluation.plan["cohort"], "exclude": []}
    return dataclasses.replace(
        evaluation,
        plan={**evaluation.plan, "cohort": cohort},
        results=results,
        tables=tables,
        checks=(*evaluation.checks, Check(name="disclosure", text=text)),
        policy=rules.name,
    )


def hidden_reasons(evaluation: Evaluation, released: Evaluation) -> list[dict[str, str]]:
    """Why was each count hidden? For the restricted record only: it says which are small."""
    pairs = list(zip(evaluation.tables, released.tables, strict=True))
    found = [line for before, after in pairs for line in disclosure.record(before, after)]
    for name, result in evaluation.results.items():
        after = {table.name: table for table in released.results[name].tables}
        for table in result.tables:
            if after[table.name].policy == WITHHELD:
                found.append(
                    {"outcome": name, "table": table.name, "key": "all", "reason": "withheld whole"}
                )
            else:
                lines = disclosure.record(table, after[table.name])
                found += [{"outcome": name, **line} for line in lines]
    return found


def _control(table: CountTable, rules: Policy) -> CountTable:
    if table.name.startswith("pairs:"):
        cells = [cell.key for cell in table.cells if cell.key[0] == "pairs"]
        priority = {cell.key: PRIORITY[cell.key[0]] for cell in table.cells if cell.shown}
        return disclosure.control(table, rules, priority=priority, together=[cells])
    if table.name in ("flow", "cohort_flow"):
        # The ways out of one arm are a family, and its stages another, which goes last.
        groups = list(dict.fromkeys(cell.key[0] for cell in table.cells))
        priority = {
            cell.key: groups.index(cell.key[0]) + (len(groups) if cell.parts else 0)
            for cell in table.cells
        }
        return disclosure.control(table, rules, priority=priority)
    return disclosure.control(table, rules)


def _behaviour(
    plan: Plan, outcome: BehaviourOutcome, name: str, result: ResultSet, rules: Policy
) -> ResultSet:
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
        controlled = tables[group] = _control(table, rules)
        parts.append(ResultSet(tables=(controlled,)))
        counts, how = _pair_counts(controlled)
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
    if len(tables) == 2 and plan.design.kind != "before_after":
        parts.append(_contrasts(plan, result, tables, usable, labels, rules))
    # Checks of the exact results stay behind: their texts and statistics may hold a count. That
    # nobody of an arm was ever rated follows from the design and may be said.
    kept = tuple(c for c in result.checks if c.name == "not_rated")
    found = merge(parts, outcome=labels["outcome"])
    if len(tables) == 2 and plan.design.kind != "before_after":
        found = without_lone_arm(found)
    return dataclasses.replace(found, checks=(*found.checks, *kept))


def _second_threshold(
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
        estimates += [_empty(measure, here, plan.design.conf_level) for measure in WITHIN]
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


def _pair_counts(table: CountTable) -> tuple[dict[str, int] | None, str]:
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
        _without_numbers(e) for e in result.estimates if e.measure in ("cessation", "onset")
    )
    check = Check(
        name="pairing_hidden",
        text="Who stopped and who started is not shown; intervals take the pairing that makes "
        "them widest.",
    )
    return dataclasses.replace(
        result, estimates=kept + gone, checks=(*result.checks, check), tables=()
    )


def _without_numbers(e: Estimate) -> Estimate:
    """Return the row of an estimate that may not be shown."""
    return dataclasses.replace(
        e,
        method=NOT_SHOWN,
        estimate=None,
        std_error=None,
        conf_low=None,
        conf_high=None,
        p_value=None,
        n=None,
        n_events=None,
        n_reference=None,
        n_events_reference=None,
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
            estimates.append(_empty(measure, labels, level))
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
    estimates += [_empty(measure, labels, level) for measure in WITHIN[2:]]
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
        dataclasses.replace(_empty(m, labels, level, term), claim="associational")
        for m, term in [*CHANGE, *AFTER]
    ]


def _empty(measure: str, labels: Mapping[str, Any], level: float, term: str = "") -> Estimate:
    return Estimate(
        measure=measure, term=term, estimate=None, conf_level=level, method=NOT_SHOWN, **labels
    )


def _severity(
    table: CountTable, result: ResultSet, labels: Mapping[str, Any], level: float
) -> ResultSet:
    lines = {name: table["change", name] for name in ("improved", "same", "worsened")}
    shown = {name: count for name, count in lines.items() if count is not None}
    if len(shown) < len(lines) or not sum(shown.values()):
        check = Check(name="suppressed_change", group=str(labels["group"]), text=HIDDEN)
        return ResultSet(
            estimates=tuple(_empty(name, labels, level) for name in SHIFT), checks=(check,)
        )
    design = _design(result, str(labels["group"]), sum(shown.values()), shift=True)
    found = prepost.shift_counts(**{**shown, **design, **labels}, conf_level=level)
    return dataclasses.replace(found, tables=())


def _design(result: ResultSet, group: str, total: int, *, shift: bool) -> dict[str, Any]:
    """Return the design effects of one arm: those of the severity shift, or of the pairs."""
    sizes, _freedom = prepost.design_effects(result, group=group)
    wanted = {m: _quarter(size) for m, size in sizes.items() if (m in SHIFT) == shift}
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
    return {"design_effect": _quarter(exact["design_effect"] or 1.0), "df": clusters}


def _quarter(size: float) -> float:
    return math.ceil(4 * max(1.0, size) - 1e-9) / 4


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
    claim, check = _claim(plan, tables, rules, "referred", "measured at both")
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
        second = _model_based(plan, result, users, totals, labels, AFTER, rules)
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
            estimates=tuple(_empty(m, labels, level, t) for m, t in measures), checks=(check,)
        )
    rows = pd.concat(
        [
            _expand(
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


def _model_based(
    plan: Plan,
    result: ResultSet,
    users: Mapping[str, int],
    totals: Mapping[str, int],
    labels: Mapping[str, Any],
    measures: Sequence[tuple[str, str]],
    rules: Policy,
) -> ResultSet:
    """Release the covariate-adjusted contrast if events and residual df pass the policy's floor.

    It follows from the covariates of every person, not from the counts, so it is not worked out
    again: it is given to two digits, without its standard error, and only if no arm has few
    people with or without the outcome in any category that it is adjusted for.
    """
    level = plan.design.conf_level
    found = [
        e
        for e in result.estimates
        if not e.group and (e.measure, e.term) in measures and e.estimate is not None
    ]
    smallest = [c.statistic or 0 for c in result.checks if c.name == "covariate_cells"]
    # Twice the covariates, an intercept and the arm: as many as the model has at least.
    freedom = sum(totals.values()) - 2 * (1 + len(plan.comparison.covariates))
    if (
        not found
        or not smallest
        or min(smallest) <= rules.suppress_up_to
        or min(users.values()) < rules.min_events
        or freedom < rules.min_residual_df
    ):
        check = Check(
            name="below_floor",
            text="The adjusted contrast of the groups is not released: too few people had the "
            "outcome, or too few are in one of the categories that it is adjusted for.",
        )
        return ResultSet(
            estimates=tuple(_empty(m, labels, level, t) for m, t in measures), checks=(check,)
        )
    kept = tuple(
        dataclasses.replace(
            e,
            estimate=_two_digits(e.estimate),
            conf_low=_two_digits(e.conf_low),
            conf_high=_two_digits(e.conf_high),
            p_value=_two_digits(e.p_value),
            std_error=None,
            n=totals["programme"],
            n_events=users["programme"],
            n_reference=totals["comparison"],
            n_events_reference=users["comparison"],
        )
        for e in found
    )
    there = {(e.measure, e.term) for e in kept}
    rest = tuple(_empty(m, labels, level, t) for m, t in measures if (m, t) not in there)
    return ResultSet(estimates=kept + rest)


def _two_digits(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.2g}")


def _claim(
    plan: Plan, tables: Mapping[str, CountTable], rules: Policy, whole: str, part: str
) -> tuple[Claim, Check]:
    """Decide the claim anew from released counts, so that the word itself gives nothing away.

    Rounding may hide that a limit was passed; the claim is causal only if it would be for
    every count behind the rounded ones.
    """
    half = rules.round_to // 2 if rules.round_to > 1 else 0
    shares, worst = {}, {}
    if plan.cohort.exclude and plan.design.kind == "randomised":
        return "associational", EXCLUDED
    for group, table in tables.items():
        total, measured = _line(table, whole), _line(table, part)
        if not total or measured is None:
            text = (
                "The contrast of the arms is associational: how many outcomes are missing is not "
                "shown."
            )
            return "associational", Check(name="claim", text=text)
        shares[group] = max(0.0, 1 - measured / total)
        lines = [c.count for c in table.cells if c.key[-1] in MISSING_LINES]
        if None in lines:
            # A released total may be a sum of seven rounded cells, each off by half the base.
            most = total - measured + 14 * half
        else:
            most = sum(count + half for count in lines if count)
        worst[group] = max(0.0, most / max(most + measured - 4 * half, 1))
    claim, check = between_arms_claim(plan, shares)
    if claim == "causal" and between_arms_claim(plan, worst)[0] != "causal":
        text = (
            "The contrast of the arms is associational: as far as rounded counts show, outcomes "
            "may be missing in more than the planned share of an arm."
        )
        return "associational", dataclasses.replace(check, passed=False, text=text)
    return claim, check


def _line(table: CountTable, key: str) -> int | None:
    """Return a line by the last part of its key; the tables here name each but once."""
    return next(cell.count for cell in table.cells if cell.key[-1] == key)


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


def _expand(counts: Mapping[bool, int], group: str) -> pd.DataFrame:
    outcome = [value for value, count in counts.items() for _ in range(count)]
    return pd.DataFrame({"group": group, "outcome": outcome})


def _perceived_change(plan: Plan, reporter: str, result: ResultSet, rules: Policy) -> ResultSet:
    labels: dict[str, Any] = {
        "outcome": "perceived_change",
        "unit": plan.design.unit,
        "reporter": reporter,
    }
    level = plan.design.conf_level
    parts, usable, tables = [], {}, {}
    for table in result.tables:
        group = table.name.removeprefix("perceived_change:")
        controlled = tables[group] = _control(table, rules)
        parts.append(ResultSet(tables=(controlled,)))
        reduced, judged = controlled["reduced",], controlled["judged",]
        clustered = plan.design.unit != "person"
        if reduced is None or not judged or clustered:
            text = CLUSTERED if clustered else HIDDEN
            parts.append(
                ResultSet(
                    estimates=(_empty("share_reduced", {**labels, "group": group}, level),),
                    checks=(Check(name="suppressed", group=group, text=text),),
                )
            )
            continue
        reduced = min(reduced, judged)
        usable[group] = (reduced, judged)
        parts.append(
            prepost.proportion(
                events=reduced,
                n=judged,
                measure="share_reduced",
                conf_level=level,
                group=group,
                **labels,
            )
        )
    if len(result.tables) == 2 and plan.design.kind != "before_after":
        measures = [("risk_difference", ""), ("risk_ratio", "")]
        if len(usable) < 2:
            rows = tuple(_empty(m, labels, level, t) for m, t in measures)
            text = CLUSTERED if plan.design.unit != "person" else HIDDEN
            check = Check(name="suppressed_contrast", text=text)
            parts.append(ResultSet(estimates=rows, checks=(check,)))
        else:
            claim, check = _claim(plan, tables, rules, "all", "judged")
            if plan.comparison.covariates:
                users = {group: k for group, (k, _n) in usable.items()}
                totals = {group: n for group, (_k, n) in usable.items()}
                found = _model_based(plan, result, users, totals, labels, measures, rules)
                raised = tuple(dataclasses.replace(e, claim=claim) for e in found.estimates)
                found = dataclasses.replace(found, estimates=raised)
            else:
                found = _judged_contrast(plan, claim, usable, labels, measures)
            parts.append(dataclasses.replace(found, checks=(check, *found.checks)))
    return merge(parts, outcome="perceived_change")


def _judged_contrast(
    plan: Plan,
    claim: Claim,
    usable: Mapping[str, tuple[int, int]],
    labels: Mapping[str, Any],
    measures: Sequence[tuple[str, str]],
) -> ResultSet:
    rows = pd.concat(
        [_expand({True: k, False: n - k}, group) for group, (k, n) in usable.items()],
        ignore_index=True,
    )
    plain = {key: value for key, value in labels.items() if key != "outcome"}
    found = null_result(
        lambda: comparison.risk_contrast(
            rows,
            outcome="outcome",
            treated="group",
            conf_level=plan.design.conf_level,
            outcome_name="perceived_change",
            **plain,
        ),
        measures,
        labels,
        plan.design.conf_level,
    )
    kept = tuple(
        dataclasses.replace(e, claim=claim)
        for e in found.estimates
        if e.measure in ("risk_difference", "risk_ratio")
    )
    return dataclasses.replace(found, estimates=kept, tables=())


def _binary(plan: Plan, outcome: BinaryOutcome, result: ResultSet, rules: Policy) -> ResultSet:
    controlled = _control(result.tables[0], rules)
    cells = {c.key: c.count for c in controlled.cells if not c.parts}
    totals = {c.key: c.count for c in controlled.cells if c.parts and c.key[2] != "all"}
    # As delivered if every cell is shown, else as allocated if its totals are.
    shown = next((found for found in (cells, totals) if None not in found.values()), None)
    clustered = plan.design.unit != "person"
    adjusted = bool(plan.comparison.covariates)
    if shown is None or clustered or adjusted:
        labels = {"outcome": outcome.name, "unit": plan.design.unit, "reporter": outcome.reporter}
        measures = ("risk_treated", "risk_comparison", "risk_difference", "risk_ratio")
        text = CLUSTERED if clustered else ADJUSTED if adjusted else HIDDEN
        return ResultSet(
            estimates=tuple(_empty(m, labels, plan.design.conf_level) for m in measures),
            checks=(Check(name="suppressed", outcome=outcome.name, text=text),),
            tables=(controlled,),
        )
    rows = pd.DataFrame(
        [
            (group, group == "programme", given == "programme", word == "yes")
            for (group, given, word), count in shown.items()
            if word != "not recorded"
            for _ in range(count or 0)
        ],
        columns=["group", "assigned", "delivered", "outcome"],
    )
    if shown is totals:
        rows = rows.drop(columns=["assigned", "delivered"])
    slack = rules.round_to // 2 if rules.round_to > 1 else 0
    shares = {}
    for group in ARMS.codes:
        here = {key: c or 0 for key, c in shown.items() if key[0] == group}
        seen = sum(c for key, c in here.items() if key[2] != "not recorded")
        unseen = [c for key, c in here.items() if key[2] == "not recorded"]
        # As many missing as rounding may hide, so that no claim rests on it.
        most = sum(unseen) + 2 * slack * sum(count > 0 for count in unseen)
        if seen + most:
            shares[group] = most / (seen + most)
    if plan.cohort.exclude:
        shares = dict.fromkeys(shares, 1.0)
    found = binary_estimates(plan, outcome, rows, shares)
    if plan.cohort.exclude and plan.design.kind == "randomised":
        kept = tuple(EXCLUDED if c.name == "claim" else c for c in found.checks)
        found = dataclasses.replace(found, checks=kept)
    return dataclasses.replace(found, tables=(controlled,))
