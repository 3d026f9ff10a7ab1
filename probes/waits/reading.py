"""Reads the wait graph of a family from /proc; the stacks in hand tell which threads are Python's."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from probes import code
from probes.stacks import Dump, ThreadStack
from probes.system import procfs
from probes.waits.calls import Call, Kind, by_wchan, decode
from probes.waits.ends import Ends, OtherEnd
from probes.waits.graph import Node, Wait, WaitGraph

_TRIES = 3
_TRY_EVERY_S = 0.001
_GIL_SAMPLE_S = 0.06
_GIL_TICKS_PER_S = (90.0, 300.0)
"""A thread that waits for the interpreter's lock asks for it every 5 ms (``sys.getswitchinterval``)."""
_JOINS = frozenset({"join", "_wait_for_tstate_lock", "result", "shutdown", "_shutdown"})
_JOIN_FILES = ("threading.py", "concurrent/futures/thread.py", "concurrent/futures/_base.py")


def read_waits(processes: Sequence[procfs.ProcessReading], dumps: Mapping[int, Dump]) -> WaitGraph:
    """
    What the main thread and every other Python thread of a family waits on.

    :param dumps: the stacks of those processes that could be taken.
    """
    ends = Ends([process.pid for process in processes if process.state not in ("Z", "X")])
    waits: dict[Node, Wait] = {}
    for process in processes:
        if process.state in "ZXTt":
            continue
        dump = dumps.get(process.pid)
        python = {thread.tid: thread for thread in dump.threads if thread.frames} if dump is not None else {}
        calls: dict[int, Call] = {}
        awake: dict[int, Call] = {}
        for thread in process.threads:
            if thread.tid == process.pid or thread.tid in python:
                call = _call(process.pid, thread)
                if call is not None:
                    (calls if thread.state != "R" else awake)[thread.tid] = call
        # Who asks for the interpreter's lock every few milliseconds may have been met awake.
        gil = _gil_waits(process.pid, calls | awake, python)
        calls |= {tid: call for tid, call in awake.items() if tid in gil}
        for tid, call in calls.items():
            waits[process.pid, tid] = _wait(process.pid, tid, call, ends, python, gil)
    family = {process.pid for process in processes}
    strangers = {peer for wait in waits.values() for peer in wait.peers} - family
    return WaitGraph(
        waits,
        {process.pid: process.state for process in processes},
        {process.pid: process.parent for process in processes},
        {process.pid: process.name for process in processes} | {pid: _name(pid) for pid in strangers},
    )


def _name(pid: int) -> str:
    reading = procfs.read_process(pid)
    return reading.name if reading is not None else "?"


def _call(pid: int, thread: procfs.ThreadReading) -> Call | None:
    """What a thread waits in; None if it runs. Of one that ran a moment ago, only a wait for a lock counts."""
    if thread.state == "R":
        syscall = procfs.syscall(pid, thread.tid)
        call = decode(pid, syscall) if syscall is not None else None
        return call if call is not None and call.kind is Kind.LOCK else None
    for _ in range(_TRIES):
        syscall = procfs.syscall(pid, thread.tid)
        if syscall is not None:
            call = decode(pid, syscall)
            if call is not None and not call.resumed:
                return call
            break
        # Asked a moment later than its state: one that wakes now and then is back in its call at once.
        time.sleep(_TRY_EVERY_S)
    return by_wchan(thread.wchan) if thread.wchan is not None else Call("?", Kind.OTHER, timed=None)


def _wait(
    pid: int, tid: int, call: Call, ends: Ends, python: Mapping[int, ThreadStack], gil: Mapping[int, int]
) -> Wait:
    if tid in gil:
        return Wait(pid, tid, Kind.LOCK, call.name, "the interpreter's lock", threads=(gil[tid],), for_gil=True)
    if call.kind is Kind.LOCK:
        return Wait(
            pid, tid, call.kind, call.name, "", threads=_joined(tid, python), timed=call.timed,
            wakes_in_s=call.wakes_in_s, shared=call.shared,
        )  # fmt: skip
    if call.kind is Kind.CHILD:
        peers = (call.child,) if call.child else _children(pid)
        return Wait(pid, tid, call.kind, call.name, "the end of a child process", peers=peers)
    if call.path is not None:
        return Wait(pid, tid, call.kind, call.name, _opened(pid, call.path))
    if call.kind is Kind.FILE_LOCK and call.descriptors:
        end = ends.lock_owners(pid, call.descriptors[0][0])
    else:
        end = _several([ends.of(pid, number, reads=reads) for number, reads in call.descriptors])
    return Wait(
        pid, tid, call.kind, call.name, end.what, end.peers, end.bystanders, end.deserted, timed=call.timed,
        wakes_in_s=call.wakes_in_s, descriptors=tuple(number for number, _ in call.descriptors),
    )  # fmt: skip


def _several(ends: Sequence[OtherEnd]) -> OtherEnd:
    """The ends of all descriptors that a thread waits on, as one."""
    if len(ends) < 2:
        return ends[0] if ends else OtherEnd("")
    what = ", ".join(dict.fromkeys(end.what for end in ends))
    peers = tuple(dict.fromkeys(peer for end in ends for peer in end.peers))
    bystanders = tuple(dict.fromkeys(peer for end in ends for peer in end.bystanders if peer not in peers))
    return OtherEnd(what, peers, bystanders, all(end.deserted for end in ends))


def _children(pid: int) -> tuple[int, ...]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return ()
    return tuple(int(word) for word in text.split())


def _opened(pid: int, path: str) -> str:
    try:
        is_pipe = (Path(f"/proc/{pid}/cwd") / path).is_fifo()
    except OSError:
        is_pipe = False
    return f"somebody to open the other end of the named pipe {path}" if is_pipe else f"the file {path} to open"


def _gil_waits(pid: int, calls: Mapping[int, Call], python: Mapping[int, ThreadStack]) -> dict[int, int]:
    """
    Threads that wait for the interpreter's lock, each with the thread that holds it.

    Such a thread wakes again and again to ask for the lock, and nothing else does just that while its stack stands.
    """
    waiting = [
        tid for tid, call in calls.items() if call.kind is Kind.LOCK and call.timed is not False and tid in python
    ]
    if not waiting or len(python) < 2:
        return {}
    before, since = {tid: procfs.voluntary_switches(pid, tid) for tid in waiting}, time.monotonic()
    time.sleep(_GIL_SAMPLE_S)
    asking = []
    for tid in waiting:
        first, last = before[tid], procfs.voluntary_switches(pid, tid)
        rate = (last - first) / (time.monotonic() - since) if first is not None and last is not None else 0.0
        if _GIL_TICKS_PER_S[0] <= rate <= _GIL_TICKS_PER_S[1]:
            asking.append(tid)
    others = [tid for tid in python if tid not in asking]
    owners = [tid for tid in others if python[tid].owns_gil]
    candidates = owners if len(owners) == 1 else others
    return dict.fromkeys(asking, candidates[0]) if len(candidates) == 1 else {}


def _joined(tid: int, python: Mapping[int, ThreadStack]) -> tuple[int, ...]:
    """The thread whose end or result a thread waits for, where there is only one that can be meant."""
    stack = python.get(tid)
    others = [other for other in python if other != tid]
    if stack is None or len(others) != 1:
        return ()
    for frame in stack.frames:
        if code.library(frame.file) != "python":
            return ()
        if frame.file.endswith(_JOIN_FILES) and code.bare(frame.function) in _JOINS:
            return (others[0],)
    return ()
