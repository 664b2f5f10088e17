"""How soon, how often, how long free: the arms compared, crudely and in each design."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from drive_eval.data.people import most_of_one
from drive_eval.errors import DesignWarning
from drive_eval.evaluation.contrasts import merge, null_result, smallest_cell
from drive_eval.evaluation.designs import (
    CRUDE,
    adjusted_for,
    kept_rows,
    outcome_cells,
    refusals,
    with_term,
)
from drive_eval.models import survival
from drive_eval.models._design import Weighted
from drive_eval.results import Check, Estimate, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from drive_eval.evaluation.designs import Design
    from drive_eval.plan import Plan
    from drive_eval.vocabulary import Claim, TimeUnit

    #: Measure, group, time and term.
    _Key: TypeAlias = tuple[str, str, float | None, str]

__all__ = [
    "AT_TIMES",
    "TO_HORIZON",
    "Question",
    "first_event_result",
    "how_much_is_one",
    "incidence_result",
    "repeats_result",
]

#: What is reported at every time of the plan, of each arm and of the two.
AT_TIMES = ("event_free", "event_free_difference")
#: What is reported at the horizon, of each arm and of the two.
TO_HORIZON = (
    ("restricted_mean", "time_lost"),
    ("restricted_mean_difference", "restricted_mean_ratio", "time_lost_ratio"),
)
_CONTRAST = "programme v comparison"
_PERSON = "perpetrator_id"
_PROPORTIONAL = "proportional_hazards"
_IN_CLASSES = (
    "Subclasses and coarsened matching weight event-free shares, restricted means and mean counts "
    "by class and no further: what still differs within classes stays in them, and is taken out of "
    "the adjusted hazard ratio alone."
)
_FOR_THE_GATE = "How much of an arm one person may be; the gate looks at it."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of every comparison of one outcome.

    Attributes
    ----------
    plan : Plan
    units : DataFrame
        From `cohort_units`, in the rows that designs were made from.
    designs : mapping of name to Matched or Weighted
        Empty without any.
    name, reporter : str
        The outcome's labels.
    times : tuple of float
        The plan's times and the horizon, in rising order.
    time_unit : {'days', 'weeks', 'months'}
    claim : {'descriptive', 'associational', 'causal'}
        The strongest sentence about the two arms.
    at_liberty : bool
        Whether figures but cumulative incidence speak of people while they are not in custody.
    """

    plan: Plan
    units: pd.DataFrame
    designs: Mapping[str, Design]
    name: str
    reporter: str
    times: tuple[float, ...]
    time_unit: TimeUnit
    claim: Claim
    at_liberty: bool = False

    def claim_of(self, measure: str) -> Claim:
        """How strong a sentence about the two arms may be, by what is compared.

        A hazard is that of people still free of the event, and being at liberty is not allocated
        either: both come after the start, so who is compared is no longer who was allocated.
        """
        remaining = measure in ("hazard_ratio", "percent_reduction")
        if self.at_liberty and measure != "cumulative_incidence_difference":
            remaining = True
        return "associational" if remaining and self.claim == "causal" else self.claim

    @property
    def horizon(self) -> float:
        """The last time."""
        return self.times[-1]

    @property
    def shared(self) -> dict[str, Any]:
        """What every model is told."""
        return {
            "unit": self.plan.design.unit,
            "reporter": self.reporter,
            "outcome_name": self.name,
            "conf_level": self.plan.design.conf_level,
            "contrast": _CONTRAST,
        }


class _Rows(NamedTuple):
    """Rows of one comparison, and what a model must be told of them."""

    data: pd.DataFrame | Weighted
    told: dict[str, Any]


