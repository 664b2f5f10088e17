"""Police and MARAC events, custody and endings: what the codebook says, and what their truth is."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import drive_eval
from drive_eval import cli
from drive_eval.data import synthetic
from drive_eval.data.study import read_study, save_tables
from drive_eval.data.synthetic import (
    draw_events,
    generate,
    load_world,
    offending_truth,
    true_value,
    truth_text,
    write_national,
)
from drive_eval.data.synthetic import limits as limits_module
from drive_eval.data.synthetic.process import (
    FAR,
    People,
    draw_candidates,
    draw_people,
    live,
)
from drive_eval.errors import DataError, DesignError, PlanError, UndefinedResultError
from drive_eval.measures import offending
from drive_eval.measures.case_table import cohort_units
from drive_eval.models import survival

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "data" / "synthetic" / "drive_pilot"
PACKAGE = ROOT / "src" / "drive_eval" / "data" / "synthetic"
BETWEEN = "programme v comparison"
YEAR = 365
NON_CRIME = ("non_crime",)

#: SHA-256 of the tables as they were before there were events; of cases without the two dates
#: that came with these.
BEFORE_EVENTS = {
    "assessments": "f10799282b5f6993486d687929e463f5a5bffaaca2bc123c977f2c00d7072a64",
    "cases": "d09290f7dc99d3d499b41f7c3176c8d59aff754565e2618e4eab0a310a7a67dd",
    "risk_reviews": "40bca34e6848e401501098d2f718fc9d173e20dc9e9ff02fc55a6de27a9e7ab6",
    "victim_survivors": "531df872f3e30170ecff1bbe9f78c7f594e7d74b4291c3accfae95ee09e92527",
}


@pytest.fixture(scope="module")
def study():
    return drive_eval.synthetic_study()


@pytest.fixture(scope="module")
def people(study):
    """One row a person: his first case, with days between dates."""
    cases = study.table("cases").sort_values("index_date")
    return cases.drop_duplicates("perpetrator_id").set_index("perpetrator_id")


@pytest.fixture(scope="module")
def large():
    return generate("drive_pilot", seed=11, n=20_000)


def chosen(events: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the events of each outcome, as an evaluation would choose them."""
    select = offending.select_events
    return {
        "police": select(events, source="police").events,
        "police_domestic_abuse": select(events, source="police", domestic_abuse=True).events,
        "police_charged": select(events, source="police", at_least="charged").events,
        "marac_repeat_any_abuse": offending.marac_repeats(events, definition="any_abuse").rows,
        "marac_repeat_criminal_conduct": offending.marac_repeats(
            events, definition="criminal_conduct", non_crime=NON_CRIME
        ).rows,
    }


# --- what was there before ------------------------------------------------------------------


@pytest.mark.parametrize("name", BEFORE_EVENTS)
def test_the_tables_that_were_there_are_as_they_were_byte_for_byte(name):
    content = (COMMITTED / f"{name}.csv").read_bytes()
    if name == "cases":
        table = pd.read_csv(COMMITTED / "cases.csv", dtype=str, keep_default_na=False)
        table = table.drop(columns=["death_date", "moved_date"])
        content = table.to_csv(index=False, lineterminator="\n").encode()
    assert hashlib.sha256(content).hexdigest() == BEFORE_EVENTS[name]


def test_events_come_back_the_same(study, tmp_path):
    save_tables({name: study.tables[name] for name in ("events", "custody")}, tmp_path / "new")
    for name in ("events.csv", "custody.csv"):
        assert (tmp_path / "new" / name).read_bytes() == (COMMITTED / name).read_bytes()


# --- what the codebook says -----------------------------------------------------------------


def test_everybody_has_an_index_incident_and_a_referral_to_marac(study, people):
    events = study.table("events").join(people[["index_date", "referral_date"]], "perpetrator_id")
    before = (events["index_date"] - events["date"]).dt.days
    near = events[(events["source"] == "police") & before.between(7, 27)]
    assert set(near["perpetrator_id"]) == set(people.index)
    referral = events[(events["source"] == "marac") & (events["date"] == events["referral_date"])]
    assert set(referral["perpetrator_id"]) == set(people.index)
    assert (referral["victim_survivor_id"] == "V" + referral["perpetrator_id"].str[1:] + "-1").all()


