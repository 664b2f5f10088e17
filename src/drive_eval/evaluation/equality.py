"""Who is in the figures and who is not: outcomes by sex, ethnicity, age and site.

A plan's groups split the people whom other tables count as a whole, so what is released of them
must fit beside those tables. Under a policy that hides counts three things keep it so. Groups of
few go together before anything is counted. A group has three lines that lie inside each other
(referred, measured at both, users after), so that the exact counts of the whole, which the gate
supposes a reader to know, are all that ties a group to any other table. And where the whole
itself is not shown, neither are its groups.

Nobody and everybody count as few in a group: that no Black man, or every one, used it afterwards
says something of each of them, and groups are what a reader knows somebody by.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval import disclosure
from drive_eval.data.people import people_behind
from drive_eval.errors import did_you_mean
from drive_eval.evaluation.controlled import NESTED, empty
from drive_eval.measures.case_table import behaviour_rows
from drive_eval.models import prepost
from drive_eval.plan import BehaviourOutcome, EqualitySection, outcome_names
from drive_eval.results import Check, CountTable, ResultSet
from drive_eval.vocabulary import ARMS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.data.study import Study
    from drive_eval.disclosure import Policy
    from drive_eval.plan import Plan
    from drive_eval.results import Cell, Estimate

    Key = tuple[str, ...]

__all__ = [
    "FLOOR",
    "GROUPS",
    "OTHERS",
    "UNSEEN",
    "WHOLE",
    "collapsed",
    "controlled",
    "equality_faults",
    "equality_reasons",
    "equality_result",
    "equality_tables",
    "first_outcome",
    "groups_of",
    "in_order",
    "is_equality",
    "line_table",
    "merged_groups",
    "release_equality",
    "told_by_group",
]

#: The name of the result that holds shares by group, and what the data lack.
GROUPS = "equality:groups"
#: What one would wish to know of people, and how a column of cases that holds it may be called.
CHARACTERISTICS: dict[str, tuple[str, ...]] = {
    "sex": ("sex", "gender"),
    "ethnicity": ("ethnic", "race"),
    "age": ("age", "age_band", "birth"),
    "disability": ("disab",),
    "religion": ("religi", "faith"),
    "sexual orientation": ("orientation", "sexuality"),
    "gender reassignment": ("reassign", "trans_", "transgender", "gender_identity"),
    "language": ("language", "interpreter"),
}
#: Columns of victim_survivors that are no characteristic of theirs.
NOT_THEIRS = ("victim_survivor_id", "case_id", "relationship", "idva_supported", "children_n")
#: The line of everybody in an arm.
WHOLE = "everybody"
#: Groups of few, taken together.
OTHERS = "other groups together"
NOT_RECORDED = "not recorded"
#: Why a column is not released.
MADE_UP = "Its groups are made up of those of {}: less these they would tell of few people."
#: Fewest people of each arm, measured at both points, of a group that stands by itself.
FLOOR = 20
#: Most groups that stand by themselves.
MOST = 7
#: What may have become of one person.
PATTERNS = ("used at both", "used before only", "used after only", "used at neither")
UNSEEN = "not measured at both"
LINES: dict[str, tuple[str, ...]] = {
    "referred": (*PATTERNS, UNSEEN),
    "measured at both": PATTERNS,
    "users before": PATTERNS[:2],
    "users after": (PATTERNS[0], PATTERNS[2]),
}


def is_equality(table: CountTable) -> bool:
    """Say whether a table counts groups of people."""
    return table.name.startswith("equality:")


def equality_faults(plan: Plan, cases: pd.DataFrame) -> list[str]:
    """Name the groups that a plan asks for and the cases cannot give."""
    usual = EqualitySection().by
    there = [*map(str, cases.columns), *(["age_band"] if "age" in cases else [])]
    return [
        f'[equality] by names "{name}", which is no column of cases.'
        f"{did_you_mean(name, there)} Mend the name, or add the column."
        for name in plan.equality.by
        if name not in there and name not in usual
    ]


def equality_tables(plan: Plan, study: Study, units: pd.DataFrame) -> tuple[CountTable, ...]:
    """Count each arm's groups: referred, measured at both points, users before and after.

    Parameters
    ----------
    plan : Plan
        ``equality.by`` names columns of cases; those of the usual four that are not there, and
        those in which everybody is alike, have no table.
    study : Study
    units : DataFrame
        From `cohort_units`.

    Returns
    -------
    tuple of CountTable
        ``equality:<column>:<arm>``, of the first abuse type of the first primary outcome about
        behaviour; none without such an outcome. Exact.
    """
    outcome = first_outcome(plan)
    if outcome is None:
        return ()
    rows = behaviour_rows(
        units,
        study.tables["assessments"],
        abuse_type=outcome.abuse_types[0],
        reporter=outcome.reporter,
        before=outcome.before,
        after=outcome.after,
        threshold=outcome.threshold,
    )
    if outcome.reporter == "case_manager":  # usual care has none, so nobody there is missing
        rows = rows[rows["group"] == "programme"]
    rows = rows.assign(pattern=_patterns(rows))
    made = []
    by = {name: groups_of(rows, name, plan.equality.age_bands) for name in plan.equality.by}
    told = {name: g for name, g in by.items() if g is not None and len(set(g)) > 1}
    for column, groups in told.items():
        finer = _finer(column, told)
        order = [str(code) for code in in_order(groups)]
        for arm in [arm for arm in ARMS.codes if (rows["group"] == arm).any()]:
            here = rows["group"] == arm
            found = pd.crosstab(groups[here].astype(str), rows.loc[here, "pattern"])
            atoms = list(zip(groups[here].astype(str), rows.loc[here, "pattern"], strict=True))
            counts: dict[Key, int] = {
                (value, pattern): int(found.get(pattern, pd.Series(dtype=int)).get(value, 0))
                for value in order
                for pattern in LINES["referred"]
            }
            made.append(
                line_table(
                    f"equality:{column}:{arm}",
                    f"{label(column)}: who is in the figures, {arm} arm",
                    plan.design.unit,
                    counts,
                    LINES,
                    people_behind(rows[here], atoms, _totals(counts, LINES)),
                    MADE_UP.format(label(finer)) if finer else "",
                )
            )
    return tuple(made)


def _finer(column: str, groups: Mapping[str, pd.Series[Any]]) -> str:
    """Return another column whose groups each lie in one of this column's, if there is one.

    Of two columns that make the same groups, the first is the finer.
    """
    mine = groups[column]
    for other, values in groups.items():
        one_each = mine.astype(str).groupby(values.astype(str)).nunique().max() == 1
        same = values.nunique() == mine.nunique()
        first = list(groups).index(other) < list(groups).index(column)
        if other != column and one_each and (first or not same):
            return other
    return ""


def equality_result(plan: Plan, tables: Sequence[CountTable]) -> ResultSet:
    """What share of each group used it, from the counts of these tables alone?

    Parameters
    ----------
    plan : Plan
    tables : sequence of CountTable
        From `equality_tables`, or from `release_equality`: then a hidden count takes its share
        with it, and nothing is known that the released counts do not say.

    Returns
    -------
    ResultSet
        Of each group and arm ``prevalence_after`` with Wilson's interval and, where the table
        tells who used it before, ``prevalence_before`` and ``risk_difference`` with its paired
        interval; ``subgroup`` is ``"<column>: <group>"``. Nothing where the same person may be
        counted twice: these intervals do not hold then.

    Notes
    -----
    **Assumptions.** People are independent of each other. Groups are not set against each other:
    many are looked at, of few people each.
    """
    outcome = first_outcome(plan)
    if outcome is None or plan.design.unit != "person":
        return ResultSet()
    found: list[Estimate] = []
    for table in tables:
        _, column, arm = table.name.split(":")
        for value in dict.fromkeys(cell.key[0] for cell in table.cells):
            if value != WHOLE:
                labels = {
                    "outcome": outcome.abuse_types[0],
                    "group": arm,
                    "unit": plan.design.unit,
                    "reporter": outcome.reporter,
                    "threshold": outcome.threshold,
                    "subgroup": f"{column}: {value}",
                }
                found += _shares(table, value, labels, plan.design.conf_level)
    return ResultSet(estimates=tuple(found))


def not_in_data(study: Study) -> Check:
    """Which characteristics of people do the data not hold?

    Parameters
    ----------
    study : Study

    Returns
    -------
    Check
        ``not_in_data``: its text names those of perpetrators, its statistic is how many columns
        there are on characteristics of victim-survivors.

    Notes
    -----
    **Assumptions.** Columns are called after what they hold. One of another name is not found, so
    the report may name as missing what is there, and never the other way round for a column
    that is not there.
    """
    columns = [str(name).lower() for name in study.tables["cases"].columns]
    missing = [
        name
        for name, words in CHARACTERISTICS.items()
        if not any(_names(column, words) for column in columns)
    ]
    links = study.tables.get("victim_survivors")
    theirs = [] if links is None else [c for c in map(str, links.columns) if c not in NOT_THEIRS]
    return Check(name="not_in_data", statistic=float(len(theirs)), text=", ".join(missing))


def _names(column: str, words: Sequence[str]) -> bool:
    """Tell whether a column is called after one of these; short words must be the whole name."""
    return any(column == word or (len(word) > 4 and word in column) for word in words)


def _shares(
    table: CountTable, value: str, labels: Mapping[str, Any], level: float
) -> Sequence[Estimate]:
    """Return the shares of one group, as far as its counts are there."""
    counts = {cell.key[1]: cell.count for cell in table.cells if cell.key[0] == value}
    pairs = [counts.get(pattern) for pattern in PATTERNS]
    if "users before" in counts and None not in pairs:  # hidden atoms are there in exact tables
        both, before_only, after_only, neither = (count or 0 for count in pairs)
        if not any(pairs):
            return [empty("prevalence_after", labels, level)]
        paired = prepost.paired_counts(
            both=both,
            before_only=before_only,
            after_only=after_only,
            neither=neither,
            conf_level=level,
            **labels,
        )
        kept = ("prevalence_before", "prevalence_after", "risk_difference")
        return [e for e in paired.estimates if e.measure in kept]
    measured, users = counts.get("measured at both"), counts.get("users after")
    if not measured or users is None:
        return [empty("prevalence_after", labels, level)]
    if users >= measured and "rounded" in {cell.status for cell in table.cells}:
        # Each is rounded by itself: everybody would be said of a group where nobody knows it.
        return [empty("prevalence_after", labels, level)]
    return prepost.proportion(
        events=users,
        n=measured,
        measure="prevalence_after",
        conf_level=level,
        **labels,
    ).estimates


def first_outcome(plan: Plan) -> BehaviourOutcome | None:
    """Return the first primary outcome about behaviour."""
    behaviours = [o for o in plan.outcomes if isinstance(o, BehaviourOutcome)]
    return next((o for o in behaviours if o.primary), None)


def _patterns(rows: pd.DataFrame) -> pd.Series[str]:
    before, after = rows["used_before"], rows["used_after"]
    seen = before.notna() & after.notna()
    first, second = before.fillna(value=False), after.fillna(value=False)
    found = pd.Series(UNSEEN, index=rows.index, dtype=object)
    found[seen & first & second] = PATTERNS[0]
    found[seen & first & ~second] = PATTERNS[1]
    found[seen & ~first & second] = PATTERNS[2]
    found[seen & ~first & ~second] = PATTERNS[3]
    return found


def groups_of(rows: pd.DataFrame, column: str, bands: Sequence[int]) -> pd.Series[Any] | None:
    """Return each person's group; ages in bands, in their order."""
    if column in rows:
        values = rows[column].astype(object)
        return values.where(values.notna(), NOT_RECORDED).astype(str)
    if column != "age_band" or "age" not in rows:
        return None
    names = [
        f"under {bands[0]}",
        *[f"{low} to {high - 1}" for low, high in itertools.pairwise(bands)],
        f"{bands[-1]} and over",
    ]
    edges = [float("-inf"), *bands, float("inf")]
    ages = pd.to_numeric(rows["age"]).astype("Float64").astype(float)
    cut = pd.cut(ages, edges, right=False, labels=names)
    cut = cut.cat.add_categories(NOT_RECORDED).fillna(NOT_RECORDED)
    return cut.cat.remove_unused_categories()


