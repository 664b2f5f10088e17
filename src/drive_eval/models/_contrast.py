"""The contrasts of two arms: their limits, what they rest on, and what is said of them."""

from __future__ import annotations

import dataclasses
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.errors import DesignError, DesignWarning
from drive_eval.models import _permutation, _risks
from drive_eval.models._averages import averages, of_difference, one_way
from drive_eval.models._clusters import Effect
from drive_eval.models._regression import cluster_sums
from drive_eval.models._risks import Number
from drive_eval.models._sample import allocated, whole
from drive_eval.results import Check, Provenance, ResultSet
from drive_eval.vocabulary import ESTIMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.models._permutation import Few
    from drive_eval.models._regression import Array, Codes, Design, Flags
    from drive_eval.models._sample import Sample

#: Over whom averages are taken, as a method's name ends.
SCOPE = {
    "att": "over programme cases (ATT)",
    "atm": "over matched programme cases (ATM)",
    "ate": "over all cases (ATE)",
    "atc": "over comparison cases (ATC)",
    "ato": "over the overlap of the arms (ATO)",
}


_LEAST = 2 - 1e-9  # an arm worth fewer cases or clusters shows nothing of how others would differ

# What the variance rests on


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The quantiles that limits are made with.

    Attributes
    ----------
    contrast : Effect
    arms : (Effect, Effect)
        Of the programme's own average, and of the comparison's.
    """

    contrast: Effect
    arms: tuple[Effect, Effect]


_NORMAL = Law(contrast=Effect(), arms=(Effect(), Effect()))


def law_of(sample: Sample, spread: Array, *, parameters: int, binary: bool) -> Law:
    """Return t with degrees of freedom from what both arms are worth; none below two.

    An arm's degrees of freedom are its effective cases (Kish, by weight) less the parameters
    that were fitted to it, or its effective clusters − 1; those of the contrast are Welch's.
    Where clusters hold both arms, the arm with fewer of them decides.
    """
    arms = (sample.t, ~sample.t)
    variances = (float(spread[0, 0]), float(spread[1, 1]))
    plain = sample.kind == "table" and sample.stage is None
    clusterings: tuple[Codes, ...] = sample.groups
    if sample.stage is not None or (plain and sample.areas is None):
        clusterings = () if sample.areas is None else (sample.areas,)
    if not clusterings:
        worth = sample.worth()
        if plain and binary and min(worth) >= _LEAST:
            return _NORMAL
        fitted = [parameters / 2] * 2
        if sample.stage is not None:
            fitted = [max(parameters / 2, sample.stage.tilting(arm)) for arm in arms]
        return _law([_welch(variances, worth, fitted)])
    found = []
    for groups in clusterings:
        worth = (
            _worth(groups[sample.t], sample.weight[sample.t]),
            _worth(groups[~sample.t], sample.weight[~sample.t]),
        )
        if whole(sample.t, groups):
            found.append(_welch(variances, worth, (1.0, 1.0)))
            continue
        if plain:
            inside, outside = allocated(*_telling(sample, groups))
            worth = (float(inside), float(outside))
        spare = [w - 1 if w >= _LEAST else 0.0 for w in worth]
        found.append((min(spare), spare[0], spare[1]))
    return _law(found)


def _law(found: Sequence[tuple[float, float, float]]) -> Law:
    """Return the law of the clustering that leaves fewest degrees of freedom."""
    both, one, other = (Effect(df=min(df)) for df in zip(*found, strict=True))
    return Law(contrast=both, arms=(one, other))


def _telling(sample: Sample, groups: Codes) -> tuple[Flags, Codes]:
    """Return arm and cluster of the rows that have a weight."""
    inside = sample.weight > 0
    return sample.t[inside], groups[inside]


def _worth(groups: Codes, weight: Array) -> float:
    sums = np.bincount(groups, weights=weight)
    return float(sums.sum() ** 2 / (sums @ sums))


def _welch(
    variances: tuple[float, float], worth: tuple[float, float], fitted: Sequence[float]
) -> tuple[float, float, float]:
    """Return degrees of freedom of the contrast and of both arms; 0 for an arm of one.

    For two means they are Welch's, which are those of Bell and McCaffrey there.
    """
    spare = [max(w - k, 1.0) if w >= _LEAST else 0.0 for w, k in zip(worth, fitted, strict=True)]
    if min(spare) == 0 or sum(variances) <= 0:
        return min(spare), spare[0], spare[1]
    parts = zip(variances, spare, strict=True)
    both = sum(variances) ** 2 / sum(v**2 / d for v, d in parts)
    return both, spare[0], spare[1]


def variance_name(sample: Sample, law: Law) -> str:
    """Say how the variance is made and which t is used."""
    if sample.stage is not None:
        name = "stacked sandwich" + (", clustered" if sample.areas is not None else "")
    elif sample.cov == "sets":
        second = " and clusters" if sample.areas is not None else ""
        second = second or (" and cases" if len(sample.groups) == 2 else "")
        name = f"{'two-way ' if second else ''}sandwich on matched sets{second}"
    else:
        name = "cluster sandwich" if sample.areas is not None else f"{sample.cov} sandwich"
    df = law.contrast.df
    return name if df is None or df < 1 else f"{name}, t with {round(df, 1):g} df"


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
    """Tell whether fewer clusters than that, or half in an arm, were allocated as wholes."""
    if sample.areas is None:
        return False
    t, areas = _telling(sample, sample.areas)
    found = allocated(t, areas)
    return whole(t, areas) and (sum(found) < fewest or min(found) < fewest / 2)


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
    found: dict[str, Number] = {}
    law = _NORMAL
    if adjusted or (not plain and _mixed(sample)):
        made = averages(sample, covariates, binary=True, interactions=interactions)
        law = law_of(sample, made.spread, parameters=made.parameters, binary=True)
        checks += made.checks
        if adjusted or _risks.varies(made.spread):
            method = f"{_point_name(sample, adjusted=adjusted)}, {variance_name(sample, law)}"
            found = _risks.from_risks(
                made.points,
                made.spread,
                law=law.contrast,
                arms=law.arms,
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
        if sample.kind == "table" and sample.areas is None:
            law = _NORMAL  # score limits of independent counts need no variance within the arms
        found = _from_counts(sample, law, conf_level)
        checks += _undefined(found) + no_interval(law)
    return found, checks


def _undefined(found: Mapping[str, Number]) -> list[Check]:
    """Say why a ratio has no point, where it has none."""
    checks = []
    for measure, (why, limits) in _risks.UNDEFINED.items():
        if found[measure].estimate is None:
            text = f"{why}." if found[measure].low is None else f"{why}; {limits}."
            if found["risk_treated"].estimate == found["risk_comparison"].estimate:
                text = _risks.NOTHING_DIFFERS
            checks.append(Check(name=f"{measure}_undefined", text=text))
    return checks


def _mixed(sample: Sample) -> bool:
    """Tell whether both arms hold people with the outcome and people without."""
    inside = sample.weight > 0
    return all(0 < sample.y[inside & arm].mean() < 1 for arm in (sample.t, ~sample.t))


def _from_counts(sample: Sample, law: Law, conf_level: float) -> dict[str, Number]:
    """Return score intervals on counts; of a design, on what its cases are worth."""
    x1, n1, x0, n0 = map(float, sample.counts())
    if sample.kind != "table":
        n1, n0 = sample.worth()
        w, t, y = sample.weight, sample.t, sample.y
        x1, x0 = (
            n1 * float(np.average(y[t], weights=w[t])),
            n0 * float(np.average(y[~t], weights=w[~t])),
        )
    size = 1.0
    if sample.areas is not None:
        size = _design_effect(sample, (x1 + x0) / (n1 + n0), sample.areas)

    def made(of: Effect) -> dict[str, Number]:
        effect, critical = dataclasses.replace(of, size=size), of.critical(conf_level)
        return _risks.from_counts(x1, n1, x0, n0, effect=effect, critical=critical)

    found = made(law.contrast)
    for name, own in zip(("risk_treated", "risk_comparison"), law.arms, strict=True):
        found[name] = made(own)[name] if own != law.contrast else found[name]
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
    telling = sample.weight > 0
    groups = np.unique(groups[telling], return_inverse=True)[1]
    return max(1.0, float(one_way(parts[telling, None], groups)[0, 0]) / alone)


def _point_name(sample: Sample, *, adjusted: bool) -> str:
    if adjusted:
        return "g-computation"
    return {"table": "observed risks"}.get(sample.kind, f"{sample.kind} risks")


def _scoped(method: str, sample: Sample) -> str:
    return method if sample.kind == "table" else f"{method}, {SCOPE[sample.estimand]}"


def no_interval(law: Law) -> list[Check]:
    """Say why there are no limits, where there are none."""
    if law.contrast.critical(0.95) is not None:
        return []
    text = (
        "one arm is worth fewer than two cases or clusters, so nothing shows how much others would "
        "differ: the contrasts, and what is said of that arm, have no standard error and no "
        "interval."
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
    if still and law.contrast.critical(conf_level) is not None:
        text = (
            f"{', '.join(still)}: nothing differs within the arms, so there is no standard error "
            "and no interval."
        )
        checks.append(Check(name="no_variance", text=text))
    return found, checks


def from_means(
    points: Array, spread: Array, *, law: Law, conf_level: float, method: str
) -> dict[str, Number]:
    """Return two means and their difference from their covariance."""
    size = float(np.abs(points).max())

    def number(value: float, variance: float, of: Effect) -> Number:
        error = math.sqrt(max(variance, 0.0))
        if error < 1e-10 * size:  # rounding
            error = 0.0
        return _risks.wald(value, error, of, conf_level, method=method)

    return {
        "mean_treated": dataclasses.replace(
            number(float(points[0]), float(spread[0, 0]), law.arms[0]), p_value=None
        ),
        "mean_comparison": dataclasses.replace(
            number(float(points[1]), float(spread[1, 1]), law.arms[1]), p_value=None
        ),
        "mean_difference": number(
            float(points[0] - points[1]), of_difference(spread), law.contrast
        ),
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
            f"{how_few(sample)}: too few for a model with covariates. Leave covariates out; the "
            "clusters are then compared as they are, by rearranging which of them had the "
            "programme."
        )
    t, areas = _telling(sample, _areas(sample))
    areas = np.unique(areas, return_inverse=True)[1]
    weight, y = sample.weight[sample.weight > 0], sample.y[sample.weight > 0]
    made = _permutation.contrasts(
        weights=cluster_sums(weight[:, None], areas)[:, 0],
        sums=cluster_sums((weight * y)[:, None], areas)[:, 0],
        treated=np.bincount(areas, weights=t) > 0,
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
    if binary:
        numbers["risk_difference"] = _risks.within(numbers["risk_difference"])
    if made.ratio is not None:
        numbers["risk_ratio"] = dataclasses.replace(made.ratio, method=method)
        p1, p0 = made.points
        top, bottom = p1 * (1 - p0), p0 * (1 - p1)
        numbers["odds_ratio"] = Number(estimate=top / bottom if bottom else None, method=method)
    return numbers, list(made.checks)


def how_few(sample: Sample) -> str:
    """Say how many clusters were allocated."""
    inside, outside = allocated(*_telling(sample, _areas(sample)))
    return (
        f"only {inside + outside} clusters were allocated, each as a whole ({inside} to the "
        "programme)"
    )


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
