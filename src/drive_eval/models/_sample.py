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
from drive_eval.models._design import Matched, Weighted
from drive_eval.models._regression import arms, clusters, column, flags, numbers
from drive_eval.results import Check

if TYPE_CHECKING:
    from drive_eval.models._regression import Array, Codes, Flags
    from drive_eval.models._weights import Weights
    from drive_eval.vocabulary import Estimand

Data: TypeAlias = "pd.DataFrame | Matched | Weighted"
Missing: TypeAlias = Literal["refuse", "drop"]
Spread: TypeAlias = Literal["sets", "stacked", "HC0", "HC1", "HC2", "HC3"]

_HC = ("HC0", "HC1", "HC2", "HC3")
FEW_AREAS = 10  # below this, allocation by area leaves no sandwich to trust
_FEW_STRATA, _FEW_STRATA_ADJUSTED = 3, 40  # equal strata, without and with covariates
NAME_THE_ARMS = 'a table does not say who was in the programme: name the column, treated="…".'
#: What each kind of data offers for its variance; a design's own default comes first.
OFFERED = {"table": _HC, "matched": ("sets", *_HC), "weighted": ("stacked", *_HC)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How the weights were estimated, for all rows they were estimated from.

    Attributes
    ----------
    influence, slopes, target_slopes
        As in `Weighted`.
    rows : array of int
        Where the rows of the sample stand among them.
    """

    influence: Array
    slopes: Array
    target_slopes: Array | None
    rows: Codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The rows that a contrast uses, and what each counts.

    Attributes
    ----------
    kind : {'table', 'matched', 'weighted'}
    table : DataFrame
        The rows used.
    y : array
        The outcome; 0 and 1 if it is one of true and false.
    binary : bool
        Whether it is.
    t : array of bool
        In the programme.
    weight, target : array
        Weight in the arm's average; how much each row counts in the population.
    estimand : str
    cov : str
        How the variance is made; ``"clusters"`` where clusters take the place of it.
    groups : tuple of array
        None, one or two clusterings of the rows that contribute to the variance: the rows
        used or, with a `stage`, all rows of it.
    areas : array or None
        The cluster that the user named, of the rows used.
    cluster : str
        Its column.
    stage : Stage or None
    persons : array of int
        Tells rows apart that stand for the same case.
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
    adjusted: bool = False,
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
    adjusted : bool
        Whether the outcome will be regressed on covariates.
    made, estimand
        Weights that were made from a table, and for whom.
    """
    if missing not in get_args(Missing):
        raise DesignError(
            f'missing="{missing}" is not known: "refuse" rows without an outcome, or "drop" them.'
            f"{did_you_mean(str(missing), get_args(Missing))}"
        )
    kind = _kind(data)
    arm = _treated(data, treated)
    few_strata = _few_strata(data, adjusted) if cov is None else ()
    how = _variance(
        data, kind, "HC3" if few_strata else cov, cluster, default, chosen=bool(few_strata)
    )
    table, weight, target, sets, persons = _rows(data, arm, how)
    source = data if isinstance(data, Weighted) and how == "stacked" else made
    if made is not None:
        weight, target, how = made.weight, made.target, "stacked"
    used = np.flatnonzero((weight > 0) | (target > 0))
    t = arms(table, arm, "treated")
    kept, checks = _with_outcome(table, used, t, outcome, missing)
    empty = " and has an outcome" if len(kept) < len(used) else ""
    for nobody, group in ((not t[kept].any(), "programme"), (t[kept].all(), "comparison")):
        if nobody:
            raise DesignError(f'nobody is in the {group} group{empty} (column "{arm}").')
    rows = table if len(kept) == len(table) else table.iloc[kept]
    if binary:
        y, two = flags(rows, outcome, "outcome").astype(float), True
    else:
        y, two = numbers(rows, outcome, "outcome")
    stage = None
    if source is not None:
        stage = Stage(
            influence=source.influence,
            slopes=source.slopes,
            target_slopes=source.target_slopes,
            rows=kept,
        )
    areas = named = None
    if cluster is not None:
        named = clusters(table if stage is not None else rows, cluster)
        areas = named if stage is None else _recode(named[kept])
    grouped = [] if sets is None else [_recode(sets[kept])]
    if named is not None:
        grouped.append(named)
    elif sets is not None and len(persons) > len(np.unique(persons)):
        grouped.append(_recode(persons[kept]))  # a case that serves several sets
    return Sample(
        kind=kind,
        table=rows,
        y=y,
        binary=two,
        t=t[kept],
        weight=weight[kept],
        target=target[kept],
        estimand=estimand if isinstance(data, pd.DataFrame) else data.estimand,
        cov=how,
        groups=tuple(grouped),
        areas=areas,
        cluster=cluster or "",
        stage=stage,
        persons=_recode(persons[kept]),
        checks=(*few_strata, *checks),
    )


def _few_strata(data: Data, adjusted: bool) -> tuple[Check, ...]:
    """Tell whether matched sets are strata, and too few of them to sum squares over.

    In strata the covariates of the outcome model explain most of what a whole stratum's sum
    is made of, so that sums are far too small; simulated errors were 0.57 of the true ones with
    4 strata, 0.85 with 12, 0.91 with 24 and 0.97 with 60, and those of HC3 1.03 to 1.05.
    """
    if not isinstance(data, Matched) or data.variance != "sets":
        return ()
    table = data.table
    if "matched_set" not in table or table["matched_set"].isna().any():
        return ()
    sets = clusters(table, "matched_set", "matched set")
    programme = np.bincount(sets, weights=arms(table, data.treated, "treated"))
    if programme.max() < 2:
        return ()
    weight = np.bincount(sets, weights=column(table, "weight", "weight").to_numpy(dtype=float))
    worth = float(weight.sum() ** 2 / (weight @ weight))
    fewest = _FEW_STRATA_ADJUSTED if adjusted else _FEW_STRATA
    if worth >= fewest:
        return ()
    text = (
        f"{len(weight)} strata, worth {worth:.1f} equal ones, are too few to sum squares over"
        f"{' beside covariates' if adjusted else ''}, so rows are taken to be independent of each "
        'other within strata (HC3). cov="sets" sums over strata all the same.'
    )
    return (Check(name="few_strata", statistic=worth, threshold=fewest, text=text),)


def _kind(data: Data) -> Literal["table", "matched", "weighted"]:
    if isinstance(data, Matched):
        return "matched"
    if isinstance(data, Weighted):
        return "weighted"
    if not isinstance(data, pd.DataFrame):
        raise DataError(
            "a table (pandas DataFrame), a Matched or a Weighted is needed, not a "
            f"{type(data).__name__}."
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


def _with_outcome(
    table: pd.DataFrame, used: Codes, t: Flags, outcome: str, missing: Missing
) -> tuple[Codes, tuple[Check, ...]]:
    """Return the rows with an outcome, and say how many have none."""
    if missing == "refuse" or outcome not in table.columns:
        return used, ()
    there = table[outcome].notna().to_numpy()[used]
    kept = used[there]
    said = []
    for group, arm in (("programme", t), ("comparison", ~t)):
        inside = arm[used]
        said.append(f"{int((inside & ~there).sum()):,} of {int(inside.sum()):,} {group} cases")
    lost = int((~there).sum())
    text = f"The outcome is unknown for {' and '.join(said)}"
    text += "; they are left out, and the others of their arm stand for them." if lost else "."
    return kept, (
        Check(
            name="missing_outcome",
            passed=None if lost else True,
            statistic=float(lost),
            text=text,
        ),
    )


def _recode(codes: Codes) -> Codes:
    """Return codes without gaps."""
    return np.asarray(pd.factorize(codes)[0], dtype=np.int64)


def whole(t: Flags, groups: Codes) -> bool:
    """Tell whether every cluster lies in one arm."""
    share = np.bincount(groups, weights=t) / np.bincount(groups)
    return bool(np.isin(share, [0.0, 1.0]).all())


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
