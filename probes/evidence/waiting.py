"""Who waits for whom, and what is at the end of it: a dead worker, a stopped one, a circle, a process outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from probes import code, workers
from probes.evidence.observed import Observed
from probes.observer import Look, Observations
from probes.postmortem import PostMortem
from probes.progress import Progress
from probes.stacks import ThreadStack
from probes.waits import Chain, End, Kind, Wait
from probes.waits.subject import Subject, find

_SHOWN_FRAMES = 3
_MAX_ROWS = 64
_KEPT_FRAMES = 40


def subject_of(seen: Observations, progress: Progress) -> Subject:
    """The thread that the present silence is about."""
    return find([look.waits for look in seen.looks], workers.trainer(seen, progress))


def waiting(seen: Observations, progress: Progress, ended: Sequence[PostMortem]) -> Iterator[Observed]:
    """
    What the wait graphs of the looks show, taken together.

    :param ended: workers that are no more.
    """
    if not seen.looks:
        return
    last = seen.looks[-1]
    at = seen.at_s(last.at_ns)
    subject = subject_of(seen, progress)
    names = _Names(seen, progress)
    if subject.chain is not None and len(seen.looks) > 1:
        yield from _peer(subject, last, names, at)
        yield from _dead(subject, names, at, ended)
        yield from _cycle(subject, last, names, at)
        yield from _gil(subject, last, names, at)
    yield from _table(last, names, at)


class _Names:
    """How processes and threads are called."""

    def __init__(self, seen: Observations, progress: Progress) -> None:
        self._main = workers.trainer(seen, progress)
        self._numbered = workers.numbers(seen, progress)
        self._graph = seen.looks[-1].waits

    def label(self, pid: int) -> str:
        return workers.label(pid, self._main, self._numbered)

    def process(self, pid: int) -> str:
        """``worker 2 (process 123)``, ``process 77 (redis-server)``."""
        label = self.label(pid)
        if label.startswith("process"):
            name = self._graph.names.get(pid)
            return f"{label} ({name})" if name else label
        return f"{'the main process' if label == workers.MAIN else label} (process {pid})"

    def thread(self, pid: int, tid: int) -> str:
        return self.process(pid) if pid == tid else f"thread {tid} of {self.process(pid)}"


def words(wait: Wait) -> str:
    """``recvfrom on a socket``; of a lock or a sleep what it is."""
    if wait.for_gil:
        return "the interpreter's lock (GIL)"
    left = f", {wait.wakes_in_s:.0f} s more" if wait.wakes_in_s else ""
    if wait.kind is Kind.LOCK:
        return f"a lock ({wait.call}{left})"
    if wait.kind is Kind.SLEEP:
        return f"time to pass ({wait.call}{left})"
    return f"{wait.what} ({wait.call})" if wait.what else wait.call


def _peer(subject: Subject, last: Look, names: _Names, at: float) -> Iterator[Observed]:
    chain = subject.chain
    assert chain is not None  # noqa: S101 - the caller has checked
    if chain.end in (End.DEAD, End.CYCLE) or len(chain.path) < 2:
        return
    steps = [
        f"{names.thread(*wait.node)} waits on {words(wait)} for {names.thread(*following)}"
        for wait, following in zip(chain.links, chain.path[1:], strict=False)
    ]
    end = {
        End.RUNS: "which runs",
        End.STOPPED: "which is stopped",
        End.OUTSIDE: "which is no part of this run",
    }.get(chain.end)
    if end is None:
        end = f"which waits on {words(chain.links[-1])}"
    node = chain.node
    assert node is not None  # noqa: S101 - only the dead have none
    yield Observed(
        "waits-on-peer",
        at,
        f"{', and '.join(steps)}, {end}; so it was at {subject.looks} looks",
        {
            "process": names.label(node[0]),
            "pid": node[0],
            "tid": node[1],
            "end": chain.end.name.lower(),
            "who": names.process(node[0]),
            "chain": [wait.to_json() for wait in chain.links],
            "nearest": _nearest(chain, last, names),
        },
    )


def _nearest(chain: Chain, look: Look, names: _Names) -> dict[str, Any] | None:
    """The last on the way to the end that is a part of the training, and where it stands."""
    for pid, tid in reversed(chain.path):
        label = names.label(pid)
        if not label.startswith("process"):
            stack = _stack(look, pid, tid)
            frames = [[f.function, f.file, f.line] for f in stack.frames if not code.is_ours(f.file)] if stack else []
            return {"process": label, "pid": pid, "frames": frames[:_KEPT_FRAMES]}
    return None


def _dead(subject: Subject, names: _Names, at: float, ended: Sequence[PostMortem]) -> Iterator[Observed]:
    chain = subject.chain
    if chain is None or chain.end is not End.DEAD or not chain.links:
        return
    wait = chain.links[-1]
    pid = chain.node[0] if chain.node is not None else None
    known = [item for item in ended if pid is None or item.pid == pid]
    if known:
        who, fate = known[0].who, f"which {known[0].says}"
        detail: dict[str, Any] = {
            "process": known[0].who,
            "pid": known[0].pid,
            "signal": known[0].signal,
            "exit_code": known[0].exit_code,
            "frames": [list(frame) for frame in known[0].frames],
        }
    else:
        who, fate = names.process(pid) if pid is not None else "one of several processes", "which has ended"
        detail = {"process": names.label(pid) if pid is not None else None, "pid": pid, "frames": []}
    held = f"; its end of it is still held open by {_and(names, wait.bystanders)}" if wait.bystanders else ""
    yield Observed(
        "peer-is-dead",
        at,
        f"{names.thread(*wait.node)} waits on {words(wait)} for {who}, {fate}: nobody will ever answer{held}",
        {**detail, "who": who, "says": fate.removeprefix("which ")},
    )


def _and(names: _Names, pids: Sequence[int]) -> str:
    labels = [names.label(pid) for pid in pids]
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"


def _cycle(subject: Subject, last: Look, names: _Names, at: float) -> Iterator[Observed]:
    chain = subject.chain
    if chain is None or chain.end is not End.CYCLE:
        return
    waits = chain.cycle
    following = [*(wait.node for wait in waits[1:]), waits[0].node]
    steps = [
        f"{names.thread(*wait.node)} waits on {words(wait)} for {names.thread(*node)}"
        for wait, node in zip(waits, following, strict=True)
    ]
    yield Observed(
        "wait-cycle",
        at,
        f"they wait for each other: {', and '.join(steps)}; so it was at {subject.looks} looks",
        {
            "processes": [names.label(wait.pid) for wait in waits],
            "chain": [wait.to_json() for wait in waits],
            "nearest": _nearest(chain, last, names),
        },
    )


def _gil(subject: Subject, last: Look, names: _Names, at: float) -> Iterator[Observed]:
    """A thread that keeps the interpreter's lock while it waits: no other thread of its process can go on."""
    held = last.waits.waits.get(subject.node)
    waiting_for_it = [
        wait for wait in last.waits.waits.values() if wait.for_gil and (wait.pid, wait.threads[0]) == subject.node
    ]
    if not waiting_for_it or held is None:
        return
    n = len(waiting_for_it)
    yield Observed(
        "gil-held",
        at,
        f"{names.thread(*subject.node)} holds the interpreter's lock (GIL) while it waits on {words(held)}: "
        f"{n} other {'thread asks' if n == 1 else 'threads ask'} for it again and again",
        {"pid": subject.pid, "tid": subject.tid, "process": names.label(subject.pid), "threads_waiting": n},
    )


