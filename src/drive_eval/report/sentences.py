"""Words for results: chosen by claim, measure and interval; no number is formed here.

A verdict looks at the interval only. Words of cause are used for causal claims alone; an
inconclusive result has its own sentence; a relative fall never stands without the numbers
out of 100.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Literal

from drive_eval.plan import DESIGN_KINDS
from drive_eval.results import NOT_SHOWN
from drive_eval.vocabulary import SEVERITY, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.results import Estimate, Evaluation, ResultSet

__all__ = [
    "ARM_LABELS",
    "CRUDE",
    "FORBIDDEN_UNLESS_CAUSAL",
    "SUPPRESSED",
    "arm_label",
    "arm_sentence",
    "behaviour_label",
    "claim_sentence",
    "contrast_sentence",
    "design_limits",
    "design_names",
    "effect",
    "fall_between_arms",
    "fall_within_arm",
    "group_phrase",
    "group_words",
    "how_sure",
    "increase_sentences",
    "main_design",
    "measured_sentence",
    "out_of_100",
    "people_words",
    "percent_text",
    "plain_verdict",
    "reductions_headline",
    "risk_sentences",
    "severity_headline",
    "threshold_words",
    "verdict",
    "verdict_between",
    "verdict_of",
    "verdict_within",
    "why_hidden",
]

Verdict = Literal["fell", "rose", "cannot tell", "not shown", "undefined", "absent"]

ARM_LABELS = {"programme": "Programme", "comparison": "Comparison"}
SUPPRESSED = "Too few people to publish without risking someone being recognised."
UNITS = {
    "person": "perpetrators",
    "enrolment": "enrolments",
    "dyad": "pairs of perpetrator and victim-survivor",
}

#: The term of a comparison without any adjustment.
CRUDE = "crude"

#: Words that only a randomised comparison as allocated may use.
FORBIDDEN_UNLESS_CAUSAL = (
    "caused",
    "due to",
    "thanks to",
    "works",
    "effective",
    "reduced by the programme",
    "put down to",
)


def group_words(group: str, labels: Mapping[str, str]) -> str:
    """Return the arm's name as it stands in a sentence: a name of the plan's own is kept.

    Examples
    --------
    >>> group_words("programme", {}), group_words("comparison", {"comparison": "IDVA only"})
    ('programme', 'IDVA only')
    """
    found = arm_label(group, labels)
    return found.lower() if found == ARM_LABELS.get(group) else found


def group_phrase(group: str, labels: Mapping[str, str]) -> str:
    """Return the arm as a group in a sentence; a name of the plan's own stands in quotation marks.

    Examples
    --------
    >>> group_phrase("programme", {}), group_phrase("comparison", {"comparison": "No programme"})
    ('programme group', 'group “No programme”')
    """
    found = arm_label(group, labels)
    own = found.lower() not in (*map(str.lower, ARM_LABELS.values()),)
    return f"group “{found}”" if own else f"{found.lower()} group"


def people_words(evaluation: Evaluation) -> str:
    """Return whom the plan counts: perpetrators only where someone reports on abuse."""
    plan = evaluation.plan
    if plan["design"]["unit"] != "person":
        return UNITS[plan["design"]["unit"]]
    plain = ("binary", "time_to_event", "reoffending")
    abuse = any(
        o["kind"] not in plain
        or o.get("reporter")
        or o.get("domestic_abuse")
        or (o["kind"] == "reoffending" and o["abuse_types"])
        for o in plan["outcomes"]
    )
    return UNITS["person"] if abuse else "people"


def arm_label(group: str, labels: Mapping[str, str]) -> str:
    """Return the plan's name of an arm.

    Examples
    --------
    >>> arm_label("programme", {"programme": "Arrest"})
    'Arrest'
    """
    return labels.get(group, ARM_LABELS.get(group, group))


def behaviour_label(name: str) -> str:
    """Return the plain words for an outcome's name.

    Examples
    --------
    >>> behaviour_label("physical:idva:intake-exit")
    'Physical abuse'
    """
    return label(name.split(":")[0])


def percent_text(count: int | None, total: int | None) -> str:
    """Return a count as a whole number out of 100, or the words for a suppressed one.

    Examples
    --------
    >>> percent_text(5, 20), percent_text(None, 20)
    ('25', 'too few to show')
    """
    if count is None or not total:
        return "too few to show"
    return out_of_100(min(1.0, count / total))


def design_names(evaluation: Evaluation) -> list[str]:
    """Return the names of the balancing designs, the main one first; none for other kinds."""
    return [block["name"] for block in evaluation.plan.get("balancing") or ()]


def main_design(evaluation: Evaluation) -> str:
    """Return the name of the main design, which is the term of its effects; else nothing."""
    return next(iter(design_names(evaluation)), "")


def effect(result: ResultSet, measure: str, term: str) -> Estimate | None:
    """Return what a design found: a contrast of the arms, or the share in one of them."""
    # What a number is a reduction of, or an E-value of, stands behind the term in brackets.
    found = [
        e
        for e in result.estimates
        if e.measure == measure and (e.term == term or e.term.startswith(f"{term} ("))
    ]
    # The share of one arm names its arm; a contrast of the arms names none.
    arm = {"risk_treated": "programme", "risk_comparison": "comparison"}.get(measure, "")
    return next((e for e in found if not e.subgroup and e.group in ("", arm)), None)


def verdict_of(result: ResultSet, term: str) -> Verdict:
    """Say what the interval of a design's difference allows: fell is lower with the programme."""
    gap = effect(result, "risk_difference", term)
    if gap is None:
        return "absent"
    if gap.conf_low is None or gap.conf_high is None:
        return "not shown" if gap.method == NOT_SHOWN else "undefined"
    if gap.conf_high < 0:
        return "fell"
    return "rose" if gap.conf_low > 0 else "cannot tell"


