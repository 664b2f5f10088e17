"""Who is comparable with whom: propensity scores, matching, weighting and balance.

Nothing in this file takes an outcome. Whoever has a `Matched` or `Weighted` in hand has
finished designing the comparison, and may look at outcomes next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drive_eval.errors import DesignError
from drive_eval.models import _balance
from drive_eval.models._score import both_arms
from drive_eval.vocabulary import ESTIMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from drive_eval.results import ResultSet
    from drive_eval.vocabulary import Estimand

__all__ = ["balance"]


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
