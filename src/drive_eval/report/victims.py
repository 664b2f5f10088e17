"""Are victim-survivors safer: what is told for them, how many they are, and whom nobody reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.plan import (
    BehaviourOutcome,
    BinaryOutcome,
    PerceivedChangeOutcome,
    Plan,
    outcome_names,
)
from drive_eval.report.drawing import TOO_FEW, shown_count
from drive_eval.report.numbers import digits_of
from drive_eval.report.sentences import (
    arm_label,
    arm_sentence,
    behaviour_label,
    group_phrase,
    out_of_100,
    people_words,
    risk_sentences,
)
from drive_eval.report.tables import Table
from drive_eval.vocabulary import ARMS, EXIT_REASONS, REPORTERS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.plan import Outcome
    from drive_eval.results import CountTable, Evaluation

__all__ = [
    "HEADING",
    "victims_findings",
    "victims_sentence",
    "victims_table",
    "victims_text",
]

HEADING = "Are victim-survivors safer?"
#: Who wrote the figures down, in words that fit "what … recorded".
RECORDED = {
    "idva": "their advisers (IDVAs)",
    "case_manager": "the perpetrators’ case managers",
    "perpetrator": "the perpetrators themselves",
    "police": "the police",
}
LINKED = "linked to a case"


def victims_sentence(evaluation: Evaluation) -> str:
    """Say in a line whether these data tell if victim-survivors are safer.

    Parameters
    ----------
    evaluation : Evaluation
        Released.

    Returns
    -------
    str
        For the first page: without a statistical term, and with no number but shares of 100.
    """
    plan, labels = _plan(evaluation)
    own, advised = _own(plan), _advised(plan)
    if own:
        names = [_title(outcome) for outcome in own]
        return (
            f"Are victim-survivors safer? They were asked themselves about {_listed(names)}; see "
            f"“{HEADING}” in the report."
        )
    if advised is None:
        return f"Are victim-survivors safer? {_not_there(evaluation, plan)}"
    result = evaluation.results[outcome_names(advised)[0]]
    judged = [e for e in result.estimates if e.measure == "share_reduced"]
    shares = [
        f"{out_of_100(e.estimate)} of every 100 in the {group_phrase(e.group, labels)}"
        for e in judged
        if e.estimate is not None
    ]
    said = ""
    if shares:
        said = f"Advisers (IDVAs) judged the risk to them lower for {' and '.join(shares)}"
        hidden = [group_phrase(e.group, labels) for e in judged if e.estimate is None]
        said += f"; for the {hidden[0]} it is not shown. " if hidden else ". "
    return (
        f"Are victim-survivors safer? {said}They and their children were not asked: whether anyone "
        "feels safer or is freer, these data do not show."
    )


def victims_text(evaluation: Evaluation, labels: Mapping[str, str]) -> list[str]:
    """Say what is told for victim-survivors, how many they are, and who is missing.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    labels : mapping
        Names of the arms.

    Returns
    -------
    list of str
        Paragraphs; never empty, because silence would pass for good news.
    """
    plan, _ = _plan(evaluation)
    said = [_told(evaluation, plan), _how_many(evaluation, labels)]
    if _rated_by_idva(plan):
        said.append(
            "Victim-survivors without an IDVA are in no figure that is rated by the IDVA. How "
            "things are for them is not known here."
        )
    said += _lost(evaluation, plan, labels)
    return [line for line in said if line]


def victims_findings(
    evaluation: Evaluation, labels: Mapping[str, str]
) -> list[tuple[str, list[str]]]:
    """Give every outcome of victim-survivors, and what their advisers judged of the risk to them.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    labels : mapping
        Names of the arms.

    Returns
    -------
    list of (str, list of str)
        A title and its sentences; empty where there are no such outcomes.
    """
    plan, _ = _plan(evaluation)
    found: list[tuple[str, list[str]]] = []
    advised = _advised(plan)
    for outcome in [*_own(plan), *([advised] if advised else [])]:
        for name in outcome_names(outcome):
            result = evaluation.results[name]
            if isinstance(outcome, BehaviourOutcome):
                lines = [
                    arm_sentence(result, name, arm, labels)
                    for arm in ARMS.codes
                    if any(e.group == arm for e in result.estimates)
                ]
                found.append((f"{behaviour_label(name)}, as victim-survivors said", lines))
                continue
            title = _title(outcome)
            lines = risk_sentences(result, title[:1].upper() + title[1:], labels)
            who = "What IDVAs judged" if outcome is advised else "What victim-survivors said"
            found.append((who, lines))
    return found


def victims_table(evaluation: Evaluation, labels: Mapping[str, str]) -> Table | None:
    """How many victim-survivors stand behind the figures; None where the data do not say."""
    rows = [
        (
            arm_label(arm, labels),
            label(line),
            shown_count(count),
            _row_share(line, count, whole, exact=exact),
        )
        for table in _tables(evaluation)
        for (arm, line), count, whole, exact in _lines(evaluation, table)
    ]
    if not rows:
        return None
    return Table(
        caption="Victim-survivors behind the figures",
        header=("Group", "Victim-survivors", "Number", "Of 100 linked"),
        rows=tuple(dict.fromkeys(rows)),
        note=(
            "Each victim-survivor is counted once in a group. Children are not counted: the data "
            "give a number for each victim-survivor, and two of them may speak of the same child. "
            f"[c]: {TOO_FEW}."
        ),
    )


def _plan(evaluation: Evaluation) -> tuple[Plan, dict[str, str]]:
    plan = Plan.model_validate(dict(evaluation.plan))
    return plan, {
        "programme": plan.report.programme_label,
        "comparison": plan.report.comparison_label,
    }


def _own(plan: Plan) -> list[Outcome]:
    """Return the outcomes that victim-survivors told themselves."""
    return [
        o
        for o in plan.outcomes
        if getattr(o, "reporter", "") == "victim_survivor"
        and not (isinstance(o, BinaryOutcome) and o.negative)
    ]


def _advised(plan: Plan) -> PerceivedChangeOutcome | None:
    """Return what their advisers judged of the risk to them."""
    for outcome in plan.outcomes:
        if isinstance(outcome, PerceivedChangeOutcome) and outcome.reporter == "idva":
            return outcome
    return None


def _title(outcome: Outcome) -> str:
    if isinstance(outcome, BehaviourOutcome):
        return _listed([label(kind).lower() for kind in outcome.abuse_types])
    if isinstance(outcome, PerceivedChangeOutcome):
        return "risk to them judged to have fallen"
    return (getattr(outcome, "label", "") or outcome.name.replace("_", " ")).lower()


def _listed(names: Sequence[str]) -> str:
    *several, last = names
    return f"{', '.join(several)} and {last}" if several else last


def _rated_by_idva(plan: Plan) -> bool:
    return any(getattr(o, "reporter", "") == "idva" for o in plan.outcomes)


def _told(evaluation: Evaluation, plan: Plan) -> str:
    if _own(plan):
        names = [_title(outcome) for outcome in _own(plan)]
        return (
            f"Victim-survivors said themselves how it was: {_listed(names)}. What they said comes "
            "first; figures of others are about the perpetrator. Nothing here was told by children."
        )
    text = _not_there(evaluation, plan)
    if _advised(plan) is not None:
        text += (
            " What comes nearest is given here: how their advisers judged the risk to them. It is "
            "the advisers’ judgement, and does not show it either."
        )
    return text


def _not_there(evaluation: Evaluation, plan: Plan) -> str:
    codes = [getattr(o, "reporter", "") for o in plan.outcomes]
    codes += [code for o in plan.outcomes for code in getattr(o, "source", ())]
    who = list(dict.fromkeys(RECORDED[code] for code in codes if code in RECORDED))
    whom = people_words(evaluation)
    about = "the perpetrator" if whom != "people" else "the people in the study"
    recorded = f"what {_listed(who)} recorded about {about}" if who else f"records about {about}"
    return (
        "No outcome of victim-survivors or children themselves is in these data. The figures are "
        f"{recorded}. They do not show whether anyone is safer, feels safer or is freer."
    )


def _tables(evaluation: Evaluation) -> list[CountTable]:
    return [table for table in evaluation.tables if table.name.startswith("victims:")]


def _lines(
    evaluation: Evaluation, table: CountTable
) -> list[tuple[tuple[str, str], int | None, int | None, bool]]:
    """Return each line of a table with the number of all in its arm, and whether it is exact."""
    first = {cell.key: cell.count for t in _tables(evaluation)[:1] for cell in t.cells}
    counts = {cell.key: cell.count for cell in table.cells}
    found = []
    for arm in [arm for arm in ARMS.codes if any(key[0] == arm for key in counts)]:
        here = [key for key in counts if key[0] == arm]
        here.sort(key=lambda key: key[1] != LINKED)
        parts = [counts[key] for key in here if key[1] != LINKED]
        # Of what stands beside it in the same table, so that parts and whole are of one rounding.
        whole = sum(part or 0 for part in parts) if parts and None not in parts else None
        whole = whole or counts.get((arm, LINKED), first.get((arm, LINKED)))
        exact = all(cell.status != "rounded" for cell in table.cells)
        found += [((key[0], key[1]), counts[key], whole, exact) for key in here]
    return found


def _share(count: int | None, whole: int | None, *, exact: bool) -> str:
    # Two equal rounded counts are no proof that it is everybody.
    if count is None or not whole or (count >= whole and not exact):
        return "[c]"
    return out_of_100(count / whole)


def _row_share(line: str, count: int | None, whole: int | None, *, exact: bool) -> str:
    if line == LINKED and count is not None:
        return "100"
    return _share(count, whole, exact=exact)


def _how_many(evaluation: Evaluation, labels: Mapping[str, str]) -> str:
    if not _tables(evaluation):
        return (
            "The data do not say how many victim-survivors and children stand behind the figures."
        )
    said: dict[str, list[str]] = {}
    for table in _tables(evaluation):
        for (arm, line), count, whole, exact in _lines(evaluation, table):
            who = group_phrase(arm, labels)
            if line == LINKED and count is not None and not said.get(arm):
                said[arm] = [f"{count:,} victim-survivors in the {who}"]
            elif line in ("supported by an IDVA", "with children in their care") and said.get(arm):
                words = _share(count, whole, exact=exact)
                if words != "[c]":
                    said[arm].append(f"{words} of 100 {line}")
                elif count is not None:
                    said[arm].append(f"nearly all {line}")
    parts = [
        parts[0] + (f" (of them {', '.join(parts[1:])})" if parts[1:] else "")
        for parts in said.values()
    ]
    if not parts:
        return (
            "How many victim-survivors stand behind the figures is not shown, so that nobody can "
            "be recognised."
        )
    return (
        f"Behind the figures stand {' and '.join(parts)}. How many children there are is not "
        "counted; who lives with abuse as a child does not show in these figures."
    )


def _lost(evaluation: Evaluation, plan: Plan, labels: Mapping[str, str]) -> list[str]:
    """Say how many were rated before and not after, out of 100, and how their cases had closed."""
    behaviours = [o for o in plan.outcomes if isinstance(o, BehaviourOutcome)]
    outcome = next((o for o in behaviours if o.reporter in ("idva", "victim_survivor")), None)
    if outcome is None:
        return []
    name = outcome_names(outcome)[0]
    before, after = label(outcome.before).lower(), label(outcome.after).lower()
    rated, lost, hidden = [], [], []
    for table in evaluation.results[name].tables:
        kind, _, arm = table.name.partition(":")
        if kind != "pairs":
            continue
        counts = {cell.key: cell.count for cell in table.cells}
        everybody, first, gone = (
            counts.get(key)
            for key in (
                ("all", "referred"),
                ("all", f"measured at {outcome.before}"),
                ("missing", "only before"),
            )
        )
        arm = group_phrase(arm, labels)
        if everybody and first is not None:
            all_of_them = first >= everybody and digits_of(evaluation) is not None
            words = "nearly all" if all_of_them else out_of_100(min(1.0, first / everybody))
            rated.append(f"{words} in the {arm}")
        if first and gone is not None:
            lost.append(f"{out_of_100(min(1.0, gone / first))} in the {arm}")
        else:
            hidden.append(arm)
    if not lost and not hidden:
        return []
    who = REPORTERS.label(outcome.reporter)
    by = f"by the {who[:1].lower()}{who[1:]}"
    whom = people_words(evaluation)
    said = ["Lost contact:"]
    if rated:
        said.append(f"of every 100 {whom}, {' and '.join(rated)} were rated {by} at {before}.")
    if lost:
        of = "Of" if rated else "of"
        said.append(
            f"{of} every 100 {whom} so rated, {' and '.join(lost)} were not rated again at {after}."
        )
    if hidden:
        how = "How" if rated or lost else "how"
        said.append(
            f"{how} many were lost between {before} and {after} in the {' and the '.join(hidden)} "
            "is not shown, so that nobody can be recognised."
        )
    # The flow tells of the first outcome's reporter alone.
    reasons = _reasons(evaluation, outcome) if behaviours[0] is outcome else ""
    if reasons:
        said.append(f"How their cases had closed, most often of what is shown: {reasons}.")
    said.append(
        "Why a victim-survivor was out of reach is not recorded. That is no good news: they may be "
        "out of reach because they are safe, or because they are controlled."
    )
    return [" ".join(said)]


def _reasons(evaluation: Evaluation, outcome: BehaviourOutcome) -> str:
    """Name the two commonest ways in which the cases of those lost had closed, as far as shown."""
    stem = f"no {outcome.after} measure: "
    found: dict[str, int] = {}
    for cell in evaluation.table("flow").cells:
        if cell.key[1].startswith(stem) and cell.count:
            code = cell.key[1].removeprefix(stem)
            found[code] = found.get(code, 0) + cell.count
    first = sorted(found, key=lambda code: -found[code])[:2]
    return _listed([EXIT_REASONS.label(code).lower() for code in first]) if first else ""
