"""Rates before and after as they may be released: from rounded events and time, or two digits."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from scipy import stats

from drive_eval.evaluation.controlled import (
    HIDDEN,
    coarse_p,
    coarse_ratio,
    people_of,
    quarter,
    without_numbers,
)
from drive_eval.evaluation.rates import PERIODS
from drive_eval.evaluation.released_curves import fewest_events, unit_of
from drive_eval.models import counts
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.disclosure import Policy
    from drive_eval.plan import Plan
    from drive_eval.results import CellStatus, CountTable, Estimate, ResultSet

__all__ = ["Incidents", "enough_incidents", "of_rates", "released_incidents"]

_MEASURES = ("rate", "rate_ratio", "ratio_of_ratios")
_HARM = "harm"


def of_rates(e: Estimate) -> bool:
    """Tell whether an estimate is of rates before and after."""
    return e.measure in _MEASURES or (
        e.measure == "percent_reduction" and not e.term.endswith(("hazard", "(hazard)"))
    )


def enough_incidents(result: ResultSet, name: str, rules: Policy) -> dict[tuple[str, str], bool]:
    """In which arms and windows had enough different people an event, and nobody most of them?

    Parameters
    ----------
    result : ResultSet
        Exact.
    name : str
        Of the outcome.
    rules : Policy

    Returns
    -------
    dict of (group, period) to bool
        Of p people with e events nobody has more than e − p + 1, which is at most half of them
        if e is not above 2 (p − 1).
    """
    table = next((t for t in result.tables if t.name == f"incidents:{name}"), None)
    if table is None:
        return {}
    least = fewest_events(rules)
    found = {}
    for group, when in dict.fromkeys((c.key[0], c.key[1]) for c in table.cells):
        events = table[group, when, "events"] or 0
        behind = people_of(table)
        people, n = (
            behind.get((group, when, what), table[group, when, what] or 0)
            for what in ("people with an event", "people")
        )
        found[group, when] = people >= least and n - people >= least and events <= 2 * (people - 1)
    return found


def released_incidents(
    table: CountTable, known: Mapping[tuple[str, str], bool], rules: Policy
) -> CountTable:
    """Return events and people with an event of the windows, rounded beside exact counts too.

    Parameters
    ----------
    table : CountTable
        ``incidents:<name>``, exact.
    known : mapping
        From `enough_incidents`.
    rules : Policy

    Returns
    -------
    CountTable
        People with time at risk are rounded to twice as much: how many of an arm have none is
        few, and stands beside in other tables.
    """
    base = unit_of(rules)
    cells = []
    for cell in table.cells:
        group, when, what = cell.key
        count = None
        if known[group, when]:
            count = _rounded(cell.count or 0, 2 * base if what == "people" else base)
        status: CellStatus = "suppressed" if count is None else "rounded"
        cells.append(dataclasses.replace(cell, count=count, status=status))
    return dataclasses.replace(table, cells=tuple(cells), policy=rules.name)


def _rounded(value: float, base: int) -> int:
    return base * math.floor(value / base + 0.5)


class Incidents:
    """Rates and their ratios as they may be released.

    Parameters
    ----------
    plan : Plan
    result : ResultSet
        Exact.
    name : str
        Of the outcome.
    table : CountTable or None
        ``incidents:<name>`` as it is released; None where the plan has no time before.
    rules : Policy
    """

    def __init__(
        self, plan: Plan, result: ResultSet, name: str, table: CountTable | None, rules: Policy
    ) -> None:
        self.plan, self.result, self.table, self.rules = plan, result, table, rules
        self.known = enough_incidents(result, name, rules)

    def released(self, e: Estimate) -> Estimate:
        """Return a row with what may be known of it."""
        bare = without_numbers(e)
        if self.table is None or e.estimate is None or not self._enough(e):
            return bare
        if e.measure == "rate" and not e.term.startswith(_HARM):
            return self._rate(e, bare)
        return self._two_digits(e, bare)

    def _cells(self, e: Estimate) -> list[tuple[str, str]]:
        """Return the arms and windows that a row rests on."""
        groups = [e.group] if e.group else list(dict.fromkeys(group for group, _ in self.known))
        words = e.term.replace("(", " ").replace(")", " ").split()
        alone = e.measure == "rate" or "after" in words
        periods = [when for when in PERIODS if when in words] if alone else list(PERIODS)
        return [(group, when) for group in groups for when in periods]

    def _enough(self, e: Estimate) -> bool:
        if not all(self.known.get(cell) for cell in self._cells(e)):
            return False
        if _HARM not in e.term:
            return True
        # Weights may make one person's harm most of it; the largest share of one stands in a check.
        shares = [
            c.statistic
            for c in self.result.checks
            if c.name.startswith("harm: dominance") and c.group in ("", e.group)
        ]
        return bool(shares) and all(share is not None and share <= 0.2 for share in shares)

    def _rate(self, e: Estimate, bare: Estimate) -> Estimate:
        when = e.term
        base = unit_of(self.rules)
        exact = self.result.table(self.table.name)[e.group, when, "events"] if self.table else None
        events = self.table[e.group, when, "events"] if self.table else None
        n = self.table[e.group, when, "people"] if self.table else None
        if not exact or not events or not e.estimate:
            return bare
        years = _rounded(100 * exact / e.estimate, 2 * base)
        if not years:
            return bare
        size = self._size(e, exact)
        found = counts.rate_counts(
            events=events,
            person_years=years,
            conf_level=e.conf_level,
            design_effect=size or 1.0,
        ).one(measure="rate")
        shown = size is not None
        note = f", worked out again from events and years rounded to {base} and {2 * base}"
        if size is not None and size > 1:
            note += f", design effect {size:g}"
        return dataclasses.replace(
            bare,
            estimate=found.estimate,
            conf_low=found.conf_low if shown else None,
            conf_high=found.conf_high if shown else None,
            n=n,
            n_events=events,
            method="per 100 person-years" + note,
        )

    def _size(self, e: Estimate, events: int) -> float | None:
        """Return how much wider an interval is than that of independent events, in quarters."""
        if not e.conf_low or not e.conf_high or not e.estimate:
            return None
        z = float(stats.norm.ppf(0.5 + e.conf_level / 2))
        reach = math.log(e.conf_high / e.conf_low) / (2 * z)
        plain = counts.rate_counts(
            events=events, person_years=100 * events / e.estimate, conf_level=e.conf_level
        ).one(measure="rate")
        if not plain.conf_low or not plain.conf_high:
            return None
        simple = math.log(plain.conf_high / plain.conf_low) / (2 * z)
        return quarter((reach / simple) ** 2)

    def _two_digits(self, e: Estimate, bare: Estimate) -> Estimate:
        def coarse(value: float | None) -> float | None:
            if value is None or e.measure != "percent_reduction":
                return coarse_ratio(value)
            ratio = coarse_ratio(1 - value / 100)
            return None if ratio is None else 100 * (1 - ratio)

        about: dict[str, Any] = {}
        if _HARM not in e.term and self.table is not None:
            about = self._counted(e)
        return dataclasses.replace(
            bare,
            estimate=coarse(e.estimate),
            conf_low=coarse(e.conf_low),
            conf_high=coarse(e.conf_high),
            p_value=coarse_p(e.p_value),
            method=f"{e.method.partition(',')[0]}, to two digits",
            **about,
        )

    def _counted(self, e: Estimate) -> dict[str, Any]:
        """Return the released events and people of both sides of a ratio."""
        if self.table is None:
            return {}
        if e.group:
            sides = [(e.group, "after"), (e.group, "before")]
        else:
            groups = list(dict.fromkeys(group for group, _ in self.known))
            sides = [(group, "after") for group in groups]
        found = [
            (self.table[group, when, "people"], self.table[group, when, "events"])
            for group, when in sides
        ]
        if len(found) < 2:
            return {}
        (n, x), (m, y) = found
        return {"n": n, "n_events": x, "n_reference": m, "n_events_reference": y}

    def checks(self) -> list[Check]:
        """Say what of the rates is coarse, and what is not shown."""
        if self.table is None:
            return []
        found = []
        if any(self.known.values()):
            text = (
                "Rates are worked out again from rounded events and years; ratios of rates follow "
                "from no count and are given to two digits."
            )
            found.append(Check(name="rates: two_digits", text=text))
        hidden = dict.fromkeys(group for (group, _), enough in self.known.items() if not enough)
        for group in hidden:
            text = f"Rates before or after are not shown: {HIDDEN}"
            found.append(Check(name="rates: suppressed", group=group, text=text))
        kept = ("rates: recording_change", "rates: crude")
        found += [
            dataclasses.replace(c, statistic=None, threshold=None, p_value=None)
            for c in self.result.checks
            if c.name in kept and not any(sign.isdigit() for sign in c.text)
        ]
        return found
