"""Who was in each arm at the start: everybody in the figures, and those measured at both points.

Groups of people are counted once, by the tables of `equality`; what is said of them here is read
off those tables, as they are released, and so tells nothing that they do not. Tables of other
characteristics are made and guarded in the same way. Means and spreads are no counts: they are
rounded so far that several people's values disappear in what is left open.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.data.people import people_behind
from drive_eval.evaluation.contrasts import SOLVABLE_CODES, smallest_count
from drive_eval.evaluation.controlled import two_digits, without_numbers
from drive_eval.evaluation.equality import (
    FLOOR,
    UNSEEN,
    WHOLE,
    collapsed,
    controlled,
    equality_tables,
    first_outcome,
    groups_of,
    in_order,
    line_table,
    merged_groups,
    release_equality,
)
from drive_eval.evaluation.released_arms import coarse, few
from drive_eval.evaluation.released_balance import rounded_mean, rounded_up, step_of
from drive_eval.measures.case_table import behaviour_rows
from drive_eval.plan import BehaviourOutcome, EqualitySection, outcome_names
from drive_eval.results import Check, CountTable, Estimate, ResultSet
from drive_eval.vocabulary import ARMS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.data.study import Study
    from drive_eval.disclosure import Policy
    from drive_eval.plan import Plan

    Key = tuple[str, ...]

__all__ = [
    "BASELINE",
    "MEASURED",
    "WHOLE_ARM",
    "arm_sizes",
    "baseline_result",
    "release_baseline",
    "tells_of_measured",
]

#: The name of the result.
BASELINE = "baseline"
#: Of whom a number speaks: everybody of the arm, or those measured at both points.
WHOLE_ARM, MEASURED = "everybody", "measured at both"
#: The line of a table of groups that counts them.
LINES = {WHOLE_ARM: "referred", MEASURED: "measured at both"}
#: What is looked at besides the plan's covariates, where it is there.
USUAL = ("age", "sex", "ethnicity", "site", "prior_incidents_12m", "dash_score")
_MOMENTS = ("mean", "std_dev")
_DAYS_A_MONTH = 30.4375
#: To what differences of shares are rounded up, which follow from counts that are shown.
_FINEST = 0.01


# Exact


def baseline_result(
    plan: Plan,
    study: Study,
    units: pd.DataFrame,
    equality: Sequence[CountTable],
    counted: Mapping[Key, int | None],
) -> ResultSet:
    """How alike were the arms at the start, in everybody and in those measured at both points?

    Parameters
    ----------
    plan : Plan
    study : Study
    units : DataFrame
        From `cohort_units`.
    equality : sequence of CountTable
        From `equality_tables`.
    counted : mapping of (arm, of whom) to int
        From `arm_sizes`.

    Returns
    -------
    ResultSet
        ``share``, ``mean`` and ``std_dev`` by arm (`group`) and of whom (`subgroup`),
        standardised differences ``smd`` and ``months_between``, the median time between the two
        measures; the tables of what `equality` does not count. Exact. Nothing with matched or
        weighted comparisons, which have their own.

    Notes
    -----
    **Assumptions.** What is looked at was known at the start. No P values: where allocation was
    by chance, every difference is chance, and elsewhere a large study finds every difference.
    """
    if plan.balancing:
        return ResultSet()
    measured = _measured(plan, study, units)
    own = _own_tables(plan, study, units, equality)
    numbers = _numbers(plan, units, measured)
    return ResultSet(
        estimates=(
            *_shares((*equality, *own), counted),
            *numbers,
            *_differences(numbers),
            *_months(plan, measured),
        ),
        tables=own,
        checks=(*_cells(plan, units, measured), *_stray_ratings(plan, study, units)),
    )


def arm_sizes(
    plan: Plan, results: Mapping[str, ResultSet], flow: CountTable
) -> dict[Key, int | None]:
    """Return how many each arm has, and how many of them were measured, as these tables say it."""
    found: dict[Key, int | None] = {}
    for cell in flow.cells:
        if cell.key[1] in ("in the cohort", "allocated"):
            found[cell.key[0], WHOLE_ARM] = cell.count
    outcome = first_outcome(plan)
    if outcome is not None:
        for table in results[outcome_names(outcome)[0]].tables:
            if table.name.startswith("pairs:"):
                found[table.name[len("pairs:") :], MEASURED] = table["all", "measured at both"]
    return found


def _measured(plan: Plan, study: Study, units: pd.DataFrame) -> pd.DataFrame:
    """Return the units measured at both points, by the first type of the first primary outcome."""
    outcome = first_outcome(plan)
    if outcome is None:
        return units.iloc[:0]
    rows = behaviour_rows(
        units,
        study.tables["assessments"],
        abuse_type=outcome.abuse_types[0],
        reporter=outcome.reporter,
        before=outcome.before,
        after=outcome.after,
        threshold=outcome.threshold,
    )
    rows = rows.dropna(subset=["used_before", "used_after"])
    if outcome.reporter == "case_manager":  # who alone has one
        rows = rows[rows["group"] == "programme"]
    return rows


def _columns(plan: Plan, units: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the columns that are categories and those that are numbers."""
    names = dict.fromkeys((*USUAL, *plan.comparison.covariates))
    there = [n for n in names if n in units and units.groupby("group")[n].count().min() > 0]
    numbers = [
        name
        for name in there
        if pd.api.types.is_numeric_dtype(units[name])
        and not pd.api.types.is_bool_dtype(units[name])
        and units[name].nunique() > SOLVABLE_CODES
    ]
    return [name for name in there if name not in numbers], numbers


