"""Two margins, and nobody says who stopped and who began: the interval over every pairing.

Sources print how many showed a behaviour before and after, or by what percentage they became
fewer. The interval also depends on how many are the same people, which is hardly ever printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.models import _intervals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

__all__ = ["Limits", "OverPairings", "over_pairings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one measure: how far they reach over the pairings, and the narrowest."""

    low: float
    high: float
    narrow_low: float
    narrow_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OverPairings:
    """What the margins leave open.

    Attributes
    ----------
    ratio : Limits or None
        Of the share after over the share before, Tang/Nam score; None if nobody before.
    difference : Limits or None
        Of the share after minus the share before, Tango score; None if the number of people
        is not known, on which it depends and the ratio does not.
    p_low, p_high : float
        McNemar's mid-P.
    pairings : int
        How many were tried.
    """

    ratio: Limits | None
    difference: Limits | None
    p_low: float
    p_high: float
    pairings: int


def over_pairings(
    margins: Iterable[tuple[int, int]], *, n: int | None, conf_level: float = 0.95
) -> OverPairings:
    """Return the limits over every pairing of every pair of margins.

    Parameters
    ----------
    margins : iterable of (int, int)
        How many before and how many after; several where rounding leaves several.
    n : int or None
        People seen twice; None if not known: the ratio does not depend on who showed it at
        neither time.
    conf_level : float
    """
    counts = np.concatenate([_pairings(before, after, n) for before, after in margins])
    both, before_only, after_only, neither = (column.astype(float) for column in counts.T)
    cells: dict[str, Any] = {
        "both": both,
        "before_only": before_only,
        "after_only": after_only,
        "neither": neither,
    }
    p = _intervals.mcnemar_mid_p(before_only=before_only, after_only=after_only)
    users = both + before_only > 0
    return OverPairings(
        ratio=_limits(_intervals.nam_tang_ratio, cells, conf_level) if users.all() else None,
        difference=None if n is None else _limits(_intervals.tango_difference, cells, conf_level),
        p_low=float(np.min(p)),
        p_high=float(np.max(p)),
        pairings=len(counts),
    )


def _pairings(before: int, after: int, n: int | None) -> NDArray[np.int64]:
    """Return one row a pairing: both, before only, after only, neither."""
    least = 0 if n is None else max(0, before + after - n)
    both = np.arange(least, min(before, after) + 1)
    spare = 0 if n is None else n
    neither = np.maximum(spare - before - after + both, 0)
    return np.stack([both, before - both, after - both, neither], axis=1)


def _limits(
    interval: Callable[..., tuple[Any, Any]], cells: dict[str, Any], conf_level: float
) -> Limits:
    low, high = (np.atleast_1d(x) for x in interval(**cells, conf_level=conf_level))
    narrow = int(np.argmin(high - low))
    return Limits(
        low=float(low.min()),
        high=float(high.max()),
        narrow_low=float(low[narrow]),
        narrow_high=float(high[narrow]),
    )
