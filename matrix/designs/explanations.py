"""What may explain the freezes of a sweep, as far as its cells can tell explanations apart."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from matrix.designs.interface import Assignment
from matrix.plan.parameters import Level

Condition: TypeAlias = "tuple[tuple[str, Level], ...]"
"""One or two factors with the level that each must have, in the order of the factors."""


@dataclass(frozen=True)
class Explanation:
    """What raises the probability of a freeze: nothing that was varied, a level, or two levels together."""

    alternatives: tuple[Condition, ...] = ()
    """Empty for "none of them". More than one: the same cells fulfil them all, so no trial can tell them apart."""

    @property
    def conditions(self) -> Condition:
        """The simplest of the alternatives; empty for "none of them"."""
        return self.alternatives[0] if self.alternatives else ()

    @property
    def confounded(self) -> bool:
        """Whether it stands for several that these cells can't tell apart."""
        return len(self.alternatives) > 1

    def holds(self, assignment: Assignment) -> bool:
        """Whether the assignment fulfils it; "none of them" is fulfilled by nothing."""
        return bool(self.alternatives) and all(_key(assignment[name]) == _key(level) for name, level in self.conditions)

    def __str__(self) -> str:
        if not self.alternatives:
            return "none of them"
        words = [" with ".join(f"{name}={_plain(level)}" for name, level in each) for each in self.alternatives]
        return words[0] if len(words) == 1 else " or ".join(words) + " (these cells can't tell which)"


@dataclass(frozen=True)
class Hypotheses:
    """All explanations that the candidates can tell apart; the first is "none of them"."""

    explanations: tuple[Explanation, ...]
    singles: NDArray[np.int64]
    """How many of each explanation's alternatives are of one level, shape (explanations,)."""
    pairs: NDArray[np.int64]
    """And of two."""
    _codes: NDArray[np.int32]
    """Which level of each factor each candidate has, shape (candidates, factors)."""
    _columns: NDArray[np.intp]
    """The factors that each explanation's simplest alternative names, shape (2, explanations)."""
    _levels: NDArray[np.int32]
    """And the levels; a level of -1 is had by none."""

    @classmethod
    def of(cls, factors: Mapping[str, Sequence[Level]], candidates: Sequence[Assignment]) -> Hypotheses:
        """
        Lists them, from the simplest.

        A condition that every candidate fulfils, or none, can't be tried and is left out; conditions that the same
        candidates fulfil become one explanation.
        """
        # A candidate beside the design may have a level that is none of the factor's.
        known = {
            name: list(
                {_key(level): level for level in (*levels, *(candidate[name] for candidate in candidates))}.values()
            )
            for name, levels in factors.items()
        }
        numbers = {name: {_key(level): at for at, level in enumerate(levels)} for name, levels in known.items()}
        codes = np.array(
            [[numbers[name][_key(candidate[name])] for name in factors] for candidate in candidates], dtype=np.int32
        ).reshape(len(candidates), len(factors))
        names = list(known)
        has = {
            (column, level): codes[:, column] == level
            for column, name in enumerate(names)
            for level in range(len(known[name]))
        }
        has = {key: had for key, had in has.items() if had.any() and not had.all()}
        groups: dict[bytes, list[tuple[tuple[int, int], ...]]] = {}
        for key, had in has.items():
            groups.setdefault(np.packbits(had).tobytes(), []).append((key,))
        for one, other in itertools.combinations(has, 2):
            if one[0] != other[0] and (both := has[one] & has[other]).any():
                groups.setdefault(np.packbits(both).tobytes(), []).append((one, other))
        members: list[list[tuple[tuple[int, int], ...]]] = [[], *groups.values()]
        ends = [(each[0][0], each[0][-1]) if each else ((0, -1), (0, -1)) for each in members]
        return cls(
            explanations=tuple(
                Explanation(
                    tuple(tuple((names[column], known[names[column]][level]) for column, level in c) for c in each)
                )
                for each in members
            ),
            singles=np.array([sum(len(c) == 1 for c in each) for each in members], dtype=np.int64),
            pairs=np.array([sum(len(c) == 2 for c in each) for each in members], dtype=np.int64),
            _codes=codes,
            _columns=np.array([[end[side][0] for end in ends] for side in (0, 1)], dtype=np.intp),
            _levels=np.array([[end[side][1] for end in ends] for side in (0, 1)], dtype=np.int32),
        )

    def fulfilled(self, candidates: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which explanations each of these candidates fulfils, shape (candidates, explanations)."""
        codes = self._codes[candidates]
        first, second = (codes[:, self._columns[side]] == self._levels[side] for side in (0, 1))
        return np.asarray(first & second)


def _key(level: Level) -> tuple[bool, Level]:
    """``True`` and ``1`` are two levels, though equal."""
    return isinstance(level, bool), level


def _plain(level: Level) -> str:
    return str(level).lower() if isinstance(level, bool) else str(level)
