"""What the tests of the probes share: scripts on disk, processes that are ended, runs under the agent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from probes import carry
from probes.flight import FlightRecording, State
from probes.system import procfs

PATIENCE_S = 60.0
"""Long enough for anything that ends at all."""

Start = Callable[..., "subprocess.Popen[bytes]"]
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def leaves_no_process() -> Iterator[None]:
    """Every child that a test starts must have ended when it is over."""
    before = _children()
    yield
    deadline = time.monotonic() + 10
    while (left := _children() - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    commands = {pid: _command(pid) for pid in left}
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not commands, "left running"


def _children() -> set[int]:
    """Children of ours that run, by pid."""
    me = os.getpid()
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            reading = procfs.read_process(int(entry), closely=False)
            if reading is not None and reading.parent == me and reading.state != "Z":
                found.add(reading.pid)
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return "(gone)"


def wait_until(condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Waits until ``condition()`` is true and returns what it gave."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {patience_s:g} s")


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., Any]:
    return wait_until


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a script into the test's folder."""

    def write_script(text: str, name: str = "script.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write_script


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def popen(command: Sequence[str | Path], **options: Any) -> subprocess.Popen[bytes]:
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen([str(part) for part in command], **options)
        started.append(process)
        return process

    yield popen
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@dataclass
class Agent:
    """Runs commands with the agent carried in, and reads what it recorded."""

    flight: Path
    env: dict[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        base = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(self.flight.parent), **self.env, **more}
        # No supervisor that would take stacks: nothing is held at its death unless a test says so.
        return carry.environment(base, self.flight, hold=False)

    def run(
        self,
        *arguments: str | Path,
        python: str | Path = sys.executable,
        cwd: Path | None = None,
        timeout_s: float = PATIENCE_S,
        **more: str,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), *map(str, arguments)],
            env=self.environment(**more),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def recordings(self) -> list[FlightRecording]:
        return [FlightRecording(path) for path in sorted(self.flight.glob("*.bin"))]

    def states(self) -> dict[int, State]:
        """Where each process stood last, by pid; none of them may have met a fault of the agent's own."""
        found = {}
        for recording in self.recordings():
            assert recording.text("faults") is None
            found[recording.pid] = recording.state()
            recording.close()
        return found

    def recording(self) -> FlightRecording:
        (only,) = self.recordings()
        return only


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    flight = tmp_path / "flight"
    flight.mkdir()
    return Agent(flight)


@pytest.fixture(scope="module")
def long_phases() -> Iterator[None]:
    """In this process, phases that go into the ring take no time and go into it all the same, each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("probes.agent.recorder._SHORT_WHOLE_NS", 0)
        yield
