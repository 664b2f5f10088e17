"""From dated events and custody spells to analysis rows, in whatever engine the events are.

Conventions, everywhere: days are whole and counted from the index date, day 0, which belongs to
no window. After it, ``(a, b]`` holds the days a + 1 … b; before it, ``[a, b)`` holds a … b − 1.
A start/stop row holds the days start + 1 … stop. Custody takes away the days after its first, up
to its last. Events may be in pandas, Polars (eager or lazy), DuckDB or Spark and stay there;
units, custody and weights are fetched. Every function returns pandas rows, sorted, and Checks.
"""

from drive_eval.measures.offending._cohort import recording_changes
from drive_eval.measures.offending.counting import (
    Measured,
    event_counts,
    harm_counts,
    monthly_rates,
    person_time,
)
from drive_eval.measures.offending.following import CAUSES, ENDINGS, first_event, repeat_rows
from drive_eval.measures.offending.patterns import (
    Selected,
    marac_repeats,
    select_events,
    serial_and_repeat,
)

__all__ = [
    "CAUSES",
    "ENDINGS",
    "Measured",
    "Selected",
    "event_counts",
    "first_event",
    "harm_counts",
    "marac_repeats",
    "monthly_rates",
    "person_time",
    "recording_changes",
    "repeat_rows",
    "select_events",
    "serial_and_repeat",
]
