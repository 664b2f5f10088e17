"""What every section of a plan is made of: strict numbers, dates, codes of a list."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from drive_eval.errors import did_you_mean

if TYPE_CHECKING:
    from drive_eval.vocabulary import CodeList

__all__ = ["Count", "Day", "Flag", "Number", "Section", "day_without_time", "listed"]


class Section(BaseModel):
    """Frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def listed(codes: CodeList) -> Any:
    """Return a validator that lets the codes of a list pass and names the nearest."""

    def check(value: str) -> str:
        if value not in codes.codes:
            raise ValueError(f"is not in the code list.{did_you_mean(value, codes.codes)}")
        return value

    return check


def day_without_time(value: Any) -> Any:
    """Let a date of TOML or of a results file pass, and nothing that holds a time."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, date) or isinstance(value, datetime):
        # pydantic collects a ValueError and lets a TypeError through
        raise ValueError("must be a date without a time, such as 2026-11-21.")  # noqa: TRY004
    return value


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True)]
Day = Annotated[date, BeforeValidator(day_without_time)]
