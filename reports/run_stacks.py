"""The stacks of one run, folded to what matters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from probes import code
from probes.diagnosis import Diagnosis, Evidence
from reports import markdown as md
from reports import waits_text, whose

_MAX_FRAMES = 30
_MAX_TELLING = 8
_MAX_NAMED = 4
STACK = "text stack"
"""GitHub reads the first word; the page shows each frame by the mark in front of it."""
MARKS: Mapping[whose.Owner, str] = {"user": ">> ", "library": "> ", "engine": "  "}


def section(diagnosis: Diagnosis) -> Iterator[str]:
    """Where it stood, and whom it waited for; nothing if nobody looked."""
    folded = list(stacks(diagnosis.evidence))
    if folded:
        yield "## Where it stood"
        yield (
            "Innermost call first. `>>` marks your code, `>` a library's; what torch, numpy and Python do beneath "
            "it is in the folds."
        )
        yield from folded
    yield from waits_text.section(diagnosis)


def stacks(items: Iterable[Evidence]) -> Iterator[str]:
    """The stacks among the evidence, innermost call first: of the first what explains something, all behind folds."""
    found = [(item.kind, frames) for item in items if (frames := _frames(item))]
    first = next((telling for _, frames in found if (telling := _telling(frames))), None)
    if first is not None:
        yield md.block("\n".join(_lines(first[:_MAX_TELLING])), STACK)
    for kind, frames in found:
        left = len(frames) - _MAX_FRAMES
        whole = [*_lines(frames[:_MAX_FRAMES]), *([f"  … and {left} more"] if left > 0 else [])]
        named = _named(_telling(frames) or frames)
        yield md.fold(f"{named} (whole stack, from {kind})", md.block("\n".join(whole), STACK))


def _frames(item: Evidence) -> list[Sequence[Any]]:
    """Function, file and line each, innermost call first."""
    rows = item.detail.get("frames") or ()
    if rows and isinstance(rows[0], dict):  # a traceback comes outermost first
        rows = [[row["function"], row["file"], row["line"]] for row in reversed(rows)]
    return [row for row in rows if not whose.is_ours(row[1])]


def _telling(frames: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    return [frame for frame in frames if whose.owner(frame[1]) != "engine"]


def _lines(frames: Iterable[Sequence[Any]]) -> Iterator[str]:
    for function, file, line in frames:
        yield f"{MARKS[whose.owner(file)]}{function}  {code.place(file, line)}"


def _named(frames: Sequence[Sequence[Any]]) -> str:
    """The innermost calls: ``settle ← train ← learn``."""
    shown = [code.bare(function) for function, *_ in frames[:_MAX_NAMED]]
    return " ← ".join(shown + (["…"] if len(frames) > len(shown) else []))
