"""What a thread waits for, read from the system call that it is in."""

from __future__ import annotations

import enum
import os
import platform
import struct
import time
from dataclasses import dataclass

from probes.system import procfs


class Kind(str, enum.Enum):
    """What sort of thing is waited for."""

    LOCK = "lock"
    """A futex: a lock, a condition, a semaphore, another thread."""
    SLEEP = "sleep"
    """Time, on purpose."""
    INPUT = "input"
    """Something to read."""
    ROOM = "room"
    """Room to write into."""
    CHILD = "child"
    """The end of a child process."""
    FILE_LOCK = "file lock"
    CONNECT = "connect"
    ACCEPT = "accept"
    OPEN = "open"
    """Somebody to open the other end, or a file system that does not answer."""
    DEVICE = "device"
    SIGNAL = "signal"
    OTHER = "other"

    def __str__(self) -> str:
        return self.value

    @property
    def is_outside(self) -> bool:
        """Whether the thing lies outside the process."""
        return self not in (Kind.LOCK, Kind.SLEEP, Kind.OTHER)


@dataclass(frozen=True)
class Call:
    """A system call that a thread waits in, decoded."""

    name: str
    kind: Kind
    descriptors: tuple[tuple[int, bool], ...] = ()
    """The descriptors that it waits on, each with whether it waits to read."""
    child: int | None = None
    """Whose end it waits for; 0 for any child's."""
    path: str | None = None
    """What it opens."""
    timed: bool | None = False
    """Whether it gives up by itself after some time; None if unknown."""
    wakes_in_s: float | None = None
    """When it gives up by itself: so long from now at most; None if it doesn't, or that is unknown."""
    shared: bool = False
    """Of a lock: whether other processes can have it too."""
    resumed: bool = False
    """The call was interrupted and is gone on with: which it was, its number does not tell any more."""


_X86_64 = {
    0: "read", 1: "write", 2: "open", 7: "poll", 16: "ioctl", 17: "pread64", 19: "readv", 20: "writev", 23: "select",
    34: "pause", 35: "nanosleep", 42: "connect", 43: "accept", 44: "sendto", 45: "recvfrom", 46: "sendmsg",
    47: "recvmsg", 61: "wait4", 72: "fcntl", 73: "flock", 74: "fsync", 128: "rt_sigtimedwait", 202: "futex",
    219: "restart_syscall", 230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 257: "openat", 270: "pselect6",
    271: "ppoll", 281: "epoll_pwait", 288: "accept4", 299: "recvmmsg", 441: "epoll_pwait2",
}  # fmt: skip
_AARCH64 = {
    22: "epoll_pwait", 25: "fcntl", 29: "ioctl", 32: "flock", 56: "openat", 63: "read", 64: "write", 65: "readv",
    66: "writev", 67: "pread64", 72: "pselect6", 73: "ppoll", 82: "fsync", 95: "waitid", 98: "futex",
    101: "nanosleep", 115: "clock_nanosleep", 128: "restart_syscall", 137: "rt_sigtimedwait", 202: "accept",
    203: "connect", 206: "sendto", 207: "recvfrom", 211: "sendmsg", 212: "recvmsg", 242: "accept4", 243: "recvmmsg",
    260: "wait4", 441: "epoll_pwait2",
}  # fmt: skip
NUMBERS = {"x86_64": _X86_64, "aarch64": _AARCH64}

_READS = frozenset({"read", "pread64", "readv", "recvfrom", "recvmsg", "recvmmsg"})
_WRITES = frozenset({"write", "writev", "sendto", "sendmsg", "fsync"})
_EPOLL = frozenset({"epoll_wait", "epoll_pwait", "epoll_pwait2"})
_FUTEX_COMMAND = 0x7F
_FUTEX_PRIVATE = 0x80
_FUTEX_WAITS = (0, 6, 9, 11)
"""FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI."""
_FUTEX_WAIT = 0
"""The only one whose time is an interval; the others are told a moment."""
_FUTEX_CLOCK_REALTIME = 0x100
_TIMER_ABSTIME = 1
_TIMESPEC = struct.Struct("=qq")
_LONGEST_S = 1e9
"""What is further away was not read rightly."""
_F_SETLKW, _F_OFD_SETLKW = 7, 38
_P_PID = 1
_POLLIN, _POLLOUT = 1, 4
_MAX_POLLED = 256
_MAX_PATH_BYTES = 4096
_POLLED = struct.Struct("=ihh")


