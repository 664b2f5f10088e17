"""Rates and rate ratios: what they return, what they refuse, what they say of zeros."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from drive_eval.errors import DataError, DesignError, DesignWarning
from drive_eval.models import _count_exact, _count_fit, _count_rows, counts

approx = pytest.approx


def people(n=60, *, seed=3, effect=0.6):
    """One row per person: two arms that differ in rate, with frailty."""
    rng = np.random.default_rng(seed)
    arm = np.arange(n) % 2 == 0
    years = np.round(rng.uniform(0.4, 1.0, n), 2)
    y = rng.poisson(rng.gamma(1.2, 1 / 1.2, n) * years * np.where(arm, 2 * effect, 2.0))
    site = np.array(["north", "south", "south"])[np.arange(n) % 3]
    return pd.DataFrame(
        {"y": y, "years": years, "arm": arm, "site": site, "age": rng.integers(20, 60, n)}
    )


def pairs(n=60, *, seed=4):
    """Two rows per person, before and after, in two arms."""
    rng = np.random.default_rng(seed)
    own = rng.gamma(1.2, 1 / 1.2, n)
    rows = [
        pd.DataFrame(
            {
                "who": np.arange(n),
                "late": late,
                "arm": np.arange(n) % 2 == 0,
                "area": np.arange(n) // 3,
                "years": np.round(rng.uniform(0.4, 1.0, n), 2),
                "y": rng.poisson(own * 2.0 * (0.7 if late else 1.0), n),
            }
        )
        for late in (False, True)
    ]
    return pd.concat(rows, ignore_index=True)


ARMS = {"count": "y", "person_years": "years", "contrast": "arm"}
WITHIN = {"count": "y", "person_years": "years", "contrast": "late", "person": "who"}
CHANGE = {
    "count": "y",
    "person_years": "years",
    "treated": "arm",
    "period": "late",
    "person": "who",
}


# One rate


def test_a_rate_of_each_group():
    table = people()
    found = counts.rate(table, count="y", person_years="years", group="site")
    assert [e.group for e in found.estimates] == ["north", "south"]
    for e in found.estimates:
        rows = table[table["site"] == e.group]
        assert e.estimate == approx(100 * rows["y"].sum() / rows["years"].sum())
        low, high = (
            50 * stats.chi2.ppf(q, 2 * rows["y"].sum() + more) / rows["years"].sum()
            for q, more in ((0.025, 0), (0.975, 2))
        )
        assert (e.conf_low, e.conf_high) == approx((low, high))
        assert (e.n, e.n_events, e.unit) == (len(rows), rows["y"].sum(), "person")
        assert e.method == "per 100 person-years, exact Poisson"
    years = [c for c in found.checks if c.name == "person_years"]
    assert [c.group for c in years] == ["north", "south"]
    assert years[0].text.endswith("person-years.")


def test_robust_and_overdispersed_rates_are_wider_when_people_differ():
    table = people(200)
    found = {
        kind: counts.rate(table, count="y", person_years="years", interval=kind)
        for kind in ("exact", "robust", "overdispersed")
    }
    widths = {k: r.estimates[0].conf_high - r.estimates[0].conf_low for k, r in found.items()}
    assert widths["exact"] < min(widths["robust"], widths["overdispersed"])
    assert len({r.estimates[0].estimate for r in found.values()}) == 1
    effect = found["robust"].check("design_effect")
    again = counts.rate_counts(
        events=int(table["y"].sum()),
        person_years=float(table["years"].sum()),
        design_effect=effect.statistic,
        df=effect.df,
    ).estimates[0]
    assert again.conf_high == approx(found["robust"].estimates[0].conf_high)
    assert found["exact"].check("dispersion").passed is False
    assert "too narrow, by a factor of about" in found["exact"].check("dispersion").text
    assert found["robust"].check("dispersion").passed is None


def test_one_person_in_several_rows_is_one_person():
    table = pairs()
    found = counts.rate(table, count="y", person_years="years", person="who").estimates[0]
    assert found.n == 60
    assert "robust" in found.method


def test_a_rate_without_events_has_an_exact_upper_limit():
    table = pd.DataFrame({"y": [0, 0, 0], "years": [1.0, 2.0, 1.0]})
    for interval in ("exact", "robust", "overdispersed"):
        found = counts.rate(table, count="y", person_years="years", interval=interval)
        e = found.estimates[0]
        assert (e.estimate, e.conf_low) == (0, 0)
        assert e.conf_high == approx(-100 * math.log(0.025) / 4)
        assert "no event" in found.check("no_events").text


def test_a_total_of_nothing_has_no_interval():
    table = pd.DataFrame({"y": [0.0, 0.0, 1.5], "years": 1.0, "g": ["a", "a", "b"]})
    found = counts.rate(table, count="y", person_years="years", group="g")
    empty, single = found.estimates
    assert (empty.estimate, empty.conf_low, empty.conf_high) == (0, None, None)
    assert "nothing shows what one event would weigh" in found.check("no_events").text
    assert (single.estimate, single.conf_low) == (150, None)
    assert "there is no interval" in found.check("no_interval").text


def test_harm_does_not_depend_on_its_unit():
    table = people(200).assign(y=lambda t: t["y"] * 12.3)
    one, two = (
        counts.rate(t, count="y", person_years="years").estimates[0]
        for t in (table, table.assign(y=table["y"] / 365.25))
    )
    assert one.conf_low / one.estimate == approx(two.conf_low / two.estimate)
    assert one.conf_high / one.estimate == approx(two.conf_high / two.estimate)
    assert one.n_events is None


def test_a_group_without_time_is_not_forgotten():
    table = pd.DataFrame({"y": [1, 0], "years": [1.0, 0.0], "g": ["free", "custody"]})
    found = counts.rate(table, count="y", person_years="years", group="g")
    assert found.one(group="custody").estimate is None
    assert "nobody has any time at risk" in found.check("rate_undefined").text
    assert found.check("no_time").statistic == 1


def test_who_has_most_of_the_events():
    table = pd.DataFrame({"y": [50] + [1] * 199, "years": 1.0})
    check = counts.rate(table, count="y", person_years="years").check("dominance")
    assert check.statistic == approx(50 / 249)
    assert check.passed is False
    assert "1% of them (2 of 200) have 20.5%" in check.text
    loose = counts.rate(table, count="y", person_years="years", max_share=0.3)
    assert loose.check("dominance").passed is True


# Two rates


def test_a_plain_ratio_is_the_ratio_of_the_rates():
    table = people(80)
    found = counts.rate_ratio(table, method="poisson", **ARMS)
    programme = found.one(measure="rate", group="programme")
    comparison = found.one(measure="rate", group="comparison")
    ratio = found.one(measure="rate_ratio")
    assert ratio.estimate == approx(programme.estimate / comparison.estimate)
    gap = found.one(measure="rate_difference")
    assert gap.estimate == approx(programme.estimate - comparison.estimate)
    assert "per 100 person-years" in gap.method
    fall = found.one(measure="percent_reduction")
    assert fall.term == "rate"
    assert (fall.conf_low, fall.conf_high) == approx(
        (100 - 100 * ratio.conf_high, 100 - 100 * ratio.conf_low)
    )
    assert (ratio.n, ratio.n_reference) == (40, 40)
    assert ratio.n_events + ratio.n_events_reference == table["y"].sum()
    assert ratio.contrast == "programme v comparison"
    assert ratio.claim == "associational"


def test_before_and_after_are_described():
    found = counts.rate_ratio(pairs(), method="poisson", **WITHIN)
    ratio = found.one(measure="rate_ratio")
    assert (ratio.contrast, ratio.claim) == ("after v before", "descriptive")
    assert {e.group for e in found.estimates if e.measure == "rate"} == {"after", "before"}
    assert any("picked at their worst" in text for text in found.assumptions)


def test_named_levels():
    table = pairs().assign(when=lambda t: np.where(t["late"], "exit", "intake"))
    call = {**WITHIN, "contrast": "when"}
    found = counts.rate_ratio(table, method="poisson", level="exit", reference="intake", **call)
    plain = counts.rate_ratio(pairs(), method="poisson", **WITHIN)
    assert found.one(measure="rate_ratio").estimate == plain.one(measure="rate_ratio").estimate
    assert found.one(measure="rate_ratio").contrast == "exit v intake"
    words = table.assign(when=np.where(table["late"], "after", "before"))
    again = counts.rate_ratio(words, method="poisson", **call)
    assert again.one(measure="rate_ratio") == plain.one(measure="rate_ratio")


def test_rows_without_time_are_left_out_and_counted():
    table = people()
    more = pd.concat([table, table.head(3).assign(years=0.0, y=0)], ignore_index=True)
    found = counts.rate_ratio(more, **ARMS)
    assert found.one(measure="rate_ratio") == counts.rate_ratio(table, **ARMS).one(
        measure="rate_ratio"
    )
    assert found.check("no_time").statistic == 3
    assert "they say nothing of a rate" in found.check("no_time").text


def test_no_event_in_the_programme():
    table = people().assign(y=lambda t: np.where(t["arm"], 0, t["y"]))
    exact = counts.rate_ratio(table, method="exact", **ARMS).one(measure="rate_ratio")
    assert (exact.estimate, exact.conf_low, exact.std_error) == (0, 0, None)
    y, t1, t0 = table["y"].sum(), table["years"][table["arm"]].sum(), 0.0
    t0 = table["years"].sum() - t1
    share = 1 - 0.025 ** (1 / y)
    assert exact.conf_high == approx(share / (1 - share) * t0 / t1)
    for method in ("poisson", "negative_binomial"):
        robust = counts.rate_ratio(table, method=method, cov="robust", **ARMS)
        ratio = robust.one(measure="rate_ratio")
        assert (ratio.estimate, ratio.conf_low) == (0, 0)
        assert ratio.conf_high > exact.conf_high
        assert robust.one(measure="percent_reduction").estimate == 100
        gap = robust.one(measure="rate_difference")
        assert gap.conf_low < gap.estimate < gap.conf_high
    believed = counts.rate_ratio(table, method="poisson", cov="model", **ARMS)
    assert believed.one(measure="rate_ratio").conf_high == approx(exact.conf_high)


def test_no_event_in_the_comparison():
    table = people().assign(y=lambda t: np.where(t["arm"], t["y"], 0))
    for method in ("exact", "poisson", "negative_binomial"):
        found = counts.rate_ratio(table, method=method, **ARMS)
        ratio = found.one(measure="rate_ratio")
        assert ratio.estimate is None
        assert ratio.conf_low > 0
        assert ratio.conf_high == math.inf
        assert "interval is open above" in found.check("rate_ratio_undefined").text
        fall = found.one(measure="percent_reduction")
        assert (fall.estimate, fall.conf_low) == (None, -math.inf)


@pytest.mark.parametrize("method", ["exact", "poisson", "negative_binomial"])
@pytest.mark.parametrize("call", [ARMS, WITHIN], ids=["arms", "within"])
def test_no_event_at_all(method, call):
    table = (people() if call is ARMS else pairs()).assign(y=0)
    found = counts.rate_ratio(table, method=method, **call)
    ratio = found.one(measure="rate_ratio")
    assert (ratio.estimate, ratio.conf_low, ratio.conf_high) == (None, None, None)
    assert found.check("rate_ratio_undefined").text == (
        "there is no event in either group, so a ratio of rates is not defined."
    )
    gap = found.one(measure="rate_difference")
    assert gap.estimate == 0
    assert gap.conf_low < 0 < gap.conf_high
    assert all(e.conf_low == 0 for e in found.estimates if e.measure == "rate")


def test_no_event_afterwards_within_people():
    table = pairs().assign(y=lambda t: np.where(t["late"], 0, t["y"]))
    exact = counts.rate_ratio(table, method="exact", **WITHIN)
    ratio = exact.one(measure="rate_ratio")
    assert (ratio.estimate, ratio.conf_low) == (0, 0)
    before = table[~table["late"]].set_index("who")
    after = table[table["late"]].set_index("who")
    odds = after["years"] / before["years"]
    chance = (1 / (1 + ratio.conf_high * odds) ** before["y"]).prod()
    assert chance == approx(0.025, rel=1e-8)
    wide = counts.rate_ratio(table, method="poisson", **WITHIN).one(measure="rate_ratio")
    assert wide.conf_high > ratio.conf_high
    flipped = counts.rate_ratio(table.assign(late=~table["late"]), method="exact", **WITHIN)
    other = flipped.one(measure="rate_ratio")
    assert (other.estimate, other.conf_high) == (None, math.inf)
    assert other.conf_low == approx(1 / ratio.conf_high)


def test_a_single_persons_events_have_no_robust_interval():
    table = pd.DataFrame({"y": [3, 2], "years": [1.0, 1.0], "arm": [True, False]})
    found = counts.rate_ratio(table.loc[[0, 1, 1]].reset_index(), method="poisson", **ARMS)
    assert found.one(measure="rate_ratio").conf_low is None
    assert "nothing shows how much they differ" in found.check("no_interval").text


def test_an_arm_of_one_person_has_points_and_no_interval():
    table = pairs(12).assign(arm=lambda t: t["who"] == 0, y=lambda t: t["y"] + 1)
    with pytest.warns(DesignWarning, match="there is no interval"):
        found = counts.difference_in_differences(table, **CHANGE)
    ratio = found.one(measure="ratio_of_ratios")
    assert ratio.estimate > 0
    assert (ratio.conf_low, ratio.p_value) == (None, None)
    assert found.one(measure="rate_ratio", group="programme").conf_low is None
    assert found.check("no_interval")


def test_small_samples_settle():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        y = rng.poisson(rng.gamma(1.0, 3.0, 20)).astype(float)
        y[:4] += 1
        x = np.column_stack([np.ones(20), np.arange(20) % 2, rng.normal(size=20)])
        for alpha in (0.0, 1e-4, 0.5, 50.0):
            beta = _count_fit._climb(x, y, np.zeros(20), np.zeros(3), alpha)
            mean = np.exp(x @ beta)
            assert np.abs(x.T @ ((y - mean) / (1 + alpha * mean))).max() < 1e-6


def test_exact_within_people_uses_only_those_who_tell():
    table = pairs()
    found = counts.rate_ratio(table, method="exact", **WITHIN)
    told = table.groupby("who")["y"].sum() > 0
    assert found.check("informative").statistic == told.sum()
    fewer = table[table["who"].map(told)]
    again = counts.rate_ratio(fewer, method="exact", **WITHIN)
    a, b = (r.one(measure="rate_ratio") for r in (found, again))
    assert (a.estimate, a.conf_low, a.conf_high) == (b.estimate, b.conf_low, b.conf_high)


def test_bursts_are_noticed():
    rng = np.random.default_rng(8)
    table = pairs().assign(y=rng.integers(0, 2, 120) * 12)
    check = counts.rate_ratio(table, method="exact", **WITHIN).check("dispersion_within")
    assert check.passed is False
    assert "in bursts" in check.text
    calm = pairs(200)
    said = counts.rate_ratio(calm, method="exact", **WITHIN).check("dispersion_within")
    assert said.passed is True
    assert "as chance would" in said.text


def test_fewer_spread_than_poisson_ends_at_alpha_zero():
    table = pd.DataFrame(
        {"y": [2, 3, 2, 3] * 10, "years": 1.0, "arm": [True, True, False, False] * 10}
    )
    found = counts.rate_ratio(table, **ARMS)
    check = found.check("alpha")
    assert check.statistic == 0
    assert "is the Poisson model" in check.text
    assert found.native.alpha_error is None
    poisson = counts.rate_ratio(table, method="poisson", cov="model", **ARMS)
    assert found.one(measure="rate_ratio").conf_low == poisson.one(measure="rate_ratio").conf_low
    said = found.check("dispersion")
    assert said.p_value > 0.5
    assert "no sign that they vary more" in said.text


def test_alpha_is_told_with_its_error():
    found = counts.rate_ratio(people(200), **ARMS)
    check = found.check("alpha")
    assert check.statistic == found.native.alpha > 0
    assert "standard error" in check.text
    assert "Poisson" not in check.text


def test_leave_one_out_by_hand():
    table = people(60)
    table.loc[0, "y"] = 60
    for call in ({"method": "poisson"}, {"method": "exact"}, {}):
        found = counts.rate_ratio(table, **ARMS, **call)
        check = found.check("leave_one_out")
        all_of_them = [
            counts.rate_ratio(table.drop(i), **ARMS, **call).one(measure="rate_ratio").estimate
            for i in ([0, *range(1, 60, 7)] if not call else range(60))
        ]
        point = found.one(measure="rate_ratio").estimate
        assert check.statistic >= max(abs(math.log(r / point)) for r in all_of_them) - 1e-9
        if call:
            low, high = min(all_of_them), max(all_of_them)
            assert f"between {low:.3g} and {high:.3g}" in check.text
        assert check.passed is (check.statistic <= found.one(measure="rate_ratio").std_error)


def test_leave_one_out_within_people_by_hand():
    table = pairs(25)
    found = counts.rate_ratio(table, method="exact", **WITHIN)
    ends = []
    for who in range(25):
        rest = table[table["who"] != who]
        ratio = counts.rate_ratio(rest, method="exact", **WITHIN).one(measure="rate_ratio")
        ends.append(ratio.estimate)
    text = found.check("leave_one_out").text
    assert f"between {min(ends):.3g} and {max(ends):.3g}" in text


def test_all_events_from_one_person():
    table = people().assign(y=0)
    table.loc[[0, 1, 3], "y"] = [4, 2, 3]  # row 0 is in the programme
    check = counts.rate_ratio(table, method="exact", **ARMS).check("leave_one_out")
    assert check.statistic == math.inf
    assert check.passed is False
    assert "without them the ratio would be 0" in check.text
    other = counts.rate_ratio(table.assign(arm=~table["arm"]), method="exact", **ARMS)
    assert "without them no ratio exists" in other.check("leave_one_out").text
    within = pd.DataFrame({"who": [0, 0, 1, 1], "late": [True, False] * 2, "y": [2, 3, 0, 0]})
    alone = counts.rate_ratio(within.assign(years=1.0), method="exact", **WITHIN)
    assert "without them no ratio exists" in alone.check("leave_one_out").text


def test_one_step_and_refit_leave_the_same_person_out(monkeypatch):
    table = people(300)
    call = {**ARMS, "covariates": ["age"]}
    refit = counts.rate_ratio(table, **call).check("leave_one_out").statistic
    monkeypatch.setattr("drive_eval.models._count_numbers._REFITTED", 10)
    step = counts.rate_ratio(table, **call).check("leave_one_out").statistic
    assert step == approx(refit, rel=0.05)


def test_few_events_are_said():
    table = pd.DataFrame(
        {"y": [1, 0, 2, 0, 3, 0, 1, 1], "years": 1.0, "arm": [True, False] * 4, "x": range(8)}
    )
    table.loc[1, "y"] = 2
    found = counts.rate_ratio(table, covariates="x", **ARMS)
    assert found.check("few_events").passed is False
    assert found.check("events_per_parameter").passed is False
    assert counts.rate_ratio(table, min_events=5, **ARMS).check("few_events").passed is True


def test_covariates_standardise_the_difference():
    table = people(200)
    found = counts.rate_ratio(table, covariates="age + C(site)", method="poisson", **ARMS)
    x = np.column_stack([np.ones(200), table["arm"], table["age"], table["site"] == "north"])
    beta = found.native.coefficients
    rates = []
    for arm in (1, 0):
        x[:, 1] = arm
        rates.append(100 * (np.exp(x @ beta) * table["years"]).sum() / table["years"].sum())
    gap = found.one(measure="rate_difference")
    assert gap.estimate == approx(rates[0] - rates[1])
    assert "standardised" in gap.method


def test_few_clusters_are_warned_of():
    table = pairs().assign(area=lambda t: t["who"] // 4)
    with pytest.warns(DesignWarning, match="15 clusters.* with fewer than 40 equal ones"):
        found = counts.rate_ratio(table, method="poisson", cluster="area", **WITHIN)
    assert found.check("clusters").passed is False
    assert "Mancl–DeRouen" in found.one(measure="rate_ratio").method


def test_results_can_be_saved():
    for table in (pairs(), pairs().assign(y=lambda t: np.where(t["late"], t["y"], 0))):
        found = counts.rate_ratio(table, method="poisson", **WITHIN)
        again = type(found).from_json_dict(found.to_json_dict())
        assert again.estimates == found.estimates
        assert again.to_frame().shape == found.to_frame().shape


# Counts alone


def test_rates_from_counts_alone_and_from_rows():
    table = people()
    arm = table["arm"]
    rows = counts.rate_ratio(table, method="exact", **ARMS)
    alone = counts.rate_ratio_counts(
        events=int(table["y"][arm].sum()),
        person_years=float(table["years"][arm].sum()),
        events_reference=int(table["y"][~arm].sum()),
        person_years_reference=float(table["years"][~arm].sum()),
        names=("programme", "comparison"),
        n=30,
        n_reference=30,
        outcome="y",
        unit="person",
    )
    for measure in ("rate_ratio", "percent_reduction", "rate_difference"):
        a, b = rows.one(measure=measure), alone.one(measure=measure)
        assert a.estimate == approx(b.estimate)
        assert (a.conf_low, a.conf_high) == approx((b.conf_low, b.conf_high))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"events": -1, "person_years": 1.0}, "events must be a whole number of events, 0 or more"),
        ({"events": 1.5, "person_years": 1.0}, "events must be a whole number"),
        ({"events": 1, "person_years": 0}, "person_years must be a number of years above 0"),
        ({"events": 1, "person_years": "x"}, "person_years must be a number"),
        ({"events": 1, "person_years": 1, "design_effect": 0.5}, "design_effect must be a number"),
        ({"events": 1, "person_years": 1, "conf_level": 2}, "conf_level must lie between 0 and 1"),
    ],
)
def test_bad_counts_are_refused(call, said):
    with pytest.raises(DataError, match=said):
        counts.rate_counts(**call)


def test_a_df_must_be_above_zero():
    with pytest.raises(DesignError, match="df must be a number above 0"):
        counts.rate_counts(events=1, person_years=1.0, df=0)


# Two arms, before and after


def test_ratio_of_rate_ratios():
    table = pairs(100)
    found = counts.difference_in_differences(table, **CHANGE)
    cells = table.groupby(["arm", "late"])[["y", "years"]].sum()
    rate = cells["y"] / cells["years"]
    change = rate[:, True] / rate[:, False]
    ratio = found.one(measure="ratio_of_ratios")
    assert ratio.estimate == approx(change[True] / change[False])
    fell = rate[:, True] - rate[:, False]
    gap = found.one(measure="difference_in_differences")
    assert gap.estimate == approx(100 * (fell[True] - fell[False]))
    for group, arm in (("programme", True), ("comparison", False)):
        own = found.one(measure="rate_ratio", group=group)
        alone = counts.rate_ratio(table[table["arm"] == arm], method="poisson", **WITHIN)
        assert own.estimate == approx(alone.one(measure="rate_ratio").estimate)
        assert own.std_error == approx(alone.one(measure="rate_ratio").std_error)
        for when, late in (("before", False), ("after", True)):
            e = found.one(measure="rate", group=group, subgroup=when)
            assert e.estimate == approx(100 * rate[arm, late])
    assert ratio.claim == "associational"
    assert (ratio.n, ratio.n_reference) == (50, 50)
    assert found.one(measure="percent_reduction", group="").term == "ratio"


def test_no_event_after_in_the_programme():
    table = pairs(80)
    table.loc[table["arm"] & table["late"], "y"] = 0
    found = counts.difference_in_differences(table, **CHANGE)
    ratio = found.one(measure="ratio_of_ratios")
    assert (ratio.estimate, ratio.conf_low) == (0, 0)
    assert 0 < ratio.conf_high < 1
    gap = found.one(measure="difference_in_differences")
    assert gap.conf_low < gap.estimate < gap.conf_high
    assert "MOVER" in ratio.method


def test_no_event_after_in_the_comparison():
    table = pairs(80)
    table.loc[~table["arm"] & table["late"], "y"] = 0
    found = counts.difference_in_differences(table, **CHANGE)
    ratio = found.one(measure="ratio_of_ratios")
    assert ratio.estimate is None
    assert ratio.conf_high == math.inf
    assert "no event after, so the ratio of ratios has no point" in (
        found.check("ratio_of_ratios_undefined").text
    )


def test_no_event_before_or_none_after():
    table = pairs(80)
    before = table.assign(y=table["y"].where(~table["arm"] | table["late"], 0))
    found = counts.difference_in_differences(before, **CHANGE)
    assert found.one(measure="ratio_of_ratios").estimate is None
    assert "the programme group had no event before" in (
        found.check("ratio_of_ratios_undefined").text
    )
    after = table.assign(y=table["y"].where(~table["late"], 0))
    found = counts.difference_in_differences(after, **CHANGE)
    ratio = found.one(measure="ratio_of_ratios")
    assert (ratio.estimate, ratio.conf_low) == (None, None)
    assert "neither arm had an event after" in found.check("ratio_of_ratios_undefined").text
    nothing = counts.difference_in_differences(table.assign(y=0), **CHANGE)
    assert "programme and the comparison group had no event before" in (
        nothing.check("ratio_of_ratios_undefined").text
    )


def test_leave_one_out_of_two_arms_by_hand():
    table = pairs(40)
    found = counts.difference_in_differences(table, min_clusters=5, **CHANGE)
    ends = [
        counts.difference_in_differences(table[table["who"] != who], min_clusters=5, **CHANGE)
        .one(measure="ratio_of_ratios")
        .estimate
        for who in range(40)
    ]
    assert f"between {min(ends):.3g} and {max(ends):.3g}" in found.check("leave_one_out").text


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda t: t.drop(0), DataError, "1 of 60 people have only one of the two periods"),
        (lambda t: pd.concat([t, t.head(2)]), DataError, "2 rows repeat a person and period"),
        (lambda t: t.assign(arm=t["late"]), DataError, "60 people have more than one value of"),
        (
            lambda t: t.assign(years=t["years"].where(~t["arm"] | ~t["late"], 0), y=0),
            DesignError,
            "the programme group has no time at risk after",
        ),
    ],
)
def test_bad_tables_of_two_arms_are_refused(change, error, said):
    with pytest.raises(error, match=said):
        counts.difference_in_differences(change(pairs()), **CHANGE)


# What is refused


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y": -1}, 'rows of "y" are below 0'),
        ({"years": -1.0}, 'rows of "years" are below 0'),
        ({"y": None}, 'have no value in column "y"'),
        ({"y": "many"}, 'column "y" .count. must hold numbers'),
        ({"y": math.inf}, "are not finite"),
        ({"y": 10**9}, "above ten million, which no count of incidents is"),
        ({"years": 0.0, "y": 1}, 'count events in "y" but have no time at risk'),
        ({"years": 0.0, "y": 0}, 'no row has any time at risk in "years"'),
        ({"arm": "either"}, 'column "arm" .contrast. must hold true and false'),
    ],
)
def test_bad_columns_are_refused(change, said):
    with pytest.raises(DataError, match=said):
        counts.rate_ratio(people().assign(**change), **ARMS)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        ({"count": "yy"}, DataError, 'no column "yy" .count..* Nearest: "y"'),
        ({"person_years": "y"}, DataError, "is given as the count and as the person-years"),
        ({"contrast": "y"}, DataError, "is given as the contrast and as something else"),
        ({"method": "poison"}, DesignError, 'method="poison" is not known. Nearest: "poisson"'),
        ({"cov": "HC3"}, DesignError, 'cov="HC3" is not known'),
        ({"conf_level": 95}, DataError, "conf_level must lie between 0 and 1"),
        ({"min_events": "few"}, DesignError, "min_events must be a number"),
        ({"cov": "quasi"}, DesignError, 'cov="quasi" belongs to method="poisson"'),
        (
            {"method": "exact", "covariates": "age"},
            DesignError,
            "an exact ratio takes no covariates",
        ),
        ({"method": "exact", "cov": "model"}, DesignError, "it has neither cov nor cluster"),
        ({"method": "exact", "person": "id"}, DesignError, "no person has rows of both groups"),
        ({"cov": "model", "cluster": "site"}, DesignError, "takes rows to be independent"),
        ({"level": "x"}, DesignError, "level and reference are two different values"),
        (
            {"contrast": "site", "level": "nort", "reference": "south"},
            DataError,
            'no row of "site" is "nort". Nearest: "north"',
        ),
        ({"covariates": "age + arm"}, DesignError, "stands among the covariates too"),
        ({"covariates": "arm2"}, DesignError, "follow from the others or never vary: arm"),
        ({"cluster": "one"}, DesignError, "all 60 rows belong to one cluster"),
        ({"cluster": "eight"}, DesignError, "only 8 clusters were allocated, each as a whole"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, error, said):
    table = people().assign(
        id=range(60),
        one=1,
        arm2=lambda t: t["arm"] * 1.0,
        eight=lambda t: np.where(t["arm"], 0, 4) + np.arange(60) // 2 % 4,
    )
    with pytest.raises(error, match=said):
        counts.rate_ratio(table, **{**ARMS, **call})


def test_other_levels_are_refused():
    table = people().assign(site=["north", "south", "west"] * 20)
    with pytest.raises(DataError, match='20 rows of "site" are neither "north" nor "south"'):
        counts.rate_ratio(table, **{**ARMS, "contrast": "site"}, level="north", reference="south")


def test_one_group_alone_is_refused():
    with pytest.raises(DesignError, match='no row with time at risk is "comparison"'):
        counts.rate_ratio(people().assign(arm=True), **ARMS)


def test_harm_by_a_method_for_counts_is_refused():
    harm = people().assign(y=lambda t: t["y"] * 1.5)
    for method in ("exact", "negative_binomial"):
        with pytest.raises(DesignError, match=f'not whole numbers: method="{method}" is for'):
            counts.rate_ratio(harm, method=method, **ARMS)
    with pytest.raises(DesignError, match="believes a law of counts"):
        counts.rate_ratio(harm, method="poisson", cov="model", **ARMS)
    with pytest.raises(DesignError, match='interval="exact" is for counts of'):
        counts.rate(harm, count="y", person_years="years", interval="exact")
    found = counts.rate_ratio(harm, method="poisson", **ARMS)
    whole = counts.rate_ratio(people(), method="poisson", **ARMS)
    a, b = (r.one(measure="rate_ratio") for r in (found, whole))
    assert (a.estimate, a.std_error) == approx((b.estimate, b.std_error))
    assert "no law of chance of their own" in found.check("dispersion").text


def test_a_rate_of_clusters_is_not_exact():
    with pytest.raises(DesignError, match='interval="exact" takes rows to be independent'):
        counts.rate(pairs(), count="y", person_years="years", person="who", interval="exact")
    with pytest.raises(DesignError, match='interval="exat" is not known. Nearest: "exact"'):
        counts.rate(pairs(), count="y", person_years="years", interval="exat")


def test_days_given_for_years_are_noticed():
    table = pairs().assign(years=lambda t: t["years"] * 365.25)
    with pytest.raises(DataError, match="60 people have more than 120 years .*divide days"):
        counts.rate_ratio(table, **WITHIN)


def test_people_in_two_clusters_are_refused():
    table = pairs().assign(area=lambda t: t["late"] * 1 + t["who"] % 12)
    with pytest.raises(DataError, match='60 people have more than one value of "area"'):
        counts.rate_ratio(table, cluster="area", **WITHIN)


def test_covariates_beside_a_group_without_events_are_refused():
    table = people().assign(y=lambda t: np.where(t["arm"], 0, t["y"]))
    with pytest.raises(DesignError, match="no event in one of the groups, so no model with cov"):
        counts.rate_ratio(table, covariates="age", **ARMS)


def test_levels_without_events_are_named():
    table = people().assign(
        site=np.array(["north", "south", "west"])[np.arange(60) % 3],
        y=lambda t: np.where(t["site"] == "west", 0, t["y"] + (t["site"] == "north")),
    )
    for method in ("poisson", "negative_binomial"):
        with pytest.raises(DesignError, match="rows that .*site: west.* tell apart hold no event"):
            counts.rate_ratio(table, covariates="site", method=method, **ARMS)


def test_person_without_events_is_no_obstacle_to_a_number():
    table = people().assign(age=lambda t: np.where(t["y"] > 0, 30, t["age"]))
    with pytest.raises(DesignError) as error:
        # 30 wherever there is an event, and on both sides of 30 elsewhere: it does fit
        counts.rate_ratio(table.assign(age=30 + 5 * (table["y"] == 0)), covariates="age", **ARMS)
    assert "age" in str(error.value)
    assert counts.rate_ratio(table, covariates="age", method="poisson", **ARMS).estimates


def test_a_person_who_decides_a_coefficient_alone_is_refused():
    table = people(40).assign(odd=0.0)
    row = table.index[(table["y"] > 0) & table["arm"]][0]
    table.loc[row, "odd"] = 1.0
    with pytest.raises(DesignError, match="alone decides a coefficient"):
        counts.rate_ratio(table, covariates="odd", method="poisson", **ARMS)


# Kernels at their edges


def test_slopes_of_alpha_have_no_seam():
    rng = np.random.default_rng(5)
    y = rng.poisson(3.0, 200).astype(float)
    above = _count_fit._above(y)
    mean = np.full(200, 3.0)
    first, second = _count_fit._slopes(y, mean, above, 1e-10)
    assert first == approx(((y - 3) ** 2 - y).sum() / 2)
    j = np.arange(len(above))
    assert second == approx(-(above @ j**2) - 2 / 3 * 200 * 27 + 9 * y.sum())
    for alpha in (1e-2, 0.02 / 3 * 0.999, 0.02 / 3 * 1.001, 0.5, 40.0):
        first, second = _count_fit._slopes(y, mean, above, alpha)
        step = alpha * 1e-4
        ends = [_count_fit._loglik(y, mean, alpha + s * step) for s in (-1, 1)]
        assert (ends[1] - ends[0]) / (2 * step) == approx(first, rel=1e-4, abs=1e-4)
        slopes = [_count_fit._slopes(y, mean, above, alpha + s * step)[0] for s in (-1, 1)]
        assert (slopes[1] - slopes[0]) / (2 * step) == approx(second, rel=1e-3, abs=1e-3)


def test_nearly_all_zero_and_a_few_huge_is_refused():
    y = np.zeros(4000)
    y[0] = 5e6
    x = np.ones((4000, 1))
    with pytest.raises(DesignError, match="nearly all rows count nothing"):
        _count_fit.negative_binomial(x, y, np.ones(4000), ("Intercept",))


def test_exact_within_persons_equals_totals_when_periods_are_alike():
    first, total = np.array([1.0, 0, 2, 5]), np.array([3.0, 1, 2, 9])
    point, low, high, p = _count_exact.within_persons(first, total, np.full(4, 0.5), 0.9)
    limits = _count_exact.ratio_limits((8.0, 7.0), (1.0, 2.0), 0.9)
    assert point == approx(8 / 7 * 2)
    assert (low, high) == approx(limits)
    assert p == approx(_count_exact.ratio_test((8.0, 7.0), (1.0, 2.0)))


def test_fractional_counts_have_a_central_p():
    low, high = _count_exact.ratio_limits((3.2, 9.1), (1.0, 1.0), 0.95)
    p = _count_exact.ratio_test((3.2, 9.1), (1.0, 1.0))
    assert (p < 0.05) == (not low < 1 < high)
    assert _count_exact.ratio_test((0.0, 2.5), (1.0, 1.0)) == approx(2 * 0.5**2.5)


def test_levels_of_true_and_false():
    table = pd.DataFrame({"x": [1, 0, 1]})
    flag, names = _count_rows.two_levels(table, "x", "contrast", within=True)
    assert (list(flag), names) == ([True, False, True], ("after", "before"))


def test_no_event_in_one_arm_allows_for_how_people_differ_by_default():
    y = [0] * 12 + [9, 0, 0, 6, 0, 0, 0, 4, 0, 0, 0, 0]
    table = pd.DataFrame({"y": y, "years": 1.0, "arm": [True] * 12 + [False] * 12})
    found, robust, believed = (
        counts.rate_ratio(table, count="y", person_years="years", contrast="arm", **how).one(
            measure="rate_ratio"
        )
        for how in ({}, {"method": "poisson"}, {"method": "poisson", "cov": "model"})
    )
    assert found.conf_high == robust.conf_high > 3 * believed.conf_high
    assert "design effect" in found.method


def test_one_person_an_arm_has_no_interval_by_any_model():
    table = pd.DataFrame({"y": [2, 7], "years": 1.0, "arm": [True, False]})
    result = counts.rate_ratio(table, count="y", person_years="years", contrast="arm")
    found = result.one(measure="rate_ratio")
    assert (found.estimate, found.conf_low) == (approx(2 / 7), None)
    assert result.check("no_interval")
    assert not [c for c in result.checks if c.name == "alpha"]


@pytest.mark.parametrize("unit", [1, 1.5])
def test_everybody_changed_alike_is_no_certainty(unit):
    rows = [(1, 0, 3), (1, 1, 2), (2, 0, 2), (2, 1, 1), (3, 0, 3), (3, 1, 0), (4, 0, 1), (4, 1, 1)]
    long = pd.DataFrame(rows, columns=["who", "late", "y"])
    long = long.assign(y=long["y"] * unit, years=1.0, arm=long["who"] < 3)
    found = counts.difference_in_differences(long, min_clusters=2, **CHANGE)
    gap = found.one(measure="rate_difference", group="programme")
    assert (gap.estimate, gap.conf_low) == (approx(-100 * unit), None)
    said = [c.text for c in found.checks if c.name == "no_interval" and c.group == "programme"]
    assert "changed by the same amount" in said[0]
