"""Assumptions of several models: each thing is said once."""

from __future__ import annotations

from drive_eval.report.assumptions import merged_assumptions


def test_the_end_of_following_is_said_once_and_keeps_what_each_model_adds():
    said = merged_assumptions(
        [
            "Event-free shares and hazards take the end of following to have nothing to do with "
            "when the event would have come.",
            "Custody as a gap: days in custody are cut out.",
            "Following ends for reasons that have nothing to do with when the event would have "
            "come.",
            "Following ends, and is interrupted, for reasons that have nothing to do with the "
            "hazard, given the covariates.",
            "Whether somebody is followed at a time has nothing to do with the events they would "
            "have then.",
        ]
    )
    assert said == [
        "Following ends, and is interrupted, for reasons that have nothing to do with when events "
        "would have come (for hazard ratios: among people with the same covariates).",
        "Custody as a gap: days in custody are cut out.",
    ]


def test_a_sentence_that_stands_alone_is_kept_as_it_is():
    alone = [
        "Following ends for reasons that have nothing to do with when the event would have come.",
        "People (enrolment) are independent of each other.",
        "Clusters are independent of each other; rows within one need not be.",
    ]
    assert merged_assumptions([*alone, alone[0]]) == alone


def test_who_is_independent_is_named_by_what_is_counted():
    said = [f"{word} (enrolment) are independent of each other." for word in ("People", "Rows")]
    assert merged_assumptions(said) == ["Enrolments are independent of each other."]


def test_matched_sets_and_clusters_are_one_assumption():
    clusters = [
        "Clusters are independent of each other; people within one need not be.",
        "Clusters are independent of each other; rows within one need not be.",
    ]
    assert merged_assumptions(clusters) == [
        "Clusters are independent of each other; people, rows and events within one need not be."
    ]
    sets = "Matched sets are independent of each other; cases within one need not be."
    assert merged_assumptions([sets, *clusters]) == [
        "Matched sets, and other clusters, are independent of each other; cases, rows and events "
        "within one need not be."
    ]


def test_people_and_the_events_of_one_of_them_are_one_assumption():
    said = merged_assumptions(
        [
            "People (person) are independent of each other.",
            "Rows (person) are independent of each other.",
            "Clusters are independent of each other; events of one person need not be.",
        ]
    )
    assert said == ["People are independent of each other; events of one need not be."]
