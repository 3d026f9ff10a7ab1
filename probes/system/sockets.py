"""
Which socket is connected with which, by inode.

Unix sockets are asked of the kernel (sock_diag), TCP ones are looked up in ``/proc/PID/net``. A peer that neither
tells of is missing here, which means unknown, not gone.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from probes.system import procfs

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST_AND_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_ALL_STATES = 0xFFFFFFFF
_UDIAG_SHOW_PEER = 4
_UNIX_DIAG_PEER = 2
_NO_COOKIE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
"""length, type, flags, sequence number, port."""
_REQUEST = struct.Struct("=BBHIIIII")
"""family, protocol, padding, states, inode, what to show, two halves of a cookie."""
_ANSWER = struct.Struct("=BBBBIII")
"""family, type, state, padding, inode, two halves of a cookie."""
_ATTRIBUTE = struct.Struct("=HH")
"""length, type."""
_PATIENCE_S = 1.0

_TCP_STATES = {"01": "established", "02": "connecting", "0A": "listening"}
_TCP_OTHER = "closing"


def unix_peers() -> dict[int, int] | None:
    """
    Inode of each connected unix socket in our network namespace to that of its peer; None if the kernel won't tell.

    A socket whose peer was closed is not in it.
    """
    peers: dict[int, int] = {}
    request = _REQUEST.pack(socket.AF_UNIX, 0, 0, _ALL_STATES, 0, _UDIAG_SHOW_PEER, _NO_COOKIE, _NO_COOKIE)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as link:
            link.settimeout(_PATIENCE_S)
            size = _HEADER.size + len(request)
            link.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_AND_DUMP, 1, 0) + request)
            while True:
                for kind, body in _messages(link.recv(1 << 18)):
                    if kind == _NLMSG_DONE:
                        return peers
                    if kind == _NLMSG_ERROR:
                        return None
                    pair = _pair(body)
                    if pair is not None:
                        peers[pair[0]] = pair[1]
    except (OSError, struct.error):
        return None


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, place)
        if length < _HEADER.size:
            return
        yield kind, data[place + _HEADER.size : place + length]
        place += _aligned(length)


def _pair(body: bytes) -> tuple[int, int] | None:
    """A socket's inode and its peer's."""
    inode = _ANSWER.unpack_from(body)[4]
    place = _ANSWER.size
    while place + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, place)
        if length < _ATTRIBUTE.size:
            return None
        if kind == _UNIX_DIAG_PEER:
            peer = struct.unpack_from("=I", body, place + _ATTRIBUTE.size)[0]
            return (inode, peer) if peer else None
        place += _aligned(length)
    return None


def _aligned(length: int) -> int:
    return (length + 3) & ~3


@dataclass(frozen=True)
class Connection:
    """A TCP socket."""

    inode: int
    local: str
    """``127.0.0.1:8080``."""
    remote: str
    state: str
    """``established``, ``connecting``, ``listening`` or ``closing``."""


def tcp_connections(pid: int) -> dict[int, Connection]:
    """TCP sockets in the network namespace of a process, by inode; empty if they can't be read."""
    found: dict[int, Connection] = {}
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{name}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            with suppress(ValueError, IndexError):
                fields = line.split()
                inode = int(fields[9])
                found[inode] = Connection(
                    inode, _address(fields[1]), _address(fields[2]), _TCP_STATES.get(fields[3], _TCP_OTHER)
                )
    return found


def _address(text: str) -> str:
    """``127.0.0.1:8080`` for ``0100007F:1F90``: 32-bit words in the machine's order, the port in the usual one."""
    host, _, port = text.partition(":")
    words = [int(host[place : place + 8], 16) for place in range(0, len(host), 8)]
    raw = b"".join(struct.pack("=I", word) for word in words)
    if len(raw) == 16 and raw.startswith(b"\0" * 10 + b"\xff\xff"):
        raw = raw[12:]  # IPv4 spoken through an IPv6 socket
    if len(raw) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, raw)}:{int(port, 16)}"
    return f"[{socket.inet_ntop(socket.AF_INET6, raw)}]:{int(port, 16)}"


def tcp_peer(connection: Connection, among: dict[int, Connection]) -> int | None:
    """Inode of the socket at the other end, if it is in the same namespace."""
    for other in among.values():
        if (other.local, other.remote) == (connection.remote, connection.local) and other.inode != connection.inode:
            return other.inode or None
    return None


def holders() -> dict[str, list[int]]:
    """Which processes of the machine hold each socket and pipe (``socket:[123]``), as far as we may look."""
    found: dict[str, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            for link in set((procfs.descriptors(int(entry)) or {}).values()):
                if link.startswith(("socket:[", "pipe:[")):
                    found.setdefault(link, []).append(int(entry))
    return found
