"""The preset `confounded` is confounded as its codebook says, and its truth is the truth."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import drive_eval
from drive_eval.data import synthetic
from drive_eval.data.study import read_study, save_tables
from drive_eval.data.synthetic import (
    confounded_tables,
    confounded_truth,
    draw_confounded,
    generate,
    load_world,
    true_value,
    truth_text,
)
from drive_eval.data.synthetic.confounded import COLUMNS, COVARIATES
from drive_eval.errors import DesignError, PlanError, UndefinedResultError
from drive_eval.models._regression import design_matrix, logistic

PACKAGE = Path(synthetic.__file__).parent
REPEAT, TRAFFIC = "repeat_12m", "traffic_offence_12m"


@pytest.fixture(scope="module")
def study():
    return drive_eval.synthetic_study("confounded", seed=1)


@pytest.fixture(scope="module")
def cases(study):
    return study.tables["cases"]


@pytest.fixture(scope="module")
def many():
    """First dates of 400,000 people and the further ones."""
    return draw_confounded(np.random.default_rng(11), people=400_000)


def value(study, estimand, outcome=REPEAT, measure="risk_difference", **labels):
    return true_value(study.truth, outcome=outcome, measure=measure, estimand=estimand, **labels)


# --- the study -----------------------------------------------------------------------------


def test_the_study_has_the_size_of_the_brief(cases):
    people = cases.drop_duplicates("perpetrator_id")["arm"].value_counts()
    assert 250 <= people["programme"] <= 350
    assert 1_950 <= people["comparison"] <= 2_050
    assert 2_400 <= len(cases) - people["programme"] <= 2_800


def test_the_study_reads_back_from_its_folder(study, tmp_path):
    beside = synthetic.companion_files("confounded", seed=1)
    save_tables(study.tables, tmp_path / "site", other_files=beside)
    back = read_study(tmp_path / "site", columns={"cases": COLUMNS})
    pd.testing.assert_frame_equal(back.tables["cases"], study.tables["cases"])
    assert back.truth == study.truth
    codebook = (tmp_path / "site" / "codebook.md").read_text(encoding="utf-8")
    assert "no real person is described here" in codebook
    assert "Seed: 1." in codebook
    assert "{" not in codebook


def test_the_codebook_names_every_column_beyond_the_data_dictionary(study):
    codebook = synthetic.companion_files("confounded")["codebook.md"]
    for column, kind in COLUMNS.items():
        assert f"| `{column}` | {kind} |" in codebook
    for label in ("outcome", "measure", "estimand", "unit"):
        for row in study.truth["values"]:
            assert f"`{row[label]}`" in codebook


def test_nothing_hidden_is_in_the_study(cases):
    hidden = {"treated", "propensity", "risk_programme", "risk_comparison", "risk_traffic", "date"}
    assert not hidden & set(cases.columns)
    assert cases.notna().all().all()


def test_a_study_says_where_it_comes_from(study):
    assert study.source == "synthetic confounded, seed 1"
    assert set(study.hashes) == {"confounded.toml", "confounded_truth.json"}


def test_everything_that_confounds_is_dated_before_the_index_date(cases):
    lead = (cases["index_date"] - cases["dash_date"]).dt.days
    assert lead.between(0, 28).all()
    assert lead.nunique() > 20
    assert (cases["first_arrest_age"] <= cases["age"]).all()


def test_everybody_can_be_followed_for_twelve_months(cases):
    assert (cases["data_end_date"] - cases["index_date"]).dt.days.min() >= 365


def test_only_comparison_people_have_several_index_dates_and_they_lie_apart(cases):
    several = cases[cases["perpetrator_id"].duplicated(keep=False)]
    assert several["arm"].unique().tolist() == ["comparison"]
    assert several.groupby("perpetrator_id").size().max() == 3
    ordered = several.sort_values("index_date")
    gaps = ordered.groupby("perpetrator_id")["index_date"].diff().dt.days.dropna()
    assert gaps.min() > 730
    years = ordered.groupby("perpetrator_id")["age"].diff().dropna()
    assert years.between(2, 5).all()
    lasting = several[["perpetrator_id", "sex", "ethnicity", "site", "first_arrest_age"]]
    assert len(lasting.drop_duplicates()) == several["perpetrator_id"].nunique()


def test_the_same_seed_gives_the_same_study_and_another_another(study):
    again = confounded_tables(seed=1)["cases"]
    pd.testing.assert_frame_equal(again, study.tables["cases"])
    assert not confounded_tables(seed=2)["cases"].equals(again)


def test_progress_is_reported_and_changes_nothing():
    calls: list[tuple[int, int]] = []
    told = confounded_tables(seed=5, progress=lambda *step: calls.append(step))
    assert calls == [(1, 2), (2, 2)]
    pd.testing.assert_frame_equal(told["cases"], confounded_tables(seed=5)["cases"])
    steps: list[tuple[int, int]] = []
    confounded_truth(people=1_000, progress=lambda *step: steps.append(step))
    assert steps[-1] == (20, 20)


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    draw_confounded(np.random.default_rng(1))
    confounded_tables(seed=3)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


# --- confounding ---------------------------------------------------------------------------


def test_programme_people_are_worse_beforehand(cases):
    mean = cases.groupby("arm")[list(COVARIATES)].mean().astype(float)
    for column in ("prior_incidents_12m", "dash_score", "substance_use"):
        assert mean.loc["programme", column] > 1.2 * mean.loc["comparison", column]
    assert mean.loc["programme", "employed"] < mean.loc["comparison", "employed"] - 0.1


def test_the_naive_comparison_makes_a_good_programme_look_harmful(study):
    assert value(study, "att") == pytest.approx(-0.150, abs=0.002)
    assert value(study, "ate") == pytest.approx(-0.080, abs=0.002)
    assert value(study, "naive") > 0.025


def test_the_negative_outcome_has_no_effect_and_differs_between_the_arms(study):
    for who in ("att", "atc", "ate", "ato"):
        assert value(study, who, TRAFFIC) == 0
        assert value(study, who, TRAFFIC, "risk_ratio") == 1
    assert value(study, "naive", TRAFFIC) > 0.07


def test_joining_and_outcomes_follow_the_hidden_risks(many):
    first = many[many["date"] == 0]
    slices = pd.qcut(first["propensity"], 20, labels=False)
    groups = first.groupby(slices)
    expected = groups["propensity"].mean()
    assert groups["treated"].mean().to_numpy() == pytest.approx(expected.to_numpy(), abs=0.01)
    taken = np.where(many["treated"], many["risk_programme"], many["risk_comparison"])
    for outcome, risk in ((REPEAT, taken), (TRAFFIC, many["risk_traffic"].to_numpy())):
        bins = np.floor(20 * risk)
        for edge in np.unique(bins):
            here = bins == edge
            error = np.sqrt(0.25 / here.sum())
            assert abs(many.loc[here, outcome].mean() - risk[here].mean()) < 5 * error


def test_the_effect_grows_with_risk(many):
    effect = many["risk_programme"] - many["risk_comparison"]
    by_risk = effect.groupby(pd.qcut(many["risk_comparison"], 5, labels=False)).mean()
    assert by_risk.is_monotonic_decreasing
    assert by_risk.iloc[-1] < -0.15
    assert abs(by_risk.iloc[0]) < 0.02


def test_weighting_by_the_true_score_gives_the_true_effects(many, study):
    first = many[many["date"] == 0]
    joined, score = first["treated"].to_numpy(), first["propensity"].to_numpy()
    weights = {
        "att": np.where(joined, 1, score / (1 - score)),
        "atc": np.where(joined, (1 - score) / score, 1),
        "ate": np.where(joined, 1 / score, 1 / (1 - score)),
        "ato": np.where(joined, 1 - score, score),
    }
    for estimand, weight in weights.items():
        risk = [
            np.average(first.loc[arm, REPEAT], weights=weight[arm]) for arm in (joined, ~joined)
        ]
        assert risk[0] - risk[1] == pytest.approx(value(study, estimand), abs=0.012), estimand


def test_a_score_of_main_effects_removes_nearly_all_confounding(many, study):
    """On true risks, so that only the score's own misfit is seen."""
    first = many[many["date"] == 0]
    joined = first["treated"].to_numpy()
    matrix = design_matrix(first, list(COVARIATES))
    columns = np.column_stack([np.ones(len(first)), matrix.matrix])
    score = logistic(columns, joined.astype(float), ("Intercept", *matrix.names)).fitted
    without = first["risk_comparison"].to_numpy()
    odds = score[~joined] / (1 - score[~joined])
    left = np.average(without[~joined], weights=odds) - without[joined].mean()
    before = without[~joined].mean() - without[joined].mean()
    assert abs(before) > 0.15
    assert abs(left) < 0.005


