"""Ordered levels of the same people at two time points: the grid of moves and its tests.

Rows of the grid are the level before, columns the level after. Nothing is added to empty
cells: a severity grid always has them, and half a person in each moves the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import stats

from drive_eval.errors import DataError
from drive_eval.models._clusters import equal_clusters, number
from drive_eval.results import CountTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from drive_eval.models._clusters import Codes

    Array: TypeAlias = NDArray[np.float64]

_NOTHING = 1e-10
_TOTALS = ("all", "improved", "same", "worsened")


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A test's statistic, degrees of freedom and P value, or in `text` why there is none."""

    statistic: float | None = None
    df: float | None = None
    p_value: float | None = None
    text: str = ""


# Levels and moves


def level_names(levels: Sequence[Any]) -> tuple[str, ...]:
    """Return the levels as words, least severe first."""
    names = tuple(map(str, levels))
    if isinstance(levels, str) or len(names) < 2 or len(set(names)) < len(names):
        raise DataError(
            "levels must list two or more different levels, least severe first, e.g. "
            '["none", "standard", "moderate", "high"].'
        )
    for word in _TOTALS:
        if word in names:
            raise DataError(f'a level may not be called "{word}": a total of the table is.')
    return names


def level_ranks(found: pd.Series[Any], levels: Sequence[Any]) -> Codes:
    """Return the rank of each row's level, 0 for the least severe."""
    ranks = found.astype(object).map({level: rank for rank, level in enumerate(levels)})
    unknown = int(ranks.isna().sum())
    if unknown:
        raise DataError(
            f'{unknown} of {len(found)} rows of "{found.name}" hold something that is not a '
            f"level. Levels: {', '.join(map(str, levels))}. Recode those rows, or name all levels."
        )
    return ranks.to_numpy(dtype=np.int64)


def transitions(
    first: Codes, second: Codes, names: tuple[str, ...], labels: Mapping[str, str]
) -> CountTable:
    """Return how many moved from each level to each, with margins and directions."""
    square = _square(first, second, len(names))
    order = range(len(names))
    rank = {(names[i], names[j]): (i, j) for i in order for j in order}
    counts: dict[tuple[str, ...], int] = {key: int(square[at]) for key, at in rank.items()}
    totals: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for i, name in enumerate(names):
        totals[name, "all"] = [key for key, at in rank.items() if at[0] == i]
    for j, name in enumerate(names):
        totals["all", name] = [key for key, at in rank.items() if at[1] == j]
    totals["all", "improved"] = [key for key, at in rank.items() if at[1] < at[0]]
    totals["all", "same"] = [key for key, at in rank.items() if at[1] == at[0]]
    totals["all", "worsened"] = [key for key, at in rank.items() if at[1] > at[0]]
    totals["all", "all"] = list(rank)
    return CountTable.from_counts(
        name="transitions",
        title=f"{labels['outcome'] or 'Severity'}, before and after",
        unit=labels["unit"] or "pairs",
        dimensions=("before", "after"),
        counts=counts,
        totals=totals,
    )


def tests(
    first: Codes, second: Codes, names: tuple[str, ...], groups: Codes | None
) -> dict[str, Test]:
    """Test whether the two distributions are the same; levels that nobody used are left out."""
    used = np.unique(np.concatenate((first, second)))
    first, second = np.searchsorted(used, first), np.searchsorted(used, second)
    small = _square(first, second, len(used))
    if groups is None:
        found = {
            "bhapkar": bhapkar(small),
            "stuart_maxwell": stuart_maxwell(small),
            "bowker": bowker(small),
        }
    else:
        alone = Test(text="it needs independent rows; bhapkar allows for clusters.")
        found = {
            "bhapkar": bhapkar_clustered(first, second, groups),
            "stuart_maxwell": alone,
            "bowker": alone,
        }
    questions = dict.fromkeys(found, "are the two distributions over levels the same?")
    questions["bowker"] = "is every move as frequent as its reverse?"
    left_out = [name for rank, name in enumerate(names) if rank not in used]
    spare = f" Levels that nobody used are left out: {', '.join(left_out)}." if left_out else ""
    return {
        name: replace(
            test,
            text=questions[name] + (f" Not computed: {test.text}" if test.text else "") + spare,
        )
        for name, test in found.items()
    }


