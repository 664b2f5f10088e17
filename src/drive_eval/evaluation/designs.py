"""Matched and weighted comparisons: made before any outcome is read, then given the outcomes."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from drive_eval.data._cells import sentence
from drive_eval.data.people import people_behind
from drive_eval.errors import (
    DataError,
    DesignError,
    DesignWarning,
    UndefinedResultError,
    did_you_mean,
)
from drive_eval.evaluation.contrasts import (
    merge,
    null_result,
    refused_rows,
    smallest_cell,
    smallest_count,
)
from drive_eval.models import comparison, matching, sensitivity
from drive_eval.plan import BALANCING_METHODS
from drive_eval.results import Check, CountTable, ResultSet
from drive_eval.vocabulary import ARMS, ESTIMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    from drive_eval.models._design import Matched, Weighted
    from drive_eval.plan import BalancingBlock, BinaryOutcome, Plan

    Design: TypeAlias = Matched | Weighted

#: The term of a contrast without any balancing.
CRUDE = "crude"
#: What is reported of every design.
CONTRAST = (
    "risk_treated",
    "risk_comparison",
    "risk_difference",
    "risk_ratio",
    "percent_reduction",
    "odds_ratio",
)
_MEASURES = [(m, "users" if m == "percent_reduction" else "") for m in CONTRAST]
_BINS = 10
#: With so few kinds of cases, or classes, an effect could be solved for the outcomes of each.
_FEW_KINDS = 4
#: What the evaluation calls its own columns; a covariate of that name would be written over.
OWN_COLUMNS = (
    *("group", "unit_id", "person", "victims", "weight", "matched_set"),
    *("outcome", "used_before", "used_after", "reduced"),
    *("start", "stop", "event", "cause", "ended_by"),
)

__all__ = [
    "CONTRAST",
    "CRUDE",
    "OWN_COLUMNS",
    "adjusted_for",
    "balance_result",
    "balancing_faults",
    "design_contrasts",
    "hidden_cause",
    "kept_rows",
    "make_designs",
    "no_contrasts",
    "outcome_cells",
    "pair_bounds",
    "refusals",
    "with_outcome",
    "with_term",
]


def balancing_faults(plan: Plan, cases: pd.DataFrame) -> list[str]:
    """Name the columns that a design would stumble over, and covariates dated too late.

    Parameters
    ----------
    plan : Plan
    cases : DataFrame
        The table of cases.

    Returns
    -------
    list of str
        One sentence a fault.
    """
    faults = []
    known = [str(name) for name in cases]
    for block in plan.balancing:
        where = f'[[balancing]] "{block.name}"'
        for name in dict.fromkeys((*block.covariates, *block.exact)):
            if name not in cases:
                near = did_you_mean(name, known)
                faults.append(f'{where}: "{name}" is no column of cases.{near}')
            elif name in OWN_COLUMNS:
                faults.append(
                    f'{where}: "{name}" is what the evaluation calls a column of its own. Rename '
                    "the column of cases."
                )
            elif cases[name].isna().any():
                fix = (
                    "Fill it by a stated rule, leave those cases out, or take it out of the block."
                )
                faults.append(
                    _in_rows(where, f'"{name}" of cases is blank', cases[name].isna(), fix)
                )
        for name, column in block.measured_on.items():
            faults += _dated_faults(plan, cases, where, name, column)
    return faults


def _in_rows(where: str, what: str, bad: pd.Series[bool], fix: str) -> str:
    """Say in which rows; a table is kept in the order of its key, so that is said as well."""
    counted = "Rows are counted once the file is sorted by case_id, without cases left out."
    return sentence(where, what, np.flatnonzero(bad), len(bad), f"{fix} {counted}")


def _dated_faults(plan: Plan, cases: pd.DataFrame, where: str, name: str, column: str) -> list[str]:
    if plan.data.index_date == "not_public":
        return [
            f'{where}: measured_on dates "{name}", but the plan says that index dates are not '
            "public. Take measured_on out."
        ]
    if column not in cases:
        return [
            f'{where}: measured_on names "{column}", which is no column of cases.'
            f"{did_you_mean(column, list(map(str, cases)))}"
        ]
    if not pd.api.types.is_datetime64_any_dtype(cases[column]):
        return [
            f'{where}: measured_on names "{column}", which does not hold dates. Declare it as '
            '"date" in the plan: [data.columns.cases].'
        ]
    faults = []
    late = cases[column] > cases["index_date"]
    if late.any():
        what = f'"{name}" of cases is dated ({column}) after the index date'
        fix = (
            "What came after the start may be an effect of the programme, so nothing is matched "
            "or weighted on it. Use the last value before the index date, or take it out of the "
            "block."
        )
        faults.append(_in_rows(where, what, late, fix))
    blank = cases[column].isna()
    if blank.any():
        what = f'"{name}" of cases has no date ({column})'
        fix = (
            "Nothing shows that it came before the index date: fill the dates, or take it out of "
            "measured_on if it cannot change."
        )
        faults.append(_in_rows(where, what, blank, fix))
    return faults


def make_designs(plan: Plan, units: pd.DataFrame) -> dict[str, Design]:
    """Who is set against whom? Decided from covariates alone.

    Parameters
    ----------
    plan : Plan
    units : DataFrame
        From `cohort_units`. Only the arm, the person and the covariates of each block are
        handed on, so no outcome can have a say.

    Returns
    -------
    dict of str to Matched or Weighted
        By the block's name; the first is the main design.

    Raises
    ------
    DesignError
        With the block's name, if a design cannot be made.
    """
    designs = {}
    faults = []
    for block in plan.balancing:
        names = dict.fromkeys(("perpetrator_id", "group", *block.covariates, *block.exact))
        table = units[list(names)].assign(person=units["perpetrator_id"])
        try:
            with warnings.catch_warnings():
                # What a warning says stands among the design's checks, which the report shows.
                warnings.simplefilter("ignore", DesignWarning)
                designs[block.name] = _made(block, table)
        except (DataError, DesignError) as refusal:
            faults.append(f'[[balancing]] "{block.name}": {refusal}')
    if faults:
        raise DesignError("\n".join(faults))
    return designs


def _made(block: BalancingBlock, table: pd.DataFrame) -> Design:
    shared: dict[str, Any] = {
        "treated": "group",
        "covariates": list(block.covariates),
        "max_smd": block.max_smd,
    }
    if block.method == "nearest":
        return matching.nearest(
            table,
            ratio=block.ratio,
            replace=block.replace,
            caliper_sd=block.caliper_sd or None,
            caliper_scale=block.caliper_scale,
            exact=block.exact,
            order=block.order,
            unit="person",
            rng=np.random.default_rng(block.seed) if block.order == "random" else None,
            **shared,
        )
    shared["estimand"] = block.estimand
    if block.method == "subclass":
        return matching.subclass(table, subclasses=block.subclasses, **shared)
    if block.method == "cem":
        return matching.cem(table, cutpoints=block.cutpoints or None, **shared)
    if block.method == "propensity_weights":
        trim = (block.trim[0], block.trim[1]) if block.trim else None
        return matching.propensity_weights(table, trim=trim, **shared)
    return matching.entropy_balance(table, **shared)


def balance_result(
    block: BalancingBlock, design: Design, units: pd.DataFrame, *, unit: str
) -> ResultSet:
    """Put what is known of a design, but for its rows, into the form of every result.

    Parameters
    ----------
    block : BalancingBlock
    design : Matched or Weighted
    units : DataFrame
        What the design was made from.
    unit : str
        What one count is.

    Returns
    -------
    ResultSet
        Balance before and after; the design's own checks, one Check ``design`` a sentence of
        its description and the Check ``estimand``; the tables ``matching:<name>`` and, where
        there is a score, ``overlap:<name>``.
    """
    counted = [
        line
        for line in design.describe().splitlines()
        if line not in design.sentences
        and line not in [check.text for check in design.balance.checks]
    ]
    checks = [Check(name="design", text=line) for line in design.sentences]
    if block.method in ("subclass", "cem"):
        text = (
            "What still differs within classes is taken out of the contrast: the outcome model "
            "holds the covariates as well."
        )
        checks.append(Check(name="design", text=text))
    checks += [Check(name="design_counts", text=line) for line in counted]
    checks.append(Check(name="estimand", text=_whose(design)))
    tables = [dataclasses.replace(design.flow, name=f"matching:{block.name}", unit=unit)]
    if design.score is not None:
        tables.append(_overlap_table(block, design, units, unit))
    return ResultSet(
        estimates=tuple(dataclasses.replace(e, unit=unit) for e in design.balance.estimates),
        checks=(*checks, *design.balance.checks, *_covariate_cells(block, design, units)),
        tables=tuple(tables),
    )


def _whose(design: Design) -> str:
    """Say whose effect it is; that cases were trimmed does not change an estimand's name."""
    whole = design.balance.check("unmatched").passed is not False
    if whole or design.estimand == "atm":
        return ESTIMANDS[design.estimand]
    return f"{ESTIMANDS[design.estimand]}, and only among those that were kept"


