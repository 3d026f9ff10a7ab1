"""Files that a process has mapped: its libraries, and those whose bytes are not there, as a bus error is about."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path

_BLOCK_BYTES = 512
"""What ``st_blocks`` counts in, whatever the file system's own blocks are."""


@dataclass(frozen=True)
class BrokenMapping:
    """A mapped file that has not all the bytes it is mapped for."""

    path: str
    mapped_bytes: int
    """How far into the file the mapping reaches."""
    file_bytes: int
    full: bool
    """The file is long enough, but parts of it were never stored, and its file system has no room left."""


def maps(pid: int, name: str) -> bool:
    """Whether a process has a file mapped whose name begins so; False if it can't be read."""
    return any(fields[5].rpartition("/")[2].startswith(name) for fields in _files(pid))


def broken(pid: int) -> tuple[BrokenMapping, ...]:
    """Such files of a process, in the order of their addresses; none if it can't be read."""
    found = {}
    for fields in _files(pid):
        if not fields[5].startswith("/dev/nvidia"):
            mapping = _look(pid, fields)
            if mapping is not None:
                found[mapping.path, mapping.full] = mapping
    return tuple(found.values())


def _files(pid: int) -> list[list[str]]:
    """The lines of its mapped files in six parts, in the order of their addresses; none if it can't be read."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    parts = (line.split(None, 5) for line in lines)
    return [fields for fields in parts if len(fields) == 6 and fields[5].startswith("/")]


def _look(pid: int, fields: list[str]) -> BrokenMapping | None:
    addresses, rights, offset, device, inode, path = fields
    if rights[0] != "r":
        # A library's parts are apart in memory; what lies between them is mapped, but for nobody to touch.
        return None
    name = path.removesuffix(" (deleted)")
    # What has no name any more can still be asked for by its address, where that is permitted.
    reached = path if name == path else f"/proc/{pid}/map_files/{addresses}"
    try:
        status = Path(reached).stat()
        room = os.statvfs(reached).f_bavail
    except OSError:
        return None
    major, minor = (int(part, 16) for part in device.split(":"))
    # Another file may bear the name by now; some file systems show another device in one place than in the other.
    if status.st_ino != int(inode) or (major and (os.major(status.st_dev), os.minor(status.st_dev)) != (major, minor)):
        return None
    low, _, high = addresses.partition("-")
    end = int(offset, 16) + int(high, 16) - int(low, 16)
    if end > -(-status.st_size // mmap.PAGESIZE) * mmap.PAGESIZE:
        return BrokenMapping(name, end, status.st_size, full=False)
    sparse = status.st_blocks * _BLOCK_BYTES < status.st_size
    if room == 0 and sparse and rights.startswith("rw") and rights.endswith("s"):
        return BrokenMapping(name, end, status.st_size, full=True)
    return None
