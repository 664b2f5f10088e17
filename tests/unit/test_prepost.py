"""Change within people: what is reported, what does not exist, what is refused."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from drive_eval.errors import DataError, DesignError, DesignWarning, UndefinedResultError
from drive_eval.models import _intervals, prepost
from drive_eval.results import ResultSet

approx = pytest.approx
MEASURES = [
    "prevalence_before",
    "prevalence_after",
    "risk_difference",
    "risk_ratio",
    "percent_reduction",
    "cessation",
    "onset",
]
LEVELS = ["none", "standard", "moderate", "high"]


def rows(both, before_only, after_only, neither):
    """One row per pair; the table that the counts came from."""
    before = [1] * (both + before_only) + [0] * (after_only + neither)
    after = [1] * both + [0] * before_only + [1] * after_only + [0] * neither
    return pd.DataFrame({"intake": before, "exit": after})


def dyads(people=60, size=3, seed=1):
    """Dyads of the same perpetrator resemble each other."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), size)
    shared = rng.normal(size=people)[person]
    noise = rng.normal(size=(2, people * size))
    return pd.DataFrame(
        {
            "person": [f"P{i:03d}" for i in person],
            "intake": shared + noise[0] > -0.5,
            "exit": shared + noise[1] > 0.8,
        }
    )


# Counts


def test_every_measure_stands_once_in_a_fixed_order():
    found = prepost.paired_counts(both=1, before_only=7, after_only=1, neither=12)
    assert [e.measure for e in found.estimates] == MEASURES
    assert {e.claim for e in found.estimates} == {"descriptive"}


def test_counts_stand_beside_each_number():
    found = prepost.paired_counts(both=3, before_only=7, after_only=1, neither=12)

    def counts(measure):
        e = found.one(measure=measure)
        return e.n_events, e.n, e.n_events_reference, e.n_reference

    assert counts("prevalence_before") == (10, 23, None, None)
    assert counts("prevalence_after") == (4, 23, None, None)
    assert counts("risk_ratio") == counts("risk_difference") == (4, 23, 10, 23)
    assert counts("percent_reduction") == (4, 23, 10, 23)
    assert counts("cessation") == (7, 10, None, None)
    assert counts("onset") == (1, 13, None, None)


def test_labels_are_passed_on():
    labels = {
        "outcome": "physical",
        "group": "programme",
        "unit": "person",
        "reporter": "idva",
        "threshold": "standard",
        "subgroup": "completers",
    }
    found = prepost.paired_counts(
        both=3, before_only=7, after_only=1, neither=12, contrast="exit v intake", **labels
    )
    for estimate in found.estimates:
        assert {name: getattr(estimate, name) for name in labels} == labels
    assert found.one(measure="risk_ratio").contrast == "exit v intake"
    assert found.table("pairs").unit == "person"


def test_the_table_of_pairs_adds_up():
    table = prepost.paired_counts(both=3, before_only=7, after_only=1, neither=12).table("pairs")
    assert table["both"] == 3
    assert table["users_before"] == 10
    assert table["users_after"] == 4
    assert table["all"] == 23


def test_shares_have_wilson_limits():
    found = prepost.paired_counts(both=3, before_only=7, after_only=1, neither=12)
    stop, start = found.one(measure="cessation"), found.one(measure="onset")
    assert (stop.conf_low, stop.conf_high) == _intervals.wilson(x=7, n=10)
    assert (start.conf_low, start.conf_high) == _intervals.wilson(x=1, n=13)
    assert stop.estimate == 0.7
    assert stop.std_error == approx(np.sqrt(0.7 * 0.3 / 10))


def test_standard_errors_are_walds_and_on_the_log_scale_for_ratios():
    found = prepost.paired_counts(both=20, before_only=30, after_only=10, neither=40)
    b, c, n, x, y = 10, 30, 100, 30, 50
    difference = found.one(measure="risk_difference").std_error
    assert difference == approx(np.sqrt(b + c - (b - c) ** 2 / n) / n)
    log_ratio = np.sqrt(1 / x + 1 / y - 2 * 20 / (x * y))
    assert found.one(measure="risk_ratio").std_error == approx(log_ratio)
    assert found.one(measure="percent_reduction").std_error == approx(100 * 0.6 * log_ratio)


def test_nobody_after_is_a_reduction_of_a_hundred_percent_with_an_interval():
    found = prepost.paired_counts(both=0, before_only=8, after_only=0, neither=12)
    fall = found.one(measure="percent_reduction")
    assert (fall.estimate, fall.conf_high) == (100, 100)
    assert fall.conf_low == approx(51.9818, abs=1e-4)
    assert found.one(measure="risk_ratio").std_error is None
    assert "standard error of the log ratio does not exist" in found.check("nobody_after").text


