"""Sets of changes that may be the culprit, and which of them a candidate or a prefix of changes contains."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from matrix.bisect.beliefs import Flags
from matrix.bisect.priors import NO_CULPRIT, SIZES
from matrix.designs.rates import Floats

_MOST = 50_000
"""Sets that are weighed at once."""
_LARGEST = 4
"""Changes in a set that is listed for its size; of larger ones, only the whole of what is known to freeze is weighed."""


class Culprits:
    """
    "No culprit", then all small sets of changes, and the whole of a set that is known to freeze.

    More, and larger, sets are listed of the changes in the latter, so that the list suits what is still open.
    """

    def __init__(self, changes: int, frozen: Collection[int]) -> None:
        """
        :param changes: how many there are; a set is of their numbers.
        :param frozen: changes that together are known, or said, to freeze.
        """
        self._changes = changes
        inner = sorted(frozen)
        large, larger = _largest(changes), _largest(len(inner))
        groups = [itertools.combinations(range(changes), size) for size in range(1, large + 1)]
        groups += [itertools.combinations(inner, size) for size in range(large + 1, larger + 1)]
        width = len(groups)
        rows = [np.full((1, width), changes)]
        prior = [np.array([NO_CULPRIT])]
        for size, group in enumerate(groups, start=1):
            sets = np.array(list(group), dtype=np.int64).reshape(-1, size)
            rows.append(np.pad(sets, ((0, 0), (0, width - size)), constant_values=changes))
            prior.append(np.full(len(sets), _each(size, changes)))
        self._members: NDArray[np.int64] = np.concatenate(rows)
        # One more, larger than any that is listed.
        self._whole = np.array(inner if len(inner) > width else [], dtype=np.int64)
        if len(self._whole):
            prior.append(np.array([_each(len(inner), changes)]))
        self.prior: Floats = np.concatenate(prior)
        """Of each, shape (sets,); any sum."""

    def __len__(self) -> int:
        return len(self.prior)

    def of(self, number: int) -> frozenset[int]:
        """The changes in the set of this number; none in the first."""
        if number == len(self._members):
            return frozenset(self._whole.tolist())
        return frozenset(at for at in self._members[number].tolist() if at < self._changes)

    def inside(self, candidate: Iterable[int]) -> Flags:
        """Which sets the candidate contains, shape (sets,)."""
        has = np.zeros(self._changes + 1, dtype=np.bool_)
        has[list(candidate)] = True
        has[self._changes] = True
        inside = has[self._members].all(axis=1)
        return np.append(inside, has[self._whole].all()) if len(self._whole) else inside

    def prefixes(self, order: NDArray[np.intp]) -> NDArray[np.int64]:
        """
        For each set, the shortest prefix of the changes in this order that contains it; shape (sets,).

        :param order: all changes' numbers.
        """
        rank = np.zeros(self._changes + 1, dtype=np.int64)
        rank[order] = np.arange(1, self._changes + 1)
        shortest = rank[self._members].max(axis=1)
        return np.append(shortest, rank[self._whole].max()) if len(self._whole) else shortest

    def guilt(self, probabilities: Floats) -> Floats:
        """Of each change the probability that it is in the culprit, shape (changes,)."""
        counted = len(self._members)
        weights = np.repeat(probabilities[:counted], self._members.shape[1])
        guilt = np.bincount(self._members.ravel(), weights, minlength=self._changes + 1)[: self._changes]
        guilt[self._whole] += probabilities[counted:].sum()
        return np.asarray(guilt)


def _each(size: int, changes: int) -> float:
    """Prior of one set, which is one of all sets of its size, those that are not listed among them."""
    beyond = size - len(SIZES)
    of_size = SIZES[size - 1] if beyond <= 0 else SIZES[-1] / 2**beyond
    return (1 - NO_CULPRIT) * of_size / math.comb(changes, size)


def _largest(changes: int) -> int:
    """How large sets can be for all of them to be listed."""
    total, size = 0, 0
    while size < min(changes, _LARGEST) and total + math.comb(changes, size + 1) <= _MOST:
        size += 1
        total += math.comb(changes, size)
    return max(size, 1)
