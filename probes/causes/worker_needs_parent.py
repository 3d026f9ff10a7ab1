"""A worker that waits for its parent while its parent waits for the worker."""

from __future__ import annotations

from typing import Any

from probes.causes import standing
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_LOOPS = frozenset({"_worker", "_async_worker"})
"""In which a vectorised environment's worker waits for its next order: that is idle, not stuck."""
_PRIMITIVES = (
    ("/multiprocessing/queues.py", frozenset({"get"})),
    ("/multiprocessing/synchronize.py", frozenset({"acquire", "__enter__", "wait", "wait_for"})),
    ("/multiprocessing/connection.py", frozenset({"recv", "recv_bytes", "send", "send_bytes"})),
)


def _matches(finding: Finding) -> bool:
    chain = finding.chain
    found = {process["pid"]: process for process in standing.processes(finding)}
    if (
        finding.verdict not in (Verdict.DEADLOCK, Verdict.BLOCKED)
        or not chain
        or not standing.nobody_in_family(finding)
    ):
        return False
    parent = next((process for process in found.values() if process["process"] == "main"), None)
    if parent is None or parent["wait"] is None or parent["wait"]["kind"] != "input":
        return False
    if finding.details["beside"].get("ended"):
        # It may have been one that is gone, not the parent, that was to give it.
        return False
    waits_for_answer = standing.calls_of_standard_library(standing.rows_of(parent), "/multiprocessing/connection.py")
    on_the_way = {wait["pid"] for wait in chain} - {parent["pid"]}
    return "recv" in waits_for_answer and any(_needs(found[pid], parent["pid"]) for pid in on_the_way if pid in found)


def _needs(worker: dict[str, Any], parent: int) -> bool:
    """Whether a worker is held up, amid what it was told to do, by something that its parent shares with it."""
    wait, rows = worker["wait"], standing.rows_of(worker)
    if wait is None or not str(worker["process"]).startswith("worker"):
        return False
    shared = bool(wait.get("shared")) or parent in wait["peers"] or parent in (wait.get("bystanders") or ())
    calls = [
        name
        for module, names in _PRIMITIVES
        for name in standing.calls_of_standard_library(rows, module)
        if name in names
    ]
    asked_by = next((name for name, file in rows if not standing.calls_of_standard_library([(name, file)], ".py")), "")
    return shared and bool(calls) and asked_by not in _LOOPS


CAUSE = Cause(
    id="worker-waits-for-parent",
    title="a worker waits inside its step for something of its parent's, and the parent waits for that step",
    explanation=(
        "The parent sends an order to each worker and then waits for all answers; until then it does nothing else. A "
        "worker that meanwhile waits for an item, a message, an event or a lock that the parent would have to give "
        "waits as long as the parent does."
    ),
    advice=(
        "Send what the worker needs before the step (with set_attr, env_method, or in the action), or return from the "
        "step and take it up at the next one. Hold no lock in the parent that a worker takes while env.step runs."
    ),
    reference="https://stable-baselines3.readthedocs.io/en/master/guide/vec_envs.html#subprocvecenv",
    matches=_matches,
)
