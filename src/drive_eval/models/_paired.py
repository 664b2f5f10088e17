"""From the four counts of a paired table, and what clustering costs, to estimates.

One place for complete tables, tables cut by disclosure control and clustered samples, so
that a released figure is worked out as the restricted one was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drive_eval.errors import DataError, UndefinedResultError, did_you_mean
from drive_eval.models import _intervals
from drive_eval.models._clusters import Effect, effect
from drive_eval.results import Check, CountTable, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    from drive_eval.models._clusters import Codes, Flags

MEASURES = (
    "prevalence_before",
    "prevalence_after",
    "risk_difference",
    "risk_ratio",
    "cessation",
    "onset",
)
SHIFT = ("probability_improved", "probability_worsened", "improved_minus_worsened")
NO_COMPARISON = (
    "There is no comparison group: regression to the mean and the passing of time are part of "
    "the change."
)
RECORDED = "Both time points were recorded whatever happened in between."
_NO_PAIR = (
    "{outcome}: there is no pair, so nothing can be said about change. Check that both time "
    "points were recorded for the same people."
)
FROM_NOTHING = "nobody showed this behaviour at intake: a reduction from nothing is not defined."


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
        raise UndefinedResultError(_NO_PAIR.format(outcome=labels["outcome"] or "this outcome"))
    estimates, checks = [], []

    def proportion(measure: str, events: int, base: int, reason: str) -> None:
        found, said = wilson_share(
            measure, events, base, effects[measure], labels, conf_level, reason=reason
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
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        tables=(pairs_table(counts, labels),),
        assumptions=_assumptions(effects),
        provenance=Provenance(call=call),
    )


def shift_results(
    counts: Mapping[str, int],
    effects: Mapping[str, Effect],
    labels: Mapping[str, str],
    *,
    contrast: str,
    conf_level: float,
    call: str,
) -> ResultSet:
    """Return the shares that improved and worsened, and their difference."""
    improved, worsened, n = counts["improved"], counts["worsened"], sum(counts.values())
    if n == 0:
        raise UndefinedResultError(_NO_PAIR.format(outcome=labels["outcome"] or "this outcome"))
    about = {**labels, "contrast": contrast}
    better, said = wilson_share(
        SHIFT[0], improved, n, effects[SHIFT[0]], about, conf_level, simultaneous=3
    )
    worse, more = wilson_share(
        SHIFT[1], worsened, n, effects[SHIFT[1]], about, conf_level, simultaneous=3
    )
    # A worsening is to an improvement what "only before" is to "only after".
    moves = {"both": 0, "before_only": worsened, "after_only": improved, "neither": counts["same"]}
    balance, last = paired_difference(
        SHIFT[2],
        moves,
        effects[SHIFT[2]],
        about,
        conf_level,
        events=(improved, worsened),
        test="sign test",
    )
    sign = Check(
        name="sign_test",
        statistic=score(improved, worsened, effects[SHIFT[2]]),
        df=effects[SHIFT[2]].df,
        p_value=balance.p_value,
        outcome=labels["outcome"],
        group=labels["group"],
        text=f"did as many improve as worsen? ({balance.method.partition('; ')[2]})",
    )
    table = CountTable.from_counts(
        name="moves",
        title=f"{labels['outcome'] or 'Severity'}, moves between levels",
        unit=labels["unit"] or "pairs",
        dimensions=("move",),
        counts={(name,): count for name, count in counts.items()},
        totals={("all",): [(name,) for name in counts]},
    )
    return ResultSet(
        estimates=(better, worse, balance),
        checks=(sign, *said, *more, *last),
        tables=(table,),
        assumptions=_assumptions(effects),
        provenance=Provenance(call=call),
    )


def wilson_share(
    measure: str,
    events: int,
    base: int,
    design: Effect,
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
    about |= {"n": base, "n_events": events, "method": name + _clustered(design)}
    if base == 0:
        return Estimate(estimate=None, **about), [_note(f"{measure}_undefined", labels, reason)]
    z = design.critical(1 - (1 - conf_level) / simultaneous)
    share = events / base
    if z is None:
        return Estimate(estimate=share, **about), [_no_interval(measure, labels)]
    low, high = _intervals.wilson(x=events / design.size, n=base / design.size, critical=z)
    error = _error(share * (1 - share) / base * design.size)
    return Estimate(estimate=share, std_error=error, conf_low=low, conf_high=high, **about), []


def paired_difference(
    measure: str,
    counts: Mapping[str, int],
    design: Effect,
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
    about |= {"estimate": (b - c) / n, "method": _method("Tango score", test, design)}
    z = design.critical(conf_level)
    if z is None:
        return Estimate(**about), [_no_interval(measure, labels)]
    low, high = _intervals.tango_difference(**_shrunk(counts, design), critical=z)
    error = _error(((b + c) - (b - c) ** 2 / n) * design.size / n**2)
    p = p_no_change(b, c, design)
    return Estimate(std_error=error, conf_low=low, conf_high=high, p_value=p, **about), []


def _ratio(
    counts: Mapping[str, int], design: Effect, labels: Mapping[str, str], conf_level: float
) -> tuple[Estimate, list[Check]]:
    b, c, n = counts["after_only"], counts["before_only"], sum(counts.values())
    x, y = counts["both"] + b, counts["both"] + c
    about: dict[str, Any] = {**labels, "measure": "risk_ratio", "conf_level": conf_level}
    about |= {"n": n, "n_events": x, "n_reference": n, "n_events_reference": y}
    about |= {"method": _method("Tang/Nam score", "McNemar", design)}
    if y == 0:
        return Estimate(estimate=None, **about), [
            _note("risk_ratio_undefined", labels, FROM_NOTHING)
        ]
    z = design.critical(conf_level)
    if z is None:
        return Estimate(estimate=x / y, **about), [_no_interval("risk_ratio", labels)]
    low, high = _intervals.nam_tang_ratio(**_shrunk(counts, design), critical=z)
    error = _error((b + c) / (x * y) * design.size) if x else None
    said = []
    if x == 0:
        text = (
            "nobody showed this behaviour afterwards: the standard error of the log ratio does "
            "not exist; the interval, from the score test, does."
        )
        said = [_note("nobody_after", labels, text)]
    about |= {"std_error": error, "p_value": p_no_change(b, c, design)}
    return Estimate(estimate=x / y, conf_low=low, conf_high=high, **about), said


def _error(variance: float) -> float | None:
    """Return the standard error; None for 0, which would weigh without end in a meta-analysis."""
    return math.sqrt(variance) if variance > 0 else None


def p_no_change(b: int, c: int, design: Effect) -> float | None:
    """Return McNemar's mid-P for independent pairs, else the score test with its design effect."""
    if design.simple:
        return float(_intervals.mcnemar_mid_p(before_only=c, after_only=b))
    return design.p_value(score(b, c, design))


