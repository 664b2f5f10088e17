"""Words for results: chosen by claim, measure and interval; no number is formed here.

A verdict looks at the interval only. Words of cause are used for causal claims alone; an
inconclusive result has its own sentence; a relative fall never stands without the numbers
out of 100.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from drive_eval.results import NOT_SHOWN
from drive_eval.vocabulary import REPORTERS, SEVERITY, label

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
    "design_names",
    "effect",
    "estimate_of",
    "fall_between_arms",
    "fall_within_arm",
    "gap_verdict",
    "gap_words",
    "group_phrase",
    "group_words",
    "increase_sentences",
    "is_outcome",
    "main_design",
    "measured_sentence",
    "out_of_100",
    "people_words",
    "percent_text",
    "percent_words",
    "printed_difference",
    "range_of_100",
    "reporter_words",
    "risk_sentences",
    "severity_headline",
    "tenths",
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
    "only likely reasons",
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
    """Return whom the plan counts: perpetrators only where someone reports on abuse.

    Whose record a time comes from says nothing of abuse: an arrest may be for anything.
    """
    plan = evaluation.plan
    if plan["design"]["unit"] != "person":
        return UNITS[plan["design"]["unit"]]
    plain = ("binary", "time_to_event", "reoffending")
    abuse = any(
        o["kind"] not in plain
        or (o["kind"] == "binary" and o.get("reporter"))
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


def is_outcome(name: str) -> bool:
    """Return whether a result is an outcome of the plan, and not what stands beside outcomes.

    Examples
    --------
    >>> is_outcome("physical:idva:intake-exit"), is_outcome("rivals:further_assault")
    (True, False)
    """
    beside = ("balance:", "rivals:", "reporters:", "equality:")
    return not name.startswith(beside) and name not in ("baseline", "ledger")


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
    change = estimate_of(result, "risk_difference", group)
    if found == "not shown" and change is not None:
        # The percentage is held back, and the change in people of 100 is not.
        return gap_verdict(change) or found
    if found != "undefined":
        return found
    if change is not None and change.conf_low is not None and change.conf_low > 0:
        return "rose"
    return "undefined" if change is None or change.estimate is None else "cannot tell"


def verdict_between(result: ResultSet) -> Verdict:
    """Say whether the programme arm ended lower ('fell') than if it had changed as the other.

    Where the ratio of the changes does not exist, their difference decides.
    """
    found = verdict(fall_between_arms(result))
    if found not in ("undefined", "not shown"):
        return found
    gap = estimate_of(result, "difference_in_differences", "")
    return (None if gap is None else gap_verdict(gap)) or found


def gap_verdict(gap: Estimate) -> Verdict | None:
    """Say what the interval of a difference allows: fell is below nothing; None without one."""
    if gap.conf_low is None or gap.conf_high is None:
        return None
    return "fell" if gap.conf_high < 0 else "rose" if gap.conf_low > 0 else "cannot tell"


def estimate_of(result: ResultSet, measure: str, group: str) -> Estimate | None:
    """Return what was found in one arm or, for no arm, between the arms, among all people."""
    found = [e for e in result.estimates if e.measure == measure and e.group == group]
    return next((e for e in found if not e.subgroup), None)


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


def printed_difference(one: Estimate | None, two: Estimate | None) -> int | None:
    """Return the difference of two shares as they are printed; None where one has no number.

    A reader takes one printed number from the other, and must find the third.

    Examples
    --------
    >>> from drive_eval.results import Estimate
    >>> shares = [Estimate(measure="risk", estimate=share) for share in (0.698, 0.576, 0.001)]
    >>> printed_difference(shares[0], shares[1]), printed_difference(shares[0], shares[2])
    (12, None)
    """
    shares = [e.estimate for e in (one, two) if e is not None and e.estimate is not None]
    words = [out_of_100(share) for share in shares]
    if len(words) < 2 or not all(word.isdigit() for word in words):
        return None
    return int(words[0]) - int(words[1])


def range_of_100(gap: Estimate) -> str:
    """Return the ends of a clear difference in people of 100, the smaller first, without signs.

    Examples
    --------
    >>> from drive_eval.results import Estimate
    >>> gap = Estimate(measure="gap", estimate=-0.1, conf_low=-0.17, conf_high=-0.002)
    >>> range_of_100(gap)
    '0.2 to 17'
    """
    ends = sorted(100 * abs(end) for end in (gap.conf_low or 0.0, gap.conf_high or 0.0))
    return f"{tenths(ends[0])} to {tenths(ends[1])}"


def tenths(value: float) -> str:
    """Return a number of 100 without places, but a little above nothing with one.

    Examples
    --------
    >>> tenths(17.4), tenths(0.23), tenths(0.01), tenths(0), tenths(99.7)
    ('17', '0.2', 'under 0.1', '0', 'over 99')
    """
    if 99.5 <= value < 100:
        return "over 99"
    if 0 < value < 0.05:
        return "under 0.1"
    return f"{value:.1f}" if 0 < value < 0.5 else f"{value:.0f}"


def reporter_words(code: str) -> str:
    """Return who rated the abuse, as it stands in a sentence, with the short form spelled out.

    Examples
    --------
    >>> reporter_words("idva")
    "victim-survivor's independent domestic violence adviser (IDVA)"
    """
    who = REPORTERS.label(code)
    who = who.replace("IDVA", "independent domestic violence adviser (IDVA)")
    return f"{who[:1].lower()}{who[1:]}"


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
        f"The figures cover the {people} who were rated both times: {' and '.join(said)}. "
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
    before = estimate_of(result, "prevalence_before", group)
    after = estimate_of(result, "prevalence_after", group)
    change, fall = estimate_of(result, "risk_difference", group), fall_within_arm(result, group)
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
        text += f" ({gap_words(change, printed_difference(after, before))})"
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
    best, gap = fall_between_arms(result), estimate_of(result, "difference_in_differences", "")
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
    if verdict(best) in ("undefined", "not shown") and gap is not None:
        last = (
            "This does not show that the programme makes a difference, nor that it does not."
            if kind == "cannot tell"
            else claim_sentence(gap.claim, result, rated=True)
        )
        why = (
            "The two relative changes cannot be divided by each other, so the"
            if verdict(best) == "undefined"
            else "The"
        )
        return (
            f"{why} groups are compared "
            f"in people per 100: set against the change of the {other}, that of the "
            f"{programme} was {gap_words(gap)}. {last}"
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
        f"The {programme} ended with a number of people using it {amount} than if it had changed "
        f"as the {other} did."
    )
    return f"{text} {claim_sentence(best.claim, result, rated=True)}"


def claim_sentence(claim: str, result: ResultSet | None = None, *, rated: bool = False) -> str:
    """Return the sentence that says how far a difference between the arms may be read.

    Parameters
    ----------
    claim : str
    result : ResultSet, optional
        Whose check says why arms that were allocated by chance are no fair test.
    rated : bool
        Whether people were rated, so that the missing are those not rated twice.

    Returns
    -------
    str

    Examples
    --------
    >>> claim_sentence("associational")[:40]
    'It may also come from differences betwee'
    """
    if claim == "causal":
        return (
            "People were allocated by chance and few results are missing, so chance and the "
            "programme are the only likely reasons."
        )
    checks = () if result is None else result.checks
    failed = [check.text for check in checks if check.name == "claim" and check.passed is False]
    if not failed:
        return "It may also come from differences between the groups that nobody measured."
    why = "those compared are not all who were allocated"
    if "missing" in failed[0]:
        why = "too many were not rated twice" if rated else "too many results are missing"
    return f"People were allocated by chance, but {why}, so this is not a fair test."


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
    if gap.conf_low <= 0 <= gap.conf_high:
        words.append(
            f"The data are compatible with anything from {100 * -gap.conf_low:.0f} fewer to "
            f"{100 * gap.conf_high:.0f} more in every 100 in the {programme}. This shows "
            "neither that there is a difference nor that there is none."
        )
    else:
        side = "fewer" if gap.estimate < 0 else "more"
        points = printed_difference(treated, other)
        amount = 100 * abs(gap.estimate) if points is None else abs(points)
        words.append(
            f"That is {amount:.0f} {side} in every 100 in the {programme} "
            f"(range {range_of_100(gap)}). {claim_sentence(gap.claim, result)}"
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


def gap_words(change: Estimate, printed: int | None = None) -> str:
    """Say a difference in people per 100, with its range, in whichever direction it goes.

    ``printed`` is the difference of the two shares that stand beside it, where there are two.
    """
    point, low, high = change.estimate, change.conf_low, change.conf_high
    if point is None or low is None or high is None:
        return "change not shown"
    if low <= 0 <= high:
        return f"between {-100 * low:.0f} fewer and {100 * high:.0f} more in every 100"
    side = "fewer" if point < 0 else "more"
    amount = f"{abs(100 * point):.0f}" if printed is None else str(abs(printed))
    return f"{amount} {side} in every 100, range {range_of_100(change)}"


def percent_words(value: float) -> str:
    """Return a percentage as a reader should see it.

    Examples
    --------
    >>> percent_words(0.2), percent_words(67.3), percent_words(99.8)
    ('under 1%', '67%', 'over 99%')
    """
    return _percent(value)


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
    return f"a number of people using it anywhere from {high:.0f}% lower to {rise} higher"