def decode(pid: int, syscall: procfs.Syscall, machine: str | None = None) -> Call | None:
    """
    Reads a system call; None if this machine's numbers are not known.

    :param machine: whose numbers; None is this machine's.
    """
    numbers = NUMBERS.get(machine or platform.machine())
    if numbers is None:
        return None
    name = numbers.get(syscall.number)
    if name is None:
        return Call(f"system call {syscall.number}", Kind.OTHER)
    first, second, third, fourth, fifth, _ = syscall.arguments
    if name in _READS:
        return Call(name, Kind.INPUT, ((_int(first), True),))
    if name in _WRITES:
        return Call(name, Kind.ROOM, ((_int(first), False),))
    if name == "nanosleep":
        return Call(name, Kind.SLEEP, timed=True, wakes_in_s=_left_s(pid, first))
    if name == "clock_nanosleep":
        clock = _int(first) if second & _TIMER_ABSTIME else None
        return Call(name, Kind.SLEEP, timed=True, wakes_in_s=_left_s(pid, third, clock))
    if name in _EPOLL:
        return _polling(name, _epoll_targets(pid, _int(first)), _milliseconds(fourth))
    if name == "poll":
        return _polling(name, _poll_targets(pid, first, second), _milliseconds(third))
    if name == "ppoll":
        return _polling(name, _poll_targets(pid, first, second), _interval(pid, third))
    if name in ("select", "pselect6"):
        parts = 1_000_000 if name == "select" else 1_000_000_000
        return _polling(name, _select_targets(pid, _int(first), second, third), _interval(pid, fifth, parts))
    if name == "futex":
        if second & _FUTEX_COMMAND not in _FUTEX_WAITS:
            return Call(name, Kind.OTHER, timed=fourth != 0)
        clock = time.CLOCK_REALTIME if second & _FUTEX_CLOCK_REALTIME else time.CLOCK_MONOTONIC
        left_s = _left_s(pid, fourth, None if second & _FUTEX_COMMAND == _FUTEX_WAIT else clock)
        return Call(name, Kind.LOCK, timed=fourth != 0, wakes_in_s=left_s, shared=not second & _FUTEX_PRIVATE)
    if name == "restart_syscall":
        return Call(name, Kind.OTHER, timed=None, resumed=True)
    if name == "wait4":
        return Call(name, Kind.CHILD, child=max(_int(first), 0))
    if name == "waitid":
        return Call(name, Kind.CHILD, child=_int(second) if first == _P_PID else 0)
    if name == "fcntl":
        kind = Kind.FILE_LOCK if second in (_F_SETLKW, _F_OFD_SETLKW) else Kind.OTHER
        return Call(name, kind, ((_int(first), True),))
    if name == "rt_sigtimedwait":
        return Call(name, Kind.SIGNAL, timed=third != 0)
    if name == "pause":
        return Call(name, Kind.SIGNAL)
    if name in ("open", "openat"):
        return Call(name, Kind.OPEN, path=_text(pid, first if name == "open" else second))
    kinds = {
        "flock": Kind.FILE_LOCK, "connect": Kind.CONNECT, "accept": Kind.ACCEPT, "accept4": Kind.ACCEPT,
        "ioctl": Kind.DEVICE,
    }  # fmt: skip
    return Call(name, kinds[name], ((_int(first), True),))


def _int(argument: int) -> int:
    """An ``int`` argument: the register's lower half, signed."""
    low = argument & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


_Timeout = tuple[bool, "float | None"]
"""Whether there is one, and its length in seconds if that is known."""


def _milliseconds(argument: int) -> _Timeout:
    number = _int(argument)
    return (True, number / 1000) if number >= 0 else (False, None)


def _interval(pid: int, address: int, parts: int = 1_000_000_000) -> _Timeout:
    return address != 0, _left_s(pid, address, parts=parts)


