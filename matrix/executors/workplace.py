"""
Where a worker's runs lie while they run, and who ends them if the worker is killed.

A training process goes on when whoever supervises it dies. On a cluster nobody would come back for it, so each worker
process has a guard: a process of its own that waits for the worker's end and then ends what the worker left.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from matrix.executors.machine import runtime_folder
from matrix.running.leftovers import end_leftovers

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 10.0
_ASK_EVERY_S = 0.1
_claim = threading.Lock()


def workplace() -> Path:
    """This process's folder for runs. The first call ends what workers that are dead left on this machine."""
    with _claim:
        return _claimed(os.getpid())


@cache
def _claimed(_pid: int) -> Path:
    places = runtime_folder() / "workers"
    places.mkdir(exist_ok=True)
    sweep_up(places)
    with _gate(places):
        place = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=places))
        lock = FileLock(_lock_of(place), thread_local=False)
        lock.acquire(blocking=False)
    _kept.append(lock)
    _kept.append(_start_guard(place))
    return place


_kept: list[object] = []
"""What must live as long as this process: the lock that says so, and the guard's pipe."""


def sweep_up(places: Path) -> None:
    """Ends the processes, and removes the folders, of all workers below ``places`` that have died."""
    with _gate(places):
        for place in [path for path in places.iterdir() if path.is_dir()]:
            with _taken(_lock_of(place)) as dead:
                if dead:
                    while end_leftovers(place):  # one that is ended may just have started another
                        time.sleep(_ASK_EVERY_S)
                    shutil.rmtree(place, ignore_errors=True)
                    _lock_of(place).unlink(missing_ok=True)


def _start_guard(place: Path) -> subprocess.Popen[bytes]:
    """The guard sees the end of its standard input when this process ends, however it does."""
    known = os.environ.get("PYTHONPATH")
    return subprocess.Popen(
        [sys.executable, "-m", "matrix.executors.workplace", str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), *([known] if known else [])])},
        start_new_session=True,  # whatever ends the worker's group must not end its guard
    )


def _guard(place: Path) -> None:
    sys.stdin.buffer.read()
    # The worker's lock may be released a moment after its pipe.
    deadline = time.monotonic() + _PATIENCE_S
    while place.exists() and time.monotonic() < deadline:
        sweep_up(place.parent)
        time.sleep(_ASK_EVERY_S)


def _lock_of(place: Path) -> Path:
    return place.with_suffix(".lock")


def _gate(places: Path) -> FileLock:
    return FileLock(places.with_suffix(".lock"))


@contextlib.contextmanager
def _taken(path: Path) -> Iterator[bool]:
    """Whether nobody holds ``path``; then we do while entered."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


if __name__ == "__main__":
    _guard(Path(sys.argv[1]))
