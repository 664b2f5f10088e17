"""DOOR: the command line. Nothing is computed here; heavy libraries load when they are needed."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drive_eval import __version__
from drive_eval.errors import (
    DataError,
    DesignWarning,
    DisclosureError,
    DriveEvalError,
    ResultError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drive_eval.data.study import Study
    from drive_eval.plan import Plan

__all__ = ["app", "main"]

#: Exit codes for scripts; printed by --help.
EXIT_OK, EXIT_FAILED, EXIT_REFUSED = 0, 1, 2
#: What other programs expect of one that Ctrl-C, or a request to end, has stopped.
EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143

app = typer.Typer(
    name="drive-eval",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=(
        "Evaluates programmes for perpetrators of domestic abuse, from raw tables to a report.\n\n"
        "Examples:\n\n"
        "  drive-eval run analyses/drive_pilot            raw tables to a finished report\n\n"
        "  drive-eval check analyses/drive_pilot          would it run? writes nothing\n\n"
        "  drive-eval init my_evaluation                  a folder that runs as it stands\n\n"
        "  drive-eval release-check outputs/release       may this folder leave the building?\n\n"
        "  drive-eval simulate --preset site my_data      synthetic tables with known truth\n\n"
        "  drive-eval reproduce drive_physical            a published figure, recomputed\n\n"
        "Exit codes: 0 done; 2 the plan, the data, a folder or an option was refused (the message "
        "says why); 130 stopped with Ctrl-C (143 by the system), and nothing was changed; "
        "1 release-check found a fault, or anything else."
    ),
)


def _named_path(text: str) -> Path:
    """Refuse an empty name, which would otherwise mean the folder one stands in."""
    if not text.strip():
        raise typer.BadParameter("the name is empty. Leave the option out, or name a folder.")
    return Path(text)


PlanArgument = Annotated[
    Path,
    typer.Argument(
        parser=_named_path,
        help="The plan (evaluation.toml), or the folder that holds it.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an existing folder.")]


@app.command()
def run(
    plan: PlanArgument,
    outputs: Annotated[
        Path | None,
        typer.Option(
            "--outputs",
            parser=_named_path,
            metavar="FOLDER",
            help="Outputs folder. [default: outputs/ beside the plan]",
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option("--policy", help="Disclosure policy. [default: the plan's]"),
    ] = None,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Evaluate a study by its plan and write the report.

    Example: drive-eval run analyses/drive_pilot --overwrite
    """
    from drive_eval.data.folders import check_writable, sweep
    from drive_eval.evaluation import check_target, write_report
    from drive_eval.evaluation import run as evaluate
    from drive_eval.plan import load_plan

    with _progress(quiet) as (step, say):
        declared = load_plan(plan)
        target = outputs or declared.folder / "outputs"
        sweep(target)
        check_target(target, overwrite=overwrite)
        check_writable(target, error=ResultError)
        if policy is None:
            policy = declared.release.policy
        _known_policy(policy, declared.data.public_source)
        step("Reading the tables")(0, 1, "")
        study = _study(declared)
        step("Reading the tables")(1, 1, "")
        evaluation = evaluate(declared, study, progress=step("Evaluating"))
        report = write_report(
            evaluation,
            target,
            policy,
            overwrite=overwrite,
            ledger=declared.folder / "releases.json",
            progress=step("Writing the report"),
        )
    say(f"Policy: {policy}. Unit: {declared.design.unit}.")
    say(f"Report:     {_shown(report)}")
    say(f"In short:   {_shown(report.with_name('summary.html'))} (two pages)")
    say(f"To edit:    {_shown(report.with_name('report.docx'))}")
    say(f"Tables:     {_shown(report.with_name('tables.xlsx'))}")
    say(f"Restricted: {_shown(target / 'restricted')} (exact figures; not for release)")


