"""Cells that go on training after their sweep was killed: nobody stores what they find, and they take our cores."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from probes.agent.layout import FOLDER_VARIABLE


def end_leftovers(cells: Path) -> int:
    """
    Ends every process whose run's folder is below ``cells``. To be called by whoever holds the sweep's lock.

    They are known by the variable that the probes give to a run and all its children, so that no process id,
    which may be somebody else's by now, has to be remembered.

    :return: how many there were.
    """
    ended: set[int] = set()
    # Looked for again: one that is ended may just have started another.
    while found := living(cells) - ended:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended |= found
    return len(ended)


def living(cells: Path) -> set[int]:
    """Every process whose run's folder is below ``cells``."""
    return set(_marked(f"{FOLDER_VARIABLE}={cells.resolve()}{os.sep}".encode()))


def _marked(start: bytes) -> Iterator[int]:
    """Processes with an environment variable that begins so."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # gone, or another user's
            continue
        if any(variable.startswith(start) for variable in variables):
            yield int(folder.name)
