"""From a TOML file to a plan, or to a sentence for everything that is wrong with it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from drive_eval.errors import PlanError, did_you_mean
from drive_eval.plan.outcomes import (
    BehaviourOutcome,
    BinaryOutcome,
    PerceivedChangeOutcome,
    ReoffendingOutcome,
    TimeToEventOutcome,
)
from drive_eval.plan.sections import BalancingBlock, Plan, PublishedFigure

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["load_plan"]


def load_plan(path: str | Path) -> Plan:
    """Read a plan, and refuse it with a sentence for every fault.

    Parameters
    ----------
    path : str or Path
        The TOML file, or a folder that holds an ``evaluation.toml``.

    Returns
    -------
    Plan
        Frozen, with absolute paths.

    Raises
    ------
    PlanError
        If the file is missing, is not TOML, or holds an unknown key or a wrong value; all
        faults are listed, with the nearest valid name.

    Examples
    --------
    >>> load_plan("no_such_plan.toml")
    Traceback (most recent call last):
    ...
    drive_eval.errors.PlanError: no plan at no_such_plan.toml. ...
    """
    file = Path(path)
    if file.is_dir():
        file = file / "evaluation.toml"
    if not file.is_file():
        near = sorted(p.name for p in file.parent.glob("*.toml")) if file.parent.is_dir() else []
        hint = did_you_mean(file.name, near)
        if not hint.startswith(" Nearest"):
            # Whatever else lies in the folder, such as a pyproject.toml, is no plan.
            hint = " Make one with: drive-eval init NAME."
        raise PlanError(f"no plan at {path}.{hint}")
    if file.suffix.lower() in (".csv", ".xlsx", ".parquet"):
        raise PlanError(
            f"{file.name} is a table, not a plan. Give the plan (evaluation.toml), or the folder "
            "that holds it."
        )
    try:
        body = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise PlanError(
            f"{file.name} is not a text file in UTF-8; save the plan as UTF-8."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{file.name} is not valid TOML: {error}. Mend that line.") from None
    if "path" in body:
        raise PlanError(f'{file.name}: unknown key "path".{did_you_mean("path", _keys(Plan))}')
    try:
        plan = Plan.model_validate({**body, "path": file.resolve()})
    except ValidationError as error:
        faults = error.errors()
        # A list whose items are all faulty is reported as too short as well: keep the cause.
        inner = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
        faults = [f for f in faults if f["type"] != "too_short" or f["loc"] not in inner]
        sentences = [line for fault in faults for line in _sentences(file.name, fault)]
        raise PlanError("\n".join(dict.fromkeys(sentences))) from None
    folder = (plan.folder / plan.data.folder).resolve()
    data = plan.data.model_copy(update={"folder": folder})
    return plan.model_copy(update={"data": data})


def _keys(model: type[BaseModel]) -> list[str]:
    return [name for name in model.model_fields if name != "path"]


#: A list, as it would stand in a plan; by its key, or by the key of the table that holds it.
_LISTS: dict[str, str] = {
    "abuse_types": '["physical", "sexual"]',
    "age_bands": "[25, 35, 45]",
    "by": '["sex", "site"]',
    "authors": '["A. Evaluator"]',
    "covariates": '["age", "dash_score"]',
    "exact": '["sex"]',
    "exclude": '["0017", "0018"]',
    "trim": "[0.05, 0.95]",
    "cutpoints": "[25, 40]",
    "limits": '["A sentence.", "Another."]',
    "notes": '["A paragraph."]',
}
#: A table of names, likewise.
_TABLES: dict[str, str] = {
    "tables": '{ cases = "extract.csv" }',
    "columns": '{ cases = { dash_date = "date" } }',
    "measured_on": '{ dash_score = "dash_date" }',
    "cutpoints": "{ age = [25, 40] }",
}
#: What an outcome may be; pydantic puts the kind into the place of a fault.
_OUTCOMES: dict[str, type[BaseModel]] = {
    "behaviour": BehaviourOutcome,
    "perceived_change": PerceivedChangeOutcome,
    "binary": BinaryOutcome,
    "time_to_event": TimeToEventOutcome,
    "reoffending": ReoffendingOutcome,
}
#: Sections that may stand more than once.
_BLOCKS = ("balancing", "outcomes", "published")

#: What would be right, by pydantic's name of the fault; ``{...}`` is filled from its context.
_WRONG: dict[str, str] = {
    "string_type": 'must be text in quotation marks, such as "exit"',
    "path_type": 'must be text in quotation marks, such as "data"',
    "int_type": "must be a whole number without quotation marks",
    "greater_than": "must be more than {gt:g}",
    "string_too_long": "must be at most {max_length} characters long",
    "float_type": "must be a number without quotation marks",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false, without quotation marks",
    "model_type": "must be a section of keys, not a single value",
    "model_attributes_type": "must be a section of keys, not a single value",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be less than {lt:g}",
    "too_short": "must not be an empty list",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": (
        "must be a short name of small letters, digits and underscores that begins with a letter, "
        "such as reassault_6m"
    ),
}


def _sentences(file: str, fault: Any) -> list[str]:
    """Turn one pydantic fault into: file, place, what is wrong, what would be right."""
    if not fault["loc"]:
        lines = str(fault["msg"]).removeprefix("Value error, ").splitlines()
        return [f"{file}: {line.removesuffix('.')}." for line in lines]
    return [_sentence(file, fault)]


def _sentence(file: str, fault: Any) -> str:
    place = [part for part in fault["loc"] if part not in _OUTCOMES]
    kinds = [part for part in fault["loc"] if part in _OUTCOMES]
    where = ".".join(f"[{p + 1}]" if isinstance(p, int) else str(p) for p in place)
    where = where.replace(".[", "[")
    if fault["type"] == "extra_forbidden":
        known = _keys(_model_at(place[:-1], kinds))
        return f'{file}: unknown key "{where}".{did_you_mean(str(place[-1]), known)}'
    if fault["type"] == "missing":
        return f'{file}: the key "{where}" is missing. See docs/reference/plan.md.'
    if fault["type"] == "union_tag_invalid":
        given = str(fault["ctx"]["tag"])
        return f'{file}: "{where}" has no kind "{given}".{did_you_mean(given, list(_OUTCOMES))}'
    if fault["type"] == "union_tag_not_found":
        *some, last = (f'"{kind}"' for kind in _OUTCOMES)
        return f'{file}: "{where}" needs kind = {", ".join(some)} or {last}.'
    if fault["type"] == "literal_error":
        given = str(fault["input"])
        known = [part.strip("' ") for part in str(fault["ctx"]["expected"]).split(" or ")]
        known = [name.strip("' ") for part in known for name in part.split(",")]
        return f'{file}: "{where}" cannot be "{given}".{did_you_mean(given, known)}'
    if fault["type"] == "value_error":
        message = str(fault["msg"]).removeprefix("Value error, ").removesuffix(".")
        given = f' "{fault["input"]}"' if isinstance(fault["input"], str) else ""
        return f'{file}: "{where}"{given} {message}.'
    names = [str(part) for part in reversed(place)]
    if fault["type"] == "tuple_type":
        if names[0] in _BLOCKS:
            return f"{file}: write [[{names[0]}]], with two brackets: there may be several."
        example = next((_LISTS[name] for name in names if name in _LISTS), '["one", "two"]')
        return f'{file}: "{where}" must be a list, such as {example}.'
    if fault["type"] == "dict_type":
        example = next((_TABLES[name] for name in names if name in _TABLES), '{ name = "value" }')
        return f'{file}: "{where}" must be a table of names, such as {example}.'
    wrong = _WRONG.get(fault["type"], "holds what a plan cannot hold; see docs/reference/plan.md")
    return f'{file}: "{where}" {wrong.format(**fault.get("ctx", {}))}.'


def _model_at(place: list[Any], kinds: list[Any]) -> type[BaseModel]:
    model: type[BaseModel] = Plan
    for part in place:
        if isinstance(part, int):
            continue
        if part == "outcomes":
            model = _OUTCOMES[kinds[0]] if kinds else BehaviourOutcome
        elif part == "published":
            model = PublishedFigure
        elif part == "balancing":
            model = BalancingBlock
        else:
            model = cast("type[BaseModel]", model.model_fields[str(part)].annotation)
    return model