def test_the_extract_reaches_back_a_year_and_to_the_end_of_the_data(study, people):
    dates = study.tables["events"]["date"]
    assert dates.min() >= pd.Timestamp("2015-04-01")
    assert dates.max() <= pd.Timestamp("2021-06-30")
    assert (people["index_date"] - pd.Timestamp("2015-04-01")).dt.days.min() >= YEAR


def test_nothing_is_recorded_after_a_death_or_a_move(study, people):
    dates = people[["death_date", "moved_date"]].min(axis=1)
    assert people["death_date"].notna().any()
    assert people["moved_date"].notna().any()
    for table, column in (("events", "date"), ("custody", "start_date")):
        rows = study.table(table)
        last = rows["perpetrator_id"].map(dates)
        assert not (rows[column] > last).any()


def test_endings_agree_with_the_cases_and_the_ratings(study):
    cases = study.table("cases").sort_values("index_date")
    last = cases.drop_duplicates("perpetrator_id", keep="last").set_index("perpetrator_id")
    moved = last[last["moved_date"].notna()]
    assert (moved["exit_reason"] == "moved").all()
    assert (moved["moved_date"] == moved["exit_date"]).all()
    ratings = study.table("assessments").merge(cases, on="case_id")
    dead = cases[cases["death_date"].notna()]
    assert (dead["death_date"] >= dead["exit_date"]).all()
    assert not (ratings["date"] > ratings["death_date"]).any()
    # A person's dates stand in all his cases.
    for column in ("death_date", "moved_date"):
        pairs = cases[["perpetrator_id", column]].drop_duplicates()
        assert len(pairs) == cases["perpetrator_id"].nunique()


def test_custody_is_well_formed_and_follows_a_charge_or_an_exit(study):
    custody = study.table("custody").sort_values(["perpetrator_id", "start_date"])
    ends = custody["end_date"].fillna(pd.Timestamp("2100-01-01"))
    assert (ends > custody["start_date"]).all()
    same = custody["perpetrator_id"].eq(custody["perpetrator_id"].shift(-1))
    assert (ends[same] < custody["start_date"].shift(-1)[same]).all()
    cases = study.table("cases")
    jailed = cases.loc[cases["exit_reason"] == "custody", ["perpetrator_id", "exit_date"]]
    events = study.table("events")
    crimes = events[events["outcome_stage"].isin(["charged", "convicted"])]
    causes = pd.concat(
        [
            jailed.rename(columns={"exit_date": "date"}),
            crimes[["perpetrator_id", "date"]],
        ]
    )
    pairs = custody.merge(causes, on="perpetrator_id", suffixes=("", "_cause"))
    wait = (pairs["start_date"] - pairs["date"]).dt.days
    found = pairs[wait.between(0, 120)]
    assert len(found[["perpetrator_id", "start_date"]].drop_duplicates()) == len(custody)
    # And who left because of custody is in it the day after.
    inside = jailed.merge(custody, on="perpetrator_id")
    end = inside["end_date"].fillna(pd.Timestamp("2100-01-01"))
    holds = (inside["start_date"] <= inside["exit_date"]) & (end > inside["exit_date"])
    gone = jailed["exit_date"] > pd.Timestamp("2021-06-30")
    assert len(inside[holds]["perpetrator_id"].unique()) == len(jailed[~gone])


def test_few_events_are_dated_inside_custody_and_some_spells_are_open(study):
    events, custody = study.table("events"), study.table("custody")
    pairs = events.merge(custody, on="perpetrator_id")
    end = pairs["end_date"].fillna(pd.Timestamp("2100-01-01"))
    inside = pairs[(pairs["date"] > pairs["start_date"]) & (pairs["date"] <= end)]
    assert 0 < len(inside) < 0.03 * len(events)
    assert 0 < custody["end_date"].isna().sum() < 0.1 * len(custody)


