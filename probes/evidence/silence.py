"""No event at all: whether the family burns CPU, where it stands, and what it waits for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from probes import code, workers
from probes.evidence.disk import disk, keeps_waiting, naps_per_s
from probes.evidence.observed import Observed
from probes.evidence.waiting import subject_of, words
from probes.observer import Look, Observations
from probes.progress import TRAINED_SILENCE_FLOOR_S, Progress
from probes.stacks import Frame
from probes.system import procfs
from probes.waits import End, Kind, Wait
from probes.waits.subject import Subject

_BURNING = 0.5
"""Cores in use from which on the family counts as burning CPU."""
_FLAT = 0.03
_NATIVE_SHOWN = 5
_NAPS_PER_S = 3.0
"""A single long sleep is interrupted now and then, by the looks at it too."""
_LONG_S = 100.0
"""Who waits on purpose, for a rate limit or a simulator that starts, seldom waits longer."""
_STARTING = 0.1
"""Cores that a process at work uses."""
_STARTS_NS = 5_000_000_000
"""An agent that starts counts as an event, and it starts a while after its process."""
_STARTED_NS = 25_000_000_000
"""What has not come to its work by then is not starting any more."""
_NS_OF_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def silence(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """What the looks at a family without events show, taken together."""
    looks = seen.looks
    if not looks:
        return
    last = looks[-1]
    at = seen.at_s(last.at_ns)
    where = "in " + " > ".join(last.state.path) if last.state and last.state.path else "outside any phase"
    usual_s = progress.usual_stay_s()
    usual = f"; the longest before was {usual_s:.2g} s" if usual_s else ""
    # Where no agent has seen anything, nobody knows whether events come.
    if last.state is not None:
        yield Observed(
            "silence",
            at,
            f"no event for {last.silence_s:.1f} s, {where}{usual}",
            {"silence_s": round(last.silence_s, 3), "path": list(last.state.path) if last.state else []},
        )
    main = _main_frames(last, workers.trainer(seen, progress))
    if last.state is not None and (last.state.exit_ns or _has_wound_up(looks, workers.trainer(seen, progress))):
        shutting_s = max(last.at_ns - last.state.exit_ns, 0) / 1e9 if last.state.exit_ns else last.silence_s
        yield Observed(
            "trained-but-stays",
            at,
            f"the program came to its end, but the process has not exited for {shutting_s:.1f} s",
            {
                "shutting_down_s": round(shutting_s, 3),
                "frames": [[frame.function, frame.file, frame.line] for frame in main],
            },
        )
    elif last.state is not None and last.state.starting:
        yield Observed("starting-up", at, "training has not begun yet: how long that takes, nobody can tell", {})
    elif last.state is not None and last.state.trained:
        yield Observed(
            "trained", at, "training is over: how long it takes what the program does now, nobody can tell", {}
        )
    if len(looks) < 2:
        return
    first = looks[0]
    span_s = (last.at_ns - first.at_ns) / 1e9
    # What was started may be a launcher or a shell, which waits for the one that trains; and that may wait for
    # a worker: what it does in the end is what the worker does.
    subject = subject_of(seen, progress)
    running = _runs(looks, subject)
    label = workers.label(subject.pid, workers.trainer(seen, progress), workers.numbers(seen, progress))
    if span_s >= 1.0:
        yield from _cpu(first, last, span_s, at, running=running)
    yield from _stack_motion(_stacks(looks, subject), label, subject, at, running=running)
    trained = {recording.pid for recording, state in progress.states() if state.phases}
    yield from _starting(looks, trained | {subject.pid}, at)
    yield from disk(looks, subject.node, label, at)
    yield from _native(looks, subject, at)
    yield from _waits(looks, subject, label, at)


def _main_frames(look: Look, pid: int) -> list[Frame]:
    """The main thread's stack, innermost first; empty if there is none."""
    taken = look.dumps.get(pid)
    threads = taken.threads if taken is not None else ()
    return [frame for thread in threads if thread.tid == pid for frame in thread.frames if not code.is_ours(frame.file)]


