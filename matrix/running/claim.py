"""A sweep's folder, for one sweep alone."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from matrix.analysis.analysis import PLAN_FILE, STORE_FILE
from matrix.errors import MatrixError
from matrix.results.store import read_records
from matrix.running.leftovers import end_leftovers
from matrix.running.live_file import LIVE_FILE
from matrix.running.own_folder import own_folder
from matrix.running.source import failing_cells
from matrix.running.trial import CELLS_FOLDER

LOCK_FILE = "sweep.lock"


@dataclass(frozen=True)
class Claimed:
    """What was found in the folder."""

    leftovers: int
    """Processes that a killed sweep had left running there, and that were ended."""
    resumed: bool
    """Whether there is a store to go on with."""
    failing: frozenset[str]
    """Ids of cells that failed in the sweep that ``fresh`` forgets."""


@contextlib.contextmanager
def claim(out: Path, *, fresh: bool) -> Iterator[Claimed]:
    """
    Makes the folder ours while entered.

    :param fresh: removes what an earlier sweep left in it: its store and its runs, nothing else.
    :raises MatrixError: it can't be made or written to, or another sweep is running there.
    """
    with own_folder(out, LOCK_FILE, "another sweep is running there"):
        leftovers = end_leftovers(out / CELLS_FOLDER)
        failing: set[str] = set()
        if fresh:
            with contextlib.suppress(MatrixError):  # whatever is there, it goes
                failing = failing_cells(read_records(out / STORE_FILE))
            for path in (PLAN_FILE, STORE_FILE, f"{STORE_FILE}-wal", f"{STORE_FILE}-shm", LIVE_FILE):
                (out / path).unlink(missing_ok=True)
            shutil.rmtree(out / CELLS_FOLDER, ignore_errors=True)
        yield Claimed(leftovers, (out / STORE_FILE).exists(), frozenset(failing))
