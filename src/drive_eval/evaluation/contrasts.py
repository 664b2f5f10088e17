"""What every comparison of the two arms shares: its claim, its refusals, its smallest cell."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.data.people import most_of_one
from drive_eval.errors import DesignError, UndefinedResultError
from drive_eval.results import Check, Estimate, ResultSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drive_eval.plan import Plan
    from drive_eval.vocabulary import Claim

#: Mean and spread of so few values are solved for the count of each.
SOLVABLE_CODES = 5

__all__ = [
    "SOLVABLE_CODES",
    "between_arms_claim",
    "fewest",
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
    """Return the smallest count of an arm that a mean and a spread would give back.

    Shares of categories are counts, and so are mean and spread of a few codes: solved for.
    Of a number with more values it is how many do not have the commonest one, because a mean
    just off it would say how many they are.
    """
    values = rows[name]
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    counts = pd.crosstab(rows["group"], values).to_numpy()
    if number and counts.shape[1] > SOLVABLE_CODES:
        return _in_people(rows, int((counts.sum(axis=1) - counts.max(axis=1)).min()))
    return _in_people(rows, int(counts.min()))


def _in_people(rows: pd.DataFrame, count: int) -> int:
    """Return how many different people so many units are at least."""
    return count // most_of_one(rows.drop_duplicates("unit_id")) if count else 0


def smallest_cell(rows: pd.DataFrame, covariates: Sequence[str], outcome: str) -> Check:
    """Find the smallest count of arm by covariate level by outcome, for the gate.

    A contrast adjusted for a category with few people in it would let them be worked out. The
    Check's `group` is the covariate.
    """
    found = {name: fewest(rows, name, outcome) for name in covariates}
    name = min(found, key=lambda name: found[name], default="")
    return Check(
        name="covariate_cells",
        group=name,
        statistic=float(min(found[name], len(rows)) if found else len(rows)),
        text="Smallest count of arm by covariate level by outcome; the gate looks at it.",
    )


def fewest(rows: pd.DataFrame, name: str, outcome: str = "") -> int:
    """Return the smallest count of arm, and outcome, that a model with this covariate rests on.

    A number with more than two values enters it with one slope, so it has no categories; of
    it is counted how many do not have the commonest value, because they alone make the slope.
    """
    by = ["group", outcome] if outcome else ["group"]
    values = rows[name]
    counts = pd.crosstab([rows[key] for key in by], values).to_numpy()
    if len(counts) < rows["group"].nunique() * (2 if outcome else 1):
        return 0  # nobody of an arm has the outcome, or everybody
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if number and counts.shape[1] > 2:
        return _in_people(rows, int((counts.sum(axis=1) - counts.max(axis=1)).min()))
    return _in_people(rows, int(counts.min()))


def merge(parts: Sequence[ResultSet], *, outcome: str) -> ResultSet:
    """Put several ResultSets of one outcome together; checks learn their outcome."""
    return ResultSet(
        estimates=tuple(e for part in parts for e in part.estimates),
        checks=tuple(
            dataclasses.replace(c, outcome=c.outcome or outcome) for p in parts for c in p.checks
        ),
        tables=tuple(t for part in parts for t in part.tables),
        curves=tuple(c for part in parts for c in part.curves),
        assumptions=tuple(dict.fromkeys(a for part in parts for a in part.assumptions)),
    )
