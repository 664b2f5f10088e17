"""Charts drawn from released results only; each with the table behind it and its words.

Colours are the Government Analysis Function's (dark blue, orange, dark grey, turquoise), with
at least 3:1 contrast between neighbours; nothing is told by colour alone.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from drive_eval.report.sentences import (
    UNITS,
    arm_label,
    out_of_100,
    percent_text,
    reductions_headline,
    severity_headline,
    threshold_words,
)
from drive_eval.report.tables import change_total
from drive_eval.vocabulary import ARMS, EXIT_REASONS, REPORTERS, SEVERITY, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from drive_eval.results import CountTable, Evaluation, ResultSet

__all__ = [
    "Chart",
    "flow_chart",
    "missing_chart",
    "reductions_chart",
    "risk_chart",
    "severity_chart",
]

DARK_BLUE, TURQUOISE, DARK_PINK, ORANGE, DARK_GREY = (
    "#12436D",
    "#28A197",
    "#801650",
    "#F46A25",
    "#3D3D3D",
)
LIGHT = "#BFBFBF"
ARM_COLOURS = {"programme": DARK_BLUE, "comparison": ORANGE}
ARM_MARKERS = {"programme": "o", "comparison": "s"}
SEVERITY_COLOURS = {
    "none": "#FFFFFF",
    "standard": "#8DB4D6",
    "moderate": "#3E78A8",
    "high": "#12436D",
}
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": DARK_GREY,
    "axes.labelcolor": DARK_GREY,
    "xtick.color": DARK_GREY,
    "ytick.color": DARK_GREY,
    "text.color": "#1A1A1A",
    "axes.grid": False,
    "svg.hashsalt": "drive_eval",
}
WIDTH = 8.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A figure, the released table behind it, and the same in words.

    Attributes
    ----------
    name : str
        File stem.
    headline, subtitle : str
        The message, and what is shown, of whom and when.
    figure : matplotlib Figure
    data : DataFrame
        What is drawn; saved as CSV beside the picture.
    alt_text : str
        For readers who do not see the picture.
    caption : str
        Source, counts and what the interval is.
    """

    name: str
    headline: str
    subtitle: str
    figure: Figure
    data: pd.DataFrame
    alt_text: str
    caption: str


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
    """
    rows = [row for name in names for row in _reduction_rows(name, evaluation.results[name])]
    data = pd.DataFrame(rows)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.7 + 0.62 * len(rows)), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1.35, 1], sharey=True)
        places = _places(rows)
        for row, y in zip(rows, places, strict=True):
            _dumbbell(left, row, y)
            _reduction_interval(right, row, y)
        _group_labels(left, rows, places, labels)
        left.set_xlim(-4, 104)
        left.set_xticks([0, 25, 50, 75, 100])
        left.set_xlabel("of 100 people measured at both points,\nhow many used this abuse")
        low = min([0.0, *[float(r["conf_low"]) for r in rows if pd.notna(r["conf_low"])]])
        right.set_xlim(max(low * 1.1, -130) if low < 0 else -6, 106)
        right.axvline(0, color=DARK_GREY, linewidth=1)
        level = evaluation.plan["design"]["conf_level"]
        right.set_xlabel(f"fall in the number of users, in %\n(line: {100 * level:g}% interval)")
        right.tick_params(axis="y", length=0, labelleft=False)
        for axes in (left, right):
            axes.set_ylim(max(places) + 0.6, min(places) - 0.75)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        _legend(left)
    said = [_reduction_words(row, labels) for row in rows]
    return Chart(
        name="reductions",
        headline=reductions_headline(evaluation, names),
        subtitle=_pair_subtitle(names[0], evaluation),
        figure=figure,
        data=data,
        alt_text="Dot and interval chart. " + " ".join(said),
        caption=(
            "Open marks: before. Filled marks: after. On the left: users before → users after, of "
            "the people measured at both points ([c]: too few to show). Counts are rounded where "
            "the disclosure policy asks for it, and every percentage and interval is worked out "
            "from the counts shown. A fall in the programme arm alone is not the programme's "
            "effect."
        ),
    )


def _reduction_rows(name: str, result: ResultSet) -> list[dict[str, Any]]:
    rows = []
    for group in ARMS.codes:
        found = [e for e in result.estimates if e.group == group]
        wanted = {e.measure: e for e in found if not e.subgroup}
        fall = wanted.get("percent_reduction")
        if fall is None:
            continue
        before, after = wanted.get("prevalence_before"), wanted.get("prevalence_after")
        table = _find(result, f"pairs:{group}")
        rows.append(
            {
                "abuse_type": name.split(":")[0],
                "group": group,
                "users_before": None if table is None else table["users", "before"],
                "users_after": None if table is None else table["users", "after"],
                "measured_at_both": None if table is None else table["all", "measured at both"],
                "percent_before": _percent(before.estimate if before else None),
                "percent_after": _percent(after.estimate if after else None),
                "percent_reduction": fall.estimate,
                "conf_low": fall.conf_low,
                "conf_high": fall.conf_high,
            }
        )
    return rows


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _places(rows: Sequence[dict[str, Any]]) -> list[float]:
    """Stack the arms of one abuse type together, with a gap between the types."""
    places: list[float] = []
    y = 0.0
    for index, row in enumerate(rows):
        if index and row["abuse_type"] != rows[index - 1]["abuse_type"]:
            y += 0.75
        places.append(y)
        y += 1
    return places


def _dumbbell(axes: Axes, row: dict[str, Any], y: float) -> None:
    colour, marker = ARM_COLOURS[row["group"]], ARM_MARKERS[row["group"]]
    before, after = row["percent_before"], row["percent_after"]
    if before is None and after is None:
        axes.text(50, y, "too few people to show", ha="center", va="center", color=DARK_GREY)
        return
    if before is not None and after is not None:
        axes.plot([before, after], [y, y], color=colour, linewidth=2.4, alpha=0.55, zorder=1)
    for value, filled in ((before, False), (after, True)):
        if value is None:
            continue
        axes.plot(
            [value],
            [y],
            marker=marker,
            markersize=8.5,
            markerfacecolor=colour if filled else "white",
            markeredgecolor=colour,
            markeredgewidth=1.8,
            linestyle="none",
            zorder=2 + filled,
        )
    shown = [(v, k) for v, k in ((before, "before"), (after, "after")) if v is not None]
    shown.sort()
    for place, (value, which) in enumerate(shown):
        left_most = place == 0 and len(shown) > 1
        axes.annotate(
            out_of_100(value / 100),
            (value, y),
            xytext=(-9 if left_most else 9, 0),
            textcoords="offset points",
            ha="right" if left_most else "left",
            va="center",
            fontsize=9.5,
            fontweight="bold" if which == "after" else "normal",
        )


def _reduction_interval(axes: Axes, row: dict[str, Any], y: float) -> None:
    if row["percent_reduction"] is None or row["conf_low"] is None or row["conf_high"] is None:
        axes.text(50, y, "cannot be shown", ha="center", va="center", color=DARK_GREY, fontsize=9)
        return
    colour = ARM_COLOURS[row["group"]]
    low = max(float(row["conf_low"]), -125.0)
    axes.plot([low, row["conf_high"]], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot(
        [row["percent_reduction"]],
        [y],
        marker=ARM_MARKERS[row["group"]],
        markersize=7.5,
        color=colour,
    )
    words = f"{row['percent_reduction']:.0f}%  ({row['conf_low']:.0f} to {row['conf_high']:.0f})"
    centre = min(max((low + float(row["conf_high"])) / 2, 22), 80)
    axes.annotate(
        words,
        (centre, y),
        xytext=(0, -9),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=8.5,
    )


def _group_labels(
    axes: Axes, rows: Sequence[dict[str, Any]], places: Sequence[float], labels: dict[str, str]
) -> None:
    ticks, words = [], []
    seen = ""
    for row, y in zip(rows, places, strict=True):
        users = f"{_shown(row['users_before'])} → {_shown(row['users_after'])}"
        ticks.append(y)
        words.append(
            f"{arm_label(row['group'], labels)}\n{users} of {_shown(row['measured_at_both'])}"
        )
        if row["abuse_type"] != seen:
            seen = row["abuse_type"]
            axes.annotate(
                label(seen),
                (0, y - 0.52),
                xycoords=("axes fraction", "data"),
                ha="left",
                va="center",
                fontweight="bold",
                fontsize=10.5,
            )
    axes.set_yticks(ticks, words)


def _shown(count: int | None) -> str:
    return "[c]" if count is None else f"{count:,}"


def _legend(axes: Axes) -> None:
    style: dict[str, Any] = {
        "linestyle": "none",
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
    who = f"{label(row['abuse_type'])}, {arm_label(row['group'], labels).lower()}"
    if row["percent_before"] is None or row["percent_after"] is None:
        return f"{who}: too few people to show."
    before, after = row["percent_before"] / 100, row["percent_after"] / 100
    words = f"{who}: {out_of_100(before)} of 100 before, {out_of_100(after)} of 100 after"
    fall, low, high = row["percent_reduction"], row["conf_low"], row["conf_high"]
    if fall is None or low is None or high is None:
        return words + "; the relative change cannot be shown."
    if fall < 0:
        return f"{words}, a relative rise of {-fall:.0f}% (interval {-high:.0f} to {-low:.0f})."
    return f"{words}, a relative fall of {fall:.0f}% (interval {low:.0f} to {high:.0f})."


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
        Stacked shares by severity on the left; improvement and worsening on one scale, on
        either side of zero, on the right.
    """
    rows: list[dict[str, Any]] = []
    for name in names:
        for group in ARMS.codes:
            table = _find(evaluation.results[name], f"pairs:{group}")
            if table is not None:
                rows.append(_severity_row(name.split(":")[0], group, table))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.8 + 0.95 * len(rows)), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1.5, 1], sharey=True)
        places = [1.35 * y for y in _places(rows)]
        for row, y in zip(rows, places, strict=True):
            for offset, when in ((-0.27, "before"), (0.27, "after")):
                _stack(left, row, when, y + offset)
            _diverge(right, row, y)
        left.set_xlim(0, 100)
        left.set_xlabel("of 100 people")
        left.set_yticks([], [])
        seen = ""
        for row, y in zip(rows, places, strict=True):
            for offset, when in ((-0.27, "before"), (0.27, "after")):
                left.annotate(
                    when,
                    (0, y + offset),
                    xycoords=("axes fraction", "data"),
                    xytext=(-5, 0),
                    textcoords="offset points",
                    ha="right",
                    va="center",
                    fontsize=8.5,
                )
            left.annotate(
                textwrap.fill(arm_label(row["group"], labels), 14),
                (0, y),
                xycoords=("axes fraction", "data"),
                xytext=(-48, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=9.5,
            )
            if row["abuse_type"] != seen:
                seen = row["abuse_type"]
                left.annotate(
                    label(seen),
                    (0, y - 0.78),
                    xycoords=("axes fraction", "data"),
                    ha="left",
                    va="center",
                    fontweight="bold",
                )
        right.axvline(0, color=DARK_GREY, linewidth=1)
        right.set_xlim(-100, 100)
        right.set_xticks([-100, -50, 0, 50, 100], ["100", "50", "0", "50", "100"])
        right.set_xlabel("of 100 people\n◀ got worse    improved ▶")
        for axes in (left, right):
            axes.set_ylim(max(places) + 0.75, min(places) - 1.05)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        for code in SEVERITY.codes:
            left.bar(
                [0],
                [0],
                color=SEVERITY_COLOURS[code],
                edgecolor=DARK_GREY,
                linewidth=0.8,
                label=SEVERITY.label(code),
            )
        left.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, fontsize=9,
            columnspacing=1.0, handlelength=1.2,
        )  # fmt: skip
    said = [_severity_words(row, labels) for row in rows]
    return Chart(
        name="severity",
        headline=severity_headline(evaluation, names),
        subtitle=_pair_subtitle(names[0], evaluation, severity=True),
        figure=figure,
        data=pd.DataFrame(rows),
        alt_text="Stacked bars and bars on either side of zero. " + " ".join(said),
        caption=(
            "Each bar is 100 people; levels are rounded one by one and may not add up to 100. "
            "[c] at the end of a bar: some levels have too few people to show. Not recorded is "
            "left out."
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


def _stack(axes: Axes, row: dict[str, Any], when: str, y: float) -> None:
    total = row["measured_at_both"]
    known = {code: row[f"{when}_{code}"] for code in SEVERITY.codes}
    if not total:
        axes.text(50, y, "too few people to show", ha="center", va="center", fontsize=8.5)
        return
    shown = sum(count for count in known.values() if count is not None)
    scale = 100 / max(total, shown)
    start = 0.0
    for code, count in known.items():
        if not count:
            continue
        width = count * scale
        axes.barh(
            y,
            width,
            left=start,
            height=0.46,
            color=SEVERITY_COLOURS[code],
            edgecolor=DARK_GREY if code == "none" else "white",
            linewidth=0.8 if code == "none" else 1.6,
        )
        if width >= 6:
            axes.text(
                start + width / 2,
                y,
                f"{100 * count / total:.0f}",
                ha="center",
                va="center",
                fontsize=8.5,
                color="white" if code in ("moderate", "high") else "black",
            )
        start += width
    if None in known.values():
        axes.annotate(
            "[c]",
            (min(start, 100), y),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            annotation_clip=False,
        )


def _diverge(axes: Axes, row: dict[str, Any], y: float) -> None:
    total = row["changes_shown"]
    if not total:
        return
    for change, sign, colour in (("improved", 1, TURQUOISE), ("worsened", -1, DARK_PINK)):
        count = row[change]
        if count is None:
            axes.text(sign * 50, y, "too few to show", ha="center", va="center", fontsize=8.5)
            continue
        share = 100 * count / total
        axes.barh(y, sign * share, height=0.6, color=colour)
        axes.annotate(
            f"{share:.0f}",
            (sign * share, y),
            xytext=(sign * 4, 0),
            textcoords="offset points",
            ha="left" if sign > 0 else "right",
            va="center",
            fontsize=9,
        )


def _severity_words(row: dict[str, Any], labels: dict[str, str]) -> str:
    total = row["changes_shown"]
    who = f"{label(row['abuse_type'])}, {arm_label(row['group'], labels).lower()}"
    if not total:
        return f"{who}: too few people to show."
    parts = [
        f"{percent_text(row[change], total)} of 100 {words}"
        for change, words in (
            ("improved", "improved"),
            ("same", "stayed the same"),
            ("worsened", "got worse"),
        )
    ]
    return f"{who}: {', '.join(parts)}."


def missing_chart(evaluation: Evaluation, names: Sequence[str], labels: dict[str, str]) -> Chart:
    """Draw, for each abuse type and arm, how many were measured at both points and how many not.

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
    """
    kinds = {
        "measured at both": ("all", DARK_BLUE, "both", "white"),
        "only before": ("missing", TURQUOISE, "before only", "black"),
        "only after": ("missing", ORANGE, "after only", "black"),
        "never": ("missing", "#E3E3E3", "neither", "black"),
    }
    rows: list[dict[str, Any]] = []
    for name in names:
        for group in ARMS.codes:
            table = _find(evaluation.results[name], f"pairs:{group}")
            if table is not None:
                row: dict[str, Any] = {"abuse_type": name.split(":")[0], "group": group}
                row.update({kind: table[part, kind] for kind, (part, *_) in kinds.items()})
                row["referred"] = table["all", "referred"]
                rows.append(row)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.5 + 0.44 * len(rows)), layout="constrained")
        axes = figure.subplots()
        places = _places(rows)
        for row, y in zip(rows, places, strict=True):
            start = 0.0
            total = row["referred"] or 0
            for kind, (_part, colour, _words, ink) in kinds.items():
                count = row[kind]
                if not count or not total:
                    continue
                width = 100 * count / total
                axes.barh(y, width, left=start, color=colour, edgecolor="white", linewidth=1.5)
                if width > 7:
                    axes.text(
                        start + width / 2, y, f"{count:,}", ha="center", va="center", color=ink,
                        fontsize=9,
                    )  # fmt: skip
                start += width
        ticks = []
        for row in rows:
            n = "" if row["referred"] is None else f" (n = {row['referred']:,})"
            ticks.append(f"{label(row['abuse_type'])}\n{arm_label(row['group'], labels)}{n}")
        axes.set_yticks(places, ticks, fontsize=9)
        axes.set_ylim(max(places) + 0.6, min(places) - 0.6)
        axes.set_xlim(0, 100)
        axes.set_xlabel("of 100 people in the cohort")
        axes.tick_params(axis="y", length=0)
        for _part, colour, words, _ink in kinds.values():
            axes.bar([0], [0], color=colour, edgecolor="white", label=words)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, title="Rated:",
            alignment="left",
        )  # fmt: skip
    said = []
    for row in rows:
        share = percent_text(row["measured at both"], row["referred"])
        who = f"{label(row['abuse_type'])}, {arm_label(row['group'], labels).lower()}"
        said.append(f"{who}: {share} of 100 were rated at both points.")
    return Chart(
        name="missing",
        headline="Many people were never measured: the figures describe those who were"
        if any(_mostly_missing(row) for row in rows)
        else "Most people were measured at both points",
        subtitle="People in the cohort by whether severity was rated before, after, or both",
        figure=figure,
        data=pd.DataFrame(rows),
        alt_text="Stacked bars. " + " ".join(said),
        caption="Counts are rounded where the disclosure policy asks for it.",
    )


