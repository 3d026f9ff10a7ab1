"""How a sweep stands, asked from outside: by its store, its plan and what it says of itself. Nothing is changed."""

from __future__ import annotations

import json
import platform
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix.analysis.analysis import PLAN_FILE, STORE_FILE
from matrix.plan.plan import Plan
from matrix.results.store import read_records
from matrix.running import live_file
from matrix.running.leftovers import living
from matrix.running.source import source_of
from matrix.running.trial import CELLS_FOLDER
from probes.system import procfs

_STALE_S = 10.0
"""A sweep on another machine that has written nothing for so long counts as gone."""


@dataclass(frozen=True)
class RunningCell:
    """A trial that is under way."""

    label: str
    running_s: float
    step: int | None
    phase: str | None
    line: str
    """The probes' own status line."""
    suspicious: bool


@dataclass(frozen=True)
class SweepStatus:
    """How a sweep stands."""

    name: str
    alive: bool
    """Whether a process is at work on it."""
    complete: bool
    """Whether nothing is left to be run."""
    host: str | None
    """Where that process is; None if there is none."""
    pid: int | None
    done: int
    total: int | None
    """None if it is open: an adaptive design without a limit."""
    outcomes: Mapping[str, int]
    """How often each occurred, most frequent first."""
    running: tuple[RunningCell, ...]
    left_s: float | None
    """Roughly how long the rest takes; None if nothing is at work, or nothing can be said yet."""
    leftovers: int
    """Processes that a sweep which was killed has left running; they are ended when it goes on."""
    conclusion: str | None
    """What an adaptive design has come to."""


def status_of(folder: Path) -> SweepStatus:
    """
    How the sweep in ``folder`` stands.

    :raises MatrixError: no sweep was started there, or its files are not to be read.
    """
    plan = Plan.load(folder / PLAN_FILE)
    records = read_records(folder / STORE_FILE)
    cells = {cell.id for cell in plan.cells}
    source = source_of(plan, records)
    live = _live(folder / live_file.LIVE_FILE)
    alive = live is not None and _is_alive(live)
    said = live if alive and live is not None else {}
    outcomes = Counter(record.observation.headline for record in records if record.cell in cells)
    return SweepStatus(
        name=plan.name,
        alive=alive,
        complete=source.total is not None and source.done >= source.total,
        host=said.get("host"),
        pid=said.get("pid"),
        done=source.done,
        total=source.total,
        outcomes=dict(outcomes.most_common()),
        running=tuple(RunningCell(**cell) for cell in said.get("running", ())),
        left_s=said.get("left_s"),
        leftovers=0 if alive else len(living(folder / CELLS_FOLDER)),
        conclusion=source.conclusion,
    )


def _live(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no sweep runs, or the file is none of ours
        return None
    return value if isinstance(value, dict) and value.get("schema") == live_file.SCHEMA else None


def _is_alive(live: Mapping[str, Any]) -> bool:
    if live["host"] == platform.node() and live["started_ticks"] is not None:
        return procfs.is_alive(live["pid"], live["started_ticks"])
    return bool(time.time() - live["updated_at"] < _STALE_S)
