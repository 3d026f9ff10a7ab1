"""The program sleeps, on purpose, for minutes to come."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    return finding.verdict is Verdict.BLOCKED and "sleeps-long" in finding.details


CAUSE = Cause(
    id="long-sleep",
    title="it sleeps, as it was told to, for minutes to come",
    explanation=(
        "The thread that trains is in a single sleep whose end was read from the system call: it lies minutes "
        "away. A time computed from dates, a pause in milliseconds taken for seconds, or a back-off that doubles "
        "with each failure easily gets that long."
    ),
    advice=(
        "Look at the value that the sleep is given, and at what it is computed from; put an upper limit on it, and "
        "log before a long pause."
    ),
    reference="https://docs.python.org/3/library/time.html#time.sleep",
    matches=_matches,
)
