"""Times to an event and re-offending as they may be released.

Counts go through the gate, curves keep few steps (`released_curves`), and everything read off a
curve is worked out again from its released numbers. Hazard ratios follow from no count: they are
given to two digits where enough people stand on both sides. What is not known here is not
released.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special, stats

from drive_eval.evaluation.controlled import (
    EXCLUDED,
    HIDDEN,
    quarter,
    too_rare,
    two_digits,
    without_numbers,
)
from drive_eval.evaluation.contrasts import between_arms_claim
from drive_eval.evaluation.designs import CRUDE, adjusted_for
from drive_eval.evaluation.released_arms import few
from drive_eval.evaluation.released_curves import (
    beside,
    error_of,
    fewest_events,
    grid_of,
    plain_variance,
    read,
    stairs,
    unit_of,
)
from drive_eval.evaluation.released_months import released_months
from drive_eval.evaluation.released_repeats import released_tables
from drive_eval.results import Check, Curve, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.evaluation.released_curves import Exact, Stairs
    from drive_eval.plan import Plan, ReoffendingOutcome, TimeToEventOutcome
    from drive_eval.results import CountTable, Estimate
    from drive_eval.vocabulary import Claim

__all__ = ["FEWEST_PEOPLE", "following"]

#: An arm of fewer people has no curve: each of its steps would be a large part of it.
FEWEST_PEOPLE = 60
_NO_CURVE = (
    "Nothing is released over time of this group: with few people, or few with the event or "
    "without it, each step of its curve would be a few people."
)
_NO_CAUSE = (
    "{cause} is not released over time: in too few people it came first, or one of them would be "
    "a large part of a step."
)
_NO_COUNT = (
    "Mean numbers of events are not released: too few people have events, or one person may have "
    "a large part of them."
)
_NO_WIDTH = "How much wider clustering makes the intervals is not known, so there are none."
_RARE = (
    "not released, because too few cases had the event or were without it, or the design dropped a "
    "few cases of an arm, who could be worked out."
)
_TWO_DIGITS = (
    "hazard ratios and differences are given to two digits; curves and numbers of its arms are "
    "not released, because they would stand beside those of all cases."
)
_REFUSED = "Part of this outcome could not be worked out with these data."
_CAUSES = {"reoffence": "Re-offending", "custody": "Custody", "death": "Death"}
#: What of a matched or weighted comparison may be said.
_OF_DESIGNS = ("hazard_ratio", "restricted_mean_difference", "event_free_difference")
#: Checks whose text holds no count.
_PLAIN = ("estimand", "custody_as", "custody", "recording_force")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arm:
    """People of an arm and those with the event, each exact and as released."""

    n: tuple[int, int]
    events: tuple[int, int]

    def enough(self, rules: Policy) -> bool:
        """Tell whether enough people had the event, and enough had not."""
        floor = max(rules.min_events, rules.suppress_up_to + 1)
        return min(self.events[1], self.n[1] - self.events[1]) >= floor


def following(
    plan: Plan,
    outcome: TimeToEventOutcome | ReoffendingOutcome,
    result: ResultSet,
    rules: Policy,
) -> ResultSet:
    """What of a time to an event, or of re-offending, may be read by others?

    Parameters
    ----------
    plan : Plan
    outcome : TimeToEventOutcome or ReoffendingOutcome
        The block of the plan.
    result : ResultSet
        Exact.
    rules : Policy
        One that hides or rounds.

    Returns
    -------
    ResultSet
        The same tables and estimates; numbers that may not be shown are None. Curves of arms
        with enough people, in steps of enough events.
    """
    tables = released_tables(result, outcome.name, rules)
    arms = _arms(result, tables, outcome.name)
    times = sorted({*map(float, outcome.times), float(outcome.horizon)})
    z = float(stats.norm.ppf(0.5 + plan.design.conf_level / 2))
    shown, checks = _curves(plan, outcome, result, tables, arms, times, rules, z)
    claim, said = _claim(plan, result, arms, tables, rules)
    rows = _Rows(plan=plan, result=result, arms=arms, shown=shown, rules=rules, z=z, claim=claim)
    estimates = tuple(rows.released(e) for e in result.estimates)
    curves = [
        found
        for curve in result.curves
        if (found := _drawn(curve, shown, times, rules, z)) is not None
    ]
    months = released_months(result, tables, {g: arm.n for g, arm in arms.items()}, rules)
    kept = [c for c in result.checks if c.name in _PLAIN]
    return ResultSet(
        estimates=estimates,
        checks=tuple(
            dataclasses.replace(c, outcome=outcome.name)
            for c in (*said, *kept, *checks, *rows.checks(), *_tests(result, arms, rules))
        ),
        tables=tables,
        curves=(*curves, *months),
        assumptions=tuple(a for a in result.assumptions if not any(c.isdigit() for c in a)),
    )


def _arms(result: ResultSet, tables: Iterable[CountTable], name: str) -> dict[str, _Arm]:
    """Return the arms of which it is known how many people and events they have."""
    table = next(t for t in tables if t.name == f"followed:{name}")
    exact = result.table(table.name)
    found = {}
    for group in dict.fromkeys(cell.key[0] for cell in table.cells):
        n, events = table[group, "all"], table[group, "event"]
        if n is not None and events is not None:
            found[group] = _Arm(
                n=(exact[group, "all"] or 0, n), events=(exact[group, "event"] or 0, events)
            )
    return found


# Curves


def _curves(
    plan: Plan,
    outcome: TimeToEventOutcome | ReoffendingOutcome,
    result: ResultSet,
    tables: Iterable[CountTable],
    arms: Mapping[str, _Arm],
    times: list[float],
    rules: Policy,
    z: float,
) -> tuple[dict[tuple[str, str, str], Stairs], list[Check]]:
    """Return the released curves by measure, arm and cause, and why others are not there."""
    crude = CRUDE if plan.balancing else ""
    clustered = plan.design.unit != "person"
    # A person may be several units of one step.
    need = fewest_events(rules) * (2 if clustered else 1)
    grid = grid_of(getattr(outcome, "time_unit", "days"), times)
    exact = {(c.measure, c.group, c.term): read(c) for c in result.curves}
    shown: dict[tuple[str, str, str], Stairs] = {}
    checks: list[Check] = []
    without_width = False
    groups = dict.fromkeys(c.group for c in result.curves if c.measure == "event_free")
    for group in groups:
        arm, free = arms.get(group), exact.get(("event_free", group, crude))
        first = None
        if arm is not None and free is not None:
            if arm.n[1] >= FEWEST_PEOPLE and arm.enough(rules):
                first = stairs(
                    free,
                    grid,
                    wanted=times,
                    need=need,
                    n=arm.n,
                    total=arm.events,
                    rules=rules,
                )
        if arm is None or free is None or first is None:
            checks.append(Check(name="suppressed", group=group, text=_NO_CURVE))
            continue
        size: float | None = 1.0
        if clustered:
            size = _size(result, free, first, group, crude, z)
            without_width |= size is None
        shown["event_free", group, ""] = dataclasses.replace(first, size=size)
        # All other curves have their steps where this one has, so that no time is set apart.
        common: dict[str, Any] = {
            "wanted": times,
            "need": need,
            "n": arm.n,
            "rules": rules,
            "reach": first.end,
        }
        for cause, words in _CAUSES.items():
            own = exact.get(("cumulative_incidence", group, cause))
            if own is None:
                continue
            total = _beside_what(result, tables, group, cause, arm)
            found = stairs(own, first.times, total=total, **common)
            if found is None:
                text = _NO_CAUSE.format(cause=words)
                checks.append(Check(name="suppressed_cause", group=group, text=text))
            else:
                found = dataclasses.replace(found, size=size)
                shown["cumulative_incidence", group, cause] = found
        count = exact.get(("mean_cumulative_count", group, crude))
        if count is not None:
            most = _most(result, outcome.name, group, float(count.events[-1]))
            common["need"] = max(need, 2 * most)
            found = stairs(count, first.times, total=arm.events, **common)
            if found is None:
                checks.append(Check(name="suppressed_count", group=group, text=_NO_COUNT))
            else:
                size = _count_size(result, count, found, group, crude, z)
                without_width |= size is None
                found = dataclasses.replace(found, size=size)
                shown["mean_cumulative_count", group, ""] = found
    if without_width:
        checks.append(Check(name="no_interval", text=_NO_WIDTH))
    if shown:
        text = (
            f"Curves have steps of at least {fewest_events(rules)} events; numbers of events and "
            f"at risk are rounded to {unit_of(rules)}, and shares, means, differences and "
            "intervals were worked out from these steps, on straight lines between them."
        )
        checks.append(Check(name="coarse_curves", text=text))
    return shown, checks


def _beside_what(
    result: ResultSet, tables: Iterable[CountTable], group: str, cause: str, arm: _Arm
) -> tuple[int, int]:
    """Return the released number beside which those with this cause stand."""
    if cause == "reoffence":
        return arm.events
    for table in tables:
        if table.name.startswith("followed:"):
            number, exact = table[group, cause], result.table(table.name)[group, cause]
            if number is not None and exact is not None:
                return exact, number
    return arm.n


def _most(result: ResultSet, name: str, group: str, events: float) -> float:
    """Return how many events one person has at most, as the counts of people allow."""
    table = result.table(f"repeats:{name}")
    least = {"1": 1, "2": 2, "3 to 5": 3, "6 or more": 6}
    people = {word: table[group, word] or 0 for word in least}
    top = max((word for word in least if people[word]), key=lambda w: least[w], default="1")
    others = sum(number * people[word] for word, number in least.items()) - least[top]
    largest = events - others
    return largest if top == "6 or more" else min(largest, {"1": 1, "2": 2, "3 to 5": 5}[top])


def _size(
    result: ResultSet, exact: Exact, found: Stairs, group: str, term: str, z: float
) -> float | None:
    """Return how much wider clusters make the restricted mean's interval, in quarters."""
    for e in result.estimates:
        if (e.measure, e.group, e.term) == ("restricted_mean", group, term):
            if e.conf_low is None or e.conf_high is None or e.estimate is None:
                return None
            plain = plain_variance(exact, found, e.time or found.end)
            reach = max(e.conf_high - e.estimate, e.estimate - e.conf_low) / z
            return None if plain is None else quarter(reach**2 / plain[1])
    return None


