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
_UNUSED = (0, 0, 0, 0, 0, 0)
_BOTTOM = layout.STACK
_END = layout.STACK + 2 * layout.STACK_LIMIT
_SHORT_NS = 1_000_000
"""A phase that takes longer costs so much more than its mark that the mark does not rest."""
_OFTEN_NS = 10_000_000
"""Nor does it where a phase comes less often than once in this time."""
_SHORT_MINIBATCH_NS = 10_000_000
"""The first for a minibatch, which is made of other phases."""
_SHORT_WHOLE_NS = 50_000_000
"""Both for the others that are: they cost two records in the ring."""
_TELL_COUNTS_NS = 50_000_000
"""Counts are told no more often than this: nobody looks more often."""
COARSE = frozenset(_PHASE_ID[name] for name in layout.COARSE)
_MINIBATCH = _PHASE_ID["minibatch"]


class Recorder:
    """Records phases and gauges; before :meth:`open` into plain memory, after it into the file."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.path: str | None = None
        self.held_signals = 0
        self.limit = layout.STACK
        """Up to this place a phase is shown without asking whose it is: ``STACK`` once there may be several threads."""
        self.owner = 0
        """The thread whose phases are shown: the one that opened the outermost."""
        self._table = [list(_UNUSED) for _ in layout.PHASES]
        self._brief = [(row, number) for number, row in enumerate(self._table) if number not in COARSE]
        self._forget()

    def _forget(self) -> None:
        """Starts from nothing, in memory that nobody reads."""
        self.path = None
        self._buffer: mmap.mmap | None = None
        self.words = memoryview(bytearray(layout.STATE_WORDS * 8)).cast("q")
        self.words[layout.STEP] = self.words[layout.WORKER_INDEX] = -1
        self.place = layout.STACK
        """The word at which the next phase is put."""
        self.top = -1
        """The innermost of them, or of those at rest; -1 when there is none."""
        self.at_rest = 0
        """The word ``AT_REST``."""
        self.attentive = False
        """Whether what only looks is called at marks at rest, too."""
        self.step_seen = -1
        """The word ``STEP``: memory of ours is read several times faster than the file."""
        for row in self._table:
            row[:] = _UNUSED
        self._records = 0
        self._counts_due = 0
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
        if self.place >= self.limit and not self.admits(now):
            return -1
        if self.at_rest:
            self.show()
        words, place = self.words, self.place
        words[place + 1] = now
        words[place] = phase + 1
        self.place = place + 2
        self.top = phase
        if phase in COARSE:
            row = self._table[phase]
            if row[0] >= row[3]:
                self.record(layout.ENTER, phase, now, 0)
        return now

    def show(self) -> None:
        """The phase told in ``AT_REST`` holds others, and so is no short one: it is shown after all."""
        words, place = self.words, self.place
        phase = (self.at_rest >> 8) - 1
        words[layout.AT_REST] = self.at_rest = 0
        if place < _END:
            row = self._table[phase]
            # It is counted when it is left.
            row[0] -= 1
            row[3] = 0
            words[place + 1] = _clock()
            words[place] = phase + 1
            self.place = place + 2

    def leave(self, token: int) -> None:
        """
        Closes the phase that :meth:`enter` gave ``token`` for, and any left open inside it.

        One that is not open any more is passed over: an outer phase has closed it (a generator that outlives
        its loop), or it is the parent's (in the child of a fork).
        """
        words, place = self.words, self.place
        while place > _BOTTOM:
            place -= 2
            if words[place + 1] == token:
                self.close(place)
                return

    def close(self, place: int) -> None:
        """Closes the phase at ``place``, if one is open there, and all inside it."""
        words = self.words
        while self.place > place:
            last = self.place - 2
            phase = words[last] - 1
            words[last] = 0
            self.place = last
            self.top = words[last - 2] - 1 if last > _BOTTOM else -1
            row = self._table[phase]
            words[layout.PHASE_TABLE + layout.PHASE_COLUMNS * phase] = row[0] = row[0] + 1
            self.timed(phase, words[last + 1])

    def timed(self, phase: int, since: int) -> None:
        """
        A phase that was shown has just been counted.

        If it is short and comes often, its mark rests for a while: the call stands for all since the one before. A
        phase made of others is always shown, and stays out of the ring for a while.
        """
        now = _clock()
        took = now - since
        words, row = self.words, self._table[phase]
        words[layout.LAST_EVENT_NS] = now
        calls, coarse = row[0] - row[4], phase in COARSE
        often_ns = _SHORT_WHOLE_NS if coarse else _OFTEN_NS
        brief = took < (often_ns if coarse else _SHORT_MINIBATCH_NS if phase == _MINIBATCH else _SHORT_NS)
        rests = brief and now - row[5] < often_ns * calls
        row[1] += took * calls if brief else took
        due = row[0] > row[3] or not rests
        if due:
            # No fixed interval: it could keep pace with something in the training.
            row[3] = row[0] + 48 + now % 32 if rests else 0
        row[4], row[5] = row[0], now
        column = layout.PHASE_TABLE + layout.PHASE_COLUMNS * phase
        words[column + 1] = row[1]
        if took > row[2]:
            words[column + 2] = row[2] = took
        if coarse:
            if due:
                self.record(layout.LEAVE, phase, now, took)
            if now >= self._counts_due or self.place == _BOTTOM:
                self._counts_due = now + _TELL_COUNTS_NS
                self.tell_counts()

    def tell_counts(self) -> None:
        """Counts of marks at rest are told with the end of a phase that is made of others."""
        words = self.words
        for row, phase in self._brief:
            words[layout.PHASE_TABLE + layout.PHASE_COLUMNS * phase] = row[0]

    def tell_count(self, phase: int) -> None:
        """That of one phase, at once."""
        self.words[layout.PHASE_TABLE + layout.PHASE_COLUMNS * phase] = self._table[phase][0]

    def admits(self, now: int) -> bool:
        """
        Whether one more phase can be shown; if not, it counts as a sign of life.

        It can't on another thread than the one whose phases are open, and when too many are open.
        """
        if self.place == layout.STACK:
            self.owner = _thread_id()
        elif self.place >= _END or self.owner != _thread_id():
            self.words[layout.FOREIGN_EVENTS] += 1
            self.words[layout.LAST_EVENT_NS] = now
            return False
        return True

    def may_rest(self) -> bool:
        """Whether the mark of a short phase may be at rest on this thread, if there may be several."""
        return self.place > _BOTTOM and self.owner == _thread_id()

    def row(self, phase: int) -> list[int]:
        """
        A phase's row of the table, in a list, which is read several times faster than the file.

        After the columns of the file: the count up to which its mark is at rest, and count and time when it was last
        shown.
        """
        return self._table[phase]

    def owns_phases(self) -> bool:
        """Whether the phases that are open are this thread's; gauges are told by that thread alone."""
        return self.place < self.limit or self.place == layout.STACK or self.owner == _thread_id()

    @property
    def open_phases(self) -> list[int]:
        """Numbers of the open phases, outermost first; of those at rest, the innermost."""
        words = self.words
        shown = [words[place] - 1 for place in range(_BOTTOM, self.place, 2)]
        return [*shown, self.top] if self.top >= 0 and shown[-1:] != [self.top] else shown

    def expect_threads(self, *, any_yet: bool) -> None:
        """Tells whether there may be several threads from now on; called on the only one there is, or was."""
        limit = layout.STACK if any_yet else _END
        if self.limit != limit:
            self.owner = _thread_id()
            self.limit = limit

    def step(self, number: int) -> None:
        """The user-visible step count is now ``number``, unless another thread's phases are shown."""
        if self.step_seen != number and (self.place < self.limit or self.owns_phases()):
            words = self.words
            words[2] = self.step_seen = number
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
