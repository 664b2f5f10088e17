"""The limits that follow from the design and from what was looked at, the gravest first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drive_eval.plan import DESIGN_KINDS
from drive_eval.report.sentences import design_names, is_outcome, reporter_words
from drive_eval.vocabulary import ABUSE_TYPES, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.results import Check, Evaluation

__all__ = ["design_limits", "grave_limits", "gravest_first"]

#: The line that says what the design is: no limit, so a short list does without it.
DESIGN = "Design: "


def grave_limits(evaluation: Evaluation) -> list[str]:
    """Return what may overturn a result: a claim that failed, missing people, recording.

    Parameters
    ----------
    evaluation : Evaluation
        Released.

    Returns
    -------
    list of str
    """
    kind = evaluation.plan["design"]["kind"]
    found = _no_effect(evaluation)
    if kind == "before_after":
        found.append("There is no comparison group: nothing here says what the programme did.")
    if any(o["kind"] == "behaviour" for o in evaluation.plan["outcomes"]):
        found.append(
            "People who were not rated a second time may have done worse than those who were; the "
            "table of three denominators shows what is known among everybody."
        )
    for name in design_names(evaluation)[:1]:
        balance = evaluation.results.get(f"balance:{name}")
        found += [
            re.sub(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", lambda m: m[0].replace("_", " "), check.text)
            for check in (balance.checks if balance is not None else ())
            if check.name in ("unmatched", "worst_smd", "overlap") and check.passed is False
        ]
    changed = [
        name
        for name, result in evaluation.results.items()
        if any(c.name == "recording_change" and c.passed is False for c in result.checks)
    ]
    if changed:
        found.append(
            f"For {_listed(_titles(evaluation, changed))}, recording changed while people were "
            "followed: what was recorded may have changed, and not what happened."
        )
    if kind not in ("before_after", "randomised"):
        found.append("The groups may differ in ways that were not measured.")
    return found


def design_limits(evaluation: Evaluation) -> list[str]:
    """Return the limits that follow from the design and from what was looked at.

    Parameters
    ----------
    evaluation : Evaluation
        Released.

    Returns
    -------
    list of str
        Never empty; the gravest first, and last what the design is.
    """
    plan = evaluation.plan
    kind = plan["design"]["kind"]
    limits = grave_limits(evaluation)
    if any(o["kind"] == "behaviour" for o in plan["outcomes"]):
        limits += [
            "People enter at a crisis, so some fall is expected without any programme (regression "
            "to the mean). The change inside one group is not an effect.",
            "A reduction counts people who use a type of abuse, not incidents and not severity.",
            "Whoever rates the abuse usually knows who took part in the programme.",
            "A case counts as measured afterwards only if every victim-survivor rated before was "
            "rated again: losing contact is not an end to abuse.",
        ]
    kinds = {o["kind"] for o in plan["outcomes"]}
    if kinds & {"time_to_event", "reoffending"}:
        limits.append(
            "Only what was recorded counts as an event. Free of it means that nothing was "
            "recorded, not that nothing happened."
        )
    if "reoffending" in kinds:
        limits.append(
            "A programme that wins trust, or police who watch more closely, may bring more events "
            "into the records while fewer happen."
        )
    looked = sum(is_outcome(name) for name in evaluation.results)
    primary = sum(
        len(o["abuse_types"]) if o["kind"] == "behaviour" else 1
        for o in plan["outcomes"]
        if o["primary"]
    )
    if looked > 1:
        limits.append(
            f"{looked} outcomes were looked at, {primary} of them declared primary beforehand; "
            "intervals are not adjusted for looking several times."
        )
    return [*limits, f"{DESIGN}{kind.replace('_', ' ')}; {DESIGN_KINDS[kind]}."]


def gravest_first(evaluation: Evaluation, lines: Sequence[str]) -> list[str]:
    """Order limits for a short list: what may overturn a result first, no line on the design."""
    grave = grave_limits(evaluation)
    kept = [line for line in lines if not line.startswith(DESIGN)]
    return sorted(kept, key=lambda line: grave.index(line) if line in grave else len(grave))


def _no_effect(evaluation: Evaluation) -> list[str]:
    """Name the outcomes of a randomised design whose difference is no effect, and say why."""
    failed: dict[bool, list[str]] = {True: [], False: []}
    for name, result in evaluation.results.items():
        for check in result.checks:
            if check.name == "claim" and check.passed is False and is_outcome(name):
                failed[too_many_missing(check)].append(name)
    said = []
    for missing, names in failed.items():
        if names:
            why = (
                "many results are missing"
                if missing
                else "those compared are not all who were allocated by chance"
            )
            said.append(
                f"For {_listed(_titles(evaluation, names))}, {why}, so no difference is called an "
                "effect of the programme."
            )
    return said


def too_many_missing(check: Check) -> bool:
    """Return whether a claim failed because outcomes are missing, or may be."""
    return "missing" in check.text


def _titles(evaluation: Evaluation, names: Sequence[str]) -> list[str]:
    """Return outcomes in plain words, the types of abuse of one reporter as one."""
    labels = {o["name"]: o.get("label") for o in evaluation.plan["outcomes"] if o.get("name")}
    titles: dict[str, None] = {}
    for name in names:
        parts = name.split(":")
        if parts[0] in ABUSE_TYPES.codes:
            titles[f"abuse as rated by the {reporter_words(parts[1])}"] = None
        else:
            words = labels.get(name) or label(parts[0])
            titles[f"{words[:1].lower()}{words[1:]}"] = None
    return list(titles)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
