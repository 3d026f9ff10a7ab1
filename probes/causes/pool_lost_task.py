"""A task of a multiprocessing.Pool that went down with its worker: its result never comes."""

from __future__ import annotations

from probes.causes import standing
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_POOL = "/multiprocessing/pool.py"


def _matches(finding: Finding) -> bool:
    rows = finding.frames
    if finding.verdict is not Verdict.DEADLOCK or not standing.waits_on_condition(rows):
        return False
    if not any(name in ("get", "wait") and file.endswith(_POOL) for name, file in rows):
        return False
    # What its workers do when there is nothing to do: they wait for the next task.
    stacks = [standing.rows_of(process) for process in standing.processes(finding)]
    workers = [rows for rows in stacks if any(name == "worker" and file.endswith(_POOL) for name, file in rows)]
    return bool(workers) and all(_waits_for_task(rows) for rows in workers)


def _waits_for_task(rows: standing.Rows) -> bool:
    above = standing.calls_of_standard_library(rows, ".py")
    return "get" in above and above.index("get") < above.index("worker") if "worker" in above else False


CAUSE = Cause(
    id="pool-lost-task",
    title="it waits for the result of a pool's task, but all workers of the pool wait for tasks: that one was lost",
    explanation=(
        "A multiprocessing.Pool whose worker dies in the middle of a task (killed for want of memory, or by a crash in "
        "native code) starts another worker, but the task is not given out again, and nobody is told: the result is "
        "waited for for ever."
    ),
    advice=(
        "Use concurrent.futures.ProcessPoolExecutor, which raises BrokenProcessPool; or wait with a time limit: "
        "map_async(...).get(timeout=...). Then look for what killed the worker (dmesg, memory limits)."
    ),
    reference="https://github.com/python/cpython/issues/66587",
    matches=_matches,
)
