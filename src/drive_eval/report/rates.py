"""How often, before and after: rates of recorded events, their ratios, chart and table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from drive_eval.report.drawing import (
    ARM_COLOURS,
    ARM_MARKERS,
    DARK_GREY,
    HIDDEN_NOTE,
    SMALL,
    STYLE,
    TOO_FEW,
    Chart,
    beside,
    new_figure,
    wrapped,
)
from drive_eval.report.followed import Followed, followed_outcome, table_of
from drive_eval.report.headlines import shorter
from drive_eval.report.numbers import DIGITS_NOTE, digits_of, number
from drive_eval.report.sentences import (
    CRUDE,
    arm_label,
    claim_sentence,
    group_phrase,
    group_words,
    percent_words,
    verdict,
)
from drive_eval.report.steps import not_made_alike
from drive_eval.report.tables import HIDDEN, MISSING, Table
from drive_eval.results import NOT_SHOWN
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from drive_eval.results import Estimate, Evaluation

__all__ = ["has_rates", "rates_chart", "rates_headline", "rates_sentences", "rates_table"]

#: A rise beyond this many percent is drawn as an arrowhead at the edge.
LARGEST_RISE = 100.0
_BETWEEN_COLOUR, _BETWEEN_MARKER = DARK_GREY, "D"
_ROW = 0.62


def has_rates(evaluation: Evaluation, name: str) -> bool:
    """Return whether rates before and after were worked out."""
    return any(e.measure == "rate" for e in evaluation.results[name].estimates)


def _one(found: Followed, measure: str, group: str, *terms: str) -> Estimate | None:
    for e in found.result.estimates:
        if e.measure == measure and e.group == group and e.term in terms and not e.subgroup:
            return e
    return None


def _arms(found: Followed) -> list[str]:
    there = {e.group for e in found.result.estimates if e.measure == "rate"}
    return [arm for arm in ARMS.codes if arm in there]


def _between(found: Followed, term: str, measure: str = "percent_reduction") -> Estimate | None:
    return _one(found, measure, "", term, f"{CRUDE} ({term})")


def _windows(found: Followed) -> str:
    before, washout = found.plan["days_before"], found.plan["washout"]
    text = f"{before:g} days before and {found.horizon:g} days after the start"
    return f"{text}, without the {washout:g} days just before it" if washout else text


def rates_headline(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> str:
    """Return the one message of the rates: as far as the interval between the groups goes."""
    found = followed_outcome(evaluation, name)
    one = group_phrase("programme", labels)
    inside = verdict(_one(found, "percent_reduction", _arms(found)[0], "rate"))
    if len(_arms(found)) < 2:
        said = {"fell": "fell", "rose": "rose", "cannot tell": "did not clearly change"}
        if inside not in said:
            return shorter(f"{found.title}: {TOO_FEW}", f"{found.title}: not shown", "Not shown")
        return shorter(
            f"{found.title} {said[inside]}; there is no comparison group",
            f"{found.title} {said[inside]}",
        )
    kind = verdict(_between(found, "rate"))
    words = {
        "fell": "fell further" if inside == "fell" else "did better",
        "rose": "did worse",
    }
    if kind in words:
        return shorter(
            *(f"{found.title} {words[kind]} in the {who}" for who in (one, "programme group")),
            f"The rate {words[kind]} in the programme group",
        )
    if kind == "cannot tell":
        return shorter(
            f"{found.title}: no clear difference between the changes",
            "No clear difference between the changes",
        )
    return shorter(
        f"{found.title}: the groups cannot be compared here", "The groups cannot be compared here"
    )


def rates_sentences(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> list[str]:
    """Say how often it happened before and after in each group, then the groups together.

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
    list of str
    """
    found, digits = followed_outcome(evaluation, name), digits_of(evaluation)
    said = []
    for arm in _arms(found):
        who = group_phrase(arm, labels)
        before, after = (_one(found, "rate", arm, when) for when in ("before", "after"))
        if before is None or after is None or before.estimate is None or after.estimate is None:
            said.append(f"In the {who}: {TOO_FEW}.")
            continue
        text = (
            f"In the {who} there were {number(before.estimate, 0, digits)} recorded events for "
            f"every 100 people a year before and {number(after.estimate, 0, digits)} after"
        )
        said.append(text + _change(_one(found, "percent_reduction", arm, "rate")))
    if len(_arms(found)) < 2:
        said.append(
            "There is no comparison group, so how much of the change would have come by itself "
            "cannot be told."
        )
        return said
    said.append(_together(found, "rate", "a rate of events", labels))
    harm = _between(found, "harm")
    if harm is not None:
        said.append("Events weighted by their harm: " + _together(found, "harm", "harm", labels))
    return said


def _change(fall: Estimate | None) -> str:
    kind = verdict(fall)
    if fall is None or fall.estimate is None or fall.conf_low is None or fall.conf_high is None:
        return "."
    low, high = fall.conf_low, fall.conf_high
    if kind == "cannot tell":
        up = "no limit" if math.isinf(low) else percent_words(abs(low))
        return f". This is compatible with anything from {up} more to {percent_words(high)} fewer."
    side = "fewer" if kind == "fell" else "more"
    ends = [
        "no limit" if math.isinf(v) else percent_words(abs(v)) for v in sorted((low, high), key=abs)
    ]
    return f": {percent_words(abs(fall.estimate))} {side} (range {ends[0]} to {ends[1]})."


def _together(found: Followed, term: str, what: str, labels: Mapping[str, str]) -> str:
    fall = _between(found, term)
    one, two = (group_phrase(arm, labels) for arm in ARMS.codes)
    kind = verdict(fall)
    if fall is None or fall.estimate is None or fall.conf_low is None or fall.conf_high is None:
        return "The two groups cannot be set against each other here."
    low, high = fall.conf_low, fall.conf_high
    if kind == "cannot tell":
        up = "any amount" if math.isinf(low) else percent_words(abs(low))
        return (
            f"Set against the {two}, the {one} may have ended with {what} anywhere from "
            f"{percent_words(high)} lower to {up} higher. This shows neither that there is a "
            "difference nor that there is none."
        )
    side = "lower" if kind == "fell" else "higher"
    ends = [
        "no limit" if math.isinf(v) else percent_words(abs(v)) for v in sorted((low, high), key=abs)
    ]
    bare = "" if fall.term == term else " No matching or weighting is used for rates."
    return (
        f"The {one} ended with {what} {percent_words(abs(fall.estimate))} {side} (range {ends[0]} "
        f"to {ends[1]}) than if it had changed as the {two} did. {claim_sentence(fall.claim)}{bare}"
    )


def rates_chart(evaluation: Evaluation, name: str, labels: dict[str, str]) -> Chart | None:
    """Draw each arm's rate before and after, and the change in it, with intervals.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    name : str
        Outcome name.
    labels : dict
        Names of the arms.

    Returns
    -------
    Chart or None
        Left the rates, right the fall in percent, the groups set against each other beneath.
        None where no rates were worked out.
    """
    if not has_rates(evaluation, name):
        return None
    found = followed_outcome(evaluation, name)
    rows, digits = _rows(found), digits_of(evaluation)
    headline = rates_headline(evaluation, name, labels)
    level = f"{100 * evaluation.plan['design']['conf_level']:g}%"
    subtitle = (
        f"Recorded events for every 100 people at liberty for a year, with {level} intervals: "
        f"{_windows(found)}"
    )
    words = [
        wrapped(arm_label(row["group"], labels)) if row["group"] else "Set against\neach other"
        for row in rows
    ]
    edge = _edge(rows)
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, 1.05 + _ROW * len(rows))
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1], sharey=True)
        tops = [
            v
            for row in rows
            for when in ("before", "after")
            for v in (row[f"rate_{when}"], row[f"rate_{when}_high"])
            if v is not None
        ]
        left.set_xlim(0, 1.22 * max([*tops, 1.0]))
        right.set_xlim(-edge, 106)
        right.axvline(0, color=DARK_GREY, linewidth=1, zorder=0.5)
        for y, row in enumerate(rows):
            if row["group"]:
                _rates(left, row, y, digits)
            _fall(right, row, y, digits)
        left.set_yticks(range(len(rows)), words, fontsize=9.5)
        left.set_ylim(len(rows) - 0.5, -0.5)
        left.set_xlabel("events for every 100 people a year")
        right.set_xlabel("change in the rate, %\nrise ← 0 → fall")
        ticks = [t for t in (-100, -50, 0, 25, 50, 75, 100) if t >= -edge]
        right.set_xticks(ticks, [f"{abs(t)}" for t in ticks])
        right.tick_params(axis="y", length=0, labelleft=False)
        for axes in (left, right):
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        _legend(left)
    return Chart(
        name=f"rates-{name}",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame(rows),
        alt_text="Dot and interval chart. "
        + " ".join(_spoken(row, labels, digits) for row in rows),
        caption=" ".join(
            part
            for part in (
                "Open marks: before. Filled marks: after. Diamond: how much lower the programme "
                "group ended than if its rate had changed as the comparison group's did."
                if len(_arms(found)) > 1
                else "Open marks: before. Filled marks: after.",
                "Some people account for many events; the intervals allow for that.",
                *not_made_alike(evaluation),
            )
            if part
        ),
    )


def _rows(found: Followed) -> list[dict[str, Any]]:
    rows = []
    for group in [*_arms(found), *([""] if len(_arms(found)) > 1 else [])]:
        row: dict[str, Any] = {"outcome": found.name, "group": group}
        for when in ("before", "after"):
            e = _one(found, "rate", group, when) if group else None
            row |= _ends(f"rate_{when}", e)
        fall = _one(found, "percent_reduction", group, "rate") if group else _between(found, "rate")
        row |= _ends("percent_reduction", fall)
        row["undefined"] = fall is not None and fall.method != NOT_SHOWN
        rows.append(row)
    return rows


def _ends(name: str, e: Estimate | None) -> dict[str, float | None]:
    values = (None,) * 3 if e is None else (e.estimate, e.conf_low, e.conf_high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def _edge(rows: list[dict[str, Any]]) -> float:
    lows = [
        v
        for row in rows
        for v in (row["percent_reduction"], row["percent_reduction_low"])
        if v is not None
    ]
    low = min([*lows, 0.0])
    return 6.0 if low >= 0 else min(10 * (min(-low, LARGEST_RISE) // 10 + 1), LARGEST_RISE) + 6


def _rates(axes: Axes, row: dict[str, Any], y: float, digits: int | None) -> None:
    colour, marker = ARM_COLOURS[row["group"]], ARM_MARKERS[row["group"]]
    for when, aside in (("before", -0.17), ("after", 0.17)):
        rate, low, high = (row[f"rate_{when}{end}"] for end in ("", "_low", "_high"))
        if rate is None:
            middle = sum(axes.get_xlim()) / 2
            axes.text(
                middle, y + aside, f"{when}: not shown [c]", ha="center", va="center",
                color=DARK_GREY, fontsize=SMALL,
            )  # fmt: skip
            continue
        if low is not None and high is not None:
            axes.plot([low, high], [y + aside] * 2, color=colour, linewidth=2, zorder=1)
        axes.plot(
            [rate], [y + aside], marker=marker, markersize=8, linestyle="none", zorder=2,
            markerfacecolor=colour if when == "after" else "white", markeredgecolor=colour,
            markeredgewidth=1.8,
        )  # fmt: skip
        end = rate if high is None else max(rate, high)
        beside(
            axes, end, y + aside, 1, number(rate, 0, digits), fontsize=9.5,
            fontweight="bold" if when == "after" else "normal",
        )  # fmt: skip


def _fall(axes: Axes, row: dict[str, Any], y: float, digits: int | None) -> None:
    point, low, high = (row[f"percent_reduction{end}"] for end in ("", "_low", "_high"))
    first, last = axes.get_xlim()
    if point is None:
        words = "cannot be computed" if row["undefined"] else "not shown [c]"
        axes.text(
            (first + last) / 2, y, words, ha="center", va="center", color=DARK_GREY,
            fontsize=SMALL, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        return
    colour = ARM_COLOURS[row["group"]] if row["group"] else _BETWEEN_COLOUR
    marker = ARM_MARKERS[row["group"]] if row["group"] else _BETWEEN_MARKER
    if low is not None and high is not None:
        axes.plot(
            [max(low, first), min(high, last)], [y, y], color=colour, linewidth=2.2,
            solid_capstyle="butt",
        )  # fmt: skip
        if low < first:
            axes.plot([first], [y], marker=8, markersize=9, color=colour, clip_on=False)
    if point >= first:
        axes.plot([point], [y], marker=marker, markersize=7.5, color=colour)
    text = _fall_words(point, low, high, digits, between=not row["group"])
    half = 0.5 * 0.073 * len(text) / 3.1 * (last - first)
    axes.annotate(
        text, (min(max(point, first + half), last - half), y), xytext=(0, -8),
        textcoords="offset points", ha="center", va="top", fontsize=SMALL,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )  # fmt: skip


def _fall_words(
    point: float, low: Any, high: Any, digits: int | None, *, between: bool = False
) -> str:
    fell, rose = ("lower", "higher") if between else ("fall", "rise")
    what = fell if point >= 0 else rose
    text = f"{number(abs(point), 0, digits)}%"
    text = f"{text} {what}" if between else f"{what} {text}"
    if low is None or high is None:
        return text
    if low < 0 <= high:
        up = "no limit" if math.isinf(low) else number(-low, 0, digits)
        return f"{text}  ({rose} {up} to {fell} {number(high, 0, digits)})"
    ends = sorted((abs(low), abs(high)))
    return f"{text}  ({number(ends[0], 0, digits)} to {number(ends[1], 0, digits)})"


def _legend(axes: Axes) -> None:
    style: dict[str, Any] = {
        "linestyle": "none",
        "color": DARK_GREY,
        "markeredgecolor": DARK_GREY,
        "markeredgewidth": 1.8,
    }
    axes.plot([], [], marker="o", markerfacecolor="white", label="before", **style)
    axes.plot([], [], marker="o", markerfacecolor=DARK_GREY, label="after", **style)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, fontsize=9.5,
        handletextpad=0,
    )  # fmt: skip


def _spoken(row: dict[str, Any], labels: Mapping[str, str], digits: int | None) -> str:
    point, low, high = (row[f"percent_reduction{end}"] for end in ("", "_low", "_high"))
    change = (
        "change not shown"
        if point is None
        else _fall_words(point, low, high, digits, between=not row["group"])
    )
    change = change.replace("  (", " (interval ")
    if not row["group"]:
        return f"The groups set against each other: {change}."
    rates = [
        f"{when} not shown"
        if row[f"rate_{when}"] is None
        else f"{number(row[f'rate_{when}'], 0, digits)} {when}"
        for when in ("before", "after")
    ]
    return f"{group_words(row['group'], labels).capitalize()}: {', '.join(rates)}, {change}."


def rates_table(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> Table | None:
    """Return counts, rates and their ratios, of events and of harm; None where there are none."""
    if not has_rates(evaluation, name):
        return None
    found, digits = followed_outcome(evaluation, name), digits_of(evaluation)
    table = table_of(found, "incidents")
    counts = {} if table is None else {cell.key: cell.count for cell in table.cells}
    rows = []
    for of, words in (("", "events"), ("harm", "harm, in days")):
        if _one(found, "rate", _arms(found)[0], f"{of} before".strip()) is None:
            continue
        for arm in _arms(found):
            for when in ("before", "after"):
                rows.append(
                    (
                        f"{arm_label(arm, labels)}, {when}",
                        *(
                            _count(counts.get((arm, when, what))) if not of else ""
                            for what in ("people", "people with an event", "events")
                        ),
                        _text(_one(found, "rate", arm, f"{of} {when}".strip()), 1, digits),
                        "",
                        words,
                    )
                )
            ratio = _one(found, "rate_ratio", arm, of or "rate")
            rows.append(
                (
                    f"{arm_label(arm, labels)}, after for each before",
                    *[""] * 4,
                    _text(ratio, 2, digits),
                    words,
                )
            )
        if len(_arms(found)) > 1:
            both = _between(found, of or "rate", "ratio_of_ratios")
            after = _between(found, f"{of} after".strip(), "rate_ratio")
            rows += [
                (
                    "The two changes compared",
                    *[""] * 4,
                    _text(both, 2, digits),
                    words,
                ),
                ("The groups afterwards", *[""] * 4, _text(after, 2, digits), words),
            ]
    return Table(
        caption=f"How often before and after ({found.event})",
        header=(
            "Group and time",
            "People",
            "With an event",
            "Events",
            "For every 100 people a year",
            "Ratio",
            "Of",
        ),
        rows=tuple(rows),
        note=(
            "In brackets: the interval. People and events: those at liberty in that time. "
            f"{HIDDEN_NOTE} [x]: cannot be computed; the checks say why."
            + ("" if digits is None else f" {DIGITS_NOTE}")
        ),
    )


def _count(count: int | None) -> str:
    return HIDDEN if count is None else f"{count:,}"


def _text(e: Estimate | None, decimals: int, digits: int | None) -> str:
    if e is None:
        return MISSING
    if e.estimate is None:
        return HIDDEN if e.method == NOT_SHOWN else MISSING
    text = number(e.estimate, decimals, digits)
    if e.conf_low is None or e.conf_high is None:
        return f"{text} (no interval)"
    ends = " to ".join(number(v, decimals, digits) for v in (e.conf_low, e.conf_high))
    return f"{text} ({ends})"
