"""Newton's method for partial likelihoods, and what it cannot do, by the covariates' names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from drive_eval.errors import DesignError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Array: TypeAlias = NDArray[np.float64]

_STEPS = 30
#: The widest range of the linear predictor: hazards that differ by a factor of 10¹³⁰, whose
#: squares can still be written down. No data have it unless the likelihood has no maximum.
FARTHEST = 300.0
_SETTLED = 1e-8  # in standard deviations of the covariates; the last step is still taken
_NO_SPREAD, _FOLLOWS = 1e-10, 1e-8
_RISING = 1e-3  # a covariate is named as diverging if its step is this share of the largest


class Likelihood(Protocol):
    """What is known of a likelihood at one value of its coefficients."""

    @property
    def beta(self) -> Array: ...
    @property
    def loglik(self) -> float: ...
    @property
    def score(self) -> Array: ...


L = TypeVar("L", bound=Likelihood)


@dataclass(frozen=True, slots=True, kw_only=True)
class Top(Generic[L]):
    """Where Newton's method ended: the point, its information, the last step, how many."""

    point: L
    information: Array
    step: Array
    steps: int
    settled: bool


def climb(
    point: L, info: Array, evaluate: Callable[[Array], L], inform: Callable[[L], Array]
) -> Top[L]:
    """Climb to the maximum; not settled if the likelihood goes on rising without end."""
    step = np.zeros_like(point.beta)
    for steps in range(1, _STEPS + 1):
        try:
            step = linalg.solve(info, point.score, assume_a="pos")
        except linalg.LinAlgError:
            break  # flat where it still rises
        if np.abs(step).max() < _SETTLED:
            return Top(point=point, information=info, step=step, steps=steps, settled=True)
        higher = _uphill(point, step, evaluate)
        if higher is None:
            break
        point = higher
        info = inform(point)
    return Top(point=point, information=info, step=step, steps=_STEPS, settled=False)


def _uphill(point: L, step: Array, evaluate: Callable[[Array], L]) -> L | None:
    """Take a Newton step, or as much of it as raises the likelihood."""
    slack = 1e-12 * abs(point.loglik)
    for _ in range(30):
        found = evaluate(point.beta + step)
        if found.loglik >= point.loglik - slack:
            return found
        step = step / 2
    return None


def no_maximum(top: Top[L], names: Sequence[str]) -> str:
    """Say which covariates the likelihood rises with for ever."""
    rising = np.abs(top.step) > _RISING * np.abs(top.step).max()
    said = ", ".join(name for name, r in zip(names, rising, strict=True) if r)
    return (
        f"the partial likelihood has no maximum: it goes on rising with the size of {said}, which "
        "foretells without error who has the event next (monotone likelihood). No hazard ratio "
        "exists; use fewer covariates, or merge small levels."
    )


def refuse_unidentified(info: Array, events: float, names: Sequence[str]) -> None:
    """Refuse covariates that do not differ at risk, or that follow from the others."""
    flat = [n for n, s in zip(names, np.diag(info) / events, strict=True) if s < _NO_SPREAD]
    if flat:
        differ, them = ("differs", "it") if len(flat) == 1 else ("differ", "them")
        raise DesignError(
            f"{', '.join(flat)} never {differ} between rows that are at risk at the same event "
            f"(of the same stratum), so no hazard ratio can be told. Leave {them} out."
        )
    size = np.sqrt(np.diag(info))
    like = info / np.outer(size, size)
    if np.linalg.eigvalsh(like)[0] > _NO_SPREAD:
        return
    _, r, order = linalg.qr(like, mode="economic", pivoting=True)
    spare = [names[i] for i, s in zip(order, np.abs(np.diag(r)), strict=True) if s < _FOLLOWS]
    raise DesignError(
        f"among rows at risk together, {', '.join(spare)} follow from the other covariates. "
        "Leave them out, or merge small levels."
    )
