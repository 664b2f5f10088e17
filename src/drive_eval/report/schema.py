"""The form of results.json, printed from the result classes themselves."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any, Literal

from drive_eval import results as currency
from drive_eval.results import (
    Cell,
    Check,
    CountTable,
    Curve,
    Estimate,
    Evaluation,
    Provenance,
    ResultSet,
)

__all__ = ["results_schema", "results_schema_text"]

#: Classes that stand in the file as they are, each under its own name.
_CLASSES = (Estimate, Check, Cell, CountTable, Curve, Provenance, ResultSet)
#: Fields that are never saved.
_UNSAVED = frozenset({"native"})
_PLAIN: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
#: Classes in which a number that is missing or infinite has its reason beside it.
_REASONED = (Estimate, Check, Curve)
#: Fields that are written only where they say something.
_LEFT_OUT = ("people",)


def results_schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) that every results.json keeps to.

    Returns
    -------
    dict

    Examples
    --------
    >>> schema = results_schema()
    >>> schema["properties"]["format"]["const"], sorted(schema["$defs"])[:3]
    ('drive_eval evaluation 1', ['Cell', 'Check', 'CountTable'])
    """
    body = _fields(Evaluation)
    body["plan"] = {
        "type": "object",
        "description": "The plan with every key; docs/reference/plan.md says what each means.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "drive_eval evaluation",
        "description": (
            "What an evaluation found. Released where `policy` is not empty; then counts are as "
            "the disclosure policy leaves them, and null where they may not be shown. A number "
            "that does not exist is null, with its reason beside it or in a check."
        ),
        **_object({"format": {"const": "drive_eval evaluation 1"}, **body}),
        "$defs": {one.__name__: _class(one) for one in _CLASSES},
    }


def results_schema_text() -> str:
    """Return the schema as it stands in docs/reference/results.schema.json."""
    return json.dumps(results_schema(), indent=1, ensure_ascii=False) + "\n"


def _class(one: Any) -> dict[str, Any]:
    fields = _fields(one)
    required = [name for name in fields if name not in _LEFT_OUT]
    if one in _REASONED:
        fields["reasons"] = {
            "type": "object",
            "description": "Why a number is null, by the name of its field.",
            "additionalProperties": {"type": "string"},
        }
    said = (one.__doc__ or "").strip().splitlines()[0]
    return {"description": said, **_object(fields, required)}


def _object(fields: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields) if required is None else required,
        "additionalProperties": False,
    }


def _fields(one: Any) -> dict[str, Any]:
    kinds = typing.get_type_hints(one, _names())
    return {
        field.name: _kind(kinds[field.name])
        for field in dataclasses.fields(one)
        if field.name not in _UNSAVED
    }


def _names() -> dict[str, Any]:
    """Return what the annotations of the result classes may name."""
    from collections.abc import Iterable, Mapping, Sequence

    from drive_eval.vocabulary import Claim

    names = {"Iterable": Iterable, "Mapping": Mapping, "Sequence": Sequence, "Claim": Claim}
    return {**vars(currency), **names}


def _kind(kind: Any) -> dict[str, Any]:
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if kind is Any:
        return {}
    if kind in _CLASSES:
        return {"$ref": f"#/$defs/{kind.__name__}"}
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return {"enum": list(inside)}
    if origin in (typing.Union, types.UnionType):
        found = [_kind(one) for one in inside]
        if all(set(one) == {"type"} for one in found):
            return {"type": [one["type"] for one in found]}
        return {"anyOf": found}
    if origin is tuple:
        return {"type": "array", "items": _kind(inside[0])}
    return {"type": "object", "additionalProperties": _kind(inside[1])}
