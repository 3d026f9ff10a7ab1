"""A program whose truth is known, and what was said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Question:
    """A program to be run under the probes, and what it would be right to say of it."""

    name: str
    """``c07``, ``c07-twin``, ``c07-twin-3``: unique, and fit for a folder."""
    program: str
    family: str
    verdicts: tuple[str, ...]
    """The true one first, then others that are right too."""
    phases: tuple[str, ...] = ()
    """Right ones; empty: not asked."""
    culprits: tuple[str, ...] = ()
    """Functions that it is right to name; empty: not asked."""
    causes: tuple[str, ...] = ()
    """Ids of the known causes that it is right to name, one of them; empty: none may be named."""
    limit_s: float = 60.0
    env: Mapping[str, str] = field(default_factory=dict)
    libraries: str | None = None
    """Name of the library set it runs with; None: the usual one."""

    def names_cause(self, cause: str | None) -> bool:
        """Whether it is right to name this cause, or None."""
        return cause in self.causes if self.causes else cause is None


@dataclass(frozen=True)
class Answer:
    """What was said of a program. Unknown is None."""

    name: str
    verdict: str
    confidence: float
    phase: str | None
    culprit: str | None
    cause: str | None
    wall_s: float
    told_after_s: float | None
    """
    From the last time the step count was seen to move to when the verdict was told, while it ran or at its end.
    """
    runner_up: str | None = None
    """The verdict that came second."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Answer:
        """
        :raises TypeError: keys are missing, or too many.
        """
        known = {item.name for item in fields(cls)}
        return cls(**{key: item for key, item in value.items() if key in known})
