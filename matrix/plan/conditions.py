"""What a constraint is made of: comparisons, and what joins them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from packaging.version import InvalidVersion, Version

from matrix.errors import expected_one_of
from matrix.plan.parameters import Level

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Comparison:
    """A factor against one level, or several."""

    name: str
    sign: str
    levels: tuple[Level, ...]
    """One, but for ``in`` and ``not in``."""

    def truth(self, assignment: Mapping[str, Level]) -> bool | None:
        """None if the assignment lacks the factor."""
        if self.name not in assignment:
            return None
        ours = assignment[self.name]
        if self.sign in _ORDERS:
            pair = _ordered(ours, self.levels[0])
            return pair is not None and _ORDERS[self.sign](*pair)
        return any(_same(ours, level) for level in self.levels) is (self.sign in ("==", "in"))

    def leaves(self) -> Iterator[Comparison]:
        """All comparisons, from the left."""
        yield self

    def check(self, known: Sequence[Level]) -> None:
        """
        Makes sure that it can come out either way.

        :param known: the factor's levels.
        :raises ValueError: a level is none of them, or a ``<`` compares what has no order.
        """
        for level in self.levels:
            if self.sign in _ORDERS:
                strange = [other for other in known if _ordered(other, level) is None]
                if strange:
                    raise ValueError(
                        f"{self.name} has the level {_toml(strange[0])}, which is neither smaller nor greater than "
                        f"{_toml(level)}; compare numbers with numbers, versions with versions, or use =="
                    )
            elif not any(_same(other, level) for other in known):
                likely = expected_one_of(_toml(level), map(_toml, known))
                raise ValueError(f"{_toml(level)} is no level of {self.name}; {likely}")

    def __str__(self) -> str:
        levels = ", ".join(map(_toml, self.levels))
        return f"{self.name} {self.sign} " + (f"[{levels}]" if self.sign.endswith("in") else levels)


@dataclass(frozen=True)
class Not:
    """Turns a condition round."""

    inner: Node

    def truth(self, assignment: Mapping[str, Level]) -> bool | None:
        """None if undecided."""
        truth = self.inner.truth(assignment)
        return None if truth is None else not truth

    def leaves(self) -> Iterator[Comparison]:
        """All comparisons, from the left."""
        return self.inner.leaves()

    def __str__(self) -> str:
        return f"not ({self.inner})"


@dataclass(frozen=True)
class Joined:
    """Several conditions as one."""

    word: str
    """``and``, ``or``, ``implies``."""
    parts: tuple[Node, ...]
    """Two for ``implies``."""

    def truth(self, assignment: Mapping[str, Level]) -> bool | None:
        """None if undecided."""
        decisive = self.word != "and"  # the truth of one part that settles the whole
        undecided = False
        for at, part in enumerate(self.parts):
            truth = part.truth(assignment)
            if truth is None:
                undecided = True
            elif (truth if self.word != "implies" or at else not truth) is decisive:
                return decisive
        return None if undecided else not decisive

    def leaves(self) -> Iterator[Comparison]:
        """All comparisons, from the left."""
        for part in self.parts:
            yield from part.leaves()

    def __str__(self) -> str:
        return f" {self.word} ".join(f"({part})" if isinstance(part, Joined) else str(part) for part in self.parts)


Node: TypeAlias = "Comparison | Not | Joined"


def _same(one: Level, other: Level) -> bool:
    """``1`` is ``1.0`` but not ``true``."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _ordered(one: Level, other: Level) -> tuple[Any, Any] | None:
    """The two as something that ``<`` compares; None if they have no order. Strings have one as versions only."""
    if isinstance(one, str) and isinstance(other, str):
        try:
            return Version(one), Version(other)
        except (InvalidVersion, ValueError):  # digits without end
            return None
    if any(isinstance(level, (bool, str)) or level is None for level in (one, other)):
        return None
    return one, other


def _toml(level: Level) -> str:
    if isinstance(level, str):
        return '"' + level.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(level).lower() if isinstance(level, bool) or level is None else repr(level)
