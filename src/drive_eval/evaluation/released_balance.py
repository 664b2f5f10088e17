"""The balance of matched and weighted comparisons as it may be released.

What a design keeps stands beside all cases, so that a subtraction would give the cases that it
drops: `released_arms` sees to that. What a mean, a spread or a difference says is rounded so far
that no count follows from it, and no sentence holds a number that was counted.
"""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drive_eval import disclosure
from drive_eval.evaluation.controlled import HIDDEN, people_of, two_digits, without_numbers
from drive_eval.evaluation.released_arms import (
    coarse,
    few,
    kept_of,
    lessened,
    linked,
    rounded,
)
from drive_eval.results import Check, CountTable, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.plan import BalancingBlock
    from drive_eval.results import CellStatus, Estimate

    Key = tuple[str, ...]

__all__ = ["release_balance", "rounded_mean", "rounded_up", "step_of", "withheld_table"]

#: What the design's checks say once their numbers are left out.
_WORDS = {
    ("unmatched", False): "Some {cases} were dropped, so the effect is about those that were kept.",
    ("unmatched", True): "None of the {cases} was dropped.",
    ("overlap", False): (
        "For many {cases} there is nobody like them in the other arm, or nobody left who was not "
        "matched to others."
    ),
    ("overlap", True): (
        "For all or nearly all {cases} there are cases like them in the other arm."
    ),
    ("effective_size", False): (
        "The weights leave an arm worth so few cases that a few of them decide the result, and "
        "intervals from so few are too narrow."
    ),
    ("effective_size", True): "The weights leave each arm worth enough cases.",
    ("parameters", False): (
        "There are few cases for each parameter of the propensity score, so it may fit chance."
    ),
    ("parameters", True): "There are enough cases for each parameter of the propensity score.",
}
#: Whether enough people are tied to be spoken of.
_TIES = {
    True: (
        "Some comparison cases have the same score as others who were left; which of them is taken "
        "follows from the order of the rows alone."
    ),
    False: "The order of the rows chooses few of the comparison cases, or none.",
}
#: Whom an estimand speaks of.
_CASES = {"att": "programme cases", "atc": "comparison cases"}
#: Standardised differences are rounded up to a multiple of one of these.
_STEPS = (0.01, 0.02, 0.05, 0.1)
#: What a description says beside what the plan says: it was counted or fitted.
_FOUND = {
    r", a width of [^ ]+(?=\.$)": "",
    r" \([\d,]+ programme and [\d,]+ comparison cases\)": "",
    r"^Of [\d,]+ strata [\d,]+ hold cases of both arms and were kept; cases were": (
        "Strata with cases of one arm only were left out; the other cases were"
    ),
}
#: A number that is no part of a name. Bins follow from a rule and are no people.
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?!\w)(?! bins)")


def release_balance(block: BalancingBlock, result: ResultSet, rules: Policy) -> ResultSet:
    """What of a design's description and balance may be read by others?

    Parameters
    ----------
    block : BalancingBlock
    result : ResultSet
        From `balance_result`.
    rules : Policy

    Returns
    -------
    ResultSet
        Shares that follow from released counts, means and spreads to two digits, standardised
        differences rounded up; nothing of a covariate that has few cases in a category.
    """
    flow = _released_flow(block, result.tables[0], rules)
    overlap = [_released_overlap(table, flow, result, rules) for table in result.tables[1:]]
    step = _step(result.tables[0], flow, rules)
    small = _small(result, rules)
    rounding = _Rounding(
        found={(e.measure, e.term, e.group, e.subgroup): e for e in result.estimates},
        exact=result.tables[0],
        flow=flow,
        step=step,
        small=small,
        rules=rules,
    )
    estimates = tuple(rounding.row(e) for e in result.estimates)
    checks = [*_description(block, result, flow), *_protection(result.tables[0], step, rules)]
    checks += [c for c in result.checks if c.name == "estimand"]
    for check in result.checks:
        if check.name == "worst_smd":
            checks.append(_worst(check, result, estimates))
        elif check.name == "ties":
            some = (check.statistic or 0) > rules.suppress_up_to
            passed = False if some else None
            checks.append(Check(name="ties", passed=passed, text=_TIES[some]))
        elif (check.name, check.passed) in _WORDS:
            text = _WORDS[check.name, bool(check.passed)]
            text = text.format(cases=_CASES.get(block.estimand, "cases"))
            checks.append(dataclasses.replace(check, statistic=None, threshold=None, text=text))
    return ResultSet(estimates=estimates, checks=tuple(checks), tables=(flow, *overlap))


