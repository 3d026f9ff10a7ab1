"""A lock that was held when the process was forked."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    return (
        finding.verdict is Verdict.DEADLOCK
        and finding.culprit is not None
        and finding.culprit.process != "main"
        and finding.stands_in("acquire", "/logging/__init__.py")
    )


CAUSE = Cause(
    id="fork-with-lock-held",
    title="the process was forked while a thread of its parent held the lock of a log handler",
    explanation=(
        "A fork copies locks as they are, and only one thread: a lock that another thread held stays locked in "
        "the child, and there is nobody who could release it."
    ),
    advice=(
        "Fork while no other thread works (start them after the workers), or use start_method=forkserver or spawn."
    ),
    reference="https://docs.python.org/3/library/os.html#os.fork",
    matches=_matches,
)