def test_nobody_at_intake_leaves_only_what_exists():
    found = prepost.paired_counts(both=0, before_only=0, after_only=3, neither=9)
    assert [e.measure for e in found.estimates] == MEASURES
    for measure in ("risk_ratio", "percent_reduction", "cessation"):
        gone = found.one(measure=measure)
        assert gone.estimate is gone.conf_low is gone.conf_high is gone.p_value is None
    check = found.check("risk_ratio_undefined")
    assert check.passed is None
    reason = "nobody showed this behaviour at intake: a reduction from nothing is not defined."
    assert check.text == reason
    assert "nobody could stop" in found.check("cessation_undefined").text
    assert found.one(measure="prevalence_before").estimate == 0
    assert found.one(measure="risk_difference").estimate == 0.25
    assert found.one(measure="onset").estimate == 0.25


def test_everybody_at_intake_leaves_no_onset():
    found = prepost.paired_counts(both=3, before_only=4, after_only=0, neither=0)
    assert found.one(measure="onset").estimate is None
    assert "nobody could start" in found.check("onset_undefined").text
    assert found.one(measure="cessation").estimate == approx(4 / 7)


def test_no_pair_changed_is_no_evidence():
    found = prepost.paired_counts(both=8, before_only=0, after_only=0, neither=12)
    ratio = found.one(measure="risk_ratio")
    assert (ratio.estimate, ratio.p_value) == (1, 1)
    assert ratio.conf_low < 1 < ratio.conf_high
    assert "no pair changed" in found.check("no_change").text


def test_no_pair_at_all_is_refused():
    with pytest.raises(UndefinedResultError, match="physical: there is no pair, so nothing"):
        prepost.paired_counts(both=0, before_only=0, after_only=0, neither=0, outcome="physical")


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (-1, "before_only must be a whole number of pairs, 0 or more, but is -1"),
        (2.5, "before_only must be a whole number of pairs, 0 or more, but is 2.5"),
        (float("nan"), "0 or more, but is nan"),
        (float("inf"), "0 or more, but is inf"),
        ("7", "before_only must be a whole number of pairs, not str"),
        (True, "before_only must be a whole number of pairs, not bool"),
        (None, "before_only must be a whole number of pairs, not NoneType"),
    ],
)
def test_a_count_that_is_no_count_is_refused(count, message):
    with pytest.raises(DataError, match=message):
        prepost.paired_counts(both=1, before_only=count, after_only=1, neither=12)


def test_counts_of_numpy_are_counts():
    found = prepost.paired_counts(
        both=np.int64(1), before_only=np.float64(7), after_only=np.int8(1), neither=12
    )
    assert found.one(measure="risk_ratio").n == 21


@pytest.mark.parametrize("level", [0, 1, 95, float("nan")])
def test_a_confidence_level_is_between_0_and_1(level):
    with pytest.raises(DataError, match="conf_level must lie between 0 and 1"):
        prepost.paired_counts(both=1, before_only=7, after_only=1, neither=12, conf_level=level)


@pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf")])
def test_a_design_effect_is_positive(size):
    with pytest.raises(DataError, match="design_effect must be a number above 0"):
        prepost.paired_counts(both=1, before_only=7, after_only=1, neither=12, design_effect=size)


def test_degrees_of_freedom_are_not_negative():
    with pytest.raises(DataError, match="df must be a number of degrees of freedom"):
        prepost.paired_counts(both=1, before_only=7, after_only=1, neither=12, df=-3)


def test_a_design_effect_of_an_unknown_measure_is_refused():
    with pytest.raises(DataError, match=r'no measure "risk_ration"\. Nearest: "risk_ratio"'):
        prepost.paired_counts(
            both=1, before_only=7, after_only=1, neither=12, design_effect={"risk_ration": 2.0}
        )


def test_a_design_effect_divides_the_counts_and_leaves_them_as_they_are():
    whole = prepost.paired_counts(
        both=20, before_only=60, after_only=10, neither=30, design_effect=2.0, df=9
    )
    ratio = whole.one(measure="risk_ratio")
    t = stats.t.ppf(0.975, 9)
    expected = _intervals.nam_tang_ratio(
        both=10, before_only=30, after_only=5, neither=15, critical=t
    )
    assert (ratio.conf_low, ratio.conf_high) == expected
    assert (ratio.n, ratio.n_events, ratio.n_events_reference) == (120, 30, 80)
    assert ratio.p_value == approx(2 * stats.t.sf(50 / np.sqrt(70 * 2), 9))
    assert whole.table("pairs")["all"] == 120
    assert "design effect, t with 9 df" in ratio.method


def test_provenance_and_checks_give_no_count_away():
    counts = {"both": 1013, "before_only": 7019, "after_only": 1021, "neither": 12007}
    found = prepost.paired_counts(**counts)
    words = found.provenance.call + " ".join(check.text for check in found.checks)
    assert not any(str(count) in words for count in counts.values())


def test_results_survive_json():
    for found in (
        prepost.paired_counts(both=0, before_only=0, after_only=3, neither=9),
        prepost.shift_counts(improved=3, same=2, worsened=0),
    ):
        again = ResultSet.from_json_dict(found.to_json_dict())
        assert again.estimates == found.estimates
        assert again.checks == found.checks
        assert again.tables == found.tables


# Rows


