"""The headline of each chart: one message, at most twelve words, as far as the intervals allow.

What is hidden is neither counted as a fall nor as none: a headline speaks of what is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive_eval.report.drawing import TOO_FEW
from drive_eval.report.followed import (
    arm_curves,
    arms_of,
    followed_outcome,
    shown_term,
    value_at,
    verdict_over_time,
)
from drive_eval.report.sentences import (
    CRUDE,
    UNITS,
    group_phrase,
    main_design,
    out_of_100,
    threshold_words,
    verdict,
    verdict_between,
    verdict_of,
    verdict_within,
)
from drive_eval.vocabulary import ARMS, REPORTERS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.report.followed import Followed
    from drive_eval.report.sentences import Verdict
    from drive_eval.results import Evaluation

__all__ = [
    "MOST_WORDS",
    "all_of",
    "counted_headline",
    "first_headline",
    "free_headline",
    "monthly_headline",
    "pair_subtitle",
    "reductions_headline",
    "severity_headline",
    "shorter",
]

#: Longer, a headline is read twice or not at all.
MOST_WORDS = 12
KNOWN = ("fell", "rose", "cannot tell")
#: Up to this share, of those measured, few got worse.
FEW = 0.1
LEVELS = ("standard", "moderate", "high")


def shorter(*choices: str) -> str:
    """Return the first of several headlines that is short enough; the last if none is.

    Examples
    --------
    >>> shorter("Returned to prison: no clear difference", "No clear difference")
    'Returned to prison: no clear difference'
    """
    return next((text for text in choices if len(text.split()) <= MOST_WORDS), choices[-1])


def all_of(count: int) -> str:
    """Say that it is so for each of several.

    Examples
    --------
    >>> all_of(2), all_of(3)
    ('both', 'all 3')
    """
    return "both" if count == 2 else f"all {count}"


def free_headline(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> str:
    """Return the message of the event-free curve, as far as the difference's interval goes."""
    found = followed_outcome(evaluation, name)
    free = {arm: value_at(found, "event_free", group=arm) for arm in arms_of(found)}
    shown = [e.estimate for e in free.values() if e is not None and e.estimate is not None]
    kind = verdict_over_time(value_at(found, "event_free_difference"))
    stayed = f"stayed free of {found.event}"
    if kind in ("fell", "rose"):
        side = "Fewer" if kind == "fell" else "More"
        return _in_the(side, labels, stayed)
    if kind == "cannot tell":
        return shorter(
            f"No clear difference in who {stayed}",
            f"{found.title}: no clear difference",
            "No clear difference between the groups",
        )
    if not shown:
        return shorter(f"{found.title}: {TOO_FEW}", f"{found.title}: not shown", "Not shown")
    if len(free) == 1:
        return shorter(f"{out_of_100(shown[0])} of 100 {stayed}", found.title)
    if kind == "undefined":
        return shorter(f"{found.title}: no range for the difference", found.title)
    return shorter(f"{found.title}: the groups cannot be set against each other", found.title)


def _in_the(side: str, labels: Mapping[str, str], what: str) -> str:
    return shorter(
        *(f"{side} in the {who} {what}" for who in (group_phrase("programme", labels), _PLAIN)),
        f"{side} in the {_PLAIN}",
    )


_PLAIN = "programme group"


