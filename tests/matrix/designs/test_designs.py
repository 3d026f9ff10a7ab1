from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.designs import DESIGN_NAMES, Assignment, make_design
from matrix.plan.constraints import Constraint
from matrix.plan.parameters import Level

FACTORS = st.dictionaries(
    st.text(min_size=1, max_size=3),
    st.lists(st.integers(), min_size=1, max_size=4, unique=True),
    min_size=1,
    max_size=4,
)
ABC: dict[str, list[Level]] = {"a": [1, 2, 3], "b": ["x", "y"], "c": [True, False]}


def rows(design: str, factors: dict[str, list[int]]) -> list[tuple[int, ...]]:
    return [tuple(assignment[name] for name in factors) for assignment in make_design(design).assignments(factors)]  # type: ignore[misc]


def x_is_not_2(assignment: Assignment) -> bool:
    return assignment.get("b") != "x" or assignment.get("a") != 2


@settings(deadline=None)
@given(FACTORS)
def test_the_full_design_has_every_combination_once(factors: dict[str, list[int]]) -> None:
    chosen = rows("full", factors)
    assert len(chosen) == len(set(chosen)) == math.prod(map(len, factors.values()))


def test_the_full_design_is_drawn_up_as_it_is_asked_for() -> None:
    without_end = {str(number): list(range(100)) for number in range(50)}
    assert len(list(itertools.islice(make_design("full").assignments(without_end), 3))) == 3


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(DESIGN_NAMES), FACTORS)
def test_every_design_begins_with_the_ordinary_cell(name: str, factors: dict[str, list[int]]) -> None:
    assert rows(name, factors)[0] == tuple(levels[0] for levels in factors.values())


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(DESIGN_NAMES), FACTORS)
def test_every_design_is_the_same_for_the_same_factors(name: str, factors: dict[str, list[int]]) -> None:
    chosen = rows(name, factors)
    assert chosen == rows(name, factors)
    assert len(chosen) == len(set(chosen))


def test_one_at_a_time_changes_each_factor_in_turn() -> None:
    chosen = [tuple(a.values()) for a in make_design("one-at-a-time").assignments(ABC)]
    assert chosen == [(1, "x", True), (2, "x", True), (3, "x", True), (1, "y", True), (1, "x", False)]


@pytest.mark.parametrize("name", DESIGN_NAMES)
def test_no_design_tries_what_is_not_allowed(name: str) -> None:
    chosen = list(make_design(name).assignments(ABC, x_is_not_2))
    assert chosen
    assert all(map(x_is_not_2, chosen))


@pytest.mark.parametrize("name", DESIGN_NAMES)
def test_constraints_that_nothing_fulfils_leave_nothing(name: str) -> None:
    never = Constraint.parse("a == 1 and a == 2")
    assert list(make_design(name).assignments(ABC, never.holds)) == []


def test_the_candidates_of_an_adaptive_design_are_all_combinations() -> None:
    assert list(make_design("adaptive").assignments(ABC)) == list(make_design("full").assignments(ABC))


def test_no_design_covers_combinations_of_nothing() -> None:
    with pytest.raises(ValueError, match="strength 0; it is at least 1"):
        make_design("covering", 0)
