"""The command line as a user types it: what it makes, what it refuses, and how."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAN = """
[evaluation]
title = "Twelve cases"
[data]
folder = "extract"
[design]
kind = "comparison_group"
unit = "person"
[[outcomes]]
kind = "behaviour"
reporter = "idva"
abuse_types = ["physical"]
"""


def drive_eval(*words, cwd=None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "drive_eval.cli", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


@pytest.fixture
def study(tiny_folder) -> Path:
    """A folder with a plan beside the twelve cases."""
    folder = tiny_folder.parent
    (folder / "evaluation.toml").write_text(PLAN, encoding="utf-8")
    return folder


def change(study: Path, table: str, old: str, new: str, count: int = -1) -> None:
    path = study / "extract" / f"{table}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def refused(study: Path, *words: str) -> str:
    """Run the study, and hold the refusal to: exit code 2, sentences, no row's value, no trace."""
    done = drive_eval("run", study, "--quiet")
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert not (study / "outputs").exists()
    assert list(study.glob(".outputs*")) == []
    for word in words:
        assert word in done.stderr, done.stderr
    for line in done.stderr.splitlines():
        assert line.rstrip().endswith((".", "…")), line
    return done.stderr


class TestRun:
    def test_it_writes_a_report_and_says_where(self, study):
        done = drive_eval("run", study)
        assert done.returncode == 0, done.stderr
        assert "report.html" in done.stdout
        assert "Policy: opensafely. Unit: person." in done.stdout
        names = {path.name for path in (study / "outputs" / "release").iterdir()}
        assert names == {"report.html", "results.json", "charts"}
        assert (study / "outputs" / "restricted" / "results.json").exists()

    def test_quiet_prints_nothing(self, study):
        done = drive_eval("run", study, "--quiet")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_progress_goes_to_standard_error(self, study):
        done = drive_eval("run", study)
        assert "Evaluating" in done.stderr
        assert "Evaluating" not in done.stdout

    def test_results_are_not_replaced_without_being_asked(self, study):
        assert drive_eval("run", study, "-q").returncode == 0
        before = (study / "outputs" / "release" / "report.html").read_bytes()
        done = drive_eval("run", study, "-q")
        assert done.returncode == 2
        assert "already holds results" in done.stderr
        assert "--overwrite" in done.stderr
        assert (study / "outputs" / "release" / "report.html").read_bytes() == before
        assert drive_eval("run", study, "-q", "--overwrite").returncode == 0

    def test_the_same_input_gives_the_same_files(self, study):
        drive_eval("run", study, "-q")
        first = (study / "outputs" / "release" / "report.html").read_bytes()
        drive_eval("run", study, "-q", "--overwrite")
        assert (study / "outputs" / "release" / "report.html").read_bytes() == first

    def test_a_folder_with_other_things_in_it_is_never_replaced(self, study):
        (study / "outputs").mkdir()
        (study / "outputs" / "thesis.docx").write_text("years of work", encoding="utf-8")
        done = drive_eval("run", study, "-q", "--overwrite")
        assert done.returncode == 2
        assert "drive_eval did not write" in done.stderr
        assert (study / "outputs" / "thesis.docx").exists()

    def test_a_killed_run_leaves_what_was_there(self, study):
        drive_eval("run", study, "-q")
        before = (study / "outputs" / "release" / "report.html").read_bytes()
        running = subprocess.Popen(
            [sys.executable, "-m", "drive_eval.cli", "run", str(study), "-q", "--overwrite"]
        )
        deadline = time.monotonic() + 60
        while not list(study.glob(".outputs-*")) and time.monotonic() < deadline:
            time.sleep(0.002)
        running.kill()
        running.wait()
        report = study / "outputs" / "release" / "report.html"
        assert report.read_bytes() == before

    def test_an_unknown_policy_is_refused_before_the_work(self, study):
        done = drive_eval("run", study, "--policy", "opensafly")
        assert done.returncode == 2
        assert 'Nearest: "opensafely"' in done.stderr

    def test_an_unknown_option_is_refused(self, study):
        done = drive_eval("run", study, "--overwrit")
        assert done.returncode == 2
        assert "--overwrite" in done.stderr

    def test_the_restricted_record_says_why_counts_are_hidden(self, study):
        drive_eval("run", study, "-q")
        record = (study / "outputs" / "restricted" / "hidden_counts.csv").read_text(
            encoding="utf-8"
        )
        assert "small count" in record


