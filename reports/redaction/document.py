"""A diagnosis that may be shown to anybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from probes.diagnosis import Diagnosis
from probes.verdicts import Verdict
from reports.redaction.redactor import Redactor

_KEPT = frozenset({"schema", "verdict", "for", "against"})


def redacted(diagnosis: Diagnosis, redactor: Redactor) -> Diagnosis:
    """The same diagnosis, fit for the public."""
    document = diagnosis.to_json()
    redactor.learn(_strings(document))
    changed = _walk(document, redactor)
    changed["command"] = list(redactor.words(diagnosis.command))
    return Diagnosis.from_json(changed)


def _walk(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, dict):
        return {redactor.text(name): _under(name, inner, redactor) for name, inner in value.items()}
    if isinstance(value, list):
        return [_walk(inner, redactor) for inner in value]
    return redactor.value(value)


def _under(name: str, value: Any, redactor: Redactor) -> Any:
    if name in _KEPT and _is_ours(value):
        return value
    return redactor.named(name, value) if isinstance(value, str) else _walk(value, redactor)


def _is_ours(value: Any) -> bool:
    """Words of the contract, which no person's name may take away."""
    words = value if isinstance(value, list) else [value]
    known = {str(verdict) for verdict in Verdict}
    return all(isinstance(word, str) and (word in known or word.startswith("freezelab.")) for word in words)


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
