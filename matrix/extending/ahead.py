"""
The process of the next piece, started while the present one still trains.

To start Python, import torch and be ready takes seconds, the same for each piece; ``repro/extend/waiting.py`` does that
and then waits to be told which piece it is. Nothing is lost if it is never told: it is ended, and its folder removed.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matrix.extending.extension import write_whole
from matrix.running.trial import PROGRAM
from probes.errors import InputError
from probes.remedies import Choice
from probes.supervisor import Supervised
from probes.watch import WatchOptions

Starter = Callable[[Sequence[str], WatchOptions], Supervised]
"""As :func:`probes.watch.start`."""
FROM_SHARE = 0.8
"""Of a piece's steps: an update at least is still to come, and what waits takes memory."""
_WORDS_FILE = "words.json"


@dataclass(frozen=True)
class Waiting:
    """A process that is ready to be a piece."""

    child: Supervised
    options: WatchOptions
    number: int
    """Of the piece."""
    attempt: int

    def fits(self, number: int, remedies: tuple[Choice, ...]) -> bool:
        """Whether it may be that piece; remedies are given to a process as it starts."""
        return self.number == number and self.options.remedies == remedies and self.child.exit_status() is None

    def become(self, command: Sequence[str]) -> None:
        """
        Tells it to be that command.

        :raises OSError: it can't be written to.
        """
        write_whole(_words_file(self.options.out), json.dumps(command[_FIRST_WORD:]))

    def end(self) -> None:
        """Ends it without its ever having been one."""
        self.child.close()
        shutil.rmtree(self.options.out, ignore_errors=True)


def started(python: Path, number: int, attempt: int, options: WatchOptions, starter: Starter) -> Waiting | None:
    """A process that waits; None if it can't be started, of which the piece itself will tell."""
    command = [*program(python), "--await", str(_words_file(options.out).resolve())]
    with contextlib.suppress(InputError, OSError):
        return Waiting(starter(command, options), options, number, attempt)
    return None


def clear(pieces: Path) -> None:
    """Removes folders of processes that never were a piece, as a killed command leaves them."""
    for log in pieces.glob("*/stdout.log"):
        if not log.with_name("meta.json").exists():
            shutil.rmtree(log.parent, ignore_errors=True)


def program(python: Path) -> list[str]:
    """What the words of a piece are given to."""
    return [str(python), str(PROGRAM), "piece"]


_FIRST_WORD = len(program(Path()))


def _words_file(folder: Path) -> Path:
    return folder / _WORDS_FILE
