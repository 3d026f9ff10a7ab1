"""
The ledger: a line of JSON for whatever became of a piece, appended and never changed.

Each line holds the SHA-256 of the one before it, so that a line that was changed or taken out later shows.

Format (schema ``freezelab.ledger/1``). All lines have ``schema``, ``kind``, ``at`` (UTC, ISO 8601) and ``previous``
(the SHA-256 of the line before, without its line feed; null in the first). By kind:

- ``begin``, the first: ``base`` (path, SHA-256, steps, verdict of ``freezelab audit``), ``algorithm``, ``to``.
- ``piece``, one that left a checkpoint: ``number`` (from 1), ``attempt``, ``before`` and ``after`` (``steps``, the
  model's count; ``updates``, its ``_n_updates``; ``weights``, the SHA-256 of weights and optimisers: what one piece
  ends with the next begins with), ``files`` (name to bytes and SHA-256; that of ``model.zip`` is how a checkpoint is
  found here), ``verdict``, ``cause`` and ``summary`` of the run, ``remedies``, ``rollouts`` and ``fingerprint``
  (checksum of all their checksums), ``environment_lost`` (why the environment began anew before it; null if it went
  on), ``versions``, ``python``, ``folder`` (the run's), ``learn_s``, ``wall_s``; ``recovered`` if extend was killed
  before it could write the line, which then was written by the next one.
- ``failure``, an attempt that left none: of the same, ``number`` to ``wall_s`` and the run's; ``signature``, ``times``
  (failed that way), ``given_up``, ``next_remedy``.
- ``remedy``, what one proved to bring: ``id``, ``cause``, ``verified``, ``why``, ``before_s`` and ``after_s`` (of the
  slow phase), ``kept`` (applied from then on; one for what is merely slow is not).
- ``finished``: ``steps``, ``model`` and its ``sha256``. ``note``: ``says``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matrix.extending.extension import LEDGER_FILE

SCHEMA = "freezelab.ledger/1"
BEGIN, PIECE, FAILURE, REMEDY, FINISHED, NOTE = "begin", "piece", "failure", "remedy", "finished", "note"
"""Kinds of lines."""

Row = dict[str, Any]


class Ledger:
    """The ledger of a folder."""

    def __init__(self, out: Path) -> None:
        self.path = out / LEDGER_FILE
        lines = _lines(self.path)
        self.rows: list[Row] = [row for _, row in lines]
        """What is in it, the oldest first; a line that a killed writer left unfinished is passed over."""
        self._last = lines[-1][0] if lines else b""

    def append(self, kind: str, **told: Any) -> Row:
        """Adds a line; it is on the disk when this returns."""
        row: Row = {
            "schema": SCHEMA,
            "kind": kind,
            "at": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
            "previous": _sha256(self._last),
            **told,
        }
        line = json.dumps(row).encode()
        with self.path.open("ab") as file:
            if file.tell() and not _ends_a_line(self.path):
                file.write(b"\n")
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.rows.append(row)
        self._last = line
        return row

    def of(self, kind: str) -> Iterator[Row]:
        """The lines of a kind."""
        return (row for row in self.rows if row["kind"] == kind)


def broken_link(path: Path) -> int | None:
    """
    The number (from 1) of the first line that does not follow from the one before it; None if all do.

    :param path: a ledger.
    """
    before = b""
    for number, (line, row) in enumerate(_lines(path), start=1):
        if row.get("previous") != _sha256(before):
            return number
        before = line
    return None


def row_of(checkpoint: Path, checksum: str) -> Row | None:
    """
    The line of the ledger beside a model that tells how that very file was trained; None if there is none.

    :param checksum: SHA-256 of the file.
    """
    beside = checkpoint.resolve().parent
    for folder in (beside, beside.parent.parent):  # of a checkpoint: out/checkpoints/000001/
        for _, row in reversed(_lines(folder / LEDGER_FILE)):
            if row["kind"] == PIECE and row.get("files", {}).get("model.zip", {}).get("sha256") == checksum:
                return row
    return None


def _lines(path: Path) -> list[tuple[bytes, Row]]:
    try:
        content = path.read_bytes()
    except OSError:
        return []
    found = []
    for line in content.split(b"\n"):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("kind"), str):
            found.append((line, row))
    return found


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _sha256(line: bytes) -> str | None:
    return hashlib.sha256(line).hexdigest() if line else None