def _table(last: Look, names: _Names, at: float) -> Iterator[Observed]:
    """The graph of the last look as rows, for the report."""
    rows = []
    for process in last.processes:
        if process.state in ("Z", "X"):
            rows.append([names.process(process.pid), "has ended, and its parent has not asked about it", "", ""])
        elif process.state in ("T", "t"):
            rows.append([names.process(process.pid), "is stopped", "", _innermost(last, process.pid, process.pid)])
        for thread in process.threads if process.state not in ("Z", "X", "T", "t") else ():
            node = (process.pid, thread.tid)
            wait = last.waits.waits.get(node)
            if wait is not None:
                others = [names.process(peer) for peer in wait.peers]
                others += [f"thread {tid}" for tid in wait.threads]
                if wait.bystanders and not others:
                    others = ["one of " + ", ".join(names.process(peer) for peer in wait.bystanders)]
                rows.append([names.thread(*node), words(wait), ", ".join(others), _innermost(last, *node)])
            elif thread.state == "R":
                rows.append([names.thread(*node), "runs", "", _innermost(last, *node)])
    if rows:
        count = "1 process was" if len(last.processes) == 1 else f"{len(last.processes)} processes were"
        yield Observed(
            "wait-graph",
            at,
            f"{count} looked at; what each thread waits on is in the table",
            {"columns": ["who", "waits on", "for whom", "where"], "rows": rows[:_MAX_ROWS]},
        )


def _innermost(look: Look, pid: int, tid: int) -> str:
    """``_recv ← recv ← step_wait``: the innermost calls, the first of the user's or a library's among them."""
    stack = _stack(look, pid, tid)
    frames = [frame for frame in stack.frames if not code.is_ours(frame.file)] if stack is not None else []
    shown = frames[:_SHOWN_FRAMES]
    if shown and all(code.is_engine(frame.file) for frame in shown):
        shown += [frame for frame in frames[_SHOWN_FRAMES:] if not code.is_engine(frame.file)][:1]
    return " ← ".join(f"{code.bare(f.function)} ({Path(f.file).name}:{f.line})" for f in shown)


def _stack(look: Look, pid: int, tid: int) -> ThreadStack | None:
    taken = look.dumps.get(pid)
    if taken is None:
        return None
    return next((thread for thread in taken.threads if thread.tid == tid), None)
