"""How alike the groups were made: love plot, overlap of the scores, Table 1, designs in a row."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from drive_eval.report.designs import (
    balance_of,
    covariate_label,
    design_label,
    dropped,
    dropped_words,
    failed,
    group_count,
    kept_stages,
    kept_words,
    limit_of,
    made_by,
    marked_label,
    on_whom,
    overlap_table,
    source_words,
)
from drive_eval.report.drawing import (
    ARM_COLOURS,
    DARK_BLUE,
    DARK_GREY,
    DOTS,
    HIDDEN_NOTE,
    OUTLINE,
    SMALL,
    STYLE,
    TOO_FEW,
    Chart,
    hidden_patch,
    new_figure,
    shown_count,
    wrapped,
)
from drive_eval.report.numbers import DIGITS_NOTE, digits_of, number
from drive_eval.report.sentences import arm_label, design_names, main_design
from drive_eval.report.tables import HIDDEN, MISSING, Table
from drive_eval.results import NOT_SHOWN
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from drive_eval.results import Estimate, Evaluation, ResultSet

__all__ = [
    "designs_table",
    "love_chart",
    "matching_table",
    "other_warnings",
    "overlap_chart",
    "table_one",
]

#: The covariate under which the propensity score stands.
SCORE = "propensity score"
#: Light grey, behind differences that count as balanced.
WITHIN = "#EDEFF1"
#: How many covariates the words of the picture name one by one.
NAMED = 6
TENTHS = tuple(f"{i / 10:.1f}–{(i + 1) / 10:.1f}" for i in range(10))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """One line of the love plot."""

    term: str
    before: Estimate | None
    after: Estimate | None

    @property
    def words(self) -> str:
        return covariate_label(self.term)


def love_chart(evaluation: Evaluation, labels: Mapping[str, str]) -> Chart:
    """Draw how far apart the groups were on each characteristic, before and after the main design.

    Parameters
    ----------
    evaluation : Evaluation
        Released; its plan has a main design.
    labels : mapping
        Names of the arms.

    Returns
    -------
    Chart
        Differences without their sign, the largest before on top, beneath the propensity score.
        A difference that may not be shown has its line, with words.
    """
    name = main_design(evaluation)
    act, limit = made_by(evaluation, name), limit_of(evaluation, name)
    rows = _differences(balance_of(evaluation, name))
    headline = _love_headline(rows, act, limit)
    subtitle = (
        "Standardised mean difference of each characteristic, without its sign (0: the same mean "
        f"in both groups); {kept_words(evaluation, name, labels)}"
    )
    # The score sums up the others, so that it is a line of its own and not one of the count.
    names = [
        f"{row.words}\n(sums up the others; not counted)"
        if row.term == SCORE
        else wrapped(row.words, 32)
        for row in rows
    ]
    heights = [
        0.13 + 0.16 * (words.count("\n") + 1) + 0.16 * (row.term == SCORE)
        for words, row in zip(names, rows, strict=True)
    ]
    middles = [sum(heights[:i]) + height / 2 for i, height in enumerate(heights)]
    known = [v for row in rows for v in (_size(row.before), _size(row.after)) if v is not None]
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, 1.05 + sum(heights))
        axes = figure.subplots()
        axes.set_xlim(0, max([*known, 2.2 * limit]) * 1.06)
        axes.set_ylim(sum(heights) + 0.04, -0.04)
        axes.axvspan(0, limit, color=WITHIN, zorder=0, linewidth=0)
        axes.axvline(limit, color=DARK_GREY, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
        for row, y in zip(rows, middles, strict=True):
            _love_row(axes, row, y, limit)
        for x, words in ((1.06, "before"), (1.16, "after")):
            axes.annotate(
                words, (x, 1), xycoords="axes fraction", xytext=(0, 6),
                textcoords="offset points", ha="center", va="bottom", fontsize=9.5,
                fontweight="bold" if words == "after" else "normal",
            )  # fmt: skip
        axes.set_yticks(middles, names, fontsize=9.5)
        axes.tick_params(axis="y", length=0, pad=11)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(
            f"standardised mean difference, without its sign (grey: up to the limit of {limit:g})"
        )
        _love_legend(axes, act)
    return Chart(
        name="love",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame(
            [
                {
                    "characteristic": row.term,
                    "smd_before": _value(row.before),
                    "smd_after": _value(row.after),
                    "limit": limit,
                }
                for row in rows
            ],
            columns=["characteristic", "smd_before", "smd_after", "limit"],
        ),
        alt_text=f"Dot chart. {_love_words(rows, act, limit)}",
        caption=(
            "Standardised mean difference: how far apart the two means are, in standard deviations "
            f"of the groups as they were before {act}. The table of the groups has the means and "
            f"the signs. Only what was measured is here.{_digits_note(evaluation)} "
            f"{source_words(evaluation)}"
        ).strip(),
    )


def _differences(balance: ResultSet) -> list[_Difference]:
    found: dict[str, dict[str, Estimate]] = {}
    for e in balance.estimates:
        if e.measure == "smd":
            found.setdefault(e.term, {})[e.subgroup] = e
    rows = [
        _Difference(term=term, before=ends.get("before"), after=ends.get("after"))
        for term, ends in found.items()
    ]
    # Rounded, so that the two levels of a category, which tie, keep their order.
    return sorted(rows, key=lambda row: (row.term != SCORE, -round(_size(row.before) or -1.0, 9)))


def _value(e: Estimate | None) -> float | None:
    """Return an estimate that can be drawn."""
    if e is None or e.estimate is None or math.isinf(e.estimate):
        return None
    return e.estimate


def _size(e: Estimate | None) -> float | None:
    value = _value(e)
    return None if value is None else abs(value)


def _size_text(e: Estimate | None) -> str:
    size = _size(e)
    return _mark(e) if size is None else number(size, 2)


def _mark(e: Estimate | None) -> str:
    return HIDDEN if e is not None and e.method == NOT_SHOWN else MISSING


def _over(row: _Difference, limit: float) -> bool:
    """Return whether a characteristic is beyond the limit; the score is not held to it."""
    size = _size(row.after)
    return row.term != SCORE and size is not None and size > limit


def _love_row(axes: Axes, row: _Difference, y: float, limit: float) -> None:
    before, after = _size(row.before), _size(row.after)
    if before is not None and after is not None:
        axes.plot([before, after], [y, y], color="#8C8C8C", linewidth=1.1, zorder=2)
    if before is not None:
        axes.plot(
            [before], [y], marker="o", markersize=8, markerfacecolor="white", linestyle="none",
            markeredgecolor=DARK_GREY, markeredgewidth=1.6, zorder=3, clip_on=False,
        )  # fmt: skip
    if after is not None:
        axes.plot(
            [after], [y], marker="D", markersize=6.5, color=DARK_BLUE, linestyle="none", zorder=4,
            clip_on=False,
        )  # fmt: skip
    if before is None and after is None:
        hidden = HIDDEN in (_mark(row.before), _mark(row.after))
        words = f"[c] {TOO_FEW}" if hidden else "cannot be computed"
        axes.text(
            sum(axes.get_xlim()) / 2, y, words, ha="center", va="center", color=DARK_GREY,
            fontsize=SMALL,
        )  # fmt: skip
    for x, e, bold in ((1.06, row.before, False), (1.16, row.after, _over(row, limit))):
        axes.annotate(
            _size_text(e), (x, y), xycoords=("axes fraction", "data"), ha="center", va="center",
            fontsize=9.5, fontweight="bold" if bold else "normal",
        )  # fmt: skip


def _love_legend(axes: Axes, act: str) -> None:
    style: dict[str, Any] = {"linestyle": "none"}
    axes.plot(
        [], [], marker="o", markersize=8, markerfacecolor="white", markeredgecolor=DARK_GREY,
        markeredgewidth=1.6, label=f"before {act}", **style,
    )  # fmt: skip
    axes.plot([], [], marker="D", markersize=6.5, color=DARK_BLUE, label=f"after {act}", **style)
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=2, frameon=False, fontsize=9.5,
        handletextpad=0.1,
    )  # fmt: skip


def _love_headline(rows: Sequence[_Difference], act: str, limit: float) -> str:
    """Say on how many characteristics the groups still differ, of those that can be shown."""
    lines = [row for row in rows if row.term != SCORE]
    shown = [row for row in lines if _size(row.after) is not None]
    if not shown:
        return f"How alike the groups are after {act} cannot be shown"
    things = "characteristic" if len(shown) == 1 else "characteristics"
    if len(shown) < len(lines):
        things += " shown"
    over = sum(_over(row, limit) for row in shown)
    if over:
        return f"After {act} the groups still differ on {over} of {len(shown)} {things}"
    every = f"all {len(shown)}" if len(shown) > 1 else "the one"
    return f"After {act} the groups are alike on {every} {things}"


def _love_words(rows: Sequence[_Difference], act: str, limit: float) -> str:
    if not rows:
        return "No characteristic was looked at."
    lines = [row for row in rows if row.term != SCORE]
    said = [
        f"{row.words}: {_spoken(row.before)} before, {_spoken(row.after)} after."
        for row in [*(r for r in rows if r.term == SCORE), *lines[:NAMED]]
    ]
    if len(lines) > NAMED:
        rest = f"The other {len(lines) - NAMED} differed less than these before {act}"
        if not any(_over(row, limit) for row in lines[NAMED:]):
            rest += f", and none that can be shown is beyond the limit of {limit:g} after it"
        said.append(f"{rest}; the table of the groups has them.")
    over = [row for row in rows if _over(row, limit)]
    hidden = sum(_size(row.after) is None for row in rows)
    if over:
        names = ", ".join(f"{row.words} {_spoken(row.after)}" for row in over[:NAMED])
        more = f" and {len(over) - NAMED} more" if len(over) > NAMED else ""
        said.append(f"Still beyond the limit of {limit:g} after {act}: {names}{more}.")
    elif hidden < len(rows):
        said.append(f"After {act} none that can be shown is beyond the limit of {limit:g}.")
    if hidden:
        said.append(f"{hidden} of {len(rows)} cannot be shown after {act}.")
    return " ".join(said)


def _spoken(e: Estimate | None) -> str:
    text = _size_text(e)
    return {HIDDEN: "not shown", MISSING: "not computed"}.get(text, text)


def overlap_chart(evaluation: Evaluation, labels: Mapping[str, str]) -> Chart | None:
    """Draw how likely the cases of each arm were to be in the programme, as back-to-back bars.

    Parameters
    ----------
    evaluation : Evaluation
        Released; its plan has a main design.
    labels : mapping
        Names of the arms.

    Returns
    -------
    Chart or None
        Before and, for a matched design, after; None for a design without a score. A bar that
        may not be shown is marked with words.
    """
    name = main_design(evaluation)
    table = overlap_table(evaluation, name)
    if table is None:
        return None
    counts = {cell.key: cell.count for cell in table.cells if cell.shown}
    whens = [when for when in ("before", "after") if any(key[1] == when for key in counts)]
    rows = [
        {"group": group, "when": when, "score": score, "count": counts.get((group, when, score))}
        for when in whens
        for group in ARMS.codes
        for score in TENTHS
    ]
    act = made_by(evaluation, name)
    headline = _overlap_headline(evaluation, name)
    subtitle = (
        "Cases by how likely each was to be in the programme, judged from what was known at the "
        f"start (propensity score); {kept_words(evaluation, name, labels)}"
    )
    of_shown = ", of the counts shown" if any(row["count"] is None for row in rows) else ""
    shares = {
        (row["group"], row["when"], row["score"]): share
        for row, share in zip(rows, _shares(rows), strict=True)
    }
    edge = max([share for share in shares.values() if share is not None], default=50.0)
    edge = max(edge, 20.0) * 1.36
    heads = {
        group: wrapped(arm_label(group, labels), 26 if len(whens) == 1 else 20)
        for group in ARMS.codes
    }
    lines = max(head.count("\n") + 1 for head in heads.values())
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, 3.6 + 0.17 * lines)
        panels = figure.subplots(1, len(whens), sharey=True, squeeze=False)[0]
        for axes, when in zip(panels, whens, strict=True):
            for group, side in (("comparison", -1), ("programme", 1)):
                for y, score in enumerate(TENTHS):
                    key = (group, when, score)
                    _overlap_bar(axes, y, side, shares[key], counts.get(key), group, edge)
                axes.text(
                    side * edge / 2, 9.75, heads[group], ha="center", va="bottom",
                    fontweight="bold", fontsize=9.5, linespacing=1.2,
                )  # fmt: skip
            axes.axvline(0, color=OUTLINE, linewidth=1)
            axes.set_xlim(-edge, edge)
            axes.set_ylim(-0.6, 9.6)
            step = 10 if edge < 45 else 25
            ticks = [t for t in range(-100, 101, step) if abs(t) <= edge]
            axes.set_xticks(ticks, [f"{abs(t)}" for t in ticks])
            axes.set_xlabel("of 100 cases of the group")
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="y", length=0)
            if len(whens) > 1:
                axes.annotate(
                    f"{when.capitalize()} {act}", (0.5, 1), xycoords="axes fraction",
                    xytext=(0, 12 * lines + 12), textcoords="offset points", ha="center",
                    va="bottom", fontsize=10.5, fontweight="bold",
                )  # fmt: skip
        if len(whens) > 1:
            engine: Any = figure.get_layout_engine()
            engine.set(wspace=0.06)
        panels[0].set_yticks(range(len(TENTHS)), TENTHS, fontsize=9)
        panels[0].annotate(
            "how likely\nto be in the\nprogramme", (0, 1), xycoords="axes fraction",
            xytext=(-4, 4), textcoords="offset points", ha="right", va="bottom", fontsize=SMALL,
            linespacing=1.15,
        )  # fmt: skip
        if any(row["count"] is None for row in rows):
            figure.legend(handles=[hidden_patch()], loc="outside lower right", frameon=False,
                          fontsize=9)  # fmt: skip
    return Chart(
        name="overlap",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame(rows).astype({"count": "Int64"}),
        alt_text=f"Back-to-back bars. {_overlap_words(rows, whens, labels)}",
        caption=(
            "How likely: 0.0 is not at all, 1.0 is certainly. "
            f"Length of a bar: share of its group{of_shown}. Number beside it: cases. Where only "
            f"one side has bars, there is nobody to compare with. {source_words(evaluation)}"
        ).strip(),
    )


def _shares(rows: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """Return each bar's length: its share, of 100, of the counts shown for its group and time."""
    totals: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["group"], row["when"])
        totals[key] = totals.get(key, 0) + (row["count"] or 0)
    return [
        None
        if row["count"] is None
        else 100 * row["count"] / max(totals[row["group"], row["when"]], 1)
        for row in rows
    ]


