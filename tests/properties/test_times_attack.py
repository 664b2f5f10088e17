"""An intruder against times: he knows the program, and reads every number that a release holds.

Two attacks. The first runs the program on every small arm that there could be, on a scale on
which they can be listed, and groups the arms by what they look like once released: in each group
every small count must take several values. The second solves a released curve for the counts
behind it, from its heights and its limits, and must find rounded ones only.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import math
import os
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive_eval.disclosure import POLICIES, Policy
from drive_eval.evaluation import (
    released_curves,
    released_months,
    released_repeats,
    released_times,
)
from drive_eval.evaluation.released_curves import Exact, fewest_events, stairs, unit_of
from drive_eval.evaluation.released_readings import Arm, Rows
from drive_eval.evaluation.released_repeats import released_tables
from drive_eval.evaluation.released_times import following
from drive_eval.evaluation.reoffending import evaluate_reoffending
from drive_eval.evaluation.sizes import people_needed
from drive_eval.plan import Plan
from drive_eval.results import Check, CountTable, Curve, Estimate, ResultSet

OPENSAFELY, ONS = POLICIES["opensafely"], POLICIES["ons_acro"]
HIDING = [OPENSAFELY, ONS]
#: The two policies on a scale on which every arm can be listed.
SMALL_ROUNDED = Policy(name="small rounded", suppress_up_to=2, round_to=3, min_events=3)
SMALL_EXACT = Policy(name="small exact", suppress_up_to=2, suppress_zero=True, min_events=3)


# Every small arm


@functools.cache
def table_look(events: int, moved: int, end: int, rules: Policy):
    """Return what the table of ways out shows of an arm."""
    counts = {("a", "event"): events, ("a", "moved"): moved, ("a", "end"): end}
    table = CountTable.from_counts(
        name="followed:x", title="", unit="person", dimensions=("group", "ended_by"),
        counts=counts, totals={("a", "all"): list(counts)},
    )  # fmt: skip
    (done,) = released_tables(ResultSet(tables=(table,)), "x", rules)
    return tuple(done["a", word] for word in ("event", "moved", "end", "all"))


def exact_of(events: tuple[int, ...], gone: tuple[int, ...], end: int) -> Exact:
    """Return the curve of an arm: events at times 1, 2, …, and who moves away after each."""
    left = sum(events) + sum(gone) + end
    times, at_risk, values = [0.0], [float(left)], [1.0]
    for t, (d, moved) in enumerate(zip(events, gone, strict=True), 1):
        times.append(float(t))
        at_risk.append(float(left))
        values.append(values[-1] * (1 - d / left))
        left -= d + moved
    return Exact(
        times=np.array(times),
        events=np.cumsum([0.0, *events]),
        values=np.array(values),
        at_risk=np.array(at_risk),
        product=True,
    )


def look(events: tuple[int, ...], gone: tuple[int, ...], end: int, rules: Policy):
    """Return everything that is released of an arm."""
    moved = sum(gone)
    shown = table_look(sum(events), moved, end, rules)
    if shown[0] is None or shown[3] is None:
        return shown, None
    found = stairs(
        exact_of(events, gone, end),
        [float(t) for t in range(1, len(events) + 1)],
        need=fewest_events(rules),
        n=(sum(events) + moved + end, shown[3]),
        total=(sum(events), shown[0]),
        gone=None if shown[2] is None else (moved, shown[3] - shown[0] - shown[2]),
        rules=rules,
    )
    return shown, found and (found.times, found.events, found.exposed)


def attack(rules: Policy, ranges: list[range]) -> int:
    """Release every arm, and look into each group; return how many groups show a curve.

    An arm is events at three times, those who moved away after the first and after the second,
    and those followed to the end: nobody knows when others left. An intruder who did know every
    date of leaving could work out a small count in a few of these arms.
    """
    groups = defaultdict(list)
    for arm in itertools.product(*ranges):
        groups[look(arm[:3], (*arm[3:5], 0), arm[5], rules)].append(arm)
    edges = np.array([[r[-1], r[0] if r[0] else -1] for r in ranges]).T
    known = 0
    for (shown, steps), arms in groups.items():
        group = np.array(arms)
        if steps is None or (group[:, None, :] == edges).any():
            continue  # other arms look the same, or there is nothing to see
        known += 1
        for secret in ([0], [1], [2], [0, 1], [1, 2], [0, 1, 2], [3], [4], [3, 4], [5]):
            counts = np.unique(group[:, secret].sum(axis=1))
            small = (counts >= rules.smallest_hidden) & (counts <= rules.suppress_up_to)
            assert len(counts) >= rules.protection or not small.any(), (shown, steps, arms[:4])
    return known


@pytest.fixture
def small_scale(monkeypatch):
    monkeypatch.setattr(released_curves, "_FEWEST", 3)
    monkeypatch.setattr(released_curves, "_LEAST_UNIT", 3)


RANGES = {
    SMALL_ROUNDED: [range(12)] * 3 + [range(4)] * 2 + [range(10, 16)],
    SMALL_EXACT: [range(8)] * 3 + [range(6)] * 2 + [range(10, 14)],
}


@pytest.mark.parametrize("rules", RANGES, ids=lambda rules: rules.name)
def test_no_small_arm_tells_a_small_count(small_scale, rules):
    assert attack(rules, RANGES[rules]) > 20


@pytest.mark.parametrize(
    ("rules", "name", "naive"),
    [
        pytest.param(SMALL_ROUNDED, "fewest_events", lambda rules: 1, id="steps of one"),
        pytest.param(
            SMALL_EXACT, "_lost", lambda count, gone, rules: round(count), id="exact at risk"
        ),
    ],
)
def test_the_attack_finds_curves_without_their_protection(
    small_scale, monkeypatch, rules, name, naive
):
    monkeypatch.setattr(released_curves, name, naive)
    if name == "fewest_events":
        monkeypatch.setitem(globals(), name, naive)
    with pytest.raises(AssertionError):
        attack(rules, [range(7)] * 3 + [range(4)] * 2 + [range(10, 14)])


# First events, all events, months and tables together


def kinds_up_to(ones: int, twos: int, moved: int, ends: range):
    """Return every arm, by how many people are of each kind.

    One event in the first month, or in the second; two, one in each, or both in the first, or in
    the second; none, and moved after the first month; none to the end.
    """
    for a, b in itertools.product(range(ones + 1), repeat=2):
        for c, d, e in itertools.product(range(twos + 1), repeat=3):
            if a + b <= ones and c + d + e <= twos:
                for left, end in itertools.product(range(moved + 1), ends):
                    yield a, b, c, d, e, left, end


def both_months(arm: tuple[int, ...]) -> ResultSet:
    """Return the exact result of an arm of these kinds of people."""
    a, b, c, d, e, moved, end = arm
    n, later = sum(arm), sum(arm) - moved
    one, two, first, second = a + b, c + d + e, a + c + d, b + e
    events = (a + c + 2 * d, b + c + 2 * e)
    counts = {
        "followed": {"event": one + two, "moved": moved, "end": end},
        "repeats": {"0": moved + end, "1": one, "2": two},
        "monthly": {"1": events[0], "2": events[1]},
        "monthly_people": {"1": first, "2": b + c + e},
    }
    tables = tuple(
        CountTable.from_counts(
            name=f"{name}:police", title="", unit="person", dimensions=("group", "what"),
            counts={("programme", word): count for word, count in found.items()},
            totals={} if name.startswith("monthly")
            else {("programme", "all"): [("programme", word) for word in found]},
        )
        for name, found in counts.items()
    )  # fmt: skip
    free = [1.0, 1 - first / n, (1 - first / n) * (1 - second / (later - first))]
    mean = [0.0, events[0] / n, events[0] / n + events[1] / later]
    rates = [1200 * events[0] / n, 1200 * events[1] / later]
    days = (0.0, released_months.MONTH, 2 * released_months.MONTH)
    none = (None,) * 3
    curves = [
        ("event_free", days, free, (n, n, later - first), (0, first, second)),
        ("mean_cumulative_count", days, mean, (n, n, later), (0, *events)),
        ("monthly_rate", (1.0, 2.0), rates, (n, later), events),
    ]
    return ResultSet(
        tables=tables,
        curves=tuple(
            Curve(
                name=measure, title="", measure=measure, outcome="police", group="programme",
                time_unit="days", times=times, estimate=tuple(values),
                conf_low=none[: len(times)], conf_high=none[: len(times)],
                at_risk=tuple(map(float, left)), events=tuple(map(float, happened)),
                censored=none[: len(times)],
            )
            for measure, times, values, left, happened in curves
        ),
        checks=(
            Check(name="largest_cluster", group="programme", statistic=1.0),
            Check(name="most_events", group="programme", statistic=2.0 if two else 1.0),
        ),
    )  # fmt: skip


#: Which of the kinds of people make a number that nobody may know.
SECRETS = [
    [0], [1], [2], [3], [4], [5], [6], [0, 1], [2, 3, 4], [3, 4], [0, 2, 3], [1, 4], [1, 2, 4],
    [5, 6], [0, 1, 2, 3, 4],
]  # fmt: skip


def all_together(rules: Policy, ones: int, twos: int, moved: int, ends: range) -> int:
    """Release every arm whole, and look into each group that looks the same."""
    plan = plan_of(OUTCOME)
    plan = plan.model_copy(
        update={"design": plan.design.model_copy(update={"kind": "before_after"})}
    )
    outcome = plan.outcomes[0].model_copy(update={"horizon": 60.875, "times": (30.4375,)})
    memo: dict = {}
    together = released_repeats._together

    def once(followed, repeats, policy):
        key = tuple(cell.count for table in (followed, repeats) for cell in table.cells)
        if key not in memo:
            memo[key] = together(followed, repeats, policy)
        return memo[key]

    groups = defaultdict(list)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(released_repeats, "_together", once)
        for arm in kinds_up_to(ones, twos, moved, ends):
            released = following(plan, outcome, both_months(arm), rules)
            seen = tuple(tuple(cell.count for cell in t.cells) for t in released.tables)
            drawn = tuple((c.measure, c.estimate, c.at_risk, c.events) for c in released.curves)
            groups[seen, drawn].append(arm)
    known = 0
    for seen, arms in groups.items():
        group = np.array(arms)
        sizes = np.stack([group[:, :2].sum(1), group[:, 2:5].sum(1), group[:, 5]], axis=1)
        if (sizes == [ones, twos, moved]).any() or np.isin(group[:, 6], [ends[0], ends[-1]]).any():
            continue  # arms beyond those listed may look the same
        shown = seen[0][0][0]
        if shown is not None and shown + rules.round_to // 2 > ones:
            continue
        known += 1
        for secret in SECRETS:
            counts = np.unique(group[:, secret].sum(axis=1))
            small = (counts >= rules.smallest_hidden) & (counts <= rules.suppress_up_to)
            assert len(counts) >= rules.protection or not small.any(), (secret, seen, arms[:4])
    return known


@pytest.fixture
def small_arms(small_scale, monkeypatch):
    for module in (released_times, released_months, released_repeats):
        monkeypatch.setattr(module, "FEWEST_PEOPLE", 9)
    monkeypatch.setattr(released_repeats, "_REPEATS", ("1", "2"))
    # Nobody is without following here, and everybody knows it.
    monkeypatch.setattr(released_repeats, "_not_followed", lambda table, group: 0)


#: Largest numbers of people of a kind that are listed, and those followed to the end.
TOGETHER = {SMALL_ROUNDED: (7, 3, 3, range(7, 12)), SMALL_EXACT: (5, 5, 4, range(7, 13))}
if os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1":
    TOGETHER = {SMALL_ROUNDED: (11, 4, 3, range(7, 12)), SMALL_EXACT: (9, 4, 4, range(7, 13))}


@pytest.mark.slow
@pytest.mark.parametrize("rules", TOGETHER, ids=lambda rules: rules.name)
def test_first_events_all_events_and_months_together_tell_no_small_count(small_arms, rules):
    assert all_together(rules, *TOGETHER[rules]) > 5


def test_the_attack_finds_months_after_the_start_beside_all_else(small_arms, monkeypatch):
    # As it was before: months after the index date as rounded counts of their own.
    def months(events, people, large, rules):
        counts = [
            3 * ((2 * e.count + 3) // 6) if p.count >= 3 and e.count <= 2 * (p.count - 1) else None
            for e, p in zip(events.cells, people.cells, strict=True)
        ]
        cells = [
            dataclasses.replace(cell, count=count)
            for cell, count in zip(events.cells, counts, strict=True)
        ]
        return dataclasses.replace(events, cells=tuple(cells))

    monkeypatch.setattr(released_repeats, "_months", months)
    with pytest.raises(AssertionError):
        all_together(SMALL_ROUNDED, 4, 4, 3, range(7, 12))


# A hazard ratio, inverted


def hazard_of(events, at_risk, other_events, other_at_risk):
    """Return log hazard ratios and standard errors of many arms against one, by Efron's rule."""
    theta = np.zeros(len(events))
    for _ in range(30):
        ratio, score, information = np.exp(theta), np.zeros(len(events)), np.zeros(len(events))
        for t in range(events.shape[1]):
            both = events[:, t] + other_events[t]
            score += events[:, t]
            for k in range(int(both.max())):
                share = np.where(k < both, k / np.maximum(both, 1), 0)
                own = (at_risk[:, t] - share * events[:, t]) * ratio
                p = own / (own + other_at_risk[t] - share * other_events[t])
                score -= (k < both) * p
                information += (k < both) * p * (1 - p)
        move = score / information
        theta += np.clip(move, -1, 1)
        if np.abs(move).max() < 1e-10:
            break
    return theta, 1 / np.sqrt(information)


