"""Which blank forms belong to a design, and what they name."""

from __future__ import annotations

import pytest

from drive_eval.report.forms import FORMS, forms_for

SHARED = ["maryland-scale", "assurance-statement", "conflicts-of-interest"]


@pytest.mark.parametrize("kind", ["matched", "weighted", "comparison_group", "before_after"])
def test_robins_i_is_for_studies_without_chance(kind):
    assert [form.name for form in forms_for(kind)] == ["robins-i", *SHARED]


def test_a_trial_has_rob_2_and_names_its_version():
    found = forms_for("randomised")
    assert [form.name for form in found] == ["rob-2", *SHARED]
    assert "22 August 2019" in found[0].version
    assert [row[0][0] for row in found[0].rows if row[0][0].isdigit()] == list("12345")


def test_each_risk_of_bias_form_sends_the_other_designs_on():
    robins, rob = FORMS[:2]
    assert "RoB 2" in robins.introduction[0]
    assert "ROBINS-I" in rob.introduction[0]


def test_conflicts_are_asked_for_in_one_form_only():
    asked = [form.name for form in FORMS if any("stake" in row[0].lower() for row in form.rows)]
    assert asked == ["conflicts-of-interest"]
    assert not any(row[0] == "Conflicts of interest" for form in FORMS for row in form.rows)
