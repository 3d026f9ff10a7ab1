"""What is asked for, and whether it is what was asked for before."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix.errors import MatrixError
from probes import remedies
from probes.watch import WatchOptions

SETTINGS_FILE, LEDGER_FILE, CHECKPOINTS_FOLDER, PIECES_FOLDER = "extend.json", "ledger.jsonl", "checkpoints", "pieces"
CONTENTS = (LEDGER_FILE, CHECKPOINTS_FOLDER, PIECES_FOLDER)
"""What training makes in the folder, beside the settings."""
SCHEMA = "freezelab.extend-settings/1"
_WORDS = {
    "base_sha256": "BASE.zip",
    "algorithm": "the algorithm",
    "to": "--to",
    "training": "the environment or its options",
    "seed": "--seed",
    "vec_normalize_sha256": "--vec-normalize",
    "replay_buffer_sha256": "--replay-buffer",
}
"""What must not change from one call to the next, and what a person calls it."""


@dataclass(frozen=True)
class Base:
    """The checkpoint to go on from, as it was read without loading it."""

    path: Path
    sha256: str
    steps: int
    """Its own count."""
    algorithm: str
    size_bytes: int
    verdict: str | None = None
    """What its audit says."""


@dataclass(frozen=True)
class Extension:
    """A training that goes on."""

    base: Base
    to: int
    """The count of steps at which it ends; the last rollout is finished."""
    piece_steps: int
    out: Path
    python: Path
    training: tuple[str, ...]
    """Options of the training entry: the environment's."""
    seed: int | None = None
    """Of everything random; None is the base's own."""
    vec_normalize: Path | None = None
    replay_buffer: Path | None = None
    remedies: tuple[remedies.Choice, ...] = ()
    give_up_after: int = 3
    """Failures of a piece in the same way."""
    confirm_after_s: float = WatchOptions.confirm_after_s
    """How long a freeze must have stood before its piece is ended."""
    stacks: bool = True
    """Whether py-spy may be used."""

    @property
    def final(self) -> Path:
        """Where the trained model is put."""
        return self.out / f"{self.base.path.stem}-to-{self.to}.zip"

    @property
    def settings(self) -> dict[str, Any]:
        """What must be the same whenever it is gone on with."""
        return {
            "base_sha256": self.base.sha256,
            "algorithm": self.base.algorithm,
            "to": self.to,
            "training": list(self.training),
            "seed": self.seed,
            "vec_normalize_sha256": None if self.vec_normalize is None else sha256(self.vec_normalize),
            "replay_buffer_sha256": None if self.replay_buffer is None else sha256(self.replay_buffer),
        }


def settle(extension: Extension) -> bool:
    """
    Writes down what is asked for, or compares it with what is written there.

    :return: whether this is gone on with.
    :raises MatrixError: something else is being trained in that folder.
    """
    path = extension.out / SETTINGS_FILE
    if not path.exists():
        _require_free(extension)
        told = {"schema": SCHEMA, "base": str(extension.base.path.resolve()), **extension.settings}
        write_whole(path, json.dumps(told, indent=1))
        return False
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        earlier = {name: before[name] for name in _WORDS}
    except (OSError, ValueError, KeyError, TypeError):
        raise MatrixError(f"{path}: not what freezelab extend writes; name another --out") from None
    for name, value in extension.settings.items():
        if earlier[name] != value:
            changed = (
                "has other content than"
                if name.endswith("sha256") and value and earlier[name]
                else "is not what it was"
            )
            said = f" ({_short(earlier[name])} then, {_short(value)} now)"
            raise MatrixError(
                f"{extension.out}: {_WORDS[name]} {changed} when this began{said}; "
                "give the same again, or name another --out"
            )
    return True


def _require_free(extension: Extension) -> None:
    """
    :raises MatrixError: there is something in the folder that we would write over, or take for our own.
    """
    for path in (*(extension.out / name for name in CONTENTS), extension.final):
        if path.exists():
            raise MatrixError(f"{path}: is there already, and is left alone; move it, or name another --out")


def _short(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return value[:12] if isinstance(value, str) else "none" if value is None else str(value)


def sha256(path: Path) -> str:
    """
    Of a file's bytes, in hexadecimal.

    :raises MatrixError: it can't be read.
    """
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                found.update(piece)
    except OSError as error:
        raise MatrixError(f"{path}: can't be read: {error.strerror or error}") from None
    return found.hexdigest()


def write_whole(path: Path, text: str) -> None:
    """A file that is whole or not there."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