def inverted(n: range, total: range, *, release) -> int:
    """Return how often a small count follows from a hazard ratio, if the other arm is known."""
    arms = np.array(
        [
            (size, first, second, whole - first - second, moved)
            for size in n
            for whole in total
            for first in range(whole + 1)
            for second in range(whole + 1 - first)
            for moved in range(13)
        ],
        dtype=float,
    )
    left = arms[:, 1] + arms[:, 4]
    at_risk = np.stack([arms[:, 0], arms[:, 0] - left, arms[:, 0] - left - arms[:, 2]], axis=1)
    fits = (at_risk >= arms[:, 1:4]).all(axis=1)
    arms, at_risk = arms[fits], at_risk[fits]
    theta, error = hazard_of(arms[:, 1:4], at_risk, np.array([9, 9, 8]), np.array([60, 48, 36]))
    groups = defaultdict(list)
    for arm, log_ratio, se in zip(arms, theta, error, strict=True):
        groups[release(arm, log_ratio, se)].append(arm)
    pinned = 0
    for found in groups.values():
        group = np.array(found)
        if group[:, 4].max() == 12:
            continue  # more may have moved
        counts = [np.unique(group[:, k]) for k in (1, 2, 3, 4)]
        pinned += any(len(c) < 2 and 1 <= c[0] <= OPENSAFELY.suppress_up_to for c in counts)
    return pinned


