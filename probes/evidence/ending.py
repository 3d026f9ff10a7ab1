"""How the run ended: exit code, signal, error, and what was caught at the point of death."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

from probes import code, heap, procfs
from probes.evidence.observed import Ending, Observed
from probes.observer import Observations
from probes.progress import Progress


def ending_of(ending: Ending, progress: Progress) -> Iterator[Observed]:
    at = ending.after_s
    if ending.by_us is not None:
        reason = {
            "limit": "its time limit was over",
            "freeze": "the verdict was settled",
            "interrupt": "of Ctrl-C",
        }
        yield Observed(
            "ended-by-us", at, f"FreezeLab ended the run after {at:.1f} s because {reason[ending.by_us]}", {}
        )
        return
    if ending.status == 0:
        yield Observed("ended-well", at, f"the process ended by itself with exit code 0 after {at:.1f} s", {})
        return
    number = _signal_number(ending.status)
    if number is None:
        yield Observed(
            "ended-with-code",
            at,
            f"the process ended with exit code {ending.status}",
            {"exit_code": ending.status},
        )
        return
    name = procfs.signal_name(number)
    if name == "SIGKILL" and ending.out_of_memory_kills:
        yield Observed(
            "oom-killed",
            at,
            f"the kernel's out-of-memory killer ended it ({ending.out_of_memory_kills} kills)",
            {},
        )
        return
    yield Observed("ended-by-signal", at, f"the process was ended by {name}", {"signal": name})
    said = heap.message(ending.stderr_tail)
    if said is not None:
        yield Observed("heap-message", at, f"the C library said before it ended: {said!r}", {"message": said})


def _signal_number(status: int) -> int | None:
    """The signal behind an exit status, also one that a shell passed on as 128 + n; None for a plain code."""
    if status < 0:
        return -status
    fatal = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGKILL)
    return status - 128 if status - 128 in fatal else None


def exception(seen: Observations, progress: Progress, ending: Ending | None) -> Iterator[Observed]:
    if ending is None or ending.by_us is not None or ending.status == 0:
        return
    recording = progress.recording
    error = recording.text("exception") if recording is not None else None
    if error is None:
        error = _parse_traceback(ending.stderr_tail) if ending.status > 0 else None
    if error is None:
        return
    first_line = error["message"].strip().splitlines()[0][:300] if error["message"].strip() else ""
    place = " > ".join(error["phases"]) or "outside any phase"
    kind = "memory-error" if error["type"] in ("MemoryError", "OutOfMemoryError") else "uncaught-exception"
    yield Observed(kind, ending.after_s, f"{error['type']}: {first_line} (in {place})", error)


def _parse_traceback(text: str) -> dict[str, Any] | None:
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


def deaths(seen: Observations) -> Iterator[Observed]:
    for death in seen.deaths:
        frames = [frame for frame in death.thread.frames if not code.is_ours(frame.file)]
        named = [frame for frame in frames if not frame.function.startswith("0x")]
        stack = " <- ".join(frame.short for frame in named[:8])
        yield Observed(
            "death-stack",
            seen.at_s(death.at_ns),
            f"at the point of death ({death.signal}) process {death.pid} stood in {stack}",
            {
                "signal": death.signal,
                "pid": death.pid,
                "frames": [[f.function, f.file, f.line] for f in frames[:60]],
            },
        )
