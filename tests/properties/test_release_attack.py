"""The attack on a release as a whole: all tables together, and everything worked out of them.

The gate looks at one table after the other. The intruder here has them all, knows how many people
each arm has, and solves for every hidden line over all exact tables that agree with everything
shown. Then he changes the study behind his back: releases must not move with what they hide.
"""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from drive_eval.data.study import load_study
from drive_eval.data.synthetic import synthetic_study
from drive_eval.disclosure import POLICIES, gate
from drive_eval.disclosure.rules import counts_behind
from drive_eval.evaluation import equality, run
from drive_eval.evaluation.baseline import BASELINE, MEASURED, WHOLE_ARM
from drive_eval.evaluation.controlled import NESTED, arm_totals, two_digits
from drive_eval.evaluation.release import release_evaluation
from drive_eval.evaluation.released_arms import coarse
from drive_eval.measures.case_table import cohort_units
from drive_eval.plan import Plan, load_plan, outcome_names

HIDING = ("opensafely", "ons_acro")
BODY = {
    "evaluation": {"title": "Site", "question": "?", "authors": ["A"], "report_date": "2026-02-01"},
    "data": {"folder": "data", "source": "Synthetic."},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [
        {"kind": "behaviour", "reporter": "case_manager"},
        {"kind": "behaviour", "reporter": "idva"},
        {"kind": "perceived_change"},
        {
            "kind": "reoffending",
            "name": "police",
            "label": "Police",
            "source": ["police"],
            "domestic_abuse": True,
            "horizon": 365,
            "times": [182],
        },
    ],
}
#: Tables of people of an arm, each of them a division of the same people.
DIVISIONS = ("flow", "cohort_flow", "pairs", "perceived_change", "followed", "arms", "received")
#: A trial of a few hundred, in which groups of people stand in tables of two kinds.
TRIAL = {
    **BODY,
    "design": {"kind": "randomised", "unit": "person"},
    "outcomes": [BODY["outcomes"][1], *BODY["outcomes"][2:]],
    "equality": {"by": ["site"]},
    "comparison": {"covariates": ["area"]},
}
ARMS = ("programme", "comparison")
STUDIES = ["site", "trial", "drive_pilot"]


def some_of(study, people):
    """Return the first so many people of a study, in two areas of many and one of few."""
    cases = study.tables["cases"]
    cases = cases[cases["perpetrator_id"].isin(cases["perpetrator_id"].unique()[:people])]
    areas = np.random.default_rng(5).choice(["north", "south", "west"], people, p=[0.5, 0.42, 0.08])
    by_person = dict(zip(cases["perpetrator_id"].unique(), areas, strict=True))
    tables = {
        name: table[table["case_id"].isin(cases["case_id"])] if "case_id" in table else table
        for name, table in study.tables.items()
    }
    cases = cases.assign(area=cases["perpetrator_id"].map(by_person))
    return dataclasses.replace(study, tables={**tables, "cases": cases})


@pytest.fixture(scope="module")
def studies():
    plan = load_plan("analyses/drive_pilot")
    return {
        "site": (Plan.model_validate(BODY), synthetic_study("site", seed=1)),
        "trial": (Plan.model_validate(TRIAL), some_of(load_study(plan), 500)),
        "drive_pilot": (plan, load_study(plan)),
    }


@pytest.fixture(scope="module")
def exact(studies):
    return {name: run(plan, study) for name, (plan, study) in studies.items()}


@pytest.fixture(scope="module")
def released(exact):
    return {
        (name, policy): release_evaluation(evaluation, policy)
        for (name, evaluation), policy in itertools.product(exact.items(), HIDING)
    }


def divisions(evaluation):
    groups = [("", evaluation.tables), *((n, r.tables) for n, r in evaluation.results.items())]
    for name, tables in groups:
        for table in tables:
            if table.name.split(":")[0] in DIVISIONS:
                yield (name, table.name), table


def group_tables(evaluation):
    """Return the tables of groups of people: those of equality, and those of the start."""
    ours = [table for table in evaluation.tables if equality.is_equality(table)]
    return [*ours, *evaluation.results[BASELINE].tables]


def keys_of(table):
    return {cell.key for cell in table.cells}


def arm_of(table, key):
    return key[0] if key[0] in ("programme", "comparison") else table.name.split(":")[1]