def test_referrals_have_no_class_and_what_is_no_crime_has_no_stage(study):
    events = study.table("events")
    marac = events["source"] == "marac"
    assert events.loc[marac, ["offence_class", "outcome_stage", "abuse_type"]].isna().all().all()
    no_crime = events["offence_class"] == "non_crime"
    assert (events["outcome_stage"].isna() == (no_crime | marac)).all()
    assert 0.15 < no_crime[~marac].mean() < 0.25
    assert set(events["outcome_stage"].dropna()) == {"recorded", "charged", "convicted"}
    not_abuse = events["domestic_abuse_flag"].eq(False).fillna(False)
    assert events.loc[not_abuse, ["abuse_type", "victim_survivor_id"]].isna().all().all()
    assert set(events["abuse_type"].dropna()) == {
        "physical", "sexual", "harassment_stalking", "jealous_controlling",
    }  # fmt: skip
    assert "harm_days" not in events


def test_victims_are_those_of_the_case_or_linked_to_none(study):
    named = study.table("events")["victim_survivor_id"].dropna()
    linked = set(study.table("victim_survivors")["victim_survivor_id"])
    elsewhere = named.str.startswith("U")
    assert set(named[~elsewhere]) <= linked
    assert 0.05 < elsewhere.mean() < 0.2
    units = cohort_units(study.table("cases"), unit="person")
    events = study.table("events").query("source == 'police'")
    pattern = offending.serial_and_repeat(units, events, window=(-365, 0)).rows
    assert 0.05 < pattern["serial"].mean() < 0.4
    assert 0.2 < pattern["repeat"].mean() < 0.6


def test_recording_is_the_same_in_both_arms(large):
    cases = large["cases"].drop_duplicates("perpetrator_id")
    arm = cases.set_index("perpetrator_id")["arm"].astype(str)
    events = large["events"]
    rows = events[events["source"] == "police"]
    of_arm = rows["perpetrator_id"].map(arm)
    for column in ("offence_class", "outcome_stage", "domestic_abuse_flag"):
        values = rows[column].astype(str)
        share = pd.crosstab(values, of_arm, normalize="columns")
        assert (share["programme"] - share["comparison"]).abs().max() < 0.015, column


def test_those_who_do_worse_are_recorded_more(large):
    first = large["cases"].sort_values("index_date").drop_duplicates("perpetrator_id")
    count = large["events"].groupby("perpetrator_id").size().reindex(first["perpetrator_id"])
    assert np.corrcoef(count, first["dash_score"])[0, 1] > 0.05


def test_a_site_has_events_too():
    site = drive_eval.synthetic_study("site", seed=3)
    assert set(site.tables["events"]["perpetrator_id"]) == set(
        site.tables["cases"]["perpetrator_id"]
    )


# --- truth ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def truth(study):
    return study.truth


def police(truth, measure, **labels):
    return true_value(truth, outcome="police", measure=measure, **labels)


def test_hazard_ratios_are_not_the_ratio_given_the_person(truth):
    conditional = truth["offending"]["conditional"]
    given = conditional["rate_ratio_programme_v_comparison"]
    assert given == pytest.approx(0.6)
    assert police(truth, "hazard_ratio", contrast=BETWEEN) == pytest.approx(0.657, abs=0.003)
    every = police(truth, "hazard_ratio_every_event", contrast=BETWEEN)
    assert every == pytest.approx(given, abs=0.003)
    measures = {row["measure"] for row in truth["offending"]["values"]}
    assert not measures & set(conditional)


def test_true_values_keep_their_identities(truth):
    for group in ("programme", "comparison", "no_effect"):
        free = [
            police(truth, "event_free", group=group, horizon=at) for at in ("6 months", "12 months")
        ]
        assert 1 > free[0] > free[1] > 0
        assert free[1] * YEAR < police(truth, "restricted_mean", group=group) < YEAR
        before, after = (police(truth, f"rate_{when}", group=group) for when in ("before", "after"))
        ratio = police(truth, "rate_ratio", group=group)
        assert ratio == pytest.approx(after / before, abs=1e-4)
        competing = police(truth, "cumulative_incidence", group=group, custody="competing")
        assert competing < police(truth, "cumulative_incidence", group=group) <= 1 - free[1]
    for measure in ("event_free", "restricted_mean", "mean_cumulative_count"):
        one, other = (police(truth, measure, group=arm) for arm in ("programme", "comparison"))
        difference = police(truth, f"{measure}_difference", contrast=BETWEEN)
        assert difference == pytest.approx(one - other, abs=2e-3)