@app.command()
def check(plan: PlanArgument, quiet: QuietOption = False) -> None:
    """Read a plan and its tables, say whether they would run, and write nothing.

    Of matched and weighted designs it says how alike the arms become, before any effect is seen.

    Example: drive-eval check analyses/drive_pilot
    """
    from drive_eval.evaluation import check as try_out
    from drive_eval.evaluation import check_designs
    from drive_eval.plan import load_plan
    from drive_eval.plan.sections import SUPPORT

    with _notes(quiet):
        declared = load_plan(plan)
        study = _study(declared)
        counts = try_out(declared, study)
        designs = check_designs(declared, study)
    if quiet:
        return
    typer.echo(f"Plan:     {declared.evaluation.title} (unit {declared.design.unit})")
    typer.echo(f"Design:   {declared.design.kind}; disclosure policy {declared.release.policy}")
    for name, table in study.tables.items():
        typer.echo(f"Table:    {name}, {len(table):,} rows")
    for name in study.unread:
        typer.echo(f"Not read: {name} (not named after a table, nor named in [data.tables])")
    for block in declared.balancing:
        design = designs[block.name]
        typer.echo(f"Balance:  {block.name}: {block.title}")
        for line in design.describe().splitlines():
            if line not in design.sentences:  # how it was made stands in the plan
                typer.echo(f"          {line}")
    for name, count in counts.items():
        typer.echo(f"Outcome:  {name}, {count:,} in the figures")
    if declared.report.support == SUPPORT:
        typer.echo(f"Help:     {SUPPORT} Replace it with your area's: [report] support.")
    if designs:
        typer.echo("Counts here are exact: for the evaluator only, not for release.")
    typer.echo("Plan and tables are in order.")


