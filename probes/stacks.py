"""Stacks of other processes as typed frames, taken by py-spy from outside, one process at a time."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probes.origin import written_in

_MARGIN_S = 2.0
_MAX_VARIABLES = 40
"""Of one call."""
_MAX_VALUE = 120
_ADDRESS = re.compile(r" at 0x[0-9a-f]+>$")


class StackError(Exception):
    """A stack could not be taken; the text says why and what helps."""


class PySpyMissingError(StackError):
    """py-spy is not installed beside FreezeLab nor on PATH."""

    def __init__(self) -> None:
        super().__init__(
            "py-spy was not found, and without it no stack can be taken: install it beside FreezeLab "
            f"({Path(sys.executable).name} -m pip install py-spy), or run with --no-stacks"
        )


@dataclass(frozen=True)
class Frame:
    """One call on a stack."""

    function: str
    file: str
    line: int | None
    variables: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)
    """Names and values of its local variables, if they were asked for; a call is the same whatever they are."""

    @property
    def is_native(self) -> bool:
        return not self.file.endswith(".py") and not self.file.startswith("<")

    @property
    def short(self) -> str:
        """``function (last/two.py:12)``."""
        parts = Path(self.file).parts[-2:]
        place = "/".join(parts) if parts else "?"
        return f"{self.function} ({place}{f':{self.line}' if self.line else ''})"


@dataclass(frozen=True)
class ThreadStack:
    """One thread's stack."""

    tid: int
    """The operating system's thread id; 0 if unknown."""
    name: str | None
    active: bool
    owns_gil: bool
    frames: tuple[Frame, ...]
    """Innermost first."""

    def to_json(self) -> dict[str, Any]:
        value: dict[str, Any] = {
            "tid": self.tid,
            "name": self.name,
            "active": self.active,
            "owns_gil": self.owns_gil,
            "frames": [[frame.function, frame.file, frame.line] for frame in self.frames],
        }
        if any(frame.variables for frame in self.frames):
            value["locals"] = [dict(frame.variables) for frame in self.frames]
        return value


@dataclass(frozen=True)
class Dump:
    """All threads of one process at one moment."""

    pid: int
    at_ns: int
    """Monotonic clock."""
    native: bool
    threads: tuple[ThreadStack, ...]

    @property
    def main(self) -> ThreadStack | None:
        """The main thread; None if py-spy did not see it."""
        for thread in self.threads:
            if thread.tid == self.pid:
                return thread
        return None


def find_py_spy() -> str:
    """
    Path of the py-spy to use: the one installed with FreezeLab, else the first on PATH.

    :raises PySpyMissingError: there is none.
    """
    beside = Path(sysconfig.get_path("scripts")) / "py-spy"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("py-spy")
    if found is None:
        raise PySpyMissingError
    return found


def dump(pid: int, at_ns: int, *, native: bool = False, variables: bool = False, deadline_s: float = 5.0) -> Dump:
    """
    Takes the stacks of all threads of one process.

    Python frames are read without stopping the target (``--nonblocking``); native ones need it stopped for some
    40 ms, so they are for processes that are in trouble already.

    :param variables: whether local variables are read, too. They may hold secrets: only if the person asked for it.
    :raises StackError: py-spy is missing, may not look, did not answer in time, or could not read the process.
    """
    command = [find_py_spy(), "dump", "--json", "--pid", str(pid), "--native" if native else "--nonblocking"]
    if variables:
        command.append("--locals")
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise StackError(f"py-spy could not be started: {error.strerror or error}") from error
    try:
        out, err = process.communicate(timeout=deadline_s)
    except subprocess.TimeoutExpired:
        _end(process, pid)
        raise StackError(f"py-spy gave no answer for process {pid} within {deadline_s:g} s") from None
    except BaseException:  # Ctrl-C: py-spy, in our process group, may ignore it
        _end(process, pid)
        raise
    if process.returncode != 0:
        raise StackError(_reason(pid, err.decode("utf-8", "replace")))
    try:
        threads = json.loads(out)
        if not isinstance(threads, list):
            raise TypeError(f"{type(threads).__name__}, not a list")
        return Dump(pid, at_ns, native, tuple(_thread(pid, item) for item in threads))
    except (ValueError, KeyError, TypeError) as error:
        raise StackError(f"py-spy's answer for process {pid} could not be read: {error!r}") from error


def _end(process: subprocess.Popen[bytes], target: int) -> None:
    """Ends a py-spy that hangs; it ignores SIGINT then, and may have left the target stopped."""
    process.terminate()
    try:
        process.communicate(timeout=_MARGIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    try:
        state = Path(f"/proc/{target}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
        if state == "t":
            os.kill(target, signal.SIGCONT)
    except (OSError, IndexError):
        pass


def _reason(pid: int, text: str) -> str:
    lowered = text.lower()
    if "permission denied" in lowered or "operation not permitted" in lowered or "eperm" in lowered:
        return (
            f"no permission to trace process {pid}: run as the same user or with sudo, "
            "set kernel.yama.ptrace_scope to 0 or 1, or start the container with --cap-add SYS_PTRACE"
        )
    if "failed to find python version" in lowered or "not a python process" in lowered:
        return f"process {pid} is not a Python that py-spy can read"
    told = [line.partition(": ")[2].strip() for line in text.splitlines() if line.startswith(("Error: ", "Reason: "))]
    return f"py-spy could not read process {pid}: {', '.join(told) or text.strip()[:200] or 'no reason given'}"


def _thread(pid: int, item: dict[str, Any]) -> ThreadStack:
    return ThreadStack(
        tid=item["os_thread_id"] or 0,
        name=item["thread_name"],
        active=bool(item["active"]),
        owns_gil=bool(item["owns_gil"]),
        frames=tuple(_frame(pid, frame) for frame in item["frames"]),
    )


def _frame(pid: int, item: dict[str, Any]) -> Frame:
    name, file, line = item["name"], item["filename"] or item["module"] or "?", item["line"] or None
    return Frame(name, written_in(pid, name, file, line), line, _variables(item))


def _variables(frame: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    found = frame.get("locals") or ()
    return tuple((str(item["name"]), _cut(item.get("repr"))) for item in found[:_MAX_VARIABLES])


def _cut(value: object) -> str:
    """
    A value as it is kept. Of a text that had to be cut, the last word goes altogether: a piece of a token would not be
    recognised as one any more.
    """
    text = _ADDRESS.sub(">", str(value)) if value is not None else "?"
    quote = text[:1] if text[:1] in "\"'" else ""
    whole = len(text) <= _MAX_VALUE and not (quote and text.endswith(f"...{quote}"))
    if whole:
        return text
    kept = text[:_MAX_VALUE].removesuffix(quote).removesuffix("...")
    return f"{kept[: max(kept.rfind(' '), 0)]} …".strip()


def check_permission() -> None:
    """
    Proves, on a process of ours that sleeps, that stacks can be taken on this machine.

    :raises StackError: they can't; the text says what helps.
    """
    code = (
        "import ctypes, sys, time; ctypes.CDLL(None).prctl(0x59616D61, int(sys.argv[1]), 0, 0, 0); "
        "print(flush=True); time.sleep(30)"
    )
    target = subprocess.Popen(
        [sys.executable, "-S", "-c", code, str(os.getpid())], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    try:
        assert target.stdout is not None  # noqa: S101 - PIPE was asked for
        target.stdout.readline()
        dump(target.pid, 0)
    finally:
        target.kill()
        target.wait()
        if target.stdout is not None:
            target.stdout.close()