def in_order(groups: pd.Series[Any]) -> list[Any]:
    """Return the names of groups as a table has them: ages by age, what is not recorded last."""
    if isinstance(groups.dtype, pd.CategoricalDtype):
        return list(groups.cat.categories)
    names = sorted(groups.unique())
    return [n for n in names if n != NOT_RECORDED] + [n for n in names if n == NOT_RECORDED]


def line_table(
    name: str,
    title: str,
    unit: str,
    counts: Mapping[Key, int],
    lines: Mapping[str, Sequence[str]],
    people: Mapping[Key, int] | None = None,
    note: str = "",
) -> CountTable:
    """Build a table whose people by pattern are never shown, with each group's lines and all."""
    return CountTable.from_counts(
        name=name,
        title=title,
        unit=unit,
        dimensions=("group", "line"),
        counts=counts,
        totals=_totals(counts, lines),
        hidden=counts,
        people=people,
        note=note,
    )


def _totals(counts: Mapping[Key, int], lines: Mapping[str, Sequence[str]]) -> dict[Key, list[Key]]:
    """Return each group's lines, and everybody's."""
    values = list(dict.fromkeys(value for value, _ in counts))
    totals: dict[Key, list[Key]] = {
        (v, line): [(v, part) for part in lines[line]] for v in values for line in lines
    }
    whole: dict[Key, list[Key]] = {
        (WHOLE, line): [(v, part) for v in values for part in parts]
        for line, parts in lines.items()
    }
    return {**totals, **whole}


