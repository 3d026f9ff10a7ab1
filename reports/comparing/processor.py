"""
How much processor time updates took: unlike the clock's, it hardly grows where a run has to wait for a core.

The readings of a run tell how many cores it used during each update, on average.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from pathlib import Path

from probes.diagnosis import Diagnosis
from reports.comparing.times import Times, of_updates
from reports.pictures.history import read_readings

READINGS = "readings.jsonl"
_UPDATE = "train"
_LEAST = 3
"""Readings within updates; fewer tell nothing of their average."""


def of_updates_cpu(diagnosis: Diagnosis, folder: Path) -> Times | None:
    """
    Seconds of processor time per update; None where too few readings fell within one.

    :param folder: of the run.
    """
    if not diagnosis.timing.iterations:
        return None
    cores: dict[int | None, list[float]] = defaultdict(list)
    before = None
    for reading in read_readings(folder / READINGS):
        within = before is not None and (before.phase, before.step) == (reading.phase, reading.step)
        if within and reading.phase == _UPDATE and reading.cores is not None:
            cores[reading.step].append(reading.cores)
        before = reading
    seen = [each for found in cores.values() for each in found]
    if len(seen) < _LEAST:
        return None
    return Times.of([seconds * statistics.mean(cores.get(step) or seen) for step, seconds in of_updates(diagnosis)])