def first_event_result(asked: Question, pieces: pd.DataFrame) -> ResultSet:
    """How long do people stay free of the event, and by how much longer in the programme?

    Parameters
    ----------
    asked : Question
    pieces : DataFrame
        One row per stretch of time at risk: ``unit_id, perpetrator_id, group, start, stop,
        event``.

    Returns
    -------
    ResultSet
        The measures of `AT_TIMES` and `TO_HORIZON`, ``hazard_ratio`` and its
        ``percent_reduction``; one Curve ``event_free`` an arm. Terms are the names of designs
        with ``"crude"`` before them, or empty without any.
    """
    parts = []
    for term, rows in _comparisons(asked, pieces):
        found = _first_event(asked, rows, _adjusted_for(asked, term), _followed(pieces, rows))
        parts.append(_of_design(asked, term, found))
        if term in asked.designs:
            known = _known(asked, pieces)
            parts.append(outcome_cells(asked.plan, term, asked.designs[term], known, "event"))
    if any(block.method in ("subclass", "cem") for block in asked.plan.balancing):
        parts.append(ResultSet(assumptions=(_IN_CLASSES,)))
    if asked.plan.comparison.covariates and not asked.designs:
        known = _known(asked, pieces)
        cells = smallest_cell(known, asked.plan.comparison.covariates, "event")
        parts.append(ResultSet(checks=(cells,)))
    return merge(parts, outcome=asked.name)


def repeats_result(asked: Question, rows: pd.DataFrame) -> ResultSet:
    """How many events has a person had by a time, and how much more often do they happen?

    Parameters
    ----------
    asked : Question
    rows : DataFrame
        Start/stop rows of all events: ``unit_id, perpetrator_id, group, start, stop, event``.

    Returns
    -------
    ResultSet
        ``mean_cumulative_count``, its difference and ratio, and the ``hazard_ratio`` of every
        event (Andersen–Gill), whose term is ``"repeated"``, within a design
        ``"<design> (repeated)"``; one Curve ``mean_cumulative_count`` an arm.
    """
    parts = []
    for term, table in _comparisons(asked, rows, plain=True):
        found = _repeats(asked, table, _followed(rows, table))
        parts.append(_of_design(asked, term, found))
    return merge(parts, outcome=asked.name)


def incidence_result(asked: Question, pieces: pd.DataFrame, causes: Sequence[str]) -> ResultSet:
    """What share has had each kind of first event by a time, where custody may come before it?

    Parameters
    ----------
    asked : Question
    pieces : DataFrame
        As for `first_event_result`, with custody as an event of its own, and ``cause``.
    causes : sequence of str
        Which there may be; those that happened to nobody are left out.

    Returns
    -------
    ResultSet
        ``cumulative_incidence`` by arm and its difference, ``term`` the cause; one Curve
        ``cumulative_incidence`` an arm and cause. Of the crude comparison only.
    """
    told = _told(asked, pieces)
    found = _tried(
        lambda: survival.cumulative_incidence(
            pieces,
            stop="stop",
            cause="cause",
            group="group",
            times=asked.times,
            time_unit=asked.time_unit,
            **told,
            **asked.shared,
        )
    )
    seen = [cause for cause in causes if (pieces["cause"] == cause).any()]
    keys: list[_Key] = [
        ("cumulative_incidence" + ("" if arm else "_difference"), arm, time, cause)
        for cause in seen
        for arm in (*_arms(asked), "")
        for time in asked.times
        if arm or _two(asked)
    ]
    found = _rows(asked, found, keys)
    curves = tuple(c for c in found.curves if c.measure == "cumulative_incidence")
    return merge([dataclasses.replace(found, curves=curves)], outcome=asked.name)


def how_much_is_one(rows: pd.DataFrame, units: pd.DataFrame) -> list[Check]:
    """How many units of an arm are one perpetrator or victim-survivor, and how many events has one?

    Parameters
    ----------
    rows : DataFrame
        As for `repeats_result`, or `first_event_result`.
    units : DataFrame
        From `cohort_units`.

    Returns
    -------
    list of Check
        ``largest_cluster`` and ``most_events`` of each arm, in `statistic`. For the gate only.
    """
    found = []
    for arm, here in rows.groupby("group", sort=True):
        sizes = {
            "largest_cluster": most_of_one(units[units["unit_id"].isin(here["unit_id"])]),
            "most_events": here.groupby(_PERSON)["event"].sum().max(),
        }
        found += [
            Check(name=name, group=str(arm), statistic=float(size), text=_FOR_THE_GATE)
            for name, size in sizes.items()
        ]
    return found


# One comparison