def verdict(reduction: Estimate | None) -> Verdict:
    """Say what the interval of a percentage reduction allows to be said.

    Examples
    --------
    >>> from drive_eval.results import Estimate
    >>> verdict(Estimate(measure="percent_reduction", estimate=50, conf_low=20, conf_high=70))
    'fell'
    """
    if reduction is None:
        return "absent"
    if reduction.conf_low is not None and reduction.conf_low > 0:
        return "fell"
    if reduction.conf_high is not None and reduction.conf_high < 0:
        return "rose"
    if reduction.estimate is not None or reduction.conf_high is not None:
        return "cannot tell"
    return "not shown" if reduction.method == NOT_SHOWN else "undefined"


def verdict_within(result: ResultSet, group: str) -> Verdict:
    """Say whether the number of users fell in one arm; a change from nobody is a rise."""
    found = verdict(fall_within_arm(result, group))
    if found != "undefined":
        return found
    change = _one(result, "risk_difference", group)
    if change is not None and change.conf_low is not None and change.conf_low > 0:
        return "rose"
    return "undefined" if change is None or change.estimate is None else "cannot tell"


def verdict_between(result: ResultSet) -> Verdict:
    """Say whether the programme arm ended lower ('fell') than if it had changed as the other.

    Where the ratio of the changes does not exist, their difference decides.
    """
    found = verdict(fall_between_arms(result))
    if found != "undefined":
        return found
    gap = _one(result, "difference_in_differences", "")
    if gap is None or gap.conf_low is None or gap.conf_high is None:
        return "undefined"
    return "fell" if gap.conf_high < 0 else "rose" if gap.conf_low > 0 else "cannot tell"


def _one(result: ResultSet, measure: str, group: str) -> Estimate | None:
    found = [e for e in result.estimates if e.measure == measure and e.group == group]
    return next((e for e in found if not e.subgroup), None)


