"""The code lists: pinned, versioned, and in plain words."""

from __future__ import annotations

import re

import pytest

from drive_eval.errors import PlanError
from drive_eval.vocabulary import CODELISTS, SEVERITY, codelist, label

PINNED = {
    "abuse_types": "physical sexual harassment_stalking jealous_controlling",
    "severity": "none standard moderate high",
    "time_points": "intake midpoint exit follow_up_6m follow_up_12m",
    "arms": "programme comparison",
    "perceived_changes": "significant_reduction moderate_reduction no_change increase",
    "outcome_stages": "recorded charged convicted",
}


@pytest.mark.parametrize("name", PINNED)
def test_the_codes_and_their_order_are_those_of_the_data_dictionary(name):
    assert " ".join(codelist(name).codes) == PINNED[name]


@pytest.mark.parametrize("name", CODELISTS)
def test_every_list_is_versioned_and_labelled(name):
    found = codelist(name)
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", found.version)
    assert all(words and not words[0].islower() and "_" not in words for words in found.labels)
    assert len(set(found.codes)) == len(found.codes)


def test_severity_is_ordered_from_none_to_high():
    assert [SEVERITY.rank(code) for code in ("none", "standard", "moderate", "high")] == [
        0,
        1,
        2,
        3,
    ]


def test_an_unknown_code_names_the_nearest():
    with pytest.raises(PlanError, match='"hgh" is not in the code list severity. Nearest: "high"'):
        SEVERITY.rank("hgh")
    with pytest.raises(PlanError, match='no code list "severty". Nearest: "severity"'):
        codelist("severty")


def test_labels_for_codes_and_for_anything_else():
    assert label("jealous_controlling") == "Jealous and controlling behaviour"
    assert label("days_between") == "Days between"