@app.command()
def simulate(
    folder: Annotated[
        Path,
        typer.Argument(parser=_named_path, help="New folder for the tables."),
    ],
    preset: Annotated[
        str,
        typer.Option(
            "--preset",
            help="Which synthetic world: drive_pilot, site, confounded, or national (8 million "
            "events, as Parquet files).",
        ),
    ] = "drive_pilot",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed, the same tables.")] = 1,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write synthetic tables of people who never existed, with the true values beside them.

    Example: drive-eval simulate --preset site --seed 7 my_data
    """
    from drive_eval.data.folders import check_writable, sweep
    from drive_eval.data.study import check_folder, save_tables
    from drive_eval.data.synthetic import companion_files, synthetic_study, write_national

    with _progress(quiet) as (step, say):
        sweep(folder)
        check_folder(folder, overwrite=overwrite)
        check_writable(folder, error=DataError)
        advance = step("Drawing cases")
        if preset == "national":
            begin = time.perf_counter()
            rows = write_national(
                folder,
                seed,
                other_files=companion_files(preset, seed),
                overwrite=overwrite,
                progress=lambda done, of: advance(done, of, ""),
            )
            counts = ", ".join(f"{count:,} {name}" for name, count in rows.items())
            took = time.perf_counter() - begin
            say(f"{counts} of the preset {preset}, seed {seed}, in {took:.0f} s: {_shown(folder)}")
            return
        study = synthetic_study(preset, seed, progress=lambda done, of: advance(done, of, ""))
        save_tables(
            study.tables, folder, other_files=companion_files(preset, seed), overwrite=overwrite
        )
    cases = len(study.tables["cases"])
    say(f"{cases:,} cases of the preset {preset}, seed {seed}: {_shown(folder)}")


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(parser=_named_path, metavar="NAME", help="New analysis folder.")
    ],
    quiet: QuietOption = False,
) -> None:
    """Make an analysis folder that runs as it stands, on synthetic tables to be replaced.

    Example: drive-eval init my_evaluation
    """
    from drive_eval.evaluation.starter import make_starter

    make_starter(folder)
    if not quiet:
        typer.echo(f"Made {_shown(folder)}: evaluation.toml, protocol.md, run.py, data/.")
        typer.echo(f"Next: drive-eval run {_typed(folder)}")
        typer.echo("Then put your own tables in data/ and write your own protocol.")


@app.command()
def reproduce(
    claim: Annotated[
        str | None,
        typer.Argument(
            metavar="CLAIM",
            help="The name of a published claim. Without it all are listed.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print estimates and checks as JSON.")
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print the list, or the estimates, as CSV.")
    ] = False,
) -> None:
    """Recompute published figures, and set the printed ones beside ours.

    Example: drive-eval reproduce

    Example: drive-eval reproduce drive_physical

    Example: drive-eval reproduce scott_second_responder --json
    """
    from drive_eval.published import claims as files
    from drive_eval.published import record

    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv cannot be had together. Choose one.")
    names = files.claim_ids() if claim is None else (files.claim(claim).id,)
    found = {}
    with _progress(claim is not None) as (step, _):
        for done, name in enumerate(names, start=1):
            found[name] = record.recompute(name)
            step("Recomputing")(done, len(names), "")
    if as_json:
        typer.echo(record.to_json(found), nl=False)
    elif claim is not None and as_csv:
        typer.echo(found[claim].to_frame().to_csv(index=False, lineterminator="\n"), nl=False)
    elif claim is not None:
        typer.echo(record.told(files.claim(claim), found[claim]))
    elif as_csv:
        typer.echo(record.overview(found).to_csv(index=False, lineterminator="\n"), nl=False)
    else:
        width = max(map(len, names))
        for row in record.overview(found).itertuples():
            typer.echo(f"{row.claim:<{width}}  {row.grade}  {row.verdict}")
        typer.echo("\nGrades:")
        for grade, meaning in files.GRADES.items():
            typer.echo(f"{grade}  {meaning}")
        typer.echo("\nOne of them in full: drive-eval reproduce drive_physical")


@app.command("release-check")
def release_check(
    folder: Annotated[
        Path,
        typer.Argument(parser=_named_path, help="The release: outputs/release of a run."),
    ],
    restricted: Annotated[
        Path | None,
        typer.Option(
            "--restricted",
            parser=_named_path,
            metavar="FOLDER",
            help="Exact results to look for. [default: restricted/ beside the release]",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            parser=_named_path,
            metavar="FOLDER",
            help="Tables of the study, whose case numbers may stand nowhere.",
        ),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(
            "--ledger",
            parser=_named_path,
            metavar="FILE",
            help="Earlier releases. [default: releases.json beside the outputs folder]",
        ),
    ] = None,
    record: Annotated[
        bool,
        typer.Option("--record", help="If nothing is wrong, write down that this was released."),
    ] = False,
    accept: Annotated[
        str,
        typer.Option(
            "--accept",
            metavar="FILE",
            help="Put on record that this file of the folder was added or edited by hand.",
        ),
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, for --accept.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who decided, for --accept.")] = "",
    quiet: QuietOption = False,
) -> None:
    """Open every file of a release and say what may not leave the building; exit code 1 if any.

    Example: drive-eval release-check analyses/drive_pilot/outputs/release
    """
    from drive_eval.evaluation.manifest import accept_file
    from drive_eval.evaluation.release_check import check_release, identifiers_of
    from drive_eval.evaluation.releases import LEDGER, record_release
    from drive_eval.results import Evaluation

    if accept:
        accept_file(folder, accept, reason=reason, approved_by=by)
    earlier = ledger or folder.resolve().parent.parent / LEDGER
    with _notes(quiet):
        found = check_release(
            folder,
            restricted=restricted,
            identifiers=identifiers_of(data) if data is not None else (),
            ledger=earlier,
        )
    for fault in found.faults:
        sys.stderr.write(f"{fault}\n")
    if not quiet:
        for line in found.exceptions:
            typer.echo(f"Exception:  {line}")
        for line in found.looked_at:
            typer.echo(f"Looked at:  {line}")
    if found.faults:
        raise typer.Exit(EXIT_FAILED)
    if record:
        released = Evaluation.from_json((folder / "results.json").read_text(encoding="utf-8"))
        if record_release(released, earlier) and not quiet:
            typer.echo(f"Recorded:   {_shown(earlier)}")
    if not quiet:
        typer.echo("Nothing was found. Somebody who knows the cases must still read it.")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"drive_eval {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            help="Show where in the program an unexpected fault arose (also DRIVE_EVAL_DEBUG=1).",
        ),
    ] = False,
) -> None:
    del version, debug  # main() looks for --debug itself, so that it may stand anywhere


def _study(plan: Plan) -> Study:
    """Read the tables; where there are none yet, name the script that may make them."""
    from drive_eval.data.study import load_study

    try:
        return load_study(plan)
    except DataError as refusal:
        script = plan.folder / "run.py"
        folder = plan.data.folder
        if not script.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise
        command = f"python {shlex.quote(_shown(script))}"
        hint = f"If the tables are made by a script, run it first: {command}"
        raise DataError((*refusal.faults, hint)) from None


def _known_policy(name: str, public_source: str) -> None:
    """Refuse an unknown policy before the long work, not after it."""
    from drive_eval.disclosure import POLICIES, policy

    if name == "custom":
        raise DisclosureError(
            'policy "custom" can be used from Python only, where its rules can be given. Choose '
            f"{', '.join(POLICIES)}."
        )
    policy(name, public_source=public_source)


def _shown(path: Path) -> str:
    """Return a path as the user would type it."""
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)


def _typed(path: Path) -> str:
    """Return a path as it must be typed: quoted where the shell would split or read it."""
    shown = _shown(path)
    return shlex.quote(f"./{shown}" if shown.startswith("-") else shown)


@contextlib.contextmanager
def _progress(
    quiet: bool,
) -> Iterator[tuple[Callable[[str], Callable[[int, int, str], None]], Callable[[str], None]]]:
    """Hand out progress bars by the name of the step, and a way to say something at the end.

    Bars and warnings go to standard error, so that standard output can be piped.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bars = Progress(
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}"),
        console=Console(stderr=True, quiet=quiet),
        disable=quiet,
    )
    tasks = {}

    def step(description: str) -> Callable[[int, int, str], None]:
        def advance(done: int, total: int, last: str) -> None:
            if description not in tasks:
                tasks[description] = bars.add_task(description, total=total, last="")
            bars.update(tasks[description], completed=done, total=total, last=last)

        return advance

    def say(words: str) -> None:
        if not quiet:
            typer.echo(words)

    with _notes(quiet), bars:
        yield step, say


