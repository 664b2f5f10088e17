"""Victim-survivors: counted by themselves, protected beside their perpetrators, told first."""

from __future__ import annotations

import dataclasses
import itertools

import pandas as pd
import pytest

from drive_eval import disclosure
from drive_eval.data.synthetic import synthetic_study
from drive_eval.disclosure import POLICIES
from drive_eval.disclosure.lookalikes import Look
from drive_eval.disclosure.rules import counts_behind
from drive_eval.evaluation import equality, run, victims
from drive_eval.evaluation.release import hidden_reasons, release_evaluation
from drive_eval.plan import Plan
from drive_eval.plan.sections import SUPPORT
from drive_eval.report.summary import STATISTICAL_TERMS
from drive_eval.report.victims import (
    victims_findings,
    victims_sentence,
    victims_table,
    victims_text,
)
from drive_eval.results import CountTable

LABELS = {"programme": "Programme", "comparison": "Comparison"}
BEHAVIOUR = {"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]}
JUDGED = {"kind": "perceived_change", "reporter": "idva", "time_point": "exit"}
HIDING = ["opensafely", "ons_acro"]


def plan_with(*outcomes, unit="person"):
    return Plan.model_validate(
        {
            "evaluation": {"title": "Victims"},
            "data": {"folder": "data"},
            "design": {"kind": "comparison_group", "unit": unit},
            "outcomes": list(outcomes) or [BEHAVIOUR, JUDGED],
        }
    )


@pytest.fixture(scope="module")
def pilot():
    return run(plan_with(), synthetic_study("drive_pilot", seed=1))


@pytest.fixture(scope="module")
def site():
    return run(plan_with(), synthetic_study("site", seed=1))


def tables_of(evaluation):
    return {table.name: table for table in evaluation.tables if victims.is_victims(table)}


# Who is counted.


def small_study():
    cases = pd.DataFrame(
        {
            "case_id": ["a", "b", "c"],
            "perpetrator_id": ["p", "q", "r"],
            "group": ["programme", "programme", "comparison"],
        }
    )
    links = pd.DataFrame(
        {
            "case_id": ["a", "b", "b", "c", "c"],
            "victim_survivor_id": ["v", "v", "w", "v", "x"],
            "idva_supported": pd.array([False, True, False, None, True], dtype="boolean"),
            "children_n": pd.array([0, 2, None, 1, 0], dtype="Int64"),
        }
    )
    study = synthetic_study("site", seed=1)
    return dataclasses.replace(study, tables={**study.tables, "victim_survivors": links}), cases


def test_each_victim_survivor_is_counted_once_in_an_arm_whatever_her_cases():
    idva, children = victims.victims_tables(*small_study())
    assert {c.key: c.count for c in idva.cells} == {
        ("programme", "supported by an IDVA"): 1,  # v, by her second case
        ("programme", "not supported by an IDVA, or not recorded"): 1,
        ("comparison", "supported by an IDVA"): 1,
        ("comparison", "not supported by an IDVA, or not recorded"): 1,
        ("programme", "linked to a case"): 2,
        ("comparison", "linked to a case"): 2,
    }
    assert children["programme", "with children in their care"] == 1
    assert children["programme", "not recorded"] == 1
    assert children["comparison", "without children in their care"] == 1
    # Two victim-survivors of one man are one family.
    assert idva.cell(("comparison", "linked to a case")).people == 1


def test_without_the_table_nobody_is_counted_and_the_report_says_so(site):
    study = synthetic_study("site", seed=1)
    _, cases = small_study()
    tables = {k: v for k, v in study.tables.items() if k != "victim_survivors"}
    assert victims.victims_tables(dataclasses.replace(study, tables=tables), cases) == ()
    bare = dataclasses.replace(site, tables=site.tables[:1], policy="internal")
    assert victims_table(bare, LABELS) is None
    assert any(
        "The data do not say how many victim-survivors" in x for x in victims_text(bare, LABELS)
    )


# The attack: a reader knows how many victim-survivors and perpetrators there are, and that each
# who was rated has a victim-survivor whom an IDVA supports.


def released_of(counts, cohort, rules, name="victims:idva"):
    words = victims.DIVISIONS[name][2]
    lines = (*words, victims.NOT_RECORDED)[: len(counts)]
    atoms = {("programme", line): n for line, n in zip(lines, counts, strict=True)}
    table = CountTable.from_counts(
        name=name,
        title="",
        unit="victim-survivor",
        dimensions=("group", "line"),
        counts=atoms,
        totals={("programme", victims.LINKED): list(atoms)},
    )
    flow = CountTable.from_counts(
        name="flow",
        title="",
        unit="person",
        dimensions=("group", "stage"),
        counts={("programme", "measured at both"): cohort},
    )
    return victims.release_victims([table], flow, rules)[0]


@pytest.mark.parametrize("base", [0, 3])
@pytest.mark.parametrize(
    ("name", "lines"), [("victims:idva", 2), ("victims:children", 2), ("victims:children", 3)]
)
def test_no_count_of_few_or_of_nobody_comes_back(name, lines, base):
    rules = disclosure.policy("custom", suppress_up_to=2, round_to=base)
    hidden = 0
    for linked, cohort in itertools.product((9, 12), range(7, 15)):
        seen = {}
        for counts in itertools.product(range(linked + 1), repeat=lines):
            if sum(counts) == linked:
                done = released_of(counts, cohort, rules, name)
                seen.setdefault(tuple((c.key, c.count) for c in done.cells), []).append(counts)
        for look, tables in seen.items():
            if name == "victims:idva":  # all may have been rated, so as many are supported
                tables = [t for t in tables if t[0] >= min(cohort, linked)] or tables
            shown = {key[1] for key, _ in look}
            hidden += sum(number is None for _, number in look)
            for i in range(lines):
                if len(shown) < lines:
                    continue  # nothing of the division is there
                values = {t[i] for t in tables}
                known = next(n for key, n in look if key[1] == done_line(name, i))
                if known is None:
                    assert len(values) > 1, (look, i)
                else:
                    assert min(values) > rules.suppress_up_to, (look, i)
    assert hidden


def done_line(name, i):
    return (*victims.DIVISIONS[name][2], victims.NOT_RECORDED)[i]


def test_an_arm_with_nearly_as_many_as_perpetrators_is_left_out():
    rules = POLICIES["opensafely"]
    assert released_of((40, 10), 45, rules).cells == ()  # five more
    assert released_of((40, 10), 55, rules).cells == ()  # fewer
    alone = released_of((40, 10), 50, rules)
    assert {c.key[1]: c.count for c in alone.cells} == {"linked to a case": 50}
    children = released_of((40, 10), 50, rules, "victims:children")
    assert [c.count for c in children.cells] == [40, 10]
    assert {c.key[1]: c.count for c in released_of((40, 10), 30, rules).cells} == {
        "supported by an IDVA": 40,
        "not supported by an IDVA": 10,
        "linked to a case": 50,
    }


def recovered(exact, done, rules, known):
    """Count hidden lines that have one value left for a reader who knows these lines exactly."""
    strict = dataclasses.replace(rules, suppress_zero=True)
    atoms = [i for i, cell in enumerate(done.cells) if not cell.parts]
    sets = [
        frozenset(atoms.index(part) for part in (cell.parts or (i,)))
        for i, cell in enumerate(done.cells)
    ]
    limits = [
        (line, *counts_behind(cell.count, strict))
        for line, cell in zip(sets, done.cells, strict=True)
        if cell.shown and cell.count is not None
    ]
    for line, number in known(exact, done):
        limits.append((frozenset(atoms.index(i) for i in line), number, number))
    look = Look(atoms=len(atoms), limits=tuple(limits), families=(), quiet=(), small=(0, 7))
    found = hidden = 0
    for line, cell in zip(sets, done.cells, strict=True):
        if cell.shown and cell.count is None:
            hidden += 1
            ends = [look.find(line, largest=largest) for largest in (False, True)]
            found += int(ends[0][list(line)].sum()) == int(ends[1][list(line)].sum())
    return hidden, found


def linked(exact, done):
    for arm in dict.fromkeys(cell.key[0] for cell in done.cells):
        lines = [i for i, c in enumerate(done.cells) if c.key[0] == arm and not c.parts]
        yield lines, exact[arm, victims.LINKED]


def wholes(exact, done):
    for line in {cell.key[1] for cell in done.cells if cell.parts}:
        parts = [p for c in done.cells if c.parts and c.key[1] == line for p in c.parts]
        yield parts, exact[equality.WHOLE, line]


def test_how_many_there_are_is_shown_though_their_division_is_not():
    done = released_of((63, 1), 48, POLICIES["opensafely"])
    assert [cell.count for cell in done.cells] == [None, None, 65]


@pytest.mark.parametrize("policy", HIDING)
def test_nothing_comes_back_from_site_and_pilot(site, pilot, policy):
    hidden = found = 0
    for exact in (site, pilot):
        done = release_evaluation(exact, policy)
        for before, after in zip(exact.tables, done.tables, strict=True):
            if not after.cells:
                continue
            known = {"victims": linked, "equality": wholes}.get(before.name.split(":")[0])
            if known is not None:
                one, other = recovered(before, after, POLICIES[policy], known)
                hidden, found = hidden + one, found + other
        assert not any(c.count == 0 for t in tables_of(done).values() for c in t.cells)
    assert hidden
    assert found == 0


def test_the_restricted_record_says_what_is_hidden(site):
    reasons = hidden_reasons(site, release_evaluation(site, "opensafely"))
    assert {r["reason"] for r in reasons if r["table"] == "victims:idva"} == {
        "small count, nobody, or would give one back"
    }


# What a reader sees.


def test_where_nobody_asked_them_it_is_said_first(pilot):
    done = release_evaluation(run(plan_with(BEHAVIOUR), synthetic_study("site", 1)), "opensafely")
    first = victims_text(done, LABELS)[0]
    assert first == (
        "No outcome of victim-survivors or children themselves is in these data. The figures are "
        "what their advisers (IDVAs) recorded about the perpetrator. They do not show whether "
        "anyone is safer, feels safer or is freer."
    )
    assert victims_sentence(done) == f"Are victim-survivors safer? {first}"
    assert victims_findings(done, LABELS) == []


def test_what_advisers_judged_is_given_and_called_their_judgement(pilot):
    done = release_evaluation(pilot, "opensafely")
    assert victims_sentence(done) == (
        "Are victim-survivors safer? Advisers (IDVAs) judged the risk to them lower for 87 of "
        "every 100 in the programme group and 45 of every 100 in the comparison group. They and "
        "their children were not asked: whether anyone feels safer or is freer, these data do not "
        "show."
    )
    (title, lines), *more = victims_findings(done, LABELS)
    assert (title, more) == ("What IDVAs judged", [])
    assert lines[0].startswith("Risk to them judged to have fallen, programme group: 87 in every")
    assert "It is the advisers’ judgement" in victims_text(done, LABELS)[0]


def test_a_hidden_judgement_is_named_beside_the_one_that_is_shown(site):
    said = victims_sentence(release_evaluation(site, "opensafely"))
    assert "in the comparison group; for the programme group it is not shown. They and" in said
    assert "judged" not in victims_sentence(release_evaluation(site, "ons_acro"))


def test_what_victim_survivors_said_themselves_comes_first():
    study = synthetic_study("site", seed=1)
    rated = study.tables["assessments"].copy()
    rated = rated[rated["reporter"] == "idva"].assign(reporter="victim_survivor")
    study = dataclasses.replace(study, tables={**study.tables, "assessments": rated})
    own = {**BEHAVIOUR, "reporter": "victim_survivor"}
    done = release_evaluation(run(plan_with(own), study), "internal")
    assert victims_text(done, LABELS)[0].startswith(
        "Victim-survivors said themselves how it was: physical abuse."
    )
    assert "asked themselves about physical abuse" in victims_sentence(done)
    title, lines = victims_findings(done, LABELS)[0]
    assert title == "Physical abuse, as victim-survivors said"
    assert len(lines) == 2
    assert not any("without an IDVA" in line for line in victims_text(done, LABELS))


def test_who_they_are_and_who_was_lost(pilot):
    _, many, left_out, lost = victims_text(release_evaluation(pilot, "opensafely"), LABELS)
    assert many.startswith(
        "Behind the figures stand 1,800 victim-survivors in the programme group (of them 96 of 100 "
        "supported by an IDVA, 63 of 100 with children in their care) and 1,905"
    )
    assert left_out.startswith("Victim-survivors without an IDVA are in no figure")
    assert "12 in the programme group and 25 in the comparison group were not rated again" in lost
    assert "because they are safe, or because they are controlled" in lost
    assert " she " not in lost


def test_a_share_of_all_is_no_number_where_counts_are_rounded(site):
    table = victims_table(release_evaluation(site, "opensafely"), LABELS)
    rows = [row for row in table.rows if row[1] != "Linked to a case"]
    assert "100" not in {row[3] for row in rows}
    assert any(row[2] != "[c]" and row[3] == "[c]" for row in rows)


@pytest.mark.parametrize("policy", ["opensafely", "ons_acro", "internal"])
def test_the_first_page_has_no_statistical_term_and_no_hidden_number(site, pilot, policy):
    for exact in (site, pilot):
        said = victims_sentence(release_evaluation(exact, policy))
        assert not [term for term in STATISTICAL_TERMS if term in said]
        assert "[c]" not in said


def test_a_plan_without_a_line_of_its_own_names_help():
    assert plan_with().report.support == SUPPORT
    assert "999" in SUPPORT
    assert "0808 2000 247" in SUPPORT