def plain_verdict(
    result: ResultSet, labels: Mapping[str, str], main: str = "", made: str = ""
) -> str:
    """Say in a line what happened in the programme group, alone and beside the other group.

    ``main`` is the design under which the two groups' use afterwards is compared, if there is
    one, and ``made`` how it makes the other group: matched or weighted.

    Examples
    --------
    >>> from drive_eval.results import Estimate, ResultSet
    >>> rise = Estimate(measure="percent_reduction", group="programme", estimate=-50,
    ...                 conf_low=-80, conf_high=-20)
    >>> plain_verdict(ResultSet(estimates=(rise,)), {})
    'Rose in the programme group; there is no comparison group to set it against'
    """
    inside, between = verdict_within(result, "programme"), verdict_between(result)
    one, two = group_phrase("programme", labels), group_phrase("comparison", labels)
    first = {
        "fell": f"Fell in the {one}",
        "rose": f"Rose in the {one}",
        "cannot tell": f"No clear change in the {one}",
        "not shown": "Too few people to publish",
        "undefined": f"No change can be given for the {one}",
        "absent": f"Not measured in the {one}",
    }[inside]
    if inside == "not shown" and why_hidden(result, "programme") != SUPPRESSED:
        return "Not shown, for another reason than too few people (see the checks)"
    if inside in ("not shown", "absent", "undefined"):
        return first
    if main and between == "absent" and (after := verdict_of(result, main)) != "absent":
        return first + {
            "fell": f"; afterwards lower than in the {made} {two}",
            "rose": f"; afterwards higher than in the {made} {two}",
            "cannot tell": f"; afterwards not clearly different from the {made} {two}",
        }.get(after, f"; it cannot be set against the {two} here")
    # "More" and "less" compare two changes of one direction; else one group did better.
    same = verdict_within(result, "comparison") == inside
    better, worse = (
        f", and did better than the {two}",
        f", but did worse than the {two}",
    )
    more = {
        ("fell", "fell"): f", and by more than in the {two}" if same else better,
        ("fell", "rose"): f", but by less than in the {two}" if same else worse,
        ("rose", "fell"): f", but by less than in the {two}"
        if same
        else (f", but did better than the {two}"),
        ("rose", "rose"): f", and did worse than the {two}",
        ("cannot tell", "fell"): f", and did better than the {two}",
        ("cannot tell", "rose"): f", and did worse than the {two}",
    }
    other = {
        "cannot tell": f", but not clearly differently from the {two}",
        "not shown": f"; it cannot be set against the {two} here",
        "undefined": f"; it cannot be set against the {two} here",
        "absent": "; there is no comparison group to set it against",
    }
    return first + (more.get((inside, between)) or other[between])


def out_of_100(share: float) -> str:
    """Return a share as people out of 100, never rounded to nobody or to everybody.

    Examples
    --------
    >>> out_of_100(0.004), out_of_100(0.25), out_of_100(0.999), out_of_100(0.0)
    ('under 1', '25', 'over 99', '0')
    """
    if 0 < share < 0.005:
        return "under 1"
    return "over 99" if 0.995 < share < 1 else f"{100 * share:.0f}"


def fall_within_arm(result: ResultSet, group: str) -> Estimate | None:
    """Return the percentage reduction inside one arm, if there is one."""
    found = [e for e in result.estimates if e.measure == "percent_reduction" and e.group == group]
    return next((e for e in found if not e.subgroup), None)


def fall_between_arms(result: ResultSet) -> Estimate | None:
    """Return by how much more the programme arm fell, as a percentage, if there is a contrast."""
    found = [e for e in result.estimates if e.measure == "percent_reduction" and not e.group]
    return next((e for e in found if e.term == "ratio"), None)


def why_hidden(result: ResultSet, group: str) -> str:
    """Return the reason why an arm's numbers are not there; too few people unless said."""
    names = ("suppressed", "second_threshold", "undefined")
    found = [c for c in result.checks if c.name in names and c.group in ("", group)]
    return found[0].text if found else SUPPRESSED


