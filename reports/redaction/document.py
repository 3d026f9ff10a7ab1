"""A diagnosis that may be shown to anybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from probes.diagnosis import Diagnosis
from probes.heap.check import Attempt, HeapCheck
from probes.heap.moves import Sighting
from probes.verdicts import Verdict
from reports.redaction.redactor import Redactor

_KEPT = frozenset({"schema", "verdict", "for", "against", "ended", "kind"})
_COMMANDS = frozenset({"command", "again", "go_on", "words", "arguments"})


_WORDS = frozenset(map(str, Verdict))
"""Of our contract."""


def redacted(diagnosis: Diagnosis, redactor: Redactor) -> Diagnosis:
    """The same diagnosis, fit for the public."""
    return Diagnosis.from_json(walk(diagnosis.to_json(), redactor))


def redacted_heap_check(check: HeapCheck | None, redactor: Redactor) -> HeapCheck | None:
    """The same second look at the heap."""
    if check is None:
        return None
    first = Sighting.from_json(walk(check.first.to_json(), redactor))
    attempts = tuple(Attempt.from_json(walk(attempt.to_json(), redactor)) for attempt in check.attempts)
    return HeapCheck(first, attempts, check.complete)


def walk(document: Any, redactor: Redactor, words: frozenset[str] = _WORDS) -> Any:
    """
    A JSON document of ours: a command in it is read word by word.

    :param words: of its contract, which no person's name may take away.
    """
    redactor.learn(_strings(document))
    return _walk(document, redactor, words)


def _walk(value: Any, redactor: Redactor, words: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {redactor.text(name): _under(name, inner, redactor, words) for name, inner in value.items()}
    if isinstance(value, list):
        return [_walk(inner, redactor, words) for inner in value]
    return redactor.value(value)


def _under(name: str, value: Any, redactor: Redactor, words: frozenset[str]) -> Any:
    if name in _KEPT and _is_ours(value, words):
        return value
    if name in _COMMANDS and isinstance(value, list) and all(isinstance(word, str) for word in value):
        return list(redactor.words(value))
    return redactor.named(name, value) if isinstance(value, str) else _walk(value, redactor, words)


def _is_ours(value: Any, words: frozenset[str]) -> bool:
    several = value if isinstance(value, list) else [value]
    return all(isinstance(word, str) and (word in words or word.startswith("freezelab.")) for word in several)


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
