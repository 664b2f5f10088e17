"""The attack: all exact tables that look the same from outside, and what they have in common."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drive_eval.errors import DisclosureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Look:
    """All exact tables that look the same from outside, as inequalities about their atoms."""

    atoms: int
    limits: tuple[tuple[frozenset[int], int, int], ...]  # a line, its least and largest count
    families: tuple[tuple[tuple[frozenset[int], ...], int], ...]  # hidden, and how many small
    quiet: tuple[frozenset[int], ...]  # differences that are not small, or more would be hidden
    small: tuple[int, int]
    empty: frozenset[frozenset[int]] = frozenset()  # of these, nobody counts as few

    def least(self, line: frozenset[int]) -> int:
        """Return the least count of this line that must not come back."""
        return 0 if line in self.empty else self.small[0]

    def ceiling(self) -> int:
        """Return a number that no atom needs to exceed."""
        return max((high for _, _, high in self.limits), default=0) + 4 * (self.small[1] + 2)

    def _most(self, line: frozenset[int], top: int) -> int:
        return min((high for above, _, high in self.limits if line <= above), default=0) or (
            len(line) * top
        )

    def holds(self, tables: Ints) -> NDArray[np.bool_]:
        """Say for each row of atoms whether it looks like this."""
        import numpy as np

        good: NDArray[np.bool_] = np.all(tables >= 0, axis=1)
        if self.limits:
            lines = tables @ _rows([line for line, _, _ in self.limits], self.atoms).T
            low, high = np.array([limit[1:] for limit in self.limits]).T
            good &= np.all((lines >= low) & (lines <= high), axis=1)
        for members, need in self.families:
            lines = tables @ _rows(members, self.atoms).T
            least = np.array([self.least(member) for member in members])
            good &= ((lines >= least) & (lines <= self.small[1])).sum(axis=1) >= need
        if self.quiet:
            lines = tables @ _rows(self.quiet, self.atoms).T
            least = np.array([self.least(sign) for sign in self.quiet])
            good &= np.all((lines < least) | (lines > self.small[1]), axis=1)
        return good

    def find(
        self,
        line: frozenset[int] = frozenset(),
        *,
        largest: bool = False,
        also: Sequence[tuple[frozenset[int], int, int]] = (),
    ) -> Ints | None:
        """Return the exact table with this look and the smallest (or largest) count of a line.

        None when no table has this look and keeps to the limits in ``also``.
        """
        import numpy as np
        from scipy.optimize import Bounds, LinearConstraint, milp

        top = self.ceiling()
        limits = [*self.limits, *also]
        open_families, either = [], []
        for signs, need in self.families:
            if need == len(signs):
                limits += [(sign, self.least(sign), self.small[1]) for sign in signs]
            else:
                open_families.append((signs, need))
        for sign in self.quiet:
            if self.least(sign):
                either.append(sign)
            else:
                limits.append((sign, self.small[1] + 1, len(sign) * top))
        switches = sum(len(signs) for signs, _ in open_families) + len(either)
        width = self.atoms + switches
        rows, lows, highs = [], [], []

        def add(members: Iterable[int], low: float, high: float) -> Any:
            row = np.zeros(width)
            row[list(members)] = 1
            rows.append(row)
            lows.append(low)
            highs.append(high)
            return row

        for limited, low, high in limits:
            add(limited, low, high)
        switch = self.atoms
        for signs, need in open_families:
            # A switch that is on forces its sign to be small.
            add(range(switch, switch + len(signs)), need, len(signs))
            for sign in signs:
                most = self._most(sign, top)
                add(sign, -np.inf, most)[switch] = most - self.small[1]
                add(sign, 0, np.inf)[switch] = -self.least(sign)
                switch += 1
        for sign in either:
            # Here it forces the sign to be large, and otherwise nobody is there.
            add(sign, -np.inf, 0)[switch] = -self._most(sign, top)
            add(sign, 0, np.inf)[switch] = -(self.small[1] + 1)
            switch += 1
        cost = np.zeros(width)
        cost[list(line)] = -1 if largest else 1
        answer = milp(
            cost,
            constraints=[LinearConstraint(np.array(rows), lows, highs)] if rows else [],
            integrality=np.ones(width, dtype=np.int64),
            bounds=Bounds(np.zeros(width), [top] * self.atoms + [1] * switches),
        )
        if answer.status == 2:
            return None
        if not answer.success:
            raise DisclosureError(
                "whether this table is safe could not be worked out, so it is not released: "
                f"{answer.message}"
            )
        found: Ints = np.rint(answer.x[: self.atoms]).astype(np.int64)
        return found


def passes(
    look: Look,
    secrets: Sequence[frozenset[int]],
    protection: int,
    seed: list[int] | None,
    *,
    guarded: frozenset[frozenset[int]] = frozenset(),
) -> bool:
    """Say whether no secret comes back from this look, whoever looks.

    Every table in ``look`` is released in this form; so may be others that only agree in the
    numbers shown (``around``). A secret is safe if it takes enough values among the first, or
    no small value among the second; also when the reader stands in a given atom himself. A
    `guarded` one needs enough values whether they are small or not. The seed, a table with this
    look, only saves time.
    """
    import numpy as np

    around = dataclasses.replace(look, families=(), quiet=())
    start = look.find() if seed is None else np.array(seed, dtype=np.int64)
    if start is None:
        return False
    large = [line for line, low, _ in look.limits if low > look.small[1]]
    secrets = [
        secret
        for secret in secrets
        if secret in guarded or not any(line <= secret for line in large)
    ]
    sums = _rows(secrets, look.atoms).T
    settled = np.zeros(len(secrets), dtype=bool)  # never small, whoever looks
    pool = _neighbours(look, start)
    for reader in (None, *range(look.atoms)):
        done = settled.copy()
        inside = () if reader is None else ((frozenset([reader]), 1, look.ceiling()),)
        rows = _with(pool, reader)
        if not len(rows):
            example = look.find(also=inside)
            if example is None and around.find(also=inside) is None:
                continue  # nobody can stand there
            if example is None:
                return False
            pool = np.concatenate([pool, _neighbours(look, example)])
        elif reader is not None and (_few(rows @ sums, protection) & ~done).any():
            pool = np.concatenate([pool, _neighbours(look, rows[0])])
        while True:
            left = np.flatnonzero(_few(_with(pool, reader) @ sums, protection) & ~done)
            if not left.size:
                break
            secret = secrets[left[0]]
            examples = _values(look, secret, inside, protection)
            small = (*inside, (secret, look.least(secret), look.small[1]))
            few = len(examples) < protection
            if few and (secret in guarded or around.find(also=small) is not None):
                return False
            pool = np.concatenate([pool, *(_neighbours(look, table) for table in examples)])
            done[left[0]] = True
            # Enough values for everybody may be too few for a reader who has a place himself.
            settled[left[0]] |= few and reader is None
    return True


def _with(tables: Ints, reader: int | None) -> Ints:
    """Keep the tables in which the reader has a place."""
    return tables if reader is None else tables[tables[:, reader] > 0]


def _few(values: Ints, protection: int) -> NDArray[np.bool_]:
    """Say which columns have fewer different values than they need."""
    import numpy as np

    if protection == 2:
        lone: NDArray[np.bool_] = np.ptp(values, axis=0) == 0
        return lone
    ordered = np.sort(values, axis=0)
    changes: Ints = (np.diff(ordered, axis=0) > 0).sum(axis=0)
    few: NDArray[np.bool_] = np.less(changes + 1, protection)
    return few


def _values(
    look: Look,
    line: frozenset[int],
    inside: tuple[tuple[frozenset[int], int, int], ...],
    enough: int,
) -> list[Ints]:
    """Return tables with this look in which the line has different counts, up to ``enough``."""
    found: list[Ints] = []
    least = 0
    while len(found) < enough:
        table = look.find(line, also=[*inside, (line, least, len(line) * look.ceiling())])
        if table is None:
            break
        found.append(table)
        least = int(table[list(line)].sum()) + 1
    return found


def _neighbours(look: Look, table: Ints) -> Ints:
    """Return the tables with this look that differ from this one in a few people."""
    near = table + _moves(look.atoms, tuple(line for line, _, _ in look.limits))
    return near[look.holds(near)]


@functools.lru_cache(maxsize=256)
def _moves(atoms: int, lines: tuple[frozenset[int], ...]) -> Ints:
    """List small changes of a table: people more, fewer, elsewhere, or changing places.

    Two people change places when the lines gain from the one what they lose to the other.
    """
    import numpy as np

    if atoms <= 4:
        return np.array(list(itertools.product(range(-3, 4), repeat=atoms)))
    one = np.eye(atoms, dtype=np.int64)
    swaps = (one[:, None, :] - one[None, :, :]).reshape(-1, atoms)
    alike: dict[bytes, list[Ints]] = {}
    for swap, effect in zip(swaps, swaps @ _rows(lines, atoms).T, strict=True):
        alike.setdefault(effect.tobytes(), []).append(swap)
    places = [a - b for same in alike.values() for a, b in itertools.combinations(same, 2)]
    both = np.array(places[:4000]).reshape(-1, atoms)
    return np.unique(np.concatenate([swaps, one, -one, both, -both]), axis=0)


def _rows(lines: Sequence[frozenset[int]], atoms: int) -> Ints:
    import numpy as np

    rows = np.zeros((len(lines), atoms), dtype=np.int64)
    for row, line in zip(rows, lines, strict=True):
        row[list(line)] = 1
    return rows
