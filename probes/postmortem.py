"""
What befell a worker that is no more.

Its parent learns nothing of it but that the pipe is closed (``EOFError``), or not even that. It is put together from
what the agent recorded in the worker and of its exit in the parent, the stack that it was caught dying with, its
zombie, and what multiprocessing printed.
"""

from __future__ import annotations

import enum
import re
import signal
from dataclasses import dataclass
from typing import Any

from probes import workers
from probes.observer import Observations
from probes.progress import Progress
from probes.system import procfs
from probes.tracebacks import first_line, is_memory_error, parse_traceback

PEER_ERRORS = frozenset({"EOFError", "BrokenPipeError", "ConnectionResetError", "ConnectionAbortedError"})
"""What a process gets to see of another's death."""
_WORK = frozenset({"env.step", "env.reset"})
_PRINTED = re.compile(r"^Process \S*?-(?:\d+:)*(\d+):$\n(?=Traceback \(most recent call last\))", re.MULTILINE)
_EXITS = frozenset({"SystemExit", "os._exit"})


class Fate(str, enum.Enum):
    """How a worker ended."""

    RAISED = "raised"
    EXITED = "exited"
    KILLED = "killed"
    OUT_OF_MEMORY = "out of memory"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class PostMortem:
    """How one worker ended."""

    pid: int | None
    """None if only its last words are known."""
    who: str
    """``worker 2``."""
    fate: Fate
    says: str
    """``was killed by SIGSEGV``."""
    signal: str | None = None
    exit_code: int | None = None
    error: dict[str, Any] | None = None
    """The exception, or the place that asked for the exit, as the agent describes one."""
    frames: tuple[tuple[str, str, int | None], ...] = ()
    """Where it stood, innermost first; empty if nobody saw."""


def post_mortems(
    seen: Observations,
    progress: Progress,
    *,
    printed: str = "",
    kernel_kills: int | None = None,
) -> list[PostMortem]:
    """
    The workers that are known to have ended before they were told to, those with a cause of their own first.

    :param printed: the end of what the run wrote to standard error.
    :param kernel_kills: how many processes the kernel has killed for want of memory during the run.
    """
    numbered = workers.numbers(seen, progress)
    main = workers.trainer(seen, progress)
    codes = _codes_of_zombies(seen) | _codes_seen_by_parent(progress)
    errors = {
        recording.pid: error
        for recording, _ in progress.states()
        if (error := recording.text("exception")) is not None and not _is_a_consequence(error)
    }
    dead = {pid for pid in {*codes, *(death.pid for death in seen.deaths)} if pid in numbered}
    dead |= {pid for pid in errors if pid in numbered and not _alive(seen, pid)}
    found = [
        _one(pid, workers.label(pid, main, numbered), codes.get(pid), errors.get(pid), seen, kernel_kills)
        for pid in dead - {main}
    ]
    if not found and (last := _last_words(printed)) is not None:
        error = parse_traceback(last[1])
        if error is not None:
            found = [_raised(None, last[0], error, None)]
    return sorted(found, key=lambda item: (item.fate is Fate.UNKNOWN, not item.frames, numbered.get(item.pid or 0, 0)))


def _exit_code(status: int) -> int:
    """Exit code, or minus the signal, from a status of ``waitpid``."""
    return -(status & 0x7F) if status & 0x7F else status >> 8


def _codes_of_zombies(seen: Observations) -> dict[int, int]:
    """How those ended that were seen dead; without those that a parent in its last moments ended itself."""
    last = seen.looks[-1].waits.states if seen.looks else {}
    codes = {pid: _exit_code(status) for pid, status in seen.ended.items()}
    return {pid: code for pid, code in codes.items() if code != -signal.SIGTERM or last.get(pid) == "Z"}


def _is_a_consequence(error: dict[str, Any]) -> bool:
    """A worker that only found its parent gone: the pipe broke under its loop, not in an environment."""
    return error["type"] in PEER_ERRORS and not _WORK & {*error["phases"]}


def _codes_seen_by_parent(progress: Progress) -> dict[int, int]:
    recording = progress.recording
    error = recording.text("exception") if recording is not None else None
    ended = (error or {}).get("children")
    if not isinstance(ended, list):
        return {}
    return {row["pid"]: row["exit_code"] for row in ended}


def _alive(seen: Observations, pid: int) -> bool:
    """Whether it was there when the family was last looked at."""
    return bool(seen.looks) and pid in {p.pid for p in seen.looks[-1].processes if p.state not in ("Z", "X")}


def _one(
    pid: int,
    who: str,
    code: int | None,
    error: dict[str, Any] | None,
    seen: Observations,
    kernel_kills: int | None,
) -> PostMortem:
    death = next((death for death in seen.deaths if death.pid == pid), None)
    if death is not None or (code is not None and code < 0):
        name = death.signal if death is not None else procfs.signal_name(-(code or 0))
        if name == signal.SIGKILL.name and kernel_kills:
            says = "was killed by the kernel for want of memory"
            return PostMortem(pid, who, Fate.OUT_OF_MEMORY, says, name, code)
        frames = tuple((f.function, f.file, f.line) for f in death.thread.frames) if death is not None else ()
        return PostMortem(pid, who, Fate.KILLED, f"was killed by {name}", name, code, frames=frames)
    if error is not None and error["type"] not in _EXITS:
        return _raised(pid, who, error, code)
    if error is not None:
        called = "os._exit" if error["type"] == "os._exit" else "sys.exit"
        says = f"ended itself by {called}({error['message']})"
        return PostMortem(pid, who, Fate.EXITED, says, None, code, error, _frames(error))
    if code is not None:
        return PostMortem(pid, who, Fate.EXITED, f"ended with exit code {code}", None, code)
    return PostMortem(pid, who, Fate.UNKNOWN, "ended; how could not be seen")


def _raised(pid: int | None, who: str, error: dict[str, Any], code: int | None) -> PostMortem:
    message = str(error["message"]).strip()
    first = first_line(message)
    fate = Fate.OUT_OF_MEMORY if is_memory_error(error["type"], message) else Fate.RAISED
    said = f"{error['type']}: {first}" if first else str(error["type"])
    return PostMortem(pid, who, fate, f"was ended by {said}", None, code, error, _frames(error))


def _frames(error: dict[str, Any]) -> tuple[tuple[str, str, int | None], ...]:
    return tuple((row["function"], row["file"], row["line"]) for row in reversed(error["frames"]))


def _last_words(printed: str) -> tuple[str, str] | None:
    """
    The last process of multiprocessing's that printed a traceback, and that.

    It numbers them from 1 in the order in which they were made.
    """
    found = list(_PRINTED.finditer(printed))
    if not found:
        return None
    rest = printed[found[-1].end() :]
    # The parent's own traceback comes after it.
    following = rest.find("\nTraceback (most recent call last)")
    return f"worker {int(found[-1].group(1)) - 1}", rest if following < 0 else rest[:following]
