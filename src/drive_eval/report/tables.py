"""Tables of released results as rows of text, ready for any format."""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drive_eval.plan import Plan, primary_estimate
from drive_eval.report.bounds import (
    bounded_estimates,
    ends_text,
    ends_within,
    undone,
)
from drive_eval.report.designs import design_label, plain_check
from drive_eval.report.drawing import HIDDEN_NOTE
from drive_eval.report.front import as_allocated, facts
from drive_eval.report.numbers import digits_of, number
from drive_eval.report.plain import GO_ON, range_note, rounding_note, short_verdict
from drive_eval.report.sentences import (
    CRUDE,
    arm_label,
    behaviour_label,
    design_names,
    group_phrase,
    is_outcome,
    main_design,
    out_of_100,
    people_words,
    percent_text,
    reporter_words,
    threshold_words,
)
from drive_eval.results import NOT_SHOWN
from drive_eval.vocabulary import ARMS, EVENT_SOURCES, REPORTERS, SEVERITY, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.results import Cell, Check, CountTable, Estimate, Evaluation, ResultSet

__all__ = [
    "Table",
    "before_and_after",
    "change_total",
    "checks_table",
    "counts_table",
    "denominators_table",
    "effects_table",
    "front_box",
    "headline_table",
    "main_effects_table",
    "outcome_table",
    "p_text",
    "provenance_table",
    "published_table",
    "reductions_table",
    "severity_table",
    "stage_words",
    "stages_first",
]

HIDDEN = "[c]"
MISSING = "[x]"
NOT_STATED = "Not stated"

