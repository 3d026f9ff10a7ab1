"""A pool of threads that the interpreter waits for at its end."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    return finding.verdict is Verdict.EXIT_HANG and finding.ends_in("_python_exit", "/concurrent/futures/")


CAUSE = Cause(
    id="executor-at-exit",
    title="the interpreter waits at its end for a task of a pool that does not come back",
    explanation=(
        "At its end the interpreter joins the threads of every ThreadPoolExecutor, whether shut down or not. A "
        "task that waits for something that does not come keeps the process for ever, though the training is "
        "done."
    ),
    advice=(
        "End the tasks (an event, a sentinel, a time limit on what they wait for) and shut the pool down when the "
        "training ends."
    ),
    reference="https://docs.python.org/3/library/concurrent.futures.html#threadpoolexecutor",
    matches=_matches,
)
