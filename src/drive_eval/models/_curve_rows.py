"""From a table or a design to groups of people who are followed, their weights and clusters."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drive_eval.errors import DataError, DesignError, DesignWarning, did_you_mean
from drive_eval.models import _clusters
from drive_eval.models import _curves as kernel
from drive_eval.models import _hazard_rows as rows
from drive_eval.models._clusters import Effect
from drive_eval.models._cox import SAME_TIME, same_times
from drive_eval.models._design import Matched, Weighted
from drive_eval.models._regression import clusters as codes_of
from drive_eval.models._regression import column
from drive_eval.results import Check
from drive_eval.vocabulary import ESTIMANDS, TimeUnit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.models._curves import Functional, Steps

Array: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Data: TypeAlias = "pd.DataFrame | Matched | Weighted"
Covariance: TypeAlias = Literal["sandwich", "stacked"]

_ARMS = ("programme", "comparison")
_ONE = {"days": "day", "weeks": "week", "months": "month"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Rows that are followed, in groups, and how their spread is measured.

    Attributes
    ----------
    table : DataFrame
    levels : tuple of str
        The groups, the reference last; one empty name where there are none.
    reference : int or None
        The group that others are compared with, if it is known.
    group : array of int
    rows : tuple of arrays of int
        Where the rows of each group stand.
    stop, start : array, array or None
    weights : array or None
    persons : array of int
    counted : array of bool
        False for a row that repeats another, because its case serves several sets.
    spread : Spread or None
        None for the variance of independent persons followed from their start.
    effects : tuple of Effect
        The quantiles of each group's own estimates.
    nested : bool
        Whether each cluster lies in one group.
    whole : Effect
        The quantiles of contrasts, unless clusters are nested.
    text : str
        How the variance is made.
    independent : bool
        Whether persons count once each and are independent of each other.
    unit : str
        The unit of time.
    checks : tuple of Check
    """

    table: pd.DataFrame
    levels: tuple[str, ...]
    reference: int | None
    group: Codes
    rows: tuple[Codes, ...]
    stop: Array
    start: Array | None
    weights: Array | None
    persons: Codes
    counted: Flags
    spread: kernel.Spread | None
    effects: tuple[Effect, ...]
    nested: bool
    whole: Effect
    text: str
    independent: bool
    unit: TimeUnit
    checks: tuple[Check, ...]

    def steps(self, cause: Codes, *, count: Array | None = None, causes: int = 1) -> list[Steps]:
        """Return the risk sets of each group."""
        return [
            kernel.arrange(
                self.stop[own],
                cause[own],
                start=None if self.start is None else self.start[own],
                weights=None if self.weights is None else self.weights[own],
                count=None if count is None else count[own],
                causes=causes,
            )
            for own in self.rows
        ]

    def effect(self, g: int, r: int) -> Effect:
        """Return the quantiles of a contrast of two groups."""
        if not self.nested:
            return self.whole
        return min(
            (self.effects[g], self.effects[r]), key=lambda e: np.inf if e.df is None else e.df
        )

    def overall(self) -> Effect:
        """Return the quantiles of a test of all groups."""
        if not self.nested:
            return self.whole
        return min(self.effects, key=lambda e: np.inf if e.df is None else e.df)

    def contrasts(self) -> list[tuple[int, int]]:
        """Return each group that is not the reference, and the reference."""
        if self.reference is None:
            return []
        return [(g, self.reference) for g in range(len(self.levels)) if g != self.reference]

    def covariance(
        self, steps: Sequence[Steps], functionals: Sequence[Functional], cells: Sequence[int]
    ) -> Array:
        """Return the covariance of a quantity of all groups, by sums over clusters."""
        spread = self.spread or kernel.Spread(clusters=(self.persons,))
        found = np.zeros((len(self.stop), len(steps)))
        for g, own in enumerate(self.rows):
            found[own, g] = kernel.influence(steps[g], functionals[g], cells[g])
        ones = np.ones(len(self.stop)) if self.weights is None else self.weights
        return spread.covariance(found, ones)

    def along(self, g: int, steps: Steps, functional: Functional) -> Array:
        """Return the variance of one group's quantity at every cell, by sums over clusters."""
        spread = self.spread or kernel.Spread(clusters=(self.persons,))
        return spread.along(steps, functional, self.rows[g])

    def people(self, g: int) -> int:
        """Return how many persons are in a group."""
        return int((np.bincount(self.persons[self.rows[g]]) > 0).sum())

    def events(self, g: int, events: Array, upto: float = np.inf) -> int:
        """Return how many events a group had up to a time, as counts and not as weights."""
        own = self.rows[g]
        inside = self.counted[own] & (self.stop[own] <= upto)
        return int(events[own][inside].sum())

    def near(self, time: float) -> float:
        """Return the time of the table that a time means, if they differ by rounding only."""
        known = self.stop[np.abs(self.stop - time).argmin()]
        return float(known) if abs(known - time) <= SAME_TIME * self.stop.max() else time

    def when(self, time: float) -> str:
        """Name a time, such as day 30."""
        return f"{_ONE[self.unit]} {time:g}"

    def who(self, g: int) -> str:
        """Name a group within a sentence."""
        return f'"{self.levels[g]}"' if self.levels[g] else "the table"


