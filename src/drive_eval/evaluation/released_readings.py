"""Estimates over time as they may be released: read off released curves, or to two digits."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scipy import special

from drive_eval.evaluation.controlled import (
    HIDDEN,
    coarse_p,
    coarse_ratio,
    quarter,
    too_rare,
    two_digits,
    without_numbers,
)
from drive_eval.evaluation.designs import adjusted_for
from drive_eval.evaluation.released_arms import few
from drive_eval.evaluation.released_curves import FEWEST_PEOPLE
from drive_eval.results import Check
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.evaluation.released_curves import Stairs
    from drive_eval.plan import Plan
    from drive_eval.results import Estimate, ResultSet
    from drive_eval.vocabulary import Claim

__all__ = ["Arm", "Rows", "method_of", "point"]

_RARE = (
    "not released, because too few cases had the event or were without it, or the design dropped a "
    "few cases of an arm, who could be worked out."
)
_TWO_DIGITS = (
    "hazard ratios and differences are given to two digits; curves and numbers of its arms are "
    "not released, because they would stand beside those of all cases."
)
_REFUSED = "Part of this outcome could not be worked out with these data."
#: What of a matched or weighted comparison may be said.
_OF_DESIGNS = ("hazard_ratio", "restricted_mean_difference", "event_free_difference")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """People of an arm and those with the event, each exact and as released.

    `each` is how many of its units may be one person.
    """

    n: tuple[int, int]
    events: tuple[int, int]
    each: float = 1.0

    def enough(self, rules: Policy) -> bool:
        """Tell whether enough people had the event, and enough had not."""
        floor = max(rules.min_events, rules.suppress_up_to + 1)
        return min(self.events[1], self.n[1] - self.events[1]) >= floor * self.each


# Values of a curve


def method_of(method: str, steps: Stairs) -> str:
    """Say from what a released number was worked out."""
    parts = [method.partition(",")[0].partition(";")[0]]
    parts.append(f"worked out again from steps of numbers rounded to {steps.base}")
    if steps.size is not None and steps.size > 1:
        parts.append(f"design effect {steps.size:g}")
    return ", ".join(parts)


def point(
    steps: Stairs, time: float, measure: str, z: float
) -> tuple[float | None, float | None, float | None]:
    """Return a curve's value and limits at a time, as its measure is spoken of."""
    here = steps.at(time)
    if here is None:
        return None, None, None
    value, variance = here
    low, high = (value, value) if time == 0 else steps.interval(value, variance, z)
    if measure != "cumulative_incidence":
        return value, low, high
    return 1 - value, None if high is None else 1 - high, None if low is None else 1 - low


