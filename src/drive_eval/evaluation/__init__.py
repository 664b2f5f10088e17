"""DOOR: from a plan and a study to an evaluation, and from an evaluation to a report."""

from __future__ import annotations

import dataclasses
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drive_eval.errors import (
    DataError,
    DesignError,
    DesignWarning,
    DisclosureError,
    ResultError,
    did_you_mean,
)
from drive_eval.results import Evaluation, Provenance, library_versions
from drive_eval.vocabulary import ARMS, codelist_versions

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from drive_eval.data.study import Study
    from drive_eval.models._design import Matched, Weighted
    from drive_eval.plan import Plan, ReoffendingOutcome, TimeToEventOutcome
    from drive_eval.results import CountTable

__all__ = ["check", "check_designs", "load_results", "run", "write_report"]

_BY_CASE = (
    "perceived change is judged by case, so it cannot be counted by dyad. "
    'Use unit = "person" or "enrolment".'
)
#: All that a run writes, and so all that a run may replace.
_OUR_FOLDERS = re.compile(r"release(/charts)?|restricted")
_OUR_FILES = re.compile(
    r"release/(report\.(html|docx)|summary\.html|tables\.xlsx|(results|manifest)\.json"
    r"|charts/[^/]+\.(png|svg|csv))"
    r"|restricted/(results\.json|hidden_counts\.csv)"
)


def check(plan: Plan, study: Study) -> dict[str, int]:
    """Would this plan run on this study, and with how many units for each outcome?

    Parameters
    ----------
    plan : Plan
    study : Study

    Returns
    -------
    dict of str to int
        For each outcome the number of units in its figures: measured both times, judged, or
        with an outcome. Exact, for the evaluator only.

    Raises
    ------
    DesignError
        With one sentence for everything that the study cannot carry.

    Warns
    -----
    DesignWarning
        If some of the outcomes would run and not be released.
    """
    found = _tried_out(plan, study)
    designs = check_designs(plan, study)  # refuses what cannot be matched or weighted
    for note in (*_unreleased(plan), *_too_rare(plan, _units(plan, study), designs)):
        warnings.warn(note, DesignWarning, stacklevel=2)
    return found


def check_designs(plan: Plan, study: Study) -> dict[str, Matched | Weighted]:
    """Who would be set against whom, and how alike are the arms then? No outcome is read.

    Parameters
    ----------
    plan : Plan
    study : Study

    Returns
    -------
    dict of str to Matched or Weighted
        By the name of the `[[balancing]]` block, with balance, rows, weights and sets; `describe`
        says the most important. Exact, for the evaluator only. Empty without such blocks.

    Raises
    ------
    DesignError
        With one sentence for everything that keeps a design from being made.

    Examples
    --------
    >>> import drive_eval as de
    >>> from drive_eval.evaluation import check_designs
    >>> plan = de.load_plan("analyses/confounded_site")  # doctest: +SKIP
    >>> designs = check_designs(plan, de.load_study(plan))  # doctest: +SKIP
    >>> designs["matched"].balance.to_frame()  # doctest: +SKIP
    """
    from drive_eval.evaluation.designs import balancing_faults, make_designs

    faults = _arm_faults(plan, study) + balancing_faults(plan, study.tables["cases"])
    if faults:
        raise DesignError("\n".join(dict.fromkeys(faults)))
    return make_designs(plan, _units(plan, study))


