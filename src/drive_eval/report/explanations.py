"""What else could explain a result, one plain line each: what would have to be true, and is it so.

Every number is one that stands in the results already: where the main result answers the same
question, its interval is the one that is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.report import bounds
from drive_eval.report.rivals import (
    NOTHING,
    by_itself,
    checks_of,
    fall_of,
    found_words,
    plain_text,
    rivals_of,
    title_of,
)
from drive_eval.report.sentences import fall_between_arms, group_phrase, percent_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drive_eval.results import Check, Evaluation

__all__ = ["FAMILIES", "explanation_lists", "unrated_words"]

#: The kinds of explanation, in the order of the report: what is asked, and what belongs to it.
FAMILIES = {
    "A crisis passes by itself: how much would have come anyway?": ("regression_to_the_mean",),
    "Did those who were not rated a second time do worse?": (
        "missing",
        "tipping",
        "imputed",
        "weighted",
    ),
    "Were the later ratings too hopeful?": ("misreporting", "differential_misreporting"),
    "Did more contact bring more into the records?": ("recording",),
    "Does it hang on one person, one place or one kind of people?": (
        "one_person",
        "one_site",
        "subgroup",
    ),
    "Is it chance, or less than the {worth} in every 100 that would be worth having?": ("verdict",),
}
#: A line that gives no number.
_HIDDEN = "not shown, so that nobody can be recognised."


def explanation_lists(
    evaluation: Evaluation, names: Sequence[str], labels: Mapping[str, str]
) -> list[tuple[str, list[str]]]:
    """Return each kind of explanation with one line for each outcome.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    names : sequence of str
        Outcomes.
    labels : mapping
        Names of the arms.

    Returns
    -------
    list of (str, list of str)
        What is asked, and a line for every outcome of which it was asked.
    """
    worth = f"{evaluation.plan['sensitivity']['smallest_worthwhile']:g}"
    whose = {name.split(":")[1] for name in names if name.count(":") > 1}
    said = []
    for question, kinds in FAMILIES.items():
        lines = []
        for name in names:
            asked = [
                check
                for check in checks_of(evaluation, name)
                if check.name.removeprefix("rival:") in kinds and check.group != "comparison"
            ]
            if asked:
                title = title_of(evaluation, name, short=len(whose) < 2)
                line = _LINES[kinds[0]](evaluation, name, asked, labels) or _HIDDEN
                lines.append(f"{title}: {line}")
        if lines:
            said.append((question.format(worth=worth), _together(lines)))
    return said


def _together(lines: list[str]) -> list[str]:
    """Say once what is the same of every outcome."""
    same = {line.partition(": ")[2] for line in lines}
    if len(lines) < 2 or len(same) > 1:
        return lines
    (text,) = same
    return [f"{text[:1].upper()}{text[1:]}"]


def unrated_words(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> str:
    """Say within what a fall lies, whatever became of those who were not rated a second time."""
    inside = bounds.ends_text(bounds.ends_within(evaluation, name, "programme"))
    best = fall_between_arms(evaluation.results[name])
    between = ""
    if best is not None and best.estimate is not None:
        between = bounds.ends_text(bounds.ends_between(evaluation, name))
        between = between.replace("fewer", "lower").replace("more", "higher")
    said = [
        *([f"{inside} users in the {group_phrase('programme', labels)}"] if inside else []),
        *([f"set against the {group_phrase('comparison', labels)}, {between}"] if between else []),
    ]
    if not said:
        return ""
    return f"Whatever became of those not rated a second time: {'; '.join(said)}."


def _itself(
    evaluation: Evaluation, name: str, asked: Sequence[Check], labels: Mapping[str, str]
) -> str:
    lines = []
    for check in asked:
        found = found_words(evaluation, name, check)
        text = plain_text(evaluation, check)
        if not text or text.startswith(NOTHING):
            continue
        if not check.group:
            text = by_itself(evaluation, name, labels) or text
        lines.append(f"{_small(text)} {found}.")
    # Beside a comparison group, how far one group's own members differ adds little.
    return lines[0] if lines else ""


def _missing(
    evaluation: Evaluation, name: str, asked: Sequence[Check], labels: Mapping[str, str]
) -> str:
    of = {(check.name, check.group): check for check in asked}
    inside, between = of.get(("rival:missing", "programme")), of.get(("rival:missing", ""))
    text = unrated_words(evaluation, name, labels)
    if text:
        text = text.partition(": ")[2].removesuffix(".")
        last = [] if inside is None else [_stands(evaluation, name, inside)]
        ends = bounds.ends_between(evaluation, name)
        if ends is not None and "set against" in text:
            stays = "stays" if ends.worst > 0 else "could vanish"
            last.append(f"the difference between the groups {stays}")
        end = "; ".join(last)
        return f"whatever became of them, {text}. {end[:1].upper()}{end[1:]}".strip(" .") + "."
    for check in (between, inside, *asked):
        if check is not None and check.text and not check.text.startswith("Not shown"):
            return _small(plain_text(evaluation, check))
    return ""


def _stands(evaluation: Evaluation, name: str, check: Check) -> str:
    return found_words(evaluation, name, check).replace("A fall stays", "The fall stays")


def _hopeful(
    evaluation: Evaluation, name: str, asked: Sequence[Check], labels: Mapping[str, str]
) -> str:
    said = []
    for check in sorted(asked, key=lambda c: c.group == ""):
        kind = fall_of(evaluation, name, check.group)
        needed = next(
            (
                e.estimate
                for e in rivals_of(evaluation, name).estimates
                if (e.measure, e.term, e.group) == ("over_optimism", "point", check.group)
            ),
            None,
        )
        what = "the fall" if check.group else "the difference between the groups"
        if needed is not None and kind == "fell":
            who = (
                "of those who went on were rated as having stopped"
                if check.group
                else f"in the {group_phrase('programme', labels)} were and nobody in the "
                f"{group_phrase('comparison', labels)}"
            )
            lead = "" if check.group else "looking at the end only, "
            said.append(f"{lead}{what} would vanish only if {percent_words(needed)} {who}")
        elif kind in ("cannot tell", "rose"):
            said.append(f"{what} is not clear, so there is nothing to explain away")
    return f"{'; '.join(said)}." if said else ""


def _plainly(
    evaluation: Evaluation, name: str, asked: Sequence[Check], labels: Mapping[str, str]
) -> str:
    said: dict[str, None] = {}
    ends: dict[str, None] = {}
    for check in sorted(asked, key=lambda c: c.group == ""):
        text = plain_text(evaluation, check)
        found = found_words(evaluation, name, check)
        if check.name == "rival:subgroup" and found.startswith("No clear"):
            ends["No clear difference between kinds of people"] = None
        elif text and not text.startswith(NOTHING):
            said[text.removesuffix(".")] = None
            if not found.startswith(("See", "No clear")):
                ends[found] = None
    return _small(". ".join([*said, *ends])) + "." if said or ends else ""


def _chance(
    evaluation: Evaluation, name: str, asked: Sequence[Check], labels: Mapping[str, str]
) -> str:
    said = []
    for check in sorted(asked, key=lambda c: c.group == ""):
        text = plain_text(evaluation, check)
        if text and not text.startswith(NOTHING):
            where = (
                f"in the {group_phrase('programme', labels)}"
                if check.group
                else f"set against the {group_phrase('comparison', labels)}"
            )
            word, _, rest = text.partition(": ")
            span = rest.partition(" in every 100")[0]
            said.append(f"{where}, {_small(span).removesuffix('.')} in every 100 ({_small(word)})")
    return f"{'; '.join(said)}." if said else ""


def _small(text: str) -> str:
    return f"{text[:1].lower()}{text[1:]}"


_LINES: dict[str, Callable[[Evaluation, str, Sequence[Check], Mapping[str, str]], str]] = {
    "regression_to_the_mean": _itself,
    "missing": _missing,
    "misreporting": _hopeful,
    "recording": _plainly,
    "one_person": _plainly,
    "verdict": _chance,
}
