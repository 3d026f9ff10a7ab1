"""
Keeping a shared environment as it was built, and uv's cache as uv left it.

An environment's files would be hard links into uv's cache: who writes to one writes into the cache, and into every
environment of the user that has the package. Three things stand against it:

* Source and small files are copies, not links: those are what people edit, and they are a fifth of the bytes (130 MB
  of 800 with torch for the CPU, and a second or two of a build). What is big and binary stays linked. Where the file
  system can share blocks between files (reflinks: btrfs, XFS), uv uses that, and every file is a copy for free.
* Everything is read-only, folders too. That also takes the right to write from the linked files in uv's cache, which
  harms nothing: uv only ever replaces or removes them, and whoever wrote to one in another environment would do the
  same damage there. But root, and so most containers, may write all the same.
* What is there is compared, before every use, with what was there when it was built: by name, size and modification
  time, a tenth of a second for an environment with torch. Bytecode is left out: Python writes it by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

INVENTORY = "files.json"
"""In the environment's folder: what it was built of. Without it an environment is not complete."""
_LINKED_FROM_BYTES = 64 * 1024
_SOURCE = (".py", ".pth")
_BYTECODE_FOLDER = "__pycache__"
_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Change:
    """A file that is not as it was built."""

    path: str
    """Relative to the environment's folder."""
    what: str
    """``changed``, ``added`` or ``gone``."""
    at: float
    """When, in seconds since the epoch; of what is gone, when something last went from its folder."""
    elsewhere: int
    """How many other names the changed file has: one in uv's cache, and one in each environment linked to it."""


def seal(folder: Path) -> None:
    """Makes a finished environment its own, as far as its files are worth it, read-only, and writes its inventory."""
    for path, status in _files(folder):
        own = status.st_size < _LINKED_FROM_BYTES or path.endswith(_SOURCE)
        if own and status.st_nlink > 1 and stat.S_ISREG(status.st_mode):
            _copy_in_place(path)
    for parent, folders, files in os.walk(folder):
        # The environment's own folder stays as it is: it is still to be renamed.
        for name in [*folders, *(files if Path(parent).name != _BYTECODE_FOLDER else ())]:
            _change_mode(Path(parent, name), remove=_WRITE)
    inventory = {_name(path, folder): _facts(status) for path, status in _files(folder)}
    (folder / INVENTORY).write_text(json.dumps(inventory, separators=(",", ":")), encoding="utf-8")


def changes(folder: Path, aside: frozenset[str] = frozenset()) -> list[Change]:
    """
    What is no longer as it was when the environment was sealed.

    :param aside: names in the folder itself that may change.
    :raises OSError: there is no inventory, or the folder can't be read.
    :raises ValueError: the inventory is damaged.
    """
    expected = json.loads((folder / INVENTORY).read_text(encoding="utf-8"))
    if not isinstance(expected, dict) or any(
        not isinstance(facts, list) or len(facts) != 3 for facts in expected.values()
    ):
        raise ValueError(f"{INVENTORY}: no inventory of ours")
    skipped = aside | {INVENTORY}
    found: list[Change] = []
    for path, status in _files(folder):
        name = _name(path, folder)
        facts = expected.pop(name, None)
        if name in skipped or (facts and facts[:2] == _facts(status)[:2]):
            continue
        # A link that was replaced by another file left alone what it was linked to.
        through = bool(facts) and facts[2] == status.st_ino and status.st_nlink > 1
        at = status.st_mtime if through else status.st_ctime
        found.append(Change(name, "changed" if facts else "added", at, status.st_nlink - 1 if through else 0))
    found += [Change(name, "gone", _last_change(folder, name), elsewhere=0) for name in expected if name not in skipped]
    return found


def packages_of(folder: Path, paths: Iterable[str]) -> list[str]:
    """
    The installed packages whose records name one of ``paths``.

    :param paths: relative to ``folder``.
    """
    wanted = set(paths)
    names = []
    for record in sorted(folder.glob("lib/*/site-packages/*.dist-info/RECORD")):
        site = record.parent.parent.relative_to(folder)
        listed = record.read_text(encoding="utf-8", errors="replace").splitlines()
        if any(os.path.normpath(site / line.partition(",")[0].strip('"')) in wanted for line in listed):
            names.append(record.parent.name.partition("-")[0])
    return names


def remove(folder: Path) -> None:
    """Removes an environment, read-only folders and all; what can't be removed stays."""
    unseal(folder)
    shutil.rmtree(folder, ignore_errors=True)


def unseal(folder: Path) -> None:
    """Makes the folders of an environment writable again, not its files."""
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            _change_mode(Path(parent, name), add=stat.S_IWUSR)


def _files(folder: Path | str) -> Iterator[tuple[str, os.stat_result]]:
    """Everything but folders and bytecode, with what ``lstat`` says."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield entry.path, entry.stat(follow_symlinks=False)
            elif entry.name != _BYTECODE_FOLDER:
                yield from _files(entry.path)


def _name(path: str, folder: Path) -> str:
    return path[len(str(folder)) + 1 :]  # thousands of times: pathlib takes longer than the comparison


def _facts(status: os.stat_result) -> list[int]:
    """
    Size, modification time in ns, and the inode where it is shared. The time of the inode's last change would be
    harder to forge, but it moves whenever uv links the file once more.
    """
    return [status.st_size, status.st_mtime_ns, status.st_ino if status.st_nlink > 1 else 0]


def _copy_in_place(path: str) -> None:
    copy = f"{path}.freezelab-copy"
    shutil.copy2(path, copy)  # with its modification time, by which Python knows the bytecode to be of this source
    Path(copy).replace(path)


def _change_mode(path: Path, *, add: int = 0, remove: int = 0) -> None:
    """Of files and folders themselves: a link's target, such as the Python it was made from, is none of ours."""
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode) & ~remove | add
    if not stat.S_ISLNK(status.st_mode) and mode != stat.S_IMODE(status.st_mode):
        with contextlib.suppress(PermissionError):  # another user's, in a cache that several share
            path.chmod(mode)


def _last_change(folder: Path, name: str) -> float:
    """When something last came to or went from the place where ``name`` was, as far as that is left."""
    there = next(parent for parent in (folder / name).parents if parent.exists())
    return there.stat().st_mtime
