"""
The ledger of ``freezelab extend``, read as something that anybody may have written.

Format: ``matrix/extending/ledger.py``, schema ``freezelab.ledger/1``: a line of JSON for each piece, with the SHA-256
of the line before it in each. It is no proof, as whoever forges a model can forge a ledger; but it must fit.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.checkpoints.errors import CheckpointError

LEDGER_FILE, MODEL = "ledger.jsonl", "model.zip"
_MAX_BYTES = 64 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Piece:
    """One line of a piece that left a checkpoint."""

    number: int
    begin: int
    """The model's count before it."""
    end: int
    weights: tuple[str, str]
    """Checksums of what was learnt, before and after."""
    model: str
    """SHA-256 of its checkpoint."""
    at: str
    """UTC, ISO 8601."""
    verdict: str


@dataclass(frozen=True)
class Told:
    """What a ledger tells of a checkpoint."""

    path: Path
    pieces: tuple[Piece, ...]
    """All of it, the oldest first."""
    last: Piece | None
    """The one that left the very checkpoint; None if none did."""
    changed_line: int | None
    """Number, from 1, of the first line that does not follow from the one before it; None if all do."""
    gap: Piece | None
    """The first piece up to the last one that did not begin with what the one before it had left; None if all did."""
    base: str | None
    """SHA-256 of the checkpoint that it began with."""


def find(checkpoint: Path) -> Path | None:
    """The ledger beside a checkpoint, or of the folder whose ``checkpoints/000001/`` it is in; None if none is."""
    try:
        beside = checkpoint.resolve().parent
    except (OSError, RuntimeError):
        return None
    return next((path for folder in (beside, beside.parent.parent) if (path := folder / LEDGER_FILE).is_file()), None)


def read(path: Path, checkpoint: Path) -> Told:
    """
    What it tells of the checkpoint.

    :raises CheckpointError: if there is no such ledger, or if it is something else.
    """
    try:
        if path.exists() and not path.is_file():
            raise CheckpointError(f"{path}: not a file; give the {LEDGER_FILE} that freezelab extend wrote")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read: {error.strerror or error}") from None
    if len(content) > _MAX_BYTES:
        raise CheckpointError(f"{path}: more than {_MAX_BYTES >> 20} MiB; a ledger has a line for each piece")
    pieces, changed, before, base, lines = [], None, b"", None, 0
    for number, line in enumerate(content.split(b"\n"), start=1):
        row = _row(line)
        if row is None:  # what a killed writer left unfinished is passed over
            continue
        lines += 1
        if changed is None and row.get("previous") != (hashlib.sha256(before).hexdigest() if before else None):
            changed = number
        before = line
        if row["kind"] == "begin":
            base = _text(_mapping(row.get("base")).get("sha256")) or base
        piece = _piece(row) if row["kind"] == "piece" else None
        if piece is not None:
            pieces.append(piece)
    if not lines:
        raise CheckpointError(f"{path}: no ledger of freezelab extend: it has no line of one")
    checksum = _sha256(checkpoint)
    last = next((piece for piece in reversed(pieces) if piece.model == checksum), None)
    upto = pieces[: pieces.index(last) + 1] if last else pieces
    follows = itertools.pairwise(upto)
    gap = next((two for one, two in follows if (one.end, one.weights[1]) != (two.begin, two.weights[0])), None)
    return Told(path, tuple(pieces), last, changed, gap, base)


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("kind"), str) else None


def _piece(row: Mapping[str, Any]) -> Piece | None:
    before, after = _mapping(row.get("before")), _mapping(row.get("after"))
    numbers = (row.get("number"), before.get("steps"), after.get("steps"))
    model = _text(_mapping(_mapping(row.get("files")).get(MODEL)).get("sha256"))
    if not all(type(number) is int and 0 <= number < 1 << 62 for number in numbers) or not model:
        return None
    number, begin, end = (int(item or 0) for item in numbers)
    weights = (_text(before.get("weights")), _text(after.get("weights")))
    return Piece(number, begin, end, weights, model, _text(row.get("at")), _text(row.get("verdict")))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value[:80] if isinstance(value, str) else ""


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                found.update(piece)
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read: {error.strerror or error}") from None
    return found.hexdigest()
