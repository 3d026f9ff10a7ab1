"""What a result of a search rests on, for a report to show."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Pair:
    """Two candidates that between them show one thing, with what their runs were."""

    shows: str
    """In words: ``2.6.0 freezes, 2.5.1 does not``."""
    good: Hashable
    bad: Hashable
    good_freezes: int
    good_passes: int
    bad_freezes: int
    bad_passes: int


@dataclass(frozen=True)
class Certificate:
    """A result with its proof."""

    kind: str
    """Of bisector: ``linear``, ``groups`` ..."""
    culprit: tuple[str, ...]
    """Empty for "no culprit"."""
    alternatives: tuple[tuple[str, ...], ...]
    """Other culprits that could not be told from it."""
    inseparable: tuple[tuple[str, ...], ...]
    """Parts that could only be tried together."""
    confidence: float
    """Probability of the culprit, or of it and its alternatives."""
    signature: str | None
    """Of the freeze."""
    pairs: tuple[Pair, ...]
    """Both directions: the culprit alone freezes, all without it does not; then that no part of it is enough."""
    runs: int
    """All of them, those that could not be used among them."""
    unresolved: tuple[tuple[Hashable, str], ...]
    """What could not be tried, and why."""
    cost_s: float
    """Seconds of all runs together."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; tuples become arrays."""
        return asdict(self)
