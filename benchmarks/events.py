"""Eight million events to analysis rows: how long, in how much memory, and are the rows the same?

Each engine works in a process of its own, so that its peak memory is its own. The tables are
Parquet files; they are made here (nobody in them exists) or read from a folder that has
units.parquet, events.parquet and custody.parquet.

Examples
--------
  python benchmarks/events.py                              all engines, the size of a nation
  python benchmarks/events.py --engines duckdb polars      two of them
  python benchmarks/events.py --programme 500 --comparison 5000 --events 150000
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

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ENGINES = ("duckdb", "polars", "pandas", "spark")
FIRST_DAY, DAYS = np.datetime64("2014-01-01"), 3652
TABLES = ("units", "events", "custody")
MEASURES = {
    "person_time": {},
    "event_counts": {"washout": 28},
    "monthly_rates": {"washout": 28},
    "first_event": {"horizon": 365},
    "repeat_rows": {"horizon": 730},
}


def make_tables(folder: Path, programme: int, comparison: int, events: int, seed: int) -> None:
    """Write a cohort, its events over ten years and its custody; no effect of anything."""
    rng = np.random.default_rng(seed)
    people = programme + comparison
    names = np.char.add("P", np.char.zfill(np.arange(people).astype(str), 7))
    index = rng.integers(1096, 2922, people)
    treated = np.zeros(people, dtype=bool)
    treated[rng.choice(people, programme, replace=False)] = True
    frailty = rng.gamma(0.8, size=people)
    count = rng.multinomial(max(events - people, 0), frailty / frailty.sum())
    who = np.concatenate([np.arange(people), np.repeat(np.arange(people), count)])
    when = np.concatenate([index, rng.integers(0, DAYS, int(count.sum()))])
    victim = who * 3 + rng.integers(0, 3, len(who))
    order = np.argsort(when, kind="stable")
    who, when, victim = who[order], when[order], victim[order]
    dead = rng.random(people) < 0.01
    death = np.where(dead, np.minimum(index + rng.integers(1, 2000, people), DAYS - 1), -1)
    units = pa.table(
        {
            "unit_id": names,
            "perpetrator_id": names,
            "group": np.where(treated, "programme", "comparison"),
            "index_date": dates(index),
            "data_end_date": dates(np.full(people, DAYS - 1)),
            "death_date": dates(death, missing=death < 0),
        }
    )
    stages = rng.choice(["recorded", "charged", "convicted"], len(who), p=[0.7, 0.2, 0.1])
    table = pa.table(
        {
            "event_id": pa.array(np.arange(len(who))).cast(pa.string()),
            "perpetrator_id": pa.array(names).take(pa.array(who)),
            "date": dates(when),
            "source": rng.choice(["police", "marac"], len(who), p=[0.95, 0.05]),
            "victim_survivor_id": pa.array(victim).cast(pa.string()),
            "offence_class": rng.choice(["8N", "105A", "8L", "58D"], len(who)),
            "outcome_stage": stages,
        }
    )
    inside = rng.poisson(0.4 * frailty / frailty.mean())
    jailed = np.repeat(np.arange(people), inside)
    start = rng.integers(0, DAYS, len(jailed))
    end = start + rng.exponential(90, len(jailed)).astype(int)
    custody = pa.table(
        {
            "perpetrator_id": names[jailed],
            "start_date": dates(start),
            "end_date": dates(end, missing=end >= DAYS),
        }
    )
    for name, made in zip(TABLES, (units, table, custody), strict=True):
        pq.write_table(made, folder / f"{name}.parquet", row_group_size=500_000)


def dates(days: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Turn days since the first day into Arrow dates."""
    return pa.array(FIRST_DAY + days, mask=missing, type=pa.date32())


def open_tables(engine: str, folder: Path) -> tuple[list[object], object]:
    """Open the files the way the engine does; nothing but pandas reads them whole."""
    files = [str(folder / f"{name}.parquet") for name in TABLES]
    if engine == "duckdb":
        import duckdb

        connection = duckdb.connect()
        connection.sql("SET memory_limit = '3GB'")
        return [connection.read_parquet(file) for file in files], connection
    if engine == "polars":
        import polars as pl

        return [pl.scan_parquet(file) for file in files], None
    if engine == "spark":
        from pyspark.sql import SparkSession

        session = (
            SparkSession.builder.master("local[*]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.memory", "4g")
            .config("spark.sql.shuffle.partitions", "8")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("ERROR")
        return [session.read.parquet(file) for file in files], session
    needed = ["perpetrator_id", "date"]
    units, events, custody = (
        pd.read_parquet(file, columns=needed if name == "events" else None)
        for name, file in zip(TABLES, files, strict=True)
    )
    for table in (units, events, custody):
        for column in [c for c in table if c.endswith("date")]:
            table[column] = pd.to_datetime(table[column])
    return [units, events, custody], None


def work(engine: str, folder: Path) -> dict[str, object]:
    """Run every measure with one engine and say what it took."""
    from drive_eval.measures import offending

    begin = time.perf_counter()
    (units, events, custody), session = open_tables(engine, folder)
    took = {"open": time.perf_counter() - begin}
    rows, marks = {}, {}
    for name, options in MEASURES.items():
        begin = time.perf_counter()
        measure = getattr(offending, name)
        given = (units, custody) if name == "person_time" else (units, events, custody)
        found = measure(*given, **options)
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
    parser.add_argument("--events", type=int, default=8_000_000, help="events of all of them")
    parser.add_argument("--folder", type=Path, help="where the tables are, or are made and kept")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        print(json.dumps(work(given.worker, given.folder)))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not all((folder / f"{name}.parquet").is_file() for name in TABLES):
            make_tables(folder, given.programme, given.comparison, given.events, given.seed)
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
