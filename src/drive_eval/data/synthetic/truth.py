"""What the estimates would tend to if the cohort were endless.

The values are population limits of each estimand, for a stated reporter and unit, with every
exit measured. They are never the values of one drawn sample.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.data.synthetic.behaviour import Behaviour, Earlier, Stream, draw_behaviour
from drive_eval.data.synthetic.behaviour import rereferred as who_comes_back
from drive_eval.data.synthetic.world import World, load_world
from drive_eval.errors import DesignError, UndefinedResultError, did_you_mean
from drive_eval.vocabulary import ABUSE_TYPES, PERCEIVED_CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["population_truth", "true_value", "truth_text", "with_error"]

_ARMS = ("programme", "comparison")
_NO_EFFECT = "no_effect"
_CHUNK = 50_000
_SEED = 20162
#: Time pairs by reporter; a case manager has left the case by the follow-up.
_PAIRS = {
    "idva": (("intake", "exit"), ("intake", "follow_up_12m")),
    "case_manager": (("intake", "exit"),),
    "latent": (("intake", "exit"), ("intake", "follow_up_12m")),
}
_TIMES = ("intake", "exit", "follow_up_12m")
_UNITS = {
    "idva": ("person", "enrolment", "dyad"),
    "case_manager": ("person", "enrolment"),
    "latent": ("person", "enrolment", "dyad"),
}
_KEY = ("reporter", "unit", "before", "after", "outcome")
#: What `true_value` takes for granted where a truth does not bring its own defaults.
_DEFAULTS = {
    "group": "programme",
    "reporter": "idva",
    "unit": "person",
    "arm_column": "arm",
    "before": "intake",
    "after": "exit",
}


def population_truth(
    preset: str | World = "drive_pilot",
    *,
    people: int = 10_000_000,
    seed: int = _SEED,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Where would each estimate tend, were there enough people and no missing exits?

    Parameters
    ----------
    preset : str or World
        The world.
    people : int
        People drawn, in chunks of 50,000; each is followed under both arms.
    seed : int
        Seed of the draw.
    progress : callable, optional
        Called with the chunks done and the chunks to do.

    Returns
    -------
    dict
        ``values``: one record per estimand with ``value`` and ``mc_error`` (the standard
        error that comes from drawing `people` and not infinitely many); ``conditional``: the
        parameters of the model on the latent scale, which no estimate tends to; and how the
        values were made. Percentages are in percent, everything else is a proportion, a
        difference of proportions or a ratio.

    Raises
    ------
    DesignError
        If fewer than 20 people are asked for.

    Notes
    -----
    Every value follows from 4 × 4 tables of severity before and after. Monte Carlo errors are
    jackknifed over chunks. Within an arm: prevalences, risk ratio, percent reduction, risk
    difference (after − before), cessation, onset, improved, worsened. Between the arms:
    ``ratio_of_ratios`` and ``difference_in_differences`` of change, and ``risk_ratio``,
    ``risk_difference`` and ``odds_ratio`` after. ``arm_column`` says whether arms are those
    received (``arm``) or ``allocated_arm``, which mixes them by crossover. The group
    ``no_effect`` is what would be seen if neither arm did anything: regression to the mean.

    Examples
    --------
    >>> truth = population_truth(people=2_000)
    >>> fall = true_value(truth, outcome="physical", measure="percent_reduction")
    >>> 75 < fall < 90
    True
    """
    world = load_world(preset)
    chunks = max(20, -(-people // _CHUNK))
    size = people // chunks
    if size < 1:
        raise DesignError(f"population truth needs at least 20 people, but people is {people}.")
    rng = np.random.default_rng(seed)
    severity: dict[tuple[str, ...], list[Floats]] = {}
    judged: dict[tuple[str, ...], list[Floats]] = {}
    for chunk in range(chunks):
        _count_chunk(world, rng, size, severity, judged)
        if progress is not None:
            progress(chunk + 1, chunks)
    tables = {key: np.stack(counts) for key, counts in severity.items()}
    shares = {key: np.stack(counts) for key, counts in judged.items()}
    return {
        "world": world.name,
        "made_by": "drive_eval.data.synthetic.population_truth",
        "people": size * chunks,
        "seed": seed,
        "note": "Population limits with every exit measured; no real person is described here.",
        "values": [*_paired_values(world, tables), *_judgement_values(world, shares)],
        "conditional": _conditional(world),
    }


def true_value(truth: Mapping[str, Any], **labels: str) -> float:
    """How large is one estimand in truth?

    Parameters
    ----------
    truth : mapping
        From `population_truth` or `confounded_truth`, or ``study.truth``.
    **labels : str
        For the preset ``confounded``: ``outcome``, ``measure``, ``estimand`` and, if it is not
        ``"person"``, ``unit``. For re-offending (`offending_truth`, whose outcomes begin with
        ``police`` and ``marac``): ``outcome``, ``measure`` and, where they differ from the
        defaults, ``group`` (``"programme"``), ``contrast``, ``custody`` (``"gap"``), ``horizon``
        (``"12 months"``), ``index_incident`` (``"left_out"``) and ``arm_column`` (``"arm"``).
        For the others: ``measure`` and, where they differ from the
        defaults, ``outcome``, ``group``
        (``"programme"``), ``contrast`` (``"exit v intake"``), ``reporter`` (``"idva"``),
        ``unit`` (``"person"``), ``threshold`` (``"standard"``), ``arm_column`` (``"arm"``),
        ``before`` (``"intake"``) and ``after`` (``"exit"``). A value that sets one arm against
        the other has an empty ``group`` and ``contrast="programme v comparison"``.

    Returns
    -------
    float
        The value.

    Raises
    ------
    UndefinedResultError
        If there is no such value, or more than one.
    """
    offending = truth.get("offending")
    if offending and any(row["outcome"] == labels.get("outcome") for row in offending["values"]):
        truth = offending
    wanted = dict(truth.get("defaults", _DEFAULTS))
    if "group" in wanted and labels.get("contrast") == "programme v comparison":
        wanted["group"] = ""
    wanted |= labels
    known = truth["values"][0]
    for name in wanted:
        if name not in known:
            raise UndefinedResultError(f'truth has no label "{name}".{did_you_mean(name, known)}')
    found = [row for row in truth["values"] if all(row[k] == v for k, v in wanted.items())]
    if len(found) != 1:
        asked = ", ".join(f"{name}={value!r}" for name, value in wanted.items())
        raise UndefinedResultError(
            f"{len(found) or 'no'} true values match {asked}. "
            "Labels are listed in the codebook of the synthetic data."
        )
    return float(found[0]["value"])


def truth_text(truth: Mapping[str, Any]) -> str:
    """Return the truth as JSON text, one value a line, the same bytes every time."""
    parts = []
    for name, content in truth.items():
        if name == "values":
            rows = ",\n".join("    " + json.dumps(row) for row in content)
            parts.append(f'  "values": [\n{rows}\n  ]')
        else:
            nested = isinstance(content, dict) and "values" in content
            body = truth_text(content).rstrip() if nested else json.dumps(content, indent=2)
            indented = body.replace("\n", "\n  ")
            parts.append(f"  {json.dumps(name)}: {indented}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _count_chunk(
    world: World,
    rng: np.random.Generator,
    size: int,
    severity: dict[tuple[str, ...], list[Floats]],
    judged: dict[tuple[str, ...], list[Floats]],
) -> None:
    """Add one chunk's counts: first enrolments under both arms, then who comes back."""
    first = draw_behaviour(world, Stream(rng), size, _TIMES)
    noise = world.perceived_change["noise"] * Stream(rng).normal(size, 1)[:, 0]
    for arm in _ARMS:
        again = who_comes_back(world, rng, first.total("exit", arm))
        earlier = Earlier(
            trait=first.trait[again],
            same_victim=rng.random(len(again)) < world.people["same_victim_share"],
            dyad=first.dyad[first.first[again]],
        )
        rounds = [(first, noise)]
        if world.cohort["most_enrolments"] > 1 and len(again):
            second = draw_behaviour(world, Stream(rng), len(again), _TIMES, earlier=earlier)
            sigma = world.perceived_change["noise"]
            rounds.append((second, sigma * Stream(rng).normal(len(again), 1)[:, 0]))
        for reporter, units in _UNITS.items():
            if reporter == "case_manager" and arm == "comparison":
                continue
            for level in ("case", "dyad") if "dyad" in units else ("case",):
                counts = [_grids(drawn, arm, reporter, level) for drawn, _ in rounds]
                together = {
                    pair: np.sum([count[pair] for count in counts], axis=0) for pair in counts[0]
                }
                if level == "case":
                    _add(severity, (arm, reporter, "person"), counts[0])
                    _add(severity, (arm, reporter, "enrolment"), together)
                else:
                    _add(severity, (arm, reporter, "dyad"), together)
        shares = [_judgements(world, drawn, arm, error) for drawn, error in rounds]
        judged.setdefault((arm, "person"), []).append(shares[0])
        judged.setdefault((arm, "enrolment"), []).append(np.sum(shares, axis=0))
    for reporter in _UNITS:
        _add(
            severity, (_NO_EFFECT, reporter, "person"), _grids(first, _NO_EFFECT, reporter, "case")
        )
    judged.setdefault((_NO_EFFECT, "person"), []).append(
        _judgements(world, first, _NO_EFFECT, noise)
    )


def _add(
    store: dict[tuple[str, ...], list[Floats]],
    key: tuple[str, ...],
    grids: dict[tuple[str, str], Floats],
) -> None:
    for (before, after), counts in grids.items():
        for k, outcome in enumerate(ABUSE_TYPES.codes):
            store.setdefault((*key, before, after, outcome), []).append(counts[k])


def _grids(drawn: Behaviour, arm: str, reporter: str, level: str) -> dict[tuple[str, str], Floats]:
    """Count severity before by severity after: types × 4 × 4, for each time pair."""
    pairs = _PAIRS[reporter]
    times = dict.fromkeys(time for pair in pairs for time in pair)
    seen = {time: drawn.severity(time, arm, reporter, level) for time in times}
    grids = {}
    for before, after in pairs:
        joint = 4 * seen[before] + seen[after]
        counts = [np.bincount(joint[:, k], minlength=16) for k in range(joint.shape[1])]
        grids[before, after] = np.stack(counts).reshape(-1, 4, 4).astype(float)
    return grids


def _judgements(world: World, drawn: Behaviour, arm: str, noise: Floats) -> Floats:
    change = drawn.total("exit", arm) - drawn.total("intake", arm) + noise
    grade = np.searchsorted(world.perceived_change["cuts"], change)
    return np.bincount(grade, minlength=len(PERCEIVED_CHANGES.codes)).astype(float)


def _within(grid: Floats) -> dict[str, float]:
    """Every measure of change within an arm, from severity before by severity after."""
    share = grid / grid.sum()
    used = np.arange(4) > 0
    before, after = share[used].sum(), share[:, used].sum()
    return {
        "prevalence_before": before,
        "prevalence_after": after,
        "risk_ratio": after / before,
        "percent_reduction": 100 * (1 - after / before),
        "risk_difference": after - before,
        "cessation": share[used, 0].sum() / before,
        "onset": share[0, used].sum() / (1 - before),
        "probability_improved": np.tril(share, -1).sum(),
        "probability_worsened": np.triu(share, 1).sum(),
    }


def _between(programme: Floats, comparison: Floats) -> dict[str, float]:
    """Every measure that sets the programme against the comparison arm."""
    one, other = _within(programme), _within(comparison)
    p, q = one["prevalence_after"], other["prevalence_after"]
    return {
        "ratio_of_ratios": one["risk_ratio"] / other["risk_ratio"],
        "difference_in_differences": one["risk_difference"] - other["risk_difference"],
        "risk_ratio": p / q,
        "risk_difference": p - q,
        "odds_ratio": p / (1 - p) / (q / (1 - q)),
    }


def _judged(counts: Floats) -> dict[str, float]:
    share = counts / counts.sum()
    values = dict(zip(PERCEIVED_CHANGES.codes, share, strict=True))
    return {**values, "moderate_or_significant_reduction": share[:2].sum()}


def with_error(
    measures: Callable[..., dict[str, float]], *tables: Floats
) -> dict[str, tuple[float, float]]:
    """Return each measure of the summed chunks and its jackknife error over chunks.

    Parameters
    ----------
    measures : callable
        From the sums of the tables to named measures.
    *tables : array
        One row, or one table, a chunk.
    """
    totals = [table.sum(axis=0) for table in tables]
    chunks = len(tables[0])
    point = measures(*totals)
    left_out = [
        measures(*(total - table[i] for total, table in zip(totals, tables, strict=True)))
        for i in range(chunks)
    ]
    found = {}
    for name, value in point.items():
        spread = np.var([row[name] for row in left_out])
        found[name] = (float(value), float(np.sqrt((chunks - 1) * spread)))
    return found


def _paired_values(world: World, tables: dict[tuple[str, ...], Floats]) -> list[dict[str, Any]]:
    records = []
    for key in {name[1:]: None for name in tables}:
        labels = dict(zip(_KEY, key, strict=True))
        arms = {arm: tables[arm, *key] for arm in (*_ARMS, _NO_EFFECT) if (arm, *key) in tables}
        by_column = {"arm": arms}
        if labels["unit"] == "person" and set(_ARMS) <= set(arms):
            by_column["allocated_arm"] = _as_allocated(world, arms)
        for arm_column, groups in by_column.items():
            for arm, table in groups.items():
                change = f"{labels['after']} v {labels['before']}"
                values = with_error(_within, table)
                records += _records(values, labels, arm, change, arm_column)
            if set(_ARMS) <= set(groups):
                values = with_error(_between, *(groups[arm] for arm in _ARMS))
                records += _records(values, labels, "", "programme v comparison", arm_column)
    return records


def _as_allocated(world: World, arms: dict[str, Floats]) -> dict[str, Floats]:
    """Mix the arms received into the arms allocated; crossover is by chance."""
    crossed = world.cohort["crossover"]
    share = {arm: arms[arm] / arms[arm].sum(axis=(1, 2), keepdims=True) for arm in _ARMS}
    other = {"programme": "comparison", "comparison": "programme"}
    return {
        arm: (1 - crossed[arm]) * share[arm] + crossed[arm] * share[other[arm]] for arm in _ARMS
    }


def _judgement_values(world: World, shares: dict[tuple[str, ...], Floats]) -> list[dict[str, Any]]:
    records = []
    for (arm, unit), counts in shares.items():
        labels = {"reporter": "idva", "unit": unit, "before": "intake", "after": "exit"}
        for name, (value, error) in with_error(_judged, counts).items():
            one = {"share": (value, error)}
            outcome = {**labels, "outcome": f"perceived_change:{name}"}
            records += _records(one, outcome, arm, "exit v intake", "arm", threshold="")
    return records


def _records(
    values: dict[str, tuple[float, float]],
    labels: dict[str, str],
    group: str,
    contrast: str,
    arm_column: str,
    *,
    threshold: str = "standard",
) -> list[dict[str, Any]]:
    rows = []
    for measure, (value, error) in values.items():
        digits = 3 if measure == "percent_reduction" else 5
        rows.append(
            {
                "outcome": labels["outcome"],
                "measure": measure,
                "contrast": contrast,
                "group": group,
                "unit": labels["unit"],
                "reporter": labels["reporter"],
                "threshold": threshold,
                "before": labels["before"],
                "after": labels["after"],
                "arm_column": arm_column,
                "value": round(value, digits),
                "mc_error": round(error, digits),
            }
        )
    return rows


def _conditional(world: World) -> dict[str, Any]:
    """Return the model's own parameters, in standard deviations of latent severity."""
    parts = dataclasses.asdict(world)
    named = {
        "cut_points": dict(
            zip(ABUSE_TYPES.codes, world.cut_points().round(4).tolist(), strict=True)
        )
    }
    for arm in ("programme", "usual_care"):
        named[f"effect_{arm}"] = dict(zip(ABUSE_TYPES.codes, parts["effect"][arm], strict=True))
    kept = ("latent", "reporters", "perceived_change", "missing")
    return {
        "scale": "standard deviations of latent severity of one abuse type before referral",
        **named,
        "effect_share": parts["effect"]["share"],
        **{name: parts[name] for name in kept},
        "crossover": parts["cohort"]["crossover"],
    }
