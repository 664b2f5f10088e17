"""What else could explain a result: each rival explanation with what was found and its numbers."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from drive_eval.plan import BehaviourOutcome, Plan, ReoffendingOutcome, outcome_names
from drive_eval.report.designs import plain_check
from drive_eval.report.numbers import digits_of
from drive_eval.report.sentences import (
    CRUDE,
    arm_label,
    behaviour_label,
    effect,
    fall_between_arms,
    fall_within_arm,
    group_phrase,
    main_design,
    percent_words,
    verdict,
    verdict_between,
    verdict_of,
    verdict_within,
)
from drive_eval.report.tables import HIDDEN, MISSING, Table, interval_text, value_text
from drive_eval.results import NOT_SHOWN, ResultSet
from drive_eval.vocabulary import ARMS, REPORTERS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.report.sentences import Verdict
    from drive_eval.results import Check, Estimate, Evaluation

__all__ = [
    "NOTHING",
    "RIVALS",
    "by_itself",
    "checks_of",
    "every_rival_table",
    "fall_of",
    "found_words",
    "is_primary",
    "plain_text",
    "rival_checks_table",
    "rival_names",
    "rival_table",
    "rivals_of",
    "title_of",
]

#: The rival explanations in the order of the report, as a reader would put them.
RIVALS = {
    "regression_to_the_mean": "A crisis passes by itself",
    "missing": "Those not rated a second time did worse",
    "tipping": "How many of those not rated a second time would have to do worse",
    "imputed": "Those not rated a second time, filled in by a model",
    "weighted": "Those rated twice, weighted to stand for all",
    "misreporting": "Later ratings are too hopeful",
    "differential_misreporting": "Ratings of the programme are more hopeful than the others'",
    "recording": "More contact brings more into the records",
    "one_person": "It hangs on one person",
    "one_site": "It hangs on one place",
    "subgroup": "It holds for some kinds of people only",
    "power": "Too few people to see it",
    "verdict": "Chance, or a change too small to matter",
}
_NOT_SHOWN = "Not shown"
#: How a sentence begins that has no number.
NOTHING = ("Not worked out", _NOT_SHOWN)
_PREFIX = "rival:"


def rivals_of(evaluation: Evaluation, name: str) -> ResultSet:
    """Return the rival explanations of an outcome; an empty result where there are none."""
    return evaluation.results.get(f"rivals:{name}", ResultSet())


def rival_names(evaluation: Evaluation) -> list[str]:
    """Return the outcomes that have any rival explanation to be shown, in the plan's order."""
    plan = Plan.model_validate(dict(evaluation.plan))
    names = [name for outcome in plan.outcomes for name in outcome_names(outcome)]
    return [name for name in names if checks_of(evaluation, name)]


def checks_of(evaluation: Evaluation, name: str) -> list[Check]:
    """Return the sentence on each rival explanation of an outcome, in the order of the report."""
    found = [c for c in rivals_of(evaluation, name).checks if c.name.startswith(_PREFIX)]
    order = list(RIVALS)
    return sorted(
        (c for c in found if c.name.removeprefix(_PREFIX) in RIVALS),
        key=lambda c: (_who_first(c.group), order.index(c.name.removeprefix(_PREFIX))),
    )


def _who_first(group: str) -> int:
    """Put the groups beside each other first, then the programme, then the comparison."""
    return (*("",), *ARMS.codes).index(group)


def is_primary(evaluation: Evaluation, name: str) -> bool:
    """Return whether the plan declared an outcome primary."""
    plan = Plan.model_validate(dict(evaluation.plan))
    return any(name in outcome_names(outcome) for outcome in plan.outcomes if outcome.primary)


def title_of(evaluation: Evaluation, name: str, *, short: bool = False) -> str:
    """Return an outcome in plain words, with its reporter unless it is to be short."""
    for outcome in evaluation.plan["outcomes"]:
        if outcome.get("name") == name:
            return str(outcome.get("label") or label(name))
    parts = name.split(":")
    if len(parts) < 2 or (short and parts[0] != "perceived_change"):
        return behaviour_label(name)
    if parts[0] == "perceived_change":
        return "Risk judged to have fallen"
    who = REPORTERS.label(parts[1])
    return f"{behaviour_label(name)} ({who[:1].lower()}{who[1:]})"


