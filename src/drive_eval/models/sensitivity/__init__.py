"""What else could explain it? Every rival of a result, as a number.

`confounding` asks what a hidden cause would have to be like. What becomes of a change when
exits are missing is bounded (`bounds`), tipped (`tipping`), imputed (`imputation`) or weighted
for (`weighting`).
"""

from drive_eval.models.sensitivity.bounds import lee_bounds, missing_exit_bounds
from drive_eval.models.sensitivity.confounding import (
    e_value,
    negative_outcome,
    rosenbaum_bounds,
)
from drive_eval.models.sensitivity.imputation import imputed_change
from drive_eval.models.sensitivity.tipping import tipping_point
from drive_eval.models.sensitivity.weighting import weighted_change

__all__ = [
    "e_value",
    "imputed_change",
    "lee_bounds",
    "missing_exit_bounds",
    "negative_outcome",
    "rosenbaum_bounds",
    "tipping_point",
    "weighted_change",
]
