"""
What is believed before the first run; one configuration for all kinds of searches.

A freeze comes every time, or (a race, say) now and then; where its cause is absent it never comes, or seldom. The
numbers are a compromise: over a range of rates, searches shall be right as often as they say, and none takes much
longer than need be. ``python -m tests.bench.bisect`` shows both, with seeds to which nothing was fitted.
"""

from __future__ import annotations

from matrix.designs.rates import RATES as _BINS
from matrix.designs.rates import Rates, binned

_ALWAYS = 0.3
"""Probability that what has the culprit freezes every time."""
_SOMETIMES = (1.0, 1.5)
"""Beta distribution of its freeze rate otherwise."""
_NEVER = 0.6
"""Probability that what lacks the culprit never freezes."""
_SELDOM = (1.0, 20.0)
"""Beta distribution of its freeze rate otherwise: one run in twenty, about."""
_MOST_SELDOM = 0.15
"""Nobody calls a candidate good that freezes more often."""
_LEAST_RISE = 0.25
"""By how much the culprit must raise the rate."""
_DRIFTED = 0.05
"""Without a culprit: probability that nothing freezes any more, and that everything does now."""
_FLAT = (0.8, 1.0)
"""Beta distribution of the one freeze rate otherwise."""

NO_CULPRIT = 0.3
"""
Probability that there is none: the freeze comes from elsewhere, or was there on the good side all along. So much of
it, since by Ville's inequality (1939) a search that ends at probability p of a culprit names one where there is none
in up to (1 - p) / p times the prior odds of a culprit: here in 4 % of searches.
"""
SIZES = (0.6, 0.3, 0.07, 0.02)
"""Probability that a culprit among changes is one of them, two together, three, four; each size above: half of that."""
THRESHOLD = 0.95
"""Confidence at which a search ends, unless it is told another."""
THRESHOLD_OF_ANSWERS = 0.99
"""The same where a search asks one candidate after the other: all answers have to be right."""
_MARGIN = 3.0
"""
How many times the posterior's doubt is stated. A posterior is right on average over its prior; where freezes are
rarer, or the good side freezes oftener, than it takes for likely, it errs up to so many times as often.
"""


def stated(probability: float) -> float:
    """The confidence to state for a posterior probability, so that 95 % is at least 95 %; see the bench."""
    return max(0.0, 1 - _MARGIN * (1 - probability))


def _rates() -> Rates:
    inside = (1 - _ALWAYS) * binned(*_SOMETIMES)
    inside[-1] += _ALWAYS
    outside = (1 - _NEVER) * binned(*_SELDOM) * (_BINS < _MOST_SELDOM)
    outside[0] += _NEVER
    flat = (1 - 2 * _DRIFTED) * binned(*_FLAT)
    flat[0] += _DRIFTED
    flat[-1] += _DRIFTED
    return Rates.of(inside, outside, flat, _LEAST_RISE)


RATES = _rates()
