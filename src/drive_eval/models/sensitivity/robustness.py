"""Whether one site, or one kind of people, makes the result."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from drive_eval.errors import DataError, DesignError, UndefinedResultError
from drive_eval.models import _arguments, _missing, _regression, _risks
from drive_eval.models._clusters import Effect
from drive_eval.results import RATIO_MEASURES, Check, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from drive_eval.models._regression import Flags

__all__ = ["leave_one_out", "subgroup_interaction"]

_MOST = 100  # of what can be left out, one after another
_RATIOS = (*RATIO_MEASURES, "odds_ratio", "ratio_of_odds_ratios")


# Leaving one out


def leave_one_out(
    table: pd.DataFrame,
    *,
    by: str,
    analysis: Callable[[pd.DataFrame], ResultSet],
    measure: str,
    **wanted: Any,
) -> ResultSet:
    """Does the result hang on a single site?

    Parameters
    ----------
    table : DataFrame
        What `analysis` takes.
    by : str
        Column of sites (or areas, teams, years), complete.
    analysis : function
        Takes a table and returns a ResultSet, e.g.
        ``functools.partial(comparison.risk_contrast, outcome="abuse", treated="arm")``.
    measure : str
        Which of its estimates is looked at, e.g. ``"risk_difference"``.
    **wanted
        Other fields that single it out, e.g. ``term="users"``.

    Returns
    -------
    ResultSet
        The estimate of everybody, then one for each site without its rows, with ``subgroup``
        ``"without north"``. Where the rest cannot be analysed the estimate is None and a Check
        ``without`` says why. The Check ``leave_one_out`` names the site that matters most; it
        fails if without some site the result points the other way, or its interval changes
        between including and excluding no effect.

    Raises
    ------
    DataError
        For a column that is missing or incomplete.
    DesignError
        For one site alone, or more than 100; for an `analysis` that is no function.

    Notes
    -----
    **Assumptions.** Those of `analysis`. It says how far the result hangs on a site and not
    whether sites differ; with few sites each holds a large part of the data, and leaving it out
    widens the interval by that alone. Two of these results subtracted give a site's own counts:
    release them as such.

    References
    ----------
    Belsley DA, Kuh E, Welsch RE (1980). Regression Diagnostics: Identifying Influential Data and
    Sources of Collinearity. Wiley.

    Examples
    --------
    >>> import functools, pandas as pd
    >>> from drive_eval.models.prepost import paired_change
    >>> pairs = pd.DataFrame({"site": ["north"] * 20 + ["south"] * 20 + ["west"] * 20,
    ...     "intake": ([1] * 15 + [0] * 5) * 3, "exit": [1] * 4 + [0] * 16 + [1] * 6 + [0] * 14
    ...     + [1] * 15 + [0] * 5})
    >>> found = leave_one_out(pairs, by="site", measure="percent_reduction",
    ...     analysis=functools.partial(paired_change, before="intake", after="exit"))
    >>> for e in found.estimates:
    ...     print(f"{e.subgroup or 'everybody'}: {e.estimate:.0f}%")
    everybody: 44%
    without north: 30%
    without south: 37%
    without west: 67%
    """
    if not callable(analysis):
        raise DesignError(
            "analysis must be a function of a table, e.g. functools.partial(paired_change, "
            'before="intake", after="exit").'
        )
    sites = _regression.column(table, by, "by")
    levels = sorted(sites.unique(), key=str)
    if not 2 <= len(levels) <= _MOST:
        raise DesignError(
            f'column "{by}" has {len(levels)} different values. Leaving one out needs 2 to '
            f"{_MOST}: sites, areas or years, not people."
        )
    whole = analysis(table).one(measure=measure, **wanted)
    estimates, checks = [whole], []
    for level in levels:
        name = f"without {level}"
        try:
            rest = analysis(table[sites != level]).one(measure=measure, **wanted)
        except (DesignError, UndefinedResultError) as error:
            checks.append(Check(name="without", outcome=whole.outcome, text=f"{name}: {error}"))
            rest = _empty(whole)
        estimates.append(dataclasses.replace(rest, subgroup=_joined(whole.subgroup, name)))
    return ResultSet(
        estimates=tuple(estimates),
        checks=(_hangs_on(whole, estimates[1:], by), *checks),
        assumptions=("Those of the analysis that was repeated.",),
        provenance=Provenance(call="sensitivity.leave_one_out"),
    )


def _joined(subgroup: str, name: str) -> str:
    return f"{subgroup}, {name}" if subgroup else name


def _empty(whole: Estimate) -> Estimate:
    nothing: dict[str, Any] = dict.fromkeys(
        ("estimate", "std_error", "conf_low", "conf_high", "p_value", "n", "n_events"), None
    )
    rest: dict[str, Any] = {"n_reference": None, "n_events_reference": None, "method": ""}
    return dataclasses.replace(whole, **{**nothing, **rest})


def _hangs_on(whole: Estimate, others: list[Estimate], by: str) -> Check:
    ratio = whole.measure in _RATIOS
    nothing = 1.0 if ratio else 0.0
    about: dict[str, Any] = {"name": "leave_one_out", "outcome": whole.outcome}
    told = [e for e in others if e.estimate is not None]
    if whole.estimate is None or not told:
        return Check(text="There is no result with and without to compare.", **about)
    point = whole.estimate

    def moved(e: Estimate) -> float:
        value = float(e.estimate or 0.0)
        if not ratio:
            return abs(value - point)
        if value == point:
            return 0.0
        return abs(math.log(value / point)) if min(value, point) > 0 else math.inf

    far = max(told, key=moved)
    turned = [e for e in told if _other_side(float(e.estimate or 0.0), point, nothing)]
    changed = [e for e in told if _clear(e, nothing) != _clear(whole, nothing)]
    size = [float(e.estimate or 0.0) for e in told]
    text = (
        f"Leaving out one {by} at a time, the {whole.measure.replace('_', ' ')} runs from "
        f"{min(size):.3g} to {max(size):.3g} around {point:.3g}; it moves most {_last(far)}."
    )
    if turned:
        text += f" It points the other way {', '.join(map(_last, turned))}."
    if changed:
        word = "includes" if _clear(whole, nothing) else "excludes"
        text += f" The interval {word} no effect {', '.join(map(_last, changed))}."
    return Check(passed=not (turned or changed), statistic=far.estimate, text=text, **about)


def _last(e: Estimate) -> str:
    return e.subgroup.rpartition("without ")[1] + e.subgroup.rpartition("without ")[2]


def _other_side(value: float, point: float, nothing: float) -> bool:
    return (value - nothing) * (point - nothing) < 0


def _clear(e: Estimate, nothing: float) -> bool | None:
    if e.conf_low is None or e.conf_high is None:
        return None
    return not e.conf_low <= nothing <= e.conf_high


# Kinds of people


def subgroup_interaction(
    table: pd.DataFrame,
    *,
    outcome: str,
    treated: str,
    subgroup: str,
    reference: Any = None,
    outcome_name: str = "",
    conf_level: float = 0.95,
    contrast: str = "programme v comparison",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
) -> ResultSet:
    """Does the programme do more for some people than for others, and by how much?

    Parameters
    ----------
    table : DataFrame, one row per person (or enrolment, or dyad)
    outcome : str
        Column of true and false (or 1 and 0), complete.
    treated : str
        Column of true and false, or of ``"programme"`` and ``"comparison"``.
    subgroup : str
        Column of two or more kinds of people, complete; known before the programme.
    reference : optional
        The kind that others are compared with; the commonest by default.
    conf_level : float, between 0 and 1
    outcome_name, contrast, unit, reporter, threshold : str
        Labels that every Estimate carries.

    Returns
    -------
    ResultSet
        In each kind (``subgroup``) ``risk_difference`` and ``risk_ratio`` with intervals and
        without P values; for each kind against the reference (``term``, e.g.
        ``"women v men"``) ``difference_of_differences`` and ``ratio_of_ratios``, which answer
        the question. The Checks ``heterogeneity`` (differences) and ``heterogeneity_ratio``
        test whether all kinds have one effect.

    Raises
    ------
    DataError
        For columns that are missing, incomplete, or not what they must be; a reference that
        is no kind.
    DesignError
        For one kind alone, or one with nobody of an arm; for the arms as subgroup.

    Notes
    -----
    **Assumptions.** Rows are independent, and within each kind the arms are comparable. An
    effect in one kind beside none in another is no difference between them: that the interval
    of one excludes no effect and that of the other does not is what chance does.

    The interval of a difference of differences is square-and-add of Newcombe's limits in both
    kinds, that of a ratio of ratios the same of the logarithms of Koopman's limits. The test is
    Σ(d − d̄)²/v on kinds − 1 degrees of freedom, with d̄ weighted by 1/v. Kinds in which an arm
    has nobody with the outcome have no part in that of the ratios.

    References
    ----------
    Newcombe RG (1998). Interval estimation for the difference between independent
    proportions: comparison of eleven methods. Statistics in Medicine 17, 873.

    Zou GY, Donner A (2008). Construction of confidence limits about effect measures: a general
    approach. Statistics in Medicine 27, 1693.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("programme", 20, 100, "a"), ("comparison", 50, 100, "a"),
    ...         ("programme", 30, 80, "b"), ("comparison", 40, 80, "b")]
    >>> people = pd.concat([pd.DataFrame({"arm": arm, "kind": kind,
    ...     "abuse": [1] * x + [0] * (n - x)}) for arm, x, n, kind in rows])
    >>> found = subgroup_interaction(people, outcome="abuse", treated="arm", subgroup="kind")
    >>> e = found.one(measure="difference_of_differences", term="b v a")
    >>> print(f"{e.estimate:.3f} ({e.conf_low:.3f} to {e.conf_high:.3f})")
    0.175 (-0.020 to 0.368)
    """
    _arguments.level(conf_level)
    if len({outcome, treated, subgroup}) < 3:
        raise DesignError("outcome, treated and subgroup must be three different columns.")
    t = _missing.two_arms(table, treated)
    y = _regression.flags(table, outcome, "outcome")
    kinds = _regression.column(table, subgroup, "subgroup")
    counts = kinds.value_counts()
    levels = sorted(counts.index[counts > 0], key=lambda level: (-counts[level], str(level)))
    if len(levels) < 2:
        raise DesignError(
            f'column "{subgroup}" has one value only; an interaction needs two kinds.'
        )
    if reference is not None:
        if reference not in levels:
            raise DataError(f'"{reference}" is no value of column "{subgroup}".')
        levels = [reference, *(level for level in levels if level != reference)]
    labels: dict[str, Any] = {
        "outcome": outcome_name or outcome,
        "contrast": contrast,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "conf_level": conf_level,
        "claim": "associational",
    }
    within = {str(v): _within(y, t, (kinds == v).to_numpy(), v, subgroup, labels) for v in levels}
    estimates = [e for pair in within.values() for e in pair]
    checks = []
    base = str(levels[0])
    for name in list(within)[1:]:
        for scale in (0, 1):
            made, said = _against(within[name][scale], within[base][scale], f"{name} v {base}")
            estimates.append(made)
            checks += said
    for scale, check in ((0, "heterogeneity"), (1, "heterogeneity_ratio")):
        checks.append(_one_effect([pair[scale] for pair in within.values()], check))
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=(
            "Within each kind of people the arms are comparable; rows are independent.",
            "Intervals in the kinds do not answer whether the kinds differ; those of their "
            "contrasts do.",
        ),
        provenance=Provenance(call="sensitivity.subgroup_interaction"),
    )


def _within(
    y: Flags, t: Flags, inside: Flags, level: Any, subgroup: str, labels: dict[str, Any]
) -> tuple[Estimate, Estimate]:
    x1, n1 = int((y & t & inside).sum()), int((t & inside).sum())
    x0, n0 = int((y & ~t & inside).sum()), int((~t & inside).sum())
    if not (n1 and n0):
        group = "comparison" if n1 else "programme"
        raise DesignError(
            f'nobody of the {group} group is "{level}" in column "{subgroup}", so the arms cannot '
            "be compared there. Merge small kinds."
        )
    law = Effect()
    found = _risks.from_counts(
        x1, n1, x0, n0, effect=law, critical=law.critical(labels["conf_level"])
    )
    counts = {"n": n1, "n_events": x1, "n_reference": n0, "n_events_reference": x0}
    about = {**labels, **counts, "subgroup": str(level)}
    made = [
        dataclasses.replace(
            found[m], p_value=None, method=found[m].method.removesuffix("; score test")
        ).named(m, about)
        for m in ("risk_difference", "risk_ratio")
    ]
    return made[0], made[1]


def _against(one: Estimate, other: Estimate, term: str) -> tuple[Estimate, list[Check]]:
    """Return how two effects differ, by square-and-add of their own limits."""
    ratio = one.measure == "risk_ratio"
    measure = "ratio_of_ratios" if ratio else "difference_of_differences"
    named: dict[str, Any] = {
        "measure": measure,
        "term": term,
        "subgroup": "",
        "n_events": None,
        "n_events_reference": None,
        "n": (one.n or 0) + (one.n_reference or 0),
        "n_reference": (other.n or 0) + (other.n_reference or 0),
        "method": f"square-and-add of {'Koopman' if ratio else 'Newcombe'} limits",
        "std_error": None,
        "conf_low": None,
        "conf_high": None,
        "estimate": None,
    }
    both = (one, other)
    points = [e.estimate for e in both]
    if None in points or (ratio and 0.0 in points):
        text = (
            f"{term}: in one of the two kinds an arm has nobody with the outcome, so a ratio of "
            "ratios is not defined."
        )
        check = Check(name="ratio_of_ratios_undefined", outcome=one.outcome, text=text)
        return dataclasses.replace(one, **named), [check]
    scale = _log if ratio else float
    p1, p0 = (scale(float(v or 0.0)) for v in points)
    l1, l0 = (scale(float(e.conf_low or 0.0)) for e in both)
    u1, u0 = (scale(math.inf if e.conf_high is None else e.conf_high) for e in both)
    low, high = p1 - p0 - math.hypot(p1 - l1, u0 - p0), p1 - p0 + math.hypot(u1 - p1, p0 - l0)
    errors = [e.std_error for e in both]
    if None not in errors:
        named["std_error"] = math.hypot(*(float(v or 0.0) for v in errors))
    back = math.exp if ratio else float
    named |= {"estimate": back(p1 - p0), "conf_low": back(low), "conf_high": back(high)}
    if not ratio:
        named |= {"conf_low": max(low, -2.0), "conf_high": min(high, 2.0)}
    return dataclasses.replace(one, **named), []


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _one_effect(found: list[Estimate], name: str) -> Check:
    """Test whether all kinds have one effect."""
    what = "risk differences" if name == "heterogeneity" else "risk ratios"
    told = [e for e in found if e.std_error is not None and e.estimate]
    if name == "heterogeneity":
        told = [e for e in found if e.std_error is not None and e.estimate is not None]
    outcome = found[0].outcome
    if len(told) < 2:
        text = f"There are not two kinds with a standard error, so {what} cannot be tested."
        return Check(name=name, outcome=outcome, text=text)
    size = np.array([float(e.estimate or 0.0) for e in told])
    size = np.log(size) if name != "heterogeneity" else size
    weight = np.array([float(e.std_error or 0.0) for e in told]) ** -2
    middle = float(weight @ size / weight.sum())
    statistic, df = float(weight @ (size - middle) ** 2), len(told) - 1
    text = f"Do all kinds have the same effect? ({what}, {len(told)} kinds)"
    if len(told) < len(found):
        text += f" {len(found) - len(told)} have no standard error and are left out."
    return Check(
        name=name,
        statistic=statistic,
        df=df,
        p_value=float(special.chdtrc(df, statistic)),
        outcome=outcome,
        text=text,
    )
