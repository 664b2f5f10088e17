"""What can go wrong, in the words of the person who has to put it right.

Every message says what was found, where, and what to do; it may name a column, a
file and a number of rows, never a value that stands in a person's row.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DataError",
    "DesignError",
    "DesignWarning",
    "DisclosureError",
    "DriveEvalError",
    "PlanError",
    "ResultError",
    "UndefinedResultError",
    "did_you_mean",
]


class DriveEvalError(Exception):
    """Any refusal by drive_eval; the message is a sentence for the user."""


class DataError(DriveEvalError):
    """A table does not hold what the data dictionary says it must.

    Parameters
    ----------
    faults : str or iterable of str
        One sentence per fault; all faults of a study are reported at once.

    Attributes
    ----------
    faults : tuple of str
        The sentences, in the order in which they were found.
    """

    def __init__(self, faults: str | Iterable[str]) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))


class PlanError(DriveEvalError):
    """The evaluation plan asks for something that cannot be read or does not exist."""


class DesignError(DriveEvalError):
    """The data cannot carry the comparison that was asked for."""


class UndefinedResultError(DriveEvalError):
    """The quantity does not exist for these data, such as a reduction from nothing."""


class ResultError(DriveEvalError):
    """A result was asked for that is not there, or is there more than once."""


class DisclosureError(DriveEvalError):
    """Releasing this would let somebody be recognised."""


class DesignWarning(UserWarning):
    """The result stands, but on less than its method was made for."""


def did_you_mean(name: str, known: Iterable[str], *, label: str = "Nearest") -> str:
    """Return a hint that names the nearest valid name, or lists the valid ones.

    Parameters
    ----------
    name : str
        What was written.
    known : iterable of str
        What would have been valid.
    label : str
        The word that introduces the nearest name.

    Returns
    -------
    str
        ``' Nearest: "week".'`` with its leading space, or a list of the choices.

    Examples
    --------
    >>> did_you_mean("weeks", ["week", "arrest"])
    ' Nearest: "week".'
    >>> did_you_mean("zzz", ["week", "arrest"])
    ' Valid: "week", "arrest".'
    """
    choices = [str(choice) for choice in known]
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
    if not near:
        folded = {choice.casefold(): choice for choice in choices}
        near = [folded[name.casefold()]] if name.casefold() in folded else []
    if near:
        return f' {label}: "{near[0]}".'
    if not choices:
        return ""
    listed = ", ".join(f'"{choice}"' for choice in choices[:12])
    return f" Valid: {listed}{' …' if len(choices) > 12 else ''}."