def _tried_out(plan: Plan, study: Study) -> dict[str, int]:
    """Return the units in the figures of each outcome, or refuse with all reasons."""
    from drive_eval.evaluation.designs import balancing_faults
    from drive_eval.evaluation.equality import equality_faults
    from drive_eval.evaluation.needed import said_of
    from drive_eval.evaluation.reoffending import horizon_faults
    from drive_eval.evaluation.rivals import sensitivity_faults
    from drive_eval.measures.case_table import behaviour_rows, binary_rows, perceived_change_rows
    from drive_eval.plan import (
        BehaviourOutcome,
        PerceivedChangeOutcome,
        ReoffendingOutcome,
        TimeToEventOutcome,
        outcome_names,
    )

    units = _units(plan, study)
    found: dict[str, int] = {}
    faults = _arm_faults(plan, study) + _covariate_faults(plan, study)
    faults += balancing_faults(plan, study.tables["cases"])
    faults += sensitivity_faults(plan, study.tables["cases"])
    faults += equality_faults(plan, study.tables["cases"])
    for outcome in plan.outcomes:
        for number, name in enumerate(outcome_names(outcome)):
            try:
                if isinstance(outcome, BehaviourOutcome):
                    rows = behaviour_rows(
                        units,
                        _needed(study, "assessments", outcome.kind),
                        abuse_type=outcome.abuse_types[number],
                        reporter=outcome.reporter,
                        before=outcome.before,
                        after=outcome.after,
                        threshold=outcome.threshold,
                    )
                    found[name] = len(rows.dropna(subset=["used_before", "used_after"]))
                elif isinstance(outcome, PerceivedChangeOutcome):
                    if plan.design.unit == "dyad":
                        faults.append(_BY_CASE)
                        continue
                    rows = perceived_change_rows(
                        units,
                        _needed(study, "risk_reviews", outcome.kind),
                        reporter=outcome.reporter,
                        time_point=outcome.time_point,
                    )
                    found[name] = int(rows["reduced"].notna().sum())
                elif isinstance(outcome, TimeToEventOutcome | ReoffendingOutcome):
                    pieces = _pieces(plan, outcome, units, study)
                    found[name] = pieces["unit_id"].nunique()
                    faults += horizon_faults(outcome, pieces)
                    if not found[name]:
                        faults.append(
                            f'the outcome "{name}" has nothing to follow: no {plan.design.unit} '
                            "has a time at risk. Look whether its columns or dates are filled in, "
                            "or take the outcome out of the plan."
                        )
                else:
                    rows = binary_rows(units, column=outcome.column)
                    found[name] = int(rows["outcome"].notna().sum())
                    if not found[name]:
                        faults.append(
                            f'the outcome "{name}" has nothing to count: the column '
                            f'"{outcome.column}" of cases is blank in every row. Fill it, or take '
                            "the outcome out of the plan."
                        )
            except (DataError, DesignError) as fault:
                faults.append(said_of(outcome, str(fault)))
    if found and not faults and not any(found.values()):
        faults.append(
            f"there is nothing to show: no {plan.design.unit} has what any outcome of the plan "
            "needs (for a behaviour, a severity at both time points). Look whether severity is "
            "filled in, and whether the plan names the right reporter and time points."
        )
    if faults:
        raise DesignError("\n".join(dict.fromkeys(faults)))
    return found


def _pieces(
    plan: Plan, outcome: TimeToEventOutcome | ReoffendingOutcome, units: pd.DataFrame, study: Study
) -> pd.DataFrame:
    """Return the time at risk of each unit; refuse what cannot be followed."""
    from drive_eval.evaluation.needed import need_columns
    from drive_eval.evaluation.reoffending import followed_pieces, try_reoffending
    from drive_eval.measures.case_table import time_to_event_rows
    from drive_eval.plan import TimeToEventOutcome

    if isinstance(outcome, TimeToEventOutcome):
        return followed_pieces(
            time_to_event_rows(
                units, stop=outcome.stop, event=outcome.event, horizon=outcome.horizon
            )
        )
    events = _needed(study, "events", outcome.kind)
    need_columns(outcome, units, events)
    return try_reoffending(plan, outcome, units, events, study.tables.get("custody"))


