"""How many ever have an event, where others may come first, and how many events a person has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from drive_eval.errors import DataError, UndefinedResultError
from drive_eval.models import _curve_results as results
from drive_eval.models import _curve_rows as rows
from drive_eval.models import _curve_tests as tests
from drive_eval.models import _curves as kernel
from drive_eval.models._arguments import kind_of
from drive_eval.models._hazard_rows import NO_CAUSE, known, probability
from drive_eval.models._hazard_rows import strata as strata_of
from drive_eval.models._regression import column, numbers
from drive_eval.results import Check, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from drive_eval.models._curve_results import Limits
    from drive_eval.models._curve_rows import Followed
    from drive_eval.models._design import Matched, Weighted
    from drive_eval.vocabulary import TimeUnit

    Codes: TypeAlias = NDArray[np.int64]

__all__ = ["cumulative_incidence", "mean_cumulative_count"]

Variance: TypeAlias = Literal["influence", "aalen"]
CountLimits: TypeAlias = Literal["log", "plain"]


def cumulative_incidence(
    table: pd.DataFrame | Matched | Weighted,
    *,
    stop: str,
    cause: str,
    group: str | None = None,
    start: str | None = None,
    weights: str | None = None,
    cluster: str | None = None,
    person: str | None = None,
    cov: rows.Covariance | None = None,
    times: float | Sequence[float] = (),
    time_unit: TimeUnit = "days",
    variance: Variance = "influence",
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
    """What share has had each kind of event by a time, where one kind may rule out the others?

    The Aalen–Johansen estimate: prison or death before a re-offence is an event of its own, not
    the end of following.

    Parameters
    ----------
    table, stop, start, group, weights, cluster, person, cov, times, time_unit, reference
        As in `kaplan_meier`.
    cause : str
        Column of the event that a row ended with, as words or whole numbers; missing, 0, empty
        or ``"censored"`` where it ended without any.
    variance : {'influence', 'aalen'}
        ``"influence"`` sums squared contributions of persons or clusters (R's ``survfit``);
        ``"aalen"`` is Aalen's, for independent persons of equal weight followed from time 0
        (``cmprsk::cuminc``). They differ in the third figure.
    conf_type : {'log-log', 'log', 'plain'}
        On which scale limits are symmetric: log(−log F), log F or F.
    conf_level, min_clusters
        As in `kaplan_meier`.
    outcome_name, contrast, unit, reporter, threshold, subgroup : str
        Labels, as in `kaplan_meier`.

    Returns
    -------
    ResultSet
        ``cumulative_incidence`` by ``term`` (the cause), ``group`` and ``time``;
        ``cumulative_incidence_difference`` by ``term`` and ``time``. Curves
        ``cumulative_incidence`` by group and cause, and ``event_free`` by group; at every time
        they add up to 1. Checks ``gray: cause`` (equal incidence in all groups), and those of
        `kaplan_meier`.

    Raises
    ------
    DataError
        As `kaplan_meier`.
    DesignError
        As `kaplan_meier`, and for Aalen's variance where it does not hold.
    UndefinedResultError
        If no row ended with any event.

    Notes
    -----
    **Assumptions.** Following ends for reasons that have nothing to do with when any of the
    events would have come. No cause need be independent of the others, and nothing is said of
    a world in which one of them were abolished. 1 − Kaplan–Meier of one cause, with the others
    taken as the end of following, speaks of that world and is always larger.

    F_c(t) = Σ S(u−) d_c/Y over event times u ≤ t, with S the Kaplan–Meier estimate of having had
    no event at all. Ties are what they are; an event comes before the end of following at the
    same time. ``n_events`` counts the cause up to the time.

    Gray's test compares the hazards of the subdistribution, with weight 1; its variance is
    Gray's, as in ``cmprsk``. It takes persons to be independent and of equal weight: with
    weights or clusters it is left out, and the differences at fixed times remain.

    References
    ----------
    Aalen OO, Johansen S (1978). An empirical transition matrix for non-homogeneous Markov chains
    based on censored observations. Scandinavian Journal of Statistics 5, 141.

    Aalen OO (1978). Nonparametric estimation of partial transition probabilities in multiple
    decrement models. Annals of Statistics 6, 534.

    Gray RJ (1988). A class of K-sample tests for comparing the cumulative incidence of a
    competing risk. Annals of Statistics 16, 1141.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"week": [3, 5, 5, 8, 10, 12, 12, 15],
    ...                       "first": ["arrest", "prison", None, "arrest", "arrest", None,
    ...                                 "prison", None]})
    >>> result = cumulative_incidence(table, stop="week", cause="first", times=12,
    ...                               time_unit="weeks")
    >>> round(result.one(term="arrest").estimate, 3), round(result.one(term="prison").estimate, 3)
    (0.425, 0.275)
    """
    known(conf_type, get_args(results.Limits), "conf_type")
    known(variance, get_args(Variance), "variance")
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
        robust=True,
    )
    codes, causes = _causes(followed.table, cause)
    if person is not None:
        rows.first_events_only(followed, codes > 0, "cumulative_incidence")
    if variance == "aalen":
        rows.refuse_unless_plain(followed, 'variance="aalen"')
    steps = followed.steps(codes, causes=len(causes))
    near = [followed.near(t) for t in asked]
    labels = results.labels(
        outcome_name or cause, unit, reporter, threshold, subgroup, conf_level=conf_level
    )
    how = "Aalen" if variance == "aalen" else followed.text
    estimates: list[Estimate] = []
    checks: list[Check] = []
    curves = []
    for c, word in enumerate(causes):
        said = results.Said(
            measure="cumulative_incidence",
            title=f"Has had: {word}",
            term=word,
            kind=conf_type,
            method=f"Aalen–Johansen, {how}, {conf_type} limits",
            labels=labels,
            contrast=contrast,
            nobody=f"had {word}",
        )
        lines = []
        for g, own in enumerate(steps):
            estimate, functional = kernel.incidence(own, c)
            spread = (
                kernel.aalen_variance(own, c)
                if variance == "aalen"
                else followed.along(g, own, functional)
            )
            lines.append(
                results.draw(
                    followed,
                    g,
                    own,
                    estimate,
                    spread,
                    functional,
                    said,
                    near,
                    own=own.dead[c],
                    other=own.dead.sum(axis=0) - own.dead[c],
                    final=bool(own.everybody.any()),
                )
            )
        events = (codes == c + 1).astype(float)
        numbers, found, missing = results.values(followed, lines, asked, said, events)
        estimates += found
        checks += missing
        found, missing = results.differences(followed, lines, asked, numbers, said, events)
        estimates += found
        checks += missing
        checks += _gray(followed, steps, c, word, labels["outcome"])
        curves += [line.curve for line in lines]
    curves += _event_free(followed, steps, near, conf_type, labels)
    if asked:
        checks += results.no_reference(followed, labels["outcome"])
    checks += rows.follow_up_checks(followed, steps, labels["outcome"])
    return ResultSet(
        estimates=tuple(estimates),
        checks=(*checks, *followed.checks),
        curves=tuple(curves),
        assumptions=(
            "Following ends for reasons that have nothing to do with when any of the events would "
            "have come.",
            *rows.independence(followed, unit),
        ),
        provenance=Provenance(call="survival.cumulative_incidence"),
        native=dict(zip(followed.levels, steps, strict=True)),
    )


def _causes(table: pd.DataFrame, name: str) -> tuple[Codes, list[str]]:
    """Return 0 for rows that ended without event, else 1, 2, …, and what these mean."""
    if name not in table.columns or len(table) == 0:
        column(table, name, "cause")  # says what is wrong with it
    given = table[name]
    found, values = pd.factorize(given)
    levels = [v for v in values if v not in NO_CAUSE]
    if not levels:
        raise UndefinedResultError(
            f'no row of column "{name}" (cause) ended with an event, so there is no incidence. '
            "Follow for longer."
        )
    if any(isinstance(v, float) and v != int(v) for v in levels):
        raise DataError(f'column "{name}" (cause) must hold words or whole numbers.')
    if isinstance(given.dtype, pd.CategoricalDtype):
        levels.sort(key=list(given.cat.categories).index)
    else:
        levels.sort(key=lambda v: (isinstance(v, str), v))
    place = {value: position + 1 for position, value in enumerate(levels)}
    codes = np.array([*(place.get(v, 0) for v in values), 0])[found]  # a missing cause is -1
    return codes, [str(int(v)) if isinstance(v, float) else str(v) for v in levels]


def _gray(
    followed: Followed, steps: Sequence[kernel.Steps], cause: int, word: str, outcome: str
) -> list[Check]:
    if len(steps) == 1:
        return []
    if not followed.independent:
        return [
            Check(
                name=f"gray: {word}",
                outcome=outcome,
                text="Gray's test takes people to be independent and to count once each, so it is "
                "left out here; see the differences at fixed times.",
            )
        ]
    text = f"Could all groups have one cumulative incidence of {word}? (Gray's test)"
    found = tests.gray(steps, cause)
    if found.statistic is None:
        text += " Nothing to test: nobody had it while several groups were followed."
    return [results.test_check(f"gray: {word}", text, found, followed.overall(), outcome)]


def _event_free(
    followed: Followed,
    steps: Sequence[kernel.Steps],
    times: Sequence[float],
    kind: Limits,
    labels: dict[str, Any],
) -> list[Any]:
    """Return the curves of having had no event at all."""
    said = results.Said(
        measure="event_free",
        title="Free of any event",
        kind=kind,
        method=f"Kaplan–Meier, {kind} limits",
        labels=labels,
        contrast="",
    )
    found = []
    for g, own in enumerate(steps):
        free = kernel.event_free(own)
        spread = free.greenwood
        if not followed.independent:
            spread = followed.along(g, own, free.functional)
        total = own.dead.sum(axis=0)
        line = results.draw(
            followed,
            g,
            own,
            free.estimate,
            spread,
            free.functional,
            said,
            times,
            own=total,
            other=np.zeros(len(total)),
        )
        found.append(line.curve)
    return found


# Repeated events


def mean_cumulative_count(
    table: pd.DataFrame,
    *,
    person: str,
    start: str,
    stop: str,
    event: str,
    group: str | None = None,
    weights: str | None = None,
    cluster: str | None = None,
    strata: str | Sequence[str] | None = None,
    times: float | Sequence[float] = (),
    time_unit: TimeUnit = "days",
    conf_type: CountLimits = "log",
    conf_level: float = 0.95,
    reference: object = None,
    min_clusters: int = 40,
    outcome_name: str = "",
    contrast: str = "",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """How many events has a person had, on average, by a time?

    Every event counts, not the first alone. Nothing is assumed of how the events of a person
    depend on each other.

    Parameters
    ----------
    table : DataFrame
        One row per interval of a person's following: it ends with an event, at the end of the
        following, or where a gap (custody) begins. Rows of one person do not overlap.
    person : str
        Column that tells people apart.
    start, stop : str
        Columns of numbers, 0 or more, in `time_unit` since the index date; a row is at risk at
        times start < t ≤ stop.
    event : str
        Column of true and false, or of how many events a row ended with (0, 1, 2 …).
    group : str, optional
        Column of groups; a person is in one.
    weights, cluster : str, optional
        As in `kaplan_meier`; clusters hold whole persons.
    strata : str or sequence of str, optional
        Columns within whose combinations the test compares groups.
    times, time_unit, reference, min_clusters
        As in `kaplan_meier`.
    conf_type : {'log', 'plain'}
        On which scale limits are symmetric.
    conf_level : float, between 0 and 1
    outcome_name, contrast, unit, reporter, threshold, subgroup : str
        Labels, as in `kaplan_meier`.

    Returns
    -------
    ResultSet
        ``mean_cumulative_count`` by ``group`` and ``time``;
        ``mean_cumulative_count_difference`` and ``mean_cumulative_count_ratio`` by ``time``.
        ``n`` counts people and ``n_events`` events up to the time. One Curve
        ``mean_cumulative_count`` a group, in which `at_risk` counts people and `censored` those
        who are not followed on. Checks
        ``equal_mean_counts`` (the test of all groups over the whole follow-up), and those of
        `kaplan_meier`.

    Raises
    ------
    DataError
        For rows of a person that overlap or lie in two groups or clusters, events that are not
        whole numbers, and as `kaplan_meier`.
    DesignError
        As `kaplan_meier`.

    Notes
    -----
    **Assumptions.** Whether somebody is followed at a time has nothing to do with the events
    they would have then. Where custody follows offending that is not so: the count is that of
    somebody who is always at liberty while others like them are. Death ends the count; it is
    not a competing event here.

    μ(t) = Σ dN/Y over event times, N counting events and Y people at risk. Variance (Lawless and
    Nadeau): Σ over persons of (Σ_t [Y_i/Y]·[dN_i − dN/Y])². Poisson variances, which take events
    of one person to be independent, are too small where some people have many.

    The test is the score test of equal rates, observed less expected events of a group Σ dN_g −
    Y_g dN/Y, with squares summed over persons or clusters and no Poisson assumption (Lawless
    and Nadeau 1995; the robust score test of an Andersen–Gill model).

    Counts and standard errors are those of R's ``survfit(…, id = )`` 3.5-3, the test that of
    ``coxph`` (robust score test, Breslow's ties).

    References
    ----------
    Lawless JF, Nadeau C (1995). Some simple robust methods for the analysis of recurrent events.
    Technometrics 37, 158.

    Lin DY, Wei LJ, Yang I, Ying Z (2000). Semiparametric regression for the mean and rate
    functions of recurrent events. Journal of the Royal Statistical Society B 62, 711.

    Examples
    --------
    Eight people, free from custody in the intervals given:

    >>> import pandas as pd
    >>> table = pd.DataFrame(
    ...     [(1, 0, 30, 0, 1), (1, 60, 180, 1, 1), (2, 0, 150, 1, 0), (3, 0, 80, 0, 1),
    ...      (3, 120, 365, 0, 1), (4, 0, 200, 1, 0), (5, 0, 365, 0, 1), (6, 0, 45, 0, 0),
    ...      (6, 90, 300, 1, 0), (7, 0, 240, 1, 0), (8, 0, 100, 0, 1), (8, 200, 330, 1, 1)],
    ...     columns=["person", "start", "stop", "arrest", "programme"])
    >>> result = mean_cumulative_count(table, person="person", start="start", stop="stop",
    ...                                event="arrest", group="programme", times=250)
    >>> round(result.one(measure="mean_cumulative_count", group="0").estimate, 3)
    1.083
    >>> round(result.one(measure="mean_cumulative_count_difference").estimate, 3)
    -0.75
    """
    known(conf_type, get_args(CountLimits), "conf_type")
    probability(conf_level, "conf_level", "0.95 for 95%")
    if not isinstance(table, pd.DataFrame):
        raise DataError(
            f"a table (pandas DataFrame) of intervals is needed, not a {kind_of(table)}. Of "
            "a matched or weighted comparison, join its weight and matched_set to the intervals, "
            'and name them: weights="weight", cluster="matched_set".'
        )
    asked = rows.checked_times(times)
    followed = rows.follow(
        table,
        stop=stop,
        start=start,
        group=group,
        weights=weights,
        cluster=cluster,
        person=person,
        reference=reference,
        time_unit=time_unit,
        min_clusters=min_clusters,
        robust=True,
    )
    count = _event_counts(followed.table, event)
    rows.refuse_overlaps(followed)
    labels = results.labels(
        outcome_name or event, unit, reporter, threshold, subgroup, conf_level=conf_level
    )
    said = results.Said(
        measure="mean_cumulative_count",
        title="Mean number of events so far",
        kind=conf_type,
        method=f"mean cumulative count, {followed.text} (Lawless–Nadeau), {conf_type} limits",
        labels=labels,
        contrast=contrast,
        nobody="had an event",
        top=np.inf,
    )
    steps = followed.steps((count > 0).astype(np.int64), count=count)
    lines = []
    for g, own in enumerate(steps):
        estimate, functional = kernel.mean_count(own)
        spread = followed.along(g, own, functional)
        lines.append(
            results.draw(
                followed,
                g,
                own,
                estimate,
                spread,
                functional,
                said,
                [followed.near(t) for t in asked],
                own=own.dead[0],
                repeated=True,
            )
        )
    numbers, estimates, checks = results.values(followed, lines, asked, said, count)
    found, missing = results.differences(followed, lines, asked, numbers, said, count)
    estimates += found
    checks += missing
    found, missing = results.ratios(followed, lines, asked, numbers, said, count)
    estimates += found
    checks += missing
    if asked:
        checks += results.no_reference(followed, labels["outcome"])
    checks += _equal_counts(followed, count, strata, labels["outcome"])
    checks += rows.follow_up_checks(followed, steps, labels["outcome"], ends=False)
    return ResultSet(
        estimates=tuple(estimates),
        checks=(*checks, *followed.checks),
        curves=tuple(line.curve for line in lines),
        assumptions=(
            "Whether somebody is followed at a time has nothing to do with the events they would "
            "have then.",
            *rows.independence(followed, unit),
        ),
        provenance=Provenance(call="survival.mean_cumulative_count"),
        native=dict(zip(followed.levels, steps, strict=True)),
    )


def _event_counts(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    count, _ = numbers(table, name, "event")
    odd = int(((count < 0) | (count != np.rint(count))).sum())
    if odd:
        raise DataError(
            f'{odd} of {len(count)} rows of column "{name}" (event) are neither true or false nor '
            "a number of events (0, 1, 2 …)."
        )
    return count


def _equal_counts(
    followed: Followed,
    count: NDArray[np.float64],
    strata: str | Sequence[str] | None,
    outcome: str,
) -> list[Check]:
    if len(followed.levels) == 1:
        return []
    found = tests.log_rank(
        followed.stop,
        count,
        followed.group,
        groups=len(followed.levels),
        start=followed.start,
        strata=strata_of(followed.table, strata),
        weights=followed.weights,
        spread=followed.spread,
    )
    text = "Could all groups have one rate of events at every time? "
    text += f"(score test, {followed.text}{', stratified' if strata else ''})"
    if found.statistic is None:
        text += " Nothing to test: no event happened while several groups were followed."
    return [results.test_check("equal_mean_counts", text, found, followed.overall(), outcome)]
