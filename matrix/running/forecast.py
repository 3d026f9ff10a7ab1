"""What a sweep would do, said before anything runs: trials, environments, disk, time, and what can't run here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix.analysis.analysis import STORE_FILE
from matrix.environments.cache import default_cache
from matrix.environments.eviction import contents
from matrix.environments.uv import Uv
from matrix.executors import usable_cores
from matrix.plan.cells import DEVICE, Trial, VersionSet
from matrix.plan.libraries import OUR_PYTHON
from matrix.plan.parameters import Level
from matrix.plan.plan import Plan
from matrix.plan.run_file import ADAPTIVE
from matrix.results.store import Record, read_locks, read_records
from matrix.running import devices

SCHEMA = "freezelab.forecast/1"
ENVIRONMENT_BYTES = 2e9
"""Of an environment, where there is none to go by: torch with what it needs takes 1 to 6 GB."""


@dataclass(frozen=True)
class EnvironmentForecast:
    """An environment that some cell needs."""

    versions: VersionSet
    cells: int
    bytes: int | None
    """What it takes on the disk; None if it has not been built yet."""


@dataclass(frozen=True)
class Forecast:
    """What a sweep would do."""

    plan: Plan
    trials: int
    """All of the plan; an adaptive design chooses among them."""
    done: int
    """Those that ran already."""
    skipped: Mapping[str, int]
    """Reason to how many of the others (of an adaptive design: of those that it may choose) can't run here for it."""
    to_run: int
    """Trials that will be run."""
    environments: Sequence[EnvironmentForecast]
    """What the cells that can run need, in the order of the plan."""
    bytes_each: float
    """What an environment that is not there yet is expected to take."""
    bytes_basis: str
    seconds: float
    """Until the last trial ends, environments not counted."""
    seconds_basis: str
    at_once: int
    """How many trials run side by side, as a rule."""
    pythons_missing: Sequence[str] = ()
    """Versions of Python that are not on this machine: uv fetches them, if it can."""

    @property
    def to_build(self) -> int:
        """Environments that are not there yet."""
        return sum(one.bytes is None for one in self.environments)

    @property
    def bytes(self) -> float:
        """Room on the disk that building takes; less where environments share files."""
        return self.to_build * self.bytes_each

    def to_json(self) -> dict[str, Any]:
        """As one document."""
        plan = self.plan
        return {
            "schema": SCHEMA,
            "name": plan.name,
            "design": plan.run.design,
            "factors": {name: list(levels) for name, levels in plan.factors.items()},
            "constraints": list(plan.constraints),
            "cells": len(plan.cells),
            "trials": {
                "all": self.trials,
                "done": self.done,
                "skipped": dict(self.skipped),
                "to_run": self.to_run,
            },
            "environments": [
                {
                    "name": one.versions.name,
                    "python": one.versions.python,
                    "requirements": list(one.versions.requirements),
                    "lock_file": one.versions.lock is not None,
                    "cells": one.cells,
                    "built": one.bytes is not None,
                    "bytes": one.bytes,
                }
                for one in self.environments
            ],
            "pythons_missing": list(self.pythons_missing),
            "disk": {"bytes": round(self.bytes), "bytes_each": round(self.bytes_each), "basis": self.bytes_basis},
            "time": {"seconds": round(self.seconds, 1), "basis": self.seconds_basis, "at_once": self.at_once},
        }


