"""Who the groups were at the start, what they were given, and who was not seen again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.report.designs import covariate_label
from drive_eval.report.drawing import TOO_FEW, shown_count
from drive_eval.report.numbers import digits_of, number
from drive_eval.report.sentences import (
    arm_label,
    behaviour_label,
    group_phrase,
    out_of_100,
    percent_text,
)
from drive_eval.report.tables import Table
from drive_eval.vocabulary import ARMS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.results import CountTable, Estimate, Evaluation

__all__ = [
    "baseline_table",
    "baseline_text",
    "lost_sentence",
    "lost_table",
    "received_sentence",
]

BASELINE = "baseline"
WHOLE_ARM, MEASURED = "everybody", "measured at both"
HIDDEN = "[c]"
#: From what difference, in spreads, groups are said to differ; a convention, no test.
APART = 0.1
#: From how many of 100 those who were lost are said to differ from those seen again.
GAP = 5
#: Columns whose names are no words.
COLUMNS = {
    "age_band": "Age",
    "dash_score": "DASH score",
    "prior_incidents_12m": "Incidents in the 12 months before",
}
YES_NO = {"True", "False", "not recorded"}


# Who they were


def _estimates(evaluation: Evaluation) -> tuple[Estimate, ...]:
    found = evaluation.results.get(BASELINE)
    return () if found is None else found.estimates


def baseline_text(evaluation: Evaluation, labels: Mapping[str, str]) -> list[str]:
    """Say how alike the groups were at the start, and what that means for this design."""
    found = _estimates(evaluation)
    differ = [e for e in found if e.measure == "smd"]
    said = []
    for whom, words in ((WHOLE_ARM, "Of everybody"), (MEASURED, "Of those rated both times")):
        here = [e for e in differ if e.subgroup == whom and e.estimate is not None]
        # A group and what is left of two mirror each other: a name once is enough.
        apart = dict.fromkeys(
            _column_label(e.term.partition(":")[0]) for e in here if abs(e.estimate or 0.0) > APART
        )
        if apart:
            said.append(f"{words}, the groups differed noticeably in {_listed(list(apart))}.")
        elif here:
            said.append(f"{words}, the groups were alike in everything that is shown.")
    if said and evaluation.plan["design"]["kind"] == "randomised":
        said.append(
            "Chance made the groups, so what differs of everybody is chance; of those rated both "
            "times it can also be who was lost."
        )
    elif said:
        said.append("Groups that differ at the start can end differently with no programme at all.")
    stray = [
        check.text
        for check in evaluation.results[BASELINE].checks
        if check.name == "stray_ratings" and check.statistic != 0
    ] if BASELINE in evaluation.results else []  # fmt: skip
    return [" ".join(said), *stray] if said else stray


def _listed(names: Sequence[str]) -> str:
    names = [name if name[:2].isupper() else f"{name[:1].lower()}{name[1:]}" for name in names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def baseline_table(evaluation: Evaluation, labels: Mapping[str, str]) -> Table | None:
    """Return each characteristic by group, of everybody and of those measured twice."""
    found = {(e.measure, e.term, e.group, e.subgroup): e for e in _estimates(evaluation)}
    terms = [term for term in dict.fromkeys(e.term for e in _estimates(evaluation)) if term]
    terms = [term for term in terms if not _is_no(term, terms)]
    columns = [
        (whom, arm)
        for whom in (WHOLE_ARM, MEASURED)
        for arm in (*ARMS.codes, "")
        if any(key[2:] == (arm, whom) and key[1] for key in found)
    ]
    if not terms or not columns:
        return None
    digits = digits_of(evaluation)
    rows = []
    for term in terms:
        cells = [_cell(found, term, arm, whom, digits) for whom, arm in columns]
        rows.append((_term_label(term, terms), *cells))
    spoken = {WHOLE_ARM: "everybody", MEASURED: "rated both times"}
    heads = [
        f"{arm_label(arm, labels) if arm else 'Difference'}, {spoken[whom]}"
        for whom, arm in columns
    ]
    check = [c.text for c in evaluation.results[BASELINE].checks if c.name == "rounding"]
    notes = [
        "Number (of 100), or mean (standard deviation).",
        "Difference: programme minus comparison, in standard deviations; no P values, by intention."
        if any(not arm for _, arm in columns)
        else "",
        *check,
        f"[c]: {TOO_FEW}." if any(HIDDEN in cell for row in rows for cell in row) else "",
    ]
    return Table(
        caption="The groups at the start (baseline)",
        header=("At the start", *heads),
        rows=tuple(rows),
        note=" ".join(note for note in notes if note),
        unfolded=True,
    )


def _is_no(term: str, terms: Sequence[str]) -> bool:
    """Tell whether a group is the rest of a yes/no characteristic."""
    column, _, name = term.partition(": ")
    names = {other.partition(": ")[2] for other in terms if other.startswith(f"{column}: ")}
    return name == "False" and names <= YES_NO


def _term_label(term: str, terms: Sequence[str]) -> str:
    column, _, name = term.partition(": ")
    if name == "True" and f"{column}: False" not in terms:
        return _column_label(column)
    return f"{_column_label(column)}: {label(name)}" if name else _column_label(column)


def _column_label(column: str) -> str:
    return COLUMNS.get(column, covariate_label(column))


def _cell(
    found: Mapping[tuple[str, str, str, str], Estimate],
    term: str,
    arm: str,
    whom: str,
    digits: int | None,
) -> str:
    if not arm:
        e = found.get(("smd", term, "", whom))
        if e is None:
            return ""
        return HIDDEN if e.estimate is None else number(e.estimate, 2, digits)
    share = found.get(("share", term, arm, whom))
    if share is not None:
        if share.estimate is None:
            return HIDDEN
        return f"{shown_count(share.n_events)} ({out_of_100(share.estimate)})"
    pair = [found.get((measure, term, arm, whom)) for measure in ("mean", "std_dev")]
    values = [None if e is None else e.estimate for e in pair]
    if pair[0] is None:
        return ""
    if values[0] is None:
        return HIDDEN
    spread = "" if values[1] is None else f" ({number(values[1], 1, digits)})"
    return f"{number(values[0], 1, digits)}{spread}"


# Who was not seen again


def _lost_rows(
    evaluation: Evaluation, names: Sequence[str]
) -> list[tuple[str, str, tuple[int | None, int | None], tuple[int | None, int | None]]]:
    rows = []
    for name in names:
        for arm in ARMS.codes:
            table = _table(evaluation, name, f"pairs:{arm}")
            if table is None:
                continue
            again = (table["users", "before"], table["all", "measured at both"])
            lost = (table["lost", "used before"], table["missing", "only before"])
            rows.append((name, arm, again, lost))
    return rows


def lost_table(
    evaluation: Evaluation, names: Sequence[str], labels: Mapping[str, str]
) -> Table | None:
    """Return how many had used each type at the start: of those rated again, and of those lost."""
    rows = _lost_rows(evaluation, names)
    if not rows:
        return None
    return Table(
        caption="Were those lost to the second rating different at the start?",
        header=(
            "Type of abuse",
            "Group",
            "Rated again: used it at the start",
            "Not rated again: used it at the start",
        ),
        rows=tuple(
            (behaviour_label(name), arm_label(arm, labels), _of(*again), _of(*lost))
            for name, arm, again, lost in rows
        ),
        note=f"In brackets: of 100. [c]: {TOO_FEW}. Each count is rounded by itself."
        if digits_of(evaluation) is not None
        else "In brackets: of 100.",
    )


def _of(part: int | None, whole: int | None) -> str:
    if whole == 0:
        return "nobody"
    if part is None or whole is None:
        return HIDDEN
    return f"{part:,} of {whole:,} ({percent_text(part, whole)})"


def lost_sentence(evaluation: Evaluation, names: Sequence[str], labels: Mapping[str, str]) -> str:
    """Say where those who were not rated again differed most at the start."""
    gaps: list[tuple[float, str, str, float, float]] = []
    rows = _lost_rows(evaluation, names)
    for name, arm, again, lost in rows:
        if None in (*again, *lost) or not again[1] or not lost[1]:
            continue
        seen, gone = (min(1.0, (part or 0) / (whole or 1)) for part, whole in (again, lost))
        gaps.append((100 * (gone - seen), name, arm, gone, seen))
    if not gaps:
        return ""
    gap, name, arm, gone, seen = max(gaps, key=lambda found: abs(found[0]))
    rounded = digits_of(evaluation) is not None
    used, beside = (
        "nearly all" if rounded and share == 1 else f"{out_of_100(share)} of 100"
        for share in (gone, seen)
    )
    where = "" if len(gaps) == len(rows) else ", as far as that can be shown"
    if abs(gap) < GAP:
        return (
            "Those who were not rated again had used each type about as often at the start as "
            f"those who were{where}."
        )
    more = sum(found[0] > 0 for found in gaps)
    how = f"more often in {more} of {len(gaps)} lines of the table"
    return (
        f"Those who were not rated again had used abuse at the start {how}{where}. They differed "
        f"most in {behaviour_label(name).lower()} in the {group_phrase(arm, labels)}: {used} "
        f"of them had used it, and {beside} of those rated again."
    )


def _table(evaluation: Evaluation, name: str, kind: str) -> CountTable | None:
    tables = evaluation.results[name].tables
    return next((table for table in tables if table.name == kind), None)


# What they received


def received_sentence(evaluation: Evaluation, labels: Mapping[str, str]) -> str:
    """Say how many of 100 of each group received the programme; nothing if that is not shown."""
    table = next((t for t in evaluation.tables if t.name == "received"), None)
    if table is None:
        return ""
    said = []
    for arm in ARMS.codes:
        given, whole = table[arm, "programme"], table[arm, "all"]
        where = f"allocated to the {group_phrase(arm, labels)}"
        if given is None or not whole:
            said.append(f"how many of those {where} received the programme is not shown")
        else:
            verb = "received the programme" if not said else "did"
            said.append(f"of 100 people {where}, {percent_text(given, whole)} {verb}")
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}. All are counted in the group they were allocated to."
