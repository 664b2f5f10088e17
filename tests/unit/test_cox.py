"""What regressions of hazards return, check, warn of and refuse."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from drive_eval.errors import DataError, DesignError, DesignWarning, UndefinedResultError
from drive_eval.models import _cox
from drive_eval.models._hazard_rows import histories
from drive_eval.models.matching import nearest, propensity_weights, subclass
from drive_eval.models.survival import cox, fine_gray, recurrent
from drive_eval.results import ResultSet

approx = pytest.approx
FEW = {"min_clusters": 2}


def people(n=240, seed=3):
    """Arrests in whole weeks; the programme halves the hazard, age and site matter."""
    rng = np.random.default_rng(seed)
    arm = np.where(np.arange(n) % 2 == 0, "programme", "comparison")
    age = rng.integers(18, 60, n)
    site = rng.choice(["north", "south", "south", "west"], n)
    hazard = 0.03 * np.exp(-0.7 * (arm == "programme") - 0.03 * (age - 35))
    week = np.ceil(rng.exponential(1 / hazard))
    return pd.DataFrame(
        {
            "arm": arm,
            "age": age,
            "site": site,
            "week": np.minimum(week, 52),
            "arrest": week < 52,
            "area": np.arange(n) % 60,
        }
    )


def spells(n=60, seed=4):
    """Start/stop rows with custody now and then; up to four arrests a person."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(n):
        programme, t = person % 2 == 0, 0
        frailty = rng.gamma(2, 0.5)
        for _ in range(4):
            length = int(np.ceil(rng.exponential(1 / (0.02 * frailty * 0.6**programme))))
            stop = min(t + length, 365)
            rows.append((person, t, stop, stop < 365, programme, person % 20))
            t = stop + rng.choice([0, 0, 30])
            if t >= 365:
                break
    columns = ["person", "start", "stop", "arrest", "programme", "site"]
    return pd.DataFrame(rows, columns=columns)


def again(table, **more):
    options = {"person": "person", "start": "start", "stop": "stop", "event": "arrest"}
    return recurrent(table, **{**options, "treated": "programme", **more})


def first(table, **more):
    return cox(table, **{"stop": "week", "event": "arrest", "treated": "arm", **more})


# What is returned


def test_one_hazard_ratio_a_term_and_a_reduction_for_the_treated_alone():
    result = first(people(), covariates="age + C(site)")
    terms = [(e.measure, e.term) for e in result.estimates]
    assert terms == [
        ("hazard_ratio", "arm"),
        ("percent_reduction", "arm (hazard)"),
        ("hazard_ratio", "age"),
        ("hazard_ratio", "C(site)[T.north]"),
        ("hazard_ratio", "C(site)[T.west]"),
    ]
    assert {e.claim for e in result.estimates} == {"associational"}
    ratio, reduction = result.estimates[:2]
    assert reduction.estimate == approx(100 * (1 - ratio.estimate))
    assert reduction.conf_low == approx(100 * (1 - ratio.conf_high))
    assert ratio.contrast == "programme v comparison"
    assert result.estimates[2].contrast == ""
    assert "Efron" in ratio.method
    assert "model variance" in ratio.method
    assert "against" in result.check("reference_levels").text


def test_counts_are_of_the_arms_for_the_treated_and_of_all_for_the_others():
    table = people()
    result = first(table, covariates=["age"])
    arm = result.one(measure="hazard_ratio", term="arm")
    programme = table["arm"] == "programme"
    assert (arm.n, arm.n_reference) == (120, 120)
    assert arm.n_events == int(table.loc[programme, "arrest"].sum())
    assert arm.n_events_reference == int(table.loc[~programme, "arrest"].sum())
    age = result.one(measure="hazard_ratio", term="age")
    assert (age.n, age.n_events, age.n_reference) == (240, int(table["arrest"].sum()), None)


def test_the_programme_is_compared_with_the_comparison_whatever_the_column_is():
    words = people()
    flags = words.assign(arm=words["arm"] == "programme")
    plain = first(words).one(measure="hazard_ratio")
    assert plain.estimate < 1
    for table, options in (
        (flags, {}),
        (flags, {"covariates": ["arm"]}),
        (words, {"covariates": ["arm"]}),
        (words, {"covariates": "arm"}),
        (words, {"covariates": "`arm` + age - age"}),
    ):
        found = first(table, **options).one(measure="hazard_ratio", term="arm")
        assert found.estimate == approx(plain.estimate, rel=1e-12)


def test_a_formula_may_place_the_treated_column_itself():
    result = first(people(), covariates="arm * age")
    assert [e.term for e in result.estimates if e.measure == "hazard_ratio"] == [
        "arm",
        "age",
        "arm:age",
    ]
    joined = first(people(), covariates="log(age)")
    assert [e.term for e in joined.estimates if e.measure == "hazard_ratio"] == ["arm", "log(age)"]


