"""What else could explain it? Every rival of a result, as a number.

`confounding` asks what a hidden cause would have to be like. What becomes of a change when
exits are missing is bounded (`bounds`), tipped (`tipping`), imputed (`imputation`) or weighted
for (`weighting`). `reporting` asks what wrong or fuller records would do, `robustness` whether
one site or one kind of people makes the result, and `multiplicity` how many questions were
asked and what the sample could have shown.
"""

from drive_eval.models.sensitivity.bounds import lee_bounds, missing_exit_bounds
from drive_eval.models.sensitivity.confounding import (
    e_value,
    negative_outcome,
    rosenbaum_bounds,
)
from drive_eval.models.sensitivity.imputation import imputed_change
from drive_eval.models.sensitivity.multiplicity import (
    adjust_p_values,
    detectable_effect,
    verdict,
)
from drive_eval.models.sensitivity.reporting import (
    detection,
    differential_misreporting,
    misreporting,
)
from drive_eval.models.sensitivity.robustness import leave_one_out, subgroup_interaction
from drive_eval.models.sensitivity.selected_counts import expected_fall_of_counts
from drive_eval.models.sensitivity.selection import expected_fall, regression_to_the_mean
from drive_eval.models.sensitivity.tipping import tipping_point
from drive_eval.models.sensitivity.weighting import weighted_change

__all__ = [
    "adjust_p_values",
    "detectable_effect",
    "detection",
    "differential_misreporting",
    "e_value",
    "expected_fall",
    "expected_fall_of_counts",
    "imputed_change",
    "leave_one_out",
    "lee_bounds",
    "misreporting",
    "missing_exit_bounds",
    "negative_outcome",
    "regression_to_the_mean",
    "rosenbaum_bounds",
    "subgroup_interaction",
    "tipping_point",
    "verdict",
    "weighted_change",
]
