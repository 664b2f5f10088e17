"""Words for outcomes followed over time: how soon, how long free, how often again.

The order is fixed: the shares still free out of 100 with their difference, then the average
time free, then, and never alone, the hazard ratio. No number is formed here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from drive_eval.report.designs import (
    design_label,
    is_matched,
    per_hundred,
    plain_check,
)
from drive_eval.report.followed import (
    Followed,
    arms_of,
    causes_of,
    duration,
    followed_outcome,
    has_measure,
    not_followed_sentence,
    shown_term,
    value_at,
    verdict_over_time,
)
from drive_eval.report.numbers import digits_of, number
from drive_eval.report.sentences import (
    CRUDE,
    claim_sentence,
    design_names,
    group_phrase,
    out_of_100,
    why_hidden,
)
from drive_eval.vocabulary import ARMS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.results import Estimate, Evaluation

__all__ = [
    "cause_sentences",
    "custody_sentence",
    "free_sentences",
    "hazard_sentences",
    "per_100_people",
    "repeat_sentences",
    "sentences_over_time",
    "short_sentences",
    "with_care",
]

_KNOWN = ("fell", "rose", "cannot tell")
_NOT_BESIDE = (
    "The shares of the groups that the design makes are not shown beside those of everybody."
)
_CUSTODY = {
    "gap": (
        "Time in custody is left out: nobody counts as free of {event} while locked up, and people "
        "are followed again from their release."
    ),
    "competing": "People are followed until they are first taken into custody.",
    "ignored": (
        "Time in custody counts as time free of {event}, so a group with more people locked up "
        "looks better than it is."
    ),
}


def _made(evaluation: Evaluation, found: Followed) -> str:
    if not found.term:
        return ""
    return f", with the groups {'matched' if is_matched(evaluation, found.term) else 'weighted'}"


def _when(evaluation: Evaluation, found: Followed, time: float) -> str:
    return f"After {duration(time, found.unit)}{_made(evaluation, found)}"


def free_sentences(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> list[str]:
    """Say who was still free of the event at the horizon, and for how long on average.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    name : str
        Outcome name.
    labels : mapping
        Names of the arms.

    Returns
    -------
    list of str
        The shares out of 100 and their difference, then the average time free, and how many
        are in no figure, where they are many.
    """
    found = followed_outcome(evaluation, name)
    return [
        sentence
        for sentence in (
            _shares(evaluation, found, labels),
            _average(evaluation, found, labels),
            not_followed_sentence(found, labels),
        )
        if sentence
    ]


def _shares(evaluation: Evaluation, found: Followed, labels: Mapping[str, str]) -> str:
    arms = arms_of(found)
    when = _when(evaluation, found, found.horizon)
    said: list[str] = []
    hidden: list[str] = []
    for arm in arms:
        e, who = value_at(found, "event_free", group=arm), group_phrase(arm, labels)
        if e is None or e.estimate is None:
            hidden.append(f"Of the {who} nothing can be shown: {_why(found, arm)}")
        elif not said:
            said.append(
                f"{out_of_100(e.estimate)} in every 100 in the {who} were still free of "
                f"{found.event}"
            )
        else:
            said.append(f"{out_of_100(e.estimate)} in every 100 in the {who}")
    if not said and (contrast := _contrast_alone(evaluation, found, labels)):
        return contrast
    if not said:
        return f"How many were still free of {found.event} cannot be shown: {_why(found, arms[0])}"
    text = f"{when}, {' and '.join(said)}."
    if hidden:
        return " ".join([text, *hidden])
    if len(arms) == 1:
        e = value_at(found, "event_free", group=arms[0])
        if e is not None and e.conf_low is not None and e.conf_high is not None:
            ends = f"{out_of_100(e.conf_low)} to {out_of_100(e.conf_high)}"
            text = f"{text.removesuffix('.')} (range {ends})."
        return f"{text} There is no comparison group to set it against."
    gap = value_at(found, "event_free_difference")
    kind, one = verdict_over_time(gap), group_phrase("programme", labels)
    if gap is None or kind in ("absent", "not shown", "undefined"):
        return f"{text} {_no_contrast(found, 'event_free_difference')}"
    if kind == "cannot tell":
        return (
            f"{text} The difference may be {per_hundred(gap)} in the {one} still free of it. This "
            "shows neither that there is a difference nor that there is none."
        )
    shown = [value_at(found, "event_free", group=arm) for arm in arms]
    values = [100 * e.estimate for e in shown if e is not None and e.estimate is not None]
    exact = _unrounded(values, 100 * (gap.estimate or 0.0))
    return (
        f"{text} That is {per_hundred(gap)} still free of it in the {one}{exact}. "
        f"{_claim(evaluation, found, gap)}"
    )


def _unrounded(values: Sequence[float], gap: float, decimals: int = 0) -> str:
    """Say that a difference was worked out before rounding, where the numbers shown differ.

    Examples
    --------
    >>> _unrounded([77.8, 69.4], 8.3), _unrounded([77.8, 69.6], 8.2)
    (', worked out before rounding', '')
    """
    if len(values) < 2:
        return ""
    one, two, apart = (round(value, decimals) for value in (*values[:2], abs(gap)))
    return "" if math.isclose(abs(one - two), apart) else ", worked out before rounding"


def _claim(evaluation: Evaluation, found: Followed, gap: Estimate) -> str:
    """Say how far a difference may be read; by chance or not, who is at liberty may differ."""
    by_chance = evaluation.plan["design"]["kind"] == "randomised" and any(
        check.name == "claim" and check.passed for check in found.result.checks
    )
    if gap.claim == "causal" or not by_chance:
        return claim_sentence(gap.claim)
    return (
        "People were allocated by chance, but this compares them only while they are at liberty, "
        "and who that is may differ between the groups."
    )


def _contrast_alone(evaluation: Evaluation, found: Followed, labels: Mapping[str, str]) -> str:
    """Say the difference where the shares of the arms under a design are not shown."""
    gap = value_at(found, "event_free_difference")
    kind, one = verdict_over_time(gap), group_phrase("programme", labels)
    when = _when(evaluation, found, found.horizon)
    if gap is None or kind not in _KNOWN:
        return ""
    if kind == "cannot tell":
        text = (
            f"{when}, there may be {per_hundred(gap)} still free of {found.event} in the {one}. "
            "This shows neither that there is a difference nor that there is none."
        )
    else:
        text = (
            f"{when}, there were {per_hundred(gap)} still free of {found.event} in the {one}. "
            f"{_claim(evaluation, found, gap)}"
        )
    return f"{text} {_NOT_BESIDE}" if found.term else text


def _no_contrast(found: Followed, measure: str) -> str:
    """Say why the arms cannot be set against each other."""
    gap = value_at(found, measure)
    if gap is not None and gap.estimate is not None:
        return "No range can be given for the difference."
    names = ("suppressed_contrast", "second_threshold", "refused")
    reasons = [c.text for c in found.result.checks if c.name in names and c.text]
    return " ".join(["The two groups cannot be set against each other here.", *reasons[:1]])


def _why(found: Followed, arm: str) -> str:
    """Return why an arm's numbers are not there, as what follows a colon."""
    text = why_hidden(found.result, arm)
    return _lower(text.partition(": ")[2] or text)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _decimals(unit: str) -> int:
    return 0 if unit == "days" else 1


