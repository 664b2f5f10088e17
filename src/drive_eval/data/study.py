"""Read an extract, hold it to the data dictionary, freeze it, and say who left and why."""

from __future__ import annotations

import contextlib
import csv
import difflib
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from drive_eval.data._cells import as_text
from drive_eval.data._files import ENDINGS, Files, source_name
from drive_eval.data.folders import draft, held
from drive_eval.data.people import people_behind, with_victims
from drive_eval.data.schema import TABLES, validate
from drive_eval.errors import DataError, did_you_mean
from drive_eval.results import CountTable
from drive_eval.vocabulary import ARMS, EXIT_REASONS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from drive_eval.plan import Plan

__all__ = [
    "Study",
    "check_folder",
    "cohort_flow",
    "first_enrolments",
    "load_study",
    "read_study",
    "save_tables",
]

_TRUTH, _CODEBOOK = "truth.json", "codebook.md"
#: What the codebook of synthetic tables says, and no other file does.
_NOBODY = "no real person is described"
#: Seconds within which synthetic tables and their codebook are written or copied.
_WRITTEN_TOGETHER = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """A validated extract that nothing changes any more.

    Printing it shows no row.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        As `drive_eval.data.schema.validate` returns them. They are shared, so read them and
        do not write to them; `table` hands out a copy.
    source : str
        Name of the folder, without where it stands.
    hashes : mapping of str to str
        SHA-256 of every file that was read, by file name.
    truth : mapping or None
        The true values beside synthetic data.
    excluded : int
        Enrolments that the plan left out.
    excluded_by_arm : mapping of str to int
        The same by arm; ``not_recorded`` where the row named no arm.
    unread : tuple of str
        Files in the folder that look like tables and were not read.
    """

    tables: Mapping[str, pd.DataFrame] = field(repr=False)
    source: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict, repr=False)
    truth: Mapping[str, Any] | None = field(default=None, repr=False)
    excluded: int = 0
    excluded_by_arm: Mapping[str, int] = field(default_factory=dict, repr=False)
    unread: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for name in ("tables", "hashes", "excluded_by_arm"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def table(self, name: str) -> pd.DataFrame:
        """Return a copy of one table.

        Raises
        ------
        DataError
            If the study brought no such table.
        """
        if name in self.tables:
            return self.tables[name].copy()
        if name not in TABLES:
            raise DataError(f'no table is called "{name}".{did_you_mean(name, TABLES)}')
        brought = ", ".join(self.tables)
        raise DataError(
            f"the study has no table {name} (one row is {TABLES[name].row}). "
            f"It has {brought}. Add a file named after the table to the folder."
        )


def load_study(plan: Plan) -> Study:
    """Read and validate the study that a plan describes.

    Parameters
    ----------
    plan : Plan
        Uses ``plan.data`` (folder, tables, columns, index_date) and ``plan.cohort.exclude``.

    Returns
    -------
    Study
        Frozen, every rule of the data dictionary held.

    Raises
    ------
    DataError
        With one sentence for every fault of every file.

    Examples
    --------
    >>> from drive_eval import load_plan
    >>> study = load_study(load_plan("analyses/my_evaluation"))  # doctest: +SKIP
    """
    return read_study(
        plan.data.folder,
        tables=plan.data.tables,
        columns=plan.data.columns,
        exclude=plan.cohort.exclude,
        index_date=plan.data.index_date,
    )


def read_study(
    folder: str | Path,
    *,
    tables: Mapping[str, str] | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    exclude: Iterable[str] = (),
    index_date: str = "recorded",
) -> Study:
    """Read and validate the study in a folder.

    Parameters
    ----------
    folder : path
        Holds one file per table, named after it (``.csv``, ``.xlsx`` or ``.parquet``), or
        workbooks whose sheets are named after the tables; ``truth.json`` is read if present.
    tables : mapping of table name to file name, optional
        For files that are called something else.
    columns, exclude, index_date
        As in `drive_eval.data.schema.validate`.

    Returns
    -------
    Study
        Frozen, every rule of the data dictionary held.

    Raises
    ------
    DataError
        With one sentence for every fault of every file.

    Notes
    -----
    CSV files are UTF-8 (with or without a byte-order mark) or else Windows-1252.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cases = pd.DataFrame({"case_id": ["01"], "perpetrator_id": ["7"],
    ...                           "arm": ["programme"], "index_date": ["2024-03-05"]})
    ...     cases.to_csv(Path(folder) / "cases.csv", index=False)
    ...     study = read_study(folder)
    >>> study.tables["cases"]["case_id"].tolist()
    ['01']
    """
    root = Path(folder)
    if not root.is_dir():
        kind = "is a file, not a folder" if root.is_file() else "does not exist"
        raise DataError(f"the data folder {root} {kind}. Give the folder that holds cases.csv.")
    faults: list[str] = []
    files = Files(root)
    found = _find_tables(root, tables or {}, files, faults)
    frames: dict[str, pd.DataFrame] = {}
    for name, (path, sheet) in found.items():
        with _collected(faults):
            frames[name] = files.read_table(path, sheet)
    truth = None
    if (root / _TRUTH).is_file():
        with _collected(faults):
            truth = _read_truth(files.content(root / _TRUTH))
    if faults:
        raise DataError(faults)
    left_out = list(exclude)
    sources = {name: source_name(path, sheet) for name, (path, sheet) in found.items()}
    clean = validate(
        frames, columns=columns, index_date=index_date, exclude=left_out, sources=sources
    )
    by_arm = _excluded_by_arm(frames["cases"], left_out)
    return Study(
        tables=clean,
        source=root.resolve().name,
        hashes=files.hashes,
        truth=truth,
        excluded=sum(by_arm.values()),
        excluded_by_arm=by_arm,
        unread=_unread(root, {path for path, _ in found.values()}),
    )


def save_tables(
    tables: Mapping[str, pd.DataFrame],
    folder: str | Path,
    *,
    other_files: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write tables as CSV files that `read_study` reads back, the same bytes every time.

    Parameters
    ----------
    tables : mapping of table name to DataFrame
        Columns are written in the order of the data dictionary, then the others.
    folder : path
        Made whole or not at all: everything is written to a draft first.
    other_files : mapping of file name to text, optional
        Texts to stand beside the tables, such as ``truth.json``.
    overwrite : bool
        Replace a folder of synthetic tables; tables that do not say that they are synthetic
        are never replaced.

    Raises
    ------
    DataError
        If a table has no place in the data dictionary, or the folder holds something that
        would be lost.

    Examples
    --------
    >>> import tempfile
    >>> custody = pd.DataFrame({"perpetrator_id": ["7"],
    ...                         "start_date": pd.to_datetime(["2024-03-05"]), "end_date": None})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_tables({"custody": custody}, Path(folder) / "data")
    ...     print((Path(folder) / "data" / "custody.csv").read_text())
    perpetrator_id,start_date,end_date
    7,2024-03-05,
    <BLANKLINE>
    """
    target = Path(folder)
    texts = dict(other_files or {})
    for name in tables:
        if name not in TABLES:
            raise DataError(f'no table is called "{name}".{did_you_mean(name, TABLES)}')
    with draft(
        target, check=lambda: check_folder(target, overwrite=overwrite), error=DataError
    ) as new:
        for name, table in tables.items():
            known = [column.name for column in TABLES[name].columns if column.name in table]
            order = known + [column for column in table.columns if column not in known]
            rows = pd.DataFrame({column: as_text(table[column]) for column in order})
            with (new / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
                rows.to_csv(stream, index=False, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        for file_name, text in texts.items():
            (new / file_name).write_text(text, encoding="utf-8", newline="\n")


def check_folder(folder: str | Path, *, overwrite: bool) -> None:
    """Refuse a folder for synthetic tables that holds something which may not be lost.

    Raises
    ------
    DataError
        If the folder is a file or holds something; with ``overwrite``, unless it holds
        tables whose codebook says that no real person is described.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise DataError(f"{target} is a file. Give a folder.")
    names = held(target)
    if not names:
        return
    if not overwrite:
        raise DataError(
            f"the folder {target} is not empty. Choose another, or allow replacing synthetic "
            "tables with --overwrite (overwrite=True in Python)."
        )
    tables = {f"{name}{ending}" for name in TABLES for ending in (".csv", ".parquet")}
    others = set(names) - tables - {_TRUTH, _CODEBOOK}
    if others:
        raise DataError(
            f"the folder {target} holds {len(others)} other files, which overwriting would lose. "
            "Choose another folder."
        )
    if not _is_synthetic(target):
        raise DataError(
            f"the folder {target} holds tables that do not say that they are synthetic "
            f"({_TRUTH}, and {_CODEBOOK} with that sentence), or that were changed after the "
            "codebook was written, so they may be of real people. They are not replaced. Choose "
            "another folder."
        )


def _is_synthetic(folder: Path) -> bool:
    """Whether the codebook says so, and no table was put there or changed since it was written."""
    codebook = folder / _CODEBOOK
    if not (folder / _TRUTH).is_file() or not codebook.is_file():
        return False
    if _NOBODY not in codebook.read_text(encoding="utf-8", errors="replace"):
        return False
    written = codebook.stat().st_mtime
    tables = [folder / f"{name}{ending}" for name in TABLES for ending in (".csv", ".parquet")]
    return all(
        abs(path.stat().st_mtime - written) <= _WRITTEN_TOGETHER
        for path in tables
        if path.is_file()
    )


def first_enrolments(cases: pd.DataFrame) -> pd.Series[bool]:
    """Which enrolments are the first of their person, whatever the arm?

    Parameters
    ----------
    cases : DataFrame
        The validated table; ``index_date`` must be recorded.

    Returns
    -------
    Series of bool
        In the order of the table.

    Raises
    ------
    DataError
        If a person has several enrolments and any of them has no ``index_date``.

    Examples
    --------
    >>> cases = pd.DataFrame({"perpetrator_id": ["7", "7", "8"],
    ...     "index_date": pd.to_datetime(["2024-05-01", "2023-01-10", "2023-02-01"])})
    >>> first_enrolments(cases).tolist()
    [False, True, True]
    """
    several = cases["perpetrator_id"].duplicated(keep=False)
    if not several.any():
        return ~several
    undated = "index_date" not in cases or cases.loc[several, "index_date"].isna().any()
    if undated:
        raise DataError(
            f"table cases: {int(several.sum())} enrolments belong to people with more than one, "
            "and which came first cannot be said without index_date. Record it."
        )
    in_order = cases.sort_values("index_date", kind="stable")
    later = in_order["perpetrator_id"].duplicated()
    return ~later.reindex(cases.index)


def cohort_flow(study: Study, *, first_only: bool = False) -> CountTable:
    """How many enrolments were there at each stage, and why did the others leave?

    Parameters
    ----------
    study : Study
        As read; the exclusions of its plan are counted.
    first_only : bool
        Let the later enrolments of a person leave as a stage of their own.

    Returns
    -------
    CountTable
        Dimensions ``group`` (the arm) and ``stage``. The totals ``referred``, ``included``,
        ``first_enrolment`` (with ``first_only``), ``started`` and ``at_exit`` are the numbers
        that remain; every enrolment stands in exactly one of the lines beneath them:
        ``excluded``, ``later_enrolment``, ``not_started: <reason>``, ``no_exit: <reason>`` or
        ``exit: <reason>``, where the reason is ``exit_reason`` or ``not_recorded``.

    Notes
    -----
    **Conventions.** An enrolment started if it has a ``start_date``, and is at exit if it has
    an ``exit_date`` that is not after ``data_end_date``. Where nobody of an arm has the date,
    as in usual care, which nobody starts or leaves, the whole arm passes that stage; the note
    beneath the table says so.

    Examples
    --------
    >>> cases = pd.DataFrame({"case_id": ["1", "2", "3"], "perpetrator_id": ["7", "8", "9"],
    ...     "arm": "programme", "index_date": "2024-01-10",
    ...     "start_date": ["2024-01-20", "2024-01-22", ""], "exit_date": ["2024-07-01", "", ""],
    ...     "exit_reason": ["planned", "still_open", "declined"]})
    >>> print(cohort_flow(Study(tables=validate({"cases": cases}))).to_frame()[["stage", "count"]])
                        stage  count
    0                excluded      0
    1   not_started: declined      1
    2     no_exit: still_open      1
    3           exit: planned      1
    4                referred      3
    5                included      3
    6                 started      2
    7                 at_exit      1
    """
    cases = study.tables["cases"]
    reason = pd.Series("not_recorded", index=cases.index, dtype=object)
    if "exit_reason" in cases:
        reason = cases["exit_reason"].fillna("not_recorded")
    everyone = pd.Series(True, index=cases.index)
    first = first_enrolments(cases) if first_only else everyone
    left = pd.Series("excluded", index=cases.index, dtype=object)
    counts: dict[tuple[str, ...], int] = {}
    totals: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    notes = []
    arms = [arm for arm in ARMS.codes if (cases["arm"] == arm).any()]
    for arm in arms:
        of_arm = cases["arm"] == arm
        started, at_exit = everyone, everyone
        if _has_date(cases, "start_date", of_arm):
            started = cases["start_date"].notna()
        else:
            notes.append(f"{ARMS.label(arm)}: no start dates, so all count as started.")
        if _has_date(cases, "exit_date", of_arm):
            at_exit = cases["exit_date"].notna()
            if "data_end_date" in cases:
                at_exit &= ~(cases["exit_date"] > cases["data_end_date"])
        else:
            notes.append(f"{ARMS.label(arm)}: no exit dates, so all count as in the data at exit.")
        remaining = of_arm & first
        left[of_arm & ~first] = "later_enrolment"
        for line, here in (
            ("not_started", remaining & ~started),
            ("no_exit", remaining & started & ~at_exit),
            ("exit", remaining & started & at_exit),
        ):
            left[here] = f"{line}: " + reason[here]
    # Every reason that occurs is a line of both arms: that it is there must not say that one of
    # them has it.
    seen = set(left)
    for arm in ARMS.codes:
        excluded = study.excluded_by_arm.get(arm, 0)
        if arm not in arms and not excluded:
            continue
        found = left[cases["arm"] == arm].value_counts()
        not_started, no_exit, at_exit_by = (
            {name: int(found.get(name, 0)) for name in _lines(line, seen)}
            for line in ("not_started", "no_exit", "exit")
        )
        later = [("included", {"later_enrolment": int(found.get("later_enrolment", 0))})]
        # Each stage with the lines of those who got there and no further.
        stages = [
            ("referred", {"excluded": excluded}),
            *(later if first_only else []),
            ("first_enrolment" if first_only else "included", not_started),
            ("started", no_exit),
            ("at_exit", at_exit_by),
        ]
        for at, (stage, lines) in enumerate(stages):
            counts |= {(arm, line): count for line, count in lines.items()}
            totals[(arm, stage)] = [(arm, line) for _, rest in stages[at:] for line in rest]
    if study.excluded_by_arm.get("not_recorded"):
        notes.append("Excluded rows without a readable arm are in no group.")
    rows = with_victims(cases, study.tables.get("victim_survivors"))
    atoms = list(zip(cases["arm"].astype(object), left, strict=True))
    return CountTable.from_counts(
        name="cohort_flow",
        title="Who was referred, who started, and who was still in the data at exit",
        unit="enrolments",
        dimensions=("group", "stage"),
        counts=counts,
        totals=totals,
        people=people_behind(rows, atoms, totals),
        note=" ".join(notes),
    )


def _has_date(cases: pd.DataFrame, column: str, of_arm: pd.Series[bool]) -> bool:
    return column in cases and bool((cases[column].notna() & of_arm).any())


def _lines(line: str, seen: Collection[str]) -> list[str]:
    """Return a line per reason that occurs, and one if none does."""
    found = [f"{line}: {code}" for code in (*EXIT_REASONS.codes, "not_recorded")]
    return [name for name in found if name in seen] or [f"{line}: not_recorded"]


def _excluded_by_arm(cases: pd.DataFrame, exclude: Iterable[str]) -> dict[str, int]:
    left_out = as_text(cases["case_id"]).isin([str(case_id).strip() for case_id in exclude])
    arms = as_text(cases.loc[left_out, "arm"])
    return {
        str(arm): int(count)
        for arm, count in arms.where(arms.isin(ARMS.codes), "not_recorded").value_counts().items()
    }


def _find_tables(
    root: Path, named: Mapping[str, str], files: Files, faults: list[str]
) -> dict[str, tuple[Path, str]]:
    """Return the file, and for a workbook the sheet, of every table that there is."""
    found: dict[str, tuple[Path, str]] = {}
    here = _table_files(root)
    for name, file_name in named.items():
        path = root / file_name
        if name not in TABLES:
            faults.append(
                f'the plan\'s [data.tables] names no table "{name}".{did_you_mean(name, TABLES)} '
                "Write the name of a table on the left and its file on the right."
            )
        elif path.suffix.lower() not in ENDINGS:
            faults.append(f"{file_name}: only {', '.join(ENDINGS)} files can be read.")
        elif not path.exists():
            near = did_you_mean(file_name, [p.name for p in here])
            faults.append(f'no file "{file_name}" in {root}, where [data.tables] looks.{near}')
        else:
            with _collected(faults):
                found[name] = (path, files.sheet(path, name))
    used = {path for path, _ in found.values()}
    for name in TABLES:
        if name in named:
            continue
        candidates = []
        for path in here:
            with _collected(faults):
                if path.stem.casefold() == name or files.has_sheet(path, name):
                    candidates.append((path, files.sheet(path, name)))
        if len(candidates) > 1:
            both = " and ".join(source_name(path, sheet) for path, sheet in candidates)
            faults.append(
                f"the table {name} stands in {both}. Keep one, or name it in [data.tables]."
            )
        elif candidates:
            found[name] = candidates[0]
            used.add(candidates[0][0])
    missing = [name for name in TABLES if name not in found]
    for path in here:
        alike = difflib.get_close_matches(path.stem.casefold(), missing, n=1, cutoff=0.8)
        if alike and path not in used and path.stem.casefold() not in TABLES:
            faults.append(
                f'{path.name}: no table is called "{path.stem}". Nearest: "{alike[0]}". Rename the '
                "file, or name it in [data.tables]."
            )
    if "cases" in missing and not faults:
        faults.append(
            f"no table cases in {root}: add cases.csv, cases.xlsx or cases.parquet, or name its "
            "file in [data.tables]."
        )
    return found


def _table_files(root: Path) -> list[Path]:
    return sorted(
        p for p in root.iterdir() if p.suffix.lower() in ENDINGS and p.name[0] not in "~."
    )


def _unread(root: Path, used: set[Path]) -> tuple[str, ...]:
    return tuple(path.name for path in _table_files(root) if path not in used)


def _read_truth(content: bytes) -> dict[str, Any]:
    try:
        truth = json.loads(content)
    except ValueError:
        truth = None
    if not isinstance(truth, dict):
        raise DataError(f"{_TRUTH} is not a JSON object. Remove it, or simulate the study again.")
    return truth


@contextlib.contextmanager
def _collected(faults: list[str]) -> Iterator[None]:
    """Keep the faults of one file and go on to the next, so that all are reported at once."""
    try:
        yield
    except DataError as error:
        faults.extend(fault for fault in error.faults if fault not in faults)
