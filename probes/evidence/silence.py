"""No event at all: whether the family burns CPU, where it stands, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterator

from probes import code, procfs
from probes.evidence.observed import Observed
from probes.observer import Look, Observations
from probes.progress import Progress
from probes.stacks import Frame

_BURNING = 0.5
"""Cores in use from which on the family counts as burning CPU."""
_FLAT = 0.03
_LOCK_WAITS = ("futex",)
_OUTSIDE_WAITS = (
    "pipe_",
    "unix_stream",
    "wait_woken",
    "sk_wait",
    "inet_csk",
    "locks_lock",
    "do_wait",
    "tty",
    "fifo",
)
_SLEEPS = ("hrtimer_nanosleep", "do_nanosleep")


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
    # What was started may be a launcher or a shell, which waits for the one that trains.
    pid = progress.recording.pid if progress.recording is not None else last.processes[0].pid if last.processes else 0
    running = _runs(looks, pid)
    if span_s >= 1.0:
        yield from _cpu(first, last, span_s, at, running=running)
    yield from _stack_motion(main_stacks(looks, pid), at, running=running)
    yield from _waits(looks, pid, at)


def _runs(looks: list[Look], pid: int) -> bool:
    """Whether the main thread ran, or waited only for a core, whenever it was looked at."""
    mains = [process.main for look in looks for process in look.processes if process.pid == pid]
    states = [main.state for main in mains if main is not None]
    return bool(states) and all(state == "R" for state in states)


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
        f"over {span_s:.1f} s of silence the process family {says} {cores:.2f} cores",
        {"cores": round(cores, 3)},
    )


def main_stacks(looks: list[Look], pid: int) -> list[tuple[Frame, ...]]:
    """The training process's main-thread stacks, innermost first, the agent's frames left out."""
    stacks = []
    for look in looks:
        taken = look.dumps.get(pid)
        thread = taken.main if taken is not None else None
        if thread is not None:
            stacks.append(tuple(frame for frame in thread.frames if not code.is_ours(frame.file)))
    return stacks


def _stack_motion(stacks: list[tuple[Frame, ...]], at: float, *, running: bool) -> Iterator[Observed]:
    if len(stacks) < 2:
        return
    lines = {tuple((f.function, f.file, f.line) for f in stack) for stack in stacks}
    functions = {tuple((f.function, f.file) for f in stack) for stack in stacks}
    top = stacks[-1][0].short if stacks[-1] else "an empty stack"
    detail = {"dumps": len(stacks), "frames": [[f.function, f.file, f.line] for f in stacks[-1][:40]]}
    if len(lines) == 1 and not running:
        yield Observed(
            "stack-still",
            at,
            f"{len(stacks)} stacks of the main thread are the same to the line: {top}",
            detail,
        )
    elif len(functions) == 1:
        yield Observed("stack-in-place", at, f"{len(stacks)} stacks of the main thread move within {top}", detail)
    else:
        yield Observed(
            "stack-moving",
            at,
            f"{len(stacks)} stacks of the main thread differ; the last is in {top}",
            detail,
        )


def _waits(looks: list[Look], pid_of_training: int, at: float) -> Iterator[Observed]:
    """What the main threads wait for, if it was the same at every look."""
    kinds: dict[int, set[str]] = {}
    texts: dict[int, str] = {}
    for look in looks:
        for process in look.processes:
            if process.main is None:
                continue
            kind, text = _wait_of(process, look)
            kinds.setdefault(process.pid, set()).add(kind)
            texts[process.pid] = text
    for pid, seen_kinds in kinds.items():
        if len(seen_kinds) == 1:
            kind = next(iter(seen_kinds))
            if kind != "runs" and (pid == pid_of_training or kind in ("waits-on-lock", "stopped")):
                yield Observed(kind, at, texts[pid], {"pid": pid})


def _wait_of(process: procfs.ProcessReading, look: Look) -> tuple[str, str]:
    main = process.main
    assert main is not None  # noqa: S101 - the caller has checked
    who = f"the main thread of process {process.pid}"
    taken = look.dumps.get(process.pid)
    top = taken.main.frames[0] if taken and taken.main and taken.main.frames else None
    in_call = f" in {top.short}" if top else ""
    if process.state == "T":
        return "stopped", f"process {process.pid} is stopped (SIGSTOP)"
    if main.state == "R" or main.wchan is None:
        return "runs", f"{who} runs{in_call}"
    if any(main.wchan.startswith(name) or name in main.wchan for name in _SLEEPS):
        return "sleeps", f"{who} sleeps on purpose ({main.wchan}){in_call}"
    if any(name in main.wchan for name in _LOCK_WAITS):
        return "waits-on-lock", f"{who} waits on a lock ({main.wchan}){in_call}"
    if any(name in main.wchan for name in _OUTSIDE_WAITS):
        return "waits-outside", f"{who} waits on something outside ({main.wchan}){in_call}"
    return "waits", f"{who} waits ({main.wchan}){in_call}"
