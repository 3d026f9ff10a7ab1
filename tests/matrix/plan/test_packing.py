from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matrix.plan.cells import Cell, VersionSet
from matrix.plan.packing import pack_cells, unpack_cells

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

LEVELS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=4))
SETS = st.builds(
    VersionSet,
    name=st.text(max_size=3),
    requirements=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    python=st.sampled_from(["3.11", "3.12"]),
    lock=st.one_of(st.none(), st.text(max_size=3)),
)
WORDS = st.lists(st.text(max_size=3), max_size=5).map(tuple)
CELLS = st.builds(
    Cell,
    levels=st.dictionaries(st.text(max_size=2), LEVELS, max_size=4),
    versions=SETS,
    arguments=WORDS,
    label=st.text(max_size=12),
    why=st.one_of(st.none(), st.text(max_size=3)),
    environ=st.dictionaries(st.text(max_size=2), st.one_of(st.none(), st.text(max_size=3)), max_size=2),
    command=st.one_of(st.none(), WORDS.filter(bool)),
)


def typed(cell: Cell) -> list[tuple[str, type]]:
    return sorted((name, type(level)) for name, level in cell.levels.items())


@UNHURRIED
@given(st.lists(CELLS, max_size=6))
def test_cells_survive_being_packed(cells: list[Cell]) -> None:
    again = unpack_cells(json.loads(json.dumps(pack_cells(cells))))
    assert list(again) == cells
    assert [typed(cell) for cell in again] == [typed(cell) for cell in cells]
    assert [cell.id for cell in again] == [cell.id for cell in cells]


def test_what_cells_share_is_written_once() -> None:
    versions = VersionSet("a", ("torch==2.13.0",), "3.11")
    cells = [
        Cell({"long-name": "shared", "n": n}, versions, ("--long-name", "shared", "--n", str(n)), f"n={n}")
        for n in range(1000)
    ]
    text = json.dumps(pack_cells(cells))
    assert text.count("shared") == 2
    assert len(text) < 50 * len(cells)
