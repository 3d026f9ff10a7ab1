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
COARSE = frozenset(_PHASE_ID[name] for name in layout.COARSE)


class Recorder:
    """Records phases and gauges; before :meth:`open` into plain memory, after it into the file."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.path: str | None = None
        self.held_signals = 0
        self.threaded = True
        """Whether there may be several threads; who knows that there is one only saves the question who asks."""
        self.owner = 0
        """The thread whose phases are shown: the one that opened the outermost."""
        self._table = [[0] * layout.PHASE_COLUMNS for _ in layout.PHASES]
        self._forget()

    def _forget(self) -> None:
        """Starts from nothing, in memory that nobody reads."""
        self.path = None
        self._buffer: mmap.mmap | None = None
        self.words = memoryview(bytearray(layout.STATE_WORDS * 8)).cast("q")
        self.words[layout.STEP] = self.words[layout.WORKER_INDEX] = -1
        self.depth = 0
        """How many phases are open."""
        self.top = -1
        """The innermost of them; -1 when there is none."""
        for row in self._table:
            row[:] = [0] * layout.PHASE_COLUMNS
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
        self._forget()
        if folder is not None:
            self.open(folder)

    def enter(self, phase: int) -> int:
        """
        Opens a phase; what is called at every step does the same in place, see :func:`marks.mark`.

        :param phase: index in ``layout.PHASES``.
        :return: a token for :meth:`leave`; -1 if the phase is not shown, see :meth:`admits`.
        """
        now = _clock()
        depth = self.depth
        if not self.admits(depth, now):
            return -1
        words = self.words
        place = layout.STACK + 2 * depth
        words[place] = phase
        words[place + 1] = now
        words[layout.DEPTH] = self.depth = depth + 1
        self.top = phase
        if phase in COARSE:
            self.record(layout.ENTER, phase, now, 0)
        return now

    def leave(self, token: int) -> None:
        """
        Closes the phase that :meth:`enter` gave ``token`` for, and any left open inside it.

        One that is not open any more is passed over: an outer phase has closed it (a generator that outlives
        its loop), or it is the parent's (in the child of a fork).
        """
        depth = self.depth
        while depth:
            depth -= 1
            if self.words[layout.STACK + 2 * depth + 1] == token:
                self.close(depth)
                return

    def close(self, depth: int) -> None:
        """Closes all but the outermost ``depth`` phases."""
        words = self.words
        while self.depth > depth:
            now = _clock()
            place = layout.STACK + 2 * (self.depth - 1)
            phase, took = words[place], now - words[place + 1]
            row = self._table[phase]
            column = layout.PHASE_TABLE + layout.PHASE_COLUMNS * phase
            words[column] = row[0] = row[0] + 1
            words[column + 1] = row[1] = row[1] + took
            words[column + 2] = row[2] = max(row[2], took)
            words[layout.DEPTH] = self.depth = self.depth - 1
            words[layout.LAST_EVENT_NS] = now
            self.top = words[place - 2] if self.depth else -1
            if phase in COARSE:
                self.record(layout.LEAVE, phase, now, took)

    def admits(self, depth: int, now: int) -> bool:
        """
        Whether one more phase can be shown; if not, it counts as a sign of life.

        It can't on another thread than the one whose phases are open, and when too many are open.
        """
        if depth == 0:
            self.owner = _thread_id()
        elif depth >= layout.STACK_LIMIT or self.owner != _thread_id():
            self.words[layout.FOREIGN_EVENTS] += 1
            self.words[layout.LAST_EVENT_NS] = now
            return False
        return True

    def row(self, phase: int) -> list[int]:
        """A phase's row of the table, in a list, which is read several times faster than the file."""
        return self._table[phase]

    def owns_phases(self) -> bool:
        """Whether the phases that are open are this thread's; gauges are told by that thread alone."""
        return not self.threaded or self.depth == 0 or self.owner == _thread_id()

    @property
    def stack(self) -> list[tuple[int, int]]:
        """Open phases, outermost first, each with when it was entered."""
        words = self.words
        return [(words[place], words[place + 1]) for place in range(layout.STACK, layout.STACK + 2 * self.depth, 2)]

    @property
    def open_phases(self) -> list[int]:
        """Numbers of the open phases, outermost first."""
        return [phase for phase, _ in self.stack]

    def expect_threads(self, *, any_yet: bool) -> None:
        """Tells whether there may be several threads from now on; called on the only one there is, or was."""
        if self.threaded != any_yet:
            self.owner = _thread_id()
            self.threaded = any_yet

    def step(self, number: int) -> None:
        """The user-visible step count is now ``number``, unless another thread's phases are shown."""
        words = self.words
        if words[2] != number and (not self.threaded or self.owns_phases()):
            words[2] = number
            words[3] = _clock()

    def gauge(self, word: int, value: Any) -> None:
        """Sets a word of the state block, fractions cut off; what is no number is passed over."""
        try:
            self.words[word] = int(value)
        except (TypeError, ValueError, OverflowError):
            pass

    def record(self, kind: int, phase: int, now: int, value: int) -> None:
        """Writes a record into the ring."""
        buffer = self._buffer
        if buffer is None:
            return
        self._records += 1
        number = self._records
        words = self.words
        packed = layout.RECORD.pack(
            number, now, kind, phase, self.owner & 0xFFFFFFFF, words[2], words[6], words[8], value
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
