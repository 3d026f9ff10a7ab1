"""No event at all: whether the family burns CPU, where it stands, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterator

from probes import code, procfs, workers
from probes.evidence.observed import Observed
from probes.evidence.waiting import subject_of, words
from probes.observer import Look, Observations
from probes.progress import Progress
from probes.stacks import Frame
from probes.waits import End, Kind, Wait
from probes.waits.subject import Subject

_BURNING = 0.5
"""Cores in use from which on the family counts as burning CPU."""
_FLAT = 0.03


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
    # Without an agent that we brought along nobody knows whether events come.
    if not seen.attached or last.state is not None:
        yield Observed(
            "silence",
            at,
            f"no event for {last.silence_s:.1f} s, {where}{usual}",
            {"silence_s": round(last.silence_s, 3), "path": list(last.state.path) if last.state else []},
        )
    if last.state is not None and last.state.exit_ns:
        shutting_s = max(last.at_ns - last.state.exit_ns, 0) / 1e9
        yield Observed(
            "trained-but-stays",
            at,
            f"the program came to its end, but the process has not exited for {shutting_s:.1f} s",
            {"shutting_down_s": round(shutting_s, 3)},
        )
    elif last.state is not None and last.state.starting:
        yield Observed("starting-up", at, "training has not begun yet: how long that takes, nobody can tell", {})
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
    yield from _waits(looks, subject, label, at)


def _runs(looks: list[Look], subject: Subject) -> bool:
    """Whether the thread ran, or waited only for a core, whenever it was looked at."""
    threads = [
        thread
        for look in looks
        for process in look.processes
        for thread in process.threads
        if (process.pid, thread.tid) == subject.node
    ]
    return bool(threads) and all(thread.state == "R" for thread in threads)


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
    else:
        yield Observed("stack-moving", at, f"{len(stacks)} stacks of {whose} differ; the last is in {top}", detail)


def _waits(looks: list[Look], subject: Subject, label: str, at: float) -> Iterator[Observed]:
    """What the subject waits for, if it was the same at every look; and locks and stops elsewhere if it may be them."""
    if subject.chain is not None and subject.chain.end in (End.DEAD, End.CYCLE):
        return
    last = subject.last_wait
    on_the_way = subject.chain.path if subject.chain is not None else ()
    certain = subject.chain is not None and not (
        subject.chain.end is End.WAITS and last is not None and last.kind.is_outside and not last.peers
    )
    kinds: dict[tuple[int, int], set[str]] = {}
    texts: dict[tuple[int, int], str] = {}
    for look in looks:
        for process in look.processes:
            for tid in {process.pid} | ({subject.tid} if process.pid == subject.pid else set()):
                whose = label if process.pid == subject.pid else f"process {process.pid}"
                found = _wait_of(process, tid, look, whose)
                if found is not None:
                    kinds.setdefault((process.pid, tid), set()).add(found[0])
                    texts[process.pid, tid] = found[1]
    for node, seen_kinds in kinds.items():
        if len(seen_kinds) != 1:
            continue
        kind = next(iter(seen_kinds))
        elsewhere = not certain and node not in on_the_way and kind in ("waits-on-lock", "stopped")
        if kind != "runs" and (node == subject.node or elsewhere):
            yield Observed(
                kind, at, texts[node], {"pid": node[0], "process": label if node == subject.node else None}
            )  # fmt: skip


def _wait_of(process: procfs.ProcessReading, tid: int, look: Look, whose: str) -> tuple[str, str] | None:
    """Kind of evidence and its sentence; None for a process that is over, or a thread that is not there."""
    if process.state in ("Z", "X"):
        return None
    owner = f"process {process.pid}" if whose.startswith("process") else f"{whose} (process {process.pid})"
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
    return _kind_of(wait), f"{who} waits on {words(wait)}{in_call}"


def _kind_of(wait: Wait) -> str:
    if wait.kind is Kind.SLEEP:
        kind = "sleeps"
    elif wait.kind is Kind.LOCK:
        kind = "waits-on-lock" if not wait.timed else "waits-for-a-while"
    elif wait.kind.is_outside:
        kind = "waits-outside"
    else:
        kind = "waits"
    return kind
