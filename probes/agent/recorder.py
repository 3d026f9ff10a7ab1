"""
The writer of the flight recorder: phases and counts of one process, in a file that outlives it.

Called from training code some thousand times a second, so: no locks, no allocation to speak of,
aligned 8-byte stores through a memoryview, and nothing in here raises.
"""

from __future__ import annotations

import json
import mmap
import os
import threading
import time
import zlib
from typing import Any

from . import layout

_clock = time.monotonic_ns
_thread_id = threading.get_ident
_PHASE_ID = {name: number for number, name in enumerate(layout.PHASES)}
_COARSE = frozenset(_PHASE_ID[name] for name in layout.COARSE)


class Recorder:
    """Records phases and gauges; before :meth:`open` into plain memory, after it into the file."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.path: str | None = None
        self.held_signals = 0
        self._owner = 0
        self._forget()

    def _forget(self) -> None:
        """Starts from nothing, in memory that nobody reads."""
        self.path = None
        self._buffer: mmap.mmap | None = None
        self.words = memoryview(bytearray(layout.STATE_WORDS * 8)).cast("q")
        self.words[layout.STEP] = self.words[layout.WORKER_INDEX] = -1
        self.stack: list[tuple[int, int]] = []
        """Open phases, outermost first, each with when it was entered."""
        self.top = -1
        self._table = [[0] * layout.PHASE_COLUMNS for _ in layout.PHASES]
        """The phase table again: a list is read several times faster than the file."""
        self._records = 0
        self._faults: list[str] = []

    def open(self, folder: str) -> None:
        """Creates this process's file in ``folder`` and goes on in it; on any failure it stays blind."""
        if self.path is not None:
            return
        self.folder = folder
        started = _clock()
        path = os.path.join(folder, "%d-%d.bin" % (os.getpid(), started))
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                # Reserved, not just sized: on a full disk a sparse page would end the training with SIGBUS.
                os.posix_fallocate(descriptor, 0, layout.FILE_SIZE)
                buffer = mmap.mmap(descriptor, layout.FILE_SIZE)
            finally:
                os.close(descriptor)
        except OSError:
            try:
                os.unlink(path)
            except OSError:
                pass
            return
        words = memoryview(buffer)[layout.STATE_OFFSET : layout.TEXT_OFFSET].cast("q")
        words[:] = self.words
        self._buffer, self.words, self.path = buffer, words, path
        self._write_header(buffer, started)

    def _write_header(self, buffer: mmap.mmap, started: int) -> None:
        fields = (
            layout.MAGIC,
            layout.VERSION,
            layout.RECORD_SIZE,
            layout.RING_CAPACITY,
            len(layout.TEXTS),
            layout.TEXT_SIZE,
            os.getpid(),
            os.getppid(),
            started,
            time.time_ns(),
            self.held_signals,
        )
        packed = layout.HEADER.pack(*fields, 0)[:-4]
        buffer[: layout.HEADER.size] = packed + zlib.crc32(packed).to_bytes(4, "little")

    def after_fork_in_child(self) -> None:
        """The parent's file stays the parent's; the child begins one of its own."""
        folder = self.folder if self.path is not None else None
        self._owner = 0
        self._forget()
        if folder is not None:
            self.open(folder)

    def enter(self, phase: int) -> int:
        """
        Opens a phase.

        :param phase: index in ``layout.PHASES``.
        :return: a token for :meth:`leave`; -1 on a thread that does not own the phases.
        """
        now = _clock()
        words = self.words
        stack = self.stack
        depth = len(stack)
        if not depth:
            self._owner = _thread_id()
        elif self._owner != _thread_id():
            words[0] += 1
            words[1] = now
            return -1
        stack.append((phase, now))
        self.top = phase
        if depth < 24:
            place = 32 + 2 * depth
            words[place] = phase
            words[place + 1] = now
            words[24] = depth + 1
        if phase in _COARSE:
            self._record(layout.ENTER, phase, now, 0)
        return now

    def leave(self, token: int) -> None:
        """
        Closes the phase that :meth:`enter` gave ``token`` for, and any left open inside it.

        One that is not open any more is passed over: an outer phase has closed it (a generator that outlives
        its loop), or it is the parent's (in the child of a fork).
        """
        stack = self.stack
        if not stack or stack[-1][1] != token:
            if token not in [since for _, since in stack]:
                return
            while stack[-1][1] != token:
                self.leave(stack[-1][1])
        now = _clock()
        words = self.words
        phase, _ = stack.pop()
        took = now - token
        row = self._table[phase]
        place = 128 + 3 * phase
        words[place] = row[0] = row[0] + 1
        words[place + 1] = row[1] = row[1] + took
        if took > row[2]:
            words[place + 2] = row[2] = took
        depth = len(stack)
        words[24] = depth if depth < 24 else 24
        words[1] = now
        self.top = stack[-1][0] if depth else -1
        if phase in _COARSE:
            self._record(layout.LEAVE, phase, now, took)

    def owns_phases(self) -> bool:
        """Whether the phases that are open are this thread's; gauges are told by that thread alone."""
        return not self.stack or self._owner == _thread_id()

    @property
    def open_phases(self) -> list[int]:
        """Numbers of the open phases, outermost first."""
        return [phase for phase, _ in self.stack]

    def step(self, number: int) -> None:
        """The user-visible step count is now ``number``."""
        words = self.words
        if words[2] != number:
            words[2] = number
            words[3] = _clock()

    def gauge(self, word: int, value: Any) -> None:
        """Sets a word of the state block, fractions cut off; what is no number is passed over."""
        try:
            self.words[word] = int(value)
        except (TypeError, ValueError, OverflowError):
            pass

    def _record(self, kind: int, phase: int, now: int, value: int) -> None:
        buffer = self._buffer
        if buffer is None:
            return
        self._records += 1
        number = self._records
        words = self.words
        packed = layout.RECORD.pack(
            number, now, kind, phase, self._owner & 0xFFFFFFFF, words[2], words[6], words[8], value
        )
        place = layout.RING_OFFSET + (number % layout.RING_CAPACITY) * 64
        buffer[place : place + 60] = packed + layout.RECORD_CRC.pack(zlib.crc32(packed))
        words[12] = number

    def text(self, slot: str, value: dict[str, Any]) -> None:
        """Writes a JSON value into a text slot; while it is too long, its bulkiest value loses its middle."""
        buffer = self._buffer
        if buffer is None:
            return
        room = layout.TEXT_SIZE - layout.TEXT_HEADER.size
        data = _json(value)
        while len(data) > room:
            # Every key stays: what is short is what a reader needs most.
            sizes = {key: len(_json(item)) for key, item in value.items()}
            bulkiest = max(sizes, key=sizes.__getitem__)
            if value[bulkiest] is None:
                return
            value = {**value, bulkiest: _without_middle(value[bulkiest])}
            data = _json(value)
        start = layout.TEXT_OFFSET + layout.TEXTS.index(slot) * layout.TEXT_SIZE
        counter = layout.TEXT_HEADER.unpack_from(buffer, start)[0] + 1
        body = start + layout.TEXT_HEADER.size
        buffer[body : body + len(data)] = data
        layout.TEXT_HEADER.pack_into(buffer, start, counter, len(data), zlib.crc32(data))

    def fault(self, where: str, error: BaseException) -> None:
        """Remembers an error of the agent's own; the training never sees it."""
        try:
            if len(self._faults) < 20:
                self._faults.append("%s: %r" % (where, error))
                self.text("faults", {"faults": self._faults})
        except Exception:  # noqa: BLE001, S110 - there is nobody left to tell
            pass


def _json(value: object) -> bytes:
    return json.dumps(value, default=str, ensure_ascii=False).encode("utf-8", "replace")


def _without_middle(value: Any) -> Any:
    """About half of a text, list or mapping: its beginning and its end."""
    keep = len(value) // 4 if isinstance(value, (str, list, dict)) else 0
    if not keep:
        return None
    if isinstance(value, dict):
        return {key: value[key] for key in [*list(value)[:keep], *list(value)[-keep:]]}
    return value[:keep] + value[-keep:]


recorder = Recorder()


def phase_id(name: str) -> int:
    """The number of a phase in the format."""
    return _PHASE_ID[name]
