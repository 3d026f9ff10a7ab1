"""
What is where in the cache's folder.

``ID`` is an environment, complete; ``ID.lock`` is held by who builds or removes it, ``ID.use`` by who uses it, and is
its diary; ``.ID-…`` is one on its way in or out, and nobody's once ``ID.lock`` is free.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from matrix.environments import guard
from matrix.environments.uv import StoppedError

METADATA = "freezelab.json"
"""In an environment's folder; its modification time is when the environment was last used."""
LOCK_TEXT = "lock.txt"
"""In an environment's folder: what it was installed from."""
_LOCK_POLL_S = 0.2


def default_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_CACHE_HOME/freezelab/envs``, by the XDG Base Directory Specification."""
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "freezelab" / "envs"


def diary_of(cache: Path, environment: str) -> Path:
    """The file that says who uses the environment."""
    return cache / f"{environment}.use"


def python_of(folder: Path) -> Path:
    """The environment's interpreter."""
    return folder / "bin" / "python"


def is_complete(folder: Path) -> bool:
    """Also false when the Python that it was made from is gone."""
    return all((folder / name).exists() for name in (METADATA, guard.INVENTORY)) and python_of(folder).exists()


@contextlib.contextmanager
def building(cache: Path, environment: str, should_stop: Callable[[], bool]) -> Iterator[None]:
    """
    Alone with the environment in the block; waits for that as long as nobody wants us to stop.

    :raises StoppedError: somebody does.
    """
    lock = FileLock(cache / f"{environment}.lock")
    while True:
        try:
            lock.acquire(timeout=_LOCK_POLL_S, poll_interval=_LOCK_POLL_S / 4)
            break
        except Timeout:
            if should_stop():
                raise StoppedError from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def building_at_once(cache: Path, environment: str) -> Iterator[bool]:
    """As :func:`building`, and false instead of waiting."""
    lock = FileLock(cache / f"{environment}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextlib.contextmanager
def on_its_way(cache: Path, environment: str) -> Iterator[Path]:
    """A folder for what comes or goes, removed with all that is left in it."""
    folder = Path(tempfile.mkdtemp(prefix=f".{environment}-", dir=cache))
    try:
        yield folder
    finally:
        guard.remove(folder)


def remove_leftovers(cache: Path, environment: str) -> None:
    """What a builder that was killed left; only for who is alone with the environment."""
    for leftover in cache.glob(f".{environment}-*"):
        guard.remove(leftover)
