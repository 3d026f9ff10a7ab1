"""What a command prints: kept byte for byte and shown as it comes; of a flood, its head and its tail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import output
from probes.output import OutputLog

HEAD, TAIL = 1 << 16, 1 << 16


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cap that a test can overrun soon."""
    monkeypatch.setattr(output, "_KEEP_HEAD_BYTES", HEAD)
    monkeypatch.setattr(output, "_KEEP_TAIL_BYTES", TAIL)


@given(st.lists(st.binary(max_size=300), max_size=20))
@settings(deadline=None)
def test_bytes_of_any_kind_are_kept_and_shown_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    shown: list[bytes] = []
    log = OutputLog(tmp_path_factory.mktemp("log") / "stdout.log", shown.append)
    for piece in pieces:
        os.write(log.descriptor, piece)
        log.pump()
    log.close()
    assert b"".join(shown) == log.path.read_bytes() == b"".join(pieces)


def test_nothing_printed_leaves_an_empty_file(tmp_path: Path) -> None:
    shown: list[bytes] = []
    log = OutputLog(tmp_path / "stdout.log", shown.append)
    log.pump()
    assert log.tail(100) == ""
    log.close()
    assert log.path.read_bytes() == b""
    assert shown == []


@pytest.mark.usefixtures("small")
def test_a_flood_keeps_head_and_tail_and_few_blocks_on_the_disk(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "stdout.log")
    lines = [b"line %09d\n" % number for number in range(200_000)]
    for begin in range(0, len(lines), 2_000):
        os.write(log.descriptor, b"".join(lines[begin : begin + 2_000]))
        log.pump()
        assert os.fstat(log.descriptor).st_blocks * 512 <= HEAD + TAIL + 2_000 * 15 + 3 * 4096
    assert log.tail(15) == "line 000199999\n"
    log.close()
    kept = log.path.read_bytes()
    whole = b"".join(lines)
    assert kept.startswith(whole[:HEAD])
    assert kept.endswith(whole[-TAIL:])
    assert len(kept) < HEAD + TAIL + 3 * 4096
    head, _, rest = kept[HEAD:].partition(b"[... ")
    left_out, _, tail = rest.partition(b" bytes left out ...]\n")
    assert head == b"\n"
    assert HEAD + int(left_out) + len(tail) == len(whole)
    assert list(tmp_path.iterdir()) == [log.path]


@pytest.mark.usefixtures("small")
def test_a_flood_between_two_looks_is_shown_from_its_end(tmp_path: Path) -> None:
    shown: list[bytes] = []
    log = OutputLog(tmp_path / "stdout.log", shown.append)
    data = b"x" * (3 * TAIL) + b"the end"
    os.write(log.descriptor, data)
    log.close()
    assert b"".join(shown) == b"\n[... %d bytes not shown ...]\n" % (len(data) - TAIL) + data[-TAIL:]


def test_the_command_writes_on_when_nobody_reads(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "stdout.log")
    code = "import sys; sys.stdout.write('y' * 3_000_000); sys.stdout.flush()"
    done = subprocess.run([sys.executable, "-c", code], stdout=log.descriptor, timeout=60, check=False)
    assert done.returncode == 0
    log.close()
    assert log.path.stat().st_size == 3_000_000


def test_a_reader_that_has_gone_does_not_stop_the_run(tmp_path: Path) -> None:
    def broken(piece: bytes) -> None:
        raise BrokenPipeError

    log = OutputLog(tmp_path / "stdout.log", broken)
    os.write(log.descriptor, b"first ")
    log.pump()
    os.write(log.descriptor, b"second")
    log.close()
    assert log.path.read_bytes() == b"first second"


def test_a_tail_that_cuts_a_character_is_still_text(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "stderr.log")
    os.write(log.descriptor, "äöü".encode())
    assert log.tail(3) == "\ufffdü"
    log.close()
