"""Rival explanations of a fall within one arm, from its released table."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.controlled import quarter, two_digits, without_numbers
from drive_eval.evaluation.released_behaviours import WITHHELD, pair_counts
from drive_eval.evaluation.released_bound_rows import (
    bounded_fall,
    bounded_optimism,
    bounded_tipping,
)
from drive_eval.evaluation.released_bounds import reach_of, side_of
from drive_eval.evaluation.released_margins import fall_of_margins
from drive_eval.evaluation.rival_behaviours import (
    imputed,
    misreported,
    missing,
    powered,
    tipping,
    verdict,
    weighted,
)
from drive_eval.evaluation.rival_question import and_so_on, interval_words, number
from drive_eval.models import prepost, sensitivity
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.disclosure import Policy
    from drive_eval.evaluation.released_bounds import Reach, Side
    from drive_eval.evaluation.rival_question import Asked
    from drive_eval.plan import BehaviourOutcome, Plan
    from drive_eval.results import CountTable, Estimate

__all__ = [
    "ReleasedArm",
    "bare",
    "floor_of",
    "released_arms_of",
    "sides_of",
    "sites_pass",
    "sites_words",
    "to_hundredth",
    "with_coarse_size",
]

_USED = {
    "both": (True, True),
    "before_only": (True, False),
    "after_only": (False, True),
    "neither": (False, False),
}
#: Users after, others and who has no pair of measures, in the lines of a pair table.
_AFTER = (
    [("users", "after")],
    [("pairs", "before_only"), ("pairs", "neither")],
    [("missing", "only before"), ("missing", "only after"), ("missing", "never")],
)
#: By which factor the size of a new study may be too large because the pairing is hidden.
_OFF = 1.2
_SIZE_HIDDEN = (
    "How many people a new study would need is not shown: it hangs on who stopped and who started, "
    "which is hidden, and could be too large by more than a fifth."
)
_COUNTS = ("n", "n_events", "n_reference", "n_events_reference")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedArm:
    """One arm as a reader of the release knows it.

    Attributes
    ----------
    pairs : mapping of str to int, or None
        The four kinds of pair, as released or the least favourable to their margins.
    side : Side or None
        Between which numbers its users after, others and unmeasured lie.
    hidden : bool
        Whether how many of them were not measured is hidden.
    sites : bool
        Whether each site's own counts are large enough to be left out.
    found : ResultSet
        The rival explanations of its fall.
    """

    pairs: Mapping[str, int] | None
    side: Side | None
    hidden: bool
    sites: bool
    found: ResultSet

    def rows(self, group: str) -> pd.DataFrame:
        """Return everybody with both measures, one row each."""
        return _rows(self.pairs or {}, (0, 0), group)


def released_arms_of(
    asked: Asked,
    outcome: BehaviourOutcome,
    plan: Plan,
    exact: ResultSet,
    main: ResultSet,
    released: ResultSet,
    rules: Policy,
) -> dict[str, ReleasedArm]:
    """Ask the rival explanations of each arm's fall again of what is released of it.

    Parameters
    ----------
    asked : Asked
        As of people.
    outcome : BehaviourOutcome
    plan : Plan
    exact, main, released : ResultSet
        As in `drive_eval.evaluation.released_rivals.release_rivals`.
    rules : Policy

    Returns
    -------
    dict of str to ReleasedArm
        By group.
    """
    return {
        table.name.removeprefix("pairs:"): _arm(
            asked, outcome, plan, table, exact, main, released, rules
        )
        for table in released.tables
        if table.name.startswith("pairs:")
    }


def _arm(
    asked: Asked,
    outcome: BehaviourOutcome,
    plan: Plan,
    table: CountTable,
    exact: ResultSet,
    main: ResultSet,
    released: ResultSet,
    rules: Policy,
) -> ReleasedArm:
    group = table.name.removeprefix("pairs:")
    hidden = table.policy == WITHHELD
    counts, how = (None, "") if hidden else pair_counts(table)
    if counts is not None and not sum(counts.values()):
        counts = None
    reach = None if counts is None else reach_of(table, rules, by_cells=how == "cells")
    side = None if hidden else side_of(table, rules, *_AFTER)
    unknown = hidden or any(table[key] is None for key in _AFTER[-1])
    sites = not hidden and sites_pass(exact, main, group, rules)
    parts: list[ResultSet] = []
    if counts is not None:
        clustered = plan.design.unit != "person"
        pairs = _rows(counts, (0, 0), group)
        if reach is not None:
            parts += _of_missing(
                asked, outcome, table, counts, reach, group, exact, main, rules, clustered
            )
            found = misreported(asked, pairs, group)
            found = found if reach.exact else bounded_optimism(asked, found, reach)
            parts.append(bare(found) if clustered else found)
        if sites:
            parts.append(_without_sites(asked, exact, released, group, rules))
        parts.append(_power(asked, counts, how, group, released))
    merged = merge(parts, outcome=str(asked.labels["outcome"]))
    if how == "margins":
        merged = dataclasses.replace(
            merged, estimates=tuple(_of_margins(e) for e in merged.estimates)
        )
    return ReleasedArm(pairs=counts, side=side, hidden=unknown, sites=sites, found=merged)


def _of_margins(e: Estimate) -> Estimate:
    """Say that who stopped and who started is not shown, where the limits hang on it."""
    if e.conf_low is None or e.measure.startswith("prevalence") or "to two digits" in e.method:
        return e
    return dataclasses.replace(e, method=f"{e.method}; pairing taken at its widest")


def _rows(counts: Mapping[str, int], lost: tuple[int, int], group: str) -> pd.DataFrame:
    """Write released counts as one row a person; who was lost has no second measure."""
    rows: list[tuple[bool, bool | None]] = []
    for name, count in counts.items():
        rows += [_USED[name]] * count
    for before, count in zip((True, False), lost, strict=True):
        rows += [(before, None)] * count
    table = pd.DataFrame(rows, columns=["used_before", "used_after"])
    after = table["used_after"].astype("boolean") if lost != (0, 0) else table["used_after"]
    return table.assign(used_after=after, group=group)


def bare(found: ResultSet) -> ResultSet:
    """Take the intervals of what was asked as of people where these are clustered."""
    kept = tuple(
        dataclasses.replace(
            e,
            conf_low=None,
            conf_high=None,
            estimate=None if e.term == "interval" else e.estimate,
        )
        for e in found.estimates
    )
    checks = tuple(c for c in found.checks if "interval" not in c.name)
    return dataclasses.replace(found, estimates=kept, checks=checks)


# Who was not seen again


def _of_missing(
    asked: Asked,
    outcome: BehaviourOutcome,
    table: CountTable,
    counts: Mapping[str, int],
    reach: Reach,
    group: str,
    exact: ResultSet,
    main: ResultSet,
    rules: Policy,
    clustered: bool,
) -> list[ResultSet]:
    used, free = table["lost", "used before"], table["lost", "not used before"]
    hidden = used is None or free is None
    # Where it is hidden who was lost, any number that may be gives the rows to be filled.
    used, free = (reach.users_lost[1], reach.others_lost[1]) if hidden else (used, free)
    lost = used or 0, free or 0
    people = _rows(counts, lost, group)
    never = 0 if hidden else _never(table, outcome, len(people), rules)
    found = missing(asked, people, group, never=never)
    bounds = found if reach.exact else bounded_fall(asked, found, reach, group, hidden=hidden)
    parts = [] if bounds is None else [bounds]
    if not hidden and lost != (0, 0):
        tips = tipping(asked, people, group)
        parts.append(tips if reach.exact else bounded_tipping(asked, tips, reach, group))
        model = not asked.plan.sensitivity.missing_covariates
        if model and not clustered:
            # Without covariates they follow from the counts.
            parts += [imputed(asked, people, group), weighted(asked, people, group)]
    if clustered:
        parts = [bare(found) for found in parts]
    if not hidden and lost != (0, 0) and (clustered or asked.plan.sensitivity.missing_covariates):
        parts.append(_modelled(asked, table, lost, group, exact, main, rules))
    return parts


def _never(table: CountTable, outcome: BehaviourOutcome, measured: int, rules: Policy) -> int:
    """Return how many were not measured before, where the table shows it; else 0."""
    referred, before = table["all", "referred"], table["all", f"measured at {outcome.before}"]
    lines = (table["missing", "only after"], table["missing", "never"])
    if referred is None or before is None or None in lines:
        return 0
    return max(referred - measured, 0) if referred - measured > rules.suppress_up_to else 0


# Models with covariates


def floor_of(rules: Policy) -> int:
    """Return how many people must stand behind what follows from no count."""
    return max(rules.min_events, rules.suppress_up_to + 1)


def to_hundredth(e: Estimate) -> Estimate:
    """Return a share, difference or ratio to two digits and at most the hundredth."""

    def coarse(value: float | None) -> float | None:
        if value is None:
            return None
        if e.measure in ("percent_reduction", "observed_fall", "expected_fall", "fall_beyond"):
            ratio = _two(1 - value / 100)
            return None if ratio is None else round(100 * (1 - ratio), 0)
        if e.measure == "share_explained":
            return round(value)
        return _two(value)

    none: dict[str, Any] = dict.fromkeys(_COUNTS)
    return dataclasses.replace(
        e,
        estimate=coarse(e.estimate),
        conf_low=coarse(e.conf_low),
        conf_high=coarse(e.conf_high),
        std_error=None,
        p_value=None,
        method=f"{e.method.partition(',')[0].partition(';')[0]}, to two digits",
        **none,
    )


def _two(value: float) -> float | None:
    coarse = two_digits(value)
    return None if coarse is None else round(coarse, 2)


def _modelled(
    asked: Asked,
    table: CountTable,
    lost: tuple[int, int],
    group: str,
    exact: ResultSet,
    main: ResultSet,
    rules: Policy,
) -> ResultSet:
    """Return imputed and weighted results coarsely, where enough people stand behind each.

    Whether they are is decided from released counts alone, and from the smallest category of a
    covariate.
    """
    total = table["all", "measured at both"]
    sides: list[int | None] = list(lost)
    for when in ("before", "after"):
        users = table["users", when]
        sides += [users, None if users is None or total is None else total - users]
    cells = [c.statistic for c in main.checks if c.name == "missing_cells" and c.group == group]
    few = [cell is not None and cell <= rules.suppress_up_to for cell in cells]
    rare = any(few) or (not cells and bool(asked.plan.sensitivity.missing_covariates))
    if any(count is None or count < floor_of(rules) for count in sides) or rare:
        return ResultSet()
    rows = {
        kind: [
            to_hundredth(e) for e in exact.estimates if e.group == group and e.term.startswith(kind)
        ]
        for kind in ("imputed", "weighted")
    }
    checks: list[Check] = []
    falls = {
        e.term.removesuffix(" (users)"): e
        for e in (*rows["imputed"], *rows["weighted"])
        if e.measure == "percent_reduction"
    }
    words = [
        f"{interval_words(e)} {_odds_words(term)}"
        for term, e in falls.items()
        if term.startswith("imputed")
    ]
    if words:
        text = (
            "With those not rated a second time filled in by a model of those who were, the fall "
            f"is {and_so_on(words)}."
        )
        checks.append(asked.said("imputed", text, group=group))
    if "weighted" in falls:
        text = (
            "With those rated twice weighted to stand for everybody measured before, the fall "
            f"is {interval_words(falls['weighted'])}."
        )
        checks.append(asked.said("weighted", text, group=group))
    return ResultSet(estimates=(*rows["imputed"], *rows["weighted"]), checks=tuple(checks))


def _odds_words(term: str) -> str:
    odds = term.partition("× ")[2]
    return "at the odds of people alike" if odds == "1" else f"at {odds} times these odds"


# One site


def sites_pass(exact: ResultSet, main: ResultSet, group: str, rules: Policy) -> bool:
    """Tell whether each site alone, and all others, have enough people on either side.

    A result without a site is what the result of all loses with it, so the site's own counts
    are those that must be large.

    Parameters
    ----------
    exact : ResultSet
        With the results without each site.
    main : ResultSet
        With the result of all.
    group : str
        The arm.
    rules : Policy

    Returns
    -------
    bool
    """
    rest = [e for e in exact.estimates if e.group == group and e.subgroup.startswith("without ")]
    whole = next(
        (e for e in main.estimates if e.measure == "risk_ratio" and e.group == group), None
    )
    if not rest or whole is None:
        return False
    every = sides_of(whole)
    if every is None:
        return False
    for e in rest:
        sides = sides_of(e)
        if sides is None:
            return False
        own = [all_ - left for all_, left in zip(every, sides, strict=True)]
        if min(*sides, *own) < floor_of(rules):
            return False
    return True


def sides_of(e: Estimate) -> list[int] | None:
    """Return users after and before and who was none, of a change or of two arms."""
    counts = [getattr(e, name) for name in _COUNTS]
    if None in counts:
        return None
    n, x, m, y = counts
    return [x, n - x, y, m - y]


def _without_sites(
    asked: Asked, exact: ResultSet, released: ResultSet, group: str, rules: Policy
) -> ResultSet:
    clustered = asked.plan.design.unit != "person"
    rows = [
        fall_of_margins(e, rules, clustered=clustered)
        for e in exact.estimates
        if e.group == group and e.subgroup.startswith("without ")
    ]
    whole = [
        e for e in released.estimates
        if e.group == group and e.measure == "percent_reduction" and not e.subgroup
    ]  # fmt: skip
    text, passed = sites_words(rows, whole, "the fall", " %")
    sentence = asked.said("one_site", text, group=group, passed=passed)
    return ResultSet(estimates=tuple(rows), checks=(sentence,))


def sites_words(
    rows: Sequence[Estimate], whole: Sequence[Estimate], what: str, unit: str, scale: float = 1.0
) -> tuple[str, bool | None]:
    """Say over what range a result runs if a site is left out, and whether it keeps its side.

    Parameters
    ----------
    rows : sequence of Estimate
        Each without a site, coarse.
    whole : sequence of Estimate
        The result of everybody, as it is released; the first counts.
    what, unit : str
        Of the sentence.
    scale : float
        By what numbers are multiplied to be said.

    Returns
    -------
    (str, bool or None)
    """
    points = [scale * e.estimate for e in rows if e.estimate is not None]
    if len(points) < len(rows) or not points:
        return f"Without some site {what} is not defined; the others are shown.", None
    digits = 0 if scale != 1 or unit == " %" else 2
    low, high = number(min(points), digits), number(max(points), digits)
    text = (
        f"Leaving out one site at a time, {what} runs from {low} to {high}{unit}."
        if low != high
        else f"Leaving out one site at a time, {what} stays at {low}{unit}."
    )
    clear = [_clear(e) for e in (*whole[:1], *rows)]
    passed = None if None in clear else len(set(clear)) == 1
    return text, passed


def _clear(e: Estimate) -> int | None:
    """Return on which side of no effect an interval lies; 0 if it includes it."""
    if e.conf_low is None or e.conf_high is None:
        return None
    null = 1.0 if e.measure.endswith("ratio") or e.measure.startswith("ratio") else 0.0
    return int(e.conf_low > null) - int(e.conf_high < null)


# What the sample could show


def _power(
    asked: Asked, counts: Mapping[str, int], how: str, group: str, released: ResultSet
) -> ResultSet:
    gap = [
        e
        for e in released.estimates
        if e.measure == "risk_difference"
        and e.group == group
        and not e.subgroup
        and e.estimate is not None
    ]
    if not gap:
        return ResultSet()
    parts = [ResultSet(checks=(verdict(asked, gap[0], group=group),))]
    n = sum(counts.values())
    prevalence = (counts["both"] + counts["before_only"]) / n
    sizes, _ = prepost.design_effects(released, group=group)
    enough = 0 < asked.worthwhile <= prevalence

    def detectable(changed: float) -> ResultSet:
        return sensitivity.detectable_effect(
            n=n,
            prevalence=prevalence,
            changed=min(max(changed, asked.worthwhile), 1.0),
            worthwhile=100 * asked.worthwhile / prevalence if enough else None,
            power=asked.plan.sensitivity.power,
            conf_level=asked.level,
            design_effect=quarter(sizes.get("risk_difference", 1.0)),
            outcome=str(asked.labels["outcome"]),
            unit=str(asked.labels["unit"]),
        )

    stopped, started = counts["before_only"], counts["after_only"]
    found, refused = asked.asked("power", lambda: detectable((stopped + started) / n), group=group)
    if found is None:
        return merge([*parts, refused], outcome=str(asked.labels["outcome"]))
    if how == "margins" and _needed(found) is not None:
        # The fewest who can have changed are those by whom the margins differ.
        fewest = _needed(detectable(abs(stopped - started) / n))
        if fewest is None or (_needed(found) or 0) > _OFF * fewest:
            rows = [without_numbers(e) if e.measure == "n_needed" else e for e in found.estimates]
            found = dataclasses.replace(found, estimates=tuple(rows))
            outcome = str(asked.labels["outcome"])
            why = Check(name="size_hidden", outcome=outcome, group=group, text=_SIZE_HIDDEN)
            parts.append(ResultSet(checks=(why,)))
    parts.append(with_coarse_size(powered(asked, found, group)))
    return merge(parts, outcome=str(asked.labels["outcome"]))


def _needed(found: ResultSet) -> float | None:
    return next((e.estimate for e in found.estimates if e.measure == "n_needed"), None)


def with_coarse_size(found: ResultSet) -> ResultSet:
    """Give the size of a new study in two digits, rounded up: it hangs on rounded counts.

    Parameters
    ----------
    found : ResultSet
        From `drive_eval.evaluation.rival_behaviours.powered`.

    Returns
    -------
    ResultSet
        With the sentence that says it.
    """
    rows, words = [], {}
    for e in found.estimates:
        if e.measure != "n_needed" or e.estimate is None:
            rows.append(e)
            continue
        sizes: dict[str, Any] = {
            "estimate": float(_up(e.estimate)),
            "n": None if e.n is None else _up(e.n),
            "n_reference": None if e.n_reference is None else _up(e.n_reference),
        }
        rows.append(dataclasses.replace(e, **sizes))
        if e.n_reference is not None:
            words[f"need {e.n:,} and {e.n_reference:,} people"] = (
                f"need {sizes['n']:,} and {sizes['n_reference']:,} people"
            )
        words[f"need {e.n:,} pairs"] = f"need {sizes['n']:,} pairs"
    checks = []
    for c in found.checks:
        text = c.text
        for old, new in words.items():
            text = text.replace(old, new)
        checks.append(dataclasses.replace(c, text=text))
    return dataclasses.replace(found, estimates=tuple(rows), checks=tuple(checks))


def _up(size: float) -> int:
    """Round up to two digits.

    Examples
    --------
    >>> _up(2379), _up(90), _up(7)
    (2400, 90, 7)
    """
    step: int = 10 ** max(len(str(int(size))) - 2, 0)
    return math.ceil(size / step) * step