def test_without_a_treated_column_nothing_is_called_a_reduction():
    result = first(people(), treated=None, covariates=["age"])
    assert [e.measure for e in result.estimates] == ["hazard_ratio"]


def test_labels_and_json_go_the_whole_way():
    result = first(people(), outcome_name="re-arrest", unit="person", subgroup="men")
    found = result.one(measure="hazard_ratio")
    assert (found.outcome, found.unit, found.subgroup) == ("re-arrest", "person", "men")
    text = json.dumps(result.to_json_dict(), allow_nan=False)
    assert ResultSet.from_json_dict(json.loads(text)).estimates == result.estimates


def test_the_interval_is_that_of_the_level_asked_for():
    wide, narrow = (first(people(), conf_level=c).one(measure="hazard_ratio") for c in (0.99, 0.5))
    for found, level in ((wide, 0.99), (narrow, 0.5)):
        half = stats.norm.ppf(0.5 + level / 2) * found.std_error
        assert np.log(found.conf_low) == approx(np.log(found.estimate) - half)
        assert np.log(found.conf_high) == approx(np.log(found.estimate) + half)


# Checks


def test_proportionality_is_tested_by_term_and_for_all_together():
    result = first(people(), covariates="age + C(site)")
    names = [c.name for c in result.checks if c.name.startswith("proportional")]
    assert names == [
        "proportional_hazards",
        "proportional_hazards: arm",
        "proportional_hazards: age",
        "proportional_hazards: C(site)",
    ]
    assert [result.check(n).df for n in names] == [4, 1, 1, 2]
    assert "restricted_mean" in result.check("proportional_hazards").text
    assert "km scale" in result.check("proportional_hazards: age").text


def test_an_effect_that_turns_round_fails_the_check():
    n = 400
    late = np.arange(n) % 4 < 2
    programme = np.arange(n) % 2 == 0
    week = np.where(late == programme, 30, 5) + np.arange(n) % 5
    table = pd.DataFrame({"arm": programme, "week": week, "arrest": True})
    table.loc[(table["arm"]) & (table["week"] < 20) & (np.arange(n) % 3 > 0), "week"] += 15
    check = first(table).check("proportional_hazards: arm")
    assert check.passed is False
    assert "it changes with time" in check.text
    assert "they change with time" in first(table).check("proportional_hazards").text
    assert first(table, max_p=1e-300).check("proportional_hazards").passed


def test_change_cannot_show_where_all_events_happen_at_one_time():
    table = people().assign(week=lambda t: np.where(t["arrest"], 9, t["week"]))
    result = first(table, covariates=["age"])
    check = result.check("proportional_hazards")
    assert (check.passed, check.statistic, check.p_value) == (None, None, None)
    assert "happened at one time" in check.text
    assert "restricted_mean" in check.text
    assert result.check("proportional_hazards: age").statistic is None


def test_few_events_per_coefficient_are_said():
    table = people(40)
    check = first(table, covariates=["age"], events_per_parameter=500).check("events_per_parameter")
    assert check.passed is False
    assert check.statistic == table["arrest"].sum() / 2
    assert "for 2 coefficients" in check.text


def test_ties_are_counted_and_the_rule_is_named():
    table = people()
    counts = table.loc[table["arrest"], "week"].value_counts()
    check = first(table).check("ties")
    assert check.statistic == counts[counts > 1].sum() / counts.sum()
    assert "Efron's rule" in check.text
    assert "towards 1" in first(table, ties="breslow").check("ties").text


def test_clusters_widen_nothing_silently():
    table = people()
    result = first(table, cluster="area")
    check = result.check("clusters")
    assert check.passed
    assert check.statistic == 60
    assert "sandwich by area" in result.one(measure="hazard_ratio").method
    assert result.one(measure="hazard_ratio").estimate == approx(
        first(table).one(measure="hazard_ratio").estimate
    )


def test_under_forty_clusters_t_is_used_and_a_warning_given():
    table = people().assign(area=lambda t: np.arange(len(t)) % 12)
    with pytest.warns(DesignWarning, match=r"12 clusters \(area\) are fewer than the 40"):
        result = first(table, cluster="area")
    found = result.one(measure="hazard_ratio")
    half = stats.t.ppf(0.975, 11) * found.std_error
    assert np.log(found.conf_high) == approx(np.log(found.estimate) + half)
    assert "t with 11 df" in found.method
    z = np.log(found.estimate) / found.std_error
    assert found.p_value == approx(2 * stats.t.sf(abs(z), 11))
    assert result.check("clusters").passed is False


