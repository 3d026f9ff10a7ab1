"""What the system's own readings say of the time that matters: CPU quota, threads and cores, memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from probes.evidence.observed import Observed
from probes.observer import Observations
from probes.progress import Progress
from probes.system.readings import Sample

_MIN_SAMPLES = 3
_THROTTLED_SHARE = 0.1
"""Share of enforcement periods with a used-up quota from which on it is worth telling."""
_CROWDED = 1.5
_FAR = 4.0
"""So many threads of one pool for each core: each of its parallel computations waits for the last of them."""
"""Runnable threads for each core."""
_TAKEN_PER_S = 20.0
"""Cores taken away a second, for each core, from which on threads are in each other's way."""
_NEAR = 0.9


@dataclass(frozen=True)
class _Stretch:
    """The time that matters: the silence or the longest standstill if there is one, else the whole run."""

    name: str
    samples: tuple[Sample, ...]


def _stretch(seen: Observations, progress: Progress) -> _Stretch:
    if seen.looks:
        first = seen.looks[0]
        return _within("the silence", seen.samples, first.at_ns - int(first.silence_s * 1e9), seen.looks[-1].at_ns)
    if progress.standstills:
        longest = max(progress.standstills, key=lambda item: item.lasted_s)
        until_ns = longest.since_ns + int(longest.lasted_s * 1e9)
        return _within("the longest standstill", seen.samples, longest.since_ns, until_ns)
    return _Stretch("the run", tuple(seen.samples))


def _within(name: str, samples: Sequence[Sample], since_ns: int, until_ns: int) -> _Stretch:
    return _Stretch(name, tuple(sample for sample in samples if since_ns <= sample.at_ns <= until_ns))


def throttling(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """Was the CPU quota used up? Only if the kernel counted it all along."""
    stretch = _stretch(seen, progress)
    if len(stretch.samples) < _MIN_SAMPLES:
        return
    first, last = stretch.samples[0].groups, stretch.samples[-1].groups
    periods = _grown(first.periods, last.periods)
    throttled = _grown(first.throttled_periods, last.throttled_periods)
    if not periods or throttled is None or throttled / periods < _THROTTLED_SHARE:
        return
    held_s = _grown(first.throttled_s, last.throttled_s)
    held = f"; its threads were held back for {held_s:.1f} s in all" if held_s is not None else ""
    quota = f" of {last.cpu_quota_cores:g} cores" if last.cpu_quota_cores is not None else ""
    yield Observed(
        "cpu-throttled",
        seen.at_s(stretch.samples[0].at_ns),
        f"during {stretch.name} the control group's CPU quota{quota} was used up in {throttled:.0f} of {periods:.0f} "
        f"periods{held}",
        {"periods": periods, "throttled": throttled, "held_s": held_s, "quota_cores": last.cpu_quota_cores},
    )


def _grown(before: float | None, after: float | None) -> float | None:
    """None if either is unknown, or the counter began anew."""
    return after - before if before is not None and after is not None and after >= before else None


def threads_and_cores(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """Did more threads want to run than there are cores, and lost them to each other?"""
    stretch = _stretch(seen, progress)
    cores = [sample.cores for sample in stretch.samples if sample.cores is not None]
    taken = [sample.involuntary_per_s for sample in stretch.samples if sample.involuntary_per_s is not None]
    if len(stretch.samples) < _MIN_SAMPLES or not cores or not taken:
        return
    runnable = fmean(sample.runnable for sample in stretch.samples)
    quota = stretch.samples[-1].groups.cpu_quota_cores
    available = min(cores[-1], quota) if quota is not None else cores[-1]
    if runnable < _CROWDED * available or fmean(taken) < _TAKEN_PER_S * available:
        return
    recording = progress.recording
    torch_threads = ((recording.text("facts") if recording is not None else None) or {}).get("torch_threads")
    far = isinstance(torch_threads, int) and min(torch_threads, runnable) >= _FAR * available
    yield Observed(
        "torch-threads-far-exceed-cores" if far else "threads-exceed-cores",
        seen.at_s(stretch.samples[0].at_ns),
        f"during {stretch.name} {runnable:.1f} threads on average wanted to run on {available:g} cores; a core was "
        f"taken from one of them {fmean(taken):.0f} times a second"
        + (f"; torch was given {torch_threads} threads in one process" if far else ""),
        {"runnable": round(runnable, 2), "cores": available, "involuntary_per_s": round(fmean(taken), 1)},
    )


def memory(seen: Observations) -> Iterator[Observed]:
    """Did the memory get so full that the next allocation may be the last?"""
    fullest = max(seen.samples, key=_group_share, default=None)
    if fullest is not None and (share := _group_share(fullest)) >= _NEAR:
        used, limit = fullest.groups.memory_used_bytes, fullest.groups.memory_limit_bytes
        assert used is not None  # noqa: S101 - there is a share
        assert limit is not None  # noqa: S101
        hits = [sample.groups.memory_limit_hits for sample in seen.samples]
        reached = sum(after - before for before, after in pairwise(hits) if before is not None and after is not None)
        yield Observed(
            "memory-limit-near",
            seen.at_s(fullest.at_ns),
            f"the control group used {used / 1e9:.2f} of the {limit / 1e9:.2f} GB that it may ({share:.0%}); its "
            f"limit was reached {reached} times during the run",
            {"used_bytes": used, "limit_bytes": limit, "limit_hits": reached},
        )
        return
    fullest = max(seen.samples, key=_machine_share, default=None)
    if fullest is not None and (share := _machine_share(fullest)) >= _NEAR:
        yield Observed(
            "memory-limit-near",
            seen.at_s(fullest.at_ns),
            f"the machine's memory was used to {share:.0%}, by the run {fullest.rss_bytes / 1e9:.2f} GB of it",
            {"available_bytes": fullest.available_bytes, "total_bytes": fullest.total_bytes},
        )


def _group_share(sample: Sample) -> float:
    """Share of the memory limit in use; 0 if there is none or it is unknown."""
    used, limit = sample.groups.memory_used_bytes, sample.groups.memory_limit_bytes
    return used / limit if used is not None and limit else 0.0


def _machine_share(sample: Sample) -> float:
    available, total = sample.available_bytes, sample.total_bytes
    return 1 - available / total if available is not None and total else 0.0
