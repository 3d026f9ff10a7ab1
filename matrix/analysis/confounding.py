"""
Which levels the trials that ran can't tell apart.

A design tells factors apart only by the cells that really ran: what was skipped, can't be installed or was left out by
a constraint may leave two levels that always came together. Each level is a column of ones and zeros over these cells;
columns that are the same, opposite or contained in one another are what is called aliased (G. E. P. Box, J. S. Hunter,
W. G. Hunter, Statistics for Experimenters, 2nd ed. 2005, ch. 6).
"""

from __future__ import annotations

import enum
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from matrix.analysis.results import Result
from matrix.plan.parameters import Level

At = tuple[str, Level]
"""A factor and one of its levels."""


class Relation(enum.Enum):
    """How two levels of different factors lie to each other in the cells that ran."""

    TOGETHER = "together"
    """Each ran only with the other: nothing can tell them apart."""
    OPPOSITE = "opposite"
    """One ran exactly where the other did not."""
    WITHIN = "within"
    """The first ran only with the second, which also ran without it."""


@dataclass(frozen=True)
class Confounded:
    """Two levels of different factors that these trials mix up."""

    relation: Relation
    first: At
    second: At


class Columns:
    """Which trials have which level, as bit masks over the trials in their order."""

    def __init__(self, results: Sequence[Result], factors: Sequence[str]) -> None:
        """
        :param results: trials of the design that ran.
        :param factors: those to look at.
        """
        self.factors = tuple(factors)
        self.everything = (1 << len(results)) - 1
        self._results = results
        bits: dict[At, bytearray] = {}
        for place, result in enumerate(results):
            for factor in self.factors:
                at = (factor, result.trial.cell.levels.get(factor))
                column = bits.setdefault(at, bytearray((len(results) + 7) // 8))
                column[place // 8] |= 1 << place % 8
        in_order = sorted(bits, key=lambda at: self.factors.index(at[0]))
        self.of: dict[At, int] = {at: int.from_bytes(bits[at], "little") for at in in_order}
        """Only of levels that ran; factor by factor."""

    def mask(self, ids: frozenset[str]) -> int:
        """Of these trials."""
        column = bytearray((len(self._results) + 7) // 8)
        for place, result in enumerate(self._results):
            if result.trial.id in ids:
                column[place // 8] |= 1 << place % 8
        return int.from_bytes(column, "little")

    def counts(self, factor: str, struck: int) -> dict[Level, tuple[int, int]]:
        """Of each level of a factor that ran: how many trials in the mask ``struck`` have it, and how many in all."""
        return {
            at[1]: ((self.of[at] & struck).bit_count(), self.of[at].bit_count()) for at in self.levels[factor]
        }  # fmt: skip

    @cached_property
    def levels(self) -> Mapping[str, tuple[At, ...]]:
        """Of each factor, those that ran."""
        found: dict[str, list[At]] = defaultdict(list)
        for at in self.of:
            found[at[0]].append(at)
        return {factor: tuple(found.get(factor, ())) for factor in self.factors}

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Factors of which two levels or more ran."""
        return tuple(factor for factor, levels in self.levels.items() if len(levels) > 1)

    def confounded(self) -> Iterator[Confounded]:
        """Every two levels of factors that vary which are mixed up; each two once."""
        for one, other in itertools.combinations(self.varying, 2):
            for first, second in itertools.product(self.levels[one], self.levels[other]):
                left, right = self.of[first], self.of[second]
                if left == right:
                    yield Confounded(Relation.TOGETHER, first, second)
                elif left ^ right == self.everything:
                    # Of two levels each, the one's other level is the other's: told as together already.
                    if len(self.levels[one]) > 2 or len(self.levels[other]) > 2:
                        yield Confounded(Relation.OPPOSITE, first, second)
                elif left | right == right:
                    yield Confounded(Relation.WITHIN, first, second)
                elif left | right == left:
                    yield Confounded(Relation.WITHIN, second, first)

    def explanations(self, struck: int) -> list[dict[str, Level]]:
        """
        Every level, and every two levels of which neither does alone, that these trials have and no others.

        :param struck: mask of the trials to be explained; empty and all of them need no explanation.
        """
        if struck in (0, self.everything):
            return []
        alone = [at for at in self._candidates(struck) if self.of[at] == struck]
        together = [
            (first, second)
            for first, second in self._two(struck)
            if self.of[first] & self.of[second] == struck and first not in alone and second not in alone
        ]
        return [dict([at]) for at in alone] + [dict(pair) for pair in together]

    def narrowest(self, struck: int) -> list[dict[str, Level]]:
        """
        The level, or the two levels, that all of these trials have and fewest others; several if they are as good.

        :return: empty if no level is common to them that others lack.
        """
        singles = [((at,), self.of[at]) for at in self._candidates(struck)]
        doubles = [((one, other), self.of[one] & self.of[other]) for one, other in self._two(struck)]
        fewest = min((mask.bit_count() for _, mask in (*singles, *doubles)), default=self.everything.bit_count())
        if struck == 0 or fewest == self.everything.bit_count():
            return []
        for group in (singles, doubles):
            found = [dict(levels) for levels, mask in group if mask.bit_count() == fewest]
            if found:
                return found
        return []

    def _candidates(self, struck: int) -> list[At]:
        """Levels that all of these trials have."""
        return [at for at, mask in self.of.items() if mask & struck == struck]

    def _two(self, struck: int) -> Iterator[tuple[At, At]]:
        # A level that all trials have adds nothing to another.
        useful = [at for at in self._candidates(struck) if self.of[at] != self.everything]
        return itertools.combinations(useful, 2)

    def never_together(self) -> list[tuple[At, At]]:
        """Levels of different factors that both ran, but not together."""
        return [
            (first, second)
            for one, other in itertools.combinations(self.varying, 2)
            for first, second in itertools.product(self.levels[one], self.levels[other])
            if not self.of[first] & self.of[second]
        ]