def _small(result: ResultSet, rules: Policy) -> set[str]:
    """Return the covariates with few cases in a category, or few away from the commonest value.

    Beside exact counts the limit before is higher, so that it is not the limit after that tells
    how few were dropped.
    """
    exact = result.tables[0]
    dropped = rules.round_to <= 1 and any(_exact(exact, group)[1] for group in ARMS.codes)
    most = {"before": rules.suppress_up_to * (2 if dropped else 1), "after": rules.suppress_up_to}
    return {
        check.text
        for check in result.checks
        if check.name == "covariate_cells" and (check.statistic or 0) <= most[check.group]
    }


# Counts


def _stages(flow: CountTable) -> tuple[str, str]:
    """Return the names of those kept and of those dropped."""
    keys = {cell.key[1] for cell in flow.cells}
    return ("matched", "unmatched") if "matched" in keys else ("weighted", "trimmed")


def _exact(flow: CountTable, group: str) -> tuple[int, int]:
    """Return how many of an arm are kept and dropped, of an exact flow."""
    kept, out = _stages(flow)
    return flow[group, kept] or 0, flow[group, out] or 0


def _recounted(table: CountTable, counts: Mapping[Key, int | None], rules: Policy) -> CountTable:
    """Return a table with these counts in place of its own; the others are withheld."""
    cells = []
    for cell in table.cells:
        count = counts.get(cell.key)
        status: CellStatus = "rounded" if rules.round_to > 1 else "exact"
        if count is None:
            status = "suppressed" if cell.shown else "withheld"
        cells.append(dataclasses.replace(cell, count=count, status=status))
    return dataclasses.replace(table, cells=tuple(cells), policy=rules.name)


def withheld_table(table: CountTable, rules: Policy) -> CountTable:
    """Return a table of which no count is shown."""
    return _recounted(table, {}, rules)


def _released_flow(block: BalancingBlock, table: CountTable, rules: Policy) -> CountTable:
    kept, out = _stages(table)
    sizes = {group: _exact(table, group) for group in ARMS.codes}
    shown = {group: kept_of(*size, rules) for group, size in sizes.items()}
    counts: dict[Key, int | None] = {}
    for group, other in (("programme", "comparison"), ("comparison", "programme")):
        inside, outside, every = shown[group]
        if _tied(block, sizes, group, other, rules):
            partner = shown[other][0]
            ratio = block.ratio if group == "comparison" else 1
            inside = None if partner is None else ratio * partner
            outside = None if inside is None or every is None else max(every - inside, 0)
        counts |= {(group, kept): inside, (group, out): outside, (group, "all"): every}
    return _recounted(table, counts, rules)


def _tied(
    block: BalancingBlock,
    sizes: Mapping[str, tuple[int, int]],
    group: str,
    other: str,
    rules: Policy,
) -> bool:
    """Tell whether the number kept here says how few cases of the other arm found no match."""
    kept, dropped = sizes[group]
    lost = sizes[other][1]
    if block.method != "nearest" or few(dropped, rules) or not lost or not few(lost, rules):
        return False
    ratio = block.ratio if group == "comparison" else 1
    return linked(kept, sum(sizes[other]), ratio, rules)


