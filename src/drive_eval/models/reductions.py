"""Reductions of several behaviours in the same people, set against each other.

One reduction has a score interval (`prepost.paired_change`). The difference of two of them in
the same people has none in closed form: who stopped one kind of abuse is more likely to have
stopped the other. Here the people themselves are drawn again.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.errors import DataError, DesignError, DesignWarning, UndefinedResultError
from drive_eval.models import _arguments, _clusters, _paired, _regression, _resample
from drive_eval.results import Check, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from drive_eval.models._resample import Array, Codes, Limits, Method

__all__ = ["compare"]

_METHODS = {"bca": "BCa bootstrap", "percentile": "percentile bootstrap"}


def compare(
    table: pd.DataFrame,
    *,
    outcomes: Mapping[str, tuple[str, str]],
    rng: np.random.Generator,
    cluster: str | None = None,
    draws: int = 10_000,
    method: Method = "bca",
    conf_level: float = 0.95,
    most_undefined: float = 0.01,
    min_clusters: int = 40,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
    contrast: str = "after v before",
) -> ResultSet:
    """Did one type of abuse fall further than another, in the same people?

    Parameters
    ----------
    table : DataFrame, one row per pair
        Rows in which any outcome is missing at either time point are refused, not dropped.
    outcomes : mapping of str to two columns
        For each outcome its columns of true and false (or 1 and 0) before and after, e.g.
        ``{"physical": ("physical_intake", "physical_exit"), …}``. At least two.
    rng : numpy Generator
        E.g. ``numpy.random.default_rng(1)``. The same generator gives the same intervals for
        any number of workers and any joblib backend.
    cluster : str, optional
        Column that says which rows belong together, e.g. the perpetrator behind several
        enrolments; whole clusters are drawn.
    draws : int, 100 or more
        Resamples.
    method : {'bca', 'percentile'}
        Interval read off the resamples, with or without the corrections of Efron (1987).
    conf_level : float, between 0 and 1
        Coverage of the intervals.
    most_undefined : float, between 0 and 1
        No interval is given if a reduction does not exist in a larger share of resamples
        than this, because nobody in them showed the behaviour before.
    min_clusters : int
        With fewer effective clusters a DesignWarning is given and the Check ``clusters``
        fails.
    workers : int, optional
        As joblib's ``n_jobs``. By default those of the surrounding ``joblib.parallel_config``;
        one where there is none. Ten thousand draws take less time than starting a process.
    progress : callable, optional
        Called with the draws done and the draws to do.
    group, unit, reporter, threshold, subgroup, contrast : str
        Labels that are passed on to every estimate.

    Returns
    -------
    ResultSet
        ``percent_reduction`` of each outcome (percent, at most 100, positive means less), and
        for each two outcomes ``reduction_difference`` (the first minus the second, in
        percentage points; ``term`` names them, ``"physical v sexual"``). The Check
        ``comparisons`` counts the differences, ``undefined_resamples`` says in how many
        resamples a number did not exist, ``interval`` why it has no limits.

    Raises
    ------
    DataError
        If a column is missing, incomplete or not true or false.
    DesignError
        If there are fewer than two outcomes, or settings make no sense.
    UndefinedResultError
        If the table has no rows.

    Warns
    -----
    DesignWarning
        If there are fewer than `min_clusters` effective clusters.

    Notes
    -----
    **Assumptions.** Rows, or clusters when `cluster` is given, are independent, and many
    enough for a resample to look like another sample. Both time points were recorded whatever
    happened. No comparison group.

    With x after and y before, a reduction is 100(1 − x/y). A resample is G of the G clusters,
    with replacement; all outcomes of a cluster are drawn together, so that the differences
    keep their correlation. The interval of a single reduction from `prepost.paired_change`
    (score) holds its level in smaller samples; the one here is printed to stand beside it.
    Intervals are not adjusted for the number of differences.

    References
    ----------
    Efron B (1987). Better bootstrap confidence intervals. Journal of the American Statistical
    Association 82, 171.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rows = [(1, 0, 1, 0)] * 40 + [(1, 0, 1, 1)] * 30 + [(1, 1, 1, 1)] * 20
    >>> table = pd.DataFrame(rows, columns=["hit", "hit_later", "shout", "shout_later"])
    >>> found = compare(table, rng=np.random.default_rng(1), outcomes={
    ...     "hitting": ("hit", "hit_later"), "shouting": ("shout", "shout_later")})
    >>> gap = found.one(measure="reduction_difference")
    >>> print(f"{gap.term}: {gap.estimate:.0f} points")
    hitting v shouting: 33 points
    >>> print(f"{gap.conf_low:.0f} to {gap.conf_high:.0f}")
    24 to 44
    """
    _arguments.level(conf_level)
    _arguments.number(most_undefined, "most_undefined")
    _resample.refuse(draws=draws, rng=rng, workers=workers, method=method)
    if not 0 <= most_undefined < 1:
        raise DesignError("most_undefined is a share of resamples, from 0 up to but without 1.")
    flags = _flags(table, outcomes)
    names = list(outcomes)
    labels = {"outcome": "", "group": group, "unit": unit, "reporter": reporter}
    labels |= {"threshold": threshold, "subgroup": subgroup}
    groups, checks = None, []
    if cluster is not None:
        groups = _regression.clusters(table, cluster)
        checks.append(_few(groups, cluster, min_clusters, group))
    rule = _Reductions(len(names))
    sums, copies = _resample.kinds(flags, groups)
    found = _resample.resample(
        _resample.OfSums(sums=sums, rule=rule),
        copies,
        draws=draws,
        rng=rng,
        workers=workers,
        progress=progress,
    )
    limits = _resample.limits(
        found, method=method, conf_level=conf_level, most_undefined=most_undefined
    )
    events = [int(count) for count in flags.sum(axis=0)]
    how = f"{_METHODS[method]}, {draws} draws of {found.clusters} clusters"
    estimates = []
    for position, (first, second) in enumerate(rule.pairs()):
        about: dict[str, Any] = {**labels, "n": len(table), "method": how}
        said = names[first]
        if second is None:
            about |= {"outcome": said, "measure": "percent_reduction", "term": "users"}
            about |= {"contrast": contrast, "n_reference": len(table)}
            about |= {"n_events": events[2 * first + 1], "n_events_reference": events[2 * first]}
        else:
            said = f"{names[first]} v {names[second]}"
            about |= {"measure": "reduction_difference", "term": said, "contrast": contrast}
        point, limit = float(found.point[position]), limits[position]
        estimates.append(
            Estimate(
                estimate=point if np.isfinite(point) else None,
                std_error=limit.std_error,
                conf_low=limit.low,
                conf_high=limit.high,
                conf_level=conf_level,
                **about,
            )
        )
        checks += _checks(said, limit, draws, most_undefined, {**labels, **about})
    differences = len(estimates) - len(names)
    checks.append(
        Check(
            name="comparisons",
            statistic=differences,
            group=group,
            text=f"{differences} differences of {len(names)} reductions were looked at; their "
            "intervals are not adjusted for that.",
        )
    )
    clustered = "Clusters are" if cluster is not None else "Rows are"
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=(
            f"{clustered} independent of each other; a resample of them is like another sample.",
            _paired.RECORDED,
            _paired.NO_COMPARISON,
        ),
        provenance=Provenance(call="reductions.compare"),
    )


def _few(groups: Codes, cluster: str, fewest: int, group: str) -> Check:
    """Say whether there are enough clusters for resamples to be like samples."""
    sizes = np.bincount(groups)
    worth = _clusters.equal_clusters(sizes)
    said = _clusters.number(len(sizes), worth)
    said = f"{said}; with fewer than {fewest} equal ones bootstrap intervals are too narrow."
    if worth < fewest:
        warnings.warn(f'"{cluster}" has {said}', DesignWarning, stacklevel=3)
    return Check(
        name="clusters",
        passed=worth >= fewest,
        statistic=worth,
        threshold=fewest,
        group=group,
        text=said,
    )


@dataclass(frozen=True, slots=True)
class _Reductions:
    """Every reduction, then every difference of two, from totals (before, after, before, …)."""

    outcomes: int

    def pairs(self) -> list[tuple[int, int | None]]:
        alone: list[tuple[int, int | None]] = [(i, None) for i in range(self.outcomes)]
        return alone + list(itertools.combinations(range(self.outcomes), 2))

    def __call__(self, totals: Array) -> Array:
        before, after = totals[:, 0::2], totals[:, 1::2]
        missing = np.full(before.shape, np.nan)
        alone = 100 * (1 - np.divide(after, before, out=missing, where=before > 0))
        first, second = np.triu_indices(self.outcomes, 1)
        return np.hstack([alone, alone[:, first] - alone[:, second]])


def _flags(table: pd.DataFrame, outcomes: Mapping[str, tuple[str, str]]) -> Array:
    """Return 0 and 1, two columns an outcome; a row that lacks any of them is refused."""
    if not isinstance(outcomes, Mapping) or any(
        not isinstance(pair, (tuple, list)) or len(pair) != 2 for pair in outcomes.values()
    ):
        raise DesignError(
            "outcomes must name the columns before and after of each outcome, e.g. "
            '{"physical": ("physical_intake", "physical_exit"), …}.'
        )
    if len(outcomes) < 2:
        raise DesignError(
            f"{len(outcomes)} outcome is named, but a comparison needs two. For one, use "
            "prepost.paired_change."
        )
    columns = [name for pair in outcomes.values() for name in pair]
    known = [name for name in columns if name in getattr(table, "columns", ())]
    if len(known) == len(columns):
        if len(table) == 0:
            raise UndefinedResultError("the table has no rows, so there is no pair to compare.")
        missing = int(table[known].isna().any(axis=1).sum())
        if missing:
            raise DataError(
                f"{missing} of {len(table)} rows lack an outcome at one of the time points. "
                "Reductions are compared in the same people: keep the rows that have all of them "
                "and report how many were lost."
            )
    roles = ("before", "after") * len(outcomes)
    read = [_regression.flags(table, n, r) for n, r in zip(columns, roles, strict=True)]
    return np.column_stack(read).astype(float)


def _checks(
    said: str, limit: Limits, draws: int, most: float, about: Mapping[str, Any]
) -> list[Check]:
    found = []
    where = {"outcome": about["outcome"], "group": about["group"]}
    if limit.undefined:
        share = limit.undefined / draws
        text = f"{said}: does not exist in {limit.undefined} of {draws} resamples, in which nobody "
        text += "showed a behaviour before; its interval is that of the others."
        if share > most:
            text = f"{said}: does not exist in {limit.undefined} of {draws} resamples, in which "
            text += "nobody showed a behaviour before; that is too many for an interval."
        found.append(
            Check(
                name="undefined_resamples",
                passed=share <= most,
                statistic=share,
                threshold=most,
                text=text,
                **where,
            )
        )
    if limit.reason:
        text = f"{said}: no bootstrap interval, because {limit.reason}."
        if about["measure"] == "percent_reduction":
            text += " The score interval of prepost.paired_change may exist."
        found.append(Check(name="interval", passed=False, text=text, **where))
    return found
