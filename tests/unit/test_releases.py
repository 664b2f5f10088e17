"""What two releases tell together: refused, or bounded by solving for who joined."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from drive_eval.data.study import Study
from drive_eval.disclosure import POLICIES
from drive_eval.disclosure.rules import counts_behind
from drive_eval.errors import DisclosureError, ResultError
from drive_eval.evaluation import releases, run, write_report
from drive_eval.evaluation.controlled import control_table
from drive_eval.evaluation.release import release_evaluation
from drive_eval.evaluation.releases import against_earlier, record_release
from drive_eval.plan import Plan
from drive_eval.results import CountTable

OPENSAFELY, ONS = POLICIES["opensafely"], POLICIES["ons_acro"]
BODY = {
    "evaluation": {"title": "Site", "question": "?", "authors": ["A"], "report_date": "2026-02-01"},
    "data": {"folder": "data", "source": "Invented.", "index_date": "not_public"},
    "design": {"kind": "before_after", "unit": "person"},
    "equality": {"by": []},
    "outcomes": [{"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]}],
}
SEVERITIES = {"both": ("high", "high"), "before": ("high", "none"), "after": ("none", "high")}


def study_of(both, before, after, neither):
    pairs = [SEVERITIES["both"]] * both + [SEVERITIES["before"]] * before
    pairs += [SEVERITIES["after"]] * after + [("none", "none")] * neither
    cases = pd.DataFrame(
        [(f"c{i}", f"p{i}", "programme") for i in range(len(pairs))],
        columns=["case_id", "perpetrator_id", "arm"],
    )
    rated = pd.DataFrame(
        [
            (f"c{i}", when, "idva", "physical", severity)
            for i, pair in enumerate(pairs)
            for when, severity in zip(("intake", "exit"), pair, strict=True)
        ],
        columns=["case_id", "time_point", "reporter", "abuse_type", "severity"],
    )
    return Study(tables={"cases": cases, "assessments": rated})


def released_of(counts, policy="opensafely", **changes):
    plan = Plan.model_validate({**BODY, **changes})
    return release_evaluation(run(plan, study_of(*counts)), policy)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "releases.json"


FIRST = (40, 160, 18, 92)


def test_the_same_release_may_be_given_again_and_stands_in_the_ledger_once(file):
    first = released_of(FIRST)
    assert against_earlier(first, file) == []
    assert record_release(first, file)
    assert not record_release(first, file)
    assert against_earlier(first, file) == []
    assert str(first.results["physical:idva:intake-exit"].tables[0]["users", "before"]) in (
        file.read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("policy", ["opensafely", "ons_acro"])
@pytest.mark.parametrize(("place", "joined"), [(1, 1), (2, 3), (3, 7)])
def test_a_few_people_more_are_either_not_seen_or_refused(file, policy, place, joined):
    counts = [n + joined * (i == place) for i, n in enumerate(FIRST)]
    first, second = released_of(FIRST, policy), released_of(counts, policy)
    record_release(first, file)
    faults = against_earlier(second, file)
    same = (first.tables, first.results) == (second.tables, second.results)
    assert bool(faults) != same
    if faults:
        assert "by 7 people or fewer" in faults[-1] or "by 9 people or fewer" in faults[-1]
        assert "Give the earlier figures again, or wait" in faults[-1]
    assert policy == "opensafely" or faults


def test_many_people_more_may_be_released(file):
    record_release(released_of(FIRST), file)
    assert against_earlier(released_of((80, 300, 60, 200)), file) == []


def test_policy_unit_and_severity_stay_as_they_were(file):
    record_release(released_of(FIRST), file)
    (fault,) = against_earlier(released_of(FIRST, "ons_acro"), file)
    assert "was released before with the policy opensafely, and now has ons_acro" in fault
    (fault,) = against_earlier(
        released_of(FIRST, design={"kind": "before_after", "unit": "enrolment"}), file
    )
    assert "with the unit person, and now has enrolment" in fault
    harder = [{**BODY["outcomes"][0], "threshold": "moderate"}]
    faults = against_earlier(released_of(FIRST, outcomes=harder), file)
    assert "counts the same ratings from another severity" in faults[0]


def test_equal_counts_with_other_effects_are_refused(file):
    first = released_of(FIRST)
    record_release(first, file)
    name = "physical:idva:intake-exit"
    result = first.results[name]
    other = dataclasses.replace(result, estimates=result.estimates[1:])
    second = dataclasses.replace(first, results={name: other})
    (fault,) = against_earlier(second, file)
    assert "with the same counts of physical:idva:intake-exit but other effects" in fault


def test_nothing_is_compared_where_nothing_is_hidden(file):
    record_release(released_of(FIRST), file)
    assert against_earlier(released_of(FIRST, "internal"), file) == []


def test_write_report_refuses_before_it_writes(file, tmp_path):
    record_release(released_of(FIRST), file)
    more = run(Plan.model_validate(BODY), study_of(40, 163, 18, 92))
    with pytest.raises(DisclosureError, match="by 7 people or fewer"):
        write_report(more, tmp_path / "outputs", ledger=file)
    assert not (tmp_path / "outputs").exists()


def test_a_broken_ledger_and_exact_results_are_refused(file):
    exact = run(Plan.model_validate(BODY), study_of(*FIRST))
    with pytest.raises(ResultError, match="exact results are never released"):
        record_release(exact, file)
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(ResultError, match="is no ledger of releases. Bring back the one"):
        against_earlier(released_of(FIRST), file)


# --- Solving for those who joined ------------------------------------------------------

ATOMS = [("pairs", "both"), ("pairs", "before_only"), ("pairs", "after_only"), ("pairs", "neither")]
LINES = {
    ("users", "before"): ATOMS[:2],
    ("users", "after"): [ATOMS[0], ATOMS[2]],
    ("all", "referred"): ATOMS,
}


def pairs(counts):
    return CountTable.from_counts(
        name="pairs:programme",
        title="",
        unit="person",
        dimensions=("part", "level"),
        counts=dict(zip(ATOMS, counts, strict=True)),
        totals=LINES,
    )


def bounds_of_the_joined(tables, exact, rules, secret):
    """Between which numbers of those who joined must this many lie? Everybody's is known."""
    rows, lows, highs = [], [], []
    for after, (table, counts) in enumerate(zip(tables, exact, strict=True)):
        for i, cell in enumerate(table.cells):
            row = np.zeros(8)
            parts = list(cell.parts or (i,))
            row[parts] = 1
            row[[4 + p for p in parts]] = after
            if len(parts) == 4:
                low = high = sum(counts)
            elif cell.count is not None:
                low, high = counts_behind(cell.count, rules)
            else:
                continue
            if cell.count is not None and not any(
                set(tables[after].cells[j].parts or (j,)) < set(parts)
                and tables[after].cells[j].count is not None
                for j in range(len(table.cells))
            ):
                low, high = max(low, 0), high
            elif len(parts) < 4:  # a sum of rounded counts may be off by more
                slack = rules.round_to // 2 * len(parts) if rules.round_to > 1 else 0
                low, high = low - slack, high + slack
            rows.append(row)
            lows.append(low)
            highs.append(high)
    found = []
    for sign in (1, -1):
        cost = np.zeros(8)
        cost[[4 + p for p in secret]] = sign
        answer = milp(
            cost,
            constraints=LinearConstraint(np.array(rows), lows, highs),
            integrality=np.ones(8),
            bounds=Bounds(np.zeros(8), np.full(8, 1000)),
        )
        assert answer.success, answer.message
        found.append(round(sign * answer.fun))
    return found


