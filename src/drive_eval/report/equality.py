"""Which groups of people are in the figures, how they ended, and with whom contact was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from drive_eval.plan import BehaviourOutcome, Plan, outcome_names
from drive_eval.report.drawing import (
    ARM_COLOURS,
    ARM_MARKERS,
    DARK_GREY,
    SMALL,
    STYLE,
    TOO_FEW,
    Chart,
    headings,
    new_figure,
    place,
    shown_count,
    wrapped,
)
from drive_eval.report.numbers import digits_of, number
from drive_eval.report.sentences import (
    UNITS,
    arm_label,
    behaviour_label,
    group_words,
    out_of_100,
    people_words,
    percent_text,
    threshold_words,
)
from drive_eval.report.tables import Table
from drive_eval.vocabulary import ARMS, REPORTERS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.results import CountTable, Estimate, Evaluation

__all__ = ["equality_chart", "equality_table", "equality_text", "lost_contact_table"]

#: From how many of 100 between two groups the headline speaks of a gap.
GAP = 15
WHOLE = "everybody"
#: The result that holds shares by group, and what the data lack.
GROUPS = "equality:groups"
#: What everybody of a group is called, so that nobody takes it for the enrolments of the flow.
COUNTED = {
    "person": "Perpetrators, each counted once",
    "enrolment": "Enrolments",
    "dyad": "Pairs of perpetrator and victim-survivor",
}


def equality_text(evaluation: Evaluation) -> list[str]:
    """Say what the groups' figures are, and what is not told of them.

    Parameters
    ----------
    evaluation : Evaluation
        Released.

    Returns
    -------
    list of str
        Paragraphs. What the data lack is always among them: groups that no column names are not
        in any figure, and nobody misses them.
    """
    said = []
    tables = _tables(evaluation)
    gone = [label(column) for column, found in tables.items() if not _any(found)]
    if tables:
        said.append(
            "Figures can speak only for people who were measured. Groups may have differed at the "
            "start, so more abuse afterwards does not show that a group was served worse."
        )
    else:
        said.append("Nothing is told by group: the plan or the data name no groups of people.")
    if len(gone) < len(tables):
        said.append(
            "Groups were not tested against each other: few people stand behind each, and of so "
            "many comparisons some would differ by chance. Two ranges that overlap do not show "
            "that groups are alike, and two that do not overlap do not show that they differ."
        )
        if digits_of(evaluation) is not None:
            said.append(
                "Groups of few people stand together. How many of a group used it before, and so "
                "by how much its use fell, is not given: with those who used it afterwards it "
                "would tell of the few who stopped or started. Nobody and everybody of a group "
                "count as few."
            )
    if gone:
        said.append(f"Too few people to show by group: {', '.join(gone).lower()}.")
    return [*said, _lacking(evaluation)]


def _lacking(evaluation: Evaluation) -> str:
    """Say whose characteristics these are, and which are not in the data."""
    found = evaluation.results.get(GROUPS)
    check = found.check("not_in_data") if found is not None else None
    abuse = people_words(evaluation) != "people"
    said = "These are perpetrators’ characteristics. " if abuse else ""
    if check is None:
        return said.strip()
    if check.text:
        said += f"Not in the data: {check.text}. "
    if not check.statistic:
        said += "Nothing is in the data on the characteristics of victim-survivors or children."
    else:
        said += "The characteristics of victim-survivors and children are not told here."
    return said


def equality_chart(evaluation: Evaluation, labels: dict[str, str]) -> Chart | None:
    """Draw, for each group of people and arm, how many of 100 are in the figures.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    labels : dict
        Names of the arms.

    Returns
    -------
    Chart or None
        None where no groups may be shown.
    """
    rows: list[dict[str, Any]] = [
        {"column": column, "group": value, "arm": arm, **_counts(tables[arm], value)}
        for column, tables in _tables(evaluation).items()
        for value in _values(tables)
        for arm in tables
    ]
    if not rows:
        return None
    for row in rows:
        row["percent_measured"] = _share(row["measured_at_both"], row["referred"])
    arms = [arm for arm in ARMS.codes if any(row["arm"] == arm for row in rows)]
    lines = [
        {"abuse_type": column, "group": value}
        for column, value in dict.fromkeys((row["column"], row["group"]) for row in rows)
    ]
    found: dict[tuple[str, str, str], dict[str, Any]] = {
        (row["column"], row["group"], row["arm"]): row for row in rows
    }
    headline = _headline(rows)
    unit = UNITS[evaluation.plan["design"]["unit"]]
    subtitle = (
        f"Of 100 {unit} in each group, how many were measured at both points and so "
        f"are in the figures of {behaviour_label(_outcome(evaluation)).lower()}"
    )
    names = [wrapped(label(str(line["group"])), 24) for line in lines]
    places = place(lines, 0.2 + 0.17 * max(name.count("\n") + 1 for name in names))
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, 1.1 + places.height)
        axes = figure.subplots()
        for line, y in zip(lines, places.rows, strict=True):
            axes.plot([0, 100], [y, y], color="#D0D0D0", linewidth=0.8, zorder=0)
            for i, arm in enumerate(arms):
                here = found.get((line["abuse_type"], line["group"], arm))
                share = None if here is None else here["percent_measured"]
                words = "[c]"
                if here is not None and share is not None:
                    words = _of_100(here)
                    axes.plot(
                        [share], [y], marker=ARM_MARKERS[arm], markersize=8.5, linestyle="none",
                        color=ARM_COLOURS[arm], markeredgecolor="white", markeredgewidth=0.8,
                    )  # fmt: skip
                axes.text(107 + 18 * i, y, words, ha="center", va="center", fontsize=9.5)
        for i, arm in enumerate(arms):
            axes.text(
                107 + 18 * i, 0.05, wrapped(arm_label(arm, labels), 11), ha="center", va="bottom",
                fontsize=SMALL, fontweight="bold", color=DARK_GREY,
            )  # fmt: skip
            axes.plot(
                [], [], marker=ARM_MARKERS[arm], linestyle="none", color=ARM_COLOURS[arm],
                markersize=8.5, label=arm_label(arm, labels),
            )  # fmt: skip
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, fontsize=9.5,
            handletextpad=0,
        )  # fmt: skip
        axes.set_xlim(-2, 116 + 18 * (len(arms) - 1))
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.set_xlabel("measured at both points, of 100 in the group", loc="left")
        axes.set_yticks(places.rows, names, fontsize=9.5)
        headings(axes, places)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_bounds(0, 100)
    return Chart(
        name="groups",
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame(rows)
        .astype(dict.fromkeys(("referred", "measured_at_both", "users_after"), "Int64"))
        .rename(columns={"referred": "in_group"}),
        alt_text="Dot chart. " + " ".join(_spoken(line, found, arms, labels) for line in lines),
        caption=(
            f"Numbers on the right: of 100 {unit} in the group. [c]: {TOO_FEW}. Shares are worked "
            "out from the counts shown."
        ),
    )


def equality_table(evaluation: Evaluation, labels: Mapping[str, str]) -> Table | None:
    """How many of each group were counted and measured, and what share used this abuse.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    labels : mapping
        Names of the arms.

    Returns
    -------
    Table or None
        With the interval of each share, and where nothing is hidden with the share before and
        the change; None where no groups may be shown.
    """
    rows = []
    found = _tables(evaluation)
    exact = digits_of(evaluation) is None
    shares = _shares(evaluation)
    for column, tables in found.items():
        for value in _values(tables):
            for arm, table in tables.items():
                counts = _counts(table, value)
                here = {
                    e.measure: e
                    for e in shares
                    if e.group == arm and e.subgroup == f"{column}: {value}"
                }
                both = counts["measured_at_both"]
                before = _of_hundred(counts["users_before"], both)
                rows.append(
                    (
                        label(column),
                        label(value),
                        arm_label(arm, labels),
                        shown_count(counts["referred"]),
                        shown_count(both),
                        _of_hundred(both, counts["referred"]),
                        *([before] if exact else []),
                        _with_range(
                            counts["users_after"], both, here.get("prevalence_after"), exact=exact
                        ),
                        *([_change(here.get("risk_difference"))] if exact else []),
                    )
                )
    if not rows:
        return None
    name = _outcome(evaluation)
    _kind, reporter, span, *rest = name.split(":")
    first, second = (label(point).lower() for point in span.split("-"))
    who = REPORTERS.label(reporter)
    unit = evaluation.plan["design"]["unit"]
    notes = ["In brackets: the interval."] if shares else []
    if exact and shares:
        notes.append("Negative changes: fewer users.")
    if unit == "person":
        notes.append(
            "Each perpetrator is counted once, by the first enrolment; where the flow counts "
            "enrolments, one person may stand there more than once."
        )
    if not exact:
        notes.append(f"[c]: {TOO_FEW}. Each count is rounded by itself.")
    return Table(
        caption=(
            f"Groups of people: who is in the figures, and {behaviour_label(name).lower()} "
            f"({threshold_words(rest[0] if rest else 'standard')}) as rated by the "
            f"{who[:1].lower()}{who[1:]}"
        ),
        header=(
            "Group by",
            "Group",
            "Arm",
            COUNTED[unit],
            "Measured at both",
            "Measured, of 100 in the group",
            *([f"Used it at {first}, of 100 measured"] if exact else []),
            f"Used it at {second}, of 100 measured",
            *(["Change in users, of 100 measured"] if exact else []),
        ),
        rows=tuple(rows),
        note=" ".join(notes),
        unfolded=True,
    )


def _shares(evaluation: Evaluation) -> tuple[Estimate, ...]:
    found = evaluation.results.get(GROUPS)
    return () if found is None else found.estimates


def _with_range(users: int | None, both: int | None, e: Estimate | None, *, exact: bool) -> str:
    if users is None or not both:
        return "[c]"
    if users >= both and not exact:  # rounded: that it is everybody nobody knows
        return "[c]"
    words = out_of_100(users / both)
    if e is None or e.conf_low is None or e.conf_high is None:
        return words
    return f"{words} ({out_of_100(e.conf_low)} to {out_of_100(e.conf_high)})"


def _change(e: Estimate | None) -> str:
    if e is None or e.estimate is None:
        return "[x]"
    words = number(100 * e.estimate, 0)
    if e.conf_low is None or e.conf_high is None:
        return words
    return f"{words} ({number(100 * e.conf_low, 0)} to {number(100 * e.conf_high, 0)})"


def lost_contact_table(evaluation: Evaluation, labels: Mapping[str, str]) -> Table | None:
    """How many reports from victim-survivors are missing in each arm, and when contact was lost."""
    plan = Plan.model_validate(dict(evaluation.plan))
    outcome = next(
        (
            o
            for o in plan.outcomes
            if isinstance(o, BehaviourOutcome) and o.reporter in ("idva", "victim_survivor")
        ),
        None,
    )
    if outcome is None:
        return None
    rows = []
    for name in outcome_names(outcome):
        result = evaluation.results.get(name)
        pairs = () if result is None else result.tables
        for arm in ARMS.codes:
            table = next((t for t in pairs if t.name == f"pairs:{arm}"), None)
            if table is None:
                continue
            referred = table["all", "referred"]
            counts = [
                table["all", "measured at both"],
                *[table["missing", part] for part in ("only before", "only after", "never")],
            ]
            rows.append(
                (
                    behaviour_label(name),
                    arm_label(arm, labels),
                    shown_count(referred),
                    *[_counted(count, referred) for count in counts],
                )
            )
    if not rows:
        return None
    before, after = label(outcome.before).lower(), label(outcome.after).lower()
    return Table(
        caption="Lost contact with victim-survivors: reports that are missing, by time",
        header=(
            "Type of abuse",
            "Group",
            COUNTED[plan.design.unit],
            f"Report at {before} and {after}",
            f"Only at {before}: lost afterwards",
            f"Only at {after}",
            "At neither",
        ),
        rows=tuple(rows),
        note=(
            "In brackets: of 100 of these. A missing report is no good news: victim-survivors may "
            "be out of reach because they are safe, or because they are controlled. "
            f"[c]: {TOO_FEW}."
        ),
    )


def _outcome(evaluation: Evaluation) -> str:
    """Return the outcome of which the groups are told."""
    plan = Plan.model_validate(dict(evaluation.plan))
    behaviours = [o for o in plan.outcomes if isinstance(o, BehaviourOutcome) and o.primary]
    return outcome_names(behaviours[0])[0]


def _tables(evaluation: Evaluation) -> dict[str, dict[str, CountTable]]:
    """Return the groups' tables by column and arm."""
    found: dict[str, dict[str, CountTable]] = {}
    for table in evaluation.tables:
        if table.name.startswith("equality:"):
            _, column, arm = table.name.split(":")
            found.setdefault(column, {})[arm] = table
    return found


