"""A checkpoint as a folder that is whole or not there: written beside its place, checked, then renamed into it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA = "freezelab.checkpoint/1"
MANIFEST, MODEL, STATE = "checkpoint.json", "model.zip", "state.pkl"
NORMALISATION, REPLAY = "vecnormalize.pkl", "replay_buffer.pkl"


@contextlib.contextmanager
def new_folder(place: Path) -> Iterator[Path]:
    """
    A folder to write a checkpoint to; at the end of the context it stands at ``place``, with all its bytes on the disk.
    If the context ends in an error nothing is left.

    :raises OSError: it can't be written to, or ``place`` is taken.
    """
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        yield part
        for path in (*part.iterdir(), part):
            _flush(path)
        part.rename(place)  # fails if a folder with something in it is there
        _flush(place.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def write_manifest(folder: Path, told: dict[str, Any]) -> None:
    """Adds the files that are in the folder, with size and SHA-256, and writes what is told of them."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST
    }
    text = json.dumps({"schema": SCHEMA, **told, "files": files}, indent=1)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """What the next piece needs beside the model."""
    import cloudpickle

    with (folder / STATE).open("wb") as file:
        cloudpickle.dump(state, file)


def read_state(folder: Path) -> dict[str, Any]:
    """As it was written; its SHA-256 has been checked by whoever starts the piece."""
    with (folder / STATE).open("rb") as file:
        state: dict[str, Any] = pickle.load(file)  # noqa: S301 - our own
    return state


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
