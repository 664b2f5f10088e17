"""Evaluate the confounded site: draw it, run the plan, set what it finds beside the truth."""

import runpy
from pathlib import Path

import drive_eval as de

folder = Path(__file__).parent
runpy.run_path(str(folder / "prepare.py"))
plan = de.load_plan(folder / "evaluation.toml")
de.write_report(de.run(plan, de.load_study(plan)), folder / "outputs", overwrite=True)
runpy.run_path(str(folder / "compare.py"))
