"""Recompute the published record: every claim, the charts and one report in outputs/."""

from pathlib import Path

from drive_eval.published.record import pages
from drive_eval.report.published import write_record

print(write_record(pages(), Path(__file__).parent / "outputs"))
