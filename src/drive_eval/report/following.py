"""Charts of what happens over time: free of the event, what came first, how often, month by month.

Every curve is drawn as the steps that were released, and nothing is drawn between them or where
a value may not be shown. The two arms differ in line and marker as well as in colour, and each
line has its name at its end.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
from matplotlib.ticker import MultipleLocator

from drive_eval.report.designs import made_by, source_words
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
from drive_eval.report.numbers import EXACT_POLICIES, digits_of, number
from drive_eval.report.sentences import (
    CRUDE,
    arm_label,
    design_names,
    group_phrase,
    group_words,
    out_of_100,
)
from drive_eval.report.times import (
    CAUSE_WORDS,
    Followed,
    arm_curves,
    arms_of,
    causes_of,
    count_at,
    duration,
    followed_outcome,
    free_headline,
    has_measure,
    incidence_headline,
    mean_count_headline,
    monthly_headline,
    per_100_people,
    value_at,
)
from drive_eval.results import NOT_SHOWN
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matplotlib.axes import Axes

    from drive_eval.results import Curve, Estimate, Evaluation

__all__ = [
    "cumulative_incidence_chart",
    "event_free_chart",
    "mean_count_chart",
    "monthly_chart",
]

#: The line of each arm, so that they differ without colour.
ARM_LINES: dict[str, Any] = {"programme": "-", "comparison": (0, (5, 2))}
#: Where the axis of shares may begin, if every curve and band lies well above it.
BEGINNINGS = (90.0, 75.0, 50.0)
#: Height of a line of small words, in inches.
LINE = 0.165
_STEPS = "Each step holds until the next."
_JOINED = "Marks are the few values that may be shown; straight lines join them."
_CUSTODY_NOTE = "Who was in custody at the time is not among them."
#: Why a month next to the washout has no point.
TOO_SHORT = "Where less than half of a month is left beside the days left out,"
#: Days of a month, as the monthly rates count them.
MONTH = 30.4375


def event_free_chart(evaluation: Evaluation, name: str, labels: dict[str, str]) -> Chart:
    """Draw who was still free of the event over time, with those still followed beneath.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    name : str
        Name of an outcome over time.
    labels : dict
        Names of the arms.

    Returns
    -------
    Chart
        Steps with the interval of each arm. The axis begins above 0 only where it says so. An
        arm, or a stretch, that may not be shown is named.
    """
    found = followed_outcome(evaluation, name)
    curves = arm_curves(found, "event_free")
    lows = [100 * v for c in curves.values() for v in (*c.conf_low, *c.estimate) if v is not None]
    lowest = min(lows, default=0.0)
    begin = next((b for b in BEGINNINGS if lowest > b + 0.1 * (100 - b)), 0.0)
    headline = free_headline(evaluation, name, labels)
    subtitle = (
        f"People of 100 still free of {found.event}, with {_level(evaluation)} intervals of each "
        f"group{_after(evaluation, found)}"
    )
    gap = value_at(found, "event_free_difference")
    subtitle += _gap_words(found, gap, "of 100", digits_of(evaluation), _level(evaluation), labels)
    ends = {
        arm: _share_words(value_at(found, "event_free", group=arm), last_value(curve, found))
        for arm, curve in curves.items()
    }
    figure, title = _panel(
        found,
        curves,
        headline,
        subtitle,
        labels,
        scale=100,
        span=(begin, 100.0),
        axis=f"of 100, still free of {found.event}"
        + (f" (the axis begins at {begin:g})" if begin else ""),
        ends=ends,
    )
    return Chart(
        name=f"event-free-{name}",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=_behind(curves.values(), 100),
        alt_text=_spoken(
            found, curves, labels, measure="event_free", what=f"still free of {found.event}"
        ),
        caption=" ".join(
            part
            for part in (
                _drawn_words(curves.values()),
                "Band: interval of that group alone, not of the difference. Beneath: how many were "
                "still followed.",
                _CUSTODY_NOTE if found.plan.get("custody_as") == "gap" else "",
                f"The axis begins at {begin:g}, not at 0." if begin else "",
                _hidden_words(found, curves, labels),
                _notes(curves.values(), labels),
                source_words(evaluation),
            )
            if part
        ),
    )


def cumulative_incidence_chart(
    evaluation: Evaluation, name: str, labels: dict[str, str]
) -> Chart | None:
    """Draw what came first over time: the event, custody or death, each an end of its own.

    Parameters
    ----------
    evaluation, name, labels
        As in `event_free_chart`.

    Returns
    -------
    Chart or None
        One panel a cause, on one scale. None where no cumulative incidence was worked out.
    """
    found = followed_outcome(evaluation, name)
    curves = {cause: arm_curves(found, "cumulative_incidence", cause) for cause in causes_of(found)}
    if not curves:
        return None
    tops = {cause: _top(of.values(), 100, 4.0) for cause, of in curves.items()}
    headline = incidence_headline(evaluation, name, labels)
    subtitle = (
        f"People of 100 for whom each came first, with {_level(evaluation)} intervals of each "
        "group; all panels have one scale"
    )
    room = 1.6 / max(tops.values())
    step = next(s for s in (1, 2, 5, 10, 20) if max(tops.values()) / s <= 6 or s == 20)
    heights = [max(room * top, 0.75) + 0.3 for top in tops.values()]
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, sum(heights) + 0.55)
        panels = figure.subplots(len(curves), 1, height_ratios=heights, sharex=True, squeeze=False)[
            :, 0
        ]
        for axes, (cause, of), tall in zip(panels, curves.items(), heights, strict=True):
            # As many inches for a person in each panel.
            top = (tall - 0.3) / room
            axes.set_ylim(0, top)
            _time_axis(axes, found)
            words = _capital(CAUSE_WORDS[cause].format(event=found.event))
            _heading(axes, f"{words}, of 100", fontweight="bold")
            axes.yaxis.set_major_locator(MultipleLocator(step))
            ends = {}
            for arm, curve in of.items():
                _draw(axes, curve, found, 100)
                e = value_at(found, "cumulative_incidence", group=arm, term=cause)
                words = _share_words(e, last_value(curve, found))
                ends[arm] = words.replace(" of 100", "")
            _name_ends(axes, of, found, labels, ends, 100, tall - 0.3, short=True)
            if not of:
                _say(axes, TOO_FEW)
        for axes in panels[:-1]:
            axes.tick_params(axis="x", labelbottom=False)
        panels[-1].set_xlabel(f"{found.unit} after the start")
    every = [curve for of in curves.values() for curve in of.values()]
    said = [
        f"{_capital(CAUSE_WORDS[cause].format(event=found.event))}, {group_words(arm, labels)}: "
        f"{_share_words(value_at(found, 'cumulative_incidence', group=arm, term=cause), None)}."
        for cause in curves
        for arm in arms_of(found)
    ]
    return Chart(
        name=f"what-came-first-{name}",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=_behind(every, 100),
        alt_text=f"Step lines in {len(curves)} panels. After "
        f"{duration(found.horizon, found.unit)}: {' '.join(said)}",
        caption=" ".join(
            part
            for part in (
                f"Whoever is taken into custody or dies before any {found.event} is counted "
                "there, and in no other panel. One minus the share still free of it is another "
                "figure, and larger: it takes those in custody and the dead as if they would have "
                "gone on like the rest.",
                *_not_made_alike(evaluation),
                _notes(every, labels),
                source_words(evaluation),
            )
            if part
        ),
    )


def mean_count_chart(evaluation: Evaluation, name: str, labels: dict[str, str]) -> Chart | None:
    """Draw how many events there were for every 100 people so far, every event counted.

    Parameters
    ----------
    evaluation, name, labels
        As in `event_free_chart`.

    Returns
    -------
    Chart or None
        None where no mean count was worked out.
    """
    found = followed_outcome(evaluation, name)
    measure = "mean_cumulative_count"
    if not has_measure(found, measure):
        return None
    term = next((t for t in (found.term, CRUDE, "") if arm_curves(found, measure, t)), found.term)
    curves = arm_curves(found, measure, term)
    headline = mean_count_headline(evaluation, name, labels)
    digits = digits_of(evaluation)
    subtitle = (
        f"{found.title}, every one counted: mean number for every 100 people, with "
        f"{_level(evaluation)} intervals of each group"
    )
    subtitle += _after(evaluation, found) if term == found.term else ", with no adjustment"
    gap = count_at(found, f"{measure}_difference")
    subtitle += _gap_words(found, gap, "for every 100", digits, _level(evaluation), labels)
    ends = {}
    for arm, curve in curves.items():
        e = count_at(found, measure, group=arm)
        value = last_value(curve, found) if e is None or e.estimate is None else e.estimate
        ends[arm] = "" if value is None else per_100_people(value, digits)
        if e is not None and e.conf_low is not None and e.conf_high is not None:
            ends[arm] += (
                f" ({per_100_people(e.conf_low, digits)} to {per_100_people(e.conf_high, digits)})"
            )
    figure, title = _panel(
        found,
        curves,
        headline,
        subtitle,
        labels,
        scale=100,
        span=(0.0, _top(curves.values(), 100, 10.0)),
        axis="events for every 100 people",
        ends=ends,
    )
    return Chart(
        name=f"mean-count-{name}",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=_behind(curves.values(), 100),
        alt_text=f"Step lines. After {duration(found.horizon, found.unit)}, events for every 100 "
        "people: "
        + "; ".join(
            f"{group_words(arm, labels)} {ends.get(arm) or TOO_FEW}" for arm in arms_of(found)
        )
        + ".",
        caption=" ".join(
            part
            for part in (
                "Events for every 100 people at liberty: a person may have several, and a few "
                "people may have many. Band: interval of that group alone, not of the difference.",
                _CUSTODY_NOTE if found.plan.get("custody_as") == "gap" else "",
                _hidden_words(found, curves, labels),
                _notes(curves.values(), labels),
                source_words(evaluation),
            )
            if part
        ),
    )


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
        The days that a washout leaves out are shaded. None where no rates were worked out.
    """
    found = followed_outcome(evaluation, name)
    if not any(c.measure == "monthly_rate" for c in found.result.curves):
        return None
    curves = arm_curves(found, "monthly_rate", "")
    headline = monthly_headline(evaluation, name, labels)
    months = [m for c in curves.values() for m in c.times] or [-1.0, 1.0]
    first, last = min(*months, 0.0), max(*months, 0.0)
    washout = float(found.plan.get("washout", 0)) if first < 0 else 0.0
    subtitle = (
        f"Recorded events for every 100 people at liberty for a year, by month before and after "
        f"the start, with {_level(evaluation)} intervals"
    )
    shown = [row for curve in curves.values() for row in _drawn_months(curve, washout)]
    top = 1.06 * max([9.5, *[v for row in shown for v in row[1:] if v is not None]])
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
        if not curves:
            _say(axes, TOO_FEW)
        ticks = _month_ticks(first, last)
        axes.set_xticks([_middle(m) for m in ticks], [f"{m:g}".replace("-", "−") for m in ticks])
        _heading(axes, "events for every 100 people a year")
        axes.set_xlabel("month before (−) and after the start")
    changed = any(c.name == "recording_change" and c.passed is False for c in found.result.checks)
    return Chart(
        name=f"monthly-{name}",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=_behind(curves.values(), 1, time="month"),
        alt_text=_monthly_words(found, curves, labels, digits_of(evaluation)),
        caption=" ".join(
            part
            for part in (
                "The months just before the start are high in every group, because something then "
                "led to the referral: set the groups beside each other, not after against before.",
                f"{TOO_SHORT} a month is not drawn." if _shortened(curves, washout) else "",
                "Police recording changed while these people were followed, so part of a rise or "
                "fall may be how incidents were recorded; see the box above."
                if changed
                else "",
                *_not_made_alike(evaluation),
                _hidden_words(found, curves, labels),
                _notes(curves.values(), labels),
                source_words(evaluation),
            )
            if part
        ),
    )


