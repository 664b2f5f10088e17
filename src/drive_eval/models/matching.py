"""Who is comparable with whom: propensity scores, matching, weighting and balance.

Nothing in this file takes an outcome. Whoever has a `Matched` or `Weighted` in hand has
finished designing the comparison, and may look at outcomes next.
"""

from __future__ import annotations

__all__: list[str] = []
