"""Evaluate financial aid after release from prison: from public rows to the report."""

import runpy
from pathlib import Path

import drive_eval as de

folder = Path(__file__).parent
runpy.run_path(str(folder / "prepare.py"))
plan = de.load_plan(folder / "evaluation.toml")
evaluation = de.run(plan, de.load_study(plan))
print(de.write_report(evaluation, folder / "outputs", overwrite=True))
