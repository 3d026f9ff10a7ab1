"""Intervals that hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from matrix.analysis.rates import Rate, contrast, difference, rates

QUIETLY = settings(deadline=None, max_examples=40)
"""The first example imports scipy."""
COUNTS = st.integers(0, 60).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


def test_the_interval_agrees_with_the_published_table() -> None:
    # L. D. Brown, T. T. Cai, A. DasGupta, Statistical Science 16 (2001), table 5: limits of the Jeffreys interval.
    published = {(0, 7): (0, 0.292), (1, 7): (0.016, 0.501), (2, 7): (0.065, 0.648), (3, 7): (0.139, 0.766)}
    for (hits, trials), limits in published.items():
        [rate] = rates([(hits, trials)])
        assert (rate.low, rate.high) == pytest.approx(limits, abs=6e-4)


@QUIETLY
@given(st.lists(COUNTS, max_size=5))
def test_the_share_lies_in_its_interval(counts: list[tuple[int, int]]) -> None:
    for rate, (hits, trials) in zip(rates(counts), counts, strict=True):
        assert 0 <= rate.low <= rate.high <= 1
        assert (rate.hits, rate.trials) == (hits, trials)
        assert math.isnan(rate.share) if trials == 0 else rate.low <= rate.share <= rate.high


@QUIETLY
@given(COUNTS, st.integers(2, 5))
def test_more_trials_with_the_same_share_narrow_the_interval(counts: tuple[int, int], times: int) -> None:
    hits, trials = counts
    few, many = rates([(hits, trials), (hits * times, trials * times)])
    assert trials == 0 or many.high - many.low < few.high - few.low


def test_on_average_over_true_rates_the_interval_holds_as_often_as_is_said() -> None:
    trials = 40
    found = rates([(hits, trials) for hits in range(trials + 1)])
    held = [
        sum(
            weight
            for weight, rate in zip(stats.binom.pmf(range(trials + 1), trials, true), found, strict=True)
            if rate.low <= true <= rate.high
        )
        for true in np.linspace(0.005, 0.995, 100)
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.01)
    assert min(held) > 0.88


@QUIETLY
@given(COUNTS, COUNTS)
def test_a_difference_turns_its_sign_with_its_sides(one: tuple[int, int], other: tuple[int, int]) -> None:
    first, second = rates([one, other])
    there, back = difference(first, second), difference(second, first)
    if there is None or back is None:
        assert 0 in (one[1], other[1])
        return
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))
    assert -1 <= there.low <= there.value <= there.high <= 1


@pytest.mark.parametrize("true", [(0.5, 0.5), (0.0, 0.5), (0.1, 0.4), (0.9, 1.0)])
def test_a_true_difference_is_in_its_interval_about_as_often_as_is_said(true: tuple[float, float]) -> None:
    trials = (12, 20)
    one, other = (rates([(hits, n) for hits in range(n + 1)]) for n in trials)
    held = 0.0
    for first, p in zip(one, stats.binom.pmf(range(trials[0] + 1), trials[0], true[0]), strict=True):
        for second, q in zip(other, stats.binom.pmf(range(trials[1] + 1), trials[1], true[1]), strict=True):
            found = difference(first, second)
            assert found is not None
            held += p * q * (found.low <= true[0] - true[1] <= found.high)
    assert held >= 0.92


def test_an_interaction_is_the_difference_of_two_differences() -> None:
    found = contrast(rates([(10, 10), (0, 10), (0, 10), (0, 10)]), (1, -1, -1, 1))
    assert found is not None
    assert found.value == 1
    assert found.is_clear
    assert found.high <= 2


def test_nothing_is_said_of_what_was_never_tried() -> None:
    assert difference(*rates([(1, 2), (0, 0)])) is None
    assert rates([]) == []


def test_an_interval_made_for_many_looks_is_wider() -> None:
    [usual], [widened] = rates([(3, 9)]), rates([(3, 9)], level=0.999)
    assert widened.low < usual.low
    assert widened.high > usual.high
    assert np.isfinite([widened.low, widened.high]).all()


def test_a_rate_is_plain_numbers() -> None:
    [rate] = rates([(1, 4)])
    assert rate == Rate(1, 4, float(rate.low), float(rate.high))
    assert type(rate.low) is float
