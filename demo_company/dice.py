"""Seeded random numbers, in whole numbers only.

Belongs here: drawing numbers. Does not belong here: what they mean.
Floating point is avoided on purpose: sums and logarithms of floats may differ in the last bit between machines, and the
files must not differ.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np

from demo_company.clock import IntArray

_STEPS = 4_096
_MILLIONTHS = 1_000_000
_WAITS = np.array([round(-_MILLIONTHS * math.log(1 - (step + 0.5) / _STEPS)) for step in range(_STEPS)])
"""Quantiles of the exponential distribution with mean 1, in millionths."""


class Dice:
    """An independent random stream per (seed, topic), so that the draws of one topic never shift those of another."""

    def __init__(self, seed: int, topic: str) -> None:
        self._rng = np.random.default_rng([seed, zlib.crc32(topic.encode())])

    def below(self, limit: int, size: int) -> IntArray:
        """`size` numbers from 0 to limit - 1, all equally likely."""
        return self._rng.integers(0, limit, size=size, dtype=np.int64)

    def between(self, low: int, high: int, size: int) -> IntArray:
        """`size` numbers from low to high, both included."""
        return low + self.below(high - low + 1, size)

    def below_each(self, limits: IntArray) -> IntArray:
        """For each limit, a number from 0 to limit - 1 (limits up to 2**31)."""
        return (self.below(1 << 31, len(limits)) * limits) >> 31

    def chance(self, per_mille: int | IntArray, size: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """`size` yes/no answers, of which `per_mille` in a thousand are yes."""
        answer: np.ndarray[tuple[int], np.dtype[np.bool_]] = self.below(1_000, size) < per_mille
        return answer

    def weighted(self, weights: Sequence[int] | IntArray, size: int) -> IntArray:
        """`size` positions in `weights`, each with a likelihood in proportion to its weight."""
        edges = np.cumsum(np.asarray(weights, dtype=np.int64))
        return np.searchsorted(edges, self.below(int(edges[-1]), size), side="right").astype(np.int64)

    def waiting(self, mean: int | IntArray, size: int) -> IntArray:
        """`size` exponentially distributed waiting times in the unit of `mean`. The longest is nine times the mean."""
        times: IntArray = mean * _WAITS[self.below(_STEPS, size)] // _MILLIONTHS
        return times

    def order(self, size: int) -> IntArray:
        """The positions 0 to size - 1 in random order."""
        return np.argsort(self.below(1 << 62, size), kind="stable").astype(np.int64)
