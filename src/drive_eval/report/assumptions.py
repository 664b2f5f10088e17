"""What the figures take for granted, each thing once, however many models said it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drive_eval.report.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["assumptions_table", "merged_assumptions"]

#: What an assumption is about, by the words in it; the first that fits.
_ABOUT = (
    ("Who is independent of whom", r"\bindependent\b"),
    (
        "Time, custody and rates",
        r"[Ff]ollow|[Cc]ustody|[Hh]azard|[Tt]ime at risk|event-free|gamma|Earlier events",
    ),
    (
        "Who was not measured",
        r"without (?:an exit|those)|for those without|were not measured|Lee's|an exit|two measures",
    ),
    ("What was recorded", r"record|rated|rating|reporter|sensitivities|likely to be"),
    (
        "The groups beside each other",
        r"Without the programme|comparison arm|Both arms|both arms|arms are comparable|in the "
        r"programme has nothing|hidden|two groups",
    ),
    ("Before and after", r"regression to the mean|before|picked|rate of"),
)
#: Sentences of models that a reader would stumble over.
_PLAIN = {
    "at a rate of his own": "at a rate of their own",
    "Those of the analysis that was repeated.": "Leaving out a person or a place: what the "
    "analysis of all takes for granted.",
}

_FOLLOWING = re.compile(
    r"Following ends|Event-free shares and hazards take|Whether somebody is followed at a time"
)
_APART = re.compile(r"(?:People|Rows)(?: \(([a-z]+)\))? are independent of each other\.")
_CLUSTERS = re.compile(r"(Clusters|Matched sets) are independent of each other; .* need not be\.")
_OF_ONE = "Clusters are independent of each other; events of one person need not be."
_COUNTED = {
    "enrolment": "Enrolments",
    "dyad": "Pairs of a perpetrator and a victim-survivor",
}


def assumptions_table(said: Iterable[str]) -> Table:
    """Return what the figures take for granted, each thing once, by what it is about.

    Parameters
    ----------
    said : iterable of str
        Sentences, as the models gave them.

    Returns
    -------
    Table
    """
    rows = []
    for sentence in merged_assumptions(said):
        text = sentence
        for words, plain in _PLAIN.items():
            text = text.replace(words, plain)
        about = next((about for about, kind in _ABOUT if re.search(kind, text)), "Other")
        rows.append((about, text))
    order = [*(about for about, _ in _ABOUT), "Other"]
    return Table(
        caption="What the figures take for granted",
        header=("What it is about", "Taken for granted"),
        rows=tuple(sorted(rows, key=lambda row: order.index(row[0]))),
        annex=True,
    )


def merged_assumptions(said: Iterable[str]) -> list[str]:
    """Return assumptions without those that say the same of another model.

    Parameters
    ----------
    said : iterable of str
        Sentences, as the models gave them.

    Returns
    -------
    list of str
        In the order in which each thing was first said. Sentences of a kind of which there is
        but one are unchanged.

    Examples
    --------
    >>> merged_assumptions(["People (person) are independent of each other.", "Other.",
    ...                     "Rows (person) are independent of each other."])
    ['People are independent of each other.', 'Other.']
    """
    sentences = list(dict.fromkeys(said))
    for kind, merge in ((_FOLLOWING, _following), (_APART, _apart), (_CLUSTERS, _clusters)):
        sentences = _merged(sentences, kind, merge)
    apart = next((s for s in sentences if _APART.match(s)), "")
    if apart and _OF_ONE in sentences:  # people are the clusters
        both = apart.replace(".", "; events of one need not be.")
        sentences = [both if s == apart else s for s in sentences if s != _OF_ONE]
    return sentences


def _merged(
    sentences: list[str], kind: re.Pattern[str], merge: Callable[[list[str]], str]
) -> list[str]:
    alike = [sentence for sentence in sentences if kind.match(sentence)]
    if len(alike) < 2:
        return sentences
    one = merge(alike)
    return list(dict.fromkeys(one if s in alike else s for s in sentences))


def _following(alike: list[str]) -> str:
    whole = " ".join(alike)
    gaps = ", and is interrupted," if "interrupted" in whole else ""
    given = (
        " (for hazard ratios: among people with the same covariates)"
        if "given the covariates" in whole
        else ""
    )
    return (
        f"Following ends{gaps} for reasons that have nothing to do with when events would have "
        f"come{given}."
    )


def _apart(alike: list[str]) -> str:
    units = {found[1] for sentence in alike if (found := _APART.match(sentence))}
    who = next((_COUNTED[unit] for unit in units if unit in _COUNTED), "People")
    return f"{who} are independent of each other."


def _clusters(alike: list[str]) -> str:
    if any(sentence.startswith("Matched sets") for sentence in alike):
        return (
            "Matched sets, and other clusters, are independent of each other; cases, rows and "
            "events within one need not be."
        )
    return "Clusters are independent of each other; people, rows and events within one need not be."
