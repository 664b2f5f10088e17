"""What every released result shares: controlled tables, rows without numbers, floors, claims."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval import disclosure
from drive_eval.evaluation.contrasts import between_arms_claim
from drive_eval.results import NOT_SHOWN, Check, CountTable, Estimate, ResultSet
from drive_eval.vocabulary import PERCEIVED_CHANGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.disclosure import Policy
    from drive_eval.plan import Plan
    from drive_eval.results import Cell
    from drive_eval.vocabulary import Claim

__all__ = [
    "CLUSTERED",
    "EXCLUDED",
    "HIDDEN",
    "NESTED",
    "SMALL_GROUP",
    "arm_totals",
    "coarse_p",
    "coarse_ratio",
    "control_table",
    "empty",
    "expand",
    "is_small_group",
    "model_based",
    "nobody_is_few",
    "people_of",
    "quarter",
    "released_claim",
    "too_rare",
    "two_digits",
    "without_numbers",
]

#: What is given up first when hiding small counts alone would not protect them. Bounds can do
#: without who was lost; without the four kinds of pair an effect still follows from its margins.
PRIORITY = {
    "lost": 0,
    "pairs": 1,
    "missing": 2,
    "before": 3,
    "after": 4,
    "change": 5,
    "users": 6,
    "all": 7,
}
#: Which lines count everybody of an arm, by the kind of table and the end of their keys.
EVERYBODY = {
    "flow": ("in the cohort",),
    "pairs": ("all", "referred"),
    "perceived_change": ("all",),
    "arms": ("all", "all"),
    "followed": ("all",),
    "received": ("all",),
}
#: The lines of a pair table of which groups of people are released as well. They lie inside each
#: other, so that nothing but their exact counts ties the groups to the pair table.
NESTED = {
    "referred": ("all", "referred"),
    "measured at both": ("all", "measured at both"),
    "users after": ("users", "after"),
}
#: The lines that count who has no outcome.
MISSING_LINES = ("only before", "only after", "never", "not judged")
#: An arm of fewer people is a small group: nobody and everybody say something about each.
SMALL_GROUP = 60
#: Which part of a key says what became of somebody, by the kind of table.
NAMES_IT = {"pairs": 0, "perceived_change": 0, "arms": -1}
SAYS_SOMETHING = {
    *("pairs", "users", "before", "after", "change"),
    *(*PERCEIVED_CHANGES.codes, "reduced"),
    *("yes", "no"),
}
EXCLUDED = Check(
    name="claim",
    passed=False,
    text="The contrast of the arms is associational: allocation was by chance, but cases were left "
    "out by the plan.",
)
CLUSTERED = (
    "Not released: people are clustered, so the result does not follow from the counts shown."
)
HIDDEN = "Too few people to publish without risking someone being recognised."


def control_table(table: CountTable, rules: Policy, *, grouped: bool = False) -> CountTable:
    """Hide and round what a policy asks, giving up first what costs a reader least.

    Every table of an arm divides the same people, so whatever one of them tells about how many
    they are holds for all. The reader is taken to know that number exactly. Then no table says
    anything about another: any two divisions of as many people go together. A pair table
    of which groups of people are released beside it is `grouped`.
    """
    known = arm_totals(table)
    if table.name.startswith("pairs:"):
        if grouped:  # the counts of groups may give these away, where they are not small
            known += [key for key in NESTED.values() if (table[key] or 0) > rules.suppress_up_to]
            known = list(dict.fromkeys(known))
        cells = [cell.key for cell in table.cells if cell.key[0] == "pairs"]
        priority = {cell.key: PRIORITY[cell.key[0]] for cell in table.cells if cell.shown}
        return disclosure.control(
            table,
            rules,
            known=known,
            priority=priority,
            together=[cells],
            empty=nobody_is_few(table),
        )
    if table.name in ("flow", "cohort_flow"):
        # The ways out of one arm are a family, and its stages another, which goes last.
        groups = list(dict.fromkeys(cell.key[0] for cell in table.cells))
        priority = {
            cell.key: groups.index(cell.key[0]) + (len(groups) if cell.parts else 0)
            for cell in table.cells
        }
        return disclosure.control(table, rules, known=known, priority=priority)
    return disclosure.control(table, rules, known=known, empty=nobody_is_few(table))


def nobody_is_few(table: CountTable) -> list[tuple[str, ...]]:
    """Return the lines of a small arm of which nobody counts as few.

    That nobody of thirty got worse, or that all stopped, says something about each of the thirty.
    """
    place = NAMES_IT.get(table.name.split(":")[0])
    if place is None:
        return []
    totals = arm_totals(table)
    small = [key for key in totals if is_small_group(table.cell(key))]
    return [
        cell.key
        for cell in table.cells
        if cell.shown
        and cell.key[place] in SAYS_SOMETHING
        and any(len(totals) == 1 or cell.key[0] == total[0] for total in small)
    ]


def is_small_group(total: Cell) -> bool:
    """Tell whether the exact number of people of an arm makes it a small group."""
    people = total.count if total.people is None else total.people
    return (people or 0) < SMALL_GROUP


def people_of(table: CountTable) -> dict[tuple[str, ...], int]:
    """Return how many people stand behind those lines of which they are fewer than the count."""
    return {cell.key: cell.people for cell in table.cells if cell.people is not None}


def arm_totals(table: CountTable) -> list[tuple[str, ...]]:
    """Return the lines of a table that count everybody of an arm, as other tables do too."""
    kind = table.name.split(":")[0]
    keys = [cell.key for cell in table.cells]
    if kind == "cohort_flow":  # which counts enrolments; first ones are people
        return [key for key in keys if key[1] == "first_enrolment"] or [
            key for key in keys if key[1] == "included"
        ]
    return [
        key for key in keys if kind in EVERYBODY and key[-len(EVERYBODY[kind]) :] == EVERYBODY[kind]
    ]


def without_numbers(e: Estimate) -> Estimate:
    """Return the row of an estimate that may not be shown."""
    return dataclasses.replace(
        e,
        method=NOT_SHOWN,
        estimate=None,
        std_error=None,
        conf_low=None,
        conf_high=None,
        p_value=None,
        n=None,
        n_events=None,
        n_reference=None,
        n_events_reference=None,
    )


def empty(measure: str, labels: Mapping[str, Any], level: float, term: str = "") -> Estimate:
    """Return a row of which nothing may be shown."""
    return Estimate(
        measure=measure, term=term, estimate=None, conf_level=level, method=NOT_SHOWN, **labels
    )


def model_based(
    plan: Plan,
    result: ResultSet,
    users: Mapping[str, int],
    totals: Mapping[str, int],
    labels: Mapping[str, Any],
    measures: Sequence[tuple[str, str]],
    rules: Policy,
) -> ResultSet:
    """Release the covariate-adjusted contrast if events and residual df pass the policy's floor.

    It follows from the covariates of every person, not from the counts, so it is not worked out
    again: it is given to two digits, without its standard error, and only if no arm has few
    people with or without the outcome in any category that it is adjusted for.
    """
    level = plan.design.conf_level
    found = [
        e
        for e in result.estimates
        if not e.group and (e.measure, e.term) in measures and e.estimate is not None
    ]
    cells = [c for c in result.checks if c.name == "covariate_cells"]
    smallest = [c.statistic or 0 for c in cells]
    # Twice the covariates, an intercept and the arm: as many as the model has at least.
    freedom = sum(totals.values()) - 2 * (1 + len(plan.comparison.covariates))
    if (
        not found
        or not smallest
        or min(smallest) <= rules.suppress_up_to
        or min(users.values()) < rules.min_events
        or freedom < rules.min_residual_df
    ):
        rare = [c.group for c in cells if (c.statistic or 0) <= rules.suppress_up_to]
        why = too_rare(rare[0]) if rare and rare[0] else "too few people had the outcome."
        text = f"The adjusted contrast of the groups is not released: {why}"
        check = Check(name="below_floor", text=text)
        return ResultSet(
            estimates=tuple(empty(m, labels, level, t) for m, t in measures), checks=(check,)
        )
    kept = tuple(
        dataclasses.replace(
            e,
            estimate=two_digits(e.estimate),
            conf_low=two_digits(e.conf_low),
            conf_high=two_digits(e.conf_high),
            p_value=coarse_p(e.p_value),
            std_error=None,
            n=totals["programme"],
            n_events=users["programme"],
            n_reference=totals["comparison"],
            n_events_reference=users["comparison"],
        )
        for e in found
    )
    there = {(e.measure, e.term) for e in kept}
    rest = tuple(empty(m, labels, level, t) for m, t in measures if (m, t) not in there)
    return ResultSet(estimates=kept + rest)


def too_rare(covariate: str) -> str:
    """Say which covariate keeps an effect from being released, and what can be done."""
    return (
        "too few people of an arm, with or without the outcome, are in a category of "
        f'"{covariate}" or away from its commonest value. Merge rare categories, or take it out of '
        "the plan."
    )


def two_digits(value: float | None) -> float | None:
    """Round to two significant digits; what is not finite becomes None."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.2g}")


