"""A thread that waits for the disk again and again: it is told from one that spins, and from a single long wait."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes.causes import Finding, recognise
from probes.evidence.disk import disk, keeps_waiting
from probes.judge import judge
from probes.observer import Look
from probes.system import peek, procfs
from probes.system.peek import Peek
from probes.verdicts import Verdict

NODE = (7, 7)


def looks(*, per_s: float, cores: float, calls: dict[str, int], number: int = 4, met: int | None = None) -> list[Look]:
    """Looks a second apart; at the first ``met`` of them the thread was met in ``calls``."""
    found = []
    for at in range(number):
        thread = procfs.ThreadReading(7, "R", cores * at, None, voluntary_switches=int(per_s * at))
        process = procfs.ProcessReading(7, 1, 7, "R", cores * at, 0, (thread,), 1, None, "python")
        seen = calls if met is None or at < met else {}
        found.append(Look(at * 10**9, 3.0 + at, None, (process,), {}, {}, peeks={NODE: Peek(40, seen)}))
    return found


def kinds(given: list[Look]) -> list[str]:
    return [item.kind for item in disk(given, NODE, "main", 1.0)]


def test_a_thread_that_syncs_again_and_again_waits_for_the_disk() -> None:
    given = looks(per_s=1000, cores=0.06, calls={"fsync": 3})
    (item,) = disk(given, NODE, "main", 1.0)
    assert item.detail["call"] == "fsync"
    assert item.detail["per_s"] == 1000
    assert judge([item]).verdict is Verdict.SLOW_PHASE
    finding = Finding(Verdict.SLOW_PHASE, "callback", None, {item.kind: item.detail}, {})
    cause = recognise(finding)
    assert cause is not None
    assert cause.id == "fsync-each-record"


@pytest.mark.parametrize(
    "given",
    [
        looks(per_s=1000, cores=0.06, calls={}),  # waits for something else
        looks(per_s=1000, cores=0.06, calls={"fsync": 3}, met=1),  # once in a while
        looks(per_s=1000, cores=0.95, calls={"fsync": 3}),  # computes
        looks(per_s=0.5, cores=0.0, calls={"fsync": 40}),  # one call that does not come back
    ],
)
def test_near_misses_are_not_told(given: list[Look]) -> None:
    assert kinds(given) == []


def test_memory_written_through_is_no_record() -> None:
    details = {"waits-for-disk": {"call": "msync", "per_s": 900.0}}
    assert recognise(Finding(Verdict.SLOW_PHASE, "callback", None, details, {})) is None


@pytest.mark.parametrize(
    ("per_s", "cores", "waits"), [(1000.0, 0.1, True), (2.0, 0.3, False), (1000.0, 0.9, False), (0.0, 1.0, False)]
)
def test_who_keeps_waiting_does_not_burn(per_s: float, cores: float, *, waits: bool) -> None:
    assert keeps_waiting(looks(per_s=per_s, cores=cores, calls={}), NODE) is waits


def test_other_machines_numbers_are_not_guessed() -> None:
    assert peek.peek(looks(per_s=1, cores=1, calls={})[0].processes, machine="riscv64") == {}


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[int]:
    program = (
        "import os, sys\n"
        "file = open(sys.argv[1], 'wb', 0)\n"
        "while True:\n"
        "    file.write(b'x')\n"
        "    os.fsync(file.fileno())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "records")])
    yield process.pid
    process.kill()
    process.wait()


def test_a_real_program_is_met_in_its_call(writer: int) -> None:
    if not os.access(f"/proc/{writer}/syscall", os.R_OK):
        pytest.skip("system calls can't be read here")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        reading = procfs.read_process(writer)
        assert reading is not None
        found = peek.peek([reading]).get((writer, writer))
        if found is not None and found.disk_calls.get("fsync"):
            return
    if procfs.voluntary_switches(writer, writer) in (None, 0):
        pytest.skip("the disk takes no time here")
    pytest.fail("never met in fsync")
