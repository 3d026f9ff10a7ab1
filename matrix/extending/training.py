"""The loop of pieces: train, check, write down; on a failure diagnose, and try again from the last good checkpoint."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from matrix.errors import MatrixError
from matrix.extending import checkpoints, healing, ledger, lines, piece
from matrix.extending.ahead import FROM_SHARE, Starter
from matrix.extending.checkpoints import Checkpoint
from matrix.extending.course import Course, Telling
from matrix.extending.extension import CONTENTS, SETTINGS_FILE, Extension, settle, sha256
from matrix.extending.folder import claim, require_room
from matrix.extending.ledger import Ledger, Row
from matrix.extending.piece import Attempt
from matrix.extending.resuming import chosen_remedies, last_checkpoint
from matrix.running.trial import Runner
from probes.remedies import Choice
from probes.watch import Status, start, watch

_ROOM_FOR = 3
"""Checkpoints as large as the last one: the next, its final copy, and what a run's folder holds."""
_ROOM_BYTES = 16 << 20
_MIXED = 3
"""A piece that fails in ever other ways is given up after so many times the patience for one way."""


@dataclass(frozen=True)
class Ended:
    """How it ended."""

    model: Path | None
    """The trained model; None if it was given up."""
    rows: tuple[Row, ...]
    """The ledger."""
    given_up: Attempt | None = None
    """The last failure, if it was given up."""


class _RefusedError(Exception):
    """The training program says that it can't train that."""


def extend(extension: Extension, telling: Telling, runner: Runner = watch, starter: Starter = start) -> Ended:
    """
    Trains until the count is reached, or goes on with what was begun in the folder.

    :raises MatrixError: something can't be read, written or trained that way, or another command is at it.
    :raises KeyboardInterrupt: on Ctrl-C; the piece in hand is lost, and the same command goes on.
    """
    new = not extension.out.exists()
    try:
        with claim(extension.out) as leftovers:
            if leftovers:
                telling.note(f"ended {leftovers} processes that a killed extend had left training here")
            if not (extension.out / SETTINGS_FILE).exists():
                _require_room(extension, None)  # before anything is written that would have to be gone on with
            resumed = settle(extension)
            try:
                with contextlib.closing(_begun(extension, telling, runner, starter)) as course:
                    return _train_all(course)
            except _RefusedError as refusal:
                if not resumed and all(row["kind"] == ledger.BEGIN for row in Ledger(extension.out).rows):
                    _undo(extension.out)
                raise MatrixError(str(refusal)) from None
    except OSError as error:
        where = error.filename or extension.out
        raise MatrixError(
            f"{where}: {error.strerror or error}; what was trained so far is safe: put that right, and give the same "
            "command again"
        ) from error
    finally:
        if new and extension.out.is_dir() and {path.name for path in extension.out.iterdir()} <= {"extend.lock"}:
            shutil.rmtree(extension.out, ignore_errors=True)  # nothing came of it


def _begun(extension: Extension, telling: Telling, runner: Runner, starter: Starter) -> Course:
    book = Ledger(extension.out)
    if not any(book.of(ledger.BEGIN)):
        book.append(ledger.BEGIN, **lines.of_base(extension))
    broken = ledger.broken_link(book.path)
    if broken is not None:
        telling.note(
            f"{book.path}: line {broken} does not follow from the one before it; somebody has changed the ledger"
        )
    last = last_checkpoint(extension, book, telling)
    if last is not None:
        telling.note(f"goes on after piece {last.number}, at step {last.steps:,}")
    return Course(extension, book, telling, runner, starter, last, chosen_remedies(extension, book))


def _train_all(course: Course) -> Ended:
    extension, book = course.extension, course.book
    while course.last is None or course.last.steps < extension.to:
        _require_room(extension, course.last)
        attempt = _attempt(course)
        if attempt.is_good and attempt.checkpoint is not None:
            _keep(course, attempt, attempt.checkpoint)
        elif attempt.refusal is not None:
            raise _RefusedError(attempt.refusal)
        elif not _goes_on(course, attempt):
            return Ended(None, tuple(book.rows), attempt)
    return Ended(_deliver(extension, book, course.last), tuple(book.rows))


def _require_room(extension: Extension, last: Checkpoint | None) -> None:
    size_bytes = extension.base.size_bytes if last is None else last.size_bytes
    require_room(extension.out, _ROOM_FOR * size_bytes + _ROOM_BYTES)


