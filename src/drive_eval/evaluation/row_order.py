"""How far a matched result hangs on the order of rows, which chooses among people alike."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.errors import DataError, DesignError
from drive_eval.evaluation.designs import make_designs
from drive_eval.evaluation.rival_question import number
from drive_eval.results import Check

if TYPE_CHECKING:
    import pandas as pd

    from drive_eval.evaluation.rival_question import Asked

__all__ = ["NAME", "coarse_row_orders", "row_orders"]

NAME = "row_order"
_ORDERS = 50
#: From how many in a hundred on a range is told where counts are protected.
_STEPS = (1, 2, 5)


def row_orders(asked: Asked, units: pd.DataFrame, column: str) -> tuple[Check, ...]:
    """How far does the main difference move if equally similar people are taken in another order?

    Parameters
    ----------
    asked : Asked
    units : DataFrame
        What the designs are made from, with the outcome.
    column : str
        The outcome: true, false or missing.

    Returns
    -------
    tuple of Check
        ``row_order``: ``statistic`` is the width of the range, in a hundred, over fifty orders
        drawn at random. None where the main design is no nearest matching, has an order of its
        own, or has no two people with the same score.
    """
    block = asked.plan.balancing[0]
    if block.method != "nearest" or block.order == "random":
        return ()
    plan = asked.plan.model_copy(update={"balancing": [block]})
    rng = asked.rng(NAME)
    found: list[float] = []
    for i in range(_ORDERS + 1):
        rows = units if not i else units.iloc[rng.permutation(len(units))]
        try:
            design: Any = make_designs(plan, rows)[block.name]
        except (DataError, DesignError):
            return ()
        if not i and all(c.passed for c in design.balance.checks if c.name == "ties"):
            return ()
        # Only the covariates went into the design; its rows keep their labels.
        gap = _difference(design.table, units[column])
        if gap is None:
            return ()
        found.append(100 * gap)
    low, high = min(found), max(found)
    text = (
        f"The difference lies between {number(low, 1)} and {number(high, 1)} in a hundred "
        f"depending on which of equally similar people are taken ({_ORDERS} orders of the rows "
        f"drawn at random; {number(found[0], 1)} in the order of the table)."
    )
    outcome = str(asked.labels["outcome"])
    return (Check(name=NAME, outcome=outcome, statistic=high - low, text=text),)


def _difference(matched: pd.DataFrame, outcome: pd.Series[Any]) -> float | None:
    y = outcome.loc[matched.index]
    known = y.notna().to_numpy()
    value, weight = y[known].astype(float).to_numpy(), matched.loc[known, "weight"].to_numpy()
    t = (matched.loc[known, "group"] == "programme").to_numpy()
    if not weight[t].sum() or not weight[~t].sum():
        return None
    one, other = (float(np.average(value[arm], weights=weight[arm])) for arm in (t, ~t))
    return one - other


def coarse_row_orders(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Say in words how far the order of rows moves a result, without a number that was counted.

    Of less than one in a hundred nothing is said, so that nobody learns whether anybody is tied.
    """
    said = []
    for c in checks:
        if c.name != NAME or c.statistic is None or c.statistic < _STEPS[0]:
            continue
        step = max(s for s in _STEPS if c.statistic >= s)
        text = (
            f"The difference moves by {step} or more in a hundred depending on which of equally "
            "similar people are taken."
        )
        said.append(dataclasses.replace(c, statistic=None, text=text))
    return tuple(said)
