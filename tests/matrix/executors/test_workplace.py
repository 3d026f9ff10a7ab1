from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from probes.agent.layout import FOLDER_VARIABLE

ROOT = Path(__file__).resolve().parents[3]
WORKER = f"""
import os, subprocess, sys
from matrix.executors.workplace import workplace
place = workplace()
assert place == workplace()
(place / "run").mkdir()
child = subprocess.Popen(
    ["sleep", "60"],
    env={{**os.environ, {FOLDER_VARIABLE!r}: str(place / "run" / "flight")}},
    stdout=subprocess.DEVNULL,
    start_new_session=True,
)
print(place, child.pid, flush=True)
sys.stdin.read()
"""


class Worker:
    """A process that claims its workplace and starts something there."""

    def __init__(self, temporary: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(temporary)},
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        place, child = self.process.stdout.readline().split()
        self.place, self.child = Path(place.decode()), int(child)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def guards(self) -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            words = read(folder / "cmdline").split(b"\0")
            if b"matrix.executors.workplace" in words and str(self.place).encode() in words:
                found.append(int(folder.name))
        return found


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def runs(pid: int) -> bool:
    """Whether it lives: neither gone nor waiting to be reaped."""
    return read(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()[:1] not in ([], [b"Z"])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    started: list[Worker] = []

    def start() -> Worker:
        started.append(Worker(tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        until(lambda one=one: not one.guards() and not runs(one.child))  # type: ignore[misc]


def test_what_a_killed_worker_was_running_is_ended_by_its_guard(worker: Callable[[], Worker]) -> None:
    dead, living = worker(), worker()
    assert len(dead.guards()) == 1
    dead.kill()
    until(lambda: not runs(dead.child) and not dead.place.exists())
    assert runs(living.child)
    assert living.place.exists()


def test_what_a_killed_guard_can_no_longer_end_the_next_worker_does(worker: Callable[[], Worker]) -> None:
    dead = worker()
    for guard in dead.guards():
        os.kill(guard, 9)
    until(lambda: not dead.guards())
    dead.kill()
    assert runs(dead.child)
    living = worker()
    until(lambda: not runs(dead.child))
    assert not dead.place.exists()
    assert runs(living.child)