def _covariate_cells(block: BalancingBlock, design: Design, units: pd.DataFrame) -> list[Check]:
    """Find each covariate's smallest count of arm by category, before and after, for the gate."""
    return [
        Check(
            name="covariate_cells",
            group=when,
            statistic=float(smallest_count(rows, name)),
            text=name,
        )
        for when, rows in (("before", units), ("after", units.loc[kept_rows(design)]))
        for name in block.covariates
    ]


def _overlap_table(
    block: BalancingBlock, design: Design, units: pd.DataFrame, unit: str
) -> CountTable:
    """Count scores by tenths in each arm: those kept and, for matching, all there were."""
    score = design.score
    if score is None:
        raise DesignError(f'"{block.name}" has no propensity score, so nothing overlaps.')
    arms = units["group"].reindex(score.index)
    tenth = np.clip((score.to_numpy() * _BINS).astype(int), 0, _BINS - 1)
    kept = score.index.isin(design.table.index[design.table["weight"] > 0])
    matched = BALANCING_METHODS[block.method][0] == "matched"
    counts: dict[tuple[str, ...], int] = {}
    totals: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    unseen = []
    names = [f"{i / _BINS:.1f}–{(i + 1) / _BINS:.1f}" for i in range(_BINS)]
    atoms = [
        (arm, ("after" if stays else "dropped") if matched else "before", names[i])
        for arm, i, stays in zip(arms, tenth, kept, strict=True)
    ]
    for group in ARMS.codes:
        here = (arms == group).to_numpy()
        for i, name in enumerate(names):
            inside = here & (tenth == i)
            if not matched:
                counts[group, "before", name] = int(inside.sum())
                continue
            counts[group, "after", name] = int((inside & kept).sum())
            counts[group, "dropped", name] = int((inside & ~kept).sum())
            unseen.append((group, "dropped", name))
            totals[group, "before", name] = [(group, "after", name), (group, "dropped", name)]
    return CountTable.from_counts(
        name=f"overlap:{block.name}",
        title="How likely each case was to be in the programme, by its covariates",
        unit=unit,
        dimensions=("group", "when", "score"),
        counts=counts,
        totals=totals,
        hidden=unseen,
        people=people_behind(units.reindex(score.index), atoms, totals),
    )


