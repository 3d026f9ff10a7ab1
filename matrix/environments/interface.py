"""What a cell's environment is, and what providing one may end in."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from matrix.plan.cells import VersionSet, digest

ShouldStop = Callable[[], bool]
_BACKEND_LINE = "# torch-backend: "


class BuildError(Exception):
    """An environment could not be made for a reason that may pass: no network, no space left."""


@dataclass(frozen=True)
class Lock:
    """Exactly which releases an environment holds."""

    python: str
    text: str
    """A requirements file with every package pinned; how its PyTorch was chosen is a comment in the first line."""

    @classmethod
    def of(cls, python: str, pinned: str, torch_backend: str | None) -> Lock:
        """
        :param torch_backend: goes into the text, which is all that a store keeps: torch 2.9.0+cpu can be installed
            from its own index only.
        """
        return cls(python, f"{_BACKEND_LINE}{torch_backend}\n{pinned}" if torch_backend else pinned)

    @property
    def torch_backend(self) -> str | None:
        """For uv's ``--torch-backend``; None is whatever the index has."""
        first = self.text.partition("\n")[0]
        return first.removeprefix(_BACKEND_LINE) if first.startswith(_BACKEND_LINE) else None

    @cached_property
    def id(self) -> str:
        """Two library sets that resolve to the same releases share an environment."""
        return digest([self.python, sorted(self.text.split("\n"))])


@dataclass(frozen=True)
class CellEnvironment:
    """An environment that is complete."""

    python: Path
    """The interpreter to start the training program with."""
    lock: Lock
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What a person should know of how it was provided, such as that an earlier cell had changed it."""
    diary: Path | None = field(default=None, compare=False, repr=False)
    """Where is written down which cells ran in it when; None writes nothing."""

    @contextlib.contextmanager
    def used_by(self, cell: str) -> Iterator[None]:
        """
        Writes down that ``cell`` runs in here, so that a change of the environment can be laid at its door.

        :param cell: as a person is told it.
        """
        self._note(cell, "begins")
        try:
            yield
        finally:
            self._note(cell, "ended")

    def _note(self, cell: str, event: str) -> None:
        if self.diary is None:
            return
        line = json.dumps({"at": time.time(), "pid": os.getpid(), "cell": cell, "event": event})
        with contextlib.suppress(OSError), self.diary.open("a", encoding="utf-8") as diary:
            diary.write(line + "\n")  # one write to a file opened for appending: lines of several writers stay whole


@dataclass(frozen=True)
class Unsatisfiable:
    """The libraries can't be had together, or one of them can't be built; a result, not an error."""

    reason: str


class Environments(Protocol):
    """Provides environments; safe to call from several threads and processes at once."""

    def provide(
        self, versions: VersionSet, known: Lock | None, should_stop: ShouldStop
    ) -> CellEnvironment | Unsatisfiable:
        """
        Resolves and builds, or finds what was built before.

        :param known: what ``versions`` resolved to earlier in the same sweep; kept, so that it stays comparable.
        :param should_stop: asked often; True gives up.
        :raises BuildError: it did not work this time.
        :raises StoppedError: ``should_stop`` said so.
        """
        ...
