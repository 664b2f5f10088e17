"""The chart of one fall under every assumption: as measured, at worst, at best, filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from drive_eval.report.drawing import (
    ARM_COLOURS,
    ARM_MARKERS,
    DARK_BLUE,
    DARK_GREY,
    SMALL,
    STYLE,
    TOO_FEW,
    Chart,
    headings,
    new_figure,
    place,
    wrapped,
)
from drive_eval.report.headlines import all_of
from drive_eval.report.numbers import digits_of, number
from drive_eval.report.rivals import fall_of, rivals_of
from drive_eval.report.sentences import group_phrase
from drive_eval.vocabulary import REPORTERS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from drive_eval.results import Estimate, Evaluation

__all__ = ["assumptions_chart", "assumptions_headline"]

#: A rise beyond this many percent is drawn as an arrowhead at the edge.
LARGEST_RISE = 100.0
_ROW, _TWO = 0.265, 0.36


def assumptions_chart(
    evaluation: Evaluation, names: Sequence[str], labels: Mapping[str, str]
) -> Chart | None:
    """Draw the fall in the programme arm under every assumption, one line each.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    names : sequence of str
        Outcome names of one block of behaviours.
    labels : mapping
        Names of the arms.

    Returns
    -------
    Chart or None
        As measured in bold; last, an open square, what the comparison arm's fall says would have
        come without the programme. None where no rival explanation of them may be shown.
    """
    rows = [row for name in names for row in _rows(evaluation, name, labels)]
    if not rows:
        return None
    headline = assumptions_headline(evaluation, names, rows)
    level = f"{100 * evaluation.plan['design']['conf_level']:g}%"
    subtitle = (
        f"Fall in the number of users in the {group_phrase('programme', labels)}, in percent, "
        f"among those assessed before, with {level} intervals; as rated by the "
        f"{_lower(REPORTERS.label(names[0].split(':')[1]))}"
    )
    hidden = [
        name
        for name in names
        if _not_shown([r for r in rows if r["abuse_type"] == name.split(":")[0]])
    ]
    if hidden:
        subtitle += f". {len(hidden)} of {len(names)} types cannot be shown"
    if any(" as likely to" in row["words"] for row in rows):
        subtitle += ". “As likely”: that many times the odds of people like them"
    said = [wrapped(row["words"], 56) for row in rows]
    places = place(rows, [_ROW if "\n" not in words else _TWO for words in said])
    lows = [v for row in rows for v in (row["conf_low"], row["percent_reduction"]) if v is not None]
    edge = min(max(10 * (-min([*lows, 0.0]) // 10 + 1), 4.0), LARGEST_RISE)
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, 0.55 + places.height)
        axes = figure.subplots()
        axes.set_xlim(-edge, 102)
        axes.axvline(0, color=DARK_GREY, linewidth=1, zorder=0.5)
        for row, y in zip(rows, places.rows, strict=True):
            _line(axes, row, y, digits_of(evaluation))
        axes.set_yticks(places.rows, said, fontsize=SMALL)
        for row, tick in zip(rows, axes.get_yticklabels(), strict=True):
            tick.set_fontweight("bold" if row["part"] == "measured" else "normal")
        headings(axes, places)
        axes.set_xticks([t for t in (-100, -50, 0, 25, 50, 75, 100) if t >= -edge])
        axes.set_xticklabels([f"{abs(t):g}" for t in axes.get_xticks()])
        axes.set_xlabel("rise ← 0 → fall in the number of users, %")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    columns = [key for key in rows[0] if key not in ("words", "part", "hidden")]
    return Chart(
        name="assumptions",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame(rows)[columns],
        alt_text="Interval chart. " + _spoken(rows, digits_of(evaluation)),
        caption=(
            "Bold: those measured twice, nothing else assumed. The two lines below it bound what "
            "those not rated a second time can do to it, whatever they did. The others say what "
            "the fall would be if the assumption on the left were true; none of them is the truth."
            + (
                " Open square: the fall of the comparison group, which is what was to be expected "
                "without the programme if both groups came in alike."
                if any(row["part"] == "comparison" for row in rows)
                else ""
            )
            + _lacking(rows)
        ),
    )


def _lacking(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say which types lack a line that others have, and why."""
    every = {row["words"] for row in rows}
    some = [
        label(kind).lower()
        for kind in dict.fromkeys(row["abuse_type"] for row in rows)
        if {row["words"] for row in rows if row["abuse_type"] == kind} != every
    ]
    if not some:
        return ""
    return (
        f" The lines that {' and '.join(some)} lack{'s' * (len(some) == 1)} are {TOO_FEW}, or "
        "could not be worked out; the table of rival explanations says which."
    )


def _lower(words: str) -> str:
    return f"{words[:1].lower()}{words[1:]}"


