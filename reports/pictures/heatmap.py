"""Verdicts over factors: a cell for each combination of two, small maps side by side for the others."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from probes.verdicts import Verdict
from reports.pictures.canvas import Canvas, Picture, clipped, width_of
from reports.pictures.palette import OTHER, VERDICTS

_WIDTH, _MARGIN = 760.0, 14.0
_ROW, _LEAST_COLUMN, _MOST_COLUMN = 24.0, 30.0, 90.0
_HEADER, _TITLE, _GAP = 22.0, 20.0, 18.0
_MOST_LABEL = 150.0
_MAX_FACETS = 48
_MAX_LEVELS = 60
_FILLED = 0.4
"""A map of which less would be filled leaves out a factor."""


@dataclass(frozen=True)
class Outcome:
    """One run: its levels by factor, and how it ended; None if it could not run here."""

    levels: Mapping[str, str]
    verdict: Verdict | None


Levels = Mapping[str, Sequence[str]]


def heatmap(name: str, factors: Levels, outcomes: Sequence[Outcome], title: str = "Verdicts") -> Picture | None:
    """
    Draws the verdicts of a sweep.

    :param factors: those that vary, with their levels in order; the one that matters most first. The first two span
        each map; of the others there is a map for each combination, as far as enough of it was run.
    :return: None without a factor that varies, or without any outcome.
    """
    names = [factor for factor, levels in factors.items() if len(levels) > 1]
    if not names or not outcomes:
        return None
    down, *rest = names
    across = rest[0] if rest else None
    if across is not None and _widest(factors[across]) > _widest(factors[down]):
        down, across = across, down
    facets = _facets(factors, down, across, rest[1:], outcomes)
    groups = _grouped(outcomes, facets)
    rows = list(factors[down])[:_MAX_LEVELS]
    columns = list(factors[across])[:_MAX_LEVELS] if across is not None else [""]
    layout = _Layout(down, across, rows, columns, facets)
    per_row = layout.per_row(len(groups))
    lines = math.ceil(len(groups) / per_row)
    width = max(_WIDTH, 2 * _MARGIN + layout.labels + len(columns) * layout.column)
    used = sorted({item.verdict for item in outcomes if item.verdict is not None}, key=list(VERDICTS).index)
    legend = _legend_height(used, width, any(item.verdict is None for item in outcomes))
    height = _MARGIN + legend + lines * (layout.height + _GAP)
    canvas = Canvas(name, title, width, height)
    _legend(canvas, used, width, unrun=any(item.verdict is None for item in outcomes))
    for place, (levels, group) in enumerate(groups):
        x = _MARGIN + (place % per_row) * (layout.width + _GAP)
        y = _MARGIN + legend + (place // per_row) * (layout.height + _GAP)
        layout.draw(canvas, x, y, levels, group)
    return canvas.finish(_told(outcomes, names, down, across, facets), wide=width > _WIDTH)


@dataclass(frozen=True)
class _Layout:
    down: str
    across: str | None
    rows: Sequence[str]
    columns: Sequence[str]
    facets: Sequence[str]

    @property
    def labels(self) -> float:
        return min(max(width_of(text) for text in (*self.rows, self.down)) + 12, _MOST_LABEL)

    @property
    def column(self) -> float:
        return min(max(_LEAST_COLUMN, _widest(self.columns) + 12), _MOST_COLUMN)

    @property
    def width(self) -> float:
        return self.labels + len(self.columns) * self.column

    @property
    def height(self) -> float:
        return (_TITLE if self.facets else 0) + (2 * _HEADER if self.across else 0) + len(self.rows) * _ROW

    def per_row(self, groups: int) -> int:
        """How many maps fit beside each other."""
        return max(1, min(groups, int((_WIDTH - 2 * _MARGIN + _GAP) // (self.width + _GAP))))

    def draw(self, canvas: Canvas, x: float, y: float, facet: Sequence[str], group: Sequence[Outcome]) -> None:
        if self.facets:
            says = ", ".join(f"{name}={level}" for name, level in zip(self.facets, facet, strict=True))
            room = self.width if self.width > 160 else self.width + _GAP / 2
            canvas.text(x, y + 13, says, "strong", room=room)
            y += _TITLE
        left = x + self.labels
        if self.across is not None:
            canvas.text(left, y + 14, f"{self.across} →", "dim", room=max(self.width - self.labels, 60))
            canvas.text(left - 8, y + _HEADER + 14, f"{self.down} ↓", "dim", anchor="end", room=self.labels - 4)
            y += _HEADER
            for place, level in enumerate(self.columns):
                canvas.text(
                    left + (place + 0.5) * self.column, y + 14, level, "ink", anchor="middle", room=self.column - 2
                )  # fmt: skip
            y += _HEADER
        cells: dict[tuple[str, str], list[Outcome]] = {}
        for item in group:
            key = (item.levels.get(self.down, ""), item.levels.get(self.across, "") if self.across else "")
            cells.setdefault(key, []).append(item)
        for row, one in enumerate(self.rows):
            top = y + row * _ROW
            canvas.text(left - 8, top + 16, one, "ink", anchor="end", room=self.labels - 10)
            for place, other in enumerate(self.columns):
                self._cell(canvas, left + place * self.column, top, one, other, cells.get((one, other), []))

    def _cell(self, canvas: Canvas, x: float, y: float, one: str, other: str, runs: Sequence[Outcome]) -> None:
        where = f"{self.down}={one}" + (f", {self.across}={other}" if self.across is not None else "")
        if not runs:
            canvas.rectangle(
                x + 2, y + 2, self.column - 4, _ROW - 4, "empty", f"{where}: not in the plan, or not yet run"
            )
            return
        ends = Counter(item.verdict for item in runs)
        shown = _shown(ends)
        letter, fill = _look(shown)
        told = ", ".join(f"{number} × {verdict or 'did not run'}" for verdict, number in ends.most_common())
        canvas.rectangle(x, y, self.column - 1, _ROW - 1, "cell", f"{where}: {told}", fill)
        ran = sum(number for verdict, number in ends.items() if verdict is not None)
        share = f"{letter} {ends[shown]}/{ran}" if shown is not None and ends[shown] < ran else letter
        if width_of(share) > self.column - 2:
            share = f"{letter}*"
        canvas.text(x + (self.column - 1) / 2, y + 16, share, "letter", anchor="middle")


def _shown(ends: Counter[Verdict | None]) -> Verdict | None:
    """The most frequent failure, or else that it is healthy, or else that it did not run."""
    failures = [(number, verdict) for verdict, number in ends.items() if verdict is not None and verdict.is_failure]
    if failures:
        return max(failures, key=lambda item: item[0])[1]
    return Verdict.HEALTHY if Verdict.HEALTHY in ends else None


def _look(verdict: Verdict | None) -> tuple[str, str]:
    return ("–", OTHER) if verdict is None else (VERDICTS[verdict].letter, VERDICTS[verdict].fill)


def _widest(levels: Iterable[str]) -> float:
    return max((width_of(level) for level in levels), default=0.0)


def _facets(
    factors: Levels, down: str, across: str | None, others: Sequence[str], outcomes: Sequence[Outcome]
) -> list[str]:
    """The factors that get a map for each combination: as many of the strongest as leave the maps filled."""
    chosen = list(others)
    while chosen:
        facets = math.prod(len(factors[name]) for name in chosen)
        axes = [down, *([across] if across is not None else []), *chosen]
        seen = {tuple(item.levels.get(name, "") for name in axes) for item in outcomes}
        if facets <= _MAX_FACETS and len(seen) >= _FILLED * math.prod(len(factors[name]) for name in axes):
            break
        chosen.pop()
    return chosen


def _grouped(outcomes: Sequence[Outcome], facets: Sequence[str]) -> list[tuple[tuple[str, ...], list[Outcome]]]:
    groups: dict[tuple[str, ...], list[Outcome]] = {}
    for item in outcomes:
        groups.setdefault(tuple(item.levels.get(name, "") for name in facets), []).append(item)
    return list(groups.items())


def _entries(used: Sequence[Verdict], *, unrun: bool) -> list[tuple[str, str, str]]:
    entries = [(*_look(verdict), str(verdict)) for verdict in used]
    return [*entries, (*_look(None), "did not run")] if unrun else entries


def _placed(entries: Sequence[tuple[str, str, str]], width: float) -> list[tuple[float, float]]:
    """Where each entry of the legend stands, broken into lines."""
    places, x, y = [], _MARGIN, _MARGIN
    for _, _, says in entries:
        wide = 26 + width_of(says) + 14
        if x + wide > width - _MARGIN and x > _MARGIN:
            x, y = _MARGIN, y + 24
        places.append((x, y))
        x += wide
    return places


def _legend_height(used: Sequence[Verdict], width: float, unrun: bool) -> float:
    places = _placed(_entries(used, unrun=unrun), width)
    return (places[-1][1] + 24 if places else 0.0) + 4


def _legend(canvas: Canvas, used: Sequence[Verdict], width: float, *, unrun: bool) -> None:
    entries = _entries(used, unrun=unrun)
    for (letter, fill, says), (x, y) in zip(entries, _placed(entries, width), strict=True):
        canvas.rectangle(x, y, 20, 18, "cell", fill=fill)
        canvas.text(x + 10, y + 13, letter, "letter", anchor="middle")
        canvas.text(x + 26, y + 13, says, "ink")


def _told(
    outcomes: Sequence[Outcome], names: Sequence[str], down: str, across: str | None, facets: Sequence[str]
) -> str:
    axes = " by ".join(clipped(axis, 400) for axis in (down, across) if axis)
    each = f", one map for each combination of {', '.join(facets)}" if facets else ""
    left = [name for name in names if name not in {down, across, *facets}]
    summed = f"; runs that differ in {', '.join(left)} share a cell" if left else ""
    ends = Counter(str(item.verdict or "did not run") for item in outcomes)
    told = ", ".join(f"{number} {end}" for end, number in ends.most_common())
    worst = list(itertools.islice(_failing(outcomes, down), 6))
    failing = f" Share of failures by {down}: {', '.join(worst)}." if worst else ""
    return f"Heat map of verdicts, {axes}{each}{summed}. {len(outcomes)} runs: {told}.{failing}"


def _failing(outcomes: Sequence[Outcome], factor: str) -> Iterable[str]:
    counts: dict[str, list[bool]] = {}
    for item in outcomes:
        if item.verdict is not None:
            counts.setdefault(item.levels.get(factor, ""), []).append(item.verdict.is_failure)
    return (f"{level} {sum(ends)} of {len(ends)}" for level, ends in counts.items())
