"""Which processes of a family step environments for the one that trains, and which number each of them has."""

from __future__ import annotations

from pathlib import Path

from probes.observer import Observations
from probes.progress import Progress
from probes.stacks import Dump

_WORK = frozenset({"env.step", "env.reset"})
MAIN = "main"


def trainer(seen: Observations, progress: Progress) -> int:
    """Pid of the process that trains; without an agent that of the one the observation began with; 0 if unknown."""
    processes = seen.looks[-1].processes if seen.looks else ()
    recording = progress.recording
    if recording is not None and (not processes or recording.pid in {process.pid for process in processes}):
        return recording.pid
    return processes[0].pid if processes else 0


def numbers(seen: Observations, progress: Progress) -> dict[int, int]:
    """
    Pid to number of each worker, dead ones included.

    As the agent recorded it; where it did not, or two sets of workers bear the same numbers, in the order of their
    pids, which are given as they are made.
    """
    main = trainer(seen, progress)
    recorded: dict[int, int | None] = {}
    for recording, state in progress.states():
        works = state.worker is not None or _WORK & {*state.phases, *state.path}
        if recording.pid != main and (works or recording.text("exception") is not None):
            recorded[recording.pid] = state.worker
    for pid in _by_their_stacks(seen, main):
        recorded.setdefault(pid, None)
    known = {pid: number for pid, number in recorded.items() if number is not None}
    if known and len(set(known.values())) == len(known):
        return known
    return {pid: number for number, pid in enumerate(sorted(recorded))}


def _by_their_stacks(seen: Observations, main: int) -> set[int]:
    """Processes that multiprocessing made, and dead children of the one that trains if there are any such."""
    made = {pid for look in seen.looks for pid, dump in look.dumps.items() if pid != main and _is_made(dump)}
    if not seen.looks or not made:
        return made
    return made | set(seen.looks[-1].waits.dead_children(main))


def _is_made(dump: Dump) -> bool:
    """Whether the main thread came through the start of a multiprocessing child, and serves no manager's objects."""
    if dump.main is None or any(frame.function.rpartition(".")[2] == "_run_server" for frame in dump.main.frames):
        return False
    return any(
        frame.function.rpartition(".")[2] == "_bootstrap" and Path(frame.file).parts[-2:] == _STARTED_IN
        for frame in dump.main.frames
    )


_STARTED_IN = ("multiprocessing", "process.py")


def label(pid: int, main: int, numbered: dict[int, int]) -> str:
    """``main``, ``worker 2`` or ``process 4711``."""
    if pid == main:
        return MAIN
    return f"worker {numbered[pid]}" if pid in numbered else f"process {pid}"
