"""What is asked of every rival explanation: labels, chance, refusals, and its words."""

from __future__ import annotations

import dataclasses
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.errors import DataError, DesignError, DesignWarning, UndefinedResultError
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from drive_eval.plan import Plan
    from drive_eval.results import Estimate

_MOST = 100  # sites that are left out one by one

__all__ = ["Asked", "and_so_on", "at_the_end", "interval_words", "number"]

_AT_THE_END = (
    "Wrong records, who was not measured and what the sample could show are asked of the use at "
    "the end only, in one group minus the other. The main result compares the change in one group "
    "with the change in the other, so they speak of another contrast than it does."
)
_NO_CLUSTERS = (
    "Rows of one person belong together, and this answer knows of no clusters: it has its point "
    "and no interval."
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One outcome, and what every model is told of it.

    Attributes
    ----------
    plan : Plan
    name : str
        Under which the outcome's results are filed; seeds hang on it, so that no further outcome
        changes the draws of this one.
    labels : mapping
        ``outcome``, ``unit``, ``reporter`` and ``threshold`` of every Estimate.
    """

    plan: Plan
    name: str
    labels: Mapping[str, Any]

    @property
    def level(self) -> float:
        """Coverage of every interval."""
        return self.plan.design.conf_level

    @property
    def cluster(self) -> str | None:
        """Column of who belongs together, where units are not people."""
        return None if self.plan.design.unit == "person" else "perpetrator_id"

    @property
    def about(self) -> dict[str, Any]:
        """Labels and level, as every model takes them."""
        return {**self.labels, "conf_level": self.level}

    @property
    def worthwhile(self) -> float:
        """The smallest worthwhile change, as a share of people."""
        return self.plan.sensitivity.smallest_worthwhile / 100

    def rng(self, what: str) -> np.random.Generator:
        """Return the generator of one question."""
        key = zlib.crc32(f"{self.name}|{what}".encode())
        return np.random.default_rng([self.plan.sensitivity.seed, key])

    def said(self, what: str, text: str, *, group: str = "", **more: Any) -> Check:
        """Return the sentence of one rival explanation."""
        return Check(
            name=f"rival:{what}",
            outcome=str(self.labels["outcome"]),
            group=group,
            text=text,
            **more,
        )

    def tried(
        self, what: str, model: Callable[[], ResultSet], *, group: str = ""
    ) -> ResultSet | None:
        """Run a model; its checks say which question they belong to. None if it refuses."""
        found, _ = self.asked(what, model, group=group)
        return found

    def asked(
        self, what: str, model: Callable[[], ResultSet], *, group: str = ""
    ) -> tuple[ResultSet | None, ResultSet]:
        """Run a model, or return None and its refusal as the sentence of the question."""
        try:
            with warnings.catch_warnings():
                # Few clusters stand among the checks.
                warnings.simplefilter("ignore", DesignWarning)
                found = model()
        except (DataError, DesignError, UndefinedResultError) as refusal:
            text = f"Not worked out: {refusal}"
            return None, ResultSet(checks=(self.said(what, text, group=group),))
        return found, ResultSet()

    def kept(
        self,
        what: str,
        found: ResultSet,
        *,
        group: str,
        sentence: Check,
        drop: tuple[str, ...] = (),
    ) -> ResultSet:
        """Return what a model found with its sentence; its other checks are named after it."""
        checks = tuple(
            dataclasses.replace(
                c,
                name=f"{what}: {c.name}",
                group=c.group or group,
                outcome=c.outcome or str(self.labels["outcome"]),
            )
            for c in found.checks
            if c.name not in drop
        )
        return ResultSet(
            estimates=found.estimates,
            checks=(sentence, *checks),
            assumptions=found.assumptions,
        )

    def alone(self, found: ResultSet) -> ResultSet:
        """Take the intervals of a model that knows of no clusters, where there are clusters."""
        if self.cluster is None:
            return found
        bare = tuple(
            dataclasses.replace(
                e,
                std_error=None,
                conf_low=None,
                conf_high=None,
                p_value=None,
                estimate=None if e.term == "interval" else e.estimate,
            )
            for e in found.estimates
        )
        checks = (*found.checks, Check(name="clusters", text=_NO_CLUSTERS))
        return dataclasses.replace(found, estimates=bare, checks=checks)

    def left_out_by(self, table: pd.DataFrame) -> str:
        """Return the column left out value by value; empty where there is none to be left out."""
        by = self.plan.sensitivity.leave_one_out
        if not by or by not in table or table[by].isna().any():
            return ""
        return by if 2 <= table[by].nunique() <= _MOST else ""


def at_the_end(asked: Asked) -> Check:
    """Say which questions between the arms leave aside what was before."""
    return Check(name="at_the_end_only", outcome=str(asked.labels["outcome"]), text=_AT_THE_END)


def number(value: float | None, digits: int = 0) -> str:
    """Write a percentage; a typographic minus.

    Examples
    --------
    >>> number(-12.34), number(None)
    ('−12', 'not defined')
    """
    if value is None:
        return "not defined"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def interval_words(e: Estimate, digits: int = 0) -> str:
    """Write a percentage with its interval, where it has one.

    Examples
    --------
    >>> from drive_eval.results import Estimate
    >>> interval_words(Estimate(measure="percent_reduction", estimate=70.4, conf_low=60,
    ...                         conf_high=80))
    '70 % (60 to 80)'
    """
    if e.estimate is None:
        return "not defined"
    text = f"{number(e.estimate, digits)} %"
    if e.conf_low is not None and e.conf_high is not None:
        text += f" ({number(e.conf_low, digits)} to {number(e.conf_high, digits)})"
    return text


def and_so_on(found: list[str]) -> str:
    """Join parts of a sentence.

    Examples
    --------
    >>> and_so_on(["a", "b", "c"])
    'a, b and c'
    """
    if len(found) < 2:
        return "".join(found)
    return f"{', '.join(found[:-1])} and {found[-1]}"
