"""How many tests there were, and how surprising each is among that many."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from drive_eval.plan import PRIMARY_RULE
from drive_eval.report.rivals import title_of
from drive_eval.report.sentences import arm_label
from drive_eval.report.tables import HIDDEN, Table, p_text
from drive_eval.results import ResultSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.results import Check, Evaluation

__all__ = ["ledger_sentence", "ledger_table"]


def ledger_sentence(evaluation: Evaluation) -> str:
    """Say how many tests were made, and of how many nothing is shown; empty if not counted."""
    said = "".join(c.text for c in _checks(evaluation) if c.name == "tests")
    return f"{said}{_hidden(evaluation)}"


def _checks(evaluation: Evaluation) -> tuple[Check, ...]:
    return evaluation.results.get("ledger", ResultSet()).checks


def _hidden(evaluation: Evaluation) -> str:
    """Say how tests that are not shown were counted."""
    return "".join(f" {c.text}" for c in _checks(evaluation) if c.name == "tests_hidden")


def _adjusted(check: Check) -> str:
    """Return an adjusted P value; one that was made from a P of "so much or less" is no more."""
    text = p_text(check.statistic)
    if check.p_value is None or not p_text(check.p_value).startswith("≤") or text[:1] in "<≤":
        return text
    # Rounded up: rounded down it would be too small a bound.
    return f"≤{math.ceil(1000 * (check.statistic or 0.0) - 1e-6) / 1000:.3f}"


def ledger_table(evaluation: Evaluation, labels: Mapping[str, str]) -> Table | None:
    """Return every test with its P value, raw and adjusted; the primary ones first.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    labels : mapping
        Names of the arms.

    Returns
    -------
    Table or None
        None where no test was made or shown.
    """
    tests = [c for c in _checks(evaluation) if c.name == "test"]
    rows = []
    for check in sorted(tests, key=lambda c: c.passed is not True):
        what, _, family = check.text.rpartition(": ")
        rows.append(
            (
                title_of(evaluation, check.outcome.removeprefix("rivals:")),
                arm_label(check.group, labels) if check.group else "Between the groups",
                what,
                family,
                p_text(check.p_value) or HIDDEN,
                _adjusted(check) or HIDDEN,
            )
        )
    if not rows:
        return None
    return Table(
        annex=True,
        caption="Every test of this evaluation",
        header=("Outcome", "Group", "Test", "Adjusted by", "P", "Adjusted P"),
        rows=tuple(rows),
        note=(
            "An adjusted P value takes into account how many tests were made: among many, some are "
            "small by chance. Primary tests were declared in the plan before the results were "
            f"seen. {PRIMARY_RULE} ≤: this value or less; it is not given more exactly."
            + _hidden(evaluation)
            + (f" {HIDDEN}: not shown." if any(HIDDEN in row for row in rows) else "")
        ),
    )