def _first_event(
    asked: Question, rows: _Rows, covariates: Sequence[str], followed: Sequence[str]
) -> ResultSet:
    common = {"stop": "stop", "event": "event"}
    timed = {"group": "group", "time_unit": asked.time_unit, **common, **rows.told}
    parts = [
        _tried(
            lambda: survival.kaplan_meier(rows.data, times=asked.times, **timed, **asked.shared)
        ),
        _tried(
            lambda: survival.restricted_mean(
                rows.data, horizon=asked.horizon, **timed, **asked.shared
            )
        ),
    ]
    arms, two = _arms(asked), _two(asked)
    keys: list[_Key] = [("event_free", arm, time, "") for arm in arms for time in asked.times]
    keys += [("event_free_difference", "", time, "") for time in asked.times if two]
    keys += [(measure, arm, asked.horizon, "") for measure in TO_HORIZON[0] for arm in arms]
    keys += [(measure, "", asked.horizon, "") for measure in TO_HORIZON[1] if two]
    if two:
        keys.append(("hazard_ratio", "", None, ""))
    if two and len(followed) == 2:
        parts.append(_hazards(rows, asked, (), people=_counted(parts[0])))
    if two and covariates:
        keys.append(("hazard_ratio", "", None, "adjusted"))
        if len(followed) == 2:
            found = _hazards(rows, asked, covariates, people=_counted(parts[0]))
            parts.append(_named(found, "adjusted"))
    missing = [arm for arm in arms if arm not in followed]
    parts += [
        ResultSet(checks=(Check(name="undefined", group=arm, passed=False, text=_nobody(arm)),))
        for arm in missing
    ]
    return _rows(asked, merge(parts, outcome=asked.name), keys)


def _repeats(asked: Question, rows: _Rows, followed: Sequence[str]) -> ResultSet:
    told: dict[str, Any] = {"person": "unit_id", "start": "start", "stop": "stop", "event": "event"}
    told |= {name: value for name, value in rows.told.items() if name in ("weights", "cluster")}
    table = rows.data if isinstance(rows.data, pd.DataFrame) else rows.data.table
    parts = [
        _tried(
            lambda: survival.mean_cumulative_count(
                table,
                group="group",
                times=asked.times,
                time_unit=asked.time_unit,
                **told,
                **asked.shared,
            )
        )
    ]
    arms, two = _arms(asked), _two(asked)
    measure = "mean_cumulative_count"
    keys: list[_Key] = [(measure, arm, time, "") for arm in arms for time in asked.times]
    if two:
        keys += [
            (f"{measure}_{word}", "", time, "")
            for word in ("difference", "ratio")
            for time in asked.times
        ]
        keys.append(("hazard_ratio", "", None, "repeated"))
    if two and len(followed) == 2:
        found = _tried(lambda: survival.recurrent(table, treated="group", **told, **asked.shared))
        parts.append(_named(_only_treated(found), "repeated"))
    return _rows(asked, merge(parts, outcome=asked.name), keys)


def _hazards(
    rows: _Rows, asked: Question, covariates: Sequence[str], *, people: Mapping[str, Any]
) -> ResultSet:
    told = {name: value for name, value in rows.told.items() if name != "person"}
    if isinstance(rows.data, Weighted):
        told["cov"] = "stacked"  # as everything else that is said of these weights
    found = _tried(
        lambda: survival.cox(
            rows.data,
            stop="stop",
            event="event",
            treated="group",
            covariates=list(covariates) or None,
            **told,
            **asked.shared,
        )
    )
    found = _only_treated(found)
    # A person who was in custody has several rows, and is one person.
    counted = tuple(dataclasses.replace(e, **people) for e in found.estimates)
    return dataclasses.replace(found, estimates=counted)


def _counted(curves: ResultSet) -> dict[str, Any]:
    for e in curves.estimates:
        if e.measure == "event_free_difference":
            return {"n": e.n, "n_reference": e.n_reference}
    return {}


def _only_treated(found: ResultSet) -> ResultSet:
    """Keep the programme's hazard ratio; covariates' own would describe small groups."""
    ratios = tuple(
        dataclasses.replace(e, term="")
        for e in found.estimates
        if e.term == "group" and e.measure == "hazard_ratio"
    )
    several = sum(c.name.startswith(f"{_PROPORTIONAL}: ") for c in found.checks) > 1
    checks = []
    for c in found.checks:
        text = c.text.replace(" of group", " of the programme")
        if c.name == f"{_PROPORTIONAL}: group" and several:
            checks.append(dataclasses.replace(c, name=_PROPORTIONAL, text=text))
        elif c.name == _PROPORTIONAL and several:
            checks.append(dataclasses.replace(c, name=f"{_PROPORTIONAL} of all"))
        elif ": " not in c.name and c.name != "reference_levels":
            checks.append(dataclasses.replace(c, text=text))
    return dataclasses.replace(found, estimates=ratios, checks=tuple(checks))


