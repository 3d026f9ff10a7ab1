"""Locks that were never released, tasks that a pool has lost, and sleeps that go on: each told from its likes."""

from __future__ import annotations

from typing import Any

import pytest

from probes.causes import Finding, recognise
from probes.verdicts import Verdict

LIB = "/usr/lib/python3.11"
MINE: list[list[Any]] = [
    ["Book.flush", "/me/book.py", 11],
    ["Book.put", "/me/book.py", 8],
    ["Env.step", "/me/env.py", 21],
]
LOCK_NATIVE: list[list[Any]] = [["PyThread_acquire_lock_timed", "/usr/lib/libpython3.11.so", None], *MINE]
CONDITION: list[list[Any]] = [["Condition.wait", f"{LIB}/threading.py", 327]]
GET: list[list[Any]] = [*CONDITION, ["ApplyResult.wait", f"{LIB}/multiprocessing/pool.py", 765], *MINE]
IDLE = [
    ["Connection._recv", f"{LIB}/multiprocessing/connection.py", 395],
    ["SimpleQueue.get", f"{LIB}/multiprocessing/queues.py", 365],
    ["worker", f"{LIB}/multiprocessing/pool.py", 114],
]
BUSY = [["price", "/me/price.py", 4], ["worker", f"{LIB}/multiprocessing/pool.py", 125]]


def finding(
    frames: list[list[Any]],
    *,
    native: list[list[Any]] | None = None,
    threads: int = 0,
    processes: tuple[list[list[Any]], ...] = (),
    verdict: Verdict = Verdict.DEADLOCK,
    shared: bool = False,
    more: dict[str, dict[str, Any]] | None = None,
) -> Finding:
    wait = {
        "pid": 7, "tid": 7, "kind": "lock", "call": "futex", "what": "", "threads": [], "shared": shared,
        "for_gil": False,
    }  # fmt: skip
    other = {"stands": False, "frames": MINE, "where": "put"}
    details: dict[str, dict[str, Any]] = {
        "stack-still": {"frames": frames, "process": "main"},
        "beside": {
            "pid": 7, "tid": 7, "process": "main", "wait": wait, "threads": [other] * threads,
            "processes": [{"pid": 9, "process": "process 9", "stands": True, "frames": rows} for rows in processes],
        },
        **(more or {}),
    }  # fmt: skip
    if native is not None:
        details["native-stack"] = {"frames": native, "threads": 1}
    return Finding(verdict, "collect", None, details, {})


def cause(of: Finding) -> str | None:
    known = recognise(of)
    return known.id if known is not None else None


def test_a_lock_that_nobody_else_can_hold_was_not_released() -> None:
    assert cause(finding(MINE, native=LOCK_NATIVE)) == "lock-not-released"


@pytest.mark.parametrize(
    "given",
    [
        finding(MINE, native=LOCK_NATIVE, threads=1),  # another thread may hold it
        finding(MINE, native=LOCK_NATIVE, shared=True),  # another process may
        finding(MINE, native=[["do_wait", "/usr/lib/libgomp.so.1", None], *MINE]),  # a lock, but not the interpreter's
        finding(MINE),
        finding([*CONDITION, *MINE], native=LOCK_NATIVE),  # waits to be told, not to be let in
        finding(MINE, native=LOCK_NATIVE, more={"forked-waits-on-lock": {"pid": 7, "parent": 1, "frames": MINE}}),
        finding(MINE, native=LOCK_NATIVE, verdict=Verdict.BLOCKED),
    ],
)
def test_other_waits_for_locks_are_not(given: Finding) -> None:
    assert cause(given) != "lock-not-released"


def test_a_result_whose_pool_has_nothing_to_do_was_lost() -> None:
    assert cause(finding(GET, processes=(MINE, IDLE, IDLE))) == "pool-lost-task"


@pytest.mark.parametrize(
    "given",
    [
        finding(GET, processes=(MINE, IDLE, BUSY)),  # one still works on it
        finding(GET, processes=(MINE,)),  # a pool of threads, or none left
        finding([*CONDITION, *MINE], processes=(MINE, IDLE)),  # waits for something else
        finding(GET, processes=(MINE, IDLE), verdict=Verdict.BLOCKED),
    ],
)
def test_other_waits_beside_a_pool_are_not(given: Finding) -> None:
    assert cause(given) != "pool-lost-task"


def test_a_long_sleep_is_the_cause_only_where_it_was_read_from_the_call() -> None:
    slept: dict[str, Any] = {"pid": 7, "process": "main", "wait": {"kind": "sleep", "wakes_in_s": 3000.0}}
    assert cause(finding(MINE, verdict=Verdict.BLOCKED, more={"sleeps-long": slept})) == "long-sleep"
    assert cause(finding(MINE, verdict=Verdict.BLOCKED, more={"sleeps": slept})) is None
