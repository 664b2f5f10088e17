"""The kinds of outcome that a plan may hold: one class for each `[[outcomes]] kind`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from drive_eval.plan._fields import Count, Flag, Number, Section, listed
from drive_eval.vocabulary import ABUSE_TYPES, EVENT_SOURCES, REPORTERS, SEVERITY, TIME_POINTS

__all__ = [
    "BehaviourOutcome",
    "BinaryOutcome",
    "Outcome",
    "PerceivedChangeOutcome",
    "ReoffendingOutcome",
    "TimeToEventOutcome",
    "outcome_names",
]


class BehaviourOutcome(Section):
    """Severity by abuse type at two time points, as one reporter rated it."""

    kind: Literal["behaviour"] = Field("behaviour", description="Kind of outcome.")
    abuse_types: tuple[Annotated[str, AfterValidator(listed(ABUSE_TYPES))], ...] = Field(
        ABUSE_TYPES.codes, description="Which abuse types.", min_length=1
    )
    reporter: str = Field(description="Whose ratings; reporters are never pooled.")
    before: str = Field("intake", description="First time point.")
    after: str = Field("exit", description="Second time point.")
    threshold: str = Field("standard", description="Severity from which a behaviour counts.")
    primary: Flag = Field(True, description="Whether these outcomes were declared primary.")

    _reporter = field_validator("reporter")(listed(REPORTERS))
    _before = field_validator("before", "after")(listed(TIME_POINTS))

    @field_validator("threshold")
    @classmethod
    def _threshold(cls, value: str) -> str:
        listed(SEVERITY)(value)
        if SEVERITY.rank(value) == 0:
            raise ValueError("is the lowest level, which everybody reaches. Use standard or above.")
        return value

    @model_validator(mode="after")
    def _order(self) -> BehaviourOutcome:
        if TIME_POINTS.rank(self.before) >= TIME_POINTS.rank(self.after):
            raise ValueError(f"before ({self.before}) must come earlier than after ({self.after})")
        return self


class PerceivedChangeOutcome(Section):
    """A practitioner's judgement of whether risk changed."""

    kind: Literal["perceived_change"] = Field("perceived_change", description="Kind of outcome.")
    reporter: str = Field("idva", description="Whose judgement.")
    time_point: str = Field("exit", description="When it was made.")
    primary: Flag = Field(False, description="Whether it was declared primary.")

    _reporter = field_validator("reporter")(listed(REPORTERS))
    _time = field_validator("time_point")(listed(TIME_POINTS))


class BinaryOutcome(Section):
    """A yes/no outcome that stands in a column of cases, compared between arms."""

    kind: Literal["binary"] = Field("binary", description="Kind of outcome.")
    name: str = Field(description="Short name, used in results.", pattern=r"^[a-z][a-z0-9_]*$")
    label: str = Field("", description="The outcome in plain words.")
    column: str = Field(description="Boolean column of cases.")
    reporter: str = Field("", description="Whose record it is.")
    horizon: str = Field("", description="Within what time, in words.")
    primary: Flag = Field(True, description="Whether it was declared primary.")
    negative: Flag = Field(
        False,
        description="Whether the programme cannot change it, so that a difference would show that "
        "the arms are not alike.",
    )
    margin: Number = Field(
        0.05,
        gt=0,
        lt=1,
        description="negative outcomes: difference in risk from which the arms would not be alike.",
    )

    @field_validator("reporter")
    @classmethod
    def _reporter(cls, value: str) -> str:
        return listed(REPORTERS)(value) if value else value

    @model_validator(mode="after")
    def _margin(self) -> BinaryOutcome:
        # A plan that was read back names every key; only a value of its own is a choice.
        if not self.negative and self.margin != type(self).model_fields["margin"].default:
            raise ValueError("holds margin, which belongs to an outcome with negative = true")
        return self


class TimeToEventOutcome(Section):
    """How long it took until something happened, from two columns of cases."""

    kind: Literal["time_to_event"] = Field("time_to_event", description="Kind of outcome.")
    name: str = Field(description="Short name, used in results.", pattern=r"^[a-z][a-z0-9_]*$")
    label: str = Field("", description="The event in plain words, such as First re-arrest.")
    stop: str = Field(
        description="Number column of cases: time from the start to the event, or to the last day "
        "on which it was known not to have happened."
    )
    event: str = Field(description="Boolean column of cases: whether it ended in the event.")
    time_unit: Literal["days", "weeks", "months"] = Field(
        "days", description="Unit of every time of this outcome."
    )
    horizon: Number = Field(gt=0, description="How long after the start it is followed.")
    times: tuple[Annotated[Number, Field(gt=0)], ...] = Field(
        (), description="When, besides the horizon, the share still free of it is read off."
    )
    reporter: str = Field("", description="Whose record it is.")
    primary: Flag = Field(True, description="Whether it was declared primary.")

    @field_validator("reporter")
    @classmethod
    def _reporter(cls, value: str) -> str:
        return listed(REPORTERS)(value) if value else value

    @model_validator(mode="after")
    def _fits(self) -> TimeToEventOutcome:
        if self.stop == self.event:
            raise ValueError("stop and event must be two columns")
        _within(self.times, self.horizon)
        return self


