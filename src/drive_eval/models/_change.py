"""Change in two arms: from one row per person and period to four risks and their contrasts.

The four risks stand in one order everywhere: programme before, programme after, comparison
before, comparison after.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from drive_eval.errors import DataError, DesignError, UndefinedResultError, did_you_mean
from drive_eval.models import _paired
from drive_eval.models._clusters import Effect, effect
from drive_eval.models._intervals import mover_ratio
from drive_eval.models._regression import arms, clusters, column, flags
from drive_eval.models._risks import Number, wald
from drive_eval.results import Check, Estimate, Provenance, ResultSet
from drive_eval.vocabulary import TIME_POINTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.models._regression import Array, Codes, Flags

_NOTHING = 1e-14  # a variance below this is no variance
_STEP = np.array([-1.0, 1.0, 1.0, -1.0])


# The table


def pairs(
    long: pd.DataFrame,
    *,
    outcome: str,
    treated: str,
    period: str,
    person: str,
    before: str | None,
    after: str | None,
    cluster: str | None,
) -> tuple[Flags, Flags, Codes]:
    """Return before and after (two columns), arm and cluster of every person."""
    who = clusters(long, person, "person")
    table = pd.DataFrame(
        {
            "person": who,
            "late": _late(long, period, before, after),
            "y": flags(long, outcome, "outcome"),
            "treated": arms(long, treated, "treated"),
            "cluster": who if cluster is None else clusters(long, cluster),
        }
    ).sort_values(["person", "late"])
    twice = int(table.duplicated(["person", "late"]).sum())
    if twice:
        raise DataError(
            f"{twice} rows repeat a person and period that another row already holds. Keep one "
            f'row per "{person}" and "{period}" (one reporter, one kind of abuse).'
        )
    by_person = table.groupby("person")
    for role, given in (("treated", treated), ("cluster", cluster)):
        mixed = int((by_person[role].max() != by_person[role].min()).sum())
        if mixed:
            raise DataError(
                f'{mixed} people have more than one value of "{given}" ({role}); each person '
                "belongs to one."
            )
    single = int((by_person.size() < 2).sum())
    if single:
        raise DataError(
            f"{single} of {by_person.ngroups} people have only one of the two measures. A change "
            "needs both: leave these people out knowingly and report how many, by arm."
        )
    first = table[~table["late"]]
    return (
        table["y"].to_numpy(dtype=bool).reshape(-1, 2),
        first["treated"].to_numpy(dtype=bool),
        first["cluster"].to_numpy(dtype=np.int64),
    )


def _late(long: pd.DataFrame, period: str, before: str | None, after: str | None) -> Flags:
    found = column(long, period, "period")
    if pd.api.types.is_bool_dtype(found):
        return found.to_numpy(dtype=bool)
    if before is None or after is None or before == after:
        raise DataError(
            f'column "{period}" (period) is not true and false, so name its two levels, e.g. '
            'before="intake", after="exit".'
        )
    for level in (before, after):
        if not (found == level).any():
            raise DataError(
                f'no row of "{period}" (period) is "{level}".'
                f"{did_you_mean(str(level), TIME_POINTS.codes)}"
            )
    other = int((~found.isin([before, after])).sum())
    if other:
        raise DataError(
            f'{other} rows of "{period}" (period) are neither "{before}" nor "{after}"; '
            "leave them out first."
        )
    return (found == after).to_numpy(dtype=bool)


def one_reporter(long: pd.DataFrame, reporter: str, treated: str) -> str:
    """Return the one reporter of both arms, or refuse."""
    found, t = column(long, reporter, "reporter").astype(str), arms(long, treated, "treated")
    programme, comparison = set(found[t]), set(found[~t])
    if programme != comparison:
        raise DesignError(
            f'the arms were not measured by the same reporters (column "{reporter}": '
            f"{len(programme)} in the programme, {len(comparison)} in the comparison group, "
            f"{len(programme & comparison)} in both). A difference between reporters would pass "
            "for an effect: keep the one reporter that both arms have."
        )
    if len(programme) > 1:
        raise DesignError(
            f'{len(programme)} reporters stand in column "{reporter}". Reporters are not pooled: '
            "choose one, and run again for the next."
        )
    return str(found.iloc[0])


def windows(
    long: pd.DataFrame, elapsed: str, *, person: str, treated: str, tolerance: float | None
) -> Check:
    """Compare the arms' median days between the two measures, or refuse."""
    if elapsed not in long.columns:
        hint = did_you_mean(elapsed, [str(name) for name in long.columns])
        raise DataError(f'no column "{elapsed}" (elapsed_days).{hint}')
    if not pd.api.types.is_numeric_dtype(long[elapsed]):
        raise DataError(f'column "{elapsed}" (elapsed_days) must hold numbers of days.')
    table = pd.DataFrame(
        {
            "person": clusters(long, person, "person"),
            "treated": arms(long, treated, "treated"),
            "days": long[elapsed].to_numpy(dtype=float, na_value=np.nan),
        }
    )
    each = table.groupby("person").agg(treated=("treated", "first"), days=("days", "max"))
    known = each.dropna(subset=["days"])
    in_arm = [known.loc[known["treated"] == arm, "days"] for arm in (True, False)]
    if any(days.empty for days in in_arm):
        raise DesignError(f'column "{elapsed}" (elapsed_days) is empty for a whole arm.')
    medians = [float(days.median()) for days in in_arm]
    said = [f"{round(m / 7)} weeks" for m in medians]
    if said[0] == said[1] or min(medians) < 14:
        said = [f"{round(m)} days" for m in medians]
    gap = abs(medians[0] - medians[1])
    text = f"median time between measures: programme {said[0]}, comparison {said[1]}"
    if tolerance is not None and gap > tolerance:
        raise DesignError(
            f"the arms were followed for different times ({text}), more than {tolerance:g} days "
            "apart. Abuse has longer to fall, or to return, in one of them: choose time points "
            "that match, or state a wider tolerance and why."
        )
    unknown = len(each) - len(known)
    return Check(
        name="equal_windows",
        passed=None if tolerance is None else True,
        statistic=gap,
        threshold=tolerance,
        text=f"{text}{f'; unknown for {unknown} people' if unknown else ''}.",
    )