def follow(
    data: Data,
    *,
    stop: str,
    start: str | None,
    group: str | None,
    weights: str | None = None,
    cluster: str | None = None,
    person: str | None = None,
    cov: Covariance | None = None,
    reference: object = None,
    time_unit: TimeUnit = "days",
    min_clusters: int = 40,
    robust: bool = False,
) -> Followed:
    """Read who is followed from when to when, in which group, and who belongs together.

    With `robust` squares are summed over persons also where nothing asks for it. `cov` says
    whether the weights of a `Weighted` are taken as known or, by default, as estimated.
    """
    rows.known(time_unit, get_args(TimeUnit), "time_unit")
    if cov is not None:
        rows.known(cov, get_args(Covariance), "cov")
    if cov == "stacked" and not isinstance(data, Weighted):
        raise DesignError('cov="stacked" is for a Weighted, whose weights know how they were made.')
    design = isinstance(data, (Matched, Weighted))
    sample = rows.read(data, treated=group if design else None, weights=weights, cluster=cluster)
    table = sample.table
    starts, stops = _times(table, stop, start)
    persons = sample.units
    if person is not None:
        persons = codes_of(table, person, "person")
        if cluster is not None:
            rows.persons_by_cluster(persons, sample.clusters[-1], cluster)
    levels, codes, baseline = (
        _groups(table, group, reference) if sample.t is None else _arms(sample.t, reference)
    )
    named = bool(sample.cluster)
    clusters = sample.clusters if named else (persons,)
    spread = None
    if sample.clusters or robust:
        spread = kernel.Spread(clusters=clusters)
    if isinstance(data, Weighted) and cov != "sandwich":
        spread = _stacked(data, cluster)
    followed = Followed(
        table=table,
        levels=levels,
        reference=baseline,
        group=codes,
        rows=tuple(np.flatnonzero(codes == g) for g in range(len(levels))),
        stop=stops,
        start=starts,
        weights=sample.weights,
        persons=persons,
        counted=sample.counted,
        spread=spread,
        effects=(Effect(),) * len(levels),
        nested=False,
        whole=Effect(),
        text="" if spread is None else f"sandwich by {sample.cluster or 'person'}",
        independent=not sample.clusters,
        unit=time_unit,
        checks=_design_checks(data),
    )
    if spread is not None and spread.stage is not None:
        followed = replace(followed, text=f"stacked {followed.text}")
    return _with_laws(followed, sample, min_clusters) if named else followed


def _times(table: pd.DataFrame, stop: str, start: str | None) -> tuple[Array | None, Array]:
    """Return when rows start and stop; nobody is at risk at time 0 or before."""
    if start is None:
        starts, stops = None, rows.ends(table, stop)
        empty = int((stops == 0).sum())
        if empty:
            raise DataError(
                f'{empty} of {len(stops)} rows stop at time 0 in "{stop}", so they were never '
                "followed. A row is at risk after time 0; count the day after the index date as 1, "
                "and leave out rows without any following knowingly."
            )
    else:
        starts, stops = rows.intervals(table, start, stop)
        early = int((starts < 0).sum())
        if early:
            raise DataError(
                f'{early} of {len(starts)} rows start before time 0 in "{start}"; time runs from '
                "the index date, which is 0."
            )
    found, begins = same_times(stops, starts)
    return begins, found


def _arms(t: Flags, reference: object) -> tuple[tuple[str, ...], Codes, int | None]:
    if reference not in (None, "comparison"):
        raise DesignError(
            "a design compares the programme with the comparison; leave reference out."
        )
    return _ARMS, (~t).astype(np.int64), 1


