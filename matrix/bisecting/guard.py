"""
A process that outlives a killed search for a moment, and ends what it was running.

It waits for the search's end of a pipe to close, which no way to die can prevent. Ctrl-C does not reach it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from matrix.running.leftovers import end_leftovers

_OURS = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """
    While entered, runs whose folders are below ``folder`` end with this process, however it ends.

    :raises OSError: no process can be started.
    """
    guard = subprocess.Popen(
        [sys.executable, "-m", __name__, str(folder.resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(_OURS)},
        cwd="/",
        start_new_session=True,
    )
    try:
        yield
    finally:
        # All runs have ended by now: there is nothing to be found.
        guard.communicate()


def main() -> None:
    """Waits, then ends what is left."""
    sys.stdin.buffer.read()
    end_leftovers(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
