"""Whether two reporters saw the same, and how far each saw abuse change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.report.drawing import TOO_FEW
from drive_eval.report.numbers import DIGITS_NOTE, digits_of, number
from drive_eval.report.sentences import arm_label, behaviour_label, group_phrase, out_of_100
from drive_eval.report.tables import HIDDEN, MISSING, Table
from drive_eval.results import NOT_SHOWN, ResultSet
from drive_eval.vocabulary import ARMS, REPORTERS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.results import Estimate, Evaluation

__all__ = ["agreement_table", "falls_table", "reporter_results", "reporter_sentences"]

_PREFIX = "reporters:"


def reporter_results(evaluation: Evaluation) -> dict[str, ResultSet]:
    """Return what two reporters said of the same behaviours, by name; those with any number."""
    return {
        name: result
        for name, result in evaluation.results.items()
        if name.startswith(_PREFIX) and result.estimates
    }


def _title(name: str) -> str:
    return behaviour_label(name.removeprefix(_PREFIX))


def _who(code: str) -> str:
    if code in ("either", "both"):
        return {"either": "if either's word counts", "both": "if both must say so"}[code]
    found = REPORTERS.label(code)
    return f"by the {found[:1].lower()}{found[1:]}"


def _reporters(result: ResultSet) -> list[str]:
    contrast = next((e.contrast for e in result.estimates if " v " in e.contrast), "")
    first = [code for code in contrast.split(" v ") if code in REPORTERS.codes]
    there = {e.reporter for e in result.estimates if e.reporter}
    return [*(first or sorted(there - {"either", "both"})), *(c for c in ("either", "both"))]


def _one(result: ResultSet, measure: str, **fields: str) -> Estimate | None:
    for e in result.estimates:
        if e.measure == measure and all(getattr(e, k) == v for k, v in fields.items()):
            return e
    return None


def _spans(result: ResultSet) -> list[str]:
    return list(dict.fromkeys(e.subgroup for e in result.estimates if e.measure == "agreement"))


def reporter_sentences(
    evaluation: Evaluation, labels: Mapping[str, str]
) -> list[tuple[str, list[str]]]:
    """Say, for each type of abuse, how often two reporters agreed and what fall each saw.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    labels : mapping
        Names of the arms.

    Returns
    -------
    list of (str, list of str)
        The type of abuse, and its sentences; last, once for all of them, what is not told and
        why. Changes are in people of 100: a percentage would need its range over those whom not
        both saw twice.
    """
    digits = digits_of(evaluation)
    found = []
    for name, result in reporter_results(evaluation).items():
        said = []
        for when in _spans(result):
            share = _one(result, "agreement", subgroup=when)
            kappa = _one(result, "kappa", subgroup=when)
            if share is None or share.estimate is None:
                continue  # said once for all types, at the end
            text = f"At {label(when).lower()} the two agreed on {out_of_100(share.estimate)} of "
            text += "every 100 cases that both rated"
            if kappa is not None and kappa.estimate is not None:
                text += f" (kappa {number(kappa.estimate, 2, digits)})"
            said.append(f"{text}.")
        for arm in ARMS.codes:
            changes = []
            for code in _reporters(result):
                e = _one(result, "risk_difference", group=arm, reporter=code)
                if e is not None and e.estimate is not None:
                    changes.append(f"{_people(e)} {_who(code)}")
            if changes:
                several = ", ".join(changes[:-1])
                joined = f"{several} and {changes[-1]}" if several else changes[-1]
                said.append(
                    f"Among people of the {group_phrase(arm, labels)} whom both rated twice there "
                    f"were, of every 100 after as against before, {joined}."
                )
        found.append((_title(name), said))
    found.append(("What is not told", _not_told(evaluation, labels)))
    return [(title, said) for title, said in found if said]


def _not_told(evaluation: Evaluation, labels: Mapping[str, str]) -> list[str]:
    """Say once of which types of abuse agreement or change is not told, and why."""
    results = reporter_results(evaluation)
    hidden: dict[str, list[str]] = {}
    undefined: dict[str, list[str]] = {}
    for name, result in results.items():
        for when in _spans(result):
            share = _one(result, "agreement", subgroup=when)
            if share is not None and share.estimate is None:
                found = hidden if share.method == NOT_SHOWN else undefined
                words = f"how often they agreed at {label(when).lower()}"
                found.setdefault(words, []).append(_title(name).lower())
        for arm in ARMS.codes:
            here = [e for e in result.estimates if e.group == arm]
            changes = [e for e in here if e.measure == "risk_difference"]
            if changes and all(e.method == NOT_SHOWN for e in changes):
                words = f"the change by whose word counts in the {group_phrase(arm, labels)}"
                hidden.setdefault(words, []).append(_title(name).lower())
    said = []
    if hidden:
        said.append(
            f"This is not shown: {'; '.join(_of_types(hidden, len(results)))}. Too few people "
            "stand in one of the ways in which two reporters agree or differ to publish it without "
            "risking someone being recognised."
        )
    if undefined:
        said.append(
            f"This cannot be worked out: {'; '.join(_of_types(undefined, len(results)))}. Too few "
            "were rated by both."
        )
    return said


def _of_types(found: Mapping[str, Sequence[str]], most: int) -> list[str]:
    return [
        f"{words} ({_listed(types) if len(types) < most else 'every type of abuse'})"
        for words, types in found.items()
    ]


def _listed(names: Sequence[str]) -> str:
    *several, last = names
    return f"{', '.join(several)} and {last}" if several else last


def _people(e: Estimate) -> str:
    value = 100 * (e.estimate or 0.0)
    return f"{abs(value):.0f} {'fewer' if value <= 0 else 'more'}"


def agreement_table(evaluation: Evaluation) -> Table | None:
    """How often two reporters agreed, of those that both rated; None where nothing is told."""
    digits, rows = digits_of(evaluation), []
    for name, result in reporter_results(evaluation).items():
        for when in _spans(result):
            share, kappa, pabak = (
                _one(result, measure, subgroup=when) for measure in ("agreement", "kappa", "pabak")
            )
            ratio = _one(result, "risk_ratio", subgroup=when)
            if share is None or share.estimate is None:
                continue  # the sentences say why
            rows.append(
                (
                    _title(name),
                    label(when),
                    HIDDEN if share.n is None else f"{share.n:,}",
                    _text(share, 100, 0, digits),
                    _text(kappa, 1, 2, digits),
                    _text(pabak, 1, 2, digits),
                    _text(ratio, 1, 2, digits),
                )
            )
    if not rows:
        return None
    first, second = _pair(evaluation)
    return Table(
        caption=f"Do the {first} and the {second} agree on who used it?",
        header=(
            "Type of abuse",
            "When",
            "Rated by both",
            "Agreed, of 100",
            "Kappa",
            "Adjusted for how common it is (PABAK)",
            f"Users by the {first}, for each by the {second}",
        ),
        rows=tuple(rows),
        note=(
            "Kappa: 1 is full agreement, 0 what chance alone would give. Where nearly nobody uses "
            "it, kappa is low even if the two nearly always agree. In brackets: the interval. "
            f"[c]: {TOO_FEW}." + ("" if digits is None else f" {DIGITS_NOTE}")
        ),
    )


def _pair(evaluation: Evaluation) -> tuple[str, str]:
    result = next(iter(reporter_results(evaluation).values()))
    names = [REPORTERS.label(code) for code in _reporters(result) if code in REPORTERS.codes]
    words = [f"{name[:1].lower()}{name[1:]}" for name in names]
    return (words[0], words[1]) if len(words) > 1 else ("first reporter", "second")


def falls_table(evaluation: Evaluation, labels: Mapping[str, str]) -> Table | None:
    """How far use changed by whose word counts, among those whom both rated twice."""
    digits, rows = digits_of(evaluation), []
    for name, result in reporter_results(evaluation).items():
        for arm in ARMS.codes:
            for code in _reporters(result):
                e = _one(result, "risk_difference", group=arm, reporter=code)
                if e is None or e.estimate is None:
                    continue
                words = _who(code)
                rows.append(
                    (
                        _title(name),
                        arm_label(arm, labels),
                        f"{words[:1].upper()}{words[1:]}",
                        HIDDEN if e.n is None else f"{e.n:,}",
                        _text(e, 100, 0, digits),
                    )
                )
    if not rows:
        return None
    return Table(
        caption="Change in users by whose word counts, of those whom both rated twice",
        header=("Type of abuse", "Group", "Whose word", "People", "Change per 100"),
        rows=tuple(rows),
        note=f"Negative: fewer users. In brackets: the interval. [c]: {TOO_FEW}."
        + ("" if digits is None else f" {DIGITS_NOTE}"),
    )


def _text(e: Estimate | None, scale: float, decimals: int, digits: int | None) -> str:
    if e is None:
        return MISSING
    if e.estimate is None:
        return HIDDEN if e.method == NOT_SHOWN else MISSING
    text = number(scale * e.estimate, decimals, digits)
    if e.conf_low is None or e.conf_high is None:
        return text
    ends = " to ".join(number(scale * v, decimals, digits) for v in (e.conf_low, e.conf_high))
    return f"{text} ({ends})"
