"""Whether the two arms look alike, before and after; who was kept; what a reader must be told.

Everything that matches or weights hands its weights to `balance_of` and makes its checks and
its flow here, so that every design is described in the same words.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from drive_eval.errors import DataError, DesignError, did_you_mean
from drive_eval.models._regression import column, covariate_table
from drive_eval.results import Check, CountTable, Estimate, Provenance, ResultSet
from drive_eval.vocabulary import ESTIMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.models._regression import Array, Flags
    from drive_eval.vocabulary import Estimand

#: The term under which the propensity score stands among the covariates.
SCORE = "propensity score"
MAX_OUTSIDE = 0.1  # share of cases without counterpart from which a design is called thin
MIN_CASES = 10.0  # cases of the smaller arm per parameter of the score
GROUPS = ("programme", "comparison")
_FEW = 10  # fewer people than this are not described, even by a mean
_NOTHING = 1e-9  # a spread below this share of the spread of all rows is no spread


class Column(NamedTuple):
    """One line of a balance table: a number, or one level of a category."""

    name: str
    values: Array
    binary: bool


@dataclass(frozen=True, slots=True)
class _Sample:
    """One weighting of the two arms; the shares of each arm sum to one."""

    name: str
    shares: tuple[Array, Array]
    squares: tuple[float, float]
    counts: tuple[int, int]


# Arguments


def known_estimand(estimand: str, allowed: Sequence[str]) -> None:
    """Refuse an estimand that the method cannot aim at."""
    if estimand not in allowed:
        raise DesignError(f'no estimand "{estimand}" here.{did_you_mean(str(estimand), allowed)}')


def refuse_taken(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse a table that already has a column which the design would write."""
    taken = [name for name in names if name in table.columns]
    if taken:
        raise DataError(
            f'the table already has a column "{taken[0]}", which the design would write. '
            "Rename it first."
        )


def positive(value: float, name: str) -> None:
    """Refuse a limit that is not a number above 0."""
    if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
        raise DesignError(f"{name} must be a number above 0.")


def row_values(table: pd.DataFrame, given: Any, role: str) -> Array:
    """Return one finite number a row, from a column's name, a Series or an array."""
    if isinstance(given, str):
        found = column(table, given, role)
    elif isinstance(given, pd.Series) and not given.index.equals(table.index):
        if not given.index.is_unique or not table.index.is_unique:
            raise DataError(f"{role}: the index labels of the rows are not unique.")
        found = given.reindex(table.index)
        missing = int(found.isna().sum())
        if missing:
            raise DataError(f"{role}: {missing} of {len(table)} rows of the table have no value.")
    else:
        if np.shape(given) != (len(table),):
            raise DataError(
                f"{role}: {np.size(given)} values for {len(table)} rows of the table; "
                "one value a row is needed."
            )
        found = pd.Series(np.asarray(given), index=table.index)
    if not pd.api.types.is_numeric_dtype(found):
        raise DataError(f"{role} must be numbers.")
    values = found.to_numpy(dtype=float)
    strange = int((~np.isfinite(values)).sum())
    if strange:
        raise DataError(f"{role}: {strange} of {len(table)} rows are not finite.")
    return values


def weight_values(table: pd.DataFrame, treated: Flags, given: Any) -> Array:
    """Return the weights of all rows; some of each arm must be above 0 and none below."""
    values = row_values(table, given, "weights")
    below = int((values < 0).sum())
    if below:
        raise DataError(f"weights: {below} of {len(table)} rows have a weight below 0.")
    for arm, group in ((treated, "programme"), (~treated, "comparison")):
        if not values[arm].any():
            raise DataError(f"weights: every weight of the {group} group is 0.")
    return values


# Columns