# Panels


def _panel(
    found: Followed,
    curves: Mapping[str, Curve],
    headline: str,
    subtitle: str,
    labels: Mapping[str, str],
    *,
    scale: float,
    span: tuple[float, float],
    axis: str,
    ends: Mapping[str, str],
) -> tuple[Any, float]:
    """Draw one panel of step lines with the numbers still followed aligned beneath it."""
    arms = arms_of(found)
    names = {arm: wrapped(_capital(group_phrase(arm, labels)), 88) for arm in arms}
    lines = sum(names[arm].count("\n") + 2 for arm in arms) + 1
    tall, low = 3.1, LINE * lines + 0.1
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, tall + low + 0.55)
        axes, beneath = figure.subplots(2, 1, height_ratios=[tall, low], sharex=True)
        axes.set_ylim(*span)
        _time_axis(axes, found)
        axes.tick_params(axis="x", labelbottom=True)
        axes.set_xlabel(f"{found.unit} after the start")
        _heading(axes, axis)
        for curve in curves.values():
            _draw(axes, curve, found, scale)
        _name_ends(axes, curves, found, labels, ends, scale, tall)
        if not curves:
            _say(axes, TOO_FEW)
        _at_risk(beneath, found, curves, names, lines)
    return figure, title


def _time_axis(axes: Axes, found: Followed) -> None:
    axes.set_xlim(-0.025 * found.horizon, found.horizon * 1.012)
    ticks = _ticks(found)
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.axvline(found.horizon, color=DARK_GREY, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0.5)


