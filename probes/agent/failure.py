"""
What ends a process from inside: recorded with the phase it came from, then handled as it would have been.

An error that nobody catches, in a child of multiprocessing too, whose bootstrap prints it without the hook that
stands for that; and a call of ``sys.exit`` or ``os._exit``, after which nothing else would tell.
"""

from __future__ import annotations

import functools
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any

from . import giver, layout
from .marks import Failure
from .recorder import recorder
from .samples import steps_of_worker

_MAX_FRAMES = 60
_BY_VALUE = "<dynamic-code>"
_CHILD_PATIENCE_S = 0.3
"""A pipe is closed a moment before the process that held it can be asked how it ended."""

_Frames = Sequence[tuple[FrameType, int]]

_told_in = 0
"""The process that has recorded an error: if its hook then calls ``os._exit``, that is not what ended it."""


def _tell(description: dict[str, Any]) -> None:
    global _told_in
    recorder.text("exception", description)
    _told_in = os.getpid()


def _is_told() -> bool:
    return _told_in == os.getpid()


def _describe(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
    frames = list(traceback.walk_tb(trace))
    known = Failure.address == id(error)
    return {
        "type": kind.__name__,
        "module": kind.__module__,
        "message": str(error)[:4000],
        "phases": [*_unmarked(frames), *(layout.PHASES[phase] for phase in Failure.phases if known)],
        "step": Failure.step if known else recorder.words[layout.STEP],
        "frames": _rows(frames),
        "children": _ended_children(kind),
        "observation_of": _giver(error, trace),
    }


def _unmarked(frames: _Frames) -> list[str]:
    """The outermost phase, where a stack shows it and no mark does."""
    return ["env.step"] if steps_of_worker.unseen_in(frame.f_code for frame, _ in frames) else []


def _rows(frames: _Frames) -> list[dict[str, Any]]:
    return [
        {"function": frame.f_code.co_name, "file": _file(frame), "line": line} for frame, line in frames[-_MAX_FRAMES:]
    ]


def _file(frame: FrameType) -> str:
    """Its file; cloudpickle sends code without, but with the file of the module that it is from."""
    file = frame.f_code.co_filename
    return str(frame.f_globals.get("__file__", file)) if file == _BY_VALUE else file


def _giver(error: BaseException, trace: TracebackType | None) -> dict[str, Any] | None:
    try:
        return giver.describe(error, trace)
    except Exception as own:  # noqa: BLE001
        recorder.fault("giver", own)
        return None


def _ended_children(kind: type[BaseException]) -> list[dict[str, Any]]:
    """How multiprocessing's children ended, if that may be what the error is about: soon nobody can ask any more."""
    module = sys.modules.get("multiprocessing.process")
    if module is None or not issubclass(kind, (EOFError, ConnectionError)):
        return []
    children = list(module._children)
    deadline = time.monotonic() + _CHILD_PATIENCE_S
    while True:
        codes = [(child, child.exitcode) for child in children]
        ended = [{"pid": child.pid, "name": child.name, "exit_code": code} for child, code in codes if code is not None]
        if ended or not children or time.monotonic() > deadline:
            return ended
        time.sleep(0.01)


def install(open_recorder: Callable[[], None]) -> dict[str, Callable[[Any], None]]:
    """
    Records what reaches ``sys.excepthook``, then calls the hook that stood there; the same for both ways to exit.

    :param open_recorder: called first, for a program that failed before anything else opened the file.
    :return: what is to be done to modules once they are imported, by their names.
    """
    hook = sys.excepthook
    exit_now, leave = os._exit, sys.exit

    def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        try:
            open_recorder()
            _tell(_describe(kind, error, trace))
        except Exception as own:  # noqa: BLE001
            recorder.fault("excepthook", own)
        hook(kind, error, trace)

    @functools.wraps(exit_now)
    def marked_exit(status: int) -> Any:
        try:
            caller = sys._getframe(1)
            # multiprocessing ends each child of a fork so, whatever befell it.
            if "multiprocess" not in caller.f_code.co_filename and recorder.path is not None and not _is_told():
                recorder.text("exception", _describe_exit("os", "os._exit", status))
        except Exception as own:  # noqa: BLE001
            recorder.fault("os._exit", own)
        exit_now(status)

    @functools.wraps(leave)
    def marked_leave(status: Any = None, /) -> Any:
        # Whoever catches it may go on: the reader looks whether the process really ended so.
        try:
            if status and recorder.path is not None and not _is_told():
                recorder.text("exception", _describe_exit("builtins", "SystemExit", status))
        except Exception as own:  # noqa: BLE001
            recorder.fault("sys.exit", own)
        leave(status)

    def patch_process(module: Any) -> None:
        run = module.BaseProcess.run

        @functools.wraps(run)
        def marked_run(process: Any) -> None:
            try:
                run(process)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                try:
                    open_recorder()
                    _tell(_describe(type(error), error, error.__traceback__))
                except Exception as own:  # noqa: BLE001
                    recorder.fault("process", own)
                raise

        module.BaseProcess.run = marked_run

    sys.excepthook = excepthook
    os._exit, sys.exit = marked_exit, marked_leave
    return {"multiprocessing.process": patch_process}


def _describe_exit(module: str, kind: str, status: object) -> dict[str, Any]:
    frames = [*traceback.walk_stack(sys._getframe(2))][::-1]
    return {
        "type": kind,
        "module": module,
        "message": str(status)[:4000],
        "phases": [*_unmarked(frames), *(layout.PHASES[phase] for phase in recorder.open_phases)],
        "step": recorder.words[layout.STEP],
        "frames": _rows(frames),
        "children": [],
    }