def columns(table: pd.DataFrame, covariates: str | Sequence[str]) -> tuple[Column, ...]:
    """Return what balance is shown on: numbers as they are, and every level of a category.

    Of a formula it is the columns of the table that it names; ``C(site)`` makes a category of
    a column of numbers.
    """
    formula, ready = covariate_table(table, covariates)
    as_category = coded(formula)
    shown: list[Column] = []
    for name in ready.columns:
        values = ready[name]
        if not isinstance(values.dtype, pd.CategoricalDtype) and name not in as_category:
            numbers = values.to_numpy(dtype=float)
            strange = int((~np.isfinite(numbers)).sum())
            if strange:
                raise DataError(f'{strange} rows of "{name}" (covariate) are not finite.')
            _refuse_constant(str(name), varies=bool(numbers.min() < numbers.max()))
            binary = bool(((numbers == 0) | (numbers == 1)).all())
            shown.append(Column(str(name), numbers, binary))
            continue
        category = values.astype("category").cat
        levels = list(enumerate(str(level) for level in category.categories))
        _refuse_constant(str(name), varies=len(levels) > 1)
        if isinstance(values.dtype, pd.CategoricalDtype) and not isinstance(
            table[name].dtype, pd.CategoricalDtype
        ):
            levels.sort(key=lambda level: level[1])  # words have no order but the alphabet
        codes = category.codes.to_numpy()
        shown += [
            Column(f"{name}: {level}", (codes == code).astype(float), True)
            for code, level in levels
        ]
    return tuple(shown)


def coded(formula: str) -> list[str]:
    """Return the columns that a formula makes categories of, as in ``C(site)``."""
    return re.findall(r"(?<!\w)C\(\s*`?(\w+)", formula)


def _refuse_constant(name: str, *, varies: bool) -> None:
    if not varies:
        raise DesignError(f'covariate "{name}" never varies; leave it out.')


# Balance


def balance_of(
    shown: Sequence[Column],
    treated: Flags,
    *,
    estimand: Estimand,
    weights: Array | None = None,
    score: Array | None = None,
    max_smd: float = 0.1,
    checks: Sequence[Check] = (),
    call: str = "matching.balance",
) -> ResultSet:
    """Measure the balance before and, with weights, after; the check on the worst comes last.

    Parameters
    ----------
    shown : sequence of Column
        From `columns`.
    treated : array of bool
    estimand : str
        Decides by whose spread differences are divided.
    weights : array, optional
        One value a row of the table, 0 for rows that were left out.
    score : array, optional
        Shown first, and not held to `max_smd`: it serves balance and is not its measure.
    max_smd : float
    checks : sequence of Check
        What else is known of the design.
    call : str
        Goes into the provenance.
    """
    positive(max_smd, "max_smd")
    lines = list(shown) if score is None else [Column(SCORE, score, False), *shown]
    samples = [_sample("before", treated, np.ones(len(treated)))]
    if weights is not None:
        samples.append(_sample("after", treated, weights))
    found: list[Estimate] = []
    borrowed: list[str] = []
    for line in lines:
        unit, own = _unit(line, samples[0], estimand)
        found += _line(line, samples, unit)
        if not own:
            borrowed.append(line.name)
    for sample in samples:
        found += [
            Estimate(measure="ess", group=group, subgroup=sample.name, estimate=1 / square, n=n)
            for group, square, n in zip(GROUPS, sample.squares, sample.counts, strict=True)
        ]
    numeric = {line.name for line in lines if not line.binary}
    flat = dict.fromkeys(
        e.term
        for e in found
        if e.measure == "variance_ratio" and e.estimate is None and e.term in numeric
    )
    notes = []
    if borrowed:
        text = (
            "The group whose spread is the unit does not vary; the spread of all rows is used "
            f"for {_listed(borrowed)}."
        )
        notes.append(Check(name="spread", text=text))
    if flat:
        text = (
            f"A group does not vary, so there is no ratio of variances for {_listed(list(flat))}."
        )
        notes.append(Check(name="variance_ratio", text=text))
    return ResultSet(
        estimates=tuple(found),
        checks=(*checks, *notes, check_worst(found, samples[-1].name, max_smd)),
        provenance=Provenance(call=call),
    )


def _sample(name: str, treated: Flags, weights: Array) -> _Sample:
    shares = []
    for arm in (treated, ~treated):
        own = np.where(arm, weights, 0.0)
        shares.append(own / own.sum())
    one, other = shares
    return _Sample(
        name,
        (one, other),
        (float(one @ one), float(other @ other)),
        (int((one > 0).sum()), int((other > 0).sum())),
    )


