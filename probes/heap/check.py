"""
A second look at a crash that smells of a damaged heap: the same command once for each rung of the ladder.

Nothing but environment variables changes. Every run gets a folder of its own inside the first one's.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes.diagnosis import Diagnosis
from probes.errors import InputError
from probes.heap.ladder import LADDER, Loader, Rung, RungUnavailableError, this_machine
from probes.heap.moves import Sighting, interpretation, moves, sighting
from probes.supervisor import CommandNotFoundError
from probes.watch import Status, WatchOptions, watch

SCHEMA = "freezelab.heap-check/1"
FILE = "heap_check.json"
_FOLDER = "heap-check"
_PATIENCE_S = 30.0
"""On top of what a rung may take longer: starting up is slower too."""


class InvalidHeapCheckError(InputError, ValueError):
    """A file that should hold a heap check does not."""


@dataclass(frozen=True)
class Attempt:
    """One rung, tried or not."""

    rung: str
    change: str
    folder: str | None
    """Relative to the first run's folder; None if it could not be tried."""
    seen: Sighting | None
    why_not: str | None
    """Why it could not be tried; None if it was."""
    moved: tuple[str, ...] = ()
    """What is different from the first run."""

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "seen": self.seen.to_json() if self.seen else None, "moved": list(self.moved)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Attempt:
        seen = Sighting.from_json(value["seen"]) if value["seen"] else None
        return cls(**{**value, "seen": seen, "moved": tuple(value["moved"])})


@dataclass(frozen=True)
class HeapCheck:
    """The whole ladder, as far as it was climbed."""

    first: Sighting
    attempts: tuple[Attempt, ...]
    complete: bool
    """False if it was interrupted."""

    @property
    def says(self) -> list[str]:
        """What the moves mean, one sentence each."""
        return interpretation(self.first, [(item.rung, item.seen) for item in self.attempts if item.seen is not None])

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "complete": self.complete,
            "first": self.first.to_json(),
            "rungs": [attempt.to_json() for attempt in self.attempts],
            "says": self.says,
        }

    @classmethod
    def load(cls, folder: Path) -> HeapCheck | None:
        """
        Reads what a run's folder holds of one; None if it holds none.

        :raises InvalidHeapCheckError: the file is damaged.
        """
        path = folder / FILE
        if not path.exists():
            return None
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["schema"] != SCHEMA:
                raise ValueError(f"schema {value['schema']!r}, not {SCHEMA!r}")
            attempts = tuple(Attempt.from_json(item) for item in value["rungs"])
            return cls(Sighting.from_json(value["first"]), attempts, bool(value["complete"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidHeapCheckError(f"{path}: not a heap check: {error!r}") from error


def announce(first: Diagnosis, folder: Path) -> Diagnosis:
    """Names the heap check among a run's files, also should it be interrupted."""
    diagnosis = dataclasses.replace(first, artifacts={**first.artifacts, "heap_check": FILE})
    (folder / "diagnosis.json").write_text(json.dumps(diagnosis.to_json(), indent=1), encoding="utf-8")
    return diagnosis


def climb(
    command: Sequence[str],
    first: Diagnosis,
    options: WatchOptions,
    *,
    loader: Loader | None = None,
    ladder: Sequence[Rung] = LADDER,
    on_status: Callable[[int, Rung, Status], None] | None = None,
    on_attempt: Callable[[Attempt], None] | None = None,
) -> HeapCheck:
    """
    Climbs the ladder; what was found so far is in the folder after each rung.

    :param first: the run that crashed.
    :param options: as it was watched; its folder holds the others.
    :param on_status: told about twice a second which rung (from 0) is at work, and how it is getting on.
    :param on_attempt: told of each rung that is done.
    :raises KeyboardInterrupt: on Ctrl-C, once the whole process family has ended.
    """
    loader = loader or this_machine()
    origin = sighting(first)
    attempts: list[Attempt] = []
    _keep(options.out, HeapCheck(origin, (), complete=False))
    for place, rung in enumerate(ladder):

        def status(now: Status, place: int = place, rung: Rung = rung) -> None:
            if on_status is not None:
                on_status(place, rung, now)

        attempt = _attempt(command, origin, rung, loader, dataclasses.replace(options, on_status=status))
        attempts.append(attempt)
        _keep(options.out, HeapCheck(origin, tuple(attempts), complete=place == len(ladder) - 1))
        if on_attempt is not None:
            on_attempt(attempt)
    return HeapCheck(origin, tuple(attempts), complete=True)


def _attempt(command: Sequence[str], origin: Sighting, rung: Rung, loader: Loader, options: WatchOptions) -> Attempt:
    name = f"{_FOLDER}/{rung.id}"
    out = options.out / name
    try:
        given = {name: value for name, value in {**os.environ, **options.env}.items() if value is not None}
        variables = rung.variables(loader, given)
        diagnosis = watch(
            command,
            dataclasses.replace(
                options,
                out=out,
                env={**options.env, **variables},
                limit_s=rung.slowdown * origin.lasted_s + _PATIENCE_S,
                on_freeze="report",
                show_out=None,
                show_err=None,
            ),
        )
    except (RungUnavailableError, CommandNotFoundError) as error:
        return Attempt(rung.id, rung.change, None, None, str(error))
    printed = _printed(out)
    refusal = _refusal(printed.splitlines())
    if refusal is not None:
        return Attempt(rung.id, rung.change, name, None, f"the program does not start so: {refusal}")
    seen = sighting(diagnosis, printed)
    return Attempt(rung.id, rung.change, name, seen, None, moves(origin, seen))


def _printed(folder: Path) -> str:
    try:
        return (folder / "stderr.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _refusal(lines: Iterable[str]) -> str | None:
    """The line in which the loader, or AddressSanitizer, says that it can't work here; None if there is none."""
    for line in lines:
        if line.startswith("ERROR: ld.so: object") or (
            line.startswith("==")
            and any(
                sign in line for sign in ("failed to allocate", "ReserveShadowMemoryRange", "runtime does not come")
            )
        ):
            return line.strip()
    return None


def _keep(folder: Path, check: HeapCheck) -> None:
    (folder / FILE).write_text(json.dumps(check.to_json(), indent=1), encoding="utf-8")