def _ticks(found: Followed) -> list[float]:
    """Return the start, the plan's times and the horizon, without those too close to be read."""
    kept = [0.0]
    for t in found.times:
        near = min(abs(t - other) for other in (*kept, found.horizon) if other != t)
        if t == found.horizon or near > 0.06 * found.horizon:
            kept.append(t)
    return kept


def _pieces(curve: Curve, horizon: float) -> list[list[tuple[float, float, Any, Any]]]:
    """Return the stretches that are shown, as (time, value, low, high).

    An exact value holds up to the next time, and where the next may not be shown the stretch ends
    there. Of a coarse curve only its points are known.
    """
    rows = zip(curve.times, curve.estimate, curve.conf_low, curve.conf_high, strict=True)
    stretches: list[list[tuple[float, float, Any, Any]]] = [[]]
    for t, value, low, high in rows:
        if t > horizon:
            break
        here = stretches[-1]
        if value is not None:
            here.append((t, value, low, high))
        elif here:
            if not _coarse(curve):
                here.append((t, *here[-1][1:]))
            stretches.append([])
    if stretches[-1] and stretches[-1][-1][0] < horizon and not _coarse(curve):
        stretches[-1].append((horizon, *stretches[-1][-1][1:]))
    return [stretch for stretch in stretches if stretch]


