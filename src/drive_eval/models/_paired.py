"""From the four counts of a paired table, and what clustering costs, to estimates.

One place for complete tables, tables cut by disclosure control and clustered samples, so
that a released figure is worked out as the restricted one was.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from drive_eval.errors import UndefinedResultError
from drive_eval.models import _intervals
from drive_eval.results import Check, CountTable, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.models._clusters import Effect

MEASURES = (
    "prevalence_before",
    "prevalence_after",
    "risk_difference",
    "risk_ratio",
    "cessation",
    "onset",
)
NO_COMPARISON = (
    "There is no comparison group: regression to the mean and the passing of time are part of "
    "the change."
)
RECORDED = "Both time points were recorded whatever happened in between."
_FROM_NOTHING = "nobody showed this behaviour at intake: a reduction from nothing is not defined."


def results(
    counts: Mapping[str, int],
    effects: Mapping[str, Effect],
    labels: Mapping[str, str],
    *,
    contrast: str,
    conf_level: float,
    call: str,
) -> ResultSet:
    """Return every measure of a paired 2×2 table, with a Check for each that does not exist."""
    b, c = counts["after_only"], counts["before_only"]
    x, y = counts["both"] + b, counts["both"] + c
    n = x + y - counts["both"] + counts["neither"]
    if n == 0:
        raise UndefinedResultError(
            f"{labels['outcome'] or 'this outcome'}: there is no pair, so nothing can be said "
            "about change. Check that both time points were recorded for the same people."
        )
    estimates, checks = [], []

    def proportion(measure: str, events: int, base: int, reason: str, **more: str) -> None:
        found, said = wilson_share(
            measure, events, base, effects[measure], {**labels, **more}, conf_level, reason=reason
        )
        estimates.append(found)
        checks.extend(said)

    proportion("prevalence_before", y, n, "")
    proportion("prevalence_after", x, n, "")
    found, said = paired_difference(
        "risk_difference",
        counts,
        effects["risk_difference"],
        {**labels, "contrast": contrast},
        conf_level,
        events=(x, y),
    )
    estimates.append(found)
    checks.extend(said)
    ratio, said = _ratio(
        counts, effects["risk_ratio"], {**labels, "contrast": contrast}, conf_level
    )
    estimates += [ratio, ratio.percent_reduction()]
    checks.extend(said)
    proportion("cessation", c, y, "nobody showed this behaviour at intake: nobody could stop.")
    proportion("onset", b, n - y, "everybody showed this behaviour at intake: nobody could start.")
    if b + c == 0:
        checks.append(
            _note("no_change", labels, "no pair changed, so the test has no information: p is 1.")
        )
    independent = all(effect.df is None for effect in effects.values())
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        tables=(pairs_table(counts, labels),),
        assumptions=(
            "Pairs are independent of each other."
            if independent
            else "Clusters are independent of each other; pairs of one cluster need not be.",
            RECORDED,
            NO_COMPARISON,
        ),
        provenance=Provenance(call=call),
    )


def wilson_share(
    measure: str,
    events: int,
    base: int,
    effect: Effect,
    labels: Mapping[str, str],
    conf_level: float,
    *,
    reason: str = "",
    simultaneous: int = 1,
) -> tuple[Estimate, list[Check]]:
    """Return a share with Wilson limits on counts divided by the design effect.

    `simultaneous` shares of one whole widen each other's limits (Goodman 1965).
    """
    name = "Wilson" if simultaneous == 1 else "Goodman–Wilson, simultaneous"
    about: dict[str, Any] = {**labels, "measure": measure, "conf_level": conf_level}
    about |= {"n": base, "n_events": events, "method": name + _clustered(effect)}
    if base == 0:
        return Estimate(estimate=None, **about), [_note(f"{measure}_undefined", labels, reason)]
    z = effect.critical(1 - (1 - conf_level) / simultaneous)
    share = events / base
    if z is None:
        return Estimate(estimate=share, **about), [_no_interval(measure, labels)]
    low, high = _intervals.wilson(x=events / effect.size, n=base / effect.size, critical=z)
    error = math.sqrt(share * (1 - share) / base * effect.size)
    return Estimate(estimate=share, std_error=error, conf_low=low, conf_high=high, **about), []


def paired_difference(
    measure: str,
    counts: Mapping[str, int],
    effect: Effect,
    labels: Mapping[str, str],
    conf_level: float,
    *,
    events: tuple[int, int],
    test: str = "McNemar",
) -> tuple[Estimate, list[Check]]:
    """Return after minus before with Tango limits and its P value."""
    b, c, n = counts["after_only"], counts["before_only"], sum(counts.values())
    about: dict[str, Any] = {**labels, "measure": measure, "conf_level": conf_level}
    about |= {"n": n, "n_events": events[0], "n_reference": n, "n_events_reference": events[1]}
    about |= {"estimate": (b - c) / n, "method": _method("Tango score", test, effect)}
    z = effect.critical(conf_level)
    if z is None:
        return Estimate(**about), [_no_interval(measure, labels)]
    low, high = _intervals.tango_difference(**_shrunk(counts, effect), critical=z)
    error = math.sqrt(((b + c) - (b - c) ** 2 / n) * effect.size) / n
    p = p_no_change(b, c, effect)
    return Estimate(std_error=error, conf_low=low, conf_high=high, p_value=p, **about), []


def _ratio(
    counts: Mapping[str, int], effect: Effect, labels: Mapping[str, str], conf_level: float
) -> tuple[Estimate, list[Check]]:
    b, c, n = counts["after_only"], counts["before_only"], sum(counts.values())
    x, y = counts["both"] + b, counts["both"] + c
    about: dict[str, Any] = {**labels, "measure": "risk_ratio", "conf_level": conf_level}
    about |= {"n": n, "n_events": x, "n_reference": n, "n_events_reference": y}
    about |= {"method": _method("Tang/Nam score", "McNemar", effect)}
    if y == 0:
        return Estimate(estimate=None, **about), [
            _note("risk_ratio_undefined", labels, _FROM_NOTHING)
        ]
    z = effect.critical(conf_level)
    if z is None:
        return Estimate(estimate=x / y, **about), [_no_interval("risk_ratio", labels)]
    low, high = _intervals.nam_tang_ratio(**_shrunk(counts, effect), critical=z)
    error = math.sqrt((b + c) / (x * y) * effect.size) if x else None
    said = []
    if x == 0:
        text = (
            "nobody showed this behaviour afterwards: the standard error of the log ratio does "
            "not exist; the interval, from the score test, does."
        )
        said = [_note("nobody_after", labels, text)]
    about |= {"std_error": error, "p_value": p_no_change(b, c, effect)}
    return Estimate(estimate=x / y, conf_low=low, conf_high=high, **about), said


def p_no_change(b: int, c: int, effect: Effect) -> float | None:
    """Return McNemar's mid-P for independent pairs, else the score test with its design effect."""
    if effect.simple:
        return float(_intervals.mcnemar_mid_p(before_only=c, after_only=b))
    return effect.p_value(score(b, c, effect))


