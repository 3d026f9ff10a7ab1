"""``running.json``: what a sweep is doing, written twice a second for whoever asks from another shell."""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from matrix.running.progress import Progress
from probes.system import procfs

LIVE_FILE = "running.json"
SCHEMA = "freezelab.running/1"
_EVERY_S = 0.5


class LiveFile:
    """
    Keeps the file up to date; never half-written, gone once the sweep has ended.

    :param out: the sweep's folder.
    """

    def __init__(self, out: Path, progress: Progress) -> None:
        self._path = out / LIVE_FILE
        self._progress = progress
        mine = procfs.read_process(os.getpid(), closely=False)
        self._self = {
            "pid": os.getpid(),
            "started_ticks": mine.started_ticks if mine else None,
            "host": platform.node(),
            "started_at": time.time(),
        }
        self._written_s = 0.0

    def write(self) -> None:
        """If it is time. What can't be written is left: the sweep itself matters more."""
        now = time.monotonic()
        if now - self._written_s < _EVERY_S:
            return
        self._written_s = now
        growing = self._path.with_suffix(".json.part")
        with suppress(OSError):
            growing.write_text(json.dumps(self._content(now)), encoding="utf-8")
            growing.replace(self._path)

    def remove(self) -> None:
        """The sweep is over."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _content(self, now: float) -> dict[str, Any]:
        progress = self._progress
        left_s = progress.left_s
        return {
            "schema": SCHEMA,
            **self._self,
            "updated_at": time.time(),
            "total": progress.total,
            "done": progress.done,
            "left_s": None if left_s is None else round(left_s, 1),
            "running": [
                {
                    "label": trial.label,
                    "running_s": round(now - trial.since, 1),
                    "step": trial.step,
                    "phase": trial.phase,
                    "line": trial.line,
                    "suspicious": trial.suspicious,
                }
                for trial in progress.running
            ],
        }
