"""The house: who imports whom, what is public, and what a newcomer is promised."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import drive_eval
from drive_eval.models import (
    comparison,
    counts,
    matching,
    prepost,
    reductions,
    sensitivity,
    survival,
)

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "drive_eval"
MODULES = [SOURCE, *SOURCE.rglob("*.py")][1:]


def test_the_import_contracts_hold(capsys):
    # include_external_packages and the contracts themselves are in pyproject.toml
    code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert code == 0, capsys.readouterr().out


def test_importing_the_package_loads_nothing_heavy():
    script = (
        "import sys, drive_eval; "
        "heavy = {'pandas', 'numpy', 'scipy', 'statsmodels', 'matplotlib', 'pydantic'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", drive_eval.__all__)
def test_every_public_name_is_there(name):
    assert getattr(drive_eval, name) is not None
    assert name in dir(drive_eval)


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = drive_eval.runn


@pytest.mark.parametrize(
    "module", [prepost, comparison, counts, matching, reductions, sensitivity, survival]
)
def test_every_public_model_has_an_example_and_a_reference_section(module):
    for name in module.__all__:
        text = inspect.getdoc(getattr(module, name)) or ""
        assert ">>>" in text, name
        for heading in ("Parameters", "Returns"):
            assert heading in text, (name, heading)
        if name != "design_effects":
            for heading in ("Raises", "Notes", "References", "**Assumptions.**"):
                assert heading in text, (name, heading)


def test_no_module_shares_its_name_with_a_function_it_exports():
    for info in pkgutil.walk_packages(drive_eval.__path__, "drive_eval."):
        module = importlib.import_module(info.name)
        stem = info.name.rsplit(".", 1)[-1]
        assert stem not in getattr(module, "__all__", ()), info.name


def test_only_one_file_may_import_pingouin():
    users = [path.name for path in MODULES if "pingouin" in imports(path)]
    assert set(users) <= {"reliability.py"}


def test_nothing_reads_a_clock_or_global_random_state():
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        for forbidden in (
            "datetime.now",
            "date.today",
            "time.time(",
            "np.random.seed",
            "random.seed",
        ):
            assert forbidden not in text, (path.name, forbidden)


def test_there_are_no_stubs():
    for path in MODULES:
        assert "NotImplementedError" not in path.read_text(encoding="utf-8"), path.name


def test_only_doors_and_data_rooms_touch_the_disk():
    may = {"data", "report", "evaluation"}
    for path in MODULES:
        room = path.relative_to(SOURCE).parts[0]
        if room in may or path.name == "cli.py":
            continue
        calls = {
            node.func.attr
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        assert not calls & {"write_text", "write_bytes", "mkdir", "to_csv", "savefig"}, path.name


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found
