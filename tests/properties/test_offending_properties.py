"""Rows of offending against a slow account of every single day, on small tables of any kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive_eval.measures.offending import (
    event_counts,
    first_event,
    harm_counts,
    marac_repeats,
    monthly_rates,
    person_time,
    repeat_rows,
    serial_and_repeat,
)
from drive_eval.measures.offending._intervals import Spells, cut, merged

WINDOWS = {"before": (-12, 0), "after": (0, 15), "late": (6, 20)}
SLOW = settings(deadline=None, max_examples=80)
days = st.integers(0, 45)
persons = st.sampled_from(["p1", "p2"])
rules = st.sampled_from(["first", "last", "each"])


@st.composite
def worlds(draw, dyads=False):
    """Up to four units of two people, their events and their custody."""
    count = draw(st.integers(1, 4))
    units = []
    for number in range(count):
        index = draw(st.integers(12, 30))
        end = index + draw(st.integers(0, 25))
        units.append(
            {
                "unit_id": f"u{number}",
                "perpetrator_id": draw(persons),
                "group": draw(st.sampled_from(["programme", "comparison"])),
                "index_date": index,
                "data_end_date": end,
                "death_date": draw(st.none() | st.integers(index, index + 20)),
                "moved_date": draw(st.none() | st.integers(index, index + 20)),
                "data_start_date": draw(st.none() | st.integers(0, index)),
                "index_event_id": draw(st.none() | st.sampled_from(["e0", "e1"])),
                **({"victim_survivor_id": draw(st.sampled_from("vw"))} if dyads else {}),
            }
        )
    events = [
        {
            "event_id": f"e{number}",
            "perpetrator_id": draw(persons),
            "date": draw(days),
            "victim_survivor_id": draw(st.none() | st.sampled_from("vw")),
            "source": draw(st.sampled_from(["police", "marac"])),
            "offence_class": draw(st.none() | st.sampled_from("AB")),
        }
        for number in range(draw(st.integers(0, 8)))
    ]
    custody = []
    for _ in range(draw(st.integers(0, 4))):
        start = draw(days)
        end = draw(st.none() | st.integers(start, start + 12))
        custody.append({"perpetrator_id": draw(persons), "start_date": start, "end_date": end})
    columns = ["event_id", "perpetrator_id", "date", "victim_survivor_id", "source"]
    events = pd.DataFrame(events, columns=[*columns, "offence_class"])
    custody = pd.DataFrame(custody, columns=["perpetrator_id", "start_date", "end_date"])
    units = pd.DataFrame(units)
    for table, names in (
        (units, ["death_date", "moved_date", "data_start_date"]),
        (events, ["date"]),
        (custody, ["start_date", "end_date"]),
    ):
        for name in names:
            table[name] = table[name].astype("Int64")
    return units, events, custody


class Slow:
    """Every day of every unit, one at a time."""

    def __init__(self, units, events, custody, rule, washout=0):
        self.units = units.sort_values("unit_id").to_dict("records")
        self.events, self.custody = events.to_dict("records"), custody.to_dict("records")
        self.rule, self.washout = rule, washout

    def in_window(self, unit, day, window):
        begin, end = window
        since = day - unit["index_date"]
        if begin < 0:
            inside = begin <= since < end and since < -self.washout
        else:
            inside = begin < since <= end
        stops = [unit["data_end_date"], unit["death_date"], unit["moved_date"]]
        starts = unit["data_start_date"]
        return (
            inside
            and all(pd.isna(stop) or day <= stop for stop in stops)
            and (pd.isna(starts) or day >= starts)
        )

    def key(self, row):
        return row["perpetrator_id"], row.get("victim_survivor_id")

    def owns(self, unit, day, window):
        rivals = [
            other
            for other in self.units
            if self.key(other) == self.key(unit) and self.in_window(other, day, window)
        ]
        if unit not in rivals:
            return False
        rivals.sort(key=lambda other: (other["index_date"], other["unit_id"]))
        return self.rule == "each" or unit is rivals[{"first": 0, "last": -1}[self.rule]]

    def jailed(self, unit, day):
        return any(
            spell["perpetrator_id"] == unit["perpetrator_id"]
            and spell["start_date"] < day
            and (pd.isna(spell["end_date"]) or day <= spell["end_date"])
            for spell in self.custody
        )

    def days(self, unit, window):
        everyone = range(unit["index_date"] - 40, unit["index_date"] + 40)
        return [day for day in everyone if self.owns(unit, day, window)]

    def events_on(self, unit, day):
        linked = [
            event
            for event in self.events
            if event["date"] == day
            and event["perpetrator_id"] == unit["perpetrator_id"]
            and event["event_id"] != unit["index_event_id"]
        ]
        if "victim_survivor_id" in unit:
            linked = [e for e in linked if e["victim_survivor_id"] == unit["victim_survivor_id"]]
        return linked

    def number_on(self, unit, day):
        return len(self.events_on(unit, day))


@given(world=worlds() | worlds(dyads=True), rule=rules, washout=st.integers(0, 8))
@SLOW
def test_counts_and_person_time_are_those_of_every_single_day(world, rule, washout):
    slow = Slow(*world, rule, washout)
    options = {"windows": WINDOWS, "washout": washout, "attribution": rule}
    rows = event_counts(*world, **options).rows
    expected = []
    for unit in slow.units:
        for name, window in WINDOWS.items():
            mine = slow.days(unit, window)
            free = [day for day in mine if not slow.jailed(unit, day)]
            inside = [day for day in mine if slow.jailed(unit, day)]
            expected.append(
                (
                    unit["unit_id"],
                    name,
                    sum(slow.number_on(unit, day) for day in mine),
                    sum(slow.number_on(unit, day) for day in free),
                    sum(slow.number_on(unit, day) for day in inside),
                    len(mine),
                    len(free),
                )
            )
    shown = ["unit_id", "window", "events", "events_free", "events_in_custody"]
    shown += ["days_observed", "days_free"]
    assert list(rows[shown].itertuples(index=False, name=None)) == expected
    units, _, custody = world
    time = person_time(units, custody, **options).rows
    pd.testing.assert_frame_equal(time, rows[list(time.columns)])


@given(world=worlds() | worlds(dyads=True), rule=rules, horizon=st.integers(1, 30))
@SLOW
def test_start_stop_rows_are_the_free_days_and_hold_every_event_day(world, rule, horizon):
    slow = Slow(*world, rule)
    rows = repeat_rows(*world, horizon=horizon, attribution=rule).rows
    for unit in slow.units:
        mine = rows[rows["unit_id"] == unit["unit_id"]]
        free = [d for d in slow.days(unit, (0, horizon)) if not slow.jailed(unit, d)]
        since = [day - unit["index_date"] for day in free]
        at_risk = [d for r in mine.itertuples() for d in range(r.start + 1, r.stop + 1)]
        assert at_risk == since
        hit = [(d, slow.number_on(unit, day)) for d, day in zip(since, free, strict=True)]
        hit = [(day, number) for day, number in hit if number]
        ends = mine[mine["event"] == 1]
        assert list(zip(ends["stop"], ends["events_on_day"], strict=True)) == hit
        assert ends["event_number"].tolist() == list(range(1, len(hit) + 1))
        assert (mine["event_number"].diff().dropna() >= 0).all()
        assert (mine["stop"] > mine["start"]).all()
        # A row ends for a reason: an event, the end, or days that are not at risk.
        for row in mine.itertuples():
            if row.ended_by == "gap":
                assert row.stop + 1 not in since
                assert row.stop < horizon
            assert (row.ended_by == "reoffence") == bool(row.event)


@given(world=worlds(), rule=rules, horizon=st.integers(1, 30))
@SLOW
def test_the_first_event_is_the_first_free_day_with_one(world, rule, horizon):
    slow = Slow(*world, rule)
    gap = first_event(*world, horizon=horizon, attribution=rule).rows
    every = first_event(*world, horizon=horizon, attribution=rule, custody_as="ignored").rows
    for unit in slow.units:
        mine = gap[gap["unit_id"] == unit["unit_id"]]
        window = [day - unit["index_date"] for day in slow.days(unit, (0, horizon))]
        free = [d for d in window if not slow.jailed(unit, d + unit["index_date"])]
        for at_risk, found in ((free, mine), (window, every[every["unit_id"] == unit["unit_id"]])):
            hit = [d for d in at_risk if slow.number_on(unit, d + unit["index_date"])]
            kept = [d for d in at_risk if not hit or d <= hit[0]]
            covered = [d for r in found.itertuples() for d in range(r.start + 1, r.stop + 1)]
            assert covered == kept
            assert found.loc[found["event"] == 1, "stop"].tolist() == hit[:1]


@given(world=worlds(), horizon=st.integers(1, 30))
@SLOW
def test_what_comes_first_when_custody_competes(world, horizon):
    units, events, custody = world
    units = units.drop_duplicates("perpetrator_id")
    slow = Slow(units, events, custody, "each")
    rows = first_event(units, events, custody, horizon=horizon, custody_as="competing").rows
    assert not rows["unit_id"].duplicated().any()
    assert not (rows["ended_by"] == "gap").any()
    found = rows.set_index("unit_id")
    for unit in slow.units:
        zero = unit["index_date"]
        window = [day - zero for day in slow.days(unit, (0, horizon))]
        free = [d for d in window if not slow.jailed(unit, d + zero)]
        if not free:
            assert unit["unit_id"] not in found.index
            continue
        start = free[0] - 1
        # Custody is entered on a day if one is free up to it and inside on the next.
        times = {"custody": [], "reoffence": []}
        for day in window:
            if day <= start:
                continue
            if slow.jailed(unit, day + zero + 1) and not slow.jailed(unit, day + zero):
                times["custody"].append(day)
            if slow.number_on(unit, day + zero) and not slow.jailed(unit, day + zero):
                times["reoffence"].append(day)
        last = window[-1]
        enter = min(times["custody"], default=last + 1)
        hit = min(times["reoffence"], default=last + 1)
        stop = min(enter, hit, last)
        row = found.loc[unit["unit_id"]]
        assert (row["start"], row["stop"]) == (start, stop)
        assert row["event"] == (hit == stop)
        if hit == stop:
            assert row["ended_by"] == "reoffence"
        elif enter == stop:
            assert row["ended_by"] == "custody"
        else:
            ends = {"death": unit["death_date"], "moved": unit["moved_date"]}
            at_end = [c for c, day in ends.items() if not pd.isna(day) and day - zero == stop]
            until = unit["data_end_date"] - zero
            expected = at_end[0] if at_end and stop <= until else "end"
            assert row["ended_by"] == expected


@given(world=worlds(), rule=rules)
@SLOW
def test_months_add_up_to_the_windows_they_are_made_of(world, rule):
    slow = Slow(*world, rule)
    rows = monthly_rates(*world, first_month=-1, last_month=1, attribution=rule).rows
    windows = {-1: (-30, 0), 1: (0, 30)}
    for row in rows.itertuples():
        free = inside = time = followed = 0
        for unit in slow.units:
            if unit["group"] != row.group:
                continue
            followed += bool(slow.days(unit, windows[row.month]))
            for day in slow.days(unit, windows[row.month]):
                jailed = slow.jailed(unit, day)
                time += not jailed
                free += slow.number_on(unit, day) * (not jailed)
                inside += slow.number_on(unit, day) * jailed
        assert (row.units, row.events_free, row.events_in_custody) == (followed, free, inside)
        assert row.person_years * 365.25 == pytest.approx(time)
        assert pd.isna(row.rate) if time == 0 else row.rate == pytest.approx(free * 365.25 / time)
    each = monthly_rates(*world, first_month=-1, last_month=1, attribution=rule, by_unit=True).rows
    counted = ["units", "events_free", "events_in_custody"]
    sums = each.groupby(["group", "month"])[counted].sum()
    assert sums.to_numpy().tolist() == rows[counted].to_numpy().tolist()
    assert len(each) == 2 * len(slow.units)


@given(world=worlds(), rule=rules)
@SLOW
def test_harm_is_the_sum_of_the_weights_or_missing(world, rule):
    units, events, custody = world
    weights = pd.DataFrame({"offence_class": ["A"], "harm_days": [7.5]})
    options = {"windows": WINDOWS, "attribution": rule}
    rows = harm_counts(units, events, weights, custody, unmatched="missing", **options).rows
    slow = Slow(*world, rule)
    at = 0
    for unit in slow.units:
        for window in WINDOWS.values():
            found = [e for day in slow.days(unit, window) for e in slow.events_on(unit, day)]
            lost = [e for e in found if e["offence_class"] != "A"]
            row = rows.iloc[at]
            assert (row["events"], row["events_unmatched"]) == (len(found), len(lost))
            assert pd.isna(row["harm"]) if lost else row["harm"] == 7.5 * len(found)
            at += 1


@given(world=worlds(), within=st.integers(1, 20), same=st.booleans(), crime=st.booleans())
@SLOW
def test_a_marac_repeat_follows_the_last_referral_in_time(world, within, same, crime):
    events = world[1]
    rows = events.to_dict("records")

    def key(event):
        return event["perpetrator_id"], event["victim_survivor_id"] if same else ""

    named = [e for e in rows if not same or e["victim_survivor_id"] is not None]
    referrals = [e for e in named if e["source"] == "marac"]
    if not referrals:
        return
    expected = {}
    for event in named:
        earlier = [
            r["date"] for r in referrals if key(r) == key(event) and r["date"] < event["date"]
        ]
        counts = not crime or event["offence_class"] == "A"
        if earlier and counts and event["date"] - max(earlier) <= within:
            expected[event["event_id"]] = event["date"] - max(earlier)
    found = marac_repeats(
        events,
        definition="criminal_conduct" if crime else "any_abuse",
        within=within,
        same_victim=same,
        non_crime=["B"],
    ).rows
    assert dict(zip(found["event_id"], found["days_since_referral"], strict=True)) == expected


@given(world=worlds(), minimum=st.integers(2, 3), crimes=st.booleans())
@SLOW
def test_serial_is_different_victims_and_repeat_the_same_one(world, minimum, crimes):
    units, events, custody = world
    found = serial_and_repeat(
        units,
        events,
        window=(-12, 0),
        minimum_victims=minimum,
        count_non_crime=not crimes,
        non_crime=["B"],
    ).rows.set_index("unit_id")
    slow = Slow(units, events, custody, "each")
    for unit in slow.units:
        mine = [e for day in slow.days(unit, (-12, 0)) for e in slow.events_on(unit, day)]
        mine = [e for e in mine if not crimes or e["offence_class"] == "A"]
        dates = {}
        for event in mine:
            if event["victim_survivor_id"] is not None:
                dates.setdefault(event["victim_survivor_id"], set()).add(event["date"])
        row = found.loc[unit["unit_id"]]
        assert (row["events"], row["victims"]) == (len(mine), len(dates))
        assert row["serial"] == (len(dates) >= minimum)
        assert row["repeat"] == any(len(on) > 1 for on in dates.values())


@given(world=worlds(), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_the_order_of_rows_does_not_matter(world, seed):
    shuffled = [table.sample(frac=1, random_state=seed) for table in world]
    for measure, options in ((event_counts, {}), (repeat_rows, {}), (first_event, {"horizon": 20})):
        one = measure(*world, attribution="last", **options)
        other = measure(*shuffled, attribution="last", **options)
        pd.testing.assert_frame_equal(one.rows, other.rows)
        assert one.checks == other.checks


spells = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(0, 6)), max_size=8)


@given(
    spells=spells, intervals=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3)
)
@SLOW
def test_pieces_are_the_interval_and_never_touch_across_spells(spells, intervals):
    spells = [spell for spell in spells if spell[0] < len(intervals)]
    of, lo, length = (np.array([s[i] for s in spells], dtype=np.int64) for i in range(3))
    begin = np.array([i[0] for i in intervals], dtype=np.int64)
    end = begin + np.array([i[1] for i in intervals], dtype=np.int64)
    joined = merged(of, lo, lo + length)
    assert all(
        of_a < of_b or hi < later
        for of_a, hi, of_b, later in zip(
            joined.of[:-1], joined.hi[:-1], joined.of[1:], joined.lo[1:], strict=True
        )
    )
    pieces = cut(begin, end, Spells(of, lo, lo + length))
    for number in range(len(intervals)):
        expected = [
            (day, any(o == number and a < day <= a + n for o, a, n in spells))
            for day in range(begin[number] + 1, end[number] + 1)
        ]
        found = [
            (day, bool(inside))
            for owner, a, b, inside in zip(*pieces, strict=True)
            if owner == number
            for day in range(a + 1, b + 1)
        ]
        assert found == expected