class Everything:
    """All released tables of an evaluation as inequalities about one long row of atoms."""

    def __init__(self, exact, released, rules):
        self.rows, self.lows, self.highs, self.lines = [], [], [], []
        self.width = 0
        self.places = {}
        truth = []
        shown = dict(divisions(released))
        for name, table in divisions(exact):
            sets = gate._atoms_of(table)
            counts = {
                line: cell.count
                for line, cell in zip(sets, shown[name].cells, strict=True)
                if cell.shown and cell.count is not None
            }
            lines = list(
                dict.fromkeys(s for s, c in zip(sets, table.cells, strict=True) if c.shown)
            )
            visible = frozenset(i for i, line in enumerate(lines) if line in counts)
            for i in visible - gate._summed(lines, visible):
                self.add(lines[i], *counts_behind(counts[lines[i]], rules))
            for key in arm_totals(table):
                # Every division of an arm counts the same people, and the reader knows them all.
                place = [cell.key for cell in table.cells].index(key)
                self.add(sets[place], table[key], table[key])
            for line, cell, after in zip(sets, table.cells, shown[name].cells, strict=True):
                if cell.shown and after.count is None and cell.key not in arm_totals(table):
                    self.lines.append((name, cell.key, [self.width + a for a in line], cell.count))
            self.places[name] = {
                cell.key: [self.width + atom for atom in line]
                for line, cell in zip(sets, table.cells, strict=True)
            }
            truth += [cell.count for cell in table.cells if not cell.parts]
            self.width += len([cell for cell in table.cells if not cell.parts])
        self.truth = np.array(truth)

    def add_groups(self, exact, released, rules):
        """Add the tables of groups of people, whose lines add up to those of a pair table."""
        plan = Plan.model_validate(dict(exact.plan))
        outcome = next(o for o in plan.outcomes if o.kind == "behaviour")
        pairs = outcome_names(outcome)[0]
        shown = {table.name: table for table in group_tables(released)}
        by_column = {}
        for table in group_tables(exact):
            by_column.setdefault(table.name.split(":")[1], []).append(table)
        truth = list(self.truth)
        for tables in by_column.values():
            seen = [t for t in tables if ("everybody", "measured at both") in keys_of(t)]
            merged = equality.merged_groups(seen)
            for table in tables:
                cells = {cell.key: cell.count for cell in shown[table.name].cells if cell.shown}
                if not cells:
                    continue
                arm = table.name.split(":")[2]
                kept = [line for line in NESTED if line in {key[1] for key in cells}]
                # Under the lines that are shown, the exact table that these come from.
                below = equality.collapsed(table, merged, kept)
                for line, cell in zip(gate._atoms_of(below), below.cells, strict=True):
                    atoms = [self.width + atom for atom in line]
                    if cell.key[0] == equality.WHOLE:
                        whole = (pairs, f"pairs:{arm}")
                        if whole in self.places:
                            self.tie(atoms, self.places[whole][NESTED[cell.key[1]]])
                        else:  # nobody of this arm is rated, and how many it has is known
                            self.rows.append(atoms)
                            self.lows.append(cell.count)
                            self.highs.append(cell.count)
                    elif cell.key in cells and cells[cell.key] is not None:
                        low, high = counts_behind(cells[cell.key], rules)
                        self.rows.append(atoms)
                        self.lows.append(low)
                        self.highs.append(high)
                    elif cell.key in cells:
                        self.lines.append((table.name, cell.key, atoms, cell.count))
                atoms = [cell.count for cell in below.cells if not cell.parts]
                truth += atoms
                self.width += len(atoms)
        self.truth = np.array(truth)

    def add(self, line, low, high):
        self.rows.append([self.width + atom for atom in line])
        self.lows.append(low)
        self.highs.append(high)

    def tie(self, first, second):
        """Tie two lines of different tables, by their places in the long row."""
        self.rows.append((first, second))
        self.lows.append(0)
        self.highs.append(0)

    def matrix(self):
        places, values, ends = [], [], [0]
        for row in self.rows:
            plus, minus = row if isinstance(row, tuple) else (row, [])
            places += [*plus, *minus]
            values += [1.0] * len(plus) + [-1.0] * len(minus)
            ends.append(len(places))
        return csr_array((values, places, ends), shape=(len(self.rows), self.width))

    def recovered(self, rules):
        """Return the small hidden lines that take one value only, with that value."""
        matrix = self.matrix()
        assert np.all(matrix @ self.truth >= self.lows), "the exact tables are among them"
        assert np.all(matrix @ self.truth <= self.highs)
        limits = LinearConstraint(matrix, self.lows, self.highs)
        box = Bounds(np.zeros(self.width), np.full(self.width, self.truth.sum()))
        seen = [self.truth]
        found = []
        for name, key, atoms, count in self.lines:
            if not rules.smallest_hidden <= count <= rules.suppress_up_to:
                continue
            if len({int(table[atoms].sum()) for table in seen}) > 1:
                continue
            for sign in (1, -1):
                cost = np.zeros(self.width)
                cost[atoms] = sign
                answer = milp(cost, constraints=limits, integrality=np.ones(self.width), bounds=box)
                assert answer.success, answer.message
                seen.append(np.rint(answer.x).astype(int))
            if len({int(table[atoms].sum()) for table in seen}) == 1:
                found.append((name, key, count))
        return found


