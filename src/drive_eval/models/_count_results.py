"""Counts and their models put into results: one rate, two rates, two arms before and after."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from drive_eval.models import _count_fit, _count_numbers, _count_rows
from drive_eval.models._clusters import Effect
from drive_eval.models._count_numbers import ALL_ALIKE, FROM_NOTHING, NO_EVENTS, ONE_SOURCE
from drive_eval.models._count_rows import PER, Rows
from drive_eval.models._regression import design_matrix
from drive_eval.models._risks import wald
from drive_eval.results import Check, Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from drive_eval.models._risks import Number

    Array: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]

Interval: TypeAlias = Literal["exact", "robust", "overdispersed"]

PER_TIME = f"per {PER:g} person-years"
_BIAS_REDUCED = 50  # clusters (25 in an arm) below which residuals are divided by 1 − leverage
_NAMES = {"negative_binomial": "negative binomial", "poisson": "Poisson"}


# One rate


def part_of(rows: Rows, held: Flags) -> Rows:
    return Rows(
        table=rows.table[held],
        y=rows.y[held],
        time=rows.time[held],
        whole=rows.whole,
        persons=np.unique(rows.persons[held], return_inverse=True)[1],
        groups=None
        if rows.groups is None
        else np.unique(rows.groups[held], return_inverse=True)[1],
        named=rows.named,
        no_time=0,
    )


def people_in(rows: Rows, held: Flags) -> int:
    return len(np.unique(rows.persons[held]))


def sizes(part: Rows, suffix: str = "") -> dict[str, int | None]:
    events = int(part.y.sum()) if part.whole else None
    return {f"n{suffix}": int(part.persons.max()) + 1, f"n_events{suffix}": events}


def halves(people: dict[str, int | None]) -> list[dict[str, int | None]]:
    return [
        {"n": people["n"], "n_events": people["n_events"]},
        {"n": people["n_reference"], "n_events": people["n_events_reference"]},
    ]


def interval_of_end(rows: Rows, how: str) -> Interval:
    """Return the interval of a plain rate that goes with the variance of a ratio."""
    if not rows.whole or rows.groups is not None:
        return "robust"
    return "exact" if how == "exact" else "robust"


def one_rate(part: Rows, interval: str, conf_level: float) -> tuple[Number, Effect]:
    of = Effect()
    if interval == "robust":
        of = _count_numbers.effect(part.y, part.time, part.groups, whole=part.whole)
    elif interval == "overdispersed":
        of = _count_numbers.pearson_effect(part.y, part.time)
    name = {
        "exact": "exact Poisson",
        "robust": "exact Poisson of counts over a robust design effect",
        "overdispersed": "exact Poisson of counts over Pearson's dispersion",
    }[interval]
    events, time = float(part.y.sum()), float(part.time.sum())
    if events == 0 and part.whole:
        name = "exact Poisson"
    method = f"{PER_TIME}, {name}"
    return _count_numbers.rate(events, time, of, conf_level, method), of


def rate_checks(
    part: Rows, found: Number, of: Effect, labels: dict[str, Any], how: str, max_share: float
) -> list[Check]:
    about = {"outcome": labels["outcome"], "group": labels["group"]}
    events = float(part.y.sum())
    if events == 0:
        text = "no event; the lower limit is 0 and the upper one exact."
        if not part.whole or found.low is None:
            text = "the total is 0, and nothing shows what one event would weigh: no interval."
        return [Check(name="no_events", text=text, **about)]
    checks = []
    if not of.simple:
        checks.append(
            Check(
                name="design_effect", statistic=of.size, df=of.df, text=of.explain("rate"), **about
            )
        )
    if found.low is None:
        checks.append(Check(name="no_interval", text=ONE_SOURCE, **about))
    mean = events / float(part.time.sum()) * part.time
    if len(part.y) > 1:
        checks.append(
            _count_rows.dispersion(
                part,
                part.persons,
                mean,
                part.time / part.time.sum(),
                labels,
                "ignores" if how == "exact" else "allows for",
            )
        )
    checks.append(_count_rows.dominance(part, max_share, labels))
    return checks


# Two rates


def two_rates(
    ratio: Number,
    gap: Number,
    labels: dict[str, Any],
    people: dict[str, int | None],
    names: tuple[str, str],
    contrast: str = "",
) -> tuple[list[Estimate], list[Check]]:
    """Return ratio, reduction and difference, and why one of them does not exist."""
    claim = "associational" if names[0] == "programme" else "descriptive"
    both = {
        **labels,
        "contrast": contrast or f"{names[0]} v {names[1]}",
        "claim": claim,
        **people,
    }
    first = ratio.named("rate_ratio", both)
    checks = []
    if ratio.estimate is None:
        checks.append(
            Check(
                name="rate_ratio_undefined",
                outcome=labels["outcome"],
                group=labels.get("group", ""),
                text=NO_EVENTS if ratio.low is None else FROM_NOTHING,
            )
        )
    if gap.low is None and ratio.low is not None:
        group = labels.get("group", "")
        checks.append(
            Check(name="no_interval", outcome=labels["outcome"], group=group, text=ALL_ALIKE)
        )
    return [first, first.percent_reduction(), gap.named("rate_difference", both)], checks


def from_zero(
    rows: Rows, arm: Flags, ends: tuple[Number, Number], how: str, conf_level: float
) -> tuple[Number, Number]:
    """Return ratio and difference when a group has no event at all."""
    parts = (part_of(rows, arm), part_of(rows, ~arm))
    effects = (Effect(), Effect())
    if how in ("robust", "quasi") or not rows.whole:
        effects = tuple(  # type: ignore[assignment]
            _count_numbers.effect(part.y, part.time, part.groups, whole=rows.whole)
            if part.y.any()
            else Effect()
            for part in parts
        )
    plain = all(e.simple for e in effects)
    ratio = _count_numbers.ratio_from_totals(
        (float(parts[0].y.sum()), float(parts[1].y.sum())),
        (float(parts[0].time.sum()), float(parts[1].time.sum())),
        effects,
        conf_level,
        "exact conditional" + ("" if plain else " of counts over a design effect"),
    )
    return ratio, _count_numbers.difference_of_limits(
        ends, f"{PER_TIME}, MOVER of the rates' limits"
    )


def exact(
    rows: Rows,
    arm: Flags,
    ends: tuple[Number, Number],
    within: bool,
    conf_level: float,
    labels: dict[str, Any],
) -> tuple[Number, Number, list[Check]]:
    """Return the exact ratio, within people or of totals, the difference, and their checks."""
    y1, t1, y0, t0 = _count_rows.by_person(rows, arm)
    checks: list[Check] = []
    if within:
        ratio, told = _count_numbers.ratio_within(
            y1, t1, y0, t0, conf_level, "exact conditional, within persons"
        )
        checks.append(
            Check(
                name="informative",
                statistic=float(told.sum()),
                outcome=labels["outcome"],
                text=f"{int(told.sum()):,} of {len(told):,} people had an event, and time at risk "
                "in both periods; the others say nothing of a ratio within people.",
            )
        )
        y1, t1, y0, t0 = y1[told], t1[told], y0[told], t0[told]
        if ratio.estimate:
            chance = ratio.estimate * t1 / (ratio.estimate * t1 + t0)
            burst = _count_rows.within_dispersion(y1, y1 + y0, chance, labels)
            checks += [burst] if burst else []
            lowest, highest = _count_numbers.within_without(y1, t1, y0, t0, ratio.estimate)
    else:
        totals = (float(y1.sum()), float(y0.sum()))
        time = (float(t1.sum()), float(t0.sum()))
        pair = (Effect(), Effect())
        ratio = _count_numbers.ratio_from_totals(
            totals, time, pair, conf_level, "exact conditional"
        )
        level = np.where(arm, totals[0] / time[0], totals[1] / time[1]) * rows.time
        share = rows.time / np.where(arm, time[0], time[1])
        if len(rows.y) > 2 and min(totals) > 0:
            cells = np.arange(len(rows.y))
            checks.append(_count_rows.dispersion(rows, cells, level, share, labels, "ignores"))
        if ratio.estimate:
            lowest, highest = _count_numbers.plain_without(y1, t1, y0, t0)
    if ratio.estimate:
        checks.append(left_out(ratio, (lowest, highest), rows, labels))
    gap = _count_numbers.difference_of_limits(ends, f"{PER_TIME}, MOVER of the rates' limits")
    return ratio, gap, checks


def regressors(
    rows: Rows, arm: Flags, contrast: str, covariates: str | Sequence[str] | None
) -> tuple[Array, tuple[str, ...]]:
    x = np.column_stack([np.ones(len(arm)), arm]).astype(float)
    terms: tuple[str, ...] = ("Intercept", contrast)
    if covariates is not None:
        design = design_matrix(rows.table, covariates)
        x, terms = np.column_stack([x, design.matrix]), (*terms, *design.names)
    return x, terms


def _reduced(groups: Any, arm: Flags, n: int) -> bool:
    """Tell whether there are so few clusters, in all or in an arm, that residuals are widened."""
    codes = np.arange(n) if groups is None else groups
    fewest = min(len(np.unique(codes[held])) for held in (arm, ~arm))
    return len(np.unique(codes)) < _BIAS_REDUCED or fewest < _BIAS_REDUCED / 2


def _spread(
    fit: _count_fit.CountFit, x: Array, rows: Rows, arm: Flags, how: str, gradient: Array
) -> tuple[Array, Effect, str]:
    """Return the covariance of the coefficients, the law of a contrast, and their name."""
    spare = float(len(rows.y) - x.shape[1])
    if how == "model":
        # A spread that was estimated, as that of normal errors is, calls for t; Poisson's was not.
        known = fit.alpha == 0
        return fit.bread, Effect(df=None if known else spare), _with_t("model errors", spare, known)
    if how == "quasi":
        return (
            fit.bread * _count_fit.pearson(fit, rows.y),
            Effect(df=spare),
            _with_t("quasi-Poisson errors", spare),
        )
    law = _count_fit.law(fit, x, rows.groups, gradient, arm)
    # An arm of one cluster has no degrees of freedom, and no leverage to correct.
    reduced = bool(law.df) and _reduced(rows.groups, arm, len(rows.y))
    covariance = _count_fit.sandwich(fit, x, rows.groups, reduced=reduced)
    name = "robust errors" if rows.groups is None else "cluster-robust errors"
    name += " (Mancl–DeRouen)" if reduced else ""
    return covariance, law, _with_t(name, law.df or 0.0)


def _with_t(name: str, df: float, normal: bool = False) -> str:
    return name if normal or df <= 0 else f"{name}, t with {round(df, 1):g} df"


def modelled(
    rows: Rows,
    arm: Flags,
    x: Array,
    terms: tuple[str, ...],
    method: str,
    how: str,
    conf_level: float,
    labels: dict[str, Any],
) -> tuple[_count_fit.CountFit, Number, Number, list[Check]]:
    """Return the fit, ratio, difference and checks of a Poisson or negative binomial model."""
    base = _count_fit.poisson(x, rows.y, rows.time, terms)
    fit = base
    if method == "negative_binomial":
        fit = _count_fit.negative_binomial(x, rows.y, rows.time, terms, start=base)
    gradient = np.eye(x.shape[1])[1]
    covariance, of, errors = _spread(fit, x, rows, arm, how, gradient)
    if fit is not base and how == "model" and len(rows.y) <= x.shape[1]:
        of = Effect(df=0.0)  # with a row for every coefficient, α cannot be told from 0
    name = f"{_NAMES[method]}, {errors}"
    ratio = _count_numbers.log_ratio(fit, gradient, covariance, of, conf_level, name)
    said = f"{PER_TIME}, {name}" + (", standardised" if x.shape[1] > 2 else "")
    gap = _count_numbers.standardised_difference(
        fit, x, rows.time, 1, covariance, of, conf_level, said
    )
    leverage = base.weight * np.einsum("ij,jk,ik->i", x, base.bread, x)
    cells = np.unique(rows.persons * 2 + arm, return_inverse=True)[1]
    allowance = "ignores" if how == "model" and method == "poisson" else "allows for"
    checks = []
    if len(np.unique(cells)) > x.shape[1]:
        checks.append(_count_rows.dispersion(rows, cells, base.fitted, leverage, labels, allowance))
    if method == "negative_binomial" and len(rows.y) > x.shape[1]:
        checks.append(_alpha(fit, labels))
    return fit, ratio, gap, checks


def _alpha(fit: _count_fit.CountFit, labels: dict[str, Any]) -> Check:
    """Say what the negative binomial found of how people differ."""
    text = (
        "rates do not differ from person to person by more than chance: alpha is 0, its least, and "
        "the negative binomial model is the Poisson model."
    )
    if fit.alpha > 0:
        error = "" if fit.alpha_error is None else f" (standard error {fit.alpha_error:.2g})"
        text = (
            f"alpha {fit.alpha:.3g}{error}: the variance of a count with mean m is "
            f"m + {fit.alpha:.3g}m²; people's own rates differ by a coefficient of variation of "
            f"{math.sqrt(fit.alpha):.2g}."
        )
    return Check(
        name="alpha",
        passed=None,
        statistic=fit.alpha,
        threshold=0.0,
        outcome=labels["outcome"],
        text=text,
    )


def without(
    fit: _count_fit.CountFit, x: Array, rows: Rows, arm: Flags, method: str, *, adjusted: bool
) -> tuple[float, float]:
    """Return the lowest and highest ratio when any one person is left out."""
    y1, t1, y0, t0 = _count_rows.by_person(rows, arm)
    lowest, highest = _count_numbers.plain_without(y1, t1, y0, t0)
    if (method == "poisson" and not adjusted) or lowest == 0 or math.isinf(highest):
        return lowest, highest

    def refit(kept: Flags) -> _count_fit.CountFit:
        part = (x[kept], rows.y[kept], rows.time[kept], fit.names)
        if method == "poisson":
            return _count_fit.poisson(*part)
        return _count_fit.negative_binomial(*part)

    gradient = np.eye(x.shape[1])[1]
    return _count_numbers.model_without(fit, x, rows.y, rows.persons, gradient, refit)


def left_out(ratio: Number, ends: tuple[float, float], rows: Rows, labels: dict[str, Any]) -> Check:
    who = "person" if rows.named else "row"
    point = 0.0 if ratio.estimate is None else ratio.estimate
    return _count_rows.leave_one_out(point, *ends, ratio.std_error, who, labels["outcome"])


# Two arms, before and after


def within_arm(
    part: Rows,
    late: Flags,
    ends: tuple[Number, Number],
    events: list[float],
    period: str,
    conf_level: float,
) -> tuple[Number, Number]:
    """Return the ratio and the difference of one arm, after against before."""
    if min(events) == 0:
        return from_zero(part, late, ends, "robust", conf_level)
    x, terms = regressors(part, late, period, None)
    fit = _count_fit.poisson(x, part.y, part.time, terms)
    gradient = np.eye(2)[1]
    covariance, of, errors = _spread(fit, x, part, late, "robust", gradient)
    name = f"Poisson, {errors}"
    return (
        _count_numbers.log_ratio(fit, gradient, covariance, of, conf_level, name),
        _count_numbers.standardised_difference(
            fit, x, part.time, 1, covariance, of, conf_level, f"{PER_TIME}, {name}"
        ),
    )


def change_in_two_arms(
    rows: Rows,
    arm: Flags,
    late: Flags,
    ratios: dict[str, Number],
    gaps: dict[str, Number],
    cells: dict[str, list[float]],
    conf_level: float,
    labels: dict[str, Any],
    min_clusters: int,
    name: str,
) -> tuple[Number, Number, list[Check], _count_fit.CountFit | None]:
    """Return the ratio of ratios, the difference of differences, their checks and the fit."""
    if min(map(min, cells.values())) == 0:
        method = "MOVER of the arms' limits"
        ratio = _count_numbers.ratio_of_ratios_by_parts(
            ratios["programme"], ratios["comparison"], method
        )
        gap = _count_numbers.difference_of_limits(
            (gaps["programme"], gaps["comparison"]), f"{PER_TIME}, {method}"
        )
        return ratio, gap, _undefined(ratio, cells, labels), None
    x = np.column_stack([np.ones(len(arm)), late, arm, late & arm]).astype(float)
    fit = _count_fit.poisson(x, rows.y, rows.time, ("Intercept", "after", "programme", "both"))
    gradient = np.eye(4)[3]
    covariance, of, errors = _spread(fit, x, rows, arm, "robust", gradient)
    ratio = _count_numbers.log_ratio(
        fit, gradient, covariance, of, conf_level, f"Poisson, {errors}"
    )
    corners = np.array([[1.0, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]])
    means = np.exp(corners @ fit.coefficients)
    signs = np.array([1.0, -1, -1, 1])
    slope = (signs * means) @ corners
    of_gap = _count_fit.law(fit, x, rows.groups, slope, arm)
    error = PER * math.sqrt(float(slope @ covariance @ slope))
    gap = wald(
        PER * float(signs @ means),
        error,
        of_gap,
        conf_level,
        method=f"{PER_TIME}, Poisson, {errors}",
    )
    checks = [_count_rows.enough_clusters(of, name, min_clusters, labels)]
    if ratio.low is None:
        checks.append(Check(name="no_interval", outcome=labels["outcome"], text=ONE_SOURCE))
    leverage = fit.weight * np.einsum("ij,jk,ik->i", x, fit.bread, x)
    cell = np.unique(rows.persons * 2 + late, return_inverse=True)[1]
    checks.append(_count_rows.dispersion(rows, cell, fit.fitted, leverage, labels, "allows for"))
    if ratio.estimate:
        ends = _ratio_of_ratios_without(rows, arm, late)
        checks.append(left_out(ratio, ends, rows, labels))
    return ratio, gap, checks, fit


def _ratio_of_ratios_without(rows: Rows, arm: Flags, late: Flags) -> tuple[float, float]:
    """Return the lowest and highest ratio of ratios when any one person is left out."""
    y1, t1, y0, t0 = _count_rows.by_person(rows, late)
    treated = np.bincount(rows.persons, weights=arm) > 0
    found = []
    for held in (treated, ~treated):
        y1a, t1a, y0a, t0a = (np.where(held, part, 0.0) for part in (y1, t1, y0, t0))
        with np.errstate(divide="ignore", invalid="ignore"):
            top = (y1a.sum() - y1a) / (t1a.sum() - t1a)
            found.append(top / ((y0a.sum() - y0a) / (t0a.sum() - t0a)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = found[0] / found[1]
    ratio = ratio[~np.isnan(ratio)]
    return (float(ratio.min()), float(ratio.max())) if len(ratio) else (0.0, math.inf)


def _undefined(ratio: Number, cells: dict[str, list[float]], labels: dict[str, Any]) -> list[Check]:
    if ratio.estimate is not None and ratio.low is not None:
        return []
    no_before = [name for name, (_, before) in cells.items() if before == 0]
    if no_before:
        text = (
            f"the {' and the '.join(no_before)} group had no event before, so its change, and the "
            "ratio of ratios, are not defined."
        )
    elif ratio.estimate is None and ratio.low is not None:
        text = (
            "the comparison group had no event after, so the ratio of ratios has no point; its "
            "interval is open above."
        )
    elif ratio.estimate is None:
        text = "neither arm had an event after, so the ratio of ratios is not defined."
    else:
        text = ONE_SOURCE
    return [Check(name="ratio_of_ratios_undefined", outcome=labels["outcome"], text=text)]
