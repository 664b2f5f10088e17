"""The command line as a user types it: what it makes, what it refuses, and how."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
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


def drafts(study: Path) -> list[Path]:
    return [*study.glob(".outputs-*"), *study.glob("outputs/.outputs-*")]


def heeds_signals() -> None:
    """Undo what a background shell does to its children: there an interrupt is ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def started(study: Path, *words: str, wait: bool = True) -> subprocess.Popen[str]:
    """Start a run and, if asked, return only when it has begun to write its draft."""
    running = subprocess.Popen(
        [sys.executable, "-m", "drive_eval.cli", "run", str(study), "-q", *words],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeds_signals if os.name == "posix" else None,
    )
    deadline = time.monotonic() + 60
    while wait and time.monotonic() < deadline:
        if any((draft / "new" / "release").exists() for draft in drafts(study)):
            break
        time.sleep(0.002)
    return running


class TestRun:
    def test_it_writes_a_report_and_says_where(self, study):
        done = drive_eval("run", study)
        assert done.returncode == 0, done.stderr
        assert "report.html" in done.stdout
        assert "Policy: opensafely. Unit: person." in done.stdout
        names = {path.name for path in (study / "outputs" / "release").iterdir()}
        files = {"report.html", "report.docx", "summary.html", "tables.xlsx", "results.json"}
        assert names == {*files, "charts", "manifest.json"}
        assert all(name in done.stdout for name in files - {"results.json"})
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
        release = study / "outputs" / "release"
        first = {path: path.read_bytes() for path in release.rglob("*") if path.is_file()}
        drive_eval("run", study, "-q", "--overwrite")
        assert len(first) > 12
        assert {path: path.read_bytes() for path in first} == first

    def test_a_folder_with_other_things_in_it_is_never_replaced(self, study):
        (study / "outputs").mkdir()
        (study / "outputs" / "thesis.docx").write_text("years of work", encoding="utf-8")
        done = drive_eval("run", study, "-q", "--overwrite")
        assert done.returncode == 2
        assert "drive_eval did not write" in done.stderr
        assert (study / "outputs" / "thesis.docx").exists()

    @pytest.mark.parametrize("inside", ["release/notes.docx", "restricted/mine/rows.csv"])
    def test_other_peoples_files_are_found_however_deep(self, study, inside):
        drive_eval("run", study, "-q")
        mine = study / "outputs" / inside
        mine.parent.mkdir(exist_ok=True)
        mine.write_text("years of work", encoding="utf-8")
        done = drive_eval("run", study, "-q", "--overwrite")
        assert done.returncode == 2
        assert "files or folders that drive_eval did not write, such as" in done.stderr
        assert mine.exists()

    def test_a_folder_of_tables_is_not_called_results(self, study):
        done = drive_eval("run", study, "-q", "--outputs", study / "extract")
        assert done.returncode == 2
        assert 'did not write, such as "assessments.csv"' in done.stderr
        assert "already holds results" not in done.stderr

    def test_a_killed_run_leaves_what_was_there_and_is_swept_up(self, study):
        drive_eval("run", study, "-q")
        before = (study / "outputs" / "release" / "report.html").read_bytes()
        running = started(study, "--overwrite")
        running.kill()
        running.communicate()
        report = study / "outputs" / "release" / "report.html"
        assert report.read_bytes() == before
        assert drafts(study) != []
        assert drive_eval("run", study, "-q", "--overwrite").returncode == 0
        assert drafts(study) == []

    @pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
    def test_a_run_that_is_stopped_leaves_nothing_and_says_so(self, study, number, code):
        running = started(study)
        running.send_signal(number)
        said = running.communicate()[1]
        assert running.returncode == code
        assert said == "Stopped. Nothing was changed.\n"
        assert drafts(study) == []
        assert not (study / "outputs").exists()

    def test_of_two_runs_at_once_one_is_refused(self, study):
        both = [started(study, wait=False) for _ in range(2)]
        said = [one.communicate()[1] for one in both]
        codes = [one.returncode for one in both]
        assert sorted(codes) == [0, 2], said
        assert re.search("already holds results|cannot be written", said[codes.index(2)])
        assert (study / "outputs" / "release" / "report.html").exists()

    @pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
    def test_exact_figures_can_be_opened_by_their_owner_alone(self, study):
        drive_eval("run", study, "-q")
        mode = stat.S_IMODE((study / "outputs" / "restricted").stat().st_mode)
        assert mode == 0o700

    def test_an_empty_policy_or_folder_is_refused(self, study):
        done = drive_eval("run", study, "--policy", "")
        assert done.returncode == 2
        assert "policy" in done.stderr
        done = drive_eval("run", study, "--outputs", "")
        assert done.returncode == 2
        assert "the name is empty. Leave the option out, or name a folder." in done.stderr

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
        assert "--overwrite" in again.stderr
        assert "Drawing" not in again.stderr
        again = drive_eval("simulate", "--preset", "site", tmp_path / "new", "--overwrite")
        assert again.returncode == 0

    def test_simulate_never_replaces_tables_that_may_be_real(self, study):
        done = drive_eval("simulate", "--preset", "site", study / "extract", "--overwrite")
        assert done.returncode == 2
        assert "they may be of real people" in done.stderr
        assert (study / "extract" / "cases.csv").read_text(encoding="utf-8").count("\n") == 13

    def test_a_fault_of_the_program_is_one_sentence_or_a_traceback(self, study):
        script = (
            "import sys; from drive_eval import cli, evaluation\n"
            "def broken(*a, **k): raise KeyError('a value from a row')\n"
            "evaluation.check = broken\n"
            f"sys.argv = ['drive-eval', 'check', {str(study)!r}, *sys.argv[1:]]\n"
            "cli.main()"
        )

        def run(*words, **env):
            return subprocess.run(
                [sys.executable, "-c", script, *words],
                capture_output=True, text=True, check=False, env={**os.environ, **env},
            )  # fmt: skip

        done = run()
        assert done.returncode == 1
        assert done.stderr.startswith("KeyError: this is a fault in drive_eval")
        assert "--debug" in done.stderr
        assert "a value from a row" not in done.stderr
        assert "Traceback" in run("--debug").stderr
        assert "Traceback" in run(DRIVE_EVAL_DEBUG="1").stderr

    def test_init_quotes_what_must_be_typed_next(self, tmp_path):
        done = drive_eval("init", "it is new", cwd=tmp_path)
        assert "Next: drive-eval run 'it is new'\n" in done.stdout
        assert drive_eval("init", "", cwd=tmp_path).returncode == 2

    def test_check_names_the_files_that_it_did_not_read(self, study):
        (study / "extract" / "notes.csv").write_text("a\n", encoding="utf-8")
        assert "Not read: notes.csv" in drive_eval("check", study).stdout

    @pytest.mark.parametrize("command", ["run", "check"])
    def test_tables_that_a_script_makes_are_asked_for(self, study, command):
        shutil.rmtree(study / "extract")
        assert "made by a script" not in drive_eval(command, study).stderr
        (study / "run.py").write_text("", encoding="utf-8")
        done = drive_eval(command, study)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == (
            f"If the tables are made by a script, run it first: python {study / 'run.py'}"
        )

    def test_simulate_offers_the_confounded_site(self, tmp_path):
        done = drive_eval("simulate", "--preset", "confounded", "--seed", 3, tmp_path / "new")
        assert done.returncode == 0, done.stderr
        written = sorted(path.name for path in (tmp_path / "new").iterdir())
        assert written == ["cases.csv", "codebook.md", "truth.json"]

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
