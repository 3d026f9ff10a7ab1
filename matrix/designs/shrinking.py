"""
Fewer rows that cover the same.

A tabu search after Nurmela, "Upper bounds for covering arrays by tabu search" (2004): take the row away that is needed
least, then write what is not covered any more into the row where that does the least harm, until all is covered again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from matrix.designs.tuples import Rows, Tuples

_WORK = 10_000_000
"""Combinations looked at before giving up, in all: a few seconds. Counted, for a clock would make it chance."""
_STEPS = 6_000
"""And the most steps, which for small arrays cost the same however small."""


def shrink(rows: Rows, tuples: Tuples, possible: Callable[[Sequence[int]], bool]) -> Rows:
    """
    Takes rows away as long as the others can be changed to cover all that the given ones cover.

    :param possible: whether a row may be tried.
    :return: as many rows or fewer; the same for the same input.
    """
    needed = tuples.counts(rows) > 0
    # No array is smaller than the combinations of one group of factors that it must show.
    least = int(np.add.reduceat(needed, tuples.starts[:-1]).max())
    random = np.random.default_rng(0)
    steps = min(_STEPS, _WORK // max(1, len(rows) * len(tuples.factors)))
    best = _without_idle_rows(rows, tuples)
    while len(best) > least and steps > 0:
        search = _Search(_without_least(best, tuples), tuples, needed, possible, random)
        while search.uncovered.size and steps > 0:
            search.step()
            steps -= 1
        if search.uncovered.size:
            break
        best = _without_idle_rows(search.rows, tuples)
    return best


class _Search:
    def __init__(
        self,
        rows: Rows,
        tuples: Tuples,
        needed: NDArray[np.bool_],
        possible: Callable[[Sequence[int]], bool],
        random: np.random.Generator,
    ) -> None:
        self.rows = rows
        self._tuples = tuples
        self._needed = needed
        self._possible = possible
        self._random = random
        self._have = tuples.in_rows(rows)
        self._counts = tuples.counts(rows)
        self._step = 0
        self._tabu_until = np.zeros(len(rows), dtype=np.int64)
        self.uncovered = np.flatnonzero(needed & (self._counts == 0))
        """Numbers of the combinations that are needed and in no row."""

    def step(self) -> None:
        """Covers one more combination, whatever that uncovers."""
        self._step += 1
        wanted = self._tuples.levels(int(self._random.choice(self.uncovered)))
        changed = self.rows.copy()
        changed[:, list(wanted)] = list(wanted.values())
        have = self._tuples.in_rows(changed)
        differ = have != self._have
        lost = (differ & (self._counts[self._have] == 1)).sum(axis=1)
        won = (differ & self._needed[have] & (self._counts[have] == 0)).sum(axis=1)
        # Ties by chance; what was just written is left alone for a while, or the search would go round in circles.
        harm = lost - won + self._random.random(len(changed)) + 1_000 * (self._tabu_until > self._step)
        for row in np.argsort(harm):
            if self._possible(changed[row].tolist()):
                break
        else:
            return
        self._counts -= np.bincount(self._have[row], minlength=len(self._tuples))
        self._counts += np.bincount(have[row], minlength=len(self._tuples))
        self.rows[row], self._have[row] = changed[row], have[row]
        self._tabu_until[row] = self._step + self._random.integers(1, 2 + len(self.rows) // 4)
        self.uncovered = np.flatnonzero(self._needed & (self._counts == 0))


def _without_least(rows: Rows, tuples: Tuples) -> Rows:
    """Without the row that covers the fewest combinations that no other row covers."""
    alone = (tuples.counts(rows)[tuples.in_rows(rows)] == 1).sum(axis=1)
    return np.delete(rows, int(np.argmin(alone)), axis=0)


def _without_idle_rows(rows: Rows, tuples: Tuples) -> Rows:
    """Without rows that cover nothing alone."""
    while len(rows):
        alone = (tuples.counts(rows)[tuples.in_rows(rows)] == 1).sum(axis=1)
        if alone.min() > 0:
            break
        rows = np.delete(rows, int(np.argmin(alone)), axis=0)
    return rows
