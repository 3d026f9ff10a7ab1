"""Running one trial."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from matrix.environments.cache import CellEnvironment, Lock
from matrix.executors.interface import Allotment
from matrix.plan.cells import DEVICE, NO_REMEDY, REMEDY, Trial
from matrix.results.observation import Observation, Outcome, observed
from matrix.running.surroundings import Surroundings
from probes import remedies
from probes.diagnosis import Diagnosis
from probes.verdicts import Verdict
from probes.watch import STOP_AFTER_S, InterruptedRunError, Status, WatchOptions

Runner = Callable[[Sequence[str], WatchOptions], Diagnosis]
"""As :func:`probes.watch.watch`."""

PROGRAM = Path(__file__).resolve().parents[2] / "repro"
"""What a cell runs, unless told otherwise."""
CELLS_FOLDER = "cells"
"""In the sweep's folder: one run's folder for each trial."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Order:
    """A trial on its way to another machine: plain data."""

    trial: Trial
    lock: Lock | None
    """What its environment holds; None lets the other machine resolve it."""
    program: Path | None
    """As :attr:`TrialTask.program`; None is the one that came with FreezeLab over there."""
    stop_on: frozenset[Verdict]

    @property
    def gpu(self) -> str | None:
        """The GPU that it needs, as torch names it."""
        device = str(self.trial.cell.levels.get(DEVICE))
        return device if device.partition(":")[0] == "cuda" else None


@dataclass(frozen=True)
class TrialTask:
    """A trial whose environment is ready, or will be provided by whoever runs it."""

    trial: Trial
    environment: CellEnvironment | Lock
    """A lock if the executor builds environments itself."""
    program: Path
    """The folder of the training program; Python runs its ``__main__``."""
    sweep: Path
    """The sweep's folder."""
    stop_on: frozenset[Verdict]
    """Settled verdicts that end the run; empty lets every run go on to its end or its time limit."""
    runner: Runner
    on_start: Callable[[Trial], None]
    on_status: Callable[[Trial, Status], None]
    may_start: Callable[[], bool]
    should_stop: Callable[[], bool]

    @property
    def command(self) -> list[str]:
        """What is run."""
        return [str(self._here.python), *self.trial.words(self.program)]

    @property
    def _here(self) -> CellEnvironment:
        if isinstance(self.environment, Lock):
            raise TypeError("its environment is not here")
        return self.environment

    @property
    def lock(self) -> Lock:
        """What its environment holds."""
        return self.environment if isinstance(self.environment, Lock) else self.environment.lock

    @property
    def order(self) -> Order:
        """What another machine must be told to run it."""
        program = None if self.program == PROGRAM else self.program.resolve()
        return Order(self.trial, self.lock, program, self.stop_on)

    @property
    def chosen_remedies(self) -> tuple[remedies.Choice, ...]:
        """What is changed in the run from outside."""
        level = str(self.trial.cell.levels.get(REMEDY, NO_REMEDY))
        return () if level == NO_REMEDY else remedies.choose_all(level.split(","))

    def __call__(self, allotment: Allotment) -> Observation:
        """
        Runs the trial.

        :raises InterruptedRunError: it may not start, or ``should_stop`` said so; there is nothing to store.
        """
        if not self.may_start():
            raise InterruptedRunError
        peaks_bytes = [0]

        def on_status(status: Status) -> None:
            peaks_bytes[0] = max(peaks_bytes[0], status.rss_bytes)
            self.on_status(self.trial, status)

        folder = self.sweep / CELLS_FOLDER / self.trial.id
        shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was cut off
        options = WatchOptions(
            out=folder,
            limit_s=self.trial.limit_s,
            on_freeze="stop" if self.stop_on else "report",
            stop_after_s=STOP_AFTER_S,
            stop_on=self.stop_on,
            remedies=self.chosen_remedies,
            env={
                **dict.fromkeys(THREAD_VARIABLES, str(self.trial.threads)),
                "PYTHONNOUSERSITE": "1",  # the user's own packages are not the cell's
                "PYTHONDONTWRITEBYTECODE": "1",  # the environment is not the cell's alone, and is compiled already
                **({"CUDA_VISIBLE_DEVICES": allotment.gpu} if allotment.gpu is not None else {}),
                **self.trial.cell.environ,
            },
            cpus=allotment.cores,
            stdin_null=True,
            on_status=on_status,
            should_stop=self.should_stop,
        )
        self.on_start(self.trial)
        started_at = dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
        started = time.monotonic()
        surroundings = Surroundings(allotment.cores)
        try:
            with self._here.used_by(self.trial.label):
                observation = observed(self.runner(self.command, options))
        except InterruptedRunError:
            raise
        except Exception as error:  # noqa: BLE001 - one trial that can't be watched must not end the sweep
            observation = Observation(Outcome.FAILED_TO_START, f"{type(error).__name__}: {error}")
        below = folder.relative_to(self.sweep)
        return replace(
            observation,
            wall_s=time.monotonic() - started,
            started_at=started_at,
            lock=self.lock.id,
            folder=str(below),
            artifacts={name: str(below / path) for name, path in observation.artifacts.items()},
            gpu=allotment.gpu,
            peak_rss_bytes=peaks_bytes[0] or None,
            **surroundings.since(),
        )
