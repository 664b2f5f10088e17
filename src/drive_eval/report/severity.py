"""The chart of severity before and after, and of who improved and who got worse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from drive_eval.report.cohort import find_table
from drive_eval.report.drawing import (
    DARK_GREY,
    DARK_PINK,
    HIDDEN_NOTE,
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
    place,
    row_lines,
    wrapped,
)
from drive_eval.report.headlines import pair_subtitle, severity_headline
from drive_eval.report.sentences import arm_label, group_words, out_of_100, percent_text
from drive_eval.report.tables import change_total
from drive_eval.vocabulary import ARMS, SEVERITY, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from drive_eval.results import CountTable, Evaluation

__all__ = ["CHANGE_COLOURS", "SEVERITY_COLOURS", "severity_chart"]

#: Fill and ink of each level.
SEVERITY_COLOURS = {
    "none": ("#FFFFFF", "#000000"),
    "standard": ("#8DB4D6", "#000000"),
    "moderate": ("#3E78A8", "#FFFFFF"),
    "high": ("#12436D", "#FFFFFF"),
}
CHANGE_COLOURS = {"improved": TURQUOISE, "worsened": DARK_PINK}
#: About the width of the stacked bars, in inches.
STACK_PANEL = 3.5


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
    headline = severity_headline(evaluation, names, rows)
    subtitle = pair_subtitle(names[0], evaluation, severity=True)
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
        right.set_xlabel("of 100 people")
        _name_sides(right)
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
            "Parts too narrow for their number are named beside the bar. Dotted: the hidden levels "
            f"together, as wide as the others leave room, and at least a little. {HIDDEN_NOTE} Not "
            "recorded is left out."
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
        hidden_bar(
            axes, y, 0, height=0.29, panel=STACK_PANEL, words=[f"[c] {TOO_FEW}", "[c] not shown"]
        )
        return
    # Rounded one by one, the levels can fill the bar although one is hidden: leave it a place.
    scale = min(100 / total, 97 / shown) if hidden else 100 / shown
    base = total if hidden else shown
    start = 0.0
    aside = []
    for code, count in known.items():
        if not count:
            continue
        fill, ink = SEVERITY_COLOURS[code]
        share = count / base
        number_ = "nearly all" if hidden and share > 0.995 else f"{100 * share:.0f}"
        written = part(
            axes, y, start, count * scale, height=0.29, panel=STACK_PANEL, fill=fill, ink=ink,
            words=[number_],
        )  # fmt: skip
        if not written:
            aside.append(f"{SEVERITY.label(code).lower()} {number_}")
        start += count * scale
    if hidden:
        words = [f"[c] {SEVERITY.label(code).lower()}" for code, n in known.items() if n is None]
        if not hidden_bar(
            axes, y, start, height=0.29, panel=STACK_PANEL, words=["[c] not shown", "[c]"],
            beyond=False,
        ):  # fmt: skip
            aside += words
    if aside:
        axes.annotate(
            "\n".join(aside), (100, y), xytext=(5, 0), textcoords="offset points", ha="left",
            va="center", fontsize=SMALL, linespacing=1.05, annotation_clip=False,
        )  # fmt: skip


def _name_sides(axes: Axes) -> None:
    """Say above the panel what its two sides are."""
    axes.annotate(
        "From before to after:", (0.5, 1), xycoords="axes fraction", xytext=(0, 17),
        textcoords="offset points", ha="center", va="bottom", fontsize=9.5, fontweight="bold",
    )  # fmt: skip
    for words, side in (("◀ got worse", -1), ("improved ▶", 1)):
        axes.annotate(
            words, (0, 1), xycoords=("data", "axes fraction"), xytext=(side * 6, 3),
            textcoords="offset points", ha="left" if side > 0 else "right", va="bottom",
            fontsize=9.5,
        )  # fmt: skip


def _diverge(axes: Axes, row: dict[str, Any], y: float) -> None:
    total = row["changes_shown"]
    sides = (("improved", 1), ("worsened", -1))
    if not total or all(row[change] is None for change, _ in sides):
        # Beside the line of 0 and not across it.
        words = "nobody measured" if total == 0 else "not shown [c]"
        beside(axes, 0, y, 1, words, gap=6, fontsize=SMALL)
        return
    for change, sign in sides:
        count = row[change]
        if count is None:
            beside(axes, 0, y, sign, "not shown [c]", gap=6, fontsize=SMALL)
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
        f"how many {words} is {TOO_FEW}"
        if row[change] is None
        else f"{percent_text(row[change], total)} of 100 {words}"
        for change, words in kinds.items()
    ]
    return f"{who}: {', '.join(parts)}."