# Small arms


def smaller_arm(t: Flags, groups: Codes) -> int:
    """Return how many clusters (people) the smaller arm has; a mixed cluster counts in both."""
    return min(len(np.unique(groups[arm])) for arm in (t, ~t))


def small_sample(count: int, fewest: int, wanted: int) -> tuple[bool, float | None]:
    """Return whether to reduce the bias of the variance, and the degrees of freedom of t.

    A small arm carries most of the variance, so its degrees of freedom are those that count,
    however large the other arm. An arm of one cluster has no variance to reduce.
    """
    if count >= wanted and not 1 < fewest < wanted / 2:
        return False, None
    return True, float(max(1, min(count - 4, fewest - 2)))


# One arm


def within_arm(
    y: Flags, groups: Codes | None, given: Effect, labels: Mapping[str, str], conf_level: float
) -> ResultSet:
    """Describe the change within one arm as `prepost` describes it."""
    first, second = y[:, 0], y[:, 1]
    counts = {
        "both": int((first & second).sum()),
        "before_only": int((first & ~second).sum()),
        "after_only": int((~first & second).sum()),
        "neither": int((~first & ~second).sum()),
    }
    effects = dict.fromkeys(_paired.MEASURES, given)
    if groups is not None:
        one, two = first.astype(float), second.astype(float)
        ratio = two.sum() / one.sum() if one.any() else 0.0
        effects = {
            "prevalence_before": effect(one - one.mean(), groups),
            "prevalence_after": effect(two - two.mean(), groups),
            "risk_difference": effect(two - one - (two - one).mean(), groups),
            "risk_ratio": effect(two - ratio * one, groups, exposed=first | second),
            "cessation": _effect_among(1 - two, groups, first),
            "onset": _effect_among(two, groups, ~first),
        }
    return _paired.results(
        counts, effects, labels, contrast="after v before", conf_level=conf_level, call="change"
    )


def _effect_among(values: Array, groups: Codes, domain: Flags) -> Effect:
    mean = values[domain].mean() if domain.any() else 0.0
    return effect(values - mean, groups, domain=domain)


# Both arms


def cell_covariance(y: Flags, t: Flags, groups: Codes, *, reduced: bool) -> Array:
    """Return the cluster sandwich of the four risks, bias-reduced if asked for.

    The correction of Mancl and DeRouen has a closed form here: a cluster that holds m of an
    arm's n people has leverage m/n in that arm.
    """
    held = np.column_stack([t, t, ~t, ~t]).astype(float)
    size = held.sum(axis=0)
    outcomes = np.column_stack([y, y]).astype(float)
    risk = (held * outcomes).sum(axis=0) / size
    count = int(groups.max()) + 1
    sums, share = np.zeros((count, 4)), np.zeros((count, 4))
    np.add.at(sums, groups, held * (outcomes - risk) / size)
    np.add.at(share, groups, held / size)
    if reduced:
        if (share > 1 - 1e-12).any():
            raise DesignError(
                "one cluster holds a whole arm, so the variance of that arm cannot be known."
            )
        sums = sums / (1 - share)
    return np.asarray(sums.T @ sums)


