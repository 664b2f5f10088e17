"""Did abuse fall, by how much, how sure are we, compared with what, and what else explains it?

drive_eval evaluates programmes for perpetrators of domestic abuse. The public names are
listed in ``__all__``; each is imported when it is first used, so that importing the
package itself costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drive_eval.data.study import Study, load_study
    from drive_eval.data.synthetic import synthetic_study
    from drive_eval.errors import DriveEvalError
    from drive_eval.evaluation import load_results, run, write_report
    from drive_eval.plan import Plan, load_plan
    from drive_eval.published.record import claims, recompute
    from drive_eval.results import Check, CountTable, Estimate, Evaluation, ResultSet

__version__ = "0.1.0"

_HOME = {
    "Check": "drive_eval.results",
    "CountTable": "drive_eval.results",
    "DriveEvalError": "drive_eval.errors",
    "Estimate": "drive_eval.results",
    "Evaluation": "drive_eval.results",
    "Plan": "drive_eval.plan",
    "ResultSet": "drive_eval.results",
    "Study": "drive_eval.data.study",
    "claims": "drive_eval.published.record",
    "load_plan": "drive_eval.plan",
    "load_results": "drive_eval.evaluation",
    "load_study": "drive_eval.data.study",
    "recompute": "drive_eval.published.record",
    "run": "drive_eval.evaluation",
    "synthetic_study": "drive_eval.data.synthetic",
    "write_report": "drive_eval.evaluation",
}

__all__ = [
    "Check",
    "CountTable",
    "DriveEvalError",
    "Estimate",
    "Evaluation",
    "Plan",
    "ResultSet",
    "Study",
    "__version__",
    "claims",
    "load_plan",
    "load_results",
    "load_study",
    "recompute",
    "run",
    "synthetic_study",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'drive_eval' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
