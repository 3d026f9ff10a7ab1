"""Flaky cells: the same thing was run again, and ended differently."""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matrix.analysis.results import Result
from matrix.plan.cells import Cell


class Over(enum.Enum):
    """What was not the same in the runs that end differently."""

    REPEATS = "repeats"
    """Nothing that the sweep sets: levels and seed are the same."""
    SEEDS = "seeds"
    """The seed; with each seed all repeats end alike."""


@dataclass(frozen=True)
class FlakyCell:
    """A cell whose runs end in more than one way."""

    cell: Cell
    over: Over
    seed: int | None
    """The seed that its repeats share; None if they differ over seeds."""
    counts: Mapping[str, int]
    """Signature to number of runs, most frequent first."""
    results: tuple[Result, ...]
    """The runs, in the order of the plan."""


def flaky_cells(ran: Iterable[Result]) -> tuple[FlakyCell, ...]:
    """
    Every flaky cell, those that differ over repeats first.

    A cell whose repeats differ is not told again for its seeds: what they change can't be seen through that.
    """
    cells: dict[str, dict[int, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in ran:
        cells[result.trial.cell.id][result.trial.seed].append(result)
    repeats: list[FlakyCell] = []
    seeds: list[FlakyCell] = []
    for by_seed in cells.values():
        differing = [
            _flaky(Over.REPEATS, seed, results) for seed, results in by_seed.items() if len(_ends(results)) > 1
        ]
        repeats += differing
        every = [result for results in by_seed.values() for result in results]
        if not differing and len(_ends(every)) > 1:
            seeds.append(_flaky(Over.SEEDS, None, every))
    return (*repeats, *seeds)


def _ends(results: Sequence[Result]) -> Counter[str]:
    return Counter(result.observation.signature or "" for result in results)


def _flaky(over: Over, seed: int | None, results: Sequence[Result]) -> FlakyCell:
    return FlakyCell(results[0].trial.cell, over, seed, dict(_ends(results).most_common()), tuple(results))
