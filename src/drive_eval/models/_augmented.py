"""Averages that two models stand for: one of who is in the programme, one of the outcome.

The outcome model foretells everybody in either arm; what it gets wrong in an arm, weighted to
the population, is added. If the outcome model is right there is nothing to add but noise, and
if the weights are right what is added is exactly what the outcome model misses.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from scipy import special

from drive_eval.errors import DesignError, did_you_mean
from drive_eval.models import _balance, _contrast, _risks, _sample, _weights
from drive_eval.models._averages import Averages, all_rows, averages, covariance
from drive_eval.models._design import Matched, Weighted
from drive_eval.models._regression import design_matrix, linear, logistic
from drive_eval.models._score import propensity
from drive_eval.results import Check
from drive_eval.vocabulary import ESTIMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.models._regression import Array, Design, Fit, Flags
    from drive_eval.models._risks import Number
    from drive_eval.models._sample import Data, Missing, Sample
    from drive_eval.vocabulary import Estimand

Doubly: TypeAlias = Literal["stacked", "influence"]
DOUBLY: tuple[str, ...] = get_args(Doubly)

_OFF_SCALE = 0.25  # weights whose sum is further than this from the population's are normalised

BOTH_MODELS = (
    "Two models were used, one of who is in the programme and one of the outcome. The estimate is "
    "right if one of the two is right; the data do not show which."
)


def read(
    data: Data,
    *,
    outcome: str,
    treated: str | None,
    covariates: str | Sequence[str] | None,
    estimand: Estimand | None,
    cluster: str | None,
    cov: str | None,
    missing: Missing,
    binary: bool | None,
) -> tuple[Sample, str | Sequence[str], list[Check]]:
    """Return the sample with its weights, the covariates of the outcome, and checks of a score."""
    shared: dict[str, Any] = {"outcome": outcome, "cluster": cluster, "missing": missing}
    shared["binary"] = bool(binary)
    named = covariates is not None and len(covariates) > 0
    if isinstance(data, (Matched, Weighted)):
        if estimand is not None and estimand != data.estimand:
            raise DesignError(
                f'the design was made for estimand "{data.estimand}", not "{estimand}"; leave '
                "estimand out, or make the design anew."
            )
        if isinstance(data, Weighted):
            _refuse_cov(cov)
            cov = None
        sample = _sample.read(data, treated=treated, cov=cov, adjusted=True, **shared)
        found = covariates if covariates is not None and named else data.covariates
        return sample, found, []
    _refuse_cov(cov)
    if covariates is None or not named:
        raise DesignError(
            "a doubly robust contrast of a table needs covariates: from them come the propensity "
            "score and the models of the outcome."
        )
    wanted: Estimand = estimand or "ate"
    if wanted not in ESTIMANDS or wanted == "atm":
        offered = [name for name in ESTIMANDS if name != "atm"]
        raise DesignError(
            f'estimand="{wanted}" is not on offer; there are {", ".join(offered)}.'
            f"{did_you_mean(str(wanted), offered)}"
        )
    if treated is None:
        raise DesignError(_sample.NAME_THE_ARMS)
    score = propensity(data, treated=treated, covariates=covariates)
    sample = _sample.read(
        data,
        treated=treated,
        made=_weights.score_weights(score, wanted),
        estimand=wanted,
        **shared,
    )
    checks = [
        _balance.check_overlap(score.treated, score.probability, estimand=wanted),
        _balance.check_parameters(score.treated, len(score.coefficients)),
    ]
    return sample, covariates, checks


def _refuse_cov(cov: str | None) -> None:
    if cov is not None and cov not in DOUBLY:
        raise DesignError(
            f'cov="{cov}" is not on offer for a doubly robust contrast of a table or of weights; '
            f"there are {', '.join(DOUBLY)}.{did_you_mean(str(cov), DOUBLY)}"
        )


def numbers(
    sample: Sample,
    covariates: str | Sequence[str],
    *,
    binary: bool,
    cov: str | None,
    conf_level: float,
    min_clusters: int,
    events_per_parameter: float,
) -> tuple[dict[str, Number], list[Check]]:
    """Return the contrasts, and what must be known of them."""
    if _contrast.few_areas(sample, _sample.FEW_AREAS):
        count = 0 if sample.areas is None else int(sample.areas.max()) + 1
        raise DesignError(
            f"only {count} clusters were allocated, each as a whole: too few for two models. "
            "risk_contrast and mean_contrast compare the clusters as they are."
        )
    checks = _contrast.cluster_checks(sample, min_clusters)
    how = cov or "stacked"
    made = augmented(sample, covariates, binary=binary, cov=how)
    law = _contrast.law_of(sample, made.spread, parameters=made.parameters, binary=binary)
    name = _contrast.variance_name(sample, law)
    if how == "influence":
        name = name.replace("stacked sandwich", "influence function")
    point = "augmented matching" if sample.kind == "matched" else "augmented weighting"
    method = f"{point}, {name}, {_contrast.SCOPE[sample.estimand]}"
    checks += [*made.checks, *_contrast.no_interval(law)]
    checks.append(Check(name="doubly_robust", text=BOTH_MODELS))
    if made.design is not None:
        checks += _arm_checks(sample, made.parameters, events_per_parameter, made.design, binary)
    limits: dict[str, Any] = {"law": law, "conf_level": conf_level, "method": method}
    if not binary:
        return _contrast.from_means(made.points, made.spread, **limits), checks
    if ((made.points > 0) & (made.points < 1)).all() and _risks.varies(made.spread):
        return _risks.from_risks(made.points, made.spread, **limits), checks
    difference = _contrast.from_means(made.points, made.spread, **limits)["mean_difference"]
    text = (
        "what the outcome model got wrong, weighted, carries a risk to 0 or 1 or beyond, so the "
        "risks and their ratios do not exist; the difference does. There is little overlap, or "
        "one of the models is far off."
    )
    checks.append(Check(name="risk_outside", passed=False, text=text))
    none = dict.fromkeys(
        ("risk_treated", "risk_comparison", "risk_ratio", "odds_ratio"),
        _risks.Number(estimate=None, method=method),
    )
    return {**none, "risk_difference": difference}, checks


def _arm_checks(
    sample: Sample, parameters: int, wanted: float, design: Design, binary: bool
) -> list[Check]:
    x1, n1, x0, n0 = sample.counts()
    fewest = min(x1, n1 - x1, x0, n0 - x0) if binary else min(n1, n0)
    what = "of the rarer outcome in an arm" if binary else "cases in the smaller arm"
    return [
        Check(
            name="events_per_parameter",
            passed=fewest / parameters >= wanted,
            statistic=fewest / parameters,
            threshold=wanted,
            text=f"{fewest} {what} for {parameters} parameters of its outcome model.",
        ),
        Check(name="reference_levels", text=design.describe()),
    ]


def assumptions(sample: Sample, unit: str) -> list[str]:
    """Say what a reader must believe."""
    return [
        _contrast.NO_HIDDEN,
        "Both arms hold cases of every kind that the effect speaks of.",
        "Of two models, that of who is in the programme and that of the outcome, at least one is "
        "right.",
        f"The effect is {ESTIMANDS[sample.estimand]}.",
        _contrast.independence(sample, unit),
    ]


def augmented(
    sample: Sample, covariates: str | Sequence[str], *, binary: bool, cov: str
) -> Averages:
    """Return both arms' doubly robust averages over the population of the estimand.

    Parameters
    ----------
    sample : Sample
        With a stage, or matched.
    covariates : str or sequence of str
        Of the outcome models.
    binary : bool
    cov : {'stacked', 'influence'} or a matched variance
        Whether the variance counts that both models were estimated, or takes the influence
        function at the estimates.
    """
    if sample.kind == "matched":
        # A regression with the matched weights leaves no weighted residual to add.
        return averages(sample, covariates, binary=binary, sampled=True)
    design = design_matrix(sample.table, covariates)
    normalised, checks = _scale(sample)
    points, parts, stages = [], [], []
    for arm, name in ((sample.t, "programme"), (~sample.t, "comparison")):
        point, own, stage = _one_arm(
            sample, design, arm, name, binary=binary, normalised=normalised, cov=cov
        )
        points.append(point)
        parts.append(own)
        stages.append(stage)
    parameters = design.matrix.shape[1] + 1
    own = np.column_stack(parts)
    if cov == "influence":
        n = len(sample.y)
        groups = () if sample.areas is None else (sample.areas,)
        alone = dataclasses.replace(sample, stage=None, cov="HC0", groups=groups)
        spread, more = covariance(alone, own, parameters=parameters, small=False)
        spread = spread if groups else spread * (n / (n - 1))
    else:
        rows = all_rows(sample, own, np.column_stack(stages))
        spread, more = covariance(sample, rows, parameters=parameters, small=False)
    return Averages(
        points=np.array(points),
        spread=spread,
        parameters=parameters,
        design=design,
        checks=(*checks, *more),
    )


def _scale(sample: Sample) -> tuple[bool, tuple[Check, ...]]:
    """Tell whether weights must be normalised: they may be on any scale, e.g. stabilised."""
    total = sample.target.sum()
    sums = [float(sample.weight[arm].sum() / total) for arm in (sample.t, ~sample.t)]
    if all(abs(share - 1) <= _OFF_SCALE for share in sums):
        return False, ()
    text = (
        f"the weights of the programme sum to {sums[0]:.2f} and those of the comparison to "
        f"{sums[1]:.2f} of the population's size, so they were made to sum to it in each arm."
    )
    return True, (Check(name="weights_normalised", text=text),)


def _one_arm(
    sample: Sample,
    design: Design,
    arm: Flags,
    name: str,
    *,
    binary: bool,
    normalised: bool,
    cov: str,
) -> tuple[float, Array, Array]:
    """Return an arm's average, what rows contribute to it, and its slope by the weights' model."""
    fit, inside = _arm_model(sample, design, arm, name, binary=binary)
    matrix = np.column_stack([np.ones(len(arm)), design.matrix])
    foretold = matrix @ fit.coefficients
    slope = np.ones_like(foretold)
    if binary:
        foretold = special.expit(foretold)
        slope = foretold * (1 - foretold)
    total = sample.target.sum()
    weight = sample.weight * arm
    size = weight.sum() if normalised else total
    residual = sample.y - foretold
    added = float(weight @ residual / size)
    point = float(sample.target @ foretold / total) + added
    # What rows contribute: of the standardised part, and of what is added to it.
    centre, apart = (point - added, added) if normalised else (point, 0.0)
    own = sample.target * (foretold - centre) / total + weight * (residual - apart) / size
    if cov == "stacked":
        gradient = (sample.target / total - weight / size) * slope @ matrix
        own[inside] += fit.influence @ gradient
    stage = np.zeros(0)
    if sample.stage is not None:
        rows = sample.stage.rows
        stage = sample.stage.slopes[rows].T @ (arm * (residual - apart) / size)
        if sample.stage.target_slopes is not None:
            stage = stage + sample.stage.target_slopes[rows].T @ ((foretold - centre) / total)
    return point, own, stage


def _arm_model(
    sample: Sample, design: Design, arm: Flags, name: str, *, binary: bool
) -> tuple[Fit, Any]:
    """Fit the outcome among the cases of one arm that have a weight."""
    inside = np.flatnonzero(arm & (sample.weight > 0))
    matrix = np.column_stack([np.ones(len(inside)), design.matrix[inside]])
    model = logistic if binary else linear
    try:
        return model(matrix, sample.y[inside], ("Intercept", *design.names)), inside
    except DesignError as refusal:
        raise DesignError(f"in the {name} group, {refusal}") from refusal
