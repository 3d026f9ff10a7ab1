"""
Passes through a network, looked at by samples.

There are several at every step, and where one is short not even a mark that does nothing is for free. So once it is
known how long they take their marks are off the classes, and on again for a rollout and its update now and then: what
has become slow by then is watched for as long as it stays slow. Calls in between are not counted.
"""

from __future__ import annotations

import sys
import time

from .recorder import phase_id, recorder
from .watched import Places

_EVERY_NS = 10_000_000_000
_LONG_NS = 20_000_000
"""As long as passes take their time, whether they still do is asked no more often than this."""
_SHARE = 20
"""
Of the time since the first sample, one part in so many passes at least until the next: methods of a class should not be
changed too often, as Python gives up on speeding up calls of a class that changes a thousand times.
"""


class Passes:
    """Takes the marks off and puts them on again, where a rollout begins."""

    def __init__(self) -> None:
        self.places = Places()
        self._rows = [recorder.row(phase_id(name)) for name in ("policy", "forward")]
        self._since = 0
        self._next = 0

    def collect_begins(self) -> None:
        """Before a rollout."""
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


def _has_compiled() -> bool:
    """Whether torch.compile has come by: it would have to compile again what it has seen with marks, or without."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return dynamo is not None and any(dynamo.counters.values())


passes = Passes()
