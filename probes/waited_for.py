"""
What a thread that stands still waits for, in words: a lock, a condition, an event, a queue.

The kernel calls all of them a futex; the standard library's functions on the stack tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from probes import code

LOCK = "on a lock that nobody releases"
CONDITION = "on a condition that nobody notifies"
EVENT = "for an event that nobody sets"
SEMAPHORE = "for a semaphore that nobody releases"
BARRIER = "at a barrier that not all reach"
ITEM = "for an item of a queue that nobody fills"
ROOM = "for room in a queue that nobody empties"
TASKS = "for tasks of a queue that nobody marks as done"
THREAD = "for a thread that does not end"
PROCESS = "for a process that does not end"
RESULT = "for a result that nobody delivers"

_KNOWN = {
    "threading": {
        "wait_for": CONDITION, "acquire": SEMAPHORE, "join": THREAD, "_wait_for_tstate_lock": THREAD,
        "_shutdown": THREAD, "_wait": BARRIER,
    },
    "queue": {"get": ITEM, "put": ROOM, "join": TASKS},
    "concurrent.futures._base": {
        "result": RESULT, "exception": RESULT, "wait": RESULT, "as_completed": RESULT, "result_iterator": RESULT,
        "_result_or_cancel": RESULT,
    },
    "multiprocessing.synchronize": {"wait_for": CONDITION},
    "multiprocessing.queues": {"get": ITEM, "put": ROOM, "join": TASKS},
    "multiprocessing.process": {"join": PROCESS},
    "multiprocessing.pool": {"get": RESULT, "wait": RESULT, "next": RESULT, "map": RESULT, "apply": RESULT},
}  # fmt: skip
"""Module and function to what is waited for in it; ``wait`` of the first four classes is told by what calls what."""
_WAITERS = ("threading", "multiprocessing.synchronize")


def waited_for(frames: Iterable[Sequence[Any]]) -> str:
    """
    What stands behind "it waits".

    :param frames: function, file and line each, innermost first. The outermost call of those that the standard library
        makes beneath the program's own counts: ``Queue.get`` waits on a condition, which waits on a lock.
    """
    found = LOCK
    waits = 0
    for function, file, *_ in frames:
        if str(file).endswith(".py") and code.library(str(file)) != "python":
            break
        module, name = _module(str(file)), code.bare(str(function))
        if module in _WAITERS and name == "wait":
            waits += 1
            # Of Python before 3.11 the class is not known: that of an event or a barrier calls a condition's.
            found = BARRIER if found == BARRIER else EVENT if waits > 1 else CONDITION
        elif (known := _KNOWN.get(module, {}).get(name)) is not None:
            found = known
    return found


def _module(file: str) -> str:
    """``multiprocessing.queues``, of a file of the standard library."""
    parts = PurePath(file).with_suffix("").parts
    tail = parts[-3:]
    for place, part in enumerate(tail):
        if part in ("concurrent", "multiprocessing"):
            return ".".join(tail[place:])
    return parts[-1] if parts else ""