def _named(found: ResultSet, word: str) -> ResultSet:
    """Name the estimates of a further model, and its checks, so that none stands twice."""
    return dataclasses.replace(
        found,
        estimates=tuple(dataclasses.replace(e, term=word) for e in found.estimates),
        checks=tuple(
            c
            if c.name in ("refused", "undefined")
            else dataclasses.replace(c, name=f"{c.name}: {word}")
            for c in found.checks
        ),
    )


# Every comparison


def _comparisons(
    asked: Question, pieces: pd.DataFrame, *, plain: bool = False
) -> Iterable[tuple[str, _Rows]]:
    """Return the rows of each comparison by its term; `plain`: as tables with weights."""
    wanted = {name for term in asked.designs for name in adjusted_for(asked.plan, term)}
    wanted |= set(asked.plan.comparison.covariates)
    beside = asked.units[["unit_id", *sorted(wanted)]]
    pieces = pieces.merge(beside, on="unit_id", how="left") if wanted else pieces
    yield (CRUDE if asked.designs else ""), _Rows(pieces, _told(asked, pieces))
    for name, design in asked.designs.items():
        if isinstance(design, Weighted) and not plain:
            whole = _weighted_rows(asked, design, pieces)
            told = _told(asked, whole.table)
            if "person" in told:
                told["cluster"] = _PERSON  # else squares would be summed over rows
            yield name, _Rows(whole, told)
            continue
        yield name, _joined_rows(asked, name, design, pieces)


def _told(asked: Question, rows: pd.DataFrame) -> dict[str, Any]:
    """Say who is who: several rows of one unit, several units of one person."""
    several = rows["unit_id"].duplicated().any()
    told: dict[str, Any] = {}
    if several:
        told["person"] = "unit_id"
    if several or (rows["start"] > 0).any():
        told["start"] = "start"
    if asked.plan.design.unit != "person":
        told["cluster"] = _PERSON
    return told


def _joined_rows(asked: Question, name: str, design: Design, pieces: pd.DataFrame) -> _Rows:
    """Join weights and matched sets to the rows of a table; weights count as known."""
    kept = design.table.loc[kept_rows(design)]
    beside = pd.DataFrame(
        {"unit_id": asked.units.loc[kept.index, "unit_id"], "weight": kept["weight"]}
    )
    block = next(block for block in asked.plan.balancing if block.name == name)
    # Sets of one programme case are clusters. Classes are not: within them rows are independent.
    in_sets = block.method == "nearest" and not block.replace
    if in_sets:
        beside["matched_set"] = kept["matched_set"].astype(int)
    rows = pieces.merge(beside, on="unit_id")
    told = {**_told(asked, rows), "weights": "weight", "cluster": _PERSON}
    if in_sets:
        told["cluster"] = "matched_set"
        if asked.plan.design.unit != "person":
            rows["matched_set"] = _linked(rows["matched_set"], rows[_PERSON])
    return _Rows(rows, told)


