"""Who is comparable with whom: propensity scores, matching, weighting and balance.

Nothing in this file takes an outcome. Whoever has a `Matched` or `Weighted` in hand has
finished designing the comparison, and may look at outcomes next.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from drive_eval.errors import DesignError
from drive_eval.models import _balance, _nearest
from drive_eval.models._design import Matched
from drive_eval.models._regression import clusters
from drive_eval.models._score import both_arms, propensity
from drive_eval.vocabulary import ESTIMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from drive_eval.results import ResultSet
    from drive_eval.vocabulary import Estimand

__all__ = ["balance", "nearest"]


# Matching


def nearest(
    table: pd.DataFrame,
    *,
    treated: str,
    covariates: str | Sequence[str],
    ratio: int = 1,
    replace: bool = False,
    caliper_sd: float | None = 0.2,
    caliper_scale: Literal["logit", "probability"] = "logit",
    exact: str | Sequence[str] = (),
    order: Literal["largest", "smallest", "closest", "random", "data"] = "largest",
    unit: str | None = None,
    rng: np.random.Generator | None = None,
    distance: Literal["score", "mahalanobis"] = "score",
    max_smd: float = 0.1,
) -> Matched:
    """Which comparison cases are most like each programme case?

    Every programme case in turn takes the comparison case with the nearest propensity score
    that is free and within the caliper. No outcome is looked at.

    Parameters
    ----------
    table : DataFrame, one row per case
        Complete in the columns that are named, with unique index labels.
    treated : str
        Column of true and false, or of ``"programme"`` and ``"comparison"``.
    covariates : str or sequence of str
        Column names, or a formula's right-hand side such as ``"age + C(site)"``. Nothing that
        was measured after the index date belongs here.
    ratio : int, at least 1
        Comparison cases per programme case. All cases take their first match before any takes
        a second; where the pool or the caliper ends it, a set is smaller.
    replace : bool
        Whether a comparison case may serve several programme cases.
    caliper_sd : float above 0, or None
        Widest distance of a pair, in standard deviations of the score over all rows; None for
        no caliper.
    caliper_scale : {'logit', 'probability'}
        The scale of the score on which distances are taken and the caliper is measured.
    exact : str or sequence of str
        Columns on which the cases of a pair must agree.
    order : {'largest', 'smallest', 'closest', 'random', 'data'}
        Who chooses first: the highest or the lowest score, whoever makes the closest pair
        that is left, a random order, or the order of the table. With replacement it does not
        matter.
    unit : str, optional
        Column of persons. A comparison person with several rows (several index dates) is used
        once without replacement, with replacement once for a case; nobody is matched to
        himself.
    rng : numpy Generator, for ``order="random"`` only
        Makes the order; keep its seed with the analysis.
    distance : {'score', 'mahalanobis'}
        What "nearest" means. With ``"mahalanobis"`` it is the distance of the covariates, and
        a caliper still holds for the score. It looks at every comparison case within the
        caliper, so that its time grows with the product of both groups.
    max_smd : float
        The check ``worst_smd`` fails beyond this standardised difference of means.

    Returns
    -------
    Matched
        ``estimand`` is ``"att"``, or ``"atm"`` when a programme case has no match. ``pairs``
        has a row per comparison case used. In ``balance.checks``: ``unmatched`` (how many,
        and why), ``overlap``, ``parameters`` and ``worst_smd``.

    Raises
    ------
    DataError
        For a missing or incomplete column, repeated index labels, or columns called
        ``weight`` or ``matched_set``.
    DesignError
        For an argument that does not exist or makes no sense; an empty arm; covariates that
        foretell membership without error; or when nobody finds a match.

    Warns
    -----
    DesignWarning
        When there are fewer comparison than programme cases without replacement.

    Notes
    -----
    **Assumptions.** Among people with the same covariates, who was in the programme has
    nothing to do with what would have become of them; comparison cases like the programme
    cases exist; one person's membership does not touch another's outcome.

    Score: logit e(x) = β₀ + x′β by maximum likelihood. Distance |l(xᵢ) − l(xⱼ)|, l the logit
    or e itself; caliper ``caliper_sd`` · sd(l), n − 1 in the denominator. Mahalanobis:
    √((xᵢ − xⱼ)′S⁻¹(xᵢ − xⱼ)), S the covariance within the arms, pooled.

    *Ties.* Scores that agree to 12 decimals are equal. Rows with equal scores stand in the
    order of the table, and a case looks down and up from its own place; of two at the same
    distance it takes the one with the higher score. Of equal Mahalanobis distances the last
    row is taken. The order of rows does not matter when scores are distinct and `order` is
    neither ``"data"`` nor ``"random"``.

    *Weights.* 1 for each matched programme case. A comparison case has the sum, over the sets
    that it is in, of 1/(comparison cases of the set), scaled so that the weights sum to the
    number of comparison rows used.

    Checked against R ``MatchIt`` 4.7.2: pairs, weights and balance.

    References
    ----------
    Austin PC (2011). Optimal caliper widths for propensity-score matching when estimating
    differences in means and differences in proportions in observational studies.
    Pharmaceutical Statistics 10, 150.

    Stuart EA (2010). Matching methods for causal inference: a review and a look forward.
    Statistical Science 25, 1.

    Abadie A, Spiess J (2022). Robust post-matching inference. Journal of the American
    Statistical Association 117, 983.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"programme": [True] * 4 + [False] * 6,
    ...                       "age": [24, 31, 38, 26, 22, 25, 30, 37, 45, 51]})
    >>> found = nearest(table, treated="programme", covariates=["age"], caliper_sd=0.5)
    >>> found.pairs[["treated", "comparison"]].to_numpy().tolist()
    [[0, 5], [1, 6], [2, 7], [3, 4]]
    >>> found.estimand
    'att'
    """
    t = both_arms(table, treated)
    _nearest.refuse_arguments(
        ratio=ratio,
        caliper_sd=caliper_sd,
        caliper_scale=caliper_scale,
        order=order,
        distance=distance,
        rng=rng,
    )
    _balance.positive(max_smd, "max_smd")
    _balance.refuse_taken(table, ("weight", "matched_set"))
    _nearest.refuse_repeated_labels(table)
    agree = (exact,) if isinstance(exact, str) else tuple(exact)
    strata = _nearest.strata_of(table, agree)
    units = None if unit is None else clusters(table, unit, "unit")
    score = propensity(table, treated=treated, covariates=covariates)
    line = score.logit if caliper_scale == "logit" else score.probability
    width = math.inf if caliper_sd is None else caliper_sd * _nearest.spread_of(line)
    if not replace:
        _nearest.warn_of_small_pool(t, units)
    pairs = _nearest.match(
        line,
        t,
        ratio=ratio,
        replace=replace,
        caliper=width,
        order=order,
        strata=strata,
        units=units,
        space=_nearest.whitened(score.design.matrix, t) if distance == "mahalanobis" else None,
        rng=rng,
    )
    _nearest.refuse_no_match(pairs, agree, unit, int(t.sum()))
    weights = pairs.weights(len(table))
    kept = weights > 0
    estimand: Estimand = "att" if kept[t].all() else "atm"
    shown = _balance.columns(table, covariates)
    unmatched = _balance.check_unmatched(t, kept, estimand=estimand, shown=shown)
    overlap = _balance.check_overlap(t, score.probability, estimand=estimand)
    why = _nearest.reasons(pairs, agree, unit)
    found = _balance.balance_of(
        shown,
        t,
        estimand=estimand,
        weights=weights,
        score=score.probability,
        max_smd=max_smd,
        checks=(
            dataclasses.replace(unmatched, text=f"{unmatched.text} {why}".strip()),
            overlap,
            _balance.check_parameters(t, len(score.coefficients)),
        ),
        call="matching.nearest",
    )
    return Matched(
        table=_nearest.matched_rows(table, pairs, weights, replace=replace),
        treated=treated,
        covariates=covariates if isinstance(covariates, str) else tuple(covariates),
        estimand=estimand,
        balance=found,
        flow=_balance.flow(
            t, kept, stages=("matched", "unmatched"), title="Nearest-neighbour matching"
        ),
        score=pd.Series(score.probability, index=table.index, name="propensity_score"),
        pairs=_nearest.pairs_table(pairs, table.index),
        variance="HC3" if replace else "sets",
        sentences=_nearest.sentences(
            pairs=pairs,
            score=score,
            covariates=covariates,
            ratio=ratio,
            replace=replace,
            caliper_sd=caliper_sd,
            caliper_scale=caliper_scale,
            width=width,
            exact=agree,
            order=order,
            unit=unit,
            distance=distance,
            overlap=overlap,
        ),
    )


# Balance


def balance(
    table: pd.DataFrame,
    *,
    treated: str,
    covariates: str | Sequence[str],
    weights: Any = None,
    estimand: Estimand = "att",
    score: Any = None,
    max_smd: float = 0.1,
) -> ResultSet:
    """Do programme and comparison cases look alike, before and after weighting?

    Parameters
    ----------
    table : DataFrame, one row per case
        Complete in the columns that are named.
    treated : str
        Column of true and false, or of ``"programme"`` and ``"comparison"``.
    covariates : str or sequence of str
        Column names, or a formula's right-hand side such as ``"age + C(site)"``. Balance is
        shown on the columns that a formula names, not on what it makes of them. Numbers are
        one line each; a column of words, or one in ``C(…)``, has a line for every level
        ("site: north"), the reference level too.
    weights : str, Series or array, optional
        One weight a row, none below 0; 0 for rows that were left out. With it, everything is
        also shown ``"after"``.
    estimand : {'att', 'atm', 'ate', 'atc', 'ato'}
        By whose spread differences are divided; see Notes.
    score : str, Series or array, optional
        Propensity score, shown as the first line and not held to `max_smd`.
    max_smd : float
        The check ``worst_smd`` fails beyond this standardised difference of means.

    Returns
    -------
    ResultSet
        By ``term`` (the covariate, or its level) and ``subgroup`` (``"before"``,
        ``"after"``): ``mean`` and ``std_dev`` by ``group``, ``smd``, ``variance_ratio``,
        ``ecdf_mean``, ``ecdf_max``; and ``ess``, the effective sample size, by ``group``. A
        variance ratio does not exist for a line of zeros and ones: its variance follows from
        its mean. Checks: ``worst_smd``; ``spread`` and ``variance_ratio`` where a group does
        not vary; ``overlap`` where a score is given.

    Raises
    ------
    DataError
        For a missing or incomplete column; for weights below 0, all 0 in an arm, or not one
        a row.
    DesignError
        For an empty arm, a covariate that never varies or an estimand that does not exist.

    Notes
    -----
    **Assumptions.** None: balance describes these cases. It says nothing of what was not
    measured, and no test of significance is given, because whether a difference matters does
    not depend on how many cases there are (Imai, King and Stuart 2008).

    With shares wᵢ that sum to one in each arm: mean m = Σwᵢxᵢ, variance
    Σwᵢ(xᵢ − m)²/(1 − Σwᵢ²), for zeros and ones m(1 − m), effective sample size 1/Σwᵢ².
    The standardised difference is (m₁ − m₀)/s, where s is the standard deviation *before*
    weighting: of the programme for att and atm, of the comparison for atc, otherwise the root
    of the mean of both variances. Where that is 0, it is the spread of all rows, and the check
    ``spread`` says so. ``ecdf_mean`` and ``ecdf_max`` are the mean and the largest distance
    between the two cumulative distributions, over the distinct values of all rows.

    References
    ----------
    Stuart EA (2010). Matching methods for causal inference: a review and a look forward.
    Statistical Science 25, 1.

    Imai K, King G, Stuart EA (2008). Misunderstandings between experimentalists and
    observationalists about causal inference. Journal of the Royal Statistical Society
    Series A 171, 481.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme"] * 4 + ["comparison"] * 4,
    ...                       "age": [30, 32, 34, 36, 32, 34, 40, 46],
    ...                       "kept": [0, 1, 1, 0, 1, 1, 0, 0]})
    >>> found = balance(table, treated="arm", covariates=["age"], weights="kept")
    >>> round(found.one(measure="smd", subgroup="before").estimate, 2)
    -1.94
    >>> found.one(measure="smd", subgroup="after").estimate
    0.0
    """
    _balance.known_estimand(estimand, tuple(ESTIMANDS))
    t = both_arms(table, treated)
    shown = _balance.columns(table, covariates)
    given = None if weights is None else _balance.weight_values(table, t, weights)
    probability = None if score is None else _balance.row_values(table, score, "score")
    checks = []
    if probability is not None:
        if probability.min() == probability.max():
            raise DesignError("the score never varies; leave it out.")
        checks.append(_balance.check_overlap(t, probability, estimand=estimand))
    return _balance.balance_of(
        shown,
        t,
        estimand=estimand,
        weights=given,
        score=probability,
        max_smd=max_smd,
        checks=checks,
    )
