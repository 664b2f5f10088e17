"""Words on how a comparison was made and what it found: designs read from a released evaluation.

A design is a block ``[[balancing]]`` of the plan; the first is the main one. Its balance stands
in ``results["balance:<name>"]``, and each outcome has its effects under the block's name as
``term``, beside those of the crude comparison. No number is formed here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from drive_eval.plan import BALANCING_METHODS, BalancingBlock
from drive_eval.report.headlines import all_of, shorter
from drive_eval.report.numbers import digits_of, number
from drive_eval.report.sentences import (
    CRUDE,
    claim_sentence,
    design_names,
    effect,
    group_phrase,
    group_words,
    main_design,
    out_of_100,
    people_words,
    printed_difference,
    range_of_100,
    verdict_of,
    why_hidden,
)
from drive_eval.results import ResultSet
from drive_eval.vocabulary import ARMS, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.results import Check, CountTable, Estimate, Evaluation

__all__ = [
    "balance_of",
    "brief_sentences",
    "compared_sentence",
    "comparison_made",
    "covariate_label",
    "design_label",
    "dropped",
    "dropped_words",
    "effect_sentences",
    "effects_headline",
    "effects_remarks",
    "failed",
    "few_dropped",
    "group_count",
    "has_designs",
    "introduction",
    "is_matched",
    "kept_of",
    "kept_stages",
    "kept_words",
    "left_out_sentence",
    "limit_of",
    "made_by",
    "main_sentences",
    "marked_label",
    "methods_paragraph",
    "on_whom",
    "overlap_table",
    "per_hundred",
    "plain_check",
    "shared_sentences",
    "source_words",
    "warnings",
]


def _block(evaluation: Evaluation, name: str) -> BalancingBlock:
    found = next(block for block in evaluation.plan["balancing"] if block["name"] == name)
    # The plan was looked over when it was read.
    return BalancingBlock.model_construct(**found)


def design_label(evaluation: Evaluation, term: str) -> str:
    """Return the plain words for a term of an effect: no adjustment, or a design's title."""
    if term == CRUDE:
        return "No adjustment"
    if term not in design_names(evaluation):
        return ""
    titles = {name: _block(evaluation, name).title for name in design_names(evaluation)}
    alone = list(titles.values()).count(titles[term]) == 1
    return titles[term] if alone else f"{titles[term]} ({term.replace('_', ' ')})"


def marked_label(evaluation: Evaluation, term: str) -> str:
    """Return the plain words for a term, the main design and the crude comparison marked."""
    words = design_label(evaluation, term)
    if term == CRUDE:
        return f"{words} (not a fair comparison)"
    main = term == main_design(evaluation) and "main" not in words.lower().split("(")[-1]
    return f"{words} (main design)" if main else words


def is_matched(evaluation: Evaluation, name: str) -> bool:
    """Return whether a design chooses cases, rather than weighting them."""
    return BALANCING_METHODS[_block(evaluation, name).method][0] == "matched"


def comparison_made(evaluation: Evaluation, labels: Mapping[str, str]) -> str:
    """Return the name of the other group as the main design makes it."""
    kept, _out = kept_stages(evaluation, main_design(evaluation))
    return f"{kept} {group_phrase('comparison', labels)}"


def made_by(evaluation: Evaluation, name: str) -> str:
    """Return the act that makes the arms alike, as a noun."""
    return "matching" if is_matched(evaluation, name) else "weighting"


def kept_stages(evaluation: Evaluation, name: str) -> tuple[str, str]:
    """Return the stages of the flow of a design: those kept, and those left out."""
    return ("matched", "unmatched") if is_matched(evaluation, name) else ("weighted", "trimmed")


#: From which share of those that the effect is about leaving some out is told in a box.
MANY = 0.05
#: Methods that estimate no propensity score.
NO_SCORE = ("cem", "entropy_balance")

_NOT_FAIR = "That is not a fair comparison, because the groups differed at the start."


def balance_of(evaluation: Evaluation, name: str) -> ResultSet:
    """Return the balance of a design; empty where there is none."""
    return evaluation.results.get(f"balance:{name}", ResultSet())