def _groups(
    table: pd.DataFrame, group: str | None, reference: object
) -> tuple[tuple[str, ...], Codes, int | None]:
    """Return the groups, the reference last where it is known, and who is in which."""
    if group is None:
        if reference is not None:
            raise DesignError("reference names one of several groups, but no group= is given.")
        return ("",), np.zeros(len(table), dtype=np.int64), None
    found = column(table, group, "group")
    which, given = pd.factorize(found)
    if isinstance(found.dtype, pd.CategoricalDtype):
        values = list(found.cat.remove_unused_categories().cat.categories)
        baseline = values[0]
    else:
        values = sorted(given, key=lambda v: (isinstance(v, str), v))
        baseline = None
        if set(values) <= {0, 1}:  # also False and True
            baseline = values[0] if values[0] == 0 else None
        elif set(values) <= set(_ARMS):
            baseline = "comparison"
    labels = [str(value) for value in values]
    if reference is not None:
        if str(reference) not in labels:
            raise DesignError(
                f'reference="{reference}" is no group of column "{group}".'
                f"{did_you_mean(str(reference), labels)}"
            )
        baseline = values[labels.index(str(reference))]
    if baseline in values:
        values.remove(baseline)
        values.append(baseline)
    place = {value: position for position, value in enumerate(values)}
    codes = np.array([place[value] for value in given], dtype=np.int64)[which]
    known = len(values) - 1 if len(values) > 1 and baseline in values else None
    return tuple(str(value) for value in values), codes, known


def _stacked(data: Weighted, cluster: str | None) -> kernel.Spread:
    """Return sums in which estimating the weights takes part, also by rows of weight 0."""
    kept = np.flatnonzero(data.table["weight"].to_numpy(dtype=float))
    everyone = np.arange(len(data.table)) if cluster is None else codes_of(data.table, cluster)
    return kernel.Spread(
        clusters=(everyone[kept],),
        stage=kernel.Stage(influence=data.influence, slopes=data.slopes[kept]),
        everyone=(everyone,),
    )


def _design_checks(data: Data) -> tuple[Check, ...]:
    if isinstance(data, (Matched, Weighted)):
        return (Check(name="estimand", text=f"{data.estimand}: {ESTIMANDS[data.estimand]}."),)
    return ()


def _with_laws(followed: Followed, sample: rows.Sample, fewest: int) -> Followed:
    """Take t quantiles where clusters are few, and say so."""
    groups = len(followed.levels)
    seen: list[list[Codes]] = []  # persons by cluster: of each group and of all, by clustering
    nested = False
    for codes in sample.clusters:
        homes = np.zeros(int(codes.max()) + 1, dtype=np.int64)
        own = []
        for part in followed.rows:
            first = np.unique(followed.persons[part], return_index=True)[1]
            own.append(np.bincount(codes[part][first], minlength=len(homes)))
            homes += own[-1] > 0
        nested = nested or (groups > 1 and bool((homes <= 1).all()))
        seen.append([*own, np.sum(own, axis=0)])
        if len(homes) == 1:
            raise DesignError(
                f"all {len(codes)} rows belong to one cluster ({sample.cluster}), so nothing shows "
                "how much clusters differ. Take a smaller unit as the cluster, or leave the "
                "cluster out."
            )
    sizes = [
        min((line[g][line[g] > 0] for line in seen), key=_clusters.equal_clusters)
        for g in range(groups + 1)
    ]
    effects = [
        Effect() if _clusters.equal_clusters(size) >= fewest else Effect(df=_clusters.freedom(size))
        for size in sizes
    ]
    least = min(sizes, key=_clusters.equal_clusters)
    worth, df = _clusters.equal_clusters(least), _clusters.freedom(least)
    said = f"{_clusters.number(len(least), worth)} ({sample.cluster})"
    if groups > 1:
        said += " in the group with fewest"
    outlook = "normal quantiles are used"
    if worth < fewest:
        outlook = f"t quantiles with {round(df, 1):g} degrees of freedom are used there"
        if df < 1:
            outlook = "it has no interval"
        warnings.warn(
            f"{said}, fewer than the {fewest} that sums over clusters ask for: {outlook}, and the "
            "intervals are approximate.",
            DesignWarning,
            stacklevel=4,
        )
    check = Check(
        name="clusters",
        passed=worth >= fewest,
        statistic=worth,
        threshold=fewest,
        df=df if worth < fewest else None,
        text=f"{said}; {outlook}.",
    )
    return replace(
        followed,
        effects=tuple(effects[:-1]),
        whole=effects[-1],
        nested=nested,
        checks=(*followed.checks, check),
    )


