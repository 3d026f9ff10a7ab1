"""What a search found, as it is told and written down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matrix.bisect.certificate import Certificate, Pair
from matrix.bisect.interface import Conclusion
from matrix.bisecting.runs import Run, spent_s
from matrix.bisecting.view import Posterior
from matrix.errors import MatrixError

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
    earlier: Sequence[Run[Any]] = ()
    """Runs of other sweeps and searches that counted, too."""
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
            "earlier": [run.to_json() for run in self.earlier],
            "seconds": spent_s(self.runs),
            "again": list(self.again),
            "go_on": list(self.go_on),
            "facts": dict(self.facts),
            "notes": list(self.notes),
        }

    @classmethod
    def load(cls, out: Path) -> Result:
        """
        Reads what :meth:`save` wrote.

        :raises MatrixError: there is none, or it is something else.
        """
        path = out / FILE
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["schema"] != SCHEMA:
                raise ValueError(f"schema is {value['schema']!r}, must be {SCHEMA!r}")
            return cls.from_json(value)
        except OSError as error:
            raise MatrixError(f"{path}: can't be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise MatrixError(f"{path}: no result of a bisection: {said}") from error

    @classmethod
    def from_json(cls, value: Any) -> Result:
        """
        Reads what :meth:`to_json` wrote.

        :raises ValueError, KeyError, TypeError, AttributeError: it is something else.
        """
        conclusion, certificate = value["conclusion"], value["certificate"]
        if conclusion is not None:
            fields = {name: item for name, item in conclusion.items() if name != "found"}
            conclusion = Conclusion(**_tuples(fields))
        if certificate is not None:
            pairs = tuple(Pair(**_tuples(pair)) for pair in certificate["pairs"])
            certificate = Certificate(**{**_tuples(certificate), "pairs": pairs})
        return cls(
            kind=value["kind"],
            why_ended=value["ended"],
            command=tuple(value["command"]),
            conclusion=conclusion,
            certificate=certificate,
            posterior=[(tuple(row["culprit"]), float(row["probability"])) for row in value["posterior"]],
            runs=[Run.from_json(row) for row in value["runs"]],
            earlier=[Run.from_json(row) for row in value.get("earlier", ())],
            again=tuple(value["again"]),
            go_on=tuple(value["go_on"]),
            facts=value["facts"],
            notes=tuple(value["notes"]),
        )

    def save(self, out: Path) -> Path:
        """Writes ``bisect.json``: all of it, or it stays as it was."""
        path = out / FILE
        growing = path.with_name(f".{FILE}.part")
        growing.write_text(json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        growing.replace(path)
        return path


def _tuples(value: Any) -> Any:
    """Arrays as the tuples that they were, at any depth."""
    if isinstance(value, dict):
        return {name: _tuples(item) for name, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
