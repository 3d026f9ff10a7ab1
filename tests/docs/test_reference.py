"""The reference says what the code says."""

from __future__ import annotations

import pytest

from docs.generator.pages import COMMAND, FOLDER, written


@pytest.mark.parametrize(("name", "text"), list(written()), ids=lambda value: value if value.endswith(".md") else "")
def test_the_reference_is_current(name: str, text: str) -> None:
    path = FOLDER / name
    current = path.is_file() and path.read_text(encoding="utf-8") == text
    # Not the difference of two long texts: what to do about it.
    assert current, f"docs/reference/{name} is not what the code says any more; run: {COMMAND}"


def test_nothing_else_lies_in_the_reference() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {name for name, _ in written()}


@pytest.mark.parametrize(("name", "text"), list(written()), ids=lambda value: value if value.endswith(".md") else "")
def test_no_row_of_a_table_has_more_cells_than_its_head(name: str, text: str) -> None:
    width = 0
    for line in text.splitlines():
        cells = line.replace("\\|", "").count("|") if line.startswith("| ") else 0
        assert cells in (0, width) or width == 0, f"{name}: {line}"
        width = cells
