"""Evaluate the Minneapolis experiment: from its published counts to the report in outputs/."""

from pathlib import Path

import drive_eval as de

folder = Path(__file__).parent
plan = de.load_plan(folder / "evaluation.toml")
evaluation = de.run(plan, de.load_study(plan))
print(de.write_report(evaluation, folder / "outputs", overwrite=True))
