"""Tasks of a thread pool that wait for tasks of the same pool, until no thread is left to run those."""

from __future__ import annotations

from probes.causes import standing
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_FUTURES = "concurrent/futures/_base.py"
_POOL = "concurrent/futures/thread.py"
_WAITS = frozenset({"result", "exception", "wait", "__enter__", "as_completed", "result_iterator", "_result_or_cancel"})


def _waits_for_future(rows: standing.Rows) -> bool:
    return any(name in _WAITS for name in standing.calls_of_standard_library(rows, _FUTURES))


def _matches(finding: Finding) -> bool:
    beside = finding.details.get("beside")
    if finding.verdict is not Verdict.DEADLOCK or beside is None or not _waits_for_future(finding.frames):
        return False
    stacks = [standing.rows_of(thread) for thread in beside["threads"]]
    # A thread of a pool that has nothing to do stands in _worker itself.
    pool = [rows for rows in stacks if any(name == "_worker" and _POOL in file for name, file in rows)]
    return bool(pool) and all(_waits_for_future(rows) for rows in pool) and standing.nobody_in_process(finding)


CAUSE = Cause(
    id="pool-waits-for-itself",
    title="every thread of the pool runs a task that waits for another task, which no thread is left to run",
    explanation=(
        "A task that submits more tasks to its own pool and waits for them keeps its thread while it waits. Once all "
        "threads of the pool do so, what they wait for stays in the queue. It works as long as few such tasks run at "
        "the same time, so it comes up late."
    ),
    advice=(
        "Wait for results only outside of the pool, or give inner tasks a pool of their own. More threads only put "
        "it off."
    ),
    reference="https://docs.python.org/3/library/concurrent.futures.html#threadpoolexecutor",
    matches=_matches,
)
