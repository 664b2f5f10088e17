"""Who stands behind a count: few perpetrators, or few victim-survivors, hide a large one."""

from __future__ import annotations

import dataclasses
import json
import warnings

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive_eval.data.people import fewest_people, most_of_one, people_behind, with_victims
from drive_eval.data.study import Study
from drive_eval.data.synthetic import generate
from drive_eval.disclosure import POLICIES, control, record
from drive_eval.errors import DesignWarning
from drive_eval.evaluation import run
from drive_eval.evaluation.contrasts import fewest, smallest_count
from drive_eval.evaluation.release import hidden_reasons, release_evaluation
from drive_eval.measures.case_table import behaviour_rows, cohort_units
from drive_eval.plan import Plan
from drive_eval.results import CountTable, Evaluation

NAME = "physical:idva:intake-exit"
HIDING = ["opensafely", "ons_acro"]
PLAN = {
    "evaluation": {"title": "Few people", "programme": "A programme"},
    "data": {"folder": "data"},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [
        {
            "kind": "behaviour",
            "abuse_types": ["physical"],
            "reporter": "idva",
        }
    ],
}


def evaluated(tables, **design):
    plan = Plan.model_validate({**PLAN, "design": {**PLAN["design"], **design}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        return run(plan, Study(tables=tables, source="synthetic"))


def sharing(tables, chosen, several):
    """Let the chosen cases be about so many victim-survivors only."""
    links = tables["victim_survivors"]
    here = links["case_id"].isin(chosen)
    one_each = links[here].drop_duplicates("case_id")
    ids = [f"shared-{i % several}" for i in range(len(one_each))]
    linked = pd.concat([links[~here], one_each.assign(victim_survivor_id=ids)])
    return {**tables, "victim_survivors": linked}


@pytest.fixture(scope="module")
def shared():
    """About 20 of those who used it after share five victim-survivors."""
    tables = generate("drive_pilot", 11, n=700)
    units = cohort_units(tables["cases"], tables["victim_survivors"], unit="person")
    rows = behaviour_rows(units, tables["assessments"], abuse_type="physical", reporter="idva")
    after = rows["used_after"].fillna(value=False) & rows["used_before"].notna()
    chosen = rows.loc[after & (rows["group"] == "comparison"), "case_id"]
    assert 15 < len(chosen) < 60
    return tables, sharing(tables, chosen, 5)


def test_victims_of_a_case_and_of_a_dyad():
    links = pd.DataFrame({"case_id": ["a", "a", "a"], "victim_survivor_id": ["v", "w", "v"]})
    cases = pd.DataFrame({"case_id": ["a", "b"]})
    assert with_victims(cases, links)["victims"].tolist() == [("v", "w"), ()]
    assert with_victims(cases, None)["victims"].tolist() == [(), ()]
    pairs = cases.assign(victim_survivor_id=["v", "x"])
    assert with_victims(pairs, links)["victims"].tolist() == [("v",), ("x",)]


def test_the_fewer_of_perpetrators_and_victim_survivors_count():
    rows = pd.DataFrame(
        {
            "unit_id": ["1", "2", "3", "4"],
            "perpetrator_id": ["p", "p", "q", "r"],
            "victims": [("v",), ("v",), ("v", "w"), ()],
        }
    )
    assert fewest_people(rows) == 3
    assert fewest_people(rows.iloc[:3]) == 2
    assert fewest_people(rows.drop(columns=["victims", "perpetrator_id"])) == 4
    assert most_of_one(rows) == 3
    assert most_of_one(rows.iloc[3:]) == 1
    keys = [("yes",), ("yes",), ("yes",), ("no",)]
    assert people_behind(rows, keys, {("all",): [("yes",), ("no",)]}) == {("yes",): 2, ("all",): 3}


@given(
    st.lists(
        st.tuples(st.sampled_from("pqrs"), st.sets(st.sampled_from("vwxyz")), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
@settings(deadline=None, max_examples=100)
def test_lines_not_named_have_as_many_people_as_they_count(units):
    rows = pd.DataFrame(
        {
            "perpetrator_id": [p for p, _, _ in units],
            "victims": [tuple(sorted(v)) for _, v, _ in units],
        }
    )
    keys = [("yes",) if yes else ("no",) for _, _, yes in units]
    found = people_behind(rows, keys, {("all",): [("yes",), ("no",)]})
    for key in {*keys, ("all",)}:
        here = rows if key == ("all",) else rows[[k == key for k in keys]]
        people = len(set(here["perpetrator_id"]))
        known = set().union(*map(set, here["victims"]))
        victims = len(known) + sum(not v for v in here["victims"])
        assert found.get(key, len(here)) == min(len(here), people, victims)


@pytest.mark.parametrize("name", HIDING)
def test_a_large_count_of_few_people_is_hidden(name):
    rules = POLICIES[name]
    counts = {("used",): 30, ("stopped",): 40, ("never",): 50}
    totals = {("all",): list(counts)}
    about = {"name": "t", "title": "", "unit": "enrolments", "dimensions": ("use",)}
    open_table = CountTable.from_counts(**about, counts=counts, totals=totals)
    table = CountTable.from_counts(
        **about, counts=counts, totals=totals, people={("used",): 4, ("all",): 94}
    )
    shown = {cell.key[0]: cell.count for cell in control(open_table, rules).cells}
    assert shown == {"used": 30, "stopped": 40, "never": 50, "all": 120}
    done = control(table, rules)
    assert done["used",] is None
    assert done.cell(("used",)).status == "suppressed"
    assert all(cell.people is None for cell in done.cells)
    assert record(table, done)[0]["reason"] == "few people"
    if not rules.round_to:  # else the others would leave it exactly
        assert None in (done["stopped",], done["never",])


def test_victim_survivors_who_are_shared_hide_the_users(shared):
    apart, together = (evaluated(tables) for tables in shared)
    before, after = (e.results[NAME].table("pairs:comparison") for e in (apart, together))
    assert before["users", "after"] == after["users", "after"]
    assert before.cell(("users", "after")).people is None
    assert after.cell(("users", "after")).people == 5
    for policy in HIDING:
        open_, closed = (release_evaluation(e, policy) for e in (apart, together))
        assert open_.results[NAME].table("pairs:comparison")["users", "after"]
        assert closed.results[NAME].table("pairs:comparison")["users", "after"] is None
        fall = closed.results[NAME].one(measure="percent_reduction", group="comparison")
        assert fall.estimate is None
        reasons = hidden_reasons(together, closed)
        assert "few people" in {r["reason"] for r in reasons}


@pytest.mark.parametrize("policy", ["internal", *HIDING])
def test_numbers_of_people_stay_behind(shared, policy):
    exact = evaluated(shared[1])
    assert any(c.people for t in exact.results[NAME].tables for c in t.cells)
    assert Evaluation.from_json(exact.to_json()).tables == exact.tables
    released = json.loads(release_evaluation(exact, policy).to_json())
    tables = [t for r in released["results"].values() for t in r["tables"]]
    assert not any("people" in cell for t in [*tables, *released["tables"]] for cell in t["cells"])


@pytest.mark.parametrize("unit", ["enrolment", "dyad"])
def test_no_line_of_few_people_is_released_whatever_is_counted(unit):
    tables = generate("drive_pilot", 5, n=400, rows_per_person=2)
    plan = {
        **PLAN,
        "outcomes": [
            *PLAN["outcomes"],
            *([{"kind": "perceived_change", "reporter": "idva"}] if unit == "enrolment" else []),
        ],
    }
    plan = Plan.model_validate({**plan, "design": {**PLAN["design"], "unit": unit}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        exact = run(plan, Study(tables=tables, source="synthetic"))
    few = 0
    for policy in HIDING:
        released = release_evaluation(exact, policy)
        for name, result in [("", exact), *exact.results.items()]:
            done = released if not name else released.results[name]
            shown = {table.name: table for table in done.tables}
            for table in result.tables:
                for cell in table.cells:
                    there = {c.key for c in shown[table.name].cells}
                    if cell.people is None or cell.people > POLICIES[policy].suppress_up_to:
                        continue
                    few += (cell.count or 0) > POLICIES[policy].suppress_up_to
                    if cell.key in there:
                        assert shown[table.name][cell.key] is None, (table.name, cell)
    assert few


def test_floors_of_models_are_in_people():
    rows = pd.DataFrame(
        {
            "unit_id": [str(i) for i in range(40)],
            "perpetrator_id": [str(i // 4) for i in range(40)],
            "group": ["programme", "comparison"] * 20,
            "sex": ["male", "male", "female", "female"] * 10,
        }
    )
    assert smallest_count(rows, "sex") == fewest(rows, "sex") == 10 // 4
    alone = rows.drop(columns="perpetrator_id")
    assert smallest_count(alone, "sex") == fewest(alone, "sex") == 10


def test_people_are_a_number_of_the_exact_table_only():
    table = CountTable.from_counts(
        name="t", title="", unit="u", dimensions=("d",), counts={("a",): 12}, people={("a",): 3}
    )
    assert dataclasses.asdict(table.cells[0])["people"] == 3
    assert table.to_frame().columns.tolist() == ["d", "count", "status"]
