"""How far can ratings be relied on: do items hang together, do two reporters say the same?

The only file that knows pingouin. What pingouin rounds, leaves out or takes from the wrong
number of rows (limits of alpha and of intraclass correlations, kappa) is worked out here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from scipy import stats

from drive_eval.errors import DataError, DesignError, UndefinedResultError, did_you_mean
from drive_eval.measures import _agreement
from drive_eval.results import Check, CountTable, Estimate, Provenance, ResultSet
from drive_eval.vocabulary import ABUSE_TYPES, REPORTERS, SEVERITY, TIME_POINTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

__all__ = ["internal_consistency", "intraclass_correlation", "kappa", "reporter_agreement"]

_FEWEST_SCORES = 5  # of pingouin


def internal_consistency(
    table: pd.DataFrame, *, items: Sequence[str], outcome: str = "", conf_level: float = 0.95
) -> ResultSet:
    """Do the items of a scale hang together?

    Parameters
    ----------
    table : DataFrame, one row per person
        Rows that lack an item are left out and counted.
    items : sequence of str
        Two or more columns of numbers.
    outcome : str
        Name of the scale.
    conf_level : float, between 0 and 1
        Coverage of the interval.

    Returns
    -------
    ResultSet
        ``alpha`` (Cronbach's; 1 if all items rise and fall together, negative if they go
        against each other). The Check ``missing_ratings`` counts rows left out.

    Raises
    ------
    DataError
        If a column is missing or does not hold numbers, or `conf_level` makes no sense.
    DesignError
        If there are fewer than two items.
    UndefinedResultError
        If fewer than two rows are complete, or the total does not vary.

    Notes
    -----
    **Assumptions.** Rows are independent, items measure one thing on one scale. Alpha rises
    with the number of items and does not show that they measure one thing.

    With k items of variance vⱼ and a total of variance v, alpha = k/(k − 1)·(1 − Σvⱼ/v), from
    pingouin on complete rows. Limits 1 − (1 − alpha)·F(1 ∓ level) with n − 1 and
    (n − 1)(k − 1) degrees of freedom (Feldt) are worked out here: pingouin rounds them to
    three places, and after leaving rows out still counts them. Checked against R
    ``psych::alpha``, version 2.2.9.

    References
    ----------
    Feldt LS, Woodruff DJ, Salih FA (1987). Statistical inference for coefficient alpha.
    Applied Psychological Measurement 11, 93.

    Examples
    --------
    >>> answers = pd.DataFrame({"a": [1, 2, 3, 4, 5], "b": [2, 2, 3, 5, 5], "c": [1, 3, 3, 4, 4]})
    >>> found = internal_consistency(answers, items=["a", "b", "c"]).one(measure="alpha")
    >>> print(f"{found.estimate:.3f} ({found.conf_low:.3f} to {found.conf_high:.3f})")
    0.954 (0.766 to 0.995)
    """
    _level(conf_level)
    values, check = _complete(table, items, "items", outcome)
    n, k = values.shape
    if values.sum(axis=1).var() <= _agreement.NOTHING * (values**2).mean():
        raise UndefinedResultError(
            f"the total of the {k} items is the same in all {n} rows, so that alpha does not exist."
        )
    import pingouin

    alpha = float(pingouin.cronbach_alpha(pd.DataFrame(values))[0])
    low, high = (
        1 - (1 - alpha) * float(stats.f.ppf(level, n - 1, (n - 1) * (k - 1)))
        for level in ((1 + conf_level) / 2, (1 - conf_level) / 2)
    )
    sure = alpha < 1 - _agreement.NOTHING
    checks = [check]
    if not sure:
        checks.append(
            _agreement.no_interval("alpha", "the items are copies of each other", outcome)
        )
    estimate = Estimate(
        outcome=outcome,
        measure="alpha",
        estimate=alpha,
        conf_low=low if sure else None,
        conf_high=high if sure else None,
        conf_level=conf_level,
        n=n,
        method="Cronbach's alpha, Feldt",
    )
    return ResultSet(
        estimates=(estimate,),
        checks=tuple(checks),
        assumptions=("People are independent of each other; items measure one thing.",),
        provenance=Provenance(call="reliability.internal_consistency"),
    )


def intraclass_correlation(
    table: pd.DataFrame, *, raters: Sequence[str], outcome: str = "", conf_level: float = 0.95
) -> ResultSet:
    """How much of what scores differ by lies between the cases, and not between the raters?

    Parameters
    ----------
    table : DataFrame, one row per case
        Rows that lack a rater's score are left out and counted.
    raters : sequence of str
        Two or more columns of numbers: the score that each rater gave.
    outcome : str
        What was rated.
    conf_level : float, between 0 and 1
        Coverage of the intervals.

    Returns
    -------
    ResultSet
        ``icc`` six times, told apart by ``term`` (McGraw and Wong): of one score ``ICC(1,1)``
        (each case has raters of its own), ``ICC(A,1)`` (the same raters, do they agree?) and
        ``ICC(C,1)`` (do they put cases in the same order?), and of the mean of all k raters
        ``ICC(1,k)``, ``ICC(A,k)``, ``ICC(C,k)``. The Check ``raters_differ`` tests whether
        one rater scores higher than another. Where raters disagree more within cases than cases
        differ, ``ICC(A,k)`` need not exist, nor the limits of the agreement forms: None, and
        the Checks ``icc_undefined`` and ``no_interval`` say so.

    Raises
    ------
    DataError
        If a column is missing or does not hold numbers, or `conf_level` makes no sense.
    DesignError
        If there are fewer than two raters, or one is named twice.
    UndefinedResultError
        If fewer than two rows are complete, or all scores, or all means of cases, are the same.

    Notes
    -----
    **Assumptions.** Cases are independent and scores are normal; a severity of four levels is
    neither a score nor normal, so use `kappa` for it. Choose the form beforehand.

    Points are pingouin's, from the mean squares between cases (B), within cases (W), between
    raters (J) and of the rest (E). Limits are worked out here, at any level, because
    pingouin gives 95 % ones rounded to two places: F limits on B/W and B/E, and
    Satterthwaite's for agreement (McGraw and Wong 1996). Checked against R ``psych::ICC``,
    version 2.2.9.

    References
    ----------
    McGraw KO, Wong SP (1996). Forming inferences about some intraclass correlation
    coefficients. Psychological Methods 1, 30.

    Examples
    --------
    >>> scores = pd.DataFrame({"idva": [9, 6, 8, 7, 10, 6], "case_manager": [6, 4, 6, 4, 8, 5]})
    >>> found = intraclass_correlation(scores, raters=["idva", "case_manager"])
    >>> for form in ("ICC(A,1)", "ICC(C,1)"):
    ...     print(form, round(found.one(term=form).estimate, 2))
    ICC(A,1) 0.46
    ICC(C,1) 0.89
    """
    _level(conf_level)
    values, check = _complete(table, raters, "raters", outcome)
    n, k = values.shape
    if n * k < _FEWEST_SCORES:
        raise UndefinedResultError(
            f"{n} complete rows of {k} raters are too few to tell cases from raters; at least "
            f"{_FEWEST_SCORES} scores are needed."
        )
    rows = values.mean(axis=1, keepdims=True) - values.mean()
    columns = values.mean(axis=0, keepdims=True) - values.mean()
    rest = values - values.mean() - rows - columns
    between = k * float((rows**2).sum()) / (n - 1)
    judges = n * float((columns**2).sum()) / (k - 1)
    error = float((rest**2).sum()) / ((n - 1) * (k - 1))
    within = (n * float((columns**2).sum()) + float((rest**2).sum())) / (n * (k - 1))
    if between + within <= _agreement.NOTHING * (values**2).mean():
        raise UndefinedResultError(
            f"all scores in {n} complete rows are the same: nothing varies that could lie between "
            "cases or between raters."
        )
    if between <= _agreement.NOTHING * within:
        raise UndefinedResultError(
            f"all {n} cases have the same mean score, so that nothing lies between them and the "
            "correlation of means does not exist."
        )
    checks = [check]
    if error <= _agreement.NOTHING * (between + within):
        points = _agreement.without_error(between, judges, within, n, k)
        limits: dict[str, tuple[float, float] | None] = dict.fromkeys(points)
        why = "raters differ by the same amount in every case, so that nothing is left to chance"
        checks.append(_agreement.no_interval("icc", why, outcome))
    else:
        points = _pingouin_points(values)
        limits = _agreement.icc_limits(
            between, judges, error, within, n, k, points["ICC(A,1)"], conf_level
        )
        statistic = judges / error
        checks.append(
            Check(
                name="raters_differ",
                statistic=statistic,
                df=k - 1,
                p_value=float(stats.f.sf(statistic, k - 1, (n - 1) * (k - 1))),
                outcome=outcome,
                text="does one rater score higher than another? (F test; if so, ICC(1,1) and "
                "ICC(1,k) do not describe these raters)",
            )
        )
    estimates = []
    for term, value in points.items():
        point, pair = _agreement.sensible(term, value, limits[term], points["ICC(A,1)"], k)
        if point is None:
            text = f"{term} does not exist: raters disagree more than the mean of {k} can show."
            checks.append(Check(name="icc_undefined", outcome=outcome, text=text))
        elif pair is None and limits[term] is not None:
            why = "raters disagree more within cases than cases differ"
            checks.append(_agreement.no_interval(term, why, outcome))
        estimates.append(
            Estimate(
                outcome=outcome,
                measure="icc",
                term=term,
                estimate=point,
                conf_low=None if pair is None else pair[0],
                conf_high=None if pair is None else pair[1],
                conf_level=conf_level,
                n=n,
                method=f"intraclass correlation, {k} raters, McGraw and Wong",
            )
        )
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=("Cases are independent of each other and scores are normal.",),
        provenance=Provenance(call="reliability.intraclass_correlation"),
    )


def kappa(
    table: pd.DataFrame,
    *,
    first: str,
    second: str,
    levels: Sequence[Any],
    outcome: str = "",
    unit: str = "",
    conf_level: float = 0.95,
) -> ResultSet:
    """Do two raters put the same cases into the same category, beyond what chance gives?

    Parameters
    ----------
    table : DataFrame, one row per case
        Rows that lack one of the ratings are left out and counted.
    first, second : str
        Columns of the two raters.
    levels : sequence
        Every category that could be given, in order, e.g. ``[False, True]`` or the levels of
        severity.
    outcome, unit : str
        What was rated, and what one row is.
    conf_level : float, between 0 and 1
        Coverage of the intervals.

    Returns
    -------
    ResultSet
        ``agreement`` (share of rows rated alike, Wilson) and ``kappa`` with ``term``
        ``"unweighted"``, and with three or more levels also ``"linear"`` and ``"quadratic"``
        (a disagreement counts by its distance, or the square of it). With two levels also
        ``pabak`` (kappa as it would be with both levels equally common and no bias),
        ``prevalence_index`` (both say the second level minus both say the first, over all)
        and ``bias_index`` (only the first rater says the second level minus only the second
        rater does, over all). The CountTable ``ratings`` holds every pair of levels.

    Raises
    ------
    DataError
        If a column is missing or holds what is no level, or `conf_level` makes no sense.
    DesignError
        If there are fewer than two levels, or a level is named twice; if `first` is `second`.
    UndefinedResultError
        If no row has both ratings.

    Notes
    -----
    **Assumptions.** Rows are independent; the raters rate apart from each other. Kappa
    falls when one level is rare, however well raters agree: read it with the indices, and
    not between groups whose prevalence differs.

    With shares pᵢⱼ, weights wᵢⱼ = 1 − (|i − j|/(k − 1))^power, kappa = (Σwp − e)/(1 − e), e
    the same sum under independence; its variance is that of Fleiss, Cohen and Everitt (1969).
    It is not the paired comparison of prevalences: for that give the counts of the table to
    `prepost.paired_counts`. Checked against R ``psych::cohen.kappa``, version 2.2.9.

    References
    ----------
    Cohen J (1968). Weighted kappa: nominal scale agreement with provision for scaled
    disagreement or partial credit. Psychological Bulletin 70, 213.

    Byrt T, Bishop J, Carlin JB (1993). Bias, prevalence and kappa. Journal of Clinical
    Epidemiology 46, 423.

    Fleiss JL, Cohen J, Everitt BS (1969). Large sample standard errors of kappa and weighted
    kappa. Psychological Bulletin 72, 323.

    Examples
    --------
    >>> rated = pd.DataFrame([(1, 1)] * 20 + [(1, 0)] * 9 + [(0, 1)] + [(0, 0)] * 20,
    ...                      columns=["idva", "case_manager"])
    >>> found = kappa(rated, first="idva", second="case_manager", levels=[0, 1])
    >>> for name in ("kappa", "pabak", "bias_index"):
    ...     print(name, round(found.one(measure=name).estimate, 3))
    kappa 0.61
    pabak 0.6
    bias_index 0.16
    """
    _level(conf_level)
    names = _levels(levels)
    if first == second:
        raise DesignError(f'first and second are both "{first}", which agrees with itself.')
    one, two = (_ranks(table, name, levels) for name in (first, second))
    both = (one >= 0) & (two >= 0)
    n = int(both.sum())
    if n == 0:
        raise UndefinedResultError(
            f'no row has both a rating in "{first}" and one in "{second}", so nothing can be said '
            "about agreement."
        )
    size = len(names)
    counts = np.bincount(one[both] * size + two[both], minlength=size**2).reshape(size, size)
    labels = {"outcome": outcome, "unit": unit, "contrast": f"{first} v {second}"}
    estimates, checks = _agreement.kappas(counts, labels, conf_level)
    return ResultSet(
        estimates=tuple(estimates),
        checks=(_left_out(len(both) - n, len(both), outcome), *checks),
        tables=(_agreement.grid(counts, names, (first, second), outcome, unit),),
        assumptions=(
            "Rows are independent of each other; the raters did not know each other's rating.",
        ),
        provenance=Provenance(call="reliability.kappa"),
    )


def reporter_agreement(
    assessments: pd.DataFrame,
    *,
    abuse_type: str,
    time_point: str,
    reporters: tuple[str, str] = ("idva", "case_manager"),
    threshold: str = "standard",
    conf_level: float = 0.95,
) -> ResultSet:
    """Do the two reporters say the same of the same cases, and if not, who sees more?

    Parameters
    ----------
    assessments : DataFrame
        One row per rating: ``case_id, time_point, reporter, abuse_type, severity``.
        A missing severity is *not recorded*, never *none*.
    abuse_type, time_point : str
        Codes of the code lists.
    reporters : tuple of two str
        Codes of the code list; the first is set against the second.
    threshold : str
        From which level of severity on a type of abuse counts as used.
    conf_level : float, between 0 and 1
        Coverage of the intervals.

    Returns
    -------
    ResultSet
        As `kappa`, twice: over the levels of severity (``threshold`` empty) and over used or
        not (``threshold`` given, with ``pabak`` and the indices). The CountTable
        ``discordance`` counts cases in which both, only the first, only the second and
        neither reporter say that it was used; ``ratings`` every pair of levels. The Check
        ``rated_by_both`` says how many cases were rated by one reporter only.

    Raises
    ------
    DesignError
        If a reporter rated nothing of this kind, or a code is unknown.
    UndefinedResultError
        If no case was rated by both.

    Notes
    -----
    **Assumptions.** A case counts by the worst of its ratings; an IDVA speaks only for the
    victim-survivors whom she supports, a case manager for the perpetrator, so that some
    disagreement is about different people. Cases are independent. Cases rated by both stand
    for no others.

    For the ratio of what the two reporters see, in the same cases, pass the counts of
    ``discordance`` to `prepost.paired_counts`, with the second reporter as *before*:
    ``both``, ``before_only`` = only the second, ``after_only`` = only the first, ``neither``.

    References
    ----------
    Byrt T, Bishop J, Carlin JB (1993). Bias, prevalence and kappa. Journal of Clinical
    Epidemiology 46, 423.

    See Also
    --------
    kappa : The same for any two columns.

    Examples
    --------
    >>> rows = [("c1", "idva", "high"), ("c1", "case_manager", "none"), ("c2", "idva", "none"),
    ...         ("c2", "case_manager", "none"), ("c3", "idva", "standard"),
    ...         ("c3", "case_manager", "standard"), ("c4", "idva", "moderate")]
    >>> ratings = pd.DataFrame(rows, columns=["case_id", "reporter", "severity"])
    >>> ratings = ratings.assign(time_point="exit", abuse_type="physical")
    >>> found = reporter_agreement(ratings, abuse_type="physical", time_point="exit")
    >>> table = found.table("discordance")
    >>> table["both"], table["idva_only"], table["case_manager_only"], table["neither"]
    (1, 1, 0, 1)
    >>> print(found.check("rated_by_both").text)
    3 cases were rated by both; 1 by idva only, 0 by case_manager only.
    """
    _level(conf_level)
    first, second = _two_reporters(reporters)
    for code, known in ((abuse_type, ABUSE_TYPES), (time_point, TIME_POINTS)):
        if code not in known.codes:
            raise DesignError(f'"{code}" is no code of {known.name}.{_hint(code, known.codes)}')
    if threshold not in SEVERITY.codes[1:]:
        raise DesignError(
            f'"{threshold}" is no severity from which abuse counts.'
            f"{_hint(threshold, SEVERITY.codes[1:])}"
        )
    worst = _worst_ratings(assessments, abuse_type, time_point, (first, second))
    rated = worst.dropna()
    alone = {who: int(worst[who].notna().sum()) - len(rated) for who in (first, second)}
    said = f"{len(rated)} cases were rated by both; " + ", ".join(
        f"{count} by {who} only" for who, count in alone.items()
    )
    if rated.empty:
        raise UndefinedResultError(f"{said}, so nothing can be said about agreement.")
    size = len(SEVERITY.codes)
    flat = rated[first].astype(int) * size + rated[second].astype(int)
    counts = np.bincount(flat, minlength=size**2).reshape(size, size)
    cut = SEVERITY.codes.index(threshold)
    halves = (slice(None, cut), slice(cut, None))
    used = np.array([[counts[i, j].sum() for j in halves] for i in halves])
    labels = {
        "outcome": abuse_type,
        "unit": "enrolment",
        "subgroup": time_point,
        "contrast": f"{first} v {second}",
    }
    graded, checks = _agreement.kappas(counts, labels, conf_level)
    cutoff, more = _agreement.kappas(used, {**labels, "threshold": threshold}, conf_level)
    discordance = CountTable.from_counts(
        name="discordance",
        title=f"{abuse_type} at {time_point}: who says that it was used",
        unit="cases",
        dimensions=("reporter",),
        counts={
            ("both",): used[1, 1],
            (f"{first}_only",): used[1, 0],
            (f"{second}_only",): used[0, 1],
            ("neither",): used[0, 0],
        },
        totals={
            (first,): [("both",), (f"{first}_only",)],
            (second,): [("both",), (f"{second}_only",)],
            ("all",): [("both",), (f"{first}_only",), (f"{second}_only",), ("neither",)],
        },
        note=f"Used means {threshold} or worse.",
    )
    only = Check(
        name="rated_by_both",
        statistic=len(rated),
        outcome=abuse_type,
        text=f"{said}.",
    )
    return ResultSet(
        estimates=(*graded, *cutoff),
        checks=(only, *checks, *more),
        tables=(
            discordance,
            _agreement.grid(counts, SEVERITY.codes, (first, second), abuse_type, "cases"),
        ),
        assumptions=(
            "Cases are independent of each other; the reporters did not agree on their ratings.",
            "A case counts by its worst rating; the two reporters may speak of different people.",
        ),
        provenance=Provenance(call="reliability.reporter_agreement"),
    )


# What is read


def _level(conf_level: Any) -> None:
    if not isinstance(conf_level, (int, float)) or not 0 < conf_level < 1:
        raise DataError("conf_level must lie between 0 and 1, e.g. 0.95 for 95%.")


def _column(table: Any, name: Any, role: str) -> pd.Series[Any]:
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"a table (pandas DataFrame) is needed, not a {type(table).__name__}.")
    if name not in table.columns:
        hint = did_you_mean(str(name), [str(column) for column in table.columns])
        raise DataError(f'no column "{name}" ({role}).{hint}')
    found: pd.Series[Any] = table[name]
    return found


def _complete(
    table: pd.DataFrame, names: Sequence[str], role: str, outcome: str
) -> tuple[Array, Check]:
    """Return the rows in which every column holds a number, and how many do not."""
    if isinstance(names, str) or len(names) < 2:
        raise DesignError(f"{role} must name two or more columns.")
    if len(set(names)) < len(names):
        raise DesignError(f"{role} names a column twice, which would agree with itself.")
    columns = [_column(table, name, role) for name in names]
    for name, found in zip(names, columns, strict=True):
        if not pd.api.types.is_numeric_dtype(found):
            raise DataError(f'column "{name}" ({role}) must hold numbers.')
    values = np.column_stack([c.to_numpy(dtype=float, na_value=np.nan) for c in columns])
    endless = int(np.isinf(values).any(axis=1).sum())
    if endless:
        raise DataError(f"{endless} of {len(values)} rows hold infinite {role}; correct them.")
    whole = np.isfinite(values).all(axis=1)
    n = int(whole.sum())
    if n < 2:
        raise UndefinedResultError(
            f"{n} of {len(values)} rows have every one of the {len(names)} {role}; at least 2 are "
            "needed."
        )
    return values[whole], _left_out(len(values) - n, len(values), outcome)


def _left_out(lost: int, rows: int, outcome: str) -> Check:
    return Check(
        name="missing_ratings",
        statistic=lost,
        outcome=outcome,
        text=f"{lost} of {rows} rows lack a rating and were left out.",
    )


def _levels(levels: Sequence[Any]) -> list[str]:
    names = [str(level) for level in levels]
    if len(names) < 2 or len(set(names)) < len(names):
        raise DesignError("levels must name two or more categories, each once.")
    return names


def _ranks(table: pd.DataFrame, name: str, levels: Sequence[Any]) -> NDArray[np.int64]:
    """Return the position of each rating among the levels; -1 where nothing was recorded."""
    found = _column(table, name, "rating").astype(object)
    rank = {level: position for position, level in enumerate(levels)}
    placed = found.map(rank)
    strange = int((placed.isna() & found.notna()).sum())
    if strange:
        raise DataError(
            f'{strange} of {len(found)} rows of "{name}" hold what is none of the {len(rank)} '
            "levels given. Name every level, or recode the column."
        )
    return placed.fillna(-1).to_numpy(dtype=np.int64)


def _two_reporters(reporters: Any) -> tuple[str, str]:
    if not isinstance(reporters, (tuple, list)) or len(set(reporters)) != 2:
        raise DesignError('reporters must name two of them, e.g. ("idva", "case_manager").')
    for code in reporters:
        if code not in REPORTERS.codes:
            raise DesignError(f'"{code}" is no reporter.{_hint(code, REPORTERS.codes)}')
    return reporters[0], reporters[1]


def _hint(code: Any, known: Sequence[str]) -> str:
    return did_you_mean(str(code), known)


def _worst_ratings(
    assessments: pd.DataFrame, abuse_type: str, time_point: str, reporters: tuple[str, str]
) -> pd.DataFrame:
    """Return the worst rating of each case, 0 for none, one column a reporter."""
    needed = ("case_id", "time_point", "reporter", "abuse_type", "severity")
    columns = {name: _column(assessments, name, "assessments") for name in needed}
    here = (columns["abuse_type"] == abuse_type) & (columns["time_point"] == time_point)
    ranks = _ranks(assessments, "severity", SEVERITY.codes)
    found = {}
    for who in reporters:
        rows = (here & (columns["reporter"] == who)).to_numpy(dtype=bool, na_value=False)
        rows &= ranks >= 0
        if not rows.any():
            raise DesignError(
                f'no assessment of {abuse_type} by "{who}" at {time_point}. Choose another '
                "reporter, abuse type or time point."
            )
        cases = columns["case_id"].astype(object)[rows]
        found[who] = pd.Series(ranks[rows], index=cases.index).groupby(cases).max()
    return pd.DataFrame(found)


# Intraclass correlation


def _pingouin_points(values: Array) -> dict[str, float]:
    """Return pingouin's six correlations by their names."""
    import pingouin

    long = pd.DataFrame(values).rename_axis("case").reset_index()
    long = long.melt(id_vars="case", var_name="rater", value_name="score")
    with np.errstate(invalid="ignore", divide="ignore"):  # of its limits, which are left aside
        found = pingouin.intraclass_corr(long, targets="case", raters="rater", ratings="score")
    return {str(t): float(v) for t, v in zip(found["Type"], found["ICC"], strict=True)}
