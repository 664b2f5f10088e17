"""Matched and weighted comparisons as they may be released.

What a design keeps stands beside all cases, so that a subtraction would give the cases that it
drops. So everything here follows from rounded counts, also under a policy that shows counts
exactly where nobody was dropped; what a covariate's mean, spread or difference says is rounded
so far that no count follows from it.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any

from drive_eval import disclosure
from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.controlled import HIDDEN, empty, two_digits, without_numbers
from drive_eval.evaluation.designs import CONTRAST, CRUDE, adjusted_for, hidden_cause, with_term
from drive_eval.evaluation.released_effects import Arm, effects
from drive_eval.results import Check, CountTable, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.plan import BalancingBlock, BinaryOutcome, Plan
    from drive_eval.results import Estimate

    Key = tuple[str, ...]

__all__ = ["released_balance", "released_contrasts"]

#: What the design's checks say once their numbers are left out.
_WORDS = {
    ("unmatched", False): "Some {cases} were dropped, so the effect is about those that were kept.",
    ("unmatched", True): "None of the {cases} was dropped.",
    ("overlap", False): (
        "Many {cases} have a propensity score outside the range of the other arm: nobody like "
        "them is there to be compared with."
    ),
    ("overlap", True): (
        "The propensity scores of all or nearly all {cases} lie within the range of the other arm."
    ),
    ("parameters", False): (
        "There are few cases for each parameter of the propensity score, so it may fit chance."
    ),
    ("parameters", True): "There are enough cases for each parameter of the propensity score.",
}
#: Whom an estimand speaks of.
_CASES = {"att": "programme cases", "atc": "comparison cases"}
#: Stages of a table that hold those whom a design leaves out.
_OUT = ("unmatched", "trimmed", "dropped")
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


# Balance


def released_balance(block: BalancingBlock, result: ResultSet, rules: Policy) -> ResultSet:
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
        Shares that follow from rounded counts, means and spreads to two digits, standardised
        differences rounded up; nothing of a covariate that has few cases in a category.
    """
    base = _base(result.tables[0], rules)
    flow = _released_flow(block, result, base, rules)
    overlap = [_released_overlap(table, flow, base, rules) for table in result.tables[1:]]
    step = _step(flow, base)
    small = {
        c.text
        for c in result.checks
        if c.name == "covariate_cells" and (c.statistic or 0) <= rules.suppress_up_to
    }
    estimates = _estimates(result, flow, base=base, step=step, small=small, rules=rules)
    checks = [*_description(block, result, flow), *_rounding(base, step)]
    checks += [c for c in result.checks if c.name == "estimand"]
    for check in result.checks:
        if check.name == "worst_smd":
            checks.append(_worst(check, result, estimates))
        elif (check.name, check.passed) in _WORDS:
            text = _WORDS[check.name, bool(check.passed)]
            text = text.format(cases=_CASES.get(block.estimand, "cases"))
            checks.append(dataclasses.replace(check, statistic=None, threshold=None, text=text))
    return ResultSet(estimates=estimates, checks=tuple(checks), tables=(flow, *overlap))


def _base(table: CountTable, rules: Policy) -> int:
    """Return to what counts are rounded: also where a policy shows them, if a design drops some."""
    if rules.round_to > 1:
        return rules.round_to
    dropped = any(cell.count and _out(cell.key) for cell in table.cells)
    return rules.suppress_up_to + 1 if dropped else 1


def _out(key: Key) -> bool:
    return any(part in _OUT for part in key)


def _control(table: CountTable, base: int, rules: Policy, *, whole: str) -> CountTable:
    """Control counts of a design beside those of all cases, which other tables may show exactly."""
    lines = [cell.key for cell in table.cells if cell.shown]
    known = [key for key in lines if "all" in key and whole in key] if rules.round_to <= 1 else []
    # What a design keeps is given up before what there was at the start.
    priority = {key: 2 if whole in key else 1 for key in lines}
    coarse = dataclasses.replace(rules, round_to=base)
    return disclosure.control(table, coarse, known=known, priority=priority)


def _without(table: CountTable, keys: set[Key]) -> CountTable:
    """Return the table without lines of which everybody knows that nobody is in them."""
    old = {i: cell for i, cell in enumerate(table.cells) if cell.key not in keys}
    place = {i: new for new, i in enumerate(old)}
    cells = tuple(
        dataclasses.replace(cell, parts=tuple(place[part] for part in cell.parts if part in place))
        for cell in old.values()
    )
    return dataclasses.replace(table, cells=cells)


