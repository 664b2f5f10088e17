"""A folder that is written whole or not at all, and never over somebody else's work.

Everything is written to a draft first and renamed into place at the end. A draft carries a
marker file that its writer keeps locked, so that what a killed run left behind can be told from
what another run is writing now. Drafts hold exact figures, so only their owner may open them.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drive_eval.errors import DriveEvalError

__all__ = ["MARKER", "SYSTEM_FILES", "check_writable", "draft", "held", "sweep"]

#: Stands in every draft; no other folder is ever swept away.
MARKER = ".drive_eval_draft"
#: What file managers leave in a folder that somebody looked at; nobody's work.
SYSTEM_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


@contextlib.contextmanager
def draft(
    target: Path, *, check: Callable[[], None], error: type[DriveEvalError]
) -> Iterator[Path]:
    """Hand out an empty folder; what stands in it at the end takes the place of the target.

    Parameters
    ----------
    target : Path
        A symbolic link is followed. A folder that is there is filled, not renamed over: it may
        be a mount point, and it keeps its owner and its rights.
    check : callable
        Raises if the target may not be replaced; asked before and again at the end, because
        another run may have been faster.
    error : type
        What is raised if the target cannot be written.
    """
    place = target.resolve()
    sweep(place)
    check()
    parent = place if place.is_dir() else place.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=_prefix(place), dir=parent))
    except OSError as failure:
        raise error(_unwritable(target, failure)) from None
    new, old = beside / "new", beside / "old"
    try:
        with (beside / MARKER).open("w", encoding="utf-8") as marker:
            _lock(marker)
            new.mkdir()
            old.mkdir()
            yield new
            check()
            _put_in_place(new, place, old)
    except OSError as failure:
        raise error(_unwritable(target, failure)) from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
        # What could not be put back stays where it is.
        with contextlib.suppress(OSError):
            if old.exists():
                old.rmdir()
            (beside / MARKER).unlink()
            beside.rmdir()


def held(folder: Path) -> list[str]:
    """Return the names in a folder, leaving out drafts and what file managers leave."""
    if not folder.is_dir():
        return []
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in SYSTEM_FILES and not (path / MARKER).is_file()
    )


def check_writable(target: Path, *, error: type[DriveEvalError]) -> None:
    """Refuse a target that cannot be written, before the long work; nothing is left behind."""
    place = target.resolve()
    while not place.exists():
        place = place.parent
    try:
        Path(tempfile.mkdtemp(prefix=_prefix(target.resolve()), dir=place)).rmdir()
    except OSError as failure:
        raise error(_unwritable(target, failure)) from None


def sweep(target: Path) -> None:
    """Remove the drafts of this target that a killed run left behind."""
    place = target.resolve()
    for parent in (place, place.parent):
        if not parent.is_dir():
            continue
        with contextlib.suppress(OSError):
            for path in parent.iterdir():
                if path.name.startswith(_prefix(place)) and _abandoned(path / MARKER):
                    _put_back(path / "old", place)
                    shutil.rmtree(path, ignore_errors=True)


def _prefix(place: Path) -> str:
    return f".{place.name}-"


def _unwritable(target: Path, failure: OSError) -> str:
    reason = failure.strerror or type(failure).__name__
    return (
        f"the folder {target} cannot be written: {reason}. Nothing was changed. Choose another "
        "folder, or ask for the right to write there and for enough room."
    )


def _lock(marker: IO[str]) -> None:
    if sys.platform != "win32":
        # A file system without locks: then the draft is never swept, which is the safe side.
        with contextlib.suppress(OSError):
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _abandoned(marker: Path) -> bool:
    """Whether nobody holds the marker of a draft any more."""
    try:
        if sys.platform == "win32":  # where a file that is open cannot be removed
            marker.unlink()
            return True
        with marker.open("r+", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # no marker, or somebody is writing
        return False
    return True


def _put_in_place(new: Path, place: Path, old: Path) -> None:
    if not place.exists():
        new.rename(place)
        return
    names = sorted(path.name for path in new.iterdir())
    try:
        for name in held(place):
            (place / name).rename(old / name)
        for name in names:
            (new / name).rename(place / name)
    except BaseException:
        for name in names:
            if not (new / name).exists():
                (place / name).rename(new / name)
        for path in sorted(old.iterdir()):
            path.rename(place / path.name)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _put_back(old: Path, place: Path) -> None:
    """Return what a killed run had already moved away and not yet replaced."""
    if old.is_dir() and place.is_dir():
        for path in old.iterdir():
            if not (place / path.name).exists():
                path.rename(place / path.name)
