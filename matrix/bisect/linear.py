"""
The first of an ordered list that freezes: versions, commits, days.

Bayesian bisection after git-bayesect (Jain), with a hypothesis that there is no culprit, and a mixture of priors for
the rates: freezes are near proof, passes are weak evidence, and the good side may freeze, too. The next item is that
whose outcome tells most (expected information), or of those that tell nearly as much the cheapest. Runs of an earlier
sweep are worth telling: the more is known of how often both ends freeze, the sooner a search ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from matrix.bisect.beliefs import Beliefs
from matrix.bisect.certificate import Pair
from matrix.bisect.choice import LEAST_INFORMATION, cheapest, free
from matrix.bisect.interface import Bisector, Conclusion, Suggestion
from matrix.bisect.priors import NO_CULPRIT, THRESHOLD, stated
from matrix.designs.rates import Floats


class Linear(Bisector[str]):
    """Seeks the first bad one of items of which the first is said to be good and the last to be bad."""

    kind = "linear"

    def __init__(
        self,
        items: Sequence[str],
        *,
        cost_s: Callable[[str], float] = free,
        signature: str | None = None,
        threshold: float = THRESHOLD,
    ) -> None:
        """
        :param items: at least two different names, in order, from the good end to the bad end.
        :param cost_s: what a run of an item takes, in seconds, above 0; asked anew for each suggestion, so that an
            environment can become cheap once it is built.
        :raises ValueError: there are fewer than two items, or one is there twice.
        """
        if len(items) < 2:
            raise ValueError(f"a list of {len(items)} has no good and bad end; give at least two")
        if len(set(items)) < len(items):
            twice = next(item for item in items if items.count(item) > 1)
            raise ValueError(f"{twice!r} is in the list twice")
        self.items = tuple(items)
        self._cost_s = cost_s
        self._places = {item: at for at, item in enumerate(items)}
        super().__init__(signature=signature, threshold=threshold)
        self._restart()

    def suggest(self) -> Suggestion[str] | None:
        """See :meth:`Bisector.suggest`."""
        if self.conclusion is not None:
            return None
        information = self._beliefs.information(_at_or_before)
        open_items = [at for at, item in enumerate(self.items) if item not in self.excluded]
        if not open_items or information[open_items].max() < LEAST_INFORMATION:
            return None
        best = cheapest(information[open_items], lambda at: self._cost_s(self.items[open_items[at]]))
        at = open_items[best]
        frozen, passed = self.runs(self.items[at])
        again = f", again ({frozen} froze, {passed} did not)" if frozen + passed else ""
        return Suggestion(self.items[at], f"{information[at] / np.log(2):.2f} bits expected{again}")

    @property
    def posterior(self) -> list[tuple[tuple[str, ...], float]]:
        """By first bad item; items that nothing which can be tried tells apart are one entry."""
        entries: list[tuple[tuple[str, ...], float]] = [((), float(self._beliefs.probabilities[0]))]
        entries += [(self.items[low:high], float(p)) for low, high, p in self._ranges()]
        return sorted(entries, key=lambda entry: -entry[1])

    @property
    def conclusion(self) -> Conclusion | None:
        """The first bad item; its alternatives are the items that could not be told from it."""
        names, probability = self.posterior[0]
        confidence = stated(probability)
        if confidence < self.threshold:
            return None
        if not names:
            return Conclusion((), confidence)
        stuck = tuple(item for item in names[:-1] if item in self.excluded)
        return Conclusion(names[-1:], confidence, tuple((name,) for name in names[:-1]), stuck)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The last good and the first bad item; without a culprit, both ends."""
        conclusion = self.conclusion
        if conclusion is None:
            return ()
        if not conclusion.found:
            good, bad = self.items[0], self.items[-1]
            return (self._pair(good, bad, f"{good} and {bad} fare alike"),)
        bad = conclusion.culprit[0]
        good = self.items[self._places[bad] - len(conclusion.alternatives) - 1]
        return (self._pair(good, bad, f"{bad} freezes, {good} does not"),)

    def _ranges(self) -> list[tuple[int, int, float]]:
        """
        Runs of items (from, up to but without) whose probabilities only count together, and their sum.

        An item that can't be tried and never was leaves open whether it or the next is the first bad one.
        """
        found, low = [], 1
        for high in range(2, len(self.items) + 1):
            before = self.items[high - 1]
            blind = high < len(self.items) and before in self.excluded and self.runs(before) == (0, 0)
            if not blind:
                found.append((low, high, float(self._beliefs.probabilities[low:high].sum())))
                low = high
        return found

    def _check(self, candidate: str) -> None:
        if candidate not in self._places:
            raise ValueError(f"{candidate!r} is none of the list's items ({self.items[0]} to {self.items[-1]})")

    def _restart(self) -> None:
        prior = np.full(len(self.items), (1 - NO_CULPRIT) / (len(self.items) - 1))
        prior[0] = NO_CULPRIT
        self._beliefs = Beliefs(prior)

    def _absorb(self, candidate: str, frozen: bool) -> None:
        inside = np.arange(len(self.items)) <= self._places[candidate]
        self._beliefs.tell(inside, int(frozen), int(not frozen))


def _at_or_before(weights: Floats) -> Floats:
    """Culprit ``at`` makes each candidate from ``at`` on bad; that at 0 is none."""
    return np.cumsum(weights)