def _count_size(
    result: ResultSet, exact: Exact, found: Stairs, group: str, term: str, z: float
) -> float | None:
    """Return how much wider events of the same people make the interval of a mean count."""
    sizes = []
    for e in result.estimates:
        if (e.measure, e.group, e.term) != ("mean_cumulative_count", group, term):
            continue
        if not e.conf_low or not e.conf_high or not e.estimate or e.time is None:
            continue
        plain = plain_variance(exact, found, e.time)
        if plain is not None and plain[0] > 0:
            reach = e.estimate * math.log(e.conf_high / e.conf_low) / (2 * z)
            sizes.append(quarter(reach**2 / plain[0]))
    return max(sizes, default=None)


def _drawn(
    curve: Curve,
    shown: Mapping[tuple[str, str, str], Stairs],
    times: list[float],
    rules: Policy,
    z: float,
) -> Curve | None:
    """Return a curve as it may be drawn; None where nothing of it may."""
    cause = curve.term if curve.measure == "cumulative_incidence" else ""
    steps = shown.get((curve.measure, curve.group, cause))
    exact = read(curve)
    if steps is None or exact is None or (not cause and curve.term not in ("", CRUDE)):
        return None
    at = sorted({0.0, *steps.times, *(t for t in times if steps.at(t) is not None)})
    rows = [_point(steps, time, curve.measure, z) for time in at]
    done = [steps.happened(time) for time in at]
    events: list[int | None] = [0]
    before = 0
    for number in done[1:]:
        events.append(None if number is None else number - before)
        before = before if number is None else number
    count = curve.measure == "mean_cumulative_count"
    far = steps.largest_error
    if error_of(exact, steps) > far:
        far *= 2  # never said to be nearer than it is, and not told by how much
    far = math.ceil(100 * far - 1e-9)
    unit = "events in 100 people" if count else "percentage points"
    note = (
        f"Each step stands for the events since the step before; numbers are rounded to "
        f"{steps.base}. The exact curve lies within {far} {unit}."
    )
    share = curve.measure == "cumulative_incidence"
    return dataclasses.replace(
        curve,
        times=tuple(at),
        estimate=tuple(row[0] for row in rows),
        conf_low=tuple(row[1] for row in rows),
        conf_high=tuple(row[2] for row in rows),
        at_risk=tuple(None if share else steps.followed(time) for time in at),
        events=tuple(events),
        censored=(None,) * len(at),
        policy=rules.name,
        method=_method(curve.method, steps),
        note=note,
    )