def fall_of(evaluation: Evaluation, name: str, group: str) -> Verdict:
    """Return what the interval of an outcome's own result allows to be said, in an arm or between.

    Returns
    -------
    str
        ``"fell"`` means less of it: afterwards, or in the programme.
    """
    result, main = evaluation.results[name], main_design(evaluation)
    plan = Plan.model_validate(dict(evaluation.plan))
    outcome = next(o for o in plan.outcomes if name in outcome_names(o))
    if isinstance(outcome, BehaviourOutcome):
        if group:
            return verdict_within(result, group)
        made = verdict_of(result, main) if main else "absent"
        return verdict_between(result) if made == "absent" else made
    if isinstance(outcome, ReoffendingOutcome):
        terms = ("rate", f"{CRUDE} (rate)")
        for e in result.estimates:
            if (e.measure, e.group) == ("percent_reduction", group) and e.term in terms:
                return verdict(e)
        return "absent"
    for term in (main, "itt"):
        if effect(result, "risk_difference", term) is not None:
            return verdict_of(result, term)
    return "absent"


def plain_text(evaluation: Evaluation, check: Check) -> str:
    """Return what a check says, in the words and signs of the page."""
    text = re.sub(r"(?<=\d) %", "%", plain_check(evaluation, check))
    return re.sub(r"(?<!\w)-(?=\d)", "−", text)


