"""Running one trial."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from matrix.environments.cache import CellEnvironment
from matrix.executors.interface import Allotment
from matrix.plan.cells import NO_REMEDY, REMEDY, Trial
from matrix.results.observation import Observation, Outcome, observed
from matrix.running.surroundings import Surroundings
from probes import remedies
from probes.diagnosis import Diagnosis
from probes.verdicts import Verdict
from probes.watch import InterruptedRunError, Status, WatchOptions

Runner = Callable[[Sequence[str], WatchOptions], Diagnosis]
"""As :func:`probes.watch.watch`."""

CELLS_FOLDER = "cells"
"""In the sweep's folder: one run's folder for each trial."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class TrialTask:
    """A trial whose environment is ready."""

    trial: Trial
    environment: CellEnvironment
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
        return [str(self.environment.python), *self.trial.words(self.program)]

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
            stop_on=self.stop_on,
            remedies=self.chosen_remedies,
            env={
                **dict.fromkeys(_THREAD_VARIABLES, str(self.trial.threads)),
                "PYTHONNOUSERSITE": "1",  # the user's own packages are not the cell's
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
            lock=self.environment.lock.id,
            folder=str(below),
            artifacts={name: str(below / path) for name, path in observation.artifacts.items()},
            gpu=allotment.gpu,
            peak_rss_bytes=peaks_bytes[0] or None,
            **surroundings.since(),
        )