def test_unequal_clusters_count_for_what_they_are_worth():
    table = people().assign(area=lambda t: np.where(np.arange(len(t)) < 160, 0, np.arange(len(t))))
    with pytest.warns(DesignWarning, match="81 clusters of unequal size, worth 2.2 equal ones"):
        first(table, cluster="area")


def test_as_many_clusters_as_coefficients_are_refused():
    table = people().assign(area=lambda t: np.arange(len(t)) % 2)
    with pytest.raises(DesignError, match=r"2 clusters \(area\) cannot carry 2 coefficients"):
        first(table, cluster="area", covariates=["age"])


# Weights, strata, designs


def test_rows_of_weight_nothing_are_left_out():
    table = people().assign(w=lambda t: np.arange(len(t)) % 3)
    found = first(table, weights="w")
    rest = first(table[table["w"] > 0], weights="w")
    assert found.estimates == rest.estimates
    assert "sandwich by row" in found.one(measure="hazard_ratio").method
    assert not [c for c in found.checks if c.name == "clusters"]


def test_several_strata_columns_are_their_combinations():
    table = people().assign(old=lambda t: t["age"] > 40)
    both = table.assign(cell=table["site"] + table["old"].astype(str))
    a = first(table, strata=["site", "old"])
    b = first(both, strata="cell")
    assert a.estimates == b.estimates
    assert first(table, strata=[]).estimates == first(table).estimates


def test_a_stratum_without_an_event_says_nothing():
    table = people()
    quiet = table[table["site"] == "west"].assign(arrest=False, site="east")
    a = first(pd.concat([table, quiet]), strata="site")
    b = first(table, strata="site")
    for x, y in zip(a.estimates, b.estimates, strict=True):
        assert x.estimate == approx(y.estimate, rel=1e-12)
        assert x.std_error == approx(y.std_error, rel=1e-12)


def test_many_small_strata_and_few_large_ones_are_summed_alike():
    rng = np.random.default_rng(5)
    n = 120
    table = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "week": rng.integers(1, 30, n),
            "arrest": rng.random(n) < 0.7,
            "few": np.arange(n) % 3,
            "many": np.arange(n) // 2,
        }
    )
    for column in ("few", "many"):
        fit = cox(table, stop="week", event="arrest", covariates=["x"], strata=column).native
        parts = 0.0
        for _, part in table.groupby(column):
            parts += brute(part["x"].to_numpy(), part["week"], part["arrest"], fit.coefficients[0])
        assert fit.loglik == approx(parts, abs=1e-9)


def brute(x, stop, event, beta):
    """Efron's log partial likelihood, by its definition."""
    stop, event = np.asarray(stop), np.asarray(event)
    total = 0.0
    for t in np.unique(stop[event]):
        dead = event & (stop == t)
        risk = np.exp(beta * x)
        for k in range(dead.sum()):
            total -= np.log(risk[stop >= t].sum() - k / dead.sum() * risk[dead].sum())
        total += beta * x[dead].sum()
    return total


def design_table():
    table = people(300, seed=9).assign(arm=lambda t: t["arm"] == "programme")
    table["prior"] = (np.arange(300) * 7919 % 1009) / 1009 + 0.3 * table["arm"]
    return table


def test_a_weighted_comparison_says_that_its_weights_were_estimated():
    design = propensity_weights(design_table(), treated="arm", covariates=["age", "prior"])
    result = cox(design, stop="week", event="arrest")
    assert "takes them as known" in result.check("weights_as_known").text
    assert result.check("estimand").text.startswith("att")
    with_covariates = cox(design, stop="week", event="arrest", covariates=["age"], treated="arm")
    assert {e.term for e in with_covariates.estimates} == {"arm", "arm (hazard)", "age"}


@pytest.mark.parametrize("estimand", ["ate", "att", "ato"])
def test_stacked_errors_are_those_of_making_the_weights_anew_without_each_case(estimand):
    rng = np.random.default_rng(2)
    age, older = rng.normal(size=100), rng.normal(size=100)
    week = rng.exponential(20 * np.exp(-2 * age))
    table = pd.DataFrame({"arm": age / 2 > older, "age": age, "week": week, "arrest": week < 60})
    options = {"treated": "arm", "covariates": ["age"], "estimand": estimand}

    def estimate(rows, cov=None):
        design = propensity_weights(rows, **options)
        return cox(design, stop="week", event="arrest", cov=cov).one(measure="hazard_ratio")

    whole = estimate(table)
    left_out = [np.log(estimate(table.drop(i)).estimate) for i in table.index]
    jackknife = np.sqrt(np.square(np.log(whole.estimate) - np.array(left_out)).sum())
    stacked = estimate(table, "stacked")
    assert stacked.estimate == whole.estimate
    assert stacked.std_error == approx(jackknife, rel=0.1)
    assert abs(whole.std_error / jackknife - 1) > 0.1
    assert "stacked sandwich" in stacked.method