@contextlib.contextmanager
def _notes(quiet: bool) -> Iterator[None]:
    """Print what the design does not quite support, once each, when the work is done."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DesignWarning)
        yield
    seen = dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, DesignWarning))
    for message in seen:
        if not quiet:
            typer.echo(f"Note: {message}", err=True)


def main() -> None:
    """Run the command line; every refusal is a sentence on standard error and exit code 2."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1 or os.environ.get("DRIVE_EVAL_DEBUG") == "1"
    _end_cleanly_when_asked()
    try:
        app(arguments)
    except DriveEvalError as refusal:
        lines = str(refusal).splitlines()
        for line in lines[:40]:
            sys.stderr.write(f"{line}\n")
        if len(lines) > 40:
            sys.stderr.write(f"… and {len(lines) - 40} more.\n")
        raise SystemExit(EXIT_REFUSED) from None
    except SystemExit as ending:
        if ending.code in (EXIT_INTERRUPTED, EXIT_TERMINATED):
            sys.stderr.write("Stopped. Nothing was changed.\n")
        raise
    except OSError as error:
        if debug:
            raise
        reason = error.strerror or type(error).__name__
        name = Path(str(error.filename)).name if error.filename else "a file"
        sys.stderr.write(f"{name} could not be read or written: {reason}.\n")
        raise SystemExit(EXIT_FAILED) from None
    except Exception as error:  # the last resort: a traceback may show a row
        if debug:
            raise
        sys.stderr.write(
            f"{type(error).__name__}: this is a fault in drive_eval, not in your plan or data. "
            "Nothing was changed. Run again with --debug to see where, and report what it shows "
            "without any person's data.\n"
        )
        raise SystemExit(EXIT_FAILED) from None


def _end_cleanly_when_asked() -> None:
    """Let a request to end unwind the run, so that no draft with exact figures is left."""

    def end(number: int, frame: object) -> None:
        del number, frame
        raise SystemExit(EXIT_TERMINATED)

    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP; nohup ignores it
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


if __name__ == "__main__":
    main()
