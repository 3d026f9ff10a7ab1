"""A zip archive that may have been made to harm its reader, read without unpacking it to any path."""

from __future__ import annotations

import contextlib
import io
import mmap
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from repro.checkpoints.errors import CheckpointError, UnreadableError

MAX_READ = 4 << 20
"""Bytes that zip parsing may ask for at once: the central directory above all, whose size a file may claim freely, and
whose entries become objects of many times their size."""
MAX_MEMBERS = 100_000
MAX_GROWTH = 20
"""How many times the size of the archive all of its compressed members may unpack to."""
IN_MEMORY = 32 << 20
"""Bytes of memory that are allowed whatever the size of the archive."""
ALWAYS_ALLOWED = 64 << 20
"""Bytes that may be unpacked whatever the size of the archive: a few zeros compress a thousandfold."""
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_CHUNK = 1 << 20
_ENCRYPTED = 0x1


class Window(io.RawIOBase):
    """A part of a mapped file as a file of its own, which is never read in large pieces."""

    def __init__(self, view: memoryview) -> None:
        super().__init__()
        self._view = view
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence]
        if start + offset < 0:
            raise OSError("before the first byte")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = len(self._view) if size is None or size < 0 else min(self._at + size, len(self._view))
        if end - self._at > MAX_READ:
            raise UnreadableError(f"a directory of more than {MAX_READ >> 20} MiB")
        piece = bytes(self._view[self._at : end])
        self._at += len(piece)
        return piece

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer).cast("B")
        piece = self.read(len(target))
        target[: len(piece)] = piece
        return len(piece)


@dataclass
class Limits:
    """What reading one file may take, archives within archives together."""

    stack: contextlib.ExitStack
    """Keeps what members are unpacked to, on the disk, until the caller closes it."""
    file_size: int
    """In bytes."""
    unpacked: int = 0
    """Bytes so far."""
    cost: int = 0
    """Bytes of memory that pickles have taken so far, about."""

    @property
    def may_unpack(self) -> int:
        """How much more, in bytes."""
        return max(ALWAYS_ALLOWED, MAX_GROWTH * self.file_size) - self.unpacked

    @property
    def in_memory(self) -> int:
        """Bytes of memory for what is not looked at in place: text, and what pickles tell."""
        return max(IN_MEMORY, self.file_size)

    def spend(self, cost: int) -> None:
        """
        :param cost: bytes of memory.
        :raises UnreadableError: if that is too much in all.
        """
        self.cost += cost
        if self.cost > self.in_memory:
            raise UnreadableError("its pickles hold more objects than a checkpoint of this size may")


