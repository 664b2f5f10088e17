"""The report bundle: one layout of sections, written for every way of reading it."""

from __future__ import annotations

import base64
import dataclasses
import re
from typing import TYPE_CHECKING, Any

from drive_eval.plan import (
    BehaviourOutcome,
    BinaryOutcome,
    Plan,
    ReoffendingOutcome,
    TimeToEventOutcome,
    outcome_names,
)
from drive_eval.report import (
    balance,
    baseline,
    bounds,
    charts,
    designs,
    effects,
    equality,
    explanations,
    followed,
    following,
    forest,
    headlines,
    ledger,
    limits,
    months,
    plain,
    rates,
    reporters,
    rivals,
    sentences,
    tables,
    times,
    times_tables,
    under_assumptions,
    victims,
)
from drive_eval.report.assumptions import assumptions_table
from drive_eval.report.files import svg_picture
from drive_eval.report.forms import forms_for
from drive_eval.report.placing import all_hidden, hidden_words, placed, where_words
from drive_eval.report.summary import speaks_for_victims, summary_page
from drive_eval.report.word import word_report
from drive_eval.report.workbook import tables_workbook
from drive_eval.vocabulary import REPORTERS, label

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drive_eval.report.charts import Chart
    from drive_eval.results import Evaluation, ResultSet

__all__ = ["write_bundle"]

COMPARISON = "How the comparison was made"
#: Dots an inch of pictures that are printed; those on the page have the half.
PRINTED = 300
#: Outcomes that are followed over time.
TimedOutcome = TimeToEventOutcome | ReoffendingOutcome


def write_bundle(
    evaluation: Evaluation,
    folder: Path,
    *,
    progress: Callable[[int, int, str], None] | None = None,
) -> None:
    """Write the report as a page, for Word, as a workbook, in short and for machines.

    Beside report.html, report.docx, tables.xlsx, summary.html and results.json there is a folder
    of charts, each as PNG at 300 dots an inch and as SVG, with the CSV behind it.

    Parameters
    ----------
    evaluation : Evaluation
        Released: ``policy`` is set.
    folder : Path
        An empty folder.
    progress : callable, optional
        Called with the number of finished files, their total, and the last one's name.

    Raises
    ------
    ResultError
        If a percentage of those measured twice has no range over those who were not.
    """
    shown = bounds.guarded(evaluation)
    sections = _sections(shown)
    drawn = [chart for section in sections for chart in section["charts"]]
    (folder / "charts").mkdir()
    screen: dict[str, str] = {}
    printed: dict[str, bytes] = {}
    made: dict[str, Callable[[], bytes]] = {
        "report.html": lambda: _page(shown, sections, screen).encode("utf-8"),
        "report.docx": lambda: word_report(shown, sections, printed),
        "tables.xlsx": lambda: tables_workbook(shown, sections),
        "summary.html": lambda: summary_page(shown, sections, printed).encode("utf-8"),
        "results.json": lambda: evaluation.to_json().encode("utf-8"),
    }
    total = len(drawn) + len(made)
    for done, chart in enumerate(drawn, start=1):
        file = folder / "charts" / chart.name
        picture, printed[chart.name] = charts.pictures(chart, dpi=PRINTED)
        _titled, untitled = charts.pictures(chart)
        screen[chart.name] = base64.b64encode(untitled).decode("ascii")
        csv = chart.data.to_csv(index=False, lineterminator="\n", float_format="%.10g")
        file.with_name(f"{chart.name}.png").write_bytes(picture)
        file.with_name(f"{chart.name}.svg").write_bytes(svg_picture(chart))
        file.with_name(f"{chart.name}.csv").write_text(csv, encoding="utf-8", newline="")
        if progress is not None:
            progress(done, total, chart.name)
    for done, (name, make) in enumerate(made.items(), start=len(drawn) + 1):
        (folder / name).write_bytes(make())
        if progress is not None:
            progress(done, total, name)


