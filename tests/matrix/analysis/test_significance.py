from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.analysis.significance import fisher_exact, holm

P_VALUES = st.lists(st.none() | st.floats(0, 1), max_size=12)


def test_holms_procedure_agrees_with_the_textbook() -> None:
    # Four tests: the smallest p times 4, the next times 3, none below one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@settings(deadline=None, max_examples=40)
@given(P_VALUES)
def test_adjusting_makes_nothing_more_certain_and_keeps_the_order(p_values: list[float | None]) -> None:
    adjusted = holm(p_values)
    pairs = [(p, q) for p, q in zip(p_values, adjusted, strict=True) if p is not None and q is not None]
    assert [q is None for q in adjusted] == [p is None for p in p_values]
    assert all(p <= q <= 1 for p, q in pairs)
    assert [q for _, q in sorted(pairs)] == sorted(q for _, q in pairs)


def test_what_was_not_tested_does_not_count() -> None:
    assert holm([None, 0.02, None]) == [None, 0.02, None]


def test_a_large_table_is_tested_by_its_counts() -> None:
    many = [{"a": 2000, "b": 1000}, {"a": 1000, "b": 2000}, {"a": 1500, "b": 1500}]
    assert fisher_exact(many) == pytest.approx(0.0, abs=1e-12)
    assert fisher_exact([{"a": 1000, "b": 1000}] * 3) == pytest.approx(1.0)


def test_a_small_table_whose_outcomes_never_mix_has_a_single_p_value() -> None:
    # SciPy gives an array for this one.
    assert fisher_exact([{"a": 1, "b": 1}, {"c": 2}]) == pytest.approx(1 / 3, abs=0.02)
