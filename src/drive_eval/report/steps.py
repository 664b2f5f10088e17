"""Drawing curves over time: lines with bands, names at their ends, numbers still followed.

Every curve is drawn as it was released, and nothing is drawn where a value may not be shown. The
two arms differ in line and marker as well as in colour.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
import pandas as pd

from drive_eval.report.drawing import (
    ARM_COLOURS,
    ARM_MARKERS,
    DARK_GREY,
    OUTLINE,
    SMALL,
    STYLE,
    TOO_FEW,
    new_figure,
    wrapped,
)
from drive_eval.report.followed import Followed, arms_of, duration
from drive_eval.report.numbers import EXACT_POLICIES
from drive_eval.report.sentences import arm_label, design_names, group_phrase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matplotlib.axes import Axes

    from drive_eval.results import Curve, Evaluation

__all__ = [
    "ARM_LINES",
    "LINE",
    "apart",
    "behind",
    "capital",
    "draw_arm",
    "drawn_words",
    "heading",
    "hidden_words",
    "keys",
    "last_value",
    "level_of",
    "name_ends",
    "not_made_alike",
    "notes",
    "panel",
    "say",
    "time_axis",
    "top_of",
]

#: The line of each arm, so that they differ without colour.
ARM_LINES: dict[str, Any] = {"programme": "-", "comparison": (0, (5, 2))}
#: The same marks as letters.
SIGNS = {"programme": "●", "comparison": "■"}
Names = Literal["above", "beside", "sign"]
#: Height of a line of small words, in inches.
LINE = 0.165
_STEPS = "Each step holds until the next."
_JOINED = "Marks are the few values that may be shown; straight lines join them."


def panel(
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
    followed: str = "Still followed",
) -> tuple[Any, float]:
    """Draw one panel of step lines with the numbers of people aligned beneath it.

    ``followed`` says who is counted there.
    """
    arms = arms_of(found)
    names = {arm: wrapped(capital(group_phrase(arm, labels)), 88) for arm in arms}
    lines = sum(names[arm].count("\n") + 2 for arm in arms) + 1
    tall, low = 3.1, LINE * lines + 0.1
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, tall + low + 0.55)
        axes, beneath = figure.subplots(2, 1, height_ratios=[tall, low], sharex=True)
        axes.set_ylim(*span)
        time_axis(axes, found)
        axes.tick_params(axis="x", labelbottom=True)
        axes.set_xlabel(f"{found.unit} after the start")
        heading(axes, axis)
        for curve in curves.values():
            draw_arm(axes, curve, found, scale)
        name_ends(axes, curves, found, labels, ends, scale, tall)
        if not curves:
            say(axes, TOO_FEW)
        _at_risk(beneath, found, curves, names, lines, followed)
    return figure, title


def time_axis(axes: Axes, found: Followed) -> None:
    """Lay out the time up to the horizon, with ticks where the plan asks for numbers."""
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


def draw_arm(axes: Axes, curve: Curve, found: Followed, scale: float) -> None:
    """Draw one arm's curve with its band and a mark at its end."""
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


def name_ends(
    axes: Axes,
    curves: Mapping[str, Curve],
    found: Followed,
    labels: Mapping[str, str],
    ends: Mapping[str, str],
    scale: float,
    tall: float,
    *,
    style: Names = "above",
) -> None:
    """Write each arm's name and value beside the end of its line, moved apart where they touch.

    ``style`` is for the name: in a line above the value, in the same line, or only as the sign of
    the arm, where the names stand beneath the panels.
    """
    low, high = axes.get_ylim()
    words, middles = {}, {}
    for arm in arms_of(found) if curves else ():
        name = SIGNS[arm] if style == "sign" else wrapped(arm_label(arm, labels), 20)
        value = ends[arm] if arm in curves else "[c] not shown"
        middles[arm] = low
        words[arm] = ("\n" if style == "above" else " ").join((name, value)).strip()
        if arm not in curves:
            continue
        end, level = _end_of(curves[arm], found)
        middles[arm] = scale * level
        if not math.isclose(end, found.horizon):
            words[arm] += f"\nnot shown after {duration(end, found.unit)} [c]"
    line = (LINE + 0.01) * (high - low) / tall
    heights = {arm: (text.count("\n") + 1) * line for arm, text in words.items()}
    for arm, y in apart(middles, heights, low, high).items():
        axes.annotate(
            words[arm], (1, y), xycoords=("axes fraction", "data"), xytext=(9, 0),
            textcoords="offset points", ha="left", va="center", fontsize=SMALL,
            color=OUTLINE, annotation_clip=False, linespacing=1.2,
        )  # fmt: skip