def _rows(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    wanted = [
        e
        for e in rivals_of(evaluation, name).estimates
        if e.group == "programme"
        and not e.subgroup
        and e.measure in ("percent_reduction", "expected_fall")
    ]
    rows = []
    for e in wanted:
        term = e.term.partition(" (")[0]
        words = _words(e, term, labels)
        if not words:
            continue
        part = "measured" if term == "as observed" else "other"
        part = "comparison" if e.measure == "expected_fall" else part
        rows.append(
            {
                "abuse_type": name.split(":")[0],
                "assumption": words,
                "percent_reduction": e.estimate,
                "conf_low": e.conf_low,
                "conf_high": e.conf_high,
                "words": words,
                "part": part,
            }
        )
    return rows


def _words(e: Estimate, term: str, labels: Mapping[str, str]) -> str:
    if e.measure == "expected_fall":
        return f"Expected: the fall of the {group_phrase('comparison', labels)}"
    known = {
        "as observed": "As measured, of those rated twice",
        "best case": "If none of those not rated a second time still used it",
        "worst case": "If all of those not rated a second time still used it",
        "weighted": "If those rated twice stood for all (weighted)",
    }
    if term in known:
        return known[term]
    if term.startswith("imputed, odds × "):
        times = term.removeprefix("imputed, odds × ")
        if times == "1":
            return "If those not rated a second time did as people like them"
        twice = {"2": "twice"}.get(times, f"{times} times")
        return f"If those not rated a second time were {twice} as likely to still use it"
    if term.endswith(" % over-optimistic"):
        share = term.removesuffix(" % over-optimistic")
        return f"If {share} of 100 who still used it were recorded as not"
    return ""


def assumptions_headline(
    evaluation: Evaluation, names: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> str:
    """Return the one message: for how many of the types shown the fall stays under all of them."""
    stays = vanishes = unclear = 0
    for name in names:
        kind = name.split(":")[0]
        mine = [row for row in rows if row["abuse_type"] == kind and row["part"] != "comparison"]
        if _not_shown(mine):
            unclear += 1
        elif fall_of(evaluation, name, "programme") != "fell":
            continue
        elif all(row["conf_low"] is not None and row["conf_low"] > 0 for row in mine):
            stays += 1
        else:
            vanishes += 1
    shown = len(names) - unclear
    if not stays and not vanishes:
        return "What the fall would be under each assumption" if unclear else (
            "No clear fall to explain"
        )  # fmt: skip
    some = " shown" if unclear else ""
    if not stays:
        return "Under some assumptions the fall is no longer clear"
    if len(names) == 1:
        return "This abuse fell under each assumption shown"
    if stays == shown:
        every = f"{all_of(shown)} types{some}" if shown > 1 else f"the 1 type{some}"
        return f"The fall stays under each assumption for {every}"
    return f"The fall stays under each assumption for {stays} of {shown} types{some}"


def _not_shown(rows: Sequence[Mapping[str, Any]]) -> bool:
    return not rows or any(row["percent_reduction"] is None for row in rows)


def _line(axes: Axes, row: Mapping[str, Any], y: float, digits: int | None) -> None:
    point, low, high = row["percent_reduction"], row["conf_low"], row["conf_high"]
    numbers = _numbers(point, low, high, digits)
    axes.annotate(
        numbers, (1, y), xycoords=("axes fraction", "data"), xytext=(8, 0),
        textcoords="offset points", ha="left", va="center", fontsize=SMALL,
        fontweight="bold" if row["part"] == "measured" else "normal", annotation_clip=False,
    )  # fmt: skip
    if point is None:
        return
    first, last = axes.get_xlim()
    own = row["part"] == "comparison"
    colour = ARM_COLOURS["comparison"] if own else DARK_BLUE
    if low is not None and high is not None:
        axes.plot(
            [max(low, first), min(high, last)], [y, y], color=colour, solid_capstyle="butt",
            linewidth=3 if row["part"] == "measured" else 1.7, zorder=2,
        )  # fmt: skip
        if low < first:
            axes.plot([first], [y], marker=8, markersize=8, color=colour, clip_on=False)
    if point >= first:
        axes.plot(
            [point], [y], linestyle="none", zorder=3, markeredgecolor=colour, markeredgewidth=1.6,
            marker=ARM_MARKERS["comparison" if own else "programme"],
            markerfacecolor="white" if own else colour,
            markersize=8.5 if row["part"] == "measured" else 6,
        )  # fmt: skip


def _numbers(point: Any, low: Any, high: Any, digits: int | None) -> str:
    if point is None:
        return "not shown [c]"
    text = f"{'rise ' * (point < 0)}{number(abs(point), 0, digits)}"
    if low is None or high is None:
        return text
    first, last = (f"{'rise ' * (v < 0)}{number(abs(v), 0, digits)}" for v in (low, high))
    return f"{text}  ({first} to {last})"


def _spoken(rows: Sequence[Mapping[str, Any]], digits: int | None) -> str:
    said: dict[str, list[str]] = {}
    for row in rows:
        numbers = _numbers(row["percent_reduction"], row["conf_low"], row["conf_high"], digits)
        words = f"{_lower(row['words'])}: {numbers.replace('  ', ' ')}"
        said.setdefault(row["abuse_type"], []).append(words)
    return " ".join(f"{label(kind)}: fall in percent {'; '.join(s)}." for kind, s in said.items())
