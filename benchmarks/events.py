"""Eight million events to analysis rows: how long, in how much memory, and are the rows the same?

Each engine works in a process of its own, so that its peak memory is its own. The tables are
Parquet files of the synthetic preset `national` (nobody in them exists), made here or read from
a folder that has cases.parquet, events.parquet and custody.parquet.

Examples
--------
  python benchmarks/events.py                              all engines, the size of a nation
  python benchmarks/events.py --engines duckdb polars      two of them
  python benchmarks/events.py --programme 500 --comparison 5000
  python benchmarks/events.py --folder tables              make them there once, and reuse them
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import narwhals as nw
import pandas as pd
import pyarrow.parquet as pq

from drive_eval.data.synthetic import write_national
from drive_eval.measures import offending

ENGINES = ("duckdb", "polars", "pandas", "spark")
TABLES = ("cases", "events", "custody")
#: Columns that pandas would hold in memory for nothing.
NOT_READ = ("event_id", "victim_survivor_id", "offence_class", "abuse_type", "outcome_stage")
MEASURES = {
    "person_time": {},
    "event_counts": {"washout": 28},
    "monthly_rates": {"washout": 28},
    "first_event": {"horizon": 365},
    "repeat_rows": {"horizon": 730},
}


def open_tables(engine: str, folder: Path) -> tuple[list[object], object]:
    """Open the files the way the engine does; nothing but pandas reads them whole."""
    files = [str(folder / f"{name}.parquet") for name in TABLES]
    session = None
    if engine == "duckdb":
        import duckdb

        session = duckdb.connect()
        session.sql("SET memory_limit = '3GB'")
        tables = [session.read_parquet(file) for file in files]
    elif engine == "polars":
        import polars as pl

        tables = [pl.scan_parquet(file) for file in files]
    elif engine == "spark":
        from pyspark.sql import SparkSession

        session = (
            SparkSession.builder.master("local[*]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.memory", "4g")
            .config("spark.sql.shuffle.partitions", "8")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("ERROR")
        tables = [session.read.parquet(file) for file in files]
    else:
        tables = [as_pandas(file) for file in files]
    cases = nw.from_native(tables[0])
    return [cases.rename({"case_id": "unit_id"}).to_native(), *tables[1:]], session


def as_pandas(file: str) -> pd.DataFrame:
    """Read what the measures need, with days as pandas has them."""
    columns = [c for c in pq.read_schema(file).names if c not in NOT_READ]
    return pq.read_table(file, columns=columns).to_pandas(date_as_object=False)


def work(engine: str, folder: Path) -> dict[str, object]:
    """Run every measure with one engine and say what it took."""
    begin = time.perf_counter()
    (units, events, custody), session = open_tables(engine, folder)
    took = {"open": time.perf_counter() - begin}
    rows, marks = {}, {}
    for name, options in MEASURES.items():
        begin = time.perf_counter()
        measure = getattr(offending, name)
        given = (units, custody) if name == "person_time" else (units, events, custody)
        found = measure(*given, group="arm", **options)
        took[name] = time.perf_counter() - begin
        rows[name] = len(found.rows)
        marks[name] = int(pd.util.hash_pandas_object(found.rows, index=False).sum())
        marks[f"{name} checks"] = [[c.name, c.statistic, c.text] for c in found.checks]
    peak = peak_memory()
    if engine == "spark":
        peak += peak_memory(session.sparkContext._gateway.proc.pid)
        session.stop()
    return {"seconds": took, "rows": rows, "marks": marks, "peak_mb": peak}


def peak_memory(process: int | str = "self") -> float:
    """Return the most memory that a process has held, in MB; 0 where the system does not say."""
    status = Path(f"/proc/{process}/status")
    if not status.is_file():
        return 0.0
    line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> int:
    """Make the tables, run the engines, print a table; 1 if their rows differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programme", type=int, default=10_000, help="people in the programme")
    parser.add_argument("--comparison", type=int, default=300_000, help="people compared with")
    parser.add_argument("--folder", type=Path, help="where the tables are, or are made and kept")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        print(json.dumps(work(given.worker, given.folder)))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "national"
        if not (folder / "cases.parquet").is_file():
            sizes = {"programme": given.programme, "comparison": given.comparison}
            write_national(folder, given.seed, **sizes)
        sizes = {n: pq.read_metadata(folder / f"{n}.parquet").num_rows for n in TABLES}
        print(", ".join(f"{count:,} {name}" for name, count in sizes.items()))
        return compare({engine: run(engine, folder) for engine in given.engines})


def run(engine: str, folder: Path) -> dict[str, object]:
    """Run one engine in a process of its own."""
    command = [sys.executable, __file__, "--worker", engine, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{engine} failed: {done.stderr.strip().splitlines()[-1]}")
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def compare(found: dict[str, dict[str, object]]) -> int:
    """Print seconds, peak memory and rows; say whether all engines gave the same."""
    ran = {engine: result for engine, result in found.items() if result}
    if not ran:
        return 1
    steps = ["open", *MEASURES]
    print(f"{'seconds':<14}" + "".join(f"{engine:>10}" for engine in ran))
    for step in steps:
        print(f"{step:<14}" + "".join(f"{r['seconds'][step]:>10.2f}" for r in ran.values()))
    print(f"{'all':<14}" + "".join(f"{sum(r['seconds'].values()):>10.2f}" for r in ran.values()))
    print(f"{'peak GB':<14}" + "".join(f"{r['peak_mb'] / 1024:>10.2f}" for r in ran.values()))
    first = next(iter(ran.values()))
    print("rows: " + ", ".join(f"{n} {count:,}" for n, count in first["rows"].items()))
    same = all(r["marks"] == first["marks"] for r in ran.values())
    print("The rows of all engines are the same." if same else "THE ROWS DIFFER.")
    return 0 if same and len(ran) == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
