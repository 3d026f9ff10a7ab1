"""
How much processor time updates took: unlike the clock's, it hardly grows where a run has to wait for a core.

The readings of a run, two a second, tell how many cores it used meanwhile, on average, and how many it wanted.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from probes.diagnosis import Diagnosis
from reports.comparing.times import Times, of_updates
from reports.pictures.history import Reading, read_readings

READINGS = "readings.jsonl"
_UPDATE = "train"
_LEAST = 3
"""Readings; of fewer the average tells nothing."""


@dataclass(frozen=True)
class Processor:
    """A run's share of the processor."""

    update: Times
    """Seconds of processor time per update."""
    had_core: float
    """Of the time that its threads wanted a core, the share in which they had one, 0 to 1."""


def processor_of(diagnosis: Diagnosis, folder: Path) -> Processor | None:
    """
    What the readings tell; None where there are too few.

    Of updates so short that hardly a reading fell within one, the average of all the learning stands.

    :param folder: of the run.
    """
    if not diagnosis.timing.iterations:
        return None
    learning = list(_learning(read_readings(folder / READINGS)))
    within: dict[int | None, list[float]] = defaultdict(list)
    for reading, cores, whole in learning:
        if whole:
            within[reading.step].append(cores)
    seen = [each for found in within.values() for each in found]
    if len(seen) < _LEAST:
        within.clear()
        seen = [cores for _, cores, _ in learning]
    update = Times.of(
        [seconds * statistics.mean(within.get(step) or seen or [0.0]) for step, seconds in of_updates(diagnosis)]
    )
    wanted = sum(max(reading.runnable or 0, cores) for reading, cores, _ in learning)
    if len(seen) < _LEAST or update is None or wanted <= 0:
        return None
    return Processor(update, min(1.0, sum(cores for _, cores, _ in learning) / wanted))


def _learning(readings: Iterable[Reading]) -> Iterator[tuple[Reading, float, bool]]:
    """Each reading of the learning, the cores used before it, and whether one update took all of that time."""
    for before, reading in pairwise(readings):
        if before.phase is not None and reading.phase is not None and reading.cores is not None:
            same = (before.phase, before.step) == (reading.phase, reading.step)
            yield reading, reading.cores, same and reading.phase == _UPDATE
