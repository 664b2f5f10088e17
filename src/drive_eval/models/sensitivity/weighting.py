"""Those who were seen again, weighted to stand for everybody.

`bounds` has what holds without any model, `imputation` outcomes drawn in place of weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.errors import DesignError
from drive_eval.models import (
    _arguments,
    _clusters,
    _dropout,
    _missing,
    _paired,
    _regression,
    _risks,
)
from drive_eval.models._clusters import Effect
from drive_eval.results import Check, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from drive_eval.models._missing import Exits
    from drive_eval.models._regression import Array, Codes, Flags

__all__ = ["weighted_change"]

_CHANGE = {"risk_treated": "prevalence_after", "risk_comparison": "prevalence_before"}


def weighted_change(
    table: pd.DataFrame,
    *,
    before: str,
    after: str,
    covariates: str | Sequence[str] | None = None,
    treated: str | None = None,
    cluster: str | None = None,
    truncate: float | None = None,
    least: float = 0.05,
    min_clusters: int = 40,
    outcome: str = "",
    conf_level: float = 0.95,
    group: str = "",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
    contrast: str = "",
) -> ResultSet:
    """How large is the change if those with an exit are weighted to stand for everybody?

    Parameters
    ----------
    table : DataFrame, one row per person (or enrolment, or dyad)
    before : str
        Column of true and false (or 1 and 0), complete.
    after : str
        The same, blank where the second time point was not recorded.
    covariates : str or sequence of str, optional
        What foretells, beside `before`, who has an exit. Complete.
    treated : str, optional
        Column of arms: each has weights of its own, and the arms are compared after.
    cluster : str, optional
        Column of clusters; makes the variance a cluster sandwich.
    truncate : float, between 0.5 and 1, optional
        The quantile at which the largest weights are capped, e.g. 0.99; less spread for some
        bias.
    least : float
        A Check fails if somebody's chance of an exit was below this.
    min_clusters : int
        With fewer effective clusters a DesignWarning is given.
    outcome, group, unit, reporter, threshold, subgroup, contrast : str
        Labels that every Estimate carries.
    conf_level : float, between 0 and 1

    Returns
    -------
    ResultSet
        As `imputed_change`. Checks: ``missing_exits``, ``weights`` (the smallest chance of an
        exit, and the range of the weights), ``effective_size`` (how many equally weighted
        people those with an exit are worth), ``truncated``.

    Raises
    ------
    DataError
        For columns that are missing or not what they must be.
    DesignError
        If who has an exit is foretold without error; for `truncate` out of range; one arm.
    UndefinedResultError
        If there is no row, or nobody has an exit.

    Warns
    -----
    DesignWarning
        If there are fewer than `min_clusters` effective clusters.

    Notes
    -----
    **Assumptions.** Among people alike in `before` and covariates, it is chance who has an
    exit; everybody had some chance of it; the logistic model of it is right. Rows (or
    clusters) are independent.

    With π the modelled chance of an exit, those who have one weigh w = (share with an exit)/π
    (stabilised), and the share after is Σwy/Σw. Before is everybody's. Row i contributes
    wᵢ(yᵢ − p)/Σw + ψᵢ·Σⱼ(∂wⱼ/∂γ)(yⱼ − p)/Σw, with ψᵢ its influence on the parameters γ of the
    model, less its part of the share before; squares are summed over rows, or over clusters
    with G/(G − 1) and t on effective clusters − 1. Limits are symmetric on the logit scale for
    shares, the identity for the difference, the log for ratios. Weights above the cap are
    taken as known.

    References
    ----------
    Robins JM, Rotnitzky A, Zhao LP (1995). Analysis of semiparametric regression models for
    repeated outcomes in the presence of missing data. Journal of the American Statistical
    Association 90, 106.

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.DataFrame({"intake": [1] * 60 + [0] * 40,
    ...                        "exit": [1] * 12 + [0] * 30 + [None] * 18 + [0] * 32 + [None] * 8})
    >>> found = weighted_change(people, before="intake", after="exit")
    >>> round(found.one(measure="percent_reduction").estimate, 1)  # as in the complete pairs
    71.4
    """
    _arguments.level(conf_level)
    _arguments.number(least, "least")
    if truncate is not None and not (_arguments.is_number(truncate) and 0.5 < truncate < 1):
        raise DesignError(
            "truncate must lie between 0.5 and 1, e.g. 0.99: the quantile of the weights at which "
            "the largest are capped."
        )
    exits = _missing.read_exits(table, before, after)
    t = None if treated is None else _missing.two_arms(table, treated)
    labels: dict[str, Any] = {
        "outcome": outcome,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "subgroup": subgroup,
    }
    groups, checks = None, [_missing.count_missing(exits, outcome, group)]
    law = Effect()
    if cluster is not None:
        groups, few = _clusters.read(table, cluster, min_clusters, {**labels, "group": group})
        law = Effect(df=_clusters.freedom(np.bincount(groups)))
        checks.append(few)
    matrix, names = _missing.predictors(table, exits.before, covariates, (before, after, treated))
    made = [
        _weigh(
            exits, matrix, names, arm, truncate, f" in the {name} group" if t is not None else ""
        )
        for name, arm in zip(_missing.ARMS, _missing.each_arm(t, len(matrix)), strict=False)
    ]
    checks += _weight_checks(made, exits, least, truncate, outcome, group)
    if t is None:
        share = float(exits.before.mean())
        risks = np.array([made[0].share, share])
        parts = np.column_stack([made[0].influence, (exits.before - share) / len(exits.before)])
        rename = _CHANGE
        labels |= {"group": group, "contrast": contrast or "after v before"}
        size = (len(matrix), len(matrix))
    else:
        risks, parts, rename = _two_shares(made, t)
        labels |= {"contrast": contrast or "programme v comparison", "claim": "associational"}
        size = (int(t.sum()), int((~t).sum()))
    spread = _sandwich(parts, groups)
    method = "inverse-probability weights, stacked sandwich"
    method += ", clustered" if groups is not None else ""
    labels |= {"conf_level": conf_level, "n": size[0], "n_reference": size[1]}
    if risks.min() > 0 and risks.max() < 1 and _risks.varies(spread):
        numbers = _risks.from_risks(
            risks, spread, law=law, arms=(law, law), conf_level=conf_level, method=method
        )
    else:
        numbers = {
            "risk_treated": _risks.Number(estimate=float(risks[0]), method=method),
            "risk_comparison": _risks.Number(estimate=float(risks[1]), method=method),
            "risk_difference": _risks.Number(estimate=float(risks[0] - risks[1]), method=method),
            "risk_ratio": _risks.Number(
                estimate=float(risks[0] / risks[1]) if risks[1] else None, method=method
            ),
        }
        text = (
            "Nobody, or everybody, shows the behaviour (or nothing varies), so there is no "
            "standard error and no interval; see missing_exit_bounds."
        )
        if risks[1] == 0:
            text += " A ratio to nothing is not defined."
        checks.append(Check(name="no_interval", outcome=outcome, group=group, text=text))
    order = ("risk_comparison", "risk_treated", "risk_difference", "risk_ratio")
    estimates = [numbers[name].named(rename.get(name, name), labels) for name in order]
    return ResultSet(
        estimates=(*estimates, estimates[-1].percent_reduction()),
        checks=tuple(checks),
        assumptions=(
            f"{_missing.ALIKE}, and everybody had some chance of an exit.",
            *(() if t is not None else (_paired.NO_COMPARISON,)),
        ),
        provenance=Provenance(call="sensitivity.weighted_change"),
    )


def _weigh(
    exits: Exits,
    matrix: Array,
    names: Sequence[str],
    arm: Flags,
    truncate: float | None,
    of: str,
) -> _dropout.Average:
    if not (arm & exits.known).any():
        raise DesignError(f"nobody{of} has an exit, so nobody can stand for the others.")
    used = [0, *(i for i in range(1, matrix.shape[1]) if np.ptp(matrix[arm, i]) > 0)]
    return _dropout.average(
        exits.known[arm],
        exits.after[arm],
        matrix[arm][:, used],
        [names[i] for i in used],
        truncate=truncate,
        of=of,
    )


def _two_shares(made: Sequence[_dropout.Average], t: Flags) -> tuple[Array, Array, dict[str, str]]:
    parts = np.zeros((len(t), 2))
    parts[t, 0], parts[~t, 1] = made[0].influence, made[1].influence
    return np.array([made[0].share, made[1].share]), parts, {}


def _sandwich(parts: Array, groups: Codes | None) -> Array:
    """Return the covariance of two shares from the contributions of rows, or of clusters."""
    factor = len(parts) / (len(parts) - 1) if len(parts) > 1 else 1.0
    if groups is not None:
        parts = _regression.cluster_sums(parts, groups)
        factor = len(parts) / (len(parts) - 1) if len(parts) > 1 else 1.0
    return np.asarray(parts.T @ parts * factor)


def _weight_checks(
    made: Sequence[_dropout.Average],
    exits: Exits,
    least: float,
    truncate: float | None,
    outcome: str,
    group: str,
) -> list[Check]:
    if not exits.missing:
        return []
    weight = np.concatenate([found.weight[found.weight > 0] for found in made])
    lowest = min(found.least for found in made)
    worth = float(weight.sum() ** 2 / (weight @ weight))
    about: dict[str, Any] = {"outcome": outcome, "group": group}
    checks = [
        Check(
            name="weights",
            passed=lowest >= least,
            statistic=lowest,
            threshold=least,
            text=f"The smallest chance of an exit among those who have one is {lowest:.3f}; "
            f"weights run from {weight.min():.2f} to {weight.max():.2f}.",
            **about,
        ),
        Check(
            name="effective_size",
            statistic=worth,
            text=f"The {len(weight):,} with an exit are worth {worth:,.1f} equally weighted ones.",
            **about,
        ),
    ]
    if truncate is not None:
        count = sum(found.capped for found in made)
        text = f"{count:,} weights were capped at their {100 * truncate:g} % quantile."
        checks.append(Check(name="truncated", statistic=count, text=text, **about))
    return checks
