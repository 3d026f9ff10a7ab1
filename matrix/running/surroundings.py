"""What else the machine did while a trial ran: kept with it, as it may explain how long things took."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from probes.system import cgroup

_STEAL = 7
"""Place of the stolen time among a core's times in ``/proc/stat``; proc(5)."""
_COUNTED = 8
"""Times from there on (guests) are part of earlier ones."""


class Surroundings:
    """
    Begins to look at a trial's surroundings.

    :param cores: those that the trial may use.
    :param stat: the kernel's account of its cores.
    """

    def __init__(self, cores: frozenset[int], stat: Path = Path("/proc/stat")) -> None:
        self._cores, self._stat = cores, stat
        self._groups = cgroup.Groups(None)
        self._load = _load()
        self._times = self._read_times()
        self._throttled_s = self._groups.read().throttled_s

    def since(self) -> dict[str, Any]:
        """Fields of :class:`matrix.results.observation.Observation`; None is what could not be read."""
        total, stolen = (now - before for now, before in zip(self._read_times(), self._times, strict=True))
        throttled_s = self._groups.read().throttled_s
        known = throttled_s is not None and self._throttled_s is not None
        return {
            "host": platform.node() or None,
            "load_before": self._load,
            "load_after": _load(),
            "steal": round(stolen / total, 4) if total > 0 else None,
            "throttled_s": round(throttled_s - self._throttled_s, 3) if known else None,  # type: ignore[operator]
        }

    def _read_times(self) -> tuple[int, int]:
        """All time and stolen time of the cores, in clock ticks; zeros if it can't be read."""
        total = stolen = 0
        try:
            lines = self._stat.read_text(encoding="utf-8").splitlines()
        except OSError:
            return 0, 0
        for line in lines:
            name, *numbers = line.split()
            if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in self._cores:
                times = [int(number) for number in numbers[:_COUNTED]]
                total += sum(times)
                stolen += times[_STEAL] if len(times) > _STEAL else 0
        return total, stolen


def _load() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None
