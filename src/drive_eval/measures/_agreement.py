"""Kappas with what explains them, and limits of intraclass correlations: the arithmetic."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special, stats

from drive_eval.results import Check, CountTable, Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_POWER: dict[str, int] = {"unweighted": 0, "linear": 1, "quadratic": 2}
NOTHING = 1e-12  # a variance this small beside the whole is rounding


# Kappa


def kappas(
    counts: NDArray[np.int64], labels: Mapping[str, str], conf_level: float
) -> tuple[list[Estimate], list[Check]]:
    """Return agreement and kappas of a square table, and with two levels what explains them."""
    n, size = int(counts.sum()), len(counts)
    z = float(special.ndtri(0.5 + conf_level / 2))
    outcome = labels["outcome"]
    about: dict[str, Any] = {**labels, "conf_level": conf_level, "n": n}
    alike = int(np.trace(counts))
    low, high = _wilson(alike, n, z)
    estimates = [
        Estimate(
            measure="agreement",
            estimate=alike / n,
            conf_low=low,
            conf_high=high,
            n_events=alike,
            method="Wilson",
            **about,
        )
    ]
    checks = []
    for term in ("unweighted", "linear", "quadratic")[: 1 if size == 2 else 3]:
        point, error = _kappa_of(counts, term)
        name = f"kappa, {term}, {'used or not' if size == 2 else f'{size} levels'}"
        limits: tuple[float | None, float | None] = (None, None)
        if point is None:
            text = "both raters gave one and the same level throughout, so that chance alone "
            text += "gives full agreement and kappa does not exist."
            checks.append(Check(name="kappa_undefined", outcome=outcome, text=f"{name}: {text}"))
        elif error is None:
            why = "the raters agree in every row" if point > 0 else "its variance is 0"
            checks.append(no_interval(name, why, outcome))
        else:
            limits = max(point - z * error, -1.0), min(point + z * error, 1.0)
        estimates.append(
            Estimate(
                measure="kappa",
                term=term,
                estimate=point,
                std_error=error,
                conf_low=limits[0],
                conf_high=limits[1],
                method="Cohen's kappa, Fleiss–Cohen–Everitt",
                **about,
            )
        )
    if size > 2:
        return estimates, checks
    (neither, second_only), (first_only, both) = counts.tolist()
    for measure, point, limits in (
        ("pabak", 2 * alike / n - 1, (2 * low - 1, 2 * high - 1)),
        ("prevalence_index", (both - neither) / n, (None, None)),
        ("bias_index", (first_only - second_only) / n, (None, None)),
    ):
        method = "2·agreement − 1, Wilson" if measure == "pabak" else "Byrt, Bishop and Carlin"
        estimates.append(
            Estimate(
                measure=measure,
                estimate=point,
                conf_low=limits[0],
                conf_high=limits[1],
                method=method,
                **about,
            )
        )
    text = "prevalence_index and bias_index explain kappa and have no interval; for who sees "
    text += "more, with an interval, give the four counts to prepost.paired_counts."
    checks.append(Check(name="indices", outcome=outcome, text=text))
    return estimates, checks


def _kappa_of(counts: NDArray[np.int64], term: str) -> tuple[float | None, float | None]:
    """Return kappa and its standard error; None where they do not exist."""
    n, size = int(counts.sum()), len(counts)
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / (size - 1)
    weights = 1 - (apart > 0) * apart ** _POWER[term]
    shares = counts / n
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    chance = float(rows @ weights @ columns)
    if chance >= 1 - NOTHING:
        return None, None
    point = (float((weights * shares).sum()) - chance) / (1 - chance)
    lean = np.add.outer(weights @ columns, rows @ weights)
    spread = float((shares * (weights - lean * (1 - point)) ** 2).sum())
    variance = (spread - (point - chance * (1 - point)) ** 2) / (n * (1 - chance) ** 2)
    return point, float(np.sqrt(variance)) if variance > NOTHING / n else None


def _wilson(events: int, n: int, z: float) -> tuple[float, float]:
    share, extra = events / n, z**2 / n
    middle = (share + extra / 2) / (1 + extra)
    half = z / (1 + extra) * float(np.sqrt(share * (1 - share) / n + extra / (4 * n)))
    low = 0.0 if events == 0 else middle - half
    return low, 1.0 if events == n else middle + half


def grid(
    counts: NDArray[np.int64],
    names: Sequence[str],
    raters: tuple[str, str],
    outcome: str,
    unit: str,
) -> CountTable:
    """Return every pair of levels with its margins."""
    pairs: list[tuple[str, ...]] = list(itertools.product(names, names))
    totals: dict[tuple[str, ...], list[tuple[str, ...]]] = {
        (name, "all"): [pair for pair in pairs if pair[0] == name] for name in names
    }
    totals |= {("all", name): [pair for pair in pairs if pair[1] == name] for name in names}
    totals[("all", "all")] = pairs
    return CountTable.from_counts(
        name="ratings",
        title=f"{outcome or 'Ratings'}: {raters[0]} by {raters[1]}",
        unit=unit or "rows",
        dimensions=raters,
        counts=dict(zip(pairs, (int(count) for count in counts.ravel()), strict=True)),
        totals=totals,
    )


def no_interval(name: str, why: str, outcome: str) -> Check:
    """Say why an estimate has no interval."""
    text = f"{name}: no interval can be computed, because {why}."
    return Check(name="no_interval", outcome=outcome, text=text)


# Intraclass correlation


def without_error(between: float, judges: float, within: float, n: int, k: int) -> dict[str, float]:
    """Return the six correlations where raters differ by a constant or not at all."""
    agreement = between / (between + k * judges / n)
    single = (between - within) / (between + (k - 1) * within)
    return {
        "ICC(1,1)": single,
        "ICC(A,1)": agreement,
        "ICC(C,1)": 1.0,
        "ICC(1,k)": (between - within) / between,
        "ICC(A,k)": between / (between + judges / n),
        "ICC(C,k)": 1.0,
    }


def icc_limits(
    between: float,
    judges: float,
    error: float,
    within: float,
    n: int,
    k: int,
    agreement: float,
    conf_level: float,
) -> dict[str, tuple[float, float] | None]:
    """Return the limits of McGraw and Wong (1996), table 7."""
    level = 0.5 + conf_level / 2
    rest = (n - 1) * (k - 1)

    def ratio(mean_square: float, df: int) -> tuple[float, float]:
        observed = between / mean_square
        return (
            observed / float(stats.f.ppf(level, n - 1, df)),
            observed * float(stats.f.ppf(level, df, n - 1)),
        )

    one, three = ratio(within, n * (k - 1)), ratio(error, rest)
    a = k * agreement / (n * (1 - agreement))
    b = 1 + k * agreement * (n - 1) / (n * (1 - agreement))
    df = (a * judges + b * error) ** 2 / ((a * judges) ** 2 / (k - 1) + (b * error) ** 2 / rest)
    upper, lower = float(stats.f.ppf(level, n - 1, df)), float(stats.f.ppf(level, df, n - 1))
    spread = k * judges + (k * n - k - n) * error
    two = (
        n * (between - upper * error) / (upper * spread + n * between),
        n * (lower * between - error) / (spread + n * lower * between),
    )
    return {
        "ICC(1,1)": (_single(one[0], k), _single(one[1], k)),
        "ICC(A,1)": two,
        "ICC(C,1)": (_single(three[0], k), _single(three[1], k)),
        "ICC(1,k)": (1 - 1 / one[0], 1 - 1 / one[1]),
        "ICC(A,k)": (_of_mean(two[0], k), _of_mean(two[1], k)),
        "ICC(C,k)": (1 - 1 / three[0], 1 - 1 / three[1]),
    }


def sensible(
    term: str, value: float, limits: tuple[float, float] | None, agreement: float, k: int
) -> tuple[float | None, tuple[float, float] | None]:
    """Return a correlation and its limits as far as they exist.

    The formulas of agreement go past their poles where raters disagree so much that no
    variance between cases is left: ICC(A,k) then comes out above 1.
    """
    if term == "ICC(A,k)" and 1 + (k - 1) * agreement <= 0:
        return None, None
    if limits is None or np.isnan(limits).any() or not limits[0] <= value <= limits[1]:
        return value, None
    return value, limits


def _single(ratio: float, k: int) -> float:
    return (ratio - 1) / (ratio + k - 1)


def _of_mean(single: float, k: int) -> float:
    """Return the correlation of a mean of k scores (Spearman–Brown); it has no lower bound."""
    share = 1 + (k - 1) * single
    return k * single / share if share > 0 else -np.inf
