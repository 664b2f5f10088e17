"""The ledger as it is read: P values at their floor, and what counting every question changes."""

from __future__ import annotations

import dataclasses

import pytest

from drive_eval.plan import Plan
from drive_eval.report import ledger, tables
from drive_eval.report.chance import chance_sentence
from drive_eval.results import Check, Evaluation, ResultSet

LABELS = {"programme": "Programme", "comparison": "Comparison"}
NAME = "hit"


@pytest.fixture(scope="module")
def exact() -> Evaluation:
    plan = Plan.model_validate(
        {
            "evaluation": {"title": "Chance"},
            "data": {"folder": "data", "columns": {"cases": {"hit": "boolean"}}},
            "design": {"kind": "comparison_group", "unit": "person"},
            "outcomes": [{"kind": "binary", "name": NAME, "column": "hit"}],
        }
    )
    return Evaluation(plan=plan.to_dict(), plan_hash=plan.sha256(), results={NAME: ResultSet()})


def test_a_p_value_at_its_floor_is_so_much_or_less(exact):
    assert tables.p_text(0.001) == "≤0.001"
    text = "risk difference: Holm among 2 primary tests"
    test = Check(name="test", outcome=NAME, passed=True, text=text)
    checks = (
        dataclasses.replace(test, p_value=0.001, statistic=0.0025),
        dataclasses.replace(test, p_value=0.0002, statistic=0.0004),
        dataclasses.replace(test, p_value=0.02, statistic=0.02),
        dataclasses.replace(test),
        Check(name="tests_hidden", statistic=1.0, text="One is not shown."),
    )
    results = {**exact.results, "ledger": ResultSet(checks=checks)}
    found = dataclasses.replace(exact, results=results)
    table = ledger.ledger_table(found, LABELS)
    assert [row[-2:] for row in table.rows] == [
        ("≤0.001", "≤0.003"),
        ("<0.001", "<0.001"),
        ("0.020", "0.020"),
        ("[c]", "[c]"),
    ]
    assert "One is not shown." in table.note
    assert "Each outcome is read by one effect" in table.note
    assert "One is not shown." in ledger.ledger_sentence(found)


@pytest.mark.parametrize(
    ("p_value", "adjusted", "primary", "said"),
    [
        (0.03, 0.06, True, "Counting all 2 primary questions, this could still be chance."),
        (0.02, 0.04, True, ""),
        (0.06, 0.12, True, ""),
        (0.03, 0.06, None, ""),
        (None, None, True, ""),
    ],
)
def test_what_stands_alone_and_not_among_all_is_said(exact, p_value, adjusted, primary, said):
    checks = (
        Check(name="test", outcome=NAME, passed=primary, p_value=p_value, statistic=adjusted),
        Check(name="test", outcome="other", passed=True, p_value=0.2, statistic=0.2),
    )
    results = {**exact.results, "ledger": ResultSet(checks=checks)}
    assert chance_sentence(dataclasses.replace(exact, results=results), NAME) == said
