"""An observation before it is weighed, and how a command came to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ending:
    """How the command came to its end."""

    status: int
    """Exit code, or minus the signal."""
    by_us: str | None
    """Why FreezeLab ended it: ``limit``, ``freeze`` or ``interrupt``; None if it ended by itself."""
    after_s: float
    stderr_tail: str
    out_of_memory_kills: int | None
    """How many the kernel counted in our memory cgroup during the run; None if that can't be read."""


@dataclass(frozen=True)
class Observed:
    """One observation, not yet weighed."""

    kind: str
    at_s: float
    says: str
    detail: dict[str, Any]
