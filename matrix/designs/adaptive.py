"""
Which cell to try next, so that the cause of the freezes is known soonest.

Bayesian experimental design: the posterior over explanations, a beta-Bernoulli likelihood for each, and the next
trial by expected information gain (Lindley 1956, "On a measure of the information provided by an experiment") per
second. Told outcomes, it says what to try; it starts nothing, reads nothing, and has no clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from matrix.designs.explanations import Explanation, Hypotheses
from matrix.designs.interface import Assignment
from matrix.designs.rates import Floats, Rates
from matrix.plan.parameters import Level

_PRIOR_NONE = 0.45
_PRIOR_SINGLE = 0.22
"""Shared by all single levels."""
_PRIOR_PAIR = 0.33
"""Shared by all pairs of levels; there are many more of them, so each alone is believed less than a single level."""
_MOST_WEIGHED = 4000
"""Candidates among which the next is chosen; of more, a sample that covers all explanations."""


class Adaptive:
    """
    Seeks the level, or the two levels, that raise the probability of a freeze.

    Starts with candidates that between them show each pair of levels, then goes by expected information.
    """

    def __init__(
        self,
        factors: Mapping[str, Sequence[Level]],
        candidates: Sequence[Assignment],
        *,
        costs_s: Sequence[float] | None = None,
        threshold: float = 0.95,
        seed: int = 0,
    ) -> None:
        """
        :param factors: name to levels.
        :param candidates: what may be tried; each with a level for every factor.
        :param costs_s: how long a trial of each candidate takes, in seconds; without it, all take the same.
        :param threshold: the probability at which an explanation is the conclusion, between 0.5 and 1.
        :param seed: decides between candidates that are as good as each other.
        :raises ValueError: there is no candidate, a cost is missing or not above 0, or the threshold is out of range.
        """
        if not candidates:
            raise ValueError("there is no candidate to try; loosen the constraints")
        costs = np.ones(len(candidates)) if costs_s is None else np.asarray(costs_s, dtype=np.float64)
        if costs.shape != (len(candidates),) or not (costs > 0).all():
            raise ValueError(f"expected a cost above 0 s for each of {len(candidates)} candidates")
        if not 0.5 <= threshold < 1:
            raise ValueError(f"the threshold {threshold} is not between 0.5 and 1; 0.95 is usual")
        self._threshold = threshold
        self._hypotheses = Hypotheses.of(factors, candidates)
        self._rates = Rates.believed()
        self._joint = self._prior()
        self._believed = self._beliefs(self._joint)
        self._weighed = self._sample(len(candidates), np.random.default_rng(seed))
        self._inside = self._hypotheses.fulfilled(self._weighed).astype(np.float64)
        self._costs_s = costs[self._weighed]
        self._start = self._cover()
        self._seen = np.zeros(len(self._hypotheses.explanations), dtype=np.bool_)

    def tell(self, candidate: int, frozen: bool) -> None:
        """
        The outcome of a trial.

        :param candidate: its place among the candidates; it may be tried again, and told again.
        :raises IndexError: there is no such candidate.
        """
        self._joint = self._joint + self._evidence(candidate, frozen)
        self._believed = self._beliefs(self._joint)
        self._seen = self._seen | self._fulfilled(candidate)

    def ask(self, pending: Collection[int] = ()) -> int | None:
        """
        The candidate to try next; None once there is a conclusion.

        :param pending: candidates whose trials run now. They are taken to end as is most probable, so that trials
            side by side do not all ask the same.
        """
        if self.conclusion is not None:
            return None
        seen = self._seen.copy()
        for candidate in pending:
            seen |= self._fulfilled(candidate)
        for candidate in self._start:
            if (self._fulfilled(candidate) & ~seen).any():
                return candidate
        joint = self._joint
        for candidate in pending:
            joint = joint + self._evidence(candidate, self._freeze_probability(joint, candidate) >= 0.5)
        return int(self._weighed[np.argmax(self._information(joint) / self._costs_s)])

    @property
    def conclusion(self) -> Explanation | None:
        """
        The explanation whose probability has reached the threshold; None as long as there is none.

        "None of them" is not concluded before each explanation was tried once, however probable it is.
        """
        probabilities = self._believed[0]
        best = int(np.argmax(probabilities))
        if probabilities[best] < self._threshold or (best == 0 and not self._seen[1:].all()):
            return None
        return self._hypotheses.explanations[best]

    def posterior(self) -> list[tuple[Explanation, float]]:
        """All explanations with their probabilities, the most probable first."""
        probabilities = self._believed[0]
        order = np.argsort(-probabilities, kind="stable")
        return [(self._hypotheses.explanations[at], float(probabilities[at])) for at in order]

    def _prior(self) -> Floats:
        """Logarithm of the joint prior of explanation and rates, shape (explanations, pairs of rates)."""
        singles, pairs = self._hypotheses.singles, self._hypotheses.pairs
        prior = _PRIOR_SINGLE * singles / max(1, singles.sum()) + _PRIOR_PAIR * pairs / max(1, pairs.sum())
        prior[0] = _PRIOR_NONE
        of_rates = np.tile(self._rates.if_caused, (len(prior), 1))
        of_rates[0] = self._rates.if_none
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(of_rates) + np.log(prior / prior.sum())[:, None])

    def _sample(self, candidates: int, random: np.random.Generator) -> NDArray[np.intp]:
        """The candidates to weigh, in the order in which they are preferred when equally good."""
        order = random.permutation(candidates)
        if candidates <= _MOST_WEIGHED:
            return order
        chosen = order[:_MOST_WEIGHED]
        seen = self._hypotheses.fulfilled(chosen).any(axis=0)
        more: list[int] = []
        for block in np.array_split(order[_MOST_WEIGHED:], candidates // _MOST_WEIGHED):
            fulfilled = self._hypotheses.fulfilled(block)
            while (new := fulfilled & ~seen).any():
                best = int(np.argmax(new.sum(axis=1)))
                more.append(int(block[best]))
                seen |= fulfilled[best]
        return np.concatenate([chosen, np.array(more, dtype=np.intp)])

    def _cover(self) -> list[int]:
        """Candidates that between them fulfil each explanation, hence each pair of levels; greedily few and cheap."""
        uncovered = np.ones(self._inside.shape[1])
        uncovered[0] = 0
        start = []
        while uncovered.any():
            best = int(np.argmax(self._inside @ uncovered / self._costs_s))
            start.append(int(self._weighed[best]))
            uncovered[self._inside[best] > 0] = 0
        return start

    def _fulfilled(self, candidate: int) -> NDArray[np.bool_]:
        return self._hypotheses.fulfilled(np.array([candidate])).ravel()

    def _evidence(self, candidate: int, frozen: bool) -> Floats:
        """Log-likelihood of one outcome, shape (explanations, pairs of rates)."""
        inside = self._fulfilled(candidate)
        rates = np.where(inside[:, None], self._rates.inside, self._rates.outside)
        return np.asarray(np.log(rates if frozen else 1 - rates))

    def _beliefs(self, joint: Floats) -> tuple[Floats, Floats, Floats]:
        """Probability of each explanation, and its freeze rates inside and outside, each of shape (explanations,)."""
        # Each row by its own maximum: an explanation as good as excluded still has rates.
        peaks = joint.max(axis=1)
        of_rates = np.exp(joint - peaks[:, None])
        totals = of_rates.sum(axis=1)
        logs = peaks + np.log(totals)
        probabilities = np.exp(logs - logs.max())
        inside, outside = of_rates @ self._rates.inside / totals, of_rates @ self._rates.outside / totals
        return probabilities / probabilities.sum(), inside, outside

    def _freeze_probability(self, joint: Floats, candidate: int) -> float:
        probabilities, inside, outside = self._beliefs(joint)
        return float(probabilities @ np.where(self._fulfilled(candidate), inside, outside))

    def _information(self, joint: Floats) -> Floats:
        """Mutual information of explanation and outcome for each weighed candidate, in nats."""
        probabilities, inside, outside = self._beliefs(joint)
        rise = probabilities * (inside - outside)
        noise_rise = probabilities * (_entropy(inside) - _entropy(outside))
        freeze = self._inside @ rise + probabilities @ outside
        noise = self._inside @ noise_rise + probabilities @ _entropy(outside)
        return _entropy(freeze) - noise


def _entropy(probability: Floats) -> Floats:
    """Of a yes or no, in nats."""
    clipped = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.asarray(-clipped * np.log(clipped) - (1 - clipped) * np.log1p(-clipped))
