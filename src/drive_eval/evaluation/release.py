"""From exact results to results that may be read: controlled counts go back through the models.

An interval built on a hidden count gives the count back. So every count-based effect is worked
out again from the released counts, and a hidden count takes its effect with it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval import disclosure
from drive_eval.evaluation.baseline import BASELINE, release_baseline, tells_of_measured
from drive_eval.evaluation.binary import binary_estimates
from drive_eval.evaluation.contrasts import merge, null_result
from drive_eval.evaluation.controlled import (
    CLUSTERED,
    EXCLUDED,
    HIDDEN,
    SMALL_GROUP,
    control_table,
    empty,
    expand,
    model_based,
    released_claim,
)
from drive_eval.evaluation.designs import CONTRAST
from drive_eval.evaluation.equality import (
    GROUPS,
    equality_reasons,
    equality_result,
    is_equality,
    release_equality,
    told_by_group,
)
from drive_eval.evaluation.flow import RECEIVED
from drive_eval.evaluation.ledger import LEDGER
from drive_eval.evaluation.released_balance import release_balance, withheld_table
from drive_eval.evaluation.released_behaviours import WITHHELD, behaviour, second_threshold
from drive_eval.evaluation.released_checks import FOR_THE_GATE
from drive_eval.evaluation.released_designs import Counts, released_contrasts
from drive_eval.evaluation.released_ledger import release_ledger
from drive_eval.evaluation.released_reporters import release_reporters
from drive_eval.evaluation.released_rivals import release_rivals
from drive_eval.evaluation.released_times import following
from drive_eval.evaluation.reporters import reporter_sets
from drive_eval.evaluation.rivals import PREFIX, rival_names
from drive_eval.evaluation.victims import is_victims, release_victims, victims_reasons
from drive_eval.models import comparison, prepost
from drive_eval.plan import (
    BehaviourOutcome,
    BinaryOutcome,
    Plan,
    ReoffendingOutcome,
    TimeToEventOutcome,
    outcome_names,
)
from drive_eval.results import Check, Evaluation, ResultSet
from drive_eval.vocabulary import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.disclosure import Policy
    from drive_eval.results import CountTable
    from drive_eval.vocabulary import Claim

__all__ = ["hidden_reasons", "release_evaluation"]

ADJUSTED = (
    "Not released: the contrast is adjusted for covariates, so it does not follow from the counts "
    "shown."
)


def release_evaluation(evaluation: Evaluation, policy: str) -> Evaluation:
    """What of this evaluation may be read by others?

    Parameters
    ----------
    evaluation : Evaluation
        Exact.
    policy : str
        Name of the disclosure policy.

    Returns
    -------
    Evaluation
        With ``policy`` set, controlled tables, and effects that follow from them alone.

    Raises
    ------
    DisclosureError
        If the policy does not exist, or may not be used with these data.

    Notes
    -----
    **Assumptions.** Tables of different outcomes are controlled one by one: nobody knows how
    they go together. Nor does anybody know on which dates people left the following. The same
    ratings counted from another severity would be linked by a subtraction, so only the first such
    block of a plan is released. Where people are clustered, the design effect passes rounded up
    to a quarter and the clusters as twentieths of the released total. Under a policy that
    hides and rounds nothing, the exact results pass unchanged.
    """
    plan = Plan.model_validate(dict(evaluation.plan))
    rules = disclosure.policy(policy, public_source=plan.data.public_source)
    exact = not rules.suppress_up_to and not rules.suppress_zero and rules.round_to <= 1
    results = {}
    for block in plan.balancing:
        name = f"balance:{block.name}"
        found = evaluation.results[name]
        results[name] = _open(found, rules) if exact else release_balance(block, found, rules)
    groups = [table for table in evaluation.tables if is_equality(table)]
    start = evaluation.results.get(BASELINE)
    beside = [t for t in (start.tables if start is not None else ()) if tells_of_measured(t)]
    told = told_by_group(plan, [*groups, *beside])
    ratings: set[tuple[str, ...]] = set()
    for outcome in plan.outcomes:
        for name in outcome_names(outcome):
            result = evaluation.results[name]
            same = tuple(name.split(":")[:3])
            if not exact and isinstance(outcome, BehaviourOutcome) and same in ratings:
                results[name] = second_threshold(plan, outcome, name, result)
                continue
            ratings.add(same)
            if exact:
                results[name] = _open(result, rules)
            elif isinstance(outcome, BehaviourOutcome):
                results[name] = behaviour(plan, outcome, name, result, rules, grouped=name == told)
            elif isinstance(outcome, BinaryOutcome):
                results[name] = _binary(plan, outcome, result, rules)
            elif isinstance(outcome, TimeToEventOutcome | ReoffendingOutcome):
                results[name] = following(plan, outcome, result, rules)
            else:
                results[name] = _perceived_change(plan, outcome.reporter, result, rules)
    results |= _beside(plan, evaluation, results, rules, exact=exact)
    results = {
        name: dataclasses.replace(found, tables=tuple(_counts_alone(t) for t in found.tables))
        for name, found in results.items()
    }
    victims = [table for table in evaluation.tables if is_victims(table)]
    by_group = release_equality(plan, groups, results, rules)
    if GROUPS in evaluation.results:
        lacking = evaluation.results[GROUPS].checks
        results[GROUPS] = dataclasses.replace(equality_result(plan, by_group), checks=lacking)
    if start is not None and exact:
        results[BASELINE] = _open(start, rules)
    elif start is not None:
        flow = control_table(evaluation.table("flow"), rules)
        found = release_baseline(plan, start, (groups, by_group), results, flow, rules)
        results[BASELINE] = found
    tables = (
        *[_guarded(plan, t, rules) for t in evaluation.tables if t not in (*groups, *victims)],
        *by_group,
        *release_victims(victims, evaluation.table("flow"), rules),
    )
    tables = tuple(_counts_alone(table) for table in tables)
    everything = [*tables, *(t for r in results.values() for t in r.tables)]
    hidden = sum(c.shown and c.count is None for t in everything for c in t.cells)
    shown = sum(c.shown for t in everything for c in t.cells)
    text = rules.text
    if hidden:
        text += f" {hidden} of {shown} counts are not shown. [c] stands for a hidden count."
    if rules.hides_anything and not rules.suppress_zero:
        text += (
            f" Of groups of people, of victim-survivors and in an arm of fewer than {SMALL_GROUP} "
            "people, nobody counts as few."
        )
    if not exact:
        text += (
            f" Every {'crude ' if plan.balancing else ''}effect and interval was worked out again "
            "from the counts shown, so none of them gives a hidden count back; intervals do not "
            "include the error of rounding."
        )
        if any(isinstance(o, TimeToEventOutcome | ReoffendingOutcome) for o in plan.outcomes):
            text += (
                " Curves over time have few steps, each of many people, and everything read off "
                "them follows from the rounded numbers of these steps; hazard ratios are as "
                "fitted, to two digits."
            )
        if plan.balancing:
            text += (
                " Effects of matched and weighted comparisons were worked out again from the "
                "rounded number with the outcome and a design effect rounded up, where enough "
                "cases stand behind them."
            )
        elif plan.comparison.covariates:
            text += " Contrasts adjusted for covariates are as fitted, to two digits."
        if any(name.startswith(PREFIX) for name in results):
            text += (
                " Rival explanations were asked again of the counts shown, results without a site "
                "of rounded ones; what models made of covariates is given to two digits."
            )
    # The plan may name cases that are left out; who they are is nobody else's business.
    # Nor may the hash of the plan say it: whoever guesses the names could try them.
    cohort = plan.cohort.model_copy(update={"exclude": ()})
    nameless = plan.model_copy(update={"cohort": cohort})
    return dataclasses.replace(
        evaluation,
        plan=nameless.to_dict(),
        plan_hash=nameless.sha256(),
        results=results,
        tables=tables,
        checks=(*evaluation.checks, Check(name="disclosure", text=text)),
        policy=rules.name,
    )


def _beside(
    plan: Plan,
    evaluation: Evaluation,
    released: Mapping[str, ResultSet],
    rules: Policy,
    *,
    exact: bool,
) -> dict[str, ResultSet]:
    """Return what stands beside the outcomes: rival explanations, reporters and the ledger."""
    found: dict[str, ResultSet] = {}
    whole = evaluation.results
    for name in rival_names(plan):
        key = f"{PREFIX}{name}"
        if key not in whole:
            continue
        found[key] = (
            _open(whole[key], rules)
            if exact
            else release_rivals(plan, name, whole[key], whole[name], released[name], rules)
        )
    for name, (one, other, abuse_type) in reporter_sets(plan).items():
        if name not in whole:
            continue
        found[name] = (
            _open(whole[name], rules)
            if exact
            else release_reporters(
                one, other, abuse_type, whole[name], rules, plan.design.conf_level
            )
        )
    if LEDGER in whole:
        found[LEDGER] = whole[LEDGER]
        if not exact:
            found[LEDGER] = release_ledger(whole[LEDGER], {**released, **found})
    return found


def _guarded(plan: Plan, table: CountTable, rules: Policy) -> CountTable:
    """Control a table of the whole evaluation.

    Who received what stands by outcome in the tables of yes/no outcomes: of two divisions that
    share a line, only those are shown where counts are hidden.
    """
    twice = any(isinstance(outcome, BinaryOutcome) for outcome in plan.outcomes)
    if table.name == RECEIVED and twice and (rules.hides_anything or rules.round_to > 1):
        return withheld_table(table, rules)
    return control_table(table, rules)


def _counts_alone(table: CountTable) -> CountTable:
    """Return a table without how many people stand behind its counts: only the gate looks."""
    cells = tuple(dataclasses.replace(cell, people=None) for cell in table.cells)
    return dataclasses.replace(table, cells=cells)


def _open(result: ResultSet, rules: Policy) -> ResultSet:
    """Return a result of which nothing is hidden, without what only the gate looks at."""
    return dataclasses.replace(
        result,
        tables=tuple(control_table(table, rules) for table in result.tables),
        checks=tuple(c for c in result.checks if c.name not in FOR_THE_GATE),
    )


def hidden_reasons(evaluation: Evaluation, released: Evaluation) -> list[dict[str, str]]:
    """Why was each count hidden? For the restricted record only: it says which are small."""
    found = []
    for before, after in zip(evaluation.tables, released.tables, strict=True):
        if is_equality(before):
            found += equality_reasons(before, after)
        elif is_victims(before):
            found += victims_reasons(before, after)
        else:
            found += disclosure.record(before, after)
    for name, result in evaluation.results.items():
        if name not in released.results:
            continue
        if name == BASELINE:
            tables = {table.name: table for table in released.results[name].tables}
            for table in result.tables:
                found += equality_reasons(table, tables[table.name])
            continue
        tables = {table.name: table for table in released.results[name].tables}
        for table in result.tables:
            if tables[table.name].policy == WITHHELD:
                found.append(
                    {"outcome": name, "table": table.name, "key": "all", "reason": "withheld whole"}
                )
            else:
                lines = disclosure.record(table, tables[table.name])
                found += [{"outcome": name, **line} for line in lines]
        shown = {(c.name, c.group, c.term) for c in released.results[name].curves}
        for curve in result.curves:
            key = (curve.name, curve.group, curve.term)
            if key not in shown:
                said = " / ".join(part for part in key[1:] if part)
                reason = "curve of few people or events, or of a design"
                found.append({"outcome": name, "table": curve.name, "key": said, "reason": reason})
    return found


def _perceived_change(plan: Plan, reporter: str, result: ResultSet, rules: Policy) -> ResultSet:
    labels: dict[str, Any] = {
        "outcome": "perceived_change",
        "unit": plan.design.unit,
        "reporter": reporter,
    }
    level = plan.design.conf_level
    parts, usable, tables = [], {}, {}
    for table in result.tables:
        group = table.name.removeprefix("perceived_change:")
        controlled = tables[group] = control_table(table, rules)
        parts.append(ResultSet(tables=(controlled,)))
        reduced, judged = controlled["reduced",], controlled["judged",]
        clustered = plan.design.unit != "person"
        if reduced is None or not judged or clustered:
            text = CLUSTERED if clustered else HIDDEN
            parts.append(
                ResultSet(
                    estimates=(empty("share_reduced", {**labels, "group": group}, level),),
                    checks=(Check(name="suppressed", group=group, text=text),),
                )
            )
            continue
        reduced = min(reduced, judged)
        usable[group] = (reduced, judged)
        parts.append(
            prepost.proportion(
                events=reduced,
                n=judged,
                measure="share_reduced",
                conf_level=level,
                group=group,
                **labels,
            )
        )
    if len(result.tables) == 2 and plan.balancing:
        crude = None
        if len(usable) == 2:
            judgements: dict[tuple[str, ...], int | None] = {
                (group, group, word): count
                for group, (reduced, judged) in usable.items()
                for word, count in (("yes", reduced), ("no", judged - reduced))
            }
            crude = _crude(plan, judgements, labels)
        exact = {t.name.removeprefix("perceived_change:"): t for t in result.tables}
        counts = Counts(shown=_reduced(tables), exact=_reduced(exact))
        found = released_contrasts(plan, None, result, crude, labels, rules, counts=counts)
        parts.append(found)
    elif len(result.tables) == 2 and plan.design.kind != "before_after":
        measures = [("risk_difference", ""), ("risk_ratio", "")]
        if len(usable) < 2:
            rows = tuple(empty(m, labels, level, t) for m, t in measures)
            text = CLUSTERED if plan.design.unit != "person" else HIDDEN
            check = Check(name="suppressed_contrast", text=text)
            parts.append(ResultSet(estimates=rows, checks=(check,)))
        else:
            claim, check = released_claim(plan, tables, rules, "all", "judged")
            if plan.comparison.covariates:
                users = {group: k for group, (k, _n) in usable.items()}
                totals = {group: n for group, (_k, n) in usable.items()}
                found = model_based(plan, result, users, totals, labels, measures, rules)
                raised = tuple(dataclasses.replace(e, claim=claim) for e in found.estimates)
                found = dataclasses.replace(found, estimates=raised)
            else:
                found = _judged_contrast(plan, claim, usable, labels, measures)
            parts.append(dataclasses.replace(found, checks=(check, *found.checks)))
    return merge(parts, outcome="perceived_change")


def _reduced(tables: Mapping[str, CountTable]) -> dict[tuple[str, str], int | None]:
    """Return for whom risk was judged reduced and for whom not."""
    found: dict[tuple[str, str], int | None] = {}
    for group, table in tables.items():
        reduced, judged = table["reduced",], table["judged",]
        hidden = reduced is None or judged is None
        found[group, "yes"] = reduced
        found[group, "no"] = None if hidden else max((judged or 0) - (reduced or 0), 0)
    return found


def _judged_contrast(
    plan: Plan,
    claim: Claim,
    usable: Mapping[str, tuple[int, int]],
    labels: Mapping[str, Any],
    measures: Sequence[tuple[str, str]],
) -> ResultSet:
    rows = pd.concat(
        [expand({True: k, False: n - k}, group) for group, (k, n) in usable.items()],
        ignore_index=True,
    )
    plain = {key: value for key, value in labels.items() if key != "outcome"}
    found = null_result(
        lambda: comparison.risk_contrast(
            rows,
            outcome="outcome",
            treated="group",
            conf_level=plan.design.conf_level,
            outcome_name="perceived_change",
            **plain,
        ),
        measures,
        labels,
        plan.design.conf_level,
    )
    kept = tuple(
        dataclasses.replace(e, claim=claim)
        for e in found.estimates
        if e.measure in ("risk_difference", "risk_ratio")
    )
    return dataclasses.replace(found, estimates=kept, tables=())


def _binary(plan: Plan, outcome: BinaryOutcome, result: ResultSet, rules: Policy) -> ResultSet:
    controlled = control_table(result.tables[0], rules)
    cells = {c.key: c.count for c in controlled.cells if not c.parts}
    totals = {c.key: c.count for c in controlled.cells if c.parts and c.key[2] != "all"}
    # As delivered if every cell is shown, else as allocated if its totals are.
    shown = next((found for found in (cells, totals) if None not in found.values()), None)
    clustered = plan.design.unit != "person"
    adjusted = bool(plan.comparison.covariates)
    labels = {"outcome": outcome.name, "unit": plan.design.unit, "reporter": outcome.reporter}
    if plan.balancing:
        crude = None if shown is None or clustered else _crude(plan, shown, labels)
        lines = [(group, word) for group in ARMS.codes for word in ("yes", "no")]
        counts = Counts(
            shown={(g, w): controlled[g, "all", w] for g, w in lines},
            exact={(g, w): result.tables[0][g, "all", w] for g, w in lines},
        )
        found = released_contrasts(plan, outcome, result, crude, labels, rules, counts=counts)
        return dataclasses.replace(found, tables=(controlled,))
    if shown is None or clustered or adjusted:
        measures = ("risk_treated", "risk_comparison", "risk_difference", "risk_ratio")
        text = CLUSTERED if clustered else ADJUSTED if adjusted else HIDDEN
        return ResultSet(
            estimates=tuple(empty(m, labels, plan.design.conf_level) for m in measures),
            checks=(Check(name="suppressed", outcome=outcome.name, text=text),),
            tables=(controlled,),
        )
    rows = pd.DataFrame(
        [
            (group, group == "programme", given == "programme", word == "yes")
            for (group, given, word), count in shown.items()
            if word != "not recorded"
            for _ in range(count or 0)
        ],
        columns=["group", "assigned", "delivered", "outcome"],
    )
    if shown is totals:
        rows = rows.drop(columns=["assigned", "delivered"])
    slack = rules.round_to // 2 if rules.round_to > 1 else 0
    shares = {}
    for group in ARMS.codes:
        here = {key: c or 0 for key, c in shown.items() if key[0] == group}
        seen = sum(c for key, c in here.items() if key[2] != "not recorded")
        unseen = [c for key, c in here.items() if key[2] == "not recorded"]
        # As many missing as rounding may hide, so that no claim rests on it.
        most = sum(unseen) + 2 * slack * sum(count > 0 for count in unseen)
        if seen + most:
            shares[group] = most / (seen + most)
    if plan.cohort.exclude:
        shares = dict.fromkeys(shares, 1.0)
    found = binary_estimates(plan, outcome, rows, shares)
    if plan.cohort.exclude and plan.design.kind == "randomised":
        kept = tuple(EXCLUDED if c.name == "claim" else c for c in found.checks)
        found = dataclasses.replace(found, checks=kept)
    return dataclasses.replace(found, tables=(controlled,))


def _crude(
    plan: Plan, shown: Mapping[tuple[str, ...], int | None], labels: Mapping[str, Any]
) -> ResultSet:
    """Work the crude contrast out again from released counts of arm by outcome."""
    rows = pd.concat(
        [
            expand(
                {
                    word == "yes": sum(
                        count or 0
                        for key, count in shown.items()
                        if key[0] == group and key[2] == word
                    )
                    for word in ("yes", "no")
                },
                group,
            )
            for group in ARMS.codes
        ],
        ignore_index=True,
    )
    plain = {key: value for key, value in labels.items() if key != "outcome"}
    return null_result(
        lambda: comparison.risk_contrast(
            rows,
            outcome="outcome",
            treated="group",
            conf_level=plan.design.conf_level,
            outcome_name=str(labels["outcome"]),
            **plain,
        ),
        [(m, "users" if m == "percent_reduction" else "") for m in CONTRAST],
        labels,
        plan.design.conf_level,
    )
