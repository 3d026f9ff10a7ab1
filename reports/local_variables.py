"""
Local variables of the calls that stood still: kept only by ``--locals``, and shown only if they are asked for again.

They are those of the last look at each process, and of its death.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from probes import code
from reports import markdown as md
from reports import plain, whose
from reports.redaction.redactor import Redactor

FLAG = "--locals"
_MAX_CALLS = 12
_MAX_THREADS = 16
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)
"""What reading a damaged file may end with."""


@dataclass(frozen=True)
class CallVariables:
    """One call."""

    place: str
    """``step  train.py:12``"""
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ThreadVariables:
    """One thread; its calls, the innermost first, without those of torch, numpy and Python itself."""

    name: str
    calls: tuple[CallVariables, ...]

    def redacted(self, redactor: Redactor) -> ThreadVariables:
        """What may be shown of it."""
        calls = tuple(
            replace(
                call,
                place=redactor.text(call.place),
                values=tuple((redactor.text(name), str(redactor.named(name, value))) for name, value in call.values),
            )
            for call in self.calls
        )
        return ThreadVariables(redactor.text(self.name), calls)


def stored(folder: Path) -> tuple[ThreadVariables, ...]:
    """
    What a run's folder holds of them; nothing where none were collected.

    :param folder: a run's; files in it that can't be read are passed over.
    """
    found: dict[int, list[ThreadVariables]] = {}
    for path in sorted((folder / "stacks").glob("*.json")):  # those of a death come last
        try:
            for process in json.loads(path.read_text(encoding="utf-8"))["processes"]:
                pid = int(process["pid"])
                threads = [thread for item in process["threads"] if (thread := _thread(pid, item)) is not None]
                if threads:
                    found[pid] = threads
        except _UNREADABLE:
            continue
    return tuple(thread for threads in found.values() for thread in threads)[:_MAX_THREADS]


def section(threads: Sequence[ThreadVariables]) -> Iterator[str]:
    """The part of a report, folded; nothing without any."""
    if threads:
        yield "## Local variables"
        yield (
            f"They are here because {md.code(FLAG)} asked for them. Values are cut, and secrets are replaced as far as "
            "they can be told: look through them before you pass this on."
        )
        yield from folds(threads)


def folds(threads: Sequence[ThreadVariables]) -> Iterator[str]:
    """Each thread behind a fold."""
    for thread in threads:
        yield md.fold(thread.name, md.block("\n".join(_lines(thread))))


def text(threads: Sequence[ThreadVariables]) -> str:
    """For a terminal."""
    return "\n".join(line for thread in threads for line in (plain.line(thread.name), *_lines(thread)))


def _lines(thread: ThreadVariables) -> Iterator[str]:
    for call in thread.calls:
        yield f"  {plain.line(call.place)}"
        for name, value in call.values:
            yield f"      {plain.line(name)} = {plain.line(value)}"


def _thread(pid: int, item: Any) -> ThreadVariables | None:
    calls = [
        CallVariables(f"{function}  {code.place(str(file), line)}", _values(values))
        for (function, file, line), values in zip(item["frames"], item.get("locals") or (), strict=False)
        if values and whose.owner(file) != "engine" and not whose.is_ours(file)
    ]
    if not calls:
        return None
    return ThreadVariables(f"process {pid}, {item['name'] or item['tid']}", tuple(calls[:_MAX_CALLS]))


def _values(values: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in values.items())