def _method(method: str, steps: Stairs) -> str:
    parts = [method.partition(",")[0].partition(";")[0]]
    parts.append(f"worked out again from steps of numbers rounded to {steps.base}")
    if steps.size is not None and steps.size > 1:
        parts.append(f"design effect {steps.size:g}")
    return ", ".join(parts)


def _point(
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
class _Rows:
    """Every estimate as it may be released."""

    plan: Plan
    result: ResultSet
    arms: Mapping[str, _Arm]
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
            return self.rounded(e, bare) if allowed and not self.why_not(design) else bare
        if e.measure in ("hazard_ratio", "percent_reduction"):
            return bare if self.too_few(e) else self.rounded(e, bare)
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
            value, low, high = (
                v if v is not None else None
                for v in _point(steps, e.time or 0.0, e.measure, self.z)
            )  # type: ignore[assignment]
        return dataclasses.replace(
            bare,
            estimate=value,
            conf_low=low,
            conf_high=high,
            n=self.arms[e.group].n[1],
            n_events=steps.happened(e.time or 0.0),
            method=_method(e.method, steps),
        )

    def value(
        self, measure: str, group: str, e: Estimate
    ) -> tuple[float, float, Stairs] | None:
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
            point, error = math.log(a / b), math.sqrt(v / a**2 + w / b**2)
        else:
            point, error = a - b, math.sqrt(v + w)
        low = high = p = None
        if steps.size is not None and others.size is not None and error > 0:
            low, high = point - self.z * error, point + self.z * error
            p = float(2 * special.ndtr(-abs(point) / error))
        if word == "ratio":
            point = math.exp(point)
            low, high = (None if x is None else math.exp(x) for x in (low, high))
        elif measure in ("event_free", "cumulative_incidence") and low is not None:
            low, high = max(low, -1.0), min(high or 1.0, 1.0)
        return dataclasses.replace(
            bare,
            estimate=point,
            conf_low=low,
            conf_high=high,
            p_value=p,
            n=self.arms["programme"].n[1],
            n_reference=self.arms["comparison"].n[1],
            n_events=steps.happened(e.time or 0.0),
            n_events_reference=others.happened(e.time or 0.0),
            method=_method(e.method, steps),
        )

    # What follows from no count

    def rounded(self, e: Estimate, bare: Estimate) -> Estimate:
        """Return a row to two digits; shares to whole points, and a reduction as its ratio is."""
        if e.estimate is None:
            return bare

        def coarse(value: float | None) -> float | None:
            if value is None:
                return None
            if e.measure == "event_free_difference":
                return round(value, 2)
            if e.measure == "percent_reduction":
                ratio = two_digits(1 - value / 100)
                return None if ratio is None else 100 * (1 - ratio)
            return two_digits(value)

        counted = {}
        if not self.design_of(e):
            one, two = (self.arms[group] for group in ARMS.codes)
            counted = {
                "n": one.n[1],
                "n_reference": two.n[1],
                "n_events": one.events[1],
                "n_events_reference": two.events[1],
            }
            if "repeated" in e.term:
                counted |= {"n_events": None, "n_events_reference": None}
        return dataclasses.replace(
            bare,
            estimate=coarse(e.estimate),
            conf_low=coarse(e.conf_low),
            conf_high=coarse(e.conf_high),
            p_value=two_digits(e.p_value),
            method=f"{e.method.partition(',')[0]}, to two digits",
            **counted,
        )

    def too_few(self, e: Estimate) -> bool:
        """Tell whether a hazard ratio of the whole arms may not be released."""
        if len(self.arms) < 2 or not all(arm.enough(self.rules) for arm in self.arms.values()):
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
            if n is None or events is None or min(events, n - events) < floor:
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
            found.append(
                Check(name="below_floor", text=f"A hazard ratio is not released: {text}")
            )
        elif hazards and not self.plan.balancing:
            text = "Hazard ratios follow from no count and are given to two digits."
            found.append(Check(name="two_digits", text=text))
        refused = [c for c in self.result.checks if c.name in ("refused", "undefined")]
        found += [
            Check(name=c.name, group=c.group, passed=False, text=_REFUSED) for c in refused[:1]
        ]
        return found


# Claims and tests


def _claim(
    plan: Plan,
    result: ResultSet,
    arms: Mapping[str, _Arm],
    tables: Iterable[CountTable],
    rules: Policy,
) -> tuple[Claim, list[Check]]:
    """Decide the claim anew from released counts, so that the word gives nothing away."""
    there = [c for c in result.checks if c.name == "claim"]
    if not there:
        return "associational", []
    if plan.cohort.exclude and plan.design.kind == "randomised":
        return "associational", [EXCLUDED]
    table = next(t for t in tables if t.name.startswith("followed:"))
    half = rules.round_to // 2 if rules.round_to > 1 else 0
    shares: dict[str, float] = {}
    for group in dict.fromkeys(cell.key[0] for cell in table.cells):
        n, missing = table[group, "all"], table[group, "not followed"]
        if plan.design.kind != "randomised":
            shares[group] = 0.0
        elif not n or missing is None or group not in arms:
            text = (
                "The contrast of the arms is associational: how many outcomes are missing is not "
                "shown."
            )
            return "associational", [Check(name="claim", passed=False, text=text)]
        else:
            shares[group] = (missing + half) / max(n - half, 1) if missing else 0.0
    claim, check = between_arms_claim(plan, shares)
    return claim, [dataclasses.replace(check, statistic=None, threshold=None)]


def _tests(result: ResultSet, arms: Mapping[str, _Arm], rules: Policy) -> list[Check]:
    """Return tests of proportional hazards with a coarse P value and no statistic."""
    if len(arms) < 2 or not all(arm.enough(rules) for arm in arms.values()):
        return []
    found = []
    for check in result.checks:
        name, _, term = check.name.partition(": ")
        if name != "proportional_hazards" or check.p_value is None:
            continue
        if term:
            continue  # of a model whose hazard ratio may not be released
        p = two_digits(check.p_value)
        changes = "no sign that it changes" if check.passed else "it changes"
        text = (
            f"Hazard ratio: p {p:g}, {changes} with time. The event-free shares and the restricted "
            "means beside it need no such assumption."
        )
        found.append(
            dataclasses.replace(check, statistic=None, threshold=None, df=None, p_value=p, text=text)
        )
    return found
