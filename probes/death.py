"""Takes the mixed native and Python stack of a process that is held at its moment of death, then lets it die."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from probes.agent.death import SIGNALS
from probes.progress import Progress
from probes.stacks import Dump, Frame, StackError, ThreadStack, dump
from probes.system import mappings, procfs

_HANDLER = "sleep"
"""The libc function that the agent made the handler of fatal signals."""
_FATAL = sum(1 << (int(getattr(signal, name)) - 1) for name in SIGNALS)
_ATTEMPTS = 2
"""A dump that fails is tried once more: the process stays for seconds."""


@dataclass(frozen=True)
class Death:
    """A process caught dying."""

    pid: int
    signal: str
    at_ns: int
    thread: ThreadStack
    """
    The dying thread from the faulting function on, innermost first; the handler's own frames left out. Without
    frames if its stack is too deep to be read.
    """
    full_stack_bytes: int | None = None
    """Size of its stack if that was full; None if it was not."""
    mappings: tuple[mappings.BrokenMapping, ...] = ()
    """Of a bus error: the mapped files that have not all their bytes."""


class DeathWatch:
    """
    Looks whether a process with an agent is held.

    :param folder: where stacks are kept.
    :param variables: whether local variables are kept with them.
    """

    def __init__(self, folder: Path, *, variables: bool = False) -> None:
        self._folder = folder
        self._variables = variables
        self._attempts: Counter[tuple[int, int]] = Counter()
        self.failures: list[str] = []
        """Why stacks of the dying could not be taken."""

    def check(self, progress: Progress, family: Iterable[int] = ()) -> list[Death]:
        """
        Processes found dying since the last check; each is let go once its stack is in hand.

        :param family: pids of those that may have an agent but no flight recorder, which opens only with the first
            marked library.
        """
        held = {recording.pid: recording.held_signals for recording in progress.recordings()}
        found = []
        for pid in {*held, *family}:
            for number in _bits(_dropped(pid, held.get(pid))):
                if self._attempts[pid, number] < _ATTEMPTS:
                    self._attempts[pid, number] += 1
                    death = self._take(pid, number)
                    if death is not None:
                        self._attempts[pid, number] = _ATTEMPTS
                        found.append(death)
        return found

    def _take(self, pid: int, number: int) -> Death | None:
        """None if the program itself changed the signal's disposition, or py-spy can't read the process."""
        at_ns = time.monotonic_ns()
        full_stack_bytes = procfs.overflowed_stack(pid) if number == signal.SIGSEGV else None
        broken = mappings.broken(pid) if number == signal.SIGBUS else ()
        try:
            taken = dump(pid, at_ns, native=True, variables=self._variables)
        except StackError as error:
            taken = None
            if full_stack_bytes is None:
                self.failures.append(f"the stack of process {pid} as it died of {procfs.signal_name(number)}: {error}")
        thread = _dying_thread(taken) if taken is not None else None
        if thread is None and full_stack_bytes is not None:
            thread = ThreadStack(pid, "MainThread", active=True, owns_gil=False, frames=())
        if thread is None:
            return None
        if taken is not None:
            self._keep(taken, number)
        # Its disposition is the default again: the same signal once more is the death it was held from.
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        return Death(pid, procfs.signal_name(number), at_ns, thread, full_stack_bytes, broken)

    def _keep(self, taken: Dump, number: int) -> None:
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            value = {
                "signal": procfs.signal_name(number),
                "native": True,
                "processes": [{"pid": taken.pid, "threads": [thread.to_json() for thread in taken.threads]}],
            }
            (self._folder / f"death-{taken.pid}.json").write_text(json.dumps(value), encoding="utf-8")


def _dropped(pid: int, held: int | None) -> int:
    """Mask of the signals that were held in a process and no longer are; 0 if it is gone or a zombie."""
    if held == 0:
        return 0
    caught = procfs.caught_signals(pid)
    if not caught:
        return 0
    if held is None:
        # Nobody noted what was armed: all fatal signals but one tell of an agent whose one has come.
        dropped = _FATAL & ~caught
        return dropped if dropped.bit_count() == 1 else 0
    return held & ~caught


def _bits(mask: int) -> list[int]:
    return [bit + 1 for bit in range(64) if mask >> bit & 1]


def _dying_thread(taken: Dump) -> ThreadStack | None:
    """The thread that sleeps in the handler: libc's ``sleep``, entered from the kernel and not by a call."""
    for thread in taken.threads:
        for place, frame in enumerate(thread.frames[:4]):
            below = thread.frames[place + 1] if place + 1 < len(thread.frames) else None
            if frame.function == _HANDLER and frame.is_native and below is not None and _is_trampoline(below, frame):
                return ThreadStack(thread.tid, thread.name, thread.active, thread.owns_gil, thread.frames[place + 1 :])
    return None


def _is_trampoline(frame: Frame, handler: Frame) -> bool:
    """What a signal handler returns to lies in libc itself, or in the kernel's vdso."""
    return frame.file == handler.file or "vdso" in frame.file
