"""Rival explanations of a fall within one arm: missing exits, wrong records, one site, chance."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any

from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.rival_question import and_so_on, interval_words, number
from drive_eval.models import prepost, sensitivity
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    import pandas as pd

    from drive_eval.evaluation.rival_question import Asked
    from drive_eval.results import Estimate

__all__ = [
    "OVER_OPTIMISM",
    "corrected_falls",
    "delta_term",
    "imputed",
    "misreported",
    "missing",
    "one_site",
    "over_optimism_term",
    "power",
    "powered",
    "rivals_within",
    "tipping",
    "verdict",
    "weighted",
]

#: For which shares of those who still abuse, recorded as having stopped, a fall is corrected.
OVER_OPTIMISM = (0.1, 0.2)
_COLUMNS: dict[str, Any] = {"before": "used_before", "after": "used_after"}


def rivals_within(asked: Asked, arm: pd.DataFrame, group: str) -> ResultSet:
    """What else could explain the fall in one arm, each with a number?

    Parameters
    ----------
    asked : Asked
    arm : DataFrame
        From `behaviour_rows`: ``used_before`` and ``used_after``, blank where not recorded, with
        the columns that the plan names in [sensitivity].
    group : str
        The arm.

    Returns
    -------
    ResultSet
        By ``group``. As the models name them: `missing_exit_bounds` (terms ``as observed``,
        ``best case``, ``worst case``, ``range``), `tipping_point`, `imputed_change` (terms
        ``imputed, odds × 2``), `weighted_change` (``weighted``), `misreporting` (``over_optimism``,
        and the fall corrected for it: ``10 % over-optimistic``), `leave_one_out` (``subgroup``
        ``without …``), `detectable_effect`. One Check ``rival:<what>`` says each in a sentence.
    """
    table = arm[arm["used_before"].notna()].copy()
    table["used_before"] = table["used_before"].astype(bool)
    if table.empty or table["used_after"].isna().all():
        text = "Nobody has both measures, so there is no fall to be explained."
        return ResultSet(checks=(asked.said("missing", text, group=group),))
    never = len(arm) - len(table)
    pairs = table.dropna(subset=["used_after"])
    pairs = pairs.assign(used_after=pairs["used_after"].astype(bool))
    parts = [missing(asked, table, group, never=never)]
    if table["used_after"].isna().any():
        parts += [
            tipping(asked, table, group),
            imputed(asked, table, group),
            weighted(asked, table, group),
        ]
    parts += [
        misreported(asked, pairs, group),
        one_site(asked, pairs, group),
        power(asked, pairs, group),
    ]
    return merge(parts, outcome=str(asked.labels["outcome"]))


# Who was not seen again


def missing(asked: Asked, table: pd.DataFrame, group: str, *, never: int = 0) -> ResultSet:
    """How large or small could the fall be, whatever became of those not seen again?

    Parameters
    ----------
    asked : Asked
    table : DataFrame
        Those measured before.
    group : str
    never : int
        Units of the arm that were not measured before, and are in no figure of it.

    Returns
    -------
    ResultSet
        As `missing_exit_bounds`, and the Check ``rival:missing``.
    """
    found, refused = asked.asked(
        "missing",
        lambda: sensitivity.missing_exit_bounds(
            table, **_COLUMNS, cluster=asked.cluster, group=group, **asked.about
        ),
        group=group,
    )
    if found is None:
        return refused
    ends = {
        e.term.removesuffix(" (users)"): e
        for e in found.estimates
        if e.measure == "percent_reduction"
    }
    lost = int(table["used_after"].isna().sum())
    text = _missing_words(ends, lost, len(table))
    worst = ends["worst case"].estimate
    sentence = asked.said("missing", text, group=group, statistic=worst)
    kept = asked.kept(
        "missing", found, group=group, sentence=sentence, drop=("bounds", "missing_exits")
    )
    if not never:
        return kept
    beyond = Check(
        name="missing: not measured before",
        statistic=float(never),
        group=group,
        text=f"{never:,} of {never + len(table):,} in this arm were not measured before and are in "
        "no figure of the fall; no bound speaks of them.",
    )
    return dataclasses.replace(kept, checks=(*kept.checks, beyond))


def _missing_words(ends: dict[str, Estimate], lost: int, n: int) -> str:
    worst, best, seen = (ends[name].estimate for name in ("worst case", "best case", "as observed"))
    if worst is None or best is None:
        return "Nobody showed this behaviour before, so there is no fall to bound."
    if not lost:
        return f"Everybody measured before was measured after, so the fall is {number(best)} %."
    change = "fall is" if worst >= 0 else "change is a rise of"
    text = (
        f"The {change} {number(abs(worst))} % if all of the {lost:,} of {n:,} not rated a "
        f"second time showed the behaviour, and {number(best)} % if none did"
    )
    if seen is not None:
        text += f"; those rated twice alone say {number(seen)} %"
    return f"{text}."


def tipping(asked: Asked, table: pd.DataFrame, group: str) -> ResultSet:
    """How many of those not seen again would have to abuse for the fall to vanish?

    Parameters
    ----------
    asked, table, group
        As in `missing`.

    Returns
    -------
    ResultSet
        As `tipping_point`, and the Check ``rival:tipping``.
    """
    found, refused = asked.asked(
        "tipping",
        lambda: sensitivity.tipping_point(table, **_COLUMNS, group=group, **asked.about),
        group=group,
    )
    if found is None:
        return refused
    said = found.check("tipping_point")
    sentence = asked.said(
        "tipping", said.text, group=group, passed=said.passed, statistic=said.statistic
    )
    drop = ("tipping_point",) if asked.cluster is None else ("tipping_point", "tipping_interval")
    return asked.kept("tipping", asked.alone(found), group=group, sentence=sentence, drop=drop)


def delta_term(odds: float) -> str:
    """Return the term of an imputation.

    Examples
    --------
    >>> delta_term(2.0)
    'imputed, odds × 2'
    """
    return f"imputed, odds × {odds:g}"


def imputed(asked: Asked, table: pd.DataFrame, group: str) -> ResultSet:
    """How large is the fall if those not seen again are imputed, as like others or worse?

    Parameters
    ----------
    asked, table, group
        As in `missing`.

    Returns
    -------
    ResultSet
        As `imputed_change` for each `delta` of the plan, which is an odds ratio there; the Check
        ``rival:imputed``. Empty without imputations.
    """
    rules = asked.plan.sensitivity
    if rules.imputations < 2:
        return ResultSet()
    parts: list[ResultSet] = []
    words = []
    for odds in rules.delta:
        term = delta_term(odds)
        found, refused = asked.asked(
            "imputed",
            functools.partial(
                sensitivity.imputed_change,
                table,
                **_COLUMNS,
                rng=asked.rng(f"{term}|{group}"),
                covariates=list(rules.missing_covariates) or None,
                m=rules.imputations,
                delta=math.log(odds),
                group=group,
                **asked.about,
            ),
            group=group,
        )
        if found is None:
            return merge([*parts, refused], outcome=str(asked.labels["outcome"]))
        named = _renamed(asked.alone(found), term, drop=("prevalence_before",))
        parts.append(_under(named, term, group))
        words.append(_odds_words(odds, _fall(named)))
    text = (
        "With those not rated a second time filled in by a model of those who were, the fall is "
        f"{and_so_on(words)}."
    )
    sentence = asked.said("imputed", text, group=group)
    return merge([ResultSet(checks=(sentence,)), *parts], outcome=str(asked.labels["outcome"]))


def _odds_words(odds: float, fall: Estimate) -> str:
    like = "at the odds of people alike" if odds == 1 else f"at {odds:g} times these odds"
    return f"{interval_words(fall)} {like}"


def weighted(asked: Asked, table: pd.DataFrame, group: str) -> ResultSet:
    """How large is the fall if those seen again are weighted to stand for everybody?

    Parameters
    ----------
    asked, table, group
        As in `missing`.

    Returns
    -------
    ResultSet
        As `weighted_change`, and the Check ``rival:weighted``.
    """
    found, refused = asked.asked(
        "weighted",
        lambda: sensitivity.weighted_change(
            table,
            **_COLUMNS,
            covariates=list(asked.plan.sensitivity.missing_covariates) or None,
            cluster=asked.cluster,
            group=group,
            **asked.about,
        ),
        group=group,
    )
    if found is None:
        return refused
    named = _renamed(found, "weighted", drop=("prevalence_before",))
    text = (
        "With those rated twice weighted to stand for everybody measured before, the fall is "
        f"{interval_words(_fall(named))}."
    )
    sentence = asked.said("weighted", text, group=group)
    return asked.kept("weighted", named, group=group, sentence=sentence, drop=("missing_exits",))


def _renamed(found: ResultSet, term: str, *, drop: tuple[str, ...] = ()) -> ResultSet:
    """Name estimates after the assumption behind them; a percentage still says what it is of."""
    kept = tuple(
        dataclasses.replace(e, term=f"{term} ({e.term})" if e.term else term)
        for e in found.estimates
        if e.measure not in drop
    )
    return dataclasses.replace(found, estimates=kept)


def _under(found: ResultSet, term: str, group: str) -> ResultSet:
    checks = tuple(
        dataclasses.replace(c, name=f"{term}: {c.name}", group=c.group or group)
        for c in found.checks
        if c.name != "missing_exits"
    )
    return dataclasses.replace(found, checks=checks, tables=(), native=None)


def _fall(found: ResultSet) -> Estimate:
    return next(e for e in found.estimates if e.measure == "percent_reduction")


# Wrong records


def over_optimism_term(share: float) -> str:
    """Return the term of a fall corrected for over-optimistic records.

    Examples
    --------
    >>> over_optimism_term(0.1)
    '10 % over-optimistic'
    """
    return f"{100 * share:g} % over-optimistic"


def misreported(asked: Asked, pairs: pd.DataFrame, group: str) -> ResultSet:
    """How over-optimistic would the second ratings have to be for the fall to vanish?

    Parameters
    ----------
    asked : Asked
    pairs : DataFrame
        Those with both measures.
    group : str

    Returns
    -------
    ResultSet
        ``over_optimism`` as `misreporting`; ``percent_reduction`` corrected for each share of
        `OVER_OPTIMISM`; the Check ``rival:misreporting``.
    """
    found, refused = asked.asked(
        "misreporting",
        lambda: sensitivity.misreporting(pairs, **_COLUMNS, group=group, **asked.about),
        group=group,
    )
    if found is None:
        return refused
    found = asked.alone(found)
    said = found.check("over_optimism")
    needed = tuple(
        dataclasses.replace(e, group=group) for e in found.estimates if e.measure == "over_optimism"
    )
    ratio = next(e for e in found.estimates if e.measure == "risk_ratio")
    corrected = corrected_falls(
        dataclasses.replace(ratio, group=group), float(pairs["used_after"].mean())
    )
    drop: tuple[str, ...] = ("over_optimism",)
    if asked.cluster is not None:
        drop = (*drop, "over_optimism_interval")
    sentence = asked.said(
        "misreporting", said.text, group=group, passed=said.passed, statistic=said.statistic
    )
    found = dataclasses.replace(found, estimates=(*needed, *corrected))
    return asked.kept("misreporting", found, group=group, sentence=sentence, drop=drop)


def corrected_falls(ratio: Estimate, share_after: float) -> tuple[Estimate, ...]:
    """Return the fall at each share of `OVER_OPTIMISM`, from the ratio as it was recorded.

    Parameters
    ----------
    ratio : Estimate
        ``risk_ratio`` with records taken as right.
    share_after : float, between 0 and 1
        Recorded users after (or in the programme), as a share.

    Returns
    -------
    tuple of Estimate
        ``percent_reduction``, ``term`` ``"10 % over-optimistic (users)"``; without numbers where
        more than everybody would truly be a user.

    Notes
    -----
    With no other error, of those who still show the behaviour the share s is recorded, so that
    the true ratio and its limits are the recorded ones over s, as in `misreporting`.
    """
    made = []
    for share in OVER_OPTIMISM:
        s = 1 - share
        possible = share_after <= s
        values: dict[str, Any] = {
            name: None if (v := getattr(ratio, name)) is None or not possible else v / s
            for name in ("estimate", "conf_low", "conf_high")
        }
        of = dataclasses.replace(
            ratio,
            term=over_optimism_term(share),
            p_value=None,
            method=f"{ratio.method}; divided by a share recorded of {s:g}",
            **values,
        )
        made.append(of.percent_reduction())
    return tuple(made)


# One site


def one_site(asked: Asked, pairs: pd.DataFrame, group: str) -> ResultSet:
    """Does the fall hang on a single site?

    Parameters
    ----------
    asked, pairs, group
        As in `misreported`.

    Returns
    -------
    ResultSet
        ``percent_reduction`` without each (``subgroup`` ``without …``), and the Check
        ``rival:one_site``; empty where there are no two to leave out.
    """
    by = asked.left_out_by(pairs)
    if not by:
        return ResultSet()
    found, refused = asked.asked(
        "one_site",
        lambda: sensitivity.leave_one_out(
            pairs,
            by=by,
            analysis=functools.partial(
                prepost.paired_change,
                **_COLUMNS,
                cluster=asked.cluster,
                group=group,
                **asked.about,
            ),
            measure="percent_reduction",
        ),
        group=group,
    )
    if found is None:
        return refused
    said = found.check("leave_one_out")
    sentence = asked.said(
        "one_site", said.text, group=group, passed=said.passed, statistic=said.statistic
    )
    rest = dataclasses.replace(found, estimates=found.estimates[1:])
    return asked.kept("one_site", rest, group=group, sentence=sentence, drop=("leave_one_out",))


# What the sample could show, and what may be said


def power(asked: Asked, pairs: pd.DataFrame, group: str) -> ResultSet:
    """How small a fall could this arm have shown, and is what it shows worthwhile?

    Parameters
    ----------
    asked, pairs, group
        As in `misreported`.

    Returns
    -------
    ResultSet
        As `detectable_effect`, and the Checks ``rival:power`` and ``rival:verdict``.
    """
    change = prepost_change(asked, pairs, group)
    if change is None:
        return ResultSet()
    before, after = pairs["used_before"], pairs["used_after"]
    gap = change.one(measure="risk_difference")
    parts = [ResultSet(checks=(verdict(asked, gap, group=group),))]
    prevalence = float(before.mean())
    sizes, _ = prepost.design_effects(change, group=group)
    share = max(float((before != after).mean()), asked.worthwhile)
    found, refused = asked.asked(
        "power",
        lambda: sensitivity.detectable_effect(
            n=len(pairs),
            prevalence=prevalence,
            changed=min(share, 1.0),
            worthwhile=_percent(asked, prevalence),
            power=asked.plan.sensitivity.power,
            conf_level=asked.level,
            design_effect=max(1.0, sizes.get("risk_difference", 1.0)),
            outcome=str(asked.labels["outcome"]),
            unit=str(asked.labels["unit"]),
        ),
        group=group,
    )
    if found is None:
        return merge([*parts, refused], outcome=str(asked.labels["outcome"]))
    parts.append(powered(asked, found, group))
    return merge(parts, outcome=str(asked.labels["outcome"]))


def prepost_change(asked: Asked, pairs: pd.DataFrame, group: str) -> ResultSet | None:
    """Return the change within an arm as the evaluation gives it."""
    return asked.tried(
        "verdict",
        lambda: prepost.paired_change(
            pairs, **_COLUMNS, cluster=asked.cluster, group=group, **asked.about
        ),
        group=group,
    )


def _percent(asked: Asked, prevalence: float) -> float | None:
    """Return the smallest worthwhile fall in percent of users; None if there are too few users."""
    if prevalence <= 0 or asked.worthwhile > prevalence:
        return None
    return 100 * asked.worthwhile / prevalence


def powered(asked: Asked, found: ResultSet, group: str) -> ResultSet:
    """Give what a sample could have shown its labels and its sentence.

    Parameters
    ----------
    asked : Asked
    found : ResultSet
        From `detectable_effect`.
    group : str
        Empty for a comparison of arms.

    Returns
    -------
    ResultSet
        With the Check ``rival:power``.
    """
    labels = {k: asked.labels[k] for k in ("reporter", "threshold") if k in asked.labels}
    points = f"{100 * asked.worthwhile:g} in 100 fewer"
    named = tuple(
        dataclasses.replace(
            e,
            group=group,
            term=points if e.measure in ("power_at_worthwhile", "n_needed") else e.term,
            **labels,
        )
        for e in found.estimates
    )
    text = _power_words(asked, {e.measure: e for e in named}, points)
    sentence = asked.said("power", text, group=group, statistic=found.check("detectable").statistic)
    found = dataclasses.replace(found, estimates=named)
    return asked.kept("power", found, group=group, sentence=sentence, drop=("detectable",))


def _power_words(asked: Asked, found: dict[str, Estimate], points: str) -> str:
    power = f"{100 * asked.plan.sensitivity.power:g} % power"
    smallest = found["detectable_difference"]
    who = _who(smallest)
    if smallest.estimate is None:
        text = f"With {who} not even the largest possible fall is seen with {power}"
    else:
        text = (
            f"With {who} a fall of {number(-100 * smallest.estimate)} in 100 people or more is "
            f"seen with {power}"
        )
    reached, needed = found.get("power_at_worthwhile"), found.get("n_needed")
    if reached is not None and reached.estimate is not None:
        text += f"; {points} would be seen with {number(100 * reached.estimate)} % power"
        if needed is not None and needed.estimate is not None:
            text += f", and a new study would need {_who(needed)}"
    return f"{text}."


def _who(e: Estimate) -> str:
    if e.contrast.startswith("programme"):
        return f"{e.n:,} and {e.n_reference:,} people"
    return f"{e.n:,} pairs"


def verdict(asked: Asked, difference: Estimate, *, group: str = "") -> Check:
    """Say what a difference in shares says, held to the smallest worthwhile change.

    Parameters
    ----------
    asked : Asked
    difference : Estimate
        ``risk_difference`` or ``difference_in_differences``; below 0 means less abuse.
    group : str

    Returns
    -------
    Check
        ``rival:verdict``; it begins with the word of `drive_eval.models.sensitivity.verdict`.
    """
    hundred: dict[str, Any] = {
        name: None if (value := getattr(difference, name)) is None else 100 * value
        for name in ("estimate", "conf_low", "conf_high")
    }
    said = sensitivity.verdict(
        dataclasses.replace(difference, std_error=None, **hundred),
        worthwhile=100 * asked.worthwhile,
    )
    return asked.said(
        "verdict",
        _verdict_words(said, hundred["conf_low"], hundred["conf_high"], asked),
        group=group,
        passed=said.passed,
        statistic=said.statistic,
        threshold=said.threshold,
    )


def _verdict_words(said: Check, low: float | None, high: float | None, asked: Asked) -> str:
    """Say a verdict in people of every 100; an interval of changes, below 0 means fewer."""
    word = said.text.partition(":")[0]
    if low is None or high is None:
        return said.text
    if high < 0:
        span = f"between {number(-high)} and {number(-low)} fewer"
    elif low > 0:
        span = f"between {number(low)} and {number(high)} more"
    else:
        span = f"anything between {number(high)} more and {number(-low)} fewer"
    worth = f"{100 * asked.worthwhile:g}"
    why = {
        "Clear reduction": f", all of it at least the {worth} that would be worth having",
        "Likely reduction": f", which may be less than the {worth} that would be worth having",
        "Likely small": f", all of it less than the {worth} that would be worth having",
        "Likely increase": f", which may be less than {worth}",
    }.get(word, "")
    return f"{word}: {span} in every 100{why}."
