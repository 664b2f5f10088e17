"""Hidden confounding: what an estimate is read as, E-values, bounds for matched pairs, words.

`sensitivity` holds the questions; the arithmetic and the sentences of the answers stand here.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from drive_eval.errors import DesignError, did_you_mean
from drive_eval.models._design import Matched
from drive_eval.models._regression import arms, numbers
from drive_eval.results import RATIO_MEASURES, Check, Estimate

Array: TypeAlias = NDArray[np.float64]
Limits: TypeAlias = tuple[float | None, float | None, float | None]
Zeros: TypeAlias = Literal["keep", "drop"]
Missing: TypeAlias = Literal["refuse", "drop"]

SMD = "standardised_mean_difference"
RATIOS = ("risk_ratio", "rate_ratio", "hazard_ratio", "odds_ratio")

_OF = {of: measure for measure, of in RATIO_MEASURES.items()}
_TWO_CHANGES = (
    "it compares two changes, so what would have to be hidden is a cause of unequal change, and "
    "the E-value of a risk ratio does not describe that; give the risk_ratio between the groups "
    "at one time point"
)
_INSTEAD = {
    "risk_difference": "it would need the risks it is the difference of; give the risk_ratio of "
    "the same contrast",
    "mean_difference": "divide the difference and its standard error by the standard deviation of "
    f'the outcome and give that as an Estimate with measure "{SMD}"',
    "ratio_of_ratios": _TWO_CHANGES,
    "ratio_of_odds_ratios": _TWO_CHANGES,
    "difference_in_differences": _TWO_CHANGES,
}
# VanderWeele and Ding (2017, table 2): ln(risk ratio) ≈ 0.91 d, with 1.78 for 0.91 × 1.96.
_PER_SD, _PER_ERROR = 0.91, 1.78


# E-values


def e_value(ratio: float) -> float:
    """Return the E-value of a risk ratio of 0 or more; infinite for 0 and infinity."""
    if ratio == 0:
        return math.inf
    above = max(ratio, 1 / ratio)
    return above + math.sqrt(above * (above - 1))


def near_limit(low: float, high: float) -> float:
    """Return the limit of a ratio's interval that lies nearer to 1; 1 if the interval holds it."""
    return max(low, min(high, 1.0))


def from_odds(ratio: float) -> float:
    """Return the risk ratio that an odds ratio of a common outcome stands for, roughly."""
    return math.sqrt(ratio)


def from_hazards(ratio: float) -> float:
    """Return the risk ratio that a hazard ratio of a common outcome stands for, roughly."""
    if ratio == 0 or math.isinf(ratio):
        return ratio
    root = math.sqrt(ratio)
    return math.expm1(-math.log(2) * root) / math.expm1(-math.log(2) / root)


def from_standardised(source: Estimate) -> Limits:
    """Return the risk ratio and limits that a standardised mean difference stands for, roughly."""
    if source.estimate is None:
        return None, None, None
    point = math.exp(_PER_SD * source.estimate)
    if source.std_error is None:
        return point, None, None
    # 1.78 as published at 95 %, and in proportion to the normal quantile elsewhere
    wider = stats.norm.ppf(0.5 + source.conf_level / 2) / stats.norm.ppf(0.975)
    reach = math.exp(_PER_ERROR * float(wider) * source.std_error)
    return point, point / reach, point * reach


def from_ratio(source: Estimate, *, common: bool) -> Limits:
    """Return the risk ratio and limits that a ratio stands for."""
    limits = source.estimate, source.conf_low, source.conf_high
    convert = {"hazard_ratio": from_hazards, "odds_ratio": from_odds}.get(source.measure)
    if not common or convert is None:
        return limits
    point, low, high = (None if v is None else convert(v) for v in limits)
    return point, low, high


def ratio_behind(estimate: Estimate) -> Estimate:
    """Return the ratio, or standardised difference, that the estimate is or came from."""
    if estimate.measure == "percent_reduction":
        # the term ends with what it is a reduction of: "users", or "itt (users)"
        term, _, of = estimate.term.rpartition("(")
        of = of.rstrip(")")
        if of not in _OF:
            raise DesignError(
                f'this percent_reduction does not say of what (its term is "{estimate.term}"), so '
                f"its ratio is not known.{did_you_mean(of, _OF)}"
            )
        estimate = dataclasses.replace(
            estimate,
            measure=_OF[of],
            term=term.strip(),
            estimate=_unreduced(estimate.estimate),
            conf_low=_unreduced(estimate.conf_high),
            conf_high=_unreduced(estimate.conf_low),
            std_error=None,
        )
    measure = estimate.measure
    if measure in (*RATIOS, SMD):
        return estimate
    if measure in _INSTEAD:
        raise DesignError(f"an E-value does not exist for a {measure}: {_INSTEAD[measure]}.")
    known = (*RATIOS, "percent_reduction", SMD)
    raise DesignError(
        f'an E-value does not exist for measure "{measure}".{did_you_mean(measure, known)}'
    )


