"""What two factors do together that neither does alone."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matrix.analysis.effects import Struck
from matrix.analysis.rates import LEVEL, Estimate, Rate, contrast, rates
from matrix.analysis.results import Result
from matrix.plan.parameters import Level

_WEIGHTS = (1, -1, -1, 1)


@dataclass(frozen=True)
class Combination:
    """A level of one factor together with a level of another, against the trials that lack one of them, or both."""

    first: tuple[str, Level]
    second: tuple[str, Level]
    both: Rate
    first_only: Rate
    second_only: Rate
    neither: Rate
    interaction: Estimate | None
    """
    How much more the second level adds where the first is there: the difference of two differences of rates, with its
    interval. None where one of the four groups did not run.
    """
    is_clear: bool
    """Whether the interval leaves out zero even when it is made wide enough for all combinations looked at."""

    @property
    def needs_both(self) -> bool:
        """Whether it happened with both levels, and never where either was missing, though all of that was tried."""
        others = (self.first_only, self.second_only, self.neither)
        return self.both.hits > 0 and all(rate.trials > 0 and rate.hits == 0 for rate in others)


@dataclass(frozen=True)
class PairEffect:
    """How the outcome goes with two factors at once."""

    factors: tuple[str, str]
    combinations: tuple[Combination, ...]
    """Every level with every level that ran together at least once."""

    @property
    def strongest(self) -> Combination | None:
        """The combination that adds most; None where none could be compared."""
        known = [item for item in self.combinations if item.interaction is not None]
        return max(known, key=_added, default=None)


def _added(item: Combination) -> tuple[float, float, float]:
    # Of two levels each, all four combinations are equally strong, two of them negative: the failing one is told.
    return (item.interaction.low, item.both.share, item.both.trials) if item.interaction else (-2.0, 0.0, 0.0)


def pair_effects(factors: Sequence[str], results: Sequence[Result], struck: Struck) -> tuple[PairEffect, ...]:
    """
    The joint effect of each pair of factors.

    :param factors: those with two levels or more.
    :param results: trials of the design that ran.
    :param struck: which of them count as hits.
    """
    cells: dict[str, tuple[Result, list[int]]] = {}
    for result in results:
        tally = cells.setdefault(result.trial.cell.id, (result, [0, 0]))[1]
        tally[0] += struck(result)
        tally[1] += 1
    tables = {pair: _table(pair, list(cells.values())) for pair in itertools.combinations(factors, 2)}
    looked_at = sum(map(len, tables.values()))
    wide = 1 - (1 - LEVEL) / max(1, looked_at)
    return tuple(PairEffect(pair, _combinations(pair, table, wide)) for pair, table in tables.items())


def _table(
    pair: tuple[str, str], cells: Sequence[tuple[Result, list[int]]]
) -> dict[tuple[Level, Level], tuple[int, int]]:
    """(Hits, trials) of each pair of levels."""
    hits: Counter[tuple[Level, Level]] = Counter()
    trials: Counter[tuple[Level, Level]] = Counter()
    for result, (had, of) in cells:
        levels = result.trial.cell.levels
        key = (levels.get(pair[0]), levels.get(pair[1]))
        hits[key] += had
        trials[key] += of
    return {key: (hits[key], of) for key, of in trials.items()}


def _combinations(
    pair: tuple[str, str], table: dict[tuple[Level, Level], tuple[int, int]], wide: float
) -> tuple[Combination, ...]:
    groups: list[tuple[int, int]] = []
    for first, second in table:
        joint = table[first, second]
        row = _sum(value for (one, _), value in table.items() if one == first)
        column = _sum(value for (_, other), value in table.items() if other == second)
        rest = _sum(table.values())
        groups += [
            joint,
            (row[0] - joint[0], row[1] - joint[1]),
            (column[0] - joint[0], column[1] - joint[1]),
            (rest[0] - row[0] - column[0] + joint[0], rest[1] - row[1] - column[1] + joint[1]),
        ]
    usual, widened = rates(groups), rates(groups, wide)
    found = []
    for number, (first, second) in enumerate(table):
        four = slice(4 * number, 4 * number + 4)
        both, first_only, second_only, neither = usual[four]
        surely = contrast(widened[four], _WEIGHTS)
        found.append(
            Combination(
                (pair[0], first),
                (pair[1], second),
                both,
                first_only,
                second_only,
                neither,
                contrast(usual[four], _WEIGHTS),
                surely is not None and surely.is_clear,
            )
        )
    return tuple(found)


def _sum(values: Iterable[tuple[int, int]]) -> tuple[int, int]:
    hits = trials = 0
    for had, of in values:
        hits, trials = hits + had, trials + of
    return hits, trials