def test_rows_give_what_their_counts_give():
    counts = {"both": 5, "before_only": 9, "after_only": 2, "neither": 11}
    by_rows = prepost.paired_change(rows(**counts), before="intake", after="exit")
    assert by_rows.estimates == prepost.paired_counts(**counts).estimates
    assert by_rows.tables == prepost.paired_counts(**counts).tables


@pytest.mark.parametrize("kind", ["bool", "boolean", "int64", "Int64", "float64", object])
def test_every_kind_of_true_and_false_is_read(kind):
    table = rows(5, 9, 2, 11).astype(bool).astype(kind)
    found = prepost.paired_change(table, before="intake", after="exit")
    assert found.one(measure="risk_ratio").n_events == 7


def test_missing_ratings_are_refused_with_their_number():
    table = rows(5, 9, 2, 11).astype("Int64")
    table.loc[[0, 4], "exit"] = pd.NA
    table.loc[4, "intake"] = pd.NA
    with pytest.raises(DataError, match='2 of 27 rows have no value in "intake" or "exit"'):
        prepost.paired_change(table, before="intake", after="exit")


def test_a_misspelt_column_is_named():
    with pytest.raises(DataError, match=r'no column "exitt" \(after\). Nearest: "exit"'):
        prepost.paired_change(rows(5, 9, 2, 11), before="intake", after="exitt")


def test_a_column_of_levels_is_not_true_or_false():
    table = rows(5, 9, 2, 11).assign(exit=3)
    with pytest.raises(DataError, match=r'column "exit" \(after\) must hold true and false'):
        prepost.paired_change(table, before="intake", after="exit")


def test_an_empty_table_has_no_change():
    with pytest.raises(UndefinedResultError, match="the table has no rows"):
        prepost.paired_change(rows(0, 0, 0, 0), before="intake", after="exit")


def test_something_that_is_no_table_is_refused():
    with pytest.raises(DataError, match=r"a table .* is needed, not a list"):
        prepost.paired_change([1, 2], before="intake", after="exit")


# Clusters


def test_each_row_its_own_cluster_has_a_design_effect_of_exactly_one():
    table = rows(15, 29, 2, 11).assign(person=range(57))
    found = prepost.paired_change(table, before="intake", after="exit", cluster="person")
    sizes, df = prepost.design_effects(found)
    assert set(sizes.values()) == {1.0}
    assert (df["risk_ratio"], df["cessation"], df["onset"]) == (56, 43, 12)
    ratio = found.one(measure="risk_ratio")
    t = stats.t.ppf(0.975, 56)
    expected = _intervals.nam_tang_ratio(
        both=15, before_only=29, after_only=2, neither=11, critical=t
    )
    assert (ratio.conf_low, ratio.conf_high) == expected


def test_copies_of_a_row_are_worth_one_row():
    once = rows(15, 29, 2, 11).assign(person=range(57))
    thrice = pd.concat([once] * 3, ignore_index=True)
    sizes, _ = prepost.design_effects(
        prepost.paired_change(thrice, before="intake", after="exit", cluster="person")
    )
    # n/(n − 1) over G/(G − 1) is all that is left of the difference.
    assert list(sizes.values())[:4] == approx([3 * (57 / 56) / (171 / 170)] * 4)


def test_the_design_effect_is_that_of_the_formula():
    table = dyads()
    found = prepost.paired_change(table, before="intake", after="exit", cluster="person")
    before, after = table["intake"].astype(float), table["exit"].astype(float)
    n, G = len(table), 60
    for measure, u in (
        ("risk_difference", after - before - (after - before).mean()),
        ("risk_ratio", after - after.sum() / before.sum() * before),
        ("prevalence_after", after - after.mean()),
    ):
        together = G / (G - 1) * (u.groupby(table["person"]).sum() ** 2).sum()
        apart = n / (n - 1) * (u**2).sum()
        assert prepost.design_effects(found)[0][measure] == approx(together / apart)
    check = next(c for c in found.checks if c.text.startswith("risk_ratio: 60 clusters, design"))
    assert check.name == "design_effect"
    assert check.df == 59


def test_cessation_counts_clusters_of_users_only():
    table = dyads()
    found = prepost.paired_change(table, before="intake", after="exit", cluster="person")
    users = table[table["intake"]]
    stopped = (~users["exit"]).astype(float)
    u, G, m = stopped - stopped.mean(), users["person"].nunique(), len(users)
    held = users["person"].value_counts()
    together = G / (G - 1) * (u.groupby(users["person"]).sum() ** 2).sum()
    sizes, df = prepost.design_effects(found)
    assert sizes["cessation"] == approx(together / (m / (m - 1) * (u**2).sum()))
    assert df["cessation"] == approx(m**2 / (held**2).sum() - 1)
    assert df["cessation"] < G - 1 < 59


def test_clustered_intervals_follow_from_counts_and_design_effects():
    table = dyads()
    found = prepost.paired_change(table, before="intake", after="exit", cluster="person")
    sizes, df = prepost.design_effects(found)
    pairs = found.table("pairs")
    counts = {name: pairs[name] for name in ("both", "before_only", "after_only", "neither")}
    again = prepost.paired_counts(**counts, design_effect=sizes, df=df)
    assert again.estimates == found.estimates


