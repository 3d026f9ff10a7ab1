"""A run over time: its phases, the step count that the user sees, and what went on inside meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reports.pictures.canvas import Canvas, Picture, width_of
from reports.pictures.history import History, Reading, Span
from reports.pictures.palette import OTHER, PHASES

_WIDTH, _LEFT, _RIGHT = 760.0, 126.0, 14.0
_TOP, _LANE, _LANE_GAP, _PANEL_GAP, _AXIS = 40.0, 20.0, 5.0, 16.0, 26.0
_STEP_HEIGHT, _LOW_HEIGHT = 64.0, 40.0
_MAX_POINTS = 600
_ORDER = ("setup", *PHASES, "exit")
_STILL_S = 3.0
"""A step count that stands for so long, or for a twentieth of the time, is worth being marked."""
_STILL_SHARE = 0.05
_MAX_STILL = 40


@dataclass(frozen=True)
class Still:
    """A time in which the visible step count did not move."""

    step: int
    start_s: float
    end_s: float


def timeline(name: str, past: History, title: str = "What the run did over time") -> Picture | None:
    """
    Draws a lane for each phase, the step count, events and processor time below, and marks suspicion and verdict.

    :return: None if nothing is known of the run but how long it took.
    """
    if past.lasted_s <= 0 or not (past.spans or past.readings):
        return None
    lanes = sorted(
        {span.phase for span in past.spans}, key=lambda phase: (_ORDER.index(phase) if phase in _ORDER else 99, phase)
    )
    readings = _thinned(past.readings)
    panels = [panel for panel in (_steps, _events, _cores) if panel(readings)]
    lanes_height = len(lanes) * (_LANE + _LANE_GAP)
    heights = [_STEP_HEIGHT if panel is _steps else _LOW_HEIGHT for panel in panels]
    bottom = _TOP + lanes_height + sum(height + _PANEL_GAP for height in heights)
    canvas = Canvas(name, title, _WIDTH, bottom + _AXIS)
    scale = (_WIDTH - _LEFT - _RIGHT) / past.lasted_s

    def x(at_s: float) -> float:
        return _LEFT + min(max(at_s, 0.0), past.lasted_s) * scale

    _axis(canvas, past.lasted_s, x, bottom)
    _marks(canvas, past, x, bottom)
    for place, phase in enumerate(lanes):
        _lane(
            canvas, phase, [span for span in past.spans if span.phase == phase], x, _TOP + place * (_LANE + _LANE_GAP)
        )
    still = standstills(past)
    y = _TOP + lanes_height
    for panel, height in zip(panels, heights, strict=True):
        y += _PANEL_GAP
        if panel is _steps:
            for item in still[:_MAX_STILL]:
                _stand(canvas, item, x, y, height)
        _panel(canvas, panel(readings), x, y, height, panel)
        y += height
    return canvas.finish(_told(past, lanes, still))


def standstills(past: History) -> list[Still]:
    """Where the visible step count stood still long enough to be seen."""
    enough_s = min(_STILL_S, max(past.lasted_s * _STILL_SHARE, 1.0))
    found: list[Still] = []
    step, since_s = None, 0.0
    known = [item for item in past.readings if item.step is not None]
    learning = [item for item in known if item.phase is not None]
    for item in learning:
        if item.step != step:
            step, since_s = item.step, item.at_s
        elif item.at_s - since_s >= enough_s and step is not None:
            if found and found[-1].start_s == since_s:
                found.pop()
            found.append(Still(step, since_s, item.at_s))
    if found and learning and found[-1].end_s == learning[-1].at_s and learning[-1] is past.readings[-1]:
        found[-1] = Still(found[-1].step, found[-1].start_s, past.lasted_s)
    return found


def _thinned(readings: Sequence[Reading]) -> list[Reading]:
    """Every so many: more than a line has pixels can't be seen."""
    every = max(1, math.ceil(len(readings) / _MAX_POINTS))
    kept = list(readings[::every])
    if readings and kept[-1] is not readings[-1]:
        kept.append(readings[-1])
    return kept


Points = list[tuple[float, float]]


def _steps(readings: Sequence[Reading]) -> Points:
    return [(item.at_s, float(item.step)) for item in readings if item.step is not None]


def _events(readings: Sequence[Reading]) -> Points:
    """Events a second."""
    if not any(item.events for item in readings):
        return []
    return [
        (item.at_s, max(item.events - before.events, 0) / (item.at_s - before.at_s))
        for before, item in pairwise(readings)
        if item.at_s > before.at_s
    ]


def _cores(readings: Sequence[Reading]) -> Points:
    return [(item.at_s, item.cores) for item in readings if item.cores is not None]


_TITLES: dict[Callable[[Sequence[Reading]], Points], tuple[str, str]] = {
    _steps: ("visible step", "{} to {}"),
    _events: ("events inside", "up to {1}/s"),
    _cores: ("processor", "up to {1} cores"),
}


