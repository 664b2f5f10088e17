"""The contrasts of two arms: their limits, what they rest on, and what is said of them."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.errors import DesignError, DesignWarning
from drive_eval.models import _permutation, _risks
from drive_eval.models._averages import averages, of_difference, one_way
from drive_eval.models._clusters import Effect
from drive_eval.models._regression import cluster_sums
from drive_eval.models._risks import Number
from drive_eval.models._sample import whole
from drive_eval.results import Check, Provenance, ResultSet
from drive_eval.vocabulary import ESTIMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.models._permutation import Few
    from drive_eval.models._regression import Array, Codes, Design
    from drive_eval.models._sample import Sample

#: Over whom averages are taken, as a method's name ends.
SCOPE = {
    "att": "over programme cases (ATT)",
    "atm": "over matched programme cases (ATM)",
    "ate": "over all cases (ATE)",
    "atc": "over comparison cases (ATC)",
    "ato": "over the overlap of the arms (ATO)",
}


# What the variance rests on


def law_of(sample: Sample, spread: Array, *, parameters: int, binary: bool) -> Effect:
    """Return the quantile's law: t where clusters, sets or effective cases are few.

    Degrees of freedom of a design: effective clusters (Kish, by weight) of the smaller arm − 1
    where clusters hold both arms; Welch's where each is in one arm, or rows are independent.
    """
    if sample.kind == "table" and sample.stage is None:
        if sample.areas is None:
            return Effect() if binary else Effect(df=len(sample.y) - parameters)
        count = int(sample.areas.max()) + 1
        return Effect(df=count - (2 if whole(sample.t, sample.areas) else 1))
    clusterings = sample.groups
    if sample.stage is not None:
        clusterings = () if sample.areas is None else (sample.areas,)
    if not clusterings:
        return Effect(df=_welch(spread, sample.worth()))
    found = []
    for groups in clusterings:
        worth = [_worth(groups[arm], sample.weight[arm]) for arm in (sample.t, ~sample.t)]
        apart = whole(sample.t, groups)
        found.append(_welch(spread, (worth[0], worth[1])) if apart else min(worth) - 1)
    return Effect(df=min(found))


def _worth(groups: Codes, weight: Array) -> float:
    sums = np.bincount(groups, weights=weight)
    return float(sums.sum() ** 2 / (sums @ sums))


def _welch(spread: Array, worth: tuple[float, float]) -> float:
    parts = [float(spread[i, i]) for i in (0, 1)]
    if sum(parts) <= 0:
        return min(worth) - 1
    spare = [max(w - 1, 1e-9) for w in worth]
    return sum(parts) ** 2 / sum(v**2 / d for v, d in zip(parts, spare, strict=True))


def variance_name(sample: Sample, law: Effect) -> str:
    """Say how the variance is made and which t is used."""
    if sample.stage is not None:
        name = "stacked sandwich" + (", clustered" if sample.areas is not None else "")
    elif sample.cov == "sets":
        second = " and clusters" if sample.areas is not None else ""
        second = second or (" and cases" if len(sample.groups) == 2 else "")
        name = f"{'two-way ' if second else ''}sandwich on matched sets{second}"
    else:
        name = "cluster sandwich" if sample.areas is not None else f"{sample.cov} sandwich"
    return name if law.df is None else f"{name}, t with {round(law.df, 1):g} df"


def cluster_checks(sample: Sample, wanted: int) -> list[Check]:
    """Say how many clusters and matched sets there are; few clusters are warned of."""
    found = []
    if sample.cov == "sets":
        worth = _worth(sample.groups[0], sample.weight)
        count = int(sample.groups[0].max()) + 1
        found.append(
            Check(
                name="matched_sets",
                passed=worth >= wanted,
                statistic=worth,
                threshold=wanted,
                text=f"{count:,} matched sets, worth {worth:,.1f} equal ones.",
            )
        )
    if sample.areas is None:
        return found
    count = int(sample.areas.max()) + 1
    if count < wanted:
        warnings.warn(
            f"{count} clusters are fewer than the {wanted} that a cluster sandwich asks for; "
            "its intervals may be too narrow.",
            DesignWarning,
            stacklevel=4,
        )
    found.append(
        Check(
            name="clusters",
            passed=count >= wanted,
            statistic=count,
            threshold=wanted,
            text=f"{count} clusters.",
        )
    )
    return found


def few_areas(sample: Sample, fewest: int) -> bool:
    """Tell whether fewer clusters than that were allocated, each as a whole."""
    if sample.areas is None or not whole(sample.t, sample.areas):
        return False
    return int(sample.areas.max()) + 1 < fewest


# Risks


def risk_numbers(
    sample: Sample,
    covariates: str | Sequence[str] | None,
    *,
    interactions: bool,
    conf_level: float,
    min_clusters: int,
    events_per_parameter: float,
    always_sandwich: bool,
) -> tuple[dict[str, Number], list[Check]]:
    """Return every measure of two risks, and what must be known of them."""
    adjusted = covariates is not None and len(covariates) > 0
    checks = cluster_checks(sample, min_clusters)
    plain = sample.kind == "table" and sample.areas is None and not always_sandwich
    law = Effect()
    found: dict[str, Number] = {}
    if adjusted or (not plain and _mixed(sample)):
        made = averages(sample, covariates, binary=True, interactions=interactions)
        law = law_of(sample, made.spread, parameters=made.parameters, binary=True)
        checks += made.checks
        if adjusted or _risks.varies(made.spread):
            method = f"{_point_name(sample, adjusted=adjusted)}, {variance_name(sample, law)}"
            found = _risks.from_risks(
                made.points,
                made.spread,
                law=law,
                conf_level=conf_level,
                method=_scoped(method, sample),
            )
            checks += no_interval(law)
        if made.design is not None:
            checks += model_checks(sample, made.parameters, events_per_parameter, made.design)
    elif not plain:
        nothing = np.zeros((2, 2))
        law = law_of(sample, nothing, parameters=2, binary=True)
    if not found:
        found = _from_counts(sample, law, conf_level)
        for measure, text in _risks.UNDEFINED.items():
            if found[measure].estimate is None:
                said = _risks.NOTHING_DIFFERS if found[measure].low is None else text
                checks.append(Check(name=f"{measure}_undefined", text=said))
    return found, checks


def _mixed(sample: Sample) -> bool:
    """Tell whether both arms hold people with the outcome and people without."""
    inside = sample.weight > 0
    return all(0 < sample.y[inside & arm].mean() < 1 for arm in (sample.t, ~sample.t))


def _from_counts(sample: Sample, law: Effect, conf_level: float) -> dict[str, Number]:
    """Return score intervals on counts; of a design, on what its cases are worth."""
    x1, n1, x0, n0 = map(float, sample.counts())
    if sample.kind != "table":
        n1, n0 = sample.worth()
        w, t, y = sample.weight, sample.t, sample.y
        x1, x0 = (
            n1 * float(np.average(y[t], weights=w[t])),
            n0 * float(np.average(y[~t], weights=w[~t])),
        )
    if sample.areas is not None:
        size = _design_effect(sample, (x1 + x0) / (n1 + n0), sample.areas)
        law = dataclasses.replace(law, size=size)
    critical = law.critical(conf_level)
    if critical is None:
        raise DesignError(f"{law.df:g} degrees of freedom are left; more clusters are needed.")
    found = _risks.from_counts(x1, n1, x0, n0, effect=law, critical=critical)
    if sample.kind == "table":
        return found
    worth = f"effective counts ({n1:.1f} and {n0:.1f} cases)"
    return {
        name: dataclasses.replace(number, method=_scoped(f"{number.method}, {worth}", sample))
        for name, number in found.items()
    }


def _design_effect(sample: Sample, pooled: float, groups: Codes) -> float:
    """Return how much clusters widen the contrast; at least 1.

    Of a table as if both arms had one risk; of a design around each arm's own, where weights
    make large clusters of any distance from the common one.
    """
    share = np.where(
        sample.t,
        sample.weight / sample.weight[sample.t].sum(),
        -sample.weight / sample.weight[~sample.t].sum(),
    )
    centre: float | Array = pooled
    if sample.kind != "table":
        own = [
            float(np.average(sample.y[a], weights=sample.weight[a])) for a in (sample.t, ~sample.t)
        ]
        centre = np.where(sample.t, *own)
    parts = share * (sample.y - centre)
    alone = float(parts @ parts)
    if alone == 0:
        return 1.0
    return max(1.0, float(one_way(parts[:, None], groups)[0, 0]) / alone)


def _point_name(sample: Sample, *, adjusted: bool) -> str:
    if adjusted:
        return "g-computation"
    return {"table": "observed risks"}.get(sample.kind, f"{sample.kind} risks")


def _scoped(method: str, sample: Sample) -> str:
    return method if sample.kind == "table" else f"{method}, {SCOPE[sample.estimand]}"


def no_interval(law: Effect) -> list[Check]:
    """Say why there are no limits, where there are none."""
    if law.critical(0.95) is not None:
        return []
    text = (
        "one arm is worth hardly more than a single case or cluster, so nothing shows how much "
        "others would differ: there are no intervals."
    )
    return [Check(name="no_interval", passed=False, text=text)]


def model_checks(sample: Sample, parameters: int, wanted: float, design: Design) -> list[Check]:
    """Say how much the outcome model rests on."""
    x1, n1, x0, n0 = sample.counts()
    rarer = min(x1 + x0, n1 + n0 - x1 - x0)
    return [
        Check(
            name="events_per_parameter",
            passed=rarer / parameters >= wanted,
            statistic=rarer / parameters,
            threshold=wanted,
            text=f"{rarer} of the rarer outcome for {parameters} parameters.",
        ),
        Check(name="reference_levels", text=design.describe()),
    ]


# Means


def mean_numbers(
    sample: Sample,
    covariates: str | Sequence[str] | None,
    *,
    interactions: bool,
    conf_level: float,
    min_clusters: int,
) -> tuple[dict[str, Number], list[Check]]:
    """Return two means and their difference, and what must be known of them."""
    adjusted = covariates is not None and len(covariates) > 0
    checks = cluster_checks(sample, min_clusters)
    made = averages(sample, covariates, binary=False, interactions=interactions)
    law = law_of(sample, made.spread, parameters=made.parameters, binary=False)
    point = "g-computation (least squares)" if adjusted else "least squares"
    method = _scoped(f"{point}, {variance_name(sample, law)}", sample)
    checks += [*made.checks, *no_interval(law)]
    found = from_means(made.points, made.spread, law=law, conf_level=conf_level, method=method)
    if made.design is not None:
        checks.append(Check(name="reference_levels", text=made.design.describe()))
    still = [name for name, number in found.items() if number.std_error is None]
    if still:
        text = (
            f"{', '.join(still)}: nothing differs within the arms, so there is no standard error "
            "and no interval."
        )
        checks.append(Check(name="no_variance", text=text))
    return found, checks


def from_means(
    points: Array, spread: Array, *, law: Effect, conf_level: float, method: str
) -> dict[str, Number]:
    """Return two means and their difference from their covariance."""
    size = float(np.abs(points).max())

    def number(value: float, variance: float) -> Number:
        error = math.sqrt(max(variance, 0.0))
        if error < 1e-10 * size:  # rounding
            error = 0.0
        return _risks.wald(value, error, law, conf_level, method=method)

    return {
        "mean_treated": dataclasses.replace(
            number(float(points[0]), float(spread[0, 0])), p_value=None
        ),
        "mean_comparison": dataclasses.replace(
            number(float(points[1]), float(spread[1, 1])), p_value=None
        ),
        "mean_difference": number(float(points[0] - points[1]), of_difference(spread)),
    }


# Few areas


def few_numbers(
    sample: Sample,
    covariates: str | Sequence[str] | None,
    *,
    binary: bool,
    conf_level: float,
    few: Few,
    rng: np.random.Generator | None,
) -> tuple[dict[str, Number], list[Check]]:
    """Return the contrasts of a few areas, each of which was allocated as a whole."""
    if covariates is not None and len(covariates) > 0:
        raise DesignError(
            f"only {int(_areas(sample).max()) + 1} clusters were allocated, each as a whole: too "
            "few for a model with covariates. Leave covariates out; the clusters are then "
            "compared as they are, by rearranging which of them had the programme."
        )
    areas = _areas(sample)
    made = _permutation.contrasts(
        weights=cluster_sums(sample.weight[:, None], areas)[:, 0],
        sums=cluster_sums((sample.weight * sample.y)[:, None], areas)[:, 0],
        treated=np.bincount(areas, weights=sample.t) > 0,
        ratio=binary,
        conf_level=conf_level,
        few=few,
        rng=rng,
    )
    kind = "risk" if binary else "mean"
    method = _scoped(f"{_point_name(sample, adjusted=False)}, {made.method}", sample)
    numbers = {
        f"{kind}_treated": Number(estimate=made.points[0], method=method),
        f"{kind}_comparison": Number(estimate=made.points[1], method=method),
        f"{kind}_difference": dataclasses.replace(made.difference, method=method),
    }
    low, high = made.difference.low, made.difference.high
    if binary and low is not None and high is not None:
        numbers["risk_difference"] = dataclasses.replace(
            numbers["risk_difference"], low=max(low, -1.0), high=min(high, 1.0)
        )
    if made.ratio is not None:
        numbers["risk_ratio"] = dataclasses.replace(made.ratio, method=method)
        p1, p0 = made.points
        top, bottom = p1 * (1 - p0), p0 * (1 - p1)
        numbers["odds_ratio"] = Number(estimate=top / bottom if bottom else None, method=method)
    return numbers, list(made.checks)


def _areas(sample: Sample) -> Codes:
    if sample.areas is None:
        raise DesignError("no cluster was named.")
    return sample.areas


# What is said of them


def result(
    sample: Sample,
    found: Mapping[str, Number],
    checks: Sequence[Check],
    *,
    labels: Mapping[str, Any],
    contrast: str,
    group: str,
    adjusted: bool,
    assumptions: Sequence[str],
    call: str,
) -> ResultSet:
    """Put numbers, counts and labels into the form of every result."""
    x1, n1, x0, n0 = sample.counts()
    risks = "risk_difference" in found
    kind = "risk" if risks else "mean"
    one = {"n": n1} | ({"n_events": x1} if risks else {})
    other = {"n": n0} | ({"n_events": x0} if risks else {})
    both = {
        **labels,
        **one,
        "group": group,
        "contrast": contrast,
        "claim": "associational",
        "n_reference": n0,
    } | ({"n_events_reference": x0} if risks else {})
    estimates = [
        found[f"{kind}_treated"].named(f"{kind}_treated", {**labels, "group": "programme", **one}),
        found[f"{kind}_comparison"].named(
            f"{kind}_comparison", {**labels, "group": "comparison", **other}
        ),
        found[f"{kind}_difference"].named(f"{kind}_difference", both),
    ]
    if risks:
        ratio = found["risk_ratio"].named("risk_ratio", both)
        estimates += [
            ratio,
            ratio.percent_reduction(),
            found["odds_ratio"].named("odds_ratio", both),
        ]
    said = list(checks) + list(sample.checks)
    if sample.kind != "table" or adjusted:
        said.append(Check(name="estimand", text=_estimand(sample, kind)))
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(said),
        assumptions=tuple(assumptions),
        provenance=Provenance(call=call),
    )


def _estimand(sample: Sample, kind: str) -> str:
    if sample.kind == "table" and sample.stage is None:
        return f"ate: {kind}s are averaged over everybody in the table."
    return f"{sample.estimand}: the effect is {ESTIMANDS[sample.estimand]}."


def assumptions(
    sample: Sample, *, adjusted: bool, binary: bool, unit: str, few: bool = False
) -> list[str]:
    """Say what a reader must believe."""
    model = "logistic model" if binary else "linear model"
    if sample.kind == "table" and not adjusted:
        what = "risk" if binary else "mean"
        said = [f"Without the programme both arms would have had the same {what} (no adjustment)."]
    elif sample.kind == "table":
        said = [
            "Among people with the same covariates, being in the programme has nothing to do "
            "with the outcome except through the programme.",
            "Both arms hold people of every kind that the covariates tell apart, and the "
            f"{model} of the outcome is right.",
            "The effect is averaged over everybody in the table (ate), and its uncertainty "
            "includes that another sample would hold other people.",
        ]
    else:
        said = [NO_HIDDEN]
        if sample.kind == "matched":
            said.append(
                "Comparison cases like the programme cases were found: what differences are left "
                "after matching are too small to matter"
                + (f", or the {model} of the outcome corrects them." if adjusted else ".")
            )
        else:
            said.append(
                "Both arms hold cases of every kind that the effect speaks of, and the model from "
                "which the weights were made is right"
                + (f", or the {model} of the outcome is." if adjusted else ".")
            )
        said.append(f"The effect is {ESTIMANDS[sample.estimand]}.")
    if few:
        held = "" if sample.kind == "table" else " The weights of cases are taken as they are."
        return [*said, EXCHANGEABLE + held]
    return [*said, independence(sample, unit)]


EXCHANGEABLE = (
    "Any of the few clusters might as well have been the ones with the programme, and the effect "
    "is the same in all of them."
)
NO_HIDDEN = (
    "Nothing else that bears on both who is in the programme and the outcome differs between "
    "cases that are alike in the covariates of the design (no hidden confounding)."
)


def independence(sample: Sample, unit: str) -> str:
    """Say what is independent of what."""
    if sample.areas is not None and sample.cov == "sets":
        return "Cases that share neither a matched set nor a cluster are independent."
    if sample.areas is not None:
        return "Clusters are independent of each other; people within one need not be."
    if sample.cov == "sets":
        return "Matched sets are independent of each other; cases within one need not be."
    return f"Rows ({unit or 'people'}) are independent of each other."
