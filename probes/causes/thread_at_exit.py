"""A thread that is no daemon and does not end."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    joins = finding.ends_in("_shutdown", "/threading.py")
    of_a_pool = finding.ends_in("_python_exit", "/concurrent/futures/")
    return finding.verdict is Verdict.EXIT_HANG and joins and not of_a_pool


CAUSE = Cause(
    id="thread-at-exit",
    title="the interpreter waits at its end for a thread that is no daemon and does not end",
    explanation=(
        "At its end the interpreter joins every thread that is no daemon. One that waits for the next item of a "
        "queue, or reads from a socket, keeps the process for ever, though the training is done."
    ),
    advice=(
        "Tell the thread to end when the training does (an event, a sentinel), or make it a daemon if nothing is "
        "lost with it."
    ),
    reference="https://docs.python.org/3/library/threading.html#thread-objects",
    matches=_matches,
)
