"""
Replay buffers, possibly gigabytes: a few blocks of rows at each ``sample``, round and round.

Which rows ``add`` wrote since the last look is known from ``pos`` and from how often it was called; the blocks
they lie in are taken anew. Any other block must be as it was.
"""

from __future__ import annotations

import weakref
from typing import Any

from .. import layout
from ..recorder import recorder
from . import arrays
from .findings import Account, findings

_BLOCK_BYTES = 65536
_MAX_ROWS = 1024
_MIN_BLOCKS = 32
_MAX_BLOCKS = 8192
"""What is remembered of a buffer stays within some megabytes."""
_LOOK_BYTES = 262144
"""What is read in one look, or one block if that is more."""
_LOOK_BLOCKS = 8
_RELABELLED_ROWS = 1024
"""So many of the latest rewards may be changed by whoever shapes them at the end of an episode."""


class _Watch:
    """What is known of one buffer."""

    def __init__(self, buffer: Any) -> None:
        self.buffer = weakref.ref(buffer)
        self.steps: int = buffer.buffer_size
        widest = max((array.nbytes for _, array in arrays.arrays_of(buffer, arrays.REPLAY_ARRAYS)), default=1)
        rows = min(_MAX_ROWS, self.steps // _MIN_BLOCKS, _BLOCK_BYTES * self.steps // widest)
        self.rows = max(1, rows, -(-self.steps // _MAX_BLOCKS))
        self.blocks = -(-self.steps // self.rows)
        self.sums: dict[tuple[str, int], tuple[list[int], int, int]] = {}
        """Array and block to its checksums by environment, the array's address, and the step of the look."""
        self.fresh: list[int] = []
        """Blocks that were written to, waiting to be taken anew."""
        self.pos = -1
        self.adds = 0
        self.cursor = 0
        # ``add`` or ``sample`` of a user's class may write where they like.
        self.comparable = arrays.user_methods(type(buffer)) <= {"reset"}

    def advance(self, buffer: Any, adds: int) -> None:
        """Forgets the blocks that ``add`` has written to since the last look."""
        calls, self.adds = adds - self.adds, adds
        before, self.pos = self.pos, buffer.pos
        if calls >= self.steps or before < 0 or (before + calls) % self.steps != self.pos:
            # All of it was overwritten, or somebody moved ``pos``: nothing is known any more.
            self.sums.clear()
            self.fresh.clear()
            return
        if not calls:
            return
        last = before + calls - 1 + bool(getattr(buffer, "optimize_memory_usage", False))
        names = {name for name, _ in self.sums}
        stale = range(before // self.rows, last // self.rows + 1)
        # Past the end it goes on at the beginning; the last block may be shorter than the others.
        for block in [place for place in stale if place < self.blocks] + list(
            range((last - self.steps) // self.rows + 1 if last >= self.steps else 0)
        ):
            for name in names:
                self.sums.pop((name, block), None)
            if block not in self.fresh:
                self.fresh.append(block)

    def next_block(self, buffer: Any) -> int:
        """A block that was written to and left behind, else the next in the round."""
        current = buffer.pos // self.rows
        for block in self.fresh:
            if block != current:
                self.fresh.remove(block)
                return block
        written = self.blocks if buffer.full else current + 1
        self.cursor = (self.cursor + 1) % written
        return self.cursor

    def look(self, buffer: Any, block: int) -> int:
        """Takes or compares one block of all arrays; returns how many bytes that was."""
        read = 0
        for name, array in arrays.arrays_of(buffer, arrays.REPLAY_ARRAYS):
            start = block * self.rows
            view = array[start : start + self.rows].swapaxes(0, 1)
            read += view.nbytes
            sums = arrays.block_sums(view, self.rows)
            address: int = array.__array_interface__["data"][0]
            before = self.sums.get((name, block))
            if before is None:
                counts = arrays.non_finite(view)
                if counts is not None:
                    counts["row"] += start
                    findings.add_non_finite(buffer, name, counts)
            elif before[0] != sums and before[1] == address:
                self._changed(buffer, name, array, block, sums)
            self.sums[name, block] = (sums, address, recorder.words[layout.STEP])
        return read

    def _changed(self, buffer: Any, name: str, array: Any, block: int, sums: list[int]) -> None:
        before, _, since = self.sums[name, block]
        if name == "rewards" and self._relabelled(buffer, array, block):
            return
        last = min((block + 1) * self.rows, self.steps) - 1
        detail = {
            "buffer": type(buffer).__name__,
            "places": [
                {"env": env, "rows": [block * self.rows, last]}
                for env, (old, new) in enumerate(zip(before, sums))  # noqa: B905
                if old != new
            ][:8],
            "more_places": 0,
            "after": "step %d" % since,
            "before": "step %d" % recorder.words[layout.STEP],
            "epoch": 0,
            "writer": None,
        }
        findings.add("buffer-changed", name, detail)

    def _relabelled(self, buffer: Any, array: Any, block: int) -> bool:
        """
        Whether rewards may have been given anew on purpose: those of the last episodes, or in many places.

        A stray write is short: it touches one block, or two that lie together.
        """
        last = min((block + 1) * self.rows, self.steps) - 1
        if (buffer.pos - 1 - last) % self.steps < _RELABELLED_ROWS:
            return True
        known = [place for name, place in self.sums if name == "rewards"]
        changed = []
        for place in known:
            view = array[place * self.rows : (place + 1) * self.rows].swapaxes(0, 1)
            if arrays.block_sums(view, self.rows) != self.sums["rewards", place][0]:
                changed.append(place)
        if len(changed) <= 2 and max(changed) - min(changed) <= 1:
            return False
        for place in known:
            del self.sums["rewards", place]
        return True


class Replays:
    """Watches all replay buffers of the process."""

    def __init__(self) -> None:
        self.adds: dict[int, int] = {}
        """Calls of ``add`` by the buffer's address."""
        self._watches: dict[int, _Watch] = {}
        self.account = Account(share=0.004, credit_s=0.05)

    def forget(self) -> None:
        """Starts from nothing."""
        self._watches.clear()

    def sampled(self, buffer: Any) -> None:
        """``buffer.sample`` is about to be called."""
        if hasattr(buffer, "compute_returns_and_advantage") or not self.account.open():
            return
        watch = self._watches.get(id(buffer))
        if watch is None or watch.buffer() is not buffer:
            watch = self._watches[id(buffer)] = _Watch(buffer)
        if watch.comparable:
            watch.advance(buffer, self.adds.get(id(buffer), 0))
            read = 0
            for _ in range(min(_LOOK_BLOCKS, watch.blocks)):
                read += watch.look(buffer, watch.next_block(buffer))
                if read >= _LOOK_BYTES:
                    break
        self.account.close()
