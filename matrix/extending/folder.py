"""The folder, for one command alone."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from matrix.errors import MatrixError
from matrix.extending import checkpoints
from matrix.extending.extension import PIECES_FOLDER
from matrix.running.leftovers import end_leftovers

LOCK_FILE = "extend.lock"


@contextlib.contextmanager
def claim(out: Path) -> Iterator[int]:
    """
    Makes the folder ours while entered.

    :return: how many processes a killed command had left training there; they have been ended.
    :raises MatrixError: it can't be made or written to, or another command is training there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / LOCK_FILE)
        lock.acquire(timeout=0)
    except Timeout:
        raise MatrixError(f"{out}: another extend is training there; wait for it, or name another --out") from None
    except OSError as error:
        raise MatrixError(f"{out}: can't be written to ({error.strerror or error}); name another --out") from error
    try:
        leftovers = end_leftovers(out / PIECES_FOLDER)
        checkpoints.clear_unfinished(out)
        yield leftovers
    finally:
        lock.release()


def require_room(out: Path, needed_bytes: int) -> None:
    """
    :raises MatrixError: the disk has less room.
    """
    free_bytes = shutil.disk_usage(out).free
    if free_bytes < needed_bytes:
        raise MatrixError(
            f"{out}: {free_bytes / 1e6:,.0f} MB are free, the next checkpoint may need {needed_bytes / 1e6:,.0f} MB; "
            "make room and give the same command again"
        )
