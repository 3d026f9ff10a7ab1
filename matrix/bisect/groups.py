"""
The few changes, of many between a good and a bad end, that together bring the freeze.

Adaptive group testing (Dorfman 1943; for noisy tests and conjunctions of Bayesian form) in three steps. *Search*: a
posterior over all small sets of changes; the next candidate is one whose outcome tells most of it. *Proof*: the set
alone freezes; all without it does not; no set with one change less does. Where that contradicts the posterior (a
larger set, two culprits, changes that undo each other), *descent*: prefix binary search from the smallest set that
froze, which ends in a proven set whatever the outcomes are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from matrix.bisect.beliefs import Beliefs, chance_inside
from matrix.bisect.certificate import Pair
from matrix.bisect.choice import LEAST_INFORMATION, cheapest, free
from matrix.bisect.interface import Bisector, Conclusion, Suggestion
from matrix.bisect.prefix import least_set
from matrix.bisect.priors import THRESHOLD, THRESHOLD_OF_ANSWERS
from matrix.bisect.proof import Step, proof_of
from matrix.bisect.questions import Asking, Search
from matrix.bisect.set_beliefs import SetBeliefs
from matrix.bisect.units import units_of
from matrix.designs.rates import Floats

Changes = tuple[str, ...]
"""A candidate: the changes that are made, in the order in which they were given; all others are as on the good end."""

_LIKELY = 0.6
"""Probability at which a culprit that no run contradicts is put to the proof."""
_BONUS = 1.1
"""What a candidate of the proof is worth beside what it tells: it needs to be run in any case."""
_DRAWS, _SEEDS_APART = 5, 100_000
"""Times that candidates are drawn anew where none of them can be tried, as locks often can't be mixed."""
_PATIENCE = (60, 6)
"""Runs after which a posterior that does not settle is left for the descent: so many, and for each unit so many."""
_PASSES = 0.05
"""Most probability, by its own runs, that what is said to pass would freeze."""
_DOUBT = 0.1
"""And what that probability is taken to be before them: the posterior has spoken already."""
_LISTED = 100
"""Sets that the posterior names."""