def _unreduced(percent: float | None) -> float | None:
    return None if percent is None else 1 - percent / 100


def commonness(source: Estimate, common: bool | None, from_share: float) -> tuple[bool, Check]:
    """Return whether the outcome is common, as said or as counted, and a Check that says so."""
    counts = (
        (source.n_events, source.n),
        (source.n_events_reference, source.n_reference),
    )
    shares = [events / n for events, n in counts if events is not None and n]
    share = max(shares, default=None)
    if common is None and share is None:
        raise DesignError(
            f"the E-value of this {source.measure} depends on whether the outcome is common: "
            f"say common=True if it happens to more than about {100 * from_share:g} % by the "
            "end of follow-up, common=False if it does not."
        )
    counted = None if share is None else share > from_share
    happened = ""
    if share is not None:
        happened = f"it happened to {100 * share:.1f} %"
        happened += " of the group where it was more frequent" if len(shares) > 1 else ""
    if common is None:
        common, reason = bool(counted), f"since {happened}"
    else:
        reason = "as was said"
        reason += f", although {happened}" if counted not in (None, common) else ""
    how = "converted to a risk ratio first" if common else "read as a risk ratio as it stands"
    return common, Check(
        name="common_outcome",
        passed=False if counted not in (None, common) else None,
        statistic=share,
        threshold=from_share,
        outcome=source.outcome,
        text=f"The outcome counts as {'common' if common else 'rare'}, {reason}, so the "
        f"{source.measure.replace('_', ' ')} is {how}.",
    )


def explained_away(ratio: float | None, point: float | None, limit: float | None) -> str:
    """Say what a hidden cause would have to be like, given the ratio and its two E-values."""
    links = "linked to both programme membership and the outcome by risk ratios of at least"
    if ratio is None:
        said = "The estimate has no point, so it has no E-value. "
    elif point is None:
        said = (
            "The estimate is 0 or infinite, so it has no E-value: that speaks of few events, not "
            "of safety from hidden causes. "
        )
    elif point == 1:
        said = "The estimate shows no difference, so there is nothing to explain away. "
    else:
        said = (
            f"A hidden cause would have to be {links} {point:.2f} each, above and beyond the "
            "covariates used, to explain the estimate away; "
        )
    if limit is None:
        more = "without an interval there is no E-value of its limit."
    elif limit == 1:
        more = "the interval includes no effect even without a hidden cause."
    elif said.endswith("; "):
        more = f"{limit:.2f} each would move the interval to include no effect."
    else:
        more = f"a cause {links} {limit:.2f} each would move the interval to include no effect."
    return said + (more if said.endswith("; ") else more[0].upper() + more[1:])


# Matched pairs


def mcnemar_tail(favour: int, against: int, gamma: float) -> tuple[float, float]:
    """Return the largest and smallest one-sided P value that a hidden bias gamma allows."""
    pairs = favour + against
    upper, lower = (
        float(stats.binom.sf(favour - 1, pairs, odds / (1 + odds))) for odds in (gamma, 1 / gamma)
    )
    return upper, lower


def mcnemar_gamma(favour: int, against: int, alpha: float) -> float:
    """Return the gamma at which the largest P value is alpha, for at least one in favour."""
    # The chance at which P(X ≥ favour) = alpha is the lower limit of Clopper and Pearson.
    chance = float(stats.beta.ppf(alpha, favour, against + 1))
    return chance / (1 - chance)


def ranks(differences: Array, zeros: Zeros) -> tuple[Array, float]:
    """Return the ranks of the differences that are not 0, and the sum of the positive ones'.

    Ties share their average rank. With ``keep``, zeros are ranked with the others and then
    counted on neither side; with ``drop`` they are left out before ranking.
    """
    moved = differences[differences != 0]
    if zeros == "keep":
        ranked = stats.rankdata(np.abs(differences))[differences != 0]
    else:
        ranked = stats.rankdata(np.abs(moved))
    ranked = np.asarray(ranked, dtype=float)
    return ranked, float(ranked[moved > 0].sum())


def signed_rank_tail(
    ranked: Array, positive: float, gamma: float, *, exact: bool
) -> tuple[float, float]:
    """Return the largest and smallest one-sided P value that a hidden bias gamma allows."""
    tail = _exact if exact else _normal
    return tail(ranked, positive, gamma / (1 + gamma)), tail(ranked, positive, 1 / (1 + gamma))