def how_sure(result: ResultSet, labels: Mapping[str, str], main: str = "", made: str = "") -> str:
    """Say between which changes the truth is likely to lie, alone and beside the other group."""
    inside = _how_sure_inside(result, group_phrase("programme", labels))
    best, kind = fall_between_arms(result), verdict_between(result)
    gap = effect(result, "risk_difference", main) if best is None and main else None
    if gap is not None and gap.conf_low is not None and gap.conf_high is not None:
        inside = inside.removesuffix(".")
        two = f"{made} {group_phrase('comparison', labels)}"
        return f"{inside}. Afterwards, set against the {two}: {_fewer(gap)}"
    if best is None or kind not in ("fell", "rose", "cannot tell"):
        return inside
    if best.conf_low is None or best.conf_high is None or math.isinf(best.conf_low):
        return inside
    if kind == "cannot tell":
        span = f"{_percent(best.conf_high)} lower to {_percent(-best.conf_low)} higher"
    elif kind == "fell":
        span = f"{_percent(best.conf_low)} to {_percent(best.conf_high)} lower"
    else:
        span = f"{_percent(-best.conf_high)} to {_percent(-best.conf_low)} higher"
    return f"{inside}. Set against the {group_phrase('comparison', labels)}: likely {span}"


def _how_sure_inside(result: ResultSet, one: str) -> str:
    fall = fall_within_arm(result, "programme")
    kind = verdict(fall)
    if fall is None:
        return "Not measured."
    if kind == "not shown":
        return why_hidden(result, "programme")
    if kind == "undefined" or fall.conf_low is None or fall.conf_high is None:
        return "No range can be given."
    if kind == "fell" and fall.estimate is not None:
        return (
            f"In the {one} {_percent(fall.estimate)} fewer users; likely between "
            f"{_percent(fall.conf_low)} and {_percent(fall.conf_high)} fewer"
        )
    if kind == "rose" and fall.estimate is not None:
        return (
            f"In the {one} {_percent(-fall.estimate)} more users; likely between "
            f"{_percent(-fall.conf_high)} and {_percent(_minus(fall.conf_low))} more"
        )
    return f"In the {one} it could be {_span_words(fall)}"


def measured_sentence(evaluation: Evaluation, labels: Mapping[str, str]) -> str:
    """Say how many of the people in each arm the figures describe, as the flow counts them."""
    flow = {cell.key: cell.count for cell in evaluation.table("flow").cells}
    said = []
    for group in ("programme", "comparison"):
        here, everybody = flow.get((group, "measured at both")), flow.get((group, "in the cohort"))
        if here is not None and everybody is not None:
            said.append(f"{here:,} of {everybody:,} in the {group_phrase(group, labels)}")
    if not said:
        return ""
    unit = evaluation.plan["design"]["unit"]
    people = "people" if unit == "person" else UNITS[unit]
    return (
        f"The figures describe the {people} who were measured both times: {' and '.join(said)}. "
        "Those who were not may have done worse."
    )


