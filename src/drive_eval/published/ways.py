"""One function for every way of recomputing a published statement.

Each takes a claim and what is public of it, and returns a ResultSet: estimates by the models
where counts are public, intervals over what is not, and Checks named ``sentence`` that say it.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from drive_eval.models import _intervals, comparison, counts, prepost
from drive_eval.published import claims as kinds
from drive_eval.published.pairings import over_pairings
from drive_eval.published.percentages import consistent_counts
from drive_eval.results import Check, Estimate, ResultSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from drive_eval.published.claims import Claim

__all__ = ["LEAST", "MOST", "NOT_PUBLIC", "WAYS", "in_words"]

NOT_PUBLIC = "How many there were is not public, so the true interval is not known."
#: Subgroups of estimates that say how far the rounding of the printed figures lets ours move.
LEAST, MOST = "least that rounding allows", "most that rounding allows"
_WIDEST = "widest of the Tang/Nam score intervals over all pairings"
_NARROW = "At the narrowest pairing"


def in_words(before: float, after: float, *, first: str = "before", then: str = "after") -> str:
    """Say a change of two shares (0 to 1) in percentage points and in relative per cent.

    Examples
    --------
    >>> in_words(0.61, 0.02)
    'from 61 % before to 2 % after: a fall of 59 percentage points, which is a relative fall
    of 97 % (59 of every 61)'
    >>> in_words(0.29, 0.81)
    'from 29 % before to 81 % after: a rise of 52 percentage points, which is a relative rise
    of 179 % (2.8 times as many)'
    """
    points = 100 * (after - before)
    text = f"from {_percent(100 * before)} {first} to {_percent(100 * after)} {then}: "
    if abs(points) < 1e-9:
        return f"{text}no change"
    word = "fall" if points < 0 else "rise"
    text += f"a {word} of {_plain(abs(points))} percentage points, which is "
    if before == 0:
        return f"{text}no relative {word}, since nothing can be multiplied up from 0"
    relative = 100 * abs(after / before - 1)
    ratio = (
        f"{_plain(abs(points))} of every {_plain(100 * before)}"
        if points < 0
        else f"{after / before:.1f} times as many"
    )
    return f"{text}a relative {word} of {_percent(relative)} ({ratio})"


def _percent(value: float) -> str:
    return f"{_plain(value)} %"


def _plain(value: float) -> str:
    """Return a number without places that say nothing: whole, or with one place if below 10."""
    places = 1 if abs(value) < 10 and abs(value - round(value)) > 0.05 else 0
    return f"{value:.{places}f}"


def _signed(value: float, spec: str = ".0f") -> str:
    """Return a number with a real minus sign, and no sign before 0."""
    text = f"{value:{spec}}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def _sentence(text: str, **labels: Any) -> Check:
    return Check(name="sentence", text=text, **labels)


def _labels(claim: Claim) -> dict[str, Any]:
    return {"unit": claim.counts.unit, "reporter": claim.counts.reporter}


def _joined(results: Iterable[ResultSet]) -> ResultSet:
    found = list(results)
    return ResultSet(
        estimates=tuple(e for r in found for e in r.estimates),
        checks=tuple(c for r in found for c in r.checks),
        tables=tuple(t for r in found for t in r.tables),
        assumptions=tuple(dict.fromkeys(a for r in found for a in r.assumptions)),
    )


def _possible(percent: float, decimals: int, n: int) -> tuple[int, tuple[int, ...], list[Check]]:
    """Return a denominator that can give the percentage, its counts, and a note if it moved."""
    found = consistent_counts(percent, decimals, n)
    if found.possible:
        return n, found.counts, []
    other = found.nearest_n[-1]
    check = Check(
        name="denominator",
        passed=None,
        statistic=float(other),
        threshold=float(n),
        text=f"It cannot have been {n}: {found.text} So {other} is shown.",
    )
    return other, consistent_counts(percent, decimals, other).counts, [check]


# Before and after, counts unknown


def _fall(claim: Claim, given: kinds.Fall) -> ResultSet:
    estimates: list[Estimate] = []
    checks: list[Check] = []
    unit = claim.counts.unit
    for size in given.sizes:
        n, stopped, moved = _stopped(given, size)
        over = over_pairings(((n, n - k) for k in stopped), n=None)
        ratio = over.ratio
        if ratio is None:  # n is at least 1, so there always are users before
            continue
        nearest = min(stopped, key=lambda k: abs(100 * k / n - given.percent))
        found = Estimate(
            **_labels(claim),
            outcome=claim.id,
            measure="percent_reduction",
            term="users",
            contrast="after v before",
            subgroup=f"if {n} {given.showed}",
            estimate=100 * nearest / n,
            conf_low=100 * (1 - ratio.high),
            conf_high=100 * (1 - ratio.low),
            n=n,
            n_events=n - nearest,
            n_reference=n,
            n_events_reference=n,
            method=f"{_WIDEST}, {over.pairings} in all",
        )
        estimates.append(found)
        checks += moved
        said = _percent(given.percent)
        if given.words:
            allowed = (
                f'the least that "{given.words}" allows' if given.above else f'"{given.words}"'
            )
            said = f"{nearest} of {n} ({100 * nearest / n:.0f} %, {allowed})"
        checks.append(
            _sentence(
                f"If {n} {unit} had {given.showed}, a fall of {said} "
                f"would have a 95 % interval from {_range(found)}, at its widest over who stopped "
                f"and who began. {_NARROW} it would be from {100 * (1 - ratio.narrow_high):.0f} "
                f"to {100 * (1 - ratio.narrow_low):.0f} %."
            )
        )
    if given.points_or_relative:
        p = given.percent
        checks.append(
            Check(
                name="in_words",
                text=f"The source calls it a reduction of {_percent(p)} and does not say of what "
                f"kind. As a relative fall it means {_plain(p)} of every 100 who reported it "
                "before no longer did. As percentage points it means that at least "
                f"{_percent(p)} reported it before and at most {_percent(100 - p)} after, a "
                f"relative fall of between {_percent(p)} and 100 %. The intervals take it as "
                "relative.",
            )
        )
    else:
        checks.append(
            Check(
                name="in_words",
                text=f"A relative fall of {given.words or _percent(given.percent)} in the number "
                f"of {unit} who used it at all: not a fall of so many percentage points, not a "
                "fall in incidents, and not a fall in severity among those who went on.",
            )
        )
    checks.append(_sentence(NOT_PUBLIC))
    return ResultSet(estimates=tuple(estimates), checks=tuple(checks), assumptions=(_ALONE,))


def _stopped(given: kinds.Fall, size: int) -> tuple[int, tuple[int, ...], list[Check]]:
    """Return how many used it, how many of them fewer there are at exit, and a note."""
    if not given.words:
        return _possible(given.percent, given.decimals, size)
    share = given.percent * size / 100
    return size, (math.floor(share) + 1 if given.above else round(share),), []


_ALONE = (
    "People are independent of each other, and each was seen at both times: missing exits would "
    "widen every interval."
)


def _range(found: Estimate) -> str:
    low, high = found.conf_low, found.conf_high
    if low is None or high is None:
        return "not known"
    return f"{_signed(low)} to {_signed(high)} %"


def _change(claim: Claim, given: kinds.Change) -> ResultSet:
    estimates: list[Estimate] = []
    checks: list[Check] = []
    for size in given.sizes:
        n, befores, afters, moved = _two(given, size)
        over = over_pairings(itertools.product(befores, afters), n=n)
        before, after = (
            min(counts, key=lambda k: abs(100 * k / n - percent))
            for counts, percent in ((befores, given.before), (afters, given.after))
        )
        labels: dict[str, Any] = {
            **_labels(claim),
            "outcome": claim.id,
            "contrast": "after v before",
            "subgroup": f"if {n} were asked",
            "n": n,
            "n_events": after,
            "n_reference": n,
            "n_events_reference": before,
        }
        change = over.difference
        if change is None:  # n is given, so there always is one
            continue
        estimates.append(
            Estimate(
                measure="risk_difference",
                estimate=(after - before) / n,
                conf_low=change.low,
                conf_high=change.high,
                method="widest of the Tango score intervals over all pairings",
                **labels,
            )
        )
        text = (
            f"If {n} {claim.counts.unit} had been asked, the change would have a 95 % interval "
            f"from {_signed(100 * change.low, '+.0f')} to {_signed(100 * change.high, '+.0f')} "
            "percentage points"
        )
        ratio = over.ratio
        if ratio is not None and given.after <= given.before:
            fall = Estimate(
                measure="percent_reduction",
                term="users",
                estimate=100 * (1 - after / before),
                conf_low=100 * (1 - ratio.high),
                conf_high=100 * (1 - ratio.low),
                method=f"{_WIDEST}, {over.pairings} in all",
                **labels,
            )
            estimates.append(fall)
            text += f", and the relative fall from {_range(fall)}"
        elif ratio is not None:
            rise = Estimate(
                measure="risk_ratio",
                estimate=after / before,
                conf_low=ratio.low,
                conf_high=ratio.high,
                method=f"{_WIDEST}, {over.pairings} in all",
                **labels,
            )
            estimates.append(rise)
            text += f", and the ratio from {rise.conf_low:.1f} to {rise.conf_high:.1f} times"
        checks += moved
        checks.append(_sentence(f"{text}, at their widest over who changed."))
    said = in_words(given.before / 100, given.after / 100)
    checks.append(Check(name="in_words", text=f"{said[:1].upper()}{said[1:]}."))
    if given.after == 0:
        checks.append(
            Check(
                name="nobody_after",
                text="Nobody reported it after. That is no proof that it stopped for all: the "
                "lower end of the interval is what the same numbers would also fit with.",
            )
        )
    checks.append(_sentence(NOT_PUBLIC))
    return ResultSet(estimates=tuple(estimates), checks=tuple(checks), assumptions=(_ALONE,))


def _two(
    given: kinds.Change, size: int
) -> tuple[int, tuple[int, ...], tuple[int, ...], list[Check]]:
    """Return the nearest number of people that both percentages can come from."""
    distance = 0
    while True:  # from 100·10^decimals people on every percentage is possible
        for n in dict.fromkeys((size + distance, size - distance)):
            if n < 1:
                continue
            before = consistent_counts(given.before, given.decimals, n)
            after = consistent_counts(given.after, given.decimals, n)
            if not (before.possible and after.possible):
                continue
            moved = []
            if distance:
                text = f"{size} cannot give both percentages, so {n} is shown."
                moved.append(
                    Check(name="denominator", statistic=float(n), threshold=float(size), text=text)
                )
            return n, before.counts, after.counts, moved
        distance += 1


def _share(claim: Claim, given: kinds.Share) -> ResultSet:
    estimates: list[Estimate] = []
    checks: list[Check] = []
    for row, size in itertools.product(given.rows, given.sizes):
        n, counts, moved = _possible(row.percent, given.decimals, size)
        found = _over_counts(claim, counts, n, row.percent, group=row.group)
        found = _relabelled(found, subgroup=f"if there were {n}")
        estimates.append(found)
        who = f" ({row.group})" if row.group else ""
        checks += moved
        low, high = 100 * (found.conf_low or 0), 100 * (found.conf_high or 0)
        checks.append(
            _sentence(
                f"If there were {n} {claim.counts.unit}{who}, a share of {_percent(row.percent)} "
                f"would have a 95 % interval from {low:.0f} to {high:.0f} %.",
                group=row.group,
            )
        )
    checks.append(_sentence(NOT_PUBLIC))
    return ResultSet(estimates=tuple(estimates), checks=tuple(checks))


def _over_counts(
    claim: Claim, counts: Sequence[int], n: int, percent: float, *, group: str, outcome: str = ""
) -> Estimate:
    """Return the share with Wilson's interval, widest over the counts that rounding leaves."""
    found = [
        prepost.proportion(
            events=k, n=n, outcome=outcome or claim.id, group=group, **_labels(claim)
        ).estimates[0]
        for k in counts
    ]
    nearest = min(found, key=lambda e: abs(100 * (e.estimate or 0) - percent))
    return _relabelled(
        nearest,
        conf_low=min(e.conf_low for e in found if e.conf_low is not None),
        conf_high=max(e.conf_high for e in found if e.conf_high is not None),
    )


