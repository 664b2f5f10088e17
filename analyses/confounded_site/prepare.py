"""Draw the confounded site, seed 1, into data/, unless it is there."""

from pathlib import Path

import drive_eval as de
from drive_eval.data.study import save_tables
from drive_eval.data.synthetic import companion_files

folder = Path(__file__).parent / "data"
if not folder.exists():
    study = de.synthetic_study("confounded", seed=1)
    save_tables(study.tables, folder, other_files=companion_files("confounded", seed=1))
