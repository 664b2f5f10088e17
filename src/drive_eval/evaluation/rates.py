"""How often, before and after the index date: rates of each arm, and their ratios."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.data.people import VICTIMS, fewest_people
from drive_eval.errors import DataError, DesignError, DesignWarning, did_you_mean
from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.designs import CRUDE
from drive_eval.measures import offending
from drive_eval.models import counts
from drive_eval.results import Check, CountTable, Estimate, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal, TypeAlias

    from drive_eval.measures.offending import Measured
    from drive_eval.plan import Plan, ReoffendingOutcome
    from drive_eval.vocabulary import Claim

    Interval: TypeAlias = Literal["exact", "robust"]

__all__ = [
    "PERIODS",
    "count_periods",
    "harm_of",
    "incidents_table",
    "rates_result",
    "try_rates",
]

#: The two windows around the index date.
PERIODS = ("before", "after")
CHANGE = "after v before"
ARMS_CONTRAST = "programme v comparison"
CHANGE_OF_ARMS = "programme v comparison, after v before"
_PERSON = "perpetrator_id"
_CRUDE = (
    "Rates are compared crudely: their models take no weights, so what the matched or weighted "
    "comparisons balance is not balanced here."
)
_HARM = "harm_days"
#: What the rates of the windows have said already.
_SAID = ("person_years", "no_time")


def count_periods(
    outcome: ReoffendingOutcome,
    units: pd.DataFrame,
    events: pd.DataFrame,
    custody: pd.DataFrame | None,
) -> Measured:
    """Count each unit's events and time free, before the index date and after it.

    Parameters
    ----------
    outcome : ReoffendingOutcome
        With ``days_before`` above 0.
    units : DataFrame
        From `cohort_units`.
    events : DataFrame
        Those that count.
    custody : DataFrame or None

    Returns
    -------
    Measured
        As `drive_eval.measures.offending.event_counts`; ``window`` is ``before`` or ``after``.
    """
    return offending.event_counts(
        units,
        events,
        None if outcome.custody_as == "ignored" else custody,
        **_windows(outcome),
    )


def try_rates(
    plan: Plan,
    outcome: ReoffendingOutcome,
    units: pd.DataFrame,
    events: pd.DataFrame,
    custody: pd.DataFrame | None,
) -> None:
    """Refuse what keeps events or harm before and after the index date from being counted.

    Parameters
    ----------
    plan, outcome, units, events, custody
        As in `harm_of`.

    Raises
    ------
    DataError, DesignError
        As `count_periods` and `harm_of`.
    """
    if outcome.days_before:
        count_periods(outcome, units, events, custody)
        harm_of(plan, outcome, units, events, custody)


def harm_of(
    plan: Plan,
    outcome: ReoffendingOutcome,
    units: pd.DataFrame,
    events: pd.DataFrame,
    custody: pd.DataFrame | None,
) -> Measured | None:
    """Add up the harm of each unit's events outside custody, by the plan's own weights.

    Parameters
    ----------
    plan : Plan
        Whose folder holds the file of weights.
    outcome, units, events, custody
        As in `count_periods`.

    Returns
    -------
    Measured or None
        As `drive_eval.measures.offending.harm_counts`; None where the plan names no weights.

    Raises
    ------
    DataError, DesignError
        If the file is missing, is no list of weights, or lacks a class of offence.
    """
    if not outcome.harm_weights:
        return None
    spells = None if outcome.custody_as == "ignored" else custody
    return offending.harm_counts(
        units, _outside(events, spells), _weights(plan, outcome), spells, **_windows(outcome)
    )


def _outside(events: pd.DataFrame, custody: pd.DataFrame | None) -> pd.DataFrame:
    """Leave out events in custody, as nobody there is at risk in a rate."""
    if custody is None or custody.empty:
        return events
    dated = events[["perpetrator_id", "date"]].assign(row=range(len(events)))
    spells = custody[["perpetrator_id", "start_date", "end_date"]]
    both = dated.merge(spells, on="perpetrator_id")
    ended = both["end_date"].notna() & (both["date"] > both["end_date"])
    inside = both.loc[(both["date"] > both["start_date"]) & ~ended, "row"]
    return events.drop(events.index[inside.unique()])


def _windows(outcome: ReoffendingOutcome) -> dict[str, Any]:
    return {
        "windows": {"before": (-outcome.days_before, 0), "after": (0, outcome.horizon)},
        "washout": outcome.washout,
        "attribution": outcome.attribution,
        "force": outcome.force or None,
    }


def _weights(plan: Plan, outcome: ReoffendingOutcome) -> pd.DataFrame:
    path = plan.folder / outcome.harm_weights
    where = f'the outcome "{outcome.name}" counts harm by "{outcome.harm_weights}"'
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in plan.folder.glob("*.csv")])
        raise DesignError(
            f"{where}, but there is no such file beside the plan.{near} Mend harm_weights."
        )
    try:
        table = pd.read_csv(path)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError):
        raise DesignError(
            f"{where}, which is no CSV file in UTF-8. Save it as one, with the columns "
            f"offence_class and {_HARM}."
        ) from None
    for column in ("offence_class", _HARM):
        if column not in table:
            near = did_you_mean(column, list(map(str, table)))
            raise DesignError(f'{where}, which has no column "{column}".{near}')
    return table


# What is said of the two windows


def rates_result(
    plan: Plan,
    outcome: ReoffendingOutcome,
    units: pd.DataFrame,
    counted: Measured,
    harm: Measured | None,
    claim: Claim,
) -> ResultSet:
    """How often did events happen before and after, and how much less often in the programme?

    Parameters
    ----------
    plan : Plan
    outcome : ReoffendingOutcome
        The block of the plan.
    units : DataFrame
        From `cohort_units`.
    counted : Measured
        From `count_periods`.
    harm : Measured or None
        From `harm_of`.
    claim : {'descriptive', 'associational', 'causal'}
        The strongest sentence about the two arms.

    Returns
    -------
    ResultSet
        Of each arm the ``rate`` per 100 person-years (``term`` ``before`` and ``after``) and the
        ``rate_ratio`` of the two (``term`` ``rate``); between the arms the ``ratio_of_ratios``
        (``rate``) and the ``rate_ratio`` after the index date (``after``); each ratio with a
        ``percent_reduction`` of the same term. With weights of harm the same with ``harm before``,
        ``harm after`` and ``harm``. With designs contrasts of arms are crude, and their terms say
        so: ``crude (rate)``. The table ``incidents:<name>``. Checks of the models are called
        ``rates: …`` and ``harm: …``.
    """
    parts = [
        ResultSet(
            checks=_of_measure(counted),
            tables=(incidents_table(outcome.name, counted.rows, units, plan.design.unit),),
        ),
        _of_one_count(plan, outcome, counted.rows, "events_free", "", claim),
    ]
    if harm is not None:
        text = harm.check("harm_unmatched").text
        said = Check(name="harm: weights", passed=True, text=text)
        parts.append(ResultSet(checks=(said,)))
        parts.append(_of_one_count(plan, outcome, harm.rows, "harm", "harm", claim))
    if plan.balancing:
        parts.append(ResultSet(checks=(Check(name="rates: crude", text=_CRUDE),)))
    return merge(parts, outcome=outcome.name)


def _of_measure(counted: Measured) -> tuple[Check, ...]:
    """Keep what only the windows tell; the rest stands among the checks of following."""
    kept = ("index_incident", "history", "follow_up", "recording_change", "events_in_custody")
    return tuple(
        dataclasses.replace(c, name=f"rates: {c.name}") for c in counted.checks if c.name in kept
    )


def _of_one_count(
    plan: Plan,
    outcome: ReoffendingOutcome,
    rows: pd.DataFrame,
    count: str,
    of: str,
    claim: Claim,
) -> ResultSet:
    """Return rates and ratios of events, or of harm."""
    arms = [arm for arm in ARMS.codes if (rows["group"] == arm).any()]
    two = plan.design.kind != "before_after"
    asked = _Asked(plan=plan, outcome=outcome, count=count, of=of, claim=claim)
    parts = [asked.rates(rows, arms)]
    parts += [asked.change(rows[rows["group"] == arm], arm) for arm in arms]
    if two:
        parts += [asked.change_of_arms(rows), asked.after(rows)]
    return merge(parts, outcome=outcome.name)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One kind of count, and what every model of it is told."""

    plan: Plan
    outcome: ReoffendingOutcome
    count: str
    of: str  # "" for events, else "harm"
    claim: Claim

    @property
    def clustered(self) -> bool:
        return self.plan.design.unit != "person"

    @property
    def words(self) -> str:
        return self.of or "rates"

    def _told(self, *, ratio: bool) -> dict[str, Any]:
        told: dict[str, Any] = {
            "count": self.count,
            "person_years": "person_years",
            "conf_level": self.plan.design.conf_level,
            "outcome_name": self.outcome.name,
            "unit": self.plan.design.unit,
        }
        if self.clustered:
            told["cluster"] = _PERSON
        if not ratio:
            return told
        # A total of harm has no law of its own, and exact answers know of no clusters.
        method: str = self.outcome.rates
        if self.of or (self.clustered and method == "exact"):
            method = "poisson"
        return {**told, "method": method}

    def term(self, name: str) -> str:
        """Return the term of a count: ``before``, or ``harm before``."""
        return f"{self.of} {name}".strip()

    def between(self, name: str) -> str:
        return f"{CRUDE} ({name})" if self.plan.balancing else name

    def rates(self, rows: pd.DataFrame, arms: Sequence[str]) -> ResultSet:
        """Return the rate of each arm in each window."""
        parts = []
        # Some people have many events, so an interval knows how far people differ.
        alone = self.outcome.rates == "exact" and not self.clustered and not self.of
        interval: Interval = "exact" if alone else "robust"
        for when in PERIODS:
            term = self.term(when)
            here = rows[rows["window"] == when]
            found = self._tried(
                lambda here=here: counts.rate(  # type: ignore[misc]
                    here, group="group", interval=interval, **self._told(ratio=False)
                ),
                "",
            )
            there = {e.group: dataclasses.replace(e, term=term) for e in found.estimates}
            made = tuple(there.get(arm, self._empty("rate", term=term, group=arm)) for arm in arms)
            checks = tuple(dataclasses.replace(c, name=f"{c.name}, {when}") for c in found.checks)
            parts.append(dataclasses.replace(found, estimates=made, checks=checks))
        return merge(parts, outcome=self.outcome.name)

    def change(self, rows: pd.DataFrame, arm: str) -> ResultSet:
        """Return the ratio of one arm's rates after and before."""
        term = self.of or "rate"
        found = self._tried(
            lambda: counts.rate_ratio(
                rows, contrast="window", person="unit_id", **self._told(ratio=True)
            ),
            arm,
        )
        wanted = self._empty("rate_ratio", term=term, group=arm, contrast=CHANGE)
        checks = tuple(
            dataclasses.replace(c, name=f"{c.name}, change", group=arm)
            for c in found.checks
            if not c.name.endswith(_SAID)
        )
        return dataclasses.replace(
            found, estimates=_with_reduction(found, "rate_ratio", wanted), checks=checks
        )

    def change_of_arms(self, rows: pd.DataFrame) -> ResultSet:
        """Return by how much further the rate fell in the programme."""
        told = self._told(ratio=False)
        found = self._tried(
            lambda: counts.difference_in_differences(
                rows, treated="group", period="window", person="unit_id", **told
            ),
            "",
        )
        wanted = self._empty(
            "ratio_of_ratios",
            term=self.between(self.of or "rate"),
            contrast=CHANGE_OF_ARMS,
            claim="associational" if self.plan.balancing else self.claim,
        )
        checks = tuple(
            dataclasses.replace(c, name=f"{c.name}, arms", group="")
            for c in found.checks
            if not c.name.endswith((*_SAID, "rate_ratio_undefined"))
        )
        return dataclasses.replace(
            found, estimates=_with_reduction(found, "ratio_of_ratios", wanted), checks=checks
        )

    def after(self, rows: pd.DataFrame) -> ResultSet:
        """Return the ratio of the arms' rates after the index date."""
        found = self._tried(
            lambda: counts.rate_ratio(
                rows[rows["window"] == "after"], contrast="group", **self._told(ratio=True)
            ),
            "",
        )
        wanted = self._empty(
            "rate_ratio",
            term=self.between(self.term("after")),
            contrast=f"{ARMS_CONTRAST}, after",
            claim="associational" if self.plan.balancing else self.claim,
        )
        checks = tuple(
            dataclasses.replace(c, name=f"{c.name}, arms after", group="")
            for c in found.checks
            if not c.name.endswith(_SAID)
        )
        return dataclasses.replace(
            found, estimates=_with_reduction(found, "rate_ratio", wanted), checks=checks
        )

    def _empty(self, measure: str, **about: Any) -> Estimate:
        return Estimate(
            measure=measure,
            estimate=None,
            outcome=self.outcome.name,
            unit=self.plan.design.unit,
            conf_level=self.plan.design.conf_level,
            **about,
        )

    def _tried(self, model: Callable[[], ResultSet], group: str) -> ResultSet:
        """Run a model; a refusal is a Check, and checks say which count they are of."""
        try:
            with warnings.catch_warnings():
                # Few clusters stand among the checks, which the report shows.
                warnings.simplefilter("ignore", DesignWarning)
                found = model()
        except (DataError, DesignError) as refusal:
            check = Check(
                name="refused",
                passed=False,
                group=group if group in ARMS.codes else "",
                text=f"The {self.words} compared: {refusal}",
            )
            found = ResultSet(checks=(check,))
        checks = tuple(dataclasses.replace(c, name=f"{self.words}: {c.name}") for c in found.checks)
        return dataclasses.replace(found, checks=checks, tables=(), native=None)


