from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from matrix.designs import make_design

FACTORS = st.dictionaries(
    st.text(min_size=1), st.lists(st.integers(), min_size=1, max_size=4, unique=True), min_size=1, max_size=4
)


@given(FACTORS)
def test_the_full_design_has_every_combination_once(factors: dict[str, list[int]]) -> None:
    assignments = [tuple(sorted(a.items())) for a in make_design("full").assignments(factors)]
    assert len(assignments) == len(set(assignments)) == math.prod(map(len, factors.values()))


@given(FACTORS)
def test_the_full_design_begins_with_the_ordinary_cell(factors: dict[str, list[int]]) -> None:
    first = next(make_design("full").assignments(factors))
    assert first == {name: levels[0] for name, levels in factors.items()}