def first_events_only(followed: Followed, happened: Flags, name: str) -> None:
    """Refuse persons who are at risk twice at once, or are followed on after their event."""
    if followed.start is None:
        count = np.bincount(followed.persons[followed.counted])
        again = int((count > 1).sum())
        if again:
            raise DataError(
                f"{again} persons have several rows that all begin at time 0. Give start=, or one "
                "row a person; several enrolments of one person are rows of a cluster."
            )
        return
    number, _ = rows.histories(followed.persons, followed.start, followed.stop, happened)
    after = len(np.unique(followed.persons[number > 1]))
    if after:
        raise DataError(
            f"{after} persons are followed on after their event; {name} is about the first event. "
            "Leave out rows after it, or use mean_cumulative_count."
        )


def refuse_overlaps(followed: Followed) -> None:
    """Refuse persons who are at risk twice at once, or are in two groups."""
    if followed.start is not None:
        never = np.zeros(len(followed.stop), dtype=bool)
        rows.histories(followed.persons, followed.start, followed.stop, never)
    home = np.empty(int(followed.persons.max()) + 1, dtype=np.int64)
    home[followed.persons] = followed.group
    astray = followed.persons[home[followed.persons] != followed.group]
    if len(astray):
        raise DataError(
            f"{len(np.unique(astray))} persons have rows in more than one group; a group holds "
            "whole persons."
        )


def refuse_unless_plain(followed: Followed, option: str) -> None:
    """Refuse an option that takes persons to be independent, of weight 1, from time 0."""
    if not followed.independent or followed.start is not None:
        raise DesignError(
            f"{option} holds for independent people of equal weight who are followed from time 0 "
            "only; leave it out where there are weights, clusters or starts."
        )


def independence(followed: Followed, unit: str) -> tuple[str, ...]:
    """Say what is taken to be independent."""
    if followed.independent:
        return (f"People ({unit or 'rows'}) are independent of each other.",)
    if followed.spread is not None and followed.spread.stage is not None:
        return (
            "Cases are independent of each other but for what clusters say; that the weights "
            "were estimated is in the standard errors.",
        )
    if followed.text == "sandwich by person":
        return ("People are independent of each other, and their weights are as good as known.",)
    return ("Clusters are independent of each other; people within one need not be.",)


def checked_times(times: float | Sequence[float]) -> tuple[float, ...]:
    """Return the times that were asked for, each above 0 and once."""
    given = np.atleast_1d(np.asarray(times, dtype=float))
    if not (np.isfinite(given).all() and (given > 0).all()):
        raise DataError("times must be finite numbers above 0, in the unit of the table.")
    if len(np.unique(given)) < len(given):
        raise DataError("times holds a time twice.")
    return tuple(float(time) for time in given)


def follow_up_checks(
    followed: Followed, steps: Sequence[Steps], outcome: str, *, ends: bool = True
) -> list[Check]:
    """Say where nobody was followed and, if events `ends` a curve, where it fell to 0 early."""
    found = []
    for g, own in enumerate(steps):
        all_gone = np.flatnonzero(own.everybody & ends)
        if len(all_gone) and own.times[all_gone[0]] < own.end:
            at = int(all_gone[0])
            later = int((own.stop > own.times[at]).sum())
            found.append(
                Check(
                    name="curve_reached_zero",
                    passed=False,
                    statistic=float(own.times[at]),
                    text=f"At {followed.when(own.times[at])} all {own.rows_at_risk[at]} rows that "
                    f"were followed in {followed.who(g)} had an event, so its curve is 0 from then "
                    f"on, although {later} rows are followed later. Begin later, where enough "
                    "people are followed.",
                    outcome=outcome,
                    group=followed.levels[g],
                )
            )
        if own.start is None:
            continue
        gaps = _gaps(own.start, own.stop)
        if gaps:
            first, last = gaps[0]
            more = f" and in {len(gaps) - 1} later spans" if len(gaps) > 1 else ""
            found.append(
                Check(
                    name="nobody_at_risk",
                    passed=False,
                    statistic=float(len(gaps)),
                    text=f"Nobody in {followed.who(g)} is followed between {followed.when(first)} "
                    f"and {followed.when(last)}{more}: the curve is level there because nothing "
                    "is known, not because nothing happened.",
                    outcome=outcome,
                    group=followed.levels[g],
                )
            )
    return found


def _gaps(start: Array, stop: Array) -> list[tuple[float, float]]:
    """Return the spans between the first start and the last stop in which nobody is followed."""
    starts, stops = np.sort(start), np.sort(stop)
    ends = np.unique(stops)[:-1]
    there = np.searchsorted(starts, ends, side="right") - np.searchsorted(stops, ends, "right")
    empty = ends[there == 0]
    again = starts[np.searchsorted(starts, empty, side="right")]
    return [(float(a), float(b)) for a, b in zip(empty, again, strict=True)]
