"""Change within people: paired proportions, severity shifts, population averages.

None of these has a comparison group. What they report is change, described, and part of any
change is regression to the mean and the passing of time.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.errors import (
    DataError,
    DesignError,
    UndefinedResultError,
    did_you_mean,
)
from drive_eval.models import _clusters, _gee, _intervals, _paired, _regression, _severity
from drive_eval.models._clusters import Effect, effect
from drive_eval.results import Check, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd


__all__ = [
    "compare_intervals",
    "design_effects",
    "paired_change",
    "paired_counts",
    "population_average",
    "proportion",
    "severity_shift",
    "shift_counts",
]


def paired_counts(
    *,
    both: int,
    before_only: int,
    after_only: int,
    neither: int,
    outcome: str = "",
    conf_level: float = 0.95,
    design_effect: float | Mapping[str, float] = 1.0,
    df: float | Mapping[str, float] | None = None,
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
    contrast: str = "after v before",
) -> ResultSet:
    """How much less common is a behaviour after than before, given how many pairs changed?

    Parameters
    ----------
    both, before_only, after_only, neither : int
        Pairs (people, enrolments or dyads seen twice) that showed the behaviour at both time
        points, only before, only after, at neither.
    outcome : str
        Name used in results and charts, e.g. ``"physical"``.
    conf_level : float, between 0 and 1
        Coverage of the intervals.
    design_effect : float or mapping of measure to float
        How many clustered pairs say as much as one independent pair; `design_effects` reads
        them off a clustered result. Counts are divided by it in intervals and tests.
    df : float or mapping of measure to float, optional
        Degrees of freedom of a t quantile (effective clusters − 1) instead of the normal one.
    group, unit, reporter, threshold, subgroup, contrast : str
        Labels that are passed on to every estimate.

    Returns
    -------
    ResultSet
        ``prevalence_before``, ``prevalence_after``, ``risk_difference`` (after minus before),
        ``risk_ratio`` (after over before), ``percent_reduction`` (percent, at most 100,
        positive means less), ``cessation`` (stopped, among users before), ``onset``
        (started, among non-users before); the CountTable ``pairs``. What does not exist has
        estimate None and a Check that says why.

    Raises
    ------
    DataError
        If a count is negative or not whole, or `conf_level`, `design_effect` or `df` makes
        no sense.
    UndefinedResultError
        If there is no pair at all.

    Notes
    -----
    **Assumptions.** Pairs are independent (or `design_effect` accounts for it). The second
    time point was recorded whatever happened. No comparison group.

    With b pairs after only, c before only, x and y the margins after and before, N all: the
    Tango limits solve ``b − c − Nδ = ±z·√(N(2q + δ(1 − δ)))`` and the Tang/Nam limits
    ``x − yφ = ±z·√(N(1 + φ)q + (N − d)(φ − 1))``, with q the restricted maximum-likelihood
    estimate of the probability of "before only". Proportions have Wilson limits. The P value
    is McNemar's mid-P, and the score test ``(b − c)/√((b + c)·design effect)`` once pairs are
    clustered. Checked against R in ``tests/reference``. ``std_error`` is Wald's, for ratios
    on the log scale, and None where that is 0 (a share of 0 or 1, no pair changed); intervals
    do not use it.

    References
    ----------
    Tango T (1998). Equivalence test and confidence interval for the difference in proportions
    for the paired-sample design. Statistics in Medicine 17, 891.

    Nam J, Blackwelder WC (2002). Analysis of the ratio of marginal probabilities in a
    matched-pair setting. Statistics in Medicine 21, 689.

    Tang NS, Tang ML, Chan ISF (2003). On tests of equivalence via non-unity relative risk for
    matched-pair design. Statistics in Medicine 22, 1217.

    Fagerland MW, Lydersen S, Laake P (2013). The McNemar test for binary matched-pairs data:
    mid-p and asymptotic are better than exact conditional. BMC Medical Research Methodology
    13, 91.

    Examples
    --------
    >>> result = paired_counts(both=1, before_only=7, after_only=1, neither=12)
    >>> fall = result.one(measure="percent_reduction")
    >>> print(f"{fall.estimate:.0f}% ({fall.conf_low:.1f} to {fall.conf_high:.1f})")
    75% (9.3 to 93.5)
    >>> round(fall.p_value, 6)
    0.039063
    """
    counts = {
        "both": both,
        "before_only": before_only,
        "after_only": after_only,
        "neither": neither,
    }
    whole = {name: _whole(name, count) for name, count in counts.items()}
    _refuse_conf_level(conf_level)
    effects = _paired.given_effects(design_effect, df, _paired.MEASURES)
    labels = _labels(outcome, group, unit, reporter, threshold, subgroup)
    return _paired.results(
        whole,
        effects,
        labels,
        contrast=contrast,
        conf_level=conf_level,
        call="prepost.paired_counts",
    )


def compare_intervals(
    *,
    both: int,
    before_only: int,
    after_only: int,
    neither: int,
    outcome: str = "",
    conf_level: float = 0.95,
) -> ResultSet:
    """How much does the answer depend on which interval is used?

    Parameters
    ----------
    both, before_only, after_only, neither : int
        Pairs, as in `paired_counts`.
    outcome : str
        Name used in results.
    conf_level : float, between 0 and 1
        Coverage of the intervals.

    Returns
    -------
    ResultSet
        One Estimate per measure and method, told apart by ``method``: ``prevalence_before``
        and ``prevalence_after`` by Wilson, Agresti–Coull, Jeffreys, mid-P and Clopper–Pearson;
        ``risk_difference`` by Tango, Newcombe and Bonett–Price; ``risk_ratio`` by Tang/Nam,
        Bonett–Price and MOVER–Wilson (none if nobody used it before). P values by McNemar's
        mid-P, exact and asymptotic test stand in Checks.

    Raises
    ------
    DataError
        If a count is negative or not whole.
    UndefinedResultError
        If there is no pair.

    Notes
    -----
    **Assumptions.** Pairs are independent. The first method of each measure is the one that
    `paired_counts` reports; the others show how far a conclusion hangs on it. Choosing among
    them after seeing the result is not an analysis.

    References
    ----------
    Fagerland MW, Lydersen S, Laake P (2014). Recommended tests and confidence intervals for
    paired binomial proportions. Statistics in Medicine 33, 2850.

    Newcombe RG (1998). Two-sided confidence intervals for the single proportion: comparison of
    seven methods. Statistics in Medicine 17, 857.

    Examples
    --------
    >>> found = compare_intervals(both=1, before_only=7, after_only=1, neither=12)
    >>> for e in found.estimates:
    ...     if e.measure == "risk_ratio":
    ...         print(f"{e.method}: {e.conf_low:.3f} to {e.conf_high:.3f}")
    Tang/Nam score: 0.065 to 0.907
    Bonett–Price: 0.068 to 0.923
    MOVER–Wilson: 0.069 to 0.869
    """
    given = {
        "both": both,
        "before_only": before_only,
        "after_only": after_only,
        "neither": neither,
    }
    counts = {name: _whole(name, count) for name, count in given.items()}
    _refuse_conf_level(conf_level)
    n = sum(counts.values())
    if n == 0:
        raise UndefinedResultError("all four counts are 0, so there is no pair to compare.")
    x, y = counts["both"] + counts["after_only"], counts["both"] + counts["before_only"]
    estimates: list[Estimate] = []

    def add(measure: str, point: float, limits: tuple[Any, Any], method: str) -> None:
        estimates.append(
            Estimate(
                outcome=outcome,
                measure=measure,
                estimate=point,
                conf_low=float(limits[0]),
                conf_high=float(limits[1]),
                conf_level=conf_level,
                n=n,
                n_events=y if measure == "prevalence_before" else x,
                method=method,
            )
        )

    one_sample = {
        "Wilson": _intervals.wilson,
        "Agresti–Coull": _intervals.agresti_coull,
        "Jeffreys": _intervals.jeffreys,
        "mid-P": _intervals.mid_p,
        "Clopper–Pearson": _intervals.clopper_pearson,
    }
    differences = {
        "Tango score": _intervals.tango_difference,
        "Newcombe square-and-add": _intervals.newcombe_paired_difference,
        "Bonett–Price": _intervals.bonett_price_difference,
    }
    ratios = {
        "Tang/Nam score": _intervals.nam_tang_ratio,
        "Bonett–Price": _intervals.bonett_price_ratio,
        "MOVER–Wilson": _intervals.mover_wilson_ratio,
    }
    for measure, events in (("prevalence_before", y), ("prevalence_after", x)):
        for method, share_limits in one_sample.items():
            add(measure, events / n, share_limits(x=events, n=n, conf_level=conf_level), method)
    for method, gap_limits in differences.items():
        add("risk_difference", (x - y) / n, gap_limits(**counts, conf_level=conf_level), method)
    checks = []
    if y:
        for method, ratio_limits in ratios.items():
            add("risk_ratio", x / y, ratio_limits(**counts, conf_level=conf_level), method)
    else:
        checks.append(
            Check(name="risk_ratio_undefined", outcome=outcome, text=_paired.FROM_NOTHING)
        )
    moved = {name: counts[name] for name in ("before_only", "after_only")}
    tests = {
        "mcnemar_mid_p": _intervals.mcnemar_mid_p(**moved),
        "mcnemar_exact": _intervals.mcnemar_exact(**moved),
        "mcnemar_asymptotic": _intervals.mcnemar_asymptotic(**moved)[1],
    }
    checks += [
        Check(name=name, p_value=float(p), outcome=outcome, text="did as many stop as start?")
        for name, p in tests.items()
    ]
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        provenance=Provenance(call="prepost.compare_intervals"),
    )


def paired_change(
    table: pd.DataFrame,
    *,
    before: str,
    after: str,
    outcome: str = "",
    cluster: str | None = None,
    conf_level: float = 0.95,
    min_clusters: int = 40,
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
    contrast: str = "after v before",
) -> ResultSet:
    """How much less common is a behaviour after than before, in the same people?

    Parameters
    ----------
    table : DataFrame, one row per pair
        Rows in which either time point is missing are refused, not dropped.
    before, after : str
        Columns of true and false (or 1 and 0).
    outcome : str
        Name used in results and charts, e.g. ``"physical"``.
    cluster : str, optional
        Column that says which rows belong together, e.g. the perpetrator behind several
        dyads.
    conf_level : float, between 0 and 1
        Coverage of the intervals.
    min_clusters : int
        With fewer effective clusters a DesignWarning is given and the Check ``clusters``
        fails.
    group, unit, reporter, threshold, subgroup, contrast : str
        Labels that are passed on to every estimate.

    Returns
    -------
    ResultSet
        As `paired_counts`. With `cluster` also one Check ``design_effect`` a measure, whose
        ``statistic`` and ``df`` make up the intervals; see `design_effects`. With one
        cluster only there are points, and no intervals or P values.

    Raises
    ------
    DataError
        If a column is missing, incomplete or not true or false.
    UndefinedResultError
        If the table has no rows.

    Warns
    -----
    DesignWarning
        If there are fewer than `min_clusters` effective clusters.

    Notes
    -----
    **Assumptions.** Rows, or clusters when `cluster` is given, are independent. Both time
    points were recorded whatever happened. No comparison group.

    With `cluster`, every interval is the score interval on counts divided by the design
    effect of its own contrast, with a t quantile on effective clusters − 1 degrees of freedom
    (at least 1). Clusters of m rows are worth ``(Σm)²/Σm²`` equal ones: G if they are equal,
    few if one holds most rows. The design effect is the cluster-robust variance
    ``G/(G − 1)·Σ_g(Σ_i u_i)²`` over that of independent rows, ``n/(n − 1)·Σu_i²``, with
    u = after − before − δ for the difference, after − φ·before for the ratio, and the
    residual within the domain for proportions; for cessation and onset G and m count the
    domain alone. It is never below 1. Where u itself does not vary (no pair changed, nobody
    after) it is ``Σm²/Σm``, as if rows of a cluster were copies of each other. The P value is
    that of the score statistic, so it agrees with the interval.

    Where few large clusters hold most rows and these agree closely, intervals remain too
    narrow: with five clusters of 20 beside 45 single rows and a correlation of 0.6, 95 %
    intervals held the truth in 90 % of samples for the difference and 81 % for the ratio.

    References
    ----------
    Tango T (1998). Equivalence test and confidence interval for the difference in proportions
    for the paired-sample design. Statistics in Medicine 17, 891.

    Tang NS, Tang ML, Chan ISF (2003). On tests of equivalence via non-unity relative risk for
    matched-pair design. Statistics in Medicine 22, 1217.

    Examples
    --------
    >>> import pandas as pd
    >>> pairs = pd.DataFrame({"intake": [1, 1, 1, 1, 0, 0, 0, 1], "exit": [0, 0, 1, 0, 0, 0, 1, 0]})
    >>> result = paired_change(pairs, before="intake", after="exit", outcome="physical")
    >>> round(result.one(measure="risk_ratio").estimate, 3)
    0.4
    """
    _refuse_conf_level(conf_level)
    _refuse_incomplete(table, (before, after))
    first = _regression.flags(table, before, "before")
    second = _regression.flags(table, after, "after")
    labels = _labels(outcome, group, unit, reporter, threshold, subgroup)
    counts = {
        "both": int((first & second).sum()),
        "before_only": int((first & ~second).sum()),
        "after_only": int((~first & second).sum()),
        "neither": int((~first & ~second).sum()),
    }
    effects = dict.fromkeys(_paired.MEASURES, Effect())
    checks: tuple[Check, ...] = ()
    if cluster is not None:
        groups, few = _clusters.read(table, cluster, min_clusters, labels)
        effects = _paired.effects_of(first, second, groups)
        checks = (few, *_clusters.checks(effects, labels))
    result = _paired.results(
        counts,
        effects,
        labels,
        contrast=contrast,
        conf_level=conf_level,
        call="prepost.paired_change",
    )
    return dataclasses.replace(result, checks=(*result.checks, *checks))


def severity_shift(
    table: pd.DataFrame,
    *,
    before: str,
    after: str,
    levels: Sequence[Any],
    cluster: str | None = None,
    outcome: str = "",
    conf_level: float = 0.95,
    min_clusters: int = 40,
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
    contrast: str = "after v before",
) -> ResultSet:
    """Did severity move down or up between two time points of the same people?

    Parameters
    ----------
    table : DataFrame, one row per pair
        Rows in which either time point is missing are refused, not dropped.
    before, after : str
        Columns of levels.
    levels : sequence
        All levels, least severe first, e.g. ``("none", "standard", "moderate", "high")``.
    cluster : str, optional
        Column that says which rows belong together.
    outcome : str
        Name used in results and charts, e.g. ``"physical"``.
    conf_level : float, between 0 and 1
        Coverage of the intervals; `probability_improved` and `probability_worsened` (with the
        unchanged as third) hold it together.
    min_clusters : int
        With fewer effective clusters a DesignWarning is given and the Check ``clusters``
        fails.
    group, unit, reporter, threshold, subgroup, contrast : str
        Labels that are passed on to every estimate.

    Returns
    -------
    ResultSet
        ``probability_improved`` and ``probability_worsened`` (moved to a lower or a higher
        level), ``improved_minus_worsened``; Checks ``bhapkar``, ``stuart_maxwell``,
        ``bowker`` and ``sign_test`` with statistic, df and P value; the CountTable
        ``transitions`` with one line per ``(level before, level after)``, the margins
        ``(level, "all")`` and ``("all", level)``, ``("all", "all")``, and ``("all",
        "improved")``, ``("all", "same")``, ``("all", "worsened")``.

    Raises
    ------
    DataError
        If a column is missing, incomplete or holds something that is not in `levels`.
    UndefinedResultError
        If the table has no rows.

    Warns
    -----
    DesignWarning
        If there are fewer than `min_clusters` effective clusters.

    Notes
    -----
    **Assumptions.** Rows, or clusters when `cluster` is given, are independent. Both time
    points were recorded whatever happened. No comparison group.

    With d the difference of the margins and V its covariance under equal margins, Stuart and
    Maxwell's statistic is S = d′V⁻d and Bhapkar's is S/(1 − S/n), both on as many degrees of
    freedom as V has rank: one less than the levels in use, fewer where nobody moved between
    groups of levels. With `cluster`, Bhapkar's test takes the covariance of cluster totals
    and refers to F with effective clusters; the tests that need independent rows are not
    computed. Improved and worsened have Goodman–Wilson limits, their difference Tango's
    limits with the sign test's mid-P, all on counts divided by their design effects (see
    `paired_change`).

    References
    ----------
    Bhapkar VP (1966). A note on the equivalence of two test criteria for hypotheses in
    categorical data. JASA 61, 228.

    Stuart A (1955). A test for homogeneity of the marginal distributions in a two-way
    classification. Biometrika 42, 412.

    Maxwell AE (1970). Comparing the classification of subjects by two independent judges.
    British Journal of Psychiatry 116, 651.

    Goodman LA (1965). On simultaneous confidence intervals for multinomial proportions.
    Technometrics 7, 247.

    Examples
    --------
    >>> import pandas as pd
    >>> seen = pd.DataFrame({"intake": ["high"] * 6 + ["none"] * 4,
    ...                      "exit": ["none"] * 5 + ["high"] + ["none"] * 3 + ["high"]})
    >>> result = severity_shift(seen, before="intake", after="exit",
    ...                         levels=["none", "standard", "moderate", "high"])
    >>> result.one(measure="probability_improved").estimate
    0.5
    >>> result.table("transitions")["high", "none"]
    5
    """
    _refuse_conf_level(conf_level)
    names = _severity.level_names(levels)
    _refuse_incomplete(table, (before, after))
    first = _severity.level_ranks(_regression.column(table, before, "severity"), levels)
    second = _severity.level_ranks(_regression.column(table, after, "severity"), levels)
    labels = _labels(outcome, group, unit, reporter, threshold, subgroup)
    improved, worsened = int((second < first).sum()), int((second > first).sum())
    effects = dict.fromkeys(_paired.SHIFT, Effect())
    checks: list[Check] = []
    groups = None
    if cluster is not None:
        groups, few = _clusters.read(table, cluster, min_clusters, labels)
        better, worse = (second < first).astype(float), (second > first).astype(float)
        moved = better - worse
        effects = {
            "probability_improved": effect(better - better.mean(), groups),
            "probability_worsened": effect(worse - worse.mean(), groups),
            "improved_minus_worsened": effect(moved - moved.mean(), groups),
        }
        checks = [few, *_clusters.checks(effects, labels)]
    moves = {"improved": improved, "same": len(first) - improved - worsened, "worsened": worsened}
    result = _paired.shift_results(
        moves,
        effects,
        labels,
        contrast=contrast,
        conf_level=conf_level,
        call="prepost.severity_shift",
    )
    tests = [
        Check(
            name=name,
            statistic=test.statistic,
            df=test.df,
            p_value=test.p_value,
            outcome=outcome,
            group=group,
            text=test.text,
        )
        for name, test in _severity.tests(first, second, names, groups).items()
    ]
    return dataclasses.replace(
        result,
        checks=(*tests, *result.checks, *checks),
        tables=(_severity.transitions(first, second, names, labels),),
    )


def shift_counts(
    *,
    improved: int,
    same: int,
    worsened: int,
    outcome: str = "",
    conf_level: float = 0.95,
    design_effect: float | Mapping[str, float] = 1.0,
    df: float | Mapping[str, float] | None = None,
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
    contrast: str = "after v before",
) -> ResultSet:
    """Did more people move to a lower level than to a higher one, given how many did?

    Parameters
    ----------
    improved, same, worsened : int
        Pairs that moved to a lower level, stayed, moved to a higher level.
    outcome : str
        Name used in results and charts, e.g. ``"physical"``.
    conf_level : float, between 0 and 1
        Coverage of the intervals.
    design_effect, df : float or mapping of measure to float, optional
        As in `paired_counts`.
    group, unit, reporter, threshold, subgroup, contrast : str
        Labels that are passed on to every estimate.

    Returns
    -------
    ResultSet
        The estimates of `severity_shift` and its Check ``sign_test``; the CountTable
        ``moves``.

    Raises
    ------
    DataError
        If a count is negative or not whole, or another argument makes no sense.
    UndefinedResultError
        If there is no pair at all.

    Notes
    -----
    **Assumptions.** As `severity_shift`, whose estimates it makes from counts alone, such as
    counts that disclosure control has rounded.

    References
    ----------
    Goodman LA (1965). On simultaneous confidence intervals for multinomial proportions.
    Technometrics 7, 247.

    Examples
    --------
    >>> result = shift_counts(improved=60, same=25, worsened=15)
    >>> found = result.one(measure="probability_improved")
    >>> print(f"{found.estimate:.2f} ({found.conf_low:.3f} to {found.conf_high:.3f})")
    0.60 (0.480 to 0.709)
    """
    counts = {"improved": improved, "same": same, "worsened": worsened}
    whole = {name: _whole(name, count) for name, count in counts.items()}
    _refuse_conf_level(conf_level)
    return _paired.shift_results(
        whole,
        _paired.given_effects(design_effect, df, _paired.SHIFT),
        _labels(outcome, group, unit, reporter, threshold, subgroup),
        contrast=contrast,
        conf_level=conf_level,
        call="prepost.shift_counts",
    )


def proportion(
    *,
    events: int,
    n: int,
    measure: str = "proportion",
    outcome: str = "",
    conf_level: float = 0.95,
    design_effect: float = 1.0,
    df: float | None = None,
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
    contrast: str = "",
) -> ResultSet:
    """What share showed it, given the counts?

    Parameters
    ----------
    events, n : int
        How many showed it, and how many were looked at.
    measure : str
        The name that the estimate carries.
    outcome : str
        Name used in results and charts.
    conf_level : float, between 0 and 1
        Coverage of the interval.
    design_effect, df : float
        As in `paired_counts`, for people in clusters.
    group, unit, reporter, threshold, subgroup, contrast : str
        Labels that are passed on to the estimate.

    Returns
    -------
    ResultSet
        One Estimate, a share between 0 and 1, with Wilson's interval.

    Raises
    ------
    DataError
        If a count is negative or not whole, or more showed it than were looked at.
    UndefinedResultError
        If nobody was looked at.

    Notes
    -----
    **Assumptions.** People are independent of each other, or `design_effect` accounts for it.

    References
    ----------
    Wilson EB (1927). Probable inference, the law of succession, and statistical inference.
    JASA 22, 209.

    Examples
    --------
    >>> found = proportion(events=13, n=16).one(measure="proportion")
    >>> round(found.conf_low, 6), round(found.conf_high, 6)
    (0.569911, 0.934084)
    """
    hits, base = _whole("events", events), _whole("n", n)
    _refuse_conf_level(conf_level)
    if hits > base:
        raise DataError(f"events ({hits}) cannot be more than n ({base}).")
    if base == 0:
        raise UndefinedResultError("n is 0: nobody was looked at, so there is no share.")
    labels = {**_labels(outcome, group, unit, reporter, threshold, subgroup), "contrast": contrast}
    design = _paired.given_effects(design_effect, df, (measure,))[measure]
    found, checks = _paired.wilson_share(measure, hits, base, design, labels, conf_level)
    return ResultSet(
        estimates=(found,),
        checks=tuple(checks),
        provenance=Provenance(call="prepost.proportion"),
    )


def population_average(
    long: pd.DataFrame,
    *,
    outcome: str,
    covariates: str | Sequence[str],
    groups: str,
    family: _gee.Family = "binomial",
    link: _gee.Link = "logit",
    cov: _gee.Covariance = "bias_reduced",
    correlation: _gee.Correlation = "independence",
    conf_level: float = 0.95,
    few_clusters: int = 50,
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """How does the average outcome of a population differ by time, arm or anything else?

    Parameters
    ----------
    long : DataFrame, one row per person and time point
        Rows with a missing value are refused, not dropped.
    outcome : str
        Column: true and false (or 1 and 0) for ``binomial``, counts for ``poisson``, numbers
        for ``gaussian``.
    covariates : str or sequence of str
        Column names, or a formula's right-hand side, e.g. ``"after * treated"``. True is
        compared with false, ``programme`` with ``comparison``, later time points with
        ``intake``, higher severity with ``none``; a Categorical with its first category;
        other words with the commonest.
    groups : str
        Column that says which rows belong together, e.g. the perpetrator; text or numbers.
    family : {'binomial', 'poisson', 'gaussian'}
    link : {'logit', 'log', 'identity'}
        ``logit`` only with ``binomial``. ``poisson`` with ``log`` on a true-or-false outcome
        gives risk ratios without the failures of the log-binomial model.
    cov : {'bias_reduced', 'robust'}
        Mancl and DeRouen's standard errors, or the plain sandwich.
    correlation : {'independence', 'exchangeable'}
        The working correlation; standard errors hold whichever is true.
    conf_level : float, between 0 and 1
        Coverage of the intervals.
    few_clusters : int
        Below this number, t with clusters − coefficients degrees of freedom.
    group, unit, reporter, threshold, subgroup : str
        Labels that are passed on to every estimate.

    Returns
    -------
    ResultSet
        One Estimate a term, without the intercept: ``odds_ratio`` (logit), ``risk_ratio`` or
        ``rate_ratio`` or ``mean_ratio`` (log), ``risk_difference`` or ``mean_difference``
        (identity). ``n`` counts rows. When the model does not settle or a covariate foretells
        the outcome, estimates are None and the failed Check ``converged`` says why.

    Raises
    ------
    DataError
        If a column is missing, incomplete or of the wrong kind.
    DesignError
        If family and link do not go together, all rows are one cluster, or covariates repeat
        each other.

    Notes
    -----
    **Assumptions.** Clusters are independent. The mean model is right; missing rows are
    missing completely at random (or the weaker condition that the covariates explain why).
    Ratios of odds exceed ratios of risks where an outcome is common: they are not reductions.

    Checked against R's ``geepack::geeglm`` and, for the bias-reduced errors, against the
    formula of Mancl and DeRouen.

    References
    ----------
    Liang KY, Zeger SL (1986). Longitudinal data analysis using generalized linear models.
    Biometrika 73, 13.

    Mancl LA, DeRouen TA (2001). A covariance estimator for GEE with improved small-sample
    properties. Biometrics 57, 126.

    Zou G (2004). A modified Poisson regression approach to prospective studies with binary
    data. American Journal of Epidemiology 159, 702.

    Examples
    --------
    >>> import pandas as pd
    >>> long = pd.DataFrame({"person": list("abcdefghijkl") * 2,
    ...                      "after": [False] * 12 + [True] * 12,
    ...                      "used": [1] * 9 + [0] * 3 + [1, 0, 0] * 4})
    >>> result = population_average(long, outcome="used", covariates=["after"], groups="person",
    ...                             family="poisson", link="log")
    >>> round(result.one(measure="risk_ratio", term="after").estimate, 4)
    0.4444
    """
    _refuse_conf_level(conf_level)
    for given, known, what in (
        (family, tuple(_gee.LINKS), "family"),
        (link, _gee.LINKS.get(family, ()), f"link of the {family} family"),
        (cov, ("bias_reduced", "robust"), "cov"),
        (correlation, ("independence", "exchangeable"), "correlation"),
    ):
        if given not in known:
            raise DesignError(f'"{given}" is no {what}.{did_you_mean(given, known)}')
    values, binary = _regression.numbers(long, outcome, "outcome")
    if family == "binomial" and not binary:
        raise DataError(f'column "{outcome}" must hold true and false (or 1 and 0) only.')
    if family == "poisson" and (values < 0).any():
        raise DataError(
            f'column "{outcome}" must hold counts, but {(values < 0).sum()} are negative.'
        )
    clusters = _clusters.codes(long, groups)
    design = _regression.design_matrix(_gee.with_ranks(long, covariates), covariates)
    fitted = _gee.fit(
        values,
        design.matrix,
        design.names,
        clusters,
        family=family,
        link=link,
        cov=cov,
        correlation=correlation,
        few_clusters=few_clusters,
    )
    about: dict[str, Any] = _labels(outcome, group, unit, reporter, threshold, subgroup)
    about |= {"measure": _gee.measure_of(family, link, binary), "conf_level": conf_level}
    about |= {
        "claim": "associational",
        "n": len(values),
        "n_events": int(values.sum()) if binary else None,
    }
    quantile = "normal" if fitted.df is None else f"t with {fitted.df:g} df"
    about["method"] = (
        f"GEE, {family} with {link} link, {correlation}, {cov.replace('_', '-')} errors, {quantile}"
    )
    back = float if link == "identity" else _exp
    estimates = []
    for at, term in enumerate(design.names):
        limits = fitted.interval(at, conf_level)
        point = None if fitted.estimates is None else back(float(fitted.estimates[at]))
        found = Estimate(term=term, estimate=point, **about)
        if limits is not None and fitted.errors is not None:
            found = dataclasses.replace(
                found,
                std_error=float(fitted.errors[at]),
                conf_low=back(limits[0]),
                conf_high=back(limits[1]),
                p_value=limits[2],
            )
        estimates.append(found)
    return ResultSet(
        estimates=tuple(estimates),
        checks=_gee.checks(fitted, int(clusters.max()) + 1, cov, few_clusters, outcome, group),
        assumptions=(
            "Clusters are independent of each other; rows of one cluster need not be.",
            "Rows are missing completely at random, or for reasons that the covariates hold.",
            f"Reference levels: {design.describe()}",
        ),
        provenance=Provenance(call="prepost.population_average"),
        native=fitted.native,
    )


def design_effects(
    result: ResultSet, *, outcome: str = "", group: str = ""
) -> tuple[dict[str, float], dict[str, float]]:
    """How much did clustering cost each measure of a clustered result?

    Parameters
    ----------
    result : ResultSet
        From `paired_change` or `severity_shift`.
    outcome, group : str
        Only the checks with these labels; empty for all.

    Returns
    -------
    tuple of dict
        Design effects and degrees of freedom by measure, both empty for independent rows.
        They are what `paired_counts` takes as `design_effect` and `df` to work out the same
        intervals from released counts.

    Examples
    --------
    >>> import pandas as pd
    >>> pairs = pd.DataFrame({"intake": [1, 1, 0, 1] * 20, "exit": [0, 1, 0, 0] * 20,
    ...                       "person": [i // 2 for i in range(80)]})
    >>> clustered = paired_change(pairs, before="intake", after="exit", cluster="person")
    >>> effects, df = design_effects(clustered)
    >>> again = paired_counts(both=20, before_only=40, after_only=0, neither=20,
    ...                       design_effect=effects, df=df)
    >>> again.one(measure="risk_ratio") == clustered.one(measure="risk_ratio")
    True
    """
    found = [
        check
        for check in result.checks
        if check.name == "design_effect"
        and outcome in ("", check.outcome)
        and group in ("", check.group)
    ]
    measures = [check.text.partition(":")[0] for check in found]
    sizes = {m: float(c.statistic or 1.0) for m, c in zip(measures, found, strict=True)}
    return sizes, {m: float(c.df or 0.0) for m, c in zip(measures, found, strict=True)}


# What the functions above share


def _labels(
    outcome: str, group: str, unit: str, reporter: str, threshold: str, subgroup: str
) -> dict[str, str]:
    return {
        "outcome": outcome,
        "group": group,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "subgroup": subgroup,
    }


def _exp(value: float) -> float:
    with np.errstate(over="ignore"):  # infinite is the truthful limit
        return float(np.exp(value))


def _whole(name: str, count: Any) -> int:
    """Return a count as an int, or say what is wrong with it."""
    if isinstance(count, bool) or not isinstance(count, (int, float, np.integer, np.floating)):
        raise DataError(f"{name} must be a whole number of pairs, not {type(count).__name__}.")
    if not (math.isfinite(count) and count >= 0 and count == int(count)):
        raise DataError(f"{name} must be a whole number of pairs, 0 or more, but is {count}.")
    return int(count)


def _refuse_conf_level(conf_level: float) -> None:
    if not 0 < conf_level < 1:
        raise DataError(
            f"conf_level must lie between 0 and 1, e.g. 0.95 for 95%, but is {conf_level}."
        )


def _refuse_incomplete(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse rows that miss one time point; absent columns are told of where they are read."""
    known = [name for name in columns if name in getattr(table, "columns", ())]
    if len(known) < len(columns):
        return
    if len(table) == 0:
        raise UndefinedResultError("the table has no rows, so there is no pair to compare.")
    missing = int(table[known].isna().any(axis=1).sum())
    if missing:
        raise DataError(
            f'{missing} of {len(table)} rows have no value in "{columns[0]}" or "{columns[1]}". '
            "A change within people needs both: keep the complete pairs only and report how many "
            "were lost."
        )