def test_clusters_of_opposites_are_never_worth_more_than_their_rows():
    table = pd.DataFrame(
        {"person": np.repeat(range(50), 2), "intake": [1, 0] * 50, "exit": [0, 0] * 50}
    )
    table.loc[:9, "exit"] = 1
    found = prepost.paired_change(table, before="intake", after="exit", cluster="person")
    sizes, _ = prepost.design_effects(found)
    assert sizes["risk_difference"] == 1
    (said,) = (c.text for c in found.checks if c.text.startswith("risk_difference: "))
    assert "design effect 1, its least: rows of one cluster differ more" in said


@pytest.mark.parametrize(
    ("table", "measure"),
    [
        (rows(0, 80, 0, 0), "risk_ratio"),
        (rows(0, 40, 0, 40), "risk_ratio"),
        (rows(40, 0, 0, 40), "risk_difference"),
        (rows(40, 0, 0, 40), "risk_ratio"),
        (rows(0, 40, 0, 40), "prevalence_after"),
    ],
)
def test_without_variation_rows_of_a_cluster_count_as_copies(table, measure):
    table["person"] = np.arange(80) // 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        found = prepost.paired_change(table, before="intake", after="exit", cluster="person")
    assert prepost.design_effects(found)[0][measure] == 2
    (check,) = (c for c in found.checks if c.text.startswith(f"{measure}: "))
    assert "were taken to be copies of each other" in check.text


@pytest.mark.parametrize("one_more", [False, True])
def test_one_cluster_that_differs_does_not_make_the_answer_certain(one_more):
    # Every person has one dyad that stopped and one that went on; or one person differs.
    table = pd.DataFrame({"person": np.repeat(range(50), 2), "intake": 1, "exit": [1, 0] * 50})
    table.loc[0, "exit"] = 0 if one_more else 1
    found = prepost.paired_change(table, before="intake", after="exit", cluster="person")
    assert prepost.design_effects(found)[0]["risk_difference"] == 1
    change = found.one(measure="risk_difference")
    assert change.conf_high - change.conf_low > 0.15
    assert change.p_value > 1e-13  # it was 2e-36 with a design effect of 0.04


SIZES = {  # equal clusters are worth what they are; the rest, far fewer
    "equal": ([3] * 50, 50, 49),
    "one of 60": ([60] + [1] * 40, 100**2 / 3640, 100**2 / 3640 - 1),
    "five of 20": ([20] * 5 + [1] * 45, 145**2 / 2045, 145**2 / 2045 - 1),
    "almost one": ([500, 1], 501**2 / 250001, 1),
}


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("model", ["pairs", "levels"])
def test_unequal_clusters_are_worth_fewer_equal_ones(name, model):
    sizes, worth, df = SIZES[name]
    rng = np.random.default_rng(4)
    person = np.repeat(np.arange(len(sizes)), sizes)
    start, end = rng.integers(0, 2, (2, len(person)))
    table = pd.DataFrame({"person": person, "intake": start, "exit": end})
    columns = {"before": "intake", "after": "exit", "cluster": "person"}

    def run():
        if model == "pairs":
            return prepost.paired_change(table, **columns)
        return prepost.severity_shift(table, levels=[0, 1], **columns)

    said = f"{len(sizes)} clusters"
    if name == "equal":
        found = run()
    else:
        said += f" of unequal size, worth {worth:.1f} equal ones"
        with pytest.warns(DesignWarning, match=f'^{said} in "person": the intervals use t with'):
            found = run()
    check = found.check("clusters")
    assert check.text.startswith(said)
    assert check.statistic == approx(worth, rel=1e-12)
    assert check.passed is (name == "equal")
    found_df = prepost.design_effects(found)[1]
    measure = "risk_ratio" if model == "pairs" else "improved_minus_worsened"
    assert found_df[measure] == approx(df, rel=1e-12)