def _relabelled(found: Estimate, **changes: Any) -> Estimate:
    return Estimate(**{**found.to_dict(), **changes})


# Counts public


def _margins(claim: Claim, given: kinds.Margins) -> ResultSet:
    estimates: list[Estimate] = []
    checks: list[Check] = []
    for row in given.rows:
        over = over_pairings([(row.before, row.after)], n=given.n)
        labels: dict[str, Any] = {
            **_labels(claim),
            "outcome": row.item,
            "n": given.n,
            "n_reference": given.n,
            "n_events": row.after,
            "n_events_reference": row.before,
        }
        for group, events in (("before", row.before), ("after", row.after)):
            estimates += prepost.proportion(
                events=events,
                n=given.n,
                measure=f"prevalence_{group}",
                outcome=row.item,
                **_labels(claim),
            ).estimates
        labels["contrast"] = "after v before"
        if over.difference is not None:
            estimates.append(
                Estimate(
                    measure="risk_difference",
                    estimate=(row.after - row.before) / given.n,
                    conf_low=over.difference.low,
                    conf_high=over.difference.high,
                    method="widest of the Tango score intervals over all pairings",
                    **labels,
                )
            )
        text = in_words(row.before / given.n, row.after / given.n)
        if over.ratio is not None:
            fall = Estimate(
                measure="percent_reduction",
                term="users",
                estimate=100 * (1 - row.after / row.before),
                conf_low=100 * (1 - over.ratio.high),
                conf_high=100 * (1 - over.ratio.low),
                method=f"{_WIDEST}, {over.pairings} in all",
                **labels,
            )
            estimates.append(fall)
            ratio = over.ratio
            if row.after <= row.before:
                wide = _range(fall)
                narrow = (
                    f"{_signed(100 * (1 - ratio.narrow_high))} to "
                    f"{_signed(100 * (1 - ratio.narrow_low))} %"
                )
                text += f"; 95 % interval of the relative fall {wide}"
            else:
                wide = f"{ratio.low:.2f} to {ratio.high:.2f}"
                narrow = f"{ratio.narrow_low:.2f} to {ratio.narrow_high:.2f}"
                text += f"; 95 % interval of the ratio {wide}"
            text += f" at its widest over {over.pairings} pairings, {narrow} at its narrowest"
        text += f" (mid-P from {_p(over.p_low)} to {_p(over.p_high)})"
        checks.append(_sentence(f"{row.item.capitalize()}: {text}.", outcome=row.item))
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=("The same people answered at both times.",),
    )


