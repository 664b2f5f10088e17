"""The chart of yes/no outcomes: how often in each arm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from drive_eval.report.designs import has_designs, made_by
from drive_eval.report.drawing import (
    ARM_COLOURS,
    ARM_MARKERS,
    DARK_GREY,
    STYLE,
    TOO_FEW,
    Chart,
    beside,
    new_figure,
    percent,
    whole,
    wrapped,
)
from drive_eval.report.headlines import shorter
from drive_eval.report.numbers import digits_of
from drive_eval.report.sentences import (
    arm_label,
    group_phrase,
    group_words,
    main_design,
    out_of_100,
    people_words,
)
from drive_eval.vocabulary import PERCEIVED_CHANGES, REPORTERS, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from drive_eval.results import Evaluation, ResultSet

__all__ = ["risk_chart"]


def risk_chart(
    evaluation: Evaluation, names: Sequence[str], titles: dict[str, str], labels: dict[str, str]
) -> Chart:
    """Draw how often a yes/no outcome happened in each arm, with its interval.

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
        An arm with too few people has its row, with words in place of a bar. The name is that
        of the first outcome, so that each has a file of its own.
    """
    main = main_design(evaluation) if has_designs(evaluation, names[0]) else ""
    rows = [row for name in names for row in _risk_rows(name, evaluation.results[name], main)]
    judged = ":" in names[0]
    title_ = "Risk judged to have fallen" if judged else titles[names[0]]
    headline = _risk_headline(evaluation.results[names[0]], title_, rows, labels, main)
    level = evaluation.plan["design"]["conf_level"]
    people = people_words(evaluation)
    subtitle = f"Share of {people} in each group, with its {100 * level:g}% interval"
    if judged:
        subtitle = _judged_subtitle(names[0], people, level)
    if main:
        subtitle += f", after {made_by(evaluation, main)}"
    # Numbers of a design are rounded one by one; they stand with the design.
    rounded = main and digits_of(evaluation) is not None
    words = [
        wrapped(arm_label(row["group"], labels))
        + ("" if row["n"] is None or rounded else f"\n(n = {row['n']:,})")
        + (f"\n{wrapped(titles[row['outcome']])}" if len(names) > 1 else "")
        for row in rows
    ]
    height = max([0.62, *[0.17 * (text.count("\n") + 1) + 0.12 for text in words]])
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, 0.75 + height * max(len(rows), 1))
        axes = figure.subplots()
        known = [row for row in rows if row["percent"] is not None]
        top = max([row["conf_high"] or row["percent"] for row in known], default=60)
        end = min(max(top * 1.45, 30), 140)
        axes.set_xlim(0, end)
        for y, row in enumerate(rows):
            if row["percent"] is None:
                axes.text(end / 2, y, f"[c] {TOO_FEW}", ha="center", va="center", color=DARK_GREY)
            else:
                _risk_bar(axes, row, y)
        if not rows:
            axes.text(end / 2, 0, "nobody was measured", ha="center", va="center")
        axes.set_yticks(range(len(rows)), words)
        axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
        axes.set_xticks([t for t in axes.get_xticks() if t <= min(end, 100)])
        # Beyond 100 there is room for words, and no axis: nobody is there.
        axes.spines["bottom"].set_bounds(0, min(end, 100))
        axes.set_xlabel(f"of 100 people (line: {100 * level:g}% interval)")
        axes.tick_params(axis="y", length=0)
    said = [
        f"{titles[row['outcome']]}, {group_words(row['group'], labels)}: {_risk_words(row)}."
        for row in rows
    ]
    return Chart(
        name="perceived_change" if judged else f"risks-{names[0]}",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame(rows),
        alt_text="Bars with intervals. " + " ".join(said or ["Nobody was measured."]),
        caption="The line on each bar is the interval of that group alone, not of the difference.",
    )


def _judged_subtitle(name: str, people: str, level: float) -> str:
    """Say who judged the change in risk, when, and in which words of the form."""
    _kind, reporter, time = name.split(":")
    who = REPORTERS.label(reporter)
    falls = " or ".join(
        f"“{PERCEIVED_CHANGES.label(code).lower()}”"
        for code in PERCEIVED_CHANGES.codes
        if code.endswith("reduction")
    )
    return (
        f"Share of {people} for whom the {who[:1].lower()}{who[1:]} ticked {falls} of risk at "
        f"{label(time).lower()}, in each group, with its {100 * level:g}% interval"
    )


def _risk_rows(name: str, result: ResultSet, main: str) -> list[dict[str, Any]]:
    measures = {"risk_treated": "programme", "risk_comparison": "comparison", "share_reduced": ""}
    return [
        {
            "outcome": name,
            "group": measures[e.measure] or e.group,
            "events": e.n_events,
            "n": e.n,
            "percent": percent(e.estimate),
            "conf_low": percent(e.conf_low),
            "conf_high": percent(e.conf_high),
        }
        for e in result.estimates
        if e.measure in measures and not e.subgroup and e.term == main
    ]


def _risk_bar(axes: Axes, row: dict[str, Any], y: float) -> None:
    colour = ARM_COLOURS[row["group"]]
    axes.barh(
        y, row["percent"], height=0.52, facecolor="white", edgecolor=colour, linewidth=2, zorder=0
    )
    if row["conf_low"] is not None and row["conf_high"] is not None:
        axes.plot([row["conf_low"], row["conf_high"]], [y, y], color=colour, linewidth=2.4)
    axes.plot([row["percent"]], [y], marker=ARM_MARKERS[row["group"]], color=colour, markersize=8)
    end = max(row["conf_high"] or 0, row["percent"])
    beside(axes, end, y, 1, _risk_words(row).replace(" (interval ", "  ("))


def _risk_words(row: dict[str, Any]) -> str:
    if row["percent"] is None:
        return TOO_FEW
    words = f"{out_of_100(row['percent'] / 100)} of 100"
    if row["conf_low"] is None or row["conf_high"] is None:
        return words
    return f"{words} (interval {whole(row['conf_low'])} to {whole(row['conf_high'])})"


def _risk_headline(
    result: ResultSet,
    title: str,
    rows: Sequence[dict[str, Any]],
    labels: dict[str, str],
    main: str,
) -> str:
    """Say in which group it happened more often, as far as the interval of the difference goes."""
    if all(row["percent"] is None for row in rows):
        return shorter(f"{title}: {TOO_FEW}", f"{title}: not shown", title)
    found = [e for e in result.estimates if e.measure == "risk_difference"]
    gap = next((e for e in found if e.term == main and not (e.subgroup or e.group)), None)
    if gap is None or gap.conf_low is None or gap.conf_high is None:
        one = len({row["group"] for row in rows}) == 1
        return title if one else f"{title}: the groups cannot be compared here"
    # The time, and the remark that the programme cannot change it, are not the message.
    bare = title.split(" (")[0].split(", which")[0]
    if gap.conf_low <= 0 <= gap.conf_high:
        return shorter(
            f"{title}: no clear difference between the groups",
            *(f"{words}: no clear difference" for words in (title, bare)),
        )
    side = "less" if gap.conf_high < 0 else "more"
    return shorter(
        f"{title}: {side} often in the {group_phrase('programme', labels)}",
        f"{title}: {side} often in the programme group",
        f"{bare}: {side} often in the programme group",
    )