def design_contrasts(
    plan: Plan,
    designs: Mapping[str, Design],
    rows: pd.DataFrame,
    *,
    column: str,
    labels: Mapping[str, Any],
    contrast: str = "programme v comparison",
) -> ResultSet:
    """How much more often did it happen in the programme: crudely, and in each design?

    Parameters
    ----------
    plan : Plan
    designs : mapping of name to Matched or Weighted
        From `make_designs`.
    rows : DataFrame
        The units with the outcome, in the rows that the designs were made from.
    column : str
        The outcome: true, false or missing.
    labels : mapping
        ``outcome``, ``unit``, ``reporter`` and the like.
    contrast : str
        What is set against what.

    Returns
    -------
    ResultSet
        The measures of `CONTRAST` with ``term`` ``"crude"`` and each design's name; a percent
        reduction's term is followed by what it is a reduction of. Checks are those of the main
        design, and the refusals of every one.
    """
    plain = {name: value for name, value in labels.items() if name != "outcome"}
    cluster = "perpetrator_id" if plan.design.unit != "person" else None
    shared: dict[str, Any] = {
        **plain,
        "outcome": column,
        "conf_level": plan.design.conf_level,
        "outcome_name": str(labels["outcome"]),
        "contrast": contrast,
        "cluster": cluster,
    }
    known = rows.dropna(subset=[column])
    known = known.assign(**{column: known[column].astype(bool)})
    parts = [
        with_term(
            _tried(
                lambda: comparison.risk_contrast(known, treated="group", **shared),
                known["group"],
                plan,
                labels,
            ),
            CRUDE,
        )
    ]
    parts[0] = dataclasses.replace(parts[0], checks=refusals(parts[0], CRUDE), assumptions=())
    for name, design in designs.items():
        adjusted = adjusted_for(plan, name)
        found = _tried(
            lambda design=design, adjusted=adjusted: comparison.risk_contrast(  # type: ignore[misc]
                with_outcome(design, rows, column, adjusted),
                covariates=adjusted or None,
                missing="drop",
                **shared,
            ),
            known.loc[known.index.isin(kept_rows(design)), "group"],
            plan,
            labels,
        )
        found = with_term(found, name)
        if name != next(iter(designs)):
            found = dataclasses.replace(found, checks=refusals(found, name), assumptions=())
        parts += [found, outcome_cells(plan, name, design, known, column)]
    return merge(parts, outcome=str(labels["outcome"]))


