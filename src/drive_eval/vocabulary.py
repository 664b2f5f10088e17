"""The words of the field: abuse types, severity levels, reporters, time points, reasons.

Each list is a versioned CSV file in ``codelists/`` with a code, its rank and its label in
plain words, so that a list can be reviewed and cited by people who do not read Python.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from drive_eval.errors import PlanError, did_you_mean

__all__ = [
    "ABUSE_TYPES",
    "ARMS",
    "CODELISTS",
    "ESTIMANDS",
    "EVENT_SOURCES",
    "EXIT_REASONS",
    "OUTCOME_STAGES",
    "PERCEIVED_CHANGES",
    "REPORTERS",
    "SEVERITY",
    "TIME_POINTS",
    "UNITS",
    "Arm",
    "Claim",
    "CodeList",
    "Estimand",
    "TimeUnit",
    "Unit",
    "codelist",
    "codelist_versions",
    "label",
]

Arm = Literal["programme", "comparison"]
Claim = Literal["descriptive", "associational", "causal"]
Unit = Literal["person", "enrolment", "dyad"]
Estimand = Literal["att", "atm", "ate", "atc", "ato"]
TimeUnit = Literal["days", "weeks", "months"]

UNITS: dict[str, str] = {
    "person": "perpetrator (abuse of any linked victim-survivor counts)",
    "enrolment": "enrolment of a perpetrator",
    "dyad": "perpetrator and one victim-survivor",
}

#: Whose average effect a comparison speaks of, as a sentence ends.
ESTIMANDS: dict[str, str] = {
    "att": "the average over programme cases (ATT)",
    "atm": (
        "the average over those programme cases for which a match was found (ATM), not over all of "
        "them"
    ),
    "ate": "the average over programme and comparison cases together (ATE)",
    "atc": "the average over comparison cases (ATC): what the programme would have done for them",
    "ato": (
        "the average over cases that might well have been in either arm (ATO, overlap weights), "
        "which is neither all programme nor all comparison cases"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeList:
    """An ordered list of codes with the words a reader should see.

    Attributes
    ----------
    name : str
        The file's name without its ending.
    version : str
        ISO date on which the list was last changed.
    codes : tuple of str
        The codes, lowest rank first.
    labels : tuple of str
        The plain words, in the same order.
    """

    name: str
    version: str
    codes: tuple[str, ...]
    labels: tuple[str, ...]

    def label(self, code: str) -> str:
        """Return the plain words for one code."""
        return self.labels[self.rank(code)]

    def rank(self, code: str) -> int:
        """Return the position of a code, 0 for the lowest."""
        try:
            return self.codes.index(code)
        except ValueError:
            raise PlanError(
                f'"{code}" is not in the code list {self.name}.{did_you_mean(code, self.codes)}'
            ) from None


@functools.cache
def codelist(name: str) -> CodeList:
    """Read one code list from the package.

    Parameters
    ----------
    name : str
        ``abuse_types``, ``severity``, ``reporters``, ``time_points``, ``exit_reasons``,
        ``perceived_changes``, ``arms``, ``event_sources`` or ``outcome_stages``.

    Returns
    -------
    CodeList
        The codes in rank order.

    Raises
    ------
    PlanError
        If there is no such list.

    Examples
    --------
    >>> codelist("severity").codes
    ('none', 'standard', 'moderate', 'high')
    """
    source = resources.files("drive_eval").joinpath("codelists", f"{name}.csv")
    if not source.is_file():
        raise PlanError(f'no code list "{name}".{did_you_mean(name, CODELISTS)}')
    rows = list(csv.DictReader(source.read_text(encoding="utf-8").splitlines()))
    rows.sort(key=lambda row: int(row["rank"]))
    return CodeList(
        name=name,
        version=max(row["version"] for row in rows),
        codes=tuple(row["code"] for row in rows),
        labels=tuple(row["label"] for row in rows),
    )


def codelist_versions() -> dict[str, str]:
    """Return the version of every code list, for the record of where numbers came from.

    Examples
    --------
    >>> sorted(codelist_versions())[0]
    'code list abuse_types'
    """
    names = (*CODELISTS, "recording_changes")
    return {f"code list {name}": codelist(name).version for name in names}


CODELISTS = (
    "abuse_types",
    "arms",
    "event_sources",
    "exit_reasons",
    "outcome_stages",
    "perceived_changes",
    "reporters",
    "severity",
    "time_points",
)

ABUSE_TYPES = codelist("abuse_types")
ARMS = codelist("arms")
EVENT_SOURCES = codelist("event_sources")
EXIT_REASONS = codelist("exit_reasons")
OUTCOME_STAGES = codelist("outcome_stages")
PERCEIVED_CHANGES = codelist("perceived_changes")
REPORTERS = codelist("reporters")
SEVERITY = codelist("severity")
TIME_POINTS = codelist("time_points")


def label(code: str) -> str:
    """Return the plain words for any code of any list; unknown codes lose their underscores.

    Examples
    --------
    >>> label("harassment_stalking")
    'Harassment and stalking'
    >>> label("hours_of_contact")
    'Hours of contact'
    """
    for name in CODELISTS:
        known = codelist(name)
        if code in known.codes:
            return known.label(code)
    words = code.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
