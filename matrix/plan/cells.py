"""Cells and trials, and what makes two of them the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from matrix.plan.parameters import Level

VERSIONS = "versions"
"""The factor whose levels are library sets."""
DEVICE = "device"
"""The factor that decides whether this machine can run the cell at all."""
REMEDY = "remedy"
"""The factor whose levels are remedies: applied from outside, unknown to the training program."""
NO_REMEDY = "none"


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

    @cached_property
    def id(self) -> str:
        """The same for two sets that ask for the same thing, whatever their names."""
        return digest([sorted(self.requirements), self.python, self.exclude_newer])


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

    @cached_property
    def id(self) -> str:
        """Hash of the levels, with the library set by what it asks for; no remedy is as good as no such factor."""
        levels = {name: level for name, level in self.levels.items() if (name, level) != (REMEDY, NO_REMEDY)}
        return digest({**levels, VERSIONS: self.versions.id})

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

    @property
    def label(self) -> str:
        """The cell's label, with seed and repeat where they say something."""
        more = f" seed={self.seed}" if self.seed else ""
        return f"{self.cell.label}{more}" + (f" repeat={self.repeat}" if self.repeat else "")


def digest(value: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of ``value`` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
