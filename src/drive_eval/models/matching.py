"""Who is comparable with whom: propensity scores, matching, weighting and balance.

Nothing in this file takes an outcome. Whoever has a `Matched` or `Weighted` in hand has
finished designing the comparison, and may look at outcomes next.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from drive_eval.errors import DesignError
from drive_eval.models import _arguments, _balance, _nearest, _strata, _weights
from drive_eval.models._design import Matched
from drive_eval.models._regression import clusters, covariate_table, design_matrix
from drive_eval.models._score import both_arms, propensity
from drive_eval.results import Check
from drive_eval.vocabulary import ESTIMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.models._design import Weighted
    from drive_eval.models._strata import Cutpoints
    from drive_eval.results import ResultSet
    from drive_eval.vocabulary import Estimand

__all__ = ["balance", "cem", "entropy_balance", "nearest", "propensity_weights", "subclass"]


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
    order: Literal["largest", "smallest", "closest", "random", "data"] | None = None,
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
    order : {'largest', 'smallest', 'closest', 'random', 'data'}, optional
        Who chooses first: the highest or the lowest score, whoever makes the closest pair
        that is left, a random order, or the order of the table. By default ``"largest"`` for
        scores and ``"data"`` for Mahalanobis distances. With replacement it does not matter.
    unit : str, optional
        Column of persons. A comparison person with several rows (several index dates) is used
        once without replacement, with replacement once for a case; no case is matched to a
        row of its own person.
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
    if order is None:
        order = "data" if distance == "mahalanobis" else "largest"
    t = both_arms(table, treated, covariates=covariates)
    _nearest.refuse_arguments(
        ratio=ratio,
        replace=replace,
        caliper_sd=caliper_sd,
        caliper_scale=caliper_scale,
        order=order,
        distance=distance,
        rng=rng,
    )
    _balance.positive(max_smd, "max_smd")
    _balance.refuse_taken(table, ("weight", "matched_set"))
    _nearest.refuse_repeated_labels(table)
    agree = tuple(_arguments.column_names(exact, "exact"))
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
    repeated = units is not None and len(np.unique(units)) < len(units)
    _nearest.refuse_no_match(
        pairs,
        agree,
        cases=int(t.sum()),
        caliper=caliper_sd is not None,
        unit=unit if repeated else None,
    )
    weights = pairs.weights(len(table))
    kept = weights > 0
    estimand: Estimand = "att" if kept[t].all() else "atm"
    shown = _balance.columns(table, covariates)
    unmatched = _balance.check_unmatched(t, kept, estimand=estimand, shown=shown)
    within = "" if caliper_sd is None else " within the caliper"
    overlap = _balance.check_overlap(
        t, score.probability, estimand=estimand, kept=kept, sought=f"match{within}"
    )
    why = _nearest.reasons(
        pairs, agree, caliper=caliper_sd is not None, unit=unit if repeated else None
    )
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
            *(() if distance == "mahalanobis" else (_nearest.check_ties(line, t, pairs, strata),)),
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
        counted=_nearest.counted(pairs=pairs, score=score, ratio=ratio, overlap=overlap),
        sentences=_nearest.sentences(
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
        ),
    )


# Strata


def subclass(
    table: pd.DataFrame,
    *,
    treated: str,
    covariates: str | Sequence[str],
    subclasses: int = 5,
    estimand: Estimand = "att",
    max_smd: float = 0.1,
) -> Matched:
    """Who is comparable when cases are put into classes of similar propensity score?

    Nobody is left out: every case belongs to one class, and weights make the classes of both
    arms equally large.

    Parameters
    ----------
    table : DataFrame, one row per case
        Complete in the columns that are named; without columns "weight" and "matched_set".
    treated : str
        Column of true and false, or of ``"programme"`` and ``"comparison"``.
    covariates : str or sequence of str
        Of the score: column names, or a formula's right-hand side such as ``"age + C(site)"``.
    subclasses : int, at least 2
    estimand : {'att', 'ate', 'atc'}
        Decides among whom the classes are equally large, and the weights.
    max_smd : float
        The check ``worst_smd`` fails beyond this standardised difference of means.

    Returns
    -------
    Matched
        ``matched_set`` is the class, from 1 for the lowest scores; ``variance`` is ``"HC3"``.
        `balance` holds the checks ``unmatched``, ``overlap``, ``parameters``,
        ``smallest_subclass`` and ``worst_smd``, and a table ``subclasses`` of counts.

    Raises
    ------
    DataError
        For a missing or incomplete column.
    DesignError
        For an empty arm, covariates that separate the arms or repeat each other, or an arm
        with fewer cases than there are classes.

    Notes
    -----
    **Assumptions.** Within a class, who is in the programme has nothing to do with the
    outcome. Five classes remove about nine tenths of the bias due to a confounder, not all of
    it (Rosenbaum and Rubin 1984): the differences that remain within classes are in `balance`.

    Classes are cut at quantiles (R's type 7) of the scores of programme cases (att), of
    comparison cases (atc) or of everybody (ate). A class without one of the arms is given
    that arm's nearest case of a neighbouring class. With n₁ₛ and n₀ₛ cases of the arms in
    class s, comparison cases weigh n₁ₛ/n₀ₛ under att, programme cases n₀ₛ/n₁ₛ under atc, and
    under ate everybody (n₁ₛ + n₀ₛ) over the number of the own arm; weights are then made to sum
    to the number of cases of each arm. Checked against MatchIt 4.7.2.

    References
    ----------
    Rosenbaum PR, Rubin DB (1984). Reducing bias in observational studies using
    subclassification on the propensity score. Journal of the American Statistical
    Association 79, 516.

    Stuart EA (2010). Matching methods for causal inference: a review and a look forward.
    Statistical Science 25, 1.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme", "comparison", "comparison"] * 20,
    ...                       "age": [20 + 7 * i % 31 for i in range(60)]})
    >>> made = subclass(table, treated="arm", covariates=["age"], subclasses=4)
    >>> made.table["matched_set"].nunique(), made.estimand, made.variance
    (4, 'att', 'HC3')
    """
    _balance.known_estimand(estimand, ("att", "ate", "atc"))
    _arguments.count(subclasses, "subclasses", least=2)
    t = both_arms(table, treated, covariates=covariates)
    _balance.refuse_taken(table, ("weight", "matched_set"))
    score = propensity(table, treated=treated, covariates=covariates)
    population = {"att": t, "atc": ~t}.get(estimand, np.ones_like(t))
    cuts = _strata.quantile_cuts(score.probability, population, subclasses)
    strata, moved = _strata.cut(score.probability, t, cuts)
    count = int(strata.max()) + 1
    table_of_counts = _strata.count_table(strata, t)
    smallest = min(table_of_counts.cells, key=lambda cell: cell.count or 0)
    within = {"att": "programme cases", "atc": "comparison cases"}.get(estimand, "all cases")
    sentences = [
        _balance.score_sentence(covariates, score.design.references),
        f"Cases were put into {count} subclasses at quantiles of the scores of {within}, and "
        f"weighted so that each subclass has the share that it has among {within}.",
    ]
    if count < subclasses:
        sentences.append(
            f"{subclasses} subclasses were asked for; many scores are equal, so there are {count}."
        )
    if moved:
        sentences.append(
            f"{moved} {'case was' if moved == 1 else 'cases were'} moved to a neighbouring "
            "subclass that had nobody of that arm."
        )
    return _strata.matched(
        table,
        t,
        treated=treated,
        covariates=covariates,
        strata=strata,
        estimand=estimand,
        became=estimand,
        max_smd=max_smd,
        score=score.probability,
        checks=[
            _balance.check_overlap(t, score.probability, estimand=estimand),
            _balance.check_parameters(t, len(score.coefficients)),
            Check(
                name="smallest_subclass",
                statistic=float(smallest.count or 0),
                text=f"The fewest {smallest.key[1]} cases are in subclass {smallest.key[0]}: "
                f"{smallest.count}.",
            ),
        ],
        tables=(table_of_counts,),
        variance="HC3",
        sentences=sentences,
        call="matching.subclass",
    )


def cem(
    table: pd.DataFrame,
    *,
    treated: str,
    covariates: str | Sequence[str],
    cutpoints: Cutpoints | None = None,
    estimand: Estimand = "att",
    max_smd: float = 0.1,
) -> Matched:
    """Who is comparable when cases must agree on every covariate, coarsened to bins?

    Coarsened exact matching: cases that fall into the same bin of every covariate make a
    stratum; strata with cases of one arm only are left out.

    Parameters
    ----------
    table : DataFrame, one row per case
        Complete in the columns that are named; without columns "weight" and "matched_set".
    treated : str
        Column of true and false, or of ``"programme"`` and ``"comparison"``.
    covariates : str or sequence of str
        Column names. Of a formula, the columns that it names; those in ``C(…)`` as they are.
    cutpoints : mapping of column to numbers or ``"exact"``, optional
        Where a column of numbers is cut, in rising order, in its own unit; a value at a
        cutpoint belongs to the upper bin. ``"exact"`` leaves the column as it is. Columns
        that are not named are cut into bins of equal width (Sturges' rule). Categories are
        always as they are. For exact matching on everything give ``"exact"`` for every
        column of numbers.
    estimand : {'att', 'ate', 'atc'}
        Whose average effect is wanted.
    max_smd : float
        The check ``worst_smd`` fails beyond this standardised difference of means.

    Returns
    -------
    Matched
        The cases in strata with both arms; ``matched_set`` is the stratum, from 1. Where
        programme cases were left out, ``estimand`` became ``"atm"``. `balance` holds the
        checks ``unmatched``, ``overlap`` and ``worst_smd``.

    Raises
    ------
    DataError
        For a missing or incomplete column.
    DesignError
        For an empty arm, cutpoints that are not in rising order or of an unknown column, or if
        no stratum holds both arms.

    Notes
    -----
    **Assumptions.** Among cases of the same stratum, who is in the programme has nothing to do
    with the outcome. The bins are so narrow that what differs within them does not matter.
    The effect is that among the cases that were kept.

    Sturges' rule makes ⌈log₂ n + 1⌉ bins of equal width from the least to the largest value of
    all n rows. Weights as in `subclass`: under att comparison cases weigh n₁ₛ/n₀ₛ, made to sum
    to the number of comparison cases that were kept. Checked against MatchIt 4.7.2.

    References
    ----------
    Iacus SM, King G, Porro G (2012). Causal inference without balance checking: coarsened
    exact matching. Political Analysis 20, 1.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme"] * 3 + ["comparison"] * 5,
    ...                       "site": ["north", "north", "south"] + ["north"] * 4 + ["east"],
    ...                       "age": [21, 45, 30, 22, 23, 24, 47, 31]})
    >>> made = cem(table, treated="arm", covariates=["site", "age"], cutpoints={"age": [25, 40]})
    >>> made.table["weight"].round(2).tolist(), made.estimand
    ([1.0, 1.0, 0.67, 0.67, 0.67, 2.0], 'atm')
    """
    _balance.known_estimand(estimand, ("att", "ate", "atc"))
    t = both_arms(table, treated, covariates=covariates)
    _balance.refuse_taken(table, ("weight", "matched_set"))
    formula, ready = covariate_table(table, covariates)
    every, how = _strata.coarsened(ready, cutpoints, exact=_balance.coded(formula))
    strata = _strata.with_both_arms(every, t)
    inside = strata != _strata.NOBODY
    became: Estimand = "atm" if estimand == "att" and (t & ~inside).any() else estimand
    both, all_strata = int(strata.max()) + 1, int(every.max()) + 1
    focal = {"att": t, "atc": ~t}.get(estimand, np.ones_like(t))
    alone = float((focal & ~inside).sum() / focal.sum())
    overlap = Check(
        name="overlap",
        passed=alone <= _balance.MAX_OUTSIDE,
        statistic=alone,
        threshold=_balance.MAX_OUTSIDE,
        text=f"{both:,} of {all_strata:,} strata hold cases of both arms; "
        f"{100 * alone:.1f}% of those whom the estimand speaks of are in the others.",
    )
    return _strata.matched(
        table,
        t,
        treated=treated,
        covariates=covariates,
        strata=strata,
        estimand=estimand,
        became=became,
        max_smd=max_smd,
        checks=[overlap],
        sentences=[
            f"Cases were matched exactly on coarsened covariates: {'; '.join(how)}.",
            f"Of {all_strata:,} strata {both:,} hold cases of both arms and were kept; cases "
            "were weighted so that both arms have the same share in each.",
        ],
        call="matching.cem",
    )


# Weights


def propensity_weights(
    table: pd.DataFrame,
    *,
    treated: str,
    covariates: str | Sequence[str],
    estimand: Estimand = "att",
    stabilised: bool = False,
    trim: tuple[float, float] | None = None,
    truncate: float | None = None,
    max_smd: float = 0.1,
) -> Weighted:
    """How much must each case count for the arms to be alike in their propensity score?

    Parameters
    ----------
    table : DataFrame, one row per case
        Complete in the columns that are named; without a column "weight".
    treated : str
        Column of true and false, or of ``"programme"`` and ``"comparison"``.
    covariates : str or sequence of str
        Of the score: column names, or a formula's right-hand side such as ``"age + C(site)"``.
    estimand : {'att', 'ate', 'atc', 'ato'}
        Whose average effect is wanted; ``"ato"`` are overlap weights, which leave nobody out
        and have no large weight.
    stabilised : bool
        Under ate, multiply the weights by the share of the own arm, so that they are about 1
        on average. Weighted means do not change.
    trim : (low, high), two probabilities, optional
        Leave out cases with a score below low or above high, and fit the score again on
        those who stay. The effect is then that among those who stay.
    truncate : float, between 0.5 and 1, optional
        Bring the weights beyond the quantiles 1 − truncate and truncate to these: of the arm
        that is weighted under att and atc, of both arms together under ate and ato. The arms
        are then less alike, and less at the mercy of a few cases.
    max_smd : float
        The check ``worst_smd`` fails beyond this standardised difference of means.

    Returns
    -------
    Weighted
        `balance` holds the checks ``unmatched`` (who was trimmed), ``overlap``,
        ``effective_size`` (fails where weights leave an arm worth fewer than 20 cases or a
        tenth of its own), ``parameters`` and ``worst_smd``. With `trim`, `score` is the one
        by which cases were trimmed; the weights come from the one that was fitted again.

    Raises
    ------
    DataError
        For a missing or incomplete column.
    DesignError
        For an empty arm, before or after trimming, covariates that separate the arms or
        repeat each other, or limits that make no sense.

    Notes
    -----
    **Assumptions.** Among cases with the same covariates, who is in the programme has nothing
    to do with the outcome; every case could have been in either arm; the logistic model of the
    score is right.

    With score e and target h (e under att, 1 − e under atc, 1 under ate, e(1 − e) under ato)
    programme cases weigh h/e and comparison cases h/(1 − e). A weighted mean m in arm a is
    Σwᵢyᵢ/Σwᵢ; because the score was estimated, row i contributes
    wᵢ(yᵢ − m)/Σw + ψᵢ·Σⱼ wⱼ′(yⱼ − m)/Σw to it, with ψᵢ its `influence` on the coefficients and
    wⱼ′ the `slopes`. Taking the weights for given makes the standard error of att and ate
    wrong, usually too large. Limits of trimming and truncation are taken for given.

    References
    ----------
    Li F, Morgan KL, Zaslavsky AM (2018). Balancing covariates via propensity score weighting.
    Journal of the American Statistical Association 113, 390.

    Lunceford JK, Davidian M (2004). Stratification and weighting via the propensity score in
    estimation of causal treatment effects: a comparative study. Statistics in Medicine 23,
    2937.

    Crump RK, Hotz VJ, Imbens GW, Mitnik OA (2009). Dealing with limited overlap in estimation
    of average treatment effects. Biometrika 96, 187.

    Cole SR, Hernán MA (2008). Constructing inverse probability weights for marginal structural
    models. American Journal of Epidemiology 168, 656.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme", "comparison", "comparison"] * 20,
    ...                       "age": [20 + 7 * i % 31 for i in range(60)]})
    >>> made = propensity_weights(table, treated="arm", covariates=["age"], estimand="ato")
    >>> abs(made.balance.one(measure="smd", term="age", subgroup="after").estimate) < 1e-9
    True
    """
    _balance.known_estimand(estimand, ("att", "ate", "atc", "ato"))
    _arguments.flag(stabilised, "stabilised")
    if stabilised and estimand != "ate":
        raise DesignError('only weights of estimand "ate" are stabilised.')
    _weights.refuse_limits(trim, truncate)
    t = both_arms(table, treated, covariates=covariates)
    _balance.refuse_taken(table, ("weight",))
    score = first = propensity(table, treated=treated, covariates=covariates)
    kept = np.ones_like(t)
    sentences = [_balance.score_sentence(covariates, score.design.references)]
    if trim is not None:
        kept = (first.probability >= trim[0]) & (first.probability <= trim[1])
        score = _weights.refitted(table, kept, first, treated=treated, covariates=covariates)
        sentences.append(
            f"Cases with a score below {trim[0]:g} or above {trim[1]:g} were left out "
            f"({int((t & ~kept).sum()):,} programme and {int((~t & ~kept).sum()):,} comparison "
            "cases), and the score was estimated again among those who stay."
        )
    made = _weights.score_weights(score, estimand, stabilised=stabilised)
    sentences.append(_weights.SENTENCES[estimand])
    if stabilised:
        sentences.append("Weights were multiplied by the share of the own arm.")
    if truncate is not None:
        made, low, high, changed = _weights.cap(made, truncate)
        sentences.append(
            f"{changed:,} {'weight' if changed == 1 else 'weights'} beyond the quantiles "
            f"{1 - truncate:g} and {truncate:g} {'was' if changed == 1 else 'were'} "
            f"brought to these ({low:.3g} and {high:.3g}), which are taken for given; the arms "
            "are less alike for it."
        )
    made = _weights.spread_out(made, kept)
    why = "" if trim is None else f"a score outside {trim[0]:g} to {trim[1]:g}"
    return _weights.weighted(
        table,
        t,
        made,
        treated=treated,
        covariates=covariates,
        estimand=estimand,
        kept=kept,
        why=why,
        score=first.probability,
        max_smd=max_smd,
        checks=[
            _balance.check_overlap(score.treated, score.probability, estimand=estimand),
            _weights.check_size(made.weight, t),
            _balance.check_parameters(score.treated, len(score.coefficients)),
        ],
        sentences=sentences,
        call="matching.propensity_weights",
    )


def entropy_balance(
    table: pd.DataFrame,
    *,
    treated: str,
    covariates: str | Sequence[str],
    estimand: Estimand = "att",
    moments: int = 1,
    max_smd: float = 0.1,
) -> Weighted:
    """How much must each case count for the arms to have exactly the same means?

    Of all weights that give the arm the wanted means, entropy balance takes those that are
    most even.

    Parameters
    ----------
    table : DataFrame, one row per case
        Complete in the columns that are named; without a column "weight".
    treated : str
        Column of true and false, or of ``"programme"`` and ``"comparison"``.
    covariates : str or sequence of str
        Column names, or a formula's right-hand side such as ``"age + C(site)"``.
    estimand : {'att', 'ate', 'atc'}
        Under att comparison cases are given the means of programme cases, under atc the other
        way round; under ate both arms are given the means of everybody.
    moments : int, at least 1
        1 balances means, 2 variances too, 3 skewness too. A column of two values has a mean only.
    max_smd : float
        The check ``worst_smd`` fails beyond this standardised difference of means.

    Returns
    -------
    Weighted
        Weights of an arm sum to the number of cases whose means it was given. `score` is
        None. `balance` holds the checks ``unmatched``, ``overlap`` (what the weighted arm is
        worth), ``parameters`` and ``worst_smd``.

    Raises
    ------
    DataError
        For a missing or incomplete column.
    DesignError
        For an empty arm, covariates that repeat each other, or if no weights can reach the
        wanted means; the covariates that stand in the way are named.

    Notes
    -----
    **Assumptions.** Among cases with the same covariates, who is in the programme has nothing
    to do with the outcome. Either the score is logistic or the outcome without the programme
    is linear in what was balanced: one of the two is enough (Zhao and Percival 2017).

    Weights minimise Σwᵢ log wᵢ under Σwᵢxᵢ = Σ target·x and Σwᵢ = Σ target, so that
    wᵢ = exp(α + λ·xᵢ). The dual is convex and is minimised by Newton's method with a line
    search until means agree to 1e-10 standard deviations. Its estimating equations,
    Σ(targetᵢ − wᵢ)(1, xᵢ) = 0, hold the means that were aimed at as well as λ, so that
    `influence` knows that both were estimated.

    References
    ----------
    Hainmueller J (2012). Entropy balancing for causal effects: a multivariate reweighting
    method to produce balanced samples in observational studies. Political Analysis 20, 25.

    Zhao Q, Percival D (2017). Entropy balancing is doubly robust. Journal of Causal Inference
    5, 20160010.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme", "comparison", "comparison"] * 20,
    ...                       "age": [20 + 7 * i % 31 for i in range(60)]})
    >>> made = entropy_balance(table, treated="arm", covariates=["age"])
    >>> programme, comparison = (
    ...     made.balance.one(measure="mean", term="age", group=group, subgroup="after").estimate
    ...     for group in ("programme", "comparison"))
    >>> abs(programme - comparison) < 1e-9
    True
    """
    _balance.known_estimand(estimand, ("att", "ate", "atc"))
    _arguments.count(moments, "moments")
    t = both_arms(table, treated, covariates=covariates)
    _balance.refuse_taken(table, ("weight",))
    design = design_matrix(table, covariates)
    made = _weights.entropy_weights(design, t, estimand, moments)
    named = covariates if isinstance(covariates, str) else ", ".join(covariates)
    whose = {
        "att": "comparison cases have those of programme cases",
        "atc": "programme cases have those of comparison cases",
        "ate": "each arm has those of all cases",
    }[estimand]
    balanced = {1: "means", 2: "means and variances"}.get(moments, f"first {moments} moments")
    return _weights.weighted(
        table,
        t,
        made,
        treated=treated,
        covariates=covariates,
        estimand=estimand,
        kept=np.ones_like(t),
        max_smd=max_smd,
        checks=[
            _weights.check_worth(made.weight, t),
            _weights.check_size(made.weight, t),
            _balance.check_parameters(t, made.influence.shape[1], of="entropy balance"),
        ],
        sentences=[
            f"Cases were weighted by entropy balance on {named}: of all weights with which "
            f"the {balanced} agree ({whose}), the most even were taken."
        ],
        call="matching.entropy_balance",
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
    t = both_arms(table, treated, covariates=covariates)
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
