"""Words on how a comparison was made and what it found: designs read from a released evaluation.

A design is a block ``[[balancing]]`` of the plan; the first is the main one. Its balance stands
in ``results["balance:<name>"]``, and each outcome has its effects under the block's name as
``term``, beside those of the crude comparison. No number is formed here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from drive_eval.plan import BALANCING_METHODS, BalancingBlock
from drive_eval.report.sentences import (
    CRUDE,
    claim_sentence,
    design_names,
    effect,
    group_words,
    main_design,
    out_of_100,
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
    "comparison_made",
    "covariate_label",
    "design_label",
    "effect_sentences",
    "effects_headline",
    "failed",
    "group_count",
    "has_designs",
    "introduction",
    "is_matched",
    "kept_stages",
    "kept_words",
    "limit_of",
    "made_by",
    "main_sentences",
    "marked_label",
    "methods_paragraph",
    "on_whom",
    "overlap_table",
    "per_hundred",
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
    return f"{kept} {group_words('comparison', labels)} group"


def made_by(evaluation: Evaluation, name: str) -> str:
    """Return the act that makes the arms alike, as a noun."""
    return "matching" if is_matched(evaluation, name) else "weighting"


def kept_stages(evaluation: Evaluation, name: str) -> tuple[str, str]:
    """Return the stages of the flow of a design: those kept, and those left out."""
    return ("matched", "unmatched") if is_matched(evaluation, name) else ("weighted", "trimmed")


_NOT_FAIR = (
    "That is not a fair comparison, because it also holds how the groups differed at the start."
)


def balance_of(evaluation: Evaluation, name: str) -> ResultSet:
    """Return the balance of a design; empty where there is none."""
    return evaluation.results.get(f"balance:{name}", ResultSet())


def _check(result: ResultSet, name: str) -> Check | None:
    return next((check for check in result.checks if check.name == name), None)


def failed(evaluation: Evaluation, name: str, check: str) -> str:
    """Return the sentence of a design's check that did not hold; empty where it held."""
    found = _check(balance_of(evaluation, name), check)
    return found.text if found is not None and found.passed is False else ""


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
        if text:
            whose = on_whom(evaluation, name) if check == "unmatched" else ""
            # The exact check says whose effect it is; the released one leaves it to the estimand.
            said = whose.removeprefix("The effect is ").removesuffix(".") in text
            found.append((lead, text if said else f"{text} {whose}"))
    return found


def introduction(evaluation: Evaluation, labels: Mapping[str, str]) -> str:
    """Say in plain words what was done to make the arms alike, and what that cannot do."""
    name = main_design(evaluation)
    two = group_words("comparison", labels)
    how = (
        f"cases of the {two} group were chosen that looked like those of the programme"
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
    said = [check.text for check in balance_of(evaluation, name).checks if check.name in names]
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
    '8 fewer in every 100 (range under 1 to 14)'
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
    ends = sorted(abs(end) for end in (gap.conf_low, gap.conf_high) if end is not None)
    return f"range {' to '.join(out_of_100(end) for end in ends)}"


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
    return [
        _main_sentence(evaluation, result, title, labels),
        _crude_sentence(result, main),
    ]


def _main_sentence(
    evaluation: Evaluation,
    result: ResultSet,
    title: str,
    labels: Mapping[str, str],
    *,
    claimed: bool = True,
) -> str:
    main = main_design(evaluation)
    one, two = group_words("programme", labels), group_words("comparison", labels)
    act = made_by(evaluation, main)
    treated, other = (effect(result, f"risk_{arm}", main) for arm in ("treated", "comparison"))
    kind = verdict_of(result, main)
    gap = effect(result, "risk_difference", main)
    if kind == "not shown":
        reason = why_hidden(result, "")
        return f"{title}, after {act}: {reason[:1].lower()}{reason[1:]}"
    if treated and other and treated.estimate is not None and other.estimate is not None:
        shares = (
            f"{title}, after {act}: {out_of_100(treated.estimate)} in every 100 in the {one} "
            f"group, {out_of_100(other.estimate)} in every 100 in the {two} group."
        )
    else:
        shares = f"{title}, after {act}: the share in each group is not shown."
    if gap is None or gap.estimate is None or kind in ("undefined", "absent"):
        return f"{shares} No range can be given for the difference."
    if kind == "cannot tell":
        return (
            f"{shares} The data are compatible with {per_hundred(gap)} in the {one} group. This "
            "shows neither that there is a difference nor that there is none."
        )
    side = "lower" if kind == "fell" else "higher"
    amount = f"{out_of_100(abs(gap.estimate))} in every 100 ({_range(gap)})"
    ratio = effect(result, "risk_ratio", main)
    relative = ""
    if ratio is not None and None not in (ratio.estimate, ratio.conf_low, ratio.conf_high):
        ends = f"{_ratio(ratio.conf_low)} to {_ratio(ratio.conf_high)}"
        relative = f"; as a ratio of the shares, {_ratio(ratio.estimate)} (range {ends})"
    text = f"{shares} In the {one} group it was {side} by {amount}{relative}."
    return f"{text} {claim_sentence(gap.claim)}" if claimed else text


def _ratio(value: float | None) -> str:
    return "no limit" if value is None or math.isinf(value) else f"{value:.2f}"


def _crude_sentence(result: ResultSet, main: str, *, judged: bool = True) -> str:
    gap, kind = effect(result, "risk_difference", CRUDE), verdict_of(result, CRUDE)
    if gap is None or gap.estimate is None:
        return "What a comparison without any adjustment would have said is not shown."
    differs = {verdict_of(result, main), kind} <= {"fell", "rose", "cannot tell"}
    differs = differs and kind != verdict_of(result, main)
    start = "With no adjustment it would have been "
    if differs:
        start = "With no adjustment the answer would have been another: "
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
    said += _hidden_difference(result, main)
    for check in ("negative_outcome", "rosenbaum"):
        said += [c.text for c in result.checks if c.name == check and c.text]
    return [sentence for sentence in said if sentence]


def brief_sentences(
    evaluation: Evaluation, name: str, title: str, labels: Mapping[str, str]
) -> list[str]:
    """Say the same as `effect_sentences`, without what holds for every outcome alike.

    `shared_sentences` says that, once.
    """
    result, main = evaluation.results[name], main_design(evaluation)
    said = [
        _main_sentence(evaluation, result, title, labels, claimed=False),
        _crude_sentence(result, main, judged=False),
        *_other_designs(evaluation, result, numbers=False),
    ]
    value, limit = effect(result, "e_value", main), effect(result, "e_value_limit", main)
    if verdict_of(result, main) in ("fell", "rose") and value and value.estimate is not None:
        of = "" if limit is None else f", of the range {_ratio(limit.estimate)}"
        said.append(f"E-value {_ratio(value.estimate)}{of}.")
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
            "What there would have been with no adjustment is not a fair comparison, because it "
            "also holds how the groups differed at the start.",
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
    kinds = {verdict_of(result, name) for name in (main, *others)}
    they = "They" if numbers else "The other designs"
    if not kinds <= {"fell", "rose", "cannot tell"}:
        last = f"Not all of {'them' if numbers else 'the other designs'} can be shown."
    elif len(kinds) == 1:
        last = f"{they} lead to the same reading as the main design."
    else:
        last = (
            f"{they} do not all lead to the same reading: the answer may rest on how the "
            "comparison is made, or on whose effect it is."
        )
    if not numbers:
        return [last]
    return [f"Other designs of the plan: {found}. {last}"]


def _hidden_difference(result: ResultSet, main: str) -> list[str]:
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
        f"{_ratio(value.estimate)}, beyond all that was made alike (E-value)"
    )
    if limit is None or limit.estimate is None:
        return [f"{text}."]
    return [
        f"{text}; for the range to include no difference, a factor of {_ratio(limit.estimate)} "
        "would do."
    ]


