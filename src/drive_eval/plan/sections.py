"""What a plan may hold: every section, key and rule, and nothing of how a plan is read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from drive_eval.errors import did_you_mean
from drive_eval.plan._fields import Count, Day, Flag, Number, Section
from drive_eval.plan.outcomes import (
    BinaryOutcome,
    Outcome,
    ReoffendingOutcome,
    TimeToEventOutcome,
    outcome_names,
)
from drive_eval.vocabulary import Unit  # noqa: TC001  (pydantic reads it)

__all__ = [
    "BALANCING_METHODS",
    "DESIGN_KINDS",
    "NO_COVARIATES",
    "BalancingBlock",
    "CohortSection",
    "ComparisonSection",
    "DataSection",
    "DesignSection",
    "EqualitySection",
    "EvaluationSection",
    "Plan",
    "PublishedFigure",
    "ReleaseSection",
    "ReportSection",
    "SensitivitySection",
]

DesignKind = Literal["randomised", "matched", "weighted", "comparison_group", "before_after"]
Method = Literal["nearest", "subclass", "cem", "propensity_weights", "entropy_balance"]
ColumnKind = Literal["boolean", "integer", "number", "category", "date"]

#: What each kind of design means, printed in the report beside its name.
DESIGN_KINDS: dict[str, str] = {
    "randomised": "people were allocated to the two arms by chance",
    "matched": (
        "programme cases were set against comparison cases chosen to be like them, as far as the "
        "covariates show"
    ),
    "weighted": (
        "cases were weighted so that the two arms are alike, as far as the covariates show"
    ),
    "comparison_group": "the two arms were formed by circumstance, not by chance or by matching",
    "before_after": "the same people before and after, with nobody to compare them with",
}


#: How each method makes the arms alike, and the kind of design that it makes.
BALANCING_METHODS: dict[str, tuple[DesignKind, str]] = {
    "nearest": ("matched", "each programme case is matched to the nearest comparison cases"),
    "subclass": ("matched", "cases are compared within classes of the propensity score"),
    "cem": ("matched", "cases are compared within groups of like covariates"),
    "propensity_weights": ("weighted", "cases are weighted by the propensity score"),
    "entropy_balance": ("weighted", "weights are solved for that make the covariates' means equal"),
}
#: Keys of a balancing block that only some methods understand.
_KEYS_OF: dict[str, tuple[str, ...]] = {
    "nearest": ("exact", "ratio", "replace", "caliper_sd", "caliper_scale", "order", "seed"),
    "subclass": ("subclasses", "estimand"),
    "cem": ("cutpoints", "estimand"),
    "propensity_weights": ("estimand", "trim"),
    "entropy_balance": ("estimand",),
}


#: Columns of cases that no comparison may be adjusted for, and why.
NO_COVARIATES: dict[str, str] = {
    **dict.fromkeys(("case_id", "perpetrator_id", "victim_survivor_id"), "an id"),
    **dict.fromkeys(("arm", "allocated_arm"), "the arm itself"),
    **dict.fromkeys(
        (
            *("index_date", "referral_date", "start_date", "exit_date", "data_end_date"),
            *("death_date", "moved_date"),
        ),
        "a date",
    ),
    "exit_reason": "known only at the end",
}


def _covariate(value: str) -> str:
    if value in NO_COVARIATES:
        raise ValueError(
            f"is {NO_COVARIATES[value]}, so nothing can be adjusted for it. Choose a column of "
            "cases that was known at the start, such as age."
        )
    return value


class EvaluationSection(Section):
    """What is evaluated, by whom, and how far the work has come."""

    title: str = Field(description="Title of the report.", min_length=1)
    question: str = Field("", description="The question in one sentence.")
    programme: str = Field("the programme", description="Name of the programme, as in a sentence.")
    place: str = Field("", description="Where it ran.")
    period: str = Field(
        "", description="When people started, in words that may be published: months, no days."
    )
    authors: tuple[str, ...] = Field((), description="Who evaluated it.")
    report_date: Day | None = Field(None, description="Date on the report (nothing reads a clock).")
    review_by: Day | None = Field(None, description="When the report should be looked at again.")
    status: Literal["draft", "checked"] = Field(
        "draft", description="Draft, or checked by another."
    )
    data_cut: Day | None = Field(None, description="Last date up to which data are complete.")


class DataSection(Section):
    """Where the tables are and what they hold beside the data dictionary."""

    folder: Path = Field(description="Folder of the tables, relative to the plan.")
    source: str = Field("", description="Where the data come from, in one sentence.")
    public_source: str = Field(
        "", description="Public citation of the data; required for the policy public_data."
    )
    tables: dict[str, str] = Field(
        default_factory=dict, description="Table name to file name, where they differ."
    )
    columns: dict[str, dict[str, ColumnKind]] = Field(
        default_factory=dict, description="Extra columns by table: name to kind."
    )
    index_date: Literal["recorded", "not_public"] = Field(
        "recorded", description="`not_public` when cases carry no dates; then nothing dated is run."
    )


class DesignSection(Section):
    """How the arms came about and what is counted."""

    kind: DesignKind = Field(description="How the two arms came about.")
    allocation: str = Field("", description="How allocation was done, in one sentence.")
    comparator: str = Field("", description="What the comparison arm received.")
    unit: Unit = Field(description="What one count is: person, enrolment or dyad.")
    max_missing_share: Number = Field(
        0.1,
        ge=0,
        le=0.2,
        description="Largest share of either arm without an outcome for a causal sentence; "
        "at most 0.2.",
    )
    conf_level: Number = Field(
        0.95, ge=0.8, lt=1, description="Coverage of every interval; at least 0.8."
    )


class CohortSection(Section):
    """Who is left out, knowingly."""

    exclude: tuple[str, ...] = Field((), description="case_ids to leave out; counted in the flow.")


class ComparisonSection(Section):
    """How programme and comparison arm are set against each other."""

    tolerance_days: Number = Field(
        30, ge=0, description="Largest difference between the arms in median days between measures."
    )
    covariates: tuple[Annotated[str, AfterValidator(_covariate)], ...] = Field(
        (),
        description="Columns of cases to adjust a comparison of risks for: known at the start, and "
        "no ids, dates or arms.",
    )


class BalancingBlock(Section):
    """How the arms are made alike before any outcome is read; the first block is the main one."""

    name: str = Field(
        description="Short name, used in results.", pattern=r"^[a-z][a-z0-9_]*$", max_length=40
    )
    label: str = Field("", description="The design in plain words, for charts.")
    method: Method = Field(
        "nearest", description="How: by matching (first three) or by weighting (last two)."
    )
    covariates: tuple[Annotated[str, AfterValidator(_covariate)], ...] = Field(
        description="Columns of cases, all known at the index date, in which the arms are made "
        "alike.",
        min_length=1,
    )
    measured_on: dict[str, str] = Field(
        default_factory=dict,
        description="Covariate to the date column of cases that says when it was measured; refused "
        "where that is after the index date.",
    )
    estimand: Literal["att", "ate", "atc", "ato"] = Field(
        "att",
        description="Whose average effect: programme cases, everybody, comparison cases, or the "
        "overlap. Nearest matching is always att.",
    )
    exact: tuple[Annotated[str, AfterValidator(_covariate)], ...] = Field(
        (), description="nearest: columns in which matches agree exactly."
    )
    ratio: Count = Field(
        1, ge=1, le=10, description="nearest: comparison cases per programme case."
    )
    replace: Flag = Field(
        False, description="nearest: whether a comparison case may serve several programme cases."
    )
    caliper_sd: Number = Field(
        0.2, ge=0, description="nearest: widest distance, in standard deviations; 0 for none."
    )
    caliper_scale: Literal["logit", "probability"] = Field(
        "logit", description="nearest: scale of the propensity score."
    )
    order: Literal["largest", "smallest", "random", "closest", "data"] = Field(
        "largest", description="nearest: which programme case chooses first, by its score."
    )
    seed: Count = Field(1, ge=0, description='nearest: seed of order = "random".')
    subclasses: Count = Field(5, ge=2, le=50, description="subclass: how many classes.")
    cutpoints: dict[str, tuple[Number, ...]] = Field(
        default_factory=dict,
        description="cem: covariate to the values at which it is cut; Sturges' rule where absent.",
    )
    trim: tuple[Number, ...] = Field(
        (),
        description="propensity_weights: lowest and highest score kept, such as [0.05, 0.95].",
    )
    max_smd: Number = Field(
        0.1, gt=0, le=1, description="Largest standardised mean difference that counts as balanced."
    )

    @model_validator(mode="after")
    def _fits(self) -> BalancingBlock:
        # A plan that was read back names every key; only a value of its own is a choice.
        spare = {
            key
            for keys in _KEYS_OF.values()
            for key in keys
            if getattr(self, key)
            != type(self).model_fields[key].get_default(call_default_factory=True)
            and key not in _KEYS_OF[self.method]
        }
        if spare:
            owners = [m for m, keys in _KEYS_OF.items() if spare & set(keys)]
            raise ValueError(
                f"holds {', '.join(sorted(spare))}, which belongs to {', '.join(owners)}, not to "
                f"{self.method}"
            )
        if self.estimand == "ato" and self.method != "propensity_weights":
            raise ValueError(f"estimand ato belongs to propensity_weights, not to {self.method}")
        for key, names in (("measured_on", self.measured_on), ("cutpoints", self.cutpoints)):
            strange = [name for name in names if name not in self.covariates]
            if strange:
                near = did_you_mean(strange[0], self.covariates).removesuffix(".")
                raise ValueError(f'{key} names "{strange[0]}", which is no covariate here.{near}')
        if self.trim and (len(self.trim) != 2 or not 0 <= self.trim[0] < self.trim[1] <= 1):
            raise ValueError("trim must be two scores between 0 and 1, such as [0.05, 0.95]")
        if self.name == "crude":
            raise ValueError('the name "crude" is kept for the comparison without any balancing')
        return self

    @property
    def title(self) -> str:
        """The design in plain words: the label, or one made from the method."""
        if self.label:
            return self.label
        caliper = " within a caliper" if self.caliper_sd else ""
        target = self.estimand.upper()
        return {
            "nearest": f"1:{self.ratio} nearest matching{caliper}"
            + (", with replacement" if self.replace else ""),
            "subclass": f"{self.subclasses} classes of the propensity score ({target})",
            "cem": f"Coarsened exact matching ({target})",
            "propensity_weights": f"Propensity weights ({target})",
            "entropy_balance": f"Entropy balance ({target})",
        }[self.method]


class SensitivitySection(Section):
    """Which rival explanations are given a number, and how."""

    smallest_worthwhile: Number = Field(
        5.0,
        gt=0,
        le=100,
        description="Smallest fall in users per 100, or gap between the arms, that would matter.",
    )
    power: Number = Field(
        0.8, gt=0.5, lt=1, description="Power at which the change this sample could show is given."
    )
    imputations: Count = Field(
        20, ge=0, le=500, description="Imputed copies of the missing outcomes; 0 for none."
    )
    seed: Count = Field(1, ge=0, description="Seed of everything drawn by chance.")
    missing_covariates: tuple[Annotated[str, AfterValidator(_covariate)], ...] = Field(
        (), description="Columns of cases that say who has no outcome, besides the arm and before."
    )
    delta: tuple[Annotated[Number, Field(gt=0)], ...] = Field(
        (1.0, 2.0),
        description="Odds of use among those without an outcome, against those measured alike: "
        "each is tried, as odds ratios.",
    )
    detection_ratio: tuple[Annotated[Number, Field(gt=0)], ...] = Field(
        (1.25, 1.5),
        description="How many times as likely an event is to be recorded afterwards, through "
        "closer contact; each is tried.",
    )
    leave_one_out: str = Field(
        "site",
        description="Column of cases left out value by value; nothing where there is no site.",
    )
    subgroups: tuple[Annotated[str, AfterValidator(_covariate)], ...] = Field(
        (), description="Columns of cases by which the effect may differ; interactions are given."
    )


class PublishedFigure(Section):
    """A number that others printed, shown beside ours."""

    outcome: str = Field(description="Name of the outcome.")
    term: str = Field(description="Term of our estimate: itt, as_treated, first_stage, iv …")
    label: str = Field(description="What the publication calls it.")
    estimate: Number = Field(description="As printed, in the publication's own direction.")
    std_error: Number | None = Field(None, description="As printed.")
    kind: str = Field("classical", description="Kind of standard error: classical, HC0 …")
    reversed: Flag = Field(
        False, description="Whether the publication takes the difference the other way round."
    )
    source: str = Field(description="Citation.")


def _group_column(value: str) -> str:
    if value in NO_COVARIATES:
        raise ValueError(
            f"is {NO_COVARIATES[value]}, which makes no groups. Choose a column of cases such as "
            "site."
        )
    return value


class EqualitySection(Section):
    """By which groups it is told who is in the figures and who is not."""

    by: tuple[Annotated[str, AfterValidator(_group_column)], ...] = Field(
        ("sex", "ethnicity", "age_band", "site"),
        description="Columns of cases; `age_band` is made of age. Of these four, those that are "
        "not there are passed over; an empty list for none.",
    )
    age_bands: tuple[Annotated[Count, Field(gt=0)], ...] = Field(
        (25, 35, 45),
        description="Ages at which the second and each later band begins.",
        min_length=1,
    )

    @field_validator("age_bands")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("must rise, such as [25, 35, 45]")
        return value


class ReleaseSection(Section):
    """What may leave the room."""

    policy: Literal["opensafely", "ons_acro", "internal", "public_data"] = Field(
        "opensafely", description="Disclosure policy of outputs/release."
    )


#: Printed where a plan names no help of its own: it holds wherever the report is read.
SUPPORT = (
    "In an emergency call 999. National Domestic Abuse Helpline, free, day and night: "
    "0808 2000 247."
)


class ReportSection(Section):
    """Words that only the evaluator can supply."""

    limits: tuple[str, ...] = Field((), description="Limits to print beside the generated ones.")
    notes: tuple[str, ...] = Field((), description="Paragraphs for the methods section.")
    support: str = Field(
        SUPPORT,
        description="A line on where to find help, printed first and last. Replace it with your "
        "area's.",
    )
    programme_label: str = Field("Programme", description="Name of the programme arm in charts.")
    comparison_label: str = Field("Comparison", description="Name of the comparison arm in charts.")


class Plan(Section):
    """One evaluation, declared in advance.

    Attributes
    ----------
    path : Path
        The plan's file; its folder is the base of every relative path.
    """

    evaluation: EvaluationSection = Field(description="Title, authors, dates.")
    data: DataSection = Field(description="Where the tables are.")
    design: DesignSection = Field(description="How the arms came about; the unit.")
    cohort: CohortSection = Field(CohortSection(), description="Who is left out.")
    comparison: ComparisonSection = Field(
        ComparisonSection(), description="How the arms are compared."
    )
    balancing: tuple[BalancingBlock, ...] = Field(
        (), description="How the arms are made alike; for matched and weighted designs."
    )
    outcomes: tuple[Outcome, ...] = Field(description="One block per outcome.", min_length=1)
    sensitivity: SensitivitySection = Field(SensitivitySection(), description="Rival explanations.")
    published: tuple[PublishedFigure, ...] = Field((), description="Figures to show beside ours.")
    equality: EqualitySection = Field(
        EqualitySection(), description="By which groups it is told who is in the figures."
    )
    release: ReleaseSection = Field(ReleaseSection(), description="Disclosure policy.")
    report: ReportSection = Field(ReportSection(), description="Words for the report.")
    path: Path = Field(Path("evaluation.toml"), exclude=True, repr=False)

    @model_validator(mode="after")
    def _consistent(self) -> Plan:
        faults = []
        if self.release.policy == "public_data" and not self.data.public_source.strip():
            faults.append(
                "release.policy is public_data, so data.public_source must name the public source."
            )
        names = [name for outcome in self.outcomes for name in outcome_names(outcome)]
        faults += [
            f'the outcome "{name}" is declared twice.'
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        ]
        for number, figure in enumerate(self.published, start=1):
            if figure.outcome not in names:
                faults.append(
                    f'"published[{number}].outcome" names "{figure.outcome}", which no '
                    f"[[outcomes]] block declares.{did_you_mean(figure.outcome, names)}"
                )
        for outcome in self.outcomes:
            if isinstance(outcome, ReoffendingOutcome) and self.data.index_date == "not_public":
                faults.append(
                    f'the outcome "{outcome.name}" follows people from their index date, but '
                    'data.index_date is not_public. Use kind = "time_to_event" if times are known.'
                )
            columns = _columns_of(outcome)
            if not columns:
                continue
            name = outcome_names(outcome)[0]
            if self.design.unit == "dyad":
                faults.append(
                    f'the outcome "{name}" stands in cases, one value a case, so it cannot '
                    'be counted by dyad. Use unit = "person" or "enrolment".'
                )
            faults += [
                f'the column "{column}" is an outcome, so it cannot be a covariate of '
                "the comparison as well."
                for column in columns
                if column in self.comparison.covariates
            ]
        if all(
            isinstance(outcome, BinaryOutcome) and outcome.negative for outcome in self.outcomes
        ):
            faults.append(
                "every outcome is negative, that is, one which the programme cannot change. Add "
                "the outcome that it is meant to change as an [[outcomes]] block, first."
            )
        faults += self._balancing_faults()
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _balancing_faults(self) -> list[str]:
        kind = self.design.kind
        balanced = kind in ("matched", "weighted")
        if not balanced:
            if not self.balancing:
                return []
            return [
                f"there is a [[balancing]] block, but design.kind is {kind}, which does not use "
                'one. Use kind = "matched" or "weighted", or take the block out.'
            ]
        if not self.balancing:
            return [
                f"design.kind is {kind}, so a [[balancing]] block must say how and on which "
                "covariates."
            ]
        faults = []
        main = self.balancing[0]
        if BALANCING_METHODS[main.method][0] != kind:
            faults.append(
                f'design.kind is {kind}, but the first [[balancing]] block, "{main.name}", is '
                f"{BALANCING_METHODS[main.method][0]} (method {main.method}). Put the main design "
                "first, or name the other kind."
            )
        if self.design.unit == "dyad":
            faults.append(
                "programmes take people, so people or enrolments are matched or weighted, not "
                'dyads. Use unit = "person" or "enrolment".'
            )
        names = [block.name for block in self.balancing]
        faults += [
            f'two [[balancing]] blocks are called "{name}".'
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        ]
        outcomes = {c: outcome_names(o)[0] for o in self.outcomes for c in _columns_of(o)}
        faults += [
            f'the column "{column}" is the outcome "{outcomes[column]}", so [[balancing]] '
            f'"{block.name}" must not use it: nothing is matched on what came after.'
            for block in self.balancing
            for column in dict.fromkeys((*block.covariates, *block.exact))
            if column in outcomes
        ]
        return faults

    @property
    def folder(self) -> Path:
        """The folder in which the plan lies."""
        return self.path.parent

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain data; the data folder is given by its name alone."""
        body = self.model_dump(mode="json")
        body["data"]["folder"] = self.data.folder.name
        return body

    def sha256(self) -> str:
        """Return the hash of the plan's content, the same on every machine."""
        text = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _columns_of(outcome: Outcome) -> tuple[str, ...]:
    """Return the columns of cases that hold an outcome."""
    if isinstance(outcome, BinaryOutcome):
        return (outcome.column,)
    if isinstance(outcome, TimeToEventOutcome):
        return (outcome.stop, outcome.event)
    return ()
