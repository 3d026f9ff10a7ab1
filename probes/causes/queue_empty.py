"""A queue that nobody fills any more."""

from __future__ import annotations

from probes.causes import standing
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    rows = finding.frames
    if finding.verdict is Verdict.DEADLOCK and standing.waits_on_condition(rows):
        taken = standing.calls_of_standard_library(rows, "/queue.py") == ["get"]
        return taken and standing.nobody_in_process(finding)
    # Between processes it reads from a pipe of which it holds both ends itself, so that no end of it is ever seen.
    wait = standing.wait(finding)
    reads = wait is not None and wait["kind"] == "input"
    taken = standing.calls_of_standard_library(rows, "/multiprocessing/queues.py")[-1:] == ["get"]
    return finding.verdict is Verdict.BLOCKED and reads and taken and standing.nobody_in_family(finding)


CAUSE = Cause(
    id="queue-empty",
    title="it takes from a queue that is empty, and nobody is left who puts into it",
    explanation=(
        "get without a time limit waits until an item comes. The producer has ended (done, by an error that only its "
        "own thread or process showed, or left behind by a fork) or waits for something itself. A queue between "
        "processes does not tell either: whoever reads from it holds its writing end too."
    ),
    advice=(
        "Find out why the producer stopped: its traceback, if there was one, is in stderr.log. Let it put a sentinel "
        "when it ends, and give get a time limit (get(timeout=60)), after which to look whether it is still alive "
        "(is_alive)."
    ),
    reference="https://docs.python.org/3/library/queue.html#queue.Queue.get",
    matches=_matches,
)