@pytest.mark.parametrize("policy", HIDING)
@pytest.mark.parametrize("name", STUDIES)
def test_all_tables_together_give_no_small_count_back(exact, released, name, policy):
    rules = POLICIES[policy]
    everything = Everything(exact[name], released[name, policy], rules)
    assert everything.lines, "something should be hidden, or this test shows nothing"
    everything.add_groups(exact[name], released[name, policy], rules)
    assert everything.recovered(rules) == []


@pytest.mark.parametrize("policy", HIDING)
@pytest.mark.parametrize("name", STUDIES)
def test_nor_do_they_if_the_same_people_were_rated_on_every_type(exact, released, name, policy):
    # The reader guesses that a form is filled in whole: then whoever has no rating of one type has
    # none of another, and these lines are the same in all tables of a reporter.
    rules = POLICIES[policy]
    everything = Everything(exact[name], released[name, policy], rules)
    start, first = 0, {}
    for (outcome, title), table in divisions(exact[name]):
        for line, cell in zip(gate._atoms_of(table), table.cells, strict=True):
            if title.startswith("pairs:") and cell.key[0] == "missing":
                atoms = [start + atom for atom in sorted(line)]
                form = (outcome.split(":", 1)[1], title, cell.key)
                others, count = first.setdefault(form, (atoms, cell.count))
                if others != atoms and count == cell.count:
                    everything.tie(others, atoms)
        start += len([cell for cell in table.cells if not cell.parts])
    assert everything.recovered(rules) == []


@pytest.mark.parametrize("policy", HIDING)
def test_the_trial_has_tables_of_both_kinds_and_who_received_what(exact, released, policy):
    """Else the joint attack would look at nothing new."""
    names = {table.name.split(":")[0] for table in group_tables(released["trial", policy])}
    assert names == {"equality", "baseline"}
    received = {name: e.table("received") for name, e in exact.items() if name != "site"}
    assert received["drive_pilot"]["programme", "comparison"] == 35
    assert received["drive_pilot"]["comparison", "programme"] == 12
    assert received["trial"]["programme", "comparison"] == 9
    assert released["trial", policy].table("received")["programme", "comparison"] is None


@pytest.mark.parametrize("policy", HIDING)
def test_means_and_spreads_give_back_no_small_number_of_people_with_a_value(
    studies, released, policy
):
    """The reader knows how many there are, which values there may be, and how all is rounded."""
    _plan, study = studies["trial"]
    rules = POLICIES[policy]
    units = cohort_units(study.tables["cases"], unit="person", group="allocated_arm")
    estimates = released["trial", policy].results[BASELINE].estimates
    found = {(e.measure, e.term, e.group, e.subgroup): e for e in estimates}
    tried = 0
    for name, arm in itertools.product(("age", "prior_incidents_12m", "dash_score"), ARMS):
        values = units.loc[units["group"] == arm, name].to_numpy(float)
        mean, spread = (
            found[measure, name, arm, WHOLE_ARM].estimate for measure in ("mean", "std_dev")
        )
        if mean is None:
            continue
        levels = np.arange(values.min(), values.max() + 1)
        truth = np.array([(values == level).sum() for level in levels])
        n = len(values)
        unit = (
            coarse(rules) * two_digits(values.std(ddof=1)) / found["mean", name, arm, WHOLE_ARM].n
        )
        low, high = min(mean - unit / 2, values.mean()), max(mean + unit / 2, values.mean())
        digit = 10.0 ** (np.floor(np.log10(spread)) - 1) / 2
        squares = [(n - 1) * (spread + way * digit) ** 2 for way in (-1, 1)]
        rows = np.array([np.ones_like(levels), levels, levels**2])
        bounds = LinearConstraint(
            rows,
            [n, n * low, squares[0] + n * low**2],
            [n, n * high, squares[1] + n * high**2],
        )
        for place in np.flatnonzero((truth > 0) & (truth <= rules.suppress_up_to)):
            cost = np.zeros(len(levels))
            cost[place] = 1
            ends = [
                milp(way * cost, constraints=bounds, integrality=np.ones(len(levels)))
                for way in (1, -1)
            ]
            least, most = (round(cost @ answer.x) for answer in ends)
            assert least < most, (name, arm, levels[place])
            tried += 1
    assert tried > 20