def score(b: int, c: int, effect: Effect) -> float:
    """Return the score statistic of as many up as down; 0 when no pair changed."""
    return (b - c) / math.sqrt((b + c) * effect.size) if b + c else 0.0


def pairs_table(counts: Mapping[str, int], labels: Mapping[str, str]) -> CountTable:
    """Return the four counts with their margins."""
    return CountTable.from_counts(
        name="pairs",
        title=f"{labels['outcome'] or 'Behaviour'}, before and after",
        unit=labels["unit"] or "pairs",
        dimensions=("pair",),
        counts={(name,): count for name, count in counts.items()},
        totals={
            ("users_before",): [("both",), ("before_only",)],
            ("users_after",): [("both",), ("after_only",)],
            ("all",): [(name,) for name in counts],
        },
    )


def _shrunk(counts: Mapping[str, int], effect: Effect) -> dict[str, Any]:
    return {name: count / effect.size for name, count in counts.items()}


def _method(interval: str, test: str, effect: Effect) -> str:
    if effect.simple:
        return f"{interval}; {test} mid-P"
    return f"{interval}{_clustered(effect)}; score test"


def _clustered(effect: Effect) -> str:
    if effect.simple:
        return ""
    quantile = "normal" if effect.df is None else f"t with {effect.df:g} df"
    return f" on counts divided by the design effect, {quantile}"


def _note(name: str, labels: Mapping[str, str], text: str) -> Check:
    return Check(name=name, outcome=labels["outcome"], group=labels["group"], text=text)


def _no_interval(measure: str, labels: Mapping[str, str]) -> Check:
    text = "all rows that tell of it belong to one cluster, so no interval can be computed."
    return _note(f"{measure}_interval", labels, f"{measure}: {text}")
