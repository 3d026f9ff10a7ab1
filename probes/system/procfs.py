"""Readings of processes from ``/proc``. What could not be read is None: no statement is made from it."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SMALL_BYTES = 8192
_STACK_MARGIN_BYTES = 256 << 10
"""A stack that has overflowed ends up to one large frame short of its limit."""
_STAT_FIELDS = 22
"""Fields of ``stat``, from the state on, that are read here and that every kernel has."""
_STAT = re.compile(rf"\) \S+(?: -?[0-9]+){{{_STAT_FIELDS - 1}}}(?!\S)")
"""Only the state is not a number."""


@dataclass(frozen=True)
class ThreadReading:
    """One thread at one moment."""

    tid: int
    state: str
    """R running, S asleep, D in the kernel, T stopped, Z dead."""
    cpu_s: float
    wchan: str | None
    """Kernel function that it sleeps in; None when it runs or this was not read or could not be."""
    minor_faults: int = 0
    """Page faults so far that needed no disk."""
    major_faults: int = 0
    """Page faults so far that waited for one."""
    voluntary_switches: int | None = None
    """How often it has gone to sleep by itself; None if this was not read or could not be."""
    involuntary_switches: int | None = None
    """How often a core was taken from it while it wanted to go on."""
    name: str = ""


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
    minor_faults: int = 0
    major_faults: int = 0
    """Of all its threads, those that have ended included."""

    @property
    def main(self) -> ThreadReading | None:
        return self.threads[0] if self.threads else None


def _read(path: str) -> str | None:
    """A small file of /proc, by the cheapest way there is: this is done hundreds of times a second."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, _SMALL_BYTES).decode("utf-8", "replace")
    except OSError:  # it ended meanwhile
        return None
    finally:
        os.close(descriptor)


def parse_stat(text: str) -> tuple[str, list[str]] | None:
    """
    The name, and the fields from the state on, of a ``stat`` file; None for what is not one.

    The name stands in parentheses and may itself hold blanks and parentheses.
    """
    start, end = text.find("("), text.rfind(")")
    if start < 0 or end < start or _STAT.match(text, end) is None:
        return None
    return text[start + 1 : end], text[end + 2 :].split()


def _stat_fields(path: str) -> tuple[str, list[str]] | None:
    text = _read(path)
    return parse_stat(text) if text is not None else None


def _cpu_s(fields: list[str]) -> float:
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _thread(pid: int, tid: int, *, closely: bool) -> ThreadReading | None:
    folder = f"/proc/{pid}/task/{tid}"
    stat = _stat_fields(f"{folder}/stat")
    if stat is None:
        return None
    name, fields = stat
    wchan = (_read(f"{folder}/wchan") or "").strip("\0\n ") if closely else ""
    voluntary, involuntary = parse_switches(_read(f"{folder}/status") or "") if closely else (None, None)
    return ThreadReading(
        tid=tid,
        state=fields[0],
        cpu_s=_cpu_s(fields),
        wchan=wchan if wchan not in ("", "0") else None,
        minor_faults=int(fields[7]),
        major_faults=int(fields[9]),
        voluntary_switches=voluntary,
        involuntary_switches=involuntary,
        name=name,
    )


def parse_switches(status: str) -> tuple[int | None, int | None]:
    """Voluntary and involuntary context switches from the text of a ``status`` file; None for what it lacks."""
    voluntary = involuntary = None
    for line in status[max(status.find("\nvoluntary_ctxt"), 0) :].splitlines():
        key, _, value = line.partition(":")
        if value.strip().isdecimal():
            if key == "voluntary_ctxt_switches":
                voluntary = int(value)
            elif key == "nonvoluntary_ctxt_switches":
                involuntary = int(value)
    return voluntary, involuntary


def caught_signals(pid: int) -> int | None:
    """Mask of signals that a process has handlers for, bit n-1 for signal n; None if it is gone."""
    _, _, mask = (_read(f"/proc/{pid}/status") or "").partition("\nSigCgt:")
    return int(mask.split(None, 1)[0], 16) if mask else None


@dataclass(frozen=True)
class Syscall:
    """The system call that a thread is in."""

    number: int
    arguments: tuple[int, ...]


def syscall(pid: int, tid: int) -> Syscall | None:
    """None if the thread runs, is in no call, has gone, or may not be looked at."""
    try:
        words = Path(f"/proc/{pid}/task/{tid}/syscall").read_text(encoding="ascii").split()
    except OSError:
        return None
    if len(words) < 7 or not words[0].isdecimal():
        return None
    return Syscall(int(words[0]), tuple(int(word, 16) for word in words[1:7]))


