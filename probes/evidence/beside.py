"""Who is beside a thread that waits: whether anybody is left who could end its wait, or all others stand as well."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from probes import code, workers
from probes.evidence.observed import Observed
from probes.evidence.waiting import subject_of
from probes.observer import Look, Observations
from probes.progress import Progress
from probes.stacks import Frame
from probes.waits import Kind
from probes.waits.graph import Node
from probes.waits.subject import Subject

_KEPT_FRAMES = 40
_MAX_NAMED = 4
_LOCKS = ("PyThread_acquire_lock", "PyMutex_Lock", "_PyMutex_Lock")
"""Functions of the interpreter that take a lock, by how their names begin."""
_BYSTANDERS = frozenset({"tqdm", "tensorboard"})
"""Libraries whose threads wake now and then for their own sake: none of them ends another's wait."""


def beside(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """The other threads and processes of the family, if the thread that the silence is about stands still."""
    looks = seen.looks
    if len(looks) < 2:
        return
    last = looks[-1]
    subject = subject_of(seen, progress)
    if not _stands(looks, subject.node):
        return
    main, numbered = workers.trainer(seen, progress), workers.numbers(seen, progress)
    threads = [
        _described(looks, (subject.pid, tid))
        for tid in _python_threads(last, subject.pid)
        if tid != subject.tid and not _is_bystander(_frames(last, (subject.pid, tid)))
    ]
    processes = [
        {
            "process": workers.label(process.pid, main, numbered),
            **_described(looks, (process.pid, process.pid)),
            "stands": _all_stand(looks, process.pid),
        }
        for process in last.processes
        if process.state not in ("Z", "X")
    ]
    label = workers.label(subject.pid, main, numbered)
    asleep = [thread["where"] for thread in threads if _sleeps_on(looks, (subject.pid, thread["tid"]), subject.node)]
    if asleep and last.waits.waits[subject.node].kind is Kind.LOCK:
        yield Observed(
            "sleeper-may-end-it",
            seen.at_s(last.at_ns),
            f"another thread of {label} has slept all that time ({asleep[0]}): once awake it may let the wait end, and "
            "until then nobody can tell",
            {"asleep": asleep},
        )
    yield from _alone(seen, subject, threads, label)
    ended = sorted({process.pid for process in last.processes if process.state in ("Z", "X")} | set(seen.ended))
    gone = f"; {len(ended)} {'has' if len(ended) == 1 else 'have'} ended" if ended else ""
    yield Observed(
        "beside",
        seen.at_s(last.at_ns),
        f"{_threads_in_words(threads, label)}; {_processes_in_words(processes, subject)}{gone}",
        {
            "pid": subject.pid,
            "tid": subject.tid,
            "process": label,
            "wait": last.waits.waits[subject.node].to_json(),
            "threads": threads,
            "processes": processes,
            "ended": ended,
        },
    )


def _alone(seen: Observations, subject: Subject, threads: list[dict[str, Any]], label: str) -> Iterator[Observed]:
    """Whether it waits for what only its own process could give, and nobody is left there to give it."""
    last = seen.looks[-1]
    wait = last.waits.waits[subject.node]
    # A child that has died, or one that holds the other end too, may be the one that was meant.
    gone = seen.ended or any(process.state in ("Z", "X") for process in last.processes)
    if not wait.deserted or wait.bystanders or wait.timed or gone or not all(thread["stands"] for thread in threads):
        return
    yield Observed(
        "waits-on-itself",
        seen.at_s(last.at_ns),
        f"only {label} itself holds the other end of {wait.what} that it waits on, and none of its threads is left to "
        "use it",
        {"pid": subject.pid, "tid": subject.tid, "wait": wait.to_json()},
    )


def forked(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """Processes forked from one with several threads that wait, alone, for a lock of their own."""
    looks = seen.looks
    if len(looks) < 2:
        return
    main, numbered = workers.trainer(seen, progress), workers.numbers(seen, progress)
    parents = looks[-1].waits.parents
    for recording, state in progress.states():
        node = recording.pid, recording.pid
        wait = looks[-1].waits.waits.get(node)
        if state.threads_left_behind <= 0 or wait is None or wait.kind is not Kind.LOCK or wait.shared:
            continue
        if _python_threads(looks[-1], recording.pid) != [recording.pid] or not _stands(looks, node):
            continue
        if not _takes_a_lock(looks, node):
            continue
        label = workers.label(recording.pid, main, numbered)
        number = state.threads_left_behind
        yield Observed(
            "forked-waits-on-lock",
            seen.at_s(looks[-1].at_ns),
            f"{label} was forked while its parent had {number} other thread{'s' if number > 1 else ''}, which a fork "
            f"leaves behind; it waits for a lock in {_where(_frames(looks[-1], node))}, and has no other thread itself",
            {
                "pid": recording.pid,
                "parent": parents.get(recording.pid),
                "process": label,
                "threads_left_behind": number,
                "frames": [[f.function, f.file, f.line] for f in _frames(looks[-1], node)[:_KEPT_FRAMES]],
            },
        )
        return


def _takes_a_lock(looks: list[Look], node: Node) -> bool:
    """Whether a thread is in the interpreter's own function for it, as its native stack shows, and in no condition."""
    frames = _frames(looks[-1], node)
    if not frames or (code.bare(frames[0].function), code.library(frames[0].file)) == ("wait", "python"):
        return False
    stacks = [
        thread.frames
        for look in looks
        if node[0] in look.native
        for thread in look.native[node[0]].threads
        if thread.tid == node[1]
    ]
    return any(
        frame.function.startswith(_LOCKS)
        for stack in stacks
        for frame in takewhile(lambda frame: frame.is_native, stack)
    )


def _threads_in_words(threads: list[dict[str, Any]], label: str) -> str:
    if not threads:
        return f"{label} has no other Python thread"
    awake = [thread for thread in threads if not thread["stands"]]
    places = ", ".join(thread["where"] for thread in (awake or threads)[:_MAX_NAMED])
    if not awake:
        which = "the only other Python thread" if len(threads) == 1 else f"each of {len(threads)} other Python threads"
        return f"{which} of {label} waits without end as well ({places})"
    return (
        f"{len(awake)} of {len(threads)} other Python thread{'s' if len(threads) > 1 else ''} of {label} "
        f"{'work' if len(awake) > 1 else 'works'}, or will wake by {'themselves' if len(awake) > 1 else 'itself'} "
        f"({places}), and may let it go on"
    )


def _processes_in_words(processes: list[dict[str, Any]], subject: Subject) -> str:
    others = [process for process in processes if process["pid"] != subject.pid]
    standing = [process for process in others if process["stands"]]
    if not others:
        return "no other process is alive"
    if len(standing) == len(others):
        return (
            "the only other process waits too"
            if len(others) == 1
            else f"each of {len(others)} other processes waits too"
        )
    return f"{len(others) - len(standing)} of {len(others)} other processes may still move"


def _described(looks: list[Look], node: Node) -> dict[str, Any]:
    last = looks[-1]
    frames = _frames(last, node)
    wait = last.waits.waits.get(node)
    return {
        "pid": node[0],
        "tid": node[1],
        "stands": _stands(looks, node),
        "where": _where(frames),
        "frames": [[frame.function, frame.file, frame.line] for frame in frames[:_KEPT_FRAMES]],
        "wait": wait.to_json() if wait is not None else None,
    }


def _where(frames: tuple[Frame, ...]) -> str:
    """The innermost call of the user's or a library's, or just the innermost."""
    shown = next((frame for frame in frames if not code.is_engine(frame.file)), frames[0] if frames else None)
    return shown.short if shown is not None else "unseen"


def _all_stand(looks: list[Look], pid: int) -> bool:
    tids = _python_threads(looks[-1], pid)
    return bool(tids) and all(
        _stands(looks, (pid, tid)) or _is_bystander(_frames(looks[-1], (pid, tid))) for tid in tids
    )


def _stands(looks: list[Look], node: Node) -> bool:
    """Whether a thread was at the same line at every look, in a wait that has no end of its own."""
    stacks = {_frames(look, node) for look in looks}
    waits = [look.waits.waits.get(node) for look in looks]
    return (
        len(stacks) == 1
        and stacks != {()}
        and all(
            wait is not None and wait.kind is not Kind.SLEEP and not wait.timed and not wait.for_gil for wait in waits
        )
    )


def _sleeps_on(looks: list[Look], node: Node, standing: Node) -> bool:
    """
    Whether a thread has been in one and the same sleep at every look.

    Each dump wakes all threads for a moment: it woke no oftener than one that stands.
    """
    waits = [look.waits.waits.get(node) for look in looks]
    woke, must = _woke(looks, node), _woke(looks, standing)
    return woke is not None and must is not None and woke <= must and all(w and w.kind is Kind.SLEEP for w in waits)


def _woke(looks: list[Look], node: Node) -> int | None:
    """How often a thread went to sleep between the first look and the last; None if that was not read."""
    counts = [
        thread.voluntary_switches
        for look in looks
        for process in look.processes
        for thread in process.threads
        if (process.pid, thread.tid) == node
    ]
    if len(counts) < 2 or counts[0] is None or counts[-1] is None:
        return None
    return counts[-1] - counts[0]


def _python_threads(look: Look, pid: int) -> list[int]:
    taken = look.dumps.get(pid)
    return [thread.tid for thread in taken.threads if thread.frames] if taken is not None else []


def _frames(look: Look, node: Node) -> tuple[Frame, ...]:
    """A thread's stack, innermost first, the agent's frames left out."""
    taken = look.dumps.get(node[0])
    for thread in taken.threads if taken is not None else ():
        if thread.tid == node[1]:
            return tuple(frame for frame in thread.frames if not code.is_ours(frame.file))
    return ()


def _is_bystander(frames: tuple[Frame, ...]) -> bool:
    owners = {code.library(frame.file) for frame in frames} - {"python"}
    return bool(owners) and owners <= _BYSTANDERS
