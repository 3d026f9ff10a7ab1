from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.designs import Assignment, make_design
from matrix.plan.constraints import Constraint

Sizes = list[int]


def factors_of(sizes: Sizes) -> dict[str, list[int]]:
    return {f"f{at}": list(range(size)) for at, size in enumerate(sizes)}


def covered(assignments: Iterable[Assignment], strength: int) -> set[tuple[tuple[str, object], ...]]:
    return {part for assignment in assignments for part in itertools.combinations(assignment.items(), strength)}


def same_cover(sizes: Sizes, strength: int, allowed: Callable[[Assignment], bool]) -> list[Assignment]:
    """The covering design, once it is seen to cover what all allowed assignments do, and nothing else."""
    factors = factors_of(sizes)
    chosen = list(make_design("covering", strength).assignments(factors, allowed))
    everything = [a for a in make_design("full").assignments(factors) if allowed(a)]
    assert all(map(allowed, chosen))
    assert all(list(assignment) == list(factors) for assignment in chosen)
    assert covered(chosen, strength) == covered(everything, strength)
    return chosen


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=6), st.integers(1, 3))
def test_each_combination_of_t_levels_is_tried(sizes: Sizes, strength: int) -> None:
    same_cover(sizes, min(strength, len(sizes)), lambda _: True)


@st.composite
def forbidden(draw: st.DrawFn) -> tuple[Sizes, list[dict[str, int]]]:
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=5))
    factors = factors_of(sizes)
    part = st.lists(st.sampled_from(sorted(factors)), min_size=1, max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: st.sampled_from(factors[name]) for name in names})
    )
    return sizes, draw(st.lists(part, max_size=6))


@settings(deadline=None, max_examples=40)
@given(forbidden(), st.integers(1, 3))
def test_each_combination_that_an_allowed_cell_has_is_tried(
    space: tuple[Sizes, list[dict[str, int]]], strength: int
) -> None:
    sizes, parts = space
    same_cover(sizes, min(strength, len(sizes)), lambda a: not any(part.items() <= a.items() for part in parts))


@pytest.mark.parametrize("strength", [2, 3])
def test_constraints_in_words_keep_their_cover(strength: int) -> None:
    texts = [
        "f0 == 1 implies f1 != 0",
        "f2 in [0, 1] or f3 == 2",
        "not (f1 == 2 and f2 == 2)",
        "f4 <= 1 implies f0 < 2",
    ]
    constraints = [Constraint.parse(text) for text in texts]
    same_cover([3, 3, 3, 3, 3], strength, lambda a: all(c.holds(a) for c in constraints))


def test_what_only_several_constraints_together_forbid_is_found_out_without_trying_everything() -> None:
    # f0 == 0 is impossible, but no constraint says so alone, and there are 3 ** 15 assignments.
    texts = ["f0 == 0 implies f14 == 1", "f14 == 1 implies f0 != 0"]
    constraints = [Constraint.parse(text) for text in texts]
    chosen = list(
        make_design("pairwise").assignments(factors_of([3] * 15), lambda a: all(c.holds(a) for c in constraints))
    )
    assert {assignment["f0"] for assignment in chosen} == {1, 2}


@pytest.mark.parametrize(
    ("sizes", "strength", "most"),
    [
        ([6, 6, 5, 5, 5, 4, 4], 2, 43),
        ([6, 6, 6, 5, 5, 4, 4], 2, 43),
        ([2] * 8, 2, 8),
        ([2] * 8, 3, 16),
        ([4] * 6, 3, 80),
    ],
)
def test_few_cells_are_enough(sizes: Sizes, strength: int, most: int) -> None:
    assert len(same_cover_of_all(sizes, strength)) <= most


def same_cover_of_all(sizes: Sizes, strength: int) -> list[Assignment]:
    chosen = list(make_design("covering", strength).assignments(factors_of(sizes)))
    groups = itertools.combinations(factors_of(sizes).items(), strength)
    assert covered(chosen, strength) == {
        tuple(zip([name for name, _ in group], levels, strict=True))
        for group in groups
        for levels in itertools.product(*(levels for _, levels in group))
    }
    return chosen


def test_levels_that_python_takes_for_equal_are_told_apart() -> None:
    factors: Mapping[str, list[object]] = {"a": [1, True, 1.5], "b": [0, False], "c": ["x", None]}
    chosen = list(make_design("pairwise").assignments(factors))  # type: ignore[arg-type]
    assert {(repr(a["a"]), repr(a["b"])) for a in chosen} == {
        (repr(one), repr(other)) for one in factors["a"] for other in factors["b"]
    }