def counted_headline(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> str:
    """Return the message of the chart of mean counts."""
    found, measure = followed_outcome(evaluation, name), "mean_cumulative_count"
    term = shown_term(found, measure)
    kind = verdict_over_time(value_at(found, f"{measure}_difference", term=term))
    bare = ", with no adjustment" if term != found.term else ""
    if kind in ("fell", "rose"):
        side = "fewer" if kind == "fell" else "more"
        return shorter(
            f"{found.title}: {side} events in the {group_phrase('programme', labels)}{bare}",
            f"{found.title}: {side} events in the {_PLAIN}{bare}",
            f"{side.capitalize()} events in the {_PLAIN}{bare}",
        )
    if kind == "cannot tell":
        return shorter(
            f"{found.title}: no clear difference in the number of events",
            "No clear difference in the number of events",
        )
    if not any(arm_curves(found, measure, term).values()):
        return shorter(f"{found.title}: {TOO_FEW}", f"{found.title}: not shown", "Not shown")
    return shorter(f"{found.title}, every one counted", "How many events there were")


def first_headline(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> str:
    """Return the message of the chart of what came first: about the event itself."""
    found = followed_outcome(evaluation, name)
    gap = value_at(found, "cumulative_incidence_difference", term="reoffence")
    kind = verdict_over_time(gap)
    title = f"{found.event[:1].upper()}{found.event[1:]}"
    if kind in ("fell", "rose"):
        side = "fewer" if kind == "fell" else "more"
        who = group_phrase("programme", labels)
        return shorter(
            f"{title} came first for {side} in the {who}",
            f"{title} came first for {side} in the {_PLAIN}",
            f"It came first for {side} in the {_PLAIN}",
        )
    if kind == "cannot tell":
        return shorter(
            f"{title}: no clear difference in how often it came first",
            "No clear difference in what came first",
        )
    return shorter(f"{title}, custody or death: what came first", "What came first")


def monthly_headline(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> str:
    """Return the message of the monthly chart: in how many months the programme had fewer.

    It is said only where the change of the rate differs clearly between the groups: points alone
    differ by chance as well.
    """
    found = followed_outcome(evaluation, name)
    plain = shorter(f"{found.title} month by month, before and after the start", found.title)
    between = _rates_apart(found)
    if len(arms_of(found)) < 2 or between not in ("fell", "cannot tell"):
        return plain
    if between == "cannot tell":
        return shorter(f"{found.title}: no clear difference between the months", plain)
    curves = arm_curves(found, "monthly_rate", "")
    rates = {
        arm: {t: v for t, v in zip(c.times, c.estimate, strict=True) if t > 0 and v is not None}
        for arm, c in curves.items()
    }
    both = set.intersection(*(set(of) for of in rates.values())) if len(rates) > 1 else set()
    fewer = sum(rates["programme"][t] < rates["comparison"][t] for t in both)
    if 2 * fewer <= len(both):
        return plain
    times = "each month" if fewer == len(both) else f"{fewer} of {len(both)} months"
    if len(both) < max((len(of) for of in rates.values()), default=0):
        times += " shown"
    who = group_phrase("programme", labels)
    return shorter(
        f"Fewer in the {who} in {times} after the start",
        f"Fewer in the {_PLAIN} in {times} after the start",
        f"Fewer in the {_PLAIN} in {times} afterwards",
        plain,
    )


def _rates_apart(found: Followed) -> Verdict:
    for e in found.result.estimates:
        whole = not (e.group or e.subgroup)
        if whole and e.measure == "percent_reduction" and e.term in ("rate", f"{CRUDE} (rate)"):
            return verdict(e)
    return "absent"


def reductions_headline(evaluation: Evaluation, names: Sequence[str]) -> str:
    """Return the message of the reductions chart: how many types fell, and against whom."""
    results = [evaluation.results[name] for name in names]
    inside = [verdict_within(result, "programme") for result in results]
    between = [verdict_between(result) for result in results]
    main = main_design(evaluation)
    made = [verdict_of(result, main) for result in results if main]
    shown = [kind for kind in inside if kind in KNOWN]
    if not shown:
        hidden = "not shown" in inside
        return f"No change in the {_PLAIN} can be {'shown' if hidden else 'given'}"
    first = _fell(shown, len(inside))
    if all(kind == "absent" for kind in between):
        if set(made) - {"absent"}:
            ends = _afterwards(made, evaluation.plan["design"]["kind"])
            return shorter(*(f"{first}; {end}" for end in ends), first)
        return f"{first}; there is no comparison group"
    if not set(between) & set(KNOWN):
        return f"{first}; the groups cannot be compared here"
    better, worse = between.count("fell"), between.count("rose")
    others = [verdict_within(result, "comparison") for result in results]
    if better == len(inside) == inside.count("fell") == others.count("fell"):
        every = "All types of abuse" if better > 1 else "This abuse"
        return f"{every} fell, by more than in the comparison group"
    if better and worse:
        ends = (f"against the comparison {better} better, {worse} worse",)
        ends += (f"compared, {better} better and {worse} worse",)
    elif better or worse:
        side = "better" if better else "worse"
        ends = (f"{better or worse} did {side} than the comparison group",)
        ends += (f"{better or worse} {side} than the comparison group",)
        if len(inside) == 1:
            ends = (f"{side} than in the comparison group",)
    else:
        ends = ("no clear difference between the groups",)
    return shorter(*(f"{first}; {end}" for end in ends), first)


def _fell(shown: Sequence[Verdict], every: int) -> str:
    """Say how many of the types that are shown fell or rose.

    Examples
    --------
    >>> _fell(["fell"] * 3, 4), _fell(["fell", "cannot tell"], 2), _fell(["cannot tell"], 1)
    ('All 3 types shown fell', '1 of 2 types fell', 'No clear change')
    """
    fell, rose, of = shown.count("fell"), shown.count("rose"), len(shown)
    kinds = "types" if of == every else "types shown"
    if every == 1:
        said = {"fell": "This abuse fell", "rose": "This abuse rose"}
        return said.get(shown[0], "No clear change")
    if fell and rose:
        return f"{fell} type{'s' * (fell > 1)} fell, {rose} rose"
    for count, word in ((fell, "fell"), (rose, "rose")):
        if count:
            some = "The 1 type shown" if of == 1 else f"{count} of {of} {kinds}"
            return f"{f'{all_of(of)} {kinds}'.capitalize() if count == of > 1 else some} {word}"
    return "No clear change"


def _afterwards(made: Sequence[Verdict], kind: str) -> tuple[str, ...]:
    """Say for how many types use afterwards was lower or higher than in the group made alike."""
    lower, higher = made.count("fell"), made.count("rose")
    if lower and higher:
        return (
            f"{lower} lower, {higher} higher than {kind} group",
            f"{lower} lower, {higher} higher",
        )
    if lower or higher:
        text = f"{lower or higher} ended {'lower' if lower else 'higher'}"
        return f"{text} than the {kind} group", f"{text} than {kind} group"
    if "cannot tell" in made:
        return f"no clear difference from the {kind} group", "no clear difference between groups"
    return ("the groups cannot be compared here",)


def severity_headline(
    evaluation: Evaluation, names: Sequence[str], rows: Sequence[Mapping[str, object]]
) -> str:
    """Return the message of the severity chart, worsening named as plainly as improvement.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    names : sequence of str
        Outcome names.
    rows : sequence of mapping
        What is drawn: counts by level, before and after, and of who got worse.

    Returns
    -------
    str
    """
    mine = [row for row in rows if row["group"] == "programme"]
    results = [evaluation.results[name] for name in names]
    fell = [verdict_within(result, "programme") == "fell" for result in results]
    levels = [_level_fell(row, level) for row in mine for level in LEVELS]
    shown = [kind for kind in levels if kind is not None]
    if all(fell) and mine and shown and all(shown):
        every = "every level of severity" + ("" if len(shown) == len(levels) else " shown")
        worse = [_share(row["worsened"], row["changes_shown"]) for row in mine]
        few = all(share is not None and share < FEW for share in worse)
        if few:
            return f"Programme group: fewer at {every}; few got worse"
        return f"Programme group: fewer afterwards at {every}"
    kinds = [_moved(evaluation, name) for name in names]
    known = [kind for kind in kinds if kind in KNOWN]
    if not known:
        return f"How severity changed: {TOO_FEW}" if mine else "How severity changed"
    better, worse_, of = known.count("rose"), known.count("fell"), len(known)
    some = "shown" if of < len(names) else ""
    if better and worse_:
        return f"Programme group: more improved on {better} of {of} types, worsened on {worse_}"
    if better or worse_:
        count, words = (better, "improved than got worse") if better else (
            (worse_, "got worse than improved")
        )  # fmt: skip
        many = all_of(of) if count == of > 1 else f"{count} of {of}"
        on = f"on {many} types {some}".strip() if len(names) > 1 else ""
        return shorter(f"Programme group: more {words} {on}".strip(), f"More {words} {on}".strip())
    return f"Programme group: no clear shift in severity {some and 'where shown'}".strip()


def _level_fell(row: Mapping[str, object], level: str) -> bool | None:
    """Return whether fewer were at a level afterwards; None if hidden or nobody ever was."""
    before, after = row[f"before_{level}"], row[f"after_{level}"]
    if not isinstance(before, int) or not isinstance(after, int) or before == after == 0:
        return None
    return after < before


def _share(part: object, whole: object) -> float | None:
    if not isinstance(part, int) or not isinstance(whole, int) or not whole:
        return None
    return part / whole


def _moved(evaluation: Evaluation, name: str) -> Verdict:
    """Say whether more improved than got worse in the programme group: rose, if so."""
    for e in evaluation.results[name].estimates:
        if e.group == ARMS.codes[0] and e.measure == "improved_minus_worsened" and not e.subgroup:
            return verdict_over_time(e)
    return "absent"


def pair_subtitle(name: str, evaluation: Evaluation, *, severity: bool = False) -> str:
    """Say what the share is of, between which points, and who rated it."""
    _type, reporter, span, *rest = name.split(":")
    before, after = span.split("-")
    unit = evaluation.plan["design"]["unit"]
    people = UNITS[unit]
    counted = threshold_words(rest[0] if rest else "standard")
    what = "at each severity" if severity else f"using each type of abuse {counted}"
    return (
        f"Share of {people} {what}, at {label(before).lower()} and {label(after).lower()}, as "
        f"rated by the {_lower_first(REPORTERS.label(reporter))}"
    )


def _lower_first(words: str) -> str:
    return words[:1].lower() + words[1:]