def ratio_of_ratios(
    risk: Array,
    spread: Array,
    law: Effect,
    conf_level: float,
    *,
    within: tuple[ResultSet, ResultSet],
    method: str,
) -> Number:
    """Return the ratio of the arms' ratios, after over before."""
    if risk[0] == 0 or risk[2] == 0:
        return Number(estimate=None, method=method)
    ratios = risk[[1, 3]] / risk[[0, 2]]
    if (ratios > 0).all() and not _still(spread, _STEP / risk):
        error = _error(_STEP / risk, spread)
        point = math.log(ratios[0] / ratios[1])
        return wald(point, error, law, conf_level, log=True, method=f"{method}, log link")
    named = "MOVER of the arms' Tang/Nam score limits"
    limits = [found.one(measure="risk_ratio") for found in within]
    if not ratios.any() or any(e.conf_low is None for e in limits):
        return Number(estimate=None, method=named)
    low, high = mover_ratio(
        estimate_1=ratios[0],
        low_1=_given(limits[0].conf_low),
        high_1=_given(limits[0].conf_high),
        estimate_0=ratios[1],
        low_0=_given(limits[1].conf_low),
        high_0=_given(limits[1].conf_high),
    )
    estimate = float(ratios[0] / ratios[1]) if ratios[1] > 0 else None
    return Number(estimate=estimate, low=low, high=high, method=named)


def difference_of_differences(
    risk: Array,
    spread: Array,
    law: Effect,
    conf_level: float,
    *,
    within: tuple[ResultSet, ResultSet],
    method: str,
) -> Number:
    """Return the difference of the arms' differences, after minus before."""
    point = float(_STEP @ risk)
    if not _still(spread, _STEP):
        error = _error(_STEP, spread)
        return wald(point, error, law, conf_level, method=f"{method}, identity link")
    named = "MOVER of the arms' Tango score limits"
    one, two = (found.one(measure="risk_difference") for found in within)
    if one.conf_low is None or two.conf_low is None:
        return Number(estimate=point, method=named)
    d1, d0 = float(risk[1] - risk[0]), float(risk[3] - risk[2])
    return Number(
        estimate=point,
        low=point - math.hypot(d1 - one.conf_low, _given(two.conf_high) - d0),
        high=point + math.hypot(_given(one.conf_high) - d1, d0 - two.conf_low),
        method=named,
    )


def ratio_of_odds_ratios(
    risk: Array, spread: Array, law: Effect, conf_level: float, *, method: str
) -> Number:
    """Return the ratio of the arms' odds ratios, for risks strictly between 0 and 1."""
    gradient = _STEP / (risk * (1 - risk))
    point = float(_STEP @ np.log(risk / (1 - risk)))
    if _still(spread, gradient):
        return Number(estimate=math.exp(point), method=method)
    error = _error(gradient, spread)
    return wald(point, error, law, conf_level, log=True, method=f"{method}, logit link")


def _error(gradient: Array, spread: Array) -> float:
    return math.sqrt(float(gradient @ spread @ gradient))


def _still(spread: Array, gradient: Array) -> bool:
    """Tell whether some arm's change has no variance, because nobody in it changed."""
    halves = (gradient * [1, 1, 0, 0], gradient * [0, 0, 1, 1])
    return min(float(g @ spread @ g) for g in halves) < _NOTHING


def _given(limit: Any) -> float:
    return float(limit)


def why_missing(measure: str, number: Number, risk: Array) -> str:
    """Say in a sentence why a point or its limits do not exist; empty when they do."""
    if number.estimate is not None and number.low is not None:
        return ""
    if number.estimate is None and number.low is not None:
        return (
            "nobody in the comparison group had the outcome after, so the ratio of ratios has no "
            "point; its interval is open above."
        )
    if measure == "ratio_of_ratios" and (risk[0] == 0 or risk[2] == 0):
        return "an arm had nobody with the outcome before, so the ratio of ratios is not defined."
    if measure == "ratio_of_ratios" and risk[1] == 0 and risk[3] == 0:
        return "nobody in either arm had the outcome after, so the ratio of ratios is not defined."
    return "nobody in one arm changed, or too few clusters did, so there is no interval."


