"""Charts of who is in the figures and who is not: the flow, and who was never measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from drive_eval.report.designs import group_count, kept_of, kept_stages, made_by
from drive_eval.report.drawing import (
    ARM_COLOURS,
    DARK_BLUE,
    DARK_GREY,
    DARK_PINK,
    HIDDEN_NOTE,
    STYLE,
    TOO_FEW,
    TURQUOISE,
    WIDTH,
    Chart,
    headings,
    hidden_bar,
    hidden_patch,
    legend_patch,
    new_figure,
    part,
    place,
    row_lines,
    shown_count,
    wrapped,
)
from drive_eval.report.headlines import shorter
from drive_eval.report.numbers import EXACT_POLICIES
from drive_eval.report.sentences import (
    arm_label,
    group_phrase,
    group_words,
    main_design,
    out_of_100,
    percent_text,
)
from drive_eval.report.tables import stage_words, stages_first
from drive_eval.vocabulary import ARMS, EXIT_REASONS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.results import CountTable, Evaluation, ResultSet

__all__ = ["MISSING_COLOURS", "find_table", "flow_chart", "missing_chart"]

#: Key of the count, words, fill and ink, in the order in which they meet.
MISSING_COLOURS = {
    "measured at both": ("all", "both", DARK_BLUE, "#FFFFFF"),
    "only before": ("missing", "before only", TURQUOISE, "#000000"),
    "only after": ("missing", "after only", DARK_PINK, "#FFFFFF"),
    "never": ("missing", "neither", "#FFFFFF", "#000000"),
}

#: About the width of the bars, in inches.
PANEL = 6.6


def find_table(result: ResultSet, name: str) -> CountTable | None:
    """Return a count table of a result, or None."""
    return next((table for table in result.tables if table.name == name), None)


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
        What may not be shown is dotted, with words.
    """
    rows: list[dict[str, Any]] = []
    for name in names:
        for group in ARMS.codes:
            table = find_table(evaluation.results[name], f"pairs:{group}")
            if table is not None:
                row: dict[str, Any] = {"abuse_type": name.split(":")[0], "group": group}
                row.update({kind: table[key, kind] for kind, (key, *_) in MISSING_COLOURS.items()})
                row["referred"] = table["all", "referred"]
                rows.append(row)
    headline = _missing_headline(rows)
    subtitle = "People in the cohort by whether severity was rated before, after, or both"
    places = place(rows, max(0.44, 0.17 * (row_lines(rows, labels) + 1) + 0.08))
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, 0.85 + places.height)
        axes = figure.subplots()
        for row, y in zip(rows, places.rows, strict=True):
            _missing_bar(axes, row, y)
        axes.set_yticks(
            places.rows,
            [
                f"{wrapped(arm_label(row['group'], labels))}\n(n = {shown_count(row['referred'])})"
                for row in rows
            ],
            fontsize=9,
        )
        headings(axes, places)
        axes.set_xlim(0, 100)
        axes.set_xlabel("of 100 people in the cohort")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        # Only what is drawn somewhere.
        signs = [
            legend_patch(fill, words)
            for kind, (_, words, fill, _ink) in MISSING_COLOURS.items()
            if any(row[kind] for row in rows)
        ]
        if any(row[kind] is None for row in rows for kind in MISSING_COLOURS):
            signs.append(hidden_patch())
        axes.legend(
            handles=signs, loc="lower left", bbox_to_anchor=(-0.02, 1.0),
            ncols=5, frameon=False, fontsize=9, title="Rated:", title_fontsize=9, alignment="left",
            columnspacing=1.2, handlelength=1.4,
        )  # fmt: skip
    said = []
    for row in rows:
        who = f"{label(row['abuse_type'])}, {group_words(row['group'], labels)}"
        both = row["measured at both"]
        if both is None or not row["referred"]:
            said.append(f"{who}: how many were rated at both points is {TOO_FEW}.")
        else:
            share = percent_text(both, row["referred"])
            said.append(f"{who}: {share} of 100 were rated at both points.")
    return Chart(
        name="missing",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame(rows),
        alt_text="Stacked bars. " + " ".join(said),
        caption=(
            "The numbers in the bars are people, rounded where the disclosure policy asks for it. "
            f"Dotted: all that is hidden. {HIDDEN_NOTE}"
        ),
    )


