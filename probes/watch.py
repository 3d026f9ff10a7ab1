"""Run any training command under the probes: start, watch, judge, write down (placeholder)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from probes.diagnosis import Diagnosis


@dataclass(frozen=True)
class Status:
    """What is going on right now, for a live view."""

    elapsed_s: float
    step: int | None
    phase: str | None
    line: str
    """``step 2048 · train · epoch 3/10 · minibatch 17/32 · about 11 s left``"""
    suspicious: bool = False


@dataclass(frozen=True)
class WatchOptions:
    """How a run is watched."""

    out: Path
    """The run's folder; made if it is missing."""
    limit_s: float | None = None
    """End the run after so many seconds and say what it was doing."""
    confirm_after_s: float = 6.0
    on_freeze: Literal["report", "stop"] = "report"
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of the command."""
    cwd: Path | None = None
    cpus: frozenset[int] | None = None
    """Cores the command may use; None is all."""
    echo: bool = True
    """Copy the command's output to ours as it comes."""
    stdin_null: bool = False
    on_status: Callable[[Status], None] | None = None
    """Called about twice a second from the watching thread."""
    should_stop: Callable[[], bool] | None = None
    """Asked often; True ends the run as Ctrl-C would (its whole process tree)."""


class InterruptedRunError(Exception):
    """The run was ended because ``should_stop`` said so; nothing was diagnosed."""


def watch(command: Sequence[str], options: WatchOptions) -> Diagnosis:
    """Runs ``command`` and returns its diagnosis, which is also written to the run's folder."""
    raise RuntimeError("not built yet")
