"""Words for hazard ratios and ratios of rates: never alone, and as a percentage with its range.

No number is formed here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from drive_eval.report.followed import followed_outcome, value_at
from drive_eval.report.numbers import digits_of, number
from drive_eval.report.sentences import group_phrase
from drive_eval.vocabulary import label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.report.followed import Followed
    from drive_eval.results import Estimate, Evaluation

__all__ = ["changes", "hazard_sentences", "percent_of", "rate_words"]


def hazard_sentences(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> list[str]:
    """Say the hazard ratio in words; only where the share and the average time stand before it.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    name : str
        Outcome name.
    labels : mapping
        Names of the arms.

    Returns
    -------
    list of str
        Empty where the fixed-time difference or the average time may not be shown, because a
        hazard ratio never stands alone.
    """
    found = followed_outcome(evaluation, name)
    beside = [
        value_at(found, measure)
        for measure in ("event_free_difference", "restricted_mean_difference")
    ]
    if any(e is None or e.estimate is None for e in beside):
        return []
    ratio = value_at(found, "hazard_ratio")
    if ratio is None or ratio.estimate is None:
        return []
    one, digits = group_phrase("programme", labels), digits_of(evaluation)
    said = [
        f"At any moment, the rate of first {found.event} among those still free of it was "
        f"{rate_words(ratio, one, digits)}."
    ]
    adjusted = value_at(found, "hazard_ratio", term="adjusted")
    if adjusted is not None and adjusted.estimate is not None and not found.term:
        names = [label(c).lower() for c in evaluation.plan["comparison"].get("covariates", ())]
        known = f" ({', '.join(names)})" if names else ""
        said.append(
            f"With what was known on the index date{known} taken into account, it was "
            f"{rate_words(adjusted, one, digits)}."
        )
    if changes(found, "", "adjusted"):
        said.append(
            "This ratio changes with time, so it is an average of different ratios and is not to "
            "be used alone: use the shares and the average time above."
        )
    else:
        said.append("The ratio says nothing of how long, or of how many: read it with the above.")
    return said


def changes(found: Followed, *models: str) -> bool:
    """Return whether a ratio changes with time, as a model's test says; "" is the plain model."""
    names = {f"proportional_hazards: {model}".removesuffix(": ") for model in models}
    return any(check.passed is False and check.name in names for check in found.result.checks)


def rate_words(ratio: Estimate, one: str, digits: int | None) -> str:
    """Say a ratio of rates as a percentage with its range, and the ratio in brackets."""
    point = ratio.estimate or 0.0
    name = "hazard ratio" if ratio.measure == "hazard_ratio" else "ratio"
    low, high = ratio.conf_low, ratio.conf_high
    best = f"{percent_of(point)} in the {one}"
    if low is None or high is None:
        return f"{best} ({name} {number(point, 2, digits)}; no range can be given)"
    ends = f"{number(low, 2, digits)} to {number(high, 2, digits)}"
    bare = f"{name} {number(point, 2, digits)}, range {ends}"
    if low <= 1 <= high:
        return f"{best}; it may be anything from {percent_of(low)} to {percent_of(high)} ({bare})"
    near, far = sorted((low, high), key=lambda end: abs(math.log(end)) if end > 0 else math.inf)
    start, end = percent_of(near), percent_of(far)
    for side in (" lower", " higher"):
        if end.endswith(side):
            start = start.removesuffix(side)
    return f"{best} (range {start} to {end}; {bare})"


def percent_of(ratio: float) -> str:
    """Say a ratio as so many percent lower or higher, and from three times on as times.

    Examples
    --------
    >>> percent_of(0.69), percent_of(1.003), percent_of(1.0), percent_of(3.4)
    ('31% lower', 'under 1% higher', 'the same', '3.4 times as high')
    """
    if math.isinf(ratio):
        return "higher without limit"
    if ratio >= 3:
        return f"{number(ratio, 1)} times as high"
    away = abs(100 * (ratio - 1))
    side = "lower" if ratio < 1 else "higher"
    if round(away, 3) == 0:
        return "the same"
    amount = "under 1" if away < 0.5 else "over 99" if 99.5 < away < 100 else f"{away:.0f}"
    return f"{amount}% {side}"
