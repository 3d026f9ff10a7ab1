"""A flame graph of sampled stacks, outermost call on top: as wide as its share of the samples, cut where it is thin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from probes import code
from probes.stacks import Frame
from reports import whose, wording
from reports.pictures.canvas import FONT_SIZE, Canvas, Picture
from reports.pictures.palette import CODE

_WIDTH, _MARGIN, _ROW = 760.0, 12.0, 19.0
_TOP = 30.0
_NARROWEST = 1.5
"""Pixels below which a frame is left out, and with it all that it calls."""
_MAX_DEPTH = 40
_MAX_TOLD = 4
_LEGEND = (("user", "your code"), ("library", "libraries"), ("engine", "torch, numpy, Python"))


@dataclass
class _Call:
    """A function in the place where it was called, with all samples that passed it."""

    frame: Frame
    samples: int = 0
    inner: dict[tuple[str, str], _Call] = field(default_factory=dict)


def flame_graph(name: str, samples: Sequence[Sequence[Frame]], source: str = "") -> Picture | None:
    """
    Draws a flame graph, after Brendan Gregg (https://www.brendangregg.com/flamegraphs.html), upside down.

    :param samples: stacks, outermost call first.
    :param source: the name of the profile, where there are several.
    :return: None if there is no sample with a frame in it.
    """
    stacks = [stack for stack in samples if stack]
    if not stacks:
        return None
    root = _merged(stacks)
    common, top = _common(root, len(stacks))
    rows = [item for item in _laid_out(top, len(stacks)) if item.depth < _MAX_DEPTH]
    depth = max((item.depth for item in rows), default=0) + 1
    canvas = Canvas(name, f"Flame graph of {source}" if source else "Flame graph", _WIDTH, _TOP + depth * _ROW + 14)
    _legend(canvas, source, len(stacks), common)
    for item in rows:
        _draw(canvas, item, len(stacks))
    return canvas.finish(_told(stacks))


def _merged(stacks: Sequence[Sequence[Frame]]) -> _Call:
    root = _Call(Frame("", "", None))
    for stack in stacks:
        call = root
        call.samples += 1
        for frame in stack:
            call = call.inner.setdefault((frame.function, frame.file), _Call(frame))
            call.samples += 1
    return root


def _common(root: _Call, total: int) -> tuple[int, _Call]:
    """How many outer calls all samples share and need not be drawn, and the call below which to begin."""
    skipped, call = 0, root
    while len(call.inner) == 1:
        [inner] = call.inner.values()
        if inner.samples < total or len(inner.inner) != 1:
            break
        skipped, call = skipped + 1, inner
    return skipped, call


@dataclass(frozen=True)
class _Item:
    call: _Call
    depth: int
    x: float
    width: float


def _laid_out(top: _Call, total: int) -> Iterator[_Item]:
    scale = (_WIDTH - 2 * _MARGIN) / total
    waiting = [(top, 0, _MARGIN)]
    while waiting:
        call, depth, x = waiting.pop()
        for inner in sorted(call.inner.values(), key=lambda item: -item.samples):
            width = inner.samples * scale
            if width >= _NARROWEST:
                yield _Item(inner, depth, x, width)
                waiting.append((inner, depth + 1, x))
            x += width


def _draw(canvas: Canvas, item: _Item, total: int) -> None:
    frame, y = item.call.frame, _TOP + item.depth * _ROW
    place = code.place(frame.file, frame.line)
    tip = f"{frame.function} ({place}): {item.call.samples} of {total} samples, {item.call.samples / total:.0%}"
    canvas.rectangle(item.x, y, item.width - 0.7, _ROW - 1, "cell", tip, CODE[whose.owner(frame.file)])
    canvas.text(item.x + 4, y + FONT_SIZE + 1, f"{frame.function}  {place}", "black", room=item.width - 8)


def _legend(canvas: Canvas, source: str, total: int, common: int) -> None:
    x = _MARGIN
    for kind, says in _LEGEND:
        canvas.rectangle(x, 8, 12, 12, "cell", fill=CODE[kind])
        canvas.text(x + 17, 18, says, "dim")
        x += 34 + 6.4 * len(says)
    hidden = f", without {common} outer calls of all" if common else ""
    says = f"{source}: " if source else ""
    says += f"{wording.count(total, 'sample')}{hidden}"
    canvas.text(_WIDTH - _MARGIN, 18, says, "dim", anchor="end", room=_WIDTH - x - _MARGIN)


def _told(stacks: Sequence[Sequence[Frame]]) -> str:
    counts: dict[tuple[str, str], int] = {}
    for stack in stacks:
        for key in {(frame.function, code.place(frame.file, None)) for frame in stack[-6:]}:
            counts[key] = counts.get(key, 0) + 1
    first = sorted(counts.items(), key=lambda row: -row[1])[:_MAX_TOLD]
    told = ", ".join(f"{function} ({place}) in {number / len(stacks):.0%}" for (function, place), number in first)
    return f"Flame graph of {wording.count(len(stacks), 'sample')}. Most often among the innermost six calls: {told}."
