"""This machine: threads that each supervise one process on cores of its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from matrix.executors.interface import Allotment, Needs, Task
from matrix.executors.memory import free_bytes
from matrix.results.observation import Observation

ANY_GPU = "cuda"
_ASK_AGAIN_S = 1.0
"""Memory is given back by others, too, who tell nobody."""


def usable_cores() -> tuple[int, ...]:
    """The cores that this process may run on."""
    return tuple(sorted(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class _Waiting:
    task: Task
    needs: Callable[[], Needs]
    future: Future[Observation]


@dataclass(frozen=True)
class _Running:
    allotment: Allotment
    memory_bytes: int
    device: int | str | None
    """The GPU that it has to itself: its place among ours, or another device's name."""


class _Crowd:
    """How many trials ran at once, on average."""

    def __init__(self) -> None:
        self._count = 0
        self._trial_s = 0.0
        self._since = time.monotonic()

    def now(self, count: int | None = None) -> tuple[float, float]:
        """The time and the trial-seconds until now; from now on, ``count`` trials run."""
        now = time.monotonic()
        self._trial_s += self._count * (now - self._since)
        self._since = now
        self._count = self._count if count is None else count
        return now, self._trial_s


class LocalExecutor:
    """
    As many trials at once as cores, memory and GPUs allow: each on cores of its own, one on a GPU.

    Two trials that shared a core would measure each other: a recurrent rollout has been seen to take twenty
    times as long that way. Of those that wait, the first that fits is started. One that never fits is started once
    nothing else runs: waiting longer would not help it.
    """

    builds_environments = False

    def __init__(
        self,
        jobs: int | None,
        threads: int,
        cores: Iterable[int] | None = None,
        *,
        timing: str = "own-cores",
        gpus: Sequence[str] = (),
        free: Callable[[], int | None] = free_bytes,
    ) -> None:
        """
        :param jobs: at most so many at once; None is as many as the cores allow.
        :param threads: cores for each trial that does not say what it needs; no trial gets more than there are.
        :param cores: None is all that this process may use.
        :param timing: see :data:`matrix.plan.plan.TIMINGS`.
        :param gpus: the GPUs, as ``CUDA_VISIBLE_DEVICES`` names them, in the order of torch's ``cuda:N``.
        :param free: bytes of memory that could be taken now; None makes no statement.
        """
        self._cores = usable_cores() if cores is None else tuple(cores)
        self._threads_each = min(threads, len(self._cores))
        self._shared = timing == "shared"
        fit = 1 if timing == "alone" else len(self._cores) // self._threads_each
        self.slots = fit if jobs is None else jobs if self._shared else min(jobs, fit)
        self._gpus, self._free, self._capacity = tuple(gpus), free, free()
        self._waiting: list[_Waiting] = []
        self._running: list[_Running] = []
        self._crowd = _Crowd()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"trial_{n}") for n in range(self.slots)]

    def submit(self, task: Task, needs: Callable[[], Needs] = Needs) -> Future[Observation]:
        """See :meth:`matrix.executors.interface.Executor.submit`."""
        future: Future[Observation] = Future()
        with self._changed:
            self._waiting.append(_Waiting(task, needs, future))
            self._changed.notify()
        return future

    def __enter__(self) -> LocalExecutor:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            for waiting in self._waiting:
                waiting.future.cancel()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            waiting, running, (began, before) = taken
            try:
                observation = waiting.task(running.allotment)
            except BaseException as error:  # noqa: BLE001 - it is for whoever asks the future
                self._give_back(running)
                waiting.future.set_exception(error)
            else:
                ended, after = self._give_back(running)
                beside = (after - before) / (ended - began) - 1 if ended > began else 0.0
                waiting.future.set_result(replace(observation, beside=round(max(beside, 0.0), 3)))

    def _take(self) -> tuple[_Waiting, _Running, tuple[float, float]] | None:
        """What is to be run next, as soon as something fits; None once there will be nothing."""
        with self._changed:
            while True:
                if (found := self._first_that_fits()) is not None:
                    place, running = found
                    waiting = self._waiting.pop(place)
                    if waiting.future.set_running_or_notify_cancel():
                        self._running.append(running)
                        return waiting, running, self._crowd.now(len(self._running))
                elif self._closed and not self._waiting:
                    return None
                else:
                    self._changed.wait(_ASK_AGAIN_S if self._waiting else None)

    def _first_that_fits(self) -> tuple[int, _Running] | None:
        refused: set[Needs] = set()
        free = self._free() if self._waiting and self._running else None
        for place, waiting in enumerate(self._waiting):
            needs = Needs() if waiting.future.cancelled() else waiting.needs()
            if needs in refused:
                continue
            if (running := self._fits(needs, free)) is not None:
                return place, running
            refused.add(needs)
        return None

    def _fits(self, needs: Needs, free: int | None) -> _Running | None:
        taken = sum(running.memory_bytes for running in self._running)
        # Those that run may not have taken yet what they will.
        room = None if free is None or self._capacity is None else min(free, self._capacity - taken)
        if self._running and room is not None and needs.memory_bytes > room:
            return None
        device = self._device(needs.gpu)
        if device in {running.device for running in self._running} - {None}:
            return None
        if (cores := self._free_cores(needs.cores or self._threads_each)) is None:
            return None
        visible = self._gpus[device] if needs.gpu == ANY_GPU and isinstance(device, int) and self._gpus else None
        return _Running(Allotment(cores, visible), needs.memory_bytes, device)

    def _free_cores(self, wanted: int) -> frozenset[int] | None:
        if self._shared:
            return frozenset(self._cores)
        taken = {core for running in self._running for core in running.allotment.cores}
        cores = [core for core in self._cores if core not in taken][: min(wanted, len(self._cores))]
        return frozenset(cores) if len(cores) == min(wanted, len(self._cores)) else None

    def _device(self, gpu: str | None) -> int | str | None:
        """What ``gpu`` would have to itself: of any, one that is free."""
        if gpu is None:
            return None
        kind, _, number = gpu.partition(":")
        if kind != ANY_GPU:
            return gpu
        if number.isdecimal():
            return int(number)
        taken = {running.device for running in self._running}
        return next((place for place in range(len(self._gpus)) if place not in taken), 0)

    def _give_back(self, running: _Running) -> tuple[float, float]:
        with self._changed:
            self._running.remove(running)
            self._changed.notify_all()
            return self._crowd.now(len(self._running))