def _check(result: ResultSet, name: str) -> Check | None:
    return next((check for check in result.checks if check.name == name), None)


def failed(evaluation: Evaluation, name: str, check: str) -> str:
    """Return the sentence of a design's check that did not hold; empty where it held."""
    found = _check(balance_of(evaluation, name), check)
    if found is None or found.passed is not False:
        return ""
    return plain_check(evaluation, found, name)


def plain_check(evaluation: Evaluation, check: Check, name: str = "") -> str:
    """Return a check's sentence in plain words: no name of a column or field, no score if none."""
    text = check.text
    if check.name == "negative_outcome":
        text = _negative_sentence(evaluation, check) or text
    if name and _block(evaluation, name).method in NO_SCORE:
        if check.name == "overlap" and "propensity score" in text:
            whom = "Many" if check.passed is False else "None or few of the"
            text = f"{whom} cases have nobody like them in the other arm to be compared with."
        text = text.replace("the propensity score", "the design")
    text = re.sub(r",? and gamma_at_alpha does not exist", "", text)
    text = re.sub(r" \((?:restricted_mean|kaplan_meier)\)", "", text)
    return re.sub(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", lambda m: m[0].replace("_", " "), text)


def dropped(evaluation: Evaluation, name: str) -> tuple[float | None, str]:
    """Return the share of those left out, from the counts shown, and who they are."""
    whose: dict[str, tuple[str, ...]] = {
        "att": ("programme",),
        "atm": ("programme",),
        "atc": ("comparison",),
    }
    arms = whose.get(_block(evaluation, name).estimand, tuple(ARMS.codes))
    kept, _out = kept_stages(evaluation, name)
    counts = [
        [group_count(evaluation, name, arm, stage) for arm in arms] for stage in ("all", kept)
    ]
    who = f"{arms[0]} cases" if len(arms) == 1 else "cases"
    if any(count is None for count in (*counts[0], *counts[1])):
        return None, who
    every, some = (sum(count or 0 for count in one) for one in counts)
    return ((every - some) / every if every else None), who


def dropped_words(evaluation: Evaluation, name: str) -> str:
    """Say how many of 100 were left out, if that is many; empty where it is few or not shown."""
    share, who = dropped(evaluation, name)
    if share is None or share < MANY:
        return ""
    start = f"for {out_of_100(share)} of every 100 {who} there was"
    if not is_matched(evaluation, name):
        return f"{out_of_100(share)} of every 100 {who} were left out by trimming"
    block = _block(evaluation, name)
    free = "no free match" if block.method == "nearest" and not block.replace else "no match"
    return f"{start} {free}"


def limit_of(evaluation: Evaluation, name: str) -> float:
    """Return the largest standardised mean difference that the plan counts as balanced."""
    return _block(evaluation, name).max_smd


def group_count(evaluation: Evaluation, name: str, group: str, stage: str) -> int | None:
    """Return a count of a design's flow; None where it may not be shown or is not there."""
    found = _table(evaluation, name, "matching")
    cells = () if found is None else found.cells
    return next((cell.count for cell in cells if cell.key == (group, stage)), None)


def overlap_table(evaluation: Evaluation, name: str) -> CountTable | None:
    """Return the counts of the propensity score; None for a design without one."""
    return _table(evaluation, name, "overlap")


def _table(evaluation: Evaluation, name: str, kind: str) -> CountTable | None:
    tables = balance_of(evaluation, name).tables
    return next((table for table in tables if table.name == f"{kind}:{name}"), None)


def covariate_label(term: str) -> str:
    """Return the plain words for a covariate, with the level of a category.

    Examples
    --------
    >>> covariate_label("prior_arrests"), covariate_label("risk_tier: very_high")
    ('Prior arrests', 'Risk tier: very high')
    """
    head, colon, level = term.partition(": ")
    return f"{label(head)}: {level.replace('_', ' ')}" if colon else label(head)


def warnings(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Say first what a reader must know before trusting the main design.

    Parameters
    ----------
    evaluation : Evaluation
        Released.

    Returns
    -------
    list of (str, str)
        A lead in a few words, and the sentences. Empty where nothing was amiss.
    """
    name = main_design(evaluation)
    act = made_by(evaluation, name)
    leads = {
        "worst_smd": f"The groups are still not alike after {act}.",
        "overlap": "The groups overlap poorly.",
        "parameters": "There are few cases for so many characteristics.",
        "unmatched": "The effect is not that of everybody in the programme.",
    }
    found = []
    for check, lead in leads.items():
        text = failed(evaluation, name, check)
        if text and check == "unmatched" and few_dropped(evaluation, name):
            continue
        if text:
            if check == "unmatched" and (many := dropped_words(evaluation, name)):
                lead = f"{many[:1].upper()}{many[1:]}."
            said = left_out_sentence(evaluation, name) if check == "unmatched" else text
            found.append((lead, said))
    return found


def left_out_sentence(evaluation: Evaluation, name: str) -> str:
    """Say that cases were left out, and whose effect it is then."""
    text, whose = failed(evaluation, name, "unmatched"), on_whom(evaluation, name)
    # The exact check says whose effect it is; the released one leaves it to the estimand.
    said = whose.removeprefix("The effect is ").removesuffix(".") in text
    return text if said else f"{text} {whose}"


def few_dropped(evaluation: Evaluation, name: str) -> bool:
    """Return whether some were left out, but so few that a sentence says enough."""
    share, _who = dropped(evaluation, name)
    return share is not None and share < MANY


def compared_sentence(evaluation: Evaluation, labels: Mapping[str, str]) -> str:
    """Say how many people of each group the main design compares."""
    name = main_design(evaluation)
    if any(group_count(evaluation, name, group, "all") is None for group in ARMS.codes):
        return ""
    people = people_words(evaluation)
    one, two = (
        f"{kept_of(evaluation, name, group)} {people} in the {group_phrase(group, labels)}"
        for group in ARMS.codes
    )
    return f"Compared after {made_by(evaluation, name)}: {one} and {two}."


def introduction(evaluation: Evaluation, labels: Mapping[str, str]) -> str:
    """Say in plain words what was done to make the arms alike, and what that cannot do."""
    name = main_design(evaluation)
    two = group_phrase("comparison", labels)
    how = (
        f"cases of the {two} were chosen that looked like those of the programme"
        if is_matched(evaluation, name)
        else "cases were weighted so that the two groups look alike"
    )
    return (
        "Nobody was allocated by chance, so the groups differed from the start. Before any outcome "
        f"was looked at, {how}, judged by what was known at the start. That can be done "
        "for what was measured only."
    )


def on_whom(evaluation: Evaluation, name: str) -> str:
    """Say whose average effect a design estimates."""
    found = _check(balance_of(evaluation, name), "estimand")
    return f"The effect is {found.text.removesuffix('.')}." if found and found.text else ""


def methods_paragraph(evaluation: Evaluation, name: str) -> str:
    """Return the description of a design as one paragraph for a methods section."""
    names = ("design", "design_counts")
    said = [
        plain_check(evaluation, check, name)
        for check in balance_of(evaluation, name).checks
        if check.name in names
    ]
    result = balance_of(evaluation, name)
    if (found := _check(result, "unmatched")) is not None and found.passed is False:
        # Counts are rounded: as many are not all.
        said = [re.sub(r"\b([\d,]+) of \1\b(?= programme)", r"Nearly all of \1", s) for s in said]
    return " ".join(said)


def has_designs(evaluation: Evaluation, name: str) -> bool:
    """Return whether an outcome has effects under the main design."""
    main = main_design(evaluation)
    result = evaluation.results.get(name)
    return bool(main) and result is not None and effect(result, "risk_difference", main) is not None


def per_hundred(gap: Estimate | None) -> str:
    """Say a difference with its range in people of every 100, in whichever direction it goes.

    Examples
    --------
    >>> from drive_eval.results import Estimate
    >>> per_hundred(Estimate(measure="risk_difference", estimate=-0.08, conf_low=-0.14,
    ...                      conf_high=-0.002))
    '8 fewer in every 100 (range 0.2 to 14)'
    >>> per_hundred(Estimate(measure="risk_difference", estimate=0.01, conf_low=-0.03,
    ...                      conf_high=0.05))
    'anything from 3 fewer to 5 more in every 100'
    """
    if gap is None or gap.estimate is None:
        return "not shown"
    if gap.conf_low is None or gap.conf_high is None:
        side = "fewer" if gap.estimate < 0 else "more"
        return f"{out_of_100(abs(gap.estimate))} {side} in every 100 (no range can be given)"
    if gap.conf_low <= 0 <= gap.conf_high:
        low, high = out_of_100(-gap.conf_low), out_of_100(gap.conf_high)
        return f"anything from {low} fewer to {high} more in every 100"
    side = "fewer" if gap.estimate < 0 else "more"
    return f"{out_of_100(abs(gap.estimate))} {side} in every 100 ({_range(gap)})"


def _range(gap: Estimate) -> str:
    return f"range {range_of_100(gap)}"


def main_sentences(
    evaluation: Evaluation, name: str, title: str, labels: Mapping[str, str]
) -> list[str]:
    """Say what the main design found, out of 100, and what no adjustment would have said.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    name : str
        Outcome name.
    title : str
        The outcome in plain words.
    labels : mapping
        Names of the arms.

    Returns
    -------
    list of str
    """
    result, main = evaluation.results[name], main_design(evaluation)
    said = _main_sentence(evaluation, result, title, labels)
    if _outcome(evaluation, name).get("negative"):
        said = f"A check, on something that the programme cannot change. {said}"
    return [said, _crude_sentence(result, main)]


def _main_sentence(
    evaluation: Evaluation,
    result: ResultSet,
    title: str,
    labels: Mapping[str, str],
    *,
    claimed: bool = True,
) -> str:
    main, digits = main_design(evaluation), digits_of(evaluation)
    one, two = group_phrase("programme", labels), group_phrase("comparison", labels)
    act = made_by(evaluation, main)
    treated, other = (effect(result, f"risk_{arm}", main) for arm in ("treated", "comparison"))
    kind = verdict_of(result, main)
    gap = effect(result, "risk_difference", main)
    if kind == "not shown":
        reason = why_hidden(result, "")
        return f"{title}, after {act}: {reason[:1].lower()}{reason[1:]}"
    if treated and other and treated.estimate is not None and other.estimate is not None:
        shares = (
            f"{title}, after {act}: {out_of_100(treated.estimate)} in every 100 in the {one}, "
            f"{out_of_100(other.estimate)} in every 100 in the {two}."
        )
    else:
        shares = f"{title}, after {act}: the share in each group is not shown."
    if gap is None or gap.estimate is None or kind in ("undefined", "absent"):
        return f"{shares} No range can be given for the difference."
    if kind == "cannot tell":
        return (
            f"{shares} The data are compatible with {per_hundred(gap)} in the {one}. This "
            "shows neither that there is a difference nor that there is none."
        )
    side = "lower" if kind == "fell" else "higher"
    points = printed_difference(treated, other)
    adds_up = points is not None and points * gap.estimate > 0
    size = str(abs(points or 0)) if adds_up else out_of_100(abs(gap.estimate))
    amount = f"{size} in every 100 ({_range(gap)})"
    ratio = effect(result, "risk_ratio", main)
    relative = ""
    if ratio is not None and None not in (ratio.estimate, ratio.conf_low, ratio.conf_high):
        ends = f"{_ratio(ratio.conf_low, digits)} to {_ratio(ratio.conf_high, digits)}"
        relative = f"; as a ratio of the shares, {_ratio(ratio.estimate, digits)} (range {ends})"
    text = f"{shares} In the {one} it was {side} by {amount}{relative}."
    return f"{text} {claim_sentence(gap.claim)}" if claimed else text


def _ratio(value: float | None, digits: int | None) -> str:
    return "no limit" if value is None else number(value, 2, digits)


def _crude_sentence(result: ResultSet, main: str, *, judged: bool = True) -> str:
    gap, kind = effect(result, "risk_difference", CRUDE), verdict_of(result, CRUDE)
    if gap is None or gap.estimate is None:
        return "What a comparison without any adjustment would have said is not shown."
    differs = {verdict_of(result, main), kind} <= {"fell", "rose", "cannot tell"}
    differs = differs and kind != verdict_of(result, main)
    start = "With no adjustment it would have been "
    if differs:
        start = "With no adjustment the answer would have been different: "
    return f"{start}{per_hundred(gap)}. {_NOT_FAIR}" if judged else f"{start}{per_hundred(gap)}."


def effect_sentences(
    evaluation: Evaluation, name: str, title: str, labels: Mapping[str, str]
) -> list[str]:
    """Say what all designs found, and what a hidden difference would have to be like.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    name : str
        Outcome name.
    title : str
        The outcome in plain words.
    labels : mapping
        Names of the arms.

    Returns
    -------
    list of str
        The main result, the crude one, the other designs, then how sensitive the main result is.
    """
    result, main = evaluation.results[name], main_design(evaluation)
    said = main_sentences(evaluation, name, title, labels)
    if failed(evaluation, main, "unmatched"):
        said.append(on_whom(evaluation, main))
    said += _other_designs(evaluation, result)
    said += _hidden_difference(result, main, digits_of(evaluation))
    for check in ("negative_outcome", "rosenbaum"):
        said += [plain_check(evaluation, c) for c in result.checks if c.name == check and c.text]
    return [sentence for sentence in said if sentence]


def brief_sentences(
    evaluation: Evaluation, name: str, title: str, labels: Mapping[str, str]
) -> list[str]:
    """Say the same as `effect_sentences`, without what holds for every outcome alike.

    `shared_sentences` says that, once.
    """
    result, main = evaluation.results[name], main_design(evaluation)
    digits = digits_of(evaluation)
    said = [
        _main_sentence(evaluation, result, title, labels, claimed=False),
        _crude_sentence(result, main, judged=False),
        *_other_designs(evaluation, result, numbers=False),
    ]
    value, limit = effect(result, "e_value", main), effect(result, "e_value_limit", main)
    if verdict_of(result, main) in ("fell", "rose") and value and value.estimate is not None:
        of = "" if limit is None else f", of the range {_ratio(limit.estimate, digits)}"
        said.append(f"E-value {_ratio(value.estimate, digits)}{of}.")
    return said


def shared_sentences(evaluation: Evaluation) -> list[str]:
    """Say once what holds for the differences of all behaviours."""
    main = main_design(evaluation)
    whose = on_whom(evaluation, main) if failed(evaluation, main, "unmatched") else ""
    return [
        sentence
        for sentence in (
            f"A difference between the groups after {made_by(evaluation, main)}: "
            f"{claim_sentence('associational')[:1].lower()}{claim_sentence('associational')[1:]}",
            whose,
            "What there would have been with no adjustment is not a fair comparison, because the "
            "groups differed at the start.",
            "E-value: by what factor something that nobody measured would have to go with being in "
            "the programme and with the outcome, each, to explain the difference away.",
        )
        if sentence
    ]


def _other_designs(evaluation: Evaluation, result: ResultSet, *, numbers: bool = True) -> list[str]:
    main, *others = design_names(evaluation)
    others = [name for name in others if effect(result, "risk_difference", name) is not None]
    if not others:
        return []
    found = "; ".join(
        f"{design_label(evaluation, name)}: {per_hundred(effect(result, 'risk_difference', name))}"
        for name in others
    )
    every = (main, *others)
    kinds = {verdict_of(result, name) for name in every}
    they = "They" if numbers else "The other designs"
    if not kinds <= {"fell", "rose", "cannot tell"}:
        last = f"Not all of {'them' if numbers else 'the other designs'} can be shown."
    elif len(kinds) == 1:
        last = f"{they} lead to the same reading as the main design."
    else:
        last = f"{_readings(evaluation, result, every)} {_other_people(evaluation, every)}".strip()
    if not numbers:
        return [last]
    return [f"Other designs of the plan: {found}. {last}"]


def _readings(evaluation: Evaluation, result: ResultSet, every: Sequence[str]) -> str:
    """Say in what designs disagree: in the way they point, or only in what a range includes."""
    gaps = {name: effect(result, "risk_difference", name) for name in every}
    points = [gap.estimate for gap in gaps.values() if gap is not None and gap.estimate is not None]
    open_ = [name for name in every if verdict_of(result, name) == "cannot tell"]
    ranges = " and ".join(f"“{design_label(evaluation, name)}”" for name in open_)
    holds = f"the {'range' if len(open_) == 1 else 'ranges'} of {ranges}"
    verb = "includes" if len(open_) == 1 else "include"
    if all(point < 0 for point in points) or all(point > 0 for point in points):
        return f"All designs point the same way; {holds} {verb} no difference."
    text = "The designs do not all point the same way, so the answer may rest on how the comparison"
    return f"{text} is made" + (f"; {holds} {verb} no difference." if open_ else ".")


def _other_people(evaluation: Evaluation, every: Sequence[str]) -> str:
    """Say which designs estimate the effect on other people than the main one."""
    whose = {name: on_whom(evaluation, name) for name in every}
    away = [name for name in every if whose[name] and whose[name] != whose[every[0]]]
    if not away or not whose[every[0]]:
        return ""
    *first, last = (f"“{design_label(evaluation, name)}”" for name in away)
    names = f"{', '.join(first)} and {last}" if first else last
    return f"{names}: the effect is about other people than that of the main design."


def _outcome(evaluation: Evaluation, name: str) -> Mapping[str, Any]:
    plans = evaluation.plan["outcomes"]
    return next((o for o in plans if o["kind"] == "binary" and o["name"] == name), {})


def _negative_sentence(evaluation: Evaluation, check: Check) -> str:
    """Say what an outcome that the programme cannot change shows; empty for any other."""
    outcome = _outcome(evaluation, check.outcome)
    result = evaluation.results.get(check.outcome)
    if not outcome.get("negative") or result is None:
        return ""
    gap = effect(result, "risk_difference", main_design(evaluation))
    margin = out_of_100(abs(check.threshold or outcome["margin"]))
    means = {
        True: (
            f"The groups do not differ beyond the margin of {margin} in every 100, as groups would "
            "that are alike."
        ),
        False: (
            "The groups differ in what the programme cannot change, so they are probably unlike in "
            "ways that nobody measured."
        ),
        None: (
            f"That includes no difference and reaches beyond the margin of {margin} in every 100: "
            "it is too wide to tell."
        ),
    }[check.passed]
    if gap is None or gap.estimate is None:
        return ""
    name = outcome["label"] or label(outcome["name"])
    return (
        f"{name} is something that the programme cannot change, so groups that are alike would "
        f"have the same share of it. The difference is {per_hundred(gap)}. {means}"
    )


def _hidden_difference(result: ResultSet, main: str, digits: int | None) -> list[str]:
    value, limit = effect(result, "e_value", main), effect(result, "e_value_limit", main)
    if value is None or value.estimate is None:
        return [c.text for c in result.checks if c.name == "e_value" and c.text]
    if verdict_of(result, main) == "cannot tell":
        return [
            "The range includes no difference as it is, so it takes no hidden difference between "
            "the groups to explain the result away (E-value of the range: 1)."
        ]
    text = (
        "To explain the whole difference away, something that nobody measured would have to go "
        "with being in the programme and with the outcome, each by a factor of at least "
        f"{_ratio(value.estimate, digits)}, beyond all that was made alike (E-value)"
    )
    if limit is None or limit.estimate is None:
        return [f"{text}."]
    return [
        f"{text}; for the range to include no difference, a factor of "
        f"{_ratio(limit.estimate, digits)} would do."
    ]


def effects_headline(
    evaluation: Evaluation, names: Sequence[str], titles: Mapping[str, str], labels: dict[str, str]
) -> str:
    """Return the one message of the chart of all designs, as the main design's interval allows."""
    main = main_design(evaluation)
    who = group_phrase("programme", labels)
    other = comparison_made(evaluation, labels)
    kinds = [verdict_of(evaluation.results[name], main) for name in names]
    if len(names) > 1:
        return _several(kinds, who, other)
    title = titles[names[0]]
    # Without the time and the remark that it is a check, which the page says above the chart.
    bare = title.split(" (")[0].split(", which")[0]
    words = {"fell": "lower", "rose": "higher"}
    if kinds[0] in words:
        side = words[kinds[0]]
        return shorter(
            f"{title}: {side} in the {who} than in the {other}",
            f"{title}: {side} in the {who}",
            f"{bare}: {side} in the {who}",
            f"{bare}: {side} in the programme group",
        )
    if kinds[0] == "cannot tell":
        return shorter(
            f"{title}: no clear difference from the {other}",
            *(f"{name}: no clear difference" for name in (title, bare)),
        )
    return shorter(
        f"{title}: the difference cannot be shown", f"{bare}: the difference cannot be shown"
    )


def effects_remarks(evaluation: Evaluation, names: Sequence[str]) -> str:
    """Say beneath the headline what it may not leave out: unlike groups, and another crude result.

    Returns
    -------
    str
        Sentences, each with a space before it; empty where there is nothing to remark.
    """
    main = main_design(evaluation)
    said = ""
    if failed(evaluation, main, "worst_smd"):
        said = f" After {made_by(evaluation, main)} the groups are still unlike."
    if len(names) > 1:
        return said
    result = evaluation.results[names[0]]
    crude, kind = verdict_of(result, CRUDE), verdict_of(result, main)
    words = {"fell": "lower", "rose": "higher", "cannot tell": "not clearly different"}
    if crude in words and kind in words and crude != kind:
        said += f" With no adjustment it looked {words[crude]}."
    return said


def _several(kinds: Sequence[str], who: str, other: str) -> str:
    lower, higher = kinds.count("fell"), kinds.count("rose")
    every = sum(kind in ("fell", "rose", "cannot tell") for kind in kinds)
    shown = "" if every == len(kinds) else " shown"
    if not every:
        return f"No difference from the {other} can be shown"
    if not lower and not higher:
        return shorter(
            f"Afterwards no type of abuse{shown} was clearly different from the {other}",
            f"Afterwards no type of abuse{shown} was clearly different",
        )
    if lower and higher:
        return f"Afterwards {lower} of {every} types{shown} lower and {higher} higher"
    side, count = ("lower", lower) if lower else ("higher", higher)
    many = all_of(every) if count == every > 1 else f"{count} of {every}"
    were = "was" if count == 1 else "were"
    which = f"{many} types{shown}" if every > 1 else f"the 1 type{shown}"
    return shorter(
        f"Afterwards {which} {were} {side} in the {who}",
        f"Afterwards {which} {were} {side} in the programme group",
        f"Afterwards {which} {were} {side}",
    )


def source_words(evaluation: Evaluation) -> str:
    """Return where the data come from, for the foot of a chart."""
    source = str(evaluation.plan["data"]["source"]).strip().removesuffix(".")
    return f"Source: {source}." if source else ""


def kept_words(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> str:
    """Say how many cases of each arm there were, and how many the design keeps."""
    kept, _out = kept_stages(evaluation, name)
    said = []
    for group in ARMS.codes:
        said.append(f"{group_words(group, labels)} {kept_of(evaluation, name, group)}")
    return f"cases {kept}: {', '.join(said)}"


def kept_of(evaluation: Evaluation, name: str, group: str) -> str:
    """Say how many cases of an arm a design keeps, of how many."""
    kept, out = kept_stages(evaluation, name)
    counts = [group_count(evaluation, name, group, stage) for stage in ("all", kept)]
    every, some = (("[c]" if count is None else f"{count:,}") for count in counts)
    if None not in counts and every == some:
        # Rounded counts that are equal do not say that nobody was left out.
        nobody = group_count(evaluation, name, group, out) == 0
        return f"all {every}" if nobody else f"nearly all of {every}"
    return f"{some} of {every}"
