"""One row per unit (person, enrolment or dyad): who is in the figures, and what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from drive_eval.data.people import with_victims
from drive_eval.data.study import first_enrolments
from drive_eval.errors import DesignError, did_you_mean
from drive_eval.measures.behaviours import perceived_change, severity_before_after
from drive_eval.vocabulary import ABUSE_TYPES, ARMS, SEVERITY

if TYPE_CHECKING:
    from drive_eval.vocabulary import Unit

__all__ = [
    "behaviour_rows",
    "binary_rows",
    "cohort_units",
    "perceived_change_rows",
    "time_to_event_rows",
]


def cohort_units(
    cases: pd.DataFrame,
    victim_survivors: pd.DataFrame | None = None,
    *,
    unit: Unit,
    group: str = "arm",
) -> pd.DataFrame:
    """Who is counted, once each?

    Parameters
    ----------
    cases : DataFrame
        One row per enrolment: ``case_id, perpetrator_id``, the column named by ``group`` and,
        where dates are public, ``index_date``. Other columns are carried along.
    victim_survivors : DataFrame, optional
        ``victim_survivor_id, case_id``; needed for dyads.
    unit : {'person', 'enrolment', 'dyad'}
        A person is represented by the first enrolment, so that time zero is the same for all.
    group : str
        Column of cases that says which arm: ``arm`` or ``allocated_arm``.

    Returns
    -------
    DataFrame
        One row per unit with ``unit_id`` (str), ``group`` (``programme`` or ``comparison``),
        ``victims`` (tuple of str: whom it is about, see `drive_eval.data.people`) and the columns
        of cases.

    Raises
    ------
    DesignError
        If a column is missing, or dyads are asked for without victim-survivors.

    Examples
    --------
    >>> import pandas as pd
    >>> cases = pd.DataFrame({"case_id": ["a", "b"], "perpetrator_id": ["p", "p"],
    ...     "arm": "programme", "index_date": pd.to_datetime(["2024-01-01", "2024-06-01"])})
    >>> cohort_units(cases, unit="person")["case_id"].tolist()
    ['a']
    """
    if group not in cases:
        raise DesignError(f'no column "{group}" in cases.{did_you_mean(group, cases.columns)}')
    units = cases[first_enrolments(cases)] if unit == "person" else cases
    units = units.sort_values("case_id", ignore_index=True)
    units["group"] = units[group].astype(object)
    if unit == "person":
        units["unit_id"] = units["perpetrator_id"].astype(str)
    elif unit == "enrolment":
        units["unit_id"] = units["case_id"].astype(str)
    else:
        if victim_survivors is None or victim_survivors.empty:
            raise DesignError(
                'unit = "dyad" needs the table victim_survivors, which is missing or empty.'
            )
        links = victim_survivors[["case_id", "victim_survivor_id"]].drop_duplicates()
        units = units.merge(links, on="case_id", how="inner")
        units["unit_id"] = units["case_id"].astype(str) + "|" + units["victim_survivor_id"]
    units = units[units["group"].isin(ARMS.codes)].reset_index(drop=True)
    return with_victims(units, victim_survivors)


def behaviour_rows(
    units: pd.DataFrame,
    assessments: pd.DataFrame,
    *,
    abuse_type: str,
    reporter: str,
    before: str = "intake",
    after: str = "exit",
    threshold: str = "standard",
) -> pd.DataFrame:
    """For every unit, measured or not: did he use this abuse before and after?

    Parameters
    ----------
    units : DataFrame
        From `cohort_units`.
    assessments : DataFrame
        Ratings, see `severity_before_after`.
    abuse_type, reporter, before, after : str
        Codes of the code lists.
    threshold : str
        Severity from which a behaviour counts as used.

    Returns
    -------
    DataFrame
        The units with ``before``, ``after`` (ordered categories), ``used_before``,
        ``used_after`` (nullable boolean; missing when not recorded), ``days_between`` and
        ``partly_measured``.

    Raises
    ------
    DesignError
        If the abuse type is unknown or the reporter rated nothing of this kind.

    Examples
    --------
    >>> import pandas as pd
    >>> units = pd.DataFrame({"unit_id": ["p1"], "case_id": ["c1"], "group": ["programme"]})
    >>> ratings = pd.DataFrame({"case_id": ["c1", "c1"], "time_point": ["intake", "exit"],
    ...     "reporter": "idva", "abuse_type": "physical", "severity": ["high", "none"]})
    >>> rows = behaviour_rows(units, ratings, abuse_type="physical", reporter="idva")
    >>> rows[["used_before", "used_after"]].values.tolist()
    [[True, False]]
    """
    if abuse_type not in ABUSE_TYPES.codes:
        raise DesignError(
            f'"{abuse_type}" is no abuse type.{did_you_mean(abuse_type, ABUSE_TYPES.codes)}'
        )
    by_dyad = "victim_survivor_id" in units
    pairs = severity_before_after(
        assessments,
        abuse_type=abuse_type,
        reporter=reporter,
        before=before,
        after=after,
        per="dyad" if by_dyad else "case",
    )
    keys = ["case_id", "victim_survivor_id"] if by_dyad else ["case_id"]
    if not by_dyad:
        pairs = pairs.drop(columns="victim_survivor_id", errors="ignore")
    rows = units.merge(pairs, on=keys, how="left")
    rows["partly_measured"] = rows["partly_measured"].astype("boolean").fillna(False).astype(bool)
    limit = SEVERITY.rank(threshold)
    for name in ("before", "after"):
        ranks = rows[name].cat.codes
        rows[f"used_{name}"] = (ranks >= limit).astype("boolean").mask(ranks < 0)
    return rows


def perceived_change_rows(
    units: pd.DataFrame, risk_reviews: pd.DataFrame, *, reporter: str, time_point: str = "exit"
) -> pd.DataFrame:
    """For every unit, judged or not: how did the practitioner see the change in risk?

    Parameters
    ----------
    units : DataFrame
        From `cohort_units`, by person or enrolment.
    risk_reviews : DataFrame
        Judgements, see `drive_eval.measures.behaviours.perceived_change`.
    reporter, time_point : str
        Codes of the code lists.

    Returns
    -------
    DataFrame
        The units with ``perceived_change`` and ``reduced`` (nullable boolean: moderate or
        significant reduction).

    Examples
    --------
    >>> import pandas as pd
    >>> units = pd.DataFrame({"unit_id": ["p1"], "case_id": ["c1"], "group": ["programme"]})
    >>> reviews = pd.DataFrame({"case_id": ["c1"], "time_point": "exit", "reporter": "idva",
    ...                         "perceived_change": ["increase"]})
    >>> perceived_change_rows(units, reviews, reporter="idva")["reduced"].tolist()
    [False]
    """
    judged = perceived_change(risk_reviews, reporter=reporter, time_point=time_point)
    rows = units.merge(judged, on="case_id", how="left")
    reduced = rows["perceived_change"].isin(["significant_reduction", "moderate_reduction"])
    rows["reduced"] = reduced.astype("boolean").mask(rows["perceived_change"].isna())
    return rows


def binary_rows(units: pd.DataFrame, *, column: str) -> pd.DataFrame:
    """For every unit, followed up or not: did the yes/no outcome happen?

    Parameters
    ----------
    units : DataFrame
        From `cohort_units`.
    column : str
        Boolean column of cases.

    Returns
    -------
    DataFrame
        The units with ``outcome`` (nullable boolean) and, where both arms are known,
        ``assigned`` and ``delivered`` (bool: programme).

    Raises
    ------
    DesignError
        If there is no such column, or it holds anything but true and false.

    Examples
    --------
    >>> import pandas as pd
    >>> units = pd.DataFrame({"unit_id": ["p1"], "group": ["programme"], "hit": [True]})
    >>> binary_rows(units, column="hit")["outcome"].tolist()
    [True]
    """
    if column not in units:
        raise DesignError(
            f'no column "{column}" in cases.{did_you_mean(column, units.columns)} '
            "Declare it in the plan: [data.columns.cases]."
        )
    if not set(units[column].dropna().unique()) <= {True, False}:
        raise DesignError(
            f'the column "{column}" of cases holds other values than true and false. '
            'Declare it as "boolean" in the plan: [data.columns.cases].'
        )
    rows = units.copy()
    rows["outcome"] = rows[column].astype("boolean")
    if "allocated_arm" in rows and "arm" in rows:
        rows["assigned"] = rows["allocated_arm"].astype(object) == "programme"
        rows["delivered"] = rows["arm"].astype(object) == "programme"
    return rows


def time_to_event_rows(
    units: pd.DataFrame, *, stop: str, event: str, horizon: float
) -> pd.DataFrame:
    """For every unit, followed or not: how long until the event, or until it was last known free?

    Parameters
    ----------
    units : DataFrame
        From `cohort_units`.
    stop : str
        Column of cases: time from the start, a number above 0.
    event : str
        Boolean column of cases: the time ended in the event.
    horizon : float
        In the unit of ``stop``; following ends there for everybody.

    Returns
    -------
    DataFrame
        The units with ``start`` (0), ``stop`` (float, at most the horizon), ``event`` (nullable
        boolean; false where it came after the horizon) and ``ended_by`` (``event``, ``end`` or
        ``not followed``). Where the time or the event is blank, both are missing.

    Raises
    ------
    DesignError
        If a column is missing or of another kind, or a time is not above 0.

    Examples
    --------
    >>> import pandas as pd
    >>> units = pd.DataFrame({"unit_id": ["a", "b"], "week": [20, 60], "arrest": [True, True]})
    >>> rows = time_to_event_rows(units, stop="week", event="arrest", horizon=52)
    >>> rows[["stop", "event", "ended_by"]].values.tolist()
    [[20.0, True, 'event'], [52.0, False, 'end']]
    """
    happened = binary_rows(units, column=event)["outcome"]
    if stop not in units:
        raise DesignError(
            f'no column "{stop}" in cases.{did_you_mean(stop, units.columns)} '
            "Declare it in the plan: [data.columns.cases]."
        )
    given = units[stop]
    if not pd.api.types.is_numeric_dtype(given) or pd.api.types.is_bool_dtype(given):
        raise DesignError(
            f'the column "{stop}" of cases does not hold numbers. Declare it as "number" or '
            '"integer" in the plan: [data.columns.cases].'
        )
    time = given.astype("Float64")
    if early := int((time <= 0).sum()):
        raise DesignError(
            f'{early} of {len(units)} cases have 0 or less in the column "{stop}", so they were '
            "never followed: time runs from the start, which is 0. Count the first day, week or "
            "month as 1, or leave these cases out with [cohort] exclude."
        )
    known = (time.notna() & happened.notna()).astype(bool)
    hit = (happened & (time <= horizon)).mask(~known)
    rows = units.assign(
        start=0.0,
        stop=time.clip(upper=horizon).mask(~known).astype(float),
        event=hit,
    )
    rows["ended_by"] = "not followed"
    rows.loc[known, "ended_by"] = "end"
    rows.loc[hit.fillna(value=False).astype(bool), "ended_by"] = "event"
    return rows
