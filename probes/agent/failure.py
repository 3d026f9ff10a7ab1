"""The error that ends the program: recorded with the phase it came from, then handled as it would have been."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from . import layout
from .marks import Failure
from .recorder import recorder

_MAX_FRAMES = 60


def _describe(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
    frames = [
        {"function": frame.name, "file": frame.filename, "line": frame.lineno}
        for frame in traceback.extract_tb(trace)[-_MAX_FRAMES:]
    ]
    known = Failure.address == id(error)
    return {
        "type": kind.__name__,
        "module": kind.__module__,
        "message": str(error)[:4000],
        "phases": [layout.PHASES[phase] for phase in Failure.phases] if known else [],
        "step": Failure.step if known else recorder.words[layout.STEP],
        "frames": frames,
    }


def install(open_recorder: Callable[[], None]) -> None:
    """
    Records what reaches ``sys.excepthook``, then calls the hook that stood there.

    :param open_recorder: called first, for a program that failed before anything else opened the file.
    """
    hook = sys.excepthook

    def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        try:
            open_recorder()
            recorder.text("exception", _describe(kind, error, trace))
        except Exception as own:  # noqa: BLE001
            recorder.fault("excepthook", own)
        hook(kind, error, trace)

    sys.excepthook = excepthook
