"""Between which numbers the exact counts behind a released table lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.disclosure.gate import _atoms_of, _position, _summed
from drive_eval.disclosure.lookalikes import Look
from drive_eval.disclosure.rules import counts_behind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.disclosure.rules import Policy
    from drive_eval.results import CountTable

    Key = tuple[str, ...]

__all__ = ["between"]


def between(
    table: CountTable, sets: Sequence[Sequence[Key]], policy: Policy
) -> list[tuple[int, int | None]]:
    """Between which numbers must the exact count of each set of people lie?

    Parameters
    ----------
    table : CountTable
        A table made by `control`.
    sets : sequence of sequences of key
        Each the lines whose people are put together; who stands in two lines counts once.
    policy : Policy
        The policy that made the table.

    Returns
    -------
    list of (low, high)
        ``high`` is None where no number that is shown bounds the set.

    Examples
    --------
    >>> from drive_eval.disclosure import POLICIES, control
    >>> from drive_eval.results import CountTable
    >>> table = CountTable.from_counts(name="arms", title="Arms", unit="perpetrators",
    ...     dimensions=("group",), counts={("programme",): 21, ("comparison",): 4},
    ...     totals={("all",): [("programme",), ("comparison",)]})
    >>> rules = POLICIES["opensafely"]
    >>> between(control(table, rules), [[("programme",)], [("comparison",)]], rules)
    [(18, 22), (1, 9)]
    """
    places = _atoms_of(table)
    counts = {
        places[i]: c.count for i, c in enumerate(table.cells) if c.shown and c.count is not None
    }
    lines = list(dict.fromkeys(places[i] for i, cell in enumerate(table.cells) if cell.shown))
    visible = frozenset(i for i, line in enumerate(lines) if line in counts)
    # The number of a line that is the sum of others was not rounded itself.
    limits = tuple(
        (lines[i], *counts_behind(counts[lines[i]], policy))
        for i in sorted(visible - _summed(lines, visible))
    )
    atoms = len(frozenset().union(*places))
    look = Look(atoms=atoms, limits=limits, families=(), quiet=(), small=(0, 0))
    bounded = frozenset().union(*(line for line, _, _ in limits))
    found: list[tuple[int, int | None]] = []
    for keys in sets:
        wanted = frozenset().union(*(places[_position(table, key)] for key in keys))
        ends: list[int | None] = []
        for largest in (False, True):
            if largest and not wanted <= bounded:
                ends.append(None)
                continue
            world = look.find(wanted, largest=largest)
            ends.append(None if world is None else int(world[list(wanted)].sum()))
        found.append((ends[0] or 0, ends[1]))
    return found
