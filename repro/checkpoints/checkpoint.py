"""A file that stable-baselines3's ``save`` wrote, read without executing anything of it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repro.checkpoints import data as data_module
from repro.checkpoints import torch_file
from repro.checkpoints.archive import Archive, Limits, opened
from repro.checkpoints.data import Data
from repro.checkpoints.errors import CheckpointError, UnreadableError
from repro.checkpoints.optimisers import Optimiser, optimiser
from repro.checkpoints.tensors import Tensor

DATA, VERSION, SYSTEM = "data", "_stable_baselines3_version", "system_info.txt"
WEIGHTS, VARIABLES = "policy.pth", ("pytorch_variables.pth", "tensors.pth")
_MAX_TEXT = 64 << 10
_SYSTEM_LINE = re.compile(r"^(?:- )?([A-Za-z0-9][\w .-]{0,40}): (.{1,200})$", re.MULTILINE)


@dataclass
class Checkpoint:
    """What was read, and what could not be."""

    path: Path
    size: int
    """In bytes."""
    saved_at: tuple[int, ...]
    """Year, month, day, hour, minute and second by the clock of the machine that wrote it."""
    data: Data
    version: str | None
    """Of stable-baselines3."""
    system: dict[str, str]
    weights: dict[str, Tensor]
    variables: dict[str, Tensor]
    optimisers: dict[str, Optimiser]
    unread: dict[str, str] = field(default_factory=dict)
    """Members that were not read, and why."""
    pickled: dict[str, torch_file.TorchFile] = field(default_factory=dict)
    """The ``.pth`` members that were."""
    strange: tuple[str, ...] = ()
    """Names of members that would lead out of a folder."""

    @property
    def name(self) -> str:
        """How messages call it."""
        return self.path.name


@contextlib.contextmanager
def loaded(path: Path) -> Iterator[Checkpoint]:
    """
    The checkpoint in a file; its tensors are looked at in place, and only within this context.

    :raises CheckpointError: if there is no such file, or if it is not one that stable-baselines3 saved.
    """
    with contextlib.ExitStack() as stack:
        archive, limits = stack.enter_context(opened(path))
        yield _read(path, archive, limits)


def _read(path: Path, archive: Archive, limits: Limits) -> Checkpoint:
    if DATA not in archive.entries or not any(name.endswith(".pth") for name in archive.entries):
        names = ", ".join(sorted(archive.entries)[:4]) or "nothing"
        raise CheckpointError(
            f"{path}: a zip archive, but no model of stable-baselines3: it holds {names}, "
            "a model's holds data, policy.pth and its optimisers"
        )
    try:
        values = _data(archive, limits, str(path))
    except UnreadableError as error:
        raise CheckpointError(f"{path}: {error}; nothing can be told without it") from None
    found = Checkpoint(
        path=path,
        size=path.stat().st_size,
        saved_at=archive.entries[DATA].date_time,
        data=values,
        version=None,
        system={},
        weights={},
        variables={},
        optimisers={},
        strange=tuple(archive.strange),
    )
    version = _text(archive, VERSION, found)
    found.version = version.strip()[:40] if version else None
    found.system = dict(_SYSTEM_LINE.findall(_text(archive, SYSTEM, found) or ""))
    for member in archive.entries:
        if member.endswith(".pth"):
            try:
                _read_tensors(archive, member, found, limits)
            except UnreadableError as error:
                found.unread[member] = str(error)
    return found


def _data(archive: Archive, limits: Limits, where: str) -> Data:
    size, most = archive.entries[DATA].file_size, min(data_module.MAX_DATA, limits.in_memory)
    if size > most:
        raise UnreadableError(f"its data has {size} bytes, more than the {most} that are read of it")
    return data_module.parse(archive.view(DATA), where, limits.spend)


def _text(archive: Archive, member: str, found: Checkpoint) -> str | None:
    if member not in archive.entries:
        return None
    try:
        return archive.read(member, _MAX_TEXT).decode("utf-8", "replace")
    except UnreadableError as error:
        found.unread[member] = str(error)
        return None


def _read_tensors(archive: Archive, member: str, found: Checkpoint, limits: Limits) -> None:
    file = torch_file.read(archive.view(member), member, limits)
    found.pickled[member] = file
    if member == WEIGHTS:
        found.weights = _tensors(file.value)
    elif member in VARIABLES:
        found.variables = _tensors(file.value)
    else:
        name = member.removesuffix(".pth")
        found.optimisers[name] = optimiser(name, file.value)


def _tensors(value: Any) -> dict[str, Tensor]:
    if not isinstance(value, dict):
        raise UnreadableError("not the weights of a network")
    return {str(name): item for name, item in value.items() if isinstance(item, Tensor)}