def apart(
    middles: Mapping[str, float], heights: Mapping[str, float], low: float, high: float
) -> dict[str, float]:
    """Move labels along the axis until none covers another and all are within it.

    Examples
    --------
    >>> apart({"a": 50.0, "b": 50.0}, {"a": 10.0, "b": 10.0}, 0, 100)
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
    followed: str,
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
    words = followed + (" (weighted numbers)" if weighted else "")
    axes.annotate(
        words, (0, 0.5), xycoords=("axes fraction", "data"), ha="left", fontweight="bold", **style
    )
    y = 1.0
    for arm, name in names.items():
        rows = name.count("\n") + 1
        _key(axes, arm, name, y)
        for t in _ticks(found):
            text = _followed_at(curves.get(arm), t)
            axes.text(t, y + rows + 0.5, text, ha="center", **style)
        y += rows + 1


def keys(axes: Axes, names: Mapping[str, str]) -> None:
    """Name the lines of the arms beneath panels in which there is no room for names."""
    axes.set_ylim(sum(name.count("\n") + 1 for name in names.values()), 0)
    axes.set_axis_off()
    y = 0.0
    for arm, name in names.items():
        _key(axes, arm, name, y)
        y += name.count("\n") + 1


def _key(axes: Axes, arm: str, name: str, y: float) -> None:
    across = axes.get_yaxis_transform()
    axes.plot(
        [0.004, 0.056], [y + 0.5] * 2, color=ARM_COLOURS[arm], linewidth=2.2,
        linestyle=ARM_LINES[arm], transform=across,
    )  # fmt: skip
    axes.plot(
        [0.03], [y + 0.5], marker=ARM_MARKERS[arm], color=ARM_COLOURS[arm], markersize=6,
        transform=across,
    )  # fmt: skip
    axes.annotate(
        name, (0.068, y + (name.count("\n") + 1) / 2), xycoords=("axes fraction", "data"),
        ha="left", va="center", fontsize=SMALL, linespacing=1.15,
    )  # fmt: skip


def _followed_at(curve: Curve | None, time: float) -> str:
    """Return how many were followed at a time; nothing where the curve has no such time."""
    if curve is None:
        return "[c]"
    here = [i for i, t in enumerate(curve.times) if math.isclose(t, time, abs_tol=1e-9)]
    if not here:
        return ""
    value = curve.at_risk[here[0]]
    return "[c]" if value is None else f"{value:,.0f}"


def level_of(evaluation: Evaluation) -> str:
    """Return the coverage of intervals as a percentage."""
    return f"{100 * evaluation.plan['design']['conf_level']:g}%"


def hidden_words(found: Followed, curves: Mapping[str, Curve], labels: Mapping[str, str]) -> str:
    """Say which arms have no curve that may be shown."""
    hidden = [arm for arm in arms_of(found) if arm not in curves]
    return " ".join(f"{capital(group_phrase(arm, labels))}: {TOO_FEW}." for arm in hidden)


def drawn_words(curves: Iterable[Curve]) -> str:
    """Say what a line between two values means."""
    return _JOINED if any(_coarse(curve) for curve in curves) else _STEPS


def notes(curves: Iterable[Curve]) -> str:
    """Return what stands beneath the curves; of sentences that differ in a number, the largest.

    Examples
    --------
    >>> from drive_eval.results import Curve
    >>> none = {name: () for name in ("times", "estimate", "conf_low", "conf_high", "at_risk",
    ...                               "events", "censored")}
    >>> notes(Curve(name="a", title="", measure="a", time_unit="days", note=text, **none)
    ...       for text in ("Rounded to 5. Within 3 points.", "Rounded to 5. Within 12 points."))
    'Rounded to 5. Within 12 points.'
    """
    said: dict[str, tuple[list[float], str]] = {}
    for curve in curves:
        for sentence in filter(None, re.split(r"(?<=[.]) ", curve.note)):
            numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", sentence)]
            same = re.sub(r"\d+(?:\.\d+)?", "#", sentence)
            said[same] = max(said.get(same, ([], "")), (numbers, sentence))
    return " ".join(sentence for _numbers, sentence in said.values())


def not_made_alike(evaluation: Evaluation) -> list[str]:
    """Say that no design made the arms alike, where the plan has designs."""
    if not design_names(evaluation):
        return []
    return ["The groups are shown as they came, with no adjustment: not a fair comparison."]


def top_of(curves: Iterable[Curve], scale: float, least: float) -> float:
    """Return the top of an axis that begins at 0: a little above the highest value or limit."""
    values = [
        scale * v
        for curve in curves
        for v in (*curve.estimate, *curve.conf_high)
        if v is not None and math.isfinite(v)
    ]
    return max(1.06 * max(values, default=0.0), least)


def heading(axes: Axes, words: str, **style: Any) -> None:
    """Name the vertical axis above it: upright words are read with the head upright."""
    axes.set_title(words, loc="left", fontsize=SMALL, color=DARK_GREY, pad=6, **style)


def say(axes: Axes, words: str) -> None:
    """Write words in the middle of an empty panel."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=DARK_GREY)


def behind(curves: Iterable[Curve], scale: float, *, time: str = "time") -> pd.DataFrame:
    """Return the released steps that are drawn, values as they stand on the axis."""
    frames = []
    for curve in curves:
        frame = curve.to_frame().rename(columns={"times": time, "term": "cause_or_design"})
        for column in ("estimate", "conf_low", "conf_high"):
            frame[column] = frame[column].astype("float64") * scale
        frames.append(frame.assign(time_unit=curve.time_unit))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def capital(text: str) -> str:
    """Return words that begin with a capital letter, the others as they are."""
    return text[:1].upper() + text[1:]
