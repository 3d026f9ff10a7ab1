"""How long something took each time, and whether it took longer than before."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from probes.diagnosis import Diagnosis

LEAST_LOST_S = 0.5
"""Updates count as slower or faster only if all of a run's together differ by so much: less is the clock's noise."""
_NOTCH = 1.57
"""
Times the interquartile range over the root of the number: half the width of the interval in which a median lies, such
that two medians whose intervals are apart differ at about the 5 % level (McGill, Tukey and Larsen: Variations of Box
Plots, The American Statistician 32, 1978).
"""
_Z = 1.96
"""Of the normal distribution, for an interval of 95 %."""
_KEPT = 60
"""So many durations of a run are kept, evenly from first to last."""
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
    values: tuple[float, ...] = field(default=(), compare=False, repr=False)
    """Each duration, or an even choice of them; empty where only the figures above are known."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Times | None:
        """None of nothing."""
        if not values:
            return None
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1, (values[0],))
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        step = max(1.0, len(values) / _KEPT)
        kept = tuple(values[int(place * step)] for place in range(min(len(values), _KEPT)))
        return cls(median, low, high, len(values), kept)

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
        return cls.of([seconds for _, seconds in _column(diagnosis, "collect_s")])

    @classmethod
    def of_updates(cls, diagnosis: Diagnosis) -> Times | None:
        """Of those that ended, without the first."""
        return cls.of([seconds for _, seconds in of_updates(diagnosis)])

    @property
    def interval_s(self) -> tuple[float, float]:
        """Where the median lies, as far as so many values can tell."""
        notch = _NOTCH * (self.high_s - self.low_s) / math.sqrt(self.times)
        return self.median_s - notch, self.median_s + notch


@dataclass(frozen=True)
class Ratio:
    """After over before."""

    value: float
    low: float
    high: float
    """An interval of about 95 %, as far as so few durations allow one; infinite if before may be nothing."""

    @classmethod
    def of(cls, before: Times | None, after: Times | None) -> Ratio | None:
        """
        None if one of them is unknown, or took no time.

        By ranks, where each duration is known: the median of all ratios of one after to one before, and the interval
        that goes with the Mann-Whitney test (Hodges and Lehmann 1963; Hollander and Wolfe, Nonparametric Statistical
        Methods, 4.3), so that a hiccup of a busy machine is one value of many. Else by the medians' intervals.
        """
        if before is None or after is None or min(before.median_s, after.median_s) <= 0:
            return None
        if before.values and after.values and min(before.values) > 0:
            return cls._by_ranks(before.values, after.values)
        (low, high), (least, most) = before.interval_s, after.interval_s
        return cls(after.median_s / before.median_s, max(0.0, least) / high, most / low if low > 0 else math.inf)

    @classmethod
    def _by_ranks(cls, before: Sequence[float], after: Sequence[float]) -> Ratio:
        ratios = sorted(late / early for late in after for early in before)
        n, m = len(before), len(after)
        # Of few durations even the whole range is less than 95 %; that they do not overlap is all that can be asked.
        outside = max(0, math.floor(n * m / 2 - _Z * math.sqrt(n * m * (n + m + 1) / 12)))
        return cls(statistics.median(ratios), ratios[outside], ratios[-1 - outside])

    @property
    def is_noise(self) -> bool:
        """Whether the medians may be the same."""
        return self.low <= 1 <= self.high


def of_updates(diagnosis: Diagnosis) -> list[tuple[int | None, float]]:
    """Step and duration of each update that ended, without the first."""
    return _column(diagnosis, "train_s")


def _column(diagnosis: Diagnosis, name: str) -> list[tuple[int | None, float]]:
    rows = [(item.get("step"), item[name]) for item in diagnosis.timing.iterations if item.get(name) is not None]
    return rows[_WARM_UP:] if len(rows) > 2 * _WARM_UP else rows