def _panel(
    canvas: Canvas,
    points: Points,
    x: Callable[[float], float],
    y: float,
    height: float,
    panel: Callable[[Sequence[Reading]], Points],
) -> None:
    title, unit = _TITLES[panel]
    values = [value for _, value in points]
    least, most = (min(values), max(values)) if panel is _steps else (0.0, max(values))
    canvas.text(_LEFT - 10, y + height / 2 - 2, title, "strong", anchor="end")
    told = unit.format(_short(least), _short(most)) if most > least else _short(most)
    canvas.text(_LEFT - 10, y + height / 2 + 13, told, "dim", anchor="end")
    floor = 0.0 if least < most / 2 or least == most else least
    scale = (height - 4) / ((most - floor) or 1.0)
    drawn = [(x(at_s), y + height - (value - floor) * scale) for at_s, value in points]
    canvas.rule(_LEFT, y + height, _WIDTH - _RIGHT, y + height, "grid")
    if panel is _steps:
        # It stays as it is until the next reading.
        stairs = [drawn[0]]
        for before, item in pairwise(drawn):
            stairs += [(item[0], before[1]), item] if item[1] != before[1] else [item]
        canvas.path(stairs, "curve")
    else:
        canvas.path([(drawn[0][0], y + height), *drawn, (drawn[-1][0], y + height)], "area", closed=True)
        canvas.path(drawn, "curve")


def _short(value: float) -> str:
    """``1 234 567``, ``0.99``"""
    return f"{value:,.0f}".replace(",", "\N{NO-BREAK SPACE}") if value >= 20 or value == int(value) else f"{value:.2g}"


def _lane(canvas: Canvas, phase: str, spans: Sequence[Span], x: Callable[[float], float], y: float) -> None:
    canvas.text(_LEFT - 10, y + 14, phase, "strong" if phase in PHASES else "dim", anchor="end", room=_LEFT - 14)
    canvas.rule(_LEFT, y + _LANE, _WIDTH - _RIGHT, y + _LANE, "grid")
    for span in spans:
        left, right = x(span.start_s), x(span.end_s)
        took = _took(span.end_s - span.start_s)
        tip = f"{phase}, {_took(span.start_s)} to {_took(span.end_s)}: {took}"
        tip += "" if span.ended else ", not ended"
        canvas.rectangle(left, y + 1, max(right - left, 0.8), _LANE - 2, "cell", tip, PHASES.get(phase, OTHER))
        for shown in (took if span.ended else f"{took}, not ended", took):
            if right - left > width_of(shown) + 8:
                canvas.text(left + 5, y + 14, shown, "black")
                break


def _stand(canvas: Canvas, item: Still, x: Callable[[float], float], y: float, height: float) -> None:
    left, right = x(item.start_s), x(item.end_s)
    says = f"stands still at {item.step} for {_took(item.end_s - item.start_s)}"
    canvas.rectangle(left, y, right - left, height, "still", says)
    canvas.text(left + 5, y + height - 7, says, "red", room=right - left - 8)


def _axis(canvas: Canvas, lasted_s: float, x: Callable[[float], float], bottom: float) -> None:
    every = _tick(lasted_s)
    for number in range(int(lasted_s / every) + 1):
        at_s = number * every
        canvas.rule(x(at_s), _TOP - 4, x(at_s), bottom + 4, "grid")
        if x(at_s) < _WIDTH - 34:
            canvas.text(x(at_s), bottom + 18, _tick_label(at_s, every), "dim", anchor="middle")


def _tick(lasted_s: float) -> float:
    """1, 2 or 5 times a power of ten, or whole minutes and hours, so that there are at most eight."""
    for every in (
        0.01,
        0.02,
        0.05,
        0.1,
        0.2,
        0.5,
        1,
        2,
        5,
        10,
        20,
        30,
        60,
        120,
        300,
        600,
        1200,
        1800,
        3600,
        7200,
        14400,
    ):
        if lasted_s / every <= 8:
            return float(every)
    return 86400.0 * math.ceil(lasted_s / 86400 / 8)


def _tick_label(at_s: float, every: float) -> str:
    if every >= 86400:
        return f"{at_s / 86400:.0f} d"
    if every >= 3600:
        return f"{at_s / 3600:.0f} h"
    if every >= 60:
        return f"{at_s / 60:.0f} min"
    return f"{at_s:g} s"


def _took(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 120:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"


def _marks(canvas: Canvas, past: History, x: Callable[[float], float], bottom: float) -> None:
    end = x(past.lasted_s)
    verdict = f"verdict: {past.verdict}, {_took(past.lasted_s)}"
    canvas.rule(end, 20, end, bottom, "mark")
    canvas.text(end, 14, verdict, "red", anchor="end")
    if past.suspected_s is None:
        return
    at = x(past.suspected_s)
    says = f"first suspicion, {_took(past.suspected_s)}"
    canvas.rule(at, 34, at, bottom, "mark")
    late = at > _LEFT + 260
    canvas.text(at + (-6 if late else 6), 32, says, "red", anchor="end" if late else "start")


def _told(past: History, lanes: Sequence[str], still: Sequence[Still]) -> str:
    told = [f"Timeline of {_took(past.lasted_s)}."]
    for phase in lanes:
        spans = [span for span in past.spans if span.phase == phase]
        longest = max(spans, key=lambda span: span.end_s - span.start_s)
        times = "once" if len(spans) == 1 else f"{len(spans)} times"
        open_ = ", not ended" if not longest.ended else ""
        told.append(f"{phase} {times}, longest {_took(longest.end_s - longest.start_s)}{open_}.")
    told += [
        f"The visible step count stands still at {item.step} from {_took(item.start_s)} to {_took(item.end_s)}."
        for item in still[:3]
    ]
    if past.suspected_s is not None:
        told.append(f"First suspicion after {_took(past.suspected_s)}.")
    told.append(f"Verdict at the end: {past.verdict}.")
    return " ".join(told)