def _filled(table: CountTable, done: CountTable, counts: Mapping[Key, int | None]) -> CountTable:
    """Return the lines of a table as they were controlled, but for the counts given here."""
    found = {cell.key: cell for cell in done.cells}
    cells = []
    for cell in table.cells:
        seen = found.get(cell.key, dataclasses.replace(cell, status="exact"))
        if cell.key in counts:
            count = counts[cell.key]
            status = (
                seen.status if count is not None else "suppressed" if cell.shown else "withheld"
            )
            seen = dataclasses.replace(seen, count=count, status=status)
        cells.append(dataclasses.replace(seen, parts=cell.parts))
    return dataclasses.replace(done, cells=tuple(cells))


def _released_flow(
    block: BalancingBlock, result: ResultSet, base: int, rules: Policy
) -> CountTable:
    """Control the flow. That nobody was dropped follows from the method or the estimand."""
    table = result.tables[0]
    kept = _stage(table)
    told = [c for c in result.checks if c.name == "unmatched" and c.passed]
    arms = {"att": ("programme",), "atc": ("comparison",)}.get(block.estimand, ARMS.codes)
    if block.method == "subclass" or (kept == "weighted" and not block.trim):
        arms = ARMS.codes
    nobody = {
        cell.key
        for cell in table.cells
        if told and _out(cell.key) and cell.key[0] in arms and not cell.count
    }
    done = _control(_without(table, nobody), base, rules, whole="all")
    counts: dict[Key, int | None] = dict.fromkeys(nobody, 0)
    if block.method == "nearest" and done["programme", kept] is None:
        # As many are kept of one arm as of the other, or in a fixed ratio.
        counts |= {c.key: None for c in table.cells if c.key[0] == "comparison" and not c.parts}
    return _filled(table, done, counts)


def _stage(flow: CountTable) -> str:
    return next(c.key[1] for c in flow.cells if c.key[1] in ("matched", "weighted"))


def _released_overlap(table: CountTable, flow: CountTable, base: int, rules: Policy) -> CountTable:
    """Control the scores; after matching only where rounding covers how many were dropped."""
    before = [cell.key for cell in table.cells if "before" in cell.key]
    totals = {key for key in before if "all" in key}
    if base > max(rules.round_to, 1):
        count = {cell.key: cell.count or 0 for cell in table.cells}
        alone = CountTable.from_counts(
            name=table.name,
            title=table.title,
            unit=table.unit,
            dimensions=table.dimensions,
            counts={key: count[key] for key in before if key not in totals},
            totals={
                key: [k for k in before if k[0] == key[0] and k not in totals] for key in totals
            },
        )
        done = disclosure.control(alone, rules, known=totals)
        return _filled(table, done, {c.key: None for c in table.cells if c.key not in before})
    done = _control(table, base, rules, whole="before")
    counts: dict[Key, int | None] = {}
    if None in [flow[group, _stage(flow)] for group in ARMS.codes]:
        counts = {cell.key: None for cell in table.cells if cell.key not in before}
    return _filled(table, done, counts)


def _step(flow: CountTable, base: int) -> float:
    """Return to what differences are rounded: one count must not show in them."""
    shown = [c.count for c in flow.cells if c.count and not _out(c.key)]
    wanted = base / min(shown, default=1)
    return next((step for step in _STEPS if step >= wanted), _STEPS[-1])


