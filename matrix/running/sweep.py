"""Running a sweep: claim its folder → recover what a kill left unstored → run the pipeline → analyse."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from matrix.analysis.analysis import PLAN_FILE, STORE_FILE, Analysis, analyse_folder
from matrix.environments.cache import Environments, UvEnvironments, default_cache
from matrix.environments.uv import Uv
from matrix.executors import Executor, LocalExecutor, usable_cores
from matrix.plan.cells import DEVICE
from matrix.plan.plan import Plan
from matrix.results.store import Store
from matrix.running import devices
from matrix.running.claim import claim
from matrix.running.estimates import MemoryEstimates
from matrix.running.interrupts import Interrupts
from matrix.running.live_file import LiveFile
from matrix.running.pipeline import Pipeline, Provide
from matrix.running.progress import Progress
from matrix.running.recovery import unstored
from matrix.running.source import source_of
from matrix.running.trial import PROGRAM, Runner
from matrix.running.view import View, view_for
from probes.watch import watch


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
    executor: Executor | None = None,
    program: Path = PROGRAM,
) -> SweepResult:
    """
    Runs the trials of ``plan`` that ``out`` has no result of yet.

    :param out: the sweep's folder; made if it is missing.
    :param jobs: at most so many cells at once, over the plan's own.
    :param fresh: forget what an earlier sweep left in ``out``: its store and its runs, nothing else.
    :param view: None picks one for standard error.
    :param environments: None builds them with uv in the user's cache.
    :param executor: entered and left here; None is this machine, as the plan says.
    :param program: folder of the training program.
    :raises MatrixError: ``out`` can't be used, or uv is missing.
    """
    view = view or view_for(sys.stderr)
    wanted = jobs or plan.run.jobs
    with (
        _environments(environments) as provider,
        claim(out, fresh=fresh) as claimed,
        Store(out / STORE_FILE) as store,
        Interrupts() as interrupts,
        executor or _local_executor(plan, wanted) as executor,
        ThreadPoolExecutor(len(usable_cores()), thread_name_prefix="environment") as builders,
    ):
        plan.save(out / PLAN_FILE)
        store.name_factors(plan.factors)
        if claimed.leftovers:
            view.note(f"a sweep that was killed had left processes running here; ended: {claimed.leftovers}")
        own_cores = plan.run.timing == "own-cores" and not executor.builds_environments
        if wanted is not None and executor.slots < wanted and own_cores:
            view.note(f"{wanted} jobs asked for; {executor.slots} fit on the cores without sharing one")
        if claimed.resumed:
            _recover(plan, out, store, view)
        records = store.records()
        source = source_of(plan, records, claimed.failing)
        of_plan = {cell.id for cell in plan.cells}
        earlier = [record.observation for record in records if record.ran and record.cell in of_plan]
        progress = Progress(source.total, source.done, executor.slots, earlier)
        pipeline = Pipeline(
            out=out,
            program=program,
            runner=runner,
            stop_on=plan.run.stop_on,
            provide=_provide(provider, executor),
            source=source,
            store=store,
            view=view,
            live=LiveFile(out, progress),
            interrupts=interrupts,
            executor=executor,
            builders=builders,
            progress=progress,
            memory=MemoryEstimates(records),
        )
        pipeline.run()
        if isinstance(provider, UvEnvironments):
            for note in provider.look():
                view.note(note)
    return SweepResult(out, interrupts.wind_down, analyse_folder(out))


@contextlib.contextmanager
def _environments(given: Environments | None) -> Iterator[Environments]:
    if given is not None:
        yield given
        return
    own = UvEnvironments(Uv(), default_cache())
    try:
        yield own
    finally:
        own.close()


def _local_executor(plan: Plan, jobs: int | None) -> LocalExecutor:
    # Trials with more threads than the least take more cores; the slots are for those with the least.
    threads = min((plan.threads(cell) for cell in plan.cells), default=1)
    kinds = {str(cell.levels.get(DEVICE)).partition(":")[0] for cell in plan.cells}
    gpus = devices.gpus() if devices.CUDA in kinds else ()  # asking takes a while
    return LocalExecutor(jobs, threads, timing=plan.run.timing, gpus=gpus)


def _recover(plan: Plan, out: Path, store: Store, view: View) -> None:
    """Stores what ended in the very moment in which the sweep was killed."""
    found = list(unstored(out, source_of(plan, store.records()).unstored(), store))
    for trial, observation in found:
        store.add(trial, observation)
    if found:
        view.note(f"trials that had ended when the sweep was killed, and are stored now: {len(found)}")


def _provide(environments: Environments, executor: Executor) -> Provide:
    """How trials come by their environments."""
    if not (executor.builds_environments and isinstance(environments, UvEnvironments)):
        return environments.provide
    resolve = environments.resolve
    return lambda versions, known, should_stop: known or resolve(versions, should_stop)
