"""The same behaviours as two reporters saw them: do they agree, and how far did each see a fall?"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.rival_question import Asked
from drive_eval.measures import reliability
from drive_eval.measures.case_table import behaviour_rows
from drive_eval.models import prepost
from drive_eval.plan import BehaviourOutcome
from drive_eval.results import Check, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drive_eval.plan import Plan

__all__ = ["BY", "PREFIX", "evaluate_reporters", "reporter_sets"]

#: Under which agreement is filed.
PREFIX = "reporters:"
#: Whose word counts, besides each reporter's own.
BY = ("either", "both")
#: What is kept of agreement; levels of severity have tables of too many small cells.
_AGREEMENT = ("agreement", "kappa", "pabak")


def reporter_sets(plan: Plan) -> dict[str, tuple[BehaviourOutcome, BehaviourOutcome, str]]:
    """Return where two reporters rate the same behaviour over the same span.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    dict of str to (BehaviourOutcome, BehaviourOutcome, str)
        By the name of the result (``reporters:physical:intake-exit``): the blocks of the first
        two reporters, and the abuse type.
    """
    blocks = [o for o in plan.outcomes if isinstance(o, BehaviourOutcome)]
    found: dict[str, tuple[BehaviourOutcome, BehaviourOutcome, str]] = {}
    for one, other in itertools.combinations(blocks, 2):
        same = (one.before, one.after, one.threshold) == (
            other.before,
            other.after,
            other.threshold,
        )
        if not same or one.reporter == other.reporter:
            continue
        for abuse_type in one.abuse_types:
            if abuse_type in other.abuse_types:
                suffix = "" if one.threshold == "standard" else f":{one.threshold}"
                name = f"{PREFIX}{abuse_type}:{one.before}-{one.after}{suffix}"
                found.setdefault(name, (one, other, abuse_type))
    return found


def evaluate_reporters(
    plan: Plan, units: pd.DataFrame, assessments: pd.DataFrame, name: str
) -> ResultSet:
    """Do two reporters say the same, and does the fall hang on whose word is taken?

    Parameters
    ----------
    plan : Plan
    units : DataFrame
        From `cohort_units`.
    assessments : DataFrame
        Ratings.
    name : str
        One of `reporter_sets`.

    Returns
    -------
    ResultSet
        At both time points (``subgroup``) of cases rated by both: ``agreement``, ``kappa`` and
        ``pabak`` of used or not; the ``risk_ratio`` of the first reporter's users to the second's
        (``contrast`` ``idva v case_manager``); the tables ``discordance:<time point>``. Of each
        arm's units that both rated twice: ``risk_difference``, ``risk_ratio`` and
        ``percent_reduction`` with ``reporter`` each of the two, ``either`` and ``both``.
    """
    one, other, abuse_type = reporter_sets(plan)[name]
    names = (one.reporter, other.reporter)
    labels = {
        "outcome": abuse_type,
        "unit": plan.design.unit,
        "reporter": "",
        "threshold": one.threshold,
    }
    asked = Asked(plan=plan, name=name, labels=labels)
    if "case_manager" in names:
        # Usual care has no case manager: who of the comparison arm has one got the programme.
        units = units[units["group"] == "programme"]
    cohort = assessments[assessments["case_id"].isin(units["case_id"])]
    parts = [
        _agreement(asked, cohort, when, names, one.threshold) for when in (one.before, one.after)
    ]
    parts += list(_falls(asked, units, cohort, one, names))
    return merge(parts, outcome=abuse_type)


def _agreement(
    asked: Asked, cohort: pd.DataFrame, when: str, names: tuple[str, str], threshold: str
) -> ResultSet:
    abuse_type = str(asked.labels["outcome"])
    found, refused = asked.asked(
        f"agreement, {when}",
        lambda: reliability.reporter_agreement(
            cohort,
            abuse_type=abuse_type,
            time_point=when,
            reporters=names,
            threshold=threshold,
            conf_level=asked.level,
        ),
    )
    if found is None:
        return refused
    kept = tuple(e for e in found.estimates if e.threshold and e.measure in _AGREEMENT)
    table = found.table("discordance")
    cells = {
        "both": table["both"],
        "before_only": table[f"{names[1]}_only"],
        "after_only": table[f"{names[0]}_only"],
        "neither": table["neither"],
    }
    counts: dict[str, Any] = {key: int(value or 0) for key, value in cells.items()}
    pair = prepost.paired_counts(
        **counts,
        outcome=abuse_type,
        unit="enrolment",
        threshold=threshold,
        subgroup=when,
        contrast=f"{names[0]} v {names[1]}",
        conf_level=asked.level,
    )
    ratio = tuple(e for e in pair.estimates if e.measure == "risk_ratio")
    checks = tuple(
        dataclasses.replace(c, name=f"{c.name}, {when}")
        for c in found.checks
        if c.name != "indices"
    )
    renamed = dataclasses.replace(table, name=f"discordance:{when}")
    return ResultSet(
        estimates=(*kept, *ratio),
        checks=checks,
        tables=(renamed,),
        assumptions=found.assumptions,
    )


def _falls(
    asked: Asked,
    units: pd.DataFrame,
    cohort: pd.DataFrame,
    block: BehaviourOutcome,
    names: tuple[str, str],
) -> Iterator[ResultSet]:
    """Yield the fall in the same people by each reporter, by either and by both."""
    rated = {}
    for reporter in names:
        rows = behaviour_rows(
            units,
            cohort,
            abuse_type=str(asked.labels["outcome"]),
            reporter=reporter,
            before=block.before,
            after=block.after,
            threshold=block.threshold,
        )
        rated[reporter] = rows.set_index("unit_id")[["used_before", "used_after"]]
    first, second = (rated[reporter] for reporter in names)
    whole = (first.notna().all(axis=1)) & (second.notna().all(axis=1))
    first, second = first[whole].astype(bool), second[whole].astype(bool)
    people = units.set_index("unit_id").loc[whole.index[whole], ["group", "perpetrator_id"]]
    by = dict(zip((*names, *BY), (first, second, first | second, first & second), strict=True))
    labels = {k: v for k, v in asked.about.items() if k != "reporter"}
    for arm in [arm for arm in ARMS.codes if (units["group"] == arm).any()]:
        here = people["group"] == arm
        if not here.any():
            text = "Nobody of this arm was rated at both time points by both reporters."
            yield ResultSet(checks=(Check(name="not_rated", group=arm, text=text),))
            continue
        for reporter, used in by.items():
            table = pd.concat([people[here], used[here]], axis=1)
            found = asked.tried(
                "fall",
                lambda table=table, reporter=reporter, arm=arm: prepost.paired_change(  # type: ignore[misc]
                    table,
                    before="used_before",
                    after="used_after",
                    cluster=asked.cluster,
                    group=arm,
                    reporter=reporter,
                    **labels,
                ),
            )
            if found is not None:
                yield ResultSet(
                    estimates=tuple(
                        e
                        for e in found.estimates
                        if e.measure in ("risk_difference", "risk_ratio", "percent_reduction")
                    )
                )
