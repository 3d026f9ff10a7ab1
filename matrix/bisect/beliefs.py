"""
What is believed of culprits, given runs that froze or passed.

Each culprit says of each candidate whether it is *inside*, that is, has all that the freeze needs. Inside, runs freeze
at one unknown rate, outside at a lower one, and both are integrated out (:class:`matrix.designs.rates.Rates`). So a
culprit's likelihood depends on four counts only, and culprits with equal counts are worked out once: tens of
thousands of them cost a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from matrix.bisect.priors import RATES
from matrix.designs.rates import Floats

Flags = NDArray[np.bool_]
Count: TypeAlias = "int | NDArray[np.int64]"
Runs: TypeAlias = "tuple[Count, Count]"
"""How many froze, and how many passed."""

_DOUBTED = 0.5
"""Probability of "no culprit" from which on it is the question whether there is one, and not which."""
_CAUSED = RATES.if_caused > 0
_FLAT = RATES.if_none > 0
_LOG_CAUSED, _LOG_NONE = np.log(RATES.if_caused[_CAUSED]), np.log(RATES.if_none[_FLAT])
_LOG_IN, _LOG_NOT_IN = np.log(RATES.inside[_CAUSED]), np.log1p(-RATES.inside[_CAUSED])
_LOG_OUT, _LOG_NOT_OUT = np.log(RATES.outside), np.log1p(-RATES.outside)


def likelihood(inside: Runs, outside: Runs) -> Floats:
    """
    Logarithm of the probability of these runs, whatever the two rates are.

    :param inside: how many froze and how many passed where they are said to freeze at the higher rate.
    :param outside: and where at the lower one. Numbers or arrays.
    """
    return np.asarray(np.logaddexp.reduce(_joint(inside, outside), axis=-1))


def chance_inside(own: tuple[int, int], inside: tuple[int, int], outside: tuple[int, int], prior: float = 0.5) -> float:
    """
    Probability that a candidate is inside, by its own runs, those being known that are and that are not.

    :param own: the candidate's runs that froze and that passed; the other two don't count them.
    """
    if_inside = float(likelihood((own[0] + inside[0], own[1] + inside[1]), outside))
    if_outside = float(likelihood(inside, (own[0] + outside[0], own[1] + outside[1])))
    return float(1 / (1 + (1 - prior) / prior * np.exp(min(700.0, if_outside - if_inside))))


class Beliefs:
    """A posterior over "no culprit" and a number of culprits; for the first, all candidates freeze alike."""

    def __init__(self, prior: Floats) -> None:
        """
        :param prior: of each culprit, the first being "no culprit"; shape (culprits,), any sum.
        """
        self._prior = np.log(prior / prior.sum())
        self._inside_freezes = np.zeros(len(prior), dtype=np.int64)
        self._inside_passes = np.zeros(len(prior), dtype=np.int64)
        self._freezes = self._passes = 0
        self._known: _Known | None = None

    def tell(self, inside: Flags, freezes: int, passes: int) -> None:
        """
        Takes in runs of one candidate.

        :param inside: for which culprits the candidate is inside, shape (culprits,); the first is ignored.
        """
        self._inside_freezes += freezes * inside
        self._inside_passes += passes * inside
        self._freezes += freezes
        self._passes += passes
        self._known = None

    @property
    def probabilities(self) -> Floats:
        """Of each culprit, shape (culprits,)."""
        return self._worked_out().probabilities

    @property
    def contradicted(self) -> NDArray[np.int64]:
        """For each culprit, runs that could not have ended so if freezes came every time; shape (culprits,)."""
        return self._inside_passes + self._freezes - self._inside_freezes

    def information(self, inside_sums: Callable[[Floats], Floats]) -> Floats:
        """
        Mutual information of culprit and outcome for each of some candidates, in nats.

        Once "no culprit" is more probable than not, it is that of the outcome and whether there is a culprit: what
        best tells culprits apart, a candidate in the middle, hardly tells that.

        :param inside_sums: given a number for each culprit, the sum for each candidate over the culprits that it is
            inside for; the first culprit's number is 0.
        """
        known = self._worked_out()
        freeze = inside_sums(known.rise) + known.base
        if (none := float(known.probabilities[0])) >= _DOUBTED:
            caused = (freeze - none * known.flat_rate) / max(1 - none, 1e-12)
            noise = none * entropy(np.asarray(known.flat_rate)) + (1 - none) * entropy(caused)
        else:
            noise = inside_sums(known.noise_rise) + known.noise_base
        return np.maximum(0, entropy(freeze) - noise)

    def _worked_out(self) -> _Known:
        if self._known is None:
            self._known = self._work_out()
        return self._known

    def _work_out(self) -> _Known:
        width = self._passes + 1
        codes = self._inside_freezes[1:] * width + self._inside_passes[1:]
        present = np.zeros((self._freezes + 1) * width, dtype=np.bool_)
        present[codes] = True
        distinct = np.flatnonzero(present)
        place = np.zeros(len(present), dtype=np.intp)
        place[distinct] = np.arange(len(distinct))
        of = place[codes]
        freezes, passes = np.divmod(distinct, width)
        joint = _joint((freezes, passes), (self._freezes - freezes, self._passes - passes))
        logs = np.logaddexp.reduce(joint, axis=1)
        weights = np.exp(joint - logs[:, None])
        flat = self._freezes * _LOG_OUT[_FLAT] + self._passes * _LOG_NOT_OUT[_FLAT] + _LOG_NONE
        flat_log = np.logaddexp.reduce(flat)
        flat_rate = float(np.exp(flat - flat_log) @ RATES.outside[_FLAT])
        posterior = self._prior + np.concatenate([[flat_log], logs[of]])
        chances = np.exp(posterior - posterior.max())
        chances /= chances.sum()
        inside, outside = weights @ RATES.inside[_CAUSED], weights @ RATES.outside[_CAUSED]
        noise = entropy(outside)
        rise, noise_rise = inside - outside, entropy(inside) - noise
        return _Known(
            chances,
            flat_rate,
            np.concatenate([[0], chances[1:] * rise[of]]),
            np.concatenate([[0], chances[1:] * noise_rise[of]]),
            float(chances[0] * flat_rate + chances[1:] @ outside[of]),
            float(chances[0] * entropy(np.asarray(flat_rate)) + chances[1:] @ noise[of]),
        )


@dataclass(frozen=True)
class _Known:
    """What follows from the runs, for each culprit, and weighted with its probability."""

    probabilities: Floats
    flat_rate: float
    """Freeze rate of all candidates if there is no culprit."""
    rise: Floats
    """By how much candidates inside freeze oftener than others."""
    noise_rise: Floats
    """And how much more uncertain their outcome is, in nats."""
    base: float
    """Freeze rate of a candidate that is inside for none."""
    noise_base: float


def _joint(inside: Runs, outside: Runs) -> Floats:
    """Log-probability of the runs together with each pair of rates, which are the last axis."""
    (in_freezes, in_passes), (out_freezes, out_passes) = (
        [np.asarray(count)[..., None] for count in counts] for counts in (inside, outside)
    )
    return np.asarray(
        in_freezes * _LOG_IN
        + in_passes * _LOG_NOT_IN
        + out_freezes * _LOG_OUT[_CAUSED]
        + out_passes * _LOG_NOT_OUT[_CAUSED]
        + _LOG_CAUSED
    )


def entropy(probability: Floats) -> Floats:
    """Of a yes or no, in nats."""
    clipped = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.asarray(-clipped * np.log(clipped) - (1 - clipped) * np.log1p(-clipped))