def forecast(
    plan: Plan, out: Path, *, jobs: int | None = None, fresh: bool = False, cache: Path | None = None
) -> Forecast:
    """
    Looks ahead. Nothing is made, resolved or built.

    :param out: the sweep's folder; what an earlier start left there counts, unless ``fresh``.
    :param jobs: at most so many trials at once, over the plan's own.
    :param cache: of environments; None is the user's.
    :raises MatrixError: the folder holds a store that can't be read, or there is no uv.
    """
    store = out / STORE_FILE
    known = store.exists() and not fresh
    ran = [record for record in read_records(store) if record.ran] if known else []
    done = {record.id for record in ran}
    reasons: dict[Level, str | None] = {}
    skipped: Counter[str] = Counter()
    open_trials = []
    finished = 0
    for trial in plan.trials:
        device = trial.cell.levels.get(DEVICE)
        if device not in reasons:
            reasons[device] = devices.why_not(device)
        if done and trial.id in done:
            finished += 1
        elif reason := reasons[device]:
            skipped[reason] += 1
        else:
            open_trials.append(trial)
    needed = Counter(cell.versions for cell in plan.cells if reasons.get(cell.levels.get(DEVICE)) is None)
    sizes, bytes_each, bytes_basis = _sizes(cache or default_cache())
    locks = read_locks(store) if known else {}
    costs_s, seconds_basis = _costs(plan, open_trials, ran)
    seconds, at_once = _duration(plan, open_trials, costs_s, jobs or plan.run.jobs)
    to_run = len(open_trials)
    if plan.run.design == ADAPTIVE:
        # Which ones, it decides itself; and it stops as soon as it knows.
        run = plan.run
        to_run = len(open_trials) if run.max_trials is None else max(0, run.max_trials - finished)
        seconds = min(seconds * to_run / max(1, len(open_trials)), run.budget_s or math.inf)
    return Forecast(
        plan=plan,
        trials=len(plan.trials),
        done=finished,
        skipped=dict(skipped),
        to_run=to_run,
        environments=[
            EnvironmentForecast(versions, cells, sizes.get(locks.get(versions.id, "")))
            for versions, cells in needed.items()
        ],
        bytes_each=bytes_each,
        bytes_basis=bytes_basis,
        seconds=seconds,
        seconds_basis=seconds_basis,
        at_once=at_once,
        pythons_missing=[python for python in sorted({one.python for one in needed}) if not has_python(python)],
    )


def has_python(version: str) -> bool:
    """
    Whether uv finds this version of Python without fetching it.

    :raises MatrixError: there is no uv.
    """
    return version == OUR_PYTHON or Uv()(["python", "find", "--no-python-downloads", version]).returncode == 0


def _sizes(cache: Path) -> tuple[dict[str, int], float, str]:
    """Bytes of each environment that is there, by lock; and what to expect of another one, with the reason."""
    sizes = {built.id: built.frees + built.shares for built in contents(cache)} if cache.exists() else {}
    if not sizes:
        return {}, ENVIRONMENT_BYTES, "a guess: none has been built yet"
    each = sum(sizes.values()) / len(sizes)
    return sizes, each, f"the mean of the {len(sizes)} in the cache" if len(sizes) > 1 else "as the one in the cache"


def _costs(plan: Plan, trials: Sequence[Trial], ran: Sequence[Record]) -> tuple[list[float], str]:
    """Seconds that each trial is expected to take, and what says so."""
    walls: dict[str, list[float]] = {}
    for record in ran:
        if record.observation.wall_s is not None:
            walls.setdefault(record.cell, []).append(record.observation.wall_s)
    if walls:
        means = {cell: sum(of_cell) / len(of_cell) for cell, of_cell in walls.items()}
        usual = sum(means.values()) / len(means)
        return [means.get(trial.cell.id, usual) for trial in trials], "earlier trials of this sweep"
    said = plan.run.expected_s is not None or bool(plan.costs)
    basis = "expected_s and [costs]" if said else "the time limit of each trial: an upper bound"
    return [plan.cost_s(trial.cell) for trial in trials], basis


def _duration(plan: Plan, trials: Sequence[Trial], costs_s: Sequence[float], jobs: int | None) -> tuple[float, int]:
    """Seconds until all have run, and how many do at once."""
    cores = len(usable_cores())
    alone_s = sum(costs_s)
    if plan.run.timing == "alone" or not trials:
        return alone_s, 1
    if plan.run.timing == "shared":
        at_once = jobs or cores
        return max(alone_s / at_once, max(costs_s)), at_once
    taken_s = sum(cost * min(trial.threads, cores) for cost, trial in zip(costs_s, trials, strict=True)) / cores
    fit = max(1, round(alone_s / taken_s)) if taken_s else 1
    at_once = min(fit, jobs) if jobs else fit
    return max(taken_s, alone_s / at_once, max(costs_s)), min(at_once, len(trials))
