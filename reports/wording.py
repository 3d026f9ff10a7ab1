"""Figures and places in words, the same in every report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probes import code
from probes.diagnosis import Culprit, Diagnosis

_WORTH_SHOWING_S = 0.5


def visible_iterations(diagnosis: Diagnosis) -> list[dict[str, Any]]:
    """Rollouts with the updates after them, if any of them took long enough for a person to see."""
    rows = [item for item in diagnosis.timing.iterations if item["train_s"] is not None]
    return rows if any(max(row["collect_s"], row["train_s"]) >= _WORTH_SHOWING_S for row in rows) else []


def seconds(value: float | None) -> str:
    """``15.6 s``, ``0.42 s``, ``3 ms``, ``40 µs``; an em dash for unknown."""
    if value is None:
        return "—"
    if value == 0:
        return "0 s"
    if value >= 10:
        return f"{value:.1f} s"
    if value >= 0.1:
        return f"{value:.2f} s"
    if value >= 1e-3:
        return f"{value * 1e3:.2g} ms" if value < 0.0995 else "0.10 s"
    return f"{value * 1e6:.0f} µs"


def place(culprit: Culprit) -> str:
    """``_process_sequence (sb3_contrib/common/recurrent/policies.py:198)``; with the process if it is a worker."""
    whose = f" in {culprit.process}" if culprit.process != "main" else ""
    return f"{culprit.function} ({code.place(culprit.file, culprit.line)}){whose}"


def percent(share: float | None) -> str:
    """``96 %``; an em dash for unknown."""
    return "—" if share is None else f"{share:.0%}".replace("%", " %")


def listed(items: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """``1 cell``, ``6 cells``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
