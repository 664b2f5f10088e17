"""Whole cases that never existed, with the true values beside them.

`synthetic_study` draws a study of a preset, `generate` its tables with the assumptions
changed, `draw_severity` thousands of small samples for studies of coverage.
`population_truth` gives what the estimates tend to, and `calibrate` finds the constants.
`draw_events` draws small samples of police events and custody, and `offending_truth` gives what
estimates of re-offending tend to. The preset `confounded`, for matched and weighted comparisons,
has `confounded_tables`, `draw_confounded` and `confounded_truth` instead; `write_national` writes
the preset `national` to files.
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
from drive_eval.data.synthetic.confounded import (
    confounded_tables,
    confounded_truth,
    draw_confounded,
)
from drive_eval.data.synthetic.events import Draw, draw_events
from drive_eval.data.synthetic.limits import offending_truth
from drive_eval.data.synthetic.national import write_national
from drive_eval.data.synthetic.truth import population_truth, true_value, truth_text
from drive_eval.data.synthetic.world import PRESETS, TOO_LARGE, World, load_world
from drive_eval.errors import PlanError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "PRESETS",
    "TARGETS",
    "Draw",
    "Targets",
    "World",
    "calibrate",
    "companion_files",
    "confounded_tables",
    "confounded_truth",
    "draw_confounded",
    "draw_events",
    "draw_severity",
    "generate",
    "load_world",
    "offending_truth",
    "population_truth",
    "synthetic_study",
    "true_value",
    "truth_text",
    "write_national",
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
        ``"drive_pilot"`` (2,627 people allocated, fewer than half of them assessed),
        ``"site"`` (100 people in one site, all assessed) or ``"confounded"`` (2,300 people, not
        allocated).
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
        If there is no such preset, or it is ``"national"``, which is too large to be held.

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
    >>> first = {"outcome": "police", "contrast": "programme v comparison"}
    >>> round(true_value(study.truth, measure="hazard_ratio", **first), 2)
    0.66
    >>> study = synthetic_study("confounded", seed=1)
    >>> effect = {"outcome": "repeat_12m", "measure": "risk_difference"}
    >>> [round(true_value(study.truth, **effect, estimand=who), 2) for who in ("att", "naive")]
    [-0.15, 0.03]
    """
    files = _files_of(preset)
    if preset == "national":
        raise PlanError(TOO_LARGE)
    if preset == "confounded":
        tables = confounded_tables(seed, progress=progress)
    else:
        tables = generate(preset, seed, progress=progress)
    return Study(
        tables=tables,
        source=f"synthetic {preset}, seed {seed}",
        hashes={name: _hash(name) for name in files[:2]},
        truth=_truth(files[1]),
    )


def companion_files(preset: str = "drive_pilot", seed: int = 1) -> dict[str, str]:
    """Return the texts that belong beside the tables: the true values and the codebook.

    Pass them to `drive_eval.data.study.save_tables` as ``other_files``.

    Examples
    --------
    >>> sorted(companion_files())
    ['codebook.md', 'truth.json']
    """
    _, truth, codebook = _files_of(preset)
    text = _text(codebook).replace("{preset}", preset).replace("{seed}", str(seed))
    return {"truth.json": _text(truth), "codebook.md": text}


def _files_of(preset: str) -> tuple[str, str, str]:
    """Return the names of a preset's world, truth and codebook."""
    if preset not in PRESETS:
        raise PlanError(f'no synthetic preset "{preset}".{did_you_mean(preset, PRESETS)}')
    if preset == "confounded":
        return "confounded.toml", "confounded_truth.json", "confounded.md"
    if preset == "national":
        return "national.toml", "national_truth.json", "national.md"
    return "drive_pilot.toml", "truth.json", "codebook.md"


def _text(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _hash(name: str) -> str:
    return hashlib.sha256(_text(name).encode()).hexdigest()


@functools.cache
def _truth(name: str) -> Mapping[str, Any]:
    truth: dict[str, Any] = json.loads(_text(name))
    return truth