def by_itself(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> str:
    """Set a fall beside what would have come by itself, with the intervals of the main result.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    name : str
        A count of users before and after; of other outcomes nothing is returned.
    labels : mapping
        Names of the arms.

    Returns
    -------
    str
        Empty where some of the three is not shown.
    """
    result = evaluation.results[name]
    inside = [fall_within_arm(result, arm) for arm in ARMS.codes]
    best = fall_between_arms(result)
    ranges = [_range(e) for e in (*inside, best)]
    if not all(ranges):
        return ""
    one, two = (group_phrase(arm, labels) for arm in ARMS.codes)
    return (
        f"{ranges[0]} fewer users in the {one} and {ranges[1]} in the {two}, so beyond what would "
        f"have come anyway {ranges[2]} fewer."
    )


def _range(e: Estimate | None) -> str:
    if e is None or e.estimate is None or e.conf_low is None or e.conf_high is None:
        return ""
    point, low, high = (
        f"{value:.0f}%".replace("-", "−") for value in (e.estimate, e.conf_low, e.conf_high)
    )
    return f"{point} ({low} to {high})"


def rival_table(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> Table:
    """Return every rival explanation of an outcome: what was found, and in numbers.

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
    Table
    """
    rows = []
    for check in checks_of(evaluation, name):
        what = check.name.removeprefix(_PREFIX)
        whom = arm_label(check.group, labels) if check.group else "Between the groups"
        text = plain_text(evaluation, check)
        shown = bool(text) and not text.startswith(NOTHING)
        if what == "regression_to_the_mean" and not check.group and shown:
            text = by_itself(evaluation, name, labels) or text
        rows.append(
            (
                RIVALS[what],
                whom,
                found_words(evaluation, name, check),
                *(_key_number(evaluation, name, what, check.group) if shown else ("", "", "")),
                text or HIDDEN,
            )
        )
    return Table(
        caption=f"{title_of(evaluation, name)}: what else could explain it",
        header=(
            "Other explanation",
            "Whom it is about",
            "What was found",
            "What the number is",
            "Number",
            f"{100 * evaluation.plan['design']['conf_level']:g}% interval",
            "In words",
        ),
        rows=tuple(dict.fromkeys(rows)),
        note="A range in brackets is the interval of the number before it.",
        annex=True,
    )


def every_rival_table(
    evaluation: Evaluation, names: Sequence[str], labels: Mapping[str, str]
) -> Table:
    """Return the rival explanations of every outcome in one table; of one alone, as `rival_table`.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    names : sequence of str
        Outcomes.
    labels : mapping
        Names of the arms.

    Returns
    -------
    Table
    """
    made = [rival_table(evaluation, name, labels) for name in names]
    if len(made) == 1:
        return made[0]
    return dataclasses.replace(
        made[0],
        caption="What else could explain each outcome",
        header=("Outcome", *made[0].header),
        rows=tuple(
            (title_of(evaluation, name), *row)
            for name, table in zip(names, made, strict=True)
            for row in table.rows
        ),
    )


#: The number that stands for an explanation: measure, how its term begins, and what it is.
_KEYS = {
    "missing": (
        ("percent_reduction", "worst case", "Fall if all of them still used it, %"),
        ("risk_difference", "worst case", "Difference afterwards at its worst, per 100"),
    ),
    "tipping": (("tipping_point", "point", "Of them who would have to use it, %"),),
    "imputed": (
        ("percent_reduction", "imputed", "Fall with them filled in, %"),
        ("risk_difference", "imputed", "Difference with them filled in, per 100"),
    ),
    "weighted": (("percent_reduction", "weighted", "Fall with weights, %"),),
    "misreporting": (("over_optimism", "point", "Of those who went on, to be missed, %"),),
    "differential_misreporting": (
        ("over_optimism", "point", "Of those who went on, to be missed, %"),
    ),
    "recording": (("detection_ratio", "point", "Times as likely to be recorded"),),
    "power": (("detectable_difference", "", "Smallest change that would be seen, per 100"),),
}


def _key_number(evaluation: Evaluation, name: str, what: str, group: str) -> tuple[str, str, str]:
    """Return what number stands for an explanation, the number and its interval, as a table has."""
    if what == "regression_to_the_mean" and not group:
        main = fall_between_arms(evaluation.results[name])
        if main is not None:
            words = "Fall beyond that of the comparison group, %"
            return (
                words,
                value_text(main, digits_of(evaluation)),
                interval_text(main, digits_of(evaluation)),
            )
    for measure, term, words in _KEYS.get(what, ()):
        for e in rivals_of(evaluation, name).estimates:
            same = e.measure == measure and e.group == group and not e.subgroup
            if same and e.term.startswith(term):
                digits = digits_of(evaluation)
                if measure == "detectable_difference":  # a share, to be written per 100
                    e = dataclasses.replace(e, measure="risk_difference")
                ends = interval_text(e, digits)
                return words, value_text(e, digits), "" if ends == MISSING else ends
    return "", "", ""


def found_words(evaluation: Evaluation, name: str, check: Check) -> str:
    """Say in a few words whether a rival could explain the result; the numbers stand beside it."""
    what = check.name.removeprefix(_PREFIX)
    for nothing in NOTHING:
        if check.text.startswith(nothing):
            return nothing
    if what == "verdict":
        return check.text.partition(":")[0]
    known = [e for e in rivals_of(evaluation, name).estimates if e.group == check.group]
    if what == "power":
        return _power(evaluation, known)
    if what in ("one_site", "one_person"):
        if check.passed is None:
            return "See the numbers"
        return "It stays without any one" if check.passed else "It may: see the numbers"
    if what == "subgroup":
        return _kinds(evaluation, name)
    if what == "regression_to_the_mean":
        return _expected(evaluation, name, check)
    kind = fall_of(evaluation, name, check.group)
    if kind not in ("fell", "rose", "cannot tell"):
        return _NOT_SHOWN if kind == "not shown" else "No change to explain"
    if what == "recording":
        return _recorded(known, kind)
    if kind != "fell":
        return "There is no clear fall to explain"
    if what in ("missing", "imputed", "weighted"):
        return _under(what, known, between=not check.group)
    if what == "tipping":
        return _tips(known, check)
    return _hopeful(known)


def _stays(found: Sequence[Estimate], good: int = 1) -> str:
    """Say whether a fall stays under every one of some assumptions (good: which sign is less)."""
    if not found or any(e.estimate is None for e in found):
        return _NOT_SHOWN if any(e.method == NOT_SHOWN for e in found) else "Not defined"
    points = [good * e.estimate for e in found if e.estimate is not None]
    ends = [e.conf_low if good > 0 else e.conf_high for e in found]
    if all(end is not None and good * end > 0 for end in ends):
        return "A fall stays"
    return "A fall stays, but not clearly" if min(points) > 0 else "The fall could vanish"


def _under(what: str, known: Sequence[Estimate], *, between: bool) -> str:
    if what == "missing":
        measure, wanted = ("risk_difference", ("worst case",)) if between else (
            "percent_reduction", ("worst case",)
        )  # fmt: skip
    else:
        measure, wanted = ("risk_difference" if between else "percent_reduction"), (what,)
    some = [e for e in known if e.measure == measure and e.term.startswith(wanted)]
    if what == "missing" and between and _stays(some, -1) == "The fall could vanish":
        lee = [e for e in known if e.measure == measure and e.term == "Lee upper"]
        if _stays(lee, -1) == "A fall stays":
            return (
                "The difference could vanish; not if the programme moves people one way only, into "
                "being measured or out of it"
            )
        return "The difference could vanish"
    said = _stays(some, -1 if between else 1)
    return said.replace("A fall", "The difference").replace("The fall", "The difference") if (
        between
    ) else said  # fmt: skip


def _tips(known: Sequence[Estimate], check: Check) -> str:
    if check.passed:
        return "Not even all of them would be enough"
    for e in known:
        if (e.measure, e.term) == ("tipping_point", "point") and e.estimate is not None:
            return f"It would take {percent_words(e.estimate)} of them"
    return _NOT_SHOWN


def _hopeful(known: Sequence[Estimate]) -> str:
    for e in known:
        if (e.measure, e.term) == ("over_optimism", "point") and e.estimate is not None:
            return f"Only if {percent_words(e.estimate)} of those who went on were missed"
    return _NOT_SHOWN


def _recorded(known: Sequence[Estimate], kind: Verdict) -> str:
    if kind == "fell":
        return "If more is recorded, that would hide a fall, and not make one"
    for e in known:
        if (e.measure, e.term) == ("detection_ratio", "point") and e.estimate is not None:
            return f"It could, if events were {e.estimate:.2g} times as likely to be recorded"
    return _NOT_SHOWN


def _expected(evaluation: Evaluation, name: str, check: Check) -> str:
    """Say whether a fall went beyond what would have come by itself."""
    found = {
        e.measure: e
        for e in rivals_of(evaluation, name).estimates
        if e.measure in ("expected_fall", "fall_beyond")
        and bool(e.subgroup) == bool(check.group)
        and (not check.group or e.group == check.group)
    }
    beyond, expected = found.get("fall_beyond"), found.get("expected_fall")
    if beyond is None or expected is None:
        return "Cannot be told"
    if beyond.estimate is None or expected.estimate is None:
        return _NOT_SHOWN
    if beyond.conf_low is not None and beyond.conf_low > 0:
        some = expected.conf_low is not None and expected.conf_low > 0
        return "It explains a part" if some else "It explains little, if anything"
    return "It could explain all of it"


def _kinds(evaluation: Evaluation, name: str) -> str:
    tests = [
        c.p_value
        for c in rivals_of(evaluation, name).checks
        if c.name.startswith("subgroup: heterogeneity,") and c.p_value is not None
    ]
    if not tests:
        return "See the numbers"
    return "They differ" if min(tests) < 0.05 else "No clear difference between them"


def _power(evaluation: Evaluation, known: Sequence[Estimate]) -> str:
    least = float(evaluation.plan["sensitivity"]["power"])
    for e in known:
        if e.measure == "power_at_worthwhile" and e.estimate is not None:
            enough = e.estimate >= least
            return f"{'Enough' if enough else 'Too few'} for the smallest worthwhile change"
    return "See the numbers"


def rival_checks_table(evaluation: Evaluation, labels: Mapping[str, str]) -> Table:
    """Return what was looked at on the way to the rival explanations and the reporters."""
    marks = {True: "held", False: "did not hold", None: "for information"}
    rows = [
        (
            title_of(evaluation, name.partition(":")[2])
            if name.startswith("rivals:")
            else f"{behaviour_label(name.partition(':')[2])} (two reporters)",
            arm_label(check.group, labels) if check.group else "",
            # "Effective" is a word about programmes, and never about one here.
            check.name.replace("effective_size", "what_the_weights_leave").replace("_", " "),
            marks[check.passed],
            plain_check(evaluation, check),
        )
        for name, result in evaluation.results.items()
        if name.startswith(("rivals:", "reporters:"))
        for check in result.checks
        if not check.name.startswith(_PREFIX) and check.text
    ]
    return Table(
        caption="Checks of the other explanations",
        header=("Outcome", "Group", "Check", "Result", "What it says"),
        rows=tuple(dict.fromkeys(rows)),
        annex=True,
    )