class ReoffendingOutcome(Section):
    """Recorded events after the index date, the first and all, from events and custody."""

    kind: Literal["reoffending"] = Field("reoffending", description="Kind of outcome.")
    name: str = Field(description="Short name, used in results.", pattern=r"^[a-z][a-z0-9_]*$")
    label: str = Field("", description="The events in plain words, such as Recorded assault.")
    source: tuple[Annotated[str, AfterValidator(listed(EVENT_SOURCES))], ...] = Field(
        (), description="Whose records count; empty for all."
    )
    stage: Literal["recorded", "charged", "convicted"] = Field(
        "recorded", description="How far an event must have come to count."
    )
    abuse_types: tuple[Annotated[str, AfterValidator(listed(ABUSE_TYPES))], ...] = Field(
        (), description="Which types of abuse count; empty for all events."
    )
    domestic_abuse: Flag = Field(
        False, description="Whether only events flagged as domestic abuse count."
    )
    horizon: Count = Field(365, ge=1, description="Days after the index date that are followed.")
    times: tuple[Annotated[Count, Field(ge=1)], ...] = Field(
        (), description="Days at which, besides the horizon, shares are read off."
    )
    custody_as: Literal["gap", "competing", "ignored"] = Field(
        "gap",
        description="Time in custody: cut out, the end of following, or counted as free.",
    )
    washout: Count = Field(
        28,
        ge=0,
        description="Days before the index date whose events, with the incident that led to "
        "referral, are left out of every rate before it.",
    )
    days_before: Count = Field(
        365,
        ge=0,
        description="Days before the index date whose rate is set against that of the horizon; 0 "
        "for no comparison with the time before.",
    )
    rates: Literal["negative_binomial", "poisson", "exact"] = Field(
        "negative_binomial", description="Model of the rates before and after."
    )
    harm_weights: str = Field(
        "",
        description="CSV file of offence_class and harm_days beside the plan, to count harm as "
        "well as events.",
    )
    months_before: Count = Field(
        12, ge=0, le=120, description="Months before the index date in the monthly rates."
    )
    months_after: Count = Field(
        12, ge=1, le=120, description="Months after the index date in the monthly rates."
    )
    attribution: Literal["first", "last", "each"] | None = Field(
        None, description="Overlapping enrolments of one person: whose an event is."
    )
    force: str = Field("", description="Police force, for breaks in its recording.")
    primary: Flag = Field(True, description="Whether it was declared primary.")

    @model_validator(mode="after")
    def _fits(self) -> ReoffendingOutcome:
        _within(self.times, self.horizon)
        if 0 < self.days_before <= self.washout:
            raise ValueError(
                f"days_before ({self.days_before}) must be more than washout ({self.washout}), "
                "which is left out of it"
            )
        return self


def _within(times: tuple[float, ...], horizon: float) -> None:
    beyond = [time for time in times if time > horizon]
    if beyond:
        raise ValueError(f"times holds {beyond[0]:g}, which lies beyond the horizon of {horizon:g}")
    if len(set(times)) < len(times):
        raise ValueError("times holds the same time twice")


Outcome = Annotated[
    BehaviourOutcome
    | PerceivedChangeOutcome
    | BinaryOutcome
    | TimeToEventOutcome
    | ReoffendingOutcome,
    Field(discriminator="kind"),
]


def outcome_names(outcome: Outcome) -> list[str]:
    """Return the names under which an outcome's results are filed.

    Examples
    --------
    >>> outcome_names(BehaviourOutcome(reporter="idva", abuse_types=("physical",)))
    ['physical:idva:intake-exit']
    """
    if isinstance(outcome, BehaviourOutcome):
        suffix = f"{outcome.reporter}:{outcome.before}-{outcome.after}"
        if outcome.threshold != "standard":
            suffix += f":{outcome.threshold}"
        return [f"{abuse_type}:{suffix}" for abuse_type in outcome.abuse_types]
    if isinstance(outcome, PerceivedChangeOutcome):
        return [f"perceived_change:{outcome.reporter}:{outcome.time_point}"]
    return [outcome.name]
