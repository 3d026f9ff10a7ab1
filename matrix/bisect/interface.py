"""
What a bisector is: told what was seen, it says what to try next.

It has no process, file or clock. Its state is the observations alone: they can be written down, told again to a new
one (which then stands where the old one stood), and taken back one by one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from matrix.bisect.certificate import Certificate, Pair
from matrix.bisect.observations import Candidate, Observation, Outcome
from matrix.bisect.priors import THRESHOLD

_TRIES = 2
"""Times a candidate may fail otherwise before it counts as one that can't be tried."""


@dataclass(frozen=True)
class Suggestion(Generic[Candidate]):
    """What to try next."""

    candidate: Candidate
    reason: str
    """In a few words, for people."""


@dataclass(frozen=True)
class Conclusion:
    """What the search found."""

    culprit: tuple[str, ...]
    """
    What has to be there for the freeze, all of it. Empty: no culprit, all candidates fare alike; the freeze is not
    caused by what was varied, or the environment drifted since.
    """
    probability: float
    """To be stated: of the culprit, or of it and its alternatives; at least so often the like is right."""
    alternatives: tuple[tuple[str, ...], ...] = ()
    """Other culprits that no candidate that can be tried tells from it."""
    unresolved: tuple[str, ...] = ()
    """What could not be tried and would tell them apart."""

    @property
    def found(self) -> bool:
        """Whether there is a culprit."""
        return bool(self.culprit)

    def __str__(self) -> str:
        if not self.culprit:
            return f"no culprit: all fare alike, or the environment drifted ({self.probability:.1%})"
        words = " or ".join(" with ".join(each) for each in (self.culprit, *self.alternatives))
        stuck = f"; could not be tried: {', '.join(self.unresolved)}" if self.unresolved else ""
        return f"{words} ({self.probability:.1%}{stuck})"


class Bisector(ABC, Generic[Candidate]):
    """
    Base of all kinds: keeps the observations and reads them.

    A kind adds what it makes of them: :meth:`_restart`, :meth:`_absorb`, and the three questions.
    """

    kind: str

    def __init__(self, *, signature: str | None = None, threshold: float = THRESHOLD) -> None:
        """
        :param signature: of the freeze that is sought; without it that of the first freeze seen. Any other freeze
            counts as another failure.
        :param threshold: confidence that a conclusion needs, between 0.5 and 1.
        :raises ValueError: the threshold is out of range.
        """
        if not 0.5 <= threshold < 1:
            raise ValueError(f"the threshold {threshold} is not between 0.5 and 1; {THRESHOLD} is usual")
        self.threshold = threshold
        self._given_signature = signature
        self._observations: list[Observation[Candidate]] = []
        self._forget()

    # What was seen.

    @property
    def observations(self) -> tuple[Observation[Candidate], ...]:
        """All that was told, in order: the whole state."""
        return tuple(self._observations)

    def tell(self, observation: Observation[Candidate]) -> None:
        """
        Takes in one run, whether it was suggested or not.

        :raises ValueError: there is no such candidate.
        """
        self._check(observation.candidate)
        self._observations.append(observation)
        self._note(observation)

    def replay(self, observations: Iterable[Observation[Candidate]]) -> None:
        """Tells them one after the other."""
        for observation in observations:
            self.tell(observation)

    def undo(self) -> Observation[Candidate]:
        """
        Takes the last observation back.

        :return: that observation.
        :raises IndexError: nothing was told.
        """
        if not self._observations:
            raise IndexError("there is no observation to take back")
        *kept, last = self._observations
        self._observations = kept
        self._forget()
        self._restart()
        for observation in kept:
            self._note(observation)
        return last

    def to_json(self) -> list[dict[str, Any]]:
        """The observations as JSON objects; :meth:`from_json` takes them in again."""
        return [observation.to_json() for observation in self._observations]

    def from_json(self, observations: Sequence[object]) -> None:
        """
        Tells what :meth:`to_json` wrote.

        :raises ValueError: one is malformed, or of a candidate that there is not.
        """
        self.replay([Observation.from_json(each) for each in observations])

    @property
    def signature(self) -> str | None:
        """Of the freeze that is sought; None until one is known."""
        return self._signature

    @property
    def excluded(self) -> Mapping[Candidate, Outcome]:
        """Candidates that can't be tried, and why: not suggested any more."""
        return self._excluded

    def runs(self, candidate: Candidate) -> tuple[int, int]:
        """How many runs of the candidate froze, and how many passed."""
        return self._counts[candidate, True], self._counts[candidate, False]

    # What follows from it.

    @abstractmethod
    def suggest(self) -> Suggestion[Candidate] | None:
        """What to try next; None when there is a conclusion, or nothing left that would tell anything."""

    @property
    @abstractmethod
    def posterior(self) -> list[tuple[tuple[str, ...], float]]:
        """Culprits with their probabilities, the most probable first; the empty one is "no culprit"."""

    @property
    @abstractmethod
    def conclusion(self) -> Conclusion | None:
        """None as long as there is none."""

    @property
    @abstractmethod
    def pairs(self) -> tuple[Pair, ...]:
        """The candidates that show the conclusion, each freezing one beside one that does not; empty without one."""

    @property
    def certificate(self) -> Certificate | None:
        """What the result rests on; None as long as there is no conclusion."""
        conclusion = self.conclusion
        if conclusion is None:
            return None
        return Certificate(
            kind=self.kind,
            culprit=conclusion.culprit,
            alternatives=conclusion.alternatives,
            inseparable=self._inseparable(),
            confidence=conclusion.probability,
            signature=self.signature,
            pairs=self.pairs,
            runs=len(self._observations),
            unresolved=tuple((candidate, outcome.value) for candidate, outcome in self._excluded.items()),
            cost_s=sum(observation.seconds for observation in self._observations),
        )

    # For kinds.

    @abstractmethod
    def _check(self, candidate: Candidate) -> None:
        """:raises ValueError: there is no such candidate."""

    @abstractmethod
    def _restart(self) -> None:
        """Forgets all that was made of observations."""

    @abstractmethod
    def _absorb(self, candidate: Candidate, frozen: bool) -> None:
        """Makes something of a run that froze as is sought, or did not freeze."""

    def _consider(self) -> None:
        """Decides what to do next, after each observation: it must follow from them alone."""

    def _inseparable(self) -> tuple[tuple[str, ...], ...]:
        return ()

    def _pair(self, good: Candidate, bad: Candidate, words: str) -> Pair:
        return Pair(words, good, bad, *self.runs(good), *self.runs(bad))

    def _forget(self) -> None:
        self._signature = self._given_signature
        self._counts: Counter[tuple[Candidate, bool]] = Counter()
        self._failures: Counter[Candidate] = Counter()
        self._excluded: dict[Candidate, Outcome] = {}

    def _note(self, observation: Observation[Candidate]) -> None:
        candidate, outcome = observation.candidate, observation.outcome
        if outcome is Outcome.FREEZE:
            self._signature = self._signature or observation.signature
            if observation.signature not in (None, self._signature):
                outcome = Outcome.OTHER_FAILURE
        if outcome in (Outcome.FREEZE, Outcome.PASS, Outcome.SLOW):
            frozen = outcome is Outcome.FREEZE
            self._counts[candidate, frozen] += 1
            self._absorb(candidate, frozen)
        else:
            self._failures[candidate] += 1
            if outcome is Outcome.UNRESOLVED or self._failures[candidate] >= _TRIES:
                self._excluded.setdefault(candidate, outcome)
        self._consider()
