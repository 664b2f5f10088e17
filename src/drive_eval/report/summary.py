"""Two printed pages for a commissioner: out of 100 first, the other group beside, no jargon."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drive_eval.plan import BehaviourOutcome, Plan, outcome_names
from drive_eval.report import bounds, limits, plain, sentences, tables
from drive_eval.report.sentences import arm_label, behaviour_label, group_phrase
from drive_eval.report.victims import HEADING, victims_sentence
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.report.drawing import Chart
    from drive_eval.results import Evaluation, ResultSet

__all__ = [
    "STATISTICAL_TERMS",
    "Bar",
    "Line",
    "Summary",
    "speaks_for_victims",
    "summarise",
    "summary_page",
]

#: Words that may not stand on the first page.
STATISTICAL_TERMS = (
    "interval",
    "confidence",
    "significant",
    "p-value",
    "ratio",
    "odds",
    "hazard",
    "regression",
    "standard error",
    "E-value",
    "estimate",
    "CI",
    "95%",
)
#: What two pages hold; the rest is in the report, and the page says so.
MOST_POINTS, MOST_LIMITS, MOST_SENTENCES = 7, 5, 2
#: Limits that only somebody who knows the methods can use.
TECHNICAL = re.compile(r"standard deviation|caliper|\bAT[TMEC]\b|\bintervals?\b")
#: Of the report's front box.
FRONT = (
    "Place",
    "Design",
    "Comparison group received",
    "Data",
    "Data complete to",
    "Evaluated by",
    "Report date",
    "Review by",
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One share of 100: when, how many in words, and how long its bar is (None: not shown)."""

    when: str
    words: str
    length: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """One type of abuse: the bars of each group, what can be said, and how sure we are."""

    name: str
    groups: tuple[tuple[Bar, ...], ...]
    verdict: str
    sure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything that stands on the two pages.

    Attributes
    ----------
    message, under : str
        The one sentence to remember, and of whom it holds.
    who : tuple of str
        Who the figures cover, and who is missing.
    caption : str
        What the table of shares shows, as rated by whom.
    note : str
        What stands beneath the table: of the ranges, of rounding, of what is hidden.
    groups : tuple of str
        Names of the groups, heads of its columns.
    lines : tuple of Line
    safer : str
        Whether these data tell if victim-survivors are safer; empty where no abuse was rated.
    other : tuple of str
        Further outcomes, a sentence each.
    worse : tuple of str
        Who got worse.
    warnings : tuple of (str, str)
    limits, protection : tuple of str
    chart : Chart or None
        Where there is no table, whose bars would say the same.
    left_out : str
        What there was no room for, and where it is.
    """

    message: str
    under: str
    who: tuple[str, ...]
    caption: str
    note: str
    groups: tuple[str, ...]
    lines: tuple[Line, ...]
    safer: str
    other: tuple[str, ...]
    worse: tuple[str, ...]
    warnings: tuple[tuple[str, str], ...]
    limits: tuple[str, ...]
    protection: tuple[str, ...]
    chart: Chart | None
    left_out: str


def summarise(evaluation: Evaluation, sections: Sequence[Mapping[str, Any]]) -> Summary:
    """Choose what a commissioner must know from the sections of the report.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    sections : sequence of dict
        As laid out for the page.

    Returns
    -------
    Summary
    """
    plan = Plan.model_validate(dict(evaluation.plan))
    labels = {
        "programme": plan.report.programme_label,
        "comparison": plan.report.comparison_label,
    }
    by_key = {section["id"]: section for section in sections}
    first = by_key["summary"]
    shown = bool(first["tables"])
    names = _first_behaviours(evaluation, plan) if shown else []
    groups = [
        arm
        for arm in ARMS.codes
        if any(
            table.name == f"pairs:{arm}" for n in names for table in evaluation.results[n].tables
        )
    ]
    keys = ("risks", "soon", "again")
    drawn = [chart for key in keys for chart in _charts(by_key.get(key))]
    points = [_without_ratio(line) for line in first["points"]]
    plain_limits = [
        line.replace(" (regression to the mean)", "")
        for line in limits.gravest_first(evaluation, by_key["limits"]["points"])
    ]
    own = set(plan.report.limits)
    kept = [line for line in plain_limits if line in own or not TECHNICAL.search(line)]
    kept = kept[:MOST_LIMITS]
    spare = max(len(points) - MOST_POINTS, 0) + len(plain_limits) - len(kept)
    who = list(first["text"])
    if names:
        who = [
            sentences.measured_sentence(evaluation, labels),
            *_bounded(evaluation, names, labels),
            *who,
        ]
    return Summary(
        message=first["message"],
        under=first["under"],
        who=tuple(line for line in who if line),
        caption=_caption(names),
        # Here words stand for what is hidden, and not a sign.
        note=" ".join(table.note for table in first["tables"]).replace(
            f"{tables.HIDDEN}: too few people to show. ", "Where too few are there to show: "
        ),
        groups=tuple(f"{arm_label(group, labels)} group" for group in groups),
        lines=tuple(_line(evaluation, name, groups, labels) for name in names),
        safer=victims_sentence(evaluation).removeprefix(f"{HEADING} ") if names else "",
        other=tuple(points[:MOST_POINTS]),
        worse=tuple(_worse(evaluation.results[name], name, groups, labels) for name in names),
        warnings=tuple(
            (lead, re.sub(r" See “[^”]*”\.$", " The full report says more.", line))
            for lead, line in first["alerts"]
        ),
        limits=tuple(kept),
        protection=tuple(_shortened(line) for line in by_key["disclosure"]["text"]),
        chart=drawn[0] if drawn and points and not names else None,
        left_out=_left_out(spare),
    )


def _left_out(spare: int) -> str:
    if not spare:
        return ""
    return f"{spare} further point{' is' if spare == 1 else 's are'} in the full report."


def _bounded(evaluation: Evaluation, names: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    """Say that the percentages have bounds in the report, and whom not even those cover."""
    if not any(bounds.ends_within(evaluation, name, "programme") for name in names):
        return []
    return [
        "The full report says what each fall would be if all, or none, of those rated only at the "
        f"start still used it at the end. {bounds.never_rated_sentence(evaluation, labels)}".strip()
    ]


def summary_page(
    evaluation: Evaluation, sections: Sequence[Mapping[str, Any]], pictures: Mapping[str, bytes]
) -> str:
    """Return the summary as one self-contained page that prints on two sides of A4.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    sections : sequence of dict
        As laid out for the page.
    pictures : mapping of str to bytes
        Each chart by its name, as PNG without its title.

    Returns
    -------
    str
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("drive_eval.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found = summarise(evaluation, sections)
    picture = ""
    if found.chart is not None:
        picture = base64.b64encode(pictures[found.chart.name]).decode("ascii")
    front = [(name, value) for name, value in tables.front_box(evaluation) if name in FRONT]
    about = evaluation.plan["evaluation"]
    return environment.get_template("summary.html").render(
        title=about["title"],
        programme=about["programme"],
        status=about["status"],
        support=evaluation.plan["report"]["support"],
        front=front,
        picture=picture,
        summary=found,
    )


def _first_behaviours(evaluation: Evaluation, plan: Plan) -> list[str]:
    """Return the first abuse outcomes, those told for the victim-survivor before all others."""
    found = [
        [name for name in outcome_names(outcome) if name in evaluation.results]
        for outcome in plan.outcomes
        if isinstance(outcome, BehaviourOutcome)
    ]
    found.sort(key=lambda names: not (names and speaks_for_victims(names[0])))
    return found[0] if found else []


def speaks_for_victims(name: str) -> bool:
    """Say whether an outcome was told by the victim-survivor or by her adviser.

    Examples
    --------
    >>> speaks_for_victims("physical:idva:intake-exit")
    True
    >>> speaks_for_victims("physical:case_manager:intake-exit")
    False
    """
    return name.split(":")[1:2] in (["idva"], ["victim_survivor"])


def _shortened(text: str) -> str:
    """Return the first sentences of a text.

    Examples
    --------
    >>> _shortened("Counts of 1 to 7 are hidden. 3 of 9 are. [c] stands for one. And more.")
    'Counts of 1 to 7 are hidden. 3 of 9 are.'
    """
    return " ".join(re.split(r"(?<=\.)\s+", text)[:MOST_SENTENCES])


def _without_ratio(line: str) -> str:
    """Leave out the ratio of two shares where their difference has been said.

    Examples
    --------
    >>> _without_ratio("lower by 11 in every 100; as a ratio of the shares, 0.79 (range 1 to 2).")
    'lower by 11 in every 100.'
    """
    return re.sub(r"; as a ratio of the shares,[^)]*\)", "", line)


def _charts(section: Mapping[str, Any] | None) -> list[Chart]:
    return list(section["charts"]) if section is not None else []


def _caption(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f"Of every 100 people, how many used each type of abuse {tables.before_and_after(names)}"


def _line(
    evaluation: Evaluation, name: str, groups: Sequence[str], labels: Mapping[str, str]
) -> Line:
    result = evaluation.results[name]
    main = sentences.main_design(evaluation)
    made = str(evaluation.plan["design"]["kind"]) if main else ""
    sure = (plain.how_sure(result, labels, main, made), bounds.undone(evaluation, name))
    return Line(
        name=behaviour_label(name),
        groups=tuple(_bars(result, group) for group in groups),
        verdict=plain.plain_verdict(result, labels, main, made),
        sure=" ".join(filter(None, sure)),
    )


def _bars(result: ResultSet, group: str) -> tuple[Bar, ...]:
    bars = []
    for when in ("before", "after"):
        found = [
            e
            for e in result.estimates
            if e.measure == f"prevalence_{when}" and e.group == group and not e.subgroup
        ]
        share = found[0].estimate if found else None
        words = "too few to show" if share is None else sentences.out_of_100(share)
        bars.append(Bar(when, words, None if share is None else round(100 * share)))
    return tuple(bars)


def _worse(result: ResultSet, name: str, groups: Sequence[str], labels: Mapping[str, str]) -> str:
    said = []
    for group in groups:
        table = next((t for t in result.tables if t.name == f"pairs:{group}"), None)
        if table is None:
            continue
        total = tables.change_total(table) or table["all", "measured at both"]
        words = sentences.percent_text(table["change", "worsened"], total)
        number = f"{words} of 100" if re.search(r"\d$", words) else words
        said.append(f"{group_phrase(group, labels)} {number}")
    return f"{behaviour_label(name)}: {'; '.join(said)}."
