"""What a check is told and what it says."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from probes.doctor.machine import Machine


class Level(str, enum.Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    BLOCKS = "blocks"

    def __str__(self) -> str:
        return self.value


class Blocked(str, enum.Enum):
    """What can be blocked."""

    RUN = "run"
    """Everything that FreezeLab does."""
    STACKS = "stacks"
    """Stacks and profiles, of what FreezeLab starts itself."""
    ATTACH = "attach"
    MATRIX = "matrix"
    HEAP_CHECK = "heap-check"
    TRAINING = "training"
    """The training itself, with FreezeLab or without."""

    def __str__(self) -> str:
        return self.value


OBSERVING = frozenset({Blocked.RUN, Blocked.STACKS})
"""What must not be blocked for ``freezelab run`` to see what it should."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    says: str
    """What was found, in one sentence."""
    blocks: tuple[Blocked, ...] = ()
    remedy: str | None = None
    """What helps; None if nothing needs help."""

    @property
    def blocks_observing(self) -> bool:
        return self.level is Level.BLOCKS and any(item in OBSERVING for item in self.blocks)

    def to_json(self) -> dict[str, Any]:
        return {
            "level": self.level.value,
            "says": self.says,
            "blocks": [item.value for item in self.blocks],
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Check:
    """One question to the machine."""

    id: str
    look: Callable[[Machine], Iterable[Finding]]


def ok(says: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, says)


def warning(says: str, remedy: str | None = None) -> Finding:
    """It works, but not as well as it could, or not for long."""
    return Finding(Level.WARNING, says, (), remedy)


def blocks(says: str, remedy: str, *what: Blocked) -> Finding:
    """Something does not work."""
    return Finding(Level.BLOCKS, says, what, remedy)
