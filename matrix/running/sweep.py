"""Running a sweep: open → skip → provide environments → run → store. Stopped anywhere, it goes on from there."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from matrix.analysis.analysis import PLAN_FILE, STORE_FILE, Analysis, analyse_folder
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
from matrix.executors import Executor, LocalExecutor, usable_cores
from matrix.plan.cells import DEVICE, Trial, VersionSet
from matrix.plan.plan import Plan
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Store
from matrix.running import devices
from matrix.running.interrupts import Interrupts
from matrix.running.leftovers import end_leftovers
from matrix.running.progress import Progress
from matrix.running.trial import CELLS_FOLDER, Runner, TrialTask
from matrix.running.view import View, view_for
from probes.verdicts import Verdict
from probes.watch import InterruptedRunError, Status, watch

PROGRAM = Path(__file__).resolve().parents[2] / "repro"
"""What a cell runs, unless told otherwise."""
_LOCK_FILE = "sweep.lock"
_TICK_S = 0.5


@dataclass(frozen=True)
class SweepResult:
    """How a sweep ended."""

    out: Path
    interrupted: bool
    """By Ctrl-C; the same call goes on where it stopped."""
    analysis: Analysis


def run_sweep(
    plan: Plan,
    out: Path,
    *,
    jobs: int | None = None,
    fresh: bool = False,
    view: View | None = None,
    runner: Runner = watch,
    environments: Environments | None = None,
    program: Path = PROGRAM,
) -> SweepResult:
    """
    Runs the trials of ``plan`` that ``out`` has no result of yet.

    :param out: the sweep's folder; made if it is missing.
    :param jobs: at most so many cells at once, over the plan's own.
    :param fresh: forget what an earlier sweep left in ``out``: its store and its runs, nothing else.
    :param view: None picks one for standard error.
    :param environments: None builds them with uv in the user's cache.
    :param program: folder of the training program.
    :raises MatrixError: ``out`` can't be used, or uv is missing.
    """
    environments = environments or UvEnvironments(Uv(), default_cache())
    view = view or view_for(sys.stderr)
    wanted = jobs or plan.run.jobs
    with (
        _folder(out, fresh) as leftovers,
        Store(out / STORE_FILE) as store,
        Interrupts() as interrupts,
        LocalExecutor(wanted, plan.run.threads_per_cell) as executor,
        ThreadPoolExecutor(len(usable_cores()), thread_name_prefix="environment") as builders,
    ):
        if leftovers:
            view.note(f"a sweep that was killed had left processes running here; ended: {leftovers}")
        plan.save(out / PLAN_FILE)
        todo = store.missing(plan.trials)
        progress = Progress(len(plan.trials), len(plan.trials) - len(todo), executor.slots)
        stop_on = plan.run.stop_on
        sweep = _Sweep(
            out, program, runner, environments, store, view, interrupts, executor, builders, progress, stop_on
        )
        if wanted is not None and executor.slots < wanted:
            view.note(f"{wanted} jobs asked for; {executor.slots} fit on the cores without sharing one")
        sweep.run(todo)
    return SweepResult(out, interrupts.wind_down, analyse_folder(out))


@dataclass
class _Sweep:
    """The pipeline's state: which futures are awaited, and for what."""

    out: Path
    program: Path
    runner: Runner
    environments: Environments
    store: Store
    view: View
    interrupts: Interrupts
    executor: Executor
    builders: ThreadPoolExecutor
    progress: Progress
    stop_on: frozenset[Verdict]
    building: dict[Future[CellEnvironment | Unsatisfiable], list[Trial]] = field(default_factory=dict)
    running: dict[Future[Observation], Trial] = field(default_factory=dict)
    told: int = 0
    """How many presses of Ctrl-C were answered."""

    def run(self, todo: list[Trial]) -> None:
        self.view.begin(self.progress)
        try:
            self._provide(self._skip(todo))
            while awaited := self._awaited():
                done, _ = wait(awaited, _TICK_S, FIRST_COMPLETED)
                for future in done:
                    self._advance(future)
                self._heed_interrupts()
                self.view.tick()
        except BaseException:
            self.interrupts.press(2)  # nobody is left to store what runs
            raise
        finally:
            self.view.end()

    def _awaited(self) -> list[Future[Any]]:
        return [*self.building, *self.running]

    def _advance(self, future: Future[Any]) -> None:
        if future in self.building:
            self._built(future, self.building.pop(future))
        else:
            self._ran(future, self.running.pop(future))

    def _heed_interrupts(self) -> None:
        if not self.interrupts.wind_down:
            return
        # Popped here: what was cancelled before it began never counts as done.
        self.running = {future: trial for future, trial in self.running.items() if not future.cancel()}
        self.building = {future: trials for future, trials in self.building.items() if not future.cancel()}
        if self.told == 0 and self.running:
            self.view.note(f"stopping: {len(self.running)} running cells finish; Ctrl-C again ends them now")
            self.told = 1
        elif self.told <= 1 and self.interrupts.stop_now and self.running:
            self.view.note("stopping now: what runs is ended and will be run again next time")
            self.told = 2

    def _skip(self, trials: list[Trial]) -> list[Trial]:
        """Sorts out what this machine can't run, before an environment is built for it."""
        reasons: dict[object, str | None] = {}
        runnable = []
        for trial in trials:
            device = trial.cell.levels.get(DEVICE)
            if device not in reasons:
                reasons[device] = devices.why_not(device)
            if reason := reasons[device]:
                self._store(trial, Observation(Outcome.SKIPPED, reason))
            else:
                runnable.append(trial)
        return runnable

    def _provide(self, trials: list[Trial]) -> None:
        by_versions: dict[VersionSet, list[Trial]] = defaultdict(list)
        for trial in trials:
            by_versions[trial.cell.versions].append(trial)
        for versions, waiting in by_versions.items():
            self.view.note(f"environment {versions.name}: {', '.join(versions.requirements)}")
            provide = partial(self.environments.provide, versions, self.store.lock(versions))
            self.building[self.builders.submit(provide, lambda: self.interrupts.wind_down)] = waiting

    def _built(self, future: Future[Any], trials: list[Trial]) -> None:
        """Queues the trials that waited for an environment, or stores why there is none."""
        versions = trials[0].cell.versions
        try:
            environment = future.result()
        except (CancelledError, StoppedError):
            return
        except (BuildError, OSError) as error:  # such as: no space left
            environment = error
        if isinstance(environment, CellEnvironment):
            self.store.add_lock(versions, environment.lock)
            self.view.note(f"environment {versions.name}: ready")
            for trial in trials:
                self.running[self.executor.submit(self._task(trial, environment))] = trial
            return
        for trial in trials:
            if isinstance(environment, Unsatisfiable):
                self._store(trial, Observation(Outcome.UNSATISFIABLE, environment.reason))
            else:
                self._store(trial, Observation(Outcome.FAILED_TO_START, str(environment)))

    def _task(self, trial: Trial, environment: CellEnvironment) -> TrialTask:
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
        self.progress.status(trial, status.line, status.suspicious)

    def _ran(self, future: Future[Any], trial: Trial) -> None:
        try:
            self._store(trial, future.result())
        except (CancelledError, InterruptedRunError):
            self.progress.finished(trial, None)

    def _store(self, trial: Trial, observation: Observation) -> None:
        self.store.add(trial, observation)
        self.progress.finished(trial, observation)
        self.view.finished(trial, observation)


@contextlib.contextmanager
def _folder(out: Path, fresh: bool) -> Iterator[int]:
    """The sweep's folder, for this process alone; gives how many processes of a killed sweep were ended for that."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / _LOCK_FILE)
        lock.acquire(timeout=0)
    except Timeout:
        raise MatrixError(f"{out}: another sweep is running there; wait for it, or name another --out") from None
    except OSError as error:
        raise MatrixError(f"{out}: can't be written to ({error.strerror}); name another --out") from error
    try:
        leftovers = end_leftovers(out / CELLS_FOLDER)
        if fresh:
            for path in (PLAN_FILE, STORE_FILE, f"{STORE_FILE}-wal", f"{STORE_FILE}-shm"):
                (out / path).unlink(missing_ok=True)
            shutil.rmtree(out / CELLS_FOLDER, ignore_errors=True)
        yield leftovers
    finally:
        lock.release()