def _left_s(pid: int, address: int, clock: int | None = None, parts: int = 1_000_000_000) -> float | None:
    """
    What is left of a time that a process gave to a system call; None if it gave none or it can't be read.

    :param clock: on which it is a moment; None: it is an interval, of which some has passed already.
    :param parts: units of the fraction in a second.
    """
    raw = procfs.read_memory(pid, address, _TIMESPEC.size) if address else None
    if raw is None or len(raw) != _TIMESPEC.size:
        return None
    seconds, fraction = _TIMESPEC.unpack(raw)
    try:
        left_s = seconds + fraction / parts - (time.clock_gettime(clock) if clock is not None else 0.0)
    except (OSError, ValueError):  # no such clock
        return None
    return max(left_s, 0.0) if 0 <= fraction < parts and left_s < _LONGEST_S else None


def _polling(name: str, targets: tuple[tuple[int, bool], ...] | None, timeout: _Timeout) -> Call:
    """
    :param targets: None if they could not be read.
    """
    timed, wakes_in_s = timeout
    if targets == () and timed:
        return Call(name, Kind.SLEEP, timed=True, wakes_in_s=wakes_in_s)
    only_writes = bool(targets) and not any(reads for _, reads in targets or ())
    kind = Kind.ROOM if only_writes else Kind.INPUT
    return Call(name, kind, targets or (), timed=timed, wakes_in_s=wakes_in_s)


def _poll_targets(pid: int, address: int, count: int) -> tuple[tuple[int, bool], ...] | None:
    if count == 0:
        return ()
    raw = procfs.read_memory(pid, address, min(count, _MAX_POLLED) * _POLLED.size)
    if raw is None or len(raw) % _POLLED.size:
        return None
    return tuple(
        (descriptor, bool(events & _POLLIN) or not events & _POLLOUT)
        for descriptor, events, _ in _POLLED.iter_unpack(raw)
        if descriptor >= 0
    )


def _select_targets(pid: int, count: int, reads: int, writes: int) -> tuple[tuple[int, bool], ...] | None:
    found: list[tuple[int, bool]] = []
    for address, to_read in ((reads, True), (writes, False)):
        if address and count > 0:
            raw = procfs.read_memory(pid, address, (count + 63) // 64 * 8)
            if raw is None:
                return None
            bits = int.from_bytes(raw, "little")
            found += [(number, to_read) for number in range(count) if bits >> number & 1]
    return tuple(found)


def _epoll_targets(pid: int, descriptor: int) -> tuple[tuple[int, bool], ...] | None:
    lines = procfs.descriptor_info(pid, descriptor)
    if not lines:
        return None
    found = []
    for line in lines:
        if line.startswith("tfd:"):
            words = line.split()
            events = int(words[3], 16)
            found.append((int(words[1]), bool(events & _POLLIN) or not events & _POLLOUT))
    return tuple(found)


def _text(pid: int, address: int) -> str | None:
    raw = procfs.read_memory(pid, address, _MAX_PATH_BYTES)
    if raw is None:
        # It may end at the last page that is there.
        raw = procfs.read_memory(pid, address, _MAX_PATH_BYTES - address % _MAX_PATH_BYTES)
    return os.fsdecode(raw.partition(b"\0")[0]) if raw else None


def by_wchan(wchan: str) -> Call:
    """The same, coarser, from the kernel function that a thread sleeps in: for where system calls can't be read."""
    for part, kind in _WCHANS:
        if part in wchan:
            return Call(wchan, kind, timed=None)
    return Call(wchan, Kind.OTHER, timed=None)


_WCHANS = (
    ("nanosleep", Kind.SLEEP),
    ("futex", Kind.LOCK),
    ("locks_lock", Kind.FILE_LOCK),
    ("do_wait", Kind.CHILD),
    ("wait_for_partner", Kind.OPEN),
    ("pipe_write", Kind.ROOM),
    ("pipe_", Kind.INPUT),
    ("fifo", Kind.INPUT),
    ("unix_stream", Kind.INPUT),
    ("unix_wait_for_peer", Kind.ROOM),
    ("sock_alloc_send", Kind.ROOM),
    ("inet_csk_accept", Kind.ACCEPT),
    ("inet_csk", Kind.INPUT),
    ("wait_woken", Kind.INPUT),
    ("sk_wait", Kind.INPUT),
    ("tty", Kind.INPUT),
    ("poll_schedule", Kind.INPUT),
    ("do_poll", Kind.INPUT),
    ("do_select", Kind.INPUT),
    ("ep_poll", Kind.INPUT),
    ("do_epoll", Kind.INPUT),
)
"""Part of a kernel function's name to what is waited for there; the first that fits counts."""
