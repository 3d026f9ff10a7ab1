"""The algorithms of stable-baselines3 and sb3-contrib: told by their settings, as a file does not name its own."""

from __future__ import annotations

from repro.checkpoints.algorithms import ars, off_policy, on_policy
from repro.checkpoints.algorithms.interface import Algorithm
from repro.checkpoints.data import Data

ALGORITHMS: tuple[Algorithm, ...] = (*ars.ALGORITHMS, *on_policy.ALGORITHMS, *off_policy.ALGORITHMS)


def of(data: Data) -> Algorithm | None:
    """The algorithm of a model; None if it is none of these."""
    return next((algorithm for algorithm in ALGORITHMS if algorithm.matches(data)), None)