def _p(value: float) -> str:
    return "under 0.0001" if value < 0.0001 else f"{value:.2g}"


def _shares(claim: Claim, given: kinds.Shares) -> ResultSet:
    estimates = [
        prepost.proportion(
            events=row.events,
            n=row.n,
            outcome=row.outcome or claim.id,
            group=row.group,
            **_labels(claim),
        ).estimates[0]
        for row in given.rows
    ]
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(_share_sentence(claim, e) for e in estimates),
    )


def _share_sentence(claim: Claim, e: Estimate, over: Sequence[int] = ()) -> Check:
    what = e.group if e.outcome == claim.id else f"{e.outcome}, {e.group}"
    low, high, point = (100 * (x or 0) for x in (e.conf_low, e.conf_high, e.estimate))
    return _sentence(
        f"{what}: {e.n_events or 0:,} of {e.n or 0:,} is {point:.1f} %, 95 % interval {low:.1f} to "
        f"{high:.1f} %{f' at its widest over {over[0]:,} to {over[-1]:,}' if over[1:] else ''}.",
        outcome=e.outcome,
        group=e.group,
    )


def _table(groups: Iterable[tuple[bool, int, int]]) -> pd.DataFrame:
    """Return one row a person: treated, event."""
    import pandas as pd

    rows = [
        (treated, event)
        for treated, events, n in groups
        for event in [True] * events + [False] * (n - events)
    ]
    return pd.DataFrame(rows, columns=["treated", "event"])


