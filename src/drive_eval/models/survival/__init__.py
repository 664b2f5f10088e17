"""How soon, how often, how long free? Curves, restricted means, hazards and repeats.

`kaplan_meier`, `restricted_mean`, `cumulative_incidence` and `mean_cumulative_count` describe
groups and subtract them, `log_rank` tests whether they differ at all; `cox`, `recurrent` and
`fine_gray` compare hazards. Each takes a plain table and column names and returns a ResultSet.
"""

from drive_eval.models.survival.curves import kaplan_meier, log_rank, restricted_mean
from drive_eval.models.survival.hazards import cox, fine_gray, recurrent
from drive_eval.models.survival.occurrence import cumulative_incidence, mean_cumulative_count

__all__ = [
    "cox",
    "cumulative_incidence",
    "fine_gray",
    "kaplan_meier",
    "log_rank",
    "mean_cumulative_count",
    "recurrent",
    "restricted_mean",
]
