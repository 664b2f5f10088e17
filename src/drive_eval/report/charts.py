"""Charts drawn from released results only; each with the table behind it and its words."""

from __future__ import annotations

import itertools
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
    HIDDEN_NOTE,
    ORANGE,
    SMALL,
    STYLE,
    TOO_FEW,
    TURQUOISE,
    Chart,
    beside,
    headings,
    new_figure,
    percent,
    pictures,
    place,
    row_lines,
    shown_count,
    whole,
    wrapped,
)
from drive_eval.report.forest import difference_of
from drive_eval.report.headlines import pair_subtitle, reductions_headline
from drive_eval.report.numbers import digits_of, number
from drive_eval.report.risks import risk_chart
from drive_eval.report.sentences import (
    arm_label,
    group_words,
    main_design,
    out_of_100,
)
from drive_eval.report.severity import CHANGE_COLOURS, SEVERITY_COLOURS, severity_chart
from drive_eval.vocabulary import ARMS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from drive_eval.results import Evaluation, ResultSet

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

#: A rise may go on for ever; the axis of the reductions chart ends here, with an arrowhead.
LARGEST_RISE = 300.0
#: Height of the line that sets the groups against each other, in inches.
_DIFFERENCE = 0.3


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
    subtitle = pair_subtitle(names[0], evaluation)
    apart = {name.split(":")[0]: _apart(evaluation, name) for name in names}
    lines = _with_differences(rows, apart)
    tall = max(0.56, 0.18 * (row_lines(rows, labels) + 1) + 0.14)
    places = place(lines, [tall if "group" in row else _DIFFERENCE for row in lines])
    edge = _largest_rise(rows)
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, 1.0 + places.height)
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1], sharey=True)
        # The line of the difference is written across both panels.
        left.set_zorder(right.get_zorder() + 1)
        left.patch.set_visible(False)
        right.axvline(0, color=DARK_GREY, linewidth=1)
        right.set_xlim(-edge if edge else -6, 106)
        for row, y in zip(lines, places.rows, strict=True):
            if "group" not in row:
                _write_difference(left, row["words"], y)
                continue
            _dumbbell(left, row, y)
            _reduction_interval(right, row, y, edge)
        left.set_yticks(
            [y for row, y in zip(lines, places.rows, strict=True) if "group" in row],
            [_row_label(row, labels) for row in rows],
            fontsize=9.5,
        )
        headings(left, places)
        left.set_xlim(-16, 116)
        left.set_xticks([0, 25, 50, 75, 100])
        left.set_xlabel("of 100 people measured at both points,\nhow many used this abuse")
        level = evaluation.plan["design"]["conf_level"]
        what = "change" if edge else "fall"
        right.set_xlabel(f"{what} in the number of users, %\n(line: {100 * level:g}% interval)")
        some = (-300, -200, -100, 0, 100) if edge > 150 else (-100, 0, 50, 100)
        ticks = [t for t in some if t >= -edge]
        right.set_xticks(ticks, [_tick(t) if edge else f"{t}" for t in ticks])
        right.tick_params(axis="y", length=0, labelleft=False)
        for axes in (left, right):
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        _legend(left)
    said = [
        _reduction_words(row, labels)
        if "group" in row
        else f"{label(row['abuse_type'])}: {row['words'][:1].lower()}{row['words'][1:]}."
        for row in lines
    ]
    return Chart(
        name="reductions",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame(
            [
                row | {k: v for k, v in apart[row["abuse_type"]].items() if k != "words"}
                for row in rows
            ]
        ),
        alt_text="Dot and interval chart. " + " ".join(said),
        caption=(
            "Open marks: before. Filled marks: after. On the left: users before → users after, of "
            f"the people measured at both points. {HIDDEN_NOTE} An arrowhead: the line goes on "
            "beyond the panel. Counts are rounded where "
            "the disclosure policy asks for it, and every percentage and interval is worked out "
            "from the counts shown. A fall in the programme arm alone is not the programme's "
            "effect."
            + (
                " How far those not rated a second time could move each fall stands in the table "
                "and, where the plan asks for it, in the chart of assumptions."
                if any(row["percent_if_all"] is not None for row in rows)
                else ""
            )
        ),
    )


