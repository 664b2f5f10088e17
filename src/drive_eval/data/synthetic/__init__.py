"""Whole cases that never existed, with the true values beside them.

`synthetic_study` draws a study of a preset, `generate` its tables with the assumptions
changed, `draw_severity` thousands of small samples for studies of coverage.
`population_truth` gives what the estimates tend to, and `calibrate` finds the constants.
No real person is described here.
"""

from __future__ import annotations

import functools
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from drive_eval.data.study import Study
from drive_eval.data.synthetic.calibration import TARGETS, Targets, calibrate
from drive_eval.data.synthetic.cases import draw_severity, generate
from drive_eval.data.synthetic.truth import population_truth, true_value, truth_text
from drive_eval.data.synthetic.world import PRESETS, World, load_world

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "PRESETS",
    "TARGETS",
    "Targets",
    "World",
    "calibrate",
    "companion_files",
    "draw_severity",
    "generate",
    "load_world",
    "population_truth",
    "synthetic_study",
    "true_value",
    "truth_text",
]


def synthetic_study(
    preset: str = "drive_pilot",
    seed: int = 1,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """How would a study of such a programme look, with its true values known?

    Parameters
    ----------
    preset : str
        ``"drive_pilot"`` (2,627 people allocated, fewer than half of them assessed) or
        ``"site"`` (100 people in one site, all assessed).
    seed : int
        The same seed gives the same study on every machine; ``drive_pilot`` with seed 1 is
        the study in ``data/synthetic/drive_pilot``.
    progress : callable, optional
        Called with the steps done and the steps to do.

    Returns
    -------
    Study
        Validated; ``truth`` holds the population limits, read with `true_value`.

    Raises
    ------
    PlanError
        If there is no such preset.

    Notes
    -----
    **Assumptions.** They are listed in the codebook. Few of them follow a published figure.

    Examples
    --------
    >>> study = synthetic_study("site", seed=1)
    >>> len(study.tables["cases"]) >= 100
    True
    >>> round(true_value(study.truth, outcome="physical", measure="percent_reduction"))
    82
    """
    tables = generate(preset, seed, progress=progress)
    return Study(
        tables=tables,
        source=f"synthetic {preset}, seed {seed}",
        hashes={name: _hash(name) for name in ("drive_pilot.toml", "truth.json")},
        truth=_truth(),
    )


def companion_files(preset: str = "drive_pilot", seed: int = 1) -> dict[str, str]:
    """Return the texts that belong beside the tables: the true values and the codebook.

    Pass them to `drive_eval.data.study.save_tables` as ``other_files``.

    Examples
    --------
    >>> sorted(companion_files())
    ['codebook.md', 'truth.json']
    """
    load_world(preset)
    codebook = _text("codebook.md").replace("{preset}", preset).replace("{seed}", str(seed))
    return {"truth.json": _text("truth.json"), "codebook.md": codebook}


def _text(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _hash(name: str) -> str:
    return hashlib.sha256(_text(name).encode()).hexdigest()


@functools.cache
def _truth() -> Mapping[str, Any]:
    truth: dict[str, Any] = json.loads(_text("truth.json"))
    return truth