def told_by_group(plan: Plan, tables: Sequence[CountTable]) -> str:
    """Return the outcome that is told by group; nothing where no groups are large enough."""
    outcome = first_outcome(plan)
    large = [arms for arms in _by_column(tables) if merged_groups(arms) is not None]
    return outcome_names(outcome)[0] if outcome is not None and large else ""


def _by_column(tables: Sequence[CountTable]) -> list[list[CountTable]]:
    """Put the tables of one column and several arms together."""
    found: dict[str, list[CountTable]] = {}
    for table in tables:
        found.setdefault(table.name.split(":")[1], []).append(table)
    return list(found.values())


def release_equality(
    plan: Plan,
    tables: Sequence[CountTable],
    released: Mapping[str, ResultSet],
    rules: Policy,
) -> tuple[CountTable, ...]:
    """What of the groups may be read by others?

    Parameters
    ----------
    plan : Plan
    tables : sequence of CountTable
        From `equality_tables`.
    released : mapping of str to ResultSet
        The outcomes as they are released, whose pair tables hold the whole of each arm.
    rules : Policy

    Returns
    -------
    tuple of CountTable
        The same tables, under a policy that hides counts with fewer groups and fewer lines:
        without users before, which together with users after would bound who stopped and who
        started, and without what would need a whole that is not shown. A table of which nothing
        can be shown has no cells.

    Notes
    -----
    **Assumptions.** A reader knows the exact whole of each line. All tables of groups, and the
    pair table, then hang together by these counts alone: whatever two of them may hold by
    themselves, they may hold together. This is not so of a column whose groups are made up of
    another's, such as regions of teams; nothing of it is released.
    """
    outcome = first_outcome(plan)
    if outcome is None or (not rules.hides_anything and rules.round_to <= 1):
        return tuple(disclosure.control(table, rules) for table in tables)
    pairs = {table.name: table for table in released[outcome_names(outcome)[0]].tables}
    found = []
    for arms in _by_column(tables):
        lines = [_shown_lines(pairs.get(f"pairs:{table.name.split(':')[2]}")) for table in arms]
        # One arm without a line leaves the other nothing to be set against.
        kept = [line for line in NESTED if all(line in shown for shown in lines)]
        # A group less the finer groups that make it up would be one of few people.
        apart = "measured at both" in kept and not any(table.note for table in arms)
        together = merged_groups(arms) if apart else None
        for table in arms:
            if together is None:
                found.append(dataclasses.replace(table, cells=(), policy=rules.name))
                continue
            found.append(controlled(collapsed(table, together, kept), rules))
    return tuple(found)


