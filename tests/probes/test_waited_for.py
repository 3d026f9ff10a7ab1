"""A deadlock is told by what is waited for: not every futex is a lock."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from probes import waited_for as said
from probes.stacks import StackError, dump
from probes.waited_for import waited_for

PROGRAMS = {
    "l = threading.Lock(); l.acquire(); l.acquire()": said.LOCK,
    "c = threading.Condition(); c.acquire(); c.wait()": said.CONDITION,
    "c = threading.Condition(); c.acquire(); c.wait_for(lambda: False)": said.CONDITION,
    "threading.Event().wait()": said.EVENT,
    "threading.Semaphore(0).acquire()": said.SEMAPHORE,
    "threading.Barrier(2).wait()": said.BARRIER,
    "queue.Queue().get()": said.ITEM,
    "q = queue.Queue(1); q.put(1); q.put(2)": said.ROOM,
    "q = queue.Queue(1); q.put(1); q.join()": said.TASKS,
    "t = threading.Thread(target=threading.Event().wait, daemon=True); t.start(); t.join()": said.THREAD,
    "futures.Future().result()": said.RESULT,
    "futures.wait([futures.Future()])": said.RESULT,
    "multiprocessing.Event().wait()": said.EVENT,
    "multiprocessing.Queue().get()": said.ITEM,
}
_IMPORTS = "import multiprocessing, queue, threading\nfrom concurrent import futures\nprint(flush=True)\n"
_PATIENCE_S = 30.0


def of_process(pid: int, expected: str) -> str:
    """As soon as it has come to its wait; what it says at last, if that never is what is expected."""
    began = time.monotonic()
    found = ""
    while found != expected and time.monotonic() - began < _PATIENCE_S:
        try:
            thread = dump(pid, 0).main
        except StackError:
            thread = None
        if thread is not None:
            found = waited_for([(frame.function, frame.file, frame.line) for frame in thread.frames])
        time.sleep(0.02)
    return found


def test_each_thing_that_can_be_waited_for_is_called_by_its_name(tmp_path: Path) -> None:
    started = []
    try:
        for number, program in enumerate(PROGRAMS):
            script = tmp_path / f"wait{number}.py"
            script.write_text(_IMPORTS + program + "\n", encoding="utf-8")
            started.append(subprocess.Popen([sys.executable, str(script)], stdout=subprocess.DEVNULL))
        found = {
            program: of_process(process.pid, expected)
            for process, (program, expected) in zip(started, PROGRAMS.items(), strict=True)
        }
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert found == PROGRAMS


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        (["wait"], said.CONDITION),
        (["wait", "wait_for"], said.CONDITION),
        (["wait", "wait"], said.EVENT),
        (["wait", "acquire"], said.SEMAPHORE),
        (["wait", "acquire", "__enter__"], said.SEMAPHORE),
        (["wait", "wait_for", "_wait", "wait"], said.BARRIER),
        (["_wait_for_tstate_lock", "join"], said.THREAD),
        ([], said.LOCK),
    ],
)
def test_before_python_3_11_no_stack_has_the_class_s_name(calls: list[str], expected: str) -> None:
    frames = [(name, "/usr/lib/python3.10/threading.py", 1) for name in calls]
    assert waited_for([*frames, ("step", "/home/me/train.py", 3)]) == expected


def test_what_the_program_s_own_functions_are_called_does_not_matter() -> None:
    assert waited_for([("acquire", "/home/me/threading.py", 1), ("wait", "/usr/lib/python3.10/threading.py", 2)]) == (
        said.LOCK
    )


def test_native_frames_stand_beneath_it() -> None:
    frames = [("futex_wait", "libc.so.6", None), ("get", "/usr/lib/python3.11/queue.py", 1), ("step", "/me/a.py", 2)]
    assert waited_for(frames) == said.ITEM