def score(b: int, c: int, design: Effect) -> float:
    """Return the score statistic of as many up as down; 0 when no pair changed."""
    return (b - c) / math.sqrt((b + c) * design.size) if b + c else 0.0


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


def _assumptions(effects: Mapping[str, Effect]) -> tuple[str, ...]:
    independent = (
        "Pairs are independent of each other."
        if all(found.simple for found in effects.values())
        else "Clusters are independent of each other; pairs of one cluster need not be."
    )
    return independent, RECORDED, NO_COMPARISON


def _shrunk(counts: Mapping[str, int], design: Effect) -> dict[str, Any]:
    return {name: count / design.size for name, count in counts.items()}


def _method(interval: str, test: str, design: Effect) -> str:
    if design.simple:
        return f"{interval}; {test} mid-P"
    return f"{interval}{_clustered(design)}; score test"


def _clustered(design: Effect) -> str:
    if design.simple:
        return ""
    quantile = "normal" if design.df is None else f"t with {round(design.df, 1):g} df"
    return f" on counts divided by the design effect, {quantile}"


def _note(name: str, labels: Mapping[str, str], text: str) -> Check:
    return Check(name=name, outcome=labels["outcome"], group=labels["group"], text=text)


def _no_interval(measure: str, labels: Mapping[str, str]) -> Check:
    text = "all rows that tell of it belong to one cluster, so no interval can be computed."
    return _note(f"{measure}_interval", labels, f"{measure}: {text}")


def effects_of(first: Flags, second: Flags, groups: Codes) -> dict[str, Effect]:
    """Return the design effect of every measure, each from its own residuals."""
    one, two = first.astype(float), second.astype(float)
    x, y, n = two.sum(), one.sum(), len(one)
    started, stopped = (second & ~first).sum(), (first & ~second).sum()
    ratio = x / y if y else 0.0
    return {
        "prevalence_before": effect(one - y / n, groups),
        "prevalence_after": effect(two - x / n, groups),
        "risk_difference": effect(two - one - (x - y) / n, groups),
        # With nobody after, only those before could have told of the ratio.
        "risk_ratio": effect(two - ratio * one, groups, exposed=first | second),
        "cessation": effect(1 - two - (stopped / y if y else 0.0), groups, domain=first),
        "onset": effect(two - (started / (n - y) if n > y else 0.0), groups, domain=~first),
    }


def given_effects(
    design_effect: float | Mapping[str, float],
    df: float | Mapping[str, float] | None,
    measures: tuple[str, ...],
) -> dict[str, Effect]:
    """Return the design effects that a caller brings, one for all measures or each its own."""
    found = {}
    for measure in measures:
        size, freedom = _of(design_effect, measure, 1.0, measures), _of(df, measure, None, measures)
        if size is None or not 0 < size < math.inf:
            raise DataError(f"design_effect must be a number above 0; that of {measure} is not.")
        if freedom is not None and not freedom >= 0:
            raise DataError(f"df must be a number of degrees of freedom; that of {measure} is not.")
        found[measure] = Effect(size=size, df=freedom)
    return found


def _of(
    given: float | Mapping[str, float] | None,
    measure: str,
    default: float | None,
    measures: tuple[str, ...],
) -> float | None:
    """Return the value for one measure of a number, or of a mapping that names measures."""
    if not isinstance(given, Mapping):
        return given
    for name in given:
        if name not in measures:
            raise DataError(f'no measure "{name}".{did_you_mean(name, measures)}')
    return given.get(measure, default)