class TestBadInput:
    """Each one sentence, exit code 2, no traceback, no value from a person's row."""

    def test_a_wrong_column(self, study):
        change(study, "cases", "perpetrator_id", "perpetrator_idd")
        refused(study, "cases.csv", '"perpetrator_idd"', '"perpetrator_id"')

    def test_dates_with_the_day_first(self, study):
        change(study, "cases", "2023-01-10", "10/01/2023")
        said = refused(study, "cases.csv", "index_date", "dd/mm/yyyy", "YYYY-MM-DD")
        assert "10/01/2023" not in said

    def test_exit_before_intake(self, study):
        change(study, "cases", "2023-07-20", "2022-07-20")
        said = refused(study, "cases.csv", "exit_date")
        assert "2022" not in said

    def test_a_severity_outside_the_list(self, study):
        change(study, "assessments", "high,V01", "extreme,V01")
        said = refused(study, "assessments.csv", "severity", "standard")
        assert "extreme" not in said

    def test_a_case_that_stands_twice(self, study):
        change(study, "cases", "012,P12", "011,P12")
        said = refused(study, "cases.csv", "case_id")
        assert "P12" not in said

    def test_an_assessment_of_an_unknown_case(self, study):
        change(study, "assessments", "012,intake", "777,intake")
        said = refused(study, "assessments.csv", "case_id")
        assert "777" not in said

    def test_a_case_managers_report_in_the_comparison_arm(self, study):
        change(study, "assessments", "010,intake,idva", "010,intake,case_manager")
        refused(study, "assessments.csv", "a case manager reports", "comparison arm")

    def test_an_empty_file(self, study):
        (study / "extract" / "cases.csv").write_bytes(b"")
        refused(study, "cases.csv", "empty")

    def test_a_binary_file(self, study):
        (study / "extract" / "assessments.csv").write_bytes(bytes(range(256)) * 40)
        refused(study, "assessments.csv")

    def test_a_wrong_key_in_the_plan(self, study):
        (study / "evaluation.toml").write_text(
            PLAN.replace("reporter", "reportr"), encoding="utf-8"
        )
        refused(study, "evaluation.toml", 'unknown key "outcomes[1].reportr"', '"reporter"')

    def test_a_plan_whose_data_folder_is_missing(self, study):
        shutil.rmtree(study / "extract")
        refused(study, "extract", "does not exist")

    def test_a_plan_that_is_not_there(self, tmp_path):
        done = drive_eval("run", tmp_path / "nothing.toml")
        assert done.returncode == 2
        assert "no plan at" in done.stderr
        assert "drive-eval init" in done.stderr

    def test_all_faults_at_once(self, study):
        change(study, "cases", "2023-07-20", "2022-07-20")
        change(study, "assessments", "high,V01", "extreme,V01")
        assert len(refused(study).splitlines()) >= 2


class TestOtherCommands:
    def test_help_has_examples_and_exit_codes(self):
        done = drive_eval("--help")
        assert done.returncode == 0
        for word in ("run", "check", "simulate", "init", "Examples", "Exit codes"):
            assert word in done.stdout
        for command in ("run", "check", "simulate", "init"):
            assert "Example: drive-eval " + command in re.sub(
                r"\s+", " ", drive_eval(command, "--help").stdout
            )

    def test_version(self):
        assert drive_eval("--version").stdout.startswith("drive_eval 0.")

    def test_check_runs_nothing(self, study):
        done = drive_eval("check", study)
        assert done.returncode == 0
        assert "cases, 12 rows" in done.stdout
        assert "physical:idva:intake-exit" in done.stdout
        assert not (study / "outputs").exists()

    def test_simulate_writes_tables_with_their_truth(self, tmp_path):
        done = drive_eval("simulate", "--preset", "site", "--seed", 7, tmp_path / "new")
        assert done.returncode == 0, done.stderr
        names = {path.name for path in (tmp_path / "new").iterdir()}
        assert {"cases.csv", "assessments.csv", "truth.json", "codebook.md"} <= names
        again = drive_eval("simulate", "--preset", "site", tmp_path / "new")
        assert again.returncode == 2

    def test_simulate_refuses_an_unknown_preset(self, tmp_path):
        done = drive_eval("simulate", "--preset", "sight", tmp_path / "new")
        assert done.returncode == 2
        assert '"site"' in done.stderr
        assert not (tmp_path / "new").exists()

    def test_init_makes_a_folder_that_runs_as_it_stands(self, tmp_path):
        assert drive_eval("init", "my_evaluation", cwd=tmp_path).returncode == 0
        assert drive_eval("check", "my_evaluation", "-q", cwd=tmp_path).returncode == 0
        done = subprocess.run(
            [sys.executable, "my_evaluation/run.py"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "my_evaluation/outputs/release/report.html").exists()
        again = drive_eval("init", "my_evaluation", cwd=tmp_path)
        assert again.returncode == 2
        assert "already exists and is not empty" in again.stderr
