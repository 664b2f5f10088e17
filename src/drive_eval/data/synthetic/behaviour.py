"""The latent-severity model: how severe abuse is, and what each reporter says of it.

Severity of one abuse type towards one victim-survivor at one time is a normal variable,
the sum of a lasting trait, a part of the enrolment, a part of the relationship and noise of
the occasion, each correlated across the four types. Cut-points make it none, standard,
moderate or high. People are seen because they were referred at a peak: the standardised
total at intake, towards the first victim-survivor, exceeds a cut, give or take some noise.
That makes severity fall afterwards with no programme at all.

Only uniform streams are drawn, which NumPy keeps the same on every version and machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from drive_eval.data.synthetic.world import World

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = ["Behaviour", "Earlier", "Stream", "draw_behaviour", "rereferred"]

_SMALLEST = 2.0**-54  # a uniform of exactly 0 would be minus infinity
_MOST_VICTIMS = 3


@dataclass(frozen=True, slots=True)
class Stream:
    """A source of normal and uniform draws, alike within people if asked.

    Attributes
    ----------
    rng : numpy Generator
        Where the uniforms come from.
    rows_per_person : int
        Consecutive rows that belong to one person.
    correlation : float
        Correlation of the normals of two rows of one person. Each row by itself has the
        same distribution whatever the correlation, and so the same population values.
    """

    rng: np.random.Generator
    rows_per_person: int = 1
    correlation: float = 0.0

    def normal(self, rows: int, columns: int, slot: tuple[Ints, Ints] | None = None) -> Floats:
        """Draw normals; `slot` gives row and position within it where rows are finer."""
        own = _normal(self.rng, (rows, columns))
        if self.rows_per_person == 1 or self.correlation == 0:
            return own
        case, position = slot if slot is not None else (np.arange(rows), np.zeros(rows, int))
        group = (case // self.rows_per_person) * _MOST_VICTIMS + position
        shared = _normal(self.rng, (int(group.max()) + 1, columns))[group]
        mixed: Floats = np.sqrt(self.correlation) * shared + np.sqrt(1 - self.correlation) * own
        return mixed

    def uniform(self, rows: int, slot: tuple[Ints, Ints] | None = None) -> Floats:
        """Draw uniforms between 0 and 1."""
        if self.rows_per_person == 1 or self.correlation == 0:
            return np.maximum(self.rng.random(rows), _SMALLEST)
        return np.maximum(ndtr(self.normal(rows, 1, slot)[:, 0]), _SMALLEST)


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    uniform = rng.random(shape)
    np.maximum(uniform, _SMALLEST, out=uniform)
    return ndtri(uniform, out=uniform)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier enrolment of the same people leaves behind.

    Attributes
    ----------
    trait : array, one row a case, one column a type
        The lasting part.
    same_victim : bool array
        Whether the first victim-survivor is the same as before.
    dyad : array
        The part of that relationship; read where `same_victim`.
    """

    trait: Floats
    same_victim: Bools
    dyad: Floats


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Latent severity of a set of cases, before any arm has an effect.

    Attributes
    ----------
    owner : int array, one a dyad
        Position of the dyad's case; dyads of a case are consecutive.
    first : int array, one a case
        Position of the dyad of the first victim-survivor.
    position : int array, one a dyad
        0 for the first victim-survivor of a case.
    supported : bool array, one a dyad
        Whether an IDVA supports, and so reports on, the victim-survivor.
    value : dict of arrays, time point to dyads by types
        Latent severity.
    idva_error, manager_error : dict of arrays
        Noise of the reports, by dyad and by case.
    trait, dyad : arrays
        The lasting parts, by case and by dyad.
    """

    world: World
    owner: Ints
    first: Ints
    position: Ints
    supported: Bools
    value: dict[str, Floats]
    idva_error: dict[str, Floats]
    manager_error: dict[str, Floats]
    trait: Floats
    dyad: Floats

    def total(self, time_point: str, arm: str) -> Floats:
        """Return the standardised true total towards the first victim-survivor, by case."""
        _, _, spread = _geometry(self.world)
        seen = self.value[time_point][self.first].sum(axis=1)
        total: Floats = (seen - self.world.effect_at(arm, time_point).sum()) / spread
        return total

    def severity(self, time_point: str, arm: str, reporter: str, unit: str) -> NDArray[np.int8]:
        """Return severity, 0 none to 3 high, one column a type.

        Parameters
        ----------
        time_point, arm : str
            When, and which arm's effect is applied.
        reporter : {'idva', 'case_manager', 'latent'}
            Who says so; ``latent`` is the behaviour itself, towards every victim-survivor.
        unit : {'case', 'dyad'}
            A case takes its worst dyad. IDVA dyads are the supported ones only; a case
            manager reports on cases only.
        """
        effect = self.world.effect_at(arm, time_point)
        value = self.value[time_point]
        if reporter == "case_manager":
            manager = self.world.reporters["case_manager"]["under_report"][time_point]
            worst = np.maximum.reduceat(value, self.first, axis=0)
            return self._graded(worst + self.manager_error[time_point], effect + manager)
        if reporter == "idva":
            seen = value + self.idva_error[time_point]
            shift = effect + self.world.reporters["idva"]["under_report"][time_point]
            if unit == "dyad":
                return self._graded(seen[self.supported], shift)
            seen[~self.supported] = -np.inf
            return self._graded(np.maximum.reduceat(seen, self.first, axis=0), shift)
        if unit == "dyad":
            return self._graded(value, effect)
        return self._graded(np.maximum.reduceat(value, self.first, axis=0), effect)

    def _graded(self, value: Floats, shift: Floats | float) -> NDArray[np.int8]:
        cuts = self.world.cut_points() + np.broadcast_to(shift, 4)[:, None]
        grade: NDArray[np.int8] = (value > cuts[:, 0]).astype(np.int8)
        grade += value > cuts[:, 1]
        grade += value > cuts[:, 2]
        return grade


def _geometry(world: World) -> tuple[Floats, Floats, float]:
    """Return the root of the correlation matrix, the pull of the total on each type, its SD."""
    correlation = np.asarray(world.latent["correlation"], dtype=float)
    spread = float(np.sqrt(correlation.sum()))
    return np.linalg.cholesky(correlation), correlation.sum(axis=1) / spread, spread


def draw_behaviour(
    world: World,
    stream: Stream,
    cases: int,
    times: Sequence[str],
    *,
    reporters: Sequence[str] = ("idva", "case_manager"),
    earlier: Earlier | None = None,
) -> Behaviour:
    """Draw the latent severity and the reporters' errors of cases that were referred.

    Parameters
    ----------
    world : World
        The assumptions.
    stream : Stream
        The source of randomness.
    cases : int
        How many.
    times : sequence of str
        Time points to draw, beginning with ``intake``.
    reporters : sequence of str
        Whose errors to draw.
    earlier : Earlier, optional
        What is left of an earlier enrolment; drawn anew if None.

    Returns
    -------
    Behaviour
        One row a case, and one a dyad.

    Notes
    -----
    Referral at a peak is exact and wastes no draw: everything is drawn unconditionally, the
    total is drawn again above the cut, and each part takes its regression share of the
    difference. For jointly normal parts that is the conditional distribution.
    """
    root, pull, spread = _geometry(world)
    share = world.latent
    counts = 1 + np.searchsorted(
        np.cumsum(world.people["victims"])[:-1], stream.uniform(cases), side="right"
    )
    owner = np.repeat(np.arange(cases), counts)
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    position = np.arange(len(owner)) - first[owner]
    slot = (owner, position)
    dyads = len(owner)

    def part(rows: int, variance: float, where: tuple[Ints, Ints] | None = None) -> Floats:
        drawn: Floats = stream.normal(rows, 4, where) @ (np.sqrt(variance) * root.T)
        return drawn

    supported = (stream.uniform(dyads, slot) < world.people["supported_share"]) | (position == 0)
    trait = part(cases, share["person"]) if earlier is None else earlier.trait.copy()
    dyad = part(dyads, share["dyad"], slot)
    if earlier is not None:
        dyad[first] = np.where(earlier.same_victim[:, None], earlier.dyad, dyad[first])
    lasting = (trait + part(cases, share["enrolment"]))[owner] + dyad
    value = {
        time: lasting
        + part(cases, share["case_occasion"])[owner]
        + part(dyads, share["dyad_occasion"], slot)
        for time in times
    }

    # What is free to differ given the past, and what the past already says of the total.
    free_person = np.full(cases, share["person"] if earlier is None else 0.0)
    free_dyad = np.full(cases, share["dyad"])
    known = np.zeros(cases)
    if earlier is not None:
        free_dyad[earlier.same_victim] = 0.0
        known = (earlier.trait + np.where(earlier.same_victim[:, None], earlier.dyad, 0)).sum(1)
        known = known / spread
    free = (
        free_person
        + free_dyad
        + share["enrolment"]
        + share["case_occasion"]
        + share["dyad_occasion"]
        + share["referral_noise"]
    )
    above = (known - world.latent["referral_cut"]) / np.sqrt(free)
    total = known - np.sqrt(free) * ndtri(stream.uniform(cases) * ndtr(above))
    unconditional = value["intake"][first].sum(axis=1) / spread
    unconditional += np.sqrt(share["referral_noise"]) * stream.normal(cases, 1)[:, 0]
    missing = (total - unconditional) / free

    trait += (free_person * missing)[:, None] * pull
    towards_first = (free_dyad * missing)[:, None] * pull
    dyad[first] += towards_first
    everywhere = (((free_person + share["enrolment"]) * missing)[:, None] * pull)[owner]
    everywhere[first] += towards_first
    for time in times:
        value[time] += everywhere
    value["intake"] += ((share["case_occasion"] * missing)[:, None] * pull)[owner]
    value["intake"][first] += (share["dyad_occasion"] * missing)[:, None] * pull

    common = world.reporters["shared_error"]
    idva_error: dict[str, Floats] = {}
    manager_error: dict[str, Floats] = {}
    for time in times:
        both = np.sqrt(common) * stream.normal(cases, 4)
        if "idva" in reporters:
            own = np.sqrt(1 - common) * stream.normal(dyads, 4, slot)
            idva_error[time] = world.reporters["idva"]["noise"] * (both[owner] + own)
        if "case_manager" in reporters:
            own = np.sqrt(1 - common) * stream.normal(cases, 4)
            manager_error[time] = world.reporters["case_manager"]["noise"] * (both + own)
    return Behaviour(
        world=world,
        owner=owner,
        first=first,
        position=position,
        supported=supported,
        value=value,
        idva_error=idva_error,
        manager_error=manager_error,
        trait=trait,
        dyad=dyad,
    )


def rereferred(world: World, rng: np.random.Generator, total_at_exit: Floats) -> Ints:
    """Who comes back? Positions of the cases, more often those who did worse."""
    level, slope = world.people["rereferral_level"], world.people["rereferral_slope"]
    return np.flatnonzero(rng.random(len(total_at_exit)) < ndtr(level + slope * total_at_exit))
