"""Times on an axis and in a picture's words."""

from __future__ import annotations

import math

_TICKS_S = (
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0,
    60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0,
)  # fmt: skip


def tick(lasted_s: float) -> float:
    """1, 2 or 5 times a power of ten, or whole minutes and hours, so that there are at most eight."""
    for every in _TICKS_S:
        if lasted_s / every <= 8:
            return every
    return 86400.0 * math.ceil(lasted_s / 86400 / 8)


def tick_label(at_s: float, every: float) -> str:
    """A tick's time, in the unit that the distance of ticks calls for."""
    if every >= 86400:
        return f"{at_s / 86400:.0f} d"
    if every >= 3600:
        return f"{at_s / 3600:.0f} h"
    if every >= 60:
        return f"{at_s / 60:.0f} min"
    return f"{at_s:g} s"


def took(seconds: float) -> str:
    """``12 ms``, ``4.3 s``, ``2.5 min``, ``1.2 h``"""
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 120:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"
