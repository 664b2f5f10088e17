"""What was released before, and what two releases tell together.

A second release of nearly the same people is set against the first: where a line has one more,
somebody who knows who joined knows what that person did. Rounding does not help, because the one
who makes a count pass from 42 to 43 makes the rounded one pass from 40 to 45. So of two releases
either nothing differs, or everything that differs does so by more people than the policy hides.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import TYPE_CHECKING, Any

from drive_eval import disclosure
from drive_eval.disclosure.rules import counts_behind
from drive_eval.errors import ResultError
from drive_eval.evaluation.controlled import arm_totals
from drive_eval.evaluation.rivals import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from drive_eval.disclosure import Policy
    from drive_eval.results import CountTable, Evaluation, ResultSet

__all__ = ["LEDGER", "against_earlier", "record_release"]

LEDGER = "releases.json"
_FORMAT = "drive_eval releases 1"
_WHAT_TO_DO = (
    "Give the earlier figures again, or wait until the groups have changed by more people than "
    "that."
)


def record_release(released: Evaluation, file: Path) -> bool:
    """Write down that this was given to others, so that the next release is held against it.

    Parameters
    ----------
    released : Evaluation
        As released. Nothing else is written down, so the ledger holds no more than was given.
    file : Path
        The ledger; made if it is not there.

    Returns
    -------
    bool
        False if the same figures stand in it already.

    Raises
    ------
    ResultError
        If the file is no ledger.
    """
    entries = _read(file)
    entry = _entry(released)
    if entry in entries:
        return False
    body = {"format": _FORMAT, "releases": [*entries, entry]}
    file.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return True


def against_earlier(released: Evaluation, file: Path) -> list[str]:
    """Would this release give somebody away who knows an earlier one?

    Parameters
    ----------
    released : Evaluation
        As it would be released.
    file : Path
        The ledger; without one nothing was released before.

    Returns
    -------
    list of str
        One sentence per outcome and arm that gives people away; none names a number of a table.

    Raises
    ------
    ResultError
        If the file is no ledger.

    Notes
    -----
    **Assumptions.** The reader knows both releases, how many people each arm had at both times,
    and that people only joined, only left, or only had a record mended. He does not know both
    who joined and who left.

    The released numbers bound the change of a line from below and from above. A line, or what
    one exact line leaves of another, whose released number changed passes if it did so by more
    than ``suppress_up_to`` people at least: then it is no small group that joined or left. One
    whose number did not change passes if everybody's did not either, or if under rounding it may
    be any of several. A line that was hidden at one time and is shown at the other passes if the
    arm has changed by so many.

    Policies may not change, nor the unit, nor the severity from which the same ratings count.
    """
    rules = disclosure.policy(
        released.policy, public_source=released.plan["data"].get("public_source", "")
    )
    if not rules.hides_anything and rules.round_to <= 1:
        return []
    now = _entry(released)
    faults = [fault for entry in _read(file) for fault in _compared(entry, now, rules)]
    return list(dict.fromkeys(faults))


def _read(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
        if body["format"] != _FORMAT:
            raise KeyError("format")  # noqa: TRY301
        entries: list[dict[str, Any]] = body["releases"]
    except (ValueError, KeyError, TypeError, OSError):
        raise ResultError(
            f"{file} is no ledger of releases. Bring back the one that drive_eval wrote: without "
            "it nobody can say what two releases tell together."
        ) from None
    return entries


def _entry(released: Evaluation) -> dict[str, Any]:
    if not released.policy:
        raise ResultError("exact results are never released; give what went through the gate.")
    tables = [_table("", table) for table in released.tables]
    tables += [_table(name, t) for name, r in released.results.items() for t in r.tables]
    return {
        "title": released.plan["evaluation"]["title"],
        "plan_sha256": released.plan_hash,
        "policy": released.policy,
        "unit": released.plan["design"]["unit"],
        "inputs": dict(released.provenance.inputs),
        "effects": {name: _effects(result) for name, result in released.results.items()},
        "tables": tables,
    }


def _effects(result: ResultSet) -> str:
    """Return a mark of what is released of an outcome beside its tables."""
    body = result.to_json_dict()
    text = json.dumps([body["estimates"], body["curves"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _table(outcome: str, table: CountTable) -> dict[str, Any]:
    place = {i: n for n, i in enumerate(i for i, c in enumerate(table.cells) if not c.parts)}
    everybody = arm_totals(table)
    return {
        "outcome": outcome,
        "table": table.name,
        "lines": [
            {
                "key": list(cell.key),
                "count": cell.count,
                "atoms": [place[part] for part in (cell.parts or (i,))],
                **({"everybody": True} if cell.key in everybody else {}),
            }
            for i, cell in enumerate(table.cells)
            if cell.shown
        ],
    }


def _compared(before: Mapping[str, Any], now: Mapping[str, Any], rules: Policy) -> Iterator[str]:
    """Say what this release tells together with one earlier one."""
    title = before["title"]
    if before == now:
        return
    for what, said in (("policy", "the policy"), ("unit", "the unit")):
        if before[what] != now[what]:
            yield (
                f"“{title}” was released before with {said} {before[what]}, and now has "
                f"{now[what]}: the same people counted in two ways tell on each other. Use "
                f"{before[what]} again."
            )
            return
    yield from _ratings(before, now)
    earlier = {(t["outcome"], t["table"]): t for t in before["tables"]}
    moved = set()
    for table in now["tables"]:
        name = (table["outcome"], table["table"])
        if name not in earlier or table["lines"] == earlier[name]["lines"]:
            continue
        moved.add(name[0])
        small = _small_changes(earlier[name], table, rules)
        if small:
            of = f" of {name[0]}" if name[0] else ""
            yield (
                f"“{title}” was released before, and {small} of the lines in the table {name[1]}"
                f"{of} may differ from it by {rules.suppress_up_to} people or fewer. {_WHAT_TO_DO}"
            )
    tabled = {table["outcome"] for table in now["tables"]}
    for name, mark in now["effects"].items():
        # What has no counts of its own follows from those of its outcome, or of all of them.
        base = name.removeprefix(PREFIX)
        changed = base in moved if base in tabled else bool(moved)
        if name in before["effects"] and before["effects"][name] != mark and not changed:
            yield (
                f"“{title}” was released before with the same counts of {name} but other effects "
                f"or curves, which tell who differs. {_WHAT_TO_DO}"
            )


def _ratings(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Refuse the same ratings counted from another severity."""
    known = {":".join(n.split(":")[:3]): n for n in before["effects"] if n.count(":") >= 2}
    for name in now["effects"]:
        first = known.get(":".join(name.split(":")[:3]))
        if first and first not in now["effects"] and name not in before["effects"]:
            yield (
                f"{first} was released before; {name} counts the same ratings from another "
                "severity, and the difference of the two is a count of its own. Use the severity "
                "that was released first."
            )


