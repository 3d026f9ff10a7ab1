"""How many factors fit on a map of two axes, and which of them lie on which."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reports.pictures.canvas import width_of

Levels = Mapping[str, Sequence[str]]
Key = tuple[str, ...]

MARGIN, LABEL_GAP = 14.0, 10.0
_MOST_LABEL = 170.0
_LEAST_COLUMN, _MOST_COLUMN = 44.0, 96.0
_MAX_ROWS, _MAX_FACTORS, _MAX_LEVELS = 32, 4, 60
_FILLED = 0.4
"""A map of which less would be filled leaves out a factor."""


@dataclass(frozen=True)
class Pivot:
    """A map: factors down and across, outermost first, and the combinations of levels that are on it."""

    down: Key
    across: Key
    rows: tuple[Key, ...]
    columns: tuple[Key, ...]
    labels: tuple[float, ...]
    """Width of each column of labels, one for each factor that lies down."""
    column: float
    """Width of a column of cells."""

    @property
    def left(self) -> float:
        """Where the cells begin."""
        return MARGIN + sum(self.labels)

    @property
    def width(self) -> float:
        """Of all of it, margins included."""
        return self.left + len(self.columns) * self.column + MARGIN


def pivot(factors: Levels, seen: Sequence[Mapping[str, str]], width: float) -> Pivot:
    """
    The map of as many factors as fit.

    :param factors: those that vary, one at least, with their levels in order; the one that matters most first.
    :param seen: levels by factor, of each run.
    :param width: that the map should not exceed; it does only if a single factor alone would.
    """
    names = list(factors)[:_MAX_FACTORS]
    while len(names) > 1:
        fitting = [found for found in _pivots(names, factors, seen) if _fits(found, seen, width)]
        if fitting:
            return min(fitting, key=lambda found: (len(found.rows) + len(found.across), len(found.down)))
        names.pop()
    return _laid_out((names[0],), (), factors, seen)


def _pivots(names: Sequence[str], factors: Levels, seen: Sequence[Mapping[str, str]]) -> Iterator[Pivot]:
    """Every way to lay them down and across, some on each; the factor that matters more is the outer one."""
    for number in range(1, len(names)):
        for down in itertools.combinations(names, number):
            across = tuple(name for name in names if name not in down)
            yield _laid_out(down, across, factors, seen)


def _laid_out(down: Key, across: Key, factors: Levels, seen: Sequence[Mapping[str, str]]) -> Pivot:
    rows, columns = _keys(down, factors, seen), _keys(across, factors, seen)
    labels = tuple(
        min(max(width_of(text) for text in (f"{name} ↓", *factors[name])) + LABEL_GAP + 4, _MOST_LABEL) for name in down
    )
    return Pivot(down, across, rows, columns, labels, _column(across, columns, factors))


def _keys(names: Key, factors: Levels, seen: Sequence[Mapping[str, str]]) -> tuple[Key, ...]:
    """The combinations that any run has, in the order of the plan."""
    had = {tuple(levels.get(name, "") for name in names) for levels in seen}
    every = itertools.product(*(factors[name] for name in names))
    return tuple(key for key in every if key in had)[:_MAX_LEVELS] or ((),)


def _column(across: Key, columns: Sequence[Key], factors: Levels) -> float:
    """Wide enough for the innermost levels, and for the outer ones above what lies below them."""
    wanted = _LEAST_COLUMN
    for place, name in enumerate(across):
        groups = len({key[: place + 1] for key in columns})
        widest = max(width_of(level) for level in factors[name])
        wanted = max(wanted, (widest + LABEL_GAP) * groups / len(columns))
    return min(wanted, _MOST_COLUMN)


def _fits(found: Pivot, seen: Sequence[Mapping[str, str]], width: float) -> bool:
    names = (*found.down, *found.across)
    filled = len({tuple(levels.get(name, "") for name in names) for levels in seen})
    cells = math.prod((len(found.rows), len(found.columns)))
    return found.width <= width and len(found.rows) <= _MAX_ROWS and filled >= _FILLED * cells