def _estimates(
    result: ResultSet,
    flow: CountTable,
    *,
    base: int,
    step: float,
    small: set[str],
    rules: Policy,
) -> tuple[Estimate, ...]:
    found: dict[Key, Estimate] = {
        (e.measure, e.term, e.group, e.subgroup): e for e in result.estimates
    }
    stages = {"before": "all", "after": _stage(flow)}
    sizes = {(g, w): flow[g, stage] for g in ARMS.codes for w, stage in stages.items()}
    shares = {
        e.term
        for e in result.estimates
        if e.measure == "smd" and all(_is_share(found, e.term, g, w) for g, w in sizes)
    }
    released = []
    for e in result.estimates:
        groups = [e.group] if e.group else ARMS.codes
        there = [sizes[group, e.subgroup] for group in groups]
        hidden = any(e.term == name or e.term.startswith(f"{name}: ") for name in small)
        # A score follows from the covariates, and so do differences of whole distributions.
        hidden |= bool(small) and e.term == "propensity score"
        if hidden or None in there or e.measure.startswith("ecdf"):
            released.append(without_numbers(e))
            continue
        n = there[0] or 1
        value = e.estimate
        if value is None:
            pass
        elif e.measure == "ess":
            # Under one-to-one matching it is the count itself, so it is rounded as a count is.
            value = min(float(n), float(_round(value, base)))
            value = None if value <= rules.suppress_up_to else value
        elif e.measure == "smd":
            value = _up(value, step)
        elif e.term in shares and e.measure in ("mean", "std_dev"):
            share = found["mean", e.term, e.group, e.subgroup]
            share_of = min(1.0, _round((share.estimate or 0.0) * (share.n or 0), base) / n)
            value = share_of if e.measure == "mean" else math.sqrt(share_of * (1 - share_of))
        elif e.measure == "mean":
            spread = two_digits(found["std_dev", e.term, e.group, e.subgroup].estimate)
            value = two_digits(_round(value, base * spread / n) if spread else value)
        else:
            value = two_digits(value)
        if value is None and e.estimate is not None:
            released.append(without_numbers(e))
        else:
            released.append(
                dataclasses.replace(e, estimate=value, std_error=None, n=None, n_reference=None)
            )
    return tuple(released)


def _is_share(found: Mapping[Key, Estimate], term: str, group: str, when: str) -> bool:
    """Tell the share of a category from the mean of a number, by its spread."""
    mean = found["mean", term, group, when].estimate
    spread = found["std_dev", term, group, when].estimate
    if mean is None or spread is None:
        return False
    return math.isclose(spread**2, mean * (1 - mean), rel_tol=1e-9, abs_tol=1e-12)


def _round(value: float, base: float) -> float:
    return base * math.floor(value / base + 0.5)


def _up(value: float, step: float) -> float:
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
        kept, every = flow[group, _stage(flow)], flow[group, "all"]
        if kept is not None and every is not None:
            said.append(f"{kept:,} of {every:,} {group} cases were {_stage(flow)}.")
    return [Check(name="design", text=text) for text in said]


def _planned(block: BalancingBlock) -> set[str]:
    """Return the numbers that a plan holds, as a sentence writes them."""
    cuts = [cut for values in block.cutpoints.values() for cut in values]
    numbers = [block.ratio, block.caliper_sd, block.subclasses, *block.trim, *cuts, 0, 1]
    return {f"{number:g}" for number in numbers}


def _rounding(base: int, step: float) -> list[Check]:
    if base <= 1:
        return []
    text = (
        f"To protect people, counts and shares of this comparison are rounded to {base} cases, and "
        f"standardised mean differences up to the next {step:g}."
    )
    return [Check(name="design", text=text)]


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


# Effects


def released_contrasts(
    plan: Plan,
    outcome: BinaryOutcome | None,
    result: ResultSet,
    crude: ResultSet | None,
    labels: Mapping[str, Any],
    rules: Policy,
    *,
    counts: Mapping[tuple[str, str], int | None],
) -> ResultSet:
    """What of the contrasts of an outcome, crude and by design, may be read by others?

    Parameters
    ----------
    plan : Plan
    outcome : BinaryOutcome or None
        None for a behaviour or a judgement.
    result : ResultSet
        Exact.
    crude : ResultSet or None
        The crude contrast worked out again from released counts; None where they are hidden.
    labels : mapping
        Of the outcome.
    rules : Policy
    counts : mapping of (group, "yes" or "no") to int or None
        What is released of all cases with the outcome known; None where it is hidden.

    Returns
    -------
    ResultSet
    """
    level = plan.design.conf_level
    parts = []
    if crude is None:
        check = Check(name="suppressed_contrast", text=HIDDEN)
        rows = tuple(_blank(m, CRUDE, labels, level) for m in CONTRAST)
        parts.append(ResultSet(estimates=rows, checks=(check,)))
    else:
        shown = tuple(e for e in crude.estimates if e.measure in CONTRAST)
        bare = dataclasses.replace(crude, estimates=shown, checks=(), assumptions=())
        parts.append(with_term(bare, CRUDE))
    for block in plan.balancing:
        parts.append(_design(plan, block, result, labels, rules, counts))
    found = merge(parts, outcome=str(labels["outcome"]))
    main = plan.balancing[0].name
    hidden = hidden_cause(outcome, found, main)
    kept = tuple(c for c in result.checks if c.name in ("estimand", "claim"))
    kept = tuple(
        dataclasses.replace(c, statistic=None, threshold=None) if c.name == "claim" else c
        for c in kept
    )
    return dataclasses.replace(
        merge([found, hidden], outcome=str(labels["outcome"])),
        checks=(*kept, *found.checks, *hidden.checks),
        assumptions=result.assumptions,
    )


