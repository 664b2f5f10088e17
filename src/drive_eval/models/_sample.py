"""Who is compared in a contrast: the rows, weights and clusters of a table or of a design.

A table counts everybody once, a `Matched` has weights and sets, a `Weighted` has weights that
were estimated from all of its rows. Here they become one thing, a `Sample`, and everything
that an outcome can spoil (a blank, an arm without anybody) is refused or said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from drive_eval.errors import DataError, DesignError, did_you_mean
from drive_eval.models._arguments import kind_of
from drive_eval.models._design import Matched, Weighted
from drive_eval.models._regression import (
    arms,
    clusters,
    column,
    covariate_table,
    flags,
    numbers,
)
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.models._regression import Array, Codes, Flags
    from drive_eval.models._weights import Weights
    from drive_eval.vocabulary import Estimand

Data: TypeAlias = "pd.DataFrame | Matched | Weighted"
Missing: TypeAlias = Literal["refuse", "drop"]
Spread: TypeAlias = Literal["sets", "stacked", "HC0", "HC1", "HC2", "HC3"]

_HC = ("HC0", "HC1", "HC2", "HC3")
# Below so many clusters that were allocated whole, or so many in an arm, no sandwich is trusted.
FEW_AREAS, FEW_AREAS_IN_ARM = 10, 5
# Equal strata: below the first number rows are taken to be independent, below the second a Check
# fails. Without covariates sums over three strata and more do well.
_FEW_STRATA, _FEW_STRATA_ADJUSTED = (3.0, 3.0), (10.0, 40.0)
NAME_THE_ARMS = 'a table does not say who was in the programme: name the column, treated="…".'
#: What each kind of data offers for its variance; a design's own default comes first.
OFFERED = {"table": _HC, "matched": ("sets", *_HC), "weighted": ("stacked", *_HC)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How the weights were estimated, row by row of the sample.

    Attributes
    ----------
    influence, slopes, target_slopes
        As in `Weighted`.
    """

    influence: Array
    slopes: Array
    target_slopes: Array | None

    def tilting(self, arm: Flags) -> int:
        """Return how many parameters made the weights of these rows what they are."""
        return int(self.slopes[arm].any(axis=0).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The rows that a contrast uses, and what each counts.

    Attributes
    ----------
    kind : {'table', 'matched', 'weighted'}
    table : DataFrame
        The rows used: all who belong to the population or to an arm's average.
    y : array
        The outcome; 0 and 1 if it is one of true and false; 0 where it is not known.
    binary : bool
        Whether it is.
    t : array of bool
        In the programme.
    weight, target : array
        Weight in the arm's average, 0 where the outcome is not known; how much each row
        counts in the population, known or not.
    estimand : str
    cov : str
        How the variance is made; ``"clusters"`` where clusters take the place of it.
    groups : tuple of array
        None, one or two clusterings of the rows.
    areas : array or None
        The cluster that the user named.
    cluster : str
        Its column.
    stage : Stage or None
    persons : array of int
        Tells rows apart that stand for the same case.
    lost : int
        Rows without an outcome that were dropped.
    checks : tuple of Check
    """

    kind: Literal["table", "matched", "weighted"]
    table: pd.DataFrame
    y: Array
    binary: bool
    t: Flags
    weight: Array
    target: Array
    estimand: Estimand
    cov: str
    groups: tuple[Codes, ...] = ()
    areas: Codes | None = None
    cluster: str = ""
    stage: Stage | None = None
    persons: Codes = field(repr=False)
    lost: int = 0
    checks: tuple[Check, ...] = ()

    def counts(self) -> tuple[int, int, int, int]:
        """Return events and cases of the programme, then of the comparison, as observed."""
        first = np.unique(self.persons, return_index=True)[1]
        first = first[self.weight[first] > 0]
        y, t = self.y[first], self.t[first]
        return int(y[t].sum()), int(t.sum()), int(y[~t].sum()), int((~t).sum())

    def worth(self) -> tuple[float, float]:
        """Return how many equally weighted cases each arm is worth (Kish)."""
        weight = np.bincount(self.persons, weights=self.weight)
        t = np.zeros(len(weight), dtype=bool)
        t[self.persons] = self.t
        found = [float(w.sum() ** 2 / (w @ w)) for w in (weight[t], weight[~t])]
        return found[0], found[1]


def read(
    data: Data,
    *,
    outcome: str,
    treated: str | None,
    cluster: str | None = None,
    cov: str | None = None,
    default: str = "HC1",
    missing: Missing = "refuse",
    binary: bool = True,
    covariates: str | Sequence[str] | None = None,
    made: Weights | None = None,
    estimand: Estimand = "ate",
) -> Sample:
    """Turn a table, a match or a weighting into the rows that a contrast uses.

    Parameters
    ----------
    data : DataFrame, Matched or Weighted
    outcome, treated, cluster
        Columns; `treated` may be left out for a design.
    cov : str, optional
        One of `OFFERED`.
    default : str
        The variance of a table.
    missing : {'refuse', 'drop'}
        What becomes of rows without an outcome.
    binary : bool
        Whether the outcome must be true and false.
    covariates : str or sequence of str, optional
        Of the outcome model.
    made, estimand
        Weights that were made from a table, and for whom.

    Notes
    -----
    A row whose outcome is not known has no weight in its arm's average. With covariates it
    stays in the population that is averaged over: left out of it too, the population would
    tilt towards the arm that lost fewer.
    """
    if missing not in get_args(Missing):
        raise DesignError(
            f'missing="{missing}" is not known: "refuse" rows without an outcome, or "drop" them.'
            f"{did_you_mean(str(missing), get_args(Missing))}"
        )
    kind = _kind(data)
    arm = _treated(data, treated)
    adjusted = made is not None or (covariates is not None and len(covariates) > 0)
    few_strata, alone = _few_strata(data, adjusted) if cov is None else ((), False)
    how = _variance(data, kind, "HC3" if alone else cov, cluster, default, chosen=alone)
    table, weight, target, sets, persons = _rows(data, arm, how)
    source = data if isinstance(data, Weighted) and how == "stacked" else made
    if made is not None:
        weight, target, how = made.weight, made.target, "stacked"
    counts = (weight > 0) | (target > 0)
    if source is not None:
        counts |= source.influence.any(axis=1)
    t = arms(table, arm, "treated")
    there = np.ones(len(table), dtype=bool)
    if missing == "drop" and outcome in table.columns:
        there = table[outcome].notna().to_numpy()
    for nobody, group in ((t, "programme"), (~t, "comparison")):
        if not (nobody & there & counts).any():
            empty = " and has an outcome" if not there[counts].all() else ""
            raise DesignError(f'nobody is in the {group} group{empty} (column "{arm}").')
    checks: tuple[Check, ...] = ()
    if missing == "drop" and outcome in table.columns:
        blank = np.zeros(len(table), dtype=bool)
        if covariates is not None and len(covariates) > 0:
            blank = ~there & ~_complete(table, there & counts, covariates)
        checks = (_missing(t[counts], there[counts], blank[counts], kind, adjusted),)
        # Nobody averages over rows without an outcome if there is no model to foretell it; their
        # part in estimating weights stays.
        counts &= ~blank if adjusted or source is not None else there
    kept = np.flatnonzero(counts)
    rows = table if len(kept) == len(table) else table.iloc[kept]
    known = there[kept]
    y, two = np.zeros(len(rows)), True
    told = rows if known.all() else rows[known]
    if binary:
        y[known] = flags(told, outcome, "outcome")
    else:
        y[known], two = numbers(told, outcome, "outcome")
    stage = None
    if source is not None:
        slopes = source.target_slopes
        stage = Stage(
            influence=source.influence[kept],
            slopes=source.slopes[kept],
            target_slopes=None if slopes is None else slopes[kept],
        )
    areas = None if cluster is None else clusters(rows, cluster)
    grouped = [] if sets is None else [_recode(sets[kept])]
    if areas is not None:
        grouped.append(areas)
    elif sets is not None and len(persons) > len(np.unique(persons)):
        grouped.append(_recode(persons[kept]))  # a case that serves several sets
    return Sample(
        kind=kind,
        table=rows,
        y=y,
        binary=two,
        t=t[kept],
        weight=np.where(known, weight[kept], 0.0),
        target=target[kept],
        estimand=estimand if isinstance(data, pd.DataFrame) else data.estimand,
        cov=how,
        groups=tuple(grouped),
        areas=areas,
        cluster=cluster or "",
        stage=stage,
        persons=_recode(persons[kept]),
        lost=int((~known).sum()),
        checks=(*few_strata, *checks),
    )


def _complete(table: pd.DataFrame, there: Flags, covariates: str | Sequence[str]) -> Flags:
    """Tell which rows have all covariates; that those with an outcome have is required."""
    used = covariate_table(table[there], covariates)[1].columns
    return np.asarray(table[list(used)].notna().all(axis=1))


def _few_strata(data: Data, adjusted: bool) -> tuple[tuple[Check, ...], bool]:
    """Tell whether matched sets are strata and few, and whether rows are taken to be independent.

    In strata the covariates of the outcome model explain most of what a whole stratum's sum
    is made of, so that sums are too small; simulated errors were 0.57 of the true ones with
    4 strata, 0.85 with 12, 0.91 with 24 and 0.97 with 60, and those of HC3 1.03 to 1.05.
    """
    if not isinstance(data, Matched) or data.variance != "sets":
        return (), False
    table = data.table
    if "matched_set" not in table or table["matched_set"].isna().any():
        return (), False
    sets = clusters(table, "matched_set", "matched set")
    programme = np.bincount(sets, weights=arms(table, data.treated, "treated"))
    if programme.max() < 2:
        return (), False
    weight = np.bincount(sets, weights=column(table, "weight", "weight").to_numpy(dtype=float))
    worth = float(weight.sum() ** 2 / (weight @ weight))
    lowest, fewest = _FEW_STRATA_ADJUSTED if adjusted else _FEW_STRATA
    if worth >= fewest:
        return (), False
    beside = " beside covariates" if adjusted else ""
    text = f"{len(weight)} strata, worth {worth:.1f} equal ones, are "
    if worth < lowest:
        text += (
            f"too few to sum squares over{beside}, so rows are taken to be independent of each "
            'other within strata (HC3). cov="sets" sums over strata all the same.'
        )
        check = Check(name="few_strata", statistic=worth, threshold=lowest, text=text)
        return (check,), True
    text += (
        f"few to sum squares over{beside}: in simulations such standard errors were 0.85 of the "
        "true ones with 12 strata, 0.91 with 24 and 0.97 with 60, so that the interval may be too "
        'narrow. cov="HC3" is the careful choice (1.03 to 1.05 of the true ones).'
    )
    check = Check(name="few_strata", passed=False, statistic=worth, threshold=fewest, text=text)
    return (check,), False


def _kind(data: Data) -> Literal["table", "matched", "weighted"]:
    if isinstance(data, Matched):
        return "matched"
    if isinstance(data, Weighted):
        return "weighted"
    if not isinstance(data, pd.DataFrame):
        raise DataError(
            f"a table (pandas DataFrame), a Matched or a Weighted is needed, not a {kind_of(data)}."
        )
    return "table"


def _treated(data: Data, treated: str | None) -> str:
    if isinstance(data, pd.DataFrame):
        if treated is None:
            raise DesignError(NAME_THE_ARMS)
        return treated
    if treated is not None and treated != data.treated:
        raise DesignError(
            f'the design compares by column "{data.treated}", not by "{treated}"; leave treated '
            "out, or make the design anew."
        )
    return data.treated


def _variance(
    data: Data, kind: str, cov: str | None, cluster: str | None, default: str, *, chosen: bool
) -> str:
    """Return how the variance is made; clusters that the user names go before HC."""
    if cov is not None and cov not in OFFERED[kind]:
        name = {"table": "table"}.get(kind, f"{kind} comparison")
        raise DesignError(
            f'cov="{cov}" is not on offer for a {name}; there are {", ".join(OFFERED[kind])}.'
            f"{did_you_mean(str(cov), OFFERED[kind])}"
        )
    if cov in _HC and cluster is not None and not chosen:
        raise DesignError(
            f'cov="{cov}" takes rows to be independent, and cluster="{cluster}" says that they '
            "are not; give one of the two."
        )
    if isinstance(data, Matched):
        how = cov or data.variance
    elif isinstance(data, Weighted):
        how = cov or "stacked"
    else:
        how = cov or default
    return "clusters" if how in _HC and cluster is not None else how


def _rows(
    data: Data, treated: str, how: str
) -> tuple[pd.DataFrame, Array, Array, Codes | None, Codes]:
    """Return the rows, their weight, their target, their sets and whom they stand for."""
    if isinstance(data, pd.DataFrame):
        n = len(data)
        return data, np.ones(n), np.ones(n), None, np.arange(n)
    table = data.table
    weight = column(table, "weight", "weight").to_numpy(dtype=float)
    persons = np.arange(len(table))
    if isinstance(data, Weighted):
        return table, weight, data.target, None, persons
    sets = None
    if how == "sets":
        if "matched_set" in table and table["matched_set"].notna().all():
            sets = clusters(table, "matched_set", "matched set")
        elif data.pairs is not None:
            table, weight, sets, persons = _one_row_a_pair(data, data.pairs)
        else:
            raise DesignError(
                'this design has no matched sets, so cov="sets" does not exist; use "HC3".'
            )
    t = arms(table, treated, "treated")
    target = {"att": weight * t, "atm": weight * t, "atc": weight * ~t, "ato": weight}.get(
        data.estimand, np.ones(len(table))
    )
    return table, weight, target, sets, persons


def _one_row_a_pair(
    design: Matched, pairs: pd.DataFrame
) -> tuple[pd.DataFrame, Array, Codes, Codes]:
    """Return comparison cases as often as they serve, so that each row belongs to one set."""
    codes, programme = pd.factorize(pairs["treated"])
    size = np.bincount(codes)
    position = pd.Series(np.arange(len(design.table)), index=design.table.index)
    labels = [*programme, *pairs["comparison"]]
    rows = position.loc[labels].to_numpy()
    weight = np.concatenate([np.ones(len(programme)), 1 / size[codes]])
    sets = np.concatenate([np.arange(len(programme)), codes])
    return design.table.iloc[rows], weight, sets, rows


def _missing(t: Flags, there: Flags, blank: Flags, kind: str, adjusted: bool) -> Check:
    """Say how many have no outcome, what becomes of them, and what that supposes."""
    said = [
        f"{int((arm & ~there).sum()):,} of {int(arm.sum()):,} {group} cases"
        for group, arm in (("programme", t), ("comparison", ~t))
    ]
    lost = int((~there).sum())
    text = f"The outcome is unknown for {' and '.join(said)}"
    if not lost:
        text += "."
    elif adjusted:
        text += (
            "; they stay in the population that is averaged over, and the outcome model foretells "
            "theirs. That is right if, among cases of one arm that are alike in the covariates, "
            "those without an outcome are like those with one, and if the outcome model is right; "
            "weights can make up for a wrong one only if within each arm it is chance who has none."
        )
        if blank.any():
            text += (
                f" {int(blank.sum()):,} of them have not all covariates either, and were left out "
                "of that population."
            )
    else:
        text += (
            "; they are left out, and the others of their arm stand for them. That is right if "
            "within each arm it is chance who has no outcome"
        )
        text += "." if kind == "table" else "; the match or the weights are not made anew."
    return Check(
        name="missing_outcome", passed=None if lost else True, statistic=float(lost), text=text
    )


def _recode(codes: Codes) -> Codes:
    """Return codes without gaps."""
    return np.asarray(pd.factorize(codes)[0], dtype=np.int64)


def whole(t: Flags, groups: Codes) -> bool:
    """Tell whether every cluster lies in one arm."""
    share = np.bincount(groups, weights=t) / np.bincount(groups)
    return bool(np.isin(share, [0.0, 1.0]).all())


def allocated(t: Flags, groups: Codes) -> tuple[int, int]:
    """Return how many clusters hold cases of the programme, and of the comparison."""
    return len(np.unique(groups[t])), len(np.unique(groups[~t]))


def count_clusters(t: Flags, groups: Codes) -> int:
    """Return how many clusters there are; a few that were allocated whole are refused."""
    count = int(groups.max()) + 1
    if count < FEW_AREAS and whole(t, groups):
        raise DesignError(
            f"only {count} clusters were allocated, each as a whole. A cluster sandwich from "
            f"fewer than {FEW_AREAS} gives intervals that are far too narrow: compare "
            "the clusters' own rates (permutation of clusters), or describe the arms without a "
            "contrast."
        )
    return count
