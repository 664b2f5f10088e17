"""The plan: what it accepts, and the sentence for everything that it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from drive_eval.errors import PlanError
from drive_eval.plan import BehaviourOutcome, load_plan, plan_reference

GOOD = """
[evaluation]
title = "A trial plan"

[data]
folder = "tables"

[design]
kind = "randomised"
unit = "person"

[[outcomes]]
kind = "behaviour"
reporter = "idva"
"""

ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, text: str) -> Path:
    path = folder / "evaluation.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plan_is_read_with_paths_relative_to_its_own_folder(tmp_path):
    plan = load_plan(write(tmp_path, GOOD))
    assert plan.data.folder == (tmp_path / "tables").resolve()
    assert plan.release.policy == "opensafely"
    assert load_plan(tmp_path) == plan


def test_a_plan_cannot_be_changed(tmp_path):
    plan = load_plan(write(tmp_path, GOOD))
    with pytest.raises(ValueError, match="frozen"):
        plan.design.unit = "dyad"


def test_the_hash_follows_the_content_and_not_the_place(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = load_plan(write(tmp_path / "a", GOOD))
    second = load_plan(write(tmp_path / "b", GOOD + "# a comment\n"))
    third = load_plan(write(tmp_path / "b", GOOD.replace('"person"', '"dyad"')))
    assert first.sha256() == second.sha256() != third.sha256()
    assert str(tmp_path) not in str(first.to_dict())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title =", "titel =", 'unknown key "evaluation.titel". Nearest: "title".'),
        ("title =", "titel =", 'the key "evaluation.title" is missing.'),
        ("[design]", "[desing]", 'unknown key "desing". Nearest: "design".'),
        ('"randomised"', '"randomized"', '"design.kind" cannot be "randomized".'),
        ('"person"', '"persons"', 'Nearest: "person".'),
        ('"idva"', '"idvaa"', '"idvaa" is not in the code list. Nearest: "idva".'),
        ('"behaviour"', '"behavior"', 'has no kind "behavior". Nearest: "behaviour".'),
        ('kind = "behaviour"\n', "", 'needs kind = "behaviour", "perceived_change" or "binary".'),
        (
            'reporter = "idva"',
            'reporter = "idva"\nthreshold = "none"',
            '"none" is the lowest level, which everybody reaches. Use standard or above.',
        ),
        (
            'reporter = "idva"',
            'reporter = "idva"\nbefore = "exit"\nafter = "intake"',
            "before (exit) must come earlier than after (intake)",
        ),
        (
            'reporter = "idva"',
            'reporter = "idva"\nabuse_types = ["physcal"]',
            'Nearest: "physical".',
        ),
        (
            'reporter = "idva"',
            'reporter = "idva"\nafter_all = 1',
            'unknown key "outcomes[1].after_all". Nearest: "after".',
        ),
        (
            '[[outcomes]]\nkind = "behaviour"\nreporter = "idva"',
            "outcomes = []",
            '"outcomes"',
        ),
        ("[data]", '[release]\npolicy = "public_data"\n[data]', "data.public_source must name"),
        ("[data]", "path = 1\n[data]", "path"),
        ('"A trial plan"', "A trial plan", "is not valid TOML"),
    ],
)
def test_every_fault_has_its_sentence(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(PlanError) as caught:
        load_plan(write(tmp_path, GOOD.replace(old, new)))
    assert message in str(caught.value)
    assert "\nTraceback" not in str(caught.value)


def test_the_key_path_is_not_for_users(tmp_path):
    with pytest.raises(PlanError, match='unknown key "path"'):
        load_plan(write(tmp_path, 'path = "x"\n' + GOOD))


def test_all_faults_are_reported_at_once(tmp_path):
    text = GOOD.replace("title", "titel").replace('"person"', '"persons"')
    with pytest.raises(PlanError) as caught:
        load_plan(write(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 3


def test_an_outcome_declared_twice_is_refused(tmp_path):
    again = '[[outcomes]]\nkind = "behaviour"\nreporter = "idva"\nabuse_types = ["sexual"]\n'
    with pytest.raises(PlanError, match='the outcome "sexual:idva:intake-exit" is declared twice'):
        load_plan(write(tmp_path, GOOD + again))


def test_a_missing_plan_names_its_neighbour(tmp_path):
    write(tmp_path, GOOD)
    with pytest.raises(PlanError, match=r'no plan at .*Nearest: "evaluation.toml"'):
        load_plan(tmp_path / "evalution.toml")


def test_a_plan_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "evaluation.toml"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(PlanError, match="is not a text file in UTF-8"):
        load_plan(path)


def test_the_default_abuse_types_are_the_four_that_drive_reports():
    assert len(BehaviourOutcome(reporter="idva").abuse_types) == 4


def test_the_plan_reference_in_docs_is_the_one_printed_from_the_models():
    committed = (ROOT / "docs" / "reference" / "plan.md").read_text(encoding="utf-8")
    assert committed == plan_reference()
