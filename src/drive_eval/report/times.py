"""Words for outcomes followed over time: how soon, how long free, how often again.

The order is fixed: the shares still free out of 100 with their difference, then the average
time free, then, and never alone, the hazard ratio. No number is formed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.report.chance import chance_sentence
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
from drive_eval.report.hazards import changes, hazard_sentences, rate_words
from drive_eval.report.numbers import digits_of, number
from drive_eval.report.sentences import (
    CRUDE,
    claim_sentence,
    design_names,
    group_phrase,
    out_of_100,
    why_hidden,
)
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.results import Estimate, Evaluation

__all__ = [
    "cause_sentences",
    "custody_sentence",
    "free_sentences",
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
            f"shows neither that there is a difference nor that there is none.{_needed(found)}"
        )
    shown = [value_at(found, "event_free", group=arm) for arm in arms]
    words = [out_of_100(e.estimate) for e in shown if e is not None and e.estimate is not None]
    best = out_of_100(abs(gap.estimate or 0.0))
    amount, why = _between(words, gap.estimate or 0.0, best)
    apart = f"{amount}{per_hundred(gap).removeprefix(best)}"
    return (
        f"{text} That is {apart} still free of it in the {one}{why}. "
        f"{_claim(evaluation, found, gap)}"
    )


def _needed(found: Followed) -> str:
    """Say how many people would tell a difference worth having, where that is known."""
    for check in found.result.checks:
        if check.name == "people_needed" and check.statistic is not None:
            return (
                f" About {check.statistic:,.0f} people per group would be needed to tell a "
                f"difference of {check.threshold:g} in every 100."
            )
    return ""


def _between(words: Sequence[str], gap: float, best: str) -> tuple[str, str]:
    """Return the difference of two numbers as they are shown, and why where it is another.

    A reader takes one number from the other and must find the third. Only where the two as shown
    are the same, or are no numbers, does the difference stand as it was worked out.

    Examples
    --------
    >>> _between(["70", "58"], 12.6, "13"), _between(["46.9", "44.8"], 2.04, "2.0")
    (('12', ''), ('2.1', ''))
    >>> _between(["70", "70"], 0.6, "1")
    ('1', ', worked out before rounding')
    """
    bare = [word.replace(",", "") for word in words]
    if len(bare) == 2 and all(word.replace(".", "", 1).isdigit() for word in bare):
        apart = float(bare[0]) - float(bare[1])
        if apart * gap > 0:
            places = max(len(word.partition(".")[2]) for word in bare)
            return f"{abs(apart):,.{places}f}", ""
    return best, ", worked out before rounding"


def _claim(evaluation: Evaluation, found: Followed, gap: Estimate) -> str:
    """Say how far a difference may be read; by chance or not, who is at liberty may differ."""
    alone = chance_sentence(evaluation, found.name)
    return " ".join(part for part in (_reason(evaluation, found, gap), alone) if part)


def _reason(evaluation: Evaluation, found: Followed, gap: Estimate) -> str:
    by_chance = evaluation.plan["design"]["kind"] == "randomised" and any(
        check.name == "claim" and check.passed for check in found.result.checks
    )
    if gap.claim == "causal" or not by_chance:
        return claim_sentence(gap.claim, found.result)
    return (
        "People were allocated by chance, but only days at liberty are compared, and who has them "
        "may differ between the groups, so this is not a fair test."
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
            f"{_needed(found)}"
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
    words = [number(value, _decimals(found.unit), digits) for value in shown.values()]
    best = _sided(gap.estimate, found, digits)
    amount, _, rest = best.partition(" ")
    told, why = _between(words, gap.estimate, amount)
    rest = rest if told != "1" else rest.replace(found.unit, found.unit.removesuffix("s"))
    said = best if why else f"{told} {rest}"
    return f"{text}: {said}{_span(gap, found, one, digits).removeprefix(best)}{why}."


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
            counted += f" {_claim(evaluation, found, gap)}"
        text.append(counted)
    if len(arms_of(found)) > 1:
        text += [
            _beside(cause, gaps[cause], one) for cause in ("custody", "death") if cause in gaps
        ]
        text.append(
            f"Part of a difference in {found.event} may come from who was locked up"
            + (", or had died." if "death" in gaps else ".")
        )
    return text


def _beside(cause: str, gap: Estimate | None, one: str) -> str:
    """Say how custody or death differed, whatever its interval leaves open.

    Who is locked up or has died cannot do it again, so a fall may be read only beside these.
    """
    what = {"custody": "taken into custody", "death": "died"}[cause]
    were = f"were {what}" if cause == "custody" else what
    kind = verdict_over_time(gap)
    if gap is None or gap.estimate is None or kind not in _KNOWN:
        return f"Whether more or fewer {were} first in the {one} cannot be shown."
    if kind == "cannot tell":
        side = "more" if gap.estimate >= 0 else "fewer"
        best = f"best estimate: {out_of_100(abs(gap.estimate))} {side}"
        return (
            f"{what[:1].upper()}{what[1:]} first: {per_hundred(gap)} in the {one} ({best}). This "
            "shows neither that there is a difference nor that there is none."
        )
    more = "more" if kind == "rose" else "fewer"
    return f"In the {one} {more} people {were} first: {per_hundred(gap)}."


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
        words = [per_100_people(value, digits) for value in shown.values()]
        best = per_100_people(abs(gap.estimate), digits)
        amount, why = _between(words, gap.estimate, best)
        text += (
            f" That is {amount} {side} for every 100 people in the {one} "
            f"(range {' to '.join(ends)}){why}. {_reason(evaluation, found, gap)}"
        )
    ratio = _repeated(found)
    if ratio is None or ratio.estimate is None:
        return [text]
    moment = f"At any moment{_made(evaluation, found)}"
    rate = f"{moment}, the rate of all events was {rate_words(ratio, one, digits)}."
    if changes(found, "repeated"):
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
        "is not a fair comparison, because the groups differed at the start."
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