def _groups(claim: Claim, given: kinds.Groups) -> ResultSet:
    one, two = given.programme, given.comparison
    result = comparison.risk_contrast(
        _table([(True, one.events, one.n), (False, two.events, two.n)]),
        outcome="event",
        treated="treated",
        conf_level=given.conf_level,
        outcome_name=given.outcome or claim.id,
        contrast=f"{one.group} v {two.group}",
        **_labels(claim),
    )
    said = in_words(
        two.events / two.n, one.events / one.n, first=f"({two.group})", then=f"({one.group})"
    )
    ratio = (one.events / one.n) / (two.events / two.n)
    checks = (
        _sentence(f"{said[:1].upper()}{said[1:]}."),
        Check(name="in_words", text=_turned_text(ratio, one.group, two.group)),
    )
    others = [_wald(result.one(measure="risk_difference"), given.conf_level)]
    odds = result.one(measure="odds_ratio")
    if odds.estimate and odds.std_error:  # 0 or None where a group had none or all
        others.append(_log_odds(odds, odds.estimate, odds.std_error))
    return ResultSet(
        estimates=(*result.estimates, *others),
        checks=(*result.checks, *checks),
        assumptions=result.assumptions,
    )


def _wald(found: Estimate, conf_level: float) -> Estimate:
    """Return the interval that most sources print: the estimate plus and minus."""
    z = _intervals.quantile(conf_level=conf_level)
    point, error = found.estimate or 0.0, found.std_error or 0.0
    return _relabelled(
        found,
        term="Wald",
        conf_low=point - z * error,
        conf_high=point + z * error,
        p_value=None,
        method="Wald, as printed in the source",
    )