def _own_tables(
    plan: Plan, study: Study, units: pd.DataFrame, equality: Sequence[CountTable]
) -> tuple[CountTable, ...]:
    """Count the groups that no other table counts, of the arms in which it does not."""
    counted = {table.name.split(":")[1] for table in equality}
    categories, _ = _columns(plan, units)
    others = tuple(name for name in categories if name not in counted)
    if others:
        asked = plan.equality.model_copy(update={"by": others})
        plan = plan.model_copy(update={"equality": asked})
        equality = (*equality, *equality_tables(plan, study, units))
    made = [
        dataclasses.replace(table, name=f"{BASELINE}:{table.name.partition(':')[2]}")
        for table in equality
        if table.name.split(":")[1] in others
    ]
    there = {tuple(table.name.split(":")[1:]) for table in equality}
    for column in (*[name for name in EqualitySection().by if name in counted], *others):
        groups = groups_of(units, column, plan.equality.age_bands)
        if groups is None or groups.nunique() < 2:
            continue
        for arm in [arm for arm in ARMS.codes if (units["group"] == arm).any()]:
            if (column, arm) not in there:
                made.append(_plain_table(column, arm, groups, units, plan.design.unit))
    return tuple(made)


def _plain_table(
    column: str, arm: str, groups: pd.Series[Any], units: pd.DataFrame, unit: str
) -> CountTable:
    """Count the groups of an arm in which nobody was measured."""
    here = units["group"] == arm
    sizes = groups[here].astype(str).value_counts()
    names = [str(value) for value in in_order(groups)]
    counts: dict[Key, int] = {(name, UNSEEN): int(sizes.get(name, 0)) for name in names}
    lines = {"referred": (UNSEEN,)}
    atoms: list[Key] = [(name, UNSEEN) for name in groups[here].astype(str)]
    people = people_behind(units[here], atoms, {(n, "referred"): [(n, UNSEEN)] for n in names})
    title = f"{label(column)} at the start, {arm} arm"
    return line_table(f"{BASELINE}:{column}:{arm}", title, unit, counts, lines, people)


def _numbers(plan: Plan, units: pd.DataFrame, measured: pd.DataFrame) -> list[Estimate]:
    """Return mean and spread of each number, of those for whom it is recorded."""
    found = []
    _, names = _columns(plan, units)
    for name, (whom, rows) in itertools.product(names, _of_whom(units, measured)):
        for arm in _arms(rows):
            values = rows.loc[rows["group"] == arm, name].dropna().astype(float)
            labels: dict[str, Any] = {"term": name, "group": arm, "subgroup": whom}
            labels |= {"n": len(values), "unit": plan.design.unit}
            spread = float(values.std(ddof=1)) if len(values) > 1 else None
            mean = float(values.mean()) if len(values) else None
            found.append(Estimate(measure="mean", estimate=mean, **labels))
            found.append(Estimate(measure="std_dev", estimate=spread, **labels))
    return found


