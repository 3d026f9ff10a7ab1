"""Takes the mixed native and Python stack of a process that is held at its moment of death, then lets it die."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from probes import procfs
from probes.progress import Progress
from probes.stacks import Dump, StackError, ThreadStack, dump

_HANDLER = "sleep"
"""The libc function that the agent made the handler of fatal signals."""


@dataclass(frozen=True)
class Death:
    """A process caught dying."""

    pid: int
    signal: str
    at_ns: int
    thread: ThreadStack
    """The dying thread from the faulting function on, innermost first; the handler's own frames left out."""


class DeathWatch:
    """
    Looks whether a process with an agent is held.

    :param folder: where stacks are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[tuple[int, int]] = set()

    def check(self, progress: Progress) -> list[Death]:
        """Processes found dying since the last check; each is let go once its stack is in hand."""
        found = []
        for recording in progress.recordings():
            if not recording.held_signals:
                continue
            caught = procfs.caught_signals(recording.pid)
            if not caught:
                continue  # gone, or a zombie
            for number in _bits(recording.held_signals & ~caught):
                if (recording.pid, number) not in self._seen:
                    self._seen.add((recording.pid, number))
                    death = self._take(recording.pid, number)
                    if death is not None:
                        found.append(death)
        return found

    def _take(self, pid: int, number: int) -> Death | None:
        """None if the program itself changed the signal's disposition, or py-spy can't read the process."""
        try:
            taken = dump(pid, time.monotonic_ns(), native=True)
        except StackError:
            return None
        thread = _dying_thread(taken)
        if thread is None:
            return None
        self._keep(taken, number)
        # Its disposition is the default again: the same signal once more is the death it was held from.
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        return Death(pid, procfs.signal_name(number), taken.at_ns, thread)

    def _keep(self, taken: Dump, number: int) -> None:
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            value = {
                "signal": procfs.signal_name(number),
                "native": True,
                "processes": [{"pid": taken.pid, "threads": [thread.to_json() for thread in taken.threads]}],
            }
            (self._folder / f"death-{taken.pid}.json").write_text(json.dumps(value), encoding="utf-8")


def _bits(mask: int) -> list[int]:
    return [bit + 1 for bit in range(64) if mask >> bit & 1]


def _dying_thread(taken: Dump) -> ThreadStack | None:
    """The thread that sleeps in the handler: libc's ``sleep``, which Python's own ``time.sleep`` does not use."""
    for thread in taken.threads:
        for place, frame in enumerate(thread.frames[:4]):
            if frame.function == _HANDLER and frame.is_native:
                return ThreadStack(thread.tid, thread.name, thread.active, thread.owns_gil, thread.frames[place + 1 :])
    return None