def signed_rank_gamma(ranked: Array, positive: float, alpha: float, *, exact: bool) -> float:
    """Return the gamma, above 1, at which the largest P value is alpha."""
    if exact:
        chance = float(
            optimize.brentq(
                lambda p: _exact(ranked, positive, p) - alpha, 0.5, 1 - 1e-12, xtol=1e-14
            )
        )
    else:
        # (T − pA)² = z² p(1 − p) B is a quadratic in p; its smaller root is the crossing.
        total, squares = float(ranked.sum()), float((ranked**2).sum())
        spread = float(stats.norm.isf(alpha)) ** 2 * squares
        a, b, c = total**2 + spread, 2 * positive * total + spread, positive**2
        chance = (b - math.sqrt(b**2 - 4 * a * c)) / (2 * a)
    return chance / (1 - chance)


def _normal(ranked: Array, positive: float, chance: float) -> float:
    mean = chance * ranked.sum()
    deviation = math.sqrt(chance * (1 - chance) * float((ranked**2).sum()))
    return float(stats.norm.sf((positive - mean) / deviation))


def _exact(ranked: Array, positive: float, chance: float) -> float:
    """Return P(T ≥ positive), where each rank counts with this chance, one rank at a time."""
    doubled = np.rint(2 * ranked).astype(int)  # averaged ranks are halves
    law = np.zeros(int(doubled.sum()) + 1)
    law[0] = 1.0
    for step in doubled:
        counted = chance * law[:-step]
        law *= 1 - chance
        law[step:] += counted
    return float(min(1.0, law[round(2 * positive) :].sum()))


def differences(
    data: Matched | pd.DataFrame,
    outcome: str | None,
    programme: str | None,
    comparison: str | None,
    missing: Missing,
) -> tuple[Array, bool, int]:
    """Return programme minus comparison for each pair, whether that is of yes and no, who is lost.

    The last is the number of pairs that were left out because they lack an outcome.
    """
    if isinstance(data, Matched):
        if outcome is None:
            raise DesignError("a Matched design needs outcome=, a column of its table.")
        _refuse_other_than_pairs(data)
        table, lost = data.table.sort_values("matched_set", kind="stable"), 0
        if missing == "drop" and outcome in table.columns:
            gone = table.loc[table[outcome].isna(), "matched_set"].unique()
            table, lost = table[~table["matched_set"].isin(gone)], len(gone)
        values, binary = numbers(table, outcome, "outcome")
        t = arms(table, data.treated, "treated")
        return values[t] - values[~t], binary, lost
    if not isinstance(data, pd.DataFrame) or programme is None or comparison is None:
        raise DesignError(
            "a table of pairs (pandas DataFrame) needs programme= and comparison=, the columns "
            "of the two outcomes."
        )
    table = data
    if missing == "drop":
        table = data.dropna(subset=[c for c in (programme, comparison) if c in data.columns])
    one, binary_one = numbers(table, programme, "programme")
    zero, binary_zero = numbers(table, comparison, "comparison")
    return one - zero, binary_one and binary_zero, len(data) - len(table)


def _refuse_other_than_pairs(design: Matched) -> None:
    if design.pairs is None:
        raise DesignError(
            "these bounds are for pairs, and this design has subclasses or strata. Match with "
            "matching.nearest and ratio=1, or use e_value."
        )
    if design.table["matched_set"].isna().any():
        raise DesignError(
            "these bounds are for independent pairs, and this design was matched with "
            "replacement: a comparison case may stand in several pairs. Match with "
            "replace=False, or use e_value."
        )
    treated = arms(design.table, design.treated, "treated")
    sets = pd.Series(treated).groupby(design.table["matched_set"].to_numpy())
    odd = int(((sets.sum() != 1) | (sets.size() != 2)).sum())
    if odd:
        raise DesignError(
            f"these bounds are for pairs, and {odd} of {sets.ngroups} matched sets are not one "
            "programme and one comparison case. Match with ratio=1, keep or leave out pairs "
            "whole, or use e_value."
        )


def zero_rule(count: int, zeros: Zeros) -> Check:
    """Say what became of pairs without a difference."""
    rule = (
        "ranked with the others and then counted on neither side"
        if zeros == "keep"
        else "left out before ranking"
    )
    text = f"{count} pairs without a difference were {rule}; ties share their average rank."
    return Check(name="zero_differences", statistic=count, text=text)


def in_doubt(crossing: float | None, plain: float, alpha: float) -> str:
    """Say how large a hidden bias would have to be, given the P value without any."""
    if crossing is None:
        return (
            f"Even if nothing hidden were at work the one-sided P value is {plain:.3g}, not below "
            f"{alpha:g}, so there is no finding to put in doubt and gamma_at_alpha does not exist."
        )
    return (
        "If something hidden, all but deciding the outcome, made two matched people differ by a "
        f"factor of {crossing:.2f} in their odds of being in the programme, the one-sided P value "
        f"could be {alpha:g}; it is {plain:.3g} if nothing hidden is at work. This says how large "
        "a hidden bias would have to be, not whether there is one."
    )