def _page(evaluation: Evaluation, sections: list[dict[str, Any]], pictures: dict[str, str]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("drive_eval.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals |= {
        "hidden": all_hidden,
        "hidden_words": hidden_words,
        "where_words": where_words,
    }
    plan = evaluation.plan
    return environment.get_template("report.html").render(
        title=plan["evaluation"]["title"],
        programme=plan["evaluation"]["programme"],
        status=plan["evaluation"]["status"],
        support=plan["report"]["support"],
        front=tables.front_box(evaluation),
        sections=sections,
        pictures=pictures,
    )


def _sections(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Lay out the page: each section has an id, a heading, paragraphs, charts and tables."""
    plan = Plan.model_validate(dict(evaluation.plan))
    labels = {
        "programme": plan.report.programme_label,
        "comparison": plan.report.comparison_label,
    }
    behaviours = [
        [name for name in outcome_names(o) if name in evaluation.results]
        for o in plan.outcomes
        if isinstance(o, BehaviourOutcome)
    ]
    # What is told for the victim-survivor comes first, whatever the order of the plan.
    behaviours.sort(key=lambda names: not (names and speaks_for_victims(names[0])))
    risks = [o for o in plan.outcomes if not isinstance(o, BehaviourOutcome | TimedOutcome)]
    sections = [_summary(evaluation, plan, behaviours, labels), _victims(evaluation, labels)]
    flow = _flow(evaluation, behaviours, labels)
    made = bool(sentences.main_design(evaluation))
    if made:
        sections += [flow, _comparison(evaluation, labels)]
    for number, names in enumerate(behaviours):
        sections.append(_reductions(evaluation, names, labels, number))
    if risks:
        sections.append(_risks(evaluation, plan, labels))
    for kind in (TimeToEventOutcome, ReoffendingOutcome):
        names = [o.name for o in plan.outcomes if isinstance(o, kind)]
        if names:
            sections.append(_over_time(evaluation, names, labels, again=kind is ReoffendingOutcome))
    before = [name for name in evaluation.results if _rated(evaluation, plan, name)]
    if before:
        sections.append(_before_and_after(evaluation, before, labels))
    if rivals.rival_names(evaluation):
        sections.append(_rivals(evaluation, behaviours, labels))
    if reporters.reporter_results(evaluation):
        sections.append(_reporters(evaluation, labels))
    published = tables.published_table(evaluation)
    if published is not None:
        sections.append(_section("published", "Published figures beside ours", tables_=[published]))
    for number, names in enumerate(behaviours):
        sections.append(_severity(evaluation, names, labels, number))
    if not made:
        sections.append(flow)
    sections.insert(sections.index(flow) + 1, _groups(evaluation, labels))
    start = _start(evaluation, behaviours, labels)
    if start["tables"]:
        sections.insert(sections.index(flow) + 1, start)
    sections.append(_effects(evaluation, behaviours, labels))
    sections.append(
        _section(
            "limits",
            "What these figures cannot say",
            items=[*plan.report.limits, *limits.design_limits(evaluation)],
        )
    )
    statement = [check.text for check in evaluation.checks if check.name == "disclosure"]
    sections.append(
        _section("disclosure", "How people are protected from being recognised", text=statement)
    )
    supposed = assumptions_table(
        a
        for r in evaluation.results.values()
        for a in r.assumptions
        if not a.startswith("The bounds suppose") or _has_bounds(r)
    )
    sections.append(
        _section(
            "methods",
            "Methods",
            text=[
                line for line in (*plan.report.notes, ledger.ledger_sentence(evaluation)) if line
            ],
            tables_=[supposed, *_methods_tables(evaluation, labels)],
        )
    )
    sections.append(
        _section(
            "provenance",
            "Where the numbers came from",
            tables_=[tables.provenance_table(evaluation)],
        )
    )
    sections.append(
        _section(
            "forms",
            "Forms to complete by hand",
            text=[
                "Some judgements are for people, not for a program. A blank form for each stands "
                "at the end of the Word report (report.docx):"
            ],
            items=[
                f"{form.title} ({form.version.split('.')[0]})"
                for form in forms_for(plan.design.kind)
            ],
        )
    )
    return placed(sections, designs.source_words(evaluation))


def _rated(evaluation: Evaluation, plan: Plan, name: str) -> bool:
    kinds = {o.name for o in plan.outcomes if isinstance(o, ReoffendingOutcome)}
    return name in kinds and rates.has_rates(evaluation, name)


def _methods_tables(evaluation: Evaluation, labels: dict[str, str]) -> list[tables.Table]:
    tests = ledger.ledger_table(evaluation, labels)
    return [
        *([tests] if tests is not None else []),
        tables.checks_table(evaluation, labels),
        rivals.rival_checks_table(evaluation, labels),
    ]


def _before_and_after(
    evaluation: Evaluation, names: list[str], labels: dict[str, str]
) -> dict[str, Any]:
    """Lay out the rates of events before and after: what was found, then how it was counted."""
    care = {lead: None for name in names for lead in times.with_care(evaluation, name)}
    drawn = [rates.rates_chart(evaluation, name, labels) for name in names]
    shown = [rates.rates_table(evaluation, name, labels) for name in names]
    said = [
        (
            followed.followed_outcome(evaluation, name).title,
            rates.rates_sentences(evaluation, name, labels),
        )
        for name in names
    ]
    return _section(
        "rates",
        "Did it happen less often than before?",
        alerts=[lead for lead in care if lead[0].startswith("Recording changed")],
        text=[
            "People come in when something has just happened, so what is recorded falls afterwards "
            "in every group. Set the groups beside each other, not after against before."
        ],
        lists=said,
        drawn=[chart for chart in drawn if chart is not None],
        tables_=[table for table in shown if table is not None],
    )


def _rivals(
    evaluation: Evaluation, behaviours: list[list[str]], labels: dict[str, str]
) -> dict[str, Any]:
    """Lay out every rival explanation: the fall under each assumption, then each in numbers."""
    names = rivals.rival_names(evaluation)
    main = [name for name in names if rivals.is_primary(evaluation, name)] or names
    # Of the other outcomes the numbers stand in the tables.
    drawn = [
        _numbered(chart, number)
        for number, block in enumerate(behaviours)
        if set(block) & set(main)
        and (chart := under_assumptions.assumptions_chart(evaluation, block, labels)) is not None
    ]
    return _section(
        "rivals",
        "What else could explain this?",
        text=[
            "A result has other explanations than the programme. Below stands for each what would "
            "have to be true, and whether the finding stands. No explanation can be ruled "
            "out; how likely each is, people who know the programme must judge.",
            *(
                []
                if len(main) == len(names)
                else [
                    f"The lines are on the outcomes that the plan declared primary{_rated_by(main)}"
                    "; the table has every outcome and every explanation."
                ]
            ),
        ],
        drawn=drawn,
        lists=explanations.explanation_lists(evaluation, main, labels),
        tables_=[rivals.every_rival_table(evaluation, names, labels)],
    )


def _rated_by(names: list[str]) -> str:
    """Say who rated outcomes that one reporter rated."""
    whose = {name.split(":")[1] for name in names if name.count(":") > 1}
    if len(whose) != 1:
        return ""
    (code,) = whose
    return f", as rated by the {REPORTERS.label(code)[:1].lower()}{REPORTERS.label(code)[1:]}"


def _reporters(evaluation: Evaluation, labels: dict[str, str]) -> dict[str, Any]:
    shown = [
        reporters.agreement_table(evaluation),
        reporters.falls_table(evaluation, labels),
    ]
    return _section(
        "reporters",
        "Do those who report agree?",
        text=[
            "Two people rated the same cases. Where they differ, neither is the truth: they may "
            "know different things, or speak of different victim-survivors of one case."
        ],
        findings=reporters.reporter_sentences(evaluation, labels),
        tables_=[table for table in shown if table is not None],
    )


def _has_bounds(result: ResultSet) -> bool:
    """Return whether bounds on hidden differences are shown, so that their assumption matters."""
    return any(e.measure == "p_upper" and e.estimate is not None for e in result.estimates)


def _section(
    key: str,
    heading: str,
    *,
    text: list[str] | None = None,
    items: list[str] | None = None,
    findings: list[tuple[str, list[str]]] | None = None,
    lists: list[tuple[str, list[str]]] | None = None,
    drawn: list[Chart] | None = None,
    tables_: list[tables.Table] | None = None,
    alerts: list[tuple[str, str]] | None = None,
    first: list[tables.Table] | None = None,
    methods: str = "",
    after: list[str] | None = None,
    message: str = "",
    under: str = "",
) -> dict[str, Any]:
    return {
        "message": message,
        "under": under,
        "alerts": alerts or [],
        "first": first or [],
        "methods": methods,
        "after": after or [],
        "findings": findings or [],
        "lists": lists or [],
        "id": key,
        "heading": heading,
        "text": text or [],
        "points": items or [],
        "charts": drawn or [],
        "tables": tables_ or [],
    }


def _summary(
    evaluation: Evaluation, plan: Plan, behaviours: list[list[str]], labels: dict[str, str]
) -> dict[str, Any]:
    points = _other_points(evaluation, plan, labels)
    names = behaviours[0] if behaviours else []
    main = sentences.main_design(evaluation)
    if plain.nothing_shown(evaluation, names, points):
        return _section("summary", "In short", message=plain.NOTHING_SHOWN)
    shown, text, under = [], [], ""
    if names and not plain.abuse_hidden(evaluation, names):
        shown.append(tables.headline_table(evaluation, names, labels))
        under = plain.rated_twice_line(evaluation, labels)
        text.append(_inside_alone(evaluation, names))
    alerts = []
    if main:
        text.append(designs.compared_sentence(evaluation, labels))
        leads = " ".join(lead for lead, _ in designs.warnings(evaluation))
        alerts = [("Read with care.", f"{leads} See “{COMPARISON}”.")] if leads else []
    return _section(
        "summary",
        "In short",
        message=_message(evaluation, plan, names, labels),
        under=under,
        text=[line for line in text if line],
        items=points,
        tables_=shown,
        alerts=alerts,
    )


def _other_points(evaluation: Evaluation, plan: Plan, labels: dict[str, str]) -> list[str]:
    """Say of each outcome but the types of abuse what the first page needs of it."""
    points: list[str] = []
    for outcome in plan.outcomes:
        if isinstance(outcome, BehaviourOutcome):
            continue
        name = outcome_names(outcome)[0]
        if isinstance(outcome, TimedOutcome):
            points += times.short_sentences(evaluation, name, labels)
            continue
        result = evaluation.results[name]
        if designs.has_designs(evaluation, name):
            title = _risk_title(outcome, marked=False)
            points += designs.main_sentences(evaluation, name, title, labels)
        else:
            points += sentences.risk_sentences(result, _risk_title(outcome), labels)
        points += sentences.increase_sentences(result, labels)
    return points


def _message(evaluation: Evaluation, plan: Plan, names: list[str], labels: dict[str, str]) -> str:
    """Return the one sentence to remember: on abuse, or else on the first outcome."""
    if names and plain.abuse_hidden(evaluation, names):
        return plain.ABUSE_HIDDEN
    if names:
        return f"{plain.abuse_message(evaluation, names)}."
    found = [o for o in plan.outcomes if not isinstance(o, BehaviourOutcome)]
    # What the programme cannot change is a check, and never the message.
    found.sort(key=lambda o: (isinstance(o, BinaryOutcome) and o.negative, not o.primary))
    outcome = found[0]
    name = outcome_names(outcome)[0]
    if isinstance(outcome, TimedOutcome):
        said = headlines.free_headline(evaluation, name, labels)
    elif designs.has_designs(evaluation, name):
        titles = {name: _risk_title(outcome, marked=False)}
        said = designs.effects_headline(evaluation, [name], titles, labels)
    else:
        said = plain.risk_message(evaluation.results[name], _risk_title(outcome), labels)
    return f"{said}." if said else ""


def _inside_alone(evaluation: Evaluation, names: list[str]) -> str:
    """Say that a fall in one group is no effect, where no difference may be called one."""
    if any(e.claim == "causal" for name in names for e in evaluation.results[name].estimates):
        return ""
    main = sentences.main_design(evaluation)
    arms = {cell.key[0] for cell in evaluation.table("flow").cells}
    beside = any(
        kind in plain.KNOWN
        for name in names
        for kind in (
            sentences.verdict_between(evaluation.results[name]),
            *([sentences.verdict_of(evaluation.results[name], main)] if main else []),
        )
    )
    rest = "The two groups cannot be set against each other here."
    if len(arms) < 2:
        rest = "There is no comparison group."
    elif beside:
        rest = "The two groups are set against each other above."
    alone = "What happens inside the programme group alone does not show what the programme did. "
    return alone + rest


def _comparison(evaluation: Evaluation, labels: dict[str, str]) -> dict[str, Any]:
    name, *others = sentences.design_names(evaluation)
    drawn = [balance.overlap_chart(evaluation, labels), balance.love_chart(evaluation, labels)]
    shown = [balance.table_one(evaluation, labels)]
    if others:
        shown.append(balance.designs_table(evaluation, labels))
    alerts = designs.warnings(evaluation)
    # Where cases were dropped, an alert has said whose effect it is.
    left_out = designs.failed(evaluation, name, "unmatched")
    whose = [] if left_out else [designs.on_whom(evaluation, name)]
    if left_out and designs.few_dropped(evaluation, name):
        whose = [designs.left_out_sentence(evaluation, name)]
    return _section(
        "comparison",
        COMPARISON,
        alerts=alerts,
        text=[designs.introduction(evaluation, labels), *whose],
        methods=designs.methods_paragraph(evaluation, name),
        first=[balance.matching_table(evaluation, name, labels)],
        drawn=[chart for chart in drawn if chart is not None],
        tables_=shown,
        after=balance.other_warnings(evaluation),
    )


def _reductions(
    evaluation: Evaluation, names: list[str], labels: dict[str, str], number: int
) -> dict[str, Any]:
    chart = charts.reductions_chart(evaluation, names, labels)
    points = []
    drawn = [_numbered(chart, number)]
    shown = [tables.reductions_table(evaluation, names, labels)]
    made = [name for name in names if designs.has_designs(evaluation, name)]
    titles = {name: sentences.behaviour_label(name) for name in names}
    if made:
        stem = "designs-reductions"
        beside = effects.effects_by_design_chart(evaluation, made, titles, labels, chart_name=stem)
        drawn.append(_numbered(beside, number))
        shown.insert(0, effects.effects_by_design_table(evaluation, made, titles, labels))
    for name in names:
        result = evaluation.results[name]
        said = [sentences.arm_sentence(result, name, "programme", labels)]
        if name in made:
            point = label(name.split(":")[2].partition("-")[2]).lower()
            title = f"Use of {titles[name].lower()} at {point}"
            said += designs.brief_sentences(evaluation, name, title, labels)
        if name not in made or sentences.fall_between_arms(result) is not None:
            said.append(sentences.contrast_sentence(result, labels))
        said.append(explanations.unrated_words(evaluation, name, labels))
        points.append((titles[name], _sentences_in(said)))
    shared = [line for line in points[0][1] if all(line in lines for _, lines in points)]
    if len(points) > 1:
        # What is the same of every type is said once, at the end.
        points = [(title, [x for x in lines if x not in shared]) for title, lines in points]
    else:
        shared = []
    if not number and any("not rated a second time" in line for _, x in points for line in x):
        shared += [bounds.never_rated_sentence(evaluation, labels)]
    if made:
        shared += designs.shared_sentences(evaluation)
    shared = [line for line in shared if line]
    if shared:
        points.append(("For all of these", shared))
    return _section(
        f"reductions-{number + 1}" if number else "reductions",
        _reporter_heading("Did abuse fall, and by how much?", names, number),
        findings=points,
        drawn=drawn,
        tables_=shown,
    )


def _sentences_in(parts: list[str]) -> list[str]:
    return [line for part in parts for line in re.split(r"(?<=[.!?]) (?=[A-Z])", part) if line]


def _reporter_heading(words: str, names: list[str], number: int) -> str:
    if not number:
        return words
    _kind, reporter, span, *rest = names[0].split(":")
    before, after = span.split("-")
    counted = f"{sentences.threshold_words(rest[0])}, " if rest else ""
    return (
        f"{words} {label(before)} to {label(after).lower()}, {counted}as rated by the "
        f"{REPORTERS.label(reporter)[:1].lower()}{REPORTERS.label(reporter)[1:]}"
    )


def _numbered(chart: Chart, number: int) -> Chart:
    if not number:
        return chart
    return dataclasses.replace(chart, name=f"{chart.name}-{number + 1}")


def _severity(
    evaluation: Evaluation, names: list[str], labels: dict[str, str], number: int
) -> dict[str, Any]:
    chart = charts.severity_chart(evaluation, names, labels)
    return _section(
        f"severity-{number + 1}" if number else "severity",
        _reporter_heading("How severe was it, and who got worse?", names, number),
        drawn=[_numbered(chart, number)],
        tables_=[tables.severity_table(evaluation, names, labels)],
    )


def _risks(evaluation: Evaluation, plan: Plan, labels: dict[str, str]) -> dict[str, Any]:
    drawn: list[Chart] = []
    shown: list[tables.Table] = []
    points: list[tuple[str, list[str]]] = []
    for outcome in plan.outcomes:
        if isinstance(outcome, BehaviourOutcome | TimedOutcome):
            continue
        name = outcome_names(outcome)[0]
        title = _risk_title(outcome)
        chart = charts.risk_chart(evaluation, [name], {name: title}, labels)
        before = sum(other.name.startswith("perceived_change") for other in drawn)
        drawn.append(_numbered(chart, before if chart.name == "perceived_change" else 0))
        if designs.has_designs(evaluation, name):
            drawn.append(effects.effects_by_design_chart(evaluation, [name], {name: title}, labels))
            shown.append(effects.effects_by_design_table(evaluation, [name], {name: title}, labels))
            bare = _risk_title(outcome, marked=False)
            said = designs.effect_sentences(evaluation, name, bare, labels)
        else:
            said = sentences.risk_sentences(evaluation.results[name], title, labels)
        points.append((title, said))
        for table in evaluation.results[name].tables:
            shown.append(tables.outcome_table(table, title, evaluation, labels))
    return _section(
        "risks", "How often did it happen in each group?", lists=points, drawn=drawn, tables_=shown
    )


def _over_time(
    evaluation: Evaluation, names: list[str], labels: dict[str, str], *, again: bool
) -> dict[str, Any]:
    """Lay out outcomes followed over time: first what was found in words, then how it went."""
    drawn: list[Chart] = []
    shown: list[tables.Table] = []
    points: list[tuple[str, list[str]]] = []
    care: dict[tuple[str, str], None] = {}
    text: dict[str, None] = {}
    for name in names:
        found = followed.followed_outcome(evaluation, name)
        care |= dict.fromkeys(times.with_care(evaluation, name))
        made = (
            following.event_free_chart(evaluation, name, labels),
            following.cumulative_incidence_chart(evaluation, name, labels),
            following.mean_count_chart(evaluation, name, labels),
            months.monthly_chart(evaluation, name, labels),
        )
        drawn += [chart for chart in made if chart is not None]
        points.append((found.title, times.sentences_over_time(evaluation, name, labels)))
        # Beside the first two stand the charts that show the same; they are for those who check.
        here = times_tables.tables_over_time(evaluation, name, labels)
        shown += [
            dataclasses.replace(table, annex=place > 1 and not table.unfolded)
            for place, table in enumerate(here)
        ]
        if custody := times.custody_sentence(found):
            text[custody] = None
    return _section(
        "again" if again else "soon",
        "How soon and how often did it happen again?" if again else "How soon did it happen?",
        alerts=list(care),
        text=list(text),
        lists=points,
        drawn=drawn,
        tables_=shown,
    )


def _risk_title(outcome: Any, *, marked: bool = True) -> str:
    if isinstance(outcome, BinaryOutcome):
        name = outcome.label or outcome.name.replace("_", " ").capitalize()
        title = f"{name} ({outcome.horizon})" if outcome.horizon else name
        return (
            f"{title}, which the programme cannot change" if outcome.negative and marked else title
        )
    return "Risk judged to have fallen moderately or significantly"


def _flow(
    evaluation: Evaluation, behaviours: list[list[str]], labels: dict[str, str]
) -> dict[str, Any]:
    flow = charts.flow_chart(evaluation, labels)
    drawn = [] if flow is None else [flow]
    shown = [
        tables.counts_table(table, table.title, labels, evaluation)
        for table in evaluation.tables
        if not table.name.startswith(("equality:", "victims:"))
        and any(cell.count is not None for cell in table.cells)
    ]
    text = [line for line in [baseline.received_sentence(evaluation, labels)] if line]
    if behaviours:
        drawn.append(charts.missing_chart(evaluation, behaviours[0], labels))
        shown.append(tables.denominators_table(evaluation, behaviours[0], labels))
        text.append(
            "Figures about change describe the people measured at both points. Those without a "
            "second measure may have done worse."
        )
    return _section("flow", "Who is in the figures, and who is not", text=text, drawn=drawn,
                    tables_=shown)  # fmt: skip


def _start(
    evaluation: Evaluation, behaviours: list[list[str]], labels: dict[str, str]
) -> dict[str, Any]:
    names = behaviours[0] if behaviours else []
    shown = [
        baseline.baseline_table(evaluation, labels),
        baseline.lost_table(evaluation, names, labels),
    ]
    lost = baseline.lost_sentence(evaluation, names, labels)
    alone = len({cell.key[0] for cell in evaluation.table("flow").cells}) < 2
    return _section(
        "start",
        "Who they were at the start" if alone else "Were the groups alike at the start?",
        text=[*baseline.baseline_text(evaluation, labels), *([lost] if lost else [])],
        tables_=[table for table in shown if table is not None],
    )


def _victims(evaluation: Evaluation, labels: dict[str, str]) -> dict[str, Any]:
    shown = [
        victims.victims_table(evaluation, labels),
        equality.lost_contact_table(evaluation, labels),
    ]
    return _section(
        "victims",
        victims.HEADING,
        text=victims.victims_text(evaluation, labels),
        findings=victims.victims_findings(evaluation, labels),
        tables_=[table for table in shown if table is not None],
    )


def _groups(evaluation: Evaluation, labels: dict[str, str]) -> dict[str, Any]:
    chart = equality.equality_chart(evaluation, labels)
    table = equality.equality_table(evaluation, labels)
    return _section(
        "groups",
        "Which groups of people are in these figures, and which are not",
        text=equality.equality_text(evaluation),
        drawn=[] if chart is None else [chart],
        tables_=[] if table is None else [table],
    )


def _effects(
    evaluation: Evaluation, behaviours: list[list[str]], labels: dict[str, str]
) -> dict[str, Any]:
    at_a_glance = forest.forest_chart(evaluation, labels)
    return _section(
        "effects",
        "All effects with their uncertainty",
        drawn=[] if at_a_glance is None else [at_a_glance],
        tables_=[
            tables.main_effects_table(evaluation, labels),
            tables.effects_table(evaluation, labels),
        ],
    )
