"""How long people stay free of an event: curves, tests of curves and restricted means.

Each function describes every group and, where it is known which group is the reference, sets
the others against it: the programme against the comparison, true over false, 1 over 0, a
category against the first one, and otherwise against the group that `reference` names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from drive_eval.errors import DataError, DesignError, UndefinedResultError
from drive_eval.models import _curve_results as results
from drive_eval.models import _curve_rows as rows
from drive_eval.models import _curve_tests as tests
from drive_eval.models import _curves as kernel
from drive_eval.models._hazard_rows import known, probability
from drive_eval.models._hazard_rows import strata as strata_of
from drive_eval.models._regression import flags
from drive_eval.models._risks import Number
from drive_eval.results import Check, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from drive_eval.models._curve_results import Limits, Line
    from drive_eval.models._curve_rows import Followed
    from drive_eval.models._design import Matched, Weighted
    from drive_eval.vocabulary import TimeUnit

__all__ = ["kaplan_meier", "log_rank", "restricted_mean"]

_CENSORING = (
    "Following ends for reasons that have nothing to do with when the event would have come."
)
_HALF = 1e-8  # a curve this near one half is at one half


def kaplan_meier(
    table: pd.DataFrame | Matched | Weighted,
    *,
    stop: str,
    event: str,
    start: str | None = None,
    group: str | None = None,
    weights: str | None = None,
    cluster: str | None = None,
    person: str | None = None,
    cov: rows.Covariance | None = None,
    times: float | Sequence[float] = (),
    time_unit: TimeUnit = "days",
    conf_type: Limits = "log-log",
    conf_level: float = 0.95,
    reference: object = None,
    min_clusters: int = 40,
    outcome_name: str = "",
    contrast: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """What share stays free of the event, and for how long?

    The Kaplan–Meier estimate of each group, its median, its values at fixed times and the
    differences of groups there.

    Parameters
    ----------
    table : DataFrame, Matched or Weighted
        One row per person, or per interval of a person. Of a `Matched` or `Weighted` comparison
        the arms are the groups, its weights are used, and sets, repeated cases or the
        estimation of the weights are in the standard errors.
    stop, start : str
        Columns of numbers above 0, in `time_unit` since the index date: a row is at risk at
        times start < t ≤ stop; without `start` from time 0. Delayed entry, and gaps such as
        custody, are rows that start later.
    event : str
        Column of true and false (or 1 and 0): the row ended with the event.
    group : str, optional
        Column of groups.
    weights : str, optional
        Column of numbers, 0 or more; rows of weight 0 are left out.
    cluster : str, optional
        Column of clusters (matched set, perpetrator of several enrolments, area).
    person : str, optional
        Column that tells people apart, where they have several rows; `n` then counts people.
    cov : {'stacked', 'sandwich'}, optional
        Of a `Weighted`: whether weights are taken as estimated (the default, as in
        `comparison.risk_contrast`), or as known (R's way).
    times : float or sequence of float
        At which times the share is an Estimate, and groups are subtracted.
    time_unit : {'days', 'weeks', 'months'}
    conf_type : {'log-log', 'log', 'plain'}
        On which scale limits are symmetric: log(−log S), log S or S.
    conf_level : float, between 0 and 1
    reference : optional
        The group with which others are compared, if the column does not say.
    min_clusters : int
        With fewer clusters t quantiles are used and a DesignWarning is given.
    outcome_name, contrast, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries; `outcome_name` is the event's column by default and
        `contrast` is made of the groups' names.

    Returns
    -------
    ResultSet
        ``event_free`` by ``group`` and ``time``; ``median_event_free_time`` (in `time_unit`);
        ``event_free_difference`` by ``time``. One Curve ``event_free`` a group, with numbers at
        risk (start < t ≤ stop) at each event time and each of `times`. Checks:
        ``cloglog_test: time`` (the difference on the scale log(−log S)), ``clusters``,
        ``curve_reached_zero``, ``nobody_at_risk``, ``no_estimate`` and ``no_interval`` (why a
        value or its limits do not exist), ``no_reference``.

    Raises
    ------
    DataError
        For a missing or incomplete column, a time of 0 or below, a row that stops before it
        starts, persons at risk twice at once or followed on after their event.
    DesignError
        For options or a reference that do not exist, or a single cluster.

    Notes
    -----
    **Assumptions.** Following ends, begins and pauses for reasons that have nothing to do with
    when the event would have come. Everybody in a group is asked of the same curve. Differences
    of groups describe; they are effects only as far as the groups were alike.

    S(t) is the product over event times of 1 − d/Y, with d events among Y at risk just before.
    An event comes before the end of following at the same time. Variance: Greenwood's S² Σ
    d/(Y(Y − d)) where persons count once each; with weights, clusters or a design the squared
    sums over clusters of the rows' contributions w·∂S/∂w (the infinitesimal jackknife, which is
    Greenwood's for plain rows followed from time 0), without a factor for their number. A
    `Weighted` comparison's contributions include what each row added to the estimation of the
    weights. Differences take the groups' covariance in and are symmetric. While nobody of a
    plain group had the event there is no spread: the limit is Clopper and Pearson's for none
    among those followed that long, and a difference adds the squared distances to such limits.

    The median is the first time with S ≤ ½, half way along the level if S is ½ there; its
    limits are the same for the limits of S.

    Points, standard errors, limits and tests are those of R's ``survival::survfit`` 3.5-3.

    References
    ----------
    Kaplan EL, Meier P (1958). Nonparametric estimation from incomplete observations. Journal of
    the American Statistical Association 53, 457.

    Klein JP, Moeschberger ML (2003). Survival Analysis: Techniques for Censored and Truncated
    Data, 2nd edition. Springer, chapter 4.

    Austin PC (2014). The use of propensity score methods with survival or time-to-event
    outcomes: reporting measures of effect similar to those used in randomized experiments.
    Statistics in Medicine 33, 1242.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme", "comparison"] * 30,
    ...                       "week": [(7 * i) % 52 + 1 + 12 * (i % 2 == 0) for i in range(60)],
    ...                       "arrest": [i % 4 > 0 for i in range(60)]})
    >>> result = kaplan_meier(table, stop="week", event="arrest", group="arm", times=26,
    ...                       time_unit="weeks")
    >>> round(result.one(measure="event_free", group="programme").estimate, 3)
    0.889
    >>> round(result.one(measure="event_free_difference").estimate, 3)
    0.389
    >>> result.curve("event_free", group="comparison").at_risk[:3]
    (30, 30, 29)
    """
    known(conf_type, get_args(results.Limits), "conf_type")
    probability(conf_level, "conf_level", "0.95 for 95%")
    asked = rows.checked_times(times)
    followed = rows.follow(
        table,
        stop=stop,
        start=start,
        group=group,
        weights=weights,
        cluster=cluster,
        person=person,
        cov=cov,
        reference=reference,
        time_unit=time_unit,
        min_clusters=min_clusters,
    )
    happened = flags(followed.table, event, "event")
    if person is not None:
        rows.first_events_only(followed, happened, "kaplan_meier")
    said = results.Said(
        measure="event_free",
        title="Free of the event",
        kind=conf_type,
        method=f"Kaplan–Meier, {followed.text or 'Greenwood'}, {conf_type} limits",
        labels=results.labels(
            outcome_name or event, unit, reporter, threshold, subgroup, conf_level=conf_level
        ),
        contrast=contrast,
    )
    steps = followed.steps(happened.astype(np.int64))
    lines = []
    for g, own in enumerate(steps):
        free = kernel.event_free(own)
        variance = free.greenwood
        if followed.spread is not None:
            variance = followed.along(g, own, free.functional)
        lines.append(
            results.draw(
                followed,
                g,
                own,
                free.estimate,
                variance,
                free.functional,
                said,
                [followed.near(t) for t in asked],
                own=own.dead[0],
                other=np.zeros(len(own.times)),
                final=bool(free.estimate[-1] == 0),
            )
        )
    events = happened.astype(float)
    numbers, estimates, checks = results.values(followed, lines, asked, said, events)
    for g, line in enumerate(lines):
        median, missing = _median(followed, g, line, said, events)
        estimates.append(median)
        checks += missing
    if asked:
        found, missing = results.differences(followed, lines, asked, numbers, said, events)
        estimates += found
        checks += missing + _cloglog(followed, lines, asked, numbers, said)
        checks += results.no_reference(followed, said.labels["outcome"])
    checks += rows.follow_up_checks(followed, steps, said.labels["outcome"])
    return ResultSet(
        estimates=tuple(estimates),
        checks=(*checks, *followed.checks),
        curves=tuple(line.curve for line in lines),
        assumptions=(_CENSORING, *rows.independence(followed, unit)),
        provenance=Provenance(call="survival.kaplan_meier"),
        native=dict(zip(followed.levels, steps, strict=True)),
    )


def _median(
    followed: Followed, g: int, line: Line, said: results.Said, events: np.ndarray[Any, Any]
) -> tuple[Estimate, list[Check]]:
    """Return the time by which half had the event, and what of it does not exist."""
    inside = (line.estimate > 0) & (line.estimate < 1)
    low = np.where(np.isnan(line.low), line.estimate, line.low)  # at 1 and at 0 it is known
    high = np.where(np.isnan(line.high), 1.0, line.high)
    point, first, last = (_falls_to_half(line, values) for values in (line.estimate, low, high))
    if np.isnan(line.low[inside]).any():
        first = last = None
    number = Number(estimate=point, low=first, high=last, method=said.method)
    estimate = number.named(
        "median_event_free_time",
        {
            **said.labels,
            "group": followed.levels[g],
            "time_unit": followed.unit,
            "n": followed.people(g),
            "n_events": followed.events(g, events),
        },
    )
    if point is not None and first is not None and last is not None:
        return estimate, []
    missing = "median" if point is None else "upper limit of the median"
    text = f"The {missing} of {followed.who(g)} does not exist: its "
    text += "curve" if point is None else "upper curve"
    text += f" has not fallen to one half by {followed.when(line.steps.end)}."
    if point is not None and first is None:
        text = f"The median of {followed.who(g)} has no interval, as its curve has none."
    name = "median_not_reached" if point is None else "no_interval"
    return estimate, [
        Check(name=name, outcome=said.labels["outcome"], group=followed.levels[g], text=text)
    ]


def _falls_to_half(line: Line, values: np.ndarray[Any, Any]) -> float | None:
    at_half, below = values[1:] <= 0.5 + _HALF, values[1:] < 0.5 - _HALF
    if not at_half.any():
        return None
    times = line.steps.times
    first = float(times[at_half.argmax()])
    last = float(times[below.argmax()]) if below.any() else line.steps.end
    return (first + last) / 2


def _cloglog(
    followed: Followed,
    lines: Sequence[Line],
    times: Sequence[float],
    numbers: dict[tuple[int, float], Number],
    said: results.Said,
) -> list[Check]:
    """Test differences at fixed times on the scale log(−log S)."""
    found = []
    for time in times:
        own = [numbers[g, time] for g in range(len(lines))]
        spread = results.covariances(followed, lines, followed.near(time), own)
        for g, r in followed.contrasts():
            a, b = own[g], own[r]
            if a.std_error is None or b.std_error is None:
                continue
            points = np.array([float(a.estimate or 0), float(b.estimate or 0)])
            slope = np.array([1, -1]) / (points * np.log(points))
            error = float(np.sqrt(slope @ spread[np.ix_([g, r], [g, r])] @ slope))
            if error < results.NOTHING:
                continue
            z = float(np.subtract(*np.log(-np.log(points)))) / error
            against = "" if len(lines) == 2 else f" {followed.levels[g]} v {followed.levels[r]}"
            found.append(
                Check(
                    name=f"cloglog_test: {time:g}{against}",
                    statistic=z,
                    p_value=followed.effect(g, r).p_value(z),
                    outcome=said.labels["outcome"],
                    text=f"Difference of {followed.who(g)} and {followed.who(r)} at "
                    f"{followed.when(time)} on the scale log(−log S), where the normal "
                    "approximation is better in small groups.",
                )
            )
    return found


# Restricted means


def restricted_mean(
    table: pd.DataFrame | Matched | Weighted,
    *,
    stop: str,
    event: str,
    horizon: float,
    group: str | None = None,
    start: str | None = None,
    weights: str | None = None,
    cluster: str | None = None,
    person: str | None = None,
    cov: rows.Covariance | None = None,
    time_unit: TimeUnit = "days",
    conf_level: float = 0.95,
    reference: object = None,
    min_clusters: int = 40,
    outcome_name: str = "",
    contrast: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """How much longer, on average, do people stay free of the event up to a horizon?

    The restricted mean is the average time free of the event between time 0 and the horizon;
    the rest of that time is lost.

    Parameters
    ----------
    table, stop, event, start, weights, cluster, person, cov, time_unit, conf_level, reference
        As in `kaplan_meier`.
    group : str, optional
        Column of groups; a `Matched` or `Weighted` comparison knows its own.
    horizon : float
        In `time_unit`, fixed before looking at the outcome.
    min_clusters : int
        As in `kaplan_meier`.
    outcome_name, contrast, unit, reporter, threshold, subgroup : str
        Labels, as in `kaplan_meier`.

    Returns
    -------
    ResultSet
        By ``group``: ``restricted_mean`` and ``time_lost`` (in `time_unit`). Contrasts:
        ``restricted_mean_difference`` (above 0: longer free), ``restricted_mean_ratio`` and
        ``time_lost_ratio``, whose standard errors are on the log scale. ``time`` is the
        horizon. Checks as in `kaplan_meier`.

    Raises
    ------
    DataError
        As `kaplan_meier`.
    DesignError
        For a horizon that a group was not followed to (the largest possible is named), groups
        that begin at different times, no second group, or an unknown reference.

    Notes
    -----
    **Assumptions.** As in `kaplan_meier`. Unlike a hazard ratio, the difference needs no
    proportional hazards and is collapsible: randomised arms or arms of equal weight estimate
    the same average with and without covariates.

    μ = ∫₀^τ S(t) dt. Variance: Σ over event times of (∫_t^τ S)² d/(Y(Y − d)) where persons count
    once each; otherwise the squared sums over clusters of w·∂μ/∂w, as in `kaplan_meier`. The
    difference is symmetric; ratios are symmetric on the log scale. For a plain group without
    any event the time lost is at most τ times Clopper and Pearson's limit for none among those
    followed to the horizon.

    Points, standard errors and P values are those of R's ``survRM2`` and ``survfit``
    (``rmean``).

    References
    ----------
    Royston P, Parmar MKB (2013). Restricted mean survival time: an alternative to the hazard
    ratio for the design and analysis of randomized trials with a time-to-event outcome. BMC
    Medical Research Methodology 13, 152.

    Uno H et al. (2014). Moving beyond the hazard ratio in quantifying the between-group
    difference in survival analysis. Journal of Clinical Oncology 32, 2380.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme", "comparison"] * 30,
    ...                       "week": [(7 * i) % 52 + 1 + 12 * (i % 2 == 0) for i in range(60)],
    ...                       "arrest": [i % 4 > 0 for i in range(60)]})
    >>> result = restricted_mean(table, stop="week", event="arrest", group="arm", horizon=40,
    ...                          time_unit="weeks")
    >>> round(result.one(measure="restricted_mean", group="programme").estimate, 1)
    36.0
    >>> difference = result.one(measure="restricted_mean_difference")
    >>> round(difference.estimate, 1), round(difference.std_error, 1)
    (10.4, 2.7)
    """
    probability(conf_level, "conf_level", "0.95 for 95%")
    followed = rows.follow(
        table,
        stop=stop,
        start=start,
        group=group,
        weights=weights,
        cluster=cluster,
        person=person,
        cov=cov,
        reference=reference,
        time_unit=time_unit,
        min_clusters=min_clusters,
    )
    if len(followed.levels) > 1 and followed.reference is None:
        raise DesignError(
            f'which group of column "{group}" is the reference? Say so: '
            f'reference="{followed.levels[0]}".'
        )
    happened = flags(followed.table, event, "event")
    if person is not None:
        rows.first_events_only(followed, happened, "restricted_mean")
    steps = followed.steps(happened.astype(np.int64))
    tau = _within_reach(followed, steps, horizon)
    said = results.Said(
        measure="restricted_mean",
        title="",
        kind="plain",
        method=f"area under Kaplan–Meier, {followed.text or 'Greenwood'}",
        labels=results.labels(
            outcome_name or event, unit, reporter, threshold, subgroup, conf_level=conf_level
        ),
        contrast=contrast,
    )
    means, functionals, variances = [], [], []
    for own in steps:
        mean, variance, functional = kernel.restricted_mean(own, tau)
        means.append(mean)
        variances.append(variance)
        functionals.append(functional)
    spread = np.diag(variances)
    if followed.spread is not None:
        spread = followed.covariance(steps, functionals, [len(own.times) for own in steps])
    length = tau - steps[0].begin
    events = happened.astype(float)
    free, lost, estimates, checks = [], [], [], []
    for g, mean in enumerate(means):
        one, other, why = _mean_and_rest(followed, g, steps[g], mean, spread[g, g], length, said)
        free.append(one)
        lost.append(other)
        labels = {
            **said.labels,
            "group": followed.levels[g],
            "time": float(horizon),
            "time_unit": followed.unit,
            "n": followed.people(g),
            "n_events": followed.events(g, events, tau),
        }
        estimates += [one.named("restricted_mean", labels), other.named("time_lost", labels)]
        checks += why
    for g, r in followed.contrasts():
        part, effect = spread[np.ix_([g, r], [g, r])], followed.effect(g, r)
        labels = results.contrast_labels(followed, g, r, said, events, float(horizon))
        how = said.method
        for measure, number, pair in (
            ("restricted_mean_difference", results.difference, (free[g], free[r])),
            ("restricted_mean_ratio", results.ratio, (free[g], free[r])),
            ("time_lost_ratio", results.ratio, (lost[g], lost[r])),
        ):
            found = number(pair, part, effect, conf_level, how)
            estimates.append(found.named(measure, labels))
            what = f"{measure.replace('_', ' ')} of {followed.who(g)} and {followed.who(r)}"
            checks += results.why_open(found, what, pair, said)
    checks += rows.follow_up_checks(followed, steps, said.labels["outcome"])
    return ResultSet(
        estimates=tuple(estimates),
        checks=(*checks, *followed.checks),
        assumptions=(_CENSORING, *rows.independence(followed, unit)),
        provenance=Provenance(call="survival.restricted_mean"),
        native=dict(zip(followed.levels, steps, strict=True)),
    )


def _within_reach(followed: Followed, steps: Sequence[kernel.Steps], horizon: float) -> float:
    """Return the horizon, refused if a group was not followed to it."""
    if not (np.isfinite(horizon) and horizon > 0):
        raise DataError("horizon must be a finite number above 0, in the unit of the table.")
    tau = followed.near(float(horizon))
    begins = {own.begin for own in steps}
    if len(begins) > 1:
        said = " and ".join(followed.when(begin) for begin in sorted(begins))
        raise DesignError(
            f"the groups begin to be followed at {said}; a mean from different beginnings compares "
            "nothing. Leave out what lies before the later one."
        )
    if tau <= min(begins):
        raise DesignError(
            f"the horizon, {followed.when(horizon)}, does not lie after "
            f"{followed.when(min(begins))}, where following begins."
        )
    ends = [own.end for own in steps if kernel.event_free(own).estimate[-1] > 0]
    if ends and tau > min(ends):
        short = [
            followed.who(g)
            for g, own in enumerate(steps)
            if own.end < tau and kernel.event_free(own).estimate[-1] > 0
        ]
        raise DesignError(
            f"the horizon, {followed.when(horizon)}, lies beyond the last follow-up of "
            f"{' and '.join(short)}. The largest possible is {min(ends):g}."
        )
    return tau


def _mean_and_rest(
    followed: Followed,
    g: int,
    steps: kernel.Steps,
    mean: float,
    variance: float,
    length: float,
    said: results.Said,
) -> tuple[Number, Number, list[Check]]:
    """Return the mean time free, the mean time lost, and why they have no interval."""
    level = said.labels["conf_level"]
    error = float(np.sqrt(max(variance, 0.0)))
    rest = max(length - mean, 0.0)
    untouched = rest <= results.NOTHING * length
    if untouched and followed.independent and steps.start is None:
        away = length * float(results.rarest(steps.followed(steps.begin + length), level))
        how = f"{said.method}; limit for none among those followed to the horizon"
        return (
            Number(estimate=mean, low=mean - away, high=mean, method=how),
            Number(estimate=0.0, low=0.0, high=away, method=how),
            [],
        )
    critical = followed.effects[g].critical(level)
    if critical is None or error <= results.NOTHING * length:
        text = f"The means of {followed.who(g)} have no interval: "
        text += "nobody had the event before the horizon." if untouched else "nothing varies in it."
        if critical is None:
            text = f"The means of {followed.who(g)} have no interval: it is one cluster."
        found = Check(
            name="no_interval",
            outcome=said.labels["outcome"],
            group=followed.levels[g],
            text=text,
        )
        none = error if error > results.NOTHING * length else None
        return (
            Number(estimate=mean, std_error=none, method=said.method),
            Number(estimate=rest, std_error=none, method=said.method),
            [found],
        )

    def around(point: float) -> Number:
        return Number(
            estimate=point,
            std_error=error,
            low=max(point - critical * error, 0.0),
            high=min(point + critical * error, length),
            method=said.method,
        )

    return around(mean), around(rest), []


# Tests


def log_rank(
    table: pd.DataFrame | Matched | Weighted,
    *,
    stop: str,
    event: str,
    group: str | None = None,
    start: str | None = None,
    strata: str | Sequence[str] | None = None,
    rho: float = 0.0,
    weights: str | None = None,
    cluster: str | None = None,
    person: str | None = None,
    cov: rows.Covariance | None = None,
    min_clusters: int = 40,
    outcome_name: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """Could all groups have the same curve?

    Parameters
    ----------
    table, stop, event, start, weights, cluster, person, cov, min_clusters
        As in `kaplan_meier`.
    group : str, optional
        Column of two or more groups; a `Matched` or `Weighted` comparison knows its own.
    strata : str or sequence of str, optional
        Columns; groups are compared within each combination of values.
    rho : float, 0 or more
        How events are weighted: S(t−)^rho. 0 is the log-rank test; 1 (Peto and Peto's
        generalised Wilcoxon test) weights early events more.
    outcome_name, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries.

    Returns
    -------
    ResultSet
        By ``group``: ``observed_events`` and ``expected_events``, weighted as the test weights
        them. The Check ``log_rank`` has the chi-squared ``statistic``, its ``df`` and
        ``p_value``. ``native`` is the kernel's comparison with the covariance.

    Raises
    ------
    DataError
        As `kaplan_meier`.
    DesignError
        For fewer than two groups, or a `rho` below 0.
    UndefinedResultError
        If nobody had the event, or none happened while two groups were followed.

    Notes
    -----
    **Assumptions.** As in `kaplan_meier`. The test has most power where hazards are proportional
    and may see nothing where curves cross; it gives no size. Show `restricted_mean` and
    differences at fixed times beside it.

    Expected events of a group are Σ S^rho d·Y_g/Y. The variance is hypergeometric. With weights,
    clusters or a design it sums the squares of the rows' contributions over clusters (the robust
    score test of a Cox model with Breslow's ties), weights taken as known unless a `Weighted`
    comparison says how they were estimated; with few clusters P is that of F.

    Statistics are those of R's ``survdiff`` 3.5-3, and of ``coxph`` (robust score test).

    References
    ----------
    Mantel N (1966). Evaluation of survival data and two new rank order statistics arising in its
    consideration. Cancer Chemotherapy Reports 50, 163.

    Harrington DP, Fleming TR (1982). A class of rank test procedures for censored survival data.
    Biometrika 69, 553.

    Lin DY, Wei LJ (1989). The robust inference for the Cox proportional hazards model. Journal of
    the American Statistical Association 84, 1074.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme", "comparison"] * 30,
    ...                       "week": [(7 * i) % 52 + 1 + 12 * (i % 2 == 0) for i in range(60)],
    ...                       "arrest": [i % 4 > 0 for i in range(60)]})
    >>> test = log_rank(table, stop="week", event="arrest", group="arm").check("log_rank")
    >>> round(test.statistic, 2), test.df
    (20.59, 1.0)
    """
    if not rho >= 0:
        raise DesignError(f"rho weights events by S^rho and must be 0 or more, but is {rho}.")
    followed = rows.follow(
        table,
        stop=stop,
        start=start,
        group=group,
        weights=weights,
        cluster=cluster,
        person=person,
        cov=cov,
        min_clusters=min_clusters,
    )
    if len(followed.levels) < 2:
        raise DesignError("a test of curves needs two groups or more; name their column, group=.")
    happened = flags(followed.table, event, "event")
    if person is not None:
        rows.first_events_only(followed, happened, "log_rank")
    outcome = outcome_name or event
    if not happened.any():
        raise UndefinedResultError(
            "nobody had the event, so there is nothing to test. Follow for longer, or take a "
            "commoner event."
        )
    found = tests.log_rank(
        followed.stop,
        happened.astype(float),
        followed.group,
        groups=len(followed.levels),
        start=followed.start,
        strata=strata_of(followed.table, strata),
        weights=followed.weights,
        rho=rho,
        spread=followed.spread,
    )
    if found.statistic is None:
        raise UndefinedResultError(
            "no event happened while people of two groups were followed, so their curves cannot be "
            "compared. Use wider strata, or follow for longer."
        )
    labels = results.labels(outcome, unit, reporter, threshold, subgroup, conf_level=0.95)
    how = "log-rank" if rho == 0 else f"G-rho, rho {rho:g}"
    how += ", stratified" if strata else ""
    estimates = []
    for g, level in enumerate(followed.levels):
        own = {
            **labels,
            "group": level,
            "n": followed.people(g),
            "n_events": followed.events(g, happened.astype(float)),
            "method": how,
        }
        for measure, values in (("observed", found.observed), ("expected", found.expected)):
            estimates.append(Estimate(measure=f"{measure}_events", estimate=values[g], **own))
    return ResultSet(
        estimates=tuple(estimates),
        checks=(
            results.test_check(
                "log_rank",
                f"Could all groups have one curve? ({how}, {followed.text or 'hypergeometric'})",
                found,
                followed.overall(),
                outcome,
            ),
            *followed.checks,
        ),
        assumptions=(_CENSORING, *rows.independence(followed, unit)),
        provenance=Provenance(call="survival.log_rank"),
        native=found,
    )
