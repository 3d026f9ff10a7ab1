"""Readings of processes from ``/proc``. What could not be read is None: no statement is made from it."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class ThreadReading:
    """One thread at one moment."""

    tid: int
    state: str
    """R running, S asleep, D in the kernel, T stopped, Z dead."""
    cpu_s: float
    wchan: str | None
    """Kernel function that it sleeps in; None when it runs or this could not be read."""


@dataclass(frozen=True)
class ProcessReading:
    """One process at one moment."""

    pid: int
    parent: int
    session: int
    state: str
    cpu_s: float
    rss_bytes: int
    threads: tuple[ThreadReading, ...]
    """The first is the main thread."""
    started_ticks: int
    """With the pid it names a process for good; a pid alone is used again."""
    exit_status: int | None
    """Of a zombie: as ``waitpid`` would give it."""
    name: str

    @property
    def main(self) -> ThreadReading | None:
        return self.threads[0] if self.threads else None


def _stat_fields(path: Path) -> tuple[str, list[str]] | None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    start, end = text.find("("), text.rfind(")")
    if start < 0 or end < 0:
        return None
    return text[start + 1 : end], text[end + 2 :].split()


def _cpu_s(fields: list[str]) -> float:
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _thread(folder: Path) -> ThreadReading | None:
    stat = _stat_fields(folder / "stat")
    if stat is None:
        return None
    _, fields = stat
    try:
        wchan = (folder / "wchan").read_text(encoding="utf-8").strip("\0\n ")
    except OSError:
        wchan = ""
    return ThreadReading(int(folder.name), fields[0], _cpu_s(fields), wchan if wchan not in ("", "0") else None)


def caught_signals(pid: int) -> int | None:
    """Mask of signals that a process has handlers for, bit n-1 for signal n; None if it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("SigCgt:"):
                return int(line.split()[1], 16)
    except OSError:
        pass
    return None


def read_process(pid: int) -> ProcessReading | None:
    """Reads a process with its threads; None if it is gone."""
    folder = Path(f"/proc/{pid}")
    stat = _stat_fields(folder / "stat")
    if stat is None:
        return None
    name, fields = stat
    try:
        tids = sorted(int(entry) for entry in os.listdir(folder / "task"))
    except OSError:
        tids = []
    threads = [
        _thread(folder / "task" / str(tid)) for tid in ([pid] if pid in tids else []) + [t for t in tids if t != pid]
    ]
    return ProcessReading(
        pid=pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        state=fields[0],
        cpu_s=_cpu_s(fields),
        rss_bytes=max(int(fields[21]), 0) * _PAGE_BYTES,
        threads=tuple(thread for thread in threads if thread is not None),
        started_ticks=int(fields[19]),
        exit_status=int(fields[49]) if fields[0] == "Z" and len(fields) > 49 else None,
        name=name,
    )


def is_alive(pid: int, started_ticks: int) -> bool:
    """Whether that very process is there and not a zombie."""
    process = read_process(pid)
    return process is not None and process.started_ticks == started_ticks and process.state not in "ZX"


def family(root: int, mark: str | None = None) -> list[int]:
    """
    Pids of ``root``, its descendants, and what else lives in the session it leads, in no order but root first.

    Children that lost their parent are found by the session; those that left this too, and came to us as their
    subreaper, by the mark in their environment.

    :param mark: ``NAME=value`` that the environment of this family has, and of no other.
    """
    parents: dict[int, int] = {}
    sessions: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _stat_fields(Path("/proc", entry, "stat"))
            if stat is not None:
                parents[int(entry)] = int(stat[1][1])
                sessions[int(entry)] = int(stat[1][3])
    found = {pid for pid, session in sessions.items() if session == root} | {root}
    if mark is not None:
        me = os.getpid()
        found |= {pid for pid, parent in parents.items() if parent == me and pid not in found and _has_mark(pid, mark)}
    growing = True
    while growing:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        growing = bool(more)
    return [root, *sorted(pid for pid in found - {root} if pid in parents)]


def _has_mark(pid: int, mark: str) -> bool:
    try:
        return mark.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def signal_name(number: int) -> str:
    """``SIGABRT`` for 6; ``signal 77`` for what has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
