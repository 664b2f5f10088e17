"""From a table of counts and time at risk to rows, and what is to be said of them."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from scipy import special

from drive_eval.errors import DataError, DesignError, DesignWarning, did_you_mean
from drive_eval.models import _arguments
from drive_eval.models._clusters import number
from drive_eval.models._count_fit import overdispersion
from drive_eval.models._regression import clusters, column, numbers
from drive_eval.results import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from drive_eval.models._clusters import Effect

    Array: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]

#: Rates are per this many person-years.
PER = 100.0
_LONGEST_LIFE = 120.0
_MOST = 10_000_000  # a count above it is no count of incidents
_WORDS = {"programme": True, "comparison": False, "after": True, "before": False}
_PAIRS = (("programme", "comparison"), ("after", "before"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Counts with time at risk; rows without any time are left out.

    Attributes
    ----------
    table : DataFrame
    y, time : array
    whole : bool
        Whether the counts are whole numbers.
    persons : array of int
        Whose row it is: a row each when no column says so.
    groups : array of int or None
        Rows that belong together: the cluster, or the person; None for independent rows.
    named : bool
        Whether a column told persons apart.
    no_time : int
        Rows that were left out, without time at risk and without events.
    """

    table: pd.DataFrame
    y: Array
    time: Array
    whole: bool
    persons: Codes
    groups: Codes | None
    named: bool
    no_time: int


def read(
    table: pd.DataFrame, *, count: str, person_years: str, person: str | None, cluster: str | None
) -> Rows:
    """Return the rows that have time at risk, or say what is wrong with the table."""
    if count == person_years:
        raise DataError(
            f'column "{count}" is given as the count and as the person-years; they are two things.'
        )
    y, _ = numbers(table, count, "count")
    time, _ = numbers(table, person_years, "person_years")
    for values, name in ((y, count), (time, person_years)):
        below = int((values < 0).sum())
        if below:
            raise DataError(f'{below} of {len(values)} rows of "{name}" are below 0.')
    huge = int((y > _MOST).sum())
    if huge:
        raise DataError(
            f'{huge} rows of "{count}" (count) are above ten million, which no count of incidents '
            "is; look for codes that stand for missing."
        )
    stray = int(((time == 0) & (y > 0)).sum())
    if stray:
        raise DataError(
            f'{stray} of {len(y)} rows count events in "{count}" but have no time at risk in '
            f'"{person_years}". Events that fell outside the time at risk (in custody, say) are '
            "counted apart, or their time belongs to the time at risk."
        )
    who = None if person is None else clusters(table, person, "person")
    together = None if cluster is None else clusters(table, cluster)
    if who is not None:
        _refuse_days(who, time, person_years)
    if who is not None and together is not None:
        _refuse_split(who, together, cluster)
    kept = time > 0
    if not kept.any():
        raise DataError(f'no row has any time at risk in "{person_years}" (person_years).')
    first = together if together is not None else who
    groups = None if first is None else _recode(first[kept])
    if groups is not None and groups.max() == 0:
        raise DesignError(
            f"all {int(kept.sum())} rows belong to one {'cluster' if cluster else 'person'} in "
            f'"{cluster or person}", so nothing shows how much they differ.'
        )
    return Rows(
        table=table if kept.all() else table[kept],
        y=y[kept],
        time=time[kept],
        whole=bool((y == np.floor(y)).all()),
        persons=np.arange(int(kept.sum())) if who is None else _recode(who[kept]),
        groups=groups,
        named=who is not None,
        no_time=int((~kept).sum()),
    )


def _recode(codes: Codes) -> Codes:
    return np.asarray(pd.factorize(codes)[0], dtype=np.int64)


def _refuse_days(who: Codes, time: Array, name: str) -> None:
    long = int((np.bincount(who, weights=time) > _LONGEST_LIFE).sum())
    if long:
        raise DataError(
            f'{long} people have more than {_LONGEST_LIFE:g} years in "{name}" (person_years). '
            "Give years, not days: divide days by 365.25."
        )


def _refuse_split(who: Codes, groups: Codes, cluster: str | None) -> None:
    """Refuse people who stand in several clusters."""
    pairs = pd.DataFrame({"who": who, "group": groups}).drop_duplicates()
    mixed = int((pairs.groupby("who").size() > 1).sum())
    if mixed:
        raise DataError(
            f'{mixed} people have more than one value of "{cluster}" (cluster); each person '
            "belongs to one."
        )


