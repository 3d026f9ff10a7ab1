"""Probabilities of rival explanations as bars: what an adaptive search or a bisection has come to believe."""

from __future__ import annotations

from collections.abc import Sequence

from reports.pictures.canvas import Canvas, Picture, width_of
from reports.plain import line

_WIDTH, _MARGIN, _ROW, _MOST_LABEL, _FIGURES = 760.0, 12.0, 24.0, 360.0, 86.0
_MAX_BARS = 12


def posterior(name: str, rows: Sequence[tuple[str, float]], title: str = "What is believed") -> Picture | None:
    """
    Draws a bar for each explanation.

    :param rows: explanation and probability, 0..1, in the order in which to show them.
    :return: None without any.
    """
    shown = rows[:_MAX_BARS]
    if not shown:
        return None
    canvas = Canvas(name, title, _WIDTH, len(shown) * _ROW + 16)
    labels = min(max(width_of(line(label)) for label, _ in shown) + 12, _MOST_LABEL)
    left, room = _MARGIN + labels, _WIDTH - 2 * _MARGIN - labels - _FIGURES
    for place, (label, probability) in enumerate(shown):
        y, share = 8 + place * _ROW, min(max(probability, 0.0), 1.0)
        canvas.text(left - 10, y + 16, label, anchor="end", room=labels - 10)
        canvas.rectangle(left, y + 4, room, _ROW - 8, "track", f"{label}: {percent(share)}")
        canvas.rectangle(left, y + 4, max(room * share, 1), _ROW - 8, "bar", f"{label}: {percent(share)}")
        canvas.text(_WIDTH - _MARGIN, y + 16, percent(share), "strong", anchor="end")
    told = "; ".join(f"{label}: {percent(probability)}" for label, probability in shown)
    return canvas.finish(f"Bar chart of probabilities. {told}.")


def percent(probability: float) -> str:
    """Never rounded up to certainty, nor down to nothing."""
    if probability >= 0.995:
        return "over 99 %"
    return "under 1 %" if probability < 0.005 else f"{probability * 100:.0f} %"
