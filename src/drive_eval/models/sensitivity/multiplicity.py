"""How many questions were asked, what the sample could have shown, and what may be said of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from drive_eval.errors import DataError, DesignError, did_you_mean
from drive_eval.models import _arguments, _power
from drive_eval.results import Check, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["adjust_p_values", "detectable_effect", "verdict"]


# Every test counted


def adjust_p_values(
    tests: Mapping[str, float | Estimate | Check | None], *, primary: Sequence[str] = ()
) -> pd.DataFrame:
    """How surprising is each result, given how many were looked at?

    Parameters
    ----------
    tests : mapping of name to P value, Estimate or Check
        Every test that was made, whether it is reported or not. None, or an Estimate or Check
        without a P value, is a test that was made and could not be worked out: it counts.
    primary : sequence of str
        The names that the plan declared as primary before any result was seen.

    Returns
    -------
    DataFrame, one row per test in the order given
        ``name``, ``family`` (``"primary"`` or ``"exploratory"``), ``raw``, ``adjusted`` (missing
        where `raw` is), ``method`` and ``tests_in_family``.

    Raises
    ------
    DataError
        If there is no test, or a P value lies outside 0 to 1.
    DesignError
        If `primary` names a test that was not made, or one twice.

    Notes
    -----
    **Assumptions.** Holm: none beyond each P value being right. Benjamini and Hochberg: tests
    are independent or positively dependent.

    Holm within the primary family, of m tests with sorted p: max over j ≤ i of
    (m − j + 1)p(j), which holds the chance of any false finding among them. Benjamini and
    Hochberg for the rest: min over j ≥ i of (m/j)p(j), which holds the expected share of false
    findings among those called. Both are cut at 1; tests without a P value count in m as if it
    were 1. Equal to R's ``p.adjust``.

    References
    ----------
    Holm S (1979). A simple sequentially rejective multiple test procedure. Scandinavian
    Journal of Statistics 6, 65.

    Benjamini Y, Hochberg Y (1995). Controlling the false discovery rate: a practical and
    powerful approach to multiple testing. Journal of the Royal Statistical Society B 57, 289.

    Examples
    --------
    >>> tests = {"physical": 0.01, "sexual": 0.04, "girls": 0.02, "boys": 0.5}
    >>> ledger = adjust_p_values(tests, primary=["physical", "sexual"])
    >>> print(ledger[["name", "family", "raw", "adjusted"]].to_string(index=False))
        name      family  raw  adjusted
    physical     primary 0.01      0.02
      sexual     primary 0.04      0.04
       girls exploratory 0.02      0.04
        boys exploratory 0.50      0.50
    """
    if not isinstance(tests, Mapping) or not tests:
        raise DataError(
            'tests must map names to P values, and there must be one, e.g. {"physical": 0.01}.'
        )
    names = [primary] if isinstance(primary, str) else list(primary)
    for name in names:
        if name not in tests:
            raise DesignError(
                f'the primary test "{name}" was not made.{did_you_mean(str(name), map(str, tests))}'
            )
    if len(set(names)) < len(names):
        raise DesignError("a primary test is named twice; name each once.")
    raw = np.array([_p_value(name, value) for name, value in tests.items()])
    first = np.array([name in names for name in tests])
    adjusted = np.full(len(raw), np.nan)
    for family, how in ((first, _holm), (~first, _benjamini_hochberg)):
        adjusted[family] = how(np.where(np.isnan(raw[family]), 1.0, raw[family]))
    adjusted[np.isnan(raw)] = np.nan
    return pd.DataFrame(
        {
            "name": list(tests),
            "family": np.where(first, "primary", "exploratory"),
            "raw": raw,
            "adjusted": adjusted,
            "method": np.where(first, "Holm", "Benjamini–Hochberg"),
            "tests_in_family": np.where(first, first.sum(), (~first).sum()),
        }
    )


def _p_value(name: str, value: Any) -> float:
    p = value.p_value if isinstance(value, (Estimate, Check)) else value
    if p is None:
        return math.nan
    if not _arguments.is_number(p) or not 0 <= p <= 1:
        raise DataError(f'the P value of "{name}" must be a number between 0 and 1, or None.')
    return float(p)


def _holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(p, kind="stable")
    found = np.empty(len(p))
    factors = len(p) - np.arange(len(p))
    found[order] = np.maximum.accumulate(factors * p[order]) if len(p) else p
    return np.minimum(found, 1.0)


def _benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(-p, kind="stable")
    found = np.empty(len(p))
    factors = len(p) / (len(p) - np.arange(len(p)))
    found[order] = np.minimum.accumulate(factors * p[order]) if len(p) else p
    return np.minimum(found, 1.0)


# What this sample could have shown


def detectable_effect(
    *,
    n: int,
    prevalence: float,
    n_comparison: int | None = None,
    changed: float | None = None,
    worthwhile: float | None = None,
    power: float = 0.8,
    conf_level: float = 0.95,
    design_effect: float = 1.0,
    outcome: str = "",
    unit: str = "person",
) -> ResultSet:
    """How small a fall could this sample have shown, and how large a sample would a new study need?

    Parameters
    ----------
    n : int
        Pairs (people seen twice); with `n_comparison`, people in the programme.
    prevalence : float, between 0 and 1
        Share with the behaviour before, or in the comparison group.
    n_comparison : int, optional
        People in the comparison group; makes it a comparison of two arms.
    changed : float, optional
        Pairs only: the share that changes at all (stops or starts). By default nobody starts,
        so that it is the fall itself.
    worthwhile : float, percent, optional
        The smallest reduction worth having; the sample that shows it is returned.
    power : float, between 0 and 1
    conf_level : float, between 0 and 1
        1 less the two-sided level of the test.
    design_effect : float, 1 or more
        How many rows of clusters are worth one: counts are divided by it.
    outcome, unit : str
        Labels.

    Returns
    -------
    ResultSet
        ``detectable_reduction`` in percent of users, ``detectable_difference`` (a fall, below
        0), and with `worthwhile` ``power_at_worthwhile`` and ``n_needed`` (pairs; in two arms
        programme cases, with ``n_reference`` comparison cases in the proportion given). The
        Check ``detectable`` puts it in words. What no fall would show is None.

    Raises
    ------
    DesignError
        For counts, shares or percentages that cannot be, or `changed` in two arms.

    Notes
    -----
    **Assumptions.** The prevalence, and the share that changes, are what the new study will
    meet. This is for planning: whether a result is there, its interval says.

    Pairs, with ψ the share that changes and δ the net fall, z the two-sided quantile:
    power = Φ((√n·δ − z√ψ)/√(ψ − δ²)) (Miettinen 1968; Connor 1987). Up to 400 effective pairs
    the power at `worthwhile` is that of McNemar's mid-P test, every table added up, and the
    Check says by how much the formula differs. Two arms: Φ((δ − z·√(p̄(1 − p̄)(1/n₁ +
    1/n₀)))/√(p₁(1 − p₁)/n₁ + p₀(1 − p₀)/n₀)), which for equal arms is R's ``power.prop.test``.

    References
    ----------
    Miettinen OS (1968). The matched pairs design in the case of all-or-none responses.
    Biometrics 24, 339.

    Connor RJ (1987). Sample size for testing differences in proportions for the paired-sample
    design. Biometrics 43, 207.

    Fleiss JL, Tytun A, Ury HK (1980). A simple approximation for calculating sample sizes for
    comparing independent proportions. Biometrics 36, 343.

    Examples
    --------
    >>> found = detectable_effect(n=100, n_comparison=100, prevalence=0.5, worthwhile=20)
    >>> round(found.one(measure="detectable_reduction").estimate, 1)
    38.6
    >>> found.one(measure="n_needed").estimate
    388.0
    """
    _arguments.level(conf_level)
    _arguments.count(n, "n", least=2)
    for value, name in ((prevalence, "prevalence"), (power, "power")):
        _arguments.number(value, name)
        if not 0 < value < 1:
            raise DesignError(f"{name} must be a share between 0 and 1, e.g. 0.8, but is {value}.")
    _arguments.number(design_effect, "design_effect")
    if design_effect < 1:
        raise DesignError("design_effect must be 1 or more: clusters tell less than single rows.")
    if worthwhile is not None:
        _arguments.number(worthwhile, "worthwhile")
        if not 0 < worthwhile <= 100:
            raise DesignError(
                "worthwhile is a reduction in percent: above 0 and at most 100, e.g. 20."
            )
    arms = n_comparison is not None
    if arms:
        _arguments.count(n_comparison, "n_comparison", least=2)
        if changed is not None:
            raise DesignError("changed is about pairs; leave it out where two arms are compared.")
    if changed is not None:
        _arguments.number(changed, "changed")
        if not 0 < changed <= 1:
            raise DesignError(f"changed must be a share above 0 and at most 1, but is {changed}.")
    alpha = 1 - conf_level
    ratio = 1.0 if n_comparison is None else n_comparison / n

    def of(size: float, fall: float) -> float:
        size /= design_effect
        if arms:
            return _power.two_arm_power(size, size * ratio, prevalence, fall, alpha)
        return _power.paired_power(size, max(fall, changed or 0.0), fall, alpha)

    most = prevalence if changed is None else min(prevalence, changed)
    found = _power.smallest(functools.partial(of, n), most, power)
    labels: dict[str, Any] = {
        "outcome": outcome,
        "unit": unit,
        "conf_level": conf_level,
        "n": n,
        "n_reference": n_comparison if arms else n,
        "contrast": "programme v comparison" if arms else "after v before",
        "method": f"{'two proportions' if arms else 'McNemar'}, power {power:g}, two-sided "
        f"{alpha:.3g}",
    }
    estimates = [
        Estimate(
            measure="detectable_reduction",
            term="users",
            estimate=None if found is None else 100 * found / prevalence,
            **labels,
        ),
        Estimate(
            measure="detectable_difference", estimate=None if found is None else -found, **labels
        ),
    ]
    who = f"{n:,} and {n_comparison:,} people" if arms else f"{n:,} pairs"
    if found is None:
        text = (
            f"With {who}, not even the largest possible fall is seen with {100 * power:g} % power."
        )
    else:
        text = (
            f"With {who}, a fall of {100 * found / prevalence:.0f} % or more (from "
            f"{100 * prevalence:.0f} to {100 * (prevalence - found):.0f} in 100 people) is seen "
            f"with {100 * power:g} % power."
        )
    if worthwhile is not None:
        fall = prevalence * worthwhile / 100
        if changed is not None and fall > changed:
            raise DesignError(
                f"a fall of {worthwhile:g} % of {prevalence:g} is more than the share {changed:g} "
                "that changes."
            )
        reached, exact = of(n, fall), None
        if not arms and design_effect == 1 and n <= _power.ENUMERATED:
            exact = _power.paired_power_exact(n, max(fall, changed or 0.0), fall, alpha)
        needed = _power.size(lambda size: of(size, fall), power)
        about = {**labels, "term": f"{worthwhile:g} % fewer users"}
        if exact is not None:
            about["method"] += ", mid-P by adding up all tables"
        estimates.append(
            Estimate(
                measure="power_at_worthwhile",
                estimate=reached if exact is None else exact,
                **about,
            )
        )
        other = None if needed is None else math.ceil(needed * ratio)
        sizes = {"n": needed, "n_reference": other, "method": labels["method"]}
        estimates.append(
            Estimate(
                measure="n_needed",
                estimate=None if needed is None else float(needed),
                **{**about, **sizes},
            )
        )
        text += f" A fall of {worthwhile:g} % would be seen with "
        text += f"{100 * (reached if exact is None else exact):.0f} % power"
        if exact is not None and abs(exact - reached) >= 0.005:
            text += f" (the formula says {100 * reached:.0f} %)"
        if needed is not None:
            people = f"{needed:,} and {other:,} people" if arms else f"{needed:,} pairs"
            text += f"; a new study would need {people}"
        text += "."
    return ResultSet(
        estimates=tuple(estimates),
        checks=(Check(name="detectable", outcome=outcome, statistic=found, text=text),),
        assumptions=("A new study meets the same prevalence and the same share who change.",),
        provenance=Provenance(call="sensitivity.detectable_effect"),
    )


# What may be said


def verdict(estimate: Estimate, *, worthwhile: float) -> Check:
    """What does the interval say, held to the smallest change that is worth having?

    Parameters
    ----------
    estimate : Estimate
        A ``risk_ratio``, ``rate_ratio``, ``hazard_ratio``, ``percent_reduction`` or
        ``risk_difference``; below 1, above 0 and below 0 in turn mean less abuse.
    worthwhile : float, above 0
        The smallest reduction worth having, declared before: in percent for ratios and
        reductions, for a difference in its own unit (0.05 is 5 in 100 people).

    Returns
    -------
    Check
        ``verdict``: ``text`` begins with one of ``"Clear reduction"`` (the whole interval is
        worthwhile), ``"Likely reduction"`` (a fall, whether worthwhile the interval does not
        tell), ``"Likely small"`` (no worthwhile change either way), ``"Likely increase"``,
        ``"Clear increase"``, ``"Cannot tell"``. ``passed`` is True for a clear reduction,
        False for an increase or no worthwhile change, else None. ``threshold`` is `worthwhile`.

    Raises
    ------
    DataError
        For what is no Estimate.
    DesignError
        For another measure, or a `worthwhile` that is not above 0.

    Notes
    -----
    **Assumptions.** Those of the estimate; a verdict is on its interval, and neither on its
    point nor on its P value. A wide interval is never taken for no effect. An increase as large
    as `worthwhile` is one as far from none on the same scale.

    References
    ----------
    Altman DG, Bland JM (1995). Absence of evidence is not evidence of absence. BMJ 311, 485.

    Examples
    --------
    >>> from drive_eval.results import Estimate
    >>> fall = Estimate(measure="percent_reduction", estimate=35, conf_low=8, conf_high=55)
    >>> print(verdict(fall, worthwhile=20).text)
    Likely reduction: the interval, 8 to 55 %, excludes no change, but not a fall smaller than ...
    """
    if not isinstance(estimate, Estimate):
        raise DataError(f"a verdict is on an Estimate, not on a {type(estimate).__name__}.")
    scale = {
        "percent_reduction": (1.0, 0.0),
        "risk_difference": (-1.0, 0.0),
        "difference_in_differences": (-1.0, 0.0),
        **dict.fromkeys(
            ("risk_ratio", "rate_ratio", "hazard_ratio", "ratio_of_ratios"), (-1.0, 1.0)
        ),
    }
    if estimate.measure not in scale:
        raise DesignError(
            f'there is no verdict on measure "{estimate.measure}".'
            f"{did_you_mean(estimate.measure, scale)}"
        )
    _arguments.number(worthwhile, "worthwhile", above=0)
    sign, nothing = scale[estimate.measure]
    percent = nothing == 1 or estimate.measure == "percent_reduction"
    factor = 100.0 if nothing == 1 else 1.0
    about: dict[str, Any] = {
        "name": "verdict",
        "statistic": estimate.estimate,
        "threshold": float(worthwhile),
        "outcome": estimate.outcome,
        "group": estimate.group,
    }
    if estimate.conf_low is None or estimate.conf_high is None:
        return Check(text="Cannot tell: there is no interval.", **about)
    ends = sorted(
        sign * (limit - nothing) * factor for limit in (estimate.conf_low, estimate.conf_high)
    )
    word, passed, why = _judged(ends[0], ends[1], float(worthwhile))
    unit = " %" if percent else ""
    said = " to ".join(f"{v:.3g}".replace("-", "−") for v in ends)
    text = f"{word}: the interval, {said}{unit}, {why.format(w=f'{worthwhile:g}{unit}')}."
    if ends[0] < 0:
        text += " A fall below 0 is a rise."
    return Check(passed=passed, text=text, **about)


def _judged(low: float, high: float, worthwhile: float) -> tuple[str, bool | None, str]:
    """Return the word, whether it passes, and why; limits of a fall, positive means less."""
    if low >= worthwhile:
        return "Clear reduction", True, "lies wholly at a fall of {w} or more"
    if -worthwhile < low and high < worthwhile:
        extra = ", though it excludes no change" if low > 0 or high < 0 else ""
        return "Likely small", False, f"lies wholly within a change of {{w}} either way{extra}"
    if low > 0:
        return (
            "Likely reduction",
            None,
            "excludes no change, but not a fall smaller than the {w} that would be worth having",
        )
    if high <= -worthwhile:
        return "Clear increase", False, "lies wholly at a rise of {w} or more"
    if high < 0:
        return "Likely increase", False, "lies wholly at a rise, which may be smaller than {w}"
    return "Cannot tell", None, "includes no change and also a change of {w} or more"