def _with_reduction(found: ResultSet, measure: str, wanted: Estimate) -> tuple[Estimate, Estimate]:
    """Return a ratio under its own labels, and its reduction with the same term."""
    ratio = wanted
    for e in found.estimates:
        if e.measure == measure and not e.group and e.contrast:
            ratio = dataclasses.replace(
                e,
                term=wanted.term,
                group=wanted.group,
                contrast=wanted.contrast,
                claim=wanted.claim if e.estimate is not None else "descriptive",
            )
            break
    return ratio, dataclasses.replace(ratio.percent_reduction(), term=ratio.term)


def incidents_table(name: str, rows: pd.DataFrame, units: pd.DataFrame, unit: str) -> CountTable:
    """Count events, units with an event and units with time at risk, by arm and window.

    Parameters
    ----------
    name : str
        Of the outcome.
    rows : DataFrame
        From `count_periods`.
    units : DataFrame
        From `cohort_units`.
    unit : str
        What one count of people is.

    Returns
    -------
    CountTable
        ``incidents:<name>``, without totals.
    """
    free = rows[rows["person_years"] > 0].merge(units[["unit_id", VICTIMS]], on="unit_id")
    found: dict[tuple[str, ...], int] = {}
    people: dict[tuple[str, ...], int] = {}
    for arm in [arm for arm in ARMS.codes if (rows["group"] == arm).any()]:
        for when in PERIODS:
            here = free[(free["group"] == arm) & (free["window"] == when)]
            hit = here[here["events_free"] > 0]
            found[arm, when, "events"] = int(here["events_free"].sum())
            found[arm, when, "people with an event"] = len(hit)
            found[arm, when, "people"] = len(here)
            people[arm, when, "people with an event"] = fewest_people(hit)
            people[arm, when, "people"] = fewest_people(here)
    return CountTable.from_counts(
        name=f"incidents:{name}",
        title="Events before and after the index date",
        unit=unit,
        dimensions=("group", "period", "what"),
        counts=found,
        people={key: number for key, number in people.items() if number < found[key]},
        note="Events outside custody, and people with any time outside it.",
    )
