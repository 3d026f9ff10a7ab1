"""A small part of ``python -m tests.bench.bisect``, so that no change makes a search too sure of itself unseen."""

from __future__ import annotations

import pytest

from matrix.bisect import Groups, Linear
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