def test_stacked_errors_are_summed_over_clusters():
    table = design_table()
    design = propensity_weights(table, treated="arm", covariates=["age", "prior"])
    twice = pd.concat([table, table]).assign(twin=lambda t: np.arange(600) % 300)
    twice = propensity_weights(
        twice.reset_index(drop=True), treated="arm", covariates=["age", "prior"]
    )
    options = {"stop": "week", "event": "arrest", "cov": "stacked", "ties": "breslow"}
    one = cox(design, **options).one(measure="hazard_ratio")
    two = cox(twice, cluster="twin", **options).one(measure="hazard_ratio")
    assert two.std_error == approx(one.std_error, rel=1e-6)


def test_stacked_errors_are_for_a_weighted_comparison_alone():
    with pytest.raises(DesignError, match='cov="stacked" is for a Weighted'):
        first(people(), cov="stacked")
    with pytest.raises(DesignError, match='cov="robust" is not on offer; there are sandwich'):
        first(people(), cov="robust")


def test_trimmed_cases_do_not_count():
    design = propensity_weights(
        design_table(), treated="arm", covariates=["age", "prior"], estimand="ate", trim=(0.3, 0.7)
    )
    found = cox(design, stop="week", event="arrest").one(measure="hazard_ratio")
    assert found.n + found.n_reference == int((design.table["weight"] > 0).sum()) < 300


def test_a_matched_comparison_with_areas_is_clustered_both_ways():
    design = nearest(design_table(), treated="arm", covariates=["age", "prior"])
    sets = cox(design, stop="week", event="arrest").one(measure="hazard_ratio")
    both = cox(design, stop="week", event="arrest", cluster="area").one(measure="hazard_ratio")
    assert "matched sets and area" in both.method
    assert both.estimate == sets.estimate
    plain = {"stop": "week", "event": "arrest", "treated": "arm", "weights": "weight"}
    area = cox(design.table, cluster="area", **plain).one(measure="hazard_ratio")
    crossed = design.table.assign(
        cell=design.table["matched_set"].astype(str) + " " + design.table["area"].astype(str)
    )
    cell = cox(crossed, cluster="cell", **plain).one(measure="hazard_ratio")
    expected = sets.std_error**2 + area.std_error**2 - cell.std_error**2
    assert both.std_error**2 == approx(expected)


def test_subclasses_are_weighted_with_each_case_by_itself():
    design = subclass(design_table(), treated="arm", covariates=["age", "prior"], subclasses=5)
    result = cox(design, stop="week", event="arrest").one(measure="hazard_ratio")
    by_hand = cox(design.table, stop="week", event="arrest", treated="arm", weights="weight").one(
        measure="hazard_ratio"
    )
    assert result.estimate == approx(by_hand.estimate)
    assert result.std_error == approx(by_hand.std_error)


def test_a_design_is_not_given_other_weights_or_another_treatment():
    design = nearest(design_table(), treated="arm", covariates=["age", "prior"])
    with pytest.raises(DesignError, match='brings its own weights, so weights="w"'):
        cox(design, stop="week", event="arrest", weights="w")
    with pytest.raises(DesignError, match='compares by column "arm", not by "site"'):
        cox(design, stop="week", event="arrest", treated="site")


# Repeats


def test_repeats_count_persons_and_events():
    table = spells()
    result = again(table)
    found = result.one(measure="hazard_ratio")
    assert (found.n, found.n_reference) == (30, 30)
    assert found.n_events == int(table.loc[table["programme"], "arrest"].sum())
    assert "Andersen–Gill" in found.method
    assert "sandwich by person" in found.method
    assert result.check("clusters").statistic == 60
    assert "times the one that takes all events" in result.check("robust_v_model").text
    assert any("custody" not in a and "interrupted" in a for a in result.assumptions)


def test_pwp_says_that_it_conditions_on_earlier_events():
    result = again(spells(), model="pwp_tt")
    assert "equally many before" in result.check("conditions_on_earlier_events").text
    assert any("conditions on earlier events" in a for a in result.assumptions)
    assert "total time" in result.one(measure="hazard_ratio").method
    assert "gap time" in again(spells(), model="pwp_gt").one(measure="hazard_ratio").method