def _arm_faults(plan: Plan, study: Study) -> list[str]:
    """Say where the arms that there are do not fit the kind of design."""
    cases = study.tables["cases"]
    column = arm_column(plan, cases)
    sizes = cases[column].value_counts()
    arms = [arm for arm in ARMS.codes if sizes.get(arm, 0)]
    kind = plan.design.kind
    if kind == "before_after" and "comparison" in arms:
        return [
            f"the plan says before_after, which has nobody to compare with, but "
            f"{sizes['comparison']} of {len(cases)} cases are in the comparison arm. Use "
            'kind = "comparison_group", or leave these cases out with [cohort] exclude.'
        ]
    if kind != "before_after" and len(arms) == 1:
        return [
            f"the plan says {kind}, which needs two arms, but {column} is {arms[0]} in all "
            f"{len(cases)} cases. Add the cases of the other arm, or use "
            'kind = "before_after".'
        ]
    return []


def _covariate_faults(plan: Plan, study: Study) -> list[str]:
    """Name the covariates that the comparison would stumble over."""
    from drive_eval.evaluation.designs import OWN_COLUMNS
    from drive_eval.plan import NO_COVARIATES

    cases = study.tables["cases"]
    faults = []
    for name in plan.comparison.covariates:
        if name not in cases:
            usable = [str(c) for c in cases if c not in NO_COVARIATES]
            faults.append(
                f'the covariate "{name}" is no column of cases.{did_you_mean(name, usable)} '
                "Mend [comparison] covariates, or add the column."
            )
        elif name in OWN_COLUMNS:
            faults.append(
                f'the covariate "{name}" is what the evaluation calls a column of its own. Rename '
                "the column of cases, and [comparison] covariates with it."
            )
        elif blank := int(cases[name].isna().sum()):
            rows = "every row" if blank == len(cases) else f"{blank} of {len(cases)} rows"
            faults.append(
                f'the covariate "{name}" is blank in {rows} of cases. Fill it, leave those cases '
                "out, or take it out of [comparison] covariates."
            )
    return faults


def _unreleased(plan: Plan) -> list[str]:
    """Name the outcomes that would be run and, where counts are hidden, not released."""
    from drive_eval.plan import BehaviourOutcome, outcome_names

    first: dict[tuple[str, ...], str] = {}
    notes = []
    for outcome in plan.outcomes:
        if not isinstance(outcome, BehaviourOutcome):
            continue
        for kind, name in zip(outcome.abuse_types, outcome_names(outcome), strict=True):
            before = first.setdefault((kind, outcome.reporter, outcome.before, outcome.after), name)
            if before != name:
                notes.append(
                    f'"{name}" counts the same ratings as "{before}" from another severity. Under '
                    "a policy that hides counts only the first is released, because the difference "
                    "of the two would be a count of its own."
                )
    return notes


def _too_rare(plan: Plan, units: pd.DataFrame, designs: dict[str, Matched | Weighted]) -> list[str]:
    """Name the covariates whose categories are too small, whatever the outcome will be."""
    from drive_eval import disclosure
    from drive_eval.evaluation.contrasts import fewest
    from drive_eval.evaluation.controlled import too_rare
    from drive_eval.evaluation.designs import adjusted_for

    rules = disclosure.policy(plan.release.policy, public_source=plan.data.public_source)
    if not rules.suppress_up_to:
        return []
    looked_at = [
        (
            f'[[balancing]] "{name}"',
            adjusted_for(plan, name),
            units.loc[design.table.index[design.table["weight"] > 0]],
        )
        for name, design in designs.items()
    ]
    if not designs and plan.design.kind != "before_after":
        looked_at = [("[comparison]", list(plan.comparison.covariates), units)]
    # Of so few, those with the outcome or those without are too few to be shown.
    return [
        f"{where}: its effects will not be released under the policy {rules.name}: {too_rare(name)}"
        for where, covariates, rows in looked_at
        for name in covariates
        if fewest(rows, name) <= 2 * rules.suppress_up_to + 1
    ]


