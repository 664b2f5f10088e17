"""Drafts: put in place whole or not at all, and swept away when their writer was killed."""

from __future__ import annotations

import os
import stat

import pytest

from drive_eval.data.folders import MARKER, check_writable, draft, held, sweep
from drive_eval.errors import ResultError

posix_only = pytest.mark.skipif(os.name == "nt", reason="rights and locks of POSIX")


def anything():
    return None


def refuse_if_held(place):
    def check():
        if held(place):
            raise ResultError("taken")

    return check


def fill(target, text="new", check=anything):
    with draft(target, check=check, error=ResultError) as new:
        (new / "part").mkdir()
        (new / "part" / "file").write_text(text, encoding="utf-8")


def left_behind(parent, target="outputs", marker=True):
    stale = parent / f".{target}-abc123"
    (stale / "new").mkdir(parents=True)
    (stale / "old").mkdir()
    (stale / "new" / "exact.json").write_text("{}", encoding="utf-8")
    if marker:
        (stale / MARKER).write_text("", encoding="utf-8")
    return stale


def test_a_new_folder_is_made_and_nothing_else(tmp_path):
    fill(tmp_path / "a" / "outputs")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["outputs"]
    assert [p.name for p in (tmp_path / "a" / "outputs").iterdir()] == ["part"]


def test_a_folder_that_is_there_is_filled_and_not_renamed_over(tmp_path):
    target = tmp_path / "outputs"
    target.mkdir()
    place = target.stat().st_ino
    fill(target)
    fill(target, "newer")
    assert target.stat().st_ino == place
    assert (target / "part" / "file").read_text(encoding="utf-8") == "newer"
    assert [p.name for p in target.iterdir()] == ["part"]
    assert [p.name for p in tmp_path.iterdir()] == ["outputs"]


@posix_only
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_followed_and_stays(tmp_path, exists):
    if exists:
        (tmp_path / "disk").mkdir()
    (tmp_path / "outputs").symlink_to(tmp_path / "disk")
    fill(tmp_path / "outputs")
    assert (tmp_path / "outputs").is_symlink()
    assert (tmp_path / "disk" / "part" / "file").is_file()


def test_what_was_there_stays_when_writing_fails(tmp_path):
    target = tmp_path / "outputs"
    fill(target, "old")
    with pytest.raises(KeyError), draft(target, check=anything, error=ResultError) as new:
        (new / "part").mkdir()
        raise KeyError
    assert (target / "part" / "file").read_text(encoding="utf-8") == "old"
    assert [p.name for p in target.iterdir()] == ["part"]


def test_who_comes_second_is_refused(tmp_path):
    target = tmp_path / "outputs"
    with pytest.raises(ResultError, match="taken"):
        with draft(target, check=refuse_if_held(target), error=ResultError) as new:
            (new / "mine").write_text("", encoding="utf-8")
            fill(target, "theirs", check=refuse_if_held(target))
    assert [p.name for p in target.iterdir()] == ["part"]
    assert [p.name for p in tmp_path.iterdir()] == ["outputs"]


@posix_only
def test_a_draft_is_for_its_owner_alone(tmp_path):
    with draft(tmp_path / "outputs", check=anything, error=ResultError) as new:
        assert stat.S_IMODE(new.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("inside", [True, False])
def test_what_a_killed_run_left_is_swept_away(tmp_path, inside):
    target = tmp_path / "outputs"
    target.mkdir()
    stale = left_behind(target if inside else tmp_path)
    assert held(target) == []
    sweep(target)
    assert not stale.exists()


def test_what_a_killed_run_had_moved_away_comes_back(tmp_path):
    target = tmp_path / "outputs"
    target.mkdir()
    stale = left_behind(target)
    (stale / "old" / "release").mkdir()
    sweep(target)
    assert [p.name for p in target.iterdir()] == ["release"]


def test_nothing_else_is_swept_away(tmp_path):
    (tmp_path / "outputs").mkdir()
    unmarked = left_behind(tmp_path, marker=False)
    other = left_behind(tmp_path, target="outside")
    with draft(tmp_path / "outputs", check=anything, error=ResultError) as new:
        sweep(tmp_path / "outputs")
        assert new.is_dir()
    assert unmarked.exists()
    assert other.exists()


def test_a_place_that_cannot_be_written_is_found_before_the_work(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    message = r"file.outputs cannot be written: .* Nothing was changed\. Choose another folder"
    with pytest.raises(ResultError, match=message):
        check_writable(tmp_path / "file" / "outputs", error=ResultError)
    check_writable(tmp_path / "new" / "outputs", error=ResultError)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