def two_levels(
    table: pd.DataFrame,
    name: str,
    role: str,
    *,
    level: Any = None,
    reference: Any = None,
    within: bool,
) -> tuple[Flags, tuple[str, str]]:
    """Return True for the level in question, and what the two levels are called.

    True and false are after and before when people have both (`within`), else programme and
    comparison.
    """
    found = column(table, name, role)
    if (level is None) != (reference is None) or (level is not None and level == reference):
        raise DesignError(
            "level and reference are two different values, given together: the ratio is that of "
            "level over reference."
        )
    if level is None:
        flag = _binary(found)
        if flag is not None:
            return flag, _PAIRS[1] if within else _PAIRS[0]
        for pair in _PAIRS:
            if found.isin(pair).all():
                return (found == pair[0]).to_numpy(dtype=bool), pair
        raise DataError(
            f'column "{name}" ({role}) must hold true and false (or 1 and 0), "programme" and '
            '"comparison", or "after" and "before". Of other columns name two values: '
            'level="exit", reference="intake".'
        )
    for value in (level, reference):
        if not (found == value).any():
            known = [str(v) for v in found.unique()[:30]] if found.nunique() <= 30 else []
            raise DataError(f'no row of "{name}" is "{value}".{did_you_mean(str(value), known)}')
    other = int((~found.isin([level, reference])).sum())
    if other:
        raise DataError(
            f'{other} rows of "{name}" are neither "{level}" nor "{reference}"; leave them out '
            "first."
        )
    return (found == level).to_numpy(dtype=bool), (str(level), str(reference))


def _binary(found: pd.Series[Any]) -> Flags | None:
    plain = pd.api.types.is_numeric_dtype(found) or pd.api.types.is_bool_dtype(found)
    if not plain and not found.map(lambda v: isinstance(v, (bool, np.bool_))).all():
        return None
    return found.to_numpy(dtype=bool) if found.isin([0, 1]).all() else None


def crosses(arm: Flags, persons: Codes) -> bool:
    """Tell whether somebody has rows of both levels."""
    share = np.bincount(persons, weights=arm) / np.bincount(persons)
    return bool(((share > 0) & (share < 1)).any())


def by_person(rows: Rows, arm: Flags) -> tuple[Array, Array, Array, Array]:
    """Return each person's events and time in the level in question and in the reference."""
    count = int(rows.persons.max()) + 1
    y1, t1, y0, t0 = (
        np.bincount(rows.persons, weights=values * held, minlength=count).astype(float)
        for held in (arm, ~arm)
        for values in (rows.y, rows.time)
    )
    return y1, t1, y0, t0


# Checks


def person_years(rows: Rows, arms: Mapping[str, Flags], labels: Mapping[str, Any]) -> list[Check]:
    """Say what each rate was made of, and which rows had no time at risk."""
    found = []
    for name, held in arms.items():
        time, events = float(rows.time[held].sum()), float(rows.y[held].sum())
        found.append(
            Check(
                name="person_years",
                statistic=time,
                outcome=labels["outcome"],
                group=name,
                text=f"{_said(events)} in {time:,.1f} person-years.",
            )
        )
    if rows.no_time:
        found.append(
            Check(
                name="no_time",
                statistic=float(rows.no_time),
                outcome=labels["outcome"],
                text=f"{rows.no_time:,} rows have no time at risk and no events (in custody "
                "throughout, say): they say nothing of a rate and are left out.",
            )
        )
    return found


def _said(events: float) -> str:
    if events == int(events):
        return f"{int(events):,} {'event' if events == 1 else 'events'}"
    return f"a total of {events:,.1f}"


def dispersion(
    rows: Rows, cells: Codes, fitted: Array, leverage: Array, labels: Mapping[str, Any], how: str
) -> Check:
    """Test whether counts vary more than Poisson counts would.

    `cells` are what is counted together (a person in a period); `how` is what the interval does
    about it: "ignores", "models" or "allows".
    """
    count = int(cells.max()) + 1
    y, mean, pull = (
        np.bincount(cells, weights=part, minlength=count).astype(float)
        for part in (rows.y, fitted, leverage)
    )
    spare = max(count - float(leverage.sum()), 1.0)
    ratio = float(((y - mean) ** 2 / mean).sum() / spare)
    if not rows.whole:
        return Check(
            name="dispersion",
            statistic=ratio,
            outcome=labels["outcome"],
            group=labels.get("group", ""),
            text="totals that are not whole numbers have no law of chance of their own; their "
            "spread is taken from the data (robust variance).",
        )
    _, p = overdispersion(y, mean, pull)
    passed = None if how != "ignores" else p >= 0.05
    text = f"counts vary {ratio:.2g} times as much as chance alone would make them"
    if p >= 0.05:
        text += "; no sign that they vary more than Poisson counts do."
    elif how == "ignores":
        text += (
            ": some people account for many events. The interval takes every event to be "
            f"independent and is too narrow, by a factor of about {math.sqrt(max(ratio, 1)):.2g}."
        )
    else:
        text += f": some people account for many events. The interval {how} that."
    return Check(
        name="dispersion",
        passed=passed,
        statistic=ratio,
        threshold=1.0,
        df=spare,
        p_value=p,
        outcome=labels["outcome"],
        group=labels.get("group", ""),
        text=text,
    )


