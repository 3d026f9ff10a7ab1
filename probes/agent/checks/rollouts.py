"""
Rollout buffers: block checksums at each moment of a rollout's life.

Filled, advantages computed, callbacks at the rollout's end, each epoch, reset. Between two of these nobody of
the buffer's own writes: a block that differs was written by somebody else.
"""

from __future__ import annotations

import weakref
from typing import Any

from .. import layout
from ..recorder import recorder
from . import arrays, zoom
from .findings import Account, findings
from .fingerprint import Fingerprint

_KNOWN_METHODS = frozenset(("add", "reset", "get", "compute_returns_and_advantage", "_get_samples"))
_MAX_RANGES = 8
_ADVANTAGES = ("advantages", "returns")


class _Sum:
    """The checksums of one array at one moment."""

    def __init__(self, array: Any, flat: bool, blocks: list[int]) -> None:
        self.place = (array.shape, array.__array_interface__["data"][0], flat)
        self.blocks = blocks


class _Watch:
    """What is known of one buffer: the checksums of the moment it was looked at last."""

    def __init__(self, buffer: Any) -> None:
        self.buffer = weakref.ref(buffer)
        self.steps: int = buffer.buffer_size
        self.envs: int = buffer.n_envs
        self.rows = arrays.rows_per_block(self.steps, self.envs)
        self.sums: dict[str, _Sum] = {}
        """Empty while nothing is to be compared with."""
        self.moment = ""
        users = arrays.user_methods(type(buffer))
        self.comparable = users <= _KNOWN_METHODS
        """A class with other methods of its own may write through them."""
        self.own_advantages = "compute_returns_and_advantage" in users
        self.own_samples = bool(users & {"get", "_get_samples"})

    def take(self, buffer: Any) -> dict[str, _Sum]:
        """The checksums of now."""
        taken = {}
        for name, array in arrays.arrays_of(buffer, arrays.ROLLOUT_ARRAYS):
            view = arrays.env_first(name, array, self.steps, self.envs)
            if view is not None:
                flat = bool(getattr(buffer, "generator_ready", False))
                taken[name] = _Sum(array, flat, arrays.block_sums(view, self.rows))
        return taken

    def changed(self, name: str, now: _Sum) -> list[int]:
        """The blocks of an array that changed with no writer; none if it was replaced or computed anew."""
        before = self.sums.get(name)
        if before is None or before.blocks == now.blocks or len(before.blocks) != len(now.blocks):
            return []
        (_, address, flat), (_, new_address, new_flat) = before.place, now.place
        if flat == new_flat and address != new_address:
            # Somebody assigned another array: meant, if ever anything was.
            return []
        blocks = [n for n, (old, new) in enumerate(zip(before.blocks, now.blocks)) if old != new]  # noqa: B905
        if name in arrays.REWRITABLE and 2 * len(blocks) > len(now.blocks):
            return []
        return blocks