def _overlap_bar(
    axes: Axes, y: int, side: int, share: float | None, count: int | None, group: str, edge: float
) -> None:
    if share is None:
        axes.barh(
            y, side * 0.12 * edge, height=0.62, color="white", edgecolor=DOTS, hatch="....",
            linewidth=1,
        )  # fmt: skip
        end, words = 0.12 * edge, HIDDEN
    elif count == 0:
        return
    else:
        axes.barh(
            y, side * share, height=0.78, color=ARM_COLOURS[group], edgecolor=OUTLINE, linewidth=1
        )
        end, words = share, f"{count:,}"
    axes.annotate(
        words, (side * end, y), xytext=(side * 4, 0), textcoords="offset points",
        ha="left" if side > 0 else "right", va="center_baseline", fontsize=SMALL,
    )  # fmt: skip


def _overlap_headline(evaluation: Evaluation, name: str) -> str:
    found = [c for c in balance_of(evaluation, name).checks if c.name == "overlap"]
    passed = found[0].passed if found else None
    if many := dropped_words(evaluation, name):
        return f"{many[:1].upper()}{many[1:]}"
    if dropped(evaluation, name)[0] is None and failed(evaluation, name, "unmatched"):
        return "How likely each group was to be in the programme"
    if passed is None:
        return "How likely each group was to be in the programme"
    if passed:
        return "For most cases there were cases like them in the other group"
    return "The groups overlap poorly: many had nobody like them"