def _of_whom(units: pd.DataFrame, measured: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(WHOLE_ARM, units), *([(MEASURED, measured)] if len(measured) else [])]


def _arms(rows: pd.DataFrame) -> list[str]:
    return [arm for arm in ARMS.codes if (rows["group"] == arm).any()]


def _differences(numbers: Sequence[Estimate]) -> list[Estimate]:
    """Return the standardised difference of each number's means."""
    found = {(e.measure, e.term, e.subgroup, e.group): e for e in numbers}
    made = []
    for term, whom in dict.fromkeys((e.term, e.subgroup) for e in numbers):
        rows = [[found.get((m, term, whom, arm)) for arm in ARMS.codes] for m in _MOMENTS]
        if None in rows[0]:
            continue
        (one, other), (first, second) = [[e.estimate if e else None for e in row] for row in rows]
        value = None
        if None not in (one, other, first, second):
            value = _standardised(one or 0.0, other or 0.0, first or 0.0, second or 0.0)
        e = found["mean", term, whom, ARMS.codes[0]]
        made.append(dataclasses.replace(e, measure="smd", group="", n=None, estimate=value))
    return made


def _standardised(one: float, other: float, first: float, second: float) -> float | None:
    """Divide a difference by the spread within the arms; nothing where there is none."""
    spread = math.sqrt((first**2 + second**2) / 2)
    return (one - other) / spread if spread else None


def _shares(
    tables: Sequence[CountTable],
    counted: Mapping[Key, int | None],
    steps: Mapping[str, float | None] | None = None,
) -> list[Estimate]:
    """Return what share of each arm a group is, and their standardised difference.

    From these tables alone, so that released tables give nothing away; differences are rounded
    up to the steps.
    """
    found: dict[Key, dict[str, CountTable]] = {}
    for table in tables:
        found.setdefault((table.name.split(":")[1],), {})[table.name.split(":")[2]] = table
    made = []
    for (column,), arms in found.items():
        names = dict.fromkeys(
            cell.key[0] for table in arms.values() for cell in table.cells if cell.key[0] != WHOLE
        )
        for name, whom in itertools.product(names, (WHOLE_ARM, MEASURED)):
            here = [
                _share(table, name, whom, counted, f"{column}: {name}")
                for table in arms.values()
                if (table.name.split(":")[2], whom) in counted
            ]
            made += here
            if len(here) == len(ARMS.codes):
                value = _between(*[e.estimate for e in here])
                if value is not None and steps is not None:
                    value = rounded_up(value, steps[whom] or _FINEST)
                e = dataclasses.replace(here[0], measure="smd", group="", estimate=value)
                made.append(dataclasses.replace(e, n=None, n_events=None))
    return made


def _between(one: float | None, other: float | None) -> float | None:
    """Return the standardised difference of two shares."""
    if one is None or other is None:
        return None
    spreads = [math.sqrt(share * (1 - share)) for share in (one, other)]
    return 0.0 if one == other else _standardised(one, other, *spreads)


def _share(
    table: CountTable, name: str, whom: str, counted: Mapping[Key, int | None], term: str
) -> Estimate:
    arm = table.name.split(":")[2]
    whole = counted[arm, whom]
    cells = {cell.key: cell.count for cell in table.cells if cell.shown}
    count = cells.get((name, LINES[whom]))
    share = min(1.0, count / whole) if whole and count is not None else None
    labels: dict[str, Any] = {"term": term, "group": arm, "subgroup": whom, "unit": table.unit}
    e = Estimate(measure="share", estimate=share, n=whole, n_events=count, **labels)
    return e if share is not None else without_numbers(e)


