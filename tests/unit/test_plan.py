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
        (
            'kind = "behaviour"\n',
            "",
            'needs kind = "behaviour", "perceived_change", "binary", "time_to_event" or '
            '"reoffending".',
        ),
        ('"behaviour"', '"re-offending"', 'has no kind "re-offending". Nearest: "reoffending".'),
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


BINARY = """
[[outcomes]]
kind = "binary"
name = "again"
column = "again"
"""


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            '"A trial plan"',
            "7",
            '"evaluation.title" must be text in quotation marks, such as "exit"',
        ),
        ('"A trial plan"', '""', '"evaluation.title" must not be empty'),
        ('"tables"', "7", '"data.folder" must be text in quotation marks, such as "data"'),
        (
            "[data]",
            "authors = 'me'\n[data]",
            '"evaluation.authors" must be a list, such as ["A. Evaluator"]',
        ),
        (
            "[data]",
            "authors = ['me', 7]\n[data]",
            '"evaluation.authors[2]" must be text in quotation marks, such as "exit"',
        ),
        (
            "[data]",
            "data_cut = 2026-11-21T10:00:00\n[data]",
            '"evaluation.data_cut" must be a date without a time, such as 2026-11-21',
        ),
        (
            "[data]",
            "data_cut = '21/11/2026'\n[data]",
            '"evaluation.data_cut" "21/11/2026" must be a date without a time, such as 2026-11-21',
        ),
        (
            "[design]",
            "tables = 'cases.csv'\n[design]",
            '"data.tables" must be a table of names, such as { cases = "extract.csv" }',
        ),
        (
            '[data]\nfolder = "tables"\n',
            "",
            'the key "data" is missing. See docs/reference/plan.md',
        ),
        (
            '[[outcomes]]\nkind = "behaviour"\nreporter = "idva"',
            "[outcomes]",
            "write [[outcomes]], with two brackets: there may be several",
        ),
        (
            "[[outcomes]]",
            "max_missing_share = 0.3\n[[outcomes]]",
            '"design.max_missing_share" must be at most 0.2',
        ),
        (
            "[[outcomes]]",
            "max_missing_share = -1\n[[outcomes]]",
            '"design.max_missing_share" must be at least 0',
        ),
        (
            "[[outcomes]]",
            "max_missing_share = nan\n[[outcomes]]",
            '"design.max_missing_share" must be a finite number',
        ),
        (
            "[[outcomes]]",
            "conf_level = 0.5\n[[outcomes]]",
            '"design.conf_level" must be at least 0.8',
        ),
        (
            "[[outcomes]]",
            "conf_level = 1\n[[outcomes]]",
            '"design.conf_level" must be less than 1',
        ),
        (
            "[[outcomes]]",
            "conf_level = true\n[[outcomes]]",
            '"design.conf_level" must be a number without quotation marks',
        ),
        (
            "[[outcomes]]",
            "conf_level = '0.9'\n[[outcomes]]",
            '"design.conf_level" must be a number without quotation marks',
        ),
        (
            'reporter = "idva"',
            'reporter = "idva"\nprimary = "yes"',
            '"outcomes[1].primary" must be true or false, without quotation marks',
        ),
        (
            'reporter = "idva"',
            'reporter = "idva"\nabuse_types = []',
            '"outcomes[1].abuse_types" must not be an empty list',
        ),
        (
            'reporter = "idva"',
            'reporter = "idva"\nabuse_types = ["sexual", "physcal"]',
            '"outcomes[1].abuse_types[2]" "physcal" is not in the code list. Nearest: "physical"',
        ),
        (
            'reporter = "idva"',
            'reporter = "idva"' + BINARY.replace('"again"', '"Re-assault"', 1),
            '"outcomes[2].name" must be a short name of small letters, digits and underscores that '
            "begins with a letter, such as reassault_6m",
        ),
        (
            "[[outcomes]]",
            "[comparison]\ncovariates = ['age', 'perpetrator_id']\n[[outcomes]]",
            '"comparison.covariates[2]" "perpetrator_id" is an id, so nothing can be adjusted for '
            "it. Choose a column of cases that was known at the start, such as age",
        ),
        (
            "[[outcomes]]",
            "[comparison]\ncovariates = 'age'\n[[outcomes]]",
            '"comparison.covariates" must be a list, such as ["age", "dash_score"]',
        ),
        (
            'reporter = "idva"',
            'reporter = "idva"' + BINARY + "margin = 0.1",
            '"outcomes[2]" holds margin, which belongs to an outcome with negative = true',
        ),
        (
            '[[outcomes]]\nkind = "behaviour"\nreporter = "idva"\n',
            BINARY + "negative = true",
            "every outcome is negative, that is, one which the programme cannot change. Add the "
            "outcome that it is meant to change as an [[outcomes]] block, first",
        ),
        (
            "[[outcomes]]",
            "[comparison]\ncovariates = ['index_date']\n[[outcomes]]",
            '"comparison.covariates[1]" "index_date" is a date, so nothing can be adjusted for it. '
            "Choose a column of cases that was known at the start, such as age",
        ),
        (
            "[[outcomes]]",
            "[comparison]\ncovariates = ['again']\n" + BINARY + "[[outcomes]]",
            'the column "again" is an outcome, so it cannot be a covariate of the comparison as '
            "well",
        ),
        (
            'kind = "randomised"\nunit = "person"\n',
            'kind = "randomised"\nunit = "dyad"\n' + BINARY,
            'the outcome "again" stands in cases, one value a case, so it cannot be counted by '
            'dyad. Use unit = "person" or "enrolment"',
        ),
        (
            "[data]",
            "[[published]]\noutcome = 'physical:idva:intake-exitt'\nterm = 'itt'\nlabel = 'x'\n"
            "estimate = 1\nsource = 'x'\n[data]",
            '"published[1].outcome" names "physical:idva:intake-exitt", which no [[outcomes]] '
            'block declares. Nearest: "physical:idva:intake-exit"',
        ),
    ],
)
def test_a_wrong_value_has_one_sentence_in_our_own_words(tmp_path, old, new, sentence):
    assert old in GOOD
    with pytest.raises(PlanError) as caught:
        load_plan(write(tmp_path, GOOD.replace(old, new, 1)))
    assert str(caught.value) == f"evaluation.toml: {sentence}."


