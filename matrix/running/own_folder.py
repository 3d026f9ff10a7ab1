"""A folder for one command alone: a sweep's, a search's, a training's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from matrix.errors import MatrixError


@contextlib.contextmanager
def own_folder(out: Path, lock_file: str, other: str) -> Iterator[None]:
    """
    Makes a folder, and keeps others out of it while entered.

    :param lock_file: the name of the lock in it; the kernel lets go of it when the process ends in any way.
    :param other: what holds it if it is taken, such as "another sweep is running there".
    :raises MatrixError: it can't be made or written to, or is taken.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / lock_file)
        lock.acquire(timeout=0)
    except Timeout:
        raise MatrixError(f"{out}: {other}; wait for it, or name another --out") from None
    except OSError as error:
        raise MatrixError(f"{out}: can't be written to ({error.strerror or error}); name another --out") from error
    try:
        yield
    finally:
        lock.release()