def _missing_bar(axes: Any, row: dict[str, Any], y: float) -> None:
    counts = {kind: row[kind] for kind in MISSING_COLOURS}
    known = [count for count in counts.values() if count is not None]
    hidden, shown, total = len(known) < len(counts), sum(known), row["referred"]
    if total == 0:
        axes.text(50, y, "nobody in the cohort", ha="center", va="center", fontsize=9)
        return
    if not total or not shown:
        hidden_bar(axes, y, 0, height=0.3, panel=PANEL, words=[f"[c] {TOO_FEW}"])
        return
    # Rounded one by one, the parts can fill the bar although one is hidden: leave it a place.
    scale = min(100 / total, 97.5 / shown) if hidden else 100 / shown
    start = 0.0
    for kind, (_key, words, fill, ink) in MISSING_COLOURS.items():
        count = counts[kind]
        if not count:
            continue
        part(
            axes, y, start, count * scale, height=0.3, panel=PANEL, fill=fill, ink=ink,
            words=[f"{words} {count:,}", f"{count:,}"],
        )  # fmt: skip
        start += count * scale
    if hidden:
        hidden_bar(axes, y, start, height=0.3, panel=PANEL, words=["[c] not shown", "[c]"])


def _missing_headline(rows: Sequence[dict[str, Any]]) -> str:
    known = [row for row in rows if row["referred"] and row["measured at both"] is not None]
    if not known:
        return "How many were measured at both points cannot be shown"
    if any(row["measured at both"] < 0.7 * row["referred"] for row in known):
        return "Many people were not measured twice: the figures describe those who were"
    if len(known) < len(rows):
        return "Most people were measured at both points, where that can be shown"
    return "Most people were measured at both points"


def flow_chart(evaluation: Evaluation, labels: dict[str, str]) -> Chart | None:
    """Draw the flow from the cohort to those in the figures, with the ways out.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    labels : dict
        Names of the arms.

    Returns
    -------
    Chart or None
        As high as it has stages; what a design keeps is the last. None for one stage: a single
        number is no flow.
    """
    table = evaluation.table("flow")
    groups = [arm for arm in ARMS.codes if any(cell.key[0] == arm for cell in table.cells)]
    counts = {cell.key: cell.count for cell in table.cells if cell.shown}
    stages = _stages(table, groups)
    if len(stages) == 1 and (main := main_design(evaluation)):
        kept, out = kept_stages(evaluation, main)
        counts |= {
            (group, stage): group_count(evaluation, main, group, stage)
            for group in groups
            for stage in (kept, out)
        }
        stages = [(stages[0][0], [out]), (kept, [])]
    if len(stages) == 1:
        return None
    headline = _flow_headline(evaluation, counts, [stage for stage, _ in stages], labels)
    subtitle = table.note
    if evaluation.policy not in EXACT_POLICIES:
        subtitle += " Each count is rounded by itself, so the steps need not add up."
    heads = {group: wrapped(arm_label(group, labels), 26) for group in groups}
    left = {
        (group, stage): _ways_out(counts, group, ways) for group in groups for stage, ways in stages
    }
    # From the top, in inches: the names, then boxes, each step as high as its ways out need.
    tops = [0.36 + 0.2 * max([head.count("\n") + 1 for head in heads.values()], default=1)]
    for stage, _ in stages[:-1]:
        lines = max(left[group, stage].count("\n") + 1 for group in groups)
        tops.append(tops[-1] + max(0.95, 0.18 * lines + 0.68))
    height = tops[-1] + 0.42
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, height)
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(height, 0)
        for column, group in enumerate(groups):
            middle = column * WIDTH / 2 + 1.25
            axes.text(
                middle, 0.02, heads[group], ha="center", va="top", fontweight="bold", fontsize=11,
                linespacing=1.25,
            )  # fmt: skip
            for (stage, _), y in zip(stages, tops, strict=True):
                axes.text(
                    middle,
                    y,
                    f"{_stage_words(evaluation, stage)}\n{shown_count(counts[group, stage])}",
                    ha="center",
                    va="center",
                    fontsize=10,
                    bbox={
                        "boxstyle": "round,pad=0.45",
                        "facecolor": "white",
                        "edgecolor": ARM_COLOURS[group],
                        "linewidth": 2,
                    },
                )
            for (stage, _), y, below in zip(stages, tops, tops[1:], strict=False):
                axes.annotate(
                    "",
                    (middle, below - 0.26),
                    xytext=(middle, y + 0.26),
                    arrowprops={"arrowstyle": "-|>", "color": DARK_GREY, "linewidth": 1.4},
                )
                axes.text(
                    middle + 0.2, (y + below) / 2, left[group, stage], ha="left", va="center",
                    fontsize=9, linespacing=1.2,
                )  # fmt: skip
    said = []
    for group in groups:
        steps = ", ".join(
            f"{_stage_words(evaluation, stage).lower()} {shown_count(counts[group, stage])}"
            for stage, _ in stages
        )
        said.append(f"{arm_label(group, labels)}: {steps}.")
    return Chart(
        name="flow",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=_flow_data(table, counts),
        alt_text="Flow diagram. " + " ".join(said),
        caption=(
            f"{HIDDEN_NOTE} A total is the sum of the rounded counts shown, so it can differ by a "
            "few from the same total elsewhere on this page."
        ),
    )


