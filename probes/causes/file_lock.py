"""A lock on a file that somebody else keeps."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    wait = finding.wait
    return finding.verdict in (Verdict.BLOCKED, Verdict.DEADLOCK) and wait is not None and wait["kind"] == "file lock"


CAUSE = Cause(
    id="file-lock-held",
    title="it waits for a lock on a file that another process keeps",
    explanation=(
        "flock and fcntl locks wait without a limit. The holder may be another run, a process that was forked "
        "from this one and inherited the lock, or one that has been forgotten; on some network file systems, a "
        "server that still believes in a client that is gone."
    ),
    advice=(
        "End the holder, which the table of waits names where it can be seen, or take the lock without waiting "
        "(LOCK_NB) and say who has it."
    ),
    reference="https://man7.org/linux/man-pages/man2/flock.2.html",
    matches=_matches,
)