def _months(plan: Plan, measured: pd.DataFrame) -> list[Estimate]:
    """Return the median time between the two measures, where it is known."""
    if plan.data.index_date == "not_public" or measured.empty:
        return []
    found = []
    for arm in _arms(measured):
        days = measured.loc[measured["group"] == arm, "days_between"].dropna().astype(float)
        if len(days):
            months = float(days.median()) / _DAYS_A_MONTH
            labels: dict[str, Any] = {"group": arm, "subgroup": MEASURED, "unit": plan.design.unit}
            found.append(Estimate(measure="months_between", estimate=months, n=len(days), **labels))
    return found


def _cells(plan: Plan, units: pd.DataFrame, measured: pd.DataFrame) -> list[Check]:
    """Find how few people of an arm a number rests on, for the gate."""
    _, names = _columns(plan, units)
    return [
        Check(
            name="covariate_cells",
            group=whom,
            statistic=float(smallest_count(rows, name)),
            text=name,
        )
        for name, (whom, rows) in itertools.product(names, _of_whom(units, measured))
        if rows[name].notna().any()
    ]


def _stray_ratings(plan: Plan, study: Study, units: pd.DataFrame) -> list[Check]:
    """Count those of the comparison arm whom a case manager rated: no figure has them."""
    kinds = {o.reporter for o in plan.outcomes if isinstance(o, BehaviourOutcome)}
    here = units[units["group"] == "comparison"]
    if "case_manager" not in kinds or here.empty:
        return []
    rated = study.tables["assessments"]
    rated = rated[(rated["reporter"] == "case_manager") & rated["severity"].notna()]
    count = int(here["case_id"].isin(rated["case_id"]).sum())
    return [_stray(f"{count:,}", float(count))]


def _stray(many: str, count: float | None) -> Check:
    text = (
        f"{many} of the comparison group {'has' if many == '1' else 'have'} ratings by a case "
        "manager, who works with the programme's people. Figures from case managers are about the "
        "programme group alone and leave these ratings out."
    )
    return Check(name="stray_ratings", statistic=count, text=text)


# Released


def release_baseline(
    plan: Plan,
    exact: ResultSet,
    equality: tuple[Sequence[CountTable], Sequence[CountTable]],
    results: Mapping[str, ResultSet],
    flow: CountTable,
    rules: Policy,
) -> ResultSet:
    """What of the arms at the start may be read by others?

    Parameters
    ----------
    plan : Plan
    exact : ResultSet
        From `baseline_result`.
    equality : pair of sequences of CountTable
        The tables of groups, exact and as they are released.
    results : mapping of str to ResultSet
        The outcomes as they are released.
    flow : CountTable
        As released.
    rules : Policy
        One that hides or rounds.

    Returns
    -------
    ResultSet
        Shares that follow from released counts, means and spreads to two digits or less,
        differences rounded up; nothing of a number with few people away from its commonest value.
    """
    counted = arm_sizes(plan, results, flow)
    tables = _released_tables(plan, exact.tables, equality[0], results, rules)
    steps = {whom: _step(counted, whom, rules) for whom in LINES}
    numbers, differences = _released_numbers(exact, counted, steps, rules)
    months = [
        _released_months(e, counted) for e in exact.estimates if e.measure == "months_between"
    ]
    coarsest = max([step for step in steps.values() if step], default=None)
    said = ["Shares are worked out from the counts shown."]
    if coarsest:
        said.append(f"Standardised differences are rounded up, at most to the next {coarsest:g}.")
    if None in steps.values():
        said.append("Differences of means are not shown where so few people stand behind them.")
    checks = [Check(name="rounding", text=" ".join(said))]
    for check in exact.checks:
        count = int(check.statistic or 0)
        if check.name == "stray_ratings" and (count or rules.suppress_zero):
            # In words: a number could be set against those who received the other programme.
            some = "A few people" if few(count, rules) else "Some people"
            checks.append(_stray(f"{some}, or nobody," if rules.suppress_zero else some, None))
    return ResultSet(
        estimates=(
            *_shares((*equality[1], *tables), counted, steps),
            *numbers,
            *differences,
            *months,
        ),
        tables=tables,
        checks=tuple(checks),
    )


def _step(counted: Mapping[Key, int | None], whom: str, rules: Policy) -> float | None:
    sizes = [size for (_arm, of), size in counted.items() if size and of == whom]
    return step_of(coarse(rules) / min(sizes, default=1), exact=rules.round_to <= 1)