def _released_overlap(
    table: CountTable, flow: CountTable, result: ResultSet, rules: Policy
) -> CountTable:
    """Control the scores; of those kept only where rounding covers how many were dropped."""
    exact = {cell.key: cell.count or 0 for cell in table.cells}
    before = [key for key in exact if key[1] == "before"]
    totals: dict[Key, list[Key]] = {
        (group, "all", "all"): [key for key in before if key[0] == group] for group in ARMS.codes
    }
    alone = CountTable.from_counts(
        name=table.name,
        title=table.title,
        unit=table.unit,
        dimensions=table.dimensions,
        counts={key: exact[key] for key in before},
        totals=totals,
        people=people_of(table),
    )
    # How many there are stands in other tables as well.
    known = totals if rules.round_to <= 1 else ()
    counts = {c.key: c.count for c in disclosure.control(alone, rules, known=known).cells}
    for key in exact:
        if key[1] != "after":
            continue
        group, _, score = key
        whole = (group, "before", score)
        dropped = exact[whole] - exact[key]
        counts[key] = None
        if rules.round_to <= 1 or counts[whole] is None:
            continue
        lost = _exact(result.tables[0], group)[1]
        same = few(dropped, rules) or few(lost, rules)
        count = disclosure.safe_number(exact[key], rules)
        behind = disclosure.safe_number(people_of(table).get(key, exact[key]), rules)
        counts[key] = counts[whole] if same else None if behind is None else count
    return _recounted(table, counts, rules)


# Means and differences


def _step(exact: CountTable, flow: CountTable, rules: Policy) -> float | None:
    """Return to what differences are rounded, so that a few cases do not show in them.

    None where counts are shown exactly beside it and no rounding that is of use would hide a
    few cases that were dropped.
    """
    dropped = any(_exact(exact, group)[1] for group in ARMS.codes)
    base = coarse(rules) if dropped or rules.round_to > 1 else 1
    shown = [c.count for c in flow.cells if c.count and c.key[1] not in ("unmatched", "trimmed")]
    return step_of(base / min(shown, default=1), exact=dropped and rules.round_to <= 1)


