"""How the constants of the preset were found, so that anybody can find them again.

Shifting a latent variable moves a prevalence to any wanted value, so every constant is a
quantile of one large draw and nothing is searched for.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from drive_eval.data.synthetic.behaviour import Stream, draw_behaviour
from drive_eval.vocabulary import ABUSE_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from drive_eval.data.synthetic.world import World

__all__ = ["TARGETS", "Targets", "calibrate"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Targets:
    """What the IDVA's reports must show, by person, in first enrolments, exits complete.

    Attributes
    ----------
    users_at_intake : mapping of abuse type to proportion
        Nobody published these: assumed.
    programme_reduction : mapping of abuse type to percent
        Published: fall in the number of users, programme arm.
    comparison_reduction : mapping of abuse type to percent
        Nobody published these: assumed.
    perceived_change : tuple of three proportions
        Programme arm, cumulative: significant reduction (assumed); significant or moderate
        reduction (published); not an increase (assumed).
    """

    users_at_intake: Mapping[str, float]
    programme_reduction: Mapping[str, float]
    comparison_reduction: Mapping[str, float]
    perceived_change: tuple[float, float, float]


TARGETS = Targets(
    users_at_intake={
        "physical": 0.66,
        "sexual": 0.27,
        "harassment_stalking": 0.72,
        "jealous_controlling": 0.86,
    },
    programme_reduction={
        "physical": 82.0,
        "sexual": 88.0,
        "harassment_stalking": 75.0,
        "jealous_controlling": 73.0,
    },
    comparison_reduction={
        "physical": 40.0,
        "sexual": 45.0,
        "harassment_stalking": 36.0,
        "jealous_controlling": 30.0,
    },
    perceived_change=(0.52, 0.82, 0.96),
)


def calibrate(
    world: World,
    targets: Targets = TARGETS,
    *,
    seed: int = 20161,
    people: int = 4_000_000,
    progress: Callable[[int, int], None] | None = None,
) -> World:
    """Which cut-points and effects make the reporters say what was published?

    Parameters
    ----------
    world : World
        Gives everything but the constants that are found.
    targets : Targets
        What the IDVA's reports must show.
    seed : int
        Seed of the draw; another one moves the constants within Monte Carlo error.
    people : int
        People drawn.
    progress : callable, optional
        Called with the chunks done and the chunks to do.

    Returns
    -------
    World
        The same world with ``severity.standard``, ``effect.programme``,
        ``effect.usual_care`` and ``perceived_change.cuts`` set, to four decimals.

    Notes
    -----
    Let M be the worst supported dyad's latent severity with the IDVA's error, u his
    under-reporting and p the wanted share of users at intake. The cut-point is the 1 − p
    quantile of M at intake, less u; the effect that leaves q users is the 1 − q quantile of
    M at exit without an effect, less u and the cut-point, turned round.
    """
    types = ABUSE_TYPES.codes
    bare = world.with_effects(programme=0, usual_care=0)
    rng = np.random.default_rng(seed)
    size = 100_000
    chunks = -(-people // size)
    reported: dict[str, list[NDArray[np.float32]]] = {"intake": [], "exit": []}
    change = []
    for chunk in range(chunks):
        drawn = draw_behaviour(bare, Stream(rng), size, ("intake", "exit"), reporters=("idva",))
        for time, kept in reported.items():
            seen = drawn.value[time] + drawn.idva_error[time]
            seen[~drawn.supported] = -np.inf
            kept.append(np.maximum.reduceat(seen, drawn.first, axis=0).astype(np.float32))
        noise = world.perceived_change["noise"] * Stream(rng).normal(size, 1)[:, 0]
        fall = drawn.total("exit", "comparison") - drawn.total("intake", "comparison")
        change.append((fall + noise).astype(np.float32))
        if progress is not None:
            progress(chunk + 1, chunks)
    at = {time: np.concatenate(parts) for time, parts in reported.items()}

    def quantiles(time: str, users: NDArray[np.float64]) -> NDArray[np.float64]:
        found = [np.quantile(at[time][:, k], 1 - users[k]) for k in range(len(types))]
        return np.asarray(found) - float(world.reporters["idva"]["under_report"][time])

    users = np.array([targets.users_at_intake[name] for name in types])
    standard = np.round(quantiles("intake", users), 4)
    effect = dict(world.effect)
    for arm, falls in (
        ("programme", targets.programme_reduction),
        ("usual_care", targets.comparison_reduction),
    ):
        left = users * (1 - np.array([falls[name] for name in types]) / 100)
        effect[arm] = np.round(quantiles("exit", left) - standard, 4).tolist()
    spread = np.sqrt(np.asarray(world.latent["correlation"]).sum())
    shift = sum(effect["programme"]) * world.effect["share"]["exit"] / spread
    cuts = np.quantile(np.concatenate(change), targets.perceived_change) - shift
    return dataclasses.replace(
        world,
        severity={**world.severity, "standard": standard.tolist()},
        effect=effect,
        perceived_change={**world.perceived_change, "cuts": np.round(cuts, 4).tolist()},
    )
