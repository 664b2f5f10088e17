"""Severity by abuse type, reporter and time point, and perceived change in risk.

Reporters are never pooled and *not recorded* is never *none*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd

from drive_eval.errors import DesignError, did_you_mean
from drive_eval.vocabulary import PERCEIVED_CHANGES, SEVERITY, TIME_POINTS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["perceived_change", "severity_before_after"]


def severity_before_after(
    assessments: pd.DataFrame,
    *,
    abuse_type: str,
    reporter: str,
    before: str = "intake",
    after: str = "exit",
    per: Literal["case", "dyad"] = "case",
) -> pd.DataFrame:
    """How severe was one type of abuse before and after, as one reporter rated it?

    Parameters
    ----------
    assessments : DataFrame
        One row per rating: ``case_id, time_point, reporter, abuse_type, severity`` and, where
        known, ``victim_survivor_id`` and ``date``. A missing severity is *not recorded*.
    abuse_type, reporter : str
        Codes of the code lists.
    before, after : str
        Time points, the earlier first.
    per : {'case', 'dyad'}
        One row per case (the worst of its victim-survivors) or per victim-survivor.

    Returns
    -------
    DataFrame
        ``case_id`` (and ``victim_survivor_id`` for dyads), ``before`` and ``after`` (ordered
        categories, missing when not recorded), ``days_between`` (days between the two
        ratings, missing unless both are dated) and ``partly_measured`` (bool: some, not
        all, of the victim-survivors rated before were rated after).

    Raises
    ------
    DesignError
        If dyads are asked for and the reporter rates cases as a whole, or the reporter
        rated nothing of this kind.

    Notes
    -----
    **Assumptions.** A case counts as measured after only if every victim-survivor rated
    before was rated after as well: otherwise losing contact with a victim-survivor would
    read as an end to the abuse. A victim-survivor first rated after does count: abuse of a
    new partner is abuse.

    Examples
    --------
    >>> ratings = pd.DataFrame({
    ...     "case_id": ["c1", "c1", "c2", "c2"], "time_point": ["intake", "exit"] * 2,
    ...     "reporter": "idva", "abuse_type": "physical",
    ...     "severity": ["high", "none", "moderate", None]})
    >>> pairs = severity_before_after(ratings, abuse_type="physical", reporter="idva")
    >>> pairs[["case_id", "before", "after"]].values.tolist()
    [['c1', 'high', 'none'], ['c2', 'moderate', nan]]
    """
    rows = assessments[
        (assessments["reporter"] == reporter)
        & (assessments["abuse_type"] == abuse_type)
        & assessments["time_point"].isin([before, after])
    ]
    if rows.empty:
        here = sorted(assessments["reporter"].dropna().unique())
        raise DesignError(
            f'no assessment of {abuse_type} by "{reporter}" at {before} or {after}.'
            f"{did_you_mean(reporter, here) if reporter not in here else ''} "
            "Choose another reporter, abuse type or time point in the plan."
        )
    rows = _with_person_and_rank(rows)
    if per == "dyad" and (rows["victim_survivor_id"] == "").any():
        count = int((rows["victim_survivor_id"] == "").sum())
        raise DesignError(
            f'{count} assessments of {abuse_type} by "{reporter}" name no victim-survivor, so they '
            'cannot be counted by dyad. Use unit = "person" or "enrolment", or another reporter.'
        )
    keys = ["case_id", "victim_survivor_id"]
    first = _at(rows, before, keys, ["before", "date_before"])
    second = _at(rows, after, keys, ["after", "date_after"])
    dyads = first.merge(second, on=keys, how="outer")
    dyads["lost"] = dyads["before"].notna() & dyads["after"].isna()
    if per == "case":
        grouped = dyads.groupby("case_id", sort=True)
        pairs = grouped[["before", "after", "date_before", "date_after"]].max().reset_index()
        lost = pd.Series(grouped["lost"].any().to_numpy(), index=pairs.index)
        pairs["partly_measured"] = lost & pairs["after"].notna()
        for name in ("after", "date_after"):
            pairs[name] = pairs[name].mask(lost)
    else:
        pairs = dyads.drop(columns="lost").sort_values(keys, ignore_index=True)
        pairs["partly_measured"] = False
    pairs["days_between"] = (pairs["date_after"] - pairs["date_before"]).dt.days.astype("Float64")
    for name in ("before", "after"):
        pairs[name] = _as_levels(pairs[name], SEVERITY.codes)
    return pairs.drop(columns=["date_before", "date_after"])


def perceived_change(
    risk_reviews: pd.DataFrame, *, reporter: str, time_point: str = "exit"
) -> pd.DataFrame:
    """How did a practitioner judge the change in risk, case by case?

    Parameters
    ----------
    risk_reviews : DataFrame
        ``case_id, time_point, reporter, perceived_change``.
    reporter, time_point : str
        Codes of the code lists.

    Returns
    -------
    DataFrame
        ``case_id`` and ``perceived_change`` (ordered category), one row per case with a
        recorded judgement: the least favourable one where several victim-survivors of a case
        were judged apart.

    Raises
    ------
    DesignError
        If there is no such judgement.

    Examples
    --------
    >>> reviews = pd.DataFrame({"case_id": ["c1"], "time_point": "exit", "reporter": "idva",
    ...                         "perceived_change": ["moderate_reduction"]})
    >>> perceived_change(reviews, reporter="idva")["perceived_change"].tolist()
    ['moderate_reduction']
    """
    if time_point not in TIME_POINTS.codes:
        raise DesignError(
            f'"{time_point}" is no time point.{did_you_mean(time_point, TIME_POINTS.codes)}'
        )
    if "perceived_change" not in risk_reviews:
        raise DesignError(
            "risk_reviews has no column perceived_change, which an outcome of that kind needs. Add "
            "the column, or take the outcome out of the plan."
        )
    judged = risk_reviews[risk_reviews["perceived_change"].notna()]
    rows = judged[(judged["reporter"] == reporter) & (judged["time_point"] == time_point)]
    if rows.empty:
        here = judged[["reporter", "time_point"]].drop_duplicates().sort_values("reporter")
        known = ", ".join(f"{who} at {when}" for who, when in here.itertuples(index=False))
        raise DesignError(
            f'no judgement of perceived change by "{reporter}" at {time_point} in risk_reviews. '
            f"Judgements there: {known or 'none at all'}. Choose one of these in the plan, or take "
            "the outcome out."
        )
    rank = {code: position for position, code in enumerate(PERCEIVED_CHANGES.codes)}
    ranks = rows["perceived_change"].astype(object).map(rank).astype("int64")
    worst = ranks.groupby(rows["case_id"].astype(object)).max().sort_index()
    return pd.DataFrame(
        {
            "case_id": worst.index.to_numpy(),
            "perceived_change": _as_levels(worst, PERCEIVED_CHANGES.codes),
        }
    )


def _with_person_and_rank(rows: pd.DataFrame) -> pd.DataFrame:
    rank = {code: position for position, code in enumerate(SEVERITY.codes)}
    person = rows.get("victim_survivor_id", pd.Series("", index=rows.index))
    dates = rows["date"] if "date" in rows else pd.Series(pd.NaT, index=rows.index)
    return pd.DataFrame(
        {
            "case_id": rows["case_id"].astype(object),
            "victim_survivor_id": person.astype(object).fillna("").astype(str),
            "time_point": rows["time_point"].astype(object),
            "rank": rows["severity"].astype(object).map(rank).astype("Float64"),
            "date": pd.to_datetime(dates),
        }
    )


def _at(
    rows: pd.DataFrame, time_point: str, keys: Sequence[str], names: Sequence[str]
) -> pd.DataFrame:
    here = rows[(rows["time_point"] == time_point) & rows["rank"].notna()]
    grouped = here.groupby(list(keys), sort=True)[["rank", "date"]].max().reset_index()
    return grouped.rename(columns={"rank": names[0], "date": names[1]})


def _as_levels(ranks: pd.Series, levels: Sequence[str]) -> pd.Categorical[str]:
    codes = ranks.fillna(-1).astype("int64").to_numpy()
    return pd.Categorical.from_codes(codes, categories=pd.Index(levels), ordered=True)
