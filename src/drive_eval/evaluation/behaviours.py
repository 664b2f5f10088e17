"""Behaviours before and after, in each arm and between the arms, and perceived change in risk."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.errors import DesignError, UndefinedResultError
from drive_eval.measures.case_table import behaviour_rows, perceived_change_rows
from drive_eval.models import comparison, prepost
from drive_eval.plan import outcome_names
from drive_eval.results import Check, CountTable, Estimate, ResultSet
from drive_eval.vocabulary import ARMS, PERCEIVED_CHANGES, SEVERITY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drive_eval.plan import BehaviourOutcome, PerceivedChangeOutcome, Plan
    from drive_eval.vocabulary import Claim

    Key = tuple[str, ...]

__all__ = [
    "DENOMINATORS",
    "between_arms_claim",
    "denominator_results",
    "evaluate_behaviours",
    "evaluate_perceived_change",
    "largest_design_effect",
    "long_rows",
    "merge",
    "null_result",
    "pair_table",
]

#: The three denominators, and what each counts.
DENOMINATORS = {
    "referred": "everybody in the arm; those without a measure count as unchanged",
    "measured at intake": "everybody with a first measure; no second measure counts as unchanged",
    "measured at both": "everybody with both measures",
}


def evaluate_behaviours(
    plan: Plan,
    outcome: BehaviourOutcome,
    units: pd.DataFrame,
    assessments: pd.DataFrame,
    advance: Callable[[str], None],
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
        found[name] = _one_behaviour(plan, outcome, abuse_type, rows)
        advance(name)
    return found


def _one_behaviour(
    plan: Plan, outcome: BehaviourOutcome, abuse_type: str, rows: pd.DataFrame
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
        if arm[["used_before", "used_after"]].isna().all(axis=None):
            text = f"Nobody in the {group} arm was rated by this reporter."
            parts.append(ResultSet(checks=(Check(name="not_rated", group=group, text=text),)))
            continue
        tables = (pair_table(arm, group=group, threshold=outcome.threshold, unit=plan.design.unit),)
        here = {**labels, "group": group}
        parts.append(_lost_contact(arm, group=group))
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
    if len(measured) == 2 and plan.design.kind != "before_after":
        parts.append(_contrasts(plan, rows, measured, labels, cluster))
    return merge(parts, outcome=abuse_type)


def pair_table(arm: pd.DataFrame, *, group: str, threshold: str, unit: str) -> CountTable:
    """Count the transitions of severity, every margin that a report shows, and who is missing.

    All of it stands in one table, because disclosure control must see together what a reader
    can set side by side. The sixteen transitions are atoms that carry the structure and are
    not shown; the lines shown are the four kinds of pair, the users before and after, the
    severity levels before and after, who improved, stayed or worsened, and who was not
    measured when.
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
    unseen: dict[Key, int] = {
        ("missing", "only before"): int((before & ~after).sum()),
        ("missing", "only after"): int((~before & after).sum()),
        ("missing", "never"): int((~before & ~after).sum()),
    }

    def where(test: Callable[[int, int], bool]) -> list[Key]:
        return [
            ("transition", f"{levels[i]} > {levels[j]}")
            for i in range(len(levels))
            for j in range(len(levels))
            if test(i, j)
        ]

    totals: dict[Key, Sequence[Key]] = {
        ("all", "measured at both"): list(counts),
        ("all", "measured at intake"): [*counts, ("missing", "only before")],
        ("all", "referred"): [*counts, *unseen],
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
        counts={**counts, **unseen},
        totals=totals,
        hidden=counts,
    )


def largest_design_effect(result: ResultSet, group: str = "") -> dict[str, float | None]:
    """Return the largest design effect of one arm, and its degrees of freedom.

    It serves where a share has no design effect of its own; never below 1, so that no interval
    gets narrower by borrowing it.
    """
    sizes, freedom = prepost.design_effects(result, group=group)
    return {
        "design_effect": max([1.0, *sizes.values()]),
        "df": min(freedom.values()) if freedom else None,
    }


def denominator_results(
    table: CountTable,
    *,
    labels: Mapping[str, Any],
    conf_level: float,
    widening: Mapping[str, float | None],
) -> ResultSet:
    """Net change, stopping and starting per person of each of three denominators.

    People without the second measure count as unchanged, so the wider denominators show what
    is *known* to have changed among everybody who might have. Where people are clustered, the
    intervals take the largest design effect of the arm.
    """
    known: dict[str, Any] = {}
    for cell in ("both", "before_only", "after_only"):
        count = table["pairs", cell]
        if count is None:
            return ResultSet()
        known[cell] = count
    users_measured = sum(known.values())
    about: dict[str, Any] = {**labels, **widening, "conf_level": conf_level}
    estimates: list[Estimate] = []
    for denominator in DENOMINATORS:
        total = table["all", denominator]
        if not total or total < users_measured:
            continue
        result = prepost.paired_counts(**known, neither=total - users_measured, **about)
        net = result.one(measure="risk_difference")
        estimates.append(
            dataclasses.replace(net, measure="net_change", subgroup=denominator, p_value=None)
        )
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


