"""The plan: what will be evaluated and how, written down before the results are seen.

A plan is a TOML file. Every key is listed in ``docs/reference/plan.md``, which is printed
from the models below. Paths are relative to the plan's own folder.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from drive_eval.errors import PlanError, did_you_mean
from drive_eval.vocabulary import (
    ABUSE_TYPES,
    REPORTERS,
    SEVERITY,
    TIME_POINTS,
    CodeList,
    Unit,
)

__all__ = [
    "NO_COVARIATES",
    "BehaviourOutcome",
    "BinaryOutcome",
    "CohortSection",
    "ComparisonSection",
    "DataSection",
    "DesignSection",
    "EvaluationSection",
    "Outcome",
    "PerceivedChangeOutcome",
    "Plan",
    "PublishedFigure",
    "ReleaseSection",
    "ReportSection",
    "load_plan",
    "plan_reference",
]

DesignKind = Literal["randomised", "comparison_group", "before_after"]
ColumnKind = Literal["boolean", "integer", "number", "category"]

#: What each kind of design means, printed in the report beside its name.
DESIGN_KINDS: dict[str, str] = {
    "randomised": "people were allocated to the two arms by chance",
    "comparison_group": "the two arms were formed by circumstance, not by chance or by matching",
    "before_after": "the same people before and after, with nobody to compare them with",
}


#: Columns of cases that no comparison may be adjusted for, and why.
NO_COVARIATES: dict[str, str] = {
    **dict.fromkeys(("case_id", "perpetrator_id", "victim_survivor_id"), "an id"),
    **dict.fromkeys(("arm", "allocated_arm"), "the arm itself"),
    **dict.fromkeys(
        ("index_date", "referral_date", "start_date", "exit_date", "data_end_date"), "a date"
    ),
    "exit_reason": "known only at the end",
}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _listed(codes: CodeList) -> Any:
    def check(value: str) -> str:
        if value not in codes.codes:
            raise ValueError(f"is not in the code list.{did_you_mean(value, codes.codes)}")
        return value

    return check


def _day(value: Any) -> Any:
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


def _covariate(value: str) -> str:
    if value in NO_COVARIATES:
        raise ValueError(
            f"is {NO_COVARIATES[value]}, so nothing can be adjusted for it. Choose a column of "
            "cases that was known at the start, such as age."
        )
    return value


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Day = Annotated[date, BeforeValidator(_day)]


class EvaluationSection(_Section):
    """What is evaluated, by whom, and how far the work has come."""

    title: str = Field(description="Title of the report.", min_length=1)
    question: str = Field("", description="The question in one sentence.")
    programme: str = Field("the programme", description="Name of the programme, as in a sentence.")
    place: str = Field("", description="Where it ran.")
    authors: tuple[str, ...] = Field((), description="Who evaluated it.")
    report_date: Day | None = Field(None, description="Date on the report (nothing reads a clock).")
    review_by: Day | None = Field(None, description="When the report should be looked at again.")
    status: Literal["draft", "checked"] = Field(
        "draft", description="Draft, or checked by another."
    )
    data_cut: Day | None = Field(None, description="Last date up to which data are complete.")


class DataSection(_Section):
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


class DesignSection(_Section):
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


class CohortSection(_Section):
    """Who is left out, knowingly."""

    exclude: tuple[str, ...] = Field((), description="case_ids to leave out; counted in the flow.")


class ComparisonSection(_Section):
    """How programme and comparison arm are set against each other."""

    tolerance_days: Number = Field(
        30, ge=0, description="Largest difference between the arms in median days between measures."
    )
    covariates: tuple[Annotated[str, AfterValidator(_covariate)], ...] = Field(
        (),
        description="Columns of cases to adjust a comparison of risks for: known at the start, and "
        "no ids, dates or arms.",
    )


class BehaviourOutcome(_Section):
    """Severity by abuse type at two time points, as one reporter rated it."""

    kind: Literal["behaviour"] = Field("behaviour", description="Kind of outcome.")
    abuse_types: tuple[Annotated[str, AfterValidator(_listed(ABUSE_TYPES))], ...] = Field(
        ABUSE_TYPES.codes, description="Which abuse types.", min_length=1
    )
    reporter: str = Field(description="Whose ratings; reporters are never pooled.")
    before: str = Field("intake", description="First time point.")
    after: str = Field("exit", description="Second time point.")
    threshold: str = Field("standard", description="Severity from which a behaviour counts.")
    primary: Flag = Field(True, description="Whether these outcomes were declared primary.")

    _reporter = field_validator("reporter")(_listed(REPORTERS))
    _before = field_validator("before", "after")(_listed(TIME_POINTS))

    @field_validator("threshold")
    @classmethod
    def _threshold(cls, value: str) -> str:
        _listed(SEVERITY)(value)
        if SEVERITY.rank(value) == 0:
            raise ValueError("is the lowest level, which everybody reaches. Use standard or above.")
        return value

    @model_validator(mode="after")
    def _order(self) -> BehaviourOutcome:
        if TIME_POINTS.rank(self.before) >= TIME_POINTS.rank(self.after):
            raise ValueError(f"before ({self.before}) must come earlier than after ({self.after})")
        return self


class PerceivedChangeOutcome(_Section):
    """A practitioner's judgement of whether risk changed."""

    kind: Literal["perceived_change"] = Field("perceived_change", description="Kind of outcome.")
    reporter: str = Field("idva", description="Whose judgement.")
    time_point: str = Field("exit", description="When it was made.")
    primary: Flag = Field(False, description="Whether it was declared primary.")

    _reporter = field_validator("reporter")(_listed(REPORTERS))
    _time = field_validator("time_point")(_listed(TIME_POINTS))


