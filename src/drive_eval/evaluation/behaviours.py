"""Behaviours before and after, in each arm and between the arms, and perceived change in risk."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.data.people import people_behind
from drive_eval.errors import DesignError
from drive_eval.evaluation.contrasts import (
    between_arms_claim,
    merge,
    missing_share,
    null_result,
    refused_rows,
    smallest_cell,
)
from drive_eval.evaluation.designs import (
    design_contrasts,
    hidden_cause,
    no_contrasts,
    pair_bounds,
)
from drive_eval.measures.case_table import behaviour_rows, perceived_change_rows
from drive_eval.models import comparison, prepost
from drive_eval.plan import outcome_names
from drive_eval.results import NOT_SHOWN, Check, CountTable, Estimate, ResultSet
from drive_eval.vocabulary import ARMS, PERCEIVED_CHANGES, SEVERITY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drive_eval.evaluation.designs import Design
    from drive_eval.plan import BehaviourOutcome, PerceivedChangeOutcome, Plan

    Key = tuple[str, ...]

#: What the contrast of shares after reports.
AFTER = [
    ("risk_difference", ""),
    ("risk_ratio", ""),
    ("percent_reduction", "users"),
    ("odds_ratio", ""),
]
#: What the contrast of the changes reports.
CHANGE = [
    ("ratio_of_ratios", ""),
    ("percent_reduction", "ratio"),
    ("difference_in_differences", ""),
]
NOBODY_JUDGED = "Nobody in this group was judged."
BOTH_NEEDED = (
    "nobody of one group has both measures, so there is nothing to set against each other."
)
NO_JUDGEMENTS = "nobody of one group was judged, so there is nothing to set against each other."
#: What a refusal of the main contrast begins with.
CHANGES = "The changes of the two groups compared"
UNADJUSTED = (
    "The comparison of the two changes is not adjusted for covariates; that of the shares after is."
)
#: Least share of an arm's pairs with dates for the time between measures to be compared.
LEAST_DATED = 0.5

__all__ = [
    "AFTER",
    "CHANGE",
    "CHANGES",
    "UNADJUSTED",
    "denominator_results",
    "evaluate_behaviours",
    "evaluate_perceived_change",
    "largest_design_effect",
    "long_rows",
    "pair_table",
    "without_lone_arm",
]


def evaluate_behaviours(
    plan: Plan,
    outcome: BehaviourOutcome,
    units: pd.DataFrame,
    assessments: pd.DataFrame,
    advance: Callable[[str], None],
    excluded: Mapping[str, int],
    designs: Mapping[str, Design] | None = None,
) -> dict[str, ResultSet]:
    """Did each abuse type fall in each arm, and by how much more than in the comparison arm?

    Parameters
    ----------
    plan : Plan
    outcome : BehaviourOutcome
        The block of the plan.
    units : DataFrame
        From `cohort_units`.
    assessments : DataFrame
        Ratings.
    advance : callable
        Told the name of each finished outcome.
    excluded : mapping of arm to int
        Cases that the plan leaves out; they count as missing.
    designs : mapping of name to Matched or Weighted, optional
        From `make_designs`, where the plan has matched or weighted comparisons. The use after is
        then set against each other, and no change against another change.

    Returns
    -------
    dict of str to ResultSet
        By outcome name.
    """
    found = {}
    for name, abuse_type in zip(outcome_names(outcome), outcome.abuse_types, strict=True):
        rows = behaviour_rows(
            units,
            assessments,
            abuse_type=abuse_type,
            reporter=outcome.reporter,
            before=outcome.before,
            after=outcome.after,
            threshold=outcome.threshold,
        )
        found[name] = _one_behaviour(plan, outcome, abuse_type, rows, excluded, designs or {})
        advance(name)
    return found


def _one_behaviour(
    plan: Plan,
    outcome: BehaviourOutcome,
    abuse_type: str,
    rows: pd.DataFrame,
    excluded: Mapping[str, int],
    designs: Mapping[str, Design],
) -> ResultSet:
    labels: dict[str, Any] = {
        "outcome": abuse_type,
        "unit": plan.design.unit,
        "reporter": outcome.reporter,
        "threshold": outcome.threshold,
    }
    level = plan.design.conf_level
    cluster = "perpetrator_id" if plan.design.unit != "person" else None
    parts: list[ResultSet] = []
    measured: dict[str, pd.DataFrame] = {}
    for group in [arm for arm in ARMS.codes if (rows["group"] == arm).any()]:
        arm = rows[rows["group"] == group]
        pairs = arm.dropna(subset=["used_before", "used_after"])
        # Usual care has no case manager: who of the comparison arm has one got the programme.
        by_design = outcome.reporter == "case_manager" and group == "comparison"
        if by_design or arm[["used_before", "used_after"]].isna().all(axis=None):
            text = f"Nobody in the {group} arm was rated by this reporter."
            if by_design:
                text = "The comparison arm has no case manager, so it has no such ratings."
            parts.append(ResultSet(checks=(Check(name="not_rated", group=group, text=text),)))
            continue
        tables = (
            pair_table(
                arm,
                group=group,
                threshold=outcome.threshold,
                unit=plan.design.unit,
                first=outcome.before,
            ),
        )
        here = {**labels, "group": group}
        parts.append(_lost_contact(arm, group=group))
        parts.append(_missing_cells(plan, arm, group=group))
        if pairs.empty:
            parts.append(ResultSet(tables=tables))
            parts.append(_never_measured(here, outcome, level))
            continue
        measured[group] = pairs
        change = prepost.paired_change(
            pairs.assign(
                used_before=pairs["used_before"].astype(bool),
                used_after=pairs["used_after"].astype(bool),
            ),
            before="used_before",
            after="used_after",
            cluster=cluster,
            conf_level=level,
            **here,
        )
        parts.append(_labelled(change, group, tables))
        shift = prepost.severity_shift(
            pairs,
            before="before",
            after="after",
            levels=SEVERITY.codes,
            cluster=cluster,
            conf_level=level,
            **here,
        )
        parts.append(_labelled(shift, group, ()))
        widening = largest_design_effect(change)
        parts.append(
            denominator_results(tables[0], labels=here, conf_level=level, widening=widening)
        )
    if designs and len(parts) > 1:
        parts.append(_by_design(plan, rows, measured, labels, excluded, designs))
        return without_lone_arm(merge(parts, outcome=abuse_type))
    if len(measured) == 2 and plan.design.kind != "before_after":
        parts.append(_contrasts(plan, rows, measured, labels, cluster, excluded))
        return without_lone_arm(merge(parts, outcome=abuse_type))
    rated = sum(len(part.tables) for part in parts)
    if rated == 2 and plan.design.kind != "before_after":
        check = Check(name="refused", passed=False, text=f"{CHANGES}: {BOTH_NEEDED}")
        none = refused_rows([*CHANGE, *AFTER], labels, level)
        parts.append(dataclasses.replace(none, checks=(check,)))
    return merge(parts, outcome=abuse_type)


def _by_design(
    plan: Plan,
    rows: pd.DataFrame,
    measured: Mapping[str, pd.DataFrame],
    labels: Mapping[str, Any],
    excluded: Mapping[str, int],
    designs: Mapping[str, Design],
) -> ResultSet:
    """Set the use after of those with both measures against each other, in each design."""
    if len(measured) < 2:
        return no_contrasts(plan, designs, labels, BOTH_NEEDED)
    shares = {
        group: missing_share(len(pairs), int((rows["group"] == group).sum()), excluded, group)
        for group, pairs in measured.items()
    }
    _claim, check = between_arms_claim(plan, shares)
    both = rows["used_before"].notna() & rows["used_after"].notna()
    rows = rows.assign(used_after=rows["used_after"].where(both))
    found = design_contrasts(
        plan,
        designs,
        rows,
        column="used_after",
        labels=labels,
        contrast="programme v comparison, after",
    )
    hidden = hidden_cause(None, found, next(iter(designs)))
    bounds = pair_bounds(plan, designs, rows["used_after"], labels)
    return merge(
        [ResultSet(checks=(check,)), found, hidden, bounds], outcome=str(labels["outcome"])
    )


def without_lone_arm(result: ResultSet) -> ResultSet:
    """Drop the sentence that there is no comparison group, where one stands beside."""
    kept = tuple(a for a in result.assumptions if not a.startswith("There is no comparison group"))
    return dataclasses.replace(result, assumptions=kept)


def pair_table(
    arm: pd.DataFrame, *, group: str, threshold: str, unit: str, first: str = "intake"
) -> CountTable:
    """Count the transitions of severity, every margin that a report shows, and who is missing.

    All of it stands in one table, because disclosure control must see together what a reader
    can set side by side. The sixteen transitions are atoms that carry the structure and are
    not shown; the lines shown are the four kinds of pair, the users before and after, the
    severity levels before and after, who improved, stayed or worsened, who was not measured
    when, and how many of those who were not seen again had used it before: bounds on a fall
    hang on these.
    """
    levels = SEVERITY.codes
    limit = SEVERITY.rank(threshold)
    before, after = arm["used_before"].notna(), arm["used_after"].notna()
    pairs = arm[before & after]
    grid = pd.crosstab(pairs["before"].cat.codes, pairs["after"].cat.codes)
    moves = grid.reindex(index=range(len(levels)), columns=range(len(levels)), fill_value=0)
    counts: dict[Key, int] = {
        ("transition", f"{a} > {b}"): int(moves.to_numpy()[i, j])
        for i, a in enumerate(levels)
        for j, b in enumerate(levels)
    }
    gone = arm.loc[before & ~after, "used_before"].astype(bool)
    lost: dict[Key, int] = {
        ("lost", "used before"): int(gone.sum()),
        ("lost", "not used before"): int((~gone).sum()),
    }
    unseen: dict[Key, int] = {
        ("missing", "only after"): int((~before & after).sum()),
        ("missing", "never"): int((~before & ~after).sum()),
    }

    moved = arm["before"].astype(str) + " > " + arm["after"].astype(str)
    atoms: list[Key] = []
    for first_seen, again, move, used in zip(
        before, after, moved, arm["used_before"].fillna(value=False).astype(bool), strict=True
    ):
        if first_seen and again:
            atoms.append(("transition", move))
        elif first_seen:
            atoms.append(("lost", "used before" if used else "not used before"))
        else:
            atoms.append(("missing", "only after" if again else "never"))

    def where(test: Callable[[int, int], bool]) -> list[Key]:
        return [
            ("transition", f"{levels[i]} > {levels[j]}")
            for i in range(len(levels))
            for j in range(len(levels))
            if test(i, j)
        ]

    totals: dict[Key, Sequence[Key]] = {
        ("all", "measured at both"): list(counts),
        ("all", f"measured at {first}"): [*counts, *lost],
        ("all", "referred"): [*counts, *lost, *unseen],
        ("missing", "only before"): list(lost),
        ("users", "before"): where(lambda i, _j: i >= limit),
        ("users", "after"): where(lambda _i, j: j >= limit),
        ("pairs", "both"): where(lambda i, j: i >= limit and j >= limit),
        ("pairs", "before_only"): where(lambda i, j: i >= limit > j),
        ("pairs", "after_only"): where(lambda i, j: j >= limit > i),
        ("pairs", "neither"): where(lambda i, j: i < limit and j < limit),
        ("change", "improved"): where(lambda i, j: j < i),
        ("change", "same"): where(lambda i, j: j == i),
        ("change", "worsened"): where(lambda i, j: j > i),
    }
    for code in levels:
        totals["before", code] = [("transition", f"{code} > {other}") for other in levels]
    for code in levels:
        totals["after", code] = [("transition", f"{other} > {code}") for other in levels]
    return CountTable.from_counts(
        name=f"pairs:{group}",
        title=f"Before and after, {group} arm",
        unit=unit,
        dimensions=("part", "level"),
        counts={**counts, **lost, **unseen},
        totals=totals,
        hidden=counts,
        people=people_behind(arm, atoms, totals),
    )


def largest_design_effect(result: ResultSet, group: str = "") -> dict[str, float | None]:
    """Return the largest design effect of one arm over all its pairs, and its degrees of freedom.

    It serves where a share has no design effect of its own; never below 1, so that no interval
    gets narrower by borrowing it. Who stopped and who started have other people behind them,
    so their effects do not speak for the arm.
    """
    sizes, freedom = prepost.design_effects(result, group=group)
    whole = ("prevalence_before", "prevalence_after", "risk_difference")
    return {
        "design_effect": max([1.0, *[sizes[m] for m in whole if m in sizes]]),
        "df": freedom.get("risk_difference"),
    }


def denominator_results(
    table: CountTable,
    *,
    labels: Mapping[str, Any],
    conf_level: float,
    widening: Mapping[str, float | None],
    counts: Mapping[str, int] | None = None,
) -> ResultSet:
    """Net change, stopping and starting per person of each of three denominators.

    People without the second measure count as unchanged, so the wider denominators show what
    is *known* to have changed among everybody who might have. Where people are clustered, the
    intervals take the largest design effect of the arm. Without the four kinds of pair, the
    net change follows from `counts` that fit the margins, and who stopped or started is not
    shown.
    """
    cells = {name: table["pairs", name] for name in ("both", "before_only", "after_only")}
    moves_shown = None not in cells.values()
    if not moves_shown and counts is not None:
        cells = {name: counts[name] for name in cells}
    known: dict[str, Any] = {name: count for name, count in cells.items() if count is not None}
    users_measured = sum(known.values())
    about: dict[str, Any] = {**labels, **widening, "conf_level": conf_level}
    estimates: list[Estimate] = []
    denominators = [cell.key[1] for cell in table.cells if cell.key[0] == "all"]
    for denominator in reversed(denominators):
        total = table["all", denominator]
        hidden = {
            measure: Estimate(
                measure=measure,
                estimate=None,
                conf_level=conf_level,
                subgroup=denominator,
                method=NOT_SHOWN,
                **labels,
            )
            for measure in ("net_change", "stopped", "started")
        }
        if len(known) < len(cells) or not total or total < users_measured:
            estimates += hidden.values()
            continue
        result = prepost.paired_counts(**known, neither=total - users_measured, **about)
        net = result.one(measure="risk_difference")
        estimates.append(
            dataclasses.replace(net, measure="net_change", subgroup=denominator, p_value=None)
        )
        if not moves_shown:
            estimates += [hidden["stopped"], hidden["started"]]
            continue
        for measure, events in (
            ("stopped", known["before_only"]),
            ("started", known["after_only"]),
        ):
            share = prepost.proportion(events=events, n=total, measure=measure, **about)
            estimates += [dataclasses.replace(e, subgroup=denominator) for e in share.estimates]
    return ResultSet(estimates=tuple(estimates))


def long_rows(measured: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Turn one row per unit into two, one before and one after, as the contrast wants them."""
    wide = pd.concat(measured.values(), ignore_index=True)
    keep = [name for name in ("unit_id", "perpetrator_id", "group", "days_between") if name in wide]
    before = wide[keep].assign(period="before", used=wide["used_before"].astype(bool))
    after = wide[keep].assign(period="after", used=wide["used_after"].astype(bool))
    return pd.concat([before, after], ignore_index=True)


