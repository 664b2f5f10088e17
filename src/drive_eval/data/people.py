"""Who stands behind a count: different perpetrators, and different victim-survivors.

Ten enrolments may be three men, and eight men may have abused the same two people. Whoever is one
of few is as easily recognised in a large count as in a small one, so the gate asks for the number
of people as well as for the count.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import pandas as pd

    Key = tuple[str, ...]

__all__ = ["VICTIMS", "fewest_people", "most_of_one", "people_behind", "with_victims"]

#: The column of units that names the victim-survivors of each.
VICTIMS = "victims"


def with_victims(cases: pd.DataFrame, victim_survivors: pd.DataFrame | None) -> pd.DataFrame:
    """Whose abuse is each case about?

    Parameters
    ----------
    cases : DataFrame
        With ``case_id``; where it has ``victim_survivor_id`` too, a row is about that person.
    victim_survivors : DataFrame or None
        ``victim_survivor_id, case_id``.

    Returns
    -------
    DataFrame
        The cases with ``victims``: a tuple of ids, empty where nobody is recorded.

    Examples
    --------
    >>> import pandas as pd
    >>> cases = pd.DataFrame({"case_id": ["a", "b"]})
    >>> links = pd.DataFrame({"case_id": ["a", "a"], "victim_survivor_id": ["v", "w"]})
    >>> with_victims(cases, links)["victims"].tolist()
    [('v', 'w'), ()]
    """
    found = cases.copy()
    if "victim_survivor_id" in cases:
        found[VICTIMS] = [(one,) for one in cases["victim_survivor_id"].astype(str)]
        return found
    linked: dict[Hashable, tuple[str, ...]] = {}
    if victim_survivors is not None and not victim_survivors.empty:
        links = victim_survivors[["case_id", "victim_survivor_id"]].drop_duplicates()
        by_case = links.groupby("case_id", sort=False, observed=True)["victim_survivor_id"]
        linked = {case: tuple(ids) for case, ids in by_case}
    found[VICTIMS] = [linked.get(case, ()) for case in cases["case_id"]]
    return found


def people_behind(
    rows: pd.DataFrame, keys: Sequence[Key], totals: Mapping[Key, Sequence[Key]] | None = None
) -> dict[Key, int]:
    """Which lines of a table have fewer people behind them than they count?

    Parameters
    ----------
    rows : DataFrame
        The units counted, with ``perpetrator_id`` and ``victims``; a column that is not there
        is not looked at. A unit without a recorded victim-survivor is taken to have one of its
        own.
    keys : sequence of key
        The atom of each row.
    totals : mapping of key to sequence of keys, optional
        The atoms of each total.

    Returns
    -------
    dict of key to int
        Of each line with fewer people than units: the number of different perpetrators or of
        different victim-survivors, whichever is less.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"perpetrator_id": ["p", "p", "q"]})
    >>> people_behind(rows, [("yes",), ("yes",), ("no",)], {("all",): [("yes",), ("no",)]})
    {('yes',): 1, ('all',): 2}
    """
    if not _shared(rows):
        return {}
    here: dict[Key, list[int]] = {}
    for place, key in enumerate(keys):
        here.setdefault(key, []).append(place)
    lines = dict(here)
    for key, atoms in (totals or {}).items():
        lines[key] = [place for atom in atoms for place in here.get(atom, ())]
    found = {key: fewest_people(rows.iloc[places]) for key, places in lines.items()}
    return {key: people for key, people in found.items() if people < len(lines[key])}


def fewest_people(rows: pd.DataFrame) -> int:
    """How many different perpetrators, or victim-survivors if fewer, are these units?

    Parameters
    ----------
    rows : DataFrame
        As for `people_behind`.

    Returns
    -------
    int
        At most the number of rows.
    """
    numbers = [len(rows)]
    if "perpetrator_id" in rows:
        numbers.append(int(rows["perpetrator_id"].nunique(dropna=False)))
    if VICTIMS in rows:
        known = {one for victims in rows[VICTIMS] for one in victims}
        numbers.append(len(known) + sum(not victims for victims in rows[VICTIMS]))
    return min(numbers)


def most_of_one(units: pd.DataFrame) -> int:
    """How many of these units are one perpetrator, or about one victim-survivor?

    Parameters
    ----------
    units : DataFrame
        As for `people_behind`.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> import pandas as pd
    >>> most_of_one(pd.DataFrame({"perpetrator_id": ["p", "p", "q"]}))
    2
    """
    ids = [one for victims in units.get(VICTIMS, ()) for one in victims]
    numbers = Counter(ids), Counter(units.get("perpetrator_id", ()))
    return max([1, *(size for number in numbers for size in number.values())])


def _shared(rows: pd.DataFrame) -> bool:
    """Tell whether anybody stands behind two units; mostly nobody does, and all is quick."""
    if "perpetrator_id" in rows and rows["perpetrator_id"].duplicated().any():
        return True
    if VICTIMS not in rows:
        return False
    everyone = [one for victims in rows[VICTIMS] for one in victims]
    return len(set(everyone)) < len(everyone)
