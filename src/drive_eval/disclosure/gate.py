"""Which lines of a table are shown, and with which numbers."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drive_eval.disclosure.lookalikes import Look, passes
from drive_eval.disclosure.rules import POLICIES, counts_behind, safe_number
from drive_eval.errors import DisclosureError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from drive_eval.disclosure.rules import Policy
    from drive_eval.results import Cell, CellStatus, CountTable

    Key = tuple[str, ...]

#: The four cells of a paired table, by the last part of their keys.
PAIR_CELLS = ("both", "before_only", "after_only", "neither")


def control(
    table: CountTable,
    policy: Policy,
    *,
    known: Iterable[Key] = (),
    priority: Mapping[Key, int] | None = None,
    together: Iterable[Iterable[Key]] = (),
    empty: Iterable[Key] = (),
) -> CountTable:
    """Release of this table what nobody can turn back into a small count.

    Parameters
    ----------
    table : CountTable
        Exact counts. Every line that readers could set against another one belongs in the
        same table: two tables of the same people are not protected from each other.
    policy : Policy
        See `policy`.
    known : iterable of key
        Lines whose exact count an intruder has from elsewhere, such as a published total.
    priority : mapping of key to int, optional
        Lines with the same number form a family; families with low numbers are given up
        first. Without it, the parts of one total are a family if the lines form a tree, and
        otherwise the lines that differ in the last part of their key only (with one
        dimension: the atoms); families with the largest totals go last. Lines that share
        people, and grand totals, stand alone.
    together : iterable of iterables of key
        Families that are released whole or not at all.
    empty : iterable of key, optional
        Lines of which nobody counts as few, also where the policy shows zero: of a small group
        it would say something about each.

    Returns
    -------
    CountTable
        The same lines. A hidden count is None with status ``suppressed``, whether it is small
        or would give a small one back (see `record` for the reason); an atom that was never
        shown is None with status ``withheld``.

    Raises
    ------
    DisclosureError
        If the table was controlled before, or a key is not in it.

    Notes
    -----
    **Assumptions.** The intruder knows the policy, this program and his own place in the
    table, and nothing else about the counts but ``known``.

    A line with a count of 1 to ``suppress_up_to`` is hidden, and everything in a grand total
    that small. So is a line whose count is larger but stands for that few different perpetrators
    or victim-survivors (`Cell.people`).

    A family is hidden whole when all its lines but one are small. Where counts are shown
    exactly, neighbouring lines are hidden in twos, when one of them is small or what it leaves of
    a line above it is. A total that is made up of released lines is their sum; any
    other is rounded on its own. The result is accepted if every hidden line, every withheld
    atom and every difference between two nested lines keeps ``protection`` values, or none
    in the hidden range, over all tables with the same look; otherwise more families are
    hidden, lowest priority first, such that the look is one that small counts alone can
    produce and that passes for them. Every step is exact (integer programming), so that two
    tables with the same look always have the same release.

    References
    ----------
    Fischetti M, Salazar JJ (2001). Solving the cell suppression problem on tabular data with
    linear constraints. Management Science 47, 1008–1027.

    Examples
    --------
    >>> from drive_eval.results import CountTable
    >>> table = CountTable.from_counts(name="arms", title="Arms", unit="perpetrators",
    ...     dimensions=("group",), counts={("programme",): 21, ("comparison",): 4},
    ...     totals={("all",): [("programme",), ("comparison",)]})
    >>> [cell.count for cell in control(table, POLICIES["opensafely"]).cells]
    [20, None, 25]
    """
    if table.policy:
        raise DisclosureError(
            f"table {table.name} was controlled under {table.policy} before; give the exact table."
        )
    if not policy.hides_anything and policy.round_to <= 1:
        return dataclasses.replace(table, policy=policy.name)
    exact = _exact_atoms(table)
    ranks = {tuple(key): number for key, number in (priority or {}).items()}
    shape = _shape(table, policy, ranks, [[tuple(key) for key in keys] for keys in together])
    sets = _atoms_of(table)
    places = sorted({_position(table, key) for key in known})
    learnt = tuple((sets[i], sum(exact[atom] for atom in sets[i])) for i in places)
    few = [
        line
        for line, cell in zip(sets, table.cells, strict=True)
        if cell.shown and _few_people(cell, policy)
    ]
    # Whatever is inside such a line is about its few people, nobody included.
    inside = [line for line in shape.lines if any(line < other for other in few)]
    shape = dataclasses.replace(
        shape,
        few=frozenset(few),
        inside=frozenset(inside) - set(few),
        empty=frozenset(sets[_position(table, key)] for key in empty),
    )
    hidden = _chosen(shape, exact, learnt, policy)
    numbers = _numbers(shape, exact, hidden, policy)
    cells = []
    for cell, atoms in zip(table.cells, sets, strict=True):
        number = numbers.get(atoms) if cell.shown else None
        status: CellStatus = "rounded" if policy.round_to > 1 else "exact"
        if number is None:
            status = "suppressed" if cell.shown else "withheld"
        cells.append(dataclasses.replace(cell, count=number, status=status, people=None))
    return dataclasses.replace(table, cells=tuple(cells), policy=policy.name)


def _few_people(cell: Cell, policy: Policy) -> bool:
    """Tell whether a count that is not small stands for few people."""
    if cell.people is None or safe_number(cell.count or 0, policy) is None:
        return False
    return safe_number(cell.people, policy) is None


def control_pairs(table: CountTable, policy: Policy, *, known: Iterable[Key] = ()) -> CountTable:
    """Release of a table of people seen before and after what protects its small counts.

    Parameters
    ----------
    table : CountTable
        The last part of four keys is ``both``, ``before_only``, ``after_only`` and ``neither``;
        the totals (users before, users after, all) are further lines.
    policy : Policy
    known : iterable of key
        As in `control`.

    Returns
    -------
    CountTable
        Either the four cells with re-summed totals, or no cell and those totals that pass,
        each rounded on its own. An effect follows from the four cells when they are there,
        and otherwise from the totals under the pairing that gives the widest interval.

    Raises
    ------
    DisclosureError
        If one of the four cells is missing.

    Examples
    --------
    >>> from drive_eval.results import CountTable
    >>> cells = {("both",): 20, ("before_only",): 40, ("after_only",): 3, ("neither",): 30}
    >>> pairs = CountTable.from_counts(name="pairs", title="Pairs", unit="perpetrators",
    ...     dimensions=("use",), counts=cells,
    ...     totals={("before",): [("both",), ("before_only",)],
    ...             ("after",): [("both",), ("after_only",)], ("all",): list(cells)})
    >>> [cell.count for cell in control_pairs(pairs, POLICIES["opensafely"]).cells]
    [None, None, None, None, 60, 25, 95]
    """
    cells = [cell.key for cell in table.cells if cell.shown and cell.key[-1] in PAIR_CELLS]
    missing = [name for name in PAIR_CELLS if name not in {key[-1] for key in cells}]
    if missing:
        raise DisclosureError(f"table {table.name} has no line {', '.join(missing)}.")
    return control(table, policy, known=known, together=[cells])


def audit(table: CountTable, policy: Policy | None = None) -> list[tuple[Key, int, int | None]]:
    """Between which numbers must each hidden count lie, given the released ones alone?

    Parameters
    ----------
    table : CountTable
        A table made by `control`.
    policy : Policy, optional
        The policy that made it; needed for ``custom``.

    Returns
    -------
    list of (key, low, high)
        One entry per hidden line or atom; ``high`` is None when nothing bounds it.

    Raises
    ------
    DisclosureError
        If the table was not controlled, or its policy cannot be found by name.

    Examples
    --------
    >>> from drive_eval.results import CountTable
    >>> table = CountTable.from_counts(name="arms", title="Arms", unit="perpetrators",
    ...     dimensions=("group",), counts={("programme",): 21, ("comparison",): 4},
    ...     totals={("all",): [("programme",), ("comparison",)]})
    >>> audit(control(table, POLICIES["opensafely"]))
    [(('comparison',), 1, 9)]
    """
    rules = _policy_of(table, policy)
    sets = _atoms_of(table)
    counts = {
        sets[i]: c.count for i, c in enumerate(table.cells) if c.shown and c.count is not None
    }
    lines = list(dict.fromkeys(sets[i] for i, cell in enumerate(table.cells) if cell.shown))
    visible = frozenset(i for i, line in enumerate(lines) if line in counts)
    limits = tuple(
        (lines[i], *counts_behind(counts[lines[i]], rules))
        for i in sorted(visible - _summed(lines, visible))
    )
    look = Look(
        atoms=len(frozenset().union(*sets)), limits=limits, families=(), quiet=(), small=(0, 0)
    )
    found = []
    for i, cell in enumerate(table.cells):
        if cell.count is None:
            lowest, highest = look.find(sets[i]), look.find(sets[i], largest=True)
            if lowest is None or highest is None:
                raise DisclosureError(
                    f"table {table.name}: no exact counts could look like this under {rules.name}; "
                    "audit a table as control() returned it, under the same policy."
                )
            bounded = all(any(atom in line for line, _, _ in limits) for atom in sets[i])
            high = int(highest[list(sets[i])].sum()) if bounded else None
            found.append((cell.key, int(lowest[list(sets[i])].sum()), high))
    return found


def record(
    before: CountTable, after: CountTable, policy: Policy | None = None
) -> list[dict[str, str]]:
    """Why is each hidden count hidden?

    For the restricted record only: the reasons say which counts are small.

    Parameters
    ----------
    before, after : CountTable
        The exact table, and what `control` made of it.
    policy : Policy, optional
        The policy that made it; needed for ``custom``.

    Returns
    -------
    list of dict
        One per hidden shown line: ``table``, ``key``, ``reason``; its length is the number
        of lines hidden.

    Raises
    ------
    DisclosureError
        If the two are not the same table, or the policy cannot be found by name.

    Examples
    --------
    >>> from drive_eval.results import CountTable
    >>> table = CountTable.from_counts(name="arms", title="Arms", unit="perpetrators",
    ...     dimensions=("group",), counts={("programme",): 21, ("comparison",): 4})
    >>> record(table, control(table, POLICIES["opensafely"]))
    [{'table': 'arms', 'key': 'comparison', 'reason': 'small count'}]
    """
    rules = _policy_of(after, policy)
    if before.policy or [cell.key for cell in before.cells] != [cell.key for cell in after.cells]:
        raise DisclosureError(
            f"table {after.name} is not {before.name} after control; give the exact table first."
        )
    return [
        {
            "table": after.name,
            "key": " / ".join(exact.key),
            "reason": _reason(exact, rules),
        }
        for exact, shown in zip(before.cells, after.cells, strict=True)
        if shown.shown and shown.count is None
    ]


def _reason(exact: Cell, rules: Policy) -> str:
    if safe_number(exact.count or 0, rules) is None:
        return "small count"
    return "few people" if _few_people(exact, rules) else "would give a small count back"


def _policy_of(table: CountTable, given: Policy | None) -> Policy:
    if not table.policy:
        raise DisclosureError(f"table {table.name} holds exact counts; call control() first.")
    if given is None and table.policy not in POLICIES:
        raise DisclosureError(
            f"table {table.name} was made under the policy {table.policy}; give that policy."
        )
    return given or POLICIES[table.policy]


# --- Families: which lines stand or fall together ---------------------------------------


@dataclass(frozen=True, slots=True)
class _Family:
    lines: tuple[int, ...]
    need: int  # this many small signs hide the family whole
    signs: tuple[frozenset[int], ...] = ()  # the lines, and what is left of the lines above them
    roots: frozenset[int] = frozenset()  # families of one grand total that holds all these lines


@dataclass(frozen=True, slots=True)
class _Shape:
    """What everybody may know about a table before seeing a single count."""

    atoms: int
    lines: tuple[frozenset[int], ...]  # the distinct sets of atoms that lines show
    families: tuple[_Family, ...]  # in the order in which they are given up
    secrets: tuple[frozenset[int], ...]  # sets of atoms whose count must not come back
    few: frozenset[frozenset[int]] = frozenset()  # large lines of few people; nobody knows which
    inside: frozenset[frozenset[int]] = frozenset()  # others inside these: small ones, and empty
    empty: frozenset[frozenset[int]] = frozenset()  # lines of which nobody counts as few


def _atoms_of(table: CountTable) -> list[frozenset[int]]:
    """Return the atoms of each cell, numbered among the atoms."""
    places = [i for i, cell in enumerate(table.cells) if not cell.parts]
    number = {place: atom for atom, place in enumerate(places)}
    return [
        frozenset(number[part] for part in (cell.parts or (i,)))
        for i, cell in enumerate(table.cells)
    ]


def _exact_atoms(table: CountTable) -> list[int]:
    counts = [cell.count for cell in table.cells if not cell.parts]
    if any(count is None for count in counts):
        raise DisclosureError(f"table {table.name} has an atom without a count; give exact counts.")
    return [int(count or 0) for count in counts]


def _position(table: CountTable, key: Key) -> int:
    keys = [cell.key for cell in table.cells]
    if tuple(key) not in keys:
        near = did_you_mean(" / ".join(key), [" / ".join(known) for known in keys])
        raise DisclosureError(f"table {table.name} has no line {' / '.join(key)}.{near}")
    return keys.index(tuple(key))


def _shape(
    table: CountTable,
    policy: Policy,
    priority: Mapping[Key, int],
    together: Sequence[Sequence[Key]],
) -> _Shape:
    for key in [*priority, *itertools.chain.from_iterable(together)]:
        _position(table, key)
    sets = _atoms_of(table)
    shown = {line for line, cell in zip(sets, table.cells, strict=True) if cell.shown}
    roots = [line for line in shown if not any(line < other for other in shown)]
    names = _family_names(table, roots, priority, together)
    lines = list(names)
    rank = {sets[_position(table, key)]: number for key, number in priority.items()}
    last = max(rank.values(), default=0) + 1
    ranked = []
    for name in dict.fromkeys(names.values()):
        members = [i for i, line in enumerate(lines) if names[line] == name]
        if name[0] == "together":
            parts = [_Family(tuple(members), 1)]
        elif any(lines[i] & lines[j] for i, j in itertools.combinations(members, 2)):
            parts = [_Family((i,), 1) for i in members]  # no family: they share people
        else:
            parts = _split(members, policy)
        first = min(rank.get(lines[i], last) for i in members)
        ranked += [((first, max(len(lines[i]) for i in part.lines)), part) for part in parts]
    ranked.sort(key=lambda pair: pair[0])
    families = [part for _, part in ranked]
    grand = {
        i: lines[family.lines[0]]
        for i, family in enumerate(families)
        if len(family.lines) == 1 and lines[family.lines[0]] in roots
    }
    for i, family in enumerate(families):
        signs = [lines[line] for line in family.lines]
        above = frozenset(j for j, root in grand.items() if all(sign < root for sign in signs))
        if policy.round_to <= 1:
            # Exact lines give away how many people one of them leaves out of another.
            signs += [whole - sign for sign in signs for whole in lines if sign < whole]
        families[i] = dataclasses.replace(family, signs=tuple(dict.fromkeys(signs)), roots=above)
    atoms = sum(not cell.parts for cell in table.cells)
    return _Shape(
        atoms=atoms,
        lines=tuple(lines),
        families=tuple(families),
        secrets=_secrets(lines, atoms),
    )


def _family_names(
    table: CountTable,
    roots: Sequence[frozenset[int]],
    priority: Mapping[Key, int],
    together: Sequence[Sequence[Key]],
) -> dict[frozenset[int], tuple[Any, ...]]:
    """Name the family of each shown line; lines with the same name belong together."""
    sets = _atoms_of(table)
    whole = {tuple(key): i for i, keys in enumerate(together) for key in keys}
    names: dict[frozenset[int], tuple[Any, ...]] = {}
    for i, cell in enumerate(table.cells):
        if not cell.shown or (sets[i] in names and cell.key not in whole):
            continue  # a second line about the same people shares the fate of the first
        within = frozenset(root for root in roots if sets[i] < root)
        if cell.key in whole:
            names[sets[i]] = ("together", whole[cell.key])
        elif not within:
            names[sets[i]] = ("root", cell.key)
        elif cell.key in priority:
            names[sets[i]] = (within, priority[cell.key])
        else:
            names[sets[i]] = (within, *_siblings(table, sets, i))
    return names


def _siblings(table: CountTable, sets: list[frozenset[int]], place: int) -> tuple[Any, ...]:
    """Name the family that a line belongs to if nobody says so.

    In a tree of lines (any two are nested or have nobody in common) the parts of the same
    total are a family; elsewhere the lines whose keys differ in the last place only.
    """
    key = table.cells[place].key
    shown = [line for line, cell in zip(sets, table.cells, strict=True) if cell.shown]
    if all(a <= b or b <= a or not a & b for a, b in itertools.combinations(shown, 2)):
        return ("parts", min((line for line in shown if sets[place] < line), key=len))
    if len(key) > 1:
        return ("siblings", key[:-1])
    return ("line", key) if table.cells[place].parts else ("atoms",)


def _split(members: list[int], policy: Policy) -> list[_Family]:
    """Say how many small lines hide these lines whole."""
    if policy.round_to > 1:
        # Rounding usually protects a small line beside large ones by itself.
        return [_Family(tuple(members), max(len(members) - 1, min(len(members), 2)))]
    # Exact neighbours and an exact total give a lone small line back, so lines go in twos.
    cuts = list(range(0, max(len(members) - 1, 1), 2))
    ends = [*cuts[1:], len(members)]
    return [_Family(tuple(members[start:end]), 1) for start, end in zip(cuts, ends, strict=True)]


def _secrets(lines: list[frozenset[int]], atoms: int) -> tuple[frozenset[int], ...]:
    """List every set of people that a reader could single out: atoms, lines, differences."""
    found = [frozenset([atom]) for atom in range(atoms)] + lines
    found += [whole - part for whole in lines for part in lines if part < whole]
    return tuple(dict.fromkeys(found))


def _summed(lines: Sequence[frozenset[int]], visible: frozenset[int]) -> frozenset[int]:
    """Find the visible lines that are made up of smaller visible lines."""
    return frozenset(i for i in visible if _parts(lines, visible, i) is not None)


def _parts(
    lines: Sequence[frozenset[int]], visible: frozenset[int], total: int
) -> list[int] | None:
    """Return the visible lines that add up to a total; the first in table order."""
    smaller = [i for i in sorted(visible) if lines[i] < lines[total] and lines[i]]

    def cover(rest: frozenset[int]) -> list[int] | None:
        if not rest:
            return []
        first = min(rest)
        for i in smaller:
            if first in lines[i] and lines[i] <= rest:
                others = cover(rest - lines[i])
                if others is not None:
                    return [i, *others]
        return None

    return cover(lines[total])


# --- The decision -----------------------------------------------------------------------


def _chosen(
    shape: _Shape,
    exact: list[int],
    learnt: tuple[tuple[frozenset[int], int], ...],
    policy: Policy,
) -> frozenset[int]:
    """Return the families to hide whole: those with many small lines, or a look-alike's.

    A table that is safe as it is keeps its look, so whatever else comes to look like it is
    safe too. If no look is safe, everything is hidden. Lines of few people are hidden in
    any case; nobody is taken to know which lines these are.
    """
    everything = frozenset(range(len(shape.families)))
    start = _with_parts(
        shape,
        (
            i
            for i, family in enumerate(shape.families)
            if sum(_is_small(shape, sign, exact, policy) for sign in family.signs) >= family.need
        ),
    )
    kept = frozenset(atoms for atoms, _ in learnt)
    guarded = shape.few - kept
    secrets = tuple(secret for secret in shape.secrets if secret not in kept)

    @functools.cache
    def safe(hidden: frozenset[int]) -> bool:
        look = _look(shape, exact, hidden, learnt, policy)
        seed = exact if hidden == start else None
        return passes(
            look,
            secrets,
            policy.protection,
            seed,
            guarded=guarded,
        )

    # Give up one family after the other, then win back what need not have gone.
    hidden = start
    for i in sorted(everything - start):
        if safe(hidden):
            break
        hidden = _with_parts(shape, hidden | {i})
    for _ in range(2):
        for i in sorted(hidden - start, reverse=True):
            fewer = _with_parts(shape, hidden - {i})
            if fewer != hidden and safe(fewer):
                hidden = fewer
    return hidden


def _with_parts(shape: _Shape, hidden: Iterable[int]) -> frozenset[int]:
    """Hide with a grand total everything in it: a zero tells more inside a small total."""
    gone = frozenset(hidden)
    return gone | {i for i, family in enumerate(shape.families) if family.roots & gone}


def _is_small(shape: _Shape, line: frozenset[int], exact: list[int], policy: Policy) -> bool:
    count = sum(exact[atom] for atom in line)
    return safe_number(count, policy) is None or (not count and line in shape.empty)


def _seen(
    shape: _Shape, exact: list[int], hidden: frozenset[int], policy: Policy
) -> tuple[frozenset[int], list[int]]:
    """Return the visible lines, and the small ones whose family is not hidden."""
    gone = {line for i in hidden for line in shape.families[i].lines}
    small = {i for i, line in enumerate(shape.lines) if _is_small(shape, line, exact, policy)}
    few = {i for i, line in enumerate(shape.lines) if line in shape.few | shape.inside} - small
    visible = frozenset(range(len(shape.lines))) - gone - small - few
    return visible, sorted(small - gone)


def _numbers(
    shape: _Shape, exact: list[int], hidden: frozenset[int], policy: Policy
) -> dict[frozenset[int], int]:
    """Round every visible line that is not the sum of others, then add up those that are."""
    visible, _ = _seen(shape, exact, hidden, policy)
    numbers: dict[int, int] = {}
    for i in sorted(visible, key=lambda line: len(shape.lines[line])):
        parts = _parts(shape.lines, visible, i)
        number = safe_number(sum(exact[atom] for atom in shape.lines[i]), policy)
        if parts is not None:
            number = sum(numbers[part] for part in parts)
        numbers[i] = number or 0
    return {shape.lines[i]: number for i, number in numbers.items()}


def _look(
    shape: _Shape,
    exact: list[int],
    hidden: frozenset[int],
    learnt: tuple[tuple[frozenset[int], int], ...],
    policy: Policy,
) -> Look:
    """Describe all tables that would be released like this one if these families go."""
    visible, small = _seen(shape, exact, hidden, policy)
    numbers = _numbers(shape, exact, hidden, policy)
    range_of_small = (policy.smallest_hidden, policy.suppress_up_to)
    limits = [(atoms, count, count) for atoms, count in learnt]
    limits += [
        (shape.lines[i], *counts_behind(numbers[shape.lines[i]], policy))
        for i in sorted(visible)
        if _parts(shape.lines, visible, i) is None
    ]
    least, most_small = range_of_small
    limits += [
        (shape.lines[i], 0 if shape.lines[i] in shape.empty else least, most_small) for i in small
    ]
    families, quiet = [], []
    known_large = {shape.lines[i] for i in visible}
    for i, family in enumerate(shape.families):
        if i not in hidden and family.need == 1:
            quiet += [sign for sign in family.signs if sign not in known_large]
        elif i not in hidden:
            continue  # its small lines are marked one by one
        elif not family.roots & hidden:  # else it is hidden because its grand total is small
            families.append((family.signs, family.need))
    # Were lines of few people small, more might be hidden: they are large, and those inside empty.
    most = max((high for _, _, high in limits), default=0) + 4 * (policy.suppress_up_to + 2)
    gone = {shape.lines[line] for i in hidden for line in shape.families[i].lines}
    limits += [(line, policy.suppress_up_to + 1, most) for line in shape.few - gone]
    if not policy.suppress_zero:
        quiet += sorted(shape.inside - gone - {shape.lines[i] for i in small}, key=sorted)
    return Look(
        atoms=shape.atoms,
        limits=tuple(limits),
        families=tuple(families),
        quiet=tuple(dict.fromkeys(quiet)),
        small=range_of_small,
        empty=shape.empty,
    )
