"""Charts of what happens over time: free of the event, what came first, how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.ticker import MultipleLocator

from drive_eval.report.designs import made_by, source_words
from drive_eval.report.drawing import STYLE, TOO_FEW, Chart, new_figure, wrapped
from drive_eval.report.followed import (
    CAUSE_WORDS,
    Followed,
    arm_curves,
    arms_of,
    causes_of,
    duration,
    followed_outcome,
    has_measure,
    value_at,
)
from drive_eval.report.headlines import counted_headline, first_headline, free_headline
from drive_eval.report.numbers import digits_of, per_100
from drive_eval.report.sentences import CRUDE, arm_label, group_phrase, group_words, out_of_100
from drive_eval.report.steps import (
    LINE,
    Names,
    behind,
    capital,
    draw_arm,
    drawn_words,
    heading,
    hidden_words,
    keys,
    last_value,
    level_of,
    name_ends,
    not_made_alike,
    notes,
    panel,
    say,
    time_axis,
    top_of,
)
from drive_eval.report.times import per_100_people
from drive_eval.results import NOT_SHOWN
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.results import Curve, Estimate, Evaluation

__all__ = [
    "BEGINNINGS",
    "cumulative_incidence_chart",
    "event_free_chart",
    "mean_count_chart",
]

#: Where the axis of shares may begin, if every curve and band lies well above it.
BEGINNINGS = (90.0, 75.0, 50.0)
_CUSTODY_NOTE = "Who was in custody at the time is not among them."


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
    # A design may be released as its differences alone; then the lines are of the groups as came.
    crude = bool(found.term) and not curves
    term = CRUDE if crude else found.term
    curves = curves or arm_curves(found, "event_free", term)
    lows = [100 * v for c in curves.values() for v in (*c.conf_low, *c.estimate) if v is not None]
    lowest = min(lows, default=0.0)
    begin = next((b for b in BEGINNINGS if lowest > b + 0.1 * (100 - b)), 0.0)
    headline = free_headline(evaluation, name, labels)
    subtitle = (
        f"People of 100 still free of {found.event}, with {level_of(evaluation)} intervals of each "
        f"group{', with no adjustment' if crude else _after(evaluation, found)}"
    )
    gap = value_at(found, "event_free_difference")
    said = _gap_words(found, gap, "of 100", digits_of(evaluation), level_of(evaluation), labels)
    if crude and said:
        after = duration(found.horizon, found.unit)
        said = said.replace(after, f"{after} and {made_by(evaluation, found.term)}", 1)
    subtitle += said
    ends = {
        arm: _share_words(
            value_at(found, "event_free", group=arm, term=term), last_value(curve, found)
        )
        for arm, curve in curves.items()
    }
    figure, title = panel(
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
        followed="Followed and still free of it",
    )
    return Chart(
        name=f"event-free-{name}",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=behind(curves.values(), 100),
        alt_text=_spoken(found, curves, labels, term=term, what=f"still free of {found.event}"),
        caption=" ".join(
            part
            for part in (
                drawn_words(curves.values()),
                "Band: interval of that group alone, not of the difference. Beneath: how many were "
                "still followed and free of it; whoever had it is no longer among them.",
                _CUSTODY_NOTE if found.at_liberty and found.plan["custody_as"] == "gap" else "",
                f"The axis begins at {begin:g}, not at 0." if begin else "",
                *(not_made_alike(evaluation) if crude else ()),
                hidden_words(found, curves, labels),
                notes(curves.values()),
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
        One panel a cause, on one scale. None where no cumulative incidence may be shown.
    """
    found = followed_outcome(evaluation, name)
    curves = {cause: arm_curves(found, "cumulative_incidence", cause) for cause in causes_of(found)}
    if not any(curves.values()):
        return None
    tops = {cause: top_of(of.values(), 100, 4.0) for cause, of in curves.items()}
    headline = first_headline(evaluation, name, labels)
    subtitle = (
        f"People of 100 for whom each came first, with {level_of(evaluation)} intervals of each "
        "group; all panels have one scale"
    )
    room = 1.6 / max(tops.values())
    step = next(s for s in (1, 2, 5, 10, 20) if max(tops.values()) / s <= 6 or s == 20)
    heights = [max(room * top, 0.75) for top in tops.values()]
    names = {arm: wrapped(capital(group_phrase(arm, labels)), 88) for arm in arms_of(found)}
    style: Names = "beside"
    beneath: list[float] = []
    if any(len(arm_label(arm, labels)) > 12 for arm in names):
        style, beneath = "sign", [LINE * sum(name.count("\n") + 1 for name in names.values())]
    with mpl.rc_context(STYLE):
        figure, title = new_figure(
            headline, subtitle, sum(heights) + sum(beneath) + 0.3 * len(heights) + 0.55
        )
        rows = len(curves) + len(beneath)
        every = figure.subplots(
            rows, 1, height_ratios=[*heights, *beneath], sharex=True, squeeze=False
        )[:, 0]
        panels = every[: len(curves)]
        for axes in every[len(curves) :]:
            keys(axes, names)
        for axes, (cause, of), tall in zip(panels, curves.items(), heights, strict=True):
            # As many inches for a person in each panel.
            top = tall / room
            axes.set_ylim(0, top)
            time_axis(axes, found)
            words = capital(CAUSE_WORDS[cause].format(event=found.event))
            heading(axes, f"{words}, of 100", fontweight="bold")
            axes.yaxis.set_major_locator(MultipleLocator(step))
            ends = {}
            for arm, curve in of.items():
                draw_arm(axes, curve, found, 100)
                e = value_at(found, "cumulative_incidence", group=arm, term=cause)
                words = _share_words(e, last_value(curve, found))
                ends[arm] = words.replace(" of 100", "")
            name_ends(axes, of, found, labels, ends, 100, tall, style=style)
            if not of:
                say(axes, TOO_FEW)
        for axes in panels[:-1]:
            axes.tick_params(axis="x", labelbottom=False)
        panels[-1].tick_params(axis="x", labelbottom=True)
        panels[-1].set_xlabel(f"{found.unit} after the start")
    all_curves = [curve for of in curves.values() for curve in of.values()]
    said = [
        f"{capital(CAUSE_WORDS[cause].format(event=found.event))}, {group_words(arm, labels)}: "
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
        data=behind(all_curves, 100),
        alt_text=f"Step lines in {len(curves)} panels. After "
        f"{duration(found.horizon, found.unit)}: {' '.join(said)}",
        caption=" ".join(
            part
            for part in (
                f"Whoever is taken into custody or dies before any {found.event} is counted "
                "there, and in no other panel. One minus the share still free of it is another "
                "figure, and larger: it takes those in custody and the dead as if they would have "
                "gone on like the rest.",
                *not_made_alike(evaluation),
                notes(all_curves),
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
        None where no mean count may be shown.
    """
    found = followed_outcome(evaluation, name)
    measure = "mean_cumulative_count"
    if not has_measure(found, measure):
        return None
    term = next((t for t in (found.term, CRUDE, "") if arm_curves(found, measure, t)), found.term)
    curves = arm_curves(found, measure, term)
    if not curves:
        return None
    headline = counted_headline(evaluation, name, labels)
    digits = digits_of(evaluation)
    subtitle = (
        f"{found.title}, every one counted: mean number for every 100 people, with "
        f"{level_of(evaluation)} intervals of each group"
    )
    subtitle += _after(evaluation, found) if term == found.term else ", with no adjustment"
    gap = value_at(found, f"{measure}_difference", term=term)
    subtitle += _gap_words(found, gap, "for every 100", digits, level_of(evaluation), labels)
    ends = {}
    for arm, curve in curves.items():
        e = value_at(found, measure, group=arm, term=term)
        value = last_value(curve, found) if e is None or e.estimate is None else e.estimate
        ends[arm] = "" if value is None else per_100_people(value, digits)
        if e is not None and e.conf_low is not None and e.conf_high is not None:
            ends[arm] += (
                f" ({per_100_people(e.conf_low, digits)} to {per_100_people(e.conf_high, digits)})"
            )
    out = found.at_liberty and found.plan["custody_as"] == "gap"
    figure, title = panel(
        found,
        curves,
        headline,
        subtitle,
        labels,
        scale=100,
        span=(0.0, top_of(curves.values(), 100, 10.0)),
        axis="events for every 100 people",
        ends=ends,
        followed="Followed and not in custody" if out else "Still followed",
    )
    return Chart(
        name=f"mean-count-{name}",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=behind(curves.values(), 100),
        alt_text=f"Step lines. After {duration(found.horizon, found.unit)}, events for every 100 "
        "people: "
        + "; ".join(
            f"{group_words(arm, labels)} {ends.get(arm) or TOO_FEW}" for arm in arms_of(found)
        )
        + ".",
        caption=" ".join(
            part
            for part in (
                f"Events for every 100 people{' at liberty' if found.at_liberty else ''}: a person "
                "may have several, and a few people may have many. Band: interval of that group "
                "alone, not of the difference.",
                f"{_CUSTODY_NOTE} The number beneath can rise, because people come out of custody."
                if out
                else "",
                *(not_made_alike(evaluation) if term != found.term else ()),
                hidden_words(found, curves, labels),
                notes(curves.values()),
                source_words(evaluation),
            )
            if part
        ),
    )


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
        per_100(100 * v, digits) for v in (gap.conf_low, gap.estimate, gap.conf_high)
    )
    one, two = (group_words(arm, labels) for arm in ARMS.codes)
    if len(one) + len(two) > 40:
        one, two = ARMS.codes
    return (
        f". {capital(one)} minus {two} after {duration(found.horizon, found.unit)}: {point} {per} "
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
    term: str,
    what: str,
) -> str:
    said = []
    for arm in arms_of(found):
        if arm not in curves:
            said.append(f"{capital(group_words(arm, labels))}: {TOO_FEW}.")
            continue
        parts = []
        for time in found.times:
            e = value_at(found, "event_free", group=arm, term=term, time=time)
            words = _share_words(e, None)
            if words:
                parts.append(f"after {duration(time, found.unit)} {words}")
        said.append(f"{capital(group_words(arm, labels))}, {what}: {', '.join(parts)}.")
    return f"Step lines that begin at 100 of 100. {' '.join(said)}"
