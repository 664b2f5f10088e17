"""Rival explanations of a difference between the arms."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.evaluation.behaviours import long_rows
from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.rival_behaviours import (
    corrected_falls,
    delta_term,
    powered,
    verdict,
)
from drive_eval.evaluation.rival_question import and_so_on, interval_words, number
from drive_eval.models import comparison, sensitivity
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.evaluation.rival_question import Asked
    from drive_eval.results import Estimate

__all__ = [
    "arms_power",
    "differential",
    "imputed_arms",
    "lee",
    "regression",
    "rivals_between",
    "rivals_of_binary",
    "rivals_of_designs",
    "subgroups",
]

_ARMS = "programme v comparison"
_DESIGNED = (
    "Not worked out within a matched or weighted comparison; what a hidden cause would have to be "
    "like stands beside its results."
)


def rivals_between(
    asked: Asked, rows: pd.DataFrame, measured: Mapping[str, pd.DataFrame], found: ResultSet
) -> ResultSet:
    """What else could explain that abuse fell further in the programme?

    Parameters
    ----------
    asked : Asked
    rows : DataFrame
        Units of both arms, from `behaviour_rows`.
    measured : mapping of arm to DataFrame
        Those with both measures.
    found : ResultSet
        What the evaluation found of this outcome.

    Returns
    -------
    ResultSet
        With no ``group``: `regression_to_the_mean` from the comparison arm, `lee_bounds` on the
        use after of everybody in the arms, `differential_misreporting`, `subgroup_interaction`,
        `leave_one_out` of the change compared, and the sentences ``rival:<what>``.
    """
    pairs = pd.concat(measured.values(), ignore_index=True)
    pairs = pairs.assign(
        used_before=pairs["used_before"].astype(bool), used_after=pairs["used_after"].astype(bool)
    )
    both = rows["used_before"].notna() & rows["used_after"].notna()
    after = rows.assign(used_after=rows["used_after"].where(both))
    parts = [
        regression(asked, pairs),
        lee(asked, after, "used_after", contrast=f"{_ARMS}, after"),
        differential(asked, pairs, "used_after", contrast=f"{_ARMS}, after"),
        subgroups(asked, pairs, "used_after", contrast=f"{_ARMS}, after"),
        _one_site_of_change(asked, measured),
    ]
    gap = [
        e
        for e in found.estimates
        if e.measure == "difference_in_differences" and e.estimate is not None
    ]
    if gap:
        parts.append(ResultSet(checks=(verdict(asked, gap[0]),)))
    parts.append(arms_power(asked, pairs, "used_after"))
    return merge(parts, outcome=str(asked.labels["outcome"]))


def rivals_of_binary(asked: Asked, rows: pd.DataFrame, found: ResultSet) -> ResultSet:
    """What else could explain a difference in a yes/no outcome?

    Parameters
    ----------
    asked : Asked
    rows : DataFrame
        From `binary_rows`.
    found : ResultSet
        What the evaluation found of this outcome.

    Returns
    -------
    ResultSet
        As `rivals_between`, but for what is about the time before; with outcomes imputed at each
        `delta` of the plan, in both arms and in the programme alone.
    """
    known = rows.dropna(subset=["outcome"])
    known = known.assign(outcome=known["outcome"].astype(bool))
    if known["group"].nunique() < 2:
        return ResultSet()
    parts = [lee(asked, rows, "outcome", contrast=_ARMS)]
    if rows["outcome"].isna().any():
        parts.append(imputed_arms(asked, rows, "outcome"))
    parts += [
        differential(asked, known, "outcome", contrast=_ARMS),
        subgroups(asked, known, "outcome", contrast=_ARMS),
        _one_site_of_risks(asked, known, "outcome"),
        _verdict_of(asked, found, ("", "itt")),
        arms_power(asked, known, "outcome"),
    ]
    return merge(parts, outcome=str(asked.labels["outcome"]))


def rivals_of_designs(asked: Asked, found: ResultSet, main: str) -> ResultSet:
    """Say what of a matched or weighted comparison is held to the smallest worthwhile change.

    Parameters
    ----------
    asked : Asked
    found : ResultSet
        What the evaluation found of this outcome.
    main : str
        The main design's name.

    Returns
    -------
    ResultSet
        The Checks ``rival:verdict`` and, of what is not worked out, ``rival:missing``.
    """
    words = ResultSet(checks=(asked.said("missing", _DESIGNED),))
    return merge([_verdict_of(asked, found, (main,)), words], outcome=str(asked.labels["outcome"]))


def _verdict_of(asked: Asked, found: ResultSet, terms: tuple[str, ...]) -> ResultSet:
    for e in found.estimates:
        shown = e.estimate is not None and not e.group and not e.subgroup
        if e.measure == "risk_difference" and e.term in terms and shown:
            return ResultSet(checks=(verdict(asked, e),))
    return ResultSet()


# What would have come by itself


def regression(asked: Asked, pairs: pd.DataFrame) -> ResultSet:
    """How much of the fall would have come without the programme, by the comparison arm?

    Parameters
    ----------
    asked : Asked
    pairs : DataFrame
        Those with both measures, of both arms.

    Returns
    -------
    ResultSet
        As `regression_to_the_mean`, and the Check ``rival:regression_to_the_mean``.
    """
    what = "regression_to_the_mean"
    labels = {k: v for k, v in asked.about.items() if k != "outcome"}
    found, refused = asked.asked(
        what,
        lambda: sensitivity.regression_to_the_mean(
            pairs,
            before="used_before",
            after="used_after",
            treated="group",
            scale="percent",
            rng=asked.rng(what),
            cluster=asked.cluster,
            outcome=str(asked.labels["outcome"]),
            **labels,
        ),
    )
    if found is None:
        return refused
    named = tuple(
        dataclasses.replace(e, group="programme")
        if e.measure in ("observed_fall", "expected_fall")
        else e
        for e in found.estimates
    )
    text = fall_words({e.measure: e for e in named}, "users")
    sentence = asked.said(what, text, statistic=found.check("regression_to_the_mean").statistic)
    found = dataclasses.replace(found, estimates=named)
    return asked.kept(what, found, group="", sentence=sentence, drop=(what,))


def fall_words(falls: Mapping[str, Estimate], of: str) -> str:
    """Set what would have come by itself beside the observed fall.

    Parameters
    ----------
    falls : mapping of measure to Estimate
        ``observed_fall``, ``expected_fall``, ``fall_beyond``, in percent.
    of : str
        What fell: ``"users"``, ``"events"``.

    Returns
    -------
    str
        One sentence.
    """
    observed, expected, beyond = (
        falls[name] for name in ("observed_fall", "expected_fall", "fall_beyond")
    )
    text = (
        f"People come in at a crisis, so some fall comes by itself. In the programme arm {of} fell "
        f"by {interval_words(observed)}, in the comparison arm by {interval_words(expected)}; if "
        f"that is what would have come without the programme, {interval_words(beyond)} fewer "
        "than that remain"
    )
    if beyond.conf_low is None or beyond.conf_high is None:
        return f"{text}."
    if beyond.conf_low > 0:
        return f"{text}, so the fall is larger than was to be expected."
    if beyond.conf_high < 0:
        return f"{text}, so the fall is smaller than was to be expected."
    return f"{text}, no clear fall beyond what was to be expected."


# Who was not measured


def lee(asked: Asked, rows: pd.DataFrame, outcome: str, *, contrast: str) -> ResultSet:
    """How large or small could the difference between arms be, whoever was not measured?

    Parameters
    ----------
    asked : Asked
    rows : DataFrame
        Everybody in the arms, measured or not.
    outcome : str
        Column, blank where it was not measured.
    contrast : str
        Label.

    Returns
    -------
    ResultSet
        As `lee_bounds`, and the Check ``rival:missing`` without a group.
    """
    found, refused = asked.asked(
        "missing",
        lambda: sensitivity.lee_bounds(
            rows, outcome=outcome, treated="group", contrast=contrast, **_named(asked)
        ),
    )
    if found is None:
        return refused
    found = asked.alone(found)
    ends = {e.term: e for e in found.estimates}
    lost = int(rows[outcome].isna().sum())
    sentence = asked.said(
        "missing", _bound_words(ends, lost, len(rows)), statistic=ends["worst case"].estimate
    )
    return asked.kept("missing", found, group="", sentence=sentence)


def _bound_words(ends: Mapping[str, Estimate], lost: int, n: int) -> str:
    def points(name: str) -> str:
        value = ends[name].estimate
        return number(None if value is None else 100 * value)

    if not lost:
        return "Everybody in the two arms was measured, so nothing hangs on who was not."
    return (
        f"Looking at the end only: of {n:,} in the two arms {lost:,} were not measured. Programme "
        f"minus comparison is {points('as observed')} in every 100 among those measured, between "
        f"{points('best case')} and {points('worst case')} whatever the others were like, and "
        f"between {points('Lee lower')} and {points('Lee upper')} if the programme changes who is "
        "measured in one direction only."
    )


def imputed_arms(asked: Asked, rows: pd.DataFrame, outcome: str) -> ResultSet:
    """How large is the difference if those not measured are imputed, as like others or worse?

    Parameters
    ----------
    asked, rows, outcome
        As in `lee`.

    Returns
    -------
    ResultSet
        As `imputed_change` by arm, for each `delta` in both arms (``imputed, odds × 2``) and in
        the programme alone (``imputed, odds × 2 in the programme``); ``rival:imputed``.
    """
    rules = asked.plan.sensitivity
    if rules.imputations < 2:
        return ResultSet()
    table = rows.assign(nothing_before=False)
    cases: list[tuple[str, float, float]] = []
    for odds in rules.delta:
        cases.append((delta_term(odds), odds, odds))
        if odds != 1:
            cases.append((f"{delta_term(odds)} in the programme", odds, 1.0))
    parts: list[ResultSet] = []
    words = []
    for term, one, other in cases:
        found, refused = asked.asked(
            "imputed",
            functools.partial(
                sensitivity.imputed_change,
                table,
                before="nothing_before",
                after=outcome,
                treated="group",
                rng=asked.rng(term),
                covariates=list(rules.missing_covariates) or None,
                m=rules.imputations,
                delta={"programme": math.log(one), "comparison": math.log(other)},
                **asked.about,
            ),
        )
        if found is None:
            return merge([*parts, refused], outcome=str(asked.labels["outcome"]))
        found = asked.alone(found)
        named = tuple(
            dataclasses.replace(e, term=f"{term} ({e.term})" if e.term else term)
            for e in found.estimates
        )
        checks = tuple(
            dataclasses.replace(c, name=f"{term}: {c.name}")
            for c in found.checks
            if c.name != "missing_exits"
        )
        parts.append(ResultSet(estimates=named, checks=checks, assumptions=found.assumptions))
        gap = next(e for e in named if e.measure == "risk_difference")
        words.append(f"{_in_hundred(gap)} with {term.removeprefix('imputed, ')}")
    text = (
        "Looking at the end only: with what those not measured did filled in by a model, "
        f"programme minus comparison is, in every 100, {and_so_on(words)} of people alike who "
        "were measured."
    )
    return merge(
        [ResultSet(checks=(asked.said("imputed", text),)), *parts],
        outcome=str(asked.labels["outcome"]),
    )


def _in_hundred(gap: Estimate) -> str:
    if gap.estimate is None:
        return "not defined"
    text = number(100 * gap.estimate)
    if gap.conf_low is not None and gap.conf_high is not None:
        text += f" ({number(100 * gap.conf_low)} to {number(100 * gap.conf_high)})"
    return text


# Wrong records


def differential(asked: Asked, known: pd.DataFrame, outcome: str, *, contrast: str) -> ResultSet:
    """How over-optimistic would the programme's records have to be for the difference to vanish?

    Parameters
    ----------
    asked : Asked
    known : DataFrame
        Those measured.
    outcome, contrast
        As in `lee`.

    Returns
    -------
    ResultSet
        ``over_optimism`` as `differential_misreporting`; ``percent_reduction`` corrected for each
        share of `drive_eval.evaluation.rival_behaviours.OVER_OPTIMISM`; the Check
        ``rival:differential_misreporting``.
    """
    what = "differential_misreporting"
    told: dict[str, Any] = {"outcome": outcome, "treated": "group", "contrast": contrast}
    found, refused = asked.asked(
        what,
        lambda: sensitivity.differential_misreporting(known, **told, **_named(asked)),
    )
    if found is None:
        return refused
    found = asked.alone(found)
    kept = [e for e in found.estimates if e.measure == "over_optimism"]
    ratio = next(e for e in found.estimates if e.measure == "risk_ratio")
    treated = known.loc[known["group"] == "programme", outcome]
    kept += corrected_falls(ratio, float(treated.mean()))
    said = found.check("over_optimism")
    sentence = asked.said(what, said.text, passed=said.passed, statistic=said.statistic)
    drop: tuple[str, ...] = ("over_optimism",)
    if asked.cluster is not None:
        drop = (*drop, "over_optimism_interval")
    found = dataclasses.replace(found, estimates=tuple(kept))
    return asked.kept(what, found, group="", sentence=sentence, drop=drop)


# Kinds of people, and sites


def subgroups(
    asked: Asked,
    known: pd.DataFrame,
    outcome: str,
    *,
    contrast: str,
    columns: Sequence[str] | None = None,
) -> ResultSet:
    """Does the difference between arms differ between kinds of people?

    Parameters
    ----------
    asked, known, outcome, contrast
        As in `differential`.
    columns : sequence of str, optional
        Those of the plan when left out.

    Returns
    -------
    ResultSet
        As `subgroup_interaction` for each column of the plan; ``subgroup`` and ``term`` name the
        column (``site: north``, ``site: south v north``). One Check ``rival:subgroup`` a column.
    """
    parts = []
    for column in asked.plan.sensitivity.subgroups if columns is None else columns:
        rows = known.assign(kind=f"{column}: " + known[column].astype(str))
        found, refused = asked.asked(
            "subgroup",
            functools.partial(
                sensitivity.subgroup_interaction,
                rows,
                outcome=outcome,
                treated="group",
                subgroup="kind",
                contrast=contrast,
                **_named(asked),
            ),
        )
        if found is None:
            text = f"{column}: {refused.checks[0].text}".replace('column "kind"', f'"{column}"')
            parts.append(ResultSet(checks=(asked.said("subgroup", text),)))
            continue
        test = found.check("heterogeneity")
        found = asked.alone(found)
        text = _kinds_words(column, found, test if asked.cluster is None else None)
        sentence = asked.said("subgroup", text, statistic=test.statistic)
        if asked.cluster is not None:
            bare = tuple(c for c in found.checks if not c.name.startswith("heterogeneity"))
            found = dataclasses.replace(found, checks=bare)
        kept = asked.kept("subgroup", found, group="", sentence=sentence)
        named = tuple(
            dataclasses.replace(c, name=f"{c.name}, {column}")
            if c.name.startswith("subgroup: heterogeneity")
            else c
            for c in kept.checks
        )
        parts.append(dataclasses.replace(kept, checks=named))
    return merge(parts, outcome=str(asked.labels["outcome"]))


def _kinds_words(column: str, found: ResultSet, test: Check | None) -> str:
    inside = [
        f"{e.subgroup.removeprefix(f'{column}: ')} {_in_hundred(e)}"
        for e in found.estimates
        if e.measure == "risk_difference"
    ]
    text = f"At the end, programme minus comparison by {column}, of 100: {and_so_on(inside)}"
    if test is None or test.p_value is None:
        return f"{text}."
    if test.p_value < 0.05:
        return f"{text}; these differ by more than chance would make them (P {test.p_value:.2g})."
    return f"{text}; chance alone could make them differ so (P {test.p_value:.2g})."


def _one_site_of_change(asked: Asked, measured: Mapping[str, pd.DataFrame]) -> ResultSet:
    wide = pd.concat(measured.values(), ignore_index=True)
    by = asked.left_out_by(wide)
    if not by:
        return ResultSet()
    sites = wide.set_index("unit_id")[by]
    long = long_rows(measured)
    long = long.assign(**{by: long["unit_id"].map(sites)})
    labels = {k: v for k, v in asked.labels.items() if k not in ("outcome", "reporter")}
    analysis = functools.partial(
        comparison.difference_in_differences,
        outcome="used",
        treated="group",
        period="period",
        before="before",
        after="after",
        person="unit_id",
        scale="risk_difference",
        cluster=asked.cluster,
        conf_level=asked.level,
        outcome_name=str(asked.labels["outcome"]),
        **labels,
    )
    return _left_out(asked, long, by, analysis, "difference_in_differences")


def _one_site_of_risks(asked: Asked, known: pd.DataFrame, outcome: str) -> ResultSet:
    by = asked.left_out_by(known)
    if not by:
        return ResultSet()
    analysis = functools.partial(
        comparison.risk_contrast,
        outcome=outcome,
        treated="group",
        covariates=[c for c in asked.plan.comparison.covariates if c != by] or None,
        cluster=asked.cluster,
        **_named(asked),
    )
    return _left_out(asked, known, by, analysis, "risk_difference")


def _left_out(asked: Asked, table: pd.DataFrame, by: str, analysis: Any, measure: str) -> ResultSet:
    found, refused = asked.asked(
        "one_site",
        lambda: sensitivity.leave_one_out(table, by=by, analysis=analysis, measure=measure),
    )
    if found is None:
        return refused
    said = found.check("leave_one_out")
    sentence = asked.said("one_site", said.text, passed=said.passed, statistic=said.statistic)
    rest = dataclasses.replace(found, estimates=found.estimates[1:])
    return asked.kept("one_site", rest, group="", sentence=sentence, drop=("leave_one_out",))


# What the sample could show


def arms_power(asked: Asked, known: pd.DataFrame, outcome: str) -> ResultSet:
    """How small a difference between the arms could this sample have shown?

    Parameters
    ----------
    asked, known, outcome
        As in `differential`.

    Returns
    -------
    ResultSet
        As `detectable_effect`, and the Check ``rival:power`` without a group.
    """
    treated = known["group"] == "programme"
    share = float(known.loc[~treated, outcome].mean())
    n, other = int(treated.sum()), int((~treated).sum())
    if min(n, other) < 2 or not 0 < share < 1:
        text = "Not worked out: nobody, or everybody, of the comparison arm has the outcome."
        return ResultSet(checks=(asked.said("power", text),))
    found, refused = asked.asked(
        "power",
        lambda: sensitivity.detectable_effect(
            n=n,
            n_comparison=other,
            prevalence=share,
            worthwhile=100 * asked.worthwhile / share if asked.worthwhile <= share else None,
            power=asked.plan.sensitivity.power,
            conf_level=asked.level,
            outcome=str(asked.labels["outcome"]),
            unit=str(asked.labels["unit"]),
        ),
    )
    if found is None:
        return refused
    return powered(asked, found, "")


def _named(asked: Asked) -> dict[str, Any]:
    """Return labels for models that call the outcome's label `outcome_name`."""
    about = dict(asked.about)
    about["outcome_name"] = about.pop("outcome")
    return about