def _log_odds(found: Estimate, odds: float, error: float) -> Estimate:
    """Return the logarithm that a logistic regression prints, with Wald's P value."""
    return _relabelled(
        found,
        measure="log_odds_ratio",
        estimate=math.log(odds),
        conf_low=None,
        conf_high=None,
        p_value=math.erfc(abs(math.log(odds)) / error / math.sqrt(2)),
        method="logistic regression, Wald, as printed in the source",
    )


def _turned_text(ratio: float, less: str, more: str) -> str:
    """Say a ratio both ways round: so much less here is so much more there."""
    if ratio > 1:
        ratio, less, more = 1 / ratio, more, less
    if ratio == 1:
        return f"No difference between {less} and {more}."
    if ratio == 0:
        return f"None in {less}: 100 % less than in {more}; the other way round has no ratio."
    return (
        f"{100 * (1 - ratio):.0f} % less in {less} than in {more} is the same as "
        f"{100 * (1 / ratio - 1):.0f} % more in {more} than in {less}: the same gap, a reduction "
        "one way round and an increase the other."
    )


def _percents(claim: Claim, given: kinds.Percents) -> ResultSet:
    half = 0.5 * 10.0**-given.decimals
    estimates: list[Estimate] = []
    checks: list[Check] = []
    for row in given.rows:
        places = given.decimals if row.comparison_decimals is None else row.comparison_decimals
        other = 0.5 * 10.0**-places
        labels: dict[str, Any] = {
            **_labels(claim),
            "outcome": row.outcome,
            "contrast": "programme v comparison",
            "claim": "associational",
        }
        corners = [
            _effects(min(max(p, 0), 100) / 100, min(max(q, 0), 100) / 100)
            for p in (row.programme - half, row.programme + half)
            for q in (row.comparison - other, row.comparison + other)
        ]
        for measure, value in _effects(row.programme / 100, row.comparison / 100).items():
            around = [corner[measure] for corner in corners if measure in corner]
            for subgroup, number in (("", value), (LEAST, min(around)), (MOST, max(around))):
                estimates.append(
                    Estimate(
                        measure=measure,
                        subgroup=subgroup,
                        estimate=number,
                        method="from the printed percentages; no interval without counts",
                        **labels,
                    )
                )
        said = in_words(row.comparison / 100, row.programme / 100, first="in the comparison",
                        then="in the programme")  # fmt: skip
        checks.append(_sentence(f"{row.outcome}: {said}.", outcome=row.outcome))
        for size in given.sizes:
            checks.append(_percents_at(row, size, given.decimals))
    checks.append(_sentence("How many were in each group is not public."))
    return ResultSet(estimates=tuple(estimates), checks=tuple(checks))


