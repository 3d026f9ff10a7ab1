from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.bisect.beliefs import Beliefs, chance_inside, entropy, likelihood
from matrix.bisect.prefix import least_set
from matrix.bisect.priors import RATES, SIZES
from matrix.bisect.questions import Search
from matrix.bisect.subsets import Culprits
from matrix.bisect.units import units_of


def exact(prior: list[float], runs: Iterable[tuple[list[bool], bool]]) -> np.ndarray:
    """The posterior by brute force: each culprit with each pair of rates, run by run."""
    chances = np.outer(prior, RATES.if_caused)
    chances[0] = prior[0] * RATES.if_none
    for inside, frozen in runs:
        rate = np.where(np.array(inside)[:, None], RATES.inside, RATES.outside)
        rate[0] = RATES.outside
        chances = chances * (rate if frozen else 1 - rate)
    return np.asarray(chances.sum(axis=1) / chances.sum())


RUNS = st.lists(st.tuples(st.lists(st.booleans(), min_size=5, max_size=5), st.booleans()), max_size=30)


@settings(max_examples=60, deadline=None)
@given(runs=RUNS)
def test_the_posterior_is_that_of_bayes_rule(runs: list[tuple[list[bool], bool]]) -> None:
    prior = [0.2, 0.1, 0.3, 0.25, 0.15]
    beliefs = Beliefs(np.array(prior))
    for inside, frozen in runs:
        beliefs.tell(np.array(inside), int(frozen), int(not frozen))
    assert beliefs.probabilities == pytest.approx(exact(prior, runs), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(runs=RUNS, candidate=st.lists(st.booleans(), min_size=5, max_size=5))
def test_information_is_the_entropy_that_the_next_run_is_expected_to_take_away(
    runs: list[tuple[list[bool], bool]], candidate: list[bool]
) -> None:
    prior = [0.05, 0.2, 0.3, 0.25, 0.2]
    beliefs = Beliefs(np.array(prior))
    for inside, frozen in runs:
        beliefs.tell(np.array(inside), int(frozen), int(not frozen))
    told = float(beliefs.information(lambda weights: np.array([weights @ np.array(candidate)]))[0])
    now, frozen_next, passed_next = (
        exact(prior, [*runs, *more]) for more in ([], [(candidate, True)], [(candidate, False)])
    )
    # The probability that it freezes follows from any culprit whose posterior changes; from brute force here.
    changed = int(np.argmax(np.abs(frozen_next - passed_next)))
    if abs(frozen_next[changed] - passed_next[changed]) < 1e-6:
        assert told == pytest.approx(0, abs=1e-6)
        return
    freeze = (now[changed] - passed_next[changed]) / (frozen_next[changed] - passed_next[changed])
    if now[0] >= 0.5:
        left = freeze * entropy(frozen_next[0]) + (1 - freeze) * entropy(passed_next[0])
        assert told == pytest.approx(float(entropy(now[0]) - left), abs=1e-6)
        return
    shannon = [float(-(p[p > 0] * np.log(p[p > 0])).sum()) for p in (now, frozen_next, passed_next)]
    assert told == pytest.approx(shannon[0] - freeze * shannon[1] - (1 - freeze) * shannon[2], abs=1e-6)


def test_a_freeze_says_much_and_a_pass_little() -> None:
    known = (3, 3), (0, 20)
    assert chance_inside((1, 0), *known) > 0.95
    assert 0.2 < chance_inside((0, 1), *known) < 0.5
    assert chance_inside((0, 8), *known) < 0.03
    assert chance_inside((0, 0), *known) == pytest.approx(0.5)


def test_rates_that_suit_the_culprit_are_likelier_than_the_reverse() -> None:
    assert likelihood((5, 5), (0, 10)) > likelihood((0, 10), (5, 5))


@pytest.mark.parametrize("changes", [1, 4, 9, 30, 64, 200])
def test_priors_of_sets_follow_their_size(changes: int) -> None:
    culprits = Culprits(changes, range(changes))
    sizes = np.array([len(culprits.of(at)) for at in range(len(culprits))])
    assert sizes[0] == 0
    assert len({culprits.of(at) for at in range(len(culprits))}) == len(culprits)
    of_one = culprits.prior[sizes == 1].sum()
    if (sizes == 2).any():
        assert culprits.prior[sizes == 2].sum() / of_one == pytest.approx(SIZES[1] / SIZES[0])


@settings(max_examples=30, deadline=None)
@given(data=st.data(), changes=st.integers(2, 12))
def test_sets_know_which_candidates_and_prefixes_contain_them(data: st.DataObject, changes: int) -> None:
    numbers = list(range(changes))
    frozen = data.draw(st.sets(st.sampled_from(numbers), min_size=1))
    culprits = Culprits(changes, frozen)
    candidate = data.draw(st.sets(st.sampled_from(numbers)))
    sets = [culprits.of(at) for at in range(len(culprits))]
    assert culprits.inside(candidate).tolist()[1:] == [each <= candidate for each in sets[1:]]
    order = np.array(data.draw(st.permutations(numbers)))
    shortest = culprits.prefixes(order, np.arange(1, len(sets)))
    for each, length in zip(sets[1:], shortest.tolist(), strict=True):
        assert each <= set(order[:length].tolist())
        assert not each <= set(order[: length - 1].tolist())


@settings(max_examples=60, deadline=None)
@given(guilty=st.sets(st.integers(0, 39), max_size=6))
def test_a_least_set_is_found_by_binary_search_over_prefixes(guilty: set[int]) -> None:
    asked = 0

    def answers(search: Search[frozenset[int], tuple[int, ...]]) -> tuple[int, ...]:
        nonlocal asked
        try:
            question = next(search)
            while True:
                asked += 1
                question = search.send(guilty <= question)
        except StopIteration as end:
            return tuple(end.value)

    assert set(answers(least_set(range(40), lambda items: items))) == guilty
    assert asked <= 1 + 9 * len(guilty)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=3), max_size=5))
def test_units_join_what_overlaps_and_keep_the_order(together: list[set[str]]) -> None:
    names = list("abcdefgh")
    units = units_of(names, together)
    assert sorted(itertools.chain.from_iterable(units)) == names
    for group in together:
        assert sum(bool(group & set(unit)) for unit in units) <= 1
    assert [unit[0] for unit in units] == sorted(unit[0] for unit in units)
    assert all(list(unit) == sorted(unit) for unit in units)
