"""The plan's reference page, printed from the sections themselves."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from drive_eval.plan.outcomes import (
    BehaviourOutcome,
    BinaryOutcome,
    PerceivedChangeOutcome,
    ReoffendingOutcome,
    TimeToEventOutcome,
)
from drive_eval.plan.sections import (
    BALANCING_METHODS,
    DESIGN_KINDS,
    BalancingBlock,
    Plan,
    PublishedFigure,
)

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = ["plan_reference"]


def plan_reference() -> str:
    """Return the plan's reference as Markdown, printed from the models.

    Examples
    --------
    >>> print(plan_reference().splitlines()[0])
    # The plan, key by key
    """
    lines = [
        "# The plan, key by key",
        "",
        "This page is printed from the models in `src/drive_eval/plan/`; a test keeps it true.",
        "Paths are relative to the plan's folder. An unknown key is refused by name.",
        "",
    ]
    blocks: list[tuple[str, type[BaseModel]]] = [
        (f"[{name}]", info.annotation)
        for name, info in Plan.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
    ]
    blocks[5:5] = [
        ("[[balancing]]", BalancingBlock),
        ('[[outcomes]] kind = "behaviour"', BehaviourOutcome),
        ('[[outcomes]] kind = "perceived_change"', PerceivedChangeOutcome),
        ('[[outcomes]] kind = "binary"', BinaryOutcome),
        ('[[outcomes]] kind = "time_to_event"', TimeToEventOutcome),
        ('[[outcomes]] kind = "reoffending"', ReoffendingOutcome),
        ("[[published]]", PublishedFigure),
    ]
    for heading, model in blocks:
        lines += [f"## `{heading}`", "", str(model.__doc__).strip().splitlines()[0], ""]
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        for name, info in model.model_fields.items():
            default = "required"
            if not info.is_required():
                default = _default(info.get_default(call_default_factory=True))
            kind = _kind(info.annotation).replace("|", "\\|")
            kind += _limits(info)
            lines.append(f"| `{name}` | {kind} | {default} | {info.description} |")
        lines.append("")
    lines += ["## Kinds of design", ""]
    lines += [f"- `{name}`: {meaning}." for name, meaning in DESIGN_KINDS.items()]
    lines += ["", "## Methods of balancing", ""]
    lines += [
        f"- `{name}` ({kind}): {meaning}." for name, (kind, meaning) in BALANCING_METHODS.items()
    ]
    return "\n".join(lines) + "\n"


def _limits(info: FieldInfo) -> str:
    """Return the limits of a number, read from the field itself."""
    found = {
        name: getattr(rule, name)
        for rule in info.metadata
        for name in ("ge", "gt", "le", "lt")
        if getattr(rule, name, None) is not None
    }
    if "ge" in found and "le" in found:
        return f", {found['ge']:g} to {found['le']:g}"
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    said = [f"{word} {found[name]:g}" for name, word in words.items() if name in found]
    return f", {' and '.join(said)}" if said else ""


def _default(value: Any) -> str:
    if value is None or value in ("", (), {}):
        return "empty"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    choices = get_args(annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(f"`{choice}`" for choice in choices)
    names = {
        str: "text",
        float: "number",
        int: "whole number",
        bool: "true/false",
        Path: "path",
        date: "date",
    }
    if annotation in names:
        return names[annotation]
    parts = [_kind(part) for part in choices if part not in (type(None), Ellipsis)]
    if getattr(annotation, "__origin__", None) is tuple:
        return f"list of {parts[0]}"
    if getattr(annotation, "__origin__", None) is dict:
        return f"table of {parts[0]} to {parts[1]}"
    return " or ".join(parts) if parts else str(getattr(annotation, "__name__", annotation))