def _has_wound_up(looks: list[Look], pid: int) -> bool:
    """Whether it winds up, and if it did something else in this silence before, for as long as makes a silence."""
    winding = [_winds_up(look, _main_frames(look, pid)) for look in looks]
    if not winding[-1] or all(winding):
        return winding[-1]
    since = max(place for place, winds in enumerate(winding) if not winds) + 1
    return (looks[-1].at_ns - looks[since].at_ns) / 1e9 >= TRAINED_SILENCE_FLOOR_S


def _winds_up(look: Look, main: list[Frame]) -> bool:
    """
    Whether learning is over and the main thread closes environments, or joins its threads at the interpreter's end.

    Both come before all exit handlers, and so before ours.
    """
    if look.state is None or look.state.path or "learn" not in look.state.phases or not main:
        return False
    closes = any(code.bare(frame.function) == "close" and "/vec_env/" in frame.file for frame in main)
    return closes or (code.bare(main[-1].function) == "_shutdown" and main[-1].file.endswith("threading.py"))


def _runs(looks: list[Look], subject: Subject) -> bool:
    """Whether the thread ran, or waited only for a core, all along."""
    threads = [
        thread
        for look in looks
        for process in look.processes
        for thread in process.threads
        if (process.pid, thread.tid) == subject.node
    ]
    awake = bool(threads) and all(thread.state == "R" for thread in threads)
    return awake and not keeps_waiting(looks, subject.node)


def _cpu(first: Look, last: Look, span_s: float, at: float, *, running: bool) -> Iterator[Observed]:
    before = {process.pid: process.cpu_s for process in first.processes}
    cores = sum(p.cpu_s - before[p.pid] for p in last.processes if p.pid in before) / span_s
    if cores >= _BURNING or (running and cores > _FLAT):
        # On a busy machine it gets less than it asks for.
        kind, says = "cpu-burning", "burnt"
    elif cores <= _FLAT:
        kind, says = "cpu-flat", "used"
    else:
        kind, says = "cpu-some", "used"
    yield Observed(
        kind,
        at,
        f"over {span_s:.1f} s of looking at it the process family {says} {cores:.2f} cores",
        {"cores": round(cores, 3)},
    )


def _stacks(looks: list[Look], subject: Subject) -> list[tuple[Frame, ...]]:
    """A thread's stacks, innermost first, the agent's frames left out."""
    return [
        tuple(frame for frame in thread.frames if not code.is_ours(frame.file))
        for look in looks
        if subject.pid in look.dumps
        for thread in look.dumps[subject.pid].threads
        if thread.tid == subject.tid
    ]


def stays_within(looks: list[Look], subject: Subject) -> tuple[Frame, ...]:
    """The last stack of a thread from the innermost call on that is in all its stacks."""
    stacks = _stacks(looks, subject)
    inside = _shared(stacks) if len(stacks) > 1 else None
    if inside is None:
        return ()
    at_loop = next(n for n, f in enumerate(stacks[-1]) if (f.function, f.file) == (inside.function, inside.file))
    return stacks[-1][at_loop:]