def _length(value: float, found: Followed, digits: int | None) -> str:
    decimals = _decimals(found.unit)
    if not decimals and 0 < abs(value) < 1:
        return "under 1 day"
    text = number(value, decimals, digits)
    return f"{text} {found.unit.removesuffix('s') if text == '1' else found.unit}"


def _average(evaluation: Evaluation, found: Followed, labels: Mapping[str, str]) -> str:
    digits = digits_of(evaluation)
    one, two = (group_phrase(arm, labels) for arm in ARMS.codes)
    means = {arm: value_at(found, "restricted_mean", group=arm) for arm in arms_of(found)}
    shown = {
        arm: e.estimate for arm, e in means.items() if e is not None and e.estimate is not None
    }
    of = duration(found.horizon, found.unit)
    gap = value_at(found, "restricted_mean_difference")
    kind = verdict_over_time(gap)
    if not shown and gap is not None and kind in _KNOWN:
        return _average_alone(gap, found, one, digits)
    if not shown:
        return ""
    first, *others = shown
    bare = number(shown[first], _decimals(found.unit), digits)
    text = f"On average, people in the {group_phrase(first, labels)} were free of it for {bare} of "
    text += of
    if not others or gap is None or gap.estimate is None or kind not in _KNOWN:
        return f"{text}."
    text += (
        f", those in the {two} for {number(shown[others[0]], _decimals(found.unit), digits)}"
        if first == "programme"
        else ""
    )
    if kind == "cannot tell":
        return f"{text}. The difference may be {_span(gap, found, one, digits)}."
    exact = _unrounded(list(shown.values()), gap.estimate, _decimals(found.unit))
    return f"{text}: {_span(gap, found, one, digits)}{exact}."