@pytest.mark.parametrize("policy", HIDING)
@pytest.mark.parametrize("name", STUDIES)
def test_shares_at_the_start_follow_from_counts_that_are_shown(released, name, policy):
    """So they tell nothing that the tables of groups do not."""
    counts = {
        (f"{table.name.split(':')[1]}: {cell.key[0]}", table.name.split(":")[2], cell.key[1]): (
            cell.count
        )
        for table in group_tables(released[name, policy])
        for cell in table.cells
        if cell.shown
    }
    lines = {WHOLE_ARM: "referred", MEASURED: "measured at both"}
    estimates = released[name, policy].results[BASELINE].estimates
    shares = [e for e in estimates if e.measure == "share"]
    assert shares or name == "site"
    for e in shares:
        count = counts.get((e.term, e.group, lines[e.subgroup]))
        assert e.n_events == (None if e.estimate is None else count)
        if e.estimate is not None:
            assert e.estimate == min(1.0, count / e.n)


def test_two_tables_of_the_flow_no_longer_tell_together_who_came_again(exact, released):
    # 51 were referred, 48 are in the cohort: exact counts of two tables, and three came again.
    naive = gate.control(exact["site"].table("cohort_flow"), POLICIES["ons_acro"])
    assert (naive["programme", "referred"], naive["comparison", "referred"]) == (51, 56)
    flow, mended = (released["site", "ons_acro"].table(name) for name in ("flow", "cohort_flow"))
    assert flow["programme", "in the cohort"] == 48
    assert mended["programme", "referred"] is None
    assert mended["comparison", "referred"] is None


def moved(study, case, kind, point, severity):
    """Return the study with one rating changed."""
    rated = study.tables["assessments"].copy()
    here = (
        (rated["case_id"] == case)
        & (rated["abuse_type"] == kind)
        & (rated["time_point"] == point)
        & (rated["reporter"] == "case_manager")
    )
    assert here.any()
    rated.loc[here, "severity"] = severity
    return dataclasses.replace(study, tables={**study.tables, "assessments": rated})


def said(evaluation):
    """Return everything that a release says, but for which bytes it was made from."""
    body = json.loads(evaluation.to_json())
    body["provenance"] = None
    for result in body["results"].values():
        result["provenance"] = None
    return body


@pytest.fixture(scope="module")
def moved_site(studies):
    """Evaluate the site, and again with one more user of sexual abuse after, who used it before."""
    study = studies["site"][1]
    plan = Plan.model_validate({**BODY, "outcomes": BODY["outcomes"][:1]})
    rated = study.tables["assessments"]
    cases = study.tables["cases"]
    ours = rated[
        (rated["abuse_type"] == "sexual")
        & (rated["reporter"] == "case_manager")
        & rated["case_id"].isin(cases.loc[cases["arm"] == "programme", "case_id"])
    ]
    wide = ours.pivot_table(
        index="case_id", columns="time_point", values="severity", aggfunc="first", observed=True
    )
    case = wide[(wide["intake"] == "high") & (wide["exit"] == "none")].index[0]
    return run(plan, study), run(plan, moved(study, case, "sexual", "exit", "moderate"))


@pytest.mark.parametrize("policy", HIDING)
def test_everything_released_stays_as_it_was_when_a_hidden_count_changes(moved_site, policy):
    """Reductions, intervals, P values, bounds and words: none moves with a hidden count.

    The whole release, out of which every file is drawn, must be the same to the last digit.
    """
    name = "sexual:case_manager:intake-exit"
    before, after = (evaluation.results[name].table("pairs:programme") for evaluation in moved_site)
    first, second = (release_evaluation(evaluation, policy) for evaluation in moved_site)
    for line in (("users", "after"), ("pairs", "both")):
        assert after[line] == (before[line] or 0) + 1
        assert first.results[name].table("pairs:programme")[line] is None
    assert said(first) == said(second)


@pytest.mark.parametrize("policy", HIDING)
@pytest.mark.parametrize("name", STUDIES)
def test_no_effect_rests_on_a_small_count(exact, released, name, policy):
    """Inverting an effect gives the counts it was made from: none of them is a hidden one."""
    rules = POLICIES[policy]
    fields = ("n", "n_events", "n_reference", "n_events_reference")
    hidden = 0
    for outcome, result in released[name, policy].results.items():
        if outcome.startswith("balance") or result.curves:
            continue  # their own attacks: test_designs_attack, test_times_attack
        theirs = {label(e): e for e in exact[name].results[outcome].estimates}
        for e in result.estimates:
            true = theirs.get(label(e))
            if true is None or not e.group or e.measure == "n_needed":
                continue  # the people of a new study are nobody
            counts = [getattr(true, field) for field in fields]
            if any(0 < (count or 0) <= rules.suppress_up_to for count in counts):
                hidden += 1
                assert (e.estimate, e.conf_low, e.conf_high, e.p_value) == (None,) * 4, label(e)
            elif e.estimate is not None and rules.round_to > 1:
                assert all((getattr(e, f) or 0) % rules.round_to == 0 for f in fields), label(e)
    assert hidden or name == "drive_pilot"


def label(e):
    return (e.measure, e.term, e.group, e.time, e.subgroup, e.contrast, e.threshold)