def test_thin_event_numbers_are_named_and_may_be_merged_or_cut():
    table = spells()
    number, _ = histories(
        table["person"].to_numpy(),
        table["start"].to_numpy(dtype=float),
        table["stop"].to_numpy(dtype=float),
        table["arrest"].to_numpy(),
    )
    result = again(table, model="pwp_tt", events_per_stratum=1000)
    check = result.check("event_strata")
    assert check.passed is False
    assert "max_stratum" in check.text
    merged = again(table, model="pwp_tt", max_stratum=2, events_per_stratum=1)
    by_hand = cox(
        table.assign(k=np.minimum(number, 2)),
        start="start",
        stop="stop",
        event="arrest",
        treated="programme",
        strata="k",
        cluster="person",
    )
    assert merged.one(measure="hazard_ratio").estimate == approx(
        by_hand.one(measure="hazard_ratio").estimate
    )
    assert merged.check("event_strata").passed
    cut = again(table, model="pwp_tt", max_stratum=2, beyond="cut")
    assert cut.one(measure="hazard_ratio").n_events == int(
        table.loc[table["programme"] & (number <= 2), "arrest"].sum()
    )
    assert cut.native.rows.given == int((number <= 2).sum())


def test_strata_of_the_user_cross_those_of_event_numbers():
    table = spells().assign(half=lambda t: t["site"] < 10)
    with_cut = again(table, model="pwp_gt", strata="half", max_stratum=2, beyond="cut")
    assert len(with_cut.native.rows.bounds) - 1 == 4


def test_the_clock_of_gap_time_runs_on_through_custody():
    who = np.array([0, 0, 0, 1, 1])
    start = np.array([0.0, 20, 45, 5, 30])
    stop = np.array([10.0, 40, 60, 30, 50])
    event = np.array([True, False, True, True, False])
    number, begun = histories(who, start, stop, event)
    assert number.tolist() == [1, 2, 2, 1, 2]
    assert begun.tolist() == [0, 10, 10, 5, 30]
    shuffled = np.array([3, 1, 4, 0, 2])
    number, begun = histories(who[shuffled], start[shuffled], stop[shuffled], event[shuffled])
    assert number.tolist() == [1, 2, 2, 1, 2]
    assert begun.tolist() == [5, 10, 30, 0, 10]


def test_a_larger_cluster_takes_the_place_of_the_person():
    table = spells()
    result = again(table, cluster="site", **FEW)
    assert result.check("clusters").statistic == 20
    by_hand = cox(
        table,
        start="start",
        stop="stop",
        event="arrest",
        treated="programme",
        cluster="site",
        **FEW,
    )
    assert result.one(measure="hazard_ratio").std_error == approx(
        by_hand.one(measure="hazard_ratio").std_error
    )


def test_rows_that_overlap_are_refused():
    table = spells()
    table.loc[table["start"] > 0, "start"] -= 5
    with pytest.raises(DataError, match=r"\d+ rows of \d+ persons start before .* cut or join"):
        again(table)


def test_an_overlap_by_rounding_is_none():
    assert 0.1 + 0.2 > 0.3
    number, _ = histories(
        np.zeros(2, dtype=int),
        np.array([0, 0.3]),
        np.array([0.1 + 0.2, 1]),
        np.array([True, False]),
    )
    assert number.tolist() == [1, 2]


def test_a_cluster_holds_whole_persons():
    table = spells().assign(piece=lambda t: np.arange(len(t)))
    with pytest.raises(DataError, match='persons have rows in more than one cluster of "piece"'):
        again(table, cluster="piece")


def test_repeats_of_a_design_are_asked_for_by_name():
    design = nearest(design_table(), treated="arm", covariates=["age", "prior"])
    with pytest.raises(DataError, match=r'not a Matched\. .* cluster="matched_set"'):
        again(design)


# Competing events


def competing(n=200, seed=6):
    rng = np.random.default_rng(seed)
    arm = np.arange(n) % 2 == 0
    arrest = rng.exponential(40 / np.exp(-0.5 * arm))
    prison, left = rng.exponential(60, n), rng.exponential(90, n)
    stop = np.minimum(np.minimum(arrest, prison), left)
    first_is = np.where(stop == arrest, "arrest", np.where(stop == prison, "prison", ""))
    return pd.DataFrame(
        {"arm": arm, "week": np.ceil(stop), "first": first_is, "age": rng.random(n)}
    )


def ever(table, **more):
    options = {"stop": "week", "cause": "first", "cause_of_interest": "arrest", "treated": "arm"}
    return fine_gray(table, **{**options, **more})


def test_a_subdistribution_hazard_ratio_is_never_called_a_reduction():
    table = competing()
    result = ever(table, covariates=["age"])
    assert [e.measure for e in result.estimates] == ["subdistribution_hazard_ratio"] * 2
    found = result.one(measure="subdistribution_hazard_ratio", term="arm")
    assert found.outcome == "arrest"
    assert found.n_events == int(((table["first"] == "arrest") & table["arm"]).sum())
    assert "Fine–Gray" in found.method
    text = result.check("competing").text
    assert f"{int((table['first'] == 'prison').sum())} with prison first" in text
    assert "estimated censoring weights" in found.method