def _linked(sets: pd.Series[int], persons: pd.Series[str]) -> np.ndarray[Any, Any]:
    """Return the clusters of sets that persons with several units tie together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    own, other = pd.factorize(sets)[0], pd.factorize(persons)[0]
    size = int(own.max()) + 1
    total = size + int(other.max()) + 1
    ties = coo_array((np.ones(len(own)), (own, size + other)), shape=(total, total))
    found: np.ndarray[Any, Any] = connected_components(ties, directed=False)[1]
    return found[own]


def _weighted_rows(asked: Question, design: Weighted, pieces: pd.DataFrame) -> Weighted:
    """Give every unit of the design its rows; what it added to the weights counts once.

    A unit without any keeps one of weight 0, because the weights were estimated with it.
    """
    names = asked.units.loc[design.table.index, "unit_id"]
    place = pd.Series(np.arange(len(names)), index=names.to_numpy())
    rows = pieces[pieces["unit_id"].isin(place.index)]
    absent = asked.units.loc[design.table.index][~names.isin(rows["unit_id"])]
    idle = absent.reindex(columns=rows.columns).assign(start=0.0, stop=asked.horizon, event=False)
    table = rows if absent.empty else pd.concat([rows, idle.astype(rows.dtypes)])
    at = place.loc[table["unit_id"]].to_numpy()
    used = np.arange(len(table)) < len(rows)
    once = ~pd.Series(at).duplicated().to_numpy()
    weight = np.where(used, design.table["weight"].to_numpy()[at], 0.0)
    slopes = design.target_slopes
    return dataclasses.replace(
        design,
        table=table.assign(weight=weight).reset_index(drop=True),
        target=design.target[at],
        influence=design.influence[at] * once[:, None],
        slopes=design.slopes[at],
        target_slopes=None if slopes is None else slopes[at],
    )


def _of_design(asked: Question, term: str, found: ResultSet) -> ResultSet:
    """Give a comparison its term; checks are those of the main one, and refusals of every one."""
    named = with_term(found, term) if term else found
    reduced: list[Estimate] = []
    for e in named.estimates:
        reduced += [e, e.percent_reduction()] if e.measure == "hazard_ratio" else [e]
    named = dataclasses.replace(named, estimates=tuple(reduced), tables=())
    if not term:
        return named
    curves = tuple(dataclasses.replace(c, term=term) for c in found.curves)
    named = dataclasses.replace(named, curves=curves)
    if term == next(iter(asked.designs)):
        return named
    return dataclasses.replace(named, checks=refusals(found, term), assumptions=())


def _adjusted_for(asked: Question, term: str) -> list[str]:
    if term in asked.designs:
        return adjusted_for(asked.plan, term)
    return [] if term else list(asked.plan.comparison.covariates)


def _known(asked: Question, pieces: pd.DataFrame) -> pd.DataFrame:
    """Return the units that are followed, and whether they had the event."""
    happened = pieces.groupby("unit_id")["event"].any()
    units = asked.units[asked.units["unit_id"].isin(happened.index)]
    return units.assign(event=units["unit_id"].map(happened).astype(bool))


def _arms(asked: Question) -> list[str]:
    return [arm for arm in ARMS.codes if (asked.units["group"] == arm).any()]


def _two(asked: Question) -> bool:
    """Tell whether there is a comparison to be made, be it of nobody."""
    return asked.plan.design.kind != "before_after"


def _followed(pieces: pd.DataFrame, rows: _Rows) -> list[str]:
    table = rows.data if isinstance(rows.data, pd.DataFrame) else rows.data.table
    if "weight" in table:
        table = table[table["weight"] > 0]
    return [arm for arm in ARMS.codes if (table["group"] == arm).any()]


def _nobody(arm: str) -> str:
    return f"Nobody in the {arm} group is followed for this outcome."


def _tried(model: Callable[[], ResultSet]) -> ResultSet:
    with warnings.catch_warnings():
        # Few clusters and the like stand among the checks, which the report shows.
        warnings.simplefilter("ignore", DesignWarning)
        return null_result(model, [], {}, 0.95)


def _rows(asked: Question, found: ResultSet, keys: Sequence[_Key]) -> ResultSet:
    """Return the rows that were asked for and no others; what does not exist is an empty one."""
    there = {(e.measure, e.group, e.time, e.term): e for e in found.estimates}
    estimates = []
    for key in keys:
        measure, group, time, term = key
        estimate = there.get(key) or Estimate(
            outcome=asked.name,
            measure=measure,
            term=term,
            contrast="" if group else _CONTRAST,
            group=group,
            time=time,
            time_unit="" if time is None else asked.time_unit,
            unit=asked.plan.design.unit,
            reporter=asked.reporter,
            claim="descriptive" if group else "associational",
            estimate=None,
            conf_level=asked.plan.design.conf_level,
        )
        if not group and estimate.estimate is not None:
            estimate = dataclasses.replace(estimate, claim=asked.claim_of(measure))
        estimates.append(estimate)
    checks = tuple(
        c
        for c in dict.fromkeys(found.checks)
        if c.name != "median_not_reached" and "median" not in c.text
    )
    return dataclasses.replace(found, estimates=tuple(estimates), checks=checks)