def _percents_at(row: kinds.PercentRow, size: int, decimals: int) -> Check:
    """Say what the difference would be worth with so many people in each group."""
    counts = []
    other = decimals if row.comparison_decimals is None else row.comparison_decimals
    for percent, places in ((row.programme, decimals), (row.comparison, other)):
        n, options, _ = _possible(percent, places, size)
        counts.append((min(options, key=lambda k: abs(100 * k / n - percent)), n))
    (k1, n1), (k0, n0) = counts
    low, high = _intervals.newcombe_difference(x1=k1, n1=n1, x0=k0, n0=n0)
    gap = _signed(row.programme - row.comparison, "+.3g")
    text = (
        f"{row.outcome}: with about {size} in each group the difference of {gap} percentage points "
        f"would have a 95 % interval from {_signed(100 * low, '+.1f')} to "
        f"{_signed(100 * high, '+.1f')}."
    )
    return _sentence(text, outcome=row.outcome)


def _effects(p: float, q: float) -> dict[str, float]:
    """Return what two shares say of each other; what does not exist is left out."""
    found = {"risk_difference": p - q}
    if q > 0:
        found["risk_ratio"] = p / q
        found["percent_reduction"] = 100 * (1 - p / q)
    if 0 < p < 1 and 0 < q < 1:
        odds = p / (1 - p) * (1 - q) / q
        found["odds_ratio"] = odds
        found["odds_ratio_turned"] = 1 / odds
        found["d_cox"] = math.log(odds) / 1.65
    return found


def _instrument(claim: Claim, given: kinds.Instrument) -> ResultSet:
    import pandas as pd

    rows = [
        (cell.assigned, cell.delivered, event)
        for cell in given.cells
        for event in [True] * cell.events + [False] * (cell.n - cell.events)
    ]
    table = pd.DataFrame(rows, columns=["assigned", "delivered", "event"])
    results = []
    for cov in ("classical", "HC0"):
        found = comparison.instrumental(
            table,
            outcome="event",
            assigned="assigned",
            delivered="delivered",
            cov=cov,
            outcome_name=claim.id,
            subgroup=f"{cov} standard error",
            **_labels(claim),
        )
        results.append(found if cov == "classical" else ResultSet(estimates=found.estimates))
    return _joined(results)


def _means(claim: Claim, given: kinds.Means) -> ResultSet:
    one, two = given.programme, given.comparison
    labels: dict[str, Any] = {**_labels(claim), "outcome": given.outcome}
    none = "arithmetic; no interval without the spread between people"
    means = {"programme": one.total / one.n, "comparison": two.total / two.n}
    ratio = means["programme"] / means["comparison"]
    estimates = [
        Estimate(measure="mean", group=group, estimate=means[group], n=arm.n, method=none, **labels)
        for group, arm in (("programme", one), ("comparison", two))
    ]
    contrast = {**labels, "contrast": "programme v comparison", "claim": "associational"}
    for measure, value in (
        ("mean_ratio", ratio),
        ("percent_reduction", 100 * (1 - ratio)),
        ("percent_increase_turned", 100 * (1 / ratio - 1)),
    ):
        estimates.append(
            Estimate(
                measure=measure, estimate=value, n=one.n, n_reference=two.n, method=none, **contrast
            )
        )
    return ResultSet(
        estimates=tuple(estimates),
        checks=(
            _sentence(
                f"{one.total:,.0f} over {one.n} is {means['programme']:.2f} a person, "
                f"{two.total:,.0f} over {two.n} is {means['comparison']:.2f}."
            ),
            Check(name="in_words", text=_turned_text(ratio, "the programme", "the comparison")),
        ),
    )


# Estimates without counts


