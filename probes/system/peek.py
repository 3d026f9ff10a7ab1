"""Many short glances at threads that a single look finds awake: which system calls do they fall asleep in?"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from probes.system import procfs

_TIMES = 40
_EVERY_S = 0.001
_MAX_THREADS = 8
_DISK: Mapping[str, Mapping[int, str]] = {
    "x86_64": {26: "msync", 74: "fsync", 75: "fdatasync", 162: "sync", 306: "syncfs"},
    "aarch64": {81: "sync", 82: "fsync", 83: "fdatasync", 227: "msync", 267: "syncfs"},
}
"""Calls that return when the disk has what was written."""


@dataclass(frozen=True)
class Peek:
    """What a thread was met in."""

    times: int
    disk_calls: Mapping[str, int] = field(default_factory=dict)
    """Calls that wait for the disk, and how often the thread was met in each."""


def peek(processes: Iterable[procfs.ProcessReading], machine: str | None = None) -> dict[tuple[int, int], Peek]:
    """
    Glances at the threads that were awake or in the disk's hands when they were read; takes some 50 ms.

    :param machine: whose system call numbers; None is this machine's.
    """
    names = _DISK.get(machine or platform.machine(), {})
    nodes = [
        (process.pid, thread.tid)
        for process in processes
        if process.state not in ("Z", "X", "T", "t")
        for thread in process.threads
        if thread.state in ("R", "D")
    ][:_MAX_THREADS]
    if not nodes or not names:
        return {}
    met: dict[tuple[int, int], dict[str, int]] = {node: {} for node in nodes}
    for _ in range(_TIMES):
        for node, calls in met.items():
            call = procfs.syscall(*node)
            name = names.get(call.number) if call is not None else None
            if name is not None:
                calls[name] = calls.get(name, 0) + 1
        time.sleep(_EVERY_S)
    return {node: Peek(_TIMES, calls) for node, calls in met.items()}
