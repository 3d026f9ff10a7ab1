"""An event loop with nothing left that could wake it."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    alone = "waits-on-itself" in finding.details
    return finding.verdict is Verdict.DEADLOCK and alone and finding.stands_in("_run_once", "/asyncio/base_events.py")


CAUSE = Cause(
    id="event-loop-idle",
    title="the asyncio event loop runs until something is done that nobody is left to do",
    explanation=(
        "The loop has no timer and no connection open: all that could wake it is its own signal from another thread, "
        "and there is none. The task that it runs awaits a future, an event, a lock or a queue that no other task "
        "sets, frees or fills any more, often because that task has ended with an error nobody looked at."
    ),
    advice=(
        "Put a limit on it (asyncio.wait_for, asyncio.timeout), look at the result of every task (gather, TaskGroup), "
        "and run it with PYTHONASYNCIODEBUG=1, which tells of errors that were never retrieved."
    ),
    reference="https://docs.python.org/3/library/asyncio-dev.html",
    matches=_matches,
)