def _windows(measured: Mapping[str, pd.DataFrame]) -> Check | None:
    """Say when too few of an arm's pairs are dated to compare the time between its measures."""
    known = {
        group: float(pairs["days_between"].notna().mean()) for group, pairs in measured.items()
    }
    if min(known.values()) >= LEAST_DATED:
        return None
    return Check(
        name="windows",
        passed=False,
        statistic=min(known.values()),
        threshold=LEAST_DATED,
        text="The time between the two measures could not be compared between the arms: too few "
        "ratings are dated. Unequal time would bias the contrast.",
    )


def _contrasts(
    plan: Plan,
    rows: pd.DataFrame,
    measured: Mapping[str, pd.DataFrame],
    labels: Mapping[str, Any],
    cluster: str | None,
    excluded: Mapping[str, int],
) -> ResultSet:
    shares = {
        group: missing_share(len(pairs), int((rows["group"] == group).sum()), excluded, group)
        for group, pairs in measured.items()
    }
    claim, check = between_arms_claim(plan, shares)
    level = plan.design.conf_level
    plain = {name: value for name, value in labels.items() if name != "outcome"}
    long = long_rows(measured).assign(reporter=labels["reporter"])
    undated = _windows(measured)
    dated = undated is None
    change = null_result(
        lambda: comparison.difference_in_differences(
            long,
            outcome="used",
            treated="group",
            period="period",
            before="before",
            after="after",
            person="unit_id",
            # The difference stands even where nobody of an arm used it before.
            scale="risk_difference",
            cluster=cluster,
            conf_level=level,
            outcome_name=str(labels["outcome"]),
            reporter="reporter",
            elapsed_days="days_between" if dated else None,
            tolerance_days=plan.comparison.tolerance_days if dated else None,
            unit=str(labels["unit"]),
            threshold=str(labels["threshold"]),
        ),
        CHANGE,
        labels,
        level,
        CHANGES,
    )
    wide = pd.concat(measured.values(), ignore_index=True)
    refused = any(c.name == "refused" for c in change.checks)
    after = (
        refused_rows(AFTER, labels, level)
        if refused
        else null_result(
            lambda: comparison.risk_contrast(
                wide.assign(used_after=wide["used_after"].astype(bool)),
                outcome="used_after",
                treated="group",
                covariates=list(plan.comparison.covariates) or None,
                cluster=cluster,
                conf_level=level,
                outcome_name=str(labels["outcome"]),
                contrast="programme v comparison, after",
                **plain,
            ),
            AFTER,
            labels,
            level,
        )
    )
    contrasts = merge([change, after], outcome=str(labels["outcome"]))
    raised = tuple(
        dataclasses.replace(e, claim=claim) if e.estimate is not None else e
        for e in contrasts.estimates
        if not e.group and e.measure not in ("risk_treated", "risk_comparison")
    )
    checks = (check, *contrasts.checks)
    if undated is not None:
        checks = (*checks, undated)
    if plan.comparison.covariates:
        cells = smallest_cell(wide, plan.comparison.covariates, "used_after")
        checks = (*checks, cells)
    assumptions = contrasts.assumptions
    if plan.comparison.covariates:
        assumptions = (*assumptions, UNADJUSTED)
    return dataclasses.replace(
        contrasts, estimates=raised, checks=checks, tables=(), assumptions=assumptions
    )


