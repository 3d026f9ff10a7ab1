from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from matrix.plan.cells import Cell, Trial, VersionSet, digest

LEVELS = st.dictionaries(
    st.text(min_size=1), st.one_of(st.none(), st.booleans(), st.integers(), st.text()), min_size=1, max_size=6
)
VERSIONS = VersionSet("old", ("torch==2.13.0", "numpy"), "3.11")


def cell(levels: dict[str, object], versions: VersionSet = VERSIONS) -> Cell:
    return Cell({**levels, "versions": versions.name}, versions, (), "label")  # type: ignore[dict-item]


@given(LEVELS)
def test_a_cell_is_the_same_in_whatever_order_its_levels_come(levels: dict[str, object]) -> None:
    assert cell(levels).id == cell(dict(reversed(levels.items()))).id


@given(LEVELS, LEVELS)
def test_cells_with_different_levels_have_different_ids(first: dict[str, object], second: dict[str, object]) -> None:
    assert (cell(first).id == cell(second).id) == (
        digest({**first, "versions": ""}) == digest({**second, "versions": ""})
    )


def test_a_library_set_counts_by_what_it_asks_for_and_not_by_its_name_or_order() -> None:
    renamed = VersionSet("other", ("numpy", "torch==2.13.0"), "3.11")
    assert cell({}).id == cell({}, renamed).id


def test_a_library_set_that_asks_for_something_else_makes_another_cell() -> None:
    for other in (
        replace(VERSIONS, requirements=("torch==2.12.0", "numpy")),
        replace(VERSIONS, python="3.12"),
        replace(VERSIONS, exclude_newer="2026-01-01"),
    ):
        assert cell({}).id != cell({}, other).id


def test_all_that_determines_a_trial_is_in_its_id() -> None:
    trial = Trial(cell({"env": "v3"}), seed=0, repeat=0, limit_s=60.0, threads=1)
    others = [
        replace(trial, cell=cell({"env": "dummy"})),
        replace(trial, seed=1),
        replace(trial, repeat=1),
        replace(trial, limit_s=61.0),
        replace(trial, threads=2),
    ]
    assert len({trial.id, *(other.id for other in others)}) == 6
