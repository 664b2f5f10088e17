"""All effects at a glance: every difference between the arms, people of every 100, on one panel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
from matplotlib.ticker import MaxNLocator

from drive_eval.plan import (
    BehaviourOutcome,
    BinaryOutcome,
    PerceivedChangeOutcome,
    Plan,
    outcome_names,
)
from drive_eval.report.drawing import (
    DARK_BLUE,
    DARK_GREY,
    SMALL,
    STYLE,
    TOO_FEW,
    Chart,
    new_figure,
    wrapped,
)
from drive_eval.report.headlines import all_of, shorter
from drive_eval.report.numbers import digits_of, per_100
from drive_eval.report.sentences import (
    behaviour_label,
    group_phrase,
    main_design,
    people_words,
)
from drive_eval.results import NOT_SHOWN
from drive_eval.vocabulary import label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from drive_eval.plan import Outcome
    from drive_eval.results import Estimate, Evaluation, ResultSet

__all__ = ["difference_of", "forest_chart"]

CHANGE = "difference_in_differences"
#: Differences out of 100, the first that an outcome has, and what stands behind its name.
MEASURES = {
    (CHANGE, ""): "change",
    ("risk_difference", ""): "",
    ("risk_difference", "itt"): "",
    ("event_free_difference", ""): "within {time}",
}


def forest_chart(evaluation: Evaluation, labels: dict[str, str]) -> Chart | None:
    """Draw the difference between the arms on every outcome, primary ones first.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    labels : dict
        Names of the arms.

    Returns
    -------
    Chart or None
        One row an outcome, with its interval in the same unit: people of every 100. What is good
        when there is more of it is told by its opposite. None where fewer than two outcomes have
        such a difference.
    """
    plan = Plan.model_validate(dict(evaluation.plan))
    rows = [row for outcome in plan.outcomes for row in _rows(evaluation, outcome)]
    if len(rows) < 2 or all(row["difference"] is None for row in rows):
        return None
    rows.sort(key=lambda row: not row["primary"])  # stable: in the plan's order otherwise
    headline = _headline(rows, labels)
    one, two = (group_phrase(arm, labels) for arm in ("programme", "comparison"))
    level = f"{100 * plan.design.conf_level:g}%"
    subtitle = (
        f"{one[:1].upper()}{one[1:]} minus {two}, of every 100 {people_words(evaluation)}, with "
        f"{level} intervals"
    )
    hidden = sum(row["hidden"] for row in rows)
    if hidden:
        subtitle += f"; {hidden} of {len(rows)} outcomes cannot be shown"
    names = [f"{wrapped(row['title'], 38)}" for row in rows]
    heights = [max(0.5, 0.165 * (name.count("\n") + 1) + 0.2) for name in names]
    second = next((i for i, row in enumerate(rows) if not row["primary"]), None)
    tops, heads, height = _places(heights, second)
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, height + 0.75)
        axes = figure.subplots()
        _scale(axes, rows)
        for row, y in zip(rows, tops, strict=True):
            _interval(axes, row, y, digits_of(evaluation))
        for words, y in heads:
            axes.annotate(
                words, (0, y), xycoords=("axes fraction", "data"), ha="left", va="center",
                fontweight="bold", fontsize=10.5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            ).set_in_layout(False)  # fmt: skip
        axes.set_ylim(height, 0)
        axes.set_yticks(tops, names, fontsize=9.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("people of every 100 (0: the same)\nfewer in the programme group ← → more")
    return Chart(
        name="forest",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame([{k: v for k, v in row.items() if k != "hidden"} for row in rows]),
        alt_text="Interval chart. " + " ".join(_spoken(row, digits_of(evaluation)) for row in rows),
        caption=(
            "Each row has its own outcome, reporter and people: rows must not be added up or "
            "averaged. Filled: primary; open: other outcomes. Change: how the share in the one "
            "group moved, less how it moved in the other. What is good when there is more of it "
            "is told by its opposite, so that fewer is on the left everywhere."
        ),
    )


def _rows(evaluation: Evaluation, outcome: Outcome) -> list[dict[str, Any]]:
    main = main_design(evaluation)
    rows = []
    for name in outcome_names(outcome):
        result = evaluation.results.get(name)
        found = None if result is None else difference_of(result, main)
        if found is None:
            continue
        e, words = found
        ends = [None if v is None else 100 * v for v in (e.estimate, e.conf_low, e.conf_high)]
        if isinstance(outcome, PerceivedChangeOutcome) or e.measure == "event_free_difference":
            # Told by its opposite, so that on every row fewer is to the left.
            point, low, high = (None if v is None else -v for v in ends)
            ends = [point, high, low]
        title = _title(outcome, name)
        rows.append(
            {
                "outcome": name,
                "title": f"{title} ({words})" if words else title,
                "primary": outcome.primary,
                "negative": getattr(outcome, "negative", False),
                "measure": e.measure,
                "difference": ends[0],
                "conf_low": ends[1],
                "conf_high": ends[2],
                "may_be_read_as": e.claim,
                "hidden": e.method == NOT_SHOWN,
            }
        )
    return rows


def difference_of(result: ResultSet, main: str) -> tuple[Estimate, str] | None:
    """Return the difference that an outcome is read by, and words for it; of the main design."""
    whole = [e for e in result.estimates if not e.group and not e.subgroup]
    wanted = {("risk_difference", main): ""} if main else {}
    for (measure, term), words in {**wanted, **MEASURES}.items():
        found = [e for e in whole if e.measure == measure and e.term == term]
        if found:
            # Of several times the last: the whole of the following.
            e = max(found, key=lambda e: e.time or 0)
            return e, words.format(time=f"{e.time:g} {e.time_unit}" if e.time else "the end")
    return None


def _title(outcome: Outcome, name: str) -> str:
    if isinstance(outcome, BehaviourOutcome):
        return behaviour_label(name)
    if isinstance(outcome, PerceivedChangeOutcome):
        return "Risk judged unchanged or higher"
    title = outcome.label or label(outcome.name)
    if isinstance(outcome, BinaryOutcome) and outcome.negative:
        return f"{title}, which the programme cannot change"
    return title


def _headline(rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> str:
    """Say on how many of the outcomes shown the programme group is lower or higher."""
    # An outcome that the programme cannot change shows how alike the arms are, and no effect.
    meant = [row for row in rows if not row["negative"]]
    shown = [row for row in meant if row["conf_low"] is not None and row["conf_high"] is not None]
    lower = [row for row in shown if row["conf_high"] < 0]
    higher = [row for row in shown if row["conf_low"] > 0]
    of = f"{len(shown)} outcome{'s' * (len(shown) != 1)}{' shown' * (len(shown) < len(meant))}"
    if not shown:
        return "No difference between the groups can be shown"
    if not lower and not higher:
        return f"No clear difference between the groups on {'any of ' * (len(shown) > 1)}{of}"
    if lower and higher:
        return f"Programme group lower on {len(lower)}, higher on {len(higher)} of {of}"
    found, side = (lower, "lower") if lower else (higher, "higher")
    if len(shown) == 1:
        name = found[0]["title"]
        return shorter(
            f"{name}: {side} in the {group_phrase('programme', labels)}",
            f"{name}: {side} in the programme group",
            f"{side.capitalize()} in the programme group on the {of}",
        )
    changes = {row["measure"] == CHANGE for row in found}
    went = {"lower": "fell further", "higher": "fell less or rose"}[side]
    words = {(True,): went, (False,): f"is {side}"}.get((*changes,), f"is {side} or {went}")
    many = f"{len(found)} of {of}"
    if len(found) == len(shown):
        many = of.replace(f"{len(shown)}", all_of(len(shown)), 1)
    return shorter(f"Programme group {words} on {many}", f"Programme group {side} on {many}")


def _places(
    heights: Sequence[float], second: int | None
) -> tuple[list[float], list[tuple[str, float]], float]:
    """Stack rows in inches from the top, with headings where both kinds of outcome stand."""
    tops: list[float] = []
    heads: list[tuple[str, float]] = []
    y = 0.05
    for i, height in enumerate(heights):
        if second is not None and i in (0, second):
            y += 0.1 if heads else 0.0
            heads.append(("Other outcomes" if i == second else "Primary outcomes", y + 0.17))
            y += 0.32
        tops.append(y + height / 2)
        y += height
    return tops, heads, y + 0.05


def _scale(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    ends = [row[key] for row in rows for key in ("difference", "conf_low", "conf_high")]
    known = [end for end in ends if end is not None]
    low, high = min([*known, -4.0]), max([*known, 4.0])
    room = 0.14 * (high - low)
    axes.set_xlim(low - room, high + room)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.axvline(0, color=DARK_GREY, linewidth=1, zorder=0.5)


def _interval(axes: Axes, row: Mapping[str, Any], y: float, digits: int | None) -> None:
    point, low, high = row["difference"], row["conf_low"], row["conf_high"]
    if point is None or low is None or high is None:
        axes.annotate(
            f"[c] {TOO_FEW}" if row["hidden"] else "cannot be computed", (0.02, y),
            xycoords=("axes fraction", "data"), ha="left", va="center", color=DARK_GREY,
            fontsize=SMALL, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        return
    axes.plot([low, high], [y, y], color=DARK_BLUE, linewidth=2.2, solid_capstyle="butt", zorder=2)
    axes.plot(
        [point], [y], marker="D", markersize=7.5, linestyle="none", zorder=3,
        markerfacecolor=DARK_BLUE if row["primary"] else "white", markeredgecolor=DARK_BLUE,
        markeredgewidth=1.6,
    )  # fmt: skip
    axes.annotate(
        _numbers(row, digits), (point, y), xytext=(0, -8), textcoords="offset points", ha="center",
        va="top", fontsize=SMALL, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        zorder=1,
    )  # fmt: skip


def _numbers(row: Mapping[str, Any], digits: int | None) -> str:
    ends = (row[key] for key in ("difference", "conf_low", "conf_high"))
    point, low, high = (per_100(value, digits) for value in ends)
    return f"{point}  ({low} to {high})"


def _spoken(row: Mapping[str, Any], digits: int | None) -> str:
    if row["difference"] is None or row["conf_low"] is None or row["conf_high"] is None:
        return f"{row['title']}: {TOO_FEW if row['hidden'] else 'cannot be computed'}."
    words = _numbers(row, digits).replace("  (", " per 100 (interval ")
    return f"{row['title']}: {words}."