def test_outcomes_of_one_person_are_alike_beyond_the_covariates(many):
    rest = many.set_index("perpetrator_id")[REPEAT] - np.where(
        many["treated"], many["risk_programme"], many["risk_comparison"]
    )
    first, second = (rest[(many["date"] == date).to_numpy()] for date in (0, 1))
    assert 0.08 < np.corrcoef(first[second.index], second)[0, 1] < 0.30


def test_without_later_dates_everybody_is_one_row():
    rows = draw_confounded(np.random.default_rng(4), later_dates=False)
    assert len(rows) == rows["perpetrator_id"].nunique() == 2_300
    with_dates = draw_confounded(np.random.default_rng(4))
    shared = ["perpetrator_id", *COVARIATES, "treated"]
    pd.testing.assert_frame_equal(
        with_dates.loc[with_dates["date"] == 0, shared], rows[shared], check_dtype=False
    )


# --- truth ---------------------------------------------------------------------------------


def test_a_smaller_draw_finds_the_same_truth_within_its_error(study):
    small = confounded_truth(people=300_000, seed=9)
    keys = ("outcome", "measure", "estimand", "unit")
    found = {tuple(row[key] for key in keys): row for row in small["values"]}
    assert len(found) == len(study.truth["values"])
    for row in study.truth["values"]:
        other = found[tuple(row[key] for key in keys)]
        error = float(np.hypot(row["mc_error"], other["mc_error"]))
        assert abs(row["value"] - other["value"]) < 5 * error + 1e-5, row


