"""Reductions of several outcomes in the same people: points, intervals, refusals in words."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from drive_eval.errors import DataError, DesignError, DesignWarning, UndefinedResultError
from drive_eval.models import prepost, reductions

approx = pytest.approx
OUTCOMES = {"hit": ("hit_0", "hit_1"), "shout": ("shout_0", "shout_1")}
FULL = os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1"


def people(rows=400, seed=1, stop=(0.7, 0.4)):
    """Two behaviours of people who stop both, or neither, more often than chance has it."""
    rng = np.random.default_rng(seed)
    trait = rng.normal(size=rows)
    table = pd.DataFrame({"person": np.arange(rows)})
    for name, share in zip(OUTCOMES, stop, strict=True):
        before = rng.random(rows) < 0.6
        high = 0.8 * trait + 0.6 * rng.normal(size=rows)
        table[f"{name}_0"] = before
        table[f"{name}_1"] = before & (high < ndtri(1 - share))
    return table


def compare(table, seed=1, **options):
    settings = {"outcomes": OUTCOMES, "draws": 2000, **options}
    return reductions.compare(table, rng=np.random.default_rng(seed), **settings)


def test_points_are_those_of_paired_change_and_their_difference():
    table = people()
    found = compare(table, unit="person", reporter="idva", threshold="standard", group="programme")
    points = {}
    for name, (before, after) in OUTCOMES.items():
        alone = prepost.paired_change(table, before=before, after=after, outcome=name)
        score = alone.one(measure="percent_reduction")
        ours = found.one(measure="percent_reduction", outcome=name)
        points[name] = ours.estimate
        for field in ("estimate", "term", "n", "n_events", "n_reference", "n_events_reference"):
            assert getattr(ours, field) == approx(getattr(score, field))
        assert ours.conf_low == approx(score.conf_low, abs=1.5)
        assert ours.conf_high == approx(score.conf_high, abs=1.5)
        assert ours.std_error == approx(score.std_error, rel=0.1)
    gap = found.one(measure="reduction_difference", term="hit v shout")
    assert gap.estimate == approx(points["hit"] - points["shout"])
    for estimate in found.estimates:
        assert (estimate.unit, estimate.reporter) == ("person", "idva")
        assert (estimate.threshold, estimate.group) == ("standard", "programme")
        assert (estimate.claim, estimate.contrast) == ("descriptive", "after v before")
        assert estimate.method == "BCa bootstrap, 2000 draws of 400 clusters"
    assert found.check("comparisons").statistic == 1


def test_the_difference_keeps_what_the_people_share():
    # Who stops one stops the other: the difference is surer than if they were other people.
    found = compare(people(), method="percentile")
    first, second = (found.one(measure="percent_reduction", outcome=n).std_error for n in OUTCOMES)
    gap = found.one(measure="reduction_difference")
    assert gap.std_error < 0.9 * np.hypot(first, second)
    assert gap.method == "percentile bootstrap, 2000 draws of 400 clusters"


def test_an_outcome_against_itself_differs_by_nothing_and_has_no_interval():
    table = people()
    found = compare(table, outcomes={"hit": OUTCOMES["hit"], "again": OUTCOMES["hit"]})
    gap = found.one(measure="reduction_difference")
    assert (gap.estimate, gap.conf_low, gap.conf_high) == (0, None, None)
    assert found.check("interval").text == (
        "hit v again: no bootstrap interval, because it is the same in every resample."
    )


def test_every_two_outcomes_are_compared_once():
    table = people()
    table[["push_0", "push_1"]] = table[["hit_1", "hit_0"]]
    found = compare(table, outcomes={**OUTCOMES, "push": ("hit_0", "push_0")})
    terms = [e.term for e in found.estimates if e.measure == "reduction_difference"]
    assert terms == ["hit v shout", "hit v push", "shout v push"]
    assert found.check("comparisons").text.startswith("3 differences of 3 reductions")


def test_rows_of_one_cluster_are_drawn_together():
    once = people(rows=150)
    twice = pd.concat([once, once], ignore_index=True)
    alone, clustered = compare(once), compare(twice, cluster="person")
    naive = compare(twice)
    for one, two in zip(alone.estimates, clustered.estimates, strict=True):
        assert (one.conf_low, one.conf_high) == (two.conf_low, two.conf_high)
        assert two.method.endswith("of 150 clusters")
    gap = {"measure": "reduction_difference"}
    assert naive.one(**gap).std_error < 0.8 * clustered.one(**gap).std_error
    assert clustered.check("clusters").passed is True


def test_the_order_of_rows_does_not_matter():
    table = people()
    turned = table.iloc[::-1].reset_index(drop=True)
    assert compare(table).estimates == compare(turned).estimates


def test_nobody_after_has_a_point_and_says_why_there_is_no_interval():
    table = people()
    table["hit_1"] = False
    found = compare(table)
    hit = found.one(measure="percent_reduction", outcome="hit")
    assert (hit.estimate, hit.conf_low, hit.std_error) == (100, None, None)
    assert found.check("interval").text == (
        "hit: no bootstrap interval, because it is the same in every resample. The score interval "
        "of prepost.paired_change may exist."
    )
    gap = found.one(measure="reduction_difference")  # 100 minus what does vary
    assert gap.conf_low < gap.estimate < gap.conf_high


def test_nobody_before_leaves_only_the_other_reduction():
    table = people()
    table["hit_0"] = table["hit_1"] = False
    found = compare(table)
    assert found.one(measure="percent_reduction", outcome="hit").estimate is None
    assert found.one(measure="reduction_difference").estimate is None
    assert found.one(measure="percent_reduction", outcome="shout").conf_low is not None
    texts = [check.text for check in found.checks if check.name == "interval"]
    assert texts[0].startswith(
        "hit: no bootstrap interval, because it does not exist in the sample"
    )


def test_resamples_without_a_user_before_are_counted():
    table = people(rows=60)
    table["hit_0"] = np.arange(60) < 4
    table["hit_1"] = np.arange(60) < 2
    refused = compare(table)
    hit = refused.one(measure="percent_reduction", outcome="hit")
    assert (hit.estimate, hit.conf_low) == (50, None)
    check = next(c for c in refused.checks if c.name == "undefined_resamples")
    assert check.passed is False
    assert check.statistic == approx((1 - 4 / 60) ** 60, abs=0.01)
    assert check.text.endswith("that is too many for an interval.")
    allowed = compare(table, most_undefined=0.1)
    assert allowed.one(measure="percent_reduction", outcome="hit").conf_low is not None
    check = next(c for c in allowed.checks if c.name == "undefined_resamples")
    assert check.passed is True
    assert check.text.endswith("its interval is that of the others.")


def test_one_cluster_gives_points_only():
    table = people().assign(person=1)
    with pytest.warns(DesignWarning, match='"person" has 1 cluster; with fewer than 40 equal ones'):
        found = compare(table, cluster="person")
    assert all(e.estimate is not None and e.conf_low is None for e in found.estimates)
    assert found.check("clusters").passed is False
    reasons = [c.text for c in found.checks if c.name == "interval"]
    assert len(reasons) == 3
    assert all("all rows belong to one cluster" in text for text in reasons)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"outcomes": {"hit": ("hit_0", "hit_1")}}, DesignError, "1 outcome is named.*needs two"),
        ({"outcomes": ["hit"]}, DesignError, "outcomes must name the columns before and after"),
        ({"outcomes": {"a": ("hit_0",), "b": ("hit_0",)}}, DesignError, "outcomes must name"),
        (
            {"outcomes": {"hit": ("hit_0", "hit_2"), "shout": ("shout_0", "shout_1")}},
            DataError,
            'no column "hit_2" \\(after\\)',
        ),
        ({"draws": 10}, DesignError, "draws must be a whole number of at least 100"),
        ({"method": "basic"}, DesignError, '"basic" is no bootstrap interval'),
        ({"conf_level": 95}, DataError, "conf_level must lie between 0 and 1"),
        ({"most_undefined": 1}, DesignError, "most_undefined is a share of resamples"),
        ({"most_undefined": "few"}, DesignError, "most_undefined must be a number"),
        ({"cluster": "who"}, DataError, 'no column "who" \\(cluster\\)'),
    ],
)
def test_what_cannot_be_meant_is_refused(change, kind, message):
    with pytest.raises(kind, match=message):
        compare(people(), **change)


def test_rows_that_lack_an_outcome_are_refused_with_their_number():
    table = people().astype({"hit_1": object})
    table.loc[[3, 5], "hit_1"] = None
    with pytest.raises(DataError, match="2 of 400 rows lack an outcome at one of the time points"):
        compare(table)
    with pytest.raises(UndefinedResultError, match="the table has no rows"):
        compare(people().head(0))
    with pytest.raises(DataError, match='"hit_1" \\(after\\) must hold true and false'):
        compare(people().assign(hit_1=3))


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "method"), [(120, "bca"), (120, "percentile"), (500, "bca")])
def test_intervals_hold_the_true_difference_as_often_as_they_say(rows, method):
    truth = 70 - 40
    repeats = 4000 if FULL else 400
    held = 0
    for seed in range(repeats):
        table = people(rows, seed)
        found = compare(table, seed, draws=1000, method=method).one(measure="reduction_difference")
        held += found.conf_low <= truth <= found.conf_high
    share = held / repeats
    assert abs(share - 0.95) < 0.012 + 3 * np.sqrt(0.95 * 0.05 / repeats), share
