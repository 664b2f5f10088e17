"""Rows of offending, worked by hand: every convention, every refusal, everything that is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from drive_eval.errors import DataError, DesignError, DesignWarning
from drive_eval.measures import offending
from drive_eval.measures.offending import (
    event_counts,
    first_event,
    harm_counts,
    marac_repeats,
    monthly_rates,
    person_time,
    recording_changes,
    repeat_rows,
    select_events,
    serial_and_repeat,
)
from drive_eval.models import survival
from drive_eval.vocabulary import codelist


def units_of(*rows, **columns):
    """Units from (unit_id, perpetrator_id, index_date, data_end_date)."""
    table = pd.DataFrame(rows, columns=["unit_id", "perpetrator_id", "index_date", "data_end_date"])
    return table.assign(**{"group": "programme", **columns})


def one_unit(index=0, end=365, **columns):
    return units_of(("u1", "p1", index, end), **columns)


def events_on(*days, **columns):
    table = pd.DataFrame({"perpetrator_id": "p1", "date": np.array(days, dtype=np.int64)})
    table["event_id"] = [f"e{number}" for number in range(len(days))]
    return table.assign(**columns)


def spells_of(*spells):
    table = pd.DataFrame(spells, columns=["perpetrator_id", "start_date", "end_date"])
    return table.astype({"end_date": "Int64"})


def lists(rows, *columns):
    return rows[list(columns)].values.tolist()


# The custody toy: eight people, their follow-up, events and custody.

TOY_UNITS = pd.DataFrame(
    {
        "unit_id": range(1, 9),
        "perpetrator_id": range(1, 9),
        "group": ["programme", "comparison"] * 2 + ["programme", "comparison"] + ["comparison"]
        + ["programme"],
        "index_date": 0,
        "data_end_date": [180, 150, 365, 200, 365, 300, 240, 330],
    }
)  # fmt: skip
TOY_EVENTS = pd.DataFrame(
    {"perpetrator_id": [1, 2, 4, 6, 7, 8], "date": [180, 150, 200, 300, 240, 330]}
)
TOY_CUSTODY = spells_of((1, 30, 60), (3, 80, 120), (6, 45, 90), (8, 100, 200))
TOY_ROWS = [
    [1, 0, 30, 0], [1, 60, 180, 1], [2, 0, 150, 1], [3, 0, 80, 0], [3, 120, 365, 0],
    [4, 0, 200, 1], [5, 0, 365, 0], [6, 0, 45, 0], [6, 90, 300, 1], [7, 0, 240, 1],
    [8, 0, 100, 0], [8, 200, 330, 1],
]  # fmt: skip


def test_the_custody_toy_gives_the_rows_that_the_methods_page_prints():
    for measure in (repeat_rows, first_event):
        rows = measure(TOY_UNITS, TOY_EVENTS, TOY_CUSTODY, horizon=365).rows
        assert lists(rows, "unit_id", "start", "stop", "event") == TOY_ROWS
    free = (rows["stop"] - rows["start"]).groupby(rows["group"]).sum()
    assert free.to_dict() == {"comparison": 845, "programme": 1070}
    assert rows.groupby("group")["event"].sum().to_dict() == {"comparison": 4, "programme": 2}
    at_risk = [
        int(((rows["start"] < day) & (rows["stop"] >= day)).sum())
        for day in (150, 180, 200, 240, 300, 330)
    ]
    assert at_risk == [7, 6, 5, 5, 4, 3]


def test_free_days_of_the_toy_are_the_lengths_of_its_rows():
    time = person_time(TOY_UNITS, TOY_CUSTODY, windows={"after": (0, 365)}).rows
    rows = repeat_rows(TOY_UNITS, TOY_EVENTS, TOY_CUSTODY).rows
    assert time["days_free"].tolist() == (
        (rows["stop"] - rows["start"]).groupby(rows["unit_id"]).sum().tolist()
    )
    assert time["person_years"].sum() == pytest.approx((845 + 1070) / 365.25)


def test_the_rows_of_the_toy_give_the_hazard_ratio_of_r():
    # coxph(Surv(start, stop, event) ~ trt, cluster = id), with and without the gaps
    for custody, expected in ((TOY_CUSTODY, -1.636347), (None, -1.792876)):
        rows = repeat_rows(TOY_UNITS, TOY_EVENTS, custody).rows
        rows = rows.assign(trt=(rows["group"] == "programme").astype(int))
        columns = {"start": "start", "stop": "stop", "event": "event", "covariates": ["trt"]}
        with pytest.warns(DesignWarning):
            found = survival.cox(rows, cluster="unit_id", **columns).one(term="trt")
        assert np.log(found.estimate) == pytest.approx(expected, abs=1e-6)
        if custody is not None:
            assert found.std_error == pytest.approx(1.141912, abs=1e-6)


def test_competing_causes_are_what_cumulative_incidence_reads():
    units = units_of(*((f"u{n}", f"p{n}", 0, 100) for n in range(10)))
    units["death_date"] = pd.array([None] * 9 + [40], dtype="Int64")
    custody = spells_of(("p0", 10, 20), ("p1", 30, 50))
    events = pd.DataFrame({"perpetrator_id": ["p2", "p3", "p4"], "date": [20, 60, 70]})
    found = first_event(units, events, custody, horizon=90, custody_as="competing")
    shares = survival.cumulative_incidence(found.rows, stop="stop", cause="cause", times=90)
    by_cause = {e.term: e.estimate for e in shares.estimates}
    for cause, share in (("reoffence", 0.3), ("custody", 0.2), ("death", 0.1)):
        assert by_cause[cause] == pytest.approx(share), cause


# Windows


def test_a_window_before_ends_before_day_zero_and_one_after_begins_after_it():
    events = events_on(-366, -365, -1, 0, 1, 365, 366)
    rows = event_counts(one_unit(end=400), events).rows
    assert lists(rows, "window", "events", "days_observed", "days_free", "complete") == [
        ["before", 2, 365, 365, True],
        ["after", 2, 365, 365, True],
    ]


def test_any_windows_may_be_asked_for():
    windows = {"second half": (183, 365), "earlier": (-730, -365)}
    events = events_on(-730, -366, -365, 183, 184, 365)
    rows = event_counts(one_unit(end=400), events, windows=windows).rows
    assert lists(rows, "window", "events", "days_observed") == [
        ["second half", 2, 182],
        ["earlier", 2, 365],
    ]


def test_a_washout_is_cut_out_of_every_window_before():
    found = event_counts(one_unit(end=400), events_on(-30, -29, -28, -1, 0), washout=28)
    before = found.rows.iloc[0]
    assert (before["events"], before["days_free"]) == (2, 365 - 28)
    check = found.check("index_incident")
    assert check.passed is True
    assert check.statistic == 3
    assert check.text == (
        "Left out of the windows before: 1 events on the index date, 2 in the 28 days before it, "
        "and 0 that units name as their index incident."
    )


def test_the_index_incident_that_a_unit_names_is_left_out_wherever_it_lies():
    units = units_of(("u1", "p1", 0, 365), ("u2", "p2", 0, 365), index_event_id=["e1", None])
    events = events_on(-20, -5, 40)
    found = event_counts(units, events)
    assert found.rows["events"].tolist() == [1, 1, 0, 0]
    assert "and 1 that units name as their index incident" in found.check("index_incident").text
    rows = first_event(units.assign(index_event_id=["e2", None]), events, horizon=100)
    assert rows.rows["event"].tolist() == [0, 0]
    assert rows.check("before_index").text == (
        "Events up to the index date are no outcome and are not counted: 2 before it, 0 on it, and "
        "1 that units name as their index incident."
    )


def test_counting_the_index_incident_halves_a_rate_that_nothing_changed():
    # People offend once a year on average, before and after alike; one incident brought them in.
    rng = np.random.default_rng(20261122)
    size = 4000
    ids = [f"p{number:04d}" for number in range(size)]
    units = pd.DataFrame(
        {"unit_id": ids, "perpetrator_id": ids, "group": "programme", "index_date": 0}
    ).assign(data_end_date=365)
    who = np.repeat(np.arange(size), rng.poisson(2, size))
    when = rng.choice(np.setdiff1d(np.arange(-365, 366), [0]), len(who))
    events = pd.DataFrame({"perpetrator_id": [ids[i] for i in who], "date": when})
    incident = pd.DataFrame({"perpetrator_id": ids, "date": 0})
    events = pd.concat([events, incident], ignore_index=True)

    def ratio(**options):
        rows = event_counts(units, events, **options).rows
        total = rows.groupby("window")[["events", "person_years"]].sum()
        rate = total["events"] / total["person_years"]
        return rate["after"] / rate["before"]

    assert ratio() == pytest.approx(1, abs=0.06)
    assert ratio(index_incident="counted") == pytest.approx(0.5, abs=0.03)
    assert ratio(washout=30) == pytest.approx(1, abs=0.06)
    check = event_counts(units, events, index_incident="counted").check("index_incident")
    assert check.passed is False
    assert check.text.startswith("4000 events on the index date are counted as before it")
    rates = monthly_rates(units, events, index_incident="counted").rows
    month = rates.set_index("month")["rate"]
    assert month[-1] > 10 * month[-2]


# Custody


def test_custody_takes_the_days_after_its_first_up_to_its_last():
    custody = spells_of(("p1", 10, 20))
    found = event_counts(one_unit(end=30), events_on(10, 11, 20, 21), custody)
    after = found.rows.iloc[1]
    assert after[["events", "events_free", "events_in_custody"]].tolist() == [4, 2, 2]
    assert after[["days_observed", "days_free"]].tolist() == [30, 20]
    check = found.check("events_in_custody")
    assert check.passed is False
    assert check.text == (
        "2 of 4 events in the windows are dated inside a custody spell. They are kept and counted "
        "apart: abuse goes on from prison, and some dates are wrong."
    )


def test_overlapping_spells_count_once_and_are_named():
    custody = spells_of(("p1", 10, 30), ("p1", 20, 40), ("p1", 40, 50), ("p1", 60, 60))
    found = person_time(one_unit(end=100), custody, windows={"after": (0, 100)})
    assert found.rows["days_free"].tolist() == [60]
    check = found.check("custody_overlapping")
    assert (check.passed, check.statistic) == (False, 1)
    assert check.text == (
        "1 of 4 custody spells of these people begin before an earlier one has ended; spells that "
        "overlap or touch count as one."
    )


def test_an_open_spell_runs_to_the_end_and_one_before_another_is_suspected():
    custody = spells_of(("p1", 80, None), ("p9", 1, None))
    found = person_time(one_unit(end=100), custody, windows={"after": (0, 100)})
    assert found.rows["days_free"].tolist() == [80]
    assert found.check("custody_open").passed is None
    custody = spells_of(("p1", 80, None), ("p1", 90, 95))
    check = person_time(one_unit(end=100), custody, windows={"after": (0, 100)}).check(
        "custody_open"
    )
    assert check.passed is False
    assert check.text == (
        "1 of 2 custody spells have no end and run to the end of the data. 1 of them stand before "
        "a later spell of the same person, so they were probably never closed: look at their "
        "end_date."
    )


def test_without_custody_the_result_says_so():
    check = person_time(one_unit()).check("custody")
    assert check.text == "No custody table was given: time in custody counts as time at risk."


def test_custody_that_competes_ends_the_rows_and_a_reoffence_of_that_day_comes_first():
    units = units_of(*((f"u{n}", f"p{n}", 0, 100) for n in range(1, 5)))
    custody = spells_of(("p1", 10, 20), ("p2", 10, 20), ("p3", -5, 8), ("p3", 30, 31))
    events = pd.DataFrame({"perpetrator_id": ["p1", "p2"], "date": [50, 10]})
    found = first_event(units, events, custody, horizon=90, custody_as="competing")
    assert lists(found.rows, "unit_id", "start", "stop", "event", "cause", "ended_by") == [
        ["u1", 0, 10, 0, "custody", "custody"],
        ["u2", 0, 10, 1, "reoffence", "reoffence"],
        ["u3", 8, 30, 0, "custody", "custody"],
        ["u4", 0, 90, 0, "", "end"],
    ]
    assert found.check("in_custody_at_index").text == (
        "1 of 4 units are in custody on the index date; they enter the rows on release."
    )
    assert found.check("custody_as").text == (
        "The first custody after the index date ends the rows, as an event of its own."
    )


def test_custody_that_is_ignored_leaves_one_row_and_its_events_count():
    custody = spells_of(("p1", 10, 40))
    found = first_event(one_unit(), events_on(20), custody, horizon=365, custody_as="ignored")
    assert lists(found.rows, "start", "stop", "event") == [[0, 20, 1]]
    text = found.check("events_in_custody").text
    assert text == "1 events are dated inside a custody spell. They count like any other."
    found = first_event(one_unit(), events_on(20), custody, horizon=365)
    assert lists(found.rows, "start", "stop", "event") == [[0, 10, 0], [40, 365, 0]]
    assert found.check("events_in_custody").text == (
        "1 events are dated inside a custody spell. Nobody is at risk there, so they are in no "
        "row; event_counts keeps them."
    )


def test_whoever_is_inside_throughout_has_no_row():
    custody = spells_of(("p1", -10, None))
    found = first_event(one_unit(), events_on(20), custody, horizon=365)
    assert found.rows.empty
    text = found.check("no_rows").text
    assert text == "1 of 1 units have no day at risk and so no row."


# Ends


def test_death_and_moving_away_end_the_following_and_are_told_apart():
    units = units_of(
        *((f"u{n}", f"p{n}", 0, 300) for n in range(1, 6)),
        death_date=[50, None, 80, None, 400],
        moved_date=[None, 60, 80, None, None],
    )
    events = pd.DataFrame({"perpetrator_id": ["p1", "p1", "p2"], "date": [50, 51, 61]})
    found = first_event(units, events, horizon=365)
    assert lists(found.rows, "unit_id", "stop", "event", "cause", "ended_by") == [
        ["u1", 50, 1, "reoffence", "reoffence"],
        ["u2", 60, 0, "", "moved"],
        ["u3", 80, 0, "death", "death"],
        ["u4", 300, 0, "", "end"],
        ["u5", 300, 0, "", "end"],
    ]
    assert found.check("after_end").text == (
        "2 events are dated after the unit had died, moved away or left the extract, and are not "
        "counted."
    )
    follow_up = found.check("follow_up")
    assert (follow_up.passed, follow_up.statistic) == (False, 5)
    assert follow_up.text == (
        "5 of 5 units are followed for fewer than 365 days (2 by the end of the data, 2 by death, "
        "1 by moving away); their last row ends there, censored."
    )
    enough = first_event(units, events, horizon=40).check("follow_up")
    assert enough.passed is True
    assert enough.text == "All 5 units are followed for 40 days."


def test_events_before_the_index_date_are_no_outcome():
    found = repeat_rows(one_unit(), events_on(-100, -1, 0, 10), horizon=100)
    assert lists(found.rows, "start", "stop", "event") == [[0, 10, 1], [10, 100, 0]]
    assert found.check("before_index").statistic == 3
    only_after = event_counts(one_unit(), events_on(-5, 0, 10), windows={"after": (0, 365)})
    assert only_after.check("before_index").statistic == 2


def test_the_extract_may_begin_too_late_for_a_window_before():
    units = one_unit(index=1000, end=2000, data_start_date=900)
    found = event_counts(units, events_on(899, 900, 999))
    assert lists(found.rows, "events", "days_observed", "complete") == [
        [2, 100, False],
        [0, 365, True],
    ]
    assert found.check("history").text == (
        "For 1 of 1 units the extract begins later than 365 days before the index date; their "
        "windows begin there (complete is False)."
    )
    whole = event_counts(one_unit(), events_on(5)).check("history")
    assert whole.text == "The extract reaches back 365 days for all 1 units."


# Repeats


def test_events_of_one_day_are_one_event_and_keep_their_number():
    found = repeat_rows(one_unit(end=50), events_on(10, 10, 10, 30))
    assert lists(found.rows, "start", "stop", "event", "event_number", "events_on_day") == [
        [0, 10, 1, 1, 3],
        [10, 30, 1, 2, 1],
        [30, 50, 0, 3, 0],
    ]
    assert found.check("same_day").text == (
        "1 rows end on a day with several events, which count as one (events_on_day has their "
        "number)."
    )


def test_an_event_on_the_last_day_leaves_no_empty_row():
    rows = repeat_rows(one_unit(end=50), events_on(50)).rows
    assert lists(rows, "start", "stop", "event") == [[0, 50, 1]]


# Several enrolments, and dyads


def overlapping():
    units = units_of(("a", "p1", 0, 400), ("b", "p1", 100, 400))
    return units, events_on(50, 150, 370)


def test_an_event_of_two_enrolments_needs_a_rule():
    units, events = overlapping()
    message = (
        r"2 units share days with another unit of the same person \(before, after\)\. Say which of "
        'them an event on such a day belongs to: attribution = "first", "last" or "each"'
    )
    with pytest.raises(DesignError, match=message):
        event_counts(units, events)


@pytest.mark.parametrize(
    ("rule", "counts", "free", "words"),
    [
        ("first", [2, 1], [365, 35], "the first of them"),
        ("last", [1, 2], [100, 300], "the last of them to begin"),
        ("each", [2, 2], [365, 300], "every one of them, so that it counts more than once"),
    ],
)
def test_the_rule_shares_out_events_and_the_days_that_go_with_them(rule, counts, free, words):
    units, events = overlapping()
    found = event_counts(units, events, windows={"after": (0, 365)}, attribution=rule)
    assert found.rows["events"].tolist() == counts
    assert found.rows["days_free"].tolist() == free
    assert found.check("attribution").text == (
        "2 units share days with another unit of the same person; an event on such a day, and the "
        f"day itself, belong to {words}."
    )


def test_a_follow_up_taken_over_by_the_next_enrolment_ends_in_a_gap():
    units, events = overlapping()
    rows = repeat_rows(units, events, horizon=365, attribution="last").rows
    assert lists(rows, "unit_id", "start", "stop", "event", "ended_by") == [
        ["a", 0, 50, 1, "reoffence"],
        ["a", 50, 100, 0, "gap"],
        ["b", 0, 50, 1, "reoffence"],
        ["b", 50, 270, 1, "reoffence"],
        ["b", 270, 300, 0, "end"],
    ]


def test_enrolments_that_share_no_day_need_no_rule():
    units = units_of(("a", "p1", 0, 2000), ("b", "p1", 1000, 2000))
    check = event_counts(units, events_on(50)).check("attribution")
    assert check.text == "No two units of one person share a day of a window."


def test_a_dyad_has_the_events_against_its_own_victim_survivor():
    units = units_of(("p1|v", "p1", 0, 365), ("p1|w", "p1", 0, 365), victim_survivor_id=["v", "w"])
    events = events_on(5, 6, 7, 8, victim_survivor_id=["v", "w", "w", None])
    found = event_counts(units, events, windows={"after": (0, 365)})
    assert lists(found.rows, "victim_survivor_id", "events") == [["v", 1], ["w", 2]]
    assert found.check("no_victim").text == (
        "1 events of these perpetrators do not name whom they are against, and count for no dyad."
    )


# Clocks, recording changes, ids


def with_starts(programme, comparison):
    count = len(programme) + len(comparison)
    units = units_of(*((f"u{n}", f"p{n}", 100, 900) for n in range(count)))
    units["group"] = ["programme"] * len(programme) + ["comparison"] * len(comparison)
    starts = pd.array([100 + s if s is not None else None for s in programme + comparison])
    return units.assign(start_date=starts.astype("Int64"))


def test_arms_with_different_clocks_are_named_immortal_time():
    check = person_time(with_starts([0, 0, 0], [14, 30, 21])).check("clocks")
    assert check.passed is False
    assert check.statistic == 1
    assert check.text == (
        "From the index date to the start of the work: comparison: median 21 days, 0% on the index "
        "date; programme: median 0 days, 100% on the index date. The arms have different clocks: "
        "in one the index date is the day on which the work began, in the other it is earlier, and "
        "the time before a start is time in which nobody of that arm can have dropped out "
        "(immortal time). Take the same index date in both, such as the referral."
    )


def test_arms_with_the_same_clock_pass_and_usual_care_without_starts_is_not_judged():
    assert person_time(with_starts([0, 7], [0, 9])).check("clocks").passed is True
    check = person_time(with_starts([0, 7], [None, None])).check("clocks")
    assert check.passed is None
    assert "comparison: nobody has a start_date" in check.text
    assert check.text.endswith("The clocks of the arms cannot be compared.")
    with pytest.raises(DesignError, match='no check is called "clocks". There are: custody, attr'):
        person_time(one_unit()).check("clocks")


def dated_unit(index, end):
    return one_unit().assign(index_date=pd.Timestamp(index), data_end_date=pd.Timestamp(end))


def test_a_window_across_a_change_in_recording_is_named():
    none = pd.DataFrame({"perpetrator_id": ["p1"], "date": pd.to_datetime(["2023-07-01"])})
    found = event_counts(dated_unit("2023-05-01", "2024-12-31"), none)
    (check,) = [c for c in found.checks if c.name == "recording_change"]
    assert (check.passed, check.group, check.statistic) == (False, "principal_crime", 1)
    assert check.text.startswith(
        "1 of 1 units have days before and after a change in police recording (2023-06-01: Only "
        "the principal crime of a report is recorded"
    )
    found = event_counts(dated_unit("2020-01-01", "2021-12-31"), none)
    assert not [c for c in found.checks if c.name == "recording_change"]


def test_a_change_on_the_first_day_of_a_window_does_not_split_it():
    def crossed(index):
        found = person_time(dated_unit(index, "2025-12-31"), windows={"after": (0, 365)})
        return [c.group for c in found.checks if c.name == "recording_change"]

    assert crossed("2023-05-31") == []
    assert crossed("2023-05-30") == ["principal_crime"]


def test_gaps_of_a_force_are_looked_for_if_it_is_named():
    unit = dated_unit("2023-03-01", "2023-04-30")
    windows = {"after": (0, 30)}
    found = person_time(unit, windows=windows, force="Devon and Cornwall")
    (check,) = [c for c in found.checks if c.name == "recording_change"]
    assert check.group == "gap_devon_cornwall"
    assert "have days in a gap of police recording (2023-01-01" in check.text
    assert not [c for c in person_time(unit, windows=windows).checks if "recording" in c.name]
    other = person_time(unit, windows=windows, force="Cleveland").check("recording_force")
    assert other.text == (
        "No gap in recording is listed for the force named; listed are Greater Manchester, Devon "
        "and Cornwall."
    )
    with pytest.raises(DesignError, match="force is the name of one police force"):
        person_time(unit, windows=windows, force=3)


def test_the_list_of_recording_changes_is_dated_and_sourced():
    changes = recording_changes()
    assert changes.loc[changes["force"] == "", "from_date"].tolist() == [
        "2015-04-01",
        "2017-04-01",
        "2023-06-01",
    ]
    assert changes["source"].str.startswith("https://").all()
    assert codelist("recording_changes").codes == tuple(changes["code"])


def test_ids_that_nothing_is_linked_by_are_named():
    check = event_counts(one_unit(), events_on(5, perpetrator_id="0p1")).check("events")
    assert check.passed is False
    assert check.text == (
        "None of the 1 events belongs to these units. Look at the ids: zeros lost in front, or "
        "another system's numbers."
    )
    linked = event_counts(one_unit(), events_on(5, 900)).check("events")
    assert linked.text == "1 events lie in the time observed, of 2 in the table."


@pytest.mark.parametrize("event_ids", [[1, 2], ["1", "2"], pd.Categorical(["1", "2"])])
def test_ids_are_compared_as_whole_numbers_or_as_text(event_ids):
    units = units_of(("u1", 1, 0, 365), ("u2", 2, 0, 365))
    events = pd.DataFrame({"perpetrator_id": event_ids, "date": [5, 6]})
    custody = pd.DataFrame({"perpetrator_id": event_ids, "start_date": [7, 8], "end_date": [9, 9]})
    rows = event_counts(units, events, custody, windows={"after": (0, 365)}).rows
    assert lists(rows, "unit_id", "events", "days_free") == [["u1", 1, 363], ["u2", 1, 364]]


# Months


def test_months_are_cut_to_whole_days_and_custody_is_cut_out_of_each():
    units = units_of(("u1", "p1", 0, 45), ("u2", "p2", 0, 80), group=["programme", "comparison"])
    custody = spells_of(("p1", 20, 40))
    events = events_on(-30, 30, 31, 45)
    rows = monthly_rates(units, events, custody, first_month=-2, last_month=2).rows
    programme = rows[rows["group"] == "programme"]
    assert lists(programme, "month", "first_day", "last_day") == [
        [-2, -60, -31],
        [-1, -30, -1],
        [1, 1, 30],
        [2, 31, 60],
    ]
    shown = lists(programme, "units", "events_free", "events_in_custody")
    assert shown == [[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]]
    days = (programme["person_years"] * 365.25).round(9).tolist()
    assert days == [30, 30, 20, 5]
    assert programme["rate"].iloc[3] == pytest.approx(365.25 / 5)


def test_a_year_of_months_is_a_year():
    rows = monthly_rates(one_unit(end=800), events_on(5)).rows
    assert rows["month"].tolist() == [*range(-12, 0), *range(1, 25)]
    assert rows.loc[rows["month"] == -12, "first_day"].item() == -365
    assert rows.loc[rows["month"] == 12, "last_day"].item() == 365
    assert (rows["first_day"].iloc[1:].to_numpy() - rows["last_day"].iloc[:-1]).tolist() == [
        2 if month == -1 else 1 for month in rows["month"].iloc[:-1]
    ]


def test_a_month_without_person_time_has_no_rate():
    rows = monthly_rates(one_unit(end=20), events_on(5), first_month=1, last_month=2).rows
    assert rows["rate"].isna().tolist() == [False, True]


# Harm


def test_a_class_without_a_weight_is_named_and_never_harmless():
    events = events_on(5, 6, 7, 8, offence_class=["A", "B", "B", None])
    weights = pd.DataFrame({"offence_class": ["A"], "harm_days": [10]})
    message = (
        r"2 offence classes of events have no weight: \(no class\) \(1 events\), B \(2 events\)\. "
        'Add them to the weights, or set unmatched = "missing"'
    )
    with pytest.raises(DataError, match=message):
        harm_counts(one_unit(), events, weights)
    found = harm_counts(one_unit(), events, weights, unmatched="missing")
    assert found.rows["harm"].tolist() == [0, pd.NA]
    assert found.rows["events_unmatched"].tolist() == [0, 3]
    check = found.check("harm_unmatched")
    assert (check.passed, check.statistic) == (False, 3)
    assert check.text == (
        "Without a weight: (no class) (1 events), B (2 events); the harm of their units is "
        "missing, not nothing."
    )
    every = harm_counts(one_unit(), events.iloc[:1], weights)
    assert every.check("harm_unmatched").text == "Every class of offence has a weight."


def test_harm_is_weighted_by_the_users_own_column():
    weights = pd.DataFrame({"offence_class": ["A", "B"], "points": [10.0, 2.5]})
    events = events_on(-5, 6, 7, offence_class=["A", "B", "B"])
    rows = harm_counts(one_unit(), events, weights, weight="points").rows
    assert rows["harm"].tolist() == [10.0, 5.0]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"offence_class": ["A", None], "harm_days": [1, 2]}, "1 of 2 rows of weights have no off"),
        ({"offence_class": ["A"], "harm_days": ["x"]}, 'no number in "harm_days"'),
        ({"offence_class": ["A"], "harm_days": [-1]}, '1 of 1 rows .* "harm_days" below 0'),
        ({"offence_class": ["A", "A"], "harm_days": [1, 2]}, "1 rows of weights repeat the off"),
        ({"offence_class": ["A"]}, 'no column "harm_days" in weights'),
    ],
)
def test_weights_that_cannot_be_used_are_refused(table, message):
    with pytest.raises(DataError, match=message):
        harm_counts(one_unit(), events_on(5, offence_class="A"), pd.DataFrame(table))


def test_what_becomes_of_unmatched_classes_is_one_of_two():
    weights = pd.DataFrame({"offence_class": ["A"], "harm_days": [1]})
    with pytest.raises(DesignError, match='unmatched is "refused" or "missing", not "zero"'):
        harm_counts(one_unit(), events_on(5, offence_class="A"), weights, unmatched="zero")


# Which events


EVENTS = pd.DataFrame(
    {
        "perpetrator_id": "p1",
        "date": [1, 2, 3, 4],
        "source": ["police", "police", "marac", "court"],
        "outcome_stage": ["recorded", "charged", None, "convicted"],
        "abuse_type": ["physical", "sexual", None, "physical"],
        "domestic_abuse_flag": [True, False, None, True],
    }
)


@pytest.mark.parametrize(
    ("options", "days"),
    [
        ({"source": "police"}, [1, 2]),
        ({"source": ["police", "court"]}, [1, 2, 4]),
        ({"at_least": "recorded"}, [1, 2, 3, 4]),
        ({"at_least": "charged"}, [2, 4]),
        ({"at_least": "convicted", "abuse_type": "physical"}, [4]),
        ({"domestic_abuse": True}, [1, 4]),
        ({}, [1, 2, 3, 4]),
    ],
)
def test_events_are_chosen_by_source_stage_type_and_flag(options, days):
    chosen = select_events(EVENTS, **options)
    assert chosen.events["date"].tolist() == days
    assert chosen.checks[0].statistic == len(days)


def test_what_is_chosen_is_said_with_what_is_blank():
    text = select_events(EVENTS, source="police", domestic_abuse=True).checks[0].text
    assert text == (
        "1 of 4 events are kept (source police, flagged as domestic abuse); of the others, 1 have "
        "no domestic_abuse_flag."
    )
    assert select_events(EVENTS).checks[0].text == "4 of 4 events are kept (all)."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "polce"}, 'source knows no "polce". Nearest: "police"'),
        ({"at_least": "charge"}, 'at_least knows no "charge". Nearest: "charged"'),
        ({"abuse_type": ["fysical"]}, 'abuse_type knows no "fysical". Nearest: "physical"'),
        ({"source": []}, "source is an empty list, so that nothing would be kept"),
    ],
)
def test_a_code_that_is_not_in_its_list_is_refused(options, message):
    with pytest.raises(DesignError, match=message):
        select_events(EVENTS, **options)


def test_a_column_that_is_asked_about_must_be_there():
    with pytest.raises(DataError, match='no column "outcome_stage" in events'):
        select_events(events_on(1), at_least="charged")


# MARAC repeats


def marac_events():
    return pd.DataFrame(
        [
            ("m1", "p1", "v", 0, "marac", None, True),
            ("same day", "p1", "v", 0, "police", "8N", True),
            ("incident", "p1", "v", 30, "police", None, True),
            ("crime", "p1", "v", 60, "police", "8N", True),
            ("not abuse", "p1", "v", 70, "police", "8N", False),
            ("other victim", "p1", "w", 80, "police", "8N", True),
            ("other person", "p2", "v", 90, "police", "8N", True),
            ("m2", "p1", "v", 300, "marac", None, None),
            ("last day", "p1", "v", 665, "police", "125", None),
            ("too late", "p1", "v", 666, "police", "8N", True),
            ("unnamed", "p1", None, 310, "police", "8N", True),
        ],
        columns=[
            "event_id",
            "perpetrator_id",
            "victim_survivor_id",
            "date",
            "source",
            "offence_class",
            "domestic_abuse_flag",
        ],
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"definition": "any_abuse"},
            {"incident": 30, "crime": 60, "m2": 300, "last day": 365},
        ),
        ({"definition": "criminal_conduct"}, {"crime": 60, "last day": 365}),
        ({"definition": "criminal_conduct", "non_crime": ["125"]}, {"crime": 60}),
        ({"definition": "any_abuse", "within": 50}, {"incident": 30}),
        (
            {"definition": "criminal_conduct", "same_victim": False, "within": 100},
            {"crime": 60, "other victim": 80, "unnamed": 10},
        ),
    ],
)
def test_a_marac_repeat_by_each_definition(options, expected):
    found = marac_repeats(marac_events(), **options).rows
    assert dict(zip(found["event_id"], found["days_since_referral"], strict=True)) == expected


def test_marac_repeats_say_their_definition_and_are_events_themselves():
    found = marac_repeats(marac_events(), definition="any_abuse")
    assert found.check("marac_definition").text == (
        "4 of 11 events are repeats: any abuse, crime or not (the newer definition), 1 to 365 days "
        "after the last referral of the same two people."
    )
    assert found.check("marac_referrals").text == "There are 2 referrals."
    assert found.check("no_victim").text == (
        "1 of 11 events do not name whom they are about and cannot be judged."
    )
    rows = first_event(one_unit(index=50, end=900), found.rows, horizon=500).rows
    assert lists(rows, "stop", "event") == [[10, 1]]


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        ({}, {"definition": "any"}, DesignError, '"any" is no definition of a MARAC repeat'),
        ({}, {"within": 0}, DesignError, "within is a whole number of days above 0"),
        ({"source": "police"}, {}, DesignError, 'no event has source "marac" and names whom'),
        ({"event_id": "same"}, {}, DataError, "10 rows of events repeat the event_id of another"),
        ({"date": pd.array([None] * 11, dtype="Int64")}, {}, DataError, "11 of 11 .* no date"),
    ],
)
def test_marac_repeats_that_cannot_be_judged_are_refused(change, options, error, message):
    with pytest.raises(error, match=message):
        marac_repeats(marac_events().assign(**change), **{"definition": "any_abuse", **options})


# Serial and repeat


def test_serial_and_repeat_and_what_non_crime_incidents_change():
    events = events_on(
        -400, -300, -300, -200, -100,
        victim_survivor_id=["v", "w", "w", None, "v"],
        offence_class=["8N", "8N", "8N", "8N", "non-crime"],
    )  # fmt: skip
    units = one_unit()

    def judged(**options):
        rows = serial_and_repeat(units, events, **options).rows
        return lists(rows, "events", "victims", "serial", "repeat")[0]

    assert judged() == [5, 2, True, True]
    assert judged(minimum_victims=3) == [5, 2, False, True]
    assert judged(count_non_crime=False, non_crime=["non-crime"]) == [4, 2, True, False]
    assert judged(window=(-250, 0)) == [2, 1, False, False]
    found = serial_and_repeat(units, events)
    assert found.check("serial_definition").text == (
        "Serial: 2 or more victims in the days -1095 to -1 from the index date (crimes and other "
        "incidents). Repeat: events on two days or more against one of them."
    )
    assert found.check("no_victim").text == (
        "1 of 5 events in the window name no victim and cannot be judged."
    )


def test_the_index_incident_may_count_towards_serial():
    events = events_on(-10, 0, victim_survivor_id=["v", "w"])
    found = serial_and_repeat(one_unit(), events, index_incident="counted").rows
    assert found["serial"].tolist() == [True]
    assert serial_and_repeat(one_unit(), events).rows["serial"].tolist() == [False]


def test_serial_is_a_question_about_people():
    events = events_on(-10, victim_survivor_id="v")
    with pytest.raises(DesignError, match="units are dyads, and a dyad has one victim-survivor"):
        serial_and_repeat(one_unit(victim_survivor_id="v"), events)
    with pytest.raises(DesignError, match="minimum_victims is 2 or more: whoever has harmed one"):
        serial_and_repeat(one_unit(), events, minimum_victims=1)


# Refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit_id": ["u1", "u1"]}, "1 rows of units repeat the unit_id of another"),
        ({"unit_id": ["u1", None]}, "1 of 2 rows of units have no unit_id"),
        ({"perpetrator_id": [None, "p"]}, "1 of 2 rows of units have no perpetrator_id"),
        ({"perpetrator_id": [1.0, np.nan]}, '"perpetrator_id" of units holds decimal numbers'),
        ({"group": [None, "programme"]}, "1 of 2 rows of units have no group"),
        ({"index_date": pd.array([0, None])}, "1 of 2 rows of units have no index_date"),
        ({"data_end_date": pd.array([9, None])}, "1 of 2 rows of units have no data_end_date"),
        ({"data_end_date": [9, -1]}, "1 of 2 rows of units have data_end_date before index_date"),
        ({"death_date": [-1, -1]}, "2 of 2 rows of units have death_date before index_date"),
        ({"moved_date": [9, -1]}, "1 of 2 rows of units have moved_date before index_date"),
        ({"data_start_date": [9, 0]}, "1 of 2 rows of units have data_start_date after index_date"),
        ({"index_date": [0.5, 1]}, '"index_date" of units holds neither dates nor whole numbers'),
        ({"index_date": ["2024-01-01"] * 2}, '"index_date" of units holds neither dates nor whole'),
    ],
)
def test_units_that_cannot_be_followed_are_refused(change, message):
    units = units_of(("u1", "p1", 0, 365), ("u2", "p2", 0, 365))
    with pytest.raises(DataError, match=message):
        person_time(units.assign(**change))


def test_a_missing_column_names_the_nearest():
    with pytest.raises(DataError, match='no column "index_date" in units. Nearest: "index_dat"'):
        person_time(one_unit().rename(columns={"index_date": "index_dat"}))
    with pytest.raises(DataError, match='no column "arm" in units'):
        person_time(one_unit(), group="arm")
    with pytest.raises(DataError, match='no column "date" in events'):
        event_counts(one_unit(), events_on(1).drop(columns="date"))
    with pytest.raises(DataError, match='no column "end_date" in custody'):
        person_time(one_unit(), spells_of(("p1", 1, 2)).drop(columns="end_date"))
    assert person_time(one_unit().drop(columns="group"), group=None).rows["group"].tolist() == [
        "all",
        "all",
    ]


def test_events_and_spells_without_a_date_are_refused():
    events = events_on(1, 2).assign(date=pd.array([1, None], dtype="Int64"))
    with pytest.raises(DataError, match="1 of 2 rows of events have no date"):
        event_counts(one_unit(), events)
    custody = spells_of(("p1", 5, 4), ("p9", 5, 1))
    with pytest.raises(DataError, match="1 of 1 custody spells of these people end before they"):
        person_time(one_unit(), custody)
    custody = spells_of(("p1", 5, 4)).assign(start_date=pd.array([None], dtype="Int64"))
    with pytest.raises(DataError, match="1 rows of custody have no start_date"):
        person_time(one_unit(), custody)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"windows": {}}, "windows is empty. Give at least one"),
        ({"windows": {"x": (5, 5)}}, 'the window "x" ends on day 5, not after day 5'),
        ({"windows": {"x": (-5, 5)}}, 'the window "x" holds the index date, day 0'),
        ({"washout": 400}, 'the washout of 400 days leaves nothing of the window "before"'),
        ({"washout": -1}, "washout is a whole number of days, 0 or more"),
        ({"index_incident": "count"}, 'index_incident is "left_out" or "counted", not "count"'),
        (
            {"index_incident": "counted", "washout": 9},
            "index_incident is counted, and yet a washout leaves out the days before it",
        ),
        ({"attribution": "all"}, 'attribution is "first", "last" or "each", not "all"'),
    ],
)
def test_windows_that_make_no_sense_are_refused(options, message):
    with pytest.raises(DesignError, match=message):
        event_counts(one_unit(), events_on(1), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "the horizon is a whole number of days above 0"),
        ({"horizon": 9, "custody_as": "gaps"}, 'custody_as is "gap", "competing" or "ignored"'),
    ],
)
def test_horizons_that_make_no_sense_are_refused(options, message):
    with pytest.raises(DesignError, match=message):
        first_event(one_unit(), events_on(1), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first_month": -1.5}, "first_month and last_month are whole numbers of months"),
        ({"first_month": 0}, "first_month is not after last_month, and neither is 0"),
        ({"first_month": 3, "last_month": 2}, "first_month is not after last_month"),
    ],
)
def test_months_that_make_no_sense_are_refused(options, message):
    with pytest.raises(DesignError, match=message):
        monthly_rates(one_unit(), events_on(1), **options)


def test_what_is_no_table_is_refused(monkeypatch):
    with pytest.raises(DataError, match="units is no table that can be read. Give a pandas"):
        person_time([1, 2])
    monkeypatch.setattr("drive_eval.measures.offending._engine._ENGINES", ())
    with pytest.raises(DataError, match="units is a table of an engine that is not supported"):
        person_time(one_unit())


# Dates and empty tables


def test_day_numbers_are_civil_days_over_all_leap_years():
    dates = pd.date_range("1896-01-01", "2104-12-31", freq="D")
    units = pd.DataFrame({"unit_id": range(len(dates)), "perpetrator_id": range(len(dates))})
    units = units.assign(group="programme", index_date=dates, data_end_date=dates)
    units["data_end_date"] += pd.Timedelta(days=1)
    events = pd.DataFrame({"perpetrator_id": range(len(dates)), "date": units["data_end_date"]})
    rows = event_counts(units, events, windows={"after": (0, 1), "next": (1, 2)}).rows
    counts = rows.groupby("window")["events"].agg(["min", "max"])
    assert counts.loc["after"].tolist() == [1, 1]
    assert counts.loc["next"].tolist() == [0, 0]


def test_a_column_of_dates_that_are_all_missing_needs_no_type():
    units = one_unit(death_date=None, moved_date=np.nan, start_date=pd.NaT)
    assert first_event(units, events_on(5), horizon=9).rows["ended_by"].tolist() == ["reoffence"]


def test_the_hour_of_an_event_does_not_matter():
    units = dated_unit("2024-01-01", "2024-12-31")
    late = pd.Timestamp("2024-01-02 23:59")
    events = pd.DataFrame({"perpetrator_id": ["p1"], "date": [late]})
    assert repeat_rows(units, events, horizon=9).rows["stop"].tolist() == [1, 9]


def test_tables_without_rows_give_rows_of_nothing():
    none = events_on().astype({"event_id": str})
    custody = spells_of().astype({"start_date": "Int64", "perpetrator_id": str})
    rows = event_counts(one_unit(), none, custody).rows
    assert rows["events"].tolist() == [0, 0]
    assert repeat_rows(one_unit(), none, custody).rows["stop"].tolist() == [365]
    nobody = one_unit().iloc[:0]
    assert event_counts(nobody, events_on(1)).rows.empty
    assert first_event(nobody, events_on(1), horizon=9).rows.empty


def test_the_tables_that_were_given_are_not_changed():
    units, events = overlapping()
    custody = spells_of(("p1", 10, 20), ("p1", 15, None))
    before = [table.copy() for table in (units, events, custody)]
    for measure in (event_counts, repeat_rows, monthly_rates):
        measure(units, events, custody, attribution="each")
    for table, copy in zip((units, events, custody), before, strict=True):
        pd.testing.assert_frame_equal(table, copy)


@pytest.mark.parametrize("name", [n for n in offending.__all__ if n[0].islower()])
def test_every_function_has_its_sections_and_an_example(name):
    text = getattr(offending, name).__doc__
    assert ">>>" in text
    assert "Returns" in text
    if name not in ("recording_changes", "select_events"):
        assert "**Assumptions.**" in text
        assert "Raises" in text