def test_without_competing_events_it_is_a_cox_regression():
    table = competing().assign(first=lambda t: t["first"].replace("prison", ""))
    table["event"] = table["first"] == "arrest"
    found = ever(table).one(measure="subdistribution_hazard_ratio")
    plain = cox(
        table.assign(one=1),
        stop="week",
        event="event",
        treated="arm",
        ties="breslow",
        weights="one",
    ).one(measure="hazard_ratio")
    assert found.estimate == approx(plain.estimate)
    assert found.std_error == approx(plain.std_error)


def test_without_censoring_those_who_competed_stay_for_ever():
    table = competing().assign(first=lambda t: t["first"].replace("", "prison"))
    table["event"] = table["first"] == "arrest"
    stays = table.assign(week=np.where(table["event"], table["week"], table["week"].max() + 1))
    found = ever(table).one(measure="subdistribution_hazard_ratio")
    plain = cox(
        stays.assign(one=1),
        stop="week",
        event="event",
        treated="arm",
        ties="breslow",
        weights="one",
    ).one(measure="hazard_ratio")
    assert found.estimate == approx(plain.estimate)
    assert found.std_error == approx(plain.std_error)


@pytest.mark.parametrize("none", ["", "censored", None, np.nan])
def test_no_cause_may_be_written_in_several_ways(none):
    table = competing()
    other = table.assign(first=table["first"].astype(object).where(table["first"] != "", none))
    assert ever(other).estimates == ever(table).estimates
    numbers = table.assign(first=table["first"].map({"": 0, "arrest": 1, "prison": 2}))
    assert ever(numbers, cause_of_interest=1, outcome_name="arrest").estimates == (
        ever(table).estimates
    )


def test_clusters_are_summed_under_fine_and_gray_too():
    table = pd.concat([competing()] * 2, ignore_index=True)
    table["twin"] = np.arange(len(table)) % 200
    single = ever(competing()).one(measure="subdistribution_hazard_ratio")
    twins = ever(table, cluster="twin").one(measure="subdistribution_hazard_ratio")
    assert twins.estimate == approx(single.estimate)
    assert twins.std_error == approx(single.std_error, rel=1e-6)
    assert "sandwich by twin" in twins.method


def test_an_unknown_cause_is_refused_with_the_nearest():
    with pytest.raises(DataError, match=r'cause of interest "arest"\. Nearest: "arrest"'):
        ever(competing(), cause_of_interest="arest")
    with pytest.raises(DataError, match=r'no column "frist" \(cause\)\. Nearest: "first"'):
        ever(competing(), cause="frist")


def test_fine_and_gray_takes_no_design():
    design = nearest(design_table(), treated="arm", covariates=["age", "prior"])
    with pytest.raises(DesignError, match="fine_gray takes no weights"):
        fine_gray(design, stop="week", cause="arrest", cause_of_interest=True)


def test_a_subdistribution_without_a_maximum_is_refused():
    table = competing().assign(odd=lambda t: (t["first"] == "arrest").astype(int))
    with pytest.raises(DesignError, match=r"no maximum: .* the size of odd"):
        ever(table, treated=None, covariates=["odd"])


# Refusals


def test_nobody_with_the_event_is_refused():
    with pytest.raises(UndefinedResultError, match="no row has the event"):
        first(people().assign(arrest=False))


def test_a_group_without_an_event_is_named():
    table = people()
    table.loc[table["arm"] == "programme", "arrest"] = False
    with pytest.raises(DesignError, match=r"lowest, so the hazard ratio is infinite or 0"):
        first(table)
    with pytest.raises(DesignError, match="highest value of arm, or"):
        first(table, covariates=["age"])
    with pytest.raises(DesignError, match="highest value of arm, or"):
        first(table, strata="site")


def test_covariates_that_foretell_the_next_event_together_are_named():
    rng = np.random.default_rng(8)
    n = 60
    a = rng.normal(size=n)
    week = np.argsort(np.argsort(-a)) + 1.0
    b = rng.normal(size=n)
    table = pd.DataFrame(
        {"p": a + b, "q": b, "z": rng.normal(size=n), "week": week, "arrest": True}
    )
    with pytest.raises(DesignError, match=r"no maximum: it goes on rising with the size of p, q,"):
        cox(table, stop="week", event="arrest", covariates=["p", "q", "z"])


def test_covariates_that_repeat_each_other_are_named():
    table = people().assign(months=lambda t: t["age"] * 12)
    with pytest.raises(DesignError, match=r"follow from the others or never vary: (age|months)"):
        first(table, covariates=["age", "months"])


