"""The published record: every claim, recomputed, with the printed figures beside ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from drive_eval.published.claims import GRADES, claim, claim_ids
from drive_eval.published.ways import LEAST, MOST, WAYS
from drive_eval.results import Check, Provenance, ResultSet, library_versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from drive_eval.published.claims import Claim, Printed
    from drive_eval.results import Estimate

__all__ = ["claims", "overview", "pages", "recompute", "to_json", "told", "verdict"]

_START = "it is what the source gives, not a result."


def claims() -> tuple[Claim, ...]:
    """Which published figures on programmes for perpetrators does the package know?

    Returns
    -------
    tuple of Claim
        In alphabetical order of ``id``. Each has ``title``, ``study``, ``grade`` (A: counts are
        public; B: an estimate with its interval, or percentages that pin one; C: a percentage
        only), ``source``, ``counts`` (what it counts), ``printed`` and ``unknown``.

    Examples
    --------
    >>> physical = next(c for c in claims() if c.id == "drive_physical")
    >>> physical.grade, physical.printed[0].value
    ('C', 82.0)
    """
    return tuple(claim(name) for name in claim_ids())


def recompute(claim_id: str) -> ResultSet:
    """What does a published figure come to, with the uncertainty that it was printed without?

    Parameters
    ----------
    claim_id : str
        The ``id`` of a claim; `claims` lists them.

    Returns
    -------
    ResultSet
        Estimates from the public counts where there are any. Where only a percentage is
        public: one estimate for each of several possible numbers of people, with the widest
        interval over every way in which those before and those after may overlap. Each printed
        figure is a Check ``printed`` (``statistic`` ours, ``threshold`` as printed; passed is
        None where nothing can be held to it); Checks ``sentence`` and ``in_words`` say the
        result, the second in relative per cent against percentage points or as a reduction
        against an increase; ``unknown`` says what is not public.

    Raises
    ------
    DataError
        If there is no such claim; the message names the nearest.

    Notes
    -----
    **Assumptions.** What the source prints is right. People are independent of each other.
    Printed figures are rounded to the nearest.

    A figure is reached if ours lies within half a unit of its last printed place, or if the
    printed inputs (percentages, limits), which are rounded themselves, leave a range that
    includes such a value.

    Examples
    --------
    >>> found = recompute("drive_physical")
    >>> for e in found.estimates:
    ...     print(f"{e.subgroup}: {e.estimate:.0f} % ({e.conf_low:.0f} to {e.conf_high:.0f})")
    if 50 used it at intake: 82 % (64 to 91)
    if 100 used it at intake: 82 % (70 to 89)
    if 300 used it at intake: 82 % (76 to 87)
    """
    found = claim(claim_id)
    parts = [WAYS[type(way)](found, way) for way in found.recompute]
    estimates = tuple(e for part in parts for e in part.estimates)
    checks = (
        *(_beside(found, printed, estimates) for printed in found.printed),
        *dict.fromkeys(c for part in parts for c in part.checks),
        *(Check(name="unknown", text=text) for text in found.unknown),
        *(Check(name="note", text=text) for text in found.notes),
    )
    return ResultSet(
        estimates=estimates,
        checks=checks,
        assumptions=tuple(dict.fromkeys(a for part in parts for a in part.assumptions)),
        provenance=Provenance(
            call=f'recompute("{claim_id}")',
            inputs={"source": found.source.url},
            versions=library_versions(),
        ),
    )


def verdict(result: ResultSet) -> str:
    """Say in a few words how the printed figures of one claim fared.

    Examples
    --------
    >>> verdict(recompute("drive_physical"))
    'interval only: counts are not public'
    >>> verdict(recompute("cara_harm"))
    'reached, 4 of 5'
    """
    held = [c.passed for c in result.checks if c.name == "printed" and c.passed is not None]
    impossible = any(c.passed is False for c in result.checks if c.name == "denominator")
    if held:
        reached, of = sum(held), len(held)
        text = f"reached, {reached} of {of}" if reached else "not reached"
        if reached == of:
            text = f"reached, all {of}" if of > 1 else "reached"
        return f"{text}; the stated denominator is impossible" if impossible else text
    known = [e for e in result.estimates if e.conf_low is not None]
    if any(e.subgroup.startswith("if ") for e in known):
        return "interval only: counts are not public"
    if known:
        return "interval added: none is printed"
    if any(e.measure != "sum" for e in result.estimates):
        return "arithmetic only: no counts are public"
    if any(c.name == "printed" and c.text.endswith(_START) for c in result.checks):
        return "a count: nothing to recompute"
    return "cannot be recomputed: no counts are public"


def overview(results: Mapping[str, ResultSet]) -> pd.DataFrame:
    """Return one row a claim: claim, grade, study, title, verdict, url."""
    import pandas as pd

    rows = [
        {
            "claim": name,
            "grade": claim(name).grade,
            "study": claim(name).study,
            "title": claim(name).title,
            "verdict": verdict(result),
            "url": claim(name).source.url,
        }
        for name, result in results.items()
    ]
    return pd.DataFrame(rows)


def pages() -> tuple[dict[str, Any], ...]:
    """Return every claim with its verdict and its result, as plain data for the report."""
    found = ((known, recompute(known.id)) for known in claims())
    return tuple(
        {"claim": known.model_dump(), "verdict": verdict(result), "result": result}
        for known, result in found
    )


def to_json(results: Mapping[str, ResultSet]) -> str:
    """Return claims and what they come to as JSON text, by the name of the claim."""
    body = {
        name: {
            "claim": claim(name).model_dump(),
            "verdict": verdict(result),
            "result": result.to_json_dict(),
        }
        for name, result in results.items()
    }
    return json.dumps(body, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def told(found: Claim, result: ResultSet) -> str:
    """Return one claim as text: what it is, printed against ours, intervals, what is unknown."""
    source, counted = found.source, found.counts
    lines = [
        f"{found.study}: {found.title}",
        f"Grade {found.grade}: {GRADES[found.grade]}",
        f"Verdict: {verdict(result)}",
        "",
        f"Source:     {source.citation}{f' ({source.page})' if source.page else ''}",
        f"            {source.url}",
        *([f"            {source.note}"] if source.note else []),
        f"Counts:     {counted.measure}",
        f"Unit:       {counted.unit}; reporter: {counted.reporter}",
        f"Time:       {counted.time}",
        f"Comparison: {counted.comparison}",
    ]
    for heading, names in (
        ("Printed, and ours", ("printed",)),
        ("Denominators", ("denominator",)),
        ("What it comes to", ("sentence", "clustered", "nobody_after")),
        ("In words", ("in_words",)),
        ("What is not public", ("unknown",)),
        ("Besides", ("note",)),
    ):
        said = [c for c in result.checks if c.name in names]
        if said:
            lines += ["", heading]
            lines += [f"  {_MARKS[c.passed]} {c.text}" for c in said]
    return "\n".join(lines)


_MARKS = {True: "+", False: "x", None: "-"}


def _beside(found: Claim, printed: Printed, estimates: tuple[Estimate, ...]) -> Check:
    """Set one printed figure beside ours."""
    shown = f'"{printed.words}"' if printed.words else _shown(printed)
    what = f"{printed.what}: printed {shown}"
    labels: dict[str, Any] = {"name": "printed", "threshold": printed.value, "outcome": found.id}
    if printed.given:
        return Check(**labels, text=f"{what}; {_START}")
    if not printed.measure:
        passed = False if printed.reason and found.grade != "C" else None
        text = f"not reached: {printed.reason}" if printed.reason else "nothing to hold it to."
        return Check(**labels, passed=passed, text=f"{what}; {text}")
    ours, least, most = _ours(printed, estimates)
    half = 0.5 * 10.0**-printed.decimals + 1e-9
    reached = least - half <= printed.value <= most + half
    text = f"{what}; ours {ours:,.{printed.decimals + 2}f}{printed.suffix}".replace("-", "−")
    if reached and abs(ours - printed.value) <= half:
        text += ": reached to the printed digits."
    elif reached:
        text += (
            f": reached within rounding (the printed inputs leave {least:.{printed.decimals + 1}f} "
            f"to {most:.{printed.decimals + 1}f})."
        )
    else:
        gap = f"{ours - printed.value:+.{printed.decimals + 2}f}".replace("-", "−")
        text += f": not reached, {gap}{printed.suffix}. {printed.reason}".rstrip()
    return Check(**labels, passed=reached, statistic=ours, text=text)


def _shown(printed: Printed) -> str:
    return f"{printed.value:,.{printed.decimals}f}{printed.suffix}".replace("-", "−")


def _ours(printed: Printed, estimates: tuple[Estimate, ...]) -> tuple[float, float, float]:
    """Return our figure in the units that were printed, and the range that rounding leaves it."""
    asked = {
        name: value
        for name in ("outcome", "group", "term")
        if (value := getattr(printed, name)) is not None
    }
    pool = ResultSet(estimates=estimates)

    def one(subgroup: str) -> float:
        found = pool.one(measure=printed.measure, subgroup=subgroup, **asked)
        return float(printed.factor * getattr(found, printed.field))

    ours = one(printed.subgroup)
    subgroups = {e.subgroup for e in estimates if e.measure == printed.measure}
    if LEAST in subgroups and printed.field == "estimate" and not printed.subgroup:
        least, most = sorted((one(LEAST), one(MOST)))
        return ours, least, most
    return ours, ours, ours
