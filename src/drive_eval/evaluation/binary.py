"""Yes/no outcomes compared between arms, as allocated and as delivered."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from drive_eval.data.people import people_behind
from drive_eval.evaluation.contrasts import (
    between_arms_claim,
    merge,
    missing_share,
    null_result,
    refused_rows,
    smallest_cell,
)
from drive_eval.evaluation.designs import design_contrasts, hidden_cause, pair_bounds
from drive_eval.measures.case_table import binary_rows
from drive_eval.models import comparison, prepost
from drive_eval.results import Check, CountTable, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from drive_eval.evaluation.designs import Design
    from drive_eval.plan import BinaryOutcome, Plan

__all__ = ["arm_table", "binary_estimates", "evaluate_binary"]


def evaluate_binary(
    plan: Plan,
    outcome: BinaryOutcome,
    units: pd.DataFrame,
    excluded: Mapping[str, int],
    designs: Mapping[str, Design] | None = None,
) -> ResultSet:
    """How much more often did it happen in one arm, as allocated and as delivered?

    Parameters
    ----------
    plan : Plan
    outcome : BinaryOutcome
        The block of the plan.
    units : DataFrame
        From `cohort_units`.
    excluded : mapping of arm to int
        Cases that the plan leaves out; they count as missing.
    designs : mapping of name to Matched or Weighted, optional
        From `make_designs`, where the plan has matched or weighted comparisons.

    Returns
    -------
    ResultSet
        The risks and their contrast as allocated; where delivery is recorded and differs
        from allocation, the as-treated and instrumental estimates beside it. With designs:
        the crude contrast, that of every design, and what a hidden cause would have to be.
    """
    rows = binary_rows(units, column=outcome.column)
    table = arm_table(rows, name=outcome.name, unit=plan.design.unit)
    cluster = "perpetrator_id" if plan.design.unit != "person" else None
    followed = rows.dropna(subset=["outcome"]).copy()
    followed["outcome"] = followed["outcome"].astype(bool)
    shares = {
        arm: missing_share(
            int((followed["group"] == arm).sum()), int((rows["group"] == arm).sum()), excluded, arm
        )
        for arm in ARMS.codes
        if (rows["group"] == arm).any()
    }
    if designs:
        found = _by_design(plan, outcome, rows, shares, designs)
    else:
        found = binary_estimates(plan, outcome, followed, shares, cluster=cluster)
    names = list(plan.sensitivity.missing_covariates)
    if names and len(followed) < len(rows):
        # Who is missing is filled in by a model of these; the gate looks at it.
        told = rows.assign(known=rows["outcome"].notna().map({True: "known", False: "lost"}))
        cells = dataclasses.replace(smallest_cell(told, names, "known"), name="missing_cells")
        found = dataclasses.replace(found, checks=(*found.checks, cells))
    return dataclasses.replace(found, tables=(table,))


def _by_design(
    plan: Plan,
    outcome: BinaryOutcome,
    rows: pd.DataFrame,
    missing_shares: Mapping[str, float],
    designs: Mapping[str, Design],
) -> ResultSet:
    labels = {"outcome": outcome.name, "unit": plan.design.unit, "reporter": outcome.reporter}
    _claim, check = between_arms_claim(plan, missing_shares)
    found = design_contrasts(plan, designs, rows, column="outcome", labels=labels)
    parts = [ResultSet(checks=(check,)), found]
    parts.append(hidden_cause(outcome, found, next(iter(designs))))
    if not outcome.negative:
        parts.append(pair_bounds(plan, designs, rows["outcome"], labels))
    return merge(parts, outcome=outcome.name)


def binary_estimates(
    plan: Plan,
    outcome: BinaryOutcome,
    followed: pd.DataFrame,
    missing_shares: Mapping[str, float],
    *,
    cluster: str | None = None,
) -> ResultSet:
    """Fit the contrasts on rows with an outcome; the release fits them on released counts."""
    level = plan.design.conf_level
    labels: dict[str, Any] = {"unit": plan.design.unit, "reporter": outcome.reporter}
    named = {**labels, "outcome": outcome.name}
    claim, check = between_arms_claim(plan, missing_shares)
    alone = [arm for arm in ARMS.codes if (followed["group"] == arm).any()]
    if len(alone) < 2:
        return _one_arm(outcome, followed, alone, named, level)
    allocated = null_result(
        lambda: comparison.risk_contrast(
            followed,
            outcome="outcome",
            treated="group",
            covariates=list(plan.comparison.covariates) or None,
            cluster=cluster,
            conf_level=level,
            outcome_name=outcome.name,
            **labels,
        ),
        [("risk_difference", ""), ("risk_ratio", "")],
        named,
        level,
    )
    raised = tuple(
        dataclasses.replace(e, claim=claim)
        if e.claim != "descriptive" and e.estimate is not None
        else e
        for e in allocated.estimates
    )
    checks = (check, *allocated.checks)
    if plan.comparison.covariates:
        checks = (*checks, smallest_cell(followed, plan.comparison.covariates, "outcome"))
    parts = [dataclasses.replace(allocated, estimates=raised, checks=checks)]
    compliance = plan.design.kind == "randomised" and "delivered" in followed
    if compliance and (followed["assigned"] != followed["delivered"]).any():
        kinds = ["HC2", *dict.fromkeys(figure.kind for figure in plan.published)]
        for kind in dict.fromkeys(kinds):
            result = null_result(
                lambda kind=kind: comparison.instrumental(  # type: ignore[misc]
                    followed,
                    outcome="outcome",
                    assigned="assigned",
                    delivered="delivered",
                    cov=kind,
                    cluster=cluster if kind == "HC2" else None,
                    conf_level=level,
                    outcome_name=outcome.name,
                    **labels,
                ),
                [("risk_difference", term) for term in ("itt", "as_treated", "iv")],
                named,
                level,
            )
            estimates = tuple(
                dataclasses.replace(
                    e,
                    # Only allocation is by chance: delivery and compliance are not.
                    claim=claim if e.term == "itt" else e.claim,
                    subgroup=e.subgroup if kind == "HC2" else f"{kind} standard error",
                )
                for e in result.estimates
                if not e.group
            )
            checks = result.checks if kind == "HC2" else ()
            parts.append(dataclasses.replace(result, estimates=estimates, checks=checks, tables=()))
    return dataclasses.replace(merge(parts, outcome=outcome.name), tables=())


def _one_arm(
    outcome: BinaryOutcome,
    followed: pd.DataFrame,
    alone: list[str],
    labels: dict[str, Any],
    level: float,
) -> ResultSet:
    """Give the one arm with outcomes its share, and the contrast its empty rows."""
    measures = {"programme": "risk_treated", "comparison": "risk_comparison"}
    parts = []
    for arm, measure in measures.items():
        if arm in alone:
            hits = followed.loc[followed["group"] == arm, "outcome"]
            parts.append(
                prepost.proportion(
                    events=int(hits.sum()),
                    n=len(hits),
                    measure=measure,
                    conf_level=level,
                    **labels,
                )
            )
        else:
            text = f"Nobody in the {arm} group has this outcome recorded."
            check = Check(name="undefined", group=arm, passed=False, text=text)
            rows = refused_rows([(measure, "")], labels, level)
            parts.append(dataclasses.replace(rows, checks=(check,)))
    parts.append(refused_rows([("risk_difference", ""), ("risk_ratio", "")], labels, level))
    return dataclasses.replace(merge(parts, outcome=outcome.name), tables=())


def arm_table(rows: pd.DataFrame, *, name: str, unit: str) -> CountTable:
    """Count the outcome by arm as allocated and, where it is recorded, as delivered."""
    delivered = rows["delivered"] if "delivered" in rows else rows["group"] == "programme"
    counts: dict[tuple[str, ...], int] = {}
    words = {True: "yes", False: "no"}
    for group in ARMS.codes:
        for given in ARMS.codes:
            here = (rows["group"] == group) & (delivered == (given == "programme"))
            for value, word in words.items():
                hit = (rows["outcome"] == value).fillna(value=False).astype(bool)
                counts[group, given, word] = int((here & hit).sum())
            counts[group, given, "not recorded"] = int((here & rows["outcome"].isna()).sum())
    totals: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for group in ARMS.codes:
        for word in (*words.values(), "not recorded"):
            totals[group, "all", word] = [(group, given, word) for given in ARMS.codes]
        totals[group, "all", "all"] = [key for key in counts if key[0] == group]
    by = delivered.map({True: "programme", False: "comparison"})
    said = rows["outcome"].map(words).astype(object).fillna("not recorded")
    atoms = list(zip(rows["group"], by, said, strict=True))
    return CountTable.from_counts(
        name=f"arms:{name}",
        title="Outcome by arm as allocated and as delivered",
        unit=unit,
        dimensions=("allocated", "delivered", "outcome"),
        counts=counts,
        totals=totals,
        people=people_behind(rows, atoms, totals),
    )
