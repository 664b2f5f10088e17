"""Agreement of two reporters as it may be released."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.evaluation.contrasts import merge
from drive_eval.evaluation.controlled import HIDDEN, control_table, without_numbers
from drive_eval.evaluation.released_margins import fall_of_margins
from drive_eval.evaluation.released_repeats import withheld
from drive_eval.evaluation.released_rival_arms import floor_of
from drive_eval.evaluation.reporters import BY
from drive_eval.measures import reliability
from drive_eval.models import prepost
from drive_eval.results import Check, ResultSet

if TYPE_CHECKING:
    from drive_eval.disclosure import Policy
    from drive_eval.plan import BehaviourOutcome
    from drive_eval.results import CountTable, Estimate

__all__ = ["release_reporters"]

_AGREEMENT = ("agreement", "kappa", "pabak")


def release_reporters(
    one: BehaviourOutcome,
    other: BehaviourOutcome,
    abuse_type: str,
    exact: ResultSet,
    rules: Policy,
    conf_level: float,
) -> ResultSet:
    """What of the agreement of two reporters may be read by others?

    Parameters
    ----------
    one, other : BehaviourOutcome
        The blocks of the two reporters.
    abuse_type : str
    exact : ResultSet
        From `evaluate_reporters`.
    rules : Policy
        One that hides or rounds.
    conf_level : float

    Returns
    -------
    ResultSet
        Agreement worked out again from released tables of who said what. Beside exact counts
        these are withheld: less the tables of each reporter's own cases they would leave those
        whom he rated once. Of the falls by each reporter no table is released, for the same
        reason; they follow from rounded margins, where those whom only one of the two names are
        enough as well.
    """
    names = (one.reporter, other.reporter)
    parts: list[ResultSet] = []
    for table in exact.tables:
        when = table.name.removeprefix("discordance:")
        controlled = control_table(table, rules) if rules.round_to > 1 else withheld(table)
        parts.append(ResultSet(tables=(controlled,)))
        parts.append(_agreement(controlled, names, abuse_type, when, one.threshold, conf_level))
    found = merge(parts, outcome=abuse_type)
    made = {_key(e): e for e in found.estimates}
    enough = {
        group: _enough([e for e in exact.estimates if e.group == group], names, rules)
        for group in dict.fromkeys(e.group for e in exact.estimates if e.group)
    }
    estimates = []
    for e in exact.estimates:
        if e.group:
            shown = enough[e.group]
            clustered = e.unit != "person"
            estimates.append(
                fall_of_margins(e, rules, clustered=clustered) if shown else without_numbers(e)
            )
        else:
            estimates.append(made.get(_key(e)) or without_numbers(e))
    checks = [c for c in exact.checks if c.name == "not_rated"]
    checks += [
        Check(name="suppressed", group=group, outcome=abuse_type, text=HIDDEN)
        for group, shown in enough.items()
        if not shown
    ]
    return ResultSet(
        estimates=tuple(dataclasses.replace(e, std_error=None, p_value=None) for e in estimates),
        checks=(*found.checks, *checks),
        tables=found.tables,
        assumptions=exact.assumptions,
    )


def _key(e: Estimate) -> tuple[str, ...]:
    return (e.measure, e.term, e.subgroup, e.group)


def _agreement(
    table: CountTable,
    names: tuple[str, str],
    abuse_type: str,
    when: str,
    threshold: str,
    conf_level: float,
) -> ResultSet:
    cells = {
        (True, True): table["both"],
        (True, False): table[f"{names[0]}_only"],
        (False, True): table[f"{names[1]}_only"],
        (False, False): table["neither"],
    }
    if None in cells.values() or not sum(count or 0 for count in cells.values()):
        check = Check(name=f"suppressed, {when}", outcome=abuse_type, text=HIDDEN)
        return ResultSet(checks=(check,))
    rows = []
    for said, count in cells.items():
        for i in range(count or 0):
            for reporter, used in zip(names, said, strict=True):
                level = threshold if used else "none"
                rows.append((f"{said}{i}", reporter, level))
    ratings = pd.DataFrame(rows, columns=["case_id", "reporter", "severity"])
    found = reliability.reporter_agreement(
        ratings.assign(time_point=when, abuse_type=abuse_type),
        abuse_type=abuse_type,
        time_point=when,
        reporters=names,
        threshold=threshold,
        conf_level=conf_level,
    )
    kept = [e for e in found.estimates if e.threshold and e.measure in _AGREEMENT]
    told: dict[str, Any] = {
        "both": cells[True, True] or 0,
        "before_only": cells[False, True] or 0,
        "after_only": cells[True, False] or 0,
        "neither": cells[False, False] or 0,
    }
    pair = prepost.paired_counts(
        **told,
        outcome=abuse_type,
        unit="enrolment",
        threshold=threshold,
        subgroup=when,
        contrast=f"{names[0]} v {names[1]}",
        conf_level=conf_level,
    )
    kept += [e for e in pair.estimates if e.measure == "risk_ratio"]
    return ResultSet(estimates=tuple(kept), assumptions=found.assumptions)


def _enough(rows: list[Estimate], names: tuple[str, str], rules: Policy) -> bool:
    """Tell whether enough people are named by each, by both, by only one, and by none."""
    falls = {e.reporter: e for e in rows if e.measure == "risk_difference"}
    either, both = (falls.get(who) for who in BY)
    if either is None or both is None or any(name not in falls for name in names):
        return False
    floor = floor_of(rules)
    for n, events in (("n", "n_events"), ("n_reference", "n_events_reference")):
        counts = {who: getattr(e, events) for who, e in falls.items()}
        total = getattr(either, n)
        if total is None or None in counts.values():
            return False
        sides = [*counts.values(), *(total - count for count in counts.values())]
        sides += [counts[BY[0]] - counts[name] for name in names]
        if min(sides) < floor:
            return False
    return True
