"""A small part of ``python -m tests.bench.bisect``, so that no change makes a search too sure of itself unseen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from matrix.bisect import Groups, Linear, Observation, Outcome
from tests.matrix.bisect.simulation import CHANGES, ITEMS, from_on, needs, run

SEARCHES = 20


@pytest.mark.parametrize(("rate", "otherwise"), [(1.0, 0.0), (0.5, 0.0), (0.3, 0.0), (0.5, 0.05), (0.8, 0.05)], ids=str)
def test_the_first_bad_version_is_right_as_often_as_stated(rate: float, otherwise: float) -> None:
    right, confidence = 0, 0.0
    for seed in range(SEARCHES):
        first_bad = ITEMS[1 + seed % (len(ITEMS) - 1)]
        bisector = Linear(ITEMS)
        run(bisector, from_on(first_bad, rate, otherwise), seed=seed)
        assert bisector.conclusion is not None
        right += bisector.conclusion.culprit == (first_bad,)
        confidence += bisector.conclusion.probability
    assert confidence / SEARCHES >= 0.95
    # By chance alone, fewer of 20 are right in one of 60 cases.
    assert right >= SEARCHES - 3


@pytest.mark.parametrize(
    ("rate", "otherwise", "most"), [(1.0, 0.0, 7), (0.5, 0.0, 25), (0.3, 0.0, 45), (0.5, 0.05, 60)], ids=str
)
def test_a_search_among_32_is_short_if_a_sweep_has_run_both_ends(rate: float, otherwise: float, most: int) -> None:
    items = [str(at) for at in range(32)]
    runs, right = 0, 0
    for seed in range(SEARCHES):
        random = np.random.default_rng([1, seed])
        first_bad = 1 + seed * 3 % 31
        bisector = Linear(items)
        for end, freezes in ((items[0], otherwise), (items[-1], rate)):
            frozen = [Outcome.FREEZE if each < freezes else Outcome.PASS for each in random.random(24)]
            bisector.replay([Observation(end, outcome) for outcome in frozen])
        runs += run(bisector, _from(first_bad, rate, otherwise), seed=seed)
        right += bisector.conclusion is not None and bisector.conclusion.culprit == (str(first_bad),)
    assert runs / SEARCHES <= most
    assert right >= SEARCHES - 3


def _from(first_bad: int, rate: float, otherwise: float) -> Callable[[str], float]:
    return lambda item: rate if int(item) >= first_bad else otherwise


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5, 1.0])
def test_no_culprit_is_said_as_often_as_stated(rate: float) -> None:
    right = 0
    for seed in range(SEARCHES):
        bisector = Linear(ITEMS)
        run(bisector, lambda _: rate, seed=seed)
        right += bisector.conclusion is not None and not bisector.conclusion.found
    assert right >= SEARCHES - 3


@pytest.mark.parametrize(("rate", "otherwise"), [(1.0, 0.0), (0.5, 0.0), (0.6, 0.05)], ids=str)
def test_the_guilty_changes_are_right_as_often_as_stated(rate: float, otherwise: float) -> None:
    right = 0
    for seed in range(SEARCHES):
        culprit = {CHANGES[seed % 5], CHANGES[seed * 3 % 5]}
        groups = Groups(CHANGES)
        run(groups, needs(*culprit, rate=rate, otherwise=otherwise), seed=seed)
        right += groups.conclusion is not None and set(groups.conclusion.culprit) == culprit
    assert right >= SEARCHES - 3
