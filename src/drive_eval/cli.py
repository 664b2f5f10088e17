"""DOOR: the command line. Nothing is computed here; heavy libraries load when they are needed."""

from __future__ import annotations

import contextlib
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drive_eval import __version__
from drive_eval.errors import (
    DataError,
    DesignError,
    DesignWarning,
    DisclosureError,
    DriveEvalError,
    PlanError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["app", "main"]

#: Exit codes for scripts; printed by --help.
EXIT_OK, EXIT_FAILED, EXIT_REFUSED = 0, 1, 2

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
        "  drive-eval simulate --preset site my_data      synthetic tables with known truth\n\n"
        "Exit codes: 0 done; 2 the plan, the data or an option was refused (the message says why); "
        "1 anything else."
    ),
)

PlanArgument = Annotated[
    Path, typer.Argument(help="The plan (evaluation.toml), or the folder that holds it.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an existing folder.")]


@app.command()
def run(
    plan: PlanArgument,
    outputs: Annotated[
        Path | None,
        typer.Option("--outputs", help="Outputs folder. [default: outputs/ beside the plan]"),
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
    from drive_eval.evaluation import check_target, write_report
    from drive_eval.evaluation import run as evaluate
    from drive_eval.plan import load_plan

    with _progress(quiet) as (step, say):
        declared = load_plan(plan)
        target = outputs or declared.folder / "outputs"
        check_target(target, overwrite=overwrite)
        _known_policy(policy or declared.release.policy, declared.data.public_source)
        step("Reading the tables")(0, 1, "")
        from drive_eval.data.study import load_study

        study = load_study(declared)
        step("Reading the tables")(1, 1, "")
        evaluation = evaluate(declared, study, progress=step("Evaluating"))
        report = write_report(
            evaluation, target, policy, overwrite=overwrite, progress=step("Writing the report")
        )
    say(f"Policy: {policy or declared.release.policy}. Unit: {declared.design.unit}.")
    say(f"Report:     {_shown(report)}")
    say(f"Restricted: {_shown(target / 'restricted')} (exact figures; not for release)")


@app.command()
def check(plan: PlanArgument, quiet: QuietOption = False) -> None:
    """Read a plan and its tables, say whether they would run, and write nothing.

    Example: drive-eval check analyses/drive_pilot
    """
    from drive_eval.data.study import load_study
    from drive_eval.evaluation import check as try_out
    from drive_eval.plan import load_plan

    declared = load_plan(plan)
    study = load_study(declared)
    counts = try_out(declared, study)
    if quiet:
        return
    typer.echo(f"Plan:     {declared.evaluation.title} (unit {declared.design.unit})")
    typer.echo(f"Design:   {declared.design.kind}; disclosure policy {declared.release.policy}")
    for name, table in study.tables.items():
        typer.echo(f"Table:    {name}, {len(table):,} rows")
    for name, count in counts.items():
        typer.echo(f"Outcome:  {name}, {count:,} in the figures")
    typer.echo("Plan and tables are in order.")


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="New folder for the tables.")],
    preset: Annotated[
        str, typer.Option("--preset", help="Which synthetic world: drive_pilot or site.")
    ] = "drive_pilot",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed, the same tables.")] = 1,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write synthetic tables of people who never existed, with the true values beside them.

    Example: drive-eval simulate --preset site --seed 7 my_data
    """
    from drive_eval.data.study import save_tables
    from drive_eval.data.synthetic import companion_files, synthetic_study

    with _progress(quiet) as (step, say):
        advance = step("Drawing cases")
        study = synthetic_study(preset, seed, progress=lambda done, of: advance(done, of, ""))
        save_tables(
            study.tables, folder, other_files=companion_files(preset, seed), overwrite=overwrite
        )
    cases = len(study.tables["cases"])
    say(f"{cases:,} cases of the preset {preset}, seed {seed}: {_shown(folder)}")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="NAME", help="New analysis folder.")],
    quiet: QuietOption = False,
) -> None:
    """Make an analysis folder that runs as it stands, on synthetic tables to be replaced.

    Example: drive-eval init my_evaluation
    """
    from drive_eval.evaluation.starter import make_starter

    make_starter(folder)
    if not quiet:
        typer.echo(f"Made {_shown(folder)}: evaluation.toml, protocol.md, run.py, data/.")
        typer.echo(f"Next: drive-eval run {_shown(folder)}")
        typer.echo("Then put your own tables in data/ and write your own protocol.")


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
) -> None:
    del version


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

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DesignWarning)
        with bars:
            yield step, say
    seen = dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, DesignWarning))
    for message in seen:
        if not quiet:
            typer.echo(f"Note: {message}", err=True)


def main() -> None:
    """Run the command line; every refusal is a sentence on standard error and exit code 2."""
    try:
        app()
    except (PlanError, DataError, DesignError, DisclosureError, DriveEvalError) as refusal:
        lines = str(refusal).splitlines()
        for line in lines[:40]:
            sys.stderr.write(f"{line}\n")
        if len(lines) > 40:
            sys.stderr.write(f"… and {len(lines) - 40} more.\n")
        raise SystemExit(EXIT_REFUSED) from None
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. Nothing was changed.\n")
        raise SystemExit(EXIT_FAILED) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        name = Path(str(error.filename)).name if error.filename else "a file"
        sys.stderr.write(f"{name} could not be read or written: {reason}.\n")
        raise SystemExit(EXIT_FAILED) from None


if __name__ == "__main__":
    main()
