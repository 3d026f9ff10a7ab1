"""How long something took each time, and whether it took longer than before."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from probes.diagnosis import Diagnosis

LEAST_LOST_S = 0.5
"""Updates count as slower or faster only if all of a run's together differ by so much: less is the clock's noise."""
_NOTCH = 1.57
"""
Times the interquartile range over the root of the number: half the width of the interval in which a median lies, such
that two medians whose intervals are apart differ at about the 5 % level (McGill, Tukey and Larsen: Variations of Box
Plots, The American Statistician 32, 1978).
"""
_WARM_UP = 1
"""The first update allocates memory and chooses kernels; it is left out where three or more are known."""


@dataclass(frozen=True)
class Times:
    """Durations in seconds."""

    median_s: float
    low_s: float
    high_s: float
    """The quartiles: half of them lie between."""
    times: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Times | None:
        """None of nothing."""
        if not values:
            return None
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high, len(values))

    @classmethod
    def of_mean(cls, phase: Mapping[str, float] | None) -> Times | None:
        """Of a phase of which count and total are known: the mean, as if it never varied."""
        if not phase or not phase.get("count"):
            return None
        mean = phase["total_s"] / phase["count"]
        return cls(mean, mean, mean, int(phase["count"]))

    @classmethod
    def of_rollouts(cls, diagnosis: Diagnosis) -> Times | None:
        """Of those that ended, without the first."""
        return cls.of(_column(diagnosis, "collect_s"))

    @classmethod
    def of_updates(cls, diagnosis: Diagnosis) -> Times | None:
        """Of those that ended, without the first."""
        return cls.of(_column(diagnosis, "train_s"))

    @property
    def interval_s(self) -> tuple[float, float]:
        """Where the median lies, as far as so many values can tell."""
        notch = _NOTCH * (self.high_s - self.low_s) / math.sqrt(self.times)
        return self.median_s - notch, self.median_s + notch


@dataclass(frozen=True)
class Ratio:
    """After over before, of the medians."""

    value: float
    low: float
    high: float
    """What their intervals allow at the most; infinite if before may be nothing."""

    @classmethod
    def of(cls, before: Times | None, after: Times | None) -> Ratio | None:
        """None if one of them is unknown, or took no time."""
        if before is None or after is None or min(before.median_s, after.median_s) <= 0:
            return None
        (low, high), (least, most) = before.interval_s, after.interval_s
        return cls(after.median_s / before.median_s, max(0.0, least) / high, most / low if low > 0 else math.inf)

    @property
    def is_noise(self) -> bool:
        """Whether the medians may be the same."""
        return self.low <= 1 <= self.high


def _column(diagnosis: Diagnosis, name: str) -> list[float]:
    values = [item[name] for item in diagnosis.timing.iterations if item.get(name) is not None]
    return values[_WARM_UP:] if len(values) > 2 * _WARM_UP else values