def _square(first: Codes, second: Codes, size: int) -> Array:
    square = np.zeros((size, size))
    np.add.at(square, (first, second), 1.0)
    return square


# Tests


def stuart_maxwell(table: Array) -> Test:
    """Stuart 1955, Maxwell 1970: equal margins, with the variance when they are equal."""
    shift = table.sum(axis=1) - table.sum(axis=0)
    statistic, df = _quadratic(shift, _null_covariance(table))
    if not df:
        return Test(text="nobody changed level, so there is nothing to test.")
    return _chi_squared(statistic, df)


def bhapkar(table: Array) -> Test:
    """Bhapkar 1966: equal margins, with the variance as it was seen."""
    stuart = stuart_maxwell(table)
    if stuart.statistic is None or stuart.df is None:
        return stuart
    rest = 1 - stuart.statistic / float(table.sum())
    if rest < _NOTHING:
        return Test(df=stuart.df, text="everybody moved alike, so the shift has no variance.")
    return _chi_squared(stuart.statistic / rest, stuart.df)


def bhapkar_clustered(before: Codes, after: Codes, groups: Codes) -> Test:
    """Wald's form of Bhapkar's test on cluster totals, referred to F (Korn and Graubard 1990).

    Effective clusters take the place of clusters in F, as they do in t.
    """
    k = int(max(before.max(), after.max())) + 1
    moves = np.eye(k)[before] - np.eye(k)[after]
    df = _quadratic(moves.sum(axis=0), _null_covariance(_square(before, after, k)))[1]
    if not df:
        return Test(text="nobody changed level, so there is nothing to test.")
    sizes = np.bincount(groups)
    count, worth = len(sizes), equal_clusters(sizes)
    if worth < df + 1:
        said = f"{number(count, worth)} are too few for {df} degrees of freedom."
        return Test(df=df, text=said)
    totals = np.zeros((count, k))
    np.add.at(totals, groups, moves - moves.mean(axis=0))
    statistic, rank = _quadratic(moves.sum(axis=0), count / (count - 1) * totals.T @ totals)
    if rank < df or not np.isfinite(statistic):
        return Test(df=df, text="the clusters moved too much alike to show a variance.")
    scaled = statistic * (worth - df) / (df * (worth - 1))
    return Test(statistic=statistic, df=df, p_value=float(stats.f.sf(scaled, df, worth - df)))


def bowker(table: Array) -> Test:
    """Bowker 1948: is every move as frequent as its reverse? Empty pairs of cells do not count."""
    upper = np.triu_indices(len(table), 1)
    there, back = table[upper], table.T[upper]
    seen = there + back > 0
    if not seen.any():
        return Test(text="nobody changed level, so there is nothing to test.")
    statistic = ((there - back)[seen] ** 2 / (there + back)[seen]).sum()
    return _chi_squared(float(statistic), int(seen.sum()))


def _null_covariance(table: Array) -> Array:
    """Return the covariance of the difference of the margins when they are equal."""
    spread = np.diag(table.sum(axis=1) + table.sum(axis=0)) - table - table.T
    return np.asarray(spread, dtype=float)


def _quadratic(shift: Array, covariance: Array) -> tuple[float, int]:
    """Return shift′ covariance⁻ shift and the rank; infinite where the shift has no variance.

    All levels stay in: leaving one out, as is usual, gives the same number, but fails when
    levels fall into groups between which nobody moved.
    """
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _NOTHING * max(float(values.max()), 1.0)
    along = vectors.T @ shift
    if np.abs(along[~kept]).max(initial=0.0) > 1e-7 * max(float(np.abs(shift).max()), 1.0):
        return np.inf, int(kept.sum())
    return float((along[kept] ** 2 / values[kept]).sum()), int(kept.sum())


def _chi_squared(statistic: float, df: float) -> Test:
    return Test(statistic=statistic, df=df, p_value=float(stats.chi2.sf(statistic, df)))
