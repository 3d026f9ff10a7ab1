"""What remedies bring: for a piece that failed in its next attempt, for one that is slow in a rehearsal."""

from __future__ import annotations

import dataclasses

from matrix.extending import ledger, piece
from matrix.extending.checkpoints import Checkpoint
from matrix.extending.course import Course
from matrix.extending.piece import Attempt
from probes.agent.remedies.interface import Remedy
from probes.diagnosis import Remedy as Proof
from probes.remedies import Choice, verify
from probes.verdicts import Verdict
from probes.watch import Status

_SLOW = (Verdict.SLOW_PHASE, Verdict.SLOWDOWN)


def next_remedy(course: Course, failed: Attempt) -> Remedy | None:
    """What the next attempt is given; None if nothing is known that it has not had yet."""
    have = {choice.remedy.id for choice in course.chosen} | course.tried
    return next((item for item in verify.candidates(failed.diagnosis) if item.id not in have), None)


def judge(course: Course, attempt: Attempt) -> None:
    """
    What this attempt proves of the remedy that was tried in it: nothing else was changed.

    A remedy that got the piece moving stays for all that follow.
    """
    remedy, before = course.trying, course.failed
    course.trying = None
    if remedy is None or before is None:
        return
    agrees = verify.agreement(before.folder, attempt.folder)
    proof = verify.prove(remedy, before.diagnosis, attempt.diagnosis, agrees)
    course.tried.add(remedy.id)
    if proof.verified:
        course.chosen = (*course.chosen, Choice(remedy))
    _tell(course, attempt, proof, kept=proof.verified)


def propose(course: Course, slow: Attempt, began: Checkpoint | None) -> None:
    """
    Slow is no freeze, and training goes on as it was asked for; but a remedy of the cause is measured, once, on the
    beginning of this piece, so that a person can decide upon it.

    :param began: the checkpoint that the piece went on from; None is the base.
    """
    if slow.diagnosis.verdict not in _SLOW:
        return
    had = {str(row["id"]) for row in course.book.of(ledger.REMEDY)}
    for remedy in verify.candidates(slow.diagnosis):
        if remedy.id in had:
            continue
        folder = slow.folder / verify.FOLDER / remedy.id

        def status(now: Status, remedy: Remedy = remedy) -> None:
            line = f"again for a moment with {remedy.id} · {now.line}"
            course.telling.status(slow.number, dataclasses.replace(now, line=line, warned=()))

        second = piece.rehearse(
            course.extension, began, folder, (*course.chosen, Choice(remedy)), course.runner, status
        )
        proof = verify.prove(remedy, slow.diagnosis, second, verify.agreement(slow.folder, folder))
        _tell(course, slow, proof, kept=False)


def _tell(course: Course, attempt: Attempt, proof: Proof, *, kept: bool) -> None:
    course.book.append(
        ledger.REMEDY,
        number=attempt.number,
        attempt=attempt.attempt,
        id=proof.id,
        cause=(course.failed or attempt).diagnosis.cause,
        verified=proof.verified,
        why=proof.why,
        before_s=proof.before,
        after_s=proof.after if proof.before is not None else None,
        kept=kept,
    )
    course.telling.proven(proof, kept=kept)
