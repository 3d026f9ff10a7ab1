"""Known causes of waits for another party that is gone or stuck: each fits its evidence and none of its near misses."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from probes import causes
from probes.causes import CAUSES, Finding
from probes.diagnosis import Culprit
from probes.evidence.beside import beside
from probes.observer import Look, Observations
from probes.stacks import Dump, Frame, ThreadStack
from probes.system import procfs
from probes.verdicts import Verdict
from probes.waits import Kind, Wait, WaitGraph

LIB = "/usr/lib/python3.11"
ME = Culprit("step", "/me/train.py", 3, None, None)
MINE = ("step", "/me/train.py")
CONDITION = ("Condition.wait", f"{LIB}/threading.py")
EVENT = ("Event.wait", f"{LIB}/threading.py")
PUT, GET = ("Queue.put", f"{LIB}/queue.py"), ("Queue.get", f"{LIB}/queue.py")
MP_PUT, MP_GET = ("Queue.put", f"{LIB}/multiprocessing/queues.py"), ("Queue.get", f"{LIB}/multiprocessing/queues.py")
MP_LOCK = ("SemLock.__enter__", f"{LIB}/multiprocessing/synchronize.py")
RECV = ("Connection.recv", f"{LIB}/multiprocessing/connection.py")
RESULT = ("Future.result", f"{LIB}/concurrent/futures/_base.py")
BARRIER = (CONDITION, ("Condition.wait_for", f"{LIB}/threading.py"), ("Barrier._wait", f"{LIB}/threading.py"))
ENVS = ("step_wait", "/x/site-packages/stable_baselines3/common/vec_env/subproc_vec_env.py")
WORKER = ("_worker", "/x/site-packages/stable_baselines3/common/vec_env/subproc_vec_env.py")

Row = tuple[str, str]


def rows(frames: tuple[Row, ...]) -> list[list[Any]]:
    return [[function, file, 1] for function, file in frames]


def wait(kind: str, pid: int = 7, tid: int | None = None, **more: Any) -> dict[str, Any]:
    fields = {"peers": [], "threads": [], "for_gil": False, "shared": False, "bystanders": [], "what": ""}
    return {"pid": pid, "tid": tid or pid, "kind": kind, "call": "futex", "descriptors": [], **fields, **more}


def thread(*frames: Row, stands: bool = True) -> dict[str, Any]:
    return {"pid": 7, "tid": 8, "stands": stands, "where": "", "frames": rows(frames), "wait": wait("lock", tid=8)}


def process(
    label: str, pid: int, *frames: Row, stands: bool = True, on: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"process": label, "pid": pid, "tid": pid, "stands": stands, "frames": rows(frames), "wait": on}


def standing(
    verdict: Verdict,
    *frames: Row,
    threads: tuple[dict[str, Any], ...] = (),
    processes: tuple[dict[str, Any], ...] = (),
    on: dict[str, Any] | None = None,
    chains: dict[str, dict[str, Any]] | None = None,
) -> Finding:
    """The training stands in these calls; beside it there are these threads and processes."""
    on = on or wait("lock")
    kind = "waits-on-lock" if on["kind"] == "lock" else "waits-outside"
    main = () if processes and processes[0]["process"] == "main" else (process("main", 7, *frames, on=on),)
    others = {
        "pid": 7,
        "tid": 7,
        "process": "main",
        "threads": list(threads),
        "processes": [*main, *processes],
        "wait": on,
    }
    seen: dict[str, dict[str, Any]] = {
        "stack-still": {"frames": rows(frames), "process": "main"},
        kind: {"pid": 7, "wait": on},
        "beside": others,
    }
    return Finding(verdict, "collect", ME, {**seen, **(chains or {})}, {})


def chain(*links: dict[str, Any]) -> dict[str, Any]:
    return {"chain": list(links), "nearest": {"process": "worker 0", "pid": links[-1]["pid"], "frames": []}}


DEADLOCK, BLOCKED, SPIN = Verdict.DEADLOCK, Verdict.BLOCKED, Verdict.SPIN
ASKS = process("main", 7, RECV, ENVS, on=wait("input", peers=[9]))
STUCK = process("worker 0", 9, MP_LOCK, MINE, WORKER, on=wait("lock", 9, shared=True))
IN_WORKER = standing(
    DEADLOCK,
    MP_LOCK,
    MINE,
    WORKER,
    processes=(ASKS, STUCK),
    chains={"waits-on-peer": chain(wait("input", peers=[9]), wait("lock", 9, shared=True))},
)
FULL = standing(DEADLOCK, CONDITION, PUT, MINE)
FULL_BETWEEN = standing(DEADLOCK, MP_PUT, MINE, on=wait("lock", shared=True))
EMPTY = standing(DEADLOCK, CONDITION, GET, MINE)
EMPTY_BETWEEN = standing(BLOCKED, RECV, MP_GET, MINE, on=wait("input", what="a pipe"))
NOTIFY = standing(DEADLOCK, CONDITION, EVENT, MINE)
SHORT = standing(DEADLOCK, *BARRIER, EVENT, MINE, threads=(thread(*BARRIER, EVENT, MINE),))
JOINED = standing(
    DEADLOCK,
    ("save", "/me/train.py"),
    threads=(thread(("join", f"{LIB}/threading.py"), MINE),),
    chains={"waits-on-peer": chain(wait("lock", threads=[8]), wait("lock", tid=8))},
)
POOL = standing(
    DEADLOCK,
    CONDITION,
    RESULT,
    ("outer", "/me/train.py"),
    threads=(thread(CONDITION, RESULT, MINE),),
    chains={"wait-cycle": chain(wait("lock", threads=[8]), wait("lock", tid=8, threads=[7]))},
)
NAPS = Finding(SPIN, "collect", ME, {"naps-in-a-loop": {"pid": 7}, "stack-still": {"frames": rows((MINE,))}}, {})
HOOK = ("hook", "/me/train.py")
FORKED = {"pid": 9, "parent": 7, "process": "worker 0", "threads_left_behind": 1, "frames": rows((HOOK, MINE))}
IN_CHILD = replace(
    standing(DEADLOCK, HOOK, MINE),
    details={
        "stack-still": {"frames": rows((HOOK, MINE)), "process": "worker 0"},
        "forked-waits-on-lock": FORKED,
        "beside": {"pid": 9, "tid": 9, "process": "worker 0", "threads": [], "processes": [], "wait": wait("lock", 9)},
    },
)
IN_POOL = standing(
    DEADLOCK,
    CONDITION,
    EVENT,
    ("wait", f"{LIB}/multiprocessing/pool.py"),
    MINE,
    processes=(process("worker 0", 9, HOOK, on=wait("lock", 9)),),
    chains={"forked-waits-on-lock": FORKED},
)

FITS = {
    "its consumer is gone": ("queue-full", FULL),
    "its consumer waits itself": ("queue-full", standing(DEADLOCK, CONDITION, PUT, MINE, threads=(thread(CONDITION),))),
    "the consuming process is gone": ("queue-full", FULL_BETWEEN),
    "its producer is gone": ("queue-empty", EMPTY),
    "the producing process is gone": ("queue-empty", EMPTY_BETWEEN),
    "the producing process was not asked about": (
        "queue-empty",
        replace(
            EMPTY_BETWEEN,
            details={
                **{kind: EMPTY_BETWEEN.details[kind] for kind in ("stack-still", "beside")},
                "peer-is-dead": {"process": "process 9", "pid": 9},
            },
        ),
    ),
    "nobody sets the event": ("never-notified", NOTIFY),
    "nobody notifies": ("never-notified", standing(DEADLOCK, CONDITION, MINE)),
    "nobody releases the semaphore": (
        "never-notified",
        standing(DEADLOCK, CONDITION, ("Semaphore.acquire", f"{LIB}/threading.py"), MINE),
    ),
    "a party is missing": ("barrier-short-of-a-party", SHORT),
    "a thread that needs the joiner's lock": ("joined-thread-waits", JOINED),
    "a task that needs the pool": ("joined-thread-waits", POOL),
    "a lock held at the fork of a worker": ("fork-with-lock-held", IN_CHILD),
    "a lock held at the fork of a pool": ("fork-with-lock-held", IN_POOL),
    "a loop with naps": ("retry-for-ever", NAPS),
    "a lock of the parent's": ("worker-waits-for-parent", IN_WORKER),
}

BUSY = thread(("load", "/me/feed.py"), stands=False)
IDLE = process("worker 0", 9, RECV, WORKER, on=wait("input", 9, peers=[7]))
MISSES = {
    "the consumer is only slow": standing(DEADLOCK, CONDITION, PUT, MINE, threads=(BUSY,)),
    "the consuming process is only slow": standing(
        DEADLOCK,
        MP_PUT,
        MINE,
        on=wait("lock", shared=True),
        processes=(process("process 9", 9, MINE, stands=False),),
    ),
    "it waits for a lock of the queue, not for room": standing(DEADLOCK, PUT, MINE),
    "it waits for the feeding thread's lock": standing(DEADLOCK, MP_PUT, MINE),
    "a queue of the user's own": standing(DEADLOCK, ("wait", "/me/threading.py"), ("put", "/me/queue.py"), MINE),
    "nobody looked at the others": replace(FULL, details={"stack-still": FULL.details["stack-still"]}),
    "the producer works on": standing(DEADLOCK, CONDITION, GET, MINE, threads=(BUSY,)),
    "the producing process works on": standing(
        BLOCKED, RECV, MP_GET, MINE, on=wait("input"), processes=(process("process 9", 9, MINE, stands=False),)
    ),
    "a pipe without a queue": standing(BLOCKED, RECV, MINE, on=wait("input", what="a pipe")),
    "somebody may still set it": standing(DEADLOCK, CONDITION, EVENT, MINE, threads=(BUSY,)),
    "an event inside a pool": standing(DEADLOCK, CONDITION, EVENT, ("wait", f"{LIB}/multiprocessing/pool.py"), MINE),
    "a party is on its way": standing(DEADLOCK, *BARRIER, EVENT, MINE, threads=(thread(*BARRIER), BUSY)),
    "another thread may release it": replace(
        JOINED, details={**JOINED.details, "beside": {**JOINED.details["beside"], "threads": [BUSY]}}
    ),
    "a lock of two threads": standing(DEADLOCK, MINE, threads=(thread(MINE),)),
    "a forked worker that took the lock twice": replace(
        IN_CHILD,
        details={**IN_CHILD.details, "forked-waits-on-lock": {**FORKED, "frames": rows((HOOK, HOOK, MINE))}},
    ),
    "a forked child of another process": replace(
        IN_POOL, details={**IN_POOL.details, "forked-waits-on-lock": {**FORKED, "parent": 11}}
    ),
    "a pool of which one works on": replace(
        IN_POOL,
        details={
            **IN_POOL.details,
            "beside": {
                **IN_POOL.details["beside"],
                "processes": [process("worker 1", 10, MINE, stands=False)],
            },
        },
    ),
    "a loop that computes": replace(NAPS, details={"stack-in-loop": {"frames": rows((MINE,))}}),
    "the worker's own lock": replace(
        IN_WORKER,
        details={
            **IN_WORKER.details,
            "beside": {**IN_WORKER.details["beside"], "processes": [ASKS, {**STUCK, "wait": wait("lock", 9)}]},
        },
    ),
    "another worker goes on": replace(
        IN_WORKER,
        details={
            **IN_WORKER.details,
            "beside": {
                **IN_WORKER.details["beside"],
                "processes": [ASKS, STUCK, process("worker 1", 10, MINE, stands=False)],
            },
        },
    ),
    "the parent does something else": replace(
        IN_WORKER,
        details={
            **IN_WORKER.details,
            "beside": {
                **IN_WORKER.details["beside"],
                "processes": [process("main", 7, MINE, on=wait("child", peers=[9])), STUCK],
            },
        },
    ),
    "the worker is idle": replace(
        IN_WORKER, details={**IN_WORKER.details, "beside": {**IN_WORKER.details["beside"], "processes": [ASKS, IDLE]}}
    ),
}  # fmt: skip


def claimed(finding: Finding) -> str | None:
    cause = causes.recognise(finding)
    return cause.id if cause is not None else None


@pytest.mark.parametrize("what", FITS)
def test_a_cause_fits_its_evidence_and_no_other_does(what: str) -> None:
    cause_id, finding = FITS[what]
    assert [cause.id for cause in CAUSES if cause.matches(finding)] == [cause_id]


@pytest.mark.parametrize("what", FITS)
@pytest.mark.parametrize("verdict", [Verdict.HEALTHY, Verdict.SLOW_PHASE, Verdict.EXCEPTION])
def test_no_cause_is_claimed_under_another_verdict(what: str, verdict: Verdict) -> None:
    assert claimed(replace(FITS[what][1], verdict=verdict)) is None


@pytest.mark.parametrize("what", MISSES)
def test_no_cause_is_claimed_when(what: str) -> None:
    assert claimed(MISSES[what]) is None


def test_a_queue_in_a_worker_is_first_of_all_a_wait_for_the_parent() -> None:
    stuck = process("worker 0", 9, RECV, MP_GET, MINE, WORKER, on=wait("input", 9, bystanders=[7]))
    links = chain(wait("input", peers=[9]), wait("input", 9, bystanders=[7]))
    finding = standing(
        BLOCKED,
        RECV,
        MP_GET,
        MINE,
        WORKER,
        processes=(ASKS, stuck),
        on=wait("input", 9),
        chains={"waits-on-peer": links},
    )
    assert claimed(finding) == "worker-waits-for-parent"


def test_a_worker_whose_consumer_ended_puts_into_a_full_queue() -> None:
    stuck = process("worker 0", 9, MP_PUT, MINE, WORKER, on=wait("lock", 9, shared=True))
    links = chain(wait("input", peers=[9]), wait("lock", 9, shared=True))
    on = wait("lock", 9, shared=True)
    finding = standing(DEADLOCK, MP_PUT, MINE, WORKER, processes=(ASKS, stuck), on=on, chains={"waits-on-peer": links})
    assert claimed(finding) == "queue-full"


def test_nothing_is_said_of_the_parent_if_another_process_has_ended() -> None:
    others = {**IN_WORKER.details["beside"], "ended": [12]}
    assert claimed(replace(IN_WORKER, details={**IN_WORKER.details, "beside": others})) is None


def look(*threads: ThreadStack, at_s: float, sleeps: bool = False, woke: tuple[int, int] = (0, 0)) -> Look:
    """
    The training's process (7) with these threads, the second asleep on purpose or waiting for a lock.

    :param woke: how often the first and the second went to sleep so far.
    """
    kinds = {7: Kind.LOCK, 8: Kind.SLEEP if sleeps else Kind.LOCK}
    found = {(7, stack.tid): Wait(7, stack.tid, kinds[stack.tid], "futex", "", timed=False) for stack in threads}
    readings = tuple(
        procfs.ThreadReading(stack.tid, "S", 0.0, None, voluntary_switches=woke[stack.tid - 7]) for stack in threads
    )
    process = procfs.ProcessReading(7, 1, 7, "S", 0.0, 0, readings, 0, None, "python")
    dump = Dump(7, 0, False, threads)
    return Look(int(at_s * 1e9), at_s, None, (process,), {7: dump}, {}, WaitGraph(found, {7: "S"}, {7: 1}))


MAIN_THREAD = ThreadStack(
    7, "MainThread", False, False, (Frame("put", f"{LIB}/queue.py", 1), Frame("f", "/me/a.py", 2))
)


def helper(file: str, line: int = 3) -> ThreadStack:
    return ThreadStack(8, "helper", False, False, (Frame("wait", f"{LIB}/threading.py", 1), Frame("run", file, line)))


def seen_beside(*looks: Look) -> dict[str, Any] | None:
    progress: Any = SimpleNamespace(recording=None, states=lambda: iter(()))
    found = [item for item in beside(Observations(0, list(looks)), progress) if item.kind == "beside"]
    return found[0].detail if found else None


def may_be_ended_by_a_sleeper(*looks: Look) -> bool:
    progress: Any = SimpleNamespace(recording=None, states=lambda: iter(()))
    return any(item.kind == "sleeper-may-end-it" for item in beside(Observations(0, list(looks)), progress))


def test_one_that_has_slept_all_the_time_may_still_end_the_wait() -> None:
    dumped = [(0, 10), (2, 12), (4, 14)]  # by each dump all threads wake
    looks = [look(MAIN_THREAD, helper("/me/a.py"), at_s=n, sleeps=True, woke=woke) for n, woke in enumerate(dumped)]
    assert may_be_ended_by_a_sleeper(*looks)


def test_one_that_woke_and_did_not_end_the_wait_is_no_hope() -> None:
    woke_itself = [(0, 10), (2, 13), (4, 15)]
    looks = [
        look(MAIN_THREAD, helper("/me/a.py"), at_s=n, sleeps=True, woke=woke) for n, woke in enumerate(woke_itself)
    ]
    assert not may_be_ended_by_a_sleeper(*looks)
    waits = [look(MAIN_THREAD, helper("/me/a.py"), at_s=n) for n in (1, 2)]
    assert not may_be_ended_by_a_sleeper(*waits)


def test_a_thread_that_waits_without_end_stands() -> None:
    alone = seen_beside(look(MAIN_THREAD, at_s=1), look(MAIN_THREAD, at_s=2))
    assert alone is not None
    assert alone["threads"] == []
    both = [look(MAIN_THREAD, helper("/me/a.py"), at_s=at) for at in (1, 2)]
    with_another = seen_beside(*both)
    assert with_another is not None
    assert [thread["stands"] for thread in with_another["threads"]] == [True]
    assert [process["stands"] for process in with_another["processes"]] == [True]


@pytest.mark.parametrize("how", ["sleeps", "moves"])
def test_a_thread_that_sleeps_or_moves_does_not_stand(how: str) -> None:
    looks = [
        look(MAIN_THREAD, helper("/me/a.py", at if how == "moves" else 3), at_s=at, sleeps=how == "sleeps")
        for at in (1, 2)
    ]
    found = seen_beside(*looks)
    assert found is not None
    assert [thread["stands"] for thread in found["threads"]] == [False]
    assert [process["stands"] for process in found["processes"]] == [False]


def test_a_progress_bar_is_nobody_who_helps() -> None:
    bar = f"{LIB}/site-packages/tqdm/_monitor.py"
    found = seen_beside(*[look(MAIN_THREAD, helper(bar), at_s=at, sleeps=True) for at in (1, 2)])
    assert found is not None
    assert found["threads"] == []
    assert [process["stands"] for process in found["processes"]] == [True]


def test_nothing_is_said_of_a_thread_that_moves_itself() -> None:
    moved = ThreadStack(7, "MainThread", False, False, (Frame("put", f"{LIB}/queue.py", 9), Frame("f", "/me/a.py", 2)))
    assert seen_beside(look(MAIN_THREAD, at_s=1), look(moved, at_s=2)) is None
    assert seen_beside(look(MAIN_THREAD, at_s=1)) is None
