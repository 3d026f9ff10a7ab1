"""A queue that is joined, and items that nobody calls done."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    return finding.verdict is Verdict.DEADLOCK and finding.stands_in("join", "/queue.py")


CAUSE = Cause(
    id="queue-join",
    title="it joins a queue whose items were not all called done",
    explanation=(
        "Queue.join waits until task_done has been called once for each item that was put. A consumer that ends, "
        "fails or forgets one call leaves the count above zero for ever."
    ),
    advice=(
        "Call task_done in a finally for each item taken, or end the consumer by a sentinel and join the thread "
        "instead."
    ),
    reference="https://docs.python.org/3/library/queue.html#queue.Queue.join",
    matches=_matches,
)