def _mostly_missing(row: dict[str, Any]) -> bool:
    return bool(row["referred"]) and (row["measured at both"] or 0) < 0.7 * row["referred"]


def flow_chart(evaluation: Evaluation, labels: dict[str, str]) -> Chart:
    """Draw the flow from the cohort to those in the figures, with the ways out.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    labels : dict
        Names of the arms.

    Returns
    -------
    Chart
    """
    table = evaluation.table("flow")
    groups = [arm for arm in ARMS.codes if any(cell.key[0] == arm for cell in table.cells)]
    stages = _stages(table, groups)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.6 + 1.3 * len(stages)), layout="constrained")
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set_xlim(0, len(groups))
        axes.set_ylim(len(stages) - 0.6, -0.5)
        for column, group in enumerate(groups):
            middle = column + 0.25
            axes.text(
                middle,
                -0.44,
                arm_label(group, labels),
                ha="center",
                fontweight="bold",
                fontsize=11.5,
            )
            for row, (stage, ways) in enumerate(stages):
                axes.text(
                    middle,
                    row,
                    f"{label(stage)}\n{_count_text(table, group, stage)}",
                    ha="center",
                    va="center",
                    fontsize=10,
                    bbox={
                        "boxstyle": "round,pad=0.5",
                        "facecolor": "white",
                        "edgecolor": ARM_COLOURS[group],
                        "linewidth": 1.6,
                    },
                )
                if row + 1 < len(stages):
                    axes.annotate(
                        "",
                        (middle, row + 0.74),
                        xytext=(middle, row + 0.26),
                        arrowprops={"arrowstyle": "-|>", "color": DARK_GREY, "linewidth": 1.4},
                    )
                out = _ways_out(table, group, ways)
                if out:
                    axes.text(
                        middle + 0.2, row + 0.5, out, ha="left", va="center", fontsize=8.6,
                        linespacing=1.25,
                    )  # fmt: skip
    rows = [[*cell.key, cell.count] for cell in table.cells if cell.shown]
    data = pd.DataFrame(rows, columns=["group", "stage", "count"])
    data["count"] = data["count"].astype("Int64")
    said = []
    for group in groups:
        steps = ", ".join(f"{stage} {_count_text(table, group, stage)}" for stage, _ in stages)
        said.append(f"{arm_label(group, labels)}: {steps}.")
    return Chart(
        name="flow",
        headline="Who is in the figures, and who is not",
        subtitle=table.note,
        figure=figure,
        data=data,
        alt_text="Flow diagram. " + " ".join(said),
        caption=(
            "[c]: too few people to show. A total is the sum of the rounded counts shown, so it "
            "can differ by a few from the same total elsewhere on this page."
        ),
    )


