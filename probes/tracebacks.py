"""Tracebacks as Python prints them, read back."""

from __future__ import annotations

from typing import Any


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