def _attempt(course: Course) -> Attempt:
    number, extension = course.number, course.extension
    chosen = course.chosen if course.trying is None else (*course.chosen, Choice(course.trying))
    begin, steps = piece.begin(extension, course.last), piece.steps(extension, course.last)
    more = course.trying is None and begin + steps < extension.to

    def status(now: Status) -> None:
        nonlocal more
        course.telling.status(number, now)
        if more and (now.step or 0) >= begin + FROM_SHARE * steps:
            more = False
            course.waiting = piece.start_ahead(extension, number + 1, chosen, course.starter)

    return piece.train(extension, number, course.last, chosen, course.runner, status, course.take_waiting(chosen))


def _keep(course: Course, attempt: Attempt, checkpoint: Checkpoint) -> None:
    """Writes a good piece down and makes it the one to go on from."""
    _require_to_follow(course, checkpoint)
    healing.judge(course, attempt)
    _note_changed_versions(course, checkpoint)
    row = course.book.append(
        ledger.PIECE, **lines.of_attempt(course.extension, attempt), **lines.of_checkpoint(checkpoint)
    )
    began = course.last
    course.goes_on_from(checkpoint)
    checkpoints.prune(course.extension.out)
    course.telling.trained(row, attempt.diagnosis)
    if checkpoint.steps < course.extension.to:
        healing.propose(course, attempt, began)


def _goes_on(course: Course, attempt: Attempt) -> bool:
    """Writes a failure down and prepares the next attempt; False if there is none."""
    if attempt.checkpoint is not None:
        checkpoints.put_aside(attempt.checkpoint.folder, "corrupt")
    healing.judge(course, attempt)
    signature = attempt.signature
    course.failures[signature] += 1
    patience = course.extension.give_up_after
    given_up = course.failures[signature] >= patience or sum(course.failures.values()) >= _MIXED * patience
    course.failed = attempt
    course.trying = None if given_up else healing.next_remedy(course, attempt)
    course.book.append(
        ledger.FAILURE,
        **lines.of_attempt(course.extension, attempt),
        signature=signature,
        times=course.failures[signature],
        given_up=given_up,
        next_remedy=course.trying.id if course.trying else None,
    )
    course.telling.failed(attempt, course.trying)
    return not given_up


def _require_to_follow(course: Course, checkpoint: Checkpoint) -> None:
    """
    :raises MatrixError: a piece did not begin with what the last one left.
    """
    before = checkpoint.told["before"]
    expected = {"steps": course.extension.base.steps} if course.last is None else course.last.told["after"]
    for what in ("steps", "weights"):
        if what in expected and before[what] != expected[what]:
            checkpoints.put_aside(checkpoint.folder, "unfit")
            raise MatrixError(
                f"{checkpoint.folder}: the piece began with other {what} ({before[what]}) than the last one ended with "
                f"({expected[what]}); is the library the same that saved it?"
            )


def _note_changed_versions(course: Course, checkpoint: Checkpoint) -> None:
    """Another library may train otherwise: allowed, but never unsaid."""
    before = course.last.told.get("versions") if course.last else None
    now = checkpoint.told.get("versions")
    if isinstance(before, dict) and isinstance(now, dict) and before != now:
        changed = [f"{name} {before.get(name)} then, {value} now" for name, value in now.items()]
        says = "libraries changed: " + ", ".join(
            text for text, name in zip(changed, now, strict=True) if before.get(name) != now[name]
        )
        course.book.append(ledger.NOTE, says=says)
        course.telling.note(says)


def _deliver(extension: Extension, book: Ledger, last: Checkpoint) -> Path:
    final = extension.final
    checkpoints.deliver(last.model, final)
    for name in (checkpoints.NORMALISATION, checkpoints.REPLAY):
        if (last.folder / name).exists():
            checkpoints.deliver(last.folder / name, final.with_name(f"{final.stem}-{name}"))
    if not any(book.of(ledger.FINISHED)):
        book.append(ledger.FINISHED, steps=last.steps, model=final.name, sha256=sha256(final))
    return final


def _undo(out: Path) -> None:
    """Takes away what was made for a training that could not begin; all of it is ours."""
    (out / SETTINGS_FILE).unlink(missing_ok=True)
    for name in CONTENTS:
        path = out / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
