"""Sets of changes that may be the culprit, and which of them a candidate or a prefix of changes contains."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matrix.bisect.beliefs import Flags
from matrix.bisect.priors import NO_CULPRIT, SIZES
from matrix.designs.rates import Floats

_MOST = 5_000
"""Sets that are weighed at once, if some are larger than two."""
_MOST_PAIRS = 50_000
"""And if none is: without its pairs listed, a pair is found late."""
_LARGEST = 4
"""Changes in a set that is listed for its size; of larger ones, only the whole of what froze is weighed."""


class Culprits:
    """
    "No culprit", then all small sets of changes, and the whole of a set that is known to freeze.

    More, and larger, sets are listed of the changes in the latter, so that the list suits what is still open.
    """

    def __init__(
        self, changes: int, frozen: Collection[int], needs: Mapping[int, Collection[int]] | None = None
    ) -> None:
        """
        :param changes: how many there are; a set is of their numbers.
        :param frozen: changes that together are known, or said, to freeze.
        :param needs: of some changes, those without which they can't be made. A set that has both is left out: no
            candidate tells it from the set without what is needed.
        """
        self._changes = changes
        inner = sorted(frozen)
        large, larger = _largest(changes), _largest(len(inner))
        groups = [_sets(changes, size) for size in range(1, large + 1)]
        groups += [np.array(inner)[_sets(len(inner), size)] for size in range(large + 1, larger + 1)]
        if needs:
            groups = [_without_needed(sets, changes, needs) for sets in groups]
        width = len(groups)
        rows = [np.full((1, width), changes)]
        prior = [np.array([NO_CULPRIT])]
        for size, sets in enumerate(groups, start=1):
            rows.append(np.pad(sets, ((0, 0), (0, width - size)), constant_values=changes))
            prior.append(np.full(len(sets), _each(size, changes)))
        self._members: NDArray[np.int64] = np.ascontiguousarray(np.concatenate(rows).T)
        # Shape (places, sets): one place after the other is quicker than set by set.
        # One more, larger than any that is listed.
        needed = {other for one in inner for other in (needs or {}).get(one, ())}
        whole = [one for one in inner if one not in needed]
        self._whole = np.array(whole if len(whole) > width else [], dtype=np.int64)
        if len(self._whole):
            prior.append(np.array([_each(len(whole), changes)]))
        self.prior: Floats = np.concatenate(prior)
        """Of each, shape (sets,); any sum."""

    def __len__(self) -> int:
        return len(self.prior)

    def of(self, number: int) -> frozenset[int]:
        """The changes in the set of this number; none in the first."""
        if number == self._members.shape[1]:
            return frozenset(self._whole.tolist())
        return frozenset(at for at in self._members[:, number].tolist() if at < self._changes)

    def inside(self, candidate: Iterable[int]) -> Flags:
        """Which sets the candidate contains, shape (sets,)."""
        has = np.zeros(self._changes + 1, dtype=np.bool_)
        has[list(candidate)] = True
        has[self._changes] = True
        inside = np.logical_and.reduce(has[self._members])
        return np.append(inside, has[self._whole].all()) if len(self._whole) else inside

    def prefixes(self, order: NDArray[np.intp], among: NDArray[np.intp]) -> NDArray[np.int64]:
        """
        For some sets, the shortest prefix of the changes in this order that contains it; shape (some sets,).

        :param order: all changes' numbers.
        :param among: which sets; increasing.
        """
        rank = np.zeros(self._changes + 1, dtype=np.int64)
        rank[order] = np.arange(1, self._changes + 1)
        if among[-1] < self._members.shape[1]:
            return np.asarray(rank[self._members[:, among]].max(axis=0))
        return np.append(rank[self._members[:, among[:-1]]].max(axis=0), rank[self._whole].max())

    def guilt(self, probabilities: Floats) -> Floats:
        """Of each change the probability that it is in the culprit, shape (changes,)."""
        counted = self._members.shape[1]
        weights = np.tile(probabilities[:counted], len(self._members))
        guilt = np.bincount(self._members.ravel(), weights, minlength=self._changes + 1)[: self._changes]
        guilt[self._whole] += probabilities[counted:].sum()
        return np.asarray(guilt)


def _without_needed(sets: NDArray[np.int64], changes: int, needs: Mapping[int, Collection[int]]) -> NDArray[np.int64]:
    """Those in which no change needs another of the set; shape (sets, size)."""
    needed = np.zeros((changes, changes), dtype=np.bool_)
    for change, others in needs.items():
        needed[change, list(others)] = True
    either = needed | needed.T
    pairs = itertools.combinations(range(sets.shape[1]), 2)
    has_both = [either[sets[:, one], sets[:, other]] for one, other in pairs]
    return sets[~np.logical_or.reduce(has_both)] if has_both else sets


@lru_cache(maxsize=64)
def _sets(changes: int, size: int) -> NDArray[np.int64]:
    """All of one size, shape (sets, size)."""
    sets = itertools.combinations(range(changes), size)
    return np.fromiter(itertools.chain.from_iterable(sets), dtype=np.int64).reshape(-1, size)


def _each(size: int, changes: int) -> float:
    """Prior of one set, which is one of all sets of its size, those that are not listed among them."""
    beyond = size - len(SIZES)
    of_size = SIZES[size - 1] if beyond <= 0 else SIZES[-1] / 2**beyond
    return (1 - NO_CULPRIT) * of_size / math.comb(changes, size)


def _largest(changes: int) -> int:
    """How large sets can be for all of them to be listed."""
    total, size = 0, 0
    while size < min(changes, _LARGEST):
        total += math.comb(changes, size + 1)
        if total > (_MOST if size >= 2 else _MOST_PAIRS):
            break
        size += 1
    return max(size, 1)