def test_with_no_effect_only_counting_the_index_incident_makes_a_fall(truth):
    assert police(truth, "rate_ratio", group="no_effect") == pytest.approx(1, abs=0.005)
    counted = police(truth, "rate_ratio", group="no_effect", index_incident="counted")
    assert counted == pytest.approx(0.44, abs=0.01)


def test_as_allocated_lies_between(truth):
    for measure in ("hazard_ratio", "rate_ratio"):
        received, allocated = (
            police(truth, measure, contrast=BETWEEN, arm_column=column)
            for column in ("arm", "allocated_arm")
        )
        assert received < allocated < 1


def test_the_error_of_the_limits_is_small(truth):
    assert truth["offending"]["people"] >= 1_000_000
    for row in truth["offending"]["values"]:
        per_person = row["measure"].startswith(("rate_before", "rate_after", "restricted_mean"))
        scale = 1 if per_person and not row["measure"].endswith("ratio") else 100
        # In points, events per 100 person-years or days; ratios of rare events a little more.
        assert row["mc_error"] * scale <= (0.15 if row["measure"].endswith("ratio") else 0.1), row


def test_a_value_of_re_offending_that_is_not_there_is_refused(truth):
    with pytest.raises(UndefinedResultError, match='truth has no label "reporter"'):
        police(truth, "hazard_ratio", contrast=BETWEEN, reporter="idva")
    with pytest.raises(UndefinedResultError, match="no true values match outcome='police'|no true"):
        police(truth, "hazard_ratio")


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["drive_pilot", "national"])
def test_the_limits_are_found_again(preset):
    """Short form: other people, within the joint error. Full form: the same figures."""
    name = "truth.json" if preset == "drive_pilot" else "national_truth.json"
    old = json.loads((PACKAGE / name).read_text(encoding="utf-8"))
    old = old.get("offending", old)
    full = os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1"
    new = (
        offending_truth(preset, people=old["people"])
        if full
        else offending_truth(preset, people=200_000, seed=5)
    )
    assert [list(row) for row in new["values"]] == [list(row) for row in old["values"]]
    for one, other in zip(new["values"], old["values"], strict=True):
        error = np.hypot(one["mc_error"], other["mc_error"])
        allowed = 0.002 if full else 6 * error + 1e-4
        assert abs(one["value"] - other["value"]) <= allowed, one
    assert new["conditional"] == old["conditional"]


def test_the_limits_count_people_as_the_measures_do():
    """The tallies behind the truth are the rows of the measures, to the last day and event."""
    size, seed = 1_500, 3
    world = load_world("drive_pilot")
    drawn = draw_events(rng=np.random.default_rng(seed), people=size)
    rng = np.random.default_rng(seed)
    who, _, died, _ = draw_people(world, rng, size, follow_up=YEAR)
    ratio = np.where(drawn.units["group"] == "programme", 0.54, 0.90)
    record = live(world, who, draw_candidates(world, rng, who), ratio)
    keep = limits_module._outcomes(world, record)
    for outcome, events in chosen(drawn.events).items():
        tally = limits_module._tally(who, record, keep[outcome], died)
        given = (drawn.units, events, drawn.custody)
        gap = offending.first_event(*given, horizon=YEAR).rows
        competing = offending.first_event(*given, horizon=YEAR, custody_as="competing").rows
        every = offending.repeat_rows(*given, horizon=YEAR).rows
        expected = [
            at_risk(gap), on(gap, "reoffence"), on(gap, "death"),
            at_risk(competing), on(competing, "reoffence"), on(competing, "custody"),
            on(competing, "death"), at_risk(every), on(every, "reoffence"),
        ]  # fmt: skip
        for row, found in enumerate(expected):
            assert tally[row].tolist() == found.tolist(), (outcome, row)
        windows = {"before": (-YEAR, 0)}
        left_out = offending.event_counts(*given, washout=28).rows
        counted = offending.event_counts(*given, windows=windows, index_incident="counted").rows
        for at, rows in (
            (limits_module._BEFORE, left_out[left_out["window"] == "before"]),
            (limits_module._TRAP, counted),
            (limits_module._AFTER, left_out[left_out["window"] == "after"]),
        ):
            found = [rows["events_free"].sum(), rows["days_free"].sum()]
            assert tally[limits_module._COUNTS][list(at)].tolist() == found, outcome