def as_fitted(arm, log_ratio: float, se: float) -> tuple[str, ...]:
    """Release ratio, limits and P value to two digits each."""
    z = abs(log_ratio) / se
    values = [math.exp(log_ratio + k * 1.96 * se) for k in (0, -1, 1)]
    return tuple(f"{value:.2g}" for value in (*values, math.erfc(z / math.sqrt(2))))


def as_released(arm, log_ratio: float, se: float) -> tuple[float | None, ...]:
    """Release a hazard ratio through the gate."""
    events = int(arm[1:4].sum())
    shown = 5 * ((2 * events + 5) // 10)
    people = {"programme": Arm(n=(int(arm[0]), 60), events=(events, shown)),
              "comparison": Arm(n=(60, 60), events=(26, 25))}  # fmt: skip
    rows = Rows(plan=plan_of(TIMED), result=ResultSet(), arms=people, shown={}, rules=OPENSAFELY,
                z=1.96, claim="associational")  # fmt: skip
    low, value, high = (math.exp(log_ratio + k * 1.96 * se) for k in (-1, 0, 1))
    exact = Estimate(outcome="arrest", measure="hazard_ratio", estimate=value, conf_low=low,
                     conf_high=high, conf_level=0.95, claim="associational")  # fmt: skip
    e = rows.hazard(exact, dataclasses.replace(exact, estimate=None, conf_low=None, conf_high=None))
    return e.estimate, e.conf_low, e.conf_high, e.p_value, e.n_events


def test_a_hazard_ratio_of_the_smallest_arms_tells_no_small_count():
    assert inverted(range(58, 63), range(13, 18), release=as_released) == 0


def test_ratio_limits_and_p_value_as_fitted_would_tell():
    assert inverted(range(18, 23), range(8, 13), release=as_fitted) > 100
    assert inverted(range(58, 63), range(13, 18), release=as_fitted) > 5


# Sites of real size


@pytest.mark.parametrize("rules", HIDING, ids=lambda rules: rules.name)
@given(
    weekly=st.lists(st.integers(0, 6), min_size=26, max_size=26),
    moved=st.integers(0, 12),
    when=st.integers(1, 26),
    end=st.integers(50, 70),
)
@settings(deadline=None, max_examples=12)
def test_each_week_of_a_site_may_have_had_more_or_fewer_events(rules, weekly, moved, when, end):
    """Another site with one event more or fewer in a week, or moved to another, looks the same."""
    gone = tuple(moved if w == when else 0 for w in range(1, 27))
    seen = look(tuple(weekly), gone, end, rules)
    if seen[1] is None:
        return
    times = [0, *(int(t) for t in seen[1][0])]
    last = {w: t for a, t in itertools.pairwise(times) for w in range(a, t)}
    for w in range(times[-1]):
        values = {weekly[w]}
        # First within the step, where most sites have a neighbour; then alone, and elsewhere.
        others = sorted((v for v in range(26) if v != w), key=lambda v: last.get(v) != last[w])
        moves = [(v, up) for v in (*others[:6], None, *others[6:]) for up in (1, -1)]
        for v, up in moves:
            changed = list(weekly)
            changed[w] += up
            if v is not None:
                changed[v] -= up
            if min(changed) >= 0 and look(tuple(changed), gone, end, rules) == seen:
                values.add(changed[w])
            if len(values) >= rules.protection:
                break
        small = rules.smallest_hidden <= weekly[w] <= rules.suppress_up_to
        assert not small or len(values) >= rules.protection, (w, seen)


# Whole results, solved


def cohort(sizes: dict[str, int], *, seed: int):
    """Return units, events and custody of people of whom some offend much more than others."""
    rng = np.random.default_rng(seed)
    units, events, spells = [], [], []
    for arm, size in sizes.items():
        for i in range(size):
            who, day = f"{arm}{i}", pd.Timestamp("2021-01-01") + pd.Timedelta(days=i % 200)
            frailty = rng.gamma(1.5, 0.6) * (0.7 if arm == "programme" else 1.0)
            gone = day + pd.Timedelta(days=int(rng.integers(20, 360)))
            moved = gone if rng.random() < 0.08 else pd.NaT
            units.append((who, who, arm, day, pd.Timestamp("2022-12-31"), moved))
            for _ in range(rng.poisson(1.6 * frailty)):
                events.append((who, day + pd.Timedelta(days=int(rng.integers(-365, 365)))))
            if rng.random() < 0.15 * frailty:
                since = day + pd.Timedelta(days=int(rng.integers(1, 300)))
                spells.append((who, since, since + pd.Timedelta(days=40)))
    columns = ["unit_id", "perpetrator_id", "group", "index_date", "data_end_date", "moved_date"]
    return (
        pd.DataFrame(units, columns=columns).assign(data_start_date=pd.Timestamp("2019-01-01")),
        pd.DataFrame(events, columns=["perpetrator_id", "date"]),
        pd.DataFrame(spells, columns=["perpetrator_id", "start_date", "end_date"]),
    )


OUTCOME = {"kind": "reoffending", "name": "police", "horizon": 365, "times": [91, 182]}
TIMED = {"kind": "time_to_event", "name": "arrest", "stop": "weeks", "event": "arrested",
         "time_unit": "weeks", "horizon": 52, "times": [26]}  # fmt: skip


def plan_of(outcome: dict) -> Plan:
    return Plan.model_validate(
        {
            "evaluation": {"title": "Who may be seen"},
            "data": {"folder": "extract"},
            "design": {"kind": "comparison_group", "unit": "person"},
            "outcomes": [outcome],
        }
    )


@functools.cache
def exact_result(programme: int, comparison: int, seed: int) -> ResultSet:
    units, events, custody = cohort({"programme": programme, "comparison": comparison}, seed=seed)
    plan = plan_of(OUTCOME)
    units["victims"] = [()] * len(units)
    return evaluate_reoffending(plan, plan.outcomes[0], units, events, custody, {})


def released_result(exact: ResultSet, rules: Policy, outcome: dict = OUTCOME) -> ResultSet:
    plan = plan_of(outcome)
    found = following(plan, plan.outcomes[0], exact, rules)
    return ResultSet.from_json_dict(json.loads(json.dumps(found.to_json_dict())))


def leaks(released: ResultSet, rules: Policy, grid: set[float]) -> list[str]:
    """Solve a release for the counts behind it; return what should not have been found."""
    unit, few, found = unit_of(rules), rules.suppress_up_to, []
    for table in released.tables:
        for cell in table.cells:
            if cell.count is not None and rules.smallest_hidden <= cell.count <= few:
                found.append(f"{table.name}: {cell.key} is small")
    for curve in released.curves:
        if curve.policy != rules.name:
            found.append(f"{curve.name}: exact")
        if any(n is not None and n % unit for n in curve.at_risk) and rules.round_to > 1:
            found.append(f"{curve.name}: exact number at risk")
        if curve.measure != "monthly_rate":
            found += _solved(curve, unit, few, grid)
    for e in released.estimates:
        if e.std_error is not None:
            found.append(f"{e.measure}: standard error")
        ratio = e.estimate if e.measure == "hazard_ratio" else None
        if ratio is not None and ratio != float(f"{ratio:.2g}"):
            found.append("hazard ratio: more than two digits")
    for check in released.checks:
        if check.name == "people_needed":
            (again,) = people_needed(plan_of(OUTCOME), released.estimates)
            if (check.statistic, check.text) != (again.statistic, again.text):
                found.append("people_needed: does not follow from the released share")
            continue
        if check.statistic is not None or check.df is not None:
            found.append(f"{check.name}: statistic")
        numbers = [c for c in check.text if c.isdigit()]
        if numbers and check.name not in ("coarse_curves", "recording_change"):
            found.append(f"{check.name}: a number in its text")
    return found


def _solved(curve, unit: int, few: int, grid: set[float]) -> list[str]:
    found = []
    if not set(curve.times) <= grid:
        found.append(f"{curve.name}: a date of its own")
    steps = [i for i, d in enumerate(curve.events) if d is not None]
    spread = 0.0
    for before, i in itertools.pairwise(steps):
        d = curve.events[i]
        if d <= few:
            found.append(f"{curve.name}: a step of {d} events")
            continue
        a, b = curve.estimate[before], curve.estimate[i]
        if curve.measure == "cumulative_incidence":
            a, b = 1 - a, 1 - b
        count = curve.measure == "mean_cumulative_count"
        y = d / (b - a) if count else d / (1 - b / a)
        if abs(y - round(y)) > 1e-6 * y:
            found.append(f"{curve.name}: {y} at risk is no released number")
        spread += d / y**2 if count else d / (y * (y - d))
        low, high = curve.conf_low[i], curve.conf_high[i]
        if low is None or count:
            continue
        if curve.measure == "cumulative_incidence":
            low, high = 1 - high, 1 - low
        reach = math.log(math.log(low) / math.log(high)) / 2
        solved = (reach * math.log(b) / 1.959963984540054) ** 2
        if not math.isclose(solved, spread, rel_tol=1e-6):
            found.append(f"{curve.name}: its limits follow from other numbers")
    return found


WEEKS = {7.0 * k for k in range(53)} | {91.0, 182.0, 365.0}


@pytest.mark.parametrize("rules", HIDING, ids=lambda rules: rules.name)
@pytest.mark.parametrize("size", [(300, 500), (100, 100), (62, 80), (40, 300)])
def test_nothing_of_a_release_can_be_solved_for_more_than_was_released(size, rules):
    exact = exact_result(*size, seed=size[0])
    released = released_result(exact, rules)
    assert leaks(released, rules, WEEKS) == []
    shown = {(c.measure, c.group) for c in released.curves}
    assert (("event_free", "programme") in shown) == (size[0] >= 60)
    assert ("event_free", "comparison") in shown


def test_exact_results_are_leaks_all_over():
    exact = exact_result(300, 500, seed=300)
    for rules in HIDING:
        words = " ".join(leaks(exact, rules, WEEKS))
        for kind in ("small", "exact", "date", "a step of 1 events", "standard error", "statistic"):
            assert kind in words


def _with(released: ResultSet, **changes) -> ResultSet:
    first = dataclasses.replace(released.curves[0], **changes)
    return dataclasses.replace(released, curves=(first, *released.curves[1:]))


def test_the_attack_finds_planted_leaks():
    rules = OPENSAFELY
    released = released_result(exact_result(300, 500, seed=300), rules)
    curve = released.curves[0]
    planted = {
        "exact number at risk": {"at_risk": (curve.at_risk[0], 277, *curve.at_risk[2:])},
        "a step of 1 events": {"events": (0, 1, *curve.events[2:])},
        "a date of its own": {"times": (0.0, 5.0, *curve.times[2:])},
        "no released number": {"estimate": (1.0, 0.951, *curve.estimate[2:])},
        "limits": {"conf_low": (1.0, 0.7, *curve.conf_low[2:])},
    }
    for kind, change in planted.items():
        assert kind in " ".join(leaks(_with(released, **change), rules, WEEKS)), kind


@pytest.mark.parametrize("rules", HIDING, ids=lambda rules: rules.name)
def test_what_is_read_off_a_curve_follows_from_it_alone(rules):
    """Dates moved within steps change hazards and their tests, and nothing else."""
    exact = exact_result(300, 500, seed=300)
    released = released_result(exact, rules)
    blurred = tuple(_blurred(c) for c in exact.curves)
    again = released_result(dataclasses.replace(exact, curves=blurred), rules)
    assert again.curves == released.curves
    assert again.estimates == released.estimates


def _blurred(curve):
    """Move all events of a week to its last day."""
    if curve.measure == "monthly_rate":
        return curve
    times = np.array(curve.times)
    ends = sorted({0.0, *(t for t in WEEKS if t <= times[-1])})
    rows = [int(np.searchsorted(times, t, side="right")) - 1 for t in ends]
    done = np.append(0, np.cumsum(curve.events))
    after = [done[i + 1] for i in rows]
    first = [int(np.searchsorted(times, t, side="left")) for t in ends]
    pick = {
        name: tuple(getattr(curve, name)[i] for i in rows)
        for name in ("estimate", "conf_low", "conf_high", "censored")
    }
    return dataclasses.replace(
        curve,
        times=tuple(ends),
        events=tuple(float(n) for n in np.diff([0, *after])),
        at_risk=tuple(curve.at_risk[i] for i in first),
        **pick,
    )
