"""Ctrl-C, once and twice."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """
    While entered, Ctrl-C asks instead of killing: once to start nothing new, twice to end what runs.

    Outside the main thread, where Python delivers no signals, only :meth:`press` counts.
    """

    def __init__(self) -> None:
        self._pressed = 0
        self._before: Any = None

    @property
    def wind_down(self) -> bool:
        """Nothing new is to be started."""
        return self._pressed >= 1

    @property
    def stop_now(self) -> bool:
        """What runs is to be ended."""
        return self._pressed >= 2

    def press(self, times: int = 1) -> None:
        """As if Ctrl-C had been pressed."""
        self._pressed += times

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.press()