def at_risk(rows: pd.DataFrame) -> np.ndarray:
    steps = np.bincount(rows["start"] + 1, minlength=YEAR + 2)
    return np.cumsum(steps - np.bincount(rows["stop"] + 1, minlength=YEAR + 2))[: YEAR + 1]


def on(rows: pd.DataFrame, cause: str) -> np.ndarray:
    return np.bincount(rows.loc[rows["cause"] == cause, "stop"], minlength=YEAR + 1)


def test_the_limit_of_a_hazard_ratio_is_that_of_the_estimator():
    """Efron's likelihood by day, against Cox's regression on many people."""
    drawn = draw_events(rng=np.random.default_rng(8), people=40_000)
    events = drawn.events[drawn.events["source"] == "police"]
    rows = offending.first_event(drawn.units, events, drawn.custody, horizon=YEAR).rows
    ours = []
    for arm in ("programme", "comparison"):
        mine = rows[rows["group"] == arm]
        ours.append((at_risk(mine).astype(float), on(mine, "reoffence").astype(float)))
    found = survival.cox(rows, start="start", stop="stop", event="event", treated="group")
    estimate = found.one(measure="hazard_ratio").estimate
    # Efron takes k/d of d events away from k = 0 on, the limit from the middle of each step.
    assert limits_module._hazard_ratio(*ours) == pytest.approx(estimate, rel=2e-4)


def test_the_tables_show_the_true_values(large, truth):
    """A different road: whole tables of the study, through measures and models."""
    units = cohort_units(large["cases"], unit="person")
    custody = large["custody"]
    for outcome, events in chosen(large["events"]).items():
        rows = offending.first_event(units, events, custody, horizon=YEAR).rows
        free = survival.kaplan_meier(
            rows, start="start", stop="stop", event="event", group="group", times=(YEAR,)
        )
        for arm in ("programme", "comparison"):
            found = free.one(measure="event_free", group=arm)
            value = true_value(truth, outcome=outcome, measure="event_free", group=arm)
            assert found.estimate == pytest.approx(value, abs=4 * found.std_error), outcome
        hazard = survival.cox(
            rows, start="start", stop="stop", event="event", treated="group", cluster="unit_id"
        ).one(measure="hazard_ratio")
        value = true_value(truth, outcome=outcome, measure="hazard_ratio", contrast=BETWEEN)
        assert np.log(hazard.estimate) == pytest.approx(np.log(value), abs=4 * hazard.std_error)
        if not outcome.startswith("police"):
            continue
        counts = offending.event_counts(units, events, custody, washout=28).rows
        for (arm, window), part in counts.groupby(["group", "window"]):
            rate = 100 * part["events_free"].sum() / part["person_years"].sum()
            value = true_value(truth, outcome=outcome, measure=f"rate_{window}", group=arm)
            # Gamma-Poisson counts spread about one and a half times as far as Poisson ones.
            spread = 1.6 * rate / np.sqrt(part["events_free"].sum())
            assert rate == pytest.approx(value, abs=4 * spread), (outcome, arm, window)


def test_truth_needs_enough_people_and_reports_progress():
    with pytest.raises(DesignError, match="needs at least 2,000 people, but people is 1999"):
        offending_truth(people=1_999)
    steps: list[tuple[int, int]] = []
    found = offending_truth(people=2_000, progress=lambda *step: steps.append(step))
    assert steps[-1] == (20, 20)
    assert json.loads(truth_text(found)) == found


# --- draws for studies of coverage ----------------------------------------------------------