def _overlap_words(
    rows: Sequence[Mapping[str, Any]], whens: Sequence[str], labels: Mapping[str, str]
) -> str:
    said = []
    for when in whens:
        for group in ARMS.codes:
            here = [row for row in rows if (row["group"], row["when"]) == (group, when)]
            shown = [f"{row['score']}: {row['count']:,}" for row in here if row["count"]]
            hidden = sum(row["count"] is None for row in here)
            words = ", ".join(shown) or "no count shown"
            if hidden:
                words += f"; {hidden} {'bar' if hidden == 1 else 'bars'} {TOO_FEW}"
            said.append(f"{arm_label(group, labels)}, {when}: {words}.")
    return " ".join(said)


def matching_table(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> Table:
    """How many cases of each arm a design keeps, leaves out, and what they are worth."""
    kept, out = kept_stages(evaluation, name)
    heads = {
        "matched": ("Matched", "Without a match"),
        "weighted": ("Weighted", "Left out by trimming"),
    }[kept]
    rows = [
        (
            arm_label(group, labels),
            *[shown_count(group_count(evaluation, name, group, s)) for s in ("all", kept, out)],
            _worth(evaluation, name, group),
        )
        for group in ARMS.codes
    ]
    return Table(
        caption=f"From all cases to those compared: {design_label(evaluation, name)}",
        header=("Group", "All cases", *heads, "Worth, in equally weighted cases"),
        rows=tuple(rows),
        note=" ".join(
            note for note in (_hidden_note(rows), _rounded_note(evaluation, name)) if note
        ),
    )


def _rounded_note(evaluation: Evaluation, name: str) -> str:
    cells = [cell for table in balance_of(evaluation, name).tables for cell in table.cells]
    if not any(cell.status == "rounded" for cell in cells):
        return ""
    return "Counts are rounded one by one, so a total can differ by a few from that elsewhere."


def _worth(evaluation: Evaluation, name: str, group: str) -> str:
    found = [
        e
        for e in balance_of(evaluation, name).estimates
        if (e.measure, e.group, e.subgroup) == ("ess", group, "after")
    ]
    value = _value(found[0]) if found else None
    if value is None:
        return _mark(found[0] if found else None)
    return number(value, 1, digits_of(evaluation)).removesuffix(".0")


def _digits_note(evaluation: Evaluation) -> str:
    """Say how values were rounded, where they were."""
    if digits_of(evaluation) is None:
        return ""
    said = [c.text for c in balance_of(evaluation, main_design(evaluation)).checks]
    steps = [found[1] for text in said if (found := re.search(r"up to the next ([\d.]+\d)", text))]
    step = f" to the next {steps[0]}" if steps else ""
    return f" {DIGITS_NOTE} Standardised mean differences are rounded up{step}."


def _hidden_note(rows: Sequence[tuple[str, ...]]) -> str:
    cells = {cell for row in rows for cell in row}
    notes = {HIDDEN: HIDDEN_NOTE, MISSING: "[x]: cannot be computed."}
    return " ".join(words for mark, words in notes.items() if mark in cells)


def table_one(evaluation: Evaluation, labels: Mapping[str, str]) -> Table:
    """Who was in each arm before and after the main design; no tests, by intention."""
    name = main_design(evaluation)
    balance, limit, act = (
        balance_of(evaluation, name),
        limit_of(evaluation, name),
        made_by(evaluation, name),
    )
    kept, _out = kept_stages(evaluation, name)
    found = {
        (e.measure, e.term, e.group, e.subgroup): e for e in balance.estimates if e.measure != "ess"
    }
    terms = list(dict.fromkeys(term for measure, term, *_ in found if measure == "smd"))
    counts = [
        "" if stage is None else shown_count(group_count(evaluation, name, stage, when))
        for when in ("all", kept)
        for stage in (*ARMS.codes, None)
    ]
    worth = ["", "", "", *[_worth(evaluation, name, group) for group in ARMS.codes], ""]
    rows: list[tuple[str, ...]] = [
        ("Cases", *counts),
        ("Worth, in equally weighted cases", *worth),
    ]
    for term in terms:
        cells = []
        form = _form(found, term)
        for when in ("before", "after"):
            cells += [
                _mean_text(found, (term, group, when), form, digits_of(evaluation))
                for group in ARMS.codes
            ]
            cells.append(_signed_text(found.get(("smd", term, "", when)), limit, when))
        if term == SCORE:
            # It serves balance and is not held to the limit.
            cells[-1] = cells[-1].removesuffix("*")
        rows.append((covariate_label(term), *cells))
    one, two = (arm_label(group, labels) for group in ARMS.codes)
    heads = [f"{who}, {when}" for when in ("before", "after") for who in (one, two, "SMD")]
    notes = [
        "Mean (standard deviation), or percent. SMD: standardised mean difference, programme minus "
        f"comparison, in standard deviations of the groups as they were before {act}.",
        f"*: beyond the limit of {limit:g}." if any("*" in row[-1] for row in rows) else "",
        _hidden_note(rows),
        _digits_note(evaluation).strip(),
    ]
    return Table(
        caption=f"The groups before and after {act}",
        header=("Characteristic", *heads),
        rows=tuple(rows),
        note=" ".join(note for note in notes if note),
        unfolded=True,
    )


def _form(found: Mapping[tuple[str, str, str, str], Estimate], term: str) -> int | None:
    """Return the decimals of a covariate's means, which suit their spread; None for percent."""
    ratios = [found.get(("variance_ratio", term, "", when)) for when in ("before", "after")]
    means = [e for key, e in found.items() if key[:2] == ("mean", term)]
    values = [value for e in means if (value := _value(e)) is not None]
    spreads = [
        value
        for key, e in found.items()
        if key[:2] == ("std_dev", term) and (value := _value(e)) is not None
    ]
    yes_no = all(e is None or (e.estimate is None and e.method != NOT_SHOWN) for e in ratios)
    if ": " in term or (yes_no and all(0 <= value <= 1 for value in values)):
        return None
    size = max(spreads or [abs(value) for value in values], default=0.0)
    return 0 if size >= 100 else 1 if size >= 2 else 2


def _mean_text(
    found: Mapping[tuple[str, str, str, str], Estimate],
    key: tuple[str, str, str],
    decimals: int | None,
    digits: int | None,
) -> str:
    mean = found.get(("mean", *key))
    value = _value(mean)
    if value is None:
        return _mark(mean)
    if decimals is None:
        return f"{number(100 * value, 1, digits)}%"
    spread, text = _value(found.get(("std_dev", *key))), number(value, decimals, digits)
    return text if spread is None else f"{text} ({number(spread, decimals, digits)})"


def _signed_text(e: Estimate | None, limit: float, when: str) -> str:
    value = _value(e)
    if value is None:
        return _mark(e)
    text = number(value, 2)
    return f"{text}*" if when == "after" and abs(value) > limit else text


def designs_table(evaluation: Evaluation, labels: Mapping[str, str]) -> Table:
    """All designs of the plan in a row: what each keeps, what imbalance is left, whose effect."""
    rows = []
    for name in design_names(evaluation):
        kept, _out = kept_stages(evaluation, name)
        worst = [c for c in balance_of(evaluation, name).checks if c.name == "worst_smd"]
        left = worst[0].statistic if worst else None
        mark = "*" if worst and worst[0].passed is False else ""
        whose = on_whom(evaluation, name).removeprefix("The effect is ").removesuffix(".")
        rows.append(
            (
                marked_label(evaluation, name),
                *[
                    f"{shown_count(group_count(evaluation, name, group, kept))} "
                    f"({_worth(evaluation, name, group)})"
                    for group in ARMS.codes
                ],
                HIDDEN if left is None else f"{number(abs(left), 2)}{mark}",
                f"{whose[:1].upper()}{whose[1:]}",
            )
        )
    one, two = (arm_label(group, labels) for group in ARMS.codes)
    return Table(
        caption="The designs side by side",
        header=(
            "Design",
            f"{one}: cases kept (worth)",
            f"{two}: cases kept (worth)",
            "Largest SMD left",
            "Whose effect",
        ),
        rows=tuple(rows),
        note=(
            "Worth: in equally weighted cases. SMD: standardised mean difference. *: beyond the "
            "plan's limit. [c]: not shown."
        )
        + _digits_note(evaluation),
        unfolded=True,
    )


def other_warnings(evaluation: Evaluation) -> list[str]:
    """Say of each further design what did not hold."""
    said = []
    for name in design_names(evaluation)[1:]:
        found = [
            text
            for check in ("overlap", "worst_smd", "parameters", "unmatched")
            if (text := failed(evaluation, name, check))
        ]
        if found:
            said.append(f"{design_label(evaluation, name)}: {' '.join(found)}")
    return said