def arm_sentence(result: ResultSet, name: str, group: str, labels: Mapping[str, str]) -> str:
    """Say what happened in one arm: out of 100 first, then the relative change with its range.

    Parameters
    ----------
    result : ResultSet
        Released.
    name : str
        Outcome name.
    group : str
        The arm.
    labels : mapping
        Names of the arms.

    Returns
    -------
    str
    """
    who = f"In the {group_phrase(group, labels)}"
    reason = why_hidden(result, group)
    hidden = f"{reason[:1].lower()}{reason[1:]}"
    before = _one(result, "prevalence_before", group)
    after = _one(result, "prevalence_after", group)
    change, fall = _one(result, "risk_difference", group), fall_within_arm(result, group)
    what = behaviour_label(name).lower()
    if before is None and after is None and fall is None:
        return f"{who} this was not measured."
    if before is None or before.estimate is None or after is None or after.estimate is None:
        if before is not None and before.estimate is not None:
            unit = UNITS.get(before.unit, "people")
            share = out_of_100(before.estimate)
            return f"{who}, {what} was used by {share} in every 100 {unit} before. After: {hidden}"
        shown = fall is None or fall.method != NOT_SHOWN
        return f"{who} nobody was measured both times." if shown else f"{who}: {hidden}"
    unit = UNITS.get(before.unit, "people")
    first, second = out_of_100(before.estimate), out_of_100(after.estimate)
    text = f"{who}, {first} in every 100 {unit} used {what} before and {second} in every 100 after"
    if before.unit == "dyad":
        text = (
            f"{who}, {what} was used in {first} of every 100 pairs of perpetrator and "
            f"victim-survivor before and in {second} of every 100 after"
        )
    if change is not None and change.estimate is not None and change.conf_low is not None:
        text += f" ({_fewer(change)})"
    kind = verdict(fall)
    if fall is None or kind in ("undefined", "absent"):
        return text + ". A relative change is not defined, because nobody used it before."
    if kind == "not shown":
        return text + ". The relative change is not shown."
    if kind == "fell" and fall.estimate is not None:
        span = f"{_percent(fall.conf_low)} to {_percent(fall.conf_high)}"
        return f"{text}: a relative fall of {_percent(fall.estimate)} (range {span})."
    if kind == "rose" and fall.estimate is not None:
        ends = f"{_percent(_minus(fall.conf_high))} to {_percent(_minus(fall.conf_low))}"
        return f"{text}: a relative rise of {_percent(-fall.estimate)} (range {ends})."
    return f"{text}. This is compatible with {_span_words(fall)}: we cannot tell."


def contrast_sentence(result: ResultSet, labels: Mapping[str, str]) -> str:
    """Say by how much more the programme arm fell than the comparison arm, and how sure we are.

    Parameters
    ----------
    result : ResultSet
        Released.
    labels : mapping
        Names of the arms.

    Returns
    -------
    str
        With the sentence that the claim allows.
    """
    programme = group_phrase("programme", labels)
    other = group_phrase("comparison", labels)
    best, gap = fall_between_arms(result), _one(result, "difference_in_differences", "")
    if best is None:
        return (
            "There was no comparison group for this measure, so we cannot say how much of the "
            "change belongs to the programme."
        )
    kind = verdict_between(result)
    if kind in ("not shown", "undefined"):
        names = ("suppressed_contrast", "second_threshold", "refused")
        reasons = [c.text for c in result.checks if c.name in names]
        return " ".join(["The two groups cannot be set against each other here.", *reasons[:1]])
    if verdict(best) == "undefined" and gap is not None:
        last = (
            "This does not show that the programme makes a difference, nor that it does not."
            if kind == "cannot tell"
            else claim_sentence(gap.claim)
        )
        return (
            "The two relative changes cannot be divided by each other, so the groups are compared "
            f"in people per 100: set against the change of the {other}, that of the "
            f"{programme} was {_fewer(gap)}. {last}"
        )
    if kind == "cannot tell":
        return (
            f"Set against the {other}, the data are compatible with {_more_words(best)}. "
            "This does not show that the programme makes a difference, nor that it does not."
        )
    side, sign = ("lower", 1) if kind == "fell" else ("higher", -1)
    ends = sorted(sign * end for end in (best.conf_low, best.conf_high) if end is not None)
    if best.estimate is None or len(ends) < 2 or math.isinf(ends[-1]):
        amount = f"at least {_percent(ends[0])} {side}" if ends else side
    else:
        amount = (
            f"{_percent(sign * best.estimate)} {side} (range {_percent(ends[0])} to "
            f"{_percent(ends[-1])})"
        )
    text = (
        f"The {programme} ended with a number of users {amount} than if it had changed as "
        f"the {other} did."
    )
    return f"{text} {claim_sentence(best.claim)}"


