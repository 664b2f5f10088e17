"""The ledger of tests as it may be released: P values of released results, and no others."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from drive_eval.evaluation.controlled import two_digits
from drive_eval.evaluation.ledger import words_of
from drive_eval.models import sensitivity
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["release_ledger"]


def release_ledger(exact: ResultSet, released: Mapping[str, ResultSet]) -> ResultSet:
    """What of the ledger may be read by others?

    Parameters
    ----------
    exact : ResultSet
        From `count_tests`: which tests were made. No P value is read from it.
    released : mapping of str to ResultSet
        Everything else of the release.

    Returns
    -------
    ResultSet
        The same tests. The P value of each is that of its released result, to two digits;
        adjusted ones follow from these, with a test whose own is not shown
        taken as if it had 1, so that none is too small.
    """
    known = _known(released)
    tests = [c for c in exact.checks if c.name == "test"]
    p_values = {}
    for i, c in enumerate(tests):
        what, _, _ = c.text.rpartition(": ")
        p_values[str(i)] = two_digits(known.get((c.outcome, c.group, what)))
    checks = [c for c in exact.checks if c.name == "tests"]
    hidden = sum(p is None for p in p_values.values())
    if hidden:
        text = (
            f"The P values of {hidden} tests are not shown, because their results are not; the "
            "adjusted ones of all others count them as if they had a P of 1."
        )
        checks.append(Check(name="tests_hidden", statistic=float(hidden), text=text))
    if tests:
        primary = [str(i) for i, c in enumerate(tests) if c.passed]
        table = sensitivity.adjust_p_values(p_values, primary=primary)
        adjusted = dict(zip(table["name"], table["adjusted"], strict=True))
        for i, c in enumerate(tests):
            p = p_values[str(i)]
            shown = None if p is None else two_digits(float(adjusted[str(i)]))
            checks.append(dataclasses.replace(c, p_value=p, statistic=shown))
    return ResultSet(checks=tuple(checks))


def _known(released: Mapping[str, ResultSet]) -> dict[tuple[str, str, str], float]:
    """Return the P values of the release by result, arm and what was tested."""
    found: dict[tuple[str, str, str], float] = {}
    for name, result in released.items():
        for e in result.estimates:
            if e.p_value is not None:
                found.setdefault((name, e.group, words_of(e)), e.p_value)
        for c in result.checks:
            if c.p_value is not None:
                what = c.name.removeprefix("subgroup: ").replace("_", " ")
                found.setdefault((name, c.group, what), c.p_value)
    return found