def _stages(table: CountTable, groups: Sequence[str]) -> list[tuple[str, list[str]]]:
    keys = [cell.key[1] for cell in table.cells if cell.key[0] in groups]
    measured = next(
        (key for key in keys if key.startswith("measured at ") and "both" not in key), ""
    )
    if not measured:
        return [("allocated", [])]
    lost = [key for key in dict.fromkeys(keys) if key.startswith("no ")]
    before = f"no {measured.removeprefix('measured at ')} measure"
    return [
        ("in the cohort", [before]),
        (measured, [key for key in lost if key != before]),
        ("measured at both", []),
    ]


def _has(table: CountTable, group: str, stage: str) -> bool:
    return any(cell.key == (group, stage) for cell in table.cells)


def _count_text(table: CountTable, group: str, stage: str) -> str:
    return _shown(table[group, stage])


def _ways_out(table: CountTable, group: str, ways: Sequence[str]) -> str:
    """Return who left between two stages and why, reasons beneath a common heading."""
    here = [way for way in ways if _has(table, group, way)]
    heads = {way.partition(": ")[0] for way in here}
    lines = []
    for way in here:
        head, _, reason = way.partition(": ")
        words = f"  {EXIT_REASONS.label(reason)}" if reason else label(head)
        lines.append(f"{words}: {_count_text(table, group, way)}")
    if here and all(": " in way for way in here):
        lines.insert(0, f"{label(heads.pop())}:")
    return "\n".join(lines)


