"""How much less a clustered sample says than as many independent rows.

The design effect of a statistic is its variance with rows of one cluster kept together,
divided by its variance with every row on its own (Rao and Scott 1981 divide counts by it).
It belongs to the statistic, not to the sample: the change within people and the prevalence
at intake of the same rows have different ones.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import special

from drive_eval.errors import DesignError, DesignWarning
from drive_eval.models import _regression
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]

_NOTHING = 1e-12  # a variance this small beside its bound is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A design effect and what it rests on.

    Attributes
    ----------
    size : float
        Rows are worth ``1/size`` independent rows each.
    df : float or None
        Degrees of freedom of the t quantile; None for the normal one. Below 1, no interval
        exists.
    clusters : int or None
        Clusters that hold a row of the domain; None when rows are independent.
    bound : bool
        True when the variance could not be estimated and full dependence was assumed.
    """

    size: float = 1.0
    df: float | None = None
    clusters: int | None = None
    bound: bool = False

    @property
    def simple(self) -> bool:
        """True when rows are independent, so that exact tests of counts hold."""
        return self.size == 1.0 and self.df is None

    def critical(self, conf_level: float) -> float | None:
        """Return the two-sided quantile; None when a single cluster gives no variance."""
        if self.df is None:
            return float(special.ndtri(0.5 + conf_level / 2))
        return float(special.stdtrit(self.df, 0.5 + conf_level / 2)) if self.df >= 1 else None

    def p_value(self, z: float) -> float | None:
        """Return the two-sided P value of a statistic that already carries `size`."""
        if self.df is None:
            return float(2 * special.ndtr(-abs(z)))
        return float(2 * special.stdtr(self.df, -abs(z))) if self.df >= 1 else None

    def explain(self, measure: str) -> str:
        """Say what the design effect is and what it rests on; the measure stands first."""
        text = f"{measure}: {self.clusters} clusters, design effect {self.size:.4g}"
        if self.bound:
            return (
                f"{text}; nothing varies between them, so rows of one cluster were taken to be "
                "copies of each other."
            )
        if self.size < 1:
            return f"{text}; rows of one cluster differ more than rows of different clusters."
        return f"{text}."


def effect(
    residuals: Array,
    groups: Codes,
    *,
    domain: Flags | None = None,
    exposed: Flags | None = None,
) -> Effect:
    """Return the design effect of an estimate from the contributions of rows to it.

    Parameters
    ----------
    residuals : array
        Contribution of each row, summing to zero over the domain.
    groups : array of int
        Cluster of each row.
    domain : array of bool, optional
        Rows that the estimate is about; the others and their clusters do not count.
    exposed : array of bool, optional
        Rows that could have told something, whose cluster sizes make the bound when nothing
        varies; all rows when not given.
    """
    if domain is not None:
        residuals, groups = residuals[domain], groups[domain]
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    n, count = len(residuals), len(sizes)
    if n == 0:
        return Effect(df=0, clusters=0)
    if count == n:  # a cluster a row: exactly 1, whatever rounding says
        return Effect(size=1.0, df=count - 1, clusters=count)
    if exposed is not None and exposed.any():
        sizes = np.unique(groups[exposed], return_counts=True)[1]
    copies = float((sizes**2).sum() / sizes.sum())
    if count == 1:
        return Effect(size=copies, df=0, clusters=1, bound=True)
    together = count / (count - 1) * float((np.bincount(codes, weights=residuals) ** 2).sum())
    apart = n / (n - 1) * float((residuals**2).sum())
    if together <= _NOTHING * copies * max(apart, _NOTHING):
        return Effect(size=copies, df=count - 1, clusters=count, bound=True)
    return Effect(size=together / apart, df=count - 1, clusters=count)


def codes(table: pd.DataFrame, cluster: str) -> Codes:
    """Return the cluster of each row as 0, 1, 2, …; one cluster alone is refused."""
    found = _regression.clusters(table, cluster)
    if found.max() == 0:
        raise DesignError(
            f'all {len(found)} rows belong to one cluster in "{cluster}", so nothing shows how '
            "much clusters differ. Take a smaller unit as the cluster, or leave the cluster out."
        )
    return found


def read(
    table: pd.DataFrame, cluster: str, fewest: int, labels: Mapping[str, str]
) -> tuple[Codes, Check]:
    """Return the cluster of each row, and whether there are enough for a normal-like t."""
    groups = codes(table, cluster)
    count = int(groups.max()) + 1
    text = f"{count} clusters; with fewer than {fewest} the intervals are approximate."
    if count < fewest:
        warnings.warn(
            f'{count} clusters in "{cluster}": the intervals use t with {count - 1} degrees of '
            f"freedom and are approximate with fewer than {fewest}.",
            DesignWarning,
            stacklevel=3,
        )
    return groups, Check(
        name="clusters",
        passed=count >= fewest,
        statistic=count,
        threshold=fewest,
        outcome=labels["outcome"],
        group=labels["group"],
        text=text,
    )


def checks(effects: Mapping[str, Effect], labels: Mapping[str, str]) -> list[Check]:
    """Return one Check a measure, from which the same intervals can be made of other counts."""
    return [
        Check(
            name="design_effect",
            statistic=found.size,
            df=found.df,
            outcome=labels["outcome"],
            group=labels["group"],
            text=found.explain(measure),
        )
        for measure, found in effects.items()
    ]
