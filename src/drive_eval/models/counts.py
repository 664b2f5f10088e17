"""How often: rates per 100 person-years, their ratios, and what became of them in two arms.

Plain tables of counts and time at risk in, ResultSets out. A few people have most of the
events, so intervals come from how much people differ and not from Poisson's law, unless an
exact answer is asked for; every result says how much of it hangs on one person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from drive_eval.errors import DataError, DesignError
from drive_eval.models import (
    _arguments,
    _count_fit,
    _count_numbers,
    _count_rows,
)
from drive_eval.models import _count_results as _put
from drive_eval.models._clusters import Effect
from drive_eval.models._count_numbers import ONE_SOURCE
from drive_eval.models._count_results import PER_TIME, Interval
from drive_eval.models._regression import column, refuse_among
from drive_eval.models._sample import count_clusters
from drive_eval.results import Check, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from drive_eval.models._count_rows import Rows

    Flags: TypeAlias = NDArray[np.bool_]

__all__ = [
    "difference_in_differences",
    "rate",
    "rate_counts",
    "rate_ratio",
    "rate_ratio_counts",
]

Method: TypeAlias = Literal["negative_binomial", "poisson", "exact"]
Covariance: TypeAlias = Literal["robust", "model", "quasi"]


def rate_counts(
    *,
    events: int,
    person_years: float,
    conf_level: float = 0.95,
    design_effect: float = 1.0,
    df: float | None = None,
    n: int | None = None,
    outcome: str = "",
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """How many events were there per 100 person-years, and how sure is that?

    Parameters
    ----------
    events : int
        How many.
    person_years : float, above 0
        Time at risk.
    conf_level : float, between 0 and 1
    design_effect : float, at least 1
        By how much events vary more than a Poisson count; the Check ``design_effect`` of
        `rate` has it.
    df : float, optional
        Degrees of freedom of t that goes with it.
    n : int, optional
        People behind the count.
    outcome, group, unit, reporter, threshold, subgroup : str
        Labels of the Estimate.

    Returns
    -------
    ResultSet
        ``rate`` per 100 person-years.

    Raises
    ------
    DataError
        For a count that is negative or not whole, or time that is not above 0.

    Notes
    -----
    **Assumptions.** Events are independent of each other and the rate is one for all, unless
    `design_effect` says by how much they are not.

    Limits invert the exact Poisson test: χ² quantiles with 2x and 2x + 2 degrees of freedom
    (Garwood), of counts divided by the design effect. With no event the lower limit is 0 and
    the upper −ln((1 − level)/2)/time.

    References
    ----------
    Garwood F (1936). Fiducial limits for the Poisson distribution. Biometrika 28, 437.

    Examples
    --------
    >>> found = rate_counts(events=10, person_years=100).one(measure="rate")
    >>> print(f"{found.estimate:.1f} ({found.conf_low:.2f} to {found.conf_high:.2f})")
    10.0 (4.80 to 18.39)
    """
    _arguments.level(conf_level)
    x, time = _events(events, "events"), _time(person_years, "person_years")
    if not _arguments.is_number(design_effect) or design_effect < 1:
        raise DataError("design_effect must be a number of at least 1.")
    if df is not None:
        _arguments.number(df, "df", above=0.0)
    labels = _labels(outcome, unit, reporter, threshold, subgroup, conf_level)
    of = Effect(size=float(design_effect), df=df)
    method = f"{PER_TIME}, exact Poisson" + ("" if of.simple else " of counts over a design effect")
    found = _count_numbers.rate(x, time, of, conf_level, method)
    return ResultSet(
        estimates=(found.named("rate", {**labels, "group": group, "n": n, "n_events": int(x)}),),
        provenance=Provenance(call="counts.rate_counts"),
    )


def rate(
    table: pd.DataFrame,
    *,
    count: str,
    person_years: str,
    group: str | None = None,
    person: str | None = None,
    cluster: str | None = None,
    interval: Interval | None = None,
    conf_level: float = 0.95,
    max_share: float = 0.2,
    outcome_name: str = "",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """How many events were there per 100 person-years, in each group?

    Parameters
    ----------
    table : DataFrame, one row per person (or per person and period)
    count : str
        Column of counts: whole numbers of events, or a total of harm (days) not below 0.
    person_years : str
        Column of time at risk, in years; rows without any, and without events, are left out
        and counted.
    group : str, optional
        Column of groups; one rate for each of its values.
    person : str, optional
        Column that tells people apart, when a person has several rows.
    cluster : str, optional
        Column of clusters that hold whole people.
    interval : {'exact', 'robust', 'overdispersed'}, optional
        ``"exact"``: events as independent Poisson events. ``"robust"``: by how much people or
        clusters differ. ``"overdispersed"``: by Pearson's dispersion of the rows. By default
        exact for whole counts in independent rows, else robust.
    conf_level : float, between 0 and 1
    max_share : float
        The Check ``dominance`` fails when one person has a greater share of all events.
    outcome_name, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries; `outcome_name` is the column's name by default.

    Returns
    -------
    ResultSet
        ``rate`` per 100 person-years by ``group``. Checks: ``person_years`` (events and time,
        a group each), ``no_time``, ``dispersion``, ``dominance``, ``design_effect``.

    Raises
    ------
    DataError
        For a column that is missing, incomplete or below 0; for events without time at risk.
    DesignError
        For exact limits of a harm total, or beside clusters.

    Notes
    -----
    **Assumptions.** Time at risk is all the time in which an event would have been seen.
    *Exact*: events are independent. *Robust*: people (clusters) are independent.

    Exact limits are Garwood's. The others divide events by a design effect before: robust,
    ``G/(G − 1)·Σ_g(Y_g − r·T_g)²/Y``, at least 1, with the tail of t on effective clusters − 1
    degrees of freedom, clusters counted by their time; overdispersed, ``Σ(y − μ)²/μ/(n − 1)``.
    A total of harm has no law of its own: it is divided by what one independent event would
    weigh. Zero events have exact limits whatever was asked for, and a harm total of zero has
    none.

    References
    ----------
    Garwood F (1936). Fiducial limits for the Poisson distribution. Biometrika 28, 437.

    Examples
    --------
    >>> people = pd.DataFrame({"incidents": [0, 2, 1, 0, 7, 0], "years": [1, 1, 0.5, 1, 1, 0.5],
    ...                        "arm": ["programme"] * 3 + ["comparison"] * 3})
    >>> found = rate(people, count="incidents", person_years="years", group="arm")
    >>> round(found.one(group="programme").estimate, 1)
    120.0
    """
    _count_rows.refuse_arguments(conf_level, {"max_share": max_share})
    rows = _count_rows.read(
        table, count=count, person_years=person_years, person=person, cluster=cluster
    )
    if interval is not None:
        _count_rows.refuse_choice(interval, "interval", get_args(Interval))
    chosen = interval or ("exact" if rows.whole and rows.groups is None else "robust")
    if chosen != "robust":
        _refuse_not_counts(rows, count, f'interval="{chosen}"', 'interval="robust"')
        if rows.groups is not None:
            raise DesignError(
                f'interval="{chosen}" takes rows to be independent, and '
                f"{'cluster' if cluster else 'person'} says that they are not; use "
                'interval="robust", or leave the column out.'
            )
    labels = _labels(outcome_name or count, unit, reporter, threshold, subgroup, conf_level)
    held = {"": np.ones(len(rows.y), dtype=bool)}
    if group is not None:
        every = column(table, group, "group").unique()
        held = {str(v): (rows.table[group] == v).to_numpy(dtype=bool) for v in every}
    estimates, checks = [], _count_rows.person_years(rows, held, labels)
    for name, inside in held.items():
        own = {**labels, "group": name}
        if not inside.any():
            estimates.append(Estimate(measure="rate", estimate=None, method=PER_TIME, **own))
            text = "nobody has any time at risk, so there is no rate."
            checks.append(
                Check(name="rate_undefined", outcome=labels["outcome"], group=name, text=text)
            )
            continue
        part = _put.part_of(rows, inside)
        found, of = _put.one_rate(part, chosen, conf_level)
        estimates.append(found.named("rate", {**own, **_put.sizes(part)}))
        checks += _put.rate_checks(part, found, of, own, chosen, max_share)
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=(
            "Time at risk is all the time in which an event would have been recorded.",
            "Events are independent of each other."
            if chosen == "exact"
            else f"{'Clusters' if cluster else 'People'} are independent of each other.",
        ),
        provenance=Provenance(call="counts.rate"),
    )


def rate_ratio_counts(
    *,
    events: int,
    person_years: float,
    events_reference: int,
    person_years_reference: float,
    conf_level: float = 0.95,
    names: tuple[str, str] = ("after", "before"),
    n: int | None = None,
    n_reference: int | None = None,
    outcome: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """By what factor do two rates differ, given only how many events and how much time?

    Parameters
    ----------
    events, events_reference : int
        How many in the group in question, and in the group it is compared with.
    person_years, person_years_reference : float, above 0
    conf_level : float, between 0 and 1
    names : (str, str)
        What the two groups are called.
    n, n_reference : int, optional
        People behind the counts.
    outcome, unit, reporter, threshold, subgroup : str
        Labels of the Estimates.

    Returns
    -------
    ResultSet
        ``rate_ratio``, ``percent_reduction``, ``rate_difference`` and two ``rate``, as
        `rate_ratio` with ``method="exact"``. Without events in the reference group the ratio
        is None with a lower limit; without any it is None, and a Check says so.

    Raises
    ------
    DataError
        For a count that is negative or not whole, or time that is not above 0.

    Notes
    -----
    **Assumptions.** Events are independent of each other: nobody has many more than chance
    would give them. The same people before and after are no obstacle, as long as everybody's
    two periods are in the same proportion.

    Given the total N, the events of the group in question are binomial with chance
    φT₁/(φT₁ + T₀); Clopper and Pearson's limits of that chance are turned into limits of φ. P
    adds up all splits that are no likelier than the observed one.

    References
    ----------
    Przyborowski J, Wilenski H (1940). Homogeneity of results in testing samples from Poisson
    series. Biometrika 31, 313.

    Examples
    --------
    >>> found = rate_ratio_counts(events=8, person_years=10,
    ...                           events_reference=21, person_years_reference=10)
    >>> fall = found.one(measure="percent_reduction")
    >>> print(f"{fall.estimate:.0f}% ({fall.conf_low:.0f} to {fall.conf_high:.0f})")
    62% (10 to 85)
    """
    _arguments.level(conf_level)
    totals = (_events(events, "events"), _events(events_reference, "events_reference"))
    time = (
        _time(person_years, "person_years"),
        _time(person_years_reference, "person_years_reference"),
    )
    labels = _labels(outcome, unit, reporter, threshold, subgroup, conf_level)
    pair = (Effect(), Effect())
    ratio = _count_numbers.ratio_from_totals(totals, time, pair, conf_level, "exact conditional")
    ends = [
        _count_numbers.rate(x, t, Effect(), conf_level, f"{PER_TIME}, exact Poisson")
        for x, t in zip(totals, time, strict=True)
    ]
    gap = _count_numbers.difference_of_limits(
        (ends[0], ends[1]), f"{PER_TIME}, MOVER of exact limits"
    )
    people = {
        "n": n,
        "n_events": int(totals[0]),
        "n_reference": n_reference,
        "n_events_reference": int(totals[1]),
    }
    estimates, checks = _put.two_rates(ratio, gap, labels, people, names)
    for name, end, size in zip(names, ends, _put.halves(people), strict=True):
        estimates.append(end.named("rate", {**labels, "group": name, **size}))
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=("Events are independent of each other.",),
        provenance=Provenance(call="counts.rate_ratio_counts"),
    )


def rate_ratio(
    table: pd.DataFrame,
    *,
    count: str,
    person_years: str,
    contrast: str,
    covariates: str | Sequence[str] | None = None,
    person: str | None = None,
    cluster: str | None = None,
    method: Method = "negative_binomial",
    cov: Covariance | None = None,
    level: Any = None,
    reference: Any = None,
    conf_level: float = 0.95,
    min_clusters: int = 40,
    min_events: float = 20.0,
    events_per_parameter: float = 10.0,
    max_share: float = 0.2,
    outcome_name: str = "",
    contrast_name: str = "",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """By what factor do events come more or less often in one group, or after than before?

    Parameters
    ----------
    table : DataFrame, one row per person, or per person and period
    count : str
        Column of counts: whole numbers of events; a total of harm (days) for ``"poisson"``.
    person_years : str
        Column of time at risk (time free to offend), in years.
    contrast : str
        Column of the two groups or periods: true and false (or 1 and 0), ``"programme"`` and
        ``"comparison"``, ``"after"`` and ``"before"``; other values are named by `level` and
        `reference`.
    covariates : str or sequence of str, optional
        Column names, or a formula's right-hand side such as ``"age + C(site)"``.
    person : str, optional
        Column that tells people apart, when a person has several rows. Exact: each person is
        compared with themselves and drops out. Else: the variance is taken over people.
    cluster : str, optional
        Column of clusters that hold whole people; the variance is taken over them.
    method : {'negative_binomial', 'poisson', 'exact'}
        How the ratio is estimated.
    cov : {'robust', 'model', 'quasi'}, optional
        Where the variance comes from: how rows (people, clusters) differ; the model, believed;
        the Poisson model times Pearson's dispersion. By default the model's for negative
        binomial counts in independent rows, else robust.
    level, reference : optional
        The two values of `contrast`; the ratio is that of `level` over `reference`.
    conf_level : float, between 0 and 1
    min_clusters : int
        With fewer effective clusters or people a DesignWarning is given; the result stands.
    min_events, events_per_parameter, max_share : float
        Limits of the Checks ``few_events``, ``events_per_parameter`` and ``dominance``.
    outcome_name, contrast_name, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries.

    Returns
    -------
    ResultSet
        ``rate_ratio``, ``percent_reduction`` (of the rate, in percent), ``rate_difference``
        (per 100 person-years; standardised over all person-years with covariates), and
        ``rate`` of each ``group``, always plain. ``n`` and ``n_events`` count people and events
        of the level in question, ``n_reference`` and ``n_events_reference`` of the other.
        Without events in the reference group the ratio is None, with a lower limit and an
        infinite upper one; without any event all is None that does not exist; the Check
        ``rate_ratio_undefined`` says so. Checks: ``person_years``, ``no_time``,
        ``dispersion``, ``dispersion_within`` (exact, within people), ``alpha``, ``dominance``,
        ``leave_one_out``, ``few_events``, ``events_per_parameter``, ``clusters``.

    Raises
    ------
    DataError
        For a column that is missing, incomplete or below 0; for events without time at risk;
        for people in several clusters.
    DesignError
        For a group without rows; covariates of an exact ratio; covariates that tell people
        without events apart, or beside a group without events; a harm total by a method for
        counts; fewer than ten clusters that were allocated whole.

    Warns
    -----
    DesignWarning
        If there are fewer than `min_clusters` effective clusters.

    Notes
    -----
    **Assumptions.** log rate = log time at risk + what the columns say. Time at risk is all the
    time in which an event would have been recorded, and recording was the same in both groups.
    Rows (people, clusters) are independent. Without a comparison group, before against after
    also holds what time and regression to the mean did.

    *Poisson* and *negative binomial* (NB2: variance μ + αμ², α by maximum likelihood; standard
    errors from the expected information given α, as R ``glm.nb``, with t on rows − parameters
    degrees of freedom where α is above 0). Robust variance: BΣs_gs_g′B with s_g the score of a
    person or cluster, times G/(G − 1), as ``vcovCL`` of R ``sandwich``. Under 50 clusters, or
    25 in an arm, residuals are divided by one minus the cluster's
    leverage instead (Mancl and DeRouen 2001). t has Satterthwaite's degrees of freedom: a
    cluster counts by what it adds to the variance under the model, and arms made of different
    clusters are joined as Welch does.

    *Exact*: see `rate_ratio_counts`. With `person`, each person's events are split between
    their two periods as binomial with chance φT₁/(φT₁ + T₀); the distribution of their sum is
    worked out in full, so that periods may differ from person to person. It takes events of a
    person to be independent; ``dispersion_within`` (Tarone 1979) tests that.

    *No event in one group*: the exact conditional limits of the counts divided by the design
    effect of the group that has events (1 for a Poisson model that is believed). Never is a half
    added.

    *Dispersion*: Pearson's statistic over its degrees of freedom, and the score test of Poisson
    against negative binomial counts (Dean and Lawless 1989), one-sided. Where counts vary no
    more than Poisson's, α is 0, the negative binomial is the Poisson, and ``alpha`` says so.

    With frailty of variance 1.5 and 25 or 100 people an arm, 95 % intervals of the negative
    binomial and of both robust variances held the true ratio in 93 to 95 % of samples, those of
    the Poisson model, believed, in 77 %.

    *Leave one out*: the least and greatest ratio when any one person is left out. The Check
    fails when that moves the log ratio by more than its standard error.

    References
    ----------
    Cameron AC, Trivedi PK (2013). Regression Analysis of Count Data, 2nd ed. Cambridge.

    Przyborowski J, Wilenski H (1940). Homogeneity of results in testing samples from Poisson
    series. Biometrika 31, 313.

    Dean C, Lawless JF (1989). Tests for detecting overdispersion in Poisson regression models.
    JASA 84, 467.

    Tarone RE (1979). Testing the goodness of fit of the binomial distribution. Biometrika 66,
    585.

    Mancl LA, DeRouen TA (2001). A covariance estimator for GEE with improved small-sample
    properties. Biometrics 57, 126.

    Examples
    --------
    >>> long = pd.DataFrame({"who": [*range(10)] * 2, "late": [False] * 10 + [True] * 10,
    ...     "incidents": [3, 1, 4, 0, 2, 5, 1, 2, 0, 3, 1, 0, 2, 0, 1, 1, 0, 2, 1, 0],
    ...     "years": [1.0] * 20})
    >>> found = rate_ratio(long, count="incidents", person_years="years", contrast="late",
    ...                    person="who", method="exact")
    >>> ratio = found.one(measure="rate_ratio")
    >>> print(f"{ratio.estimate:.3f} ({ratio.conf_low:.3f} to {ratio.conf_high:.3f})")
    0.381 (0.146 to 0.895)
    """
    limits = {
        "min_clusters": min_clusters,
        "min_events": min_events,
        "events_per_parameter": events_per_parameter,
        "max_share": max_share,
    }
    _count_rows.refuse_arguments(conf_level, limits)
    _count_rows.refuse_choice(method, "method", get_args(Method))
    if cov is not None:
        _count_rows.refuse_choice(cov, "cov", get_args(Covariance))
    if contrast in (count, person_years):
        raise DataError(f'column "{contrast}" is given as the contrast and as something else.')
    rows = _count_rows.read(
        table, count=count, person_years=person_years, person=person, cluster=cluster
    )
    within = _count_rows.crosses(
        _count_rows.two_levels(
            rows.table, contrast, "contrast", level=level, reference=reference, within=True
        )[0],
        rows.persons,
    )
    arm, names = _count_rows.two_levels(
        rows.table, contrast, "contrast", level=level, reference=reference, within=within
    )
    _refuse_one_sided(arm, contrast, names)
    adjusted = _arguments.named(covariates)
    if method != "poisson":
        _refuse_not_counts(rows, count, f'method="{method}"', 'method="poisson"')
    how = _variance(rows, method, cov, adjusted=adjusted, within=within, cluster=cluster)
    if cluster is not None and rows.groups is not None:
        count_clusters(arm, rows.groups)
    labels = _labels(outcome_name or count, unit, reporter, threshold, subgroup, conf_level)
    checks = _count_rows.person_years(rows, dict(zip(names, (arm, ~arm), strict=True)), labels)
    parts = (_put.part_of(rows, arm), _put.part_of(rows, ~arm))
    plain = _put.interval_of_end(rows, how)
    ends = (
        _put.one_rate(parts[0], plain, conf_level)[0],
        _put.one_rate(parts[1], plain, conf_level)[0],
    )
    people = {**_put.sizes(parts[0]), **_put.sizes(parts[1], "_reference")}
    totals = (float(rows.y[arm].sum()), float(rows.y[~arm].sum()))

    native = None
    if adjusted and covariates is not None:
        for name, role in (
            (count, "count"),
            (person_years, "person_years"),
            (contrast, "contrast"),
        ):
            refuse_among(rows.table, covariates, name, role)
        if min(totals) == 0 < max(totals):
            raise DesignError(
                "there is no event in one of the groups, so no model with covariates has a "
                "maximum. Leave the covariates out: the plain ratio has exact limits."
            )
    if sum(totals) == 0 or (min(totals) == 0 and not adjusted and method != "exact"):
        # A negative binomial fits no arm without events; how people differ it takes as robust does.
        spread = "robust" if method == "negative_binomial" else how
        ratio, gap = _put.from_zero(rows, arm, ends, spread, conf_level)
    elif method == "exact":
        ratio, gap, more = _put.exact(rows, arm, ends, within and rows.named, conf_level, labels)
        checks += more
    else:
        x, terms = _put.regressors(rows, arm, contrast, covariates if adjusted else None)
        native, ratio, gap, more = _put.modelled(
            rows, arm, x, terms, method, how, conf_level, labels
        )
        checks += more
        if how == "robust" and rows.groups is not None:
            gradient = np.eye(x.shape[1])[1]
            law = _count_fit.law(native, x, rows.groups, gradient, arm)
            name = str(cluster or person)
            checks.append(_count_rows.enough_clusters(law, name, min_clusters, labels))
        checks += _count_rows.enough_events(
            sum(totals), x.shape[1], events_per_parameter, min_events, labels
        )
        if ratio.estimate:
            ends_without = _put.without(native, x, rows, arm, method, adjusted=adjusted)
            checks.append(_put.left_out(ratio, ends_without, rows, labels))
    if ratio.estimate is not None and ratio.low is None:
        checks.append(Check(name="no_interval", outcome=labels["outcome"], text=ONE_SOURCE))
    said = contrast_name or f"{names[0]} v {names[1]}"
    estimates, why = _put.two_rates(ratio, gap, labels, people, names, said)
    for name, end, size in zip(names, ends, _put.halves(people), strict=True):
        estimates.append(end.named("rate", {**labels, "group": name, **size}))
    if sum(totals) > 0:
        checks.append(_count_rows.dominance(rows, max_share, labels))
    return ResultSet(
        estimates=tuple(estimates),
        checks=(*checks, *why),
        assumptions=_assumptions(method, how, within=within, cluster=cluster is not None),
        provenance=Provenance(call="counts.rate_ratio"),
        native=native,
    )


def difference_in_differences(
    long: pd.DataFrame,
    *,
    count: str,
    person_years: str,
    treated: str,
    period: str,
    person: str,
    cluster: str | None = None,
    before: Any = None,
    after: Any = None,
    conf_level: float = 0.95,
    min_clusters: int = 40,
    min_events: float = 20.0,
    max_share: float = 0.2,
    outcome_name: str = "",
    contrast: str = "programme v comparison, after v before",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """Did the rate of events fall further in the programme than in the comparison group?

    Parameters
    ----------
    long : DataFrame, one row per person and period
    count : str
        Column of counts, or of totals of harm.
    person_years : str
        Column of time at risk, in years.
    treated : str
        Column of true and false, or of ``"programme"`` and ``"comparison"``; one value a person.
    period : str
        Column of true and false (true is after), of ``"after"`` and ``"before"``, or of two
        values named by `before` and `after`.
    person : str
        Column that tells people apart; the variance is taken over them.
    cluster : str, optional
        Column of clusters that hold whole people; the variance is taken over them instead.
    before, after : optional
        The two values of `period`.
    conf_level : float, between 0 and 1
    min_clusters : int
        With fewer effective clusters a DesignWarning is given; the result stands.
    min_events, max_share : float
        Limits of the Checks ``few_events`` and ``dominance``.
    outcome_name, contrast, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries.

    Returns
    -------
    ResultSet
        ``ratio_of_ratios`` (below 1: the rate fell further in the programme), its
        ``percent_reduction``, ``difference_in_differences`` (of rates per 100 person-years);
        by ``group`` (arm) ``rate_ratio`` after over before with its ``percent_reduction`` and
        ``rate_difference``; ``rate`` by ``group`` and ``subgroup`` (``"before"``,
        ``"after"``). Checks as `rate_ratio`.

    Raises
    ------
    DataError
        For a person with two rows of a period, with one period only, or in both arms.
    DesignError
        For an empty arm; for fewer than ten clusters that were allocated whole.

    Warns
    -----
    DesignWarning
        If there are fewer than `min_clusters` effective clusters.

    Notes
    -----
    **Assumptions.** Without the programme, the rate in its arm would have changed by the same
    factor as in the comparison arm. People in both arms were picked for reasons that wear off
    at the same pace (regression to the mean), and what they did was recorded alike. Time at
    risk is all the time in which an event would have been recorded.

    With Y and T the events and time of the four cells, (Y₁ₐ/T₁ₐ)/(Y₁ᵦ/T₁ᵦ) over the same of the
    comparison arm: the Poisson model with both effects and their product. Variance, small
    samples and degrees of freedom as in `rate_ratio`; each person has both periods, so what
    persons differ in drops out of it. Where an arm has no event after, limits are combined
    from the two arms' ratios (MOVER), the arm without events having exact ones.

    References
    ----------
    Liang KY, Zeger SL (1986). Longitudinal data analysis using generalized linear models.
    Biometrika 73, 13.

    Mancl LA, DeRouen TA (2001). A covariance estimator for GEE with improved small-sample
    properties. Biometrics 57, 126.

    Examples
    --------
    >>> rows = [(f"{arm}{i}", arm, when, (i * 7 + k) % top, 1.0)
    ...         for arm, tops in {"programme": (6, 3), "comparison": (6, 5)}.items()
    ...         for k, (when, top) in enumerate(zip(("before", "after"), tops))
    ...         for i in range(60)]
    >>> long = pd.DataFrame(rows, columns=["id", "arm", "when", "incidents", "years"])
    >>> found = difference_in_differences(long, count="incidents", person_years="years",
    ...     treated="arm", period="when", person="id")
    >>> round(found.one(measure="ratio_of_ratios").estimate, 3)
    0.5
    """
    limits = {"min_clusters": min_clusters, "min_events": min_events, "max_share": max_share}
    _count_rows.refuse_arguments(conf_level, limits)
    rows, arm, late = _both_periods(
        long, count, person_years, treated, period, person, cluster, before, after
    )
    if cluster is not None and rows.groups is not None:
        count_clusters(arm, rows.groups)
    labels = _labels(outcome_name or count, unit, reporter, threshold, subgroup, conf_level)
    arms = {"programme": arm, "comparison": ~arm}
    checks = _count_rows.person_years(
        rows,
        {
            f"{name}, {when}": held & inside
            for name, held in arms.items()
            for when, inside in (("before", ~late), ("after", late))
        },
        labels,
    )
    estimates, ratios, gaps, cells = [], {}, {}, {}
    for name, held in arms.items():
        parts = [_put.part_of(rows, held & inside) for inside in (late, ~late)]
        ends = (
            _put.one_rate(parts[0], "robust", conf_level)[0],
            _put.one_rate(parts[1], "robust", conf_level)[0],
        )
        cells[name] = [float(part.y.sum()) for part in parts]
        own = {**labels, "group": name}
        people = {**_put.sizes(parts[0]), **_put.sizes(parts[1], "_reference")}
        ratios[name], gaps[name] = _put.within_arm(
            _put.part_of(rows, held), late[held], ends, cells[name], period, conf_level
        )
        found, why = _put.two_rates(ratios[name], gaps[name], own, people, ("after", "before"))
        estimates += found
        checks += why
        for when, end, size in zip(("after", "before"), ends, _put.halves(people), strict=True):
            estimates.append(end.named("rate", {**own, "subgroup": when, **size}))
    after_cells = (cells["programme"][0], cells["comparison"][0])
    both = {
        **labels,
        "contrast": contrast,
        "claim": "associational",
        "n": _put.people_in(rows, arm),
        "n_reference": _put.people_in(rows, ~arm),
    }
    if rows.whole:
        both |= {"n_events": int(after_cells[0]), "n_events_reference": int(after_cells[1])}
    ratio, gap, more, native = _put.change_in_two_arms(
        rows,
        arm,
        late,
        ratios,
        gaps,
        cells,
        conf_level,
        labels,
        min_clusters,
        str(cluster or person),
    )
    first = [ratio.named("ratio_of_ratios", both)]
    first += [first[0].percent_reduction(), gap.named("difference_in_differences", both)]
    checks += more
    checks += _count_rows.enough_events(sum(map(sum, cells.values())), 2, 0.0, min_events, labels)
    checks.append(_count_rows.dominance(rows, max_share, labels))
    return ResultSet(
        estimates=(*first, *estimates),
        checks=tuple(checks),
        assumptions=(
            "Without the programme its arm's rate would have changed by the same factor as the "
            "comparison arm's.",
            "Both arms regress to the mean at the same pace, and events were recorded alike.",
            "Time at risk is all the time in which an event would have been recorded.",
        ),
        provenance=Provenance(call="counts.difference_in_differences"),
        native=native,
    )


# What is read and refused


def _labels(
    outcome: str, unit: str, reporter: str, threshold: str, subgroup: str, conf_level: float
) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "subgroup": subgroup,
        "conf_level": conf_level,
    }


def _events(value: Any, name: str) -> float:
    if not _arguments.is_whole(value) or value < 0:
        raise DataError(f"{name} must be a whole number of events, 0 or more.")
    return float(value)


def _time(value: Any, name: str) -> float:
    if not _arguments.is_number(value) or value <= 0:
        raise DataError(f"{name} must be a number of years above 0.")
    return float(value)


def _refuse_not_counts(rows: Rows, count: str, what: str, instead: str) -> None:
    if rows.whole:
        return
    odd = int((rows.y != np.floor(rows.y)).sum())
    raise DesignError(
        f'{odd} of {len(rows.y)} rows of "{count}" are not whole numbers: {what} is for counts of '
        f"events. Of a total of harm use {instead}, whose variance comes from the data."
    )


def _refuse_one_sided(arm: Flags, name: str, names: tuple[str, str]) -> None:
    if arm.all() or not arm.any():
        missing = names[1] if arm.all() else names[0]
        raise DesignError(
            f'no row with time at risk is "{missing}" in column "{name}", so there is nothing to '
            "compare."
        )


def _variance(
    rows: Rows,
    method: str,
    cov: str | None,
    *,
    adjusted: bool,
    within: bool,
    cluster: str | None,
) -> str:
    """Return where the variance comes from, or refuse what does not go together."""
    if method == "exact":
        if adjusted:
            raise DesignError(
                "an exact ratio takes no covariates. Compare people with themselves (person=…), "
                'or use method="negative_binomial".'
            )
        if cov is not None or cluster is not None:
            raise DesignError(
                "an exact ratio takes events to be independent: it has neither cov nor cluster. "
                'Use method="poisson" or "negative_binomial" for those.'
            )
        if rows.named and not within:
            raise DesignError(
                "no person has rows of both groups, so nobody can be compared with themselves. "
                "Leave person out."
            )
        return "exact"
    chosen = cov or ("model" if method == "negative_binomial" and rows.groups is None else "robust")
    if chosen != "robust" and rows.groups is not None:
        raise DesignError(
            f'cov="{chosen}" takes rows to be independent, and person or cluster says that they '
            'are not; use cov="robust".'
        )
    if chosen == "quasi" and method != "poisson":
        raise DesignError(
            'cov="quasi" belongs to method="poisson"; the negative binomial has its own spread.'
        )
    if chosen != "robust" and not rows.whole:
        raise DesignError(
            f'cov="{chosen}" believes a law of counts, and these totals are not whole numbers; use '
            'cov="robust".'
        )
    return chosen


def _both_periods(
    long: pd.DataFrame,
    count: str,
    person_years: str,
    treated: str,
    period: str,
    person: str,
    cluster: str | None,
    before: Any,
    after: Any,
) -> tuple[Rows, Flags, Flags]:
    """Return rows with time at risk, arm and period; everybody has a row of both periods."""
    late, _ = _count_rows.two_levels(
        long, period, "period", level=after, reference=before, within=True
    )
    arm, _ = _count_rows.two_levels(long, treated, "treated", within=False)
    rows = _count_rows.read(
        long, count=count, person_years=person_years, person=person, cluster=cluster
    )
    table = pd.DataFrame({"who": pd.factorize(long[person])[0], "late": late, "arm": arm})
    twice = int(table.duplicated(["who", "late"]).sum())
    if twice:
        raise DataError(
            f"{twice} rows repeat a person and period that another row already holds. Add their "
            f'counts and their time up to one row per "{person}" and "{period}".'
        )
    each = table.groupby("who")
    mixed = int((each["arm"].max() != each["arm"].min()).sum())
    if mixed:
        raise DataError(
            f'{mixed} people have more than one value of "{treated}" (treated); each person '
            "belongs to one arm."
        )
    single = int((each.size() < 2).sum())
    if single:
        raise DataError(
            f"{single} of {each.ngroups} people have only one of the two periods. A change needs "
            "both: leave these people out knowingly and report how many, by arm."
        )
    kept = long[person_years].to_numpy(dtype=float) > 0
    arm, late = arm[kept], late[kept]
    for name, held in (("programme", arm), ("comparison", ~arm)):
        for when, inside in (("before", ~late), ("after", late)):
            if not (held & inside).any():
                raise DesignError(
                    f"the {name} group has no time at risk {when}, so its change is unknown."
                )
    return rows, arm, late


def _assumptions(method: str, how: str, *, within: bool, cluster: bool) -> tuple[str, ...]:
    said = ["Time at risk is all the time in which an event would have been recorded."]
    if method == "exact":
        said.append(
            "Events are independent of each other"
            + (", given each person's own rate, which drops out." if within else ".")
        )
    elif how == "robust":
        said.append(f"{'Clusters' if cluster else 'People'} are independent of each other.")
    elif method == "negative_binomial":
        said.append(
            "Rows are independent, and rates differ between them as a gamma distribution does."
        )
    else:
        said.append("Rows are independent.")
    if within:
        said.append(
            "Nothing but the programme changed from before to after: not time, not recording, and "
            "nobody was picked at their worst."
        )
    else:
        said.append("Without the programme both groups would have had the same rate.")
    return tuple(said)
