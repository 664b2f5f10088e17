"""The starter folder: its name may be odd, and version control sees nothing secret in it."""

from __future__ import annotations

import ast

import pytest

from drive_eval.errors import PlanError
from drive_eval.evaluation.starter import make_starter
from drive_eval.plan import load_plan


@pytest.mark.parametrize("name", ["plain", 'a "quoted" name', "back\\slash", "it's", "ünï 1"])
def test_any_name_that_can_be_printed_makes_a_plan_that_is_read(tmp_path, name):
    make_starter(tmp_path / name)
    assert load_plan(tmp_path / name).evaluation.title == f"Evaluation of {name}"
    ast.parse((tmp_path / name / "run.py").read_text(encoding="utf-8"))


def test_a_name_that_cannot_be_printed_is_refused(tmp_path):
    with pytest.raises(PlanError, match="holds a line break or another character that cannot be"):
        make_starter(tmp_path / "two\nlines")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled_and_another_refused(tmp_path):
    make_starter(tmp_path)
    with pytest.raises(PlanError, match=r"already exists and is not empty\. Choose another name"):
        make_starter(tmp_path)


def test_rows_exact_figures_and_drafts_stay_out_of_version_control(tmp_path):
    make_starter(tmp_path / "new")
    ignored = (tmp_path / "new" / ".gitignore").read_text(encoding="utf-8").split()
    assert ignored == ["data/", "outputs*/", ".*-*/"]