def risk_chart(
    evaluation: Evaluation, names: Sequence[str], titles: dict[str, str], labels: dict[str, str]
) -> Chart:
    """Draw how often each yes/no outcome happened in each arm, with its interval.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    names : sequence of str
        Outcome names.
    titles : dict
        Outcome name to plain words.
    labels : dict
        Names of the arms.

    Returns
    -------
    Chart
    """
    rows: list[dict[str, Any]] = []
    measures = {"risk_treated": "programme", "risk_comparison": "comparison", "share_reduced": ""}
    for name in names:
        for e in evaluation.results[name].estimates:
            if e.measure in measures and not e.subgroup and e.estimate is not None:
                rows.append(
                    {
                        "outcome": name,
                        "group": measures[e.measure] or e.group,
                        "events": e.n_events,
                        "n": e.n,
                        "percent": 100 * e.estimate,
                        "conf_low": _percent(e.conf_low),
                        "conf_high": _percent(e.conf_high),
                    }
                )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.3 + 0.62 * max(len(rows), 1)), layout="constrained")
        axes = figure.subplots()
        for y, row in enumerate(rows):
            colour = ARM_COLOURS[row["group"]]
            axes.barh(y, row["percent"], height=0.55, color=colour, alpha=0.25, zorder=0)
            if row["conf_low"] is not None and row["conf_high"] is not None:
                axes.plot([row["conf_low"], row["conf_high"]], [y, y], color=colour, linewidth=2.4)
            axes.plot(row["percent"], y, marker=ARM_MARKERS[row["group"]], color=colour, ms=8)
            axes.annotate(
                f"{row['percent']:.0f} of 100"
                + (
                    ""
                    if row["conf_low"] is None
                    else f"  ({row['conf_low']:.0f} to {row['conf_high']:.0f})"
                ),
                (max(row["conf_high"] or 0, row["percent"]), y),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
            )
        words = [
            f"{arm_label(r['group'], labels)} (n = {r['n']:,})"
            + (f"\n{titles[r['outcome']]}" if len(names) > 1 else "")
            for r in rows
        ]
        axes.set_yticks(range(len(rows)), words)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        top = max([r["conf_high"] or r["percent"] for r in rows], default=50)
        axes.set_xlim(0, min(max(top * 1.55, 30), 135))
        axes.set_xticks([t for t in axes.get_xticks() if t <= 100])
        level = evaluation.plan["design"]["conf_level"]
        axes.set_xlabel(f"of 100 people (line: {100 * level:g}% interval)")
        axes.tick_params(axis="y", length=0)
    said = [
        f"{titles[row['outcome']]}, {arm_label(row['group'], labels).lower()}: "
        f"{row['percent']:.0f} of 100."
        for row in rows
    ]
    return Chart(
        name="risks" if names and ":" not in names[0] else "perceived_change",
        headline=titles[names[0]],
        subtitle="Share in each arm, with its interval",
        figure=figure,
        data=pd.DataFrame(rows),
        alt_text="Bars with intervals. " + " ".join(said),
        caption="The line on each bar is the interval of that arm alone, not of the difference.",
    )


def _find(result: ResultSet, name: str) -> CountTable | None:
    return next((table for table in result.tables if table.name == name), None)
