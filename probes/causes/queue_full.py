"""A queue with a limit that nobody empties any more."""

from __future__ import annotations

from probes.causes import standing
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    if finding.verdict is not Verdict.DEADLOCK:
        return False
    rows = finding.frames
    if standing.waits_on_condition(rows) and standing.calls_of_standard_library(rows, "/queue.py") == ["put"]:
        return standing.nobody_in_process(finding)
    # Between processes the room is counted by a semaphore; the lock of the feeding thread is no shared one.
    wait = standing.wait(finding)
    counted = wait is not None and wait["kind"] == "lock" and bool(wait.get("shared"))
    innermost = standing.calls_of_standard_library(rows[:1], "/multiprocessing/queues.py")
    return counted and innermost == ["put"] and standing.nobody_in_family(finding)


CAUSE = Cause(
    id="queue-full",
    title="it puts into a queue that is full, and nobody is left who takes from it",
    explanation=(
        "A queue with a maxsize makes put wait until somebody takes an item. The consumer has ended (by an error that "
        "only its own thread or process showed, after a fixed number of items) or waits for something itself, so the "
        "queue stays full; so it does if a worker puts inside its step and only its parent, which waits for that step, "
        "would take. It goes well until then, as the queue takes up what nobody reads."
    ),
    advice=(
        "Find out why the consumer stopped: its traceback, if there was one, is in stderr.log. Let it run until a "
        "sentinel comes, and give put a time limit (put(item, timeout=60)), so that a full queue becomes an error; "
        "for records that may be lost use put_nowait and count what was dropped."
    ),
    reference="https://docs.python.org/3/library/queue.html#queue.Queue.put",
    matches=_matches,
)