def coarse_ratio(value: float | None) -> float | None:
    """Round a ratio to two digits, and to hundredths from a tenth to two.

    Two digits are hundredths below 1 and tenths above: a limit of 1.03 would become 1.0, and a
    possible rise of 3 % none at all.

    Examples
    --------
    >>> [coarse_ratio(x) for x in (0.8541, 1.027, 2.34, 0.0123)]
    [0.85, 1.03, 2.3, 0.012]
    """
    if value is None or not math.isfinite(value) or not 0.1 <= value < 2:
        return two_digits(value)
    return round(value, 2)


def coarse_p(value: float | None) -> float | None:
    """Give a P value to two digits, and no smaller than 0.001.

    A tiny one tells its test statistic to many digits, and with it the counts behind it.

    Examples
    --------
    >>> [coarse_p(p) for p in (0.04567, 3e-12)]
    [0.046, 0.001]
    """
    return None if value is None else max(float(f"{value:.2g}"), 0.001)


def quarter(size: float) -> float:
    """Round a design effect up to a quarter; exact ones could be solved for a count."""
    return math.ceil(4 * max(1.0, size) - 1e-9) / 4


def released_claim(
    plan: Plan, tables: Mapping[str, CountTable], rules: Policy, whole: str, part: str
) -> tuple[Claim, Check]:
    """Decide the claim anew from released counts, so that the word itself gives nothing away.

    Rounding may hide that a limit was passed; the claim is causal only if it would be for
    every count behind the rounded ones.
    """
    half = rules.round_to // 2 if rules.round_to > 1 else 0
    shares, worst = {}, {}
    if plan.cohort.exclude and plan.design.kind == "randomised":
        return "associational", EXCLUDED
    for group, table in tables.items():
        total, measured = _line(table, whole), _line(table, part)
        if not total or measured is None:
            text = (
                "The contrast of the arms is associational: how many outcomes are missing is not "
                "shown."
            )
            return "associational", Check(name="claim", text=text)
        shares[group] = max(0.0, 1 - measured / total)
        lines = [c for c in table.cells if c.key[-1] in MISSING_LINES]
        if any(cell.count is None for cell in lines):
            # A released total may be a sum of eight rounded cells, each off by half the base.
            most = total - measured + 16 * half
        else:
            most = sum(c.count + half * max(len(c.parts), 1) for c in lines if c.count)
        worst[group] = max(0.0, most / max(most + measured - 4 * half, 1))
    claim, check = between_arms_claim(plan, shares)
    if claim == "causal" and between_arms_claim(plan, worst)[0] != "causal":
        text = (
            "The contrast of the arms is associational: as far as rounded counts show, outcomes "
            "may be missing in more than the planned share of an arm."
        )
        return "associational", dataclasses.replace(check, passed=False, text=text)
    return claim, check


def _line(table: CountTable, key: str) -> int | None:
    """Return a line by the last part of its key; the tables here name each but once."""
    return next(cell.count for cell in table.cells if cell.key[-1] == key)


def expand(counts: Mapping[bool, int], group: str) -> pd.DataFrame:
    """Write counts of an outcome as one row a person."""
    outcome = [value for value, count in counts.items() for _ in range(count)]
    return pd.DataFrame({"group": group, "outcome": outcome})
