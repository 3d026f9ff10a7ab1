"""Searches in a world that is known: each candidate freezes at a rate of its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from matrix.bisect import Bisector, Factors, Groups, Linear, Observation, Outcome, Shrink, SiteSearch, Whole

ITEMS = tuple(f"2.{at}" for at in range(12))
CHANGES = ("numpy", "torch", "gymnasium", "pandas", "rich")
CONFIGURATION = {"n_steps": 64, "n_envs": 4, "policy": "mlp"}

KINDS: dict[str, Callable[[], Bisector[Any]]] = {
    "linear": lambda: Linear(ITEMS),
    "groups": lambda: Groups(CHANGES, together=[("torch", "rich")]),
    "factors": lambda: Factors({"env": "a", "device": "cpu", "n": 1}, {"env": "b", "device": "cuda", "n": 1}),
    "shrink": lambda: Shrink(CONFIGURATION, {"n_steps": Whole(1), "n_envs": Whole(1)}),
    "sites": lambda: SiteSearch(["worker.step", "worker.reset", "queue.get", "queue.put", "pool.close"]),
}
"""A small search of each kind."""


def run(
    bisector: Bisector[Any],
    rate: Callable[[Any], float],
    *,
    seed: int = 0,
    most: int = 400,
    outcome: Callable[[Any], Outcome | None] = lambda _: None,
) -> int:
    """
    Does what the search suggests until it has nothing more to suggest.

    :param rate: at which a candidate freezes.
    :param outcome: how it ends whatever the rate; None leaves that to chance.
    :return: runs; ``most`` if the search goes on.
    """
    random = np.random.default_rng(seed)
    for runs in range(most):
        suggestion = bisector.suggest()
        if suggestion is None:
            return runs
        candidate = suggestion.candidate
        fixed = outcome(candidate)
        by_chance = Outcome.FREEZE if random.random() < rate(candidate) else Outcome.PASS
        bisector.tell(Observation(candidate, fixed or by_chance))
    return most


def needs(*culprit: str, rate: float = 1.0, otherwise: float = 0.0) -> Callable[[Any], float]:
    """Rates of sets of changes: those with all of the culprit freeze at the higher one."""
    return lambda candidate: rate if set(culprit) <= set(candidate) else otherwise


def from_on(first_bad: str, rate: float = 1.0, otherwise: float = 0.0) -> Callable[[Any], float]:
    """Rates of the items: those from the first bad one on freeze at the higher one."""
    return lambda item: rate if ITEMS.index(item) >= ITEMS.index(first_bad) else otherwise


def parts(candidate: Hashable) -> set[str]:
    """Of a candidate that is a set of names."""
    assert isinstance(candidate, tuple)
    return set(candidate)