def step_of(wanted: float, *, exact: bool) -> float | None:
    """Return to what standardised differences are rounded, where a share this large must be hidden.

    None beside exact counts, where the coarsest step is too fine.

    Examples
    --------
    >>> step_of(5 / 1300, exact=False), step_of(5 / 48, exact=False), step_of(10 / 48, exact=True)
    (0.01, 0.1, None)
    """
    if wanted > _STEPS[-1] and exact:
        return None
    return next((step for step in _STEPS if step >= wanted), _STEPS[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rounding:
    """What of a row of a balance table may be read."""

    found: Mapping[Key, Estimate]
    exact: CountTable  # the flow
    flow: CountTable  # as released
    step: float | None
    small: set[str]
    rules: Policy

    def row(self, e: Estimate) -> Estimate:
        hidden = any(e.term == name or e.term.startswith(f"{name}: ") for name in self.small)
        # A score follows from the covariates, and so do differences of whole distributions.
        hidden |= bool(self.small) and e.term == "propensity score"
        sizes = [self._size(g, e.subgroup) for g in ([e.group] if e.group else ARMS.codes)]
        if hidden or None in sizes or e.measure.startswith("ecdf"):
            return without_numbers(e)
        value = e.estimate if e.estimate is None else self._value(e, e.estimate, sizes[0] or 1)
        if value is None and e.estimate is not None:
            return without_numbers(e)
        return dataclasses.replace(e, estimate=value, std_error=None, n=None, n_reference=None)

    def _size(self, group: str, when: str) -> int | None:
        return self.flow[group, "all" if when == "before" else _stages(self.flow)[0]]

    def _value(self, e: Estimate, value: float, n: int) -> float | None:
        if e.measure == "smd" and self.step is None:
            # What there was before is counted exactly elsewhere.
            return rounded_up(value, _STEPS[0]) if e.subgroup == "before" else None
        if e.measure == "smd":
            return rounded_up(value, self.step or _STEPS[0])
        if e.measure == "ess":
            return self._worth(e, value, n)
        if e.measure in ("mean", "std_dev") and self._is_share(e):
            share = self._share(e.term, e.group, e.subgroup, n)
            return share if e.measure == "mean" else math.sqrt(share * (1 - share))
        if e.measure == "mean":
            spread = two_digits(self.found["std_dev", e.term, e.group, e.subgroup].estimate)
            return rounded_mean(value, spread, n, max(self.rules.round_to, 1))
        return two_digits(value)

    def _worth(self, e: Estimate, value: float, n: int) -> float | None:
        """Round the effective number; equal weights are worth their number."""
        if self._plain(e.group, e.subgroup):
            return float(n)
        worth = min(n, rounded(value, max(self.rules.round_to, 1)))
        return None if few(worth, self.rules) else float(worth)

    def _plain(self, group: str, when: str) -> bool:
        worth = self.found["ess", "", group, when]
        return math.isclose(worth.estimate or 0.0, worth.n or 0, rel_tol=1e-9)

    def _is_share(self, e: Estimate) -> bool:
        """Tell the share of a category from the mean of a number, by its spread."""
        mean = self.found["mean", e.term, e.group, e.subgroup].estimate
        spread = self.found["std_dev", e.term, e.group, e.subgroup].estimate
        if mean is None or spread is None:
            return False
        return math.isclose(spread**2, mean * (1 - mean), rel_tol=1e-9, abs_tol=1e-12)

    def _share(self, term: str, group: str, when: str, n: int) -> float:
        """Return a share of so many cases, as it follows from a count that may be known."""
        rules, base = self.rules, max(self.rules.round_to, 1)
        mean = self.found["mean", term, group, when].estimate or 0.0
        if when == "before" or not self._plain(group, when):
            lost = _exact(self.exact, group)[1]
            base = base if when == "before" or not lost else coarse(rules)
            return min(1.0, rounded(mean * n, base) / n)
        first = self.found["mean", term, group, "before"]
        whole = self._size(group, "before") or 1
        kept, dropped = _exact(self.exact, group)
        if few(dropped, rules):
            return self._share(term, group, "before", whole)
        if rules.round_to > 1 or n != kept_of(kept, dropped, rules)[0]:
            # So many are given as in the other arm, of which few were dropped.
            return min(1.0, rounded(mean * n, coarse(rules)) / n)
        with_it, every = round(mean * kept), round((first.estimate or 0.0) * (kept + dropped))
        found, _ = lessened((with_it, kept - with_it), (every, kept + dropped - every), rules)
        return min(1.0, max(0, found) / n)


def rounded_mean(value: float, spread: float | None, n: int, base: int) -> float | None:
    """Round a mean of so many to two digits, and to what so many people more or less would do.

    Examples
    --------
    >>> rounded_mean(35.13, 12.0, 1315, 5), rounded_mean(2.31, 1.9, 50, 5)
    (35.0, 2.3)
    """
    unit = base * (spread or 0.0) / n
    return two_digits(unit * round(value / unit) if unit else value)


def rounded_up(value: float, step: float) -> float:
    """Round away from 0, so that nothing is called balanced that is not; nothing stays nothing."""
    steps = math.ceil(abs(value) / step - 1e-6)
    return math.copysign(round(step * steps, 2), value) if steps else 0.0


# Words


def _description(block: BalancingBlock, result: ResultSet, flow: CountTable) -> list[Check]:
    """Return what was done, without any number that the plan does not hold."""
    said = [c.text for c in result.checks if c.name == "design"]
    for pattern, words in _FOUND.items():
        said = [re.sub(pattern, words, text) for text in said]
    planned = _planned(block)
    said = [text for text in said if set(_NUMBER.findall(re.sub(r'"[^"]*"', "", text))) <= planned]
    for group in ARMS.codes:
        stage, out = _stages(flow)
        kept, lost, every = (flow[group, name] for name in (stage, out, "all"))
        if kept is not None and every is not None:
            said.append(
                f"{kept:,} of {every:,} {group} cases were {stage}."
                if lost is not None
                else f"All but a few of {every:,} {group} cases were {stage}."
            )
    return [Check(name="design", text=text) for text in said]


def _planned(block: BalancingBlock) -> set[str]:
    """Return the numbers that a plan holds, as a sentence writes them."""
    cuts = [cut for values in block.cutpoints.values() for cut in values]
    numbers = [block.ratio, block.caliper_sd, block.subclasses, *block.trim, *cuts, 0, 1]
    return {f"{number:g}" for number in numbers}


def _protection(exact: CountTable, step: float | None, rules: Policy) -> list[Check]:
    """Say what was done to the numbers of a design, and how far they may be off."""
    lost = [_exact(exact, group)[1] for group in ARMS.codes]
    said = []
    if rules.round_to > 1 or any(lost):
        said.append(f"To protect people, counts and shares are rounded to {coarse(rules)} cases.")
    if any(lost):
        said.append(
            f"Where {rules.suppress_up_to} cases of an arm or fewer were dropped, numbers of those "
            "kept are given as those of all."
        )
    if step is None:
        said.append(
            "Standardised mean differences after adjustment are not shown: with so few cases they "
            "would tell who was dropped."
        )
    else:
        said.append(f"Standardised mean differences are rounded up to the next {step:g}.")
    return [Check(name="design", text=" ".join(said))]


def _both_times(estimates: tuple[Estimate, ...]) -> list[tuple[Estimate, Estimate]]:
    """Return each covariate's difference before and after, where both are shown."""
    found: dict[str, dict[str, Estimate]] = {}
    for e in estimates:
        if e.measure == "smd" and e.estimate is not None and e.term != "propensity score":
            found.setdefault(e.term, {})[e.subgroup] = e
    return [(ends["before"], ends["after"]) for ends in found.values() if len(ends) == 2]


def _worst(check: Check, exact: ResultSet, estimates: tuple[Estimate, ...]) -> Check:
    """Say how much imbalance remains among the covariates that may be shown, and if elsewhere."""
    limit = check.threshold or 0.0
    pairs = [
        (before, after)
        for before, after in zip(exact.estimates, estimates, strict=True)
        if (after.measure, after.subgroup) == ("smd", "after") and after.term != "propensity score"
    ]
    known = [after for _, after in pairs if after.estimate is not None]
    over = [e for e in known if abs(e.estimate or 0.0) > limit]
    elsewhere = any(
        after.estimate is None and abs(before.estimate or 0.0) > limit for before, after in pairs
    )
    said = []
    if over:
        named = ", ".join(f"{e.term} ({abs(e.estimate or 0.0):.2f})" for e in over[:8])
        said.append(
            f"{len(over)} of {len(known)} covariate columns that are shown differ by more than "
            f"{limit:g} standard deviations after adjustment: {named}."
        )
    elif known:
        said.append(
            f"No covariate that is shown differs by more than {limit:g} standard deviations after "
            "adjustment."
        )
    worse = [
        f"{after.term} ({abs(before.estimate or 0.0):.2f} to {abs(after.estimate or 0.0):.2f})"
        for before, after in _both_times(estimates)
        if abs(after.estimate or 0.0) > max(limit / 2, abs(before.estimate or 0.0))
    ]
    if worse:
        said.append(f"Less alike than before adjustment: {', '.join(worse[:8])}.")
    if elsewhere:
        said.append(f"A covariate with too few cases to be shown differs by more than {limit:g}.")
    elif len(known) < len(pairs):
        said.append("Covariates with few cases in a category are not shown.")
    return dataclasses.replace(
        check,
        passed=not over and not elsewhere,
        statistic=max((abs(e.estimate or 0.0) for e in known), default=None),
        text=" ".join(said) if known or elsewhere else HIDDEN,
    )