def _coarse(curve: Curve) -> bool:
    """Return whether only few points of a curve may be shown, so that lines join them."""
    return curve.policy not in EXACT_POLICIES


def _draw(axes: Axes, curve: Curve, found: Followed, scale: float) -> None:
    colour, line = ARM_COLOURS[curve.group], ARM_LINES[curve.group]
    for stretch in _pieces(curve, found.horizon):
        at, value, low, high = zip(*stretch, strict=True)
        known = [a is not None and b is not None for a, b in zip(low, high, strict=True)]
        bottom, top = (
            [scale * (v if v is not None else math.nan) for v in side] for side in (low, high)
        )
        # Between the few points of a coarse curve the events lie anywhere: a step would move them
        # all to its end.
        how: Any = {"drawstyle": "default" if _coarse(curve) else "steps-post"}
        axes.fill_between(
            at, bottom, top, where=known, step=None if _coarse(curve) else "post",
            facecolor=colour, alpha=0.14, linewidth=0,
        )  # fmt: skip
        for side in (bottom, top):
            axes.plot(at, side, color=colour, linewidth=0.6, **how)
        axes.plot(
            at, [scale * v for v in value], color=colour, linewidth=2.2, linestyle=line, zorder=3,
            **how,
        )  # fmt: skip
        if _coarse(curve):
            axes.plot(
                at, [scale * v for v in value], linestyle="none", marker=ARM_MARKERS[curve.group],
                markersize=3.5, color=colour, zorder=4,
            )  # fmt: skip
    end, level = _end_of(curve, found)
    axes.plot(
        [end], [scale * level], marker=ARM_MARKERS[curve.group], markersize=7, color=colour,
        clip_on=False, zorder=4,
    )  # fmt: skip


