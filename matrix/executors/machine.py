"""The cores and GPUs of one machine, shared by all processes that run trials on it: whoever dies gives them back."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from matrix.errors import MatrixError
from matrix.executors.interface import Allotment
from matrix.executors.local import ANY_GPU, usable_cores

_ASK_EVERY_S = 0.1


def runtime_folder() -> Path:
    """
    Where processes of one user on one machine meet; made if it is missing.

    :raises MatrixError: somebody else's folder is in its place.
    """
    folder = Path(tempfile.gettempdir()) / f"freezelab-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise MatrixError(f"{folder}: belongs to somebody else; set TMPDIR to a folder of your own")
    return folder


class Machine:
    """Hands out what a trial needs. Locks on files do the counting, as workers are processes of their own."""

    def __init__(
        self, folder: Path, *, cores: Sequence[int] | None = None, gpus: Sequence[str] = (), timing: str = "own-cores"
    ) -> None:
        """
        :param folder: the same for all processes that share the machine.
        :param cores: those that this process may use; None asks the system.
        :param gpus: as :class:`matrix.executors.local.LocalExecutor` takes them.
        :param timing: see :data:`matrix.plan.plan.TIMINGS`.
        """
        self._folder = folder / "machine"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._cores = usable_cores() if cores is None else tuple(cores)
        self._gpus, self._timing = tuple(gpus), timing

    @contextlib.contextmanager
    def allot(self, threads: int, gpu: str | None, should_stop: Callable[[], bool]) -> Iterator[Allotment | None]:
        """
        Waits until ``threads`` cores, and ``gpu`` if there is one, are free, and keeps them while entered.

        :param gpu: as :attr:`matrix.executors.interface.Needs.gpu`.
        :param should_stop: asked often; True gives up, and None is given.
        """
        width = min(threads, len(self._cores))
        while True:
            with contextlib.ExitStack() as taken:
                if (allotment := self._take(width, gpu, taken)) is not None:
                    yield allotment
                    return
            # All or nothing: one that kept what it has while it waits would keep others from ending.
            if should_stop():
                yield None
                return
            time.sleep(_ASK_EVERY_S)

    def _take(self, width: int, gpu: str | None, taken: contextlib.ExitStack) -> Allotment | None:
        wanted = {"own-cores": width, "alone": len(self._cores), "shared": 0}[self._timing]
        cores: list[int] = []
        with self._gate():
            for core in self._cores:
                if len(cores) < wanted and self._lock(f"core-{core}", taken):
                    cores.append(core)
            if len(cores) < wanted:
                return None
            visible = None
            if gpu is not None:
                place = next((name for name in self._places(gpu) if self._lock(f"gpu-{name}", taken)), None)
                if place is None:
                    return None
                visible = place if gpu == ANY_GPU and self._gpus else None
        return Allotment(frozenset(cores[:width] if wanted else self._cores), visible)

    def _places(self, gpu: str) -> Sequence[str]:
        """The GPUs that would do, by names that all processes of the machine have for them."""
        if gpu == ANY_GPU:
            return self._gpus or ("0",)
        number = gpu.partition(":")[2]
        return (self._gpus[int(number)] if number.isdecimal() and int(number) < len(self._gpus) else number or gpu,)

    def _lock(self, name: str, taken: contextlib.ExitStack) -> bool:
        lock = FileLock(self._folder / f"{name}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        taken.callback(lock.release)
        return True

    def _gate(self) -> FileLock:
        """One at a time takes: two that each have half of what both need would get nowhere together."""
        return FileLock(self._folder / "gate.lock")