class Rollouts:
    """
    Watches all rollout buffers of the process.

    :param epochs: whether to look at each epoch, not only at the first.
    """

    def __init__(self, *, epochs: bool) -> None:
        self._epochs = epochs
        self._watches: dict[int, _Watch] = {}
        self.account = Account(share=0.003, credit_s=0.03)
        self.epoch_account = Account(share=0.007, credit_s=0.03)
        self._fingerprint = Fingerprint()
        self._own_train = False

    def _watch(self, buffer: Any) -> _Watch | None:
        watch = self._watches.get(id(buffer))
        return watch if watch is not None and watch.buffer() is buffer else None

    def filled(self, buffer: Any) -> None:
        """The last row was added."""
        self._fingerprint.rollouts += 1
        watch = self._watch(buffer)
        if watch is None:
            self._watches = {key: item for key, item in self._watches.items() if item.buffer() is not None}
            watch = self._watches[id(buffer)] = _Watch(buffer)
        if not self.account.open():
            watch.sums = {}
            return
        # Already filled and not reset: user code changed rewards and has the advantages computed again.
        self._look(watch, buffer, "the end of the rollout", except_for=arrays.REWRITABLE)
        self.account.close()

    def advantages_computed(self, buffer: Any) -> None:
        """``compute_returns_and_advantage`` has returned."""
        zoom.store(buffer, self._fingerprint.rollouts)
        watch = self._watch(buffer)
        if watch is None or not watch.sums:
            return
        self.account.begin()
        if watch.own_advantages:
            watch.sums = {}
        self._look(watch, buffer, "the advantages", except_for=_ADVANTAGES)
        self._count_non_finite(watch, buffer)
        self._fingerprint.add(
            {name: taken.blocks for name, taken in watch.sums.items()}, watch.rows, watch.steps, watch.envs
        )
        self.account.close()

    def callback_ended(self, callback: Any) -> None:
        """``callback.on_rollout_end`` has returned; a callback without a hook of its own wrote nothing."""
        hook = getattr(type(callback), "_on_rollout_end", None)
        watch = self._watch(getattr(callback.model, "rollout_buffer", None))
        if hook is None or arrays.is_library(hook) or watch is None or not watch.sums:
            return
        code = getattr(hook, "__code__", None)
        writer = None
        if code is not None:
            writer = {"function": hook.__qualname__, "file": code.co_filename, "line": code.co_firstlineno}
        self.account.begin()
        self._look(watch, watch.buffer(), "the end of its callback " + type(callback).__name__, writer=writer)
        self.account.close()

    def train_begins(self, model: Any) -> None:
        """``train`` is called; a user's own may compute values anew while it runs, row by row if it likes."""
        self._own_train = not arrays.is_library(type(model).train)

    def epoch_begins(self, buffer: Any, number: int) -> None:
        """``get`` is called for epoch ``number`` of an update."""
        watch = self._watch(buffer)
        if watch is None or not watch.sums:
            return
        if number > 1 and (not self._epochs or watch.own_samples):
            return
        account = self.account if number == 1 else self.epoch_account
        if account.open():
            except_for = arrays.REWRITABLE if self._own_train and number > 1 else ()
            self._look(watch, buffer, "epoch %d" % number, except_for=except_for)
            account.close()

    def reset_begins(self, buffer: Any) -> None:
        """The buffer is about to be emptied for the next rollout."""
        watch = self._watch(buffer)
        if watch is not None:
            self._last_look(watch, buffer, "the reset")

    def learn_ends(self) -> None:
        """The rollout that was trained on last meets no reset."""
        for watch in list(self._watches.values()):
            buffer = watch.buffer()
            if buffer is not None:
                self._last_look(watch, buffer, "the end of learning")

    def _last_look(self, watch: _Watch, buffer: Any, moment: str) -> None:
        if watch.sums and not watch.own_samples and self.account.open():
            self._look(watch, buffer, moment, except_for=arrays.REWRITABLE if self._own_train else ())
            self.account.close()
        watch.sums = {}

    def _look(
        self,
        watch: _Watch,
        buffer: Any,
        moment: str,
        *,
        except_for: tuple[str, ...] = (),
        writer: dict[str, Any] | None = None,
    ) -> None:
        taken = watch.take(buffer)
        if watch.comparable:
            for name, now in taken.items():
                blocks = watch.changed(name, now) if name not in except_for else []
                if blocks:
                    places = arrays.ranges(blocks, watch.rows, watch.steps)
                    detail = {
                        "buffer": type(buffer).__name__,
                        "places": places[:_MAX_RANGES],
                        "more_places": max(len(places) - _MAX_RANGES, 0),
                        "after": watch.moment,
                        "before": moment,
                        "epoch": recorder.words[layout.EPOCH],
                        "writer": writer,
                    }
                    findings.add("buffer-changed", name, detail)
        watch.sums = taken
        watch.moment = moment

    @staticmethod
    def _count_non_finite(watch: _Watch, buffer: Any) -> None:
        for name, array in arrays.arrays_of(buffer, arrays.ROLLOUT_ARRAYS):
            view = arrays.env_first(name, array, watch.steps, watch.envs)
            counts = arrays.non_finite(view) if view is not None else None
            if counts is not None:
                findings.add_non_finite(buffer, name, counts)
