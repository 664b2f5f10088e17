"""Programme against comparison: risks, difference in differences, instrumental variables.

Plain tables and column names in, ResultSets out. The programme is always set against the
comparison, whatever the order of the rows or of the alphabet. Nothing here claims more than
an association: whether the arms were randomised, and enough of their outcomes measured, is
known to the study and not to the model.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

from drive_eval.errors import DataError, DesignError, did_you_mean
from drive_eval.models import _augmented, _change, _contrast, _instrument, _sample
from drive_eval.models._clusters import Effect
from drive_eval.models._sample import count_clusters
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from drive_eval.models._augmented import Doubly
    from drive_eval.models._permutation import Few
    from drive_eval.models._regression import Covariance, Flags
    from drive_eval.models._sample import Data, Missing, Spread
    from drive_eval.vocabulary import Estimand

__all__ = [
    "difference_in_differences",
    "doubly_robust",
    "instrumental",
    "mean_contrast",
    "risk_contrast",
]

Scale: TypeAlias = Literal["risk_ratio", "risk_difference", "odds_ratio"]

_MAIN = {
    "risk_ratio": "ratio_of_ratios",
    "risk_difference": "difference_in_differences",
    "odds_ratio": "ratio_of_odds_ratios",
}


# Risks


def risk_contrast(
    data: Data,
    *,
    outcome: str,
    treated: str | None = None,
    covariates: str | Sequence[str] | None = None,
    cluster: str | None = None,
    conf_level: float = 0.95,
    cov: Spread | None = None,
    missing: Missing = "refuse",
    few: Few = "permutation",
    few_areas: int = _sample.FEW_AREAS,
    rng: np.random.Generator | None = None,
    interactions: bool = True,
    min_clusters: int = 40,
    events_per_parameter: float = 10.0,
    outcome_name: str = "",
    contrast: str = "programme v comparison",
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """How much less common is the outcome in the programme than in the comparison group?

    Of a table the arms are compared as they are; of a `Matched` or `Weighted` comparison with
    its weights, for the people whom its estimand speaks of. With covariates the risks are
    standardised (g-computation): a logistic regression foretells everybody's risk under the
    programme and under the comparison, and each is averaged over those people.

    Parameters
    ----------
    data : DataFrame, one row per person (or enrolment, or dyad); Matched or Weighted
        From `matching`; the outcome is then a column of ``data.table``.
    outcome : str
        Column of true and false (or 1 and 0), complete unless ``missing="drop"``.
    treated : str
        Column of true and false, or of ``"programme"`` and ``"comparison"``. A design brings
        its own, and it may be left out.
    covariates : str or sequence of str, optional
        Column names, or a formula's right-hand side such as ``"age + C(site)"``.
    cluster : str, optional
        Column of clusters (area, perpetrator); makes the variance a cluster sandwich. Matched
        sets stay clusters beside it (two-way).
    conf_level : float, between 0 and 1
    cov : {'sets', 'stacked', 'HC0', 'HC1', 'HC2', 'HC3'}, optional
        How the variance is made, if not by the default: of a `Matched` its own (``"sets"`` or
        ``"HC3"``), of a `Weighted` ``"stacked"``; HC takes weights as known. Of a table HC1,
        and only where covariates are given; without them it replaces the score intervals.
    missing : {'refuse', 'drop'}
        Whether rows without an outcome are an error or are left out and counted in the Check
        ``missing_outcome``. Sets that lose a member stay, and weights are not made anew.
    few : {'permutation', 'wild_bootstrap'}
        What is done when fewer than `few_areas` clusters were allocated, each as a whole.
    few_areas : int
    rng : numpy Generator, optional
        For ``few="wild_bootstrap"``, or more than 20,000 arrangements.
    interactions : bool
        Whether each arm has its own slopes (``treated * covariates``), or both share them.
    min_clusters : int
        With fewer clusters a DesignWarning is given; the result stands.
    events_per_parameter : float
        Below this number of the rarer outcome per parameter, a Check fails.
    outcome_name, contrast, group, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries; `outcome_name` is the column's name by default.

    Returns
    -------
    ResultSet
        ``risk_treated``, ``risk_comparison``, ``risk_difference``, ``risk_ratio``,
        ``percent_reduction`` (of users, in percent), ``odds_ratio``. ``n`` and ``n_events``
        count the programme, ``n_reference`` and ``n_events_reference`` the comparison; both
        are observed counts, also beside weighted or standardised risks. With nobody in the
        comparison group having the outcome, ratios have no point: estimate None, a lower
        limit, an infinite upper limit and a Check that says so. The Check ``estimand`` says
        whose effect it is.

    Raises
    ------
    DataError
        For a missing or incomplete column, or arms called anything else.
    DesignError
        For an empty arm; for covariates that separate the outcomes or repeat each other; for
        a design of one set; for a `cov` that the data do not offer; for covariates beside a
        few clusters that were allocated whole.

    Notes
    -----
    **Assumptions.** Without covariates, of a table: the arms would have had equal risks
    without the programme. With covariates: among people with the same covariates, who is in
    the programme has nothing to do with the outcome; both arms hold people of every kind; the
    logistic model is right. The estimand is then the average effect over everybody in the
    table ("ate"). Of a design: among people with the same covariates of the design, who is in
    the programme has nothing to do with the outcome; both arms hold people of every kind whom
    the estimand speaks of; the matching was close enough, or the model of the weights right.

    *Table, plain counts*: Wilson (1927) for risks, Newcombe (1998) for the difference, Koopman
    (1984) for the ratio, the score test inverted for the odds ratio, Pearson's test for p.

    *Standardised* risk of arm a: p_a = Σqᵢm_a(xᵢ)/Σqᵢ, with m_a the fitted logistic curve and q
    the population: everybody (ate), programme rows (att, atm), comparison rows (atc), e(1 − e)
    (ato). Row i contributes qᵢ(m_a(xᵢ) − p_a)/Σq + ∂p_a/∂β · (its influence on β) to it; the
    first part is the sampling of covariates, so that the variance speaks of the population
    they came from. It is left out for `Matched`, where the effect is that on the very cases
    that were matched (as R ``marginaleffects`` does). Without covariates, m_a is the weighted
    mean of the arm, and row i contributes wᵢ(yᵢ − p_a)/Σw.

    *Matched*: contributions are summed over matched sets and their squares multiplied by
    G/(G − 1), as ``vcovCL`` of R ``sandwich`` does for a ``glm``; with `cluster` the variance
    is V(sets) + V(clusters) − V(both) (Cameron, Gelbach and Miller 2011). Where a comparison
    case may serve several programme cases, and for subclasses, HC3: contributions are divided
    by one minus the row's leverage. So also for strata (``cem``) that are worth fewer than 40
    equal ones beside covariates, or 3 without: covariates explain most of what a stratum's sum
    is made of, and intervals from such sums are too narrow (Check ``few_strata``). With
    replacement, ``cov="sets"`` takes each pair for a row and clusters on sets and cases at once.

    *Weighted*: stacked estimating equations. Because the weights were estimated, row i also
    contributes ψᵢ·Σⱼ(∂wⱼ/∂γ)(yⱼ − p_a)/Σw, with ψᵢ its influence on their parameters γ;
    squares are summed over rows, or clusters with G/(G − 1).

    *Table*: squares are summed over rows (HC1, normal quantiles) or clusters (CR1, t with
    G − 1 degrees of freedom, G − 2 when whole clusters were allocated). Designs use t with the
    effective sets (Kish) − 1, or Welch's degrees of freedom from the arms' effective sizes.

    Limits are symmetric on the logit scale for risks, the identity for the difference (cut at
    ±1) and the log for ratios. Where an arm has no outcome, or nothing else, or its clusters
    are all alike, that variance is none, and the score intervals are used on counts divided
    by the design effect of the score contrast (1 or more); of a design, on effective counts.

    *A few clusters, each in one arm*: all arrangements of which clusters had the programme.
    A difference δ is kept while, with δ taken off the programme's clusters, more than α of the
    arrangements show as large a contrast as the observed one; a ratio likewise by dividing.
    Exact if any cluster might as well have been allocated and the effect is the same in all;
    weights are held fixed. ``few="wild_bootstrap"`` studentises and draws clusters' residuals
    under the null with Webb's weights.

    References
    ----------
    Newcombe RG (1998). Interval estimation for the difference between independent
    proportions: comparison of eleven methods. Statistics in Medicine 17, 873.

    Koopman PAR (1984). Confidence intervals for the ratio of two binomial proportions.
    Biometrics 40, 513.

    Fagerland MW, Lydersen S, Laake P (2015). Recommended confidence intervals for two
    independent binomial proportions. Statistical Methods in Medical Research 24, 224.

    Abadie A, Spiess J (2022). Robust post-matching inference. Journal of the American
    Statistical Association 117, 983.

    Cameron AC, Gelbach JB, Miller DL (2011). Robust inference with multiway clustering.
    Journal of Business and Economic Statistics 29, 238.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme"] * 70 + ["comparison"] * 80,
    ...                       "abuse": [True] * 28 + [False] * 42 + [True] * 48 + [False] * 32})
    >>> result = risk_contrast(table, outcome="abuse", treated="arm")
    >>> round(result.one(measure="risk_difference").estimate, 3)
    -0.2
    >>> round(result.one(measure="percent_reduction").estimate, 1)
    33.3

    Three areas had the programme and four had not; each line is one area.

    >>> areas = pd.DataFrame({"area": list("abcdefg"), "arm": [True] * 3 + [False] * 4,
    ...                       "abused": [12, 15, 14, 22, 25, 21, 27]})
    >>> people = areas.loc[areas.index.repeat(40)]
    >>> people["abuse"] = people.groupby("area").cumcount() < people["abused"]
    >>> found = risk_contrast(people, outcome="abuse", treated="arm", cluster="area")
    >>> round(found.one(measure="risk_difference").p_value, 4)  # one of 35 arrangements
    0.0286
    """
    _conf_level(conf_level)
    adjusted = covariates is not None and len(covariates) > 0
    sample = _sample.read(
        data,
        outcome=outcome,
        treated=treated,
        cluster=cluster,
        cov=cov,
        missing=missing,
        adjusted=adjusted,
    )
    rearranged = _contrast.few_areas(sample, few_areas)
    if rearranged:
        found, checks = _contrast.few_numbers(
            sample, covariates, binary=True, conf_level=conf_level, few=few, rng=rng
        )
    else:
        found, checks = _contrast.risk_numbers(
            sample,
            covariates,
            interactions=interactions,
            conf_level=conf_level,
            min_clusters=min_clusters,
            events_per_parameter=events_per_parameter,
            always_sandwich=cov is not None,
        )
    return _contrast.result(
        sample,
        found,
        checks,
        labels={
            "outcome": outcome_name or outcome,
            "unit": unit,
            "reporter": reporter,
            "threshold": threshold,
            "subgroup": subgroup,
            "conf_level": conf_level,
        },
        contrast=contrast,
        group=group,
        adjusted=adjusted,
        assumptions=_contrast.assumptions(
            sample, adjusted=adjusted, binary=True, unit=unit, few=rearranged
        ),
        call="comparison.risk_contrast",
    )


# Means


def mean_contrast(
    data: Data,
    *,
    outcome: str,
    treated: str | None = None,
    covariates: str | Sequence[str] | None = None,
    cluster: str | None = None,
    conf_level: float = 0.95,
    cov: Spread | None = None,
    missing: Missing = "refuse",
    few: Few = "permutation",
    few_areas: int = _sample.FEW_AREAS,
    rng: np.random.Generator | None = None,
    interactions: bool = True,
    min_clusters: int = 40,
    outcome_name: str = "",
    contrast: str = "programme v comparison",
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """How much lower is the outcome, on average, in the programme than in the comparison group?

    Of a table the arms are compared as they are; of a `Matched` or `Weighted` comparison with
    its weights. With covariates the means are standardised by linear regression.

    Parameters
    ----------
    data, treated, covariates, cluster, conf_level, missing, few, few_areas, rng, interactions
        As in `risk_contrast`.
    min_clusters, outcome_name, contrast, group, unit, reporter, threshold, subgroup
        As in `risk_contrast`.
    outcome : str
        Column of numbers (a count, a score, days), or of true and false; complete unless
        ``missing="drop"``.
    cov : {'sets', 'stacked', 'HC0', 'HC1', 'HC2', 'HC3'}, optional
        As in `risk_contrast`; of a table HC2 by default.

    Returns
    -------
    ResultSet
        ``mean_treated``, ``mean_comparison``, ``mean_difference``.

    Raises
    ------
    DataError, DesignError
        As in `risk_contrast`.

    Notes
    -----
    **Assumptions.** As in `risk_contrast`, with a linear model in place of the logistic one.

    Weighted least squares of the outcome on arm, covariates and, with `interactions`, their
    products; contributions and populations are those of `risk_contrast` with m_a linear.
    Variance: of a table HC2, with t on n − k degrees of freedom, or clustered; of a `Matched`
    G/(G − 1) · (n − 1)/(n − k) times the squares over matched sets, as ``vcovCL`` of R
    ``sandwich`` does for an ``lm``, or HC3; of a `Weighted` stacked. On an outcome of 0 and 1
    it is the linear probability model.

    References
    ----------
    Abadie A, Spiess J (2022). Robust post-matching inference. Journal of the American
    Statistical Association 117, 983.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme"] * 3 + ["comparison"] * 3,
    ...                       "incidents": [0, 1, 2, 2, 4, 6]})
    >>> found = mean_contrast(table, outcome="incidents", treated="arm")
    >>> found.one(measure="mean_difference").estimate
    -3.0
    """
    _conf_level(conf_level)
    adjusted = covariates is not None and len(covariates) > 0
    sample = _sample.read(
        data,
        outcome=outcome,
        treated=treated,
        cluster=cluster,
        cov=cov,
        default="HC2",
        missing=missing,
        binary=False,
        adjusted=adjusted,
    )
    rearranged = _contrast.few_areas(sample, few_areas)
    if rearranged:
        found, checks = _contrast.few_numbers(
            sample, covariates, binary=False, conf_level=conf_level, few=few, rng=rng
        )
    else:
        found, checks = _contrast.mean_numbers(
            sample,
            covariates,
            interactions=interactions,
            conf_level=conf_level,
            min_clusters=min_clusters,
        )
    return _contrast.result(
        sample,
        found,
        checks,
        labels={
            "outcome": outcome_name or outcome,
            "unit": unit,
            "reporter": reporter,
            "threshold": threshold,
            "subgroup": subgroup,
            "conf_level": conf_level,
        },
        contrast=contrast,
        group=group,
        adjusted=adjusted,
        assumptions=_contrast.assumptions(
            sample, adjusted=adjusted, binary=False, unit=unit, few=rearranged
        ),
        call="comparison.mean_contrast",
    )


# Two models


def doubly_robust(
    data: Data,
    *,
    outcome: str,
    covariates: str | Sequence[str] | None = None,
    treated: str | None = None,
    estimand: Estimand | None = None,
    cluster: str | None = None,
    conf_level: float = 0.95,
    cov: Doubly | Spread | None = None,
    missing: Missing = "refuse",
    binary: bool | None = None,
    min_clusters: int = 40,
    events_per_parameter: float = 10.0,
    outcome_name: str = "",
    contrast: str = "programme v comparison",
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """How much lower is the outcome in the programme, if one of two models is right?

    A regression foretells the outcome in either arm, and what it gets wrong among those who
    were in the arm is corrected with weights from a propensity score (augmented inverse
    probability weighting).

    Parameters
    ----------
    data : DataFrame, one row per person (or enrolment, or dyad); Matched or Weighted
        A table gets its score from `covariates`; a design brings its weights.
    outcome : str
        Column of true and false (or 1 and 0), or of numbers.
    covariates : str or sequence of str
        Of the outcome models, and of a table's score: column names, or a formula's right-hand
        side such as ``"age + C(site)"``. Of a design, by default those it was made from.
    treated : str
        As in `risk_contrast`.
    estimand : {'ate', 'att', 'atc', 'ato'}, optional
        Of a table, by default ``"ate"``; a design brings its own.
    cluster : str, optional
        Column of clusters; contributions are summed within them.
    conf_level : float, between 0 and 1
    cov : {'stacked', 'influence'}, optional
        Whether the variance counts that both models were estimated (right if either model is),
        or takes them as known (right if both are). Of a `Matched` as in `risk_contrast`.
    missing : {'refuse', 'drop'}
        As in `risk_contrast`. The score is that of all rows.
    binary : bool, optional
        Whether the outcome models are logistic; by default if the outcome is true and false.
    min_clusters, events_per_parameter, outcome_name, contrast, group, unit
        As in `risk_contrast`.
    reporter, threshold, subgroup
        As in `risk_contrast`.

    Returns
    -------
    ResultSet
        The measures of `risk_contrast`, or of `mean_contrast` for an outcome of numbers. The
        correction can carry a risk beyond 0 or 1: it and its ratios are then None, with a
        Check; the difference stands.

    Raises
    ------
    DataError, DesignError
        As in `risk_contrast`; for covariates that foretell membership or, in an arm, the
        outcome without error; for a few clusters that were allocated whole.

    Notes
    -----
    **Assumptions.** Among people with the same covariates, who is in the programme has nothing
    to do with the outcome; both arms hold people of every kind. Of the two models, one of who
    is in the programme and one of the outcome, at least one is right; the data do not show
    which.

    With q the population (1 under ate, t under att, 1 − t under atc, e(1 − e) under ato), w the
    weights q/e or q/(1 − e), and m_a fitted in arm a alone (logistic or linear, unweighted):

    μ_a = Σqᵢm_a(xᵢ)/Σq + Σ(in arm a) wᵢ(yᵢ − m_a(xᵢ))/Σq.

    Row i contributes [qᵢ(m_a(xᵢ) − μ_a) + wᵢ(yᵢ − m_a(xᵢ))]/Σq and, if stacked, its influence
    on both models' coefficients times the slope of μ_a by them. Weights of a design that are
    on another scale (stabilised) are normalised in each arm, and a Check says so.

    Of a `Matched`, m_a is fitted with the matched weights. Its weighted residuals sum to zero
    in each arm, so that nothing is left to add: the estimate is g-computation among matched
    cases, and the variance, clustered on sets, counts that others might have been matched.

    References
    ----------
    Bang H, Robins JM (2005). Doubly robust estimation in missing data and causal inference
    models. Biometrics 61, 962.

    Lunceford JK, Davidian M (2004). Stratification and weighting via the propensity score in
    estimation of causal treatment effects: a comparative study. Statistics in Medicine 23,
    2937.

    Abadie A, Imbens GW (2011). Bias-corrected matching estimators for average treatment
    effects. Journal of Business and Economic Statistics 29, 1.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme", "comparison", "comparison"] * 20,
    ...                       "age": [20 + 7 * i % 31 for i in range(60)],
    ...                       "incidents": [(5 * i % 7) for i in range(60)]})
    >>> found = doubly_robust(table, outcome="incidents", treated="arm", covariates=["age"])
    >>> found.check("doubly_robust").text.startswith("Two models were used")
    True
    """
    _conf_level(conf_level)
    sample, used, checks = _augmented.read(
        data,
        outcome=outcome,
        treated=treated,
        covariates=covariates,
        estimand=estimand,
        cluster=cluster,
        cov=cov,
        missing=missing,
        binary=binary,
    )
    logistic = sample.binary if binary is None else binary
    found, more = _augmented.numbers(
        sample,
        used,
        binary=logistic,
        cov=cov,
        conf_level=conf_level,
        min_clusters=min_clusters,
        events_per_parameter=events_per_parameter,
    )
    return _contrast.result(
        sample,
        found,
        [*checks, *more],
        labels={
            "outcome": outcome_name or outcome,
            "unit": unit,
            "reporter": reporter,
            "threshold": threshold,
            "subgroup": subgroup,
            "conf_level": conf_level,
        },
        contrast=contrast,
        group=group,
        adjusted=True,
        assumptions=_augmented.assumptions(sample, unit),
        call="comparison.doubly_robust",
    )


# Difference in differences


def difference_in_differences(
    long: pd.DataFrame,
    *,
    outcome: str,
    treated: str,
    period: str,
    person: str,
    scale: Scale = "risk_ratio",
    cluster: str | None = None,
    conf_level: float = 0.95,
    before: str | None = None,
    after: str | None = None,
    reporter: str | None = None,
    elapsed_days: str | None = None,
    tolerance_days: float | None = None,
    design_effect: tuple[float, float] = (1.0, 1.0),
    df: float | None = None,
    min_clusters: int = 50,
    outcome_name: str = "",
    contrast: str = "programme v comparison, after v before",
    unit: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """Did abuse fall further in the programme than in the comparison group?

    Each arm is measured before and after in the same people; the change in the programme is
    set against the change in the comparison group.

    Parameters
    ----------
    long : DataFrame, one row per person and period
    outcome : str
        Column of true and false (or 1 and 0), complete.
    treated : str
        Column of true and false, or of ``"programme"`` and ``"comparison"``; one value a person.
    period : str
        Column of true and false (true is after), or of two levels named by `before` and `after`.
    person : str
        Column that tells people apart.
    scale : {'risk_ratio', 'risk_difference', 'odds_ratio'}
        On which scale the changes are compared first; equal trends on one scale are not equal
        trends on another.
    cluster : str, optional
        Column of clusters that hold whole people (area, dyads of one perpetrator).
    conf_level : float, between 0 and 1
    before, after : str, optional
        The two levels of `period`; needed unless it holds true and false.
    reporter : str, optional
        Column that says who reported; its one value labels the results.
    elapsed_days : str, optional
        Column of days between a person's two measures (in either row or both).
    tolerance_days : float, optional
        By how many days the arms' medians may differ.
    design_effect : (float, float)
        Multiplies the variance of the programme and of the comparison arm; for tables rebuilt
        from counts, whose clusters are no longer known. Not together with `cluster`.
    df : float, optional
        Degrees of freedom for t; replaces the rule below.
    min_clusters : int
        Below this number of clusters, or half of it in the smaller arm, the variance is
        bias-reduced and t is used.
    outcome_name, contrast, unit, threshold, subgroup : str
        Labels that every Estimate carries; `outcome_name` is the column's name by default.

    Returns
    -------
    ResultSet
        ``ratio_of_ratios`` (below 1: abuse fell further in the programme) with its
        ``percent_reduction``; ``difference_in_differences``; with ``scale="odds_ratio"`` also
        ``ratio_of_odds_ratios``. The one that `scale` asks for stands first. For each arm
        (``group``): ``prevalence_before``, ``prevalence_after`` (Wilson), ``risk_difference``
        (Tango), ``risk_ratio`` (Tang/Nam) and ``percent_reduction``, after against before.

    Raises
    ------
    DataError
        For a person without both measures, or with more than one of either; for a period,
        arm or cluster that does not fit.
    DesignError
        For arms that were measured by different or several reporters, or over windows that
        differ by more than the tolerance, or are unknown for a whole arm; for under ten
        clusters that were allocated whole.
    UndefinedResultError
        If `scale` asks for a ratio and an arm has nobody with the outcome before.

    Notes
    -----
    **Assumptions.** Without the programme, its arm would have changed as the comparison arm
    did, on the scale chosen. People in both arms were picked for reasons that wear off at the
    same pace (regression to the mean), and were measured by the same kind of reporter over
    the same time. People with both measures stand for all.

    With p the four risks: ratio of ratios (p₁ₐ/p₁ᵦ)/(p₀ₐ/p₀ᵦ), difference (p₁ₐ − p₁ᵦ) −
    (p₀ₐ − p₀ᵦ). Variance: sandwich of the saturated model, squares summed over people or
    clusters, as `geepack` gives with any working correlation. Under `min_clusters` clusters
    in all, or half of that in the smaller arm, each cluster's residuals are divided by one
    minus its leverage (Mancl and DeRouen 2001), with t on clusters − 4 or the smaller arm's
    clusters − 2 degrees of freedom, whichever is less, and at least 1. Where nobody has the
    outcome after, or nobody in an arm changed, that variance does not exist: the limits are
    then combined from each arm's Tang/Nam (ratio) or Tango (difference) score limits by
    MOVER, and p is None.

    References
    ----------
    Liang KY, Zeger SL (1986). Longitudinal data analysis using generalized linear models.
    Biometrika 73, 13.

    Mancl LA, DeRouen TA (2001). A covariance estimator for GEE with improved small-sample
    properties. Biometrics 57, 126.

    Tang NS, Tang ML, Chan ISF (2003). On tests of equivalence via non-unity relative risk for
    matched-pair design. Statistics in Medicine 22, 1217.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [(f"{arm}{i}", arm, when, i < cut) for arm, cuts in
    ...         {"programme": (60, 20), "comparison": (60, 40)}.items()
    ...         for when, cut in zip(("intake", "exit"), cuts) for i in range(100)]
    >>> long = pd.DataFrame(rows, columns=["id", "arm", "time", "abuse"])
    >>> result = difference_in_differences(long, outcome="abuse", treated="arm",
    ...     period="time", person="id", before="intake", after="exit")
    >>> round(result.one(measure="ratio_of_ratios").estimate, 3)
    0.5
    >>> round(result.one(measure="difference_in_differences").estimate, 3)
    -0.2
    """
    if scale not in _MAIN:
        raise DesignError(f'"{scale}" is no scale.{did_you_mean(str(scale), _MAIN)}')
    if not all(0 < size < math.inf for size in design_effect):
        raise DataError("design_effect must be two numbers above 0: programme, comparison.")
    if cluster is not None and tuple(design_effect) != (1.0, 1.0):
        raise DesignError("give cluster or design_effect, not both: each widens the interval.")
    _conf_level(conf_level)
    y, t, groups = _change.pairs(
        long,
        outcome=outcome,
        treated=treated,
        period=period,
        person=person,
        before=before,
        after=after,
        cluster=cluster,
    )
    _both_arms(t, treated)
    checks: list[Check] = []
    source = ""
    if reporter is not None:
        source = _change.one_reporter(long, reporter, treated)
        checks.append(Check(name="one_reporter", passed=True, text="both arms have one reporter."))
    if elapsed_days is not None:
        checks.append(
            _change.windows(
                long, elapsed_days, person=person, treated=treated, tolerance=tolerance_days
            )
        )
    count = len(t) if cluster is None else count_clusters(t, groups)
    fewest = _change.smaller_arm(t, groups)
    small, freedom = _change.small_sample(count, fewest, min_clusters)
    if df is None:
        if count < min(5, min_clusters):
            raise DesignError(f"{count} clusters cannot carry four risks; at least 5 are needed.")
        df = freedom
    law = Effect(df=df)
    clustered = "people" if cluster is None else "clusters"
    how = ", so the variance is bias-reduced and t is used" if small else ""
    checks.append(
        Check(
            name="clusters",
            statistic=count,
            threshold=min_clusters,
            text=f"{count} {clustered}, {fewest} in the smaller arm{how}.",
        )
    )

    return _change.result(
        y,
        t,
        groups,
        clustered=cluster is not None,
        law=law,
        reduced=small,
        scale=scale,
        measures=sorted(_MAIN.values(), key=lambda name: name != _MAIN[scale]),
        design_effect=design_effect,
        conf_level=conf_level,
        contrast=contrast,
        labels={
            "outcome": outcome_name or outcome,
            "unit": unit,
            "reporter": source,
            "threshold": threshold,
            "subgroup": subgroup,
        },
        checks=checks,
    )


# Instrumental variables


def instrumental(
    table: pd.DataFrame,
    *,
    outcome: str,
    assigned: str,
    delivered: str,
    cov: Covariance = "HC2",
    cluster: str | None = None,
    conf_level: float = 0.95,
    first_stage_f: float = 10.0,
    outcome_name: str = "",
    contrast: str = "programme v comparison",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """How much did the offer change, and how much did the programme change for those it moved?

    Sets outcomes against what was assigned (intention to treat) and against what was
    delivered (as treated), and scales the first by how far the assignment moved the delivery
    (instrumental variable).

    Parameters
    ----------
    table : DataFrame, one row per person
    outcome : str
        Column of true and false (or 1 and 0), or of numbers; complete.
    assigned, delivered : str
        Columns of true and false, or of ``"programme"`` and ``"comparison"``.
    cov : {'classical', 'HC0', 'HC1', 'HC2', 'HC3'}
        Variance without clusters. HC2 and HC3 of the instrumental variable use the leverage
        of the projected regressors.
    cluster : str, optional
        Column of clusters; the variance is then CR1: G/(G − 1) · (n − 1)/(n − 2).
    conf_level : float, between 0 and 1
    first_stage_f : float
        Below this F of the first stage the instrument is called weak.
    outcome_name, contrast, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries; `outcome_name` is the column's name by default.

    Returns
    -------
    ResultSet
        ``risk_difference`` (``mean_difference`` for an outcome of numbers) with ``term``
        ``"itt"``, ``"as_treated"``, ``"iv"`` and ``"iv_anderson_rubin"`` (the same point, an
        interval that holds with a weak instrument); ``delivered_difference`` with term
        ``"first_stage"``; ``risk_treated`` and ``risk_comparison`` (or means) of the assigned
        and of the delivered arms.

    Raises
    ------
    UndefinedResultError
        If everybody was assigned, or got, the same; or the assignment moved nothing.

    Notes
    -----
    **Assumptions.** Intention to treat needs none beyond comparable arms. The instrumental
    variable also needs: the assignment works through the delivery only (exclusion), moves
    nobody the other way (monotonicity), and moves it enough (relevance); it then speaks of
    those whose delivery followed their assignment. As treated compares people who were not
    sorted by chance.

    ITT δ and first stage π are least-squares slopes on the assignment; the IV is δ/π, with the
    two-stage least-squares variance; limits use t with n − 2 (or G − 1) degrees of freedom.
    Anderson–Rubin: all β with (δ − βπ)² ≤ t² · Var(δ − βπ).

    References
    ----------
    Angrist JD (2006). Instrumental variables methods in experimental criminological research:
    what, why and how. Journal of Experimental Criminology 2, 23.
    https://doi.org/10.1007/s11292-005-5126-x

    Examples
    --------
    >>> import pandas as pd
    >>> rows = ([(True, True, i < 10) for i in range(80)]
    ...         + [(True, False, i < 10) for i in range(20)]
    ...         + [(False, False, i < 40) for i in range(100)])
    >>> table = pd.DataFrame(rows, columns=["offered", "started", "abuse"])
    >>> result = instrumental(table, outcome="abuse", assigned="offered", delivered="started")
    >>> round(result.one(term="itt", measure="risk_difference").estimate, 3)
    -0.2
    >>> round(result.one(term="iv").estimate, 3)
    -0.25
    """
    _conf_level(conf_level)
    return _instrument.contrast(
        table,
        outcome=outcome,
        assigned=assigned,
        delivered=delivered,
        cov=cov,
        cluster=cluster,
        first_stage_f=first_stage_f,
        contrast_name=contrast,
        shared={
            "outcome": outcome_name or outcome,
            "unit": unit,
            "reporter": reporter,
            "threshold": threshold,
            "subgroup": subgroup,
            "conf_level": conf_level,
        },
    )


# What the three share


def _conf_level(conf_level: float) -> None:
    if not 0 < conf_level < 1:
        raise DataError(
            f"conf_level must lie between 0 and 1, e.g. 0.95 for 95%, but is {conf_level}."
        )


def _both_arms(t: Flags, name: str) -> None:
    for empty, group in ((not t.any(), "programme"), (t.all(), "comparison")):
        if empty:
            raise DesignError(f'nobody is in the {group} group (column "{name}").')
