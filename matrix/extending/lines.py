"""What the ledger is told of a run and of the checkpoint that it left."""

from __future__ import annotations

from pathlib import Path

from matrix.extending import piece
from matrix.extending.checkpoints import Checkpoint
from matrix.extending.extension import Extension
from matrix.extending.ledger import Row
from matrix.extending.piece import Attempt
from probes import remedies
from probes.diagnosis import Diagnosis


def of_base(extension: Extension) -> Row:
    """Of what is gone on from."""
    base = extension.base
    told = {"path": str(base.path.resolve()), "sha256": base.sha256, "steps": base.steps, "audit": base.verdict}
    return {"base": told, "algorithm": base.algorithm, "to": extension.to}


def of_attempt(extension: Extension, attempt: Attempt) -> Row:
    """Of one, good or bad."""
    return {
        "number": attempt.number,
        "attempt": attempt.attempt,
        "wall_s": round(attempt.wall_s, 3),
        **of_run(extension, attempt.folder, attempt.diagnosis),
    }


def of_run(extension: Extension, folder: Path | None, diagnosis: Diagnosis | None) -> Row:
    """
    :param folder: the run's; None if it is gone.
    :param diagnosis: None if nobody was there to make one.
    """
    rollouts, chain = piece.rollouts_of(folder) if folder is not None else (0, None)
    told = remedies.of(diagnosis) if diagnosis is not None else ()
    return {
        "verdict": None if diagnosis is None else str(diagnosis.verdict),
        "cause": None if diagnosis is None else diagnosis.cause,
        "summary": None if diagnosis is None else diagnosis.summary,
        "remedies": [{"id": item.id, "value": item.value, "state": item.state} for item in told],
        "rollouts": rollouts,
        "fingerprint": chain,
        "python": str(extension.python),
        "folder": None if folder is None else str(folder.relative_to(extension.out)),
    }


def of_checkpoint(checkpoint: Checkpoint) -> Row:
    """What the piece said of itself."""
    told = checkpoint.told
    return {
        "before": told["before"],
        "after": told["after"],
        "files": told["files"],
        "environment_lost": told.get("environment_lost_before"),
        "learn_s": told.get("learn_s"),
        "versions": told.get("versions"),
    }
