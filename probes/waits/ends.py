"""What an open file leads to, and which processes are at the other end."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from probes.system import procfs, sockets


@dataclass(frozen=True)
class OtherEnd:
    """What a descriptor leads to."""

    what: str
    """In words: ``a pipe``, ``the terminal /dev/pts/3``."""
    peers: tuple[int, ...] = ()
    """Processes that can end the wait: they hold the other end, or the lock."""
    bystanders: tuple[int, ...] = ()
    """Processes that hold both ends, because they were forked while both were open."""
    deserted: bool = False
    """
    Known that only the waiting process itself and bystanders hold the other end.

    Held by nobody that we may look into is not known: were it held by nobody at all, there would be no wait.
    """


class Ends:
    """
    The open files of a family at one moment.

    :param pids: the family.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        self._tables = {pid: procfs.descriptors(pid) for pid in pids}

    @cached_property
    def _all_readable(self) -> bool:
        return all(table is not None for table in self._tables.values())

    @cached_property
    def _machine(self) -> dict[str, list[int]]:
        """Who holds what outside the family: read only if something leads there."""
        return sockets.holders()

    @cached_property
    def _unix_peers(self) -> dict[int, int] | None:
        return sockets.unix_peers()

    def of(self, pid: int, descriptor: int, *, reads: bool) -> OtherEnd:
        """
        The other end of a descriptor.

        :param reads: whether the process waits to read from it.
        """
        table = self._tables.get(pid)
        link = table.get(descriptor) if table is not None else None
        if link is None:
            return OtherEnd(f"file descriptor {descriptor}")
        if link.startswith("pipe:["):
            return self._pipe(pid, link, "a pipe", reads=reads)
        if link.startswith("socket:["):
            return self._socket(pid, link)
        if not link.startswith("/"):
            return OtherEnd(link)
        try:
            mode = Path(f"/proc/{pid}/fd/{descriptor}").stat().st_mode
        except OSError:
            return OtherEnd(f"the file {link}")
        if stat.S_ISFIFO(mode):
            return self._pipe(pid, link, f"the named pipe {link}", reads=reads)
        if link.startswith(("/dev/pts/", "/dev/tty", "/dev/console")):
            return OtherEnd(f"the terminal {link}")
        return OtherEnd(f"the {'device' if stat.S_ISCHR(mode) else 'file'} {link}")

    def lock_owners(self, pid: int, descriptor: int) -> OtherEnd:
        """Who holds the lock that a process waits to get on a file."""
        table = self._tables.get(pid)
        link = table.get(descriptor) if table is not None else None
        what = f"a lock on {link or f'file descriptor {descriptor}'}"
        try:
            status = Path(f"/proc/{pid}/fd/{descriptor}").stat()
            lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        except OSError:
            return OtherEnd(what)
        key = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        owners = []
        for line in lines:
            words = line.split()
            if "->" not in words and len(words) > 5 and words[5] == key and words[4].isdecimal():
                owners.append(int(words[4]))
        return OtherEnd(what, tuple(dict.fromkeys(owner for owner in owners if Path(f"/proc/{owner}").exists())))

    def _holders(self, link: str) -> list[int]:
        return [pid for pid, table in self._tables.items() if table is not None and link in table.values()]

    def _modes(self, pid: int, link: str) -> set[int | None]:
        """The ways in which a process has a pipe open."""
        table = self._tables.get(pid)
        if table is None:
            table = procfs.descriptors(pid) or {}
        return {procfs.access_mode(pid, number) for number, target in table.items() if target == link}

    def _pipe(self, pid: int, link: str, what: str, *, reads: bool) -> OtherEnd:
        near, far = (os.O_RDONLY, os.O_WRONLY) if reads else (os.O_WRONLY, os.O_RDONLY)
        modes = {holder: self._modes(holder, link) for holder in self._holders(link)}
        if not self._others(modes, pid, near, far)[0] and link.startswith("pipe:["):
            for holder in self._machine.get(link, ()):
                modes.setdefault(holder, self._modes(holder, link))
        peers, bystanders = self._others(modes, pid, near, far)
        known = all(None not in ways for ways in modes.values()) and self._all_readable
        ours = bool(modes.get(pid, set()) & {far, os.O_RDWR})
        return OtherEnd(what, peers, bystanders, deserted=known and not peers and (ours or bool(bystanders)))

    @staticmethod
    def _others(
        modes: dict[int, set[int | None]], pid: int, near: int, far: int
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Processes that hold only the far end, and those that hold both."""
        both_ways = os.O_RDWR
        others = {p: ways for p, ways in modes.items() if p != pid and ways & {far, both_ways}}
        only = tuple(p for p, ways in others.items() if near not in ways)
        return only, tuple(p for p in others if p not in only)

    def _socket(self, pid: int, link: str) -> OtherEnd:
        inode = _inode(link)
        peers = self._unix_peers
        if peers is not None and inode in peers:
            return self._connected(pid, "a socket", inode, peers[inode])
        connections = sockets.tcp_connections(pid)
        connection = connections.get(inode)
        if connection is None:
            return OtherEnd("a socket")
        if connection.state == "listening":
            return OtherEnd(f"the TCP socket that listens on {connection.local}")
        what = f"the TCP socket to {connection.remote}"
        peer = sockets.tcp_peer(connection, connections)
        return OtherEnd(what) if peer is None else self._connected(pid, what, inode, peer)

    def _connected(self, pid: int, what: str, near: int, far: int) -> OtherEnd:
        holding = self._sorted(pid, near, self._holders(f"socket:[{far}]"))
        if not holding[0]:
            both = self._machine.get(f"socket:[{near}]", ())
            strangers = [p for p in self._machine.get(f"socket:[{far}]", ()) if p not in self._tables and p not in both]
            holding = (tuple(strangers), holding[1])
        deserted = not holding[0] and (bool(holding[1]) or far in self._own(pid)) and self._all_readable
        return OtherEnd(what, holding[0], holding[1], deserted=deserted)

    def _sorted(self, pid: int, near: int, holders: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        bystanders = {p for p in holders if p != pid and near in self._own(p)}
        return tuple(p for p in holders if p != pid and p not in bystanders), tuple(sorted(bystanders))

    def _own(self, pid: int) -> set[int]:
        """Inodes of a process's sockets."""
        table = self._tables.get(pid) or {}
        return {_inode(link) for link in table.values() if link.startswith("socket:[")}


def _inode(link: str) -> int:
    number = link.partition("[")[2].rstrip("]")
    with suppress(ValueError):
        return int(number)
    return 0
