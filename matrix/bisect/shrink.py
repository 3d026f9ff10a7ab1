"""
The smallest configuration that still freezes the same way.

Shrinking as Hypothesis does it (MacIver and Donaldson 2020, "Test-case reduction via test-case generation"): passes
over the values, each of which is made as simple as it can be while all others stay, until none gets simpler. Each
question is asked until its runs settle it, so that a freeze that comes now and then is not shrunk away.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from matrix.bisect.certificate import Pair
from matrix.bisect.interface import Conclusion
from matrix.bisect.priors import THRESHOLD_OF_ANSWERS
from matrix.bisect.questions import Questioner, Search

Value = Any
"""A hashable value that JSON holds; a list is a tuple."""
Configuration = tuple[tuple[str, Value], ...]
"""A candidate: each name with its value, in the order in which the names were given."""
Attempts = Generator[Value, bool, Value]
"""Yields simpler values, is sent whether it still freezes with each, and returns the simplest that did."""


class Shrinkable(ABC):
    """How one value is made simpler."""

    @abstractmethod
    def simpler(self, value: Value) -> Attempts:
        """Tries to; the value that is returned froze, or is the one given."""


@dataclass(frozen=True)
class Whole(Shrinkable):
    """A whole number, made smaller."""

    least: int = 0
    step: int = 1
    """Its difference to ``least`` is a multiple of this."""

    def simpler(self, value: Value) -> Attempts:
        """The least number first, then by halves; if each number above a freezing one freezes, the smallest."""
        low, high, best = 0, (value - self.least) // self.step, value
        if high <= 0:
            return value
        if (yield self.least):
            return self.least
        while high - low > 1:
            middle = (low + high) // 2
            at = self.least + middle * self.step
            if (yield at):
                high, best = middle, at
            else:
                low = middle
        return best


@dataclass(frozen=True)
class Choice(Shrinkable):
    """One of some values."""

    simplest_first: tuple[Value, ...]

    def simpler(self, value: Value) -> Attempts:
        """Each that is simpler, from the simplest."""
        at = self.simplest_first.index(value) if value in self.simplest_first else len(self.simplest_first)
        for each in self.simplest_first[:at]:
            if (yield each):
                return each
        return value


@dataclass(frozen=True)
class Items(Shrinkable):
    """A list, with fewer items."""

    least: int = 0
    """So many stay."""

    def simpler(self, value: Value) -> Attempts:
        """Takes chunks out, ever smaller ones, from the end; no single one of the result can be spared."""
        kept = tuple(value)
        size = len(kept) - self.least
        while size > 0:
            end, fewer = len(kept), False
            while end > 0:
                begin = max(0, end - size)
                rest = kept[:begin] + kept[end:]
                if begin < end and len(rest) >= self.least and (yield rest):
                    kept, fewer = rest, True
                end = begin
            size = min(size, len(kept) - self.least)
            if size > 1:
                size //= 2
            elif not fewer:
                break
        return kept


class Shrink(Questioner[Configuration, Configuration]):
    """Seeks the smallest configuration that freezes, from one that does."""

    kind = "shrink"

    def __init__(
        self,
        configuration: Mapping[str, Value],
        how: Mapping[str, Shrinkable],
        *,
        signature: str | None = None,
        threshold: float = THRESHOLD_OF_ANSWERS,
    ) -> None:
        """
        :param configuration: name to value; it is known to freeze.
        :param how: how values are made simpler, in the order in which that is tried; others stay as they are.
        :raises ValueError: ``how`` names what is not in the configuration, or a value is not hashable.
        """
        if unknown := [name for name in how if name not in configuration]:
            raise ValueError(f"{unknown[0]!r}, which is to shrink, is not in the configuration")
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in configuration.items()}
        if odd := [name for name, value in values.items() if not isinstance(value, Hashable)]:
            raise ValueError(f"{odd[0]!r} is a {type(values[odd[0]]).__name__}; give a number, a string or a list")
        self.start: Configuration = tuple(values.items())
        self._how = dict(how)
        super().__init__(signature=signature, threshold=threshold)

    @property
    def conclusion(self) -> Conclusion | None:
        """The values that could not be made simpler, as ``name=value``; all of the result is in :attr:`found`."""
        if self.found is None:
            return None
        if not self.found:
            return Conclusion((), 1 - self._asking.doubt(self))
        return Conclusion(tuple(f"{name}={value}" for name, value in self.found), 1 - self._asking.doubt(self))

    @property
    def smallest(self) -> dict[str, Value]:
        """The smallest configuration so far that freezes, at first the given one."""
        return dict(self._smallest)

    @property
    def posterior(self) -> list[tuple[tuple[str, ...], float]]:
        """The conclusion alone: a search by questions has no probabilities on its way."""
        conclusion = self.conclusion
        return [] if conclusion is None else [(conclusion.culprit, conclusion.probability)]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The result beside each simpler one that was tried last for a value and did not freeze."""
        if not self.found:
            return ()
        result = dict(self.found)
        simpler: dict[str, Configuration] = {}
        for asked, frozen in self._asking.answers.items():
            changed = [name for name, value in asked if value != result[name]]
            if not frozen and len(changed) == 1:
                simpler[changed[0]] = asked
        return tuple(
            self._pair(each, self.found, f"a simpler {name} does not freeze") for name, each in simpler.items()
        )

    def _search(self) -> Search[Configuration, Configuration]:
        self._smallest = self.start
        if not (yield self.start):
            return ()
        better = True
        while better:
            better = False
            for name, how in self._how.items():
                attempts = how.simpler(dict(self._smallest)[name])
                answer: bool | None = None
                while True:
                    try:
                        value = next(attempts) if answer is None else attempts.send(answer)
                    except StopIteration:
                        break
                    changed = tuple((each, value if each == name else old) for each, old in self._smallest)
                    answer = yield changed
                    if answer:
                        self._smallest, better = changed, True
        return self._smallest

    def _check(self, candidate: Configuration) -> None:
        names, known = [name for name, _ in candidate], [name for name, _ in self.start]
        if names != known:
            raise ValueError(f"a configuration of {', '.join(known)} is expected, not of {', '.join(names)}")
