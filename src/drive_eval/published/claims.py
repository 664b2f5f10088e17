"""What a claim file holds, and reading it: one TOML file for every published statement."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drive_eval.errors import DataError, did_you_mean

__all__ = [
    "GRADES",
    "Change",
    "Claim",
    "Fall",
    "Groups",
    "Incidents",
    "Instrument",
    "Margins",
    "Means",
    "PercentOf",
    "Percents",
    "Printed",
    "RelativeRisk",
    "Reported",
    "Share",
    "Shares",
    "Sums",
    "Turned",
    "claim",
    "claim_ids",
    "parse",
]

Grade: TypeAlias = Literal["A", "B", "C"]
GRADES: dict[str, str] = {
    "A": "exact counts or a full regression output are public",
    "B": "an estimate with its interval, or percentages that pin an effect, is public",
    "C": "a headline percentage only",
}

Percent: TypeAlias = Annotated[float, Field(ge=0, le=100)]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Sizes: TypeAlias = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
#: How many people an unknown denominator is tried with.
SIZES = (50, 100, 300)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """Where it was printed."""

    citation: str
    url: str
    year: int | None = None
    page: str = ""
    note: str = ""


class Counted(_Part):
    """What the figure counts, in words."""

    measure: str
    unit: str
    reporter: str
    time: str
    comparison: str


class Printed(_Part):
    """One printed figure, and the estimate that is set beside it.

    `measure` and the labels name the estimate; without a measure the figure is only printed.
    """

    what: str
    value: float
    decimals: Annotated[int, Field(ge=0, le=6)] = 0
    suffix: str = ""
    words: str = Field(default="", description="the source's words, where it prints no figure")
    measure: str = ""
    outcome: str | None = None
    group: str | None = None
    term: str | None = None
    subgroup: str = ""
    field: Literal["estimate", "std_error", "conf_low", "conf_high", "p_value"] = "estimate"
    factor: float = 1.0
    given: bool = Field(
        default=False, description="the figure is what the recomputation starts from"
    )
    reason: str = Field(default="", description="why it cannot be reached")


# What a recomputation starts from. Each class is one way of recomputing; see `ways`.


class Fall(_Part):
    """A percentage by which users became fewer; how many there were is not public.

    A source that only uses words ("two-thirds", "over half") rules no number of people out.
    """

    way: Literal["fall"]
    percent: Percent
    decimals: int = 0
    sizes: Sizes = SIZES
    showed: str = "used it at intake"
    words: str = ""
    above: bool = Field(default=False, description="the words say more than the percentage")
    points_or_relative: bool = False


class Change(_Part):
    """Shares before and after; how many were asked is not public."""

    way: Literal["change"]
    before: Percent
    after: Percent
    decimals: int = 0
    sizes: Sizes = SIZES


class ShareRow(_Part):
    """One printed percentage of an unknown number."""

    group: str = ""
    percent: Percent


class Share(_Part):
    """Percentages of people; how many there were is not public."""

    way: Literal["share"]
    rows: tuple[ShareRow, ...]
    decimals: int = 0
    sizes: Sizes = SIZES


class MarginRow(_Part):
    """How many before and after, of the same n."""

    item: str
    before: Count
    after: Count


class Margins(_Part):
    """Counts before and after, without who is behind both."""

    way: Literal["margins"]
    n: int
    rows: tuple[MarginRow, ...]


class CountRow(_Part):
    """Counts of one group."""

    group: str
    events: Count
    n: int
    outcome: str = ""


class Shares(_Part):
    """Counts of groups, each a share of its own."""

    way: Literal["shares"]
    rows: tuple[CountRow, ...]


class Groups(_Part):
    """Counts of two groups, set against each other."""

    way: Literal["groups"]
    outcome: str = ""
    programme: CountRow
    comparison: CountRow
    conf_level: float = 0.95


class PercentRow(_Part):
    """Percentages of two groups."""

    outcome: str
    programme: Percent
    comparison: Percent
    comparison_decimals: int | None = Field(default=None, description="if printed with others")


class Percents(_Part):
    """Percentages of two groups of unknown size."""

    way: Literal["percents"]
    rows: tuple[PercentRow, ...]
    decimals: int = 0
    sizes: Sizes = SIZES


class Delivered(_Part):
    """Counts of those who were assigned and given the same."""

    assigned: bool
    delivered: bool
    events: Count
    n: Count


class Instrument(_Part):
    """Counts by assignment, delivery and outcome."""

    way: Literal["instrument"]
    cells: tuple[Delivered, ...]


class Mean(_Part):
    """A total over a number of people."""

    total: float
    n: int


class Means(_Part):
    """Totals of two groups, without the spread."""

    way: Literal["means"]
    outcome: str
    programme: Mean
    comparison: Mean


class ReportedRow(_Part):
    """An estimate with its limits, or the limits alone."""

    outcome: str
    measure: str
    low: float
    high: float
    decimals: int = 2


class Reported(_Part):
    """Limits of an estimate: where its middle lies, and the standard error they imply."""

    way: Literal["reported"]
    rows: tuple[ReportedRow, ...]
    log: bool = True


class RelativeRisk(_Part):
    """A relative fall between two groups of known size whose risks are not public."""

    way: Literal["relative"]
    percent: Percent
    decimals: int = 0
    programme: int
    comparison: int
    base: tuple[Percent, ...] = (10, 30, 50)


class Incidents(_Part):
    """Two numbers of incidents, or a percentage between two numbers that are not public."""

    way: Literal["incidents"]
    programme: Count | None = None
    comparison: Count | None = None
    percent: Percent | None = None
    sizes: Sizes = SIZES
    term: str = "incidents"


class PercentOfRow(_Part):
    """A percentage of a stated number of people."""

    group: str
    percent: Percent
    decimals: int = 0
    n: Annotated[int, Field(ge=1)]
    outcome: str = ""


class PercentOf(_Part):
    """Percentages whose denominator is stated: is it possible, and which counts are they?"""

    way: Literal["percent_of"]
    rows: tuple[PercentOfRow, ...]


class SumRow(_Part):
    """Numbers that should add up to another."""

    name: str
    parts: dict[str, float]
    decimals: int = 0


class Sums(_Part):
    """Do the printed numbers add up?"""

    way: Literal["sums"]
    rows: tuple[SumRow, ...]


class TurnedRow(_Part):
    """One ratio."""

    outcome: str
    measure: str
    value: Annotated[float, Field(gt=0)]
    decimals: int = 2


class Turned(_Part):
    """A ratio, said as a fall one way round and as a rise the other."""

    way: Literal["turned"]
    less: str
    more: str
    rows: tuple[TurnedRow, ...]


Way: TypeAlias = Annotated[
    Fall
    | Change
    | Share
    | Margins
    | Shares
    | Groups
    | Percents
    | Instrument
    | Means
    | Reported
    | RelativeRisk
    | Incidents
    | PercentOf
    | Sums
    | Turned,
    Field(discriminator="way"),
]


class Claim(_Part):
    """One published statement.

    Attributes
    ----------
    id : str
        The name of its file.
    study, title : str
        Whose it is, and what it says.
    grade : {'A', 'B', 'C'}
        How much of it is public; see `GRADES`.
    source : Source
        Citation, address, page where known.
    counts : Counted
        Measure, unit, reporter, time span, comparison.
    printed : tuple of Printed
        The figures as printed.
    recompute : tuple
        What is public to recompute them from; empty if nothing is.
    unknown : tuple of str
        What one would have to know.
    notes : tuple of str
        What a reader should be told besides.
    """

    id: str
    study: str
    title: str
    grade: Grade
    source: Source
    counts: Counted
    printed: tuple[Printed, ...] = ()
    recompute: tuple[Way, ...] = ()
    unknown: tuple[str, ...]
    notes: tuple[str, ...] = ()


@functools.cache
def claim_ids() -> tuple[str, ...]:
    """Return the names of all claims, in alphabetical order."""
    folder = resources.files("drive_eval.published").joinpath("claims")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@functools.cache
def claim(claim_id: str) -> Claim:
    """Read one claim.

    Raises
    ------
    DataError
        If there is no such claim (the message names the nearest), or its file is at fault.
    """
    if claim_id not in claim_ids():
        raise DataError(f'no claim "{claim_id}".{did_you_mean(str(claim_id), claim_ids())}')
    file = resources.files("drive_eval.published").joinpath("claims", f"{claim_id}.toml")
    return parse(file.read_text(encoding="utf-8"), claim_id)


def parse(text: str, claim_id: str) -> Claim:
    """Return the claim that a file's text holds, or say what is wrong with it."""
    try:
        body = tomllib.loads(text)
        found = Claim.model_validate({**body, "id": claim_id})
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"claim {claim_id} is not valid TOML: {error}.") from None
    except ValidationError as error:
        faults = (
            f"claim {claim_id}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}."
            for fault in error.errors()
        )
        raise DataError(faults) from None
    return found
