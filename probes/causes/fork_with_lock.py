"""A lock that was held when the process was forked."""

from __future__ import annotations

from probes.causes import standing
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    return _of_a_log_handler(finding) or (finding.verdict is Verdict.DEADLOCK and _left_behind(finding))


def _left_behind(finding: Finding) -> bool:
    """Whether one that was forked beside other threads waits for a lock, and the silence is about it or its parent."""
    forked, beside = finding.details.get("forked-waits-on-lock"), finding.details.get("beside")
    if forked is None or beside is None:
        return False
    rows = standing.rows_of(forked)
    users = [row for row in rows if not standing.calls_of_standard_library([row], ".py")]
    # A function that calls itself may have taken the lock a moment ago.
    again = bool(users) and users.count(users[0]) > 1
    parents = forked["parent"] == beside["pid"] and standing.nobody_in_family(finding)
    return not again and (forked["pid"] == beside["pid"] or parents)


def _of_a_log_handler(finding: Finding) -> bool:
    return (
        finding.verdict is Verdict.DEADLOCK
        and finding.culprit is not None
        and finding.culprit.process != "main"
        and finding.stands_in("acquire", "/logging/__init__.py")
    )


CAUSE = Cause(
    id="fork-with-lock-held",
    title="a process was forked while another thread of its parent held a lock that it now waits for",
    explanation=(
        "A fork copies locks as they are, and only one thread: a lock that another thread held stays locked in "
        "the child, and there is nobody who could release it. It may be one of the program's own, or one inside a "
        "library: that of a log handler, a cache, a connection."
    ),
    advice=(
        "Fork while no other thread works (start them after the workers), or use start_method=forkserver or spawn."
    ),
    reference="https://docs.python.org/3/library/os.html#os.fork",
    matches=_matches,
)