def _shown_lines(pairs: CountTable | None) -> list[str]:
    """Return the lines whose whole is shown in the pair table of an arm."""
    return [line for line, key in NESTED.items() if pairs is not None and pairs[key] is not None]


def merged_groups(
    arms: Sequence[CountTable], line: str = "measured at both"
) -> dict[str, str] | None:
    """Say for each group whether it stands by itself; None where fewer than two would."""
    values = list(dict.fromkeys(c.key[0] for table in arms for c in table.cells))
    sizes = {
        value: [_people(table.cell((value, line))) for table in arms]
        for value in values
        if value != WHOLE
    }
    alone = [value for value in sizes if min(sizes[value]) >= FLOOR]
    alone.sort(key=lambda value: -min(sizes[value]))
    while True:
        rest = [value for value in sizes if value not in alone]
        few = any(sum(sizes[value][i] for value in rest) < FLOOR for i in range(len(arms)) if rest)
        if alone and (few or len(alone) > MOST):
            alone.pop()
            continue
        if len(alone) + bool(rest) < 2:
            return None
        return {value: value if value in alone else OTHERS for value in sizes}


def collapsed(table: CountTable, together: Mapping[str, str], kept: Sequence[str]) -> CountTable:
    """Return the table with its groups merged and only the lines kept, of as few atoms."""
    lines = {line: LINES[line] for line in kept}
    # People whom no line tells apart are one atom.
    kinds = {p: tuple(p in parts for parts in lines.values()) for p in LINES["referred"]}
    name_of = {kind: next(p for p in kinds if kinds[p] == kind) for kind in kinds.values()}
    values = sorted(set(together.values()), key=list(together.values()).index)
    values.sort(key=lambda value: value == OTHERS)
    counts: dict[Key, int] = {(v, p): 0 for v in values for p in name_of.values()}
    for cell in table.cells:
        if not cell.parts:
            value, pattern = cell.key
            counts[together[value], name_of[kinds[pattern]]] += cell.count or 0
    members = {line: [p for p in name_of.values() if p in parts] for line, parts in lines.items()}
    # No group has more units of the same people than everybody together has.
    sums = {
        key: sum(counts[part] for part in parts) for key, parts in _totals(counts, members).items()
    }
    again = {line: (table[WHOLE, line] or 0) - _people(table.cell((WHOLE, line))) for line in lines}
    people = {key: max(n - again[key[1]], 1) for key, n in sums.items() if n and again[key[1]]}
    return line_table(table.name, table.title, table.unit, counts, members, people)