def test_a_covariate_that_says_the_stratum_again_is_named():
    table = people().assign(south=lambda t: (t["site"] == "south").astype(int))
    with pytest.raises(DesignError, match="south never differs between rows that are at risk"):
        first(table, covariates=["south"], strata="site")


def test_covariates_that_repeat_each_other_at_risk_are_named():
    table = people().assign(shifted=lambda t: t["age"] + 5.0 * (t["site"] == "south"))
    with pytest.raises(DesignError, match=r"among rows at risk together, (age|shifted) follow"):
        first(table, covariates=["age", "shifted"], strata="site")


def test_times_that_run_backwards_are_refused():
    table = spells()
    table.loc[[0, 3], "stop"] = table.loc[[0, 3], "start"]
    with pytest.raises(DataError, match=r'2 of \d+ rows stop in "stop" before they start in'):
        again(table)
    with pytest.raises(DataError, match=r'1 of 240 rows stop before time 0 in "week"'):
        first(people().assign(week=lambda t: t["week"].where(t.index != 7, -1)))


def test_weights_below_nothing_are_refused():
    table = people().assign(w=lambda t: np.where(t.index < 3, -1.0, 1.0), none=0.0)
    with pytest.raises(DataError, match='3 of 240 rows have a weight below 0 in "w"'):
        first(table, weights="w")
    with pytest.raises(DataError, match='all weights in column "none" are 0'):
        first(table, weights="none")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ties": "efrom"}, r'ties="efrom" is not on offer; .* Nearest: "efron"'),
        ({"transform": "ranks"}, r'transform="ranks" is not on offer; .* Nearest: "rank"'),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest(options, message):
    with pytest.raises(DesignError, match=message):
        first(people(), **options)
    with pytest.raises(DesignError, match=message):
        again(spells(), **options)


def test_unknown_options_of_repeats_are_refused():
    with pytest.raises(DesignError, match=r'model="pwp" is not on offer; .* Nearest: "pwp_'):
        again(spells(), model="pwp")
    with pytest.raises(DesignError, match='beyond="drop" is not on offer; there are merge, cut'):
        again(spells(), beyond="drop")
    with pytest.raises(DesignError, match="max_stratum counts events from 1, but is 0"):
        again(spells(), max_stratum=0)


def test_a_level_that_is_no_probability_is_refused():
    for call in (first, ever, again):
        table = {first: people, ever: competing, again: spells}[call]()
        with pytest.raises(DataError, match="conf_level must lie between 0 and 1, e.g. 0.95"):
            call(table, conf_level=95)


def test_an_arm_without_anybody_is_refused():
    with pytest.raises(DesignError, match=r'nobody is in the comparison group \(column "arm"\)'):
        first(people().assign(arm="programme"))
    with pytest.raises(DesignError, match=r'nobody is in the programme group \(column "arm"\)'):
        first(people().assign(arm=False))


def test_what_is_no_table_is_refused():
    with pytest.raises(DataError, match="a Matched or a Weighted is needed, not a list"):
        cox([1, 2], stop="week", event="arrest", covariates=["age"])


def test_a_model_without_covariates_is_refused():
    with pytest.raises(DesignError, match="name the covariates, or the column that says who"):
        cox(people(), stop="week", event="arrest")


def test_columns_are_refused_with_the_nearest_name():
    with pytest.raises(DataError, match=r'no column "weeks" \(stop\)\. Nearest: "week"'):
        first(people(), stop="weeks")
    table = people()
    table.loc[3, "age"] = np.nan
    with pytest.raises(DataError, match='1 of 240 rows have no value in column "age"'):
        first(table, covariates=["age"])


def test_the_logarithm_of_time_needs_times_above_nothing():
    table = people().assign(week=lambda t: t["week"] - 1)
    assert first(table).one(measure="hazard_ratio").estimate < 1
    with pytest.raises(UndefinedResultError, match="an event stands at time 0"):
        first(table, transform="log")


# The kernel


def test_times_that_differ_by_rounding_are_one_time():
    table = people()
    whole = first(table)
    tenths = first(table.assign(week=(table["week"] / 10 * 3) / 3 * 10 * (1 + 1e-15)))
    for a, b in zip(whole.estimates, tenths.estimates, strict=True):
        assert a.estimate == approx(b.estimate, rel=1e-12)
    noise = np.where(np.arange(len(table)) % 2, 1 + 3e-16, 1 - 3e-16)
    rounded = first(table.assign(week=table["week"] * 0.1 * noise))
    assert rounded.check("ties").statistic == whole.check("ties").statistic
    assert rounded.one(measure="hazard_ratio").estimate == approx(
        whole.one(measure="hazard_ratio").estimate, rel=1e-12
    )