def _line(line: Column, samples: Sequence[_Sample], unit: float) -> list[Estimate]:
    x = line.values
    if not line.binary:  # one sort serves both samples
        order = np.argsort(x)
        last = np.append(np.flatnonzero(np.diff(x[order])), len(x) - 1)
    found: list[Estimate] = []
    for sample in samples:
        means, spreads = _moments(line, sample)
        if line.binary:
            apart = np.array([abs(means[0] - means[1])])
        else:
            apart = np.abs(np.cumsum((sample.shares[0] - sample.shares[1])[order])[last])
        labels: dict[str, Any] = {"term": line.name, "subgroup": sample.name}
        for group, n, mean, spread in zip(GROUPS, sample.counts, means, spreads, strict=True):
            found += [
                Estimate(measure="mean", group=group, estimate=mean, n=n, **labels),
                Estimate(measure="std_dev", group=group, estimate=spread, n=n, **labels),
            ]
        labels |= {"n": sample.counts[0], "n_reference": sample.counts[1]}
        ratio = None if line.binary else _variance_ratio(*spreads)
        found += [
            Estimate(measure="smd", estimate=(means[0] - means[1]) / unit, **labels),
            Estimate(measure="variance_ratio", estimate=ratio, **labels),
            Estimate(measure="ecdf_mean", estimate=float(apart.mean()), **labels),
            Estimate(measure="ecdf_max", estimate=float(apart.max()), **labels),
        ]
    return found


def _moments(line: Column, sample: _Sample) -> tuple[list[float], list[float | None]]:
    """Return mean and standard deviation of each arm; one row with all the weight has none."""
    x = line.values
    means = [float(x @ share) for share in sample.shares]
    if line.binary:
        return means, [math.sqrt(max(mean * (1 - mean), 0.0)) for mean in means]
    spreads: list[float | None] = []
    for mean, share, square in zip(means, sample.shares, sample.squares, strict=True):
        alone = 1 - square < 1e-12
        spreads.append(None if alone else math.sqrt(float((x - mean) ** 2 @ share) / (1 - square)))
    return means, spreads


def _unit(line: Column, before: _Sample, estimand: Estimand) -> tuple[float, bool]:
    """Return by what differences of means are divided, and whether it is the intended spread."""
    programme, comparison = _moments(line, before)[1]
    if estimand in ("att", "atm"):
        spread = programme
    elif estimand == "atc":
        spread = comparison
    elif programme is None or comparison is None:
        spread = None
    else:
        spread = math.sqrt((programme**2 + comparison**2) / 2)
    mean = float(line.values.mean())
    whole = math.sqrt(mean * (1 - mean)) if line.binary else float(line.values.std(ddof=1))
    own = spread is not None and spread > _NOTHING * whole
    return (spread if own and spread is not None else whole), own


def _variance_ratio(programme: float | None, comparison: float | None) -> float | None:
    if programme is None or comparison is None or comparison <= _NOTHING * programme:
        return None
    return (programme / comparison) ** 2


# What a reader must be told


def check_worst(estimates: Sequence[Estimate], subgroup: str, max_smd: float) -> Check:
    """Name the covariates whose means still differ by more than the limit."""
    sizes = {
        e.term: abs(e.estimate or 0.0)
        for e in estimates
        if e.measure == "smd" and e.subgroup == subgroup and e.term != SCORE
    }
    ranked = sorted(sizes, key=lambda term: -sizes[term])
    over = [f"{term} ({sizes[term]:.3f})" for term in ranked if sizes[term] > max_smd]
    if over:
        text = (
            f"{len(over)} of {len(sizes)} covariate columns differ by more than {max_smd:g} "
            f"standard deviations {subgroup} adjustment: {_listed(over)}."
        )
    else:
        text = (
            f"No covariate differs by more than {max_smd:g} standard deviations {subgroup} "
            f"adjustment; the largest is {ranked[0]} ({sizes[ranked[0]]:.3f})."
        )
    return Check(
        name="worst_smd",
        passed=not over,
        statistic=sizes[ranked[0]],
        threshold=max_smd,
        text=text,
    )


