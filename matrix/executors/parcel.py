"""A run's folder on its way from a worker to the sweep: compressed, of limited size, unpacked without trust."""

from __future__ import annotations

import io
import os
import shutil
import stat
import struct
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FILE_LIMIT_BYTES = 32 << 20
"""A larger file stays where it is: logs and recordings are capped by the probes, far below."""
PARCEL_LIMIT_BYTES = 128 << 20
"""All files together, before they are compressed."""
_FASTEST = 1
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, ValueError, RuntimeError)
"""What zipfile raises for an archive that is not whole."""


class ParcelError(Exception):
    """What came is no parcel of ours."""


@dataclass(frozen=True)
class Parcel:
    """A packed folder."""

    data: bytes
    """A zip archive."""
    left_out: dict[str, int]
    """Files that were too large, with their sizes in bytes."""


def pack(folder: Path) -> Parcel:
    """Packs the regular files below ``folder``, small ones first; a folder that is missing gives an empty parcel."""
    left_out: dict[str, int] = {}
    room = PARCEL_LIMIT_BYTES
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=_FASTEST) as archive:
        for path in _folders(folder):
            archive.writestr(path.relative_to(folder).as_posix() + "/", b"")
        for size, path in sorted(_files(folder)):
            name = path.relative_to(folder).as_posix()
            if size > min(FILE_LIMIT_BYTES, room):
                left_out[name] = size
                continue
            room -= size
            # Not by ZipFile.write: a run may leave files whose dates no zip archive can hold.
            archive.writestr(name, path.read_bytes())
    return Parcel(buffer.getvalue(), left_out)


def unpack(parcel: Parcel, folder: Path) -> None:
    """
    Makes ``folder`` what was packed, in place of what is there; it is complete or not there.

    :raises ParcelError: no archive, a damaged one, one whose names lead elsewhere, or one that is too large.
    :raises OSError: it can't be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    growing = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    growing.mkdir()
    try:
        with zipfile.ZipFile(io.BytesIO(parcel.data)) as archive:
            if sum(item.file_size for item in archive.infolist()) > PARCEL_LIMIT_BYTES:
                raise ParcelError("larger than any parcel may be")
            for item in archive.infolist():
                if item.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ParcelError(f"{item.filename!r} is packed in no way of ours")
                target = growing / _inside(item.filename)
                (target if item.is_dir() else target.parent).mkdir(parents=True, exist_ok=True)
                if not item.is_dir():
                    target.write_bytes(archive.read(item))
        shutil.rmtree(folder, ignore_errors=True)
        growing.replace(folder)
    except _DAMAGE as error:
        raise ParcelError(str(error)) from error
    finally:
        shutil.rmtree(growing, ignore_errors=True)


def _folders(folder: Path) -> Iterator[Path]:
    for parent, names, _ in os.walk(folder):
        yield from (path for name in sorted(names) if not (path := Path(parent, name)).is_symlink())


def _files(folder: Path) -> Iterator[tuple[int, Path]]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            found = path.lstat()
            if stat.S_ISREG(found.st_mode):
                yield found.st_size, path


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name or "\0" in name:
        raise ParcelError(f"{name!r} leads out of the folder")
    return path
