"""Few cells that between them try each combination of any t factors' levels: a covering array."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import covertable
import numpy as np

from matrix.designs.full import FullDesign
from matrix.designs.interface import Allowed, Assignment, always
from matrix.designs.shrinking import shrink
from matrix.designs.tuples import Rows, Tuples
from matrix.plan.parameters import Level


@dataclass(frozen=True)
class CoveringDesign:
    """
    Tries each combination of ``strength`` levels that some allowed assignment has.

    covertable draws the array up. What is not allowed is taken out, what is then missing is added, and what can be
    spared is searched for, which saves another tenth.
    """

    strength: int = 2

    def __post_init__(self) -> None:
        """:raises ValueError: the strength is below 1."""
        if self.strength < 1:
            raise ValueError(f"a covering design of strength {self.strength}; it is at least 1, and 2 for pairs")

    def assignments(self, factors: Mapping[str, Sequence[Level]], allowed: Allowed = always) -> Iterator[Assignment]:
        """See :meth:`matrix.designs.interface.Design.assignments`."""
        if self.strength >= len(factors):
            yield from FullDesign().assignments(factors, allowed)
            return
        space = _Space(factors, allowed)
        tuples = Tuples.of(space.sizes, self.strength)
        drawn = covertable.make([list(range(size)) for size in space.sizes], strength=self.strength)
        covering = _completed([row for row in drawn if space.possible(row)], tuples, space)
        rows = shrink(covering, tuples, space.possible)
        if allowed is always and len(rows):
            # Renaming levels keeps an array covering: let it hold the ordinary cell.
            first = rows[0].copy()
            rows = np.where(rows == first, 0, np.where(rows == 0, first, rows))
        for row in sorted(rows.tolist()):
            yield space.assignment(row)


class _Space:
    """Assignments as lists of the numbers of their levels; None is a level that is still open."""

    def __init__(self, factors: Mapping[str, Sequence[Level]], allowed: Allowed) -> None:
        self._factors = factors
        self.sizes = [len(levels) for levels in factors.values()]
        self._allowed = lru_cache(maxsize=100_000)(lambda row: allowed(self.assignment(row)))
        self._all = allowed is always

    def assignment(self, row: Sequence[int | None]) -> dict[str, Level]:
        return {
            name: levels[at] for (name, levels), at in zip(self._factors.items(), row, strict=True) if at is not None
        }

    def possible(self, row: Sequence[int | None]) -> bool:
        return self._all or bool(self._allowed(tuple(row)))

    def completion(self, row: Sequence[int | None]) -> list[int] | None:
        """A whole allowed row that contains this one; None if there is none."""
        if not self.possible(row):
            return None
        # The open factor with the fewest levels left first: what can't work out shows early.
        fewest: list[list[int | None]] | None = None
        for factor, at in enumerate(row):
            if at is None:
                tries = [[*row[:factor], level, *row[factor + 1 :]] for level in range(self.sizes[factor])]
                tries = [each for each in tries if self.possible(each)]
                if fewest is None or len(tries) < len(fewest):
                    fewest = tries
        if fewest is None:
            return [at for at in row if at is not None]
        return next((found for each in fewest if (found := self.completion(each)) is not None), None)


def _completed(rows: list[list[int]], tuples: Tuples, space: _Space) -> Rows:
    """With rows for each combination that is possible and in none of them yet."""
    width = len(space.sizes)
    counts = tuples.counts(np.array(rows, dtype=np.int64).reshape(-1, width))
    for number in range(len(tuples)):
        if counts[number]:
            continue
        levels = tuples.levels(number)
        row = space.completion([levels.get(factor) for factor in range(width)])
        if row is not None:
            rows.append(row)
            counts += tuples.counts(np.array([row]))
    return np.array(rows, dtype=np.int64).reshape(-1, width)
