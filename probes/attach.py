"""
Diagnoses a process that runs, or hangs, already: a number of looks from outside, then the usual judgement.

Nothing in it is touched. Its stacks are read without stopping it, no signal is sent, and it goes on afterwards.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from probes.agent.layout import FOLDER_VARIABLE
from probes.diagnose import diagnose
from probes.diagnosis import Diagnosis
from probes.observer import Observer
from probes.progress import Progress
from probes.stacks import PySpyMissingError, StackError, dump
from probes.system import procfs
from probes.watch import artifacts_of, not_writable, prepare_folder

_TICK_S = 0.1
_MIN_LOOKS = 2
_PATIENCE = 3.0
_TRIES = 4
_TRY_EVERY_S = 0.25
"""On a machine so busy that a look takes seconds, it may take so many times the time asked for."""


class NotAttachableError(StackError):
    """The process can't be diagnosed; the text says why and what helps."""


@dataclass(frozen=True)
class AttachOptions:
    """How a process is looked at."""

    out: Path
    """The folder for what is found; made if it is missing."""
    for_s: float = 4.0
    """For how long it is looked at."""
    variables: bool = False
    """Whether local variables are kept with the stacks: they may hold anything, secrets included."""
    on_look: Callable[[int], None] | None = None
    """Told after each look how many there have been."""


class Foreign:
    """
    A family of processes that was there before us: it is read, never touched.

    :param pid: the process it begins with.
    """

    def __init__(self, pid: int, started_ticks: int) -> None:
        self.pid = pid
        self.started_ns = time.monotonic_ns()
        self._started_ticks = started_ticks

    def family(self, *, closely: bool = True) -> list[procfs.ProcessReading]:
        """
        The process and all that came of it.

        :raises NotAttachableError: it has ended.
        """
        readings = [p for pid in procfs.family(self.pid) if (p := procfs.read_process(pid, closely=closely))]
        first = readings[0] if readings else None
        same = first is not None and (first.pid, first.started_ticks) == (self.pid, self._started_ticks)
        if first is None or not same or first.state in ("Z", "X"):
            raise NotAttachableError(
                f"process {self.pid} ended while it was looked at: freezelab run -- COMMAND would have seen its end"
            )
        return readings


def attach(pid: int, options: AttachOptions) -> Diagnosis:
    """
    Looks at a process for a few seconds and says what it waits for, or does.

    :raises NotAttachableError: no such process, not a Python, no permission, or it ended meanwhile.
    :raises StackError: py-spy is missing.
    :raises FolderNotWritableError: ``options.out`` can't be used.
    """
    started_ticks = _check(pid)
    command = tuple(procfs.command_line(pid)) or (f"process {pid}",)
    out = options.out.resolve()
    own_flight = prepare_folder(out)
    flight = _flight_folder(pid)
    target = Foreign(pid, started_ticks)
    progress = Progress(flight or own_flight)
    try:
        observer = Observer(target, progress, out, stacks=True, variables=options.variables, foreign=True)
    except OSError as error:
        raise not_writable(out, error) from error
    try:
        _look(observer, options)
        observer.close()
        # Of a process that is looked at because it is suspected, the first suspicion was somebody else's.
        observer.seen.suspected_ns = None
        _keep_flight(progress, own_flight)
        _write_meta(out, command, pid, options)
        diagnosis = diagnose(command, observer.seen, progress, None, time.monotonic_ns(), artifacts_of(out))
        (out / "diagnosis.json").write_text(json.dumps(diagnosis.to_json(), indent=1), encoding="utf-8")
    except OSError as error:
        raise not_writable(out, error) from error
    finally:
        observer.close()
        progress.close()
    return diagnosis


def _check(pid: int) -> int:
    """When the process was started, once it is sure that it can be looked at."""
    reading = procfs.read_process(pid)
    if reading is None:
        raise NotAttachableError(f"there is no process {pid}: give the pid of a Python that runs, as pgrep -af python")
    if reading.state in ("Z", "X"):
        raise NotAttachableError(
            f"process {pid} has ended, only its parent has not asked about it: attach to that, process {reading.parent}"
        )
    try:
        _try_dump(pid)
    except PySpyMissingError:
        raise
    except StackError as error:
        pythons = [str(child) for child in procfs.family(pid)[1:] if _is_python(child)]
        hint = f"; its Python processes are {', '.join(pythons)}: attach to the first of them" if pythons else ""
        raise NotAttachableError(f"{error}{hint}") from error
    return reading.started_ticks


def _try_dump(pid: int) -> None:
    """A stack that changes while it is read can't be had each time: of a program that runs, one of some is enough."""
    for left in reversed(range(_TRIES)):
        try:
            dump(pid, 0)
            return
        except StackError as error:
            if not left or isinstance(error, PySpyMissingError) or not _is_python(pid):
                raise
            time.sleep(_TRY_EVERY_S)


def _is_python(pid: int) -> bool:
    """Whether the program bears that name; a Python inside another program has to be named by the user."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/exe").readlink().name.startswith("python")
    return False


def _flight_folder(pid: int) -> Path | None:
    """Where the agent of a process records; None if it has none, or was started without one."""
    folder = procfs.variable(pid, FOLDER_VARIABLE)
    if not folder:
        return None
    path = Path(folder)
    with suppress(OSError):
        if any(path.glob("*.bin")):
            return path
    return None


def _look(observer: Observer, options: AttachOptions) -> None:
    started = time.monotonic()
    told = 0
    while True:
        observer.tick()
        looks = len(observer.seen.looks)
        if options.on_look is not None and looks != told:
            told = looks
            options.on_look(looks)
        elapsed_s = time.monotonic() - started
        if elapsed_s >= options.for_s and (looks >= _MIN_LOOKS or elapsed_s >= options.for_s * _PATIENCE):
            return
        time.sleep(_TICK_S)


def _keep_flight(progress: Progress, folder: Path) -> None:
    for recording in progress.recordings():
        with suppress(OSError, shutil.SameFileError):
            shutil.copy(recording.path, folder)


def _write_meta(out: Path, command: tuple[str, ...], pid: int, options: AttachOptions) -> None:
    try:
        cwd = str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        cwd = None
    meta = {
        "schema": "freezelab.run/1",
        "command": list(command),
        "cwd": cwd,
        "pid": pid,
        "attached": True,
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "freezelab_python": sys.version.split()[0],
        "limit_s": options.for_s,
        "cpus": None,
    }
    (out / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
