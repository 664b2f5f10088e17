"""Every analysis of the repository, from its plan to its report."""

from __future__ import annotations

import csv
import json
import runpy
import shutil
from pathlib import Path

import pytest

import drive_eval as de

ROOT = Path(__file__).resolve().parents[2]
ANALYSES = sorted(path.parent for path in (ROOT / "analyses").glob("*/evaluation.toml"))


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> Path:
    """Copy analyses and data, so that a test leaves nothing in the tree."""
    root = tmp_path_factory.mktemp("repository")
    ignore = shutil.ignore_patterns("outputs")
    shutil.copytree(ROOT / "analyses", root / "analyses", ignore=ignore)
    shutil.copytree(ROOT / "data", root / "data")
    return root / "analyses"


@pytest.mark.parametrize("name", [path.name for path in ANALYSES])
def test_run_py_makes_the_report(copies, name, capsys):
    runpy.run_path(str(copies / name / "run.py"))
    report = Path(capsys.readouterr().out.strip().splitlines()[-1])
    assert report.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert len((ROOT / "analyses" / name / "run.py").read_text().splitlines()) <= 12
    assert (ROOT / "analyses" / name / "protocol.md").exists()


@pytest.fixture(scope="module")
def pilot():
    plan = de.load_plan(ROOT / "analyses" / "drive_pilot")
    return de.run(plan, de.load_study(plan))


@pytest.fixture(scope="module")
def minneapolis():
    plan = de.load_plan(ROOT / "analyses" / "minneapolis_experiment")
    return de.run(plan, de.load_study(plan))


def test_the_pilot_carries_the_drive_headlines_within_its_intervals(pilot):
    # The exits that are missing are those of people who did worse, so the observed falls lie a
    # little above the true 82, 88, 75 and 73 %.
    for kind, true in (
        ("physical", 82),
        ("sexual", 88),
        ("harassment_stalking", 75),
        ("jealous_controlling", 73),
    ):
        result = pilot.results[f"{kind}:idva:intake-exit"]
        fall = result.one(measure="percent_reduction", group="programme")
        assert fall.estimate == pytest.approx(true, abs=5)
        assert fall.conf_low < true < fall.conf_high
        assert result.one(measure="ratio_of_ratios").conf_high < 1


def test_the_pilot_never_calls_its_difference_an_effect(pilot):
    claims = {e.claim for result in pilot.results.values() for e in result.estimates}
    assert claims == {"descriptive", "associational"}


def test_minneapolis_reproduces_the_published_figures(minneapolis):
    result = minneapolis.results["reassault_6m"]
    printed = {
        "itt": (-0.114, 0.047),
        "as_treated": (-0.107, 0.043),
        "first_stage": (0.786, 0.043),
        "iv": (-0.14481, 0.06004),
    }
    for term, (estimate, error) in printed.items():
        found = result.one(term=term, subgroup="classical standard error")
        digits = 5 if term == "iv" else 3
        assert round(found.estimate, digits) == estimate
        assert round(found.std_error, digits) == error
    robust = result.one(term="iv", subgroup="HC0 standard error")
    assert round(robust.std_error, 5) == 0.05269


def test_minneapolis_claims_cause_for_the_allocation_alone(minneapolis):
    result = minneapolis.results["reassault_6m"]
    assert result.one(term="itt", subgroup="").claim == "causal"
    for term in ("as_treated", "first_stage", "iv"):
        assert result.one(term=term, subgroup="").claim == "associational"


def test_the_rows_of_minneapolis_are_its_published_counts():
    folder = ROOT / "analyses" / "minneapolis_experiment" / "data"
    with (folder / "counts.csv").open(encoding="utf-8") as stream:
        counts = list(csv.DictReader(stream))
    with (folder / "cases.csv").open(encoding="utf-8") as stream:
        cases = list(csv.DictReader(stream))
    arm = {"arrest": "programme", "advice or separation": "comparison"}
    for line in counts:
        for hit, column in (("true", "reassaulted"), ("false", "not_reassaulted")):
            rows = [
                case
                for case in cases
                if case["allocated_arm"] == arm[line["assigned"]]
                and case["arm"] == arm[line["delivered"]]
                and case["reassault_6m"] == hit
            ]
            assert len(rows) == int(line[column])
    assert len(cases) == 314
    assert sum(int(line["reassaulted"]) for line in counts) == 56


def test_results_are_read_back(pilot, tmp_path):
    de.write_report(pilot, tmp_path / "outputs")
    again = de.load_results(tmp_path / "outputs" / "restricted")
    assert again == pilot
    released = de.load_results(tmp_path / "outputs" / "release")
    assert released.policy == "opensafely"
    body = json.loads((tmp_path / "outputs" / "release" / "results.json").read_text())
    assert body["policy"] == "opensafely"
    with pytest.raises(de.DriveEvalError, match="already been through the gate"):
        de.write_report(released, tmp_path / "again")
    with pytest.raises(de.DriveEvalError, match="no results at"):
        de.load_results(tmp_path / "nothing")
