"""The flow: how many were referred, counted, measured, and lost for which reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from drive_eval.data.people import people_behind
from drive_eval.plan import BehaviourOutcome
from drive_eval.results import CountTable
from drive_eval.vocabulary import ARMS, EXIT_REASONS

if TYPE_CHECKING:
    from drive_eval.data.study import Study
    from drive_eval.plan import Plan

__all__ = ["RECEIVED", "flow_table", "received_table"]

#: The table of who received the programme.
RECEIVED = "received"

_COUNTED = {
    "person": "people",
    "enrolment": "enrolments",
    "dyad": "pairs of perpetrator and victim-survivor",
}


def flow_table(plan: Plan, study: Study, units: pd.DataFrame) -> CountTable:
    """Count in each arm who is in the figures and where the others left, with the reason.

    Parameters
    ----------
    plan : Plan
    study : Study
    units : DataFrame
        From `cohort_units`.

    Returns
    -------
    CountTable
        ``flow``, dimensions ``group`` and ``stage``: atoms are the ways out and the people
        measured at both points; totals are the stages between.

    Notes
    -----
    Measured means rated on at least one abuse type by the reporter of the first behaviour
    outcome; each abuse type has its own count in its missingness table.
    """
    behaviour = next((o for o in plan.outcomes if isinstance(o, BehaviourOutcome)), None)
    counts: dict[tuple[str, ...], int] = {}
    totals: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    stages = units.copy()
    stages["left_at"] = "allocated"
    if behaviour is not None:
        rated = study.tables["assessments"]
        rated = rated[(rated["reporter"] == behaviour.reporter) & rated["severity"].notna()]
        keys = ["case_id"]
        if plan.design.unit == "dyad":
            keys.append("victim_survivor_id")
        here = pd.MultiIndex.from_frame(stages[keys])
        for name, time_point in (("before", behaviour.before), ("after", behaviour.after)):
            there = rated.loc[rated["time_point"] == time_point, keys]
            stages[f"measured_{name}"] = here.isin(pd.MultiIndex.from_frame(there))
    for group in [arm for arm in ARMS.codes if (stages["group"] == arm).any()]:
        arm = stages[stages["group"] == group]
        if behaviour is None:
            counts[group, "allocated"] = len(arm)
            continue
        before, after = behaviour.before, behaviour.after
        first = arm[arm["measured_before"]]
        lost = first[~first["measured_after"]]
        reason = lost.get("exit_reason")
        why = pd.Series("unknown", index=lost.index) if reason is None else reason.astype(object)
        why = why.where(why.isin(EXIT_REASONS.codes), "unknown")
        stages.loc[arm.index, "left_at"] = f"no {before} measure"
        stages.loc[first.index, "left_at"] = "measured at both"
        stages.loc[lost.index, "left_at"] = f"no {after} measure: " + why
        ways: list[tuple[str, ...]] = []
        known = 0
        # Every reason is listed: that one is there at all must not say that somebody has it.
        for code in EXIT_REASONS.codes:
            found = 0 if reason is None else int((reason == code).sum())
            if code == "unknown":
                continue
            counts[group, f"no {after} measure: {code}"] = found
            ways.append((group, f"no {after} measure: {code}"))
            known += found
        counts[group, f"no {after} measure: unknown"] = len(lost) - known
        ways.append((group, f"no {after} measure: unknown"))
        counts[group, f"no {before} measure"] = len(arm) - len(first)
        counts[group, "measured at both"] = int(first["measured_after"].sum())
        both = (group, "measured at both")
        totals[group, f"measured at {before}"] = [both, *ways]
        totals[group, "in the cohort"] = [both, *ways, (group, f"no {before} measure")]
    atoms = list(zip(stages["group"], stages["left_at"], strict=True))
    return CountTable.from_counts(
        name="flow",
        title="Who is in the figures",
        unit=plan.design.unit,
        dimensions=("group", "stage"),
        counts=counts,
        totals=totals,
        people=people_behind(stages, atoms, totals),
        note=_note(plan, study, units),
    )


def received_table(plan: Plan, units: pd.DataFrame) -> CountTable | None:
    """Count in each arm, as it was allocated, who received the programme after all.

    Parameters
    ----------
    plan : Plan
    units : DataFrame
        From `cohort_units`.

    Returns
    -------
    CountTable or None
        ``received``, dimensions ``group`` and ``received``; None unless allocation was by chance
        and what was received is recorded.
    """
    if plan.design.kind != "randomised" or "arm" not in units:
        return None
    keys = [(group, given) for group in ARMS.codes for given in ARMS.codes]
    totals: dict[tuple[str, ...], list[tuple[str, ...]]] = {
        (group, "all"): [key for key in keys if key[0] == group] for group in ARMS.codes
    }
    atoms: list[tuple[str, ...]] = list(
        zip(units["group"], units["arm"].astype(object), strict=True)
    )
    return CountTable.from_counts(
        name=RECEIVED,
        title="What people received, by what they were allocated",
        unit=plan.design.unit,
        dimensions=("group", "received"),
        counts={key: atoms.count(key) for key in keys},
        totals=totals,
        people=people_behind(units, atoms, totals),
        note="The figures keep everybody in the group to which chance allocated them.",
    )


def _note(plan: Plan, study: Study, units: pd.DataFrame) -> str:
    cases = len(study.tables["cases"])
    parts = [f"Counted: {_COUNTED[plan.design.unit]}."]
    if plan.design.unit == "person" and cases > len(units):
        parts.append(
            "A person with several enrolments is counted once, by the first; later enrolments "
            "are left out."
        )
    if plan.cohort.exclude:
        parts.append("Some cases were excluded by the plan before counting.")
    return " ".join(parts)