def _stack_motion(
    stacks: list[tuple[Frame, ...]], label: str, subject: Subject, at: float, *, running: bool
) -> Iterator[Observed]:
    if len(stacks) < 2:
        return
    whose = f"{'the main thread' if subject.pid == subject.tid else f'thread {subject.tid}'}"
    if label != workers.MAIN:
        whose += f" of {label}"
    lines = {tuple((f.function, f.file, f.line) for f in stack) for stack in stacks}
    functions = {tuple((f.function, f.file) for f in stack) for stack in stacks}
    top = stacks[-1][0].short if stacks[-1] else "an empty stack"
    detail = {
        "dumps": len(stacks),
        "process": label,
        "frames": [[f.function, f.file, f.line] for f in stacks[-1][:40]],
    }
    if len(lines) == 1 and not running:
        yield Observed(
            "stack-still", at, f"{len(stacks)} stacks of {whose} are the same to the line: {top}", detail
        )  # fmt: skip
    elif len(functions) == 1:
        yield Observed("stack-in-place", at, f"{len(stacks)} stacks of {whose} move within {top}", detail)
    elif (inside := _common(stacks)) is not None:
        # What happens to be called from there at the moment is not what goes round.
        at_loop = next(n for n, f in enumerate(stacks[-1]) if (f.function, f.file) == (inside.function, inside.file))
        says = f"{len(stacks)} stacks of {whose} differ only below {inside.short}"
        yield Observed("stack-in-loop", at, says, {**detail, "inside": at_loop})
    else:
        yield Observed("stack-moving", at, f"{len(stacks)} stacks of {whose} differ; the last is in {top}", detail)


def _common(stacks: list[tuple[Frame, ...]]) -> Frame | None:
    """The innermost call that is in all stacks, if it is one of the user's: what goes round, goes round in there."""
    shared = _shared(stacks)
    users = shared is not None and code.library(shared.file) is None and not shared.is_native
    return shared if users and shared is not None and shared.function != "<module>" else None


def _shared(stacks: list[tuple[Frame, ...]]) -> Frame | None:
    """The innermost call that is in all stacks."""
    shared = None
    for frames in zip(*(reversed(stack) for stack in stacks), strict=False):
        if len({(frame.function, frame.file) for frame in frames}) > 1:
            break
        shared = frames[0]
    return shared


def _starting(looks: list[Look], known: set[int], at: float) -> Iterator[Observed]:
    """
    Processes that were started during the silence and are at work: what is waited for may be what they prepare.

    :param known: those that have passed marks, and so are past their beginning.
    """
    before, last = looks[-2:]
    began_ns = last.at_ns - int(last.silence_s * 1e9)
    used = {process.pid: process.cpu_s for process in before.processes}
    span_s = (last.at_ns - before.at_ns) / 1e9
    busy = [
        process
        for process in last.processes
        if process.pid not in known
        and began_ns - _STARTS_NS < process.started_ticks * _NS_OF_TICK > last.at_ns - _STARTED_NS
        and process.cpu_s - used.get(process.pid, 0.0) > _STARTING * span_s
    ]
    if busy:
        cores = sum(process.cpu_s - used.get(process.pid, 0.0) for process in busy) / span_s
        yield Observed(
            "helpers-starting",
            at,
            f"{len(busy)} processes were started since the last event and use {cores:.2f} cores",
            {"pids": [process.pid for process in busy], "cores": round(cores, 3)},
        )


def _native(looks: list[Look], subject: Subject, at: float) -> Iterator[Observed]:
    """The mixed stack of a thread that waits on a lock, and how many threads there are to release it."""
    for look in looks:
        taken = look.native.get(subject.pid)
        threads = [len(process.threads) for process in look.processes if process.pid == subject.pid]
        for thread in taken.threads if taken is not None else ():
            frames = list(thread.frames)
            inner = [frame for frame in frames[:_NATIVE_SHOWN] if frame.is_native]
            if thread.tid == subject.tid and inner and threads:
                stack = " ← ".join(f"{code.bare(frame.function)} ({Path(frame.file).name})" for frame in inner)
                count = f"{threads[0]} thread{'s' if threads[0] != 1 else ''}"
                yield Observed(
                    "native-stack",
                    at,
                    f"in native code it stands in {stack}; its process has {count}",
                    {"frames": [[f.function, f.file, f.line] for f in frames[:40]], "threads": threads[0]},
                )
                return