def _flow_headline(
    evaluation: Evaluation,
    counts: Mapping[tuple[str, ...], int | None],
    stages: Sequence[str],
    labels: Mapping[str, str],
) -> str:
    """Say how many come to the end of the flow, where the counts shown tell it."""
    groups = [arm for arm in ARMS.codes if (arm, stages[0]) in counts]
    first, last = ([counts[arm, stage] for arm in groups] for stage in (stages[0], stages[-1]))
    known = [count for count in (*first, *last) if count is not None]
    if len(known) < 2 * len(groups) or not sum(known[: len(groups)]):
        return "Who is in the figures, and who is not"
    main = main_design(evaluation)
    if main and stages[-1] in kept_stages(evaluation, main):
        act = made_by(evaluation, main).capitalize()
        kept = kept_of(evaluation, main, "programme")
        return shorter(
            f"{act} kept {kept} in the {group_phrase('programme', labels)}",
            f"{act} kept {kept} in the programme group",
        )
    whole = sum(known[: len(groups)])
    share = out_of_100(min(1.0, sum(known[len(groups) :]) / whole))
    return f"{share} of every 100 people were measured at both points".capitalize()


#: The stages of a design in words.
_KEPT = {
    "matched": "Matched",
    "weighted": "Weighted",
    "unmatched": "Without a match",
    "trimmed": "Left out by trimming",
}


def _stage_words(evaluation: Evaluation, stage: str) -> str:
    return _KEPT.get(stage) or stage_words(evaluation, stage)


def _flow_data(table: CountTable, counts: Mapping[tuple[str, ...], int | None]) -> pd.DataFrame:
    own = [cell.key for cell in stages_first(table) if cell.shown]
    rows = [(*key, counts[key]) for key in (*own, *(key for key in counts if key not in own))]
    data = pd.DataFrame(rows, columns=["group", "stage", "count"])
    data["count"] = data["count"].astype("Int64")
    return data


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


def _ways_out(counts: Mapping[tuple[str, ...], int | None], group: str, ways: Sequence[str]) -> str:
    """Return who left between two stages and why, reasons beneath a common heading."""
    here = [way for way in ways if counts.get((group, way), 0) != 0]
    heads = {way.partition(": ")[0] for way in here}
    lines = []
    for way in here:
        head, _, reason = way.partition(": ")
        words = f"  {EXIT_REASONS.label(reason)}" if reason else _KEPT.get(head) or label(head)
        lines.append(f"{words}: {shown_count(counts[group, way])}")
        if head.startswith("no ") and not reason:
            lines.append("  (why is not recorded)")
    if here and all(": " in way for way in here):
        lines.insert(0, f"{label(heads.pop())}:")
    return "\n".join(lines)
