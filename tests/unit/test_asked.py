"""Contrasts of a design: what it says of itself beside an outcome, and what is refused at once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from drive_eval.errors import DataError, DesignError
from drive_eval.models import comparison, matching, sensitivity
from drive_eval.results import Estimate

KEPT = "and only among those that were kept"


def people(n=400, seed=5):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"age": rng.normal(35, 9, n), "prior": rng.poisson(1.5, n)})
    line = -1 + 0.06 * (table["age"] - 35) + 0.4 * (table["prior"] - 1.5)
    table["arm"] = rng.random(n) < 1 / (1 + np.exp(-line))
    table["days"] = rng.poisson(3, n) + table["prior"]
    return table.assign(again=rng.random(n) < 0.4)


TABLE = people()
NAMES = {"treated": "arm", "covariates": ["age", "prior"]}
FULL = matching.propensity_weights(TABLE, **NAMES)
TRIMMED = matching.propensity_weights(TABLE, **NAMES, trim=(0.2, 0.6))
PAIRS = matching.nearest(TABLE, **NAMES, max_smd=0.5)
UNLIKE = matching.nearest(TABLE, **NAMES, max_smd=1e-6)
RUNS = {
    "risks": lambda data, **more: comparison.risk_contrast(data, outcome="again", **more),
    "means": lambda data, **more: comparison.mean_contrast(data, outcome="days", **more),
    "doubly": lambda data, **more: comparison.doubly_robust(data, outcome="again", **more),
}


@pytest.mark.parametrize("run", RUNS)
def test_a_design_that_left_people_out_says_so_beside_the_outcome(run):
    found = RUNS[run](TRIMMED)
    assert found.check("estimand").text.count(f"programme cases (ATT), {KEPT}.") == 1
    assert sum(sentence.count(KEPT) for sentence in found.assumptions) == 1
    whole = RUNS[run](FULL)
    assert KEPT not in "".join([*whole.assumptions, *(c.text for c in whole.checks)])
    matched = RUNS[run](PAIRS)
    assert PAIRS.estimand == "atm"  # whose words say it themselves
    assert KEPT not in matched.check("estimand").text


@pytest.mark.parametrize("run", RUNS)
def test_a_contrast_carries_the_balance_of_its_design(run):
    found = RUNS[run](UNLIKE).check("balance")
    worst = UNLIKE.balance.check("worst_smd")
    assert found == dataclasses.replace(worst, name="balance")
    assert found.passed is False
    assert "prior (" in found.text
    assert RUNS[run](PAIRS).check("balance").passed
    assert "balance" not in [c.name for c in RUNS[run](TABLE, **NAMES).checks]


def test_differences_that_remain_are_not_called_too_small():
    said = comparison.risk_contrast(PAIRS, outcome="again").assumptions
    assert any("are too small to matter" in sentence for sentence in said)
    for covariates, end in (
        (None, "do not bear on the outcome."),
        (["age"], "do not bear on the outcome, or the model of the outcome corrects them."),
    ):
        said = comparison.risk_contrast(UNLIKE, outcome="again", covariates=covariates).assumptions
        assert not any("too small" in sentence for sentence in said)
        unlike = [s for s in said if s.startswith("The comparison cases are not like the")]
        assert len(unlike) == 1
        assert unlike[0].endswith(end)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"conf_level": "95%"},
            "conf_level must be a number between 0 and 1, e.g. 0.95 for 95%, n",
        ),
        ({"conf_level": None}, "between 0 and 1, e.g. 0.95 for 95%, not a NoneType."),
        ({"conf_level": 95}, "conf_level must lie between 0 and 1, e.g. 0.95 for 95%, but is 95."),
        ({"min_clusters": "x"}, "min_clusters must be a number."),
        ({"few_areas": None}, "few_areas must be a number."),
        ({"events_per_parameter": "x"}, "events_per_parameter must be a number."),
        ({"interactions": "no"}, "interactions must be True or False."),
        ({"few": "wild"}, 'few="wild" is not known.'),
        ({"outcome": ["again"]}, "outcome must be the name of one column, in quotes, not a list."),
        ({"outcome": "arm"}, 'column "arm" is given as the outcome and as treated; they are two'),
        ({"treated": TABLE["arm"]}, "treated must be the name of one column, in quotes, not a Ser"),
        ({"cluster": ["age"]}, "cluster must be the name of one column, in quotes, not a list."),
        ({"covariates": 3}, "covariates must be the name of a column or a list of names, not a i"),
        ({"covariates": True}, "covariates must be the name of a column or a list of names, not a"),
        ({"covariates": ["age", "arm"]}, 'column "arm" (treated) stands among the covariates too'),
        ({"covariates": "age + again"}, 'column "again" (outcome) stands among the covariates too'),
        ({"covariates": ["age", "age"]}, 'covariate "age" is named twice; name it once.'),
    ],
)
def test_what_cannot_be_meant_is_refused(options, sentence):
    with pytest.raises((DataError, DesignError)) as caught:
        comparison.risk_contrast(TABLE, **{"outcome": "again", "treated": "arm", **options})
    assert sentence in str(caught.value)


@pytest.mark.parametrize("run", RUNS)
def test_a_design_without_the_outcome_is_told_how_to_get_it(run):
    column = "days" if run == "means" else "again"
    bare = dataclasses.replace(PAIRS, table=PAIRS.table.drop(columns=column))
    with pytest.raises(DataError) as caught:
        RUNS[run](bare)
    assert f'no column "{column}" (outcome) in the design\'s table.' in str(caught.value)
    assert str(caught.value).endswith(
        "To add it, aligned by the rows' labels: dataclasses.replace(design, "
        f'table=design.table.assign(**{{"{column}": outcomes}})).'
    )
    again = dataclasses.replace(bare, table=bare.table.assign(**{column: TABLE[column]}))
    assert RUNS[run](again).estimates == RUNS[run](PAIRS).estimates


def test_ones_and_zeros_are_arms_of_a_contrast():
    numbered = TABLE.assign(arm=TABLE["arm"].astype(int))
    plain = comparison.risk_contrast(TABLE, outcome="again", treated="arm")
    found = comparison.risk_contrast(numbered, outcome="again", treated="arm")
    assert found.estimates == plain.estimates


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"gammas": 2}, "gammas must be numbers of 1 or more, e.g. [1, 1.5, 2]; 1 is no bias."),
        ({"gammas": "1,2"}, "gammas must be numbers of 1 or more"),
        ({"gammas": [1, "2"]}, "gammas must be numbers of 1 or more"),
        ({"alpha": "x"}, "alpha must be a number."),
        ({"exact": "no"}, "exact must be True or False."),
        ({"favour": "x"}, "favour must be a whole number of pairs, 0 or more."),
    ],
)
def test_bounds_that_cannot_be_meant_are_refused(options, sentence):
    with pytest.raises((DataError, DesignError)) as caught:
        sensitivity.rosenbaum_bounds(**{"favour": np.int64(30), "against": 10, **options})
    assert sentence in str(caught.value)


def test_a_margin_is_a_number():
    found = Estimate(
        measure="risk_difference", estimate=0.01, conf_low=-0.02, conf_high=0.04,
        claim="associational",
    )  # fmt: skip
    with pytest.raises(DesignError) as caught:
        sensitivity.negative_outcome(found, margin="5%")
    assert str(caught.value) == "margin must be a number."
    assert sensitivity.negative_outcome(found, margin=np.float64(0.05)).passed
