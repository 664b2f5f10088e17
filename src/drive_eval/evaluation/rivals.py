"""What else could explain each result? The rival explanations of every outcome of a plan."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from drive_eval.errors import did_you_mean
from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.designs import OWN_COLUMNS
from drive_eval.evaluation.rates import count_periods
from drive_eval.evaluation.reoffending import chosen_events
from drive_eval.evaluation.rival_behaviours import rivals_within
from drive_eval.evaluation.rival_contrasts import (
    rivals_between,
    rivals_of_binary,
    rivals_of_designs,
)
from drive_eval.evaluation.rival_counts import rivals_of_counts
from drive_eval.evaluation.rival_question import Asked, at_the_end
from drive_eval.evaluation.row_order import row_orders
from drive_eval.measures.case_table import behaviour_rows, binary_rows
from drive_eval.plan import (
    NO_COVARIATES,
    BehaviourOutcome,
    BinaryOutcome,
    ReoffendingOutcome,
    outcome_names,
)
from drive_eval.results import ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from drive_eval.plan import Plan

__all__ = ["PREFIX", "evaluate_rivals", "rival_names", "sensitivity_faults"]

#: Under which the rivals of an outcome are filed.
PREFIX = "rivals:"
_SITE = "site"
_MOST = 100
_RTM = (
    "There is neither a comparison group nor a second measure before the programme, so how much of "
    "the fall would have come by itself cannot be told."
)


def sensitivity_faults(plan: Plan, cases: pd.DataFrame) -> list[str]:
    """Name the columns of [sensitivity] that a rival explanation would stumble over.

    Parameters
    ----------
    plan : Plan
    cases : DataFrame
        The table of cases.

    Returns
    -------
    list of str
        One sentence a fault. That there is no column ``site`` is none: nothing is then left out.
    """
    rules = plan.sensitivity
    faults = []
    wanted = [("missing_covariates", name) for name in rules.missing_covariates]
    wanted += [("subgroups", name) for name in rules.subgroups]
    if rules.leave_one_out and rules.leave_one_out != _SITE:
        wanted.append(("leave_one_out", rules.leave_one_out))
    usable = [str(name) for name in cases if name not in NO_COVARIATES]
    for key, name in wanted:
        where = f'[sensitivity] {key}: "{name}"'
        if name not in cases:
            faults.append(f"{where} is no column of cases.{did_you_mean(name, usable)}")
        elif name in OWN_COLUMNS:
            faults.append(
                f"{where} is what the evaluation calls a column of its own. Rename the column of "
                "cases."
            )
        elif blank := int(cases[name].isna().sum()):
            faults.append(
                f"{where} is blank in {blank} of {len(cases)} rows of cases. Fill it by a stated "
                "rule, or take it out of the plan."
            )
        elif key != "missing_covariates" and not 2 <= cases[name].nunique() <= _MOST:
            faults.append(
                f"{where} has {cases[name].nunique()} different values; 2 to {_MOST} are needed: "
                "sites, areas or kinds of people."
            )
    return faults


def rival_names(plan: Plan) -> list[str]:
    """Return the outcomes whose rival explanations are given a number.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    list of str
        Names of behaviours, yes/no outcomes that the programme may change, and re-offending.
    """
    return [
        name for outcome in plan.outcomes if _asked_of(outcome) for name in outcome_names(outcome)
    ]


def _asked_of(outcome: Any) -> bool:
    if isinstance(outcome, BinaryOutcome):
        return not outcome.negative
    return isinstance(outcome, BehaviourOutcome | ReoffendingOutcome)


def evaluate_rivals(
    plan: Plan,
    units: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    results: Mapping[str, ResultSet],
    name: str,
) -> ResultSet:
    """What else could explain the result of one outcome, and with what number?

    Parameters
    ----------
    plan : Plan
    units : DataFrame
        From `cohort_units`.
    tables : mapping of str to DataFrame
        The study's tables.
    results : mapping of str to ResultSet
        What the evaluation found, by outcome.
    name : str
        One of `rival_names`.

    Returns
    -------
    ResultSet
        Estimates as the models of `drive_eval.models.sensitivity` name them; one Check
        ``rival:<what>`` a rival explanation and arm, or contrast, in one sentence.
    """
    outcome = next(o for o in plan.outcomes if name in outcome_names(o))
    if isinstance(outcome, BehaviourOutcome):
        return _of_behaviour(plan, outcome, units, tables["assessments"], results[name], name)
    labels: dict[str, Any] = {
        "outcome": name,
        "unit": plan.design.unit,
        "reporter": getattr(outcome, "reporter", ""),
    }
    asked = Asked(plan=plan, name=name, labels=labels)
    found = results[name]
    if isinstance(outcome, BinaryOutcome):
        if plan.balancing:
            made = rivals_of_designs(asked, found, plan.balancing[0].name)
            orders = row_orders(asked, units, outcome.column)
            return dataclasses.replace(made, checks=(*made.checks, *orders))
        return rivals_of_binary(asked, binary_rows(units, column=outcome.column), found)
    if not isinstance(outcome, ReoffendingOutcome):
        return ResultSet()
    rows = None
    if outcome.days_before:
        chosen = chosen_events(outcome, tables["events"]).events
        rows = count_periods(outcome, units, chosen, tables.get("custody")).rows
    return rivals_of_counts(asked, units, rows, found)


def _of_behaviour(
    plan: Plan,
    outcome: BehaviourOutcome,
    units: pd.DataFrame,
    assessments: pd.DataFrame,
    found: ResultSet,
    name: str,
) -> ResultSet:
    abuse_type = outcome.abuse_types[outcome_names(outcome).index(name)]
    rows = behaviour_rows(
        units,
        assessments,
        abuse_type=abuse_type,
        reporter=outcome.reporter,
        before=outcome.before,
        after=outcome.after,
        threshold=outcome.threshold,
    )
    labels = {
        "outcome": abuse_type,
        "unit": plan.design.unit,
        "reporter": outcome.reporter,
        "threshold": outcome.threshold,
    }
    asked = Asked(plan=plan, name=name, labels=labels)
    parts, measured = [], {}
    not_rated = {c.group for c in found.checks if c.name == "not_rated"}
    for group in [a for a in ARMS.codes if (rows["group"] == a).any() and a not in not_rated]:
        arm = rows[rows["group"] == group]
        pairs = arm.dropna(subset=["used_before", "used_after"])
        parts.append(rivals_within(asked, arm, group))
        if len(pairs):
            measured[group] = pairs
    if len(measured) == 2 and plan.balancing:
        parts.append(rivals_of_designs(asked, found, plan.balancing[0].name))
    elif len(measured) == 2 and plan.design.kind != "before_after":
        parts.append(rivals_between(asked, rows, measured, found))
        parts.append(ResultSet(checks=(at_the_end(asked),)))
    elif len(measured) == 1:
        parts.append(ResultSet(checks=(asked.said("regression_to_the_mean", _RTM),)))
    return merge(parts, outcome=abuse_type)