def between_arms_claim(plan: Plan, missing_shares: Mapping[str, float]) -> tuple[Claim, Check]:
    """Say how strong a sentence about the two arms may be, and why."""
    limit = plan.design.max_missing_share
    worst = max(missing_shares.values())
    shares = ", ".join(f"{group} {100 * share:.0f}%" for group, share in missing_shares.items())
    claim: Claim = "associational"
    if plan.design.kind != "randomised":
        reason = f"the design is {plan.design.kind}, not randomised"
    elif worst > limit:
        reason = (
            f"allocation was by chance, but outcomes are missing in more than the planned "
            f"{100 * limit:.0f}% of an arm ({shares}), so those measured are no longer a "
            "random sample of those allocated"
        )
    else:
        claim = "causal"
        reason = f"arms as allocated by chance, outcomes missing within the plan's limit ({shares})"
    check = Check(
        name="claim",
        passed=claim == "causal" if plan.design.kind == "randomised" else None,
        statistic=worst,
        threshold=limit,
        text=f"The contrast of the arms is {claim}: {reason}.",
    )
    return claim, check


def _contrasts(
    plan: Plan,
    rows: pd.DataFrame,
    measured: Mapping[str, pd.DataFrame],
    labels: Mapping[str, Any],
    cluster: str | None,
) -> ResultSet:
    shares = {
        group: 1 - len(pairs) / int((rows["group"] == group).sum())
        for group, pairs in measured.items()
    }
    claim, check = between_arms_claim(plan, shares)
    level = plan.design.conf_level
    plain = {name: value for name, value in labels.items() if name != "outcome"}
    long = long_rows(measured).assign(reporter=labels["reporter"])
    dated = "days_between" in long and long["days_between"].notna().any()
    change = null_result(
        lambda: comparison.difference_in_differences(
            long,
            outcome="used",
            treated="group",
            period="period",
            before="before",
            after="after",
            person="unit_id",
            cluster=cluster,
            conf_level=level,
            outcome_name=str(labels["outcome"]),
            reporter="reporter",
            elapsed_days="days_between" if dated else None,
            tolerance_days=plan.comparison.tolerance_days if dated else None,
            unit=str(labels["unit"]),
            threshold=str(labels["threshold"]),
        ),
        [
            ("ratio_of_ratios", ""),
            ("percent_reduction", "ratio"),
            ("difference_in_differences", ""),
        ],
        labels,
        level,
    )
    wide = pd.concat(measured.values(), ignore_index=True)
    after = null_result(
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
        [("risk_difference", ""), ("risk_ratio", "")],
        labels,
        level,
    )
    contrasts = merge([change, after], outcome=str(labels["outcome"]))
    raised = tuple(
        dataclasses.replace(e, claim=claim) if not e.group and e.claim != "descriptive" else e
        for e in contrasts.estimates
        if not e.group and e.measure not in ("risk_treated", "risk_comparison")
    )
    checks = (check, *contrasts.checks)
    return dataclasses.replace(contrasts, estimates=raised, checks=checks, tables=())


def null_result(
    model: Callable[[], ResultSet],
    measures: Sequence[tuple[str, str]],
    labels: Mapping[str, Any],
    conf_level: float,
) -> ResultSet:
    """Run a model; when it refuses, return its rows empty with its reason as a failed Check."""
    try:
        return model()
    except (DesignError, UndefinedResultError) as refusal:
        estimates = tuple(
            Estimate(
                measure=measure,
                term=term,
                estimate=None,
                conf_level=conf_level,
                contrast="programme v comparison",
                claim="associational",
                **labels,
            )
            for measure, term in measures
        )
        name = "undefined" if isinstance(refusal, UndefinedResultError) else "refused"
        check = Check(name=name, passed=False, text=f"{measures[0][0]}: {refusal}")
        return ResultSet(estimates=estimates, checks=(check,))


def evaluate_perceived_change(
    plan: Plan, outcome: PerceivedChangeOutcome, units: pd.DataFrame, risk_reviews: pd.DataFrame
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
            parts.append(ResultSet(tables=(table,)))
            continue
        shares[group] = 1 - len(judged) / len(arm)
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
    if len(shares) == 2 and plan.design.kind != "before_after":
        claim, check = between_arms_claim(plan, shares)
        judged = rows.dropna(subset=["reduced"])
        contrast = null_result(
            lambda: comparison.risk_contrast(
                judged.assign(reduced=judged["reduced"].astype(bool)),
                outcome="reduced",
                treated="group",
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
            dataclasses.replace(e, claim=claim)
            for e in contrast.estimates
            if e.measure in ("risk_difference", "risk_ratio")
        )
        parts.append(
            dataclasses.replace(
                contrast, estimates=kept, checks=(check, *contrast.checks), tables=()
            )
        )
    return merge(parts, outcome="perceived_change")


def change_table(arm: pd.DataFrame, *, group: str, unit: str) -> CountTable:
    """Count the judgements of perceived change in one arm."""
    found = arm["perceived_change"].value_counts()
    counts: dict[Key, int] = {(code,): int(found.get(code, 0)) for code in PERCEIVED_CHANGES.codes}
    reduced: list[Key] = [("significant_reduction",), ("moderate_reduction",)]
    return CountTable.from_counts(
        name=f"perceived_change:{group}",
        title=f"Perceived change in risk, {group} arm",
        unit=unit,
        dimensions=("change",),
        counts={**counts, ("not judged",): int(arm["perceived_change"].isna().sum())},
        totals={
            ("reduced",): reduced,
            ("judged",): list(counts),
            ("all",): [*counts, ("not judged",)],
        },
    )


def merge(parts: Sequence[ResultSet], *, outcome: str) -> ResultSet:
    """Put several ResultSets of one outcome together; checks learn their outcome."""
    return ResultSet(
        estimates=tuple(e for part in parts for e in part.estimates),
        checks=tuple(
            dataclasses.replace(c, outcome=c.outcome or outcome) for p in parts for c in p.checks
        ),
        tables=tuple(t for part in parts for t in part.tables),
        assumptions=tuple(dict.fromkeys(a for part in parts for a in part.assumptions)),
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
