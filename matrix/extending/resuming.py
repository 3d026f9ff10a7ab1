"""Where an earlier command left off."""

from __future__ import annotations

import contextlib
from pathlib import Path

from matrix.errors import MatrixError
from matrix.extending import checkpoints, ledger, lines
from matrix.extending.checkpoints import Checkpoint, DamagedError
from matrix.extending.course import Telling
from matrix.extending.extension import PIECES_FOLDER, Extension
from matrix.extending.ledger import Ledger, Row
from probes import remedies
from probes.diagnosis import Diagnosis, InvalidDiagnosisError
from probes.remedies import Choice


def last_checkpoint(extension: Extension, book: Ledger, telling: Telling) -> Checkpoint | None:
    """
    The newest checkpoint that is whole and that the ledger knows; one that it does not know yet is added to it.

    :raises MatrixError: there were some, and none is left.
    """
    for folder in checkpoints.there(extension.out):
        rows = [row for row in book.of(ledger.PIECE) if row["number"] == int(folder.name)]
        try:
            found = checkpoints.verified(folder)
            if rows and rows[-1]["files"] != found.told["files"]:
                raise DamagedError(f"{folder}: its files are not those that the ledger tells of")
        except DamagedError as error:
            telling.note(f"{error}; it is put aside")
            book.append(ledger.NOTE, says=str(error))
            checkpoints.put_aside(folder, "damaged")
            continue
        if not rows:
            telling.trained(_recovered(extension, book, found), None)
        return found
    if any(book.of(ledger.PIECE)):
        raise MatrixError(
            f"{extension.out}: pieces were trained here, but their checkpoints are gone or damaged; name another --out"
        )
    return None


def chosen_remedies(extension: Extension, book: Ledger) -> tuple[Choice, ...]:
    """Those that were asked for, and those that got a piece moving before."""
    ids = {choice.remedy.id for choice in extension.remedies}
    kept = [str(row["id"]) for row in book.of(ledger.REMEDY) if row["kept"] and row["id"] not in ids]
    return (*extension.remedies, *remedies.choose_all(dict.fromkeys(kept)))


def _recovered(extension: Extension, book: Ledger, found: Checkpoint) -> Row:
    """Of a piece whose extend was killed between its end and this line; what only that extend knew is gone."""
    runs = sorted((extension.out / PIECES_FOLDER).glob(f"{found.folder.name}-*"), key=_changed)
    folder = runs[-1] if runs else None
    diagnosis = None
    if folder is not None:
        with contextlib.suppress(InvalidDiagnosisError):
            diagnosis = Diagnosis.load(folder / "diagnosis.json")
    return book.append(
        ledger.PIECE,
        number=found.number,
        attempt=None,
        wall_s=None,
        recovered=True,
        **lines.of_run(extension, folder, diagnosis),
        **lines.of_checkpoint(found),
    )


def _changed(path: Path) -> float:
    return path.stat().st_mtime