def _people(cell: Cell) -> int:
    return (cell.count or 0) if cell.people is None else cell.people


def controlled(table: CountTable, rules: Policy) -> CountTable:
    """Take a table through the gate beside its whole, which others know and this does not show.

    Nobody of a group is as telling as few of it, however large the group: a rule that looked at
    its size would say what it hides. What one line leaves of another is guarded alike, so that
    everybody is too.
    """
    rules = dataclasses.replace(rules, suppress_zero=True)
    whole = [cell.key for cell in table.cells if cell.key[0] == WHOLE]
    priority = {
        cell.key: list(NESTED)[::-1].index(cell.key[1])
        for cell in table.cells
        if cell.parts and cell.key[0] != WHOLE
    }
    done = disclosure.control(table, rules, known=whole, priority=priority)
    return dataclasses.replace(done, cells=tuple(c for c in done.cells if c.key[0] != WHOLE))


def equality_reasons(before: CountTable, after: CountTable) -> list[dict[str, str]]:
    """Say for the restricted record what is not shown of the groups, and why."""
    if not after.cells:
        return [{"table": before.name, "key": "all", "reason": "groups of few people"}]
    there = {cell.key[0] for cell in after.cells}
    merged = [
        {"table": before.name, "key": value, "reason": "group of few people"}
        for value in dict.fromkeys(cell.key[0] for cell in before.cells)
        if value != WHOLE and value not in there
    ]
    hidden = [
        {
            "table": before.name,
            "key": " / ".join(cell.key),
            "reason": "small count, nobody, or would give one back",
        }
        for cell in after.cells
        if cell.shown and cell.count is None
    ]
    return merged + hidden
