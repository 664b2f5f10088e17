"""What those without an exit would have to be like for a fall to vanish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.errors import UndefinedResultError
from drive_eval.models import _arguments, _intervals, _missing, _paired
from drive_eval.results import Check, Estimate, Provenance, ResultSet

if TYPE_CHECKING:
    import pandas as pd

    from drive_eval.models._regression import Flags

__all__ = ["tipping_point"]


def tipping_point(
    table: pd.DataFrame,
    *,
    before: str,
    after: str,
    outcome: str = "",
    conf_level: float = 0.95,
    group: str = "",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
    contrast: str = "after v before",
) -> ResultSet:
    """How many of those without an exit would still have to abuse for the fall to vanish?

    Parameters
    ----------
    table : DataFrame, one row per person (or enrolment, or dyad)
    before, after : str
        As in `missing_exit_bounds`: `before` complete, `after` blank where not recorded.
    conf_level : float, between 0 and 1
    outcome, group, unit, reporter, threshold, subgroup, contrast : str
        Labels that every Estimate carries.

    Returns
    -------
    ResultSet
        ``tipping_point`` in percent of those without an exit: with ``term`` ``"point"``, from
        which as many or more would show the behaviour after as before; with ``"interval"``,
        from which the interval of the difference would no longer exclude no change. ``n``
        counts those without an exit and ``n_events`` how many of them that is. The estimate is
        None where not even all of them would do it. ``share_observed`` is the percentage among
        those with an exit who showed the behaviour, for comparison. The Checks
        ``tipping_point`` and ``tipping_interval`` say it in words; they pass where nothing that
        the missing could do would undo the result.

    Raises
    ------
    DataError
        For columns that are missing, or not true or false; for blanks in `before`.
    UndefinedResultError
        If there is no row, nobody has an exit, or everybody has.

    Notes
    -----
    **Assumptions.** Rows are independent, and what was recorded is right. Of k missing people
    who show the behaviour, those who showed it before come first ("still"); only when these
    are used up did others start. The point depends on k alone: with y users before and x after
    among those seen again, the fall is gone at k = y − x. The interval is Tango's, of the
    filled table, and k the smallest at which it no longer lies below 0.

    References
    ----------
    Tango T (1998). Equivalence test and confidence interval for the difference in proportions
    for the paired-sample design. Statistics in Medicine 17, 891.

    Cro S, Morris TP, Kenward MG, Carpenter JR (2020). Sensitivity analysis for clinical trials
    with missing continuous outcome data using controlled multiple imputation: a practical
    guide. Statistics in Medicine 39, 2815.

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.DataFrame({"intake": [1] * 60 + [0] * 40,
    ...                        "exit": [1] * 12 + [0] * 8 + [None] * 40 + [0] * 20 + [None] * 20})
    >>> found = tipping_point(people, before="intake", after="exit")
    >>> print(found.check("tipping_point").text)
    The fall would vanish if 80 % (48 of 60) of those without an exit showed the behaviour ...
    """
    _arguments.level(conf_level)
    exits = _missing.read_exits(table, before, after)
    lost = exits.missing
    if lost == 0:
        raise UndefinedResultError("everybody has an exit, so there is nothing that could tip.")
    users_lost = int((exits.before & ~exits.known).sum())
    y, x = int(exits.before.sum()), int((exits.known & exits.after).sum())
    seen = _missing.pairs(exits.before[exits.known], exits.after[exits.known])
    k = np.arange(lost + 1)
    still = np.minimum(k, users_lost)
    limits = _intervals.tango_difference(
        both=seen["both"] + still,
        before_only=seen["before_only"] + users_lost - still,
        after_only=seen["after_only"] + k - still,
        neither=seen["neither"] + lost - users_lost - (k - still),
        conf_level=conf_level,
    )
    needed = {
        "point": _first(x + k >= y),
        "interval": _first(limits[1] >= 0),
    }
    labels: dict[str, Any] = {
        "outcome": outcome,
        "group": group,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "subgroup": subgroup,
        "contrast": contrast,
        "conf_level": conf_level,
    }
    share = 100 * x / int(exits.known.sum())
    estimates = [
        Estimate(
            measure="tipping_point",
            term=term,
            estimate=None if count is None else 100 * count / lost,
            n=lost,
            n_events=count,
            method="users before are filled in first; Tango score",
            **labels,
        )
        for term, count in needed.items()
    ]
    estimates.append(
        Estimate(
            measure="share_observed",
            estimate=share,
            n=int(exits.known.sum()),
            n_events=x,
            method="percent of those with an exit",
            **labels,
        )
    )
    checks = [
        Check(
            name=name,
            passed=True if needed[term] is None else None,
            statistic=None if needed[term] is None else 100 * float(needed[term] or 0) / lost,
            threshold=share,
            outcome=outcome,
            group=group,
            text=_tips(term, needed[term], lost, users_lost, share, conf_level),
        )
        for name, term in (("tipping_point", "point"), ("tipping_interval", "interval"))
    ]
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=(
            "Of those without an exit who show the behaviour, those who showed it before come "
            "first.",
            _paired.NO_COMPARISON,
        ),
        provenance=Provenance(call="sensitivity.tipping_point"),
    )


def _first(holds: Flags) -> int | None:
    found = np.flatnonzero(holds)
    return int(found[0]) if len(found) else None


def _tips(
    term: str, count: int | None, lost: int, users_lost: int, share: float, conf_level: float
) -> str:
    what = "The fall would vanish"
    if term == "interval":
        what = f"The fall would no longer be clear (at {100 * conf_level:g} %)"
    if count is None:
        opposite = "remain" if term == "point" else "be clear"
        return (
            f"The fall would {opposite} even if all {lost:,} without an exit showed the behaviour "
            "at exit."
        )
    if count == 0:
        return (
            f"{what} even if none of the {lost:,} without an exit showed the behaviour at exit: "
            "there is none to undo."
            if term == "point"
            else f"The fall is not clear (at {100 * conf_level:g} %) even if none of the {lost:,} "
            "without an exit showed the behaviour at exit."
        )
    text = (
        f"{what} if {100 * count / lost:.0f} % ({count:,} of {lost:,}) of those without an exit "
        f"showed the behaviour at exit; among those with an exit it was {share:.0f} %."
    )
    if count > users_lost:
        text += (
            f" Only {users_lost:,} of them showed it before, so {count - users_lost:,} would have "
            "to have started."
        )
    return text
