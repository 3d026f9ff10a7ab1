"""
Marks that are on their classes for a sample only, as what comes at every step costs something even with one at rest.

So once it is known how long the calls take their marks are off the classes, and on again for a while now and then: what
has become slow by then is watched for as long as it stays slow. Calls in between are not counted.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from types import CodeType

from .recorder import phase_id, recorder
from .watched import Places

_EVERY_NS = 10_000_000_000
_LONG_NS = 20_000_000
"""As long as calls take their time, whether they still do is asked no more often than this."""
_SHARE = 20
"""
Of the time since the first sample, one part in so many passes at least until the next: methods of a class should not be
changed too often, as Python gives up on speeding up calls of a class that changes a thousand times.
"""


class Samples:
    """Takes the marks of some phases off, and puts them on again where a sample may begin."""

    def __init__(self, *phases: str) -> None:
        self.places = Places()
        self._rows = [recorder.row(phase_id(name)) for name in phases]
        self._since = 0
        self._next = 0

    def may_begin(self) -> None:
        """Where one sample may end and the next begin: none of the phases is open."""
        now = time.monotonic_ns()
        if now < self._next:
            return
        if (self.places.on and not self._rest()) or _has_compiled():
            self._next = now + _LONG_NS
            return
        if self.places.on:
            self._since = self._since or now
            self._next = now + max(_EVERY_NS, (now - self._since) // _SHARE)
            self.places.take_off()
        else:
            for row in self._rows:
                row[3] = 0  # the next one is timed
            self._next = now
            self.places.put_on()

    def _rest(self) -> bool:
        """Whether there are any, and those that there are have been found to be short."""
        called = [row for row in self._rows if row[0]]
        return bool(called) and all(row[0] < row[3] for row in called)

    def unseen_in(self, frames: Iterable[CodeType]) -> bool:
        """
        Whether a stack is in one of the calls that have no mark now.

        :param frames: the code of each frame.
        """
        return not self.places.unmarked().isdisjoint(frames)


def _has_compiled() -> bool:
    """Whether torch.compile has come by: it would have to compile again what it has seen with marks, or without."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return dynamo is not None and any(dynamo.counters.values())


passes = Samples("policy", "forward")
"""Passes through a network, of which there are several at every step; by rollouts, with their updates."""

steps_of_worker = Samples("env.step")
"""
In the worker of a vectorised environment, by episodes.

Each of its steps is one of the vectorised environment, which the parent counts and times. With a worker for each
environment, and less than a core for each worker, a mark there costs several times what it costs elsewhere. That a
worker is in its step also shows in its stack, and in that it does not wait for what its parent says.
"""
