"""The world behind a synthetic study: every assumption, under its own name.

A world is a TOML file beside this module. Nothing is drawn here.
"""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from drive_eval.errors import PlanError, did_you_mean
from drive_eval.vocabulary import ABUSE_TYPES, ARMS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["PRESETS", "TIMES", "TOO_LARGE", "World", "load_world"]

#: Presets that can be drawn. A site is a hundred people of the same world; `confounded` is a
#: world of another kind, in a module of its own; `national` is the size of a country and goes
#: straight to files.
PRESETS = ("drive_pilot", "site", "confounded", "national")

#: Time points at which a synthetic case may be assessed, in order.
TIMES = ("intake", "midpoint", "exit", "follow_up_12m")

#: What is said where a study of the preset `national` is asked for.
TOO_LARGE = (
    'the preset "national" has 8 million events and is never held as a study. Write it to Parquet '
    "files with drive-eval simulate FOLDER --preset national (write_national in Python), and read "
    "these with DuckDB, Polars or Spark."
)

_SITE = {"people": 100, "sites": {"site_a": 1.0}, "assessed": {"programme": 1.0, "comparison": 1.0}}


@dataclass(frozen=True, kw_only=True)
class World:
    """Which people could have been referred, and what would be seen of them?

    Attributes
    ----------
    name : str
        The preset.
    cohort, people, latent, severity, effect, reporters, perceived_change, cases, missing, \
    events : mapping
        The tables of the preset's TOML file, where each entry is explained.
    """

    name: str
    cohort: Mapping[str, Any]
    people: Mapping[str, Any]
    latent: Mapping[str, Any]
    severity: Mapping[str, Any]
    effect: Mapping[str, Any]
    reporters: Mapping[str, Any]
    perceived_change: Mapping[str, Any]
    cases: Mapping[str, Any]
    missing: Mapping[str, Any]
    events: Mapping[str, Any]

    @property
    def data_end_date(self) -> dt.date:
        """The last day on which anything was recorded."""
        day: dt.date = self.cohort["data_end_date"]
        return day

    def cut_points(self) -> NDArray[np.float64]:
        """Return the latent cut-points, one row a type: standard, moderate, high."""
        standard = np.asarray(self.severity["standard"], dtype=float)
        gaps = (0.0, self.severity["moderate_above_standard"], self.severity["high_above_standard"])
        cuts: NDArray[np.float64] = standard[:, None] + np.asarray(gaps)[None, :]
        return cuts

    def effect_at(self, arm: str, time_point: str) -> NDArray[np.float64]:
        """Return how far an arm lowers latent severity at a time point, by abuse type.

        The arm ``no_effect`` does nothing: what is left is regression to the mean.
        """
        if arm == "no_effect":
            return np.zeros(len(ABUSE_TYPES.codes))
        if arm not in ARMS.codes:
            raise PlanError(f'"{arm}" is no arm.{did_you_mean(arm, (*ARMS.codes, "no_effect"))}')
        full = self.effect["programme" if arm == "programme" else "usual_care"]
        effect: NDArray[np.float64] = np.asarray(full, dtype=float)
        return effect * float(self.effect["share"][time_point])

    def with_effects(self, *, programme: float = 1.0, usual_care: float = 1.0) -> World:
        """Return the same world with its effects multiplied: 0 for none, 1 for as calibrated.

        Effects on severity are multiplied, rate ratios of incidents raised to the power.

        Examples
        --------
        >>> nothing_works = load_world("drive_pilot").with_effects(programme=0, usual_care=0)
        >>> float(nothing_works.effect_at("programme", "exit").sum())
        0.0
        """
        scale = {"programme": programme, "usual_care": usual_care}
        scaled = {arm: [by * value for value in self.effect[arm]] for arm, by in scale.items()}
        ratios = {arm: float(self.events[arm]) ** by for arm, by in scale.items()}
        return dataclasses.replace(
            self, effect={**self.effect, **scaled}, events={**self.events, **ratios}
        )


def load_world(preset: str | World) -> World:
    """Read a preset.

    Parameters
    ----------
    preset : str or World
        ``"drive_pilot"`` (2,627 people allocated in three sites, fewer than half of them
        assessed), ``"site"`` (100 people in one site, all assessed) or ``"national"`` (310,000
        people, more incidents, no assessment). A World is returned as it is.

    Returns
    -------
    World
        Its assumptions.

    Raises
    ------
    PlanError
        If there is no such preset, or it is ``"confounded"``, which is no world of this kind.

    Examples
    --------
    >>> load_world("site").cohort["people"]
    100
    """
    if isinstance(preset, World):
        return preset
    if preset not in PRESETS:
        raise PlanError(f'no synthetic preset "{preset}".{did_you_mean(preset, PRESETS)}')
    if preset == "confounded":
        raise PlanError(
            'the preset "confounded" has no severity and no calibrated world. Draw it with '
            "synthetic_study, confounded_tables or draw_confounded; its true values are made by "
            "confounded_truth."
        )
    values = tomllib.loads(_text("drive_pilot.toml"))
    if tuple(values.pop("abuse_types")) != ABUSE_TYPES.codes:
        raise PlanError("drive_pilot.toml lists other abuse types than the code list abuse_types.")
    if preset == "site":
        values["cohort"] = {**values["cohort"], **_SITE}
    if preset == "national":
        larger = tomllib.loads(_text("national.toml"))
        values |= {part: {**values[part], **changed} for part, changed in larger.items()}
    return World(name=preset, **values)


def _text(name: str) -> str:
    return resources.files(__package__ or "").joinpath(name).read_text(encoding="utf-8")
