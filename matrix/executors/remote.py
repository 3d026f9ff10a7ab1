"""What a worker of a cluster does: runs a trial with what it has, and tells how it gets on."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import dask
import distributed

from matrix.environments.cache import (
    BuildError,
    CellEnvironment,
    Environments,
    Unsatisfiable,
    UvEnvironments,
    default_cache,
)
from matrix.environments.uv import StoppedError, Uv
from matrix.errors import MatrixError
from matrix.executors.dispatch import OVER, RUNNING
from matrix.executors.fitness import version
from matrix.executors.machine import Machine, runtime_folder
from matrix.executors.parcel import Parcel, pack
from matrix.executors.workplace import workplace
from matrix.plan.cells import DEVICE, Trial
from matrix.results.observation import Observation, Outcome
from matrix.running import devices
from matrix.running.trial import CELLS_FOLDER, PROGRAM, Order, TrialTask
from probes.watch import InterruptedRunError, Status, watch

_ENVIRONMENT, _WAITING = "environment", "waiting"
"""Stages before the training program runs."""
_ENDING = (distributed.Status.closing, distributed.Status.closed, distributed.Status.failed)
_LINES = {_ENVIRONMENT: "its environment is provided", _WAITING: "waits for cores"}


@dataclass(frozen=True)
class Answer:
    """What comes home."""

    observation: Observation
    parcel: Parcel
    """The run's folder."""
    worker: dict[str, Any] = field(default_factory=dict)
    """Who ran it, as JSON."""


@dataclass(frozen=True)
class Terms:
    """What all orders of a sweep have in common."""

    topic: str
    """Where to tell how an order gets on: signs of life, each with its stage."""
    timing: str
    """See :data:`matrix.plan.plan.TIMINGS`."""
    beat_every_s: float


def run_order(order: Order, terms: Terms) -> Answer | None:
    """Runs a trial on this worker; None if nobody wants it any more."""
    worker = distributed.get_worker()
    key = worker.get_current_task()

    def unwanted() -> bool:
        """Cancelled, or asked for by a sweep that has ended: Dask tells us by the task's state, and costs nothing."""
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled" or worker.status in _ENDING

    with _Beats(worker, terms, str(key)) as beats, _folder() as folder:
        try:
            observation = _run(order, terms, folder, beats, unwanted)
        except (InterruptedRunError, StoppedError):
            return None
        parcel = pack(folder / CELLS_FOLDER / order.trial.id)
        who = {
            "worker": worker.address,
            "host": platform.node(),
            "python": platform.python_version(),
            "freezelab": version(),
            "left_out": parcel.left_out,
        }
        return Answer(observation, parcel, who)


def _run(order: Order, terms: Terms, folder: Path, beats: _Beats, unwanted: Callable[[], bool]) -> Observation:
    device = order.trial.cell.levels.get(DEVICE)
    if reason := devices.why_not(device):
        return Observation(Outcome.SKIPPED, f"{reason} on {platform.node()}")
    beats.stage(_ENVIRONMENT)
    try:
        environment = _environments().provide(order.trial.cell.versions, order.lock, unwanted)
    except (BuildError, MatrixError, OSError) as error:
        return Observation(Outcome.FAILED_TO_START, f"{error} (on {platform.node()})")
    if isinstance(environment, Unsatisfiable):
        return Observation(Outcome.UNSATISFIABLE, environment.reason)
    beats.stage(_WAITING)
    gpus = devices.gpus() if order.gpu is not None else ()
    machine = Machine(runtime_folder(), gpus=gpus, timing=terms.timing)
    with machine.allot(order.trial.threads, order.gpu, unwanted) as allotment:
        if allotment is None:
            raise InterruptedRunError
        task = _task(order, environment, folder, beats, unwanted)
        return task(allotment)


def _task(
    order: Order, environment: CellEnvironment, folder: Path, beats: _Beats, unwanted: Callable[[], bool]
) -> TrialTask:
    _drop_dask_settings()
    return TrialTask(
        order.trial,
        environment,
        order.program or PROGRAM,
        folder,
        order.stop_on,
        watch,
        on_start=beats.began,
        on_status=beats.status,
        may_start=lambda: not unwanted(),
        should_stop=unwanted,
    )


@cache
def _environments() -> Environments:
    return UvEnvironments(Uv(), default_cache())


@cache
def _drop_dask_settings() -> None:
    """A nanny sets up its workers' memory allocator; what is observed must not depend on that."""
    for name, value in dask.config.get("distributed.nanny.pre-spawn-environ", {}).items():
        if os.environ.get(name) == str(value):
            del os.environ[name]


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Stands for the sweep's folder."""
    folder = Path(tempfile.mkdtemp(dir=workplace()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Beats:
    """Signs of life, from a thread of their own: an environment that takes minutes is no worker that hangs."""

    def __init__(self, worker: distributed.Worker, terms: Terms, key: str) -> None:
        self._worker, self._terms = worker, terms
        self._now: Mapping[str, Any] = {"key": key, "stage": _ENVIRONMENT, "line": _LINES[_ENVIRONMENT]}
        self._since = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="beats", daemon=True)

    def __enter__(self) -> _Beats:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.stage(OVER)

    def stage(self, stage: str) -> None:
        """The order has got so far."""
        self._now = {**self._now, "stage": stage, "line": _LINES.get(stage, "")}
        self._tell()

    def began(self, _: Trial) -> None:
        """As :attr:`matrix.running.trial.TrialTask.on_start`."""
        self._since = time.monotonic()
        self.stage(RUNNING)

    def status(self, _: Trial, status: Status) -> None:
        """As :attr:`matrix.running.trial.TrialTask.on_status`; told with the next sign of life."""
        self._now = {
            **self._now,
            "line": status.line,
            "step": status.step,
            "phase": status.phase,
            "suspicious": status.suspicious,
            "rss_bytes": status.rss_bytes,
        }

    def _beat(self) -> None:
        while not self._ended.wait(self._terms.beat_every_s):
            self._tell()

    def _tell(self) -> None:
        elapsed_s = time.monotonic() - self._since
        with contextlib.suppress(Exception):  # a worker that is closing; the sweep will see that
            self._worker.log_event(self._terms.topic, {**self._now, "elapsed_s": elapsed_s})
