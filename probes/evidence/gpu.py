"""A thread that stands in the CUDA driver: it waits for the GPU, and whether that works meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from probes.evidence.observed import Observed
from probes.evidence.waiting import subject_of
from probes.observer import GPU_DRIVER, Observations
from probes.progress import Progress
from probes.stacks import Frame
from probes.system.gpu import GpuReading

_BUSY = 0.9
"""Utilisation from which on a GPU counts as at work all the time."""
_IDLE = 0.05
_LEAST_READINGS = 3


def waits_for_gpu(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """
    The driver waits for a GPU by asking again and again, which looks like work of the processor's.

    It is not certain that all looks met it there: a native stack is taken once in a silence.
    """
    subject = subject_of(seen, progress)
    look = next((item for item in seen.looks if subject.pid in item.native), None)
    if look is None:
        return
    threads = [thread for thread in look.native[subject.pid].threads if thread.tid == subject.tid]
    if not any(_stands_in_driver(thread.frames) for thread in threads):
        return
    began_ns = look.at_ns - int(look.silence_s * 1e9)
    used = _utilisation(seen, subject.pid, began_ns)
    state = _state(used)
    at = seen.at_s(seen.looks[-1].at_ns)
    shown = ", ".join(
        f"GPU {index} {min(values):.0%} to {max(values):.0%} busy" for index, values in sorted(_later(used).items())
    )
    says = "the thread stands in the GPU's driver (libcuda)"
    yield Observed(
        "waits-for-gpu",
        at,
        f"{says}; in this silence: {shown}" if shown else f"{says}; the GPU's own load is not known",
        {"gpu": state, "utilisation": {str(index): values[-20:] for index, values in used.items()}},
    )


def _stands_in_driver(frames: Sequence[Frame]) -> bool:
    """Whether the native frames above the innermost of Python go through the driver."""
    for frame in frames:
        if not frame.is_native:
            return False
        if Path(frame.file).name.startswith(GPU_DRIVER):
            return True
    return False


def _utilisation(seen: Observations, pid: int, since_ns: int) -> dict[int, list[float]]:
    """Index to the readings since the silence began, of the GPUs that the process computes on; of all if unknown."""
    readings: list[GpuReading] = [
        gpu for sample in seen.samples if sample.at_ns >= since_ns for gpu in sample.gpus or ()
    ]
    # Another namespace of pids, as in most containers, hides whose memory it is.
    known = {gpu.index for gpu in readings if pid in gpu.process_bytes}
    found: dict[int, list[float]] = {}
    for gpu in readings:
        if gpu.utilisation is not None and (gpu.index in known or not known):
            found.setdefault(gpu.index, []).append(gpu.utilisation)
    return found


def _state(used: dict[int, list[float]]) -> str | None:
    """``busy`` if one GPU worked all the time, ``idle`` if none ever did; None if it is neither, or not known."""
    later = [values for values in _later(used).values() if len(values) >= _LEAST_READINGS]
    if any(min(values) >= _BUSY for values in later):
        return "busy"
    return "idle" if later and all(max(values) <= _IDLE for values in later) else None


def _later(used: dict[int, list[float]]) -> dict[int, list[float]]:
    """Without the first readings, which may still be of the work before."""
    return {index: values[1:] for index, values in used.items() if values[1:]}