def test_draws_are_tables_that_the_measures_read():
    drawn = draw_events(rng=np.random.default_rng(1), people=300, follow_up=730)
    units, events, custody = drawn
    assert units["group"].value_counts().to_dict() == {"programme": 150, "comparison": 150}
    assert set(events["perpetrator_id"]) == set(units["perpetrator_id"])
    rows = offending.repeat_rows(units, events, custody).rows
    assert rows["stop"].max() == 730
    dates = events["perpetrator_id"].map(units.set_index("perpetrator_id")["data_end_date"])
    assert (events["date"] <= dates).all()


def test_the_same_generator_gives_the_same_draw():
    one, other = (draw_events(rng=np.random.default_rng(9), people=60) for _ in range(2))
    for name in ("units", "events", "custody"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


def test_a_stronger_programme_leaves_fewer_incidents_and_the_past_as_it_was():
    drawn = [
        draw_events(rng=np.random.default_rng(2), people=4_000, programme_effect=effect)
        for effect in (0.0, 1.0, 2.0)
    ]
    programme, before = [], []
    for units, events, _ in drawn:
        found = events.merge(units, on="perpetrator_id").query("source == 'police'")
        after = found["date"] > found["index_date"]
        programme.append(int((after & (found["group"] == "programme")).sum()))
        before.append(int((~after).sum()))
    assert programme[0] > 1.5 * programme[1] > 1.5 * programme[2]
    assert len(set(before)) == 1


def test_effects_are_powers_of_the_rate_ratios():
    world = load_world("drive_pilot").with_effects(programme=2, usual_care=0)
    assert world.events["programme"] == pytest.approx(0.54**2)
    assert world.events["usual_care"] == 1
    harm = draw_events(rng=np.random.default_rng(2), people=4_000, programme_effect=-1)
    after = harm.events.merge(harm.units, on="perpetrator_id").query("date > index_date")
    count = after["group"].value_counts()
    assert count["programme"] > 1.6 * count["comparison"]


@pytest.mark.parametrize(("people", "days"), [(1, 365), (10, 0)])
def test_a_draw_of_nobody_or_no_time_is_refused(people, days):
    with pytest.raises(DesignError, match="at least two people and one day after the index date"):
        draw_events(rng=np.random.default_rng(1), people=people, follow_up=days)


def test_somebody_in_custody_for_something_older_enters_on_release():
    """Spells join, an incident inside leads to none, and the index incident stays."""
    world = load_world("drive_pilot")
    size = 4_000
    who = People(
        frailty=np.full(size, 8.0),
        history=np.full(size, 400),
        referral=np.full(size, -10),
        victims=np.ones(size, dtype=np.int64),
        until=np.full(size, 300),
        jailed_at=np.where(np.arange(size) % 2 == 0, 100, FAR),
    )
    candidates = draw_candidates(world, np.random.default_rng(3), who)
    record = live(world, who, candidates, np.ones(size))
    assert (record.lo < record.hi).all()
    again = record.jailed[1:] == record.jailed[:-1]
    assert (record.lo[1:][again] > record.hi[:-1][again]).all()
    sure = np.flatnonzero(np.arange(size) % 2 == 0)
    holding = record.jailed[(record.lo <= 100) & (record.hi > 100)]
    assert set(sure) <= set(holding)
    assert np.bincount(record.who[record.incident], minlength=size).tolist() == [1] * size
    quiet = record.inside & ~record.marac & ~record.incident
    assert 0 < quiet.mean() < 0.05


# --- the size of a country ------------------------------------------------------------------


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    folder = tmp_path_factory.mktemp("country") / "new"
    steps: list[tuple[int, int]] = []
    rows = write_national(
        folder,
        5,
        programme=200,
        comparison=1_000,
        other_files=synthetic.companion_files("national", seed=5),
        progress=lambda *step: steps.append(step),
    )
    assert steps == [(1, 1)]
    return folder, rows


def test_a_small_country_is_a_valid_study(country):
    folder, rows = country
    back = read_study(folder)
    assert {name: len(table) for name, table in back.tables.items()} == rows
    assert back.tables["cases"]["arm"].value_counts().to_dict() == {
        "comparison": 1_000,
        "programme": 200,
    }
    assert true_value(back.truth, outcome="police", measure="rate_before") > 300
    text = (folder / "codebook.md").read_text(encoding="utf-8")
    assert "Seed:\n5." in text
    assert "{" not in text


def test_prior_incidents_of_a_country_are_its_events(country):
    back = read_study(country[0])
    cases = back.table("cases").set_index("perpetrator_id")
    events = back.table("events").query("source == 'police'")
    days = (events["date"] - events["perpetrator_id"].map(cases["index_date"])).dt.days
    found = events[days.between(-365, -1)].groupby("perpetrator_id").size()
    found = found.reindex(cases.index, fill_value=0)
    assert (found == cases["prior_incidents_12m"].astype(int)).all()


def test_a_country_crosses_no_change_in_recording(country):
    tables = read_study(country[0]).tables
    units = cohort_units(tables["cases"], unit="person")
    found = offending.event_counts(units, tables["events"], tables["custody"], washout=28)
    assert "recording_change" not in {check.name for check in found.checks}
    assert found.check("history").passed
    assert found.check("after_end").passed


def test_a_country_is_the_same_for_a_seed_and_grows_at_its_end(country, tmp_path, monkeypatch):
    folder, _ = country
    write_national(tmp_path / "again", 5, programme=200, comparison=1_000)
    write_national(tmp_path / "other", 6, programme=200, comparison=1_000)
    tables = {}
    for name in ("again", "other"):
        tables[name] = pd.read_parquet(tmp_path / name / "events.parquet")
    first = pd.read_parquet(folder / "events.parquet")
    pd.testing.assert_frame_equal(tables["again"], first)
    assert not tables["other"].equals(first)
    # In chunks: ids go on, and the people of a chunk do not depend on those after them.
    monkeypatch.setattr("drive_eval.data.synthetic.national._CHUNK", 150)
    write_national(tmp_path / "small", 5, programme=100, comparison=200)
    write_national(tmp_path / "large", 5, programme=100, comparison=350)
    small, large = (
        pd.read_parquet(tmp_path / name / "events.parquet") for name in ("small", "large")
    )
    assert large["event_id"].is_unique
    assert large["event_id"].is_monotonic_increasing
    pd.testing.assert_frame_equal(large.iloc[: len(small)], small)


def test_a_country_does_not_replace_other_peoples_tables(country, tmp_path):
    folder, _ = country
    with pytest.raises(DataError, match="is not empty"):
        write_national(folder, 5, programme=1, comparison=1)
    other = tmp_path / "other"
    other.mkdir()
    (other / "cases.parquet").write_bytes(b"of real people")
    with pytest.raises(DataError, match="do not say that they are synthetic"):
        write_national(other, 5, programme=1, comparison=1, overwrite=True)
    beside = synthetic.companion_files("national", seed=5)
    mine = tmp_path / "mine"
    write_national(mine, 5, programme=1, comparison=1, other_files=beside)
    write_national(mine, 6, programme=1, comparison=2, other_files=beside, overwrite=True)
    assert len(pd.read_parquet(mine / "cases.parquet")) == 3


@pytest.mark.parametrize(("programme", "comparison"), [(0, 0), (-1, 5), (0, 10_000_001)])
def test_a_country_of_nobody_is_refused(programme, comparison, tmp_path):
    with pytest.raises(DesignError, match="the preset national needs 1 to 10,000,000 people"):
        write_national(tmp_path / "new", programme=programme, comparison=comparison)
    assert not (tmp_path / "new").exists()


def test_a_country_is_never_held_as_a_study():
    for ask in (drive_eval.synthetic_study, generate):
        with pytest.raises(PlanError, match="drive-eval simulate FOLDER --preset national"):
            ask("national")


def test_the_command_line_writes_a_country_and_says_how_long_it_took(tmp_path, monkeypatch):
    def smaller(folder, seed, **options):
        return write_national(folder, seed, programme=2, comparison=8, **options)

    monkeypatch.setattr(synthetic, "write_national", smaller)
    runner = CliRunner()
    done = runner.invoke(cli.app, ["simulate", "--preset", "national", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    assert "10 cases, " in done.output
    assert " custody of the preset national, seed 1, in " in done.output
    written = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert written == [
        "cases.parquet", "codebook.md", "custody.parquet", "events.parquet", "truth.json",
        "victim_survivors.parquet",
    ]  # fmt: skip
