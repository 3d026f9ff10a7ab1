"""What a search found, as it is told and written down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matrix.bisect.certificate import Certificate
from matrix.bisect.interface import Conclusion
from matrix.bisecting.runs import Run, spent_s
from matrix.bisecting.view import Posterior

SCHEMA = "freezelab.bisect-result/1"
FILE = "bisect.json"


@dataclass(frozen=True)
class Result:
    """Of a search, also of one that did not come to an end."""

    kind: str
    """``versions``, ``lock`` or ``factors``."""
    why_ended: str
    """See :class:`matrix.bisecting.search.Finished`."""
    command: tuple[str, ...]
    conclusion: Conclusion | None
    certificate: Certificate | None
    posterior: Posterior
    runs: Sequence[Run[Any]]
    again: tuple[str, ...] = ()
    """One command that shows the pair again: both ends of it, and nothing else."""
    go_on: tuple[str, ...] = ()
    """The command that goes on with an unfinished search."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """More of what was found, by the kind of search."""
    notes: tuple[str, ...] = ()
    """Sentences that a person should know for judging it."""

    def to_json(self) -> dict[str, Any]:
        """The content of ``bisect.json``."""
        conclusion = None
        if self.conclusion is not None:
            conclusion = {
                "found": self.conclusion.found,
                "culprit": list(self.conclusion.culprit),
                "probability": self.conclusion.probability,
                "alternatives": [list(each) for each in self.conclusion.alternatives],
                "unresolved": list(self.conclusion.unresolved),
            }
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "ended": self.why_ended,
            "command": list(self.command),
            "conclusion": conclusion,
            "certificate": self.certificate.to_json() if self.certificate else None,
            "posterior": [{"culprit": list(culprit), "probability": share} for culprit, share in self.posterior],
            "runs": [run.to_json() for run in self.runs],
            "seconds": spent_s(self.runs),
            "again": list(self.again),
            "go_on": list(self.go_on),
            "facts": dict(self.facts),
            "notes": list(self.notes),
        }

    def save(self, out: Path) -> Path:
        """Writes ``bisect.json``: all of it, or it stays as it was."""
        path = out / FILE
        growing = path.with_name(f".{FILE}.part")
        growing.write_text(json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        growing.replace(path)
        return path
