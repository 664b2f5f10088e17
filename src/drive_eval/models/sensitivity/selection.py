"""People come in at a crisis: how far would they have fallen with no programme at all?

Whoever is picked because abuse is high is, on average, lower the next time, because part of
what was high was the moment. Two answers, by what there is to go by: a second baseline or a
comparison arm, or the spread of scores; `selected_counts` has the third, for counts.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import special

from drive_eval.errors import DesignError, UndefinedResultError, did_you_mean
from drive_eval.models import _arguments, _falls, _regression, _resample
from drive_eval.results import Check, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from drive_eval.models._resample import Array, Method

__all__ = ["expected_fall", "regression_to_the_mean"]


# A second baseline, or a comparison arm


def regression_to_the_mean(
    table: pd.DataFrame,
    *,
    before: str,
    after: str,
    rng: np.random.Generator,
    repeat: str | None = None,
    treated: str | None = None,
    scale: Literal["difference", "percent"] | None = None,
    cluster: str | None = None,
    draws: int = 4_000,
    method: Method = "bca",
    conf_level: float = 0.95,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    outcome: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
) -> ResultSet:
    """How much of the fall would have been there without the programme?

    Parameters
    ----------
    table : DataFrame, one row per person
        Complete in the columns named.
    before, after : str
        Columns of numbers (a score, a severity) or of true and false (used or not); `before`
        is the measure at which people came in.
    rng : numpy Generator
        E.g. ``numpy.random.default_rng(1)``.
    repeat : str, optional
        Column of a second baseline, taken after `before` and ahead of the programme.
    treated : str, optional
        Instead of `repeat`: column that says who was in the programme (true and false, or the
        words of the arms). The comparison arm came in the same way.
    scale : {'difference', 'percent'}, optional
        Falls in units of the score, or in percent of what was there before. By default
        percent for true and false, difference for numbers.
    cluster : str, optional
        Column that says which rows belong together.
    draws, method, workers, progress
        Of the bootstrap, as in `reductions.compare`.
    conf_level : float, between 0 and 1
        Coverage of the intervals.
    outcome, unit, reporter, threshold : str
        Labels that every estimate carries.

    Returns
    -------
    ResultSet
        ``observed_fall`` and beside it ``expected_fall`` (without the programme; both positive
        for less abuse), ``fall_beyond`` (what is left: on the percent scale, percent of what
        was expected to remain) and ``share_explained`` (percent of the observed fall;
        None if there is none). ``term`` is the scale. The Check ``regression_to_the_mean``
        puts them in a sentence, ``interval`` says why one is missing.

    Raises
    ------
    DataError
        If a column is missing, incomplete or of the wrong kind.
    DesignError
        If neither or both of `repeat` and `treated` are given, an arm is empty, or settings
        make no sense.

    Notes
    -----
    **Assumptions.** With `repeat`: nothing but the passing of the crisis happened between the
    two baselines, and after the second one nothing more would have passed. With `treated`:
    the comparison arm was picked in the same way, by the same cut, and rated by the same kind
    of reporter; what usual care does for it counts as expected, so that ``fall_beyond`` is
    what the programme adds to usual care.

    With means b, r and a at the two baselines and after, the falls are b − a, b − r and
    r − a, or 100(1 − a/b), 100(1 − r/b) and 100(1 − a/r). With arms, r stands for what the
    programme arm would have been with the comparison arm's difference, or ratio. Intervals by
    bootstrap of rows or clusters, all numbers of a resample together.

    References
    ----------
    Barnett AG, van der Pols JC, Dobson AJ (2005). Regression to the mean: what it is and how to
    deal with it. International Journal of Epidemiology 34, 215.

    See Also
    --------
    expected_fall : From the spread of scores, when people were picked above a cut.
    expected_fall_of_counts : For counts of incidents.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> trait = rng.normal(size=4000)
    >>> scores = pd.DataFrame({name: 50 + 8 * trait + 6 * rng.normal(size=4000)
    ...                        for name in ("intake", "second", "exit")})
    >>> picked = scores[scores["intake"] > 60]  # and nothing else is done to them
    >>> found = regression_to_the_mean(picked, before="intake", repeat="second", after="exit",
    ...                                rng=rng)
    >>> for name in ("observed_fall", "expected_fall", "fall_beyond"):
    ...     e = found.one(measure=name)
    ...     print(f"{name} {e.estimate:.1f} ({e.conf_low:.1f} to {e.conf_high:.1f})")
    observed_fall 5.5 (4.8 to 6.1)
    expected_fall 5.3 (4.6 to 5.9)
    fall_beyond 0.2 (-0.5 to 0.9)
    """
    _arguments.level(conf_level)
    _resample.refuse(draws=draws, rng=rng, workers=workers, method=method)
    if (repeat is None) == (treated is None):
        raise DesignError(
            "name either repeat (a second baseline) or treated (who was in the programme): the "
            "expected fall comes from one of them."
        )
    first, binary = _regression.numbers(table, before, "before")
    second, also = _regression.numbers(table, after, "after")
    if scale not in (None, "difference", "percent"):
        known = ("difference", "percent")
        raise DesignError(f'"{scale}" is no scale.{did_you_mean(str(scale), known)}')
    percent = scale == "percent" or (scale is None and binary and also)
    if repeat is not None:
        between, _ = _regression.numbers(table, repeat, "repeat")
        rows = np.column_stack([np.ones(len(first)), first, between, second])
        people, source = len(first), "a second baseline"
    else:
        arm = _regression.arms(table, str(treated), "treated")
        if arm.all() or not arm.any():
            raise DesignError(f'column "{treated}" (treated) holds one arm only; two are needed.')
        split = np.column_stack([np.ones(len(first)), first, second])
        rows = np.hstack([split * arm[:, None], split * ~arm[:, None]])
        people, source = int(arm.sum()), "the comparison arm"
    groups = None if cluster is None else _regression.clusters(table, cluster)
    sums, copies = _resample.kinds(rows, groups)
    found = _resample.resample(
        _resample.OfSums(sums=sums, rule=_Falls(percent=percent, arms=treated is not None)),
        copies,
        draws=draws,
        rng=rng,
        workers=workers,
        progress=progress,
    )
    labels: dict[str, Any] = {
        "outcome": outcome,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
    }
    labels |= {"term": "percent" if percent else "difference", "contrast": "after v before"}
    estimates, checks = _falls.told(found, _falls.FALLS, labels, people, method, conf_level)
    if treated is not None:
        # The last two set the arms against each other.
        estimates[2:] = [
            dataclasses.replace(e, claim="associational", contrast="programme v comparison")
            for e in estimates[2:]
        ]
    checks.insert(0, _falls.sentence(estimates, source, "%" if percent else "", outcome))
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=(
            "Between the two baselines nothing but the passing of the crisis happened, and "
            "nothing more of it passed afterwards."
            if repeat is not None
            else "The comparison arm came in by the same cut and was rated in the same way.",
            "People with all measures stand for those without.",
        ),
        provenance=Provenance(call="sensitivity.regression_to_the_mean"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Falls:
    """Observed, expected and remaining fall, and the share explained, from column totals."""

    percent: bool
    arms: bool

    def __call__(self, totals: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            if not self.arms:
                before, repeat, after = (totals[:, i] / totals[:, 0] for i in (1, 2, 3))
                return _falls.falls(before, repeat, after, percent=self.percent)
            before, after = totals[:, 1] / totals[:, 0], totals[:, 2] / totals[:, 0]
            other, later = totals[:, 4] / totals[:, 3], totals[:, 5] / totals[:, 3]
            without = before * later / other if self.percent else before + later - other
            return _falls.falls(before, without, after, percent=self.percent)


# The normal formula


def expected_fall(
    sample: pd.DataFrame | None = None,
    *,
    cutoff: float,
    first: str | None = None,
    second: str | None = None,
    rng: np.random.Generator | None = None,
    mean: float | None = None,
    within_sd: float | None = None,
    between_sd: float | None = None,
    used_from: float | None = None,
    observed: Estimate | None = None,
    draws: int = 4_000,
    method: Method = "bca",
    conf_level: float = 0.95,
    outcome: str = "",
) -> ResultSet:
    """How far do people picked above a cut fall by themselves, if scores are normal?

    Parameters
    ----------
    sample : DataFrame, optional
        People who were *not* picked by their score, each with two scores in `first` and
        `second` and no programme in between; `rng` draws the intervals. Without it, `mean`,
        `within_sd` and `between_sd`.
    cutoff : float
        People came in because their score was above it.
    first, second : str, optional
        Columns of the sample.
    rng : numpy Generator, optional
        For the intervals of what is worked out from a sample.
    mean, within_sd, between_sd : float, optional
        Of everybody who might be picked: the mean, the standard deviation from one occasion
        to another within a person, and that of people's lasting levels.
    used_from : float, optional
        Score from which a behaviour counts as used; adds the expected fall in users.
    observed : Estimate, optional
        The fall that was observed, to stand beside: repeated as ``observed_fall``.
    draws, method
        Of the bootstrap, as in `reductions.compare`.
    conf_level : float, between 0 and 1
        Coverage of the intervals.
    outcome : str
        Name used in results.

    Returns
    -------
    ResultSet
        ``expected_fall`` of the mean score (``term`` ``"difference"``); with `used_from` also
        the shares of users ``prevalence_before`` and ``prevalence_after`` among those picked
        and the ``expected_fall`` in percent of users (``term`` ``"percent"``). With a sample,
        also ``mean``, ``within_sd`` and ``between_sd``; else there are no intervals, and the
        Check ``given`` says so.

    Raises
    ------
    DataError
        If a column is missing, incomplete or not of numbers.
    DesignError
        If numbers and a sample are mixed, one is missing, or settings make no sense.
    UndefinedResultError
        If the sample has fewer than three people, scores do not vary within people, or nobody
        would lie above the cut-off.

    Notes
    -----
    **Assumptions.** Scores are normal with one spread for all; the cut is on the score itself
    and is the only reason why people are picked. Where people come in by a judgement that
    only leans on the score, the fall is smaller.

    With σw and σb the two standard deviations, σ² = σw² + σb² and z = (cut − mean)/σ, people
    above the cut fall by σw²/σ·φ(z)/(1 − Φ(z)). Two scores of one person are bivariate normal
    with correlation σb²/σ², which gives the users among those picked at the next occasion.

    References
    ----------
    Davis CE (1976). The effect of regression to the mean in epidemiologic and clinical
    studies. American Journal of Epidemiology 104, 493.

    Gardner MJ, Heady JA (1973). Some effects of within-person variability in epidemiological
    studies. Journal of Chronic Diseases 26, 781.

    See Also
    --------
    regression_to_the_mean : From a second baseline or a comparison arm, with no normal curve.

    Examples
    --------
    >>> found = expected_fall(mean=50, within_sd=6, between_sd=8, cutoff=60)
    >>> round(found.one(measure="expected_fall").estimate, 6)
    5.490487
    """
    _arguments.level(conf_level)
    _arguments.number(cutoff, "cutoff")
    if used_from is not None:
        _arguments.number(used_from, "used_from")
    rule = _Normal(cutoff=float(cutoff), used_from=used_from)
    given = {"mean": mean, "within_sd": within_sd, "between_sd": between_sd}
    labels: dict[str, Any] = {
        "outcome": outcome,
        "contrast": "next occasion v the one people were picked at",
    }
    if sample is None:
        if None in given.values() or first is not None or second is not None:
            raise DesignError(
                "give mean, within_sd and between_sd, or a sample with the columns first and "
                "second."
            )
        for name, value in given.items():
            _arguments.number(value, name, above=None if name == "mean" else 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            points = rule.of(*(np.array([float(value or 0)]) for value in given.values()))[0]
        if not np.isfinite(points).all():
            raise UndefinedResultError(
                "the cut-off lies so many standard deviations above the mean that nobody is picked."
            )
        estimates = [
            Estimate(measure=m, term=t, estimate=p, method="normal, given spread", **labels)
            for (m, t), p in zip(rule.names(), points.tolist(), strict=True)
        ]
        text = "mean and standard deviations were given, so that there are no intervals."
        checks = [Check(name="given", outcome=outcome, text=text)]
    else:
        if any(value is not None for value in given.values()):
            raise DesignError("give either a sample or mean, within_sd and between_sd, not both.")
        if first is None or second is None:
            raise DesignError("name the columns first and second of the sample.")
        _resample.refuse(draws=draws, rng=rng, workers=None, method=method)
        estimates, checks = _from_sample(
            sample, (first, second), rule, rng, draws, method, conf_level, labels
        )
    if observed is not None:
        estimates.insert(0, dataclasses.replace(observed, measure="observed_fall"))
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=(
            "Scores are normal, and people were picked because theirs was above the cut.",
        ),
        provenance=Provenance(call="sensitivity.expected_fall"),
    )


def _from_sample(
    sample: pd.DataFrame,
    columns: tuple[str, str],
    rule: _Normal,
    rng: Any,
    draws: int,
    method: Method,
    conf_level: float,
    labels: Mapping[str, Any],
) -> tuple[list[Estimate], list[Check]]:
    one, two = (_regression.numbers(sample, name, "sample")[0] for name in columns)
    if len(one) < 3:
        raise UndefinedResultError(f"the sample has {len(one)} people; at least 3 are needed.")
    if np.ptp(one - two) == 0:
        raise UndefinedResultError(
            "the two scores of everybody in the sample differ by the same amount: nothing varies "
            "within people, so that nothing regresses."
        )
    # Sums of squares lose digits far from 0.
    middle = float(one.mean())
    x, y = one - middle, two - middle
    sums, copies = _resample.kinds(np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y]))
    found = _resample.resample(
        _resample.OfSums(sums=sums, rule=_Sample(normal=rule, middle=middle)),
        copies,
        draws=draws,
        rng=rng,
    )
    names = [*rule.names(), ("mean", ""), ("within_sd", ""), ("between_sd", "")]
    limits = _resample.limits(
        found, method=method, conf_level=conf_level, most_undefined=_falls.MOST_UNDEFINED
    )
    estimates, checks = [], []
    for (measure, term), point, limit in zip(names, found.point.tolist(), limits, strict=True):
        estimates.append(
            Estimate(
                measure=measure,
                term=term,
                estimate=point if np.isfinite(point) else None,
                std_error=limit.std_error,
                conf_low=limit.low,
                conf_high=limit.high,
                conf_level=conf_level,
                n=len(one),
                method=f"normal, {_falls.HOW[method]}, {draws} draws",
                **labels,
            )
        )
        checks += _falls.no_interval(f"{measure} {term}".strip(), limit.reason, labels["outcome"])
    return estimates, checks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Normal:
    """What is expected of those above a cut, from a mean and two standard deviations."""

    cutoff: float
    used_from: float | None

    def names(self) -> list[tuple[str, str]]:
        score = [("expected_fall", "difference")]
        users = [("prevalence_before", ""), ("prevalence_after", ""), ("expected_fall", "percent")]
        return score if self.used_from is None else score + users

    def of(self, mean: Array, within: Array, between: Array) -> Array:
        total = np.hypot(within, between)
        z = (self.cutoff - mean) / total
        above = special.ndtr(-z)
        density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        falls = [within**2 / total * density / above]
        if self.used_from is not None:
            use = (self.used_from - mean) / total
            before = special.ndtr(-np.maximum(z, use)) / above
            after = _both_above(z, use, (between / total) ** 2) / above
            falls += [before, after, 100 * (1 - after / before)]
        return np.column_stack(falls)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """The same from totals of a sample of two scores, and what was read from it."""

    normal: _Normal
    middle: float

    def __call__(self, totals: Array) -> Array:
        n, x, y, xx, yy, xy = totals.T
        apart = (xx + yy - 2 * xy - (x - y) ** 2 / n) / (2 * (n - 1))
        shared = (xy - x * y / n) / (n - 1)
        mean = self.middle + x / n
        within, between = np.sqrt(np.maximum(apart, 0)), np.sqrt(np.maximum(shared, 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            falls = self.normal.of(mean, within, between)
        return np.column_stack([falls, mean, within, between])


_NODES, _SHARES = np.polynomial.legendre.leggauss(64)


def _both_above(first: Array, second: Array, correlation: Array) -> Array:
    """Return P(X > first, Y > second) of a standard bivariate normal (Plackett's integral)."""
    top = np.arcsin(np.minimum(correlation, 1.0))
    angle = (top[:, None] / 2) * (_NODES + 1)
    square = first**2 + second**2
    product = (first * second)[:, None]
    density = np.exp(-(square[:, None] - 2 * product * np.sin(angle)) / (2 * np.cos(angle) ** 2))
    joint = (top / 2) * (density @ _SHARES) / (2 * np.pi)
    found: Array = special.ndtr(-first) * special.ndtr(-second) + joint
    return found
