"""What must hold for any extract, however it was typed, ordered or spoilt."""

from __future__ import annotations

import io
import tempfile
import traceback
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from drive_eval.data._cells import as_text
from drive_eval.data.schema import TABLES, validate
from drive_eval.data.study import read_study, save_tables
from drive_eval.errors import DataError

quick = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

#: Shapes that garbage takes; the marker in each is what no message may repeat.
SHAPES = [
    "{}", " {} ", "{}/01/2024", "01/02/{}", "2024-01-{}", "{}-{}", "{},{}", "£{}", "high {}",
    "#{}", "1.{}", "P{}", '"{}"', "'{}'", "{}\n{}", "Mr {} of {} Road", "=cmd|{}", "{{{}}}", "%s{}",
]  # fmt: skip
letters = st.text("bcdfghjkmpqvwxzBCDFGHJKMPQVWXZ", min_size=7, max_size=12)
digits = st.integers(7_000_000, 9_999_999).map(str)
markers = st.one_of(letters, digits, letters.map(lambda text: text + "éß")).filter(
    lambda text: "xx" not in text
)
places = st.sampled_from(
    [(table.name, column.name) for table in TABLES.values() for column in table.columns]
)


def _messages_of(read):
    """Return all that a user could see of a refusal, "" if there is none."""
    try:
        read()
    except DataError as error:
        return "".join(traceback.format_exception(error)) + "".join(error.faults) + repr(error)
    return ""


@quick
@given(
    spoilt=st.lists(
        st.tuples(places, st.integers(0, 30), st.sampled_from(SHAPES)), min_size=1, max_size=6
    ),
    marker=markers,
)
def test_no_message_repeats_what_stands_in_a_cell(tiny_tables, spoilt, marker):
    tables = {name: table.copy() for name, table in tiny_tables.items()}
    for (table, column), row, shape in spoilt:
        if column not in tables[table]:
            tables[table][column] = ""
        tables[table].loc[row % len(tables[table]), column] = shape.replace("{}", marker)
    assert marker not in _messages_of(lambda: validate(tables, exclude=["001"]))


@quick
@given(
    table=st.sampled_from(list(TABLES)),
    at=st.floats(0, 1),
    shape=st.sampled_from([*SHAPES, '"{}', "{}\0", "\n{}\n", ",{},", "\r{}"]),
    marker=markers,
    encoding=st.sampled_from(["utf-8", "cp1252", "utf-16"]),
)
def test_no_message_about_a_spoilt_file_repeats_what_stands_in_it(
    tiny_tables, table, at, shape, marker, encoding
):
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in tiny_tables.items():
            frame.to_csv(Path(folder) / f"{name}.csv", index=False)
        path = Path(folder) / f"{table}.csv"
        text = path.read_text(encoding="utf-8")
        header = text.index("\n") + 1
        place = header + int(at * (len(text) - header))
        spoilt = text[:place] + shape.replace("{}", marker) + text[place:]
        path.write_bytes(spoilt.encode(encoding))
        assert marker not in _messages_of(lambda: read_study(folder))


@quick
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_rows_does_not_matter(tiny_tables, seed):
    rng = np.random.default_rng(seed)
    shuffled = {
        name: table.iloc[rng.permutation(len(table))] for name, table in tiny_tables.items()
    }
    plain = validate(tiny_tables)
    for name, table in validate(shuffled).items():
        pd.testing.assert_frame_equal(table, plain[name])


@quick
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_rows_changes_no_fault_but_its_row_numbers(tiny_tables, seed):
    rng = np.random.default_rng(seed)
    tables = dict(tiny_tables)
    tables["cases"] = tables["cases"].assign(exit_date="01/02/2023", arm="control")
    tables["events"] = tables["events"].assign(perpetrator_id="P77")

    def kinds(brought):
        try:
            validate(brought)
        except DataError as error:
            return [fault.split(" (rows ")[0] for fault in error.faults]

    shuffled = {name: table.iloc[rng.permutation(len(table))] for name, table in tables.items()}
    assert kinds(shuffled) == kinds(tables)


