"""Rival explanations of a fall within one arm, from its released table."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval import disclosure
from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.controlled import quarter, two_digits, without_numbers
from drive_eval.evaluation.released_behaviours import WITHHELD, pair_counts
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
from drive_eval.results import NOT_SHOWN, Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.disclosure import Policy
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
]

_USED = {
    "both": (True, True),
    "before_only": (True, False),
    "after_only": (False, True),
    "neither": (False, False),
}
_COUNTS = ("n", "n_events", "n_reference", "n_events_reference")
_WIDEST = "; the widest that the counts shown allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedArm:
    """One arm as a reader of the release knows it.

    Attributes
    ----------
    pairs : mapping of str to int, or None
        The four kinds of pair, as released or the least favourable to their margins.
    referred : int or None
        Everybody in the arm.
    sites : bool
        Whether each site's own counts are large enough to be left out.
    found : ResultSet
        The rival explanations of its fall.
    """

    pairs: Mapping[str, int] | None
    referred: int | None
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
    referred = None if hidden else table["all", "referred"]
    sites = not hidden and sites_pass(exact, main, group, rules)
    parts: list[ResultSet] = []
    if counts is not None:
        clustered = plan.design.unit != "person"
        pairs = _rows(counts, (0, 0), group)
        parts += _of_missing(asked, outcome, table, counts, group, exact, main, rules, clustered)
        found = misreported(asked, pairs, group)
        parts.append(bare(found) if clustered else found)
        if sites:
            parts.append(_without_sites(asked, exact, released, group))
        parts.append(_power(asked, counts, group, released))
    merged = merge(parts, outcome=str(asked.labels["outcome"]))
    if how == "margins":
        merged = dataclasses.replace(
            merged, estimates=tuple(_of_margins(e) for e in merged.estimates)
        )
    return ReleasedArm(pairs=counts, referred=referred, sites=sites, found=merged)


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
    group: str,
    exact: ResultSet,
    main: ResultSet,
    rules: Policy,
    clustered: bool,
) -> list[ResultSet]:
    used, free = table["lost", "used before"], table["lost", "not used before"]
    if used is None or free is None:
        found = _widest_bounds(asked, table, counts, group, rules)
        return [] if found is None else [bare(found) if clustered else found]
    people = _rows(counts, (used, free), group)
    never = _never(table, outcome, len(people), rules)
    parts = [missing(asked, people, group, never=never)]
    if used + free:
        parts.append(tipping(asked, people, group))
        model = not asked.plan.sensitivity.missing_covariates
        if model and not clustered:
            # Without covariates they follow from the counts.
            parts += [imputed(asked, people, group), weighted(asked, people, group)]
    if clustered:
        parts = [bare(found) for found in parts]
    if used + free and (clustered or asked.plan.sensitivity.missing_covariates):
        parts.append(_modelled(asked, table, (used, free), group, exact, main, rules))
    return parts


def _never(table: CountTable, outcome: BehaviourOutcome, measured: int, rules: Policy) -> int:
    """Return how many were not measured before, where the table shows it; else 0."""
    referred, before = table["all", "referred"], table["all", f"measured at {outcome.before}"]
    lines = (table["missing", "only after"], table["missing", "never"])
    if referred is None or before is None or None in lines:
        return 0
    return max(referred - measured, 0) if referred - measured > rules.suppress_up_to else 0


def _widest_bounds(
    asked: Asked, table: CountTable, counts: Mapping[str, int], group: str, rules: Policy
) -> ResultSet | None:
    """Return bounds that hold however many were lost, as far as the counts shown allow."""
    limits = {key: (low, high) for key, low, high in disclosure.audit(table, rules)}

    def limit(*key: str) -> tuple[int, int | None]:
        shown = table[key]
        return limits[key] if shown is None else (shown, shown)

    (low, high), (least, most) = limit("lost", "used before"), limit("lost", "not used before")
    everybody = limit("missing", "only before")[1]
    if high is None or most is None:
        return None
    everybody = high + most if everybody is None else everybody
    y, x = counts["both"] + counts["before_only"], counts["both"] + counts["after_only"]
    corners = {
        (u, max(min(most, everybody - u), least))
        for u in (low, max(min(high, everybody - least), low))
    }
    if not y:
        return None
    worst = max(corners, key=lambda lost: (x + sum(lost)) / (y + lost[0]))
    best = max(corners, key=lambda lost: lost[0])
    runs = {
        name: missing(asked, _rows(counts, lost, group), group)
        for name, lost in (("worst case", worst), ("best case", best))
    }
    estimates = []
    for one, other in zip(runs["worst case"].estimates, runs["best case"].estimates, strict=True):
        name = one.term.partition(" (")[0]
        about: dict[str, Any] = {"method": one.method + _WIDEST}
        if name == "as observed":
            estimates.append(one)
            continue
        if name in runs:
            e = one if name == "worst case" else other
        elif name == "range":
            e = one
            about |= {
                "conf_low": _end(min, one.conf_low, other.conf_low),
                "conf_high": _end(max, one.conf_high, other.conf_high),
            }
        else:
            e, about = without_numbers(one), {"method": NOT_SHOWN}
        none: dict[str, Any] = dict.fromkeys(_COUNTS)
        estimates.append(dataclasses.replace(e, **about, **none))
    fall = {e.term: e.estimate for e in estimates if e.measure == "percent_reduction"}
    low_end, high_end = fall["worst case (users)"], fall["best case (users)"]
    text = (
        "How many have no second measure is not shown. Whatever became of them, the fall is at "
        f"least {number(low_end)} % and at most {number(high_end)} %."
    )
    sentence = asked.said("missing", text, group=group, statistic=low_end)
    return ResultSet(estimates=tuple(estimates), checks=(sentence,))


def _end(choose: Any, *ends: float | None) -> float | None:
    return None if None in ends else choose(ends)


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
            "With those without a second measure filled in by a model of those with one, the fall "
            f"is {and_so_on(words)}."
        )
        checks.append(asked.said("imputed", text, group=group))
    if "weighted" in falls:
        text = (
            "With those measured twice weighted to stand for everybody measured before, the fall "
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


def _without_sites(asked: Asked, exact: ResultSet, released: ResultSet, group: str) -> ResultSet:
    rows = [
        to_hundredth(e)
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


def _power(asked: Asked, counts: Mapping[str, int], group: str, released: ResultSet) -> ResultSet:
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
    changed = max((counts["before_only"] + counts["after_only"]) / n, asked.worthwhile)
    sizes, _ = prepost.design_effects(released, group=group)
    enough = 0 < asked.worthwhile <= prevalence
    found, refused = asked.asked(
        "power",
        lambda: sensitivity.detectable_effect(
            n=n,
            prevalence=prevalence,
            changed=min(changed, 1.0),
            worthwhile=100 * asked.worthwhile / prevalence if enough else None,
            power=asked.plan.sensitivity.power,
            conf_level=asked.level,
            design_effect=quarter(sizes.get("risk_difference", 1.0)),
            outcome=str(asked.labels["outcome"]),
            unit=str(asked.labels["unit"]),
        ),
        group=group,
    )
    parts.append(refused if found is None else powered(asked, found, group))
    return merge(parts, outcome=str(asked.labels["outcome"]))