def _end_of(curve: Curve, found: Followed) -> tuple[float, float]:
    """Return the time up to which a curve is shown, and its value there."""
    at, value, *_limits = _pieces(curve, found.horizon)[-1][-1]
    return at, value


def last_value(curve: Curve, found: Followed) -> float | None:
    """Return the value at the horizon; None where the curve ends before it."""
    at, value = _end_of(curve, found)
    return value if math.isclose(at, found.horizon) else None


def _name_ends(
    axes: Axes,
    curves: Mapping[str, Curve],
    found: Followed,
    labels: Mapping[str, str],
    ends: Mapping[str, str],
    scale: float,
    tall: float,
    *,
    short: bool = False,
) -> None:
    """Write each arm's name and value beside the end of its line, moved apart where they touch."""
    words, heights = {}, {}
    low, high = axes.get_ylim()
    for arm, curve in curves.items():
        text = wrapped(arm_label(arm, labels), 20)
        end = _end_of(curve, found)[0]
        if short and "\n" not in text and len(text) < 14:
            text = f"{text} {ends[arm]}".strip()
        elif ends[arm]:
            text += f"\n{ends[arm]}"
        if not math.isclose(end, found.horizon):
            text += f"\nnot shown after {duration(end, found.unit)} [c]"
        words[arm] = text
        heights[arm] = (text.count("\n") + 1) * (LINE + 0.01) * (high - low) / tall
    middles = {arm: scale * _end_of(curve, found)[1] for arm, curve in curves.items()}
    for arm in arms_of(found) if curves else ():
        if arm not in curves:
            words[arm] = f"{wrapped(arm_label(arm, labels), 20)}\n[c] {TOO_FEW}"
            heights[arm] = (words[arm].count("\n") + 1) * (LINE + 0.01) * (high - low) / tall
            middles[arm] = low
    for arm, y in _apart(middles, heights, low, high).items():
        axes.annotate(
            words[arm], (1, y), xycoords=("axes fraction", "data"), xytext=(9, 0),
            textcoords="offset points", ha="left", va="center", fontsize=SMALL,
            color=OUTLINE, annotation_clip=False, linespacing=1.2,
        )  # fmt: skip


def _apart(
    middles: Mapping[str, float], heights: Mapping[str, float], low: float, high: float
) -> dict[str, float]:
    """Move labels along the axis until none covers another and all are within it.

    Examples
    --------
    >>> _apart({"a": 50.0, "b": 50.0}, {"a": 10.0, "b": 10.0}, 0, 100)
    {'a': 45.0, 'b': 55.0}
    """
    order = sorted(middles, key=lambda arm: middles[arm])
    placed = {
        arm: min(max(middles[arm], low + heights[arm] / 2), high - heights[arm] / 2)
        for arm in order
    }
    for one, two in itertools.pairwise(order):
        need = (heights[one] + heights[two]) / 2
        over = need - (placed[two] - placed[one])
        if over > 0:
            down = min(over / 2, max(placed[one] - heights[one] / 2 - low, 0.0))
            up = min(over - down, max(high - heights[two] / 2 - placed[two], 0.0))
            placed[two] += up
            placed[one] -= over - up
    return placed