SECRETS = [
    sorted(s)
    for s in {
        *(frozenset([i]) for i in range(4)),
        *(frozenset(c) for c in itertools.combinations(range(4), 2)),
        *(frozenset(c) for c in itertools.combinations(range(4), 3)),
    }
]


@pytest.mark.parametrize("rules", [OPENSAFELY, ONS], ids=lambda rules: rules.name)
@given(
    first=st.lists(st.integers(0, 60), min_size=4, max_size=4),
    joined=st.lists(st.sampled_from([0, 1, 6, 11, 14, 20, 33]), min_size=4, max_size=4),
)
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.filter_too_much])
def test_no_few_of_those_who_joined_can_be_counted_from_two_releases(rules, first, joined):
    second = [a + b for a, b in zip(first, joined, strict=True)]
    tables = [control_table(pairs(counts), rules) for counts in (first, second)]
    before, after = (releases._table("x", table) for table in tables)
    assume(before["lines"] != after["lines"])
    assume(not releases._small_changes(before, after, rules))
    for secret in SECRETS:
        low, high = bounds_of_the_joined(tables, (first, second), rules, secret)
        assert low <= sum(joined[i] for i in secret) <= high
        assert high > low or not 1 <= low <= rules.suppress_up_to, (secret, low)


def test_without_the_ledger_one_who_joined_is_counted():
    # The same bounds, where the ledger refuses: they find the one person.
    exact = [(40, 160, 18, 92), (40, 161, 18, 92)]
    tables = [control_table(pairs(counts), ONS) for counts in exact]
    before, after = (releases._table("x", table) for table in tables)
    assert releases._small_changes(before, after, ONS)
    assert bounds_of_the_joined(tables, exact, ONS, [0, 1]) == [1, 1]
    # Rounding does not help: with 42 and 43 the rounded count passes from 40 to 45.
    exact = [(20, 22, 30, 40), (20, 23, 30, 40)]
    tables = [control_table(pairs(counts), OPENSAFELY) for counts in exact]
    before, after = (releases._table("x", table) for table in tables)
    assert releases._small_changes(before, after, OPENSAFELY)
