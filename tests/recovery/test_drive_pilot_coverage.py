"""Do the intervals of the main job hold the truth as often as they say, in the pilot's world?

The full form (DRIVE_EVAL_FULL_RECOVERY=1) draws 2,000 studies; the short form is a smaller look
at the same thing with a wider Monte Carlo error. Both hold coverage to 93 % less three of those
errors.
"""

from __future__ import annotations

import math
import os
import warnings

import numpy as np
import pytest

from drive_eval.data.synthetic import draw_severity, synthetic_study, true_value
from drive_eval.errors import DesignWarning
from drive_eval.models import prepost
from drive_eval.vocabulary import ABUSE_TYPES

DRAWS = 2000 if os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1" else 150
PEOPLE = 520


@pytest.fixture(scope="module")
def truth():
    study = synthetic_study("drive_pilot", seed=1)
    return {
        kind: true_value(study.truth, outcome=kind, measure="percent_reduction")
        for kind in ABUSE_TYPES.codes
    }


def held(result, value) -> bool:
    fall = result.one(measure="percent_reduction")
    return fall.conf_low <= value <= fall.conf_high


#: On the latent scale; it makes the correlation of "used it before" between a person's rows
#: about .6 in the reports (.57 to .62 by type), which is the correlation that an analyst sees.
LATENT = 0.85


def coverage_of(truth, *, rows_per_person, clusters):
    rng = np.random.default_rng(20261121)
    hits = {(kind, mode): 0 for kind in truth for mode in clusters}
    for _ in range(DRAWS):
        people = PEOPLE if rows_per_person == 1 else PEOPLE // rows_per_person
        drawn = draw_severity(
            rng=rng, n=people, rows_per_person=rows_per_person, within_person_correlation=LATENT
        )
        for kind, value in truth.items():
            table = drawn[["perpetrator_id"]].assign(
                before=drawn[f"{kind}_before"] >= 1, after=drawn[f"{kind}_after"] >= 1
            )
            for mode in clusters:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DesignWarning)
                    result = prepost.paired_change(
                        table,
                        before="before",
                        after="after",
                        cluster="perpetrator_id" if mode == "clustered" else None,
                    )
                hits[kind, mode] += held(result, value)
    return {key: count / DRAWS for key, count in hits.items()}


def error_of(share: float) -> float:
    return math.sqrt(share * (1 - share) / DRAWS)


@pytest.mark.slow
def test_the_four_programme_reductions_are_covered_with_complete_exits(truth, record_property):
    found = coverage_of(truth, rows_per_person=1, clusters=("independent",))
    for (kind, _mode), share in found.items():
        record_property(kind, f"{share:.4f} (MC error {error_of(0.95):.4f}, {DRAWS} draws)")
        assert share >= 0.93 - 3 * error_of(0.93), (kind, share)


@pytest.mark.slow
def test_with_four_rows_a_perpetrator_only_the_clustered_interval_holds(truth, record_property):
    found = coverage_of(truth, rows_per_person=4, clusters=("independent", "clustered"))
    for kind in truth:
        alone, ours = found[kind, "independent"], found[kind, "clustered"]
        record_property(kind, f"ignored {alone:.4f}, clustered {ours:.4f} ({DRAWS} draws)")
        assert ours >= 0.93 - 3 * error_of(0.93), (kind, ours)
        assert alone < 0.90, (kind, alone)
