"""Programme against comparison: what comes out, what is refused, and in which words."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from drive_eval.errors import DataError, DesignError, DesignWarning, UndefinedResultError
from drive_eval.models.comparison import difference_in_differences, instrumental, risk_contrast

approx = pytest.approx


def people(x1, n1, x0, n0, **columns):
    rows = [("programme", i < x1) for i in range(n1)] + [("comparison", i < x0) for i in range(n0)]
    return pd.DataFrame(rows, columns=["arm", "abuse"]).assign(**columns)


def contrast(table, **more):
    return risk_contrast(table, outcome="abuse", treated="arm", **more)


def long_table(programme, comparison, **columns):
    """Return rows from both, before only, after only, neither of each arm."""
    rows = []
    kinds = [(True, True), (True, False), (False, True), (False, False)]
    for arm, cells in (("programme", programme), ("comparison", comparison)):
        pairs = [kind for kind, count in zip(kinds, cells, strict=True) for _ in range(count)]
        for i, pair in enumerate(pairs):
            rows += [
                (f"{arm}{i}", arm, when, y)
                for when, y in zip(("intake", "exit"), pair, strict=True)
            ]
    return pd.DataFrame(rows, columns=["id", "arm", "time", "abuse"]).assign(**columns)


def did(table, **more):
    return difference_in_differences(
        table,
        outcome="abuse",
        treated="arm",
        period="time",
        person="id",
        **{"before": "intake", "after": "exit", **more},
    )


# Risks


def test_every_measure_is_there_and_counts_stand_beside_it():
    found = contrast(people(28, 70, 48, 80), unit="person", reporter="idva", threshold="standard")
    assert [e.measure for e in found.estimates] == [
        "risk_treated",
        "risk_comparison",
        "risk_difference",
        "risk_ratio",
        "percent_reduction",
        "odds_ratio",
    ]
    fall = found.one(measure="percent_reduction")
    assert fall.estimate == approx(100 / 3)
    assert (fall.term, fall.contrast, fall.claim) == (
        "users",
        "programme v comparison",
        "associational",
    )
    assert (fall.n, fall.n_events, fall.n_reference, fall.n_events_reference) == (70, 28, 80, 48)
    assert (fall.unit, fall.reporter, fall.threshold) == ("person", "idva", "standard")
    programme = found.one(measure="risk_treated")
    assert (programme.group, programme.claim, programme.n_events) == (
        "programme",
        "descriptive",
        28,
    )
    assert found.one(measure="odds_ratio").estimate == approx(28 * 32 / (42 * 48))


def test_one_score_test_serves_every_plain_contrast():
    found = contrast(people(28, 70, 48, 80))
    pooled = 76 / 150
    z = (0.4 - 0.6) / math.sqrt(pooled * (1 - pooled) * (1 / 70 + 1 / 80))
    p = math.erfc(abs(z) / math.sqrt(2))
    for measure in ("risk_difference", "risk_ratio", "odds_ratio"):
        assert found.one(measure=measure).p_value == approx(p)


def test_the_programme_is_set_against_the_comparison_whatever_the_alphabet_or_order():
    table = people(28, 70, 48, 80)
    words = contrast(table).one(measure="risk_ratio")
    flags = contrast(table.assign(arm=table["arm"] == "programme")).one(measure="risk_ratio")
    backwards = contrast(table.iloc[::-1]).one(measure="risk_ratio")
    assert words == flags == backwards
    assert words.estimate < 1


def test_nobody_in_the_programme_gives_zero_with_an_upper_limit():
    found = contrast(people(0, 60, 12, 60))
    for measure in ("risk_ratio", "odds_ratio"):
        ratio = found.one(measure=measure)
        assert (ratio.estimate, ratio.conf_low, ratio.std_error) == (0, 0, None)
        assert 0 < ratio.conf_high < 1
    fall = found.one(measure="percent_reduction")
    assert (fall.estimate, fall.conf_high) == (100, 100)
    assert fall.conf_low > 0


def test_nobody_in_the_comparison_leaves_no_point_but_a_lower_limit_and_a_reason():
    found = contrast(people(12, 60, 0, 60))
    for measure in ("risk_ratio", "odds_ratio"):
        ratio = found.one(measure=measure)
        assert ratio.estimate is None
        assert ratio.conf_low > 1
        assert ratio.conf_high == math.inf
        assert (
            "nobody in the comparison group had the outcome"
            in found.check(f"{measure}_undefined").text
        )
    fall = found.one(measure="percent_reduction")
    assert (fall.estimate, fall.conf_low) == (None, -math.inf)
    assert fall.conf_high < 0
    assert found.one(measure="risk_difference").estimate == approx(0.2)


@pytest.mark.parametrize("x", [(0, 0), (60, 60)])
def test_one_outcome_for_all_says_nothing_of_odds(x):
    found = contrast(people(x[0], 60, x[1], 60))
    odds = found.one(measure="odds_ratio")
    assert (odds.estimate, odds.conf_low, odds.conf_high) == (None, None, None)
    assert "everybody has the same outcome" in found.check("odds_ratio_undefined").text
    assert odds.p_value == 1
    difference = found.one(measure="risk_difference")
    assert difference.conf_low < 0 < difference.conf_high


def test_everybody_in_the_programme_has_an_open_odds_ratio_but_a_plain_risk_ratio():
    found = contrast(people(60, 60, 30, 60))
    assert found.one(measure="risk_ratio").estimate == 2
    odds = found.one(measure="odds_ratio")
    assert (odds.estimate, odds.conf_high) == (None, math.inf)
    assert odds.conf_low > 1


def test_covariates_are_standardised_and_said():
    rng = np.random.default_rng(3)
    n = 600
    table = pd.DataFrame(
        {"age": rng.normal(35, 8, n), "site": rng.choice(["a", "b"], n, p=[0.3, 0.7])}
    )
    table["arm"] = rng.random(n) < 1 / (1 + np.exp(-(table["age"] - 35) / 8))
    table["abuse"] = rng.random(n) < 1 / (1 + np.exp(-(table["age"] - 35) / 5))
    crude = contrast(table).one(measure="risk_difference").estimate
    found = contrast(table, covariates="age + site")
    adjusted = found.one(measure="risk_difference")
    assert crude > 0.1
    assert abs(adjusted.estimate) < 0.07
    assert adjusted.conf_low < 0 < adjusted.conf_high
    assert "g-computation" in adjusted.method
    assert found.check("estimand").text.startswith("ate")
    assert 'site against "b"' in found.check("reference_levels").text
    assert found.check("events_per_parameter").passed
    assert any("averaged over everybody" in text for text in found.assumptions)
    assert contrast(table, covariates=[]).estimates == contrast(table).estimates


def test_few_events_per_parameter_fail_a_check():
    rng = np.random.default_rng(1)
    table = people(20, 70, 25, 70, age=rng.normal(size=140), prior=rng.normal(size=140))
    found = contrast(table, covariates=["age", "prior"])
    check = found.check("events_per_parameter")
    assert check.passed is False
    assert check.statistic == 45 / 6
    shared = contrast(table, covariates=["age", "prior"], interactions=False)
    assert shared.check("events_per_parameter").passed


def test_covariates_with_an_empty_cell_are_refused_by_name():
    table = people(0, 60, 12, 60, age=np.arange(120) % 7)
    with pytest.raises(DesignError, match=r"separation\) by: treated.*without covariates"):
        contrast(table, covariates=["age"], interactions=False)


def test_clusters_widen_by_their_sandwich_and_use_t():
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"area": np.repeat(np.arange(50), 8)})
    lift = rng.normal(0, 1, 50)[table["area"]]
    table["arm"] = (np.arange(400) // 4) % 2 == 0
    table["abuse"] = rng.random(400) < 1 / (1 + np.exp(-lift))
    found = contrast(table, cluster="area")
    ratio = found.one(measure="risk_ratio")
    assert "cluster sandwich, t with 49 df" in ratio.method
    assert found.check("clusters").passed
    assert ratio.estimate == approx(contrast(table).one(measure="risk_ratio").estimate)
    assert found.one(measure="risk_treated").conf_high - found.one(
        measure="risk_treated"
    ).conf_low > 1.1 * (
        contrast(table).one(measure="risk_treated").conf_high
        - contrast(table).one(measure="risk_treated").conf_low
    )


def test_whole_clusters_lose_a_degree_of_freedom_more():
    table = people(28, 80, 48, 80, area=np.arange(160) // 2)
    assert "t with 78 df" in contrast(table, cluster="area").one(measure="risk_ratio").method


def test_fewer_clusters_than_asked_for_are_warned_of():
    table = people(28, 80, 48, 80, area=np.arange(160) % 20)
    with pytest.warns(DesignWarning, match="20 clusters are fewer than the 40"):
        found = contrast(table, cluster="area")
    assert found.check("clusters").passed is False
    assert contrast(table, cluster="area", min_clusters=20).check("clusters").passed


def test_under_ten_areas_allocated_whole_are_rearranged_not_sandwiched():
    table = people(28, 80, 48, 80, area=np.arange(160) // 20)
    found = contrast(table, cluster="area").one(measure="risk_difference")
    assert "all 70 arrangements of the 8 clusters" in found.method
    assert found.std_error is None
    mixed = table.assign(area=np.arange(160) % 8)
    assert contrast(mixed, cluster="area", min_clusters=8).one(measure="risk_ratio").estimate < 1


def test_clusters_with_an_empty_cell_fall_back_on_score_limits():
    area = np.repeat(np.arange(40), 3)
    table = people(0, 60, 12, 60, area=area)
    found = contrast(table, cluster="area")
    ratio = found.one(measure="risk_ratio")
    assert ratio.estimate == 0
    assert "divided by the design effect" in ratio.method
    assert ratio.conf_high > contrast(table).one(measure="risk_ratio").conf_high


def test_clusters_that_are_all_alike_do_not_make_the_answer_certain():
    table = people(30, 60, 40, 60)
    within = table.groupby(["arm", "abuse"]).cumcount()
    table["area"] = within % 10  # every area holds 3 of 6 in one arm and 4 of 6 in the other
    found = contrast(table, cluster="area", min_clusters=10)
    ratio = found.one(measure="risk_ratio")
    assert ratio.conf_low < ratio.estimate < ratio.conf_high
    assert "design effect" in ratio.method


def test_an_empty_arm_is_refused():
    with pytest.raises(DesignError, match='nobody is in the comparison group \\(column "arm"\\)'):
        contrast(people(3, 9, 0, 0))
    with pytest.raises(DesignError, match="nobody is in the programme group"):
        contrast(people(0, 0, 3, 9))


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_confidence_level_is_a_share(level):
    with pytest.raises(DataError, match="conf_level must lie between 0 and 1"):
        contrast(people(3, 9, 4, 9), conf_level=level)


def test_wider_levels_give_wider_intervals():
    table = people(28, 70, 48, 80, age=np.arange(150) % 11)
    for covariates in (None, ["age"]):
        narrow, wide = (
            contrast(table, conf_level=level, covariates=covariates).one(measure="risk_ratio")
            for level in (0.9, 0.99)
        )
        assert wide.conf_low < narrow.conf_low < narrow.conf_high < wide.conf_high


# Difference in differences


def test_both_arms_and_their_changes_come_with_the_contrast():
    found = did(long_table((30, 50, 5, 15), (40, 25, 10, 25)), unit="person")
    assert found.estimates[0].measure == "ratio_of_ratios"
    assert found.estimates[0].estimate == approx((35 / 80) / (50 / 65))
    assert found.one(measure="percent_reduction", group="").term == "ratio"
    assert found.one(measure="difference_in_differences").estimate == approx(-0.45 + 0.15)
    for group, before, after in (("programme", 0.8, 0.35), ("comparison", 0.65, 0.5)):
        assert found.one(measure="prevalence_before", group=group).estimate == approx(before)
        assert found.one(measure="prevalence_after", group=group).estimate == approx(after)
        assert found.one(measure="risk_ratio", group=group).estimate == approx(after / before)
        assert found.one(measure="risk_difference", group=group).claim == "descriptive"
    assert found.estimates[0].claim == "associational"
    assert found.table("pairs_programme")["both"] == 30
    assert found.check("gap_before").statistic == approx(0.15)


def test_scale_decides_what_stands_first():
    table = long_table((30, 50, 5, 15), (40, 25, 10, 25))
    assert did(table, scale="risk_difference").estimates[0].measure == "difference_in_differences"
    odds = did(table, scale="odds_ratio").estimates[0]
    assert odds.measure == "ratio_of_odds_ratios"
    assert odds.estimate == approx((35 / 65) / 4 / (1 / (65 / 35)))
    with pytest.raises(DesignError, match=r'"risk_ratios" is no scale\. Nearest: "risk_ratio"'):
        did(table, scale="risk_ratios")


def test_period_may_be_true_and_false():
    table = long_table((30, 50, 5, 15), (40, 25, 10, 25))
    flags = table.assign(time=table["time"] == "exit")
    assert did(flags, before=None, after=None).estimates == did(table).estimates


def test_under_fifty_people_the_variance_is_reduced_and_t_used():
    found = did(long_table((6, 8, 2, 4), (9, 4, 3, 4)))
    assert "Mancl–DeRouen" in found.estimates[0].method
    assert "t with 18 df" in found.estimates[0].method  # 20 in each arm
    plain = did(long_table((6, 8, 2, 4), (9, 4, 3, 4)), min_clusters=0)
    assert plain.estimates[0].std_error < found.estimates[0].std_error


@pytest.mark.parametrize(
    ("comparison", "df"),
    [((2, 2, 1, 0), 3), ((4, 3, 2, 3), 10), ((8, 7, 4, 5), 22), ((10, 7, 4, 4), None)],
)
def test_a_small_arm_beside_a_large_one_is_a_small_sample(comparison, df):
    table = long_table((50, 90, 10, 50), comparison)
    found = did(table)
    used = found.one(measure="difference_in_differences")
    plain = did(table, min_clusters=0).one(measure="difference_in_differences")
    n0 = sum(comparison)
    assert f"{n0} in the smaller arm" in found.check("clusters").text
    if df is None:
        assert used == plain
        assert "t with" not in used.method
        return
    assert f"(Mancl–DeRouen), t with {df} df" in used.method
    assert used.std_error > plain.std_error
    assert used.conf_low < plain.conf_low < plain.conf_high < used.conf_high


def test_clusters_of_the_smaller_arm_are_counted_and_mixed_ones_in_both():
    table = long_table((50, 90, 10, 50), (40, 25, 10, 25))
    person = table["id"].str.extract(r"(\d+)")[0].astype(int)
    few = table.assign(area=np.where(table["arm"] == "programme", person, 1000 + person % 6))
    method = did(few, cluster="area").estimates[0].method
    assert "t with 4 df" in method
    mixed = table.assign(area=person % 80)  # each has people of both arms
    assert "t with" not in did(mixed, cluster="area").estimates[0].method


def test_one_person_in_an_arm_has_score_limits():
    table = long_table((50, 90, 10, 50), (0, 1, 0, 0))
    found = did(table).one(measure="difference_in_differences")
    assert "MOVER" in found.method
    assert found.conf_low < found.estimate < found.conf_high


@pytest.mark.parametrize(
    ("programme", "comparison"),
    [
        ((0, 0, 4, 26), (9, 8, 3, 10)),
        ((9, 8, 3, 10), (0, 0, 4, 26)),
        ((0, 0, 0, 30), (9, 8, 3, 10)),
        ((0, 0, 4, 26), (0, 0, 6, 24)),
        ((0, 0, 0, 30), (0, 0, 0, 30)),
        ((0, 0, 30, 0), (0, 0, 0, 3)),
    ],
)
@pytest.mark.parametrize("cluster", [None, "area"])
def test_nobody_before_leaves_the_difference_and_says_why_there_is_no_ratio(
    programme, comparison, cluster
):
    table = long_table(programme, comparison)
    person = table["id"].str.extract(r"(\d+)")[0].astype(int)
    found = did(
        table.assign(area=table["arm"] + (person // 2).astype(str)),
        scale="risk_difference",
        cluster=cluster,
    )
    change = found.estimates[0]
    assert change.measure == "difference_in_differences"
    assert change.conf_low <= change.estimate <= change.conf_high
    assert change.conf_low < change.conf_high
    for measure in ("ratio_of_ratios", "percent_reduction"):
        ratio = found.one(measure=measure, group="")
        assert ratio.estimate is ratio.conf_low is ratio.conf_high is ratio.p_value is None
    said = found.check("ratio_of_ratios_undefined").text
    assert "an arm had nobody with the outcome before" in said
    assert all(e.std_error is None or e.std_error > 0 for e in found.estimates)
    with pytest.raises(UndefinedResultError, match="a reduction from nothing is not defined"):
        did(table)


def test_a_standard_error_of_nothing_is_none():
    for counts in ((0, 20, 0, 20), (20, 20, 0, 20), (0, 20, 5, 20)):
        found = contrast(people(*counts))
        assert all(e.std_error is None or e.std_error > 0 for e in found.estimates)
    assert found.one(measure="risk_treated").std_error is None
    assert found.one(measure="risk_difference").std_error > 0


def test_an_outcome_that_never_differs_is_no_certainty():
    found = iv(offered({(True, True): (8, 0), (True, False): (9, 0), (False, False): (9, 0)}))
    for term in ("itt", "as_treated", "iv", "iv_anderson_rubin"):
        e = found.one(term=term, measure="risk_difference")
        assert e.estimate == 0
        assert e.std_error is e.conf_low is e.conf_high is e.p_value is None
    assert "itt, as_treated, iv: nothing differs within the arms" in found.check("no_variance").text
    assert not any(c.name == "anderson_rubin_unbounded" for c in found.checks)
    same = offered({(True, True): (8, 0), (False, False): (9, 0)}).assign(abuse=2.5)
    mean = iv(same).one(term="itt", measure="mean_treated")
    assert (mean.estimate, mean.std_error, mean.conf_low) == (2.5, None, None)


def test_assumptions_start_in_plain_words():
    starts = {text.partition(":")[0] for text in iv(offered(NOT_ALL)).assumptions}
    assert starts == {"As allocated", "As delivered", "Instrumental variable"}


def test_nobody_after_in_the_programme_gives_zero_with_an_upper_limit_by_mover():
    found = did(long_table((0, 30, 0, 30), (20, 10, 5, 25)))
    ratio = found.one(measure="ratio_of_ratios")
    assert (ratio.estimate, ratio.conf_low, ratio.p_value) == (0, 0, None)
    assert 0 < ratio.conf_high < 1
    assert "MOVER of the arms' Tang/Nam score limits" in ratio.method
    assert found.one(measure="percent_reduction", group="").estimate == 100
    arm = found.one(measure="risk_ratio", group="programme")
    other = found.one(measure="risk_ratio", group="comparison")
    expected = arm.conf_high / math.sqrt(other.conf_low * (2 * other.estimate - other.conf_low))
    assert ratio.conf_high == approx(expected)


def test_nobody_after_in_the_comparison_leaves_the_interval_open_above():
    found = did(long_table((20, 10, 5, 25), (0, 30, 0, 30)))
    ratio = found.one(measure="ratio_of_ratios")
    assert ratio.estimate is None
    assert ratio.conf_low > 1
    assert ratio.conf_high == math.inf
    assert "its interval is open above" in found.check("ratio_of_ratios_undefined").text


def test_nobody_after_in_either_arm_leaves_no_ratio():
    found = did(long_table((0, 30, 0, 30), (0, 20, 0, 30)))
    ratio = found.one(measure="ratio_of_ratios")
    assert (ratio.estimate, ratio.conf_low) == (None, None)
    assert "nobody in either arm" in found.check("ratio_of_ratios_undefined").text
    assert found.one(measure="difference_in_differences").estimate == approx(-0.5 + 0.4)


def test_nobody_before_is_refused_unless_differences_are_asked_for():
    table = long_table((0, 0, 5, 55), (20, 10, 5, 25))
    for scale in ("risk_ratio", "odds_ratio"):
        with pytest.raises(UndefinedResultError, match="nobody in the programme group had the"):
            did(table, scale=scale)
    found = did(table, scale="risk_difference")
    assert found.estimates[0].estimate == approx(5 / 60 + 5 / 60)
    assert found.one(measure="ratio_of_ratios").estimate is None
    assert "nobody with the outcome before" in found.check("ratio_of_ratios_undefined").text
    assert found.one(measure="risk_ratio", group="programme").estimate is None


def test_odds_need_people_of_both_kinds():
    with pytest.raises(UndefinedResultError, match="its odds do not exist"):
        did(long_table((20, 40, 0, 0), (20, 10, 5, 25)), scale="odds_ratio")


def test_an_arm_in_which_nobody_changed_is_not_taken_for_certain():
    found = did(long_table((30, 0, 0, 30), (20, 10, 5, 25)))
    for measure, limits in (
        ("ratio_of_ratios", "Tang/Nam score"),
        ("difference_in_differences", "Tango score"),
    ):
        number = found.one(measure=measure)
        assert f"MOVER of the arms' {limits} limits" in number.method
        assert number.conf_low < number.estimate < number.conf_high
    odds = did(long_table((30, 0, 0, 30), (20, 10, 5, 25)), scale="odds_ratio")
    assert odds.estimates[0].conf_low is None
    assert "nobody in one arm changed" in odds.check("ratio_of_odds_ratios_undefined").text


def test_a_design_effect_widens_its_arm_and_leaves_the_points():
    table = long_table((30, 50, 5, 15), (40, 25, 10, 25))
    plain, wide = did(table), did(table, design_effect=(2.0, 2.0), df=30)
    for measure in ("ratio_of_ratios", "difference_in_differences"):
        a, b = plain.one(measure=measure), wide.one(measure=measure)
        assert a.estimate == b.estimate
        assert b.std_error == approx(a.std_error * math.sqrt(2))
        assert "t with 30 df" in b.method
    one = did(table, design_effect=(2.0, 1.0)).one(measure="ratio_of_ratios").std_error
    assert plain.estimates[0].std_error < one < wide.estimates[0].std_error
    low = [r.one(measure="risk_ratio", group="programme").conf_low for r in (plain, wide)]
    assert low[1] < low[0]
    with pytest.raises(DataError, match="design_effect must be two numbers above 0"):
        did(table, design_effect=(0.0, 1.0))
    with pytest.raises(DesignError, match="give cluster or design_effect, not both"):
        did(table.assign(area=1), design_effect=(2.0, 1.0), cluster="area")


def test_people_without_both_measures_are_counted_and_refused():
    table = long_table((3, 5, 1, 2), (4, 2, 1, 3))
    with pytest.raises(DataError, match="2 of 21 people have only one of the two measures"):
        did(table.drop(index=[0, 11]))


def test_a_person_measured_twice_in_a_period_is_refused():
    table = long_table((3, 5, 1, 2), (4, 2, 1, 3))
    with pytest.raises(DataError, match="1 rows repeat a person and period"):
        did(pd.concat([table, table.iloc[[4]]]))


def test_a_person_belongs_to_one_arm_and_one_cluster():
    table = long_table((3, 5, 1, 2), (4, 2, 1, 3), area=1)
    moved = table.copy()
    moved.loc[0, "arm"] = "comparison"
    with pytest.raises(DataError, match=r'1 people have more than one value of "arm" \(treated\)'):
        did(moved)
    moved = table.copy()
    moved.loc[0, "area"] = 2
    with pytest.raises(DataError, match=r'1 people have more than one value of "area" \(cluster\)'):
        did(moved, cluster="area")


def test_levels_of_period_are_named_by_the_caller():
    table = long_table((3, 5, 1, 2), (4, 2, 1, 3))
    with pytest.raises(DataError, match="is not true and false, so name its two levels"):
        did(table, before=None, after=None)
    with pytest.raises(
        DataError, match=r'no row of "time" \(period\) is "intak". Nearest: "intake"'
    ):
        did(table, before="intak")
    extra = pd.concat([table, table.iloc[:2].assign(time="midpoint")])
    with pytest.raises(DataError, match='2 rows of "time" \\(period\\) are neither "intake" nor'):
        did(extra)


def test_unequal_or_several_reporters_are_refused():
    table = long_table((3, 5, 1, 2), (4, 2, 1, 3), reporter="idva")
    assert did(table, reporter="reporter").estimates[0].reporter == "idva"
    assert did(table, reporter="reporter").check("one_reporter").passed
    other = table.assign(
        reporter=np.where(table["arm"] == "programme", "case_manager", table["reporter"])
    )
    with pytest.raises(DesignError, match="were not measured by the same reporters") as refusal:
        did(other, reporter="reporter")
    assert "case_manager" not in str(refusal.value)
    both = table.assign(reporter=np.where(table["time"] == "exit", "case_manager", "idva"))
    with pytest.raises(DesignError, match='2 reporters stand in column "reporter"'):
        did(both, reporter="reporter")


def test_windows_that_differ_are_refused_in_whole_weeks():
    table = long_table((3, 5, 1, 2), (4, 2, 1, 3))
    table["days"] = np.where(table["arm"] == "programme", 182, 91)
    with pytest.raises(DesignError, match="programme 26 weeks, comparison 13 weeks"):
        did(table, elapsed_days="days", tolerance_days=28)
    told = did(table, elapsed_days="days").check("equal_windows")
    assert told.passed is None
    assert told.statistic == 91
    wide = did(table, elapsed_days="days", tolerance_days=100).check("equal_windows")
    assert (wide.passed, wide.threshold) == (True, 100)


def test_windows_may_stand_in_one_of_the_two_rows():
    table = long_table((3, 5, 1, 2), (4, 2, 1, 3))
    table["days"] = np.where(table["time"] == "exit", 180.0, np.nan)
    table.loc[1, "days"] = np.nan
    check = did(table, elapsed_days="days", tolerance_days=7).check("equal_windows")
    assert check.passed
    assert "180 days" in check.text
    assert "unknown for 1 people" in check.text
    with pytest.raises(DataError, match=r'no column "day" \(elapsed_days\)\. Nearest: "days"'):
        did(table, elapsed_days="day")
    with pytest.raises(DataError, match="must hold numbers of days"):
        did(table.assign(days="many"), elapsed_days="days")
    with pytest.raises(DesignError, match="is empty for a whole arm"):
        did(table.assign(days=np.nan), elapsed_days="days")


def test_areas_allocated_whole_need_ten_and_people_need_five():
    table = long_table((30, 50, 5, 15), (40, 25, 10, 25))
    person = table["id"].str.extract(r"(\d+)")[0].astype(int)
    few = table.assign(area=table["arm"] + (person % 3).astype(str))
    with pytest.raises(DesignError, match="only 6 clusters were allocated"):
        did(few, cluster="area")
    with pytest.raises(DesignError, match="4 clusters cannot carry four risks"):
        did(long_table((1, 1, 0, 0), (1, 1, 0, 0)))
    lone = table.assign(area=np.where(table["arm"] == "programme", 0, person + 1))
    with pytest.raises(DesignError, match="one cluster holds a whole arm"):
        did(lone, cluster="area", min_clusters=1000)


def test_clusters_change_the_interval_and_not_the_point():
    rng = np.random.default_rng(8)
    table = long_table((60, 100, 10, 30), (80, 50, 20, 50))
    person = table["id"].str.extract(r"(\d+)")[0].astype(int)
    table["area"] = person // 4  # neighbours answered alike: the rows are sorted by answer
    plain, found = did(table), did(table, cluster="area")
    a, b = plain.estimates[0], found.estimates[0]
    assert a.estimate == b.estimate
    assert b.conf_high > a.conf_high
    assert "cluster sandwich" in b.method
    arm = found.one(measure="risk_difference", group="programme")
    assert arm.conf_high > plain.one(measure="risk_difference", group="programme").conf_high
    shuffled = table.sample(frac=1, random_state=rng.integers(1000))
    assert did(shuffled, cluster="area").estimates[0].conf_low == approx(b.conf_low)


# Instrumental variables


def offered(cells):
    """Return rows from (assigned, delivered): (n, with the outcome)."""
    rows = [(a, d, i < x) for (a, d), (n, x) in cells.items() for i in range(n)]
    return pd.DataFrame(rows, columns=["offered", "started", "abuse"])


NOT_ALL = {(True, True): (80, 10), (True, False): (20, 10), (False, False): (100, 40)}


def iv(table, **more):
    return instrumental(table, outcome="abuse", assigned="offered", delivered="started", **more)


def test_the_offer_the_delivery_and_the_ratio_of_the_two():
    found = iv(offered(NOT_ALL), unit="person", reporter="police")
    itt = found.one(term="itt", measure="risk_difference")
    stage, ratio = found.one(term="first_stage"), found.one(term="iv")
    assert itt.estimate == approx(-0.2)
    assert stage.estimate == approx(0.8)
    assert stage.measure == "delivered_difference"
    assert (stage.n_events, stage.n_events_reference) == (80, 0)
    assert ratio.estimate == approx(-0.25)
    treated = found.one(term="as_treated", measure="risk_difference")
    assert treated.estimate == approx(10 / 80 - 50 / 120)
    assert (treated.n, treated.n_reference, treated.n_events_reference) == (80, 120, 50)
    assert {e.claim for e in found.estimates if not e.group} == {"associational"}
    assert (itt.unit, itt.reporter) == ("person", "police")
    assert found.one(term="as_treated", measure="risk_treated").estimate == approx(0.125)
    assert any("not protected by randomisation" in text for text in found.assumptions)
    words = " ".join(found.assumptions)
    assert all(word in words for word in ("exclusion", "monotonicity", "relevance"))


def test_people_who_did_not_get_what_was_assigned_are_counted_by_arm():
    found = iv(offered(NOT_ALL))
    off = {c.group: c.statistic for c in found.checks if c.name == "not_as_assigned"}
    assert off == {"programme": 20, "comparison": 0}


def test_full_compliance_makes_all_three_one():
    found = iv(offered({(True, True): (50, 10), (False, False): (50, 20)}))
    terms = ("itt", "as_treated", "iv")
    estimates = [found.one(term=t, measure="risk_difference") for t in terms]
    assert [e.estimate for e in estimates] == approx([-0.2] * 3)
    assert len({round(e.std_error, 12) for e in estimates}) == 1
    assert found.check("first_stage_f").statistic == math.inf


def test_a_weak_instrument_fails_its_check_and_has_no_bounded_set():
    weak = {(True, True): (22, 6), (True, False): (78, 30), (False, True): (20, 8)}
    found = iv(offered({**weak, (False, False): (80, 28)}))
    assert found.check("first_stage_f").passed is False
    assert found.check("first_stage_f").threshold == 10
    ar = found.one(term="iv_anderson_rubin")
    assert (ar.conf_low, ar.conf_high) == (None, None)
    assert ar.estimate == found.one(term="iv").estimate
    assert found.check("anderson_rubin_unbounded").passed is False
    strict = iv(offered(NOT_ALL), first_stage_f=1e6)
    assert strict.check("first_stage_f").passed is False


def test_the_anderson_rubin_set_holds_what_its_test_does_not_reject():
    table = offered({(True, True): (50, 10), (True, False): (50, 25), (False, False): (100, 45)})
    ar = iv(table, cov="HC1").one(term="iv_anderson_rubin")
    for limit in (ar.conf_low, ar.conf_high):
        moved = table.assign(abuse=table["abuse"] - limit * table["started"])
        itt = iv(moved, cov="HC1").one(term="itt", measure="mean_difference")
        assert itt.p_value == approx(0.05, abs=1e-9)


def test_numbers_give_mean_differences():
    table = offered(NOT_ALL).assign(abuse=lambda t: np.arange(len(t)) % 9 + 2.0 * t["abuse"])
    found = iv(table)
    assert found.one(term="iv").measure == "mean_difference"
    mean = found.one(term="itt", measure="mean_treated")
    assert mean.estimate == approx(table.loc[table["offered"], "abuse"].mean())
    assert mean.conf_low < mean.estimate < mean.conf_high
    assert mean.n_events is None


def test_one_person_in_an_arm_has_a_mean_without_an_interval():
    table = offered({(True, True): (1, 0), (False, False): (9, 0)}).assign(abuse=np.arange(10) / 3)
    mean = iv(table, cov="HC1").one(term="itt", measure="mean_treated")
    assert (mean.estimate, mean.conf_low) == (0, None)


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ({(True, True): (5, 1), (True, False): (5, 1)}, r'"offered" \(assigned\) is the same for'),
        ({(True, True): (5, 1), (False, True): (5, 1)}, r'"started" \(delivered\) is the same for'),
        (
            {
                (True, True): (5, 1),
                (True, False): (5, 1),
                (False, True): (5, 1),
                (False, False): (5, 2),
            },
            "the assignment says nothing about what the programme did",
        ),
    ],
)
def test_what_does_not_vary_cannot_be_compared(cells, sentence):
    with pytest.raises(UndefinedResultError, match=sentence):
        iv(offered(cells))


def test_variances_are_named_and_clusters_counted():
    table = offered(NOT_ALL).assign(area=lambda t: np.arange(len(t)) % 25)
    with pytest.raises(DesignError, match='"HC4" is no covariance'):
        iv(table, cov="HC4")
    assert "HC2, t with 198 df" in iv(table).one(term="iv").method
    assert "CR1, t with 24 df" in iv(table, cluster="area").one(term="iv").method
    whole = table.assign(area=table["offered"].astype(int))
    with pytest.raises(DesignError, match="only 2 clusters were allocated"):
        iv(whole, cluster="area")
    with pytest.raises(DesignError, match="200 rows in one cluster cannot carry a slope"):
        iv(table.assign(area=1), cluster="area")


def test_results_travel_as_json():
    for found in (contrast(people(12, 60, 0, 60)), did(long_table((3, 5, 1, 2), (4, 2, 1, 3)))):
        assert type(found).from_json_dict(found.to_json_dict()).estimates == found.estimates
