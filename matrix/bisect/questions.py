"""
Searches written as plain code that asks "does this freeze?".

Such a search is a generator: it yields a candidate and is sent the answer. A candidate is run again until its own
runs settle the answer, by what is known of the rates at which others freeze that do, and those that do not.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from typing import Generic, TypeVar

from matrix.bisect.beliefs import chance_inside
from matrix.bisect.interface import Bisector, Suggestion
from matrix.bisect.observations import Candidate
from matrix.bisect.priors import THRESHOLD_OF_ANSWERS

Found = TypeVar("Found")
Search = Generator[Candidate, bool, Found]
"""Asks about candidates and returns what it found."""


class Asking(Generic[Candidate, Found]):
    """One search under way."""

    def __init__(self, search: Search[Candidate, Found], threshold: float) -> None:
        """
        :param threshold: probability at which a candidate's runs settle an answer.
        """
        self._search = search
        self._threshold = threshold
        self.answers: dict[Candidate, bool] = {}
        """So far; what can't be tried counts as no."""
        self.question: Candidate | None = None
        """What the search waits for; None when it has found what it sought."""
        self.found: Found | None = None
        self._step(None)

    def go_on(self, bisector: Bisector[Candidate]) -> None:
        """Answers what the bisector's runs settle by now."""
        while self.question is not None:
            answer = self._answer(self.question, bisector)
            if answer is None:
                return
            self.answers[self.question] = answer
            self._step(answer)

    def doubt(self, bisector: Bisector[Candidate]) -> float:
        """Probability that the answers to what was run are not all right."""
        right = 1.0
        for candidate, answer in self.answers.items():
            if bisector.runs(candidate) != (0, 0):
                chance = self._chance(candidate, bisector)
                right *= chance if answer else 1 - chance
        return 1 - right

    def _step(self, answer: bool | None) -> None:
        try:
            self.question = next(self._search) if answer is None else self._search.send(answer)
        except StopIteration as end:
            self.question, self.found = None, end.value

    def _answer(self, candidate: Candidate, bisector: Bisector[Candidate]) -> bool | None:
        if candidate in self.answers:
            return self.answers[candidate]
        if bisector.runs(candidate) != (0, 0):
            chance = self._chance(candidate, bisector)
            if chance >= self._threshold:
                return True
            if chance <= 1 - self._threshold:
                return False
        return False if candidate in bisector.excluded else None

    def _chance(self, candidate: Candidate, bisector: Bisector[Candidate]) -> float:
        sums = {True: (0, 0), False: (0, 0)}
        for other, answer in self.answers.items():
            if other != candidate:
                freezes, passes = bisector.runs(other)
                sums[answer] = sums[answer][0] + freezes, sums[answer][1] + passes
        return chance_inside(bisector.runs(candidate), sums[True], sums[False])


class Questioner(Bisector[Candidate], Generic[Candidate, Found]):
    """A bisector that is a search of this kind, and nothing else."""

    def __init__(self, *, signature: str | None = None, threshold: float = THRESHOLD_OF_ANSWERS) -> None:
        super().__init__(signature=signature, threshold=threshold)
        self._restart()

    @abstractmethod
    def _search(self) -> Search[Candidate, Found]:
        """Begins it anew."""

    def suggest(self) -> Suggestion[Candidate] | None:
        """See :meth:`Bisector.suggest`."""
        if self._asking.question is None:
            return None
        frozen, passed = self.runs(self._asking.question)
        again = f", again: {frozen} froze, {passed} did not" if frozen + passed else ""
        return Suggestion(self._asking.question, f"does it freeze{again}")

    @property
    def found(self) -> Found | None:
        """What the search found; None as long as it goes on."""
        return self._asking.found

    def _restart(self) -> None:
        self._asking = Asking(self._search(), self.threshold)

    def _absorb(self, candidate: Candidate, frozen: bool) -> None:
        """The counts are all it needs."""

    def _consider(self) -> None:
        self._asking.go_on(self)
