"""What can go wrong around a run, and must not go wrong with it."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probes.diagnosis import Diagnosis
from probes.system import procfs
from probes.verdicts import Verdict
from probes.watch import Status, WatchOptions, watch
from tests.probes.conftest import Start, Write

STEPS = """
    import sys, time
    import gymnasium
    env = gymnasium.make("CartPole-v1")
    env.reset(seed=0)
    for number in range({n}):
        if env.step(env.action_space.sample())[2]:
            env.reset()
        time.sleep(0.01)
    print("trained", flush=True)
"""


def run(script: Path, out: Path, **options: Any) -> Diagnosis:
    options.setdefault("limit_s", 60.0)
    return watch([sys.executable, str(script)], WatchOptions(out=out, stdin_null=True, **options))


def test_a_training_that_is_stopped_for_a_while_and_goes_on_is_healthy(write: Write, tmp_path: Path) -> None:
    pids: list[int] = []

    def stop_once(status: Status) -> None:
        path = tmp_path / "out" / "stdout.log"
        if not pids and path.exists() and path.read_text().strip().isdigit():
            pids.append(int(path.read_text()))
            os.kill(pids[0], signal.SIGSTOP)
            threading.Timer(4.0, os.kill, (pids[0], signal.SIGCONT)).start()

    script = write("import os\nprint(os.getpid(), flush=True)\n" + _dedent(STEPS.format(n=100)))
    diagnosis = run(script, tmp_path / "out", on_status=stop_once)
    assert pids
    assert diagnosis.verdict is Verdict.HEALTHY
    assert diagnosis.timing.observed_s > 4.0


def _dedent(text: str) -> str:
    return "\n".join(line[4:] for line in text.splitlines())


def test_a_run_whose_folder_is_removed_under_it_is_still_diagnosed(write: Write, tmp_path: Path) -> None:
    out = tmp_path / "out"
    removed: list[bool] = []

    def remove_once(status: Status) -> None:
        if not removed and any((out / "flight").glob("*.bin")):
            shutil.rmtree(out)
            removed.append(True)

    diagnosis = run(write(STEPS.format(n=150)), out, on_status=remove_once)
    assert removed
    assert diagnosis.verdict is Verdict.HEALTHY
    assert Diagnosis.load(out / "diagnosis.json") == diagnosis


def test_a_full_disk_keeps_no_training_from_its_end(write: Write, start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "trained"
    training = write(STEPS.format(n=20) + f"    open({str(marker)!r}, 'w').close()\n")
    watcher = write(
        f"""
        import sys
        from pathlib import Path
        from probes.watch import WatchOptions, watch
        watch([sys.executable, {str(training)!r}], WatchOptions(out=Path({str(tmp_path / "out")!r}), stdin_null=True))
        """,
        "watcher.py",
    )

    def no_file_larger() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    root = str(Path(procfs.__file__).parents[2])
    process = start(
        [sys.executable, watcher],
        env={**os.environ, "PYTHONPATH": root},
        preexec_fn=no_file_larger,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, err = process.communicate(timeout=60)
    assert marker.exists(), err.decode()


def test_a_killed_training_is_told_as_killed(write: Write, tmp_path: Path, wait_until: Callable[..., Any]) -> None:
    script = write("import os\nprint(os.getpid(), flush=True)\n" + _dedent(STEPS.format(n=100000)))
    log = tmp_path / "out" / "stdout.log"

    def kill() -> None:
        wait_until(lambda: log.exists() and log.read_text().strip().isdigit())
        time.sleep(0.5)
        os.kill(int(log.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    diagnosis = run(script, tmp_path / "out")
    killer.join()
    assert diagnosis.verdict is Verdict.CRASH
    assert diagnosis.signal is not None
    assert diagnosis.signal.name == "SIGKILL"


def test_two_hundred_quick_runs_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    files_before, processes_before = _open_files(), _children()
    for _ in range(200):
        diagnosis = watch(["true"], WatchOptions(out=tmp_path / "out", stdin_null=True))
        assert diagnosis.verdict is Verdict.HEALTHY
    assert _children() <= processes_before
    assert _open_files() <= files_before
    assert list(temporary.iterdir()) == []
    assert threading.active_count() < 20


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def _children() -> set[int]:
    """Children of ours, zombies included."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            reading = procfs.read_process(int(entry))
            if reading is not None and reading.parent == os.getpid():
                found.add(reading.pid)
    return found
