"""The schema: what is accepted, and the sentence for everything that is not."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drive_eval.data.schema import RULES, TABLES, data_dictionary, validate
from drive_eval.errors import DataError

DICTIONARY = Path(__file__).parents[2] / "docs" / "reference" / "data.md"


def faults_of(tables, **arguments):
    with pytest.raises(DataError) as caught:
        validate(tables, **arguments)
    return caught.value.faults


def only_fault(tables, **arguments):
    faults = faults_of(tables, **arguments)
    assert len(faults) == 1, faults
    return faults[0]


def put(tables, table, column, cells):
    """Return the tables with cells replaced, by row of the file (the header is row 1)."""
    changed = tables[table].copy()
    if column not in changed:
        changed[column] = ""
    for row, cell in cells.items():
        changed.loc[row - 2, column] = cell
    return {**tables, table: changed}


def add_rows(tables, table, *rows):
    extra = pd.DataFrame(rows, columns=tables[table].columns, dtype=str)
    return {**tables, table: pd.concat([tables[table], extra], ignore_index=True)}


# What is accepted


def test_the_twelve_cases_pass_and_are_typed(tiny_tables):
    clean = validate(tiny_tables)
    cases = clean["cases"]
    assert cases["case_id"].tolist()[:2] == ["001", "002"]
    for column in ("index_date", "start_date", "exit_date", "data_end_date"):
        assert cases[column].dtype == "datetime64[ns]"
    assert cases["age"].dtype == "Int64"
    assert cases["age"].isna().tolist() == [False] * 4 + [True] + [False] * 7
    assert cases["exit_reason"].isna().sum() == 4
    assert set(map(type, cases["site"])) == {str}
    assert clean["victim_survivors"]["idva_supported"].dtype == "boolean"
    assert clean["events"]["harm_days"].dtype == "Float64"
    assert clean["events"]["harm_days"].sum() == 73
    assert clean["custody"]["end_date"].isna().sum() == 1


def test_severity_is_ordered_and_blank_is_not_none(tiny_tables):
    severity = validate(tiny_tables)["assessments"]["severity"]
    assert severity.cat.ordered
    assert severity.cat.categories.tolist() == ["none", "standard", "moderate", "high"]
    assert severity.isna().sum() == 1
    assert (severity == "none").sum() == 8
    assert severity.max() == "high"


def test_rows_come_in_the_order_of_their_key_and_intake_before_exit(tiny_tables):
    backwards = {name: table.iloc[::-1] for name, table in tiny_tables.items()}
    ratings = validate(backwards)["assessments"]
    assert ratings["case_id"].is_monotonic_increasing
    assert ratings["time_point"].tolist()[:4] == ["intake", "exit", "intake", "exit"]
    assert ratings["reporter"].tolist()[:4] == ["idva", "idva", "case_manager", "case_manager"]


def test_the_input_is_left_as_it_was(tiny_tables):
    before = {name: table.copy() for name, table in tiny_tables.items()}
    validate(tiny_tables)
    for name, table in before.items():
        pd.testing.assert_frame_equal(table, tiny_tables[name])


def test_an_absent_optional_column_stays_absent(tiny_tables):
    clean = validate({"cases": tiny_tables["cases"].drop(columns=["site", "age"])})
    assert "site" not in clean["cases"]
    assert list(clean) == ["cases"]


@pytest.mark.parametrize(
    ("spelling", "value"),
    [("true", True), ("TRUE", True), ("yes", True), ("Yes", True), ("1", True), (True, True),
     (1, True), (1.0, True), ("false", False), ("no", False), ("0", False), (False, False),
     (0, False), ("", None), (None, None), (pd.NA, None), (float("nan"), None)],
)  # fmt: skip
def test_booleans_may_be_spelled_in_six_ways(tiny_tables, spelling, value):
    table = tiny_tables["victim_survivors"].astype(object)
    table["idva_supported"] = pd.Series([spelling] * len(table), dtype=object)
    read = validate({**tiny_tables, "victim_survivors": table})["victim_survivors"]
    cells = read["idva_supported"]
    assert cells.isna().all() if value is None else (cells == value).all()


@pytest.mark.parametrize(
    "cell",
    ["2023-01-10", " 2023-01-10 ", "2023-01-10 00:00:00", "2023-01-10T00:00", dt.date(2023, 1, 10),
     dt.datetime(2023, 1, 10),  # noqa: DTZ001
     pd.Timestamp("2023-01-10"), np.datetime64("2023-01-10")],
)  # fmt: skip
def test_a_day_may_come_as_iso_text_or_as_a_date(tiny_tables, cell):
    table = tiny_tables["cases"].astype(object)
    table.loc[0, "index_date"] = cell
    read = validate({"cases": table})["cases"]
    assert read.loc[0, "index_date"] == pd.Timestamp("2023-01-10")


@pytest.mark.parametrize(
    ("cell", "value"),
    [("34", 34), ("34.0", 34), (34, 34), (34.0, 34), (np.int64(34), 34), (Decimal(34), 34)],
)
def test_whole_numbers_may_come_as_text_or_number(tiny_tables, cell, value):
    table = tiny_tables["cases"].astype(object)
    table.loc[0, "age"] = cell
    assert validate({"cases": table})["cases"].loc[0, "age"] == value


def test_ids_that_came_as_numbers_become_text(tiny_tables):
    cases = tiny_tables["cases"].iloc[:3].assign(case_id=[1, 2, 3], perpetrator_id=[1.0, 2.0, 3.0])
    read = validate({"cases": cases})["cases"]
    assert read["case_id"].tolist() == ["1", "2", "3"]
    assert read["perpetrator_id"].tolist() == ["1", "2", "3"]


def test_zeros_in_front_of_an_id_count(tiny_tables):
    tables = put(tiny_tables, "custody", "perpetrator_id", {2: "0P5"})
    assert "perpetrator_id is in no row" in only_fault(tables)


def test_spaces_around_cells_and_names_are_ignored(tiny_tables):
    spaced = {
        name: table.rename(columns=lambda c: f" {c} ").map(lambda c: f"  {c}\t")
        for name, table in tiny_tables.items()
    }
    plain = validate(tiny_tables)
    for name, table in validate(spaced).items():
        pd.testing.assert_frame_equal(table, plain[name])


def test_rows_without_any_value_are_ignored_and_keep_their_number(tiny_tables):
    cases = tiny_tables["cases"]
    empty = pd.DataFrame([[""] * cases.shape[1]], columns=cases.columns)
    gapped = pd.concat([cases.iloc[:2], empty, cases.iloc[2:], empty], ignore_index=True)
    assert len(validate({"cases": gapped})["cases"]) == 12
    gapped.loc[3, "arm"] = "neither"  # row 5 of the file
    assert "in 1 of 12 rows (row 5)" in only_fault({"cases": gapped})


def test_a_nameless_column_without_values_is_ignored(tiny_tables):
    cases = tiny_tables["cases"].assign(**{"": ""})
    assert "" not in validate({"cases": cases})["cases"]


def test_several_enrolments_may_stand_in_different_arms(tiny_tables):
    tables = put(tiny_tables, "cases", "arm", {9: "comparison"})
    assert validate(tables)["cases"].query("perpetrator_id == 'P01'")["arm"].nunique() == 2


def test_custody_may_hold_no_row(tiny_tables):
    tables = {**tiny_tables, "custody": tiny_tables["custody"].iloc[:0]}
    custody = validate(tables)["custody"]
    assert len(custody) == 0
    assert custody["start_date"].dtype == "datetime64[ns]"


def test_index_date_may_be_absent_or_blank_where_it_is_not_public(tiny_tables):
    cases = tiny_tables["cases"]
    absent = validate({"cases": cases.drop(columns="index_date")}, index_date="not_public")
    assert "index_date" not in absent["cases"]
    blank = validate({"cases": cases.assign(index_date="")}, index_date="not_public")
    assert blank["cases"]["index_date"].isna().all()


def test_declared_columns_are_typed_as_declared(tiny_tables):
    cases = tiny_tables["cases"].assign(
        rearrested="yes", visits="3", score="1.25", wave="a", scored_on="2023-01-02"
    )
    declared = {"rearrested": "boolean", "visits": "integer", "score": "number", "wave": "category"}
    declared["scored_on"] = "date"
    read = validate({"cases": cases}, columns={"cases": declared})["cases"]
    assert read[["rearrested", "visits", "score"]].dtypes.astype(str).tolist() == [
        "boolean", "Int64", "Float64",
    ]  # fmt: skip
    assert read["wave"].tolist() == ["a"] * 12
    assert (read["scored_on"] == pd.Timestamp("2023-01-02")).all()
    assert list(read.columns[-5:]) == list(declared)


def test_excluded_cases_leave_with_all_that_hangs_on_them(tiny_tables):
    clean = validate(tiny_tables, exclude=["005", "001"])
    assert len(clean["cases"]) == 10
    for name in ("victim_survivors", "assessments", "risk_reviews"):
        assert not clean[name]["case_id"].isin(["001", "005"]).any()
    # P05 has no other case; P01 has one that stays, so his events stay.
    assert set(clean["events"]["perpetrator_id"]) == {"P01", "P02", "P09", "P10", "P12"}
    assert clean["custody"]["perpetrator_id"].tolist() == ["P09"]


def test_an_excluded_case_may_hold_any_fault(tiny_tables):
    tables = put(tiny_tables, "cases", "exit_date", {3: "2001-01-01"})
    assert "(exit before intake)" in faults_of(tables)[0]
    assert len(validate(tables, exclude=["002"])["cases"]) == 11


# Columns and tables


def test_a_wrong_column_is_named_with_the_nearest(tiny_tables):
    cases = tiny_tables["cases"].rename(columns={"exit_date": "exit_dat", "arm": "Arm "})
    faults = faults_of({"cases": cases}, sources={"cases": "cases.csv"})
    assert faults[0] == (
        'cases.csv: column "Arm" is not in the data dictionary. Nearest: "arm". Rename it, '
        "remove it, or declare it in the plan under [data.columns]."
    )
    assert faults[1].startswith('cases.csv: column "exit_dat" is not in the data dictionary. Near')
    assert faults[2] == (
        'cases.csv: no column "arm", which the table cases needs. Nearest there: "Arm". Columns '
        "are listed in docs/reference/data.md."
    )
    assert len(faults) == 3


def test_a_column_unlike_any_other_has_no_nearest(tiny_tables):
    fault = only_fault({"cases": tiny_tables["cases"].assign(zzz="1")})
    assert fault == (
        'table cases: column "zzz" is not in the data dictionary. Rename it, remove it, or declare '
        "it in the plan under [data.columns]."
    )


def test_a_missing_required_column_without_anything_near(tiny_tables):
    faults = faults_of({"cases": tiny_tables["cases"].drop(columns="perpetrator_id")})
    assert faults == (
        'table cases: no column "perpetrator_id", which the table cases needs. Columns are listed '
        "in docs/reference/data.md.",
    )


def test_a_column_that_stands_twice(tiny_tables):
    cases = pd.concat([tiny_tables["cases"], tiny_tables["cases"][["age"]]], axis=1)
    assert 'column "age" stands twice. Remove or rename' in only_fault({"cases": cases})


def test_a_column_without_a_name(tiny_tables):
    cases = tiny_tables["cases"].assign(**{"": "something"})
    assert only_fault({"cases": cases}) == (
        "table cases: column 11 has values but no name in the first row. Name it, or remove the "
        "column."
    )


def test_a_table_without_a_header_shows_none_of_its_first_row(tiny_tables):
    cases = tiny_tables["cases"]
    headless = cases.iloc[1:].set_axis(cases.iloc[0].tolist(), axis=1)
    fault = only_fault({"cases": headless})
    assert fault == (
        "table cases: the first row names no column of the table cases. It must hold the column "
        "names, at least case_id, perpetrator_id, arm, index_date."
    )


def test_an_unknown_table_and_no_cases(tiny_tables):
    faults = faults_of({"assesments": tiny_tables["assessments"]})
    assert faults[0] == (
        'there is no table "assesments" in the data dictionary. Nearest: "assessments".'
    )
    assert faults[1].startswith("there is no table cases (one row is one enrolment")


def test_a_header_without_rows(tiny_tables):
    tables = {**tiny_tables, "events": tiny_tables["events"].iloc[:0]}
    assert only_fault(tables) == (
        "table events: there is a header and no row beneath it. Export the table again, or leave "
        "the file out if the table was not collected."
    )


def test_cases_without_rows_may_not_be_left_out(tiny_tables):
    assert only_fault({"cases": tiny_tables["cases"].iloc[:0]}) == (
        "table cases: there is a header and no row beneath it. Export the table again; no study "
        "can do without it."
    )


def test_a_declaration_in_the_plan_that_cannot_be_kept(tiny_tables):
    columns = {
        "case": {"x": "integer"},
        "cases": {"x": "whole", "age": "integer", "visits": "integer"},
    }
    faults = faults_of({"cases": tiny_tables["cases"]}, columns=columns, index_date="public")
    assert faults == (
        'index_date = "public" is not known. Nearest: "not_public".',
        'the plan\'s [data.columns] names no table "case". Nearest: "cases". Write '
        "[data.columns.TABLE] with the name of a table.",
        'the plan\'s [data.columns] cases: "whole" is no type of column. Valid: "boolean", '
        '"integer", "number", "category", "date".',
        "the plan's [data.columns] cases: age is in the data dictionary already; leave it out of "
        "the plan.",
        'table cases: no column "visits", which the plan declares under [data.columns.cases]. Add '
        "it to the file, or take it out of the plan.",
    )


def test_excluded_cases_that_do_not_exist_are_counted_not_named(tiny_tables):
    fault = only_fault(tiny_tables, exclude=["001", "1", "nobody"])
    assert fault.startswith("table cases: 2 of 3 case_ids that [cohort] exclude lists stand in no")
    assert "nobody" not in fault


def test_everybody_excluded(tiny_tables):
    everyone = tiny_tables["cases"]["case_id"]
    fault = only_fault({"cases": tiny_tables["cases"]}, exclude=everyone)
    assert fault == "table cases: [cohort] exclude leaves out every case."


# Cells

DATE_FIX = "Write YYYY-MM-DD"


@pytest.mark.parametrize(
    ("table", "column", "cell", "sentence"),
    [
        ("cases", "exit_date", "20/07/2023", f"exit_date looks like dd/mm/yyyy in 1 of 12 rows "
         f"(row 2). {DATE_FIX}, or in Excel format the column as a date; which part is the day"),
        ("cases", "exit_date", "1.7.23", "exit_date looks like dd/mm/yyyy"),
        ("cases", "exit_date", "01-07-2023 10:30", "exit_date looks like dd/mm/yyyy"),
        ("cases", "exit_date", "45127", "exit_date holds a number where a date belongs in 1 of 12 "
         "rows (row 2). In Excel, format the column as a date"),
        ("cases", "exit_date", "2023-07-20T13:45", "exit_date holds a time of day or a time zone"),
        ("cases", "exit_date", pd.Timestamp("2023-07-20", tz="UTC"), "or a time zone in 1 of 12"),
        ("cases", "exit_date", "2023-02-30", "exit_date names a day that is not in the calendar"),
        ("cases", "exit_date", "1900-01-01", "exit_date lies outside the range 1950-01-01 to "
         "2100-12-31"),
        ("cases", "exit_date", dt.date(9999, 12, 31), "exit_date lies outside the range"),
        ("cases", "exit_date", "20 July 2023", "exit_date is not a date in 1 of 12"),
        ("cases", "exit_date", "2023-7-20", "exit_date is not a date in 1 of 12"),
        ("cases", "exit_date", "not known", "exit_date holds a word for not recorded (such as "
         'unknown or N/A) in 1 of 12 rows (row 2). Leave the cell blank: blank means not recorded, '
         'which is not the same as "none" or "no".'),
        ("cases", "exit_date", "#N/A", "exit_date holds an Excel error (such as #N/A or #REF!)"),
        ("cases", "site", "#REF!", "site holds an Excel error"),
        ("cases", "age", "9", "age lies outside the range 10 to 110 in 1 of 12 rows (row 2). "
         "Correct it, or leave the cell blank if the value is a stand-in for not recorded."),
        ("cases", "age", "-1", "age lies outside the range 10 to 110"),
        ("cases", "age", "9" * 40, "age lies outside the range 10 to 110"),
        ("cases", "age", "34.5", "age is not a whole number in 1 of 12 rows (row 2). Write digits"),
        ("cases", "age", "thirty", "age is not a whole number"),
        ("cases", "age", "N/K", "age holds a word for not recorded"),
        ("cases", "prior_incidents_12m", "-1", "lies outside the range 0 or more"),
        ("cases", "dash_score", "25", "dash_score lies outside the range 0 to 24"),
        ("cases", "arm", "", "arm is blank in 1 of 12 rows (row 2). Every row needs a value here."),
        ("cases", "arm", "Programme", "arm differs from a code only in capitals, spaces or hyphens "
         "in 1 of 12 rows (row 2). Write programme or comparison."),
        ("cases", "arm", "control", "arm is not in the code list in 1 of 12 rows (row 2). Write "
         "programme or comparison; every row needs one of them."),
        ("cases", "index_date", "1900-01-01", "index_date lies outside the range 1950-01-01 to "
         "2100-12-31 in 1 of 12 rows (row 2). Correct it; every row needs a value here."),
        ("cases", "index_date", "#N/A", "index_date holds an Excel error (such as #N/A or #REF!) "
         "in 1 of 12 rows (row 2). Repair the formula; every row needs a value here."),
        ("cases", "index_date", "unknown", "index_date holds a word for not recorded (such as "
         "unknown or N/A) in 1 of 12 rows (row 2). Every row needs a value here, so it must be "
         "found out."),
        ("cases", "case_id", "1.2E+15", "case_id holds an id in scientific notation, so that "
         "digits are lost in 1 of 12 rows (row 2). Export it again with the column as text."),
        ("cases", "case_id", 1.5e300, "case_id holds an id in scientific notation"),
        ("cases", "perpetrator_id", "Unknown", "perpetrator_id holds a word for not recorded"),
        ("assessments", "severity", "extreme", "severity is not in the code list in 1 of 27 rows "
         "(row 2). Write none, standard, moderate or high, or leave the cell blank."),
        ("assessments", "severity", "unknown", "severity holds a word for not recorded (such as"),
        ("assessments", "severity", "Not Asked", "severity holds a word for not recorded"),
        ("assessments", "severity", "HIGH", "severity differs from a code only in capitals"),
        ("assessments", "reporter", "case manager", "reporter differs from a code only in"),
        ("risk_reviews", "dash_score", "25", "dash_score lies outside the range 0 to 24"),
        ("risk_reviews", "dash_score", "-1", "dash_score lies outside the range 0 to 24"),
        ("events", "harm_days", "1,5", "harm_days is not a number in 1 of 9 rows (row 2). Write "
         "digits and a decimal point"),
        ("events", "harm_days", float("inf"), "harm_days is not a number"),
        ("events", "harm_days", "-0.5", "harm_days lies outside the range 0 or more"),
        ("events", "domestic_abuse_flag", "maybe", "domestic_abuse_flag is neither true nor false "
         "in 1 of 9 rows (row 2). Write true or false (yes, no, 1, 0 also do)."),
        ("events", "domestic_abuse_flag", "?", "domestic_abuse_flag holds a word for not recorded"),
    ],
)  # fmt: skip
def test_the_sentence_for_a_wrong_cell(tiny_tables, table, column, cell, sentence):
    tables = {name: frame.astype(object) for name, frame in tiny_tables.items()}
    tables = put(tables, table, column, {2: cell})
    faults = faults_of(tables, sources={table: f"{table}.csv"})
    found = [fault for fault in faults if sentence in fault]
    assert len(found) == 1, faults
    assert found[0].startswith(f"{table}.csv: {column} ")


def test_every_column_with_wrong_cells_is_told_at_once(tiny_tables):
    tables = put(tiny_tables, "cases", "exit_date", {2: "1/2/2023", 3: "3/4/2023", 4: "30 July"})
    tables = put(tables, "cases", "age", {5: "old"})
    tables = put(tables, "assessments", "severity", {7: "dreadful"})
    faults = faults_of(tables)
    assert len(faults) == 4
    assert "exit_date looks like dd/mm/yyyy in 2 of 12 rows (rows 2, 3)." in faults[0]
    assert "exit_date is not a date in 1 of 12 rows (row 4)" in faults[1]
    assert "age is not a whole number in 1 of 12 rows (row 5)" in faults[2]
    assert "severity is not in the code list in 1 of 27 rows (row 7)" in faults[3]


def test_at_most_ten_row_numbers_are_shown(tiny_tables):
    cases = tiny_tables["cases"].assign(index_date="01/02/2023")
    fault = faults_of({"cases": cases})[0]
    assert "in 12 of 12 rows (rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …). Write" in fault


# Rules


def test_a_case_id_that_stands_twice(tiny_tables):
    tables = put(tiny_tables, "cases", "case_id", {9: "007"})
    faults = faults_of({"cases": tables["cases"]}, sources={"cases": "cases.csv"})
    assert faults == (
        "cases.csv: case_id stands more than once in 2 of 12 rows (rows 8, 9). One row is one "
        "enrolment: remove the copies, or give each enrolment its own case_id.",
    )


def test_two_enrolments_of_a_person_on_one_day(tiny_tables):
    tables = put(tiny_tables, "cases", "index_date", {9: "2023-01-10"})
    assert only_fault({"cases": tables["cases"]}) == (
        "table cases: a person is enrolled more than once on the same index_date in 2 of 12 rows "
        "(rows 2, 9). Enrolments of one person begin on different days: correct them or list their "
        "case_id in [cohort] exclude; they are not dropped silently."
    )


@pytest.mark.parametrize(
    ("column", "row", "cell", "sentence"),
    [
        ("exit_date", 8, "2023-04-01", "exit_date is before index_date (exit before intake) in 1 "
         "of 12 rows (row 8). Correct them or list their case_id in [cohort] exclude; they are not "
         "dropped silently."),
        ("exit_date", 3, "2023-01-31", "exit_date is before start_date in 1 of 12 rows (row 3)"),
        ("referral_date", 3, "2023-02-02", "start_date is before referral_date in 1 of 12 rows"),
        ("data_end_date", 3, "2022-12-31", "data_end_date is before index_date in 1 of 12 rows"),
        ("exit_date", 9, "2025-01-01", "exit_reason is still_open although there is an exit_date "
         "in 1 of 12 rows (row 9). Leave exit_date blank, or correct exit_reason."),
    ],
)  # fmt: skip
def test_dates_of_a_case_out_of_order(tiny_tables, column, row, cell, sentence):
    tables = put(tiny_tables, "cases", column, {row: cell})
    assert sentence in only_fault({"cases": tables["cases"]})


def test_equal_dates_are_in_order(tiny_tables):
    tables = put(tiny_tables, "cases", "start_date", {2: "2023-01-10"})
    tables = put(tables, "cases", "exit_date", {2: "2023-01-10"})
    validate({"cases": tables["cases"]})


@pytest.mark.parametrize("table", ["victim_survivors", "assessments", "risk_reviews"])
def test_a_row_of_an_unknown_case(tiny_tables, table):
    tables = put(tiny_tables, table, "case_id", {2: "1"})
    faults = faults_of(tables, sources={"cases": "cases.csv", table: f"{table}.csv"})
    assert faults[0] == (
        f"{table}.csv: case_id is in no row of cases.csv in 1 of {len(tables[table])} rows "
        "(row 2). Add the case, or remove these rows; look for zeros lost in front of an id."
    )


@pytest.mark.parametrize("table", ["events", "custody"])
def test_a_row_of_an_unknown_person(tiny_tables, table):
    tables = put(tiny_tables, table, "perpetrator_id", {3: "P99"})
    assert "perpetrator_id is in no row of table cases in 1 of" in only_fault(tables)


@pytest.mark.parametrize("table", ["assessments", "risk_reviews"])
def test_a_victim_survivor_who_is_not_linked_to_the_case(tiny_tables, table):
    tables = put(tiny_tables, table, "victim_survivor_id", {2: "V12"})
    assert only_fault(tables).startswith(
        f"table {table}: victim_survivor_id is not linked to its case_id in table victim_survivors "
        f"in 1 of {len(tables[table])} rows (row 2). Add the link there, or correct the id."
    )
    del tables["victim_survivors"]
    validate(tables)  # nothing to hold it against


def test_a_link_that_stands_twice(tiny_tables):
    tables = add_rows(tiny_tables, "victim_survivors", ["V02", "002", "", "", ""])
    assert (
        "a victim_survivor_id is linked to the same case_id more than once in 2 of 14 rows "
        "(rows 3, 15). Remove the copies." in only_fault(tables)
    )


def test_two_ratings_of_one_thing(tiny_tables):
    again = ["001", "exit", "case_manager", "physical", "high", "", "2023-07-20"]
    tables = add_rows(tiny_tables, "assessments", again)
    assert (
        "a reporter rates the same abuse_type of a case more than once at one time_point in 2 of "
        "28 rows (rows 5, 29). Keep one rating" in only_fault(tables)
    )
    without = {**tables, "assessments": tables["assessments"].drop(columns="victim_survivor_id")}
    assert "in 6 of 28 rows (rows 5, 6, 7, 8, 9, 29)" in only_fault(without)


def test_two_judgements_at_one_time_point(tiny_tables):
    tables = add_rows(
        tiny_tables, "risk_reviews", ["001", "exit", "idva", "", "", "", "V01", "2023-07-18"]
    )
    assert "a reporter judges the same case more than once at one time_point in 2 of 7" in (
        only_fault(tables)
    )


def test_assessments_out_of_the_order_of_time_points(tiny_tables):
    tables = put(tiny_tables, "assessments", "date", {3: "2023-01-11"})
    assert only_fault(tables) == (
        "table assessments: date is before that of an earlier time_point of the same case and "
        "reporter in 1 of 27 rows (row 3). Correct the date or the time_point."
    )


def test_two_time_points_on_one_day_are_in_order(tiny_tables):
    validate(put(tiny_tables, "assessments", "date", {3: "2023-01-12"}))


def test_an_undated_rating_in_between_hides_no_disorder(tiny_tables):
    rows = [
        ["006", "midpoint", "idva", "physical", "none", "V07", ""],
        ["006", "follow_up_6m", "idva", "physical", "none", "V07", "2023-03-16"],
    ]
    assert "in 1 of 29 rows (row 30)" in only_fault(add_rows(tiny_tables, "assessments", *rows))


def test_another_victim_survivor_may_be_met_later(tiny_tables):
    # V03 joins case 002 after V02 has been rated at exit.
    tables = put(tiny_tables, "assessments", "date", {8: "2023-08-20", 9: "2023-09-20"})
    validate(tables)


def test_risk_reviews_out_of_the_order_of_time_points(tiny_tables):
    tables = put(tiny_tables, "risk_reviews", "date", {3: "2023-01-01"})
    assert "table risk_reviews: date is before that of an earlier time_point" in only_fault(tables)


@pytest.mark.parametrize("table", ["assessments", "risk_reviews"])
def test_a_case_managers_report_in_the_comparison_arm(tiny_tables, table):
    row = {"assessments": 27, "risk_reviews": 6}[table]
    tables = put(tiny_tables, table, "reporter", {row: "case_manager"})
    fault = only_fault(tables, sources={table: f"{table}.csv"})
    assert fault == (
        f"{table}.csv: a case manager reports on a case of the comparison arm, which has no case "
        f"manager in 1 of {len(tables[table])} rows (row {row}). Correct the reporter, or the arm "
        "of the case."
    )


def test_more_than_24_answers(tiny_tables):
    tables = put(tiny_tables, "risk_reviews", "dash_dont_know", {2: "8"})
    assert (
        "dash_score and dash_dont_know together exceed 24 in 1 of 6 rows (row 2). The checklist "
        "has 24 items: correct one of the two." in only_fault(tables)
    )


def test_an_event_that_stands_twice(tiny_tables):
    tables = put(tiny_tables, "events", "event_id", {3: "E01"})
    assert "event_id stands more than once in 2 of 9 rows (rows 2, 3). Remove the copies" in (
        only_fault(tables)
    )


def test_custody_that_ends_before_it_starts(tiny_tables):
    tables = put(tiny_tables, "custody", "end_date", {2: "2023-06-14"})
    assert only_fault(tables) == (
        "table custody: end_date is before start_date in 1 of 2 rows (row 2). Correct one of the "
        "two dates."
    )


def test_two_spells_that_start_together(tiny_tables):
    tables = add_rows(tiny_tables, "custody", ["P05", "2023-06-15", ""])
    assert "a person has more than one spell with the same start_date in 2 of 3 rows" in (
        only_fault(tables)
    )


def test_a_cell_that_cannot_be_read_breaks_no_second_rule(tiny_tables):
    tables = put(tiny_tables, "cases", "exit_date", {2: "gone"})
    tables = put(tables, "cases", "index_date", {3: ""})
    assert len(faults_of({"cases": tables["cases"]})) == 2


def test_rules_wait_for_the_columns_that_they_need(tiny_tables):
    tables = {**tiny_tables, "cases": tiny_tables["cases"].drop(columns=["case_id"])}
    assert only_fault(tables).startswith('table cases: no column "case_id"')
    for table in TABLES:
        for column in TABLES[table].columns:
            if column.name in tiny_tables[table]:
                less = {**tiny_tables, table: tiny_tables[table].drop(columns=column.name)}
                if column.required:
                    assert any(f'no column "{column.name}"' in f for f in faults_of(less))
                elif column.name != "victim_survivor_id":
                    validate(less)


# The dictionary


def test_the_committed_dictionary_is_the_printed_one():
    assert DICTIONARY.read_text(encoding="utf-8") == data_dictionary(), (
        "docs/reference/data.md is stale: write data_dictionary() into it"
    )


def test_the_dictionary_names_everything_declared():
    text = data_dictionary()
    for table in TABLES.values():
        assert f"## {table.name}\n" in text
        for column in table.columns:
            assert f"| `{column.name}` | {column.kind} |" in text
    for rule in RULES:
        assert f"- {rule.holds}" in text


def test_every_rule_refers_to_declared_columns():
    for rule in RULES:
        columns = {column.name for column in TABLES[rule.table].columns}
        assert set(rule.columns + rule.also) <= columns
        if rule.to:
            assert set(rule.columns) <= {column.name for column in TABLES[rule.to].columns}
        assert rule.holds.endswith(".")
        assert re.fullmatch(r"[A-Z].*\.", rule.fix)
