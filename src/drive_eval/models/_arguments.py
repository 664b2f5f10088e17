"""Arguments that are not what they must be, refused in a sentence: one checker a kind of value.

True and false are no numbers here, and NumPy's numbers are numbers.
"""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from drive_eval.errors import DataError, DesignError

if TYPE_CHECKING:
    from collections.abc import Iterable


def is_number(value: Any) -> bool:
    """Tell whether a value is one finite number."""
    kind = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    return kind and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number, whatever its type."""
    return is_number(value) and value == int(value)


def number(value: Any, name: str, *, above: float | None = None) -> None:
    """Refuse what is not one finite number (above a limit)."""
    if not is_number(value) or (above is not None and not value > above):
        limit = "" if above is None else f" above {above:g}"
        raise DesignError(f"{name} must be a number{limit}.")


def count(value: Any, name: str, *, least: int = 1) -> None:
    """Refuse what is not a whole number of at least so many."""
    if not isinstance(value, numbers.Integral) or not is_number(value) or value < least:
        raise DesignError(f"{name} must be a whole number of at least {least}.")


def flag(value: Any, name: str) -> None:
    """Refuse what is neither True nor False: any word would count as True."""
    if not isinstance(value, (bool, np.bool_)):
        raise DesignError(f"{name} must be True or False.")


def kind_of(value: Any) -> str:
    """Say what was given in the place of a table, and how a foreign one becomes one of pandas.

    Examples
    --------
    >>> kind_of([1])
    'list'
    """
    name, library = type(value).__name__, type(value).__module__.partition(".")[0]
    for method in ("to_pandas", "toPandas", "df"):
        if callable(getattr(value, method, None)):
            return f"{name} of {library} (table.{method}() makes one)"
    return name


def as_numbers(given: pd.Series[Any]) -> str:
    """Say how a column becomes one of numbers.

    Examples
    --------
    >>> as_numbers(pd.Series(["1", "2"], name="week"))
    'Make it so first, e.g. table["week"] = pd.to_numeric(table["week"]).'
    """
    name = f'table["{given.name}"]'
    change = f"pd.to_numeric({name})"
    if pd.api.types.is_datetime64_any_dtype(given):
        change = f'({name} - table["…"]).dt.days, from the date at which time begins'
    elif pd.api.types.is_timedelta64_dtype(given):
        change = f"{name}.dt.days"
    return f"Make it so first, e.g. {name} = {change}."


def level(value: Any) -> None:
    """Refuse a level of confidence that is none."""
    if not is_number(value):
        raise DataError(
            "conf_level must be a number between 0 and 1, e.g. 0.95 for 95%, not a "
            f"{type(value).__name__}."
        )
    if not 0 < value < 1:
        raise DataError(f"conf_level must lie between 0 and 1, e.g. 0.95 for 95%, but is {value}.")


def column_name(value: Any, role: str, known: Iterable[Any] = ()) -> None:
    """Refuse what cannot name a column; `known` are the columns, of which one may be no word."""
    if isinstance(value, str):
        return
    if pd.api.types.is_hashable(value) and value is not None and value in list(known):
        return
    raise DataError(
        f"{role} must be the name of one column, in quotes, not a {type(value).__name__}."
    )


def column_names(value: Any, name: str) -> list[str]:
    """Return the names of columns as a list; one name may stand alone."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, (list, tuple, pd.Index)):
        raise DesignError(
            f"{name} must be the name of a column or a list of names, not a {type(value).__name__}."
        )
    return list(value)


def named(covariates: Any) -> bool:
    """Tell whether covariates were given; None and an empty list are none."""
    return covariates is not None and (
        bool(covariates.strip())
        if isinstance(covariates, str)
        else bool(column_names(covariates, "covariates"))
    )
