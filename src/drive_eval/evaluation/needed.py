"""What outcomes over time need of the tables, said in the words of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.errors import DesignError
from drive_eval.plan import ReoffendingOutcome, TimeToEventOutcome

if TYPE_CHECKING:
    import pandas as pd

    from drive_eval.plan.outcomes import Outcome

__all__ = ["need_columns", "said_of"]


def said_of(outcome: Outcome, fault: str) -> str:
    """Return a fault with the outcome's name before it, where one over time does not say its own.

    Parameters
    ----------
    outcome : Outcome
        A block of the plan.
    fault : str
        What is wrong.

    Returns
    -------
    str
        Unchanged for outcomes of other kinds.
    """
    if not isinstance(outcome, TimeToEventOutcome | ReoffendingOutcome):
        return fault
    if f'"{outcome.name}"' in fault or "outcome of kind" in fault:
        return fault
    return f'the outcome "{outcome.name}": {fault}'


def need_columns(outcome: ReoffendingOutcome, units: pd.DataFrame, events: pd.DataFrame) -> None:
    """Refuse tables without the columns that people are followed by, or events are chosen by.

    Parameters
    ----------
    outcome : ReoffendingOutcome
        The block of the plan.
    units : DataFrame
        From `cohort_units`.
    events : DataFrame
        The study's events.

    Raises
    ------
    DesignError
        With one sentence a column.
    """
    which = f'the outcome "{outcome.name}"'
    faults = []
    if "data_end_date" not in units:
        faults.append(
            f"{which} needs the column data_end_date of cases: the last day on which an event of "
            "this person would be in the extract. Add it; it may be the same day in every row."
        )
    elif blank := int(units["data_end_date"].isna().sum()):
        faults.append(
            f"{which} needs data_end_date, which is blank in {blank} of {len(units)} rows of "
            "cases: without it nobody knows how long a person was followed. Fill it in, or leave "
            "these cases out with [cohort] exclude."
        )
    chosen_by = {
        "outcome_stage": (outcome.stage != "recorded", f'stage = "{outcome.stage}"'),
        "abuse_type": (bool(outcome.abuse_types), "abuse_types"),
        "domestic_abuse_flag": (outcome.domestic_abuse, "domestic_abuse = true"),
    }
    faults += [
        f"{which} chooses events by {key}, but events has no column {column}. Add it, or take "
        "this line out of the plan."
        for column, (asked, key) in chosen_by.items()
        if asked and column not in events
    ]
    if faults:
        raise DesignError("\n".join(faults))