def _average_alone(gap: Estimate, found: Followed, one: str, digits: int | None) -> str:
    """Say the difference of the average times where those of the arms are not shown."""
    of = f"On average, of {duration(found.horizon, found.unit)}, people were free of it for"
    if verdict_over_time(gap) == "cannot tell":
        return f"{of} a time that may be {_span(gap, found, one, digits)}."
    return f"{of} {_span(gap, found, one, digits)}."


def _span(gap: Estimate, found: Followed, one: str, digits: int | None) -> str:
    """Say a difference of average times with its range, in whichever direction it goes."""
    low, high, point = gap.conf_low or 0.0, gap.conf_high or 0.0, gap.estimate or 0.0
    if low <= 0 <= high:
        best = f" (best estimate: {_sided(point, found, digits)})" if point else ""
        return (
            f"anything from {_length(-low, found, digits)} shorter to "
            f"{_length(high, found, digits)} longer in the {one}{best}"
        )
    ends = sorted((abs(low), abs(high)))
    span = f"{number(ends[0], _decimals(found.unit), digits)} to {_length(ends[1], found, digits)}"
    return f"{_sided(point, found, digits)} in the {one} (range {span})"


def _sided(value: float, found: Followed, digits: int | None) -> str:
    return f"{_length(abs(value), found, digits)} {'longer' if value >= 0 else 'shorter'}"


