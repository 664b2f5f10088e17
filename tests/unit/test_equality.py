"""Groups of people: who is counted where, what is released of them, and what cannot come back."""

from __future__ import annotations

import dataclasses
import itertools

import pandas as pd
import pytest

import drive_eval as de
from drive_eval import disclosure
from drive_eval.data.synthetic import synthetic_study
from drive_eval.disclosure import POLICIES
from drive_eval.disclosure.lookalikes import Look, passes
from drive_eval.disclosure.rules import counts_behind
from drive_eval.errors import DesignError, PlanError
from drive_eval.evaluation import equality, run
from drive_eval.evaluation.controlled import NESTED, control_table
from drive_eval.evaluation.release import hidden_reasons, release_evaluation
from drive_eval.plan import Plan
from drive_eval.report.document import write_bundle
from drive_eval.report.equality import (
    equality_chart,
    equality_table,
    equality_text,
    lost_contact_table,
)

PLAN = {
    "evaluation": {"title": "Groups"},
    "data": {"folder": "data"},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [
        {"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]},
    ],
    "report": {"support": "Call someone."},
}
LABELS = {"programme": "Programme", "comparison": "Comparison"}
HIDING = ["opensafely", "ons_acro"]


def plan_with(**sections):
    return Plan.model_validate({**PLAN, **sections})


@pytest.fixture(scope="module")
def pilot():
    return run(plan_with(), synthetic_study("drive_pilot", seed=1))


@pytest.fixture(scope="module", params=HIDING)
def released(request, pilot):
    return release_evaluation(pilot, request.param)


def tables_of(evaluation):
    return [table for table in evaluation.tables if equality.is_equality(table)]


def test_the_four_usual_groups_are_counted_and_add_up_to_the_arm(pilot):
    found = {table.name: table for table in tables_of(pilot)}
    columns = ("sex", "ethnicity", "age_band", "site")
    arms = ("programme", "comparison")
    assert list(found) == [f"equality:{c}:{a}" for c, a in itertools.product(columns, arms)]
    for name, table in found.items():
        pairs = {t.name: t for t in pilot.results["physical:idva:intake-exit"].tables}
        whole = pairs[f"pairs:{name.split(':')[2]}"]
        for line, key in {**NESTED, "users before": ("users", "before")}.items():
            groups = [c.count for c in table.cells if c.parts and c.key[1] == line]
            assert groups[-1] == sum(groups[:-1]) == whole[key]


def test_ages_are_cut_where_the_plan_says_and_unknown_ones_stay():
    rows = pd.DataFrame({"age": pd.array([24, 25, 34, 60, None], dtype="Int64")})
    assert equality.groups_of(rows, "age_band", (25, 35)).astype(str).tolist() == [
        "under 25",
        "25 to 34",
        "25 to 34",
        "35 and over",
        "not recorded",
    ]


def test_no_groups_without_a_primary_outcome_or_when_the_plan_wants_none():
    study = synthetic_study("site", seed=1)
    assert not tables_of(run(plan_with(equality={"by": []}), study))
    second = [{**PLAN["outcomes"][0], "primary": False}]
    assert not tables_of(run(plan_with(outcomes=second), study))


def test_a_column_that_is_not_there_is_refused_with_the_nearest_name():
    with pytest.raises(DesignError, match=r'by names "sits", which is no column of cases.*"site"'):
        run(plan_with(equality={"by": ["sits"]}), synthetic_study("site", seed=1))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('by = ["case_id"]', "is an id, which makes no groups. Choose a column of cases such as"),
        ("age_bands = [35, 25]", r"must rise, such as \[25, 35, 45\]"),
        ("age_bands = []", "must not be an empty list"),
        ('by = "site"', r'must be a list, such as \["sex", "site"\]'),
    ],
)
def test_a_wrong_section_is_refused_in_a_sentence(tmp_path, section, said):
    body = """
[evaluation]
title = "x"
[data]
folder = "."
[design]
kind = "before_after"
unit = "person"
[[outcomes]]
kind = "behaviour"
reporter = "idva"
[equality]
"""
    (tmp_path / "evaluation.toml").write_text(body + section)
    with pytest.raises(PlanError, match=said):
        de.load_plan(tmp_path)


