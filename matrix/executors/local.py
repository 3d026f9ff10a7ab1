"""This machine: threads that each supervise one process on cores of its own."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from matrix.executors.interface import Task
from matrix.results.observation import Observation


def usable_cores() -> tuple[int, ...]:
    """The cores that this process may run on."""
    return tuple(sorted(os.sched_getaffinity(0)))


class LocalExecutor:
    """
    As many trials at once as the cores allow, each on its own.

    Two trials that shared a core would measure each other: a recurrent rollout has been seen to take twenty
    times as long that way.
    """

    def __init__(self, jobs: int | None, threads: int, cores: Iterable[int] | None = None) -> None:
        """
        :param jobs: at most so many at once; None is as many as the cores allow.
        :param threads: cores for each trial, and no more.
        :param cores: None is all that this process may use.
        """
        available = usable_cores() if cores is None else tuple(cores)
        width = min(threads, len(available))
        fit = len(available) // width
        self.slots = fit if jobs is None else min(jobs, fit)
        self._free: queue.SimpleQueue[frozenset[int]] = queue.SimpleQueue()
        for slot in range(self.slots):
            self._free.put(frozenset(available[slot * width : (slot + 1) * width]))
        self._threads = ThreadPoolExecutor(self.slots, thread_name_prefix="trial")

    def submit(self, task: Task) -> Future[Observation]:
        """See :meth:`matrix.executors.interface.Executor.submit`."""
        return self._threads.submit(self._on_own_cores, task)

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _on_own_cores(self, task: Task) -> Observation:
        cores = self._free.get()
        try:
            return task(cores)
        finally:
            self._free.put(cores)
