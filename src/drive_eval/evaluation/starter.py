"""A new analysis folder that runs as it stands."""

from __future__ import annotations

import shutil
import tempfile
from importlib import resources
from pathlib import Path

from drive_eval.errors import PlanError

__all__ = ["make_starter"]


def make_starter(folder: str | Path) -> None:
    """Make an analysis folder: a plan, a protocol, a script and synthetic tables of one site.

    Parameters
    ----------
    folder : str or Path
        A folder that does not exist yet, or is empty. It is made whole or not at all.

    Raises
    ------
    PlanError
        If there is something in the way.
    """
    from drive_eval.data.study import save_tables
    from drive_eval.data.synthetic import companion_files, synthetic_study

    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise PlanError(f"{target} already exists and is not empty. Choose another name.")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        source = resources.files("drive_eval.evaluation").joinpath("starter_files")
        for name in ("evaluation.toml", "protocol.md", "run.py"):
            text = source.joinpath(f"{name}.txt").read_text(encoding="utf-8")
            (draft / name).write_text(text.replace("{name}", target.name), encoding="utf-8")
        (draft / ".gitignore").write_text("outputs/\n", encoding="utf-8")
        study = synthetic_study("site", 1)
        save_tables(study.tables, draft / "data", other_files=companion_files("site", 1))
        if target.exists():
            target.rmdir()
        draft.chmod(0o755)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
