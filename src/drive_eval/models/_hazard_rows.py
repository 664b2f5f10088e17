"""From a table or a design to the rows, clusters and numbers of a regression of hazards."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drive_eval.errors import DataError, DesignError, DesignWarning, did_you_mean
from drive_eval.models import _clusters, _cox
from drive_eval.models._arguments import kind_of
from drive_eval.models._clusters import Effect
from drive_eval.models._design import Matched, Weighted
from drive_eval.models._regression import (
    Design,
    arms,
    cluster_sums,
    column,
    design_matrix,
    numbers,
)
from drive_eval.models._regression import clusters as codes_of
from drive_eval.models._sums import cross, times
from drive_eval.results import Check, Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

NO_CAUSE = (0, False, "", "censored")
_BRACKETS = re.compile(r"\[[^\]]*\]")


class Fitted(Protocol):
    """What a regression of hazards found."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def coefficients(self) -> Array: ...
    @property
    def std_errors(self) -> Array: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The rows that a regression uses.

    Attributes
    ----------
    table : DataFrame
        With `treated`, if there is one, as 1 and 0.
    treated : str or None
    t : array of bool or None
        In the programme.
    weights : array or None
    clusters : tuple of arrays of int
        None, one or two clusterings of the rows.
    cluster : str
        What the clusters are, in words; empty where every row is its own.
    units : array of int
        Tells persons (or whatever is counted) apart.
    counted : array of bool
        False for a row that repeats another, because its case serves several sets.
    checks : tuple of Check
        What the design behind the rows must say.
    """

    table: pd.DataFrame
    treated: str | None = None
    t: Flags | None = None
    weights: Array | None = None
    clusters: tuple[Codes, ...] = ()
    cluster: str = ""
    units: Codes
    counted: Flags
    checks: tuple[Check, ...] = ()

    def take(self, picked: Codes) -> Sample:
        """Return some of the rows, in that order."""
        return replace(
            self,
            table=self.table.iloc[picked],
            t=None if self.t is None else self.t[picked],
            weights=None if self.weights is None else self.weights[picked],
            clusters=tuple(recode(codes[picked]) for codes in self.clusters),
            units=recode(self.units[picked]),
            counted=self.counted[picked],
        )


def stacked(fit: _cox.Fit, design: Weighted, sample: Sample, cluster: str | None) -> _cox.Fit:
    """Return the fit with a covariance that knows that its weights were estimated.

    A row moves the coefficients by its own score residual, and through the weights of all
    others: Σ_j w_j′u_j is what the score gains per unit of the weights' parameters, and a row's
    influence on these is known to the design. Rows that were trimmed count in that way only.
    """
    rows = np.flatnonzero(design.table["weight"].to_numpy(dtype=float))
    own = fit.influence()
    each = own / np.asarray(sample.weights)[:, None]
    parts = times(design.influence, cross(design.slopes[rows], np.ones(len(rows)), each))
    parts[rows] += own
    if cluster is not None:
        parts = cluster_sums(parts, codes_of(design.table, cluster))
    return replace(fit, covariance=cross(parts, np.ones(len(parts)), parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """How uncertain a coefficient is said to be."""

    effect: Effect = field(default_factory=Effect)
    text: str = "model variance"
    checks: tuple[Check, ...] = ()


def read(
    data: pd.DataFrame | Matched | Weighted,
    *,
    treated: str | None,
    weights: str | None,
    cluster: str | None,
) -> Sample:
    """Turn a table or a design into rows, with the weights and clusters that come with it."""
    if isinstance(data, (Matched, Weighted)):
        sample = _of_design(data, treated, weights)
    else:
        count = len(column(data, treated, "treated")) if treated else len(_table(data))
        sample = Sample(
            table=data,
            treated=treated,
            units=np.arange(count),
            counted=np.ones(count, dtype=bool),
        )
        if weights is not None:
            known = numbers(data, weights, "weights")[0]
            below = int((known < 0).sum())
            if below:
                raise DataError(f'{below} of {count} rows have a weight below 0 in "{weights}".')
            if not known.any():
                raise DataError(f'all weights in column "{weights}" are 0.')
            sample = replace(sample, weights=known, clusters=(np.arange(count),))
    if cluster is not None:
        named = codes_of(sample.table, cluster)
        own = sample.clusters if sample.cluster else ()
        said = f"{sample.cluster} and {cluster}" if sample.cluster else cluster
        sample = replace(sample, clusters=(*own, named), cluster=said)
    if sample.treated is not None:
        t = arms(sample.table, sample.treated, "treated")
        for nobody, group in ((not t.any(), "programme"), (t.all(), "comparison")):
            if nobody:
                raise DesignError(f'nobody is in the {group} group (column "{sample.treated}").')
        table = sample.table.copy(deep=False)
        table[sample.treated] = t.astype(np.int64)
        sample = replace(sample, t=t, table=table)
    if sample.weights is not None and not sample.weights.all():
        sample = sample.take(np.flatnonzero(sample.weights))
    return sample


def _table(data: object) -> pd.DataFrame:
    if not isinstance(data, pd.DataFrame):
        raise DataError(
            f"a table (pandas DataFrame), a Matched or a Weighted is needed, not a {kind_of(data)}."
        )
    return data


def _of_design(data: Matched | Weighted, treated: str | None, weights: str | None) -> Sample:
    if weights is not None:
        raise DesignError(
            f'the design brings its own weights, so weights="{weights}" cannot be used as well.'
        )
    if treated not in (None, data.treated):
        raise DesignError(
            f'the design compares by column "{data.treated}", not by "{treated}"; leave treated '
            "out, or make the design anew."
        )
    table = data.table
    weight = numbers(table, "weight", "weight")[0]
    units = np.arange(len(table))
    groups, said = units, ""
    if isinstance(data, Matched) and data.variance == "sets":
        groups, said = codes_of(table, "matched_set", "matched set"), "matched sets"
    elif isinstance(data, Matched) and data.pairs is not None:
        units, weight = _one_row_a_use(data.pairs, table.index)
        table, units = table.iloc[units], recode(units)
        groups, said = units, "cases that serve several matched sets"
    text = f"{data.estimand}: the hazard ratio of {_whose(data)}."
    checks = [Check(name="estimand", text=text)]
    if isinstance(data, Weighted):
        checks.append(
            Check(
                name="weights_as_known",
                text="the weights were estimated, and the standard error takes them as known "
                'unless cov="stacked" is asked for.',
            )
        )
    return Sample(
        table=table,
        treated=data.treated,
        weights=weight,
        clusters=(groups,),
        cluster=said,
        units=units,
        counted=~pd.Series(units).duplicated().to_numpy(),
        checks=tuple(checks),
    )


def _whose(data: Matched | Weighted) -> str:
    how = "matched" if isinstance(data, Matched) else "weighted"
    return f"the {how} cases, each arm standing for the same population"


def _one_row_a_use(pairs: pd.DataFrame, index: pd.Index[Any]) -> tuple[Codes, Array]:
    """Return positions of programme cases, then of comparison cases as often as they serve."""
    sets, programme = pd.factorize(pairs["treated"])
    position = pd.Series(np.arange(len(index)), index=index)
    served = position.loc[[*programme, *pairs["comparison"]]].to_numpy()
    share = 1 / np.bincount(sets)[sets]
    return served, np.concatenate([np.ones(len(programme)), share])


def recode(codes: Codes) -> Codes:
    """Return codes without gaps."""
    return np.asarray(pd.factorize(codes)[0], dtype=np.int64)


def covariates(sample: Sample, wanted: str | Sequence[str] | None) -> Design:
    """Return the design matrix, the treated column first unless the covariates place it."""
    if wanted is None or len(wanted) == 0:
        if sample.treated is None:
            raise DesignError("name the covariates, or the column that says who was treated.")
        return design_matrix(sample.table, [sample.treated])
    if sample.treated is None:
        return design_matrix(sample.table, wanted)
    if isinstance(wanted, str) and wanted not in sample.table.columns:
        named = re.findall(r"`([^`]+)`|([A-Za-z_]\w*)", wanted)
        if not any(sample.treated in words for words in named):
            wanted = f"`{sample.treated}` + {wanted}"
        return design_matrix(sample.table, wanted)
    listed = [wanted] if isinstance(wanted, str) else list(wanted)
    if sample.treated not in listed:
        listed = [sample.treated, *listed]
    return design_matrix(sample.table, listed)


def ends(table: pd.DataFrame, stop: str) -> Array:
    """Return when rows that are followed from time 0 stop."""
    found, _ = numbers(table, stop, "stop")
    early = int((found < 0).sum())
    if early:
        raise DataError(
            f'{early} of {len(found)} rows stop before time 0 in "{stop}"; time runs from the '
            "index date, which is 0."
        )
    return found


def intervals(table: pd.DataFrame, start: str, stop: str) -> tuple[Array, Array]:
    """Return when rows start and stop being followed."""
    begins, _ = numbers(table, start, "start")
    found, _ = numbers(table, stop, "stop")
    back = int((found <= begins).sum())
    if back:
        raise DataError(
            f'{back} of {len(found)} rows stop in "{stop}" before they start in "{start}", or at '
            "the same time. A row is at risk after start, up to and including stop; for two "
            "events on one day keep the gravest, or count them as one."
        )
    return begins, found


def strata(table: pd.DataFrame, names: str | Sequence[str] | None) -> Codes | None:
    """Return the stratum of each row: one for each combination of values that occurs."""
    if names is None or len(names) == 0:
        return None
    listed = [names] if isinstance(names, str) else list(names)
    found = np.zeros(len(table), dtype=np.int64)
    for name in listed:
        codes = codes_of(table, name, "strata")
        found = recode(found * (int(codes.max()) + 1) + codes)
    return found


def crossed(number: Codes, baseline: Codes | None) -> Codes:
    """Return a stratum for each event number, within each stratum that there was."""
    own = number if baseline is None else baseline * (int(number.max()) + 1) + number
    return recode(own)


def histories(who: Codes, start: Array, stop: Array, happened: Flags) -> tuple[Codes, Array]:
    """Return for each row the number of the event it waits for, and when the last one was.

    The wait for the first event begins with the person's first row. Overlaps are refused.
    """
    order = np.lexsort((start, who))
    person, begins, ends = who[order], start[order], stop[order]
    first = np.append(True, person[1:] != person[:-1])
    rounding = _cox.SAME_TIME * float(np.abs(stop).max())
    over = ~first[1:] & (begins[1:] < ends[:-1] - rounding)
    if over.any():
        concerned = len(np.unique(person[1:][over]))
        raise DataError(
            f"{int(over.sum())} rows of {concerned} persons start before the person's row before "
            "them has stopped. Nobody is at risk twice at the same time: cut or join these rows."
        )
    event = happened[order]
    so_far: Codes = np.cumsum(event) - event
    lead = np.flatnonzero(first)
    length = np.diff(np.append(lead, len(order)))
    number: Codes = so_far - np.repeat(so_far[lead], length) + 1
    fresh = first.copy()
    fresh[1:] |= event[:-1]  # a new wait begins with the person, and after each event
    clock = np.where(first, begins, np.append(0.0, ends[:-1]))[fresh]
    origin = clock[np.cumsum(fresh) - 1]
    found, begun = np.empty(len(order), dtype=np.int64), np.empty(len(order))
    found[order], begun[order] = number, origin
    return found, begun


def persons_by_cluster(who: Codes, clusters: Codes, cluster: str) -> Codes:
    """Return how many persons each cluster holds; a person in several is refused."""
    home = np.empty(int(who.max()) + 1, dtype=np.int64)
    home[who] = clusters
    astray = np.flatnonzero(home[who] != clusters)
    if len(astray):
        raise DataError(
            f"{len(np.unique(who[astray]))} persons have rows in more than one cluster of "
            f'"{cluster}"; a cluster holds whole persons.'
        )
    return np.bincount(home)


def causes(table: pd.DataFrame, name: str, wanted: object) -> tuple[Flags, Flags, str]:
    """Return who had the cause of interest, who had another, and how many of each, in words."""
    if name not in table.columns:
        column(table, name, "cause")  # says what is wrong with it
    given = table[name]
    plain = given.astype(object).where(given.notna(), 0)
    values = list(pd.unique(plain))
    nothing = plain.isin([v for v in values if v in NO_CAUSE]).to_numpy(dtype=bool)
    levels = [v for v in values if v not in NO_CAUSE]
    if wanted not in levels:
        raise DataError(
            f'no row of column "{name}" (cause) has the cause of interest "{wanted}".'
            f"{did_you_mean(str(wanted), [str(v) for v in levels])}"
        )
    happened = (plain == wanted).to_numpy(dtype=bool)
    others = {str(v): int((plain == v).sum()) for v in levels if v != wanted}
    said = [f"{n} with {v} first" for v, n in sorted(others.items())]
    said = [f"{int(happened.sum())} rows with {wanted}", *said, f"{int(nothing.sum())} with none"]
    return happened, ~(happened | nothing), ", ".join(said)


def law(sample: Sample, *, sizes: Sequence[Codes], parameters: int, fewest: int) -> Law:
    """Say how the variance is made, which quantiles go with it, and whether clusters are enough.

    `sizes` holds what each cluster counts, for each clustering.
    """
    if not sample.clusters:
        return Law()
    if not sample.cluster:
        return Law(text="sandwich by row")
    size = min(sizes, key=_clusters.equal_clusters)
    count, worth = len(size), _clusters.equal_clusters(size)
    if count <= parameters:
        raise DesignError(
            f"{count} clusters ({sample.cluster}) cannot carry {parameters} coefficients; use "
            "fewer covariates, or a smaller unit as the cluster."
        )
    said = _clusters.number(count, worth)
    enough = worth >= fewest
    effect = Effect() if enough else Effect(df=_clusters.freedom(size))
    text = f"sandwich by {sample.cluster}"
    if not enough:
        text += f", t with {round(effect.df or 0, 1):g} df"
        warnings.warn(
            f"{said} ({sample.cluster}) are fewer than the {fewest} that a cluster sandwich asks "
            "for; t quantiles are used, and the intervals are approximate.",
            DesignWarning,
            stacklevel=3,
        )
    check = Check(
        name="clusters",
        passed=enough,
        statistic=worth,
        threshold=fewest,
        df=effect.df,
        text=f"{said} ({sample.cluster}); "
        + ("normal quantiles are used." if enough else "t quantiles are used."),
    )
    return Law(effect=effect, text=text, checks=(check,))


def estimates(
    fit: Fitted,
    sample: Sample,
    happened: Flags,
    *,
    measure: str,
    law: Law,
    method: str,
    contrast: str,
    labels: Mapping[str, Any],
    conf_level: float,
) -> tuple[Estimate, ...]:
    """Return one ratio a coefficient, and the percentage reduction of the treated one."""
    critical = law.effect.critical(conf_level)
    found = []
    for name, b, se in zip(fit.names, fit.coefficients, fit.std_errors, strict=True):
        z = float(b / se)
        inside = {**labels, **_counts(sample, happened, name), "conf_level": conf_level}
        low = high = None
        if critical is not None:
            low, high = float(np.exp(b - critical * se)), float(np.exp(b + critical * se))
        ratio = Estimate(
            measure=measure,
            term=name,
            contrast=contrast if name == sample.treated else "",
            claim="associational",
            estimate=float(np.exp(b)),
            std_error=float(se),
            conf_low=low,
            conf_high=high,
            p_value=law.effect.p_value(z),
            method=f"{method}, {law.text}",
            **inside,
        )
        found.append(ratio)
        if name == sample.treated and measure == "hazard_ratio":
            found.append(ratio.percent_reduction())
    return tuple(found)


def _counts(sample: Sample, happened: Flags, term: str) -> dict[str, int]:
    t = sample.t
    if t is None or term != sample.treated:
        return {"n": _distinct(sample.units), "n_events": int(happened[sample.counted].sum())}
    found = {}
    for arm, suffix in ((t, ""), (~t, "_reference")):
        inside = arm & sample.counted
        found[f"n{suffix}"] = _distinct(sample.units[inside])
        found[f"n_events{suffix}"] = int(happened[inside].sum())
    return found


def _distinct(codes: Codes) -> int:
    return int(np.count_nonzero(np.bincount(codes)))


def terms(names: Sequence[str]) -> dict[str, list[int]]:
    """Return the columns of each term: ``site[T.north]`` and ``site[T.south]`` are one."""
    found: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        found.setdefault(_BRACKETS.sub("", name), []).append(position)
    return found


def model_checks(events: int, design: Design, wanted: float) -> list[Check]:
    """Say whether there are enough events, and what categories are compared with."""
    each = events / len(design.names)
    return [
        Check(
            name="events_per_parameter",
            passed=each >= wanted,
            statistic=each,
            threshold=wanted,
            text=f"{events} events for {len(design.names)} coefficients.",
        ),
        Check(name="reference_levels", text=design.describe()),
    ]


def known(value: str, allowed: Sequence[str], name: str) -> None:
    """Refuse an option that does not exist."""
    if value not in allowed:
        raise DesignError(
            f'{name}="{value}" is not on offer; there are {", ".join(allowed)}.'
            f"{did_you_mean(str(value), allowed)}"
        )


def probability(value: float, name: str, example: str) -> None:
    """Refuse a level outside 0 to 1."""
    if not 0 < value < 1:
        raise DataError(f"{name} must lie between 0 and 1, e.g. {example}, but is {value}.")
