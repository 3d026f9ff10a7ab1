"""What FreezeLab has to say about one run: the contract ``freezelab.diagnosis/1`` as typed data."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probes.errors import InputError
from probes.verdicts import Verdict

SCHEMA = "freezelab.diagnosis/1"


def schema() -> dict[str, Any]:
    """The contract as JSON Schema (2020-12)."""
    path = Path(__file__).parent / "schemas" / "diagnosis-1.schema.json"
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


class InvalidDiagnosisError(InputError, ValueError):
    """A file that should hold a diagnosis does not."""


@dataclass(frozen=True)
class Culprit:
    """The function to look at, and the process it ran in."""

    function: str
    file: str
    line: int | None
    module: str | None
    library: str | None
    """Distribution or top-level package that owns the file; None for the user's own code."""
    process: str = "main"
    """``main`` or ``worker N``."""


@dataclass(frozen=True)
class Evidence:
    """One observation, and what it speaks for and against."""

    kind: str
    at_s: float
    """Seconds after the start of the run."""
    says: str
    """The observation in one sentence, with its figures."""
    supports: tuple[Verdict, ...] = ()
    opposes: tuple[Verdict, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)
    """The figures again, for machines: JSON values only."""

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "at_s": round(self.at_s, 3),
            "says": self.says,
            "for": [verdict.value for verdict in self.supports],
            "against": [verdict.value for verdict in self.opposes],
            "detail": self.detail,
        }


@dataclass(frozen=True)
class Alternative:
    """A verdict that was weighed and lost."""

    verdict: Verdict
    score: float
    """Log-odds against the winner's 0; more negative is less likely."""
    why_not: str


@dataclass(frozen=True)
class Signal:
    """The signal that ended the run, and what the heap said before."""

    name: str
    heap_message: str | None


@dataclass(frozen=True)
class Remedy:
    """A change that gets the run moving, with its proof if there is one."""

    id: str
    why: str
    verified: bool = False
    before: float | None = None
    after: float | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class Timing:
    """Where the time went."""

    observed_s: float
    detected_after_s: float | None = None
    """Seconds from the start of the run to the first suspicion; None when there was none."""
    phases: dict[str, dict[str, float]] = field(default_factory=dict)
    """Phase name to ``{count, total_s, max_s}``; a phase's time includes its inner phases."""
    iterations: tuple[dict[str, Any], ...] = ()
    """Per training iteration ``{step, collect_s, train_s, minibatches}``; ``train_s`` is None if it never ended."""


@dataclass(frozen=True)
class Diagnosis:
    """Everything that is told about one run. Unknown is None, never guessed."""

    verdict: Verdict
    confidence: float
    summary: str
    command: tuple[str, ...]
    timing: Timing
    phase: str | None = None
    step: int | None = None
    culprit: Culprit | None = None
    cause: str | None = None
    evidence: tuple[Evidence, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    signal: Signal | None = None
    remedies: tuple[Remedy, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    """Name to path, relative to the run's folder."""

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON value."""
        value: dict[str, Any] = {"schema": SCHEMA}
        value |= dataclasses.asdict(self)
        value["verdict"] = self.verdict.value
        value["command"] = list(self.command)
        value["evidence"] = [item.to_json() for item in self.evidence]
        value["alternatives"] = [
            {"verdict": item.verdict.value, "score": round(item.score, 3), "why_not": item.why_not}
            for item in self.alternatives
        ]
        value["timing"]["iterations"] = list(self.timing.iterations)
        value["remedies"] = [dataclasses.asdict(item) for item in self.remedies]
        return value

    @classmethod
    def from_json(cls, value: Any) -> Diagnosis:
        """
        Reads what :meth:`to_json` wrote.

        :raises InvalidDiagnosisError: another schema, or a key that is missing or of the wrong type.
        """
        if not isinstance(value, dict) or value.get("schema") != SCHEMA:
            found = value.get("schema") if isinstance(value, dict) else type(value).__name__
            raise InvalidDiagnosisError(f"expected schema {SCHEMA!r}, found {found!r}")
        try:
            timing = value["timing"]
            return cls(
                verdict=Verdict(value["verdict"]),
                confidence=float(value["confidence"]),
                summary=value["summary"],
                command=tuple(value["command"]),
                timing=Timing(**{**timing, "iterations": tuple(timing.get("iterations", ()))}),
                phase=value["phase"],
                step=value["step"],
                culprit=Culprit(**value["culprit"]) if value["culprit"] else None,
                cause=value["cause"],
                evidence=tuple(
                    Evidence(
                        kind=item["kind"],
                        at_s=item["at_s"],
                        says=item["says"],
                        supports=tuple(Verdict(name) for name in item["for"]),
                        opposes=tuple(Verdict(name) for name in item["against"]),
                        detail=item.get("detail", {}),
                    )
                    for item in value["evidence"]
                ),
                alternatives=tuple(
                    Alternative(Verdict(item["verdict"]), item["score"], item["why_not"])
                    for item in value["alternatives"]
                ),
                signal=Signal(**value["signal"]) if value["signal"] else None,
                remedies=tuple(Remedy(**item) for item in value["remedies"]),
                environment=value["environment"],
                artifacts=value["artifacts"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidDiagnosisError(f"not a {SCHEMA} document: {error!r}") from error

    @classmethod
    def load(cls, path: Path) -> Diagnosis:
        """
        Reads ``diagnosis.json``.

        :raises InvalidDiagnosisError: the file is missing, is not JSON or not a diagnosis.
        """
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidDiagnosisError(f"{path}: {error}") from error
        try:
            return cls.from_json(value)
        except InvalidDiagnosisError as error:
            raise InvalidDiagnosisError(f"{path}: {error}") from error