def within_dispersion(
    first: Array, total: Array, chance: Array, labels: Mapping[str, Any]
) -> Check | None:
    """Test whether events of one person come in bursts (Tarone 1979), given each one's total."""
    told = total > 1
    if not told.any():
        return None
    x, n, p = first[told], total[told], chance[told]
    z = float(((x - n * p) ** 2 / (p * (1 - p))).sum() - n.sum()) / math.sqrt(
        2 * float((n * (n - 1)).sum())
    )
    p_value = float(special.ndtr(-z))
    text = "people who had several events split them over the periods as chance would."
    if p_value < 0.05:
        text = (
            "people's own ratios differ more than chance would make them, or events come in "
            "bursts: an exact interval, which takes events to be independent, is too narrow. "
            'Prefer method="poisson" with its variance over people.'
        )
    return Check(
        name="dispersion_within",
        passed=p_value >= 0.05,
        statistic=z,
        p_value=p_value,
        outcome=labels["outcome"],
        text=text,
    )


def dominance(rows: Rows, max_share: float, labels: Mapping[str, Any]) -> Check:
    """Say what share of all events few people have."""
    each = np.sort(np.bincount(rows.persons, weights=rows.y))[::-1]
    count, total = len(each), float(each.sum())
    who = "person" if rows.named else "row"
    if total == 0:
        return Check(name="dominance", outcome=labels["outcome"], text="there are no events.")
    top = float(each[0] / total)
    text = f"the {who} with most has {100 * top:.1f}% of all events"
    few = math.ceil(count / 100)
    if few > 1:
        text += f"; 1% of them ({few:,} of {count:,}) have {100 * each[:few].sum() / total:.1f}%"
    if top > max_share:
        text += ". The rate hangs on very few; read it beside the share of people with any event"
    return Check(
        name="dominance",
        passed=top <= max_share,
        statistic=top,
        threshold=max_share,
        outcome=labels["outcome"],
        group=labels.get("group", ""),
        text=f"{text}.",
    )


def enough_events(
    events: float, parameters: int, per_parameter: float, fewest: float, labels: Mapping[str, Any]
) -> list[Check]:
    """Say whether a model of counts has enough of them."""
    found = [
        Check(
            name="few_events",
            passed=events >= fewest,
            statistic=events,
            threshold=fewest,
            outcome=labels["outcome"],
            text=f"{_said(events)}; intervals of a model need about {fewest:g}, an exact ratio "
            "needs none.",
        )
    ]
    if parameters > 2:
        found.append(
            Check(
                name="events_per_parameter",
                passed=events / parameters >= per_parameter,
                statistic=events / parameters,
                threshold=per_parameter,
                outcome=labels["outcome"],
                text=f"{events / parameters:.1f} events per parameter of the model.",
            )
        )
    return found


def enough_clusters(law: Effect, name: str, wanted: int, labels: Mapping[str, Any]) -> Check:
    """Say what clusters are worth, and warn when that is little."""
    said = number(law.clusters, law.worth)
    df = 0.0 if law.df is None else law.df
    outlook = f"t has {round(df, 1):g} degrees of freedom" if df > 0 else "there is no interval"
    worth = 0.0 if law.worth is None else law.worth
    if worth < wanted:
        warnings.warn(
            f'{said} in "{name}": {outlook}; with fewer than {wanted} equal ones intervals are '
            "approximate.",
            DesignWarning,
            stacklevel=3,
        )
    return Check(
        name="clusters",
        passed=worth >= wanted,
        statistic=worth,
        threshold=wanted,
        df=df,
        outcome=labels["outcome"],
        text=f"{said}; {outlook}. With fewer than {wanted} equal ones intervals are approximate.",
    )


def leave_one_out(
    point: float, lowest: float, highest: float, std_error: float | None, who: str, outcome: str
) -> Check:
    """Say how far the ratio moves when any one person is left out, without saying who."""
    ends = [end for end in (lowest, highest) if math.isfinite(end) and end > 0]
    shift = max((abs(math.log(end / point)) for end in ends), default=0.0)
    gone = len(ends) < 2
    text = (
        f"without any one {who} the ratio would lie between {lowest:.3g} and {highest:.3g}; with "
        f"all it is {point:.3g}."
    )
    if gone:
        shift = math.inf
        text = f"all events of one group are those of a single {who}: without them no ratio exists."
        if lowest == 0 and math.isfinite(highest):
            text = (
                f"all events of one group are those of a single {who}: without them the ratio "
                f"would be 0; with all it is {point:.3g}."
            )
    return Check(
        name="leave_one_out",
        passed=None if std_error is None and not gone else not gone and shift <= (std_error or 0),
        statistic=shift,
        threshold=std_error,
        outcome=outcome,
        text=text,
    )


def refuse_choice(value: Any, name: str, known: tuple[str, ...]) -> None:
    """Refuse a word that is none of the known ones."""
    if value not in known:
        raise DesignError(f'{name}="{value}" is not known.{did_you_mean(str(value), known)}')


def refuse_arguments(conf_level: Any, limits: Mapping[str, Any]) -> None:
    """Refuse a level of confidence, or limits of checks, that are none."""
    _arguments.level(conf_level)
    for name, value in limits.items():
        _arguments.number(value, name)