# Estimates


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Every estimate as it may be released."""

    plan: Plan
    result: ResultSet
    arms: Mapping[str, Arm]
    shown: Mapping[tuple[str, str, str], Stairs]
    rules: Policy
    z: float
    claim: Claim

    def released(self, e: Estimate) -> Estimate:
        """Return a row with what may be known of it."""
        claim = self.claim if e.claim == "causal" else e.claim
        bare = dataclasses.replace(without_numbers(e), claim=claim)
        design = self.design_of(e)
        if design:
            allowed = e.measure in _OF_DESIGNS or e.measure == "percent_reduction"
            if not allowed or self.why_not(design):
                return bare
            hazards = e.measure in ("hazard_ratio", "percent_reduction")
            return self.hazard(e, bare) if hazards else self.rounded(e, bare)
        if e.measure in ("hazard_ratio", "percent_reduction"):
            return bare if self.too_few(e) else self.hazard(e, bare)
        if e.group:
            return self.of_arm(e, bare)
        return self.of_both(e, bare)

    def design_of(self, e: Estimate) -> str:
        """Return the name of the design that an estimate is of, or nothing."""
        return next(
            (
                block.name
                for block in self.plan.balancing
                if e.term == block.name or e.term.startswith(f"{block.name} (")
            ),
            "",
        )

    def of_arm(self, e: Estimate, bare: Estimate) -> Estimate:
        """Read a row of one arm off its released curve."""
        found = self.value(e.measure, e.group, e)
        if found is None:
            return bare
        value, variance, steps = found
        low: float | None
        high: float | None
        if e.measure in ("restricted_mean", "time_lost"):
            reach = self.z * math.sqrt(variance)
            low, high = max(value - reach, 0.0), min(value + reach, e.time or math.inf)
            low, high = (None, None) if steps.size is None else (low, high)
        else:
            _, low, high = point(steps, e.time or 0.0, e.measure, self.z)
        return dataclasses.replace(
            bare,
            estimate=value,
            conf_low=low,
            conf_high=high,
            n=self.arms[e.group].n[1],
            n_events=steps.happened(e.time or 0.0),
            method=method_of(e.method, steps),
        )

    def value(self, measure: str, group: str, e: Estimate) -> tuple[float, float, Stairs] | None:
        """Return a measure of an arm, its variance and the curve that it is read off."""
        cause = e.term if measure == "cumulative_incidence" else ""
        area = measure in ("restricted_mean", "time_lost")
        steps = self.shown.get(("event_free" if area else measure, group, cause))
        if steps is None or e.time is None:
            return None
        here = steps.area(e.time) if area else steps.at(e.time)
        if here is None:
            return None
        value, variance = here
        if measure == "time_lost":
            value = e.time - value
        elif measure == "cumulative_incidence":
            value = 1 - value
        return value, variance, steps

    def of_both(self, e: Estimate, bare: Estimate) -> Estimate:
        """Set the released curves of the two arms against each other."""
        measure, _, word = e.measure.rpartition("_")
        if word not in ("difference", "ratio"):
            return bare
        found = [self.value(measure, group, e) for group in ARMS.codes]
        one, two = found
        if one is None or two is None:
            return bare
        (a, v, steps), (b, w, others) = one, two
        if word == "ratio":
            if a <= 0 or b <= 0:
                return bare
            centre, error = math.log(a / b), math.sqrt(v / a**2 + w / b**2)
        else:
            centre, error = a - b, math.sqrt(v + w)
        low = high = p = None
        if steps.size is not None and others.size is not None and error > 0:
            low, high = centre - self.z * error, centre + self.z * error
            p = float(2 * special.ndtr(-abs(centre) / error))
        if word == "ratio":
            centre = math.exp(centre)
            low, high = (None if x is None else math.exp(x) for x in (low, high))
        elif measure in ("event_free", "cumulative_incidence") and low is not None:
            low, high = max(low, -1.0), min(high or 1.0, 1.0)
        return dataclasses.replace(
            bare,
            estimate=centre,
            conf_low=low,
            conf_high=high,
            p_value=p,
            n=self.arms["programme"].n[1],
            n_reference=self.arms["comparison"].n[1],
            n_events=steps.happened(e.time or 0.0),
            n_events_reference=others.happened(e.time or 0.0),
            method=method_of(e.method, steps),
        )

    # What follows from no count

    def rounded(self, e: Estimate, bare: Estimate) -> Estimate:
        """Return a difference of a design to two digits; shares to whole points."""
        if e.estimate is None:
            return bare

        def coarse(value: float | None) -> float | None:
            if value is None or e.measure != "event_free_difference":
                return two_digits(value)
            return round(value, 2)

        value, low, high = (coarse(x) for x in (e.estimate, e.conf_low, e.conf_high))
        p = None
        if value is not None and low is not None and high is not None and high > low:
            # From what is shown: the exact one would be a further number about the same people.
            p = coarse_p(float(2 * special.ndtr(-abs(value) * 2 * self.z / (high - low))))
        return dataclasses.replace(
            bare,
            estimate=value,
            conf_low=low,
            conf_high=high,
            p_value=p,
            method=f"{e.method.partition(',')[0]}, to two digits",
        )

    def hazard(self, e: Estimate, bare: Estimate) -> Estimate:
        """Return a hazard ratio to two digits, with an interval that follows from released counts.

        Ratio, limits and P value to two digits each would leave few arms that fit them all. So
        the interval is that of the released numbers of events, and a design effect in quarters.
        A reduction is given as its ratio is.
        """
        reduced = e.measure == "percent_reduction"
        exact = [
            None if x is None else 1 - x / 100 if reduced else x
            for x in (e.estimate, e.conf_low, e.conf_high)
        ]
        ratio = coarse_ratio(exact[0])
        if ratio is None or ratio <= 0:
            return bare
        counted = self.events_of(e)
        low = high = p = size = None
        if None not in exact and min(x or 0.0 for x in exact) > 0 and all(counted):
            plain = sum(1 / number for number in counted)
            reach = abs(math.log((exact[2] or 1.0) / (exact[1] or 1.0))) / (2 * self.z)
            size = quarter(reach**2 / plain)
            error = math.sqrt(size * plain)
            low, high = (coarse_ratio(ratio * math.exp(s * self.z * error)) for s in (-1, 1))
            p = coarse_p(float(2 * special.ndtr(-abs(math.log(ratio)) / error)))
        shown: list[float | None] = [ratio, low, high]
        if reduced:
            shown = [None if x is None else 100 * (1 - x) for x in (ratio, high, low)]
        method = f"{e.method.partition(',')[0]}, to two digits"
        if size is not None:
            method += f", interval from numbers of events, design effect {size:g}"
        numbers: dict[str, Any] = {}
        if not self.design_of(e):
            numbers = {
                "n": self.arms["programme"].n[1],
                "n_reference": self.arms["comparison"].n[1],
            }
            numbers |= {"n_events": counted[0], "n_events_reference": counted[1]}
        return dataclasses.replace(
            bare,
            estimate=shown[0],
            conf_low=shown[1],
            conf_high=shown[2],
            p_value=p,
            method=method,
            **numbers,
        )

    def events_of(self, e: Estimate) -> list[int]:
        """Return the released numbers of events of both arms that an interval rests on."""
        steps = [self.shown.get(("mean_cumulative_count", group, "")) for group in ARMS.codes]
        if "repeated" in e.term and None not in steps:
            return [int(sum(s.events)) for s in steps if s is not None]
        return [self.arms[group].events[1] for group in ARMS.codes]

    def too_few(self, e: Estimate) -> bool:
        """Tell whether a hazard ratio of the whole arms may not be released."""
        if any(("event_free", group, "") not in self.shown for group in ARMS.codes):
            return True
        parameters = 1
        if "adjusted" in e.term:
            parameters += 2 * len(self.plan.comparison.covariates)
            if self.rare("covariate_cells") is not None:
                return True
        if "repeated" in e.term and any(
            ("mean_cumulative_count", group, "") not in self.shown for group in ARMS.codes
        ):
            return True  # one person may have most of the events
        people = sum(arm.n[1] for arm in self.arms.values())
        return people - parameters < self.rules.min_residual_df

    def rare(self, name: str, group: str | None = None) -> str | None:
        """Return the covariate with few people in a category; None where all have enough."""
        cells = [
            c
            for c in self.result.checks
            if c.name == name and (group is None or c.group == group) and c.statistic is not None
        ]
        low = [c for c in cells if (c.statistic or 0) <= self.rules.suppress_up_to]
        if name == "covariate_cells" and not cells:
            return ""
        if not low:
            return None
        return low[0].group if name == "covariate_cells" else low[0].text

    def why_not(self, design: str) -> str:
        """Say why nothing of a design may be said; nothing where it may."""
        found = [
            e
            for e in self.result.estimates
            if e.term == design and e.measure == "hazard_ratio" and e.estimate is not None
        ]
        if not found or len(self.arms) < 2:
            return _RARE
        e = found[0]
        floor = max(self.rules.min_events, self.rules.suppress_up_to + 1)
        numbers = ((e.n, e.n_events), (e.n_reference, e.n_events_reference))
        table = next(t for t in self.result.tables if t.name.startswith("followed:"))
        for group, (n, events) in zip(ARMS.codes, numbers, strict=True):
            if n is None or events is None or n < FEWEST_PEOPLE:
                return _RARE
            if min(events, n - events) < floor * self.arms[group].each:
                return _RARE
            followed = (table[group, "all"] or 0) - (table[group, "not followed"] or 0)
            lost = (followed - n, self.arms[group].events[0] - events)
            if any(number and few(number, self.rules) for number in (lost[0], *lost[1:])):
                return _RARE
        parameters = 2 * (1 + len(adjusted_for(self.plan, design)))
        if sum(n or 0 for n, _ in numbers) - parameters < self.rules.min_residual_df:
            return _RARE
        rare = self.rare("design_cells", design)
        return "" if rare is None else f"not released, because {too_rare(rare)}" if rare else _RARE

    def checks(self) -> list[Check]:
        """Say what of designs and of models may not be said."""
        found = []
        for block in self.plan.balancing:
            why = self.why_not(block.name)
            group = "" if block == self.plan.balancing[0] else block.name
            name = "suppressed" if why else "two_digits"
            text = f"{block.title}: {why or _TWO_DIGITS}"
            found.append(Check(name=name, group=group, text=text))
        hazards = {
            e.term: self.too_few(e)
            for e in self.result.estimates
            if e.measure == "hazard_ratio" and not self.design_of(e) and e.estimate is not None
        }
        if any(hazards.values()):
            rare = self.rare("covariate_cells") if hazards.get("adjusted") else None
            text = too_rare(rare) if rare else HIDDEN
            found.append(Check(name="below_floor", text=f"A hazard ratio is not released: {text}"))
        elif hazards and not self.plan.balancing:
            text = (
                "Hazard ratios follow from no count and are given to two digits; their intervals "
                "and P values follow from the ratio shown and numbers of events."
            )
            found.append(Check(name="two_digits", text=text))
        refused = [c for c in self.result.checks if c.name in ("refused", "undefined")]
        found += [
            Check(name=c.name, group=c.group, passed=False, text=_REFUSED) for c in refused[:1]
        ]
        return found
