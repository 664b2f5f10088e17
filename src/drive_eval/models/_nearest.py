"""Nearest neighbours one programme case at a time, at the cost of one sort.

All rows stand in one line, by stratum and score; rows with equal scores keep the order of the
table. A programme case looks down and up the line for the nearest comparison case that is
free. Those that are taken are leapt over (a union-find with path compression), so that a
crowded stretch costs no more than an empty one and nobody is compared with everybody.
"""

from __future__ import annotations

import heapq
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import linalg

from drive_eval.errors import DataError, DesignError, DesignWarning, did_you_mean
from drive_eval.models import _arguments
from drive_eval.models._balance import score_sentence
from drive_eval.models._regression import column
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from drive_eval.models._regression import Array, Codes, Flags
    from drive_eval.models._score import Score

#: Who chooses first, and how a methods section says so.
ORDERS = {
    "largest": "cases with the highest score chose first",
    "smallest": "cases with the lowest score chose first",
    "closest": "the closest pairs were made first",
    "random": "cases chose in an order drawn at random (another seed gives other pairs)",
    "data": "cases chose in the order of the table",
}
SCALES = {"logit": "logit of the propensity score", "probability": "propensity score"}
DISTANCES = ("score", "mahalanobis")
#: Scores are rounded to this many decimals, so that people with the same covariates tie on
#: every machine, whatever the last bit of their scores.
DECIMALS = 12
_EQUAL = 1e-11  # distances that differ by less are equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Who was matched to whom, by row number, in the order of the programme rows.

    Attributes
    ----------
    treated, comparison : array of int
        One entry per comparison case used; within a set the first chosen comes first.
    distance : array
    alone, far, used : int
        Programme cases without a match: those with no comparison case in their stratum,
        those with none within the caliper, and those whose near ones others have.
    """

    treated: Codes
    comparison: Codes
    distance: Array
    alone: int
    far: int
    used: int

    def weights(self, rows: int) -> Array:
        """Return the weight of every row: 1 for a matched programme case, 0 for who is left out.

        A set shares 1 equally among its comparison cases; these shares are scaled so that
        they sum to the number of comparison rows used.
        """
        size = np.bincount(self.treated, minlength=rows)
        shared = np.bincount(self.comparison, weights=1 / size[self.treated], minlength=rows)
        scale = np.count_nonzero(shared) / np.count_nonzero(size)
        return np.asarray(shared * scale + (size > 0))


def match(
    score: Array,
    treated: Flags,
    *,
    ratio: int,
    replace: bool,
    caliper: float,
    order: str,
    strata: Codes | None = None,
    units: Codes | None = None,
    space: Array | None = None,
    rng: np.random.Generator | None = None,
) -> Pairs:
    """Match greedily.

    Parameters
    ----------
    score : array
        On the scale on which distances are taken.
    treated : array of bool
    ratio, replace, order, rng
        As in `matching.nearest`.
    caliper : float
        Widest distance between scores; infinite for none.
    strata : array of int, optional
        Pairs must agree on it.
    units : array of int, optional
        Persons; without it each row is a person.
    space : array, rows × columns, optional
        Points whose Euclidean distance is used in place of that of the scores; the caliper
        still holds for the scores.
    """
    score = np.round(score, DECIMALS)
    line = np.argsort(score, kind="stable") if strata is None else np.lexsort((score, strata))
    free = ~treated[line]
    rows = line[free]  # the comparison cases, as they stand in line
    place = np.empty(len(score), dtype=np.int64)
    place[line] = np.cumsum(free)  # how many comparison cases stand before a programme case
    cases = np.flatnonzero(treated)
    first, last = np.zeros(len(cases), dtype=np.int64), np.full(len(cases), len(rows))
    if strata is not None:
        first = np.searchsorted(strata[rows], strata[cases], side="left")
        last = np.searchsorted(strata[rows], strata[cases], side="right")
    persons = range(len(rows)) if units is None else units[rows].tolist()
    own = None if units is None else units[cases].tolist()
    near = _reach(score[cases], score[rows], place[cases], first, last)
    pool: _Line | _Space
    if space is None:
        pool = _Line(score[cases], score[rows], place[cases], first, last, persons)
    else:
        first, last = _windows(score[cases], score[rows], first, last, caliper)
        pool = _Space(space[cases], space[rows], rows, first, last, persons)
        caliper = math.inf  # the windows hold it
    if order == "closest" and not replace:
        found = _closest_first(pool, len(cases), ratio, caliper, own)
    else:
        turns = _turns(order, score[cases], rng)
        found = _in_turn(pool, turns, ratio, caliper, own, replace=replace)
    counts = np.fromiter(map(len, found), dtype=np.int64, count=len(found))
    left = counts == 0
    limit = caliper if space is None else math.inf
    alone = left & ~np.isfinite(near)
    far = left & ~alone & ((near > limit) | (first == last))
    chosen = [pick for picks in found for pick in picks]
    return Pairs(
        treated=np.repeat(cases, counts),
        comparison=rows[[position for _, position in chosen]],
        distance=np.array([distance for distance, _ in chosen], dtype=float),
        alone=int(alone.sum()),
        far=int(far.sum()),
        used=int((left & ~alone & ~far).sum()),
    )


def check_ties(score: Array, treated: Flags, pairs: Pairs, strata: Codes | None) -> Check:
    """Count those taken in whose place another with the same score could have been taken.

    Parameters
    ----------
    score, treated, strata
        As in `match`.
    pairs : Pairs
        From it.

    Returns
    -------
    Check
        ``ties``: fails where there is anybody; ``statistic`` counts the comparison cases taken
        of which this is so.
    """
    other = ~treated
    line = pd.DataFrame({"score": np.round(score, DECIMALS)[other], "taken": False})
    line["stratum"] = 0 if strata is None else strata[other]
    taken = np.zeros(len(score), dtype=bool)
    taken[pairs.comparison] = True
    line["taken"] = taken[other]
    alike = line.groupby(["stratum", "score"])["taken"]
    share = int((alike.transform("size") > 1).sum())
    open_ = line["taken"] & (alike.transform("sum") < alike.transform("size"))
    count = int(open_.sum())
    text = "No two comparison cases have the same score."
    if share:
        text = (
            f"{share:,} of {int(other.sum()):,} comparison cases share their score with another. "
        )
        text += (
            f"For {count:,} of the {int(taken.sum()):,} taken, one just like them was left who "
            "could have been taken instead; which of them is taken follows from the order of the "
            "rows alone, and another order gives another result."
            if count
            else "All who share one were taken, or none, so the order of the rows chooses nobody."
        )
    return Check(name="ties", passed=not count, statistic=count, text=text)


def _turns(order: str, score: Array, rng: np.random.Generator | None) -> list[int]:
    if rng is not None:
        turns = rng.permutation(len(score))
    elif order == "largest":
        turns = np.argsort(-score, kind="stable")
    elif order == "smallest":
        turns = np.argsort(score, kind="stable")
    else:
        turns = np.arange(len(score))
    return [int(case) for case in turns]


def _in_turn(
    pool: _Line | _Space,
    turns: Sequence[int],
    ratio: int,
    caliper: float,
    own: Sequence[int] | None,
    *,
    replace: bool,
) -> list[list[tuple[float, int]]]:
    """Give every case its first match, in turn, then every case its second, and so on."""
    found: list[list[tuple[float, int]]] = [[] for _ in turns]
    for already in range(ratio):
        for case in turns:
            picks = found[case]
            if len(picks) < already:
                continue  # it found nobody in the round before
            refused = () if own is None else (own[case],)
            if replace and picks:
                refused = (*refused, *(pool.persons[position] for _, position in picks))
            pick = pool.nearest(case, refused)
            if pick is None or pick[0] > caliper:
                continue
            picks.append(pick)
            if not replace:
                pool.take(pick[1])
    return found


def _closest_first(
    pool: _Line | _Space, cases: int, ratio: int, caliper: float, own: Sequence[int] | None
) -> list[list[tuple[float, int]]]:
    """Always make the closest pair that is left; of equally close ones the first in the table."""
    found: list[list[tuple[float, int]]] = [[] for _ in range(cases)]
    for already in range(ratio):
        heap = []
        for case in range(cases):
            if len(found[case]) == already:
                pick = pool.nearest(case, () if own is None else (own[case],))
                if pick is not None and pick[0] <= caliper:
                    heap.append((pick[0], case, pick[1]))
        heapq.heapify(heap)
        while heap:
            distance, case, position = heapq.heappop(heap)
            if pool.is_free(position):
                found[case].append((distance, position))
                pool.take(position)
                continue
            # Somebody else took that one: ask again; distances only grow as the pool empties.
            pick = pool.nearest(case, () if own is None else (own[case],))
            if pick is not None and pick[0] <= caliper:
                heapq.heappush(heap, (pick[0], case, pick[1]))
    return found


class _Line:
    """Comparison cases by score, of which the nearest free one is found by leaps."""

    def __init__(
        self,
        targets: Array,
        scores: Array,
        place: Codes,
        first: Codes,
        last: Codes,
        persons: Sequence[int],
    ) -> None:
        # Lists, since the walk takes one number at a time.
        self.targets, self.scores = targets.tolist(), scores.tolist()
        self.place, self.first, self.last = place.tolist(), first.tolist(), last.tolist()
        self.persons = persons
        self._rows_of = _rows_of(persons)
        # up[i] leads to the first free position from i on, and down[i] to the last one before
        # i; the ends, len(scores) and 0, stand for nobody.
        self._up = list(range(len(scores) + 1))
        self._down = list(range(len(scores) + 1))

    def nearest(self, case: int, refused: Collection[int]) -> tuple[float, int] | None:
        """Return distance and position of the nearest free case that is none of these persons."""
        target, first, last = self.targets[case], self.first[case], self.last[case]
        low = _root(self._down, self.place[case]) - 1
        high = _root(self._up, self.place[case])
        if refused:
            while low >= first and self.persons[low] in refused:
                low = _root(self._down, low) - 1
            while high < last and self.persons[high] in refused:
                high = _root(self._up, high + 1)
        below = target - self.scores[low] if low >= first else math.inf
        above = self.scores[high] - target if high < last else math.inf
        if below < above - _EQUAL:
            return below, low
        return (above, high) if above < math.inf else None

    def is_free(self, position: int) -> bool:
        return self._up[position] == position

    def take(self, position: int) -> None:
        """Use up the person who stands here, wherever else he stands."""
        for taken in self._rows_of.get(self.persons[position], (position,)):
            self._up[taken] = taken + 1
            self._down[taken + 1] = taken


class _Space:
    """Comparison cases as points; each search looks at all within the window of its case."""

    def __init__(
        self,
        targets: Array,
        points: Array,
        rows: Codes,
        first: Codes,
        last: Codes,
        persons: Sequence[int],
    ) -> None:
        self.targets, self.points, self.rows = targets, points, rows
        self.first, self.last, self.persons = first, last, persons
        self._rows_of = _rows_of(persons)
        self._who = np.asarray(persons)
        self._free = np.ones(len(points), dtype=bool)

    def nearest(self, case: int, refused: Collection[int]) -> tuple[float, int] | None:
        """Return distance and position of the nearest free case that is none of these persons.

        Of equally near ones it is the last in the table.
        """
        window = slice(self.first[case], self.last[case])
        wanted = self._free[window]
        for person in refused:
            wanted = wanted & (self._who[window] != person)
        positions = np.flatnonzero(wanted) + window.start
        if not len(positions):
            return None
        gaps = self.points[positions] - self.targets[case]
        squares = np.einsum("ij,ij->i", gaps, gaps)
        best = squares.min()
        tied = positions[squares == best]
        return math.sqrt(best), int(tied[np.argmax(self.rows[tied])])

    def is_free(self, position: int) -> bool:
        return bool(self._free[position])

    def take(self, position: int) -> None:
        """Use up the person who stands here, wherever else he stands."""
        for taken in self._rows_of.get(self.persons[position], (position,)):
            self._free[taken] = False


def _root(links: list[int], start: int) -> int:
    root = start
    while links[root] != root:
        root = links[root]
    while links[start] != root:
        links[start], start = root, links[start]
    return root


def _rows_of(persons: Sequence[int]) -> dict[int, list[int]]:
    """Return the positions of those who stand in line more than once."""
    found: dict[int, list[int]] = {}
    if not isinstance(persons, range):
        for position, person in enumerate(persons):
            found.setdefault(person, []).append(position)
    return {person: places for person, places in found.items() if len(places) > 1}


def _reach(targets: Array, scores: Array, place: Codes, first: Codes, last: Codes) -> Array:
    """Return the distance to the nearest comparison case of the stratum, taken or not."""
    padded = np.concatenate([scores, [np.nan]])
    below = np.where(place > first, targets - padded[place - 1], np.inf)
    above = np.where(place < last, padded[place] - targets, np.inf)
    return np.minimum(below, above)


def _windows(
    targets: Array, scores: Array, first: Codes, last: Codes, caliper: float
) -> tuple[Codes, Codes]:
    """Return the stretch of the line within the caliper of each case."""
    if not math.isfinite(caliper):
        return first, last
    low, high = first.copy(), last.copy()
    for case, (start, stop) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        section = scores[start:stop]
        low[case] += np.searchsorted(section, targets[case] - caliper, side="left")
        high[case] = start + np.searchsorted(section, targets[case] + caliper, side="right")
    return low, high


def whitened(matrix: Array, treated: Flags) -> Array:
    """Return the covariates so scaled that Euclidean distances are Mahalanobis distances.

    The covariance is that within the arms, pooled: d² = (x − y)′ S⁻¹ (x − y).
    """
    within = matrix - np.where(
        treated[:, None], matrix[treated].mean(axis=0), matrix[~treated].mean(axis=0)
    )
    spread = within.T @ within / (len(matrix) - 2)
    root = np.linalg.cholesky(spread)
    return np.asarray(linalg.solve_triangular(root, matrix.T, lower=True).T)


# Arguments


def refuse_arguments(
    *,
    ratio: int,
    replace: bool,
    caliper_sd: float | None,
    caliper_scale: str,
    order: str,
    distance: str,
    rng: np.random.Generator | None,
) -> None:
    """Refuse what nearest-neighbour matching cannot be asked for."""
    for name, value, known in (
        ("order", order, tuple(ORDERS)),
        ("caliper_scale", caliper_scale, tuple(SCALES)),
        ("distance", distance, DISTANCES),
    ):
        if not isinstance(value, str) or value not in known:
            raise DesignError(f'no {name} "{value}".{did_you_mean(str(value), known)}')
    _arguments.flag(replace, "replace")
    _arguments.count(ratio, "ratio")
    if caliper_sd is not None and not (_arguments.is_number(caliper_sd) and caliper_sd > 0):
        raise DesignError(
            "caliper_sd must be a number of standard deviations above 0, or None for no caliper."
        )
    if order == "random" and not isinstance(rng, np.random.Generator):
        raise DesignError(
            'order="random" needs rng, a NumPy generator with a seed that is written down, e.g. '
            "rng=np.random.default_rng(7)."
        )
    if order != "random" and rng is not None:
        raise DesignError(f'rng has no use with order="{order}"; leave it out.')


def refuse_repeated_labels(table: pd.DataFrame) -> None:
    """Refuse a table whose rows cannot be told apart in the list of pairs."""
    if not table.index.is_unique:
        raise DataError(
            f"{int(table.index.duplicated().sum())} of {len(table)} rows repeat the index label "
            "of another, so pairs could not be named. Use table.reset_index(drop=True)."
        )


def strata_of(table: pd.DataFrame, names: Sequence[str]) -> Codes | None:
    """Return one code for each combination of the columns on which pairs must agree."""
    codes: Codes | None = None
    for name in names:
        own, levels = pd.factorize(column(table, name, "exact"))
        joint = own if codes is None else pd.factorize(codes * len(levels) + own)[0]
        codes = np.asarray(joint, dtype=np.int64)
    return codes


def spread_of(score: Array) -> float:
    """Return the standard deviation of a score over all rows."""
    spread = float(score.std(ddof=1))
    if spread < 10.0**-DECIMALS:
        raise DesignError(
            "the propensity score is the same for everybody: the covariates do not tell the "
            "groups apart, so that there is nothing to match on."
        )
    return spread


def warn_of_small_pool(treated: Flags, units: Codes | None) -> None:
    """Warn where some programme cases must go without, whatever the scores are."""
    cases = int(treated.sum())
    pool = int((~treated).sum()) if units is None else len(np.unique(units[~treated]))
    if pool < cases:
        who = "cases" if units is None else "persons"
        warnings.warn(
            f"there are {pool:,} comparison {who} for {cases:,} programme cases, so at least "
            f"{cases - pool:,} of these have no match without replacement and the effect is that "
            "on the others (atm). Use replace=True or weights to keep them all.",
            DesignWarning,
            stacklevel=3,
        )


# Words


def reasons(pairs: Pairs, exact: Sequence[str], *, caliper: bool, unit: str | None) -> str:
    """Say why programme cases have no match: ``"Of these, …"``; empty where all have one.

    `unit` is named only where a person has several rows.
    """
    agree = f" that agrees on {', '.join(exact)}" if exact else ""
    reach = " within the caliper" if caliper else agree.replace("agrees", "agree")
    taken = f"all comparison cases{reach} were already matched to others"
    if unit:
        taken += f' or are rows of the same "{unit}"'
    parts = (
        (pairs.alone, f"{pairs.alone:,} had no comparison case{agree}"),
        (pairs.far, f"{pairs.far:,} had no comparison case within the caliper"),
        (pairs.used, f"for {pairs.used:,} {taken}"),
    )
    said = "; ".join(why for count, why in parts if count)
    return f"Of these, {said}." if said else ""


def refuse_no_match(
    pairs: Pairs, exact: Sequence[str], *, cases: int, caliper: bool, unit: str | None
) -> None:
    """Refuse a match that found nobody."""
    if len(pairs.treated):
        return
    raise DesignError(
        f"none of the {cases:,} programme cases found a match. "
        f"{reasons(pairs, exact, caliper=caliper, unit=unit)} "
        "Widen the caliper or drop it, agree on fewer columns, or find a comparison group that "
        "is more alike."
    )


def sentences(
    *,
    score: Score,
    covariates: str | Sequence[str],
    ratio: int,
    replace: bool,
    caliper_sd: float | None,
    caliper_scale: str,
    width: float,
    exact: Sequence[str],
    order: str,
    unit: str | None,
    distance: str,
) -> tuple[str, ...]:
    """Return what was done, as a methods section says it."""
    scale = SCALES[caliper_scale]
    many = "one comparison case" if ratio == 1 else f"up to {ratio} comparison cases"
    on = f"the {scale}" if distance == "score" else "the Mahalanobis distance of the covariates"
    turn = "" if replace else f"; {ORDERS[order]}"
    if ratio > 1 and not replace:
        turn += ", and nobody chose again before all had chosen"
    said = [
        f"Each programme case was matched to {many} by nearest neighbour on {on}, "
        f"{'with' if replace else 'without'} replacement{turn}."
    ]
    said.append(score_sentence(covariates, score.design.references))
    if caliper_sd is None:
        said.append("No caliper was set: a match may be far away.")
    else:
        said.append(
            f"Matches lie within a caliper of {caliper_sd:g} standard deviations of the {scale} "
            f"over all cases, a width of {width:.4g}."
        )
    if exact:
        said.append(f"Matched cases agree on {', '.join(exact)}.")
    if unit:
        said.append(
            f"No comparison {unit} was used more than once{' in a set' if replace else ''}, "
            f"and no case was matched to a row of its own {unit}."
        )
    return tuple(said)


def counted(*, pairs: Pairs, score: Score, ratio: int, overlap: Check) -> tuple[str, ...]:
    """Return what was found on the way, in sentences that hold counts of cases."""
    said = []
    if ratio > 1:
        sizes = np.unique(np.unique(pairs.treated, return_counts=True)[1], return_counts=True)
        listed = ", ".join(f"{count:,} with {size}" for size, count in zip(*sizes, strict=True))
        said.append(f"Sets by their number of comparison cases: {listed}.")
    middle = np.median(score.probability[score.treated])
    upper = score.probability >= middle
    own, pool = int((upper & score.treated).sum()), int((upper & ~score.treated).sum())
    said.append(
        f"{own:,} programme {'case has' if own == 1 else 'cases have'} a propensity score of at "
        f"least the programme's median; {'only ' if pool < own else ''}{pool:,} comparison "
        f"{'case does' if pool == 1 else 'cases do'}."
    )
    if overlap.passed and overlap.statistic:  # one that failed is said with the checks
        said.append(overlap.text)
    return tuple(said)


def matched_rows(
    table: pd.DataFrame, pairs: Pairs, weights: Array, *, replace: bool
) -> pd.DataFrame:
    """Return the rows that were kept, with their weight and the number of their set.

    Sets are numbered from 1 in the order of programme rows; with replacement there are none.
    """
    sets = np.zeros(len(table), dtype=np.int64)
    if not replace:
        numbers = np.cumsum(np.diff(pairs.treated, prepend=-1) != 0)
        sets[pairs.treated] = numbers
        sets[pairs.comparison] = numbers
    kept = weights > 0
    column = pd.array(sets[kept], dtype="Int64")
    if replace:
        column[:] = pd.NA
    return table.loc[kept].assign(weight=weights[kept], matched_set=column)


def pairs_table(pairs: Pairs, index: pd.Index[Any]) -> pd.DataFrame:
    """Return the pairs by index label."""
    return pd.DataFrame(
        {
            "treated": index[pairs.treated],
            "comparison": index[pairs.comparison],
            "distance": pairs.distance,
        }
    )
