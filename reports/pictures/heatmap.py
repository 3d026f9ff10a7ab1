"""Verdicts over factors: a cell for each combination of their levels, nested on two axes, a letter in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from probes.verdicts import Verdict
from reports.pictures.canvas import Canvas, Picture, width_of
from reports.pictures.palette import OTHER, VERDICTS
from reports.pictures.pivot import LABEL_GAP, MARGIN, Key, Levels, Pivot, pivot

_WIDTH = 760.0
_ROW, _HEADER, _NOTE = 24.0, 22.0, 18.0
_LEGEND_ROW = 24.0


@dataclass(frozen=True)
class Outcome:
    """One run: its levels by factor, and how it ended; None if it could not run here."""

    levels: Mapping[str, str]
    verdict: Verdict | None


Cells = Mapping[tuple[Key, Key], Sequence[Outcome]]


def heatmap(name: str, factors: Levels, outcomes: Sequence[Outcome], title: str = "Verdicts") -> Picture | None:
    """
    Draws the verdicts of a sweep.

    :param factors: those of the plan, with their levels in order; the one that matters most first. As many of those
        that vary as fit get a place on an axis; runs that differ in the others share a cell.
    :return: None without a factor that varies, or without any outcome.
    """
    varying = {factor: levels for factor, levels in factors.items() if len(levels) > 1}
    if not varying or not outcomes:
        return None
    axes = pivot(varying, [item.levels for item in outcomes], _WIDTH)
    cells = _cells(axes, outcomes)
    legend = list(_legend(cells, max(_WIDTH, axes.width)))
    notes = list(_notes(axes, varying, cells))
    top = MARGIN + (max(y for *_, y in legend) + _LEGEND_ROW if legend else 0.0)
    bottom = top + (len(axes.across) + 1) * _HEADER + len(axes.rows) * _ROW
    canvas = Canvas(name, title, max(_WIDTH, axes.width), bottom + len(notes) * _NOTE + MARGIN)
    for letter, fill, says, x, y in legend:
        canvas.rectangle(x, MARGIN + y, 20, 18, "cell", fill=fill)
        canvas.text(x + 10, MARGIN + y + 13, letter, "letter", anchor="middle")
        canvas.text(x + 26, MARGIN + y + 13, says, "ink")
    y = _header(canvas, axes, top)
    for row in axes.rows:
        _row(canvas, axes, cells, row, y)
        y += _ROW
    for note in notes:
        y += _NOTE
        canvas.text(MARGIN, y, note, "dim", room=_WIDTH - 2 * MARGIN)
    return canvas.finish(_told(axes, outcomes), wide=axes.width > _WIDTH)


def _cells(axes: Pivot, outcomes: Iterable[Outcome]) -> Cells:
    cells: dict[tuple[Key, Key], list[Outcome]] = {}
    for item in outcomes:
        key = tuple(tuple(item.levels.get(name, "") for name in names) for names in (axes.down, axes.across))
        cells.setdefault((key[0], key[1]), []).append(item)
    return cells


def _header(canvas: Canvas, axes: Pivot, y: float) -> float:
    """The levels across, a line for each factor, and a line with the names of those that lie down."""
    for place, name in enumerate(axes.across):
        inner = place == len(axes.across) - 1
        canvas.text(axes.left - LABEL_GAP, y + 14, f"{name} →", "dim", anchor="end", room=axes.left - LABEL_GAP)
        for key, first, number in _groups(axes.columns, place):
            left, width = axes.left + first * axes.column, number * axes.column
            kind = "ink" if inner else "strong"
            canvas.text(left + width / 2, y + 14, key[place], kind, anchor="middle", room=width - 4)
            if not inner and first:
                canvas.rule(left - 0.5, y + 2, left - 0.5, y + 16, "grid")
        y += _HEADER
    x = MARGIN
    for name, width in zip(axes.down, axes.labels, strict=True):
        x += width
        canvas.text(x - LABEL_GAP, y + 14, f"{name} ↓", "dim", anchor="end", room=width - LABEL_GAP)
    return y + _HEADER


def _groups(keys: Sequence[Key], place: int) -> Iterator[tuple[Key, int, int]]:
    """Runs of neighbours that agree up to ``place``: the first of each, where it stands, and how many."""
    first = 0
    for number in range(1, len(keys) + 1):
        if number == len(keys) or keys[number][: place + 1] != keys[first][: place + 1]:
            yield keys[first], first, number - first
            first = number


def _row(canvas: Canvas, axes: Pivot, cells: Cells, row: Key, y: float) -> None:
    number = axes.rows.index(row)
    before = axes.rows[number - 1] if number else None
    x = MARGIN
    for place, (level, width) in enumerate(zip(row, axes.labels, strict=True)):
        inner = place == len(row) - 1
        if inner or before is None or before[: place + 1] != row[: place + 1]:
            kind = "ink" if inner else "strong"
            canvas.text(x + width - LABEL_GAP, y + 16, level, kind, anchor="end", room=width - LABEL_GAP)
            if not inner and before is not None:
                canvas.rule(x, y - 0.5, axes.left - 4, y - 0.5, "grid")
        x += width
    for place, column in enumerate(axes.columns):
        _cell(canvas, axes, row, column, cells.get((row, column), ()), axes.left + place * axes.column, y)


def _cell(canvas: Canvas, axes: Pivot, row: Key, column: Key, runs: Sequence[Outcome], x: float, y: float) -> None:
    names = zip((*axes.down, *axes.across), (*row, *column), strict=True)
    where = ", ".join(f"{name}={level}" for name, level in names)
    width = axes.column
    if not runs:
        canvas.rectangle(x + 2, y + 2, width - 5, _ROW - 5, "empty", f"{where}: not in the plan, or not yet run")
        return
    ends = Counter(item.verdict for item in runs)
    told = ", ".join(f"{number} × {verdict or 'did not run'}" for verdict, number in ends.most_common())
    letter, fill = _look(_shown(ends))
    canvas.rectangle(x, y, width - 1, _ROW - 1, "cell", f"{where}: {told}", fill)
    says = f"{letter} {_part(ends)}".rstrip()
    if width_of(says) > width - 2:
        says = f"{letter}*"
    canvas.text(x + (width - 1) / 2, y + 16, says, "letter", anchor="middle")


def _part(ends: Counter[Verdict | None]) -> str:
    """``3/12``: how many of the runs that ran ended as shown; nothing if all did."""
    shown = _shown(ends)
    ran = sum(number for verdict, number in ends.items() if verdict is not None)
    return f"{ends[shown]}/{ran}" if shown is not None and ends[shown] < ran else ""


def _shown(ends: Counter[Verdict | None]) -> Verdict | None:
    """The most frequent failure, or else that it is healthy, or else that it did not run."""
    failures = [(number, verdict) for verdict, number in ends.items() if verdict is not None and verdict.is_failure]
    if failures:
        return max(failures, key=lambda item: item[0])[1]
    return Verdict.HEALTHY if Verdict.HEALTHY in ends else None


def _look(verdict: Verdict | None) -> tuple[str, str]:
    return ("–", OTHER) if verdict is None else (VERDICTS[verdict].letter, VERDICTS[verdict].fill)


def _legend(cells: Cells, width: float) -> Iterator[tuple[str, str, str, float, float]]:
    """Letter, fill and words of each verdict that is shown, and where they stand, broken into lines."""
    seen = {_shown(Counter(item.verdict for item in runs)) for runs in cells.values()}
    shown: list[Verdict | None] = [verdict for verdict in VERDICTS if verdict in seen]
    x, y = MARGIN, 0.0
    for verdict in [*shown, *([None] if None in seen else [])]:
        says = str(verdict or "did not run")
        wide = 26 + width_of(says) + 14
        if x + wide > width - MARGIN and x > MARGIN:
            x, y = MARGIN, y + _LEGEND_ROW
        yield *_look(verdict), says, x, y
        x += wide


def _left_out(axes: Pivot, varying: Iterable[str]) -> list[str]:
    return [name for name in varying if name not in {*axes.down, *axes.across}]


def _notes(axes: Pivot, varying: Iterable[str], cells: Cells) -> Iterator[str]:
    left = _left_out(axes, varying)
    if left:
        yield f"Runs that differ in {', '.join(left)} share a cell."
    if any(_part(Counter(item.verdict for item in runs)) for runs in cells.values()):
        yield "A figure says how many of the runs of a cell ended so; the others did otherwise."


def _told(axes: Pivot, outcomes: Sequence[Outcome]) -> str:
    by = " by ".join(" and ".join(names) for names in (axes.down, axes.across) if names)
    ends = Counter(str(item.verdict or "did not run") for item in outcomes)
    told = ", ".join(f"{number} {end}" for end, number in ends.most_common())
    return f"Heat map of verdicts, {by}. {len(outcomes)} runs: {told}.{_failing(outcomes, axes.down[0])}"


def _failing(outcomes: Sequence[Outcome], factor: str) -> str:
    counts: dict[str, list[bool]] = {}
    for item in outcomes:
        if item.verdict is not None:
            counts.setdefault(item.levels.get(factor, ""), []).append(item.verdict.is_failure)
    told = ", ".join(f"{level} {sum(ends)} of {len(ends)}" for level, ends in list(counts.items())[:6])
    return f" Share of failures by {factor}: {told}." if told else ""
