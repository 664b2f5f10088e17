"""What must hold for a synthetic study of any seed and size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from drive_eval.data.synthetic import (
    confounded_tables,
    draw_confounded,
    draw_events,
    draw_severity,
    generate,
    load_world,
    population_truth,
)
from drive_eval.data.synthetic.process import _counts, draw_candidates, draw_people, live
from drive_eval.data.synthetic.truth import _between, _within
from drive_eval.vocabulary import ABUSE_TYPES

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(2, 60)
few = settings(deadline=None, max_examples=20)


@few
@given(seed=seeds, n=sizes, rows=st.integers(1, 4))
def test_the_same_seed_gives_the_same_valid_study(seed, n, rows):
    one = generate("site", seed, n=n, rows_per_person=rows)
    other = generate("site", seed, n=n, rows_per_person=rows)
    assert set(one) == set(other)
    for name, table in one.items():
        pd.testing.assert_frame_equal(table, other[name])
    assert one["cases"]["perpetrator_id"].nunique() == n


@few
@given(seed=seeds, n=sizes)
def test_reports_are_about_people_who_can_be_seen(seed, n):
    tables = generate("site", seed, n=n)
    links = tables["victim_survivors"]
    idva = tables["assessments"].query("reporter == 'idva'")
    supported = links[links["idva_supported"]]
    pairs = set(zip(supported["case_id"], supported["victim_survivor_id"], strict=True))
    assert set(zip(idva["case_id"], idva["victim_survivor_id"], strict=True)) <= pairs
    # Somebody is supported in every case, and dyads of a case are lost together.
    assert set(supported["case_id"]) == set(tables["cases"]["case_id"])
    seen = idva.groupby(["case_id", "time_point"], observed=True)["victim_survivor_id"].nunique()
    full = seen.groupby("case_id").nunique()
    assert (full == 1).all()


@few
@given(seed=seeds, n=sizes)
def test_nothing_is_recorded_after_the_data_end_or_before_time_zero(seed, n):
    tables = generate("site", seed, n=n)
    reports = tables["assessments"].merge(tables["cases"], on="case_id")
    assert (reports["date"] <= reports["data_end_date"]).all()
    assert (reports["date"] >= reports["index_date"]).all()
    assert (reports["index_date"] > reports["referral_date"]).all()


@few
@given(
    seed=seeds,
    effects=st.tuples(st.floats(0, 2), st.floats(0, 2)),
    reporter=st.sampled_from(["idva", "case_manager", "latent"]),
)
def test_a_stronger_programme_never_leaves_more_abuse(seed, effects, reporter):
    weak, strong = sorted(effects)
    drawn = [
        draw_severity(
            rng=np.random.default_rng(seed), n=200, reporter=reporter, programme_effect=effect
        )
        for effect in (weak, strong)
    ]
    for name in ABUSE_TYPES.codes:
        assert (drawn[0][f"{name}_before"] == drawn[1][f"{name}_before"]).all()
        assert (drawn[0][f"{name}_after"] >= drawn[1][f"{name}_after"]).all()


@few
@given(seed=seeds)
def test_without_effects_the_arms_are_the_same(seed):
    drawn = [
        draw_severity(
            rng=np.random.default_rng(seed),
            n=100,
            arm=arm,
            programme_effect=0,
            usual_care_effect=0,
        )
        for arm in ("programme", "comparison")
    ]
    pd.testing.assert_frame_equal(*drawn)


grids = st.lists(st.integers(1, 50), min_size=16, max_size=16).map(
    lambda cells: np.array(cells, dtype=float).reshape(4, 4)
)


@few
@given(programme=grids, comparison=grids)
def test_true_values_keep_their_identities(programme, comparison):
    one = _within(programme)
    assert one["risk_ratio"] == pytest.approx(one["prevalence_after"] / one["prevalence_before"])
    assert one["percent_reduction"] == pytest.approx(100 * (1 - one["risk_ratio"]))
    stayed = one["prevalence_before"] * (1 - one["cessation"])
    started = (1 - one["prevalence_before"]) * one["onset"]
    assert one["prevalence_after"] == pytest.approx(stayed + started)
    same = np.trace(programme) / programme.sum()
    assert one["probability_improved"] + one["probability_worsened"] + same == pytest.approx(1)
    forward, backward = _between(programme, comparison), _between(comparison, programme)
    for ratio in ("ratio_of_ratios", "risk_ratio", "odds_ratio"):
        assert forward[ratio] * backward[ratio] == pytest.approx(1)


@settings(deadline=None, max_examples=5)
@given(seed=seeds)
def test_shares_of_judgements_sum_to_one(seed):
    rows = population_truth(people=400, seed=seed)["values"]
    shares = [row for row in rows if row["measure"] == "share"]
    for unit, group in {(row["unit"], row["group"]) for row in shares}:
        here = [
            row["value"]
            for row in shares
            if (row["unit"], row["group"]) == (unit, group)
            and not row["outcome"].endswith("moderate_or_significant_reduction")
        ]
        assert len(here) == 4
        assert sum(here) == pytest.approx(1, abs=1e-4)


@few
@given(seed=seeds, n=sizes, rows=st.integers(1, 3))
def test_what_is_recorded_lies_in_the_extract_and_in_a_life(seed, n, rows):
    tables = generate("site", seed, n=n, rows_per_person=rows)
    cases = tables["cases"].sort_values("index_date").drop_duplicates("perpetrator_id")
    ends = cases.set_index("perpetrator_id")[["data_end_date", "death_date", "moved_date"]]
    last = ends.min(axis=1)
    events, custody = tables["events"], tables["custody"]
    assert set(events["perpetrator_id"]) == set(cases["perpetrator_id"])
    assert (events["date"] <= events["perpetrator_id"].map(last)).all()
    assert (events["date"] >= pd.Timestamp("2015-04-01")).all()
    assert (custody["start_date"] <= custody["perpetrator_id"].map(last)).all()
    spells = custody.sort_values(["perpetrator_id", "start_date"])
    until = spells["end_date"].fillna(pd.Timestamp("2100-12-31"))
    dead = spells["perpetrator_id"].map(ends["death_date"])
    assert ((until > spells["start_date"]) | (until == dead)).all()
    assert (until[dead.notna()] <= dead[dead.notna()]).all()
    same = spells["perpetrator_id"].eq(spells["perpetrator_id"].shift(-1))
    assert (until[same] < spells["start_date"].shift(-1)[same]).all()


@few
@given(seed=seeds, ratio=st.floats(0, 3), years=st.integers(1, 4))
def test_people_in_custody_are_recorded_as_such(seed, ratio, years):
    world = load_world("drive_pilot")
    rng = np.random.default_rng(seed)
    who, _, _, _ = draw_people(world, rng, 25, follow_up=365 * years)
    candidates = draw_candidates(world, rng, who, cap=max(1.0, ratio))
    record = live(world, who, candidates, np.full(25, ratio))
    for at in range(len(record.who)):
        mine = record.jailed == record.who[at]
        held = mine & (record.lo < record.day[at]) & (record.day[at] <= record.hi)
        assert held.any() == record.inside[at]
    # Events are in order, and an incident happens only where it was a candidate.
    order = np.lexsort((record.marac, record.day, record.who))
    assert (order == np.arange(len(order))).all()
    police = list(zip(record.who[~record.marac], record.day[~record.marac], strict=True))
    assert set(police) <= set(zip(candidates.who, candidates.day, strict=True))
    if ratio == 0:
        assert (record.day[~record.marac] <= 0).all()


@few
@given(seed=seeds, people=st.integers(2, 40), effect=st.floats(0, 2))
def test_the_past_does_not_depend_on_the_programme(seed, people, effect):
    drawn = [
        draw_events(rng=np.random.default_rng(seed), people=people, programme_effect=by)
        for by in (0.0, effect)
    ]
    past = []
    for units, events, _ in drawn:
        index = events["perpetrator_id"].map(units.set_index("perpetrator_id")["index_date"])
        past.append(events[events["date"] <= index].drop(columns="event_id"))
    pd.testing.assert_frame_equal(past[0].reset_index(drop=True), past[1].reset_index(drop=True))


@few
@given(mean=st.floats(0, 300), uniforms=st.lists(st.floats(0, 1, exclude_max=True), min_size=1))
def test_counts_are_quantiles_of_the_poisson_distribution(mean, uniforms):
    found = _counts(np.array(uniforms), np.full(len(uniforms), mean))
    below, upto = (poisson.cdf(count, mean) for count in (found - 1, found))
    assert (below <= np.array(uniforms) + 1e-9).all()
    assert (upto >= np.array(uniforms) - 1e-9).all()


@few
@given(seed=seeds)
def test_the_same_seed_gives_the_same_confounded_site(seed):
    one, other = (confounded_tables(seed)["cases"] for _ in range(2))
    pd.testing.assert_frame_equal(one, other)
    assert (one["dash_date"] <= one["index_date"]).all()
    assert not one.duplicated(["perpetrator_id", "index_date"]).any()
    programme = one[one["arm"] == "programme"]["perpetrator_id"]
    assert one["perpetrator_id"].isin(programme).sum() == len(programme)


@few
@given(seed=seeds, people=st.integers(1, 400), later=st.booleans())
def test_a_draw_of_any_size_has_risks_and_one_programme_row_a_person(seed, people, later):
    rows = draw_confounded(np.random.default_rng(seed), people=people, later_dates=later)
    assert rows["perpetrator_id"].nunique() == people
    assert (rows["treated"] <= (rows["date"] == 0)).all()
    risks = rows[["propensity", "risk_programme", "risk_comparison", "risk_traffic"]]
    assert ((risks > 0) & (risks < 1)).all().all()
    assert later or len(rows) == people
