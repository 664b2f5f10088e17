"""Products of long and narrow arrays, a few thousand rows at a time.

A block of that size stays in the cache, and its product is too small for the threads of the
linear algebra library, which on a busy machine wait for each other far longer than it takes:
a cross product of a million rows took 25 ms in blocks and up to a second at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

Array: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]

BLOCK = 1 << 11


def blocks(n: int) -> Iterator[slice]:
    """Yield the rows of each block."""
    for begin in range(0, n, BLOCK):
        yield slice(begin, begin + BLOCK)


def cross(a: Array, by: Array, b: Array) -> Array:
    """Return Σ by · a b′ over rows."""
    found = np.zeros((a.shape[1], b.shape[1]))
    for rows in blocks(len(by)):
        found += (a[rows] * by[rows, None]).T @ b[rows]
    return found


def total(by: Array, a: Array) -> Array:
    """Return Σ by · a over rows."""
    found = np.zeros(a.shape[1])
    for rows in blocks(len(by)):
        found += by[rows] @ a[rows]
    return found


def times(a: Array, beta: Array) -> Array:
    """Return a · β by row; β may be a vector or a matrix."""
    found = np.empty((len(a), *beta.shape[1:]))
    for rows in blocks(len(a)):
        np.dot(a[rows], beta, out=found[rows])
    return found


def inner(a: Array | Counts, b: Array) -> float:
    """Return Σ a · b of two vectors."""
    return float((a * b).sum())
