"""What else could explain it? Every rival of a result, as a number."""

from drive_eval.models.sensitivity.confounding import (
    e_value,
    negative_outcome,
    rosenbaum_bounds,
)

__all__ = ["e_value", "negative_outcome", "rosenbaum_bounds"]
