"""A new analysis folder that runs as it stands."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from drive_eval.errors import PlanError

__all__ = ["make_starter"]

#: What must not travel along when the folder is shared: people's rows, exact figures, drafts.
_GITIGNORE = "data/\noutputs*/\n.*-*/\n"


def make_starter(folder: str | Path) -> None:
    """Make an analysis folder: a plan, a protocol, a script and synthetic tables of one site.

    Parameters
    ----------
    folder : str or Path
        A folder that does not exist yet, or is empty. It is made whole or not at all.

    Raises
    ------
    PlanError
        If there is something in the way, or the name holds characters that are not printed.
    """
    from drive_eval.data.folders import draft
    from drive_eval.data.study import save_tables
    from drive_eval.data.synthetic import companion_files, synthetic_study

    target = Path(folder)
    name = target.resolve().name
    if not name.isprintable():
        raise PlanError(
            "the name of the new folder holds a line break or another character that cannot be "
            "printed. Choose a name of letters, digits, spaces and dashes."
        )
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    with draft(target, check=lambda: _check_free(target), error=PlanError) as new:
        source = resources.files("drive_eval.evaluation").joinpath("starter_files")
        for file in ("evaluation.toml", "protocol.md", "run.py"):
            text = source.joinpath(f"{file}.txt").read_text(encoding="utf-8")
            text = text.replace("{name}", name).replace("{quoted}", quoted)
            (new / file).write_text(text, encoding="utf-8")
        (new / ".gitignore").write_text(_GITIGNORE, encoding="utf-8")
        study = synthetic_study("site", 1)
        save_tables(study.tables, new / "data", other_files=companion_files("site", 1))


def _check_free(target: Path) -> None:
    from drive_eval.data.folders import held

    if target.exists() and (not target.is_dir() or held(target)):
        raise PlanError(f"{target} already exists and is not empty. Choose another name.")
