"""Outcomes drawn for those who were not seen again, as like the others or worse by a stated amount.

`bounds` has what holds without any model, `weighting` weights in place of draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from drive_eval.errors import DataError, DesignError, did_you_mean
from drive_eval.models import _arguments, _imputation, _missing, _paired, _risks
from drive_eval.models._clusters import Effect
from drive_eval.results import Check, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from drive_eval.models._missing import Exits
    from drive_eval.models._regression import Array, Flags

__all__ = ["imputed_change"]

_FURTHEST = 100.0  # in log odds: beyond it there is only always and never


def imputed_change(
    table: pd.DataFrame,
    *,
    before: str,
    after: str,
    rng: np.random.Generator,
    covariates: str | Sequence[str] | None = None,
    treated: str | None = None,
    m: int = 50,
    delta: float | Mapping[str, float] = 0.0,
    outcome: str = "",
    conf_level: float = 0.95,
    group: str = "",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
    contrast: str = "",
) -> ResultSet:
    """How large is the change if those without an exit are imputed, as like others or worse?

    Parameters
    ----------
    table : DataFrame, one row per person (or enrolment, or dyad)
    before : str
        Column of true and false (or 1 and 0), complete.
    after : str
        The same, blank where the second time point was not recorded.
    rng : numpy Generator
        Where the draws come from; the same seed gives the same numbers.
    covariates : str or sequence of str, optional
        What foretells the second time point beside `before`: column names, or a formula's
        right-hand side. Complete.
    treated : str, optional
        Column of arms. Then each arm has a model of its own and the arms are compared after;
        without it, the change within people is measured.
    m : int, 2 or more
        How many copies of the table are filled in.
    delta : float, or mapping of arm to float
        By how much the log odds of the behaviour are higher among those without an exit than
        among people alike with one: 0 is missing at random, log 2 is twice the odds.
    outcome, group, unit, reporter, threshold, subgroup, contrast : str
        Labels that every Estimate carries.
    conf_level : float, between 0 and 1

    Returns
    -------
    ResultSet
        Without `treated`: ``prevalence_before``, ``prevalence_after``, ``risk_difference``,
        ``risk_ratio``, ``percent_reduction``. With it: ``risk_treated``, ``risk_comparison``,
        ``risk_difference``, ``risk_ratio``, ``percent_reduction`` (after). ``n`` counts
        everybody; ``n_events`` is None, since some are drawn. Checks: ``missing_exits``,
        ``delta`` in words, ``missing_information`` (share of the information on the difference
        that is missing), and ``steadied`` where the outcome was foretold without error.

    Raises
    ------
    DataError
        For columns that are missing or not what they must be; an arm that `delta` does not
        know.
    DesignError
        For `m`, `delta` or `rng` that make no sense; for covariates that repeat each other
        among those with an exit; for one arm.
    UndefinedResultError
        If there is no row, or nobody (of an arm) has an exit.

    Notes
    -----
    **Assumptions.** Rows are independent. Those without an exit differ from those with one,
    alike in `before` and covariates, by `delta` in log odds and nothing else; no data can say
    what `delta` is. The logistic model is right.

    For each copy, coefficients are drawn from a normal distribution around the maximum
    likelihood with its covariance, and outcomes with probability expit(xβ + delta). Where no
    maximum exists, pseudo-rows worth one row a parameter are added (White, Daniel and Royston
    2010). Copies are pooled by Rubin's rules (shares on the logit scale, ratios on the log
    scale) with Barnard and Rubin's degrees of freedom. The variance of a copy is the Wald one
    of its pairs, or of its two arms. A copy in which a share is 0 or 1 has no such scale, and
    what needs it has no interval (Check ``no_interval``).

    References
    ----------
    Rubin DB (1987). Multiple Imputation for Nonresponse in Surveys. Wiley.

    Barnard J, Rubin DB (1999). Small-sample degrees of freedom with multiple imputation.
    Biometrika 86, 948.

    White IR, Daniel R, Royston P (2010). Avoiding bias due to perfect prediction in multiple
    imputation of incomplete categorical variables. Computational Statistics and Data Analysis
    54, 2267.

    Cro S, Morris TP, Kenward MG, Carpenter JR (2020). Sensitivity analysis for clinical trials
    with missing continuous outcome data using controlled multiple imputation: a practical
    guide. Statistics in Medicine 39, 2815.

    See Also
    --------
    missing_exit_bounds : What holds whatever those without an exit are like.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> people = pd.DataFrame({"intake": [1] * 60 + [0] * 40,
    ...                        "exit": [1] * 12 + [0] * 30 + [None] * 18 + [0] * 32 + [None] * 8})
    >>> for delta in (0.0, 2.0):
    ...     found = imputed_change(people, before="intake", after="exit", delta=delta,
    ...                            rng=np.random.default_rng(1))
    ...     print(round(found.one(measure="percent_reduction").estimate))
    71
    56
    """
    _arguments.level(conf_level)
    _arguments.count(m, "m", least=2)
    if not isinstance(rng, np.random.Generator):
        raise DesignError("rng must be a numpy Generator, e.g. numpy.random.default_rng(1).")
    exits = _missing.read_exits(table, before, after)
    t = None if treated is None else _missing.two_arms(table, treated)
    shifts = _shifts(delta, arms=t is not None)
    matrix, names = _missing.predictors(table, exits.before, covariates, (before, after, treated))
    filled = np.tile(exits.after, (m, 1))
    steadied: list[bool] = []
    for arm, shift in zip(_missing.each_arm(t, len(matrix)), shifts, strict=True):
        _fill(filled, exits, matrix, names, arm, shift, rng, steadied)
    labels: dict[str, Any] = {
        "outcome": outcome,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "subgroup": subgroup,
        "conf_level": conf_level,
    }
    said = ", ".join(f"{shift:g}" for shift in shifts)
    method = f"multiple imputation, {m} copies, delta {said}, Rubin's rules"
    checks = [_missing.count_missing(exits, outcome, group), _delta_said(shifts, outcome, group)]
    if t is None:
        labels |= {"group": group, "contrast": contrast or "after v before"}
        numbers, information = _pool_change(exits.before, filled, conf_level, method)
        counts = {"n": len(exits.before), "n_reference": len(exits.before)}
        estimates = [
            _before(exits.before, labels, conf_level),
            *(found.named(measure, {**labels, **counts}) for measure, found in numbers.items()),
        ]
    else:
        labels |= {"contrast": contrast or "programme v comparison", "claim": "associational"}
        numbers, information = _pool_arms(t, filled, conf_level, method)
        counts = {"n": int(t.sum()), "n_reference": int((~t).sum())}
        estimates = [
            found.named(measure, {**labels, **counts}) for measure, found in numbers.items()
        ]
    ratio = next(e for e in estimates if e.measure == "risk_ratio")
    checks += [*_no_limits(numbers, outcome, group), *information]
    if any(steadied):
        text = (
            "Among those with an exit the model foretells the outcome without error, so rows worth "
            "one a parameter were added to the model; what is imputed leans on them."
        )
        checks.append(Check(name="steadied", passed=False, outcome=outcome, group=group, text=text))
    return ResultSet(
        estimates=(*estimates, ratio.percent_reduction()),
        checks=tuple(checks),
        assumptions=(
            f"{_missing.ALIKE}, but for delta, which no data can show.",
            *(() if t is not None else (_paired.NO_COMPARISON,)),
        ),
        provenance=Provenance(call="sensitivity.imputed_change"),
    )


def _log_odds(value: Any, name: str) -> None:
    _arguments.number(value, name)
    if abs(value) > _FURTHEST:
        raise DesignError(
            f"{name} is added to log odds and must lie between {-_FURTHEST:g} and {_FURTHEST:g}; "
            "0.69 is twice the odds, 4.6 a hundred times."
        )


def _shifts(delta: float | Mapping[str, float], *, arms: bool) -> list[float]:
    if not isinstance(delta, Mapping):
        _log_odds(delta, "delta")
        return [float(delta)] * (2 if arms else 1)
    if not arms:
        raise DesignError("delta by arm needs the arms: name their column, treated=….")
    for name in delta:
        if name not in _missing.ARMS:
            raise DataError(f'delta names no arm "{name}".{did_you_mean(str(name), _missing.ARMS)}')
    for name in _missing.ARMS:
        _log_odds(delta.get(name, 0.0), f"delta of the {name}")
    return [float(delta.get(name, 0.0)) for name in _missing.ARMS]


def _fill(
    filled: Flags,
    exits: Exits,
    matrix: Array,
    names: Sequence[str],
    arm: Flags,
    shift: float,
    rng: np.random.Generator,
    steadied: list[bool],
) -> None:
    """Draw what is missing in one arm, into every copy."""
    seen, blank = arm & exits.known, arm & ~exits.known
    if not blank.any():
        return
    if not seen.any():
        raise DesignError("nobody of one arm has an exit, so there is no model of its outcomes.")
    # A column that never varies among those seen says nothing of those who were not.
    used = [0, *(i for i in range(1, matrix.shape[1]) if np.ptp(matrix[seen, i]) > 0)]
    model = _imputation.fit(
        matrix[seen][:, used], exits.after[seen].astype(float), [names[i] for i in used]
    )
    steadied.append(model.steadied)
    filled[:, blank] = _imputation.draw(
        model, matrix[blank][:, used], copies=len(filled), delta=shift, rng=rng
    )


def _pooled(
    points: Array,
    variances: Array,
    df: float,
    conf_level: float,
    method: str,
    *,
    back: str = "",
    fallback: float,
) -> tuple[_risks.Number, _imputation.Pooled | None]:
    """Pool on a scale and turn back; without a spread in every copy there is a point alone."""
    if not (np.isfinite(points).all() and (variances > 0).all()):
        return _risks.Number(estimate=fallback, method=method), None
    found = _imputation.pool(points, variances, df=df)
    law, error = Effect(df=found.df), math.sqrt(found.variance)
    name = f"{method}, t with {found.df:.1f} df"
    if back == "logit":
        made = _risks.wald(found.estimate, error, law, conf_level, method=name)
        p = float(special.expit(found.estimate))
        return _risks.Number(
            estimate=p,
            std_error=error * p * (1 - p),
            low=None if made.low is None else float(special.expit(made.low)),
            high=None if made.high is None else float(special.expit(made.high)),
            method=name,
        ), found
    made = _risks.wald(found.estimate, error, law, conf_level, log=back == "log", method=name)
    return (made if back == "log" else _risks.within(made)), found


def _logit(p: Array, n: int) -> tuple[Array, Array]:
    with np.errstate(divide="ignore"):
        return np.asarray(special.logit(p)), np.asarray(1 / (n * p * (1 - p)))


def _pool_change(
    before: Flags, filled: Flags, conf_level: float, method: str
) -> tuple[dict[str, _risks.Number], list[Check]]:
    n, y = len(before), int(before.sum())
    x = filled.sum(axis=1).astype(float)
    up = (filled & ~before).sum(axis=1).astype(float)
    down = (~filled & before).sum(axis=1).astype(float)
    df = float(n - 1)
    points, spread = _logit(x / n, n)
    share, _ = _pooled(points, spread, df, conf_level, method, back="logit", fallback=x.mean() / n)
    gap = (x - y) / n
    difference, pooled = _pooled(
        gap,
        (up + down - (up - down) ** 2 / n) / n**2,
        df,
        conf_level,
        method,
        fallback=float(gap.mean()),
    )
    if y == 0:
        ratio = _risks.Number(estimate=None, method=method)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs, parts = np.log(x / y), (up + down) / (x * y)
        ratio, _ = _pooled(
            logs, parts, df, conf_level, method, back="log", fallback=float(x.mean() / y)
        )
    numbers = {"prevalence_after": share, "risk_difference": difference, "risk_ratio": ratio}
    return numbers, _information(pooled)


def _pool_arms(
    t: Flags, filled: Flags, conf_level: float, method: str
) -> tuple[dict[str, _risks.Number], list[Check]]:
    n1, n0 = int(t.sum()), int((~t).sum())
    p1, p0 = filled[:, t].mean(axis=1), filled[:, ~t].mean(axis=1)
    df = float(n1 + n0 - 2)
    numbers = {}
    for name, p, n in (("risk_treated", p1, n1), ("risk_comparison", p0, n0)):
        points, spread = _logit(p, n)
        numbers[name], _ = _pooled(
            points, spread, n - 1.0, conf_level, method, back="logit", fallback=float(p.mean())
        )
    numbers["risk_difference"], pooled = _pooled(
        p1 - p0,
        p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0,
        df,
        conf_level,
        method,
        fallback=float((p1 - p0).mean()),
    )
    if p0.mean() == 0:
        numbers["risk_ratio"] = _risks.Number(estimate=None, method=method)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(p1 / p0)
            parts = (1 - p1) / (n1 * p1) + (1 - p0) / (n0 * p0)
        numbers["risk_ratio"], _ = _pooled(
            logs,
            parts,
            df,
            conf_level,
            method,
            back="log",
            fallback=float(p1.mean() / p0.mean()),
        )
    return numbers, _information(pooled)


def _information(pooled: _imputation.Pooled | None) -> list[Check]:
    if pooled is None:
        return []
    return [
        Check(
            name="missing_information",
            statistic=pooled.missing_information,
            df=pooled.df,
            text=f"{100 * pooled.missing_information:.0f} % of what complete data would say of the "
            "difference is missing.",
        )
    ]


def _no_limits(numbers: Mapping[str, _risks.Number], outcome: str, group: str) -> list[Check]:
    bare = [name for name, found in numbers.items() if found.low is None]
    if not bare:
        return []
    text = (
        f"{', '.join(bare)}: nobody, or everybody, shows the behaviour (or nothing varies) in one "
        "of the copies, so there is no standard error to pool and no interval."
    )
    if numbers["risk_ratio"].estimate is None:
        text += " A ratio to nothing is not defined."
    return [Check(name="no_interval", outcome=outcome, group=group, text=text)]


def _before(before: Flags, labels: Mapping[str, Any], conf_level: float) -> Estimate:
    plain = {k: v for k, v in labels.items() if k not in ("contrast", "conf_level")}
    found, _ = _paired.wilson_share(
        "prevalence_before", int(before.sum()), len(before), Effect(), plain, conf_level
    )
    return found


def _delta_said(shifts: Sequence[float], outcome: str, group: str) -> Check:
    said = []
    for arm, shift in zip(_missing.ARMS if len(shifts) == 2 else ("",), shifts, strict=True):
        of = f" in the {arm} group" if arm else ""
        if shift == 0:
            said.append(f"the same odds of the behaviour as people alike who have one{of}")
        else:
            said.append(f"{math.exp(shift):.3g} times the odds of people alike who have one{of}")
    same = len(set(shifts)) == 1
    text = said[0].removesuffix(" in the programme group") if same else " and ".join(said)
    return Check(
        name="delta",
        statistic=shifts[0] if same else None,
        outcome=outcome,
        group=group,
        text=f"Those without an exit are given {text}.",
    )