def no_contrasts(
    plan: Plan, designs: Mapping[str, Design], labels: Mapping[str, Any], reason: str
) -> ResultSet:
    """Return every row of the contrasts empty, with the reason."""
    rows = refused_rows(_MEASURES, labels, plan.design.conf_level)
    check = Check(name="refused", passed=False, text=f"The groups compared: {reason}")
    parts = [with_term(rows, term) for term in (CRUDE, *designs)]
    return merge([*parts, ResultSet(checks=(check,))], outcome=str(labels["outcome"]))


def kept_rows(design: Design) -> pd.Index[Any]:
    """Return the index labels of the units that the design has a use for."""
    return design.table.index[design.table["weight"] > 0]


def outcome_cells(
    plan: Plan, name: str, design: Design, known: pd.DataFrame, column: str
) -> ResultSet:
    """Count what the gate looks at where an effect follows from few categories."""
    block = next(b for b in plan.balancing if b.name == name)
    inside = known[known.index.isin(kept_rows(design))]
    inside = inside.assign(matched_set=design.table.get("matched_set"))
    told = list(adjusted_for(plan, name))
    split: list[str] = []
    for kinds in (list(dict.fromkeys((*block.covariates, *block.exact))), ["matched_set"]):
        if 1 < inside.groupby(kinds, observed=True).ngroups <= _FEW_KINDS:
            split += kinds
    # Where cases fall into so few kinds, a number's values are categories.
    inside = inside.astype(dict.fromkeys(split, "category"))
    cell = smallest_cell(inside, list(dict.fromkeys(told + split)), column)
    smallest = cell.statistic if told or split else None
    check = Check(
        name="design_cells",
        group=name,
        statistic=smallest,
        # By outcome and arm; the covariate, or nothing where it is a class of the design.
        text="" if cell.group == "matched_set" else cell.group,
    )
    return ResultSet(checks=(check,))


def adjusted_for(plan: Plan, name: str) -> list[str]:
    """Return the covariates of the outcome model: the plan's, or those of a design in classes.

    Cases of one class are alike and not the same, so what differs within classes stays in the
    contrast unless the outcome model takes it out.
    """
    block = next(b for b in plan.balancing if b.name == name)
    classes = block.method in ("subclass", "cem")
    return list(plan.comparison.covariates) or (list(block.covariates) if classes else [])


