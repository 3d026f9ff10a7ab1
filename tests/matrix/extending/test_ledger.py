"""The ledger: whatever kill or hand was at it, what is whole is read, and what was changed shows."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.extending import ledger
from matrix.extending.ledger import Ledger

_TOLD = st.dictionaries(st.sampled_from(["steps", "says"]), st.integers() | st.text(), max_size=2)


def _written(folder: Path, lines: list[dict[str, object]]) -> Path:
    book = Ledger(folder)
    for told in lines:
        book.append(ledger.NOTE, **told)
    return book.path


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(_TOLD, min_size=1, max_size=5), cut=st.integers(0, 10**6), more=_TOLD)
def test_a_writer_that_was_killed_at_any_byte_loses_its_line_alone(
    lines: list[dict[str, object]], cut: int, more: dict[str, object]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = _written(Path(name), lines)
        content = path.read_bytes()
        last = content[:-1].rfind(b"\n") + 1
        path.write_bytes(content[: last + cut % (len(content) - last)])
        again = Ledger(Path(name))
        assert len(again.rows) in (len(lines) - 1, len(lines))
        again.append(ledger.NOTE, **more)
        rows = Ledger(Path(name)).rows
        assert rows == again.rows
        assert {**rows[-1], **more} == rows[-1]
        assert ledger.broken_link(path) is None


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(_TOLD, min_size=3, max_size=6), at=st.integers(0, 4), take=st.booleans())
def test_a_line_that_was_changed_or_taken_out_shows(lines: list[dict[str, object]], at: int, take: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = _written(Path(name), lines)
        whole = path.read_bytes().splitlines(keepends=True)
        at %= len(whole) - 1  # that the last one was cut off can't show
        changed = [] if take else [whole[at].replace(b'"kind": "note"', b'"kind": "nota"')]
        path.write_bytes(b"".join([*whole[:at], *changed, *whole[at + 1 :]]))
        assert ledger.broken_link(path) == at + (1 if take else 2)


def test_anything_else_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_bytes(b'\xff\x00\n[]\n{"kind": 3}\nnull\n')
    assert Ledger(tmp_path).rows == []
    assert Ledger(tmp_path / "none").rows == []


def test_a_model_is_found_by_its_checksum_in_the_folder_and_among_the_checkpoints(tmp_path: Path) -> None:
    book = Ledger(tmp_path)
    for number in (1, 2):
        book.append(ledger.PIECE, number=number, files={"model.zip": {"bytes": 1, "sha256": f"s{number}"}})
    for place in (tmp_path / "final.zip", tmp_path / "checkpoints" / "000002" / "model.zip"):
        row = ledger.row_of(place, "s2")
        assert row is not None
        assert row["number"] == 2
        assert ledger.row_of(place, "s3") is None
