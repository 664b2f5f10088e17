"""The wheel holds what the code reads: code lists, templates, presets, the typing marker."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> list[str]:
    out = tmp_path_factory.mktemp("wheel")
    # Built from a copy, so that nothing is left in the tree and nothing stale gets in.
    copy = tmp_path_factory.mktemp("copy")
    tracked = ["pyproject.toml", "README.md", "LICENSE", "src"]
    for name in tracked:
        source = ROOT / name
        if source.is_dir():
            for path in source.rglob("*"):
                if (
                    path.is_file()
                    and "__pycache__" not in path.parts
                    and ".egg-info" not in str(path)
                ):
                    target = copy / path.relative_to(ROOT)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(path.read_bytes())
        else:
            (copy / name).write_bytes(source.read_bytes())
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(out),
            str(copy),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(out.glob("*.whl"))) as found:
        return found.namelist()


def test_every_code_list_is_in_the_wheel(wheel):
    lists = {path.name for path in (ROOT / "src/drive_eval/codelists").glob("*.csv")}
    assert lists
    assert lists == {Path(name).name for name in wheel if name.startswith("drive_eval/codelists/")}


def test_templates_presets_claims_and_starter_files_are_in_the_wheel(wheel):
    folders = ("report/templates", "data/synthetic", "evaluation/starter_files", "published/claims")
    for folder in folders:
        source = ROOT / "src" / "drive_eval" / folder
        wanted = {
            f"drive_eval/{folder}/{path.name}"
            for path in source.iterdir()
            if path.is_file() and path.suffix != ".pyc"
        }
        assert wanted
        assert wanted <= set(wheel)
    assert "drive_eval/py.typed" in wheel


def test_no_test_and_no_licensed_table_is_in_the_wheel(wheel):
    assert not [name for name in wheel if "tests/" in name or "respiratory" in name]
