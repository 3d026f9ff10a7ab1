"""A peer at the other end of a socket that does not answer."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    wait = finding.wait
    return (
        finding.verdict is Verdict.BLOCKED
        and "peer-is-dead" not in finding.details
        and wait is not None
        and wait["kind"] == "input"
        and "TCP socket to" in wait["what"]
    )


CAUSE = Cause(
    id="peer-does-not-answer",
    title="it waits on a socket for an answer that does not come",
    explanation=(
        "A read from a socket has no time limit of its own: a simulator or service that has stopped, hangs "
        "itself, or lost the request keeps the training waiting for good, at 0 % of a core."
    ),
    advice=(
        "Look at the other end, which the table of waits names where it is on this machine. Give the socket a "
        "time limit, so that a lost answer becomes an error that says so."
    ),
    reference="https://docs.python.org/3/library/socket.html#notes-on-socket-timeouts",
    matches=_matches,
)