def claim_sentence(claim: str) -> str:
    """Return the sentence that says how far a difference between the arms may be read.

    Examples
    --------
    >>> claim_sentence("associational")[:40]
    'It may also come from differences betwee'
    """
    if claim == "causal":
        return (
            "People were allocated by chance and no more outcomes are missing than was planned "
            "for, so this difference can be put down to the allocation, within the range given."
        )
    return "It may also come from differences between the groups that nobody measured."


def risk_sentences(result: ResultSet, title: str, labels: Mapping[str, str]) -> list[str]:
    """Say how often a yes/no outcome happened in each arm, and what the difference allows.

    Parameters
    ----------
    result : ResultSet
        Released.
    title : str
        The outcome in plain words.
    labels : mapping
        Names of the arms.

    Returns
    -------
    list of str
    """
    found = {e.measure: e for e in result.estimates if not e.subgroup and not e.term}
    shares = {e.group: e for e in result.estimates if e.measure == "share_reduced"}
    treated = found.get("risk_treated") or shares.get("programme")
    other = found.get("risk_comparison") or shares.get("comparison")
    words = []
    for group, e in (("programme", treated), ("comparison", other)):
        if e is None:
            continue
        who = f"{title}, {group_phrase(group, labels)}"
        if e.estimate is None:
            reason = why_hidden(result, group)
            words.append(f"{who}: {reason[:1].lower()}{reason[1:]}")
        else:
            words.append(
                f"{who}: {out_of_100(e.estimate)} in every 100 "
                f"(range {_hundredths(e.conf_low)} to {_hundredths(e.conf_high)})."
            )
    gap = found.get("risk_difference")
    if gap is None or gap.estimate is None or gap.conf_low is None or gap.conf_high is None:
        return words
    programme = group_phrase("programme", labels)
    low, high = sorted((abs(gap.conf_low), abs(gap.conf_high)))
    if gap.conf_low <= 0 <= gap.conf_high:
        words.append(
            f"The data are compatible with anything from {100 * -gap.conf_low:.0f} fewer to "
            f"{100 * gap.conf_high:.0f} more in every 100 in the {programme}. This shows "
            "neither that there is a difference nor that there is none."
        )
    else:
        side = "fewer" if gap.estimate < 0 else "more"
        words.append(
            f"That is {100 * abs(gap.estimate):.0f} {side} in every 100 in the {programme} "
            f"(range {100 * low:.0f} to {100 * high:.0f}). {claim_sentence(gap.claim)}"
        )
    return words


def increase_sentences(result: ResultSet, labels: Mapping[str, str]) -> list[str]:
    """Say in how many cases the risk was judged to have increased, as plainly as the falls."""
    said = []
    for group in ("programme", "comparison"):
        for table in result.tables:
            if table.name == f"perceived_change:{group}" and table["judged",]:
                worse = percent_text(table["increase",], table["judged",])
                words = f"{worse} in every 100" if worse[-1].isdigit() else worse
                said.append(f"{group_phrase(group, labels)} {words}")
    return [f"Risk judged to have increased: {'; '.join(said)}."] if said else []


