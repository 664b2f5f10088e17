"""Write the committed synthetic study again: ``python data/synthetic/regenerate.py [--truth]``.

Without ``--truth`` the true values are copied from the package; with it they are computed
anew (about five minutes) and written to the package first, those of the presets ``confounded``
and ``national`` too, whose tables are drawn where they are needed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import drive_eval
from drive_eval.data import synthetic
from drive_eval.data.study import save_tables

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    if "--truth" in sys.argv[1:]:
        package = ROOT / "src" / "drive_eval" / "data" / "synthetic"
        pilot = {**synthetic.population_truth(), "offending": synthetic.offending_truth()}
        for name, truth in (
            ("truth.json", pilot),
            ("confounded_truth.json", synthetic.confounded_truth()),
            ("national_truth.json", synthetic.offending_truth("national", people=4_000_000)),
        ):
            text = synthetic.truth_text(truth)
            (package / name).write_text(text, encoding="utf-8", newline="\n")
    study = drive_eval.synthetic_study("drive_pilot", seed=1)
    folder = ROOT / "data" / "synthetic" / "drive_pilot"
    beside = synthetic.companion_files("drive_pilot", seed=1)
    save_tables(study.tables, folder, other_files=beside, overwrite=True)