def _small_changes(before: Mapping[str, Any], now: Mapping[str, Any], rules: Policy) -> int:
    """Count the lines, and what nested lines leave of each other, that changed by a few."""
    first = {tuple(line["key"]): line for line in before["lines"]}
    second = {tuple(line["key"]): line for line in now["lines"]}
    shared = [key for key in second if key in first]
    if any(first[key]["atoms"] != second[key]["atoms"] for key in shared):
        # Other lines beneath the same headings: what they share cannot be followed.
        return len(shared)
    shared += [key for key in (*first, *second) if key not in first or key not in second]
    grown = _grown(first, second, rules)
    found = set()
    for key in shared:
        old, new = first.get(key, {}).get("count"), second.get(key, {}).get("count")
        arm = _arm(key, first, second)
        if (old is None) != (new is None):
            if not grown.get(arm, False):
                found.add(key)
        elif old is not None and new is not None and old != new:
            if not _many(old, new, rules):
                found.add(key)
        elif old is not None and rules.suppress_zero and grown.get(arm, False):
            found.add(key)  # nobody of many joined: as telling as a hidden zero
    if rules.round_to <= 1:
        found |= _nested(first, second, rules)
    return len(found)


def _many(old: int, new: int, rules: Policy) -> bool:
    """Tell whether the exact counts differ by more than a few, whatever they are."""
    low, high = sorted((old, new))
    return counts_behind(high, rules)[0] - counts_behind(low, rules)[1] > rules.suppress_up_to


def _arm(key: tuple[str, ...], *tables: Mapping[tuple[str, ...], Mapping[str, Any]]) -> Any:
    """Return the line that counts everybody among whom this line is."""
    for table in tables:
        if key not in table:
            continue
        atoms = set(table[key]["atoms"])
        for other, line in table.items():
            if line.get("everybody") and atoms <= set(line["atoms"]):
                return other
    return None


def _grown(
    first: Mapping[tuple[str, ...], Mapping[str, Any]],
    second: Mapping[tuple[str, ...], Mapping[str, Any]],
    rules: Policy,
) -> dict[Any, bool]:
    """Say of which arms many people joined or left."""
    found = {}
    for key, line in second.items():
        old = first.get(key, {}).get("count")
        if line.get("everybody") and old is not None and line["count"] is not None:
            found[key] = old != line["count"] and _many(old, line["count"], rules)
    return found


def _nested(
    first: Mapping[tuple[str, ...], Mapping[str, Any]],
    second: Mapping[tuple[str, ...], Mapping[str, Any]],
    rules: Policy,
) -> set[tuple[str, ...]]:
    """Find exact lines that leave a small change of a line above them."""
    shown = [
        key
        for key, line in second.items()
        if key in first and line["count"] is not None and first[key]["count"] is not None
    ]
    found = set()
    for part, whole in itertools.permutations(shown, 2):
        if not set(second[part]["atoms"]) < set(second[whole]["atoms"]):
            continue
        left = [table[whole]["count"] - table[part]["count"] for table in (first, second)]
        if 0 < abs(left[1] - left[0]) <= rules.suppress_up_to:
            found.add(part)
    return found
