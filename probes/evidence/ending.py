"""How the run ended: exit code, signal, error."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from probes.evidence.observed import Ending, Observed
from probes.progress import Progress
from probes.system import procfs
from probes.tracebacks import first_line, is_memory_error, parse_traceback

_NOT_THE_KERNEL = "; the kernel counted no kill for want of memory, so a person or another program sent it"
_PERHAPS_THE_KERNEL = "; whether the kernel sent it for want of memory could not be read"


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
            f"the kernel's out-of-memory killer ended it (it counted {ending.out_of_memory_kills} during the run)",
            {},
        )
        return
    sender = ""
    if name == "SIGKILL":
        sender = _PERHAPS_THE_KERNEL if ending.out_of_memory_kills is None else _NOT_THE_KERNEL
    yield Observed("ended-by-signal", at, f"the process was ended by {name}{sender}", {"signal": name})


def _signal_number(status: int) -> int | None:
    """The signal behind an exit status, also one that a shell passed on as 128 + n; None for a plain code."""
    if status < 0:
        return -status
    fatal = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGKILL)
    return status - 128 if status - 128 in fatal else None


def _exits_with(message: str, status: int) -> bool:
    """Whether ``sys.exit`` with a value that reads so ends a process with that status: with a text, it is 1."""
    return status == (int(message) & 0xFF if message.lstrip("-").isdecimal() else 1)


def exception(progress: Progress, ending: Ending | None, *, of_a_peer: bool) -> Iterator[Observed]:
    """
    The error that ended the program.

    :param of_a_peer: whether it only says that a worker was gone, which is told by itself.
    """
    if ending is None or ending.by_us is not None or ending.status == 0:
        return
    recording = progress.recording
    error = recording.text("exception") if recording is not None else None
    if error is not None and error["type"] == "SystemExit" and not _exits_with(error["message"], ending.status):
        error = None
    if error is None:
        error = parse_traceback(ending.stderr_tail) if ending.status > 0 else None
    if error is None:
        return
    first = first_line(error["message"])
    place = " > ".join(error["phases"]) or "outside any phase"
    kind = "memory-error" if is_memory_error(error["type"], error["message"]) else "uncaught-exception"
    said = ": ".join(part for part in (error["type"], first) if part)
    if of_a_peer:
        kind = "peer-error"
        said = f"all that the main process saw of it was {said}"
    yield Observed(kind, ending.after_s, f"{said} (in {place})", error)