def test_monte_carlo_error_is_under_a_tenth_of_a_point(study):
    assert study.truth["people"] >= 1_000_000
    limits = dict.fromkeys(("risk_treated", "risk_comparison", "risk_difference"), 0.001)
    limits["percent_reduction"] = 0.1
    for row in study.truth["values"]:
        assert row["mc_error"] < limits.get(row["measure"], 1), row


def test_the_packaged_truth_is_made_by_the_packaged_code(study):
    made = confounded_truth()
    assert {**made, "values": []} == {**study.truth, "values": []}
    # Transcendental functions differ in the last bit between machines.
    for one, other in zip(made["values"], study.truth["values"], strict=True):
        assert one.pop("value") == pytest.approx(other["value"], abs=2e-3, rel=1e-4)
        assert one.pop("mc_error") == pytest.approx(other["mc_error"], abs=2e-3)
        assert one == {key: other[key] for key in one}
    packaged = (PACKAGE / "confounded_truth.json").read_text(encoding="utf-8")
    assert packaged == truth_text(json.loads(packaged))


def test_true_values_keep_their_identities(study):
    for who in ("att", "atc", "ate", "ato", "naive"):
        one, other = (value(study, who, measure=f"risk_{arm}") for arm in ("treated", "comparison"))
        assert value(study, who) == pytest.approx(one - other, abs=2e-5)
        assert value(study, who, measure="risk_ratio") == pytest.approx(one / other, abs=1e-4)
        fall = value(study, who, measure="percent_reduction")
        assert fall == pytest.approx(100 * (1 - one / other), abs=0.01)
    share = 0.1303
    mixed = share * value(study, "att") + (1 - share) * value(study, "atc")
    assert value(study, "ate") == pytest.approx(mixed, abs=5e-4)


def test_people_and_index_dates_are_told_apart(study):
    assert value(study, "att") == value(study, "att", unit="enrolment")
    assert value(study, "ate") != value(study, "ate", unit="enrolment")
    with pytest.raises(UndefinedResultError, match="no true values match .*unit='enrolment'"):
        value(study, "ato", unit="enrolment")


def test_parameters_stand_apart_from_the_values(study):
    assert set(study.truth["conditional"]) == {
        "scale", "terms", "selection", "repeat", "effect", "traffic", "within_person",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: draw_confounded(np.random.default_rng(1), people=0),
            DesignError,
            "the preset confounded needs at least one person, but people is 0.",
        ),
        (
            lambda: confounded_truth(people=999),
            DesignError,
            "the truth of confounded needs at least 1,000 people, but people is 999.",
        ),
        (
            lambda: load_world("confounded"),
            PlanError,
            'the preset "confounded" has no severity and no calibrated world. Draw it with ',
        ),
        (
            lambda: generate("confounded"),
            PlanError,
            "its true values are made by confounded_truth.",
        ),
        (
            lambda: drive_eval.synthetic_study("confunded"),
            PlanError,
            'no synthetic preset "confunded". Nearest: "confounded".',
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def test_a_true_value_without_an_estimand_is_refused(study):
    with pytest.raises(UndefinedResultError, match="5 true values match unit='person', outcome="):
        true_value(study.truth, outcome=REPEAT, measure="risk_difference")
    with pytest.raises(UndefinedResultError, match='truth has no label "estimate".* "estimand"'):
        true_value(study.truth, outcome=REPEAT, estimate="att")


def test_a_study_of_the_preset_stays_frozen(study):
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.source = "another"
