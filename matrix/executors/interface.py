"""What an executor is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from matrix.results.observation import Observation

Task = Callable[[frozenset[int]], Observation]
"""Runs one trial on the cores it is given, which no other running trial shares."""


class Executor(Protocol):
    """Runs tasks, at most ``slots`` at a time. A context manager: leaving it waits for what runs."""

    slots: int

    def submit(self, task: Task) -> Future[Observation]:
        """Queues ``task``. Cancelling the future takes back what has not begun."""
        ...

    def __enter__(self) -> Executor: ...

    def __exit__(self, *details: object) -> None: ...
