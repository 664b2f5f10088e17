"""What is asked of a contrast, refused before anything is fitted, and what its design adds to it.

A design that left people out, or did not make the arms alike, says so beside every outcome.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, get_args

from drive_eval.errors import DataError, DesignError, did_you_mean
from drive_eval.models import _arguments
from drive_eval.models._design import Matched, Weighted, dropped, effect_on
from drive_eval.models._permutation import Few
from drive_eval.models._regression import refuse_among
from drive_eval.vocabulary import ESTIMANDS

if TYPE_CHECKING:
    from drive_eval.results import ResultSet

_ALIKE = "Comparison cases like the programme cases were found"


def refuse(
    data: Any,
    *,
    outcome: Any,
    treated: Any,
    covariates: Any,
    conf_level: Any,
    cluster: Any = None,
    interactions: Any = True,
    few: Any = "permutation",
    counts: dict[str, Any] | None = None,
) -> None:
    """Refuse a contrast that cannot be meant; `counts` are limits that must be numbers."""
    _arguments.level(conf_level)
    _arguments.flag(interactions, "interactions")
    if few not in get_args(Few):
        raise DesignError(f'few="{few}" is not known.{did_you_mean(str(few), get_args(Few))}')
    for name, value in (counts or {}).items():
        _arguments.number(value, name)
    design = isinstance(data, (Matched, Weighted))
    table = data.table if design else data
    known = getattr(table, "columns", ())
    for name, role in ((outcome, "outcome"), (treated, "treated"), (cluster, "cluster")):
        if name is not None or role == "outcome":
            _arguments.column_name(name, role, known)
    arm = data.treated if design else treated
    if outcome == arm:
        raise DesignError(
            f'column "{outcome}" is given as the outcome and as treated; they are two things.'
        )
    if design and outcome not in known:
        hint = did_you_mean(outcome, [str(c) for c in known])
        raise DataError(
            f'no column "{outcome}" (outcome) in the design\'s table.{hint} To add it, aligned by '
            f"the rows' labels: dataclasses.replace(design, table=design.table.assign("
            f'**{{"{outcome}": outcomes}})).'
        )
    if _arguments.named(covariates) and len(known):
        for name, role in ((arm, "treated"), (outcome, "outcome")):
            refuse_among(table, covariates, name, role)


def told(data: Any, result: ResultSet) -> ResultSet:
    """Add what the design says of itself: whom it left out, and what still differs."""
    if not isinstance(data, (Matched, Weighted)):
        return result
    whole = ESTIMANDS[data.estimand]
    whose = effect_on(data.estimand, dropped=dropped(data))
    checks = [
        dataclasses.replace(c, text=c.text.replace(whole, whose)) if c.name == "estimand" else c
        for c in result.checks
    ]
    said = [sentence.replace(whole, whose) for sentence in result.assumptions]
    for worst in data.balance.checks:
        if worst.name != "worst_smd":
            continue
        checks.append(dataclasses.replace(worst, name="balance"))
        if worst.passed is False:
            said = [_unlike(sentence) for sentence in said]
    return dataclasses.replace(result, checks=tuple(checks), assumptions=tuple(said))


def _unlike(sentence: str) -> str:
    """Return the sentence on likeness as it stands where the arms are not alike."""
    if not sentence.startswith(_ALIKE):
        return sentence
    by_model = sentence.endswith("corrects them.")
    rest = ", or the model of the outcome corrects them" if by_model else ""
    return (
        "The comparison cases are not like the programme cases in all covariates (see the check "
        f'"balance"): the effect supposes that these differences do not bear on the outcome{rest}.'
    )
