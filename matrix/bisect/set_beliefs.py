"""
What is believed of small sets of units, and which candidates tell most of them.

A set of units is the culprit if candidates that have all of it freeze oftener. A candidate for the next run is, of
few units, any set of them; of more, the prefix of some order of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from matrix.bisect.beliefs import Beliefs, Flags
from matrix.bisect.subsets import Culprits
from matrix.designs.rates import Floats

Units = frozenset[int]

_FEW = 8
"""Units of which all sets are weighed as candidates."""
_ORDERS = 12
"""Of more, orders whose prefixes are weighed, for each suggestion."""
_KEPT = 3
"""The best prefixes of each order that are."""
_WEIGHED = 0.95
"""Prefixes are weighed by the sets that have this probability between them: of many unlikely ones, few matter."""


class SetBeliefs:
    """A posterior over "no culprit" and all small sets, listed anew whenever a smaller candidate froze."""

    def __init__(self, units: int, needs: Mapping[int, Units] | None = None) -> None:
        """
        :param units: how many there are; a set is of their numbers.
        :param needs: of some units, all those without which they can't be made.
        """
        self._units = units
        self._needs = needs or {}
        self.tallies: dict[Units, tuple[int, int]] = {}
        """Of each candidate how many runs froze, and how many passed."""
        self.frozen: Units = frozenset(range(units))
        """The smallest candidate that froze; at first all units, which are said to."""
        self._list_anew()

    def tell(self, made: Units, frozen: bool) -> None:
        """Takes in a run of one candidate."""
        freezes, passes = self.tallies.get(made, (0, 0))
        self.tallies[made] = (freezes + frozen, passes + (not frozen))
        if frozen and made and len(made) < len(self.frozen):
            self.frozen = made
            self._list_anew()
        else:
            self._beliefs.tell(self._inside(made), int(frozen), int(not frozen))

    @property
    def best(self) -> Units:
        """The most probable set; the empty one is "no culprit"."""
        return self._culprits.of(int(np.argmax(self._beliefs.probabilities)))

    @property
    def probability(self) -> float:
        """Of the best."""
        return float(self._beliefs.probabilities.max())

    @property
    def contradicted(self) -> bool:
        """Whether a run could not have ended so if the best is the culprit and freezes come every time."""
        return bool(self._beliefs.contradicted[int(np.argmax(self._beliefs.probabilities))] > 0)

    def most_probable(self, count: int) -> list[tuple[Units, float]]:
        """So many sets with their probabilities, the most probable first."""
        probabilities = self._beliefs.probabilities
        order = np.argsort(-probabilities, kind="stable")[:count]
        return [(self._culprits.of(int(at)), float(probabilities[at])) for at in order]

    def information(self, candidates: Sequence[Units]) -> dict[Units, float]:
        """What each of these candidates tells, in nats."""
        inside = np.array([self._inside(made) for made in candidates], dtype=np.float64)
        information = self._beliefs.information(lambda weights: np.asarray(inside @ weights))
        return dict(zip(candidates, information.tolist(), strict=True))

    def candidates(self, seed: int) -> dict[Units, float]:
        """
        Some that tell much, and what, in nats.

        :param seed: of the orders that are tried.
        """
        found = self._every() if self._units <= _FEW else self._prefixes(seed)
        if not self._needs:
            return found
        return self.information(list(dict.fromkeys(self.with_needed(made) for made in found)))

    def with_needed(self, made: Units) -> Units:
        """These units with those without which they can't be made."""
        return made.union(*(self._needs.get(unit, ()) for unit in made))

    def _every(self) -> dict[Units, float]:
        units = range(self._units)
        sizes = range(self._units + 1)
        return self.information([frozenset(made) for size in sizes for made in itertools.combinations(units, size)])

    def _prefixes(self, seed: int) -> dict[Units, float]:
        probabilities = self._beliefs.probabilities
        guilt = self._culprits.guilt(probabilities)
        falling = np.argsort(-probabilities, kind="stable")
        few = 1 + int(np.searchsorted(np.cumsum(probabilities[falling]), _WEIGHED))
        likely = np.sort(falling[:few])
        random = np.random.default_rng(seed)
        # The more guilty a unit, the earlier, likely: what is innocent is left out of most candidates.
        keys = random.exponential(size=(_ORDERS, self._units)) / (guilt + 0.02 / self._units)
        keys[0] = -guilt
        found: dict[Units, float] = {}
        for order in np.argsort(keys, axis=1, kind="stable"):
            shortest = self._culprits.prefixes(order, likely)
            information = self._beliefs.information(partial(_by_prefix, shortest, likely, self._units))
            for length in np.argsort(-information, kind="stable")[:_KEPT]:
                found.setdefault(frozenset(order[:length].tolist()), float(information[length]))
        return found

    def _list_anew(self) -> None:
        self._culprits = Culprits(self._units, self.frozen, self._needs)
        self._contains: dict[Units, Flags] = {}
        self._beliefs = Beliefs(self._culprits.prior)
        for made, (freezes, passes) in self.tallies.items():
            self._beliefs.tell(self._inside(made), freezes, passes)

    def _inside(self, made: Units) -> Flags:
        if made not in self._contains:
            self._contains[made] = self._culprits.inside(made)
        return self._contains[made]


def _by_prefix(shortest: NDArray[np.int64], likely: NDArray[np.intp], units: int, weights: Floats) -> Floats:
    """Sums over the likely sets that a prefix contains, for each length from 0."""
    return np.cumsum(np.bincount(shortest, weights[likely], minlength=units + 1))
