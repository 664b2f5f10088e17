"""How many tests a run made, and how surprising each is among that many."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from drive_eval.models import sensitivity
from drive_eval.plan import outcome_names, primary_estimate
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from drive_eval.plan import Plan
    from drive_eval.results import Estimate

__all__ = ["LEDGER", "count_tests", "words_of"]

#: Under which the ledger is filed.
LEDGER = "ledger"
#: Tests of what a model assumes, and not of what the programme did.
_OF_ASSUMPTIONS = ("proportional_hazards", "dispersion", "alpha")
#: Of a rival explanation only whether kinds of people differ is a question of its own: the others
#: ask the same again under another assumption.
_OF_RIVALS = "subgroup: heterogeneity,"


class _Test(NamedTuple):
    name: str
    group: str
    what: str
    p_value: float | None


def count_tests(plan: Plan, results: Mapping[str, ResultSet]) -> ResultSet:
    """How surprising is each test, given how many were made?

    Parameters
    ----------
    plan : Plan
    results : mapping of str to ResultSet
        All that the evaluation found.

    Returns
    -------
    ResultSet
        One Check ``test`` a test: `outcome` is the name of its result, `group` its arm,
        `p_value` the raw P, `statistic` the adjusted one, `passed` whether it was declared
        primary (True or None), and `text` what was tested and among how many. The Check
        ``tests`` counts them.

    Notes
    -----
    Primary is one test for each outcome that the plan declares so: that of the estimate by which
    the outcome is read (`drive_eval.plan.primary_estimate`), which does not give way to another
    where it has no P value.
    Among these Holm's adjustment holds the chance of any false finding; among all others
    Benjamini and Hochberg's the share of false ones. Measures of one effect that share a P value
    (a difference, a ratio) are one test. Tests of what a model assumes are not counted, nor are
    answers to the same question under another assumption.
    """
    tests: dict[str, _Test] = {}
    primary = []
    for name, result in results.items():
        if name.startswith(("balance:", "reporters:")):
            continue
        wanted = primary_estimate(plan, name, result) if _declared(plan, name) else None
        for test, estimate in _of_result(name, result, rivals=name.startswith("rivals:")):
            key = str(len(tests))
            tests[key] = test
            if wanted is not None and estimate is not None and _same(wanted, estimate):
                primary.append(key)
    if not tests:
        return ResultSet(checks=(Check(name="tests", statistic=0.0, text="No test was made."),))
    table = sensitivity.adjust_p_values(
        {key: test.p_value for key, test in tests.items()}, primary=primary
    )
    checks = [_counted(len(primary), len(tests) - len(primary))]
    for row in table.to_dict("records"):
        test, first = tests[row["name"]], row["family"] == "primary"
        size, kind = row["tests_in_family"], "primary" if first else "other"
        among = f"{row['method']} among {size} {kind} test{'' if size == 1 else 's'}"
        checks.append(
            Check(
                name="test",
                outcome=test.name,
                group=test.group,
                passed=True if first else None,
                p_value=test.p_value,
                statistic=None if test.p_value is None else float(row["adjusted"]),
                text=f"{test.what}: {among}",
            )
        )
    return ResultSet(checks=tuple(checks))


def _counted(primary: int, others: int) -> Check:
    text = (
        f"{primary + others} tests were made: {primary} that the plan declared primary, adjusted "
        f"by Holm's method, and {others} others, adjusted by Benjamini and Hochberg's."
    )
    return Check(name="tests", statistic=float(primary + others), text=text)


def _declared(plan: Plan, name: str) -> bool:
    """Tell whether the plan declared an outcome primary; one that cannot change is none."""
    found = next((o for o in plan.outcomes if name in outcome_names(o)), None)
    return found is not None and found.primary and not getattr(found, "negative", False)


def _same(one: Estimate, other: Estimate) -> bool:
    """Tell whether two estimates have one test: measures of one effect are tested once."""
    return (one.group, one.contrast, one.p_value) == (other.group, other.contrast, other.p_value)


def _of_result(
    name: str, result: ResultSet, *, rivals: bool
) -> Iterator[tuple[_Test, Estimate | None]]:
    """Yield each test once, with the first estimate that carries it."""
    seen: set[tuple[str, str, float]] = set()
    if not rivals:
        for e in result.estimates:
            if e.p_value is None or e.measure == "percent_reduction":
                continue
            key = (e.group, e.contrast, e.p_value)
            if key in seen:
                continue
            seen.add(key)
            yield _Test(name, e.group, words_of(e), e.p_value), e
    values = {(group, p) for group, _, p in seen}
    for c in result.checks:
        if c.p_value is None or (c.group, c.p_value) in values:
            continue
        word = c.name.rpartition("rates: ")[2].rpartition("harm: ")[2]
        if rivals and not c.name.startswith(_OF_RIVALS):
            continue
        if word.startswith(_OF_ASSUMPTIONS):
            continue
        values.add((c.group, c.p_value))
        shown = c.name.removeprefix("subgroup: ").replace("_", " ")
        yield _Test(name, c.group, shown, c.p_value), None


def words_of(e: Estimate) -> str:
    """Name the test that an estimate carries.

    Parameters
    ----------
    e : Estimate

    Returns
    -------
    str
        How a Check ``test`` begins.
    """
    parts = [e.measure.replace("_", " "), e.term, e.subgroup]
    if e.time is not None:
        parts.append(f"at {e.time:g} {e.time_unit}")
    return ", ".join(part for part in (*parts, e.contrast) if part)
