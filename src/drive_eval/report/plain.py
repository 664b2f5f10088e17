"""What the first screen says: out of 100 first, how sure we are, and no statistical term.

A verdict looks at intervals only, as everywhere. A difference between the groups is called clear
where the share of users and the number of people in every 100 agree on it, because the words stand
beside the numbers of people.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drive_eval.report.sentences import (
    SUPPRESSED,
    Verdict,
    effect,
    estimate_of,
    gap_verdict,
    group_phrase,
    main_design,
    out_of_100,
    printed_difference,
    range_of_100,
    verdict_between,
    verdict_of,
    verdict_within,
    why_hidden,
)
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.results import Estimate, Evaluation, ResultSet

__all__ = [
    "ABUSE_HIDDEN",
    "GO_ON",
    "KNOWN",
    "NOTHING_SHOWN",
    "abuse_hidden",
    "abuse_message",
    "hidden_line",
    "how_sure",
    "nearly_all_rated",
    "nothing_shown",
    "plain_between",
    "plain_verdict",
    "range_note",
    "rated_twice_line",
    "risk_message",
    "rounding_note",
    "short_verdict",
]

#: How one may go on where too few people are in a figure.
GO_ON = "Wait for more cases, or pool sites or years."
NOTHING_SHOWN = (
    "These results cannot be published: too few people in each group, so someone could be "
    f"recognised. {GO_ON}"
)
ABUSE_HIDDEN = (
    "How abuse changed cannot be published: too few people in each group, so someone could be "
    f"recognised. {GO_ON}"
)
KNOWN = ("fell", "rose", "cannot tell")
#: Below this share of an arm, those rated twice are the smaller part of it.
HALF = 0.5
#: From this error in 100 on, what rounding does to a share is said.
MOST_ROUNDING = 2.0
_NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four"}
_PLACES = {2: "second", 3: "third", 4: "fourth"}


def plain_between(result: ResultSet) -> Verdict:
    """Say whether the programme arm did better, where shares and people out of 100 agree.

    A rise that one of them shows and the other does not deny is not hidden.
    """
    ratio = verdict_between(result)
    gap = estimate_of(result, "difference_in_differences", "")
    people = None if gap is None else gap_verdict(gap)
    if people is None or ratio not in KNOWN or people == ratio:
        return ratio
    return "rose" if {people, ratio} == {"rose", "cannot tell"} else "cannot tell"


def plain_verdict(
    result: ResultSet, labels: Mapping[str, str], main: str = "", made: str = ""
) -> str:
    """Say in a line what we are sure of in the programme group, alone and beside the other.

    ``main`` is the design under which the two groups' use afterwards is compared, if there is
    one, and ``made`` how it makes the other group: matched or weighted.

    Examples
    --------
    >>> from drive_eval.results import Estimate, ResultSet
    >>> rise = Estimate(measure="percent_reduction", group="programme", estimate=-50,
    ...                 conf_low=-80, conf_high=-20)
    >>> plain_verdict(ResultSet(estimates=(rise,)), {})
    'We are sure that it rose; there is no comparison group to set it against'
    """
    inside, between = verdict_within(result, "programme"), plain_between(result)
    one, two = group_phrase("programme", labels), group_phrase("comparison", labels)
    if inside == "not shown" and why_hidden(result, "programme") != SUPPRESSED:
        return "Not shown, for another reason than too few people (see the checks)"
    if inside == "not shown":
        return SUPPRESSED.removesuffix(".")
    if inside == "undefined":
        return f"No change can be given for the {one}"
    if inside == "absent":
        return f"Not measured in the {one}"
    first = {
        "fell": "We are sure that it fell",
        "rose": "We are sure that it rose",
        "cannot tell": "We cannot tell whether it fell or rose",
    }[inside]
    if main and between == "absent" and (after := verdict_of(result, main)) != "absent":
        return first + {
            "fell": f", and that it was lower afterwards than in the {made} {two}",
            "rose": f", but it was higher afterwards than in the {made} {two}",
            "cannot tell": f"; we cannot tell whether it was lower than in the {made} {two}",
        }.get(after, f"; it cannot be set against the {two} here")
    return first + (
        _beside(inside, between, verdict_within(result, "comparison") == inside, two)
        or {
            "not shown": f"; it cannot be set against the {two} here",
            "undefined": f"; it cannot be set against the {two} here",
            "absent": "; there is no comparison group to set it against",
        }[between]
    )


def _beside(inside: str, between: str, same: bool, two: str) -> str:
    """Say how the programme group did beside the other; empty where nothing is known.

    "More" and "less" compare two changes of one direction; else one group did better.
    """
    if between == "cannot tell":
        if same and inside in ("fell", "rose"):
            return f"; we cannot tell whether by more than in the {two}"
        return f"; we cannot tell whether it did better than the {two}"
    if between not in ("fell", "rose"):
        return ""
    if same and inside in ("fell", "rose"):
        if inside == between:
            return f", and by more than in the {two}"
        return f", but by less than in the {two}"
    did = "better" if between == "fell" else "worse"
    joint = "; we are sure that it" if inside == "cannot tell" else ", and that it"
    return f"{joint} did {did} than the {two}"


def short_verdict(
    result: ResultSet, labels: Mapping[str, str], main: str = "", made: str = ""
) -> str:
    """Return the verdict with the range of the difference in people, where there is one."""
    said = plain_verdict(result, labels, main, made)
    gap = estimate_of(result, "difference_in_differences", "")
    if main and plain_between(result) == "absent":
        gap = effect(result, "risk_difference", main)
        clear = verdict_of(result, main) in ("fell", "rose")
    else:
        clear = plain_between(result) in ("fell", "rose")
    shown = verdict_within(result, "programme") in KNOWN
    if not (shown and clear) or gap is None or gap_verdict(gap) not in ("fell", "rose"):
        return f"{said}."
    return f"{said}: likely by {range_of_100(gap)} in every 100."


def how_sure(result: ResultSet, labels: Mapping[str, str], main: str = "", made: str = "") -> str:
    """Say how many fewer of 100 used it, in both groups, and between what the difference lies.

    Returns
    -------
    str
        Sentences; empty where the programme arm is not shown.
    """
    inside = verdict_within(result, "programme")
    change = _change(result, "programme")
    if inside not in KNOWN or not change:
        return ""
    one, two = group_phrase("programme", labels), group_phrase("comparison", labels)
    said = f"{change[:1].upper()}{change[1:]} in every 100 used it"
    other = _change(result, "comparison")
    if other:
        said += f"; in the {two} {other}"
    between = plain_between(result)
    if main and between == "absent":
        gap = effect(result, "risk_difference", main)
        if gap is not None and gap_verdict(gap) is not None:
            return f"{said}. {_after(gap, f'{made} {two}')}"
    gap = estimate_of(result, "difference_in_differences", "")
    if gap is None or between not in KNOWN or gap_verdict(gap) is None:
        return f"{said}."
    same = verdict_within(result, "comparison") == inside
    return f"{said}. {_apart(result, gap, between, one, both=inside if same else '')}"


def _change(result: ResultSet, group: str) -> str:
    """Say the change in people of 100, as the printed shares give it; a range if unclear."""
    change = estimate_of(result, "risk_difference", group)
    before, after = (
        estimate_of(result, f"prevalence_{when}", group) for when in ("before", "after")
    )
    if change is None or change.estimate is None or change.conf_low is None:
        return ""
    if gap_verdict(change) == "cannot tell":
        return _either_side(change)
    points = printed_difference(after, before)
    amount = out_of_100(abs(change.estimate)) if points is None else str(abs(points))
    return f"{amount} {'fewer' if change.estimate < 0 else 'more'}"


def _either_side(gap: Estimate) -> str:
    low, high = 100 * (gap.conf_low or 0.0), 100 * (gap.conf_high or 0.0)
    return f"between {abs(low):.0f} fewer and {abs(high):.0f} more"


def _after(gap: Estimate, two: str) -> str:
    if gap_verdict(gap) == "cannot tell":
        return f"Afterwards there were {_either_side(gap)} in every 100 than in the {two}."
    side = "fewer" if (gap.estimate or 0.0) < 0 else "more"
    return (
        f"Afterwards {out_of_100(abs(gap.estimate or 0.0))} {side} in every 100 used it than in "
        f"the {two} (likely {range_of_100(gap)})."
    )


def _apart(result: ResultSet, gap: Estimate, between: str, one: str, *, both: str) -> str:
    """Say the difference of the two changes: its range, and its size where that adds up."""
    if gap_verdict(gap) == "cannot tell":
        low, high = 100 * (gap.conf_low or 0.0), 100 * (gap.conf_high or 0.0)
        return (
            f"Set against each other, the {one} did anything from {abs(low):.0f} in every 100 "
            f"better to {abs(high):.0f} worse."
        )
    if between == "cannot tell":
        return "Shares and people of 100 do not agree on which group did better."
    changes = [
        printed_difference(
            estimate_of(result, "prevalence_after", arm),
            estimate_of(result, "prevalence_before", arm),
        )
        for arm in ARMS.codes
    ]
    point, span = round(100 * abs(gap.estimate or 0.0)), range_of_100(gap)
    known = [change for change in changes if change is not None]
    # Three numbers on a line must add up, or the reader trusts none of them.
    adds_up = len(known) == 2 and abs(known[0] - known[1]) == point
    amount = f"{point} in every 100" if adds_up else f"likely {span} in every 100"
    ends = f" (likely {span})" if adds_up else ""
    if both in ("fell", "rose"):
        what = "fall" if both == "fell" else "rise"
        side = "larger" if both == between else "smaller"
        return f"The {what} in the {one} was {amount} {side}{ends}."
    did = "better" if between == "fell" else "worse"
    return f"The {one} did {did} by {amount}{ends}."


def range_note(evaluation: Evaluation) -> str:
    """Say once what the word "likely" stands for."""
    level = 100 * evaluation.plan["design"]["conf_level"]
    return (
        f"“Likely” gives the range where the true figure probably lies: ranges made this way hold "
        f"it {level:g} times in 100."
    )


def rounding_note(evaluation: Evaluation, names: Sequence[str]) -> str:
    """Say what rounding of counts does to shares, where that is more than two in 100."""
    found = [
        re.search(r"rounded to the nearest (\d+)", check.text)
        for check in evaluation.checks
        if check.name == "disclosure"
    ]
    base = next((int(match[1]) for match in found if match), 1)
    shown = [
        (e.estimate, e.n)
        for name in names
        for e in evaluation.results[name].estimates
        if e.measure in ("prevalence_before", "prevalence_after")
        and e.group
        and not e.subgroup
        and e.estimate is not None
        and e.n
    ]
    if base < 2 or not shown:
        return ""
    fewest = min(n for _share, n in shown)
    if 100 * base / fewest <= MOST_ROUNDING:
        return ""
    out = max(_rounding_error(share, n, base // 2) for share, n in shown)
    return (
        f"Counts are rounded to the nearest {base}, so with about {fewest:,} people in a group a "
        f"figure may be out by up to {100 * out:.0f} in 100; the ranges do not include this."
    )


def _rounding_error(share: float, n: int, half: int) -> float:
    """Return how far a share may be from the true one, if both its counts are rounded.

    Examples
    --------
    >>> round(_rounding_error(10 / 45, 45, 2), 3), round(_rounding_error(1, 45, 2), 3)
    (0.057, 0.085)
    """
    users = round(share * n)
    high = min(1.0, (users + half) / max(n - half, 1))
    low = max(0.0, (users - half) / (n + half))
    return max(high - share, share - low)


def rated_twice(evaluation: Evaluation) -> dict[str, float | None]:
    """Return the share of each arm that was rated at both points; None where it is hidden."""
    flow = {
        cell.key: cell.count
        for table in evaluation.tables
        if table.name == "flow"
        for cell in table.cells
    }
    found: dict[str, float | None] = {}
    for arm in ARMS.codes:
        if (arm, "measured at both") not in flow:
            continue
        both, every = flow[arm, "measured at both"], flow.get((arm, "in the cohort"))
        found[arm] = None if both is None or not every else min(1.0, both / every)
    return found


def nearly_all_rated(evaluation: Evaluation) -> bool:
    """Return whether no more are without a second rating than the plan allows for."""
    limit = 1 - evaluation.plan.get("design", {}).get("max_missing_share", 0.0)
    shares = rated_twice(evaluation).values()
    return all(share is not None and share >= limit - 1e-12 for share in shares)


def rated_twice_line(evaluation: Evaluation, labels: Mapping[str, str]) -> str:
    """Say how many of each group were rated twice; empty where nearly all of them were."""
    if nearly_all_rated(evaluation):
        return ""
    shares = rated_twice(evaluation)
    shown = {arm: share for arm, share in shares.items() if share is not None}
    if not shown:
        return "How many were rated twice cannot be shown."
    said = ", ".join(
        f"{out_of_100(share)} of 100 in the {group_phrase(arm, labels)}"
        for arm, share in shown.items()
    )
    hidden = [group_phrase(arm, labels) for arm in shares if arm not in shown]
    if hidden:
        said += f"; for the {hidden[0]} this cannot be shown"
    rest = (
        "What happened to the others is not known."
        if min(shown.values()) < HALF
        else "The others may have done worse."
    )
    return f"Rated twice: {said}. {rest}"


def hidden_line(line: str) -> bool:
    """Return whether a sentence says only that something may not be shown.

    Examples
    --------
    >>> hidden_line("Programme group: too few people to publish without risking it.")
    True
    >>> hidden_line("Programme group too few to show; comparison group 29 in every 100.")
    False
    """
    few = re.search(r"too few (?:people )?to (?:publish|show)", line, re.IGNORECASE)
    return few is not None and not re.search(r"\d+ (?:in|of) (?:every )?100", line)


def abuse_hidden(evaluation: Evaluation, names: Sequence[str]) -> bool:
    """Return whether there are types of abuse, and of none of them anything may be shown."""
    main = main_design(evaluation)
    results = [evaluation.results[name] for name in names]
    return bool(results) and all(
        verdict_within(result, "programme") == "not shown"
        and not (main and verdict_of(result, main) in KNOWN)
        for result in results
    )


def nothing_shown(evaluation: Evaluation, names: Sequence[str], points: Sequence[str]) -> bool:
    """Return whether nothing may be shown of the types of abuse and of the other outcomes."""
    if names and not abuse_hidden(evaluation, names):
        return False
    return bool(names or points) and all(hidden_line(line) for line in points)


def risk_message(result: ResultSet, title: str, labels: Mapping[str, str]) -> str:
    """Say of a yes/no outcome how many of 100 it happened to in each group."""
    shares = {
        arm: e.estimate
        for e in result.estimates
        for arm, measure in (("programme", "risk_treated"), ("comparison", "risk_comparison"))
        if not e.subgroup
        and not e.term
        and (e.measure == measure or (e.measure == "share_reduced" and e.group == arm))
    }
    said = [
        f"{out_of_100(share)} of 100 in the {group_phrase(arm, labels)}"
        for arm in ARMS.codes
        if (share := shares.get(arm)) is not None
    ]
    if not said:
        return ""
    ending = {
        "fell": "; the difference is clear",
        "rose": "; the difference is clear",
        "cannot tell": "; whether there is a difference we cannot tell",
    }
    return f"{title}: {', '.join(said)}{ending.get(verdict_of(result, ''), '')}"


def abuse_message(evaluation: Evaluation, names: Sequence[str]) -> str:
    """Return the one message on abuse, as the intervals allow it, and of whom it holds."""
    every = {name: verdict_within(evaluation.results[name], "programme") for name in names}
    known = [name for name, kind in every.items() if kind in KNOWN]
    if not known:
        hidden = "not shown" in every.values()
        return "Too few people to show any change" if hidden else "No change can be given"
    text = _what_happened([every[name] for name in known], list(every.values()))
    whole = len(known) == len(names)
    beside = _set_against(evaluation, known, whole=whole)
    if not whole and beside.startswith("; "):
        # What is hidden stands before it, behind a semicolon of its own.
        beside = f". {beside[2:3].upper()}{beside[3:]}"
    text += beside
    if nearly_all_rated(evaluation):
        return text
    return f"Among the people rated twice, {text[:1].lower()}{text[1:]}"


def _what_happened(kinds: Sequence[str], every: Sequence[str]) -> str:
    """Say how many of the types that are shown fell and rose, and name the rest."""
    fell, rose, shown = kinds.count("fell"), kinds.count("rose"), len(kinds)
    left = len(every) - shown
    if shown == 1 and not left:
        return {
            "fell": "This abuse fell",
            "rose": "This abuse rose",
        }.get(kinds[0], "No clear change in any type of abuse")
    if fell == shown:
        text = (
            f"{_types(fell)} of abuse fell" if left else "Fewer used each type of abuse at the end"
        )
    elif rose == shown:
        text = f"{_types(rose)} of abuse rose" if left else "All types of abuse rose"
    elif fell and rose and fell + rose == shown:
        text = f"{_types(fell)} of abuse fell and {_types(rose).lower()} rose"
    elif fell or rose:
        parts = [f"{_number(n)} {did}" for n, did in ((fell, "fell"), (rose, "rose")) if n]
        clear = "" if fell else "none clearly fell and "
        text = f"Of {_number(shown)} types of abuse, {clear}{' and '.join(parts)}"
    else:
        text = "No clear change in any type of abuse"
    if not left:
        return text
    missing = [kind for kind in every if kind not in KNOWN]
    cannot = "cannot be shown" if set(missing) == {"not shown"} else "cannot be given"
    if left == 1 and len(every) in _PLACES:
        return f"{text}; the {_PLACES[len(every)]} {cannot}"
    return f"{text}; the other {_number(left)} {cannot}" if left > 1 else f"{text}; one {cannot}"


def _set_against(evaluation: Evaluation, names: Sequence[str], *, whole: bool) -> str:
    """Say on how many of the types shown the programme group did better than the other."""
    results = [evaluation.results[name] for name in names]
    between = [plain_between(result) for result in results]
    main, two = main_design(evaluation), "the comparison group"
    made = [verdict_of(result, main) for result in results if main]
    if all(kind == "absent" for kind in between):
        if set(made) - {"absent"}:
            alike = f"{evaluation.plan['design']['kind']} comparison group"
            return f"; {_ended(made, alike)}"
        return "; there is no comparison group to set it against"
    if not any(kind in KNOWN for kind in between):
        return "; the groups cannot be set against each other here"
    better, worse, shown = between.count("fell"), between.count("rose"), len(names)
    fell = [
        kind == verdict_within(result, "programme") == verdict_within(result, "comparison")
        for kind, result in zip(between, results, strict=True)
        if kind == "fell"
    ]
    if better == shown and all(fell):
        if shown == 1:
            return f", and by more than in {two}"
        return (
            f", and the fall was larger than in {two}"
            if whole
            else f". All {_number(shown)} fell by more than in {two}"
        )
    if better and worse:
        return (
            f"; set against {two}, better on {_types(better).lower()} and worse on "
            f"{_types(worse).lower()}"
        )
    if not better and not worse:
        return f"; not clearly different from {two}"
    count, did = (better, "better") if better else (worse, "worse")
    if count == shown:
        return f"; did {did} than {two} on {'all of them' if shown > 1 else 'it'}"
    words = f"fell by more than in {two}" if better and all(fell) else f"did {did} than {two}"
    rest = shown - count
    others = "the other" if rest == 1 else f"the other {_number(rest)}"
    first = _number(count)
    return (
        f". {first[:1].upper()}{first[1:]} of the {_number(shown)} {words}; for {others} we "
        "cannot tell"
    )


def _ended(made: Sequence[Verdict], other: str) -> str:
    """Say for how many types use afterwards was lower or higher than in the group made alike."""
    lower, higher = made.count("fell"), made.count("rose")
    if lower and higher:
        return (
            f"afterwards lower than in the {other} for {_types(lower).lower()} and higher for "
            f"{_types(higher).lower()}"
        )
    if lower or higher:
        side, count = ("lower", lower) if lower else ("higher", higher)
        which = (
            "all of them"
            if count == len(made) > 1
            else "it"
            if len(made) == 1
            else _types(count).lower()
        )
        return f"afterwards {side} than in the {other} for {which}"
    if "cannot tell" in made:
        return f"afterwards not clearly different from the {other}"
    return "the groups cannot be set against each other here"


def _number(count: int) -> str:
    return _NUMBERS.get(count, str(count))


def _types(count: int) -> str:
    words = _number(count)
    return f"{words[:1].upper()}{words[1:]} type{'' if count == 1 else 's'}"
