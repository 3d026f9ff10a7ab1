"""A named pipe whose other end nobody opens."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    wait = finding.wait
    return (
        finding.verdict is Verdict.BLOCKED
        and wait is not None
        and wait["kind"] == "open"
        and "named pipe" in wait["what"]
    )


CAUSE = Cause(
    id="named-pipe-unopened",
    title="it opens a named pipe, and nobody opens the other end",
    explanation=(
        "Opening a named pipe for reading waits until somebody opens it for writing, and the other way round. If "
        "the simulator at the other end has not been started, or has ended, the call does not return."
    ),
    advice=(
        "Start the other end first, or open the pipe with O_NONBLOCK (or O_RDWR) and wait for data with a time limit."
    ),
    reference="https://man7.org/linux/man-pages/man7/fifo.7.html",
    matches=_matches,
)