def evaluate_perceived_change(
    plan: Plan,
    outcome: PerceivedChangeOutcome,
    units: pd.DataFrame,
    risk_reviews: pd.DataFrame,
    excluded: Mapping[str, int],
    designs: Mapping[str, Design] | None = None,
) -> ResultSet:
    """In how many cases did the practitioner see the risk fall, and how does that compare?

    Parameters
    ----------
    plan : Plan
    outcome : PerceivedChangeOutcome
        The block of the plan.
    units : DataFrame
        From `cohort_units`, by person or enrolment.
    risk_reviews : DataFrame
        Judgements.
    excluded : mapping of arm to int
        Cases that the plan leaves out; they count as missing.
    designs : mapping of name to Matched or Weighted, optional
        From `make_designs`, where the plan has matched or weighted comparisons.

    Returns
    -------
    ResultSet
        Per arm the share with a moderate or significant reduction among those judged
        (Wilson), and the contrast of the arms.
    """
    if plan.design.unit == "dyad":
        raise DesignError(
            "perceived change is judged by case, so it cannot be counted by dyad. "
            'Use unit = "person" or "enrolment".'
        )
    rows = perceived_change_rows(
        units, risk_reviews, reporter=outcome.reporter, time_point=outcome.time_point
    )
    labels: dict[str, Any] = {
        "outcome": "perceived_change",
        "unit": plan.design.unit,
        "reporter": outcome.reporter,
    }
    level = plan.design.conf_level
    cluster = "perpetrator_id" if plan.design.unit != "person" else None
    parts: list[ResultSet] = []
    shares = {}
    for group in [arm for arm in ARMS.codes if (rows["group"] == arm).any()]:
        arm = rows[rows["group"] == group]
        judged = arm.dropna(subset=["reduced"])
        table = change_table(arm, group=group, unit=plan.design.unit)
        if judged.empty:
            nobody = Estimate(
                measure="share_reduced",
                estimate=None,
                conf_level=level,
                n=0,
                group=group,
                **labels,
            )
            check = Check(name="undefined", group=group, passed=False, text=NOBODY_JUDGED)
            parts.append(ResultSet(estimates=(nobody,), checks=(check,), tables=(table,)))
            continue
        shares[group] = missing_share(len(judged), len(arm), excluded, group)
        widening: dict[str, Any] = {}
        if cluster is not None:
            # Prevalence after, with nobody before: the share with its clusters, and no more.
            clustered = prepost.paired_change(
                judged.assign(start=False, reduced=judged["reduced"].astype(bool)),
                before="start",
                after="reduced",
                cluster=cluster,
                conf_level=level,
            )
            sizes, freedom = prepost.design_effects(clustered)
            widening = {
                "design_effect": sizes["prevalence_after"],
                "df": freedom["prevalence_after"],
            }
        share = prepost.proportion(
            events=int(judged["reduced"].sum()),
            n=len(judged),
            measure="share_reduced",
            conf_level=level,
            group=group,
            **widening,
            **labels,
        )
        parts.append(_labelled(share, group, (table,)))
    if len(shares) == 2 and designs:
        _, check = between_arms_claim(plan, shares)
        found = design_contrasts(plan, designs, rows, column="reduced", labels=labels)
        hidden = hidden_cause(None, found, next(iter(designs)))
        parts += [ResultSet(checks=(check,)), found, hidden]
    elif len(shares) == 2 and plan.design.kind != "before_after":
        claim, check = between_arms_claim(plan, shares)
        judged = rows.dropna(subset=["reduced"])
        contrast = null_result(
            lambda: comparison.risk_contrast(
                judged.assign(reduced=judged["reduced"].astype(bool)),
                outcome="reduced",
                treated="group",
                covariates=list(plan.comparison.covariates) or None,
                cluster=cluster,
                conf_level=level,
                outcome_name="perceived_change",
                unit=plan.design.unit,
                reporter=outcome.reporter,
            ),
            [("risk_difference", ""), ("risk_ratio", "")],
            labels,
            level,
        )
        kept = tuple(
            dataclasses.replace(e, claim=claim) if e.estimate is not None else e
            for e in contrast.estimates
            if e.measure in ("risk_difference", "risk_ratio")
        )
        checks = (check, *contrast.checks)
        if plan.comparison.covariates:
            checks = (*checks, smallest_cell(judged, plan.comparison.covariates, "reduced"))
        parts.append(dataclasses.replace(contrast, estimates=kept, checks=checks, tables=()))
    elif rows["group"].nunique() == 2 and designs:
        parts.append(no_contrasts(plan, designs, labels, NO_JUDGEMENTS))
    elif (rows["group"].nunique() == 2) and plan.design.kind != "before_after":
        parts.append(refused_rows([("risk_difference", ""), ("risk_ratio", "")], labels, level))
    return merge(parts, outcome="perceived_change")


