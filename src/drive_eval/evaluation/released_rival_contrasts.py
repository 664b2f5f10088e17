"""Rival explanations of a difference between the arms, from their released counts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pandas as pd

from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.controlled import coarse_p
from drive_eval.evaluation.released_bound_rows import (
    bounded_difference,
    bounded_optimism_between,
)
from drive_eval.evaluation.released_bounds import side_of
from drive_eval.evaluation.released_margins import (
    difference_of_falls,
    difference_of_margins,
    rows_of_margins,
)
from drive_eval.evaluation.released_rival_arms import (
    bare,
    floor_of,
    sides_of,
    sites_words,
    to_hundredth,
    with_coarse_size,
)
from drive_eval.evaluation.rival_behaviours import verdict
from drive_eval.evaluation.rival_contrasts import (
    arms_power,
    differential,
    imputed_arms,
    lee,
    regression,
    subgroups,
)
from drive_eval.evaluation.rival_question import and_so_on, at_the_end, number
from drive_eval.results import ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.disclosure import Policy
    from drive_eval.evaluation.released_bounds import Side
    from drive_eval.evaluation.released_rival_arms import ReleasedArm
    from drive_eval.evaluation.rival_question import Asked
    from drive_eval.plan import Plan
    from drive_eval.results import Estimate

__all__ = ["released_between", "released_binary"]

_ARMS = "programme v comparison"


def released_between(
    asked: Asked,
    plan: Plan,
    arms: Mapping[str, ReleasedArm],
    exact: ResultSet,
    released: ResultSet,
    rules: Policy,
) -> ResultSet:
    """Ask again what else could explain that abuse fell further in the programme.

    Parameters
    ----------
    asked : Asked
        As of people.
    plan : Plan
    arms : mapping of group to ReleasedArm
    exact, released : ResultSet
        As in `drive_eval.evaluation.released_rivals.release_rivals`.
    rules : Policy

    Returns
    -------
    ResultSet
        Without a group, as `drive_eval.evaluation.rival_contrasts.rivals_between`.
    """
    if any(arm.pairs is None for arm in arms.values()):
        return ResultSet()
    clustered = plan.design.unit != "person"
    contrast = f"{_ARMS}, after"
    pairs = pd.concat([arm.rows(group) for group, arm in arms.items()], ignore_index=True)
    pairs = pairs.astype({"used_before": bool, "used_after": bool})
    counted = [regression(asked, pairs)]
    one, other = (arms[group].side for group in ARMS.codes)
    if one is not None and other is not None:
        hidden = any(arm.hidden for arm in arms.values())
        lost = {g: side.lost[1] for g, side in zip(ARMS.codes, (one, other), strict=True)}
        counted += _bounded(
            asked, pairs, "used_after", (one, other), lost, hidden=hidden, contrast=contrast
        )
        counted.append(ResultSet(checks=(at_the_end(asked),)))
    parts = [bare(found) if clustered else found for found in counted]
    parts.append(_kinds(asked, exact, rules))
    if all(arm.sites for arm in arms.values()):
        parts.append(_without_sites(asked, exact, released, "difference_in_differences", rules))
    gap = _first(released, "difference_in_differences", ("",))
    if gap is not None:
        parts.append(ResultSet(checks=(verdict(asked, gap),)))
    parts.append(with_coarse_size(arms_power(asked, pairs, "used_after")))
    return merge(parts, outcome=str(asked.labels["outcome"]))


def released_binary(
    asked: Asked,
    plan: Plan,
    exact: ResultSet,
    main: ResultSet,
    released: ResultSet,
    rules: Policy,
) -> ResultSet:
    """Ask again what else could explain a difference in a yes/no outcome.

    Parameters
    ----------
    asked, plan, exact, main, released, rules
        As in `released_between`, with `main` the exact result of the outcome.

    Returns
    -------
    ResultSet
        As `drive_eval.evaluation.rival_contrasts.rivals_of_binary`.
    """
    table, whole = released.tables[0], main.tables[0]
    words = ("yes", "no", "not recorded")
    shown = {(g, w): table[g, "all", w] for g in ARMS.codes for w in words}
    clustered = plan.design.unit != "person"
    parts: list[ResultSet] = []
    known = {key: count for key, count in shown.items() if key[1] != "not recorded"}
    if None not in known.values():
        rows = pd.DataFrame(
            [(g, w == "yes") for (g, w), count in known.items() for _ in range(count or 0)],
            columns=["group", "outcome"],
        )
        if rows["group"].nunique() == 2:
            lost = {g: shown[g, "not recorded"] for g in ARMS.codes}
            one, other = (
                side_of(table, rules, *([(g, "all", w)] for w in words)) for g in ARMS.codes
            )
            hidden = None in lost.values()
            gone = {g: count or 0 for g, count in lost.items()}
            if one is not None and other is not None:
                if hidden:
                    gone = {g: s.lost[1] for g, s in zip(ARMS.codes, (one, other), strict=True)}
                counted = _bounded(
                    asked, rows, "outcome", (one, other), gone, hidden=hidden, contrast=_ARMS
                )
                parts += [bare(found) if clustered else found for found in counted]
            if not hidden and any(gone.values()):
                parts.append(_imputed(asked, exact, main, shown, gone, rules, clustered=clustered))
            parts.append(with_coarse_size(arms_power(asked, rows, "outcome")))
    parts.append(_kinds(asked, exact, rules))
    cells = {(g, w): whole[g, "all", w] or 0 for g in ARMS.codes for w in ("yes", "no")}
    if _sites_of_arms(exact, cells, rules):
        parts.append(_without_sites(asked, exact, released, "risk_difference", rules))
    gap = _first(released, "risk_difference", ("", "itt"))
    if gap is not None:
        parts.append(ResultSet(checks=(verdict(asked, gap),)))
    return merge(parts, outcome=str(asked.labels["outcome"]))


def _bounded(
    asked: Asked,
    rows: pd.DataFrame,
    column: str,
    sides: tuple[Side, Side],
    lost: Mapping[str, int],
    *,
    hidden: bool,
    contrast: str,
) -> list[ResultSet]:
    """Return what the unmeasured and wrong records could do, whatever the exact counts are."""
    found = lee(asked, _with_lost(rows, lost, column), column, contrast=contrast)
    records = differential(asked, rows, column, contrast=contrast)
    if all(side.exact for side in sides):
        return [found, records]
    after = contrast != _ARMS
    bounds = None
    if found.estimates:
        bounds = bounded_difference(asked, found, *sides, hidden=hidden, at_the_end=after)
    records = bounded_optimism_between(asked, records, *sides, at_the_end=after)
    return [records] if bounds is None else [bounds, records]


def _with_lost(
    rows: pd.DataFrame, lost: Mapping[str, int], column: str = "used_after"
) -> pd.DataFrame:
    """Add people of whom the outcome is not known."""
    more = pd.DataFrame({"group": [g for g, count in lost.items() for _ in range(count)]})
    both = pd.concat([rows[["group", column]], more.assign(**{column: None})], ignore_index=True)
    return both.assign(**{column: both[column].astype("boolean")})


def _first(released: ResultSet, measure: str, terms: Sequence[str]) -> Estimate | None:
    for e in released.estimates:
        shown = e.estimate is not None and not e.group and not e.subgroup
        if e.measure == measure and e.term in terms and shown:
            return e
    return None


# Models


def _imputed(
    asked: Asked,
    exact: ResultSet,
    main: ResultSet,
    shown: Mapping[tuple[str, str], int | None],
    lost: Mapping[str, int],
    rules: Policy,
    *,
    clustered: bool,
) -> ResultSet:
    """Return imputed differences: of released counts, or coarse where covariates made them."""
    if not asked.plan.sensitivity.missing_covariates and not clustered:
        rows = pd.DataFrame(
            [
                (g, w == "yes")
                for (g, w), count in shown.items()
                if w != "not recorded"
                for _ in range(count or 0)
            ],
            columns=["group", "outcome"],
        )
        return imputed_arms(asked, _with_lost(rows, lost, "outcome"), "outcome")
    floor = floor_of(rules)
    cells = [c.statistic for c in main.checks if c.name == "missing_cells"]
    few = [cell is not None and cell <= rules.suppress_up_to for cell in cells]
    rare = any(few) or (not cells and bool(asked.plan.sensitivity.missing_covariates))
    if rare or any(count is None or count < floor for count in shown.values()):
        return ResultSet()
    rows_ = tuple(to_hundredth(e) for e in exact.estimates if e.term.startswith("imputed"))
    words = [
        f"{_points(e)} with {e.term.removeprefix('imputed, ')}"
        for e in rows_
        if e.measure == "risk_difference"
    ]
    if not words:
        return ResultSet()
    text = (
        "Looking at the end only: with what those not measured did filled in by a model, "
        f"programme minus comparison is, in every 100, {and_so_on(words)} of people alike who "
        "were measured."
    )
    return ResultSet(estimates=rows_, checks=(asked.said("imputed", text),))


def _points(e: Estimate) -> str:
    def said(value: float | None) -> str:
        return number(None if value is None else 100 * value)

    if e.estimate is None or e.conf_low is None or e.conf_high is None:
        return said(e.estimate)
    return f"{said(e.estimate)} ({said(e.conf_low)} to {said(e.conf_high)})"


# Kinds of people, and sites


def _kinds(asked: Asked, exact: ResultSet, rules: Policy) -> ResultSet:
    """Return differences in kinds of people, where each kind of each arm has enough.

    Of a column with one small kind nothing is given, because the others are what all lose
    with it.
    """
    parts = []
    for column in asked.plan.sensitivity.subgroups:
        name = f"{column}: "
        rows = [
            e
            for e in exact.estimates
            if not e.group and (e.subgroup.startswith(name) or e.term.startswith(name))
        ]
        risks = [e for e in rows if e.measure == "risk_difference"]
        if len(risks) < 2 or any(_smallest(e) < floor_of(rules) for e in risks):
            text = f"By {column}: not shown, because too few people of a kind had it or had not."
            parts.append(ResultSet(checks=(asked.said("subgroup", text),)))
            continue
        known = [(e.subgroup.removeprefix(name), rows_of_margins(e, rules)) for e in risks]
        people = pd.concat([r.assign(**{column: kind}) for kind, r in known if r is not None])
        found = subgroups(asked, people, "outcome", contrast=risks[0].contrast, columns=[column])
        found = bare(found) if asked.plan.design.unit != "person" else found
        parts.append(
            dataclasses.replace(
                found,
                estimates=tuple(to_hundredth(e) for e in found.estimates),
                checks=tuple(
                    dataclasses.replace(c, statistic=None, df=None, p_value=coarse_p(c.p_value))
                    for c in found.checks
                ),
            )
        )
    return merge(parts, outcome=str(asked.labels["outcome"]))


def _smallest(e: Estimate) -> int:
    """Return the smallest number of people with or without the outcome, in either arm."""
    return min(sides_of(e) or [0])


def _sites_of_arms(exact: ResultSet, cells: Mapping[tuple[str, str], int], rules: Policy) -> bool:
    """Tell whether each site alone, and all others, have enough people in each arm."""
    rest = [e for e in exact.estimates if e.subgroup.startswith("without ")]
    every = [cells[g, w] for g in ARMS.codes for w in ("yes", "no")]
    for e in rest:
        if _smallest(e) < floor_of(rules):
            return False
        sides = sides_of(e) or every
        if min(a - b for a, b in zip(every, sides, strict=True)) < floor_of(rules):
            return False
    return bool(rest)


def _without_sites(
    asked: Asked, exact: ResultSet, released: ResultSet, measure: str, rules: Policy
) -> ResultSet:
    clustered = asked.plan.design.unit != "person"
    rest = [e for e in exact.estimates if e.subgroup.startswith("without ")]
    rows = []
    for e in rest:
        if e.group or e.measure != measure:
            continue
        if measure == "risk_difference":
            rows.append(difference_of_margins(e, rules, clustered=clustered))
        else:
            arms = {a.group: a for a in rest if a.group and a.subgroup == e.subgroup}
            rows.append(difference_of_falls(e, arms, rules, clustered=clustered))
    whole = _first(released, measure, ("", "itt"))
    words = "the difference in the change" if measure != "risk_difference" else "the difference"
    text, passed = sites_words(
        rows, [] if whole is None else [whole], words, " in every 100", scale=100
    )
    sentence = asked.said("one_site", text, passed=passed)
    return ResultSet(estimates=tuple(rows), checks=(sentence,))