def with_outcome(
    design: Design, rows: pd.DataFrame, column: str, covariates: Sequence[str] = ()
) -> Design:
    """Return the design with an outcome, and covariates of its model, beside its rows."""
    new = [column, *[name for name in covariates if name not in design.table]]
    beside = rows[new].reindex(design.table.index)
    return dataclasses.replace(design, table=design.table.assign(**beside))


def _tried(
    model: Callable[[], ResultSet], arms: pd.Series[Any], plan: Plan, labels: Mapping[str, Any]
) -> ResultSet:
    def unless_empty() -> ResultSet:
        for arm in ARMS.codes:
            if not (arms == arm).any():
                raise UndefinedResultError(
                    f"nobody of the {arm} group has this outcome recorded, so there is nothing to "
                    "set against each other."
                )
        return model()

    with warnings.catch_warnings():
        # Few clusters and the like stand among the checks, which the report shows.
        warnings.simplefilter("ignore", DesignWarning)
        return null_result(unless_empty, _MEASURES, labels, plan.design.conf_level)


def refusals(result: ResultSet, term: str) -> tuple[Check, ...]:
    """Return why a contrast was not made, named after its design."""
    return tuple(
        dataclasses.replace(c, group=term)
        for c in result.checks
        if c.name in ("refused", "undefined")
    )


def with_term(result: ResultSet, term: str) -> ResultSet:
    """Name every estimate after its design."""
    named = tuple(
        dataclasses.replace(e, term=f"{term} ({e.term})" if e.term else term)
        for e in result.estimates
    )
    return dataclasses.replace(result, estimates=named, tables=())


def hidden_cause(outcome: BinaryOutcome | None, contrasts: ResultSet, main: str) -> ResultSet:
    """What would a hidden cause have to be like; or, of a negative outcome, is there one?

    Parameters
    ----------
    outcome : BinaryOutcome or None
        The block of the plan; None for a behaviour.
    contrasts : ResultSet
        From `design_contrasts`.
    main : str
        The main design's name.

    Returns
    -------
    ResultSet
        E-values of the main design's risk ratio; for a negative outcome the Check
        ``negative_outcome`` instead. Empty where the contrast could not be made.
    """
    ratio = contrasts.one(measure="risk_ratio", term=main)
    if outcome is not None and outcome.negative:
        difference = contrasts.one(measure="risk_difference", term=main)
        if difference.estimate is None:
            return ResultSet()
        return ResultSet(checks=(sensitivity.negative_outcome(difference, margin=outcome.margin),))
    if ratio.estimate is None:
        return ResultSet()
    return sensitivity.e_value(ratio)


def pair_bounds(
    plan: Plan, designs: Mapping[str, Design], outcome: pd.Series[Any], labels: Mapping[str, Any]
) -> ResultSet:
    """How far must a hidden cause have moved the odds of joining within a pair of the main design?

    Parameters
    ----------
    plan : Plan
    designs : mapping of name to Matched or Weighted
    outcome : Series
        In the rows that the designs were made from.
    labels : mapping
        Of the outcome.

    Returns
    -------
    ResultSet
        Rosenbaum's bounds; empty where the main design is not made of pairs.
    """
    main = plan.balancing[0]
    if main.method != "nearest" or main.ratio > 1 or main.replace:
        return ResultSet()  # Rosenbaum's bounds here are those of pairs
    design = with_outcome(designs[main.name], outcome.to_frame(), str(outcome.name))
    name = str(outcome.name)
    if not design.table.groupby("matched_set")[name].count().eq(2).any():
        return ResultSet()  # no pair is complete, which the contrast says
    try:
        return sensitivity.rosenbaum_bounds(
            design,  # type: ignore[arg-type]
            outcome=name,
            missing="drop",
            outcome_name=str(labels["outcome"]),
            **{name: value for name, value in labels.items() if name != "outcome"},
        )
    except (DesignError, UndefinedResultError) as refusal:
        return ResultSet(checks=(Check(name="rosenbaum", text=str(refusal)),))
