"""What an executor is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from matrix.results.observation import Observation


@dataclass(frozen=True)
class Needs:
    """What a trial takes from the machine while it runs."""

    cores: int | None = None
    """As many as it has threads; None is what the executor gives to each."""
    gpu: str | None = None
    """The device as torch names it: ``cuda`` for any GPU, ``cuda:1`` for that one. None needs none."""
    memory_bytes: int = 0
    """The most that it is expected to take; 0 makes no claim."""


@dataclass(frozen=True)
class Allotment:
    """What a trial is given."""

    cores: frozenset[int]
    gpu: str | None = None
    """For ``CUDA_VISIBLE_DEVICES``; None leaves that variable as it is."""


Task = Callable[[Allotment], Observation]
"""Runs one trial on what it is allotted."""


class Executor(Protocol):
    """Runs tasks, at most ``slots`` at a time. A context manager: leaving it waits for what runs."""

    @property
    def slots(self) -> int:
        """How many run at once; may change."""
        ...

    @property
    def builds_environments(self) -> bool:
        """
        Whether trials run on machines that provide their environments themselves: they need only be resolved here,
        and what this machine lacks says nothing.
        """
        ...

    def submit(self, task: Task, needs: Callable[[], Needs] = Needs) -> Future[Observation]:
        """
        Queues ``task``. Cancelling the future takes back what has not begun.

        :param needs: asked when the task may start: what trials take is known better the more have run.
        """
        ...

    def __enter__(self) -> Executor: ...

    def __exit__(self, *details: object) -> None: ...
