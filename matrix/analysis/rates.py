"""How often something happens, how sure that is, and how sure differences of such rates are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
"""Of the credible intervals, where nothing else is said."""


@dataclass(frozen=True)
class Rate:
    """Of some trials, how many had it, with an interval for the true rate."""

    hits: int
    trials: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """0..1; undefined without trials."""
        return self.hits / self.trials if self.trials else math.nan


@dataclass(frozen=True)
class Estimate:
    """A difference of rates, in -1..1 (a difference of differences: -2..2), with its interval."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def rates(counts: Sequence[tuple[int, int]], level: float = LEVEL) -> list[Rate]:
    """
    Rates with equal-tailed credible intervals under Jeffreys' prior, Beta(1/2, 1/2).

    With no hit the lower end is 0 and with nothing but hits the upper is 1, as L. D. Brown, T. T. Cai and A. DasGupta
    recommend ("Interval Estimation for a Binomial Proportion", Statistical Science 16, 2001).

    :param counts: (hits, trials) each, hits at most trials.
    :param level: probability that the interval holds the true rate.
    :return: one each; without trials the interval is that of the prior.
    """
    if not counts:
        return []
    # Here, because a sweep that is only run needs none of it, and importing it takes a while.
    import numpy as np
    from scipy.stats import beta

    hits, trials = np.asarray(counts, dtype=float).T
    tail = (1 - level) / 2
    low = np.where(hits == 0, 0.0, beta.ppf(tail, hits + 0.5, trials - hits + 0.5))
    high = np.where(hits == trials, 1.0, beta.ppf(1 - tail, hits + 0.5, trials - hits + 0.5))
    ends = zip(counts, low.tolist(), high.tolist(), strict=True)
    return [Rate(had, of, one, other) for (had, of), one, other in ends]


def difference(first: Rate, second: Rate) -> Estimate | None:
    """How much more often it happens in ``first``; None if one of them has no trials. See :func:`contrast`."""
    return contrast((first, second), (1, -1))


def contrast(terms: Sequence[Rate], weights: Sequence[int]) -> Estimate | None:
    """
    A sum of rates, each with its sign, with an interval made of theirs.

    R. G. Newcombe's way for a difference ("Interval estimation for the difference between independent proportions",
    Statistics in Medicine 17, 1998, method 10), for any sum as in G. Y. Zou and A. Donner ("Construction of confidence
    limits about effect measures", Statistics in Medicine 27, 2008); here on Jeffreys intervals instead of Wilson's.

    :param weights: 1 or -1 each.
    :return: None if one of the rates has no trials.
    """
    if any(term.trials == 0 for term in terms):
        return None
    value = below = above = 0.0
    for term, weight in zip(terms, weights, strict=True):
        down, up = term.share - term.low, term.high - term.share
        value += weight * term.share
        below += (down if weight > 0 else up) ** 2
        above += (up if weight > 0 else down) ** 2
    widest = len(terms) / 2
    return Estimate(value, max(-widest, value - math.sqrt(below)), min(widest, value + math.sqrt(above)))
