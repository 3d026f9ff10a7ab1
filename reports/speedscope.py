"""
All that was seen of a run's stacks as one profile for https://www.speedscope.app.

Sampled profiles are taken as they were stored; where the run was looked at because it stood still, each thread's stacks
become a profile of as many samples as there were looks.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reports.redaction.document import walk
from reports.redaction.redactor import Redactor

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)
"""What reading a damaged file may end with."""


class _Frames:
    """The table that all profiles of a document share."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._known: dict[tuple[str, str | None, int | None], int] = {}

    def number(self, name: str, file: str | None, line: int | None) -> int:
        key = (str(name), file, line)
        if key not in self._known:
            self._known[key] = len(self.rows)
            place = {"file": file, "line": line}
            self.rows.append({"name": key[0], **{part: value for part, value in place.items() if value is not None}})
        return self._known[key]


def document(folder: Path, redactor: Redactor | None = None) -> dict[str, Any]:
    """
    The profile of a run.

    :param redactor: what it takes out is not shown; without one, secrets.
    :param folder: a run's folder; files in it that can't be read are passed over.
    :return: in speedscope's file format; without profiles if no stack was taken.
    """
    frames = _Frames()
    profiles = [*_sampled(folder, frames), *_looked_at(folder, frames)]
    value = {
        "$schema": SCHEMA,
        "name": folder.resolve().name,
        "exporter": "freezelab",
        "activeProfileIndex": 0 if profiles else None,
        "shared": {"frames": frames.rows},
        "profiles": profiles,
    }
    shown: dict[str, Any] = walk(value, redactor or Redactor(people=False))
    return shown


def _sampled(folder: Path, frames: _Frames) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("profile*.speedscope.json")):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            rows = value["shared"]["frames"]
            numbers = [frames.number(row["name"], row.get("file"), row.get("line")) for row in rows]
            found = [
                {
                    **profile,
                    "name": f"{profile['name']} ({path.name.partition('.')[0]})",
                    "samples": [[numbers[at] for at in sample] for sample in profile["samples"]],
                }
                for profile in value["profiles"]
            ]
        except _UNREADABLE:
            continue
        yield from found


def _looked_at(folder: Path, frames: _Frames) -> Iterator[dict[str, Any]]:
    threads: dict[str, list[list[int]]] = defaultdict(list)
    for path in sorted((folder / "stacks").glob("*.json")):
        try:
            look: dict[str, list[int]] = {}
            for process in json.loads(path.read_text(encoding="utf-8"))["processes"]:
                for thread in process["threads"]:
                    name = f"process {process['pid']}, {thread['name'] or thread['tid']}"
                    look[name] = [frames.number(*frame) for frame in reversed(thread["frames"])]
        except _UNREADABLE:
            continue
        for name, stack in look.items():
            threads[name].append(stack)
    for name, samples in threads.items():
        yield {
            "type": "sampled",
            "name": f"{name} (standing still)",
            "unit": "none",
            "startValue": 0,
            "endValue": len(samples),
            "samples": samples,
            "weights": [1] * len(samples),
        }
