"""Tables of outcomes over time: shares at fixed times, average times, rates, endings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.report.designs import marked_label
from drive_eval.report.drawing import HIDDEN_NOTE
from drive_eval.report.followed import (
    CAUSE_WORDS,
    Followed,
    arms_of,
    causes_of,
    duration,
    ending_words,
    followed_outcome,
    table_of,
    value_at,
)
from drive_eval.report.numbers import DIGITS_NOTE, digits_of, number
from drive_eval.report.sentences import CRUDE, arm_label, design_names, group_words
from drive_eval.report.tables import HIDDEN, MISSING, Table, interval_text, value_text
from drive_eval.results import NOT_SHOWN
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drive_eval.results import Cell, CountTable, Estimate, Evaluation

__all__ = [
    "averages_table",
    "causes_table",
    "counts_by_arm",
    "designs_over_time_table",
    "mean_counts_table",
    "shares_table",
    "tables_over_time",
]

NOTE = f"In brackets: the interval. {HIDDEN_NOTE} [x]: cannot be computed; the checks say why."


_CUSTODY_ENDED = (
    "In custody when following ended: until then there was no event, and no release before the "
    "end. More people were in custody for a time before any event, and were followed again after "
    "it; the table of what came first counts those too."
)


def tables_over_time(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> list[Table]:
    """Return every table of one outcome over time, the plan's fixed times first.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    name : str
        Outcome name.
    labels : mapping
        Names of the arms.

    Returns
    -------
    list of Table
        None of them empty.
    """
    found = followed_outcome(evaluation, name)
    made = [
        shares_table(evaluation, name, labels),
        averages_table(evaluation, name, labels),
        designs_over_time_table(evaluation, name, labels),
        causes_table(evaluation, name, labels),
        mean_counts_table(evaluation, name, labels),
        *[
            counts_by_arm(found, table, labels)
            for kind in ("followed", "repeats", "monthly")
            if (table := table_of(found, kind)) is not None
        ],
    ]
    return [table for table in made if table is not None and table.rows]


def _heads(found: Followed, labels: Mapping[str, str], per: str) -> tuple[str, ...]:
    arms = arms_of(found)
    heads = [f"{per}, {group_words(arm, labels)}" for arm in arms]
    return (*heads, "Difference") if len(arms) > 1 else tuple(heads)


def _over_time(
    evaluation: Evaluation,
    found: Followed,
    measure: str,
    *,
    term: str | None = None,
    text: Callable[[Estimate | None, int | None], str],
) -> list[tuple[str, ...]]:
    digits, arms = digits_of(evaluation), arms_of(found)
    rows = []
    for time in found.times:
        row = [
            text(value_at(found, measure, group=arm, term=term, time=time), digits) for arm in arms
        ]
        if len(arms) > 1:
            gap = value_at(found, f"{measure}_difference", term=term, time=time)
            row.append(text(gap, digits))
        rows.append((duration(time, found.unit), *row))
    return rows


def shares_table(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> Table:
    """How many of 100 were still free of the event at each time of the plan."""
    found = followed_outcome(evaluation, name)
    return Table(
        caption=f"Still free of {found.event} at each time of the plan{_made(evaluation, found)}",
        header=("After", *_heads(found, labels, "Of 100")),
        rows=tuple(_over_time(evaluation, found, "event_free", text=_with_interval)),
        note=f"Time is counted from the index date. {_note(evaluation)}",
        unfolded=True,
    )


def averages_table(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> Table | None:
    """Average time free of the event and lost to it, then the hazard ratios beside them."""
    found, digits = followed_outcome(evaluation, name), digits_of(evaluation)
    arms = arms_of(found)
    of = f"of {duration(found.horizon, found.unit)}"
    rows = []
    for measure, words in (("restricted_mean", "free of it"), ("time_lost", "not free of it")):
        means = [value_at(found, measure, group=arm) for arm in arms]
        if all(e is None for e in means):
            continue
        row = [f"Average time {words}, {found.unit} {of}"]
        row += [_length_text(e, digits) for e in means]
        if len(arms) > 1:
            gap = value_at(found, f"{measure}_difference")
            ratio = value_at(found, f"{measure}_ratio")
            row += ["" if gap is None else _length_text(gap, digits), _with_interval(ratio, digits)]
        rows.append(tuple(row))
    if len(arms) > 1:
        for term, words in _hazard_rows(found):
            e = value_at(found, "hazard_ratio", term=term)
            if e is not None:
                blank = [""] * len(arms)
                rows.append((words, *blank, "", _with_interval(e, digits)))
    if not rows:
        return None
    contrast = ("Difference", "Ratio") if len(arms) > 1 else ()
    return Table(
        caption=f"Average time free of {found.event}, and the hazard ratio beside it"
        if len(arms) > 1
        else f"Average time free of {found.event}",
        header=("Measure", *[arm_label(arm, labels) for arm in arms], *contrast),
        rows=tuple(rows),
        note=_note(evaluation)
        + (
            " The hazard ratio compares the rates at any one moment among those still free; it "
            "says nothing of how long or of how many, and is to be read with the lines above it."
            if len(arms) > 1
            else ""
        ),
    )


def _hazard_rows(found: Followed) -> list[tuple[str, str]]:
    first = f"Hazard ratio of first {found.event}"
    rows = [(found.term, first)]
    if not found.term:
        rows.append(("adjusted", f"{first}, adjusted for covariates"))
    else:
        rows.append((f"{found.term} (adjusted)", f"{first}, adjusted for covariates as well"))
    every = "Ratio of the rates of all events"
    rows += [(term, every) for term in _repeated_terms(found)]
    return rows


def _repeated_terms(found: Followed) -> list[str]:
    terms = [f"{found.term} (repeated)"] if found.term else []
    terms.append("repeated")
    there = {e.term for e in found.result.estimates if e.measure == "hazard_ratio"}
    return [term for term in terms if term in there][:1]


def designs_over_time_table(
    evaluation: Evaluation, name: str, labels: Mapping[str, str]
) -> Table | None:
    """Return what each design found at the horizon, no adjustment on top; None without designs."""
    found, digits = followed_outcome(evaluation, name), digits_of(evaluation)
    if not found.term:
        return None
    rows = []
    for term in (CRUDE, *design_names(evaluation)):
        gap = value_at(found, "event_free_difference", term=term)
        mean = value_at(found, "restricted_mean_difference", term=term)
        ratio = value_at(found, "hazard_ratio", term=term)
        if gap is None and mean is None and ratio is None:
            continue
        shares = [value_at(found, "event_free", group=arm, term=term) for arm in arms_of(found)]
        rows.append(
            (
                marked_label(evaluation, term),
                *[value_text(e, digits) for e in shares],
                _with_interval(gap, digits),
                _length_text(mean, digits),
                _with_interval(ratio, digits),
            )
        )
    return Table(
        caption=f"Still free of {found.event} after {duration(found.horizon, found.unit)}: the "
        "result of each design",
        header=(
            "Design",
            *[f"Of 100, {group_words(arm, labels)}" for arm in arms_of(found)],
            "Difference per 100",
            f"Difference of the average time, {found.unit}",
            "Hazard ratio",
        ),
        rows=tuple(rows),
        note=f"Each design speaks of its own group of people. {_note(evaluation)}",
        unfolded=True,
    )


def causes_table(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> Table | None:
    """How many of 100 had each thing come first by each time; None where it was not worked out."""
    found = followed_outcome(evaluation, name)
    causes = causes_of(found)
    if not causes:
        return None
    rows = []
    for cause in causes:
        words = CAUSE_WORDS[cause].format(event=found.event)
        rows += [
            (f"{words[:1].upper()}{words[1:]}", *row)
            for row in _over_time(
                evaluation, found, "cumulative_incidence", term=cause, text=_with_interval
            )
        ]
    return Table(
        caption="What came first, each counted as an end of its own"
        + (", with no adjustment" if design_names(evaluation) else ""),
        header=("What came first", "Within", *_heads(found, labels, "Of 100")),
        rows=tuple(rows),
        note=_note(evaluation),
    )


def mean_counts_table(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> Table | None:
    """Events for every 100 people by each time; None where every event was not counted."""
    found, measure = followed_outcome(evaluation, name), "mean_cumulative_count"
    there = {e.term for e in found.result.estimates if e.measure == measure}
    if not there:
        return None
    # A design that is released without the numbers of its arms has no line here.
    known = {
        e.term for e in found.result.estimates if e.measure == measure and e.estimate is not None
    }
    terms = [t for t in (CRUDE, *design_names(evaluation)) if t in (known or there)] or [""]
    digits, arms = digits_of(evaluation), arms_of(found)
    rows = []
    for term in terms:
        for row in _over_time(evaluation, found, measure, term=term, text=_count_text):
            lead = [marked_label(evaluation, term)] if term else []
            rows.append((*lead, *row))
        if len(arms) > 1:
            for place, time in enumerate(found.times, start=len(rows) - len(found.times)):
                ratio = value_at(found, f"{measure}_ratio", term=term, time=time)
                rows[place] = (*rows[place], _with_interval(ratio, digits))
    head = _heads(found, labels, "For every 100 people")
    return Table(
        caption=f"All events counted ({found.event}): how many for every 100 people",
        header=(
            *(["Design"] if terms != [""] else []),
            "Within",
            *head,
            *(["Ratio"] if len(arms) > 1 else []),
        ),
        rows=tuple(rows),
        note=_note(evaluation),
    )


def counts_by_arm(found: Followed, table: CountTable, labels: Mapping[str, str]) -> Table:
    """Return a released table of counts with one column an arm."""
    cells = {cell.key: cell for cell in table.cells if cell.shown}
    arms = [arm for arm in ARMS.codes if any(key[0] == arm for key in cells)]
    lines = list(dict.fromkeys(key[1] for key in cells))
    kind = table.name.partition(":")[0]
    if kind == "monthly":
        lines.sort(key=lambda month: int(month))
    rows = [
        (_line_words(found, kind, line), *[_count_of(cells.get((arm, line))) for arm in arms])
        for line in lines
    ]
    titles = {
        "followed": (
            f"How following ended ({found.event})",
            "How it ended",
            _CUSTODY_ENDED
            if ("custody" in lines and found.plan.get("custody_as") == "gap")
            else "",
        ),
        "repeats": (
            f"People by how often it happened ({found.event})",
            "How often",
            "Counted while they were followed, to the horizon; those of one day are one.",
        ),
        "monthly": (
            f"Number of events in each month ({found.event})",
            "Month before (−) or after the index date",
            "",
        ),
    }
    caption, head, note = titles.get(kind, (table.title, kind, ""))
    hidden = any(cell.count is None for cell in cells.values())
    return Table(
        caption=caption,
        header=(head, *[arm_label(arm, labels) for arm in arms]),
        rows=tuple(rows),
        note=" ".join(part for part in (note, HIDDEN_NOTE * hidden) if part),
    )


def _line_words(found: Followed, kind: str, line: str) -> str:
    if line == "all":
        return "Everybody"
    if kind == "followed":
        return ending_words(found, line)
    if kind == "repeats":
        return {"0": "Never", "1": "Once", "2": "Twice"}.get(line, f"{line} times")
    return line.replace("-", "−") if kind == "monthly" else line


def _count_of(cell: Cell | None) -> str:
    return HIDDEN if cell is None or cell.count is None else f"{cell.count:,}"


def _with_interval(e: Estimate | None, digits: int | None) -> str:
    return _text(e, value_text(e, digits), interval_text(e, digits))


def _text(e: Estimate | None, value: str, interval: str) -> str:
    if e is None or e.estimate is None:
        return value
    return f"{value} (no interval)" if interval in (HIDDEN, MISSING) else f"{value} ({interval})"


def _count_text(e: Estimate | None, digits: int | None) -> str:
    """Return events per person as events for every 100 people."""
    return _scaled(e, 100, 1, digits)


def _length_text(e: Estimate | None, digits: int | None) -> str:
    return _scaled(e, 1, 1, digits)


def _scaled(e: Estimate | None, scale: float, decimals: int, digits: int | None) -> str:
    if e is None:
        return MISSING
    if e.estimate is None:
        return HIDDEN if e.method == NOT_SHOWN else MISSING
    text = number(scale * e.estimate, decimals, digits)
    if e.conf_low is None or e.conf_high is None:
        return f"{text} (no interval)"
    low, high = (number(scale * v, decimals, digits) for v in (e.conf_low, e.conf_high))
    return f"{text} ({low} to {high})"


def _made(evaluation: Evaluation, found: Followed) -> str:
    return f" ({marked_label(evaluation, found.term)})" if found.term else ""


def _note(evaluation: Evaluation) -> str:
    return NOTE if digits_of(evaluation) is None else f"{NOTE} {DIGITS_NOTE}"
