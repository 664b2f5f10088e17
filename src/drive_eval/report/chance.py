"""Whether a primary effect could still be chance once every primary question is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.results import ResultSet

if TYPE_CHECKING:
    from drive_eval.results import Evaluation

__all__ = ["chance_sentence"]


def chance_sentence(evaluation: Evaluation, name: str) -> str:
    """Say that an outcome's primary effect stands alone, but not among all primary questions.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    name : str
        Outcome name.

    Returns
    -------
    str
        To stand beside the sentence on what the effect may be put down to. Empty where the
        outcome was not declared primary, where its P value is not shown, and where counting
        makes no difference.
    """
    checks = evaluation.results.get("ledger", ResultSet()).checks
    primary = [c for c in checks if c.name == "test" and c.passed]
    chance = 1 - evaluation.plan["design"]["conf_level"] + 1e-9
    for c in primary:
        if c.outcome != name or c.p_value is None or c.statistic is None:
            continue
        if c.p_value <= chance < c.statistic:
            return f"Counting all {len(primary)} primary questions, this could still be chance."
    return ""