def _unseen(evaluation: Evaluation, name: str, row: dict[str, Any]) -> dict[str, float | None]:
    """Return the fall if all, and if none, of those not rated a second time still used it."""
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
    low = min([row["conf_low"] for row in rows if row["conf_low"] is not None], default=0.0)
    if low >= 0:
        return 0.0
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
        words = "nobody measured" if row["measured_at_both"] == 0 else "not shown [c]"
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
            axes, value, y, side, f"{other}: not shown [c]", gap=32 if side > 0 else 9,
            fontsize=SMALL, color=DARK_GREY,
        )  # fmt: skip


def _reduction_interval(axes: Axes, row: dict[str, Any], y: float, edge: float) -> None:
    point, low, high = row["percent_reduction"], row["conf_low"], row["conf_high"]
    if point is None or low is None or high is None:
        nobody = row["percent_before"] == 0
        words = "not defined: nobody before" if nobody else "not shown [c]"
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


def _tick(value: float) -> str:
    """Return a tick of an axis with two sides, each named at its end."""
    return f"{'rise' if value < 0 else 'fall'} {abs(value):g}" if value else "0"


def _apart(evaluation: Evaluation, name: str) -> dict[str, Any]:
    """Return the groups' difference in one type, of 100 people, in words too; empty without one."""
    found = difference_of(evaluation.results[name], main_design(evaluation))
    if found is None:
        return {}
    e, changes = found
    ends = [percent(v) for v in (e.estimate, e.conf_low, e.conf_high)]
    row = dict(zip(("difference_per_100", "difference_low", "difference_high"), ends, strict=True))
    return {
        **row,
        "words": _apart_words(*ends, changes=bool(changes), digits=digits_of(evaluation)),
    }


def _apart_words(
    point: float | None,
    low: float | None,
    high: float | None,
    *,
    changes: bool,
    digits: int | None,
) -> str:
    """Say a difference of the groups, in people of 100; of changes, by how much more the one fell.

    Examples
    --------
    >>> _apart_words(-26.6, -35.5, -17.6, changes=True, digits=2)
    'Difference: the programme group fell by 27 more of 100 (18 to 36)'
    >>> _apart_words(-6.9, -35.5, 21.6, changes=True, digits=2)
    'Difference: not clear, the programme group fell by between 36 more and 22 fewer of 100'
    >>> _apart_words(4, 1, 7, changes=False, digits=2)
    'Difference afterwards: 4 more of 100 in the programme group (1 to 7)'
    """
    start = "Difference" if changes else "Difference afterwards"
    if point is None or low is None or high is None:
        return f"{start}: not shown [c]"
    ends = [number(abs(v), 0, digits) for v in (low, high)]
    # A fall that is larger is a change that is further below 0.
    below, above = ("more", "fewer") if changes else ("fewer", "more")
    if low < 0 <= high or low == 0:
        text = f"between {ends[0]} {below} and {ends[1]} {above} of 100"
        return f"{start}: not clear, {f'the programme group fell by {text}' if changes else text}"
    side = below if high < 0 else above
    first, last = sorted(ends, key=float)
    amount = f"{number(abs(point), 0, digits)} {side} of 100"
    who = f"the programme group fell by {amount}" if changes else f"{amount} in the programme group"
    return f"{start}: {who} ({first} to {last})"


def _with_differences(
    rows: Sequence[dict[str, Any]], apart: Mapping[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Put the line of the difference beneath the groups of each type that has one."""
    lines = []
    for kind, same in itertools.groupby(rows, key=lambda row: row["abuse_type"]):
        lines += list(same)
        if apart[kind]:
            lines.append({"abuse_type": kind, "words": apart[kind]["words"]})
    return lines


def _write_difference(axes: Axes, words: str, y: float) -> None:
    axes.annotate(
        words, (0, y), xycoords=("axes fraction", "data"), ha="left", va="center", fontsize=9.5,
        fontweight="bold", color=DARK_GREY,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    ).set_in_layout(False)  # fmt: skip


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
        words += f"; {ends} if all, or none, of those not rated a second time still used it"
    return f"{words}."
