"""The chart of rates month by month around the index date."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.transforms import offset_copy

from drive_eval.report.designs import source_words
from drive_eval.report.drawing import (
    ARM_COLOURS,
    ARM_MARKERS,
    DARK_GREY,
    OUTLINE,
    SMALL,
    STYLE,
    TOO_FEW,
    Chart,
    new_figure,
    wrapped,
)
from drive_eval.report.followed import Followed, arm_curves, arms_of, followed_outcome
from drive_eval.report.headlines import monthly_headline
from drive_eval.report.numbers import EXACT_POLICIES, digits_of, number
from drive_eval.report.sentences import arm_label, group_words
from drive_eval.report.steps import (
    ARM_LINES,
    apart,
    behind,
    capital,
    heading,
    hidden_words,
    level_of,
    not_made_alike,
    notes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from drive_eval.results import Curve, Evaluation

__all__ = [
    "MONTH",
    "TOO_SHORT",
    "monthly_chart",
]

#: Why intervals change their width at the start.
_WIDER = (
    "The intervals after the start are wider than those before it for a technical reason: so that "
    "nobody can be recognised, these months are read off the coarser curve of all events so far."
)
#: Why a month next to the washout has no point.
TOO_SHORT = "Where less than half of a month is left beside the days left out,"
#: Days of a month, as the monthly rates count them.
MONTH = 30.4375


def monthly_chart(evaluation: Evaluation, name: str, labels: dict[str, str]) -> Chart | None:
    """Draw the rate of events month by month around the index date, both arms.

    Parameters
    ----------
    evaluation, name, labels
        As in `event_free_chart`.

    Returns
    -------
    Chart or None
        Points with intervals, joined within each side of the index date and never across it.
        The days that a washout leaves out are shaded. None where there are no rates to show.
    """
    found = followed_outcome(evaluation, name)
    if not any(c.measure == "monthly_rate" for c in found.result.curves):
        return None
    curves = arm_curves(found, "monthly_rate", "")
    if not curves:
        return None
    headline = monthly_headline(evaluation, name, labels)
    months = [m for c in curves.values() for m in c.times] or [-1.0, 1.0]
    first, last = min(*months, 0.0), max(*months, 0.0)
    washout = float(found.plan.get("washout", 0)) if first < 0 else 0.0
    whose = "at liberty" if found.at_liberty else "followed"
    subtitle = (
        f"Recorded events for every 100 people {whose} for a year, by month before and after the "
        f"start, with {level_of(evaluation)} intervals"
    )
    drawn = {arm: _drawn_months(curve, washout) for arm, curve in curves.items()}
    every = [row for rows in drawn.values() for row in rows]
    known = [row for row in every if row[1] is not None]
    top = 1.06 * max([9.5, *[v for row in known for v in row[1:] if v is not None]])
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, 3.9)
        axes = figure.subplots()
        axes.set_xlim(first - 0.3, last + 0.3)
        axes.set_ylim(0, top)
        if washout:
            _washout(axes, washout, top)
        axes.axvline(0, color=OUTLINE, linewidth=1.4)
        axes.annotate(
            "start (index date)", (0, 1), xycoords=("data", "axes fraction"), xytext=(0, 4),
            textcoords="offset points", ha="center", va="bottom", fontsize=SMALL,
        )  # fmt: skip
        for arm, curve in curves.items():
            _months(axes, arm, curve, washout)
        _name_months(axes, curves, labels)
        for before, middle in ((True, first / 2), (False, last / 2)):
            if middle and not any((row[0] < 0) == before for row in known):
                axes.text(middle, top / 2, TOO_FEW, ha="center", va="center", color=DARK_GREY)
        ticks = _month_ticks(first, last)
        axes.set_xticks([_middle(m) for m in ticks], [f"{m:g}".replace("-", "−") for m in ticks])
        heading(axes, "events for every 100 people a year")
        axes.set_xlabel("month before (−) and after the start")
    changed = any(c.name == "recording_change" and c.passed is False for c in found.result.checks)
    return Chart(
        name=f"monthly-{name}",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=behind(curves.values(), 1, time="month"),
        alt_text=_monthly_words(found, drawn, labels, digits_of(evaluation)),
        caption=" ".join(
            part
            for part in (
                "Months just before a start tend to be high in every group, because something then "
                "led to the referral: "
                + (
                    "set the groups beside each other, not after against before."
                    if len(arms_of(found)) > 1
                    else "fewer events after it are expected without any programme."
                ),
                f"{TOO_SHORT} a month is not drawn." if _shortened(curves, washout) else "",
                "Police recording changed while these people were followed, so part of a rise or "
                "fall may be how incidents were recorded; see the box above."
                if changed
                else "",
                _WIDER
                if evaluation.policy not in EXACT_POLICIES and any(row[0] > 0 for row in known)
                else "",
                *not_made_alike(evaluation),
                hidden_words(found, curves, labels),
                "Months without a point are not shown, so that nobody can be recognised."
                if len(known) < len(every)
                else "",
                notes(curves.values()),
                source_words(evaluation),
            )
            if part
        ),
    )


def _middle(month: float) -> float:
    """Return where the middle of a month stands: month 1 lies between 0 and 1."""
    return month - 0.5 if month > 0 else month + 0.5


def _month_ticks(first: float, last: float) -> list[float]:
    every = [float(m) for m in range(int(first), int(last) + 1) if m]
    step = 1 if len(every) <= 12 else 3 if len(every) <= 36 else 12
    return [m for m in every if abs(m) == 1 or abs(m) % step == 0]


def _drawn_months(curve: Curve, washout: float) -> list[tuple[float, Any, Any, Any]]:
    """Return the months of which a washout leaves at least half: (month, rate, low, high)."""
    rows = zip(curve.times, curve.estimate, curve.conf_low, curve.conf_high, strict=True)
    return [row for row in rows if row[0] > 0 or _left(row[0], washout) >= 0.5]


def _shortened(curves: Mapping[str, Curve], washout: float) -> bool:
    return any(len(_drawn_months(c, washout)) < len(c.times) for c in curves.values())


def _left(month: float, washout: float) -> float:
    """Return the share of a month before the start that a washout leaves."""
    return 1 - min(max(washout / MONTH - (-month - 1), 0.0), 1.0)


def _washout(axes: Axes, washout: float, top: float) -> None:
    axes.axvspan(
        -washout / MONTH, 0, facecolor="white", edgecolor=DARK_GREY, hatch="////", alpha=0.45,
        linewidth=0, zorder=0,
    )  # fmt: skip
    axes.annotate(
        f"left out: {washout:g} days", (-washout / MONTH, top), xytext=(-4, -3),
        textcoords="offset points", ha="right", va="top", fontsize=SMALL,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _months(axes: Axes, arm: str, curve: Curve, washout: float) -> None:
    colour, line = ARM_COLOURS[arm], ARM_LINES[arm]
    aside = -0.11 if arm == "programme" else 0.11
    rows = _drawn_months(curve, washout)
    for side in ([r for r in rows if r[0] < 0], [r for r in rows if r[0] > 0]):
        for shown, stretch in itertools.groupby(side, key=lambda r: r[1] is not None):
            if not shown:
                continue
            here = list(stretch)
            at = [_middle(m) + aside for m, *_rest in here]
            rates = [float(v) for _m, v, *_rest in here if v is not None]
            axes.plot(
                at, rates, color=colour, linewidth=1.6, linestyle=line,
                marker=ARM_MARKERS[arm], markersize=4.5, zorder=3,
            )  # fmt: skip
            for x, (_m, _v, low, high) in zip(at, here, strict=True):
                if low is not None and high is not None:
                    axes.plot([x, x], [low, high], color=colour, linewidth=1.1, zorder=2)


def _name_months(axes: Axes, curves: Mapping[str, Curve], labels: Mapping[str, str]) -> None:
    """Write each arm's name beside its last month."""
    low, high = axes.get_ylim()
    words = {arm: wrapped(arm_label(arm, labels)) for arm in curves}
    heights = {
        arm: (text.count("\n") + 1) * 0.18 * (high - low) / 3.0 for arm, text in words.items()
    }
    last = {
        arm: next(value for value in reversed(curve.estimate) if value is not None)
        for arm, curve in curves.items()
    }
    signs = offset_copy(
        axes.get_yaxis_transform(), axes.get_figure(root=True), x=12, units="points"
    )
    for arm, y in apart(last, heights, low, high).items():
        axes.plot(
            [1], [y], marker=ARM_MARKERS[arm], markersize=6, color=ARM_COLOURS[arm],
            transform=signs, clip_on=False,
        )  # fmt: skip
        axes.annotate(
            words[arm], (1, y), xycoords=("axes fraction", "data"), xytext=(20, 0),
            textcoords="offset points", ha="left", va="center", fontsize=SMALL, linespacing=1.2,
            annotation_clip=False,
        )  # fmt: skip


def _monthly_words(
    found: Followed,
    drawn: Mapping[str, Sequence[tuple[float, Any, Any, Any]]],
    labels: Mapping[str, str],
    digits: int | None,
) -> str:
    said = []
    for arm in arms_of(found):
        if arm not in drawn:
            said.append(f"{capital(group_words(arm, labels))}: {TOO_FEW}.")
            continue
        for words, before in (("before", True), ("after", False)):
            some = [v for m, v, *_limits in drawn[arm] if v is not None and (m < 0) == before]
            hidden = sum(v is None and (m < 0) == before for m, v, *_limits in drawn[arm])
            if hidden:
                said.append(
                    f"{capital(group_words(arm, labels))}, months {words}: {hidden} not shown."
                )
            if some:
                said.append(
                    f"{capital(group_words(arm, labels))}, months {words}: between "
                    f"{number(min(some), 0, digits)} and {number(max(some), 0, digits)}."
                )
    return "Points with intervals, month by month, events for every 100 people a year. " + " ".join(
        said
    )