def test_an_outcome_that_is_no_block_is_refused(tmp_path):
    text = "outcomes = [7]\n" + GOOD.partition("[[outcomes]]")[0]
    sentence = r'"outcomes\[1\]" must be a section of keys, not a single value\.'
    with pytest.raises(PlanError, match=sentence):
        load_plan(write(tmp_path, text))


def test_a_results_file_gives_its_plan_back(tmp_path):
    plan = load_plan(write(tmp_path, GOOD.replace("[data]", "data_cut = 2026-11-21\n[data]")))
    again = type(plan).model_validate(plan.to_dict())
    assert again.evaluation.data_cut == plan.evaluation.data_cut


def test_a_table_is_not_a_plan(tmp_path):
    table = tmp_path / "cases.csv"
    table.write_text("case_id,arm\n", encoding="utf-8")
    with pytest.raises(PlanError, match=r"cases.csv is a table, not a plan\. Give the plan"):
        load_plan(table)


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


def test_the_plan_reference_gives_the_limits_of_numbers():
    lines = plan_reference().splitlines()
    for name, limits in {
        "ratio": "1 to 10",
        "subclasses": "2 to 50",
        "caliper_sd": "at least 0",
        "max_smd": "at most 1",
        "margin": "more than 0 and less than 1",
    }.items():
        (line,) = [line for line in lines if line.startswith(f"| `{name}` ")]
        assert limits in line.split("|")[2]


def test_another_toml_in_the_folder_is_not_offered_as_a_plan(tmp_path):
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    with pytest.raises(
        PlanError, match="no plan at .*Make one with: drive-eval init NAME"
    ) as caught:
        load_plan(tmp_path / "nothing.toml")
    assert "pyproject" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("horizont = 365", 'unknown key "outcomes[1].horizont". Nearest: "horizon".'),
        ('source = ["polise"]', '"outcomes[1].source[1]" "polise" is not in the code list.'),
        ('horizon = "a year"', '"outcomes[1].horizon" must be a whole number'),
        ("times = [91, 400]", "times holds 400, which lies beyond the horizon of 365"),
    ],
)
def test_faults_of_outcomes_over_time_name_the_key_as_it_stands_in_the_plan(
    tmp_path: Path, line: str, message: str
) -> None:
    file = tmp_path / "evaluation.toml"
    file.write_text(
        '[evaluation]\ntitle = "T"\n[data]\nfolder = "data"\n'
        '[design]\nkind = "comparison_group"\nunit = "person"\n'
        f'[[outcomes]]\nkind = "reoffending"\nname = "police"\n{line}\n'
    )
    with pytest.raises(PlanError) as refusal:
        load_plan(file)
    assert message in str(refusal.value)
    assert "reoffending." not in str(refusal.value)
