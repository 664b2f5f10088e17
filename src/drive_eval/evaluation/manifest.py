"""The list of a release: each file, what it is, and what the gate did to the tables in it.

The list is itself released. So it says how many lines of a table are hidden, which everybody can
count, and not why: which of them are small stays in ``restricted/hidden_counts.csv``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drive_eval import disclosure
from drive_eval.errors import ResultError

if TYPE_CHECKING:
    from drive_eval.results import CountTable, Evaluation

__all__ = [
    "FORMAT",
    "MANIFEST",
    "accept_file",
    "digest",
    "files_of",
    "read_manifest",
    "what_it_is",
    "write_manifest",
]

FORMAT = "drive_eval release 1"
MANIFEST = "manifest.json"
#: What each file is, by its name in the folder.
_KINDS = (
    (r"report\.html", "The report, in one file"),
    (r"report\.docx", "The report, to be edited"),
    (r"summary\.html", "The report in two pages"),
    (r"tables\.xlsx", "The tables of the report"),
    (r"results\.json", "Every released number, for programs"),
    (r"charts/.*\.png", "A chart as a picture"),
    (r"charts/.*\.svg", "A chart as lines and letters"),
    (r"charts/.*\.csv", "The numbers behind a chart"),
)
#: Programs that draw and write; the numbers depend on others, named in results.json.
_WRITERS = ("matplotlib", "jinja2", "python-docx", "openpyxl", "gptables")


def write_manifest(released: Evaluation, folder: Path) -> None:
    """List what a folder of released files holds, without a clock, in ``manifest.json``.

    Parameters
    ----------
    released : Evaluation
        Behind the files: ``policy`` is set.
    folder : Path
        The release, complete but for the list.
    """
    rules = disclosure.policy(
        released.policy, public_source=released.plan["data"].get("public_source", "")
    )
    groups = [("", released.tables), *((n, r.tables) for n, r in released.results.items())]
    body = {
        "format": FORMAT,
        "title": released.plan["evaluation"]["title"],
        "plan_sha256": released.plan_hash,
        "policy": {field.name: getattr(rules, field.name) for field in dataclasses.fields(rules)},
        "versions": {**released.provenance.versions, **_writers()},
        "tables": [_table(name, table) for name, tables in groups for table in tables],
        "exceptions": [],
        "files": [
            {
                "file": name,
                "what": what_it_is(name),
                "bytes": (folder / name).stat().st_size,
                "sha256": digest(folder / name),
            }
            for name in files_of(folder)
        ],
    }
    _write(folder, body)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the list of a release.

    Raises
    ------
    ResultError
        If there is none, or it was not written by drive_eval.
    """
    file = folder / MANIFEST
    if not file.is_file():
        raise ResultError(
            f"{folder} has no {MANIFEST}, so it is no release. Give the folder release/ of an "
            "outputs folder, or run the plan again."
        )
    try:
        body: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if body["format"] != FORMAT or not isinstance(body["files"], list):
            raise KeyError("format")  # noqa: TRY301
    except (ValueError, KeyError, TypeError):
        raise ResultError(
            f"{file} was not written by drive_eval. Run the plan again, so that the release has "
            "a list of its files."
        ) from None
    return body


def accept_file(folder: Path, name: str, *, reason: str, approved_by: str) -> None:
    """Put on record that a file was added or edited by hand, by whose decision and why.

    Such a file is searched like any other: an exception lets nothing out that was found in it.

    Parameters
    ----------
    folder : Path
        The release.
    name : str
        Of the file, as seen from the folder, such as ``report.docx``.
    reason, approved_by : str
        Both are released.

    Raises
    ------
    ResultError
        If there is no such file, the reason or the name is empty, or the file is one that
        programs read.
    """
    body = read_manifest(folder)
    wanted = Path(name).as_posix().removeprefix("./")
    if wanted not in files_of(folder):
        raise ResultError(f"{folder} holds no file {wanted}; nothing was put on record.")
    if wanted == "results.json":
        raise ResultError(
            "results.json cannot be an exception: every other file follows from it. Run the plan "
            "again."
        )
    if not reason.strip() or not approved_by.strip():
        raise ResultError(
            f"an exception for {wanted} needs a reason and the name of who decided. Give both."
        )
    kept = [entry for entry in body["exceptions"] if entry["file"] != wanted]
    entry = {
        "file": wanted,
        "sha256": digest(folder / wanted),
        "reason": reason.strip(),
        "approved_by": approved_by.strip(),
    }
    body["exceptions"] = sorted([*kept, entry], key=lambda e: str(e["file"]))
    _write(folder, body)


def what_it_is(name: str) -> str:
    """Return what a file of a release is, or nothing if drive_eval writes no such file."""
    return next((what for kind, what in _KINDS if re.fullmatch(kind, name)), "")


def files_of(folder: Path) -> list[str]:
    """Return the files of a release but its list, by name."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in names if name != MANIFEST)


def digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _write(folder: Path, body: dict[str, Any]) -> None:
    text = json.dumps(body, indent=1, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8", newline="")


def _table(outcome: str, table: CountTable) -> dict[str, Any]:
    shown = [cell for cell in table.cells if cell.shown]
    return {
        "outcome": outcome,
        "table": table.name,
        "rules": table.policy,
        "lines": len(shown),
        "hidden": sum(cell.count is None for cell in shown),
        "never_shown": len(table.cells) - len(shown),
    }


def _writers() -> dict[str, str]:
    found = {}
    for name in _WRITERS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
