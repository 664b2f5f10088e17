"""Events month by month around the index date: counts, people and rates of each arm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scipy import special

from drive_eval.data.people import VICTIMS, fewest_people
from drive_eval.measures import offending
from drive_eval.results import CountTable, Curve
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    import pandas as pd

    from drive_eval.measures.offending import Measured
    from drive_eval.plan import ReoffendingOutcome
    from drive_eval.plan.sections import DesignSection

__all__ = ["count_months", "monthly_curves", "monthly_tables"]

_METHOD = (
    "exact Poisson for the number of independent events that the events of these people are worth"
)


def count_months(
    outcome: ReoffendingOutcome,
    units: pd.DataFrame,
    events: pd.DataFrame,
    custody: pd.DataFrame | None,
    *,
    by_unit: bool = False,
) -> Measured:
    """Count the events that the plan chose, and the time at risk, by arm or unit and month.

    Parameters
    ----------
    outcome : ReoffendingOutcome
    units : DataFrame
        From `cohort_units`.
    events : DataFrame
        Those that count.
    custody : DataFrame or None
    by_unit : bool
        Rows of units, which add up to those of arms.

    Returns
    -------
    Measured
        As `drive_eval.measures.offending.monthly_rates`.
    """
    return offending.monthly_rates(
        units,
        events,
        None if outcome.custody_as == "ignored" else custody,
        first_month=-outcome.months_before or 1,
        last_month=outcome.months_after,
        washout=outcome.washout,
        attribution=outcome.attribution,
        force=outcome.force or None,
        by_unit=by_unit,
    )


def monthly_tables(
    name: str, months: Measured, own: pd.DataFrame, units: pd.DataFrame
) -> tuple[CountTable, CountTable]:
    """Count events, and the different people who had one, by arm and month.

    Parameters
    ----------
    name : str
        Of the outcome.
    months : Measured
        From `count_months`.
    own : DataFrame
        From `count_months` by unit.
    units : DataFrame
        From `cohort_units`.

    Returns
    -------
    tuple of CountTable
        ``monthly:<name>`` and ``monthly_people:<name>``, without totals.
    """
    hits = own[own["events_free"] > 0].merge(units[["unit_id", VICTIMS]], on="unit_id")
    different = {key: fewest_people(here) for key, here in hits.groupby(["group", "month"])}
    rows = months.rows
    keys = list(zip(rows["group"].astype(str), rows["month"].astype(str), strict=True))
    events: dict[tuple[str, ...], int] = dict(zip(keys, rows["events_free"], strict=True))
    persons: dict[tuple[str, ...], int] = {
        (arm, month): different.get((arm, int(month)), 0) for arm, month in keys
    }
    return (
        CountTable.from_counts(
            name=f"monthly:{name}",
            title="Events by month around the index date",
            unit="events",
            dimensions=("group", "month"),
            counts=events,
        ),
        CountTable.from_counts(
            name=f"monthly_people:{name}",
            title="People with an event by month around the index date",
            unit="person",
            dimensions=("group", "month"),
            counts=persons,
        ),
    )


def monthly_curves(
    outcome: ReoffendingOutcome, design: DesignSection, months: Measured, own: pd.DataFrame
) -> tuple[Curve, ...]:
    """Return the rate of each arm by month, with limits that know whose events they are.

    Parameters
    ----------
    outcome : ReoffendingOutcome
    design : DesignSection
        Of the plan.
    months : Measured
        From `count_months`.
    own : DataFrame
        From `count_months` by unit.

    Returns
    -------
    tuple of Curve
        ``monthly_rate`` of each arm: events per 100 person-years at risk; `at_risk` counts units.
    """
    curves = []
    for arm in [arm for arm in ARMS.codes if (months.rows["group"] == arm).any()]:
        rows = months.rows[months.rows["group"] == arm]
        here = own[own["group"] == arm]
        points = [
            _rate(here[here["month"] == month], int(events), float(years), design.conf_level)
            for month, events, years in zip(
                rows["month"], rows["events_free"], rows["person_years"], strict=True
            )
        ]
        curves.append(
            Curve(
                name="monthly_rate",
                title="Events per 100 person-years, by month around the index date",
                measure="monthly_rate",
                outcome=outcome.name,
                group=arm,
                unit=design.unit,
                time_unit="months",
                times=tuple(float(month) for month in rows["month"]),
                estimate=tuple(point[0] for point in points),
                conf_low=tuple(point[1] for point in points),
                conf_high=tuple(point[2] for point in points),
                at_risk=tuple(float(n) for n in rows["units"]),
                events=tuple(float(n) for n in rows["events_free"]),
                censored=(None,) * len(rows),
                conf_level=design.conf_level,
                method=_METHOD,
                note=_note(outcome, months),
            )
        )
    return tuple(curves)


def _note(outcome: ReoffendingOutcome, months: Measured) -> str:
    parts = []
    if outcome.months_before:
        text = "The incident that led to the referral"
        if outcome.washout:
            text += f" and the {outcome.washout} days before the index date are left out."
        else:
            text += " is left out."
        parts.append(text)
    # The check "custody" says that there is none to leave out, or that it is ignored.
    if not any(check.name == "custody" for check in months.checks):
        parts.append("Time in custody and events in it are left out.")
    return " ".join(parts)


def _rate(
    own: pd.DataFrame, events: int, years: float, conf_level: float
) -> tuple[float | None, float | None, float | None]:
    """Return events per 100 person-years with limits; none where nobody was at risk.

    Events of one person go together. Their number is divided by how much wider squares summed
    over people are than Poisson's variance (never by less than 1), and the exact limits of that
    many are multiplied by it again.
    """
    if years <= 0:
        return None, None, None
    worth = 1.0
    if events:
        each: Any = own.groupby("perpetrator_id")[["events_free", "person_years"]].sum()
        away = each["events_free"] - each["person_years"] * events / years
        worth = max(1.0, float((away**2).sum()) / events)
    count, tail = events / worth, (1 - conf_level) / 2
    low = float(special.gammaincinv(count, tail)) if events else 0.0
    high = float(special.gammaincinv(count + 1, 1 - tail))
    scale = 100 * worth / years
    return 100 * events / years, low * scale, high * scale
