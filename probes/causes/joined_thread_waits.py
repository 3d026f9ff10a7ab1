"""A thread that is joined, or asked for its result, and waits itself."""

from __future__ import annotations

from probes.causes import standing
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    chain = finding.chain
    if finding.verdict is not Verdict.DEADLOCK or not chain or not chain[0].get("threads"):
        return False
    pid = chain[0]["pid"]
    inside = all(wait["pid"] == pid and wait["kind"] == "lock" and not wait.get("for_gil") for wait in chain)
    importing = any("importlib" in file for _, file in finding.frames)
    return inside and not importing and standing.nobody_in_process(finding)


CAUSE = Cause(
    id="joined-thread-waits",
    title="it waits for the end or the result of a thread that itself waits, and nobody else is left to let it go on",
    explanation=(
        "join and Future.result give back nothing until the other thread is done. That one waits for a lock which the "
        "waiting thread holds, or for a task that would need a free thread of the same pool: each waits for the other."
    ),
    advice=(
        "Join and ask for results outside of every lock that the thread needs (leave the with block first), and do "
        "not wait inside a task for another task of the same pool. The table of waits shows where both stand."
    ),
    reference="https://docs.python.org/3/library/concurrent.futures.html#threadpoolexecutor",
    matches=_matches,
)