def run(
    plan: Plan, study: Study, *, progress: Callable[[int, int, str], None] | None = None
) -> Evaluation:
    """What did the programme's evaluation find, exactly and for the evaluator's eyes only?

    Parameters
    ----------
    plan : Plan
        From `drive_eval.load_plan`.
    study : Study
        From `drive_eval.load_study` or `drive_eval.synthetic_study`.
    progress : callable, optional
        Called with the number of finished outcomes and of their rival explanations, their
        total, and the last one's name.

    Returns
    -------
    Evaluation
        Exact figures: restricted until `write_report` has taken them through the gate. Besides
        the outcomes, ``results`` holds ``rivals:<outcome>`` (what else could explain it),
        ``reporters:<abuse type>:<span>`` where two reporters rate the same, ``ledger``
        (every test of the run), ``equality`` (shares by group of people) and, where no design
        makes the arms alike, ``baseline`` (who they were at the start).

    Raises
    ------
    DesignError
        If the study cannot carry an outcome that the plan asks for.

    Examples
    --------
    >>> import drive_eval as de
    >>> plan = de.load_plan("analyses/drive_pilot")  # doctest: +SKIP
    >>> evaluation = de.run(plan, de.load_study(plan))  # doctest: +SKIP
    """
    from drive_eval.evaluation.baseline import BASELINE, arm_sizes, baseline_result
    from drive_eval.evaluation.behaviours import evaluate_behaviours, evaluate_perceived_change
    from drive_eval.evaluation.binary import evaluate_binary
    from drive_eval.evaluation.designs import balance_result, make_designs
    from drive_eval.evaluation.equality import (
        GROUPS,
        equality_result,
        equality_tables,
        not_in_data,
    )
    from drive_eval.evaluation.flow import flow_table, received_table
    from drive_eval.evaluation.ledger import LEDGER, count_tests
    from drive_eval.evaluation.reoffending import evaluate_reoffending, evaluate_time_to_event
    from drive_eval.evaluation.reporters import evaluate_reporters, reporter_sets
    from drive_eval.evaluation.rivals import PREFIX, evaluate_rivals, rival_names
    from drive_eval.evaluation.victims import victims_tables
    from drive_eval.plan import (
        BehaviourOutcome,
        PerceivedChangeOutcome,
        ReoffendingOutcome,
        TimeToEventOutcome,
        outcome_names,
    )

    _tried_out(plan, study)
    rivals, reporters = rival_names(plan), reporter_sets(plan)
    total = sum(len(outcome_names(outcome)) for outcome in plan.outcomes)
    total += len(rivals) + len(reporters)
    done = 0

    def advance(name: str) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total, name)

    column = arm_column(plan, study.tables["cases"])
    units = _units(plan, study)
    left_out = study.excluded_by_arm
    designs = make_designs(plan, units)  # before any outcome is looked at
    results = {
        f"balance:{block.name}": balance_result(
            block, designs[block.name], units, unit=plan.design.unit
        )
        for block in plan.balancing
    }
    for outcome in plan.outcomes:
        if isinstance(outcome, BehaviourOutcome):
            table = _needed(study, "assessments", outcome.kind)
            found = evaluate_behaviours(plan, outcome, units, table, advance, left_out, designs)
            results.update(found)
            continue
        name = outcome_names(outcome)[0]
        if isinstance(outcome, PerceivedChangeOutcome):
            table = _needed(study, "risk_reviews", outcome.kind)
            results[name] = evaluate_perceived_change(
                plan, outcome, units, table, left_out, designs
            )
        elif isinstance(outcome, TimeToEventOutcome):
            results[name] = evaluate_time_to_event(plan, outcome, units, left_out, designs)
        elif isinstance(outcome, ReoffendingOutcome):
            table = _needed(study, "events", outcome.kind)
            custody = study.tables.get("custody")
            results[name] = evaluate_reoffending(
                plan, outcome, units, table, custody, left_out, designs
            )
        else:
            results[name] = evaluate_binary(plan, outcome, units, left_out, designs)
        advance(name)
    for name in rivals:
        results[f"{PREFIX}{name}"] = evaluate_rivals(plan, units, study.tables, results, name)
        advance(f"rivals of {name}")
    for name in reporters:
        table = _needed(study, "assessments", "behaviour")
        results[name] = evaluate_reporters(plan, units, table, name)
        advance(name)
    results[LEDGER] = count_tests(plan, results)
    groups = equality_tables(plan, study, units)
    # After the ledger: groups are described, not tested.
    results[GROUPS] = dataclasses.replace(
        equality_result(plan, groups), checks=(not_in_data(study),)
    )
    flow, received = flow_table(plan, study, units), received_table(plan, units)
    if not plan.balancing:  # which tells how alike the arms are by itself
        sizes = arm_sizes(plan, results, flow)
        results[BASELINE] = baseline_result(plan, study, units, groups, sizes)
    return Evaluation(
        plan=plan.to_dict(),
        plan_hash=plan.sha256(),
        results=results,
        tables=(
            flow,
            *_dated_flow(plan, study, column),
            *([received] if received is not None else []),
            *groups,
            *victims_tables(study, units),
        ),
        provenance=Provenance(
            call="drive_eval.run",
            inputs=dict(study.hashes),
            versions={**library_versions(), **codelist_versions()},
            seed=plan.sensitivity.seed,
        ),
    )