def hazard_sentences(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> list[str]:
    """Say the hazard ratio in words; only where the share and the average time stand before it.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    name : str
        Outcome name.
    labels : mapping
        Names of the arms.

    Returns
    -------
    list of str
        Empty where the fixed-time difference or the average time may not be shown, because a
        hazard ratio never stands alone.
    """
    found = followed_outcome(evaluation, name)
    beside = [
        value_at(found, measure)
        for measure in ("event_free_difference", "restricted_mean_difference")
    ]
    if any(e is None or e.estimate is None for e in beside):
        return []
    ratio = value_at(found, "hazard_ratio")
    if ratio is None or ratio.estimate is None:
        return []
    one, digits = group_phrase("programme", labels), digits_of(evaluation)
    said = [
        f"At any moment, the rate of first {found.event} among those still free of it was "
        f"{_rate_words(ratio, one, digits)}."
    ]
    adjusted = value_at(found, "hazard_ratio", term="adjusted")
    if adjusted is not None and adjusted.estimate is not None and not found.term:
        names = [label(c).lower() for c in evaluation.plan["comparison"].get("covariates", ())]
        known = f" ({', '.join(names)})" if names else ""
        said.append(
            f"With what was known at the start{known} taken into account, it was "
            f"{_rate_words(adjusted, one, digits)}."
        )
    if _changes(found, "", "adjusted"):
        said.append(
            "This ratio changes with time, so it is an average of different ratios and is not to "
            "be used alone: use the shares and the average time above."
        )
    else:
        said.append("The ratio says nothing of how long, or of how many: read it with the above.")
    return said


def _changes(found: Followed, *models: str) -> bool:
    """Return whether a model's test of proportional hazards did not hold; "" is the plain one."""
    names = {f"proportional_hazards: {model}".removesuffix(": ") for model in models}
    return any(check.passed is False and check.name in names for check in found.result.checks)


def _rate_words(ratio: Estimate, one: str, digits: int | None) -> str:
    """Say a ratio of rates as a percentage with its range, and the ratio in brackets."""
    point = ratio.estimate or 0.0
    name = "hazard ratio" if ratio.measure == "hazard_ratio" else "ratio"
    low, high = ratio.conf_low, ratio.conf_high
    best = f"{_percent_of(point)} in the {one}"
    if low is None or high is None:
        return f"{best} ({name} {number(point, 2, digits)}; no range can be given)"
    ends = f"{number(low, 2, digits)} to {number(high, 2, digits)}"
    bare = f"{name} {number(point, 2, digits)}, range {ends}"
    if low <= 1 <= high:
        return f"{best}; it may be anything from {_percent_of(low)} to {_percent_of(high)} ({bare})"
    near, far = sorted((low, high), key=lambda end: abs(math.log(end)) if end > 0 else math.inf)
    start, end = _percent_of(near), _percent_of(far)
    for side in (" lower", " higher"):
        if end.endswith(side):
            start = start.removesuffix(side)
    return f"{best} (range {start} to {end}; {bare})"


def _percent_of(ratio: float) -> str:
    """Say a ratio as so many percent lower or higher, and from three times on as times.

    Examples
    --------
    >>> _percent_of(0.69), _percent_of(1.003), _percent_of(1.0), _percent_of(3.4)
    ('31% lower', 'under 1% higher', 'the same', '3.4 times as high')
    """
    if math.isinf(ratio):
        return "higher without limit"
    if ratio >= 3:
        return f"{number(ratio, 1)} times as high"
    away = abs(100 * (ratio - 1))
    side = "lower" if ratio < 1 else "higher"
    if round(away, 3) == 0:
        return "the same"
    amount = "under 1" if away < 0.5 else "over 99" if 99.5 < away < 100 else f"{away:.0f}"
    return f"{amount}% {side}"


def _listed(words: Sequence[str]) -> str:
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def cause_sentences(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> list[str]:
    """Say what happened first: the event, custody or death, each counted as an end of its own."""
    found = followed_outcome(evaluation, name)
    causes = causes_of(found)
    if not causes:
        return []
    verbs = {
        "reoffence": f"{found.event} came first",
        "custody": "custody came first",
        "death": "death came first",
    }
    said = []
    for arm in arms_of(found):
        parts = []
        for cause in causes:
            e = value_at(found, "cumulative_incidence", group=arm, term=cause)
            if e is not None and e.estimate is not None:
                parts.append(f"for {out_of_100(e.estimate)} {verbs[cause]}")
        who = group_phrase(arm, labels)
        if parts:
            said.append(f"of every 100 in the {who}, {_listed(parts)}")
    if not said:
        return [f"Whether custody or death came first cannot be shown: {_why(found, '')}"]
    after = f"Within {duration(found.horizon, found.unit)}"
    if design_names(evaluation):
        after += ", with no adjustment, which is not a fair comparison"
    text = [f"{after}, {'; '.join(said)}."]
    gaps = {
        cause: value_at(found, "cumulative_incidence_difference", term=cause) for cause in causes
    }
    kinds = {cause: verdict_over_time(gap) for cause, gap in gaps.items()}
    one = group_phrase("programme", labels)
    if kinds.get("reoffence") in _KNOWN:
        counted = f"Counted so, {found.event} first: {per_hundred(gaps['reoffence'])} in the {one}."
        gap = gaps["reoffence"]
        if gap is not None and gap.claim == "causal" and kinds["reoffence"] != "cannot tell":
            counted += f" {claim_sentence(gap.claim)}"
        text.append(counted)
    if kinds.get("custody") in ("fell", "rose"):
        more = "more" if kinds["custody"] == "rose" else "fewer"
        text.append(
            f"In the {one} {more} people were taken into custody first: "
            f"{per_hundred(gaps['custody'])}. Part of a difference in {found.event} may come from "
            "who was locked up."
        )
    return text


def per_100_people(value: float, digits: int | None) -> str:
    """Return a mean count as events for every 100 people.

    Examples
    --------
    >>> per_100_people(0.624, None), per_100_people(0.003, None)
    ('62', 'under 1')
    """
    if 0 < abs(value) < 0.005:
        return "under 1"
    return number(100 * value, 0, digits)


def _mean_counts(found: Followed) -> dict[str, float]:
    measure = "mean_cumulative_count"
    term = shown_term(found, measure)
    means = {arm: value_at(found, measure, group=arm, term=term) for arm in arms_of(found)}
    return {arm: e.estimate for arm, e in means.items() if e is not None and e.estimate is not None}


def _count_gap(found: Followed) -> Estimate | None:
    measure = "mean_cumulative_count"
    return value_at(found, f"{measure}_difference", term=shown_term(found, measure))


def repeat_sentences(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> list[str]:
    """Say how often it happened, every event counted, and the ratio of the rates."""
    found, digits = followed_outcome(evaluation, name), digits_of(evaluation)
    shown, gap = _mean_counts(found), _count_gap(found)
    if not has_measure(found, "mean_cumulative_count"):
        return []
    if not shown:
        return [f"How often it happened, every one counted, cannot be shown: {_why(found, '')}"]
    one = group_phrase("programme", labels)
    said = [
        f"{per_100_people(value, digits)} for every 100 people in the {group_phrase(arm, labels)}"
        for arm, value in shown.items()
    ]
    crude = shown_term(found, "mean_cumulative_count") != found.term
    beyond = ", with no adjustment, which is not a fair comparison," if crude else ""
    text = (
        f"Every event counted, not only the first, there were within "
        f"{duration(found.horizon, found.unit)}{beyond} {_listed(said)}."
    )
    kind = verdict_over_time(gap)
    if gap is None or gap.conf_low is None or gap.conf_high is None or gap.estimate is None:
        return [text]
    low, high = (per_100_people(abs(end), digits) for end in (gap.conf_low, gap.conf_high))
    if kind == "cannot tell":
        text += (
            f" The difference may be anything from {low} fewer to {high} more for every 100 "
            f"people in the {one}. This shows neither that there is a difference nor that there "
            "is none."
        )
    else:
        ends = (low, high) if kind == "rose" else (high, low)
        side = "more" if kind == "rose" else "fewer"
        exact = _unrounded([100 * v for v in shown.values()], 100 * gap.estimate)
        text += (
            f" That is {per_100_people(abs(gap.estimate), digits)} {side} for every 100 people in "
            f"the {one} (range {' to '.join(ends)}){exact}. {_claim(evaluation, found, gap)}"
        )
    ratio = _repeated(found)
    if ratio is None or ratio.estimate is None:
        return [text]
    moment = f"At any moment{_made(evaluation, found)}"
    rate = f"{moment}, the rate of all events was {_rate_words(ratio, one, digits)}."
    if _changes(found, "repeated"):
        rate += " This ratio changes with time and is not to be used alone."
    return [text, rate]


def _repeated(found: Followed) -> Estimate | None:
    terms = (f"{found.term} (repeated)", "repeated") if found.term else ("repeated",)
    return next((e for t in terms if (e := value_at(found, "hazard_ratio", term=t))), None)


def with_care(evaluation: Evaluation, name: str) -> list[tuple[str, str]]:
    """Say first what a reader must know before trusting an outcome over time.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    name : str
        Outcome name.

    Returns
    -------
    list of (str, str)
        A lead in a few words, and the sentences; empty where nothing was amiss.
    """
    found = followed_outcome(evaluation, name)
    leads = {
        "recording_change": "Recording changed while people were followed.",
        "clocks": "The clocks of the two groups differ.",
        "follow_up": "Not everybody was followed to the end.",
    }
    said: dict[tuple[str, str], None] = {}
    for check in found.result.checks:
        if check.passed is False and check.text and check.name in leads:
            said[leads[check.name], plain_check(evaluation, check)] = None
    return list(said)


def custody_sentence(found: Followed) -> str:
    """Say what was done with time in custody; empty for an outcome that has none."""
    text = _CUSTODY.get(found.plan.get("custody_as", ""), "").format(event=found.event)
    missing = next((c for c in found.result.checks if c.name == "custody" and c.text), None)
    return missing.text if missing is not None and text else text


def sentences_over_time(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> list[str]:
    """Return all that is said of an outcome over time, the hazard ratio after what it needs."""
    return [
        *free_sentences(evaluation, name, labels),
        *_design_sentences(evaluation, name),
        *hazard_sentences(evaluation, name, labels),
        *cause_sentences(evaluation, name, labels),
        *repeat_sentences(evaluation, name, labels),
    ]


def _design_sentences(evaluation: Evaluation, name: str) -> list[str]:
    """Say what no adjustment and the further designs of the plan found at the horizon."""
    found = followed_outcome(evaluation, name)
    if not found.term:
        return []
    crude = value_at(found, "event_free_difference", term=CRUDE)
    said = [
        "What a comparison without any adjustment would have said is not shown."
        if crude is None or crude.estimate is None
        else f"With no adjustment it would have been {per_hundred(crude)} still free of it. That "
        "is not a fair comparison, because it also holds how the groups differed at the start."
    ]
    others = [
        f"{design_label(evaluation, term)}: {per_hundred(gap)}"
        for term in design_names(evaluation)[1:]
        if (gap := value_at(found, "event_free_difference", term=term)) is not None
    ]
    if others:
        said.append(f"Other designs of the plan, still free of it: {'; '.join(others)}.")
    return said


def short_sentences(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> list[str]:
    """Say in one or two sentences what the first page needs of an outcome over time."""
    found = followed_outcome(evaluation, name)
    first, *rest = free_sentences(evaluation, name, labels)
    said = [f"{found.title}: {_lower(first)}", *rest]
    if found.term and shown_term(found, "mean_cumulative_count") != found.term:
        return said  # a comparison that is not fair has no place on the first page
    return said + repeat_sentences(evaluation, name, labels)[:1]
