"""A pool whose tasks wait for each other, told from pools that have threads to spare."""

from __future__ import annotations

from typing import Any

import pytest

from probes.causes import Finding, recognise
from probes.verdicts import Verdict

LIB = "/usr/lib/python3.11"
RESULT = [["Condition.wait", f"{LIB}/threading.py", 327], ["Future.result", f"{LIB}/concurrent/futures/_base.py", 451]]
WORKER = [["_worker", f"{LIB}/concurrent/futures/thread.py", 83], ["Thread.run", f"{LIB}/threading.py", 982]]
MINE = [["quotes", "/me/desk.py", 9]]


def thread(*parts: list[list[Any]], stands: bool = True) -> dict[str, Any]:
    return {"stands": stands, "frames": [row for part in parts for row in part], "where": "quotes"}


def finding(*threads: dict[str, Any], main: list[list[Any]] | None = None) -> Finding:
    frames = [*(RESULT if main is None else main), ["step", "/me/desk.py", 21]]
    wait = {
        "pid": 7,
        "tid": 7,
        "kind": "lock",
        "call": "futex",
        "what": "",
        "threads": [],
        "shared": False,
        "for_gil": False,
    }
    details: dict[str, dict[str, Any]] = {
        "stack-still": {"frames": frames, "process": "main"},
        "beside": {"pid": 7, "tid": 7, "process": "main", "wait": wait, "threads": list(threads), "processes": []},
    }
    return Finding(Verdict.DEADLOCK, "collect", None, details, {})


def cause(of: Finding) -> str | None:
    known = recognise(of)
    return known.id if known is not None else None


def test_tasks_that_wait_for_tasks_of_their_pool_are_told() -> None:
    inner = thread(RESULT, MINE, WORKER)
    assert cause(finding(inner, inner)) == "pool-waits-for-itself"


@pytest.mark.parametrize(
    "given",
    [
        finding(thread(RESULT, MINE, WORKER), thread(WORKER)),  # one has nothing to do: the task was never given
        finding(thread(MINE, WORKER)),  # the task itself stands, for a reason of its own
        finding(thread(RESULT, MINE, WORKER), thread(RESULT, MINE, WORKER, stands=False)),
        finding(thread(RESULT, MINE)),  # a thread of the user's own, of no pool
        finding(),
        finding(thread(RESULT, MINE, WORKER), main=[["acquire", "/me/lock.py", 1]]),
    ],
)
def test_near_misses_are_not(given: Finding) -> None:
    assert cause(given) != "pool-waits-for-itself"
