"""What was seen when a candidate was tried, and how that is written down."""

from __future__ import annotations

import enum
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Candidate = TypeVar("Candidate", bound=Hashable)
"""What can be tried: a name, or a tuple of names, numbers and tuples, so that JSON holds it."""


class Outcome(enum.Enum):
    """How a run ended, as far as a search for a freeze is concerned."""

    FREEZE = "freeze"
    PASS = "pass"  # noqa: S105  no password
    SLOW = "slow"
    """It moved all along, if slowly. That is no freeze: counted as a pass."""
    OTHER_FAILURE = "other failure"
    """It failed in another way, before it could freeze: tells nothing of the freeze."""
    UNRESOLVED = "unresolved"
    """It could not be tried: would not install, timed out in set-up. It is not suggested again."""


@dataclass(frozen=True)
class Observation(Generic[Candidate]):
    """One run of one candidate."""

    candidate: Candidate
    outcome: Outcome
    signature: str | None = None
    """Of a freeze: what makes it this freeze and no other. None matches each."""
    seconds: float = 0.0
    """What it cost."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; tuples become arrays."""
        return {
            "candidate": self.candidate,
            "outcome": self.outcome.value,
            "signature": self.signature,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, value: object) -> Observation[Any]:
        """
        Reads what :meth:`to_json` wrote; arrays become tuples.

        :raises ValueError: names the key that is missing or wrong.
        """
        if not isinstance(value, dict):
            raise ValueError(f"an observation is a JSON object, not {value!r}")
        missing = [key for key in ("candidate", "outcome") if key not in value]
        if missing:
            raise ValueError(f"the observation {value!r} lacks {missing[0]!r}")
        outcomes = [outcome.value for outcome in Outcome]
        if value["outcome"] not in outcomes:
            raise ValueError(f"outcome {value['outcome']!r} of an observation is none of: {', '.join(outcomes)}")
        signature, seconds = value.get("signature"), value.get("seconds", 0.0)
        if signature is not None and not isinstance(signature, str):
            raise ValueError(f"signature {signature!r} of an observation is neither a string nor null")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < float("inf"):
            raise ValueError(f"seconds {seconds!r} of an observation is not a number of at least 0")
        return cls(_hashable(value["candidate"]), Outcome(value["outcome"]), signature, float(seconds))


def _hashable(value: object) -> Any:
    if isinstance(value, dict):
        raise ValueError(f"a candidate holds no JSON object: {value!r}")
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else value
