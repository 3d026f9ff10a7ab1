"""The pipeline of a sweep: ask the source → skip → provide environments → run → store → tell the source."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from matrix.environments.cache import BuildError, CellEnvironment, Lock, ShouldStop, Unsatisfiable
from matrix.environments.uv import StoppedError
from matrix.executors import Executor, Needs
from matrix.plan.cells import DEVICE, Trial, VersionSet
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Store
from matrix.running import devices
from matrix.running.estimates import MemoryEstimates
from matrix.running.interrupts import Interrupts
from matrix.running.live_file import LiveFile
from matrix.running.progress import Progress
from matrix.running.source import Source
from matrix.running.trial import Runner, TrialTask
from matrix.running.view import View
from probes.verdicts import Verdict
from probes.watch import InterruptedRunError, Status

_TICK_S = 0.5

Found = CellEnvironment | Lock | Unsatisfiable
"""What came of asking for an environment: a lock, if whoever runs the trial builds it."""
Provide = Callable[[VersionSet, Lock | None, ShouldStop], Found]
"""As :meth:`matrix.environments.interface.Environments.provide`."""


@dataclass
class Pipeline:
    """The pipeline's state: what is awaited, and for what."""

    out: Path
    program: Path
    runner: Runner
    stop_on: frozenset[Verdict]
    provide: Provide
    source: Source
    store: Store
    view: View
    live: LiveFile
    interrupts: Interrupts
    executor: Executor
    builders: ThreadPoolExecutor
    progress: Progress
    memory: MemoryEstimates
    lacks: dict[object, str | None] = field(default_factory=dict)
    """Device to why nothing can run on it."""
    found: dict[VersionSet, Found | BuildError | OSError] = field(default_factory=dict)
    building: dict[Future[Any], list[Trial]] = field(default_factory=dict)
    """Environments under way, and the trials that wait for each."""
    running: dict[Future[Any], Trial] = field(default_factory=dict)
    """Trials that the executor has."""
    asked: dict[str, int] = field(default_factory=dict)
    """Trial's id to when the source gave it, by number."""
    ended: queue.SimpleQueue[Future[Any]] = field(default_factory=queue.SimpleQueue)
    told: int = 0
    """How many presses of Ctrl-C were answered."""

    def run(self) -> None:
        """
        Until nothing is left to be run, or Ctrl-C.

        Whatever goes wrong in here ends what runs.
        """
        self.view.begin(self.progress)
        try:
            self._ask()
            while self.building or self.running:
                for future in self._ended():
                    self._advance(future)
                self._heed_interrupts()
                self._ask()
                self.live.write()
                self.view.tick()
            if (conclusion := self.source.conclusion) is not None:
                self.view.note(f"the trials so far come to: {conclusion}")
        except BaseException:
            self.interrupts.press(2)  # nobody is left to store what runs
            raise
        finally:
            self.view.end()
            self.live.remove()

    def _ask(self) -> None:
        """Takes from the source what may be out at once."""
        ahead = self.executor.slots if self.source.ahead is None else self.source.ahead
        while not self.interrupts.wind_down and len(self.running) + self._waiting < ahead:
            if (trial := self.source.next()) is None:
                break
            self.asked[trial.id] = len(self.asked)
            self._place(trial)
        self.progress.total, self.progress.slots = self.source.total, self.executor.slots

    @property
    def _waiting(self) -> int:
        return sum(len(trials) for trials in self.building.values())

    def _place(self, trial: Trial) -> None:
        """Sorts out what this machine can't run, before an environment is built for it."""
        device = trial.cell.levels.get(DEVICE)
        if device not in self.lacks:
            self.lacks[device] = None if self.executor.builds_environments else devices.why_not(device)
        if reason := self.lacks[device]:
            self._store(trial, Observation(Outcome.SKIPPED, reason))
        elif (found := self.found.get(trial.cell.versions)) is not None:
            self._start(trial, found)
        else:
            self._provide(trial)

    def _provide(self, trial: Trial) -> None:
        versions = trial.cell.versions
        for waiting in self.building.values():
            if waiting[0].cell.versions == versions:
                waiting.append(trial)
                return
        self.view.note(f"environment {versions.name}: {', '.join(versions.requirements)}")
        provide = partial(self.provide, versions, self.store.lock(versions))
        future = self.builders.submit(provide, lambda: self.interrupts.wind_down)
        self.building[future] = [trial]
        future.add_done_callback(self.ended.put)

    def _ended(self) -> Iterator[Future[Any]]:
        """What has ended; waits a moment for it."""
        with contextlib.suppress(queue.Empty):
            yield self.ended.get(timeout=_TICK_S)
            while True:
                yield self.ended.get_nowait()

    def _advance(self, future: Future[Any]) -> None:
        if future in self.building:
            self._built(future, self.building.pop(future))
        elif future in self.running:
            self._ran(future, self.running.pop(future))

    def _heed_interrupts(self) -> None:
        if not self.interrupts.wind_down:
            return
        self._take_back()  # what was cancelled before it began never counts as done
        self.building = {future: trials for future, trials in self.building.items() if not future.cancel()}
        if self.told == 0 and self.running:
            self.view.note(f"stopping: {len(self.running)} running cells finish; Ctrl-C again ends them now")
            self.told = 1
        elif self.told <= 1 and self.interrupts.stop_now and self.running:
            self.view.note("stopping now: what runs is ended and will be run again next time")
            self.told = 2

    def _built(self, future: Future[Any], trials: Sequence[Trial]) -> None:
        """Keeps what came of asking for an environment, and starts the trials that waited for it."""
        versions = trials[0].cell.versions
        try:
            found: Found | BuildError | OSError = future.result()
        except (CancelledError, StoppedError):
            return
        except (BuildError, OSError) as error:  # such as: no space left
            found = error
        self.found[versions] = found
        if isinstance(found, (CellEnvironment, Lock)):
            self.store.add_lock(versions, found if isinstance(found, Lock) else found.lock)
            self.view.note(f"environment {versions.name}: ready")
        if isinstance(found, CellEnvironment):
            for note in found.notes:
                self.view.note(f"environment {versions.name}: {note}")
        # Those of an environment that was ready before may have been asked for later.
        for trial in sorted([*self._take_back(), *trials], key=lambda trial: self.asked[trial.id]):
            self._start(trial, self.found[trial.cell.versions])

    def _take_back(self) -> list[Trial]:
        """The trials that the executor has not begun."""
        taken = [future for future in self.running if future.cancel()]
        return [self.running.pop(future) for future in taken]

    def _start(self, trial: Trial, found: Found | BuildError | OSError) -> None:
        """Hands a trial to the executor, or stores why it can't be run."""
        if isinstance(found, (CellEnvironment, Lock)):
            future = self.executor.submit(self._task(trial, found), partial(self._needs, trial))
            self.running[future] = trial
            future.add_done_callback(self.ended.put)
        elif isinstance(found, Unsatisfiable):
            self._store(trial, Observation(Outcome.UNSATISFIABLE, found.reason))
        else:
            self._store(trial, Observation(Outcome.FAILED_TO_START, str(found)))

    def _needs(self, trial: Trial) -> Needs:
        device = trial.cell.levels.get(DEVICE)
        gpu = str(device) if device not in (None, devices.CPU) else None
        return Needs(trial.threads, gpu, self.memory.of(trial.cell.id))

    def _task(self, trial: Trial, environment: CellEnvironment | Lock) -> TrialTask:
        return TrialTask(
            trial,
            environment,
            self.program,
            self.out,
            self.stop_on,
            self.runner,
            on_start=self.progress.started,
            on_status=self._status,
            may_start=lambda: not self.interrupts.wind_down,
            should_stop=lambda: self.interrupts.stop_now,
        )

    def _status(self, trial: Trial, status: Status) -> None:
        self.progress.status(trial, status.line, status.suspicious, status.step, status.phase)

    def _ran(self, future: Future[Any], trial: Trial) -> None:
        try:
            self._store(trial, future.result())
        except (CancelledError, InterruptedRunError):
            self.progress.finished(trial, None)

    def _store(self, trial: Trial, observation: Observation) -> None:
        self.store.add(trial, observation)
        self.memory.tell(trial.cell.id, observation.peak_rss_bytes)
        self.source.tell(trial, observation)
        self.progress.finished(trial, observation)
        self.view.finished(trial, observation)