def _reported(claim: Claim, given: kinds.Reported) -> ResultSet:
    into, out = (math.log, math.exp) if given.log else (float, float)
    z = _intervals.quantile()
    estimates: list[Estimate] = []
    checks: list[Check] = []
    for row in given.rows:
        half = 0.5 * 10.0**-row.decimals
        middle = out((into(row.low) + into(row.high)) / 2)
        error = (into(row.high) - into(row.low)) / (2 * z)
        statistic = into(middle) / error
        labels: dict[str, Any] = {
            **_labels(claim),
            "outcome": row.outcome,
            "measure": row.measure,
            "claim": "associational",
        }
        estimates.append(
            Estimate(
                estimate=middle,
                std_error=error,
                conf_low=row.low,
                conf_high=row.high,
                p_value=math.erfc(abs(statistic) / math.sqrt(2)),
                method="the middle of the printed limits" + (" on the log scale" * given.log),
                **labels,
            )
        )
        for subgroup, shift in ((LEAST, -half), (MOST, half)):
            moved = (into(row.low + shift) + into(row.high + shift)) / 2
            estimates.append(
                Estimate(subgroup=subgroup, estimate=out(moved), method="rounding", **labels)
            )
        checks.append(
            _sentence(
                f"{row.outcome}: the printed limits {_signed(row.low, 'g')} to "
                f"{_signed(row.high, 'g')} have their middle at "
                f"{_signed(middle, '.3g')} and imply a standard error of {error:.3g}"
                f"{' on the log scale' if given.log else ''} and p {_about(estimates[-3])}.",
                outcome=row.outcome,
            )
        )
        if given.log:
            checks.append(
                Check(
                    name="in_words",
                    outcome=row.outcome,
                    text=_both_ways(middle, row.measure, row.outcome),
                )
            )
    return ResultSet(estimates=tuple(estimates), checks=tuple(checks))


def _about(found: Estimate) -> str:
    return _p(found.p_value if found.p_value is not None else 1.0)


def _both_ways(ratio: float, measure: str, what: str) -> str:
    name = measure.replace("_", " ")
    if measure == "odds_ratio":
        return (
            f"{what}: odds, not people: an odds ratio of {ratio:.2f} is {1 / ratio:.2f} the other "
            "way round, and a percentage fewer people does not follow from it without the risks."
        )
    if ratio <= 1:
        return (
            f"{what}: a {name} of {ratio:.2f} is {100 * (1 - ratio):.0f} % less, or "
            f"{100 * (1 / ratio - 1):.0f} % more the other way round."
        )
    return (
        f"{what}: a {name} of {ratio:.2f} is {100 * (ratio - 1):.0f} % more, or "
        f"{100 * (1 - 1 / ratio):.0f} % less the other way round."
    )


def _relative(claim: Claim, given: kinds.RelativeRisk) -> ResultSet:
    estimates: list[Estimate] = []
    checks: list[Check] = []
    for base in given.base:
        k0 = round(given.comparison * base / 100)
        k1 = round(k0 / given.comparison * (1 - given.percent / 100) * given.programme)
        found = comparison.risk_contrast(
            _table([(True, k1, given.programme), (False, k0, given.comparison)]),
            outcome="event",
            treated="treated",
            outcome_name=claim.id,
            subgroup=f"if {base:g} % of the comparison group re-offended",
            **_labels(claim),
        ).one(measure="percent_reduction")
        estimates.append(found)
        checks.append(
            _sentence(
                f"If {base:g} % of the comparison group had re-offended ({k0} of "
                f"{given.comparison}), {k1} of {given.programme} in the programme would be the "
                f"nearest to {_percent(given.percent)} fewer, with a 95 % interval from "
                f"{_range(found)}."
            )
        )
    ratio = 1 - given.percent / 100
    checks.append(
        Check(name="in_words", text=_turned_text(ratio, "the programme", "the comparison"))
    )
    checks.append(_sentence("How many re-offended in either group is not public."))
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=("The percentage counts people, not offences.",),
    )


def _incidents(claim: Claim, given: kinds.Incidents) -> ResultSet:
    estimates: list[Estimate] = []
    checks: list[Check] = []
    pairs: list[tuple[int, int, str]] = []
    if given.programme is not None and given.comparison is not None:
        pairs.append((given.programme, given.comparison, ""))
    if given.percent is not None:
        for size in given.sizes:
            n, options, moved = _possible(given.percent, 0, size)
            checks += moved
            k = min(options, key=lambda k: abs(100 * k / n - (given.percent or 0)))
            pairs.append((n - k, n, f"if there were {n} before"))
    for after, before, subgroup in pairs:
        result = counts.rate_ratio_counts(
            events=after,
            person_years=1.0,
            events_reference=before,
            person_years_reference=1.0,
            outcome=claim.id,
            subgroup=subgroup,
            **_labels(claim),
        )
        found, fall = (result.one(measure=m) for m in ("rate_ratio", "percent_reduction"))
        estimates += [found, fall]
        ratio = found.estimate or 0.0
        turned = (
            f"as a fall {100 * (1 - ratio):.0f} %, {_range(fall)}"
            if ratio <= 1
            else f"as a rise {100 * (ratio - 1):.0f} %, "
            f"{_signed(-(fall.conf_high or 0))} to {_signed(-(fall.conf_low or 0))} %"
        )
        checks.append(
            _sentence(
                f"{after} against {before} {given.term}{f' ({subgroup})' if subgroup else ''}: "
                f"a rate ratio of {ratio:.2f}, 95 % interval {found.conf_low:.2f} to "
                f"{found.conf_high:.2f}; {turned}."
            )
        )
    checks.append(
        Check(
            name="clustered",
            text="Incidents come in series from the same people, so the true interval is wider "
            "than this one; how many people they came from is not public.",
        )
    )
    return ResultSet(
        estimates=tuple(estimates),
        checks=tuple(checks),
        assumptions=("Both counts cover as many people for as long.",),
    )