def reductions_headline(evaluation: Evaluation, names: Sequence[str]) -> str:
    """Return the one message of the reductions chart, as the intervals allow it."""
    inside = [verdict_within(evaluation.results[name], "programme") for name in names]
    between = [verdict_between(evaluation.results[name]) for name in names]
    main = main_design(evaluation)
    made = [verdict_of(evaluation.results[name], main) for name in names if main]
    known = [kind for kind in inside if kind in ("fell", "rose", "cannot tell")]
    if not known:
        hidden = "not shown" in inside
        return "Too few people to show any change" if hidden else "No change can be given"
    fell, rose = inside.count("fell"), inside.count("rose")
    both = sum(pair == ("fell", "fell") for pair in zip(inside, between, strict=True))
    worse = between.count("rose")
    if fell == len(inside):
        first = "All types of abuse fell" if len(inside) > 1 else "This abuse fell"
    elif fell and rose:
        first = f"{_types(fell)} of abuse fell and {_types(rose).lower()} rose"
    elif fell:
        first = f"{_types(fell)} of abuse fell, of {len(inside)}"
    elif rose:
        every = "All types of abuse rose" if len(inside) > 1 else "This abuse rose"
        some = f"No type of abuse clearly fell, and {_types(rose).lower()} rose"
        first = every if rose == len(inside) else some
    else:
        first = "No clear change in any type of abuse"
    if all(kind == "absent" for kind in between) and set(made) - {"absent"}:
        other = f"{evaluation.plan['design']['kind']} comparison group"
        return f"{first}; {_ended(made, other)}"
    if all(kind == "absent" for kind in between):
        return f"{first}; there is no comparison group to set it against"
    if not any(kind in ("fell", "rose", "cannot tell") for kind in between):
        return f"{first}; the groups cannot be set against each other here"
    better, two = between.count("fell"), "the comparison group"
    others = [verdict_within(evaluation.results[name], "comparison") for name in names]
    if fell == len(inside) == both and others.count("fell") == fell:
        return f"{first}, and by more than in {two}"
    if better and worse:
        return (
            f"{first}; set against {two}, better on {_types(better).lower()} and worse on "
            f"{_types(worse).lower()}"
        )
    if better:
        return f"{first}; did better than {two} on {_all_or(better, len(inside))}"
    if worse:
        return f"{first}; did worse than {two} on {_all_or(worse, len(inside))}"
    return f"{first}; not clearly different from {two}"


def _ended(made: Sequence[Verdict], other: str) -> str:
    """Say for how many types use afterwards was lower or higher than in the group made alike."""
    lower, higher = made.count("fell"), made.count("rose")
    if lower and higher:
        return (
            f"afterwards lower than in the {other} for {_types(lower).lower()} and higher for "
            f"{_types(higher).lower()}"
        )
    if lower or higher:
        side = "lower" if lower else "higher"
        return f"afterwards {side} than in the {other} for {_all_or(lower or higher, len(made))}"
    if "cannot tell" in made:
        return f"afterwards not clearly different from the {other}"
    return "the groups cannot be set against each other here"


def _all_or(count: int, of: int) -> str:
    return "all of them" if count == of > 1 else "it" if of == 1 else _types(count).lower()


def _types(count: int) -> str:
    words = {1: "One type", 2: "Two types", 3: "Three types", 4: "Four types"}
    return words.get(count, f"{count} types")


def threshold_words(threshold: str) -> str:
    """Say from which severity a behaviour counts.

    Examples
    --------
    >>> threshold_words("moderate"), threshold_words("high")
    ('at moderate severity or above', 'at high severity')
    """
    words = f"at {SEVERITY.label(threshold).lower()} severity"
    return words if threshold == SEVERITY.codes[-1] else f"{words} or above"


def severity_headline(evaluation: Evaluation, names: Sequence[str]) -> str:
    """Return the one message of the severity chart, worsening named as plainly as improvement."""
    better = worse = 0
    for name in names:
        found = [
            e
            for e in evaluation.results[name].estimates
            if e.group == "programme" and e.measure == "improved_minus_worsened"
        ]
        for e in found:
            if e.estimate is None or e.conf_low is None or e.conf_high is None:
                continue
            better += e.conf_low > 0
            worse += e.conf_high < 0
    if better == len(names):
        return "In the programme group, more people improved than got worse"
    if worse == len(names):
        return "In the programme group, more people got worse than improved"
    return "Severity before and after: who improved and who got worse"