def change_table(arm: pd.DataFrame, *, group: str, unit: str) -> CountTable:
    """Count the judgements of perceived change in one arm."""
    found = arm["perceived_change"].value_counts()
    counts: dict[Key, int] = {(code,): int(found.get(code, 0)) for code in PERCEIVED_CHANGES.codes}
    reduced: list[Key] = [("significant_reduction",), ("moderate_reduction",)]
    totals: dict[Key, list[Key]] = {
        ("reduced",): reduced,
        ("judged",): list(counts),
        ("all",): [*counts, ("not judged",)],
    }
    atoms = [(code,) for code in arm["perceived_change"].astype(object).fillna("not judged")]
    return CountTable.from_counts(
        name=f"perceived_change:{group}",
        title=f"Perceived change in risk, {group} arm",
        unit=unit,
        dimensions=("change",),
        counts={**counts, ("not judged",): int(arm["perceived_change"].isna().sum())},
        totals=totals,
        people=people_behind(arm, atoms, totals),
    )


def _labelled(result: ResultSet, group: str, tables: tuple[CountTable, ...]) -> ResultSet:
    checks = tuple(dataclasses.replace(c, group=c.group or group) for c in result.checks)
    return dataclasses.replace(result, checks=checks, tables=tables, native=None)


def _lost_contact(arm: pd.DataFrame, *, group: str) -> ResultSet:
    partly = int(arm["partly_measured"].sum())
    if not partly:
        return ResultSet()
    text = (
        "Some of the victim-survivors rated before were not rated after; these units count as "
        "not measured after, because losing contact is not an end to abuse."
    )
    check = Check(name="partly_measured", statistic=float(partly), group=group, text=text)
    return ResultSet(checks=(check,))


def _missing_cells(plan: Plan, arm: pd.DataFrame, *, group: str) -> ResultSet:
    """Count the smallest category of a covariate among those seen again, and not, for the gate."""
    before = arm[arm["used_before"].notna()]
    rows = before.assign(group=before["used_after"].notna())
    names = list(plan.sensitivity.missing_covariates)
    if not names or rows["group"].nunique() < 2:
        return ResultSet()
    smallest = smallest_cell(rows, names, "used_before")
    return ResultSet(checks=(dataclasses.replace(smallest, name="missing_cells", group=group),))


def _never_measured(
    labels: Mapping[str, Any], outcome: BehaviourOutcome, level: float
) -> ResultSet:
    reason = "nobody in the arm has both measures"
    estimates = tuple(
        Estimate(measure=measure, estimate=None, conf_level=level, n=0, **labels)
        for measure in ("risk_difference", "risk_ratio", "percent_reduction")
    )
    text = f"No change from {outcome.before} to {outcome.after} can be given: {reason}."
    check = Check(name="undefined", passed=False, text=text, group=str(labels["group"]))
    return ResultSet(estimates=estimates, checks=(check,))