def _percent_of(claim: Claim, given: kinds.PercentOf) -> ResultSet:
    estimates: list[Estimate] = []
    checks: list[Check] = []
    for row in given.rows:
        found = consistent_counts(row.percent, row.decimals, row.n)
        n = row.n if found.possible else found.nearest_n[-1]
        counts = (
            found.counts
            if found.possible
            else consistent_counts(row.percent, row.decimals, n).counts
        )
        checks.append(
            Check(
                name="denominator",
                passed=found.possible,
                statistic=float(row.n),
                outcome=row.outcome or claim.id,
                group=row.group,
                text=f"{row.group}{f', {row.outcome}' if row.outcome else ''}: {found.text}",
            )
        )
        estimate = _over_counts(claim, counts, n, row.percent, group=row.group, outcome=row.outcome)
        estimates.append(estimate)
        checks.append(_share_sentence(claim, estimate, counts))
    return ResultSet(estimates=tuple(estimates), checks=tuple(checks))


def _sums(claim: Claim, given: kinds.Sums) -> ResultSet:
    estimates, checks = [], []
    for row in given.rows:
        total = sum(row.parts.values())
        signed = " ".join(
            f"{'−' if value < 0 else '+'} {abs(value):,.{row.decimals}f} ({name})"
            for name, value in row.parts.items()
        ).removeprefix("+ ")
        shown = f"{total:,.{row.decimals}f}".replace("-", "−")
        estimates.append(
            Estimate(
                **_labels(claim),
                outcome=row.name,
                measure="sum",
                estimate=total,
                method="arithmetic",
            )
        )
        checks.append(_sentence(f"{row.name}: {signed} is {shown}.", outcome=row.name))
    return ResultSet(estimates=tuple(estimates), checks=tuple(checks))


def _turned(claim: Claim, given: kinds.Turned) -> ResultSet:
    estimates, checks = [], []
    for row in given.rows:
        labels: dict[str, Any] = {
            **_labels(claim),
            "outcome": row.outcome,
            "claim": "associational",
            "method": "from the printed ratio; no interval is printed",
        }
        estimates.append(Estimate(measure=row.measure, estimate=row.value, **labels))
        if row.measure == "odds_ratio":
            text = _both_ways(row.value, row.measure, row.outcome)
        else:
            estimates.append(
                Estimate(measure="percent_reduction", estimate=100 * (1 - row.value), **labels)
            )
            text = f"{row.outcome}: {_turned_text(row.value, given.less, given.more)}"
        checks.append(Check(name="in_words", outcome=row.outcome, text=text))
    return ResultSet(estimates=tuple(estimates), checks=tuple(checks))


WAYS: dict[type[Any], Callable[[Claim, Any], ResultSet]] = {
    kinds.Fall: _fall,
    kinds.Change: _change,
    kinds.Share: _share,
    kinds.Margins: _margins,
    kinds.Shares: _shares,
    kinds.Groups: _groups,
    kinds.Percents: _percents,
    kinds.Instrument: _instrument,
    kinds.Means: _means,
    kinds.Reported: _reported,
    kinds.RelativeRisk: _relative,
    kinds.Incidents: _incidents,
    kinds.PercentOf: _percent_of,
    kinds.Sums: _sums,
    kinds.Turned: _turned,
}
