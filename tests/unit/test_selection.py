"""People come in at a crisis: the fall that is there without a programme, three ways."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from drive_eval.data.synthetic import draw_events, draw_severity, load_world
from drive_eval.data.synthetic.behaviour import Stream, draw_behaviour
from drive_eval.errors import DataError, DesignError, UndefinedResultError
from drive_eval.measures import offending
from drive_eval.models import sensitivity
from drive_eval.models.comparison import difference_in_differences
from drive_eval.models.prepost import paired_change
from drive_eval.models.sensitivity import (
    expected_fall,
    expected_fall_of_counts,
    regression_to_the_mean,
)

approx = pytest.approx
FULL = os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1"


def rng(seed=1):
    return np.random.default_rng(seed)


def points(found, *names):
    return [found.one(measure=name).estimate for name in names]


def scores(n=4000, seed=1, effect=0.0):
    """Three scores of people picked because the first was above 60."""
    draw = rng(seed)
    trait = 50 + 8 * draw.normal(size=n)
    table = pd.DataFrame(
        {name: trait + 6 * draw.normal(size=n) for name in ("intake", "second", "exit")}
    )
    table["exit"] -= effect
    return table[table["intake"] > 60].reset_index(drop=True)


def repeated(table, **options):
    settings = {"before": "intake", "after": "exit", "repeat": "second", "draws": 1000}
    return regression_to_the_mean(table, rng=rng(), **{**settings, **options})


# A second baseline


def test_the_three_falls_add_up_and_are_plain_means():
    table = scores(effect=2)
    found = repeated(table, outcome="dash", unit="person", reporter="idva")
    observed, expected, beyond = points(found, "observed_fall", "expected_fall", "fall_beyond")
    assert observed == approx((table["intake"] - table["exit"]).mean())
    assert expected == approx((table["intake"] - table["second"]).mean())
    assert observed == approx(expected + beyond)
    assert points(found, "share_explained") == [approx(100 * expected / observed)]
    for estimate in found.estimates:
        assert (estimate.outcome, estimate.unit, estimate.reporter) == ("dash", "person", "idva")
        assert (estimate.term, estimate.n) == ("difference", len(table))
        assert estimate.claim == "descriptive"
    beyond = found.one(measure="fall_beyond")
    error = (table["second"] - table["exit"]).std() / np.sqrt(len(table))
    assert beyond.std_error == approx(error, rel=0.1)
    assert beyond.conf_low > 0
    assert found.check("regression_to_the_mean").text.endswith("more than was to be expected.")


def test_of_users_the_falls_are_in_percent():
    table = scores() > 55
    table.loc[:39, "intake"] = False  # some were no users when they came in
    found = repeated(table, threshold="standard")
    b, r, a = (table[name].sum() for name in ("intake", "second", "exit"))
    assert points(found, "observed_fall", "expected_fall", "fall_beyond") == approx(
        [100 * (1 - a / b), 100 * (1 - r / b), 100 * (1 - a / r)]
    )
    score = paired_change(table, before="intake", after="exit").one(measure="percent_reduction")
    observed = found.one(measure="observed_fall")
    assert observed.estimate == approx(score.estimate)
    assert observed.conf_low == approx(score.conf_low, abs=1)
    assert observed.term == "percent"
    assert "no clear fall beyond" in found.check("regression_to_the_mean").text
    other = repeated(table, scale="difference").one(measure="observed_fall")
    assert other.estimate == approx((b - a) / len(table))


def test_whole_clusters_are_drawn():
    table = scores()
    twice = pd.concat([table, table]).assign(person=list(range(len(table))) * 2)
    once = repeated(table).one(measure="fall_beyond")
    kept = repeated(twice, cluster="person").one(measure="fall_beyond")
    apart = repeated(twice).one(measure="fall_beyond")
    assert kept.std_error == approx(once.std_error, rel=0.1)
    assert apart.std_error < 0.8 * kept.std_error


def test_a_rise_has_no_share_and_says_why():
    found = repeated(scores(effect=-9))
    assert found.one(measure="share_explained").estimate is None
    assert found.check("interval").text.startswith(
        "share_explained: no bootstrap interval, because it does not exist in the sample."
    )
    assert found.check("regression_to_the_mean").text.endswith("less than was to be expected.")


# A comparison arm


def test_the_comparison_arm_gives_what_difference_in_differences_gives():
    world = {"rng": rng(3), "n": 500}
    arms = [draw_severity(**world, arm=arm).assign(arm=arm) for arm in ("programme", "comparison")]
    table = pd.concat(arms, ignore_index=True)
    for column in ("physical_before", "physical_after"):
        table[column] = table[column] > 0
    found = regression_to_the_mean(
        table,
        before="physical_before",
        after="physical_after",
        treated="arm",
        rng=rng(),
        draws=1000,
    )
    own, other = (table[table["arm"] == arm] for arm in ("programme", "comparison"))
    falls = [
        100 * (1 - arm["physical_after"].sum() / arm["physical_before"].sum())
        for arm in (own, other)
    ]
    assert points(found, "observed_fall", "expected_fall") == approx(falls)
    long = table.rename_axis("person").reset_index()
    long = pd.concat(
        [
            long.assign(period=when, abuse=long[f"physical_{name}"])
            for when, name in ((False, "before"), (True, "after"))
        ]
    )
    ratio = difference_in_differences(
        long, outcome="abuse", treated="arm", period="period", person="person"
    ).one(measure="ratio_of_ratios")
    beyond = found.one(measure="fall_beyond")
    assert beyond.estimate == approx(100 * (1 - ratio.estimate))
    assert (beyond.claim, beyond.contrast) == ("associational", "programme v comparison")
    assert beyond.conf_low == approx(100 * (1 - ratio.conf_high), abs=4)
    assert beyond.n == 500
    plain = regression_to_the_mean(
        table,
        before="physical_before",
        after="physical_after",
        treated="arm",
        scale="difference",
        rng=rng(),
        draws=200,
    )
    observed, expected, rest = points(plain, "observed_fall", "expected_fall", "fall_beyond")
    assert rest == approx(observed - expected)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"repeat": None}, DesignError, "name either repeat .* or treated"),
        ({"treated": "second"}, DesignError, "name either repeat .* or treated"),
        ({"repeat": "secnd"}, DataError, 'no column "secnd" \\(repeat\\).*"second"'),
        ({"scale": "ratio"}, DesignError, '"ratio" is no scale'),
        ({"repeat": None, "treated": "all"}, DesignError, '"all" \\(treated\\) holds one arm only'),
        ({"draws": 5}, DesignError, "draws must be a whole number of at least 100"),
        ({"conf_level": 2}, DataError, "conf_level must lie between 0 and 1"),
    ],
)
def test_falls_that_cannot_be_meant_are_refused(change, kind, message):
    with pytest.raises(kind, match=message):
        repeated(scores().assign(all=True), **change)


# The normal formula


def test_the_worked_number_of_the_notes():
    found = expected_fall(mean=50, within_sd=6, between_sd=8, cutoff=60)
    assert points(found, "expected_fall") == [approx(5.490487, abs=1e-6)]
    assert found.check("given").text.startswith("mean and standard deviations were given")


def test_the_formula_is_what_happens_to_people_above_a_cut():
    table = scores(n=400_000, seed=5)
    found = expected_fall(mean=50, within_sd=6, between_sd=8, cutoff=60, used_from=63)
    fall = table["intake"] - table["second"]
    score = found.one(measure="expected_fall", term="difference").estimate
    assert score == approx(fall.mean(), abs=4 * fall.std() / np.sqrt(len(table)))
    before, after = points(found, "prevalence_before", "prevalence_after")
    assert before == approx((table["intake"] > 63).mean(), abs=0.01)
    assert after == approx((table["second"] > 63).mean(), abs=0.01)
    users = found.one(measure="expected_fall", term="percent").estimate
    assert users == approx(100 * (1 - after / before))


@pytest.mark.parametrize("used_from", [40.0, 60.0, 75.0])
@pytest.mark.parametrize(("within", "between"), [(6.0, 8.0), (1.0, 9.0), (9.0, 0.5)])
def test_shares_of_users_are_integrals_of_the_bivariate_normal(used_from, within, between):
    found = expected_fall(
        mean=50, within_sd=within, between_sd=between, cutoff=60, used_from=used_from
    )
    total = np.hypot(within, between)

    def both(level):
        chance = stats.norm.sf((60 - level) / within) * stats.norm.sf((used_from - level) / within)
        return chance * stats.norm.pdf(level, 50, between)

    ends = (50 - 12 * between, 50 + 12 * between)
    joint, _ = integrate.quad(both, *ends, points=[50, 60], epsabs=1e-14, limit=400)
    picked = stats.norm.sf(10 / total)
    assert points(found, "prevalence_after") == [approx(joint / picked, rel=1e-6)]
    at_first = stats.norm.sf((max(60, used_from) - 50) / total) / picked
    assert points(found, "prevalence_before") == [approx(at_first)]


def test_spread_is_read_from_a_sample_that_was_not_picked():
    draw = rng(2)
    trait = 50 + 8 * draw.normal(size=1500)
    sample = pd.DataFrame({n: trait + 6 * draw.normal(size=1500) for n in ("a", "b")})
    found = expected_fall(
        sample, first="a", second="b", rng=rng(), cutoff=60, used_from=55, draws=1000
    )
    apart = (sample["a"] - sample["b"]).var() / 2
    assert found.one(measure="within_sd").estimate == approx(np.sqrt(apart))
    assert found.one(measure="between_sd").estimate == approx(np.sqrt(sample.cov().loc["a", "b"]))
    fall = found.one(measure="expected_fall", term="difference")
    assert fall.conf_low < 5.490487 < fall.conf_high
    given = expected_fall(
        mean=sample["a"].mean(),
        within_sd=np.sqrt(apart),
        between_sd=found.one(measure="between_sd").estimate,
        cutoff=60,
        used_from=55,
    )
    for one, two in zip(given.estimates, found.estimates[:4], strict=True):
        assert (one.measure, one.term) == (two.measure, two.term)
        assert one.estimate == approx(two.estimate)
    # Far from 0 the same comes out.
    far = expected_fall(sample + 1e7, first="a", second="b", rng=rng(), cutoff=60 + 1e7, draws=1000)
    assert points(far, "expected_fall") == [approx(fall.estimate, rel=1e-6)]


def test_an_observed_fall_stands_beside():
    observed = repeated(scores()).one(measure="observed_fall")
    found = expected_fall(mean=50, within_sd=6, between_sd=8, cutoff=60, observed=observed)
    assert found.estimates[0] == observed
    assert observed.conf_low < points(found, "expected_fall")[0] < observed.conf_high


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"mean": 50, "within_sd": 6}, DesignError, "give mean, within_sd and between_sd, or"),
        ({"mean": 50, "within_sd": 0, "between_sd": 8}, DesignError, "within_sd must be a number"),
        ({"sample": True, "mean": 50}, DesignError, "give either a sample or mean"),
        ({"sample": True, "first": "a"}, DesignError, "name the columns first and second"),
        ({"sample": True, "first": "a", "second": "b"}, DesignError, "rng must be a numpy Gen"),
        (
            {"sample": True, "first": "a", "second": "a", "rng": rng()},
            UndefinedResultError,
            "nothing varies within people",
        ),
        ({"cutoff": "60"}, DesignError, "cutoff must be a number"),
        ({"used_from": "60"}, DesignError, "used_from must be a number"),
    ],
)
def test_formulas_that_cannot_be_meant_are_refused(options, kind, message):
    settings = {"cutoff": 60, **options}
    if settings.pop("sample", False):
        settings["sample"] = pd.DataFrame({"a": [1.0, 2, 4, 3], "b": [2.0, 1, 3, 4]})
    with pytest.raises(kind, match=message):
        expected_fall(**settings)
    with pytest.raises(UndefinedResultError, match="the sample has 2 people; at least 3"):
        expected_fall(
            pd.DataFrame({"a": [1.0, 2], "b": [2.0, 2]}), first="a", second="b", rng=rng(), cutoff=1
        )


# Counts


def people(n=3000, seed=1, shape=1.0, ratio=1.0, years=(1.0, 1.0)):
    draw = rng(seed)
    rate = draw.gamma(shape, 1 / shape, size=n)
    low, high = years
    table = pd.DataFrame({"years": draw.uniform(low, high, n), "later": 0.5})
    table["before"] = draw.poisson(rate * table["years"])
    table["after"] = draw.poisson(ratio * rate * table["later"])
    return table


def counted(table, **options):
    settings = {"before": "before", "person_years_before": "years", "at_least": 3, "draws": 1000}
    settings |= {"after": "after", "person_years_after": "later"}
    return expected_fall_of_counts(table, rng=rng(), **{**settings, **options})


def test_the_expected_rate_is_the_mean_of_the_gamma_posterior():
    table = people()
    found = counted(table)
    x = table["before"]
    mean, spread = x.mean(), x.var() - x.mean()  # with one length of window
    picked = table[x >= 3]
    expected = ((picked["before"] * spread + mean**2) / (spread + mean)).mean()
    assert points(found, "rate_before", "rate_expected", "rate_after") == approx(
        [picked["before"].mean(), expected, picked["after"].sum() / picked["later"].sum()]
    )
    observed, beyond = points(found, "observed_fall", "fall_beyond")
    assert 1 - observed / 100 == approx((1 - beyond / 100) * expected / picked["before"].mean())
    assert found.check("spread").statistic == approx(np.sqrt(spread))
    named = counted(table.assign(picked=x >= 3), at_least=None, selected="picked")
    for one, two in zip(found.estimates, named.estimates, strict=True):
        assert one.estimate == approx(two.estimate)
        assert (one.subgroup, two.subgroup) == ("3 or more before", "picked")


def test_robbins_counts_those_who_had_more():
    table = people()
    found = counted(table, model="robbins")
    picked = table[table["before"] >= 3]
    more = table.loc[table["before"] >= 4, "before"].sum()
    assert points(found, "rate_expected") == [approx(more / picked["years"].sum())]
    of_picked_only = counted(picked, model="robbins")
    assert points(of_picked_only, "expected_fall") == points(found, "expected_fall")
    bayes = counted(table).one(measure="expected_fall")
    assert points(found, "expected_fall") == [approx(bayes.estimate, abs=4)]


def test_where_rates_do_not_differ_the_whole_of_a_high_count_passes():
    table = people(shape=1e9, seed=4)
    table["before"] = np.tile([0, 1, 2, 3], 750)  # less spread than chance makes
    found = counted(table)
    assert points(found, "rate_expected") == [approx(1.5)]
    assert found.check("spread").statistic == 0
    assert "as if all people had one rate" in found.check("spread").text


def test_without_counts_afterwards_there_is_only_what_is_expected():
    found = counted(people(), after=None, person_years_after=None)
    assert [e.measure for e in found.estimates] == ["rate_before", "rate_expected", "expected_fall"]
    assert points(found, "expected_fall") == [
        approx(counted(people()).one(measure="expected_fall").estimate)
    ]


def test_counts_afterwards_are_read_for_those_picked_only():
    table = people()
    blank = table.copy()
    blank.loc[blank["before"] < 3, ["after", "later"]] = np.nan
    assert counted(blank).estimates == counted(table).estimates


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"at_least": None}, DesignError, "say who was picked: either selected .* or at_least"),
        ({"selected": "before"}, DesignError, "say who was picked: either selected .* or at_least"),
        ({"at_least": 0.5}, DesignError, "at_least must be a whole number of at least 1"),
        ({"at_least": 1000}, DesignError, "nobody was picked"),
        ({"model": "poisson"}, DesignError, '"poisson" is no model'),
        ({"after": None}, DesignError, "after and person_years_after go together"),
        ({"before": "years"}, DataError, '"years" \\(before\\) must hold whole numbers'),
        ({"person_years_before": "before"}, DataError, 'rows have no time in "before"'),
        ({"at_least": None, "selected": "some", "model": "robbins"}, DesignError, "needs at_least"),
        ({"at_least": None, "selected": "all"}, DesignError, "all 3000 people .* were picked"),
    ],
)
def test_counts_that_cannot_be_meant_are_refused(change, kind, message):
    table = people(years=(0.5, 1.5)).assign(some=lambda t: t["before"] > 2, all=True)
    table["years"] = table["years"] + 1e-3
    with pytest.raises(kind, match=message):
        counted(table, **change)
    with pytest.raises(DesignError, match='"robbins" needs one length of window for all'):
        counted(table, model="robbins")


# Recovery: nothing was done to anybody


@pytest.mark.slow
@pytest.mark.parametrize("years", [(1.0, 1.0), (0.3, 2.0)])
@pytest.mark.parametrize("ratio", [1.0, 0.7])
def test_what_is_beyond_the_expected_fall_is_what_the_programme_did(years, ratio):
    # 2,000 samples of 800 people, windows alike, held the truth in 93.6 % (ratio 1), 93.9 % (0.7).
    repeats, n = (1000, 800) if FULL else (150, 400)
    held = []
    for seed in range(repeats):
        found = counted(
            people(n, seed, 0.8, ratio, years), at_least=2, draws=400, method="percentile"
        ).one(measure="fall_beyond")
        held.append(found.conf_low <= 100 * (1 - ratio) <= found.conf_high)
    share = np.mean(held)
    assert abs(share - 0.95) < 0.02 + 3 * np.sqrt(0.95 * 0.05 / repeats), share


@pytest.mark.slow
@pytest.mark.parametrize("source", ["repeat", "treated"])
def test_with_no_effect_the_fall_in_users_is_explained(source):
    """The world of drive_pilot with effects of 0: people fall because they were referred."""
    world = load_world("drive_pilot").with_effects(programme=0, usual_care=0)
    repeats, n = (1000, 300) if FULL else (120, 300)
    held, fell = [], []
    for seed in range(repeats):
        draw = rng(seed)
        if source == "repeat":
            times = ("intake", "midpoint", "exit")
            drawn = draw_behaviour(world, Stream(draw), n, times, reporters=("idva",))
            used = {t: drawn.severity(t, "programme", "idva", "case")[:, 0] > 0 for t in times}
            table = pd.DataFrame(used)
            options = {"before": "intake", "repeat": "midpoint", "after": "exit"}
        else:
            arms = [
                draw_severity(world, rng=draw, n=n, arm=arm).assign(arm=arm)
                for arm in ("programme", "comparison")
            ]
            table = pd.concat(arms, ignore_index=True)
            table["intake"], table["exit"] = (
                table["physical_before"] > 0,
                table["physical_after"] > 0,
            )
            options = {"before": "intake", "treated": "arm", "after": "exit"}
        found = regression_to_the_mean(table, rng=draw, draws=500, **options)
        beyond = found.one(measure="fall_beyond")
        held.append(beyond.conf_low <= 0 <= beyond.conf_high)
        fell.append(found.one(measure="observed_fall").estimate)
    assert np.mean(fell) > 5  # a fall of users with no programme at all
    share = np.mean(held)
    assert abs(share - 0.95) < 0.015 + 3 * np.sqrt(0.95 * 0.05 / repeats), share


def year_before_and_after(drawn, chosen):
    """One row a person: incidents and years free from custody, without the crisis."""
    rows = offending.event_counts(drawn.units, chosen.events, drawn.custody, washout=28).rows
    wide = rows.pivot_table(
        index="unit_id", columns="window", values=["events_free", "person_years"]
    )
    table = pd.DataFrame(
        {
            "before": wide["events_free", "before"],
            "years": wide["person_years", "before"],
            "after": wide["events_free", "after"],
            "later": wide["person_years", "after"],
        }
    ).dropna()
    return table[(table["years"] > 0) & (table["later"] > 0)]


@pytest.mark.slow
def test_with_no_effect_the_fall_in_recorded_incidents_is_explained():
    """Police events of drive_pilot without effect: people picked for two or more in a year."""
    repeats = 120 if FULL else 12
    held, fell = [], []
    for seed in range(repeats):
        draw = rng(seed)
        drawn = draw_events(
            rng=draw, people=800, programme_effect=0, usual_care_effect=0, follow_up=365
        )
        table = year_before_and_after(drawn, offending.select_events(drawn.events, source="police"))
        found = counted(table, at_least=2, draws=400, method="percentile")
        beyond = found.one(measure="fall_beyond")
        held.append(beyond.conf_low <= 0 <= beyond.conf_high)
        fell.append(found.one(measure="observed_fall").estimate)
    assert np.mean(fell) > 20
    share = np.mean(held)
    assert abs(share - 0.95) < 0.02 + 3 * np.sqrt(0.95 * 0.05 / repeats), share


def test_incidents_that_are_recorded_twice_hide_a_part_of_the_regression():
    # A MARAC referral that follows an incident is no second incident: counts of one person then
    # vary more than by chance, and too much of a high count is taken to be the person's.
    drawn = draw_events(rng=rng(1), people=20_000, programme_effect=0, usual_care_effect=0)
    once, twice = (
        counted(
            year_before_and_after(drawn, offending.select_events(drawn.events, source=source)),
            at_least=2,
            draws=100,
            method="percentile",
        ).one(measure="fall_beyond")
        for source in ("police", ["police", "marac"])
    )
    assert once.conf_low <= 0 <= once.conf_high
    assert twice.conf_low > 3


def test_every_public_function_here_has_its_sections():
    for name in ("regression_to_the_mean", "expected_fall", "expected_fall_of_counts"):
        assert name in sensitivity.__all__
        text = getattr(sensitivity, name).__doc__
        for heading in ("Parameters", "Returns", "Raises", "**Assumptions.**", "References", ">>>"):
            assert heading in text, (name, heading)


@pytest.mark.parametrize("used_from", [None, 11])
def test_a_cut_off_that_nobody_reaches(used_from):
    given = {"mean": 10, "within_sd": 2, "between_sd": 3, "used_from": used_from}
    with pytest.raises(UndefinedResultError, match="that nobody is picked"):
        expected_fall(cutoff=1000, **given)
    assert expected_fall(cutoff=-1000, **given).one(term="difference").estimate == 0