def _any(tables: Mapping[str, CountTable]) -> bool:
    return any(cell.count is not None for table in tables.values() for cell in table.cells)


def _values(tables: Mapping[str, CountTable]) -> list[str]:
    if not _any(tables):
        return []
    values = dict.fromkeys(c.key[0] for table in tables.values() for c in table.cells)
    return [value for value in values if value != WHOLE]


def _counts(table: CountTable, value: str) -> dict[str, int | None]:
    lines = {cell.key[1]: cell.count for cell in table.cells if cell.key[0] == value and cell.shown}
    names = ("referred", "measured at both", "users before", "users after")
    return {name.replace(" ", "_"): lines.get(name) for name in names}


def _share(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else min(100.0, 100 * part / whole)


def _of_100(row: Mapping[str, Any]) -> str:
    return percent_text(row["measured_at_both"], row["referred"])


def _of_hundred(part: int | None, whole: int | None) -> str:
    return "[c]" if part is None or not whole else percent_text(part, whole)


def _counted(count: int | None, whole: int | None) -> str:
    if count is None or not whole:
        return shown_count(count)
    return f"{count:,} ({percent_text(count, whole)})"


def _headline(rows: Sequence[Mapping[str, Any]]) -> str:
    widest: tuple[float, str, str] = (0.0, "", "")
    pairs = {(row["column"], row["arm"]) for row in rows}
    for column, arm in sorted(pairs):
        here = [
            row
            for row in rows
            if (row["column"], row["arm"]) == (column, arm) and row["percent_measured"] is not None
        ]
        if len(here) > 1:
            low = min(here, key=lambda row: row["percent_measured"])
            high = max(here, key=lambda row: row["percent_measured"])
            gap = high["percent_measured"] - low["percent_measured"]
            if gap > widest[0]:
                words = f"{label(column).lower()} “{label(low['group']).lower()}”"
                widest = (gap, words, f"{_of_100(low)} of 100 measured, {_of_100(high)} elsewhere")
    if all(row["percent_measured"] is None for row in rows):
        return "How many of each group were measured cannot be shown"
    if widest[0] >= GAP:
        return f"Fewest in the figures: {widest[1]}, {widest[2]}"
    shown = [row["percent_measured"] for row in rows if row["percent_measured"] is not None]
    if max(shown) < 50:
        return "Of every group shown, fewer than half are in the figures"
    return "All groups shown are about equally often in the figures"


def _spoken(
    line: Mapping[str, Any],
    found: Mapping[tuple[str, str, str], Mapping[str, Any]],
    arms: Sequence[str],
    labels: Mapping[str, str],
) -> str:
    said = []
    for arm in arms:
        row = found.get((line["abuse_type"], line["group"], arm))
        hidden = row is None or row["percent_measured"] is None
        words = TOO_FEW if hidden or row is None else f"{_of_100(row)} of 100"
        said.append(f"{group_words(arm, labels)} {words}")
    return f"{label(line['abuse_type'])}, {label(line['group'])}: {', '.join(said)}."
