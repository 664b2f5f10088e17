"""The currency that every room speaks: estimates, checks, count tables and whole evaluations.

Everything here is frozen, holds its numbers unrounded, and draws nothing.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import itertools
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from drive_eval.errors import ResultError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from drive_eval.vocabulary import Claim

__all__ = [
    "NOT_SHOWN",
    "RATIO_MEASURES",
    "Cell",
    "CellStatus",
    "Check",
    "CountTable",
    "Curve",
    "Estimate",
    "Evaluation",
    "Provenance",
    "ResultSet",
    "library_versions",
]

#: Ratio measures and what a percentage reduction made from them is a reduction *of*.
RATIO_MEASURES: dict[str, str] = {
    "risk_ratio": "users",
    "rate_ratio": "rate",
    "hazard_ratio": "hazard",
    "ratio_of_ratios": "ratio",
}
#: The method of an estimate that may not be shown, so that it is not taken for undefined.
NOT_SHOWN = "not shown: too few people, or it would give a hidden count back"
_TOLERANCE = 1e-12
_CLAIMS = ("descriptive", "associational", "causal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One number with its uncertainty and everything needed to say what it is.

    Attributes
    ----------
    outcome : str
        What was measured, e.g. ``"physical"``.
    measure : str
        The quantity, e.g. ``"risk_ratio"``, ``"risk_difference"``, ``"percent_reduction"``.
    term : str
        The model term, or what a percentage reduction is a reduction of.
    contrast : str
        What is set against what, e.g. ``"exit v intake"``.
    group : str
        The arm or group that the number describes; empty for a contrast of arms.
    time, time_unit : float or None, str
        When the number holds, for measures that depend on time.
    unit : str
        What one count is: ``"person"``, ``"enrolment"`` or ``"dyad"``.
    reporter, threshold, subgroup : str
        Who reported, from which severity on a behaviour counts, and among whom.
    claim : {'descriptive', 'associational', 'causal'}
        The strongest sentence that the design allows.
    estimate : float or None
        The point; None when it does not exist or may not be released (a Check says why).
    std_error : float or None
        Standard error; on the log scale for every ratio measure.
    conf_low, conf_high : float or None
        The limits; None when they cannot be computed (a Check says why).
    conf_level : float
        Coverage of the interval, between 0 and 1.
    p_value : float or None
        Two-sided.
    n, n_events : int or None
        People, and people with the outcome, in the group or after.
    n_reference, n_events_reference : int or None
        The same in the reference group or before.
    method : str
        The interval and the test, by name.

    Raises
    ------
    ResultError
        If the estimate lies outside its interval, or the interval is upside down.

    Examples
    --------
    >>> ratio = Estimate(outcome="physical", measure="risk_ratio", estimate=0.25,
    ...                  conf_low=0.1, conf_high=0.5)
    >>> ratio.percent_reduction().estimate
    75.0
    """

    outcome: str = ""
    measure: str
    term: str = ""
    contrast: str = ""
    group: str = ""
    time: float | None = None
    time_unit: str = ""
    unit: str = ""
    reporter: str = ""
    threshold: str = ""
    subgroup: str = ""
    claim: Claim = "descriptive"
    estimate: float | None
    std_error: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    conf_level: float = 0.95
    p_value: float | None = None
    n: int | None = None
    n_events: int | None = None
    n_reference: int | None = None
    n_events_reference: int | None = None
    method: str = ""

    def __post_init__(self) -> None:
        if self.claim not in _CLAIMS:
            raise ResultError(f'"{self.claim}" is no claim.{did_you_mean(self.claim, _CLAIMS)}')
        if not 0 < self.conf_level < 1:
            raise ResultError(f"conf_level must lie between 0 and 1, but is {self.conf_level}.")
        for name in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
            value = getattr(self, name)
            if value is None:
                continue
            number = float(value)
            if math.isnan(number):
                raise ResultError(
                    f"{self.measure} of {self.outcome or 'this outcome'}: {name} is not a number; "
                    "a value that does not exist is None, with a Check that says why."
                )
            object.__setattr__(self, name, number)
        low, high, point = self.conf_low, self.conf_high, self.estimate
        if low is not None and high is not None and low > high + _slack(low, high):
            raise ResultError(f"{self.measure}: conf_low {low} lies above conf_high {high}.")
        if point is None:
            return
        if low is not None and point < low - _slack(low, point):
            raise ResultError(f"{self.measure}: estimate {point} lies below conf_low {low}.")
        if high is not None and point > high + _slack(high, point):
            raise ResultError(f"{self.measure}: estimate {point} lies above conf_high {high}.")

    def percent_reduction(self) -> Estimate:
        """Turn a ratio into a percentage reduction: positive means less abuse, at most 100.

        Returns
        -------
        Estimate
            ``measure`` is ``percent_reduction``, in percent; the bounds change places.
            ``term`` says what it is a reduction of (users, rate, hazard). ``std_error`` is
            in percentage points, by the delta method.

        Raises
        ------
        ResultError
            For anything but a ratio of risks, rates or hazards; never from an odds ratio.
        """
        if self.measure not in RATIO_MEASURES:
            raise ResultError(
                f"a percentage reduction comes from {', '.join(RATIO_MEASURES)}, "
                f"not from {self.measure}."
            )
        of = RATIO_MEASURES[self.measure]
        spread = None
        if self.std_error is not None and self.estimate:
            spread = 100 * self.estimate * self.std_error
        return dataclasses.replace(
            self,
            measure="percent_reduction",
            term=of if not self.term else f"{self.term} ({of})",
            estimate=_reduction(self.estimate),
            conf_low=_reduction(self.conf_high),
            conf_high=_reduction(self.conf_low),
            std_error=spread,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, in the fixed order of the result table."""
        return {name: getattr(self, name) for name in ESTIMATE_COLUMNS}


ESTIMATE_COLUMNS: tuple[str, ...] = tuple(f.name for f in dataclasses.fields(Estimate))


def _slack(*values: float) -> float:
    finite = [abs(value) for value in values if math.isfinite(value)]
    return _TOLERANCE * max([1.0, *finite])


def _reduction(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * (1 - ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Something that was looked at, and whether it held.

    Attributes
    ----------
    name : str
        Stable name, e.g. ``"bhapkar"``.
    passed : bool or None
        None when the check informs and judges nothing.
    statistic, threshold : float or None
        The number looked at and the limit it was held to.
    df, p_value : float or None
        Degrees of freedom and two-sided p, for tests.
    outcome, group : str
        What the check belongs to; empty for the whole.
    text : str
        One sentence for a reader.
    """

    name: str
    passed: bool | None = None
    statistic: float | None = None
    threshold: float | None = None
    df: float | None = None
    p_value: float | None = None
    outcome: str = ""
    group: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        for name in ("statistic", "threshold", "df", "p_value"):
            value = getattr(self, name)
            if value is not None and math.isnan(float(value)):
                raise ResultError(f"Check {self.name}: {name} is not a number; use None.")


CellStatus = Literal["exact", "rounded", "suppressed", "secondary", "withheld"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One line of a count table.

    Attributes
    ----------
    key : tuple of str
        One value per dimension of the table.
    count : int or None
        How many; None when it may not be shown.
    parts : tuple of int
        For a total, the positions of the atoms it is the sum of; empty for an atom.
    shown : bool
        False for an atom that only carries the structure of the table.
    status : {'exact', 'rounded', 'suppressed', 'secondary', 'withheld'}
        What disclosure control did: ``suppressed`` because the count is small,
        ``secondary`` because it would give a small count back, ``withheld`` because the
        line is never shown.
    people : int or None
        How many different perpetrators, or victim-survivors if they are fewer, stand behind the
        count; None when as many as it says, and in every released table.
    """

    key: tuple[str, ...]
    count: int | None
    parts: tuple[int, ...] = ()
    shown: bool = True
    status: CellStatus = "exact"
    people: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountTable:
    """Counts with their margins, in a form that disclosure control can reason about.

    Every line is an atom or the sum of atoms, so that whoever guards the table knows which
    published numbers determine which hidden ones.

    Attributes
    ----------
    name, title : str
        Stable name, and a heading for a reader.
    unit : str
        What one count is, e.g. ``"perpetrators"``.
    dimensions : tuple of str
        Names of the parts of each key.
    cells : tuple of Cell
        Atoms first or mixed with totals; ``parts`` refer to positions in this tuple.
    policy : str
        The disclosure policy that made it; empty for exact counts.
    note : str
        A sentence beneath the table.

    Raises
    ------
    ResultError
        If a total is not the sum of its parts, a key is repeated or has the wrong length.

    Examples
    --------
    >>> table = CountTable.from_counts(name="arms", title="Arms", unit="perpetrators",
    ...     dimensions=("group",), counts={("programme",): 20, ("comparison",): 30},
    ...     totals={("all",): [("programme",), ("comparison",)]})
    >>> table["all"]
    50
    """

    name: str
    title: str
    unit: str
    dimensions: tuple[str, ...]
    cells: tuple[Cell, ...]
    policy: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        seen: set[tuple[str, ...]] = set()
        for cell in self.cells:
            if len(cell.key) != len(self.dimensions):
                raise ResultError(
                    f"table {self.name}: a key has {len(cell.key)} parts, "
                    f"but there are {len(self.dimensions)} dimensions."
                )
            if cell.key in seen:
                raise ResultError(f"table {self.name}: the key {cell.key} stands twice.")
            seen.add(cell.key)
            if cell.count is not None and cell.count < 0:
                raise ResultError(f"table {self.name}: the count of {cell.key} is below 0.")
            if any(self.cells[part].parts for part in cell.parts):
                raise ResultError(f"table {self.name}: {cell.key} is a total of totals.")
            if cell.parts and cell.status == "exact":
                parts = [self.cells[part].count for part in cell.parts]
                if None not in parts and sum(p for p in parts if p is not None) != cell.count:
                    raise ResultError(f"table {self.name}: {cell.key} is not its parts' sum.")

    @classmethod
    def from_counts(
        cls,
        *,
        name: str,
        title: str,
        unit: str,
        dimensions: Sequence[str],
        counts: Mapping[tuple[str, ...], int],
        totals: Mapping[tuple[str, ...], Sequence[tuple[str, ...]]] | None = None,
        hidden: Iterable[tuple[str, ...]] = (),
        people: Mapping[tuple[str, ...], int] | None = None,
        note: str = "",
    ) -> CountTable:
        """Build a table from its atoms and from the atoms that each total adds up.

        Parameters
        ----------
        name, title, unit, dimensions, note
            As the attributes.
        counts : mapping of key to int
            The atoms: disjoint sets of units.
        totals : mapping of key to sequence of keys, optional
            For each total, the atoms in it.
        hidden : iterable of key
            Atoms that carry the structure and are never shown.
        people : mapping of key to int, optional
            Lines with fewer people behind them than their count, and how many.
        """
        behind = people or {}
        position = {key: index for index, key in enumerate(counts)}
        unseen = set(hidden)
        cells = [
            Cell(key=key, count=int(count), shown=key not in unseen, people=behind.get(key))
            for key, count in counts.items()
        ]
        for key, parts in (totals or {}).items():
            members = tuple(position[part] for part in parts)
            total = sum(int(counts[part]) for part in parts)
            cells.append(Cell(key=key, count=total, parts=members, people=behind.get(key)))
        return cls(
            name=name,
            title=title,
            unit=unit,
            dimensions=tuple(dimensions),
            cells=tuple(cells),
            note=note,
        )

    def __getitem__(self, key: str | tuple[str, ...]) -> int | None:
        return self.cell(key).count

    def cell(self, key: str | tuple[str, ...]) -> Cell:
        """Return one line by its key.

        Raises
        ------
        ResultError
            If there is no such line; the message lists the nearest.
        """
        wanted = (key,) if isinstance(key, str) else tuple(key)
        for cell in self.cells:
            if cell.key == wanted:
                return cell
        known = [" / ".join(cell.key) for cell in self.cells]
        raise ResultError(
            f"table {self.name} has no line {' / '.join(wanted)}."
            f"{did_you_mean(' / '.join(wanted), known)}"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the shown lines: one column per dimension, ``count`` (nullable), ``status``."""
        import pandas as pd

        rows = [[*cell.key, cell.count, cell.status] for cell in self.cells if cell.shown]
        frame = pd.DataFrame(rows, columns=[*self.dimensions, "count", "status"])
        frame["count"] = frame["count"].astype("Int64")
        return frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A quantity over time, with who was still being followed beneath it.

    The estimate is a step function: it holds from one time up to the next.

    Attributes
    ----------
    name, title : str
        Stable name, and a heading for a reader.
    outcome, measure, group, unit : str
        As in `Estimate`; the measure is ``"event_free"``, ``"cumulative_incidence"``,
        ``"mean_cumulative_count"`` or ``"monthly_rate"``.
    term : str
        The cause, where there are several.
    times : tuple of float
        In rising order, in ``time_unit``; the first is where following began.
    estimate, conf_low, conf_high : tuple of float or None
        One value a time.
    at_risk, events, censored : tuple of int or float or None
        Followed just before each time; events at it; lost to following since the time before.
        Weighted curves have weighted numbers. None where a number may not be shown.
    time_unit : {'days', 'weeks', 'months'}
    conf_level : float, between 0 and 1
    policy : str
        The disclosure policy that made it; empty for exact steps.
    method, note : str
        How it was made, and a sentence beneath it.

    Raises
    ------
    ResultError
        If the lengths differ, or the times do not rise.
    """

    name: str
    title: str
    measure: str
    times: tuple[float, ...]
    estimate: tuple[float | None, ...]
    conf_low: tuple[float | None, ...]
    conf_high: tuple[float | None, ...]
    at_risk: tuple[float | None, ...]
    events: tuple[float | None, ...]
    censored: tuple[float | None, ...]
    time_unit: str
    outcome: str = ""
    group: str = ""
    term: str = ""
    unit: str = ""
    conf_level: float = 0.95
    policy: str = ""
    method: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for name in _CURVE_COLUMNS[1:]:
            if len(getattr(self, name)) != len(self.times):
                raise ResultError(
                    f"curve {self.name}: {name} has {len(getattr(self, name))} values for "
                    f"{len(self.times)} times."
                )
        if any(b <= a for a, b in itertools.pairwise(self.times)):
            raise ResultError(f"curve {self.name}: the times do not rise.")

    def to_frame(self) -> pd.DataFrame:
        """Return one row per time."""
        import pandas as pd

        rows = {name: list(getattr(self, name)) for name in _CURVE_COLUMNS}
        return pd.DataFrame({"group": self.group, "term": self.term, **rows})


_CURVE_COLUMNS = ("times", "estimate", "conf_low", "conf_high", "at_risk", "events", "censored")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a result came from: the call, the inputs' hashes, the versions, the seed."""

    call: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that numbers depend on."""
    names = ("drive_eval", "numpy", "scipy", "pandas", "statsmodels", "formulaic")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSet:
    """What one model found: estimates, checks, tables and the assumptions they rest on.

    Attributes
    ----------
    estimates : tuple of Estimate
    checks : tuple of Check
    tables : tuple of CountTable
    curves : tuple of Curve
    assumptions : tuple of str
        Sentences for a reader.
    provenance : Provenance
    native : object
        The library's own result, untouched; not saved.
    """

    estimates: tuple[Estimate, ...] = ()
    checks: tuple[Check, ...] = ()
    tables: tuple[CountTable, ...] = ()
    curves: tuple[Curve, ...] = ()
    assumptions: tuple[str, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)
    native: Any = field(default=None, compare=False, repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per estimate, always the same columns in the same order."""
        import pandas as pd

        rows = [estimate.to_dict() for estimate in self.estimates]
        frame = pd.DataFrame(rows, columns=list(ESTIMATE_COLUMNS))
        for name in ("n", "n_events", "n_reference", "n_events_reference"):
            frame[name] = frame[name].astype("Int64")
        for name in ("time", "estimate", "std_error", "conf_low", "conf_high", "p_value"):
            frame[name] = frame[name].astype("float64")
        return frame

    def one(self, **wanted: Any) -> Estimate:
        """Return the one estimate with these field values.

        Parameters
        ----------
        **wanted
            Any fields of an Estimate, e.g. ``measure="risk_ratio", group="programme"``.

        Raises
        ------
        ResultError
            If none or several fit; the message lists the choices.
        """
        for name in wanted:
            if name not in ESTIMATE_COLUMNS:
                raise ResultError(
                    f'an estimate has no field "{name}".{did_you_mean(name, ESTIMATE_COLUMNS)}'
                )
        found = [e for e in self.estimates if all(getattr(e, k) == v for k, v in wanted.items())]
        if len(found) == 1:
            return found[0]
        pool = found or self.estimates
        asked = ", ".join(f"{name}={value!r}" for name, value in wanted.items()) or "everything"
        fields = (
            "measure",
            "outcome",
            "term",
            "group",
            "time",
            "reporter",
            "threshold",
            "subgroup",
        )
        choices = []
        for name in fields:
            values = list(dict.fromkeys(getattr(e, name) for e in pool))
            if len(values) > 1 or (not found and values and values != [""]):
                choices.append(f"{name}: {', '.join(repr(v) for v in values)}")
        count = "no estimate has" if not found else f"{len(found)} estimates have"
        raise ResultError(f"{count} {asked}. Choices: {'; '.join(choices) or 'none'}.")

    def check(self, name: str) -> Check:
        """Return the one check of this name.

        Raises
        ------
        ResultError
            If none or several have it; the message lists the names.
        """
        found = [check for check in self.checks if check.name == name]
        if len(found) == 1:
            return found[0]
        known = list(dict.fromkeys(check.name for check in self.checks))
        count = "no check is" if not found else f"{len(found)} checks are"
        raise ResultError(f'{count} called "{name}".{did_you_mean(name, known)}')

    def table(self, name: str) -> CountTable:
        """Return the one table of this name.

        Raises
        ------
        ResultError
            If none has it; the message lists the names.
        """
        for table in self.tables:
            if table.name == name:
                return table
        raise ResultError(
            f'no table is called "{name}".{did_you_mean(name, [t.name for t in self.tables])}'
        )

    def curve(self, name: str, *, group: str = "", term: str = "") -> Curve:
        """Return the one curve of this name, group and term.

        Raises
        ------
        ResultError
            If none has them; the message lists the curves.
        """
        known = [(c.name, c.group, c.term) for c in self.curves]
        for curve in self.curves:
            if (curve.name, curve.group, curve.term) == (name, group, term):
                return curve
        said = "; ".join(" / ".join(part for part in parts if part) for parts in known)
        raise ResultError(f"no curve {name} {group} {term}. Choices: {said or 'none'}.")

    def summary(self) -> str:
        """Return a plain-text table of the estimates, then the checks, one line each."""
        lines = []
        for e in self.estimates:
            when = "" if e.time is None else f"at {e.time:g} {e.time_unit}".rstrip()
            named = (e.outcome, e.group, e.measure, e.term, e.subgroup, when)
            label = " ".join(x for x in named if x)
            lines.append(f"{label}: {_interval_text(e)}")
        for check in self.checks:
            mark = {True: "ok", False: "FAILED", None: "note"}[check.passed]
            lines.append(f"[{mark}] {check.name}: {check.text}")
        lines += [f"Assumes: {text}" for text in self.assumptions]
        return "\n".join(lines)

    def to_json_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; infinite values become null with a reason beside them."""
        return {
            "estimates": [_to_json(e) for e in self.estimates],
            "checks": [_to_json(c) for c in self.checks],
            "tables": [_to_json(t) for t in self.tables],
            "curves": [_to_json(c) for c in self.curves],
            "assumptions": list(self.assumptions),
            "provenance": _to_json(self.provenance),
        }

    @classmethod
    def from_json_dict(cls, data: Mapping[str, Any]) -> ResultSet:
        """Read what `to_json_dict` wrote."""
        return cls(
            estimates=tuple(Estimate(**_from_json(e)) for e in data["estimates"]),
            checks=tuple(Check(**_from_json(c)) for c in data["checks"]),
            tables=tuple(_table_from_json(t) for t in data["tables"]),
            curves=tuple(_curve_from_json(c) for c in data.get("curves", ())),
            assumptions=tuple(data["assumptions"]),
            provenance=Provenance(**data["provenance"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Everything one plan found on one study.

    Attributes
    ----------
    plan : mapping
        The plan as plain data, so that the evaluation can be read without its files.
    plan_hash : str
        SHA-256 of the plan.
    results : mapping of str to ResultSet
        By outcome name; contrasts of arms stand in the same ResultSet as the arms.
    tables : tuple of CountTable
        Flow, missingness and other counts that belong to no single outcome.
    checks : tuple of Check
    provenance : Provenance
    policy : str
        The disclosure policy under which it may be released; empty while restricted.
    """

    plan: Mapping[str, Any]
    plan_hash: str
    results: Mapping[str, ResultSet]
    tables: tuple[CountTable, ...] = ()
    checks: tuple[Check, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)
    policy: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return all estimates of all outcomes as one table."""
        return self.all_estimates().to_frame()

    def all_estimates(self) -> ResultSet:
        """Return the estimates of every outcome as one ResultSet, for `one` and `to_frame`."""
        return ResultSet(estimates=tuple(e for r in self.results.values() for e in r.estimates))

    def table(self, name: str) -> CountTable:
        """Return the one table of this name."""
        return ResultSet(tables=self.tables).table(name)

    def to_json(self) -> str:
        """Return the evaluation as JSON text with stable key order."""
        body = {
            "format": "drive_eval evaluation 1",
            "plan": dict(self.plan),
            "plan_hash": self.plan_hash,
            "policy": self.policy,
            "results": {name: r.to_json_dict() for name, r in self.results.items()},
            "tables": [_to_json(t) for t in self.tables],
            "checks": [_to_json(c) for c in self.checks],
            "provenance": _to_json(self.provenance),
        }
        return json.dumps(body, indent=1, allow_nan=False, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Read what `to_json` wrote.

        Raises
        ------
        ResultError
            If the text is not an evaluation.
        """
        try:
            body = json.loads(text)
            if body["format"] != "drive_eval evaluation 1":
                raise KeyError("format")  # noqa: TRY301
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ResultError(
                "this is not a results file written by drive_eval (format "
                '"drive_eval evaluation 1"). Give the results.json of an outputs folder.'
            ) from error
        return cls(
            plan=body["plan"],
            plan_hash=body["plan_hash"],
            results={n: ResultSet.from_json_dict(r) for n, r in body["results"].items()},
            tables=tuple(_table_from_json(t) for t in body["tables"]),
            checks=tuple(Check(**_from_json(c)) for c in body["checks"]),
            provenance=Provenance(**body["provenance"]),
            policy=body["policy"],
        )


def _interval_text(e: Estimate) -> str:
    if e.estimate is None:
        return "not defined or not released (see checks)"
    text = f"{e.estimate:.4g}"
    if e.conf_low is not None and e.conf_high is not None:
        text += f" ({100 * e.conf_level:g}% CI {e.conf_low:.4g} to {e.conf_high:.4g})"
    if e.p_value is not None:
        text += f", p {e.p_value:.3g}"
    return f"{text}, n {e.n}" if e.n is not None else text


def _to_json(item: Any) -> dict[str, Any]:
    """Turn a result into plain data; an infinite number is null, and `reasons` says so."""
    data = dataclasses.asdict(item)
    for cell in data.get("cells", ()):
        if cell["people"] is None:  # as nearly always
            del cell["people"]
    reasons = {}
    for name, value in data.items():
        if isinstance(value, float) and math.isinf(value):
            data[name] = None
            reasons[name] = "infinite" if value > 0 else "minus infinite"
    if isinstance(item, Estimate):
        for name in ("estimate", "conf_low", "conf_high"):
            if data[name] is None and name not in reasons:
                reasons[name] = "not defined, not computed or not released; see checks"
    if reasons:
        data["reasons"] = reasons
    return data


def _from_json(data: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in data.items() if name != "reasons"}
    for name, reason in data.get("reasons", {}).items():
        if reason in ("infinite", "minus infinite"):
            plain[name] = math.inf if reason == "infinite" else -math.inf
    return plain


def _table_from_json(data: Mapping[str, Any]) -> CountTable:
    cells = tuple(
        Cell(**{**cell, "key": tuple(cell["key"]), "parts": tuple(cell["parts"])})
        for cell in data["cells"]
    )
    plain = {**data, "cells": cells, "dimensions": tuple(data["dimensions"])}
    return CountTable(**plain)


def _curve_from_json(data: Mapping[str, Any]) -> Curve:
    plain: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in _from_json(data).items()
    }
    return Curve(**plain)
