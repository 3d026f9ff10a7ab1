"""A lock that the only thread left waits for: it took it itself, or a thread that has ended did."""

from __future__ import annotations

from probes.causes import standing
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_TAKES = ("PyThread_acquire_lock", "PyMutex_Lock", "_PyMutex_Lock")
"""Functions of the interpreter that take a lock, by how their names begin."""


def _matches(finding: Finding) -> bool:
    beside, wait = finding.details.get("beside"), standing.wait(finding)
    if finding.verdict is not Verdict.DEADLOCK or beside is None or wait is None or wait["shared"] or wait["for_gil"]:
        return False
    # Of a process that was forked beside other threads, a thread may hold it that was left behind.
    if beside["threads"] or "forked-waits-on-lock" in finding.details:
        return False
    rows = finding.frames
    # A wait of the standard library's that is built on a lock (a condition, a queue, the end of a thread) is no such
    # thing, and told apart elsewhere.
    if not rows or standing.calls_of_standard_library(rows[:1], ".py"):
        return False
    native = finding.details.get("native-stack", {}).get("frames") or ()
    return any(name.startswith(_TAKES) for name, _, _ in native)


CAUSE = Cause(
    id="lock-not-released",
    title="it waits for a lock that was taken before and not released, by itself or by a thread that has ended",
    explanation=(
        "No other Python thread is left in the process that could hold the lock. Either the thread that waits has "
        "taken it already, further up its own stack or in an earlier call that did not release it, and a Lock, other "
        "than an RLock, does not let its owner in twice; or a thread that has ended has kept it."
    ),
    advice=(
        "Look at the callers on the stack for another 'with' on the same lock; make it a threading.RLock, or split "
        "the function into one that takes the lock and one that needs it held. Take locks by 'with', so that they "
        "are released when an error comes."
    ),
    reference="https://docs.python.org/3/library/threading.html#rlock-objects",
    matches=_matches,
)
