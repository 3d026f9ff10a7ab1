"""The checkpoints that pieces leave, as ``repro/extend`` writes them; nothing of them is loaded here."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix.errors import MatrixError
from matrix.extending.extension import CHECKPOINTS_FOLDER, sha256

MODEL, NORMALISATION, REPLAY = "model.zip", "vecnormalize.pkl", "replay_buffer.pkl"
KEPT = 2
"""The last of them, and the one before for the case that it is damaged."""
_MANIFEST = "checkpoint.json"
_SCHEMA = "freezelab.checkpoint/1"


class DamagedError(Exception):
    """A checkpoint is not as it was written; the text says in what."""


@dataclass(frozen=True)
class Checkpoint:
    """One that is whole."""

    folder: Path
    told: dict[str, Any]
    """What the piece said of it."""

    @property
    def number(self) -> int:
        """Of the piece that left it, from 1."""
        return int(self.folder.name)

    @property
    def steps(self) -> int:
        """The model's count."""
        return int(self.told["after"]["steps"])

    @property
    def size_bytes(self) -> int:
        return sum(int(file["bytes"]) for file in self.told["files"].values())

    @property
    def model(self) -> Path:
        return self.folder / MODEL


def place(out: Path, number: int) -> Path:
    """Where a piece leaves its checkpoint."""
    return out / CHECKPOINTS_FOLDER / f"{number:06d}"


def there(out: Path) -> list[Path]:
    """Folders of checkpoints, the last one first."""
    return sorted((out / CHECKPOINTS_FOLDER).glob("[0-9]" * 6), reverse=True)


def verified(folder: Path) -> Checkpoint:
    """
    A checkpoint whose files have the checksums that were written with them.

    :raises DamagedError: it is not whole.
    """
    try:
        told = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        if told["schema"] != _SCHEMA or MODEL not in told["files"]:
            raise DamagedError(f"{folder / _MANIFEST}: not what a piece writes")
        for name, file in told["files"].items():
            if Path(name).name != name or sha256(folder / name) != file["sha256"]:
                raise DamagedError(f"{folder / name}: its checksum is not what it was")
        found = Checkpoint(folder, told)
        _ = (found.number, found.steps, found.size_bytes, told["before"]["steps"], told["before"]["weights"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{folder}: {error}") from None
    except MatrixError as error:
        raise DamagedError(str(error)) from None
    return found


def put_aside(folder: Path, name: str) -> None:
    """Takes a checkpoint out of the row without deleting it."""
    target = folder.with_name(f"{name}-{folder.name}")
    shutil.rmtree(target, ignore_errors=True)
    folder.rename(target)


def clear_unfinished(out: Path) -> None:
    """Removes what killed pieces left half-written. To be called by whoever holds the lock."""
    for part in (out / CHECKPOINTS_FOLDER).glob(".*.part"):
        shutil.rmtree(part, ignore_errors=True)


def prune(out: Path) -> None:
    """Removes all but the last :data:`KEPT`."""
    for folder in there(out)[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def deliver(source: Path, target: Path) -> None:
    """
    Copies a file to its final place, whole or not at all, and never over another.

    :raises MatrixError: another file is there, or it can't be written.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(source, part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.link(part, target)  # unlike a rename it fails if something is there
    except FileExistsError:
        if sha256(target) != sha256(source):
            raise MatrixError(
                f"{target}: another file is there, and is left alone; the trained model is {source}"
            ) from None
    except OSError as error:
        raise MatrixError(
            f"{target}: can't be written: {error.strerror or error}; the trained model is {source}"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
