"""An outcome followed over time: what the plan asked of it, and what was found.

No number is formed here; everything is looked up in a released result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drive_eval.report.numbers import number
from drive_eval.report.sentences import CRUDE, group_phrase, main_design
from drive_eval.results import NOT_SHOWN
from drive_eval.vocabulary import ARMS, label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drive_eval.report.sentences import Verdict
    from drive_eval.results import CountTable, Curve, Estimate, Evaluation, ResultSet

__all__ = [
    "CAUSE_WORDS",
    "KINDS",
    "Followed",
    "arm_curves",
    "arms_of",
    "causes_of",
    "duration",
    "ending_words",
    "followed_outcome",
    "has_measure",
    "not_followed_sentence",
    "shown_term",
    "table_of",
    "value_at",
    "verdict_over_time",
]

#: Kinds of outcome that are followed over time.
KINDS = ("time_to_event", "reoffending")
#: What may happen first, in the words of a chart; {event} is the outcome's.
CAUSE_WORDS = {
    "reoffence": "{event}",
    "custody": "custody, before any {event}",
    "death": "death, before any {event}",
}
_ENDING_WORDS = {
    "event": "First {event}",
    "custody": "In custody when following ended, without it",
    "death": "Died without it",
    "moved": "Moved away without it",
    "end": "Followed to the end without it",
    "not followed": "Not followed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """An outcome followed over time: what the plan asked, in words, and what was found.

    Attributes
    ----------
    name : str
    plan : mapping
        Its block of the plan.
    title : str
        With a capital letter, as a heading: ``"First re-arrest"``.
    event : str
        In a sentence, without "first": ``"re-arrest"``.
    unit : {'days', 'weeks', 'months'}
    horizon : float
    times : tuple of float
        In rising order; the horizon is the last.
    term : str
        The main design; empty for a comparison without designs.
    result : ResultSet
    """

    name: str
    plan: Mapping[str, Any]
    title: str
    event: str
    unit: str
    horizon: float
    times: tuple[float, ...]
    term: str
    result: ResultSet

    @property
    def at_liberty(self) -> bool:
        """Whether nobody in custody is at risk; not where there is no table of custody."""
        cut_out = self.plan.get("custody_as") in ("gap", "competing")
        return cut_out and not any(check.name == "custody" for check in self.result.checks)


def followed_outcome(evaluation: Evaluation, name: str) -> Followed:
    """Return one outcome over time with its words."""
    blocks = evaluation.plan["outcomes"]
    plan = next(o for o in blocks if o["kind"] in KINDS and o["name"] == name)
    title = plan.get("label") or label(name)
    event = title
    if title.lower().startswith("first ") and len(title) > len("first "):
        event = title[len("first ") :]
    if not event[1:2].isupper():
        event = event[:1].lower() + event[1:]
    result, main = evaluation.results[name], main_design(evaluation)
    made = any(
        main and e.term == main and e.measure in ("event_free", "event_free_difference")
        for e in result.estimates
    )
    times = sorted({float(t) for t in plan.get("times") or ()} | {float(plan["horizon"])})
    return Followed(
        name=name,
        plan=plan,
        title=title,
        event=event,
        unit=plan.get("time_unit", "days"),
        horizon=float(plan["horizon"]),
        times=tuple(times),
        term=main if made else "",
        result=result,
    )


def duration(value: float, unit: str, digits: int | None = None, decimals: int = 0) -> str:
    """Return a length of time with its unit, which is singular for exactly one.

    Examples
    --------
    >>> duration(52, "weeks"), duration(1, "months"), duration(46.87, "weeks", None, 1)
    ('52 weeks', '1 month', '46.9 weeks')
    """
    text = number(value, decimals, digits) if decimals else f"{value:g}"
    return f"{text} {unit.removesuffix('s') if text == '1' else unit}"


def value_at(
    found: Followed,
    measure: str,
    *,
    group: str = "",
    term: str | None = None,
    time: float | None = None,
) -> Estimate | None:
    """Return one estimate: of an arm or, without a group, a contrast; at the horizon or earlier.

    ``term`` is the main design's unless given.
    """
    wanted = found.term if term is None else term
    at = found.horizon if time is None else time
    for e in found.result.estimates:
        if (e.measure, e.group, e.term) != (measure, group, wanted) or e.subgroup:
            continue
        if e.time is None or math.isclose(e.time, at):
            return e
    return None


def shown_term(found: Followed, measure: str) -> str:
    """Return the term under which the arms' own values are shown: the main design's, else crude.

    Released results of a design are differences, without the values of its arms.
    """
    for term in dict.fromkeys((found.term, CRUDE, "")):
        own = [value_at(found, measure, group=arm, term=term) for arm in ARMS.codes]
        if any(e is not None and e.estimate is not None for e in own):
            return term
    return found.term


def arms_of(found: Followed) -> list[str]:
    """Return the arms that there are results for, the programme first."""
    there = {e.group for e in found.result.estimates} | {c.group for c in found.result.curves}
    return [arm for arm in ARMS.codes if arm in there]


def arm_curves(found: Followed, measure: str, term: str | None = None) -> dict[str, Curve]:
    """Return the curves of a measure by arm; an arm of which nothing may be shown is not in it."""
    wanted = found.term if term is None else term
    return {
        curve.group: curve
        for arm in ARMS.codes
        for curve in found.result.curves
        if (curve.measure, curve.group, curve.term) == (measure, arm, wanted)
        and any(value is not None for value in curve.estimate)
    }


def causes_of(found: Followed) -> list[str]:
    """Return the causes of which there is a cumulative incidence, the event itself first."""
    measure = "cumulative_incidence"
    there = {e.term for e in found.result.estimates if e.measure == measure}
    there |= {curve.term for curve in found.result.curves if curve.measure == measure}
    return [cause for cause in CAUSE_WORDS if cause in there]


def has_measure(found: Followed, measure: str) -> bool:
    """Return whether a measure was worked out at all, be it shown or not."""
    return any(e.measure == measure for e in found.result.estimates) or any(
        curve.measure == measure for curve in found.result.curves
    )


def table_of(found: Followed, name: str) -> CountTable | None:
    """Return a table of counts of the outcome, such as ``followed``; None where there is none."""
    full = f"{name}:{found.name}"
    return next((table for table in found.result.tables if table.name == full), None)


def not_followed_sentence(found: Followed, labels: Mapping[str, str]) -> str:
    """Say how many are in no figure, where the counts shown make it a twentieth of an arm."""
    table = table_of(found, "followed")
    cells = {cell.key: cell.count for cell in (table.cells if table is not None else ())}
    many = False
    said = []
    for arm in arms_of(found):
        gone, whole = cells.get((arm, "not followed")), cells.get((arm, "all"))
        if gone is None or not whole:
            continue
        many = many or gone >= whole / 20
        said.append(f"{gone:,} of {whole:,} in the {group_phrase(arm, labels)}")
    if not many:
        return ""
    return f"Not followed at all, and in none of these figures: {' and '.join(said)}."


def ending_words(found: Followed, ending: str) -> str:
    """Return in words how somebody's following ended."""
    if ending == "custody" and found.plan.get("custody_as") == "competing":
        return "Taken into custody before it"  # following ends there, and is not taken up again
    return _ENDING_WORDS.get(ending, label(ending)).format(event=found.event)


def verdict_over_time(gap: Estimate | None) -> Verdict:
    """Say what the interval of a difference of the arms allows: rose is higher with the programme.

    Examples
    --------
    >>> from drive_eval.results import Estimate
    >>> verdict_over_time(Estimate(measure="event_free_difference", estimate=0.08, conf_low=-0.003,
    ...                            conf_high=0.17))
    'cannot tell'
    """
    if gap is None:
        return "absent"
    if gap.conf_low is None or gap.conf_high is None:
        return "not shown" if gap.method == NOT_SHOWN else "undefined"
    if gap.conf_high < 0:
        return "fell"
    return "rose" if gap.conf_low > 0 else "cannot tell"
