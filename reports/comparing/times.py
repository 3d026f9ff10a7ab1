"""How long something took each time, and whether it took longer than before."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from probes.diagnosis import Diagnosis

LEAST_LOST_S = 0.5
"""Updates count as slower or faster only if all of a run's together differ by so much: less is the clock's noise."""
_TAIL = 10
"""The slowest and the fastest tenth are left out of a range: one hiccup of the machine says nothing."""


@dataclass(frozen=True)
class Times:
    """Durations in seconds."""

    median_s: float
    low_s: float
    high_s: float
    """The range of four fifths of them: of all, if there are fewer than ten."""
    times: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Times | None:
        """None of nothing."""
        if not values:
            return None
        ordered = sorted(values)
        tail = len(ordered) // _TAIL
        return cls(statistics.median(ordered), ordered[tail], ordered[-1 - tail], len(ordered))

    @classmethod
    def of_mean(cls, phase: Mapping[str, float] | None) -> Times | None:
        """Of a phase of which count and total are known: the mean, as if it never varied."""
        if not phase or not phase.get("count"):
            return None
        mean = phase["total_s"] / phase["count"]
        return cls(mean, mean, mean, int(phase["count"]))

    @classmethod
    def of_rollouts(cls, diagnosis: Diagnosis) -> Times | None:
        return cls.of(_column(diagnosis, "collect_s"))

    @classmethod
    def of_updates(cls, diagnosis: Diagnosis) -> Times | None:
        """Of those that ended."""
        return cls.of(_column(diagnosis, "train_s"))


@dataclass(frozen=True)
class Ratio:
    """After over before."""

    value: float
    """Of the medians."""
    low: float
    high: float
    """Least and most that two single times of their ranges give."""

    @classmethod
    def of(cls, before: Times | None, after: Times | None) -> Ratio | None:
        """None if one of them is unknown, or took no time."""
        if before is None or after is None or min(before.low_s, before.median_s) <= 0:
            return None
        return cls(after.median_s / before.median_s, after.low_s / before.high_s, after.high_s / before.low_s)

    @property
    def is_noise(self) -> bool:
        """Whether the ranges overlap."""
        return self.low <= 1 <= self.high


def _column(diagnosis: Diagnosis, name: str) -> list[float]:
    return [item[name] for item in diagnosis.timing.iterations if item.get(name) is not None]