def check_unmatched(
    treated: Flags,
    kept: Flags,
    *,
    estimand: Estimand,
    shown: Sequence[Column] = (),
    why: str = "have no match",
) -> Check:
    """Say how many cases that the estimand speaks of were left out, who they are, what it changes.

    `estimand` is what the comparison became. Few people are counted and not described.
    """
    who, focal = "programme cases", treated
    if estimand == "atc":
        who, focal = "comparison cases", ~treated
    elif estimand not in ("att", "atm"):
        who, focal = "cases", np.ones_like(treated)
    total, left = int(focal.sum()), focal & ~kept
    count = int(left.sum())
    if not count:
        text = f"Each of the {total:,} {who} was kept."
    else:
        became = (
            ESTIMANDS["atm"]
            if estimand == "atm"
            else f"the average over those {who} that were kept, not over all of them"
        )
        text = f"{count:,} of {total:,} {who} {why} and were left out; the effect is {became}."
        if shown and count >= _FEW and total - count >= _FEW:
            text += f" Those left out differ most in {_most(shown, left, focal & kept)}."
    return Check(name="unmatched", passed=not count, statistic=float(count), text=text)


def _most(shown: Sequence[Column], left: Flags, stayed: Flags) -> str:
    gaps = {}
    for line in shown:
        spread = float(line.values.std())
        gaps[line.name] = float(line.values[left].mean() - line.values[stayed].mean()) / spread
    worst = max(gaps, key=lambda name: abs(gaps[name]))
    side = "higher" if gaps[worst] > 0 else "lower"
    return f"{worst} ({abs(gaps[worst]):.2f} standard deviations {side})"


def check_overlap(treated: Flags, probability: Array, *, estimand: Estimand) -> Check:
    """Count the cases whose score lies outside the range of the other arm."""
    ranges = [(probability[arm].min(), probability[arm].max()) for arm in (treated, ~treated)]
    low, high = ranges[1]
    outside = treated & ((probability < low) | (probability > high))
    low, high = ranges[0]
    outside |= ~treated & ((probability < low) | (probability > high))
    counts = [int((outside & arm).sum()) for arm in (treated, ~treated)]
    sizes = [int(treated.sum()), int((~treated).sum())]
    if estimand in ("att", "atm"):
        share = counts[0] / sizes[0]
    elif estimand == "atc":
        share = counts[1] / sizes[1]
    else:
        share = sum(counts) / sum(sizes)
    text = (
        f"{counts[0]:,} of {sizes[0]:,} programme cases have a propensity score outside the range "
        f"of the comparison cases, and {counts[1]:,} of {sizes[1]:,} comparison cases outside "
        "that of the programme cases."
    )
    if share > MAX_OUTSIDE:
        text += (
            f" That is {100 * share:.0f}% of those whom the estimand speaks of: there is nobody "
            "to compare them with, and overlap weights or a narrower population would be better."
        )
    return Check(
        name="overlap",
        passed=share <= MAX_OUTSIDE,
        statistic=share,
        threshold=MAX_OUTSIDE,
        text=text,
    )


def check_parameters(treated: Flags, parameters: int, *, of: str = SCORE) -> Check:
    """Count the cases of the smaller arm per parameter that was fitted."""
    smaller = int(min(treated.sum(), (~treated).sum()))
    return Check(
        name="parameters",
        passed=smaller / parameters >= MIN_CASES,
        statistic=smaller / parameters,
        threshold=MIN_CASES,
        text=f"{smaller:,} cases in the smaller arm for {parameters} parameters of the {of}.",
    )


def score_sentence(covariates: str | Sequence[str], references: Mapping[str, str]) -> str:
    """Say how the propensity score was estimated."""
    named = covariates if isinstance(covariates, str) else ", ".join(covariates)
    against = ", ".join(f'{name} against "{level}"' for name, level in references.items())
    return (
        "The propensity score, the probability of being in the programme, was estimated by "
        f"logistic regression on {named}{f' ({against})' if against else ''}."
    )


def flow(treated: Flags, kept: Flags, *, stages: tuple[str, str], title: str) -> CountTable:
    """Count who stayed and who was left out, by group; `stages` names these two."""
    counts: dict[tuple[str, ...], int] = {}
    totals: dict[tuple[str, ...], Sequence[tuple[str, ...]]] = {}
    for group, arm in (("programme", treated), ("comparison", ~treated)):
        stayed = int((arm & kept).sum())
        counts[group, stages[0]] = stayed
        counts[group, stages[1]] = int(arm.sum()) - stayed
        totals[group, "all"] = [(group, stage) for stage in stages]
    return CountTable.from_counts(
        name="matching",
        title=title,
        unit="cases",
        dimensions=("group", "stage"),
        counts=counts,
        totals=totals,
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
