"""How much less a clustered sample says than as many independent rows.

The design effect of a statistic is its variance with rows of one cluster kept together,
divided by its variance with every row on its own (Rao and Scott 1981 divide counts by it).
It belongs to the statistic, not to the sample: the change within people and the prevalence
at intake of the same rows have different ones.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
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
        Degrees of freedom of the t quantile: effective clusters − 1, or 1 if that is less;
        None for the normal quantile. Below 1, no interval exists.
    clusters : int or None
        Clusters that hold a row of the domain; None when rows are independent.
    worth : float or None
        Effective clusters: how many equal ones say as much.
    bound : bool
        True when the variance could not be estimated and full dependence was assumed.
    raised : bool
        True when rows of one cluster differed more than rows of different ones, and the
        design effect was set to 1.
    """

    size: float = 1.0
    df: float | None = None
    clusters: int | None = None
    worth: float | None = None
    bound: bool = False
    raised: bool = False

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
        text = f"{measure}: {number(self.clusters, self.worth)}, design effect {self.size:.4g}"
        if self.bound:
            return (
                f"{text}; nothing varies, so rows of one cluster were taken to be copies of each "
                "other."
            )
        if self.raised:
            return (
                f"{text}, its least: rows of one cluster differ more than rows of different "
                "clusters, which may be chance."
            )
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

    Notes
    -----
    Never below 1: a variance from few clusters that came out small by chance, or because
    clusters happen to be alike, would make rows worth more than independent ones.
    """
    if domain is not None:
        residuals, groups = residuals[domain], groups[domain]
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    n, count = len(residuals), len(sizes)
    if n == 0:
        return Effect(df=0, clusters=0, worth=0.0)
    found = Effect(df=freedom(sizes), clusters=count, worth=equal_clusters(sizes))
    if count == n:  # a cluster a row: exactly 1, whatever rounding says
        return found
    if exposed is not None and exposed.any():
        sizes = np.unique(groups[exposed], return_counts=True)[1]
    copies = float((sizes**2).sum() / sizes.sum())
    if count == 1:
        return replace(found, size=copies, bound=True)
    apart = n / (n - 1) * float((residuals**2).sum())
    if apart <= _NOTHING * n:
        return replace(found, size=copies, bound=True)
    together = count / (count - 1) * float((np.bincount(codes, weights=residuals) ** 2).sum())
    # Rounding below 1 is no news: copies of nothing but themselves come out at 1 exactly.
    size = together / apart
    return replace(found, size=max(size, 1.0), raised=size < 1 - _NOTHING)


def equal_clusters(sizes: Codes) -> float:
    """Return how many equal clusters say as much as these (Kish): (Σm)²/Σm²."""
    return float(int(sizes.sum()) ** 2 / int((sizes**2).sum()))


def freedom(sizes: Codes) -> float:
    """Return the degrees of freedom of t: effective clusters − 1, at least 1; 0 for one cluster.

    One large cluster makes most of the variance, and its square has few degrees of freedom
    however many small ones stand beside it.
    """
    return max(equal_clusters(sizes) - 1, 1.0) if len(sizes) > 1 else 0.0


def number(count: int | None, worth: float | None) -> str:
    """Say how many clusters there are, and what they are worth if that is less."""
    said = "1 cluster" if count == 1 else f"{count} clusters"
    if worth is None or count is None or worth > count - 0.05:
        return said
    return f"{said} of unequal size, worth {worth:.1f} equal ones"


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
    groups = _regression.clusters(table, cluster)
    sizes = np.bincount(groups)
    count, worth, df = len(sizes), equal_clusters(sizes), freedom(sizes)
    said = number(count, worth)
    outlook = "there is no interval"
    if df > 0:
        outlook = f"the intervals use t with {round(df, 1):g} degrees of freedom"
    if worth < fewest:
        warnings.warn(
            f'{said} in "{cluster}": {outlook}; fewer than {fewest} equal ones make them '
            "approximate.",
            DesignWarning,
            stacklevel=3,
        )
    return groups, Check(
        name="clusters",
        passed=worth >= fewest,
        statistic=worth,
        threshold=fewest,
        outcome=labels["outcome"],
        group=labels["group"],
        text=f"{said}; with fewer than {fewest} equal ones the intervals are approximate.",
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
