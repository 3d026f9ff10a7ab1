"""A run over time: its phases, the step count that the user sees, and what went on inside meanwhile."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.pictures.axis import tick, tick_label, took
from reports.pictures.canvas import Canvas, Picture, width_of
from reports.pictures.history import History, Span
from reports.pictures.palette import OTHER, PHASES
from reports.pictures.panels import panels

_TOP, _LANE, _LANE_GAP, _AXIS = 40.0, 20.0, 5.0, 26.0
_ORDER = ("setup", *PHASES, "exit")
_STILL_S = 3.0
"""A step count that stands for so long, or for a twentieth of the time, is worth being marked."""
_STILL_SHARE = 0.05
_MAX_STILL = 40
_THINNEST = 1.5
"""Pixels of a stay in a phase, however short it was."""


@dataclass(frozen=True)
class _Sheet:
    """What a timeline is drawn on; lengths are pixels."""

    width: float
    left: float
    """Where time begins; to the left of it stand names."""
    gap: float
    """Above each curve."""
    titles_above: bool
    density: float
    """How much further apart the ticks of the axis are."""

    @property
    def right(self) -> float:
        return self.width - 14.0


_WIDE = _Sheet(760.0, 126.0, 16.0, titles_above=False, density=1.0)
_NARROW = _Sheet(352.0, 90.0, 30.0, titles_above=True, density=2.5)
"""A phone's width, without its margins."""


@dataclass(frozen=True)
class Still:
    """A time in which the visible step count did not move."""

    step: int
    start_s: float
    end_s: float


def timeline(name: str, past: History, title: str = "What the run did over time") -> Picture | None:
    """
    Draws a lane for each phase, the step count, events and processor time below, and marks suspicion and verdict.

    :return: None if no phase and no step is known: how busy the processor was makes no picture of a run.
    """
    if past.lasted_s <= 0 or not (past.spans or any(item.step is not None for item in past.readings)):
        return None
    drawn = _drawn(name, past, title, _WIDE)
    return dataclasses.replace(drawn, narrow=_drawn(f"{name}-narrow", past, title, _NARROW).svg)


def _drawn(name: str, past: History, title: str, sheet: _Sheet) -> Picture:
    lanes = sorted(
        {span.phase for span in past.spans}, key=lambda phase: (_ORDER.index(phase) if phase in _ORDER else 99, phase)
    )
    curves = list(panels(past.readings))
    lanes_height = len(lanes) * (_LANE + _LANE_GAP)
    bottom = _TOP + lanes_height + sum(curve.height + sheet.gap for curve in curves)
    canvas = Canvas(name, title, sheet.width, bottom + _AXIS)
    scale = (sheet.right - sheet.left) / past.lasted_s

    def x(at_s: float) -> float:
        return sheet.left + min(max(at_s, 0.0), past.lasted_s) * scale

    _axis(canvas, past.lasted_s, x, bottom, sheet)
    _marks(canvas, past, x, bottom, sheet)
    for place, phase in enumerate(lanes):
        spans = [span for span in past.spans if span.phase == phase]
        _lane(canvas, phase, spans, x, _TOP + place * (_LANE + _LANE_GAP), sheet)
    still = standstills(past)
    y = _TOP + lanes_height
    for curve in curves:
        y += sheet.gap
        if curve.is_steps:
            for item in still[:_MAX_STILL]:
                _stand(canvas, item, x, y, curve.height)
        curve.draw(canvas, x, y, sheet.left, sheet.right, above=sheet.titles_above)
        y += curve.height
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


def _lane(
    canvas: Canvas, phase: str, spans: Sequence[Span], x: Callable[[float], float], y: float, sheet: _Sheet
) -> None:
    kind = "strong" if phase in PHASES else "dim"
    canvas.text(sheet.left - 10, y + 14, phase, kind, anchor="end", room=sheet.left - 14)
    canvas.rule(sheet.left, y + _LANE, sheet.right, y + _LANE, "grid")
    for span in spans:
        left, right = x(span.start_s), x(span.end_s)
        lasted = took(span.end_s - span.start_s)
        tip = f"{phase}, {took(span.start_s)} to {took(span.end_s)}: {lasted}"
        tip += "" if span.ended else ", not ended"
        canvas.rectangle(left, y + 1, max(right - left, _THINNEST), _LANE - 2, "span", tip, PHASES.get(phase, OTHER))
        for shown in (lasted if span.ended else f"{lasted}, not ended", lasted):
            if right - left > width_of(shown) + 8:
                canvas.text(left + 5, y + 14, shown, "black")
                break


def _stand(canvas: Canvas, item: Still, x: Callable[[float], float], y: float, height: float) -> None:
    left, right = x(item.start_s), x(item.end_s)
    lasted = took(item.end_s - item.start_s)
    says = f"stands still at {item.step} for {lasted}"
    canvas.rectangle(left, y, right - left, height, "still", says)
    for shown in (says, f"still at {item.step}: {lasted}", lasted):
        if right - left > width_of(shown) + 8:
            canvas.text(left + 5, y + height - 7, shown, "red")
            break


def _axis(canvas: Canvas, lasted_s: float, x: Callable[[float], float], bottom: float, sheet: _Sheet) -> None:
    every = tick(lasted_s * sheet.density)
    for number in range(int(lasted_s / every) + 1):
        at_s = number * every
        canvas.rule(x(at_s), _TOP - 4, x(at_s), bottom + 4, "grid")
        says = tick_label(at_s, every)
        if x(at_s) + width_of(says) / 2 < sheet.width:
            canvas.text(x(at_s), bottom + 18, says, "dim", anchor="middle")


def _marks(canvas: Canvas, past: History, x: Callable[[float], float], bottom: float, sheet: _Sheet) -> None:
    end = x(past.lasted_s)
    verdict = f"verdict: {past.verdict}, {took(past.lasted_s)}"
    canvas.rule(end, 20, end, bottom, "mark")
    canvas.text(end, 14, verdict, "red", anchor="end")
    if past.suspected_s is None:
        return
    at = x(past.suspected_s)
    says = f"first suspicion, {took(past.suspected_s)}"
    canvas.rule(at, 34, at, bottom, "mark")
    late = at > sheet.width / 2
    canvas.text(at + (-6 if late else 6), 32, says, "red", anchor="end" if late else "start")


def _told(past: History, lanes: Sequence[str], still: Sequence[Still]) -> str:
    told = [f"Timeline of {took(past.lasted_s)}."]
    for phase in lanes:
        spans = [span for span in past.spans if span.phase == phase]
        longest = max(spans, key=lambda span: span.end_s - span.start_s)
        open_ = ", not ended" if not longest.ended else ""
        if all(span.whole for span in spans):
            times = "once" if len(spans) == 1 else f"{len(spans)} times"
            told.append(f"{phase} {times}, longest {took(longest.end_s - longest.start_s)}{open_}.")
        else:
            begins, ends = min(span.start_s for span in spans), max(span.end_s for span in spans)
            told.append(f"{phase} again and again from {took(begins)} to {took(ends)}{open_}.")
    told += [
        f"The visible step count stands still at {item.step} from {took(item.start_s)} to {took(item.end_s)}."
        for item in still[:3]
    ]
    if past.suspected_s is not None:
        told.append(f"First suspicion after {took(past.suspected_s)}.")
    told.append(f"Verdict at the end: {past.verdict}.")
    return " ".join(told)
