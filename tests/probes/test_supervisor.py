"""The supervisor: whatever a command starts, and however it clings to life, nothing is left of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from probes import carry
from probes.agent import layout
from probes.supervisor import CommandNotFoundError, Supervised
from probes.system import procfs

if TYPE_CHECKING:
    from tests.probes.conftest import Start, Write

Supervise = Callable[..., Supervised]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """Starts commands under supervision; ends them when the test is over."""
    started: list[Supervised] = []

    def run(*command: str | Path, **options: Any) -> Supervised:
        env = carry.environment({**os.environ}, tmp_path / "flight", hold=False)
        child = Supervised([str(part) for part in command], env, tmp_path, stdin_null=True, **options)
        started.append(child)
        return child

    yield run
    for child in started:
        child.end(0.2)


def ended(child: Supervised, patience_s: float = 30) -> int | None:
    deadline = time.monotonic() + patience_s
    while child.exit_status() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return child.exit_status()


def running(pid: int) -> bool:
    reading = procfs.read_process(pid)
    return reading is not None and reading.state != "Z"


def handles_open() -> int:
    """How many handles of processes we hold."""
    return sum("pidfd" in str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink())


def marked_by(flight: Path) -> list[int]:
    """Processes that run and have that folder in their environment: all that came of one command."""
    mark = f"{layout.FOLDER_VARIABLE}={flight}".encode()
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark in environ and running(pid):
            found.append(pid)
    return found


def test_exit_code_and_output_are_those_of_the_command(supervise: Supervise, write: Write, tmp_path: Path) -> None:
    out: list[bytes] = []
    err: list[bytes] = []
    script = write("import sys; print('to out'); print('to err', file=sys.stderr); sys.exit(7)")
    child = supervise(sys.executable, script, show_out=out.append, show_err=err.append)
    assert ended(child) == 7
    child.close()
    assert (b"".join(out), b"".join(err)) == (b"to out\n", b"to err\n")
    assert (tmp_path / "stdout.log").read_bytes() == b"to out\n"
    assert (tmp_path / "stderr.log").read_bytes() == b"to err\n"


def test_a_command_with_odd_arguments_is_started_as_it_is(supervise: Supervise, write: Write, tmp_path: Path) -> None:
    odd = ["", "a b", "$HOME", "*", "; true", "ü\n'\""]
    child = supervise(sys.executable, write("import sys; print(sys.argv[1:])"), *odd)
    assert ended(child) == 0
    child.close()
    assert (tmp_path / "stdout.log").read_text(encoding="utf-8") == f"{odd}\n"


def test_an_ending_by_signal_is_a_negative_status(supervise: Supervise) -> None:
    child = supervise(sys.executable, "-S", "-c", "import os; os.kill(os.getpid(), 9)")
    assert ended(child) == -9
    child.close()


@pytest.mark.parametrize("kind", ["missing", "folder", "not executable", "not a program"])
def test_what_cannot_be_started_is_an_error_that_names_it(kind: str, supervise: Supervise, tmp_path: Path) -> None:
    path = tmp_path / "program"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_text("no program at all")
        path.chmod(0o755 if kind == "not a program" else 0o644)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(CommandNotFoundError, match="program"):
        supervise(path)
    assert len(os.listdir("/proc/self/fd")) == before


CLINGING = {
    "grandchild": """
        import subprocess, sys
        done = subprocess.Popen(["sleep", "600"])
        print(done.pid, flush=True)
        done.wait()
    """,
    "another session": """
        import subprocess, time
        print(subprocess.Popen(["sleep", "600"], start_new_session=True).pid, flush=True)
        time.sleep(600)
    """,
    "another session, parent gone": """
        import subprocess
        print(subprocess.Popen(["sleep", "600"], start_new_session=True).pid, flush=True)
    """,
    "ignores SIGTERM": """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(os.getpid(), flush=True)
        while True:
            time.sleep(600)
    """,
    "stopped": """
        import os, signal
        print(os.getpid(), flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    """,
    "starts another when it is asked to end": """
        import os, signal, subprocess, sys, time
        def again(number, frame):
            subprocess.Popen([sys.executable, "-S", __file__])
        signal.signal(signal.SIGTERM, again)
        print(os.getpid(), flush=True)
        while True:
            time.sleep(600)
    """,
    "many": """
        import os, subprocess, time
        print(*[subprocess.Popen(["sleep", "600"]).pid for _ in range(20)], flush=True)
        time.sleep(600)
    """,
}


@pytest.mark.parametrize("kind", CLINGING)
def test_nothing_is_left_of(
    kind: str, supervise: Supervise, write: Write, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    child = supervise(sys.executable, "-S", write(CLINGING[kind]))
    log = tmp_path / "stdout.log"
    wait_until(lambda: log.read_text().endswith("\n"))
    pids = [int(word) for word in log.read_text().split()]
    child.end(0.5)
    assert [pid for pid in (*pids, child.pid) if running(pid)] == []
    child.close()
    assert marked_by(tmp_path / "flight") == []


def test_a_polite_command_is_asked_first(
    supervise: Supervise, write: Write, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    script = write("""
        import signal, sys, time
        def end(number, frame):
            print("saved", flush=True)
            sys.exit(3)
        signal.signal(signal.SIGTERM, end)
        print("ready", flush=True)
        while True:
            time.sleep(0.01)
    """)
    child = supervise(sys.executable, script)
    wait_until(lambda: (tmp_path / "stdout.log").read_text() == "ready\n")
    child.end()
    assert child.exit_status() == 3
    child.close()
    assert (tmp_path / "stdout.log").read_text() == "ready\nsaved\n"


@pytest.mark.parametrize("handles", [True, False])
def test_waiting_ends_with_the_command(handles: bool, supervise: Supervise, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> int:
        raise OSError(38, "Function not implemented")

    if not handles:
        monkeypatch.setattr(os, "pidfd_open", refuse)
    before = handles_open()
    child = supervise(sys.executable, "-c", "import time; time.sleep(0.3)")
    child.wait(0.01)
    assert child.exit_status() is None
    child.wait(3600)
    assert child.exit_status() == 0
    child.wait(3600)
    child.close()
    assert handles_open() == before


def test_closing_twice_or_after_the_end_does_no_harm(supervise: Supervise) -> None:
    child = supervise(sys.executable, "-S", "-c", "")
    assert ended(child) == 0
    child.end()
    child.close()
    assert child.family() == []
    child.end()


def test_the_family_of_a_command_is_read_with_the_command_first(
    supervise: Supervise, wait_until: Callable[..., Any]
) -> None:
    child = supervise("sleep", "600")
    wait_until(lambda: [reading.name for reading in child.family()] == ["sleep"])
    assert child.family()[0].pid == child.pid
    child.close()


def test_only_the_cores_that_are_named_are_used(supervise: Supervise, wait_until: Callable[..., Any]) -> None:
    core = min(os.sched_getaffinity(0))
    child = supervise("sleep", "600", cpus=frozenset({core}))
    assert os.sched_getaffinity(child.pid) == {core}
    child.close()


def test_strangers_are_left_alone(supervise: Supervise, start: Start) -> None:
    stranger = start(["sleep", "600"])
    child = supervise("sleep", "600")
    child.close()
    assert stranger.poll() is None
