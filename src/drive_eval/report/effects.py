"""The effects of all designs side by side: chart and table, the crude comparison on top."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
from matplotlib.ticker import MaxNLocator, NullLocator

from drive_eval.report.designs import (
    design_label,
    effects_headline,
    effects_remarks,
    has_designs,
    kept_words,
    marked_label,
    source_words,
)
from drive_eval.report.drawing import (
    DARK_BLUE,
    DARK_GREY,
    HIDDEN_NOTE,
    SMALL,
    STYLE,
    TOO_FEW,
    Chart,
    new_figure,
    percent,
    wrapped,
)
from drive_eval.report.numbers import DIGITS_NOTE, digits_of, number
from drive_eval.report.sentences import (
    CRUDE,
    design_names,
    effect,
    group_phrase,
    group_words,
    main_design,
    people_words,
)
from drive_eval.report.tables import Table, interval_text, value_text
from drive_eval.results import NOT_SHOWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from drive_eval.results import Estimate, Evaluation

__all__ = ["effects_by_design_chart", "effects_by_design_table"]

#: Colour, marker and size by the part that a design plays.
MARKS = {
    "crude": (DARK_GREY, "o", 7.5),
    "main": (DARK_BLUE, "D", 9),
    "other": (DARK_GREY, "s", 6.5),
}
#: Where to look for the numbers of cases.
COUNTS_NOTE = (
    "How many cases each design keeps stands in the section on how the comparison was made; counts "
    "are rounded one by one and can differ by a few."
)
#: A ratio beyond these is drawn as an arrowhead at the edge.
RATIOS = (0.05, 20.0)


def effects_by_design_chart(
    evaluation: Evaluation,
    names: Sequence[str],
    titles: Mapping[str, str],
    labels: dict[str, str],
    *,
    chart_name: str = "",
) -> Chart:
    """Draw the difference and the ratio under each design, the crude comparison on top.

    Parameters
    ----------
    evaluation : Evaluation
        Released; its plan has a main design.
    names : sequence of str
        Outcome names.
    titles : mapping
        Outcome name to plain words.
    labels : dict
        Names of the arms.
    chart_name : str, optional
        File stem; ``designs-<outcome>`` if none is given.

    Returns
    -------
    Chart
        The main design is filled and bold; the crude comparison is open, dashed and marked as not
        fair. An effect that may not be shown has its line, with words.
    """
    names = [name for name in names if has_designs(evaluation, name)]
    rows = [row for name in names for row in _rows(evaluation, name)]
    headline = effects_headline(evaluation, names, titles, labels)
    level = f"{100 * evaluation.plan['design']['conf_level']:g}%"
    who = group_phrase("programme", labels)
    subtitle = (
        f"{who[:1].upper()}{who[1:]} minus {group_phrase('comparison', labels)}, of every 100 "
        f"{people_words(evaluation)}, and the ratio of their shares, with {level} "
        f"intervals; {kept_words(evaluation, main_design(evaluation), labels)}."
        f"{effects_remarks(evaluation, names)}"
    )
    words = [_row_words(evaluation, row) for row in rows]
    tops, heads, height = _places(rows, words, titles)
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, height + 0.75)
        left, right = figure.subplots(1, 2, width_ratios=[1.1, 1], sharey=True)
        _scales(left, right, rows)
        for row, y in zip(rows, tops, strict=True):
            for axes, measure in ((left, "difference"), (right, "ratio")):
                _interval(axes, row, measure, y, digits_of(evaluation))
        for text, y in heads:
            left.annotate(
                text, (0, y), xycoords=("axes fraction", "data"), ha="left", va="center",
                fontweight="bold", fontsize=10.5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            ).set_in_layout(False)  # fmt: skip
        left.set_ylim(height, 0)
        left.set_yticks(tops, words, fontsize=9.5)
        for row, tick in zip(rows, left.get_yticklabels(), strict=True):
            tick.set_fontweight("bold" if row["part"] == "main" else "normal")
        left.set_xlabel("people of every 100 (0: the same)\nfewer ← → more")
        right.set_xlabel("ratio of the shares (1: the same)\nlower ← → higher")
        for axes in (left, right):
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        right.tick_params(axis="y", labelleft=False)
    return Chart(
        name=chart_name or f"designs-{names[0].replace(':', '_')}",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame([{k: v for k, v in row.items() if k != "hidden"} for row in rows]),
        alt_text="Interval chart. "
        + " ".join(_spoken(evaluation, row, titles, several=len(names) > 1) for row in rows),
        caption=(
            "Open, dashed: no adjustment, which is not a fair comparison. Filled diamond, bold: "
            "the main design. Squares: further designs of the plan. The line is the interval of "
            "the difference or ratio itself; left or right of the vertical line as a whole, the "
            f"groups differ. {source_words(evaluation)}"
        ).strip(),
    )


def _rows(evaluation: Evaluation, name: str) -> list[dict[str, Any]]:
    result, main = evaluation.results[name], main_design(evaluation)
    rows = []
    for term in (CRUDE, *design_names(evaluation)):
        gap, ratio = (effect(result, f"risk_{kind}", term) for kind in ("difference", "ratio"))
        if gap is None and ratio is None:
            continue
        shares = [effect(result, f"risk_{arm}", term) for arm in ("treated", "comparison")]
        rows.append(
            {
                "outcome": name,
                "design": term,
                "part": "crude" if term == CRUDE else "main" if term == main else "other",
                **{
                    f"percent_{arm}": percent(None if e is None else e.estimate)
                    for arm, e in zip(("programme", "comparison"), shares, strict=True)
                },
                **{
                    f"n_{arm}": None if e is None else e.n
                    for arm, e in zip(("programme", "comparison"), shares, strict=True)
                },
                **_ends("difference", gap, 100),
                **_ends("ratio", ratio, 1),
                "hidden": {
                    "difference": gap is None or gap.method == NOT_SHOWN,
                    "ratio": ratio is None or ratio.method == NOT_SHOWN,
                },
            }
        )
    return rows


def _ends(name: str, e: Estimate | None, scale: int) -> dict[str, float | None]:
    values = (None, None, None) if e is None else (e.estimate, e.conf_low, e.conf_high)
    return {
        key: None if value is None else scale * value
        for key, value in zip((name, f"{name}_low", f"{name}_high"), values, strict=True)
    }


def _row_words(evaluation: Evaluation, row: dict[str, Any]) -> str:
    words = wrapped(design_label(evaluation, row["design"]), 27)
    if row["part"] == "crude":
        words += "\n(not a fair comparison)"
    known = row["n_programme"] is not None and row["n_comparison"] is not None
    # Rounded one by one, numbers of one design would differ from line to line.
    if known and digits_of(evaluation) is None:
        words += f"\nn = {row['n_programme']:,} and {row['n_comparison']:,}"
    return words


def _places(
    rows: Sequence[dict[str, Any]], words: Sequence[str], titles: Mapping[str, str]
) -> tuple[list[float], list[tuple[str, float]], float]:
    """Stack the rows in inches from the top, with a heading for each of several outcomes."""
    several = len({row["outcome"] for row in rows}) > 1
    tops: list[float] = []
    heads: list[tuple[str, float]] = []
    y = 0.05
    for i, (row, text) in enumerate(zip(rows, words, strict=True)):
        first = i == 0 or rows[i - 1]["outcome"] != row["outcome"]
        if several and first:
            y += 0.12 if heads else 0.0
            heads.append((titles[row["outcome"]], y + 0.18))
            y += 0.32
        height = max(0.52, 0.165 * (text.count("\n") + 1) + 0.14)
        tops.append(y + height / 2)
        y += height
    return tops, heads, y + 0.05


def _scales(left: Axes, right: Axes, rows: Sequence[dict[str, Any]]) -> None:
    ends = [row[key] for row in rows for key in ("difference_low", "difference_high", "difference")]
    reach = max([*[abs(end) for end in ends if end is not None], 4.0])
    known = [v for end in ends if (v := end) is not None]
    low, high = min([*known, 0.0]), max([*known, 0.0])
    left.set_xlim(low - 0.22 * reach, high + 0.22 * reach)
    left.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    left.axvline(0, color=DARK_GREY, linewidth=1, zorder=0.5)
    ends = [row[key] for row in rows for key in ("ratio_low", "ratio_high", "ratio")]
    inside = [min(max(end, RATIOS[0]), RATIOS[1]) for end in ends if end is not None]
    low, high = min([*inside, 0.8]), max([*inside, 1.25])
    right.set_xscale("log")
    right.set_xlim(low / 1.18, high * 1.18)
    right.axvline(1, color=DARK_GREY, linewidth=1, zorder=0.5)
    first, last = right.get_xlim()
    wide = math.log(last / first)
    some = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 10, 20) if wide > 1.4 else (
        (0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4)
    )  # fmt: skip
    ticks = [t for t in some if first <= t <= last]
    right.set_xticks(ticks, [f"{t:g}" for t in ticks])
    right.xaxis.set_minor_locator(NullLocator())


def _interval(axes: Axes, row: dict[str, Any], measure: str, y: float, digits: int | None) -> None:
    point, low, high = row[measure], row[f"{measure}_low"], row[f"{measure}_high"]
    if point is None:
        words = "not shown [c]" if row["hidden"][measure] else "cannot be computed"
        axes.annotate(
            words, (0.5, y), xycoords=("axes fraction", "data"), ha="center", va="center",
            color=DARK_GREY, fontsize=SMALL,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        return
    colour, marker, size = MARKS[row["part"]]
    first, last = axes.get_xlim()
    crude = row["part"] == "crude"
    if low is not None and high is not None:
        axes.plot(
            [max(low, first), min(high, last)], [y, y], color=colour,
            linewidth=3 if row["part"] == "main" else 1.7, linestyle=(0, (3, 2)) if crude else "-",
            solid_capstyle="butt", zorder=2,
        )  # fmt: skip
        for beyond, edge, arrow in ((low < first, first, 8), (high > last, last, 9)):
            if beyond:
                axes.plot([edge], [y], marker=arrow, markersize=8, color=colour, clip_on=False)
    if first <= point <= last:
        axes.plot(
            [point], [y], marker=marker, markersize=size, linestyle="none", zorder=3,
            markerfacecolor="white" if crude else colour, markeredgecolor=colour,
            markeredgewidth=1.6,
        )  # fmt: skip
    words = _numbers(point, low, high, measure, digits)
    # The words stand beneath their line, and inside the panel.
    half = 0.5 * 0.072 * len(words) / 2.8
    middle = min(max(_fraction(axes, point), half), 1 - half)
    axes.annotate(
        words, (middle, y), xycoords=("axes fraction", "data"), xytext=(0, -8),
        textcoords="offset points", ha="center", va="top", fontsize=SMALL,
        fontweight="bold" if row["part"] == "main" else "normal",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6}, zorder=1,
    )  # fmt: skip


def _fraction(axes: Axes, value: float) -> float:
    first, last = axes.get_xlim()
    value = min(max(value, first), last)
    if axes.get_xscale() == "log":
        return math.log(value / first) / math.log(last / first)
    return (value - first) / (last - first)


def _numbers(
    point: float, low: float | None, high: float | None, measure: str, digits: int | None
) -> str:
    places = 1 if measure == "difference" else 2
    if low is None or high is None:
        return number(point, places, digits)
    ends = f"{number(low, places, digits)} to {number(high, places, digits)}"
    return f"{number(point, places, digits)}  ({ends})"


def _spoken(
    evaluation: Evaluation, row: dict[str, Any], titles: Mapping[str, str], *, several: bool
) -> str:
    who, digits = marked_label(evaluation, row["design"]), digits_of(evaluation)
    if several:
        who = f"{titles[row['outcome']]}, {who}"
    parts = []
    for measure in ("difference", "ratio"):
        point, low, high = row[measure], row[f"{measure}_low"], row[f"{measure}_high"]
        if point is None:
            words = TOO_FEW if row["hidden"][measure] else "not computed"
        else:
            words = _numbers(point, low, high, measure, digits).replace("  (", " (interval ")
        parts.append(f"{measure}{' per 100' if measure == 'difference' else ''} {words}")
    return f"{who}: {', '.join(parts)}."


def effects_by_design_table(
    evaluation: Evaluation,
    names: Sequence[str],
    titles: Mapping[str, str],
    labels: Mapping[str, str],
) -> Table:
    """Every design's shares, difference and ratio for each outcome, the crude comparison on top."""
    rows, digits = [], digits_of(evaluation)
    names = [name for name in names if has_designs(evaluation, name)]
    several = len(names) > 1
    for name in names:
        result = evaluation.results[name]
        for term in (CRUDE, *design_names(evaluation)):
            found = {
                measure: effect(result, measure, term)
                for measure in ("risk_treated", "risk_comparison", "risk_difference", "risk_ratio")
            }
            if all(e is None for e in found.values()):
                continue
            gap, ratio = found["risk_difference"], found["risk_ratio"]
            rows.append(
                (
                    *([titles[name]] if several else []),
                    marked_label(evaluation, term),
                    _share_text(found["risk_treated"], digits),
                    _share_text(found["risk_comparison"], digits),
                    value_text(gap, digits),
                    interval_text(gap, digits),
                    value_text(ratio, digits),
                    interval_text(ratio, digits),
                )
            )
    level = f"{100 * evaluation.plan['design']['conf_level']:g}% interval"
    one, two = (group_words(group, labels) for group in ("programme", "comparison"))
    return Table(
        caption=f"{'Use afterwards' if several else titles[names[0]]}: the result of each design",
        header=(
            *(["Outcome"] if several else []),
            "Design",
            *[f"Of 100, {who}{' (n)' if digits is None else ''}" for who in (one, two)],
            "Difference per 100",
            level,
            "Ratio of shares",
            level,
        ),
        rows=tuple(rows),
        note=(
            "Each design speaks of its own group of people, so their effects may differ for that "
            f"reason too. {HIDDEN_NOTE} [x]: cannot be computed; the checks say why."
        )
        + ("" if digits is None else f" {DIGITS_NOTE} {COUNTS_NOTE}"),
        unfolded=True,
    )


def _share_text(e: Estimate | None, digits: int | None) -> str:
    text = value_text(e, digits)
    if e is None or e.estimate is None or e.n is None or digits is not None:
        return text
    return f"{text} (n = {e.n:,})"
