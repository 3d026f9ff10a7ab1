"""What a known cause is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from probes.diagnosis import Culprit
from probes.verdicts import Verdict


@dataclass(frozen=True)
class Finding:
    """What a matcher may look at: only what was observed of the run."""

    verdict: Verdict
    phase: str | None
    culprit: Culprit | None
    details: dict[str, dict[str, Any]]
    """Kind of evidence to its figures."""
    facts: dict[str, Any]
    """The training set-up as the agent read it; empty without one."""


@dataclass(frozen=True)
class Cause:
    """A mechanism that is understood."""

    id: str
    title: str
    """What it is, as a clause that goes on after "because": no capital, no full stop."""
    explanation: str
    """Why it happens, in plain words."""
    advice: str
    """What gets the run moving."""
    reference: str
    matches: Callable[[Finding], bool]