def test_everything_is_open_where_nothing_is_hidden(pilot):
    done = release_evaluation(pilot, "internal")
    exact = [[c.count for c in t.cells] for t in tables_of(pilot)]
    assert [[c.count for c in t.cells] for t in tables_of(done)] == exact
    table = equality_table(done, LABELS)
    assert table.header[-3:] == ("Used it at intake, of 100 measured",
                                 "Used it at exit, of 100 measured",
                                 "Change in users, of 100 measured")  # fmt: skip
    assert "[c]" not in " ".join(" ".join(row) for row in table.rows)


def test_small_groups_stand_together_and_their_names_are_gone(pilot, released):
    exact = {table.name: table for table in tables_of(pilot)}
    for table in tables_of(released):
        shown = {cell.key[0] for cell in table.cells}
        assert equality.WHOLE not in shown
        for value in shown - {equality.OTHERS}:
            for arm in ("programme", "comparison"):
                other = exact[f"{table.name.rpartition(':')[0]}:{arm}"]
                assert other[value, "measured at both"] >= equality.FLOOR
    by_ethnicity = next(t for t in tables_of(released) if "ethnicity" in t.name)
    assert equality.OTHERS in {cell.key[0] for cell in by_ethnicity.cells}
    # Use before is never there: beside use after it would bound who stopped and who started.
    assert not {c.key[1] for t in tables_of(released) for c in t.cells if c.parts} - set(NESTED)


