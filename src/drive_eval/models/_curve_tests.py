"""Tests that groups have one curve: log-rank and its family, and Gray's for competing events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from drive_eval.models._cox import same_times
from drive_eval.models._curves import Steps, event_free, incidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.models._curves import Spread

Array: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]


_NOTHING = 1e-9  # a spread this small, or this share of the largest, is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A test of one curve for all groups.

    Attributes
    ----------
    observed, expected : array
        By group; both weighted as the test weights events.
    covariance : array
        Of observed − expected.
    statistic : float or None
        Chi-squared; None where nothing could differ.
    df : int
    """

    observed: Array
    expected: Array
    covariance: Array
    statistic: float | None
    df: int

    @property
    def p_value(self) -> float | None:
        """P value of the chi-squared statistic."""
        return None if self.statistic is None else float(special.chdtrc(self.df, self.statistic))


def log_rank(
    stop: Array,
    count: Array,
    group: Codes,
    *,
    groups: int,
    start: Array | None = None,
    strata: Codes | None = None,
    weights: Array | None = None,
    rho: float = 0.0,
    spread: Spread | None = None,
) -> Comparison:
    """Compare the events of groups with those expected if all had one hazard.

    Parameters
    ----------
    stop, start : array
        A row is at risk at times start < t ≤ stop.
    count : array
        How many events each row ended with.
    group : array of int
        0, 1, …, `groups` − 1.
    strata : array of int, optional
        Expected events are those of the own stratum.
    rho : float
        Events count S(t−)^rho, S being Kaplan–Meier of the stratum.
    spread : Spread, optional
        Sums squares of the rows' contributions; without it the hypergeometric variance.
    """
    stop, start = same_times(stop, start)
    weights = np.ones(len(stop)) if weights is None else weights
    ended = np.flatnonzero(count)
    times = np.unique(stop[ended])
    width = len(times) + 1
    own = np.zeros(len(stop), dtype=np.int64) if strata is None else strata * width
    keys = own + np.searchsorted(times, stop, side="right")
    cells = np.unique(keys[ended])
    last = np.searchsorted(cells, keys, side="right")
    early = own if start is None else own + np.searchsorted(times, start, side="right")
    first = np.searchsorted(cells, early, side="right")
    home = cells // width

    def by_group(where: Codes, values: Array, size: int) -> Array:
        flat = np.bincount(where * groups + group, weights=values, minlength=size * groups)
        return np.asarray(flat.reshape(size, groups), dtype=float)

    size = len(cells)
    there = by_group(last, weights, size + 1) - by_group(first, weights, size + 1)
    # A row leaves at its own last cell, so sums over strata that come later are none.
    at_risk = there[::-1].cumsum(axis=0)[::-1][1:]
    dead = np.zeros((size, groups))
    np.add.at(dead, (last[ended] - 1, group[ended]), (weights * count)[ended])
    everyone = np.maximum(at_risk.sum(axis=1), dead.sum(axis=1))
    died = dead.sum(axis=1)
    share = at_risk / everyone[:, None]
    hazard = died / everyone
    factor = np.ones(size)
    if rho:
        with np.errstate(divide="ignore"):
            log_free = np.log1p(-np.minimum(hazard, 1.0))
        lead = np.append(True, home[1:] != home[:-1])
        before = np.concatenate([[0.0], np.cumsum(np.maximum(log_free, -745.0))[:-1]])
        before = before - before[lead][np.cumsum(lead) - 1]
        factor = np.exp(rho * before)
    observed = factor @ dead
    expected = (factor * died) @ share
    if spread is None:
        tied = np.where(everyone > 1, (everyone - died) / np.maximum(everyone - 1, 1.0), 0.0)
        each = factor**2 * died * np.maximum(tied, 0.0)
        covariance = np.diag(each @ share) - (share * each[:, None]).T @ share
    else:
        drift = np.concatenate(
            [np.zeros((1, groups)), np.cumsum((factor * hazard)[:, None] * share, axis=0)]
        )
        whole = np.concatenate([[0.0], np.cumsum(factor * hazard)])
        found = drift[last] - drift[first]
        rows = np.arange(len(stop))
        found[rows, group] -= whole[last] - whole[first]
        at = last[ended] - 1
        events = (count[ended] * factor[at])[:, None]
        found[ended] -= events * share[at]
        found[ended, group[ended]] += events[:, 0]
        covariance = spread.covariance(found, weights)
    statistic, df = _quadratic(observed - expected, covariance)
    return Comparison(
        observed=observed, expected=expected, covariance=covariance, statistic=statistic, df=df
    )