def _at_risk(
    axes: Axes,
    found: Followed,
    curves: Mapping[str, Curve],
    names: Mapping[str, str],
    lines: int,
) -> None:
    """Write how many were still followed, under the ticks of the panel above."""
    axes.set_ylim(lines, 0)
    axes.set_axis_off()
    weighted = any(
        value is not None and not float(value).is_integer()
        for curve in curves.values()
        for value in curve.at_risk
    )
    style: Any = {"fontsize": SMALL, "va": "center"}
    heading = "Still followed" + (" (weighted numbers)" if weighted else "")
    across: Any = ("axes fraction", "data")
    axes.annotate(heading, (0, 0.5), xycoords=across, ha="left", fontweight="bold", **style)
    y = 1.0
    for arm, name in names.items():
        rows = name.count("\n") + 1
        axes.plot(
            [0.006, 0.045], [y + 0.5] * 2, color=ARM_COLOURS[arm], linewidth=2.2,
            linestyle=ARM_LINES[arm], transform=axes.get_yaxis_transform(),
        )  # fmt: skip
        axes.plot(
            [0.0255], [y + 0.5], marker=ARM_MARKERS[arm], color=ARM_COLOURS[arm], markersize=6,
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
        axes.annotate(
            name, (0.056, y + rows / 2), xycoords=across, ha="left", linespacing=1.15, **style
        )
        for t in _ticks(found):
            text = _followed_at(curves.get(arm), t)
            axes.text(t, y + rows + 0.5, text, ha="center", **style)
        y += rows + 1


def _followed_at(curve: Curve | None, time: float) -> str:
    """Return how many were followed at a time; nothing where the curve has no such time."""
    if curve is None:
        return "[c]"
    here = [i for i, t in enumerate(curve.times) if math.isclose(t, time, abs_tol=1e-9)]
    if not here:
        return ""
    value = curve.at_risk[here[0]]
    return "[c]" if value is None else f"{value:,.0f}"


# Months


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
    words = {arm: wrapped(arm_label(arm, labels), 18) for arm in curves}
    heights = {
        arm: (text.count("\n") + 1) * 0.18 * (high - low) / 3.0 for arm, text in words.items()
    }
    last = {
        arm: next(value for value in reversed(curve.estimate) if value is not None)
        for arm, curve in curves.items()
    }
    for arm, y in _apart(last, heights, low, high).items():
        axes.annotate(
            words[arm], (1, y), xycoords=("axes fraction", "data"), xytext=(9, 0),
            textcoords="offset points", ha="left", va="center", fontsize=SMALL, linespacing=1.2,
            annotation_clip=False,
        )  # fmt: skip


def _monthly_words(
    found: Followed, curves: Mapping[str, Curve], labels: Mapping[str, str], digits: int | None
) -> str:
    said = []
    for arm in arms_of(found):
        if arm not in curves:
            said.append(f"{_capital(group_words(arm, labels))}: {TOO_FEW}.")
            continue
        curve = curves[arm]
        for words, before in (("before", True), ("after", False)):
            some = [
                v
                for m, v in zip(curve.times, curve.estimate, strict=True)
                if v is not None and (m < 0) == before
            ]
            if some:
                said.append(
                    f"{_capital(group_words(arm, labels))}, months {words}: between "
                    f"{number(min(some), 0, digits)} and {number(max(some), 0, digits)}."
                )
    return "Points with intervals, month by month, events for every 100 people a year. " + " ".join(
        said
    )


# Words and numbers


def _level(evaluation: Evaluation) -> str:
    return f"{100 * evaluation.plan['design']['conf_level']:g}%"


def _after(evaluation: Evaluation, found: Followed) -> str:
    return f", after {made_by(evaluation, found.term)}" if found.term else ""


def _gap_words(
    found: Followed,
    gap: Estimate | None,
    per: str,
    digits: int | None,
    level: str,
    labels: Mapping[str, str],
) -> str:
    """Say the difference of the arms with its interval, for a subtitle."""
    if gap is None or gap.estimate is None or gap.conf_low is None or gap.conf_high is None:
        return ""
    low, point, high = (
        number(100 * v, 1, digits) for v in (gap.conf_low, gap.estimate, gap.conf_high)
    )
    one, two = (group_words(arm, labels) for arm in ARMS.codes)
    return (
        f". {_capital(one)} less {two} after {duration(found.horizon, found.unit)}: {point} {per} "
        f"({level} interval {low} to {high})"
    )


def _share_words(e: Estimate | None, value: float | None) -> str:
    if e is not None and e.estimate is None and e.method == NOT_SHOWN:
        return TOO_FEW
    if e is None or e.estimate is None:
        return "" if value is None else f"{out_of_100(value)} of 100"
    text = f"{out_of_100(e.estimate)} of 100"
    if e.conf_low is None or e.conf_high is None:
        return text
    low, high = out_of_100(e.conf_low), out_of_100(e.conf_high)
    if low == high == out_of_100(e.estimate):
        return text
    return f"{text} ({low} to {high})"


def _spoken(
    found: Followed,
    curves: Mapping[str, Curve],
    labels: Mapping[str, str],
    *,
    measure: str,
    what: str,
) -> str:
    said = []
    for arm in arms_of(found):
        if arm not in curves:
            said.append(f"{_capital(group_words(arm, labels))}: {TOO_FEW}.")
            continue
        parts = []
        for time in found.times:
            e = value_at(found, measure, group=arm, time=time)
            words = _share_words(e, None)
            if words:
                parts.append(f"after {duration(time, found.unit)} {words}")
        said.append(f"{_capital(group_words(arm, labels))}, {what}: {', '.join(parts)}.")
    return f"Step lines that begin at 100 of 100. {' '.join(said)}"


def _hidden_words(found: Followed, curves: Mapping[str, Curve], labels: Mapping[str, str]) -> str:
    hidden = [arm for arm in arms_of(found) if arm not in curves]
    return " ".join(f"{_capital(group_phrase(arm, labels))}: {TOO_FEW}." for arm in hidden)


def _drawn_words(curves: Iterable[Curve]) -> str:
    return _JOINED if any(_coarse(curve) for curve in curves) else _STEPS


def _notes(curves: Iterable[Curve], labels: Mapping[str, str]) -> str:
    """Return what stands beneath the curves, once where it is the same for all."""
    every = list(curves)
    said: dict[str, list[str]] = {}
    for curve in every:
        for sentence in filter(None, re.split(r"(?<=[.]) ", curve.note)):
            said.setdefault(sentence, []).append(group_words(curve.group, labels))
    parts = []
    for sentence, whose in said.items():
        who = "" if len(whose) == len(every) else f"{_capital(_both(whose))}: "
        parts.append(f"{who}{sentence[:1].lower() if who else sentence[:1]}{sentence[1:]}")
    return " ".join(parts)


def _both(words: list[str]) -> str:
    return " and ".join(dict.fromkeys(words))


def _not_made_alike(evaluation: Evaluation) -> list[str]:
    if not design_names(evaluation):
        return []
    return ["The groups are shown as they came, with no adjustment: not a fair comparison."]


def _top(curves: Iterable[Curve], scale: float, least: float) -> float:
    """Return the top of an axis that begins at 0: a little above the highest value or limit."""
    values = [
        scale * v
        for curve in curves
        for v in (*curve.estimate, *curve.conf_high)
        if v is not None and math.isfinite(v)
    ]
    return max(1.06 * max(values, default=0.0), least)


def _heading(axes: Axes, words: str, **style: Any) -> None:
    """Name the vertical axis above it: upright words are read with the head upright."""
    axes.set_title(words, loc="left", fontsize=SMALL, color=DARK_GREY, pad=6, **style)


def _say(axes: Axes, words: str) -> None:
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=DARK_GREY)


def _behind(curves: Iterable[Curve], scale: float, *, time: str = "time") -> pd.DataFrame:
    """Return the released steps that are drawn, values as they stand on the axis."""
    frames = []
    for curve in curves:
        frame = curve.to_frame().rename(columns={"times": time, "term": "cause_or_design"})
        for column in ("estimate", "conf_low", "conf_high"):
            frame[column] = frame[column].astype("float64") * scale
        frames.append(frame.assign(time_unit=curve.time_unit))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
