"""People come in because their count is high: how far would it have fallen by itself?

Empirical Bayes: how counts before differ between people, beyond what chance makes of them, says
how much of a high count belongs to the person.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from drive_eval.errors import DataError, DesignError, did_you_mean
from drive_eval.models import _arguments, _falls, _regression, _resample
from drive_eval.results import Check, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from drive_eval.models._resample import Array, Method

__all__ = ["expected_fall_of_counts"]

CountMethod: TypeAlias = Literal["gamma_poisson", "robbins"]


def expected_fall_of_counts(
    table: pd.DataFrame,
    *,
    before: str,
    person_years_before: str,
    rng: np.random.Generator,
    selected: str | None = None,
    at_least: int | None = None,
    after: str | None = None,
    person_years_after: str | None = None,
    model: CountMethod = "gamma_poisson",
    draws: int = 4_000,
    method: Method = "bca",
    conf_level: float = 0.95,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    outcome: str = "",
    unit: str = "",
) -> ResultSet:
    """How far do counts of people picked for a high count fall by themselves?

    Parameters
    ----------
    table : DataFrame, one row per person
        *Everybody who might have been picked*, with those who were not (for ``"robbins"``
        those picked are enough).
    before : str
        Column of counts in a window that ended before the person was picked. The incident
        that led to it, and a crisis around it, are left out of the window.
    person_years_before : str
        Column of the time at risk in that window, above 0.
    rng : numpy Generator
        E.g. ``numpy.random.default_rng(1)``.
    selected : str, optional
        Column of true and false: who was picked.
    at_least : int, optional
        Instead: everybody with so many before was picked.
    after, person_years_after : str, optional
        Counts and time at risk afterwards; read for those picked only.
    model : {'gamma_poisson', 'robbins'}
        Rates between people follow a gamma distribution, or any distribution at all. The
        second needs `at_least` and one length of window for all, and is less sure.
    draws, method, workers, progress
        Of the bootstrap, as in `reductions.compare`.
    conf_level : float, between 0 and 1
        Coverage of the intervals.
    outcome, unit : str
        Labels that every estimate carries.

    Returns
    -------
    ResultSet
        Of those picked: ``rate_before`` and ``rate_expected`` (per person-year),
        ``expected_fall`` (percent), and with `after` also ``rate_after``, ``observed_fall``,
        ``fall_beyond`` (percent of what was expected to remain) and ``share_explained``.
        For ``"gamma_poisson"`` the Check ``spread`` says how far rates differ between people;
        ``regression_to_the_mean`` puts the falls in a sentence.

    Raises
    ------
    DataError
        If a column is missing, incomplete or of the wrong kind, or holds no counts.
    DesignError
        If it is not said who was picked, if nobody or everybody was, or settings make no
        sense.

    Notes
    -----
    **Assumptions.** A person's incidents come at a rate of his own that does not change with
    time. Who was picked depends on the count and on nothing else that tells of the rate:
    where it does, people fall less than this. One incident is one count: with the incident that
    led to the referral in the window, or with incidents recorded twice (by the police and by
    the MARAC that they led to), the fall is understated.

    With counts x in time t, mean rate μ and variance of rates τ² by moments (unbiased when
    times differ), a person's expected rate is (xτ² + μ²)/(tτ² + μ), the mean of a gamma
    posterior. Robbins: of those with at least c before, the next window holds as many as those
    with more than c had before, whatever the distribution of rates.

    With 800 people, half of them without an incident before, 95 % intervals of
    ``fall_beyond`` held the truth in 94 % of samples.

    References
    ----------
    Robbins H (1956). An empirical Bayes approach to statistics. Proceedings of the Third
    Berkeley Symposium on Mathematical Statistics and Probability 1, 157.

    Barnett AG, van der Pols JC, Dobson AJ (2005). Regression to the mean: what it is and how to
    deal with it. International Journal of Epidemiology 34, 215.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> rate = rng.gamma(1, 1, size=3000)
    >>> people = pd.DataFrame({"before": rng.poisson(rate), "after": rng.poisson(rate)})
    >>> people["years"] = 1.0
    >>> found = expected_fall_of_counts(people, before="before", person_years_before="years",
    ...     after="after", person_years_after="years", at_least=3, rng=rng)
    >>> for name in ("observed_fall", "expected_fall"):
    ...     e = found.one(measure=name)
    ...     print(f"{name} {e.estimate:.0f} % ({e.conf_low:.0f} to {e.conf_high:.0f})")
    observed_fall 37 % (32 to 42)
    expected_fall 39 % (36 to 41)
    """
    _arguments.level(conf_level)
    _resample.refuse(draws=draws, rng=rng, workers=workers, method=method)
    if model not in get_args(CountMethod):
        raise DesignError(
            f'"{model}" is no model.{did_you_mean(str(model), get_args(CountMethod))}'
        )
    counts = _whole(table, before, "before")
    time = _positive(table, person_years_before, "person_years_before")
    picked = _picked(table, counts, selected, at_least)
    if model == "robbins":
        if at_least is None:
            raise DesignError(
                'model "robbins" needs at_least: the count from which on people came.'
            )
        if np.ptp(time[picked]) > 1e-9 * time[picked].mean():
            raise DesignError(
                'model "robbins" needs one length of window for all, but '
                f'"{person_years_before}" varies. Use model "gamma_poisson".'
            )
    elif picked.all():
        raise DesignError(
            f"all {len(picked)} people in the table were picked, so that it does not show whom "
            "they were picked from. Add those who were not, or, if all with a certain count were "
            'picked and windows are alike, use model "robbins" with at_least.'
        )
    rows = [counts, time, picked.astype(float)]
    if (after is None) != (person_years_after is None):
        raise DesignError("after and person_years_after go together; name both or neither.")
    if after is not None and person_years_after is not None:
        here = table.loc[picked]
        for values in (
            _whole(here, after, "after"),
            _positive(here, person_years_after, "person_years_after"),
        ):
            column = np.zeros(len(counts))
            column[picked] = values
            rows.append(column)
    kinds, copies = _resample.kinds(np.column_stack(rows))
    least = float(at_least or 0) if model == "robbins" else None
    statistic = _Bayes(kinds=kinds, at_least=least)
    found = _resample.resample(
        statistic, copies, draws=draws, rng=rng, workers=workers, progress=progress
    )
    labels: dict[str, Any] = {"outcome": outcome, "unit": unit, "contrast": "after v before"}
    labels["subgroup"] = "picked" if at_least is None else f"{at_least} or more before"
    people = int(picked.sum())
    estimates, checks = _falls.told(found, statistic.names(), labels, people, method, conf_level)
    estimates = [
        dataclasses.replace(e, term="" if e.measure.startswith("rate") else "percent")
        for e in estimates
    ]
    if model == "gamma_poisson":
        checks.insert(0, _spread(statistic, copies, outcome))
    if after is not None:
        falls = [next(e for e in estimates if e.measure == name) for name in _falls.FALLS]
        checks.insert(0, _falls.sentence(falls, "the counts before", "%", outcome))
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=(
            "Each person's incidents come at a rate of his own that would not have changed.",
            "Who was picked depends on the count before and on nothing else that tells of the "
            "rate.",
        ),
        provenance=Provenance(call="sensitivity.expected_fall_of_counts"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bayes:
    """Rates and falls of those picked, from how often each kind of person was drawn.

    Columns of `kinds`: count and time before, picked, and perhaps count and time after.
    """

    kinds: Array
    at_least: float | None

    @property
    def followed(self) -> bool:
        """Whether counts afterwards are there."""
        return bool(self.kinds.shape[1] == 5)

    def names(self) -> tuple[str, ...]:
        if not self.followed:
            return ("rate_before", "rate_expected", "expected_fall")
        return ("rate_before", "rate_expected", "rate_after", *_falls.FALLS)

    def moments(self, drawn: Array) -> tuple[Array, Array]:
        """Return the mean and the variance of rates between people."""
        x, t = self.kinds[:, 0], self.kinds[:, 1]
        time, square, cube = drawn @ t, drawn @ t**2, drawn @ t**3
        mean = drawn @ x / time
        apart = drawn @ x**2 - 2 * mean * (drawn @ (x * t)) + mean**2 * square
        chance = mean * (time - square / time)
        spread = (apart - chance) / (square - 2 * cube / time + square**2 / time**2)
        return mean, np.maximum(spread, 0)

    def __call__(self, drawn: Array) -> Array:
        x, t, picked = self.kinds[:, 0], self.kinds[:, 1], self.kinds[:, 2]
        ahead = self.kinds[:, 4] if self.followed else t
        with np.errstate(divide="ignore", invalid="ignore"):
            before = drawn @ (x * picked) / (drawn @ (t * picked))
            if self.at_least is not None:
                more = x * picked * (x > self.at_least)
                expected = drawn @ more / (drawn @ (t * picked))
            else:
                mean, spread = (m[:, None] for m in self.moments(drawn))
                rate = (spread * x + mean**2) / (spread * t + mean)
                expected = (drawn * rate) @ (ahead * picked) / (drawn @ (ahead * picked))
            if not self.followed:
                return np.column_stack([before, expected, 100 * (1 - expected / before)])
            after = drawn @ (self.kinds[:, 3] * picked) / (drawn @ (ahead * picked))
            falls = _falls.falls(before, expected, after, percent=True)
        return np.column_stack([before, expected, after, falls])


def _spread(statistic: _Bayes, copies: Any, outcome: str) -> Check:
    mean, spread = (float(m[0]) for m in statistic.moments(copies[None].astype(float)))
    text = f"rates between people: mean {mean:.3g} a year, standard deviation {spread**0.5:.3g}."
    if spread == 0:
        text = "counts differ no more than chance makes them, as if all people had one rate: the "
        text += "whole of a high count is expected to pass."
    return Check(name="spread", statistic=spread**0.5, outcome=outcome, text=text)


def _picked(
    table: pd.DataFrame, counts: Array, selected: str | None, at_least: int | None
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    if (selected is None) == (at_least is None):
        raise DesignError(
            "say who was picked: either selected (a column) or at_least (a count), not both."
        )
    if selected is not None:
        picked = _regression.flags(table, selected, "selected")
    else:
        _arguments.count(at_least, "at_least")
        picked = counts >= float(at_least or 0)
    if not picked.any():
        raise DesignError("nobody was picked, so that there is nobody to speak of.")
    return picked


def _whole(table: pd.DataFrame, name: str, role: str) -> Array:
    found, _ = _regression.numbers(table, name, role)
    if ((found < 0) | (found != np.floor(found))).any():
        raise DataError(f'column "{name}" ({role}) must hold whole numbers of 0 or more.')
    return found


def _positive(table: pd.DataFrame, name: str, role: str) -> Array:
    found, _ = _regression.numbers(table, name, role)
    if (found <= 0).any():
        raise DataError(
            f'{int((found <= 0).sum())} rows have no time in "{name}" ({role}). Leave those people '
            "out and say so."
        )
    return found
