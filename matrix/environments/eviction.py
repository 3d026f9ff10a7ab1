"""What the cache of environments holds, and what goes when it is too much: the least recently used."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from matrix.environments.amounts import parse_limit
from matrix.environments.layout import (
    LOCK_TEXT,
    METADATA,
    building_at_once,
    diary_of,
    on_its_way,
    remove_leftovers,
)
from matrix.environments.use import unused
from matrix.errors import MatrixError

LIMIT_VARIABLE = "FREEZELAB_ENVS_LIMIT"
DEFAULT_LIMIT = 40e9
"""Bytes that the environments may hold on to in all; see :func:`held_by`."""
_BLOCK_BYTES = 512  # of st_blocks, whatever the file system
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;\\]+)", re.MULTILINE)

_Inode = tuple[int, int]


@dataclass(frozen=True)
class Usage:
    """The room that an environment takes on the disk, in bytes of whole blocks, folders and bytecode included."""

    own: int
    """Of files that have no name but the one in here."""
    linked: Mapping[_Inode, tuple[int, int, int]]
    """Of the others: bytes, how many names it has, and how many of them are in here."""


@dataclass(frozen=True)
class Built:
    """An environment in the cache."""

    id: str
    python: str
    packages: Mapping[str, str]
    """Name to version."""
    created_at: str | None
    """UTC."""
    last_used: float
    """In seconds since the epoch."""
    in_use: bool
    usage: Usage

    @property
    def frees(self) -> int:
        """Bytes that come free with it alone: what uv's cache or another environment shares stays."""
        return held_by([self])

    @property
    def shares(self) -> int:
        """Bytes of files that have another name elsewhere, as a rule in uv's cache."""
        return sum(size for size, links, names in self.usage.linked.values() if links > names)


def environs_limit(environ: Mapping[str, str] = os.environ) -> float:
    """
    The cache's limit in bytes: ``FREEZELAB_ENVS_LIMIT``, else 40 GB.

    :raises MatrixError: the variable says something else.
    """
    try:
        return parse_limit(environ[LIMIT_VARIABLE]) if environ.get(LIMIT_VARIABLE) else DEFAULT_LIMIT
    except ValueError as error:
        raise MatrixError(f"environment variable {LIMIT_VARIABLE}: {error}") from None


def contents(cache: Path) -> list[Built]:
    """The environments in ``cache``, the most recently used first."""
    found = []
    for metadata in cache.glob(f"[!.]*/{METADATA}"):
        with contextlib.suppress(OSError, ValueError):  # removed meanwhile, or none of ours
            found.append(_built(cache, metadata))
    return sorted(found, key=lambda built: built.last_used, reverse=True)


def held_by(environments: Iterable[Built]) -> int:
    """
    Bytes that come free when all of ``environments`` go.

    A file with several names counts once, and only if all its names are in them: what uv's cache has too is uv's.
    """
    total = 0
    names: Counter[_Inode] = Counter()
    sizes: dict[_Inode, tuple[int, int]] = {}
    for built in environments:
        total += built.usage.own
        for inode, (size, links, here) in built.usage.linked.items():
            names[inode] += here
            sizes[inode] = (size, links)
    return total + sum(size for inode, (size, links) in sizes.items() if names[inode] >= links)


def beyond(environments: Collection[Built], limit: float) -> list[Built]:
    """Which environments have to go for the rest to hold ``limit`` bytes at most, if those in use allow it."""
    staying = sorted(environments, key=lambda built: built.last_used)
    going: list[Built] = []
    for built in list(staying):
        if held_by(staying) <= limit:
            break
        if not built.in_use:
            staying.remove(built)
            going.append(built)
    return going


def idle(environments: Iterable[Built], seconds: float, now: float | None = None) -> list[Built]:
    """Which environments nobody has used for ``seconds``."""
    until = (time.time() if now is None else now) - seconds
    return [built for built in environments if not built.in_use and built.last_used <= until]


def evict(cache: Path, environments: Iterable[Built]) -> list[Built]:
    """Removes environments, but none that is in use or being built by now; returns those that went."""
    return [built for built in environments if _evict(cache, built)]


def keep_below(cache: Path, limit: float) -> list[Built]:
    """Removes what is beyond ``limit`` bytes, the least recently used first; returns what went."""
    return evict(cache, beyond(contents(cache), limit)) if limit < float("inf") else []


def clear_leftovers(cache: Path) -> None:
    """Removes what builders that were killed have left."""
    for name in {leftover.name[1:].rpartition("-")[0] for leftover in cache.glob(".*-*")}:
        with building_at_once(cache, name) as alone:
            if alone:
                remove_leftovers(cache, name)


def _evict(cache: Path, built: Built) -> bool:
    with building_at_once(cache, built.id) as alone:
        if not alone:
            return False
        diary = diary_of(cache, built.id)
        with unused(diary) as free, on_its_way(cache, built.id) as folder:
            if not free or not (cache / built.id).exists():
                return False
            (cache / built.id).replace(folder / "env")
            diary.unlink(missing_ok=True)
    return True


def _built(cache: Path, metadata: Path) -> Built:
    folder = metadata.parent
    said = json.loads(metadata.read_text(encoding="utf-8"))
    with unused(diary_of(cache, folder.name)) as free:
        pass
    return Built(
        id=folder.name,
        python=str(said["python"]) if isinstance(said, dict) and "python" in said else "?",
        packages=dict(_PINNED.findall((folder / LOCK_TEXT).read_text(encoding="utf-8"))),
        created_at=said.get("created_at") if isinstance(said, dict) else None,
        last_used=metadata.stat().st_mtime,
        in_use=not free,
        usage=_usage(folder),
    )


def _usage(folder: Path) -> Usage:
    own = 0
    linked: dict[_Inode, tuple[int, int, int]] = {}
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            status = os.lstat(os.path.join(parent, name))  # noqa: PTH118 - of thousands
            size = status.st_blocks * _BLOCK_BYTES
            inode = (status.st_dev, status.st_ino)
            if status.st_nlink == 1 or name in folders:
                own += size
            else:
                linked[inode] = (size, status.st_nlink, linked.get(inode, (0, 0, 0))[2] + 1)
    return Usage(own, linked)
