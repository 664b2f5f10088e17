"""What every comparison of the two arms shares: its claim, its refusals, its smallest cell."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.errors import DesignError, UndefinedResultError
from drive_eval.results import Check, Estimate, ResultSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drive_eval.plan import Plan
    from drive_eval.vocabulary import Claim

#: A number with more values than this is a measurement; with fewer it may stand for categories.
MOST_CODES = 10

__all__ = [
    "MOST_CODES",
    "between_arms_claim",
    "merge",
    "missing_share",
    "null_result",
    "refused_rows",
    "smallest_cell",
    "smallest_count",
]


def between_arms_claim(plan: Plan, missing_shares: Mapping[str, float]) -> tuple[Claim, Check]:
    """Say how strong a sentence about the two arms may be, and why."""
    limit = plan.design.max_missing_share
    worst = max(missing_shares.values())
    unit = plan.design.unit
    shares = ", ".join(f"{group} {100 * share:.0f}%" for group, share in missing_shares.items())
    claim: Claim = "associational"
    if plan.design.kind != "randomised":
        reason = f"the design is {plan.design.kind}, not randomised"
    elif unit != "person":
        reason = (
            f"allocation was by chance, but the unit is the {unit}, and how many of them a person "
            "has came after it"
        )
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


def missing_share(measured: int, cohort: int, excluded: Mapping[str, int], group: str) -> float:
    """Return the share of an arm without an outcome; who was excluded counts as missing."""
    total = cohort + excluded.get(group, 0) + excluded.get("not_recorded", 0)
    return 1 - measured / total


def null_result(
    model: Callable[[], ResultSet],
    measures: Sequence[tuple[str, str]],
    labels: Mapping[str, Any],
    conf_level: float,
    what: str = "The groups compared",
) -> ResultSet:
    """Run a model; when it refuses, return its rows empty with its reason as a failed Check."""
    try:
        return model()
    except (DesignError, UndefinedResultError) as refusal:
        rows = refused_rows(measures, labels, conf_level)
        name = "undefined" if isinstance(refusal, UndefinedResultError) else "refused"
        check = Check(name=name, passed=False, text=f"{what}: {refusal}")
        return dataclasses.replace(rows, checks=(check,))


def refused_rows(
    measures: Sequence[tuple[str, str]], labels: Mapping[str, Any], conf_level: float
) -> ResultSet:
    """Return the rows of a contrast that was not made, so that none is absent."""
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
    return ResultSet(estimates=estimates)


def smallest_count(rows: pd.DataFrame, name: str) -> int:
    """Return the smallest count of arm by category; of an arm, for numbers.

    The mean of two values is a count, and so are shares of categories; the mean of three
    numbers or more gives none of them back.
    """
    values = rows[name]
    numbers = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if numbers and values.nunique() > 2:
        return int(rows.groupby("group", observed=True).size().min())
    return int(pd.crosstab(rows["group"], rows[name]).to_numpy().min())


def smallest_cell(rows: pd.DataFrame, covariates: Sequence[str], outcome: str) -> Check:
    """Find the smallest count of arm by covariate level by outcome, for the gate.

    A contrast adjusted for a category with few people in it would let them be worked out.
    """
    smallest = len(rows)
    for name in covariates:
        if not _many_values(rows[name]):
            counts = rows.groupby(["group", name, outcome], observed=True).size()
            cells = rows["group"].nunique() * rows[name].nunique() * 2
            smallest = min(smallest, int(counts.min()) if len(counts) == cells else 0)
    return Check(
        name="covariate_cells",
        statistic=float(smallest),
        text="Smallest count of arm by covariate level by outcome; the gate looks at it.",
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


def _many_values(values: pd.Series[Any]) -> bool:
    """Tell a measurement from what may stand for categories."""
    return (
        pd.api.types.is_numeric_dtype(values)
        and not pd.api.types.is_bool_dtype(values)
        and values.nunique() > MOST_CODES
    )
