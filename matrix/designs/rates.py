"""
What is believed of freeze rates before the first trial.

Each explanation says: cells that fulfil it freeze at one rate, all others at a lower one, and both are unknown. "None
of them" says: all freeze at one unknown rate. Rates follow beta distributions, here over a few bins, so that "the
one is higher than the other" is a sum and no integral.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Floats = NDArray[np.float64]

RATES: Floats = np.array([0.001, 0.01, 0.03, 0.07, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.95, 0.999])
"""The bins' rates. The first stands for "never", the last for "always", short of certainty: a probe may err."""
_IF_NONE = (1.0, 2.0)
"""Beta distribution of the one rate under "none of them": anything, and likelier rare than frequent."""
_OTHERWISE = (1.0, 6.0)
"""Of the rate where an explanation is not fulfilled, if anything freezes there: seldom more than one run in three."""
_NEVER_OTHERWISE = 0.6
"""Probability that nothing does."""
_RAISED = (2.0, 2.0)
"""Of the rate where an explanation is fulfilled: a cause of freezes freezes some runs, perhaps not all."""
_LEAST_RISE = 0.3
"""By how much the rate must rise for an explanation to be one; a smaller rise is none that a few dozen trials show."""


@dataclass(frozen=True)
class Rates:
    """Pairs of rates, and how much they are believed."""

    inside: Floats
    """Freeze rate of cells that fulfil an explanation, shape (pairs,)."""
    outside: Floats
    """And of the others."""
    if_caused: Floats
    """Prior probability of each pair under an explanation, shape (pairs,)."""
    if_none: Floats
    """And under "none of them", where only the outside rate counts."""

    @classmethod
    def believed(cls) -> Rates:
        """The prior of a sweep's explanations."""
        otherwise = (1 - _NEVER_OTHERWISE) * binned(*_OTHERWISE)
        otherwise[0] += _NEVER_OTHERWISE
        return cls.of(binned(*_RAISED), otherwise, binned(*_IF_NONE), _LEAST_RISE)

    @classmethod
    def of(cls, inside: Floats, outside: Floats, none: Floats, least_rise: float) -> Rates:
        """
        A prior.

        :param inside: how much each of :data:`RATES` is believed where an explanation is fulfilled.
        :param outside: and where it is not.
        :param none: and under "none of them".
        :param least_rise: by how much the one must lie above the other.
        """
        low, high = np.meshgrid(RATES, RATES, indexing="ij")
        if_caused = np.outer(outside, inside) * (high - low >= least_rise)
        if_none = np.zeros_like(if_caused)
        if_none[:, -1] = none
        needed = (if_caused > 0) | (if_none > 0)
        return cls(high[needed], low[needed], if_caused[needed] / if_caused.sum(), if_none[needed])


def binned(a: float, b: float) -> Floats:
    """How much of a beta distribution lies in the bin of each of :data:`RATES`."""
    edges = np.concatenate([[0.0], (RATES[1:] + RATES[:-1]) / 2, [1.0]])
    return np.asarray(np.diff(betainc(a, b, edges)), dtype=np.float64)