def effects_headline(
    evaluation: Evaluation, names: Sequence[str], titles: Mapping[str, str], labels: dict[str, str]
) -> str:
    """Return the one message of the chart of all designs, as the main design's interval allows."""
    main = main_design(evaluation)
    who = f"{group_words('programme', labels)} group"
    other = comparison_made(evaluation, labels)
    kinds = [verdict_of(evaluation.results[name], main) for name in names]
    uneven = failed(evaluation, main, "worst_smd")
    still = ", although at the start the groups still differed" if uneven else ""
    if len(names) > 1:
        return f"{_several(kinds, who, other)}{still}"
    crude = verdict_of(evaluation.results[names[0]], CRUDE)
    words = {"fell": "lower", "rose": "higher", "cannot tell": "not clearly different"}
    title = titles[names[0]]
    if kinds[0] not in words:
        return f"{title}: the difference from the {other} cannot be shown"
    text = f"{title}: {words[kinds[0]]} in the {who} than in the {other}{still}"
    if kinds[0] == "cannot tell":
        text = f"{title}: no clear difference from the {other}{still}"
    if crude in words and crude != kinds[0]:
        return f"{text}; with no adjustment it looked {words[crude]}"
    return text


def _several(kinds: Sequence[str], who: str, other: str) -> str:
    lower, higher, every = kinds.count("fell"), kinds.count("rose"), len(kinds)
    if not set(kinds) & {"fell", "rose", "cannot tell"}:
        return f"No difference from the {other} can be shown"
    if not lower and not higher:
        return f"Afterwards no type of abuse was clearly different from the {other}"
    if every in (lower, higher):
        side = "lower" if lower else "higher"
        return f"Afterwards all {every} types of abuse were {side} in the {who} than in the {other}"
    first, *rest = [
        (count, side) for count, side in ((lower, "lower"), (higher, "higher")) if count
    ]
    text = f"{first[0]} of {every} types of abuse {'was' if first[0] == 1 else 'were'} {first[1]}"
    text += "".join(f" and {count} {side}" for count, side in rest)
    return f"Afterwards {text} in the {who} than in the {other}"


def source_words(evaluation: Evaluation) -> str:
    """Return where the data come from, for the foot of a chart."""
    source = str(evaluation.plan["data"]["source"]).strip().removesuffix(".")
    return f"Source: {source}." if source else ""


def kept_words(evaluation: Evaluation, name: str, labels: Mapping[str, str]) -> str:
    """Say how many cases of each arm there were, and how many the design keeps."""
    kept, _out = kept_stages(evaluation, name)
    said = []
    for group in ARMS.codes:
        counts = [group_count(evaluation, name, group, stage) for stage in ("all", kept)]
        every, some = (("[c]" if count is None else f"{count:,}") for count in counts)
        said.append(f"{group_words(group, labels)} {some} of {every}")
    return f"cases {kept}: {', '.join(said)}"
