"""Intervals from clusters drawn again: percentile and BCa, in blocks that any worker can do.

Clusters that say the same are one kind, and a resample is how often each kind was drawn, so
that what a resample costs does not grow with the number of people. Each block of resamples has
a seed of its own, whoever works it out: the same generator gives the same numbers for any
number of workers and any joblib backend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import joblib
import numpy as np
from scipy import special

from drive_eval.errors import DesignError, did_you_mean
from drive_eval.models import _arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]
    #: From how often each kind was drawn (resamples by kinds) to numbers (resamples by numbers),
    #: not a number where the statistic does not exist.
    Statistic: TypeAlias = Callable[[Array], Array]
    Progress: TypeAlias = Callable[[int, int], None]

Method: TypeAlias = Literal["bca", "percentile"]
METHODS: tuple[str, ...] = get_args(Method)

_BLOCK = 500  # resamples that share a seed
_CELLS = 4_000_000  # and no more numbers than these at a time, however many kinds there are


@dataclass(frozen=True, slots=True, kw_only=True)
class OfSums:
    """A statistic of sums over clusters, worked out for many resamples by one matrix product.

    Attributes
    ----------
    sums : array, kinds by columns
        What one cluster of each kind adds to each column.
    rule : callable
        From column totals (resamples by columns) to numbers (resamples by numbers). A function
        of a module or a frozen dataclass, so that it can be sent to other processes.
    """

    sums: Array
    rule: Callable[[Array], Array]

    def __call__(self, drawn: Array) -> Array:
        return self.rule(drawn @ self.sums)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """A statistic of the sample and of its resamples.

    Attributes
    ----------
    point : array
        One value a number; not a number where the statistic does not exist.
    values : array, resamples by numbers
        The same in each resample.
    copies : array of int
        Clusters of each kind.
    statistic : callable
    workers : int or None
    """

    point: Array
    values: Array
    copies: Codes
    statistic: Statistic
    workers: int | None

    @property
    def clusters(self) -> int:
        """How many clusters were drawn from."""
        return int(self.copies.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one number, or why there are none.

    Attributes
    ----------
    low, high, std_error : float or None
    undefined : int
        Resamples in which the number does not exist.
    reason : str
        Why there are no limits; empty where there are.
    """

    low: float | None = None
    high: float | None = None
    std_error: float | None = None
    undefined: int = 0
    reason: str = ""


def kinds(rows: Array, groups: Codes | None = None) -> tuple[Array, Codes]:
    """Return the distinct sums that clusters of rows have, and how many clusters have each.

    Parameters
    ----------
    rows : array, rows by columns
    groups : array of int, optional
        Cluster of each row as 0, 1, 2, …; every row by itself when not given.
    """
    totals = rows
    if groups is not None:
        totals = np.column_stack([np.bincount(groups, weights=column) for column in rows.T])
    found, copies = np.unique(totals, axis=0, return_counts=True)
    return found, copies.astype(np.int64)


