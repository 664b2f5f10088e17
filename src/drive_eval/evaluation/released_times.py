"""Times to an event and re-offending as they may be released.

Counts go through the gate, curves keep few steps (`released_curves`), and everything read off a
curve is worked out again from its released numbers. Hazard ratios follow from no count: they are
given to two digits, with intervals worked out again, where both arms have a curve. What is not
known here is not released.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from scipy import stats

from drive_eval.evaluation.contrasts import between_arms_claim
from drive_eval.evaluation.controlled import EXCLUDED, people_of, quarter
from drive_eval.evaluation.designs import CRUDE
from drive_eval.evaluation.released_checks import warnings_of
from drive_eval.evaluation.released_curves import (
    FEWEST_PEOPLE,
    beside,
    error_of,
    fewest_events,
    grid_of,
    plain_variance,
    read,
    stairs,
    unit_of,
)
from drive_eval.evaluation.released_months import rates_by_month
from drive_eval.evaluation.released_rates import Incidents, of_rates
from drive_eval.evaluation.released_readings import Arm, Rows, method_of, point
from drive_eval.evaluation.released_repeats import released_tables, without_numbers_of_events
from drive_eval.evaluation.reoffending import AT_LIBERTY, COUNTED, REMAINING
from drive_eval.evaluation.sizes import people_needed
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.evaluation.released_curves import Exact, Stairs
    from drive_eval.plan import Plan, ReoffendingOutcome, TimeToEventOutcome
    from drive_eval.results import CountTable, Curve, Estimate
    from drive_eval.vocabulary import Claim

__all__ = ["following"]

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
_COUNT_BESIDE_EXACT = (
    "Mean numbers of events are not released: beside exact numbers of people they would tell how "
    "few have several events."
)
_COUNTED = f"{COUNTED.removesuffix(':')}."
_NO_WIDTH = "How much wider clustering makes the intervals is not known, so there are none."
#: By the term of a hazard ratio, the word of its model's checks; and how a reader knows it.
_MODELS = {"": "", CRUDE: "", "adjusted": "adjusted", "repeated": "repeated"}
_MODELS[f"{CRUDE} (repeated)"] = "repeated"
_OF_MODEL = {"": "", "adjusted": ", adjusted", "repeated": " of all events"}
_SEVERAL = ", or more where a person may have several"
_CAUSES = {"reoffence": "Re-offending", "custody": "Custody", "death": "Death"}


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
    claim, said = _claim(plan, result, tables, rules)
    rows = Rows(plan=plan, result=result, arms=arms, shown=shown, rules=rules, z=z, claim=claim)
    incidents = Incidents(
        plan,
        result,
        outcome.name,
        next((t for t in tables if t.name == f"incidents:{outcome.name}"), None),
        rules,
    )
    estimates = tuple(
        _claimed(incidents.released(e), claim) if of_rates(e) else rows.released(e)
        for e in result.estimates
    )
    curves = [
        found
        for curve in result.curves
        if (found := _drawn(curve, shown, times, rules, z)) is not None
    ]
    people = {g: arm.n for g, arm in arms.items()}
    counts = {g: s for (measure, g, _), s in shown.items() if measure == "mean_cumulative_count"}
    tables = without_numbers_of_events(tables, outcome.name, set(counts))
    months = rates_by_month(result, tables, people, rules, counts)
    warned = warnings_of(result, tables, rules)
    return ResultSet(
        estimates=estimates,
        checks=tuple(
            dataclasses.replace(c, outcome=outcome.name)
            for c in (
                *said,
                *people_needed(plan, estimates),
                *warned,
                *checks,
                *rows.checks(),
                *incidents.checks(),
                *_tests(result, rows),
            )
        ),
        tables=tables,
        curves=(*curves, *months),
        assumptions=tuple(a for a in result.assumptions if not any(c.isdigit() for c in a)),
    )


def _claimed(e: Estimate, claim: Claim) -> Estimate:
    return dataclasses.replace(e, claim=claim) if e.claim == "causal" else e


def _arms(result: ResultSet, tables: Iterable[CountTable], name: str) -> dict[str, Arm]:
    """Return the arms of which it is known how many people and events they have.

    Left out is one whose many units are few people.
    """
    table = next(t for t in tables if t.name == f"followed:{name}")
    exact = result.table(table.name)
    found = {}
    for group in _groups(table):
        n, events = table[group, "all"], table[group, "event"]
        behind = people_of(exact).get((group, "all"), FEWEST_PEOPLE)
        if n is not None and events is not None and behind >= FEWEST_PEOPLE:
            found[group] = Arm(
                n=(exact[group, "all"] or 0, n),
                events=(exact[group, "event"] or 0, events),
                each=_largest(result, "largest_cluster", group, 1),
            )
    return found


# Curves


def _curves(
    plan: Plan,
    outcome: TimeToEventOutcome | ReoffendingOutcome,
    result: ResultSet,
    tables: Iterable[CountTable],
    arms: Mapping[str, Arm],
    times: list[float],
    rules: Policy,
    z: float,
) -> tuple[dict[tuple[str, str, str], Stairs], list[Check]]:
    """Return the released curves by measure, arm and cause, and why others are not there."""
    crude = CRUDE if plan.balancing else ""
    clustered = plan.design.unit != "person"
    grid = grid_of(getattr(outcome, "time_unit", "days"), times)
    exact = {(c.measure, c.group, c.term): read(c) for c in result.curves}
    shown: dict[tuple[str, str, str], Stairs] = {}
    checks: list[Check] = []
    without_width = False
    groups = dict.fromkeys(c.group for c in result.curves if c.measure == "event_free")
    for group in groups:
        arm, free = arms.get(group), exact.get(("event_free", group, crude))
        first, need = None, float(fewest_events(rules))
        if arm is not None and free is not None and arm.n[1] >= FEWEST_PEOPLE and arm.enough(rules):
            need *= arm.each  # a person may be so many units of one step
            told: dict[str, Any] = {"n": arm.n, "total": arm.events, "rules": rules}
            told["gone"] = _gone(result, tables, group, ("all",), ("event", "end"))
            first = stairs(free, grid, wanted=times, need=need, **told)
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
            gone = _gone(result, tables, group, ("moved", "not followed"))
            found = stairs(own, first.times, total=total, gone=gone, **common)
            if found is None:
                text = _NO_CAUSE.format(cause=words)
                checks.append(Check(name="suppressed_cause", group=group, text=text))
            else:
                found = dataclasses.replace(found, size=size)
                shown["cumulative_incidence", group, cause] = found
        count = exact.get(("mean_cumulative_count", group, crude))
        if count is not None and rules.round_to <= 1:
            text = _COUNT_BESIDE_EXACT
            checks.append(Check(name="suppressed_count", group=group, text=text))
        elif count is not None:
            most = _largest(result, "most_events", group, float(count.events[-1]))
            common["need"] = max(need, 2 * most)
            gone = _gone(result, tables, group, ("all",), ("event", "end"))
            found = stairs(count, first.times, total=arm.events, gone=gone, **common)
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
            f"Curves have steps of at least {fewest_events(rules)} events{_SEVERAL * clustered}; "
            f"numbers of events and at risk are rounded to {unit_of(rules)}, and shares, means, "
            "differences and intervals were worked out from these steps, on straight lines between "
            "them."
        )
        checks.append(Check(name="coarse_curves", text=text))
    return shown, checks


def _beside_what(
    result: ResultSet, tables: Iterable[CountTable], group: str, cause: str, arm: Arm
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


def _gone(
    result: ResultSet,
    tables: Iterable[CountTable],
    group: str,
    lines: tuple[str, ...],
    without: tuple[str, ...] = (),
) -> tuple[int, int] | None:
    """Return how many left early, exactly and as released; None where a line is not shown."""
    shown = next(t for t in tables if t.name.startswith("followed:"))
    exact = result.table(shown.name)
    there = {cell.key for cell in exact.cells}
    counts = [0, 0]
    for sign, words in ((1, lines), (-1, without)):
        for word in words:
            if (group, word) not in there:
                continue
            number = shown[group, word]
            if number is None:
                return None
            counts[0] += sign * (exact[group, word] or 0)
            counts[1] += sign * number
    return counts[0], max(counts[1], 0)


def _largest(result: ResultSet, name: str, group: str, otherwise: float) -> float:
    """Return how much of an arm one person may be, as a check for the gate says."""
    found = [
        c.statistic
        for c in result.checks
        if c.name == name and c.group == group and c.statistic is not None
    ]
    return max(*found, 1.0) if found else otherwise


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
    rows = [point(steps, time, curve.measure, z) for time in at]
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
        method=method_of(curve.method, steps),
        note=note,
    )


# Claims and tests


def _claim(
    plan: Plan,
    result: ResultSet,
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
    exact = result.table(table.name)
    unknown = {c.group: c.statistic or 0 for c in result.checks if c.name == "without_outcome"}
    shares = {}
    for group in _groups(table):
        n, shown = exact[group, "all"] or 0, table[group, "all"]
        if not shown or group not in unknown:
            shares[group] = 1.0
        else:
            shares[group] = _most_unknown(n - unknown[group], (n, shown), rules)
    if plan.design.kind != "randomised":
        shares = dict.fromkeys(shares, 0.0)
    claim, check = between_arms_claim(plan, shares)
    if max(shares.values()) > plan.design.max_missing_share:
        text = (
            "The contrast of the arms is associational: as far as the counts shown tell, outcomes "
            f"may be missing in more than the planned share of an arm. {_COUNTED}"
        )
        check = dataclasses.replace(check, passed=False, text=text)
    elif claim == "causal":
        text = "The contrast of the arms is causal: arms as allocated by chance, and outcomes "
        text += f"missing within the plan's limit, as far as the counts shown tell. {_COUNTED}"
        effects = [e.measure for e in result.estimates if e.claim == "causal"]
        text += f" {REMAINING if 'restricted_mean_difference' in effects else AT_LIBERTY}"
        check = dataclasses.replace(check, text=text)
    return claim, [dataclasses.replace(check, statistic=None, threshold=None)]


def _groups(table: CountTable) -> list[str]:
    return list(dict.fromkeys(cell.key[0] for cell in table.cells))


def _most_unknown(known: float, people: tuple[int, int], rules: Policy) -> float:
    """Return the largest share without a known outcome that fits a rounded number of them.

    How many they are is rounded as a number at risk is, beside the people of the arm, so that the
    word tells less than such a number would.
    """
    exact, shown = people
    apart = shown - beside(known, exact, shown, rules)
    most = apart + unit_of(rules) / 2 if apart else rules.suppress_up_to
    half = rules.round_to // 2 if rules.round_to > 1 else 0
    return min(most / max(shown - half, 1), 1.0)


def _tests(result: ResultSet, rows: Rows) -> list[Check]:
    """Say whether the hazard ratios that are released change with time, without a P value."""
    told = {
        _MODELS[e.term]
        for e in result.estimates
        if e.measure == "hazard_ratio" and e.term in _MODELS and not rows.too_few(e)
    }
    found = []
    for check in result.checks:
        name, _, term = check.name.partition(": ")
        if name != "proportional_hazards" or check.passed is None or term not in told:
            continue
        changes = "no sign that it changes" if check.passed else "it changes"
        text = (
            f"Hazard ratio{_OF_MODEL[term]}: {changes} with time. The event-free shares and the "
            "restricted means beside it need no such assumption."
        )
        found.append(
            dataclasses.replace(
                check, statistic=None, threshold=None, df=None, p_value=None, text=text
            )
        )
    return found