def design_limits(evaluation: Evaluation) -> list[str]:
    """Return the limits that follow from the design and from what was looked at.

    Parameters
    ----------
    evaluation : Evaluation
        Released.

    Returns
    -------
    list of str
        Never empty.
    """
    plan = evaluation.plan
    kind = plan["design"]["kind"]
    limits = [f"Design: {kind.replace('_', ' ')}; {DESIGN_KINDS[kind]}."]
    behaviours = [o for o in plan["outcomes"] if o["kind"] == "behaviour"]
    if behaviours:
        limits += [
            "People enter at a crisis, so some fall is expected without any programme (regression "
            "to the mean). The change inside one group is not an effect.",
            "A reduction counts people who use a type of abuse, not incidents and not severity.",
            "Whoever rates the abuse usually knows who took part in the programme.",
            "A case counts as measured afterwards only if every victim-survivor rated before was "
            "rated again: losing contact is not an end to abuse.",
        ]
    kinds = {o["kind"] for o in plan["outcomes"]}
    if kinds & {"time_to_event", "reoffending"}:
        limits.append(
            "Only what was recorded counts as an event. Free of it means that nothing was "
            "recorded, not that nothing happened."
        )
    if "reoffending" in kinds:
        limits.append(
            "A programme that wins trust, or police who watch more closely, may bring more events "
            "into the records while fewer happen."
        )
    if kind == "before_after":
        limits.append("There is no comparison group: nothing here says what the programme did.")
    elif kind != "randomised":
        limits.append("The groups may differ in ways that were not measured.")
    for name in design_names(evaluation)[:1]:
        found = evaluation.results.get(f"balance:{name}")
        limits += [
            re.sub(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", lambda m: m[0].replace("_", " "), check.text)
            for check in (found.checks if found is not None else ())
            if check.name in ("unmatched", "worst_smd", "overlap") and check.passed is False
        ]
    claims = [c for r in evaluation.results.values() for c in r.checks if c.name == "claim"]
    if any(
        c.statistic is not None and c.threshold is not None and c.statistic > c.threshold
        for c in claims
        if c.passed is False
    ):
        limits.append(
            "Allocation was by chance, but many outcomes are missing: those who were measured may "
            "differ between the groups, so no difference is called an effect."
        )
    if behaviours:
        limits.append(
            "People whose second measure is missing may have done worse than those measured; the "
            "table of three denominators shows what is known among everybody."
        )
    looked = sum(not name.startswith("balance:") for name in evaluation.results)
    primary = sum(
        len(o["abuse_types"]) if o["kind"] == "behaviour" else 1
        for o in plan["outcomes"]
        if o["primary"]
    )
    if looked > 1:
        limits.append(
            f"{looked} outcomes were looked at, {primary} of them declared primary beforehand; "
            "intervals are not adjusted for looking several times."
        )
    return limits


def _fewer(change: Estimate) -> str:
    """Say a difference in people per 100, with its range, in whichever direction it goes."""
    point, low, high = change.estimate, change.conf_low, change.conf_high
    if point is None or low is None or high is None:
        return "change not shown"
    if low <= 0 <= high:
        return f"between {-100 * low:.0f} fewer and {100 * high:.0f} more in every 100"
    ends = sorted((abs(100 * low), abs(100 * high)))
    side = "fewer" if point < 0 else "more"
    return f"{abs(100 * point):.0f} {side} in every 100, range {ends[0]:.0f} to {ends[1]:.0f}"


def _percent(value: float | None) -> str:
    if value is None:
        return "unknown"
    if math.isinf(value):
        return "no limit"
    if 0 < value < 0.5:
        return "under 1%"
    return "over 99%" if 99.5 < value < 100 else f"{value:.0f}%"


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _hundredths(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.0f}"


def _span_words(fall: Estimate) -> str:
    low, high = fall.conf_low, fall.conf_high
    if low is None or high is None:
        return "anything, since no range can be given"
    if high < 0:
        return f"a rise of {-high:.0f}% to {-low:.0f}%"
    if low == float("-inf"):
        return f"anything from a relative fall of {high:.0f}% to a rise without limit"
    return f"anything from a relative fall of {_percent(high)} to a rise of {_percent(-low)}"


def _more_words(best: Estimate) -> str:
    low, high = best.conf_low, best.conf_high
    if low is None or high is None:
        return "any difference, since no range can be given"
    rise = "any amount" if low == float("-inf") else f"{-low:.0f}%"
    return f"a number of users anywhere from {high:.0f}% lower to {rise} higher"
