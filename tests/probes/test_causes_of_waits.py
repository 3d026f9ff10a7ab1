"""Known causes of runs that stand still, end badly or crawl: each fits its own evidence and none of its near misses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from probes import causes
from probes.causes import CAUSES, Finding
from probes.diagnosis import Culprit
from probes.verdicts import Verdict

ME = Culprit("step", "/me/train.py", 3, None, None)
WORKER = Culprit("step", "/me/train.py", 3, None, None, "worker 1")
LIB = "/usr/lib/python3.11"


def waits(
    kind: str, what: str = "", descriptors: tuple[int, ...] = (), pid: int = 7, call: str = "read"
) -> dict[str, Any]:
    return {"pid": pid, "tid": pid, "kind": kind, "call": call, "what": what, "descriptors": list(descriptors)}


def blocked(wait: dict[str, Any]) -> Finding:
    """The training waits by itself."""
    return Finding(Verdict.BLOCKED, "collect", ME, {"waits-outside": {"pid": 7, "wait": wait}}, {})


def chained(verdict: Verdict, *links: dict[str, Any], kind: str = "waits-on-peer") -> Finding:
    """The training (7) waits for another process."""
    chain = {"chain": list(links), "nearest": {"process": "main", "pid": 7, "frames": []}}
    return Finding(verdict, "collect", ME, {kind: chain}, {})


def standing(verdict: Verdict, *frames: tuple[str, str], culprit: Culprit = ME, **details: Any) -> Finding:
    rows = [[function, file, 1] for function, file in frames]
    return Finding(verdict, "collect", culprit, {"stack-still": {"frames": rows, "process": "main"}, **details}, {})


def alone(wait: dict[str, Any], *frames: tuple[str, str]) -> Finding:
    """It waits for what only its own process could give."""
    found = standing(Verdict.DEADLOCK, *frames)
    return replace(found, details={**found.details, "waits-on-itself": {"wait": wait}})


def ending(*frames: tuple[str, str]) -> Finding:
    rows = [[function, file, 1] for function, file in frames]
    return Finding(Verdict.EXIT_HANG, "exit", ME, {"trained-but-stays": {"frames": rows}}, {})


def error(kind: str, message: str) -> Finding:
    return Finding(Verdict.EXCEPTION, "train", ME, {"uncaught-exception": {"type": kind, "message": message}}, {})


def slow(facts: dict[str, Any], details: dict[str, dict[str, Any]] | None = None) -> Finding:
    return Finding(Verdict.SLOW_PHASE, "train", ME, details or {}, facts)


LOOP = waits("input", "a socket", (6,), call="epoll_wait")
STDIN = blocked(waits("input", "a pipe", (0,)))
SOCKET = blocked(waits("input", "the TCP socket to 127.0.0.1:4000", (5,)))
FIFO = blocked(waits("open", "somebody to open the other end of the named pipe /tmp/x"))
SHUTDOWN = ("_shutdown", f"{LIB}/threading.py")
POOL = ("_python_exit", f"{LIB}/concurrent/futures/thread.py")
LOGGED = standing(Verdict.DEADLOCK, ("acquire", f"{LIB}/logging/__init__.py"), ("step", "/me/train.py"), culprit=WORKER)
NAN = error(
    "ValueError",
    "Expected parameter logits (Tensor of shape (64, 3)) of distribution Categorical(logits: torch.Size([64, 3])) to "
    "satisfy the constraint IndependentConstraint(Real(), 1), but found invalid values:\ntensor([[nan, nan, nan]])",
)
LSTM = Culprit("_process_sequence", "/x/policies.py", 198, "sb3_contrib.common.recurrent.policies", "sb3_contrib")
PADDED = replace(
    slow({}, {"padded-update": {"used_share": 0.02}, "module-loop": {"owner": "LSTM", "function": "f"}}), culprit=LSTM
)
STEPS = slow({}, {"many-gradient-steps": {"gradient_steps": 1000, "train_freq_steps": 50}})
CROWD = slow({"torch_threads": 64}, {"threads-exceed-cores": {"cores": 2, "runnable": 40.0}})
QUOTA = slow({}, {"cpu-throttled": {"periods": 100, "throttled": 90}})
GOMP = Finding(
    Verdict.DEADLOCK,
    "collect",
    WORKER,
    {"native-stack": {"threads": 1, "frames": [["gomp_team_barrier_wait_end", "/x/torch/lib/libgomp.so.1", None]]}},
    {},
)

FITS = {
    "waits-for-stdin": STDIN,
    "file-lock-held": blocked(waits("file lock", "a lock on /tmp/x", (4,), call="flock")),
    "named-pipe-unopened": FIFO,
    "connect-unanswered": blocked(waits("connect", "the TCP socket to 127.0.0.1:4000", (5,))),
    "peer-does-not-answer": SOCKET,
    "pipe-nobody-reads": chained(
        Verdict.DEADLOCK,
        waits("child", "the end of a child process"),
        waits("room", "a pipe", pid=8),
        kind="wait-cycle",
    ),
    "event-loop-idle": alone(LOOP, ("_run_once", f"{LIB}/asyncio/base_events.py")),
    "gpu-works-on": Finding(Verdict.BLOCKED, "train", ME, {"waits-for-gpu": {"gpu": "busy"}}, {}),
    "gpu-silent": Finding(Verdict.BLOCKED, "train", ME, {"waits-for-gpu": {"gpu": "idle"}}, {}),
    "process-stopped": Finding(Verdict.BLOCKED, "collect", WORKER, {"stopped": {"pid": 9}}, {}),
    "worker-gone": Finding(Verdict.BLOCKED, "collect", None, {"peer-is-dead": {"process": "worker 2"}}, {}),
    "gil-held": Finding(Verdict.DEADLOCK, "collect", ME, {"gil-held": {}}, {}),
    "queue-join": standing(
        Verdict.DEADLOCK,
        ("Condition.wait", f"{LIB}/threading.py"),
        ("Queue.join", f"{LIB}/queue.py"),
        ("f", "/me/x.py"),
    ),
    "import-lock": standing(
        Verdict.DEADLOCK,
        ("Thread.join", f"{LIB}/threading.py"),
        ("<module>", "/me/rates.py"),
        ("_call_with_frames_removed", "<frozen importlib._bootstrap>"),
    ),
    "fork-after-openmp": GOMP,
    "fork-with-lock-held": LOGGED,
    "executor-at-exit": ending(("join", f"{LIB}/threading.py"), POOL, SHUTDOWN),
    "thread-at-exit": ending(SHUTDOWN),
    "worker-at-exit": ending(
        ("Popen.wait", f"{LIB}/multiprocessing/popen_fork.py"),
        ("join", f"{LIB}/multiprocessing/process.py"),
        ("_exit_function", f"{LIB}/multiprocessing/util.py"),
    ),
    "endless-evaluation": Finding(Verdict.SLOW_PHASE, "eval", ME, {"episode-without-end": {"steps": 9000}}, {}),
    "gradient-steps": STEPS,
    "padded-sequences": PADDED,
    "subnormal-numbers": slow({}, {"subnormal-numbers": {"share": 0.4}}),
    "too-many-threads": CROWD,
    "cpu-quota": QUOTA,
    "nan-in-policy": NAN,
    "observation-shape": error("ValueError", "could not broadcast input array from shape (7,) into shape (6,)"),
    "stack-full": Finding(Verdict.CRASH, "collect", ME, {"stack-overflow": {}}, {}),
    "observation-reused": Finding(Verdict.CORRUPTION, "collect", ME, {"aliased-observation": {}}, {}),
}

MISSES = {
    "an event loop that another thread may wake": standing(
        Verdict.DEADLOCK, ("_run_once", f"{LIB}/asyncio/base_events.py")
    ),
    "a socket of one's own is full": alone(waits("room", "a socket", (6,)), ("write", "/me/a.py")),
    "another descriptor is read": blocked(waits("input", "a pipe", (3,))),
    "standard input is one of several": blocked(waits("input", "a pipe", (0, 3))),
    "a file is slow to open": blocked(waits("open", "the file /mnt/x to open")),
    "it waits for any child": chained(Verdict.BLOCKED, waits("child", "the end of a child process")),
    "the child reads": chained(Verdict.DEADLOCK, waits("child"), waits("input", "a pipe", pid=8)),
    "the socket is a local one": blocked(waits("input", "a socket", (5,))),
    "the helper reads from its own standard input": chained(
        Verdict.BLOCKED, waits("input", "a pipe", (6,)), waits("input", "a pipe", (0,), pid=8)
    ),
    "the dead one is no worker": Finding(Verdict.BLOCKED, None, None, {"peer-is-dead": {"process": "process 8"}}, {}),
    "a join of a user's own": standing(Verdict.DEADLOCK, ("join", "/me/roads.py")),
    "an import long ago": standing(Verdict.DEADLOCK, ("<module>", "/me/a.py"), ("exec_module", "importlib/_x.py")),
    "openmp in the main process": replace(GOMP, culprit=ME),
    "openmp with its threads there": replace(
        GOMP, details={"native-stack": {**GOMP.details["native-stack"], "threads": 4}}
    ),
    "a lock of another library": replace(
        GOMP, details={"native-stack": {"threads": 1, "frames": [["pthread_mutex_lock", "/x/libc.so.6", None]]}}
    ),
    "a log handler's lock in the main process": replace(LOGGED, culprit=ME),
    "it ends in a user's function": ending(("close", "/me/env.py")),
    "it ends in joining a process of a user's": ending(("join", f"{LIB}/multiprocessing/process.py")),
    "the evaluation goes on but episodes end": Finding(Verdict.SLOW_PHASE, "eval", ME, {"step-stands-still": {}}, {}),
    "many updates, but slow elsewhere": replace(STEPS, phase="collect"),
    "a padded update of a user's own policy": replace(PADDED, culprit=ME),
    "the crowd is not torch's": replace(CROWD, facts={"torch_threads": 2}),
    "held back now and then": slow({}, {"cpu-throttled": {"periods": 100, "throttled": 20}}),
    "a policy without a sample of its values": error("ValueError", "Expected parameter scale to be positive"),
    "another error that speaks of shapes": error("RuntimeError", "mat1 and mat2 shapes cannot be multiplied"),
    "a crash with room on the stack": Finding(Verdict.CRASH, "collect", ME, {"death-stack": {}}, {}),
    "corrupt in another way": Finding(Verdict.CORRUPTION, "train", ME, {"buffer-changed": {}}, {}),
}  # fmt: skip


def test_every_cause_is_told_from_others_here_or_beside() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert not {cause.id for cause in CAUSES if f'"{cause.id}' not in tests}
    assert FITS.keys() <= {cause.id for cause in CAUSES}


@pytest.mark.parametrize("cause_id", FITS)
def test_a_cause_fits_its_evidence_and_no_other_does(cause_id: str) -> None:
    assert [cause.id for cause in CAUSES if cause.matches(FITS[cause_id])] == [cause_id]


@pytest.mark.parametrize("cause_id", FITS)
@pytest.mark.parametrize("verdict", [Verdict.HEALTHY, Verdict.OOM])
def test_no_cause_is_claimed_under_another_verdict(cause_id: str, verdict: Verdict) -> None:
    assert causes.recognise(replace(FITS[cause_id], verdict=verdict)) is None


@pytest.mark.parametrize("what", MISSES)
def test_no_cause_is_claimed_when(what: str) -> None:
    found = causes.recognise(MISSES[what])
    assert found is None, found.id
