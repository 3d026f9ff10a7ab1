"""Do the threads that libraries will start fit the cores that we may use?"""

from __future__ import annotations

import math
from collections.abc import Iterator

from probes.doctor.interface import Blocked, Check, Finding, blocks, ok, warning
from probes.doctor.machine import Machine

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_FEW_PROCESSES = 256


def _look(machine: Machine) -> Iterator[Finding]:
    groups = machine.groups
    quota = groups.cpu_quota_cores
    cores = min(float(machine.cores), quota) if quota is not None else float(machine.cores)
    whole = max(math.floor(cores), 1)
    asked = {name: int(value) for name in _THREAD_VARIABLES if (value := machine.environ.get(name, "")).isdecimal()}
    crowded = {name: threads for name, threads in asked.items() if threads > math.ceil(cores)}
    if crowded:
        listed = ", ".join(f"{name}={threads}" for name, threads in crowded.items())
        yield warning(
            f"{listed} asks for more threads than the {cores:g} cores that may be used: "
            "they will be in each other's way",
            f"set it to {whole}",
        )
    elif quota is not None and quota < machine.cores and "OMP_NUM_THREADS" not in asked:
        yield warning(
            f"the control group grants {quota:g} cores, but {machine.cores} are visible: torch will start "
            f"{machine.cores} threads, which use up the quota and are then stopped for a while",
            f"set OMP_NUM_THREADS={whole}, or call torch.set_num_threads({whole})",
        )
    else:
        yield ok(
            f"{cores:g} cores may be used" + (f"; {', '.join(f'{n}={t}' for n, t in asked.items())}" if asked else "")
        )
    yield from _thread_limit(machine)
    # The kernel does not hold root to ulimit -u.
    limits = [groups.process_limit, machine.thread_limit if machine.user != 0 else None]
    fewest = min((limit for limit in limits if limit is not None), default=_FEW_PROCESSES)
    if fewest < _FEW_PROCESSES:
        yield warning(
            f"{fewest} processes and threads are allowed in all: workers with their threads may not start",
            "raise it (docker run --pids-limit 4096, ulimit -u 4096)",
        )


def _thread_limit(machine: Machine) -> Iterator[Finding]:
    threads, limit = (machine.environ.get(name, "") for name in ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT"))
    if limit.isdecimal() and int(limit) < (int(threads) if threads.isdecimal() else machine.cores):
        yield blocks(
            f"OMP_THREAD_LIMIT={limit} is below the number of threads that OpenMP is asked for: torch can hang in it",
            "unset OMP_THREAD_LIMIT, or set OMP_NUM_THREADS to at most that (pytorch issue 91547)",
            Blocked.TRAINING,
        )


CHECK = Check("cpu", _look)
