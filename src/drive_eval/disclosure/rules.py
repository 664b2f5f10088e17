"""The rules of each policy: what is small, and how a count that is not is printed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drive_eval.errors import DisclosureError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What stands in a table, a sentence or a chart in the place of every hidden count.
SYMBOL = "[c]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which counts may be shown, and how much must stay unknown about the others?

    Attributes
    ----------
    name : str
        The name that a plan uses.
    suppress_up_to : int
        Counts from 1 to this number are hidden; 0 hides none.
    suppress_zero : bool
        Whether a count of nobody is hidden as well (a whole group is described by it).
    round_to : int
        Other counts are rounded to a multiple of this; 0 or 1 leaves them as they are.
    min_residual_df : int
        Fewest residual degrees of freedom of a model whose effects may be released.
    min_events : int
        Fewest events behind a model-based effect that may be released.
    protection : int
        Fewest values that a hidden count must still be able to take for an intruder.
    text : str
        The sentence for the report.

    Examples
    --------
    >>> POLICIES["opensafely"].suppress_up_to
    7
    """

    name: str
    suppress_up_to: int
    suppress_zero: bool = False
    round_to: int = 0
    min_residual_df: int = 0
    min_events: int = 0
    protection: int = 2
    text: str = ""

    def __post_init__(self) -> None:
        for field in ("suppress_up_to", "round_to", "min_residual_df", "min_events"):
            if getattr(self, field) < 0:
                raise DisclosureError(f"policy {self.name}: {field} cannot be below 0.")
        if self.hides_anything and not 2 <= self.protection <= self.suppress_up_to:
            raise DisclosureError(
                f"policy {self.name}: protection is {self.protection}, but must lie between 2 (a "
                "count that can take one value is not hidden) and suppress_up_to, "
                f"{self.suppress_up_to} (a hidden total takes no more values)."
            )

    @property
    def hides_anything(self) -> bool:
        """Whether any count is hidden at all."""
        return self.suppress_up_to > 0 or self.suppress_zero

    @property
    def smallest_hidden(self) -> int:
        """The smallest count that is hidden: 0 or 1."""
        return 0 if self.suppress_zero else 1


POLICIES: dict[str, Policy] = {
    "opensafely": Policy(
        name="opensafely",
        suppress_up_to=7,
        round_to=5,
        min_residual_df=10,
        min_events=8,
        text=(
            "Counts of 1 to 7 are not shown, all other counts are rounded to the nearest 5, "
            "totals are sums of rounded counts where their parts are shown, and a further count "
            "is hidden wherever it would give a small one back."
        ),
    ),
    "ons_acro": Policy(
        name="ons_acro",
        suppress_up_to=9,
        suppress_zero=True,
        min_residual_df=10,
        min_events=10,
        text=(
            "Counts under 10, zero included, are not shown, and a further count is hidden "
            "wherever it would give a small one back; counts that are shown are exact."
        ),
    ),
    "internal": Policy(
        name="internal",
        suppress_up_to=0,
        text=(
            "For use inside the organisation that holds the data: small counts are shown, and "
            "nothing in this report may be passed on or published."
        ),
    ),
    "public_data": Policy(
        name="public_data",
        suppress_up_to=0,
        text="Nothing is hidden, because every count stands in a public source.",
    ),
}


def policy(name: str, *, public_source: str = "", **rules: Any) -> Policy:
    """Which rules does this name stand for?

    Parameters
    ----------
    name : {'opensafely', 'ons_acro', 'internal', 'public_data', 'custom'}
        ``internal`` shows small counts and marks the report as not for release.
    public_source : str
        Where the counts are published already; ``public_data`` refuses without it.
    **rules
        For ``custom`` only: any attribute of `Policy`; ``suppress_up_to`` is required.

    Returns
    -------
    Policy

    Raises
    ------
    DisclosureError
        For an unknown name or rule, rules for a named policy, or ``public_data`` without
        its source.

    Examples
    --------
    >>> policy("ons_acro").suppress_zero
    True
    >>> policy("custom", suppress_up_to=5, round_to=5).round_to
    5
    """
    if name not in POLICIES and name != "custom":
        raise DisclosureError(
            f'"{name}" is no disclosure policy.{did_you_mean(name, [*POLICIES, "custom"])}'
        )
    if name == "custom":
        return _custom(rules)
    if rules:
        raise DisclosureError(
            f'policy "{name}" has fixed rules, but {", ".join(sorted(rules))} was given; '
            'use "custom" to set rules.'
        )
    if name == "public_data":
        if not public_source.strip():
            raise DisclosureError(
                'policy "public_data" hides nothing, so the plan must name the public source '
                "of the counts (public_source)."
            )
        text = f"Nothing is hidden, because every count is public already: {public_source.strip()}."
        return dataclasses.replace(POLICIES[name], text=text)
    return POLICIES[name]


def _custom(rules: Mapping[str, Any]) -> Policy:
    known = [field.name for field in dataclasses.fields(Policy) if field.name != "name"]
    for rule in rules:
        if rule not in known:
            raise DisclosureError(
                f'"{rule}" is no rule of a disclosure policy.{did_you_mean(rule, known)}'
            )
    if "suppress_up_to" not in rules:
        raise DisclosureError(
            'policy "custom" needs suppress_up_to, the largest count that is hidden (0 for none).'
        )
    made = Policy(name="custom", **rules)
    if made.text:
        return made
    low, high = made.smallest_hidden, made.suppress_up_to
    parts = [f"Counts of {low} to {high} are not shown" if high else "No count is hidden"]
    if made.round_to > 1:
        parts.append(f"other counts are rounded to the nearest {made.round_to}")
    return dataclasses.replace(made, text=f"{', and '.join(parts)}.")


def safe_number(count: int, policy: Policy) -> int | None:
    """How may a count that stands alone in a sentence be printed?

    Parameters
    ----------
    count : int
        The exact count.
    policy : Policy

    Returns
    -------
    int or None
        The rounded count; None when it must be hidden (print `SYMBOL`).

    Notes
    -----
    Halves are rounded up. A count above the hidden range is never rounded into it or to zero.

    Examples
    --------
    >>> [safe_number(n, POLICIES["opensafely"]) for n in (0, 7, 8, 12, 13)]
    [0, None, 10, 10, 15]
    """
    if policy.hides_anything and policy.smallest_hidden <= count <= policy.suppress_up_to:
        return None
    base = policy.round_to
    if base <= 1:
        return count
    rounded = (2 * count + base) // (2 * base) * base
    if count == 0 or not policy.hides_anything:
        return rounded
    return max(rounded, (policy.suppress_up_to // base + 1) * base)


def counts_behind(number: int, policy: Policy) -> tuple[int, int]:
    """Return the smallest and the largest count that would be shown as this number."""
    if policy.round_to <= 1:
        return number, number
    reach = range(max(0, number - policy.round_to), number + policy.round_to + 1)
    counts = [count for count in reach if safe_number(count, policy) == number]
    return counts[0], counts[-1]