def resample(
    statistic: Statistic,
    copies: Codes,
    *,
    draws: int,
    rng: np.random.Generator,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Resampled:
    """Draw as many clusters as there are, with replacement, again and again.

    Parameters
    ----------
    statistic : callable
        From how often each kind was drawn to numbers; called with many resamples at once.
    copies : array of int
        Clusters of each kind in the sample.
    draws : int
        How many resamples.
    rng : numpy Generator
        Moved on by one step, whatever the number of draws.
    workers : int, optional
        Processes or threads, as joblib's ``n_jobs``. By default those of the surrounding
        ``joblib.parallel_config``, and one where there is none.
    progress : callable, optional
        Called with the draws done and the draws to do.

    Notes
    -----
    Sums of whole numbers are exact in floating point, so that no library's order of adding
    shows. More draws from the same generator begin with the fewer.
    """
    refuse(draws=draws, rng=rng, workers=workers)
    size = block_size(len(copies))
    starts = range(0, draws, size)
    # Seeded from the generator's stream, so that its state counts, not only its seed.
    entropy = rng.integers(0, 2**32, size=4, dtype=np.uint32)
    seeds = np.random.SeedSequence([int(word) for word in entropy]).spawn(len(starts))
    tasks = (
        joblib.delayed(_block)(statistic, copies, seed, min(size, draws - start))
        for seed, start in zip(seeds, starts, strict=True)
    )
    done: list[Array] = []
    for values in _run(tasks, workers):
        done.append(values)
        if progress is not None:
            progress(sum(map(len, done)), draws)
    return Resampled(
        point=statistic(copies[np.newaxis].astype(float))[0],
        values=np.concatenate(done),
        copies=copies,
        statistic=statistic,
        workers=workers,
    )


def refuse(*, draws: Any, rng: Any, workers: Any, method: Any = "bca") -> None:
    """Refuse settings of a bootstrap that make no sense."""
    _arguments.count(draws, "draws", least=100)
    if not isinstance(rng, np.random.Generator):
        raise DesignError(
            "rng must be a numpy Generator, e.g. numpy.random.default_rng(1), so that the same "
            f"resamples can be drawn again; this is a {type(rng).__name__}."
        )
    if workers is not None and (not _arguments.is_whole(workers) or workers == 0):
        raise DesignError("workers must be a whole number but not 0 (-1 for all), or None.")
    if method not in METHODS:
        raise DesignError(f'"{method}" is no bootstrap interval.{did_you_mean(method, METHODS)}')


def block_size(kinds: int) -> int:
    """Return how many resamples share a seed; it depends on the data, never on who works."""
    return int(np.clip(_CELLS // max(kinds, 1), 1, _BLOCK))


def _block(statistic: Statistic, copies: Codes, seed: np.random.SeedSequence, size: int) -> Array:
    clusters = int(copies.sum())
    drawn = np.random.default_rng(seed).multinomial(clusters, copies / clusters, size=size)
    return statistic(drawn.astype(float))


def _run(tasks: Iterable[Any], workers: int | None) -> Iterable[Array]:
    found: Iterable[Array] = joblib.Parallel(n_jobs=workers, return_as="generator")(tasks)
    return found


# Intervals


def limits(
    found: Resampled, *, method: Method, conf_level: float, most_undefined: float
) -> list[Limits]:
    """Return the limits of every number of a resampled statistic, or why there are none.

    Parameters
    ----------
    found : Resampled
    method : {'bca', 'percentile'}
        Quantiles of the resamples, as they are or after correction for bias and for the
        standard error's change with the number (Efron 1987).
    conf_level : float, between 0 and 1
    most_undefined : float
        Share of resamples without a value above which there are no limits: they would be
        those of the samples in which all went well.

    Notes
    -----
    With z₀ = Φ⁻¹ of the share of resamples below the point (half of those equal to it) and a
    = Σd³/(6(Σd²)^1.5), d the mean without one cluster minus the value without this one, the
    limits are the quantiles at Φ(z₀ + (z₀ ± z)/(1 − a(z₀ ± z))). Quantiles are interpolated
    linearly.
    """
    left_out = _leave_one_out(found) if method == "bca" and found.clusters > 1 else None
    said = []
    for position in range(len(found.point)):
        jackknife = None if left_out is None else left_out[:, position]
        said.append(_limits_of(found, position, jackknife, method, conf_level, most_undefined))
    return said


def _limits_of(
    found: Resampled,
    position: int,
    jackknife: Array | None,
    method: Method,
    conf_level: float,
    most_undefined: float,
) -> Limits:
    point, values = float(found.point[position]), found.values[:, position]
    there = np.isfinite(values)
    undefined = int((~there).sum())
    values = values[there]
    if not np.isfinite(point):
        return Limits(undefined=undefined, reason="it does not exist in the sample")
    if found.clusters == 1:
        return Limits(undefined=undefined, reason="all rows belong to one cluster")
    if undefined > most_undefined * len(there) or len(values) < 2:
        return Limits(
            undefined=undefined,
            reason=f"it does not exist in {100 * undefined / len(there):.2g} % of the resamples",
        )
    if values.min() == values.max():
        return Limits(undefined=undefined, reason="it is the same in every resample")
    tail = (1 - conf_level) / 2
    levels = np.array([tail, 1 - tail])
    if method == "bca":
        corrected, reason = _corrected(point, values, jackknife, found.copies, levels)
        if corrected is None:
            return Limits(undefined=undefined, reason=reason)
        levels = corrected
    low, high = (float(q) for q in np.quantile(values, levels))
    if not low <= point <= high:
        return Limits(
            undefined=undefined,
            reason="the resamples lie to one side of it, so that it falls outside its limits",
        )
    error = float(values.std(ddof=1))
    return Limits(low=low, high=high, std_error=error, undefined=undefined)


def _corrected(
    point: float, values: Array, jackknife: Array | None, copies: Codes, levels: Array
) -> tuple[Array | None, str]:
    """Return the levels at which BCa reads the resamples, or why it cannot."""
    below = ((values < point).mean() + (values <= point).mean()) / 2
    if not 0 < below < 1:
        return None, "every resample lies to one side of it"
    if jackknife is None or not np.isfinite(jackknife).all():
        return None, "it hangs on one cluster, without which it does not exist"
    away = np.average(jackknife, weights=copies) - jackknife
    squares = float(copies @ away**2)
    # Without any spread no cluster moves the number by itself, and nothing is to correct.
    lean = float(copies @ away**3) / (6 * squares**1.5) if squares > 0 else 0.0
    bias = special.ndtri(below)
    shifted = bias + special.ndtri(levels)
    if (1 - lean * shifted <= 0).any():
        return None, "its standard error changes too fast for the correction"
    corrected: Array = special.ndtr(bias + shifted / (1 - lean * shifted))
    return corrected, ""


def _leave_one_out(found: Resampled) -> Array:
    """Return the statistic without one cluster of each kind."""
    whole = found.copies.astype(float)
    if isinstance(found.statistic, OfSums):
        return found.statistic.rule(whole @ found.statistic.sums - found.statistic.sums)
    size = block_size(len(whole))
    tasks = (
        joblib.delayed(_without)(found.statistic, whole, start, min(start + size, len(whole)))
        for start in range(0, len(whole), size)
    )
    return np.concatenate(list(_run(tasks, found.workers)))


def _without(statistic: Statistic, whole: Array, start: int, stop: int) -> Array:
    drawn = np.tile(whole, (stop - start, 1))
    drawn[np.arange(stop - start), np.arange(start, stop)] -= 1
    return statistic(drawn)
