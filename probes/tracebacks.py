"""Tracebacks as Python prints them, read back."""

from __future__ import annotations

import re
from typing import Any

_LINE_CHARS = 300
_MEMORY_TYPES = frozenset({"MemoryError", "_ArrayMemoryError", "OutOfMemoryError"})
_MEMORY_MESSAGES = re.compile(
    r"can't allocate memory|cannot allocate memory|out of memory|not enough memory|std::bad_alloc|failed to allocate|"
    r"^\[Errno 12\]",
    re.IGNORECASE,
)


def parse_traceback(text: str) -> dict[str, Any] | None:
    """The last traceback in what was printed, for a program in which the agent could not see it."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not starts:
        return None
    frames = []
    for line in lines[starts[-1] + 1 :]:
        stripped = line.strip()
        if stripped.startswith('File "') and '", line ' in stripped:
            file, _, rest = stripped[6:].partition('", line ')
            number, _, function = rest.partition(", in ")
            frames.append({"function": function, "file": file, "line": int(number) if number.isdigit() else None})
        elif line and not line.startswith(" "):
            kind, _, message = line.partition(": ")
            return {
                "type": kind.rpartition(".")[2],
                "module": kind.rpartition(".")[0],
                "message": message,
                "phases": [],
                "step": -1,
                "frames": frames,
            }
    return None


def is_memory_error(kind: str, message: str) -> bool:
    """
    Whether an error says that there was no memory to be had: by its type, or by what libraries say under others.

    :param kind: name of the error's type.
    """
    if kind.rpartition(".")[2] in _MEMORY_TYPES:
        return True
    return kind in ("RuntimeError", "OSError", "BlockingIOError") and _MEMORY_MESSAGES.search(message) is not None


def first_line(message: str) -> str:
    """The first line of an error's message; a long one up to the end of a word, and marked as cut."""
    lines = message.strip().splitlines()
    if not lines or len(lines[0]) <= _LINE_CHARS:
        return lines[0] if lines else ""
    return f"{lines[0][:_LINE_CHARS].rpartition(' ')[0] or lines[0][:_LINE_CHARS]} …"
