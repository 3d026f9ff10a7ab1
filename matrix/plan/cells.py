"""Cells and trials, and what makes two of them the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from matrix.plan.parameters import Level
from matrix.plan.templates import finish

VERSIONS = "versions"
"""The factor whose levels are library sets."""
PYTHON = "python"
"""The factor whose levels are versions of Python."""
DEVICE = "device"
"""The factor that decides whether this machine can run the cell at all."""
REMEDY = "remedy"
"""The factor whose levels are remedies: applied from outside, unknown to the training program."""
NO_REMEDY = "none"
SEED = "seed"
THREADS = "threads"
"""The factor that decides how many threads, and cores, a trial gets; without it the sweep's setting does."""


@dataclass(frozen=True)
class VersionSet:
    """The libraries that a cell trains with."""

    name: str
    requirements: tuple[str, ...]
    """As for pip: ``torch==2.13.0``."""
    python: str
    """``3.11``, or anything else that uv takes for a Python version."""
    exclude_newer: str | None = None
    """Date or RFC 3339 time; later releases are as if they did not exist."""
    lock: str | None = None
    """A requirements file with every package pinned, which is taken as it is; then ``requirements`` is empty."""
    torch_backend: str | None = None
    """Whose PyTorch: ``cpu``, ``cu126``, ``auto`` for what this machine has; None is whatever the index has."""

    @cached_property
    def id(self) -> str:
        """The same for two sets that ask for the same thing, whatever their names."""
        asked: list[Any] = [sorted(self.requirements), self.python, self.exclude_newer]
        # What a set does not ask for leaves its identity as it was before that could be asked for.
        asked += [] if self.lock is None else [self.lock]
        return digest(asked if self.torch_backend is None else [*asked, {"torch-backend": self.torch_backend}])


@dataclass(frozen=True)
class Cell:
    """One combination of levels: everything that determines a run but chance and the clock."""

    levels: Mapping[str, Level]
    """Every parameter of the training program and the library set's name; treated as immutable."""
    versions: VersionSet
    arguments: tuple[str, ...]
    """The same levels, as the training program is told them."""
    label: str
    """What tells it from the others, for people: ``env=v3 device=cpu``."""
    why: str | None = None
    """Given for an extra cell; None for a cell of the design."""
    environ: Mapping[str, str | None] = field(default_factory=dict)
    """Environment variables of the run, over those that the sweep sets itself; None takes a variable away."""
    command: tuple[str, ...] | None = None
    """
    The user's own training program: the words behind the interpreter, in which ``{seed}`` and ``{threads}`` are still
    to be filled and braces are doubled; see :meth:`Trial.words`. None is FreezeLab's own program with ``arguments``.
    """

    @cached_property
    def id(self) -> str:
        """Hash of the levels, with the library set by what it asks for; no remedy is as good as no such factor."""
        levels: dict[str, Any] = {k: level for k, level in self.levels.items() if (k, level) != (REMEDY, NO_REMEDY)}
        levels[VERSIONS] = self.versions.id
        # Their names can't be factors, and a cell without them keeps the identity it had before there were any.
        more = {"[environ]": dict(self.environ), "[command]": self.command}
        return digest({**levels, **{name: value for name, value in more.items() if value}})

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True)
class Trial:
    """One run of a cell."""

    cell: Cell
    seed: int
    repeat: int
    """From 0; repeats share their seed."""
    limit_s: float
    threads: int

    @cached_property
    def id(self) -> str:
        """Hash of everything that determines the outcome: a sweep whose file changed runs only what is new."""
        return digest([self.cell.id, self.seed, self.repeat, self.limit_s, self.threads])

    def words(self, program: Path) -> tuple[str, ...]:
        """
        What is run: everything behind the interpreter.

        :param program: the folder of FreezeLab's own training program; Python runs its ``__main__``.
        """
        told = {SEED: str(self.seed), THREADS: str(self.threads)}
        if self.cell.command is not None:
            return tuple(finish(word, told) for word in self.cell.command)
        own = (word for name, value in told.items() for word in (f"--{name}", value))
        return (str(program.resolve()), *self.cell.arguments, *own)

    def with_remedy(self, remedy: str) -> Trial:
        """The same, with nothing changed but a remedy."""
        label = f"{self.cell.label} {REMEDY}={remedy}"
        why = f"the same with {remedy}: does it move?"
        levels = {**self.cell.levels, REMEDY: remedy}
        return replace(self, cell=replace(self.cell, levels=levels, label=label, why=why))

    @property
    def label(self) -> str:
        """The cell's label, with seed and repeat where they say something."""
        more = f" seed={self.seed}" if self.seed else ""
        return f"{self.cell.label}{more}" + (f" repeat={self.repeat}" if self.repeat else "")


def digest(value: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of ``value`` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