MEASURES = {
    "percent_reduction": "Relative fall in users",
    "risk_difference": "Change per 100 people",
    "risk_ratio": "Ratio of shares",
    "odds_ratio": "Ratio of odds",
    "ratio_of_ratios": "Ratio of the two changes",
    "difference_in_differences": "Difference of the two changes, per 100",
    "prevalence_before": "Share before, of 100",
    "prevalence_after": "Share after, of 100",
    "cessation": "Stopped, of 100 users before",
    "onset": "Started, of 100 non-users before",
    "probability_improved": "Improved, of 100",
    "probability_worsened": "Got worse, of 100",
    "improved_minus_worsened": "Improved minus got worse, of 100",
    "share_reduced": "Moderate or significant reduction, of 100",
    "risk_treated": "Share in the programme arm, of 100",
    "risk_comparison": "Share in the comparison arm, of 100",
    "delivered_difference": "Difference in delivery, per 100",
    "net_change": "Net change, per 100",
    "stopped": "Known to have stopped, of 100",
    "started": "Known to have started, of 100",
    "e_value": "E-value: strength of a hidden cause that would explain it away",
    "p_upper": "Largest P value that a hidden difference of this strength allows",
    "p_lower": "Smallest P value that a hidden difference of this strength allows",
    "gamma_at_alpha": "Strength of a hidden difference that puts the finding in doubt",
    "e_value_limit": "E-value of the end of the interval nearer to no difference",
    "event_free": "Still free of it, of 100",
    "event_free_difference": "Difference of those still free of it, per 100",
    "restricted_mean": "Average time free of it",
    "restricted_mean_difference": "Difference of the average time free of it",
    "restricted_mean_ratio": "Ratio of the average time free of it",
    "time_lost": "Average time not free of it",
    "time_lost_ratio": "Ratio of the average time not free of it",
    "hazard_ratio": "Hazard ratio",
    "cumulative_incidence": "Came first by then, of 100",
    "cumulative_incidence_difference": "Difference of those for whom it came first, per 100",
    "mean_cumulative_count": "Events so far, per 100 people",
    "mean_cumulative_count_difference": "Difference of the events so far, per 100 people",
    "mean_cumulative_count_ratio": "Ratio of the events so far",
    # Already per hundred, so not among PER_HUNDRED.
    "rate": "Events for every hundred people a year",
    "rate_ratio": "Ratio of the rates",
}
PER_HUNDRED = frozenset(
    name for name, words in MEASURES.items() if "100" in words
)  # fmt: skip
#: Contrasts of the arms, where the words for one arm would mislead.
BETWEEN = {
    ("difference_in_differences", ""): MEASURES["difference_in_differences"],
    ("percent_reduction", "ratio"): "Ended lower than if it had changed as the other group, %",
    ("percent_reduction", "users"): "Lower than in the other group, % of its share",
    ("percent_reduction", "hazard"): "Lower rate at any moment, %",
    ("percent_reduction", "rate"): "Rate lower than if it had changed as the other group's, %",
    ("percent_reduction", "harm"): "Harm lower than if it had changed as the other group's, %",
    ("percent_reduction", "after"): "Lower rate afterwards, % of the other group's",
    ("percent_reduction", "harm after"): "Less harm afterwards, % of the other group's",
    ("risk_difference", ""): "Difference of the groups, per 100",
    ("risk_difference", "itt"): "Difference of the groups, per 100",
    ("risk_difference", "as_treated"): "Difference of the groups, per 100",
    ("risk_difference", "iv"): "Difference of the groups, per 100",
}
#: Changes of one arm that are not of users.
WITHIN = {
    ("percent_reduction", "rate"): "Relative fall in the rate of events, %",
    ("percent_reduction", "harm"): "Relative fall in harm, %",
}
#: What an effect may be read as, in words that need no explanation.
CLAIMS = {
    "descriptive": "change within the group, not an effect",
    "associational": "difference, not proof of cause",
    "causal": "effect: groups made by chance",
}
CONTRASTS = {
    "programme v comparison, after v before": "change in one group set against the other's",
    "programme v comparison, after": "after only",
}
TERMS = {
    "itt": "as allocated",
    "as_treated": "as delivered",
    "first_stage": "delivery by allocation",
    "iv": "instrumental variable",
    "iv_anderson_rubin": "instrumental variable, Anderson–Rubin",
    "adjusted": "adjusted for covariates",
    "repeated": "every event, not the first alone",
    "reoffence": "a first event",
    "custody": "custody, before any event",
    "death": "death, before any event",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as text.

    Attributes
    ----------
    caption : str
    header : tuple of str
        The first column heads the rows.
    rows : tuple of tuple of str
    note : str
    unfolded : bool
        Whether it stands open where other tables of its section are folded away.
    annex : bool
        For those who check: folded away on the page; on paper only its caption and where it is.
    number : int
        Of the table in the report, which is that of its sheet in the workbook; 0 before it has one.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    unfolded: bool = False
    annex: bool = False
    number: int = 0


def front_box(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return what a reader must know before the first number; what the plan leaves out is named."""
    plan = evaluation.plan
    about, design, data = plan["evaluation"], plan["design"], plan["data"]
    who = {REPORTERS.label(o["reporter"]) for o in plan["outcomes"] if o.get("reporter")}
    # A source and a reporter of one name, such as the police, are one.
    who |= {EVENT_SOURCES.label(code) for o in plan["outcomes"] for code in o.get("source") or ()}
    rows = [
        ("Question", about["question"]),
        ("Design", _design(evaluation)),
        ("Comparison group received", design["comparator"]),
        ("Place", about["place"]),
        ("Counted", people_words(evaluation)),
        ("How many", _how_many(evaluation)),
        *facts(evaluation),
        ("Who reported", "; ".join(sorted(who))),
        ("Data", data["source"]),
        ("Data complete to", _day(about["data_cut"])),
        ("Evaluated by", ", ".join(about["authors"])),
        ("Report date", _day(about["report_date"])),
        ("Status", about["status"]),
        ("Review by", _day(about["review_by"])),
        ("Made with", _made_with(evaluation)),
    ]
    if design["kind"] == "before_after":
        rows = [row for row in rows if row[0] != "Comparison group received"]
    return [(name, str(value) if value else NOT_STATED) for name, value in rows]


def _day(value: object) -> str:
    """Return a date as it is read; a released plan holds it as text.

    Examples
    --------
    >>> _day("2026-11-01"), _day(None)
    ('1 November 2026', '')
    """
    if not value:
        return ""
    day = dt.date.fromisoformat(str(value))
    return f"{day.day} {calendar.month_name[day.month]} {day.year}"


def _how_many(evaluation: Evaluation) -> str:
    """Return how many people the flow starts with in each arm, as far as that may be shown."""
    labels = evaluation.plan["report"]
    names = {arm: labels[f"{arm}_label"] for arm in ARMS.codes}
    counts = {
        cell.key: cell.count
        for table in evaluation.tables
        if table.name == "flow"
        for cell in table.cells
    }
    stages = ("in the cohort", "allocated")
    said = [
        f"{count:,} in the {group_phrase(arm, names)}"
        for arm in ARMS.codes
        if (count := next((counts[arm, at] for at in stages if counts.get((arm, at))), None))
    ]
    return "; ".join(said)


def _made_with(evaluation: Evaluation) -> str:
    version = evaluation.provenance.versions.get("drive_eval", "")
    return f"drive_eval {version}" if version else ""


def _design(evaluation: Evaluation) -> str:
    design = evaluation.plan["design"]
    words = design["kind"].replace("_", " ").capitalize()
    return f"{words}. {design['allocation']}" if design["allocation"] else words


def headline_table(
    evaluation: Evaluation, names: Sequence[str], labels: Mapping[str, str]
) -> Table:
    """Each abuse type out of 100 before and after in both arms, and how sure we are."""
    groups = _groups(evaluation, names)
    main = main_design(evaluation)
    made = str(evaluation.plan["design"]["kind"]) if main else ""
    rows = []
    for name in names:
        result = evaluation.results[name]
        shares = [
            " → ".join(
                _hundred(_find(result, f"prevalence_{when}", group)) for when in ("before", "after")
            )
            for group in groups
        ]
        said = (short_verdict(result, labels, main, made), undone(evaluation, name))
        rows.append((behaviour_label(name), *shares, " ".join(filter(None, said))))
    heads = [f"{arm_label(group, labels)} group" for group in groups]
    notes = []
    if any("likely" in row[-1] for row in rows):
        notes.append(range_note(evaluation))
    if any(HIDDEN in " ".join(row) for row in rows):
        notes.append(f"{HIDDEN}: too few people to show. {GO_ON}")
    notes.append(rounding_note(evaluation, names))
    return Table(
        caption=(
            f"Of every 100 people, how many used each type of abuse {before_and_after(names)}"
            f"{as_allocated(evaluation)}"
        ),
        header=("Type of abuse", *heads, "How sure we are"),
        rows=tuple(rows),
        note=" ".join(note for note in notes if note),
    )


def before_and_after(names: Sequence[str]) -> str:
    """Say when abuse was rated, from which severity it counts, and who rated it."""
    _type, reporter, span, *rest = names[0].split(":")
    first, _dash, second = span.partition("-")
    counted = f"({threshold_words(rest[0])}) " if rest and rest[0] != "standard" else ""
    return (
        f"{counted}before ({label(first).lower()}) → after ({label(second).lower()}), as rated by "
        f"the {reporter_words(reporter)}"
    )


def reductions_table(
    evaluation: Evaluation, names: Sequence[str], labels: Mapping[str, str]
) -> Table:
    """The numbers behind the reductions chart: users, people, shares and the fall."""
    rows = []
    digits = digits_of(evaluation)
    level = evaluation.plan["design"]["conf_level"]
    for name in names:
        result = evaluation.results[name]
        for group in _groups(evaluation, [name]):
            fall = _find(result, "percent_reduction", group)
            change = _find(result, "risk_difference", group)
            table = _table(result, f"pairs:{group}")
            if table is None:
                continue
            rows.append(
                (
                    behaviour_label(name),
                    arm_label(group, labels),
                    _count(table["all", "measured at both"]),
                    _count(table["users", "before"]),
                    _count(table["users", "after"]),
                    value_text(change, digits),
                    interval_text(change, digits),
                    value_text(fall, digits),
                    interval_text(fall, digits),
                    ends_text(ends_within(evaluation, name, group)) or _no_range(fall),
                )
            )
    unrated = "The last column: how many fewer if all, and if none, of those not rated a second "
    return Table(
        caption="Users of each type of abuse before and after",
        header=(
            "Type of abuse",
            "Group",
            "Measured at both",
            "Users before",
            "Users after",
            "Change per 100",
            f"{100 * level:g}% interval",
            "Relative fall, %",
            f"{100 * level:g}% interval",
            "With those not rated twice",
        ),
        rows=tuple(rows),
        note=(
            f"{unrated}time still used it. "
            f"{HIDDEN_NOTE} [x]: cannot be "
            "computed; the checks say why."
        ),
    )


def _no_range(fall: Estimate | None) -> str:
    return "the same" if fall is not None and fall.estimate is not None else ""


def severity_table(
    evaluation: Evaluation, names: Sequence[str], labels: Mapping[str, str]
) -> Table:
    """Severity levels before and after, and who improved, stayed the same or got worse."""
    rows = []
    for name in names:
        for group in _groups(evaluation, [name]):
            table = _table(evaluation.results[name], f"pairs:{group}")
            if table is None:
                continue
            total = table["all", "measured at both"]
            for when in ("before", "after"):
                rows.append(
                    (
                        behaviour_label(name),
                        arm_label(group, labels),
                        when,
                        *[_count(table[when, code]) for code in SEVERITY.codes],
                        *(
                            [_share(table, change, total) for change in ("improved", "worsened")]
                            if when == "after"
                            else ["", ""]
                        ),
                    )
                )
    return Table(
        caption="People by severity, before and after",
        header=(
            "Type of abuse",
            "Group",
            "When",
            *[SEVERITY.label(code) for code in SEVERITY.codes],
            "Improved, of 100",
            "Got worse, of 100",
        ),
        rows=tuple(rows),
        note=f"{HIDDEN_NOTE} Each count is rounded by itself.",
    )


def outcome_table(
    table: CountTable, caption: str, evaluation: Evaluation, labels: Mapping[str, str]
) -> Table:
    """Outcome by group, and as delivered too only where people were allocated by chance."""
    if "delivered" not in table.dimensions or evaluation.plan["design"]["kind"] == "randomised":
        return counts_table(table, f"{caption}: {table.title.lower()}", labels)
    rows = tuple(
        (arm_label(group, labels), _key_text(outcome, labels), _count(cell.count))
        for cell in table.cells
        if cell.shown
        for group, delivered, outcome in [cell.key]
        if delivered == "all" and group != "all"
    )
    return Table(
        caption=f"{caption}: outcome by group",
        header=("Group", "Outcome", "Count"),
        rows=rows,
        note=table.note,
    )


def stage_words(evaluation: Evaluation, stage: str) -> str:
    """Return the words for a stage of the flow: only a trial allocates."""
    by_chance = evaluation.plan["design"]["kind"] == "randomised"
    return "In the cohort" if stage == "allocated" and not by_chance else label(stage)


def counts_table(
    table: CountTable,
    caption: str,
    labels: Mapping[str, str],
    evaluation: Evaluation | None = None,
) -> Table:
    """Any released count table, one line each; a flow in the words of the evaluation's design."""
    cells = stages_first(table) if table.name in ("flow", "cohort_flow") else table.cells
    rows = [
        (*_of_whom(table, cell, [_key_text(part, labels) for part in cell.key]), _count(cell.count))
        for cell in cells
        if cell.shown
    ]
    if evaluation is not None:
        old = label("allocated")
        new = stage_words(evaluation, "allocated")
        rows = [tuple(new if text == old else text for text in row) for row in rows]
    heads = tuple(name.replace("_", " ").capitalize() for name in table.dimensions)
    return Table(caption=caption, header=(*heads, "Count"), rows=tuple(rows), note=table.note)


def _of_whom(table: CountTable, cell: Cell, texts: list[str]) -> list[str]:
    """Mark a line that adds up some of the others, where all lines are of one kind."""
    all_parts = max((len(other.parts) for other in table.cells), default=0)
    if len(table.dimensions) > 1 or not cell.parts:
        return texts
    if len(cell.parts) == all_parts:
        return [f"{texts[0]} together"]
    parts = [label(table.cells[i].key[0]).lower() for i in cell.parts]
    return [f"Of whom {texts[0].lower()}: {' or '.join(parts)}"]


def stages_first(table: CountTable) -> list[Cell]:
    """Order a flow as people pass it: each stage, then those who left before the next."""
    order: list[int] = []
    for group in dict.fromkeys(cell.key[0] for cell in table.cells):
        here = [i for i, cell in enumerate(table.cells) if cell.key[0] == group]
        stages = sorted(
            (i for i in here if table.cells[i].parts), key=lambda i: -len(table.cells[i].parts)
        )
        for i, stage in enumerate(stages, start=1):
            inner = table.cells[stages[i]].parts if i < len(stages) else ()
            order += [stage, *sorted(set(table.cells[stage].parts) - set(inner))]
        order += [i for i in here if i not in order]
    return [table.cells[i] for i in order]


def denominators_table(
    evaluation: Evaluation, names: Sequence[str], labels: Mapping[str, str]
) -> Table:
    """Net change, stopping and starting for each of the three denominators."""
    rows, digits = [], digits_of(evaluation)
    for name in names:
        result = evaluation.results[name]
        for group in _groups(evaluation, [name]):
            here = [e for e in result.estimates if e.group == group and e.subgroup]
            for denominator in dict.fromkeys(e.subgroup for e in here):
                found = {e.measure: e for e in here if e.subgroup == denominator}
                net = found.get("net_change")
                rows.append(
                    (
                        behaviour_label(name),
                        arm_label(group, labels),
                        denominator,
                        _count(None if net is None else net.n),
                        _with_interval(net, digits),
                        *[_with_interval(found.get(m), digits) for m in ("stopped", "started")],
                    )
                )
    return Table(
        annex=True,
        caption="The same counts set against three denominators",
        header=(
            "Type of abuse",
            "Group",
            "Out of everybody",
            "People",
            "Net change per 100",
            "Known to have stopped, per 100",
            "Known to have started, per 100",
        ),
        rows=tuple(rows),
        note=(
            "Referred: everybody in the arm. Measured at intake: everybody with a first measure. "
            "In these two, people without a second measure count as unchanged. [c]: not shown."
        ),
    )


def effects_table(evaluation: Evaluation, labels: Mapping[str, str]) -> Table:
    """Every released effect with its interval, its counts and what it may be called."""
    rows: list[tuple[str, ...]] = []
    digits = digits_of(evaluation)
    designs = (CRUDE, *design_names(evaluation))
    for name, result in evaluation.results.items():
        if not is_outcome(name):
            continue
        for e in result.estimates:
            if e.subgroup and e.measure in ("net_change", "stopped", "started"):
                continue
            design, _, of = e.term.partition(" (")
            term = of.removesuffix(")") if design in designs else e.term
            # What a number is a reduction of stands last, in brackets of its own.
            term, _, hazard = term.partition(" (hazard")
            if e.measure.startswith("e_value"):
                term = ""
            what = MEASURES.get(e.measure, label(e.measure))
            what = WITHIN.get((e.measure, term), what)
            if not e.group:
                what = BETWEEN.get((e.measure, "hazard" if hazard else term), what)
            notes = [TERMS.get(term, "" if e.measure == "percent_reduction" else term)]
            if design in designs:
                notes.insert(0, _design_words(evaluation, design))
            if not e.group:
                notes.append(CONTRASTS.get(e.contrast, ""))
            if e.time is not None:
                notes.append(f"after {e.time:g} {e.time_unit}")
            notes.append(e.subgroup)
            rows.append(
                (
                    _outcome_label(evaluation, name),
                    arm_label(e.group, labels) if e.group else "Between the groups",
                    ", ".join([what, *[note for note in notes if note]]),
                    value_text(e, digits),
                    interval_text(e, digits),
                    p_text(e.p_value),
                    _count(e.n),
                    CLAIMS.get(e.claim, e.claim),
                    e.method,
                )
            )
            rows += [
                (*rows[-1][:2], f"{what}, {words}", number(value, 0, digits), "", "", "", "", "")
                for words, value in bounded_estimates(evaluation, name, e)
            ]
    return Table(
        annex=True,
        caption="All effects",
        header=(
            "Outcome",
            "Group",
            "Measure",
            "Estimate",
            f"{100 * evaluation.plan['design']['conf_level']:g}% interval",
            "p",
            "People",
            "May be read as",
            "Method",
        ),
        rows=tuple(rows),
        note=(
            "For abuse, negative changes and positive falls mean less of it. People: those of the "
            f"group, or of the programme group for a contrast. {HIDDEN_NOTE} [x]: "
            "cannot be computed; the checks say why."
        ),
    )


def _design_words(evaluation: Evaluation, design: str) -> str:
    if design == CRUDE:
        return "no adjustment, not a fair comparison"
    return design_label(evaluation, design)


def main_effects_table(evaluation: Evaluation, labels: Mapping[str, str]) -> Table:
    """One line for each outcome: the groups set against each other, or the one group's change."""
    rows, digits = [], digits_of(evaluation)
    programme = f"{arm_label('programme', labels)} group alone"
    main = main_design(evaluation)
    plan = Plan.model_validate(dict(evaluation.plan))
    for name, result in evaluation.results.items():
        if not is_outcome(name):
            continue
        whole = [e for e in result.estimates if not e.subgroup]
        read_by = primary_estimate(plan, name, result)
        wanted = [
            *[e for e in (read_by,) if e is not None and not e.group],
            *_last([e for e in whole if e.measure == "event_free_difference" and e.term == main]),
            *_last([e for e in whole if e.measure == "event_free" and e.group == "programme"]),
            *[e for e in whole if (e.measure, e.term, e.group) == ("risk_difference", main, "")],
            *[e for e in whole if (e.measure, e.term, e.group) == ("risk_difference", "", "")],
            *[e for e in whole if e.measure == "percent_reduction" and e.group == "programme"],
            *[e for e in whole if e.measure == "share_reduced" and e.group == "programme"],
        ]
        for e in wanted[:1]:
            term = "" if main and e.term == main else e.term
            what = BETWEEN.get((e.measure, term), "") if not e.group else ""
            if e.time is not None:
                at = f"after {e.time:g} {e.time_unit}"
                what = f"{MEASURES[e.measure]}, {at}" + (f"; {programme}" if e.group else "")
            if what and main and e.term == main:
                what += f", {design_label(evaluation, main)}"
            rows.append(
                (
                    _outcome_label(evaluation, name),
                    what or f"{MEASURES[e.measure]}; {programme}",
                    value_text(e, digits),
                    interval_text(e, digits),
                    CLAIMS.get(e.claim, e.claim),
                )
            )
            # A percentage of those measured twice is followed by its range over the others.
            rows += [
                (rows[-1][0], words.capitalize(), number(value, 0, digits), "", rows[-1][-1])
                for words, value in bounded_estimates(evaluation, name, e)
            ]
    level = f"{100 * evaluation.plan['design']['conf_level']:g}% interval"
    return Table(
        caption="The main effect on each outcome",
        header=("Outcome", "Measure", "Estimate", level, "May be read as"),
        rows=tuple(rows),
        unfolded=True,
        note=(f"{HIDDEN_NOTE} [x]: cannot be computed; the checks say why."),
    )


def _last(found: Sequence[Estimate]) -> list[Estimate]:
    """Return the estimate at the latest time, which is the horizon."""
    return sorted(found, key=lambda e: e.time or 0.0)[-1:]


def published_table(evaluation: Evaluation) -> Table | None:
    """Figures that others printed, beside ours with the same and with robust standard errors."""
    rows = []
    for figure in evaluation.plan["published"]:
        result = evaluation.results.get(figure["outcome"])
        if result is None:
            continue
        ours = [e for e in result.estimates if e.term == figure["term"] and not e.group]
        same = [e for e in ours if e.subgroup.startswith(figure["kind"])]
        robust = [e for e in ours if not e.subgroup]
        sign = -1 if figure["reversed"] else 1
        printed = figure["std_error"]
        rows.append(
            (
                figure["label"],
                f"{figure['estimate']:g}".replace("-", "−"),
                MISSING if printed is None else f"{printed:g}",
                figure["kind"],
                _signed(same[0] if same else None, sign),
                _error(same[0] if same else None),
                _error(robust[0] if robust else None),
                figure["source"],
            )
        )
    if not rows:
        return None
    return Table(
        caption="Published figures beside ours",
        header=(
            "Figure",
            "Printed",
            "Printed standard error",
            "Kind",
            "Ours",
            "Ours, same kind of standard error",
            "Ours, robust (HC2)",
            "Source",
        ),
        rows=tuple(rows),
        note=(
            "Shares, not per 100, and in the publication's direction. A classical standard error "
            "takes the outcome to be equally spread in both arms; the robust one does not."
        ),
    )


def _signed(e: Estimate | None, sign: int) -> str:
    return MISSING if e is None or e.estimate is None else number(sign * e.estimate, 5)


def _error(e: Estimate | None) -> str:
    return MISSING if e is None or e.std_error is None else f"{e.std_error:.5f}"


def checks_table(evaluation: Evaluation, labels: Mapping[str, str]) -> Table:
    """Everything that was looked at: held, failed, or for information."""
    marks = {True: "held", False: "did not hold", None: "for information"}
    rows = []
    kept = [(n, r) for n, r in evaluation.results.items() if is_outcome(n) or n[:8] == "balance:"]
    for name, result in [*kept, ("", None)]:
        checks = evaluation.checks if result is None else result.checks
        rows += [
            (
                _outcome_label(evaluation, name) if name else "All",
                design_label(evaluation, check.group) or _key_text(check.group, labels)
                if check.group
                else "",
                check.name.replace("_", " "),
                marks[check.passed],
                _statistic(check),
                plain_check(evaluation, check, name.partition("balance:")[2]),
            )
            for check in checks
            # The description of a design stands in the section on how it was made.
            if check.name not in ("design", "design_counts", "estimand") or not check.text
        ]
    return Table(
        caption="Checks",
        header=("Outcome", "Group", "Check", "Result", "Value", "What it says"),
        rows=tuple(dict.fromkeys(rows)),
        annex=True,
    )


def provenance_table(evaluation: Evaluation) -> Table:
    """Where the numbers came from: plan, data and versions."""
    rows = [("Plan (SHA-256)", evaluation.plan_hash)]
    rows += [(f"Data: {name} (SHA-256)", h) for name, h in evaluation.provenance.inputs.items()]
    rows += [(name, version) for name, version in evaluation.provenance.versions.items()]
    seed = evaluation.provenance.seed
    rows.append(("Seed of everything drawn by chance", "none" if seed is None else f"seed {seed}"))
    rows.append(("Disclosure policy", evaluation.policy))
    return Table(caption="Provenance", header=("Item", "Value"), rows=tuple(rows))


def _statistic(check: Check) -> str:
    if check.statistic is None:
        return ""
    if check.name == "worst_smd":
        return number(check.statistic, 2)
    text = f"{check.statistic:.3g}".replace("-", "−")
    if check.df is not None:
        text += f", df {check.df:.3g}"
    return text if check.p_value is None else f"{text}, p {p_text(check.p_value)}"


def _with_interval(e: Estimate | None, digits: int | None) -> str:
    text = value_text(e, digits)
    return text if text in (HIDDEN, MISSING) else f"{text} ({interval_text(e, digits)})"


def value_text(e: Estimate | None, digits: int | None = None) -> str:
    """Return an estimate as a reader should see it, per 100 where it is a share."""
    if e is None:
        return MISSING
    if e.estimate is None:
        return HIDDEN if e.method == NOT_SHOWN else MISSING
    return _number(e, e.estimate, digits)


def interval_text(e: Estimate | None, digits: int | None = None) -> str:
    """Return the interval in the same scale as `value_text`."""
    if e is None or e.conf_low is None or e.conf_high is None:
        return HIDDEN if e is not None and e.method == NOT_SHOWN else MISSING
    return f"{_number(e, e.conf_low, digits)} to {_number(e, e.conf_high, digits)}"


def _number(e: Estimate, value: float, digits: int | None) -> str:
    if e.measure in PER_HUNDRED:
        return number(100 * value, 1, digits)
    return number(value, 0 if e.measure == "percent_reduction" else 2, digits)


def p_text(value: float | None) -> str:
    """Return a P value as a reader should see it; empty where there is none.

    The gate gives none below 0.001, so one of 0.001 means so much or less.

    Examples
    --------
    >>> [p_text(p) for p in (None, 2e-9, 0.001, 0.0025, 0.046)]
    ['', '<0.001', '≤0.001', '0.003', '0.046']
    """
    if value is None:
        return ""
    if value < 0.001:
        return "<0.001"
    return "≤0.001" if value == 0.001 else f"{value:.3f}"


def _count(count: int | None) -> str:
    return HIDDEN if count is None else f"{count:,}"


def _share(table: CountTable, change: str, total: int | None) -> str:
    count = table["change", change]
    return HIDDEN if count is None else percent_text(count, change_total(table) or total)


def change_total(table: CountTable) -> int | None:
    """Return the people whose change is shown: the sum of its lines, where all are shown."""
    lines = [table["change", name] for name in ("improved", "same", "worsened")]
    shown = [count for count in lines if count is not None]
    return sum(shown) if len(shown) == len(lines) else None


def _hundred(e: Estimate | None) -> str:
    if e is None or e.estimate is None:
        return HIDDEN if e is not None and e.method == NOT_SHOWN else MISSING
    return out_of_100(e.estimate)


def _key_text(part: str, labels: Mapping[str, str]) -> str:
    if part in ARMS.codes:
        return arm_label(part, labels)
    head, colon, code = part.partition(": ")
    return f"{label(head)}: {label(code).lower()}" if colon else label(head)


def _outcome_label(evaluation: Evaluation, name: str) -> str:
    if name.startswith("balance:"):
        return f"Design: {design_label(evaluation, name.removeprefix('balance:'))}"
    for outcome in evaluation.plan["outcomes"]:
        if outcome.get("name") == name:
            return outcome["label"] or label(name)
    parts = name.split(":")
    words = behaviour_label(name)
    return f"{words} ({REPORTERS.label(parts[1])})" if len(parts) > 1 else words


def _groups(evaluation: Evaluation, names: Sequence[str]) -> list[str]:
    return [
        arm
        for arm in ARMS.codes
        if any(_table(evaluation.results[name], f"pairs:{arm}") is not None for name in names)
    ]


def _find(result: ResultSet, measure: str, group: str) -> Estimate | None:
    found = [
        e for e in result.estimates if e.measure == measure and e.group == group and not e.subgroup
    ]
    return found[0] if found else None


def _table(result: ResultSet, name: str) -> CountTable | None:
    return next((table for table in result.tables if table.name == name), None)