class BinaryOutcome(_Section):
    """A yes/no outcome that stands in a column of cases, compared between arms."""

    kind: Literal["binary"] = Field("binary", description="Kind of outcome.")
    name: str = Field(description="Short name, used in results.", pattern=r"^[a-z][a-z0-9_]*$")
    label: str = Field("", description="The outcome in plain words.")
    column: str = Field(description="Boolean column of cases.")
    reporter: str = Field("", description="Whose record it is.")
    horizon: str = Field("", description="Within what time, in words.")
    primary: Flag = Field(True, description="Whether it was declared primary.")

    @field_validator("reporter")
    @classmethod
    def _reporter(cls, value: str) -> str:
        return _listed(REPORTERS)(value) if value else value


Outcome = Annotated[
    BehaviourOutcome | PerceivedChangeOutcome | BinaryOutcome, Field(discriminator="kind")
]


class PublishedFigure(_Section):
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


class ReleaseSection(_Section):
    """What may leave the room."""

    policy: Literal["opensafely", "ons_acro", "internal", "public_data"] = Field(
        "opensafely", description="Disclosure policy of outputs/release."
    )


class ReportSection(_Section):
    """Words that only the evaluator can supply."""

    limits: tuple[str, ...] = Field((), description="Limits to print beside the generated ones.")
    notes: tuple[str, ...] = Field((), description="Paragraphs for the methods section.")
    support: str = Field("", description="A line on where to find help, printed first and last.")
    programme_label: str = Field("Programme", description="Name of the programme arm in charts.")
    comparison_label: str = Field("Comparison", description="Name of the comparison arm in charts.")


class Plan(_Section):
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
    outcomes: tuple[Outcome, ...] = Field(description="One block per outcome.", min_length=1)
    published: tuple[PublishedFigure, ...] = Field((), description="Figures to show beside ours.")
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
            if not isinstance(outcome, BinaryOutcome):
                continue
            if self.design.unit == "dyad":
                faults.append(
                    f'the outcome "{outcome.name}" stands in cases, one value a case, so it cannot '
                    'be counted by dyad. Use unit = "person" or "enrolment".'
                )
            if outcome.column in self.comparison.covariates:
                faults.append(
                    f'the column "{outcome.column}" is an outcome, so it cannot be a covariate of '
                    "the comparison as well."
                )
        if faults:
            raise ValueError("\n".join(faults))
        return self

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


def outcome_names(outcome: BehaviourOutcome | PerceivedChangeOutcome | BinaryOutcome) -> list[str]:
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
        inner = {fault["loc"][0] for fault in faults if len(fault["loc"]) > 1}
        faults = [
            f
            for f in faults
            if f["type"] != "too_short" or len(f["loc"]) > 1 or f["loc"][0] not in inner
        ]
        sentences = [line for fault in faults for line in _sentences(file.name, fault)]
        raise PlanError("\n".join(dict.fromkeys(sentences))) from None
    folder = (plan.folder / plan.data.folder).resolve()
    data = plan.data.model_copy(update={"folder": folder})
    return plan.model_copy(update={"data": data})


def _keys(model: type[BaseModel]) -> list[str]:
    return [name for name in model.model_fields if name != "path"]


