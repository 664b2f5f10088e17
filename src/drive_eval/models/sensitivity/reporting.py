"""What wrong records could do: over-optimistic reports at exit, and more contact, more recording.

Whoever rates a case at exit knows that it was in the programme, and a service in weekly contact
hears of more than one that is not. Neither shows in the records; each can be given a number.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from drive_eval.errors import DataError, DesignError, UndefinedResultError
from drive_eval.models import _arguments, _intervals, _misreport, _missing, _paired, _regression
from drive_eval.results import Check, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from drive_eval.models._misreport import Pair, Recording

__all__ = ["detection", "differential_misreporting", "misreporting"]

_RIGHT = "The assumed sensitivities and specificities are right, and the same for everybody rated."


# Reports of a behaviour


def misreporting(
    table: pd.DataFrame,
    *,
    before: str,
    after: str,
    sensitivity_before: float = 1.0,
    sensitivity_after: float = 1.0,
    specificity_before: float = 1.0,
    specificity_after: float = 1.0,
    outcome: str = "",
    conf_level: float = 0.95,
    group: str = "",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
    contrast: str = "after v before",
) -> ResultSet:
    """How over-optimistic would reports at exit have to be for the fall to vanish?

    Parameters
    ----------
    table : DataFrame, one row per pair
        Complete; see `missing_exit_bounds` for blanks.
    before, after : str
        Columns of true and false (or 1 and 0): the behaviour as it was recorded.
    sensitivity_before, sensitivity_after : float, between 0 and 1
        Of people who did show it, the share recorded as doing so.
    specificity_before, specificity_after : float, between 0 and 1
        Of people who did not, the share recorded as not doing so.
    outcome, group, unit, reporter, threshold, subgroup, contrast : str
        Labels that every Estimate carries.
    conf_level : float, between 0 and 1

    Returns
    -------
    ResultSet
        ``prevalence_before``, ``prevalence_after``, ``risk_difference``, ``risk_ratio`` and
        ``percent_reduction`` as they would be without such errors (``term`` starts with
        ``"corrected"``); ``over_optimism``, in percent of those who still show the behaviour
        at exit: with ``term`` ``"point"`` how many of them would have to be recorded as having
        stopped for the fall to vanish, with ``"interval"`` for it to be no longer clear. It
        does not use `sensitivity_after`. The Checks ``over_optimism`` and
        ``over_optimism_interval`` put it in words; ``impossible`` fails where the records
        contradict what was assumed.

    Raises
    ------
    DataError
        For columns that are missing, incomplete, or not true or false.
    DesignError
        For shares outside 0 to 1, or recording that says nothing.
    UndefinedResultError
        If there is no row, or the behaviour was recorded of nobody before.

    Notes
    -----
    **Assumptions.** Errors at one time point do not depend on anything but the truth at it.
    Rows are independent. Sensitivities and specificities are known; their own uncertainty is
    not part of the interval, so show several.

    With s and c the sensitivity and specificity, a recorded share p is a true one of
    (p + c − 1)/(s + c − 1) (Rogan and Gladen 1978). With both specificities 1, the ratio and
    its Tang/Nam limits are multiplied by s(before)/s(after). Otherwise limits are made of the
    corrected Wilson limits of both shares and the correlation of the recorded outcomes (square
    and add; MOVER for the ratio). A share that would leave 0 to 1 is put at its end, and the
    Check ``impossible`` fails; where its limits would too, there is no interval. The over-optimism
    is 1 − s at the s after for which the corrected shares are equal, or for which the upper limit
    of the ratio reaches 1.

    References
    ----------
    Rogan WJ, Gladen B (1978). Estimating prevalence from the results of a screening test.
    American Journal of Epidemiology 107, 71.

    Tang NS, Li HQ, Tang ML (2012). Confidence interval construction for proportion ratio in
    paired studies based on hybrid method. Statistical Methods in Medical Research 21, 361.

    Examples
    --------
    >>> import pandas as pd
    >>> pairs = pd.DataFrame({"intake": [1] * 60 + [0] * 40,
    ...                       "exit": [1] * 12 + [0] * 48 + [1] * 3 + [0] * 37})
    >>> found = misreporting(pairs, before="intake", after="exit", sensitivity_after=0.8)
    >>> round(found.one(measure="percent_reduction").estimate, 1)  # 75.0 as recorded
    68.8
    >>> print(found.check("over_optimism").text)
    The fall would vanish if 75 % of those who still showed the behaviour ...
    """
    _arguments.level(conf_level)
    first = _regression.flags(table, before, "before")
    second = _regression.flags(table, after, "after")
    one = _misreport.recording(sensitivity_after, specificity_after, "after")
    reference = _misreport.recording(sensitivity_before, specificity_before, "before")
    counts = _missing.pairs(first, second)
    if not first.any():
        raise UndefinedResultError(_paired.FROM_NOTHING[0].upper() + _paired.FROM_NOTHING[1:])
    pair = _misreport.Pair(
        x1=int(second.sum()), n1=len(second), x0=int(first.sum()), n0=len(first), pairs=counts
    )
    labels: dict[str, Any] = {
        "outcome": outcome,
        "group": group,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "subgroup": subgroup,
        "conf_level": conf_level,
        "contrast": contrast,
    }
    words = _Words(
        still="those who still showed the behaviour at exit were recorded as having stopped",
        fall="The fall",
        first="before",
        second="after",
    )
    return _corrected(
        pair,
        one,
        reference,
        labels,
        words,
        measures={"before": "prevalence_before", "after": "prevalence_after"},
        assumptions=(_RIGHT, _paired.NO_COMPARISON),
        call="sensitivity.misreporting",
    )


def differential_misreporting(
    table: pd.DataFrame,
    *,
    outcome: str,
    treated: str,
    sensitivity_treated: float = 1.0,
    sensitivity_comparison: float = 1.0,
    specificity_treated: float = 1.0,
    specificity_comparison: float = 1.0,
    outcome_name: str = "",
    conf_level: float = 0.95,
    contrast: str = "programme v comparison",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """How much worse would the programme's records have to be for the difference to vanish?

    Parameters
    ----------
    table : DataFrame, one row per person (or enrolment, or dyad)
    outcome : str
        Column of true and false (or 1 and 0), complete: the behaviour as recorded.
    treated : str
        Column of true and false, or of ``"programme"`` and ``"comparison"``.
    sensitivity_treated, sensitivity_comparison : float, between 0 and 1
        Of people who did show the behaviour, the share recorded as doing so.
    specificity_treated, specificity_comparison : float, between 0 and 1
        Of people who did not, the share recorded as not doing so.
    conf_level : float, between 0 and 1
    outcome_name, contrast, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries.

    Returns
    -------
    ResultSet
        ``risk_treated``, ``risk_comparison``, ``risk_difference``, ``risk_ratio`` and
        ``percent_reduction`` without such errors; ``over_optimism`` as in `misreporting`: how
        many in a hundred programme cases who showed the behaviour would have to be recorded as
        not doing so, beyond what is assumed of the comparison group.

    Raises
    ------
    DataError
        For columns that are missing, incomplete, or not what they must be.
    DesignError
        For one arm; for shares outside 0 to 1, or recording that says nothing.
    UndefinedResultError
        If the behaviour was recorded of nobody in the comparison group.

    Notes
    -----
    **Assumptions.** As in `misreporting`; errors may differ between arms, and within an arm
    depend on the truth alone. Nothing is adjusted for.

    Limits are Koopman's, multiplied by the ratio of sensitivities, where both specificities are
    1, and otherwise made of the corrected Wilson limits of both arms.

    References
    ----------
    Rogan WJ, Gladen B (1978). Estimating prevalence from the results of a screening test.
    American Journal of Epidemiology 107, 71.

    Koopman PAR (1984). Confidence intervals for the ratio of two binomial proportions.
    Biometrics 40, 513.

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.DataFrame({"arm": ["programme"] * 100 + ["comparison"] * 100,
    ...                        "abuse": [1] * 20 + [0] * 80 + [1] * 50 + [0] * 50})
    >>> found = differential_misreporting(people, outcome="abuse", treated="arm")
    >>> round(found.one(measure="over_optimism", term="point").estimate)
    60
    """
    _arguments.level(conf_level)
    t = _missing.two_arms(table, treated)
    y = _regression.flags(table, outcome, "outcome")
    one = _misreport.recording(sensitivity_treated, specificity_treated, "of the programme")
    reference = _misreport.recording(
        sensitivity_comparison, specificity_comparison, "of the comparison"
    )
    if not y[~t].any():
        raise UndefinedResultError(
            "the behaviour was recorded of nobody in the comparison group, so there is no "
            "reduction that wrong records could explain."
        )
    pair = _misreport.Pair(
        x1=int(y[t].sum()), n1=int(t.sum()), x0=int(y[~t].sum()), n0=int((~t).sum())
    )
    labels: dict[str, Any] = {
        "outcome": outcome_name or outcome,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "subgroup": subgroup,
        "conf_level": conf_level,
        "contrast": contrast,
        "claim": "associational",
    }
    words = _Words(
        still="programme cases who showed the behaviour were recorded as not doing so",
        fall="The difference",
        first="in the comparison group",
        second="in the programme",
    )
    return _corrected(
        pair,
        one,
        reference,
        labels,
        words,
        measures={"before": "risk_comparison", "after": "risk_treated"},
        assumptions=(_RIGHT,),
        call="sensitivity.differential_misreporting",
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    still: str
    fall: str
    first: str
    second: str


def _corrected(
    pair: Pair,
    one: Recording,
    reference: Recording,
    labels: dict[str, Any],
    words: _Words,
    *,
    measures: dict[str, str],
    assumptions: tuple[str, ...],
    call: str,
) -> ResultSet:
    """Return the corrected shares and contrasts, and what it would take to undo them."""
    critical = _intervals.quantile(conf_level=labels["conf_level"])
    found, impossible = _misreport.corrected(pair, one, reference, critical=critical)
    beyond = [side for side in ("after", "before") if found[side].low == found[side].high]
    for name in (*beyond, "difference", "ratio") if beyond else ():
        found[name] = dataclasses.replace(found[name], low=None, high=None, std_error=None)
    plain = {k: v for k, v in labels.items() if k != "contrast"}
    whole = {
        "n": pair.n1,
        "n_events": pair.x1,
        "n_reference": pair.n0,
        "n_events_reference": pair.x0,
        "term": "corrected",
    }
    sides = {"before": (pair.n0, pair.x0), "after": (pair.n1, pair.x1)}
    estimates = []
    for side, measure in measures.items():
        n, x = sides[side]
        about = {**plain, "n": n, "n_events": x, "term": "corrected"}
        estimates.append(found[side].named(measure, about))
    ratio = found["ratio"].named("risk_ratio", {**labels, **whole})
    estimates += [
        found["difference"].named("risk_difference", {**labels, **whole}),
        ratio,
        ratio.percent_reduction(),
    ]
    checks = []
    if impossible:
        where = [words.second if name == "second" else words.first for name in impossible]
        text = (
            f"With the assumed sensitivity and specificity {' and '.join(where)}, the records "
            "could hardly be what they are: the true share would lie outside 0 to 100 %, and "
            "was put at the nearer end. Assume less error."
        )
        checks.append(Check(name="impossible", passed=False, outcome=labels["outcome"], text=text))
    if beyond:
        where = [words.second if side == "after" else words.first for side in beyond]
        text = (
            f"All limits of the true share {' and '.join(where)} lie outside 0 to 100 %, so the "
            "records contradict what was assumed, and no interval is given."
        )
        checks.append(Check(name="no_interval", outcome=labels["outcome"], text=text))
    if ratio.estimate is None:
        text = f"Nobody truly showed the behaviour {words.first}, so there is no ratio."
        checks.append(Check(name="risk_ratio_undefined", outcome=labels["outcome"], text=text))
    for name, term, z in (
        ("over_optimism", "point", None),
        ("over_optimism_interval", "interval", critical),
    ):
        level = 100 * labels["conf_level"]
        needed = _misreport.needed_sensitivity(pair, one, reference, critical=z)
        percent = None if needed is None else 100 * (1 - needed)
        estimates.append(
            Estimate(
                measure="over_optimism",
                estimate=percent,
                method="sensitivity at which the fall is gone"
                if z is None
                else "sensitivity at which the interval of the ratio reaches 1",
                **{**labels, **whole, "term": term},
            )
        )
        checks.append(
            Check(
                name=name,
                passed=True if percent is None else (False if percent == 0 else None),
                statistic=percent,
                outcome=labels["outcome"],
                text=_undone(percent, words, level if z is not None else None),
            )
        )
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=assumptions,
        provenance=Provenance(call=call),
    )


def _undone(percent: float | None, words: _Words, level: float | None) -> str:
    at = "" if level is None else f" (at {level:g} %)"
    what = "vanish" if level is None else f"no longer be clear{at}"
    if percent is None:
        return f"{words.fall} would not {what} whatever share of {words.still}."
    if percent == 0:
        nothing = "There is no fall" if level is None else f"{words.fall} is not clear{at}"
        return f"{nothing} even if every record is right."
    return f"{words.fall} would {what} if {percent:.0f} % of {words.still}."


# Records of incidents


def detection(
    estimate: Estimate,
    *,
    ratios: Sequence[float] = (1.0, 1.25, 1.5, 2.0),
    reduction: float = 0.0,
) -> ResultSet:
    """How much of a rise, or of a missing fall, could be more recording and not more abuse?

    Parameters
    ----------
    estimate : Estimate
        A ``rate_ratio`` or ``risk_ratio`` of recorded incidents: after over before, or programme
        over comparison. Its ``percent_reduction`` will do.
    ratios : sequence of float, above 0
        Detection ratios to try: how many times as likely an incident is to be recorded after
        (or in the programme) as before (or in the comparison). 1 is no difference.
    reduction : float, percent below 100
        The true reduction to be explained; 0 asks when a rise would be no rise.

    Returns
    -------
    ResultSet
        For each ratio (``term``, e.g. ``"detection 1.5"``) the corrected ratio and its
        ``percent_reduction``; and ``detection_ratio``, at which the records are what a true
        fall of `reduction` percent would give (``term`` ``"point"``), and from which the
        interval of the corrected ratio includes it (``"interval"``: 1 if it does without any
        difference). The Checks ``detection`` and ``detection_interval`` put these in words.

    Raises
    ------
    DesignError
        For another measure, `ratios` that are no numbers above 0, or a `reduction` of 100 or
        more.
    UndefinedResultError
        If the estimate has no point and no interval.

    Notes
    -----
    **Assumptions.** Incidents are recorded independently of each other, with a probability that
    is d times as large after (or in the programme), whatever the incident. For a ``risk_ratio``
    (anybody with a record at all) this holds for rare records only.

    The recorded ratio is the true one times d, so the corrected one and its limits are divided
    by d. The detection ratio that explains the result is r/(1 − reduction/100), and the same
    of the limit nearer to it.

    References
    ----------
    Greenland S, Lash TL (2008). Bias analysis. In: Rothman KJ, Greenland S, Lash TL, Modern
    Epidemiology, 3rd ed., chapter 19. Lippincott Williams & Wilkins.

    Examples
    --------
    >>> from drive_eval.results import Estimate
    >>> rise = Estimate(measure="rate_ratio", estimate=1.2, conf_low=1.05, conf_high=1.37)
    >>> found = detection(rise, ratios=[1.5])
    >>> round(found.one(measure="percent_reduction", term="detection 1.5 (rate)").estimate, 1)
    20.0
    >>> print(found.check("detection").text)
    The recorded rise would be no rise if incidents were 1.2 times as likely to be recorded ...
    """
    source = _ratio_of(estimate)
    values = list(ratios) if not isinstance(ratios, (str, float, int)) else []
    if not values or not all(_arguments.is_number(v) and v > 0 for v in values):
        raise DesignError("ratios must be numbers above 0, e.g. [1, 1.5, 2]; 1 is no difference.")
    _arguments.number(reduction, "reduction")
    if reduction >= 100:
        raise DesignError("reduction is in percent and must lie below 100.")
    estimates = []
    for value in sorted({float(v) for v in values}):
        term = f"detection {value:g}"
        made = dataclasses.replace(
            source,
            term=f"{source.term}, {term}" if source.term else term,
            estimate=_divided(source.estimate, value),
            conf_low=_divided(source.conf_low, value),
            conf_high=_divided(source.conf_high, value),
            p_value=None if value != 1 else source.p_value,
            method=f"{source.method}; divided by an assumed detection ratio of {value:g}",
        )
        estimates += [made, made.percent_reduction()]
    target = 1 - reduction / 100
    point = _divided(source.estimate, target)
    limit = None
    if source.conf_low is not None and source.conf_high is not None:
        low, high = source.conf_low / target, source.conf_high / target
        limit = 1.0 if low <= 1 <= high else (low if low > 1 else high)
    labels: dict[str, Any] = {
        "measure": "detection_ratio",
        "std_error": None,
        "conf_low": None,
        "conf_high": None,
        "p_value": None,
        "method": f"detection ratio that a true reduction of {reduction:g} % would need",
    }
    checks = []
    for name, term, needed in (
        ("detection", "point", point),
        ("detection_interval", "interval", limit),
    ):
        estimates.append(dataclasses.replace(source, term=term, estimate=needed, **labels))
        checks.append(
            Check(
                name=name,
                statistic=needed,
                outcome=source.outcome,
                group=source.group,
                text=_explains(source, needed, float(reduction), interval=term == "interval"),
            )
        )
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=(
            "Every incident is as many times as likely to be recorded on one side as on the other.",
        ),
        provenance=Provenance(call="sensitivity.detection"),
    )


def _ratio_of(estimate: Estimate) -> Estimate:
    if not isinstance(estimate, Estimate):
        raise DataError(
            f"detection is asked of an Estimate, not of a {type(estimate).__name__}; take one with "
            'result.one(measure="rate_ratio").'
        )
    of = {"rate": "rate_ratio", "users": "risk_ratio"}
    if estimate.measure == "percent_reduction":
        kind = estimate.term.rpartition("(")[2].rstrip(")")
        if kind in of:
            estimate = dataclasses.replace(
                estimate,
                measure=of[kind],
                term=estimate.term.rpartition("(")[0].strip(),
                estimate=_back(estimate.estimate),
                conf_low=_back(estimate.conf_high),
                conf_high=_back(estimate.conf_low),
                std_error=None,
            )
    if estimate.measure not in of.values():
        raise DesignError(
            f"more recording explains a rate_ratio or risk_ratio of recorded incidents, not a "
            f"{estimate.measure}."
        )
    if (estimate.estimate, estimate.conf_low, estimate.conf_high) == (None, None, None):
        raise UndefinedResultError(
            f"this {estimate.measure} has neither a point nor an interval, so nothing is there to "
            "be explained."
        )
    return estimate


def _back(percent: float | None) -> float | None:
    return None if percent is None else 1 - percent / 100


def _divided(value: float | None, by: float) -> float | None:
    return None if value is None else value / by


def _explains(source: Estimate, value: float | None, reduction: float, *, interval: bool) -> str:
    times = "as likely to be recorded after (or in the programme) as before (or without it)"
    fall = f"a true fall of {reduction:g} %" if reduction else "no true change"
    if value is None:
        missing = "interval" if interval else "point"
        return f"The ratio has no {missing}, so no detection ratio can be told from it."
    if interval:
        if value == 1:
            return f"The interval includes {fall} without any difference in recording."
        return f"The interval would include {fall} if incidents were {value:.2g} times {times}."
    recorded = source.estimate
    if recorded is not None and recorded > 1 and reduction == 0:
        return f"The recorded rise would be no rise if incidents were {value:.2g} times {times}."
    return f"The records are what {fall} would give if incidents were {value:.2g} times {times}."