def _released_tables(
    plan: Plan,
    own: Sequence[CountTable],
    equality: Sequence[CountTable],
    results: Mapping[str, ResultSet],
    rules: Policy,
) -> tuple[CountTable, ...]:
    """Guard the tables of groups that stand here alone."""
    plain = [table for table in own if not tells_of_measured(table)]
    done = {
        table.name: _without_users(table)
        for table in release_equality(
            plan, [table for table in own if table not in plain], results, rules
        )
    }
    for table in plain:
        column = table.name.split(":")[1]
        beside = [t for t in (*equality, *own) if t.name.split(":")[1] == column]
        seen = [t for t in beside if tells_of_measured(t)]
        # The groups are those of the other arm, where that arm has been told of by group.
        merged = merged_groups(seen) if seen else merged_groups(beside, "referred")
        if merged is None:
            done[table.name] = dataclasses.replace(table, cells=(), policy=rules.name)
        else:
            done[table.name] = controlled(collapsed(table, merged, ["referred"]), rules)
    return tuple(done[table.name] for table in own)


def tells_of_measured(table: CountTable) -> bool:
    """Say whether a table tells who of a group was measured, and not only who is in it."""
    return any(cell.key[1] == "measured at both" for cell in table.cells)


def _without_users(table: CountTable) -> CountTable:
    """Leave out how they ended, which is no baseline."""
    kept = tuple(c for c in table.cells if not c.shown or c.key[1] in LINES.values())
    return dataclasses.replace(table, cells=kept)


def _released_numbers(
    exact: ResultSet,
    counted: Mapping[Key, int | None],
    steps: Mapping[str, float | None],
    rules: Policy,
) -> tuple[list[Estimate], list[Estimate]]:
    """Round means, spreads and their differences; those of nearly everybody are everybody's."""
    # Beside exact counts the limit is higher, as for the balance of designs.
    limit = rules.suppress_up_to * (1 if rules.round_to > 1 else 2)
    small = {
        check.text
        for check in exact.checks
        if check.name == "covariate_cells" and (check.statistic or 0) <= limit
    }
    found = {(e.measure, e.term, e.group, e.subgroup): e for e in exact.estimates}
    given: list[Estimate] = []
    shown: list[Estimate] = []
    for e in exact.estimates:
        if e.measure not in _MOMENTS:
            continue
        whole = found[e.measure, e.term, e.group, WHOLE_ARM]
        # Also what they are rounded to is everybody's, or it would tell of those who were lost.
        same = few((whole.n or 0) - (e.n or 0), rules)
        whom = WHOLE_ARM if same else e.subgroup
        value = whole.estimate if same else e.estimate
        e = dataclasses.replace(e, estimate=value, n=counted.get((e.group, e.subgroup)))
        given.append(e)
        n = counted.get((e.group, whom))
        if e.term in small or not e.n or not n or value is None:
            shown.append(without_numbers(e))
        elif e.measure == "std_dev":
            shown.append(dataclasses.replace(e, estimate=two_digits(value)))
        else:
            spread = two_digits(found["std_dev", e.term, e.group, whom].estimate)
            mean = rounded_mean(value, spread, n, coarse(rules))
            shown.append(dataclasses.replace(e, estimate=mean))
    hidden = {(e.term, e.subgroup) for e in shown if e.estimate is None}
    differences = []
    for e in _differences(given):
        step = steps[e.subgroup]
        if (e.term, e.subgroup) in hidden or step is None or e.estimate is None:
            differences.append(without_numbers(e))
        else:
            differences.append(dataclasses.replace(e, estimate=rounded_up(e.estimate, step)))
    return shown, differences


def _released_months(e: Estimate, counted: Mapping[Key, int | None]) -> Estimate:
    """Give the median of enough people, in whole months: no day is anybody's."""
    if (e.n or 0) < FLOOR or e.estimate is None or counted.get((e.group, MEASURED)) is None:
        return without_numbers(e)
    return dataclasses.replace(e, estimate=float(round(e.estimate)), n=None)
