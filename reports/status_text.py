"""What ``freezelab matrix status`` says, as text and as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from matrix.running.status import RunningCell, SweepStatus
from matrix.running.view import duration
from reports import wording

SCHEMA = "freezelab.status/1"


def text(status: SweepStatus) -> str:
    """A few lines: how far it is, what came of what, what runs."""
    of = "" if status.total is None else f" of {status.total}"
    lines = [f"{status.name}: {_state(status)}", f"done      {status.done}{of}{_left(status)}"]
    lines += [f"{number:5} x  {headline}" for headline, number in status.outcomes.items()]
    if status.conclusion is not None:
        lines.append(f"finding   {status.conclusion}")
    lines += [_cell(cell) for cell in status.running]
    if status.leftovers:
        left = wording.count(status.leftovers, "process", "processes")
        lines.append(f"left      {left} of a sweep that was killed; going on ends them")
    return "\n".join(lines)


def to_json(status: SweepStatus) -> dict[str, Any]:
    """The same for machines."""
    return {"schema": SCHEMA, **dataclasses.asdict(status)}


def _state(status: SweepStatus) -> str:
    if status.alive:
        return f"running, process {status.pid} on {status.host}"
    return "complete" if status.complete else "not running; the call that started it goes on"


def _left(status: SweepStatus) -> str:
    return f", about {duration(status.left_s)} left" if status.left_s is not None else ""


def _cell(cell: RunningCell) -> str:
    mark = " (!)" if cell.suspicious else ""
    return f"running   {cell.label}  {duration(cell.running_s)}: {cell.line}{mark}"
