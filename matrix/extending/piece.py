"""One attempt at a piece: a run under the probes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matrix.extending import ahead, checkpoints
from matrix.extending.ahead import Starter, Waiting
from matrix.extending.checkpoints import Checkpoint, DamagedError
from matrix.extending.extension import PIECES_FOLDER, Extension
from matrix.results.observation import observed
from matrix.running.trial import Runner
from probes import fingerprint, remedies
from probes.diagnosis import Diagnosis
from probes.verdicts import Verdict
from probes.watch import Status, WatchOptions

STOP_AFTER_S = 60.0
"""A silence that nothing proves to be a freeze costs the piece; no person waits for it as in a sweep."""
_NOT_WORTH_STARTING = 0.25
"""Of a piece."""
_REHEARSED = 10
"""A rehearsal is so many times shorter than a piece; one rollout at least."""
_STOP_ON = frozenset(verdict for verdict in Verdict if verdict.stands_for_good)
_ANSWER_FILE = "answer.json"


@dataclass(frozen=True)
class Attempt:
    """What came of one."""

    number: int
    attempt: int
    folder: Path
    """The run's."""
    diagnosis: Diagnosis
    wall_s: float
    checkpoint: Checkpoint | None
    """None if it left none that is whole."""
    refusal: str | None = None
    """Why the piece can't be trained at all."""

    @property
    def signature(self) -> str:
        """What two attempts must share to have failed in the same way."""
        return observed(self.diagnosis).signature or "ended without a checkpoint"

    @property
    def is_good(self) -> bool:
        """Whether the next piece may build upon it. What is slow is not broken."""
        return self.checkpoint is not None and self.diagnosis.verdict is not Verdict.CORRUPTION


def train(
    extension: Extension,
    number: int,
    last: Checkpoint | None,
    chosen: tuple[remedies.Choice, ...],
    runner: Runner,
    on_status: Callable[[Status], None],
    waiting: Waiting | None = None,
) -> Attempt:
    """
    Trains a piece.

    :param number: from 1.
    :param last: the checkpoint to go on from; None is the base.
    :param waiting: a process that fits it and was started ahead.
    :raises KeyboardInterrupt: on Ctrl-C, once the piece has ended.
    """
    began = time.monotonic()
    attempt, options = (waiting.attempt, waiting.options) if waiting else _next(extension, number, chosen)
    folder, target = options.out, checkpoints.place(extension.out, number)
    command = _command(extension, last, target, folder, steps(extension, last))
    options = dataclasses.replace(options, on_status=on_status, started=waiting.child if waiting else None)
    if waiting is not None:
        waiting.become(command)
    diagnosis = runner(command, options)
    checkpoint = None
    if target.exists():
        try:
            checkpoint = checkpoints.verified(target)
        except DamagedError:
            checkpoints.put_aside(target, "damaged")
    wall_s = time.monotonic() - began
    return Attempt(number, attempt, folder, diagnosis, wall_s, checkpoint, _refusal(folder / _ANSWER_FILE))


def start_ahead(
    extension: Extension, number: int, chosen: tuple[remedies.Choice, ...], starter: Starter
) -> Waiting | None:
    """Starts the process of a piece that is to come; None if that can't be."""
    attempt, options = _next(extension, number, chosen)
    return ahead.started(extension.python, number, attempt, options, starter)


def steps(extension: Extension, last: Checkpoint | None) -> int:
    """Of the next piece. A rest that is hardly worth starting for is trained with the piece before it."""
    left = extension.to - begin(extension, last)
    return left if left < (1 + _NOT_WORTH_STARTING) * extension.piece_steps else extension.piece_steps


def begin(extension: Extension, last: Checkpoint | None) -> int:
    """The count at which the next piece begins."""
    return extension.base.steps if last is None else last.steps


def rehearse(
    extension: Extension,
    began: Checkpoint | None,
    folder: Path,
    chosen: tuple[remedies.Choice, ...],
    runner: Runner,
    on_status: Callable[[Status], None],
) -> Diagnosis:
    """
    Trains the beginning of a piece once more, to see what a change brings; its checkpoint is thrown away.

    :param began: the checkpoint that the piece went on from; None is the base.
    :param folder: of this run.
    :raises KeyboardInterrupt: on Ctrl-C, once it has ended.
    """
    thrown_away = folder / "checkpoint"
    try:
        command = _command(extension, began, thrown_away, folder, max(1, extension.piece_steps // _REHEARSED))
        return runner(command, dataclasses.replace(_watching(extension, folder, chosen), on_status=on_status))
    finally:
        shutil.rmtree(thrown_away, ignore_errors=True)


def _watching(extension: Extension, folder: Path, chosen: tuple[remedies.Choice, ...]) -> WatchOptions:
    return WatchOptions(
        out=folder,
        confirm_after_s=extension.confirm_after_s,
        on_freeze="stop",
        stop_on=_STOP_ON,
        stop_after_s=STOP_AFTER_S,
        remedies=chosen,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        stacks=extension.stacks,
        stdin_null=True,
    )


def rollouts_of(folder: Path) -> tuple[int, str | None]:
    """How many rollouts of a run have checksums, and one checksum for all of theirs; from the run's folder."""
    found = fingerprint.read(folder / "flight")
    chain = hashlib.sha256(repr([sorted(rollout.arrays.items()) for rollout in found]).encode())
    return len(found), chain.hexdigest() if found else None


def _next(extension: Extension, number: int, chosen: tuple[remedies.Choice, ...]) -> tuple[int, WatchOptions]:
    """Number of the next attempt at a piece, and how it is watched."""
    attempt = 1
    while (folder := extension.out / PIECES_FOLDER / f"{number:06d}-{attempt}").exists():
        attempt += 1
    return attempt, _watching(extension, folder, chosen)


def _command(extension: Extension, last: Checkpoint | None, target: Path, folder: Path, steps: int) -> list[str]:
    base = extension.base
    words = [
        *("--algorithm", base.algorithm),
        *("--base", str(base.path.resolve())),
        *("--begin", str(base.steps)),
        *("--to", str(extension.to)),
        *("--steps", str(steps)),
        *("--into", str(target.resolve())),
        *("--answer", str((folder / _ANSWER_FILE).resolve())),
    ]
    if last is not None:
        words += ["--checkpoint", str(last.folder.resolve())]
    if extension.seed is not None:
        words += ["--seed-all", str(extension.seed)]
    for option, path in (("--vec-normalize", extension.vec_normalize), ("--replay-buffer", extension.replay_buffer)):
        if path is not None:
            words += [option, str(path.resolve())]
    return [*ahead.program(extension.python), *words, *extension.training]


def _refusal(answer: Path) -> str | None:
    try:
        return str(json.loads(answer.read_text(encoding="utf-8"))["refused"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