#: What would be right, by pydantic's name of the fault; ``{...}`` is filled from its context.
_WRONG: dict[str, str] = {
    "string_type": 'must be text in quotation marks, such as "exit"',
    "path_type": 'must be text in quotation marks, such as "data"',
    "float_type": "must be a number without quotation marks",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false, without quotation marks",
    "tuple_type": 'must be a list, such as ["physical", "sexual"]',
    "dict_type": 'must be a table of names, such as {{ cases = "extract.csv" }}',
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
    place = [
        part for part in fault["loc"] if part not in ("behaviour", "perceived_change", "binary")
    ]
    kinds = [part for part in fault["loc"] if part in ("behaviour", "perceived_change", "binary")]
    where = ".".join(f"[{p + 1}]" if isinstance(p, int) else str(p) for p in place)
    where = where.replace(".[", "[")
    if fault["type"] == "extra_forbidden":
        known = _keys(_model_at(place[:-1], kinds))
        return f'{file}: unknown key "{where}".{did_you_mean(str(place[-1]), known)}'
    if fault["type"] == "missing":
        return f'{file}: the key "{where}" is missing. See docs/reference/plan.md.'
    if fault["type"] == "union_tag_invalid":
        given = str(fault["ctx"]["tag"])
        known = ["behaviour", "perceived_change", "binary"]
        return f'{file}: "{where}" has no kind "{given}".{did_you_mean(given, known)}'
    if fault["type"] == "union_tag_not_found":
        return f'{file}: "{where}" needs kind = "behaviour", "perceived_change" or "binary".'
    if fault["type"] == "literal_error":
        given = str(fault["input"])
        known = [part.strip("' ") for part in str(fault["ctx"]["expected"]).split(" or ")]
        known = [name.strip("' ") for part in known for name in part.split(",")]
        return f'{file}: "{where}" cannot be "{given}".{did_you_mean(given, known)}'
    if fault["type"] == "value_error":
        message = str(fault["msg"]).removeprefix("Value error, ").removesuffix(".")
        given = f' "{fault["input"]}"' if isinstance(fault["input"], str) else ""
        return f'{file}: "{where}"{given} {message}.'
    wrong = _WRONG.get(fault["type"], "holds what a plan cannot hold; see docs/reference/plan.md")
    return f'{file}: "{where}" {wrong.format(**fault.get("ctx", {}))}.'


def _model_at(place: list[Any], kinds: list[Any]) -> type[BaseModel]:
    model: type[BaseModel] = Plan
    outcomes: dict[str, type[BaseModel]] = {
        "behaviour": BehaviourOutcome,
        "perceived_change": PerceivedChangeOutcome,
    }
    for part in place:
        if isinstance(part, int):
            continue
        if part == "outcomes":
            model = outcomes.get(kinds[0], BinaryOutcome) if kinds else BehaviourOutcome
        elif part == "published":
            model = PublishedFigure
        else:
            model = cast("type[BaseModel]", model.model_fields[str(part)].annotation)
    return model


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
        "This page is printed from the models in `src/drive_eval/plan.py`; a test keeps it true.",
        "Paths are relative to the plan's folder. An unknown key is refused by name.",
        "",
    ]
    blocks: list[tuple[str, type[BaseModel]]] = [
        (f"[{name}]", info.annotation)
        for name, info in Plan.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
    ]
    blocks[4:4] = [
        ('[[outcomes]] kind = "behaviour"', BehaviourOutcome),
        ('[[outcomes]] kind = "perceived_change"', PerceivedChangeOutcome),
        ('[[outcomes]] kind = "binary"', BinaryOutcome),
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
            lines.append(f"| `{name}` | {kind} | {default} | {info.description} |")
        lines.append("")
    lines += ["## Kinds of design", ""]
    lines += [f"- `{name}`: {meaning}." for name, meaning in DESIGN_KINDS.items()]
    return "\n".join(lines) + "\n"


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
    names = {str: "text", float: "number", bool: "true/false", Path: "path", date: "date"}
    if annotation in names:
        return names[annotation]
    parts = [_kind(part) for part in choices if part not in (type(None), Ellipsis)]
    if getattr(annotation, "__origin__", None) is tuple:
        return f"list of {parts[0]}"
    if getattr(annotation, "__origin__", None) is dict:
        return f"table of {parts[0]} to {parts[1]}"
    return " or ".join(parts) if parts else str(getattr(annotation, "__name__", annotation))