class Archive:
    """The members of a zip archive in memory or in a mapped file."""

    def __init__(self, view: memoryview, name: str, limits: Limits) -> None:
        """
        :param view: the archive's bytes.
        :param name: what it is called in messages.
        :param limits: of the file that it is in.
        :raises UnreadableError: if it is no zip archive, or one that is not read.
        """
        self._view, self._name, self._limits = view, name, limits
        try:
            archive = zipfile.ZipFile(Window(view))
        except (zipfile.BadZipFile, OSError, ValueError, struct.error, OverflowError, NotImplementedError) as error:
            raise UnreadableError(f"not a whole zip archive ({error})") from None
        self._zip = archive
        entries = archive.infolist()
        if len(entries) > MAX_MEMBERS:
            raise UnreadableError(f"{name} has {len(entries)} members, more than {MAX_MEMBERS}")
        self.entries: dict[str, zipfile.ZipInfo] = {}
        self.strange: list[str] = []
        """Names that would lead out of a folder, had they been unpacked to one; such members are not read."""
        for entry in entries:
            if _leads_out(entry):
                self.strange.append(entry.filename)
            elif entry.filename in self.entries:
                raise UnreadableError(
                    f"{name} holds {entry.filename!r} twice: what one program reads is not what another does"
                )
            else:
                self.entries[entry.filename] = entry
        if sum(entry.compress_size for entry in entries) > len(view):
            raise UnreadableError(f"{name} has members that overlap, as only a zip bomb's do")

    def read(self, member: str, limit: int) -> bytes:
        """
        A small member.

        :param limit: in bytes.
        """
        size = self.entries[member].file_size
        if size > limit:
            raise UnreadableError(f"{self._where(member)} has {size} bytes, more than the {limit} that are read of it")
        return bytes(self.view(member))

    def view(self, member: str) -> memoryview:
        """
        A member's bytes, in place if it is stored as it is; its checksum has been verified.

        :raises UnreadableError: if it is damaged, encrypted or too large.
        """
        entry = self.entries[member]
        if entry.flag_bits & _ENCRYPTED:
            raise UnreadableError(f"{self._where(member)} is encrypted")
        if entry.compress_type == zipfile.ZIP_STORED:
            return self._stored(entry)
        if entry.compress_type == zipfile.ZIP_DEFLATED:
            return self._unpack(entry)
        raise UnreadableError(f"{self._where(member)} is compressed by method {entry.compress_type}, which is not read")

    def _stored(self, entry: zipfile.ZipInfo) -> memoryview:
        start = entry.header_offset
        header = self._view[start : start + _LOCAL_HEADER.size]
        if len(header) < _LOCAL_HEADER.size:
            raise UnreadableError(f"{self._where(entry.filename)} is cut off")
        signature, *_, name_size, extra_size = _LOCAL_HEADER.unpack(header)
        begin = start + _LOCAL_HEADER.size + name_size + extra_size
        body = self._view[begin : begin + entry.file_size]
        if signature != b"PK\x03\x04" or entry.file_size != entry.compress_size or len(body) != entry.file_size:
            raise UnreadableError(f"{self._where(entry.filename)} is cut off or damaged")
        if checksum(body) != entry.CRC:
            raise UnreadableError(f"{self._where(entry.filename)} is damaged: its checksum does not fit")
        return body

    def _unpack(self, entry: zipfile.ZipInfo) -> memoryview:
        allowed = self._limits.may_unpack
        too_much = UnreadableError(f"{self._where(entry.filename)} unpacks to too much, as a zip bomb does")
        if entry.file_size > allowed:
            raise too_much
        file = self._limits.stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # closed with the stack
        size = 0
        try:
            with self._zip.open(entry) as source:
                while piece := source.read(_CHUNK):
                    size += len(piece)
                    if size > allowed:
                        raise too_much
                    file.write(piece)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error, RuntimeError) as error:
            if isinstance(error, UnreadableError):
                raise
            raise UnreadableError(f"{self._where(entry.filename)} is damaged ({error})") from None
        self._limits.unpacked += size
        file.flush()
        return mapped(file, size)

    def _where(self, member: str) -> str:
        return f"{member!r} in {self._name}"


def _leads_out(entry: zipfile.ZipInfo) -> bool:
    name = entry.filename
    path = PurePosixPath(name.replace("\\", "/"))
    link = (entry.external_attr >> 16) & 0o170000 == 0o120000
    return path.is_absolute() or ".." in path.parts or ":" in name[:2] or not name.isprintable() or link


def checksum(view: memoryview) -> int:
    """CRC-32, as zip archives have it."""
    value = 0
    for start in range(0, len(view), _CHUNK):
        value = zlib.crc32(view[start : start + _CHUNK], value)
    return value


def mapped(file: BinaryIO, size: int) -> memoryview:
    """A file's bytes without reading them; the map goes with the last array that looks at it."""
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Archive, Limits]]:
    """
    The archive in a file, and what reading it may take.

    :raises CheckpointError: if there is no such file, or if it is not a zip archive.
    """
    with contextlib.ExitStack() as stack:
        try:
            if path.exists() and not path.is_file() and not path.is_dir():
                raise CheckpointError(f"{path}: not a file but a pipe or a device; give a .zip that model.save() wrote")
            file = stack.enter_context(path.open("rb"))
            size = path.stat().st_size
            view = mapped(file, size)
        except CheckpointError:
            raise
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise CheckpointError(f"{path}: can't be read: {reason}") from None
        if not size:
            raise CheckpointError(f"{path}: the file is empty; give a .zip that model.save() wrote")
        limits = Limits(stack, size)
        try:
            archive = Archive(view, path.name, limits)
        except UnreadableError as error:
            raise CheckpointError(f"{path}: {error}; give a .zip that model.save() wrote") from None
        yield archive, limits
