"""Puts the agent to work in this process."""

from __future__ import annotations

import atexit
import functools
import os
import threading
import time
from typing import Any

from . import death, failure, forking, hooks, layout, remedies
from .patches import PATCHES
from .recorder import recorder


def start() -> None:
    """Arms everything; called once, before the program's first line."""
    folder = os.environ.get(layout.FOLDER_VARIABLE)
    if not folder:
        return

    def open_recorder() -> None:
        if recorder.path is None:
            recorder.open(folder)

    def opening(patch: hooks.Patch) -> hooks.Patch:
        def patched(module: Any) -> None:
            open_recorder()
            patch(module)

        return patched

    try:
        supervisor = os.environ.get(layout.SUPERVISOR_VARIABLE, "")
        if supervisor.isdigit():
            recorder.held_signals = death.hold_the_dying()
            if os.path.exists("/proc/sys/kernel/yama/ptrace_scope"):
                death.allow_tracing(int(supervisor))
    except Exception as error:  # noqa: BLE001
        recorder.fault("death", error)
    _expect_threads()
    os.register_at_fork(after_in_child=recorder.after_fork_in_child)
    forking.watch()
    unopened = failure.install(open_recorder)
    patches = {**{name: opening(patch) for name, patch in PATCHES.items()}, **unopened}
    hooks.install(remedies.with_remedies(patches))
    atexit.register(_note_exit)
    # Called before the threads that are left are waited for; atexit, only after.
    register_early = getattr(threading, "_register_atexit", None)
    if register_early is not None:
        register_early(_note_exit)


def _expect_threads() -> None:
    """Tells the recorder when the first thread is started; until then it need not ask which one it is on."""
    start_thread = threading.Thread.start

    @functools.wraps(start_thread)
    def start(thread: threading.Thread) -> None:
        recorder.expect_threads(any_yet=True)
        start_thread(thread)

    threading.Thread.start = start  # type: ignore[assignment, method-assign]
    recorder.expect_threads(any_yet=False)


def _note_exit() -> None:
    if recorder.words[layout.EXIT_NS] == 0:
        recorder.words[layout.EXIT_NS] = time.monotonic_ns()
