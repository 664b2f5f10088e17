"""How many of an arm a design keeps, as it may be known.

What a design keeps stands beside all cases of the arm, so that a subtraction gives those whom it
drops. Where these are few, numbers of those kept are given as those of all, so that nothing can
be subtracted; elsewhere they are rounded as the policy rounds. Where it shows counts exactly,
the number of those dropped is rounded instead, and what is kept is what it leaves: designs that
differ by a case or two would tell on each other otherwise.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drive_eval.disclosure import safe_number

if TYPE_CHECKING:
    from drive_eval.disclosure import Policy

__all__ = [
    "Arm",
    "coarse",
    "few",
    "kept_of",
    "lessened",
    "linked",
    "released_arm",
    "rounded",
    "sized",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One arm of a design.

    Attributes
    ----------
    events, n : int
        Released: those with the outcome, and all. Of a weighted arm `events` is its risk in
        cases.
    counted : bool
        Whether `events` is a count of cases.
    base : int
        To what they were rounded.
    exact_n : int
        Behind `n`; it only makes the design effect, which is coarse.
    """

    events: int
    n: int
    counted: bool
    base: int
    exact_n: int

    @property
    def risk(self) -> float:
        """The released risk."""
        return self.events / self.n


def few(count: int, rules: Policy) -> bool:
    """Tell whether so many dropped cases must not come back; nobody dropped is told elsewhere."""
    return count <= rules.suppress_up_to


def rounded(value: float, base: int) -> int:
    """Round halves up, as counts are."""
    return base * math.floor(value / base + 0.5)


def coarse(rules: Policy) -> int:
    """Return a base that hides small counts, also under a policy that shows others exactly."""
    return rules.round_to if rules.round_to > 1 else rules.suppress_up_to + 1


def kept_of(kept: int, dropped: int, rules: Policy) -> tuple[int | None, int | None, int | None]:
    """Return how many were kept and dropped, and all, as they may be shown.

    Examples
    --------
    >>> from drive_eval.disclosure import POLICIES
    >>> kept_of(277, 4, POLICIES["opensafely"])
    (280, None, 280)
    >>> kept_of(262, 19, POLICIES["opensafely"])
    (260, 20, 280)
    """
    every = safe_number(kept + dropped, rules)
    if every is None or (dropped and few(kept, rules)):
        return None, None, every
    if not dropped:
        return every, 0, every
    if few(dropped, rules):
        return every, None, every
    if rules.round_to > 1:
        return safe_number(kept, rules), safe_number(dropped, rules), every
    lost = rounded(dropped, coarse(rules))
    return max(every - lost, 0), lost, every


def linked(kept: int, whole: int, ratio: int, rules: Policy) -> bool:
    """Tell whether as many are kept as would say how few the other arm lost.

    `kept` in this arm, `whole` in the other before few of them were dropped; `ratio` of this
    arm for each of the other.
    """
    return kept >= ratio * (whole - rules.suppress_up_to)


def released_arm(
    *,
    risk: float,
    kept: tuple[int, int],
    every: tuple[int, int],
    shown: tuple[int | None, int | None],
    rules: Policy,
) -> Arm | None:
    """Return one arm of a design; None where it may not be known.

    Parameters
    ----------
    risk : float
        Exact, weighted where the design weights.
    kept, every : (int, int)
        Exact: with the outcome and without, in the design and in the arm.
    shown : (int or None, int or None)
        What is released of `every`.
    rules : Policy

    Notes
    -----
    Whether an arm may be known is decided from what is released of it, so that a refusal says
    no more than the release would.
    """
    floor = max(rules.min_events, rules.suppress_up_to + 1)
    counted = math.isclose(risk, kept[0] / max(sum(kept), 1), rel_tol=1e-9, abs_tol=1e-12)
    dropped = sum(every) - sum(kept)
    rounds = rules.round_to > 1
    base = coarse(rules) if rounds or dropped or None in shown else 1
    if few(dropped, rules):
        yes, no = shown
        if yes is None or no is None:
            if rounds:
                return None
            # A policy that shows counts exactly hides large ones beside small ones.
            yes = rounded(every[0], base)
            no = rounded(sum(every), base) - yes
    elif rounds or None in shown:
        found = _rounded_pair(kept, dataclasses.replace(rules, round_to=base))
        if found is None:
            return None
        yes, no = found
    else:
        yes, no = lessened(kept, every, rules)
    if min(yes, no) < floor:
        return None
    n, events = yes + no, yes
    if not counted:
        events = rounded(risk * n, base)
    if not 0 < events < n:
        return None
    return Arm(events=events, n=n, counted=counted, base=base, exact_n=sum(kept))


def sized(arm: Arm, risk: float, n: int, rules: Policy) -> Arm | None:
    """Return an arm with another number of cases and its own risk of them."""
    base = max(arm.base, coarse(rules))
    events = rounded(risk * n, base)
    if not 0 < events < n:
        return None
    return dataclasses.replace(arm, events=events, n=n, base=base)


def _rounded_pair(kept: tuple[int, int], rules: Policy) -> tuple[int, int] | None:
    """Round all and the rarer; the other must be so many that its floor tells nothing."""
    n, rare = safe_number(sum(kept), rules), safe_number(min(kept), rules)
    if n is None or rare is None or n - rare - (rules.round_to - 1) <= rules.suppress_up_to:
        return None
    return (rare, n - rare) if kept[0] <= kept[1] else (n - rare, rare)


def lessened(kept: tuple[int, int], every: tuple[int, int], rules: Policy) -> tuple[int, int]:
    """Take from exact counts what a design dropped, rounded; few are the middle of what is hidden.

    Parameters
    ----------
    kept, every : (int, int)
        With it and without, in the design and in the arm; more were dropped than few.
    rules : Policy
        One that shows counts exactly.

    Examples
    --------
    >>> from drive_eval.disclosure import POLICIES
    >>> lessened((107, 140), (110, 166), POLICIES["ons_acro"])
    (105, 141)
    """
    lost = [whole - part for part, whole in zip(kept, every, strict=True)]
    total, middle = rounded(sum(lost), coarse(rules)), (rules.suppress_up_to + 1) // 2
    if few(lost[0], rules):
        gone = middle
    elif few(lost[1], rules):
        gone = total - middle
    else:
        gone = min(rounded(lost[0], coarse(rules)), total)
    return every[0] - gone, every[1] - (total - gone)
