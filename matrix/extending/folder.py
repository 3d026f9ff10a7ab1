"""The folder, for one command alone."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from matrix.errors import MatrixError
from matrix.extending import ahead, checkpoints
from matrix.extending.extension import PIECES_FOLDER
from matrix.running.leftovers import end_leftovers
from matrix.running.own_folder import own_folder

LOCK_FILE = "extend.lock"


@contextlib.contextmanager
def claim(out: Path) -> Iterator[int]:
    """
    Makes the folder ours while entered.

    :return: how many processes a killed command had left training there; they have been ended.
    :raises MatrixError: it can't be made or written to, or another command is training there.
    """
    with own_folder(out, LOCK_FILE, "another extend is training there"):
        leftovers = end_leftovers(out / PIECES_FOLDER)
        checkpoints.clear_unfinished(out)
        ahead.clear(out / PIECES_FOLDER)
        yield leftovers


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
