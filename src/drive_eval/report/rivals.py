"""What else could explain a result: each rival explanation with what was found and its numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drive_eval.plan import BehaviourOutcome, Plan, ReoffendingOutcome, outcome_names
from drive_eval.report.designs import plain_check
from drive_eval.report.sentences import (
    CRUDE,
    arm_label,
    behaviour_label,
    effect,
    main_design,
    percent_words,
    verdict,
    verdict_between,
    verdict_of,
    verdict_within,
)
from drive_eval.report.tables import HIDDEN, Table
from drive_eval.results import NOT_SHOWN, ResultSet
from drive_eval.vocabulary import ARMS, REPORTERS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.report.sentences import Verdict
    from drive_eval.results import Check, Estimate, Evaluation

__all__ = [
    "RIVALS",
    "fall_of",
    "is_primary",
    "rival_checks_table",
    "rival_names",
    "rival_sentences",
    "rival_table",
    "rivals_of",
    "title_of",
]

#: The rival explanations in the order of the report, as a reader would put them.
RIVALS = {
    "regression_to_the_mean": "People come in at a crisis, and a crisis passes",
    "missing": "Those not seen again did worse",
    "tipping": "How many of them would have to do worse",
    "imputed": "Those not seen again are filled in by a model",
    "weighted": "Those seen again are weighted to stand for all",
    "misreporting": "Records afterwards are too hopeful",
    "differential_misreporting": "Records of the programme are more hopeful than the others'",
    "recording": "More contact brings more into the records",
    "one_person": "It hangs on one person",
    "one_site": "It hangs on one place",
    "subgroup": "It holds for some kinds of people only",
    "power": "Too few people to see it",
    "verdict": "Chance, and a change too small to matter",
}
#: What is said of an outcome in a paragraph; the rest stands in its table.
_SAID = ("regression_to_the_mean", "missing", "tipping", "recording", "one_person", "verdict")
_NOT_SHOWN = "Not shown"
#: How a sentence begins that has no number.
_NOTHING = ("Not worked out", _NOT_SHOWN)
_PREFIX = "rival:"


def rivals_of(evaluation: Evaluation, name: str) -> ResultSet:
    """Return the rival explanations of an outcome; an empty result where there are none."""
    return evaluation.results.get(f"rivals:{name}", ResultSet())


def rival_names(evaluation: Evaluation) -> list[str]:
    """Return the outcomes that have any rival explanation to be shown, in the plan's order."""
    plan = Plan.model_validate(dict(evaluation.plan))
    names = [name for outcome in plan.outcomes for name in outcome_names(outcome)]
    return [name for name in names if _checks(evaluation, name)]


def _checks(evaluation: Evaluation, name: str) -> list[Check]:
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


def title_of(evaluation: Evaluation, name: str) -> str:
    """Return an outcome in plain words, with its reporter where there are several."""
    for outcome in evaluation.plan["outcomes"]:
        if outcome.get("name") == name:
            return str(outcome.get("label") or label(name))
    parts = name.split(":")
    if len(parts) < 2:
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


def rival_sentences(evaluation: Evaluation, name: str) -> list[str]:
    """Return the main rival explanations of an outcome, one sentence each.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    name : str
        Outcome name.

    Returns
    -------
    list of str
        Of the programme arm and of the groups beside each other.
    """
    said: dict[str, None] = {}
    for what in _SAID:
        for check in _checks(evaluation, name):
            wanted = check.name == f"{_PREFIX}{what}" and check.group in ("", "programme")
            if wanted and check.text and not check.text.startswith(_NOTHING):
                lead = ""
                if what == "verdict":
                    lead = "The groups beside each other: " if not check.group else ""
                    lead = lead or "The programme group alone: "
                said[_plain(evaluation, check, lead)] = None
    return list(said)


def _plain(evaluation: Evaluation, check: Check, lead: str = "") -> str:
    text = re.sub(r"(?<=\d) %", "%", plain_check(evaluation, check))
    text = re.sub(r"(?<!\w)-(?=\d)", "−", text)
    return f"{lead}{text[:1].lower()}{text[1:]}" if lead else text


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
    for check in _checks(evaluation, name):
        what = check.name.removeprefix(_PREFIX)
        whom = arm_label(check.group, labels) if check.group else "Between the groups"
        rows.append(
            (
                RIVALS[what],
                whom,
                _found(evaluation, name, what, check),
                _plain(evaluation, check) or HIDDEN,
            )
        )
    return Table(
        caption=f"{title_of(evaluation, name)}: what else could explain it",
        header=("Other explanation", "Whom it is about", "What was found", "In numbers"),
        rows=tuple(dict.fromkeys(rows)),
        note="A range in brackets is the interval of the number before it.",
    )


def _found(evaluation: Evaluation, name: str, what: str, check: Check) -> str:
    """Say in a few words whether a rival could explain the result; the numbers stand beside it."""
    for nothing in _NOTHING:
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
    )
