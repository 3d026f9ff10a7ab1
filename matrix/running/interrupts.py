"""Ctrl-C, once and twice; and being told to end."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """
    While entered, Ctrl-C asks instead of killing: once to start nothing new, twice to end what runs. SIGTERM and the
    loss of the terminal count as both: nobody is there any more to ask twice.

    Outside the main thread, where Python delivers no signals, only :meth:`press` counts.
    """

    def __init__(self) -> None:
        self._pressed = 0
        self._before: dict[signal.Signals, Any] = {}

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
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._handle)
            for number in (signal.SIGTERM, signal.SIGHUP):
                # Ignored on purpose, as by nohup, it stays ignored.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.press(1 if number == signal.SIGINT else 2)