def test_covariates_far_from_nothing_lose_no_figure():
    table = people()
    plain = first(table, covariates=["age"])
    far = first(table.assign(age=1e6 + table["age"]), covariates=["age"])
    small = first(table.assign(age=1e-9 * table["age"]), covariates=["age"])
    a, b, c = (r.one(measure="hazard_ratio", term="age") for r in (plain, far, small))
    assert b.estimate == approx(a.estimate, rel=1e-9)
    assert b.std_error == approx(a.std_error, rel=1e-9)
    assert c.std_error == approx(1e9 * a.std_error, rel=1e-9)


def test_the_score_and_the_information_are_derivatives():
    table = spells()
    rng = np.random.default_rng(7)
    x = np.column_stack([table["programme"], rng.normal(size=len(table))]).astype(float)
    for ties in _cox.TIES:
        rows = _cox.arrange(
            table["stop"].to_numpy(float),
            table["arrest"].to_numpy(),
            x,
            start=table["start"].to_numpy(float),
            strata=table["site"].to_numpy() % 3,
            weights=rng.uniform(0.5, 2, len(table)),
            ties=ties,
        )
        at = np.array([0.3, -0.4])
        point = _cox.evaluate(rows, at)
        step = 1e-5
        for j, unit in enumerate(np.eye(2) * step):
            up, down = _cox.evaluate(rows, at + unit), _cox.evaluate(rows, at - unit)
            assert (up.loglik - down.loglik) / (2 * step) == approx(point.score[j], rel=1e-6)
            curve = (down.score - up.score) / (2 * step)
            assert curve == approx(_cox.information(rows, point)[j], rel=1e-5, abs=1e-6)


def test_score_residuals_add_up_to_nothing_and_martingales_too():
    table = spells()
    fit = again(table).native
    assert fit.influence().sum(axis=0) == approx(np.zeros(1), abs=1e-9)
    assert fit.martingale().sum() == approx(0, abs=1e-9)
    assert len(fit.schoenfeld()[0]) == table["arrest"].sum()


def test_likelihood_ratio_is_twice_the_gain():
    fit = first(people(), covariates=["age"]).native
    assert fit.likelihood_ratio_test == 2 * (fit.loglik - fit.loglik_null)
    assert fit.likelihood_ratio_test == approx(fit.wald_test, rel=0.2)


def test_a_strong_effect_is_no_monotone_likelihood():
    rng = np.random.default_rng(11)
    n = 400
    x = rng.uniform(-2, 2, n)
    table = pd.DataFrame({"x": x, "week": rng.exponential(np.exp(-6 * x)), "arrest": True})
    found = cox(table, stop="week", event="arrest", covariates=["x"]).one(measure="hazard_ratio")
    assert np.log(found.estimate) == approx(6, abs=1)


def test_a_step_too_long_is_halved():
    table = pd.DataFrame({"x": [0.0] * 40 + [1e4], "week": [*range(1, 41), 20.5], "arrest": True})
    found = cox(table, stop="week", event="arrest", covariates=["x"]).one(measure="hazard_ratio")
    grid = np.linspace(-3e-4, 3e-4, 601)
    values = [brute(table["x"].to_numpy(), table["week"], table["arrest"], b) for b in grid]
    assert np.log(found.estimate) == approx(grid[int(np.argmax(values))], abs=2e-6)


def test_every_order_of_rows_gives_the_same():
    table = spells(12)
    plain = again(table, **FEW).one(measure="hazard_ratio")
    for seed, model in itertools.product(range(3), ("ag", "pwp_gt")):
        mixed = table.sample(frac=1, random_state=seed)
        a = again(mixed, model=model, **FEW).one(measure="hazard_ratio")
        b = again(table, model=model, **FEW).one(measure="hazard_ratio")
        assert a.estimate == approx(b.estimate, rel=1e-10)
        assert a.std_error == approx(b.std_error, rel=1e-10)
    assert plain.estimate < 1.5


def test_a_sum_lost_in_rounding_is_no_likelihood():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=50) - 6, rng.normal(size=500) + 6])[:, None]
    late = np.arange(550) >= 50
    start = np.where(late, 50.0, 0.0)
    stop = np.where(late, 50 + rng.exponential(5, 550), rng.uniform(1, 49, 550))
    rows = _cox.arrange(stop, np.ones(550, dtype=bool), x, start=start)
    scale = rows.scale[0]
    apart = _cox.arrange(stop, np.ones(550, dtype=bool), x, strata=late.astype(int))
    for beta, held in ((0.2, True), (1.0, True), (3.0, False)):
        found = _cox.evaluate(rows, np.array([beta * scale]))
        exact = _cox.evaluate(apart, np.array([beta * apart.scale[0]]))
        if held:
            assert found.loglik == approx(exact.loglik, rel=1e-6)
        else:
            assert found.loglik == -np.inf
