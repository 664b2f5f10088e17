"""One assignment, one delivery, one outcome: four slopes and a set that needs no strength."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.errors import DesignError, UndefinedResultError, did_you_mean
from drive_eval.models._clusters import Effect
from drive_eval.models._intervals import wilson
from drive_eval.models._regression import (
    COVARIANCES,
    arms,
    clusters,
    covariance,
    linear,
    numbers,
)
from drive_eval.models._risks import Number, wald
from drive_eval.models._sample import count_clusters
from drive_eval.results import Check, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from drive_eval.models._regression import Array, Codes, Covariance, Fit, Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """What assignment and delivery go with.

    Attributes
    ----------
    numbers : dict of str to Number
        ``itt``, ``as_treated``, ``first_stage``, ``iv``, ``iv_anderson_rubin``.
    strength : float
        F of the first stage; infinite when everybody got what was assigned.
    """

    numbers: dict[str, Number]
    strength: float


def contrast(
    table: pd.DataFrame,
    *,
    outcome: str,
    assigned: str,
    delivered: str,
    cov: Covariance,
    cluster: str | None,
    first_stage_f: float,
    contrast_name: str,
    shared: Mapping[str, Any],
) -> ResultSet:
    """Return all that is said of an assignment and a delivery; see `comparison.instrumental`."""
    conf_level = float(shared["conf_level"])
    if cov not in COVARIANCES:
        raise DesignError(f'"{cov}" is no covariance.{did_you_mean(str(cov), COVARIANCES)}')
    y, binary = numbers(table, outcome, "outcome")
    z, d = arms(table, assigned, "assigned"), arms(table, delivered, "delivered")
    for name, role, flag in ((assigned, "assigned", z), (delivered, "delivered", d)):
        if flag.all() or not flag.any():
            raise UndefinedResultError(
                f'column "{name}" ({role}) is the same for everybody, so nothing can be compared.'
            )
    groups = None if cluster is None else clusters(table, cluster)
    df = len(y) - 2 if groups is None else count_clusters(z, groups) - 1
    if df < 1:
        raise DesignError(
            f"{len(y)} rows{'' if groups is None else ' in one cluster'} cannot carry a slope."
        )
    found = slopes(y, z, d, cov=cov, groups=groups, law=Effect(df=df), conf_level=conf_level)

    kind = "risk" if binary else "mean"
    estimates = []
    for term, number in found.numbers.items():
        arm = d if term == "as_treated" else z
        labels = {**shared, "contrast": contrast_name, "term": term, "claim": "associational"}
        labels |= {"n": int(arm.sum()), "n_reference": int((~arm).sum())}
        first = term == "first_stage"
        if binary or first:
            what = d if first else y
            labels["n_events"] = int(what[arm].sum())
            labels["n_events_reference"] = int(what[~arm].sum())
        measure = "delivered_difference" if first else f"{kind}_difference"
        estimates.append(number.named(measure, labels))
    for term, arm in (("itt", z), ("as_treated", d)):
        for name, group, inside in (
            ("treated", "programme", arm),
            ("comparison", "comparison", ~arm),
        ):
            labels = {**shared, "term": term, "group": group, "n": int(inside.sum())}
            if binary:
                labels["n_events"] = int(y[inside].sum())
            number = level(y[inside], binary=binary, conf_level=conf_level)
            estimates.append(number.named(f"{kind}_{name}", labels))

    checks = [
        Check(
            name="first_stage_f",
            passed=found.strength >= first_stage_f,
            statistic=found.strength,
            threshold=first_stage_f,
            df=df,
            text="how strongly the assignment moved the delivery; below the threshold the "
            "interval of the instrumental variable may be too narrow (see iv_anderson_rubin).",
        )
    ]
    for group, arm, wanted in (("programme", z, True), ("comparison", ~z, False)):
        off = int((d[arm] != wanted).sum())
        text = f"{off} of {int(arm.sum())} people assigned to the {group} were not treated so."
        checks.append(Check(name="not_as_assigned", statistic=off, group=group, text=text))
    still = [term for term, number in found.numbers.items() if number.std_error is None]
    still.remove("iv_anderson_rubin")  # it never has one
    if still:
        checks.append(
            Check(
                name="no_variance",
                text=f"{', '.join(still)}: nothing differs within the arms, so there is no "
                "standard error and no interval.",
            )
        )
    if found.numbers["iv_anderson_rubin"].low is None and "itt" not in still:
        text = (
            "the effects that the Anderson–Rubin test cannot rule out are not one bounded "
            "interval: the assignment moved the delivery too little."
        )
        checks.append(Check(name="anderson_rubin_unbounded", passed=False, text=text))
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=(
            "As allocated: the arms are comparable as they were assigned; people count where they "
            "were assigned.",
            "As delivered: people were sorted into what they got by their circumstances; this is "
            "not protected by randomisation and shows an association only.",
            "Instrumental variable: the assignment changes the outcome through the delivery only "
            "(exclusion).",
            "Instrumental variable: nobody gets the programme because it was not assigned, or "
            "misses it because it was (monotonicity).",
            "Instrumental variable: the assignment moves the delivery, and the effect is of those "
            "it moved (relevance).",
        ),
        provenance=Provenance(call="comparison.instrumental"),
    )


def slopes(
    y: Array,
    assigned: Flags,
    delivered: Flags,
    *,
    cov: Covariance,
    groups: Codes | None,
    law: Effect,
    conf_level: float,
) -> Slopes:
    """Fit the four regressions and invert the Anderson–Rubin test."""
    names, ones = ("Intercept", "slope"), np.ones(len(y))
    offer, taken = np.column_stack([ones, assigned]), np.column_stack([ones, delivered])
    stage = linear(offer, delivered.astype(float), names)
    if abs(stage.coefficients[1]) < 1e-12:
        raise UndefinedResultError(
            "delivery was as common among those assigned to the programme as among the others, so "
            "the assignment says nothing about what the programme did."
        )
    fits = {
        "itt": linear(offer, y, names),
        "as_treated": linear(taken, y, names),
        "first_stage": stage,
        "iv": linear(taken, y, names, via=offer),
    }
    how = cov if groups is None else "CR1"
    found = {}
    for term, fit in fits.items():
        error = math.sqrt(float(fit.covariance(cov, groups=groups)[1, 1]))
        method = f"{'two-stage ' if term == 'iv' else ''}least squares, {how}, t with {law.df:g} df"
        found[term] = wald(float(fit.coefficients[1]), error, law, conf_level, method=method)
    low = high = None
    if found["itt"].std_error is not None:
        low, high = _anderson_rubin(fits["itt"], stage, cov, groups, law.critical(conf_level))
    found["iv_anderson_rubin"] = Number(
        estimate=found["iv"].estimate,
        low=low,
        high=high,
        method=f"Anderson–Rubin, {how}, t with {law.df:g} df",
    )
    spread = found["first_stage"].std_error
    strength = math.inf if spread is None else (float(stage.coefficients[1]) / spread) ** 2
    return Slopes(numbers=found, strength=strength)


def _anderson_rubin(
    itt: Fit, stage: Fit, cov: Covariance, groups: Codes | None, critical: float | None
) -> tuple[float | None, float | None]:
    """Return the limits; None when the set is not one bounded interval.

    All effects β for which the slope of y − β·delivered on the assignment may be 0: a
    quadratic inequality in β, bounded when the first stage differs from 0.
    """
    if critical is None:
        return None, None
    delta, pi = float(itt.coefficients[1]), float(stage.coefficients[1])
    if cov == "classical" and groups is None:
        residuals = np.column_stack([itt.residuals, stage.residuals])
        v = residuals.T @ residuals / (len(residuals) - 2) * itt.bread[1, 1]
    else:
        both = np.column_stack([itt.influence[:, 1], stage.influence[:, 1]])
        v = covariance(both, kind=cov, groups=groups, leverage=itt.leverage, parameters=2)
    a = pi**2 - critical**2 * v[1, 1]
    b = -2 * (delta * pi - critical**2 * v[0, 1])
    c = delta**2 - critical**2 * v[0, 0]
    if a <= 0:
        return None, None
    root = math.sqrt(max(b**2 - 4 * a * c, 0.0))  # the point lies in the set, so roots exist
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def level(y: Array, *, binary: bool, conf_level: float) -> Number:
    """Return the risk (Wilson) or the mean (t) of one arm."""
    n, mean = len(y), float(y.mean())
    if binary:
        low, high = wilson(x=y.sum(), n=n, conf_level=conf_level)
        return Number(estimate=mean, low=low, high=high, method="Wilson")
    if n < 2:
        return Number(estimate=mean, method="mean of one")
    error = float(y.std(ddof=1)) / math.sqrt(n)
    found = wald(mean, error, Effect(df=n - 1), conf_level, method=f"mean, t with {n - 1} df")
    return replace(found, p_value=None)
