"""Reads flight-recorder files: of a live process, a killed one, or whatever else bears that name."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes.agent import layout

_SETTLE_TRIES = 20


class FlightError(ValueError):
    """The file is not a flight recording that this version can read."""


@dataclass(frozen=True)
class PhaseTotal:
    """How often a phase was passed through, and for how long; time of inner phases included."""

    count: int
    total_s: float
    max_s: float


@dataclass(frozen=True)
class State:
    """Where a process stood at one moment."""

    events: int
    last_event_ns: int
    """When the last event came whose time is known; after it some may have come that only ``events`` counts."""
    step: int | None
    """The user-visible step count; None before the first."""
    step_ns: int
    total_steps: int
    n_steps: int
    epoch: int
    n_epochs: int
    minibatch: int
    n_minibatches: int
    optimizer_steps: int
    census_done: int
    worker: int | None
    """Which worker of a vectorised environment the process is, from 0; None if it is none."""
    threads_left_behind: int
    """How many other Python threads its parent had when it was forked; 0 if it was not."""
    exit_ns: int
    stack: tuple[tuple[str, int], ...]
    """Open phases, outermost first, each with when it was entered (monotonic ns); 0 if that is not known."""
    phases: dict[str, PhaseTotal]

    @property
    def path(self) -> tuple[str, ...]:
        """Names of the open phases, outermost first."""
        return tuple(name for name, _ in self.stack)

    @property
    def starting(self) -> bool:
        """Whether nothing has been trained yet, and nothing is under way that is marked."""
        return not (self.stack or self.exit_ns or self.optimizer_steps or "learn" in self.phases)

    @property
    def trained(self) -> bool:
        """Whether it has learnt, and no phase is open any more."""
        return not self.stack and "learn" in self.phases

    @property
    def phase(self) -> str:
        """The innermost open phase; ``setup`` before any, ``exit`` after the last."""
        if self.stack:
            return self.stack[-1][0]
        return "exit" if self.exit_ns or "learn" in self.phases else "setup"


def _open_phases(words: list[int]) -> list[tuple[str, int]]:
    found = []
    for place in range(layout.STACK, layout.STACK + 2 * layout.STACK_LIMIT, 2):
        word, since = words[place : place + 2]
        if not 0 < word <= len(layout.PHASES):
            break
        found.append((layout.PHASES[word - 1], since))
    number, place = words[layout.AT_REST] // 256 - 1, words[layout.AT_REST] % 256
    depth = (place - layout.STACK) // 2
    if 0 <= number < len(layout.PHASES) and 0 <= depth <= len(found):
        name = layout.PHASES[number]
        # Under a torn reading it may be there already.
        if all(name != beside for beside, _ in found[max(depth - 1, 0) : depth + 1]):
            found.insert(depth, (name, 0))
    return found


@dataclass(frozen=True)
class Event:
    """One record of the ring."""

    number: int
    at_ns: int
    entered: bool
    phase: str
    step: int
    epoch: int
    minibatch: int
    took_s: float


class FlightRecording:
    """
    One process's flight recorder, open for reading.

    Read, not mapped: a mapped file that somebody cuts short would end us with SIGBUS.

    :raises FlightError: no such file, too short, other magic or version, or a header that fails its CRC;
        :meth:`state` and :meth:`new_events` raise it too, once the file has been cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise FlightError(f"{path}: not a file")
            # What is only kept may lie where nobody can write.
            mode = os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY
            self._descriptor = os.open(path, mode | os.O_CLOEXEC)
        except OSError as error:
            raise FlightError(f"{path}: {error.strerror or error}") from error
        try:
            if status.st_size < layout.FILE_SIZE:
                raise FlightError(f"{path}: {status.st_size} bytes, a flight recording has {layout.FILE_SIZE}")
            fields = self._read_header()
        except FlightError:
            self.close()
            raise
        self.pid: int = fields[6]
        self.parent_pid: int = fields[7]
        self.started_ns: int = fields[8]
        self.held_signals: int = fields[10]
        """Signals held at death, as a mask like those in ``/proc/PID/status``."""
        self._next = 1

    def _read_header(self) -> tuple[Any, ...]:
        raw = self._read(0, layout.HEADER.size)
        fields = layout.HEADER.unpack(raw)
        if fields[0] != layout.MAGIC:
            raise FlightError(f"{self.path}: not a flight recording (starts with {fields[0]!r})")
        if fields[1] != layout.VERSION:
            raise FlightError(f"{self.path}: format {fields[1]}, this FreezeLab reads {layout.VERSION}")
        if zlib.crc32(raw[:-4]) != fields[-1]:
            raise FlightError(f"{self.path}: header is damaged (CRC)")
        expected = (layout.RECORD_SIZE, layout.RING_CAPACITY, len(layout.TEXTS), layout.TEXT_SIZE)
        if fields[2:6] != expected:
            raise FlightError(f"{self.path}: sizes {fields[2:6]}, format {layout.VERSION} has {expected}")
        return fields

    def close(self) -> None:
        """Closes the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _read(self, start: int, length: int) -> bytes:
        try:
            raw = os.pread(self._descriptor, length, start)
        except OSError as error:
            raise FlightError(f"{self.path}: {error.strerror or error}") from error
        if len(raw) < length:
            raise FlightError(f"{self.path}: cut short at byte {start + len(raw)}")
        return raw

    def _words(self) -> list[int]:
        previous = b""
        for _ in range(_SETTLE_TRIES):
            raw = self._read(layout.STATE_OFFSET, layout.STATE_WORDS * 8)
            if raw == previous:
                break
            previous = raw
        return list(memoryview(raw).cast("q"))

    def state(self) -> State:
        """Where the process stands, or stood last. Words that make no sense are left out."""
        words = self._words()
        stack = _open_phases(words)
        phases = {}
        for number, name in enumerate(layout.PHASES):
            place = layout.PHASE_TABLE + layout.PHASE_COLUMNS * number
            count, total, longest = words[place : place + layout.PHASE_COLUMNS]
            if count > 0:
                phases[name] = PhaseTotal(count, total / 1e9, longest / 1e9)
        return State(
            # A mark at rest is counted now and then, an optimizer's step at once.
            events=words[layout.FOREIGN_EVENTS]
            + words[layout.OPTIMIZER_STEPS]
            + 2 * sum(total.count for total in phases.values())
            + len(stack),
            last_event_ns=max([words[layout.LAST_EVENT_NS], *(since for _, since in stack if since)]),
            step=words[layout.STEP] if words[layout.STEP] >= 0 else None,
            step_ns=words[layout.STEP_NS],
            total_steps=words[layout.TOTAL_STEPS],
            n_steps=words[layout.N_STEPS],
            epoch=words[layout.EPOCH],
            n_epochs=words[layout.N_EPOCHS],
            minibatch=words[layout.MINIBATCH],
            n_minibatches=words[layout.N_MINIBATCHES],
            optimizer_steps=words[layout.OPTIMIZER_STEPS],
            census_done=words[layout.CENSUS_DONE],
            worker=words[layout.WORKER_INDEX] if words[layout.WORKER_INDEX] >= 0 else None,
            threads_left_behind=words[layout.THREADS_LEFT_BEHIND],
            exit_ns=words[layout.EXIT_NS],
            stack=tuple(stack),
            phases=phases,
        )

    def text(self, slot: str) -> dict[str, Any] | None:
        """The JSON object in a text slot; None if it is empty, torn or cut off."""
        try:
            return self._text(slot)
        except FlightError:
            return None

    def _text(self, slot: str) -> dict[str, Any] | None:
        start = layout.TEXT_OFFSET + layout.TEXTS.index(slot) * layout.TEXT_SIZE
        body = start + layout.TEXT_HEADER.size
        for _ in range(_SETTLE_TRIES):
            counter, length, crc = layout.TEXT_HEADER.unpack(self._read(start, layout.TEXT_HEADER.size))
            if counter <= 0 or length > layout.TEXT_SIZE - layout.TEXT_HEADER.size:
                return None
            data = self._read(body, length)
            if zlib.crc32(data) == crc:
                try:
                    value = json.loads(data)
                except ValueError:
                    return None
                return value if isinstance(value, dict) else None
        return None

    def new_events(self) -> Iterator[Event]:
        """Records written since the last call; those overwritten in between are lost, torn ones passed over."""
        written = self._words()[layout.RING_COUNT]
        first = max(self._next, written - layout.RING_CAPACITY + 1)
        for number in range(first, written + 1):
            event = self._event(number)
            if event is not None:
                yield event
        self._next = max(self._next, written + 1)

    def _event(self, number: int) -> Event | None:
        start = layout.RING_OFFSET + (number % layout.RING_CAPACITY) * layout.RECORD_SIZE
        raw = self._read(start, layout.RECORD.size + layout.RECORD_CRC.size)
        body, crc = raw[: layout.RECORD.size], raw[layout.RECORD.size :]
        if zlib.crc32(body) != layout.RECORD_CRC.unpack(crc)[0]:
            return None
        found, at_ns, kind, phase, _, step, epoch, minibatch, value = layout.RECORD.unpack(body)
        if found != number or phase >= len(layout.PHASES) or kind not in (layout.ENTER, layout.LEAVE):
            return None
        return Event(number, at_ns, kind == layout.ENTER, layout.PHASES[phase], step, epoch, minibatch, value / 1e9)

    def request_census(self) -> None:
        """Asks the process to count the calls of its next minibatch."""
        place = layout.STATE_OFFSET + layout.CENSUS_REQUEST * 8
        with contextlib.suppress(FlightError, OSError, OverflowError):
            request = int.from_bytes(self._read(place, 8), "little", signed=True) + 1
            os.pwrite(self._descriptor, request.to_bytes(8, "little", signed=True), place)
