"""In a world without any effect, is the observed fall what was to be expected?

The pilot's world, in which nobody does anything: everybody was referred at a peak, so abuse
falls in both arms. The full form (DRIVE_EVAL_FULL_RECOVERY=1) draws 1,000 studies of the pilot's
size, the short form a few; every limit allows three Monte Carlo standard errors. An evaluation of
such a study is read as well.
"""

from __future__ import annotations

import dataclasses
import math
import os

import numpy as np
import pandas as pd
import pytest

from drive_eval.data.synthetic import (
    draw_severity,
    population_truth,
    synthetic_study,
    true_value,
)
from drive_eval.data.synthetic.cases import generate
from drive_eval.evaluation import run
from drive_eval.models import prepost, sensitivity
from drive_eval.plan import Plan
from drive_eval.vocabulary import ABUSE_TYPES

FULL = os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1"
DRAWS = 1000 if FULL else 40
PEOPLE = 440  # measured twice in an arm of the pilot, about
RESAMPLES = 1000

pytestmark = pytest.mark.slow


def least(share=0.95):
    return share - 0.02 - 3 * math.sqrt(share * (1 - share) / DRAWS)


def no_effect(rng, arm):
    drawn = draw_severity(rng=rng, n=PEOPLE, arm=arm, programme_effect=0.0, usual_care_effect=0.0)
    used = {
        f"{kind}_{when}": drawn[f"{kind}_{when}"] >= 1
        for kind in ABUSE_TYPES.codes
        for when in ("before", "after")
    }
    return pd.DataFrame(used).assign(arm=arm)


@pytest.fixture(scope="module")
def truth():
    found = population_truth(people=200_000)
    return {
        kind: true_value(
            found, outcome=kind, measure="percent_reduction", group="no_effect", reporter="idva"
        )
        for kind in ABUSE_TYPES.codes
    }


def test_the_observed_fall_is_what_the_comparison_arm_leads_one_to_expect(truth, record_property):
    rng = np.random.default_rng(20261123)
    kinds = ABUSE_TYPES.codes
    hits = {name: dict.fromkeys(kinds, 0) for name in ("explained", "expected", "naive")}
    for _ in range(DRAWS):
        table = pd.concat([no_effect(rng, arm) for arm in ("programme", "comparison")])
        for kind in kinds:
            columns = {"before": f"{kind}_before", "after": f"{kind}_after"}
            found = sensitivity.regression_to_the_mean(
                table.reset_index(drop=True),
                treated="arm",
                scale="percent",
                rng=rng,
                draws=RESAMPLES,
                **columns,
            )
            beyond = found.one(measure="fall_beyond")
            # Nothing beyond what was expected: the observed fall lies within what is explained.
            hits["explained"][kind] += beyond.conf_low <= 0 <= beyond.conf_high
            expected = found.one(measure="expected_fall")
            hits["expected"][kind] += expected.conf_low <= truth[kind] <= expected.conf_high
            alone = prepost.paired_change(table[table["arm"] == "programme"], **columns)
            fall = alone.one(measure="percent_reduction")
            hits["naive"][kind] += fall.conf_low <= 0 <= fall.conf_high
    for name, by_kind in hits.items():
        for kind, count in by_kind.items():
            record_property(f"{name} {kind}", f"{count / DRAWS:.4f} ({DRAWS} draws)")
    assert min(hits["explained"].values()) / DRAWS >= least()
    assert min(hits["expected"].values()) / DRAWS >= least()
    # Before and after alone takes the passing of the crisis for an effect, nearly always.
    assert max(hits["naive"].values()) / DRAWS < 0.35
    assert min(hits["naive"].values()) / DRAWS < 0.05


@pytest.fixture(scope="module")
def nothing_works():
    """Return the evaluation of a study of the pilot's size in which neither arm does anything.

    One study of many: how often its intervals hold is the business of the study above.
    """
    tables = generate(seed=6, programme_effect=0.0, usual_care_effect=0.0, complete_exits=True)
    study = dataclasses.replace(synthetic_study("site"), tables=tables)
    plan = Plan.model_validate(
        {
            "evaluation": {"title": "Nothing works"},
            "data": {"folder": "nowhere"},
            "design": {"kind": "randomised", "unit": "person"},
            "outcomes": [
                {"kind": "behaviour", "reporter": "idva"},
                {
                    "kind": "reoffending",
                    "name": "police",
                    "source": ["police"],
                    "domestic_abuse": True,
                    "washout": 28,
                },
            ],
        }
    )
    return run(plan, study)


@pytest.mark.parametrize("kind", ABUSE_TYPES.codes)
def test_an_evaluation_says_that_the_fall_was_to_be_expected(nothing_works, kind):
    name = f"{kind}:idva:intake-exit"
    alone = nothing_works.results[name].one(measure="percent_reduction", group="programme")
    assert alone.conf_low > 5  # a clear fall, with no programme at all
    rivals = nothing_works.results[f"rivals:{name}"]
    observed = rivals.one(measure="observed_fall")
    assert observed.estimate == pytest.approx(alone.estimate)
    expected = rivals.one(measure="expected_fall")
    assert expected.conf_low > 0
    beyond = rivals.one(measure="fall_beyond")
    assert beyond.conf_low <= 0 <= beyond.conf_high
    sentences = [c for c in rivals.checks if c.name == "rival:regression_to_the_mean"]
    assert "no clear fall beyond what was to be expected" in sentences[0].text


def test_recorded_events_do_not_fall_where_nothing_works(nothing_works):
    result = nothing_works.results["police"]
    ratio = result.one(measure="ratio_of_ratios", term="rate")
    assert ratio.conf_low <= 1 <= ratio.conf_high
    rivals = nothing_works.results["rivals:police"]
    for arm in ("programme", "comparison"):
        change = result.one(measure="rate_ratio", term="rate", group=arm)
        assert change.conf_low <= 1 <= change.conf_high
        # Those who stood out before fall all the same, and no further than by themselves.
        few = {"group": arm, "subgroup": "2 or more before"}
        assert rivals.one(measure="observed_fall", **few).conf_low > 20
        beyond = rivals.one(measure="fall_beyond", **few)
        assert beyond.conf_low <= 0 <= beyond.conf_high