def _waits(looks: list[Look], subject: Subject, label: str, at: float) -> Iterator[Observed]:
    """What the subject waits for, if it was the same at every look; and locks and stops elsewhere if it may be them."""
    if subject.chain is not None and subject.chain.end in (End.DEAD, End.CYCLE):
        return
    last = subject.last_wait
    naps = naps_per_s(looks, subject.node)
    on_the_way = subject.chain.path if subject.chain is not None else ()
    certain = subject.chain is not None and not (
        subject.chain.end is End.WAITS and last is not None and last.kind.is_outside and not last.peers
    )
    kinds: dict[tuple[int, int], set[str]] = {}
    texts: dict[tuple[int, int], str] = {}
    waits: dict[tuple[int, int], Wait] = {}
    for look in looks:
        for process in look.processes:
            for tid in {process.pid} | ({subject.tid} if process.pid == subject.pid else set()):
                whose = label if process.pid == subject.pid else f"process {process.pid}"
                found = _wait_of(process, tid, look, whose)
                if found is not None:
                    kinds.setdefault((process.pid, tid), set()).add(found[0])
                    texts[process.pid, tid] = found[1]
                    if (process.pid, tid) in look.waits.waits:
                        waits[process.pid, tid] = look.waits.waits[process.pid, tid]
    for node, seen_kinds in kinds.items():
        # What was a long wait at first gets shorter.
        shorter = {_SHORTER.get(kind, kind) for kind in seen_kinds}
        if len(seen_kinds) > 1 and len(shorter) == 1:
            seen_kinds = shorter
        if len(seen_kinds) != 1:
            continue
        kind = next(iter(seen_kinds))
        if kind == "sleeps" and node == subject.node and naps is not None and naps >= _NAPS_PER_S:
            kind, texts[node] = "naps-in-a-loop", f"{texts[node]}, {naps:.0f} times a second"
        elsewhere = not certain and node not in on_the_way and kind in ("waits-on-lock", "stopped")
        if kind != "runs" and (node == subject.node or elsewhere):
            detail = {
                "pid": node[0],
                "process": label if node == subject.node else None,
                "wait": waits[node].to_json() if node in waits else None,
            }
            yield Observed(kind, at, texts[node], detail)


def _wait_of(process: procfs.ProcessReading, tid: int, look: Look, whose: str) -> tuple[str, str] | None:
    """Kind of evidence and its sentence; None for a process that is over, or a thread that is not there."""
    if process.state in ("Z", "X"):
        return None
    foreign = whose.startswith("process")
    owner = f"process {process.pid}" if foreign else f"{whose} (process {process.pid})"
    if process.state in ("T", "t"):
        return "stopped", f"{owner} is stopped (SIGSTOP)"
    thread = next((thread for thread in process.threads if thread.tid == tid), None)
    if thread is None:
        return None
    who = f"{'the main thread' if tid == process.pid else f'thread {tid}'} of {owner}"
    taken = look.dumps.get(process.pid)
    stack = next((s for s in taken.threads if s.tid == tid), None) if taken is not None else None
    in_call = f" in {stack.frames[0].short}" if stack is not None and stack.frames else ""
    wait = look.waits.waits.get((process.pid, tid))
    if wait is None:
        return "runs", f"{who} runs{in_call}"
    return _kind_of(wait, foreign=foreign), f"{who} waits on {words(wait)}{in_call}"


_SHORTER = {"sleeps-long": "sleeps", "waits-on-lock": "waits-for-a-while"}


def _kind_of(wait: Wait, *, foreign: bool) -> str:
    long = wait.wakes_in_s is not None and wait.wakes_in_s > _LONG_S
    if wait.kind is Kind.SLEEP:
        # A training that sleeps a while means to; one that waits for a helper that sleeps has no say in it.
        kind = "peer-sleeps" if foreign else "sleeps-long" if long else "sleeps"
    elif wait.kind is Kind.LOCK:
        kind = "waits-on-lock" if long or not wait.timed else "waits-for-a-while"
    elif wait.kind.is_outside:
        kind = "waits-outside"
    else:
        kind = "waits"
    return kind
