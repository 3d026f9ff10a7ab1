"""Levels that are good each by itself, and that the training program refuses together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from matrix.plan.cells import Cell

Refuses = Callable[[Sequence[str]], "str | None"]
"""Why the training program would refuse these words; None if it takes them."""


def refused(cells: Iterable[Cell], factors: Sequence[str], refuses: Refuses) -> tuple[Cell, str] | None:
    """
    The first cell that could not run, and why.

    Of a design, a cell is looked at if it is the first with some two levels: what does not go together is nearly
    always two of them, and asking for each of 100,000 cells would take minutes.

    :param factors: names of the design's factors.
    """
    for cell in _first_of_pairs(cells, factors):
        if cell.command is None and (why := refuses(cell.arguments)):
            return cell, why
    return None


def _first_of_pairs(cells: Iterable[Cell], factors: Sequence[str]) -> Iterator[Cell]:
    seen: set[object] = set()
    for cell in cells:
        levels = [(name, cell.levels.get(name)) for name in factors]
        pairs = levels if len(levels) == 1 else itertools.combinations(levels, 2)
        new = [pair for pair in pairs if pair not in seen]
        if new or cell.why is not None:
            seen.update(new)
            yield cell