def arm_column(plan: Plan, cases: pd.DataFrame) -> str:
    """Return the column that forms the arms: as allocated when allocation was by chance."""
    if plan.design.kind == "randomised":
        if "allocated_arm" not in cases or cases["allocated_arm"].isna().any():
            missing = len(cases)
            if "allocated_arm" in cases:
                missing = int(cases["allocated_arm"].isna().sum())
            raise DesignError(
                f"the plan says the arms were randomised, but {missing} of {len(cases)} cases have "
                "no allocated_arm. Fill the column in cases, or name another design.kind."
            )
        return "allocated_arm"
    return "arm"


def _units(plan: Plan, study: Study) -> pd.DataFrame:
    from drive_eval.measures.case_table import cohort_units

    cases = study.tables["cases"]
    return cohort_units(
        cases,
        study.tables.get("victim_survivors"),
        unit=plan.design.unit,
        group=arm_column(plan, cases),
    )


def _dated_flow(plan: Plan, study: Study, column: str) -> tuple[CountTable, ...]:
    """Return the cohort's flow by dates; nothing where the data have no dates."""
    from drive_eval.data.study import cohort_flow

    if plan.data.index_date == "not_public":
        return ()
    grouped = _as_grouped(study, column)
    return (cohort_flow(grouped, first_only=plan.design.unit == "person"),)


def _as_grouped(study: Study, column: str) -> Study:
    """Return the study with its arms as the evaluation groups them, for the cohort's flow."""
    if column == "arm":
        return study
    cases = study.tables["cases"].assign(arm=study.tables["cases"][column])
    return dataclasses.replace(study, tables={**study.tables, "cases": cases})


def _needed(study: Study, table: str, kind: str) -> pd.DataFrame:
    if table not in study.tables:
        raise DesignError(
            f'the plan has an outcome of kind "{kind}", which needs the table {table}, '
            f"but {study.source} has none. Add {table}.csv or take the outcome out of the plan."
        )
    return study.tables[table]


