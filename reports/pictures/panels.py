"""What readings saw over time, as curves one below the other: visible steps, events inside, processor time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reports.pictures.canvas import Canvas, width_of
from reports.pictures.history import Reading

_STEP_HEIGHT, _LOW_HEIGHT = 64.0, 40.0
_MAX_POINTS = 600

Points = Sequence[tuple[float, float]]
"""Seconds after the start, and a value."""


@dataclass(frozen=True)
class Panel:
    """One curve with its name."""

    title: str
    says: str
    """The range, with its unit."""
    points: Points
    height: float
    is_steps: bool = False
    """A value holds until the next one, and the curve need not begin at nought."""

    def draw(
        self, canvas: Canvas, x: Callable[[float], float], y: float, left: float, right: float, *, above: bool = False
    ) -> None:
        """
        Draws it between ``left`` and ``right``, from ``y`` down.

        :param above: its name stands above it, not to the left.
        """
        if above:
            told = f"{self.title}, {self.says}"
            canvas.rectangle(2, y - 19, width_of(told) + 4, 17, "paper")  # over the lines that cross it
            canvas.text(4, y - 6, told, "dim")
        else:
            canvas.text(left - 10, y + self.height / 2 - 2, self.title, "strong", anchor="end")
            canvas.text(left - 10, y + self.height / 2 + 13, self.says, "dim", anchor="end")
        values = [value for _, value in self.points]
        least, most = min(values), max(values)
        floor = least if self.is_steps and most / 2 <= least < most else 0.0
        scale = (self.height - 4) / ((most - floor) or 1.0)
        bottom = y + self.height
        drawn = [(x(at_s), bottom - (value - floor) * scale) for at_s, value in self.points]
        canvas.rule(left, bottom, right, bottom, "grid")
        if self.is_steps:
            canvas.path(_stairs(drawn), "curve")
        else:
            canvas.path([(drawn[0][0], bottom), *drawn, (drawn[-1][0], bottom)], "area", closed=True)
            canvas.path(drawn, "curve")


def panels(readings: Sequence[Reading]) -> Iterator[Panel]:
    """Those of which anything was read."""
    shown = _thinned(readings)
    steps = [(item.at_s, float(item.step)) for item in shown if item.step is not None]
    if steps:
        first, last = min(value for _, value in steps), max(value for _, value in steps)
        says = f"{_short(first)} to {_short(last)}" if last > first else _short(last)
        yield Panel("visible step", says, steps, _STEP_HEIGHT, is_steps=True)
    events = _events(shown)
    if events:
        # Whether any come matters more than how many: a thousandth of the most must still be seen.
        heights = [(at_s, math.log10(1 + value)) for at_s, value in events]
        yield Panel("events inside", f"up to {_short(max(value for _, value in events))}/s, log", heights, _LOW_HEIGHT)
    cores = [(item.at_s, item.cores) for item in shown if item.cores is not None]
    if cores:
        yield Panel("processor", f"up to {_short(max(value for _, value in cores))} cores", cores, _LOW_HEIGHT)


def _events(readings: Sequence[Reading]) -> Points:
    """Events a second."""
    if not any(item.events for item in readings):
        return []
    return [
        (item.at_s, max(item.events - before.events, 0) / (item.at_s - before.at_s))
        for before, item in pairwise(readings)
        if item.at_s > before.at_s
    ]


def _thinned(readings: Sequence[Reading]) -> list[Reading]:
    """Every so many: more than a line has pixels can't be seen."""
    every = max(1, math.ceil(len(readings) / _MAX_POINTS))
    kept = list(readings[::every])
    if readings and kept[-1] is not readings[-1]:
        kept.append(readings[-1])
    return kept


def _stairs(points: Points) -> list[tuple[float, float]]:
    stairs = [points[0]]
    for before, item in pairwise(points):
        stairs += [(item[0], before[1]), item] if item[1] != before[1] else [item]
    return stairs


def _short(value: float) -> str:
    """``1 234 567``, ``0.99``"""
    return f"{value:,.0f}".replace(",", "\N{NO-BREAK SPACE}") if value >= 20 or value == int(value) else f"{value:.2g}"