def refuse_no_ratio(risk: Array, scale: str) -> None:
    """Refuse a scale on which the change of an arm does not exist."""
    if scale == "risk_difference":
        return
    for value, name in zip(risk[[0, 2]], ("programme", "comparison"), strict=True):
        if value == 0:
            raise UndefinedResultError(
                f"nobody in the {name} group had the outcome before: a reduction from nothing is "
                'not defined. scale="risk_difference" is.'
            )
    if scale == "odds_ratio" and ((risk == 0) | (risk == 1)).any():
        raise UndefinedResultError(
            "in one arm and period nobody, or everybody, had the outcome: its odds do not "
            'exist. Use scale="risk_ratio" or "risk_difference".'
        )


def variance_name(groups: Codes | None, law: Effect, *, reduced: bool) -> str:
    """Say how the variance is made and which t is used."""
    name = "HC1 sandwich" if groups is None else "cluster sandwich"
    name += " (Mancl–DeRouen)" if reduced else ""
    return name if law.df is None else f"{name}, t with {round(law.df, 1):g} df"


def result(
    y: Flags,
    t: Flags,
    groups: Codes,
    *,
    clustered: bool,
    law: Effect,
    reduced: bool,
    scale: str,
    measures: Sequence[str],
    design_effect: tuple[float, float],
    conf_level: float,
    contrast: str,
    labels: Mapping[str, str],
    checks: Sequence[Check],
) -> ResultSet:
    """Put both arms' changes and their contrasts, `measures` in this order, into one result."""
    said = list(checks)
    risk = np.array([y[t, 0].mean(), y[t, 1].mean(), y[~t, 0].mean(), y[~t, 1].mean()])
    refuse_no_ratio(risk, scale)
    widen = np.sqrt(np.repeat(np.asarray(design_effect, dtype=float), 2))
    spread = cell_covariance(y, t, groups, reduced=reduced) * np.outer(widen, widen)
    within = tuple(
        within_arm(
            y[arm],
            groups[arm] if clustered else None,
            Effect(size=float(size), df=law.df if size != 1 else None),
            {**labels, "group": name},
            conf_level,
        )
        for name, arm, size in zip(("programme", "comparison"), (t, ~t), design_effect, strict=True)
    )
    both: dict[str, Any] = {
        "within": within,
        "method": variance_name(groups, law, reduced=reduced),
    }
    found = {
        "ratio_of_ratios": ratio_of_ratios(risk, spread, law, conf_level, **both),
        "difference_in_differences": difference_of_differences(
            risk, spread, law, conf_level, **both
        ),
    }
    if scale == "odds_ratio":
        found["ratio_of_odds_ratios"] = ratio_of_odds_ratios(
            risk, spread, law, conf_level, method=both["method"]
        )
    both_arms = {
        **labels,
        "contrast": contrast,
        "conf_level": conf_level,
        "claim": "associational",
        "n": int(t.sum()),
        "n_events": int(y[t, 1].sum()),
        "n_reference": int((~t).sum()),
        "n_events_reference": int(y[~t, 1].sum()),
    }
    estimates: list[Estimate] = []
    for measure in (name for name in measures if name in found):
        estimates.append(found[measure].named(measure, both_arms))
        if measure == "ratio_of_ratios":
            estimates.append(estimates[-1].percent_reduction())
        if reason := why_missing(measure, found[measure], risk):
            said.append(Check(name=f"{measure}_undefined", text=reason))
    said.append(
        Check(
            name="gap_before",
            statistic=float(risk[0] - risk[2]),
            text="risk before, programme minus comparison: the further apart the arms began, the "
            "more the answer depends on the scale.",
        )
    )
    tables = []
    for found_within in within:
        estimates += found_within.estimates
        said += found_within.checks
        name = found_within.estimates[0].group
        tables += [
            replace(table, name=f"{table.name}_{name}", title=f"{table.title}: {name}")
            for table in found_within.tables
        ]
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(said),
        tables=tuple(tables),
        assumptions=(
            "Without the programme its arm would have changed as the comparison arm did, on the "
            f"scale of the {scale.replace('_', ' ')}.",
            "Both arms regress to the mean at the same pace, and were asked by the same kind of "
            "reporter over the same time.",
            "People with both measures stand for those without.",
        ),
        provenance=Provenance(call="comparison.difference_in_differences"),
    )