def test_where_fewer_than_two_groups_would_stand_none_is_told(tmp_path):
    evaluation = run(plan_with(), synthetic_study("site", seed=1))
    done = release_evaluation(evaluation, "opensafely")
    assert all(not table.cells for table in tables_of(done))
    assert equality_chart(done, LABELS) is None
    assert equality_table(done, LABELS) is None
    assert equality_text(done)[-2].startswith("Too few people to show by group: sex, ethnicity")
    reasons = {r["reason"] for r in hidden_reasons(evaluation, done) if "equality" in r["table"]}
    assert reasons == {"groups of few people"}
    write_bundle(done, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Which groups of people are in these figures, and which are not" in page
    assert not (tmp_path / "charts" / "groups.csv").exists()


def test_what_is_not_told_of_a_group_has_its_reason_for_the_restricted_record(pilot, released):
    lines = [r for r in hidden_reasons(pilot, released) if r["table"].startswith("equality:")]
    assert {"group of few people", "small count, nobody, or would give one back"} >= {
        r["reason"] for r in lines
    }
    assert any(r["reason"] == "group of few people" for r in lines)


# The attack. A reader knows the whole of each line exactly, from the pair table or elsewhere, and
# sees the groups. In every set of tables that look alike to him, a small count must stay open.


def attack(made, rules, *, most):
    """Release every pair of groups of so many people; say what a reader would learn."""
    names = [("a", "yes"), ("a", "no"), ("a", "gone"), ("b", "yes"), ("b", "no"), ("b", "gone")]
    lines = {
        "referred": ("yes", "no", "gone"),
        "measured at both": ("yes", "no"),
        "users after": ("yes",),
    }
    seen = {}
    for counts in itertools.product(range(most + 1), repeat=6):
        yes, no, gone = (counts[i] + counts[i + 3] for i in range(3))
        if (yes, no, gone) != made:
            continue
        table = equality.line_table(
            "equality:site:programme", "", "people", dict(zip(names, counts, strict=True)), lines
        )
        done = equality.controlled(table, rules)
        look = tuple(cell.count for cell in done.cells if cell.parts)
        seen.setdefault(look, []).append(counts)
    leaks = []
    for look, tables in seen.items():
        for reader in (None, *range(6)):
            inside = [t for t in tables if reader is None or t[reader]]
            for part in ((0,), (1,), (2,), (3,), (4,), (5,), (0, 1), (3, 4), (0, 1, 2), (3, 4, 5)):
                values = {sum(t[i] for i in part) for t in inside}
                # Nobody and, by what one line leaves of another, everybody count as few here.
                small = {v for v in values if v <= rules.suppress_up_to}
                if inside and small and len(values) < rules.protection:
                    leaks.append((look, reader, part, values))
    return seen, leaks


@pytest.mark.parametrize("zero", [False, True], ids=["zero shown", "zero hidden"])
@pytest.mark.parametrize("base", [0, 3])
def test_groups_set_against_a_known_whole_give_no_small_count_back(zero, base):
    rules = disclosure.policy("custom", suppress_up_to=2, round_to=base, suppress_zero=zero)
    seen, leaks = attack((3, 4, 6) if base else (4, 5, 3), rules, most=6)
    assert leaks == []
    assert any(None in look for look in seen)


def test_what_is_safe_for_everybody_may_not_be_for_a_reader_with_a_place():
    # Referred less measured is 0 or 1 here: enough values, but he who stands there knows it is 1.
    a, b = {0, 1, 2}, {3, 4, 5}
    limits = [(a | b, 13, 13), ({0, 1, 3, 4}, 7, 7), ({0, 3}, 3, 3), (a, 3, 4), ({0, 1}, 3, 4)]
    limits += [(b, 8, 10), ({3, 4}, 3, 4)]
    look = Look(
        atoms=6,
        limits=tuple((frozenset(line), low, high) for line, low, high in limits),
        families=(((frozenset({0}), frozenset({3})), 2),),
        quiet=(),
        small=(1, 2),
    )
    secrets = [frozenset([atom]) for atom in range(6)]
    assert not passes(look, secrets, 2, [1, 2, 1, 2, 2, 5])
    assert not passes(look, secrets, 2, None)  # a seed only saves time


@pytest.mark.parametrize("policy", HIDING)
def test_a_released_whole_and_its_groups_fit_in_more_than_one_way(pilot, policy):
    rules = POLICIES[policy]
    done = release_evaluation(pilot, policy)
    whole = {t.name: t for t in pilot.results["physical:idva:intake-exit"].tables}
    for table in tables_of(done):
        arm = table.name.split(":")[2]
        for line, key in NESTED.items():
            cells = [c for c in table.cells if c.parts and c.key[1] == line]
            hidden = [c for c in cells if c.count is None]
            if not hidden:
                continue
            behind = [counts_behind(c.count, rules) for c in cells if c.count is not None]
            rest = whole[f"pairs:{arm}"][key]
            low, high = rest - sum(b[1] for b in behind), rest - sum(b[0] for b in behind)
            # What the groups shown leave over can be split, or may be several numbers.
            assert len(hidden) > 1 or high > low


def test_the_pair_table_is_safe_from_a_reader_of_its_groups(pilot):
    pairs = {t.name: t for t in pilot.results["physical:idva:intake-exit"].tables}
    rules = POLICIES["opensafely"]
    for table in pairs.values():
        known = {key: table[key] for key in NESTED.values()}
        done = control_table(table, rules, grouped=True)
        # As if he knew these exactly: every other hidden line keeps at least two values.
        cells = tuple(
            c if c.key not in known else type(c)(key=c.key, count=known[c.key], parts=c.parts)
            for c in done.cells
        )
        atoms = [i for i, c in enumerate(table.cells) if not c.parts]
        sets = [
            frozenset(atoms.index(p) for p in (c.parts or (i,))) for i, c in enumerate(table.cells)
        ]
        limits = tuple(
            (sets[i], c.count, c.count)
            if c.key in known
            else (sets[i], *counts_behind(c.count, rules))
            for i, c in enumerate(cells)
            if c.count is not None
        )
        look = Look(atoms=len(atoms), limits=limits, families=(), quiet=(), small=(1, 7))
        for i, cell in enumerate(done.cells):
            if cell.shown and cell.count is None:
                ends = [int(look.find(sets[i], largest=e)[list(sets[i])].sum()) for e in (0, 1)]
                assert ends[0] < ends[1], cell.key


# What a reader sees.


def test_the_chart_and_the_tables_say_the_same(released):
    chart = equality_chart(released, LABELS)
    assert chart.headline == "Of every group shown, fewer than half are in the figures"
    assert len(chart.data) == sum(len({c.key[0] for c in t.cells}) for t in tables_of(released))
    assert "Sex, Male: programme 35 of 100, comparison 2" in chart.alt_text
    table = equality_table(released, LABELS)
    male = [row for row in table.rows if row[:3] == ("Sex", "Male", "Programme")]
    assert male[0][5] == "35"
    assert len(table.rows) == len(chart.data)
    assert any("Groups of few people stand together" in line for line in equality_text(released))


def test_a_wide_gap_is_the_message_and_names_the_group(pilot):
    from drive_eval.report.equality import _headline

    row = {"column": "site", "arm": "programme", "referred": 100}
    rows = [
        {**row, "group": "north", "measured_at_both": 80, "percent_measured": 80.0},
        {**row, "group": "south", "measured_at_both": 60, "percent_measured": 60.0},
    ]
    assert (
        _headline(rows) == "Fewest in the figures: site “south”, 60 of 100 measured, 80 elsewhere"
    )
    rows[1].update(measured_at_both=70, percent_measured=70.0)
    assert _headline(rows) == "All groups shown are about equally often in the figures"
    hidden = [{**r, "measured_at_both": None, "percent_measured": None} for r in rows]
    assert _headline(hidden) == "How many of each group were measured cannot be shown"


def test_lost_contact_is_told_by_arm_and_time(pilot):
    table = lost_contact_table(release_evaluation(pilot, "internal"), LABELS)
    assert [row[1] for row in table.rows] == ["Programme", "Comparison"]
    numbers = [int(value.split(" ")[0].replace(",", "")) for value in table.rows[0][2:]]
    assert numbers[0] == sum(numbers[1:])
    assert "no good news" in table.note
    told_by_worker = plan_with(outcomes=[{"kind": "behaviour", "reporter": "case_manager",
                                          "abuse_types": ["physical"]}])  # fmt: skip
    other = run(told_by_worker, synthetic_study("site", seed=1))
    assert lost_contact_table(other, LABELS) is None
    assert {t.name.split(":")[2] for t in tables_of(other)} <= {"programme"}


def test_a_column_made_up_of_another_is_not_released():
    study = synthetic_study("drive_pilot", seed=1)
    cases = study.tables["cases"].copy()
    halves = (pd.RangeIndex(len(cases)) % 2).map({0: " east", 1: " west"})
    cases["team"] = cases["site"].astype(str) + halves
    cases["again"] = cases["team"].str.upper()
    with_teams = dataclasses.replace(study, tables={**study.tables, "cases": cases})
    exact = run(plan_with(equality={"by": ["team", "site", "again"]}), with_teams)
    notes = {t.name.split(":")[1]: t.note for t in tables_of(exact)}
    made_up = equality.MADE_UP.format("Team")
    assert notes == {"team": "", "site": made_up, "again": made_up}
    for policy in HIDING:
        done = release_evaluation(exact, policy)
        shown = {t.name.split(":")[1]: bool(t.cells) for t in tables_of(done)}
        assert shown == {"team": True, "site": False, "again": False}
    assert all(t.cells for t in tables_of(release_evaluation(exact, "internal")))
