"""Which combinations of t levels there are, numbered, and which of them rows cover."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
"""Assignments as the numbers of their levels, shape (rows, factors)."""


@dataclass(frozen=True)
class Tuples:
    """
    Every combination of levels of ``strength`` factors.

    Numbered through: first by which factors, then by their levels, the last of them fastest.
    """

    factors: NDArray[np.int64]
    """The factors of each group, shape (groups, strength)."""
    strides: NDArray[np.int64]
    """Number of the combination = starts + row @ strides, shape (factors, groups)."""
    starts: NDArray[np.int64]
    """The number at which each group begins, and after the last one the count of all, shape (groups + 1,)."""

    @classmethod
    def of(cls, sizes: Sequence[int], strength: int) -> Tuples:
        """
        :param sizes: how many levels each factor has.
        :param strength: at least 1, at most the number of factors.
        """
        groups = list(itertools.combinations(range(len(sizes)), strength))
        strides = np.zeros((len(sizes), len(groups)), dtype=np.int64)
        for at, group in enumerate(groups):
            for place, factor in enumerate(group):
                strides[factor, at] = math.prod(sizes[later] for later in group[place + 1 :])
        counts = [math.prod(sizes[factor] for factor in group) for group in groups]
        return cls(np.array(groups, dtype=np.int64), strides, np.concatenate([[0], np.cumsum(counts)]))

    def __len__(self) -> int:
        return int(self.starts[-1])

    def in_rows(self, rows: Rows) -> NDArray[np.int64]:
        """The combinations that each row has, one for each group, shape (rows, groups)."""
        return np.asarray(self.starts[:-1] + rows @ self.strides)

    def counts(self, rows: Rows) -> NDArray[np.int64]:
        """How many rows have each combination, shape (combinations,)."""
        return np.bincount(self.in_rows(rows).ravel(), minlength=len(self))

    def levels(self, number: int) -> dict[int, int]:
        """The combination of this number: factor to level."""
        group = int(np.searchsorted(self.starts, number, side="right")) - 1
        rest = number - int(self.starts[group])
        levels = {}
        for factor in map(int, self.factors[group]):
            levels[factor], rest = divmod(rest, int(self.strides[factor, group]))
        return levels
