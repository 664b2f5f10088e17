"""`drive-eval reproduce` as a user types it, and the analysis of the published record."""

from __future__ import annotations

import csv
import io
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from drive_eval.cli import app

ROOT = Path(__file__).resolve().parents[2]


def reproduce(*words: str) -> Result:
    return CliRunner().invoke(app, ["reproduce", *words])


def test_all_claims_are_listed_with_grade_and_verdict():
    done = reproduce()
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    physical = next(line for line in lines if line.startswith("drive_physical "))
    assert physical.split(maxsplit=2)[1:] == ["C", "interval only: counts are not public"]
    assert "A  exact counts or a full regression output are public" in lines


def test_one_claim_is_told_in_full():
    done = reproduce("cara_harm")
    assert done.exit_code == 0, done.stderr
    for words in (
        "Verdict: reached, 4 of 5",
        "+ lower with the workshop: printed 27 %; ours 27.45 %: reached to the printed digits.",
        "x P value: printed 0.011; not reached: the spread between men is not public.",
        "38 % more in the comparison",
    ):
        assert words in done.stdout


def test_an_unknown_claim_is_refused_with_the_nearest():
    done = subprocess.run(
        [sys.executable, "-m", "drive_eval.cli", "reproduce", "drive_fysical"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == 'no claim "drive_fysical". Nearest: "drive_physical".\n'
    assert done.stdout == ""


def test_json_and_csv():
    body = json.loads(reproduce("drive_physical", "--json").stdout)
    assert body["drive_physical"]["claim"]["printed"][0]["value"] == 82
    rows = list(csv.DictReader(io.StringIO(reproduce("drive_physical", "--csv").stdout)))
    assert [row["n"] for row in rows] == ["50", "100", "300"]
    both = reproduce("--json", "--csv")
    assert both.exit_code == 2
    assert "cannot be had together" in both.stderr


def test_help_has_examples():
    done = reproduce("--help")
    assert "drive-eval reproduce drive_physical" in done.stdout


def test_the_analysis_writes_its_report(tmp_path, capsys):
    folder = tmp_path / "published_record"
    ignore = shutil.ignore_patterns("outputs")
    shutil.copytree(ROOT / "analyses" / "published_record", folder, ignore=ignore)
    runpy.run_path(str(folder / "run.py"))
    report = Path(capsys.readouterr().out.strip())
    assert report == folder / "outputs" / "report.html"
    assert len((folder / "run.py").read_text(encoding="utf-8").splitlines()) <= 12
