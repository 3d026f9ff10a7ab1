"""
Does a phase take ever longer? The time of one call, followed over the run.

A run whose every step costs more than the one before never stands still, and its average hides it: what tells
is the time of one call in six stretches of the run, each longer than the one before, while the calls of other
phases take what they always took. Time in which the process wanted a core and had none is taken off: what is left
tells it from a machine that others make busy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

from probes.flight import PhaseTotal

WINDOWS = 6
_ORDERED_PAIRS = 14
"""Of the 15 pairs of stretches, so many at least have the later one slower: by chance 1 in 120."""
_GROWTH = 2.5
"""The last stretch over the first, and that over the growth of the steadiest other phase."""
_STILL_GROWING = 1.1
"""The last stretch over the one before the one before: a single change for the worse is no slowdown."""
_SHARE = 0.25
"""Of the last stretch's time: what takes less is not what the user feels."""
_MIN_WINDOW_S = 1.0
_MIN_CALLS = 3
_KEPT = 240
_OWN = ("env.step", "env.reset", "policy", "buffer.add", "callback", "advantage", "minibatch", "sample")
"""Phases followed. An update as a whole is not: how much there is to do in one may change for good reasons."""
_WITHIN: Mapping[str, tuple[str, ...]] = {"callback": ("eval", "save")}
"""What a phase may hold whose length has its own reasons: an evaluation lasts as long as its episodes."""


@dataclass(frozen=True)
class Slowing:
    """A phase that takes ever longer."""

    phase: str
    call_s: tuple[float, ...]
    """Mean seconds of one call in each stretch, in order."""
    window_s: float
    share: float
    """Of the time of the last stretch."""
    steady: str | None
    """Another phase, whose calls have grown least, and by how much."""
    steady_growth: float | None

    @property
    def growth(self) -> float:
        """The last stretch's call over the first's."""
        return self.call_s[-1] / self.call_s[0]


@dataclass(frozen=True)
class _Snapshot:
    at_s: float
    waited_s: float
    calls: dict[str, tuple[int, float]]
    """Phase to how many calls, and how long they took."""


class Pace:
    """Takes the phase table of one process at each poll; see :meth:`slowing`."""

    def __init__(self) -> None:
        self._snapshots: list[_Snapshot] = []
        self._every = 1
        self._polls = 0

    def add(self, at_s: float, phases: Mapping[str, PhaseTotal], waited_s: float = 0.0) -> None:
        """
        :param at_s: of any clock, growing.
        :param waited_s: how long the process has waited for a core so far.
        """
        if "env.step" not in phases:
            return
        self._polls += 1
        if self._polls % self._every:
            return
        calls = {name: _own(name, phases) for name in _OWN if name in phases}
        self._snapshots.append(_Snapshot(at_s, waited_s, calls))
        if len(self._snapshots) > _KEPT:
            self._snapshots = self._snapshots[::2]
            self._every *= 2

    def slowing(self) -> Slowing | None:
        """The phase that takes ever longer, and most of the time; None if there is none."""
        if len(self._snapshots) <= WINDOWS:
            return None
        began, ended = self._snapshots[0].at_s, self._snapshots[-1].at_s
        window_s = (ended - began) / WINDOWS
        if window_s < _MIN_WINDOW_S:
            return None
        edges = [self._nearest(began + number * window_s) for number in range(WINDOWS + 1)]
        calls = {name: found for name in _OWN if (found := _calls(name, edges)) is not None}
        slower = [self._judge(name, calls, edges, window_s) for name in calls]
        return max((item for item in slower if item is not None), key=lambda item: item.share, default=None)

    def recent_call_s(self, name: str) -> float | None:
        """Mean seconds of one call in the last stretch; None if there were too few to tell."""
        if len(self._snapshots) <= WINDOWS:
            return None
        last = self._snapshots[-1]
        earlier = self._nearest(last.at_s - (last.at_s - self._snapshots[0].at_s) / WINDOWS)
        found = _calls(name, [earlier, last])
        return found[0] if found is not None else None

    def _nearest(self, at_s: float) -> _Snapshot:
        return min(self._snapshots, key=lambda item: abs(item.at_s - at_s))

    def _judge(
        self, name: str, calls: dict[str, tuple[float, ...]], edges: list[_Snapshot], window_s: float
    ) -> Slowing | None:
        of_call = calls[name]
        share = (edges[-1].calls[name][1] - edges[-2].calls[name][1]) / window_s
        others = {other: times[-1] / times[0] for other, times in calls.items() if other != name and times[0] > 0}
        steady = min(others, key=others.__getitem__, default=None)
        growth = of_call[-1] / of_call[0] if of_call[0] > 0 else 0.0
        ordered = sum(later > earlier for earlier, later in combinations(of_call, 2))
        if (
            share < _SHARE
            or ordered < _ORDERED_PAIRS
            or growth < _GROWTH * max(1.0, others[steady] if steady is not None else 1.0)
            or of_call[-1] < _STILL_GROWING * of_call[-3]
        ):
            return None
        return Slowing(name, of_call, window_s, share, steady, others[steady] if steady is not None else None)


def _own(name: str, phases: Mapping[str, PhaseTotal]) -> tuple[int, float]:
    inner_s = sum(phases[part].total_s for part in _WITHIN.get(name, ()) if part in phases)
    return phases[name].count, max(phases[name].total_s - inner_s, 0.0)


def _calls(name: str, edges: list[_Snapshot]) -> tuple[float, ...] | None:
    """Mean seconds of a call between each two edges, without waiting for a core; None if there were too few."""
    found = []
    for earlier, later in pairwise(edges):
        (before, before_s), (after, after_s) = earlier.calls.get(name, (0, 0.0)), later.calls.get(name, (0, 0.0))
        span_s = later.at_s - earlier.at_s
        if after - before < _MIN_CALLS or span_s <= 0:
            return None
        had = 1 - min(max(later.waited_s - earlier.waited_s, 0.0) / span_s, 0.95)
        found.append((after_s - before_s) / (after - before) * had)
    return tuple(found)
