"""What else could explain it: hidden confounding and outcomes that cannot have changed.

None of these says whether there is a hidden cause. They say what one would have to be like, or
look for its traces where the programme cannot have left any.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from drive_eval.errors import DataError, DesignError, UndefinedResultError, did_you_mean
from drive_eval.models import _arguments, _hidden
from drive_eval.models._hidden import RATIOS, SMD
from drive_eval.results import Check, Estimate, Provenance, ResultSet
from drive_eval.vocabulary import TIME_POINTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from drive_eval.models._design import Matched
    from drive_eval.models._hidden import Missing, Zeros

__all__ = ["e_value", "negative_outcome", "rosenbaum_bounds"]

Alternative: TypeAlias = Literal["less", "greater"]

_TIMES = frozenset({"before", "after", "period", "time_point", *TIME_POINTS.codes})
_NO_EFFECT = {
    **dict.fromkeys(RATIOS, 1.0),
    **dict.fromkeys(("risk_difference", "mean_difference", SMD), 0.0),
}


# E-values


def e_value(
    estimate: Estimate, *, common: bool | None = None, common_share: float = 0.15
) -> ResultSet:
    """How strong would a hidden cause have to be to explain the difference between groups away?

    Parameters
    ----------
    estimate : Estimate
        A contrast of groups: ``risk_ratio``, ``rate_ratio``, ``hazard_ratio``, ``odds_ratio``,
        ``percent_reduction`` (turned back into its ratio) or
        ``standardised_mean_difference`` (the mean difference over the standard deviation of
        the outcome, with ``std_error`` on the same scale).
    common : bool, optional
        For hazard and odds ratios: whether the outcome happens to more than about 15 % by the
        end of follow-up. Worked out from the estimate's own counts if it carries them.
    common_share : float, between 0 and 1
        From which share, in either group, those counts make the outcome common.

    Returns
    -------
    ResultSet
        ``e_value`` for the point, and ``e_value_limit`` for the limit nearer to no effect: 1
        if the interval includes no effect. Both are risk ratios of 1 or more; ``method`` says
        of which measure. The Check ``e_value`` puts them in words, ``e_value_meaning`` says
        what they do not show, ``common_outcome`` which conversion was used.

    Raises
    ------
    DesignError
        For a change within one group (before and after), a difference of risks or of means, a
        ratio of ratios, or a hazard or odds ratio without `common` and without counts.
    UndefinedResultError
        If the estimate has neither a point nor an interval.
    DataError
        For a ratio below 0.

    Notes
    -----
    **Assumptions.** The groups differ in nothing but the covariates used and one hidden cause
    (or several that act like one). Its two links are risk ratios given those covariates: with
    membership, and with the outcome. Selection, loss to follow-up and wrong records are other
    matters.

    A hidden cause with links a and b moves a risk ratio by at most ab/(a + b − 1). With a = b
    this reaches the ratio r ≥ 1 at E = r + √(r(r − 1)); a ratio below 1 is inverted first. A
    common outcome is converted first: √(odds ratio);
    (1 − 0.5^√h)/(1 − 0.5^√(1/h)) for a hazard ratio h; a standardised mean difference d
    becomes exp(0.91 d) with limits exp(0.91 d ± 1.78 se), in proportion at other levels than
    95 %. Rate ratios are taken as risk ratios, as are hazard and odds ratios of rare outcomes.

    References
    ----------
    VanderWeele TJ, Ding P (2017). Sensitivity analysis in observational research: introducing
    the E-value. Annals of Internal Medicine 167, 268.

    See Also
    --------
    rosenbaum_bounds : The same question for matched pairs.
    negative_outcome : Looks for a trace of the hidden cause.

    Examples
    --------
    >>> from drive_eval.results import Estimate
    >>> ratio = Estimate(measure="risk_ratio", estimate=3.9, conf_low=1.8, conf_high=8.7)
    >>> found = e_value(ratio)
    >>> round(found.one(measure="e_value").estimate, 2)
    7.26
    >>> round(found.one(measure="e_value_limit").estimate, 2)
    3.0
    """
    _refuse_not_between_groups(estimate, "an E-value")
    source = _hidden.ratio_behind(estimate)
    given = (source.estimate, source.conf_low, source.conf_high)
    if given == (None, None, None):
        raise UndefinedResultError(
            f"this {estimate.measure} has neither a point nor an interval, so nothing is there to "
            "be explained away."
        )
    checks = []
    if source.measure == SMD:
        ratio, low, high = _hidden.from_standardised(source)
    else:
        if any(v is not None and v < 0 for v in given):
            raise DataError(f"a {source.measure} cannot lie below 0, but this one or a limit does.")
        if source.measure in ("hazard_ratio", "odds_ratio"):
            common, check = _hidden.commonness(source, common, common_share)
            checks.append(check)
        ratio, low, high = _hidden.from_ratio(source, common=bool(common))
    point = None if ratio is None else _finite(_hidden.e_value(ratio))
    limit = None
    if low is not None and high is not None:
        limit = _finite(_hidden.e_value(_hidden.near_limit(low, high)))
    labels: dict[str, Any] = {
        "claim": "associational",
        "std_error": None,
        "conf_low": None,
        "conf_high": None,
        "p_value": None,
        "method": f"E-value of the {_words(source.measure)} (VanderWeele and Ding)",
    }
    return ResultSet(
        estimates=(
            dataclasses.replace(source, measure="e_value", estimate=point, **labels),
            dataclasses.replace(source, measure="e_value_limit", estimate=limit, **labels),
        ),
        checks=(
            Check(
                name="e_value",
                statistic=point,
                outcome=source.outcome,
                text=_hidden.explained_away(ratio, point, limit),
            ),
            Check(
                name="e_value_meaning",
                outcome=source.outcome,
                text="An E-value says how strong a hidden cause would have to be, not whether "
                "there is one, and by itself it bounds nothing: compare it with the links of the "
                "covariates that were measured. A cause linked less strongly to one side needs a "
                "stronger link to the other, and several causes can do together what none does "
                "alone. It is silent about missing outcomes, wrong records and chance.",
            ),
            *checks,
        ),
        assumptions=(
            "The links of the hidden cause are risk ratios among people with the same covariates.",
        ),
        provenance=Provenance(call="sensitivity.e_value"),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


# Matched pairs


def rosenbaum_bounds(
    data: Matched | pd.DataFrame | None = None,
    *,
    outcome: str | None = None,
    programme: str | None = None,
    comparison: str | None = None,
    favour: int | None = None,
    against: int | None = None,
    alternative: Alternative = "less",
    gammas: Sequence[float] = (1.0, 1.25, 1.5, 2.0, 3.0),
    alpha: float = 0.05,
    zeros: Zeros = "keep",
    exact: bool = False,
    missing: Missing = "refuse",
    outcome_name: str = "",
    contrast: str = "programme v comparison",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """How unequal could the chances of matched people have been before the finding is in doubt?

    Parameters
    ----------
    data : Matched or DataFrame, optional
        A design of pairs (one programme and one comparison case each), with `outcome`; or a
        table with one row per pair, with `programme` and `comparison`. Without it, `favour`
        and `against`.
    outcome : str, optional
        Column of ``data.table``: true and false (McNemar's test) or numbers (signed rank).
    programme, comparison : str, optional
        Columns of a table of pairs: the outcome of the programme case and of its match.
    favour, against : int, optional
        Pairs that differ in a yes/no outcome, in the direction expected and in the other.
    alternative : {'less', 'greater'}
        What is expected of the programme: less of the outcome, or more. One-sided, so decide
        it beforehand. Counts already say it.
    gammas : sequence of float, 1 or more
        By what factor two matched people may differ in their odds of being in the programme.
    alpha : float, between 0 and 0.5
        One-sided level that `gamma_at_alpha` refers to.
    zeros : {'keep', 'drop'}
        Signed rank only: pairs without a difference are ranked with the others and then
        counted on neither side (the rule of the published example), or left out first.
    exact : bool
        Signed rank only: the exact distribution instead of the normal one; seconds
        for 500 pairs, longer beyond.
    missing : {'refuse', 'drop'}
        What becomes of pairs in which an outcome is not known; the Check ``missing_outcome``
        counts those that are dropped, each as a whole.
    outcome_name, contrast, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries.

    Returns
    -------
    ResultSet
        For each gamma (``term``, e.g. ``"1.5"``) ``p_upper`` and ``p_lower``, the largest and
        smallest one-sided P value that such a bias allows; and ``gamma_at_alpha``, at which
        ``p_upper`` reaches `alpha` (None where it does so without any bias). The Check
        ``rosenbaum`` puts it in words; ``zero_differences`` states the rule for zeros.
        ``n`` counts pairs (with counts: those that differ), ``n_events`` and
        ``n_events_reference`` those in favour and against.

    Raises
    ------
    DataError
        For columns that are missing, incomplete or not numbers, or counts below 0.
    DesignError
        For matching with replacement, more than one match a case, or subclasses; for settings
        that make no sense.
    UndefinedResultError
        If no pair differs.

    Notes
    -----
    **Assumptions.** Pairs are independent. Matched people have equal chances of being in the
    programme, but for something hidden that multiplies the odds of one by at most gamma. The
    bound supposes that it foretells the outcome almost perfectly.

    With gamma Γ, the chance that the programme case is the one with less lies between
    1/(1 + Γ) and Γ/(1 + Γ) = p. Yes/no: of n pairs that differ, t in favour, the largest P
    value is P(Bin(n, p) ≥ t), McNemar's exact one-sided test if Γ = 1. Numbers: T is the sum
    of ranks qᵢ of absolute differences in the direction expected, with ties averaged; it is
    compared with mean pΣqᵢ and variance p(1 − p)Σqᵢ², over pairs that differ, without
    continuity correction.

    References
    ----------
    Rosenbaum PR (2002). Observational Studies, 2nd edition, chapter 4. Springer.

    See Also
    --------
    e_value : The same question for any ratio between groups.

    Examples
    --------
    >>> found = rosenbaum_bounds(favour=110, against=12, gammas=[1, 3, 6])
    >>> round(found.one(measure="p_upper", term="6").estimate, 4)
    0.0969
    >>> round(found.one(measure="gamma_at_alpha").estimate, 2)
    5.47
    """
    grid = _gammas(gammas)
    _arguments.number(alpha, "alpha")
    _arguments.flag(exact, "exact")
    if not 0 < alpha < 0.5:
        raise DesignError(f"alpha is one-sided and must lie between 0 and 0.5, but is {alpha}.")
    for value, known, name in (
        (alternative, ("less", "greater"), "alternative"),
        (zeros, ("keep", "drop"), "rule for zeros"),
        (missing, ("refuse", "drop"), "rule for missing outcomes"),
    ):
        if value not in known:
            raise DesignError(f'"{value}" is no {name}.{did_you_mean(str(value), known)}')
    labels: dict[str, Any] = {
        "outcome": outcome_name or outcome or "",
        "contrast": contrast,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "subgroup": subgroup,
        "claim": "associational",
    }
    checks, lost = [], 0
    if data is None or favour is not None or against is not None:
        favour, against = _counts(data, favour, against)
        pairs, ranked = favour + against, None
    else:
        gain, binary, lost = _hidden.differences(data, outcome, programme, comparison, missing)
        gain = -gain if alternative == "less" else gain
        favour, against = int((gain > 0).sum()), int((gain < 0).sum())
        pairs, ranked = len(gain), None if binary else _hidden.ranks(gain, zeros)
    if favour + against == 0:
        raise UndefinedResultError(
            f"none of {pairs} pairs differs in the outcome, so there is no finding to put in doubt."
        )

    def tail(gamma: float) -> tuple[float, float]:
        if ranked is None:
            return _hidden.mcnemar_tail(favour, against, gamma)
        return _hidden.signed_rank_tail(*ranked, gamma, exact=exact)

    method = "McNemar, exact binomial"
    if ranked is not None:
        method = f"signed rank, {'exact' if exact else 'normal approximation'}, ties averaged"
        checks.append(_hidden.zero_rule(pairs - favour - against, zeros))
    if missing == "drop" and data is not None:
        text = f"{lost} of {pairs + lost} pairs lack an outcome and were left out as a whole."
        checks.append(Check(name="missing_outcome", statistic=lost, text=text))
    labels |= {"n": pairs, "n_events": favour, "n_events_reference": against, "method": method}
    estimates = []
    for gamma in grid:
        for measure, p in zip(("p_upper", "p_lower"), tail(gamma), strict=True):
            estimates.append(Estimate(measure=measure, term=f"{gamma:g}", estimate=p, **labels))
    plain, crossing = tail(1.0)[0], None
    if plain < alpha and ranked is None:
        crossing = _hidden.mcnemar_gamma(favour, against, alpha)
    elif plain < alpha and ranked is not None:
        crossing = _hidden.signed_rank_gamma(*ranked, alpha, exact=exact)
    estimates.append(Estimate(measure="gamma_at_alpha", estimate=crossing, **labels))
    return ResultSet(
        estimates=tuple(estimates),
        checks=(
            Check(
                name="rosenbaum",
                statistic=crossing,
                threshold=alpha,
                outcome=labels["outcome"],
                text=_hidden.in_doubt(crossing, plain, alpha),
            ),
            *checks,
        ),
        assumptions=(
            "Pairs are independent of each other.",
            "The bounds suppose the worst: a hidden cause that all but decides the outcome. They "
            "do not say whether there is one.",
        ),
        provenance=Provenance(call="sensitivity.rosenbaum_bounds"),
    )


def _gammas(gammas: Sequence[float]) -> list[float]:
    many = isinstance(gammas, Iterable) and not isinstance(gammas, str)
    given = list(gammas) if many else []
    grid = sorted({float(g) for g in given if _arguments.is_number(g)})
    if not grid or grid[0] < 1 or not all(map(_arguments.is_number, given)):
        raise DesignError("gammas must be numbers of 1 or more, e.g. [1, 1.5, 2]; 1 is no bias.")
    return grid


def _counts(data: object, favour: int | None, against: int | None) -> tuple[int, int]:
    if data is not None or favour is None or against is None:
        raise DesignError(
            "give one thing: a Matched design with outcome=, a table of pairs with programme= and "
            "comparison=, or the counts favour= and against=."
        )
    for name, count in (("favour", favour), ("against", against)):
        if not _arguments.is_whole(count) or count < 0:
            raise DataError(f"{name} must be a whole number of pairs, 0 or more.")
    return int(favour), int(against)


# Outcomes that cannot have changed


def negative_outcome(
    result: ResultSet | Estimate,
    *,
    margin: float | None = None,
    main: Estimate | None = None,
    measure: str = "risk_difference",
) -> Check:
    """Do the groups differ in an outcome that the programme cannot have changed?

    Parameters
    ----------
    result : ResultSet or Estimate
        The contrast of groups in that outcome, made exactly as the main one: same design,
        covariates and follow-up.
    margin : float, optional
        The smallest difference that would matter: for differences in their own unit (0.05 is
        5 per 100 people), for ratios a factor above 1 (1.25 is from 0.8 to 1.25).
    main : Estimate, optional
        Instead of `margin`: the main estimate, of the same measure. Its size is the margin, so
        that passing rules out a hidden difference as large as the whole main effect.
    measure : str
        Which estimate of a ResultSet is read.

    Returns
    -------
    Check
        ``negative_outcome``; ``statistic`` is the estimate and ``threshold`` the margin.
        ``passed`` is False when the interval excludes no effect, True when it includes no
        effect and lies within the margin, None when it is too wide to tell, or does not exist.

    Raises
    ------
    DesignError
        For a change within one group; for a measure that is neither a ratio nor a difference
        between groups; for none or both of `margin` and `main`, or a margin that is no margin.

    Notes
    -----
    **Assumptions.** The programme cannot change this outcome, and what is hidden would change
    it about as much as the main one: an outcome that shares no causes with the main one passes
    whatever is hidden. The rule is that of an equivalence test by interval.

    References
    ----------
    Lipsitch M, Tchetgen Tchetgen E, Cohen T (2010). Negative controls: a tool for detecting
    confounding and bias in observational studies. Epidemiology 21, 383–388.

    Examples
    --------
    >>> from drive_eval.results import Estimate
    >>> earlier = Estimate(measure="risk_difference", outcome="moved house", estimate=0.01,
    ...                    conf_low=-0.02, conf_high=0.04, claim="associational")
    >>> negative_outcome(earlier, margin=0.05).passed
    True
    """
    found = result.one(measure=measure) if isinstance(result, ResultSet) else result
    _refuse_not_between_groups(found, "a negative outcome")
    if found.measure not in _NO_EFFECT:
        raise DesignError(
            f'a negative outcome is not read from measure "{found.measure}".'
            f"{did_you_mean(found.measure, _NO_EFFECT)}"
        )
    nothing = _NO_EFFECT[found.measure]
    limit = _margin(found.measure, margin, main)
    passed, said = _verdict(found, nothing, limit)
    about = f'"{found.outcome}", which' if found.outcome else "an outcome that"
    interval = ""
    if found.estimate is not None:
        interval = f": {_words(found.measure)} {found.estimate:.3g}"
        if found.conf_low is not None and found.conf_high is not None:
            interval += (
                f" ({100 * found.conf_level:g} % interval {found.conf_low:.3g} to "
                f"{found.conf_high:.3g})"
            )
    return Check(
        name="negative_outcome",
        passed=passed,
        statistic=found.estimate,
        threshold=limit,
        p_value=found.p_value,
        outcome=found.outcome,
        text=f"Programme and comparison in {about} the programme cannot change{interval}. {said}",
    )


def _margin(measure: str, margin: float | None, main: Estimate | None) -> float:
    if (margin is None) == (main is None):
        raise DesignError(
            "give either margin=, the smallest difference that would matter, or main=, the main "
            "estimate."
        )
    ratio = _NO_EFFECT[measure] == 1
    if main is not None:
        if main.measure != measure:
            raise DesignError(
                f"the main estimate is a {main.measure} and the negative outcome a {measure}; "
                "give both on the same scale."
            )
        size = main.estimate
        if ratio and size:
            size = max(size, 1 / size)
        if not size or abs(size) == _NO_EFFECT[measure]:
            raise DesignError(
                "the main estimate has no size to measure against (none, nothing, or nobody with "
                "the outcome); give margin= instead."
            )
        return abs(size)
    if margin is None or not isinstance(margin, float):
        _arguments.number(margin, "margin")
    if margin is None or not (1 if ratio else 0) < margin < math.inf:
        raise DesignError(
            f"the margin of a {measure} must be {'a factor above 1' if ratio else 'above 0'}, but "
            f"is {margin}."
        )
    return margin


def _verdict(found: Estimate, nothing: float, margin: float) -> tuple[bool | None, str]:
    low, high = found.conf_low, found.conf_high
    if low is None or high is None:
        return None, "There is no interval, so this cannot tell."
    if not low <= nothing <= high:
        return False, (
            "The interval excludes no difference: something other than the programme sets the "
            "groups apart, and may account for a part of the main result too."
        )
    ends = (1 / margin, margin) if nothing == 1 else (-margin, margin)
    reach = f"{ends[0]:.3g} to {ends[1]:.3g}"
    if ends[0] <= low and high <= ends[1]:
        return True, (
            f"The interval includes no difference and lies within {reach}, so no difference that "
            "would matter shows here; hidden causes that do not touch this outcome could not "
            "show."
        )
    return None, (
        f"The interval includes no difference but reaches beyond {reach}: it is too wide to tell."
    )


# What they share


def _refuse_not_between_groups(estimate: Estimate, what: str) -> None:
    if not isinstance(estimate, Estimate):
        raise DataError(
            f"{what} is read from an Estimate, not from a {type(estimate).__name__}; take one "
            'with result.one(measure="risk_ratio").'
        )
    sides = estimate.contrast.split(",")[0]  # "programme v comparison, after" is between groups
    terms = re.split(r"[:(\[]", estimate.term.removeprefix("C("))  # "after", "after[T.True]:age"
    times = _TIMES.intersection([*re.findall(r"\w+", sides), *(t.strip(")") for t in terms)])
    if estimate.group:
        why = f"describes the {estimate.group} group alone"
    elif times:
        why = f"sets time points against each other ({', '.join(sorted(times))})"
    else:
        return
    raise DesignError(
        f"{what} is about a hidden difference between groups, and this estimate {why}. A change "
        "within the same people has other rivals: time, regression to the mean, and who was "
        "measured again. Give a contrast of programme and comparison."
    )


def _words(measure: str) -> str:
    return measure.replace("_", " ")