def _blank(measure: str, term: str, labels: Mapping[str, Any], level: float) -> Estimate:
    name = f"{term} (users)" if measure == "percent_reduction" else term
    return dataclasses.replace(empty(measure, labels, level, name), claim="associational")


def _design(
    plan: Plan,
    block: BalancingBlock,
    result: ResultSet,
    labels: Mapping[str, Any],
    rules: Policy,
    counts: Mapping[tuple[str, str], int | None],
) -> ResultSet:
    table = next((t for t in result.tables if t.name == f"design:{block.name}"), None)
    found = {
        e.measure: e
        for e in result.estimates
        if e.term in (block.name, f"{block.name} (users)") and e.measure in CONTRAST
    }
    if table is None or all(e.estimate is None for e in found.values()):
        return _not_given(plan, block, labels, "refused", "could not be made with these data.")
    # Where not all counts are shown, none may come back exactly.
    base = rules.suppress_up_to + 1 if None in counts.values() else 1
    base = max(_base(table, rules), 1 if rules.round_to > 1 else base)
    arms = _arms(table, found, base, rules, counts)
    cells = [c for c in result.checks if c.name == "design_cells" and c.group == block.name]
    kinds = [c.statistic for c in cells if c.statistic is not None]
    least = min(c.count or 0 for c in table.cells if c.key[1] == "kept")
    parameters = 2 * (1 + len(adjusted_for(plan, block.name)))
    if (
        arms is None
        or least < rules.min_events
        or min(kinds, default=math.inf) <= rules.suppress_up_to
        or sum(arm.n for arm in arms.values()) - parameters < rules.min_residual_df
    ):
        text = (
            "not released, because too few cases had the outcome or were without it, in the "
            "design, among those it dropped or in one of few categories."
        )
        return _not_given(plan, block, labels, "suppressed", text)
    return ResultSet(estimates=effects(found, arms, base=base))


def _not_given(
    plan: Plan, block: BalancingBlock, labels: Mapping[str, Any], name: str, text: str
) -> ResultSet:
    """Return every row of a design empty, with the reason; that of the main design goes first."""
    rows = tuple(_blank(m, block.name, labels, plan.design.conf_level) for m in CONTRAST)
    group = "" if block == plan.balancing[0] else block.name
    passed = False if name == "refused" else None
    check = Check(name=name, group=group, passed=passed, text=f"{block.title}: {text}")
    return ResultSet(estimates=rows, checks=(check,))


def _arms(
    table: CountTable,
    found: Mapping[str, Estimate],
    base: int,
    rules: Policy,
    counts: Mapping[tuple[str, str], int | None],
) -> dict[str, Arm] | None:
    """Return the arms of a design as they may be known; None where one may not be."""
    whole = {
        group
        for group in ARMS.codes
        if not any(cell.count for cell in table.cells if cell.key[:2] == (group, "dropped"))
    }
    # Without those whom nobody was dropped from, and without the lines that no reader sees.
    gone = {c.key for c in table.cells if c.key[1] == "dropped" and c.key[0] in whole}
    gone |= {(group, "all", word) for (group, word), count in counts.items() if count is None}
    done = _control(_without(table, gone), base, rules, whole="all")
    coarse = dataclasses.replace(rules, round_to=base)
    if any(cell.count is None and "all" in cell.key for cell in done.cells):
        return None  # it is shown elsewhere, and safe only if hidden
    arms = {}
    for group, measure in (("programme", "risk_treated"), ("comparison", "risk_comparison")):
        yes, no = done[group, "kept", "yes"], done[group, "kept", "no"]
        if yes is None or no is None:
            return None
        exact = {word: table[group, "kept", word] or 0 for word in ("yes", "no")}
        size = sum(exact.values())
        risk = found[measure].estimate or 0.0
        counted = math.isclose(risk, exact["yes"] / max(size, 1), rel_tol=1e-9)
        events = yes
        if not counted:
            given = disclosure.safe_number(round(risk * (yes + no)), coarse)
            events = min(given or 0, yes + no)
        if not 0 < events < yes + no:
            return None
        arms[group] = Arm(events=events, n=yes + no, counted=counted, exact_n=size)
    return arms
