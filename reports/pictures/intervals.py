"""Shares with their intervals, a row for each level of each factor: how sure an effect is, at a glance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.pictures.canvas import Canvas, Picture

_WIDTH, _MARGIN, _LABELS, _FIGURES = 760.0, 12.0, 210.0, 92.0
_ROW, _HEADER, _GAP, _AXIS = 22.0, 22.0, 8.0, 26.0
_MAX_ROWS = 80
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Share:
    """One level: how often, of how many, and between what the true share likely lies (all 0..1)."""

    label: str
    hits: int
    of: int
    low: float
    high: float


def intervals(
    name: str, groups: Sequence[tuple[str, Sequence[Share]]], what: str, title: str = "Shares with their intervals"
) -> Picture | None:
    """
    Draws a dot for each share, and a line for the interval around it.

    :param groups: name of a factor and its levels, in the order in which to show them; what is too much is left out.
    :param what: what is counted, as the axis names it.
    :return: None without any.
    """
    shown = _fitting(groups)
    if not shown:
        return None
    rows = sum(len(shares) for _, shares in shown)
    bottom = 8 + len(shown) * (_HEADER + _GAP) + rows * _ROW
    canvas = Canvas(name, title, _WIDTH, bottom + _AXIS + 14)
    left, right = _MARGIN + _LABELS, _WIDTH - _MARGIN - _FIGURES
    _axis(canvas, left, right, bottom, what)
    y = 8.0
    for factor, shares in shown:
        canvas.text(_MARGIN, y + 15, factor, "strong", room=_LABELS - 6)
        y += _HEADER
        for share in shares:
            _row(canvas, share, left, right, y)
            y += _ROW
        y += _GAP
    return canvas.finish(_told(shown, what))


def _fitting(groups: Sequence[tuple[str, Sequence[Share]]]) -> list[tuple[str, Sequence[Share]]]:
    shown: list[tuple[str, Sequence[Share]]] = []
    rows = 0
    for factor, shares in groups:
        known = [share for share in shares if share.of]
        if not known or rows + len(known) > _MAX_ROWS:
            continue
        rows += len(known)
        shown.append((factor, known))
    return shown


def _axis(canvas: Canvas, left: float, right: float, bottom: float, what: str) -> None:
    for tick in _TICKS:
        x = left + tick * (right - left)
        canvas.rule(x, 8, x, bottom + 4, "grid")
        canvas.text(x, bottom + 18, f"{tick:.0%}".replace("%", " %"), "dim", anchor="middle")
    canvas.text((left + right) / 2, bottom + 34, what, "dim", anchor="middle", room=right - left)


def _row(canvas: Canvas, share: Share, left: float, right: float, y: float) -> None:
    middle, room = y + _ROW / 2, right - left
    low, high, at = (
        left + min(max(value, 0.0), 1.0) * room for value in (share.low, share.high, share.hits / share.of)
    )
    tip = f"{share.label}: {share.hits} of {share.of}, likely between {_percent(share.low)} and {_percent(share.high)}"
    canvas.text(left - 12, middle + 4, share.label, anchor="end", room=_LABELS - 24)
    canvas.rectangle(low, middle - 3, max(high - low, 1.0), 6, "range", tip)
    canvas.rectangle(at - 3.5, middle - 7, 7, 14, "bar", tip)
    canvas.text(_WIDTH - _MARGIN, middle + 4, f"{share.hits} of {share.of}", "ink", anchor="end", room=_FIGURES - 12)


def _percent(share: float) -> str:
    return "—" if math.isnan(share) else f"{share:.0%}".replace("%", " %")


def _told(shown: Sequence[tuple[str, Sequence[Share]]], what: str) -> str:
    told = "; ".join(
        f"{factor}: " + ", ".join(f"{share.label} {share.hits} of {share.of}" for share in shares[:8])
        for factor, shares in shown[:6]
    )
    return f"{what[0].upper()}{what[1:]}, with the interval in which the true share likely lies. {told}."
