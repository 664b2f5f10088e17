"""What the people without an exit assessment could do to a result, whatever they were like.

Bounds suppose nothing: whoever was not seen again may have stopped or not. Where they are too
wide to say anything, `imputation` and `weighting` have models, which have to be believed.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from drive_eval.errors import DesignError, UndefinedResultError, did_you_mean
from drive_eval.models import (
    _arguments,
    _clusters,
    _missing,
    _paired,
    _regression,
    _risks,
)
from drive_eval.models._clusters import Effect
from drive_eval.results import Check, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    import pandas as pd

    from drive_eval.models._missing import Exits
    from drive_eval.models._regression import Codes, Flags

__all__ = ["lee_bounds", "missing_exit_bounds"]

#: How the interval around two bounds is made.
Around: TypeAlias = Literal["union", "imbens_manski"]

_SHOWN = ("prevalence_after", "risk_difference", "risk_ratio", "percent_reduction")
_AROUND = {
    "union": "union of both bounds' intervals: holds the whole range",
    "imbens_manski": "Imbens–Manski: holds the one true value",
}


# Change within people


def missing_exit_bounds(
    table: pd.DataFrame,
    *,
    before: str,
    after: str,
    cluster: str | None = None,
    interval: Around = "union",
    outcome: str = "",
    conf_level: float = 0.95,
    min_clusters: int = 40,
    group: str = "",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
    contrast: str = "after v before",
) -> ResultSet:
    """How large or small could the fall be, whatever became of those not seen at exit?

    Parameters
    ----------
    table : DataFrame, one row per person (or enrolment, or dyad)
    before : str
        Column of true and false (or 1 and 0), complete.
    after : str
        The same, blank where the second time point was not recorded.
    cluster : str, optional
        Column that says which rows belong together.
    interval : {'union', 'imbens_manski'}
        The interval around the range: ``"union"`` runs from the lower limit of the lower bound
        to the upper limit of the higher one and holds the whole range; ``"imbens_manski"`` is
        shorter and holds the one true value.
    outcome, group, unit, reporter, threshold, subgroup, contrast : str
        Labels that every Estimate carries.
    conf_level : float, between 0 and 1
    min_clusters : int
        With fewer effective clusters a DesignWarning is given.

    Returns
    -------
    ResultSet
        ``prevalence_before``, and for ``prevalence_after``, ``risk_difference``, ``risk_ratio``
        and ``percent_reduction`` four rows each, told apart by ``term``: ``"as observed"``
        (complete pairs), ``"best case"`` (nobody who is missing showed the behaviour),
        ``"worst case"`` (all of them did) and ``"range"``, which has limits and no point. The
        term of a percentage goes on with what it is of: ``"best case (users)"``. The Check
        ``missing_exits`` counts who is missing, ``bounds`` says the range in words.

    Raises
    ------
    DataError
        For columns that are missing, or not true or false; for blanks in `before`.
    DesignError
        For another `interval`.
    UndefinedResultError
        If there is no row, or nobody has an exit.

    Warns
    -----
    DesignWarning
        If there are fewer than `min_clusters` effective clusters.

    Notes
    -----
    **Assumptions.** Rows (or clusters) are independent, and what was recorded is right.
    Nothing is assumed of those without an exit. There is no comparison group.

    With N people, y users before, x users among those seen again and m not seen, the share
    after lies between x/N and (x + m)/N, and so the reduction between 1 − (x + m)/y and
    1 − x/y. These bounds are sharp: each is what a table gives in which the m are filled in so.
    Limits are those of `prepost.paired_change` on the filled tables. The union holds the range
    with at least the stated probability (each side fails with half of the rest). Imbens and
    Manski's quantile c solves Φ(c + w/max(s)) − Φ(−c) = level, with w the width of the range
    and s the standard errors of its ends, and serves as the quantile of the score limits.

    References
    ----------
    Manski CF (1990). Nonparametric bounds on treatment effects. American Economic Review 80,
    319.

    Imbens GW, Manski CF (2004). Confidence intervals for partially identified parameters.
    Econometrica 72, 1845.

    See Also
    --------
    tipping_point : How many of the missing would have to abuse for the fall to vanish.
    imputed_change : A model in place of the extremes.

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.DataFrame({"intake": [1] * 60 + [0] * 40,
    ...                        "exit": [1] * 12 + [0] * 30 + [None] * 18 + [0] * 32 + [None] * 8})
    >>> found = missing_exit_bounds(people, before="intake", after="exit")
    >>> for term in ("as observed", "best case", "worst case"):
    ...     fall = found.one(measure="percent_reduction", term=f"{term} (users)")
    ...     print(f"{term}: {fall.estimate:.0f}%")
    as observed: 71%
    best case: 80%
    worst case: 37%
    """
    _arguments.level(conf_level)
    _one_of(interval, get_args(Around), "interval")
    exits = _missing.read_exits(table, before, after)
    labels = dict(
        zip(
            _missing.LABELS,
            (outcome, group, unit, reporter, threshold, subgroup),
            strict=True,
        )
    )
    groups, few = (
        (None, ()) if cluster is None else _read_clusters(table, cluster, min_clusters, labels)
    )
    common: dict[str, Any] = {"labels": labels, "contrast": contrast, "groups": groups}
    observed = _complete(exits.before, exits.after, exits.known, conf_level, **common)
    best = _filled(exits, value=False, conf_level=conf_level, **common)
    worst = _filled(exits, value=True, conf_level=conf_level, **common)
    estimates = [best.one(measure="prevalence_before")]
    for measure in _SHOWN:
        ends = {
            name: _labelled(found.one(measure=measure), name)
            for name, found in (
                ("as observed", observed),
                ("best case", best),
                ("worst case", worst),
            )
        }
        estimates += ends.values()
        level = conf_level
        if interval == "imbens_manski":
            level = _between_level(ends["best case"], ends["worst case"], conf_level)
        limits = [ends["best case"], ends["worst case"]]
        if level != conf_level:
            narrow = (
                _filled(exits, value=value, conf_level=level, **common) for value in (False, True)
            )
            limits = [found.one(measure=measure) for found in narrow]
        estimates.append(_range(ends["best case"], limits, conf_level, interval))
    lost = Check(
        name="missing_exits",
        passed=None if exits.missing else True,
        statistic=exits.missing,
        outcome=outcome,
        group=group,
        text=_who_is_missing(exits),
    )
    said = _said(estimates, outcome, group)
    kept = {check.name: check for check in (*worst.checks, *best.checks) if _matters(check)}
    return ResultSet(
        estimates=tuple(estimates),
        checks=(lost, said, *kept.values(), *few),
        assumptions=(
            "Nothing is assumed of those without an exit; what was recorded is right.",
            _paired.NO_COMPARISON,
        ),
        provenance=Provenance(call="sensitivity.missing_exit_bounds"),
    )


def _matters(check: Check) -> bool:
    return check.name not in ("design_effect", "no_change")


def _one_of(value: Any, known: tuple[str, ...], name: str) -> None:
    if value not in known:
        raise DesignError(
            f'{name}="{value}" is not known; there are {", ".join(known)}.'
            f"{did_you_mean(str(value), known)}"
        )


def _read_clusters(
    table: pd.DataFrame, cluster: str, fewest: int, labels: dict[str, str]
) -> tuple[Codes, tuple[Check, ...]]:
    groups, few = _clusters.read(table, cluster, fewest, labels)
    return groups, (few,)


def _complete(
    before: Flags,
    after: Flags,
    known: Flags,
    conf_level: float,
    *,
    labels: dict[str, str],
    contrast: str,
    groups: Codes | None,
) -> ResultSet:
    """Return what complete pairs give."""
    first, second = before[known], after[known]
    effects = dict.fromkeys(_paired.MEASURES, Effect())
    if groups is not None:
        effects = _paired.effects_of(first, second, groups[known])
    return _paired.results(
        _missing.pairs(first, second),
        effects,
        labels,
        contrast=contrast,
        conf_level=conf_level,
        call="",
    )


def _filled(exits: Exits, *, value: bool, conf_level: float, **common: Any) -> ResultSet:
    """Return what a table gives in which all who are missing are like this."""
    after = np.where(exits.known, exits.after, value)
    return _complete(exits.before, after, np.ones(len(after), dtype=bool), conf_level, **common)


def _labelled(found: Estimate, name: str) -> Estimate:
    return dataclasses.replace(found, term=f"{name} ({found.term})" if found.term else name)


def _between_level(one: Estimate, other: Estimate, conf_level: float) -> float:
    """Return the level whose two-sided quantile is that of Imbens and Manski."""
    ends = (one.estimate, other.estimate)
    if None in ends or one.std_error is None or other.std_error is None:
        return conf_level
    width = abs(float(ends[1] or 0.0) - float(ends[0] or 0.0))
    errors = (one.std_error, other.std_error)
    if one.measure == "risk_ratio":  # standard errors stand on the log scale
        errors = (errors[0] * float(ends[0] or 0.0), errors[1] * float(ends[1] or 0.0))
    quantile = _missing.between_quantile(width, errors, conf_level)
    return _missing.level_of(quantile)


def _range(best: Estimate, limits: list[Estimate], conf_level: float, how: Around) -> Estimate:
    """Return the interval around both bounds, which has no point."""
    lows = [e.conf_low for e in limits if e.conf_low is not None]
    highs = [e.conf_high for e in limits if e.conf_high is not None]
    whole = len(lows) == len(highs) == len(limits)
    term = best.term.replace("best case", "range")
    return dataclasses.replace(
        best,
        term=term,
        estimate=None,
        std_error=None,
        p_value=None,
        conf_low=min(lows) if whole else None,
        conf_high=max(highs) if whole else None,
        conf_level=conf_level,
        n_events=None,
        method=f"{best.method.split(';')[0]}; {_AROUND[how]}",
    )


def _who_is_missing(exits: Exits) -> str:
    n, lost = len(exits.known), exits.missing
    if lost == 0:
        return f"All {n:,} have an exit, so the bounds meet."
    users = int((exits.before & ~exits.known).sum())
    return (
        f"{lost:,} of {n:,} ({100 * lost / n:.0f} %) have no exit: {users:,} of "
        f"{int(exits.before.sum()):,} who showed the behaviour before, and {lost - users:,} of "
        f"{int((~exits.before).sum()):,} who did not."
    )


def _said(estimates: list[Estimate], outcome: str, group: str) -> Check:
    fall = {e.term: e for e in estimates if e.measure == "percent_reduction"}
    worst, best = fall["worst case (users)"], fall["best case (users)"]
    seen, whole = fall["as observed (users)"], fall["range (users)"]
    if worst.estimate is None or best.estimate is None:
        text = "Nobody showed this behaviour before, so there is no reduction to bound."
    else:
        text = (
            f"Whatever became of those without an exit, the number of users fell by between "
            f"{_minus(worst.estimate):s} and {_minus(best.estimate):s} percent"
        )
        if whole.conf_low is not None and whole.conf_high is not None:
            text += (
                f" ({100 * whole.conf_level:g} % interval {_minus(whole.conf_low)} to "
                f"{_minus(whole.conf_high)})"
            )
        text += "."
        if seen.estimate is not None:
            text += f" Complete pairs alone say {_minus(seen.estimate)}."
        if worst.estimate < 0:
            text += " A fall below 0 is a rise."
    passed = None
    if whole.conf_low is not None:
        passed = whole.conf_low > 0 or None
    return Check(
        name="bounds",
        passed=passed,
        statistic=worst.estimate,
        outcome=outcome,
        group=group,
        text=text,
    )


def _minus(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")


# Arms


def lee_bounds(
    table: pd.DataFrame,
    *,
    outcome: str,
    treated: str,
    outcome_name: str = "",
    conf_level: float = 0.95,
    contrast: str = "programme v comparison",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """How large or small could the difference between arms be, if more of one were measured?

    Parameters
    ----------
    table : DataFrame, one row per person (or enrolment, or dyad), measured or not
    outcome : str
        Column of true and false (or 1 and 0), blank where it was not measured.
    treated : str
        Column of true and false, or of ``"programme"`` and ``"comparison"``, complete.
    conf_level : float, between 0 and 1
    outcome_name, contrast, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries.

    Returns
    -------
    ResultSet
        ``risk_difference`` by ``term``: ``"as observed"``, ``"best case"`` and ``"worst case"``
        (for the programme) with their ``"range"``, and ``"Lee lower"`` and ``"Lee upper"`` with
        ``"Lee range"``. Ranges have limits and no point. ``n`` counts the programme and
        ``n_reference`` the comparison, of whom ``"as observed"`` counts the measured. The Check
        ``missing_outcome`` says how many were measured, ``trimmed`` what share was trimmed.

    Raises
    ------
    DataError
        For columns that are missing, or are not what they must be.
    DesignError
        For a single arm: within people use `missing_exit_bounds`.
    UndefinedResultError
        If nobody of an arm was measured.

    Notes
    -----
    **Assumptions.** Worst and best case: none about the missing. Lee: the arms are alike but
    for the programme (allocated at random, or weighted to be so), and the programme changes
    whether people are measured in one direction only. Lee's bounds then speak of those who
    would be measured in either arm, and nobody else: they need not lie within best and worst
    case, which speak of everybody.

    With shares measured q₁ ≥ q₀, and s and f the shares of an arm that were measured with and
    without the outcome, the surplus 1 − q₀/q₁ of the arm measured more is trimmed from those
    with or from those without the outcome. The bounds are (f₀ − f₁)/q₀ and (s₁ − s₀)/q₀, cut
    where a risk would leave 0 to 1, and reversed if the other arm was measured more. Their
    standard errors are those of the delta method for two independent multinomial samples; the
    interval around them is Imbens and Manski's, as Lee has it. Where both arms were measured
    alike, or a bound was cut, the formula has a kink and the interval is approximate (Check
    ``kink``). Best and worst case have Newcombe's limits, and their range the union.

    References
    ----------
    Lee DS (2009). Training, wages, and sample selection: estimating sharp bounds on treatment
    effects. Review of Economic Studies 76, 1071.

    Manski CF (1990). Nonparametric bounds on treatment effects. American Economic Review 80,
    319.

    Imbens GW, Manski CF (2004). Confidence intervals for partially identified parameters.
    Econometrica 72, 1845.

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.DataFrame({"arm": ["programme"] * 12 + ["comparison"] * 12,
    ...     "abuse": [1] * 3 + [0] * 7 + [None] * 2 + [1] * 5 + [0] * 3 + [None] * 4})
    >>> found = lee_bounds(people, outcome="abuse", treated="arm")
    >>> for term in ("as observed", "Lee lower", "Lee upper", "worst case", "best case"):
    ...     print(term, round(found.one(term=term).estimate, 3))
    as observed -0.325
    Lee lower -0.5
    Lee upper -0.25
    worst case 0.0
    best case -0.5
    """
    _arguments.level(conf_level)
    t = _regression.arms(table, treated, "treated")
    if t.all() or not t.any():
        raise DesignError(
            f'everybody in column "{treated}" is of one arm. Lee\'s bounds compare two arms; for a '
            "change within the same people use missing_exit_bounds."
        )
    known, y = _missing.read_incomplete(table, outcome, "outcome")
    cells = {
        "yes1": int((t & known & y).sum()),
        "no1": int((t & known & ~y).sum()),
        "n1": int(t.sum()),
        "yes0": int((~t & known & y).sum()),
        "no0": int((~t & known & ~y).sum()),
        "n0": int((~t).sum()),
    }
    found = _missing.lee(**cells)
    if found is None:
        raise UndefinedResultError(
            f'nobody of one arm has a value in column "{outcome}", so the arms cannot be compared; '
            "bounds would be those of not having looked."
        )
    seen1, seen0 = cells["yes1"] + cells["no1"], cells["yes0"] + cells["no0"]
    lost1, lost0 = cells["n1"] - seen1, cells["n0"] - seen0
    labels: dict[str, Any] = {
        "outcome": outcome_name or outcome,
        "contrast": contrast,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "subgroup": subgroup,
        "claim": "associational",
        "conf_level": conf_level,
    }

    def counted(term: str, x1: int, n1: int, x0: int, n0: int) -> Estimate:
        effect = Effect()
        made = _risks.from_counts(
            x1, n1, x0, n0, effect=effect, critical=effect.critical(conf_level)
        )["risk_difference"]
        counts = {"n": n1, "n_events": x1, "n_reference": n0, "n_events_reference": x0}
        return made.named("risk_difference", {**labels, **counts, "term": term})

    seen = counted("as observed", cells["yes1"], seen1, cells["yes0"], seen0)
    best = counted("best case", cells["yes1"], cells["n1"], cells["yes0"] + lost0, cells["n0"])
    worst = counted("worst case", cells["yes1"] + lost1, cells["n1"], cells["yes0"], cells["n0"])
    about = {**labels, "measure": "risk_difference", "n": cells["n1"], "n_reference": cells["n0"]}
    quantile = _missing.between_quantile(
        found.high - found.low, (found.low_error, found.high_error), conf_level
    )
    z = Effect().critical(conf_level) or quantile
    ends = []
    for name, point, error in (
        ("Lee lower", found.low, found.low_error),
        ("Lee upper", found.high, found.high_error),
    ):
        ends.append(
            Estimate(
                term=name,
                estimate=point,
                std_error=error or None,
                conf_low=max(point - z * error, -1.0) if error else None,
                conf_high=min(point + z * error, 1.0) if error else None,
                method="trimmed mean, delta method",
                **about,
            )
        )
    spread = found.low_error > 0 and found.high_error > 0
    lee_range = Estimate(
        term="Lee range",
        estimate=None,
        conf_low=max(found.low - quantile * found.low_error, -1.0) if spread else None,
        conf_high=min(found.high + quantile * found.high_error, 1.0) if spread else None,
        method=f"delta method; {_AROUND['imbens_manski']} among those always measured",
        **about,
    )
    return ResultSet(
        estimates=(
            seen,
            best,
            worst,
            _range(best, [best, worst], conf_level, "union"),
            *ends,
            lee_range,
        ),
        checks=tuple(_lee_checks(found, seen1, seen0, cells, labels["outcome"], spread=spread)),
        assumptions=(
            "Worst and best case suppose nothing of those who were not measured.",
            "Lee's bounds suppose arms that are alike but for the programme, and that the "
            "programme changes whether people are measured in one direction only; they speak of "
            "people who would be measured in either arm.",
        ),
        provenance=Provenance(call="sensitivity.lee_bounds"),
    )


def _lee_checks(
    found: _missing.Lee,
    seen1: int,
    seen0: int,
    cells: dict[str, int],
    outcome: str,
    *,
    spread: bool,
) -> list[Check]:
    more = "programme" if found.more_in_treated else "comparison"
    checks = [
        Check(
            name="missing_outcome",
            passed=None,
            statistic=cells["n1"] - seen1 + cells["n0"] - seen0,
            outcome=outcome,
            text=f"{seen1:,} of {cells['n1']:,} programme and {seen0:,} of {cells['n0']:,} "
            "comparison cases were measured.",
        ),
        Check(
            name="trimmed",
            statistic=found.trimmed,
            outcome=outcome,
            text=f"{100 * found.trimmed:.1f} % of the measured {more} cases are trimmed, as many "
            "as were measured beyond the share of the other arm."
            if found.trimmed > 0
            else "Both arms were measured to the same share, so nothing is trimmed and Lee's "
            "bounds meet.",
        ),
    ]
    if found.clipped or found.trimmed == 0:
        why = (
            "both arms were measured to the same share"
            if found.trimmed == 0
            else "a risk was cut at 0 or 1"
        )
        checks.append(
            Check(
                name="kink",
                outcome=outcome,
                text=f"{why[0].upper()}{why[1:]}, where the bounds have a kink: their standard "
                "errors are approximate, and the interval may be too short.",
            )
        )
    if not spread:
        checks.append(
            Check(
                name="lee_interval",
                outcome=outcome,
                text="Nothing varies among those who were measured, so a bound has no standard "
                "error and the range no interval.",
            )
        )
    return checks