class Groups(Bisector[Changes]):
    """Seeks the least set of changes that freezes."""

    kind = "groups"

    def __init__(
        self,
        changes: Sequence[str],
        *,
        together: Iterable[Collection[str]] = (),
        needs: Mapping[str, Collection[str]] | None = None,
        cost_s: Callable[[Changes], float] = free,
        signature: str | None = None,
        threshold: float = THRESHOLD,
    ) -> None:
        """
        :param changes: different names; with none of them the good end, with all the bad end.
        :param together: changes that can only be made together; overlapping ones are joined.
        :param needs: of some changes, all those without which they can't be made: no candidate tells a culprit from
            the same with what it needs, so that the latter is none.
        :param cost_s: what a run of a candidate takes, in seconds, above 0.
        :raises ValueError: there is no change, one is there twice, or ``together`` names another.
        """
        self.changes = tuple(changes)
        self.units = units_of(changes, together)
        self._cost_s = cost_s
        self._unit = {name: at for at, unit in enumerate(self.units) for name in unit}
        self._needs: dict[int, frozenset[int]] = {}
        for name, others in (needs or {}).items():
            at = self._unit[name]
            units = {self._unit[other] for other in others} - {at}
            self._needs[at] = self._needs.get(at, frozenset()) | units
        self._weighed: dict[Changes, float] | None = None
        super().__init__(signature=signature, threshold=threshold)
        self._restart()

    def candidate(self, changes: Iterable[str]) -> Changes:
        """
        The candidate with these changes, in their order.

        :raises ValueError: there is no such change, or only a part of a unit is there.
        """
        wanted = set(changes)
        if unknown := wanted - self._unit.keys():
            raise ValueError(f"{min(unknown)!r} is none of the changes")
        made = {self._unit[name] for name in wanted}
        for unit in (self.units[at] for at in made):
            if left_out := [name for name in unit if name not in wanted]:
                raise ValueError(f"{left_out[0]!r} can only be changed together with {', '.join(unit)}")
        return self._made(made)

    def suggest(self) -> Suggestion[Changes] | None:
        """See :meth:`Bisector.suggest`."""
        if self._descent is not None:
            return None if self._descent.question is None else Suggestion(self._descent.question, "does it freeze?")
        if self.settled is None:
            made, information = self._open()
            at = cheapest(information, free if self._cost_s is free else lambda at: self._cost_s(made[at]))
            return Suggestion(made[at], f"{information[at] / np.log(2):.2f} bits expected")
        for step in self._proof():
            if self._verdict(step) is None:
                return Suggestion(self._made(step.made), self._words(step))
        return None

    @property
    def posterior(self) -> list[tuple[tuple[str, ...], float]]:
        """The hundred most probable sets. When the search has left the posterior for the descent, its one result."""
        if (conclusion := self.conclusion) is not None:
            others = [] if self._descent is not None else self._most_probable()[1:]
            return [(conclusion.culprit, conclusion.probability), *others]
        return self._most_probable()

    @property
    def conclusion(self) -> Conclusion | None:
        """The set, once it is proven as far as its candidates can be tried."""
        if self._descent is not None:
            if self._descent.found is None:
                return None
            return self._concluded(frozenset(self._descent.found), 1 - self._descent.doubt(self))
        if self.settled is None or any(self._verdict(step) is None for step in self._proof()):
            return None
        return self._concluded(self._sets.best, self._sets.probability)

    @property
    def settled(self) -> Changes | None:
        """The set whose probability has reached the threshold, proven or not; None as long as none has."""
        reached = self._sets.probability >= self.threshold
        return self._made(self._sets.best) if reached else None

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Both directions, then each set with one unit less beside the whole set."""
        conclusion = self.conclusion
        if conclusion is None:
            return ()
        if not conclusion.found:
            return (self._pair((), self.changes, "both ends fare alike"),)
        culprit = frozenset(self._unit[name] for name in conclusion.culprit)
        alone, *steps = proof_of(culprit, len(self.units))
        pairs = [self._pair((), conclusion.culprit, self._words(alone))]
        for step in steps:
            bad = self.changes if step.of_the_bad_end else conclusion.culprit
            pairs.append(self._pair(self._made(step.made), bad, self._words(step)))
        return tuple(pairs)

    # Search.

    def _open(self) -> tuple[list[Changes], Floats]:
        """Candidates that can be tried, and what they tell, in nats."""
        if self._weighed is None:
            self._weighed = {}
            for draw in range(_DRAWS):
                self._weighed = self._drawn(len(self.observations) + draw * _SEEDS_APART)
                if any(told > LEAST_INFORMATION for told in self._weighed.values()):
                    break
        return list(self._weighed), np.array(list(self._weighed.values()))

    def _drawn(self, seed: int) -> dict[Changes, float]:
        found = self._sets.candidates(seed)
        steps = [step.made for step in self._proof()]
        found.update((made, _BONUS * told) for made, told in self._sets.information(steps).items())
        if self._sets.probability >= _LIKELY and not self._sets.contradicted:
            # The proof's runs are needed in any case, and may settle it as well as any others.
            untried = [made for made in steps if not self._tried(made) and found[made] > LEAST_INFORMATION]
            found = {made: found[made] for made in untried} or found
        candidates = {self._made(made): information for made, information in found.items()}
        return {each: told for each, told in candidates.items() if each not in self.excluded}

    def _proof(self) -> list[Step]:
        """Of the most probable set."""
        return proof_of(self._sets.best, len(self.units))

    # Proof.

    def _verdict(self, step: Step) -> bool | None:
        """Whether its runs show what the step is to show; None as long as they leave it open."""
        candidate = self._made(step.made)
        freezes, passes = self.runs(candidate)
        can_be_run = candidate not in self.excluded
        if freezes + passes == 0:
            return None if can_be_run else True
        if step.ends:
            return not self._ends_differ()
        if step.freezes and freezes:
            return True
        chance = self._chance(step)
        if chance <= _PASSES:
            return not step.freezes
        if freezes and chance >= 0.5:
            # Without the culprit, the bad end may freeze by another one: that is said, and contradicts nothing.
            return step.of_the_bad_end
        return None if can_be_run else True

    def _tried(self, made: frozenset[int]) -> bool:
        """Whether the candidate was run, or can't be."""
        candidate = self._made(made)
        return candidate in self.excluded or self.runs(candidate) != (0, 0)

    def _chance(self, step: Step) -> float:
        """Probability that a candidate freezes as the culprit does, by its own runs."""
        freezes, passes = {True: 0, False: 0}, {True: 0, False: 0}
        for made, runs in self._sets.tallies.items():
            if made != step.made:
                freezes[step.culprit <= made] += runs[0]
                passes[step.culprit <= made] += runs[1]
        return chance_inside(
            self._sets.tallies[step.made],
            (freezes[True], passes[True]),
            (freezes[False], passes[False]),
            1 - _DOUBT if step.freezes else _DOUBT,
        )

    def _ends_differ(self) -> bool:
        """Whether the two ends alone show that something between them matters."""
        apart = Beliefs(np.ones(2))
        apart.tell(np.array([False, True]), *self.runs(self.changes))
        apart.tell(np.array([False, False]), *self.runs(()))
        return bool(apart.probabilities[1] >= self.threshold)

    def _words(self, step: Step) -> str:
        if step.ends:
            return "does the bad end still freeze, and the good end not?"
        if step.freezes:
            return "on the good end it is enough"
        if step.of_the_bad_end:
            freezes, _ = self.runs(self._made(step.made))
            other = freezes and self._chance(step) >= 0.5
            return "the bad end freezes without it too: there is another culprit" if other else "it is needed"
        (without,) = step.culprit - step.made
        return f"{', '.join(self.units[without])} is needed"

    # Descent.

    def _least(self) -> Search[Changes, tuple[int, ...]]:
        everything = frozenset(range(len(self.units)))
        start = self._sets.frozen
        if not (yield self._made(start)):
            if start == everything or not (yield self._made(everything)):
                return ()
            start = everything
        return (yield from least_set(sorted(start), lambda units: self._made(self._sets.with_needed(units))))

    # State.

    def _concluded(self, culprit: frozenset[int], probability: float) -> Conclusion:
        made = [self._made(step.made) for step in proof_of(culprit, len(self.units))]
        stuck = [" with ".join(each) or "the good end" for each in made if each in self.excluded]
        return Conclusion(self._made(culprit), probability, unresolved=tuple(stuck))

    def _most_probable(self) -> list[tuple[tuple[str, ...], float]]:
        return [(self._made(each), probability) for each, probability in self._sets.most_probable(_LISTED)]

    def _made(self, units: Iterable[int]) -> Changes:
        made = {name for at in units for name in self.units[at]}
        return tuple(name for name in self.changes if name in made)

    def _check(self, candidate: Changes) -> None:
        if candidate != self.candidate(candidate):
            raise ValueError(f"the changes {', '.join(candidate)} are not in their order")

    def _inseparable(self) -> tuple[tuple[str, ...], ...]:
        return tuple(unit for unit in self.units if len(unit) > 1)

    def _restart(self) -> None:
        self._descent: Asking[Changes, tuple[int, ...]] | None = None
        self._sets = SetBeliefs(len(self.units), self._needs)
        self._weighed = None

    def _absorb(self, candidate: Changes, frozen: bool) -> None:
        self._sets.tell(frozenset(self._unit[name] for name in candidate), frozen)

    def _consider(self) -> None:
        self._weighed = None
        if self._descent is None and self._lost():
            self._descent = Asking(self._least(), max(self.threshold, THRESHOLD_OF_ANSWERS))
        if self._descent is not None:
            self._descent.go_on(self)

    def _lost(self) -> bool:
        """Whether the posterior leads nowhere."""
        if self.settled is not None:
            return any(self._verdict(step) is False for step in self._proof())
        most, for_each = _PATIENCE
        if len(self.observations) > most + for_each * len(self.units):
            return True
        return not (self._open()[1] > LEAST_INFORMATION).any()