def test_bhapkars_test_counts_effective_clusters():
    table = grid_rows(MOVES)
    table["person"] = np.maximum(np.arange(len(table)) - len(table) // 2, 0)
    with pytest.warns(DesignWarning, match="of unequal size"):
        found = shift(table, cluster="person")
    sizes = table["person"].value_counts()
    worth = sizes.sum() ** 2 / (sizes**2).sum()
    check = found.check("bhapkar")
    assert check.statistic is not None
    scaled = check.statistic * (worth - check.df) / (check.df * (worth - 1))
    assert check.p_value == approx(stats.f.sf(scaled, check.df, worth - check.df))


def test_few_clusters_warn_and_fail_a_check():
    table = dyads(people=20)
    with pytest.warns(DesignWarning, match='20 clusters in "person": the intervals use t with 19'):
        found = prepost.paired_change(table, before="intake", after="exit", cluster="person")
    check = found.check("clusters")
    assert (check.passed, check.statistic, check.threshold) == (False, 20, 40)
    relaxed = prepost.paired_change(
        table, before="intake", after="exit", cluster="person", min_clusters=20
    )
    assert relaxed.check("clusters").passed
    assert relaxed.estimates == found.estimates


@pytest.mark.parametrize("counts", [(5, 9, 2, 11), (0, 1, 0, 0), (0, 0, 0, 1)])
def test_one_cluster_has_points_without_intervals(counts):
    table = rows(*counts).assign(site="north")
    columns = {"before": "intake", "after": "exit", "cluster": "site"}
    with pytest.warns(DesignWarning, match='1 cluster in "site": there is no interval'):
        found = prepost.paired_change(table, **columns)
    with pytest.warns(DesignWarning, match="1 cluster"):
        moved = prepost.severity_shift(table, levels=[False, True], **columns)
    plain = prepost.paired_change(table, before="intake", after="exit")
    assert [e.estimate for e in found.estimates] == [e.estimate for e in plain.estimates]
    for e in (*found.estimates, *moved.estimates):
        assert e.conf_low is e.conf_high is e.p_value is e.std_error is None
    assert "belong to one cluster" in found.check("risk_difference_interval").text
    assert "belong to one cluster" in moved.check("probability_improved_interval").text
    assert found.check("clusters").passed is False
    assert found.check("clusters").text.startswith("1 cluster; ")
    assert moved.check("sign_test").p_value is None
    assert prepost.design_effects(found)[1]["risk_difference"] == 0


@pytest.mark.parametrize("counts", [(20, 0, 0, 20), (0, 20, 0, 0), (20, 0, 0, 0)])
def test_a_standard_error_of_nothing_is_none(counts):
    # A meta-analysis that weighs by 1/error² would look at nothing else.
    names = ("both", "before_only", "after_only", "neither")
    found = prepost.paired_counts(**dict(zip(names, counts, strict=True)))
    assert all(e.std_error is None or e.std_error > 0 for e in found.estimates)
    assert found.one(measure="risk_difference").std_error is None
    change = found.one(measure="risk_difference")
    assert change.conf_low < change.conf_high
    share = prepost.proportion(events=9, n=9).one(measure="proportion")
    assert (share.estimate, share.std_error) == (1, None)
    moved = prepost.shift_counts(improved=0, same=20, worsened=0)
    assert all(e.std_error is None for e in moved.estimates)


def test_a_missing_cluster_is_refused():
    table = rows(5, 9, 2, 11).assign(person=[None, *range(26)])
    with pytest.raises(DataError, match=r'1 of 27 rows have no value in column "person"'):
        prepost.paired_change(table, before="intake", after="exit", cluster="person")


def test_users_of_a_single_cluster_have_a_share_without_an_interval():
    table = pd.DataFrame(
        {"person": np.repeat(range(45), 2), "intake": [1, 1] + [0] * 88, "exit": [0, 1] + [0] * 88}
    )
    table.loc[40:50, "exit"] = 1
    found = prepost.paired_change(table, before="intake", after="exit", cluster="person")
    stop = found.one(measure="cessation")
    assert stop.estimate == 0.5
    assert stop.conf_low is stop.conf_high is None
    assert "belong to one cluster" in found.check("cessation_interval").text
    again = prepost.paired_counts(
        both=1, before_only=1, after_only=11, neither=77, design_effect=2.0, df=0
    )
    assert again.one(measure="risk_ratio").conf_low is None
    assert again.one(measure="risk_ratio").p_value is None


# Severity


def grid_rows(moves):
    pairs = [pair for pair, count in moves.items() for _ in range(count)]
    return pd.DataFrame(pairs, columns=["intake", "exit"])


MOVES = {
    ("high", "none"): 9,
    ("high", "moderate"): 6,
    ("moderate", "none"): 7,
    ("moderate", "moderate"): 5,
    ("none", "none"): 4,
    ("none", "high"): 2,
}


def shift(table, **more):
    return prepost.severity_shift(table, before="intake", after="exit", levels=LEVELS, **more)


def test_transitions_have_every_cell_and_every_margin():
    table = shift(grid_rows(MOVES)).table("transitions")
    assert table["high", "none"] == 9
    assert table["standard", "standard"] == 0
    assert table["high", "all"] == 15
    assert table["all", "none"] == 20
    assert (table["all", "improved"], table["all", "same"], table["all", "worsened"]) == (22, 9, 2)
    assert table["all", "all"] == 33


def test_levels_that_nobody_used_are_left_out_and_said_so():
    found = shift(grid_rows(MOVES))
    without = prepost.severity_shift(
        grid_rows(MOVES), before="intake", after="exit", levels=["none", "moderate", "high"]
    )
    for name in ("bhapkar", "stuart_maxwell", "bowker"):
        assert found.check(name).statistic == approx(without.check(name).statistic)
        assert found.check(name).df == without.check(name).df
        assert "nobody used are left out: standard." in found.check(name).text
        assert "left out" not in without.check(name).text
    assert found.check("bhapkar").df == 2


def test_bhapkar_is_the_wald_test_of_the_margins():
    found, table = shift(grid_rows(MOVES)), grid_rows(MOVES)
    n = len(table)
    moved = np.array([[i == l for l in ("none", "moderate")] for i in table["intake"]], float)
    moved -= np.array([[j == l for l in ("none", "moderate")] for j in table["exit"]], float)
    d = moved.mean(axis=0)
    wald = d @ np.linalg.solve(np.cov(moved.T, ddof=0) / n, d)
    assert found.check("bhapkar").statistic == approx(wald)
    assert found.check("bhapkar").p_value == approx(stats.chi2.sf(wald, 2))


def test_groups_of_levels_between_which_nobody_moved_lose_a_degree_of_freedom():
    moves = {
        ("none", "standard"): 5,
        ("standard", "none"): 2,
        ("moderate", "high"): 3,
        ("high", "moderate"): 8,
    }
    found = shift(grid_rows(moves))
    # Two McNemar tests side by side.
    apart = 3**2 / 7 + 5**2 / 11
    assert found.check("stuart_maxwell").statistic == approx(apart)
    assert found.check("stuart_maxwell").df == 2
    assert found.check("bhapkar").df == 2


def test_nobody_moved():
    found = shift(grid_rows({("none", "none"): 5, ("high", "high"): 4}))
    for name in ("bhapkar", "stuart_maxwell", "bowker"):
        check = found.check(name)
        assert check.statistic is check.p_value is None
        assert "Not computed: nobody changed level" in check.text
    assert found.check("sign_test").p_value == 1
    assert found.one(measure="improved_minus_worsened").estimate == 0


def test_everybody_moved_alike():
    found = shift(grid_rows({("high", "none"): 9}))
    assert found.check("bhapkar").statistic is None
    assert "everybody moved alike" in found.check("bhapkar").text
    assert found.check("stuart_maxwell").statistic == approx(9)


def test_improved_minus_worsened_is_tangos():
    found = shift(grid_rows(MOVES)).one(measure="improved_minus_worsened")
    expected = _intervals.tango_difference(both=0, before_only=2, after_only=22, neither=9)
    assert (found.conf_low, found.conf_high) == expected
    assert found.p_value == _intervals.mcnemar_mid_p(before_only=2, after_only=22)
    assert (found.n, found.n_events, found.n_events_reference) == (33, 22, 2)


def test_counts_of_moves_give_what_rows_give():
    by_rows = shift(grid_rows(MOVES), outcome="physical")
    by_counts = prepost.shift_counts(improved=22, same=9, worsened=2, outcome="physical")
    assert by_counts.estimates == by_rows.estimates
    assert by_counts.check("sign_test") == by_rows.check("sign_test")
    assert by_counts.table("moves")["all"] == 33


def test_clustered_moves_follow_from_counts_and_design_effects():
    table = pd.concat([grid_rows(MOVES)] * 4, ignore_index=True)
    table["person"] = np.arange(len(table)) // 3
    found = shift(table, cluster="person")
    sizes, df = prepost.design_effects(found)
    assert sizes["probability_improved"] > 1
    again = prepost.shift_counts(improved=88, same=36, worsened=8, design_effect=sizes, df=df)
    assert again.estimates == found.estimates
    assert found.one(measure="improved_minus_worsened").p_value == approx(
        2 * stats.t.sf(80 / np.sqrt(96 * sizes["improved_minus_worsened"]), 43)
    )


def test_clustered_bhapkar_of_single_rows_is_bhapkar_but_for_n_minus_1():
    table = pd.concat([grid_rows(MOVES)] * 2, ignore_index=True)
    alone, n = shift(table), len(table)
    clustered = shift(table.assign(person=range(n)), cluster="person")
    plain = alone.check("bhapkar").statistic
    check = clustered.check("bhapkar")
    assert check.statistic == approx(plain * (n - 1) / n)
    assert check.df == 2
    expected = stats.f.sf(check.statistic * (n - 2) / (2 * (n - 1)), 2, n - 2)
    assert check.p_value == approx(expected)
    assert "allows for clusters" in clustered.check("stuart_maxwell").text


def test_clustered_bhapkar_with_too_few_or_too_equal_clusters_says_so():
    table = grid_rows(MOVES)
    table["site"] = np.arange(len(table)) % 2
    with pytest.warns(DesignWarning, match="2 clusters"):
        found = shift(table, cluster="site")
    assert "2 clusters are too few for 2 degrees of freedom" in found.check("bhapkar").text
    same = pd.concat([grid_rows(MOVES).assign(site=i) for i in range(50)], ignore_index=True)
    assert "moved too much alike" in shift(same, cluster="site").check("bhapkar").text


def test_numbers_and_categories_are_levels_too():
    table = grid_rows(MOVES)
    ranked = table.apply(lambda column: column.map(LEVELS.index))
    found = prepost.severity_shift(ranked, before="intake", after="exit", levels=range(4))
    assert found.estimates == shift(table).estimates
    assert found.table("transitions")["3", "0"] == 9
    assert shift(table.astype("category")).estimates == shift(table).estimates


def test_an_unknown_level_is_counted_not_shown():
    table = grid_rows(MOVES).replace("moderate", "medium")
    with pytest.raises(DataError, match='12 of 33 rows of "intake" hold something') as caught:
        shift(table)
    assert "medium" not in str(caught.value)
    assert "none, standard, moderate, high" in str(caught.value)


def test_a_missing_level_is_refused():
    table = grid_rows(MOVES)
    table.loc[3, "exit"] = None
    with pytest.raises(DataError, match='1 of 33 rows have no value in "intake" or "exit"'):
        shift(table)


@pytest.mark.parametrize("levels", ["none", ["none"], ["none", "none", "high"]])
def test_levels_are_two_or_more_and_different(levels):
    with pytest.raises(DataError, match="levels must list two or more different levels"):
        prepost.severity_shift(grid_rows(MOVES), before="intake", after="exit", levels=levels)


def test_a_level_may_not_have_the_name_of_a_total():
    with pytest.raises(DataError, match='a level may not be called "same"'):
        prepost.severity_shift(
            grid_rows(MOVES), before="intake", after="exit", levels=["same", "other"]
        )


# Population averages


def long_table(people=80, seed=5):
    rng = np.random.default_rng(seed)
    arm = np.repeat(["programme", "comparison"], people // 2)
    shared = rng.normal(size=people)
    used = [(shared + rng.normal(size=people) > cut).astype(int) for cut in (-0.6, 0.4)]
    return pd.DataFrame(
        {
            "person": [f"P{i:02d}" for i in range(people)] * 2,
            "arm": list(arm) * 2,
            "time_point": ["intake"] * people + ["exit"] * people,
            "after": [False] * people + [True] * people,
            "used": np.concatenate(used),
            "count": rng.poisson(1.5, 2 * people),
            "score": rng.normal(size=2 * people),
        }
    )


def average(table=None, **more):
    asked = {"outcome": "used", "covariates": ["after"], "groups": "person", **more}
    return prepost.population_average(long_table() if table is None else table, **asked)


def test_intake_and_comparison_are_references_whatever_the_alphabet_says():
    found = average(covariates=["time_point", "arm"])
    assert [e.term for e in found.estimates] == ["time_point[T.exit]", "arm[T.programme]"]
    assert found.one(term="time_point[T.exit]").estimate == approx(
        average(covariates=["after", "arm"]).one(term="after").estimate
    )
    said = found.assumptions[-1]
    assert 'time_point against "intake"' in said
    assert 'arm against "comparison"' in said


@pytest.mark.parametrize(
    ("more", "measure"),
    [
        ({}, "odds_ratio"),
        ({"link": "log"}, "risk_ratio"),
        ({"link": "identity"}, "risk_difference"),
        ({"family": "poisson", "link": "log"}, "risk_ratio"),
        ({"family": "poisson", "link": "log", "outcome": "count"}, "rate_ratio"),
        ({"family": "poisson", "link": "identity", "outcome": "count"}, "mean_difference"),
        ({"family": "gaussian", "link": "identity", "outcome": "score"}, "mean_difference"),
        ({"family": "gaussian", "link": "log", "outcome": "count"}, "mean_ratio"),
    ],
)
def test_each_link_measures_what_it_measures(more, measure):
    found = average(**more)
    assert found.one(term="after").measure == measure
    assert found.one(term="after").claim == "associational"
    assert found.check("converged").passed


def test_an_unadjusted_fit_gives_back_the_margins():
    table = long_table()
    before, after = (table.loc[table["after"] == t, "used"].mean() for t in (False, True))
    assert average(link="log").one(term="after").estimate == approx(after / before)
    assert average(link="identity").one(term="after").estimate == approx(after - before)
    odds = after / (1 - after) / (before / (1 - before))
    assert average().one(term="after").estimate == approx(odds)


def test_bias_reduced_errors_follow_mancl_and_derouen():
    table = long_table(people=24).sort_values("person").reset_index(drop=True)
    table = table.drop(index=[3, 10, 11])  # unequal clusters
    found = average(table, correlation="exchangeable")
    native = found.native
    alpha = float(native.cov_struct.dep_params)
    x = np.column_stack([np.ones(len(table)), table["after"].astype(float)])
    mu = 1 / (1 + np.exp(-x @ native.params))
    variance, residual = mu * (1 - mu), table["used"].to_numpy() - mu
    parts = []
    for index in table.reset_index(drop=True).groupby("person").indices.values():
        working = np.full((len(index),) * 2, alpha)
        np.fill_diagonal(working, 1)
        root = np.sqrt(variance[index])
        parts.append(
            (
                x[index] * variance[index][:, None],
                np.linalg.inv(root[:, None] * working * root),
                residual[index],
            )
        )
    bread = np.linalg.inv(sum(d.T @ w @ d for d, w, _ in parts))
    meat = np.zeros((2, 2))
    for d, w, e in parts:
        leverage = d @ bread @ d.T @ w
        score = d.T @ w @ np.linalg.solve(np.eye(len(e)) - leverage, e)
        meat += np.outer(score, score)
    expected = np.sqrt(np.diag(bread @ meat @ bread))[1]
    assert found.one(term="after").std_error == approx(expected, rel=1e-8)
    robust = average(table, correlation="exchangeable", cov="robust").one(term="after")
    assert robust.std_error < expected


def test_t_is_used_under_fifty_clusters_and_the_normal_from_there_on():
    few, many = average(long_table(people=48)), average(long_table(people=50))
    for found, law in ((few, stats.t(46)), (many, stats.norm)):
        e = found.one(term="after")
        assert np.log(e.conf_high / e.estimate) == approx(law.ppf(0.975) * e.std_error)
        assert e.p_value == approx(2 * law.sf(abs(np.log(e.estimate)) / e.std_error))
    assert "t with 46 df" in few.one(term="after").method


def test_plain_robust_errors_of_few_clusters_fail_a_check():
    found = average(long_table(people=48), cov="robust")
    assert found.check("clusters").passed is False
    assert 'Use cov="bias_reduced"' in found.check("clusters").text
    assert average(long_table(people=48)).check("clusters").passed


def test_row_order_does_not_matter():
    table = long_table()
    shuffled = table.sample(frac=1, random_state=3)
    one = average(table, correlation="exchangeable").one(term="after")
    other = average(shuffled, correlation="exchangeable").one(term="after")
    assert other.estimate == approx(one.estimate, rel=1e-9)
    assert other.std_error == approx(one.std_error, rel=1e-9)


def test_single_rows_have_no_correlation_to_estimate():
    table = long_table().assign(row=range(160))
    found = average(table, groups="row", correlation="exchangeable")
    assert found.one(term="after").estimate == approx(average(table).one(term="after").estimate)


@pytest.mark.parametrize(
    "more", [{}, {"link": "log"}, {"family": "poisson", "link": "log"}], ids=str
)
def test_separation_is_named_and_leaves_no_number(more):
    table = long_table()
    table.loc[table["after"], "used"] = 0
    found = average(table, covariates=["after", "arm"], **more)
    assert [e.term for e in found.estimates] == ["after", "arm[T.programme]"]
    assert all(e.estimate is e.conf_low is e.std_error is None for e in found.estimates)
    check = found.check("converged")
    assert check.passed is False
    assert "(separation) by: after" in check.text


def test_nobody_at_exit_is_no_trouble_for_a_difference():
    table = long_table()
    table.loc[table["after"], "used"] = 0
    found = average(table, link="identity").one(term="after")
    assert found.estimate == approx(-table.loc[~table["after"], "used"].mean())


def test_equations_that_do_not_settle_are_told(monkeypatch):
    monkeypatch.setattr("drive_eval.models._gee._STEPS", 1)
    found = average(covariates=["after", "score"])
    assert found.one(term="after").estimate is None
    assert "did not settle" in found.check("converged").text


def test_more_coefficients_than_clusters_leave_no_interval():
    table = long_table(people=8).assign(site=lambda t: t["person"].str[-1].astype(int) % 3)
    found = average(table, covariates=["after", "score", "count"], groups="site")
    estimate = found.one(term="after")
    assert estimate.estimate is not None
    assert estimate.conf_low is estimate.p_value is None
    assert "too few for 4 coefficients" in found.check("converged").text


def test_probabilities_that_would_pass_one_are_told():
    dose = np.linspace(0, 1, 40)
    used = [0] * 10 + [1, 0] * 5 + [1] * 20
    table = pd.DataFrame({"person": range(40), "dose": dose, "used": used})
    found = average(table, covariates=["dose"], link="identity")
    assert found.one(term="dose").estimate is None
    assert found.check("converged").passed is False
    assert 'use the logit link, family "poisson"' in found.check("converged").text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"family": "binomal"}, '"binomal" is no family. Nearest: "binomial"'),
        ({"family": "poisson", "link": "logit"}, '"logit" is no link of the poisson family'),
        ({"cov": "sandwich"}, '"sandwich" is no cov. Valid: "bias_reduced", "robust"'),
        ({"correlation": "ar1"}, '"ar1" is no correlation'),
        ({"groups": "one"}, 'all 160 rows belong to one cluster in "one"'),
        ({"covariates": ["after", "twice"]}, "columns of the model follow from the others"),
    ],
)
def test_designs_that_cannot_work_are_refused(more, message):
    table = long_table().assign(one="all", twice=lambda t: t["after"] * 2)
    with pytest.raises(DesignError, match=message):
        average(table, **more)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"outcome": "count"}, 'column "count" must hold true and false'),
        (
            {"outcome": "score", "family": "poisson", "link": "log"},
            "must hold counts, but",
        ),
        ({"outcome": "use"}, 'no column "use"'),
        ({"covariates": ["aftr"]}, 'no column "aftr" .*Nearest: "after"'),
        ({"groups": "persn"}, 'no column "persn" .*Nearest: "person"'),
        ({"conf_level": 95}, "conf_level must lie between 0 and 1"),
    ],
)
def test_columns_that_do_not_fit_are_refused(more, message):
    with pytest.raises(DataError, match=message):
        average(**more)


def test_missing_outcomes_are_refused_not_dropped():
    table = long_table().astype({"used": "Int64"})
    table.loc[[5, 9], "used"] = pd.NA
    with pytest.raises(DataError, match='2 of 160 rows have no value in column "used"'):
        average(table)