def write_report(
    evaluation: Evaluation,
    folder: str | Path,
    policy: str | None = None,
    *,
    overwrite: bool = False,
    restricted: bool = True,
    ledger: str | Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Take an evaluation through the gate and write what may be read by others.

    Parameters
    ----------
    evaluation : Evaluation
        Exact, from `run`.
    folder : str or Path
        Outputs folder: gets ``release/`` (report.html, report.docx, summary.html, tables.xlsx,
        results.json, charts, manifest.json) and ``restricted/`` (exact results; not for release).
    policy : str, optional
        Disclosure policy; the plan's when left out.
    overwrite : bool
        Whether an existing folder may be replaced.
    restricted : bool
        Whether to keep the exact results beside the release.
    ledger : str or Path, optional
        What was released before, written by `drive-eval release-check --record`; nothing is
        written that would give somebody away beside it.
    progress : callable, optional
        Called with the number of finished steps, their total, and what was done.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    ResultError
        If the folder holds results and ``overwrite`` is False, holds anything that drive_eval
        did not write, or cannot be written; then nothing has been changed.
    DisclosureError
        If the policy does not exist or may not be used with these data, or an earlier release
        and this one would tell on somebody together.

    Notes
    -----
    Everything is written to a draft folder first, which is put in place at the end: a failed
    or killed run leaves what was there before, and the next one sweeps its draft away.
    ``restricted/`` can be opened by its owner alone.
    """
    import pandas as pd

    from drive_eval.data.folders import draft
    from drive_eval.evaluation.manifest import write_manifest
    from drive_eval.evaluation.release import hidden_reasons, release_evaluation
    from drive_eval.evaluation.releases import against_earlier
    from drive_eval.report.document import write_bundle

    if evaluation.policy:
        raise ResultError(
            f"this evaluation has already been through the gate ({evaluation.policy}); "
            "give write_report the exact one that drive_eval.run returned."
        )
    target = Path(folder)
    with draft(
        target, check=lambda: check_target(target, overwrite=overwrite), error=ResultError
    ) as new:
        if policy is None:
            policy = evaluation.plan["release"]["policy"]
        released = release_evaluation(evaluation, policy)
        faults = [] if ledger is None else against_earlier(released, Path(ledger))
        if faults:
            raise DisclosureError("\n".join(faults))
        (new / "release").mkdir()
        write_bundle(released, new / "release", progress=progress)
        write_manifest(released, new / "release")
        if restricted:
            # Exact figures: nobody but their owner opens them, whatever the folder allows.
            (new / "restricted").mkdir(mode=0o700)
            text = evaluation.to_json()
            (new / "restricted" / "results.json").write_text(text, encoding="utf-8")
            reasons = pd.DataFrame(
                hidden_reasons(evaluation, released), columns=["outcome", "table", "key", "reason"]
            )
            reasons.to_csv(new / "restricted" / "hidden_counts.csv", index=False)
    return target / "release" / "report.html"


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something and may not be replaced."""
    from drive_eval.data.folders import held

    if target.exists() and not target.is_dir():
        raise ResultError(f"{target} is a file, not a folder. Choose another outputs folder.")
    foreign = _foreign(target, held(target))
    if foreign:
        raise ResultError(
            f"{target} holds {len(foreign)} files or folders that drive_eval did not write, such "
            f'as "{foreign[0]}", so it will not be replaced. Choose another outputs folder.'
        )
    if held(target) and not overwrite:
        raise ResultError(
            f"{target} already holds results. Move them, choose another folder, or allow "
            "replacing them with --overwrite (overwrite=True in Python)."
        )


def _foreign(target: Path, names: list[str]) -> list[str]:
    """Return what stands in an outputs folder, at any depth, and was not written by a run."""
    from drive_eval.data.folders import SYSTEM_FILES

    found = []
    for name in names:
        for path in (target / name, *(target / name).rglob("*")):
            shown = path.relative_to(target).as_posix()
            known = _OUR_FOLDERS if path.is_dir() else _OUR_FILES
            ours = path.name in SYSTEM_FILES or known.fullmatch(shown)
            if path.is_symlink() or not ours:
                found.append(shown)
    return found


def load_results(path: str | Path) -> Evaluation:
    """Read results that an earlier run wrote.

    Parameters
    ----------
    path : str or Path
        A ``results.json``, or a folder that holds one.

    Returns
    -------
    Evaluation

    Raises
    ------
    ResultError
        If there is no such file, or it was not written by drive_eval.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "results.json"
    if not file.is_file():
        raise ResultError(f"no results at {path}. Give the results.json of an outputs folder.")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ResultError(f"{file.name} is not a results file written by drive_eval.") from None
    return Evaluation.from_json(text)
