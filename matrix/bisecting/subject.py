"""What is run for each candidate: the user's own command, with the candidate's Python."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matrix.bisect.observations import Candidate
from matrix.bisecting.runs import Counts, Ended, Run, Same, judged
from matrix.environments.interface import CellEnvironment
from matrix.errors import MatrixError
from matrix.running.trial import Runner
from probes import remedies
from probes.watch import STOP_AFTER_S, InterruptedRunError, Status, WatchOptions, watch

PYTHON_WORD = re.compile(r"(.*/)?python(\d(\.\d+)?)?")
"""The name of an interpreter, as a command begins with it."""
LIMIT_S = 600.0


@dataclass(frozen=True)
class Subject:
    """A command, and what of it counts."""

    words: tuple[str, ...]
    """Behind the interpreter."""
    counts: Counts = Counts.FREEZE
    same: Same = Same.FUNCTION
    limit_s: float = LIMIT_S
    """A run that still moves then counts as one that passes."""
    stacks: bool = True

    def run(
        self,
        candidate: Candidate,
        environment: CellEnvironment,
        place: Place,
        *,
        words: Sequence[str] | None = None,
        environ: Mapping[str, str | None] | None = None,
        changed_by: tuple[remedies.Choice, ...] = (),
        label: str,
    ) -> Run[Candidate]:
        """
        Runs it under the probes.

        :param words: in place of the command's own.
        :param environ: variables over our own; None takes one away.
        :param changed_by: remedies that are applied.
        :param label: of the candidate, for people.
        :raises InterruptedRunError: Ctrl-C; there is nothing to write down.
        """
        freezes = self.counts is Counts.FREEZE
        options = WatchOptions(
            out=place.folder,
            limit_s=self.limit_s,
            on_freeze="stop",
            stop_after_s=STOP_AFTER_S,
            env={
                "PYTHONNOUSERSITE": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                **(environ or {}),
            },
            remedies=changed_by,
            stacks=self.stacks and freezes,
            stdin_null=True,
            on_status=place.on_status,
            should_stop=place.should_stop,
        )
        started = time.monotonic()
        command = [str(environment.python), *(self.words if words is None else words)]
        try:
            with environment.used_by(f"bisect {label}"):
                ended, signature, says = judged(place.runner(command, options), self.counts, self.same)
        except InterruptedRunError:
            raise
        except Exception as error:  # noqa: BLE001 - one run that can't be watched must not end the search
            ended, signature, says = Ended.UNRESOLVED, None, f"{type(error).__name__}: {error}"
        return Run(candidate, ended, signature, says, time.monotonic() - started, place.name)


@dataclass(frozen=True)
class Place:
    """Where and how a run takes place."""

    folder: Path
    name: str
    """The folder, relative to the search's."""
    should_stop: Callable[[], bool]
    on_status: Callable[[Status], None]
    runner: Runner = field(default=watch)


def words_of(command: Sequence[str]) -> tuple[str, ...]:
    """
    What stands behind the interpreter.

    :param command: ``python train.py …``, ``train.py …`` or ``-m mypackage.train …``.
    :raises MatrixError: it is none of these, or the script is missing.
    """
    words = list(command[1:] if command[:1] == ["--"] else command)
    if words and PYTHON_WORD.fullmatch(words[0]):
        words = words[1:]
    if not words:
        raise MatrixError("no command given; write it behind --, as in: -- train.py --n-envs 4")
    if words[0].startswith("-"):  # an option of Python's own: -m, -c, -X
        return tuple(words)
    script = Path(words[0])
    if not script.exists():
        raise MatrixError(
            f"{words[0]}: no such script; what is behind -- is run by each candidate's own Python: "
            "-- train.py …, or -- -m mypackage.train …"
        )
    return (str(script.resolve()), *words[1:])