@st.composite
def thinned(draw):
    """Return which optional cells to blank and which optional columns to leave out."""
    optional = [
        (table.name, column.name)
        for table in TABLES.values()
        for column in table.columns
        if not column.filled and column.name != "victim_survivor_id"
    ]
    blanked = draw(st.lists(st.tuples(st.sampled_from(optional), st.integers(0, 30)), max_size=20))
    dropped = draw(st.lists(st.sampled_from(optional), max_size=5))
    return blanked, [place for place in dropped if place[1] != "severity"]


def _thin(tables, thinning):
    blanked, dropped = thinning
    thin = {name: table.copy() for name, table in tables.items()}
    for (table, column), row in blanked:
        if column in thin[table]:
            thin[table].loc[row % len(thin[table]), column] = ""
    for table, column in dropped:
        thin[table] = thin[table].drop(columns=column, errors="ignore")
    return thin


@quick
@given(thinning=thinned())
def test_validation_is_idempotent(tiny_tables, thinning):
    once = validate(_thin(tiny_tables, thinning))
    for name, table in validate(once).items():
        pd.testing.assert_frame_equal(table, once[name])


@settings(quick, max_examples=15)
@given(thinning=thinned())
def test_what_is_saved_is_what_is_read(tiny_tables, thinning):
    clean = validate(_thin(tiny_tables, thinning))
    with tempfile.TemporaryDirectory() as folder:
        save_tables(clean, Path(folder) / "saved")
        study = read_study(Path(folder) / "saved")
    for name, table in clean.items():
        pd.testing.assert_frame_equal(study.tables[name], table)


@quick
@given(excluded=st.sets(st.sampled_from([f"{at:03d}" for at in range(1, 13)]), max_size=11))
def test_excluding_a_case_is_deleting_its_rows(tiny_tables, excluded):
    deleted = {
        name: table[~table["case_id"].isin(excluded)] if "case_id" in table else table
        for name, table in tiny_tables.items()
    }
    people = set(deleted["cases"]["perpetrator_id"])
    for name in ("events", "custody"):
        deleted[name] = deleted[name][deleted[name]["perpetrator_id"].isin(people)]
    assume(all(len(table) for name, table in deleted.items() if name != "custody"))
    left = validate(tiny_tables, exclude=excluded)
    for name, table in validate(deleted).items():
        pd.testing.assert_frame_equal(left[name], table)


@quick
@given(rows=st.sets(st.integers(2, 28), min_size=1, max_size=10))
def test_a_fault_names_exactly_the_rows_that_have_it(tiny_tables, rows):
    ratings = tiny_tables["assessments"].copy()
    ratings.loc[[row - 2 for row in rows], "severity"] = "dreadful"
    try:
        validate({**tiny_tables, "assessments": ratings})
    except DataError as error:
        (fault,) = error.faults
    listed = fault.split("(row")[1].removeprefix("s").split(")")[0]
    assert [int(number) for number in listed.split(",")] == sorted(rows)
    assert f"in {len(rows)} of 27 rows" in fault


cells = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**18), 10**18), st.floats(), st.dates(),
    st.datetimes(), st.text(max_size=8), st.decimals(), st.just(pd.NaT), st.just(pd.NA),
)  # fmt: skip


@quick
@given(values=st.lists(cells, max_size=20))
def test_text_of_cells_is_stripped_and_stays_itself(values):
    text = as_text(pd.Series(values, dtype=object))
    assert all(cell is None or (type(cell) is str and cell == cell.strip() != "") for cell in text)
    pd.testing.assert_series_equal(as_text(text), text)


@quick
@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_numbers_survive_the_way_through_text(numbers):
    text = as_text(pd.Series(numbers))
    assert [float(cell) for cell in text] == numbers


@quick
@given(days=st.lists(st.dates(), min_size=1, max_size=9))
def test_days_survive_the_way_through_text_in_every_unit(days):
    expected = [day.isoformat() for day in days]
    assert as_text(pd.Series(days)).tolist() == expected
    for unit in ("s", "ms", "us"):
        moments = pd.Series(np.array(days, dtype=f"datetime64[{unit}]"))
        assert as_text(moments).tolist() == expected


def test_one_true_and_1_are_told_apart():
    mixed = pd.Series([1, True, 1.0, "1", 0, False], dtype=object)
    assert as_text(mixed).tolist() == ["1", "true", "1", "1", "0", "false"]
    gapped = pd.read_csv(io.StringIO("a\n1\n\n2\n"), skip_blank_lines=False)["a"]
    assert as_text(gapped).tolist() == ["1", None, "2"]
