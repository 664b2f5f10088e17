"""One extract in every engine: the same rows and the same checks, to the last character."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from drive_eval.errors import DataError
from drive_eval.measures.offending import (
    event_counts,
    first_event,
    harm_counts,
    marac_repeats,
    monthly_rates,
    person_time,
    repeat_rows,
    select_events,
    serial_and_repeat,
)
from drive_eval.measures.offending._engine import _beside_relation

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = pd.DataFrame({"offence_class": ["8N", "105A"], "harm_days": [10.25, 3.1]})


def make_extract(people=60, events=1500, seed=7):
    """Make a small extract with everything that goes wrong in one."""
    rng = np.random.default_rng(seed)
    names = np.array([f"P{number:03d}" for number in range(people)])
    first = np.datetime64("2020-01-01")
    index = rng.integers(500, 1200, people)
    units = pd.DataFrame(
        {
            "unit_id": [f"u{number:03d}" for number in rng.permutation(people)],
            "perpetrator_id": np.append(names[: people - 5], names[:5]),
            "group": rng.choice(["programme", "comparison"], people),
            "index_date": pd.to_datetime(first + index),
            "start_date": pd.to_datetime(first + index + rng.integers(0, 30, people)),
            "data_end_date": pd.to_datetime("2024-06-30"),
            "death_date": pd.to_datetime(
                np.where(rng.random(people) < 0.1, first + index + 200, np.datetime64("NaT"))
            ),
            "index_event_id": np.where(rng.random(people) < 0.2, "E00001", None),
        }
    )
    when = first + rng.integers(0, 1700, events)
    table = pd.DataFrame(
        {
            "event_id": [f"E{number:05d}" for number in range(events)],
            "perpetrator_id": rng.choice(np.append(names, "stranger"), events),
            "date": pd.to_datetime(when),
            "source": rng.choice(["police", "marac", "court"], events, p=[0.8, 0.1, 0.1]),
            "victim_survivor_id": rng.choice(np.array(["v", "w", None], dtype=object), events),
            "offence_class": rng.choice(np.array(["8N", "105A", "58D"]), events),
            "abuse_type": rng.choice(np.array(["physical", "sexual", None], dtype=object), events),
            "domestic_abuse_flag": pd.array(
                rng.choice(np.array([True, False, None], dtype=object), events), dtype="boolean"
            ),
            "outcome_stage": rng.choice(["recorded", "charged", "convicted"], events),
        }
    )
    start = rng.integers(0, 1500, 50)
    end = start + rng.integers(0, 200, 50)
    custody = pd.DataFrame(
        {
            "perpetrator_id": rng.choice(names, 50),
            "start_date": pd.to_datetime(first + start),
            "end_date": pd.to_datetime(
                np.where(rng.random(50) < 0.1, np.datetime64("NaT"), first + end)
            ),
        }
    )
    return {"units": units, "events": table, "custody": custody}


def measure_everything(units, events, custody):
    """Call every function once and return rows and checks by name."""
    rule = {"attribution": "last"}
    charged = select_events(
        events, source=["police", "court"], at_least="charged", domestic_abuse=True
    )
    found = {
        "person_time": person_time(units, custody, washout=28, **rule),
        "event_counts": event_counts(units, events, custody, washout=28, **rule),
        "charged": event_counts(units, charged.events, custody, **rule),
        "monthly_rates": monthly_rates(units, events, custody, **rule),
        "first_event": first_event(units, events, custody, horizon=365, **rule),
        "competing": first_event(
            units, charged.events, custody, horizon=365, custody_as="competing", **rule
        ),
        "repeat_rows": repeat_rows(units, events, custody, horizon=730, **rule),
        "harm": harm_counts(units, events, WEIGHTS, custody, unmatched="missing", **rule),
        "serial": serial_and_repeat(
            units, events, count_non_crime=False, non_crime=["58D"], window=(-1000, 0)
        ),
        "any_abuse": marac_repeats(events, definition="any_abuse", within=200),
        "crime": marac_repeats(
            events, definition="criminal_conduct", within=200, non_crime=["58D"], same_victim=False
        ),
    }
    rows = {name: measured.rows for name, measured in found.items()}
    checks = {name: measured.checks for name, measured in found.items()}
    return rows, {**checks, "selected": charged.checks}


def to_duckdb(tables, folder=None):
    """Put the tables in a database of their own, which is not the one that DuckDB has open."""
    connection = duckdb.connect()
    relations = []
    for name, table in tables.items():
        if folder is None:
            relations.append(connection.from_df(table))
        else:
            file = folder / f"{name}.parquet"
            table.to_parquet(file)
            relations.append(connection.read_parquet(str(file)))
    return relations


def as_dates(tables):
    """Return Polars tables with dates instead of times."""
    found = []
    for table in tables.values():
        made = pl.from_pandas(table)
        found.append(
            made.with_columns(pl.col(c).cast(pl.Date) for c in made.columns if c.endswith("date"))
        )
    return found


def categorical(table):
    texts = [c for c in table if table[c].dtype == object and c != "event_id"]
    return table.astype(dict.fromkeys(texts, "category"))


ENGINES = {
    "pandas nullable": lambda tables: [t.convert_dtypes() for t in tables.values()],
    "pandas categories": lambda tables: [categorical(t) for t in tables.values()],
    "pandas arrow": lambda tables: [
        t.convert_dtypes(dtype_backend="pyarrow") for t in tables.values()
    ],
    "arrow": lambda tables: [pa.Table.from_pandas(t) for t in tables.values()],
    "polars": lambda tables: [pl.from_pandas(t) for t in tables.values()],
    "polars lazy": lambda tables: [pl.from_pandas(t).lazy() for t in tables.values()],
    "polars dates": as_dates,
    "duckdb": to_duckdb,
    "events in duckdb only": lambda tables: [
        tables["units"],
        to_duckdb(tables)[1],
        pl.from_pandas(tables["custody"]),
    ],
}


@pytest.fixture(scope="module")
def extract():
    return make_extract()


@pytest.fixture(scope="module")
def expected(extract):
    return measure_everything(*extract.values())


def assert_same(found, expected):
    for name, rows in expected[0].items():
        pd.testing.assert_frame_equal(found[0][name], rows, check_dtype=False, obj=name)
        assert list(found[0][name].columns) == list(rows.columns)
    assert found[1] == expected[1]


def test_the_extract_has_everything_in_it(expected):
    rows, checks = expected
    assert all(len(table) > 5 for table in rows.values())
    ends = set(rows["repeat_rows"]["ended_by"]) | set(rows["competing"]["ended_by"])
    assert ends == {"reoffence", "custody", "death", "end", "gap"}
    statistics = {c.name: c.statistic for c in checks["event_counts"]}
    for name in ("attribution", "custody_overlapping", "events_in_custody", "index_incident"):
        assert statistics[name] > 0, name


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_rows(engine, extract, expected):
    assert_same(measure_everything(*ENGINES[engine](extract)), expected)


def test_a_large_pandas_table_is_joined_in_parts(extract, expected, monkeypatch):
    monkeypatch.setattr("drive_eval.measures.offending._events._ROWS", 100)
    assert_same(measure_everything(*extract.values()), expected)


def test_parquet_files_give_the_same_rows(extract, expected, tmp_path):
    assert_same(measure_everything(*to_duckdb(extract, tmp_path)), expected)


def test_dyads_are_the_same_in_every_engine(extract):
    units = extract["units"].assign(victim_survivor_id=["v", "w"] * 30)
    tables = {**extract, "units": units}
    rows = event_counts(*tables.values(), attribution="each")
    assert rows.check("no_victim").statistic > 0
    for engine in ("polars lazy", "duckdb"):
        found = event_counts(*ENGINES[engine](tables), attribution="each")
        pd.testing.assert_frame_equal(found.rows, rows.rows, check_dtype=False)
        assert found.checks == rows.checks


def test_a_selection_stays_in_its_engine(extract):
    lazy = pl.from_pandas(extract["events"]).lazy()
    assert isinstance(select_events(lazy, source="police").events, pl.LazyFrame)
    assert isinstance(select_events(lazy.collect(), source="police").events, pl.DataFrame)
    assert isinstance(select_events(extract["events"], source="police").events, pd.DataFrame)
    relation = to_duckdb(extract)[1]
    assert isinstance(select_events(relation, source="police").events, duckdb.DuckDBPyRelation)


def test_a_database_is_left_as_it_was(extract, tmp_path):
    file = tmp_path / "police.db"
    with duckdb.connect(file) as connection:
        connection.register("given", extract["events"])
        connection.sql("CREATE TABLE events AS SELECT * FROM given")
        rows = event_counts(extract["units"], connection.table("events"), attribution="last").rows
        views = "SELECT view_name FROM duckdb_views() WHERE NOT internal AND NOT temporary"
        assert connection.sql(views).fetchall() == []
    with duckdb.connect() as connection:
        connection.sql(f"ATTACH '{file}' AS police (READ_ONLY)")
        events = connection.sql("FROM police.events")
        found = event_counts(extract["units"], events, attribution="last")
        pd.testing.assert_frame_equal(found.rows, rows)


def test_what_an_older_duckdb_cannot_join_is_said_in_a_sentence(extract):
    class ReadOnly:
        def query(self, name, sql):
            raise duckdb.InvalidInputException

    with pytest.raises(DataError, match="a DuckDB relation comes from a database that is open for"):
        _beside_relation(pa.Table.from_pandas(extract["units"]), ReadOnly())


HAS_SPARK = importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None
REASON = "the extra spark or Java 17 is not on this machine; .ci/run installs both"


@pytest.fixture(scope="module")
def session():
    if not HAS_SPARK and os.environ.get("DRIVE_EVAL_CI") != "1":
        pytest.skip(REASON)
    from pyspark.sql import SparkSession

    made = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    yield made
    made.stop()


def test_spark_gives_the_same_rows(session, extract, expected):
    tables = [session.createDataFrame(pa.Table.from_pandas(table)) for table in extract.values()]
    assert_same(measure_everything(*tables), expected)


@pytest.mark.parametrize("engines", [["duckdb", "polars", "pandas"]])
def test_the_benchmark_runs_on_a_small_size(engines):
    command = [sys.executable, str(ROOT / "benchmarks" / "events.py"), "--programme", "20"]
    command += ["--comparison", "80", "--engines", *engines]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("100 cases, ")
    assert "The rows of all engines are the same." in done.stdout


def test_the_benchmark_explains_itself():
    command = [sys.executable, str(ROOT / "benchmarks" / "events.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "python benchmarks/events.py --engines duckdb polars" in done.stdout
