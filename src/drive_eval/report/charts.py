"""Charts drawn from released results only; each with the table behind it and its words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from drive_eval.report.bounds import Ends, ends_text, ends_within
from drive_eval.report.cohort import find_table, flow_chart, missing_chart
from drive_eval.report.drawing import (
    ARM_COLOURS,
    ARM_MARKERS,
    DARK_BLUE,
    DARK_GREY,
    DARK_PINK,
    ORANGE,
    OUTLINE,
    SMALL,
    STYLE,
    TOO_FEW,
    TURQUOISE,
    Chart,
    beside,
    headings,
    hidden_bar,
    hidden_patch,
    legend_patch,
    new_figure,
    part,
    percent,
    pictures,
    place,
    row_lines,
    shown_count,
    whole,
    wrapped,
)
from drive_eval.report.risks import risk_chart
from drive_eval.report.sentences import (
    UNITS,
    arm_label,
    group_words,
    out_of_100,
    percent_text,
    reductions_headline,
    severity_headline,
    threshold_words,
)
from drive_eval.report.tables import change_total
from drive_eval.vocabulary import ARMS, REPORTERS, SEVERITY, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from drive_eval.results import CountTable, Evaluation, ResultSet

__all__ = [
    "ARM_COLOURS",
    "CHANGE_COLOURS",
    "DARK_BLUE",
    "DARK_PINK",
    "ORANGE",
    "SEVERITY_COLOURS",
    "TURQUOISE",
    "Chart",
    "flow_chart",
    "missing_chart",
    "pictures",
    "reductions_chart",
    "risk_chart",
    "severity_chart",
]

#: Fill and ink of each level.
SEVERITY_COLOURS = {
    "none": ("#FFFFFF", "#000000"),
    "standard": ("#8DB4D6", "#000000"),
    "moderate": ("#3E78A8", "#FFFFFF"),
    "high": ("#12436D", "#FFFFFF"),
}
CHANGE_COLOURS = {"improved": TURQUOISE, "worsened": DARK_PINK}
#: A rise may go on for ever; the axis of the reductions chart ends here, with an arrowhead.
LARGEST_RISE = 300.0
#: Where those not seen again alone could make a rise of a fall, it ends here.
LARGEST_WORST = 50.0
#: About the width of the stacked bars, in inches.
STACK_PANEL = 3.5


def reductions_chart(evaluation: Evaluation, names: Sequence[str], labels: dict[str, str]) -> Chart:
    """Draw, for each abuse type and arm, the share using it before and after, and the fall.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    names : sequence of str
        Outcome names, in order; all of one reporter and one pair of time points.
    labels : dict
        Names of the arms.

    Returns
    -------
    Chart
        The fall has its interval; where a line goes beyond the panel it ends in an arrowhead.
    """
    rows = [
        row | _unseen(evaluation, name, row)
        for name in names
        for row in _reduction_rows(name, evaluation.results[name])
    ]
    headline = reductions_headline(evaluation, names)
    subtitle = _pair_subtitle(names[0], evaluation)
    places = place(rows, max(0.6, 0.18 * (row_lines(rows, labels) + 1) + 0.14))
    edge = _largest_rise(rows)
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, 1.0 + places.height)
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1], sharey=True)
        right.axvline(0, color=DARK_GREY, linewidth=1)
        right.set_xlim(-edge if edge else -6, 106)
        for row, y in zip(rows, places.rows, strict=True):
            _dumbbell(left, row, y)
            _reduction_interval(right, row, y, edge)
        left.set_yticks(places.rows, [_row_label(row, labels) for row in rows], fontsize=9.5)
        headings(left, places)
        left.set_xlim(-16, 116)
        left.set_xticks([0, 25, 50, 75, 100])
        left.set_xlabel("of 100 people measured at both points,\nhow many used this abuse")
        level = evaluation.plan["design"]["conf_level"]
        what = "change in the number of users, %\nrise ← → fall" if edge else (
            "fall in the number of users, in %\n"
        )  # fmt: skip
        right.set_xlabel(f"{what}  (line: {100 * level:g}% interval)")
        if edge:
            ticks = [t for t in (-300, -200, -100, -50, 0, 50, 100) if t >= -edge]
            ticks = [t for t in ticks if abs(t) != 50 or edge <= 100]
            right.set_xticks(ticks, [f"{abs(t)}" for t in ticks])
        right.tick_params(axis="y", length=0, labelleft=False)
        for axes in (left, right):
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        _legend(left)
        if any(row["percent_if_all"] is not None for row in rows):
            _legend_of_unseen(right)
    said = [_reduction_words(row, labels) for row in rows]
    return Chart(
        name="reductions",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame(rows),
        alt_text="Dot and interval chart. " + " ".join(said),
        caption=(
            "Open marks: before. Filled marks: after. On the left: users before → users after, of "
            "the people measured at both points ([c]: too few to show). An arrowhead: the line "
            "goes on beyond the panel. Counts are rounded where "
            "the disclosure policy asks for it, and every percentage and interval is worked out "
            "from the counts shown. A fall in the programme arm alone is not the programme's "
            "effect."
            + (
                " The thin grey line above each interval: the fall if all, and if none, of those "
                "not seen again still used it."
                if any(row["percent_if_all"] is not None for row in rows)
                else ""
            )
        ),
    )


def _unseen(evaluation: Evaluation, name: str, row: dict[str, Any]) -> dict[str, float | None]:
    """Return the fall if all, and if none, of those not seen again still used it."""
    ends = ends_within(evaluation, name, row["group"])
    if ends is None or ends.worst == ends.best or row["percent_reduction"] is None:
        return {"percent_if_all": None, "percent_if_none": None}
    return {"percent_if_all": ends.worst, "percent_if_none": ends.best}


def _reduction_rows(name: str, result: ResultSet) -> list[dict[str, Any]]:
    rows = []
    for group in ARMS.codes:
        found = [e for e in result.estimates if e.group == group]
        wanted = {e.measure: e for e in found if not e.subgroup}
        fall = wanted.get("percent_reduction")
        if fall is None:
            continue
        before, after = wanted.get("prevalence_before"), wanted.get("prevalence_after")
        table = find_table(result, f"pairs:{group}")
        rows.append(
            {
                "abuse_type": name.split(":")[0],
                "group": group,
                "users_before": None if table is None else table["users", "before"],
                "users_after": None if table is None else table["users", "after"],
                "measured_at_both": None if table is None else table["all", "measured at both"],
                "percent_before": percent(before.estimate if before else None),
                "percent_after": percent(after.estimate if after else None),
                "percent_reduction": fall.estimate,
                "conf_low": fall.conf_low,
                "conf_high": fall.conf_high,
            }
        )
    return rows


def _largest_rise(rows: Sequence[dict[str, Any]]) -> float:
    """Return how far the axis goes to the side of rises: as far as that of falls, or further."""
    lows = [row["conf_low"] for row in rows if row["conf_low"] is not None]
    low = min(lows, default=0.0)
    if low >= 0:
        # What those not seen again could do to a fall has less room than a rise that was seen.
        worst = min([row["percent_if_all"] or 0.0 for row in rows], default=0.0)
        return min(10 * math.ceil(-worst / 10), LARGEST_WORST) + 6 if worst < 0 else 0.0
    return min(max(100.0, 50 * math.ceil(min(-low, LARGEST_RISE) / 50)), LARGEST_RISE) + 6


def _row_label(row: dict[str, Any], labels: dict[str, str]) -> str:
    users = f"{shown_count(row['users_before'])} → {shown_count(row['users_after'])}"
    who = wrapped(arm_label(row["group"], labels))
    return f"{who}\n{users} of {shown_count(row['measured_at_both'])}"


def _dumbbell(axes: Axes, row: dict[str, Any], y: float) -> None:
    colour, marker = ARM_COLOURS[row["group"]], ARM_MARKERS[row["group"]]
    ends = {"before": row["percent_before"], "after": row["percent_after"]}
    shown = sorted((value, which) for which, value in ends.items() if value is not None)
    if not shown:
        words = "nobody measured" if row["measured_at_both"] == 0 else TOO_FEW
        axes.text(50, y, words, ha="center", va="center", color=DARK_GREY)
        return
    if len(shown) == 2:
        axes.plot([shown[0][0], shown[1][0]], [y, y], color=colour, linewidth=2.4, zorder=1)
    for position, (value, which) in enumerate(shown):
        axes.plot(
            [value],
            [y],
            color=colour,
            marker=marker,
            markersize=8.5,
            markerfacecolor=colour if which == "after" else "white",
            markeredgecolor=colour,
            markeredgewidth=1.8,
            linestyle="none",
            zorder=2 + (which == "after"),
        )
        side = -1 if position == 0 and len(shown) > 1 else 1
        beside(
            axes, value, y, side, out_of_100(value / 100),
            fontsize=9.5, fontweight="bold" if which == "after" else "normal",
        )  # fmt: skip
    if len(shown) == 1:
        (value, which) = shown[0]
        other = "after" if which == "before" else "before"
        side = 1 if value <= 40 else -1
        beside(
            axes, value, y, side, f"{other}: too few to show", gap=32 if side > 0 else 9,
            fontsize=SMALL, color=DARK_GREY,
        )  # fmt: skip


def _reduction_interval(axes: Axes, row: dict[str, Any], y: float, edge: float) -> None:
    point, low, high = row["percent_reduction"], row["conf_low"], row["conf_high"]
    if point is None or low is None or high is None:
        nobody = row["percent_before"] == 0
        words = "not defined: nobody before" if nobody else "cannot be shown"
        middle = sum(axes.get_xlim()) / 2
        axes.text(
            middle, y, words, ha="center", va="center", color=DARK_GREY, fontsize=SMALL,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        return
    colour = ARM_COLOURS[row["group"]]
    start, end = max(low, -edge), max(high, -edge)
    axes.plot([start, end], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt")
    if low < -edge:
        axes.plot([-edge], [y], marker=8, markersize=9, color=colour, clip_on=False)
    if point >= -edge:
        axes.plot([point], [y], marker=ARM_MARKERS[row["group"]], markersize=7.5, color=colour)
    words = _interval_label(point, low, high, sides=edge > 0)
    first, last = axes.get_xlim()
    _bracket(axes, row, y, edge, sides=edge > 0)
    # About the half width of the words on this panel, to keep them inside it.
    half = 0.5 * 0.073 * len(words) / 3.1 * (last - first)
    axes.annotate(
        words,
        (min(max((start + end) / 2, first + half), last - half), y),
        xytext=(0, -8),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=SMALL,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )


def _legend_of_unseen(axes: Axes) -> None:
    axes.plot(
        [], [], marker="|", markersize=7, color=DARK_GREY, linewidth=1,
        label="if all … none of those not\nseen again still used it",
    )  # fmt: skip
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False, fontsize=SMALL)


def _bracket(axes: Axes, row: dict[str, Any], y: float, edge: float, *, sides: bool) -> None:
    """Draw how far those not seen again could move a fall: a thin line with ends, above it."""
    worst, best = row["percent_if_all"], row["percent_if_none"]
    if worst is None or best is None:
        return
    start, end, above = max(worst, -edge), max(best, -edge), y - 0.12
    axes.plot([start, end], [above, above], color=DARK_GREY, linewidth=1, zorder=0.8)
    for value, beyond in ((start, worst < -edge), (end, False)):
        axes.plot(
            [value], [above], marker="<" if beyond else "|", markersize=7, color=DARK_GREY,
            markeredgewidth=1, clip_on=False, zorder=0.8,
        )  # fmt: skip
    words = f"{whole(worst)} to {whole(best)}"
    if sides and worst < 0:
        words = f"rise {whole(-worst)} to " + (f"fall {whole(best)}" if best >= 0 else whole(-best))
    first, last = axes.get_xlim()
    half = 0.5 * 0.073 * len(words) / 3.1 * (last - first)
    axes.annotate(
        words, (min(max((start + end) / 2, first + half), last - half), above), xytext=(0, 3),
        textcoords="offset points", ha="center", va="bottom", fontsize=SMALL, color=DARK_GREY,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4}, zorder=2.1,
    )  # fmt: skip


def _interval_label(point: float, low: float, high: float, *, sides: bool) -> str:
    """Say a change with its interval; where the chart has rises too, on which side each lies.

    Examples
    --------
    >>> _interval_label(39, -15, 68, sides=True), _interval_label(-50, -121, -5, sides=True)
    ('fall 39%  (rise 15 to fall 68)', 'rise 50%  (5 to 121)')
    """
    if not sides:
        return f"{whole(point)}%  ({whole(low)} to {whole(high)})"
    what = "fall" if point >= 0 else "rise"
    if low < 0 <= high:
        ends = f"rise {_rise(low)} to fall {whole(high)}"
    elif high < 0:
        ends = f"{_rise(high)} to {_rise(low)}"
    else:
        ends = f"{whole(low)} to {whole(high)}"
    return f"{what} {whole(abs(point))}%  ({ends})"


def _rise(value: float) -> str:
    return "no limit" if math.isinf(value) else whole(-value)


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
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=2,
        frameon=False,
        fontsize=9.5,
        handletextpad=0,
    )


def _reduction_words(row: dict[str, Any], labels: dict[str, str]) -> str:
    who = f"{label(row['abuse_type'])}, {group_words(row['group'], labels)}"
    before, after = row["percent_before"], row["percent_after"]
    if before is None and after is None:
        return f"{who}: {TOO_FEW}."
    if before is None or after is None:
        shown, which = (after, "after") if before is None else (before, "before")
        other = "before" if before is None else "after"
        return (
            f"{who}: {out_of_100(shown / 100)} of 100 {which}; {other}: {TOO_FEW}, so the change "
            "cannot be given."
        )
    words = f"{who}: {out_of_100(before / 100)} of 100 before, {out_of_100(after / 100)} after"
    fall, low, high = row["percent_reduction"], row["conf_low"], row["conf_high"]
    if fall is None or low is None or high is None:
        return words + "; the relative change cannot be shown."
    label_ = _interval_label(fall, low, high, sides=True)
    kind, rest = label_.split(" ", 1)
    words = f"{words}, a relative {kind} of {rest.replace('  (', ' (interval ')}"
    if row["percent_if_all"] is not None and row["percent_if_none"] is not None:
        ends = ends_text(Ends(row["percent_if_all"], row["percent_if_none"]))
        words += f"; {ends} if all, or none, of those not seen again still used it"
    return f"{words}."


def _pair_subtitle(name: str, evaluation: Evaluation, *, severity: bool = False) -> str:
    _type, reporter, span, *rest = name.split(":")
    before, after = span.split("-")
    unit = evaluation.plan["design"]["unit"]
    people = UNITS[unit]
    counted = threshold_words(rest[0] if rest else "standard")
    what = "at each severity" if severity else f"using each type of abuse {counted}"
    return (
        f"Share of {people} {what}, at {label(before).lower()} and {label(after).lower()}, as "
        f"rated by the {_lower_first(REPORTERS.label(reporter))}"
    )


def _lower_first(words: str) -> str:
    return words[:1].lower() + words[1:]


def severity_chart(evaluation: Evaluation, names: Sequence[str], labels: dict[str, str]) -> Chart:
    """Draw how severe each type was before and after, and who improved or got worse.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    names : sequence of str
        Outcome names.
    labels : dict
        Names of the arms.

    Returns
    -------
    Chart
        Stacked shares by severity on the left, hidden levels dotted; improvement and worsening
        on one scale, on either side of zero, on the right.
    """
    rows: list[dict[str, Any]] = []
    for name in names:
        for group in ARMS.codes:
            table = find_table(evaluation.results[name], f"pairs:{group}")
            if table is not None:
                rows.append(_severity_row(name.split(":")[0], group, table))
    headline = severity_headline(evaluation, names)
    subtitle = _pair_subtitle(names[0], evaluation, severity=True)
    places = place(rows, max(0.84, 0.17 * row_lines(rows, labels) + 0.2))
    halves = (("before", -0.175), ("after", 0.175))
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, 1.0 + places.height)
        left, right = figure.subplots(1, 2, width_ratios=[1.5, 1], sharey=True)
        for row, y in zip(rows, places.rows, strict=True):
            for when, offset in halves:
                _stack(left, row, when, y + offset)
            _diverge(right, row, y)
            _severity_names(left, row, y, halves, labels)
        left.set_xlim(0, 100)
        left.set_xlabel("of 100 people")
        left.set_yticks([], [])
        headings(left, places)
        right.axvline(0, color=DARK_GREY, linewidth=1)
        right.set_xlim(-118, 118)
        right.set_xticks([-100, -50, 0, 50, 100], ["100", "50", "0", "50", "100"])
        right.set_xlabel("of 100 people\n◀ got worse    improved ▶")
        for axes in (left, right):
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        signs = [
            legend_patch(fill, SEVERITY.label(code)) for code, (fill, _) in SEVERITY_COLOURS.items()
        ]
        left.legend(
            handles=[*signs, hidden_patch()], loc="lower left", bbox_to_anchor=(-0.2, 1.0), ncols=5,
            frameon=False, fontsize=9, columnspacing=1.0, handlelength=1.2,
        )  # fmt: skip
    said = [_severity_words(row, labels) for row in rows]
    return Chart(
        name="severity",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame(rows),
        alt_text="Stacked bars and bars on either side of zero. " + " ".join(said),
        caption=(
            "Each bar is 100 people; levels are rounded one by one and may not add up to 100. "
            "Dotted, [c]: levels with too few people to show, all together; the width of the "
            "dotted part is what the levels shown leave over, and at least a little. Not recorded "
            "is left out."
        ),
    )


def _severity_row(abuse_type: str, group: str, table: CountTable) -> dict[str, Any]:
    row: dict[str, Any] = {"abuse_type": abuse_type, "group": group}
    row["measured_at_both"] = table["all", "measured at both"]
    for when in ("before", "after"):
        for code in SEVERITY.codes:
            row[f"{when}_{code}"] = table[when, code]
    for change in ("improved", "same", "worsened"):
        row[change] = table["change", change]
    row["changes_shown"] = change_total(table) or row["measured_at_both"]
    return row


def _severity_names(
    axes: Axes,
    row: dict[str, Any],
    y: float,
    halves: Sequence[tuple[str, float]],
    labels: dict[str, str],
) -> None:
    who = wrapped(arm_label(row["group"], labels))
    for words, place_, shift, size in (
        *((when, y + offset, -5, SMALL) for when, offset in halves),
        (who, y, -50, 9.5),
    ):
        axes.annotate(
            words,
            (0, place_),
            xycoords=("axes fraction", "data"),
            xytext=(shift, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=size,
        )


def _stack(axes: Axes, row: dict[str, Any], when: str, y: float) -> None:
    """Draw the levels that are shown; what is hidden is dotted and never looks like a level."""
    total = row["measured_at_both"]
    known = {code: row[f"{when}_{code}"] for code in SEVERITY.codes}
    if total == 0:
        axes.text(50, y, "nobody measured", ha="center", va="center", fontsize=SMALL)
        return
    counts = [count for count in known.values() if count is not None]
    hidden, shown = len(counts) < len(known), sum(counts)
    if not total or not shown:
        hidden_bar(axes, y, 0, height=0.29, panel=STACK_PANEL, words=[f"[c] {TOO_FEW}"])
        return
    # Rounded one by one, the levels can fill the bar although one is hidden: leave it a place.
    scale = min(100 / total, 97 / shown) if hidden else 100 / shown
    base = total if hidden else shown
    start = 0.0
    for code, count in known.items():
        if not count:
            continue
        fill, ink = SEVERITY_COLOURS[code]
        share = count / base
        number = "nearly all" if hidden and share > 0.995 else f"{100 * share:.0f}"
        part(
            axes, y, start, count * scale, height=0.29, panel=STACK_PANEL, fill=fill, ink=ink,
            words=[number],
        )  # fmt: skip
        start += count * scale
    if hidden:
        hidden_bar(
            axes, y, start, height=0.29, panel=STACK_PANEL, words=["[c] too few to show", "[c]"]
        )


def _diverge(axes: Axes, row: dict[str, Any], y: float) -> None:
    total = row["changes_shown"]
    sides = (("improved", 1), ("worsened", -1))
    if not total or all(row[change] is None for change, _ in sides):
        words = "nobody measured" if total == 0 else TOO_FEW
        axes.text(
            0, y, words, ha="center", va="center", fontsize=SMALL,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip
        return
    for change, sign in sides:
        count = row[change]
        if count is None:
            axes.text(sign * 58, y, "too few to show", ha="center", va="center", fontsize=SMALL)
            continue
        share = 100 * count / total
        axes.barh(
            y, sign * share, height=0.36, color=CHANGE_COLOURS[change], edgecolor=OUTLINE,
            linewidth=1,
        )  # fmt: skip
        beside(
            axes, sign * share, y, sign, out_of_100(min(1.0, count / total)), gap=4, fontsize=9.5
        )


def _severity_words(row: dict[str, Any], labels: dict[str, str]) -> str:
    total = row["changes_shown"]
    who = f"{label(row['abuse_type'])}, {group_words(row['group'], labels)}"
    kinds = {"improved": "improved", "same": "stayed the same", "worsened": "got worse"}
    if total == 0:
        return f"{who}: nobody was measured."
    if not total or all(row[change] is None for change in kinds):
        return f"{who}: {TOO_FEW}."
    parts = [
        f"how many {words} is too few to show"
        if row[change] is None
        else f"{percent_text(row[change], total)} of 100 {words}"
        for change, words in kinds.items()
    ]
    return f"{who}: {', '.join(parts)}."
