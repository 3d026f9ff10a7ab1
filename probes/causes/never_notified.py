"""A condition, event or semaphore that nobody sets any more."""

from __future__ import annotations

from probes.causes import standing
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_WAITS = frozenset({"wait", "wait_for", "acquire", "__enter__"})


def _matches(finding: Finding) -> bool:
    rows = finding.frames
    if finding.verdict is not Verdict.DEADLOCK or not standing.waits_on_condition(rows):
        return False
    own = standing.calls_of_standard_library(rows, "/threading.py")
    # What other parts of the library build on conditions (queues, futures, pools, barriers) is told apart elsewhere.
    built_on = len(own) < len(rows) and _is_standard(rows[len(own)])
    return set(own) <= _WAITS and not built_on and standing.nobody_in_process(finding)


def _is_standard(row: tuple[str, str]) -> bool:
    return bool(standing.calls_of_standard_library([row], ".py"))


CAUSE = Cause(
    id="never-notified",
    title=(
        "it waits for a notification (condition, event or semaphore), and every thread that could give it has ended or "
        "waits itself"
    ),
    explanation=(
        "Condition.wait, Event.wait and Semaphore.acquire wait until another thread of the same process calls notify, "
        "set or release. That thread has ended without doing so, waits for something itself, or has done it before "
        "the wait began: a notify that nobody waits for is lost."
    ),
    advice=(
        "Let the other thread notify in a finally, so that its end tells too; test a state under the lock before "
        "waiting (wait_for with a predicate), and give the wait a time limit, after which to look whether the thread "
        "is still alive."
    ),
    reference="https://docs.python.org/3/library/threading.html#condition-objects",
    matches=_matches,
)
