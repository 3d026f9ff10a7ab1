"""What a run tells of itself once it learns, and what the system tells of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probes.system import gpu, procfs

_RUNTIMES = {"libgomp": "GNU", "libiomp5": "Intel", "libomp": "LLVM"}
_STARTED = 19
"""Of the fields from the state on: ticks after boot."""


@dataclass(frozen=True)
class Known:
    """What the checks may look at. None is what could not be read."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    """Of the agent: see ``agent/facts.py``, and ``agent/preflight.py`` under ``preflight``."""
    cores: float | None = None
    """That the run may use: by its affinity and its control groups."""
    runtimes: tuple[str, ...] = ()
    """Files of the OpenMP runtimes that the process has mapped."""
    gpus: frozenset[int] | None = None
    """Indices of the driver's GPUs; None without a driver."""
    before_fork: tuple[str, ...] = ()
    """Whose threads ran already when workers were forked: ``OpenMP``, ``CUDA``."""

    @property
    def flight(self) -> Mapping[str, Any]:
        return self.facts.get("preflight") or {}

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.facts.get("hyperparameters") or {}

    @property
    def first_update(self) -> int | None:
        """Step at which the first update comes; None if that is unknown."""
        rollout, done = self.flight.get("rollout") or {}, self.flight.get("at_step") or 0
        if rollout:
            steps, envs = rollout.get("n_steps"), rollout.get("n_envs")
            return done + steps * envs if isinstance(steps, int) and isinstance(envs, int) else None
        starts = self.settings.get("learning_starts")
        return max(done, starts) if isinstance(starts, int) else None


def forked_workers(facts: Mapping[str, Any]) -> list[int]:
    flight = facts.get("preflight") or {}
    envs = [flight.get("train_env") or {}, *(flight.get("eval_envs") or ())]
    return [pid for env in envs for pid in env.get("forked") or () if isinstance(pid, int)]


def runtime_of(path: str) -> str | None:
    """Kind of OpenMP runtime that a file is, by its name; None if it is none."""
    stem, dot, _ = path.rpartition("/")[2].partition(".so")
    return _RUNTIMES.get(stem.partition("-")[0]) if dot else None


def mapped_runtimes(pid: int) -> list[tuple[int, int, str]]:
    """Where OpenMP runtimes are mapped in a process: from, to, file."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        if ".so" not in line:
            continue
        fields = line.split(None, 5)
        if len(fields) == 6 and runtime_of(fields[5]) is not None:
            low, _, high = fields[0].partition("-")
            found.append((int(low, 16), int(high, 16), fields[5]))
    return found


def visible_gpus(facts: Mapping[str, Any]) -> frozenset[int] | None:
    """Asked only where it matters: the driver takes a moment to answer."""
    if "CUDA_VISIBLE_DEVICES" not in ((facts.get("preflight") or {}).get("variables") or {}):
        return None
    library = gpu.load()
    if library is None:
        return None
    try:
        return frozenset(reading.index for reading in gpu.Nvml(library).read())
    except gpu.NvmlError:
        return None


def libraries_threads(pid: int, mapped: list[tuple[int, int, str]]) -> Iterator[tuple[str, int]]:
    """Whose threads a process has, as far as that shows right now, and when each was started, in ticks."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            stat = procfs.parse_stat((task / "stat").read_text(encoding="utf-8", errors="replace"))
            if task.name == str(pid) or stat is None:
                continue
            started = int(stat[1][_STARTED])
            if stat[0].startswith("cuda"):
                yield "CUDA", started
            # An idle thread of a team waits within its runtime: the last word is where it goes on.
            words = (task / "syscall").read_text(encoding="ascii").split()
            if len(words) > 8 and any(low <= int(words[-1], 16) < high for low, high, _ in mapped):
                yield "OpenMP", started


def whose_before_fork(forked: list[int], threads: set[tuple[str, int]]) -> tuple[str, ...]:
    """Whose threads of the parent are older than its forked workers."""
    workers = [reading for item in forked if (reading := procfs.read_process(item, closely=False)) is not None]
    newest = max((worker.started_ticks for worker in workers), default=0)
    return tuple(sorted({whose for whose, started in threads if started < newest}, reverse=True))