def voluntary_switches(pid: int, tid: int) -> int | None:
    """How often a thread has gone to sleep by itself; None if that can't be read."""
    return parse_switches(_read(f"/proc/{pid}/task/{tid}/status") or "")[0]


def descriptors(pid: int) -> dict[int, str] | None:
    """Open file descriptors, each with what its link says (``socket:[123]``, ``/tmp/a``); None if not permitted."""
    folder = f"/proc/{pid}/fd"
    try:
        numbers = os.listdir(folder)
    except OSError:
        return None
    found = {}
    for number in numbers:
        with suppress(OSError):  # closed meanwhile
            found[int(number)] = str(Path(folder, number).readlink())
    return found


def descriptor_info(pid: int, descriptor: int) -> list[str]:
    """The lines of a descriptor's ``fdinfo``; empty if they can't be read."""
    try:
        return Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def access_mode(pid: int, descriptor: int) -> int | None:
    """``os.O_RDONLY``, ``os.O_WRONLY`` or ``os.O_RDWR``; None if it can't be read."""
    for line in descriptor_info(pid, descriptor):
        if line.startswith("flags:"):
            return int(line.split()[1], 8) & os.O_ACCMODE
    return None


def read_memory(pid: int, address: int, length: int) -> bytes | None:
    """Bytes from a process's memory; None if it may not be looked at or has nothing there."""
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            found = memory.read(length)
    except (OSError, ValueError, OverflowError):
        return None
    return found or None


def command_line(pid: int) -> list[str]:
    """Program and arguments as they were started; empty if they can't be read."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [part.decode("utf-8", "replace") for part in raw.split(b"\0")[:-1]]


def variable(pid: int, name: str) -> str | None:
    """A variable of the environment that a process was started with; None if it has none or it can't be read."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    for part in raw.split(b"\0"):
        key, equals, value = part.partition(b"=")
        if equals and key.decode("utf-8", "replace") == name:
            return value.decode("utf-8", "surrogateescape")
    return None


def overflowed_stack(pid: int) -> int | None:
    """
    Size in bytes of a main thread's stack if that is full, and the thread now runs a signal handler on another one:
    it has overflowed. None if it has not, or this can't be read.
    """
    call = (_read(f"/proc/{pid}/task/{pid}/syscall") or "").split()
    if len(call) < 3 or not call[-2].startswith("0x"):
        return None
    pointer = int(call[-2], 16)
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for line in maps.splitlines():
        if line.endswith("[stack]"):
            low, _, high = line.split(None, 1)[0].partition("-")
            size = int(high, 16) - int(low, 16)
            limit = _soft_limit(pid, "Max stack size")
            full = limit is not None and size >= limit - _STACK_MARGIN_BYTES
            return size if full and not int(low, 16) <= pointer < int(high, 16) else None
    return None


def _soft_limit(pid: int, name: str) -> int | None:
    """A resource limit of another process; None if it has none, or it can't be read."""
    for line in (_read(f"/proc/{pid}/limits") or "").splitlines():
        if line.startswith(name):
            value = line[len(name) :].split()[0]
            return int(value) if value.isdecimal() else None
    return None


def read_process(pid: int, *, closely: bool = True) -> ProcessReading | None:
    """
    Reads a process with its threads; None if it is gone.

    :param closely: whether wchan and context switches are read of every thread, or of the main thread only, which
        costs a third with hundreds of threads.
    """
    stat = _stat_fields(f"/proc/{pid}/stat")
    if stat is None:
        return None
    name, fields = stat
    try:
        tids = sorted(int(entry) for entry in os.listdir(f"/proc/{pid}/task"))
    except OSError:
        tids = []
    threads = [
        _thread(pid, tid, closely=closely or tid == pid)
        for tid in ([pid] if pid in tids else []) + [t for t in tids if t != pid]
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
        minor_faults=int(fields[7]),
        major_faults=int(fields[9]),
    )


def waited_for_core_s(pid: int) -> float | None:
    """How long a process's main thread has wanted a core and had none, so far; None if that can't be read."""
    try:
        return int((_read(f"/proc/{pid}/schedstat") or "").split()[1]) / 1e9
    except (ValueError, IndexError):
        return None


def parent(pid: int) -> int | None:
    """The process that it is a child of; None if it is gone."""
    stat = _stat_fields(f"/proc/{pid}/stat")
    return int(stat[1][1]) if stat is not None else None


def is_alive(pid: int, started_ticks: int) -> bool:
    """Whether that very process is there and not a zombie."""
    stat = _stat_fields(f"/proc/{pid}/stat")
    return stat is not None and int(stat[1][19]) == started_ticks and stat[1][0] not in "ZX"


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
            stat = _stat_fields(f"/proc/{entry}/stat")
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
