"""The pictures of one run, from its folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from probes import profile
from probes.diagnosis import Diagnosis
from probes.stacks import Frame
from reports import whose
from reports.pictures.canvas import Picture
from reports.pictures.flame import flame_graph
from reports.pictures.history import Span, history
from reports.pictures.timeline import timeline

_MAX_FLAMES = 3


@dataclass(frozen=True)
class RunPictures:
    """What can be shown of a run; nothing of what was not observed."""

    timeline: Picture | None = None
    flames: tuple[Picture, ...] = ()
    unended: tuple[Span, ...] = ()
    """Phases that were still going on when the run ended."""

    @property
    def all(self) -> tuple[Picture, ...]:
        """Every picture."""
        return (*([self.timeline] if self.timeline is not None else []), *self.flames)


def run_pictures(folder: Path, diagnosis: Diagnosis, told: Callable[[str], str] = str) -> RunPictures:
    """
    Draws what the folder holds.

    :param told: makes of a function's or a file's name what may be shown of it.
    """
    flames = []
    for number, path in enumerate(sorted(folder.glob("profile*.speedscope.json"))[:_MAX_FLAMES], 1):
        sampled = profile.load(path, _pid(folder))
        stacks = (
            [[_shown(frame, told) for frame in stack if not whose.is_ours(frame.file)] for stack in sampled.samples]
            if sampled
            else []
        )
        drawn = flame_graph(f"diagnosis-flame-{number}", stacks, path.name.removesuffix(".speedscope.json"))
        if drawn:
            flames.append(drawn)
    past = history(folder, diagnosis)
    unended = tuple(span for span in past.spans if not span.ended)
    return RunPictures(timeline("diagnosis-timeline", past), tuple(flames), unended)


def _shown(frame: Frame, told: Callable[[str], str]) -> Frame:
    return Frame(told(frame.function), told(frame.file), frame.line)


def _pid(folder: Path) -> int | None:
    try:
        pid = json.loads((folder / "meta.json").read_text(encoding="utf-8")).get("pid")
    except (OSError, ValueError, AttributeError):
        return None
    return pid if isinstance(pid, int) else None
