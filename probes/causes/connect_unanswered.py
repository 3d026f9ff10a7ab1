"""A connection that is not taken."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    wait = finding.wait
    return finding.verdict is Verdict.BLOCKED and wait is not None and wait["kind"] == "connect"


CAUSE = Cause(
    id="connect-unanswered",
    title="it connects to a server that does not take the connection",
    explanation=(
        "A connect without a time limit goes on for minutes when packets are dropped or when the queue of a "
        "listening server is full, and a loop that tries again makes it for ever."
    ),
    advice=(
        "Give the socket a time limit (settimeout, or the timeout of the library in use) and let the failure be seen."
    ),
    reference="https://man7.org/linux/man-pages/man2/connect.2.html",
    matches=_matches,
)
