"""A thread that goes to sleep again and again because it waits for the disk: it is neither stuck nor at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from probes.evidence.observed import Observed
from probes.observer import Look

_PER_S = 20.0
"""Sleeps a second: a thread that computes has next to none."""
_SHARE = 0.7
"""Of a core: what a thread uses that is kept from going on by what it waits for, not by others that want the core."""
_LOOKS = 0.6
"""Of the looks that met the thread in such a call."""


def naps_per_s(looks: Sequence[Look], node: tuple[int, int]) -> float | None:
    """How often a thread went to sleep by itself, each second between the first look and the last."""
    counts = [
        (look.at_ns, thread.voluntary_switches)
        for look in looks
        for process in look.processes
        for thread in process.threads
        if (process.pid, thread.tid) == node and thread.voluntary_switches is not None
    ]
    if len(counts) < 2 or counts[-1][0] <= counts[0][0]:
        return None
    return (counts[-1][1] - counts[0][1]) / (counts[-1][0] - counts[0][0]) * 1e9


def keeps_waiting(looks: Sequence[Look], node: tuple[int, int]) -> bool:
    """Whether a thread, although met awake, spends much of its time asleep, many times a second."""
    rate, share = naps_per_s(looks, node), core_share(looks, node)
    return rate is not None and share is not None and rate >= _PER_S and share < _SHARE


def core_share(looks: Sequence[Look], node: tuple[int, int]) -> float | None:
    """The part of a core that a thread used between the first look and the last."""
    used = [
        (look.at_ns, thread.cpu_s)
        for look in looks
        for process in look.processes
        for thread in process.threads
        if (process.pid, thread.tid) == node
    ]
    if len(used) < 2 or used[-1][0] <= used[0][0]:
        return None
    return (used[-1][1] - used[0][1]) / (used[-1][0] - used[0][0]) * 1e9


def disk(looks: Sequence[Look], node: tuple[int, int], whose: str, at: float) -> Iterator[Observed]:
    """
    :param node: the thread that a silence is about.
    :param whose: its process, as the contract names it.
    """
    peeks = [look.peeks[node] for look in looks if node in look.peeks]
    met: Counter[str] = Counter()
    for item in peeks:
        met.update(item.disk_calls)
    number = sum(bool(item.disk_calls) for item in peeks)
    if number < 2 or number < _LOOKS * len(looks) or not keeps_waiting(looks, node):
        return
    rate, share = naps_per_s(looks, node) or 0.0, core_share(looks, node) or 0.0
    call = met.most_common(1)[0][0]
    yield Observed(
        "waits-for-disk",
        at,
        f"at {number} of {len(looks)} looks the thread was met in {call}, which waits until the disk has what was "
        f"written; it goes to sleep {rate:.0f} times a second and uses {share:.2f} cores",
        {"call": call, "calls": dict(met), "per_s": round(rate, 1), "cores": round(share, 3), "process": whose},
    )