def _quadratic(score: Array, covariance: Array) -> tuple[float | None, int]:
    """Return score′ V⁻ score over the directions in which anything varies, and their number."""
    size = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    if size.max() <= _NOTHING:
        return None, 0
    live = size > _NOTHING * size.max()
    scaled = covariance[np.ix_(live, live)] / np.outer(size[live], size[live])
    values, vectors = linalg.eigh(scaled)
    kept = values > _NOTHING * values.max()
    along = vectors[:, kept].T @ (score[live] / size[live])
    return float((along**2 / values[kept]).sum()), int(kept.sum())


def gray(steps: Sequence[Steps], cause: int) -> Comparison:
    """Compare cumulative incidences of one cause between groups (Gray 1988, weight 1).

    With S and F the group's Kaplan–Meier and cumulative incidence just before t, a group has
    R = Y(1 − F)/S of Σ R at risk of the subdistribution, and its score is the sum of observed
    less R/Σ R of all events. The variance sums, over groups and times, the squares of what one
    event adds to a score now and through the curves that weight later events.
    """
    times = np.unique(np.concatenate([s.times for s in steps]))
    size, groups = len(times), len(steps)
    at_risk, own, other = (np.zeros((groups, size)) for _ in range(3))
    free, free_after, reached = (
        np.ones((groups, size)),
        np.ones((groups, size)),
        np.zeros((groups, size)),
    )
    for g, s in enumerate(steps):
        km, (cif, _) = event_free(s).estimate, incidence(s, cause)
        at_risk[g] = _at_risk(s, times)
        here = np.searchsorted(times, s.times)
        own[g, here] = s.dead[cause]
        other[g, here] = s.dead.sum(axis=0) - s.dead[cause]
        upto = np.searchsorted(s.times, times, side="right")
        before = np.searchsorted(s.times, times, side="left")
        free[g], free_after[g], reached[g] = km[before], km[upto], cif[before]
    there = at_risk > 0
    kept = np.where(there, at_risk / np.where(free > 0, free, 1.0), 0.0)
    kept_all = kept.sum(axis=0)
    exposed = kept * (1 - reached)
    events = own.sum(axis=0)
    share = exposed / np.where(exposed.sum(axis=0) > 0, exposed.sum(axis=0), 1.0)
    rise = events / np.where(kept_all > 0, kept_all, 1.0)
    common = np.cumsum(rise)  # incidence if all groups have one
    before = np.concatenate([[0.0], common[:-1]])

    part = kept / np.where(kept_all > 0, kept_all, 1.0)
    # now[i, k]: what an event in group k adds to the score of i; later[i, k]: still to come.
    now = np.einsum("it,kt->ikt", -part, kept)
    for g in range(groups):
        now[g, g] += kept[g]
    growth = now * (rise / np.where(before < 1, 1 - before, 1.0))
    later = growth[..., ::-1].cumsum(axis=-1)[..., ::-1] - growth

    left = free_after > 0
    ratio = np.where(left, (1 - common) / np.where(left, free_after, 1.0), 0.0)
    mine = now + (1 - ratio) * later
    theirs = ratio * later
    scale = np.where(there, at_risk, 1.0)
    width = kept_all * free - 1
    tied = np.where(
        (events > 1) & (width > 0), 1 - (events - 1) / np.where(width > 0, width, 1.0), 1.0
    )
    own_spread = np.where(there, tied * free * rise / scale, 0.0)
    tied = np.where(other > 1, 1 - (other - 1) / np.maximum(at_risk - 1, 1.0), 1.0)
    other_spread = np.where(left, tied * free**2 * other / scale**2, 0.0)
    covariance = np.einsum("ikt,jkt,kt->ij", mine, mine, own_spread)
    covariance += np.einsum("ikt,jkt,kt->ij", theirs, theirs, other_spread)
    observed, expected = own.sum(axis=1), share @ events
    statistic, df = _quadratic(observed - expected, covariance)
    return Comparison(
        observed=observed, expected=expected, covariance=covariance, statistic=statistic, df=df
    )


def _at_risk(steps: Steps, times: Array) -> Array:
    """Return how many rows are at risk just before each of some times."""
    found = len(steps.stop) - np.searchsorted(np.sort(steps.stop), times, side="left")
    if steps.start is not None:
        late = len(steps.start) - np.searchsorted(np.sort(steps.start), times, side="left")
        found = found - late
    return np.asarray(found, dtype=float)
